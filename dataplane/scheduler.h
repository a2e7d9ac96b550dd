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
 * At each node, of those children that have something to send and are below their maximum:
 *
 * 	1. strict leaves
 * 	2. who is behind its guarantee (min_bps), the longest behind first
 * 	3. the others in proportion to their weights; what is sent for a guarantee does not count
 *
 * So nothing is left unused that anybody may use, and a strict leaf waits for one packet of the
 * others at most.  A maximum is exact over time also when the caller comes late: a class that
 * waited for its time makes up for it.  A leaf keeps packets in order; its queue is short: CoDel
 * (RFC 8289) marks ECN-capable packets and drops others that waited too long, with hard limits in
 * bytes and packets.
 *
 * A packet counts with what it takes on the wire: a super-frame with the headers of each of its
 * segments, and 'overhead' for each.
 *
 * Cost: enqueue and dequeue are O(depth * log(siblings)), a tree that waits for its time costs
 * nothing: dp_sched_next() says when, and whoever has many keeps them in a wheel (shape.c).  A
 * class takes some 300 bytes and a packet that waits none: it is linked through its own buffer, by
 * a dynamic field that also says since when it waits.
 */
#ifndef DATAPLANE_SCHEDULER_H
#define DATAPLANE_SCHEDULER_H

#include <stdbool.h>
#include <stdint.h>

struct dp_sched;
struct err;
struct rte_mbuf;

#define DP_SCHED_NO_CLASS  UINT16_MAX
#define DP_SCHED_MAX_CLASS 8192
#define DP_SCHED_DEPTH	   4 /* with the root */
#define DP_SCHED_NEVER	   UINT64_MAX
#define DP_SCHED_MAX_BPS   UINT64_C(1000000000000)

struct dp_sched_class {
	uint16_t parent; /* DP_SCHED_NO_CLASS: the root; parents stand before their children */
	bool leaf;
	bool strict;	  /* a leaf that goes before its siblings; needs max_bps */
	uint32_t weight;  /* share of what is left when guarantees are met; 0: 1; to 65535 */
	uint64_t min_bps; /* guaranteed; 0: what its children are guaranteed */
	uint64_t max_bps; /* 0: its parent's; at least 1000 */
	/* Bytes that may go at once above max_bps, besides a packet; 0: what a millisecond holds.
	 */
	uint32_t burst;
	/* Leaves: */
	uint32_t target_us;   /* CoDel's; 0: 5000, or the time of 1.5 packets of 1514 bytes */
	uint32_t limit;	      /* packets that may wait; 0: 1000 */
	uint32_t limit_bytes; /* 0: what 100 ms hold at its maximum, 32 KB at least */
	uint32_t overhead;    /* bytes a packet has on the wire besides; Ethernet: 24 */
	bool drops_ecn;	      /* CoDel drops also those that it could mark */
};

/* Of a class, since it was made.  Inner classes count what goes through them. */
struct dp_sched_counts {
	uint64_t packets, bytes;    /* that went; bytes of frames, without overhead */
	uint64_t dropped, overflow; /* by CoDel; its queue was full */
	uint64_t marked;	    /* ECN */
	uint64_t delay_ns;	    /* sum over 'packets' */
	uint64_t delay_max_ns;
	uint32_t waiting, waiting_bytes;
};

/* 'classes' are copied; class i is known by i.  Of 'root' max_bps (0: no limit) and burst
 * count.  'tsc_hz': what time is counted in below.  -EINVAL with the reason when they are no tree,
 * or guarantee more than their parent has (a strict leaf's maximum is guaranteed); -ENOMEM, also
 * when packet buffers have no room for the field.  Control thread. */
int dp_sched_create(const struct dp_sched_class *root, const struct dp_sched_class *classes,
		    uint16_t n, uint64_t tsc_hz, struct dp_sched **ret_sched, struct err *err);
/* Empty, or its packets are the caller's by dp_sched_empty().  Takes NULL. */
void dp_sched_destroy(struct dp_sched *sched);

/* Class 'cls' of 'sched' goes on as 'old_cls' of 'old' was: its counters, what it may send when,
 * and, both being leaves, its queue.  'sched' has sent nothing yet. */
void dp_sched_adopt(struct dp_sched *sched, uint16_t cls, struct dp_sched *old, uint16_t old_cls,
		    uint64_t now);
/* The same with the root. */
void dp_sched_adopt_root(struct dp_sched *sched, struct dp_sched *old, uint64_t now);

/* Queues 'm' at a leaf; takes it.  False: it is full, 'm' stays the caller's. */
bool dp_sched_put(struct dp_sched *sched, uint16_t leaf, struct rte_mbuf *m, uint64_t now);
/* What may go now, at most 'max'; in 'ret_dropped' (room for 'max') what CoDel gave up meanwhile.
 * Both are the caller's then.  Fewer than 'max' of both: there is no more now. */
uint16_t dp_sched_get(struct dp_sched *sched, uint64_t now, struct rte_mbuf **ret_pkts,
		      uint16_t max, struct rte_mbuf **ret_dropped, uint16_t *ret_n_dropped);
/* When the next may go, given what is queued: 'now' or earlier: now; DP_SCHED_NEVER: it is empty.
 * Perhaps a little early. */
uint64_t dp_sched_next(const struct dp_sched *sched, uint64_t now);
/* Would dp_sched_put() refuse a packet for this leaf? */
bool dp_sched_is_full(const struct dp_sched *sched, uint16_t leaf);
/* The most bytes that take a leaf no longer than a millisecond at its maximum: a longer packet
 * holds up others, whoever can cut it had better do so. */
uint32_t dp_sched_whole(const struct dp_sched *sched, uint16_t leaf);
/* How many packets wait in all. */
uint32_t dp_sched_waiting(const struct dp_sched *sched);
/* Takes out what waits, in any order, that of a leaf in its own; at most 'max', returns how many.
 */
uint16_t dp_sched_empty(struct dp_sched *sched, struct rte_mbuf **ret_pkts, uint16_t max);
/* The same of one leaf; of an inner class there is nothing. */
uint16_t dp_sched_empty_leaf(struct dp_sched *sched, uint16_t leaf, struct rte_mbuf **ret_pkts,
			     uint16_t max);
/* Another thread may read; of one moment each. */
void dp_sched_read(const struct dp_sched *sched, uint16_t cls, struct dp_sched_counts *ret_counts);

#endif
