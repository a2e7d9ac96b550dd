/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One argument's value: word -> JSON, the check that every value passes wherever it came from, and
 * JSON -> word. Words are converted first and then checked by the same rule as JSON, so that there
 * is one rule.
 */
#include "ctl/spec_priv.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_WORDS 24 /* characters of an option's words that help says in its place */

const char *ctl_arg_key(const struct ctl_arg *arg, char key[CTL_KEY_SIZE])
{
	snprintf(key, CTL_KEY_SIZE, "%s", arg->name);
	for (char *p = key; *p != '\0'; p++) {
		if (*p == '-')
			*p = '_';
	}
	return key;
}

const char *ctl_arg_metavar(const struct ctl_arg *arg, char buf[CTL_LABEL_SIZE])
{
	const char *unit = arg->type == CTL_DURATION || arg->type == CTL_MICROS ? "DURATION"
			   : arg->type == CTL_RATE				? "RATE"
			   : arg->type == CTL_SIZE				? "SIZE"
										: arg->name;

	snprintf(buf, CTL_LABEL_SIZE, "%s", arg->metavar != NULL ? arg->metavar : unit);
	for (char *p = buf; arg->metavar == NULL && *p != '\0'; p++) {
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
	}
	return buf;
}

const char *ctl_arg_words(const struct ctl_arg *arg)
{
	if (arg->type == CTL_ONOFF)
		return "on|off";
	return arg->choices != NULL && arg->metavar == NULL && arg->type != CTL_LIST &&
			       (arg->flags & CTL_POS) == 0 && strlen(arg->choices) <= MAX_WORDS
		       ? arg->choices
		       : NULL;
}

const char *ctl_arg_label(const struct ctl_arg *arg, char label[CTL_LABEL_SIZE])
{
	if (arg->flags & CTL_POS)
		return ctl_arg_metavar(arg, label);
	snprintf(label, CTL_LABEL_SIZE, "--%s", arg->name);
	return label;
}

bool ctl_choice_has(const char *choices, const char *word)
{
	size_t n = strlen(word);

	for (const char *p = choices; n > 0; p++) {
		size_t n_choice = strcspn(p, "|");

		if (n_choice == n && memcmp(p, word, n) == 0)
			return true;
		p += n_choice;
		if (*p == '\0')
			break;
	}
	return false;
}

/* Refuses a value with the argument's name in front.  'text' is shown cut: it may be long. */
static int refuse(const struct ctl_arg *arg, struct err *err, const char *text, const char *why)
{
	char label[CTL_LABEL_SIZE];

	return err_set(err, -EINVAL, "usage", "%s: '%.64s' is not %s", ctl_arg_label(arg, label),
		       text, why);
}

/* Says which choice was near. */
static int refuse_choice(const struct ctl_arg *arg, struct err *err, const char *word)
{
	char choices[256], why[300], *save = NULL;
	const char *names[32], *near;
	size_t n = 0;
	int rc;

	snprintf(choices, sizeof(choices), "%s", arg->choices);
	for (char *p = strtok_r(choices, "|", &save); p != NULL && n < 31;
	     p = strtok_r(NULL, "|", &save))
		names[n++] = p;
	names[n] = NULL;
	near = ctl_did_you_mean(word, names);
	snprintf(why, sizeof(why), "one of %s", arg->choices);
	rc = refuse(arg, err, word, why);
	if (near != NULL)
		err_why(err, "did you mean '%s'?", near);
	return rc;
}

/* Words */

static int parse_integer(const struct ctl_arg *arg, const char *word, json_t **ret, struct err *err)
{
	int base = word[0] == '0' && (word[1] == 'x' || word[1] == 'X') ? 16 : 10;
	const char *digits = base == 16 ? word + 2 : word;
	char *end;
	long long value;

	errno = 0;
	value = strtoll(digits, &end, base);
	/* strtoll takes spaces and signs, people's typing does not need them. */
	if (strchr("0123456789abcdefABCDEF", *digits) == NULL || *digits == '\0' || *end != '\0' ||
	    errno != 0)
		return refuse(arg, err, word, "a number");
	*ret = json_integer(value);
	return 0;
}

