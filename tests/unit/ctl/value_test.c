/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Single values: every type's words, limits and normal form.
 */
#include "ctl/spec_priv.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Parses and checks; returns the JSON as text, or the error's text.  The caller frees. */
static char *take(const struct ctl_arg *arg, const char *word)
{
	struct err err = {0};
	json_t *raw, *value;
	char *text;
	int rc = ctl_value_parse(arg, word, &raw, &err);

	if (rc == 0) {
		rc = ctl_value_check(arg, raw, &value, &err);
		json_decref(raw);
	}
	if (rc != 0) {
		assert_int_equal(rc, -EINVAL);
		assert_int_equal(err.code, -EINVAL);
		assert_string_equal(err.slug, "usage");
		return strdup(err.what);
	}
	text = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
	json_decref(value);
	return text;
}

static void assert_takes(const struct ctl_arg *arg, const char *word, const char *expected)
{
	char *text = take(arg, word);

	assert_string_equal(text, expected);
	free(text);
}

/* Refused, with the argument's name in front. */
static void assert_refuses(const struct ctl_arg *arg, const char *word)
{
	char *text = take(arg, word);

	if (strncmp(text, "--x: ", 5) != 0)
		fail_msg("'%s' gave %s", word, text);
	free(text);
}

static void integers_keep_their_range(void **state)
{
	struct ctl_arg arg = {.name = "x", .type = CTL_UINT, .min = 1, .max = 4094};

	assert_takes(&arg, "1", "1");
	assert_takes(&arg, "4094", "4094");
	assert_takes(&arg, "0x10", "16");
	assert_takes(&arg, "010", "10");
	assert_takes(&arg, "0", "--x: 0 is not in 1 to 4094");
	assert_takes(&arg, "4095", "--x: 4095 is not in 1 to 4094");
	assert_refuses(&arg, "99999999999999999999");
	assert_refuses(&arg, "");
	assert_refuses(&arg, "-1");
	assert_refuses(&arg, "+1");
	assert_refuses(&arg, " 1");
	assert_refuses(&arg, "1 ");
	assert_refuses(&arg, "0x");
	assert_refuses(&arg, "ten");
}

static void sizes_and_rates_have_units(void **state)
{
	struct ctl_arg size = {.name = "x", .type = CTL_SIZE},
		       rate = {.name = "x", .type = CTL_RATE};

	assert_takes(&size, "0", "0");
	assert_takes(&size, "10M", "10000000");
	assert_takes(&size, "64Ki", "65536");
	assert_takes(&size, "1.5GB", "1500000000");
	assert_takes(&size, "2GiB", "2147483648");
	assert_takes(&rate, "100M", "100000000");
	assert_takes(&rate, "2.5Gbit", "2500000000");
	assert_refuses(&size, "10Q");
	assert_refuses(&size, "M");
	assert_refuses(&size, "1.M");
	assert_refuses(&size, "1.0000000001k");
	assert_refuses(&size, "9223372036854775808");
	assert_refuses(&size, "99999999T");
	assert_refuses(&rate, "10Mi");
}

static void durations_are_milliseconds_or_microseconds(void **state)
{
	struct ctl_arg ms = {.name = "x", .type = CTL_DURATION},
		       us = {.name = "x", .type = CTL_MICROS};

	assert_takes(&ms, "60s", "60000");
	assert_takes(&ms, "60", "60000");
	assert_takes(&ms, "0.25s", "250");
	assert_takes(&ms, "1d", "86400000");
	assert_takes(&ms, "36525d", "3155760000000");
	assert_takes(&us, "50us", "50");
	assert_takes(&us, "1ms", "1000");
	assert_takes(&us, "0", "0");
	assert_refuses(&us, "50");
	assert_refuses(&ms, "50us");
	assert_refuses(&ms, "36526d");
	assert_refuses(&ms, "9999999999999999999s");
}

static void what_is_formatted_parses_to_the_same(void **state)
{
	static const int64_t numbers[] = {0,	1,    999,     1000,	 1024,	     1500,
					  4096, 1001, 1000000, 10485760, 3600000000, 86400000};
	static const enum ctl_type types[] = {CTL_SIZE, CTL_RATE, CTL_DURATION, CTL_MICROS,
					      CTL_UINT};

	for (size_t t = 0; t < sizeof(types) / sizeof(types[0]); t++) {
		struct ctl_arg arg = {.name = "x", .type = types[t]};

		for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
			json_t *value = json_integer(numbers[i]);
			char *word = ctl_value_format(&arg, value), *expected;

			expected = json_dumps(value, JSON_ENCODE_ANY);
			assert_takes(&arg, word, expected);
			free(expected);
			free(word);
			json_decref(value);
		}
	}
}

