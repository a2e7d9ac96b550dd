/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The transmit side by itself: workers and a port of paper, in one thread.  Frames that are handed
 * from a worker without a queue to the one that owns it, and what is done for a port that cannot
 * do it.
 */
#include "dataplane/dp_priv.h"

#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_mbuf.h>
#include <rte_ring.h>

#include "tests/support/test_dp.h"

#define PORT	 5
#define N_INBOX	 8 /* room for seven */
#define POOL	 1023
#define UDP_HEAD 42

static struct dp *dp;
static struct dp_worker *owner, *other; /* ranks 0 and 1 */
static struct dp_port port;		/* one transmit queue */
static struct dp_txq txq;
static struct dp_vport vport;
static struct dp_view *view;
static struct rte_mbuf *sent[256]; /* what the driver took */
static uint16_t n_sent, room;
static uint8_t refused;
static enum dp_drop captured = DP_N_DROPS;
static unsigned n_egress;

static uint16_t paper_tx(struct dp_txq *q, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t take = n < room ? n : room;

	for (uint16_t i = 0; i < take; i++)
		sent[n_sent++] = pkts[i];
	room = (uint16_t)(room - take);
	if (take < n)
		q->refused = refused;
	return take;
}

static void on_capture(struct dp_capture_point *point, unsigned worker, enum dp_stage stage,
		       enum dp_drop reason, struct rte_mbuf *const *pkts, uint16_t n)
{
	assert_ptr_equal(point, &captured);
	if (stage == DP_STAGE_DROP)
		captured = reason;
	else
		n_egress += n;
}

static struct dp_worker *paper_worker(uint16_t rank)
{
	struct dp_worker *w = aligned_alloc(64, sizeof(*w));
	char name[32];

	memset(w, 0, sizeof(*w));
	snprintf(name, sizeof(name), "paper-%u", rank);
	w->dp = dp;
	w->index = rank;
	w->rank = rank;
	w->view = view;
	w->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	w->inbox = rte_ring_create(name, N_INBOX, SOCKET_ID_ANY, RING_F_SC_DEQ);
	assert_int_equal(dp_count_alloc_worker(dp, w), 0);
	dp->workers[rank] = w;
	atomic_store(&dp->by_rank[rank], w);
	return w;
}

static int start(void **state)
{
	dp = test_dp_create(POOL);
	dp->capture = on_capture;
	view = calloc(1, sizeof(*view));
	view->n_vports = PORT + 1;
	view->vports[PORT] = &vport;
	owner = paper_worker(0);
	other = paper_worker(1);
	assert_int_equal(dp_count_alloc_port(dp, PORT), 0);
	port = (struct dp_port){.tx = paper_tx, .txq = &txq, .n_txq = 1, .id = PORT};
	port.max_frame = 1514;
	port.link_up = true;
	txq = (struct dp_txq){.port = &port};
	vport = (struct dp_vport){.port = &port, .id = PORT};
	n_sent = 0;
	room = 256;
	refused = DP_N_DROPS;
	captured = DP_N_DROPS;
	n_egress = 0;
	return 0;
}

static void worker_free(struct dp_worker *w)
{
	dp->workers[w->index] = NULL;
	dp_count_free_worker(dp, w);
	rte_ring_free(w->inbox);
	close(w->kick_fd);
	free(w);
}

static int finish(void **state)
{
	unsigned in_use;

	rte_pktmbuf_free_bulk(sent, n_sent);
	worker_free(owner);
	worker_free(other);
	in_use = test_dp_in_use(dp);
	test_dp_destroy(dp);
	free(view);
	return in_use == 0 ? 0 : -1;
}

static struct rte_mbuf *frame(uint16_t size)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));

	if (m == NULL)
		abort();
	m->data_len = size;
	m->pkt_len = size;
	for (uint16_t i = 0; i < size; i++)
		rte_pktmbuf_mtod(m, uint8_t *)[i] = (uint8_t)i;
	return m;
}

/* Two segments. */
static struct rte_mbuf *chain(uint16_t a, uint16_t b)
{
	struct rte_mbuf *m = frame(a);

	assert_int_equal(rte_pktmbuf_chain(m, frame(b)), 0);
	return m;
}

static const struct dp_count *count(const struct dp_worker *w)
{
	return w->count->ports[PORT];
}

