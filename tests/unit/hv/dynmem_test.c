/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How short of memory the host is, by its own words.
 */
#include "hv/worker/dynmem.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_host_is_short_between_a_quarter_and_a_twentieth(void **state)
{
	assert_int_equal(dynmem_shortage("MemTotal:       1000 kB\nMemFree:   0 kB\n"
					 "MemAvailable:    900 kB\n"),
			 0);
	assert_int_equal(dynmem_shortage("MemTotal: 1000 kB\nMemAvailable: 250 kB\n"), 0);
	assert_int_equal(dynmem_shortage("MemTotal: 1000 kB\nMemAvailable: 150 kB\n"), 50);
	assert_int_equal(dynmem_shortage("MemTotal: 1000 kB\nMemAvailable: 50 kB\n"), 100);
	assert_int_equal(dynmem_shortage("MemTotal: 1000 kB\nMemAvailable: 0 kB\n"), 100);
	/* What says nothing is no shortage. */
	assert_int_equal(dynmem_shortage(""), 0);
	assert_int_equal(dynmem_shortage("MemAvailable: 0 kB\n"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_host_is_short_between_a_quarter_and_a_twentieth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
