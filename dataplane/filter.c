/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See filter.h.  Nothing here knows what a filter is: it prepares frames for chains that write,
 * and carries out what a chain decided.  A frame that a chain sends somewhere goes through the
 * same checks as one that the switch forwards.  Workers.
 */
#include "dataplane/filter.h"

#include "dataplane/csum.h"
#include "dataplane/edge.h"
#include "dataplane/fdb_priv.h"
#include "dataplane/gso.h"
#include "dataplane/rewrite.h"
#include "dataplane/tunnel_priv.h"

#define REQUESTS                                                                                   \
	(RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_TCP_SEG |                  \
	 RTE_MBUF_F_TX_UDP_SEG)
#define SUPER	   (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)
#define MAX_PIECES 256

static inline const struct dp_filter_ops *ops_of(const struct dp_filter_chain *chain)
{
	return ((const struct dp_filter_chain_head *)chain)->ops;
}

static inline struct dp_filter_chain *chain_of(const struct dp_filter_burst *b)
{
	return b->vp->filters[b->side];
}

struct rte_mempool *dp_filter_pool(const struct dp_worker *w)
{
	return dp_pool(w->dp, 0, false);
}

uint32_t dp_filter_mtu(const struct dp_worker *w, const struct dp_vport *vp, uint32_t id)
{
	const struct dp_vport *out = id < DP_MAX_PORTS ? w->view->vports[id] : NULL;

	if (out == NULL || out->max_frame < RTE_ETHER_HDR_LEN)
		return 0;
	if (out->domain != vp->domain && out->wire == NULL)
		return 0;
	return out->max_frame - (uint32_t)RTE_ETHER_HDR_LEN;
}

/* The VTEP whose link 'to' is on, or whose gateway leads there. */
static const struct dp_vport *vtep_towards(const struct dp_worker *w, const struct dp_vport *vp,
					   const struct dp_ip *to)
{
	const struct dp_domain *domain = w->view->domains[vp->domain];

	for (uint16_t i = 0; domain != NULL && i < domain->n_ports; i++) {
		const struct dp_vport *v = w->view->vports[domain->ports[i]];

		if (v != NULL && v->vtep != NULL && (v->flags & DP_VP_UP) != 0 &&
		    dp_vtep_next_hop(v->vtep, to) != NULL)
			return v;
	}
	return NULL;
}

/* Behind which port a station lives that 'vp' sees; DP_NO_PORT: behind none that is known. */
static uint16_t port_of(const struct dp_worker *w, const struct dp_vport *vp, const uint8_t mac[6])
{
	const struct dp_domain *domain = w->view->domains[vp->domain];
	const struct dp_fdb *fdb = w->dp->fdb;
	const struct dp_fdb_table *t = atomic_load_explicit(&fdb->table, memory_order_acquire);
	const uint16_t vlan = domain->fdb_vlan != NULL ? domain->fdb_vlan[vp->pvid] : vp->pvid;
	const uint32_t where = (uint32_t)vp->domain << 16 | vlan;
	struct dp_fdb_bucket *b;
	uint64_t key = 0;
	int slot;

	memcpy(&key, mac, 6);
	return dp_fdb_find(fdb, t, dp_fdb_first(t, dp_fdb_hash(fdb, key, where)), key, where, &b,
			   &slot);
}

int dp_filter_route(struct dp_worker *w, const struct dp_vport *vp, const struct dp_ip *to,
		    struct dp_filter_hop *ret_hop)
{
	const struct dp_vport *v = vtep_towards(w, vp, to);
	struct dp_filter_hop hop = {0};

	if (v == NULL)
		return -ENETUNREACH;
	if (dp_vtep_resolve(w, v->vtep, to, hop.dst) != DP_N_DROPS)
		return -EHOSTUNREACH;
	hop.port = port_of(w, v, hop.dst);
	if (hop.port == DP_NO_PORT)
		return -EHOSTUNREACH;
	memcpy(hop.src, v->vtep->mac.addr_bytes, sizeof(hop.src));
	hop.mtu = v->vtep->mtu;
	hop.next = *dp_vtep_next_hop(v->vtep, to);
	*ret_hop = hop;
	return 0;
}

static void drop(const struct dp_filter_burst *b, struct rte_mbuf *m, enum dp_drop reason)
{
	if (b->side == DP_FILTER_INGRESS)
		dp_drop(b->w, b->vp->id, m, reason);
	else
		dp_drop_tx(b->w, b->vp->id, m, reason);
}

