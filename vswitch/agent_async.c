/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What controllers are told unasked: packets, flows that went, ports that changed (OpenFlow 1.3.5,
 * 6.3.5, 7.4).  A message is written once, when the first connection wants it, and goes to all that
 * do: the transaction id is ours, so it is the same for everybody.  Only packets go by auxiliary
 * connections, where a controller has them.
 */
#include "vswitch/agent.h"
#include "vswitch/channel.h"
#include "vswitch/flows.h"

#include "dataplane/parse.h"

#include <stddef.h>

#define MACS_SIZE	 12u
#define PACKET_IN_ALL	 (1u << OFPR_NO_MATCH | 1u << OFPR_ACTION | 1u << OFPR_INVALID_TTL)
#define PORT_STATUS_ALL	 (1u << OFPPR_ADD | 1u << OFPPR_DELETE | 1u << OFPPR_MODIFY)
#define FLOW_REMOVED_ALL 0xfu /* of_flow_removed_reason */
#define MISS_SEND	 128u /* what a controller that does not say gets of a packet (7.3.2) */

void vs_wishes_default(bool management, struct vs_channel *ch)
{
	ch->miss_send_len = MISS_SEND;
	ch->async = (struct of_async){0};
	if (management)
		return;
	ch->async.packet_in[0] = PACKET_IN_ALL;
	ch->async.flow_removed[0] = FLOW_REMOVED_ALL;
	ch->async.port_status[0] = ch->async.port_status[1] = PORT_STATUS_ALL;
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

static void encode_flow_removed(struct wr *wr, const void *what)
{
	of_flow_removed_encode(wr, 0, what);
}

static void encode_port_status(struct wr *wr, const void *what)
{
	of_port_status_encode(wr, 0, what);
}

/* ---- Packets ---- */

uint16_t vs_agent_miss_send_len(const struct vs_agent *agent, uint8_t reason)
{
	uint16_t least = OF_MAX_LEN_ALL;

	for (const struct vs_channel *ch = agent->channels; ch != NULL; ch = ch->next)
		if (wants(ch, offsetof(struct of_async, packet_in), reason) &&
		    ch->miss_send_len < least)
			least = ch->miss_send_len;
	return least;
}

static uint32_t flow_of(const struct of_packet_in *in)
{
	struct dp_headers h;

	dp_parse(in->data, (uint32_t)in->data_size, &h);
	return in->data_size < MACS_SIZE ? 0 : dp_flow_hash(in->data, &h, 0);
}

/* Packets of a flow go by one connection, those of many by all auxiliary ones (6.3.5). */
static struct vs_channel *way_to(struct vs_channel *ch, uint32_t flow)
{
	struct vs_channel *to = ch;
	uint32_t n = 0;

	for (struct vs_channel *aux = ch->aux; aux != NULL; aux = aux->next)
		n++;
	if (n != 0)
		for (to = ch->aux, n = flow % n; n != 0; n--)
			to = to->next;
	return to;
}

/* As this controller gets it: what no output sent is as long as it said. */
static struct of_packet_in cut_for(const struct vs_channel *ch, const struct of_packet_in *in)
{
	struct of_packet_in mine = *in;

	if (in->reason != OFPR_INVALID_TTL || in->buffer_id == OF_NO_BUFFER)
		return mine;
	if (ch->miss_send_len == OF_MAX_LEN_ALL)
		mine.buffer_id = OF_NO_BUFFER;
	else if (mine.data_size > ch->miss_send_len)
		mine.data_size = ch->miss_send_len;
	return mine;
}

void vs_agent_packet_in(struct vs_agent *agent, const struct of_packet_in *in)
{
	uint32_t flow = flow_of(in), buffer_id = 0;
	struct wr wr = wr_init(OF_MSG_MAX);
	size_t data_size = SIZE_MAX;

	for (struct vs_channel *ch = agent->channels; ch != NULL; ch = ch->next) {
		struct of_packet_in mine;

		if (!wants(ch, offsetof(struct of_async, packet_in), in->reason))
			continue;
		mine = cut_for(ch, in);
		if (mine.data_size != data_size || mine.buffer_id != buffer_id) {
			wr_cut(&wr, 0);
			of_packet_in_encode(&wr, 0, &mine);
		}
		if (!wr_ok(&wr))
			break;
		data_size = mine.data_size;
		buffer_id = mine.buffer_id;
		vs_channel_send(way_to(ch, flow), wr.bytes, wr.size, true);
	}
	wr_fini(&wr);
}

/* ---- Flows and ports ---- */

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
