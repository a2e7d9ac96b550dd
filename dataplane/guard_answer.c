/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Answers for others: a request for an address that is bound to a port of the same domain goes back
 * as the answer of its owner, and nobody else sees it.  The request itself becomes the answer; in
 * the ledger it is forwarded, out of the port that it came in by.
 *
 * The switch answers no more than the owner could: both must reach each other (tenant, VLAN,
 * private VLAN, protected ports), and the owner's port must be up.  An advertisement says that its
 * owner is no router, so it is given only for those that a guard keeps from being one (RFC 4861
 * 7.2.5: whoever hears it would forget its router).
 *
 * Workers.  Sources: RFC 826; RFC 4861 4.3, 4.4, 7.2.
 */
#include "dataplane/guard_answer.h"

#include "dataplane/edge.h"
#include "dataplane/rewrite.h"

#include <string.h>

#include <rte_ip.h>

#define ARP_SIZE     28u
#define IP6_SIZE     40u
#define NA_SIZE	     32u /* with the option of its owner's MAC */
#define NS_OPTIONS   24u
#define ND_ADVERTISE 136
#define ND_TARGET    2
#define SOLICITED    0x40
#define OVERRIDE     0x20

static void put16(uint8_t *p, uint16_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void answer_arp(uint8_t *d, uint16_t l2, const uint8_t mac[6])
{
	uint8_t *a = d + l2, asked[4];

	memcpy(asked, a + 24, 4);
	memcpy(d, a + 8, 6);
	memcpy(d + 6, mac, 6);
	a[7] = 2;
	memmove(a + 18, a + 8, 10); /* its sender is the target */
	memcpy(a + 8, mac, 6);
	memcpy(a + 14, asked, 4);
}

/* Whoever asks without an address of its own hears it with all nodes (RFC 4861 7.2.4). */
static void answer_nd(uint8_t *d, uint16_t l2, const uint8_t mac[6])
{
	static const uint8_t all_nodes[16] = {0xff, 2, [15] = 1}, zero[16] = {0};
	static const uint8_t all_nodes_mac[6] = {0x33, 0x33, 0, 0, 0, 1};
	uint8_t *ip = d + l2, *icmp = ip + IP6_SIZE;
	const bool anonymous = memcmp(ip + 8, zero, 16) == 0;
	uint16_t sum;

	memcpy(d, anonymous ? all_nodes_mac : d + 6, 6);
	memcpy(d + 6, mac, 6);
	memmove(ip + 24, anonymous ? all_nodes : ip + 8, 16);
	memcpy(ip + 8, icmp + 8, 16);
	put16(ip + 4, NA_SIZE);
	memset(icmp, 0, 8);
	icmp[0] = ND_ADVERTISE;
	icmp[4] = anonymous ? OVERRIDE : SOLICITED | OVERRIDE;
	icmp[24] = ND_TARGET;
	icmp[25] = 1;
	memcpy(icmp + 26, mac, 6);
	sum = rte_ipv6_udptcp_cksum((const struct rte_ipv6_hdr *)ip, icmp);
	memcpy(icmp + 2, &sum, 2);
}

/* May the owner be spoken for to 'in'? */
static bool may_answer(const struct dp_worker *w, const struct dp_vport *in,
		       const struct dp_edge_frame *f, const struct dp_guard_binding *owner)
{
	const struct dp_vport *vp =
		owner->port < w->view->n_vports ? w->view->vports[owner->port] : NULL;
	enum dp_drop reason;

	if (vp == NULL || vp->port == NULL || vp->guard == NULL || vp->domain != f->domain)
		return false;
	if (owner->ip.v6 && (vp->guard->on & DP_GUARD_ROUTER) == 0)
		return false;
	return dp_edge_may_leave(in, vp, f->domain, f->cvlan, &reason) &&
	       dp_edge_may_leave(vp, in, f->domain, f->cvlan, &reason) &&
	       dp_edge_may_leave(in, in, f->domain, f->cvlan, &reason);
}

static bool write_answer(struct rte_mbuf *m, const struct dp_headers *h,
			 const struct dp_guard_binding *owner)
{
	const uint32_t size = h->l2_size + IP6_SIZE + NA_SIZE;
	uint8_t *d = rte_pktmbuf_mtod(m, uint8_t *);

	m->ol_flags &= ~(uint64_t)DP_RW_REQUESTS;
	if (!owner->ip.v6) {
		answer_arp(d, h->l2_size, owner->mac);
		return true;
	}
	if (m->pkt_len < size && rte_pktmbuf_append(m, (uint16_t)(size - m->pkt_len)) == NULL)
		return false;
	if (m->pkt_len > size)
		rte_pktmbuf_trim(m, (uint16_t)(m->pkt_len - size));
	answer_nd(d, h->l2_size, owner->mac);
	return true;
}

bool dp_guard_answer(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf *m,
		     const struct dp_headers *h, const struct dp_guard_binding *owner)
{
	struct dp_count *count = w->count->ports[in->id];
	struct dp_edge_frame f = {.m = m};

	if (m->nb_segs != 1 || in->wire != NULL || dp_edge_classify(in, &f) != DP_N_DROPS ||
	    !may_answer(w, in, &f, owner))
		return false;
	count->rx_multicast += f.dst & DP_EDGE_GROUP_BIT;
	f.m = dp_rw_own(m, dp_pool(w->dp, 0, false));
	if (f.m == NULL) {
		count->drops_rx[DP_DROP_NO_MBUF]++;
		return true;
	}
	if (write_answer(f.m, h, owner)) {
		atomic_fetch_add_explicit(&in->guard->state->answered, w->trace == NULL,
					  memory_order_relaxed);
		dp_edge_send(w, in, in, &f, count);
	} else {
		dp_drop(w, in->id, f.m, DP_DROP_NO_MBUF);
	}
	return true;
}
