/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Looking at flow records and their exporters; see cmd.h.
 */
#include "vswitch/cmd.h"

#include "ctl/base/clock.h"
#include "ctl/conf.h"
#include "vswitch/flowrecs.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LIMIT 20

static const char *param(const json_t *params, const char *key)
{
	return json_string_value(json_object_get(params, key));
}

/* What the two nouns differ in. */
struct kind {
	const char *noun;
	bool (*counts)(const struct vs *vs, const char *name, struct vs_flowrec_counts *ret);
	const struct vs_collector *(*collector)(const struct vs *vs, const char *name, unsigned i);
	const struct vs_exporter *(*find)(const struct vs_model *m, const char *name);
	bool samples;
};
static const struct kind ipfix = {"ipfix", vs_exporter_counts, vs_exporter_collector,
				  vs_flowrec_exporter, false};
static const struct kind sflow = {"sflow", vs_sampler_counts, vs_sampler_collector,
				  vs_flowrec_sampler, true};

/* ---- Exporters ---- */

static const char *state_name(const struct vs_collector *c)
{
	static const char *const names[] = {"waiting", "connecting", "open"};
	struct vs_collector_info info;

	vs_collector_info(c, &info);
	if (info.state == VS_COLLECTOR_OPEN && !vs_collector_is_well(c))
		return "failing";
	return names[info.state];
}

static const char *worst_state(const struct vs_daemon *d, const struct kind *kind, const char *name)
{
	static const char *const order[] = {"waiting", "failing", "connecting", "open"};
	const struct vs_collector *c;
	unsigned worst = 3;

	for (unsigned i = 0; (c = kind->collector(d->vs, name, i)) != NULL; i++)
		for (unsigned k = 0; k < worst; k++)
			if (strcmp(state_name(c), order[k]) == 0)
				worst = k;
	return order[worst];
}

static json_t *where_json(const struct vs_exporter *e)
{
	const struct vs_switch *sw = e->where.sw;
	const struct vs_tenant *tenant = e->where.tenant;

	if (tenant == NULL)
		return json_sprintf("switch %s", sw->name);
	if (sw == NULL)
		return json_sprintf("tenant %s", tenant->name);
	return json_sprintf("tenant %s on %s", tenant->name, sw->name);
}

static json_t *seen_json(const struct vs_daemon *d, const struct vs_exporter *e)
{
	const struct vs_model *m = d->vs->model;
	json_t *list = json_array();
	uint16_t domain;

	for (unsigned i = 0; i < m->n_ports; i++)
		if (vs_flowrec_sees(d->vs, e, &m->ports[i], &domain))
			json_array_append_new(list, json_string(m->ports[i].name));
	return list;
}

static void put(json_t *row, const char *key, uint64_t value)
{
	json_object_set_new(row, key, json_integer((json_int_t)value));
}

static void put_counts(json_t *row, const struct kind *kind, const struct vs_flowrec_counts *c)
{
	put(row, "messages", c->messages);
	put(row, "bytes", c->bytes);
	put(row, "lost", c->lost);
	if (kind->samples) {
		put(row, "samples", c->samples);
		put(row, "counter_samples", c->counter_samples);
		put(row, "dropped", c->dropped);
		return;
	}
	put(row, "flows", c->flows);
	put(row, "flows_max", c->flows_max);
	put(row, "memory", c->memory);
	put(row, "made", c->made);
	put(row, "packets", c->packets);
	put(row, "missed_packets", c->missed_packets);
	put(row, "missed_bytes", c->missed_bytes);
	put(row, "unknown_drops", c->unknown_drops);
	put(row, "records", c->records);
}

static json_t *row_of(const struct vs_daemon *d, const struct kind *kind,
		      const struct vs_exporter *e)
{
	struct vs_flowrec_counts counts = {0};
	json_t *places = json_array(), *seen = seen_json(d, e), *row;

	for (unsigned i = 0; i < e->n_collectors; i++)
		json_array_append_new(places, json_string(e->collectors[i].text));
	row = json_pack("{ss so so ss sI sI}", "name", e->name, "where", where_json(e),
			"collectors", places, "state", worst_state(d, kind, e->name), "ports",
			(json_int_t)json_array_size(seen), "sample",
			(json_int_t)(kind->samples ? e->rate : e->flows.sample));
	json_decref(seen);
	(void)kind->counts(d->vs, e->name, &counts);
	put_counts(row, kind, &counts);
	return row;
}

