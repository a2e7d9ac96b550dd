/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Looking at guards of ports; see cmd.h.
 */
#include "vswitch/cmd.h"
#include "vswitch/guards_priv.h"

#include "ctl/conf.h"
#include "ctl/spec.h"
#include "dataplane/pipeline.h"

#include <errno.h>
#include <inttypes.h>
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
	struct dp_guard_counts counts;
	json_t *row = json_pack("{ss ss so}", "port", g->port->name, "profile",
				vs_guard_profile_name(g->profile), "is", is_json(g));

	for (int i = 0; i < VS_N_GUARD_OPTIONS; i++) {
		char key[CTL_KEY_SIZE];

		json_object_set_new(row, key_of(vs_guard_rows[i].option, key),
				    value_json((enum vs_guard_option)i, g->value[i]));
	}
	json_object_set_new(row, "violations",
			    json_integer((json_int_t)vs_guard_counts(d->vs, id, &counts)));
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

json_t *vs_guard_line(const struct vs_daemon *d, const struct vs_port *p)
{
	static const enum vs_guard_option shown[] = {VS_GUARD_MAC, VS_GUARD_IP};
	const struct vs_guard *g = vs_guard_of(d->vs->model, p);
	struct dp_guard_counts counts;
	uint64_t n = vs_guard_counts(d->vs, vs_port_id(d->vs, p->name), &counts);
	char text[200], value[40];
	size_t at;

	if (g == NULL || (!vs_guard_is_active(g) && g->value[VS_GUARD_PROTECTED] == 0))
		return json_string("none");
	at = (size_t)snprintf(text, sizeof(text), "%s%s", vs_guard_profile_name(g->profile),
			      g->value[VS_GUARD_MODE] == VS_GUARD_WATCH ? ", watching" : "");
	for (size_t i = 0; i < sizeof(shown) / sizeof(shown[0]); i++) {
		vs_guard_value_format(shown[i], g->value[shown[i]], value, sizeof(value));
		at += (size_t)snprintf(text + at, sizeof(text) - at, ", %s %s",
				       vs_guard_rows[shown[i]].option, value);
	}
	snprintf(text + at, sizeof(text) - at, "%s%s; %" PRIu64 " violation%s",
		 g->value[VS_GUARD_TRUSTED] == VS_GUARD_ON ? ", trusted" : "",
		 g->value[VS_GUARD_PROTECTED] == VS_GUARD_ON ? ", protected" : "", n,
		 n == 1 ? "" : "s");
	return json_string(text);
}

/* ---- show ---- */

static json_t *option_row(const char *option, json_t *value, bool said, json_t *violations,
			  const char *does)
{
	return json_pack("{ss so ss so ss}", "option", option, "value", value, "from",
			 said ? "set" : "profile", "violations", violations, "does", does);
}

/* What an option objects to; DP_N_GUARD_RULES: nothing. */
static enum dp_guard_rule rule_of(enum vs_guard_option option)
{
	static const struct {
		enum vs_guard_option option;
		enum dp_guard_rule rule;
	} of[] = {
		{VS_GUARD_MAC, DP_GUARD_RULE_MAC},
		{VS_GUARD_IP, DP_GUARD_RULE_IP},
		{VS_GUARD_DHCP_SERVER, DP_GUARD_RULE_DHCP},
		{VS_GUARD_ROUTER, DP_GUARD_RULE_ROUTER},
		{VS_GUARD_ARP, DP_GUARD_RULE_ARP},
		{VS_GUARD_ARP_RATE, DP_GUARD_RULE_ARP_RATE},
		{VS_GUARD_BROADCAST_RATE, DP_GUARD_RULE_BROADCAST},
		{VS_GUARD_MULTICAST_RATE, DP_GUARD_RULE_MULTICAST},
		{VS_GUARD_UNKNOWN_RATE, DP_GUARD_RULE_UNKNOWN},
		{VS_GUARD_BPDU, DP_GUARD_RULE_BPDU},
	};

	for (size_t i = 0; i < sizeof(of) / sizeof(of[0]); i++)
		if (of[i].option == option)
			return of[i].rule;
	return DP_N_GUARD_RULES;
}