static void macs_become_lower_case_with_colons(void **state)
{
	struct ctl_arg arg = {.name = "x", .type = CTL_MAC};

	assert_takes(&arg, "02:00:00:00:AB:01", "\"02:00:00:00:ab:01\"");
	assert_takes(&arg, "02-00-00-00-ab-01", "\"02:00:00:00:ab:01\"");
	assert_refuses(&arg, "02:00:00:00:ab");
	assert_refuses(&arg, "02:00:00:00:ab:01:");
	assert_refuses(&arg, "02:00:00:00:ab:0g");
	assert_refuses(&arg, "2:0:0:0:0:1");
	assert_refuses(&arg, "0");
}

static void vlan_sets_are_sorted_and_merged(void **state)
{
	struct ctl_arg arg = {.name = "x", .type = CTL_VLANS};

	assert_takes(&arg, "9,1,5-8", "\"1,5-9\"");
	assert_takes(&arg, "all", "\"all\"");
	assert_takes(&arg, "1-2000,2001-4094", "\"all\"");
	assert_takes(&arg, "63,64", "\"63-64\"");
	assert_takes(&arg, "4094", "\"4094\"");
	assert_refuses(&arg, "0");
	assert_refuses(&arg, "4095");
	assert_refuses(&arg, "5-1");
	assert_refuses(&arg, "1,");
	assert_refuses(&arg, ",1");
	assert_refuses(&arg, "1-");
	assert_refuses(&arg, "1 2");
	assert_refuses(&arg, "99999999999");
}

static void names_hold_what_a_shell_and_a_path_bear(void **state)
{
	struct ctl_arg arg = {.name = "x", .type = CTL_NAME};
	char name[65];

	assert_takes(&arg, "web-1.blue:0/a@b_c", "\"web-1.blue:0/a@b_c\"");
	memset(name, 'a', 64);
	name[63] = '\0';
	ctl_is_name(name);
	assert_true(ctl_is_name(name));
	name[63] = 'a';
	name[64] = '\0';
	assert_false(ctl_is_name(name));
	assert_refuses(&arg, "");
	assert_refuses(&arg, "-a");
	assert_refuses(&arg, "a b");
	assert_refuses(&arg, "a\nb");
	assert_refuses(&arg, "a;b");
	assert_refuses(&arg, "caf\xc3\xa9");
	assert_refuses(&arg, "caf\xe9");
}

static void forms_hold(enum ctl_form form, const char *const *good, const char *const *bad)
{
	for (; *good != NULL; good++)
		assert_int_equal(ctl_form_check(form, "x", *good, NULL), 0);
	for (; *bad != NULL; bad++) {
		if (ctl_form_check(form, "x", *bad, NULL) != -EINVAL)
			fail_msg("form %d takes '%s'", (int)form, *bad);
	}
}

#define WORDS(...) ((const char *const[]){__VA_ARGS__, NULL})

