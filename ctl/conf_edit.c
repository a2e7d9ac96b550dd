/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Edits of a state, by the command table: 'add' keeps what was given as the object's body, 'set'
 * merges into it, 'remove' drops it.  What was not given is not in the body: defaults belong to who
 * runs the object, and 'config show' stays short.  An object there is always one of (kind without a
 * key) is set from nothing and goes when nothing is set.  A binding with a function of its own goes
 * before these.
 */
#include "ctl/conf_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/state.h"

/* Names in a did-you-mean; more would not be read. */
#define MAX_NAMES 64

int conf_edit_add(json_t *state, const char *kind, const char *name, json_t *body, struct err *err)
{
	const struct ctl_spec *adds = ctl_spec_of_kind(kind);
	const struct ctl_spec *removes = adds != NULL ? ctl_spec_remover(adds) : NULL;

	if (state_get(state, kind, name) != NULL) {
		json_decref(body);
		err_set(err, -EEXIST, "exists", "%s '%s' exists", kind, name);
		err_why(err, "names are unique among all of a kind");
		err_fix(err, "take another, or first: vswitchctl %s %s %s", kind,
			removes != NULL ? removes->verb : "remove", name);
		return -EEXIST;
	}
	if (state_put(state, kind, name, body) != 0)
		return err_set(err, -ENOMEM, "no-memory", "cannot add %s '%s': out of memory", kind,
			       name);
	return 0;
}

int conf_refuse_missing(const json_t *state, const char *kind, const char *name, const char *who,
			struct err *err)
{
	const char *names[MAX_NAMES + 1], *key;
	json_t *objects = json_object_get(state, kind), *body;
	size_t n = 0;

	json_object_foreach(objects, key, body) {
		if (n < MAX_NAMES)
			names[n++] = key;
	}
	names[n] = NULL;
	return ctl_refuse_missing(kind, name, names, json_object_size(objects), who, err);
}

static int refuse_missing(const json_t *state, const char *kind, const char *name, struct err *err)
{
	return conf_refuse_missing(state, kind, name, "", err);
}

int conf_edit_remove(json_t *state, const char *kind, const char *name, struct err *err)
{
	return state_drop(state, kind, name) == 0 ? 0 : refuse_missing(state, kind, name, err);
}

json_t *conf_edit_get(json_t *state, const char *kind, const char *name)
{
	return state_get(state, kind, name);
}

/* There may be two kinds under a noun: 'core add' makes cores, 'core set' sets what they have in
 * common. */
const struct ctl_spec *conf_adds(const struct ctl_spec *spec)
{
	if (spec->kind != NULL)
		return spec;
	if (spec->sets != NULL || spec->removes != NULL)
		return ctl_spec_of_kind(spec->sets != NULL ? spec->sets : spec->removes);
	for (const struct ctl_spec *other = ctl_specs(); other->noun != NULL; other++) {
		if (other->kind != NULL && other->key != NULL &&
		    strcmp(other->noun, spec->noun) == 0)
			return other;
	}
	return NULL;
}

bool conf_edit_knows(const struct ctl_spec *spec)
{
	return conf_adds(spec) != NULL &&
	       (spec->kind != NULL || strcmp(spec->verb, "set") == 0 || spec->sets != NULL ||
		spec->removes != NULL || spec == ctl_spec_removes(spec->noun));
}

/* A body as the command that adds it would have made it.  What 'given' says must be in it; what was
 * left over from before and does not go with that is dropped ('port set --vlan-mode trunk' drops
 * the VLAN of an access port). */
static int normalise(const struct ctl_spec *adds, const json_t *body, const json_t *given,
		     json_t **ret_body, struct err *err)
{
	json_t *pruned = json_deep_copy(body), *value;
	bool lost = false;
	const char *key;
	int rc;

	ctl_args_prune(adds, pruned);
	json_object_foreach(state_unconst(given), key, value) {
		lost = lost ||
		       (json_object_get(body, key) != NULL && json_object_get(pruned, key) == NULL);
	}
	rc = ctl_args_check(adds, lost ? body : pruned, ret_body, err);
	json_decref(pruned);
	return rc;
}

