/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whole commands: words -> parameters -> words, and what both sides refuse.
 */
#include "ctl/spec.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Parses "NOUN VERB words.."; returns what ctl_args_parse says. */
static int parse(const char *line, json_t **ret_params, struct err *err)
{
	char **words;
	int n = ctl_words_split(line, &words, err), rc;
	const struct ctl_spec *spec;

	assert_true(n >= 2);
	spec = ctl_spec_find(words[0], words[1]);
	assert_non_null(spec);
	rc = ctl_args_parse(spec, n - 2, words + 2, ret_params, err);
	ctl_words_free(words);
	return rc;
}

static void assert_parses(const char *line, const char *expected)
{
	struct err err = {0};
	json_t *params = NULL;
	char *text;

	if (parse(line, &params, &err) != 0)
		fail_msg("%s: %s", line, err.what);
	text = json_dumps(params, JSON_COMPACT);
	assert_string_equal(text, expected);
	free(text);
	json_decref(params);
}

static void assert_refused(const char *line, const char *what, const char *why)
{
	struct err err = {0};
	json_t *params = NULL;

	assert_int_equal(parse(line, &params, &err), -EINVAL);
	assert_null(params);
	assert_string_equal(err.slug, "usage");
	assert_string_equal(err.what, what);
	if (why != NULL)
		assert_string_equal(err.why, why);
}

static void words_become_flat_parameters_in_table_order(void **state)
{
	assert_parses("port add lan0 p1 --kind tap --netns blue --vlan 10 --address "
		      "10.0.0.1/24,fd00::1/64",
		      "{\"switch\":\"lan0\",\"name\":\"p1\",\"kind\":\"tap\",\"vlan\":10,"
		      "\"address\":[\"10.0.0.1/24\",\"fd00::1/64\"],\"netns\":\"blue\"}");
	assert_parses("port add --kind=phys --take-address lan0 --admin down -- p1",
		      "{\"switch\":\"lan0\",\"name\":\"p1\",\"kind\":\"phys\",\"admin\":\"down\","
		      "\"take_address\":true}");
	assert_parses("core set --max-sleep 50us", "{\"max_sleep\":50}");
	assert_parses("switch show x --no-pipeline", "{\"name\":\"x\",\"pipeline\":false}");
	assert_parses("switch list", "{}");
}

static void lists_may_be_repeated_and_rest_takes_what_is_left(void **state)
{
	assert_parses("capture start a b --stage ingress --stage drop c",
		      "{\"port\":[\"a\",\"b\",\"c\"],\"stage\":[\"ingress\",\"drop\"]}");
	assert_parses("capture start -w - -c5", "{\"write\":\"-\",\"count\":5}");
}

static void a_number_is_a_revision_and_another_word_a_file(void **state)
{
	assert_parses("config diff 12", "{\"revision\":12}");
	assert_parses("config diff a.conf", "{\"file\":\"a.conf\"}");
	assert_parses("config diff --file 12", "{\"file\":\"12\"}");
	assert_parses("config load -", "{\"file\":\"-\"}");
}

static void what_a_command_does_not_take_is_refused_with_the_nearest(void **state)
{
	assert_refused("port add lan0 p1 --kin tap", "port add has no argument --kin",
		       "did you mean --kind?");
	assert_refused("port add lan0 p1 p2 --kind tap", "one word too many: 'p2'", NULL);
	assert_refused("port add lan0 p1 --kind tap -z", "unknown option '-z'", NULL);
	assert_refused("switch list -- --", "one word too many: '--'", NULL);
}

static void what_is_missing_is_named(void **state)
{
	assert_refused("port add lan0 --kind tap", "port add needs NAME",
		       "name of the port, unique on the host");
	assert_refused("port add lan0 p1", "port add needs --kind", NULL);
	assert_refused("port add lan0 p1 --kind", "no value after '--kind'", NULL);
	assert_refused("port add lan0 p1 --kind --mtu 5", "no value after '--kind'", NULL);
	assert_refused("port add lan0 p1 --kind tap --kind tap", "given twice: 'kind'", NULL);
}

