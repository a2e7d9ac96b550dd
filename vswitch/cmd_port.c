/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Looking at ports and their VLANs; see cmd.h.
 */
#include "vswitch/cmd.h"

#include "ctl/conf.h"
#include "dataplane/fdb.h"
#include "vswitch/qos_live.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

/* "access 10", "trunk all native 1", "isolated 100,101" */
static char *vlan_text(const struct vs_vlan *v)
{
	char *set = vs_vlans_format(v->mode == VS_TRUNK ? v->allowed : v->secondary), *text = NULL;
	int n;

	if (v->mode == VS_TRUNK && v->native != 0)
		n = asprintf(&text, "trunk %s native %u", set, v->native);
	else if (v->mode == VS_TRUNK)
		n = asprintf(&text, "trunk %s", set);
	else if (v->mode == VS_ACCESS && v->vlan == 0)
		n = asprintf(&text, "untagged");
	else if (v->mode <= VS_TUNNEL)
		n = asprintf(&text, "%s %u", vs_vlan_mode_name(v->mode), v->vlan);
	else
		n = asprintf(&text, "%s %u,%s", vs_vlan_mode_name(v->mode), v->vlan, set);
	free(set);
	return n < 0 ? NULL : text;
}

const char *vs_port_state(const struct vs_daemon *d, const struct vs_port *p, uint16_t id)
{
	const struct vs_live *live = &d->vs->live[id];

	if (!p->up)
		return "disabled";
	if (live->port == NULL)
		return "waiting";
	if (d->vs->held[id] != 0)
		return "held";
	return atomic_load(&live->port->link_up) ? "up" : "down";
}

/* Why the link is down, and what the driver has to say besides. */
static json_t *device_note(const struct dp_port *port)
{
	struct dp_link link = {.up = true};

	if (!atomic_load(&port->link_up) && port->ops->link != NULL)
		port->ops->link((struct dp_port *)(uintptr_t)port, &link);
	if (link.up || link.reason[0] == '\0')
		return json_string(port->note);
	return json_sprintf("%s%s%s", link.reason, port->note[0] != '\0' ? "; " : "", port->note);
}

static json_t *member_note(const struct vs_port *p, const struct dp_port *port)
{
	json_t *own = device_note(port), *note;
	const char *text = json_string_value(own);

	note = json_sprintf("in team %s%s%s", p->team->name,
			    text != NULL && text[0] != '\0' ? "; " : "", text != NULL ? text : "");
	json_decref(own);
	return note;
}

static json_t *note_of(const struct vs_daemon *d, const struct vs_port *p,
		       const struct vs_live *live, uint16_t id)
{
	const char *partner = vs_port_name(d->vs, d->vs->loops[id].partner);

	if (live->port == NULL)
		return json_string(live->reason);
	if (d->vs->held[id] == 0)
		return p->team != NULL ? member_note(p, live->port) : device_note(live->port);
	if ((d->vs->held[id] & VS_HELD_LOOP) == 0)
		return json_string("held by its BPDU guard: a bridge protocol frame came in");
	if (d->vs->loops[id].partner == id || partner == NULL)
		return json_string("held by the loop guard: a loop behind it");
	return json_sprintf("held by the loop guard: a loop with port %s", partner);
}

/* Everything about a port that fits a row. */
json_t *vs_port_row(const struct vs_daemon *d, const struct vs_port *p)
{
	uint16_t id = vs_port_id(d->vs, p->name);
	const struct vs_live *live = &d->vs->live[id];
	json_t *row = vs_count_json(dp_port_count(d->vs->dp, id));
	char mac[RTE_ETHER_ADDR_FMT_SIZE] = "";
	char *vlan = vlan_text(&p->vlan);

	/* A vhost guest brings its own, which nobody tells. */
	if (live->port != NULL && !rte_is_zero_ether_addr(&live->port->mac))
		vs_mac_format(&live->port->mac, mac, sizeof(mac));
	json_object_set_new(row, "id", json_integer(id));
	/* What filter modules call it. */
	json_object_set_new(row, "filter_ifindex", json_integer(id + 1));
	json_object_set_new(row, "name", json_string(p->name));
	json_object_set_new(row, "switch", json_string(p->sw->name));
	json_object_set_new(row, "kind", json_string(vs_port_kind_name(p->kind)));
	json_object_set_new(row, "tenant", json_string(p->tenant != NULL ? p->tenant->name : ""));
	json_object_set_new(row, "vlan", json_string(vlan != NULL ? vlan : ""));
	json_object_set_new(row, "admin", json_string(p->up ? "up" : "down"));
	json_object_set_new(row, "state", json_string(vs_port_state(d, p, id)));
	json_object_set_new(row, "link",
			    json_string(live->port != NULL && live->port->link_up ? "up" : "down"));
	json_object_set_new(row, "of_port", json_integer(live->number));
	json_object_set_new(row, "mtu", json_integer(p->mtu));
	json_object_set_new(row, "mac", json_string(mac));
	json_object_set_new(row, "driver",
			    json_string(live->port != NULL ? live->port->driver : ""));
	json_object_set_new(row, "queues",
			    json_integer(live->port != NULL ? live->port->n_rxq : 0));
	json_object_set_new(row, "macs", json_integer(dp_fdb_port_count(dp_fdb(d->vs->dp), id)));
	json_object_set_new(row, "note", note_of(d, p, live, id));
	free(vlan);
	return row;
}

