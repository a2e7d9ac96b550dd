/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Virtio rings against a guest written in C: each test runs for split and for packed rings.
 */
#include "dataplane/vring.h"
#include "tests/support/mbufs.h"
#include "tests/support/vguest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <linux/virtio_net.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_tcp.h>

#include <cmocka.h>

#define HDR  12u
#define RING 64

static struct rte_mempool *pool;
static unsigned pool_free;

static int setup(struct vguest *g, bool packed)
{
	vguest_init(g, packed, RING);
	pool_free = rte_mempool_avail_count(pool);
	return 0;
}

static int setup_split(void **state)
{
	*state = aligned_alloc(64, sizeof(struct vguest));
	return setup(*state, false);
}

static int setup_packed(void **state)
{
	*state = aligned_alloc(64, sizeof(struct vguest));
	return setup(*state, true);
}

/* Every test gives back what it took. */
static int teardown(void **state)
{
	struct vguest *g = *state;

	vguest_fini(g);
	free(g);
	return rte_mempool_avail_count(pool) == pool_free ? 0 : -1;
}

static void fill(void *to, uint32_t size, uint8_t seed)
{
	for (uint32_t i = 0; i < size; i++)
		((uint8_t *)to)[i] = (uint8_t)(seed + i * 7);
}

/* Adds a frame of 'size' bytes in one buffer number 'slot' (4 KB each). */
static uint64_t send_one(struct vguest *g, unsigned slot, uint32_t size,
			 const struct virtio_net_hdr *hdr)
{
	uint64_t gpa = g->buffers + slot * 4096u;

	memset(vguest_at(g, gpa), 0, HDR);
	if (hdr != NULL)
		memcpy(vguest_at(g, gpa), hdr, sizeof(*hdr));
	vguest_add(g, &(struct vguest_piece){.gpa = gpa, .size = HDR + size}, 1, 0);
	return gpa + HDR;
}

static uint16_t dequeue(struct vguest *g, struct rte_mbuf **pkts, uint16_t n, uint16_t malformed)
{
	uint16_t bad = 0, got = dp_vring_dequeue(&g->ring, pool, pkts, n, &bad);

	assert_int_equal(bad, malformed);
	return got;
}

static uint16_t enqueue(struct vguest *g, struct rte_mbuf **pkts, uint16_t n, uint16_t too_big)
{
	uint16_t big = 0, sent = dp_vring_enqueue(&g->ring, pkts, n, &big);

	assert_int_equal(big, too_big);
	return sent;
}

static void expect_frame(struct rte_mbuf *m, const void *data, uint32_t size)
{
	uint8_t *copy = malloc(size + 1);
	const void *p;

	rte_mbuf_sanity_check(m, 1);
	assert_int_equal(m->pkt_len, size);
	p = rte_pktmbuf_read(m, 0, size, copy);
	assert_non_null(p);
	assert_memory_equal(p, data, size);
	free(copy);
}

static unsigned used_count(struct vguest *g)
{
	unsigned n = 0;
	uint32_t size;
	uint16_t id;

	while (vguest_used(g, &id, &size))
		n++;
	return n;
}

static void gives_frames_in_order(void **state)
{
	struct vguest *g = *state;
	struct rte_mbuf *pkts[32];

	for (unsigned round = 0; round < 20; round++) { /* Wraps several times. */
		for (unsigned i = 0; i < 17; i++) {
			uint64_t at = send_one(g, i, 60 + i, NULL);

			fill(vguest_at(g, at), 60 + i, (uint8_t)(round + i));
		}
		assert_int_equal(dequeue(g, pkts, 32, 0), 17);
		for (unsigned i = 0; i < 17; i++) {
			expect_frame(pkts[i], vguest_at(g, g->buffers + i * 4096 + HDR), 60 + i);
			assert_int_equal(pkts[i]->ol_flags, 0);
			rte_pktmbuf_free(pkts[i]);
		}
		assert_int_equal(used_count(g), 17);
		assert_int_equal(dequeue(g, pkts, 32, 0), 0);
	}
}

static void gives_no_more_than_asked_for(void **state)
{
	struct vguest *g = *state;
	struct rte_mbuf *pkts[32];

	for (unsigned i = 0; i < 10; i++)
		send_one(g, i, 60, NULL);
	assert_int_equal(dequeue(g, pkts, 4, 0), 4);
	rte_pktmbuf_free_bulk(pkts, 4);
	assert_int_equal(dequeue(g, pkts, 32, 0), 6);
	rte_pktmbuf_free_bulk(pkts, 6);
}

/* 'n' pieces whose sizes add up to HDR + frame; the header is the first, or split if 'cut'. */
static void chain_of(struct vguest *g, uint32_t frame, unsigned n, bool cut, bool indirect)
{
	struct vguest_piece p[32];
	uint32_t left = HDR + frame;
	uint64_t gpa = g->buffers;

	memset(vguest_at(g, gpa), 0, HDR);
	for (unsigned i = 0; i < n; i++) {
		uint32_t size = i + 1 == n ? left : i == 0 ? (cut ? 5 : HDR) : left / (n - i);

		p[i] = (struct vguest_piece){.gpa = gpa, .size = size};
		gpa += size;
		left -= size;
	}
	fill(vguest_at(g, g->buffers + HDR), frame, 3);
	vguest_add(g, p, (uint16_t)n, indirect ? g->buffers - 4096 : 0);
}

