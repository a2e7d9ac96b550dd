/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Meters by a clock of the test's own: what is let through over a time is the rate, whoever asks
 * and however much comes.
 */
#include "dataplane/meter.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define HZ	UINT64_C(2400000000)
#define START	(UINT64_C(1000) * HZ)
#define DROPPED 0
#define SECONDS 20

static struct dp_meter *meter_of(bool packets, uint64_t rate, uint64_t burst)
{
	const struct dp_meter_spec spec = {
		.packets = packets,
		.n_bands = 1,
		.bands = {{.rate = rate, .burst = burst}},
	};
	struct dp_meter *meter = dp_meter_create(&spec, HZ);

	assert_non_null(meter);
	return meter;
}

/* 'offered' packets a second for SECONDS, in bursts of 'burst', spread over 'workers'; how many
 * fell to no band. */
static uint64_t passed(struct dp_meter *meter, uint64_t offered, unsigned burst, unsigned workers,
		       uint32_t size)
{
	uint64_t n = offered * SECONDS, n_passed = 0;

	for (uint64_t i = 0; i < n; i++) {
		uint64_t at = i / burst * burst;
		uint64_t now = START + at * (HZ / 1000) / offered * 1000;

		n_passed += dp_meter_run(meter, (unsigned)(i / burst % workers), now, size) < 0;
	}
	return n_passed;
}

/* Within 'permille' of what the rate lets through, and the burst once. */
static void expect_near(uint64_t got, uint64_t want, unsigned permille)
{
	uint64_t off = got > want ? got - want : want - got;

	if (off * 1000 > want * permille)
		fail_msg("%llu instead of %llu", (unsigned long long)got, (unsigned long long)want);
}

static void rate_of_packets_is_kept(void **state)
{
	static const uint64_t rates[] = {100, 1000, 10000, 100000};

	for (unsigned i = 0; i < 4; i++)
		for (unsigned workers = 1; workers <= 2; workers++)
			for (unsigned burst = 1; burst <= 32; burst *= 32) {
				uint64_t bucket = rates[i] / 10 > 32 ? rates[i] / 10 : 32;
				struct dp_meter *meter = meter_of(true, rates[i], bucket);
				uint64_t got = passed(meter, rates[i] * 2, burst, workers, 64);

				expect_near(got, rates[i] * SECONDS + bucket, 10);
				dp_meter_destroy(meter);
			}
}

static void rate_of_bits_is_kept(void **state)
{
	static const uint64_t rates[] = {1000, 10000, 100000, 10000000};

	for (unsigned i = 0; i < 4; i++)
		for (unsigned workers = 1; workers <= 2; workers++) {
			uint64_t bucket = rates[i] / 10 > 200 ? rates[i] / 10 : 200;
			struct dp_meter *meter = meter_of(false, rates[i], bucket);
			uint64_t a_packet = 1500 * 8, offered = rates[i] * 2 * 1000 / a_packet;
			uint64_t got = passed(meter, offered, 1, workers, 1500);

			expect_near(got * a_packet, (rates[i] * SECONDS + bucket) * 1000, 10);
			dp_meter_destroy(meter);
		}
}

static void what_keeps_to_the_rate_passes_whole(void **state)
{
	struct dp_meter *meter = meter_of(true, 1000, 0);

	assert_int_equal(passed(meter, 1000, 8, 2, 64), 1000 * SECONDS);
	dp_meter_destroy(meter);
}

static void burst_passes_at_once_and_no_more_than_that(void **state)
{
	struct dp_meter *meter = meter_of(true, 1000, 50);
	unsigned n = 0;

	for (unsigned i = 0; i < 500; i++)
		n += dp_meter_run(meter, i % 4, START, 64) < 0;
	assert_int_equal(n, 50);
	/* It fills at the rate, and to its brim. */
	n = 0;
	for (unsigned i = 0; i < 500; i++)
		n += dp_meter_run(meter, 0, START + HZ / 100, 64) < 0;
	assert_int_equal(n, 10);
	n = 0;
	for (unsigned i = 0; i < 500; i++)
		n += dp_meter_run(meter, 1, START + 100 * HZ, 64) < 0;
	assert_int_equal(n, 50);
	dp_meter_destroy(meter);
}

