/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Changes of mirrors; see changes.h.  A target that goes leaves its mirror waiting, so the model
 * takes one that is not there; who adds or changes a mirror must name one that is, or say that it
 * may wait.  The latter is said for a mirror whose target goes: so its configuration loads again.
 */
#include "vswitch/changes_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const targets[] = {"to", "to_vlan", "erspan"};
/* What goes with a target of one kind. */
static const struct {
	const char *target, *key;
} belongs[] = {
	{"to", "keep_traffic"}, {"to_vlan", "to_switch"}, {"to_vlan", "to_tenant"},
	{"erspan", "session"},	{"erspan", "vtep"},	  {"erspan", "erspan_type"},
	{"erspan", "ttl"},	{"erspan", "dscp"},
};
#define N(a) (sizeof(a) / sizeof((a)[0]))

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

static int check_target(json_t *state, const json_t *body, const char *name, struct err *err)
{
	static const char *const keys[] = {"to", "vtep"};
	char who[100];

	if (json_is_true(json_object_get(body, "wait")))
		return 0;
	snprintf(who, sizeof(who), "mirror %.80s", name);
	for (size_t i = 0; i < N(keys); i++)
		if (param(body, keys[i]) != NULL &&
		    conf_edit_get(state, "port", param(body, keys[i])) == NULL)
			return conf_refuse_missing(state, "port", param(body, keys[i]), who, err);
	return 0;
}

/* Words of one kind of target beside another. */
static int check_words(const json_t *body, const char *name, struct err *err)
{
	for (size_t i = 0; i < N(belongs); i++) {
		char option[40];

		if (json_object_get(body, belongs[i].key) == NULL ||
		    json_object_get(body, belongs[i].target) != NULL)
			continue;
		snprintf(option, sizeof(option), "%s", belongs[i].key);
		for (char *p = option; *p != '\0'; p++)
			*p = (char)(*p == '_' ? '-' : *p);
		err_set(err, -EINVAL, "usage", "mirror %s: --%s goes with --%s", name, option,
			strcmp(belongs[i].target, "to_vlan") == 0 ? "to-vlan" : belongs[i].target);
		err_fix(err, "vswitchctl mirror add --help");
		return -EINVAL;
	}
	return 0;
}

int vs_change_mirror_add(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			 struct err *err)
{
	const char *name = param(params, "name");
	int rc = 0;

	if (conf_edit_get(state, "mirror", name) == NULL)
		rc = check_words(params, name, err);
	if (rc == 0 && conf_edit_get(state, "mirror", name) == NULL)
		rc = check_target(state, params, name, err);
	return rc == 0 ? conf_edit_add(state, "mirror", name, json_deep_copy(params), err) : rc;
}

/* A new target takes the place of the old one, with all that was said of it. */
static void drop_old_target(json_t *body, const json_t *params)
{
	for (size_t i = 0; i < N(targets); i++) {
		if (json_object_get(params, targets[i]) == NULL)
			continue;
		json_object_del(body, "wait");
		for (size_t k = 0; k < N(targets); k++)
			if (k != i)
				json_object_del(body, targets[k]);
		for (size_t k = 0; k < N(belongs); k++)
			if (strcmp(belongs[k].target, targets[i]) != 0)
				json_object_del(body, belongs[k].key);
	}
}

/* "limit-packets" -> "limit_packets" */
static void drop_default(json_t *body, const char *option)
{
	char key[40];

	snprintf(key, sizeof(key), "%s", option);
	for (char *p = key; *p != '\0'; p++)
		*p = (char)(*p == '-' ? '_' : *p);
	json_object_del(body, key);
}

int vs_change_mirror_set(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			 struct err *err)
{
	const char *name = param(params, "name"), *key;
	json_t *body = conf_edit_get(state, "mirror", name), *value;
	size_t i;
	int rc;

	if (body == NULL)
		return conf_refuse_missing(state, "mirror", name, "", err);
	drop_old_target(body, params);
	json_object_foreach((json_t *)(uintptr_t)params, key, value) {
		if (strcmp(key, "default") != 0)
			json_object_set(body, key, value);
	}
	json_array_foreach(json_object_get(params, "default"), i, value) {
		drop_default(body, json_string_value(value));
	}
	rc = check_words(body, name, err);
	return rc == 0 ? check_target(state, params, name, err) : rc;
}

static void list_drop(json_t *body, const char *kind, const char *name)
{
	json_t *list = json_object_get(body, kind), *value;
	size_t i = 0;

	while ((value = json_array_get(list, i)) != NULL) {
		if (strcmp(json_string_value(value), name) == 0)
			json_array_remove(list, i);
		else
			i++;
	}
	if (list != NULL && json_array_size(list) == 0)
		json_object_del(body, kind);
}

static void wait_for(json_t *body, const char *kind, const char *name)
{
	const char *to = param(body, "to") != NULL ? param(body, "to") : param(body, "vtep");

	if (strcmp(kind, "port") == 0 && to != NULL && strcmp(to, name) == 0)
		json_object_set_new(body, "wait", json_true());
}

void vs_change_mirrors_lose(json_t *state, const char *kind, const char *name)
{
	json_t *objects = json_object_get(state, "mirror"), *body;
	const char *mirror;
	void *tmp;

	json_object_foreach_safe(objects, tmp, mirror, body)
	{
		const char *to = param(body, strcmp(kind, "switch") == 0   ? "to_switch"
					     : strcmp(kind, "tenant") == 0 ? "to_tenant"
									   : "none");

		list_drop(body, kind, name);
		wait_for(body, kind, name);
		if ((to != NULL && strcmp(to, name) == 0) ||
		    (json_object_get(body, "port") == NULL &&
		     json_object_get(body, "tenant") == NULL &&
		     json_object_get(body, "switch") == NULL))
			json_object_del(objects, mirror);
	}
	if (json_object_size(objects) == 0)
		json_object_del(state, "mirror");
}
