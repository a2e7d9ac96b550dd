/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What could come next on the command line: nouns, verbs, options, choices from the table, live
 * names from a callback; see tool.h.  The shell filters nothing: what is put starts with what was
 * typed.
 */
#include "ctl/tool.h"

#include "ctl/spec_priv.h"

#include <stdlib.h>
#include <string.h>

struct completion {
	struct ctl_completer *c;
	int n;
	char *const *words;
	const char *current; /* the word being typed */
};

static void offer(const struct completion *k, const char *before, const char *word)
{
	char candidate[300];

	snprintf(candidate, sizeof(candidate), "%s%s", before, word);
	if (strncmp(candidate, k->current, strlen(k->current)) == 0)
		k->c->put(k->c, candidate);
}

static void offer_choices(const struct completion *k, const char *before, const char *choices)
{
	char copy[300], *save = NULL;

	snprintf(copy, sizeof(copy), "%s", choices);
	for (char *word = strtok_r(copy, "|", &save); word != NULL;
	     word = strtok_r(NULL, "|", &save))
		offer(k, before, word);
}

/* Values of an argument; 'before' is what stands in front of the value within the word ("--kind=").
 */
static void offer_values(const struct completion *k, const struct ctl_arg *arg, const char *before)
{
	char prefix[300];
	const char *comma;

	snprintf(prefix, sizeof(prefix), "%s", before);
	/* A list goes on behind its last comma. */
	comma = arg->type == CTL_LIST && !(arg->flags & CTL_WHOLE) ? strrchr(k->current, ',')
								   : NULL;
	if (comma != NULL)
		snprintf(prefix, sizeof(prefix), "%.*s", (int)(comma + 1 - k->current), k->current);
	if (arg->choices != NULL)
		offer_choices(k, prefix, arg->choices);
	else if (arg->type == CTL_ONOFF)
		offer_choices(k, prefix, "on|off");
	else if (arg->complete != NULL && strcmp(arg->complete, "file") == 0)
		k->c->put(k->c, ":file");
	else if (arg->complete != NULL)
		k->c->live(k->c, arg->complete, prefix);
}

static const struct ctl_arg *find(const struct ctl_arg *args, const char *name, size_t n)
{
	for (; args->name != NULL; args++) {
		if (strlen(args->name) == n && memcmp(args->name, name, n) == 0)
			return args;
	}
	return NULL;
}

/* The option that a whole word is: long or by its letter, without a value in the word. */
static const struct ctl_arg *find_option(const struct ctl_arg *args, const char *word)
{
	if (strncmp(word, "--", 2) == 0)
		return find(args, word + 2, strlen(word + 2));
	for (; word[0] == '-' && word[1] != '\0' && args->name != NULL; args++) {
		if (args->letter == word[1] && word[2] == '\0')
			return args;
	}
	return NULL;
}

static bool takes_next(const struct ctl_arg *arg)
{
	return arg != NULL && arg->type != CTL_FLAG && strcmp(arg->name, "watch") != 0;
}

/* The value given to an option so far, or NULL. */
static const char *given(const struct completion *k, int first, const char *name, size_t n)
{
	for (int i = first; i < k->n - 1; i++) {
		const char *word = k->words[i];

		if (strncmp(word, "--", 2) != 0 || strncmp(word + 2, name, n) != 0)
			continue;
		if (word[2 + n] == '=')
			return word + 2 + n + 1;
		if (word[2 + n] == '\0')
			return i + 1 < k->n - 1 ? k->words[i + 1] : "";
	}
	return NULL;
}

/* Would the argument be refused beside what was given? */
static bool fits(const struct completion *k, int first, const struct ctl_arg *arg)
{
	size_t n = arg->only != NULL ? strcspn(arg->only, "=") : 0;
	const char *value = n > 0 ? given(k, first, arg->only, n) : NULL;

	return value == NULL || ctl_choice_has(arg->only + n + 1, value);
}

static void offer_options(const struct completion *k, const struct ctl_spec *spec, int first)
{
	for (const struct ctl_arg *arg = spec->args; arg->name != NULL; arg++) {
		bool again = arg->type == CTL_LIST ||
			     given(k, first, arg->name, strlen(arg->name)) == NULL;

		if (!(arg->flags & CTL_POS) && again && fits(k, first, arg))
			offer(k, "--", arg->name);
	}
	for (const struct ctl_arg *arg = ctl_tool_options(); arg->name != NULL; arg++) {
		bool change = strcmp(arg->name, "check") == 0 || strcmp(arg->name, "confirm") == 0;
		bool watch = strcmp(arg->name, "watch") == 0;

		if ((change && !(spec->flags & CTL_CHANGES)) ||
		    (watch && !(spec->flags & CTL_WATCH)))
			continue;
		if (find(spec->args, arg->name, strlen(arg->name)) == NULL)
			offer(k, "--", arg->name);
	}
}

