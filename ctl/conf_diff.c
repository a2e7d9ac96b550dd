/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What differs between two configurations, in an order that loads, with the commands that lead from
 * one to the other: removals from the last kind to the first, then changes and additions from the
 * first to the last.
 */
#include "ctl/conf_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/state.h"

int conf_kind_rank(const char *kind)
{
	/* Each kind may refer to those before it. */
	static const char *const order[] = {"settings",	  "cores",	"core",	      "conntrack",
					    "tenant",	  "switch",	"zone",	      "vm",
					    "disk",	  "port",	"mac",	      "queue",
					    "controller", "filter",	"attachment", "ipset",
					    "acl",	  "acl-binding"};
	int rank = 0;

	for (size_t i = 0; i < sizeof(order) / sizeof(order[0]); i++) {
		if (strcmp(order[i], kind) == 0)
			return (int)i;
	}
	rank = (int)(sizeof(order) / sizeof(order[0]));
	for (const struct ctl_spec *spec = ctl_specs(); spec->noun != NULL; spec++, rank++) {
		if (spec->kind != NULL && strcmp(spec->kind, kind) == 0)
			break;
	}
	return rank;
}

static int compare_objects(const void *a, const void *b)
{
	const struct conf_object *x = a, *y = b;
	int x_rank = conf_kind_rank(x->kind), y_rank = conf_kind_rank(y->kind);
	int rc;

	if (x_rank != y_rank)
		return x_rank < y_rank ? -1 : 1;
	rc = strcmp(x->kind, y->kind);
	/* p2 before p10; names that only differ in leading zeros still have one order. */
	if (rc == 0)
		rc = strverscmp(x->name, y->name);
	return rc != 0 ? rc : strcmp(x->name, y->name);
}

int conf_sort_objects(const json_t *state, struct conf_object **ret_objects, size_t *ret_n)
{
	struct conf_object *objects;
	const char *kind, *name;
	json_t *of_kind, *body;
	size_t n = 0;

	json_object_foreach(state_unconst(state), kind, of_kind)
		n += json_object_size(of_kind);
	objects = calloc(n + 1, sizeof(*objects));
	if (objects == NULL)
		return -ENOMEM;
	n = 0;
	json_object_foreach(state_unconst(state), kind, of_kind) {
		json_object_foreach(of_kind, name, body) {
			objects[n++] = (struct conf_object){kind, name, body};
		}
	}
	qsort(objects, n, sizeof(*objects), compare_objects);
	*ret_objects = objects;
	*ret_n = n;
	return 0;
}

/* The parameters that say which object this is. */
static json_t *key_params(const struct ctl_spec *adds, const json_t *body)
{
	json_t *params = json_object();
	char keys[128], *save = NULL;

	snprintf(keys, sizeof(keys), "%s", adds->key != NULL ? adds->key : "");
	for (char *key = strtok_r(keys, " ", &save); key != NULL;
	     key = strtok_r(NULL, " ", &save)) {
		json_t *value = json_object_get(body, key);

		if (value != NULL)
			json_object_set(params, key, value);
	}
	return params;
}

static bool can_set(const struct ctl_spec *adds, const struct ctl_spec *sets, const char *key)
{
	const struct ctl_arg *arg = ctl_spec_arg(adds, key);

	return arg != NULL && !(arg->flags & CTL_DEVICE) && ctl_spec_arg(sets, key) != NULL;
}

static json_t *as_option(const char *key)
{
	char name[CTL_KEY_SIZE];

	snprintf(name, sizeof(name), "%s", key);
	for (char *p = name; *p != '\0'; p++)
		*p = *p == '_' ? '-' : *p;
	return json_string(name);
}

/* Parameters of the 'set' that turns one body into the other, or NULL when none can. */
static json_t *set_params(const struct ctl_spec *adds, const struct ctl_spec *sets,
			  const json_t *before, const json_t *after)
{
	json_t *params = key_params(adds, after), *defaults = json_array(), *value;
	bool possible = true;
	const char *key;

	json_object_foreach(state_unconst(after), key, value) {
		if (json_equal(value, json_object_get(before, key)))
			continue;
		possible = possible && can_set(adds, sets, key);
		json_object_set(params, key, value);
	}
	json_object_foreach(state_unconst(before), key, value) {
		if (json_object_get(after, key) != NULL)
			continue;
		possible = possible && can_set(adds, sets, key);
		json_array_append_new(defaults, as_option(key));
	}
	if (json_array_size(defaults) > 0) {
		possible = possible && ctl_spec_arg(sets, "default") != NULL;
		json_object_set(params, "default", defaults);
	}
	json_decref(defaults);
	if (possible)
		return params;
	json_decref(params);
	return NULL;
}

