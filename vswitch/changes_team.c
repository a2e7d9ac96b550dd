/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Changes of teams; see changes.h.  All of it is said of ports: what a team is on the port of kind
 * team, whose member a port is on that.
 */
#include "vswitch/changes_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

/* The port of that name, when it is a team. */
static int team_of(json_t *state, const char *name, json_t **ret_body, struct err *err)
{
	json_t *body = conf_edit_get(state, "port", name);

	if (body == NULL)
		return conf_refuse_missing(state, "port", name, "", err);
	*ret_body = body;
	if (strcmp(param(body, "kind"), "team") == 0)
		return 0;
	err_set(err, -EINVAL, "not-a-team", "port %s is of kind %s, not team", name,
		param(body, "kind"));
	err_why(err, "a team is a port of its own, and others are its members");
	err_fix(err, "vswitchctl team list; vswitchctl port add %s NAME --kind team",
		param(body, "switch"));
	return -EINVAL;
}

int vs_change_team_set(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
		       struct err *err)
{
	json_t *body, *value;
	int rc = team_of(state, param(params, "name"), &body, err);
	const char *key;
	size_t i;

	if (rc != 0)
		return rc;
	json_object_foreach((json_t *)(uintptr_t)params, key, value)
		if (strcmp(key, "name") != 0 && strcmp(key, "default") != 0)
			json_object_set(body, key, value);
	json_array_foreach(json_object_get(params, "default"), i, value) {
		char option[32];

		snprintf(option, sizeof(option), "%s", json_string_value(value));
		for (char *p = option; *p != '\0'; p++)
			*p = (char)(*p == '-' ? '_' : *p);
		json_object_del(body, option);
	}
	return 0;
}

int vs_change_team_join(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			struct err *err)
{
	const char *team = param(params, "name"), *port = param(params, "port");
	json_t *body;
	int rc = team_of(state, team, &body, err);

	if (rc != 0)
		return rc;
	body = conf_edit_get(state, "port", port);
	if (body == NULL)
		return conf_refuse_missing(state, "port", port, "", err);
	json_object_set_new(body, "team", json_string(team));
	return 0;
}

int vs_change_team_leave(void *ctx, json_t *state, const json_t *params, json_t **ret_result,
			 struct err *err)
{
	const char *port = param(params, "port");
	json_t *body = conf_edit_get(state, "port", port);

	if (body == NULL)
		return conf_refuse_missing(state, "port", port, "", err);
	if (json_object_del(body, "team") == 0) {
		/* Two uplinks to one network are a loop. */
		json_object_set_new(body, "admin", json_string("down"));
		return 0;
	}
	err_set(err, -EINVAL, "no-member", "port %s is in no team", port);
	err_fix(err, "vswitchctl team list");
	return -EINVAL;
}
