/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Moving frames through an AF_XDP socket's rings, whose other end is the test: it plays the kernel by the rules of
 * linux/if_xdp.h.  No socket is needed.
 */
#include "dataplane/xsk_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "tests/support/mbufs.h"
#include "tests/support/packet.h"

#define N_RX	   8u
#define N_TX	   4u
#define FRAME_SIZE 4096u
#define POOL_SIZE  64u
#define ROOM	   1024u

struct kernel_ring {
	uint32_t producer, consumer, flags;
	union {
		struct xdp_desc descs[N_RX];
		uint64_t addrs[N_RX];
	};
};

/* The socket, and the kernel's end of its rings. */
struct fixture {
	struct dp_xsk xsk;
	struct kernel_ring rx, fill, tx, completion;
	struct rte_mempool *pool;
};

static struct fixture f;
static uint8_t umem[FRAME_SIZE * (N_RX + N_TX)];
static uint64_t free_frames[N_TX];
static struct rte_mempool *big_pool, *small_pool;

static void ring_init(struct dp_xsk_ring *r, struct kernel_ring *k, uint32_t size, uint32_t start)
{
	memset(k, 0, sizeof(*k));
	k->producer = k->consumer = start;
	*r = (struct dp_xsk_ring){.producer = &k->producer,
				  .consumer = &k->consumer,
				  .flags = &k->flags,
				  .entries = k->descs,
				  .size = size,
				  .mask = size - 1,
				  .mine = start,
				  .theirs = start};
}

/* A socket as xsk.c leaves it: receive frames with the kernel, transmit frames on the stack.  Indexes start at 'start'. */
static void socket_init(uint32_t start)
{
	f.xsk = (struct dp_xsk){.fd = -1,
				.frame_size = FRAME_SIZE,
				.umem = umem,
				.n_free = N_TX,
				.free_frames = free_frames};
	ring_init(&f.xsk.rx, &f.rx, N_RX, start);
	ring_init(&f.xsk.fill, &f.fill, N_RX, start);
	ring_init(&f.xsk.tx, &f.tx, N_TX, start);
	ring_init(&f.xsk.completion, &f.completion, N_TX, start);
	for (uint32_t i = 0; i < N_RX; i++)
		*dp_xsk_ring_addr(&f.xsk.fill, start + i) = (uint64_t)i * FRAME_SIZE;
	dp_xsk_ring_put(&f.xsk.fill, N_RX);
	for (uint32_t i = 0; i < N_TX; i++)
		free_frames[i] = (uint64_t)(N_RX + i) * FRAME_SIZE;
	f.pool = big_pool;
}

static int setup(void **state)
{
	socket_init(0);
	return 0;
}

static int no_buffer_is_lost(void **state)
{
	assert_int_equal(rte_mempool_in_use_count(big_pool), 0);
	assert_int_equal(rte_mempool_in_use_count(small_pool), 0);
	return 0;
}

static int start(void **state)
{
	big_pool = mbufs_pool("xsk-big", POOL_SIZE, ROOM);
	small_pool = mbufs_pool("xsk-small", 2, ROOM);
	return 0;
}