static int parse_units(const struct ctl_arg *arg, const char *word, json_t **ret, struct err *err)
{
	bool bare = false;
	int64_t value = 0;

	if (arg->type == CTL_SIZE && (arg->flags & CTL_BINARY) != 0) {
		if (ctl_binary_size_parse(word, &value) != 0)
			return refuse(arg, err, word, "a size, such as 256M or 4G");
	} else if (arg->type == CTL_SIZE && ctl_size_parse(word, &value) != 0)
		return refuse(arg, err, word, "a size, such as 10M or 64Ki");
	if (arg->type == CTL_RATE && ctl_rate_parse(word, &value) != 0)
		return refuse(arg, err, word, "a rate in bits a second, such as 100M");
	if (arg->type == CTL_DURATION || arg->type == CTL_MICROS) {
		if (ctl_time_parse(word, &bare, &value) != 0)
			return refuse(arg, err, word, "a duration, such as 250ms, 60s or 5m");
		if (arg->type == CTL_MICROS && bare && value != 0)
			return refuse(arg, err, word, "a duration with a unit, such as 50us");
		if (arg->type == CTL_DURATION && value % 1000 != 0)
			return refuse(arg, err, word, "a whole number of milliseconds");
		value /= arg->type == CTL_DURATION ? 1000 : 1;
	}
	*ret = json_integer(value);
	return 0;
}

static int parse_onoff(const struct ctl_arg *arg, const char *word, json_t **ret, struct err *err)
{
	bool on = strcmp(word, "on") == 0 || strcmp(word, "yes") == 0 || strcmp(word, "true") == 0;
	bool off =
		strcmp(word, "off") == 0 || strcmp(word, "no") == 0 || strcmp(word, "false") == 0;

	if (!on && !off)
		return refuse(arg, err, word, "on or off");
	*ret = json_boolean(on);
	return 0;
}

static int parse_string(const struct ctl_arg *arg, const char *word, size_t n, json_t **ret,
			struct err *err)
{
	*ret = json_stringn(word, n);
	return *ret != NULL ? 0 : refuse(arg, err, "...", "UTF-8");
}

/* Does a comma end an item? */
static bool splits(const struct ctl_arg *arg)
{
	return arg->type == CTL_LIST && (arg->flags & CTL_WHOLE) == 0;
}

static int parse_list(const struct ctl_arg *arg, const char *word, json_t **ret, struct err *err)
{
	json_t *list = json_array(), *item;

	for (const char *p = word;; p++) {
		size_t n = splits(arg) ? strcspn(p, ",") : strlen(p);

		if (parse_string(arg, p, n, &item, err) != 0) {
			json_decref(list);
			return -EINVAL;
		}
		json_array_append_new(list, item);
		p += n;
		if (*p == '\0')
			break;
	}
	*ret = list;
	return 0;
}

int ctl_value_parse(const struct ctl_arg *arg, const char *word, json_t **ret_value,
		    struct err *err)
{
	if (arg->flags & CTL_REST)
		return parse_list(arg, word, ret_value, err);
	switch (arg->type) {
	case CTL_UINT:
		return parse_integer(arg, word, ret_value, err);
	case CTL_SIZE:
	case CTL_RATE:
	case CTL_DURATION:
	case CTL_MICROS:
		return parse_units(arg, word, ret_value, err);
	case CTL_FLAG:
	case CTL_ONOFF:
		return parse_onoff(arg, word, ret_value, err);
	case CTL_LIST:
		return parse_list(arg, word, ret_value, err);
	case CTL_STR:
	case CTL_NAME:
	case CTL_CHOICE:
	case CTL_MAC:
	case CTL_VLANS:
	case CTL_FD_OUT:
	case CTL_FD_IN:
	case CTL_FILE:
		break;
	}
	return parse_string(arg, word, strlen(word), ret_value, err);
}

/* The check */

#define MAX_DURATION_MS                                                                            \
	(INT64_C(36525) * 86400 * 1000) /* A century; in microseconds it still fits. */

static int refuse_rate(const char *label, int64_t n, int64_t min, int64_t max, struct err *err)
{
	char it[32], from[32], to[32];

	ctl_rate_format(n, it, sizeof(it));
	ctl_rate_format(min, from, sizeof(from));
	ctl_rate_format(max, to, sizeof(to));
	return err_set(err, -EINVAL, "usage", "%s: %s is not in %s to %s bits a second", label, it,
		       from, to);
}