static void an_argument_of_another_kind_is_refused(void **state)
{
	assert_refused("port add lan0 p1 --kind host --netns blue", "--netns: not with --kind host",
		       "it belongs to --kind tap");
	/* Also where its value is wrong besides. */
	assert_refused("port add lan0 p1 --mode lacp --kind team", "--mode: not with --kind team",
		       "it belongs to --kind vhost|memif");
	assert_refused("port add lan0 p1 --mode lacp --kind vhost",
		       "--mode: 'lacp' is not one of client|server", NULL);
	/* Whoever adds a port knows that it is an access port when nothing is said. */
	assert_refused("port add lan0 p1 --kind host --allowed 1-5",
		       "--allowed: not with --vlan-mode access", NULL);
	assert_parses(
		"port add lan0 p1 --kind host --vlan-mode trunk --allowed 1-5",
		"{\"switch\":\"lan0\",\"name\":\"p1\",\"kind\":\"host\",\"vlan_mode\":\"trunk\","
		"\"allowed\":\"1-5\"}");
	/* Whoever changes one may have made it a trunk before. */
	assert_parses("port set p1 --allowed 1-5", "{\"name\":\"p1\",\"allowed\":\"1-5\"}");
	assert_refused("port set p1 --vlan-mode access --allowed 1-5",
		       "--allowed: not with --vlan-mode access", NULL);
}

static void what_a_port_is_made_of_cannot_be_set(void **state)
{
	assert_refused("port set p1 --netns red",
		       "--netns of a port cannot be changed while it exists", NULL);
	assert_refused("switch set lan0 --type private",
		       "--type of a switch cannot be changed while it exists", NULL);
}

static int check(const char *noun, const char *verb, const char *json, json_t **ret,
		 struct err *err)
{
	json_t *params = json_loads(json, JSON_DECODE_ANY, NULL);
	int rc;

	assert_non_null(params);
	rc = ctl_args_check(ctl_spec_find(noun, verb), params, ret, err);
	json_decref(params);
	return rc;
}

static void parameters_from_json_keep_the_same_rules(void **state)
{
	static const char *const bad[] = {
		"[]",
		"1",
		"{}",
		"{\"switch\":\"a\",\"name\":\"b\",\"kind\":\"tap\",\"x\":1}",
		"{\"switch\":\"a\",\"name\":\"b\",\"kind\":\"tap\",\"vlan\":\"10\"}",
		"{\"switch\":\"a\",\"name\":\"b\",\"kind\":\"tap\",\"vlan\":10.5}",
		"{\"switch\":\"a\",\"name\":\"b\",\"kind\":\"tap\",\"vlan\":4095}",
		"{\"switch\":\"a\",\"name\":\"b\",\"kind\":\"tap\",\"vlan\":null}",
		"{\"switch\":\"a\",\"name\":\"b\",\"kind\":\"tap\",\"vlan-mode\":\"access\"}",
		"{\"switch\":\"a\",\"name\":\"b\",\"kind\":\"tap\",\"take_address\":true}",
		"{\"switch\":\"a\",\"name\":\"b\",\"kind\":\"host\",\"address\":[\"::1/8,::2/8\"]}",
		"{\"switch\":\"a\",\"name\":\"b\",\"kind\":\"host\",\"address\":\"10.0.0.1/24\"}",
		"{\"switch\":\"a\",\"name\":\"b\",\"kind\":\"host\",\"address\":[]}",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = {0};
		json_t *params = NULL;

		if (check("port", "add", bad[i], &params, &err) != -EINVAL)
			fail_msg("takes %s", bad[i]);
		assert_null(params);
		assert_string_equal(err.slug, "usage");
	}
}

static void checked_parameters_are_normal(void **state)
{
	json_t *params;
	char *text;

	assert_int_equal(check("port", "add",
			       "{\"name\":\"b\",\"kind\":\"tap\",\"switch\":\"a\","
			       "\"mac\":\"02-00-00-00-00-AA\",\"vlan_mode\":\"trunk\",\"allowed\":"
			       "\"3,1-2\"}",
			       &params, NULL),
			 0);
	text = json_dumps(params, JSON_COMPACT);
	assert_string_equal(
		text, "{\"switch\":\"a\",\"name\":\"b\",\"kind\":\"tap\","
		      "\"mac\":\"02:00:00:00:00:aa\",\"vlan_mode\":\"trunk\",\"allowed\":\"1-3\"}");
	free(text);
	json_decref(params);
	assert_int_equal(ctl_args_check(ctl_spec_find("switch", "list"), NULL, &params, NULL), 0);
	assert_int_equal(json_object_size(params), 0);
	json_decref(params);
}

