/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Bandwidth of ports.  Egress: a port with a shaper queues what leaves it and sends at the rates
 * that its classes say (scheduler.h).  Ingress: a port's rate is a pace, at which its queues are
 * polled; nothing is dropped or queued by us, the sender's ring stays full and it waits (tap,
 * vhost, vmbus, memif), or its NIC drops (phys).
 *
 * A shaper belongs to one worker at a time, the one that sends for the port; others hand their
 * frames to it.  That worker looks at its shapers between bursts (dp_shape_run()), which wait in a
 * wheel by when they may send next; with nothing queued they cost nothing, and a worker that has
 * queued frames sleeps no longer than until the next may go.
 *
 * What waits counts as held_tx in the ledger.  When a shaper goes, or passes to another worker,
 * what it holds goes with it or is counted as dropped (port-removed).
 */
#ifndef DATAPLANE_SHAPE_H
#define DATAPLANE_SHAPE_H

#include <stdint.h>

struct dp_shaper; /* vp->shaper */
struct dp_vport;
struct dp_worker;
struct rte_mbuf;

/* Workers.  Queues frames that leave by 'out', and sends what may go now.  Takes them. */
void dp_shape_send(struct dp_worker *w, const struct dp_vport *out, struct rte_mbuf **pkts,
		   uint16_t n);
/* Sends what may go now by this worker's shapers; returns how many frames. */
unsigned dp_shape_run(struct dp_worker *w, uint64_t now_tsc);

#endif
