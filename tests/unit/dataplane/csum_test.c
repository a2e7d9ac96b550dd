/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Software checksums: frames come from the packet builder with the checksum open, and a slow
 * receiver (tests/support/oracle.h) judges what was filled in.
 */
#include "dataplane/csum.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "dataplane/parse.h"
#include "tests/support/mbufs.h"
#include "tests/support/oracle.h"
#include "tests/support/packet.h"
#include "tests/support/packet_gen.h"

#define MAC_A "02:00:00:00:00:0a"
#define MAC_B "02:00:00:00:00:0b"

static struct rte_mempool *pool;
static struct pkt p;
static uint8_t out[PKT_MAX];
static uint64_t seed = 1;

static int start_pool(void **state)
{
	pool = mbufs_pool("csum", 255, 2048);
	return 0;
}

static int stop_pool(void **state)
{
	unsigned in_use = rte_mempool_in_use_count(pool);

	rte_mempool_free(pool);
	return in_use == 0 ? 0 : -1;
}

static uint32_t below(uint32_t n)
{
	return (pkt_rand(&seed) >> 32) % n;
}

/* An IP header of either version, now and then with options or extension headers, in 0 to 2 tags.
 */
static uint64_t start_ip(int version, bool plain)
{
	pkt_init(&p);
	pkt_eth(&p, MAC_B, MAC_A);
	for (unsigned n = plain ? 0 : below(3); n > 0; n--)
		pkt_vlan(&p, 0x8100, n);
	if (version == 4) {
		pkt_ipv4(&p, "10.1.2.3", "192.168.255.254");
		if (!plain && below(2))
			pkt_ipv4_options(&p, "\1\1\1\1\1\1\1", 8);
		return RTE_MBUF_F_TX_IPV4;
	}
	pkt_ipv6(&p, "fd00:1::ffff", "fd00:2::8000:1");
	if (!plain && below(2))
		pkt_ipv6_ext(&p, PKT_EXT_HOP, "\5\2\0\0\1", 6);
	return RTE_MBUF_F_TX_IPV6;
}

/* 'p' as a chain that is cut 'n_cuts' times at random behind its headers, the first 'keep' bytes.
 */
static struct rte_mbuf *chain(uint32_t keep, unsigned n_cuts)
{
	struct rte_mbuf *m = mbufs_cut(pool, p.bytes, p.size, keep, n_cuts, &seed);

	assert_non_null(m);
	return m;
}

/* Sets lengths and 'flags' from what the oracle sees. */
static void request(struct rte_mbuf *m, uint64_t flags)
{
	struct dp_headers h;

	oracle_parse(p.bytes, p.size, p.size, &h);
	m->l2_len = h.l2_size;
	m->l3_len = h.l3_size;
	m->l4_len = h.l4_size;
	m->ol_flags |= flags;
}

/* Finishes the frame; a receiver then likes it, and only checksums have changed. */
static void finish_and_check(struct rte_mbuf *m)
{
	const char *wrong;

	assert_int_equal(dp_csum_finish(m), 0);
	assert_int_equal(m->ol_flags, 0);
	assert_int_equal(mbufs_read(m, out, sizeof(out)), p.size);
	wrong = oracle_receive(out, p.size);
	if (wrong != NULL)
		fail_msg("%s", wrong);
	pkt_finish(&p, 0);
	assert_memory_equal(out, p.bytes, p.size);
}

static uint64_t add_transport(unsigned kind)
{
	switch (kind) {
	case 0:
		pkt_tcp(&p, 1000, 80, PKT_ACK);
		return RTE_MBUF_F_TX_TCP_CKSUM;
	case 1:
		pkt_udp(&p, 1000, 53);
		return RTE_MBUF_F_TX_UDP_CKSUM;
	default:
		pkt_sctp(&p, 1000, 38412);
		return RTE_MBUF_F_TX_SCTP_CKSUM;
	}
}

static void checksum_is_right_for_every_transport_and_split(void **state)
{
	for (unsigned i = 0; i < 3000; i++) {
		uint64_t flags = start_ip(i % 2 ? 4 : 6, false);
		uint32_t keep;
		struct rte_mbuf *m;

		flags |= add_transport(i % 3);
		keep = p.size;
		pkt_fill(&p, below(i % 100 == 0 ? 60000 : 200), i);
		pkt_finish(&p, PKT_PARTIAL);
		m = chain(keep, below(8));
		request(m, flags);
		finish_and_check(m);
		rte_pktmbuf_free(m);
	}
}