static void fill_bytes(uint8_t *bytes, uint32_t size, uint8_t seed)
{
	for (uint32_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(seed + i * 7 + (i >> 8));
}

/* The kernel receives a frame.  False when it has no memory for it. */
static bool kernel_receives(uint32_t size, uint8_t seed)
{
	uint64_t addr;

	if (f.fill.producer == f.fill.consumer || f.rx.producer - f.rx.consumer == N_RX)
		return false;
	/* Any address inside a frame stands for the frame. */
	addr = f.fill.addrs[f.fill.consumer++ % N_RX] / FRAME_SIZE * FRAME_SIZE + DP_XSK_HEADROOM;
	assert_true(addr + size <= (uint64_t)FRAME_SIZE * N_RX);
	fill_bytes(umem + addr, size, seed);
	f.rx.descs[f.rx.producer++ % N_RX] = (struct xdp_desc){.addr = addr, .len = size};
	return true;
}

/* The kernel sends a frame and gives its memory back; it is checked to be 'size' bytes from 'seed' on. */
static void kernel_sends(uint32_t size, uint8_t seed)
{
	struct xdp_desc desc = f.tx.descs[f.tx.consumer % N_TX];
	uint8_t expected[FRAME_SIZE];

	assert_int_not_equal(f.tx.producer, f.tx.consumer);
	f.tx.consumer++;
	assert_int_equal(desc.len, size);
	assert_int_equal(desc.options, 0);
	assert_int_equal(desc.addr % FRAME_SIZE, 0);
	assert_in_range(desc.addr, FRAME_SIZE * N_RX, sizeof(umem) - FRAME_SIZE);
	fill_bytes(expected, size, seed);
	assert_memory_equal(umem + desc.addr, expected, size);
	assert_true(f.completion.producer - f.completion.consumer < N_TX);
	f.completion.addrs[f.completion.producer++ % N_TX] = desc.addr;
}

static void expect_frame(struct rte_mbuf *m, uint32_t size, uint8_t seed)
{
	uint8_t bytes[FRAME_SIZE], expected[FRAME_SIZE];

	rte_mbuf_sanity_check(m, 1);
	assert_int_equal(m->pkt_len, size);
	assert_int_equal(m->ol_flags, 0);
	assert_int_equal(mbufs_read(m, bytes, sizeof(bytes)), size);
	fill_bytes(expected, size, seed);
	assert_memory_equal(bytes, expected, size);
	rte_pktmbuf_free(m);
}

static struct rte_mbuf *make_frame(uint32_t size, uint8_t seed, uint32_t cut)
{
	uint8_t bytes[FRAME_SIZE];
	struct rte_mbuf *m;

	fill_bytes(bytes, size, seed);
	m = mbufs_make(big_pool, bytes, size, &cut, cut != 0 ? 1 : 0);
	assert_non_null(m);
	return m;
}

static void received_frames_are_copied_and_their_memory_goes_back(void **state)
{
	struct rte_mbuf *pkts[8];

	assert_int_equal(dp_xsk_receive(&f.xsk, f.pool, pkts, 8), 0);
	for (uint8_t i = 0; i < 5; i++)
		assert_true(kernel_receives(60u + i, i));
	assert_int_equal(f.fill.producer - f.fill.consumer, N_RX - 5);
	assert_int_equal(dp_xsk_receive(&f.xsk, f.pool, pkts, 3), 3);
	assert_int_equal(dp_xsk_receive(&f.xsk, f.pool, pkts + 3, 8), 2);
	for (uint8_t i = 0; i < 5; i++)
		expect_frame(pkts[i], 60u + i, i);
	assert_int_equal(f.fill.producer - f.fill.consumer, N_RX);
	assert_int_equal(f.rx.producer, f.rx.consumer);
}

static void frame_longer_than_a_buffer_becomes_a_chain(void **state)
{
	const uint32_t sizes[] = {ROOM - 1, ROOM, ROOM + 1, 2 * ROOM, 2 * ROOM + 1, 3514};
	struct rte_mbuf *m;

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		assert_true(kernel_receives(sizes[i], (uint8_t)i));
		assert_int_equal(dp_xsk_receive(&f.xsk, f.pool, &m, 1), 1);
		assert_int_equal(m->nb_segs, (sizes[i] + ROOM - 1) / ROOM);
		expect_frame(m, sizes[i], (uint8_t)i);
	}
}

static void frames_wait_in_the_ring_when_there_are_no_buffers(void **state)
{
	struct rte_mbuf *pkts[8];

	for (uint8_t i = 0; i < 3; i++)
		assert_true(kernel_receives(100, i));
	assert_int_equal(dp_xsk_receive(&f.xsk, small_pool, pkts, 8), 0);
	assert_int_equal(f.rx.producer - f.rx.consumer, 3);
	assert_int_equal(dp_xsk_receive(&f.xsk, big_pool, pkts, 8), 3);
	for (uint8_t i = 0; i < 3; i++)
		expect_frame(pkts[i], 100, i);
}

static void frame_whose_chain_cannot_be_completed_waits_too(void **state)
{
	struct rte_mbuf *pkts[2];

	assert_true(kernel_receives(100, 1));
	assert_true(kernel_receives(3 * ROOM, 2));
	assert_int_equal(dp_xsk_receive(&f.xsk, small_pool, pkts, 2), 1);
	expect_frame(pkts[0], 100, 1);
	assert_int_equal(dp_xsk_receive(&f.xsk, big_pool, pkts, 2), 1);
	expect_frame(pkts[0], 3 * ROOM, 2);
	assert_int_equal(f.fill.producer - f.fill.consumer, N_RX);
}

static void sent_frames_are_copied_whole_and_freed(void **state)
{
	struct rte_mbuf *pkts[3] = {make_frame(60, 1, 0), make_frame(1514, 2, 14),
				    make_frame(FRAME_SIZE, 3, 100)};

	assert_int_equal(dp_xsk_send(&f.xsk, pkts, 3), 3);
	assert_int_equal(rte_mempool_in_use_count(big_pool), 0);
	kernel_sends(60, 1);
	kernel_sends(1514, 2);
	kernel_sends(FRAME_SIZE, 3);
}

static void clone_is_sent_with_the_bytes_it_shares(void **state)
{
	struct rte_mbuf *m = make_frame(200, 9, 0);
	struct rte_mbuf *clone = rte_pktmbuf_clone(m, big_pool);

	assert_int_equal(dp_xsk_send(&f.xsk, &clone, 1), 1);
	kernel_sends(200, 9);
	expect_frame(m, 200, 9);
}

