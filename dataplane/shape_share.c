/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Shapers that several ports share: whose frames are whose.  What is queued has its port in
 * vlan_tci_outer, as what is handed over does, and leaves have one port each.  See shape.h.
 */
#include "dataplane/drop.h"
#include "dataplane/shape_priv.h"

/* Takes out what waits for 'port': it goes by 'vp', or is dropped where that is NULL. */
static void flush_port(struct dp_worker *w, struct dp_shaper *s, uint16_t port,
		       const struct dp_vport *vp, enum dp_drop reason)
{
	const struct dp_shape_spec *spec = &s->conf->spec;
	struct rte_mbuf *pkts[DP_TX_GATHER];
	uint16_t n;

	for (uint16_t c = 0; c < spec->n_classes; c++) {
		if (spec->port_of_class[c] != port)
			continue;
		while ((n = dp_sched_empty_leaf(s->conf->sched, c, pkts, DP_TX_GATHER)) != 0) {
			shape_let_go(w, s, pkts, n);
			if (vp != NULL)
				dp_tx_send(w, vp, pkts, n);
			else
				for (uint16_t i = 0; i < n; i++)
					dp_drop_tx(w, port, pkts[i], reason);
		}
	}
}

static void look_at(struct dp_worker *w, struct dp_shaper *s, uint16_t port)
{
	const struct dp_vport *vp = w->view->vports[port];

	if (vp == NULL || (vp->port != NULL && s->devs[port] != vp->port))
		flush_port(w, s, port, NULL, DP_DROP_PORT_REMOVED);
	else if (vp->port == NULL || (vp->flags & DP_VP_UP) == 0)
		flush_port(w, s, port, NULL, DP_DROP_TX_DOWN);
	else if (vp->shaper != s)
		flush_port(w, s, port, vp, DP_N_DROPS);
}

void shape_share_look(struct dp_worker *w, struct dp_shaper *s)
{
	const struct dp_shape_spec *spec = &s->conf->spec;

	for (uint16_t i = 0; i < spec->n_outs; i++)
		look_at(w, s, spec->outs[i].port);
	shape_arm(w, s, w->burst_tsc);
}

/* Those for the port of the first, in one go; the others move up.  Returns how many are left. */
static uint16_t send_first(struct dp_worker *w, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t port = pkts[0]->vlan_tci_outer, n_its = 0, n_others = 0;
	const struct dp_vport *vp = w->view->vports[port];
	struct rte_mbuf *its[DP_TX_GATHER];

	for (uint16_t i = 0; i < n; i++)
		if (pkts[i]->vlan_tci_outer == port)
			its[n_its++] = pkts[i];
		else
			pkts[n_others++] = pkts[i];
	if (likely(vp != NULL && vp->port != NULL && (vp->flags & DP_VP_UP) != 0)) {
		dp_tx_send(w, vp, its, n_its);
		return n_others;
	}
	for (uint16_t i = 0; i < n_its; i++)
		dp_drop_tx(w, port, its[i], vp == NULL ? DP_DROP_PORT_REMOVED : DP_DROP_TX_DOWN);
	return n_others;
}

void shape_share_send(struct dp_worker *w, struct dp_shaper *s, struct rte_mbuf **pkts, uint16_t n)
{
	while (n != 0)
		n = send_first(w, pkts, n);
}

bool shape_share_take(struct dp_worker *w, struct dp_shaper *s, const struct dp_vport *out,
		      struct rte_mbuf **pkts, uint16_t n)
{
	if (unlikely(s->conf->spec.out_of_port[out->id] == 0))
		return false;
	if (unlikely(s->devs[out->id] != out->port)) {
		flush_port(w, s, out->id, NULL, DP_DROP_PORT_REMOVED);
		s->devs[out->id] = out->port;
	}
	for (uint16_t i = 0; i < n; i++)
		pkts[i]->vlan_tci_outer = out->id;
	return true;
}
