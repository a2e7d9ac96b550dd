/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Flow records: who spoke with whom, how much, and what was dropped why.  A worker adds up the
 * flows of ports whose switch or tenant exports them in a table of its own; the control thread
 * collects what ended, and what lasts at each active timeout, and exports it (IPFIX, RFC 7011;
 * biflows, RFC 5103).  sFlow (version 5) takes one frame of N, with its head, and ports' counters.
 *
 * Nothing here may slow or drop a frame: a table or queue that is full is counted as missed.
 */
#ifndef DATAPLANE_FLOWREC_H
#define DATAPLANE_FLOWREC_H

#include "dataplane/drop.h"

#include <stdint.h>

struct dp_flowrec; /* the observation domain of a port: in->flowrec */
struct dp_vport;
struct dp_worker;
struct rte_mbuf;

/* Workers.  Borrow the frames. */
void dp_flowrec_ingress(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
			uint16_t n);
/* They came in by 'in' and are dropped. */
void dp_flowrec_dropped(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
			uint16_t n, enum dp_drop reason);

#endif
