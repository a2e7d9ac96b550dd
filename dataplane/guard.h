/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Guards of a port: what a machine behind it may claim to be.  Ingress, before filters and rules,
 * so that nobody else ever sees a forged frame:
 *
 * 	BPDU            no bridge protocol frames
 * 	MAC spoofing    the source is one of the port's addresses
 * 	IP binding      IPv4 and IPv6 source, ARP sender and ND target are the port's: given, or
 * 			learned from DHCP and locked until the lease ends
 * 	DHCP server     no answers of DHCPv4 and DHCPv6 servers, and no client that speaks for
 * 			another
 * 	router          no router advertisements, no redirects
 * 	ARP and ND      senders agree with their frames; a rate; answers by the switch, where it
 * 			knows who has an address
 * 	storm           packets a second of broadcast, multicast, unknown unicast
 *
 * The usual frame (IPv4 or IPv6 with TCP or UDP and nothing odd, from the MAC and address that were
 * checked last, to one station, no DHCP) is let pass by one comparison of bytes that the flow key
 * reads anyway; all else takes the slow way (guard_slow.c).  An address whose lease ended passes as
 * usual for DP_GUARD_TRUST_MS at most; after a release or dp_guard_unbind(), what other workers are
 * at in that moment does.
 *
 * Whose an address is: fixed addresses are the guard's own; those learned or bound by hand are in
 * one book of the whole dataplane (guard_book.h), by domain, VLAN and address.  So they outlive
 * views and guards, and nobody else of the same domain and VLAN may use them.
 *
 * What is dropped is counted under a reason of its own and told as a notice (notice.h); a guard
 * that only watches counts and tells, and lets pass.
 *
 * Workers run a guard at the same time, without locks.  All else: control thread.
 *
 * Sources: IEEE 802.1D; RFC 826, 5227 (ARP probes), 2131, 8415 (DHCP), 4861, 4862 (ND), 6105, 7113,
 * 6980 (RA guard and how it is evaded), 6620 (who came first has it), 7513.
 */
#ifndef DATAPLANE_GUARD_H
#define DATAPLANE_GUARD_H

#include "dataplane/drop.h"
#include "dataplane/port.h"
#include "dataplane/tunnel_wire.h"

#include <stdbool.h>
#include <stdint.h>

struct dp;
struct dp_guard;
struct dp_view;
struct dp_vport;
struct dp_worker;
struct rte_mbuf;

#define DP_GUARD_TRUST_MS	1000u
#define DP_GUARD_MAX_MACS	64u
#define DP_GUARD_MAX_ADDRESSES	1024u /* fixed, of a port */
#define DP_GUARD_LEARNED	16u
#define DP_GUARD_MAX_LEARNED	256u /* of a port, as the most that a spec may ask for */
#define DP_GUARD_MAX_LINK_LOCAL 4u   /* link-local addresses of a port that nobody gave */

/* Bits of dp_guard_spec.on. */
#define DP_GUARD_MAC	(1u << 0) /* source MAC is one of 'macs'; without any: every frame dies */
#define DP_GUARD_IP	(1u << 1) /* source addresses are bound to the port */
#define DP_GUARD_DHCP	(1u << 2) /* no servers behind it, clients speak for themselves */
#define DP_GUARD_ROUTER (1u << 3) /* no routers behind it */
#define DP_GUARD_ARP	(1u << 4) /* ARP and ND senders agree with their frames */
#define DP_GUARD_BPDU	(1u << 5)
/* Where addresses are learned from, beside 'addresses'.  Each counts in 'max_learned'. */
#define DP_GUARD_LEARN_DHCP (1u << 8) /* acknowledgements that come in by trusted ports */
#define DP_GUARD_LEARN_ND   (1u << 9) /* IPv6: duplicate address detection; who asks first has it */
/* DHCP servers may live behind it: what they acknowledge is believed.  Every port behind which one
 * lives needs a guard with this, else nobody hears what it says. */
#define DP_GUARD_TRUSTED (1u << 10)
/* Requests of this port for addresses that are bound to a port of the same domain are answered by
 * the switch, and not flooded. */
#define DP_GUARD_ANSWER (1u << 11)
/* Counts and tells by all rules, lets pass. */
#define DP_GUARD_WATCH (1u << 12)

/* What a guard objects to; also the index of its counters. */
enum dp_guard_rule {
	DP_GUARD_RULE_MAC,
	DP_GUARD_RULE_IP,
	DP_GUARD_RULE_DHCP,
	DP_GUARD_RULE_ROUTER,
	DP_GUARD_RULE_ARP,
	DP_GUARD_RULE_ARP_RATE,
	DP_GUARD_RULE_BROADCAST,
	DP_GUARD_RULE_MULTICAST,
	DP_GUARD_RULE_UNKNOWN,
	DP_GUARD_RULE_BPDU,
	DP_N_GUARD_RULES,
};

/* An address, or all of a prefix, that is the port's. */
struct dp_guard_address {
	struct dp_ip ip;
	uint8_t prefix; /* bits: 32 and 128 are one address */
	uint8_t mac[6]; /* who of the port has it; zeros: any of its machines */
};

