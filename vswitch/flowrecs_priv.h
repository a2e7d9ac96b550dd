/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Inside flow records that run; see flowrecs.h.
 */
#ifndef VSWITCH_FLOWRECS_PRIV_H
#define VSWITCH_FLOWRECS_PRIV_H

#include "vswitch/flowrecs.h"
#include "vswitch/ipfix.h"
#include "vswitch/sflow.h"

struct exporter;

/* A collector of one exporter. */
struct session {
	struct exporter *owner;
	struct vs_collector *collector;
	uint32_t sequence; /* data records of this session */
	bool greet;	   /* it knows no template yet */
	bool well;	   /* as events told last ... */
	uint64_t told_ns;  /* ... then */
};

/* An exporter of IPFIX or, with 'sampler', of sFlow. */
struct exporter {
	struct exporter *next;
	struct vs *vs;
	char name[64];
	unsigned n_sessions;
	struct session *sessions[VS_MAX_COLLECTORS];
	uint64_t created_ns;
	struct vs_flowrec_counts counts; /* of messages */
	/* IPFIX */
	struct dp_flowrec_set *set;
	struct dp_flowrec_set *next_set; /* of another size, until the change is settled */
	struct ipfix_message message;
	uint32_t domain_id, sample, since_refresh;
	uint64_t refresh_ns, refreshed_ns;
	/* sFlow */
	struct dp_sampler *sampler;
	struct sflow_datagram datagram;
	struct sflow_agent agent;
	bool agent_given, datagram_open;
	uint32_t rate, sequence;
	uint64_t counters_ns, counted_ns;
	unsigned at_port;    /* whose counters are next; n_ports: none now */
	uint32_t *sequences; /* [2 * DP_MAX_PORTS]: of flow samples, of counter samples */
	uint64_t *pool_base; /* [DP_MAX_PORTS]: received when it began; ~0: not yet */
};

struct live {
	struct vs *vs;
	struct exporter *exporters, *samplers;
};

static inline struct live *flowrec_live(const struct vs *vs)
{
	return vs->policy[VS_POLICY_FLOWREC];
}

/* Sends a message to every session that is open; returns to how many. */
unsigned flowrec_send(struct exporter *x, const void *bytes, size_t size);

/* flowrec_export.c: an exporter's tables are read, records sent; what is due besides. */
void flowrec_export_tick(struct exporter *x);
/* All that is left, when it ends. */
void flowrec_export_rest(struct exporter *x);

/* flowrec_sflow.c */
void flowrec_sflow_tick(struct exporter *x);

#endif
