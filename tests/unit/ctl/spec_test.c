/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The table itself: what every entry owes to parser, help and 'config show'.
 */
#include "ctl/spec.h"
#include "ctl/spec_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define EACH_SPEC(spec)	    (const struct ctl_spec *spec = ctl_specs(); spec->noun != NULL; spec++)
#define EACH_ARG(spec, arg) (const struct ctl_arg *arg = (spec)->args; arg->name != NULL; arg++)

static void the_table_has_every_noun(void **state)
{
	static const char *const nouns[] = {"switch",	 "port",   "vlan",    "tenant",	    "core",
					    "mac",	 "config", "capture", "stats",	    "drop",
					    "events",	 "top",	   "doctor",  "flow",	    "group",
					    "meter",	 "trace",  "why",     "controller", "vtep",
					    "conntrack", "queue",  "zone",    "nic",	    "vm",
					    "disk",	 "filter", "ipfix",   "sflow",	    "guard",
					    "ipset",	 "acl",	   "qos",     "mirror",	    "team",
					    "vmq",	 "sriov"};
	size_t n = 0;

	for (size_t i = 0; i < sizeof(nouns) / sizeof(nouns[0]); i++) {
		size_t n_of_noun = 0;

		for
			EACH_SPEC(spec)
		n_of_noun += strcmp(spec->noun, nouns[i]) == 0;
		if (n_of_noun == 0)
			fail_msg("no command of %s", nouns[i]);
		n += n_of_noun;
	}
	for
		EACH_SPEC(spec)
	n--;
	assert_int_equal(n, 0);
}

static void every_command_is_found_and_has_what_help_needs(void **state)
{
	for
		EACH_SPEC(spec)
		{
			assert_ptr_equal(ctl_spec_find(spec->noun, spec->verb), spec);
			assert_non_null(spec->summary);
			assert_non_null(spec->args);
			assert_true(spec->summary[strlen(spec->summary) - 1] != '.');
			if (spec->examples == NULL || spec->examples[0] == NULL)
				fail_msg("%s %s has no example", spec->noun, spec->verb);
		for
			EACH_ARG(spec, arg)
			{
				if (arg->help == NULL || arg->help[strlen(arg->help) - 1] == '.')
					fail_msg("%s %s %s: help", spec->noun, spec->verb,
						 arg->name);
			}
		/* An answer of rows needs columns, and says its shape to other clients. */
		if (spec->rows != NULL && (spec->cols == NULL || spec->answer == NULL))
			fail_msg("%s %s: columns", spec->noun, spec->verb);
		}
}

static void arguments_have_keys_of_their_own(void **state)
{
	for
		EACH_SPEC(spec)
		{
			size_t n = 0;

		for
			EACH_ARG(spec, arg)
			{
				char key[CTL_KEY_SIZE];

				assert_ptr_equal(ctl_spec_arg(spec, ctl_arg_key(arg, key)), arg);
				/* The server's own, and the tool's. */
				assert_string_not_equal(key, "check");
				assert_string_not_equal(key, "confirm");
				assert_string_not_equal(key, "json");
				assert_string_not_equal(key, "help");
				assert_true(strncmp(key, "no_", 3) != 0);
				n++;
			}
		assert_true(n <= 64);
		}
}

static void types_have_what_they_need(void **state)
{
	for
		EACH_SPEC(spec)
		{
		for
			EACH_ARG(spec, arg)
			{
				if (arg->type == CTL_CHOICE)
					assert_non_null(arg->choices);
				if (arg->flags & (CTL_REST | CTL_OR))
					assert_true(arg->flags & CTL_POS);
				if (arg->flags & CTL_OR)
					assert_true(arg->type == CTL_UINT &&
						    (arg[1].flags & CTL_POS));
				/* 'set' has no use for what cannot be set. */
				if (strcmp(spec->verb, "set") == 0)
					assert_false(arg->flags & CTL_DEVICE);
			}
		}
}

