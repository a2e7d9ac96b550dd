/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The learning switch: what a frame's addresses and tag decide.  It looks at nothing behind the
 * tag, so its cost does not depend on how many flows there are; a switch with rules goes through
 * the flow engine instead.
 *
 * A burst is treated in passes, so that the memory accesses of its frames overlap:
 *
 * 	1  addresses, tag -> cvlan, domain; both hashes; both buckets prefetched
 * 	2  source known on this port?  destination -> egress port
 * 	3  checks that hold whatever the table says (tenant, VLAN of the egress port), tag, gather
 *
 * Workers.  Source: IEEE 802.1Q-2018 8.6 to 8.8.
 */
#include "dataplane/edge.h"
#include "dataplane/fdb_priv.h"
#include "dataplane/flow.h"
#include "dataplane/probe_priv.h"
#include "dataplane/trace_priv.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_prefetch.h>

struct l2_learn {
	uint64_t mac;
	uint16_t domain, vlan;
};

/* Where the table has both addresses. */
static inline void locate(struct dp_worker *w, const struct dp_fdb *fdb,
			  const struct dp_fdb_table *t, struct dp_edge_frame *f)
{
	const struct dp_domain *domain = w->view->domains[f->domain];
	uint16_t vlan = f->cvlan;

	if (unlikely(domain->fdb_vlan != NULL))
		vlan = domain->fdb_vlan[f->cvlan];
	f->where = (uint32_t)f->domain << 16 | vlan;
	f->src_bucket = dp_fdb_first(t, dp_fdb_hash(fdb, f->src, f->where));
	f->dst_bucket = dp_fdb_first(t, dp_fdb_hash(fdb, f->dst, f->where));
	rte_prefetch0(f->src_bucket);
	rte_prefetch0(f->dst_bucket);
}

static void learn_all(struct dp_worker *w, const struct dp_vport *in, const struct l2_learn *learn,
		      uint16_t n)
{
	struct dp_fdb *fdb = w->dp->fdb;

	if (!dp_fdb_writer_try(fdb))
		return;
	for (uint16_t i = 0; i < n; i++)
		dp_fdb_learn(fdb, learn[i].mac, learn[i].domain, learn[i].vlan, in->id,
			     in->mac_limit, w->view->domains[learn[i].domain]->mac_limit);
	dp_fdb_writer_end(fdb);
}

/* Pass 1 for the whole burst; drops what cannot be classified.  Returns how many go on. */
static uint16_t classify_all(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
			     uint16_t n, struct dp_edge_frame *frames, const struct dp_fdb_table *t)
{
	const struct dp_fdb *fdb = w->dp->fdb;
	uint16_t n_frames = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct dp_edge_frame *f = &frames[n_frames];
		enum dp_drop reason;

		f->m = pkts[i];
		reason = dp_edge_classify(in, f);
		if (unlikely(reason != DP_N_DROPS)) {
			dp_drop(w, in->id, f->m, reason);
			continue;
		}
		if (unlikely(in->wire != NULL))
			dp_edge_count_tenant(w, f->domain, 1, f->m->pkt_len);
		w->count->ports[in->id]->rx_multicast += f->dst & DP_EDGE_GROUP_BIT;
		locate(w, fdb, t, f);
		n_frames++;
	}
	return n_frames;
}

/* Pass 2 for sources: marks the known, learns the others. */
static void learn_sources(struct dp_worker *w, const struct dp_vport *in,
			  const struct dp_edge_frame *frames, uint16_t n,
			  const struct dp_fdb_table *t)
{
	const struct dp_fdb *fdb = w->dp->fdb;
	struct l2_learn learn[DP_BURST];
	uint16_t n_learn = 0;

	for (uint16_t i = 0; i < n; i++) {
		const struct dp_edge_frame *f = &frames[i];

		if (unlikely(!dp_fdb_confirm(fdb, t, f->src_bucket, f->src, f->where, in->id)) &&
		    f->dst != PROBE_DST)
			learn[n_learn++] = (struct l2_learn){f->src, f->domain, (uint16_t)f->where};
	}
	if (unlikely(n_learn != 0))
		learn_all(w, in, learn, n_learn);
}

/* Passes 2 and 3. */
static void forward_all(struct dp_worker *w, const struct dp_vport *in,
			const struct dp_edge_frame *frames, uint16_t n,
			const struct dp_fdb_table *t)
{
	struct dp_count *count = w->count->ports[in->id];
	const struct dp_fdb *fdb = w->dp->fdb;

	if (likely((in->flags & DP_VP_LEARN) != 0))
		learn_sources(w, in, frames, n, t);
	for (uint16_t i = 0; i < n; i++) {
		const struct dp_edge_frame *f = &frames[i];
		struct dp_fdb_bucket *b;
		int slot;
		bool group = (f->dst & DP_EDGE_GROUP_BIT) != 0;
		uint16_t id = DP_NO_PORT;

		if (likely(!group))
			id = dp_fdb_find(fdb, t, f->dst_bucket, f->dst, f->where, &b, &slot);
		if (unlikely(w->trace != NULL))
			id = dp_trace_decided(w, in, frames, n, f, id);
		if (group && unlikely(f->dst == PROBE_DST) && dp_probe_is_ours(w, in->id, f->m)) {
			dp_drop(w, in->id, f->m, DP_DROP_LOOP_PROBE);
			continue;
		}
		if (likely(id != DP_NO_PORT))
			dp_edge_forward(w, in, w->view->vports[id], f, count);
		else
			dp_flood(w, in, w->view->domains[f->domain], f->m, f->cvlan, f->tagged,
				 group);
	}
}

void dp_l2_burst(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts, uint16_t n)
{
	const struct dp_fdb_table *t =
		atomic_load_explicit(&w->dp->fdb->table, memory_order_acquire);
	struct dp_capture_point *point =
		atomic_load_explicit(&in->port->capture, memory_order_acquire);
	struct dp_edge_frame frames[DP_BURST];
	uint16_t n_frames;

	if (unlikely(point != NULL))
		w->dp->capture(point, w->index, DP_STAGE_INGRESS, DP_N_DROPS, pkts, n);
	if (!dp_edge_admit(w, in, pkts, n))
		return;
	n_frames = classify_all(w, in, pkts, n, frames, t);
	forward_all(w, in, frames, n_frames, t);
	dp_tx_flush_all(w);
}

void dp_l2_forward(struct dp_worker *w, const struct dp_vport *in, struct dp_edge_frame *frames,
		   uint16_t n)
{
	const struct dp_fdb_table *t =
		atomic_load_explicit(&w->dp->fdb->table, memory_order_acquire);

	for (uint16_t i = 0; i < n; i++)
		locate(w, w->dp->fdb, t, &frames[i]);
	forward_all(w, in, frames, n, t);
}
