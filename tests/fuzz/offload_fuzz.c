/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes checksums and segmentation: any frame, cut anywhere, with any request, must be finished or
 * refused.
 *
 * The frame's segments are memory of exactly their size, so that a sanitizer sees the first byte
 * beyond.
 */
#include "dataplane/csum.h"
#include "dataplane/gso.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/parse.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/offload.h"
#include "tests/support/mbufs.h"

#define MAX_SEGMENTS 256
#define MAX_FRAME    70000

static void must(bool condition)
{
	if (!condition)
		abort();
}

/* A segment whose data is memory of its own. */
static struct rte_mbuf *segment(const uint8_t *bytes, uint16_t size)
{
	struct rte_mbuf *m = aligned_alloc(64, sizeof(*m));

	memset(m, 0, sizeof(*m));
	m->buf_addr = malloc(size == 0 ? 1 : size);
	if (size != 0)
		memcpy(m->buf_addr, bytes, size);
	m->buf_len = size;
	m->data_len = size;
	m->pkt_len = size;
	m->nb_segs = 1;
	rte_mbuf_refcnt_set(m, 1);
	return m;
}

static void chain_free(struct rte_mbuf *m)
{
	while (m != NULL) {
		struct rte_mbuf *next = m->next;

		free(m->buf_addr);
		free(m);
		m = next;
	}
}

static struct rte_mbuf *chain(const struct offload_input *in, const uint8_t *frame, uint32_t size)
{
	struct rte_mbuf *head = NULL, *last = NULL;
	uint32_t off = 0;

	for (unsigned i = 0; off < size || i == 0; i++) {
		uint32_t n = i < OFFLOAD_CUTS ? in->cuts[i] : UINT16_MAX;
		struct rte_mbuf *m = segment(frame + off, RTE_MIN(n, size - off));

		off += m->data_len;
		if (head == NULL) {
			head = m;
		} else {
			last->next = m;
			head->nb_segs++;
		}
		last = m;
	}
	head->pkt_len = size;
	return head;
}

static void request(struct rte_mbuf *m, const struct offload_input *in)
{
	static const uint64_t l4[] = {0, RTE_MBUF_F_TX_TCP_CKSUM, RTE_MBUF_F_TX_SCTP_CKSUM,
				      RTE_MBUF_F_TX_UDP_CKSUM};

	m->ol_flags = l4[in->flags >> 6];
	if (in->flags & OFFLOAD_IPV4)
		m->ol_flags |= RTE_MBUF_F_TX_IPV4;
	if (in->flags & OFFLOAD_IPV6)
		m->ol_flags |= RTE_MBUF_F_TX_IPV6;
	if (in->flags & OFFLOAD_IP_CSUM)
		m->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM;
	if (in->flags & OFFLOAD_TCP_SEG)
		m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
	if (in->flags & OFFLOAD_UDP_SEG)
		m->ol_flags |= RTE_MBUF_F_TX_UDP_SEG;
	m->l2_len = in->l2_len;
	m->l3_len = in->l3_len;
	m->l4_len = in->l4_len;
	m->tso_segsz = in->tso_segsz;
}

/* What comes out must be as long together as what went in, and be a frame that can be finished. */
static void check_segments(const struct rte_mbuf *m, struct rte_mbuf **out, int n)
{
	uint32_t hdr = m->l2_len + m->l3_len + m->l4_len, payload = 0;
	struct dp_headers h;

	for (int i = 0; i < n; i++) {
		uint32_t size = 0;

		for (const struct rte_mbuf *s = out[i]; s != NULL; s = s->next)
			size += s->data_len;
		must(size == out[i]->pkt_len && size >= hdr && size - hdr <= m->tso_segsz);
		payload += size - hdr;
		must(dp_csum_finish(out[i]) == 0);
		dp_parse_ip(rte_pktmbuf_mtod(out[i], uint8_t *), m->l2_len, out[i]->data_len, size,
			    &h);
		must(h.bad == DP_BAD_NONE || h.bad == DP_BAD_TUNNEL);
		must(m->l2_len + h.ip_size == size);
	}
	must(payload == m->pkt_len - hdr);
}

static void fuzz_gso(const struct rte_mbuf *m, const struct offload_input *in)
{
	static struct rte_mempool *pool;
	struct rte_mbuf *out[MAX_SEGMENTS];
	uint16_t count = dp_gso_count(m);
	int n;

	if (pool == NULL)
		pool = mbufs_pool("fuzz", 2047, 1024);
	n = dp_gso(m, pool, out, in->max_segments);
	if (n == -EBADMSG)
		must(count == 0);
	else if (n == -ENOSPC)
		must(count > in->max_segments);
	else
		must(n == count || n == -ENOMEM);
	if (n > 0) {
		check_segments(m, out, n);
		rte_pktmbuf_free_bulk(out, n);
	}
	must(rte_mempool_in_use_count(pool) == 0);
}

static void fuzz_finish(struct rte_mbuf *m, const uint8_t *frame)
{
	static uint8_t bytes[MAX_FRAME];

	if (dp_csum_finish(m) == 0) {
		must((m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == 0);
	} else {
		mbufs_read(m, bytes, sizeof(bytes));
		must(memcmp(bytes, frame, m->pkt_len) == 0);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct offload_input in;
	const uint8_t *frame = data + sizeof(in);
	struct rte_mbuf *m;
	uint32_t frame_size;

	if (size < sizeof(in) || size - sizeof(in) > MAX_FRAME)
		return 0;
	memcpy(&in, data, sizeof(in));
	frame_size = size - sizeof(in);
	m = chain(&in, frame, frame_size);
	request(m, &in);
	fuzz_gso(m, &in);
	fuzz_finish(m, frame);
	m->ol_flags = 0;
	dp_csum_detect_partial(m);
	if (m->ol_flags != 0)
		must(dp_csum_finish(m) == 0);
	if (dp_csum_request(m, in.csum_start, in.csum_offset) == 0)
		must(dp_csum_finish(m) == 0);
	dp_csum_complete(m, in.csum_start, in.csum_offset);
	chain_free(m);
	return 0;
}
