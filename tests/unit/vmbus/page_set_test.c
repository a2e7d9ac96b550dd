/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Sets of pages, beside an array of bools.
 */
#include "vmbus/page_set.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hv/gpa.h"

#define LOW  1000u /* pages from 16 on */
#define HIGH 777u  /* pages from 1 Mi on */

static const struct gpa_map map = {
	.n = 2,
	.range = {{.gpa = 16 * GPA_PAGE_SIZE, .size = LOW * GPA_PAGE_SIZE},
		  {.gpa = 1ull << 32, .size = HIGH * GPA_PAGE_SIZE}},
};

static void set_takes_memory_only(void **state)
{
	struct page_set *set = page_set_create(&map);
	const uint64_t high = 1 << 20;

	assert_int_equal(page_set_size(set), LOW + HIGH);
	assert_int_equal(page_set_add(set, 15, 1), -EFAULT);
	assert_int_equal(page_set_add(set, 16, 0), -EFAULT);
	assert_int_equal(page_set_add(set, 16, LOW + 1), -EFAULT);
	assert_int_equal(page_set_add(set, 16 + LOW, 1), -EFAULT);
	assert_int_equal(page_set_add(set, high + HIGH, 1), -EFAULT);
	assert_int_equal(page_set_add(set, high - 1, 2), -EFAULT);
	assert_int_equal(page_set_add(set, 16, UINT64_MAX), -EFAULT);
	assert_int_equal(page_set_add(set, UINT64_MAX, 2), -EFAULT);
	assert_int_equal(page_set_count(set), 0);
	assert_int_equal(page_set_add(set, 16, LOW), 0);
	assert_int_equal(page_set_add(set, high, HIGH), 0);
	assert_int_equal(page_set_count(set), LOW + HIGH);
	page_set_destroy(set);
}

static void page_is_added_once(void **state)
{
	struct page_set *set = page_set_create(&map);

	assert_int_equal(page_set_add(set, 100, 300), 0);
	assert_int_equal(page_set_add(set, 50, 51), -EEXIST);
	assert_int_equal(page_set_add(set, 399, 100), -EEXIST);
	assert_int_equal(page_set_add(set, 200, 1), -EEXIST);
	assert_int_equal(page_set_add(set, 50, 500), -EEXIST);
	assert_int_equal(page_set_count(set), 300);
	assert_int_equal(page_set_add(set, 50, 50), 0);
	assert_int_equal(page_set_add(set, 400, 1), 0);
	page_set_destroy(set);
}

static void run_does_not_pass_the_hole(void **state)
{
	struct page_set *set = page_set_create(&map);
	uint64_t pfn;

	assert_int_equal(page_set_add(set, 16 + LOW - 5, 5), 0);
	assert_int_equal(page_set_add(set, 1 << 20, 5), 0);
	assert_int_equal(page_set_take(set, 100, &pfn), 5);
	assert_int_equal(pfn, 16 + LOW - 5);
	assert_int_equal(page_set_take(set, 3, &pfn), 3);
	assert_int_equal(pfn, 1 << 20);
	assert_int_equal(page_set_take(set, 100, &pfn), 2);
	assert_int_equal(pfn, (1 << 20) + 3);
	assert_int_equal(page_set_take(set, 100, &pfn), 0);
	page_set_destroy(set);
}

/* Random adds and takes do what an array does. */
static void set_is_what_an_array_is(void **state)
{
	struct page_set *set = page_set_create(&map);
	bool in[16 + LOW] = {0};
	uint64_t count = 0;

	srandom(7);
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t pfn = 16 + (uint64_t)random() % LOW, n = 1 + (uint64_t)random() % 150;
		bool any = false, fits = pfn + n <= 16 + LOW;

		if (random() % 2 == 0) {
			for (uint64_t k = pfn; fits && k < pfn + n; k++)
				any = any || in[k];
			assert_int_equal(page_set_add(set, pfn, n), !fits ? -EFAULT
								    : any ? -EEXIST
									  : 0);
			for (uint64_t k = pfn; fits && !any && k < pfn + n; k++, count++)
				in[k] = true;
		} else {
			uint64_t got = page_set_take(set, n, &pfn);

			assert_int_equal(got == 0, count == 0);
			assert_true(got <= n);
			for (uint64_t k = 0; k < got; k++) {
				assert_true(in[pfn + k]);
				in[pfn + k] = false;
			}
			/* As long as it could be, and the first there is. */
			if (got > 0 && got < n)
				assert_true(pfn + got == 16 + LOW || !in[pfn + got]);
			for (uint64_t k = 16; got > 0 && k < pfn; k++)
				assert_false(in[k]);
			count -= got;
		}
		assert_int_equal(page_set_count(set), count);
	}
	page_set_clear(set);
	assert_int_equal(page_set_count(set), 0);
	assert_int_equal(page_set_add(set, 16, LOW), 0);
	page_set_destroy(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_takes_memory_only),
		cmocka_unit_test(page_is_added_once),
		cmocka_unit_test(run_does_not_pass_the_hole),
		cmocka_unit_test(set_is_what_an_array_is),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
