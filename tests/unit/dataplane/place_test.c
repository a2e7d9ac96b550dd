/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which worker polls which queue.  The workers are made of paper: their lists are what is looked
 * at, and how busy a queue was is written into its counter.
 */
#include "dataplane/dp_priv.h"

#include <errno.h>
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

#include "tests/support/test_dp.h"

#define N_WORKERS 3
#define TICK_NS	  250000000u

/* The linker puts it in place of the original (-Wl,--wrap). */
void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);

static bool no_memory;

void *__wrap_calloc(size_t n, size_t size)
{
	return no_memory ? NULL : __real_calloc(n, size);
}

static struct dp *dp;
static struct dp_worker *workers[N_WORKERS];
static struct dp_port *port;
static unsigned n_told;
static char told[200];
static uint64_t now_ns;

static void on_event(void *ctx, const struct dp_event *event)
{
	assert_int_equal(event->type, DP_EVENT_QUEUE_MOVED);
	assert_int_equal(event->port, port->id);
	n_told++;
	snprintf(told, sizeof(told), "%s", event->text);
}

static struct dp_worker *paper_worker(unsigned index)
{
	struct dp_worker *w = aligned_alloc(64, sizeof(*w));

	memset(w, 0, sizeof(*w));
	w->dp = dp;
	w->index = (uint16_t)index;
	w->cpu = 10 + index;
	w->kick_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	w->spare = calloc(1, sizeof(*w->spare));
	atomic_store(&w->rxqs, calloc(1, sizeof(struct dp_rxq_list)));
	return w;
}

static void use_workers(unsigned n)
{
	for (unsigned i = 0; i < N_WORKERS; i++)
		dp->workers[i] = i < n ? workers[i] : NULL;
	dp->n_workers = n;
}

static struct dp_port *open_port(uint16_t n_queues)
{
	const struct dp_port_opts opts = {.name = "m",
					  .kind = "mem",
					  .netns_fd = -1,
					  .n_queues = n_queues};
	struct err err = {0};
	struct dp_port *p = NULL;

	if (dp_port_open(dp, &opts, &p, &err) != 0)
		fail_msg("%s", err.what);
	p->id = 7;
	return p;
}

static int start(void **state)
{
	dp = test_dp_create(1023);
	dp->opts.event = on_event;
	for (unsigned i = 0; i < N_WORKERS; i++)
		workers[i] = paper_worker(i);
	use_workers(N_WORKERS);
	dp->last_balance_ns = now_ns = 1000000000u;
	dp->rebalance = true;
	n_told = 0;
	told[0] = '\0';
	return 0;
}

static int finish(void **state)
{
	if (port != NULL)
		dp_place_remove(dp, port);
	dp_port_close(port);
	port = NULL;
	use_workers(0);
	for (unsigned i = 0; i < N_WORKERS; i++) {
		close(workers[i]->kick_fd);
		free(atomic_load(&workers[i]->rxqs));
		free(workers[i]->spare);
		free(workers[i]);
	}
	test_dp_destroy(dp);
	return 0;
}

static unsigned n_of(unsigned worker)
{
	return atomic_load(&workers[worker]->rxqs)->n;
}

static bool polls(unsigned worker, uint16_t queue)
{
	const struct dp_rxq_list *list = atomic_load(&workers[worker]->rxqs);

	for (uint16_t i = 0; i < list->n; i++)
		if (list->q[i] == &port->rxq[queue])
			return true;
	return false;
}

/* Each queue is polled by one worker at most, and 'placed' agrees with the lists. */
static void check_lists(unsigned n_polled)
{
	unsigned n = 0;

	for (uint16_t q = 0; q < port->n_rxq; q++) {
		unsigned pollers = 0;

		for (unsigned w = 0; w < N_WORKERS; w++)
			pollers += polls(w, q);
		assert_true(pollers <= 1);
		n += pollers;
	}
	assert_int_equal(n, n_polled);
}

/* A quarter of a second in which each queue took its share of a core. */
static void pass(const double *load)
{
	for (uint16_t q = 0; q < port->n_rxq; q++)
		atomic_fetch_add(&port->rxq[q].busy_cycles,
				 (uint64_t)(load[q] * (double)dp->tsc_hz * TICK_NS / 1e9));
	now_ns += TICK_NS;
	dp_place_tick(dp, now_ns);
}