/* All ones is what loses carries first: every word is the largest, and every second segment starts
 * at an odd offset. */
static void checksum_keeps_carries_across_odd_segments(void **state)
{
	static uint8_t ones[60000];
	uint32_t cuts[8];
	struct rte_mbuf *m;
	uint64_t flags;

	memset(ones, 0xff, sizeof(ones));
	for (unsigned n = 1; n <= 8; n++) {
		flags = start_ip(4, true) | add_transport(0);
		for (unsigned i = 0; i < n; i++)
			cuts[i] = p.size + 1 + i * 1001;
		pkt_payload(&p, ones, sizeof(ones));
		pkt_finish(&p, PKT_PARTIAL);
		m = mbufs_make(pool, p.bytes, p.size, cuts, n);
		request(m, flags);
		finish_and_check(m);
		rte_pktmbuf_free(m);
	}
}

static void checksum_does_not_trust_what_the_field_holds(void **state)
{
	struct rte_mbuf *m;
	uint64_t flags = start_ip(4, true) | add_transport(0);

	pkt_fill(&p, 77, 1);
	pkt_finish(&p, PKT_SPOIL);
	m = chain(p.size, 0);
	request(m, flags);
	finish_and_check(m);
	rte_pktmbuf_free(m);
}

static void checksum_covers_no_padding(void **state)
{
	for (unsigned kind = 0; kind < 3; kind++) {
		struct rte_mbuf *m;
		uint64_t flags = start_ip(4, true) | add_transport(kind);
		uint32_t size;

		pkt_finish(&p, PKT_PARTIAL);
		size = p.size;
		pkt_pad(&p, 20);
		memset(p.bytes + size, 0xdd, 20);
		m = chain(size, 1);
		request(m, flags);
		assert_int_equal(dp_csum_finish(m), 0);
		mbufs_read(m, out, sizeof(out));
		assert_null(oracle_receive(out, size));
		rte_pktmbuf_free(m);
	}
}

/* The payload that makes the sum of a UDP datagram 0xffff, whose complement is zero. */
static void udp_checksum_is_never_zero(void **state)
{
	for (int version = 4; version <= 6; version += 2) {
		uint64_t flags = start_ip(version, true);
		uint32_t udp = pkt_udp(&p, 1000, 53), word = pkt_payload(&p, "\0\0", 2);
		struct rte_mbuf *m;
		uint16_t csum;

		pkt_finish(&p, 0);
		csum = pkt_get16(p.bytes, udp + 6);
		pkt_set16(&p, word, csum);
		pkt_finish(&p, PKT_PARTIAL);
		m = chain(p.size, 0);
		request(m, flags | RTE_MBUF_F_TX_UDP_CKSUM);
		finish_and_check(m);
		mbufs_read(m, out, sizeof(out));
		assert_int_equal(pkt_get16(out, udp + 6), 0xffff);
		rte_pktmbuf_free(m);
	}
}

static void tcp_checksum_may_be_zero(void **state)
{
	uint64_t flags = start_ip(4, true);
	uint32_t tcp = pkt_tcp(&p, 1000, 80, 0), word = pkt_payload(&p, "\0\0", 2);
	struct rte_mbuf *m;

	pkt_finish(&p, 0);
	pkt_set16(&p, word, pkt_get16(p.bytes, tcp + 16));
	pkt_finish(&p, PKT_PARTIAL);
	m = chain(p.size, 0);
	request(m, flags | RTE_MBUF_F_TX_TCP_CKSUM);
	finish_and_check(m);
	mbufs_read(m, out, sizeof(out));
	assert_int_equal(pkt_get16(out, tcp + 16), 0);
	rte_pktmbuf_free(m);
}

static void ipv4_header_checksum_is_filled_in_when_asked(void **state)
{
	for (unsigned both = 0; both < 2; both++) {
		struct rte_mbuf *m;
		uint64_t flags = start_ip(4, false) | RTE_MBUF_F_TX_IP_CKSUM;

		flags |= both ? add_transport(0) : 0;
		pkt_fill(&p, 10, 1);
		pkt_finish(&p, both ? PKT_PARTIAL : 0);
		m = chain(p.size, 0);
		request(m, flags);
		*rte_pktmbuf_mtod_offset(m, uint8_t *, m->l2_len + 10) ^= 0x55;
		finish_and_check(m);
		rte_pktmbuf_free(m);
	}
}

