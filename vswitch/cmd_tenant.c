/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Looking at tenants; see cmd.h.
 */
#include "vswitch/cmd.h"

#include "dataplane/ct.h"
#include "dataplane/pipeline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

static unsigned ports_of(const struct vs_model *m, const struct vs_switch *sw,
			 const struct vs_tenant *t)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->n_ports; i++)
		n += (sw == NULL || m->ports[i].sw == sw) && (t == NULL || m->ports[i].tenant == t);
	return n;
}

static void add_count(struct dp_count *to, const struct dp_count *from)
{
	uint64_t *t = (uint64_t *)to;
	const uint64_t *f = (const uint64_t *)from;

	for (size_t i = 0; i < sizeof(*to) / sizeof(*t); i++)
		t[i] += f[i];
}

static bool belongs(const struct vs_port *p, const struct vs_tenant *t, const char *sw)
{
	return p->tenant == t && (sw == NULL || strcmp(p->sw->name, sw) == 0);
}

/* A tenant's counters on a switch are those of its ports there. */
static struct dp_count tenant_count(const struct vs_daemon *d, const struct vs_tenant *t,
				    const char *sw)
{
	const struct vs_model *m = d->vs->model;
	struct dp_count sum = {0};

	for (unsigned i = 0; i < m->n_ports; i++)
		if (belongs(&m->ports[i], t, sw))
			add_count(&sum,
				  dp_port_count(d->vs->dp, vs_port_id(d->vs, m->ports[i].name)));
	return sum;
}

/* Cached for it, on all switches by all workers. */
static uint64_t flows_of(const struct vs_daemon *d, const struct vs_tenant *t)
{
	uint64_t n = 0;

	for (uint16_t i = 0; i < DP_MAX_DOMAINS; i++)
		if (d->vs->domains[i].used && strcmp(d->vs->domains[i].tenant, t->name) == 0)
			n += dp_flow_domain_entries(d->vs->dp, i);
	return n;
}

static uint64_t connections_of(const struct vs_daemon *d, const struct vs_tenant *t)
{
	const struct dp_ct *ct = dp_conntrack(d->vs->dp);
	uint64_t n = 0;

	for (uint16_t i = 0; ct != NULL && i < DP_MAX_DOMAINS; i++)
		if (d->vs->domains[i].used && strcmp(d->vs->domains[i].tenant, t->name) == 0)
			n += dp_ct_domain_count(ct, i);
	return n;
}

static json_t *tenant_row(const struct vs_daemon *d, const struct vs_tenant *t)
{
	return json_pack("{ss sI sI sI sI sI sI sI sI sI}", "name", t->name, "id",
			 (json_int_t)t->id, "n_ports", (json_int_t)ports_of(d->vs->model, NULL, t),
			 "n_macs", (json_int_t)vs_macs_of(d, NULL, t->name), "mac_limit",
			 (json_int_t)t->mac_limit, "n_flows", (json_int_t)flows_of(d, t),
			 "flow_limit", (json_int_t)t->flow_limit, "n_connections",
			 (json_int_t)connections_of(d, t), "connection_limit",
			 (json_int_t)t->connection_limit, "flood_rate",
			 (json_int_t)t->flood_rate_bps);
}

/* One row for each switch the tenant is on. */
static void tenant_stat_rows(const struct vs_daemon *d, const struct vs_tenant *t, json_t *rows)
{
	for (uint16_t i = 0; i < DP_MAX_DOMAINS; i++) {
		const struct vs_domain_live *dom = &d->vs->domains[i];
		const struct dp_domain_count *mine = dp_domain_count(d->vs->dp, i);
		struct dp_count sum;
		json_t *row;

		if (!dom->used || strcmp(dom->tenant, t->name) != 0)
			continue;
		sum = tenant_count(d, t, dom->sw);
		row = vs_count_json(&sum);
		json_object_set_new(row, "name", json_string(t->name));
		json_object_set_new(row, "switch", json_string(dom->sw));
		/* What came for it by an uplink it shares is in the domain's count only. */
		json_object_set_new(row, "rx_packets", json_integer((json_int_t)mine->rx_packets));
		json_object_set_new(row, "rx_bytes", json_integer((json_int_t)mine->rx_bytes));
		json_object_set_new(row, "flows",
				    json_integer((json_int_t)dp_flow_domain_entries(d->vs->dp, i)));
		json_object_set_new(row, "flows_refused",
				    json_integer((json_int_t)mine->flows_refused));
		json_object_set_new(row, "drops_by_reason", vs_drops_json(&sum));
		json_array_append_new(rows, row);
	}
}

static int tenant_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err)
{
	struct vs_daemon *d = ctx;
	json_t *rows = json_array();

	for (unsigned i = 0; i < d->vs->model->n_tenants; i++)
		json_array_append_new(rows, tenant_row(d, &d->vs->model->tenants[i]));
	*ret = json_pack("{so}", "tenants", rows);
	return 0;
}

static int tenant_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err)
{
	struct vs_daemon *d = ctx;
	const struct vs_model *m = d->vs->model;
	const struct vs_tenant *t = vs_cmd_tenant(d, params, "name", err);
	json_t *ports, *switches;

	if (t == NULL)
		return -ENOENT;
	dp_count_refresh(d->vs->dp);
	ports = json_array();
	for (unsigned i = 0; i < m->n_ports; i++)
		if (m->ports[i].tenant == t)
			json_array_append_new(ports, json_string(m->ports[i].name));
	switches = json_array();
	tenant_stat_rows(d, t, switches);
	*ret = tenant_row(d, t);
	json_object_set_new(*ret, "ports", ports);
	json_object_set_new(*ret, "switches", switches);
	return 0;
}

static int tenant_stats(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			struct err *err)
{
	struct vs_daemon *d = ctx;
	const struct vs_tenant *only = NULL;
	json_t *rows;

	if (param(params, "name") != NULL) {
		only = vs_cmd_tenant(d, params, "name", err);
		if (only == NULL)
			return -ENOENT;
	}
	dp_count_refresh(d->vs->dp);
	rows = json_array();
	for (unsigned i = 0; i < d->vs->model->n_tenants; i++)
		if (only == NULL || only == &d->vs->model->tenants[i])
			tenant_stat_rows(d, &d->vs->model->tenants[i], rows);
	*ret = json_pack("{so}", "tenants", rows);
	return 0;
}

const struct ctl_binding vs_cmd_tenants[] = {
	{"tenant", "list", tenant_list},
	{"tenant", "show", tenant_show},
	{"tenant", "stats", tenant_stats},
	{NULL, NULL, NULL},
};
