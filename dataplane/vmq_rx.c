/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See vmq.h: what workers do.
 */
#include "dataplane/vmq_priv.h"

#include <string.h>

#include <rte_cycles.h>
#include <rte_prefetch.h>
#include <rte_ring.h>

#include "dataplane/edge.h"
#include "dataplane/flow.h"
#include "dataplane/parse.h"

#define AHEAD 4

/* The frames of a burst that are for one queue: 'pkts' in order, once all are counted. */
struct group {
	struct dp_vmq_queue *queue;
	uint16_t n;
	struct rte_mbuf **pkts;
};

/* ---- Behind the ring ---- */

/* Another worker wrote them: what is read of each is fetched for all of them at once. */
static void bring(struct rte_mbuf **pkts, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		rte_prefetch0(pkts[i]);
		rte_prefetch0(RTE_PTR_ADD(pkts[i], RTE_CACHE_LINE_SIZE));
	}
	for (unsigned i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
}

uint16_t dp_vmq_rx(struct dp_rxq *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct dp_vmq_queue *vq = q->priv;
	unsigned got;

	if (rte_ring_count(vq->ring) == 0)
		return 0;
	/* Before the ring may be seen empty; poll_queue() takes it back. */
	atomic_store_explicit(&vq->busy, true, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	got = rte_ring_sc_dequeue_burst(vq->ring, (void **)pkts, n, NULL);
	if (got == 0)
		atomic_store_explicit(&vq->busy, false, memory_order_release);
	bring(pkts, got);
	return (uint16_t)got;
}

void dp_vmq_done(struct dp_vmq_queue *vq)
{
	atomic_store_explicit(&vq->busy, false, memory_order_release);
}

bool dp_vmq_waits(const struct dp_rxq *q)
{
	const struct dp_vmq_queue *vq = q->soft ? q->priv : NULL;

	return vq != NULL && rte_ring_count(vq->ring) != 0;
}

void dp_vmq_burst(struct dp_worker *w, const struct dp_vport *in, struct dp_vmq_queue *vq,
		  struct rte_mbuf **pkts, uint16_t n)
{
	if (in->pipeline != NULL)
		dp_flow_burst(w, in, pkts, n);
	else
		dp_l2_burst_to_one(w, in, &vq->known, pkts, n);
}

/* ---- Before the ring ---- */

static inline uint64_t key_of(const struct rte_mbuf *m)
{
	const char *d = rte_pktmbuf_mtod(m, const char *);
	uint64_t first;
	uint16_t type;

	if (unlikely(m->data_len < RTE_ETHER_HDR_LEN))
		return 0;
	memcpy(&first, d, sizeof(first));
	first &= DP_EDGE_MAC_MASK;
	type = dp_edge_eth_type_le(m);
	if (!dp_edge_is_tpid(type))
		return first;
	if (m->data_len < RTE_ETHER_HDR_LEN + 4)
		return 0;
	return first | (uint64_t)(dp_edge_load_be16((const uint8_t *)d + 14) & 0xfff)
			       << VMQ_KEY_VID;
}

/* A flow stays in one queue; fragments go without ports, all of them. */
static struct dp_vmq_queue *queue_of(const struct dp_vmq *vmq, const struct rte_mbuf *m)
{
	struct dp_headers h;
	uint32_t hash;

	if (likely(vmq->spec.n_queues == 1))
		return vmq->queues[0];
	(void)dp_parse_mbuf(m, &h);
	hash = dp_flow_hash(rte_pktmbuf_mtod(m, const uint8_t *), &h, vmq->spec.uplink);
	return vmq->queues[(uint64_t)hash * vmq->spec.n_queues >> 32];
}

/* Nothing of this queue's is on its way, and it is for this worker to go on. */
static bool is_direct(const struct dp_worker *w, const struct dp_vmq_queue *vq,
		      const struct dp_worker *owner)
{
	if (owner != w && !atomic_load_explicit(&vq->vmq->closing, memory_order_relaxed))
		return false;
	if (rte_ring_count(vq->ring) != 0)
		return false;
	/* It was made empty after 'busy' was set. */
	atomic_thread_fence(memory_order_acquire);
	return !atomic_load_explicit(&vq->busy, memory_order_acquire) &&
	       rte_ring_count(w->inbox) == 0;
}

static void go_on(struct dp_worker *w, const struct dp_vport *in, struct group *g)
{
	struct dp_rxq *q = g->queue->rxq;
	uint64_t start = rte_rdtsc(), took, bytes = 0;

	for (uint16_t i = 0; i < g->n; i++)
		bytes += g->pkts[i]->pkt_len;
	atomic_fetch_add_explicit(&q->packets, g->n, memory_order_relaxed);
	atomic_fetch_add_explicit(&q->bytes, bytes, memory_order_relaxed);
	atomic_fetch_add_explicit(&g->queue->direct, g->n, memory_order_relaxed);
	dp_vmq_burst(w, in, g->queue, g->pkts, g->n);
	took = rte_rdtsc() - start;
	atomic_fetch_add_explicit(&q->busy_cycles, took, memory_order_relaxed);
	w->lent_cycles += took;
}

/* Received, and dropped for there was no room. */
static void refuse(struct dp_worker *w, const struct dp_vport *in, struct dp_vmq_queue *vq,
		   struct rte_mbuf **pkts, uint16_t n)
{
	struct dp_count *count = w->count->ports[in->id];
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < n; i++) {
		bytes += pkts[i]->pkt_len;
		pkts[i]->port = in->id;
	}
	count->rx_packets += n;
	count->rx_bytes += bytes;
	if (in->wire == NULL)
		dp_edge_count_tenant(w, in->domain, n, bytes);
	atomic_fetch_add_explicit(&vq->dropped, n, memory_order_relaxed);
	dp_drop_all(w, in->id, pkts, n, DP_DROP_VMQ_FULL);
}