static void ipv4_header_checksum_is_there_for_fragments_too(void **state)
{
	struct rte_mbuf *m;

	start_ip(4, true);
	pkt_fragment(&p, 1480, 0, 4);
	pkt_ip_proto(&p, 6);
	pkt_fill(&p, 100, 1);
	pkt_finish(&p, PKT_NO_CSUM);
	m = chain(p.size, 0);
	request(m, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM);
	finish_and_check(m);
	/* But a transport checksum is none of a fragment's. */
	request(m, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM);
	assert_int_equal(dp_csum_finish(m), -EBADMSG);
	rte_pktmbuf_free(m);
	start_ip(6, true);
	pkt_fragment(&p, 0, 1, 4);
	pkt_tcp(&p, 1, 2, PKT_ACK);
	pkt_fill(&p, 100, 1);
	pkt_finish(&p, PKT_PARTIAL);
	m = chain(p.size, 0);
	request(m, RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_CKSUM);
	assert_int_equal(dp_csum_finish(m), -EBADMSG);
	rte_pktmbuf_free(m);
}

static void frame_without_request_is_left_alone(void **state)
{
	struct rte_mbuf *m;

	start_ip(4, true);
	add_transport(1);
	pkt_finish(&p, PKT_SPOIL);
	m = chain(p.size, 0);
	m->ol_flags = RTE_MBUF_F_RX_RSS_HASH;
	assert_int_equal(dp_csum_finish(m), 0);
	mbufs_read(m, out, sizeof(out));
	assert_memory_equal(out, p.bytes, p.size);
	assert_int_equal(m->ol_flags, RTE_MBUF_F_RX_RSS_HASH);
	rte_pktmbuf_free(m);
}

/* Applies the request, which must be refused and change nothing. */
static void assert_refused(struct rte_mbuf *m)
{
	uint64_t flags = m->ol_flags;

	assert_int_equal(dp_csum_finish(m), -EBADMSG);
	assert_int_equal(m->ol_flags, flags);
	mbufs_read(m, out, sizeof(out));
	assert_memory_equal(out, p.bytes, p.size);
}

static void request_for_other_headers_is_refused(void **state)
{
	static const uint64_t flags[] = {
		RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_UDP_CKSUM,
		RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_SCTP_CKSUM,
		RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_CKSUM,
		RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_IP_CKSUM,
		RTE_MBUF_F_TX_IP_CKSUM,
		RTE_MBUF_F_TX_TCP_CKSUM,
		RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_CKSUM,
		RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_TCP_SEG,
		RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_UDP_SEG,
	};
	struct rte_mbuf *m;

	start_ip(4, true);
	add_transport(0);
	pkt_fill(&p, 40, 1);
	pkt_finish(&p, PKT_PARTIAL);
	m = chain(p.size, 0);
	for (unsigned i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		m->ol_flags = 0;
		request(m, flags[i]);
		assert_refused(m);
	}
	rte_pktmbuf_free(m);
}

static void header_lengths_that_miss_the_headers_are_refused(void **state)
{
	struct rte_mbuf *m;

	for (int version = 4; version <= 6; version += 2) {
		uint64_t flags = start_ip(version, true) | add_transport(1);

		pkt_fill(&p, 40, 1);
		pkt_finish(&p, PKT_PARTIAL);
		m = chain(p.size, 0);
		request(m, flags);
		for (unsigned l2 = 0; l2 < 128; l2++) {
			m->l2_len = l2;
			if (l2 != 14)
				assert_refused(m);
		}
		m->l2_len = 14;
		for (unsigned l3 = 0; l3 < 512; l3++) {
			m->l3_len = l3;
			if (l3 != (version == 4 ? 20 : 40))
				assert_refused(m);
		}
		rte_pktmbuf_free(m);
	}
}

static void headers_beyond_the_first_segment_are_refused(void **state)
{
	uint64_t flags = start_ip(4, true) | add_transport(0);

	pkt_fill(&p, 40, 1);
	pkt_finish(&p, PKT_PARTIAL);
	for (uint32_t cut = 0; cut <= 54; cut++) {
		struct rte_mbuf *m = mbufs_make(pool, p.bytes, p.size, &cut, 1);

		request(m, flags);
		if (cut < 54)
			assert_refused(m);
		else
			finish_and_check(m);
		rte_pktmbuf_free(m);
	}
}

