/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where copies go; see mirror.h.  A port gets them as they are.  A VLAN's ports get them as frames
 * that wear no tag and are carried by that VLAN: a tag that they have stays inside.  An address
 * gets each in a packet of its own, finished and cut to what the way there takes, by its VTEP.
 */
#include "dataplane/mirror_priv.h"

#include "dataplane/csum.h"
#include "dataplane/gso.h"
#include "dataplane/tunnel_priv.h"

#define MAX_PIECES 256
#define TAGS_ROOM  8u /* of the underlay, pushed later */
#define ETH_SIZE   14u

static bool takes(const struct dp_vport *out)
{
	return out != NULL && out->port != NULL &&
	       (out->flags & (DP_VP_UP | DP_VP_HELD | DP_VP_NO_FWD)) == DP_VP_UP &&
	       atomic_load_explicit(&out->port->link_up, memory_order_relaxed);
}

static const struct dp_vport *port_at(const struct dp_worker *w, uint16_t id)
{
	return id < DP_MAX_PORTS && w->tx[id] != NULL ? w->view->vports[id] : NULL;
}

static const struct dp_vport *vtep_of(const struct dp_worker *w, const struct dp_mirror *mirror)
{
	const struct dp_vport *vp = port_at(w, mirror->port);

	return vp != NULL && vp->port != NULL && (vp->flags & DP_VP_UP) != 0 && vp->vtep != NULL &&
			       vp->vtep->neighs != NULL
		       ? vp
		       : NULL;
}

static enum dp_mirror_loss resolve(struct dp_worker *w, const struct dp_mirror *mirror,
				   const struct dp_vport *vtep, uint8_t ret_mac[6])
{
	enum dp_drop reason;

	if (vtep == NULL)
		return DP_MIRROR_LOST_TARGET;
	reason = dp_vtep_resolve(w, vtep->vtep, &mirror->to, ret_mac);
	if (likely(reason == DP_N_DROPS))
		return DP_MIRROR_N_LOSSES;
	return reason == DP_DROP_TUNNEL_UNRESOLVED ? DP_MIRROR_LOST_UNRESOLVED
						   : DP_MIRROR_LOST_ROUTE;
}

enum dp_mirror_loss dp_mirror_ready(struct dp_worker *w, const struct dp_mirror *mirror)
{
	uint8_t mac[6];

	if (mirror->kind == DP_MIRROR_TO_IP)
		return resolve(w, mirror, vtep_of(w, mirror), mac);
	if (mirror->kind == DP_MIRROR_TO_PORT)
		return takes(port_at(w, mirror->port)) ? DP_MIRROR_N_LOSSES : DP_MIRROR_LOST_TARGET;
	for (uint16_t i = 0; i < mirror->n_ports; i++)
		if (takes(port_at(w, mirror->ports[i])))
			return DP_MIRROR_N_LOSSES;
	return DP_MIRROR_LOST_TARGET;
}

/* Counted as copied, and now it is not. */
static void lose(struct dp_worker *w, const struct dp_mirror *mirror, enum dp_mirror_loss loss,
		 uint32_t size)
{
	dp_mirror_add(w, mirror, DP_MIRROR_AT(copied), (uint64_t)-1);
	dp_mirror_add(w, mirror, DP_MIRROR_AT(bytes), -(uint64_t)size);
	dp_mirror_add(w, mirror, DP_MIRROR_AT(lost) + loss, 1);
}

static void lose_all(struct dp_worker *w, const struct dp_mirror *mirror, enum dp_mirror_loss loss,
		     struct rte_mbuf **copies, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		lose(w, mirror, loss, copies[i]->pkt_len);
	rte_pktmbuf_free_bulk(copies, n);
}

/* ---- To a port ---- */

static void to_port(struct dp_worker *w, const struct dp_mirror_from *from,
		    struct rte_mbuf **copies, uint16_t n)
{
	struct dp_count *count = w->count->ports[from->port];
	const struct dp_vport *out = port_at(w, from->mirror->port);

	if (unlikely(!takes(out))) {
		lose_all(w, from->mirror, DP_MIRROR_LOST_TARGET, copies, n);
		return;
	}
	count->copies += n;
	count->forwarded += n;
	dp_tx_gather_all(w, dp_tx_open(w, out), out->id, copies, n);
}

/* ---- Into a VLAN ---- */

