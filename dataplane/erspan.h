/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ERSPAN on the wire: a mirrored frame inside of GRE.  Bytes only, no state; any thread.
 *
 * 	type II    Ethernet 14, IP 20/40, GRE with sequence number 8, ERSPAN  8, the frame
 * 	type III   the same,                                          ERSPAN 12, the frame
 *
 * Source: draft-foschiano-erspan-03 (type II: 4.2, type III: 4.3); RFC 2784, 2890, 791, 8200.
 */
#ifndef DATAPLANE_ERSPAN_H
#define DATAPLANE_ERSPAN_H

#include "dataplane/tunnel_wire.h"

#include <stdbool.h>
#include <stdint.h>

#define DP_ERSPAN_MAX_SESSION 1023u
/* The longest header: Ethernet, IPv6, GRE, type III. */
#define DP_ERSPAN_HEAD 74u

/* What does not change from frame to frame. */
struct dp_erspan {
	uint16_t session; /* 0 to DP_ERSPAN_MAX_SESSION */
	uint8_t type;	  /* 2 or 3 */
	uint8_t ttl, tos;
};

/* Where one goes, and what is said of it. */
struct dp_erspan_frame {
	uint8_t dst_mac[6], src_mac[6];
	struct dp_ip src, dst; /* of one version */
	uint32_t sequence;
	uint32_t size;	/* of the frame inside */
	uint32_t index; /* type II: 20 bits, where it was mirrored; type III: 6 of them */
	uint32_t time;	/* type III: in 100 us */
	uint16_t vlan;	/* that carried it */
	uint8_t cos;	/* its priority */
	bool tagged;	/* its tag is in it */
	bool truncated, egress;
};

/* Bytes before the frame. */
uint32_t dp_erspan_size(const struct dp_erspan *e, bool v6);
/* Writes them to end at 'frame', which has that much room before it. */
void dp_erspan_put(const struct dp_erspan *e, const struct dp_erspan_frame *f, uint8_t *frame);

#endif
