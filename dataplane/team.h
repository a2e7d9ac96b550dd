/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Teams: several uplinks that the switch sees as one port.  The team is a port of its own (driver
 * "team": it has no device, and as many transmit queues as there can be workers); its members are
 * ports like others, whose receive queues are polled like others:
 *
 * 	member's queue ─► dp_team_receive() ─► comes in by the team ─► switch
 * 	switch ─► team (filters, lists, shaper, ledger) ─► team_tx() ─► transmit queue of a member
 *
 * So whatever stands at a port stands at the team, once, and members may come, go and fail while
 * frames flow.  Who sends and who may be heard is one immutable object, 'struct dp_team_set', that
 * the control thread makes anew (vswitch/teams.c) and workers load once a burst.  A worker whose
 * chosen member just lost its link does not wait for that: it takes the next one that has a link.
 *
 * In the ledger a frame is the team's alone.  A member counts what it takes besides: frames that it
 * may not hear, LACP's frames (punted), and, where a worker has no transmit queue on the member and
 * hands over, copies that it forwards to itself, as probe.h does.
 */
#ifndef DATAPLANE_TEAM_H
#define DATAPLANE_TEAM_H

#include "dataplane/port.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DP_TEAM_MAX_MEMBERS 8
#define DP_TEAM_BUCKETS	    256
#define DP_TEAM_NONE	    0xff
#define DP_TEAM_MAX_PDU	    256 /* bytes of a control frame that are handed up */

struct dp_team;
struct dp_vport;
struct dp_worker;

/* What decides on the bucket of a frame that is sent. */
enum dp_team_spread {
	DP_TEAM_BY_ADDRESS, /* its source address: a station is behind one member */
	DP_TEAM_BY_PORT,    /* the port it came by */
	DP_TEAM_BY_FLOW,    /* addresses and ports of what it carries */
};

struct dp_team_member {
	struct dp_port *port;
	uint16_t id;
	bool takes;	  /* what comes by it is the team's */
	bool takes_group; /* the same of group addresses: by one member, else each comes n times */
};

struct dp_team_set {
	struct dp_team_member members[DP_TEAM_MAX_MEMBERS];
	uint8_t n_members;
	uint8_t spread; /* enum dp_team_spread */
	bool reflects;	/* the members' switch does not know of the team: it sends back by one
			   member what it floods of another's, and that is not to be believed */
	bool lacp;	/* slow protocol frames are handed up */
	uint8_t n_active;
	uint8_t active[DP_TEAM_MAX_MEMBERS]; /* those that may send, best first */
	uint8_t bucket[DP_TEAM_BUCKETS];     /* index of a member; DP_TEAM_NONE */
};

extern const struct dp_port_ops dp_port_team_ops;

/* The live half of a port of kind team; lives as long as the port. */
struct dp_team *dp_port_team(const struct dp_port *port);

/* From now on workers go by 'set', which is copied; when it returns none uses the one before.  A
 * port leaves the set before it is closed.  0 or -ENOMEM, and the old one stays.  Control thread.
 */
int dp_team_publish(struct dp_team *team, const struct dp_team_set *set);
/* Borrowed until the next dp_team_publish().  Control thread. */
const struct dp_team_set *dp_team_set(const struct dp_team *team);
/* What dp_port_team_ops says of the link.  Control thread. */
void dp_team_set_link(struct dp_team *team, const struct dp_link *link);

/* Hands over what came of slow protocols, with the id of the member that it came by; at most as
 * much as waits now.  'frame' is borrowed.  Control thread. */
typedef void (*dp_team_pdu_fn)(void *arg, uint16_t member, const uint8_t *frame, size_t size);
void dp_team_take_pdus(struct dp_team *team, dp_team_pdu_fn fn, void *arg);
/* Sends a frame by one member, untagged.  0, or -EAGAIN when no worker, buffer or room took it.
 * Control thread. */
int dp_team_send(struct dp *dp, uint16_t member, const void *frame, size_t size);

/* Frames and bytes that came and left by a member, LACP's included.  Any thread. */
struct dp_team_traffic {
	uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
};
void dp_team_traffic(const struct dp_port *member, struct dp_team_traffic *ret_traffic);

/* A burst that came by '*in', a member.  Drops what may not be heard, takes LACP's frames, and
 * returns how many are left, in order; '*in' is then the team's port.  Worker. */
uint16_t dp_team_receive(struct dp_worker *w, const struct dp_vport **in, struct rte_mbuf **pkts,
			 uint16_t n);

/* The number that decides on the bucket of a frame.  Pure. */
uint32_t dp_team_hash(const struct rte_mbuf *m, enum dp_team_spread spread);

#endif
