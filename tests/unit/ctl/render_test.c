/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What people see: values, tables, rates, errors, exit codes.
 */
#include "ctl/render.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_shown(const char *json, enum ctl_show show, const char *expected)
{
	json_t *value = json_loads(json, JSON_DECODE_ANY, NULL);
	char *text = ctl_show_text(value, show);

	assert_string_equal(text, expected);
	free(text);
	json_decref(value);
}

static void values_are_shown_with_their_units(void **state)
{
	assert_shown("1234567", CTL_AS_COUNT, "1 234 567");
	assert_shown("999", CTL_AS_COUNT, "999");
	assert_shown("-1000", CTL_AS_COUNT, "-1 000");
	assert_shown("-9223372036854775808", CTL_AS_COUNT, "-9 223 372 036 854 775 808");
	assert_shown("999", CTL_AS_BYTES, "999 B");
	assert_shown("12345678", CTL_AS_BYTES, "12.3 MB");
	assert_shown("999999", CTL_AS_BYTES, "1.00 MB");
	assert_shown("9223372036854775807", CTL_AS_BYTES, "9.22 EB");
	assert_shown("1200000000", CTL_AS_RATE, "1.20 Gb/s");
	assert_shown("5", CTL_AS_AGE, "5s");
	assert_shown("0.25", CTL_AS_AGE, "0.2s");
	assert_shown("192", CTL_AS_AGE, "3m12s");
	assert_shown("183600", CTL_AS_AGE, "2d3h");
	assert_shown("0.125", CTL_AS_PERCENT, "12.5%");
	assert_shown("60000", CTL_AS_DURATION, "1m");
	assert_shown("0", CTL_AS_DURATION, "0s");
	assert_shown("131.5", CTL_AS_IS, "131.5");
	assert_shown("true", CTL_AS_IS, "yes");
	assert_shown("[1,\"a\",false]", CTL_AS_IS, "1,a,no");
	assert_shown("{\"a\":1}", CTL_AS_IS, "{\"a\":1}");
}

static void times_are_shown_as_local_time(void **state)
{
	setenv("TZ", "UTC-2", 1);
	assert_shown("1700000000123456789", CTL_AS_TIME, "2023-11-15 00:13:20.123");
	assert_shown("\"2023-11-14T22:13:20.123Z\"", CTL_AS_TIME, "2023-11-15 00:13:20.123");
	assert_shown("\"yesterday\"", CTL_AS_TIME, "yesterday");
	assert_shown("\"Z\"", CTL_AS_TIME, "Z");
}

static void what_is_not_there_is_a_dash(void **state)
{
	char *text = ctl_show_text(NULL, CTL_AS_COUNT);

	assert_string_equal(text, "-");
	free(text);
	assert_shown("null", CTL_AS_IS, "-");
	assert_shown("\"\"", CTL_AS_IS, "-");
	assert_shown("[]", CTL_AS_IS, "-");
}

/* A guest's name for its NIC must not recolour, retitle or clear the administrator's terminal. */
static void control_characters_do_not_reach_the_terminal(void **state)
{
	assert_shown("\"a\\u001b[2Jb\\nc\\u007f\"", CTL_AS_IS, "a?[2Jb?c?");
	assert_shown("\"a\\u009b2Jb\"", CTL_AS_IS, "a??2Jb");
	assert_shown("[\"x\\r\"]", CTL_AS_IS, "x?");
	assert_shown("\"caf\\u00e9\"", CTL_AS_IS, "caf\xc3\xa9");
}

static const struct ctl_col cols[] = {
	{"name", "NAME", CTL_LEFT, CTL_AS_IS, true},
	{"stats.rx", "RX", CTL_RIGHT, CTL_AS_COUNT, false},
	{"bytes", "BYTES", CTL_RIGHT, CTL_AS_BYTES, false},
	{"note", "NOTE", CTL_LEFT, CTL_AS_IS, false},
	{0},
};
static const struct ctl_arg no_args[] = {{0}};
static const struct ctl_spec table = {
	.noun = "x", .verb = "y", .args = no_args, .cols = cols, .rows = "rows"};

