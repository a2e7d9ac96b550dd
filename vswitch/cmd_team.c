/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Looking at teams; see cmd.h.
 */
#include "vswitch/cmd.h"

#include "vswitch/teams.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

static void put_count(json_t *row, const char *key, uint64_t n)
{
	json_object_set_new(row, key, json_integer((json_int_t)n));
}

/* The team of the parameter "name", or NULL with the error set. */
static const struct vs_team *team_of(const struct vs_daemon *d, const json_t *params,
				     struct err *err)
{
	int id = vs_cmd_port(d, params, "name", err);
	const struct vs_port *p =
		id >= 0 ? vs_model_port(d->vs->model, vs_port_name(d->vs, (uint16_t)id)) : NULL;
	const struct vs_team *t = p != NULL ? vs_team_of(d->vs->model, p) : NULL;

	if (t != NULL || p == NULL)
		return t;
	err_set(err, -EINVAL, "not-a-team", "port %s is of kind %s, not team", p->name,
		vs_port_kind_name(p->kind));
	err_fix(err, "vswitchctl team list");
	return NULL;
}

static uint64_t speed_of(const struct dp_port *port)
{
	struct dp_link link = {0};

	if (port != NULL && port->ops->link != NULL)
		port->ops->link((struct dp_port *)(uintptr_t)port, &link);
	return link.up ? (uint64_t)link.speed_mbps * 1000000 : 0;
}

static json_t *team_row(const struct vs_daemon *d, const struct vs_team *t)
{
	uint16_t id = vs_port_id(d->vs, t->port->name);
	json_t *row = json_object();
	unsigned n_active = 0;

	for (unsigned i = 0; i < t->n_members; i++) {
		struct vs_team_member_info info;

		n_active += vs_team_member(d->vs, t, t->members[i], &info) && info.active;
	}
	json_object_set_new(row, "name", json_string(t->port->name));
	json_object_set_new(row, "switch", json_string(t->port->sw->name));
	json_object_set_new(row, "mode", json_string(vs_team_mode_name(t->mode)));
	json_object_set_new(row, "state", json_string(vs_port_state(d, t->port, id)));
	put_count(row, "n_members", t->n_members);
	put_count(row, "n_active", n_active);
	put_count(row, "speed", speed_of(d->vs->live[id].port));
	put_count(row, "moves", vs_team_moves(d->vs, t));
	return row;
}

static int team_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	const struct vs_daemon *d = ctx;
	const struct vs_team *only = NULL, *t;
	json_t *rows;

	if (param(params, "name") != NULL) {
		only = team_of(d, params, err);
		if (only == NULL)
			return vs_port_id(d->vs, param(params, "name")) == DP_NO_PORT ? -ENOENT
										      : -EINVAL;
	}
	rows = json_array();
	for (unsigned i = 0; i < d->vs->model->n_ports; i++) {
		t = vs_team_of(d->vs->model, &d->vs->model->ports[i]);
		if (t != NULL && (only == NULL || t == only))
			json_array_append_new(rows, team_row(d, t));
	}
	*ret = json_pack("{so}", "teams", rows);
	return 0;
}

static const char *state_of(const struct vs_port *p, const struct dp_port *port,
			    const struct vs_team_member_info *info)
{
	if (!p->up)
		return "disabled";
	if (port == NULL)
		return "waiting";
	if (!atomic_load(&port->link_up))
		return "down";
	return info->active ? "active" : "standby";
}

/* "02:00:00:00:00:01 key 9" */
static json_t *partner_text(const struct lacp_port *p)
{
	const uint8_t *s = p->partner.system;

	if ((p->actor.state & LACP_DEFAULTED) != 0)
		return json_string("");
	return json_sprintf("%02x:%02x:%02x:%02x:%02x:%02x key %u", s[0], s[1], s[2], s[3], s[4],
			    s[5], p->partner.key);
}

static json_t *member_row(const struct vs_daemon *d, const struct vs_team *t,
			  const struct vs_port *p)
{
	uint16_t id = vs_port_id(d->vs, p->name);
	const struct dp_port *port = d->vs->live[id].port;
	struct vs_team_member_info info = {.note = ""};
	struct dp_team_traffic traffic = {0};
	json_t *row = json_object();

	(void)vs_team_member(d->vs, t, p, &info);
	if (port != NULL)
		dp_team_traffic(port, &traffic);
	json_object_set_new(row, "port", json_string(p->name));
	json_object_set_new(row, "state", json_string(state_of(p, port, &info)));
	json_object_set_new(row, "link",
			    json_string(port != NULL && atomic_load(&port->link_up) ? "up"
										    : "down"));
	put_count(row, "speed", speed_of(port));
	json_object_set_new(row, "share", json_real((double)info.n_buckets / DP_TEAM_BUCKETS));
	put_count(row, "rx_packets", traffic.rx_packets);
	put_count(row, "rx_bytes", traffic.rx_bytes);
	put_count(row, "tx_packets", traffic.tx_packets);
	put_count(row, "tx_bytes", traffic.tx_bytes);
	json_object_set_new(row, "note", json_string(info.note));
	if (!info.has_lacp)
		return row;
	json_object_set_new(row, "partner", partner_text(&info.lacp));
	put_count(row, "lacp_rx", info.lacp.rx_pdus);
	put_count(row, "lacp_tx", info.lacp.tx_pdus);
	put_count(row, "lacp_bad", info.lacp.rx_bad);
	put_count(row, "lacp_markers", info.lacp.rx_markers);
	return row;
}

/* The member by which group frames are heard, where that is one. */
static json_t *group_member(const struct vs_daemon *d, const struct vs_team *t)
{
	const struct dp_team *team =
		dp_port_team(d->vs->live[vs_port_id(d->vs, t->port->name)].port);
	const struct dp_team_set *set = team != NULL ? dp_team_set(team) : NULL;

	for (uint8_t i = 0; set != NULL && set->reflects && i < set->n_members; i++)
		if (set->members[i].takes_group)
			return json_string(vs_port_name(d->vs, set->members[i].id));
	return json_string("");
}

static int team_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	const struct vs_daemon *d = ctx;
	const struct vs_team *t = team_of(d, params, err);
	json_t *row, *members;
	const struct dp_port *port;

	if (t == NULL)
		return vs_port_id(d->vs, param(params, "name")) == DP_NO_PORT ? -ENOENT : -EINVAL;
	row = team_row(d, t);
	members = json_array();
	port = d->vs->live[vs_port_id(d->vs, t->port->name)].port;
	for (unsigned i = 0; i < t->n_members; i++)
		json_array_append_new(members, member_row(d, t, t->members[i]));
	json_object_set_new(row, "primary",
			    json_string(t->primary != NULL ? t->primary->name : ""));
	json_object_set_new(row, "group_member", group_member(d, t));
	if (t->mode == VS_TEAM_LACP && port != NULL) {
		char mac[RTE_ETHER_ADDR_FMT_SIZE];

		vs_mac_format(&port->mac, mac, sizeof(mac));
		json_object_set_new(row, "system", json_string(mac));
	}
	json_object_set_new(row, "members", members);
	*ret = row;
	return 0;
}

const struct ctl_binding vs_cmd_teams[] = {
	{"team", "list", team_list},
	{"team", "show", team_show},
	{NULL, NULL, NULL},
};
