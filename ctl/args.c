/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A command's arguments as a whole: words -> parameters, the check of parameters, parameters ->
 * words.  Words become unchecked JSON first; one check then serves the command line, the socket and
 * the store.
 */
#include "ctl/spec.h"
#include "ctl/spec_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ARGS 64 /* Of one command; a test of the table holds it to that. */

static int usage(const struct ctl_spec *spec, struct err *err, const char *what, const char *word,
		 const char *why)
{
	int rc = err_set(err, -EINVAL, "usage", "%s '%.64s'", what, word);

	err_why(err, "%s", why);
	err_fix(err, "vswitchctl %s %s --help", spec->noun, spec->verb);
	return rc;
}

/* What the argument of a bad value is, where nobody said more. */
static int explain(const struct ctl_spec *spec, const struct ctl_arg *arg, int rc, struct err *err)
{
	if (rc != 0 && err != NULL && err->why[0] == '\0')
		err_why(err, "it is: %.300s", arg->help);
	if (rc != 0 && err != NULL && err->fix[0] == '\0')
		err_fix(err, "vswitchctl %s %s --help", spec->noun, spec->verb);
	return rc;
}

static const struct ctl_arg *find_named(const struct ctl_spec *spec, const char *name, size_t n)
{
	for (const struct ctl_arg *arg = spec->args; arg->name != NULL; arg++) {
		if (strlen(arg->name) == n && memcmp(arg->name, name, n) == 0)
			return arg;
	}
	return NULL;
}

const struct ctl_arg *ctl_spec_arg(const struct ctl_spec *spec, const char *json_key)
{
	char key[CTL_KEY_SIZE];

	for (const struct ctl_arg *arg = spec->args; arg->name != NULL; arg++) {
		if (strcmp(ctl_arg_key(arg, key), json_key) == 0)
			return arg;
	}
	return NULL;
}

/* Why an argument is unknown: it is fixed for the object's life, or mistyped. */
static int unknown(const struct ctl_spec *spec, const char *name, const char *dashes,
		   struct err *err)
{
	const struct ctl_spec *adds = ctl_spec_of_kind(spec->noun);
	const struct ctl_arg *fixed = adds != NULL ? find_named(adds, name, strlen(name)) : NULL;
	const char *names[MAX_ARGS + 1], *near;
	size_t n = 0;
	int rc;

	if (fixed != NULL && (fixed->flags & CTL_DEVICE)) {
		rc = err_set(err, -EINVAL, "usage",
			     "--%s of a %s cannot be changed while it exists", name, spec->noun);
		err_why(err, "it is part of what the %s is made of", spec->noun);
		err_fix(err, "vswitchctl %s remove NAME, then %s add with the new value",
			spec->noun, spec->noun);
		return rc;
	}
	rc = err_set(err, -EINVAL, "usage", "%s %s has no argument %s%.64s", spec->noun, spec->verb,
		     dashes, name);
	for (const struct ctl_arg *arg = spec->args; arg->name != NULL && n < MAX_ARGS; arg++)
		names[n++] = arg->name;
	names[n] = NULL;
	near = ctl_did_you_mean(name, names);
	if (near != NULL)
		err_why(err, "did you mean --%s?", near);
	else
		err_why(err, "none of its arguments is called so, or nearly");
	err_fix(err, "vswitchctl %s %s --help", spec->noun, spec->verb);
	return rc;
}

/* Words */

struct parser {
	const struct ctl_spec *spec;
	json_t *params;
	int argc, at;
	char *const *argv;
	struct err *err;
};

static bool takes_many(const struct ctl_arg *arg)
{
	return arg->type == CTL_LIST || (arg->flags & CTL_REST) != 0;
}

static int put(struct parser *p, const struct ctl_arg *arg, const char *word)
{
	char key[CTL_KEY_SIZE];
	json_t *value, *before = json_object_get(p->params, ctl_arg_key(arg, key));
	int rc;

	if (before != NULL && !takes_many(arg))
		return usage(p->spec, p->err, "given twice:", arg->name,
			     "it has one value, and which of the two is meant cannot be known");
	rc = explain(p->spec, arg, ctl_value_parse(arg, word, &value, p->err), p->err);
	if (rc != 0)
		return rc;
	if (before == NULL)
		return json_object_set_new(p->params, key, value);
	json_array_extend(before, value);
	json_decref(value);
	return 0;
}