/* The positional that the current word would be. */
static const struct ctl_arg *next_positional(const struct completion *k,
					     const struct ctl_spec *spec, int first)
{
	const struct ctl_arg *arg = spec->args;
	int n = 0;

	for (int i = first; i < k->n - 1; i++) {
		const struct ctl_arg *option = find_option(spec->args, k->words[i]);

		if (option == NULL)
			option = find_option(ctl_tool_options(), k->words[i]);
		if (takes_next(option))
			i++;
		else if (k->words[i][0] != '-')
			n++;
	}
	for (; arg->name != NULL; arg++) {
		if ((arg->flags & CTL_POS) && ((arg->flags & CTL_REST) || n-- == 0))
			return arg;
	}
	return NULL;
}

static void complete_args(const struct completion *k, const struct ctl_spec *spec, int first)
{
	const char *equals = strchr(k->current, '=');
	const struct ctl_arg *arg = NULL;
	char before[64];

	if (k->n - 2 >= first) {
		arg = find_option(spec->args, k->words[k->n - 2]);
		if (arg == NULL)
			arg = find_option(ctl_tool_options(), k->words[k->n - 2]);
	}
	if (takes_next(arg)) {
		offer_values(k, arg, "");
		return;
	}
	if (strncmp(k->current, "--", 2) == 0 && equals != NULL) {
		arg = find(spec->args, k->current + 2, (size_t)(equals - k->current - 2));
		snprintf(before, sizeof(before), "%.*s", (int)(equals + 1 - k->current),
			 k->current);
		if (arg != NULL)
			offer_values(k, arg, before);
		return;
	}
	if (k->current[0] == '-') {
		offer_options(k, spec, first);
		return;
	}
	arg = next_positional(k, spec, first);
	if (arg != NULL)
		offer_values(k, arg, "");
	else
		offer_options(k, spec, first);
}

static void offer_nouns(const struct completion *k)
{
	const char *noun = "";

	if (k->current[0] == '-') {
		for (const struct ctl_arg *arg = ctl_tool_options(); arg->name != NULL; arg++)
			offer(k, "--", arg->name);
		return;
	}
	for (const struct ctl_spec *spec = ctl_specs(); spec->noun != NULL; spec++) {
		if (strcmp(spec->noun, noun) != 0)
			offer(k, "", noun = spec->noun);
	}
	offer(k, "", "help");
}

/* The words that may stand behind NOUN, or behind NOUN FIRST where verbs have two words. */
static void offer_verbs(const struct completion *k, const char *noun, const char *first)
{
	char last[CTL_KEY_SIZE] = "";

	for (const struct ctl_spec *spec = ctl_specs(); spec->noun != NULL; spec++) {
		size_t n = strcspn(spec->verb, " ");
		char word[CTL_KEY_SIZE];

		if (strcmp(spec->noun, noun) != 0)
			continue;
		if (first != NULL) {
			if (spec->verb[n] == ' ' && strlen(first) == n &&
			    memcmp(spec->verb, first, n) == 0)
				offer(k, "", spec->verb + n + 1);
			continue;
		}
		snprintf(word, sizeof(word), "%.*s", (int)n, spec->verb);
		if (strcmp(word, last) != 0)
			offer(k, "", word);
		memcpy(last, word, sizeof(last));
	}
}

void ctl_complete(struct ctl_completer *c, int n, char *const words[])
{
	struct completion k = {.c = c,
			       .n = n,
			       .words = words,
			       .current = n > 0 ? words[n - 1] : ""};
	const struct ctl_spec *spec;
	int at = 0, n_words;

	/* The tool's own options may stand in front. */
	while (at < n - 1 && words[at][0] == '-') {
		const struct ctl_arg *option = find_option(ctl_tool_options(), words[at]);

		if (takes_next(option) && at + 1 == n - 1) {
			offer_values(&k, option, "");
			return;
		}
		at += takes_next(option) ? 2 : 1;
	}
	/* "help port add" completes as "port add" does. */
	if (at < n - 1 && strcmp(words[at], "help") == 0)
		at++;
	if (at >= n - 1) {
		offer_nouns(&k);
		return;
	}
	if (at == n - 2) {
		spec = ctl_spec_default(words[at]);
		if (spec != NULL && (k.current[0] == '-' || ctl_spec_is_alone(words[at])))
			complete_args(&k, spec, at + 1);
		else
			offer_verbs(&k, words[at], NULL);
		return;
	}
	if (at == n - 3 && ctl_verb_opens(words[at], words[at + 1])) {
		offer_verbs(&k, words[at], words[at + 1]);
		return;
	}
	spec = ctl_spec_of_words(n - at, words + at, &n_words);
	if (spec != NULL)
		complete_args(&k, spec, at + n_words);
	else if (ctl_spec_default(words[at]) != NULL)
		complete_args(&k, ctl_spec_default(words[at]), at + 1);
}
