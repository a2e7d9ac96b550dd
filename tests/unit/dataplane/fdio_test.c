/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames between descriptors and chains: slots through a real descriptor (a packet pipe), bursts
 * through a sender that fails where the test says.
 */
#include "dataplane/fdio.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "dataplane/drop.h"
#include "tests/support/mbufs.h"

#define ROOM	2048u
#define N_MBUFS 127u

static struct rte_mempool *pool;
static struct dp_fdio_slot slot;
static uint8_t bytes[DP_FDIO_MAX_FRAME + 4096], back[DP_FDIO_MAX_FRAME + 4096];
static int pair[2];

static int start(void **state)
{
	int size = 1 << 20;

	pool = mbufs_pool("fdio", N_MBUFS, ROOM);
	for (size_t i = 0; i < sizeof(bytes); i++)
		bytes[i] = (uint8_t)(i * 7 + i / 251);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, pair) != 0)
		return -1;
	return setsockopt(pair[0], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
}

static int finish(void **state)
{
	unsigned in_use = rte_mempool_in_use_count(pool);

	close(pair[0]);
	close(pair[1]);
	rte_mempool_free(pool);
	return in_use == 0 ? 0 : -1;
}

static void open_slot(void)
{
	assert_int_equal(dp_fdio_slot_init(&slot, pool), 0);
	assert_true(dp_fdio_slot_fill(&slot, pool));
}

/* Sends 'size' bytes behind a header and receives them into the slot. */
static struct rte_mbuf *pass(uint32_t size)
{
	struct virtio_net_hdr hdr = {.gso_size = 77};
	struct iovec iov[] = {{&hdr, sizeof(hdr)}, {bytes, size}};

	assert_int_equal(writev(pair[0], iov, 2), sizeof(hdr) + size);
	assert_int_equal(readv(pair[1], slot.iov, 1 + slot.n_segs), sizeof(hdr) + size);
	assert_int_equal(slot.hdr.gso_size, 77);
	return dp_fdio_slot_take(&slot, size, 5);
}

static void frame_of_every_size_arrives_in_as_few_segments_as_it_fits(void **state)
{
	static const uint32_t sizes[] = {
		1,	  14,	60,	  1514,	      ROOM - 1,		ROOM,
		ROOM + 1, 9014, 4 * ROOM, 65535 + 14, DP_FDIO_MAX_FRAME};

	open_slot();
	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct rte_mbuf *m = pass(sizes[i]);

		assert_int_equal(m->pkt_len, sizes[i]);
		assert_int_equal(m->nb_segs, (sizes[i] + ROOM - 1) / ROOM);
		assert_int_equal(m->port, 5);
		assert_int_equal(rte_mbuf_check(m, 1, &(const char *){NULL}), 0);
		assert_int_equal(mbufs_read(m, back, sizeof(back)), sizes[i]);
		assert_memory_equal(back, bytes, sizes[i]);
		assert_int_equal(slot.n_empty, m->nb_segs);
		rte_pktmbuf_free(m);
		assert_true(dp_fdio_slot_fill(&slot, pool));
	}
	dp_fdio_slot_fini(&slot);
}

static void longest_frame_leaves_room_to_see_a_longer_one(void **state)
{
	size_t room = 0;

	open_slot();
	for (unsigned i = 1; i <= slot.n_segs; i++)
		room += slot.iov[i].iov_len;
	assert_true(room > DP_FDIO_MAX_FRAME);
	dp_fdio_slot_fini(&slot);
}

static void only_buffers_that_were_taken_are_replaced(void **state)
{
	struct rte_mbuf *m, *kept;

	open_slot();
	kept = slot.seg[2];
	m = pass(ROOM + 1);
	assert_ptr_equal(slot.seg[2], kept);
	assert_true(dp_fdio_slot_fill(&slot, pool));
	assert_ptr_equal(slot.seg[2], kept);
	assert_ptr_not_equal(slot.seg[0], m);
	rte_pktmbuf_free(m);
	dp_fdio_slot_fini(&slot);
}

static void empty_pool_keeps_the_slot_from_being_used_and_loses_nothing(void **state)
{
	struct rte_mbuf *hoard[N_MBUFS], *m;
	unsigned n = 0;

	open_slot();
	m = pass(3 * ROOM);
	while (n < N_MBUFS && (hoard[n] = rte_pktmbuf_alloc(pool)) != NULL)
		n++;
	assert_false(dp_fdio_slot_fill(&slot, pool));
	assert_int_equal(slot.n_empty, 3);
	rte_pktmbuf_free(m);
	assert_true(dp_fdio_slot_fill(&slot, pool));
	rte_pktmbuf_free_bulk(hoard, n);
	dp_fdio_slot_fini(&slot);
	dp_fdio_slot_fini(&slot); /* Twice does no harm. */
}

