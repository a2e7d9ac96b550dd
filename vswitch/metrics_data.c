/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What GET /metrics says: the ledger of every port with its drops by reason, queues, workers,
 * tenants, the address table.  One snapshot serves all, so the numbers of a scrape balance.
 */
#include "vswitch/metrics_data.h"

#include "ctl/base/clock.h"
#include "dataplane/fdb.h"
#include "filters/module.h"
#include "vswitch/cmd.h"
#include "vswitch/filters.h"
#include "vswitch/mirrors.h"
#include "vswitch/flowrecs.h"
#include "vswitch/acl.h"
#include "vswitch/guards_priv.h"
#include "vswitch/openmetrics.h"
#include "vswitch/qos_live.h"
#include "vswitch/queues.h"
#include "vswitch/vm.h"
#include "vswitch/vm_msg.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Counters of a port, by their place in struct dp_count. */
static const struct {
	const char *name, *help;
	size_t offset;
} port_counters[] = {
#define C(field, text)                                                                             \
	{                                                                                          \
		"vswitch_port_" #field, text, offsetof(struct dp_count, field)                     \
	}
	C(rx_packets, "Frames received."),
	C(rx_bytes, "Bytes received."),
	C(rx_multicast, "Frames received to group addresses."),
	C(copies,
	  "Copies of received frames that flooding and rules made, and frames of controllers."),
	C(forwarded, "Frames handed to egress."),
	C(flooded, "Of the forwarded: by flooding."),
	C(punted, "Frames given to controllers."),
	C(offered, "Frames that were to leave here."),
	C(segments, "Frames that software segmentation added."),
	C(tx_packets, "Frames sent."),
	C(tx_bytes, "Bytes sent."),
#undef C
};

static void drops(struct vs_metric_sink *sink, const struct vs_port *p,
		  const struct dp_count *count)
{
	for (int i = 0; i < DP_N_DROPS; i++) {
		const char *reason = dp_drop_slug((enum dp_drop)i);

		if (count->drops_rx[i] != 0)
			vs_metric_counter(sink, "vswitch_port_drops", "Frames dropped.",
					  VS_LABELS({"switch", p->sw->name}, {"port", p->name},
						    {"side", "ingress"}, {"reason", reason}),
					  count->drops_rx[i]);
		if (count->drops_tx[i] != 0)
			vs_metric_counter(sink, "vswitch_port_drops", "Frames dropped.",
					  VS_LABELS({"switch", p->sw->name}, {"port", p->name},
						    {"side", "egress"}, {"reason", reason}),
					  count->drops_tx[i]);
	}
}

static void ports(const struct vs_daemon *d, struct vs_metric_sink *sink)
{
	const struct vs_model *m = d->vs->model;

	for (unsigned i = 0; i < m->n_ports; i++) {
		const struct vs_port *p = &m->ports[i];
		uint16_t id = vs_port_id(d->vs, p->name);
		const struct dp_port *port = d->vs->live[id].port;
		const struct dp_count *count = dp_port_count(d->vs->dp, id);

		for (size_t k = 0; k < sizeof(port_counters) / sizeof(port_counters[0]); k++) {
			uint64_t value;

			memcpy(&value, (const char *)count + port_counters[k].offset,
			       sizeof(value));
			vs_metric_counter(sink, port_counters[k].name, port_counters[k].help,
					  VS_LABELS({"switch", p->sw->name}, {"port", p->name}),
					  value);
		}
		drops(sink, p, count);
		vs_metric_gauge(sink, "vswitch_port_up",
				"1 when the port has its device and a link.",
				VS_LABELS({"switch", p->sw->name}, {"port", p->name}),
				port != NULL && atomic_load(&port->link_up));
		vs_metric_gauge(sink, "vswitch_port_macs", "Addresses learned on the port.",
				VS_LABELS({"switch", p->sw->name}, {"port", p->name}),
				dp_fdb_port_count(dp_fdb(d->vs->dp), id));
		vs_metric_info(sink, "vswitch_port", "What the port is.",
			       VS_LABELS({"switch", p->sw->name}, {"port", p->name},
					 {"kind", vs_port_kind_name(p->kind)},
					 {"tenant", p->tenant != NULL ? p->tenant->name : ""},
					 {"driver", port != NULL ? port->driver : ""}));
	}
}

