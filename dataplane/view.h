/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The view: the switch as the packet path sees it.  One immutable object, compiled by vswitch/ from
 * the configuration, published by RCU.  A worker loads it once per burst, so a change of any size
 * (a tenant moved, a VLAN renumbered on forty ports) is seen whole or not at all.
 *
 * VLANs: a frame is 'carried' on a VLAN inside the switch (cvlan; 0 is "untagged").  Ingress
 * decides it from tag and port; each port has the set of cvlans it accepts on egress.  Private
 * VLANs are the same mechanism: an isolated port (P,S) sends on S and accepts P; a community port
 * (P,S) sends on S and accepts P and S; a promiscuous port sends on P and accepts P and its
 * secondaries; addresses are learned on P for all of them (fdb_vlan).  All of P's ports send on the
 * same P, so a VLAN alone cannot say which secondaries a promiscuous port serves: an isolated or
 * community port (DP_VP_PRIVATE) takes frames only from ports that take its own.
 */
#ifndef DATAPLANE_VIEW_H
#define DATAPLANE_VIEW_H

#include "dataplane/port.h"

#include <stdbool.h>
#include <stdint.h>

#define DP_VLANS       4096
#define DP_VLAN_WORDS  (DP_VLANS / 64)
#define DP_NO_VLAN     UINT16_MAX
#define DP_NO_DOMAIN   UINT16_MAX
#define DP_MAX_DOMAINS (DP_MAX_PORTS + 256)

/* Bits of dp_vport.flags */
#define DP_VP_UP	  (1u << 0) /* administratively up */
#define DP_VP_LEARN	  (1u << 1) /* learn source addresses */
#define DP_VP_FLOOD	  (1u << 2) /* gets unknown unicast */
#define DP_VP_FLOOD_GROUP (1u << 3) /* gets broadcast and multicast */
#define DP_VP_TAGGED_IN                                                                            \
	(1u << 4) /* takes tagged frames whose VID is in vlan_in (trunk); else they are dropped */
#define DP_VP_UNTAGGED_IN (1u << 5) /* takes untagged frames, on pvid */
#define DP_VP_TUNNEL                                                                               \
	(1u << 6) /* 802.1ad tunnel: any frame is payload, carried on pvid, tag pushed at trunks   \
		   */
#define DP_VP_TAG_OUT                                                                              \
	(1u << 7) /* egress tagged unless cvlan == native_out; else always untagged                \
		   */
#define DP_VP_BPDU	   (1u << 8)  /* forwards bridge-local group addresses */
#define DP_VP_HELD	   (1u << 9)  /* loop guard: everything in and out is dropped */
#define DP_VP_REACHES_HOST (1u << 10) /* for the proof: frames sent here reach the host's stack */
#define DP_VP_REACHES_WIRE (1u << 11) /* for the proof: frames sent here reach a wire */
#define DP_VP_PRIVATE	   (1u << 12) /* isolated or community: see dp_private_takes() */
#define DP_VP_MIRROR_ONLY  (1u << 18) /* nothing but what a mirror copies: mirror.h */
/* What OpenFlow's port mods say (1.3.5, 7.2.1). */
#define DP_VP_NO_RECV	   (1u << 13) /* what comes in is dropped */
#define DP_VP_NO_FWD	   (1u << 14) /* what would go out is dropped */
#define DP_VP_NO_PACKET_IN (1u << 15) /* nothing of it goes to controllers */
#define DP_VP_PROTECTED	   (1u << 16) /* sends to no other port that is protected */

/* One tenant on a shared uplink: its frames wear 'vlan' on the wire. */
struct dp_wire_map {
	uint16_t domain_of_vlan[DP_VLANS];	 /* VID -> domain, DP_NO_DOMAIN */
	uint16_t vlan_of_domain[DP_MAX_DOMAINS]; /* domain -> VID, DP_NO_VLAN */
};

struct dp_acl;
struct dp_filter_chain;
struct dp_flowrec;
struct dp_guard;
struct dp_marks;
struct dp_mirrors;
struct dp_overlay;
struct dp_pace;
struct dp_shaper;
struct dp_team;
struct dp_port_queues;
struct dp_vtep;

