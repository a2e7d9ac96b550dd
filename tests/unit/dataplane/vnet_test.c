/* SPDX-License-Identifier: BSD-2-Clause
 *
 * virtio_net_hdr to mbuf and back: every shape of frame that a Linux stack hands over, and headers
 * that lie.
 */
#include "dataplane/vnet.h"

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
#include "dataplane/gso.h"
#include "tests/support/mbufs.h"
#include "tests/support/oracle.h"
#include "tests/support/packet.h"

#define MAC_A	"02:00:00:00:00:0a"
#define MAC_B	"02:00:00:00:00:0b"
#define ROOM	2048
#define TCP_SUM 16
#define UDP_SUM 6

#define REQUESTS                                                                                   \
	(RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_IPV4 |                     \
	 RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)

static struct rte_mempool *pool;
static struct pkt p;
static uint32_t l3_at, l4_at; /* of the frame in 'p' */
static uint8_t bytes[PKT_MAX];

static int start(void **state)
{
	pool = mbufs_pool("vnet", 1023, ROOM);
	return 0;
}

static int finish(void **state)
{
	unsigned in_use = rte_mempool_in_use_count(pool);

	rte_mempool_free(pool);
	return in_use == 0 ? 0 : -1;
}

enum l4 { TCP, UDP, SCTP };

struct shape {
	int version;
	unsigned n_tags;
	enum l4 l4;
	bool options; /* of IPv4, or IPv6 extension headers */
};

static const struct shape shapes[] = {
	{4, 0, TCP, false}, {6, 0, TCP, false},	 {4, 1, TCP, true},  {6, 2, TCP, true},
	{4, 0, UDP, false}, {6, 1, UDP, true},	 {4, 2, UDP, false}, {6, 0, UDP, false},
	{4, 0, SCTP, true}, {6, 1, SCTP, false},
};
#define N_SHAPES (sizeof(shapes) / sizeof(shapes[0]))

static void build(const struct shape *s, uint32_t payload)
{
	pkt_init(&p);
	pkt_eth(&p, MAC_B, MAC_A);
	for (unsigned i = 0; i < s->n_tags; i++)
		pkt_vlan(&p, i == 0 && s->n_tags == 2 ? 0x88a8 : 0x8100, (uint16_t)(10 + i));
	l3_at = p.size;
	if (s->version == 4) {
		pkt_ipv4(&p, "10.0.0.1", "10.0.0.2");
		if (s->options)
			pkt_ipv4_options(&p, "\1\1\1\1", 4);
	} else {
		pkt_ipv6(&p, "fd00::1", "fd00::2");
		if (s->options)
			pkt_ipv6_ext(&p, PKT_EXT_HOP, "\5\2\0\0\1", 6);
	}
	l4_at = p.size;
	if (s->l4 == TCP)
		pkt_tcp(&p, 1000, 80, PKT_ACK);
	else if (s->l4 == UDP)
		pkt_udp(&p, 1000, 53);
	else
		pkt_sctp(&p, 1000, 38412);
	pkt_fill(&p, payload, 7);
	pkt_finish(&p, PKT_PARTIAL);
}

static uint16_t sum_offset(enum l4 l4)
{
	static const uint16_t offsets[] = {[TCP] = TCP_SUM, [UDP] = UDP_SUM, [SCTP] = 8};

	return offsets[l4];
}

static struct virtio_net_hdr partial(enum l4 l4)
{
	return (struct virtio_net_hdr){.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				       .csum_start = (uint16_t)l4_at,
				       .csum_offset = sum_offset(l4)};
}

static uint8_t gso_type(const struct shape *s)
{
	if (s->l4 == UDP)
		return DP_VNET_GSO_UDP_L4;
	return s->version == 4 ? VIRTIO_NET_HDR_GSO_TCPV4 : VIRTIO_NET_HDR_GSO_TCPV6;
}

static struct virtio_net_hdr super(const struct shape *s, uint16_t size)
{
	struct virtio_net_hdr hdr = partial(s->l4);

	hdr.gso_type = gso_type(s);
	hdr.gso_size = size;
	return hdr;
}

static struct rte_mbuf *make(void)
{
	struct rte_mbuf *m = mbufs_make(pool, p.bytes, p.size, NULL, 0);

