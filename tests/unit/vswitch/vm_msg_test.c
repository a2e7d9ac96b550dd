/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What VMs' processes say: what is of the protocol is taken, all else is refused, and nothing that
 * is taken drives a terminal.
 */
#include "vswitch/vm_msg.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int parse(const char *text, struct vs_vm_msg *msg)
{
	return vs_vm_msg_parse(text, strlen(text), msg);
}

static void answers_refusals_and_events_are_told_apart(void **state)
{
	struct vs_vm_msg msg;

	assert_int_equal(parse("{\"id\":7,\"result\":{\"name\":\"a\"}}", &msg), 0);
	assert_int_equal(msg.type, VS_VM_ANSWER);
	assert_int_equal(msg.id, 7);
	assert_string_equal(vs_vm_text(msg.body, "name"), "a");
	vs_vm_msg_fini(&msg);
	assert_int_equal(parse("{\"id\":8,\"error\":{\"code\":\"c\",\"what\":\"w\",\"fix\":\"f\"}}",
			       &msg),
			 0);
	assert_int_equal(msg.type, VS_VM_REFUSAL);
	assert_string_equal(msg.err.slug, "c");
	assert_string_equal(msg.err.what, "w");
	assert_string_equal(msg.err.fix, "f");
	assert_true(msg.err.code < 0);
	vs_vm_msg_fini(&msg);
	assert_int_equal(parse("{\"event\":\"nic\",\"name\":\"nic0\",\"text\":\"t\"}", &msg), 0);
	assert_int_equal(msg.type, VS_VM_EVENT);
	assert_string_equal(msg.event, "nic");
	vs_vm_msg_fini(&msg);
}

static void what_is_none_of_the_protocols_is_refused(void **state)
{
	static const char *const bad[] = {
		"",
		"x",
		"[]",
		"1",
		"{}",
		"{\"id\":1}",
		"{\"id\":-1,\"result\":{}}",
		"{\"id\":\"1\",\"result\":{}}",
		"{\"id\":1,\"result\":[]}",
		"{\"id\":1,\"result\":{},\"error\":{}}",
		"{\"id\":1,\"error\":\"x\"}",
		"{\"result\":{}}",
		"{\"event\":1}",
		"{\"event\":\"\"}",
		"{\"id\":1,\"id\":1,\"result\":{}}",
		"{\"id\":1,\"result\":{}} x",
		"{\"id\":1,\"result\":{\"a\":\"\\u0000\"}}",
		"{\"id\":1,\"result\":{\"a\":\"\xff\"}}",
	};
	struct vs_vm_msg msg;
	char *large = malloc(VS_VM_MAX_PACKET + 2);

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (parse(bad[i], &msg) != -EBADMSG)
			fail_msg("taken: %s", bad[i]);
	/* One byte too long, and not. */
	memset(large, ' ', VS_VM_MAX_PACKET + 2);
	memcpy(large, "{\"id\":1,\"result\":{}}", 20);
	assert_int_equal(vs_vm_msg_parse(large, VS_VM_MAX_PACKET, &msg), 0);
	vs_vm_msg_fini(&msg);
	assert_int_equal(vs_vm_msg_parse(large, VS_VM_MAX_PACKET + 1, &msg), -EBADMSG);
	free(large);
}

static void texts_of_a_guest_do_not_drive_the_terminal(void **state)
{
	struct vs_vm_msg msg;
	json_t *ips;

	assert_int_equal(
		parse("{\"id\":1,\"result\":{\"guest\":{\"os\":\"a\\u001b[2Jb\\u009bc\\n\",\"ips\":"
		      "[\"1\\u0007\"],\"b\\u001bad\":1,\"host\":\"\xc3\xa4\"}}}",
		      &msg),
		0);
	assert_string_equal(vs_vm_text(msg.body, "guest.os"), "a?[2Jb??c\n");
	assert_string_equal(vs_vm_text(msg.body, "guest.host"), "\xc3\xa4");
	ips = json_object_get(json_object_get(msg.body, "guest"), "ips");
	assert_string_equal(json_string_value(json_array_get(ips, 0)), "1?");
	assert_int_equal(json_object_size(json_object_get(msg.body, "guest")), 3);
	vs_vm_msg_fini(&msg);
}

