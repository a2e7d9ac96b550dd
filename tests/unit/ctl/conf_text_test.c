/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Configuration as text and as differences: what is printed, loaded, is what it was; what is wrong
 * is named with its place.
 */
#include "tests/support/sanitized.h"
#include "tests/unit/ctl/conf_random.h"
#include "tests/unit/ctl/conf_support.h"

#define N_RANDOM (SANITIZED ? 300 : 1500)

static char *dump(const json_t *json)
{
	return json_dumps(json, JSON_SORT_KEYS | JSON_INDENT(1));
}

static void assert_same(const json_t *a, const json_t *b, const char *text)
{
	if (!json_equal(a, b))
		fail_msg("%s\nis\n%s\nnot\n%s", text, dump(a), dump(b));
}

static json_t *must_parse(const char *text, const json_t *base)
{
	json_t *state = NULL;
	struct err err = {0};

	if (conf_text_parse(NULL, text, base, &state, &err) != 0)
		fail_msg("%s: in:\n%s", err.what, text);
	return state;
}

static void random_configuration_comes_back_from_its_text(void **unused)
{
	struct random r = {0x7e87};
	size_t n_objects = 0;

	for (int i = 0; i < N_RANDOM; i++) {
		json_t *state = random_configuration(&r, 6), *again;
		char *text = conf_text_format(state), *text_again;
		const char *kind;
		json_t *objects;

		json_object_foreach(state, kind, objects) {
			n_objects += json_object_size(objects);
		}
		again = must_parse(text, NULL);
		assert_same(again, state, text);
		text_again = conf_text_format(again);
		assert_string_equal(text_again, text);
		free(text);
		free(text_again);
		json_decref(state);
		json_decref(again);
	}
	/* The dice did make something. */
	assert_in_range(n_objects, 7 * N_RANDOM, 1000000);
}

static void difference_says_the_commands_that_lead_from_one_to_the_other(void **unused)
{
	struct random r = {0xd1ff};
	size_t n_sets = 0;

	for (int i = 0; i < N_RANDOM; i++) {
		json_t *before = random_configuration(&r, 4), *after, *changes, *change, *reached;
		char *text = NULL;
		size_t size, n;
		FILE *f = open_memstream(&text, &size);

		/* Half of the time something near, so that there is something to 'set'. */
		after = random_configuration(&r, 4);
		if (i % 2 == 0) {
			json_object_update_missing(after, before);
			json_object_update(json_object_get(after, "port"),
					   json_object_get(before, "port"));
		}
		changes = conf_diff(before, after);
		json_array_foreach(changes, n, change) {
			const char *command = json_string_value(json_object_get(change, "command"));

			if (command == NULL)
				fail_msg("no command for %s", dump(change));
			n_sets += strstr(command, " set ") != NULL;
			fprintf(f, "%s\n", command);
		}
		fclose(f);
		reached = must_parse(text, before);
		assert_same(reached, after, text);
		free(text);
		json_decref(before);
		json_decref(after);
		json_decref(changes);
		json_decref(reached);
	}
	assert_in_range(n_sets, N_RANDOM / 3, 1000000);
}

static void difference_of_equals_is_empty(void **unused)
{
	struct random r = {0xe9};
	json_t *state = random_configuration(&r, 5), *copy = json_deep_copy(state), *changes;

	changes = conf_diff(state, copy);
	assert_int_equal(json_array_size(changes), 0);
	json_decref(changes);
	json_decref(state);
	json_decref(copy);
}

static void difference_goes_in_an_order_that_loads(void **unused)
{
	json_t *before = must_parse("switch add old --type private\nport add old p1 --kind mem\n"
				    "switch add both --type private\n",
				    NULL);
	json_t *after = must_parse("switch add both --type private --mac-limit 9\n"
				   "switch add new --type private\nport add new p10 --kind "
				   "mem\nport add new p2 --kind mem\n"
				   "tenant add blue --id 1\n",
				   NULL);
	static const char *const expect[] = {
		"port remove p1",
		"switch remove old",
		"tenant add blue --id 1",
		"switch set both --mac-limit 9",
		"switch add new --type private",
		"port add new p2 --kind mem",
		"port add new p10 --kind mem",
	};
	json_t *changes = conf_diff(before, after), *change;
	size_t i;

	assert_int_equal(json_array_size(changes), 7);
	json_array_foreach(changes, i, change) {
		assert_string_equal(json_string_value(json_object_get(change, "command")),
				    expect[i]);
	}
	json_decref(changes);
	json_decref(before);
	json_decref(after);
}

