/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How a VTEP's frames leave: which neighbour is next, and by which port of its switch.  Where that
 * switch only learns, nothing stands at the VTEP (stages.h) and the neighbour lives behind a
 * device, the burst goes to that device at once: one look into the forwarding database for all of
 * it.  Else it comes in by the VTEP like any station's frames.  Workers.
 */
#include "dataplane/again.h"
#include "dataplane/edge.h"
#include "dataplane/fdb_priv.h"
#include "dataplane/neigh.h"
#include "dataplane/tunnel_priv.h"

static bool on_link(const struct dp_vtep_side *side, const struct dp_ip *ip)
{
	unsigned whole = side->prefix / 8, rest = side->prefix % 8;

	if (memcmp(side->address.b, ip->b, whole) != 0)
		return false;
	return rest == 0 ||
	       ((side->address.b[whole] ^ ip->b[whole]) & (uint8_t)(0xff00u >> rest)) == 0;
}

const struct dp_ip *dp_vtep_next_hop(const struct dp_vtep *vtep, const struct dp_ip *to)
{
	const struct dp_vtep_side *side = to->v6 ? &vtep->v6 : &vtep->v4;

	if (!side->there)
		return NULL;
	if (on_link(side, to))
		return to;
	return side->has_gateway ? &side->gateway : NULL;
}

enum dp_drop dp_vtep_resolve(struct dp_worker *w, const struct dp_vtep *vtep,
			     const struct dp_ip *to, uint8_t ret_mac[6])
{
	const struct dp_ip *next = dp_vtep_next_hop(vtep, to);
	bool known, ask;

	if (next == NULL)
		return DP_DROP_TUNNEL_NO_ROUTE;
	known = dp_neigh_find(vtep->neighs, next, dp_worker_now_ms(w), ret_mac, &ask);
	if (unlikely(ask))
		dp_vtep_ask(w, vtep, next);
	return likely(known) ? DP_N_DROPS : DP_DROP_TUNNEL_UNRESOLVED;
}

/* The device's port behind which 'dst' lives, or NULL for the long way. */
static const struct dp_vport *short_way(struct dp_worker *w, const struct dp_vport *vp,
					uint64_t dst)
{
	const struct dp_fdb *fdb = w->dp->fdb;
	const struct dp_fdb_table *t = atomic_load_explicit(&fdb->table, memory_order_acquire);
	const struct dp_domain *domain = w->view->domains[vp->domain];
	const struct dp_vport *out;
	struct dp_fdb_bucket *b;
	uint16_t vlan = vp->pvid, id;
	uint32_t where;
	int slot;

	if (vp->pipeline != NULL || vp->on_ingress != 0 ||
	    atomic_load_explicit(&vp->port->capture, memory_order_relaxed) != NULL)
		return NULL;
	if (domain->fdb_vlan != NULL)
		vlan = domain->fdb_vlan[vlan];
	where = (uint32_t)vp->domain << 16 | vlan;
	id = dp_fdb_find(fdb, t, dp_fdb_first(t, dp_fdb_hash(fdb, dst, where)), dst, where, &b,
			 &slot);
	out = id != DP_NO_PORT ? w->view->vports[id] : NULL;
	return out != NULL && out->port != NULL && out->port->ops->sink == NULL ? out : NULL;
}

/* What holds for one frame of the burst holds for all of them. */
static void leave_by(struct dp_worker *w, const struct dp_vport *vp, const struct dp_vport *out,
		     struct dp_edge_frame *f, struct rte_mbuf **pkts, uint16_t n)
{
	struct dp_count *count = w->count->ports[vp->id];
	enum dp_drop reason;

	if (unlikely(out == vp || dp_edge_needs_tag_work(out, f) ||
		     !dp_edge_may_leave(vp, out, f->domain, f->cvlan, &reason))) {
		for (uint16_t i = 0; i < n; i++) {
			f->m = pkts[i];
			dp_edge_forward(w, vp, out, f, count);
		}
		return;
	}
	dp_tx_gather_all(w, dp_tx_open(w, out), out->id, pkts, n);
	count->forwarded += n;
}

void dp_vtep_leave(struct dp_worker *w, const struct dp_vport *vp, const uint8_t dst[6],
		   struct rte_mbuf **pkts, uint16_t n)
{
	struct dp_edge_frame f = {.domain = vp->domain, .cvlan = vp->pvid};
	const struct dp_vport *out;

	memcpy(&f.dst, dst, 6);
	memcpy(&f.src, vp->vtep->mac.addr_bytes, 6);
	out = short_way(w, vp, f.dst);
	if (unlikely(out == NULL)) {
		dp_again_burst(w, vp->id, pkts, n);
		return;
	}
	if (likely(dp_edge_admit(w, vp, pkts, n)))
		leave_by(w, vp, out, &f, pkts, n);
}
