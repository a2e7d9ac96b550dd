/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What TAB offers, and how the tool's options and commands are found among words.
 */
#include "ctl/tool.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct offered {
	char text[4000]; /* candidates, each behind a space */
	const char *current;
};

static void put(struct ctl_completer *c, const char *candidate)
{
	struct offered *o = c->ctx;
	size_t n = strlen(o->text);

	snprintf(o->text + n, sizeof(o->text) - n, " %s", candidate);
}

/* Two names of every kind: KIND1 and KIND2. */
static void live(struct ctl_completer *c, const char *kind, const char *prefix)
{
	const struct offered *o = c->ctx;
	char name[200];

	for (int i = 1; i <= 2; i++) {
		snprintf(name, sizeof(name), "%s%s%d", prefix, kind, i);
		if (strncmp(name, o->current, strlen(o->current)) == 0)
			put(c, name);
	}
}

/* Completes "words.. last"; '|' stands where the cursor is. */
static void complete(const char *line, struct offered *ret)
{
	char copy[300], empty[] = "", **words, **all;
	int n;
	struct ctl_completer c = {.live = live, .put = put, .ctx = ret};

	snprintf(copy, sizeof(copy), "%.*s", (int)strcspn(line, "|"), line);
	n = ctl_words_split(copy, &words, NULL);
	assert_true(n >= 0);
	all = calloc((size_t)n + 2, sizeof(*all));
	memcpy(all, words, (size_t)n * sizeof(*all));
	if (n == 0 || copy[strlen(copy) - 1] == ' ')
		all[n++] = empty;
	*ret = (struct offered){.current = all[n - 1]};
	ctl_complete(&c, n, all);
	free(all);
	ctl_words_free(words);
}

static void assert_offers(const char *line, const char *expected)
{
	struct offered o;

	complete(line, &o);
	assert_string_equal(o.text, expected);
}

static bool offers(const char *line, const char *candidate)
{
	struct offered o;
	char word[200];
	size_t n = (size_t)snprintf(word, sizeof(word), " %s", candidate);
	const char *found;

	complete(line, &o);
	found = strstr(o.text, word);
	return found != NULL && (found[n] == ' ' || found[n] == '\0');
}

static void nouns_and_verbs_come_first(void **state)
{
	assert_offers("s|", " switch stats sflow sriov");
	assert_offers("port |", " add set remove list show stats");
	assert_offers("port s|", " set show stats");
	assert_offers("nothing |", "");
	assert_offers("--json sw|", " switch");
	assert_offers("--js|", " --json");
	assert_offers("help po|", " port");
	assert_offers("help port sh|", " show");
	assert_true(offers("|", "doctor"));
	assert_true(offers("|", "help"));
}

static void verbs_of_two_words_come_word_by_word(void **state)
{
	assert_offers("filter m|", " move map");
	assert_offers("filter map |", " list dump get set delete push peek pop");
	assert_offers("filter map d|", " dump delete");
	assert_offers("filter map dump f|", " filter1 filter2");
	assert_offers("filter map-dump f|", " filter1 filter2");
	assert_offers("filter map set --n|", " --new");
	assert_offers("help filter map l|", " list");
}

static void positionals_are_live_names(void **state)
{
	assert_offers("port add |", " switch1 switch2");
	assert_offers("port add switch|", " switch1 switch2");
	assert_offers("port add lan0 --kind tap |", "");
	assert_offers("port show p|", " port1 port2");
	assert_offers("nic set n|", " nic1 nic2");
	assert_offers("capture start a b |", " port1 port2");
	assert_offers("core add |", " cpu1 cpu2");
	assert_offers("core remove |", " core1 core2");
	assert_offers("config load |", " :file");
}

static void options_offer_their_values(void **state)
{
	assert_offers("port add lan0 p1 --kind |", " phys team host tap vhost vmbus memif mem vtep "
						   "vxlan geneve nvgre");
	assert_offers("port add lan0 p1 --kind m|", " memif mem");
	assert_offers("port add lan0 p1 --kind=m|", " --kind=memif --kind=mem");
	assert_offers("port add lan0 p1 --kind tap --netns |", " netns1 netns2");
	assert_offers("port add lan0 p1 --kind tap --tenant=t|",
		      " --tenant=tenant1 --tenant=tenant2");
	assert_offers("switch set lan0 --loop-guard |", " on off");
	assert_offers("capture start -w |", " :file");
	assert_offers("--socket |", " :file");
}

static void lists_go_on_behind_their_comma(void **state)
{
	assert_offers("capture start --stage ingress,|",
		      " ingress,ingress ingress,egress ingress,drop");
	assert_offers("capture start --stage ingress,d|", " ingress,drop");
	assert_offers("port set p1 --default=mtu,v|",
		      " --default=mtu,vlan-mode --default=mtu,vlan --default=mtu,vtep");
}

static void options_that_cannot_be_are_not_offered(void **state)
{
	assert_true(offers("port add lan0 p1 --kind tap --|", "--netns"));
	assert_false(offers("port add lan0 p1 --kind host --|", "--netns"));
	assert_false(offers("port add lan0 p1 --kind=host --|", "--netns"));
	assert_false(offers("port add lan0 p1 --kind tap --|", "--kind"));
	assert_true(offers("port add lan0 p1 --kind tap --|", "--check"));
	assert_false(offers("port list --|", "--check"));
	assert_true(offers("port list --|", "--watch"));
	assert_true(offers("events --|", "--limit"));
	assert_true(offers("events --p|", "--port"));
}

