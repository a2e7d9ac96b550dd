/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Policy of dynamic memory, in scenarios: what a guest uses goes up and down, the host has memory
 * or has none.
 */
#include "vmbus/pressure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define MB (1ull << 20)
#define S  1000000000ull

static const struct pressure_conf conf = {
	.minimum = 128 * MB, .start = 512 * MB, .maximum = 2048 * MB, .buffer = 20, .priority = 50};

/* A guest that obeys at once, and uses as much as is said. */
struct world {
	struct pressure p;
	struct pressure_input in;
	uint64_t used;
};

static struct world start(const struct pressure_conf *c)
{
	struct world w = {.used = 100 * MB};

	pressure_init(&w.p, c);
	w.in.now_ns = 1000 * S;
	w.in.assigned = w.p.target;
	return w;
}

/* 'seconds' of reports; the target then. */
static uint64_t run(struct world *w, unsigned seconds)
{
	while (seconds-- > 0) {
		w->in.now_ns += S;
		w->in.available = w->in.assigned > w->used ? w->in.assigned - w->used : 0;
		w->in.assigned = pressure_update(&w->p, &w->in);
	}
	return w->in.assigned;
}

static void starts_with_what_was_asked_for(void **state)
{
	struct world w = start(&conf);

	assert_int_equal(w.p.target, 512 * MB);
	assert_int_equal(run(&w, 29), 512 * MB);
}

static void unused_memory_is_taken_slowly_down_to_the_buffer(void **state)
{
	struct world w = start(&conf);
	uint64_t before = run(&w, 35), after;

	assert_in_range(before, 512 * 7 / 8 * MB, 511 * MB);
	after = run(&w, 3600);
	assert_true(after < before);
	/* 100 MB and 20 percent, but not below the minimum, nor closer than the slack. */
	assert_in_range(after, 128 * MB, 144 * MB);
	assert_int_equal(run(&w, 3600), after);
}

static void demand_is_met_in_seconds(void **state)
{
	struct world w = start(&conf);

	run(&w, 3600);
	w.used = 400 * MB; /* more than it has: nobody knows how much */
	assert_in_range(run(&w, 5), 440 * MB, 560 * MB);
	w.used = w.in.assigned / 10 * 9; /* within what it has */
	assert_true(run(&w, 1) >= w.used / 100 * 119);
	w.used = 10000 * MB;
	assert_int_equal(run(&w, 6), 2048 * MB);
}

static void promised_memory_is_demand(void **state)
{
	struct world w = start(&conf);

	w.in.committed = 1000 * MB;
	assert_int_equal(run(&w, 1), 1200 * MB);
	assert_int_equal(run(&w, 3600), 1200 * MB);
	w.in.committed = UINT64_MAX;
	assert_int_equal(run(&w, 1), 2048 * MB);
}

/* A load that comes and goes each ten seconds keeps its memory. */
static void memory_does_not_swing_with_the_load(void **state)
{
	struct world w = start(&conf);
	unsigned changes = 0;
	uint64_t last;

	w.used = 800 * MB;
	last = run(&w, 200);
	for (unsigned i = 0; i < 100; i++) {
		w.used = i % 2 == 0 ? 300 * MB : 800 * MB;
		changes += run(&w, 10) != last;
		last = w.in.assigned;
	}
	assert_int_equal(changes, 0);
}

static void small_changes_are_left_alone(void **state)
{
	struct world w = start(&conf);
	uint64_t target;

	w.used = 480 * MB;
	assert_int_equal(run(&w, 1), 576 * MB);
	w.used = 500 * MB;
	target = run(&w, 100);
	assert_int_equal(target, 600 * MB);
	w.used = 460 * MB;
	assert_int_equal(run(&w, 1000), target);
	w.used = 420 * MB;
	assert_true(run(&w, 1000) < target);
}

