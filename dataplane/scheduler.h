/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A packet scheduler: a tree of classes that queue packets and say when each may go.  Knows bytes
 * and time, no ports and no workers: one thread at a time, its clock is the caller's.
 *
 * 	root (the link's rate) ─┬─ tenant blue (min 2 Gbit/s, max 5) ─┬─ leaf web1 (weight 1)
 * 	                        │                                     └─ leaf web2 (weight 3)
 * 	                        ├─ tenant red ...
 * 	                        └─ leaf "priority" (before all others, at most 100 Mbit/s)
 *
 * Each class has a guaranteed rate or a weight, a maximum, a burst.  What a class does not use is
 * shared by its siblings in proportion (work-conserving).  A leaf keeps packets in order; its queue
 * is short: CoDel (RFC 8289) marks ECN-capable packets and drops others that waited too long, with
 * hard limits in bytes and packets.  A strict-priority leaf goes first within its own maximum, so
 * its latency is bounded by one packet of the others.
 *
 * Cost: enqueue and dequeue are O(depth), a tree that waits for its time costs nothing:
 * dp_sched_next() says when, and whoever has many keeps them in a wheel (shape.c).
 */
#ifndef DATAPLANE_SCHEDULER_H
#define DATAPLANE_SCHEDULER_H

#include <stdbool.h>
#include <stdint.h>

struct dp_sched;
struct rte_mbuf;

#define DP_SCHED_NO_CLASS  UINT16_MAX
#define DP_SCHED_MAX_CLASS 8192
#define DP_SCHED_DEPTH	   4
#define DP_SCHED_NEVER	   UINT64_MAX

struct dp_sched_class {
	uint16_t parent; /* DP_SCHED_NO_CLASS: the root; parents stand before their children */
	bool leaf;
	bool strict;	  /* a leaf that goes before its siblings; needs max_bps */
	uint32_t weight;  /* share of what is left when guarantees are met; 1 to 65535 */
	uint64_t min_bps; /* guaranteed; 0: none */
	uint64_t max_bps; /* 0: its parent's */
	uint32_t burst;	  /* bytes that may go at once above max_bps; 0: what a millisecond holds */
	uint32_t target_us; /* CoDel's; 0: 5000.  Leaves */
	uint32_t limit;	    /* packets that may wait; 0: 1000.  Leaves */
	uint32_t overhead;  /* bytes a packet has on the wire besides; 24: Ethernet's */
};

/* Of a class, since it was made. */
struct dp_sched_counts {
	uint64_t packets, bytes;    /* that went */
	uint64_t dropped, overflow; /* by CoDel; its queue was full */
	uint64_t marked;	    /* ECN */
	uint64_t delay_ns;	    /* sum over 'packets' */
	uint64_t delay_max_ns;
	uint32_t waiting, waiting_bytes;
};

/* 'classes' are copied; class i is known by i.  'rate_bps': the root's; 0: none of its own.
 * 'tsc_hz': what time is counted in below.  -EINVAL with the reason when they are no tree, or
 * guarantee more than their parent has; -ENOMEM.  Control thread. */
struct err;
int dp_sched_create(const struct dp_sched_class *classes, uint16_t n, uint64_t rate_bps,
		    uint64_t tsc_hz, struct dp_sched **ret_sched, struct err *err);
/* Empty, or its packets are the caller's by dp_sched_empty().  Takes NULL. */
void dp_sched_destroy(struct dp_sched *sched);

/* Queues 'm' at a leaf.  False: it is full, 'm' stays the caller's. */
bool dp_sched_put(struct dp_sched *sched, uint16_t leaf, struct rte_mbuf *m, uint64_t now);
/* What may go now, at most 'max'; in 'ret_dropped' (room for 'max') what CoDel gave up meanwhile.
 * Both are the caller's then. */
uint16_t dp_sched_get(struct dp_sched *sched, uint64_t now, struct rte_mbuf **ret_pkts,
		      uint16_t max, struct rte_mbuf **ret_dropped, uint16_t *ret_n_dropped);
/* When the next may go, given what is queued: 'now' or earlier: now; DP_SCHED_NEVER: it is empty.
 */
uint64_t dp_sched_next(const struct dp_sched *sched, uint64_t now);
/* Takes out what waits, in any order; at most 'max', returns how many. */
uint16_t dp_sched_empty(struct dp_sched *sched, struct rte_mbuf **ret_pkts, uint16_t max);
/* Another thread may read; of one moment each. */
void dp_sched_read(const struct dp_sched *sched, uint16_t cls, struct dp_sched_counts *ret_counts);

#endif