#define PASS(...) pass((const double[]){__VA_ARGS__})

static void idle_queues_spread_over_all_workers(void **state)
{
	port = open_port(6);
	assert_int_equal(dp_place_add(dp, port), 0);
	for (unsigned i = 0; i < N_WORKERS; i++)
		assert_int_equal(n_of(i), 2);
	check_lists(6);
	PASS(0, 0, 0, 0, 0, 0);
	assert_int_equal(n_told, 0);
}

static void new_queue_goes_where_the_least_load_is(void **state)
{
	struct dp_port *late;

	port = open_port(3);
	assert_int_equal(dp_place_add(dp, port), 0);
	PASS(0.2, 0.05, 0.29);
	late = open_port(1);
	assert_int_equal(dp_place_add(dp, late), 0);
	for (unsigned w = 0; w < N_WORKERS; w++)
		assert_int_equal(n_of(w), polls(w, 1) ? 2 : 1);
	dp_place_remove(dp, late);
	dp_port_close(late);
	check_lists(3);
}

static void queue_moves_off_the_busiest_and_says_why(void **state)
{
	use_workers(1);
	port = open_port(2);
	assert_int_equal(dp_place_add(dp, port), 0);
	use_workers(2);
	PASS(0.5, 0.3);
	assert_int_equal(n_told, 1);
	assert_string_equal(told, "m queue 0 moved from core 10 to core 11: core 10 was 80 % busy "
				  "and core 11 0 %; the queue takes 50 %");
	assert_true(polls(1, 0) && polls(0, 1));
	check_lists(2);
}

static void load_that_stays_as_it_is_moves_nothing_twice(void **state)
{
	use_workers(1);
	port = open_port(4);
	assert_int_equal(dp_place_add(dp, port), 0);
	use_workers(2);
	for (unsigned i = 0; i < 20; i++)
		PASS(0.31, 0.3, 0.2, 0.15);
	assert_true(n_told >= 1 && n_told <= 3);
	n_told = 0;
	for (unsigned i = 0; i < 20; i++) /* It sways a little, as loads do. */
		PASS(0.31 + 0.02 * (i % 2), 0.3, 0.2, 0.15 + 0.02 * ((i + 1) % 2));
	assert_int_equal(n_told, 0);
	check_lists(4);
}

static void single_queue_that_fills_a_core_stays(void **state)
{
	port = open_port(1);
	assert_int_equal(dp_place_add(dp, port), 0);
	for (unsigned i = 0; i < 8; i++)
		PASS(1.0); /* It would fill any other as well. */
	assert_int_equal(n_told, 0);
}

static void what_is_not_worth_it_does_not_move(void **state)
{
	use_workers(1);
	port = open_port(2);
	assert_int_equal(dp_place_add(dp, port), 0);
	use_workers(2);
	PASS(0.14, 0.14); /* nobody is busy */
	PASS(0.9, 0.05);  /* either way one core is 90 % busy and more */
	PASS(0.95, 0.0);
	assert_int_equal(n_told, 0);
	PASS(0.7, 0.2);
	assert_int_equal(n_told, 1);
}

static void nothing_moves_before_its_time_or_when_told_not_to(void **state)
{
	use_workers(1);
	port = open_port(2);
	assert_int_equal(dp_place_add(dp, port), 0);
	use_workers(2);
	atomic_store(&port->rxq[0].busy_cycles, dp->tsc_hz);
	dp_place_tick(dp, now_ns + TICK_NS - 1);
	assert_int_equal(n_told, 0);
	dp_set_rebalance(dp, false);
	PASS(0.5, 0.4);
	assert_int_equal(n_told, 0);
	dp_set_rebalance(dp, true);
	PASS(0.5, 0.4);
	assert_int_equal(n_told, 1);
}

static void queues_of_a_worker_that_leaves_are_polled_by_others(void **state)
{
	port = open_port(6);
	assert_int_equal(dp_place_add(dp, port), 0);
	dp_place_worker_leaving(dp, workers[0]);
	assert_int_equal(n_of(0), 0);
	assert_int_equal(n_of(1), 3);
	assert_int_equal(n_of(2), 3);
	assert_int_equal(n_told, 2);
	assert_non_null(strstr(told, "its worker stops"));
	check_lists(6);
}

