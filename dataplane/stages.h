/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What stands between a port's edge and the switch, in its order.  Each part is optional and hangs
 * on the port's 'struct dp_vport'; a port that has none of them pays one test a burst.
 *
 * 	ingress  admitted ─► mirror ─► flow records ─► guards ─► marks ─► filters
 * 		 ─► access lists ─► classify, look up
 * 	egress   gathered ─► access lists ─► on the worker that sends ─► filters ─► marks ─► shaper
 * 		 ─► mirror ─► capture, driver
 *
 * Where a switch has rules, the ingress lists of a port without sessions are no stage: they are
 * composed into the programs of flows (acl.h).
 *
 * Workers.
 */
#ifndef DATAPLANE_STAGES_H
#define DATAPLANE_STAGES_H

#include "dataplane/filter.h"

/* Bits of dp_vport.on_ingress and on_egress. */
#define DP_ON_MIRROR  (1u << 0)
#define DP_ON_FLOWREC (1u << 1)
#define DP_ON_GUARD   (1u << 2) /* ingress */
#define DP_ON_FILTER  (1u << 3)
#define DP_ON_SHAPER  (1u << 4) /* egress */
#define DP_ON_MARK    (1u << 5)
#define DP_ON_ACL     (1u << 6)

/* Sets them as the rest of it says.  Control thread; dp_view_publish() does it. */
void dp_stages_of(struct dp_vport *vp);

/* Carries an admitted burst, at most DP_BURST, through what in->on_ingress says; 'next' gets what
 * is left.  Takes the frames. */
void dp_stages_ingress(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
		       uint16_t n, dp_filter_next_fn next);

/* The same with what was counted as offered at 'out', whose transmit queue is this worker's, at
 * most DP_TX_GATHER: what is not kept or dropped goes to dp_tx_send(). */
void dp_stages_egress(struct dp_worker *w, const struct dp_vport *out, struct rte_mbuf **pkts,
		      uint16_t n);

#endif
