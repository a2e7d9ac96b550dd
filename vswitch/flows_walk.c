/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Rules read in pieces; see flows.h.  A rule that takes another's place stands right behind it, so
 * a walk that has met the one does not meet the other.
 */
#include "vswitch/flows_priv.h"

#include "vswitch/flow_key.h"

#include <errno.h>
#include <stdlib.h>

struct vs_flow_walk {
	struct vs_flow_walk *next;
	struct vs_flows *flows;
	struct of_flow_filter filter;
	struct dp_key key, mask;
	const struct vs_rule *at; /* to be looked at next; NULL: go to 'table' */
	unsigned table;		  /* VS_FLOW_TABLES: over */
};

void vs_rule_lists_enter(struct vs_rule_lists *lists, struct vs_rule *rule, struct vs_rule *old)
{
	struct vs_rule **end = &lists->last[rule->table];

	rule->earlier = old != NULL ? old : *end;
	rule->later = old != NULL ? old->later : NULL;
	if (rule->earlier != NULL)
		rule->earlier->later = rule;
	else
		lists->first[rule->table] = rule;
	if (rule->later != NULL)
		rule->later->earlier = rule;
	else
		*end = rule;
}

/* Nothing of this table is left: the next one. */
static void next_table(struct vs_flow_walk *walk)
{
	walk->table = walk->filter.table == OF_TABLE_ALL ? walk->table + 1 : VS_FLOW_TABLES;
}

static void step(struct vs_flow_walk *walk)
{
	walk->at = walk->at->later;
	if (walk->at == NULL)
		next_table(walk);
}

void vs_rule_lists_leave(struct vs_rule_lists *lists, struct vs_rule *rule)
{
	if (lists->first[rule->table] != rule && rule->earlier == NULL)
		return;
	for (struct vs_flow_walk *walk = lists->walks; walk != NULL; walk = walk->next)
		if (walk->at == rule)
			step(walk);
	if (rule->earlier != NULL)
		rule->earlier->later = rule->later;
	else
		lists->first[rule->table] = rule->later;
	if (rule->later != NULL)
		rule->later->earlier = rule->earlier;
	else
		lists->last[rule->table] = rule->earlier;
}

int vs_flow_walk_create(struct vs_flows *flows, const struct of_flow_filter *filter,
			struct vs_flow_walk **ret_walk)
{
	struct vs_rule_lists *lists = vs_flows_lists(flows);
	struct vs_flow_walk *walk = malloc(sizeof(*walk));

	if (walk == NULL)
		return -ENOMEM;
	walk->flows = flows;
	walk->filter = *filter;
	walk->at = NULL;
	walk->table = filter->table == OF_TABLE_ALL ? 0 : filter->table;
	/* What the key does not have, no rule does. */
	if (vs_flow_key(&filter->match, &walk->key, &walk->mask) != OF_OK)
		walk->table = VS_FLOW_TABLES;
	walk->next = lists->walks;
	lists->walks = walk;
	*ret_walk = walk;
	return 0;
}

void vs_flow_walk_destroy(struct vs_flow_walk *walk)
{
	struct vs_flow_walk **at;

	if (walk == NULL)
		return;
	at = &vs_flows_lists(walk->flows)->walks;
	while (*at != walk)
		at = &(*at)->next;
	*at = walk->next;
	free(walk);
}

const struct vs_rule *vs_flow_walk_next(struct vs_flow_walk *walk, unsigned *looks)
{
	const struct vs_rule_lists *lists = vs_flows_lists(walk->flows);

	while (walk->table<VS_FLOW_TABLES && * looks> 0) {
		const struct vs_rule *rule = walk->at;

		if (rule == NULL) {
			walk->at = lists->first[walk->table];
			if (walk->at == NULL)
				next_table(walk);
			continue;
		}
		--*looks;
		step(walk);
		if (vs_rule_is_named(rule, &walk->filter) &&
		    dp_cls_rule_within(&rule->cr, &walk->key, &walk->mask))
			return rule;
	}
	return NULL;
}

bool vs_flow_walk_over(const struct vs_flow_walk *walk)
{
	return walk->table >= VS_FLOW_TABLES;
}