static uint64_t drops(const struct dp_worker *w)
{
	uint64_t n = 0;

	for (int i = 0; i < DP_N_DROPS; i++)
		n += count(w)->drops_tx[i];
	return n;
}

static void balances(const struct dp_worker *w)
{
	assert_int_equal(count(w)->offered + count(w)->segments, count(w)->tx_packets + drops(w));
}

static void send_by(struct dp_worker *w, struct rte_mbuf *m)
{
	dp_tx(w, &vport, m);
	dp_tx_flush_all(w);
}

/* Sent by the owner, and it died of this alone. */
static void dies(struct rte_mbuf *m, enum dp_drop reason)
{
	uint64_t before = count(owner)->drops_tx[reason], all = drops(owner);

	send_by(owner, m);
	assert_int_equal(count(owner)->drops_tx[reason], before + 1);
	assert_int_equal(drops(owner), all + 1);
	balances(owner);
}

static bool is_kicked(const struct dp_worker *w)
{
	struct pollfd pfd = {.fd = w->kick_fd, .events = POLLIN};

	return poll(&pfd, 1, 0) == 1;
}

/* From worker to worker. */

static void frame_without_a_queue_leaves_by_its_owner(void **state)
{
	struct rte_mbuf *m = frame(64);

	send_by(other, m);
	assert_int_equal(n_sent, 0);
	assert_int_equal(other->count->handed, 1);
	assert_int_equal(count(other)->offered, 0); /* The owner will offer it. */
	assert_int_equal(dp_handoff_drain(owner), 1);
	assert_int_equal(owner->count->taken, 1);
	assert_int_equal(count(owner)->offered, 1);
	assert_int_equal(count(owner)->tx_packets, 1);
	assert_int_equal(count(owner)->tx_bytes, 64);
	assert_int_equal(n_sent, 1);
	assert_ptr_equal(sent[0], m);
	assert_int_equal(dp_handoff_drain(owner), 0);
	balances(owner);
}

static void handed_frames_keep_their_order(void **state)
{
	struct rte_mbuf *m[6];

	for (unsigned i = 0; i < 6; i++) {
		m[i] = frame(64);
		dp_tx(other, &vport, m[i]);
	}
	dp_tx_flush_all(other);
	assert_int_equal(dp_handoff_drain(owner), 6);
	assert_int_equal(n_sent, 6);
	for (unsigned i = 0; i < 6; i++)
		assert_ptr_equal(sent[i], m[i]);
}

static void inbox_that_is_full_drops_what_does_not_fit(void **state)
{
	for (unsigned i = 0; i < 10; i++)
		dp_tx(other, &vport, frame(64));
	dp_tx_flush_all(other);
	assert_int_equal(other->count->handed, 7);
	assert_int_equal(count(other)->offered, 3);
	assert_int_equal(count(other)->drops_tx[DP_DROP_HANDOFF_FULL], 3);
	balances(other);
	assert_int_equal(dp_handoff_drain(owner), 7);
	balances(owner);
}

static void queue_that_nobody_owns_drops(void **state)
{
	atomic_store(&dp->by_rank[0], NULL);
	send_by(other, frame(64));
	assert_int_equal(count(other)->drops_tx[DP_DROP_HANDOFF_FULL], 1);
	balances(other);
}

static void owner_is_woken_when_it_sleeps_and_only_then(void **state)
{
	send_by(other, frame(64));
	assert_false(is_kicked(owner));
	atomic_store(&owner->asleep, true);
	send_by(other, frame(64));
	assert_true(is_kicked(owner));
	dp_handoff_drain(owner);
}

static void handed_frame_of_a_port_that_left_is_counted(void **state)
{
	send_by(other, frame(64));
	view->vports[PORT] = NULL;
	assert_int_equal(dp_handoff_drain(owner), 1);
	assert_int_equal(count(owner)->drops_tx[DP_DROP_PORT_REMOVED], 1);
	balances(owner);
}

static void gathered_frame_of_a_port_that_left_or_is_away_is_counted(void **state)
{
	dp_tx(owner, &vport, frame(64));
	view->vports[PORT] = NULL;
	dp_tx_flush_all(owner);
	assert_int_equal(count(owner)->drops_tx[DP_DROP_PORT_REMOVED], 1);
	view->vports[PORT] = &vport;
	vport.port = NULL;
	dies(frame(64), DP_DROP_TX_DOWN);
	vport.port = &port;
	port.n_txq = 0;
	dies(frame(64), DP_DROP_TX_DOWN);
	balances(owner);
}

