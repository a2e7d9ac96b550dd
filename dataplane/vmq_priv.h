/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What vmq.c (control thread) and vmq_rx.c (workers) share.  dataplane/ only.
 */
#ifndef DATAPLANE_VMQ_PRIV_H
#define DATAPLANE_VMQ_PRIV_H

#include "dataplane/vmq.h"

#include <sys/queue.h>

#include "dataplane/dp_priv.h"

#define VMQ_KEY_VID 48 /* a key: the MAC as in the table, and the VID above it */

/* Sources that were found in the table a moment ago (l2.c).  The worker's that has the queue. */
#define DP_L2_KNOWN 16
struct dp_l2_known {
	struct {
		uint64_t mac;
		uint64_t until; /* clock */
		uint32_t where;
	} at[DP_L2_KNOWN];
};

struct dp_vmq_queue {
	struct dp_vmq *vmq;
	struct rte_ring *ring; /* NULL: a queue of the device */
	struct dp_rxq *rxq;    /* 'own', or the device's */
	/* Its worker took frames out of the ring and is not through with them. */
	_Atomic bool busy;
	_Atomic uint32_t limit; /* frames that may wait */
	_Atomic uint64_t direct, dropped;
	struct dp_l2_known known;
	struct dp_rxq own;
};

struct dp_vmq {
	struct dp *dp;
	struct dp_port *port; /* NULL: it is gone */
	struct dp_vmq_spec spec;
	/* Workers that receive for it go on themselves as soon as its rings are empty. */
	_Atomic bool closing;
	/* Its rings take nothing more. */
	_Atomic bool refuses;
	LIST_ENTRY(dp_vmq) in_dp;
	struct dp_vmq_queue *queues[DP_VMQ_MAX_QUEUES];
};

/* Which NIC a frame is for.  Immutable; replaced by RCU. */
struct dp_vmq_table {
	uint64_t secret; /* odd */
	uint32_t shift, mask;
	uint16_t n;
	struct {
		uint64_t key; /* 0: free */
		struct dp_vmq *vmq;
	} at[];
};

static inline struct dp_vmq *dp_vmq_find(const struct dp_vmq_table *table, uint64_t key)
{
	uint32_t i = (uint32_t)(key * table->secret >> table->shift);

	while (table->at[i].key != 0) {
		if (table->at[i].key == key)
			return table->at[i].vmq;
		i = (i + 1) & table->mask;
	}
	return NULL;
}

/* vmq.c: as dp_vmq_add(), but its rings have no worker yet: what comes for it waits in them until
 * dp_vmq_place().  The device's queues stay where they are. */
int dp_vmq_add_held(struct dp *dp, const struct dp_vmq_spec *spec, struct dp_vmq **ret_vmq,
		    struct err *err);
void dp_vmq_place(struct dp_vmq *vmq);

/* vmq_rx.c: the driver's part of a queue that is a ring. */
uint16_t dp_vmq_rx(struct dp_rxq *q, struct rte_mbuf **pkts, uint16_t n);

/* l2.c: as dp_l2_burst(), where most frames are expected to be for one machine. */
void dp_l2_burst_to_one(struct dp_worker *w, const struct dp_vport *in, struct dp_l2_known *known,
			struct rte_mbuf **pkts, uint16_t n);

#endif