static char *set_command(const struct ctl_spec *adds, const json_t *before, const json_t *after)
{
	const struct ctl_spec *sets = adds->key == NULL ? adds : ctl_spec_setter(adds);
	json_t *params = sets != NULL ? set_params(adds, sets, before, after) : NULL;
	char *command = params != NULL ? ctl_args_format(sets, params) : NULL;

	json_decref(params);
	return command;
}

/* All that is known of the object and that the command takes: more than a name where a name is not
 * enough. */
static json_t *remove_params(const struct ctl_spec *removes, const json_t *body)
{
	json_t *params = json_object(), *value;
	const char *key;

	json_object_foreach(state_unconst(body), key, value) {
		if (ctl_spec_arg(removes, key) != NULL)
			json_object_set(params, key, value);
	}
	return params;
}

static char *remove_command(const struct ctl_spec *adds, const json_t *body)
{
	const struct ctl_spec *removes = ctl_spec_remover(adds);
	json_t *params, *empty;
	char *command;

	if (adds->key == NULL) {
		empty = json_object();
		command = set_command(adds, body, empty);
		json_decref(empty);
		return command;
	}
	if (removes == NULL)
		return NULL;
	params = remove_params(removes, body);
	command = ctl_args_format(removes, params);
	json_decref(params);
	return command;
}

static char *join_lines(char *first, char *second)
{
	char *both = NULL;

	if (first == NULL || second == NULL || asprintf(&both, "%s\n%s", first, second) < 0)
		both = NULL;
	free(first);
	free(second);
	return both;
}

/* The lines that make this change; NULL when the kind is not known. */
static char *command_of(const char *kind, const json_t *before, const json_t *after)
{
	const struct ctl_spec *adds = ctl_spec_of_kind(kind);
	char *command;

	if (adds == NULL)
		return NULL;
	if (after == NULL)
		return remove_command(adds, before);
	if (before == NULL)
		return ctl_args_format(adds, after);
	command = set_command(adds, before, after);
	if (command != NULL)
		return command;
	return join_lines(remove_command(adds, before), ctl_args_format(adds, after));
}

static int add_change(json_t *changes, const struct conf_object *object, const json_t *before,
		      const json_t *after)
{
	const char *op = before == NULL ? "add" : after == NULL ? "remove" : "change";
	char *command = command_of(object->kind, before, after);
	json_t *change = json_pack("{s:s, s:s, s:s, s:O?, s:O?, s:s?}", "op", op, "kind",
				   object->kind, "name", object->name, "before", before, "after",
				   after, "command", command);

	free(command);
	return change != NULL && json_array_append_new(changes, change) == 0 ? 0 : -ENOMEM;
}

static int add_removed(json_t *changes, const json_t *before, const json_t *after)
{
	struct conf_object *objects;
	size_t n;
	int rc = conf_sort_objects(before, &objects, &n);

	if (rc != 0)
		return rc;
	while (rc == 0 && n-- > 0) {
		if (state_get(after, objects[n].kind, objects[n].name) == NULL)
			rc = add_change(changes, &objects[n], objects[n].body, NULL);
	}
	free(objects);
	return rc;
}

static int add_changed(json_t *changes, const json_t *before, const json_t *after)
{
	struct conf_object *objects;
	size_t n;
	int rc = conf_sort_objects(after, &objects, &n);

	if (rc != 0)
		return rc;
	for (size_t i = 0; rc == 0 && i < n; i++) {
		const json_t *old = state_get(before, objects[i].kind, objects[i].name);

		if (old == NULL || !json_equal(old, objects[i].body))
			rc = add_change(changes, &objects[i], old, objects[i].body);
	}
	free(objects);
	return rc;
}

json_t *conf_diff(const json_t *before, const json_t *after)
{
	json_t *changes = json_array();

	if (changes == NULL || add_removed(changes, before, after) != 0 ||
	    add_changed(changes, before, after) != 0) {
		json_decref(changes);
		return NULL;
	}
	return changes;
}