static void queue_without_a_worker_waits_for_one(void **state)
{
	struct dp_queue_info info[3];

	use_workers(0);
	port = open_port(2);
	assert_int_equal(dp_place_add(dp, port), 0);
	assert_int_equal(dp_queue_info(dp, info, 3), 2);
	assert_int_equal(info[0].cpu, -1);
	use_workers(1);
	dp_place_worker_added(dp);
	assert_int_equal(n_of(0), 2);
	assert_int_equal(dp_queue_info(dp, info, 1), 1);
	assert_int_equal(info[0].cpu, 10);
	dp_place_worker_leaving(dp, workers[0]);
	assert_int_equal(n_of(0), 0);
	assert_string_equal(told, "m queue 1 has no worker: its worker stops");
	PASS(0, 0);
	use_workers(2);
	dp_place_worker_added(dp);
	check_lists(2);
}

static void list_says_whether_a_queue_must_be_polled(void **state)
{
	use_workers(1);
	port = open_port(2);
	assert_true(port->rxq[1].wake_fd >= 0);
	assert_int_equal(dp_place_add(dp, port), 0);
	assert_false(atomic_load(&workers[0]->rxqs)->polled);
	dp_place_remove(dp, port);
	close(port->rxq[1].wake_fd);
	port->rxq[1].wake_fd = -1;
	assert_int_equal(dp_place_add(dp, port), 0);
	assert_true(atomic_load(&workers[0]->rxqs)->polled);
}

static void every_list_has_a_serial_of_its_own(void **state)
{
	uint64_t before;

	port = open_port(3);
	assert_int_equal(dp_place_add(dp, port), 0);
	before = atomic_load(&workers[0]->rxqs)->serial;
	assert_true(before != atomic_load(&workers[1]->rxqs)->serial);
	dp_place_remove(dp, port);
	assert_true(before < atomic_load(&workers[0]->rxqs)->serial);
}

/* A closed port must be on no list; better a worker polls nothing for a moment. */
static void port_that_leaves_is_polled_by_none_even_without_memory(void **state)
{
	struct dp_port *other;

	use_workers(1);
	port = open_port(2);
	other = open_port(1);
	assert_int_equal(dp_place_add(dp, port), 0);
	assert_int_equal(dp_place_add(dp, other), 0);
	no_memory = true;
	dp_place_remove(dp, other);
	assert_int_equal(n_of(0), 0);
	now_ns += TICK_NS;
	dp_place_tick(dp, now_ns); /* There is still none. */
	assert_int_equal(n_of(0), 0);
	no_memory = false;
	now_ns += TICK_NS;
	dp_place_tick(dp, now_ns);
	check_lists(2);
	assert_non_null(workers[0]->spare);
	dp_port_close(other);
}

static void queue_that_moves_without_memory_is_never_polled_twice(void **state)
{
	use_workers(1);
	port = open_port(2);
	assert_int_equal(dp_place_add(dp, port), 0);
	use_workers(2);
	no_memory = true;
	PASS(0.5, 0.3);
	check_lists(0);
	no_memory = false;
	PASS(0, 0);
	check_lists(2);
	assert_true(polls(1, 0) && polls(0, 1));
}

static void port_that_has_no_memory_is_told_so(void **state)
{
	port = open_port(1);
	no_memory = true;
	assert_int_equal(dp_place_add(dp, port), -ENOMEM);
	no_memory = false;
	check_lists(0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(idle_queues_spread_over_all_workers),
		TEST(new_queue_goes_where_the_least_load_is),
		TEST(queue_moves_off_the_busiest_and_says_why),
		TEST(load_that_stays_as_it_is_moves_nothing_twice),
		TEST(single_queue_that_fills_a_core_stays),
		TEST(what_is_not_worth_it_does_not_move),
		TEST(nothing_moves_before_its_time_or_when_told_not_to),
		TEST(queues_of_a_worker_that_leaves_are_polled_by_others),
		TEST(queue_without_a_worker_waits_for_one),
		TEST(list_says_whether_a_queue_must_be_polled),
		TEST(every_list_has_a_serial_of_its_own),
		TEST(port_that_leaves_is_polled_by_none_even_without_memory),
		TEST(queue_that_moves_without_memory_is_never_polled_twice),
		TEST(port_that_has_no_memory_is_told_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
