/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a queue of one NIC is for: a burst that came by it is looked at once, frame by frame, and
 * then goes to that NIC's driver as it is.
 *
 * 	shared      count ─► classify, two look-ups a frame ─► gather by port ─► look again ─► send
 * 	dedicated   classify and look up the first frame ─► all others as it, sources known,
 * 		    nothing asked of the sender? counted by the way ─► send
 *
 * Anything else (tags, groups, another destination, a source that is new or has moved, a port with
 * stages or a capture, offload requests) takes the general way, all of the burst, and nothing has
 * been done then.  The look-up of the destination is made for each burst and not remembered: it is
 * one cache line, and so no change of the table or of the view can be missed.
 *
 * Sources that the table confirmed are remembered for an eighth of a second at most, so that the
 * table hears often enough that they are in use.
 *
 * Workers.
 */
#include "dataplane/vmq_priv.h"

#include <string.h>

#include <rte_prefetch.h>

#include "dataplane/edge.h"
#include "dataplane/fdb_priv.h"

#define KNOWN_A_SECOND 8u
#define AHEAD	       4

/* ---- Sources ---- */

void dp_vmq_known_begin(struct dp_worker *w, struct dp_vmq_known *known, const struct dp_vport *in,
			uint32_t where)
{
	uint64_t of = (uint64_t)where << 16 | in->id;

	if (likely(known->of == of && w->burst_tsc < known->until))
		return;
	known->of = of;
	known->until = w->burst_tsc + w->dp->tsc_hz / KNOWN_A_SECOND;
	if (++known->generation != 0)
		return;
	memset(known->at, 0, sizeof(known->at));
	known->generation = 1;
}

bool dp_vmq_known_ask(struct dp_worker *w, struct dp_vmq_known *known, const struct dp_vport *in,
		      uint64_t src, uint32_t where)
{
	const struct dp_fdb *fdb = w->dp->fdb;
	const struct dp_fdb_table *t = atomic_load_explicit(&fdb->table, memory_order_acquire);
	uint64_t *at = dp_vmq_known_at(known, src << 16);

	if ((src & DP_EDGE_GROUP_BIT) != 0 || src == 0 ||
	    !dp_fdb_confirm(fdb, t, dp_fdb_first(t, dp_fdb_hash(fdb, src, where)), src, where,
			    in->id))
		return false;
	at[1] = at[0];
	at[0] = src << 16 | known->generation;
	return true;
}

/* ---- A burst ---- */

/* Where an untagged frame for one station goes, and whether it may; NULL: ask the general way.
 * 'where': as the table has its addresses. */
static const struct dp_vport *out_of(struct dp_worker *w, const struct dp_vport *in,
				     const struct rte_mbuf *first, uint32_t *ret_where)
{
	const struct dp_fdb *fdb = w->dp->fdb;
	const struct dp_fdb_table *t = atomic_load_explicit(&fdb->table, memory_order_acquire);
	struct dp_edge_frame f = {.m = (struct rte_mbuf *)(uintptr_t)first};
	const struct dp_domain *domain = w->view->domains[in->domain];
	const struct dp_vport *out;
	struct dp_fdb_bucket *b;
	enum dp_drop reason;
	uint16_t vlan, id;
	int slot;

	if (dp_edge_classify(in, &f) != DP_N_DROPS || f.tagged || (f.dst & DP_EDGE_GROUP_BIT) != 0)
		return NULL;
	vlan = domain->fdb_vlan != NULL ? domain->fdb_vlan[f.cvlan] : f.cvlan;
	*ret_where = (uint32_t)f.domain << 16 | vlan;
	id = dp_fdb_find(fdb, t, dp_fdb_first(t, dp_fdb_hash(fdb, f.dst, *ret_where)), f.dst,
			 *ret_where, &b, &slot);
	out = id != DP_NO_PORT ? w->view->vports[id] : NULL;
	if (out == NULL || out == in || dp_edge_needs_tag_work(out, &f) ||
	    !dp_edge_may_leave(in, out, f.domain, f.cvlan, &reason))
		return NULL;
	return out;
}

/* Are all for whom the first is for, untagged, from sources that live here?  Adds up what they ask
 * of who sends them. */
static inline bool look(struct dp_worker *w, const struct dp_vport *in, struct dp_vmq_known *known,
			uint32_t where, struct rte_mbuf **pkts, uint16_t n, struct dp_tx_sum *sum)
{
	uint64_t differ = 0, last = 0, dst = 0;
	int32_t shorter = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		const char *d = rte_pktmbuf_mtod(m, const char *);
		uint64_t a, b;
		uint16_t type;

		if (i + AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(pkts[i + AHEAD], void *));
		memcpy(&a, d, sizeof(a));
		memcpy(&b, d + 6, sizeof(b));
		type = (uint16_t)(b >> 48);
		dst = i == 0 ? a : dst;
		differ |= (a ^ dst) << 16;
		differ |= dp_edge_is_tpid(type);
		shorter |= (int32_t)m->data_len - RTE_ETHER_HDR_LEN;
		sum->flags |= m->ol_flags;
		sum->bytes += m->pkt_len;
		sum->longest = m->pkt_len > sum->longest ? m->pkt_len : sum->longest;
		sum->more |= m->nb_segs - 1u;
		m->port = in->id;
		b <<= 16;
		if (b == last)
			continue;
		/* What lies behind a frame that is too short is not worth remembering. */
		if (unlikely(!dp_vmq_is_known(known, b)) &&
		    (shorter < 0 || !dp_vmq_known_ask(w, known, in, b >> 16, where)))
			return false;
		last = b;
	}
	return differ == 0 && shorter >= 0;
}

bool dp_vmq_fast(struct dp_worker *w, const struct dp_vport *in, struct dp_vmq_known *known,
		 struct rte_mbuf **pkts, uint16_t n)
{
	const uint32_t taken = DP_VP_UP | DP_VP_HELD | DP_VP_NO_RECV | DP_VP_MIRROR_ONLY |
			       DP_VP_LEARN | DP_VP_UNTAGGED_IN;
	struct dp_count *count = w->count->ports[in->id];
	struct dp_tx_sum sum = {0};
	const struct dp_vport *out;
	struct dp_txq *txq;
	uint32_t where;

	if (unlikely((in->flags & taken) != (DP_VP_UP | DP_VP_LEARN | DP_VP_UNTAGGED_IN) ||
		     in->wire != NULL || w->trace != NULL))
		return false;
	out = out_of(w, in, pkts[0], &where);
	if (unlikely(out == NULL))
		return false;
	txq = dp_tx_straight(w, out);
	dp_vmq_known_begin(w, known, in, where);
	if (unlikely(txq == NULL || !look(w, in, known, where, pkts, n, &sum) ||
		     !dp_tx_is_plain(out, &sum)))
		return false;
	count->rx_packets += n;
	count->rx_bytes += sum.bytes;
	count->forwarded += n;
	dp_edge_count_tenant(w, in->domain, n, sum.bytes);
	dp_tx_plain(w, txq, out, pkts, n, sum.bytes);
	return true;
}