/* The value of an option is the rest of its word or the next word; the next option is no value. */
static const char *next_value(struct parser *p)
{
	if (p->at >= p->argc || strncmp(p->argv[p->at], "--", 2) == 0)
		return NULL;
	return p->argv[p->at++];
}

static int put_option(struct parser *p, const struct ctl_arg *arg, const char *value)
{
	if (value == NULL && arg->type == CTL_FLAG)
		return put(p, arg, "on");
	if (value == NULL)
		value = next_value(p);
	if (value == NULL)
		return usage(p->spec, p->err, "no value after", p->argv[p->at - 1], arg->help);
	return put(p, arg, value);
}

static int take_long(struct parser *p, const char *word)
{
	size_t n = strcspn(word, "=");
	const char *value = word[n] == '=' ? word + n + 1 : NULL;
	const struct ctl_arg *arg = find_named(p->spec, word, n);
	char name[CTL_KEY_SIZE];

	if (arg != NULL)
		return put_option(p, arg, value);
	if (n > 3 && memcmp(word, "no-", 3) == 0 && value == NULL) {
		arg = find_named(p->spec, word + 3, n - 3);
		if (arg != NULL && arg->type == CTL_FLAG)
			return put(p, arg, "off");
	}
	snprintf(name, sizeof(name), "%.*s", n < 40 ? (int)n : 40, word);
	return unknown(p->spec, name, "--", p->err);
}

static int take_letter(struct parser *p, const char *word)
{
	for (const struct ctl_arg *arg = p->spec->args; arg->name != NULL; arg++) {
		if (arg->letter != '\0' && arg->letter == word[1])
			return put_option(p, arg, word[2] != '\0' ? word + 2 : NULL);
	}
	return usage(p->spec, p->err, "unknown option", word, "no option has that letter");
}

static bool is_number(const char *word)
{
	return *word != '\0' && word[strspn(word, "0123456789")] == '\0';
}

static int take_positional(struct parser *p, const char *word)
{
	char key[CTL_KEY_SIZE];

	for (const struct ctl_arg *arg = p->spec->args; arg->name != NULL; arg++) {
		if (!(arg->flags & CTL_POS) || ((arg->flags & CTL_OR) && !is_number(word)))
			continue;
		if ((arg->flags & CTL_REST) ||
		    json_object_get(p->params, ctl_arg_key(arg, key)) == NULL)
			return put(p, arg, word);
	}
	return usage(p->spec, p->err, "one word too many:", word,
		     "the command takes no more; options begin with --");
}

static int take_words(struct parser *p)
{
	bool options = true;
	int rc = 0;

	while (rc == 0 && p->at < p->argc) {
		const char *word = p->argv[p->at++];

		if (options && strcmp(word, "--") == 0)
			options = false;
		else if (options && strncmp(word, "--", 2) == 0)
			rc = take_long(p, word + 2);
		else if (options && word[0] == '-' && word[1] != '\0')
			rc = take_letter(p, word);
		else
			rc = take_positional(p, word);
	}
	return rc;
}

int ctl_args_parse(const struct ctl_spec *spec, int argc, char *const argv[], json_t **ret_params,
		   struct err *err)
{
	struct parser p = {.spec = spec, .argc = argc, .argv = argv, .err = err};
	int rc;

	p.params = json_object();
	rc = p.params == NULL ? -ENOMEM : take_words(&p);
	if (rc == 0)
		rc = ctl_args_check(spec, p.params, ret_params, err);
	json_decref(p.params);
	return rc;
}

/* The check */

/* 'only' is "name=a|b".  Returns whether 'params' allow the argument; sets the other argument's
 * name for the error. */
static bool is_allowed(const struct ctl_spec *spec, const struct ctl_arg *arg, const json_t *params,
		       const struct ctl_arg **ret_other)
{
	size_t n = strcspn(arg->only, "=");
	const struct ctl_arg *other = find_named(spec, arg->only, n);
	char key[CTL_KEY_SIZE];
	const char *value;

	if (other == NULL)
		return true;
	*ret_other = other;
	value = json_string_value(json_object_get(params, ctl_arg_key(other, key)));
	/* Only who adds the object knows what an absent argument means. */
	if (value == NULL)
		value = spec->kind != NULL ? other->def : NULL;
	return value == NULL || ctl_choice_has(arg->only + n + 1, value);
}

