/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Two workers send to one queue while a third receives from it, and the guest is a thread of its
 * own: every frame comes once and in its sender's order, every packet is completed once, all
 * sections are there at the end.  And a guest with a thread that changes memory while it is read.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_lcore.h>
#include <rte_mbuf.h>

#include "tests/support/mbufs.h"
#include "tests/support/nicguest.h"
#include "vmbus/pages.h"

#define N_SENDERS 2u
#define N_FRAMES  20000u
#define N_BACK	  20000u /* of the guest */

static struct rte_mempool *pool;
static struct nicguest *g;
static atomic_bool stop;
static atomic_uint sent_by[N_SENDERS], received;

static struct rte_mbuf *make(uint32_t from, uint32_t number)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);
	uint8_t frame[60] = {0};
	char *room = m != NULL ? rte_pktmbuf_append(m, sizeof(frame)) : NULL;

	if (room == NULL)
		return NULL;
	frame[20] = (uint8_t)from;
	memcpy(frame + 24, &number, sizeof(number));
	memcpy(room, frame, sizeof(frame));
	return m;
}

static void *sender(void *arg)
{
	uint32_t me = (uint32_t)(uintptr_t)arg, n = 0;

	rte_thread_register();
	while (n < N_FRAMES) {
		struct rte_mbuf *pkts[16];
		uint16_t made = 0, sent;
		uint8_t refused;

		while (made < 16 && n + made < N_FRAMES &&
		       (pkts[made] = make(me, n + made)) != NULL)
			made++;
		sent = vmq_path_to_guest(&g->path, pkts, made, &refused);
		rte_pktmbuf_free_bulk(pkts + sent, made - sent);
		n += sent;
		if (sent == 0)
			sched_yield();
	}
	atomic_store(&sent_by[me], n);
	rte_thread_unregister();
	return NULL;
}

static void *receiver(void *arg)
{
	rte_thread_register();
	while (!atomic_load(&stop)) {
		struct rte_mbuf *pkts[32];
		uint16_t bad = 0,
			 n = vmq_queue_from_guest(g->channels[0].queue, pool, pkts, 32, &bad);

		rte_pktmbuf_free_bulk(pkts, n);
		atomic_fetch_add(&received, n);
		if (n == 0)
			sched_yield();
	}
	rte_thread_unregister();
	return NULL;
}

/* The guest, on the test's own thread. */
static void run_guest(uint32_t seen[N_SENDERS], uint32_t *ret_completed)
{
	uint8_t frame[60] = {0};
	uint32_t put = 0, completed = 0;

	while (completed < N_BACK || seen[0] < N_FRAMES || seen[1] < N_FRAMES) {
		while (put < N_BACK && put - completed < 32 &&
		       nicguest_send(g, 0, put, frame, sizeof(frame)))
			put++;
		nicguest_show(g, 0);
		if (nicguest_poll(g, 0) == 0)
			sched_yield();
		for (unsigned i = 0; i < g->n_events; i++) {
			const struct nicguest_event *e = &g->events[i];
			uint32_t number;

			if (e->kind == NICGUEST_COMPLETION) {
				assert_int_equal(e->transaction_id, completed);
				completed++;
				continue;
			}
			memcpy(&number, e->bytes + 24, sizeof(number));
			assert_true(e->bytes[20] < N_SENDERS);
			assert_int_equal(number, seen[e->bytes[20]]);
			seen[e->bytes[20]]++;
		}
		nicguest_clear(g);
	}
	*ret_completed = completed;
}