	assert_non_null(m);
	return m;
}

/* Translates the frame in 'p' and expects 'rc'. */
static struct rte_mbuf *take(const struct virtio_net_hdr *hdr, int rc)
{
	struct rte_mbuf *m = make();

	assert_int_equal(dp_vnet_to_mbuf(hdr, m), rc);
	return m;
}

static void refuse(const struct virtio_net_hdr *hdr)
{
	rte_pktmbuf_free(take(hdr, -EBADMSG));
}

static uint64_t l4_flag(enum l4 l4)
{
	static const uint64_t flags[] = {[TCP] = RTE_MBUF_F_TX_TCP_CKSUM,
					 [UDP] = RTE_MBUF_F_TX_UDP_CKSUM,
					 [SCTP] = RTE_MBUF_F_TX_SCTP_CKSUM};

	return flags[l4];
}

static void assert_received(const struct rte_mbuf *m)
{
	uint32_t size = mbufs_read(m, bytes, sizeof(bytes));
	const char *wrong = oracle_receive(bytes, size);

	if (wrong != NULL)
		fail_msg("%s", wrong);
}

static void frame_without_requests_stays_without(void **state)
{
	const struct virtio_net_hdr nothing = {0},
				    verified = {.flags = VIRTIO_NET_HDR_F_DATA_VALID};
	struct rte_mbuf *m;

	build(&shapes[0], 100);
	m = take(&nothing, 0);
	assert_int_equal(m->ol_flags, 0);
	rte_pktmbuf_free(m);
	m = take(&verified, 0);
	assert_int_equal(m->ol_flags, 0);
	rte_pktmbuf_free(m);
}

static void unfinished_checksum_becomes_a_request_that_finishes_right(void **state)
{
	for (size_t i = 0; i < N_SHAPES; i++) {
		const struct shape *s = &shapes[i];
		struct virtio_net_hdr hdr;
		struct rte_mbuf *m;

		build(s, 333);
		hdr = partial(s->l4);
		m = take(&hdr, 0);
		assert_int_equal(m->ol_flags & REQUESTS,
				 l4_flag(s->l4) | (s->version == 4 ? RTE_MBUF_F_TX_IPV4
								   : RTE_MBUF_F_TX_IPV6));
		assert_int_equal(m->l2_len, l3_at);
		assert_int_equal(m->l2_len + m->l3_len, l4_at);
		assert_int_equal(dp_csum_finish(m), 0);
		assert_received(m);
		rte_pktmbuf_free(m);
	}
}

static void super_frame_becomes_a_request_that_segments_right(void **state)
{
	static struct rte_mbuf *out[64];

	for (size_t i = 0; i < N_SHAPES; i++) {
		const struct shape *s = &shapes[i];
		struct virtio_net_hdr hdr;
		struct rte_mbuf *m;
		int n;

		if (s->l4 == SCTP)
			continue;
		build(s, 20000);
		hdr = super(s, 1400);
		m = take(&hdr, 0);
		assert_true(m->ol_flags &
			    (s->l4 == TCP ? RTE_MBUF_F_TX_TCP_SEG : RTE_MBUF_F_TX_UDP_SEG));
		assert_int_equal(m->tso_segsz, 1400);
		assert_int_equal(m->l4_len, s->l4 == TCP ? 20 : 8);
		n = dp_gso(m, pool, out, 64);
		assert_int_equal(n, (20000 + 1399) / 1400);
		for (int k = 0; k < n; k++) {
			assert_int_equal(dp_csum_finish(out[k]), 0);
			assert_received(out[k]);
		}
		rte_pktmbuf_free_bulk(out, (unsigned)n);
		rte_pktmbuf_free(m);
	}
}

static void header_survives_the_way_through_an_mbuf(void **state)
{
	for (size_t i = 0; i < N_SHAPES; i++) {
		const struct shape *s = &shapes[i];
		struct virtio_net_hdr hdr, back;
		struct rte_mbuf *m;

		if (s->l4 == SCTP)
			continue;
		build(s, 5000);
		hdr = super(s, 1000);
		hdr.hdr_len = (uint16_t)(l4_at + (s->l4 == TCP ? 20 : 8));
		m = take(&hdr, 0);
		assert_int_equal(dp_vnet_from_mbuf(m, &back), 0);
		assert_memory_equal(&back, &hdr, sizeof(hdr));
		rte_pktmbuf_free(m);
		hdr = partial(s->l4);
		m = take(&hdr, 0);
		assert_int_equal(dp_vnet_from_mbuf(m, &back), 0);
		assert_memory_equal(&back, &hdr, sizeof(hdr));
		rte_pktmbuf_free(m);
	}
}

