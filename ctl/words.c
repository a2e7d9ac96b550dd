/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Lines of words as a shell sees them, for configuration text and for what 'config show' prints;
 * and the nearest word to a mistyped one.  The grammar is the part of sh(1) that people write in
 * such files: white space separates words, 'single' and "double" quotes, backslash, and # comments
 * at the start of a word.  Nothing is expanded.
 */
#include "ctl/spec.h"
#include "ctl/spec_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WORDS 4096

struct words {
	char **v;
	size_t n, room;
};

/* Keeps the array NULL-ended. */
static int words_add(struct words *words, char *word)
{
	if (words->n + 2 > words->room) {
		size_t room = words->room == 0 ? 16 : 2 * words->room;
		char **v = realloc(words->v, room * sizeof(*v));

		if (v == NULL)
			return -ENOMEM;
		words->v = v;
		words->room = room;
	}
	if (word != NULL)
		words->v[words->n++] = word;
	words->v[words->n] = NULL;
	return 0;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f' || c == '\v';
}

/* After a backslash inside double quotes only these lose it, as in sh. */
static bool is_escaped_in_quotes(char c)
{
	return c == '"' || c == '\\' || c == '$' || c == '`';
}

static int bad(struct err *err, const char *line, const char *at, const char *what)
{
	return err_set(err, -EINVAL, "usage", "column %zu: %s", (size_t)(at - line) + 1, what);
}

/* Copies a quoted part to *out; *in stands on the quote and is left behind the closing one. */
static int take_quoted(const char *line, const char **in, char **out, struct err *err)
{
	const char *p = *in + 1, quote = **in;

	for (; *p != quote; p++) {
		if (*p == '\0')
			return bad(err, line, *in, "the quote is not closed");
		if (quote == '"' && *p == '\\' && p[1] == '\n') {
			p++;
			continue;
		}
		if (quote == '"' && *p == '\\' && is_escaped_in_quotes(p[1]))
			p++;
		*(*out)++ = *p;
	}
	*in = p + 1;
	return 0;
}

/* Copies one word to 'out', which has room for the rest of the line.  Sets *ret_end to the byte
 * behind the word. */
static int take_word(const char *line, const char *in, char *out, const char **ret_end,
		     struct err *err)
{
	int rc;

	while (*in != '\0' && !is_space(*in)) {
		if (*in == '\'' || *in == '"') {
			rc = take_quoted(line, &in, &out, err);
			if (rc != 0)
				return rc;
		} else if (*in != '\\') {
			*out++ = *in++;
		} else if (in[1] == '\0') {
			return bad(err, line, in, "a backslash at the end escapes nothing");
		} else {
			if (in[1] != '\n')
				*out++ = in[1];
			in += 2;
		}
	}
	*out = '\0';
	*ret_end = in;
	return 0;
}

/* The first byte of the next word: behind white space, comments and joined lines.  NULL: none. */
static const char *next_word(const char *p)
{
	for (;;) {
		if (*p == '#')
			p += strcspn(p, "\n");
		else if (p[0] == '\\' && p[1] == '\n')
			p += 2;
		else if (is_space(*p))
			p++;
		else
			return *p == '\0' ? NULL : p;
	}
}

static int split(const char *line, struct words *words, struct err *err)
{
	const char *p = line;
	char *word, *shrunk;
	int rc;

	while ((p = next_word(p)) != NULL) {
		if (words->n == MAX_WORDS)
			return bad(err, line, p, "too many words");
		word = malloc(strlen(p) + 1);
		if (word == NULL)
			return err_set(err, -ENOMEM, "no-memory", "out of memory");
		rc = take_word(line, p, word, &p, err);
		/* Many short words of a long text must not hold its size each. */
		shrunk = rc == 0 ? realloc(word, strlen(word) + 1) : NULL;
		if (shrunk != NULL)
			word = shrunk;
		if (rc == 0 && words_add(words, word) != 0)
			rc = err_set(err, -ENOMEM, "no-memory", "out of memory");
		if (rc != 0) {
			free(word);
			return rc;
		}
	}
	return words_add(words, NULL);
}

void ctl_words_free(char **words)
{
	for (char **w = words; w != NULL && *w != NULL; w++)
		free(*w);
	free(words);
}

int ctl_words_split(const char *line, char ***ret_words, struct err *err)
{
	struct words words = {0};
	int rc = split(line, &words, err);

	if (rc != 0) {
		ctl_words_free(words.v);
		return rc;
	}
	*ret_words = words.v;
	return (int)words.n;
}

