/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What guests ask to be done to their frames.  Frames are made as a Linux stack leaves them
 * (PKT_PARTIAL), spoiled as its netvsc driver does, and must come out as Linux would have sent
 * them; what they ask for is then done in software, and a receiver must find nothing wrong.
 */
#include "vmq/request.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "dataplane/csum.h"
#include "dataplane/gso.h"
#include "tests/support/mbufs.h"
#include "tests/support/oracle.h"
#include "tests/support/packet.h"
#include "vmbus/rndis.h"

static struct rte_mempool *pool;
static struct pkt made;

struct shape {
	bool ip6, udp, vlan, options;
	uint32_t payload;
};

/* Returns where the transport starts. */
static uint32_t make(const struct shape *s)
{
	uint32_t l4;

	pkt_init(&made);
	pkt_eth(&made, "02:00:00:00:00:02", "02:00:00:00:00:01");
	if (s->vlan)
		pkt_vlan(&made, 0x8100, 10);
	if (s->ip6)
		pkt_ipv6(&made, "fd00::1", "fd00::2");
	else
		pkt_ipv4(&made, "10.0.0.1", "10.0.0.2");
	if (!s->ip6 && s->options)
		pkt_ipv4_options(&made, "\x01\x01\x01\x01", 4);
	l4 = s->udp ? pkt_udp(&made, 1000, 2000) : pkt_tcp(&made, 1000, 80, PKT_ACK | PKT_PSH);
	if (!s->udp && s->options)
		pkt_tcp_options(&made, "\x01\x01\x01\x01", 4);
	pkt_fill(&made, s->payload, 7);
	pkt_finish(&made, PKT_PARTIAL);
	return l4;
}

static uint32_t l3_of(const struct shape *s)
{
	return s->vlan ? 18 : 14;
}

static struct rte_mbuf *as_mbuf(void)
{
	struct rte_mbuf *m = mbufs_make(pool, made.bytes, made.size, NULL, 0);

	assert_non_null(m);
	return m;
}

static void check_received(const struct rte_mbuf *m)
{
	static uint8_t bytes[70000];
	const char *wrong = oracle_receive(bytes, mbufs_read(m, bytes, sizeof(bytes)));

	if (wrong != NULL)
		fail_msg("%s", wrong);
}

static void each_shape(void (*fn)(const struct shape *s), uint32_t payload)
{
	for (unsigned i = 0; i < 16; i++) {
		struct shape s = {.ip6 = i & 1,
				  .udp = i & 2,
				  .vlan = i & 4,
				  .options = i & 8,
				  .payload = payload};

		fn(&s);
	}
}

/* ---- Checksums ---- */

static void finish_checksum(const struct shape *s, uint32_t offset, uint32_t shift)
{
	struct rndis_packet p = {.has_csum = true};
	struct rte_mbuf *m;

	p.csum = (s->ip6 ? RNDIS_CSUM_TX_IP6 : RNDIS_CSUM_TX_IP4) |
		 (s->udp ? RNDIS_CSUM_TX_UDP : RNDIS_CSUM_TX_TCP) | offset << 16;
	m = as_mbuf();
	assert_int_equal(vmq_request(m, &p, shift), 0);
	assert_int_equal(m->ol_flags & RTE_MBUF_F_TX_L4_MASK,
			 s->udp ? RTE_MBUF_F_TX_UDP_CKSUM : RTE_MBUF_F_TX_TCP_CKSUM);
	assert_int_equal(m->l2_len, l3_of(s));
	assert_int_equal(dp_csum_finish(m), 0);
	check_received(m);
	rte_pktmbuf_free(m);
}

static void checksum_shape(const struct shape *s)
{
	uint32_t l4 = make(s);

	finish_checksum(s, l4, 0);
	finish_checksum(s, 0, 0); /* Windows, UDP */
	if (s->vlan)
		finish_checksum(s, l4 - 4, 4); /* The tag was put in by us. */
	finish_checksum(s, 3, 0);	       /* Rubbish: the headers know better. */
}

static void a_checksum_is_asked_for_as_linux_does(void **state)
{
	each_shape(checksum_shape, 100);
}

static void the_ip_header_is_summed_at_once(void **state)
{
	struct shape s = {.payload = 50};
	struct rndis_packet p = {.has_csum = true};
	struct rte_mbuf *m;

	make(&s);
	p.csum = RNDIS_CSUM_TX_IP4 | RNDIS_CSUM_TX_IP_HEADER | RNDIS_CSUM_TX_TCP | 34u << 16;
	m = as_mbuf();
	*rte_pktmbuf_mtod_offset(m, uint16_t *, 24) = 0;
	assert_int_equal(vmq_request(m, &p, 0), 0);
	assert_int_equal(dp_csum_finish(m), 0);
	check_received(m);
	rte_pktmbuf_free(m);
}

/* ---- Super-frames ---- */

/* As netvsc sends it: no lengths, no checksum, a pseudo-header's sum without length. */
static void spoil_lengths(const struct shape *s, uint32_t l4)
{
	uint32_t l3 = l3_of(s);
	uint64_t sum;

	if (s->ip6) {
		pkt_set16(&made, l3 + 4, 0);
		sum = pkt_sum(made.bytes + l3 + 8, 32, 6);
	} else {
		pkt_set16(&made, l3 + 2, 0);
		pkt_set16(&made, l3 + 10, 0);
		sum = pkt_sum(made.bytes + l3 + 12, 8, 6);
	}
	pkt_set16(&made, l4 + 16, pkt_fold(sum));
}

