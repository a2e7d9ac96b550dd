/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes configuration text, and the states that a store or another client could hold (JSON, when the input starts with
 * '{').  Whatever is taken must print as text that loads to the same.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/conf.h"
#include "ctl/conf_priv.h"
#include "tests/fuzz/fuzz.h"

static void check_round_trip(const json_t *state)
{
	char *text = conf_text_format(state), *again;
	json_t *empty = json_object(), *loaded = NULL, *changes;
	struct err err = {0};

	if (text == NULL || conf_text_parse(NULL, text, NULL, &loaded, &err) != 0) {
		fprintf(stderr, "%s\nin:\n%s\n", err.what, text);
		abort();
	}
	if (!json_equal(loaded, state)) {
		fprintf(stderr, "another state from:\n%s\n", text);
		abort();
	}
	again = conf_text_format(loaded);
	if (strcmp(text, again) != 0)
		abort();
	changes = conf_diff(empty, state);
	if (changes == NULL)
		abort();
	json_decref(changes);
	changes = conf_diff(state, loaded);
	if (json_array_size(changes) != 0)
		abort();
	json_decref(changes);
	json_decref(loaded);
	json_decref(empty);
	free(text);
	free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	json_t *state = NULL;
	char *text;

	if (size > 100000)
		return 0;
	if (size > 0 && data[0] == '{') {
		state = json_loadb((const char *)data, size, 0, NULL);
		if (state != NULL && conf_edit_check_state(state, NULL) == 0)
			check_round_trip(state);
		json_decref(state);
		return 0;
	}
	text = malloc(size + 1);
	memcpy(text, data, size);
	text[size] = '\0';
	if (conf_text_parse(NULL, text, NULL, &state, NULL) == 0)
		check_round_trip(state);
	json_decref(state);
	free(text);
	return 0;
}
