/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Toeplitz and headers; see rss.h.
 */
#include "vmq/rss.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include "vmq/queue.h"

#define ETH_SIZE  14u
#define IP4_SIZE  20u
#define IP6_SIZE  40u
#define PROTO_TCP 6
#define PROTO_UDP 17
#define MAX_TAGS  2u

/* The 32 bits of the key from bit 'at' on. */
static uint32_t key_window(const uint8_t key[NETVSP_KEY_SIZE], unsigned at)
{
	uint64_t five = 0;

	for (unsigned i = 0; i < 5; i++)
		five = five << 8 | (at / 8 + i < NETVSP_KEY_SIZE ? key[at / 8 + i] : 0);
	return (uint32_t)(five >> (8 - at % 8));
}

void vmq_rss_prepare(struct vmq_rules *rules, const uint8_t key[NETVSP_KEY_SIZE])
{
	for (unsigned k = 0; k < sizeof(rules->nibble) / sizeof(rules->nibble[0]); k++)
		for (unsigned v = 0; v < 16; v++) {
			uint32_t hash = 0;

			for (unsigned bit = 0; bit < 4; bit++)
				if ((v >> (3 - bit) & 1) != 0)
					hash ^= key_window(key, 4 * k + bit);
			rules->nibble[k][v] = hash;
		}
}

static inline uint32_t toeplitz(const struct vmq_rules *rules, const uint8_t *input, unsigned n)
{
	uint32_t hash = 0;

	for (unsigned i = 0; i < n; i++)
		hash ^= rules->nibble[2 * i][input[i] >> 4] ^
			rules->nibble[2 * i + 1][input[i] & 15];
	return hash;
}

uint32_t vmq_rss_toeplitz(const struct vmq_rules *rules, const uint8_t *input, unsigned n)
{
	return toeplitz(rules, input, n);
}

static uint16_t load16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static void flow4(const struct vmq_rules *rules, const uint8_t *ip, uint32_t left,
		  struct vmq_flow *ret)
{
	uint32_t size = (ip[0] & 15u) * 4;
	bool fragment = (load16(ip + 6) & RTE_BE16(0x3fff)) != 0;
	uint8_t input[12];

	if (ip[0] >> 4 != 4 || size < IP4_SIZE || size > left)
		return;
	ret->ip = 4;
	if (!fragment && (ip[9] == PROTO_TCP || ip[9] == PROTO_UDP))
		ret->proto = ip[9];
	memcpy(input, ip + 12, 8);
	if (ret->proto == PROTO_TCP && (rules->hash_types & NETVSP_HASH_TCP4) != 0 &&
	    left >= size + 4) {
		memcpy(input + 8, ip + size, 4);
		ret->hash = toeplitz(rules, input, 12);
		ret->type = NETVSP_HASH_TCP4;
	} else if ((rules->hash_types & NETVSP_HASH_IP4) != 0) {
		ret->hash = toeplitz(rules, input, 8);
		ret->type = NETVSP_HASH_IP4;
	}
}

/* Extension headers end the search: such a packet is hashed by its addresses. */
static void flow6(const struct vmq_rules *rules, const uint8_t *ip, uint32_t left,
		  struct vmq_flow *ret)
{
	if (ip[0] >> 4 != 6)
		return;
	ret->ip = 6;
	if (ip[6] == PROTO_TCP || ip[6] == PROTO_UDP)
		ret->proto = ip[6];
	if (ret->proto == PROTO_TCP && (rules->hash_types & NETVSP_HASH_TCP6) != 0 &&
	    left >= IP6_SIZE + 4) {
		ret->hash = toeplitz(rules, ip + 8, 36);
		ret->type = NETVSP_HASH_TCP6;
	} else if ((rules->hash_types & NETVSP_HASH_IP6) != 0) {
		ret->hash = toeplitz(rules, ip + 8, 32);
		ret->type = NETVSP_HASH_IP6;
	}
}

void vmq_rss_flow(const struct vmq_rules *rules, const struct rte_mbuf *m, struct vmq_flow *ret)
{
	const uint8_t *frame = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t at = ETH_SIZE, size = m->data_len;
	uint16_t type;

	*ret = (struct vmq_flow){0};
	if (size < ETH_SIZE)
		return;
	type = load16(frame + 12);
	for (unsigned i = 0; i < MAX_TAGS && at + 4 <= size &&
			     (type == RTE_BE16(0x8100) || type == RTE_BE16(0x88a8));
	     i++, at += 4)
		type = load16(frame + at + 2);
	ret->l3_offset = (uint16_t)at;
	if (type == RTE_BE16(0x0800) && size >= at + IP4_SIZE)
		flow4(rules, frame + at, size - at, ret);
	else if (type == RTE_BE16(0x86dd) && size >= at + IP6_SIZE)
		flow6(rules, frame + at, size - at, ret);
}

uint16_t vmq_rss_queue(const struct vmq_rules *rules, const struct vmq_flow *flow)
{
	uint8_t queue;

	if (!rules->rss || flow->type == 0 || rules->table_size == 0)
		return 0;
	queue = rules->table[flow->hash & (rules->table_size - 1u) & (NETVSP_TABLE_SIZE - 1u)];
	return queue < rules->n_queues ? queue : 0;
}
