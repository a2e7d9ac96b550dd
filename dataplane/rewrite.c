/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Headers pushed and popped: tags, MPLS entries, I-TAGs; see rewrite.h.  All of them open or close
 * a gap near the start of the frame: the few bytes before it move, what is behind it stays.
 */
#include "dataplane/rewrite.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/csum.h"
#include "dataplane/key_priv.h"

#define ETH_SIZE   14u
#define MACS_SIZE  12u
#define MAX_L2_LEN ((1u << RTE_MBUF_L2_LEN_BITS) - 1)

struct rte_mbuf *dp_rw_own(struct rte_mbuf *m, struct rte_mempool *pool)
{
	struct rte_mbuf *copy;

	if (RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1)
		return m;
	copy = rte_pktmbuf_copy(m, pool, 0, UINT32_MAX);
	rte_pktmbuf_free(m);
	return copy;
}

/* The 'before' bytes in front of a change of the frame's length by 'by' are what the request
 * counts, too: its l2_len follows, or the request is met now.  0 or -EBADMSG. */
static int move_request(struct rte_mbuf *m, uint32_t before, int by)
{
	uint32_t moved = (uint32_t)(m->l2_len + by);

	if ((m->ol_flags & DP_RW_REQUESTS) == 0)
		return 0;
	if (m->l2_len < before || moved < ETH_SIZE || moved > MAX_L2_LEN)
		return dp_csum_finish(m);
	m->l2_len = moved & MAX_L2_LEN;
	return 0;
}

/* Opens a gap of 'n' bytes before byte 'at'; it is at '*ret_gap'. */
static int open_gap(struct rte_mbuf *m, uint32_t at, uint16_t n, uint8_t **ret_gap)
{
	uint8_t *frame;
	int rc;

	if (rte_pktmbuf_headroom(m) < n)
		return -ENOMEM;
	rc = move_request(m, at, n);
	if (rc < 0)
		return rc;
	frame = (uint8_t *)rte_pktmbuf_prepend(m, n);
	memmove(frame, frame + n, at);
	*ret_gap = frame + at;
	return 0;
}

/* Removes the 'n' bytes at 'at', which are there. */
static int close_gap(struct rte_mbuf *m, uint32_t at, uint16_t n)
{
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *);
	int rc = move_request(m, at + n, -(int)n);

	if (rc < 0)
		return rc;
	memmove(frame + n, frame, at);
	rte_pktmbuf_adj(m, n);
	return 0;
}

int dp_rw_push_vlan_slow(struct rte_mbuf *m, struct dp_headers *h, uint16_t tpid, uint16_t tci)
{
	uint8_t *tag;
	int rc;

	if (h->bad == DP_BAD_ETH)
		return -EBADMSG;
	rc = open_gap(m, MACS_SIZE, DP_RW_TAG_SIZE, &tag);
	if (rc < 0)
		return rc;
	dp_store_be16(tag, tpid);
	dp_store_be16(tag + 2, tci);
	dp_parse_mbuf(m, h);
	return 0;
}

int dp_rw_pop_vlan_slow(struct rte_mbuf *m, struct dp_headers *h)
{
	int rc;

	if (h->n_tags == 0)
		return -EBADMSG;
	rc = close_gap(m, MACS_SIZE, DP_RW_TAG_SIZE);
	if (rc < 0)
		return rc;
	dp_parse_mbuf(m, h);
	return 0;
}

/* The EtherType stands right behind addresses and tags: not behind SNAP, and it is no length. */
static bool has_eth_type(const struct dp_headers *h)
{
	return h->bad != DP_BAD_ETH && h->bad != DP_BAD_VLAN && h->eth_type != DP_ETH_TYPE_LLC &&
	       h->l2_size == ETH_SIZE + DP_RW_TAG_SIZE * h->n_tags;
}

int dp_rw_push_mpls(struct rte_mbuf *m, struct dp_headers *h, uint16_t type, uint32_t lse)
{
	uint8_t *entry;
	int rc;

	if (!has_eth_type(h))
		return -EBADMSG;
	rc = open_gap(m, h->l2_size, DP_MPLS_SIZE, &entry);
	if (rc < 0)
		return rc;
	dp_store_be16(entry - 2, type);
	dp_store_be32(entry, lse);
	dp_parse_mbuf(m, h);
	return 0;
}

int dp_rw_pop_mpls(struct rte_mbuf *m, struct dp_headers *h, uint16_t type)
{
	int rc;

	if (!dp_has_mpls(h, m->data_len) || !has_eth_type(h))
		return -EBADMSG;
	rc = close_gap(m, h->l2_size, DP_MPLS_SIZE);
	if (rc < 0)
		return rc;
	dp_store_be16(rte_pktmbuf_mtod_offset(m, uint8_t *, h->l2_size - 2), type);
	dp_parse_mbuf(m, h);
	return 0;
}

/* The bits of 'mask' in the big-endian word at h->l2_size. */
static void set_word(struct rte_mbuf *m, const struct dp_headers *h, uint32_t value, uint32_t mask)
{
	uint8_t *p = rte_pktmbuf_mtod_offset(m, uint8_t *, h->l2_size);

	dp_store_be32(p, (dp_load_be32(p) & ~mask) | (value & mask));
}

int dp_rw_set_mpls(struct rte_mbuf *m, const struct dp_headers *h, uint32_t lse, uint32_t mask)
{
	if (!dp_has_mpls(h, m->data_len))
		return -EBADMSG;
	set_word(m, h, lse, mask);
	return 0;
}

int dp_rw_push_pbb(struct rte_mbuf *m, struct dp_headers *h, uint32_t itag)
{
	uint8_t *gap;
	int rc;

	if (h->bad == DP_BAD_ETH)
		return -EBADMSG;
	rc = open_gap(m, MACS_SIZE, DP_PBB_SIZE, &gap);
	if (rc < 0)
		return rc;
	dp_store_be16(gap, DP_TYPE_PBB);
	dp_store_be32(gap + 2, itag);
	memcpy(gap + 6, rte_pktmbuf_mtod(m, const uint8_t *), MACS_SIZE);
	dp_parse_mbuf(m, h);
	return 0;
}

int dp_rw_pop_pbb(struct rte_mbuf *m, struct dp_headers *h)
{
	uint8_t customer[MACS_SIZE];
	int rc;

	if (!dp_has_pbb(h, m->data_len) || !has_eth_type(h) ||
	    m->data_len < h->l2_size + DP_PBB_SIZE)
		return -EBADMSG;
	memcpy(customer, rte_pktmbuf_mtod_offset(m, const uint8_t *, h->l2_size + 4), MACS_SIZE);
	rc = close_gap(m, h->l2_size - 2u, DP_PBB_SIZE);
	if (rc < 0)
		return rc;
	memcpy(rte_pktmbuf_mtod(m, uint8_t *), customer, MACS_SIZE);
	dp_parse_mbuf(m, h);
	return 0;
}

int dp_rw_set_pbb(struct rte_mbuf *m, const struct dp_headers *h, uint32_t itag, uint32_t mask)
{
	if (!dp_has_pbb(h, m->data_len))
		return -EBADMSG;
	set_word(m, h, itag, mask);
	return 0;
}
