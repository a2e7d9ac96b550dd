/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Numbers: totals, drops, cores, learned addresses, events, top; see cmd.h.
 */
#include "vswitch/cmd.h"

#include "ctl/base/clock.h"
#include "ctl/conf.h"
#include "dataplane/fdb.h"
#include "vswitch/events.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_ROWS 100000

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

/* The ledger of the whole switch, and whether it balances. */
static json_t *totals_json(struct vs_daemon *d)
{
	const struct dp_count *t = dp_total_count(d->vs->dp);
	uint64_t rx_drops = vs_drops_rx(t), tx_drops = vs_drops_tx(t);
	int64_t in_flight = dp_in_flight(d->vs->dp);
	bool balanced = t->rx_packets + t->copies == t->forwarded + rx_drops &&
			t->offered + t->segments == t->tx_packets + tx_drops &&
			(int64_t)t->forwarded == (int64_t)t->offered + in_flight;
	json_t *row = vs_count_json(t);

	json_object_set_new(row, "in_flight", json_integer(in_flight));
	json_object_set_new(row, "balanced", json_boolean(balanced));
	return row;
}

static json_t *fdb_json(struct vs_daemon *d)
{
	struct dp_fdb_stats s;

	dp_fdb_stats(dp_fdb(d->vs->dp), &s);
	return json_pack("{sI sI sI sI sI sI sI sI sI sI}", "entries", (json_int_t)s.n_entries,
			 "static", (json_int_t)s.n_static, "limit", (json_int_t)s.limit, "learned",
			 (json_int_t)s.learned, "moved", (json_int_t)s.moved, "aged",
			 (json_int_t)s.aged, "refused_port", (json_int_t)s.refused_port,
			 "refused_tenant", (json_int_t)s.refused_domain, "refused_full",
			 (json_int_t)s.refused_full, "memory", (json_int_t)s.memory);
}

static int stats_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	struct vs_daemon *d = ctx;

	dp_count_refresh(d->vs->dp);
	*ret = totals_json(d);
	json_object_set_new(*ret, "uptime_s",
			    json_integer(
				    (json_int_t)((clock_mono_ns() - d->started_ns) / 1000000000u)));
	json_object_set_new(*ret, "revision", json_integer((json_int_t)conf_revision(d->conf)));
	json_object_set_new(*ret, "macs", fdb_json(d));
	json_object_set_new(*ret, "control", ctl_server_stats(d->server));
	return 0;
}

static void drop_rows(json_t *rows, const struct vs_daemon *d, uint16_t id)
{
	const struct dp_count *c = dp_port_count(d->vs->dp, id);

	for (int i = 0; i < DP_N_DROPS; i++) {
		const char *slug = dp_drop_slug((enum dp_drop)i),
			   *text = dp_drop_text((enum dp_drop)i);
		const char *name = vs_port_name(d->vs, id);

		if (c->drops_rx[i] != 0)
			json_array_append_new(rows,
					      json_pack("{ss ss ss sI ss}", "port", name, "side",
							"ingress", "reason", slug, "packets",
							(json_int_t)c->drops_rx[i], "text", text));
		if (c->drops_tx[i] != 0)
			json_array_append_new(rows,
					      json_pack("{ss ss ss sI ss}", "port", name, "side",
							"egress", "reason", slug, "packets",
							(json_int_t)c->drops_tx[i], "text", text));
	}
}

static int drop_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	struct vs_daemon *d = ctx;
	json_t *rows;
	int only = -1;

	if (param(params, "port") != NULL) {
		only = vs_cmd_port(d, params, "port", err);
		if (only < 0)
			return only;
	}
	dp_count_refresh(d->vs->dp);
	rows = json_array();
	for (uint16_t id = 0; id < DP_MAX_PORTS; id++)
		if (vs_port_name(d->vs, id) != NULL && (only < 0 || only == id))
			drop_rows(rows, d, id);
	*ret = json_pack("{so}", "drops", rows);
	return 0;
}

static int drop_reasons(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			struct err *err)
{
	struct vs_daemon *d = ctx;
	const struct dp_count *t;
	json_t *rows = json_array();

	dp_count_refresh(d->vs->dp);
	t = dp_total_count(d->vs->dp);
	for (int i = 0; i < DP_N_DROPS; i++)
		json_array_append_new(rows,
				      json_pack("{ss ss sI}", "reason",
						dp_drop_slug((enum dp_drop)i), "text",
						dp_drop_text((enum dp_drop)i), "packets",
						(json_int_t)(t->drops_rx[i] + t->drops_tx[i])));
	*ret = json_pack("{so}", "reasons", rows);
	return 0;
}

static json_t *cores_json(struct vs_daemon *d)
{
	struct dp_worker_info info[64];
	unsigned n = dp_worker_info(d->vs->dp, info, 64);
	json_t *rows = json_array();

	for (unsigned i = 0; i < n; i++)
		json_array_append_new(rows,
				      json_pack("{si si sf sf sI sI sf}", "core", info[i].cpu,
						"queues", info[i].n_queues, "busy",
						info[i].busy * 100, "asleep", info[i].asleep * 100,
						"packets", (json_int_t)info[i].packets, "wakeups",
						(json_int_t)info[i].wakeups, "cycles_per_packet",
						info[i].cycles_per_packet));
	return rows;
}

