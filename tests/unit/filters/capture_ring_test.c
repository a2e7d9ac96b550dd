/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The small parts between worker and writer: ring, budget, clock.
 */
#include "filters/capture_budget.h"
#include "filters/capture_clock.h"
#include "filters/capture_ring.h"
#include "tests/support/packet.h"

#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct filter_ring *make_ring(size_t size)
{
	struct filter_ring *ring = filter_ring_create(size);

	if (ring == NULL)
		abort();
	return ring;
}

/* A record of 'cap_len' bytes that all say 'tag'.  False when the ring is full. */
static bool push(struct filter_ring *ring, uint32_t cap_len, uint64_t tag)
{
	size_t size = filter_rec_size(cap_len);
	struct filter_rec *rec = filter_ring_reserve(ring, size);

	if (rec == NULL)
		return false;
	*rec = (struct filter_rec){.size = (uint32_t)size, .cap_len = cap_len, .tsc = tag};
	memset(rec + 1, (int)(tag & 0xff), cap_len);
	filter_ring_push(ring, size);
	return true;
}

static void check(const struct filter_rec *rec, uint64_t tag)
{
	const uint8_t *data = (const uint8_t *)(rec + 1);

	assert_int_equal(rec->tsc, tag);
	for (uint32_t i = 0; i < rec->cap_len; i++)
		if (data[i] != (tag & 0xff))
			fail_msg("record %llu: byte %u is %u", (unsigned long long)tag, i, data[i]);
}

static uint64_t published(struct filter_ring *ring)
{
	return atomic_load_explicit(&ring->head, memory_order_acquire);
}

/* The oldest record. */
static struct filter_rec *peek(struct filter_ring *ring)
{
	struct filter_rec *rec = filter_ring_peek(ring, published(ring));

	if (rec == NULL)
		abort();
	return rec;
}

static void pop(struct filter_ring *ring)
{
	filter_ring_pop(ring, peek(ring));
}

static void record_is_seen_only_when_its_burst_is_published(void **state)
{
	struct filter_ring *ring = make_ring(4096);

	assert_true(push(ring, 10, 1));
	assert_true(push(ring, 20, 2));
	assert_null(filter_ring_peek(ring, published(ring)));
	filter_ring_publish(ring);
	check(peek(ring), 1);
	filter_ring_destroy(ring);
}

static void full_ring_refuses_and_takes_again_what_was_read(void **state)
{
	struct filter_ring *ring = make_ring(4096);
	unsigned n = 0;

	while (push(ring, 96, n)) /* 128 bytes each */
		n++;
	assert_int_equal(n, 4096 / 128);
	filter_ring_publish(ring);
	pop(ring);
	assert_true(push(ring, 96, n));
	assert_false(push(ring, 0, n + 1));
	filter_ring_destroy(ring);
}

static void record_that_does_not_fit_before_the_end_starts_over_and_wastes_no_more(void **state)
{
	struct filter_ring *ring = make_ring(4096);
	struct filter_rec *rec;

	assert_true(push(ring, 4096 - 32 - 64, 1)); /* 4032: leaves 64 */
	filter_ring_publish(ring);
	assert_false(push(ring, 64, 2)); /* Needs 96: neither at the end nor, yet, at the start. */
	pop(ring);
	assert_true(push(ring, 64, 2));
	assert_true(push(ring, 5, 3));
	filter_ring_publish(ring);
	rec = peek(ring);
	check(rec, 2);
	assert_ptr_equal(rec, ring->data);
	filter_ring_pop(ring, rec);
	rec = peek(ring);
	check(rec, 3);
	filter_ring_pop(ring, rec);
	assert_null(filter_ring_peek(ring, published(ring)));
	filter_ring_destroy(ring);
}

#define N_RECORDS 300000

static void *produce(void *arg)
{
	struct filter_ring *ring = arg;
	uint64_t rnd = 5, sent = 0;

	while (sent < N_RECORDS) {
		for (unsigned n = pkt_rand(&rnd) % 32; n != 0 && sent < N_RECORDS; n--)
			sent += push(ring, (uint32_t)(pkt_rand(&rnd) % 400), sent);
		filter_ring_publish(ring);
		if (filter_ring_reserve(ring, 512) == NULL)
			sched_yield(); /* Full: one core may have to do for both. */
	}
	return NULL;
}

static void two_threads_pass_every_record_in_order(void **state)
{
	struct filter_ring *ring = make_ring(8192);
	uint64_t got = 0;
	pthread_t thread;

	pthread_create(&thread, NULL, produce, ring);
	while (got < N_RECORDS) {
		struct filter_rec *rec = filter_ring_peek(ring, published(ring));

		if (rec == NULL) {
			sched_yield();
			continue;
		}
		check(rec, got++);
		filter_ring_pop(ring, rec);
	}
	pthread_join(thread, NULL);
	assert_null(filter_ring_peek(ring, published(ring)));
	filter_ring_destroy(ring);
}

#define WINDOW 1000000u