static int check_number(const struct ctl_arg *arg, const json_t *value, json_t **ret,
			struct err *err)
{
	char label[CTL_LABEL_SIZE];
	bool ranged = arg->min != 0 || arg->max != 0;
	int64_t unbounded = arg->type == CTL_DURATION ? MAX_DURATION_MS : INT64_MAX;
	int64_t n = json_integer_value(value), min = ranged ? arg->min : 0,
		max = ranged ? arg->max : unbounded;

	ctl_arg_label(arg, label);
	if (!json_is_integer(value))
		return err_set(err, -EINVAL, "usage", "%s: must be an integer", label);
	if (n >= min && n <= max) {
		*ret = json_integer(n);
		return 0;
	}
	if (arg->type == CTL_RATE && max != INT64_MAX)
		return refuse_rate(label, n, min, max, err);
	if (max == INT64_MAX)
		return err_set(err, -EINVAL, "usage", "%s: must be at least %" PRId64, label, min);
	if (arg->type == CTL_UINT)
		return err_set(err, -EINVAL, "usage",
			       "%s: %" PRId64 " is not in %" PRId64 " to %" PRId64, label, n, min,
			       max);
	return err_set(err, -EINVAL, "usage", "%s: out of range", label);
}

static bool is_printable(const char *text)
{
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < 0x20 || *text == 0x7f)
			return false;
	}
	return true;
}

/* What every string keeps to, before its own form. */
static int check_text(const char *label, const char *text, struct err *err)
{
	if (*text == '\0')
		return err_set(err, -EINVAL, "usage", "%s: must not be empty", label);
	if (strlen(text) > CTL_MAX_STR)
		return err_set(err, -EINVAL, "usage", "%s: longer than %d bytes", label,
			       CTL_MAX_STR);
	if (!is_printable(text))
		return err_set(err, -EINVAL, "usage", "%s: has control characters", label);
	return 0;
}

/* Puts the argument's name in front of an error that a helper set. */
static int prefix(struct err *err, const char *label)
{
	char what[sizeof(err->what)];

	if (err == NULL)
		return -EINVAL;
	memcpy(what, err->what, sizeof(what));
	return err_set(err, -EINVAL, "usage", "%s: %.250s", label, what);
}

static int normalise_mac(const char *label, const char *text, json_t **ret, struct err *err)
{
	uint8_t m[6];

	if (ctl_mac_parse(text, m, err) != 0)
		return prefix(err, label);
	*ret = json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
	return 0;
}

static int normalise_vlans(const char *label, const char *text, json_t **ret, struct err *err)
{
	uint64_t set[CTL_VLAN_WORDS];
	char *normal;

	if (ctl_vlans_parse(text, set, err) != 0)
		return prefix(err, label);
	normal = ctl_vlans_format(set);
	*ret = json_string(normal != NULL ? normal : text);
	free(normal);
	return 0;
}

static int check_string(const struct ctl_arg *arg, const json_t *value, json_t **ret,
			struct err *err)
{
	char label[CTL_LABEL_SIZE];
	const char *text = json_string_value(value);

	ctl_arg_label(arg, label);
	if (text == NULL)
		return err_set(err, -EINVAL, "usage", "%s: must be a string", label);
	if (arg->type == CTL_FILE) {
		*ret = json_string(text);
		return 0;
	}
	if (check_text(label, text, err) != 0)
		return -EINVAL;
	if (arg->type == CTL_MAC)
		return normalise_mac(label, text, ret, err);
	if (arg->type == CTL_VLANS)
		return normalise_vlans(label, text, ret, err);
	if (arg->choices != NULL && !ctl_choice_has(arg->choices, text))
		return refuse_choice(arg, err, text);
	if (ctl_form_check(arg->type == CTL_NAME ? CTL_FORM_NAME : arg->form, label, text, err) !=
	    0)
		return -EINVAL;
	*ret = json_string(text);
	return 0;
}

static int check_boolean(const struct ctl_arg *arg, const json_t *value, json_t **ret,
			 struct err *err)
{
	char label[CTL_LABEL_SIZE];

	if (!json_is_boolean(value))
		return err_set(err, -EINVAL, "usage", "%s: must be true or false",
			       ctl_arg_label(arg, label));
	*ret = json_boolean(json_is_true(value));
	return 0;
}