static void host_that_is_short_takes_sooner_and_leaves_less(void **state)
{
	struct world w = start(&conf), rich = start(&conf);
	struct pressure_conf important = conf;
	struct world high;

	w.used = rich.used = 1000 * MB;
	run(&w, 10);
	run(&rich, 10);
	w.used = rich.used = 400 * MB;
	w.in.host = 100;
	assert_true(run(&w, 10) < run(&rich, 10));
	/* Half of the buffer is its own by priority. */
	assert_in_range(run(&w, 3600), 440 * MB, 488 * MB);
	assert_in_range(run(&rich, 3600), 480 * MB, 530 * MB);
	important.priority = 100;
	high = start(&important);
	high.in.committed = 1000 * MB;
	high.in.host = 100;
	assert_int_equal(run(&high, 1), 1200 * MB);
}

static void guest_keeps_a_reserve(void **state)
{
	struct world w = start(&conf);

	/* It says that it needs little, but has nothing to give. */
	for (unsigned i = 0; i < 1000; i++) {
		w.in.now_ns += S;
		w.in.available = 10 * MB;
		w.in.committed = 0;
		w.in.assigned = 512 * MB;
		assert_true(pressure_update(&w.p, &w.in) >= 502 * MB);
	}
}

static void limits_hold_whatever_is_reported(void **state)
{
	static const uint64_t values[] = {0, 1, 4095, 64 * MB, 512 * MB, 1ull << 40, UINT64_MAX};
	const unsigned n = sizeof(values) / sizeof(values[0]);
	struct world w = start(&conf);

	for (unsigned i = 0; i < n * n * n * 4; i++) {
		w.in.assigned = values[i % n];
		w.in.available = values[i / n % n];
		w.in.committed = values[i / n / n % n];
		w.in.host = i / n / n / n * 1000;
		w.in.now_ns += 40 * S;
		assert_in_range(pressure_update(&w.p, &w.in), conf.minimum, conf.maximum);
		(void)pressure_percent(&w.in);
	}
}

static void equal_limits_switch_it_off(void **state)
{
	struct pressure_conf fixed = conf;
	struct world w;

	fixed.minimum = fixed.maximum = fixed.start = 512 * MB;
	w = start(&fixed);
	assert_int_equal(run(&w, 1000), 512 * MB);
	w.used = 600 * MB;
	assert_int_equal(run(&w, 1000), 512 * MB);
}

static void other_limits_hold_at_once(void **state)
{
	struct pressure_conf other = conf;
	struct world w = start(&conf);

	other.minimum = 1024 * MB;
	pressure_set_conf(&w.p, &other);
	assert_int_equal(run(&w, 1), 1024 * MB);
	other.minimum = 128 * MB;
	other.maximum = 256 * MB;
	pressure_set_conf(&w.p, &other);
	assert_int_equal(run(&w, 1), 256 * MB);
}

static void pressure_is_demand_in_percent(void **state)
{
	struct pressure_input in = {.assigned = 1000 * MB, .available = 250 * MB};

	assert_int_equal(pressure_percent(&in), 75);
	in.committed = 1500 * MB;
	assert_int_equal(pressure_percent(&in), 150);
	in.assigned = 0;
	assert_int_equal(pressure_percent(&in), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(starts_with_what_was_asked_for),
		cmocka_unit_test(unused_memory_is_taken_slowly_down_to_the_buffer),
		cmocka_unit_test(demand_is_met_in_seconds),
		cmocka_unit_test(promised_memory_is_demand),
		cmocka_unit_test(memory_does_not_swing_with_the_load),
		cmocka_unit_test(small_changes_are_left_alone),
		cmocka_unit_test(host_that_is_short_takes_sooner_and_leaves_less),
		cmocka_unit_test(guest_keeps_a_reserve),
		cmocka_unit_test(limits_hold_whatever_is_reported),
		cmocka_unit_test(equal_limits_switch_it_off),
		cmocka_unit_test(other_limits_hold_at_once),
		cmocka_unit_test(pressure_is_demand_in_percent),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