static void gives_frame_of_many_pieces(void **state)
{
	struct vguest *g = *state;
	struct rte_mbuf *m;

	for (unsigned n = 2; n <= 20; n++) {
		for (unsigned way = 0; way < 4; way++) {
			chain_of(g, 1500, n, (way & 1) != 0, (way & 2) != 0);
			assert_int_equal(dequeue(g, &m, 1, 0), 1);
			expect_frame(m, vguest_at(g, g->buffers + HDR), 1500);
			rte_pktmbuf_free(m);
			assert_int_equal(used_count(g), 1);
		}
	}
}

static void gives_super_frame_as_chain(void **state)
{
	struct vguest *g = *state;
	struct rte_mbuf *m;

	chain_of(g, 65535 + 14, 17, false, true);
	assert_int_equal(dequeue(g, &m, 1, 0), 1);
	expect_frame(m, vguest_at(g, g->buffers + HDR), 65535 + 14);
	assert_true(m->nb_segs >= 32);
	rte_pktmbuf_free(m);
}

static void gives_frame_across_two_regions(void **state)
{
	struct vguest *g = *state;
	uint64_t gpa = VGUEST_GPA + VGUEST_SIZE / 2 - 100;
	struct rte_mbuf *m;

	memset(vguest_at(g, gpa), 0, HDR);
	fill(vguest_at(g, gpa + HDR), 300, 9);
	vguest_add(g, &(struct vguest_piece){.gpa = gpa, .size = HDR + 300}, 1, 0);
	assert_int_equal(dequeue(g, &m, 1, 0), 1);
	expect_frame(m, vguest_at(g, gpa + HDR), 300);
	rte_pktmbuf_free(m);
}

static void throws_away_frame_without_bytes_or_too_many(void **state)
{
	static const uint32_t sizes[] = {1, HDR - 3, HDR - 1, HDR, HDR + DP_VRING_MAX_FRAME + 1};
	struct vguest *g = *state;
	struct rte_mbuf *m;

	for (unsigned i = 0; i < 5; i++) {
		memset(vguest_at(g, g->buffers), 0, HDR);
		vguest_add(g, &(struct vguest_piece){.gpa = g->buffers, .size = sizes[i]}, 1, 0);
		assert_int_equal(dequeue(g, &m, 1, 1), 0);
		assert_int_equal(used_count(g), 1);
	}
	assert_int_equal(g->ring.malformed, 5);
	/* One byte is a frame (the switch calls it a runt); so is the longest. */
	send_one(g, 0, 1, NULL);
	assert_int_equal(dequeue(g, &m, 1, 0), 1);
	rte_pktmbuf_free(m);
	send_one(g, 0, DP_VRING_MAX_FRAME, NULL);
	assert_int_equal(dequeue(g, &m, 1, 0), 1);
	assert_int_equal(m->pkt_len, DP_VRING_MAX_FRAME);
	rte_pktmbuf_free(m);
	assert_int_equal(g->ring.fault, DP_VRING_NONE);
}

static void leaves_frames_in_ring_when_pool_is_empty(void **state)
{
	struct rte_mempool *tiny = mbufs_pool("tiny", 4, 2048);
	struct vguest *g = *state;
	struct rte_mbuf *hold[4], *m;
	uint16_t bad = 0;

	assert_int_equal(rte_pktmbuf_alloc_bulk(tiny, hold, 4), 0);
	send_one(g, 0, 100, NULL);
	assert_int_equal(dp_vring_dequeue(&g->ring, tiny, &m, 1, &bad), 0);
	/* A chain of three mbufs, with two to be had. */
	rte_pktmbuf_free_bulk(hold, 2);
	assert_int_equal(dp_vring_dequeue(&g->ring, tiny, &m, 1, &bad), 1);
	rte_pktmbuf_free(m);
	send_one(g, 0, 3 * 2048, NULL);
	assert_int_equal(dp_vring_dequeue(&g->ring, tiny, &m, 1, &bad), 0);
	assert_int_equal(rte_mempool_avail_count(tiny), 2);
	rte_pktmbuf_free(hold[2]);
	assert_int_equal(dp_vring_dequeue(&g->ring, tiny, &m, 1, &bad), 1);
	assert_int_equal(m->pkt_len, 3 * 2048);
	rte_pktmbuf_free(m);
	rte_pktmbuf_free(hold[3]);
	assert_int_equal(bad, 0);
	rte_mempool_free(tiny);
}

