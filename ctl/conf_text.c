/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Configuration as text: the commands that make it, one after the other, as 'config show' prints
 * them and a person may write them: comments, blank lines, quotes over several lines and a leading
 * "vswitchctl" are fine.  The words are those of ctl_words_split(); this file finds where a command
 * starts and ends, and where a mistake is.
 */
#include "ctl/conf_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/state.h"

char *conf_text_format(const json_t *state)
{
	struct conf_object *objects;
	char *text = NULL;
	size_t n, size;
	FILE *f;

	if (conf_sort_objects(state, &objects, &n) != 0)
		return NULL;
	f = open_memstream(&text, &size);
	for (size_t i = 0; f != NULL && i < n; i++) {
		const struct ctl_spec *adds = ctl_spec_of_kind(objects[i].kind);
		char *line = adds != NULL ? ctl_args_format(adds, objects[i].body) : NULL;

		if (line != NULL)
			fprintf(f, "%s\n", line);
		else
			fprintf(f, "# %s %s: not known to this version\n", objects[i].kind,
				objects[i].name);
		free(line);
	}
	free(objects);
	if (f == NULL || fclose(f) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

/* Where the words of one command start. */
struct words_at {
	const char **v;
	size_t n, room;
};

struct reader {
	struct conf *conf;
	const char *text; /* all of it: lines are counted from here */
	json_t *state;
	json_t *places; /* {kind: {name: {"line": of its last command}}}; NULL: not asked for */
	struct words_at at;
	struct err *err;
};

static int note_word(struct words_at *at, const char *word)
{
	if (at->n == at->room) {
		size_t room = at->room == 0 ? 32 : 2 * at->room;
		const char **v = realloc(at->v, room * sizeof(*v));

		if (v == NULL)
			return -ENOMEM;
		at->v = v;
		at->room = room;
	}
	at->v[at->n++] = word;
	return 0;
}

static unsigned line_of(const struct reader *reader, const char *at)
{
	unsigned line = 1;

	for (const char *p = reader->text; p < at; p++)
		line += *p == '\n';
	return line;
}

/* Remembers which object the command at 'at' was about. */
static void note_place(const struct reader *reader, const struct ctl_spec *spec,
		       const json_t *params, const char *at)
{
	const struct ctl_spec *adds = conf_adds(spec);
	/* 'vlan set' and such are about a port and add none. */
	const char *port = json_string_value(json_object_get(params, "port"));
	const char *kind = adds != NULL ? adds->kind : "port";
	char *name;

	if (reader->places == NULL)
		return;
	name = adds != NULL   ? ctl_spec_object_name(adds, params)
	       : port != NULL ? strdup(port)
			      : NULL;
	if (name != NULL)
		state_put(reader->places, kind, name,
			  json_pack("{s:i}", "line", (int)line_of(reader, at)));
	free(name);
}

void conf_text_blame(const json_t *places, struct err *err)
{
	char what[sizeof(err->what)];
	json_int_t line = 0;

	for (size_t i = 0; i < sizeof(err->about) / sizeof(err->about[0]); i++) {
		const json_t *place = state_get(places, err->about[i].kind, err->about[i].name);

		json_int_t at = json_integer_value(json_object_get(place, "line"));

		/* Of two that do not go together the later is the one that came in between. */
		if (at > line)
			line = at;
	}
	if (line == 0)
		return;
	snprintf(what, sizeof(what), "%s", err->what);
	snprintf(err->what, sizeof(err->what), "line %" JSON_INTEGER_FORMAT ": %.280s", line, what);
}

/* Puts "line 3, column 14: " before what is said already. */
static int fail_at(const struct reader *reader, const char *at, int code)
{
	struct err *err = reader->err;
	unsigned line = 1, column = 1;
	char what[sizeof(err->what)];

	if (err == NULL)
		return code;
	for (const char *p = reader->text; p < at; p++) {
		if (*p == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)*p & 0xc0) != 0x80) {
			column++; /* Characters, not bytes. */
		}
	}
	snprintf(what, sizeof(what), "%s", err->what);
	snprintf(err->what, sizeof(err->what), "line %u, column %u: %.270s", line, column, what);
	return code;
}

/* Behind a quoted part; 'p' stands on the quote.  NULL: not closed. */
static const char *skip_quoted(const char *p)
{
	char quote = *p++;

	while (*p != quote) {
		if (quote == '"' && *p == '\\' && p[1] != '\0')
			p++;
		if (*p == '\0')
			return NULL;
		p++;
	}
	return p + 1;
}

/* Behind a word; NULL and '*ret_bad' on what is not closed. */
static const char *skip_word(const char *p, const char **ret_bad)
{
	while (*p != '\0' && strchr(" \t\n\r\f\v", *p) == NULL) {
		*ret_bad = p;
		if (*p == '\'' || *p == '"')
			p = skip_quoted(p);
		else
			p = *p != '\\' ? p + 1 : p[1] != '\0' ? p + 2 : NULL;
		if (p == NULL)
			return NULL;
	}
	return p;
}

/* Finds the words of the command that starts at 'p', and its end: a newline or the end of the
 * text. */
