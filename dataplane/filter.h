/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Filters on the way of a frame: a port's chain in each direction, run on whole bursts.  What a
 * filter is belongs to who hangs chains on ports (filters/); here its verdicts are carried out.
 *
 * 	ingress  captured, admitted (edge.h) ─► chain ─► classify, look up
 * 	egress   gathered (tx.c) ─► on the worker that sends ─► chain ─► capture, driver
 *
 * A chain hangs on the port's 'struct dp_vport' and comes and goes with the view.  A port without
 * one pays a test a burst.
 *
 * What a filter sends back or elsewhere is treated as if the switch had decided so: the frame is
 * classified as the filter left it, and tenant, VLAN and private VLAN have the last word
 * (dp_edge_may_leave()).  A frame that may not go there dies: filter-tenant, or filter-refused
 * where there is no such port.
 *
 * In the ledger: what a chain drops is a drop of the port; what it sends is forwarded, and copies
 * of it are 'copies'.  Chains that write get frames with their checksums filled in and super-frames
 * cut: the pieces count as 'copies' on ingress, as 'segments' on egress.
 *
 * A trace (trace.h) does not run chains: what it shows is the way of a frame that all of them let
 * pass, and it names them.
 *
 * Workers.
 */
#ifndef DATAPLANE_FILTER_H
#define DATAPLANE_FILTER_H

#include "dataplane/drop.h"
#include "dataplane/port.h"
#include "dataplane/tunnel_wire.h"

#include <stdbool.h>
#include <stdint.h>

struct dp_filter_chain; /* filters/chain.h */
struct dp_vport;
struct dp_worker;
struct rte_mempool;

enum dp_filter_side { DP_FILTER_INGRESS, DP_FILTER_EGRESS, DP_N_FILTER_SIDES };

enum dp_filter_kind {
	DP_FATE_PASS,
	DP_FATE_DROP,  /* 'reason' */
	DP_FATE_PORT,  /* out by 'port', which may be any number; ingress only */
	DP_FATE_PORTS, /* out by the ports that dp_filter_ops.targets() tells; ingress only */
};

#define DP_FILTER_MAX_FRAMES 64 /* of a burst; DP_TX_GATHER, DP_BURST */

struct dp_filter_fate {
	uint8_t kind;	/* enum dp_filter_kind */
	uint8_t reason; /* enum dp_drop */
	uint16_t port;
	uint32_t flags;	 /* the chain's own */
	const void *to;	 /* the same, for targets() */
	const void *way; /* not NULL: leave() runs on the way out by 'port' */
};

/* One of several ports that a frame goes out by. */
struct dp_filter_target {
	uint32_t port; /* any number */
	const void *way;
};
#define DP_FILTER_MAX_TARGETS 256

/* A burst on its way through a chain. */
struct dp_filter_burst {
	struct dp_worker *w;
	uint16_t worker; /* its index */
	uint16_t n;
	enum dp_filter_side side;
	bool finished;		   /* no frame asks for a checksum or segmentation */
	const struct dp_vport *vp; /* whose chain it is */
	uint64_t now;		   /* clock of the burst, in cycles */
	struct rte_mbuf **pkts;	   /* the chain may put others in their places */
	struct dp_filter_fate fates[DP_FILTER_MAX_FRAMES];
};

enum dp_filter_result {
	DP_FILTER_ALL_PASS, /* 'fates' was not written */
	DP_FILTER_DECIDED,  /* all of fates[0 .. n) were */
	DP_FILTER_FINISH,   /* nothing was done: the frames must be 'finished' first */
};

/* What hangs chains on ports provides; all on the worker, but for 'name'. */
struct dp_filter_ops {
	enum dp_filter_result (*run)(struct dp_filter_chain *chain, struct dp_filter_burst *burst);
	/* Where a frame with DP_FATE_PORTS goes; at most DP_FILTER_MAX_TARGETS. */
	uint32_t (*targets)(struct dp_filter_chain *chain, const struct dp_filter_burst *burst,
			    const struct dp_filter_fate *fate, struct dp_filter_target *ret);
	/* The frame leaves by 'port' with this 'way'; may put another in its place.  DP_N_DROPS:
	 * it goes on; else why it dies, which is the caller's to do. */
	enum dp_drop (*leave)(struct dp_filter_chain *chain, struct dp_filter_burst *burst,
			      struct rte_mbuf **m, uint16_t port, const void *way);
	/* A frame with this fate, or a copy of it, may not go where it was sent: it dies. */
	void (*refused)(struct dp_filter_chain *chain, const struct dp_filter_burst *burst,
			const struct dp_filter_fate *fate);
	/* Of the filters in their order; NULL behind the last.  Borrowed while the chain lives.
	 * Control thread. */
	const char *(*name)(const struct dp_filter_chain *chain, unsigned i);
};

/* How a chain begins; the rest is its maker's. */
struct dp_filter_chain_head {
	const struct dp_filter_ops *ops;
};

/* What goes on, in order, in bursts of at most DP_BURST on ingress and DP_TX_GATHER on egress.
 * Takes the frames. */
typedef void (*dp_filter_next_fn)(struct dp_worker *w, const struct dp_vport *vp,
				  struct rte_mbuf **pkts, uint16_t n);

/* Carries an admitted ingress burst through in's chain, at most DP_BURST.  Takes the frames. */
void dp_filter_ingress(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
		       uint16_t n, dp_filter_next_fn next);
/* Carries a burst that leaves by 'out' and was counted as offered through its chain, at most
 * DP_TX_GATHER.  Takes the frames. */
void dp_filter_egress(struct dp_worker *w, const struct dp_vport *out, struct rte_mbuf **pkts,
		      uint16_t n, dp_filter_next_fn next);

/* For chains.  Workers. */

/* Where copies of frames are made from: 2 KB segments. */
struct rte_mempool *dp_filter_pool(const struct dp_worker *w);
/* Largest packet, without its Ethernet header, that the port 'id' sends, and whether frames that
 * came in by 'vp' could go there at all; 0: no. */
uint32_t dp_filter_mtu(const struct dp_worker *w, const struct dp_vport *vp, uint32_t id);

/* What the switch knows of the way of an IP packet: the links of the VTEPs that frames from 'vp'
 * can reach, their gateways, neighbours and those's ports.  0; -ENETUNREACH: no VTEP has such a
 * route; -EHOSTUNREACH: nobody has told the next hop's MAC (it is asked for), or it lives behind no
 * port. */
struct dp_filter_hop {
	uint8_t dst[6], src[6];
	uint16_t port; /* behind which the next hop lives */
	uint16_t mtu;  /* of the link */
	struct dp_ip next;
};
int dp_filter_route(struct dp_worker *w, const struct dp_vport *vp, const struct dp_ip *to,
		    struct dp_filter_hop *ret_hop);

#endif
