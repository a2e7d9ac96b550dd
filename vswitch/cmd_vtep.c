/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Looking at overlays; see cmd.h.
 */
#include "vswitch/cmd.h"

#include "vswitch/vtep.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

static void ip_format(const struct dp_ip *ip, char *text, size_t size)
{
	if (inet_ntop(ip->v6 ? AF_INET6 : AF_INET, ip->b, text, (socklen_t)size) == NULL)
		text[0] = '\0';
}

static void add_address(json_t *list, const struct dp_vtep_side *side)
{
	char text[INET6_ADDRSTRLEN];

	if (!side->there)
		return;
	ip_format(&side->address, text, sizeof(text));
	json_array_append_new(list, json_sprintf("%s/%u", text, side->prefix));
}

static json_t *tunnels_of(const struct vs_model *m, const struct vs_port *vtep)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < m->n_ports; i++)
		if (vs_is_tunnel(&m->ports[i]) && m->ports[i].overlay->vtep == vtep)
			json_array_append_new(list, json_string(m->ports[i].name));
	return list;
}

static json_t *vtep_row(const struct vs_daemon *d, const struct vs_port *p)
{
	json_t *row = vs_count_json(dp_port_count(d->vs->dp, vs_port_id(d->vs, p->name)));
	json_t *addresses = json_array();
	char mac[RTE_ETHER_ADDR_FMT_SIZE];

	vs_mac_format(&p->overlay->mac, mac, sizeof(mac));
	add_address(addresses, &p->overlay->v4);
	add_address(addresses, &p->overlay->v6);
	json_object_set_new(row, "name", json_string(p->name));
	json_object_set_new(row, "switch", json_string(p->sw->name));
	json_object_set_new(row, "addresses", addresses);
	json_object_set_new(row, "mac", json_string(mac));
	json_object_set_new(row, "mtu", json_integer(p->mtu));
	json_object_set_new(row, "tunnels", tunnels_of(d->vs->model, p));
	return row;
}

static const struct dp_port *device_of(const struct vs_daemon *d, const struct vs_port *p)
{
	uint16_t id = vs_port_id(d->vs, p->name);

	return id != DP_NO_PORT ? d->vs->live[id].port : NULL;
}

static void add_neighbors(const struct vs_daemon *d, const struct vs_port *p, json_t *rows)
{
	const struct dp_port *port = device_of(d, p);
	struct dp_neigh_info *v = calloc(DP_NEIGHS, sizeof(*v));
	uint64_t now_ms = rte_rdtsc() / (rte_get_tsc_hz() / 1000);
	unsigned n = v != NULL && port != NULL
			     ? dp_neighs_list(dp_port_neighs(port), now_ms, v, DP_NEIGHS)
			     : 0;

	for (unsigned i = 0; i < n; i++) {
		char ip[INET6_ADDRSTRLEN], mac[RTE_ETHER_ADDR_FMT_SIZE] = "";

		ip_format(&v[i].ip, ip, sizeof(ip));
		if (v[i].known)
			vs_mac_format(&v[i].mac, mac, sizeof(mac));
		json_array_append_new(
			rows,
			json_pack("{ss ss ss ss sI sI}", "vtep", p->name, "ip", ip, "mac", mac,
				  "state",
				  v[i].is_static ? "static"
				  : v[i].known	 ? "known"
						 : "asked",
				  "age", (json_int_t)(v[i].is_static ? 0 : v[i].age_ms / 1000),
				  "idle", (json_int_t)(v[i].idle_ms / 1000)));
	}
	free(v);
}

/* The one that 'name' says, or all: each is given to 'fn' with 'rows'. */
static int each_vtep(const struct vs_daemon *d, const json_t *params,
		     void (*fn)(const struct vs_daemon *d, const struct vs_port *p, void *arg),
		     void *arg, struct err *err)
{
	const char *name = json_string_value(json_object_get(params, "name"));
	const struct vs_model *m = d->vs->model;

	if (name != NULL && vs_cmd_port(d, params, "name", err) < 0)
		return -ENOENT;
	if (name != NULL && vs_model_port(m, name)->kind != VS_VTEP) {
		err_set(err, -EINVAL, "no-vtep", "port %s is no VTEP", name);
		err_why(err, "its kind is %s", vs_port_kind_name(vs_model_port(m, name)->kind));
		err_fix(err, "vswitchctl vtep list shows them");
		return -EINVAL;
	}
	for (unsigned i = 0; i < m->n_ports; i++)
		if (m->ports[i].kind == VS_VTEP &&
		    (name == NULL || strcmp(m->ports[i].name, name) == 0))
			fn(d, &m->ports[i], arg);
	return 0;
}

struct lists {
	json_t *vteps, *neighbors;
};

static void list_one(const struct vs_daemon *d, const struct vs_port *p, void *arg)
{
	struct lists *l = arg;

	json_array_append_new(l->vteps, vtep_row(d, p));
	add_neighbors(d, p, l->neighbors);
}

static int vtep_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	struct vs_daemon *d = ctx;
	struct lists l = {json_array(), json_array()};
	int rc;

	dp_count_refresh(d->vs->dp);
	rc = each_vtep(d, params, list_one, &l, err);
	*ret = json_pack("{so so}", "vteps", l.vteps, "neighbors", l.neighbors);
	if (rc != 0) {
		json_decref(*ret);
		*ret = NULL;
	}
	return rc;
}

struct stations {
	const struct vs_daemon *d;
	const char *vtep;
	json_t *rows;
};

static void station_row(void *arg, const struct dp_learned_info *info)
{
	struct stations *s = arg;
	const char *port = vs_port_name(s->d->vs, info->port);
	char mac[RTE_ETHER_ADDR_FMT_SIZE], ip[INET6_ADDRSTRLEN];

	vs_mac_format(&info->mac, mac, sizeof(mac));
	ip_format(&info->remote, ip, sizeof(ip));
	json_array_append_new(s->rows, json_pack("{ss ss ss ss sI}", "vtep", s->vtep, "port",
						 port != NULL ? port : "", "mac", mac, "remote", ip,
						 "age", (json_int_t)info->age_s));
}

static void stations_one(const struct vs_daemon *d, const struct vs_port *p, void *arg)
{
	const struct dp_port *port = device_of(d, p);
	struct stations s = {d, p->name, arg};

	if (port != NULL)
		dp_learned_walk(dp_port_learned(port), station_row, &s);
}

static int vtep_stations(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			 struct err *err)
{
	struct vs_daemon *d = ctx;
	json_t *rows = json_array();
	int rc = each_vtep(d, params, stations_one, rows, err);

	if (rc == 0)
		*ret = json_pack("{so}", "stations", rows);
	else
		json_decref(rows);
	return rc;
}

const struct ctl_binding vs_cmd_vteps[] = {
	{"vtep", "list", vtep_list},
	{"vtep", "stations", vtep_stations},
	{NULL, NULL, NULL},
};