static void tenants(const struct vs_daemon *d, struct vs_metric_sink *sink)
{
	for (uint16_t i = 0; i < DP_MAX_DOMAINS; i++) {
		const struct vs_domain_live *dom = &d->vs->domains[i];
		const struct dp_domain_count *count = dp_domain_count(d->vs->dp, i);

		if (!dom->used)
			continue;
		vs_metric_counter(sink, "vswitch_tenant_rx_packets", "Frames received of a tenant.",
				  VS_LABELS({"switch", dom->sw}, {"tenant", dom->tenant}),
				  count->rx_packets);
		vs_metric_counter(sink, "vswitch_tenant_rx_bytes", "Bytes received of a tenant.",
				  VS_LABELS({"switch", dom->sw}, {"tenant", dom->tenant}),
				  count->rx_bytes);
		vs_metric_gauge(sink, "vswitch_tenant_macs", "Addresses learned of a tenant.",
				VS_LABELS({"switch", dom->sw}, {"tenant", dom->tenant}),
				dp_fdb_domain_count(dp_fdb(d->vs->dp), i));
	}
}

static void workers(const struct vs_daemon *d, struct vs_metric_sink *sink)
{
	struct dp_worker_info info[64];
	unsigned n = dp_worker_info(d->vs->dp, info, 64);

	for (unsigned i = 0; i < n; i++) {
		char cpu[16];

		snprintf(cpu, sizeof(cpu), "%u", info[i].cpu);
		vs_metric_counter(sink, "vswitch_worker_packets", "Frames a worker received.",
				  VS_LABELS({"core", cpu}), info[i].packets);
		vs_metric_counter(sink, "vswitch_worker_wakeups", "Times a worker slept and woke.",
				  VS_LABELS({"core", cpu}), info[i].wakeups);
		vs_metric_gauge(sink, "vswitch_worker_busy_ratio", "Share of time spent on frames.",
				VS_LABELS({"core", cpu}), info[i].busy);
		vs_metric_gauge(sink, "vswitch_worker_asleep_ratio", "Share of time asleep.",
				VS_LABELS({"core", cpu}), info[i].asleep);
	}
}

static void queues(const struct vs_daemon *d, struct vs_metric_sink *sink)
{
	const unsigned max = DP_MAX_PORTS * 4;
	struct dp_queue_info *info = calloc(max, sizeof(*info));
	unsigned n = info != NULL ? dp_queue_info(d->vs->dp, info, max) : 0;

	for (unsigned i = 0; i < n; i++) {
		const char *port = vs_port_name(d->vs, info[i].port);
		char queue[16], cpu[16];

		snprintf(queue, sizeof(queue), "%u", info[i].queue);
		snprintf(cpu, sizeof(cpu), "%d", info[i].cpu);
		vs_metric_counter(sink, "vswitch_queue_rx_packets", "Frames of a receive queue.",
				  VS_LABELS({"port", port != NULL ? port : ""}, {"queue", queue}),
				  info[i].packets);
		vs_metric_gauge(sink, "vswitch_queue_core",
				"Core that polls the queue, -1 for none.",
				VS_LABELS({"port", port != NULL ? port : ""}, {"queue", queue}),
				info[i].cpu);
		vs_metric_gauge(sink, "vswitch_queue_load_ratio",
				"Share of a core the queue takes.",
				VS_LABELS({"port", port != NULL ? port : ""}, {"queue", queue}),
				info[i].load);
	}
	free(info);
}

static void port_queue(const struct vs *vs, const struct vs_queue_live *q,
		       struct vs_metric_sink *sink)
{
	struct vs_queue_counts counts;
	char id[16];

	snprintf(id, sizeof(id), "%u", q->id);
	vs_queue_read(vs, q, &counts);
	vs_metric_counter(sink, "vswitch_port_queue_packets", "Frames that a port's queue sent.",
			  VS_LABELS({"port", q->port}, {"queue", id}), counts.packets);
	vs_metric_counter(sink, "vswitch_port_queue_bytes", "Their bytes.",
			  VS_LABELS({"port", q->port}, {"queue", id}), counts.bytes);
	vs_metric_counter(sink, "vswitch_port_queue_drops",
			  "Frames that waited too long in a queue, or found it full.",
			  VS_LABELS({"port", q->port}, {"queue", id}), counts.drops);
}

