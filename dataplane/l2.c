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
 * A burst whose frames all have the same addresses is treated as one frame is (forward_alike()).
 *
 * Workers.  Source: IEEE 802.1Q-2018 8.6 to 8.8.
 */
#include "dataplane/edge.h"
#include "dataplane/fdb_priv.h"
#include "dataplane/flow.h"
#include "dataplane/probe_priv.h"
#include "dataplane/stages.h"
#include "dataplane/trace_priv.h"
#include "dataplane/vmq_priv.h"

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

/* Have all the same addresses and EtherType?  So they come from a router or another host's VTEP,
 * and mixed bursts say no at the second frame. */
static inline bool are_alike(struct rte_mbuf **pkts, uint16_t n)
{
	uint64_t first = 0, second = 0;

	for (uint16_t i = 0; i < n; i++) {
		const char *d = rte_pktmbuf_mtod(pkts[i], const char *);
		uint64_t a, b;

		if (unlikely(pkts[i]->data_len < RTE_ETHER_HDR_LEN))
			return false;
		memcpy(&a, d, sizeof(a));
		memcpy(&b, d + 6, sizeof(b));
		if (i == 0) {
			first = a;
			second = b;
		} else if (a != first || b != second) {
			return false;
		}
	}
	return true;
}

/* A burst that is alike goes where its first frame goes, on the one look-up.  False: nothing was
 * done, for it asks for more than that. */
static bool forward_alike(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
			  uint16_t n, const struct dp_fdb_table *t)
{
	struct dp_edge_frame f = {.m = pkts[0]};
	const struct dp_fdb *fdb = w->dp->fdb;
	const struct dp_vport *out;
	struct dp_fdb_bucket *b;
	enum dp_drop reason;
	uint16_t id;
	int slot;

	if (in->wire != NULL || w->trace != NULL || dp_edge_is_tpid(dp_edge_eth_type_le(pkts[0])) ||
	    dp_edge_classify(in, &f) != DP_N_DROPS || (f.dst & DP_EDGE_GROUP_BIT) != 0)
		return false;
	locate(w, fdb, t, &f);
	if ((in->flags & DP_VP_LEARN) != 0 &&
	    !dp_fdb_confirm(fdb, t, f.src_bucket, f.src, f.where, in->id))
		return false;
	id = dp_fdb_find(fdb, t, f.dst_bucket, f.dst, f.where, &b, &slot);
	out = id != DP_NO_PORT ? w->view->vports[id] : NULL;
	if (out == NULL || out == in || !dp_edge_may_leave(in, out, f.domain, f.cvlan, &reason) ||
	    dp_edge_needs_tag_work(out, &f))
		return false;
	dp_tx_gather_all(w, dp_tx_open(w, out), id, pkts, n);
	w->count->ports[in->id]->forwarded += n;
	return true;
}

/* ---- Queues of one machine (vmq.h) ---- */

/* Destination, EtherType and, with a tag, VLAN as in the first frame; every source known. */
static inline bool are_for_one(struct dp_worker *w, struct dp_vmq_known *known,
			       const struct dp_vport *in, struct rte_mbuf **pkts, uint16_t n,
			       const struct dp_edge_frame *f)
{
	const uint16_t size = f->tagged ? RTE_ETHER_HDR_LEN + 4 : RTE_ETHER_HDR_LEN;
	bool learns = (in->flags & DP_VP_LEARN) != 0;
	uint64_t last = 0;
	const char *first = rte_pktmbuf_mtod(f->m, const char *);

	dp_vmq_known_begin(w, known, in, f->where);
	for (uint16_t i = 0; i < n; i++) {
		const char *d = rte_pktmbuf_mtod(pkts[i], const char *);
		uint64_t a, b;

		if (unlikely(pkts[i]->data_len < size))
			return false;
		memcpy(&a, d, sizeof(a));
		memcpy(&b, d + 6, sizeof(b));
		if (unlikely((a & DP_EDGE_MAC_MASK) != f->dst ||
			     dp_edge_is_tpid((uint16_t)(b >> 48)) != f->tagged ||
			     (f->tagged &&
			      memcmp(d + RTE_ETHER_HDR_LEN, first + RTE_ETHER_HDR_LEN, 2) != 0)))
			return false;
		b &= DP_EDGE_MAC_MASK;
		if (b == last)
			continue;
		if (unlikely((b & DP_EDGE_GROUP_BIT) != 0 || b == 0 ||
			     (learns && !dp_vmq_is_known(known, b << 16) &&
			      !dp_vmq_known_ask(w, known, in, b, f->where))))
			return false;
		last = b;
	}
	return true;
}