static void lengths_beyond_the_frame_are_refused(void **state)
{
	static const struct {
		uint16_t ip, udp;
	} bad[] = {{0, 48}, {20, 48}, {69, 48}, {65535, 48},
		   {68, 0}, {68, 7},  {68, 49}, {68, 65535}};
	struct rte_mbuf *m;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		uint64_t flags = start_ip(4, true) | add_transport(1);

		pkt_fill(&p, 40, 1); /* 68 bytes of IP, 48 of UDP */
		pkt_finish(&p, PKT_PARTIAL);
		m = chain(p.size, 0);
		request(m, flags);
		pkt_set16(&p, 16, bad[i].ip);
		pkt_set16(&p, 38, bad[i].udp);
		memcpy(rte_pktmbuf_mtod(m, void *), p.bytes, p.size);
		assert_refused(m);
		rte_pktmbuf_free(m);
	}
}

/* A route's last hop is the pseudo-header's destination; only the sender knows it. */
static void checksum_of_a_routed_ipv6_packet_starts_from_the_senders_sum(void **state)
{
	struct rte_mbuf *m;
	uint64_t sum;
	uint32_t tcp;

	start_ip(6, true);
	pkt_ipv6_ext(&p, PKT_EXT_ROUTING, "\2\1\0\0\0\0\xfd\x77\0\0\0\0\0\0\0\0\0\0\0\0\0\5", 22);
	tcp = pkt_tcp(&p, 1, 2, PKT_SYN);
	pkt_fill(&p, 33, 1);
	pkt_finish(&p, PKT_PARTIAL);
	sum = pkt_sum(p.bytes + 22, 16, 6 + 53);   /* source, protocol, length */
	sum = pkt_sum(p.bytes + 14 + 48, 16, sum); /* the address in the routing header */
	pkt_set16(&p, tcp + 16, pkt_fold(sum));
	m = chain(p.size, 0);
	request(m, RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_CKSUM);
	assert_int_equal(dp_csum_finish(m), 0);
	mbufs_read(m, out, sizeof(out));
	pkt_set16(&p, tcp + 16, 0);
	sum = pkt_sum(p.bytes + tcp, 53, sum);
	assert_int_equal(pkt_get16(out, tcp + 16), (uint16_t)~pkt_fold(sum));
	rte_pktmbuf_free(m);
}

static void partial_checksum_is_detected_and_finished(void **state)
{
	for (unsigned i = 0; i < 600; i++) {
		uint64_t flags = start_ip(i % 2 ? 4 : 6, false);
		uint32_t keep;
		struct rte_mbuf *m;

		flags |= add_transport(i % 3);
		keep = p.size;
		pkt_fill(&p, below(3000), i);
		pkt_finish(&p, PKT_PARTIAL);
		m = chain(keep, below(4));
		dp_csum_detect_partial(m);
		assert_int_equal(m->ol_flags, flags);
		finish_and_check(m);
		rte_pktmbuf_free(m);
	}
}

static void finished_and_wrong_checksums_are_left_alone(void **state)
{
	static const unsigned how[] = {0, PKT_SPOIL};
	unsigned n_requests = 0;

	for (unsigned i = 0; i < 2000; i++) {
		struct rte_mbuf *m;

		start_ip(i % 2 ? 4 : 6, false);
		add_transport(i % 3);
		pkt_fill(&p, below(100), i);
		pkt_finish(&p, how[i / 6 % 2]);
		m = chain(p.size, 0);
		dp_csum_detect_partial(m);
		n_requests += m->ol_flags != 0;
		rte_pktmbuf_free(m);
	}
	assert_true(n_requests <= 1); /* One frame in 65535 looks unfinished. */
}

static void nothing_is_detected_where_nothing_can_be(void **state)
{
	struct rte_mbuf *m;

	/* A fragment, whose first one holds the sum of the whole. */
	start_ip(4, true);
	pkt_fragment(&p, 0, 1, 4);
	pkt_udp(&p, 1, 2);
	pkt_finish(&p, PKT_PARTIAL);
	m = chain(p.size, 0);
	dp_csum_detect_partial(m);
	assert_int_equal(m->ol_flags, 0);
	rte_pktmbuf_free(m);
	/* UDP without checksum. */
	start_ip(4, true);
	pkt_udp(&p, 1, 2);
	pkt_finish(&p, PKT_NO_CSUM);
	m = chain(p.size, 0);
	dp_csum_detect_partial(m);
	assert_int_equal(m->ol_flags, 0);
	rte_pktmbuf_free(m);
	/* A request that is there already. */
	start_ip(4, true);
	add_transport(0);
	pkt_finish(&p, PKT_PARTIAL);
	m = chain(p.size, 0);
	m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_SEG;
	dp_csum_detect_partial(m);
	assert_int_equal(m->ol_flags, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_SEG);
	rte_pktmbuf_free(m);
}

