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

/* Sources that the table confirmed a moment ago, all on one VLAN behind one port.  Written by the
 * worker that has the queue; two sets of a place each, the newer first. */
#define DP_VMQ_KNOWN 1024u
struct dp_vmq_known {
	uint64_t of;	/* where they are, and behind which port */
	uint64_t until; /* clock */
	uint16_t generation;
	uint64_t at[2 * DP_VMQ_KNOWN]; /* address in the upper 48 bits, generation */
};

struct dp_vmq_queue {
	/* Who receives for the uplink reads these for each of its bursts. */
	struct dp_vmq *vmq;
	struct rte_ring *ring;	/* NULL: a queue of the device */
	struct dp_rxq *rxq;	/* 'own', or the device's */
	_Atomic uint32_t limit; /* frames that may wait */
	/* And writes these. */
	_Alignas(64) _Atomic uint64_t direct, dropped;
	/* Its worker took frames out of the ring and is not through with them. */
	_Alignas(64) _Atomic bool busy;
	struct dp_rxq own;
	struct dp_vmq_known known;
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

/* vmq_fast.c: 'known' is of this port and these, and of now. */
void dp_vmq_known_begin(struct dp_worker *w, struct dp_vmq_known *known, const struct dp_vport *in,
			uint32_t where);
/* Does the table say that 'src' is there?  Remembers it. */
bool dp_vmq_known_ask(struct dp_worker *w, struct dp_vmq_known *known, const struct dp_vport *in,
		      uint64_t src, uint32_t where);

/* 'src': the address in the upper 48 bits.  Who knows this multiplier can make places collide, and
 * gets the look-ups of the general way. */
static inline uint64_t *dp_vmq_known_at(struct dp_vmq_known *known, uint64_t src)
{
	uint64_t i = src * UINT64_C(0x9e3779b97f4a7c15) >> 32;

	return &known->at[2 * (i % DP_VMQ_KNOWN)];
}

static inline bool dp_vmq_is_known(struct dp_vmq_known *known, uint64_t src)
{
	const uint64_t *at = dp_vmq_known_at(known, src);
	uint64_t want = src | known->generation;

	return (at[0] == want) | (at[1] == want);
}

/* Carries a burst that is as a queue of one NIC expects it, on ports that have nothing on them.
 * False: nothing was done. */
bool dp_vmq_fast(struct dp_worker *w, const struct dp_vport *in, struct dp_vmq_known *known,
		 struct rte_mbuf **pkts, uint16_t n);

/* l2.c: as dp_l2_burst(), where most frames are expected to be for one machine. */
void dp_l2_burst_to_one(struct dp_worker *w, const struct dp_vport *in, struct dp_vmq_known *known,
			struct rte_mbuf **pkts, uint16_t n);

#endif