static void what_an_object_is_made_of_changes_by_remove_and_add(void **unused)
{
	json_t *before =
		must_parse("switch add s --type private\nport add s p1 --kind mem\n", NULL);
	json_t *after =
		must_parse("switch add s --type private\nport add s p1 --kind tap --vlan 3\n",
			   NULL);
	json_t *changes = conf_diff(before, after);

	assert_int_equal(json_array_size(changes), 1);
	assert_string_equal(json_string_value(
				    json_object_get(json_array_get(changes, 0), "command")),
			    "port remove p1\nport add s p1 --kind tap --vlan 3");
	json_decref(changes);
	json_decref(before);
	json_decref(after);
}

static void people_may_write_comments_quotes_and_blank_lines(void **unused)
{
	json_t *state = must_parse("# a comment\n"
				   "\n"
				   "   \t\r\n"
				   "vswitchctl switch add lan0 --type private # and why\r\n"
				   "port add lan0 'p1' --kind phys \\\n"
				   "    --device \"two words\"\n"
				   "  port set p1 --vlan=5",
				   NULL);
	json_t *expect =
		json_pack("{s:{s:{s:s, s:s}}, s:{s:{s:s, s:s, s:s, s:s, s:i}}}", "switch", "lan0",
			  "name", "lan0", "type", "private", "port", "p1", "name", "p1", "switch",
			  "lan0", "kind", "phys", "device", "two words", "vlan", 5);

	assert_same(state, expect, "");
	json_decref(state);
	json_decref(expect);
	state = must_parse("", NULL);
	assert_int_equal(json_object_size(state), 0);
	json_decref(state);
}

static void assert_wrong(const char *text, const char *place, const char *what)
{
	json_t *state = NULL;
	struct err err = {0};

	assert_true(conf_text_parse(NULL, text, NULL, &state, &err) < 0);
	assert_null(state);
	if (strncmp(err.what, place, strlen(place)) != 0 || strstr(err.what, what) == NULL)
		fail_msg("'%s'\nsays '%s'\nnot '%s .. %s'", text, err.what, place, what);
}

static void mistake_is_named_with_line_and_column(void **unused)
{
	assert_wrong("switch", "line 1, column 1: ", "'switch ' is not a command");
	assert_wrong("\n\n  swich add lan0", "line 3, column 3: ", "'swich add' is not a command");
	assert_wrong("vswitchctl swich add lan0", "line 1, column 12: ", "'swich add'");
	assert_wrong("switch list", "line 1, column 1: ", "does not change the configuration");
	assert_wrong("config load x", "line 1, column 1: ", "does not change the configuration");
	assert_wrong("config rollback 3",
		     "line 1, column 1: ", "does not change the configuration");
	assert_wrong("switch add", "line 1, column 1: ", "needs");
	assert_wrong("switch add lan0", "line 1, column 12: ", "needs --type");
	assert_wrong("switch add lan0 --type privat", "line 1, column 24: ", "privat");
	assert_wrong("switch add lan0 --tpye private", "line 1, column 17: ", "tpye");
	assert_wrong("switch add lan0 --type private --mac-limit many\n",
		     "line 1, column 44: ", "many");
	assert_wrong("switch add lan0 lan1 --type private", "line 1, column 17: ", "lan1");
	assert_wrong("switch add \xc3\xa9\xc3\xa9", "line 1, column 12: ", "\xc3\xa9\xc3\xa9");
	/* Characters are counted, not bytes. */
	assert_wrong("switch add 'l\xc3\xa9' x", "line 1, column 17: ", "'x'");
	assert_wrong("switch add a --type private\nport add a p --kind phys \\\n --device 'it''s\n",
		     "line 3, column 15: ", "quote is not closed");
	assert_wrong("switch add a --type private \\", "line 1, column 29: ", "backslash");
	assert_wrong("switch add a --type private\nswitch add a --type private",
		     "line 2, column 1: ", "exists");
	assert_wrong("port set p1 --vlan 3", "line 1, column 1: ", "no port 'p1'");
	/* Lines inside quotes count. */
	assert_wrong("port add a p --kind phys --device 'one\ntwo\nthree'\nbad line",
		     "line 1, column 35: ", "control");
	assert_wrong("switch add a --type \\\nprivate \\\n\nbad line",
		     "line 4, column 1: ", "bad line");
}

