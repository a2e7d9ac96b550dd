/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What routers do to a frame, in one write: new addresses, one tag more or less, a TTL less; and
 * the queue that it leaves by.  A program that does no more than that and sends the frame once is
 * summed up as a head when it is made; plain frames (key.h) then need no step by step, and no
 * parsing.  The steps stay, for frames of other kinds.
 *
 * Workers.
 */
#ifndef DATAPLANE_HEAD_H
#define DATAPLANE_HEAD_H

#include "dataplane/edge.h"
#include "dataplane/queue.h"
#include "dataplane/rewrite.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

struct dp_head {
	uint16_t out;	 /* port */
	uint8_t pops;	 /* takes the tag off: only for frames that have one */
	uint8_t pushes;	 /* then puts 'tag' on */
	uint8_t macs;	 /* the frame gets 'mac', destination first */
	uint8_t dec_ttl; /* 1 or 0 */
	uint8_t mac[12];
	uint8_t tag[4]; /* as in the frame */
	uint8_t unused[2];
	uint32_t queue; /* DP_QUEUE_NONE: as it is */
};

/* Sums up steps.  False when they do more than a head can. */
bool dp_head_compile(const uint8_t *steps, uint16_t size, struct dp_head *ret_head);

/* What a frame that was carried so is carried on behind the head; 'pvid' is the ingress port's. */
uint64_t dp_head_carried(const struct dp_head *head, uint64_t carried, uint16_t pvid);

/* Changes a plain frame, 'tagged' or not.  False, and nothing changed, when it takes more care: its
 * bytes are shared or scarce, an offload names its headers, it has no tag to pop, its TTL is spent.
 */
static inline bool dp_head_apply(const struct dp_head *head, struct rte_mbuf *m, bool tagged)
{
	uint8_t *d = rte_pktmbuf_mtod(m, uint8_t *);
	uint8_t *ip = d + 14 + (tagged ? 4 : 0), *to = d;
	uint64_t macs[2];

	if (unlikely((m->ol_flags & (DP_RW_REQUESTS | RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL)) !=
			     0 ||
		     rte_mbuf_refcnt_read(m) != 1 || m->data_off < DP_RW_TAG_SIZE ||
		     head->pops > tagged || (head->dec_ttl != 0 && ip[8] <= 1)))
		return false;
	if (head->dec_ttl != 0) {
		/* TTL, protocol, checksum: one load, one store. */
		uint16_t was = dp_key_load16(ip + 8), is = (uint16_t)(was - 1);
		uint32_t word = is | (uint32_t)dp_rw_csum_adjust(dp_key_load16(ip + 10), was, is)
					     << 16;

		memcpy(ip + 8, &word, sizeof(word));
	}
	if (head->queue != DP_QUEUE_NONE)
		dp_queue_mark(m, head->queue);
	memcpy(macs, head->macs != 0 ? head->mac : d, 12);
	if (head->pushes != head->pops) {
		int by = head->pushes != 0 ? (int)DP_RW_TAG_SIZE : -(int)DP_RW_TAG_SIZE;

		to = d - by;
		m->data_off = (uint16_t)(m->data_off - by);
		m->data_len = (uint16_t)(m->data_len + by);
		m->pkt_len += (uint32_t)by;
	}
	memcpy(to, macs, 12);
	if (head->pushes != 0)
		memcpy(to + 12, head->tag, sizeof(head->tag));
	return true;
}

#endif
