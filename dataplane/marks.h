/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Marks of frames: what a port makes of DSCP on the way in, and of the priority in VLAN tags on the
 * way out.  ECN's bits (RFC 3168) are left as they are, checksums are kept right.  A frame that has
 * no such field, or is cut off before it, passes as it is.
 *
 * Workers.  Source: RFC 2474; IEEE 802.1Q-2018 9.6.
 */
#ifndef DATAPLANE_MARKS_H
#define DATAPLANE_MARKS_H

#include <stdint.h>

struct dp_vport;
struct dp_worker;
struct rte_mbuf;

enum dp_mark_by {
	DP_MARK_KEEP,
	DP_MARK_VALUE,
	DP_MARK_OTHER, /* DSCP: eight times the outer tag's priority; priority: DSCP / 8 */
};

/* vp->marks; immutable. */
struct dp_marks {
	uint8_t dscp_by, dscp; /* enum dp_mark_by; of what comes in */
	uint8_t pcp_by, pcp;   /* of what leaves with a tag */
};

/* A burst that came in by 'in'.  What is left is the first 'return value' of 'pkts': a frame for
 * whose copy there is no buffer is dropped (no-mbuf). */
uint16_t dp_marks_ingress(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
			  uint16_t n);
/* The same with a burst that leaves by 'out' and was counted as offered. */
uint16_t dp_marks_egress(struct dp_worker *w, const struct dp_vport *out, struct rte_mbuf **pkts,
			 uint16_t n);

#endif
