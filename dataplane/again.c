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

void dp_again_burst(struct dp_worker *w, uint16_t port, struct rte_mbuf **pkts, uint16_t n)
{
	struct dp_again_list *l = &w->again.lists[w->again.filling];

	if (unlikely(n > DP_AGAIN_MAX - l->n)) {
		for (uint16_t i = 0; i < n; i++)
			dp_again(w, port, pkts[i]);
		return;
	}
	for (uint16_t i = 0; i < n; i++) {
		l->port[l->n + i] = port;
		l->m[l->n + i] = pkts[i];
	}
	l->n = (uint16_t)(l->n + n);
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

/* How many of 'port' stand one behind the other from 'first' on, as many as a burst takes. */
static uint16_t in_a_row(const struct dp_again_list *l, uint16_t first, uint16_t port)
{
	uint16_t n = 1;

	while (n < DP_BURST && first + n < l->n && l->port[first + n] == port &&
	       l->m[first + n] != NULL)
		n++;
	return n;
}

/* Takes out the next frames of 'port', from 'first' on. */
static uint16_t gather(struct dp_again_list *l, uint16_t first, uint16_t port,
		       struct rte_mbuf **ret_pkts)
{
	uint16_t n = 0;

	for (uint16_t i = first; i < l->n && n < DP_BURST; i++) {
		if (l->m[i] == NULL || l->port[i] != port)
			continue;
		ret_pkts[n++] = l->m[i];
		l->m[i] = NULL;
	}
	return n;
}

/* One round: bursts of frames of one port, in the order in which they came. */
static void run_list(struct dp_worker *w, struct dp_again_list *l, bool too_late)
{
	for (uint16_t first = 0; first < l->n;) {
		struct rte_mbuf *gathered[DP_BURST], **pkts = l->m + first;
		uint16_t port = l->port[first], step, n;

		if (l->m[first] == NULL) {
			first++;
			continue;
		}
		n = step = in_a_row(l, first, port);
		if (unlikely(n < DP_BURST && first + n < l->n)) {
			n = gather(l, first, port, gathered);
			pkts = gathered;
		}
		for (uint16_t i = 0; too_late && i < n; i++)
			refuse(w, port, pkts[i], DP_DROP_TUNNEL_LOOP);
		if (!too_late)
			burst(w, port, pkts, n);
		first = (uint16_t)(first + step);
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
