/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See stages.h.
 */
#include "dataplane/stages.h"

#include "dataplane/acl.h"
#include "dataplane/dp_priv.h"
#include "dataplane/flowrec.h"
#include "dataplane/guard.h"
#include "dataplane/marks.h"
#include "dataplane/mirror.h"
#include "dataplane/shape.h"

/* Where frames go on that their port's filters let pass. */
static void past_filters(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
			 uint16_t n)
{
	if ((in->on_ingress & DP_ON_ACL) != 0)
		n = dp_acl_ingress(w, in, pkts, n);
	if (n != 0)
		w->past_stages(w, in, pkts, n);
}

void dp_stages_ingress(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
		       uint16_t n, dp_filter_next_fn next)
{
	if ((in->on_ingress & DP_ON_MIRROR) != 0)
		dp_mirror_ingress(w, in, pkts, n);
	if ((in->on_ingress & DP_ON_FLOWREC) != 0)
		dp_flowrec_ingress(w, in, pkts, n);
	w->alike = false;
	if ((in->on_ingress & DP_ON_GUARD) != 0)
		n = dp_guard_ingress(w, in, pkts, n);
	if ((in->on_ingress & DP_ON_MARK) != 0)
		n = dp_marks_ingress(w, in, pkts, n);
	if (n == 0)
		return;
	/* They may change the frames. */
	if ((in->on_ingress & (DP_ON_MARK | DP_ON_FILTER)) != 0)
		w->alike = false;
	w->past_stages = next;
	if ((in->on_ingress & DP_ON_FILTER) != 0)
		dp_filter_ingress(w, in, pkts, n, past_filters);
	else
		past_filters(w, in, pkts, n);
}

void dp_stages_of(struct dp_vport *vp)
{
	vp->on_ingress = vp->on_egress = 0;
	if (vp->mirrors[DP_FILTER_INGRESS] != NULL)
		vp->on_ingress |= DP_ON_MIRROR;
	if (vp->mirrors[DP_FILTER_EGRESS] != NULL)
		vp->on_egress |= DP_ON_MIRROR;
	if (vp->flowrec != NULL)
		vp->on_ingress |= DP_ON_FLOWREC;
	if (vp->guard != NULL)
		vp->on_ingress |= DP_ON_GUARD;
	if (vp->filters[DP_FILTER_INGRESS] != NULL)
		vp->on_ingress |= DP_ON_FILTER;
	if (vp->filters[DP_FILTER_EGRESS] != NULL)
		vp->on_egress |= DP_ON_FILTER;
	if (vp->acl[DP_FILTER_INGRESS] != NULL && dp_acl_composed(vp) == NULL)
		vp->on_ingress |= DP_ON_ACL;
	if (vp->acl[DP_FILTER_EGRESS] != NULL)
		vp->on_egress |= DP_ON_ACL;
	if (vp->marks != NULL) {
		vp->on_ingress |= DP_ON_MARK;
		vp->on_egress |= DP_ON_MARK;
	}
	if (vp->shaper != NULL)
		vp->on_egress |= DP_ON_SHAPER;
}

static void past_shaper(struct dp_worker *w, const struct dp_vport *out, struct rte_mbuf **pkts,
			uint16_t n)
{
	if ((out->on_egress & DP_ON_MARK) != 0)
		n = dp_marks_egress(w, out, pkts, n);
	if ((out->on_egress & DP_ON_SHAPER) != 0)
		dp_shape_send(w, out, pkts, n);
	else
		dp_tx_send(w, out, pkts, n);
}

void dp_stages_egress(struct dp_worker *w, const struct dp_vport *out, struct rte_mbuf **pkts,
		      uint16_t n)
{
	if ((out->on_egress & DP_ON_FILTER) != 0)
		dp_filter_egress(w, out, pkts, n, past_shaper);
	else
		past_shaper(w, out, pkts, n);
}
