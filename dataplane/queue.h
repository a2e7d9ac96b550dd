/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Queues of a port: what rules choose with set_queue (OpenFlow 1.3.5, 5.12 and 7.2.2).
 *
 * 	set_queue ─► a mark in the packet buffer ─► outputs, copies, other workers ─► the leaf of
 * 	the port's shaper that the mark names (shape.h) ─► tx.c: its port's queue of that number
 * 	counts it
 *
 * A frame without a mark is in no queue, and a number that its port does not have is no mark: it
 * leaves as any other.  So ports without queues, and frames of rules without set_queue, pay
 * nothing: the mark is a bit of the flags that transmit looks at anyway.
 *
 * Rates are the shaper's: what is over a queue's waits there, and is dropped there when it waits
 * too long.  A queue here counts what went.
 *
 * A queue is immutable but for its counters; one of another rate takes its place and
 * goes on with its counters.  Queues are counted references: views and who configures hold them.
 * Control thread, but for what is said to be workers'.
 */
#ifndef DATAPLANE_QUEUE_H
#define DATAPLANE_QUEUE_H

#include "dataplane/port.h"

#include <stdint.h>

#define DP_MAX_PORT_QUEUES 64
#define DP_QUEUE_NONE	   UINT32_MAX /* no queue has this number (OFPQ_ALL) */

/* The bit of an mbuf's flags that says that 'hash.sched.queue_id' is set: the highest of those that
 * DPDK leaves to applications, reserved by dp_queue_init(). */
#define DP_QUEUE_BIT  40
#define DP_QUEUE_MARK (UINT64_C(1) << DP_QUEUE_BIT)

struct dp_queue_spec {
	uint32_t id;	  /* not DP_QUEUE_NONE */
	uint64_t max_bps; /* 0: no limit; else at least 1000 */
	uint64_t min_bps; /* guaranteed, where the port's rate is known; 0: none */
};

struct dp_queue_counts {
	uint64_t packets, bytes; /* that went */
};

struct dp_queue;

/* Those of a port, in the order of their numbers. */
struct dp_port_queues {
	uint16_t n;
	struct dp_queue *v[];
};

/* Once a process, after EAL.  0, or -EBUSY: somebody else has the bit. */
int dp_queue_init(void);

/* With the counters of 'before' (NULL: from zero).  NULL without memory; the caller gets the first
 * reference. */
struct dp_queue *dp_queue_create(const struct dp_queue_spec *spec, const struct dp_queue *before);
struct dp_queue *dp_queue_ref(struct dp_queue *queue);
/* The last reference frees: no worker may hold it.  Takes NULL. */
void dp_queue_unref(struct dp_queue *queue);
const struct dp_queue_spec *dp_queue_spec(const struct dp_queue *queue);
/* All workers' since it was made; of one moment each. */
void dp_queue_read(const struct dp_queue *queue, struct dp_queue_counts *ret_counts);

/* The queue of this number; NULL: there is none.  'queues' may be NULL.  Any thread. */
struct dp_queue *dp_queue_find(const struct dp_port_queues *queues, uint32_t id);

/* Workers.  'm' goes by this queue of whatever port it leaves by, until it is marked anew. */
static inline void dp_queue_mark(struct rte_mbuf *m, uint32_t id)
{
	/* The device's hash is in the same place. */
	m->ol_flags = (m->ol_flags & ~(uint64_t)RTE_MBUF_F_RX_RSS_HASH) | DP_QUEUE_MARK;
	m->hash.sched.queue_id = id;
}

/* Workers: marked frames leave by 'vp'.  Counts them, and takes the marks off. */
void dp_queue_count(struct dp_worker *w, const struct dp_vport *vp, struct rte_mbuf **pkts,
		    uint16_t n);

#endif
