/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Inside the rules of a switch; see flows.h.
 *
 * 	flows.c         tables, ports, transactions, timeouts
 * 	flows_mod.c     rules come and go
 * 	flows_walk.c    rules by age: a list for each table, so that who reads them all can stop and
 * 			go on
 * 	flows_group.c   what groups and meters change with them
 * 	flows_shadow.c  rules that no packet can come to
 */
#ifndef VSWITCH_FLOWS_PRIV_H
#define VSWITCH_FLOWS_PRIV_H

#include "vswitch/flows.h"
#include "vswitch/model.h"

#define VS_FLOWS_TICK_MS 250u /* timeouts are in seconds: near enough */

struct vs_rule_lists {
	struct vs_rule *first[VS_FLOW_TABLES], *last[VS_FLOW_TABLES];
	struct vs_flow_walk *walks; /* under way */
};

struct vs_flows {
	struct dp *dp;
	struct dp_pipeline *pipeline;
	struct dp_cls *tables[VS_FLOW_TABLES];
	_Atomic uint8_t port_asks[VS_MAX_OF_PORT + 1];
	/* By OpenFlow number; one more than the id.  0 is no port's: that is LOCAL. */
	_Atomic uint16_t port_ids[VS_MAX_OF_PORT + 1];
	_Atomic bool port_dead[VS_MAX_OF_PORT + 1];
	struct vs_groups *groups;
	struct vs_rule *users; /* rules that use groups or meters */
	struct vs_meters *meters;
	uint64_t secret;
	vs_flow_removed_fn removed;
	void *arg;
	struct vs_rule_lists lists;
	uint32_t miss_counters[VS_FLOW_TABLES];
	uint64_t matches[VS_FLOW_TABLES]; /* of rules that are gone */
	_Atomic bool drop_fragments;	  /* workers look */
	_Atomic bool has_acls;		  /* the same */
	unsigned n_rules;
	unsigned n_in[VS_FLOW_TABLES]; /* of n_rules, those of a table */
	struct vs_wheel wheel;	       /* of rules with timeouts, in ticks of VS_FLOWS_TICK_MS */
	uint64_t next_version;	       /* of the transaction that is open */
	struct vs_rule *came, *left;   /* by the transaction */
	struct vs_rule *gone;	       /* retired by those before it, not yet freed */
	/* Memory of classifiers that readers may still look at. */
	struct garbage *garbage;
};

/* flows_walk.c.  'old' (or NULL): the rule that this one takes the place of. */
void vs_rule_lists_enter(struct vs_rule_lists *lists, struct vs_rule *rule, struct vs_rule *old);
/* Walks that stood at it go on with the next.  One that is in no list is left alone. */
void vs_rule_lists_leave(struct vs_rule_lists *lists, struct vs_rule *rule);

/* flows.c */
struct vs_rule_lists *vs_flows_lists(struct vs_flows *flows);

/* flows_mod.c.  The open transaction has it. */
static inline bool vs_rule_is_current(const struct vs_rule *rule)
{
	return atomic_load_explicit(&rule->cr.to, memory_order_relaxed) == DP_CLS_FOREVER;
}
/* When to look at its timeouts; 'used_ms': of its last packet. */
void vs_rule_timer_start(struct vs_flows *flows, struct vs_rule *rule, uint64_t used_ms);
/* Out of its table, and no worker can look at it. */
void vs_rule_free(struct vs_flows *flows, struct vs_rule *rule);
/* It is current, and the filter's cookie and outputs are its own; not the match. */
bool vs_rule_is_named(const struct vs_rule *rule, const struct of_flow_filter *filter);

#endif
