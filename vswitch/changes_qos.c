/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Changes of bandwidth; see changes.h.  There is one object of a port, and one of each tenant on an
 * uplink: 'set' makes it, changes it, and with the last option that goes back to its default takes
 * it away.
 */
#include "vswitch/changes_priv.h"

#include "ctl/spec.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

static bool is_key(const char *key)
{
	return strcmp(key, "port") == 0 || strcmp(key, "tenant") == 0;
}

static bool says_nothing(const json_t *body)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)(uintptr_t)body, key, value)
		if (!is_key(key))
			return false;
	return true;
}

/* What 'params' say, on top of what was said. */
static void merge(json_t *body, const json_t *params)
{
	const char *key;
	json_t *value;
	size_t i;

	json_object_foreach((json_t *)(uintptr_t)params, key, value)
		if (strcmp(key, "default") != 0)
			json_object_set(body, key, value);
	json_array_foreach(json_object_get(params, "default"), i, value) {
		char option[CTL_KEY_SIZE];

		snprintf(option, sizeof(option), "%s", json_string_value(value));
		for (char *p = option; *p != '\0'; p++)
			*p = (char)(*p == '-' ? '_' : *p);
		json_object_del(body, option);
	}
}

int vs_change_qos_set(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
		      struct err *err)
{
	char *name = ctl_spec_object_name(ctl_spec_of_kind("qos"), params);
	json_t *body = name != NULL ? conf_edit_get(state, "qos", name) : NULL;
	int rc = name != NULL ? 0 : err_set(err, -ENOMEM, "no-memory", "no memory");

	if (rc == 0 && conf_edit_get(state, "port", param(params, "port")) == NULL)
		rc = conf_refuse_missing(state, "port", param(params, "port"), "", err);
	if (rc == 0 && body == NULL && says_nothing(params)) {
		rc = err_set(err, -EINVAL, "usage", "qos set %s: nothing to set",
			     param(params, "port"));
		err_fix(err, "vswitchctl qos set --help");
	}
	if (rc != 0) {
		free(name);
		return rc;
	}
	if (body != NULL) {
		merge(body, params);
		if (says_nothing(body))
			rc = conf_edit_remove(state, "qos", name, err);
	} else {
		body = json_object();
		merge(body, params);
		if (says_nothing(body))
			json_decref(body);
		else
			rc = conf_edit_add(state, "qos", name, body, err);
	}
	free(name);
	return rc;
}

static bool is_meant(const json_t *body, const json_t *params)
{
	const char *tenant = param(params, "tenant"), *its = param(body, "tenant");

	if (strcmp(param(body, "port"), param(params, "port")) != 0)
		return false;
	if (json_is_true(json_object_get(params, "all")))
		return tenant == NULL || (its != NULL && strcmp(tenant, its) == 0);
	return tenant == NULL ? its == NULL : its != NULL && strcmp(tenant, its) == 0;
}

int vs_change_qos_clear(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			struct err *err)
{
	json_t *objects = json_object_get(state, "qos"), *body;
	const char *port = param(params, "port"), *name;
	unsigned n = 0, others = 0;
	void *tmp;

	json_object_foreach_safe(objects, tmp, name, body)
	{
		others += strcmp(param(body, "port"), port) == 0;
		if (!is_meant(body, params))
			continue;
		json_object_del(objects, name);
		n++;
	}
	if (json_object_size(objects) == 0)
		json_object_del(state, "qos");
	if (n != 0)
		return 0;
	if (conf_edit_get(state, "port", port) == NULL)
		return conf_refuse_missing(state, "port", port, "", err);
	err_set(err, -ENOENT, "not-found", "nothing is set of the bandwidth of %s%s%s", port,
		param(params, "tenant") != NULL ? " for tenant " : "",
		param(params, "tenant") != NULL ? param(params, "tenant") : "");
	if (others != 0)
		err_why(err, "only of %s there",
			param(params, "tenant") != NULL ? "others" : "tenants");
	err_fix(err, "vswitchctl qos list %s%s", port, others != 0 ? "; qos clear --all" : "");
	return -ENOENT;
}