/* ---- Sent by a filter ---- */

/* Out by 'out', classified as it is now.  DP_N_DROPS: took 'm'; else why it may not. */
static enum dp_drop send_by(struct dp_worker *w, const struct dp_vport *in,
			    const struct dp_vport *out, struct rte_mbuf *m)
{
	struct dp_edge_frame f = {.m = m};
	enum dp_drop reason = dp_edge_classify(in, &f);

	if (reason != DP_N_DROPS)
		return reason;
	if (in->wire != NULL)
		dp_edge_count_tenant(w, f.domain, 1, m->pkt_len);
	if (!dp_edge_may_leave(in, out, f.domain, f.cvlan, &reason))
		return reason == DP_DROP_TENANT ? DP_DROP_FILTER_TENANT : reason;
	dp_edge_send(w, in, out, &f, w->count->ports[in->id]);
	return DP_N_DROPS;
}

/* To one port, past what runs on the way out there.  Takes 'm'. */
static void send_to(struct dp_filter_burst *b, struct rte_mbuf *m, uint32_t port, const void *way,
		    const struct dp_filter_fate *fate)
{
	struct dp_worker *w = b->w;
	const struct dp_vport *out = port < DP_MAX_PORTS ? w->view->vports[port] : NULL;
	enum dp_drop reason = DP_N_DROPS;

	if (out == NULL || w->tx[port] == NULL)
		reason = DP_DROP_FILTER_REFUSED;
	else if (way != NULL)
		reason = ops_of(chain_of(b))->leave(chain_of(b), b, &m, (uint16_t)port, way);
	if (reason == DP_N_DROPS)
		reason = send_by(w, b->vp, out, m);
	if (likely(reason == DP_N_DROPS))
		return;
	if (ops_of(chain_of(b))->refused != NULL)
		ops_of(chain_of(b))->refused(chain_of(b), b, fate);
	dp_drop(w, b->vp->id, m, reason);
}

/* A copy for one of several receivers.  It shares its bytes unless somebody is going to write them:
 * a program on the way out, or who takes the tenant's tag off. */
static struct rte_mbuf *copy_for(const struct dp_filter_burst *b, struct rte_mbuf *m,
				 const void *way)
{
	struct rte_mempool *pool = dp_filter_pool(b->w);

	if (way == NULL && b->vp->wire == NULL)
		return rte_pktmbuf_clone(m, pool);
	return rte_pktmbuf_copy(m, pool, 0, UINT32_MAX);
}

/* To several ports; the last gets the original.  Takes 'm'. */
static void send_to_all(struct dp_filter_burst *b, struct rte_mbuf *m,
			const struct dp_filter_fate *fate)
{
	struct dp_count *count = b->w->count->ports[b->vp->id];
	struct dp_filter_target to[DP_FILTER_MAX_TARGETS];
	uint32_t n = ops_of(chain_of(b))->targets(chain_of(b), b, fate, to);

	if (n == 0) {
		dp_drop(b->w, b->vp->id, m, DP_DROP_FILTER_REFUSED);
		return;
	}
	for (uint32_t i = 0; i + 1 < n; i++) {
		struct rte_mbuf *copy = copy_for(b, m, to[i].way);

		count->copies++;
		if (copy == NULL) {
			count->drops_rx[DP_DROP_NO_MBUF]++;
			continue;
		}
		copy->port = m->port;
		send_to(b, copy, to[i].port, to[i].way, fate);
	}
	send_to(b, m, to[n - 1].port, to[n - 1].way, fate);
}

/* ---- What became of a burst ---- */

static void settle(struct dp_filter_burst *b, dp_filter_next_fn next)
{
	uint16_t n = 0;

	for (uint16_t i = 0; i < b->n; i++) {
		const struct dp_filter_fate *fate = &b->fates[i];
		struct rte_mbuf *m = b->pkts[i];

		switch ((enum dp_filter_kind)fate->kind) {
		case DP_FATE_PASS:
			b->pkts[n++] = m;
			break;
		case DP_FATE_DROP:
			drop(b, m, fate->reason);
			break;
		case DP_FATE_PORT:
			send_to(b, m, fate->port, fate->way, fate);
			break;
		case DP_FATE_PORTS:
			send_to_all(b, m, fate);
			break;
		}
	}
	if (n != 0)
		next(b->w, b->vp, b->pkts, n);
}

