/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Sets of VLANs as people write them.
 */
#include "vswitch/model.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct err err;

static void check_same(const char *text, const char *want)
{
	uint64_t set[DP_VLAN_WORDS];
	char *got;

	assert_int_equal(vs_vlans_parse(text, set, &err), 0);
	got = vs_vlans_format(set);
	assert_string_equal(got, want);
	free(got);
}

static void list_is_written_back_shortest(void **state)
{
	check_same("1", "1");
	check_same("4094", "4094");
	check_same("10,20-29", "10,20-29");
	check_same("3,2,1", "1-3");
	check_same("5-9,7,6-12", "5-12");
	check_same("63,64,65", "63-65"); /* over the edge of a word */
	check_same("1,3", "1,3");
	check_same("7-7", "7");
	check_same("1-4094", "all");
	check_same("all", "all");
	check_same("none", "none");
}

static void what_is_no_list_is_refused_and_changes_nothing(void **state)
{
	static const char *const bad[] = {"",
					  ",",
					  "0",
					  "4095",
					  "1,",
					  ",1",
					  "1,,2",
					  "1-",
					  "-1",
					  "2-1",
					  "0-5",
					  "1-4095",
					  " 1",
					  "1 ",
					  "1, 2",
					  "0x10",
					  "1-2-3",
					  "ALL",
					  "all,1",
					  "none,1",
					  "1-+2",
					  "+1",
					  "65537",
					  "1.5",
					  "4294967297",
					  "1;2",
					  "18446744073709551617",
					  "99999999999999999999",
					  "1-99999999999999999999"};
	uint64_t set[DP_VLAN_WORDS], before[DP_VLAN_WORDS];

	memset(set, 0x5a, sizeof(set));
	memcpy(before, set, sizeof(before));
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(vs_vlans_parse(bad[i], set, &err), -EINVAL);
		assert_string_equal(err.slug, "bad-vlans");
		assert_non_null(strstr(err.what, bad[i]));
		assert_memory_equal(set, before, sizeof(set));
	}
	assert_int_equal(vs_vlans_parse("x", set, NULL), -EINVAL);
}

static void all_is_every_vlan_but_none_and_the_reserved_one(void **state)
{
	uint64_t set[DP_VLAN_WORDS];

	assert_int_equal(vs_vlans_parse("all", set, &err), 0);
	assert_false(dp_vlan_test(set, 0));
	assert_false(dp_vlan_test(set, 4095));
	for (uint16_t v = 1; v <= 4094; v++)
		assert_true(dp_vlan_test(set, v));
	assert_int_equal(vs_vlans_parse("none", set, &err), 0);
	for (uint16_t v = 0; v < 4096; v++)
		assert_false(dp_vlan_test(set, v));
}

static void every_single_vlan_and_its_complement_come_back(void **state)
{
	for (unsigned v = 1; v <= 4094; v += 31) {
		char text[32];

		snprintf(text, sizeof(text), "%u", v);
		check_same(text, text);
		if (v < 3 || v > 4092)
			continue;
		snprintf(text, sizeof(text), "1-%u,%u-4094", v - 1, v + 1);
		check_same(text, text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list_is_written_back_shortest),
		cmocka_unit_test(what_is_no_list_is_refused_and_changes_nothing),
		cmocka_unit_test(all_is_every_vlan_but_none_and_the_reserved_one),
		cmocka_unit_test(every_single_vlan_and_its_complement_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