static uint16_t room_of(const struct dp_vmq_queue *vq)
{
	uint32_t limit = atomic_load_explicit(&vq->limit, memory_order_relaxed);
	uint32_t used = rte_ring_count(vq->ring);

	if (unlikely(atomic_load_explicit(&vq->vmq->refuses, memory_order_relaxed)))
		return 0;
	return (uint16_t)(used < limit ? limit - used : 0);
}

/* Returns whom to wake, or NULL. */
static struct dp_worker *give(struct dp_worker *w, const struct dp_vport *in, struct group *g)
{
	struct dp_vmq_queue *vq = g->queue;
	struct dp_worker *owner = atomic_load_explicit(&vq->rxq->worker, memory_order_acquire);
	uint16_t room, taken;

	if (is_direct(w, vq, owner)) {
		for (struct group rest = *g; g->n != 0; g->n -= rest.n, g->pkts += rest.n) {
			rest.pkts = g->pkts;
			rest.n = RTE_MIN(g->n, (uint16_t)DP_BURST);
			go_on(w, in, &rest);
		}
		return NULL;
	}
	room = room_of(vq);
	taken = (uint16_t)rte_ring_mp_enqueue_burst(vq->ring, (void **)g->pkts,
						    g->n < room ? g->n : room, NULL);
	if (unlikely(taken < g->n))
		refuse(w, in, vq, g->pkts + taken, (uint16_t)(g->n - taken));
	return taken != 0 && owner != w ? owner : NULL;
}

static void give_all(struct dp_worker *w, const struct dp_vport *in, struct group *groups,
		     unsigned n)
{
	struct dp_worker *wake[DP_VMQ_SPREAD];
	unsigned n_wake = 0;

	for (unsigned i = 0; i < n; i++) {
		struct dp_worker *owner = give(w, in, &groups[i]);
		unsigned k = 0;

		while (k < n_wake && wake[k] != owner)
			k++;
		if (owner != NULL && k == n_wake)
			wake[n_wake++] = owner;
	}
	for (unsigned i = 0; i < n_wake; i++)
		dp_worker_wake(wake[i]);
}

static struct group *group_of(struct group *groups, unsigned *n_groups, struct dp_vmq_queue *vq)
{
	struct group *g;

	for (unsigned i = *n_groups; i-- != 0;)
		if (groups[i].queue == vq)
			return &groups[i];
	g = &groups[(*n_groups)++];
	g->queue = vq;
	g->n = 0;
	return g;
}

uint16_t dp_vmq_spread(struct dp_worker *w, const struct dp_vmq_table *table,
		       const struct dp_vport *in, struct rte_mbuf **pkts, uint16_t n)
{
	struct rte_mbuf *sorted[DP_VMQ_SPREAD], *mine[DP_VMQ_SPREAD];
	struct group groups[DP_VMQ_SPREAD];
	uint8_t group[DP_VMQ_SPREAD];
	struct rte_mbuf **next = sorted;
	struct dp_vmq *vmq = NULL;
	unsigned n_groups = 0;
	uint64_t last = 0;
	uint16_t left = 0, n_mine = 0;

	for (uint16_t i = 0; i < n && i < AHEAD; i++)
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		struct group *g;
		uint64_t key;

		if (i + AHEAD < n)
			rte_prefetch0(rte_pktmbuf_mtod(pkts[i + AHEAD], void *));
		key = key_of(m);
		if (key != last || i == 0)
			vmq = key != 0 ? dp_vmq_find(table, key) : NULL;
		last = key;
		if (vmq == NULL) {
			pkts[left++] = m;
			continue;
		}
		g = group_of(groups, &n_groups, queue_of(vmq, m));
		g->n++;
		group[n_mine] = (uint8_t)(g - groups);
		mine[n_mine++] = m;
	}
	for (unsigned i = 0; i < n_groups; i++) {
		groups[i].pkts = next;
		next += groups[i].n;
		groups[i].n = 0;
	}
	for (uint16_t i = 0; i < n_mine; i++) {
		struct group *g = &groups[group[i]];

		g->pkts[g->n++] = mine[i];
	}
	give_all(w, in, groups, n_groups);
	return left;
}