/* A burst in which no frame has a request. */
static void carry_finished(struct dp_filter_burst *b, dp_filter_next_fn next)
{
	b->finished = true;
	if (ops_of(chain_of(b))->run(chain_of(b), b) == DP_FILTER_ALL_PASS)
		next(b->w, b->vp, b->pkts, b->n);
	else
		settle(b, next);
}

/* ---- Frames for chains that write ---- */

/* Frames that are finished, on their way into bursts. */
struct finished {
	struct dp_filter_burst *b;
	dp_filter_next_fn next;
	uint16_t n, max;
	struct rte_mbuf *pkts[DP_FILTER_MAX_FRAMES];
};

static void flush(struct finished *f)
{
	f->b->pkts = f->pkts;
	f->b->n = f->n;
	if (f->n != 0)
		carry_finished(f->b, f->next);
	f->n = 0;
}

/* Takes 'm', whose bytes are its own. */
static void finish_own(struct finished *f, struct rte_mbuf *m)
{
	if (dp_csum_finish(m) != 0) {
		drop(f->b, m, DP_DROP_TX_OFFLOAD);
		return;
	}
	f->pkts[f->n++] = m;
	if (f->n == f->max)
		flush(f);
}

static void finish_super(struct finished *f, struct rte_mbuf *m)
{
	const struct dp_filter_burst *b = f->b;
	struct dp_count *count = b->w->count->ports[b->vp->id];
	struct rte_mbuf *out[MAX_PIECES];
	int n = dp_gso(m, dp_filter_pool(b->w), out, MAX_PIECES);

	if (n <= 0) {
		drop(b, m, n == -ENOMEM ? DP_DROP_NO_MBUF : DP_DROP_TX_OFFLOAD);
		return;
	}
	*(b->side == DP_FILTER_INGRESS ? &count->copies : &count->segments) += (uint64_t)n - 1;
	for (int i = 0; i < n; i++) {
		out[i]->port = m->port;
		finish_own(f, out[i]);
	}
	rte_pktmbuf_free(m);
}

static void finish(struct finished *f, struct rte_mbuf *m)
{
	const struct dp_filter_burst *b = f->b;
	struct dp_count *count = b->w->count->ports[b->vp->id];

	if ((m->ol_flags & SUPER) != 0) {
		finish_super(f, m);
		return;
	}
	if ((m->ol_flags & REQUESTS) != 0)
		m = dp_rw_own(m, dp_filter_pool(b->w));
	if (m != NULL)
		finish_own(f, m);
	else if (b->side == DP_FILTER_INGRESS)
		count->drops_rx[DP_DROP_NO_MBUF]++;
	else
		count->drops_tx[DP_DROP_NO_MBUF]++;
}

static __rte_noinline void carry_unfinished(struct dp_filter_burst *b, dp_filter_next_fn next)
{
	struct rte_mbuf **pkts = b->pkts;
	uint16_t n = b->n;
	struct finished f = {.b = b, .next = next};

	f.max = b->side == DP_FILTER_INGRESS ? DP_BURST : DP_TX_GATHER;
	for (uint16_t i = 0; i < n; i++)
		finish(&f, pkts[i]);
	flush(&f);
}

/* ---- In and out ---- */

static inline void carry(struct dp_worker *w, const struct dp_vport *vp, enum dp_filter_side side,
			 struct rte_mbuf **pkts, uint16_t n, dp_filter_next_fn next)
{
	struct dp_filter_burst b;
	enum dp_filter_result result;

	if (unlikely(w->trace != NULL)) {
		dp_trace_filters(w->trace, vp, side);
		next(w, vp, pkts, n);
		return;
	}
	b.w = w;
	b.worker = w->index;
	b.n = n;
	b.side = side;
	b.finished = false;
	b.vp = vp;
	b.now = w->burst_tsc;
	b.pkts = pkts;
	result = ops_of(vp->filters[side])->run(vp->filters[side], &b);
	if (likely(result == DP_FILTER_ALL_PASS))
		next(w, vp, pkts, n);
	else if (result == DP_FILTER_FINISH)
		carry_unfinished(&b, next);
	else
		settle(&b, next);
}

void dp_filter_ingress(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
		       uint16_t n, dp_filter_next_fn next)
{
	carry(w, in, DP_FILTER_INGRESS, pkts, n, next);
}

void dp_filter_egress(struct dp_worker *w, const struct dp_vport *out, struct rte_mbuf **pkts,
		      uint16_t n, dp_filter_next_fn next)
{
	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
	carry(w, out, DP_FILTER_EGRESS, pkts, n, next);
}