/* A TCP segment over IPv4 behind 'n_tags' VLAN tags; returns where TCP starts. */
static uint16_t tcp_frame(uint8_t *f, unsigned n_tags, uint32_t size, bool options)
{
	uint16_t at = 12;
	struct rte_ipv4_hdr *ip;
	struct rte_tcp_hdr *tcp;

	fill(f, size, 1);
	for (unsigned i = 0; i < n_tags; i++, at += 4)
		memcpy(f + at, "\x81\x00\x00\x05", 4);
	memcpy(f + at, "\x08\x00", 2);
	at += 2;
	ip = (struct rte_ipv4_hdr *)(void *)(f + at);
	*ip = (struct rte_ipv4_hdr){.version_ihl = options ? 0x46 : 0x45,
				    .total_length = rte_cpu_to_be_16((uint16_t)(size - at)),
				    .time_to_live = 64,
				    .next_proto_id = IPPROTO_TCP,
				    .src_addr = 0x01020304,
				    .dst_addr = 0x05060708};
	memset(f + at + 20, 1, 4); /* No-operation options, if any. */
	at += options ? 24 : 20;
	tcp = (struct rte_tcp_hdr *)(void *)(f + at);
	*tcp = (struct rte_tcp_hdr){.src_port = 1, .dst_port = 2, .data_off = 0x50};
	return at;
}

static void asks_for_checksum_as_guest_does(void **state)
{
	struct vguest *g = *state;
	struct rte_mbuf *m;

	for (unsigned tags = 0; tags <= 2; tags++) {
		struct virtio_net_hdr h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM, .csum_offset = 16};
		uint8_t f[200];

		h.csum_start = tcp_frame(f, tags, sizeof(f), false);
		memcpy(vguest_at(g, send_one(g, 0, sizeof(f), &h)), f, sizeof(f));
		assert_int_equal(dequeue(g, &m, 1, 0), 1);
		assert_int_equal(m->ol_flags & RTE_MBUF_F_TX_L4_MASK, RTE_MBUF_F_TX_TCP_CKSUM);
		assert_true((m->ol_flags & RTE_MBUF_F_TX_IPV4) != 0);
		assert_int_equal(m->l2_len, 14 + 4 * tags);
		assert_int_equal(m->l3_len, 20);
		assert_int_equal(m->ol_flags & RTE_MBUF_F_TX_TCP_SEG, 0);
		rte_pktmbuf_free(m);
	}
}

static void sums_frame_whose_headers_nobody_knows(void **state)
{
	struct virtio_net_hdr h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				   .csum_start = 40,
				   .csum_offset = 4};
	struct vguest *g = *state;
	uint8_t f[101];
	struct rte_mbuf *m;
	uint16_t sum;

	fill(f, sizeof(f), 0);
	memcpy(f + 12, "\x88\x47", 2); /* MPLS */
	memset(f + 44, 0, 2);
	memcpy(vguest_at(g, send_one(g, 0, sizeof(f), &h)), f, sizeof(f));
	assert_int_equal(dequeue(g, &m, 1, 0), 1);
	assert_int_equal(m->ol_flags & RTE_MBUF_F_TX_L4_MASK, 0);
	assert_int_equal(rte_raw_cksum_mbuf(m, 40, sizeof(f) - 40, &sum), 0);
	assert_int_equal(sum, 0xffff);
	rte_pktmbuf_free(m);
}

static void asks_for_segmentation_as_guest_does(void **state)
{
	struct virtio_net_hdr h = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
				   .gso_type = VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN,
				   .gso_size = 1448,
				   .csum_offset = 16};
	struct vguest *g = *state;
	static uint8_t f[4000];
	struct rte_mbuf *m;

	h.csum_start = tcp_frame(f, 1, sizeof(f), true);
	memcpy(vguest_at(g, send_one(g, 0, sizeof(f), &h)), f, sizeof(f));
	assert_int_equal(dequeue(g, &m, 1, 0), 1);
	assert_true((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0);
	assert_int_equal(m->tso_segsz, 1448);
	assert_int_equal(m->l2_len + m->l3_len + m->l4_len, 18 + 24 + 20);
	rte_pktmbuf_free(m);
}

static void throws_away_frame_whose_header_lies(void **state)
{
	const struct virtio_net_hdr good = {.flags = VIRTIO_NET_HDR_F_NEEDS_CSUM,
					    .gso_type = VIRTIO_NET_HDR_GSO_TCPV4,
					    .gso_size = 1448,
					    .csum_start = 34,
					    .csum_offset = 16};
	struct virtio_net_hdr bad[8];
	struct vguest *g = *state;
	static uint8_t f[2000];
	struct rte_mbuf *m;

	for (unsigned i = 0; i < 8; i++)
		bad[i] = good;
	bad[0].flags = 0;
	bad[1].gso_size = 0;
	bad[2].gso_type = VIRTIO_NET_HDR_GSO_TCPV6;
	bad[3].gso_type = VIRTIO_NET_HDR_GSO_UDP;
	bad[4].gso_type = 77;
	bad[5].csum_start = 35;
	bad[6].csum_offset = 6;
	bad[7].gso_type = 0;
	bad[7].csum_start = UINT16_MAX;
	tcp_frame(f, 0, sizeof(f), false);
	for (unsigned i = 0; i < 8; i++) {
		memcpy(vguest_at(g, send_one(g, 0, sizeof(f), &bad[i])), f, sizeof(f));
		assert_int_equal(dequeue(g, &m, 1, 1), 0);
		assert_int_equal(used_count(g), 1);
	}
	memcpy(vguest_at(g, send_one(g, 0, sizeof(f), &good)), f, sizeof(f));
	assert_int_equal(dequeue(g, &m, 1, 0), 1);
	rte_pktmbuf_free(m);
	assert_int_equal(g->ring.fault, DP_VRING_NONE);
}

