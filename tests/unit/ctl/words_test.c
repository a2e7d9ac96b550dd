/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Lines of words, quoting, and the nearest word.
 */
#include "ctl/spec.h"
#include "ctl/spec_priv.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The words joined with '|', or the error with '!' in front.  The caller frees. */
static char *split(const char *line)
{
	struct err err = {0};
	char **words = NULL, *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	int n = ctl_words_split(line, &words, &err);

	if (n < 0) {
		assert_int_equal(err.code, n);
		assert_string_equal(err.slug, "usage");
		fprintf(f, "!%s", err.what);
	}
	for (int i = 0; i < n; i++)
		fprintf(f, "%s%s", i > 0 ? "|" : "", words[i]);
	if (n >= 0)
		assert_null(words[n]);
	ctl_words_free(words);
	fclose(f);
	return text;
}

static void assert_split(const char *line, const char *expected)
{
	char *text = split(line);

	assert_string_equal(text, expected);
	free(text);
}

static void words_are_separated_by_any_white_space(void **state)
{
	assert_split("", "");
	assert_split(" \t\n", "");
	assert_split("port add  lan0\tp1\n", "port|add|lan0|p1");
}

static void quotes_and_backslashes_keep_what_they_protect(void **state)
{
	assert_split("'a b' \"c d\" e\\ f", "a b|c d|e f");
	assert_split("a'b'\"c\"d", "abcd");
	assert_split("'' x \"\"", "|x|");
	assert_split("'\\n\"' \"\\\"\\\\\\$\\`\\n'\"", "\\n\"|\"\\$`\\n'");
	assert_split("a\\\nb \\\n c \"d\\\ne\"", "ab|c|de");
	assert_split("'two\nlines'", "two\nlines");
}

static void comments_start_words_only(void **state)
{
	assert_split("a # b 'c", "a");
	assert_split("# all\nb", "b");
	assert_split("a#b '#' \\#", "a#b|#|#");
}

static void open_quotes_and_lone_backslashes_are_refused_with_their_column(void **state)
{
	assert_split("ab 'c", "!column 4: the quote is not closed");
	assert_split("\"c\\\"", "!column 1: the quote is not closed");
	assert_split("x \\", "!column 3: a backslash at the end escapes nothing");
}

static void too_many_words_are_refused(void **state)
{
	char line[2 * 5000 + 1];
	char *text;

	for (size_t i = 0; i < 5000; i++)
		memcpy(line + 2 * i, "a ", 2);
	line[2 * 5000] = '\0';
	text = split(line);
	assert_string_equal(text, "!column 8193: too many words");
	free(text);
}

static void a_quoted_word_splits_to_itself(void **state)
{
	static const char *const words[] = {"",	   "a", "a b",	 "it's",    "\"",
					    "\\",  "#", "-x",	 "'\n",	    "\t\"'",
					    "a=b", "*", "$HOME", "\xc3\xa9"};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		char *quoted = ctl_word_quote(words[i]);

		assert_split(quoted, words[i]);
		free(quoted);
	}
}

static void plain_words_are_not_quoted(void **state)
{
	char *quoted = ctl_word_quote("10.0.0.1/24,fd00::1/64");

	assert_string_equal(quoted, "10.0.0.1/24,fd00::1/64");
	free(quoted);
}

static void slips_of_the_finger_are_near(void **state)
{
	static const char *const names[] = {"switch", "port", "vlan", "tenant", "stats", NULL};

	assert_string_equal(ctl_did_you_mean("swich", names), "switch");
	assert_string_equal(ctl_did_you_mean("prot", names), "port");
	assert_string_equal(ctl_did_you_mean("tennant", names), "tenant");
	assert_string_equal(ctl_did_you_mean("sta", names), "stats");
	assert_string_equal(ctl_did_you_mean("ports", names), "port");
}

static void strange_words_are_near_nothing(void **state)
{
	static const char *const names[] = {"switch", "port", "vlan", "a", NULL};
	char word[200];

	assert_null(ctl_did_you_mean("", names));
	assert_null(ctl_did_you_mean("xyzzy", names));
	assert_null(ctl_did_you_mean("b", names));
	memset(word, 'a', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	assert_null(ctl_did_you_mean(word, names));
}

static void the_start_of_two_names_is_not_one_of_them(void **state)
{
	static const char *const names[] = {"mac-limit", "mac-list", NULL};

	assert_null(ctl_did_you_mean("mac", names));
}

static void who_asks_for_what_is_not_there_is_told_how_to_go_on(void **state)
{
	static const char *const none[] = {NULL}, *const ports[] = {"uplink", "web1", NULL};
	struct err err = {0};

	assert_int_equal(ctl_refuse_missing("vm", "web1", none, 0, "", &err), -ENOENT);
	assert_string_equal(err.what, "there is no vm 'web1'");
	assert_string_equal(err.why, "no vm exists yet");
	assert_string_equal(err.fix, "vswitchctl vm create --help");
	assert_int_equal(ctl_refuse_missing("port", "web2", ports, 2, "acl attach", &err), -ENOENT);
	assert_string_equal(err.what, "acl attach: there is no port 'web2'");
	assert_string_equal(err.why, "did you mean 'web1'?");
	assert_string_equal(err.fix, "vswitchctl port list");
	assert_int_equal(ctl_refuse_missing("port", "db", ports, 40, "", &err), -ENOENT);
	assert_string_equal(err.why, "there are 40 others");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_asks_for_what_is_not_there_is_told_how_to_go_on),
		cmocka_unit_test(words_are_separated_by_any_white_space),
		cmocka_unit_test(quotes_and_backslashes_keep_what_they_protect),
		cmocka_unit_test(comments_start_words_only),
		cmocka_unit_test(open_quotes_and_lone_backslashes_are_refused_with_their_column),
		cmocka_unit_test(too_many_words_are_refused),
		cmocka_unit_test(a_quoted_word_splits_to_itself),
		cmocka_unit_test(plain_words_are_not_quoted),
		cmocka_unit_test(slips_of_the_finger_are_near),
		cmocka_unit_test(strange_words_are_near_nothing),
		cmocka_unit_test(the_start_of_two_names_is_not_one_of_them),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
