/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Messages that set a packet on its way: packet-outs, and flow mods that name a buffer (OpenFlow
 * 1.3.5, 6.1.2, 7.3.7).  A packet leaves its buffer only when nothing is wrong with the message, so
 * that a controller may ask again.
 */
#include "ctl/base/clock.h"
#include "vswitch/agent_priv.h"
#include "vswitch/flows.h"
#include "vswitch/of/packet.h"
#include "vswitch/packet_buffer.h"

static uint64_t now_ms(void)
{
	return clock_mono_ns() / 1000000;
}

/* What was found in a buffer has gone. */
static void used(struct vs_agent *agent, uint32_t id)
{
	struct vs_packet packet;

	if (vs_packet_buffers_take(agent->buffers, id, now_ms(), &packet) == OF_OK)
		vs_packet_fini(&packet);
}

static enum of_error send_buffered(struct vs_agent *agent, uint32_t id, uint32_t in_port,
				   const struct of_actions *actions)
{
	struct vs_packet packet;
	enum of_error error = vs_packet_buffers_look(agent->buffers, id, now_ms(), &packet);

	if (error == OF_OK)
		error = vs_flows_packet_out(agent->flows, in_port, actions, packet.data,
					    packet.size);
	if (error == OF_OK)
		used(agent, id);
	return error;
}

enum of_error vs_agent_packet_out(const struct vs_request *req, struct rd *rd, struct wr *wr)
{
	struct of_packet_out out;
	enum of_error error = of_packet_out_decode(rd, &out);

	if (error != OF_OK)
		return error;
	if (out.buffer_id != OF_NO_BUFFER)
		error = send_buffered(req->agent, out.buffer_id, out.in_port, &out.actions);
	else
		error = vs_flows_packet_out(req->agent->flows, out.in_port, &out.actions, out.data,
					    out.data_size);
	of_actions_fini(&out.actions);
	return error;
}

/* From the first table on, by rules that are in already; lost when its port is gone. */
static void go_on(struct vs_agent *agent, uint32_t id, uint32_t in_port)
{
	struct of_action table = {.type = OF_ACT_OUTPUT, .output = {.port = OFPP_TABLE}};
	const struct of_actions actions = {.v = &table, .n = 1};

	(void)send_buffered(agent, id, in_port, &actions);
	used(agent, id);
}

static enum of_error mod_alone(struct vs_flows *flows, const struct of_flow_mod *mod)
{
	enum of_error error;

	vs_flows_begin(flows);
	error = vs_flows_mod(flows, mod);
	if (error == OF_OK)
		vs_flows_commit(flows);
	else
		vs_flows_abort(flows);
	return error;
}

enum of_error vs_agent_flow_mod(const struct vs_request *req, struct rd *rd, struct wr *wr)
{
	struct vs_agent *agent = req->agent;
	struct vs_packet packet;
	struct of_flow_mod mod;
	enum of_error error = of_flow_mod_decode(rd, &mod);
	bool buffered;

	if (error != OF_OK)
		return error;
	/* Which buffer a delete names means nothing (7.3.4.1). */
	buffered = mod.buffer_id != OF_NO_BUFFER && mod.command < OFPFC_DELETE;
	if (buffered)
		error = vs_packet_buffers_look(agent->buffers, mod.buffer_id, now_ms(), &packet);
	if (error == OF_OK)
		error = mod_alone(agent->flows, &mod);
	if (error == OF_OK && buffered)
		go_on(agent, mod.buffer_id, packet.in_port);
	of_flow_mod_fini(&mod);
	return error;
}