static void super_frame_of_one_segment_is_an_ordinary_frame(void **state)
{
	struct virtio_net_hdr hdr;
	struct rte_mbuf *m;

	build(&shapes[0], 1000);
	for (uint16_t size = 999; size <= 1001; size++) {
		hdr = super(&shapes[0], size);
		m = take(&hdr, 0);
		assert_int_equal((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0, size == 999);
		assert_true(m->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM);
		rte_pktmbuf_free(m);
	}
}

static void super_frame_with_a_complete_checksum_becomes_a_partial_one(void **state)
{
	for (size_t i = 0; i < N_SHAPES; i++) {
		const struct shape *s = &shapes[i];
		struct virtio_net_hdr hdr;
		struct rte_mbuf *m;

		if (s->l4 == SCTP)
			continue;
		build(s, 3000);
		hdr = super(s, 1000);
		hdr.flags = VIRTIO_NET_HDR_F_DATA_VALID;
		hdr.csum_start = hdr.csum_offset = 0;
		pkt_finish(&p, 0);
		m = take(&hdr, 0);
		pkt_finish(&p, PKT_PARTIAL);
		assert_int_equal(mbufs_read(m, bytes, sizeof(bytes)), p.size);
		assert_memory_equal(bytes, p.bytes, p.size);
		assert_true(m->ol_flags & l4_flag(s->l4));
		rte_pktmbuf_free(m);
	}
}

static void checksum_that_no_field_can_ask_for_is_finished_at_once(void **state)
{
	struct virtio_net_hdr hdr = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_offset = 2};
	struct rte_mbuf *m;

	pkt_init(&p);
	pkt_eth(&p, MAC_B, MAC_A);
	pkt_ipv4(&p, "10.0.0.1", "10.0.0.2");
	hdr.csum_start = (uint16_t)pkt_icmp(&p, 8, 0);
	pkt_fill(&p, 101, 3);
	pkt_finish(&p, 0);
	/* ICMP has no pseudo-header: its unfinished checksum is zero. */
	memset(p.bytes + hdr.csum_start + hdr.csum_offset, 0, 2);
	m = take(&hdr, 0);
	assert_int_equal(m->ol_flags & REQUESTS, 0);
	assert_received(m);
	rte_pktmbuf_free(m);
}

static void every_start_and_offset_stays_inside_the_frame(void **state)
{
	static const uint16_t far[] = {0x7fff, 0x8000, 0xfffe, 0xffff};

	build(&shapes[0], 60);
	for (uint32_t start = 0; start <= p.size + 2u; start++)
		for (uint32_t offset = 0; offset <= p.size + 2u; offset++) {
			struct virtio_net_hdr hdr = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
						     .csum_start = (uint16_t)start,
						     .csum_offset = (uint16_t)offset};

			rte_pktmbuf_free(take(&hdr, start + offset + 2 <= p.size ? 0 : -EBADMSG));
		}
	for (unsigned i = 0; i < 4; i++)
		for (unsigned k = 0; k < 4; k++) {
			struct virtio_net_hdr hdr = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
						     .csum_start = far[i],
						     .csum_offset = far[k]};

			refuse(&hdr);
		}
}

