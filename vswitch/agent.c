/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See agent.h: which function answers which message, and the messages that are little more than
 * their header.  Control thread.
 */
#include "vswitch/agent_priv.h"
#include "vswitch/agent_group.h"
#include "vswitch/agent_meter.h"
#include "vswitch/flows.h"
#include "vswitch/packet_buffer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#define ANSWER_LIMIT (4u << 20)

int vs_agent_create(struct vs *vs, const char *sw, struct vs_agent **ret_agent)
{
	struct vs_agent *agent = calloc(1, sizeof(*agent));

	if (agent == NULL)
		return -ENOMEM;
	agent->vs = vs;
	snprintf(agent->sw, sizeof(agent->sw), "%s", sw);
	agent->fragments = OFPC_FRAG_NORMAL;
	agent->buffers = vs_packet_buffers_create();
	if (agent->buffers == NULL || vs_agent_tables_create(agent) != 0) {
		vs_packet_buffers_destroy(agent->buffers);
		free(agent);
		return -ENOMEM;
	}
	*ret_agent = agent;
	return 0;
}

void vs_agent_destroy(struct vs_agent *agent)
{
	if (agent == NULL)
		return;
	vs_packet_buffers_destroy(agent->buffers);
	free(agent->ports);
	free(agent->tables);
	free(agent);
}

/* ---- Messages that are little more than a header ---- */

static enum of_error echo(const struct vs_request *req, struct rd *rd, struct wr *wr)
{
	size_t size = rd->left;

	of_echo_encode(wr, OFPT_ECHO_REPLY, req->header.xid, rd_bytes(rd, size), size);
	return OF_OK;
}

/* Nothing to do: answers to questions of ours, which channel.c has seen. */
static enum of_error heard(const struct vs_request *req, struct rd *rd, struct wr *wr)
{
	return OF_OK;
}

static enum of_error features(const struct vs_request *req, struct rd *rd, struct wr *wr)
{
	const struct of_features f = {
		.datapath_id = req->agent->datapath_id,
		.n_buffers = VS_PACKET_BUFFERS,
		.n_tables = VS_FLOW_TABLES,
		.auxiliary_id = req->ch->aux_id,
		.capabilities = OFPC_FLOW_STATS | OFPC_TABLE_STATS | OFPC_PORT_STATS |
				OFPC_GROUP_STATS | OFPC_QUEUE_STATS,
	};

	if (of_msg_empty(rd) != OF_OK)
		return OFPBRC_BAD_LEN;
	of_features_encode(wr, req->header.xid, &f);
	return OF_OK;
}

/* How fragments are treated is the switch's, how much is told of a packet the controller's. */
static enum of_error get_config(const struct vs_request *req, struct rd *rd, struct wr *wr)
{
	const struct of_config config = {.flags = req->agent->fragments,
					 .miss_send_len = vs_channel_main(req->ch)->miss_send_len};

	if (of_msg_empty(rd) != OF_OK)
		return OFPBRC_BAD_LEN;
	of_config_encode(wr, OFPT_GET_CONFIG_REPLY, req->header.xid, &config);
	return OF_OK;
}

/* Reassembly would need memory that strangers fill: not offered, and the features say so. */
static enum of_error set_config(const struct vs_request *req, struct rd *rd, struct wr *wr)
{
	struct of_config config;
	enum of_error error = of_config_decode(rd, &config);

	if (error == OFPBRC_BAD_LEN)
		return OFPSCFC_BAD_LEN;
	if (error != OF_OK)
		return error;
	if ((config.flags & OFPC_FRAG_MASK) == OFPC_FRAG_REASM)
		return OFPSCFC_BAD_FLAGS;
	req->agent->fragments = config.flags & OFPC_FRAG_MASK;
	vs_channel_main(req->ch)->miss_send_len = config.miss_send_len;
	vs_flows_drop_fragments(req->agent->flows,
				(config.flags & OFPC_FRAG_MASK) == OFPC_FRAG_DROP);
	return OF_OK;
}

/* Whatever was asked before it is done: messages are answered in their order, and packets follow
 * the rules now. */
static enum of_error barrier(const struct vs_request *req, struct rd *rd, struct wr *wr)
{
	if (of_msg_empty(rd) != OF_OK)
		return OFPBRC_BAD_LEN;
	if (req->agent->unseen)
		vs_flows_barrier(req->agent->flows);
	req->agent->unseen = false;
	of_msg_encode(wr, OFPT_BARRIER_REPLY, req->header.xid);
	return OF_OK;
}