static void default_burst_is_a_tenth_of_a_second(void **state)
{
	struct dp_meter *meter = meter_of(true, 10000, 0);
	unsigned n = 0;

	for (unsigned i = 0; i < 5000; i++)
		n += dp_meter_run(meter, 0, START, 64) < 0;
	assert_int_equal(n, 1000);
	dp_meter_destroy(meter);
}

static void frame_longer_than_the_burst_passes_a_full_bucket(void **state)
{
	struct dp_meter *meter = meter_of(false, 1000, 1); /* a thousand bits */

	assert_int_equal(dp_meter_run(meter, 0, START, 1500), -1);
	assert_int_equal(dp_meter_run(meter, 0, START, 1500), DROPPED);
	assert_int_equal(dp_meter_run(meter, 0, START + HZ / 1000 * 13, 1500), -1);
	dp_meter_destroy(meter);
}

static void greatest_and_least_rates_do_not_overflow(void **state)
{
	struct dp_meter *most = meter_of(false, UINT32_MAX, UINT32_MAX);
	struct dp_meter *least = meter_of(true, 1, UINT32_MAX);
	unsigned n = 0;

	for (unsigned i = 0; i < 100000; i++)
		assert_int_equal(dp_meter_run(most, 0, START, 65535), -1);
	/* A bucket holds an hour's worth. */
	for (unsigned i = 0; i < 10000; i++)
		n += dp_meter_run(least, 0, UINT64_C(10000) * HZ, 64) < 0;
	assert_int_equal(n, 3600);
	dp_meter_destroy(most);
	dp_meter_destroy(least);
}

static void band_of_the_highest_rate_that_is_exceeded_applies(void **state)
{
	const struct dp_meter_spec spec = {
		.packets = true,
		.n_bands = 3,
		.bands = {{.rate = 1000, .burst = 10},
			  {.rate = 3000, .burst = 10},
			  {.rate = 2000, .burst = 10}},
	};
	struct dp_meter *meter = dp_meter_create(&spec, HZ);
	unsigned n[4] = {0};

	for (unsigned i = 0; i < 5000 * SECONDS; i++)
		n[1 + dp_meter_run(meter, 0, START + i * (HZ / 5000), 64)]++;
	/* 5000 a second came: above 3000 is the second band's, and so on down. */
	expect_near(n[2], 2000 * SECONDS, 10);
	expect_near(n[3], 1000 * SECONDS, 10);
	expect_near(n[1], 1000 * SECONDS, 10);
	expect_near(n[0], 1000 * SECONDS, 10);
	dp_meter_destroy(meter);
}

static void meter_without_bands_lets_all_pass(void **state)
{
	const struct dp_meter_spec spec = {.counter = 7};
	struct dp_meter *meter = dp_meter_create(&spec, HZ);

	assert_int_equal(dp_meter_run(meter, 0, START, 64), -1);
	assert_int_equal(dp_meter_spec(meter)->counter, 7);
	dp_meter_destroy(meter);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rate_of_packets_is_kept),
		cmocka_unit_test(rate_of_bits_is_kept),
		cmocka_unit_test(what_keeps_to_the_rate_passes_whole),
		cmocka_unit_test(burst_passes_at_once_and_no_more_than_that),
		cmocka_unit_test(default_burst_is_a_tenth_of_a_second),
		cmocka_unit_test(frame_longer_than_the_burst_passes_a_full_bucket),
		cmocka_unit_test(greatest_and_least_rates_do_not_overflow),
		cmocka_unit_test(band_of_the_highest_rate_that_is_exceeded_applies),
		cmocka_unit_test(meter_without_bands_lets_all_pass),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
