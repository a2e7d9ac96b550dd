/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Timers of a wheel, by a clock that is the test's own.
 */
#include "vswitch/wheel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define MILLION 1000000u

struct one {
	struct vs_timer timer; /* first */
	uint64_t want;
	unsigned n_fired;
};

static struct vs_wheel wheel;
static unsigned n_fired;
static uint64_t state_of_chance = 88172645463325252u;

static uint64_t chance(uint64_t n)
{
	state_of_chance ^= state_of_chance << 13;
	state_of_chance ^= state_of_chance >> 7;
	state_of_chance ^= state_of_chance << 17;
	return state_of_chance % n;
}

static void fire(struct vs_timer *timer, void *arg)
{
	struct one *o = (struct one *)timer;

	assert_int_equal(wheel.now, o->want);
	assert_null(timer->link);
	o->n_fired++;
	n_fired++;
}

static void set(struct one *o, uint64_t due)
{
	o->want = due > wheel.now ? due : wheel.now + 1;
	vs_timer_set(&wheel, &o->timer, due);
}

static void timer_fires_at_its_tick_and_once(void **state)
{
	static const uint64_t dues[] = {0,     1,      2,      63,     64,     65,     127,
					128,   4095,   4096,   4097,   262143, 262144, 262145,
					99999, 300000, 524288, 524289, 1000000};

	for (uint64_t start = 0; start < 200000; start += 4093) {
		struct one ones[sizeof(dues) / sizeof(dues[0])] = {0};

		vs_wheel_init(&wheel, start);
		for (unsigned i = 0; i < sizeof(dues) / sizeof(dues[0]); i++)
			set(&ones[i], start + dues[i]);
		vs_wheel_turn(&wheel, start + 1000001, fire, NULL);
		for (unsigned i = 0; i < sizeof(dues) / sizeof(dues[0]); i++)
			assert_int_equal(ones[i].n_fired, 1);
	}
}

static void timer_that_is_cleared_or_moved_does_not_fire_as_before(void **state)
{
	struct one a = {0}, b = {0}, c = {0};

	vs_wheel_init(&wheel, 5);
	set(&a, 10);
	set(&b, 10);
	set(&c, 10);
	vs_timer_clear(&b.timer);
	vs_timer_clear(&b.timer);
	set(&c, 5000);
	vs_wheel_turn(&wheel, 4999, fire, NULL);
	assert_int_equal(a.n_fired, 1);
	assert_int_equal(b.n_fired, 0);
	assert_int_equal(c.n_fired, 0);
	vs_wheel_turn(&wheel, 5000, fire, NULL);
	assert_int_equal(c.n_fired, 1);
}

static struct one *other;

static void fire_and_clear_other(struct vs_timer *timer, void *arg)
{
	fire(timer, arg);
	if (other != NULL)
		vs_timer_clear(&other->timer);
	other = NULL;
}

static void one_that_fires_may_clear_its_neighbour(void **state)
{
	struct one a = {0}, b = {0};

	vs_wheel_init(&wheel, 0);
	set(&a, 7);
	set(&b, 7);
	other = &a; /* the one that is looked at second */
	vs_wheel_turn(&wheel, 8, fire_and_clear_other, NULL);
	assert_int_equal(a.n_fired + b.n_fired, 1);
}

static void fire_again(struct vs_timer *timer, void *arg)
{
	fire(timer, arg);
	set((struct one *)timer, wheel.now); /* past: the next tick */
}

static void one_that_fires_may_set_itself_again(void **state)
{
	struct one a = {0};

	vs_wheel_init(&wheel, 0);
	set(&a, 1);
	vs_wheel_turn(&wheel, 1000, fire_again, NULL);
	assert_int_equal(a.n_fired, 1000);
}

static void a_million_fire_each_at_its_tick(void **state)
{
	struct one *ones = calloc(MILLION, sizeof(*ones));

	assert_non_null(ones);
	vs_wheel_init(&wheel, 123456);
	n_fired = 0;
	for (unsigned i = 0; i < MILLION; i++)
		set(&ones[i], wheel.now + 1 + chance(270000));
	for (unsigned i = 0; i < MILLION; i += 3)
		set(&ones[i], wheel.now + 1 + chance(270000));
	while (n_fired < MILLION && wheel.now < 123456 + 270001)
		vs_wheel_turn(&wheel, wheel.now + 1 + chance(500), fire, NULL);
	assert_int_equal(n_fired, MILLION);
	free(ones);
}

/* Each timer is touched at most once for each wheel that it falls through. */
static void time_in_which_nothing_is_due_touches_few(void **state)
{
	struct one *ones = calloc(MILLION, sizeof(*ones));

	assert_non_null(ones);
	vs_wheel_init(&wheel, 0);
	n_fired = 0;
	for (unsigned i = 0; i < MILLION; i++)
		set(&ones[i], 200000 + i % 1000);
	/* A day of ticks that are not there for them. */
	for (unsigned i = 0; i < 190000; i++) {
		vs_wheel_turn(&wheel, i, fire, NULL);
		for (unsigned k = 0; k < VS_WHEEL_SLOTS; k++)
			assert_null(wheel.slots[0][k]);
	}
	assert_int_equal(n_fired, 0);
	free(ones);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timer_fires_at_its_tick_and_once),
		cmocka_unit_test(timer_that_is_cleared_or_moved_does_not_fire_as_before),
		cmocka_unit_test(one_that_fires_may_clear_its_neighbour),
		cmocka_unit_test(one_that_fires_may_set_itself_again),
		cmocka_unit_test(a_million_fire_each_at_its_tick),
		cmocka_unit_test(time_in_which_nothing_is_due_touches_few),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