/* A good frame, then what the test does: the good one arrives, then nothing ever. */
static void expect_fault(struct vguest *g, enum dp_vring_fault fault)
{
	struct rte_mbuf *pkts[4];
	uint16_t bad = 0, got = dp_vring_dequeue(&g->ring, pool, pkts, 4, &bad);

	rte_pktmbuf_free_bulk(pkts, got);
	if (g->ring.fault == DP_VRING_NONE) /* Found at the next poll at the latest. */
		assert_int_equal(dp_vring_dequeue(&g->ring, pool, pkts, 4, &bad), 0);
	assert_int_equal(bad, 0);
	assert_int_equal(got, 1);
	assert_int_equal(g->ring.fault, fault);
	assert_true(strlen(dp_vring_fault_text(fault)) > 10);
	send_one(g, 2, 60, NULL);
	assert_int_equal(dp_vring_dequeue(&g->ring, pool, pkts, 4, &bad), 0);
	assert_int_equal(enqueue(g, pkts, 0, 0), 0);
}

static void stops_at_address_outside_of_memory(void **state)
{
	static const struct vguest_piece lies[] = {
		{.gpa = 0, .size = 100},
		{.gpa = VGUEST_GPA - 1, .size = 100},
		{.gpa = VGUEST_GPA + VGUEST_SIZE - 99, .size = 100},
		{.gpa = VGUEST_GPA + VGUEST_SIZE, .size = 100},
		{.gpa = VGUEST_GPA, .size = UINT32_MAX},
		{.gpa = UINT64_MAX - 50, .size = 100},
	};
	struct vguest *g = *state;
	bool packed = g->ring.packed;

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		vguest_fini(g);
		vguest_init(g, packed, RING);
		send_one(g, 0, 60, NULL);
		vguest_add(g, &lies[i], 1, 0);
		expect_fault(g, DP_VRING_ADDRESS);
	}
}

static void stops_at_writable_transmit_buffer(void **state)
{
	struct vguest *g = *state;

	send_one(g, 0, 60, NULL);
	vguest_add(g,
		   &(struct vguest_piece){.gpa = g->buffers,
					  .size = 100,
					  .flags = VRING_DESC_F_WRITE},
		   1, 0);
	expect_fault(g, DP_VRING_DIRECTION);
}

/* The table's first entry, the header, is marked as writable. */
static void takes_indirect_table_as_dpdk_leaves_it(void **state)
{
	struct vguest *g = *state;
	struct vring_packed_desc *table;
	struct rte_mbuf *m;

	chain_of(g, 4000, 3, true, true);
	table = vguest_at(g, g->buffers - 4096);
	table[0].flags |= VRING_DESC_F_WRITE;
	assert_int_equal(dequeue(g, &m, 1, 0), 1);
	expect_frame(m, vguest_at(g, g->buffers + HDR), 4000);
	rte_pktmbuf_free(m);
}

static void stops_at_malformed_indirect_table(void **state)
{
	static const struct vguest_piece lies[] = {
		{.gpa = VGUEST_GPA + 8192, .size = 0, .flags = VRING_DESC_F_INDIRECT},
		{.gpa = VGUEST_GPA + 8192, .size = 17, .flags = VRING_DESC_F_INDIRECT},
		{.gpa = 5, .size = 16, .flags = VRING_DESC_F_INDIRECT},
		{.gpa = VGUEST_GPA + 8192,
		 .size = 16,
		 .flags = VRING_DESC_F_INDIRECT | VRING_DESC_F_NEXT},
	};
	struct vguest *g = *state;
	bool packed = g->ring.packed;

	for (size_t i = 0; i < sizeof(lies) / sizeof(lies[0]); i++) {
		vguest_fini(g);
		vguest_init(g, packed, RING);
		send_one(g, 0, 60, NULL);
		vguest_add(g, &lies[i], 1, 0);
		expect_fault(g, DP_VRING_INDIRECT);
	}
}

static void stops_at_chain_without_end(void **state)
{
	struct vguest *g = *state;
	uint16_t next_flag = VRING_DESC_F_NEXT;

	send_one(g, 0, 60, NULL);
	for (unsigned i = 1; i <= RING - 1; i++)
		vguest_add(g,
			   &(struct vguest_piece){.gpa = g->buffers, .size = 1, .flags = next_flag},
			   1, 0);
	if (g->ring.packed) {
		g->ring.packed_desc[0].flags |= next_flag;
	} else {
		g->ring.desc[RING - 1].next = 1;
		for (unsigned i = 1; i < RING - 1; i++)
			g->ring.desc[i].next = (uint16_t)(i + 1);
	}
	if (!g->ring.packed)
		expect_fault(g, DP_VRING_LOOP);
	else { /* The first is part of the loop too. */
		struct rte_mbuf *m;

		assert_int_equal(dequeue(g, &m, 1, 0), 0);
		assert_int_equal(g->ring.fault, DP_VRING_LOOP);
	}
}

