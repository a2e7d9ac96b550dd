/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See flows.h: groups (groups.h) and meters (meters.h) in the transactions of rules.  Control
 * thread.
 */
#include "vswitch/flows_parts.h"
#include "vswitch/groups.h"
#include "vswitch/meters.h"

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

/* Rules that go with what they use. */
struct users {
	struct vs_flows *flows;
	uint32_t id;
};

static void group_gone(struct vs_rule *rule, void *arg)
{
	const struct users *u = arg;

	if (rule->uses_groups && vs_instrs_use_group(&rule->instrs, u->id))
		vs_flows_retire(u->flows, rule, OFPRR_GROUP_DELETE);
}

enum of_error vs_flows_group_mod(struct vs_flows *flows, const struct of_group_mod *mod)
{
	struct users users = {.flows = flows, .id = mod->group.id};
	enum of_error error =
		vs_groups_mod(vs_flows_groups(flows), mod, vs_flows_open_version(flows),
			      dp_flow_now_ms(vs_flows_dp(flows)));

	if (error == OF_OK && mod->command == OFPGC_DELETE)
		vs_flows_each_user(flows, group_gone, &users);
	return error;
}

static void meter_gone(struct vs_rule *rule, void *arg)
{
	const struct users *u = arg;

	if (of_instrs_has(&rule->instrs, OFPIT_METER) &&
	    (u->id == OF_METER_ALL || rule->instrs.meter == u->id))
		vs_flows_retire(u->flows, rule, OFPRR_DELETE);
}

enum of_error vs_flows_meter_mod(struct vs_flows *flows, const struct of_meter_mod *mod)
{
	struct users users = {.flows = flows, .id = mod->meter.id};
	enum of_error error =
		vs_meters_mod(vs_flows_meters(flows), mod, dp_flow_now_ms(vs_flows_dp(flows)));

	if (error == OF_OK && mod->command == OFPMC_DELETE)
		vs_flows_each_user(flows, meter_gone, &users);
	return error;
}

/* ---- Who leads to a group or meter ---- */

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

static void count_rule(struct vs_rule *rule, void *arg)
{
	struct vs_flows *flows = arg;
	struct vs_meter *meter = NULL;

	if (of_instrs_has(&rule->instrs, OFPIT_METER))
		meter = vs_meters_find(vs_flows_meters(flows), rule->instrs.meter);
	if (meter != NULL)
		meter->n_flows++;
	if (!rule->uses_groups)
		return;
	count_actions(vs_flows_groups(flows), &rule->instrs.apply);
	count_actions(vs_flows_groups(flows), &rule->instrs.write);
}

static void forget(struct vs_group *group, void *arg)
{
	group->n_refs = 0;
}

static void forget_meter(struct vs_meter *meter, void *arg)
{
	meter->n_flows = 0;
}

static void count_buckets(struct vs_group *group, void *arg)
{
	for (size_t i = 0; i < group->of.n_buckets; i++)
		count_actions(arg, &group->of.buckets[i].actions);
}

void vs_flows_count_refs(struct vs_flows *flows)
{
	struct vs_groups *groups = vs_flows_groups(flows);

	(void)vs_groups_each(groups, forget, NULL);
	(void)vs_groups_each(groups, count_buckets, groups);
	(void)vs_meters_each(vs_flows_meters(flows), forget_meter, NULL);
	vs_flows_each_user(flows, count_rule, flows);
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

uint64_t vs_meter_counts(const struct vs_flows *flows, const struct vs_meter *meter,
			 struct dp_flow_counts *ret_counts, struct of_band_counter *ret_bands)
{
	struct dp *dp = vs_flows_dp(flows);

	dp_flow_counter_read(dp, meter->counter, ret_counts);
	for (size_t i = 0; ret_bands != NULL && i < meter->of.n_bands; i++) {
		struct dp_flow_counts counts;

		dp_flow_counter_read(dp, meter->band_counters[i], &counts);
		ret_bands[i] = (struct of_band_counter){counts.packets, counts.bytes};
	}
	return dp_flow_now_ms(dp) - meter->created_ms;
}