/* "kind=tap|host" names a choice argument of the same command, and its choices. */
static void only_names_choices_that_exist(void **state)
{
	for
		EACH_SPEC(spec)
		{
		for
			EACH_ARG(spec, arg)
			{
				char only[128], *save = NULL, *word;
				const struct ctl_arg *other;

				if (arg->only == NULL)
					continue;
				snprintf(only, sizeof(only), "%s", arg->only);
				word = strtok_r(only, "=", &save);
				for (char *p = word; *p != '\0'; p++)
					*p = (char)(*p == '-' ? '_' : *p);
				other = ctl_spec_arg(spec, word);
				/* 'port set' and 'nic add' share options with 'port add' but have
				 * no kind. */
				if (other == NULL) {
					assert_true(strcmp(spec->verb, "set") == 0 ||
						    strcmp(spec->noun, "nic") == 0);
					continue;
				}
				while ((word = strtok_r(NULL, "|", &save)) != NULL)
					assert_true(ctl_choice_has(other->choices, word));
				if (spec->kind != NULL && !(other->flags & CTL_REQUIRED))
					assert_true(ctl_choice_has(other->choices, other->def));
			}
		}
}

static bool names_object(const struct ctl_spec *spec, const struct ctl_arg *arg)
{
	return spec->key != NULL && strstr(spec->key, arg->name) != NULL;
}

/* What must be given has no default. */
static bool must_be_given(const struct ctl_spec *spec, const struct ctl_arg *arg)
{
	const struct ctl_spec *adds = ctl_spec_find(spec->noun, "add");
	const struct ctl_arg *added = adds != NULL ? ctl_spec_arg(adds, arg->name) : NULL;

	return added != NULL && (added->flags & CTL_REQUIRED) != 0;
}

static void options_of_set_can_go_back_to_their_default(void **state)
{
	for
		EACH_SPEC(spec)
		{
			const struct ctl_arg *back = ctl_spec_arg(spec, "default");

			if (back == NULL)
				continue;
		for
			EACH_ARG(spec, arg)
			{
				/* An object's digest goes with its file. */
				if (!(arg->flags & CTL_POS) && arg != back &&
				    strcmp(arg->name, "sha256") != 0 && !names_object(spec, arg) &&
				    !must_be_given(spec, arg) &&
				    !ctl_choice_has(back->choices, arg->name))
					fail_msg("%s %s: %s has no way back", spec->noun,
						 spec->verb, arg->name);
			}
		}
}

static void kinds_are_unique_and_their_keys_are_arguments(void **state)
{
	size_t n = 0;

	for
		EACH_SPEC(spec)
		{
			char keys[64], *save = NULL;

			if (spec->kind == NULL)
				continue;
			n++;
			assert_ptr_equal(ctl_spec_of_kind(spec->kind), spec);
			assert_true(spec->flags & CTL_CHANGES);
			snprintf(keys, sizeof(keys), "%s", spec->key != NULL ? spec->key : "");
			for (char *key = strtok_r(keys, " ", &save); key != NULL;
			     key = strtok_r(NULL, " ", &save))
				assert_non_null(ctl_spec_arg(spec, key));
		}
	assert_in_range(n, 16, 32);
}

static void a_verb_of_two_words_is_found_in_each_form(void **state)
{
	char filter[] = "filter", map[] = "map", dump[] = "dump", both[] = "map-dump", m[] = "m";
	char *const apart[] = {filter, map, dump, m}, *const joined[] = {filter, both, m, m};
	const struct ctl_spec *spec = ctl_spec_find("filter", "map dump");
	char method[CTL_METHOD_SIZE];
	int n = 0;

	assert_non_null(spec);
	assert_ptr_equal(ctl_spec_find("filter", "map-dump"), spec);
	assert_null(ctl_spec_find("filter", "map"));
	assert_null(ctl_spec_find("filter", "map-dum"));
	assert_ptr_equal(ctl_spec_of_words(4, apart, &n), spec);
	assert_int_equal(n, 3);
	assert_ptr_equal(ctl_spec_of_words(4, joined, &n), spec);
	assert_int_equal(n, 2);
	assert_null(ctl_spec_of_words(2, apart, &n));
	assert_string_equal(ctl_spec_method("filter", "map dump", method), "filter.map-dump");
}