static void gathering_more_than_fits_sends_before_the_end(void **state)
{
	for (unsigned i = 0; i < DP_TX_GATHER + 3; i++)
		dp_tx(owner, &vport, frame(64));
	assert_int_equal(n_sent, DP_TX_GATHER);
	dp_tx_flush_all(owner);
	assert_int_equal(n_sent, DP_TX_GATHER + 3);
	assert_int_equal(owner->n_touched, 0);
}

/* The driver. */

static void what_the_driver_leaves_behind_dies_of_its_reason(void **state)
{
	room = 0;
	refused = DP_DROP_TX_OFFLOAD;
	dies(frame(64), DP_DROP_TX_OFFLOAD);
	refused = DP_N_DROPS; /* It does not say. */
	dies(frame(64), DP_DROP_TX_FULL);
	port.link_up = false;
	dies(frame(64), DP_DROP_TX_DOWN);
	assert_int_equal(count(owner)->tx_packets, 0);
	assert_int_equal(count(owner)->tx_bytes, 0);
}

static void longest_frame_is_the_ports_and_two_tags(void **state)
{
	send_by(owner, frame(1514 + 8));
	assert_int_equal(n_sent, 1);
	dies(frame(1514 + 9), DP_DROP_TX_TOO_BIG);
}

static void captures_see_what_leaves_and_what_dies(void **state)
{
	atomic_store(&port.capture, (struct dp_capture_point *)(void *)&captured);
	send_by(owner, frame(64));
	assert_int_equal(n_egress, 1);
	dies(frame(1600), DP_DROP_TX_TOO_BIG);
	assert_int_equal(captured, DP_DROP_TX_TOO_BIG);
}

/* What the port cannot do. */

static void chain_is_made_one_for_a_port_that_takes_no_chains(void **state)
{
	struct rte_mbuf *m = chain(100, 200), *long_one = chain(1300, 200);

	/* No room behind the first segment for the second: it moves to another buffer. */
	long_one->data_off = (uint16_t)(long_one->buf_len - long_one->data_len);
	long_one->port = 3;
	send_by(owner, m);
	send_by(owner, long_one);
	assert_int_equal(n_sent, 2);
	assert_int_equal(sent[0]->nb_segs, 1);
	assert_int_equal(sent[0]->pkt_len, 300);
	assert_int_equal(*rte_pktmbuf_mtod_offset(sent[0], uint8_t *, 99), 99);
	assert_int_equal(*rte_pktmbuf_mtod_offset(sent[0], uint8_t *, 100), 0);
	assert_int_equal(sent[1]->nb_segs, 1);
	assert_int_equal(sent[1]->pkt_len, 1500);
	assert_int_equal(sent[1]->port, 3);
}

static void chain_stays_one_for_a_port_that_takes_it(void **state)
{
	port.tx_caps = DP_TX_CHAIN;
	send_by(owner, chain(100, 200));
	assert_int_equal(sent[0]->nb_segs, 2);
}

static void take_all_buffers(struct rte_mbuf **all, unsigned *n)
{
	for (*n = 0; *n < POOL; ++*n) {
		all[*n] = rte_pktmbuf_alloc(dp_pool(dp, 0, false));
		if (all[*n] == NULL)
			return;
	}
}

/* IPv4 and UDP, the checksum left open. */
static struct rte_mbuf *open_checksum(uint64_t l4, uint8_t protocol)
{
	static const uint8_t head[UDP_HEAD] = {2,  0,	 0,    0,    0,	   1, 2,  0, 0,	 0, 0,
					       2,  8,	 0,    0x45, 0,	   0, 50, 0, 0,	 0, 0,
					       64, 17,	 0,    0,    10,   0, 0,  1, 10, 0, 0,
					       2,  0x12, 0x34, 0x56, 0x78, 0, 30, 0, 0};
	struct rte_mbuf *m = frame(64);
	uint8_t *bytes = rte_pktmbuf_mtod(m, uint8_t *);

	memcpy(bytes, head, sizeof(head));
	bytes[23] = protocol;
	m->ol_flags = RTE_MBUF_F_TX_IPV4 | l4;
	m->l2_len = 14;
	m->l3_len = 20;
	return m;
}