static bool is_key(const struct ctl_spec *adds, const char *key)
{
	size_t n = strlen(key);

	for (const char *p = adds->key; p != NULL && *p != '\0'; p += strspn(p, " ")) {
		size_t n_part = strcspn(p, " ");

		if (n_part == n && memcmp(p, key, n) == 0)
			return true;
		p += n_part;
	}
	return false;
}

/* The way around: the object as it would be, made anew. */
static int refuse_device(const struct ctl_spec *adds, const char *name, const char *key,
			 const json_t *merged, struct err *err)
{
	char *words = ctl_args_format(adds, merged);

	err_set(err, -EINVAL, "fixed", "%s of %s '%s' cannot be changed while it exists", key,
		adds->noun, name);
	err_why(err, "it is part of what the %s is made of", adds->noun);
	err_fix(err, "vswitchctl %s remove %s && vswitchctl %s", adds->noun, name,
		words != NULL ? words : "");
	free(words);
	return -EINVAL;
}

/* "--default vlan,mtu": back to what it would be, had it not been given. */
static int merge_defaults(const struct ctl_spec *adds, json_t *body, const json_t *list,
			  struct err *err)
{
	char key[CTL_KEY_SIZE];
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item) {
		const struct ctl_arg *arg;

		snprintf(key, sizeof(key), "%s", json_string_value(item) ?: "");
		for (char *p = key; *p != '\0'; p++)
			*p = *p == '-' ? '_' : *p;
		arg = ctl_spec_arg(adds, key);
		if (arg == NULL || is_key(adds, key) ||
		    (arg->flags & (CTL_REQUIRED | CTL_DEVICE)) != 0) {
			err_set(err, -EINVAL, "usage",
				"--default: '%.64s' has no default to go back to",
				json_string_value(item) ?: "");
			err_fix(err, "vswitchctl %s %s --help", adds->noun, adds->verb);
			return -EINVAL;
		}
		json_object_del(body, key);
	}
	return 0;
}

static int merge(const struct ctl_spec *adds, const char *name, json_t *body, const json_t *params,
		 struct err *err)
{
	const json_t *defaults = NULL;
	const char *key, *fixed = NULL;
	json_t *value;

	json_object_foreach(state_unconst(params), key, value) {
		const struct ctl_arg *arg = ctl_spec_arg(adds, key);

		if (strcmp(key, "default") == 0) {
			defaults = value;
			continue;
		}
		if (is_key(adds, key))
			continue;
		if (arg != NULL && (arg->flags & CTL_DEVICE) &&
		    !json_equal(json_object_get(body, key), value))
			fixed = key;
		json_object_set(body, key, value);
	}
	if (fixed != NULL)
		return refuse_device(adds, name, fixed, body, err);
	return merge_defaults(adds, body, defaults, err);
}

static int edit_set(json_t *state, const struct ctl_spec *adds, const char *name,
		    const json_t *params, struct err *err)
{
	const json_t *found = state_get(state, adds->kind, name);
	json_t *body, *normal = NULL;
	int rc;

	if (found == NULL && adds->key != NULL)
		return refuse_missing(state, adds->kind, name, err);
	body = found != NULL ? json_deep_copy(found) : json_object();
	rc = merge(adds, name, body, params, err);
	if (rc == 0)
		rc = normalise(adds, body, params, &normal, err);
	json_decref(body);
	if (rc != 0)
		return rc;
	if (adds->key == NULL && json_object_size(normal) == 0) {
		json_decref(normal);
		state_drop(state, adds->kind, name);
		return 0;
	}
	if (state_put(state, adds->kind, name, normal) != 0)
		return err_set(err, -ENOMEM, "no-memory", "cannot set %s '%s': out of memory",
			       adds->kind, name);
	return 0;
}

/* Has 'body' all that was said?  What is no parameter of the object ("--with-ports") says nothing
 * about it. */