static void commands_of_a_kind_are_found_by_what_they_say(void **state)
{
	const struct ctl_spec *attach = ctl_spec_of_kind("attachment");

	assert_string_equal(ctl_spec_remover(attach)->verb, "detach");
	assert_string_equal(ctl_spec_setter(attach)->verb, "move");
	assert_string_equal(ctl_spec_remover(ctl_spec_of_kind("filter"))->verb, "unload");
	assert_string_equal(ctl_spec_setter(ctl_spec_of_kind("filter"))->verb, "swap");
	assert_string_equal(ctl_spec_remover(ctl_spec_of_kind("port"))->verb, "remove");
}

static void a_noun_means_at_most_one_command(void **state)
{
	for
		EACH_SPEC(spec)
		{
			if (spec->flags & CTL_DEFAULT)
				assert_ptr_equal(ctl_spec_default(spec->noun), spec);
		}
	assert_string_equal(ctl_spec_default("doctor")->verb, "run");
	assert_string_equal(ctl_spec_default("top")->verb, "show");
	assert_null(ctl_spec_default("nothing"));
	assert_null(ctl_spec_find("port", "nothing"));
	assert_null(ctl_spec_of_kind("nothing"));
}

/* What help shows must be what the parser takes. */
static void every_example_parses(void **state)
{
	for
		EACH_SPEC(spec)
		{
			for (const char *const *line = spec->examples; *line != NULL; line++) {
				char **words, copy[256];
				struct err err = {0};
				const struct ctl_spec *found;
				json_t *params;
				int n, first = 3, n_words = 2;

				/* A pipe's other half is not ours, and global options are the
				 * tool's. */
				snprintf(copy, sizeof(copy), "%.*s", (int)strcspn(*line, "|<>"),
					 *line);
				n = ctl_words_split(copy, &words, &err);
				assert_true(n >= 2);
				assert_string_equal(words[0], "vswitchctl");
				found = n > 2 ? ctl_spec_of_words(n - 1, words + 1, &n_words)
					      : NULL;
				first = 1 + n_words;
				if (found == NULL) {
					found = ctl_spec_default(words[1]);
					first = 2;
				}
				assert_non_null(found);
				while (n > first && (strcmp(words[n - 1], "--check") == 0 ||
						     strncmp(words[n - 1], "-w", 2) == 0))
					free(words[--n]);
				if (n > first + 1 && strcmp(words[n - 2], "--confirm") == 0) {
					free(words[--n]);
					free(words[--n]);
				}
				words[n] = NULL;
				if (ctl_args_parse(found, n - first, words + first, &params,
						   &err) != 0)
					fail_msg("%s: %s", *line, err.what);
				json_decref(params);
				ctl_words_free(words);
			}
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_table_has_every_noun),
		cmocka_unit_test(every_command_is_found_and_has_what_help_needs),
		cmocka_unit_test(arguments_have_keys_of_their_own),
		cmocka_unit_test(types_have_what_they_need),
		cmocka_unit_test(only_names_choices_that_exist),
		cmocka_unit_test(options_of_set_can_go_back_to_their_default),
		cmocka_unit_test(kinds_are_unique_and_their_keys_are_arguments),
		cmocka_unit_test(a_verb_of_two_words_is_found_in_each_form),
		cmocka_unit_test(commands_of_a_kind_are_found_by_what_they_say),
		cmocka_unit_test(a_noun_means_at_most_one_command),
		cmocka_unit_test(every_example_parses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