static int port_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	struct vs_daemon *d = ctx;
	const char *tenant = param(params, "tenant");
	const struct vs_switch *only = NULL;
	json_t *rows;

	if (vs_cmd_filters(d, params, err) != 0)
		return -ENOENT;
	if (param(params, "switch") != NULL)
		only = vs_cmd_switch(d, params, "switch", err);
	rows = json_array();
	dp_count_refresh(d->vs->dp);
	for (unsigned i = 0; i < d->vs->model->n_ports; i++) {
		const struct vs_port *p = &d->vs->model->ports[i];

		if ((only == NULL || p->sw == only) &&
		    (param(params, "name") == NULL ||
		     strcmp(param(params, "name"), p->name) == 0) &&
		    (tenant == NULL || (p->tenant != NULL && strcmp(tenant, p->tenant->name) == 0)))
			json_array_append_new(rows, vs_port_row(d, p));
	}
	*ret = json_pack("{so}", "ports", rows);
	return 0;
}

json_t *vs_queues_json(const struct vs_daemon *d, int only)
{
	json_t *queues = json_array();
	struct dp_queue_info *info = calloc(65536, sizeof(*info));
	unsigned n = info != NULL ? dp_queue_info(d->vs->dp, info, 65536) : 0;

	for (unsigned i = 0; i < n; i++) {
		const char *port = vs_port_name(d->vs, info[i].port);

		if (only >= 0 && info[i].port != only)
			continue;
		json_array_append_new(queues,
				      json_pack("{ss si si sf sI sI}", "port",
						port != NULL ? port : "", "queue", info[i].queue,
						"cpu", info[i].cpu, "load", info[i].load, "packets",
						(json_int_t)info[i].packets, "bytes",
						(json_int_t)info[i].bytes));
	}
	free(info);
	return queues;
}

static int port_stats(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	struct vs_daemon *d = ctx;
	int only = -1, rc;

	if (param(params, "name") != NULL) {
		only = vs_cmd_port(d, params, "name", err);
		if (only < 0)
			return only;
	}
	rc = port_list(ctx, call, params, ret, err);
	if (rc == 0 && json_is_true(json_object_get(params, "queues")))
		json_object_set_new(*ret, "queues", vs_queues_json(d, only));
	return rc;
}

static int port_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	struct vs_daemon *d = ctx;
	int id = vs_cmd_port(d, params, "name", err);
	const struct dp_count *count;
	const struct vs_live *live;
	json_t *row, *body;

	if (id < 0)
		return id;
	dp_count_refresh(d->vs->dp);
	count = dp_port_count(d->vs->dp, (uint16_t)id);
	live = &d->vs->live[id];
	row = vs_port_row(d, vs_model_port(d->vs->model, live->name));
	json_object_set_new(row, "over", json_string(vs_qos_over(d->vs, (uint16_t)id)));
	json_object_set_new(row, "drops_by_reason", vs_drops_json(count));
	json_object_set_new(row, "guards",
			    vs_guard_line(d, vs_model_port(d->vs->model, live->name)));
	json_object_set_new(row, "queue_list", vs_queues_json(d, id));
	body = json_deep_copy(conf_object(d->conf, "port", live->name));
	if (body != NULL)
		json_object_set_new(row, "configured", body);
	if (live->port != NULL && live->port->ops->show != NULL)
		json_object_set_new(row, "device", live->port->ops->show(live->port));
	*ret = row;
	return 0;
}

static int vlan_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	struct vs_daemon *d = ctx;
	const char *only = param(params, "port");
	json_t *rows = json_array();

	if (only != NULL && vs_cmd_port(d, params, "port", err) < 0) {
		json_decref(rows);
		return -ENOENT;
	}
	for (unsigned i = 0; i < d->vs->model->n_ports; i++) {
		const struct vs_port *p = &d->vs->model->ports[i];
		char *allowed, *secondary;

		if (only != NULL && strcmp(only, p->name) != 0)
			continue;
		allowed = vs_vlans_format(p->vlan.allowed);
		secondary = vs_vlans_format(p->vlan.secondary);
		json_array_append_new(
			rows, json_pack("{ss ss ss si si ss ss ss}", "port", p->name, "switch",
					p->sw->name, "mode", vs_vlan_mode_name(p->vlan.mode),
					"vlan", p->vlan.vlan, "native", p->vlan.native, "allowed",
					p->vlan.mode == VS_TRUNK ? allowed : "", "secondary",
					p->vlan.mode >= VS_ISOLATED ? secondary : "", "tpid",
					p->vlan.tpid == 0x88a8 ? "0x88a8" : "0x8100"));
		free(allowed);
		free(secondary);
	}
	*ret = json_pack("{so}", "vlans", rows);
	return 0;
}

const struct ctl_binding vs_cmd_ports[] = {
	{"port", "list", port_list}, {"port", "show", port_show}, {"port", "stats", port_stats},
	{"vlan", "show", vlan_show}, {NULL, NULL, NULL},
};
