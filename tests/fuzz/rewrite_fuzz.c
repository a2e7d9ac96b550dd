/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes changes to frames, and the flow key: any frame, any changes in any order.  After each,
 * what is known about the frame must be what a fresh look says, and a frame that was refused as it
 * was.
 *
 * The first segment is memory of exactly its size, so that a sanitizer sees the first byte beyond.
 */
#include "dataplane/rewrite.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/csum.h"
#include "dataplane/gso.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/rewrite.h"
#include "tests/support/oracle.h"

#define MAX_FRAME 20000
#define IN_PORT	  7

static void must(bool condition)
{
	if (!condition)
		abort();
}

static struct rte_mbuf *segment(const uint8_t *bytes, uint16_t headroom, uint16_t size)
{
	struct rte_mbuf *m = aligned_alloc(64, sizeof(*m));

	memset(m, 0, sizeof(*m));
	m->buf_addr = malloc(headroom + size == 0 ? 1 : (size_t)headroom + size);
	m->buf_len = headroom + size;
	m->data_off = headroom;
	m->data_len = size;
	m->pkt_len = size;
	m->nb_segs = 1;
	rte_mbuf_refcnt_set(m, 1);
	if (size != 0)
		memcpy(rte_pktmbuf_mtod(m, void *), bytes, size);
	return m;
}

static void segment_free(struct rte_mbuf *m)
{
	if (m == NULL)
		return;
	free(m->buf_addr);
	free(m);
}

