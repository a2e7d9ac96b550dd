/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See frag_priv.h: one worker's fragments, and their places in the ledger.  Workers.
 */
#include "dataplane/frag_priv.h"

#include <rte_cycles.h>

static uint32_t tick_of(const struct dp_worker *w, uint64_t tsc)
{
	return (uint32_t)(tsc / (w->dp->tsc_hz / 1000 * DP_FRAG_TICK_MS));
}

/* A worker's part, which has room for one packet at least. */
static uint32_t share(const struct dp *dp, const _Atomic uint32_t *all)
{
	uint16_t n = atomic_load_explicit(&dp->n_ranks, memory_order_relaxed);
	uint32_t most = atomic_load_explicit(all, memory_order_relaxed) / (n != 0 ? n : 1);

	return most > DP_FRAG_MOST ? most : DP_FRAG_MOST;
}

struct dp_worker *dp_frag_owner(const struct dp_worker *w, const struct dp_frag_key *key)
{
	const struct dp *dp = w->dp;
	uint16_t n = atomic_load_explicit(&dp->n_ranks, memory_order_relaxed);
	uint32_t high = (uint32_t)(dp_frag_hash(key, dp->frag_secret) >> 32);

	return n == 0 ? NULL : atomic_load_explicit(&dp->by_rank[high % n], memory_order_acquire);
}

static uint64_t *held_of(struct dp_worker *w, uint16_t port, bool egress)
{
	struct dp_count *count = w->count->ports[port];

	return egress ? &count->held_tx : &count->held_rx;
}

static void drop(void *arg, const struct dp_frag_piece *piece, const struct dp_frag_key *key,
		 enum dp_drop reason)
{
	struct dp_worker *w = arg;
	bool egress = (key->flags & DP_FRAG_OUTER) != 0;

	(*held_of(w, piece->port, egress))--;
	if (egress)
		dp_drop_tx(w, piece->port, piece->m, reason);
	else
		dp_drop(w, piece->port, piece->m, reason);
}

/* A device's own memory is not for waiting: it may be all that the device has, and goes with it.
 * Takes 'm'; NULL: no buffer. */
static struct rte_mbuf *own(struct dp_worker *w, struct rte_mbuf *m)
{
	struct rte_mbuf *copy;

	if (likely(!RTE_MBUF_HAS_EXTBUF(m)))
		return m;
	copy = rte_pktmbuf_copy(m, dp_pool(w->dp, 0, false), 0, UINT32_MAX);
	if (copy != NULL)
		copy->port = m->port;
	rte_pktmbuf_free(m);
	return copy;
}

static void no_buffer(struct dp_worker *w, uint16_t port, bool egress)
{
	struct dp_count *count = w->count->ports[port];

	if (egress)
		count->drops_tx[DP_DROP_NO_MBUF]++;
	else
		count->drops_rx[DP_DROP_NO_MBUF]++;
}

void dp_frag_hold(struct dp_worker *w, const struct dp_port *port, const struct dp_frag *frag,
		  struct rte_mbuf *m, uint64_t carried, bool egress)
{
	const struct dp_frag_bounds bounds = {
		.bufs = share(w->dp, &w->dp->frag_limit),
		.domain_bufs = share(w->dp, &w->dp->frag_tenant_limit),
		.ticks = atomic_load_explicit(&w->dp->frag_ticks, memory_order_relaxed),
	};
	struct dp_frag_piece piece = {.m = own(w, m),
				      .carried = carried,
				      .serial = port->serial,
				      .port = port->id};
	enum dp_drop reason;

	if (piece.m == NULL) {
		no_buffer(w, port->id, egress);
		return;
	}
	m = piece.m;
	piece.n_bufs = m->nb_segs;
	if (unlikely(dp_frags_idle(w->frags)))
		w->frags_view = w->view;
	reason = dp_frags_add(w->frags, frag, &piece, &bounds, tick_of(w, w->burst_tsc));
	if (reason == DP_N_DROPS)
		(*held_of(w, port->id, egress))++;
	else if (egress)
		dp_drop_tx(w, port->id, m, reason);
	else
		dp_drop(w, port->id, m, reason);
}

/* Its port is another one now, or another tenant's. */
static bool is_gone(void *arg, const struct dp_frag_piece *piece)
{
	const struct dp_worker *w = arg;
	const struct dp_vport *in = w->view->vports[piece->port];

	return !dp_frag_is_of(in, piece);
}

void dp_frag_upkeep(struct dp_worker *w, uint64_t now_tsc)
{
	if (unlikely(w->frags_view != w->view)) {
		w->frags_view = w->view;
		dp_frags_purge(w->frags, is_gone, w);
	}
	dp_frags_expire(w->frags, tick_of(w, now_tsc),
			atomic_load_explicit(&w->dp->frag_ticks, memory_order_relaxed));
}

void dp_fragments_stats(const struct dp *dp, struct dp_frags_stats *ret)
{
	*ret = (struct dp_frags_stats){0};
	for (unsigned i = 0; i < DP_MAX_WORKERS; i++) {
		struct dp_frags_stats s;

		if (dp->workers[i] == NULL)
			continue;
		dp_frags_stats(dp->workers[i]->frags, &s);
		ret->packets += s.packets;
		ret->pieces += s.pieces;
		ret->whole += s.whole;
	}
}

int dp_frag_worker_create(struct dp *dp, struct dp_worker *w)
{
	return dp_frags_create(dp->frag_secret, drop, w, &w->frags);
}