static void workers_that_meet_at_a_queue_lose_nothing(void **state)
{
	uint32_t seen[N_SENDERS] = {0}, completed;
	pthread_t senders[N_SENDERS], receives;
	const struct vmq_queue *q;

	g = nicguest_create(NULL);
	q = g->channels[0].queue;
	assert_int_equal(pthread_create(&receives, NULL, receiver, NULL), 0);
	for (uintptr_t i = 0; i < N_SENDERS; i++)
		assert_int_equal(pthread_create(&senders[i], NULL, sender, (void *)i), 0);
	run_guest(seen, &completed);
	for (unsigned i = 0; i < N_SENDERS; i++)
		pthread_join(senders[i], NULL);
	/* The last completions of the guest. */
	while (g->bufs->n_free + q->cached_n < g->opts.n_recv)
		sched_yield();
	atomic_store(&stop, true);
	pthread_join(receives, NULL);
	assert_int_equal(completed, N_BACK);
	assert_int_equal(atomic_load(&received), N_BACK);
	assert_int_equal(q->stats.to_packets, N_SENDERS * N_FRAMES);
	assert_int_equal(q->stats.bad_completions, 0);
	assert_int_equal(q->fault, VMQ_FAULT_NONE);
	nicguest_destroy(g);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

/* ---- A guest that changes what is read while it is read ---- */

static atomic_bool calm;

static void *flipper(void *arg)
{
	uint32_t seed = 7;

	while (!atomic_load(&stop)) {
		uint32_t place = seed >> 12, flips = seed & 7;
		volatile uint32_t *at;

		seed = seed * 1664525 + 1013904223;
		if (flips == 0) /* an index */
			at = (volatile uint32_t *)(void *)(g->memory + place % 4 * 4);
		else if (flips < 4) /* a packet */
			at = (volatile uint32_t *)(void *)(g->memory + 4096 + place % 2048 * 4);
		else /* what it is about */
			at = (volatile uint32_t *)(void *)(g->send->flat + place % 4 * 6144 +
							   (place >> 4) % 32 * 4);
		if (!atomic_load(&calm))
			*at ^= 1u << (seed >> 27);
	}
	return NULL;
}

static void check_frames(struct rte_mbuf **pkts, uint16_t n)
{
	const char *why;

	for (uint16_t i = 0; i < n; i++) {
		assert_int_equal(rte_mbuf_check(pkts[i], 1, &why), 0);
		assert_true(pkts[i]->pkt_len >= 14 && pkts[i]->pkt_len < 65536 + 32);
		if ((pkts[i]->ol_flags & RTE_MBUF_F_TX_L4_MASK) != 0)
			assert_true((uint32_t)pkts[i]->l2_len + pkts[i]->l3_len <
				    pkts[i]->data_len);
	}
	rte_pktmbuf_free_bulk(pkts, n);
}

/* The guest's part, which believes nothing either. */
static void put_some(uint64_t id)
{
	uint8_t frame[200] = {0};

	nicguest_send(g, 0, id % 4, frame, sizeof(frame));
	nicguest_show(g, 0);
	atomic_store(&g->channels[0].to.hdr->read, atomic_load(&g->channels[0].to.hdr->write));
}

static void a_guest_that_flips_what_is_read_breaks_its_queue_only(void **state)
{
	unsigned breaks = 0, frames = 0;
	pthread_t flips;

	atomic_store(&stop, false);
	atomic_store(&calm, true);
	g = nicguest_create(&(struct nicguest_opts){.ring_pages = 3});
	assert_int_equal(pthread_create(&flips, NULL, flipper, NULL), 0);
	for (unsigned i = 0; i < 20000 || (breaks < 3 && i < 2000000); i++) {
		struct rte_mbuf *pkts[32];
		uint16_t bad = 0, n;
		uint8_t refused;

		put_some(i);
		atomic_store(&calm, false);
		n = vmq_queue_from_guest(g->channels[0].queue, pool, pkts, 32, &bad);
		frames += n;
		check_frames(pkts, n);
		pkts[0] = make(0, i);
		assert_non_null(pkts[0]);
		if (vmq_path_to_guest(&g->path, pkts, 1, &refused) == 0)
			rte_pktmbuf_free(pkts[0]);
		if (vmq_control_next(g->control) != NULL)
			vmq_control_done(g->control, g->channels[0].queue);
		atomic_store(&calm, true);
		if (atomic_load(&g->channels[0].queue->fault) == VMQ_FAULT_NONE)
			continue;
		/* The guest opens its channel anew. */
		breaks++;
		memset(g->memory, 0, 6 * 4096);
		nicguest_open_anew(g);
	}
	atomic_store(&stop, true);
	pthread_join(flips, NULL);
	assert_true(frames > 1000);
	assert_true(breaks > 0);
	nicguest_destroy(g);
	assert_int_equal(rte_mempool_in_use_count(pool), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(workers_that_meet_at_a_queue_lose_nothing),
		cmocka_unit_test(a_guest_that_flips_what_is_read_breaks_its_queue_only),
	};

	pool = mbufs_pool("vmq-threads", 1023, 2048);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
