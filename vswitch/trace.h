/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What becomes of a frame and why: dataplane/trace.h carries it, the translation says which rules
 * it meets (xlate_trace.h), and here both come together.  cmd_trace.c says it to people.  Control
 * thread.
 */
#ifndef VSWITCH_TRACE_H
#define VSWITCH_TRACE_H

#include "dataplane/trace.h"
#include "vswitch/flows.h"
#include "vswitch/xlate_trace.h"

#include <stdio.h>

#define VS_TRACE_MAX_ACTIONS 1024

struct of_text_ports;
struct wr;

/* A table that was searched. */
struct vs_trace_table {
	uint8_t table;
	const struct vs_rule *rule; /* NULL: none fits; borrowed until the rules change */
	struct dp_key key, wc;	    /* the packet as it was; what was looked at */
	unsigned first_action;	    /* what was executed then, up to the next table's */
	uint64_t cycles;	    /* of the search; 0: not measured */
};

struct vs_trace {
	struct dp_trace dp;
	struct vs_xlate_trace hook;
	struct vs_trace_table tables[VS_FLOW_TABLES];
	unsigned n_tables;
	const struct of_action *actions[VS_TRACE_MAX_ACTIONS];
	unsigned n_actions, set_from; /* those from there on are the action set's */
};

/* Carries 'frame' as if it came in by the dataplane's port 'port', whose switch has 'flows' (NULL:
 * it only learns).  'whole': looks into workers' caches and measures too.  0 or as dp_trace_run();
 * on success the caller frees. */
int vs_trace_run(struct dp *dp, struct vs_flows *flows, uint16_t port, const uint8_t *frame,
		 uint32_t size, bool whole, struct vs_trace **ret_trace);
/* The same by a tunnel port, in an outer packet of this id and these addresses. */
int vs_trace_run_tunnel(struct dp *dp, struct vs_flows *flows, uint16_t port, const uint8_t *frame,
			uint32_t size, const struct dp_tunnel_outer *outer, bool whole,
			struct vs_trace **ret_trace);
/* Takes NULL. */
void vs_trace_free(struct vs_trace *t);

/* The table that decided: the last one, or NULL when no rules did. */
const struct vs_trace_table *vs_trace_decider(const struct vs_trace *t);

/* trace_text.c: parts of it in words.  'ports' names OpenFlow's ports, 'port' the dataplane's. */
struct vs_trace_names {
	const struct of_text_ports *ports;
	const char *(*port)(void *arg, uint16_t id);
	void *arg;
};
/* "in_port=web1,dl_type=0x0800,nw_dst=10.0.0.0/8"; without 'key', which fields: "in_port,nw_dst/8".
 */
void vs_trace_put_key(FILE *f, const struct dp_key *key, const struct dp_key *mask,
		      const struct vs_trace_names *names);
/* "dec_ttl, output:web1" */
void vs_trace_put_steps(FILE *f, const uint8_t *steps, uint16_t size,
			const struct vs_trace_names *names);
/* "02:00:00:00:00:01 > 02:00:00:00:00:02, VLAN 5, IPv4 10.0.0.1 > 10.0.0.2, TCP 1000 > 80" */
void vs_trace_put_frame(FILE *f, const uint8_t *frame, uint32_t size);
/* The name that flows call a field of the key. */
const char *vs_trace_field_name(enum dp_field field);

#endif
