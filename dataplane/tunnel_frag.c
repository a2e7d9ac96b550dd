/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fragments of outer packets are put together (frag.h): what is in them needs to be one.  They are
 * kept by the worker that their packet's hash chooses; another one gives it the frame as if that
 * one owned the VTEP's queue.  Workers.
 *
 * Source: RFC 791 3.2, 8200 4.5.
 */
#include "dataplane/frag_priv.h"
#include "dataplane/rewrite.h"
#include "dataplane/tunnel_priv.h"

#include <string.h>

#include <rte_ip.h>
#include <rte_ring.h>

#define ETH_SIZE    14u
#define IP6_SIZE    40u
#define FRAG_SIZE   8u
#define PROTO_UDP   17
#define PROTO_GRE   47
#define CKSUM_FLAGS (RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_IP_CKSUM_MASK)

/* Is it a fragment that a tunnel's packet may be made of? */
static bool read(const struct dp_vport *vp, const struct rte_mbuf *m, struct dp_frag *frag)
{
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);
	struct dp_headers h;
	uint8_t proto;

	dp_parse_mbuf(m, &h);
	if (h.l2_size != ETH_SIZE || !dp_frag_read(d, m->data_len, &h, frag))
		return false;
	/* Nothing stands between IPv6's headers: such packets are no tunnel's. */
	if (h.ip_version == 6 && frag->head != ETH_SIZE + IP6_SIZE + FRAG_SIZE)
		return false;
	proto = h.ip_version == 6 ? d[ETH_SIZE + IP6_SIZE] : frag->key.proto;
	frag->key.domain = vp->domain;
	frag->key.flags |= DP_FRAG_OUTER;
	return proto == PROTO_UDP || proto == PROTO_GRE;
}

static void give(struct dp_worker *w, struct dp_worker *to, const struct dp_vport *vp,
		 struct rte_mbuf *m)
{
	m->vlan_tci_outer = vp->id;
	/* It is offered there. */
	w->count->ports[vp->id]->offered--;
	w->count->handed++;
	if (rte_ring_mp_enqueue(to->inbox, m) != 0) {
		w->count->handed--;
		w->count->ports[vp->id]->offered++;
		dp_drop_tx(w, vp->id, m, DP_DROP_HANDOFF_FULL);
		return;
	}
	dp_worker_wake(to);
}

bool dp_vtep_hold(struct dp_worker *w, const struct dp_vport *vp, struct rte_mbuf *m)
{
	struct dp_worker *owner;
	struct dp_frag frag;

	/* A trace is no packet: nothing waits for it. */
	if (w->frags == NULL || !read(vp, m, &frag))
		return false;
	owner = dp_frag_owner(w, &frag.key);
	if (owner == w || owner == NULL)
		dp_frag_hold(w, vp->port, &frag, m, vp->domain, true);
	else
		give(w, owner, vp, m);
	return true;
}

/* ---- A packet is whole ---- */

/* No more of the frame than its part, of which 'skip' bytes before it go too. */
static bool trim(const struct dp_frag_piece *piece, uint16_t skip)
{
	uint32_t padding = piece->m->pkt_len - piece->head - piece->size;

	return (padding == 0 || rte_pktmbuf_trim(piece->m, (uint16_t)padding) == 0) &&
	       (skip == 0 || rte_pktmbuf_adj(piece->m, skip) != NULL);
}

static bool head_v4(struct rte_mbuf *m, uint32_t header, uint32_t size)
{
	uint8_t *ip = rte_pktmbuf_mtod_offset(m, uint8_t *, ETH_SIZE);
	uint32_t total = header + size;
	uint16_t csum;

	if (total > UINT16_MAX)
		return false;
	dp_tun_put16(ip + 2, (uint16_t)total);
	memset(ip + 6, 0, 2);
	memset(ip + 10, 0, 2);
	csum = (uint16_t)~rte_raw_cksum(ip, header);
	memcpy(ip + 10, &csum, sizeof(csum));
	return true;
}

/* Without the fragment header, which stands behind the fixed one. */
static bool head_v6(struct rte_mbuf *m, uint32_t size)
{
	uint8_t *d = rte_pktmbuf_mtod(m, uint8_t *), *ip = d + ETH_SIZE;

	ip[6] = ip[IP6_SIZE];
	dp_tun_put16(ip + 4, (uint16_t)size);
	memmove(d + FRAG_SIZE, d, ETH_SIZE + IP6_SIZE);
	rte_pktmbuf_adj(m, FRAG_SIZE);
	return true;
}

/* The packet in one chain, or NULL; what is left of the fragments is gone then. */
static struct rte_mbuf *join(struct dp_worker *w, struct dp_frag_packet *p)
{
	struct dp_frag_piece *first = &p->pieces[0];
	bool ok;

	first->m = dp_rw_own(first->m, dp_pool(w->dp, 0, false));
	ok = first->m != NULL && first->m->data_len >= first->head && trim(first, 0);
	if (ok && (p->key.flags & DP_FRAG_V6) != 0)
		ok = head_v6(first->m, p->size);
	else if (ok)
		ok = head_v4(first->m, first->head - ETH_SIZE, p->size);
	for (uint16_t i = 1; i < p->n; i++) {
		struct rte_mbuf *m = p->pieces[i].m;

		ok = ok && trim(&p->pieces[i], p->pieces[i].head) &&
		     rte_pktmbuf_chain(first->m, m) == 0;
		if (!ok)
			rte_pktmbuf_free(m);
	}
	if (ok) {
		first->m->ol_flags &= ~(uint64_t)CKSUM_FLAGS;
		return first->m;
	}
	rte_pktmbuf_free(first->m);
	return NULL;
}

/* Did all of them come to this VTEP, which is still the same? */
static bool is_of(const struct dp_vport *vp, const struct dp_frag_packet *p)
{
	for (uint16_t i = 0; i < p->n; i++)
		if (p->pieces[i].port != vp->id || !dp_frag_is_of(vp, &p->pieces[i]))
			return false;
	return true;
}

struct rte_mbuf *dp_vtep_whole(struct dp_worker *w, const struct dp_vport *vp, uint16_t *ret_n,
			       uint64_t *ret_bytes)
{
	struct dp_frag_packet p;
	struct rte_mbuf *m;

	while (dp_frags_take(w->frags, true, &p)) {
		*ret_bytes = 0;
		for (uint16_t i = 0; i < p.n; i++) {
			*ret_bytes += p.pieces[i].m->pkt_len;
			w->count->ports[p.pieces[i].port]->held_tx--;
		}
		*ret_n = p.n;
		if (!is_of(vp, &p)) {
			for (uint16_t i = 0; i < p.n; i++)
				dp_drop_tx(w, p.pieces[i].port, p.pieces[i].m,
					   DP_DROP_PORT_REMOVED);
			continue;
		}
		m = join(w, &p);
		if (m != NULL)
			return m;
		w->count->ports[vp->id]->drops_tx[DP_DROP_FRAG_BAD] += p.n;
	}
	return NULL;
}
