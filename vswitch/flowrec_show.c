/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Flow records in the metrics and in 'doctor'.  Control thread.
 */
#include "vswitch/flowrecs.h"

#include "ctl/base/clock.h"
#include "vswitch/cmd.h"
#include "vswitch/doctor_priv.h"
#include "vswitch/metrics_data.h"
#include "vswitch/openmetrics.h"

#include <stdio.h>

typedef const struct vs_collector *(*collector_fn)(const struct vs *vs, const char *name,
						   unsigned i);

static void collectors(const struct vs *vs, const char *kind, const char *name, collector_fn fn,
		       struct vs_metric_sink *sink)
{
	const struct vs_collector *c;

	for (unsigned i = 0; (c = fn(vs, name, i)) != NULL; i++) {
		const char *place = vs_collector_address(c)->text;
		struct vs_collector_info info;

		vs_collector_info(c, &info);
		vs_metric_gauge(sink, "vswitch_flow_collector_up",
				"1 when the collector is known to be reached.",
				VS_LABELS({"kind", kind}, {"name", name}, {"collector", place}),
				vs_collector_is_well(c));
		vs_metric_counter(sink, "vswitch_flow_collector_messages",
				  "Messages sent to a collector.",
				  VS_LABELS({"kind", kind}, {"name", name}, {"collector", place}),
				  info.messages);
		vs_metric_counter(sink, "vswitch_flow_collector_lost",
				  "Messages that could not be sent, or were refused.",
				  VS_LABELS({"kind", kind}, {"name", name}, {"collector", place}),
				  info.lost_messages);
	}
}

static void exporter(const struct vs *vs, const char *name, struct vs_metric_sink *sink)
{
	struct vs_flowrec_counts c = {0};

	(void)vs_exporter_counts(vs, name, &c);
	vs_metric_gauge(sink, "vswitch_flow_entries", "Flows that an exporter counts now.",
			VS_LABELS({"name", name}), (double)c.flows);
	vs_metric_counter(sink, "vswitch_flow_packets", "Packets that an exporter counted.",
			  VS_LABELS({"name", name}), c.packets);
	vs_metric_counter(sink, "vswitch_flow_missed", "Packets that found its tables full.",
			  VS_LABELS({"name", name}), c.missed_packets);
	vs_metric_counter(sink, "vswitch_flow_records", "Flow records made.",
			  VS_LABELS({"name", name}), c.records);
	vs_metric_counter(sink, "vswitch_flow_records_lost", "Of them, no collector was there for.",
			  VS_LABELS({"name", name}), c.lost);
	collectors(vs, "ipfix", name, vs_exporter_collector, sink);
}

static void sampler(const struct vs *vs, const char *name, struct vs_metric_sink *sink)
{
	struct vs_flowrec_counts c = {0};

	(void)vs_sampler_counts(vs, name, &c);
	vs_metric_counter(sink, "vswitch_sflow_samples", "Frames that were sent as samples.",
			  VS_LABELS({"name", name}), c.samples);
	vs_metric_counter(sink, "vswitch_sflow_dropped", "Samples that found their queue full.",
			  VS_LABELS({"name", name}), c.dropped);
	collectors(vs, "sflow", name, vs_sampler_collector, sink);
}

void vs_flowrec_metrics(const struct vs_daemon *d, struct vs_metric_sink *sink)
{
	const struct vs_flowrec_conf *conf = vs_flowrec_conf(d->vs->model);

	for (unsigned i = 0; conf != NULL && i < conf->n_exporters; i++)
		exporter(d->vs, conf->exporters[i].name, sink);
	for (unsigned i = 0; conf != NULL && i < conf->n_samplers; i++)
		sampler(d->vs, conf->samplers[i].name, sink);
}

/* ---- Doctor ---- */

static void look_at(const struct vs *vs, const char *kind, const char *name, collector_fn fn,
		    json_t *rows)
{
	const struct vs_collector *c;
	char check[100], found[200], fix[120];

	snprintf(check, sizeof(check), "%s %s", kind, name);
	snprintf(fix, sizeof(fix), "vswitchctl %s show %s; is it reached from this host?", kind,
		 name);
	for (unsigned i = 0; (c = fn(vs, name, i)) != NULL; i++) {
		struct vs_collector_info info;

		if (vs_collector_is_well(c))
			continue;
		vs_collector_info(c, &info);
		snprintf(found, sizeof(found), "collector %s cannot be reached",
			 vs_collector_address(c)->text);
		vs_doctor_add(rows, check, "warn", found,
			      info.error[0] != '\0' ? info.error : "no connection yet", fix);
	}
}

static void look_at_tables(const struct vs *vs, const char *name, json_t *rows)
{
	struct vs_flowrec_counts c = {0};
	char check[100], found[120];

	if (!vs_exporter_counts(vs, name, &c) || c.flows < c.flows_max / 4 * 3)
		return;
	snprintf(check, sizeof(check), "ipfix %s", name);
	snprintf(found, sizeof(found), "%llu of %llu places for flows are taken",
		 (unsigned long long)c.flows, (unsigned long long)c.flows_max);
	vs_doctor_add(rows, check, "warn", found,
		      "flows are reported early, and packets of new ones may be missed",
		      "a larger --max-flows, or --sample; 'ipfix flows' shows who makes so many");
}

void vs_flowrec_doctor(struct vs_daemon *d, json_t *rows)
{
	const struct vs_flowrec_conf *conf = vs_flowrec_conf(d->vs->model);

	for (unsigned i = 0; conf != NULL && i < conf->n_exporters; i++) {
		look_at(d->vs, "ipfix", conf->exporters[i].name, vs_exporter_collector, rows);
		look_at_tables(d->vs, conf->exporters[i].name, rows);
	}
	for (unsigned i = 0; conf != NULL && i < conf->n_samplers; i++)
		look_at(d->vs, "sflow", conf->samplers[i].name, vs_sampler_collector, rows);
}