/* Takes 'm'. */
static bool deliver(struct dp_worker *w, const struct dp_mirror_from *from,
		    const struct dp_vport *out, struct rte_mbuf *m)
{
	struct dp_count *count = w->count->ports[from->port];

	if (m != NULL)
		m = dp_vlan_egress(w, out, m, from->mirror->domain, from->mirror->vlan, false);
	if (m == NULL)
		return false;
	count->copies++;
	count->forwarded++;
	dp_tx(w, out, m);
	return true;
}

static void to_vlan_one(struct dp_worker *w, const struct dp_mirror_from *from, struct rte_mbuf *m)
{
	const struct dp_mirror *mirror = from->mirror;
	const struct dp_vport *prev = NULL;
	uint32_t size = m->pkt_len;
	bool any = false;

	for (uint16_t i = 0; i < mirror->n_ports; i++) {
		const struct dp_vport *out = port_at(w, mirror->ports[i]);

		if (!takes(out))
			continue;
		if (prev != NULL)
			any |= deliver(w, from, prev,
				       rte_pktmbuf_clone(m, dp_pool(w->dp, 0, false)));
		prev = out;
	}
	if (prev != NULL)
		any |= deliver(w, from, prev, m);
	else
		rte_pktmbuf_free(m);
	if (!any)
		lose(w, mirror, prev != NULL ? DP_MIRROR_LOST_BUFFER : DP_MIRROR_LOST_TARGET, size);
}

/* ---- To an address ---- */

/* Packets on their way to the VTEP. */
struct wrap {
	struct dp_worker *w;
	const struct dp_mirror_from *from;
	const struct dp_vport *vtep;
	struct dp_erspan_frame head;
	uint32_t longest; /* frame that fits */
	uint32_t room;	  /* before it */
	uint16_t n;
	uint64_t bytes; /* of the frames in them */
	struct rte_mbuf *out[DP_TX_GATHER];
};

static void leave(struct wrap *k)
{
	struct dp_count *from = k->w->count->ports[k->from->port];
	struct dp_count *vtep = k->w->count->ports[k->vtep->id];

	if (k->n == 0)
		return;
	from->copies += k->n;
	from->forwarded += k->n;
	vtep->offered += k->n;
	vtep->tx_packets += k->n;
	vtep->tx_bytes += k->bytes;
	dp_vtep_leave(k->w, k->vtep, k->head.dst_mac, k->out, k->n);
	k->n = 0;
	k->bytes = 0;
}

/* Bytes of its own in one piece, with room before them, and no longer than fits.  Takes 'm'; NULL:
 * no buffer. */
static struct rte_mbuf *fit(struct wrap *k, struct rte_mbuf *m)
{
	struct rte_mbuf *own;

	if (m->pkt_len > k->longest)
		m->vlan_tci_outer = 1;
	if (likely(m->nb_segs == 1 && RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1 &&
		   rte_pktmbuf_headroom(m) >= k->room + TAGS_ROOM)) {
		if (m->pkt_len > k->longest)
			rte_pktmbuf_trim(m, (uint16_t)(m->pkt_len - k->longest));
		return m;
	}
	own = rte_pktmbuf_copy(m, dp_pool(k->w->dp, 0, false), 0, k->longest);
	if (own != NULL)
		own->vlan_tci_outer = m->vlan_tci_outer;
	rte_pktmbuf_free(m);
	return own;
}

/* One finished frame.  Takes it. */
static bool put(struct wrap *k, struct rte_mbuf *m)
{
	const struct dp_mirror *mirror = k->from->mirror;
	const struct dp_vport *vp = k->w->view->vports[k->from->port];
	struct dp_mirror_tags tags = {.vlan = 0};

	m = fit(k, m);
	if (m == NULL)
		return false;
	if (vp != NULL)
		dp_mirror_tags(vp, (enum dp_filter_side)k->from->side, m, &tags);
	k->head.sequence =
		atomic_fetch_add_explicit(&mirror->live->sequence, 1, memory_order_relaxed);
	k->head.size = m->pkt_len;
	k->head.vlan = tags.vlan < DP_VLANS ? tags.vlan : 0;
	k->head.cos = tags.cos;
	k->head.tagged = tags.tagged;
	k->head.truncated = m->vlan_tci_outer != 0;
	k->bytes += m->pkt_len;
	dp_erspan_put(&mirror->erspan, &k->head, rte_pktmbuf_mtod(m, uint8_t *));
	rte_pktmbuf_prepend(m, (uint16_t)k->room);
	k->out[k->n++] = m;
	if (k->n == DP_TX_GATHER)
		leave(k);
	return true;
}