struct dp_vport {
	struct dp_port *port; /* NULL: configured, but its device is away */
	uint16_t id;
	uint16_t domain;     /* frames stay inside it, whatever else is configured */
	uint32_t flags;	     /* DP_VP_* */
	uint16_t pvid;	     /* cvlan of untagged frames */
	uint16_t native_out; /* cvlan that leaves untagged on a DP_VP_TAG_OUT port; DP_NO_VLAN: none
			      */
	uint16_t tpid_out;   /* big-endian TPID to push: 0x8100 or 0x88a8 */
	uint16_t max_frame;  /* longest frame to send here, tags not counted */
	uint16_t mac_limit;  /* learned addresses, 0: no limit of its own */
	uint16_t of_port;    /* OpenFlow's number of it */
	const struct dp_pipeline *pipeline; /* rules of its switch; NULL: it only learns (l2.c) */
	uint64_t pipeline_at; /* changes that were logged with this view: who follows it follows
				 these, published or not (pipeline.h) */
	const struct dp_wire_map *wire;	 /* external uplink shared by tenants, or NULL */
	const struct dp_vtep *vtep;	 /* tunnel.h; NULL: it is none */
	const struct dp_overlay *tunnel; /* the same */
	uint64_t vlan_in[DP_VLAN_WORDS];
	uint64_t vlan_out[DP_VLAN_WORDS];
	const struct dp_port_queues *queues; /* queue.h; NULL: none */
	/* filter.h, by enum dp_filter_side; NULL: none. */
	struct dp_filter_chain *filters[2];
	/* Which of these, and of 'filters', are not NULL: dp_stages_of() (stages.h). */
	uint8_t on_ingress, on_egress;
	struct dp_guard *guard;
	struct dp_flowrec *flowrec;
	struct dp_shaper *shaper;
	struct dp_mirrors *mirrors[2]; /* by enum dp_filter_side */
	const struct dp_acl *acl[2];   /* acl.h; the same */
	struct dp_marks *marks;	       /* marks.h; NULL: frames keep theirs */
	struct dp_pace *pace;	       /* pace.h; NULL: polled as fast as can be */
	struct dp_team *team;	       /* team.h; not NULL: a member, what comes in is its team's */
	uint16_t team_port;	       /* then that port's id */
} __attribute__((aligned(64)));

/* A tenant on a switch: one broadcast world. */
struct dp_flood_limit; /* flood.h */
struct dp_domain {
	uint16_t id;
	uint16_t switch_index, tenant_index;
	uint32_t mac_limit;		    /* learned addresses of the tenant here, 0: none */
	uint32_t flow_limit;		    /* flows that a worker caches for it; 0: none */
	struct dp_flood_limit *flood_limit; /* NULL: none */
	const uint16_t *fdb_vlan; /* [DP_VLANS]: PVLAN secondaries -> primary; NULL: identity */
	uint16_t n_ports;
	const uint16_t *ports; /* ids of the ports that may receive its floods, ascending */
};

struct dp_view {
	uint64_t version;
	uint16_t n_vports; /* highest id + 1 */
	uint16_t n_domains;
	struct dp_vport *vports[DP_MAX_PORTS]; /* NULL: no such port */
	struct dp_domain *domains[DP_MAX_DOMAINS];
	void (*destroy)(struct dp_view *view); /* who compiled it knows how to free it */
};

static inline bool dp_vlan_test(const uint64_t *set, uint16_t vlan)
{
	return (set[vlan >> 6] >> (vlan & 63)) & 1;
}

static inline void dp_vlan_add(uint64_t *set, uint16_t vlan)
{
	set[vlan >> 6] |= UINT64_C(1) << (vlan & 63);
}

/* Who sends to an isolated or community port must be able to hear it: a promiscuous port reaches
 * the secondaries it serves and no others of its primary. */
static inline bool dp_private_takes(const struct dp_vport *out, const struct dp_vport *in)
{
	return (out->flags & DP_VP_PRIVATE) == 0 || dp_vlan_test(in->vlan_out, out->pvid);
}

/* Protected ports do not reach each other, whatever VLAN. */
static inline bool dp_protected_takes(const struct dp_vport *out, const struct dp_vport *in)
{
	return (out->flags & in->flags & DP_VP_PROTECTED) == 0 || out->id == in->id;
}

#endif
