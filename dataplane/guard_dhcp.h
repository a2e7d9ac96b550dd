/* SPDX-License-Identifier: BSD-2-Clause
 *
 * DHCP as guards hear it: what a message says of who has which address, and for how long.  Bytes
 * only, no state; any thread.
 *
 * Sources: RFC 2131 section 2, 2132 (options 50 to 54), 3396 is not heeded: none of these options
 * is split; RFC 8415 sections 8, 21.
 */
#ifndef DATAPLANE_GUARD_DHCP_H
#define DATAPLANE_GUARD_DHCP_H

#include "dataplane/tunnel_wire.h"

#include <stdbool.h>
#include <stdint.h>

#define DP_DHCP_SERVER_PORT  67
#define DP_DHCP_CLIENT_PORT  68
#define DP_DHCP6_CLIENT_PORT 546
#define DP_DHCP6_SERVER_PORT 547

enum dp_dhcp4_type {
	DP_DHCP4_BOOTP, /* no message type */
	DP_DHCP4_DISCOVER,
	DP_DHCP4_OFFER,
	DP_DHCP4_REQUEST,
	DP_DHCP4_DECLINE,
	DP_DHCP4_ACK,
	DP_DHCP4_NAK,
	DP_DHCP4_RELEASE,
	DP_DHCP4_INFORM,
};

struct dp_dhcp4 {
	uint8_t op; /* 1 of a client, 2 of a server */
	uint8_t type;
	bool ether; /* chaddr is a MAC */
	uint8_t chaddr[6];
	uint32_t xid;				    /* as it lies there */
	uint32_t ciaddr, yiaddr, giaddr, requested; /* network order; 0: none */
	bool has_lease;
	uint32_t lease_s; /* all ones: for ever */
};

/* 'p': what is behind the UDP header.  False: it is none. */
bool dp_dhcp4_parse(const uint8_t *p, uint32_t size, struct dp_dhcp4 *ret);

#define DP_DHCP6_SOLICIT    1
#define DP_DHCP6_REPLY	    7
#define DP_DHCP6_RELEASE    8
#define DP_DHCP6_DECLINE    9
#define DP_DHCP6_INFORM	    11
#define DP_DHCP6_RELAY_FORW 12
#define DP_DHCP6_RELAY_REPL 13
#define DP_DHCP6_ADDRESSES  16

struct dp_dhcp6 {
	uint8_t type;
	uint32_t xid; /* 24 bits */
	unsigned n;   /* addresses; more are not looked at */
	struct {
		struct dp_ip ip;
		uint32_t valid_s; /* 0: not any longer; all ones: for ever */
	} addresses[DP_DHCP6_ADDRESSES];
};

/* False: it is none, or its options do not fill it. */
bool dp_dhcp6_parse(const uint8_t *p, uint32_t size, struct dp_dhcp6 *ret);

#endif