static int list(const struct vs_daemon *d, const struct kind *kind, const json_t *params,
		json_t **ret, struct err *err)
{
	const struct vs_flowrec_conf *conf = vs_flowrec_conf(d->vs->model);
	const char *name = param(params, "name");
	const struct vs_exporter *all = NULL;
	unsigned n = 0;
	json_t *rows;

	if (name != NULL && kind->find(d->vs->model, name) == NULL)
		return conf_refuse_missing(conf_state(d->conf), kind->noun, name, "", err);
	if (conf != NULL) {
		all = kind->samples ? conf->samplers : conf->exporters;
		n = kind->samples ? conf->n_samplers : conf->n_exporters;
	}
	rows = json_array();
	for (unsigned i = 0; i < n; i++)
		if (name == NULL || strcmp(name, all[i].name) == 0)
			json_array_append_new(rows, row_of(d, kind, &all[i]));
	*ret = json_pack("{so}", "exporters", rows);
	return 0;
}

static json_t *collectors_json(const struct vs_daemon *d, const struct kind *kind, const char *name)
{
	const struct vs_collector *c;
	json_t *rows = json_array();

	for (unsigned i = 0; (c = kind->collector(d->vs, name, i)) != NULL; i++) {
		struct vs_collector_info info;

		vs_collector_info(c, &info);
		json_array_append_new(rows,
				      json_pack("{ss ss sf sI sI sI sI sI ss}", "collector",
						vs_collector_address(c)->text, "state",
						state_name(c), "since",
						(double)(clock_mono_ns() - info.since_ns) / 1e9,
						"sessions", (json_int_t)info.sessions, "messages",
						(json_int_t)info.messages, "bytes",
						(json_int_t)info.bytes, "lost_messages",
						(json_int_t)info.lost_messages, "lost_bytes",
						(json_int_t)info.lost_bytes, "error", info.error));
	}
	return rows;
}

static int show(const struct vs_daemon *d, const struct kind *kind, const json_t *params,
		json_t **ret, struct err *err)
{
	const char *name = param(params, "name");
	const struct vs_exporter *e = kind->find(d->vs->model, name);
	json_t *row;

	if (e == NULL)
		return conf_refuse_missing(conf_state(d->conf), kind->noun, name, "", err);
	row = row_of(d, kind, e);
	json_object_set_new(row, "seen", seen_json(d, e));
	json_object_set_new(row, "collectors", collectors_json(d, kind, name));
	if (kind->samples) {
		put(row, "header", e->head);
		put(row, "counters", e->counters_ms);
	} else {
		put(row, "domain_id", e->domain_id);
		put(row, "active", e->flows.active_ms);
		put(row, "inactive", e->flows.inactive_ms);
		put(row, "template_refresh", e->refresh_ms);
	}
	*ret = row;
	return 0;
}

static int ipfix_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	return list(ctx, &ipfix, params, ret, err);
}

static int sflow_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	return list(ctx, &sflow, params, ret, err);
}

static int ipfix_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	return show(ctx, &ipfix, params, ret, err);
}

static int sflow_show(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		      struct err *err)
{
	return show(ctx, &sflow, params, ret, err);
}

/* ---- Flows ---- */

/* The largest so far, in a heap whose root is the smallest of them. */
struct top {
	enum { BYTES, PACKETS, DROPS, START } by;
	unsigned n, max;
	uint64_t total;
	struct dp_flowrec_record *records;
};

static uint64_t weight(const struct top *top, const struct dp_flowrec_record *r)
{
	switch (top->by) {
	case PACKETS:
		return r->there.packets + r->back.packets;
	case DROPS:
		return r->there.dropped_packets + r->back.dropped_packets;
	case START:
		return r->there.start_ms;
	case BYTES:
	default:
		return r->there.bytes + r->back.bytes;
	}
}

static void swap(struct top *top, unsigned a, unsigned b)
{
	struct dp_flowrec_record r = top->records[a];

	top->records[a] = top->records[b];
	top->records[b] = r;
}

static void sink(struct top *top, unsigned at)
{
	for (;;) {
		unsigned least = at;

		for (unsigned child = 2 * at + 1; child <= 2 * at + 2 && child < top->n; child++)
			if (weight(top, &top->records[child]) < weight(top, &top->records[least]))
				least = child;
		if (least == at)
			return;
		swap(top, at, least);
		at = least;
	}
}

static void consider(void *arg, const struct dp_flowrec_record *r)
{
	struct top *top = arg;
	unsigned at;

	top->total++;
	if (top->n == top->max) {
		if (weight(top, r) <= weight(top, &top->records[0]))
			return;
		top->records[0] = *r;
		sink(top, 0);
		return;
	}
	top->records[top->n] = *r;
	for (at = top->n++; at != 0; at = (at - 1) / 2) {
		if (weight(top, &top->records[at]) >= weight(top, &top->records[(at - 1) / 2]))
			return;
		swap(top, at, (at - 1) / 2);
	}
}

static void end_text(const struct dp_flowrec_record *r, const uint8_t *address, const uint8_t *mac,
		     char text[INET6_ADDRSTRLEN])
{
	if (r->family != 0)
		inet_ntop(r->family == 4 ? AF_INET : AF_INET6, address, text, INET6_ADDRSTRLEN);
	else
		snprintf(text, INET6_ADDRSTRLEN, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1],
			 mac[2], mac[3], mac[4], mac[5]);
}

