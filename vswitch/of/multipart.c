/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Multipart messages; see multipart.h.
 */
#include "vswitch/of/multipart.h"

#define FLAGS_AT  (OF_HEADER_SIZE + 2)
#define HEAD_SIZE (OF_HEADER_SIZE + 8)

const char *of_mp_name(uint16_t type)
{
	static const char *const names[OF_N_MP_TYPES] = {
		[OFPMP_DESC] = "desc",
		[OFPMP_FLOW] = "flow",
		[OFPMP_AGGREGATE] = "aggregate",
		[OFPMP_TABLE] = "table",
		[OFPMP_PORT_STATS] = "port-stats",
		[OFPMP_QUEUE] = "queue",
		[OFPMP_GROUP] = "group",
		[OFPMP_GROUP_DESC] = "group-desc",
		[OFPMP_GROUP_FEATURES] = "group-features",
		[OFPMP_METER] = "meter",
		[OFPMP_METER_CONFIG] = "meter-config",
		[OFPMP_METER_FEATURES] = "meter-features",
		[OFPMP_TABLE_FEATURES] = "table-features",
		[OFPMP_PORT_DESC] = "port-desc",
	};

	if (type == OFPMP_EXPERIMENTER)
		return "experimenter";
	return type < OF_N_MP_TYPES ? names[type] : NULL;
}

enum of_error of_mp_decode(struct rd *rd, struct of_mp *ret_mp)
{
	struct of_mp mp;

	mp.type = rd_be16(rd);
	mp.flags = rd_be16(rd);
	rd_skip(rd, 4);
	if (!rd_ok(rd))
		return OFPBRC_BAD_LEN;
	if (of_mp_name(mp.type) == NULL)
		return OFPBRC_BAD_MULTIPART;
	*ret_mp = mp;
	return OF_OK;
}

size_t of_mp_begin(struct wr *wr, uint8_t msg_type, uint32_t xid, const struct of_mp *mp)
{
	size_t at = of_msg_begin(wr, msg_type, xid);

	wr_be16(wr, mp->type);
	wr_be16(wr, mp->flags);
	wr_zeros(wr, 4);
	return at;
}

void of_mp_request_encode(struct wr *wr, uint32_t xid, uint16_t type)
{
	const struct of_mp mp = {.type = type};

	of_msg_end(wr, of_mp_begin(wr, OFPT_MULTIPART_REQUEST, xid, &mp));
}

enum of_error of_mp_id_decode(struct rd *rd, uint32_t *ret_id)
{
	uint32_t id = rd_be32(rd);

	rd_skip(rd, 4);
	if (of_msg_empty(rd))
		return OFPBRC_BAD_LEN;
	*ret_id = id;
	return OF_OK;
}

void of_mp_id_encode(struct wr *wr, uint32_t id)
{
	wr_be32(wr, id);
	wr_zeros(wr, 4);
}

void of_mp_reply_begin(struct of_mp_reply *reply, struct wr *wr, uint32_t xid, uint16_t type,
		       size_t max)
{
	*reply = (struct of_mp_reply){.wr = wr,
				      .max = max > OF_MSG_MAX ? OF_MSG_MAX : max,
				      .mp = {.type = type},
				      .xid = xid};
	reply->msg_at = of_mp_begin(wr, OFPT_MULTIPART_REPLY, xid, &reply->mp);
	reply->entry_at = wr->size;
}

/* When the last entry made the message too long, it becomes the first of a new one: a head is put
 * in before it. */
static void split(struct of_mp_reply *reply)
{
	struct wr *wr = reply->wr;
	size_t size = wr->size - reply->entry_at, at = reply->entry_at;

	if (!wr_ok(wr) || wr->size - reply->msg_at <= reply->max)
		return;
	if (at == reply->msg_at + HEAD_SIZE || wr_room(wr, HEAD_SIZE) == NULL) {
		wr->bad = true;
		return;
	}
	memmove(wr->bytes + at + HEAD_SIZE, wr->bytes + at, size);
	memcpy(wr->bytes + at, wr->bytes + reply->msg_at, HEAD_SIZE);
	wr_set_be16(wr, reply->msg_at + 2, (uint16_t)(at - reply->msg_at));
	wr_set_be16(wr, reply->msg_at + FLAGS_AT, OFPMPF_MORE);
	reply->msg_at = at;
	if (wr->size - at > OF_MSG_MAX)
		wr->bad = true;
}

void of_mp_reply_entry(struct of_mp_reply *reply)
{
	split(reply);
	reply->entry_at = reply->wr->size;
}

void of_mp_reply_end(struct of_mp_reply *reply)
{
	split(reply);
	of_msg_end(reply->wr, reply->msg_at);
}

void of_mp_reply_end_more(struct of_mp_reply *reply)
{
	of_mp_reply_end(reply);
	wr_set_be16(reply->wr, reply->msg_at + FLAGS_AT, OFPMPF_MORE);
}

static void string_decode(struct rd *rd, char *to, size_t size)
{
	rd_copy(rd, to, size);
	to[size - 1] = '\0';
}

enum of_error of_desc_decode(struct rd *rd, struct of_desc *ret_desc)
{
	string_decode(rd, ret_desc->manufacturer, sizeof(ret_desc->manufacturer));
	string_decode(rd, ret_desc->hardware, sizeof(ret_desc->hardware));
	string_decode(rd, ret_desc->software, sizeof(ret_desc->software));
	string_decode(rd, ret_desc->serial, sizeof(ret_desc->serial));
	string_decode(rd, ret_desc->datapath, sizeof(ret_desc->datapath));
	return of_msg_empty(rd);
}

void of_desc_encode(struct wr *wr, const struct of_desc *desc)
{
	wr_bytes(wr, desc->manufacturer, sizeof(desc->manufacturer));
	wr_bytes(wr, desc->hardware, sizeof(desc->hardware));
	wr_bytes(wr, desc->software, sizeof(desc->software));
	wr_bytes(wr, desc->serial, sizeof(desc->serial));
	wr_bytes(wr, desc->datapath, sizeof(desc->datapath));
}