static void full_ring_leaves_the_rest_with_the_caller(void **state)
{
	struct rte_mbuf *pkts[N_TX + 2];

	for (uint8_t i = 0; i < N_TX + 2; i++)
		pkts[i] = make_frame(60, i, 0);
	assert_int_equal(dp_xsk_send(&f.xsk, pkts, N_TX + 2), N_TX);
	assert_int_equal(dp_xsk_send(&f.xsk, pkts + N_TX, 2), 0);
	kernel_sends(60, 0);
	assert_int_equal(dp_xsk_send(&f.xsk, pkts + N_TX, 2), 1);
	for (uint8_t i = 1; i < N_TX + 1; i++)
		kernel_sends(60, i);
	assert_int_equal(dp_xsk_send(&f.xsk, pkts + N_TX + 1, 1), 1);
	kernel_sends(60, N_TX + 1);
}

/* The ring may have taken a frame whose memory has not come back yet. */
static void frames_not_yet_completed_are_not_used_again(void **state)
{
	struct rte_mbuf *m;

	for (uint8_t i = 0; i < N_TX; i++) {
		m = make_frame(60, i, 0);
		assert_int_equal(dp_xsk_send(&f.xsk, &m, 1), 1);
		f.tx.consumer++;
	}
	m = make_frame(60, 77, 0);
	assert_int_equal(dp_xsk_send(&f.xsk, &m, 1), 0);
	rte_pktmbuf_free(m);
}

static void frame_longer_than_the_memory_is_left_and_those_before_it_go(void **state)
{
	struct rte_mbuf *pkts[2] = {make_frame(60, 1, 0), make_frame(FRAME_SIZE, 2, 0)};

	assert_non_null(rte_pktmbuf_append(rte_pktmbuf_lastseg(pkts[1]), 0));
	pkts[1]->pkt_len++;
	assert_int_equal(dp_xsk_send(&f.xsk, pkts, 2), 1);
	kernel_sends(60, 1);
	assert_int_equal(f.tx.producer, f.tx.consumer);
	assert_int_equal(f.xsk.n_free, N_TX - 1);
	pkts[1]->pkt_len--;
	rte_pktmbuf_free(pkts[1]);
}

/* A long random walk over both directions, whose indexes run over the end of 32 bits. */
static void frames_keep_their_order_and_none_is_lost_when_indexes_wrap(void **state)
{
	uint32_t received = 0, taken = 0, offered = 0, sent = 0, steps = 0;
	uint64_t seed = 42;

	socket_init(UINT32_MAX - 20);
	while (taken < 400 || sent < 400) {
		struct rte_mbuf *pkts[4];
		uint16_t n;

		assert_true(++steps < 100000);
		switch (pkt_rand(&seed) % 4) {
		case 0:
			received += kernel_receives(60 + received % 3000, (uint8_t)received);
			break;
		case 1:
			n = dp_xsk_receive(&f.xsk, f.pool, pkts, 1 + pkt_rand(&seed) % 4);
			for (uint16_t i = 0; i < n; i++, taken++)
				expect_frame(pkts[i], 60 + taken % 3000, (uint8_t)taken);
			break;
		case 2:
			pkts[0] = make_frame(60 + offered % 3000, (uint8_t)offered, 0);
			if (dp_xsk_send(&f.xsk, pkts, 1) == 1)
				offered++;
			else
				rte_pktmbuf_free(pkts[0]);
			break;
		default:
			if (f.tx.producer != f.tx.consumer) {
				kernel_sends(60 + sent % 3000, (uint8_t)sent);
				sent++;
			}
		}
	}
	assert_true(f.rx.consumer < UINT32_MAX - 20 && f.tx.consumer < UINT32_MAX - 20);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, no_buffer_is_lost)
		TEST(received_frames_are_copied_and_their_memory_goes_back),
		TEST(frame_longer_than_a_buffer_becomes_a_chain),
		TEST(frames_wait_in_the_ring_when_there_are_no_buffers),
		TEST(frame_whose_chain_cannot_be_completed_waits_too),
		TEST(sent_frames_are_copied_whole_and_freed),
		TEST(clone_is_sent_with_the_bytes_it_shares),
		TEST(full_ring_leaves_the_rest_with_the_caller),
		TEST(frames_not_yet_completed_are_not_used_again),
		TEST(frame_longer_than_the_memory_is_left_and_those_before_it_go),
		TEST(frames_keep_their_order_and_none_is_lost_when_indexes_wrap),
#undef TEST
	};

	return cmocka_run_group_tests_name("xsk", tests, start, NULL);
}
