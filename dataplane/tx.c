/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Transmit: frames are gathered per egress port during a burst and go to the driver together.  On
 * the way each gets what its port cannot do itself: checksums, segmentation, one segment.  A worker
 * whose rank has no transmit queue on the port hands its frames to the worker that owns one.
 */
#include "dataplane/acl.h"
#include "dataplane/csum.h"
#include "dataplane/dp_priv.h"
#include "dataplane/filter.h"
#include "dataplane/flowrec.h"
#include "dataplane/frag_priv.h"
#include "dataplane/gso.h"
#include "dataplane/mirror.h"
#include "dataplane/queue.h"
#include "dataplane/shape.h"
#include "dataplane/stages.h"
#include "dataplane/trace_priv.h"

#include <rte_cycles.h>
#include <rte_ring.h>

#define REQUESTS                                                                                   \
	(RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_TCP_SEG |                  \
	 RTE_MBUF_F_TX_UDP_SEG)
#define GSO_MAX	  256
#define VLAN_ROOM 8u /* two tags beyond MTU + 14 */

/* What came in by 'in' is of a flow that somebody records. */
static void record_drops(struct dp_worker *w, uint16_t in, struct rte_mbuf **pkts, uint16_t n,
			 enum dp_drop reason)
{
	const struct dp_vport *vp = in < DP_MAX_PORTS ? w->view->vports[in] : NULL;

	if (unlikely(vp != NULL && (vp->on_ingress & DP_ON_FLOWREC) != 0))
		dp_flowrec_dropped(w, vp, pkts, n, reason);
}

static void report_drops(struct dp_worker *w, uint16_t port, struct rte_mbuf **pkts, uint16_t n,
			 enum dp_drop reason)
{
	const struct dp_vport *vp = w->view->vports[port];
	struct dp_capture_point *point;

	if (vp == NULL || vp->port == NULL)
		return;
	point = atomic_load_explicit(&vp->port->capture, memory_order_acquire);
	if (point != NULL)
		w->dp->capture(point, w->index, DP_STAGE_DROP, reason, pkts, n);
}

static void report_drop(struct dp_worker *w, uint16_t port, struct rte_mbuf *m, enum dp_drop reason)
{
	report_drops(w, port, &m, 1, reason);
}

void dp_drop(struct dp_worker *w, uint16_t port, struct rte_mbuf *m, enum dp_drop reason)
{
	w->count->ports[port]->drops_rx[reason]++;
	if (unlikely(w->trace != NULL))
		dp_trace_dropped(w->trace, DP_NO_PORT, reason);
	report_drop(w, port, m, reason);
	record_drops(w, port, &m, 1, reason);
	rte_pktmbuf_free(m);
}

void dp_drop_all(struct dp_worker *w, uint16_t port, struct rte_mbuf **pkts, uint16_t n,
		 enum dp_drop reason)
{
	w->count->ports[port]->drops_rx[reason] += n;
	if (unlikely(w->trace != NULL))
		for (uint16_t i = 0; i < n; i++)
			dp_trace_dropped(w->trace, DP_NO_PORT, reason);
	report_drops(w, port, pkts, n, reason);
	record_drops(w, port, pkts, n, reason);
	rte_pktmbuf_free_bulk(pkts, n);
}

void dp_drop_tx(struct dp_worker *w, uint16_t port, struct rte_mbuf *m, enum dp_drop reason)
{
	w->count->ports[port]->drops_tx[reason]++;
	if (unlikely(w->trace != NULL))
		dp_trace_dropped(w->trace, port, reason);
	report_drop(w, port, m, reason);
	record_drops(w, m->port, &m, 1, reason);
	rte_pktmbuf_free(m);
}

/* The transmit queue of this worker on a port, or NULL when it has to hand frames on. */
static struct dp_txq *my_txq(const struct dp_worker *w, const struct dp_port *port)
{
	uint16_t rank = atomic_load_explicit(&w->rank, memory_order_relaxed);

	return rank < port->n_txq ? &port->txq[rank] : NULL;
}

