/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames to a guest: sections, filters, queues, what a frame wears, and guests that give sections
 * back wrongly or not at all.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include "dataplane/drop.h"
#include "tests/support/mbufs.h"
#include "tests/support/nicguest.h"
#include "vmbus/nvsp.h"
#include "vmq/rss.h"

#define BURST 64

static struct rte_mempool *pool;

struct fixture {
	struct nicguest *g;
	uint16_t malformed;
	uint8_t refused;
};

static void setup(struct fixture *f, const struct nicguest_opts *opts)
{
	memset(f, 0, sizeof(*f));
	f->g = nicguest_create(opts);
}

static void teardown(struct fixture *f)
{
	nicguest_destroy(f->g);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

static struct rte_mbuf *make(uint32_t size, uint8_t seed)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t *frame;

	assert_non_null(m);
	frame = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)size);
	for (uint32_t i = 0; i < size; i++)
		frame[i] = (uint8_t)(i * 5 + seed);
	memcpy(frame, (uint8_t[]){2, 0, 0, 0, 0, 1}, 6);
	frame[12] = 0x88;
	frame[13] = 0xb5;
	return m;
}

/* What the switch takes off the ring: completions. */
static void worker(struct fixture *f, uint16_t queue)
{
	struct rte_mbuf *pkts[32];

	assert_int_equal(vmq_queue_from_guest(f->g->channels[queue].queue, pool, pkts, 32,
					      &f->malformed),
			 0);
}

static uint16_t send(struct fixture *f, struct rte_mbuf **pkts, uint16_t n)
{
	f->refused = DP_N_DROPS;
	return vmq_path_to_guest(&f->g->path, pkts, n, &f->refused);
}

static uint32_t free_sections(const struct fixture *f)
{
	uint32_t n = f->g->bufs->n_free;

	for (uint16_t i = 0; i < f->g->opts.n_queues; i++)
		n += f->g->channels[i].queue->cached_n;
	return n;
}

static void check_event(const struct nicguest_event *e, uint32_t size, uint8_t seed)
{
	assert_int_equal(e->kind, NICGUEST_FRAME_IN);
	assert_int_equal(e->size, size);
	for (uint32_t i = 14; i < size; i++)
		assert_int_equal(e->bytes[i], (uint8_t)(i * 5 + seed));
}

static void frames_of_a_burst_come_in_one_packet_with_one_signal(void **state)
{
	struct nicguest_opts opts = {.scattered = *state != NULL};
	struct rte_mbuf *pkts[32];
	struct fixture f;

	setup(&f, &opts);
	for (unsigned round = 0; round < 40; round++) {
		for (unsigned i = 0; i < 32; i++)
			pkts[i] = make(60 + 40 * i, (uint8_t)(i + round));
		assert_int_equal(send(&f, pkts, 32), 32);
		assert_int_equal(nicguest_poll(f.g, 0), 1);
		assert_int_equal(f.g->n_events, 32);
		for (unsigned i = 0; i < 32; i++)
			check_event(&f.g->events[i], 60 + 40 * i, (uint8_t)(i + round));
		nicguest_clear(f.g);
		worker(&f, 0);
		assert_int_equal(free_sections(&f), 256);
	}
	assert_int_equal(f.g->channels[0].queue->stats.signals, 40);
	assert_int_equal(f.g->channels[0].queue->stats.bad_completions, 0);
	teardown(&f);
}

static void sections_that_came_back_last_go_out_first(void **state)
{
	struct rte_mbuf *m;
	uint64_t first;
	struct fixture f;

	setup(&f, NULL);
	for (unsigned i = 0; i < 20; i++) {
		m = make(60, 0);
		assert_int_equal(send(&f, &m, 1), 1);
		nicguest_poll(f.g, 0);
		worker(&f, 0);
		if (i == 0)
			first = f.g->events[0].transaction_id;
		assert_int_equal(f.g->events[i].transaction_id, first);
	}
	teardown(&f);
}

static void a_guest_that_gives_nothing_back_gets_no_more(void **state)
{
	struct rte_mbuf *pkts[BURST];
	uint32_t sent = 0;
	uint16_t n;
	struct fixture f;

	setup(&f, NULL);
	f.g->keep = true;
	do {
		for (unsigned i = 0; i < BURST; i++)
			pkts[i] = make(100, 0);
		n = send(&f, pkts, BURST);
		sent += n;
		rte_pktmbuf_free_bulk(pkts + n, BURST - n);
		nicguest_poll(f.g, 0);
		nicguest_clear(f.g);
	} while (n == BURST);
	assert_int_equal(f.refused, DP_DROP_TX_FULL);
	/* But for those that are kept for control messages. */
	assert_int_equal(sent, 256 - VMQ_BUFS_KEPT);
	assert_true(f.g->channels[0].queue->stats.no_section > 0);
	teardown(&f);
}