static void stops_at_frame_of_too_many_pieces(void **state)
{
	struct vguest *g = *state;
	struct vguest_piece p[300];

	for (unsigned i = 0; i < 300; i++)
		p[i] = (struct vguest_piece){.gpa = g->buffers, .size = 1};
	send_one(g, 0, 60, NULL);
	vguest_add(g, p, 300, g->buffers + 65536);
	expect_fault(g, DP_VRING_SEGMENTS);
}

static void stops_at_split_lies(void **state)
{
	struct vguest *g = *state;

	(void)state;
	send_one(g, 0, 60, NULL);
	g->ring.avail->ring[1] = RING; /* head */
	g->ring.avail->idx = 2;
	g->avail = 2;
	expect_fault(g, DP_VRING_HEAD);

	vguest_fini(g);
	vguest_init(g, false, RING);
	send_one(g, 0, 60, NULL);
	vguest_add(g,
		   &(struct vguest_piece){.gpa = g->buffers,
					  .size = 20,
					  .flags = VRING_DESC_F_NEXT},
		   1, 0);
	g->ring.desc[1].next = RING;
	expect_fault(g, DP_VRING_NEXT);

	vguest_fini(g);
	vguest_init(g, false, RING);
	g->ring.avail->idx = RING + 1;
	struct rte_mbuf *m;

	assert_int_equal(dequeue(g, &m, 1, 0), 0);
	assert_int_equal(g->ring.fault, DP_VRING_AVAIL_INDEX);
}

static struct rte_mbuf *frame(uint32_t size, uint8_t seed)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool), *last = m;
	uint8_t *data = malloc(size);

	fill(data, size, seed);
	for (uint32_t at = 0; at < size;) {
		uint32_t n = RTE_MIN(size - at, 2000u);

		if (at > 0) {
			last->next = rte_pktmbuf_alloc(pool);
			last = last->next;
			m->nb_segs++;
		}
		memcpy(rte_pktmbuf_mtod(last, void *), data + at, n);
		last->data_len = (uint16_t)n;
		m->pkt_len += n;
		at += n;
	}
	free(data);
	return m;
}

/* Offers 'n' buffers of 'size' bytes. */
static void post(struct vguest *g, unsigned n, uint32_t size)
{
	for (unsigned i = 0; i < n; i++)
		vguest_add(g,
			   &(struct vguest_piece){.gpa = g->buffers + (g->next_desc % RING) * 8192u,
						  .size = size,
						  .flags = VRING_DESC_F_WRITE},
			   1, 0);
}

/* Reads one frame as the driver does; returns its size and checks it against fill(seed). */
static uint32_t take(struct vguest *g, struct virtio_net_hdr_mrg_rxbuf *ret_hdr, uint8_t seed)
{
	static uint8_t data[70000], want[70000];
	uint32_t size, total = 0;
	unsigned n = 1;
	uint16_t id;

	for (unsigned i = 0; i < n; i++) {
		assert_true(vguest_used(g, &id, &size));
		memcpy(data + total, vguest_at(g, g->buffers + id * 8192u), size);
		total += size;
		if (i == 0) {
			memcpy(ret_hdr, data, HDR);
			n = g->ring.mergeable ? ret_hdr->num_buffers : 1;
		}
	}
	fill(want, total - HDR, seed);
	assert_memory_equal(data + HDR, want, total - HDR);
	return total - HDR;
}

static void sends_frames_in_order(void **state)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	struct vguest *g = *state;
	struct rte_mbuf *pkts[40];

	for (unsigned round = 0; round < 10; round++) {
		post(g, 40, 1526);
		for (unsigned i = 0; i < 40; i++)
			pkts[i] = frame(60 + i * 30, (uint8_t)(round * 40 + i));
		assert_int_equal(enqueue(g, pkts, 40, 0), 40);
		for (unsigned i = 0; i < 40; i++) {
			assert_int_equal(take(g, &hdr, (uint8_t)(round * 40 + i)), 60 + i * 30);
			assert_int_equal(hdr.num_buffers, 1);
			assert_int_equal(hdr.hdr.flags, 0);
			assert_int_equal(hdr.hdr.gso_type, 0);
		}
		assert_int_equal(used_count(g), 0);
		rte_pktmbuf_free_bulk(pkts, 40);
	}
}

static void sends_long_frame_into_several_buffers(void **state)
{
	static const uint32_t sizes[] = {1514, 1515, 3000, 9014, 65549};
	struct virtio_net_hdr_mrg_rxbuf hdr;
	struct vguest *g = *state;

	for (unsigned i = 0; i < 5; i++) {
		unsigned n = (sizes[i] + HDR + 1525) / 1526;
		struct rte_mbuf *pkts[3] = {frame(64, 1), frame(sizes[i], 2), frame(64, 3)};

		post(g, n + 2, 1526);
		assert_int_equal(enqueue(g, pkts, 3, 0), 3);
		assert_int_equal(take(g, &hdr, 1), 64);
		assert_int_equal(take(g, &hdr, 2), sizes[i]);
		assert_int_equal(hdr.num_buffers, n);
		assert_int_equal(take(g, &hdr, 3), 64);
		rte_pktmbuf_free_bulk(pkts, 3);
		assert_int_equal(used_count(g), 0);
	}
}

