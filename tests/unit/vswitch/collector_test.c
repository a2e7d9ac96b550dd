/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Collectors: what people write, and sessions over loopback that are refused, end, and come back.
 */
#include "vswitch/collector.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void places_are_addresses_with_a_port(void **state)
{
	static const struct {
		const char *text, *want;
		bool tcp;
	} good[] = {
		{"udp:10.0.0.9", "udp:10.0.0.9:4739", false},
		{"udp:10.0.0.9:1", "udp:10.0.0.9:1", false},
		{"tcp:10.0.0.9:65535", "tcp:10.0.0.9:65535", true},
		{"tcp:[fd00::9]", "tcp:[fd00::9]:4739", true},
		{"udp:[fd00::0:9]:99", "udp:[fd00::9]:99", false},
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct vs_collector_address to;
		struct err err;

		assert_int_equal(vs_collector_parse(good[i].text, 4739, false, &to, &err), 0);
		assert_string_equal(to.text, good[i].want);
		assert_int_equal(to.tcp, good[i].tcp);
	}
}

static void what_is_no_place_is_refused_with_a_reason(void **state)
{
	static const struct {
		const char *text, *why;
	} bad[] = {
		{"", "neither"},
		{"udp", "neither"},
		{"udp:", "no address"},
		{"tcp::4739", "no address"},
		{"udp:[]", "no address"},
		{"udp:[fd00::9", "no address"},
		{"udp:[fd00::9]x", "a port"},
		{"udp:[10.0.0.9]:1", "no address"},
		{"udp:fd00::9", "brackets"},
		{"udp:10.0.0.9:", "a port"},
		{"udp:10.0.0.9:0", "a port"},
		{"udp:10.0.0.9:-1", "a port"},
		{"udp:10.0.0.9:65536", "a port"},
		{"udp:10.0.0.9:123456789012", "a port"},
		{"udp:10.0.0.256", "no address"},
		{"udp:collector.example:4739", "no address"},
		{"udp:0.0.0.0", "nobody"},
		{"udp:255.255.255.255", "nobody"},
		{"tcp:[::]", "nobody"},
		{"sctp:10.0.0.9", "neither"},
		{"udp:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		 "no address"},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vs_collector_address to;
		struct err err;

		if (vs_collector_parse(bad[i].text, 4739, false, &to, &err) == 0)
			fail_msg("%s is taken", bad[i].text);
		assert_string_equal(err.slug, "bad-collector");
		if (strstr(err.why, bad[i].why) == NULL)
			fail_msg("%s: %s", bad[i].text, err.why);
		assert_true(err.fix[0] != '\0');
	}
}

static void samples_go_by_udp_only(void **state)
{
	struct vs_collector_address to;
	struct err err;

	assert_int_equal(vs_collector_parse("udp:10.0.0.9", 6343, true, &to, &err), 0);
	assert_string_equal(to.text, "udp:10.0.0.9:6343");
	assert_true(vs_collector_parse("tcp:10.0.0.9", 6343, true, &to, &err) != 0);
	assert_non_null(strstr(err.why, "UDP"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(places_are_addresses_with_a_port),
		cmocka_unit_test(what_is_no_place_is_refused_with_a_reason),
		cmocka_unit_test(samples_go_by_udp_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
