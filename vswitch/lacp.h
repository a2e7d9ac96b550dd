/* SPDX-License-Identifier: BSD-2-Clause
 *
 * LACP for one member of a team, and the choice among members: state alone, no I/O, no clock of its
 * own.  Why not DPDK's bonding device: it bonds DPDK's own devices only (ours on AF_XDP and packet
 * sockets are none), its members are fixed in their queues when it starts, and it sends LACP from
 * whoever transmits, at least ten times a second.
 *
 * A member's receive machine, and what moves it:
 *
 * 	DISABLED ── link ─► EXPIRED ── 3 s ─► DEFAULTED (no partner)
 * 	                      ▲  └─ PDU ─► CURRENT ◄─ PDU ─┘
 * 	                      └── 3 or 90 s without a PDU ──┘
 *
 * And its mux machine, collecting before distributing:
 *
 * 	DETACHED ── selected ─► WAITING ── 2 s ─► ATTACHED ── partner in sync ─► COLLECTING
 * 	   ▲                                          ▲        ── partner collects ─► DISTRIBUTING
 * 	   └── not selected ──────────────────────────┴── partner out of sync ──┘
 *
 * A partner is believed about itself and nothing else: who is not in sync with what we say of us
 * does not carry frames, links whose partners differ in system or key are not used together, and a
 * link on which we hear ourselves is not used.
 *
 * Source: IEEE 802.1AX-2014 6.4.  Thread: its owner's.
 */
#ifndef VSWITCH_LACP_H
#define VSWITCH_LACP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LACP_FRAME_SIZE 124

/* Bits of lacp_info.state. */
#define LACP_ACTIVE	  0x01u
#define LACP_FAST	  0x02u
#define LACP_AGGREGATABLE 0x04u
#define LACP_SYNC	  0x08u
#define LACP_COLLECTING	  0x10u
#define LACP_DISTRIBUTING 0x20u
#define LACP_DEFAULTED	  0x40u
#define LACP_EXPIRED	  0x80u

/* What a system says of a port of its own, or of its partner's. */
struct lacp_info {
	uint16_t system_priority, key, port_priority, port;
	uint8_t system[6];
	uint8_t state;
};

struct lacp_pdu {
	struct lacp_info actor, partner;
	uint16_t max_delay;
};

enum lacp_rx { LACP_RX_DISABLED, LACP_RX_EXPIRED, LACP_RX_DEFAULTED, LACP_RX_CURRENT };
enum lacp_mux {
	LACP_MUX_DETACHED,
	LACP_MUX_WAITING,
	LACP_MUX_ATTACHED,
	LACP_MUX_COLLECTING,
	LACP_MUX_DISTRIBUTING,
};

/* A member.  Callers read it; times are milliseconds of the owner's clock. */
struct lacp_port {
	struct lacp_info actor, partner;
	enum lacp_rx rx;
	enum lacp_mux mux;
	bool selected, ntt;
	uint32_t speed_mbps;
	uint64_t rx_until, mux_until; /* current_while and wait_while timers */
	uint64_t next_periodic;	      /* 0: starts now */
	uint64_t tx_window;	      /* when the second that 'n_tx' counts in began */
	unsigned n_tx;
	uint64_t marker_window; /* the same for markers that were answered */
	unsigned n_markers;
	uint64_t rx_pdus, tx_pdus, rx_bad, rx_markers;
	unsigned n_changes; /* of the partner: how often it was another than before */
};

/* The frame of 'pdu' from 'source', LACP_FRAME_SIZE bytes. */
void lacp_write(const struct lacp_pdu *pdu, const uint8_t source[6],
		uint8_t ret_frame[LACP_FRAME_SIZE]);
/* Reads a slow protocol frame.  0; -EPROTONOSUPPORT: not LACP (a marker); -EBADMSG. */
int lacp_parse(const void *frame, size_t size, struct lacp_pdu *ret_pdu);
/* The answer to a marker, by which a partner that moves flows to another link learns that what it
 * sent before has been received (6.5).  0; -EPROTONOSUPPORT: no marker, or an answer to one;
 * -EBADMSG. */
int lacp_marker_answer(const void *frame, size_t size, const uint8_t source[6],
		       uint8_t ret_frame[LACP_FRAME_SIZE]);

/* 'actor' says system, priorities, port and whether it is active and fast. */
void lacp_port_init(struct lacp_port *p, const struct lacp_info *actor);
/* The link came or went, or has another speed. */
void lacp_port_link(struct lacp_port *p, bool up, uint32_t speed_mbps, uint64_t now);
/* A PDU came. */
void lacp_port_rx(struct lacp_port *p, const struct lacp_pdu *pdu, uint64_t now);
/* Timers; call some ten times a second. */
void lacp_port_run(struct lacp_port *p, uint64_t now);
/* Is one to be sent now?  Then fills it in, and counts it as sent: at most three a second. */
bool lacp_port_tx(struct lacp_port *p, uint64_t now, struct lacp_pdu *ret_pdu);

/* A marker came.  May it be answered?  Five a second may. */
bool lacp_port_marker(struct lacp_port *p, uint64_t now);

/* Chooses which members are used together: those of one partner, key and speed that have the most
 * bandwidth; who is chosen stays so until others have more.  NULLs are left out. */
void lacp_select(struct lacp_port *const *ports, unsigned n);

/* Why a member does not carry frames, or "" when it does; for people. */
const char *lacp_reason(const struct lacp_port *p);

#endif
