/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Software segmentation: random super-frames in random chains.  A slow receiver
 * (tests/support/oracle.h) takes the segments one by one, and must end up with the payload that was
 * sent.
 */
#include "dataplane/gso.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "dataplane/csum.h"
#include "dataplane/parse.h"
#include "tests/support/mbufs.h"
#include "tests/support/oracle.h"
#include "tests/support/packet.h"

#define MAC_A	     "02:00:00:00:00:0a"
#define MAC_B	     "02:00:00:00:00:0b"
#define MAX_SEGMENTS 4096
#define SEQ	     0xffffff00u /* wraps soon */
#define ID	     0xfffe

static struct rte_mempool *in_pool, *out_pool, *small_pool;
static struct rte_mbuf *out[MAX_SEGMENTS];
static struct pkt p;
static struct dp_headers h; /* of the super-frame */
static uint64_t seed = 1;

static int start_pools(void **state)
{
	in_pool = mbufs_pool("in", 255, 2048);
	out_pool = mbufs_pool("out", 4095, 2048);
	small_pool = mbufs_pool("small", 2047, 256);
	return 0;
}

static int stop_pools(void **state)
{
	unsigned in_use = rte_mempool_in_use_count(in_pool) + rte_mempool_in_use_count(out_pool) +
			  rte_mempool_in_use_count(small_pool);

	rte_mempool_free(in_pool);
	rte_mempool_free(out_pool);
	rte_mempool_free(small_pool);
	return in_use == 0 ? 0 : -1;
}

static uint32_t below(uint32_t n)
{
	return (pkt_rand(&seed) >> 32) % n;
}

struct shape {
	int version;
	bool udp;
	unsigned n_tags;
	bool options; /* IPv4 options or IPv6 extension headers */
	uint8_t tcp_flags;
	uint32_t payload;
	uint16_t mss;
};

/* Builds the super-frame of 'shape' in 'p', and 'h'. */
static void build(const struct shape *s)
{
	uint32_t ip, tcp;

	pkt_init(&p);
	pkt_eth(&p, MAC_B, MAC_A);
	for (unsigned i = 0; i < s->n_tags; i++)
		pkt_vlan(&p, 0x8100, 100 + i);
	if (s->version == 4) {
		ip = pkt_ipv4(&p, "10.1.2.3", "192.168.255.254");
		pkt_set16(&p, ip + 4, ID);
		pkt_set16(&p, ip + 6, 0x4000);
		if (s->options)
			pkt_ipv4_options(&p, "\1\1\1\1\224\4\0", 8);
	} else {
		pkt_ipv6(&p, "fd00:1::ffff", "fd00:2::8000:1");
		if (s->options) {
			pkt_ipv6_ext(&p, PKT_EXT_HOP, "\5\2\0\0\1", 6);
			pkt_ipv6_ext(&p, PKT_EXT_FRAGMENT, NULL, 0); /* atomic */
		}
	}
	if (s->udp) {
		pkt_udp(&p, 1000, 443);
	} else {
		tcp = pkt_tcp(&p, 1000, 80, s->tcp_flags);
		pkt_set32(&p, tcp + 4, SEQ);
		pkt_tcp_options(&p, "\1\1\10\12\0\0\0\1\0\0\0", 12);
	}
	pkt_fill(&p, s->payload, pkt_rand(&seed));
	pkt_finish(&p, PKT_PARTIAL);
	oracle_parse(p.bytes, p.size, p.size, &h);
	assert_int_equal(h.bad, DP_BAD_NONE);
}

static void request(struct rte_mbuf *m, const struct shape *s)
{
	assert_non_null(m);
	m->ol_flags = (s->version == 4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6) |
		      (s->udp ? RTE_MBUF_F_TX_UDP_SEG | RTE_MBUF_F_TX_UDP_CKSUM
			      : RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM);
	m->l2_len = h.l2_size;
	m->l3_len = h.l3_size;
	m->l4_len = h.l4_size;
	m->tso_segsz = s->mss;
	m->port = 77;
}

static uint32_t headers_size(void)
{
	return h.l2_size + h.l3_size + h.l4_size;
}

/* What a segment's checksum field must hold before it is finished. */
static uint16_t pseudo_sum(const uint8_t *frame, const struct dp_headers *seg)
{
	uint32_t size = seg->ip_size - seg->l3_size;

	return pkt_fold(pkt_sum(frame + seg->ip_src, seg->ip_version == 4 ? 8 : 32,
				(uint64_t)seg->ip_proto + size));
}

