/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Configuration text, a line: words, then the command's arguments.  What is taken must come back
 * from its own text, as 'config show' and 'config load' rely on.
 */
#include "tests/fuzz/fuzz.h"

#include "ctl/spec.h"

#include <stdlib.h>
#include <string.h>

static void must(int holds)
{
	if (!holds)
		abort();
}

static json_t *parse(const char *line)
{
	char **words;
	struct err err;
	int n = ctl_words_split(line, &words, &err);
	const struct ctl_spec *spec = n >= 2 ? ctl_spec_find(words[0], words[1]) : NULL;
	json_t *params = NULL;

	if (n < 0) {
		must(err.code == n && err.what[0] != '\0');
		return NULL;
	}
	if (spec != NULL && ctl_args_parse(spec, n - 2, words + 2, &params, &err) != 0)
		must(err.code < 0 && err.what[0] != '\0');
	ctl_words_free(words);
	return params;
}

/* The command that a line is of; it has at least two words. */
static const struct ctl_spec *spec_of(const char *line)
{
	char **words;
	const struct ctl_spec *spec;

	must(ctl_words_split(line, &words, NULL) >= 2);
	spec = ctl_spec_find(words[0], words[1]);
	ctl_words_free(words);
	return spec;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *line = calloc(1, size + 1), *text;
	json_t *params, *again = NULL;

	if (line == NULL)
		return 0;
	memcpy(line, data, size);
	params = parse(line);
	if (params != NULL) {
		text = ctl_args_format(spec_of(line), params);
		must(text != NULL);
		again = parse(text);
		must(again != NULL && json_equal(params, again));
		free(text);
	}
	json_decref(params);
	json_decref(again);
	free(line);
	return 0;
}
