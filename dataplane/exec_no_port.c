/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See exec_priv.h: outputs of a frame that the switch itself sends (inject.h).  Each leaves as if a
 * station of the egress port's own tenant and VLAN had sent it, so it has no tenant before; what
 * comes by a port never gets here.  Workers.
 */
#include "dataplane/exec_priv.h"
#include "dataplane/fdb_priv.h"

/* The VLAN that carries an untagged frame to 'out': its own, or for an isolated port, which does
 * not take its own, the one that its promiscuous ports send on. */
static uint16_t vlan_towards(const struct dp_walk *k, const struct dp_vport *out)
{
	const struct dp_domain *domain = k->run->w->view->domains[out->domain];

	if (dp_vlan_test(out->vlan_out, out->pvid) || domain->fdb_vlan == NULL)
		return out->pvid;
	return domain->fdb_vlan[out->pvid];
}

static void carried_towards(const struct dp_walk *k, const struct dp_vport *out,
			    struct dp_edge_frame *f)
{
	f->domain = out->domain;
	if ((out->flags & DP_VP_TUNNEL) != 0)
		f->tagged = false; /* a tag is payload there */
	if (!f->tagged || f->cvlan == 0)
		f->cvlan = vlan_towards(k, out);
}

static void send(struct dp_walk *k, const struct dp_vport *out, const struct dp_edge_frame *frame)
{
	struct dp_edge_frame f = *frame;

	carried_towards(k, out, &f);
	dp_edge_send(k->run->w, k->run->in, out, &f, k->run->count);
}

void dp_walk_switch_output(struct dp_walk *k, const struct dp_vport *out, bool last)
{
	struct dp_edge_frame f = dp_walk_leaving(k, last);

	if (f.m == NULL)
		return;
	/* A tunnel port of tenants by key has no tenant that the switch could speak for. */
	if (out == NULL || out->pipeline != k->run->in->pipeline || out->domain == DP_NO_DOMAIN)
		dp_drop(k->run->w, k->run->in->id, f.m, DP_DROP_NO_RECEIVER);
	else
		send(k, out, &f);
}

static bool takes(const struct dp_walk *k, const struct dp_vport *out,
		  const struct dp_edge_frame *frame)
{
	const uint16_t need = DP_VP_UP | DP_VP_FLOOD_GROUP;
	struct dp_edge_frame f = *frame;

	if (out == NULL || out->pipeline != k->run->in->pipeline || out->domain == DP_NO_DOMAIN ||
	    (out->flags & (need | DP_VP_HELD)) != need)
		return false;
	carried_towards(k, out, &f);
	return dp_vlan_test(out->vlan_out, f.cvlan);
}

/* The frame's destination was learned at 'out'. */
static bool lives_at(const struct dp_walk *k, const struct dp_vport *out,
		     const struct dp_edge_frame *frame)
{
	const struct dp_fdb *fdb = k->run->w->dp->fdb;
	const struct dp_fdb_table *t = atomic_load_explicit(&fdb->table, memory_order_acquire);
	const struct dp_domain *domain = k->run->w->view->domains[out->domain];
	struct dp_edge_frame f = *frame;
	struct dp_fdb_bucket *b;
	uint32_t where;
	int slot;

	carried_towards(k, out, &f);
	where = (uint32_t)f.domain << 16 |
		(domain->fdb_vlan != NULL ? domain->fdb_vlan[f.cvlan] : f.cvlan);
	b = dp_fdb_first(t, dp_fdb_hash(fdb, f.dst, where));
	return dp_fdb_find(fdb, t, b, f.dst, where, &b, &slot) == out->id;
}

/* To all that take it ('known': of those, to where its destination lives), the last of them gets
 * the original.  False when there is none. */
static bool send_all(struct dp_walk *k, const struct dp_edge_frame *frame, bool known)
{
	const struct dp_view *view = k->run->w->view;
	const struct dp_vport *prev = NULL;

	for (uint16_t id = 0; id < view->n_vports; id++) {
		const struct dp_vport *out = view->vports[id];
		struct dp_edge_frame f = *frame;

		if (!takes(k, out, frame) || (known && !lives_at(k, out, frame)))
			continue;
		if (prev != NULL) {
			k->run->count->copies++;
			f.m = rte_pktmbuf_clone(frame->m, dp_pool(k->run->w->dp, 0, false));
			if (f.m != NULL)
				send(k, prev, &f);
			else
				k->run->count->drops_rx[DP_DROP_NO_MBUF]++;
		}
		prev = out;
	}
	if (prev != NULL)
		send(k, prev, frame);
	return prev != NULL;
}

void dp_walk_switch_flood(struct dp_walk *k, bool last)
{
	struct dp_edge_frame f = dp_walk_leaving(k, last);

	if (f.m != NULL && !send_all(k, &f, false))
		dp_drop(k->run->w, k->run->in->id, f.m, DP_DROP_NO_RECEIVER);
}

void dp_walk_switch_normal(struct dp_walk *k, bool last)
{
	struct dp_edge_frame f;

	dp_walk_look_at_macs(k);
	f = dp_walk_leaving(k, last);
	if (f.m == NULL)
		return;
	if (((f.dst & DP_EDGE_GROUP_BIT) != 0 || !send_all(k, &f, true)) && !send_all(k, &f, false))
		dp_drop(k->run->w, k->run->in->id, f.m, DP_DROP_NO_RECEIVER);
}