static void busy_worker_gives_a_capture_its_share_and_no_more(void **state)
{
	static const unsigned shares[] = {1, 10, 50, 80};

	for (unsigned i = 0; i < 4; i++) {
		const uint64_t end = (uint64_t)WINDOW * 1000;
		struct filter_budget b;
		uint64_t now = 0, used = 0;

		filter_budget_init(&b, now, shares[i], WINDOW);
		while (now < end) {
			if (filter_budget_open(&b, now, shares[i], WINDOW)) {
				filter_budget_charge(&b, 700, shares[i], WINDOW);
				used += 700;
				now += 700;
			}
			now += 50; /* The rest of the worker's loop. */
		}
		/* What the bucket held at first comes on top, and one burst of overdraft. */
		assert_in_range(used * 100, end * shares[i] - end,
				(end + 2 * WINDOW) * shares[i] + 70000);
	}
}

static void idle_time_is_not_saved_up_beyond_the_window(void **state)
{
	struct filter_budget b;
	uint64_t now = 50ull * WINDOW, used = 0;

	filter_budget_init(&b, 0, 10, WINDOW);
	while (filter_budget_open(&b, now, 10, WINDOW)) {
		filter_budget_charge(&b, 1000, 10, WINDOW);
		used += 1000;
	}
	assert_int_equal(used, WINDOW / 10);
}

static void worker_that_was_taken_off_its_core_is_not_punished_for_long(void **state)
{
	struct filter_budget b;
	uint64_t now = WINDOW * 1000ull;

	filter_budget_init(&b, 0, 10, WINDOW);
	filter_budget_charge(&b, now, 10, WINDOW);	      /* A second in one burst... */
	assert_true(filter_budget_open(&b, now, 10, WINDOW)); /* ...is over now. */
	filter_budget_charge(&b, now, 10, WINDOW);	      /* Or the clock did not count it. */
	assert_false(filter_budget_open(&b, now, 10, WINDOW));
	assert_false(filter_budget_open(&b, now + 2ull * WINDOW, 10, WINDOW));
	assert_true(filter_budget_open(&b, now + 5ull * WINDOW, 10, WINDOW));
}

static void budget_survives_a_clock_that_goes_back(void **state)
{
	struct filter_budget b;

	filter_budget_init(&b, 1000, 10, WINDOW);
	assert_true(filter_budget_open(&b, 10, 10, WINDOW));
	filter_budget_charge(&b, 1000, 10, WINDOW);
	assert_true(filter_budget_open(&b, 5, 10, WINDOW));
}

#define HZ   2500000000ull
#define WALL 1700000000000000000ull

static void time_between_two_readings_lies_on_the_line_between_them(void **state)
{
	struct filter_clock c = {.hz = HZ};

	filter_clock_sample(&c, 1000, WALL);
	/* The wall clock runs 100 ppm fast. */
	filter_clock_sample(&c, 1000 + HZ / 100, WALL + 10001000);
	assert_int_equal(filter_clock_wall(&c, 1000), WALL);
	assert_int_equal(filter_clock_wall(&c, 1000 + HZ / 200), WALL + 5000500);
	assert_int_equal(filter_clock_wall(&c, 1000 + HZ / 100), WALL + 10001000);
	assert_int_equal(filter_clock_wall(&c, 1000 + HZ),
			 WALL + 10001000); /* From another core. */
}

static void time_before_the_readings_is_right_too(void **state)
{
	struct filter_clock c = {.hz = HZ};

	filter_clock_sample(&c, HZ * 10, WALL);
	assert_in_range(filter_clock_wall(&c, HZ * 10 - HZ / 1000), WALL - 1000001, WALL - 999999);
	filter_clock_sample(&c, HZ * 10 + HZ / 100, WALL + 10000000);
	assert_in_range(filter_clock_wall(&c, HZ * 10 - HZ / 1000), WALL - 1000001, WALL - 999999);
}

static void wall_clock_that_is_set_starts_a_new_line(void **state)
{
	struct filter_clock c = {.hz = HZ};

	filter_clock_sample(&c, HZ, WALL);
	filter_clock_sample(&c, HZ + HZ / 100, WALL - 3600000000000); /* An hour back. */
	assert_in_range(filter_clock_wall(&c, HZ + HZ / 200), WALL - 3600005000001,
			WALL - 3600004999999);
	filter_clock_sample(&c, HZ + HZ / 50, WALL);
	assert_in_range(filter_clock_wall(&c, HZ + HZ / 50 - HZ / 200), WALL - 5000001,
			WALL - 4999999);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(record_is_seen_only_when_its_burst_is_published),
		cmocka_unit_test(full_ring_refuses_and_takes_again_what_was_read),
		cmocka_unit_test(
			record_that_does_not_fit_before_the_end_starts_over_and_wastes_no_more),
		cmocka_unit_test(two_threads_pass_every_record_in_order),
		cmocka_unit_test(busy_worker_gives_a_capture_its_share_and_no_more),
		cmocka_unit_test(idle_time_is_not_saved_up_beyond_the_window),
		cmocka_unit_test(worker_that_was_taken_off_its_core_is_not_punished_for_long),
		cmocka_unit_test(budget_survives_a_clock_that_goes_back),
		cmocka_unit_test(time_between_two_readings_lies_on_the_line_between_them),
		cmocka_unit_test(time_before_the_readings_is_right_too),
		cmocka_unit_test(wall_clock_that_is_set_starts_a_new_line),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
