/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See marks.h.
 */
#include "dataplane/marks.h"

#include "dataplane/dp_priv.h"
#include "dataplane/rewrite.h"

/* -1: it is no IP packet, or not all there. */
static int dscp_of(const struct dp_headers *h)
{
	return h->ip_version != 0 ? h->ip_tos >> 2 : -1;
}

static int pcp_of(const struct dp_headers *h)
{
	return h->n_tags != 0 ? h->tci[0] >> 13 : -1;
}

/* Sets 'field' of '*m' to 'value', unless it is that already, or there is none: then 'now' is
 * negative.  False: there was no buffer, '*m' is gone. */
static bool set(struct dp_worker *w, struct rte_mbuf **m, struct dp_headers *h, enum dp_field field,
		int now, uint8_t value)
{
	const uint8_t all = 0xff;

	if (now < 0 || now == value)
		return true;
	*m = dp_rw_own(*m, dp_pool(w->dp, 0, false));
	if (*m == NULL)
		return false;
	(void)dp_rw_set_field(*m, h, field, &value, &all);
	return true;
}

static bool mark_dscp(struct dp_worker *w, const struct dp_marks *marks, struct rte_mbuf **m)
{
	struct dp_headers h;
	int pcp;

	(void)dp_parse_mbuf(*m, &h);
	pcp = pcp_of(&h);
	if (marks->dscp_by == DP_MARK_OTHER && pcp < 0)
		return true;
	return set(w, m, &h, DP_FIELD_IP_DSCP, dscp_of(&h),
		   marks->dscp_by == DP_MARK_OTHER ? (uint8_t)(pcp << 3) : marks->dscp);
}

static bool mark_pcp(struct dp_worker *w, const struct dp_marks *marks, struct rte_mbuf **m)
{
	struct dp_headers h;
	int dscp;

	(void)dp_parse_mbuf(*m, &h);
	if (pcp_of(&h) < 0)
		return true;
	dscp = dscp_of(&h);
	if (marks->pcp_by == DP_MARK_OTHER && dscp < 0)
		return true;
	return set(w, m, &h, DP_FIELD_VLAN_PCP, pcp_of(&h),
		   marks->pcp_by == DP_MARK_OTHER ? (uint8_t)(dscp >> 3) : marks->pcp);
}

uint16_t dp_marks_ingress(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
			  uint16_t n)
{
	uint16_t left = 0;

	if (in->marks->dscp_by == DP_MARK_KEEP)
		return n;
	for (uint16_t i = 0; i < n; i++)
		if (likely(mark_dscp(w, in->marks, &pkts[i])))
			pkts[left++] = pkts[i];
		else
			w->count->ports[in->id]->drops_rx[DP_DROP_NO_MBUF]++;
	return left;
}

uint16_t dp_marks_egress(struct dp_worker *w, const struct dp_vport *out, struct rte_mbuf **pkts,
			 uint16_t n)
{
	uint16_t left = 0;

	if (out->marks->pcp_by == DP_MARK_KEEP)
		return n;
	for (uint16_t i = 0; i < n; i++)
		if (likely(mark_pcp(w, out->marks, &pkts[i])))
			pkts[left++] = pkts[i];
		else
			w->count->ports[out->id]->drops_tx[DP_DROP_NO_MBUF]++;
	return left;
}
