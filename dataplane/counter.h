/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The ledger.  Every frame has a fate, and both halves of a port balance at every read:
 *
 * 	ingress   rx + copies         = forwarded + punted + sum(drops_rx) + held_rx
 * 	egress    offered + segments  = tx + sum(drops_tx) + held_tx
 * 	switch    sum(forwarded)      = sum(offered) + handed off and not yet taken
 *
 * 'copies' are the extra frames that flooding, rules and controllers make, 'punted' those that
 * controllers got, 'segments' the extra frames that software segmentation makes.  'held' are
 * fragments that wait for the rest of their packet (frag.h): these go down again, on another worker
 * perhaps, so a worker's own share is right only in the sum.
 *
 * Each worker owns two sets of counters and writes one of them with plain stores.  A reader
 * (control thread only) asks each worker to change sets at its next quiescent point, then reads the
 * set left behind at leisure and adds it to the totals: the snapshot is exact, and the packet path
 * pays nothing for it.
 */
#ifndef DATAPLANE_COUNTER_H
#define DATAPLANE_COUNTER_H

#include "dataplane/drop.h"

#include <stdint.h>

struct dp_count {
	uint64_t rx_packets;
	uint64_t rx_bytes;
	uint64_t copies;
	uint64_t forwarded;
	uint64_t offered;
	uint64_t segments;
	uint64_t tx_packets;
	uint64_t tx_bytes;
	uint64_t rx_multicast;	   /* of rx_packets: group addresses, broadcast included */
	uint64_t flooded;	   /* of forwarded: by flooding */
	uint64_t punted;	   /* copied for controllers (punt.h) */
	uint64_t held_rx, held_tx; /* now */
	uint64_t drops_rx[DP_N_DROPS];
	uint64_t drops_tx[DP_N_DROPS];
};

/* Per tenant on a switch (struct dp_domain): what its machines sent, and what came for it by an
 * uplink it shares. */
struct dp_domain_count {
	uint64_t rx_packets;
	uint64_t rx_bytes;
	uint64_t
		flows_refused; /* not cached, for the tenant had its share (dp_domain.flow_limit) */
};

#endif