/* Draws into a string; the caller frees. */
static char *draw(const struct ctl_spec *spec, const char *json, struct ctl_render r)
{
	json_t *answer = json_loads(json, 0, NULL);
	char *text = NULL;
	size_t size;

	assert_non_null(answer);
	r.out = open_memstream(&text, &size);
	ctl_render_answer(&r, spec, answer);
	fclose(r.out);
	json_decref(answer);
	return text;
}

static void assert_drawn(const struct ctl_spec *spec, const char *json, const char *expected)
{
	char *text = draw(spec, json, (struct ctl_render){0});

	assert_string_equal(text, expected);
	free(text);
}

static void tables_align_and_leave_out_what_is_empty(void **state)
{
	assert_drawn(&table,
		     "{\"rows\":[{\"name\":\"p1\",\"stats\":{\"rx\":12345},\"bytes\":1500,\"note\":"
		     "\"\"},"
		     "{\"name\":\"port2\",\"stats\":{\"rx\":7}}]}",
		     "NAME       RX    BYTES\n"
		     "p1     12 345  1.50 kB\n"
		     "port2       7        -\n");
	assert_drawn(
		&table,
		"{\"rows\":[{\"name\":\"caf\\u00e9\",\"note\":\"bad\"},{\"name\":\"abcdef\"}]}",
		"NAME    NOTE\n"
		"caf\xc3\xa9    bad\n"
		"abcdef  -\n");
}

static void an_empty_table_has_its_titles(void **state)
{
	assert_drawn(&table, "{\"rows\":[]}", "NAME  RX  BYTES  NOTE\n");
	assert_drawn(&table, "{}", "NAME  RX  BYTES  NOTE\n");
	assert_drawn(&table, "{\"rows\":7}", "NAME  RX  BYTES  NOTE\n");
}

static void objects_are_lines_and_what_they_hold_is_indented(void **state)
{
	static const struct ctl_spec plain = {.noun = "x", .verb = "y", .args = no_args};

	assert_drawn(&plain,
		     "{\"name\":\"p1\",\"rx_packets\":5,\"in\":{\"a\":1,\"bb\":[]},\"rows\":[{"
		     "\"k\":1}]}",
		     "name:       p1\n"
		     "rx packets: 5\n"
		     "in:\n"
		     "  a:  1\n"
		     "  bb: -\n"
		     "rows:\n"
		     "K\n"
		     "1\n");
}

static void columns_choose_and_name_the_lines_of_an_object(void **state)
{
	struct ctl_spec spec = table;

	spec.rows = NULL;
	assert_drawn(&spec, "{\"note\":\"x\",\"stats\":{\"rx\":1000},\"other\":1,\"name\":\"n\"}",
		     "NAME: n\n"
		     "RX:   1 000\n"
		     "NOTE: x\n");
}

static void lines_are_cut_to_the_screen_when_it_is_drawn_over(void **state)
{
	char *text = draw(
		&table,
		"{\"rows\":[{\"name\":\"caf\\u00e9caf\\u00e9\",\"note\":\"long\"},{\"name\":\"b\"},"
		"{\"name\":\"c\"}]}",
		(struct ctl_render){.width = 6, .height = 3});

	assert_string_equal(text, "NAME  \033[K\n"
				  "caf\xc3\xa9"
				  "ca\033[K\n"
				  "b     \033[K\n");
	free(text);
}

static void colours_are_only_for_terminals_that_want_them(void **state)
{
	FILE *f = tmpfile();
	char *text;

	assert_false(ctl_render_for(f).colour);
	fclose(f);
	text = draw(&table, "{\"rows\":[{\"name\":\"up\"}]}", (struct ctl_render){.colour = true});
	assert_string_equal(text, "\033[1mNAME\033[0m\n\033[32mup\033[0m\n");
	free(text);
}

