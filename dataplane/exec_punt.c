/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See exec_priv.h: frames for controllers (punt.h).  They get what would be on a wire: checksums
 * that were left to the port are filled in first, and a super-frame is cut.  Workers.
 */
#include "dataplane/csum.h"
#include "dataplane/exec_priv.h"
#include "dataplane/gso.h"
#include "dataplane/punt_priv.h"

#include <string.h>

#define SEGMENTS (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)
#define REQUESTS (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IP_CKSUM | SEGMENTS)
#define MAX_CUT	 64

/* One frame, whose fate is counted here; it stays the caller's. */
static void put(struct dp_walk *k, struct rte_mbuf *m, const struct dp_step_controller *what)
{
	struct dp_edge_frame f = k->f;
	enum dp_drop reason;

	f.m = m;
	/* A trace is no packet: nobody is told. */
	if (unlikely(k->run->w->trace != NULL)) {
		k->run->count->punted++;
		return;
	}
	reason = dp_punt_put(k->run->w, k->run->in, &f, what);
	if (reason == DP_N_DROPS)
		k->run->count->punted++;
	else
		k->run->count->drops_rx[reason]++;
}

/* A frame that is ours alone gets its checksums. */
static void put_finished(struct dp_walk *k, struct rte_mbuf *m,
			 const struct dp_step_controller *what)
{
	if ((m->ol_flags & REQUESTS) != 0 && dp_csum_finish(m) != 0)
		k->run->count->drops_rx[DP_DROP_TX_OFFLOAD]++;
	else
		put(k, m, what);
	rte_pktmbuf_free(m);
}

static void put_cut(struct dp_walk *k, const struct dp_step_controller *what)
{
	struct rte_mbuf *cut[MAX_CUT];
	int n = dp_gso(k->f.m, dp_pool(k->run->w->dp, 0, false), cut, MAX_CUT);

	if (n <= 0) {
		k->run->count->drops_rx[n == -ENOMEM ? DP_DROP_NO_MBUF : DP_DROP_TX_OFFLOAD]++;
		return;
	}
	k->run->count->copies += (uint64_t)n - 1;
	for (int i = 0; i < n; i++)
		put_finished(k, cut[i], what);
}

/* Gives controllers what the frame is now; its fate is counted as one frame's. */
static void give(struct dp_walk *k, const struct dp_step_controller *what)
{
	struct rte_mbuf *m = k->f.m;

	if (likely((m->ol_flags & REQUESTS) == 0)) {
		put(k, m, what);
	} else if ((m->ol_flags & SEGMENTS) != 0) {
		put_cut(k, what);
	} else {
		m = rte_pktmbuf_copy(m, dp_pool(k->run->w->dp, 0, false), 0, UINT32_MAX);
		if (m != NULL)
			put_finished(k, m, what);
		else
			k->run->count->drops_rx[DP_DROP_NO_MBUF]++;
	}
}

void dp_walk_controller(struct dp_walk *k, const struct dp_step *s, bool last)
{
	struct dp_step_controller what;

	memcpy(&what, s->data, sizeof(what));
	dp_walk_pad(k);
	if (!last)
		k->run->count->copies++;
	give(k, &what);
	if (!last)
		return;
	rte_pktmbuf_free(k->f.m);
	k->f.m = NULL;
}

void dp_walk_tell_ttl(struct dp_walk *k, const struct dp_step *s)
{
	const struct dp_pipeline *pl = k->run->in->pipeline;
	struct dp_step_controller what;

	if (s->size < sizeof(*s) + sizeof(what) ||
	    !atomic_load_explicit(&pl->tells_ttl, memory_order_relaxed))
		return;
	memcpy(&what, s->data, sizeof(what));
	k->run->count->copies++;
	give(k, &what);
}