static void half_characters_are_mended(void **state)
{
	static const struct {
		const char *text, *mended;
	} cases[] = {{"", ""},
		     {"abc", "abc"},
		     {"a\xc3", "a?"},
		     {"\xe2\x82", "??"},
		     {"\xe2\x82\xac", "\xe2\x82\xac"},
		     {"\xf0\x9f\x98\x80", "\xf0\x9f\x98\x80"},
		     {"\xf0\x9f\x98", "???"},
		     {"\xc0\xaf", "??"},
		     {"\xed\xa0\x80", "???"},
		     {"\xff\xfe", "??"},
		     {"\xc2\x80", "??"},
		     {"a\tb\x7f", "a?b?"}};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[32];
		json_t *json;

		snprintf(text, sizeof(text), "%s", cases[i].text);
		vs_vm_mend(text);
		assert_string_equal(text, cases[i].mended);
		json = json_string(text);
		assert_non_null(json);
		json_decref(json);
	}
}

static void line_that_says_why_a_kernel_panicked_is_found(void **state)
{
	static const struct {
		const char *text, *line;
	} cases[] = {{"", ""},
		     {"one", "one"},
		     {"one\ntwo\n \n", "two"},
		     {"a\n[ 1.0] Kernel panic - not syncing: x\nKernel Offset: disabled\n",
		      "Kernel panic - not syncing: x"},
		     {"\n\n", ""}};
	char line[100], small[8];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		vs_vm_panic_line(cases[i].text, line, sizeof(line));
		assert_string_equal(line, cases[i].line);
	}
	vs_vm_panic_line("Kernel panic - x", small, sizeof(small));
	assert_string_equal(small, "Kernel ");
}

static void large_values_are_cut(void **state)
{
	json_t *list = json_array(), *deep = json_object(), *at = deep, *copy;
	char *text = malloc(20000);

	memset(text, 'x', 19999);
	text[19999] = '\0';
	for (int i = 0; i < 1000; i++)
		json_array_append_new(list, json_integer(i));
	json_object_set_new(deep, "text", json_string(text));
	json_object_set_new(deep, "list", list);
	for (int i = 0; i < 20; i++) {
		json_t *next = json_object();

		json_object_set_new(at, "d", next);
		at = next;
	}
	copy = vs_vm_clean(deep);
	assert_int_equal(strlen(vs_vm_text(copy, "text")), 16384);
	assert_int_equal(json_array_size(json_object_get(copy, "list")), 512);
	at = copy;
	for (int i = 0; i < 8; i++)
		at = json_object_get(at, "d");
	assert_non_null(at);
	assert_true(json_is_null(json_object_get(at, "d")));
	json_decref(copy);
	json_decref(deep);
	free(text);
}

static void first_line_says_ready_or_why_not(void **state)
{
	static const char no[] =
		"{\"error\":{\"code\":\"not-a-kernel\",\"what\":\"it is none\"}}\n";
	struct err err = {0};

	assert_int_equal(vs_vm_line_parse("ready\n", 6, &err), 0);
	assert_int_equal(vs_vm_line_parse("ready", 5, &err), 0);
	assert_int_equal(vs_vm_line_parse(no, strlen(no), &err), -EINVAL);
	assert_string_equal(err.slug, "not-a-kernel");
	assert_string_equal(err.what, "it is none");
	for (const char *const *bad = (const char *const[]){"", "read", "ready!", "{}",
							    "readyready", "{\"error\":1}", NULL};
	     *bad != NULL; bad++) {
		assert_int_equal(vs_vm_line_parse(*bad, strlen(*bad), &err), -EINVAL);
		assert_string_equal(err.slug, "bad-worker");
	}
}

static void file_of_the_end_is_read(void **state)
{
	static const char good[] = "{\"status\":2,\"why\":\"crash\",\"text\":\"panic\"}";
	struct vs_vm_outcome o;

	assert_int_equal(vs_vm_outcome_parse(good, strlen(good), &o), 0);
	assert_int_equal(o.status, 2);
	assert_string_equal(o.why, "crash");
	assert_string_equal(o.text, "panic");
	for (const char *const *bad =
		     (const char *const[]){"", "{}", "{\"status\":\"2\"}", "{\"status\":-1}",
					   "{\"status\":256}", "[2]", NULL};
	     *bad != NULL; bad++)
		assert_int_equal(vs_vm_outcome_parse(*bad, strlen(*bad), &o), -EBADMSG);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_refusals_and_events_are_told_apart),
		cmocka_unit_test(what_is_none_of_the_protocols_is_refused),
		cmocka_unit_test(texts_of_a_guest_do_not_drive_the_terminal),
		cmocka_unit_test(half_characters_are_mended),
		cmocka_unit_test(line_that_says_why_a_kernel_panicked_is_found),
		cmocka_unit_test(large_values_are_cut),
		cmocka_unit_test(first_line_says_ready_or_why_not),
		cmocka_unit_test(file_of_the_end_is_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