static bool matches(const struct ctl_spec *adds, const json_t *body, const json_t *params)
{
	const char *key;
	json_t *value;

	json_object_foreach(state_unconst(params), key, value) {
		if (ctl_spec_arg(adds, key) != NULL &&
		    !json_equal(json_object_get(body, key), value))
			return false;
	}
	return true;
}

/* An object may be named by less than its whole name ('mac remove lan0 02:..:01') as long as only
 * one is meant. */
static int find_meant(const json_t *state, const struct ctl_spec *adds, const json_t *params,
		      const char **ret_name, struct err *err)
{
	json_t *objects = json_object_get(state, adds->kind), *body;
	const char *key, *found = NULL, *second = NULL;

	json_object_foreach(objects, key, body) {
		if (!matches(adds, body, params))
			continue;
		if (found != NULL)
			second = key;
		else
			found = key;
	}
	if (found == NULL) {
		err_set(err, -ENOENT, "not-found", "no such %s", adds->kind);
		err_why(err, "none of the %zu has all that was said of it",
			json_object_size(objects));
		err_fix(err, "vswitchctl config show");
		return -ENOENT;
	}
	if (second != NULL) {
		err_set(err, -EINVAL, "ambiguous", "more than one %s is meant", adds->kind);
		err_why(err, "'%.120s' and '%.120s' both are what was said", found, second);
		err_fix(err, "say more: vswitchctl %s remove --help", adds->noun);
		return -EINVAL;
	}
	*ret_name = found;
	return 0;
}

static int edit_remove(json_t *state, const struct ctl_spec *adds, const char *name,
		       const json_t *params, struct err *err)
{
	const json_t *body = name != NULL ? state_get(state, adds->kind, name) : NULL;
	const char *meant = name;
	int rc;

	if (body != NULL && matches(adds, body, params))
		return conf_edit_remove(state, adds->kind, name, err);
	/* A single word names the object; then the nearest other name is the better answer. */
	if (name != NULL && strchr(adds->key, ' ') == NULL)
		return refuse_missing(state, adds->kind, name, err);
	rc = find_meant(state, adds, params, &meant, err);
	return rc == 0 ? conf_edit_remove(state, adds->kind, meant, err) : rc;
}

/* An object that several words name: its command says it better than a name that nobody typed. */
static int refuse_again(const struct ctl_spec *spec, const json_t *params, struct err *err)
{
	const struct ctl_spec *removes = ctl_spec_remover(spec);
	char *added = ctl_args_format(spec, params);
	char *removed = removes != NULL ? ctl_args_format(removes, params) : NULL;

	err_set(err, -EEXIST, "exists", "that %s exists: %.240s", spec->noun,
		added != NULL ? added : "");
	err_why(err, "it is in the configuration already");
	err_fix(err, "keep it, or first: vswitchctl %s", removed != NULL ? removed : "config show");
	free(added);
	free(removed);
	return -EEXIST;
}

/* "guard set": of objects that are there as soon as something is said of them. */
static int edit_set_or_add(json_t *state, const struct ctl_spec *spec, const char *name,
			   const json_t *params, struct err *err)
{
	json_t *body;

	if (state_get(state, spec->kind, name) != NULL)
		return edit_set(state, spec, name, params, err);
	body = json_deep_copy(params);
	json_object_del(body, "default");
	return conf_edit_add(state, spec->kind, name, body, err);
}