static void a_guest_that_reads_nothing_gets_a_ring_full(void **state)
{
	struct nicguest_opts opts = {.ring_pages = 2, .n_recv = 4096};
	struct rte_mbuf *pkts[BURST];
	uint16_t n;
	struct fixture f;

	setup(&f, &opts);
	do {
		for (unsigned i = 0; i < BURST; i++)
			pkts[i] = make(60, 0);
		n = send(&f, pkts, BURST);
		rte_pktmbuf_free_bulk(pkts + n, BURST - n);
	} while (n != 0);
	assert_int_equal(f.refused, DP_DROP_TX_FULL);
	assert_true(f.g->channels[0].queue->stats.ring_full > 0);
	assert_true(f.g->channels[0].queue->stats.to_packets > 200);
	nicguest_poll(f.g, 0);
	pkts[0] = make(60, 0);
	assert_int_equal(send(&f, pkts, 1), 1);
	teardown(&f);
}

static void completions_twice_of_nothing_or_by_another_channel_are_counted(void **state)
{
	struct nicguest_opts opts = {.n_queues = 2};
	struct rte_mbuf *pkts[3] = {make(60, 1), make(60, 2), make(60, 3)};
	struct fixture f;
	uint64_t id;

	setup(&f, &opts);
	f.g->keep = true;
	assert_int_equal(send(&f, pkts, 3), 3);
	nicguest_poll(f.g, 0);
	id = f.g->events[0].transaction_id;
	nicguest_complete(f.g, 1, id);
	worker(&f, 1);
	assert_int_equal(f.g->channels[1].queue->stats.bad_completions, 1);
	nicguest_complete(f.g, 0, f.g->events[0].transaction_id + 1);
	nicguest_complete(f.g, 0, 256);
	nicguest_complete(f.g, 0, UINT64_MAX);
	nicguest_complete(f.g, 0, UINT64_MAX << 32 | id);
	nicguest_complete(f.g, 0, id);
	nicguest_complete(f.g, 0, id);
	worker(&f, 0);
	assert_int_equal(f.g->channels[0].queue->stats.bad_completions, 5);
	assert_int_equal(free_sections(&f), 256);
	assert_int_equal(f.g->channels[0].queue->fault, VMQ_FAULT_NONE);
	teardown(&f);
}

static void frames_longer_than_a_section_are_refused_and_hold_up_none(void **state)
{
	struct rte_mbuf *pkts[3] = {make(60, 1), make(1700, 2), make(60, 3)};
	struct rte_mbuf *big = pkts[1];
	struct fixture f;

	setup(&f, NULL);
	assert_int_equal(send(&f, pkts, 3), 2);
	assert_int_equal(f.refused, DP_DROP_TX_TOO_BIG);
	assert_ptr_equal(pkts[2], big);
	nicguest_poll(f.g, 0);
	check_event(&f.g->events[0], 60, 1);
	check_event(&f.g->events[1], 60, 3);
	rte_pktmbuf_free(big);
	teardown(&f);
}

static void frames_of_several_segments_come_whole(void **state)
{
	struct nicguest_opts opts = {.scattered = *state != NULL,
				     .recv_section = 9472,
				     .n_recv = 64};
	static uint8_t frame[9000];
	uint32_t cuts[] = {100, 101, 3000};
	struct rte_mbuf *m;
	struct fixture f;

	setup(&f, &opts);
	for (unsigned i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 11);
	m = mbufs_make(pool, frame, sizeof(frame), cuts, 3);
	assert_int_equal(send(&f, &m, 1), 1);
	nicguest_poll(f.g, 0);
	assert_int_equal(f.g->events[0].size, sizeof(frame));
	assert_memory_equal(f.g->events[0].bytes, frame, sizeof(frame));
	teardown(&f);
}

/* ---- Filter ---- */

static bool passes(struct fixture *f, uint32_t filter, const uint8_t dst[6])
{
	struct rte_mbuf *m = make(60, 0);
	bool sent;

	memcpy(rte_pktmbuf_mtod(m, void *), dst, 6);
	f->g->rules.filter = filter;
	sent = send(f, &m, 1) == 1;
	if (!sent) {
		assert_int_equal(f->refused, DP_DROP_NIC_FILTER);
		rte_pktmbuf_free(m);
	}
	nicguest_poll(f->g, 0);
	nicguest_clear(f->g);
	return sent;
}