static void sends_into_chain_of_descriptors(void **state)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	struct vguest *g = *state;
	struct rte_mbuf *m = frame(1000, 4);

	g->ring.mergeable = false;
	for (unsigned way = 0; way < 2; way++) {
		uint64_t gpa = g->buffers + (g->next_desc % RING) * 8192u;
		struct vguest_piece p[3] = {{gpa, 12, VRING_DESC_F_WRITE},
					    {gpa + 12, 600, VRING_DESC_F_WRITE},
					    {gpa + 612, 900, VRING_DESC_F_WRITE}};

		vguest_add(g, p, 3, way == 0 ? 0 : g->buffers - 8192);
		assert_int_equal(enqueue(g, &m, 1, 0), 1);
		assert_int_equal(take(g, &hdr, 4), 1000);
	}
	rte_pktmbuf_free(m);
}

static void refuses_frame_that_finds_no_room(void **state)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	struct vguest *g = *state;
	struct rte_mbuf *pkts[3] = {frame(64, 1), frame(4000, 2), frame(64, 3)};

	assert_int_equal(enqueue(g, pkts, 3, 0), 0);
	post(g, 3, 1526); /* The second needs three of its own. */
	assert_int_equal(enqueue(g, pkts, 3, 0), 1);
	assert_int_equal(take(g, &hdr, 1), 64);
	assert_int_equal(used_count(g), 0);
	post(g, 1, 1526);
	assert_int_equal(enqueue(g, pkts + 1, 2, 0), 1);
	assert_int_equal(take(g, &hdr, 2), 4000);
	rte_pktmbuf_free_bulk(pkts, 3);
}

static void moves_frame_that_never_fits_behind_the_others(void **state)
{
	struct rte_mbuf *pkts[4] = {frame(64, 1), frame(4000, 2), frame(64, 3), frame(64, 4)};
	struct rte_mbuf *big = pkts[1], *last = pkts[3];
	struct virtio_net_hdr_mrg_rxbuf hdr;
	struct vguest *g = *state;

	g->ring.mergeable = false;
	post(g, 2, 1526); /* No room for the last one. */
	assert_int_equal(enqueue(g, pkts, 4, 1), 2);
	assert_int_equal(take(g, &hdr, 1), 64);
	assert_int_equal(take(g, &hdr, 3), 64);
	assert_int_equal(used_count(g), 0);
	assert_ptr_equal(pkts[2], last);
	assert_ptr_equal(pkts[3], big);
	assert_int_equal(g->ring.fault, DP_VRING_NONE);
	rte_pktmbuf_free_bulk(pkts, 4);
}

static void stops_sending_into_readable_buffer(void **state)
{
	struct vguest *g = *state;
	struct rte_mbuf *m = frame(64, 1);

	vguest_add(g, &(struct vguest_piece){.gpa = g->buffers, .size = 1526}, 1, 0);
	assert_int_equal(enqueue(g, &m, 1, 0), 0);
	assert_int_equal(g->ring.fault, DP_VRING_DIRECTION);
	rte_pktmbuf_free(m);
}

static void tells_guest_of_requests(void **state)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	struct vguest *g = *state;
	struct rte_mbuf *m = frame(3000, 4);

	post(g, 20, 1526);
	m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_TCP_SEG;
	m->l2_len = 14;
	m->l3_len = 20;
	m->l4_len = 32;
	m->tso_segsz = 1400;
	assert_int_equal(enqueue(g, &m, 1, 0), 1);
	take(g, &hdr, 4);
	assert_int_equal(hdr.hdr.flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
	assert_int_equal(hdr.hdr.csum_start, 34);
	assert_int_equal(hdr.hdr.csum_offset, 16);
	assert_int_equal(hdr.hdr.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
	assert_int_equal(hdr.hdr.gso_size, 1400);
	assert_int_equal(hdr.hdr.hdr_len, 66);

	m->ol_flags = RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_UDP_CKSUM;
	assert_int_equal(enqueue(g, &m, 1, 0), 1);
	take(g, &hdr, 4);
	assert_int_equal(hdr.hdr.csum_offset, 6);
	assert_int_equal(hdr.hdr.gso_type, 0);

	m->ol_flags = RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	assert_int_equal(enqueue(g, &m, 1, 0), 1);
	take(g, &hdr, 4);
	assert_int_equal(hdr.hdr.flags, 0);
	g->ring.data_valid = true;
	assert_int_equal(enqueue(g, &m, 1, 0), 1);
	take(g, &hdr, 4);
	assert_int_equal(hdr.hdr.flags, VIRTIO_NET_HDR_F_DATA_VALID);
	rte_pktmbuf_free(m);
}

static void tells_guest_of_congestion_if_it_understands(void **state)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	struct vguest *g = *state;

	for (unsigned way = 0; way < 4; way++) {
		uint8_t seed = (way & 1) != 0 ? 84 : 4; /* Byte 47, the TCP flags: 0x9d or 0x4d. */
		struct rte_mbuf *m = frame(3000, seed);

		g->ring.ecn = (way & 2) != 0;
		m->ol_flags = RTE_MBUF_F_TX_IPV6 | RTE_MBUF_F_TX_TCP_CKSUM | RTE_MBUF_F_TX_TCP_SEG;
		m->l2_len = 14;
		m->l3_len = 20;
		m->l4_len = 20;
		m->tso_segsz = 1400;
		post(g, 2, 1526);
		assert_int_equal(enqueue(g, &m, 1, 0), 1);
		take(g, &hdr, seed);
		assert_int_equal(hdr.hdr.gso_type, VIRTIO_NET_HDR_GSO_TCPV6 |
							   (way == 3 ? VIRTIO_NET_HDR_GSO_ECN : 0));
		rte_pktmbuf_free(m);
	}
}

