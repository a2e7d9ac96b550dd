/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Changes of ports' guards; see changes.h.  There is an object where something was said of a port's
 * guards; the profile says the rest (guards_model.c).
 */
#include "vswitch/changes_priv.h"

#include "ctl/spec.h"
#include "ctl/spec_guard.h"
#include "vswitch/guards.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

/* The guards' object of a port, made where there is none; NULL: there is no such port. */
static json_t *object_of(json_t *state, const char *port, const char *who, struct err *err)
{
	json_t *body = conf_edit_get(state, "guard", port);

	if (conf_edit_get(state, "port", port) == NULL) {
		(void)conf_refuse_missing(state, "port", port, who, err);
		return NULL;
	}
	if (body != NULL)
		return body;
	if (conf_edit_add(state, "guard", port, json_pack("{ss}", "port", port), err) != 0)
		return NULL;
	return conf_edit_get(state, "guard", port);
}

/* An object that says nothing is none. */
static void drop_if_silent(json_t *state, const char *port)
{
	const json_t *body = conf_edit_get(state, "guard", port);

	if (body != NULL && json_object_size(body) <= 1)
		(void)conf_edit_remove(state, "guard", port, NULL);
}

static void drop_default(json_t *body, const char *option)
{
	char key[CTL_KEY_SIZE];

	snprintf(key, sizeof(key), "%s", option);
	for (char *p = key; *p != '\0'; p++)
		*p = (char)(*p == '-' ? '_' : *p);
	json_object_del(body, key);
}

/* The words as the model writes them, so that 10.0.0.5/32 is 10.0.0.5 when it is taken back. */
static int normalise_addresses(const char *port, json_t *list, struct err *err)
{
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item) {
		char text[VS_GUARD_PREFIX_SIZE];
		struct vs_guard_prefix p;
		int rc = vs_guard_prefix_parse(port, json_string_value(item), &p, err);

		if (rc != 0)
			return rc;
		vs_guard_prefix_format(&p, text);
		json_array_set_new(list, i, json_string(text));
	}
	return 0;
}

int vs_change_guard_set(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			struct err *err)
{
	const char *port = param(params, "port"), *key;
	json_t *body = object_of(state, port, "guard set", err), *value;
	size_t i;
	int rc;

	if (body == NULL)
		return -ENOENT;
	json_object_foreach((json_t *)(uintptr_t)params, key, value) {
		if (strcmp(key, "default") != 0)
			json_object_set_new(body, key, json_deep_copy(value));
	}
	json_array_foreach(json_object_get(params, "default"), i, value)
		drop_default(body, json_string_value(value));
	rc = normalise_addresses(port, json_object_get(body, "address"), err);
	drop_if_silent(state, port);
	return rc;
}

/* Where 'text' stands in the list; its size: nowhere. */
static size_t place_in(const json_t *list, const char *text)
{
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item) {
		if (strcmp(json_string_value(item), text) == 0)
			return i;
	}
	return json_array_size(list);
}

int vs_change_guard_bind(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			 struct err *err)
{
	const char *port = param(params, "port");
	json_t *body = object_of(state, port, "guard bind", err), *list;
	char text[VS_GUARD_PREFIX_SIZE];
	struct vs_guard_prefix p;
	int rc = body == NULL ? -ENOENT
			      : vs_guard_prefix_parse(port, param(params, "address"), &p, err);

	if (rc != 0)
		return rc;
	vs_guard_prefix_format(&p, text);
	list = json_object_get(body, "address");
	if (place_in(list, text) < json_array_size(list)) {
		err_set(err, -EEXIST, "exists", "port %s has address %s already", port, text);
		err_why(err, "it was given it by guard set or guard bind");
		err_fix(err, "vswitchctl guard bindings %s", port);
		return -EEXIST;
	}
	if (json_array_size(list) >= CTL_MAX_GUARD_ADDRESSES) {
		err_set(err, -ENOSPC, "limit", "port %s: at most %d addresses", port,
			CTL_MAX_GUARD_ADDRESSES);
		err_why(err, "each frame of the port is held against them");
		err_fix(err, "give a prefix that has several of them");
		return -ENOSPC;
	}
	if (list == NULL) {
		list = json_array();
		json_object_set_new(body, "address", list);
	}
	json_array_append_new(list, json_string(text));
	return 0;
}

int vs_change_guard_unbind(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			   struct err *err)
{
	const char *port = param(params, "port");
	json_t *body = object_of(state, port, "guard unbind", err), *list;
	char text[VS_GUARD_PREFIX_SIZE];
	struct vs_guard_prefix p;
	int rc = body == NULL ? -ENOENT
			      : vs_guard_prefix_parse(port, param(params, "address"), &p, err);

	if (rc != 0)
		return rc;
	vs_guard_prefix_format(&p, text);
	list = json_object_get(body, "address");
	if (place_in(list, text) == json_array_size(list)) {
		err_set(err, -ENOENT, "not-found", "port %s was not given address %s", port, text);
		err_why(err, "a learned one is no configuration: vswitchctl guard forget takes it");
		err_fix(err, "vswitchctl guard bindings %s", port);
		return -ENOENT;
	}
	json_array_remove(list, place_in(list, text));
	if (json_array_size(list) == 0)
		json_object_del(body, "address");
	drop_if_silent(state, port);
	return 0;
}