static void the_filter_lets_through_what_the_guest_asks_for(void **state)
{
	static const uint8_t own[] = {2, 0, 0, 0, 0, 9}, other[] = {2, 0, 0, 0, 0, 8},
			     all[] = {255, 255, 255, 255, 255, 255},
			     group[] = {1, 0, 0x5e, 0, 0, 1};
	struct fixture f;

	setup(&f, NULL);
	memcpy(&f.g->rules.mac, own, 6);
	assert_false(passes(&f, 0, own));
	assert_false(passes(&f, 0, all));
	assert_true(passes(&f, NETVSP_FILTER_DIRECTED, own));
	assert_false(passes(&f, NETVSP_FILTER_DIRECTED, other));
	assert_false(passes(&f, NETVSP_FILTER_DIRECTED, all));
	assert_false(passes(&f, NETVSP_FILTER_DIRECTED, group));
	assert_true(passes(&f, NETVSP_FILTER_BROADCAST, all));
	assert_false(passes(&f, NETVSP_FILTER_BROADCAST, group));
	assert_true(passes(&f, NETVSP_FILTER_ALL_MULTICAST, group));
	assert_true(passes(&f, NETVSP_FILTER_MULTICAST, group));
	assert_false(passes(&f, NETVSP_FILTER_MULTICAST, all));
	assert_true(passes(&f, NETVSP_FILTER_PROMISCUOUS, other));
	assert_int_equal(f.g->channels[0].queue->stats.filtered, 7);
	teardown(&f);
}

/* ---- What a frame wears ---- */

static void a_tag_becomes_information(void **state)
{
	struct rte_mbuf *m = make(100, 0);
	uint8_t *frame = rte_pktmbuf_mtod(m, uint8_t *), before[100];
	struct fixture f;

	setup(&f, NULL);
	memcpy(frame + 12, (uint8_t[]){0x81, 0, 0xa1, 0x23}, 4);
	memcpy(before, frame, sizeof(before));
	assert_int_equal(send(&f, &m, 1), 1);
	nicguest_poll(f.g, 0);
	assert_true(f.g->events[0].packet.has_vlan);
	assert_int_equal(f.g->events[0].packet.vlan_tci, 0xa123);
	assert_int_equal(f.g->events[0].size, 96);
	assert_memory_equal(f.g->events[0].bytes, before, 12);
	assert_memory_equal(f.g->events[0].bytes + 12, before + 16, 84);
	teardown(&f);
}

static void an_open_checksum_is_said_to_be_partial(void **state)
{
	struct rte_mbuf *m = make(100, 0);
	struct fixture f;

	setup(&f, NULL);
	m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM;
	assert_int_equal(send(&f, &m, 1), 0);
	assert_int_equal(f.refused, DP_DROP_TX_OFFLOAD);
	f.g->rules.checksum_partial = true;
	assert_int_equal(send(&f, &m, 1), 1);
	nicguest_poll(f.g, 0);
	assert_true(f.g->events[0].packet.has_csum);
	assert_int_equal(f.g->events[0].packet.csum,
			 RNDIS_CSUM_RX_TCP_OK | RNDIS_CSUM_RX_IP_OK | RNDIS_CSUM_RX_PARTIAL);
	m = make(100, 0);
	m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_TCP_SEG;
	assert_int_equal(send(&f, &m, 1), 0);
	rte_pktmbuf_free(m);
	teardown(&f);
}

static struct rte_mbuf *make_tcp(uint32_t src, uint32_t dst, uint16_t sport, uint16_t dport)
{
	struct rte_mbuf *m = make(64, 0);
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, 14);

	memset(ip - 2, 0, 42);
	ip[-2] = 8;
	ip[0] = 0x45;
	ip[9] = 6;
	src = rte_cpu_to_be_32(src);
	dst = rte_cpu_to_be_32(dst);
	sport = rte_cpu_to_be_16(sport);
	dport = rte_cpu_to_be_16(dport);
	memcpy(ip + 12, &src, 4);
	memcpy(ip + 16, &dst, 4);
	memcpy(ip + 20, &sport, 2);
	memcpy(ip + 22, &dport, 2);
	return m;
}