static json_t *load(const char *json)
{
	json_t *value = json_loads(json, 0, NULL);

	assert_non_null(value);
	return value;
}

static void counters_become_rates(void **state)
{
	json_t *before = load("{\"rows\":[{\"name\":\"a\",\"stats\":{\"rx\":100},\"bytes\":1000},"
			      "{\"name\":\"b\",\"stats\":{\"rx\":50},\"bytes\":0}]}");
	/* The rows changed places, 'a' was counted anew, 'c' is new. */
	json_t *after =
		load("{\"rows\":[{\"name\":\"b\",\"stats\":{\"rx\":150},\"bytes\":250000},"
		     "{\"name\":\"a\",\"stats\":{\"rx\":10},\"bytes\":2000},{\"name\":\"c\"}]}");
	struct ctl_render r = {.rates = true};
	char *text = NULL;
	size_t size;

	ctl_rates_annotate(&table, before, after, 2.0);
	r.out = open_memstream(&text, &size);
	ctl_render_answer(&r, &table, after);
	fclose(r.out);
	assert_string_equal(text, "NAME    RX      BYTES\n"
				  "b     50/s  1.00 Mb/s\n"
				  "a        -  4.00 kb/s\n"
				  "c        -          -\n");
	free(text);
	json_decref(before);
	json_decref(after);
}

static void rows_are_sorted_by_their_rates(void **state)
{
	json_t *before =
		load("{\"rows\":[{\"name\":\"a\",\"bytes\":0},{\"name\":\"b\",\"bytes\":0},"
		     "{\"name\":\"c\",\"bytes\":0}]}");
	json_t *after = load("{\"rows\":[{\"name\":\"a\",\"bytes\":0},{\"name\":\"b\",\"bytes\":9},"
			     "{\"name\":\"c\",\"bytes\":0}]}");
	json_t *rows;

	ctl_rates_annotate(&table, before, after, 1.0);
	ctl_rates_sort(&table, after);
	rows = json_object_get(after, "rows");
	assert_int_equal(json_array_size(rows), 3);
	assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 0), "name")),
			    "b");
	assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 1), "name")),
			    "a");
	assert_string_equal(json_string_value(json_object_get(json_array_get(rows, 2), "name")),
			    "c");
	json_decref(before);
	json_decref(after);
}

static void errors_are_up_to_three_lines(void **state)
{
	struct err err;
	char *text = NULL;
	size_t size;
	struct ctl_render r = {.out = open_memstream(&text, &size)};

	err_set(&err, -EBUSY, "port-busy", "cannot add port eth1: it has address 10.0.0.5/24");
	ctl_render_error(&r, &err);
	err_why(&err, "a \033[31mphysical port");
	err_fix(&err, "vswitchctl port add ext0 eth1 --kind phys --take-address");
	ctl_render_error(&r, &err);
	fclose(r.out);
	assert_string_equal(text,
			    "error[port-busy]: cannot add port eth1: it has address 10.0.0.5/24\n"
			    "error[port-busy]: cannot add port eth1: it has address 10.0.0.5/24\n"
			    "  why: a ?[31mphysical port\n"
			    "  fix: vswitchctl port add ext0 eth1 --kind phys --take-address\n");
	free(text);
}

static void assert_exit(int code, const char *slug, int expected)
{
	struct err err;

	err_set(&err, code, slug, "x");
	assert_int_equal(ctl_exit_code(&err), expected);
}

static void exit_codes_are_those_of_the_manual(void **state)
{
	assert_exit(-EIO, "io", 1);
	assert_exit(-EINVAL, "usage", 2);
	assert_exit(-ENOENT, "not-found", 3);
	assert_exit(-ENODEV, "no-device", 3);
	assert_exit(-EEXIST, "exists", 4);
	assert_exit(-EBUSY, "port-busy", 4);
	assert_exit(-EINVAL, "bad-vlan", 5);
	assert_exit(-ECANCELED, "vetoed", 5);
	assert_exit(-ENOENT, "daemon-unreachable", 6);
	assert_exit(-ECONNRESET, "daemon-gone", 6);
	assert_exit(-EACCES, "not-permitted", 7);
	assert_exit(-EPERM, "not-permitted", 7);
	assert_exit(-ETIMEDOUT, "timeout", 9);
	assert_exit(-EOPNOTSUPP, "not-supported", 11);
	assert_exit(-ENOSYS, "not-supported", 11);
}