/* Packets a second, 0: no limit; burst 0: a tenth of a second's worth, at least 16. */
struct dp_guard_rate {
	uint32_t rate, burst;
};

struct dp_guard_spec {
	uint16_t port;	      /* its id: bindings are by it */
	uint16_t max_learned; /* 0: DP_GUARD_LEARNED */
	uint32_t on;	      /* DP_GUARD_* */
	uint32_t watch; /* bits of rules (1 << DP_GUARD_RULE_MAC) that let pass all the same */
	uint32_t n_macs, n_addresses;
	const uint8_t (*macs)[6];
	const struct dp_guard_address *addresses;
	struct dp_guard_rate arp; /* ARP and ND together */
	struct dp_guard_rate broadcast, multicast, unknown;
};

/* One reference, the caller's.  'before': the guard that the port had, whose counters, tokens go on
 * (shared, while both live), or NULL.  0, -ENOMEM, or -EINVAL (more than DP_GUARD_MAX_*, a prefix
 * too long).  Copies 'spec'. */
int dp_guard_create(struct dp *dp, const struct dp_guard_spec *spec, const struct dp_guard *before,
		    struct dp_guard **ret_guard);
void dp_guard_ref(struct dp_guard *guard);
/* No worker holds it when the last reference goes.  Takes NULL. */
void dp_guard_unref(struct dp_guard *guard);

/* Hangs a guard on a port of 'view', which is being made and has its domains: takes a reference of
 * its own, and enters the fixed addresses into the book for vp's domain and VLAN, so that others
 * can be answered, and do not use them.  0, -ENOMEM; -ENOSPC: the book is full.  On failure nothing
 * hangs there. */
int dp_guard_hang(struct dp_guard *guard, const struct dp_view *view, struct dp_vport *vp);
/* The view goes, no worker reads it.  Nothing when there is no guard. */
void dp_guard_release(struct dp_vport *vp);

struct dp_guard_counts {
	uint64_t violations[DP_N_GUARD_RULES]; /* dropped, or seen by one that watches */
	uint64_t answered;		       /* requests, by the switch */
	uint64_t learned;		       /* bindings made, renewals too */
	uint64_t not_learned; /* max_learned, a full book, or the address is another port's */
};
void dp_guard_read(const struct dp_guard *guard, struct dp_guard_counts *ret_counts);
/* "guard-mac": the drop reason of a rule. */
enum dp_drop dp_guard_drop(enum dp_guard_rule rule);

/* ---- Bindings ---- */

enum dp_guard_how {
	DP_GUARD_FIXED, /* of a spec; also: in no list that unbind() shortens */
	DP_GUARD_HAND,	/* dp_guard_bind() */
	DP_GUARD_DHCP4, /* learned */
	DP_GUARD_DHCP6,
	DP_GUARD_BY_ND, /* who asked first */
	DP_N_GUARD_HOWS,
};

struct dp_guard_binding {
	struct dp_ip ip;
	uint8_t mac[6]; /* zeros: any */
	uint16_t port, domain;
	uint16_t vlan;	   /* on which addresses are learned (dp_domain.fdb_vlan) */
	uint8_t how;	   /* enum dp_guard_how */
	uint64_t until_ms; /* dp_flow_now_ms(); 0: for ever */
};

/* Binds by hand, or restores what was learned before a restart.  The port need not be there yet; a
 * binding of the same port and address is replaced.  0; -EEXIST: another port of the domain and
 * VLAN has the address; -ENOSPC; -ENOMEM.  binding->how is not FIXED. */
int dp_guard_bind(struct dp *dp, const struct dp_guard_binding *binding);
/* 0 or -ENOENT.  What a spec gives stays. */
int dp_guard_unbind(struct dp *dp, uint16_t domain, uint16_t vlan, uint16_t port,
		    const struct dp_ip *ip);
/* All of the book, or those of one port, in no order; prefixes are not in it.  Returns how many. */
typedef void (*dp_guard_binding_fn)(void *arg, const struct dp_guard_binding *binding);
uint32_t dp_guard_bindings(struct dp *dp, uint16_t port, dp_guard_binding_fn fn, void *arg);
#define DP_GUARD_ALL_PORTS UINT16_MAX
/* Counts up with each binding that is made, renewed or ended: whoever keeps them looks again. */
uint64_t dp_guard_bindings_version(const struct dp *dp);
/* What was learned or bound at a port goes with it. */
void dp_guard_port_gone(struct dp *dp, uint16_t port);
/* Leases end.  A few times a second. */
void dp_guard_tick(struct dp *dp);

/* ---- Workers ---- */

/* Drops what may not come in by 'in', whose guard is in->guard; the others are the first
 * 'return value' of 'pkts', in their order.  At most DP_BURST. */
uint16_t dp_guard_ingress(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
			  uint16_t n);
/* A frame that came in by 'in', which has a guard, is to be flooded since nobody knows its
 * destination.  May it? */
bool dp_guard_may_flood(struct dp_worker *w, const struct dp_vport *in, const struct rte_mbuf *m);

#endif