static uint32_t caps_needed(const struct rte_mbuf *m)
{
	uint64_t flags = m->ol_flags;
	uint32_t caps = m->nb_segs > 1 ? DP_TX_CHAIN : 0;

	switch (flags & RTE_MBUF_F_TX_L4_MASK) {
	case RTE_MBUF_F_TX_TCP_CKSUM:
		caps |= DP_TX_CSUM_TCP;
		break;
	case RTE_MBUF_F_TX_UDP_CKSUM:
		caps |= DP_TX_CSUM_UDP;
		break;
	case RTE_MBUF_F_TX_SCTP_CKSUM:
		caps |= DP_TX_CSUM_SCTP;
		break;
	default:
		break;
	}
	if ((flags & RTE_MBUF_F_TX_TCP_SEG) != 0)
		caps |= (flags & RTE_MBUF_F_TX_IPV6) != 0 ? DP_TX_TSO6 : DP_TX_TSO4;
	if ((flags & RTE_MBUF_F_TX_UDP_SEG) != 0)
		caps |= DP_TX_USO;
	return caps;
}

static void send_counted(struct dp_worker *w, struct dp_txq *txq, uint16_t id,
			 struct rte_mbuf **pkts, uint16_t n, uint64_t bytes)
{
	struct dp_count *count = w->count->ports[id];
	uint64_t rest = 0;
	uint16_t sent;

	txq->refused = DP_N_DROPS;
	sent = txq->port->tx(txq, pkts, n);
	if (unlikely(sent < n)) {
		enum dp_drop reason = txq->refused;

		if (reason == DP_N_DROPS)
			reason = atomic_load_explicit(&txq->port->link_up, memory_order_relaxed)
					 ? DP_DROP_TX_FULL
					 : DP_DROP_TX_DOWN;
		for (uint16_t i = sent; i < n; i++) {
			rest += pkts[i]->pkt_len;
			dp_drop_tx(w, id, pkts[i], reason);
		}
	}
	count->tx_packets += sent;
	count->tx_bytes += bytes - rest;
	atomic_store_explicit(&txq->packets, txq->packets + sent, memory_order_relaxed);
	atomic_store_explicit(&txq->bytes, txq->bytes + bytes - rest, memory_order_relaxed);
}

static void send_ready(struct dp_worker *w, struct dp_txq *txq, uint16_t id, struct rte_mbuf **pkts,
		       uint16_t n)
{
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < n; i++)
		bytes += pkts[i]->pkt_len;
	send_counted(w, txq, id, pkts, n, bytes);
}

struct dp_txq *dp_tx_straight(const struct dp_worker *w, const struct dp_vport *out)
{
	const struct dp_port *port = out->port;

	if (port == NULL || out->on_egress != 0 || w->tx[out->id]->n != 0 ||
	    atomic_load_explicit(&port->capture, memory_order_acquire) != NULL)
		return NULL;
	return my_txq(w, port);
}

bool dp_tx_is_plain(const struct dp_vport *out, const struct dp_tx_sum *sum)
{
	return (sum->flags & (REQUESTS | DP_QUEUE_MARK)) == 0 && sum->more == 0 &&
	       sum->longest <= (uint32_t)out->port->max_frame + VLAN_ROOM;
}

void dp_tx_plain(struct dp_worker *w, struct dp_txq *txq, const struct dp_vport *out,
		 struct rte_mbuf **pkts, uint16_t n, uint64_t bytes)
{
	w->count->ports[out->id]->offered += n;
	send_counted(w, txq, out->id, pkts, n, bytes);
}

/* One segment, as a driver without DP_TX_CHAIN needs it.  Takes 'm'; NULL when there is no buffer.
 */
static struct rte_mbuf *flatten(struct dp_worker *w, struct rte_mbuf *m)
{
	struct rte_mbuf *flat;

	if (rte_pktmbuf_linearize(m) == 0)
		return m;
	flat = rte_pktmbuf_copy(m, dp_pool(w->dp, m->pkt_len, true), 0, UINT32_MAX);
	if (flat != NULL)
		flat->port = m->port;
	rte_pktmbuf_free(m);
	return flat;
}

/* Checksums and shape of one frame of legal size.  Takes 'm'; NULL after a counted drop. */
static struct rte_mbuf *finish_one(struct dp_worker *w, const struct dp_port *port,
				   struct rte_mbuf *m)
{
	uint32_t missing = caps_needed(m) & ~port->tx_caps;