/* Verdicts and what stands beside them, by their place in struct filter_module_stats. */
static const struct {
	const char *verdict;
	size_t offset;
} filter_verdicts[] = {
#define V(field)                                                                                   \
	{                                                                                          \
#field, offsetof(struct filter_module_stats, field)                                \
	}
	V(pass), V(drop), V(aborted), V(tx), V(redirect), V(refused), V(bypassed), V(budget_drops),
#undef V
};

static void filter_counters(const char *name, const struct filter_module_stats *stats,
			    struct vs_metric_sink *sink)
{
	vs_metric_counter(sink, "vswitch_filter_packets", "Frames that a filter module saw.",
			  VS_LABELS({"module", name}), stats->packets);
	vs_metric_counter(sink, "vswitch_filter_cycles", "Processor cycles that it took.",
			  VS_LABELS({"module", name}), stats->cycles);
	vs_metric_counter(sink, "vswitch_filter_overruns", "Times that it was over its budget.",
			  VS_LABELS({"module", name}), stats->overruns);
	for (size_t i = 0; i < sizeof(filter_verdicts) / sizeof(filter_verdicts[0]); i++) {
		uint64_t n;

		memcpy(&n, (const char *)stats + filter_verdicts[i].offset, sizeof(n));
		vs_metric_counter(sink, "vswitch_filter_verdicts", "Frames by what became of them.",
				  VS_LABELS({"module", name},
					    {"verdict", filter_verdicts[i].verdict}),
				  n);
	}
}

/* What one counted goes with it; the module's counters keep it. */
static void attachment(const struct vs_daemon *d, const struct vs_attachment *a,
		       struct vs_metric_sink *sink)
{
	const struct filter_module *module = vs_filter_module(d->vs, a->filter->name);
	const char *module_name = a->filter->name, *side = vs_filter_side_name(a->side);
	const char *to, *scope = vs_attachment_scope(a, &to);
	struct filter_module_stats stats = {0};

	if (module != NULL)
		filter_module_stats_at(module, a->name, &stats);
	vs_metric_counter(sink, "vswitch_filter_attachment_cycles",
			  "Processor cycles that a module took for an attachment.",
			  VS_LABELS({"module", module_name}, {"scope", scope}, {"to", to},
				    {"direction", side}),
			  stats.cycles);
	for (size_t i = 0; i < sizeof(filter_verdicts) / sizeof(filter_verdicts[0]); i++) {
		uint64_t n;

		memcpy(&n, (const char *)&stats + filter_verdicts[i].offset, sizeof(n));
		vs_metric_counter(sink, "vswitch_filter_attachment_verdicts",
				  "Frames of an attachment by what became of them.",
				  VS_LABELS({"module", module_name}, {"scope", scope}, {"to", to},
					    {"direction", side},
					    {"verdict", filter_verdicts[i].verdict}),
				  n);
	}
}

static void filters(const struct vs_daemon *d, struct vs_metric_sink *sink)
{
	const struct vs_model *m = d->vs->model;

	for (unsigned i = 0; i < m->n_filters; i++) {
		const char *name = m->filters[i].name;
		const struct filter_module *module = vs_filter_module(d->vs, name);
		struct filter_module_stats stats = {0};

		if (module != NULL)
			filter_module_stats(module, &stats);
		vs_metric_gauge(sink, "vswitch_filter_up", "1 when the module is loaded.",
				VS_LABELS({"module", name}), module != NULL);
		filter_counters(name, &stats, sink);
	}
	for (unsigned i = 0; i < m->n_attachments; i++)
		attachment(d, &m->attachments[i], sink);
}

static void guard(const struct vs_daemon *d, const struct vs_port *p, struct vs_metric_sink *sink)
{
	uint16_t id = vs_port_id(d->vs, p->name);
	struct dp_guard_counts c;

	(void)vs_guard_counts(d->vs, id, &c);
	for (int i = 0; i < DP_N_GUARD_RULES; i++)
		if (c.violations[i] != 0)
			vs_metric_counter(sink, "vswitch_guard_violations",
					  "Frames that a port's guard dropped, or would have.",
					  VS_LABELS({"switch", p->sw->name}, {"port", p->name},
						    {"guard", dp_drop_slug(dp_guard_drop(
								      (enum dp_guard_rule)i))}),
					  c.violations[i]);
	if (c.learned + c.not_learned + c.answered == 0)
		return;
	vs_metric_counter(sink, "vswitch_guard_learned", "Addresses that a port learned.",
			  VS_LABELS({"switch", p->sw->name}, {"port", p->name}), c.learned);
	vs_metric_counter(sink, "vswitch_guard_not_learned",
			  "Addresses that a port may not have: too many, or another's.",
			  VS_LABELS({"switch", p->sw->name}, {"port", p->name}), c.not_learned);
	vs_metric_counter(sink, "vswitch_guard_answered",
			  "ARP and ND requests that the switch answered.",
			  VS_LABELS({"switch", p->sw->name}, {"port", p->name}), c.answered);
	vs_metric_gauge(sink, "vswitch_guard_bindings", "Learned addresses that a port has.",
			VS_LABELS({"switch", p->sw->name}, {"port", p->name}),
			vs_bindings_count(d->vs, id));
}

