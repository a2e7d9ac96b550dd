/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See frag_priv.h: fragments that connection tracking asks about.  Workers.
 */
#include "dataplane/flow.h"
#include "dataplane/frag_priv.h"

#include <string.h>

#include <rte_cycles.h>
#include <rte_ring.h>

static_assert(sizeof(((struct rte_mbuf *)NULL)->hash) >= sizeof(uint64_t), "room for 'carried'");

static bool has_ct(const uint8_t *steps, uint16_t size)
{
	for (uint16_t at = 0; at < size;) {
		const struct dp_step *s = (const struct dp_step *)(steps + at);

		if (s->op == DP_STEP_CT)
			return true;
		/* The steps of a clone lie behind its head. */
		at = (uint16_t)(at + (s->op == DP_STEP_CLONE ? sizeof(*s) : s->size));
	}
	return false;
}

/* ---- From worker to worker ---- */

static void give(struct dp_worker *w, struct dp_worker *to, const struct dp_vport *in,
		 const struct dp_edge_frame *f)
{
	struct rte_mbuf *m = f->m;
	uint64_t carried = f->carried;

	m->vlan_tci_outer = (uint16_t)(in->id | DP_INBOX_COMES_IN);
	m->ol_flags &= ~(uint64_t)RTE_MBUF_F_RX_RSS_HASH;
	memcpy(&m->hash, &carried, sizeof(carried));
	w->count->ports[in->id]->held_rx++;
	if (rte_ring_mp_enqueue(to->inbox, m) != 0) {
		w->count->ports[in->id]->held_rx--;
		dp_drop(w, in->id, m, DP_DROP_HANDOFF_FULL);
		return;
	}
	dp_worker_wake(to);
}

bool dp_flow_hold(struct dp_run *run, const struct dp_edge_frame *f, const uint8_t *steps,
		  uint16_t size)
{
	struct dp_worker *w = run->w, *owner;
	struct dp_headers h;
	struct dp_frag frag;

	if (w->flow->whole != NULL || w->trace != NULL || run->no_port || !has_ct(steps, size))
		return false;
	dp_parse_mbuf(f->m, &h);
	if (!dp_frag_read(rte_pktmbuf_mtod(f->m, const uint8_t *), f->m->data_len, &h, &frag))
		return false;
	frag.key.domain = f->domain;
	owner = dp_frag_owner(w, &frag.key);
	if (owner == w || owner == NULL)
		dp_frag_hold(w, run->in->port, &frag, f->m, f->carried, false);
	else
		give(w, owner, run->in, f);
	return true;
}

/* ---- A packet is whole ---- */

/* May what was held come in by 'in' now?  Its rules may have gone, and the port may be closed. */
static enum dp_drop admit(const struct dp_vport *in)
{
	if (in->pipeline == NULL)
		return DP_DROP_FRAG_TIMEOUT;
	return (in->flags & (DP_VP_UP | DP_VP_HELD | DP_VP_NO_RECV)) == DP_VP_UP
		       ? DP_N_DROPS
		       : DP_DROP_PORT_DISABLED;
}

void dp_flow_take_over(struct dp_worker *w, uint16_t port, struct rte_mbuf *m)
{
	const struct dp_vport *in = w->view->vports[port];
	struct dp_frag_piece piece = {.m = m, .port = port};
	enum dp_drop reason = DP_DROP_PORT_REMOVED;

	memcpy(&piece.carried, &m->hash, sizeof(piece.carried));
	w->count->ports[port]->held_rx--;
	if (in != NULL && in->port != NULL) {
		piece.serial = in->port->serial;
		if (dp_frag_is_of(in, &piece))
			reason = admit(in);
	}
	if (reason != DP_N_DROPS || w->flow == NULL) {
		dp_drop(w, port, m, reason != DP_N_DROPS ? reason : DP_DROP_FRAG_TIMEOUT);
		return;
	}
	w->burst_tsc = rte_rdtsc();
	dp_flow_carry(w, in, &m, &piece.carried, 1);
	if (dp_frags_has_whole(w->frags, false))
		dp_flow_settle(w);
}

/* What the tracker wants to know of the whole is in the first. */
static void describe(const struct dp_frag_packet *p, struct dp_whole *whole)
{
	const struct dp_frag_piece *first = &p->pieces[0];
	const struct rte_mbuf *m = first->m;
	struct dp_headers h;

	memset(whole, 0, sizeof(*whole));
	dp_parse_mbuf(m, &h);
	/* Extension headers may lie before the transport's. */
	if (h.l2_size + h.l3_size >= first->head)
		whole->l4_size = p->size - (uint32_t)(h.l2_size + h.l3_size - first->head);
	dp_ct_packet_first(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, &h, whole->l4_size,
			   &whole->packet);
	dp_ct_packet_ports(&whole->packet, whole->ports);
}

/* Goes on with fragments 'from' on that came by one port; returns how many these were. */
static uint16_t carry_some(struct dp_worker *w, const struct dp_frag_packet *p, uint16_t from)
{
	const struct dp_vport *in = w->view->vports[p->pieces[from].port];
	struct rte_mbuf *pkts[DP_BURST];
	uint64_t carried[DP_BURST];
	uint16_t n = 0, i;

	for (i = from; i < p->n && i - from < DP_BURST; i++) {
		const struct dp_frag_piece *piece = &p->pieces[i];
		enum dp_drop reason = DP_DROP_PORT_REMOVED;

		if (piece->port != p->pieces[from].port)
			break;
		w->count->ports[piece->port]->held_rx--;
		if (dp_frag_is_of(in, piece))
			reason = admit(in);
		if (reason != DP_N_DROPS) {
			dp_drop(w, piece->port, piece->m, reason);
			continue;
		}
		pkts[n] = piece->m;
		carried[n++] = piece->carried;
	}
	if (n != 0)
		dp_flow_carry(w, in, pkts, carried, n);
	return (uint16_t)(i - from);
}

void dp_flow_settle(struct dp_worker *w)
{
	struct dp_frag_packet p;
	struct dp_whole whole;

	while (dp_frags_take(w->frags, false, &p)) {
		describe(&p, &whole);
		w->flow->whole = &whole;
		for (uint16_t i = 0; i < p.n;)
			i = (uint16_t)(i + carry_some(w, &p, i));
		w->flow->whole = NULL;
	}
}