	if ((missing & (DP_TX_CSUM_TCP | DP_TX_CSUM_UDP | DP_TX_CSUM_SCTP)) != 0 ||
	    (m->ol_flags & RTE_MBUF_F_TX_IP_CKSUM) != 0) {
		if (!RTE_MBUF_DIRECT(m) || rte_mbuf_refcnt_read(m) != 1) {
			struct rte_mbuf *own =
				rte_pktmbuf_copy(m, dp_pool(w->dp, 0, false), 0, UINT32_MAX);

			if (own == NULL) {
				dp_drop_tx(w, port->id, m, DP_DROP_NO_MBUF);
				return NULL;
			}
			own->port = m->port;
			rte_pktmbuf_free(m);
			m = own;
		}
		if (dp_csum_finish(m) != 0) {
			dp_drop_tx(w, port->id, m, DP_DROP_TX_OFFLOAD);
			return NULL;
		}
	}
	if ((missing & DP_TX_CHAIN) != 0) {
		m = flatten(w, m);
		if (m == NULL)
			w->count->ports[port->id]->drops_tx[DP_DROP_NO_MBUF]++;
	}
	return m;
}

/* Cuts a super-frame in software and sends the pieces.  Takes 'm'. */
static void send_segmented(struct dp_worker *w, struct dp_txq *txq, struct rte_mbuf *m)
{
	const struct dp_port *port = txq->port;
	struct rte_mbuf *out[GSO_MAX];
	int n = dp_gso(m, dp_pool(w->dp, 0, false), out, GSO_MAX);
	uint16_t ready = 0;

	if (n <= 0) {
		dp_drop_tx(w, port->id, m, n == -ENOMEM ? DP_DROP_NO_MBUF : DP_DROP_TX_OFFLOAD);
		return;
	}
	w->count->ports[port->id]->segments += (uint64_t)n - 1;
	for (int i = 0; i < n; i++) {
		out[i]->port = m->port;
		if (out[i]->pkt_len > (uint32_t)port->max_frame + VLAN_ROOM)
			dp_drop_tx(w, port->id, out[i], DP_DROP_TX_TOO_BIG);
		else if ((out[i] = finish_one(w, port, out[i])) != NULL)
			out[ready++] = out[i];
	}
	rte_pktmbuf_free(m);
	if (ready != 0)
		send_ready(w, txq, port->id, out, ready);
}

static bool is_super(const struct rte_mbuf *m)
{
	return (m->ol_flags & (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)) != 0;
}

/* A burst in which some frame needs something.  Order is kept: what is ready goes before a
 * super-frame's pieces. */
static void send_mixed(struct dp_worker *w, struct dp_txq *txq, struct rte_mbuf **pkts, uint16_t n)
{
	const struct dp_port *port = txq->port;
	uint32_t seg_caps = DP_TX_TSO4 | DP_TX_TSO6 | DP_TX_USO;
	uint16_t ready = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		if (is_super(m) && (caps_needed(m) & seg_caps & ~port->tx_caps) != 0) {
			if (ready != 0)
				send_ready(w, txq, port->id, pkts, ready);
			ready = 0;
			send_segmented(w, txq, m);
		} else if (!is_super(m) && m->pkt_len > (uint32_t)port->max_frame + VLAN_ROOM) {
			dp_drop_tx(w, port->id, m, DP_DROP_TX_TOO_BIG);
		} else if ((m = finish_one(w, port, m)) != NULL) {
			pkts[ready++] = m;
		}
	}
	if (ready != 0)
		send_ready(w, txq, port->id, pkts, ready);
}

/* Sends a burst, past the port's filters, by a queue that is this worker's. */
static inline void send_offered(struct dp_worker *w, struct dp_txq *txq, uint16_t id,
				struct rte_mbuf **pkts, uint16_t n)
{
	const struct dp_port *port = txq->port;
	uint32_t max = (uint32_t)port->max_frame + VLAN_ROOM;
	struct dp_capture_point *point = atomic_load_explicit(&port->capture, memory_order_acquire);
	uint32_t over = 0, segs = 0; /* sign: a frame is longer than max; not 0: one has segments */
	uint64_t flags = 0, bytes = 0;