static void check_request(const struct rte_mbuf *m, const struct shape *s)
{
	uint64_t l4 = s->udp ? RTE_MBUF_F_TX_UDP_CKSUM : RTE_MBUF_F_TX_TCP_CKSUM;

	assert_int_equal(m->ol_flags,
			 l4 | (s->version == 4 ? RTE_MBUF_F_TX_IPV4 : RTE_MBUF_F_TX_IPV6));
	assert_int_equal(m->l2_len, h.l2_size);
	assert_int_equal(m->l3_len, h.l3_size);
	assert_int_equal(m->l4_len, h.l4_size);
	assert_int_equal(m->tso_segsz, 0);
	assert_int_equal(m->port, 77);
	assert_true(m->data_len >= headers_size());
}

/* The fields that differ between segments. */
static void check_headers(const uint8_t *frame, const struct dp_headers *seg, const struct shape *s,
			  unsigned i, unsigned n)
{
	const uint8_t *l4 = frame + seg->l2_size + seg->l3_size;
	uint8_t flags = s->tcp_flags;

	if (s->version == 4) {
		assert_int_equal(pkt_get16(frame, seg->l2_size + 4), (uint16_t)(ID + i));
		assert_int_equal(pkt_get16(frame, seg->l2_size + 6), 0x4000);
	}
	assert_int_equal(seg->ip_ext, h.ip_ext);
	if (s->udp)
		return;
	assert_int_equal(pkt_get32(l4, 4), (uint32_t)(SEQ + i * s->mss));
	if (i != 0)
		flags &= ~PKT_CWR;
	if (i != n - 1)
		flags &= ~(PKT_FIN | PKT_PSH);
	assert_int_equal(seg->tcp_flags, flags);
}

/* One segment, 'done' bytes into the payload; returns how many it carries. */
static uint32_t check_segment(struct rte_mbuf *m, const struct shape *s, unsigned i, unsigned n,
			      uint32_t done)
{
	static uint8_t frame[PKT_MAX];
	uint32_t size, hdr = headers_size(), field;
	struct dp_headers seg;
	const char *wrong;

	rte_mbuf_sanity_check(m, 1);
	size = mbufs_read(m, frame, sizeof(frame));
	assert_int_equal(size, m->pkt_len);
	check_request(m, s);
	oracle_parse(frame, size, size, &seg);
	assert_int_equal(seg.bad, DP_BAD_NONE);
	assert_int_equal(seg.l2_size + seg.ip_size, size);
	field = seg.l2_size + seg.l3_size + (s->udp ? 6 : 16);
	assert_int_equal(pkt_get16(frame, field), pseudo_sum(frame, &seg));
	check_headers(frame, &seg, s, i, n);
	assert_true(size - hdr <= s->mss);
	assert_memory_equal(frame + hdr, p.bytes + hdr + done, size - hdr);
	assert_memory_equal(frame, p.bytes, h.l2_size);
	assert_int_equal(dp_csum_finish(m), 0);
	mbufs_read(m, frame, sizeof(frame));
	wrong = oracle_receive(frame, size);
	if (wrong != NULL)
		fail_msg("segment %u of %u: %s", i, n, wrong);
	return size - hdr;
}

static void segment_and_check(struct rte_mbuf *m, const struct shape *s, struct rte_mempool *pool)
{
	unsigned want = s->payload == 0 ? 1 : (s->payload + s->mss - 1) / s->mss;
	uint32_t done = 0;
	static uint8_t after[PKT_MAX];
	int n;

	assert_int_equal(dp_gso_count(m), want);
	n = dp_gso(m, pool, out, MAX_SEGMENTS);
	assert_int_equal(n, want);
	for (int i = 0; i < n; i++)
		done += check_segment(out[i], s, i, n, done);
	assert_int_equal(done, s->payload);
	rte_pktmbuf_free_bulk(out, n);
	assert_int_equal(mbufs_read(m, after, sizeof(after)), p.size);
	assert_memory_equal(after, p.bytes, p.size);
	rte_pktmbuf_free(m);
}