/* Does the argument fit what else is said? */
static int check_fits(const struct ctl_spec *spec, const struct ctl_arg *arg, const json_t *params,
		      struct err *err)
{
	const struct ctl_arg *other = NULL;
	char key[CTL_KEY_SIZE], label[CTL_LABEL_SIZE];
	const char *value;

	if (arg->only == NULL || is_allowed(spec, arg, params, &other))
		return 0;
	value = json_string_value(json_object_get(params, ctl_arg_key(other, key)));
	err_set(err, -EINVAL, "usage", "%s: not with --%s %s", ctl_arg_label(arg, label),
		other->name, value != NULL ? value : other->def);
	err_why(err, "it belongs to --%s %s", other->name, arg->only + strlen(other->name) + 1);
	err_fix(err, "vswitchctl %s %s --help", spec->noun, spec->verb);
	return -EINVAL;
}

static int check_only(const struct ctl_spec *spec, const json_t *params, struct err *err)
{
	char key[CTL_KEY_SIZE];
	int rc = 0;

	for (const struct ctl_arg *arg = spec->args; rc == 0 && arg->name != NULL; arg++)
		if (json_object_get(params, ctl_arg_key(arg, key)) != NULL)
			rc = check_fits(spec, arg, params, err);
	return rc;
}

static int check_keys(const struct ctl_spec *spec, const json_t *params, struct err *err)
{
	const char *key;
	json_t *value;
	char name[CTL_KEY_SIZE];

	/* jansson's macro casts const away itself. */
	json_object_foreach((json_t *)(uintptr_t)params, key, value) {
		if (ctl_spec_arg(spec, key) != NULL)
			continue;
		snprintf(name, sizeof(name), "%.40s", key);
		for (char *p = name; *p != '\0'; p++)
			*p = (char)(*p == '_' ? '-' : *p);
		return unknown(spec, name, "", err);
	}
	return 0;
}

static int check_values(const struct ctl_spec *spec, const json_t *params, json_t *checked,
			struct err *err)
{
	char key[CTL_KEY_SIZE], label[CTL_LABEL_SIZE];
	json_t *value, *normal;
	int rc;

	for (const struct ctl_arg *arg = spec->args; arg->name != NULL; arg++) {
		value = json_object_get(params, ctl_arg_key(arg, key));
		if (value == NULL && (arg->flags & CTL_REQUIRED)) {
			rc = err_set(err, -EINVAL, "usage", "%s %s needs %s", spec->noun,
				     spec->verb, ctl_arg_label(arg, label));
			err_why(err, "%s", arg->help);
			err_fix(err, "vswitchctl %s %s --help", spec->noun, spec->verb);
			return rc;
		}
		if (value == NULL)
			continue;
		rc = ctl_value_check(arg, value, &normal, err);
		/* Which values it takes is of no use where it has no place at all. */
		if (rc != 0 && check_fits(spec, arg, params, err) == 0)
			return explain(spec, arg, rc, err);
		if (rc != 0)
			return rc;
		if (json_object_set_new(checked, key, normal) != 0)
			return err_set(err, -ENOMEM, "no-memory", "out of memory");
	}
	return 0;
}

int ctl_args_check(const struct ctl_spec *spec, const json_t *params, json_t **ret_params,
		   struct err *err)
{
	json_t *checked;
	int rc;

	if (params != NULL && !json_is_object(params))
		return err_set(err, -EINVAL, "usage", "%s %s: parameters must be one JSON object",
			       spec->noun, spec->verb);
	checked = json_object();
	rc = checked == NULL ? err_set(err, -ENOMEM, "no-memory", "out of memory") : 0;
	if (rc == 0 && params != NULL)
		rc = check_keys(spec, params, err);
	if (rc == 0)
		rc = check_values(spec, params, checked, err);
	if (rc == 0)
		rc = check_only(spec, checked, err);
	if (rc != 0) {
		json_decref(checked);
		if (err != NULL && err->fix[0] == '\0')
			err_fix(err, "vswitchctl %s %s --help", spec->noun, spec->verb);
		return rc;
	}
	*ret_params = checked;
	return 0;
}

