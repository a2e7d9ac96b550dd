/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where controllers are, in words.
 */
#include "vswitch/target.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void good_ones_say_where(void **state)
{
	static const struct {
		const char *text, *address;
		bool tls, local, listens, loopback;
	} good[] = {
		{"tcp:10.0.0.1:6653", "10.0.0.1:6653", false, false, false, false},
		{"tcp:127.0.0.1", "127.0.0.1:6653", false, false, false, true},
		{"tcp:[fd00::1]:1", "[fd00::1]:1", false, false, false, false},
		{"tcp:[::1]", "[::1]:6653", false, false, false, true},
		{"tls:10.0.0.1:65535", "10.0.0.1:65535", true, false, false, false},
		{"ssl:127.1.2.3:6633", "127.1.2.3:6633", true, false, false, true},
		{"ptcp:6653", "127.0.0.1:6653", false, false, true, true},
		{"ptcp:6653:0.0.0.0", "0.0.0.0:6653", false, false, true, false},
		{"ptcp:6653:[::]", "[::]:6653", false, false, true, false},
		{"ptcp:6653:::1", "[::1]:6653", false, false, true, true},
		{"ptls:7:10.0.0.2", "10.0.0.2:7", true, false, true, false},
		{"pssl:7", "127.0.0.1:7", true, false, true, true},
		{"unix:/run/c.sock", "unix", false, true, false, true},
		{"punix:/run/c.sock", "unix", false, true, true, true},
	};

	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct vs_target t;
		struct err err = {0};
		char address[80];

		if (vs_target_parse(good[i].text, &t, &err) != 0)
			fail_msg("%s: %s", good[i].text, err.what);
		vs_address_format((const struct sockaddr *)&t.address, address, sizeof(address));
		assert_string_equal(address, good[i].address);
		assert_string_equal(t.text, good[i].text);
		assert_int_equal(t.tls, good[i].tls);
		assert_int_equal(t.local, good[i].local);
		assert_int_equal(t.listens, good[i].listens);
		assert_int_equal(vs_target_is_loopback(&t), good[i].loopback);
	}
}

static void bad_ones_are_refused_with_words(void **state)
{
	static const char *const bad[] = {
		"",
		"tcp",
		"tcp:",
		"udp:10.0.0.1:1",
		"tcp:10.0.0.1:0",
		"tcp:10.0.0.1:65536",
		"tcp:10.0.0.1:99999999999999999999",
		"tcp:10.0.0.1:",
		"tcp:10.0.0.1:66x",
		"tcp:10.0.0.256:1",
		"tcp:controller.example.com:6653",
		"tcp:localhost",
		"tcp:fd00::1:6653",
		"tcp:[fd00::1",
		"tcp:[]:1",
		"tcp:[10.0.0.1]:1",
		"ptcp:",
		"ptcp:0",
		"ptcp:10.0.0.1:6653",
		"ptcp:6653:",
		"ptcp:6653:any",
		"ptcp:66530000",
		"unix:relative",
		"unix:",
		"punix:/"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		"tcp:"
		"11111111111111111111111111111111111111111111111111111111111111111111111111111111"
		"111111111111111111111111111111111111111111111111111111111111111111111111111111111"
		"1",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct vs_target t = {.text = "untouched"};
		struct err err = {0};

		if (vs_target_parse(bad[i], &t, &err) != -EINVAL)
			fail_msg("taken: %s", bad[i]);
		assert_string_equal(t.text, "untouched");
		assert_string_equal(err.slug, "bad-target");
		assert_true(err.why[0] != '\0' && err.fix[0] != '\0');
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_ones_say_where),
		cmocka_unit_test(bad_ones_are_refused_with_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