static void segments_carry_the_payload_for_every_shape(void **state)
{
	for (unsigned i = 0; i < 600; i++) {
		struct shape s = {
			.version = i & 1 ? 4 : 6,
			.udp = i & 2,
			.n_tags = below(3),
			.options = below(2),
			.tcp_flags = below(256),
			.payload = below(i % 20 == 0 ? 65000 : 6000),
			.mss = 100 + below(3000),
		};

		build(&s);
		/* Headers in one piece, and cut anywhere. */
		struct rte_mbuf *m = mbufs_cut(in_pool, p.bytes, p.size, i % 3 ? headers_size() : 0,
					       below(16), &seed);

		request(m, &s);
		segment_and_check(m, &s, i % 7 ? out_pool : small_pool);
	}
}

static void segments_of_64_kilobytes_in_many_pieces(void **state)
{
	struct shape s = {.version = 4,
			  .tcp_flags = PKT_ACK | PKT_PSH,
			  .payload = 65535 - 52,
			  .mss = 1448};
	struct rte_mbuf *m;

	build(&s);
	m = mbufs_cut(in_pool, p.bytes, p.size, 0, 16, &seed);
	assert_true(m->nb_segs > 32);
	request(m, &s);
	segment_and_check(m, &s, out_pool);
}

static void segments_longer_than_the_data_room_are_chained(void **state)
{
	struct shape s = {.version = 6, .tcp_flags = PKT_ACK, .payload = 30000, .mss = 8928};
	struct rte_mbuf *m;
	int n;

	build(&s);
	m = mbufs_make(in_pool, p.bytes, p.size, NULL, 0);
	request(m, &s);
	n = dp_gso(m, out_pool, out, MAX_SEGMENTS);
	assert_int_equal(n, 4);
	assert_int_equal(out[0]->nb_segs, 5); /* 9014 bytes in pieces of 2048 */
	rte_pktmbuf_free_bulk(out, n);
	segment_and_check(m, &s, out_pool);
}

static void short_super_frame_becomes_one_plain_frame(void **state)
{
	static const uint32_t payloads[] = {0, 1, 999, 1000};

	for (unsigned i = 0; i < 8; i++) {
		struct shape s = {.version = 4, .udp = i & 1, .tcp_flags = 0xff, .mss = 1000};
		struct rte_mbuf *m;

		s.payload = payloads[i / 2];
		build(&s);
		m = mbufs_make(in_pool, p.bytes, p.size, NULL, 0);
		request(m, &s);
		segment_and_check(m, &s, out_pool);
	}
}

static void lengths_in_a_super_frames_headers_do_not_count(void **state)
{
	static const uint16_t lengths[] = {0, 1, 20, 65535};

	for (unsigned i = 0; i < 16; i++) {
		struct shape s = {.version = i & 1 ? 4 : 6,
				  .udp = i & 2,
				  .payload = 5000,
				  .mss = 1000};
		struct rte_mbuf *m;

		build(&s);
		pkt_set16(&p, s.version == 4 ? 16 : 18, lengths[i / 4]);
		if (s.udp)
			pkt_set16(&p, h.l2_size + h.l3_size + 4, lengths[i / 4]);
		m = mbufs_make(in_pool, p.bytes, p.size, NULL, 0);
		request(m, &s);
		segment_and_check(m, &s, out_pool);
	}
}

static void segments_of_a_routed_packet_keep_the_senders_addresses_in_the_sum(void **state)
{
	struct shape s = {.version = 6, .payload = 2500, .mss = 1000};
	uint32_t tcp;
	uint64_t sum;
	struct rte_mbuf *m;
	int n;

	pkt_init(&p);
	pkt_eth(&p, MAC_B, MAC_A);
	pkt_ipv6(&p, "fd00::1", "fd00::2");
	pkt_ipv6_ext(&p, PKT_EXT_ROUTING, "\2\1\0\0\0\0\xfd\x77\0\0\0\0\0\0\0\0\0\0\0\0\0\5", 22);
	tcp = pkt_tcp(&p, 1, 2, PKT_ACK);
	pkt_fill(&p, s.payload, 1);
	pkt_finish(&p, 0);
	sum = pkt_sum(p.bytes + 22, 16, 6);
	sum = pkt_sum(p.bytes + 14 + 48, 16, sum);
	pkt_set16(&p, tcp + 16, pkt_fold(sum + 20 + s.payload));
	oracle_parse(p.bytes, p.size, p.size, &h);
	m = mbufs_make(in_pool, p.bytes, p.size, NULL, 0);
	request(m, &s);
	n = dp_gso(m, out_pool, out, MAX_SEGMENTS);
	assert_int_equal(n, 3);
	for (int i = 0; i < n; i++)
		assert_int_equal(pkt_get16(rte_pktmbuf_mtod(out[i], uint8_t *), tcp + 16),
				 pkt_fold(sum + 20 + (i < 2 ? 1000 : 500)));
	rte_pktmbuf_free_bulk(out, n);
	rte_pktmbuf_free(m);
}