int conf_edit(json_t *state, const struct ctl_spec *spec, const json_t *params, struct err *err)
{
	const struct ctl_spec *adds = conf_adds(spec);
	bool removes = spec->removes != NULL || spec == ctl_spec_removes(spec->noun);
	char *name;
	int rc;

	if (adds == NULL)
		return err_set(err, -ENOTSUP, "not-supported", "%s %s is not supported here",
			       spec->noun, spec->verb);
	name = ctl_spec_object_name(adds, params);
	if (removes)
		rc = edit_remove(state, adds, name, params, err);
	else if (name == NULL)
		rc = err_set(err, -EINVAL, "usage", "%s %s: it does not say which", spec->noun,
			     spec->verb);
	else if (spec->kind != NULL && spec->key != NULL && strcmp(spec->verb, "set") == 0)
		rc = edit_set_or_add(state, spec, name, params, err);
	else if (spec->kind != NULL && strchr(adds->key != NULL ? adds->key : "", ' ') != NULL &&
		 state_get(state, adds->kind, name) != NULL)
		rc = refuse_again(spec, params, err);
	else if (spec->kind != NULL && spec->key != NULL)
		rc = conf_edit_add(state, adds->kind, name, json_deep_copy(params), err);
	else
		rc = edit_set(state, adds, name, params, err);
	free(name);
	return rc;
}

static const struct conf_binding *find_binding(const struct conf *conf, const struct ctl_spec *spec)
{
	const struct conf_binding *b = conf != NULL ? conf->bindings : NULL;

	for (; b != NULL && b->noun != NULL; b++) {
		if (strcmp(b->noun, spec->noun) == 0 && strcmp(b->verb, spec->verb) == 0)
			return b;
	}
	return NULL;
}

bool conf_knows(const struct conf *conf, const struct ctl_spec *spec)
{
	return (spec->flags & CTL_CHANGES) &&
	       (find_binding(conf, spec) != NULL || conf_edit_knows(spec));
}

int conf_change(struct conf *conf, const struct ctl_spec *spec, json_t *state, const json_t *params,
		json_t **ret_result, struct err *err)
{
	const struct conf_binding *binding = find_binding(conf, spec);

	if (binding != NULL && binding->fn != NULL)
		return binding->fn(conf->ctx, state, params, ret_result, err);
	if (conf_edit_knows(spec))
		return conf_edit(state, spec, params, err);
	return err_set(err, -ENOTSUP, "not-supported", "%s %s is not supported here", spec->noun,
		       spec->verb);
}

static int in_object(const char *kind, const char *name, struct err *err, int code)
{
	char what[sizeof(err->what)];

	if (err == NULL)
		return code;
	snprintf(what, sizeof(what), "%s", err->what);
	snprintf(err->what, sizeof(err->what), "%.63s '%.130s': %.120s", kind, name, what);
	return code;
}

static int check_object(json_t *objects, const char *kind, const char *name, const json_t *body,
			struct err *err)
{
	const struct ctl_spec *adds = ctl_spec_of_kind(kind);
	json_t *normal = NULL;
	char *right;
	bool named;
	int rc;

	if (adds == NULL) {
		err_set(err, -EINVAL, "unknown-kind",
			"the configuration has a %s '%s', which is not known here", kind, name);
		err_why(err, "a newer vswitchd has written it");
		err_fix(err, "start the newer vswitchd, remove it there, then go back");
		return -EINVAL;
	}
	rc = ctl_args_check(adds, body, &normal, err);
	if (rc != 0)
		return in_object(kind, name, err, rc);
	right = ctl_spec_object_name(adds, normal);
	/* 'default' is an argument of the command that sets, and nothing that can be set. */
	named = right != NULL && strcmp(right, name) == 0 &&
		json_object_get(normal, "default") == NULL;
	free(right);
	if (!named) {
		json_decref(normal);
		return err_set(err, -EINVAL, "bad-state",
			       "the configuration has a %s '%s' that is not one", kind, name);
	}
	json_object_set_new(objects, name, normal);
	return 0;
}

int conf_edit_check_state(json_t *state, struct err *err)
{
	const char *kind, *name;
	json_t *objects, *body;
	void *next;
	int rc;

	if (state_check_form(state) != 0)
		return err_set(err, -EINVAL, "bad-state",
			       "a configuration is {\"kind\": {\"name\": {..}}}");
	json_object_foreach(state, kind, objects) {
		json_object_foreach_safe(objects, next, name, body)
		{
			rc = check_object(objects, kind, name, body, err);
			if (rc != 0)
				return rc;
		}
	}
	return 0;
}
