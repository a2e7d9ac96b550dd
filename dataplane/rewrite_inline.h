/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The changes that most routed frames undergo, inline for the packet path: no call, no loop, and
 * 'h' moved along instead of parsed again.  What is unusual (requests, three tags, malformed ones)
 * is out of line.  Included by rewrite.h.
 */
#ifndef DATAPLANE_REWRITE_INLINE_H
#define DATAPLANE_REWRITE_INLINE_H

#include <errno.h>
#include <stdint.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/key.h"

#define DP_RW_REQUESTS                                                                             \
	(RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_TCP_SEG |                  \
	 RTE_MBUF_F_TX_UDP_SEG)
#define DP_RW_TAG_SIZE 4u

/* The same for every frame, at any price. */
int dp_rw_push_vlan_slow(struct rte_mbuf *m, struct dp_headers *h, uint16_t tpid, uint16_t tci);
int dp_rw_pop_vlan_slow(struct rte_mbuf *m, struct dp_headers *h);

/* RFC 1624, equation 3, for a sum 'was' of 16-bit words that became 'is'; all as they lie in
 * memory. Never 0xffff unless that is all there ever was, so it gives what a sum over everything
 * gives. */
static inline uint16_t dp_rw_csum_adjust(uint16_t csum, uint16_t was, uint16_t is)
{
	uint32_t sum = (uint32_t)(uint16_t)~csum + (uint16_t)~was + is;

	sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t) ~(sum + (sum >> 16));
}

static inline void dp_rw_set_macs(struct rte_mbuf *m, const uint8_t dst[6], const uint8_t src[6])
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);

	memcpy(frame, dst, 6);
	memcpy(frame + 6, src, 6);
}

static inline int dp_rw_dec_nw_ttl(struct rte_mbuf *m, struct dp_headers *h)
{
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, h->l2_size);
	uint16_t was, is, csum;

	if (unlikely(h->ip_version == 0))
		return -EBADMSG;
	if (unlikely(h->ip_ttl <= 1))
		return -ERANGE;
	h->ip_ttl--;
	if (h->ip_version == 6) {
		ip[7] = h->ip_ttl;
		return 0;
	}
	was = dp_key_load16(ip + 8);
	ip[8] = h->ip_ttl;
	is = dp_key_load16(ip + 8);
	csum = dp_rw_csum_adjust(dp_key_load16(ip + 10), was, is);
	memcpy(ip + 10, &csum, sizeof(csum));
	return 0;
}

/* Everything behind the Ethernet addresses has moved by the size of a tag. */
static inline void dp_rw_moved(struct dp_headers *h, int by)
{
	h->l2_size = (uint16_t)(h->l2_size + by);
	if (h->ip_src != 0) {
		h->ip_src = (uint16_t)(h->ip_src + by);
		h->ip_dst = (uint16_t)(h->ip_dst + by);
	}
	if (h->tunnel_offset != 0)
		h->tunnel_offset = (uint16_t)(h->tunnel_offset + by);
}

static inline int dp_rw_push_vlan(struct rte_mbuf *m, struct dp_headers *h, uint16_t tpid,
				  uint16_t tci)
{
	uint8_t *from = rte_pktmbuf_mtod(m, uint8_t *);
	uint16_t tag[2] = {DP_KEY_BE16(tpid), DP_KEY_BE16(tci)};
	uint64_t macs[2];

	if (unlikely(h->n_tags > 1 || h->bad == DP_BAD_ETH || h->bad == DP_BAD_VLAN ||
		     (m->ol_flags & DP_RW_REQUESTS) != 0 ||
		     rte_pktmbuf_headroom(m) < DP_RW_TAG_SIZE))
		return dp_rw_push_vlan_slow(m, h, tpid, tci);
	memcpy(macs, from, 12);
	memcpy(from - DP_RW_TAG_SIZE, macs, 12);
	memcpy(from - DP_RW_TAG_SIZE + 12, tag, sizeof(tag));
	m->data_off = (uint16_t)(m->data_off - DP_RW_TAG_SIZE);
	m->data_len = (uint16_t)(m->data_len + DP_RW_TAG_SIZE);
	m->pkt_len += DP_RW_TAG_SIZE;
	h->tpid[1] = h->tpid[0];
	h->tci[1] = h->tci[0];
	h->tpid[0] = tpid;
	h->tci[0] = tci;
	h->n_tags++;
	dp_rw_moved(h, (int)DP_RW_TAG_SIZE);
	return 0;
}

static inline int dp_rw_pop_vlan(struct rte_mbuf *m, struct dp_headers *h)
{
	uint8_t *from = rte_pktmbuf_mtod(m, uint8_t *);
	uint64_t macs[2];

	/* Behind two tags there may be a third that now counts as one, behind one the half of one.
	 */
	if (unlikely(h->n_tags == 0 || h->eth_type == 0x8100 || h->eth_type == 0x88a8 ||
		     (m->ol_flags & DP_RW_REQUESTS) != 0))
		return dp_rw_pop_vlan_slow(m, h);
	memcpy(macs, from, 12);
	memcpy(from + DP_RW_TAG_SIZE, macs, 12);
	m->data_off = (uint16_t)(m->data_off + DP_RW_TAG_SIZE);
	m->data_len = (uint16_t)(m->data_len - DP_RW_TAG_SIZE);
	m->pkt_len -= DP_RW_TAG_SIZE;
	h->tpid[0] = h->tpid[1];
	h->tci[0] = h->tci[1];
	h->tpid[1] = 0;
	h->tci[1] = 0;
	h->n_tags--;
	dp_rw_moved(h, -(int)DP_RW_TAG_SIZE);
	return 0;
}

static inline int dp_rw_set_vlan(struct rte_mbuf *m, struct dp_headers *h, uint16_t tci,
				 uint16_t mask)
{
	uint16_t wire;

	if (unlikely(h->n_tags == 0))
		return -EBADMSG;
	h->tci[0] = (uint16_t)((h->tci[0] & ~mask) | (tci & mask));
	wire = DP_KEY_BE16(h->tci[0]);
	memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, 14), &wire, sizeof(wire));
	return 0;
}

#endif
