/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Overlays.  Two kinds of port have no device: a VTEP, the station of an underlay address on an
 * external switch, and a tunnel port, behind which lies what remote VTEPs carry.  Both are ports
 * like others (view, rules, ledger, captures); what is sent to them goes through them within the
 * same burst and comes in again on the other side:
 *
 * 	switch ─► tunnel port ─► encapsulate (tunnel_out.c) ─► comes in by the VTEP ─► EXT ─► wire
 * 	wire ─► EXT ─► VTEP ─► decapsulate (tunnel_in.c) ─► comes in by the tunnel port ─► switch
 * 	                 └─► ARP, neighbour discovery, echo (vtep_answer.c) ─► by the VTEP ─► EXT
 *
 * "Comes in" is again.h: frames wait for the end of the burst and then are a burst of their own, so
 * that nothing is called twice at a time, and a frame that goes round is counted out.  An
 * encapsulated frame whose next hop lives behind a device takes the short way to that device.
 *
 * The configured half, 'struct dp_vtep' and 'struct dp_overlay', hangs on the view and is
 * immutable; neighbours (neigh.h) live as long as the VTEP's port does.  Workers, unless it says
 * otherwise.
 *
 * Sources: RFC 7348 (VXLAN), 8926 (Geneve), 7637 (NVGRE), 6040 (ECN), 6935 and 6936 (UDP checksum
 * zero over IPv6), 826, 4861, 792, 4443.
 */
#ifndef DATAPLANE_TUNNEL_H
#define DATAPLANE_TUNNEL_H

#include "dataplane/parse.h"
#include "dataplane/tunnel_wire.h"
#include "dataplane/view.h"

#include <stdbool.h>
#include <stdint.h>

#define DP_TUNNEL_MAX_REMOTES 64
#define DP_VTEP_MAX_UDP	      8

struct dp_key;
struct dp_neighs;
struct dp_worker;

/* One IP version of a VTEP. */
struct dp_vtep_side {
	struct dp_ip address, gateway;
	uint8_t prefix; /* bits of the link's network */
	bool there, has_gateway;
};

/* Whose is what comes with this key? */
struct dp_tunnel_match {
	uint32_t key;  /* as made by dp_tunnel_match_key(); 0: the place is empty */
	uint16_t port; /* the tunnel port */
	uint16_t vlan; /* tenants by key: what stands for the tenant on that port; else DP_NO_VLAN
			*/
};

struct dp_vtep {
	uint16_t port;
	uint16_t mtu; /* of the underlay: longest IP packet */
	struct rte_ether_addr mac;
	struct dp_vtep_side v4, v6;
	struct dp_neighs *neighs;
	unsigned n_udp;
	struct dp_tunnel_udp udp[DP_VTEP_MAX_UDP]; /* ports that are tunnels */
	unsigned n_any;
	const uint16_t *any; /* tunnel ports that take any key */
	uint32_t mask;	     /* of 'matches': a power of two, less one */
	const struct dp_tunnel_match *matches;
};

enum dp_tunnel_key { DP_TUNNEL_KEY_FIXED, DP_TUNNEL_KEY_FLOW, DP_TUNNEL_KEY_TENANT };

/* What becomes of a frame that is too long for the underlay: its sender is told where there is a
 * way to (IPv4 that must not be fragmented, IPv6), or the packet around it is fragmented. */
enum dp_tunnel_too_long { DP_TUNNEL_TELL, DP_TUNNEL_FRAGMENT };

struct dp_overlay {
	uint16_t vtep; /* its port */
	uint8_t type;  /* enum dp_tunnel_type */
	uint8_t key_mode;
	uint8_t too_long;
	uint8_t ttl;	   /* 0: the inner packet's */
	int16_t dscp;	   /* -1: the inner packet's */
	uint16_t udp_port; /* host order */
	bool checksum;	   /* UDP over IPv4: fill it in; over IPv6: also refuse zero */
	bool checksum6;
	bool remote_flow;	     /* rules say where to; anybody may send */
	uint32_t key;		     /* VNI or VSID */
	const uint32_t *key_of_vlan; /* tenants by key: [DP_VLANS], 0: none */
	uint16_t n_remotes;
	const struct dp_ip *remotes;
};

static inline uint32_t dp_tunnel_match_key(enum dp_tunnel_type type, uint32_t vni)
{
	return (uint32_t)(type + 1) << 24 | (vni & 0xffffff);
}

static inline uint32_t dp_tunnel_match_slot(uint32_t key, uint32_t mask)
{
	return (key * 0x9e3779b1u >> 8) & mask;
}

/* Fills in what the key says of the tunnel that 'm' came by; 'm' was put up by tunnel_in.c. */
void dp_tunnel_key(const struct rte_mbuf *m, struct dp_key *key);
/* Puts it up so for a frame that comes from nowhere: as if a tunnel packet 'o' (vni, src, dst) had
 * been around it.  The frame has the room; 'ahead': a tag of so many bytes is taken off first. */
void dp_tunnel_pretend(struct rte_mbuf *m, const struct dp_tunnel_outer *o, unsigned ahead);
/* Bytes before the first that it may lie in. */
#define DP_TUNNEL_META_ROOM 56

/* Which address is next on the way to 'to'?  NULL: none is. */
const struct dp_ip *dp_vtep_next_hop(const struct dp_vtep *vtep, const struct dp_ip *to);

/* Opened without a device: dp_port_ops of the kinds "vtep" and "tunnel". */
extern const struct dp_port_ops dp_port_vtep_ops, dp_port_tunnel_ops;
/* The neighbours of a VTEP's port.  Any thread. */
struct dp_neighs *dp_port_neighs(const struct dp_port *port);

/* Stations that were learned behind remotes.  Control thread. */
struct dp_learned;
struct dp_learned_info {
	struct rte_ether_addr mac;
	struct dp_ip remote;
	uint16_t port; /* the tunnel's */
	uint32_t age_s;
};
struct dp_learned *dp_port_learned(const struct dp_port *port);
void dp_learned_walk(struct dp_learned *l,
		     void (*fn)(void *arg, const struct dp_learned_info *info), void *arg);
/* Forgets those of one tunnel port. */
void dp_learned_forget(struct dp_learned *l, uint16_t port);

#endif
