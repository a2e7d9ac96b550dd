/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Bandwidth of ports.  Egress: a port with a shaper queues what leaves it and sends at the rates
 * that its classes say (scheduler.h).  Ingress: a port's rate is a pace, at which its queues are
 * polled (pace.h); nothing is dropped or queued by us, the sender's ring stays full and it waits
 * (vhost, vmbus, memif), or its device drops (a NIC, a tap, a packet socket).
 *
 * A shaper belongs to one worker at a time, the one that sends for the port; others hand their
 * frames to it.  That worker looks at its shapers between bursts (dp_shape_run()), which wait in a
 * wheel by when they may send next; with nothing queued they cost nothing, and a worker that has
 * queued frames sleeps no longer than until the next may go.
 *
 * Which leaf takes a frame:
 *
 * 	marked by set_queue (queue.h), and 'queues' names the mark ───────► that leaf
 * 	else  group  = group_of_port[port by which it came in], or 0
 * 	      tc     = tc_of_dscp, or tc_of_pcp of its outer tag, or 'tc'
 * 	      groups[group].leaf[tc] ─────────────────────────────────────► that leaf
 *
 * Ports that share a rate (a tenant's) have one shaper together, so that shares are exact whichever
 * of them is busy; it is of one worker, as each is.  Its spec has 'outs': of each port its groups,
 * and how it reads marks.
 *
 * What waits counts as held_tx in the ledger.  It stays within a part of the packet buffers, of
 * which a port gets as much again as is left: one that is not emptied takes none from the others.
 *
 * Life: created when a port first needs it, hung on the port's vport in every view from then on.
 * What it does is changed in two steps, so that a change that fails leaves no trace:
 * dp_shaper_prepare(), then dp_shaper_commit() or dp_shaper_abort().  Classes are known by their
 * keys: queue, clock and counters of one that is a leaf in both go on; what waited in others is
 * dropped (port-removed).  A view that no longer has it makes its worker send what waits, as the
 * driver takes it, or drop it when the port is gone; then dp_shaper_destroy() counts the rest.
 */
#ifndef DATAPLANE_SHAPE_H
#define DATAPLANE_SHAPE_H

#include "dataplane/scheduler.h"

#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dp;
struct dp_shaper; /* vp->shaper */
struct dp_view;
struct dp_vport;
struct dp_worker;
struct rte_mbuf;

#define DP_SHAPE_TCS	    8u /* traffic classes */
#define DP_SHAPE_MAX_QUEUES 64u

/* Bits of dp_shape_spec.trust.  With both: DSCP, and of what is no IP packet the tag. */
#define DP_SHAPE_DSCP (1u << 0)
#define DP_SHAPE_PCP  (1u << 1)

struct dp_shape_group {
	uint16_t leaf[DP_SHAPE_TCS]; /* classes that are leaves */
};

struct dp_shape_queue {
	uint32_t id; /* of set_queue */
	uint16_t leaf;
	uint16_t out; /* the port that it is of, where several share; else 0 */
};

struct dp_shape_marks {
	uint8_t trust; /* DP_SHAPE_* */
	uint8_t tc;    /* of frames that say nothing */
	uint8_t tc_of_dscp[64], tc_of_pcp[8];
};

/* One of several ports that share. */
struct dp_shape_out {
	uint16_t port;
	uint16_t first_group; /* what group_of_port says is from here on */
	struct dp_shape_marks marks;
};

struct dp_shape_spec {
	struct dp_sched_class root; /* max_bps and burst of it */
	const struct dp_sched_class *classes;
	const uint64_t *keys; /* one a class, no two the same; 0: it is a new one each time */
	uint16_t n_classes;
	uint16_t n_groups; /* at least 1 */
	const struct dp_shape_group *groups;
	const uint16_t *group_of_port;	     /* [DP_MAX_PORTS]; NULL: all are of group 0 */
	const struct dp_shape_queue *queues; /* ascending by 'out', then by id */
	uint16_t n_queues;
	/* Ports that share; n_outs 0: it is one port's, which 'marks' are about.  A shaper is
	 * always the one or the other. */
	uint16_t n_outs;
	const struct dp_shape_out *outs;
	const uint16_t *out_of_port;   /* [DP_MAX_PORTS]: in 'outs' + 1; 0: it is none of them */
	const uint16_t *port_of_class; /* [n_classes]: whose leaf it is; DP_NO_PORT: an inner one */
	union {
		struct dp_shape_marks marks;
		struct {
			uint8_t trust, tc, tc_of_dscp[64], tc_of_pcp[8];
		};
	};
};
static_assert(offsetof(struct dp_shape_marks, tc_of_pcp) == 66, "the same in both");

/* 'spec' is copied.  0; -EINVAL with the reason when its classes are no tree that can be
 * (dp_sched_create()), or it leads to what is no leaf; -ENOMEM.  Control thread, as all that
 * follows. */
int dp_shaper_create(struct dp *dp, const struct dp_shape_spec *spec, struct dp_shaper **ret_shaper,
		     struct err *err);
/* No view has it any more; what waits is counted as dropped (port-removed).  Before
 * dp_port_count_reset() of its port, and before 'dp' goes.  Takes NULL. */
void dp_shaper_destroy(struct dp_shaper *shaper);

/* 'spec' is what it shall do: nothing changes before the commit.  Errors as of create; a second
 * call takes the place of the first. */
int dp_shaper_prepare(struct dp_shaper *shaper, const struct dp_shape_spec *spec, struct err *err);
void dp_shaper_abort(struct dp_shaper *shaper);
/* All shapers of 'dp' that are prepared change over, at one moment for the workers. */
void dp_shapers_commit(struct dp *dp);

/* Of ports that share, one goes: what waits for it is counted as dropped.  Before
 * dp_port_count_reset() of it; no view has it any more. */
void dp_shapers_port_gone(struct dp *dp, uint16_t port);

/* Of a class by its number in what runs. */
void dp_shaper_read(const struct dp_shaper *shaper, uint16_t cls,
		    struct dp_sched_counts *ret_counts);
/* The core that sends for it; -1: no worker yet. */
int dp_shaper_cpu(const struct dp_shaper *shaper);

/* ---- For dataplane/ ---- */

/* A view is about to be published: gives its shapers workers. */
void dp_shapers_place(struct dp *dp, const struct dp_view *view);
/* All workers stand still (dp_pause()), and have their new ranks: shapers, and frames on their way
 * to them, go to whom they are of now. */
void dp_shapers_rank(struct dp *dp);
int dp_shape_worker_create(struct dp *dp, struct dp_worker *w);
void dp_shape_worker_destroy(struct dp_worker *w);

/* ---- Workers ---- */

/* Which worker sends for the port; others hand over. */
struct dp_worker *dp_shape_owner(const struct dp_shaper *shaper);
/* Queues frames that leave by 'out', and sends what may go now.  Takes them.  The owner only. */
void dp_shape_send(struct dp_worker *w, const struct dp_vport *out, struct rte_mbuf **pkts,
		   uint16_t n);
/* Sends what may go now by this worker's shapers; returns how many frames. */
unsigned dp_shape_run(struct dp_worker *w, uint64_t now_tsc);
/* When dp_shape_run() has something to do; DP_SCHED_NEVER: nothing waits. */
uint64_t dp_shape_due(const struct dp_worker *w);

#endif
