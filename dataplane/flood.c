/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Flooding: broadcast, multicast and unknown destinations go to every port of the domain that
 * accepts the VLAN.  The last receiver gets the original, the others clones; a port that wants
 * another tag gets a copy of the bytes (vlan.c). A tenant's flooding bandwidth is a token bucket
 * shared by the workers; each borrows a chunk at a time, so that the shared word is touched once in
 * many frames.  Workers.
 */
#include "dataplane/flood.h"

#include "dataplane/dp_priv.h"
#include "dataplane/guard.h"

#include <rte_cycles.h>

#define CHUNK_BYTES 16384

/* Refills by elapsed time; one worker at a time wins the update. */
static void refill(struct dp_flood_limit *limit, uint64_t now_tsc)
{
	uint64_t last = atomic_load_explicit(&limit->last_tsc, memory_order_relaxed);
	uint64_t elapsed = now_tsc - last;
	int64_t level;

	if (elapsed < limit->tsc_per_chunk ||
	    !atomic_compare_exchange_strong(&limit->last_tsc, &last, now_tsc))
		return;
	if (elapsed > limit->tsc_burst)
		elapsed = limit->tsc_burst;
	level = atomic_fetch_add(&limit->tokens,
				 (int64_t)((double)elapsed * limit->bytes_per_tsc)) +
		(int64_t)((double)elapsed * limit->bytes_per_tsc);
	if (level > limit->burst_bytes)
		atomic_fetch_sub(&limit->tokens, level - limit->burst_bytes);
}

static bool take(struct dp_worker *w, struct dp_flood_limit *limit, uint32_t bytes)
{
	int64_t *mine = &limit->share[w->index].bytes;

	if (*mine >= bytes) {
		*mine -= bytes;
		return true;
	}
	refill(limit, w->burst_tsc);
	if (atomic_load_explicit(&limit->tokens, memory_order_relaxed) <= 0)
		return false;
	atomic_fetch_sub(&limit->tokens, CHUNK_BYTES);
	*mine += CHUNK_BYTES - (int64_t)bytes;
	return true;
}

void dp_flood_limit_init(struct dp_flood_limit *limit, uint64_t rate_bps, uint64_t tsc_hz)
{
	uint64_t bytes_per_s = rate_bps / 8 == 0 ? 1 : rate_bps / 8;

	*limit = (struct dp_flood_limit){
		.bytes_per_tsc = (double)bytes_per_s / (double)tsc_hz,
		/* A tenth of a second's worth, and room for a few frames at the lowest rates. */
		.burst_bytes = (int64_t)(bytes_per_s / 10 < 4 * CHUNK_BYTES ? 4 * CHUNK_BYTES
									    : bytes_per_s / 10),
		.tsc_per_chunk = (uint64_t)((double)tsc_hz * CHUNK_BYTES / 4 / (double)bytes_per_s),
	};
	limit->tsc_burst = (uint64_t)((double)limit->burst_bytes / limit->bytes_per_tsc);
	atomic_store(&limit->tokens, limit->burst_bytes);
	atomic_store(&limit->last_tsc, rte_rdtsc());
}

static bool receives(const struct dp_vport *vp, const struct dp_vport *in, uint16_t domain,
		     uint16_t cvlan, uint16_t need)
{
	if (vp == NULL || vp == in ||
	    (vp->flags & (need | DP_VP_UP | DP_VP_HELD | DP_VP_NO_FWD | DP_VP_MIRROR_ONLY)) !=
		    (need | DP_VP_UP))
		return false;
	if (vp->domain != domain &&
	    (vp->wire == NULL || vp->wire->vlan_of_domain[domain] == DP_NO_VLAN))
		return false;
	return dp_vlan_test(vp->vlan_out, cvlan) && dp_private_takes(vp, in) &&
	       dp_protected_takes(vp, in);
}

/* One receiver's frame.  Takes 'm'. */
static bool deliver(struct dp_worker *w, const struct dp_vport *out, struct rte_mbuf *m,
		    uint16_t domain, uint16_t cvlan, bool tagged)
{
	if (tagged || (out->flags & DP_VP_TAG_OUT) != 0 || out->wire != NULL)
		m = dp_vlan_egress(w, out, m, domain, cvlan, tagged);
	if (m == NULL)
		return false;
	dp_tx(w, out, m);
	return true;
}

void dp_flood(struct dp_worker *w, const struct dp_vport *in, const struct dp_domain *domain,
	      struct rte_mbuf *m, uint16_t cvlan, bool tagged, bool group)
{
	struct dp_count *count = w->count->ports[in->id];
	const struct dp_vport *prev = NULL;
	uint16_t need = group ? DP_VP_FLOOD_GROUP : DP_VP_FLOOD;

	if (unlikely(in->guard != NULL) && !group && !dp_guard_may_flood(w, in, m)) {
		dp_drop(w, in->id, m, DP_DROP_GUARD_UNKNOWN);
		return;
	}
	if (domain->flood_limit != NULL && !take(w, domain->flood_limit, m->pkt_len)) {
		dp_drop(w, in->id, m, DP_DROP_FLOOD_LIMIT);
		return;
	}
	for (uint16_t i = 0; i < domain->n_ports; i++) {
		const struct dp_vport *vp = w->view->vports[domain->ports[i]];
		struct rte_mbuf *clone;

		if (!receives(vp, in, domain->id, cvlan, need))
			continue;
		if (prev != NULL) {
			count->copies++;
			clone = rte_pktmbuf_clone(m, dp_pool(w->dp, 0, false));
			if (clone != NULL && deliver(w, prev, clone, domain->id, cvlan, tagged)) {
				count->forwarded++;
				count->flooded++;
			} else {
				count->drops_rx[DP_DROP_NO_MBUF]++;
			}
		}
		prev = vp;
	}
	if (prev == NULL) {
		dp_drop(w, in->id, m, DP_DROP_NO_RECEIVER);
	} else if (deliver(w, prev, m, domain->id, cvlan, tagged)) {
		count->forwarded++;
		count->flooded++;
	} else {
		count->drops_rx[DP_DROP_NO_MBUF]++;
	}
}