/* Bytes that no shell gives a meaning to, anywhere in a word. */
static bool is_plain(const char *word)
{
	static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				    "0123456789._:/@%+,=-";

	return *word != '\0' && word[strspn(word, plain)] == '\0';
}

char *ctl_word_quote(const char *word)
{
	size_t size = 3;
	char *quoted, *out;

	if (is_plain(word))
		return strdup(word);
	for (const char *p = word; *p != '\0'; p++)
		size += *p == '\'' ? 4 : 1;
	quoted = out = malloc(size);
	if (quoted == NULL)
		return NULL;
	*out++ = '\'';
	for (const char *p = word; *p != '\0'; p++) {
		if (*p == '\'') {
			memcpy(out, "'\\''", 4);
			out += 4;
		} else {
			*out++ = *p;
		}
	}
	*out++ = '\'';
	*out = '\0';
	return quoted;
}

#define MAX_NEAR 40 /* No name is longer. */

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned min = a < b ? a : b;

	return min < c ? min : c;
}

/* Edits (insert, delete, replace, swap neighbours) from one word to the other: what fingers do
 * wrong. */
static unsigned edit_distance(const char *a, size_t n_a, const char *b, size_t n_b)
{
	unsigned d[MAX_NEAR + 1][MAX_NEAR + 1];

	for (size_t i = 0; i <= n_a; i++)
		d[i][0] = (unsigned)i;
	for (size_t j = 0; j <= n_b; j++)
		d[0][j] = (unsigned)j;
	for (size_t i = 1; i <= n_a; i++) {
		for (size_t j = 1; j <= n_b; j++) {
			unsigned replace = d[i - 1][j - 1] + (a[i - 1] != b[j - 1]);

			d[i][j] = min3(replace, d[i - 1][j] + 1, d[i][j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
			    d[i - 2][j - 2] + 1 < d[i][j])
				d[i][j] = d[i - 2][j - 2] + 1;
		}
	}
	return d[n_a][n_b];
}

const char *ctl_did_you_mean(const char *word, const char *const *names)
{
	size_t n_word = strlen(word);
	unsigned best = n_word < 4 ? 2 : n_word < 8 ? 3 : 4; /* Nearer than this is near. */
	const char *nearest = NULL, *longer = NULL;
	unsigned n_longer = 0;

	if (n_word == 0 || n_word > MAX_NEAR)
		return NULL;
	for (; *names != NULL; names++) {
		size_t n_name = strlen(*names);
		unsigned distance;

		if (n_name > MAX_NEAR)
			continue;
		if (n_name > n_word && strncmp(word, *names, n_word) == 0) {
			longer = *names;
			n_longer++;
		}
		distance = edit_distance(word, n_word, *names, n_name);
		/* Replacing every letter is no slip of the finger. */
		if (distance < best && distance < n_name) {
			best = distance;
			nearest = *names;
		}
	}
	/* The start of one name only is that name, however much is missing. */
	return n_longer == 1 ? longer : nearest;
}

/* The verb that makes one, of nouns whose objects somebody makes. */
static const char *maker(const char *noun)
{
	if (ctl_spec_find(noun, "add") != NULL)
		return "add";
	return ctl_spec_find(noun, "create") != NULL ? "create" : NULL;
}

int ctl_refuse_missing(const char *noun, const char *name, const char *const *names, size_t total,
		       const char *who, struct err *err)
{
	const char *near = name != NULL ? ctl_did_you_mean(name, names) : NULL;
	const char *make = maker(noun);

	err_set(err, -ENOENT, "not-found", "%s%sthere is no %s '%s'", who,
		who[0] != '\0' ? ": " : "", noun, name != NULL ? name : "");
	if (near != NULL)
		err_why(err, "did you mean '%s'?", near);
	else if (total == 0)
		err_why(err, "no %s exists yet", noun);
	else if (total == 1)
		err_why(err, "there is only '%.200s'", names[0]);
	else
		err_why(err, "there are %zu others", total);
	if (total == 0 && make != NULL)
		err_fix(err, "vswitchctl %s %s --help", noun, make);
	else if (ctl_spec_find(noun, "list") != NULL)
		err_fix(err, "vswitchctl %s list", noun);
	else
		err_fix(err, "vswitchctl config show");
	return -ENOENT;
}
