/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Access lists on the packet path.  What lists are, and how one finds the entry that a packet
 * matches, is the caller's (vswitch/acl.h); here is where packets are asked, and what becomes of
 * them:
 *
 * 	egress   asked of everything that is gathered for the port (tx.c), whatever sent it: rules,
 * 		 the learning switch, floods, filters, controllers; by the worker that let it in,
 * 		 so that both are of one view
 * 	ingress  a stage too where the port tracks sessions, or its switch has no rules; else a part
 * 		 of each flow's program, asked once by the translation (vswitch/xlate_acl.c)
 *
 * The stage keeps what it found in a cache of the worker's, by the short key of plain frames
 * (key.h); other frames are asked one by one.
 *
 * A port that 'tracks' has sessions: connections of the tracker (ct.h) in a place that no rule's
 * zone can meet, DP_CT_POLICY beside the tenant and the port as the zone.  Both directions know the
 * same sessions.  What belongs to one passes; of what does not the lists decide, and an entry that
 * is stateful makes one.
 *
 * Fragments behind the first have no ports: where sessions are tracked they share the fate of the
 * first, which the worker remembers for some seconds; else entries that ask for ports do not match
 * them.
 *
 * Immutable, published with the view.  Workers.
 */
#ifndef DATAPLANE_ACL_H
#define DATAPLANE_ACL_H

#include "dataplane/filter.h"
#include "dataplane/key.h"

#include <stdatomic.h>
#include <stddef.h>

struct dp;
struct dp_acl_cache;
struct dp_trace;
struct dp_vport;
struct dp_worker;
struct rte_mbuf;

/* What an entry says of the packets that match it. */
struct dp_acl_rule {
	bool allow, stateful;
	uint32_t counter;	   /* pipeline.h */
	uint32_t log;		   /* of so many denied packets one is told (notice.h); 0: none */
	uint32_t idle_s;	   /* of its sessions; 0: as the protocol */
	uint64_t id;		   /* what a notice says */
	_Atomic uint32_t n_denied; /* where 'log' is not 0 */
};

/* The bit of an mbuf's flags that says that the lists of the port that it is handed to another
 * worker for were asked; reserved by dp_acl_init(). */
#define DP_ACL_BIT   37
#define DP_ACL_ASKED (UINT64_C(1) << DP_ACL_BIT)
int dp_acl_init(void);

/* The mark (ct.h) of a session: one more than the counter of the entry that made it, and this if
 * that is an egress list's. */
#define DP_ACL_MADE_OUT (UINT32_C(1) << 31)

/* The lists of a port in one direction. */
struct dp_acl {
	uint32_t id;	 /* never of another that is or was */
	bool tracks;	 /* the port has sessions, of this direction or the other */
	bool asks_flags; /* some entry asks for TCP's flags */
	/* The first that matches; NULL: there is no list, all may pass.  Bits looked at are added
	 * to 'wc' (may be NULL).  Neither blocks nor allocates. */
	const struct dp_acl_rule *(*find)(const struct dp_acl *acl, const struct dp_key *key,
					  struct dp_key *wc);
	/* Which one it is, for people: list, order, the entry's text.  Control thread. */
	void (*name)(const struct dp_acl *acl, const struct dp_acl_rule *rule, char *ret,
		     size_t size);
};

/* Drops what may not come in by 'in', or leave by 'out'; the others are the first 'return value' of
 * 'pkts', in their order. */
uint16_t dp_acl_ingress(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
			uint16_t n);
uint16_t dp_acl_egress(struct dp_worker *w, const struct dp_vport *out, struct rte_mbuf **pkts,
		       uint16_t n);

/* A packet that it denies: the first is told, and then each 'log'-th. */
bool dp_acl_is_told(const struct dp_acl_rule *rule);

/* Where translations ask for the ingress lists of 'in' themselves; NULL: there are none, or the
 * stage does. */
const struct dp_acl *dp_acl_composed(const struct dp_vport *in);

/* Control thread: workers, those to come included, can ask lists and count from now on.  0 or
 * -ENOMEM. */
int dp_acl_need(struct dp *dp);

/* Control thread, of each worker: its cache. */
int dp_acl_cache_create(struct dp_acl_cache **ret_cache);
void dp_acl_cache_destroy(struct dp_acl_cache *cache); /* takes NULL */

#endif
