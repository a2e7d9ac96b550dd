/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The pace of a port: how fast its receive queues are polled.  A port with a pace has a moment up
 * to which what was taken from it is paid for at its rate, one word that all workers who poll its
 * queues move on.  While that lies in the future the port is in debt and is not polled: nothing is
 * dropped or kept here, the sender's ring stays full and it waits (vhost, vmbus, memif), or its
 * device drops (a NIC, a tap, a packet socket).
 *
 * A burst is paid for after it was taken, so a poll takes few frames at a low rate and debts stay
 * short; over time exactly the rate goes through.  A port that took less has credit for as long as
 * its burst lasts, which is also what makes up for a worker that came late.
 *
 * Queues of one port take turns: those that found the port in debt are served in the order of their
 * numbers, so that one that is never empty does not keep others waiting.  A turn that nobody takes
 * within a millisecond is everybody's.
 *
 * A pace is immutable but for its moment, turns and counters; one of another rate takes its place
 * and goes on with its counters.  Counted references, of the control thread.
 */
#ifndef DATAPLANE_PACE_H
#define DATAPLANE_PACE_H

#include <stdbool.h>
#include <stdint.h>

struct dp_pace;
struct rte_mbuf;

struct dp_pace_spec {
	uint64_t bps;	/* on the wire, not 0 */
	uint32_t burst; /* bytes; 0: five milliseconds' worth */
};

/* Of all queues; of one moment each. */
struct dp_pace_counts {
	uint64_t packets; /* of the wire: a super-frame counts as its segments */
	uint64_t bytes;	  /* of the wire, with what Ethernet adds */
	uint64_t holds;	  /* how often a poll was put off that would have been made */
};

/* With the counters of 'before' (NULL: from zero).  NULL without memory; the caller gets the first
 * reference. */
struct dp_pace *dp_pace_create(const struct dp_pace_spec *spec, const struct dp_pace *before,
			       uint64_t tsc_hz);
struct dp_pace *dp_pace_ref(struct dp_pace *pace);
/* The last reference frees: no worker may hold it.  Takes NULL. */
void dp_pace_unref(struct dp_pace *pace);
const struct dp_pace_spec *dp_pace_spec(const struct dp_pace *pace);
void dp_pace_read(const struct dp_pace *pace, struct dp_pace_counts *ret_counts);

/* ---- Workers ---- */

/* How many frames may be taken from queue 'queue' now; 0: none before dp_pace_due(). */
uint16_t dp_pace_allows(struct dp_pace *pace, uint16_t queue, uint64_t now);
/* They were.  Borrows them. */
void dp_pace_took(struct dp_pace *pace, struct rte_mbuf *const *pkts, uint16_t n, uint64_t now);
/* When a queue that was refused at 'now' should ask again. */
uint64_t dp_pace_due(const struct dp_pace *pace, uint64_t now);

#endif