static void pool_of_tiny_buffers_is_refused(void **state)
{
	struct rte_mempool *tiny = mbufs_pool("tiny", 15, 128);

	assert_int_equal(dp_fdio_slot_init(&slot, tiny), -EINVAL);
	rte_mempool_free(tiny);
}

static void tag_goes_behind_the_addresses(void **state)
{
	static const uint8_t tag[] = {0x88, 0xa8, 0xe0, 0x7b};
	struct rte_mbuf *m = mbufs_make(pool, bytes, 60, NULL, 0);

	assert_int_equal(dp_fdio_push_tag(m, 0x88a8, 0xe07b), 0);
	assert_int_equal(m->pkt_len, 64);
	mbufs_read(m, back, sizeof(back));
	assert_memory_equal(back, bytes, 12);
	assert_memory_equal(back + 12, tag, 4);
	assert_memory_equal(back + 16, bytes + 12, 48);
	rte_pktmbuf_free(m);
}

static void tag_is_refused_without_addresses_or_room(void **state)
{
	struct rte_mbuf *m = mbufs_make(pool, bytes, 11, NULL, 0);

	assert_int_equal(dp_fdio_push_tag(m, 0x8100, 1), -EBADMSG);
	assert_int_equal(m->pkt_len, 11);
	rte_pktmbuf_free(m);
	m = mbufs_make(pool, bytes, 60, NULL, 0);
	rte_pktmbuf_prepend(m, rte_pktmbuf_headroom(m) - 3);
	assert_int_equal(dp_fdio_push_tag(m, 0x8100, 1), -EBADMSG);
	rte_pktmbuf_free(m);
}

/* A sender that knows a frame by its first byte. */
struct sender {
	uint8_t sent[64];
	unsigned n_sent;
	unsigned at_once;    /* frames it takes in a call */
	uint8_t bad[4];	     /* frames that it refuses... */
	int error;	     /* ...with this */
	unsigned full_after; /* frames */
	int full_error;
	unsigned interrupts;
};

static int fake_send(void *ctx, struct dp_fdio_batch *batch, unsigned n)
{
	struct sender *s = ctx;
	unsigned i;

	if (s->interrupts != 0) {
		s->interrupts--;
		return -EINTR;
	}
	for (i = 0; i < n && i < s->at_once; i++) {
		uint8_t id = *(const uint8_t *)batch->msg[i].msg_hdr.msg_iov[1].iov_base;
		bool bad = memchr(s->bad, id, sizeof(s->bad)) != NULL;

		if (bad || s->n_sent == s->full_after)
			return i != 0 ? (int)i : bad ? -s->error : -s->full_error;
		s->sent[s->n_sent++] = id;
	}
	return (int)i;
}

static void make_burst(struct rte_mbuf **pkts, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint8_t id = (uint8_t)(i + 1);

		pkts[i] = mbufs_make(pool, &id, 1, NULL, 0);
	}
}

static uint8_t id_of(const struct rte_mbuf *m)
{
	return *rte_pktmbuf_mtod(m, const uint8_t *);
}

static void burst_is_sent_in_order_however_little_the_kernel_takes_at_once(void **state)
{
	for (unsigned at_once = 1; at_once <= 32; at_once++) {
		struct sender s = {.at_once = at_once, .full_after = 100, .interrupts = 2};
		struct rte_mbuf *pkts[40];
		struct dp_txq q = {0};

		make_burst(pkts, 40);
		assert_int_equal(dp_fdio_tx(&q, pkts, 40, fake_send, &s), 40);
		for (unsigned i = 0; i < 40; i++)
			assert_int_equal(s.sent[i], i + 1);
	}
}

static void refused_frames_go_behind_the_others_and_hold_up_none(void **state)
{
	struct sender s = {.at_once = 32, .full_after = 100, .bad = {1, 3, 4, 8}, .error = EINVAL};
	struct rte_mbuf *pkts[8];
	struct dp_txq q = {0};

	make_burst(pkts, 8);
	assert_int_equal(dp_fdio_tx(&q, pkts, 8, fake_send, &s), 4);
	assert_memory_equal(s.sent, ((const uint8_t[]){2, 5, 6, 7}), 4);
	for (unsigned i = 0; i < 4; i++)
		assert_int_equal(id_of(pkts[4 + i]), s.bad[i]);
	assert_int_equal(q.refused, DP_DROP_TX_OFFLOAD);
	rte_pktmbuf_free_bulk(pkts + 4, 4);
}

