/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Multipart requests (OpenFlow 1.3.5, 7.3.5): which function answers which type.  A request that
 * comes in parts is put together first: one at a time for a connection, of bounded size.
 */
#include "vswitch/agent_priv.h"
#include "vswitch/agent_group.h"
#include "vswitch/agent_meter.h"

#include <stdio.h>
#include <stdlib.h>

/* All 254 tables with all that tables have. */
#define PARTS_LIMIT (2u << 20)

/* A request of which more is to come. */
struct vs_parts {
	uint32_t xid;
	uint16_t type;
	struct wr body;
};

void vs_parts_drop(struct vs_channel *ch)
{
	if (ch->parts == NULL)
		return;
	wr_fini(&ch->parts->body);
	free(ch->parts);
	ch->parts = NULL;
}

static enum of_error desc(const struct vs_request *req, struct rd *rd, struct of_mp_reply *reply)
{
	struct of_desc d = {.manufacturer = "vswitch",
			    .hardware = "DPDK",
			    .software = "vswitch " VSWITCH_VERSION,
			    .serial = "None"};

	if (of_msg_empty(rd) != OF_OK)
		return OFPBRC_BAD_LEN;
	snprintf(d.datapath, sizeof(d.datapath), "%s", req->agent->sw);
	of_mp_reply_entry(reply);
	of_desc_encode(reply->wr, &d);
	return OF_OK;
}

static const vs_multipart_fn answers[OF_N_MP_TYPES] = {
	[OFPMP_DESC] = desc,
	[OFPMP_AGGREGATE] = vs_mp_aggregate,
	[OFPMP_TABLE] = vs_mp_table,
	[OFPMP_TABLE_FEATURES] = vs_mp_table_features,
	[OFPMP_QUEUE] = vs_mp_queue,
	[OFPMP_PORT_STATS] = vs_mp_port_stats,
	[OFPMP_GROUP] = vs_mp_group,
	[OFPMP_GROUP_DESC] = vs_mp_group_desc,
	[OFPMP_GROUP_FEATURES] = vs_mp_group_features,
	[OFPMP_METER] = vs_mp_meter,
	[OFPMP_METER_CONFIG] = vs_mp_meter_config,
	[OFPMP_METER_FEATURES] = vs_mp_meter_features,
	[OFPMP_PORT_DESC] = vs_mp_port_desc,
};

static enum of_error answer(const struct vs_request *req, const struct of_mp *mp, struct rd *rd,
			    struct wr *wr)
{
	struct of_mp_reply reply;
	enum of_error error;

	if (mp->type == OFPMP_FLOW)
		return vs_mp_flow(req, rd, wr);
	if (mp->type == OFPMP_EXPERIMENTER)
		return OFPBRC_BAD_EXPERIMENTER;
	if (answers[mp->type] == NULL)
		return OFPBRC_BAD_MULTIPART;
	of_mp_reply_begin(&reply, wr, req->header.xid, mp->type, OF_MSG_MAX);
	error = answers[mp->type](req, rd, &reply);
	if (error == OF_OK)
		of_mp_reply_end(&reply);
	return error;
}

/* ---- Requests in parts ---- */

static bool goes_on(const struct vs_channel *ch, uint32_t xid, uint16_t type)
{
	return ch->parts != NULL && ch->parts->xid == xid && ch->parts->type == type;
}

static enum of_error keep_part(struct vs_channel *ch, uint32_t xid, uint16_t type, struct rd *rd)
{
	size_t size = rd->left;

	if (ch->parts != NULL && !goes_on(ch, xid, type))
		return OFPBRC_MULTIPART_BUFFER_OVERFLOW;
	if (ch->parts == NULL) {
		ch->parts = calloc(1, sizeof(*ch->parts));
		if (ch->parts == NULL)
			return OF_ERROR_NO_MEMORY;
		*ch->parts = (struct vs_parts){xid, type, wr_init(PARTS_LIMIT)};
	}
	wr_bytes(&ch->parts->body, rd_bytes(rd, size), size);
	if (wr_ok(&ch->parts->body))
		return OF_OK;
	vs_parts_drop(ch);
	return OFPBRC_MULTIPART_BUFFER_OVERFLOW;
}

enum of_error vs_agent_multipart(const struct vs_request *req, struct rd *rd, struct wr *wr)
{
	struct vs_channel *ch = req->ch;
	uint32_t xid = req->header.xid;
	enum of_error error;
	struct of_mp mp;

	error = of_mp_decode(rd, &mp);
	if (error != OF_OK)
		return error;
	if ((mp.flags & OFPMPF_MORE) == 0 && !goes_on(ch, xid, mp.type))
		return answer(req, &mp, rd, wr);
	error = keep_part(ch, xid, mp.type, rd);
	if (error == OF_OK && (mp.flags & OFPMPF_MORE) == 0) {
		struct rd body = rd_init(ch->parts->body.bytes, ch->parts->body.size);

		error = answer(req, &mp, &body, wr);
		vs_parts_drop(ch);
	}
	return error;
}
