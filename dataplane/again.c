/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See again.h.
 */
#include "dataplane/again.h"

#include "dataplane/dp_priv.h"
#include "dataplane/flow.h"

static void refuse(struct dp_worker *w, uint16_t port, struct rte_mbuf *m, enum dp_drop reason)
{
	struct dp_count *count = w->count->ports[port];

	if (count == NULL) {
		rte_pktmbuf_free(m);
		return;
	}
	count->rx_packets++;
	count->rx_bytes += m->pkt_len;
	dp_drop(w, port, m, reason);
}

void dp_again(struct dp_worker *w, uint16_t port, struct rte_mbuf *m)
{
	struct dp_again_list *l = &w->again.lists[w->again.filling];

	if (unlikely(l->n == DP_AGAIN_MAX)) {
		refuse(w, port, m, DP_DROP_TUNNEL_BUSY);
		return;
	}
	l->port[l->n] = port;
	l->m[l->n++] = m;
}

static void burst(struct dp_worker *w, uint16_t port, struct rte_mbuf **pkts, uint16_t n)
{
	const struct dp_vport *in = w->view->vports[port];

	if (in == NULL || in->port == NULL)
		for (uint16_t i = 0; i < n; i++)
			refuse(w, port, pkts[i], DP_DROP_PORT_REMOVED);
	else if (in->pipeline != NULL)
		dp_flow_burst(w, in, pkts, n);
	else
		dp_l2_burst(w, in, pkts, n);
}

/* One round: bursts of frames of one port, in the order in which they came. */
static void run_list(struct dp_worker *w, struct dp_again_list *l, bool too_late)
{
	for (uint16_t first = 0; first < l->n; first++) {
		struct rte_mbuf *pkts[DP_BURST];
		uint16_t port = l->port[first], n = 0;

		if (l->m[first] == NULL)
			continue;
		for (uint16_t i = first; i < l->n && n < DP_BURST; i++) {
			if (l->m[i] == NULL || l->port[i] != port)
				continue;
			pkts[n++] = l->m[i];
			l->m[i] = NULL;
		}
		for (uint16_t i = 0; too_late && i < n; i++)
			refuse(w, port, pkts[i], DP_DROP_TUNNEL_LOOP);
		if (!too_late)
			burst(w, port, pkts, n);
	}
	l->n = 0;
}

void dp_again_run(struct dp_worker *w)
{
	struct dp_again *a = &w->again;

	a->running = true;
	for (unsigned round = 0; a->lists[a->filling].n != 0; round++) {
		struct dp_again_list *l = &a->lists[a->filling];

		a->filling ^= 1;
		run_list(w, l, round == DP_AGAIN_ROUNDS);
	}
	a->running = false;
}