/* Options of the tool */

static void take(const char *line, struct ctl_tool *tool, const char *spec_words,
		 const char *expected)
{
	char **words, **spec_split, *left = NULL;
	const struct ctl_spec *spec = NULL;
	struct err err = {0};
	size_t size;
	int n = ctl_words_split(line, &words, NULL), all = n, n_spec;
	char **kept = calloc((size_t)n + 1, sizeof(*kept));
	FILE *f = open_memstream(&left, &size);

	memcpy(kept, words, (size_t)n * sizeof(*kept));
	if (spec_words != NULL) {
		n_spec = ctl_words_split(spec_words, &spec_split, NULL);
		assert_int_equal(n_spec, 2);
		spec = ctl_spec_find(spec_split[0], spec_split[1]);
		ctl_words_free(spec_split);
	}
	ctl_tool_init(tool);
	n = ctl_tool_take_options(tool, spec, n, kept, &err);
	if (n < 0)
		fprintf(f, "!%s", err.what);
	for (int i = 0; i < n; i++)
		fprintf(f, "%s%s", i > 0 ? " " : "", kept[i]);
	fclose(f);
	assert_string_equal(left, expected);
	free(left);
	free(kept);
	assert_true(all >= 0);
	ctl_words_free(words);
}

static void the_tools_options_are_taken_from_anywhere(void **state)
{
	struct ctl_tool tool;

	take("--json --socket /x port list -w", &tool, NULL, "port list -w");
	assert_true(tool.json);
	take("lan0 -w5 --json --timeout=250ms x", &tool, "port list", "lan0 x");
	assert_true(tool.json && tool.watch);
	assert_int_equal(tool.interval_ms, 5000);
	assert_int_equal(tool.timeout_ms, 250);
	take("a --check --confirm 60s", &tool, "switch add", "a");
	assert_true(tool.check);
	assert_int_equal(tool.confirm_ms, 60000);
	take("-w lan0", &tool, "port list", "lan0");
	assert_true(tool.watch);
	assert_int_equal(tool.interval_ms, 1000);
}

static void the_commands_own_options_stay(void **state)
{
	struct ctl_tool tool;

	take("lan0 p1 --socket /run/a --kind vhost --json", &tool, "port add",
	     "lan0 p1 --socket /run/a --kind vhost");
	take("-w file --filter --json -c 5", &tool, "capture start",
	     "-w file --filter --json -c 5");
	assert_false(tool.watch || tool.json);
	take("a -- --json", &tool, "port show", "a -- --json");
	assert_false(tool.json);
}

static void wrong_options_are_refused(void **state)
{
	struct ctl_tool tool;

	take("--nothing port", &tool, NULL, "!unknown option '--nothing'");
	take("--json=1 port", &tool, NULL, "!--json takes no value");
	take("--timeout", &tool, NULL, "!no value after '--timeout'");
	take("-w0", &tool, "port list", "!--watch: '0' is not 0.1 to 86400 seconds");
	take("-wnan", &tool, "port list", "!--watch: 'nan' is not 0.1 to 86400 seconds");
	take("--watch=x", &tool, "port list", "!--watch: 'x' is not 0.1 to 86400 seconds");
	take("--confirm 5", &tool, "switch add", "");
	take("--confirm 500ms", &tool, "switch add", "!--confirm: out of range");
}

static void assert_found(const char *line, const char *verb, int n_words, const char *why)
{
	char **words;
	const struct ctl_spec *spec;
	struct err err = {0};
	int n = ctl_words_split(line, &words, NULL), used = 0;
	int rc = ctl_tool_find(n, words, &spec, &used, &err);

	if (verb == NULL) {
		assert_int_equal(rc, -EINVAL);
		assert_string_equal(err.slug, "usage");
		assert_string_equal(err.why, why);
	} else {
		assert_int_equal(rc, 0);
		assert_string_equal(spec->verb, verb);
		assert_int_equal(used, n_words);
	}
	ctl_words_free(words);
}

static void commands_are_found_or_the_nearest_is_named(void **state)
{
	assert_found("port add lan0", "add", 2, NULL);
	assert_found("top", "show", 1, NULL);
	assert_found("top -w5", "show", 1, NULL);
	assert_found("doctor", "run", 1, NULL);
	assert_found("prot list", NULL, 0, "did you mean 'port'?");
	assert_found("port lst", NULL, 0, "did you mean 'list'?");
	assert_found("xyzzy", NULL, 0,
		     "a command begins with a noun: switch, port, vlan, tenant, ..");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nouns_and_verbs_come_first),
		cmocka_unit_test(verbs_of_two_words_come_word_by_word),
		cmocka_unit_test(positionals_are_live_names),
		cmocka_unit_test(options_offer_their_values),
		cmocka_unit_test(lists_go_on_behind_their_comma),
		cmocka_unit_test(options_that_cannot_be_are_not_offered),
		cmocka_unit_test(the_tools_options_are_taken_from_anywhere),
		cmocka_unit_test(the_commands_own_options_stay),
		cmocka_unit_test(wrong_options_are_refused),
		cmocka_unit_test(commands_are_found_or_the_nearest_is_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
