/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The OpenFlow agent of a switch: what controllers talk to.  It owns the switch's datapath id, its
 * configuration as controllers see it, and the list of its connections (channel.h); rules, groups
 * and meters are the switch's own (flows.h).
 *
 * 	channel.c  bytes ─► one whole message ─► agent.c: who may, which function ─► agent_*.c
 * 	agent_*.c  ─► vs_channel_send()            (an answer, to who asked)
 * 	agent_async.c ─► every channel that wants it (packet-in, flow-removed, port-status)
 *
 * Control thread.
 */
#ifndef VSWITCH_AGENT_H
#define VSWITCH_AGENT_H

#include "vswitch/of/header.h"
#include "vswitch/of/packet.h"
#include "vswitch/of/port.h"

#include <stdbool.h>
#include <stdint.h>

struct vs;
struct vs_agent_port;
struct vs_agent_table;
struct vs_channel;
struct vs_flows;
struct vs_packet_buffers;
struct vs_rule;
struct dp_flow_counts;

struct vs_agent {
	struct vs *vs;
	char sw[64];
	struct vs_flows *flows;
	uint64_t datapath_id;
	uint16_t fragments; /* OFPC_FRAG_*: what becomes of them */
	bool unseen;	    /* something was changed: workers may not follow it yet */
	/* The highest generation that a role request named (6.3.4). */
	bool has_generation;
	uint64_t generation_id;
	struct vs_packet_buffers *buffers; /* packet_buffer.h; NULL: none are kept */
	struct vs_channel *channels;	   /* a list by 'next', the oldest first */
	unsigned n_channels;
	struct vs_agent_table *tables; /* agent_table.c: 254 of them */
	struct vs_agent_port *ports;   /* agent_port.c: what controllers were told of ports */
	unsigned n_ports;
};

/* Made with the switch's rules (switch_flows.h), without channels.  Borrows 'flows'.  0 or
 * -ENOMEM. */
int vs_agent_create(struct vs *vs, const char *sw, struct vs_agent **ret_agent);
/* Its channels are gone.  Takes NULL. */
void vs_agent_destroy(struct vs_agent *agent);

/* A whole message.  Borrows 'msg' of 'header->size' bytes.  Answers by 'ch', errors included. */
void vs_agent_message(struct vs_agent *agent, struct vs_channel *ch, const struct of_header *header,
		      const uint8_t *msg);
/* All that was sent by 'ch' is on its way, or nearly all: a long answer goes on.  While one is
 * under way 'ch->busy' is set and the channel hands in no further message, so that a controller
 * that does not read makes us hold no more than one piece, and answers keep their order. */
void vs_agent_drained(struct vs_agent *agent, struct vs_channel *ch);
/* A connection is gone, and no longer in 'channels': bundles and answers that it left open are
 * dropped. */
void vs_agent_channel_gone(struct vs_agent *agent, struct vs_channel *ch);

/* What a connection wants to hear unasked before it says: all that controllers hear (6.3.5), or
 * nothing on the management socket; and how much of a packet (7.3.2). */
void vs_wishes_default(bool management, struct vs_channel *ch);

/* A connection came, or hears of other things than before: by its role, its masks. */
void vs_agent_wishes_changed(struct vs_agent *agent);
/* Does anybody want packet-ins for this reason? */
bool vs_agent_wants_packet_in(const struct vs_agent *agent, uint8_t reason);
/* The least that any of them wants of a packet that no output sent (7.3.2): OF_MAX_LEN_ALL when all
 * want all of it, unbuffered. */
uint16_t vs_agent_miss_send_len(const struct vs_agent *agent, uint8_t reason);

/* Ten times a second, and when ports came or went: tells of ports that are not as they were told
 * last. */
void vs_agent_look_at_ports(struct vs_agent *agent);

/* Asynchronous messages (6.1.2): to those channels whose role and masks want them. */
void vs_agent_packet_in(struct vs_agent *agent, const struct of_packet_in *in);
void vs_agent_flow_removed(struct vs_agent *agent, const struct vs_rule *rule,
			   const struct dp_flow_counts *counts, uint64_t duration_ms);
void vs_agent_port_status(struct vs_agent *agent, uint8_t reason, const struct of_port *port);

#endif