void ctl_args_prune(const struct ctl_spec *spec, json_t *params)
{
	const struct ctl_arg *other = NULL;
	char key[CTL_KEY_SIZE];

	for (const struct ctl_arg *arg = spec->args; arg->name != NULL; arg++) {
		if (arg->only != NULL && !is_allowed(spec, arg, params, &other))
			json_object_del(params, ctl_arg_key(arg, key));
	}
}

/* Back to words */

static int put_word(FILE *f, const char *before, const char *word)
{
	char *quoted = word != NULL ? ctl_word_quote(word) : NULL;

	if (quoted == NULL)
		return -ENOMEM;
	fprintf(f, "%s%s", before, quoted);
	free(quoted);
	return 0;
}

static int put_value(FILE *f, const char *before, const struct ctl_arg *arg, const json_t *value)
{
	char *word = ctl_value_format(arg, value);
	int rc = put_word(f, before, word);

	free(word);
	return rc;
}

static bool starts_with_dash(const json_t *value)
{
	const char *text = json_string_value(value);

	return text != NULL && text[0] == '-';
}

/* A positional stands as a bare word when all before it do, and nothing could take it for an
 * option. */
static bool goes_by_name(const struct ctl_spec *spec, const struct ctl_arg *arg,
			 const json_t *params)
{
	char key[CTL_KEY_SIZE];

	if (!(arg->flags & CTL_POS))
		return true;
	for (const struct ctl_arg *a = spec->args; a <= arg; a++) {
		const json_t *value = json_object_get(params, ctl_arg_key(a, key));

		if (!(a->flags & CTL_POS))
			continue;
		if (value == NULL || starts_with_dash(value) || (a < arg && (a->flags & CTL_OR)))
			return true;
	}
	return false;
}

static int put_rest(FILE *f, const struct ctl_arg *arg, const json_t *list, bool named)
{
	json_t *item;
	size_t i;
	int rc = 0;

	json_array_foreach(list, i, item) {
		if (named || starts_with_dash(item))
			fprintf(f, " --%s=", arg->name);
		else
			fputc(' ', f);
		rc = put_word(f, "", json_string_value(item));
		if (rc != 0)
			break;
	}
	return rc;
}

/* "--nic a --nic b" */
static int put_whole(FILE *f, const struct ctl_arg *arg, const json_t *list)
{
	json_t *item;
	size_t i;
	int rc = 0;

	json_array_foreach(list, i, item) {
		fprintf(f, " --%s%s", arg->name, starts_with_dash(item) ? "=" : " ");
		rc = put_word(f, "", json_string_value(item));
		if (rc != 0)
			break;
	}
	return rc;
}

static int put_named(FILE *f, const struct ctl_arg *arg, const json_t *value)
{
	char before[CTL_KEY_SIZE + 8];
	char *word;
	int rc;

	if (arg->type == CTL_FLAG) {
		fprintf(f, " --%s%s", json_is_true(value) ? "" : "no-", arg->name);
		return 0;
	}
	if ((arg->flags & CTL_WHOLE) != 0)
		return put_whole(f, arg, value);
	word = ctl_value_format(arg, value);
	snprintf(before, sizeof(before), " --%s%s", arg->name,
		 word != NULL && word[0] == '-' ? "=" : " ");
	rc = put_word(f, before, word);
	free(word);
	return rc;
}

static int put_all(FILE *f, const struct ctl_spec *spec, const json_t *params, bool named)
{
	char key[CTL_KEY_SIZE];
	int rc = 0;

	for (const struct ctl_arg *arg = spec->args; rc == 0 && arg->name != NULL; arg++) {
		const json_t *value = json_object_get(params, ctl_arg_key(arg, key));

		if (value == NULL || goes_by_name(spec, arg, params) != named)
			continue;
		if (arg->flags & CTL_REST)
			rc = put_rest(f, arg, value, named);
		else
			rc = named ? put_named(f, arg, value) : put_value(f, " ", arg, value);
	}
	return rc;
}

char *ctl_args_format(const struct ctl_spec *spec, const json_t *params)
{
	char *text = NULL;
	size_t size = 0;
	FILE *f = open_memstream(&text, &size);
	int rc;

	if (f == NULL)
		return NULL;
	fprintf(f, "%s %s", spec->noun, spec->verb);
	rc = put_all(f, spec, params, false);
	if (rc == 0)
		rc = put_all(f, spec, params, true);
	if (fclose(f) != 0 || rc != 0) {
		free(text);
		return NULL;
	}
	return text;
}