static void guards(const struct vs_daemon *d, struct vs_metric_sink *sink)
{
	for (unsigned i = 0; i < d->vs->model->n_ports; i++)
		if (vs_guards(d->vs)->guards[vs_port_id(d->vs, d->vs->model->ports[i].name)] !=
		    NULL)
			guard(d, &d->vs->model->ports[i], sink);
}

static void acls(const struct vs_daemon *d, struct vs_metric_sink *sink)
{
	const struct vs_acl_conf *conf = vs_acl_conf(d->vs->model);

	for (unsigned i = 0; conf != NULL && i < conf->n_acls; i++) {
		const char *name = conf->acls[i].name;
		struct vs_acl_hits hits[2];

		for (unsigned k = 0; vs_acl_hits(d->vs, name, hits) && k < 2; k++) {
			const char *action = k == VS_ACL_ALLOW ? "allow" : "deny";

			vs_metric_counter(sink, "vswitch_acl_packets",
					  "Frames that an access list's entries decided.",
					  VS_LABELS({"acl", name}, {"action", action}),
					  hits[k].packets);
			vs_metric_counter(sink, "vswitch_acl_bytes", "Their bytes.",
					  VS_LABELS({"acl", name}, {"action", action}),
					  hits[k].bytes);
		}
	}
}

static void mirror(const struct vs_daemon *d, const struct vs_mirror *m,
		   struct vs_metric_sink *sink)
{
	struct vs_mirror_stats s;

	if (!vs_mirror_stats(d->vs, m, &s))
		return;
	vs_metric_gauge(sink, "vswitch_mirror_up", "1 when copies have somewhere to go.",
			VS_LABELS({"mirror", m->name}), !s.waits);
	vs_metric_counter(sink, "vswitch_mirror_seen", "Frames that a mirror looked at.",
			  VS_LABELS({"mirror", m->name}), s.count.seen);
	vs_metric_counter(sink, "vswitch_mirror_copied", "Frames that it copied.",
			  VS_LABELS({"mirror", m->name}), s.count.copied);
	vs_metric_counter(sink, "vswitch_mirror_bytes", "Bytes that it copied.",
			  VS_LABELS({"mirror", m->name}), s.count.bytes);
	for (int i = 0; i < DP_MIRROR_N_LOSSES; i++)
		vs_metric_counter(sink, "vswitch_mirror_lost", "Frames that it could not copy.",
				  VS_LABELS({"mirror", m->name},
					    {"reason",
					     dp_mirror_loss_slug((enum dp_mirror_loss)i)}),
				  s.count.lost[i]);
}

static void mirrors(const struct vs_daemon *d, struct vs_metric_sink *sink)
{
	const struct vs_mirrors_conf *conf = vs_mirrors_of(d->vs->model);

	for (unsigned i = 0; conf != NULL && i < conf->n; i++)
		mirror(d, &conf->v[i], sink);
}

static void qos_class(void *arg, const struct vs_qos_class *c)
{
	struct vs_metric_sink *sink = arg;

	vs_metric_counter(sink, "vswitch_qos_packets", "Frames that a class of a port sent.",
			  VS_LABELS({"port", c->port}, {"class", c->name}), c->packets);
	vs_metric_counter(sink, "vswitch_qos_wire_bytes", "Their bytes on the wire.",
			  VS_LABELS({"port", c->port}, {"class", c->name}), c->bytes);
	vs_metric_counter(sink, "vswitch_qos_drops",
			  "Frames that waited too long, or found the queue full.",
			  VS_LABELS({"port", c->port}, {"class", c->name}), c->drops);
	vs_metric_counter(sink, "vswitch_qos_marks", "Frames marked by ECN.",
			  VS_LABELS({"port", c->port}, {"class", c->name}), c->marks);
	vs_metric_gauge(sink, "vswitch_qos_waiting", "Frames that wait.",
			VS_LABELS({"port", c->port}, {"class", c->name}), c->waiting);
}