/* ---- Changes ---- */

vs_change_fn vs_agent_change(uint8_t type)
{
	static const vs_change_fn changes[OF_N_MSG_TYPES] = {
		[OFPT_FLOW_MOD] = vs_change_flow,
		[OFPT_GROUP_MOD] = vs_change_group,
		[OFPT_METER_MOD] = vs_change_meter,
	};

	return type < OF_N_MSG_TYPES ? changes[type] : NULL;
}

/* A message that is a transaction of its own.  That costs a store; what costs is to wait until
 * workers have seen it, and that only barriers do. */
static enum of_error change(const struct vs_request *req, struct rd *rd, struct wr *wr)
{
	struct vs_flows *flows = req->agent->flows;
	enum of_error error;

	vs_flows_begin(flows);
	error = vs_agent_change(req->header.type)(req, rd);
	if (error == OF_OK)
		vs_flows_commit(flows);
	else
		vs_flows_abort(flows);
	return error;
}

/* ---- Dispatch ---- */

/* Who only looks on (a slave) may not send what 'changes' something (6.3.4). */
static const struct {
	vs_request_fn fn;
	bool changes;
} handlers[OF_N_MSG_TYPES] = {
	[OFPT_HELLO] = {heard, false},
	[OFPT_ERROR] = {heard, false},
	[OFPT_ECHO_REQUEST] = {echo, false},
	[OFPT_ECHO_REPLY] = {heard, false},
	[OFPT_FEATURES_REQUEST] = {features, false},
	[OFPT_GET_CONFIG_REQUEST] = {get_config, false},
	[OFPT_SET_CONFIG] = {set_config, true},
	[OFPT_EXPERIMENTER] = {vs_agent_experimenter, false},
	[OFPT_PACKET_OUT] = {vs_agent_packet_out, true},
	[OFPT_FLOW_MOD] = {vs_agent_flow_mod, true},
	[OFPT_GROUP_MOD] = {change, true},
	[OFPT_METER_MOD] = {change, true},
	[OFPT_PORT_MOD] = {vs_agent_port_mod, true},
	[OFPT_TABLE_MOD] = {vs_agent_table_mod, true},
	[OFPT_QUEUE_GET_CONFIG_REQUEST] = {vs_agent_queue_config, false},
	[OFPT_ROLE_REQUEST] = {vs_agent_role, false},
	[OFPT_GET_ASYNC_REQUEST] = {vs_agent_get_async, false},
	[OFPT_SET_ASYNC] = {vs_agent_set_async, false},
	[OFPT_MULTIPART_REQUEST] = {vs_agent_multipart, false},
	[OFPT_BARRIER_REQUEST] = {barrier, false},
};

static enum of_error answer(const struct vs_request *req, struct wr *wr)
{
	struct rd rd = rd_init(req->msg, req->header.size);
	uint8_t type = req->header.type;

	rd_skip(&rd, OF_HEADER_SIZE);
	if (req->header.version != OF_VERSION_13)
		return OFPBRC_BAD_VERSION;
	if (type >= OF_N_MSG_TYPES || handlers[type].fn == NULL)
		return OFPBRC_BAD_TYPE;
	if (handlers[type].changes && vs_channel_main(req->ch)->role == OFPCR_ROLE_SLAVE)
		return OFPBRC_IS_SLAVE;
	/* Also what fails may have changed something on its way. */
	req->agent->unseen |= handlers[type].changes;
	return handlers[type].fn(req, &rd, wr);
}

void vs_agent_message(struct vs_agent *agent, struct vs_channel *ch, const struct of_header *header,
		      const uint8_t *msg)
{
	const struct vs_request req = {.agent = agent, .ch = ch, .header = *header, .msg = msg};
	struct wr wr = wr_init(ANSWER_LIMIT);
	enum of_error error = answer(&req, &wr);

	if (error == OF_OK && !wr_ok(&wr))
		error = OF_ERROR_NO_MEMORY;
	if (error != OF_OK) {
		wr_fini(&wr);
		wr = wr_init(ANSWER_LIMIT);
		of_error_reply(&wr, error, msg, header->size);
	}
	if (wr_ok(&wr) && wr.size != 0)
		vs_channel_send(ch, wr.bytes, wr.size, false);
	wr_fini(&wr);
}

void vs_agent_channel_gone(struct vs_agent *agent, struct vs_channel *ch)
{
	vs_reply_drop(ch);
	vs_parts_drop(ch);
	vs_bundles_drop(ch);
	vs_agent_wishes_changed(agent);
}
