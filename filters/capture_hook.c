/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The worker's half of a capture: filter, copy, count.  Runs inside the packet path, so: no lock,
 * no allocation, no call into the kernel, nothing shared written but this worker's own lines.
 * See capture.h.
 */
#include "filters/capture_priv.h"

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>
#include <rte_prefetch.h>

/* Only this worker writes: a load and a store, not a locked add. */
static inline void add(_Atomic uint64_t *counter, uint64_t n)
{
	if (n != 0)
		atomic_store_explicit(counter,
				      atomic_load_explicit(counter, memory_order_relaxed) + n,
				      memory_order_relaxed);
}

static void copy(uint8_t *to, const struct rte_mbuf *m, uint32_t size)
{
	for (; m != NULL && size != 0; m = m->next) {
		uint32_t n = RTE_MIN(size, (uint32_t)m->data_len);

		rte_memcpy(to, rte_pktmbuf_mtod(m, const void *), n);
		to += n;
		size -= n;
	}
}

static uint32_t offload_flags(const struct rte_mbuf *m)
{
	uint32_t flags = (m->ol_flags & RTE_MBUF_F_TX_IPV6) != 0 ? FILTER_REC_IPV6 : 0;

	if ((m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0)
		return flags | FILTER_REC_CSUM_TCP;
	if ((m->ol_flags & RTE_MBUF_F_TX_UDP_SEG) != 0)
		return flags | FILTER_REC_CSUM_UDP;
	switch (m->ol_flags & RTE_MBUF_F_TX_L4_MASK) {
	case RTE_MBUF_F_TX_TCP_CKSUM:
		return flags | FILTER_REC_CSUM_TCP;
	case RTE_MBUF_F_TX_UDP_CKSUM:
		return flags | FILTER_REC_CSUM_UDP;
	case RTE_MBUF_F_TX_SCTP_CKSUM:
		return flags | FILTER_REC_CSUM_SCTP;
	default:
		return 0;
	}
}

struct seen_as {
	enum dp_stage stage;
	enum dp_drop reason;
	uint16_t port_id, iface;
	uint64_t tsc;
};

/* False when the ring is full. */
static bool keep(struct filter_ring *ring, const struct rte_mbuf *m, uint32_t snaplen,
		 const struct seen_as *as)
{
	uint32_t pkt_len = rte_pktmbuf_pkt_len(m), cap_len = RTE_MIN(pkt_len, snaplen);
	size_t size = filter_rec_size(cap_len);
	struct filter_rec *rec = filter_ring_reserve(ring, size);
	bool outbound;

	if (rec == NULL)
		return false;
	/* A frame dies on its way in at the port it came from, on its way out at any other. */
	outbound = as->stage == DP_STAGE_EGRESS ||
		   (as->stage == DP_STAGE_DROP && m->port != as->port_id);
	rec->size = (uint32_t)size;
	rec->cap_len = cap_len;
	rec->pkt_len = pkt_len;
	rec->iface = as->iface;
	rec->stage = (uint8_t)as->stage;
	rec->reason = (uint8_t)as->reason;
	rec->tsc = as->tsc;
	rec->l2_len = m->l2_len;
	rec->l3_len = m->l3_len;
	rec->flags = offload_flags(m) | (outbound ? FILTER_REC_OUTBOUND : 0);
	copy((uint8_t *)(rec + 1), m, cap_len);
	filter_ring_push(ring, size);
	return true;
}

static void watch_burst(const struct filter_capture *capture, struct filter_lane *lane,
			struct filter_count *count, const struct seen_as *as,
			struct rte_mbuf *const *pkts, uint16_t n)
{
	uint16_t n_filtered = 0, n_kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		if (!filter_match_run(capture->match, pkts[i], lane->scratch))
			n_filtered++;
		else if (keep(lane->ring, pkts[i], capture->snaplen, as))
			n_kept++;
	}
	filter_ring_publish(lane->ring);
	add(&count->filtered, n_filtered);
	add(&count->kept, n_kept);
	add(&count->lost_ring, (uint64_t)n - n_filtered - n_kept);
}

void filter_capture_hook(struct dp_capture_point *point, unsigned worker, enum dp_stage stage,
			 enum dp_drop reason, struct rte_mbuf *const *pkts, uint16_t n)
{
	uint64_t now = rte_rdtsc();

	if (worker >= FILTER_MAX_WORKERS)
		return;
	for (uint16_t i = 0; i < point->n; i++) {
		const struct filter_watch *watch = &point->watches[i];
		struct filter_capture *capture = watch->capture;
		struct filter_count *count = &watch->iface->counts[worker];
		struct filter_lane *lane;
		uint64_t begin = now;

		if ((capture->stages & (1u << stage)) == 0 ||
		    !atomic_load_explicit(&capture->active, memory_order_relaxed))
			continue;
		add(&count->seen, n);
		lane = atomic_load_explicit(&capture->lanes[worker], memory_order_acquire);
		if (lane == NULL) {
			atomic_store_explicit(&capture->lane_wanted[worker], true,
					      memory_order_relaxed);
			add(&count->lost_ring, n);
		} else if (capture->share < 100 &&
			   !filter_budget_open(&lane->budget, begin, capture->share,
					       capture->window)) {
			add(&count->lost_budget, n);
		} else {
			const struct seen_as as = {stage, reason, point->port_id, watch->iface_id,
						   begin};

			watch_burst(capture, lane, count, &as, pkts, n);
			now = rte_rdtsc();
			filter_budget_charge(&lane->budget, now - begin, capture->share,
					     capture->window);
		}
	}
}