/* Items of a list may not hold the comma that separates them. */
static int check_item(const struct ctl_arg *arg, const json_t *item, json_t **ret, struct err *err)
{
	char label[CTL_LABEL_SIZE];
	const char *text = json_string_value(item);

	if (splits(arg) && text != NULL && strchr(text, ',') != NULL)
		return err_set(err, -EINVAL, "usage", "%s: an item has a comma",
			       ctl_arg_label(arg, label));
	return check_string(arg, item, ret, err);
}

static int check_array(const struct ctl_arg *arg, const json_t *value, json_t **ret,
		       struct err *err)
{
	char label[CTL_LABEL_SIZE];
	size_t n = json_array_size(value), max = arg->max > 0 ? (size_t)arg->max : CTL_MAX_ITEMS, i;
	json_t *list, *item, *checked;

	ctl_arg_label(arg, label);
	if (!json_is_array(value) || n == 0)
		return err_set(err, -EINVAL, "usage", "%s: must be an array of strings, not empty",
			       label);
	if (n < (size_t)arg->min || n > max)
		return err_set(err, -EINVAL, "usage", "%s: takes %" PRId64 " to %zu items, not %zu",
			       label, arg->min > 0 ? arg->min : 1, max, n);
	list = json_array();
	json_array_foreach(value, i, item) {
		if (check_item(arg, item, &checked, err) != 0) {
			json_decref(list);
			return -EINVAL;
		}
		json_array_append_new(list, checked);
	}
	*ret = list;
	return 0;
}

int ctl_value_check(const struct ctl_arg *arg, const json_t *value, json_t **ret_value,
		    struct err *err)
{
	if (arg->flags & CTL_REST)
		return check_array(arg, value, ret_value, err);
	switch (arg->type) {
	case CTL_UINT:
	case CTL_SIZE:
	case CTL_RATE:
	case CTL_DURATION:
	case CTL_MICROS:
		return check_number(arg, value, ret_value, err);
	case CTL_FLAG:
	case CTL_ONOFF:
		return check_boolean(arg, value, ret_value, err);
	case CTL_LIST:
		return check_array(arg, value, ret_value, err);
	case CTL_STR:
	case CTL_NAME:
	case CTL_CHOICE:
	case CTL_MAC:
	case CTL_VLANS:
	case CTL_FD_OUT:
	case CTL_FD_IN:
	case CTL_FILE:
		break;
	}
	return check_string(arg, value, ret_value, err);
}

/* Back to words */

static char *join(const json_t *list)
{
	char *text = NULL;
	size_t size = 0, i;
	json_t *item;
	FILE *f = open_memstream(&text, &size);

	if (f == NULL)
		return NULL;
	json_array_foreach(list, i, item)
		fprintf(f, "%s%s", i > 0 ? "," : "", json_string_value(item));
	return fclose(f) == 0 ? text : NULL;
}

char *ctl_value_format(const struct ctl_arg *arg, const json_t *value)
{
	char buf[32] = "";
	int64_t n = json_integer_value(value);

	switch (arg->type) {
	case CTL_UINT:
		snprintf(buf, sizeof(buf), "%" PRId64, n);
		break;
	case CTL_SIZE:
		if ((arg->flags & CTL_BINARY) != 0)
			ctl_binary_size_format(n, buf, sizeof(buf));
		else
			ctl_size_format(n, buf, sizeof(buf));
		break;
	case CTL_RATE:
		ctl_rate_format(n, buf, sizeof(buf));
		break;
	case CTL_DURATION:
		ctl_time_format(n * 1000, buf, sizeof(buf));
		break;
	case CTL_MICROS:
		ctl_time_format(n, buf, sizeof(buf));
		break;
	case CTL_FLAG:
	case CTL_ONOFF:
		return strdup(json_is_true(value) ? "on" : "off");
	case CTL_LIST:
		return join(value);
	case CTL_STR:
	case CTL_NAME:
	case CTL_CHOICE:
	case CTL_MAC:
	case CTL_VLANS:
	case CTL_FD_OUT:
	case CTL_FD_IN:
	case CTL_FILE:
		return json_is_string(value) ? strdup(json_string_value(value)) : NULL;
	}
	return strdup(buf);
}
