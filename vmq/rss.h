/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Receive side scaling as NDIS defines it: Toeplitz hash of addresses and TCP ports, and a table
 * that says which channel a hash belongs to.  The key is turned into tables by nibble of the input
 * when it is set, 4.6 KB that stay in the first cache.  Any thread; no state.
 *
 * Source: Microsoft, "RSS Hashing Types", "Verifying the RSS Hash Calculation".
 */
#ifndef VMQ_RSS_H
#define VMQ_RSS_H

#include <stdbool.h>
#include <stdint.h>

#include "vmbus/netvsp.h"

struct rte_mbuf;
struct vmq_rules;

/* What a frame's headers say, as far as the way to a guest wants to know. */
struct vmq_flow {
	uint32_t hash; /* 0 when not hashed */
	uint32_t type; /* NETVSP_HASH_*, 0: not hashed */
	uint8_t proto; /* 6, 17 when it is TCP or UDP and no fragment; else 0 */
	uint8_t ip;    /* 4, 6, or 0 */
	uint16_t l3_offset;
};

/* Fills rules->nibble.  Control thread. */
void vmq_rss_prepare(struct vmq_rules *rules, const uint8_t key[NETVSP_KEY_SIZE]);
/* The hash of 'n' (a multiple of 4, at most 36) bytes of input. */
uint32_t vmq_rss_toeplitz(const struct vmq_rules *rules, const uint8_t *input, unsigned n);
/* Looks at the headers in the first segment. */
void vmq_rss_flow(const struct vmq_rules *rules, const struct rte_mbuf *m, struct vmq_flow *ret);
/* The channel that a frame goes to. */
uint16_t vmq_rss_queue(const struct vmq_rules *rules, const struct vmq_flow *flow);

#endif