	if (unlikely(point != NULL))
		w->dp->capture(point, w->index, DP_STAGE_EGRESS, DP_N_DROPS, pkts, n);
	for (uint16_t i = 0; i < n; i++) {
		flags |= pkts[i]->ol_flags;
		over |= max - pkts[i]->pkt_len;
		segs |= pkts[i]->nb_segs - 1u;
		bytes += pkts[i]->pkt_len;
	}
	if (unlikely((flags & (REQUESTS | DP_QUEUE_MARK)) != 0 || over >> 31 != 0 || segs != 0)) {
		if ((flags & DP_QUEUE_MARK) != 0)
			dp_queue_count(w, w->view->vports[id], pkts, n);
		send_mixed(w, txq, pkts, n);
	} else {
		send_counted(w, txq, id, pkts, n, bytes);
	}
}

void dp_tx_send(struct dp_worker *w, const struct dp_vport *vp, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t rank = atomic_load_explicit(&w->rank, memory_order_relaxed);

	if (unlikely((vp->on_egress & DP_ON_MIRROR) != 0))
		dp_mirror_egress(w, vp, pkts, n);
	send_offered(w, &vp->port->txq[rank], vp->id, pkts, n);
}

static void send_burst(struct dp_worker *w, struct dp_txq *txq, const struct dp_vport *vp,
		       struct rte_mbuf **pkts, uint16_t n)
{
	w->count->ports[vp->id]->offered += n;
	if (unlikely(vp->on_egress != 0))
		dp_stages_egress(w, vp, pkts, n);
	else
		send_offered(w, txq, vp->id, pkts, n);
}

/* ---- Ports without a device ---- */

/* The sink counts as offered what comes past the filters; so was the whole burst before. */
static void sink_filtered(struct dp_worker *w, const struct dp_vport *vp, struct rte_mbuf **pkts,
			  uint16_t n)
{
	struct dp_txbuf *buf = w->tx[vp->id];

	w->count->ports[vp->id]->offered -= n;
	if (buf->n_meta != 0)
		buf->n_meta = n;
	if (unlikely((vp->on_egress & DP_ON_MIRROR) != 0))
		dp_mirror_egress(w, vp, pkts, n);
	vp->port->ops->sink(w, vp, pkts, n);
}

/* The first buf->n_meta frames are on their own: what is said of them must go on with them. */
static void sink_burst(struct dp_worker *w, const struct dp_vport *vp, struct dp_txbuf *buf,
		       uint16_t n)
{
	uint16_t n_meta = RTE_MIN(buf->n_meta, n);

	if (likely(vp->filters[DP_FILTER_EGRESS] == NULL)) {
		if (unlikely((vp->on_egress & DP_ON_MIRROR) != 0))
			dp_mirror_egress(w, vp, buf->pkts, n);
		vp->port->ops->sink(w, vp, buf->pkts, n);
		return;
	}
	w->count->ports[vp->id]->offered += n;
	if (n_meta != 0)
		dp_filter_egress(w, vp, buf->pkts, n_meta, sink_filtered);
	buf->n_meta = 0;
	if (n_meta != n)
		dp_filter_egress(w, vp, buf->pkts + n_meta, (uint16_t)(n - n_meta), sink_filtered);
}

/* The worker that owns the transmit queue of the port by which 'w' sends. */
static struct dp_worker *owner_for(const struct dp_worker *w, const struct dp_port *port)
{
	uint16_t rank =
		(uint16_t)(atomic_load_explicit(&w->rank, memory_order_relaxed) % port->n_txq);

	return atomic_load_explicit(&w->dp->by_rank[rank], memory_order_acquire);
}

/* Gives a burst to the worker that sends it. */
static void hand_off(struct dp_worker *w, struct dp_worker *owner, const struct dp_port *port,
		     struct rte_mbuf **pkts, uint16_t n)
{
	unsigned taken = 0;

	for (uint16_t i = 0; i < n; i++) {
		pkts[i]->vlan_tci_outer = port->id; /* Nothing of ours uses the field. */
		pkts[i]->ol_flags |= DP_ACL_ASKED;
	}
	if (owner != NULL)
		taken = rte_ring_mp_enqueue_burst(owner->inbox, (void **)pkts, n, NULL);
	w->count->handed += taken;
	w->count->ports[port->id]->offered += n - taken;
	for (uint16_t i = (uint16_t)taken; i < n; i++)
		dp_drop_tx(w, port->id, pkts[i], DP_DROP_HANDOFF_FULL);
	if (taken != 0)
		dp_worker_wake(owner);
}

/* Asks the port's access lists; returns how many frames are left.  Here, and not where another
 * worker may send, because whoever let them in must be of the same view.  The first buf->n_meta
 * frames stay the first. */