/* A checksum that cannot be filled in is the sender's fault, and is shown as it came. */
static void finish(struct rte_mbuf *m)
{
	if ((m->ol_flags & DP_MIRROR_REQUESTS) != 0 && dp_csum_finish(m) != 0)
		m->ol_flags &= ~(uint64_t)DP_MIRROR_REQUESTS;
}

/* A super-frame in its pieces.  Takes it. */
static bool put_super(struct wrap *k, struct rte_mbuf *m)
{
	struct rte_mbuf *pieces[MAX_PIECES];
	int n = dp_gso(m, dp_pool(k->w->dp, 0, false), pieces, MAX_PIECES);
	bool any = false;

	for (int i = 0; i < n; i++) {
		pieces[i]->port = m->port;
		pieces[i]->vlan_tci_outer = 0;
		finish(pieces[i]);
		any |= put(k, pieces[i]);
	}
	rte_pktmbuf_free(m);
	return any;
}

static bool make_way(struct wrap *k, struct dp_worker *w, const struct dp_mirror_from *from,
		     enum dp_mirror_loss *ret_loss)
{
	const struct dp_mirror *mirror = from->mirror;
	const struct dp_vport *vtep = vtep_of(w, mirror), *vp = w->view->vports[from->port];
	uint32_t index = vp != NULL ? vp->of_port : 0;

	*ret_loss = resolve(w, mirror, vtep, k->head.dst_mac);
	if (*ret_loss != DP_MIRROR_N_LOSSES)
		return false;
	k->w = w;
	k->from = from;
	k->vtep = vtep;
	k->n = 0;
	k->bytes = 0;
	k->room = dp_erspan_size(&mirror->erspan, mirror->to.v6);
	k->longest = vtep->vtep->mtu + ETH_SIZE - k->room;
	memcpy(k->head.src_mac, vtep->vtep->mac.addr_bytes, 6);
	k->head.src = mirror->to.v6 ? vtep->vtep->v6.address : vtep->vtep->v4.address;
	k->head.dst = mirror->to;
	k->head.egress = from->side == DP_FILTER_EGRESS;
	k->head.index = mirror->erspan.type == 3 ? index : index << 1 | k->head.egress;
	k->head.time = (uint32_t)(w->burst_tsc / (w->dp->tsc_hz / 10000));
	return true;
}

static void to_ip(struct dp_worker *w, const struct dp_mirror_from *from, struct rte_mbuf **copies,
		  uint16_t n)
{
	enum dp_mirror_loss loss;
	struct wrap k;

	if (unlikely(!make_way(&k, w, from, &loss))) {
		lose_all(w, from->mirror, loss, copies, n);
		return;
	}
	for (uint16_t i = 0; i < n; i++) {
		uint32_t size = copies[i]->pkt_len;
		bool done;

		if ((copies[i]->ol_flags & DP_MIRROR_SUPER) != 0) {
			done = put_super(&k, copies[i]);
		} else {
			finish(copies[i]);
			done = put(&k, copies[i]);
		}
		if (!done)
			lose(w, from->mirror, DP_MIRROR_LOST_BUFFER, size);
	}
	leave(&k);
}

/* ---- All of them ---- */

void dp_mirror_carry(struct dp_worker *w, const struct dp_mirror_from *from,
		     struct rte_mbuf **copies, uint16_t n)
{
	switch ((enum dp_mirror_kind)from->mirror->kind) {
	case DP_MIRROR_TO_PORT:
		to_port(w, from, copies, n);
		break;
	case DP_MIRROR_TO_VLAN:
		for (uint16_t i = 0; i < n; i++)
			to_vlan_one(w, from, copies[i]);
		break;
	case DP_MIRROR_TO_IP:
		to_ip(w, from, copies, n);
		break;
	}
}

/* While they are sent others may come to wait: of ports whose gathered frames had to go. */
void dp_mirror_send(struct dp_worker *w)
{
	struct dp_mirror_wait *wait = &w->mirrored;

	for (uint16_t at = 0; at < wait->n;) {
		const struct dp_mirror_from from = {wait->v[at].mirror, wait->v[at].port,
						    DP_FILTER_EGRESS};
		struct rte_mbuf *copies[DP_TX_GATHER];
		uint16_t n = 0;

		while (at < wait->n && n < DP_TX_GATHER && wait->v[at].mirror == from.mirror &&
		       wait->v[at].port == from.port)
			copies[n++] = wait->v[at++].m;
		dp_mirror_carry(w, &from, copies, n);
	}
	wait->n = 0;
}
