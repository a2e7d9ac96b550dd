/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Rules by age: a list for each table, so that who reads them all can stop and go on.
 */
#ifndef VSWITCH_FLOWS_PRIV_H
#define VSWITCH_FLOWS_PRIV_H

#include "vswitch/flows.h"

struct vs_rule_lists {
	struct vs_rule *first[VS_FLOW_TABLES], *last[VS_FLOW_TABLES];
	struct vs_flow_walk *walks; /* under way */
};

/* flows_walk.c.  'old' (or NULL): the rule that this one takes the place of. */
void vs_rule_lists_enter(struct vs_rule_lists *lists, struct vs_rule *rule, struct vs_rule *old);
/* Walks that stood at it go on with the next.  One that is in no list is left alone. */
void vs_rule_lists_leave(struct vs_rule_lists *lists, struct vs_rule *rule);

/* flows.c */
struct vs_rule_lists *vs_flows_lists(struct vs_flows *flows);
/* It is current, and the filter's cookie and outputs are its own; not the match. */
bool vs_rule_is_named(const struct vs_rule *rule, const struct of_flow_filter *filter);

#endif