static int core_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	*ret = json_pack("{so}", "cores", cores_json(ctx));
	return 0;
}

struct mac_query {
	const struct vs_daemon *d;
	json_t *rows;
	const char *sw, *tenant, *port;
	int vlan;
};

static bool mac_row(void *arg, const struct dp_fdb_entry *e)
{
	struct mac_query *q = arg;
	const struct vs_domain_live *dom = &q->d->vs->domains[e->domain];
	const char *port = vs_port_name(q->d->vs, e->port);
	char mac[RTE_ETHER_ADDR_FMT_SIZE];

	if (port == NULL || (q->sw != NULL && strcmp(q->sw, dom->sw) != 0) ||
	    (q->tenant != NULL && strcmp(q->tenant, dom->tenant) != 0) ||
	    (q->port != NULL && strcmp(q->port, port) != 0) || (q->vlan >= 0 && q->vlan != e->vlan))
		return true;
	rte_ether_format_addr(mac, sizeof(mac), &e->mac);
	for (char *c = mac; *c != '\0'; c++)
		*c = (char)(*c >= 'A' && *c <= 'F' ? *c + 32 : *c);
	json_array_append_new(q->rows,
			      json_pack("{ss ss ss si ss sb sI}", "mac", mac, "switch", dom->sw,
					"tenant", dom->tenant, "vlan", e->vlan, "port", port,
					"static", e->is_static, "age_s", (json_int_t)e->age_s));
	return json_array_size(q->rows) < MAX_ROWS;
}

static int mac_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		    struct err *err)
{
	const json_t *vlan = json_object_get(params, "vlan");
	struct mac_query q = {
		.d = ctx,
		.rows = json_array(),
		.sw = param(params, "switch"),
		.tenant = param(params, "tenant"),
		.port = param(params, "port"),
		.vlan = json_is_integer(vlan) ? (int)json_integer_value(vlan) : -1,
	};

	dp_fdb_walk(dp_fdb(q.d->vs->dp), mac_row, &q);
	*ret = json_pack("{so sb}", "macs", q.rows, "truncated",
			 json_array_size(q.rows) >= MAX_ROWS);
	return 0;
}

static int mac_flush(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	struct vs_daemon *d = ctx;
	const char *sw = param(params, "switch"), *tenant = param(params, "tenant");
	const json_t *vlan = json_object_get(params, "vlan");
	uint16_t v = json_is_integer(vlan) ? (uint16_t)json_integer_value(vlan) : DP_NO_VLAN;
	int port = param(params, "port") != NULL ? vs_cmd_port(d, params, "port", err) : DP_NO_PORT;
	uint32_t n = 0;

	if (port < 0)
		return port;
	for (uint16_t i = 0; i < DP_MAX_DOMAINS; i++) {
		const struct vs_domain_live *dom = &d->vs->domains[i];

		if (dom->used && (sw == NULL || strcmp(sw, dom->sw) == 0) &&
		    (tenant == NULL || strcmp(tenant, dom->tenant) == 0))
			n += dp_fdb_flush(dp_fdb(d->vs->dp), i, v, (uint16_t)port, false);
	}
	*ret = json_pack("{sI}", "flushed", (json_int_t)n);
	return 0;
}

static int events_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err)
{
	struct vs_daemon *d = ctx;
	const json_t *limit = json_object_get(params, "limit");
	bool watch = json_is_true(json_object_get(params, "watch"));

	*ret = json_pack("{so}", "events",
			 vs_events_list(d->events, json_is_integer(limit)
							   ? (unsigned)json_integer_value(limit)
							   : 100));
	if (watch)
		return vs_events_stream(d->events, call, err);
	return 0;
}

/* One screen: totals, cores, the queues that work most. */
static int top(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
	       struct err *err)
{
	struct vs_daemon *d = ctx;
	struct dp_queue_info *info = calloc(65536, sizeof(*info));
	unsigned n = info != NULL ? dp_queue_info(d->vs->dp, info, 65536) : 0;
	json_t *queues = json_array();

	for (unsigned i = 0; i < n; i++) {
		const char *port = vs_port_name(d->vs, info[i].port);

		json_array_append_new(queues,
				      json_pack("{ss si si sf sI sI}", "port",
						port != NULL ? port : "", "queue", info[i].queue,
						"core", info[i].cpu, "load", info[i].load * 100,
						"packets", (json_int_t)info[i].packets, "bytes",
						(json_int_t)info[i].bytes));
	}
	free(info);
	dp_count_refresh(d->vs->dp);
	*ret = json_pack("{so so so}", "totals", totals_json(d), "cores", cores_json(d), "queues",
			 queues);
	return 0;
}

const struct ctl_binding vs_cmd_stats[] = {
	{"stats", "show", stats_show},
	{"drop", "list", drop_list},
	{"drop", "reasons", drop_reasons},
	{"core", "list", core_list},
	{"mac", "list", mac_list},
	{"mac", "flush", mac_flush},
	{"events", "list", events_list},
	{"top", "show", top},
	{NULL, NULL, NULL},
};