/* The request is refused, nothing is allocated, nothing changed. */
static void assert_refused(struct rte_mbuf *m)
{
	unsigned in_use = rte_mempool_in_use_count(out_pool);

	assert_int_equal(dp_gso_count(m), 0);
	assert_int_equal(dp_gso(m, out_pool, out, MAX_SEGMENTS), -EBADMSG);
	assert_int_equal(rte_mempool_in_use_count(out_pool), in_use);
}

static void header_lengths_that_miss_the_headers_are_refused(void **state)
{
	for (unsigned i = 0; i < 4; i++) {
		struct shape s = {.version = i & 1 ? 4 : 6,
				  .udp = i & 2,
				  .payload = 5000,
				  .mss = 1000};
		struct rte_mbuf *m;

		build(&s);
		m = mbufs_make(in_pool, p.bytes, p.size, NULL, 0);
		for (unsigned l2 = 0; l2 < 128; l2++) {
			request(m, &s);
			m->l2_len = l2;
			if (l2 != h.l2_size)
				assert_refused(m);
		}
		for (unsigned l3 = 0; l3 < 512; l3++) {
			request(m, &s);
			m->l3_len = l3;
			if (l3 != h.l3_size)
				assert_refused(m);
		}
		for (unsigned l4 = 0; l4 < 256; l4++) {
			request(m, &s);
			m->l4_len = l4;
			if (l4 != h.l4_size)
				assert_refused(m);
		}
		rte_pktmbuf_free(m);
	}
}

static void request_for_other_headers_is_refused(void **state)
{
	static const uint64_t flags[] = {
		0,
		RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM,
		RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_UDP_SEG,
		RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_SEG,
		RTE_MBUF_F_TX_TCP_SEG,
		RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_SEG,
		RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG,
	};
	struct shape s = {.version = 4, .payload = 5000, .mss = 1000};
	struct rte_mbuf *m;

	build(&s);
	m = mbufs_make(in_pool, p.bytes, p.size, NULL, 0);
	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		request(m, &s);
		m->ol_flags = flags[i];
		assert_refused(m);
	}
	request(m, &s);
	m->tso_segsz = 0;
	assert_refused(m);
	rte_pktmbuf_free(m);
}

static void fragment_is_refused(void **state)
{
	for (unsigned i = 0; i < 2; i++) {
		struct shape s = {.version = 4, .payload = 5000, .mss = 1000};
		struct rte_mbuf *m;

		build(&s);
		pkt_set16(&p, 20, i == 0 ? 0x2000 : 0x0001);
		m = mbufs_make(in_pool, p.bytes, p.size, NULL, 0);
		request(m, &s);
		assert_refused(m);
		rte_pktmbuf_free(m);
	}
}

static void segment_too_long_for_its_length_field_is_refused(void **state)
{
	struct shape s = {.version = 4, .payload = 65535 - 52, .mss = 65535};
	struct rte_mbuf *m;

	build(&s);
	m = mbufs_make(in_pool, p.bytes, p.size, NULL, 0);
	request(m, &s);
	assert_int_equal(dp_gso_count(m), 1);
	rte_pktmbuf_free(m);
	p.size++;
	m = mbufs_make(in_pool, p.bytes, p.size, NULL, 0);
	request(m, &s);
	assert_refused(m);
	rte_pktmbuf_free(m);
}

static void more_segments_than_can_be_counted_are_refused(void **state)
{
	struct shape s = {.version = 4, .payload = 60000, .mss = 1};
	struct rte_mbuf *m;

	build(&s);
	for (uint32_t payload = 65535; payload <= 65536; payload++) {
		p.size = headers_size() + payload;
		m = mbufs_make(in_pool, p.bytes, p.size, NULL, 0);
		request(m, &s);
		if (payload == 65535)
			assert_int_equal(dp_gso_count(m), 65535);
		else
			assert_refused(m);
		rte_pktmbuf_free(m);
	}
}