/* Formatting gives words that parse to the same parameters. */
static void assert_round_trip(const char *line, const char *expected)
{
	char **words;
	int n = ctl_words_split(line, &words, NULL);
	const struct ctl_spec *spec = ctl_spec_find(words[0], words[1]);
	json_t *params, *again;
	struct err err = {0};
	char *text;

	if (ctl_args_parse(spec, n - 2, words + 2, &params, &err) != 0)
		fail_msg("%s", err.what);
	text = ctl_args_format(spec, params);
	assert_string_equal(text, expected != NULL ? expected : line);
	assert_int_equal(parse(text, &again, &err), 0);
	assert_true(json_equal(params, again));
	free(text);
	json_decref(params);
	json_decref(again);
	ctl_words_free(words);
}

static void formatting_undoes_parsing(void **state)
{
	assert_round_trip("port add lan0 p1 --kind tap --netns blue", NULL);
	assert_round_trip("port add lan0 p1 --kind phys --no-take-address", NULL);
	assert_round_trip("switch add lan0 --type private --mac-age 60000ms",
			  "switch add lan0 --type private --mac-age 1m");
	assert_round_trip("core set --max-sleep 50us --rebalance off", NULL);
	assert_round_trip("tenant add red --id 5 --flood-rate 10000000",
			  "tenant add red --id 5 --flood-rate 10M");
	assert_round_trip("capture start a b --stage ingress,drop --filter 'tcp port 80'", NULL);
	assert_round_trip("config diff 12", NULL);
	assert_round_trip("config diff --file 12", NULL);
	assert_round_trip("config diff it\\'s", "config diff --file 'it'\\''s'");
	assert_round_trip("config load --file=-x", NULL);
	assert_round_trip("config load -- -x", "config load --file=-x");
	assert_round_trip("capture start --filter=-x", NULL);
	assert_round_trip("config set --metrics '[::1]:80'", NULL);
}

static void pruning_drops_what_the_mode_forbids(void **state)
{
	json_t *params = json_pack("{s:s,s:s,s:s,s:s,s:i,s:s}", "switch", "a", "name", "b", "kind",
				   "tap", "vlan_mode", "access", "vlan", 5, "allowed", "1-5");

	ctl_args_prune(ctl_spec_find("port", "add"), params);
	assert_null(json_object_get(params, "allowed"));
	assert_int_equal(json_object_size(params), 5);
	json_decref(params);
}

static void assert_object_name(const char *kind, json_t *params, const char *expected)
{
	char *name = ctl_spec_object_name(ctl_spec_of_kind(kind), params);

	if (expected == NULL)
		assert_null(name);
	else
		assert_string_equal(name, expected);
	free(name);
	json_decref(params);
}

static void objects_are_named_by_their_key_arguments(void **state)
{
	assert_object_name("port", json_pack("{s:s}", "name", "p1"), "p1");
	assert_object_name("core", json_pack("{s:i}", "cpu", 3), "3");
	assert_object_name("settings", json_object(), "settings");
	assert_object_name("cores", json_object(), "cores");
	assert_object_name("mac", json_pack("{s:s,s:s}", "port", "p1", "mac", "02:00:00:00:00:01"),
			   "p1 - 02:00:00:00:00:01");
	assert_object_name("port", json_object(), NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_become_flat_parameters_in_table_order),
		cmocka_unit_test(lists_may_be_repeated_and_rest_takes_what_is_left),
		cmocka_unit_test(a_number_is_a_revision_and_another_word_a_file),
		cmocka_unit_test(what_a_command_does_not_take_is_refused_with_the_nearest),
		cmocka_unit_test(what_is_missing_is_named),
		cmocka_unit_test(an_argument_of_another_kind_is_refused),
		cmocka_unit_test(what_a_port_is_made_of_cannot_be_set),
		cmocka_unit_test(parameters_from_json_keep_the_same_rules),
		cmocka_unit_test(checked_parameters_are_normal),
		cmocka_unit_test(formatting_undoes_parsing),
		cmocka_unit_test(pruning_drops_what_the_mode_forbids),
		cmocka_unit_test(objects_are_named_by_their_key_arguments),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
