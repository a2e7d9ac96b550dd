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
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

/* in = out + drops + in flight, over the whole switch; every part exact at the moment of the read.
 */
static json_t *ledger_json(struct vs_daemon *d)
{
	const struct dp_count *t = dp_total_count(d->vs->dp);
	uint64_t rx_drops = vs_drops_rx(t), tx_drops = vs_drops_tx(t);
	int64_t handed = dp_in_flight(d->vs->dp);
	int64_t in_flight = handed + (int64_t)(t->held_rx + t->held_tx);
	uint64_t in = t->rx_packets + t->copies + t->segments;
	uint64_t out = t->tx_packets + t->punted, drops = rx_drops + tx_drops;
	bool balanced =
		t->rx_packets + t->copies == t->forwarded + t->punted + rx_drops + t->held_rx &&
		t->offered + t->segments == t->tx_packets + tx_drops + t->held_tx &&
		(int64_t)t->forwarded == (int64_t)t->offered + handed;
	char text[160];

	snprintf(text, sizeof(text),
		 "%" PRIu64 " in %s %" PRIu64 " out + %" PRIu64 " dropped + %" PRId64 " in flight",
		 in, balanced ? "=" : "!=", out, drops, in_flight);
	return json_pack("{sI sI sI sI sb ss}", "in", (json_int_t)in, "out", (json_int_t)out,
			 "drops", (json_int_t)drops, "in_flight", (json_int_t)in_flight, "balanced",
			 balanced, "text", text);
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

/* Resident memory of this process, packet buffers (huge pages) not counted. */
static void memory_text(char *text, size_t size)
{
	FILE *f = fopen("/proc/self/status", "re");
	char line[128];
	unsigned long rss_kb = 0, huge_kb = 0;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		(void)sscanf(line, "VmRSS: %lu", &rss_kb);
		(void)sscanf(line, "HugetlbPages: %lu", &huge_kb);
	}
	if (f != NULL)
		fclose(f);
	snprintf(text, size, "%lu MB, and %lu MB of huge pages", rss_kb / 1024, huge_kb / 1024);
}

static int stats_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	struct vs_daemon *d = ctx;
	const struct vs_model *m = d->vs->model;
	struct dp_fdb_stats fdb;
	uint64_t n_buffers, in_use;
	char memory[80];
	json_t *row;

	dp_count_refresh(d->vs->dp);
	dp_fdb_stats(dp_fdb(d->vs->dp), &fdb);
	dp_pool_usage(d->vs->dp, &n_buffers, &in_use);
	memory_text(memory, sizeof(memory));
	row = vs_count_json(dp_total_count(d->vs->dp));
	json_object_set_new(row, "ledger", ledger_json(d));
	json_object_set_new(row, "n_switches", json_integer(m->n_switches));
	json_object_set_new(row, "n_ports", json_integer(m->n_ports));
	json_object_set_new(row, "n_tenants", json_integer(m->n_tenants));
	json_object_set_new(row, "n_cores", json_integer(m->n_cores));
	json_object_set_new(row, "n_macs", json_integer(fdb.n_entries));
	json_object_set_new(row, "revision", json_integer((json_int_t)conf_revision(d->conf)));
	json_object_set_new(row, "uptime",
			    json_integer(
				    (json_int_t)((clock_mono_ns() - d->started_ns) / 1000000000u)));
	json_object_set_new(row, "memory", json_string(memory));
	json_object_set_new(row, "buffers",
			    json_pack("{sI sI}", "total", (json_int_t)n_buffers, "in_use",
				      (json_int_t)in_use));
	json_object_set_new(row, "version", json_string(VSWITCH_VERSION));
	json_object_set_new(row, "macs", fdb_json(d));
	json_object_set_new(row, "socket", ctl_server_stats(d->server));
	*ret = row;
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

	for (unsigned i = 0; i < n; i++) {
		double cycles = (double)(int64_t)(info[i].cycles_per_packet * 10) / 10;

		json_array_append_new(rows,
				      json_pack("{si ss si sf sf sI sI sf}", "cpu", info[i].cpu,
						"state", "running", "n_queues", info[i].n_queues,
						"busy", info[i].busy, "asleep", info[i].asleep,
						"packets", (json_int_t)info[i].packets, "wakeups",
						(json_int_t)info[i].wakeups, "cycles_per_packet",
						cycles));
	}
	return rows;
}

static int core_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	struct vs_daemon *d = ctx;

	*ret = json_pack("{so so sI sb}", "cores", cores_json(d), "queues", vs_queues_json(d, -1),
			 "max_sleep", (json_int_t)d->vs->model->max_sleep_us, "rebalance",
			 d->vs->model->rebalance);
	return 0;
}

struct mac_query {
	const struct vs_daemon *d;
	json_t *rows;
	const char *sw, *tenant, *port;
	int vlan;
	json_int_t limit, total;
};