static void a_checksum_known_to_be_good_is_told(void **state)
{
	struct rte_mbuf *m = make_tcp(1, 2, 3, 4);
	struct fixture f;

	setup(&f, NULL);
	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	assert_int_equal(send(&f, &m, 1), 1);
	nicguest_poll(f.g, 0);
	assert_int_equal(f.g->events[0].packet.csum, RNDIS_CSUM_RX_TCP_OK | RNDIS_CSUM_RX_IP_OK);
	teardown(&f);
}

/* ---- Super-frames ---- */

/* What a guest makes of the pieces of one packet (Linux rndis_filter_receive_data()). */
static uint32_t join(const struct fixture *f, unsigned first, unsigned n, uint8_t *frame)
{
	uint32_t size = 0;

	for (unsigned i = 0; i < n; i++) {
		const struct nicguest_event *e = &f->g->events[first + i];
		uint8_t flags = RNDIS_ID_PIECE | (i == 0 ? RNDIS_ID_FIRST : 0) |
				(i == n - 1 ? RNDIS_ID_LAST : 0);

		assert_true(e->packet.has_id);
		assert_int_equal(e->packet.id_flags, flags);
		assert_int_equal(e->packet.has_csum, i == 0);
		assert_int_equal(e->transaction_id, f->g->events[first].transaction_id);
		memcpy(frame + size, e->bytes, e->size);
		size += e->size;
	}
	return size;
}

static void a_super_frame_comes_in_pieces_of_one_packet(void **state)
{
	struct nicguest_opts opts = {.scattered = *state != NULL};
	static uint8_t frame[65535], joined[70000];
	static const uint32_t sizes[] = {1600, 1620, 1621, 1700, 9000, 65000, 65535};
	struct fixture f;

	setup(&f, &opts);
	f.g->rules.lro = true;
	f.g->rules.checksum_partial = true;
	for (unsigned i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 11 ^ i >> 8);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		uint32_t cut = 700;
		struct rte_mbuf *m[3] = {make(60, 1), mbufs_make(pool, frame, sizes[i], &cut, 1),
					 make(60, 2)};

		m[1]->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_SEG;
		m[1]->tso_segsz = 1448;
		assert_int_equal(send(&f, m, 3), 3);
		assert_int_equal(nicguest_poll(f.g, 0), 1);
		check_event(&f.g->events[0], 60, 1);
		check_event(&f.g->events[f.g->n_events - 1], 60, 2);
		assert_int_equal(join(&f, 1, f.g->n_events - 2, joined), sizes[i]);
		assert_memory_equal(joined, frame, sizes[i]);
		nicguest_clear(f.g);
		worker(&f, 0);
		assert_int_equal(free_sections(&f), 256);
	}
	teardown(&f);
}

/* Each takes 39 sections of 64 that a packet can lend. */
static void many_super_frames_take_a_packet_each(void **state)
{
	static uint8_t frame[64900], joined[70000];
	struct nicguest_opts opts = {.n_recv = 256};
	struct rte_mbuf *m[8];
	struct fixture f;
	uint16_t n;

	setup(&f, &opts);
	f.g->rules.lro = true;
	f.g->rules.checksum_partial = true;
	for (unsigned i = 0; i < 8; i++) {
		m[i] = mbufs_make(pool, frame, sizeof(frame), NULL, 0);
		m[i]->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_SEG;
		m[i]->tso_segsz = 1448;
	}
	n = send(&f, m, 8);
	assert_int_equal(n, (256 - VMQ_BUFS_KEPT) / 39);
	assert_int_equal(f.refused, DP_DROP_TX_FULL);
	rte_pktmbuf_free_bulk(m + n, 8u - n);
	assert_int_equal(nicguest_poll(f.g, 0), n);
	assert_int_equal(f.g->n_events, 39 * n);
	for (unsigned i = 0; i < n; i++)
		assert_int_equal(join(&f, 39 * i, 39, joined), sizeof(frame));
	teardown(&f);
}