static void assert_change(const char *json, bool check, const char *expected)
{
	json_t *answer = load(json);
	char *text = NULL;
	size_t size;
	struct ctl_render r = {.out = open_memstream(&text, &size)};

	ctl_render_change(&r, answer, check);
	fclose(r.out);
	assert_string_equal(text, expected);
	free(text);
	json_decref(answer);
}

static void changes_say_what_was_done(void **state)
{
	assert_change("{}", false, "ok\n");
	assert_change("{\"changed\":true,\"revision\":7}", false, "ok: revision 7\n");
	assert_change("{\"changed\":false,\"revision\":7}", false, "ok: nothing to change\n");
	assert_change("{\"changed\":true,\"revision\":7,\"confirm_ms\":60000}", false,
		      "ok: revision 7\nundone in 1m unless: vswitchctl config confirm\n");
	assert_change("{\"changed\":true,\"revision\":7,\"moved\":\"10.0.0.1/24\"}", false,
		      "moved: 10.0.0.1/24\nok: revision 7\n");
	assert_change(
		"{\"would_change\":true,\"changes\":[{\"op\":\"add\",\"command\":\"core add 1\"},"
		"{\"op\":\"remove\",\"command\":\"core remove "
		"2\"},{\"op\":\"change\",\"command\":\"x\"}]}",
		true, "+ core add 1\n- core remove 2\n~ x\ncheck: it would be done; nothing was\n");
	assert_change("{\"would_change\":false,\"changes\":[]}", true,
		      "check: nothing would change\n");
}

/* Whatever a daemon of another version sends, drawing it is safe. */
static void any_json_can_be_drawn(void **state)
{
	static const char *const answers[] = {
		"{}",
		"[]",
		"{\"rows\":{}}",
		"{\"rows\":[1,null,[],{}]}",
		"{\"rows\":[{\"name\":{\"a\":[{}]},\"stats\":[],\"note\":7}]}",
		"{\"rows\":[{\"stats\":{\"rx\":\"x\"},\"bytes\":true}]}"};

	for (const struct ctl_spec *spec = ctl_specs(); spec->noun != NULL; spec++) {
		for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
			char *text =
				draw(spec, answers[i], (struct ctl_render){.rates = i % 2 == 0});
			json_t *a = load(answers[i]), *b = load(answers[i]);

			assert_non_null(text);
			ctl_rates_annotate(spec, a, b, 1.0);
			free(text);
			json_decref(a);
			json_decref(b);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_shown_with_their_units),
		cmocka_unit_test(times_are_shown_as_local_time),
		cmocka_unit_test(what_is_not_there_is_a_dash),
		cmocka_unit_test(control_characters_do_not_reach_the_terminal),
		cmocka_unit_test(tables_align_and_leave_out_what_is_empty),
		cmocka_unit_test(an_empty_table_has_its_titles),
		cmocka_unit_test(objects_are_lines_and_what_they_hold_is_indented),
		cmocka_unit_test(columns_choose_and_name_the_lines_of_an_object),
		cmocka_unit_test(lines_are_cut_to_the_screen_when_it_is_drawn_over),
		cmocka_unit_test(colours_are_only_for_terminals_that_want_them),
		cmocka_unit_test(counters_become_rates),
		cmocka_unit_test(rows_are_sorted_by_their_rates),
		cmocka_unit_test(errors_are_up_to_three_lines),
		cmocka_unit_test(exit_codes_are_those_of_the_manual),
		cmocka_unit_test(changes_say_what_was_done),
		cmocka_unit_test(any_json_can_be_drawn),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
