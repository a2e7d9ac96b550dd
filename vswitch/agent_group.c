/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See agent_group.h.
 */
#include "vswitch/agent_group.h"

#include "ctl/base/wire.h"
#include "vswitch/flows.h"
#include "vswitch/groups.h"
#include "vswitch/of/header.h"

enum of_error vs_change_group(const struct vs_request *req, struct rd *rd)
{
	struct of_group_mod mod;
	enum of_error error = of_group_mod_decode(rd, &mod);

	if (error != OF_OK)
		return error;
	error = vs_flows_group_mod(req->agent->flows, &mod);
	of_group_fini(&mod.group);
	return error;
}

struct answer {
	const struct vs_flows *flows;
	struct of_mp_reply *reply;
	uint32_t id; /* of those asked for; OF_GROUP_ALL */
};

static void write_stats(struct vs_group *group, void *arg)
{
	static struct of_bucket_counter buckets[VS_MAX_BUCKETS]; /* one thread */
	const struct answer *a = arg;
	struct of_group_stats stats = {.id = group->of.id, .n_references = group->n_refs};
	struct dp_flow_counts counts;
	uint64_t age_ms;

	if (a->id != OF_GROUP_ALL && a->id != group->of.id)
		return;
	age_ms = vs_group_counts(a->flows, group, &counts, buckets);
	stats.n_packets = counts.packets;
	stats.n_bytes = counts.bytes;
	stats.duration_s = (uint32_t)(age_ms / 1000);
	stats.duration_ns = (uint32_t)(age_ms % 1000 * 1000000);
	stats.buckets = buckets;
	stats.n_buckets = group->of.n_buckets;
	of_mp_reply_entry(a->reply);
	of_group_stats_encode(a->reply->wr, &stats);
}

/* A group that is not there has no entry in the reply. */
enum of_error vs_mp_group(const struct vs_request *req, struct rd *rd, struct of_mp_reply *reply)
{
	struct answer answer = {.flows = req->agent->flows, .reply = reply};
	enum of_error error = of_mp_id_decode(rd, &answer.id);

	if (error != OF_OK)
		return error;
	if (answer.id > OF_GROUP_MAX && answer.id != OF_GROUP_ALL)
		return OFPGMFC_INVALID_GROUP;
	vs_flows_count_refs(req->agent->flows);
	return vs_groups_each(vs_flows_groups(answer.flows), write_stats, &answer)
		       ? OF_OK
		       : OF_ERROR_NO_MEMORY;
}

static void write_desc(struct vs_group *group, void *arg)
{
	struct of_mp_reply *reply = arg;

	of_mp_reply_entry(reply);
	of_group_desc_encode(reply->wr, &group->of);
}

enum of_error vs_mp_group_desc(const struct vs_request *req, struct rd *rd,
			       struct of_mp_reply *reply)
{
	enum of_error error = of_msg_empty(rd);

	if (error != OF_OK)
		return error;
	return vs_groups_each(vs_flows_groups(req->agent->flows), write_desc, reply)
		       ? OF_OK
		       : OF_ERROR_NO_MEMORY;
}

enum of_error vs_mp_group_features(const struct vs_request *req, struct rd *rd,
				   struct of_mp_reply *reply)
{
	struct of_group_features features = {
		.types = (1u << OF_N_GROUP_TYPES) - 1,
		.capabilities = OFPGFC_SELECT_WEIGHT | OFPGFC_SELECT_LIVENESS | OFPGFC_CHAINING |
				OFPGFC_CHAINING_CHECKS,
	};
	enum of_error error = of_msg_empty(rd);

	for (unsigned i = 0; i < OF_N_GROUP_TYPES; i++) {
		features.max_groups[i] = VS_MAX_GROUPS;
		features.actions[i] = vs_xlate_known_actions();
	}
	if (error != OF_OK)
		return error;
	of_mp_reply_entry(reply);
	of_group_features_encode(reply->wr, &features);
	return OF_OK;
}
