/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a worker does with fragments: keeps them until their packet is whole (frag.h), gives them to
 * the worker that keeps those of their packet, and goes on with a whole one.
 *
 * Connection tracking: a fragment whose program tracks is held before the first step; when its
 * packet is whole all of them are looked up anew, as if they had come now, and find what the whole
 * packet is in 'flow->whole'.  So nothing that waits holds on to a program, a rule or a view.
 *
 * While they wait they are 'held' in the ledger (counter.h).
 */
#ifndef DATAPLANE_FRAG_PRIV_H
#define DATAPLANE_FRAG_PRIV_H

#include "dataplane/edge.h"
#include "dataplane/frag.h"

/* In an inbox: the frame comes in by that port, with what carries it in its hash. */
#define DP_INBOX_COMES_IN 0x8000u
static_assert(DP_MAX_PORTS <= DP_INBOX_COMES_IN, "the flag is no port");

struct dp_run;

/* Is the fragment still one of this port, which may be NULL, and of the same tenant? */
static inline bool dp_frag_is_of(const struct dp_vport *vp, const struct dp_frag_piece *piece)
{
	uint16_t domain = (uint16_t)piece->carried;

	if (vp == NULL || vp->port == NULL || vp->port->serial != piece->serial)
		return false;
	return vp->wire != NULL ? vp->wire->vlan_of_domain[domain] != DP_NO_VLAN
				: vp->domain == domain;
}

/* The worker that keeps the fragments of this packet. */
struct dp_worker *dp_frag_owner(const struct dp_worker *w, const struct dp_frag_key *key);
/* Keeps a fragment, or drops it, counted; takes 'm'.  'egress': which half of the port's ledger. */
void dp_frag_hold(struct dp_worker *w, const struct dp_port *port, const struct dp_frag *frag,
		  struct rte_mbuf *m, uint64_t carried, bool egress);

/* flow_frag.c */
/* A fragment, which runs for the first time, has a program of these steps.  True: it was taken, and
 * must not run now. */
bool dp_flow_hold(struct dp_run *run, const struct dp_edge_frame *f, const uint8_t *steps,
		  uint16_t size);
/* Goes on with what became whole in this burst. */
void dp_flow_settle(struct dp_worker *w);
/* 'm' was given to this worker to come in by 'port'; takes it. */
void dp_flow_take_over(struct dp_worker *w, uint16_t port, struct rte_mbuf *m);

/* frag_worker.c: once a loop while there is something: ends what is too late, or whose port went.
 */
void dp_frag_upkeep(struct dp_worker *w, uint64_t now_tsc);
int dp_frag_worker_create(struct dp *dp, struct dp_worker *w);

#endif
