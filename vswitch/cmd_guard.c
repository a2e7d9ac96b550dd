/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Looking at guards of ports; see cmd.h.
 */
#include "vswitch/cmd.h"
#include "vswitch/guards_priv.h"

#include "ctl/conf.h"
#include "ctl/spec.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

static json_t *value_json(enum vs_guard_option option, uint32_t value)
{
	char text[40];

	vs_guard_value_format(option, value, text, sizeof(text));
	return json_string(text);
}

/* "dhcp-server" as a key of JSON. */
static const char *key_of(const char *option, char key[CTL_KEY_SIZE])
{
	snprintf(key, CTL_KEY_SIZE, "%s", option);
	for (char *p = key; *p != '\0'; p++)
		*p = (char)(*p == '-' ? '_' : *p);
	return key;
}

/* Trusted, protected, answered for: what the port is. */
static json_t *is_json(const struct vs_guard *g)
{
	static const enum vs_guard_option options[] = {VS_GUARD_TRUSTED, VS_GUARD_PROTECTED,
						       VS_GUARD_PROXY};
	json_t *list = json_array();

	for (size_t i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (g->value[options[i]] == VS_GUARD_ON)
			json_array_append_new(list, json_string(vs_guard_rows[options[i]].option));
	return list;
}

static const char *state_of(const struct vs_daemon *d, uint16_t id)
{
	if ((d->vs->held[id] & VS_HELD_BPDU) != 0)
		return "held: a bridge protocol frame came in";
	return (d->vs->held[id] & VS_HELD_LOOP) != 0 ? "held by the loop guard" : "";
}

static json_t *row_of(const struct vs_daemon *d, const struct vs_guard *g)
{
	uint16_t id = vs_port_id(d->vs, g->port->name);
	json_t *row = json_pack("{ss ss so}", "port", g->port->name, "profile",
				vs_guard_profile_name(g->profile), "is", is_json(g));

	for (int i = 0; i < VS_N_GUARD_OPTIONS; i++) {
		char key[CTL_KEY_SIZE];

		json_object_set_new(row, key_of(vs_guard_rows[i].option, key),
				    value_json((enum vs_guard_option)i, g->value[i]));
	}
	json_object_set_new(row, "violations", json_integer(0));
	json_object_set_new(row, "state", json_string(state_of(d, id)));
	return row;
}

static int guard_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	const struct vs_daemon *d = ctx;
	const struct vs_guard_conf *conf = d->vs->model->policy[VS_POLICY_GUARD];
	json_t *rows = json_array();

	for (unsigned i = 0; conf != NULL && i < conf->n; i++)
		json_array_append_new(rows, row_of(d, &conf->guards[i]));
	*ret = json_pack("{so}", "guards", rows);
	return 0;
}

/* ---- show ---- */

static json_t *option_row(const char *option, json_t *value, bool said, const char *does)
{
	return json_pack("{ss so ss sn ss}", "option", option, "value", value, "from",
			 said ? "set" : "profile", "violations", "does", does);
}

/* Of a list that was configured: "a, b". */
static json_t *joined(const json_t *list)
{
	char text[400] = "";
	size_t i;
	json_t *item;

	json_array_foreach(list, i, item) {
		size_t n = strlen(text);

		snprintf(text + n, sizeof(text) - n, "%s%s", n != 0 ? ", " : "",
			 json_string_value(item));
	}
	return json_string(text);
}

static json_t *options_of(const struct vs_guard *g)
{
	json_t *rows = json_array();

	for (int i = 0; i < VS_N_GUARD_OPTIONS; i++) {
		const struct vs_guard_row *row = &vs_guard_rows[i];
		char key[CTL_KEY_SIZE];
		bool said = json_object_get(g->body, key_of(row->option, key)) != NULL;

		json_array_append_new(rows,
				      option_row(row->option,
						 value_json((enum vs_guard_option)i, g->value[i]),
						 said, row->does));
		if (i == VS_GUARD_MAC && g->n_macs != 0)
			json_array_append_new(
				rows, option_row("allow-mac",
						 joined(json_object_get(g->body, "allow_mac")),
						 true, "addresses beside the port's own"));
		if (i == VS_GUARD_IP && g->n_addresses != 0)
			json_array_append_new(
				rows,
				option_row("address", joined(json_object_get(g->body, "address")),
					   true, "that the port may send from"));
	}
	json_array_append_new(rows, json_pack("{ss ss ss sn ss}", "option", "loop", "value",
					      g->port->sw->loop_guard ? "on" : "off", "from",
					      "switch", "violations", "does",
					      "holds a port behind which there is a loop"));
	return rows;
}

static int guard_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	const struct vs_daemon *d = ctx;
	const struct vs_guard *g;

	if (vs_cmd_port(d, params, "port", err) < 0)
		return -ENOENT;
	g = vs_guard_of(d->vs->model, vs_model_port(d->vs->model, param(params, "port")));
	*ret = row_of(d, g);
	json_object_set_new(*ret, "options", options_of(g));
	if (g->body != NULL)
		json_object_set_new(*ret, "configured", json_deep_copy(g->body));
	return 0;
}

static int guard_profiles(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			  struct err *err)
{
	json_t *rows = json_array();

	for (int i = 0; i < VS_N_GUARD_OPTIONS; i++) {
		const struct vs_guard_row *row = &vs_guard_rows[i];
		json_t *json = json_pack("{ss ss}", "option", row->option, "does", row->does);

		for (int p = 0; p < VS_N_GUARD_PROFILES; p++)
			json_object_set_new(json, vs_guard_profile_name((enum vs_guard_profile)p),
					    value_json((enum vs_guard_option)i, row->value[p]));
		json_array_append_new(rows, json);
	}
	*ret = json_pack("{so}", "profiles", rows);
	return 0;
}

static int guard_reset(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err)
{
	const struct vs_daemon *d = ctx;
	int id = vs_cmd_port(d, params, "port", err);

	if (id < 0)
		return id;
	if (vs_guard_let_go(d->vs, (uint16_t)id, "it was reset"))
		return 0;
	err_set(err, -EINVAL, "not-held", "port %s is not held by its BPDU guard",
		param(params, "port"));
	err_why(err, "%s",
		(d->vs->held[id] & VS_HELD_LOOP) != 0
			? "the loop guard holds it, as long as there is a loop"
			: "it forwards");
	err_fix(err, "vswitchctl port show %s", param(params, "port"));
	return -EINVAL;
}

const struct ctl_binding vs_cmd_guards[] = {
	{"guard", "list", guard_list},
	{"guard", "show", guard_show},
	{"guard", "profiles", guard_profiles},
	{"guard", "reset", guard_reset},
	{NULL, NULL, NULL},
};