static struct rte_mbuf *frame_make(const struct rewrite_input *in, const uint8_t *frame,
				   uint32_t size)
{
	uint32_t first = in->cut == 0 ? size : size * in->cut / 256;
	struct rte_mbuf *m = segment(frame, in->headroom, (uint16_t)first);

	if (first < size) {
		m->next = segment(frame + first, 0, (uint16_t)(size - first));
		m->nb_segs = 2;
		m->pkt_len = size;
	}
	if (in->csum_start != 0 && dp_csum_request(m, in->csum_start, in->csum_offset) == 0 &&
	    in->segmentation != 0) {
		m->tso_segsz = in->segmentation;
		m->ol_flags |= (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_TCP_CKSUM
				       ? RTE_MBUF_F_TX_TCP_SEG
				       : RTE_MBUF_F_TX_UDP_SEG;
	}
	return m;
}

/* All of it, for comparison. */
struct image {
	uint32_t size;
	uint64_t ol_flags, tx_offload;
	uint8_t bytes[MAX_FRAME + 2000];
};

static void image_take(const struct rte_mbuf *m, struct image *i)
{
	i->size = 0;
	i->ol_flags = m->ol_flags;
	i->tx_offload = m->tx_offload;
	for (const struct rte_mbuf *s = m; s != NULL; s = s->next) {
		memcpy(i->bytes + i->size, rte_pktmbuf_mtod(s, const void *), s->data_len);
		i->size += s->data_len;
	}
}

/* A word, over and over: as much as any field has. */
static void spread(uint32_t word, uint8_t ret[16])
{
	for (unsigned i = 0; i < 16; i += 4)
		memcpy(ret + i, &word, 4);
}

static int set_field(struct rte_mbuf *m, struct dp_headers *h, const struct rewrite_op *op)
{
	uint8_t value[16], mask[16];

	spread(op->value, value);
	spread(op->mask, mask);
	return dp_rw_set_field(m, h, (enum dp_field)(op->field % DP_N_FIELDS), value, mask);
}

static int set_macs(struct rte_mbuf *m, const struct dp_headers *h, const struct rewrite_op *op)
{
	uint8_t value[16];

	if (h->bad == DP_BAD_ETH)
		return 0;
	spread(op->value, value);
	dp_rw_set_macs(m, value, value + 1);
	return 0;
}

static int change(struct rte_mbuf *m, struct dp_headers *h, const struct rewrite_op *op)
{
	uint16_t tpid = op->mask & 1 ? 0x8100 : 0x88a8, type = (uint16_t)(op->value >> 16);

	switch (op->op % REWRITE_N_OPS) {
	case 0:
		return dp_rw_push_vlan(m, h, tpid, (uint16_t)op->value);
	case 1:
		return dp_rw_pop_vlan(m, h);
	case 2:
		return dp_rw_set_vlan(m, h, (uint16_t)op->value, (uint16_t)op->mask);
	case 3:
		return dp_rw_push_mpls(m, h, op->mask & 1 ? 0x8847 : 0x8848, op->value);
	case 4:
		return dp_rw_pop_mpls(m, h, op->mask & 1 ? 0x0800 : type);
	case 5:
		return dp_rw_set_mpls(m, h, op->value, op->mask);
	case 6:
		return dp_rw_push_pbb(m, h, op->value);
	case 7:
		return dp_rw_pop_pbb(m, h);
	case 8:
		return dp_rw_set_pbb(m, h, op->value, op->mask);
	case 9:
		return dp_rw_set_nw_ttl(m, h, (uint8_t)op->value);
	case 10:
		return dp_rw_dec_nw_ttl(m, h);
	case 11:
		return dp_rw_set_mpls_ttl(m, h, (uint8_t)op->value);
	case 12:
		return dp_rw_dec_mpls_ttl(m, h);
	case 13:
		return dp_rw_copy_ttl_out(m, h);
	case 14:
		return dp_rw_copy_ttl_in(m, h);
	case 15:
		return set_macs(m, h, op);
	default:
		return set_field(m, h, op);
	}
}

/* Where the plain way answers, the long one says the same. */
static void check_key(const struct rte_mbuf *m, const struct dp_headers *h)
{
	static uint8_t room[UINT16_MAX + 64];
	struct dp_key key, whole;
	uint64_t w[DP_KEY_SHORT];

	dp_key_extract_head(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, m->pkt_len, h,
			    IN_PORT, &key);
	memcpy(room, rte_pktmbuf_mtod(m, const void *), m->data_len);
	if (m->nb_segs != 1 && m->data_len < DP_KEY_PLAIN_HEAD)
		return;
	if (!dp_key_plain(room, m->pkt_len, DP_KEY_BE16(IN_PORT), w))
		return;
	must(h->bad == DP_BAD_NONE);
	dp_key_plain_whole(room, w, &whole);
	must(memcmp(&whole, &key, sizeof(key)) == 0);
}

static void check(const struct rte_mbuf *m, const struct dp_headers *h)
{
	const struct rte_mbuf *rest = m->next;
	struct dp_headers fresh;
	char text[512];

	must(m->data_off + m->data_len == m->buf_len);
	must(m->pkt_len == m->data_len + (rest == NULL ? 0u : rest->data_len));
	oracle_parse(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, m->pkt_len, &fresh);
	if (oracle_differs(h, &fresh, text, sizeof(text)) != 0) {
		fprintf(stderr, "h|oracle: %s\n", text);
		abort();
	}
	if ((m->ol_flags & DP_RW_REQUESTS) != 0)
		must(m->l2_len >= 14);
	check_key(m, h);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct image before, after;
	struct rewrite_input in;
	struct dp_headers h;
	struct rte_mbuf *m;

	if (size < sizeof(in) || size - sizeof(in) > MAX_FRAME)
		return 0;
	memcpy(&in, data, sizeof(in));
	m = frame_make(&in, data + sizeof(in), (uint32_t)(size - sizeof(in)));
	dp_parse_mbuf(m, &h);
	check(m, &h);
	for (unsigned i = 0; i < in.n_ops && i < REWRITE_MAX_OPS; i++) {
		int rc;

		image_take(m, &before);
		rc = change(m, &h, &in.ops[i]);
		check(m, &h);
		image_take(m, &after);
		if (rc < 0) {
			must(before.size == after.size && before.ol_flags == after.ol_flags);
			must(before.tx_offload == after.tx_offload);
			must(memcmp(before.bytes, after.bytes, after.size) == 0);
		}
	}
	dp_gso_count(m);
	dp_csum_finish(m);
	segment_free(m->next);
	segment_free(m);
	return 0;
}