/* VXLAN or Geneve from a Linux host: no outer checksum, the inner one open.  Returns the inner
 * transport's offset. */
static uint32_t encapsulated(int version, bool geneve, uint32_t options)
{
	static const uint8_t none[240];
	uint32_t udp, tcp;

	start_ip(version, true);
	udp = pkt_udp(&p, 50000, geneve ? 6081 : 4789);
	if (geneve)
		pkt_geneve(&p, 5, none, options);
	else
		pkt_vxlan(&p, 5);
	pkt_eth(&p, MAC_A, MAC_B);
	pkt_ipv4(&p, "172.16.0.1", "172.16.0.2");
	tcp = pkt_tcp(&p, 1, 2, PKT_ACK);
	pkt_fill(&p, 300, 1);
	pkt_finish(&p, PKT_PARTIAL);
	pkt_set16(&p, udp + 6, 0);
	return tcp;
}

static void assert_inner_is_right(struct rte_mbuf *m, uint32_t inner)
{
	mbufs_read(m, out, sizeof(out));
	assert_null(oracle_receive(out + inner, p.size - inner));
}

static void partial_checksum_inside_a_tunnel_is_detected(void **state)
{
	for (int version = 4; version <= 6; version += 2)
		for (unsigned geneve = 0; geneve < 2; geneve++) {
			uint32_t tcp = encapsulated(version, geneve, 8);
			struct rte_mbuf *m = chain(tcp + 20, 2);

			dp_csum_detect_partial(m);
			assert_int_equal(m->ol_flags, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM);
			assert_int_equal(m->l2_len + m->l3_len, tcp);
			assert_int_equal(dp_csum_finish(m), 0);
			assert_inner_is_right(m, tcp - 34);
			rte_pktmbuf_free(m);
		}
}

static void partial_checksum_too_deep_for_a_request_is_finished_at_once(void **state)
{
	uint32_t tcp = encapsulated(6, true, 240);
	struct rte_mbuf *m = chain(tcp + 20, 3);

	dp_csum_detect_partial(m);
	assert_int_equal(m->ol_flags, 0);
	assert_inner_is_right(m, tcp - 34);
	rte_pktmbuf_free(m);
}

static void virtio_request_finds_its_headers(void **state)
{
	static const uint16_t fields[] = {16, 6, 8};

	for (unsigned i = 0; i < 600; i++) {
		uint64_t flags = start_ip(i % 2 ? 4 : 6, false);
		uint32_t start = p.size;
		struct rte_mbuf *m;

		flags |= add_transport(i % 3);
		pkt_fill(&p, below(100), i);
		pkt_finish(&p, PKT_PARTIAL);
		m = chain(p.size, 0);
		assert_int_equal(dp_csum_request(m, start, fields[i % 3]), 0);
		assert_int_equal(m->ol_flags, flags);
		assert_int_equal(m->l2_len + m->l3_len, start);
		assert_int_equal(m->l4_len, i % 3 == 0 ? 20 : i % 3 == 1 ? 8 : 12);
		finish_and_check(m);
		rte_pktmbuf_free(m);
	}
}

static void virtio_request_finds_headers_inside_a_tunnel(void **state)
{
	uint32_t tcp = encapsulated(4, false, 0);
	struct rte_mbuf *m = chain(p.size, 0);

	assert_int_equal(dp_csum_request(m, tcp, 16), 0);
	assert_int_equal(m->l2_len, tcp - 20);
	assert_int_equal(m->l3_len, 20);
	assert_int_equal(dp_csum_request(m, 34, 6), 0); /* the outer UDP header's */
	assert_int_equal(m->ol_flags, RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_UDP_CKSUM);
	rte_pktmbuf_free(m);
}

