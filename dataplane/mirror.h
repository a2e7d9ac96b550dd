/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Mirrors: copies of what passes a port, sent to another port, into a VLAN (RSPAN), or to an
 * address (ERSPAN).  What a copy costs is all that its source pays: one that cannot be made or sent
 * (no buffer, the rate's limit, the far port full) is counted at the mirror and nothing else
 * happens. A copy is never mirrored again.
 *
 * Ingress: as frames came in, once admitted, before guards and filters.  Egress: as they go to the
 * driver.  In the ledger copies are 'copies' of the port that was mirrored, forwarded to where they
 * go.
 */
#ifndef DATAPLANE_MIRROR_H
#define DATAPLANE_MIRROR_H

#include <stdint.h>

struct dp_mirrors; /* those that see a port in one direction */
struct dp_vport;
struct dp_worker;
struct rte_mbuf;

/* Workers.  Borrow the frames: vp->mirrors[DP_FILTER_INGRESS], [DP_FILTER_EGRESS]. */
void dp_mirror_ingress(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
		       uint16_t n);
void dp_mirror_egress(struct dp_worker *w, const struct dp_vport *out, struct rte_mbuf **pkts,
		      uint16_t n);

#endif