static void segmentation_of_what_the_frame_is_not_is_refused(void **state)
{
	struct virtio_net_hdr hdr;

	build(&shapes[0], 3000); /* TCP over IPv4 */
	for (unsigned type = 0; type < 256; type++) {
		hdr = super(&shapes[0], 1000);
		hdr.gso_type = (uint8_t)type;
		if (type != 0 && (type & 0x7f) != VIRTIO_NET_HDR_GSO_TCPV4)
			refuse(&hdr);
		hdr.flags = 0; /* The same without a checksum request. */
		if (type != 0 && (type & 0x7f) != VIRTIO_NET_HDR_GSO_TCPV4)
			refuse(&hdr);
	}
	hdr = super(&shapes[0], 0);
	refuse(&hdr);
	hdr = super(&shapes[0], 1000);
	hdr.csum_offset = UDP_SUM;
	refuse(&hdr);
	hdr = super(&shapes[0], 1000);
	hdr.csum_start++;
	refuse(&hdr);
	build(&shapes[4], 3000); /* UDP over IPv4 */
	hdr = super(&shapes[4], 1000);
	hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	refuse(&hdr);
	hdr.gso_type = VIRTIO_NET_HDR_GSO_UDP; /* fragmentation offload */
	refuse(&hdr);
	build(&shapes[8], 3000); /* SCTP */
	hdr = super(&shapes[8], 1000);
	refuse(&hdr);
}

static void super_frame_of_very_many_very_small_segments_is_refused(void **state)
{
	/* Payload, segment size, the answer: Linux's smallest, one less, as many as UDP may have.
	 */
	static const struct {
		uint32_t payload;
		uint16_t size;
		int rc;
	} cases[] = {{20000, 48, 0}, {20000, 47, -EBADMSG}, {20000, 1, -EBADMSG},
		     {100, 1, 0},    {128 * 47, 47, 0},	    {128 * 47 + 1, 47, -EBADMSG},
		     {128, 1, 0},    {129, 1, -EBADMSG}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		for (unsigned k = 0; k < 2; k++) {
			const struct shape *s = &shapes[k == 0 ? 0 : 4];
			struct virtio_net_hdr hdr;

			build(s, cases[i].payload);
			hdr = super(s, cases[i].size);
			rte_pktmbuf_free(take(&hdr, cases[i].rc));
		}
	}
}

static void super_frame_cut_inside_its_headers_is_refused(void **state)
{
	struct virtio_net_hdr hdr;

	for (uint32_t cut = 1; cut < 14 + 20 + 20; cut++) {
		struct rte_mbuf *m;

		build(&shapes[0], 3000);
		hdr = super(&shapes[0], 1000);
		m = mbufs_make(pool, p.bytes, p.size, &cut, 1);
		assert_int_equal(dp_vnet_to_mbuf(&hdr, m), -EBADMSG);
		rte_pktmbuf_free(m);
		m = mbufs_make(pool, p.bytes, cut, NULL, 0);
		assert_int_equal(dp_vnet_to_mbuf(&hdr, m), -EBADMSG);
		rte_pktmbuf_free(m);
	}
}

/* Builds TCP inside VXLAN; returns where the inner TCP header is. */
static uint16_t build_tunnel(uint32_t payload)
{
	uint32_t tcp;

	pkt_init(&p);
	pkt_eth(&p, MAC_B, MAC_A);
	pkt_ipv4(&p, "10.0.0.1", "10.0.0.2");
	pkt_udp(&p, 4000, 4789);
	pkt_vxlan(&p, 77);
	pkt_eth(&p, MAC_A, MAC_B);
	pkt_ipv4(&p, "10.1.0.1", "10.1.0.2");
	tcp = pkt_tcp(&p, 1000, 80, PKT_ACK);
	pkt_fill(&p, payload, 1);
	pkt_finish(&p, PKT_PARTIAL);
	return (uint16_t)tcp;
}

static void checksum_inside_a_tunnel_is_a_request_but_segmentation_is_refused(void **state)
{
	struct virtio_net_hdr hdr = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_offset = TCP_SUM},
			      back;
	struct rte_mbuf *m;

	hdr.csum_start = build_tunnel(200);
	m = take(&hdr, 0);
	assert_true(m->ol_flags & RTE_MBUF_F_TX_TCP_CKSUM);
	assert_int_equal(dp_vnet_from_mbuf(m, &back), 0);
	assert_memory_equal(&back, &hdr, sizeof(hdr));
	rte_pktmbuf_free(m);
	hdr.csum_start = build_tunnel(3000);
	hdr.gso_type = VIRTIO_NET_HDR_GSO_TCPV4;
	hdr.gso_size = 1000;
	refuse(&hdr);
}