static unsigned udp_sum(const struct rte_mbuf *m)
{
	return *rte_pktmbuf_mtod_offset(m, const uint8_t *, 40) << 8 |
	       *rte_pktmbuf_mtod_offset(m, const uint8_t *, 41);
}

static void checksum_is_finished_where_the_port_cannot(void **state)
{
	send_by(owner, open_checksum(RTE_MBUF_F_TX_UDP_CKSUM, 17));
	assert_int_equal(sent[0]->ol_flags & RTE_MBUF_F_TX_L4_MASK, 0);
	assert_int_not_equal(udp_sum(sent[0]), 0);
	port.tx_caps = DP_TX_CSUM_UDP;
	send_by(owner, open_checksum(RTE_MBUF_F_TX_UDP_CKSUM, 17));
	assert_int_equal(sent[1]->ol_flags & RTE_MBUF_F_TX_L4_MASK, RTE_MBUF_F_TX_UDP_CKSUM);
	assert_int_equal(udp_sum(sent[1]), 0);
	/* That it can do UDP does not help SCTP. */
	send_by(owner, open_checksum(RTE_MBUF_F_TX_SCTP_CKSUM, 132));
	assert_int_equal(sent[2]->ol_flags & RTE_MBUF_F_TX_L4_MASK, 0);
	assert_int_equal(n_sent, 3);
}

static void checksum_that_reaches_past_the_frame_is_refused(void **state)
{
	struct rte_mbuf *m = open_checksum(RTE_MBUF_F_TX_UDP_CKSUM, 17);

	m->l3_len = 60; /* the frame ends before there is a UDP header */
	dies(m, DP_DROP_TX_OFFLOAD);
}

/* Flooding gives all receivers the same bytes. */
static void checksum_is_never_written_into_shared_bytes(void **state)
{
	struct rte_mbuf *m = open_checksum(RTE_MBUF_F_TX_UDP_CKSUM, 17);
	struct rte_mbuf *clone = rte_pktmbuf_clone(m, dp_pool(dp, 0, false));

	clone->port = 3;
	send_by(owner, clone);
	assert_int_equal(n_sent, 1);
	assert_int_not_equal(udp_sum(sent[0]), 0);
	assert_int_equal(sent[0]->port, 3);
	assert_int_equal(udp_sum(m), 0);
	rte_pktmbuf_free(m);
}

static void frame_for_which_there_is_no_buffer_is_counted(void **state)
{
	static struct rte_mbuf *all[POOL + 1];
	struct rte_mbuf *m = open_checksum(RTE_MBUF_F_TX_UDP_CKSUM, 17);
	struct rte_mbuf *clone = rte_pktmbuf_clone(m, dp_pool(dp, 0, false));
	struct rte_mbuf *full = chain(1400, 100);
	unsigned n;

	/* No room behind the first segment for the second. */
	full->data_off = (uint16_t)(full->buf_len - full->data_len);
	take_all_buffers(all, &n);
	dies(clone, DP_DROP_NO_MBUF);
	all[n++] = rte_pktmbuf_alloc(dp_pool(dp, 0, false)); /* the clone's */
	dies(full, DP_DROP_NO_MBUF);
	assert_int_equal(count(owner)->tx_packets, 0);
	rte_pktmbuf_free_bulk(all, n);
	rte_pktmbuf_free(m);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frame_without_a_queue_leaves_by_its_owner),
		TEST(handed_frames_keep_their_order),
		TEST(inbox_that_is_full_drops_what_does_not_fit),
		TEST(queue_that_nobody_owns_drops),
		TEST(owner_is_woken_when_it_sleeps_and_only_then),
		TEST(handed_frame_of_a_port_that_left_is_counted),
		TEST(gathered_frame_of_a_port_that_left_or_is_away_is_counted),
		TEST(gathering_more_than_fits_sends_before_the_end),
		TEST(what_the_driver_leaves_behind_dies_of_its_reason),
		TEST(longest_frame_is_the_ports_and_two_tags),
		TEST(captures_see_what_leaves_and_what_dies),
		TEST(chain_is_made_one_for_a_port_that_takes_no_chains),
		TEST(chain_stays_one_for_a_port_that_takes_it),
		TEST(checksum_is_finished_where_the_port_cannot),
		TEST(checksum_that_reaches_past_the_frame_is_refused),
		TEST(checksum_is_never_written_into_shared_bytes),
		TEST(frame_for_which_there_is_no_buffer_is_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
