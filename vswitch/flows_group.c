/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See flows.h: groups (groups.h) in the transactions of rules.  Control thread.
 */
#include "vswitch/flows_parts.h"
#include "vswitch/groups.h"

static bool actions_use_group(const struct of_actions *actions, uint32_t id)
{
	for (size_t i = 0; i < actions->n; i++)
		if (actions->v[i].type == OF_ACT_GROUP &&
		    (id == OF_GROUP_ALL || actions->v[i].group == id))
			return true;
	return false;
}

bool vs_instrs_use_group(const struct of_instrs *instrs, uint32_t id)
{
	return actions_use_group(&instrs->apply, id) || actions_use_group(&instrs->write, id);
}

static bool uses(const struct vs_rule *rule, const void *arg)
{
	const uint32_t *id = arg;

	return rule->uses_groups && vs_instrs_use_group(&rule->instrs, *id);
}

enum of_error vs_flows_group_mod(struct vs_flows *flows, const struct of_group_mod *mod)
{
	enum of_error error =
		vs_groups_mod(vs_flows_groups(flows), mod, vs_flows_open_version(flows),
			      dp_flow_now_ms(vs_flows_dp(flows)));

	if (error == OF_OK && mod->command == OFPGC_DELETE)
		vs_flows_retire_if(flows, uses, &mod->group.id, OFPRR_GROUP_DELETE);
	return error;
}

/* ---- Who leads to a group ---- */

static void count_actions(struct vs_groups *groups, const struct of_actions *actions)
{
	for (size_t i = 0; i < actions->n; i++) {
		struct vs_group *group = NULL;

		if (actions->v[i].type == OF_ACT_GROUP)
			group = vs_groups_now(groups, actions->v[i].group);
		if (group != NULL)
			group->n_refs++;
	}
}

static void count_rule(const struct vs_rule *rule, void *arg)
{
	if (!rule->uses_groups)
		return;
	count_actions(arg, &rule->instrs.apply);
	count_actions(arg, &rule->instrs.write);
}

static void forget(struct vs_group *group, void *arg)
{
	group->n_refs = 0;
}

static void count_buckets(struct vs_group *group, void *arg)
{
	for (size_t i = 0; i < group->of.n_buckets; i++)
		count_actions(arg, &group->of.buckets[i].actions);
}

void vs_flows_count_refs(struct vs_flows *flows)
{
	struct vs_groups *groups = vs_flows_groups(flows);
	const struct of_flow_filter all = {.table = OF_TABLE_ALL,
					   .out_port = OFPP_ANY,
					   .out_group = OF_GROUP_ANY};

	(void)vs_groups_each(groups, forget, NULL);
	(void)vs_groups_each(groups, count_buckets, groups);
	vs_flows_each(flows, &all, count_rule, groups);
}

uint64_t vs_group_counts(const struct vs_flows *flows, const struct vs_group *group,
			 struct dp_flow_counts *ret_counts, struct of_bucket_counter *ret_buckets)
{
	struct dp *dp = vs_flows_dp(flows);

	dp_flow_counter_read(dp, group->counter, ret_counts);
	for (size_t i = 0; ret_buckets != NULL && i < group->of.n_buckets; i++) {
		struct dp_flow_counts counts;

		dp_flow_counter_read(dp, group->buckets[i].counter, &counts);
		ret_buckets[i] = (struct of_bucket_counter){counts.packets, counts.bytes};
	}
	return dp_flow_now_ms(dp) - group->created_ms;
}