static json_t *violations_json(const struct dp_guard_counts *counts, enum vs_guard_option option)
{
	enum dp_guard_rule rule = rule_of(option);

	return rule < DP_N_GUARD_RULES ? json_integer((json_int_t)counts->violations[rule])
				       : json_null();
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

static json_t *options_of(const struct vs_daemon *d, const struct vs_guard *g)
{
	struct dp_guard_counts counts;
	json_t *rows = json_array();

	(void)vs_guard_counts(d->vs, vs_port_id(d->vs, g->port->name), &counts);
	for (int i = 0; i < VS_N_GUARD_OPTIONS; i++) {
		const struct vs_guard_row *row = &vs_guard_rows[i];
		char key[CTL_KEY_SIZE];
		bool said = json_object_get(g->body, key_of(row->option, key)) != NULL;

		json_array_append_new(rows,
				      option_row(row->option,
						 value_json((enum vs_guard_option)i, g->value[i]),
						 said,
						 violations_json(&counts, (enum vs_guard_option)i),
						 row->does));
		if (i == VS_GUARD_MAC && g->n_macs != 0)
			json_array_append_new(rows, option_row("allow-mac",
							       joined(json_object_get(g->body,
										      "allow_mac")),
							       true, json_null(),
							       "addresses beside the port's own"));
		if (i == VS_GUARD_IP && g->n_addresses != 0)
			json_array_append_new(
				rows,
				option_row("address", joined(json_object_get(g->body, "address")),
					   true, json_null(), "that the port may send from"));
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
	json_object_set_new(*ret, "options", options_of(d, g));
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

/* ---- stats, bindings ---- */

static void put_violations(const struct vs_daemon *d, const struct vs_port *p, json_t *rows,
			   json_t *learned)
{
	uint16_t id = vs_port_id(d->vs, p->name);
	const struct dp_count *count = dp_port_count(d->vs->dp, id);
	struct dp_guard_counts c;

	(void)vs_guard_counts(d->vs, id, &c);
	for (int i = 0; i < DP_N_GUARD_RULES; i++) {
		enum dp_drop drop = dp_guard_drop((enum dp_guard_rule)i);

		if (c.violations[i] != 0)
			json_array_append_new(rows,
					      json_pack("{ss ss sI sI ss}", "port", p->name,
							"guard", dp_drop_slug(drop), "violations",
							(json_int_t)c.violations[i], "dropped",
							(json_int_t)count->drops_rx[drop], "text",
							dp_drop_text(drop)));
	}
	if (c.learned + c.not_learned + c.answered != 0)
		json_array_append_new(learned,
				      json_pack("{ss sI sI sI sI}", "port", p->name, "bindings",
						(json_int_t)vs_bindings_count(d->vs, id), "learned",
						(json_int_t)c.learned, "not_learned",
						(json_int_t)c.not_learned, "answered",
						(json_int_t)c.answered));
}

static int guard_stats(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err)
{
	const struct vs_daemon *d = ctx;
	const struct vs_model *m = d->vs->model;
	const char *port = param(params, "port");
	json_t *rows, *learned;

	if (port != NULL && vs_cmd_port(d, params, "port", err) < 0)
		return -ENOENT;
	dp_count_refresh(d->vs->dp);
	rows = json_array();
	learned = json_array();
	for (unsigned i = 0; i < m->n_ports; i++)
		if (port == NULL || strcmp(port, m->ports[i].name) == 0)
			put_violations(d, &m->ports[i], rows, learned);
	*ret = json_pack("{so so}", "violations", rows, "learned", learned);
	return 0;
}

struct binding_list {
	const struct vs_daemon *d;
	json_t *rows;
	uint64_t now_ms;
};

static void put_learned(void *arg, const struct dp_guard_binding *b)
{
	struct binding_list *list = arg;
	const char *port = vs_port_name(list->d->vs, b->port);
	struct vs_guard_prefix p = {.ip = b->ip, .len = b->ip.v6 ? 128 : 32};
	char address[VS_GUARD_PREFIX_SIZE], mac[RTE_ETHER_ADDR_FMT_SIZE];

	/* Those are the configuration's, prefixes and all. */
	if (port == NULL || b->how == DP_GUARD_FIXED)
		return;
	vs_guard_prefix_format(&p, address);
	vs_mac_format((const struct rte_ether_addr *)b->mac, mac, sizeof(mac));
	json_array_append_new(
		list->rows,
		json_pack("{ss ss ss si ss so}", "port", port, "address", address, "mac", mac,
			  "vlan", b->vlan, "origin", vs_binding_how(b->how), "expires",
			  b->until_ms > list->now_ms
				  ? json_integer((json_int_t)((b->until_ms - list->now_ms) / 1000))
				  : json_null()));
}

static void put_configured(json_t *rows, const struct vs_guard *g)
{
	for (unsigned i = 0; i < g->n_addresses; i++) {
		char address[VS_GUARD_PREFIX_SIZE];

		vs_guard_prefix_format(&g->addresses[i], address);
		json_array_append_new(rows, json_pack("{ss ss ss sn ss sn}", "port", g->port->name,
						      "address", address, "mac", "", "vlan",
						      "origin", "configured", "expires"));
	}
}

static int guard_bindings(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			  struct err *err)
{
	const struct vs_daemon *d = ctx;
	const struct vs_guard_conf *conf = d->vs->model->policy[VS_POLICY_GUARD];
	struct binding_list list = {.d = d, .now_ms = dp_flow_now_ms(d->vs->dp)};
	const char *port = param(params, "port");
	int id = port != NULL ? vs_cmd_port(d, params, "port", err) : DP_GUARD_ALL_PORTS;

	if (id < 0)
		return -ENOENT;
	list.rows = json_array();
	for (unsigned i = 0; conf != NULL && i < conf->n; i++)
		if (port == NULL || strcmp(port, conf->guards[i].port->name) == 0)
			put_configured(list.rows, &conf->guards[i]);
	(void)dp_guard_bindings(d->vs->dp, (uint16_t)id, put_learned, &list);
	*ret = json_pack("{so}", "bindings", list.rows);
	return 0;
}

static int guard_forget(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			struct err *err)
{
	const struct vs_daemon *d = ctx;
	const char *address = param(params, "address"), *port = param(params, "port");
	int id = vs_cmd_port(d, params, "port", err);
	struct vs_guard_prefix p;
	unsigned n;

	if (id < 0)
		return id;
	if (address != NULL && vs_guard_prefix_parse(port, address, &p, err) != 0)
		return -EINVAL;
	n = vs_bindings_drop(d->vs, (uint16_t)id, address != NULL ? &p.ip : NULL);
	if (n == 0 && address != NULL) {
		err_set(err, -ENOENT, "not-found", "port %s has not learned %s", port, address);
		err_why(err,
			"an address that it was given stays: vswitchctl guard unbind takes it");
		err_fix(err, "vswitchctl guard bindings %s", port);
		return -ENOENT;
	}
	*ret = json_pack("{si}", "forgotten", (int)n);
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
	{"guard", "list", guard_list},	       {"guard", "show", guard_show},
	{"guard", "profiles", guard_profiles}, {"guard", "reset", guard_reset},
	{"guard", "stats", guard_stats},       {"guard", "bindings", guard_bindings},
	{"guard", "forget", guard_forget},     {NULL, NULL, NULL},
};