static void virtio_request_elsewhere_is_refused(void **state)
{
	struct rte_mbuf *m;

	start_ip(4, true);
	add_transport(0);
	pkt_fill(&p, 40, 1);
	pkt_finish(&p, PKT_PARTIAL);
	m = chain(p.size, 0);
	for (uint32_t start = 0; start < 65536; start += start < 200 ? 1 : 997)
		for (uint32_t field = 0; field < 65536; field += field < 40 ? 1 : 9973) {
			m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_UDP_CKSUM;
			if (start == 34 && field == 16)
				continue;
			assert_int_equal(dp_csum_request(m, start, field), -EBADMSG);
			assert_int_equal(m->ol_flags, 0);
		}
	rte_pktmbuf_free(m);
}

/* IP in IP: no header that we find, but the sum is a sum. */
static void any_partial_checksum_can_be_completed(void **state)
{
	for (unsigned i = 0; i < 200; i++) {
		struct rte_mbuf *m;
		uint32_t tcp, inner;

		start_ip(4, true);
		inner = pkt_ipv4(&p, "172.16.0.1", "172.16.0.2");
		tcp = pkt_tcp(&p, 1, 2, PKT_ACK);
		pkt_fill(&p, below(2000), i);
		pkt_finish(&p, PKT_PARTIAL);
		m = chain(tcp + 20, below(8));
		assert_int_equal(dp_csum_request(m, tcp, 16), -EBADMSG);
		assert_int_equal(dp_csum_complete(m, tcp, 16), 0);
		/* As a frame of its own, with some Ethernet header before it. */
		mbufs_read(m, out, sizeof(out));
		memcpy(out + inner - 14, p.bytes, 14);
		assert_null(oracle_receive(out + inner - 14, p.size - inner + 14));
		rte_pktmbuf_free(m);
	}
}

static void completion_outside_the_first_segment_is_refused(void **state)
{
	const uint32_t cut = 52;
	struct rte_mbuf *m;

	start_ip(4, true);
	add_transport(0);
	pkt_fill(&p, 40, 1);
	pkt_finish(&p, PKT_PARTIAL);
	m = mbufs_make(pool, p.bytes, p.size, &cut, 1);
	assert_int_equal(dp_csum_complete(m, 34, 17), -EBADMSG);
	assert_int_equal(dp_csum_complete(m, 65535, 65535), -EBADMSG);
	assert_int_equal(dp_csum_complete(m, 34, 65535), -EBADMSG);
	mbufs_read(m, out, sizeof(out));
	assert_memory_equal(out, p.bytes, p.size);
	assert_int_equal(dp_csum_complete(m, 34, 16), 0);
	rte_pktmbuf_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(checksum_is_right_for_every_transport_and_split),
		cmocka_unit_test(checksum_keeps_carries_across_odd_segments),
		cmocka_unit_test(checksum_does_not_trust_what_the_field_holds),
		cmocka_unit_test(checksum_covers_no_padding),
		cmocka_unit_test(udp_checksum_is_never_zero),
		cmocka_unit_test(tcp_checksum_may_be_zero),
		cmocka_unit_test(ipv4_header_checksum_is_filled_in_when_asked),
		cmocka_unit_test(ipv4_header_checksum_is_there_for_fragments_too),
		cmocka_unit_test(frame_without_request_is_left_alone),
		cmocka_unit_test(request_for_other_headers_is_refused),
		cmocka_unit_test(header_lengths_that_miss_the_headers_are_refused),
		cmocka_unit_test(headers_beyond_the_first_segment_are_refused),
		cmocka_unit_test(lengths_beyond_the_frame_are_refused),
		cmocka_unit_test(checksum_of_a_routed_ipv6_packet_starts_from_the_senders_sum),
		cmocka_unit_test(partial_checksum_is_detected_and_finished),
		cmocka_unit_test(finished_and_wrong_checksums_are_left_alone),
		cmocka_unit_test(nothing_is_detected_where_nothing_can_be),
		cmocka_unit_test(partial_checksum_inside_a_tunnel_is_detected),
		cmocka_unit_test(partial_checksum_too_deep_for_a_request_is_finished_at_once),
		cmocka_unit_test(virtio_request_finds_its_headers),
		cmocka_unit_test(virtio_request_finds_headers_inside_a_tunnel),
		cmocka_unit_test(virtio_request_elsewhere_is_refused),
		cmocka_unit_test(any_partial_checksum_can_be_completed),
		cmocka_unit_test(completion_outside_the_first_segment_is_refused),
	};

	return cmocka_run_group_tests(tests, start_pool, stop_pool);
}