static __rte_noinline uint16_t ask(struct dp_worker *w, const struct dp_vport *vp,
				   struct dp_txbuf *buf, uint16_t n)
{
	uint16_t n_meta = RTE_MIN(buf->n_meta, n), first, rest;

	first = n_meta == 0 ? 0 : dp_acl_egress(w, vp, buf->pkts, n_meta);
	rest = n == n_meta ? 0 : dp_acl_egress(w, vp, buf->pkts + n_meta, (uint16_t)(n - n_meta));
	if (first != n_meta)
		memmove(buf->pkts + first, buf->pkts + n_meta, rest * sizeof(buf->pkts[0]));
	buf->n_meta = first;
	w->count->ports[vp->id]->offered += n - first - rest;
	return (uint16_t)(first + rest);
}

void dp_tx_flush(struct dp_worker *w, uint16_t id)
{
	struct dp_txbuf *buf = w->tx[id];
	const struct dp_vport *vp = w->view->vports[id];
	uint16_t n = buf->n;
	struct dp_txq *txq;

	if (n == 0)
		return;
	buf->n = 0;
	if (unlikely(vp != NULL && (vp->on_egress & DP_ON_ACL) != 0)) {
		n = ask(w, vp, buf, n);
		if (n == 0)
			return;
	}
	if (unlikely(vp == NULL || vp->port == NULL || vp->port->n_txq == 0)) {
		if (vp != NULL && vp->port != NULL && vp->port->ops != NULL &&
		    vp->port->ops->sink != NULL) {
			sink_burst(w, vp, buf, n);
			buf->n_meta = 0;
			return;
		}
		buf->n_meta = 0;
		w->count->ports[id]->offered += n;
		for (uint16_t i = 0; i < n; i++)
			dp_drop_tx(w, id, buf->pkts[i],
				   vp == NULL ? DP_DROP_PORT_REMOVED : DP_DROP_TX_DOWN);
		return;
	}
	txq = my_txq(w, vp->port);
	if (unlikely((vp->on_egress & DP_ON_SHAPER) != 0) && w->trace == NULL &&
	    dp_shape_owner(vp->shaper) != w)
		hand_off(w, dp_shape_owner(vp->shaper), vp->port, buf->pkts, n);
	else if (likely(txq != NULL))
		send_burst(w, txq, vp, buf->pkts, n);
	else
		hand_off(w, owner_for(w, vp->port), vp->port, buf->pkts, n);
}

void dp_tx_flush_all(struct dp_worker *w)
{
	if (unlikely(w->mirrored.n != 0))
		dp_mirror_send(w);
	/* A tunnel port's frames go on to another port, which may be through already; so do copies.
	 */
	for (uint16_t i = 0; i < w->n_touched; i++) {
		w->tx[w->touched[i]]->touched = false;
		dp_tx_flush(w, w->touched[i]);
		if (unlikely(w->mirrored.n != 0))
			dp_mirror_send(w);
	}
	w->n_touched = 0;
	if (unlikely(dp_again_waits(&w->again)))
		dp_again_run(w);
}

unsigned dp_handoff_drain(struct dp_worker *w)
{
	struct rte_mbuf *pkts[DP_BURST];
	unsigned n = rte_ring_sc_dequeue_burst(w->inbox, (void **)pkts, DP_BURST, NULL);

	/* For who looks at a clock on the way out: this worker may receive nothing itself. */
	w->burst_tsc = rte_rdtsc();
	for (unsigned i = 0; i < n; i++) {
		uint16_t id = pkts[i]->vlan_tci_outer;
		const struct dp_vport *vp;

		if (unlikely((id & DP_INBOX_COMES_IN) != 0)) {
			dp_flow_take_over(w, (uint16_t)(id - DP_INBOX_COMES_IN), pkts[i]);
			continue;
		}
		vp = w->view->vports[id];
		w->count->taken++;
		if (vp != NULL) {
			dp_tx(w, vp, pkts[i]);
		} else if (w->count->ports[id] != NULL) {
			w->count->ports[id]->offered++;
			dp_drop_tx(w, id, pkts[i], DP_DROP_PORT_REMOVED);
		} else {
			rte_pktmbuf_free(pkts[i]);
		}
	}
	dp_tx_flush_all(w);
	return n;
}