static void strings_keep_their_form(void **state)
{
	forms_hold(
		CTL_FORM_CIDR, WORDS("10.0.0.1/24", "0.0.0.0/0", "fd00::1/64", "::1/128"),
		WORDS("10.0.0.1", "10.0.0.1/33", "10.0.0/24", "fd00::1/129", "/24", "10.0.0.1/",
		      "10.0.0.1/24x",
		      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/1"));
	forms_hold(CTL_FORM_PREFIX, WORDS("10.0.0.5", "10.0.0.0/8", "fd00::5", "::/0"),
		   WORDS("10.0.0", "10.0.0.5/33", "fd00::/129", "x", "10.0.0.5/"));
	forms_hold(CTL_FORM_MAC, WORDS("02:00:00:00:00:01", "02-00-00-00-00-0A"),
		   WORDS("02:00:00:00:00", "02:00:00:00:00:01:02", "gg:00:00:00:00:01"));
	forms_hold(CTL_FORM_ENDPOINT, WORDS("127.0.0.1:9464", "[::1]:9464", "off"),
		   WORDS("127.0.0.1", ":1", "::1:9464", "[127.0.0.1]:1", "[::1]", "[:1", "[]:1",
			 "1.2.3.4:0", "1.2.3.4:65536", "localhost:80"));
	forms_hold(CTL_FORM_TENANT_VLAN, WORDS("blue=100", "a=4094"),
		   WORDS("blue", "=1", "blue=", "blue=0", "blue=4095", "b e=1", "blue=1=2"));
	forms_hold(CTL_FORM_IFNAME, WORDS("eth0", "a", "br-lan.100", "123456789012345"),
		   WORDS("1234567890123456", "a/b", "a b", ".", "..", "a:b"));
	forms_hold(CTL_FORM_PATH, WORDS("/run/x.sock"), WORDS("run/x", ""));
	forms_hold(CTL_FORM_RING, WORDS("10x100M", "2x65536", "10000x1G"),
		   WORDS("1x1M", "10001x1M", "x1M", "10x", "10", "10x65535", "10x-1"));
	forms_hold(CTL_FORM_VLAN, WORDS("1", "4094"), WORDS("0", "4095", "", "1,2", "a"));
}

static void a_path_longer_than_a_socket_address_is_refused(void **state)
{
	char path[120];

	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[107] = '\0';
	assert_int_equal(ctl_form_check(CTL_FORM_PATH, "x", path, NULL), 0);
	path[107] = 'a';
	path[108] = '\0';
	assert_int_equal(ctl_form_check(CTL_FORM_PATH, "x", path, NULL), -EINVAL);
}

static void lists_split_at_commas_and_check_each_item(void **state)
{
	struct ctl_arg arg = {.name = "x", .type = CTL_LIST, .choices = "ingress|egress|drop"};

	assert_takes(&arg, "drop", "[\"drop\"]");
	assert_takes(&arg, "ingress,drop", "[\"ingress\",\"drop\"]");
	assert_refuses(&arg, "ingress,");
	assert_refuses(&arg, "");
	assert_refuses(&arg, "in");
	arg.min = arg.max = 2;
	assert_takes(&arg, "drop", "--x: takes 2 to 2 items, not 1");
	assert_takes(&arg, "drop,drop", "[\"drop\",\"drop\"]");
	assert_refuses(&arg, "drop,drop,drop");
}

static void choices_say_which_was_near(void **state)
{
	struct ctl_arg arg = {.name = "x",
			      .type = CTL_CHOICE,
			      .choices = "external|internal|private"};
	struct err err = {0};
	json_t *raw, *value;

	assert_takes(&arg, "private", "\"private\"");
	assert_int_equal(ctl_value_parse(&arg, "privat", &raw, &err), 0);
	assert_int_equal(ctl_value_check(&arg, raw, &value, &err), -EINVAL);
	assert_string_equal(err.what, "--x: 'privat' is not one of external|internal|private");
	assert_string_equal(err.why, "did you mean 'private'?");
	json_decref(raw);
	assert_refuses(&arg, "external|internal");
	assert_refuses(&arg, "|");
}

static void strings_are_bounded_and_printable(void **state)
{
	struct ctl_arg arg = {.name = "x", .type = CTL_STR};
	char *text = calloc(1, CTL_MAX_STR + 2);

	memset(text, 'a', CTL_MAX_STR);
	free(take(&arg, text));
	assert_refuses(&arg, "");
	text[CTL_MAX_STR] = 'a';
	assert_refuses(&arg, text);
	free(text);
	assert_refuses(&arg, "a\nb");
	assert_refuses(&arg, "a\x7f");
	assert_refuses(&arg, "\xff\xfe");
	assert_takes(&arg, "tcp port 80", "\"tcp port 80\"");
}

/* Any other JSON type is refused by every argument type. */
static void json_of_another_type_is_refused(void **state)
{
	json_t *values[] = {json_null(),      json_true(),   json_integer(5), json_real(5.5),
			    json_string("5"), json_object(), json_array(),    json_pack("[i]", 5)};

	for (int type = CTL_STR; type <= CTL_FD_IN; type++) {
		struct ctl_arg arg = {.name = "x",
				      .type = (enum ctl_type)type,
				      .max = 10,
				      .choices = "a"};

		for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
			json_t *value = NULL;
			int rc = ctl_value_check(&arg, values[i], &value, NULL);

			if (rc == 0)
				assert_true(json_typeof(value) == json_typeof(values[i]) ||
					    json_is_boolean(value));
			json_decref(value);
			if (json_is_null(values[i]) || json_is_object(values[i]) ||
			    json_is_real(values[i]))
				assert_int_equal(rc, -EINVAL);
		}
	}
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++)
		json_decref(values[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(integers_keep_their_range),
		cmocka_unit_test(sizes_and_rates_have_units),
		cmocka_unit_test(durations_are_milliseconds_or_microseconds),
		cmocka_unit_test(what_is_formatted_parses_to_the_same),
		cmocka_unit_test(macs_become_lower_case_with_colons),
		cmocka_unit_test(vlan_sets_are_sorted_and_merged),
		cmocka_unit_test(names_hold_what_a_shell_and_a_path_bear),
		cmocka_unit_test(strings_keep_their_form),
		cmocka_unit_test(a_path_longer_than_a_socket_address_is_refused),
		cmocka_unit_test(lists_split_at_commas_and_check_each_item),
		cmocka_unit_test(choices_say_which_was_near),
		cmocka_unit_test(strings_are_bounded_and_printable),
		cmocka_unit_test(json_of_another_type_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