/* A burst for one machine goes there on one look-up.  False: nothing was done, for it asks for more
 * than that. */
static bool forward_to_one(struct dp_worker *w, const struct dp_vport *in,
			   struct dp_vmq_known *known, struct rte_mbuf **pkts, uint16_t n,
			   const struct dp_fdb_table *t)
{
	struct dp_count *count = w->count->ports[in->id];
	struct dp_edge_frame f = {.m = pkts[0]};
	const struct dp_vport *out;
	struct dp_fdb_bucket *b;
	enum dp_drop reason;
	uint16_t id;
	int slot;

	if (in->wire != NULL || w->trace != NULL || dp_edge_classify(in, &f) != DP_N_DROPS ||
	    (f.dst & DP_EDGE_GROUP_BIT) != 0)
		return false;
	locate(w, w->dp->fdb, t, &f);
	id = dp_fdb_find(w->dp->fdb, t, f.dst_bucket, f.dst, f.where, &b, &slot);
	out = id != DP_NO_PORT ? w->view->vports[id] : NULL;
	if (out == NULL || out == in || !dp_edge_may_leave(in, out, f.domain, f.cvlan, &reason) ||
	    !are_for_one(w, known, in, pkts, n, &f))
		return false;
	if (!dp_edge_needs_tag_work(out, &f)) {
		dp_tx_gather_all(w, dp_tx_open(w, out), id, pkts, n);
		count->forwarded += n;
		return true;
	}
	for (uint16_t i = 0; i < n; i++) {
		f.m = pkts[i];
		dp_edge_send(w, in, out, &f, count);
	}
	return true;
}

/* An admitted burst, past the port's filters.  'alike': as are_alike() says, or not known. */
static inline void forward_burst(struct dp_worker *w, const struct dp_vport *in,
				 struct rte_mbuf **pkts, uint16_t n, bool alike)
{
	const struct dp_fdb_table *t =
		atomic_load_explicit(&w->dp->fdb->table, memory_order_acquire);
	struct dp_edge_frame frames[DP_BURST];
	uint16_t n_frames;

	if (!(alike || are_alike(pkts, n)) || !forward_alike(w, in, pkts, n, t)) {
		n_frames = classify_all(w, in, pkts, n, frames, t);
		forward_all(w, in, frames, n_frames, t);
	}
}

static __rte_noinline void forward_filtered(struct dp_worker *w, const struct dp_vport *in,
					    struct rte_mbuf **pkts, uint16_t n)
{
	forward_burst(w, in, pkts, n, w->alike);
}

void dp_l2_burst(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts, uint16_t n)
{
	struct dp_capture_point *point =
		atomic_load_explicit(&in->port->capture, memory_order_acquire);

	if (unlikely(point != NULL))
		w->dp->capture(point, w->index, DP_STAGE_INGRESS, DP_N_DROPS, pkts, n);
	if (!dp_edge_admit(w, in, pkts, n))
		return;
	if (unlikely(in->on_ingress != 0))
		dp_stages_ingress(w, in, pkts, n, forward_filtered);
	else
		forward_burst(w, in, pkts, n, false);
	dp_tx_flush_all(w);
}

void dp_l2_burst_to_one(struct dp_worker *w, const struct dp_vport *in, struct dp_vmq_known *known,
			struct rte_mbuf **pkts, uint16_t n)
{
	const struct dp_fdb_table *t =
		atomic_load_explicit(&w->dp->fdb->table, memory_order_acquire);

	/* Captures, stages and ports that are not up: as any burst. */
	if (unlikely(in->on_ingress != 0 || n > DP_BURST ||
		     atomic_load_explicit(&in->port->capture, memory_order_relaxed) != NULL)) {
		dp_l2_burst(w, in, pkts, n);
		return;
	}
	if (dp_vmq_fast(w, in, known, pkts, n) || !dp_edge_admit(w, in, pkts, n))
		return;
	if (!forward_to_one(w, in, known, pkts, n, t))
		forward_burst(w, in, pkts, n, false);
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