static void a_tag_of_a_super_frame_is_told_with_the_first_piece(void **state)
{
	static uint8_t frame[5000], joined[5000];
	struct rte_mbuf *m;
	struct fixture f;

	setup(&f, NULL);
	f.g->rules.lro = true;
	for (unsigned i = 0; i < sizeof(frame); i++)
		frame[i] = (uint8_t)(i * 3);
	memcpy(frame + 12, (uint8_t[]){0x81, 0, 0, 5}, 4);
	m = mbufs_make(pool, frame, sizeof(frame), NULL, 0);
	m->ol_flags = RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_TCP_CKSUM;
	m->tso_segsz = 1448;
	assert_int_equal(send(&f, &m, 1), 1);
	nicguest_poll(f.g, 0);
	assert_int_equal(f.g->events[0].packet.vlan_tci, 5);
	assert_int_equal(join(&f, 0, f.g->n_events, joined), sizeof(frame) - 4);
	assert_memory_equal(joined, frame, 12);
	assert_memory_equal(joined + 12, frame + 16, sizeof(frame) - 16);
	teardown(&f);
}

/* ---- Queues ---- */

static const uint8_t ms_key[NETVSP_KEY_SIZE] = {0x6d, 0x5a, 0x56, 0xda, 0x25, 0x5b, 0x0e, 0xc2,
						0x41, 0x67, 0x25, 0x3d, 0x43, 0xa3, 0x8f, 0xb0,
						0xd0, 0xca, 0x2b, 0xcb, 0xae, 0x7b, 0x30, 0xb4,
						0x77, 0xcb, 0x2d, 0xa3, 0x80, 0x30, 0xf2, 0x0c,
						0x6a, 0x42, 0xb7, 0x3b, 0xbe, 0xac, 0x01, 0xfa};

#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

/* "Verifying the RSS Hash Calculation", IPv4 with TCP, and IPv4. */
static void the_hash_is_the_one_of_the_specification(void **state)
{
	static const struct {
		uint32_t dst, src;
		uint16_t dport, sport;
		uint32_t with_ports, without;
	} known[] = {
		{IP(161, 142, 100, 80), IP(66, 9, 149, 187), 1766, 2794, 0x51ccc178, 0x323e8fc2},
		{IP(65, 69, 140, 83), IP(199, 92, 111, 2), 4739, 14230, 0xc626b0ea, 0xd718262a},
		{IP(12, 22, 207, 184), IP(24, 19, 198, 95), 38024, 12898, 0x5c2b394a, 0xd2d0a5de},
		{IP(209, 142, 163, 6), IP(38, 27, 205, 30), 2217, 48228, 0xafc7327f, 0x82989176},
		{IP(202, 188, 127, 2), IP(153, 39, 163, 191), 1303, 44251, 0x10e828a2, 0x5d1809c5},
	};
	struct vmq_rules *rules = calloc(1, sizeof(*rules));

	vmq_rss_prepare(rules, ms_key);
	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++) {
		struct rte_mbuf *m =
			make_tcp(known[i].src, known[i].dst, known[i].sport, known[i].dport);
		struct vmq_flow flow;

		rules->hash_types = NETVSP_HASH_IP4 | NETVSP_HASH_TCP4;
		vmq_rss_flow(rules, m, &flow);
		assert_int_equal(flow.hash, known[i].with_ports);
		assert_int_equal(flow.type, NETVSP_HASH_TCP4);
		rules->hash_types = NETVSP_HASH_IP4;
		vmq_rss_flow(rules, m, &flow);
		assert_int_equal(flow.hash, known[i].without);
		rte_pktmbuf_free(m);
	}
	free(rules);
}

static void frames_go_to_the_queue_of_their_hash_in_order(void **state)
{
	struct nicguest_opts opts = {.n_queues = 4};
	struct rte_mbuf *pkts[BURST];
	unsigned per_queue[4] = {0};
	struct fixture f;

	setup(&f, &opts);
	f.g->rules.rss = true;
	f.g->rules.hash_types = NETVSP_HASH_IP4 | NETVSP_HASH_TCP4;
	f.g->rules.table_size = 128;
	for (unsigned i = 0; i < 128; i++)
		f.g->rules.table[i] = (uint8_t)(i % 4);
	vmq_rss_prepare(&f.g->rules, ms_key);
	for (unsigned i = 0; i < BURST; i++) {
		pkts[i] = make_tcp(1, 2, (uint16_t)(i % 16), 80);
		*rte_pktmbuf_mtod_offset(pkts[i], uint8_t *, 63) = (uint8_t)i;
	}
	assert_int_equal(send(&f, pkts, BURST), BURST);
	for (uint16_t q = 0; q < 4; q++) {
		unsigned last = 0, start = f.g->n_events;

		assert_true(nicguest_poll(f.g, q) <= 1);
		for (unsigned i = start; i < f.g->n_events; i++) {
			const struct nicguest_event *e = &f.g->events[i];

			assert_true(e->packet.has_hash);
			assert_true(e->packet.has_hash_info);
			assert_int_equal(e->packet.hash_info,
					 RNDIS_HASH_TOEPLITZ | NETVSP_HASH_TCP4);
			assert_int_equal(f.g->rules.table[e->packet.hash % 128], q);
			assert_true(i == start || e->bytes[63] > last);
			last = e->bytes[63];
			per_queue[q]++;
		}
		assert_true(per_queue[q] > 0);
	}
	assert_int_equal(f.g->n_events, BURST);
	/* A channel that is gone: its frames come by the first. */
	vmq_queue_close(f.g->channels[3].queue);
	vmq_queue_destroy(f.g->channels[3].queue);
	f.g->channels[3].queue = NULL;
	for (unsigned i = 0; i < BURST; i++)
		pkts[i] = make_tcp(1, 2, (uint16_t)(i % 16), 80);
	assert_int_equal(send(&f, pkts, BURST), BURST);
	nicguest_poll(f.g, 0);
	nicguest_poll(f.g, 1);
	nicguest_poll(f.g, 2);
	assert_int_equal(f.g->n_events, 2 * BURST);
	teardown(&f);
}