static int scan_command(struct reader *reader, const char *p, const char **ret_end)
{
	const char *bad;

	reader->at.n = 0;
	while (*p != '\0' && *p != '\n') {
		if (*p == '#') {
			p += strcspn(p, "\n");
		} else if (p[0] == '\\' && p[1] == '\n') {
			p += 2;
		} else if (strchr(" \t\r\f\v", *p) != NULL) {
			p++;
		} else {
			if (note_word(&reader->at, p) != 0)
				return err_set(reader->err, -ENOMEM, "no-memory", "out of memory");
			p = skip_word(p, &bad);
			if (p == NULL) {
				err_set(reader->err, -EINVAL, "usage", "%s",
					*bad == '\\' ? "a backslash at the end escapes nothing"
						     : "the quote is not closed");
				return fail_at(reader, bad, -EINVAL);
			}
		}
	}
	*ret_end = p;
	return 0;
}

/* Which word is wrong?  The last of the shortest start of the command that gives the same error. */
static size_t find_culprit(const struct ctl_spec *spec, int argc, char *const argv[], int n_words,
			   const struct err *whole)
{
	for (int n = 0; n < argc; n++) {
		struct err err = {0};
		json_t *params = NULL;

		if (ctl_args_parse(spec, n, argv, &params, &err) == 0)
			json_decref(params);
		else if (strcmp(err.what, whole->what) == 0)
			return n == 0 ? 0 : (size_t)(n - 1 + n_words);
	}
	return argc == 0 ? 0 : (size_t)(argc - 1 + n_words);
}

static int refuse_command(const struct reader *reader, const char *noun, const char *verb,
			  bool known)
{
	if (known) {
		err_set(reader->err, -EINVAL, "usage",
			"'%.40s %.40s' does not change the configuration", noun, verb);
		err_why(reader->err,
			"a configuration is made of the commands that 'config show' prints");
	} else {
		err_set(reader->err, -EINVAL, "usage", "'%.40s %.40s' is not a command", noun,
			verb);
		err_why(reader->err, "each line is a command, without 'vswitchctl' before it");
		err_fix(reader->err, "vswitchctl --help");
	}
	return -EINVAL;
}

/* Runs the command of 'argv', whose words stand where 'first' and what follows it say. */
static int run_command(struct reader *reader, int argc, char *const argv[], const char *const *at)
{
	int n_words;
	const struct ctl_spec *spec = ctl_spec_of_words(argc, argv, &n_words);
	struct err err = {0};
	json_t *params = NULL, *result = NULL;
	size_t culprit = 0;
	int rc;

	if (spec == NULL || !conf_knows(reader->conf, spec)) {
		rc = refuse_command(reader, argv[0], argc >= 2 ? argv[1] : "", spec != NULL);
		return fail_at(reader, at[0], rc);
	}
	rc = ctl_args_parse(spec, argc - n_words, argv + n_words, &params, &err);
	if (rc != 0)
		culprit = find_culprit(spec, argc - n_words, argv + n_words, n_words, &err);
	else
		rc = conf_change(reader->conf, spec, reader->state, params, &result, &err);
	if (rc == 0)
		note_place(reader, spec, params, at[0]);
	json_decref(params);
	json_decref(result);
	if (rc == 0)
		return 0;
	if (reader->err != NULL)
		*reader->err = err;
	return fail_at(reader, at[culprit], rc);
}

static int read_command(struct reader *reader, const char *start, const char *end)
{
	char *line = strndup(start, (size_t)(end - start)), **words = NULL;
	int n, skip, rc = 0;

	if (line == NULL)
		return err_set(reader->err, -ENOMEM, "no-memory", "out of memory");
	n = ctl_words_split(line, &words, reader->err);
	free(line);
	if (n < 0)
		return fail_at(reader, start, n);
	/* Were the two to disagree about words, a wrong column is the worst that may come of it. */
	while (reader->at.n < (size_t)n) {
		if (note_word(&reader->at, start) != 0)
			break;
	}
	skip = n > 0 && strcmp(words[0], "vswitchctl") == 0 ? 1 : 0;
	if (n > skip && reader->at.n >= (size_t)n)
		rc = run_command(reader, n - skip, words + skip, reader->at.v + skip);
	ctl_words_free(words);
	return rc;
}

int conf_text_parse(struct conf *conf, const char *text, const json_t *base, json_t **ret_state,
		    struct err *err)
{
	return conf_text_read(conf, text, base, NULL, ret_state, err);
}

int conf_text_read(struct conf *conf, const char *text, const json_t *base, json_t *places,
		   json_t **ret_state, struct err *err)
{
	struct reader reader = {.conf = conf, .text = text, .places = places, .err = err};
	const char *p = text, *end = text;
	int rc = 0;

	reader.state = base != NULL ? json_deep_copy(base) : json_object();
	if (reader.state == NULL)
		return err_set(err, -ENOMEM, "no-memory", "out of memory");
	while (rc == 0 && *p != '\0') {
		rc = scan_command(&reader, p, &end);
		if (rc == 0)
			rc = read_command(&reader, p, end);
		if (rc == 0)
			p = *end == '\n' ? end + 1 : end;
	}
	free(reader.at.v);
	if (rc != 0) {
		json_decref(reader.state);
		return rc;
	}
	state_tidy(reader.state);
	*ret_state = reader.state;
	return 0;
}