static void header_of_old_guest_is_ten_bytes(void **state)
{
	struct vguest *g = *state;
	struct rte_mbuf *m = frame(100, 1), *got;
	uint32_t size;
	uint16_t id;

	g->ring.hdr_size = 10;
	g->ring.mergeable = false;
	post(g, 1, 1526);
	assert_int_equal(enqueue(g, &m, 1, 0), 1);
	assert_true(vguest_used(g, &id, &size));
	assert_int_equal(size, 110);
	assert_memory_equal(vguest_at(g, g->buffers + 10), rte_pktmbuf_mtod(m, void *), 100);
	memset(vguest_at(g, g->buffers), 0, 10);
	vguest_add(g, &(struct vguest_piece){.gpa = g->buffers, .size = 110}, 1, 0);
	assert_int_equal(dequeue(g, &got, 1, 0), 1);
	expect_frame(got, rte_pktmbuf_mtod(m, void *), 100);
	rte_pktmbuf_free(m);
	rte_pktmbuf_free(got);
}

static unsigned signals(int fd)
{
	eventfd_t n;

	return eventfd_read(fd, &n) == 0 ? (unsigned)n : 0;
}

static void signals_guest_as_it_asks(void **state)
{
	struct vguest *g = *state;
	struct dp_vring *r = &g->ring;
	int fd = eventfd(0, EFD_NONBLOCK);
	struct rte_mbuf *m;

	r->call_fd = fd;
	for (unsigned i = 0; i < 3; i++) {
		send_one(g, 0, 60, NULL);
		assert_int_equal(dequeue(g, &m, 1, 0), 1);
		rte_pktmbuf_free(m);
		assert_int_equal(signals(fd), 1);
	}
	if (r->packed)
		r->driver_event->flags = 1;
	else
		r->avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	send_one(g, 0, 60, NULL);
	assert_int_equal(dequeue(g, &m, 1, 0), 1);
	rte_pktmbuf_free(m);
	assert_int_equal(signals(fd), 0);
	close(fd);
}

/* It takes back many buffers at once otherwise, and loses them out of its caches. */
static void guest_that_polls_is_not_told_of_the_newest_at_once(void **state)
{
	struct vguest *g = *state;
	struct dp_vring *r = &g->ring;
	uint16_t keep = r->size / 8 < 64 ? r->size / 8 : 64;
	struct rte_mbuf *m;

	if (r->packed)
		return;
	r->avail->flags = VRING_AVAIL_F_NO_INTERRUPT;
	for (unsigned i = 0; i < keep + 2u; i++) {
		send_one(g, 0, 60, NULL);
		assert_int_equal(dequeue(g, &m, 1, 0), 1);
		rte_pktmbuf_free(m);
		assert_int_equal(r->used->idx, i + 1 > keep ? i + 1 - keep : 0);
	}
	/* Nothing new comes: in time it is told. */
	rte_delay_us_block(200);
	assert_int_equal(dequeue(g, &m, 1, 0), 0);
	assert_int_equal(r->used->idx, keep + 2u);
	/* Nor is anything kept when the ring is taken back, */
	send_one(g, 0, 60, NULL);
	assert_int_equal(dequeue(g, &m, 1, 0), 1);
	rte_pktmbuf_free(m);
	assert_int_equal(r->used->idx, keep + 2u);
	dp_vring_settle(r);
	assert_int_equal(r->used->idx, keep + 3u);
	/* or from a guest that wants signals. */
	r->avail->flags = 0;
	send_one(g, 0, 60, NULL);
	assert_int_equal(dequeue(g, &m, 1, 0), 1);
	rte_pktmbuf_free(m);
	assert_int_equal(r->used->idx, keep + 4u);
}

/* The guest asks to hear when entry number 'event' is used; we use three at a time. */
static void signals_guest_at_its_event_index(void **state)
{
	struct vguest *g = *state;
	struct dp_vring *r = &g->ring;
	int fd = eventfd(0, EFD_NONBLOCK);
	struct rte_mbuf *pkts[4];
	unsigned total = 0, event = 1;

	r->call_fd = fd;
	r->event_idx = true;
	while (total < 400) {
		bool due = event >= total && event < total + 3;

		if (r->packed) {
			r->driver_event->flags = 2;
			r->driver_event->off_wrap =
				(uint16_t)(event % RING | (event / RING % 2 == 0 ? 0x8000u : 0));
		} else {
			r->avail->ring[RING] = (uint16_t)event;
		}
		for (unsigned i = 0; i < 3; i++)
			send_one(g, i, 60, NULL);
		assert_int_equal(dequeue(g, pkts, 4, 0), 3);
		rte_pktmbuf_free_bulk(pkts, 3);
		total += 3;
		assert_int_equal(signals(fd), due);
		if (due)
			event += 7;
	}
	close(fd);
}

