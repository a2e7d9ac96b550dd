/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The names of drop reasons.
 */
#include "dataplane/drop.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void every_reason_has_a_slug_of_its_own_and_a_text(void **state)
{
	for (unsigned i = 0; i < DP_N_DROPS; i++) {
		const char *slug = dp_drop_slug(i), *text = dp_drop_text(i);

		assert_non_null(slug);
		assert_non_null(text);
		assert_true(strlen(text) > strlen("why"));
		for (const char *c = slug; *c != '\0'; c++)
			assert_true(islower((unsigned char)*c) || *c == '-');
		for (unsigned j = 0; j < i; j++)
			assert_string_not_equal(slug, dp_drop_slug(j));
	}
}

static void names_stand_at_their_reason(void **state)
{
	assert_string_equal(dp_drop_slug(DP_DROP_VLAN_NOT_MEMBER), "vlan-not-member");
	assert_string_equal(dp_drop_text(DP_DROP_RUNT), "shorter than an Ethernet header");
	assert_string_equal(dp_drop_slug(DP_N_DROPS - 1), "port-removed");
}

static void what_is_no_reason_has_no_name(void **state)
{
	static const int others[] = {DP_N_DROPS, DP_N_DROPS + 1, -1, INT32_MAX, INT32_MIN};

	for (unsigned i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_null(dp_drop_slug((enum dp_drop)others[i]));
		assert_null(dp_drop_text((enum dp_drop)others[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_reason_has_a_slug_of_its_own_and_a_text),
		cmocka_unit_test(names_stand_at_their_reason),
		cmocka_unit_test(what_is_no_reason_has_no_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
