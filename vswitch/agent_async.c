/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What controllers are told unasked: packets, flows that went, ports that changed (OpenFlow 1.3.5,
 * 6.3.5, 7.4).  A message is written once, when the first connection wants it, and goes to all that
 * do: the transaction id is ours, so it is the same for everybody.
 */
#include "vswitch/agent.h"
#include "vswitch/channel.h"
#include "vswitch/flows.h"

#define PACKET_IN_ALL	 (1u << OFPR_NO_MATCH | 1u << OFPR_ACTION | 1u << OFPR_INVALID_TTL)
#define PORT_STATUS_ALL	 (1u << OFPPR_ADD | 1u << OFPPR_DELETE | 1u << OFPPR_MODIFY)
#define FLOW_REMOVED_ALL 0xfu /* of_flow_removed_reason */

void vs_async_default(bool management, struct of_async *ret_async)
{
	*ret_async = (struct of_async){0};
	if (management)
		return;
	ret_async->packet_in[0] = PACKET_IN_ALL;
	ret_async->flow_removed[0] = FLOW_REMOVED_ALL;
	ret_async->port_status[0] = ret_async->port_status[1] = PORT_STATUS_ALL;
}

/* The mask that holds for a connection now: as master or equal, or as slave. */
static uint32_t mask_of(const struct vs_channel *ch, const uint32_t masks[2])
{
	return masks[ch->role == OFPCR_ROLE_SLAVE ? 1 : 0];
}

/* 'masks' is a member of 'struct of_async'. */
static bool wants(const struct vs_channel *ch, size_t masks, uint8_t reason)
{
	const uint32_t *m = (const uint32_t *)((const char *)&ch->async + masks);

	return ch->up && reason < 32 && (mask_of(ch, m) >> reason & 1) != 0;
}

bool vs_agent_wants_packet_in(const struct vs_agent *agent, uint8_t reason)
{
	for (const struct vs_channel *ch = agent->channels; ch != NULL; ch = ch->next)
		if (wants(ch, offsetof(struct of_async, packet_in), reason))
			return true;
	return false;
}

/* Workers copy what has no TTL left only for somebody. */
void vs_agent_wishes_changed(struct vs_agent *agent)
{
	vs_flows_tell_ttl(agent->flows, vs_agent_wants_packet_in(agent, OFPR_INVALID_TTL));
}

typedef void (*encode_fn)(struct wr *wr, const void *what);

static void tell(struct vs_agent *agent, size_t masks, uint8_t reason, encode_fn encode,
		 const void *what)
{
	struct wr wr = wr_init(OF_MSG_MAX);

	for (struct vs_channel *ch = agent->channels; ch != NULL; ch = ch->next) {
		if (!wants(ch, masks, reason))
			continue;
		if (wr.size == 0)
			encode(&wr, what);
		if (!wr_ok(&wr))
			break;
		vs_channel_send(ch, wr.bytes, wr.size, true);
	}
	wr_fini(&wr);
}

static void encode_packet_in(struct wr *wr, const void *what)
{
	of_packet_in_encode(wr, 0, what);
}

static void encode_flow_removed(struct wr *wr, const void *what)
{
	of_flow_removed_encode(wr, 0, what);
}

static void encode_port_status(struct wr *wr, const void *what)
{
	of_port_status_encode(wr, 0, what);
}

void vs_agent_packet_in(struct vs_agent *agent, const struct of_packet_in *in)
{
	tell(agent, offsetof(struct of_async, packet_in), in->reason, encode_packet_in, in);
}

void vs_agent_flow_removed(struct vs_agent *agent, const struct vs_rule *rule,
			   const struct dp_flow_counts *counts, uint64_t duration_ms)
{
	struct of_flow_removed removed = {
		.cookie = rule->cookie,
		.priority = rule->priority,
		.reason = rule->why,
		.table = rule->table,
		.duration_s = (uint32_t)(duration_ms / 1000),
		.duration_ns = (uint32_t)(duration_ms % 1000 * 1000000),
		.idle_timeout = rule->idle_timeout,
		.hard_timeout = rule->hard_timeout,
		.n_packets = counts->packets,
		.n_bytes = counts->bytes,
	};
	struct rd rd = rd_init(rule->match, rule->match_size);

	if (agent->channels == NULL || of_match_decode(&rd, &removed.match) != OF_OK)
		return;
	tell(agent, offsetof(struct of_async, flow_removed), removed.reason, encode_flow_removed,
	     &removed);
}

void vs_agent_port_status(struct vs_agent *agent, uint8_t reason, const struct of_port *port)
{
	const struct of_port_status status = {.reason = reason, .port = *port};

	tell(agent, offsetof(struct of_async, port_status), reason, encode_port_status, &status);
}
