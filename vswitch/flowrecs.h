/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Flow records as configured and as they run: exporters of IPFIX and of sFlow, each of a switch, a
 * tenant, or a tenant's ports on a switch.
 *
 * 	flowrec_model.c  what is configured: the structures here
 * 	flowrecs.c       the part of policy.h: what runs follows what is configured; ports get it
 * 	flowrec_export.c IPFIX: records into messages, templates and options in their time
 * 	flowrec_sflow.c  sFlow: samples and counters into datagrams
 * 	collector.c      sockets;  ipfix.c, sflow.c: bytes;  dataplane/flowrec.h: the counting
 *
 * Control thread.
 */
#ifndef VSWITCH_FLOWRECS_H
#define VSWITCH_FLOWRECS_H

#include "dataplane/flowrec.h"
#include "vswitch/collector.h"
#include "vswitch/vs.h"

#define VS_MAX_EXPORTERS  256 /* of IPFIX; as many of sFlow */
#define VS_MAX_COLLECTORS 8   /* of an exporter */

/* Whose ports: at least one of the two is given, and both must fit. */
struct vs_flowrec_where {
	const struct vs_switch *sw;
	const struct vs_tenant *tenant;
};

struct vs_exporter {
	const char *name;
	struct vs_flowrec_where where;
	unsigned n_collectors;
	struct vs_collector_address collectors[VS_MAX_COLLECTORS];
	struct dp_flowrec_opts flows; /* IPFIX */
	uint32_t domain_id;
	uint32_t refresh_ms;  /* templates by UDP */
	uint32_t rate, head;  /* sFlow */
	uint32_t counters_ms; /* 0: none */
	uint8_t agent_family; /* 0: as the first collector sees us */
	uint8_t agent[16];
};

/* What vs_model.policy[VS_POLICY_FLOWREC] is. */
struct vs_flowrec_conf {
	unsigned n_exporters, n_samplers;
	struct vs_exporter *exporters, *samplers;
};

static inline const struct vs_flowrec_conf *vs_flowrec_conf(const struct vs_model *m)
{
	return m->policy[VS_POLICY_FLOWREC];
}

int vs_flowrec_read(struct vs_model *m, void **ret_conf, struct err *err);
void vs_flowrec_forget(void *conf);
const struct vs_exporter *vs_flowrec_exporter(const struct vs_model *m, const char *name);
const struct vs_exporter *vs_flowrec_sampler(const struct vs_model *m, const char *name);
/* Does it see frames of 'p', and then only of which domain (DP_NO_DOMAIN: all)? */
bool vs_flowrec_sees(const struct vs *vs, const struct vs_exporter *e, const struct vs_port *p,
		     uint16_t *ret_domain);

/* ---- What runs ---- */

struct vs_flowrec_counts {
	uint64_t messages, records, bytes;		/* made for collectors */
	uint64_t lost;					/* records that no collector was open for */
	uint64_t flows, flows_max, made;		/* IPFIX: entries */
	uint64_t packets, missed_packets, missed_bytes; /* counted; not */
	uint64_t unknown_drops, memory;
	uint64_t samples, counter_samples, dropped; /* sFlow */
};

/* False: it does not run. */
bool vs_exporter_counts(const struct vs *vs, const char *name, struct vs_flowrec_counts *ret);
bool vs_sampler_counts(const struct vs *vs, const char *name, struct vs_flowrec_counts *ret);
/* Collector i of it; NULL: there is none. */
const struct vs_collector *vs_exporter_collector(const struct vs *vs, const char *name, unsigned i);
const struct vs_collector *vs_sampler_collector(const struct vs *vs, const char *name, unsigned i);
/* Flows of an exporter that are in its tables now; false: it does not run. */
bool vs_exporter_flows(const struct vs *vs, const char *name, dp_flowrec_fn fn, void *arg);

struct vs_daemon;
struct vs_metric_sink;
/* flowrec_show.c */
void vs_flowrec_metrics(const struct vs_daemon *d, struct vs_metric_sink *sink);
void vs_flowrec_doctor(struct vs_daemon *d, json_t *rows);

/* Interface numbers of ports in records, as filter modules have them; 0: none. */
static inline uint32_t vs_flowrec_interface(uint16_t port)
{
	return port != DP_NO_PORT ? port + 1u : 0;
}

#endif