struct logged {
	uint64_t bytes, used;
};

static void log_fn(void *ctx, bool used_ring, uint64_t addr, uint64_t size)
{
	struct logged *l = ctx;

	*(used_ring ? &l->used : &l->bytes) += size;
	if (!used_ring)
		assert_true(addr >= VGUEST_GPA && addr + size <= VGUEST_GPA + VGUEST_SIZE);
}

static void logs_what_it_writes_during_migration(void **state)
{
	struct vguest *g = *state;
	struct logged l = {0};
	struct rte_mbuf *pkts[2] = {frame(64, 1), frame(4000, 2)}, *m;

	g->ring.log = log_fn;
	g->ring.log_ctx = &l;
	post(g, 8, 1526);
	assert_int_equal(enqueue(g, pkts, 2, 0), 2);
	assert_int_equal(l.bytes, 64 + 4000 + 2 * HDR);
	assert_true(l.used >= 4 * 8);
	rte_pktmbuf_free_bulk(pkts, 2);

	vguest_fini(g);
	vguest_init(g, g->ring.packed, RING);
	l = (struct logged){0};
	g->ring.log = log_fn;
	g->ring.log_ctx = &l;
	send_one(g, 0, 60, NULL);
	assert_int_equal(dequeue(g, &m, 1, 0), 1);
	rte_pktmbuf_free(m);
	assert_int_equal(l.bytes, 0);
	assert_true(l.used >= 8);
}

static void throws_away_what_comes_out_of_memory_that_is_gone(void **state)
{
	struct vguest *g = *state;
	uint16_t bad = 0, big = 0;
	struct rte_mbuf *m, *none[4];

	send_one(g, 0, 60, NULL);
	atomic_store(&g->vmem.lost, true); /* As the guard does, in the middle of the burst. */
	assert_int_equal(dp_vring_dequeue(&g->ring, pool, none, 4, &bad), 0);
	assert_int_equal(bad, 1);
	assert_int_equal(g->ring.fault, DP_VRING_LOST);
	m = rte_pktmbuf_alloc(pool);
	assert_non_null(rte_pktmbuf_append(m, 60));
	assert_int_equal(dp_vring_enqueue(&g->ring, &m, 1, &big), 0);
	rte_pktmbuf_free(m);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

#define BOTH(f)                                                                                    \
	{"split ring " #f, f, setup_split, teardown, NULL},                                        \
	{                                                                                          \
		"packed ring " #f, f, setup_packed, teardown, NULL                                 \
	}

int main(void)
{
	const struct CMUnitTest tests[] = {
		BOTH(gives_frames_in_order),
		BOTH(gives_no_more_than_asked_for),
		BOTH(gives_frame_of_many_pieces),
		BOTH(gives_super_frame_as_chain),
		BOTH(gives_frame_across_two_regions),
		BOTH(throws_away_frame_without_bytes_or_too_many),
		BOTH(leaves_frames_in_ring_when_pool_is_empty),
		BOTH(asks_for_checksum_as_guest_does),
		BOTH(sums_frame_whose_headers_nobody_knows),
		BOTH(asks_for_segmentation_as_guest_does),
		BOTH(throws_away_frame_whose_header_lies),
		BOTH(stops_at_address_outside_of_memory),
		BOTH(stops_at_writable_transmit_buffer),
		cmocka_unit_test_setup_teardown(takes_indirect_table_as_dpdk_leaves_it,
						setup_packed, teardown),
		BOTH(stops_at_malformed_indirect_table),
		BOTH(stops_at_chain_without_end),
		BOTH(stops_at_frame_of_too_many_pieces),
		cmocka_unit_test_setup_teardown(stops_at_split_lies, setup_split, teardown),
		BOTH(throws_away_what_comes_out_of_memory_that_is_gone),
		BOTH(sends_frames_in_order),
		BOTH(sends_long_frame_into_several_buffers),
		BOTH(sends_into_chain_of_descriptors),
		BOTH(refuses_frame_that_finds_no_room),
		BOTH(moves_frame_that_never_fits_behind_the_others),
		BOTH(stops_sending_into_readable_buffer),
		BOTH(tells_guest_of_requests),
		BOTH(tells_guest_of_congestion_if_it_understands),
		cmocka_unit_test_setup_teardown(header_of_old_guest_is_ten_bytes, setup_split,
						teardown),
		BOTH(signals_guest_as_it_asks),
		BOTH(guest_that_polls_is_not_told_of_the_newest_at_once),
		BOTH(signals_guest_at_its_event_index),
		BOTH(logs_what_it_writes_during_migration),
	};

	pool = mbufs_pool("vring", 1023, 2048);
	return cmocka_run_group_tests_name("vring", tests, NULL, NULL);
}