static void mistake_leaves_the_state_it_started_from_alone(void **unused)
{
	json_t *base = must_parse("switch add a --type private\n", NULL),
	       *copy = json_deep_copy(base), *state = NULL;
	struct err err;

	assert_int_equal(conf_text_parse(NULL,
					 "switch remove a\nswitch add b --type private\nnonsense\n",
					 base, &state, &err),
			 -EINVAL);
	assert_true(json_equal(base, copy));
	json_decref(base);
	json_decref(copy);
}

static void text_that_was_hit_by_accidents_never_hurts(void **unused)
{
	struct random r = {0xacc1};

	for (int i = 0; i < 2 * N_RANDOM; i++) {
		json_t *state = random_configuration(&r, 3), *again = NULL;
		char *text = conf_text_format(state);
		size_t n = strlen(text);
		struct err err = {0};

		for (unsigned hits = 1 + random_below(&r, 4); hits > 0 && n > 0; hits--)
			text[random_below(&r, (unsigned)n)] =
				"\n'\"\\# -=,\x80"[random_below(&r, 11)];
		if (conf_text_parse(NULL, text, NULL, &again, &err) == 0) {
			/* What was taken is a configuration like any other. */
			char *printed = conf_text_format(again);
			json_t *third = must_parse(printed, NULL);

			assert_same(third, again, printed);
			json_decref(third);
			free(printed);
		} else {
			assert_int_equal(strncmp(err.what, "line ", 5), 0);
		}
		json_decref(again);
		json_decref(state);
		free(text);
	}
}

static void kind_that_is_not_known_is_a_comment(void **unused)
{
	json_t *state = json_pack("{s:{s:{}}}", "rocket", "r1");
	char *text = conf_text_format(state);

	assert_string_equal(text, "# rocket r1: not known to this version\n");
	free(text);
	json_decref(state);
}

static void thousands_of_ports_load_in_a_moment(void **unused)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	json_t *state;

	fprintf(f, "switch add lan0 --type private\n");
	for (int i = 0; i < 4096; i++)
		fprintf(f, "port add lan0 p%d --kind mem --vlan %d\n", i, 1 + i % 4094);
	fclose(f);
	/* The test's time limit is the assertion: copying the state for each line would take
	 * minutes. */
	for (int i = 0; i < 10; i++) {
		state = must_parse(text, NULL);
		assert_int_equal(json_object_size(json_object_get(state, "port")), 4096);
		json_decref(state);
	}
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_configuration_comes_back_from_its_text),
		cmocka_unit_test(difference_says_the_commands_that_lead_from_one_to_the_other),
		cmocka_unit_test(difference_of_equals_is_empty),
		cmocka_unit_test(difference_goes_in_an_order_that_loads),
		cmocka_unit_test(what_an_object_is_made_of_changes_by_remove_and_add),
		cmocka_unit_test(people_may_write_comments_quotes_and_blank_lines),
		cmocka_unit_test(mistake_is_named_with_line_and_column),
		cmocka_unit_test(mistake_leaves_the_state_it_started_from_alone),
		cmocka_unit_test(text_that_was_hit_by_accidents_never_hurts),
		cmocka_unit_test(kind_that_is_not_known_is_a_comment),
		cmocka_unit_test(thousands_of_ports_load_in_a_moment),
	};

	return cmocka_run_group_tests_name("conf text", tests, NULL, NULL);
}