static void full_queue_leaves_the_rest_with_the_caller(void **state)
{
	static const struct {
		int error;
		uint8_t reason;
	} cases[] = {{EAGAIN, DP_DROP_TX_FULL}, {ENOBUFS, DP_DROP_TX_FULL},
		     {ENOMEM, DP_DROP_TX_FULL}, {ENETDOWN, DP_DROP_TX_DOWN},
		     {ENXIO, DP_DROP_TX_DOWN},	{EIO, DP_DROP_TX_DOWN},
		     {EBADFD, DP_DROP_TX_DOWN}, {EBADF, DP_DROP_TX_DOWN},
		     {ENODEV, DP_DROP_TX_DOWN}};

	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		struct sender s = {.at_once = 32,
				   .full_after = 3,
				   .full_error = cases[c].error,
				   .bad = {2},
				   .error = EMSGSIZE};
		struct rte_mbuf *pkts[8];
		struct dp_txq q = {0};

		make_burst(pkts, 8);
		assert_int_equal(dp_fdio_tx(&q, pkts, 8, fake_send, &s), 3);
		assert_memory_equal(s.sent, ((const uint8_t[]){1, 3, 4}), 3);
		assert_int_equal(id_of(pkts[3]), 2);
		for (unsigned i = 4; i < 8; i++)
			assert_int_equal(id_of(pkts[i]), i + 1);
		assert_int_equal(q.refused, cases[c].reason);
		rte_pktmbuf_free_bulk(pkts + 3, 5);
	}
}

static void frame_that_no_header_can_describe_is_refused_alone(void **state)
{
	struct sender s = {.at_once = 32, .full_after = 100};
	struct rte_mbuf *pkts[3];
	struct dp_txq q = {0};

	make_burst(pkts, 3);
	pkts[1]->ol_flags = RTE_MBUF_F_TX_SCTP_CKSUM;
	assert_int_equal(dp_fdio_tx(&q, pkts, 3, fake_send, &s), 2);
	assert_memory_equal(s.sent, ((const uint8_t[]){1, 3}), 2);
	assert_int_equal(id_of(pkts[2]), 2);
	assert_int_equal(q.refused, DP_DROP_TX_OFFLOAD);
	rte_pktmbuf_free(pkts[2]);
}

static void chains_that_fill_the_batch_are_sent_in_several(void **state)
{
	struct sender s = {.at_once = 32, .full_after = 100};
	struct rte_mbuf *pkts[3];
	struct dp_txq q = {0};

	for (unsigned i = 0; i < 3; i++) {
		pkts[i] = mbufs_make(pool, bytes, 1, NULL, 0);
		*rte_pktmbuf_mtod(pkts[i], uint8_t *) = (uint8_t)(i + 1);
		for (unsigned k = 0; k < 35; k++) {
			struct rte_mbuf *more;

			assert_int_equal(rte_pktmbuf_alloc_bulk(pool, &more, 1), 0);
			more->data_len = more->pkt_len = 1;
			assert_int_equal(rte_pktmbuf_chain(pkts[i], more), 0);
		}
	}
	assert_int_equal(dp_fdio_tx(&q, pkts, 3, fake_send, &s), 3);
	assert_memory_equal(s.sent, ((const uint8_t[]){1, 2, 3}), 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_of_every_size_arrives_in_as_few_segments_as_it_fits),
		cmocka_unit_test(longest_frame_leaves_room_to_see_a_longer_one),
		cmocka_unit_test(only_buffers_that_were_taken_are_replaced),
		cmocka_unit_test(empty_pool_keeps_the_slot_from_being_used_and_loses_nothing),
		cmocka_unit_test(pool_of_tiny_buffers_is_refused),
		cmocka_unit_test(tag_goes_behind_the_addresses),
		cmocka_unit_test(tag_is_refused_without_addresses_or_room),
		cmocka_unit_test(burst_is_sent_in_order_however_little_the_kernel_takes_at_once),
		cmocka_unit_test(refused_frames_go_behind_the_others_and_hold_up_none),
		cmocka_unit_test(full_queue_leaves_the_rest_with_the_caller),
		cmocka_unit_test(frame_that_no_header_can_describe_is_refused_alone),
		cmocka_unit_test(chains_that_fill_the_batch_are_sent_in_several),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