static void what_a_closed_channel_had_is_free_again(void **state)
{
	struct rte_mbuf *pkts[BURST];
	struct fixture f;

	setup(&f, NULL);
	f.g->keep = true;
	for (unsigned i = 0; i < BURST; i++)
		pkts[i] = make(60, 0);
	assert_int_equal(send(&f, pkts, BURST), BURST);
	vmq_queue_close(f.g->channels[0].queue);
	vmq_bufs_forget(f.g->bufs, f.g->channels[0].queue);
	assert_int_equal(f.g->bufs->n_free, 256);
	assert_int_equal(send(&f, pkts, 0), 0);
	teardown(&f);
}

static void without_buffers_or_channel_nothing_is_taken(void **state)
{
	struct rte_mbuf *m = make(60, 0);
	struct fixture f;

	setup(&f, NULL);
	f.g->rules.recv = NULL;
	assert_int_equal(send(&f, &m, 1), 0);
	assert_int_equal(f.refused, DP_DROP_TX_DOWN);
	f.g->rules.recv = f.g->recv;
	vmq_queue_close(f.g->channels[0].queue);
	assert_int_equal(send(&f, &m, 1), 0);
	assert_int_equal(f.refused, DP_DROP_TX_DOWN);
	rte_pktmbuf_free(m);
	teardown(&f);
}

int main(void)
{
	static char scattered[] = "scattered";
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_of_a_burst_come_in_one_packet_with_one_signal),
		{"frames_of_a_burst_come_over_pages",
		 frames_of_a_burst_come_in_one_packet_with_one_signal, NULL, NULL, scattered},
		cmocka_unit_test(sections_that_came_back_last_go_out_first),
		cmocka_unit_test(a_guest_that_gives_nothing_back_gets_no_more),
		cmocka_unit_test(a_guest_that_reads_nothing_gets_a_ring_full),
		cmocka_unit_test(completions_twice_of_nothing_or_by_another_channel_are_counted),
		cmocka_unit_test(frames_longer_than_a_section_are_refused_and_hold_up_none),
		cmocka_unit_test(frames_of_several_segments_come_whole),
		{"frames_of_several_segments_come_whole_over_pages",
		 frames_of_several_segments_come_whole, NULL, NULL, scattered},
		cmocka_unit_test(the_filter_lets_through_what_the_guest_asks_for),
		cmocka_unit_test(a_tag_becomes_information),
		cmocka_unit_test(an_open_checksum_is_said_to_be_partial),
		cmocka_unit_test(a_checksum_known_to_be_good_is_told),
		cmocka_unit_test(a_super_frame_comes_in_pieces_of_one_packet),
		{"a_super_frame_comes_in_pieces_over_pages",
		 a_super_frame_comes_in_pieces_of_one_packet, NULL, NULL, scattered},
		cmocka_unit_test(many_super_frames_take_a_packet_each),
		cmocka_unit_test(a_tag_of_a_super_frame_is_told_with_the_first_piece),
		cmocka_unit_test(the_hash_is_the_one_of_the_specification),
		cmocka_unit_test(frames_go_to_the_queue_of_their_hash_in_order),
		cmocka_unit_test(what_a_closed_channel_had_is_free_again),
		cmocka_unit_test(without_buffers_or_channel_nothing_is_taken),
	};

	pool = mbufs_pool("vmq", 1023, 2048);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
