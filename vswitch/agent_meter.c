/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See agent_meter.h.
 */
#include "vswitch/agent_meter.h"

#include "ctl/base/wire.h"
#include "vswitch/flows.h"
#include "vswitch/meters.h"
#include "vswitch/of/header.h"

enum of_error vs_change_meter(const struct vs_request *req, struct rd *rd)
{
	struct of_meter_mod mod;
	enum of_error error = of_meter_mod_decode(rd, &mod);

	if (error != OF_OK)
		return error;
	error = vs_flows_meter_mod(req->agent->flows, &mod);
	of_meter_fini(&mod.meter);
	return error;
}

struct answer {
	const struct vs_flows *flows;
	struct of_mp_reply *reply;
	uint32_t id; /* of those asked for; OF_METER_ALL */
};

static enum of_error asked_for(const struct vs_request *req, struct rd *rd,
			       struct of_mp_reply *reply, struct answer *answer)
{
	enum of_error error = of_mp_id_decode(rd, &answer->id);

	answer->flows = req->agent->flows;
	answer->reply = reply;
	if (error != OF_OK)
		return error;
	if (answer->id != OF_METER_ALL &&
	    vs_meters_find(vs_flows_meters(answer->flows), answer->id) == NULL)
		return OFPMMFC_UNKNOWN_METER;
	return OF_OK;
}

static void write_stats(struct vs_meter *meter, void *arg)
{
	struct of_band_counter bands[DP_METER_BANDS];
	const struct answer *a = arg;
	struct of_meter_stats stats = {.id = meter->of.id, .n_flows = meter->n_flows};
	struct dp_flow_counts counts;
	uint64_t age_ms;

	if (a->id != OF_METER_ALL && a->id != meter->of.id)
		return;
	age_ms = vs_meter_counts(a->flows, meter, &counts, bands);
	stats.n_packets = counts.packets;
	stats.n_bytes = counts.bytes;
	stats.duration_s = (uint32_t)(age_ms / 1000);
	stats.duration_ns = (uint32_t)(age_ms % 1000 * 1000000);
	stats.bands = bands;
	stats.n_bands = meter->of.n_bands;
	of_mp_reply_entry(a->reply);
	of_meter_stats_encode(a->reply->wr, &stats);
}

enum of_error vs_mp_meter(const struct vs_request *req, struct rd *rd, struct of_mp_reply *reply)
{
	struct answer answer;
	enum of_error error = asked_for(req, rd, reply, &answer);

	if (error != OF_OK)
		return error;
	vs_flows_count_refs(req->agent->flows);
	return vs_meters_each(vs_flows_meters(answer.flows), write_stats, &answer)
		       ? OF_OK
		       : OF_ERROR_NO_MEMORY;
}

static void write_config(struct vs_meter *meter, void *arg)
{
	const struct answer *a = arg;

	if (a->id != OF_METER_ALL && a->id != meter->of.id)
		return;
	of_mp_reply_entry(a->reply);
	of_meter_config_encode(a->reply->wr, &meter->of);
}

enum of_error vs_mp_meter_config(const struct vs_request *req, struct rd *rd,
				 struct of_mp_reply *reply)
{
	struct answer answer;
	enum of_error error = asked_for(req, rd, reply, &answer);

	if (error != OF_OK)
		return error;
	return vs_meters_each(vs_flows_meters(answer.flows), write_config, &answer)
		       ? OF_OK
		       : OF_ERROR_NO_MEMORY;
}

enum of_error vs_mp_meter_features(const struct vs_request *req, struct rd *rd,
				   struct of_mp_reply *reply)
{
	const struct of_meter_features features = {
		.max_meters = VS_MAX_METERS,
		.band_types = 1u << OFPMBT_DROP | 1u << OFPMBT_DSCP_REMARK,
		.capabilities = OFPMF_ALL,
		.max_bands = DP_METER_BANDS,
		.max_color = 0,
	};
	enum of_error error = of_msg_empty(rd);

	if (error != OF_OK)
		return error;
	of_mp_reply_entry(reply);
	of_meter_features_encode(reply->wr, &features);
	return OF_OK;
}
