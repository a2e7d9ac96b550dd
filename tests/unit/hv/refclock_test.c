/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/refclock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SECOND 10000000ull

/* The page, read as a guest reads it. */
static uint64_t page_time(const uint8_t *page, uint64_t tsc)
{
	uint64_t scale, offset;

	memcpy(&scale, page + 8, sizeof(scale));
	memcpy(&offset, page + 16, sizeof(offset));
	return (uint64_t)(((unsigned __int128)tsc * scale) >> 64) + offset;
}

static uint32_t sequence(const uint8_t *page)
{
	uint32_t value;

	memcpy(&value, page, sizeof(value));
	return value;
}

static void clock_says_the_time_it_was_made_for(void **state)
{
	struct hv_refclock c = hv_refclock_make(2100000, 123456789012ull, 42);

	assert_int_equal(hv_refclock_time(&c, 123456789012ull), 42);
}

static void a_second_of_tsc_is_ten_million(void **state)
{
	static const uint32_t khz[] = {10001, 1000000, 2099998, 2600000, 5000000, 4294967295u};

	for (size_t i = 0; i < sizeof(khz) / sizeof(khz[0]); i++) {
		uint64_t hz = khz[i] * 1000ull;
		struct hv_refclock c = hv_refclock_make(khz[i], 7, 5 * SECOND);

		assert_in_range(hv_refclock_time(&c, 7 + hz), 6 * SECOND - 1, 6 * SECOND + 1);
		/* Ten days later it is still right, to the microsecond. */
		assert_in_range(hv_refclock_time(&c, 7 + 864000 * hz), 864005 * SECOND - 10,
				864005 * SECOND + 10);
	}
}

static void offset_may_be_negative(void **state)
{
	/* A TSC that has run long before time began. */
	struct hv_refclock c = hv_refclock_make(3000000, UINT64_MAX / 2, 1);

	assert_true(c.offset < 0);
	assert_int_equal(hv_refclock_time(&c, UINT64_MAX / 2), 1);
	assert_in_range(hv_refclock_time(&c, UINT64_MAX / 2 + 3000000000ull), SECOND, SECOND + 2);
}

static void time_never_goes_back(void **state)
{
	struct hv_refclock c = hv_refclock_make(2893201, 1000, 77);
	uint64_t last = 0;

	for (uint64_t tsc = 1000; tsc < 1000000; tsc += 97) {
		uint64_t now = hv_refclock_time(&c, tsc);

		assert_true(now >= last);
		last = now;
	}
	assert_true(last > 77);
}

static void page_and_counter_agree(void **state)
{
	static _Alignas(8) uint8_t page[4096];
	struct hv_refclock c = hv_refclock_make(2000001, 99999999999ull, 12345678);

	memset(page, 0xff, sizeof(page));
	hv_refclock_write(&c, 1, page);
	assert_int_equal(sequence(page), 1);
	for (uint64_t tsc = 99999999999ull; tsc < UINT64_MAX / 3; tsc *= 3)
		assert_int_equal(page_time(page, tsc), hv_refclock_time(&c, tsc));
}

static void sequence_is_never_one_that_means_something_else(void **state)
{
	static _Alignas(8) uint8_t page[4096];
	struct hv_refclock c = hv_refclock_make(2000000, 0, 0);

	hv_refclock_write(&c, 0, page);
	assert_int_equal(sequence(page), 1);
	hv_refclock_write(&c, UINT32_MAX, page);
	assert_int_equal(sequence(page), 1);
	hv_refclock_write(&c, 77, page);
	assert_int_equal(sequence(page), 77);
}

static void no_tsc_to_go_by_is_an_invalid_page(void **state)
{
	static const uint32_t khz[] = {0, 1, 9999, 10000};
	static _Alignas(8) uint8_t page[4096];

	for (size_t i = 0; i < sizeof(khz) / sizeof(khz[0]); i++) {
		struct hv_refclock c = hv_refclock_make(khz[i], 5, 5);

		assert_int_equal(c.scale, 0);
		memset(page, 0xff, sizeof(page));
		hv_refclock_write(&c, 9, page);
		assert_int_equal(sequence(page), 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clock_says_the_time_it_was_made_for),
		cmocka_unit_test(a_second_of_tsc_is_ten_million),
		cmocka_unit_test(offset_may_be_negative),
		cmocka_unit_test(time_never_goes_back),
		cmocka_unit_test(page_and_counter_agree),
		cmocka_unit_test(sequence_is_never_one_that_means_something_else),
		cmocka_unit_test(no_tsc_to_go_by_is_an_invalid_page),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