static void vm(const struct vs_daemon *d, const char *name, struct vs_metric_sink *sink)
{
	const json_t *stats = vs_vm_kept(d->vs->vms, name, "stats");
	json_t *exits = json_object_get(stats, "exits"), *count;
	enum vs_vm_state state = vs_vm_state(d->vs->vms, name);
	const char *key;

	vs_metric_gauge(sink, "vswitch_vm_up", "1 when the VM runs.", VS_LABELS({"vm", name}),
			state == VS_VM_RUNNING);
	vs_metric_info(sink, "vswitch_vm", "What the VM does.",
		       VS_LABELS({"vm", name}, {"state", vs_vm_state_name(state)}));
	if (stats == NULL)
		return;
	vs_metric_counter(sink, "vswitch_vm_cpu_milliseconds", "Processor time of the VM.",
			  VS_LABELS({"vm", name}),
			  (uint64_t)vs_vm_number(stats, "cpu_ns") / 1000000);
	vs_metric_gauge(sink, "vswitch_vm_memory_bytes", "Memory that the VM has.",
			VS_LABELS({"vm", name}), (double)vs_vm_number(stats, "memory.size"));
	vs_metric_gauge(sink, "vswitch_vm_memory_resident_bytes", "Of it, what the host has given.",
			VS_LABELS({"vm", name}), (double)vs_vm_number(stats, "memory.resident"));
	vs_metric_gauge(sink, "vswitch_vm_memory_own_bytes", "Memory of its process besides.",
			VS_LABELS({"vm", name}), (double)vs_vm_number(stats, "memory.own"));
	json_object_foreach(exits, key, count) {
		if (strcmp(key, "all") != 0)
			vs_metric_counter(sink, "vswitch_vm_exits", "Times the guest was left.",
					  VS_LABELS({"vm", name}, {"reason", key}),
					  (uint64_t)json_integer_value(count));
	}
}

static void vms(const struct vs_daemon *d, struct vs_metric_sink *sink)
{
	const char *name;

	for (unsigned i = 0; d->vs->vms != NULL && (name = vs_vms_nth(d->vs->vms, i)) != NULL; i++)
		vm(d, name, sink);
}

void vs_metrics_fill(void *ctx, struct vs_metric_sink *sink)
{
	const struct vs_daemon *d = ctx;
	struct dp_fdb_stats fdb;

	dp_count_refresh(d->vs->dp);
	dp_fdb_stats(dp_fdb(d->vs->dp), &fdb);
	vs_metric_info(sink, "vswitch_build", "Version of the daemon.",
		       VS_LABELS({"version", VSWITCH_VERSION}));
	vs_metric_gauge(sink, "vswitch_uptime_seconds", "Since the daemon started.", VS_NO_LABELS,
			(double)(clock_mono_ns() - d->started_ns) / 1e9);
	vs_metric_gauge(sink, "vswitch_macs", "Addresses in the table.", VS_NO_LABELS,
			fdb.n_entries);
	vs_metric_counter(sink, "vswitch_macs_learned", "Addresses learned.", VS_NO_LABELS,
			  fdb.learned);
	vs_metric_counter(sink, "vswitch_macs_moved", "Addresses that changed their port.",
			  VS_NO_LABELS, fdb.moved);
	vs_metric_gauge(sink, "vswitch_in_flight", "Frames between two workers.", VS_NO_LABELS,
			(double)dp_in_flight(d->vs->dp));
	ports(d, sink);
	tenants(d, sink);
	workers(d, sink);
	queues(d, sink);
	vms(d, sink);
	vs_metrics_nics(d, sink);
	filters(d, sink);
	mirrors(d, sink);
	vs_flowrec_metrics(d, sink);
	guards(d, sink);
	acls(d, sink);
	for (unsigned i = 0; i < d->vs->n_queues; i++)
		port_queue(d->vs, &d->vs->queues[i], sink);
	vs_qos_classes(d->vs, -1, qos_class, sink);
}