static void frame_shorter_than_its_headers_is_refused(void **state)
{
	struct shape s = {.version = 4, .payload = 0, .mss = 1000};

	build(&s);
	for (p.size = 0; p.size <= headers_size(); p.size++) {
		struct rte_mbuf *m = mbufs_make(in_pool, p.bytes, p.size, NULL, 0);

		request(m, &s);
		if (p.size < headers_size())
			assert_refused(m);
		else
			assert_int_equal(dp_gso_count(m), 1);
		rte_pktmbuf_free(m);
	}
}

static void too_little_room_for_the_segments_is_said(void **state)
{
	struct shape s = {.version = 4, .payload = 5000, .mss = 1000};
	struct rte_mbuf *m;

	build(&s);
	m = mbufs_make(in_pool, p.bytes, p.size, NULL, 0);
	request(m, &s);
	assert_int_equal(dp_gso(m, out_pool, out, 4), -ENOSPC);
	assert_int_equal(dp_gso(m, out_pool, out, 0), -ENOSPC);
	assert_int_equal(rte_mempool_in_use_count(out_pool), 0);
	rte_pktmbuf_free(m);
}

static void every_allocation_may_fail_and_nothing_leaks(void **state)
{
	struct shape s = {.version = 4, .payload = 9000, .mss = 3000};
	struct rte_mempool *tiny = mbufs_pool("tiny", 31, 512);
	struct rte_mbuf *m, *held[31];
	const unsigned needed = 3 * 6; /* three segments of 3066 bytes in pieces of 512 */
	int rc;

	build(&s);
	m = mbufs_make(in_pool, p.bytes, p.size, NULL, 0);
	request(m, &s);
	for (unsigned left = 0; left <= needed; left++) {
		assert_int_equal(rte_pktmbuf_alloc_bulk(tiny, held, 31 - left), 0);
		rc = dp_gso(m, tiny, out, MAX_SEGMENTS);
		assert_int_equal(rc, left < needed ? -ENOMEM : 3);
		if (rc > 0)
			rte_pktmbuf_free_bulk(out, rc);
		assert_int_equal(rte_mempool_avail_count(tiny), left);
		rte_pktmbuf_free_bulk(held, 31 - left);
	}
	rte_pktmbuf_free(m);
	rte_mempool_free(tiny);
}

static void pool_without_room_for_the_headers_is_no_pool(void **state)
{
	struct shape s = {.version = 4, .payload = 9000, .mss = 3000};
	struct rte_mempool *none = mbufs_pool("none", 31, 40);
	struct rte_mbuf *m;

	build(&s);
	m = mbufs_make(in_pool, p.bytes, p.size, NULL, 0);
	request(m, &s);
	assert_int_equal(dp_gso(m, none, out, MAX_SEGMENTS), -ENOMEM);
	assert_int_equal(rte_mempool_in_use_count(none), 0);
	rte_pktmbuf_free(m);
	rte_mempool_free(none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments_carry_the_payload_for_every_shape),
		cmocka_unit_test(segments_of_64_kilobytes_in_many_pieces),
		cmocka_unit_test(segments_longer_than_the_data_room_are_chained),
		cmocka_unit_test(short_super_frame_becomes_one_plain_frame),
		cmocka_unit_test(lengths_in_a_super_frames_headers_do_not_count),
		cmocka_unit_test(segments_of_a_routed_packet_keep_the_senders_addresses_in_the_sum),
		cmocka_unit_test(header_lengths_that_miss_the_headers_are_refused),
		cmocka_unit_test(request_for_other_headers_is_refused),
		cmocka_unit_test(fragment_is_refused),
		cmocka_unit_test(segment_too_long_for_its_length_field_is_refused),
		cmocka_unit_test(more_segments_than_can_be_counted_are_refused),
		cmocka_unit_test(frame_shorter_than_its_headers_is_refused),
		cmocka_unit_test(too_little_room_for_the_segments_is_said),
		cmocka_unit_test(every_allocation_may_fail_and_nothing_leaks),
		cmocka_unit_test(pool_without_room_for_the_headers_is_no_pool),
	};

	return cmocka_run_group_tests(tests, start_pools, stop_pools);
}
