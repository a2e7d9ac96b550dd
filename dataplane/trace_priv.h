/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where the packet path tells a trace (trace.h) what it does.  All of these are on cold branches:
 * a worker has no trace.
 */
#ifndef DATAPLANE_TRACE_PRIV_H
#define DATAPLANE_TRACE_PRIV_H

#include "dataplane/filter.h"
#include "dataplane/trace.h"
#include "dataplane/worker.h"

struct dp_edge_frame;

/* A frame was dropped; 'port' had it already, or DP_NO_PORT. */
void dp_trace_dropped(struct dp_trace *t, uint16_t port, enum dp_drop reason);

/* A frame passes the mirrors of 'vp', which copy nothing. */
void dp_trace_mirrors(struct dp_trace *t, const struct dp_vport *vp, enum dp_filter_side side,
		      const struct rte_mbuf *m);

/* A frame comes to the filters of 'vp', which do not run. */
void dp_trace_filters(struct dp_trace *t, const struct dp_vport *vp, enum dp_filter_side side);

/* The access lists of a port were asked; 'rule' decided (NULL: there is no list), or the frame is
 * of a session. */
struct dp_acl_rule;
void dp_trace_asked(struct dp_trace *t, uint16_t port, enum dp_filter_side side,
		    const struct dp_acl *acl, const struct dp_acl_rule *rule, bool of_session);

/* A frame comes to the shaper of 'vp', which would queue it at this leaf. */
void dp_trace_shaped(struct dp_trace *t, const struct dp_vport *vp, uint16_t leaf);

/* Which port the next drop is about. */
static inline void dp_trace_refused_by(const struct dp_worker *w, uint16_t port)
{
	if (unlikely(w->trace != NULL))
		w->trace->refused_by = port;
}

/* The learning switch found frame 'f', of the 'n' that it has, to go to 'id'.  Returns what it
 * would have found had it learned from them. */
uint16_t dp_trace_decided(struct dp_worker *w, const struct dp_vport *in,
			  const struct dp_edge_frame *frames, uint16_t n,
			  const struct dp_edge_frame *f, uint16_t id);

/* A worker that is none, and what it has. */
struct dp_ghost {
	struct dp *dp;
	struct dp_worker *w;
	struct dp_view *view;
	const struct dp_vport *in, *real; /* where the frame comes in: of the copy, of the view */
	struct dp_trace *trace;
};

/* Carries 'n' frames, which it takes, as a worker carries a burst. */
void dp_ghost_carry(struct dp_ghost *g, struct rte_mbuf **pkts, uint16_t n);
/* A frame as it was given; NULL when there is no buffer. */
struct rte_mbuf *dp_ghost_frame(const struct dp_ghost *g);
/* What was kept for the next trace goes. */
void dp_trace_forget(struct dp *dp);
/* trace_cost.c */
void dp_ghost_measure(struct dp_ghost *g);

#endif
