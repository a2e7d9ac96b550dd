/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Messages about rules: flow mods and the sum of their statistics.
 */
#include "vswitch/agent_priv.h"
#include "vswitch/flows.h"

enum of_error vs_change_flow(const struct vs_request *req, struct rd *rd)
{
	struct of_flow_mod mod;
	enum of_error error = of_flow_mod_decode(rd, &mod);

	if (error != OF_OK)
		return error;
	error = vs_flows_mod(req->agent->flows, &mod);
	of_flow_mod_fini(&mod);
	return error;
}

enum of_error vs_flow_mod_look_at(struct rd *rd)
{
	struct of_flow_mod mod;
	enum of_error error = of_flow_mod_decode(rd, &mod);

	if (error == OF_OK)
		of_flow_mod_fini(&mod);
	return error;
}

struct sum {
	const struct vs_flows *flows;
	struct of_aggregate a;
};

static void sum_one(const struct vs_rule *rule, void *arg)
{
	struct sum *sum = arg;
	struct dp_flow_counts counts;

	vs_rule_counts(sum->flows, rule, &counts);
	sum->a.n_flows++;
	sum->a.n_packets += counts.packets;
	sum->a.n_bytes += counts.bytes;
}

enum of_error vs_mp_aggregate(const struct vs_request *req, struct rd *rd,
			      struct of_mp_reply *reply)
{
	struct sum sum = {.flows = req->agent->flows};
	struct of_flow_filter filter;
	enum of_error error = of_flow_filter_decode(rd, &filter);

	if (error != OF_OK)
		return error;
	if (filter.table >= VS_FLOW_TABLES && filter.table != OF_TABLE_ALL)
		return OFPBRC_BAD_TABLE_ID;
	vs_flows_each(req->agent->flows, &filter, sum_one, &sum);
	of_mp_reply_entry(reply);
	of_aggregate_encode(reply->wr, &sum.a);
	return OF_OK;
}