static void proto_text(const struct dp_flowrec_record *r, char text[24])
{
	const char *name = r->proto == 6     ? "tcp"
			   : r->proto == 17  ? "udp"
			   : r->proto == 1   ? "icmp"
			   : r->proto == 58  ? "icmp6"
			   : r->proto == 132 ? "sctp"
					     : NULL;

	if (r->family == 0 && r->eth_type == 0x0806)
		snprintf(text, 24, "arp");
	else if (r->family == 0)
		snprintf(text, 24, "0x%04x", r->eth_type);
	else if (name != NULL)
		snprintf(text, 24, "%s", name);
	else
		snprintf(text, 24, "%u", r->proto);
}

static const char *reason_of(const struct dp_flowrec_record *r)
{
	unsigned drop = r->there.dropped_packets != 0 ? r->there.drop
			: r->has_back		      ? r->back.drop
						      : DP_N_DROPS;

	return drop < DP_N_DROPS ? dp_drop_slug((enum dp_drop)drop) : "";
}

static json_t *port_json(const struct vs_daemon *d, uint16_t id)
{
	const char *name = id < DP_MAX_PORTS ? vs_port_name(d->vs, id) : NULL;

	return name != NULL ? json_string(name) : json_null();
}

static double seconds(uint64_t now_ms, uint64_t then_ms)
{
	return now_ms > then_ms ? (double)(now_ms - then_ms) / 1e3 : 0;
}

static json_t *flow_json(const struct vs_daemon *d, const struct dp_flowrec_record *r)
{
	uint64_t now = clock_wall_ns() / 1000000u;
	uint64_t last =
		r->has_back && r->back.end_ms > r->there.end_ms ? r->back.end_ms : r->there.end_ms;
	char src[INET6_ADDRSTRLEN], dst[INET6_ADDRSTRLEN], proto[24];

	end_text(r, r->src, r->src_mac, src);
	end_text(r, r->dst, r->dst_mac, dst);
	proto_text(r, proto);
	return json_pack("{ss si ss si ss si ss so so sI sI sI sI sI ss si sf sf}", "src", src,
			 "sport", (int)r->sport, "dst", dst, "dport", (int)r->dport, "proto", proto,
			 "vlan", (int)r->vlan, "tenant",
			 r->domain < DP_MAX_DOMAINS ? d->vs->domains[r->domain].tenant : "", "in",
			 port_json(d, r->there.port), "out",
			 r->has_back ? port_json(d, r->back.port) : json_null(), "packets",
			 (json_int_t)r->there.packets, "bytes", (json_int_t)r->there.bytes,
			 "back_packets", (json_int_t)r->back.packets, "back_bytes",
			 (json_int_t)r->back.bytes, "dropped",
			 (json_int_t)(r->there.dropped_packets + r->back.dropped_packets), "reason",
			 reason_of(r), "tcp_flags", (int)(r->there.tcp_flags | r->back.tcp_flags),
			 "age", seconds(now, r->there.start_ms), "idle", seconds(now, last));
}

static int by_of(const char *word)
{
	static const char *const words[] = {"bytes", "packets", "drops", "start"};

	for (int i = 0; word != NULL && i < 4; i++)
		if (strcmp(word, words[i]) == 0)
			return i;
	return BYTES;
}

static int ipfix_flows(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		       struct err *err)
{
	const struct vs_daemon *d = ctx;
	const char *name = param(params, "name");
	const json_t *limit = json_object_get(params, "limit");
	struct top top = {.max = limit != NULL ? (unsigned)json_integer_value(limit) : LIMIT};
	json_t *rows;

	if (vs_flowrec_exporter(d->vs->model, name) == NULL)
		return conf_refuse_missing(conf_state(d->conf), "ipfix", name, "", err);
	top.by = by_of(param(params, "by"));
	top.records = calloc(top.max, sizeof(*top.records));
	if (top.records == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory");
	(void)vs_exporter_flows(d->vs, name, consider, &top);
	rows = json_array();
	/* Off the heap the smallest comes first. */
	while (top.n != 0) {
		json_array_insert_new(rows, 0, flow_json(d, &top.records[0]));
		top.records[0] = top.records[--top.n];
		sink(&top, 0);
	}
	free(top.records);
	*ret = json_pack("{so sI}", "flows", rows, "total", (json_int_t)top.total);
	return 0;
}

const struct ctl_binding vs_cmd_flowrecs[] = {
	{"ipfix", "list", ipfix_list}, {"ipfix", "stats", ipfix_list},
	{"ipfix", "show", ipfix_show}, {"ipfix", "flows", ipfix_flows},
	{"sflow", "list", sflow_list}, {"sflow", "stats", sflow_list},
	{"sflow", "show", sflow_show}, {NULL, NULL, NULL},
};