static void congestion_window_reduced_is_told_to_the_kernel(void **state)
{
	struct virtio_net_hdr hdr, back;
	struct rte_mbuf *m;

	build(&shapes[1], 3000);
	p.bytes[l4_at + 13] |= PKT_CWR;
	hdr = super(&shapes[1], 1000);
	hdr.gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	m = take(&hdr, 0);
	assert_int_equal(dp_vnet_from_mbuf(m, &back), 0);
	assert_int_equal(back.gso_type, VIRTIO_NET_HDR_GSO_TCPV6 | VIRTIO_NET_HDR_GSO_ECN);
	rte_pktmbuf_free(m);
}

static void request_that_the_header_cannot_say_is_refused(void **state)
{
	struct virtio_net_hdr hdr;
	struct rte_mbuf *m;

	build(&shapes[0], 3000);
	m = make();
	m->l2_len = 14;
	m->l3_len = 20;
	m->l4_len = 20;
	m->tso_segsz = 1000;
	m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_SCTP_CKSUM;
	assert_int_equal(dp_vnet_from_mbuf(m, &hdr), -EBADMSG);
	m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_TCP_CKSUM;
	assert_int_equal(dp_vnet_from_mbuf(m, &hdr), -EBADMSG);
	m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IP_CKSUM;
	assert_int_equal(dp_vnet_from_mbuf(m, &hdr), -EBADMSG);
	m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_SEG;
	assert_int_equal(dp_vnet_from_mbuf(m, &hdr), 0); /* implies the checksum */
	m->tso_segsz = 0;
	assert_int_equal(dp_vnet_from_mbuf(m, &hdr), -EBADMSG);
	m->tso_segsz = 1000;
	m->l4_len = 19;
	assert_int_equal(dp_vnet_from_mbuf(m, &hdr), -EBADMSG);
	rte_pktmbuf_free(m);
}

static void request_beyond_the_first_segment_is_refused(void **state)
{
	uint32_t cut = 14 + 20 + TCP_SUM + 1; /* in the middle of the checksum */
	struct virtio_net_hdr hdr;
	struct rte_mbuf *m;

	build(&shapes[0], 3000);
	m = mbufs_make(pool, p.bytes, p.size, &cut, 1);
	m->l2_len = 14;
	m->l3_len = 20;
	m->l4_len = 20;
	m->tso_segsz = 1000;
	m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM;
	assert_int_equal(dp_vnet_from_mbuf(m, &hdr), -EBADMSG);
	m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
	assert_int_equal(dp_vnet_from_mbuf(m, &hdr), -EBADMSG);
	rte_pktmbuf_free(m);
}

static void receive_flags_of_a_nic_are_no_request(void **state)
{
	struct virtio_net_hdr hdr = {.flags = 0xff};
	const struct virtio_net_hdr nothing = {0};
	struct rte_mbuf *m;

	build(&shapes[0], 100);
	m = make();
	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_RSS_HASH | RTE_MBUF_F_RX_LRO;
	assert_int_equal(dp_vnet_from_mbuf(m, &hdr), 0);
	assert_memory_equal(&hdr, &nothing, sizeof(hdr));
	rte_pktmbuf_free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_without_requests_stays_without),
		cmocka_unit_test(unfinished_checksum_becomes_a_request_that_finishes_right),
		cmocka_unit_test(super_frame_becomes_a_request_that_segments_right),
		cmocka_unit_test(header_survives_the_way_through_an_mbuf),
		cmocka_unit_test(super_frame_of_one_segment_is_an_ordinary_frame),
		cmocka_unit_test(super_frame_with_a_complete_checksum_becomes_a_partial_one),
		cmocka_unit_test(checksum_that_no_field_can_ask_for_is_finished_at_once),
		cmocka_unit_test(every_start_and_offset_stays_inside_the_frame),
		cmocka_unit_test(segmentation_of_what_the_frame_is_not_is_refused),
		cmocka_unit_test(super_frame_of_very_many_very_small_segments_is_refused),
		cmocka_unit_test(super_frame_cut_inside_its_headers_is_refused),
		cmocka_unit_test(checksum_inside_a_tunnel_is_a_request_but_segmentation_is_refused),
		cmocka_unit_test(congestion_window_reduced_is_told_to_the_kernel),
		cmocka_unit_test(request_that_the_header_cannot_say_is_refused),
		cmocka_unit_test(request_beyond_the_first_segment_is_refused),
		cmocka_unit_test(receive_flags_of_a_nic_are_no_request),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
