/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What unknown flows may cost: who competes for a worker, and what is left to whom.
 */
#include "dataplane/police.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/dp_priv.h"
#include "dataplane/flow.h"

#define HZ  UINT64_C(2000000000)
#define MS  (HZ / 1000)
#define ALL UINT32_MAX

static struct dp dp = {.tsc_hz = HZ};
static struct dp_worker *w;

static int setup(void **state)
{
	w = calloc(1, sizeof(*w));
	w->dp = &dp;
	w->flow = calloc(1, sizeof(*w->flow));
	w->burst_tsc = 1000 * MS;
	return 0;
}

static int teardown(void **state)
{
	free(w->flow);
	free(w);
	return 0;
}

static unsigned n_of(uint32_t bits)
{
	return (unsigned)__builtin_popcount(bits);
}

static void behind(uint16_t port)
{
	dp_worker_behind(w, port, w->burst_tsc);
}

/* How many of 'n' bursts' unknown frames are looked up; 'unknown' of each burst. */
static unsigned bursts(uint16_t port, unsigned n, uint32_t unknown)
{
	unsigned taken = 0;

	for (unsigned i = 0; i < n; i++)
		taken += n_of(dp_police(w, port, 32, unknown));
	return taken;
}

static void worker_that_keeps_up_looks_all_of_them_up(void **state)
{
	assert_int_equal(bursts(1, 10000, ALL), 320000);
	assert_int_equal(bursts(1, 10000, 0xffff), 160000);
}

static void port_that_makes_another_wait_is_bounded(void **state)
{
	unsigned n;

	behind(2);
	assert_int_equal(bursts(1, 10000, ALL), DP_POLICE_AT_ONCE);
	assert_int_equal(bursts(1, 1, ALL), 0);
	/* From there on a part of the time: at 1000 cycles each. */
	w->burst_tsc += 10 * MS;
	n = bursts(1, 1000, ALL);
	assert_in_range(n, 10 * MS / 32 / 1000 - 1, 10 * MS / 32 / 1000 + 1);
}

static void those_looked_up_are_the_first_of_the_burst(void **state)
{
	behind(2);
	w->flow->police.ports[1].at = w->burst_tsc;
	w->flow->police.ports[1].n = 3;
	assert_int_equal(dp_police(w, 1, 32, 0xf0f0), 0x0070);
	assert_int_equal(dp_police(w, 1, 32, 0xf0f0), 0);
}

static void port_alone_is_bounded_only_when_known_flows_use_it(void **state)
{
	behind(1);
	assert_int_equal(bursts(1, 1000, ALL), 32000); /* nobody to protect */
	assert_in_range(bursts(1, 10000, 0xffff0000), DP_POLICE_AT_ONCE, DP_POLICE_AT_ONCE + 1000);
	/* The known ones stay away. */
	assert_in_range(bursts(1, 10000, ALL), 200000, 320000);
}

static void others_have_their_own_measure(void **state)
{
	behind(1);
	behind(2);
	assert_int_equal(bursts(1, 10000, ALL), DP_POLICE_AT_ONCE);
	assert_int_equal(bursts(2, 10000, ALL), DP_POLICE_AT_ONCE);
	assert_int_equal(dp_police(w, 3, 1, 1), 1);
}

static void several_that_want_more_share_what_one_would_get(void **state)
{
	unsigned n;

	behind(9);
	for (uint16_t port = 1; port <= 4; port++)
		assert_int_equal(bursts(port, 1000, ALL), DP_POLICE_AT_ONCE);
	w->burst_tsc += 101 * MS;
	bursts(1, 1, ALL); /* the next round */
	for (uint16_t port = 1; port <= 4; port++)
		bursts(port, 1000, ALL);
	w->burst_tsc += 10 * MS;
	n = 0;
	for (uint16_t port = 1; port <= 4; port++)
		n += bursts(port, 1000, ALL);
	assert_in_range(n, 10 * MS / 32 / 1000 - 10, 10 * MS / 32 / 1000 + 10);
}

static void bound_ends_some_time_after_the_others_caught_up(void **state)
{
	behind(2);
	bursts(1, 10000, ALL);
	w->burst_tsc += 400 * MS;
	bursts(1, 10000, ALL);
	assert_int_equal(bursts(1, 1, ALL), 0);
	w->burst_tsc += 101 * MS;
	assert_int_equal(bursts(1, 10000, ALL), 320000);
}

static void what_they_take_is_an_average_that_no_interruption_moves_far(void **state)
{
	struct dp_police *police = &w->flow->police;

	dp_police_spent(police, UINT64_C(1) << 40, 1);
	assert_in_range(police->cost, 1000, 2100);
	for (unsigned i = 0; i < 200; i++)
		dp_police_spent(police, 32 * 500, 32);
	assert_in_range(police->cost, 450, 550);
	for (unsigned i = 0; i < 200; i++)
		dp_police_spent(police, 0, 32);
	assert_int_not_equal(police->cost, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(worker_that_keeps_up_looks_all_of_them_up),
		TEST(port_that_makes_another_wait_is_bounded),
		TEST(those_looked_up_are_the_first_of_the_burst),
		TEST(port_alone_is_bounded_only_when_known_flows_use_it),
		TEST(others_have_their_own_measure),
		TEST(several_that_want_more_share_what_one_would_get),
		TEST(bound_ends_some_time_after_the_others_caught_up),
		TEST(what_they_take_is_an_average_that_no_interruption_moves_far),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