static bool mac_row(void *arg, const struct dp_fdb_entry *e)
{
	struct mac_query *q = arg;
	const struct vs_domain_live *dom = &q->d->vs->domains[e->domain];
	const char *port = vs_port_name(q->d->vs, e->port);
	char mac[RTE_ETHER_ADDR_FMT_SIZE];
	json_t *row;

	if (port == NULL || (q->sw != NULL && strcmp(q->sw, dom->sw) != 0) ||
	    (q->tenant != NULL && strcmp(q->tenant, dom->tenant) != 0) ||
	    (q->port != NULL && strcmp(q->port, port) != 0) || (q->vlan >= 0 && q->vlan != e->vlan))
		return true;
	if (q->total++ >= q->limit)
		return true;
	vs_mac_format(&e->mac, mac, sizeof(mac));
	row = json_pack("{ss ss ss si ss ss}", "mac", mac, "switch", dom->sw, "tenant", dom->tenant,
			"vlan", e->vlan, "port", port, "type", e->is_static ? "static" : "learned");
	/* A static address has none: it was written down, not heard. */
	if (!e->is_static)
		json_object_set_new(row, "age", json_integer((json_int_t)e->age_s));
	json_array_append_new(q->rows, row);
	return true;
}

static int mac_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		    struct err *err)
{
	const json_t *vlan = json_object_get(params, "vlan"),
		     *limit = json_object_get(params, "limit");
	struct mac_query q = {
		.d = ctx,
		.sw = param(params, "switch"),
		.tenant = param(params, "tenant"),
		.port = param(params, "port"),
		.vlan = json_is_integer(vlan) ? (int)json_integer_value(vlan) : -1,
		.limit = json_is_integer(limit) ? json_integer_value(limit) : 1000,
	};

	if (vs_cmd_filters(q.d, params, err) != 0)
		return -ENOENT;
	q.rows = json_array();
	if (q.limit == 0)
		q.limit = INT64_MAX;
	dp_fdb_walk(dp_fdb(q.d->vs->dp), mac_row, &q);
	*ret = json_pack("{so sI}", "macs", q.rows, "total", q.total);
	return 0;
}

static int mac_flush(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	struct vs_daemon *d = ctx;
	const char *sw = param(params, "switch"), *tenant = param(params, "tenant");
	const json_t *vlan = json_object_get(params, "vlan");
	uint16_t v = json_is_integer(vlan) ? (uint16_t)json_integer_value(vlan) : DP_NO_VLAN;
	const char *name = param(params, "port");
	int port = name != NULL ? vs_port_id(d->vs, name) : DP_NO_PORT;
	uint32_t n = 0;

	if (vs_cmd_filters(d, params, err) != 0)
		return -ENOENT;
	for (uint16_t i = 0; i < DP_MAX_DOMAINS; i++) {
		const struct vs_domain_live *dom = &d->vs->domains[i];

		if (dom->used && (sw == NULL || strcmp(sw, dom->sw) == 0) &&
		    (tenant == NULL || strcmp(tenant, dom->tenant) == 0))
			n += dp_fdb_flush(dp_fdb(d->vs->dp), i, v, (uint16_t)port, false);
	}
	*ret = json_pack("{sI}", "flushed", (json_int_t)n);
	return 0;
}

static unsigned limit_of(const json_t *params, unsigned def)
{
	const json_t *limit = json_object_get(params, "limit");

	return json_is_integer(limit) ? (unsigned)json_integer_value(limit) : def;
}

static int events_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err)
{
	struct vs_daemon *d = ctx;

	*ret = json_pack("{so}", "events",
			 vs_events_list(d->events, limit_of(params, 50), param(params, "port")));
	return 0;
}

/* One 'events watch'. */
struct watcher {
	struct ctl_stream *stream;
	struct vs_subscription *subscription;
	char port[64];
};

static void watcher_closed(void *arg)
{
	struct watcher *w = arg;

	vs_events_unsubscribe(w->subscription);
	free(w);
}

static void watcher_told(void *ctx, const json_t *event)
{
	struct watcher *w = ctx;

	if (w->port[0] == '\0' ||
	    strcmp(w->port, json_string_value(json_object_get(event, "port"))) == 0)
		ctl_stream_send(w->stream, event);
}

static int events_watch(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
			struct err *err)
{
	struct vs_daemon *d = ctx;
	const char *port = param(params, "port");
	struct watcher *w = calloc(1, sizeof(*w));
	json_t *past, *event;
	size_t i;

	if (w == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for one more watcher");
	snprintf(w->port, sizeof(w->port), "%s", port != NULL ? port : "");
	w->subscription = vs_events_subscribe(d->events, watcher_told, w);
	w->stream = w->subscription != NULL ? ctl_stream_open(call, watcher_closed, w) : NULL;
	if (w->stream == NULL) {
		watcher_closed(w);
		return err_set(err, -ENOMEM, "no-memory", "no memory for one more watcher");
	}
	past = vs_events_list(d->events, limit_of(params, 10), port);
	json_array_foreach(past, i, event)
		ctl_stream_send(w->stream, event);
	json_decref(past);
	*ret = json_object();
	return 0;
}

/* One screen: the cores, and every port; the tool sorts by rate. */
static int top_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		    struct err *err)
{
	struct vs_daemon *d = ctx;
	json_t *ports = json_array();

	dp_count_refresh(d->vs->dp);
	for (unsigned i = 0; i < d->vs->model->n_ports; i++)
		json_array_append_new(ports, vs_port_row(d, &d->vs->model->ports[i]));
	*ret = json_pack("{so so}", "cores", cores_json(d), "ports", ports);
	return 0;
}

const struct ctl_binding vs_cmd_stats[] = {
	{"stats", "show", stats_show},	   {"drop", "list", drop_list},
	{"drop", "reasons", drop_reasons}, {"core", "list", core_list},
	{"mac", "list", mac_list},	   {"mac", "flush", mac_flush},
	{"events", "list", events_list},   {"events", "watch", events_watch},
	{"top", "show", top_show},	   {NULL, NULL, NULL},
};
