/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Filters on the way of a frame: a port's chain in each direction, run on whole bursts.  What a
 * filter is belongs to who hangs chains on ports (filters/); here its verdicts are carried out.
 *
 * 	ingress  admitted (edge.h) ─► chain ─► classify, look up
 * 	egress   gathered (tx.c) ─► on the worker that sends ─► chain ─► captures, driver
 *
 * A chain hangs on the port's 'struct dp_vport' and comes and goes with the view.  A port without
 * one pays a test a burst.
 *
 * In the ledger: what a chain drops is a drop of the port (filter-drop and others below); what it
 * sends back or elsewhere is forwarded; a super-frame that is cut for it counts its pieces as
 * copies.
 *
 * Workers.
 */
#ifndef DATAPLANE_FILTER_H
#define DATAPLANE_FILTER_H

#include "dataplane/drop.h"
#include "dataplane/port.h"

#include <stdbool.h>
#include <stdint.h>

struct dp_filter_chain; /* filters/chain.h */
struct dp_vport;
struct dp_worker;
struct rte_mempool;

enum dp_filter_side { DP_FILTER_INGRESS, DP_FILTER_EGRESS, DP_N_FILTER_SIDES };

enum dp_filter_fate_kind {
	DP_FATE_PASS,
	DP_FATE_DROP,  /* 'reason' */
	DP_FATE_PORTS, /* out by the ports in 'ports'; ingress only */
	DP_FATE_GONE,  /* freed by the chain, for 'reason' */
};

#define DP_FILTER_MAX_FRAMES 64 /* of a burst; DP_TX_GATHER, DP_BURST */
#define DP_FILTER_MAX_OUT    256

struct dp_filter_fate {
	uint8_t kind;	/* enum dp_filter_fate_kind */
	uint8_t reason; /* enum dp_drop */
	uint8_t n_out;	/* DP_FATE_PORTS: so many of out[], from 'first_out' on, each a port's id */
	uint8_t unused;
	uint16_t first_out;
};

/* A burst on its way through a chain. */
struct dp_filter_burst {
	struct dp_worker *w;
	uint16_t worker;	   /* its index */
	const struct dp_vport *vp; /* whose chain it is */
	enum dp_filter_side side;
	uint64_t now; /* clock of the burst, in cycles */
	struct rte_mempool *pool;
	struct rte_mbuf **pkts; /* the chain may put others in their places */
	uint16_t n;
	uint16_t n_out;
	struct dp_filter_fate fates[DP_FILTER_MAX_FRAMES]; /* PASS at first */
	uint16_t out[DP_FILTER_MAX_OUT];
};

/* Runs a chain.  False: all frames pass, and fates were not written.  Frames that a chain may write
 * to (dp_filter_chain_head.writes) come with their checksums filled in and their segmentation done.
 */
typedef bool (*dp_filter_fn)(struct dp_filter_chain *chain, struct dp_filter_burst *burst);

/* How a chain begins; the rest is its maker's. */
struct dp_filter_chain_head {
	dp_filter_fn run;
	bool writes; /* changes frames, or may */
};

/* Carries an admitted ingress burst through in's chain; what passes goes to 'next' in bursts of at
 * most DP_BURST, in order.  Takes the frames. */
typedef void (*dp_filter_next_fn)(struct dp_worker *w, const struct dp_vport *in,
				  struct rte_mbuf **pkts, uint16_t n);
void dp_filter_ingress(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
		       uint16_t n, dp_filter_next_fn next);
/* Carries a burst that leaves by 'out' through its chain; 'pkts' has room for DP_TX_GATHER.
 * Returns how many go on.  The others were dropped, counted.  Super-frames that the chain may write
 * to are not cut here: see tx.c. */
uint16_t dp_filter_egress(struct dp_worker *w, const struct dp_vport *out, struct rte_mbuf **pkts,
			  uint16_t n);

#endif
