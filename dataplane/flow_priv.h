/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the flow engine's files share: flow.c finds out what is known of a burst's packets and
 * composes what is not; flow_lane.c runs those that are known.  Workers.
 */
#ifndef DATAPLANE_FLOW_PRIV_H
#define DATAPLANE_FLOW_PRIV_H

#include "dataplane/flow.h"

/* flow_lane.c: runs the packets of the burst that have an entry; returns the others: bit i. */
uint32_t dp_flow_run_known(struct dp_run *run);
/* Drops packets of the burst. */
void dp_flow_drop(struct dp_run *run, uint32_t bits, enum dp_drop reason);

static inline struct dp_flow_counter *dp_flow_counter_of(struct dp_flow *flow, uint32_t rule)
{
	struct dp_flow_counter *chunk =
		atomic_load_explicit(&flow->counters[rule / DP_FLOW_COUNTERS_A_CHUNK],
				     memory_order_relaxed);

	return &chunk[rule % DP_FLOW_COUNTERS_A_CHUNK];
}

static inline void dp_flow_credit(struct dp_flow *flow, const uint32_t *rules, uint16_t n_rules,
				  uint64_t packets, uint64_t bytes)
{
	for (uint16_t i = 0; i < n_rules; i++) {
		struct dp_flow_counter *c = dp_flow_counter_of(flow, rules[i]);

		atomic_store_explicit(&c->packets,
				      atomic_load_explicit(&c->packets, memory_order_relaxed) +
					      packets,
				      memory_order_relaxed);
		atomic_store_explicit(&c->bytes,
				      atomic_load_explicit(&c->bytes, memory_order_relaxed) + bytes,
				      memory_order_relaxed);
		atomic_store_explicit(&c->used, flow->tick + 1, memory_order_relaxed);
	}
}

/* Its addresses are not filled in: dp_exec() does without. */
static inline struct dp_edge_frame dp_flow_frame(const struct dp_flow *flow, unsigned i)
{
	return (struct dp_edge_frame){.m = flow->burst.pkts[i], .carried = flow->carried[i]};
}

/* Which frame of the burst runs. */
static inline void dp_flow_running(struct dp_run *run, unsigned i)
{
	const struct dp_flow *flow = run->w->flow;
	const struct dp_mf_burst *b = &flow->burst;

	run->key = b->key[i];
	run->n_ct = 0;
	run->plain = (b->plain >> i & 1) != 0;
	run->resumed = b->context == NULL ? NULL : &flow->resumed[i];
}

/* A fragment that is looked up for the first time: connections may be asked about it. */
static inline bool dp_flow_is_fragment(const struct dp_mf_burst *b, unsigned i)
{
	return (b->plain >> i & 1) == 0 && b->context == NULL &&
	       b->long_key[i].b[dp_fields[DP_FIELD_IP_FRAG].offset] != 0;
}

#endif
