/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What 'nic add' and 'nic set' say of access lists and mirrors, whose configuration is not the
 * NIC's: a list's places are objects of their own, a mirror has its ports.  Each word says all that
 * the NIC has of it; nothing else of lists and mirrors changes.
 */
#include "vswitch/changes_acl.h"
#include "vswitch/changes_priv.h"

#include "ctl/spec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_ORDER 100 /* the default of 'acl attach' */
#define NEXT_ORDER  10

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

static bool is_default(const json_t *params, const char *option)
{
	const json_t *item;
	size_t i;

	json_array_foreach(json_object_get(params, "default"), i, item) {
		if (strcmp(json_string_value(item), option) == 0)
			return true;
	}
	return false;
}

/* ---- Lists ---- */

static void detach_all(json_t *state, const char *port, const char *direction)
{
	json_t *objects = json_object_get(state, "acl-binding"), *body;
	const char *key;
	void *tmp;

	json_object_foreach_safe(objects, tmp, key, body)
	{
		if (param(body, "port") != NULL && strcmp(param(body, "port"), port) == 0 &&
		    strcmp(param(body, "direction"), direction) == 0)
			json_object_del(objects, key);
	}
	if (json_object_size(objects) == 0)
		json_object_del(state, "acl-binding");
}

static int attach(void *ctx, json_t *state, const char *port, const char *direction,
		  const char *acl, size_t i, struct err *err)
{
	json_t *params, *result = NULL;
	int rc;

	if (conf_edit_get(state, "acl", acl) == NULL)
		return conf_refuse_missing(state, "acl", acl, "", err);
	params = json_pack("{ss ss ss}", "name", acl, "port", port, "direction", direction);
	if (i != 0)
		json_object_set_new(params, "order",
				    json_integer((json_int_t)(FIRST_ORDER + i * NEXT_ORDER)));
	rc = vs_change_acl_attach(ctx, state, params, &result, err);
	json_decref(result);
	json_decref(params);
	return rc;
}

int vs_change_port_acls(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			struct err *err)
{
	static const char *const directions[] = {"ingress", "egress"};
	const char *port = param(params, "port");

	for (unsigned d = 0; d < 2; d++) {
		const json_t *names = json_object_get(params, directions[d]), *name;
		size_t i;

		if (names == NULL && !is_default(params, directions[d]))
			continue;
		detach_all(state, port, directions[d]);
		json_array_foreach(names, i, name) {
			int rc = attach(ctx, state, port, directions[d], json_string_value(name), i,
					err);

			if (rc != 0)
				return rc;
		}
	}
	return 0;
}

/* ---- Mirrors ---- */

/* Where it is in the list of a mirror's ports; -1: it is not. */
static int place_of(const json_t *ports, const char *port)
{
	const json_t *item;
	size_t i;

	json_array_foreach(ports, i, item) {
		if (strcmp(json_string_value(item), port) == 0)
			return (int)i;
	}
	return -1;
}

static int leave(const char *name, json_t *body, const char *port, struct err *err)
{
	json_t *ports = json_object_get(body, "port");
	int at = place_of(ports, port);

	if (at < 0)
		return 0;
	json_array_remove(ports, (size_t)at);
	if (json_array_size(ports) != 0)
		return 0;
	json_object_del(body, "port");
	if (json_object_get(body, "tenant") != NULL || json_object_get(body, "switch") != NULL)
		return 0;
	err_set(err, -EINVAL, "mirror-empty", "mirror %s would copy nothing without %s", name,
		port);
	err_why(err, "it is the only port, and there is no tenant or switch");
	err_fix(err, "vswitchctl mirror remove %s", name);
	return -EINVAL;
}

static int join(json_t *state, const char *name, const char *port, struct err *err)
{
	json_t *body = conf_edit_get(state, "mirror", name), *ports;

	if (body == NULL)
		return conf_refuse_missing(state, "mirror", name, "", err);
	ports = json_object_get(body, "port");
	if (ports == NULL) {
		ports = json_array();
		json_object_set_new(body, "port", ports);
	}
	if (place_of(ports, port) < 0)
		json_array_append_new(ports, json_string(port));
	return 0;
}

int vs_change_port_mirrors(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			   struct err *err)
{
	const char *port = param(params, "port"), *mirror;
	const json_t *names = json_object_get(params, "by"), *name;
	json_t *body;
	int rc = 0;
	size_t i;

	json_array_foreach(names, i, name) {
		rc = join(state, json_string_value(name), port, err);
		if (rc != 0)
			return rc;
	}
	json_object_foreach(json_object_get(state, "mirror"), mirror, body) {
		if (place_of(names, mirror) < 0)
			rc = leave(mirror, body, port, err);
		if (rc != 0)
			return rc;
	}
	return 0;
}