static void check_segments(struct rte_mbuf *m, uint32_t payload, uint32_t mss)
{
	struct rte_mbuf *out[256];
	int n = dp_gso(m, pool, out, 256);

	assert_int_equal(n, (payload + mss - 1) / mss);
	for (int i = 0; i < n; i++) {
		assert_int_equal(dp_csum_finish(out[i]), 0);
		check_received(out[i]);
	}
	rte_pktmbuf_free_bulk(out, (unsigned)n);
}

static void lso_shape(const struct shape *s)
{
	struct rndis_packet p = {.has_lso = true};
	static uint8_t linux_sends[70000];
	struct rte_mbuf *m;
	uint32_t l4;

	if (s->udp)
		return;
	l4 = make(s);
	memcpy(linux_sends, made.bytes, made.size);
	spoil_lengths(s, l4);
	p.lso = 1448 | l4 << 20 | RNDIS_LSO_V2 | (s->ip6 ? RNDIS_LSO_IP6 : 0);
	m = as_mbuf();
	assert_int_equal(vmq_request(m, &p, 0), 0);
	assert_true((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0);
	assert_int_equal(m->tso_segsz, 1448);
	assert_memory_equal(rte_pktmbuf_mtod(m, uint8_t *), linux_sends, l4 + 20);
	check_segments(m, s->payload, 1448);
	rte_pktmbuf_free(m);
}

static void a_super_frame_is_what_linux_would_have_sent(void **state)
{
	each_shape(lso_shape, 40000);
}

static void a_super_frame_of_one_segment_is_a_frame(void **state)
{
	struct shape s = {.payload = 1000};
	struct rndis_packet p = {.has_lso = true};
	struct rte_mbuf *m;
	uint32_t l4 = make(&s);

	spoil_lengths(&s, l4);
	p.lso = 1448 | l4 << 20 | RNDIS_LSO_V2;
	m = as_mbuf();
	assert_int_equal(vmq_request(m, &p, 0), 0);
	assert_int_equal(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG, 0);
	assert_int_equal(dp_csum_finish(m), 0);
	check_received(m);
	rte_pktmbuf_free(m);
}

static void no_segment_size_is_no_request(void **state)
{
	struct shape s = {.payload = 1000};
	struct rndis_packet p = {.has_lso = true, .lso = RNDIS_LSO_V2 | 34u << 20};
	struct rte_mbuf *m;

	make(&s);
	m = as_mbuf();
	assert_int_equal(vmq_request(m, &p, 0), 0);
	assert_int_equal(m->ol_flags, 0);
	rte_pktmbuf_free(m);
}

static void requests_that_do_not_fit_the_frame_are_refused(void **state)
{
	struct shape s = {.payload = 3000};
	static const uint32_t bad[] = {
		1448 | 33u << 20 | RNDIS_LSO_V2,		 /* not there */
		1448 | 38u << 20 | RNDIS_LSO_V2,		 /* nor there */
		1448 | 0u << 20 | RNDIS_LSO_V2,			 /* nor at the start */
		1448 | 0x3ffu << 20 | RNDIS_LSO_V2,		 /* in the payload */
		1448 | 34u << 20 | RNDIS_LSO_V2 | RNDIS_LSO_IP6, /* another version */
		0xfffff | 34u << 20 | RNDIS_LSO_V2,		 /* longer than a packet */
	};

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct rndis_packet p = {.has_lso = true, .lso = bad[i]};
		struct rte_mbuf *m;

		make(&s);
		m = as_mbuf();
		assert_int_equal(vmq_request(m, &p, 0), -EBADMSG);
		rte_pktmbuf_free(m);
	}
}

/* More than an IPv4 header can say. */
static void a_super_frame_longer_than_a_packet_is_refused(void **state)
{
	struct shape s = {.payload = 60000};
	struct rndis_packet p = {.has_lso = true, .lso = 1448 | 34u << 20 | RNDIS_LSO_V2};
	static uint8_t rest[6000];
	struct rte_mbuf *m, *more;

	make(&s);
	m = as_mbuf();
	more = mbufs_make(pool, rest, sizeof(rest), NULL, 0);
	assert_int_equal(rte_pktmbuf_chain(m, more), 0);
	assert_int_equal(vmq_request(m, &p, 0), -EBADMSG);
	rte_pktmbuf_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_checksum_is_asked_for_as_linux_does),
		cmocka_unit_test(the_ip_header_is_summed_at_once),
		cmocka_unit_test(a_super_frame_is_what_linux_would_have_sent),
		cmocka_unit_test(a_super_frame_of_one_segment_is_a_frame),
		cmocka_unit_test(no_segment_size_is_no_request),
		cmocka_unit_test(requests_that_do_not_fit_the_frame_are_refused),
		cmocka_unit_test(a_super_frame_longer_than_a_packet_is_refused),
	};

	pool = mbufs_pool("vmq-request", 1023, 2048);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
