/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames to a guest: filter, hash, queue, and for each queue one packet on its ring for up to
 * VMQ_MAX_RANGES frames, each in a receive section of its own behind an RNDIS header.
 *
 * The sections were the guest's a moment ago, so their lines are at its core: they are asked for
 * ahead, for writing.
 */
#include <rte_common.h>
#include <rte_mbuf.h>

#include "dataplane/drop.h"
#include "vmbus/nvsp.h"
#include "vmq/bufs.h"
#include "vmq/queue_priv.h"
#include "vmq/to_priv.h"

#define AHEAD	 3u
#define NO_QUEUE UINT16_MAX

/* The frames of a call that go to one queue. */
struct group {
	uint16_t n;
	uint16_t next; /* the first that was not looked at */
	uint16_t sent; /* so many, from the first on; then those that cannot be sent */
	uint8_t refused;
	uint64_t bytes;
	struct rte_mbuf *pkts[VMQ_MAX_RANGES];
	struct vmq_flow flows[VMQ_MAX_RANGES];
};

/* ---- Which frames, and by which queue ---- */

static inline bool wanted(const struct vmq_rules *rules, const struct rte_mbuf *m)
{
	const uint8_t *dst = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t filter = rules->filter;

	if ((filter & NETVSP_FILTER_PROMISCUOUS) != 0)
		return true;
	if (likely((dst[0] & 1) == 0))
		return (filter & NETVSP_FILTER_DIRECTED) != 0 &&
		       memcmp(dst, &rules->mac, VMQ_MAC_SIZE) == 0;
	if (rte_is_broadcast_ether_addr((const struct rte_ether_addr *)(const void *)dst))
		return (filter & NETVSP_FILTER_BROADCAST) != 0;
	/* Guests give no list of groups (Linux) or expect more than it anyway. */
	return (filter & (NETVSP_FILTER_MULTICAST | NETVSP_FILTER_ALL_MULTICAST)) != 0;
}

/* ---- One packet ---- */

/* Sections that a frame takes; 0: it cannot be sent, *ret_why says why. */
static inline uint32_t sections_of(const struct vmq_rules *rules, const struct rte_mbuf *m,
				   uint8_t *ret_why)
{
	const uint32_t header = RNDIS_PACKET_HEADER_SIZE + 4 * RNDIS_PPI_SIZE;
	uint64_t l4 = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;
	uint32_t n = 1;

	if (unlikely((m->ol_flags & VMQ_REQUESTS) != 0)) {
		bool super = (m->ol_flags & VMQ_SEGMENT) != 0;

		*ret_why = DP_DROP_TX_OFFLOAD;
		if (super ? !rules->lro || (m->ol_flags & RTE_MBUF_F_TX_UDP_SEG) != 0
			  : !rules->checksum_partial || (l4 != RTE_MBUF_F_TX_TCP_CKSUM &&
							 l4 != RTE_MBUF_F_TX_UDP_CKSUM))
			return 0;
		n = super ? vmq_pieces_of(rules, m) : 1;
	}
	*ret_why = DP_DROP_TX_TOO_BIG;
	if (unlikely(n > VMQ_MAX_RANGES || (n == 1 && m->pkt_len + header > rules->recv_section)))
		return 0;
	return n;
}

/* How many frames one packet can bring now. */
static uint32_t ranges_that_fit(const struct vmq_queue *q)
{
	uint32_t least = vmbus_packet_size(VMBUS_TRANSFER_HEADER_SIZE, sizeof(struct nvsp_rndis));
	uint32_t room = q->out.room;

	if (room < q->reserve + least)
		return 0;
	return RTE_MIN((room - q->reserve - least) / (uint32_t)sizeof(struct vmbus_range),
		       (uint32_t)VMQ_MAX_RANGES);
}

/* Puts the first 'n' sections of the stack onto the ring as one packet. */
static bool put_packet(struct vmq_queue *q, const struct vmq_rules *rules,
		       const struct vmbus_range *ranges, uint32_t n)
{
	const struct nvsp_rndis rndis = {NVSP_RNDIS, 0, NVSP_NO_SECTION, 0};
	uint8_t header[VMBUS_TRANSFER_HEADER_SIZE + VMQ_MAX_RANGES * sizeof(*ranges)];
	size_t size = vmbus_transfer_write(header, rules->recv_id, ranges, n);

	if (vmbus_out_put(&q->out, VMBUS_PKT_TRANSFER_PAGES, VMBUS_PKT_COMPLETION_REQUESTED,
			  q->cached[q->cached_n - 1], header, size, &rndis, sizeof(rndis)) != 0)
		return false;
	vmq_bufs_lend(rules->bufs, q, n);
	return true;
}

/* The frame into the i-th section from the top, or the i-th and following. */
static inline uint32_t write_frame(const struct vmq_rules *rules, const struct vmq_queue *q,
				   uint32_t i, const struct rte_mbuf *m,
				   const struct vmq_flow *flow, struct vmbus_range *ranges)
{
	uint64_t at = vmq_section_offset(rules, q, i);
	uint8_t *va = vmq_pages_together(rules->recv, at, rules->recv_section);

	if (unlikely((m->ol_flags & VMQ_SEGMENT) != 0))
		return vmq_write_pieces(rules, q, i, m, flow, ranges);
	ranges->offset = (uint32_t)at;
	if (likely(va != NULL && vmq_is_plain(m, flow)))
		ranges->size = vmq_write_plain(va, m);
	else
		ranges->size = vmq_write_long(rules, at, m, flow);
	return 1;
}

/* Sections that the rest of a group would like to have for one packet. */
static inline uint32_t sections_wanted(const struct vmq_rules *rules, const struct group *g)
{
	uint32_t n = 0;
	uint8_t why;

	if (likely(!rules->lro))
		return (uint32_t)(g->n - g->next);
	for (uint16_t i = g->next; i < g->n && n < VMQ_MAX_RANGES; i++)
		n += sections_of(rules, g->pkts[i], &why);
	return n;
}

static void count_lack(struct vmq_queue *q, struct group *g, _Atomic uint64_t *counter)
{
	g->refused = DP_DROP_TX_FULL;
	vmq_count(counter, (uint64_t)(g->n - g->next));
}

/* Puts one packet with the next frames of a group onto the ring.  False: there is no room, or
 * nothing is left that can be sent. */
static inline bool send_packet(struct vmq_queue *q, const struct vmq_rules *rules, struct group *g)
{
	uint32_t room = ranges_that_fit(q), most, used = 0;
	struct vmbus_range ranges[VMQ_MAX_RANGES];

	most = vmq_bufs_need(rules->bufs, q, RTE_MIN(room, sections_wanted(rules, g)), false);
	for (uint32_t i = 0; i < RTE_MIN(most, AHEAD); i++)
		vmq_section_ask(rules, q, i);
	while (g->next < g->n) {
		struct rte_mbuf *m = g->pkts[g->next];
		uint8_t why;
		uint32_t n = sections_of(rules, m, &why);

		if (used + n > most)
			break;
		if (unlikely(n == 0)) {
			g->refused = why;
			g->next++;
			continue;
		}
		if (used + AHEAD < most)
			vmq_section_ask(rules, q, used + AHEAD);
		used += write_frame(rules, q, used, m, &g->flows[g->next], ranges + used);
		g->bytes += m->pkt_len;
		/* Those passed over come behind. */
		g->pkts[g->next++] = g->pkts[g->sent];
		g->pkts[g->sent++] = m;
	}
	if (used > 0)
		return put_packet(q, rules, ranges, used);
	if (g->next < g->n)
		count_lack(q, g, room == 0 ? &q->stats.ring_full : &q->stats.no_section);
	return false;
}

/* Sends a group, with the lock held.  True: the guest wants to hear of it. */
static bool send_locked(struct vmq_queue *q, const struct vmq_rules *rules, struct group *g)
{
	uint64_t packets = 0;
	bool signal;

	vmbus_out_begin(&q->out);
	do
		packets += send_packet(q, rules, g);
	while (g->next < g->n && packets > 0 && g->refused != DP_DROP_TX_FULL);
	if (packets == 0)
		return false;
	signal = vmq_queue_commit(q, q->in_read);
	vmq_count(&q->stats.to_packets, g->sent);
	vmq_count(&q->stats.to_bytes, g->bytes);
	vmq_count(&q->stats.to_ring_packets, packets);
	if (signal)
		vmq_count(&q->stats.signals, 1);
	return signal;
}

static void send_group(struct vmq_queue *q, const struct vmq_rules *rules, struct group *g)
{
	bool signal = false;

	rte_spinlock_lock(&q->lock);
	if (likely(vmq_queue_works(q)))
		signal = send_locked(q, rules, g);
	else
		g->refused = DP_DROP_TX_DOWN;
	rte_spinlock_unlock(&q->lock);
	if (signal)
		vmq_queue_signal(q);
	rte_pktmbuf_free_bulk(g->pkts, g->sent);
}

/* ---- A call ---- */

/* What was not taken, so far. */
struct refused {
	struct rte_mbuf **pkts;
	uint16_t n;
	uint8_t reason;
};

static inline void refuse(struct refused *r, struct rte_mbuf *const *pkts, uint32_t n,
			  uint8_t reason)
{
	if (likely(n == 0))
		return;
	memmove(r->pkts + r->n, pkts, n * sizeof(*pkts));
	r->n = (uint16_t)(r->n + n);
	r->reason = reason;
}

/* A queue that is open, or the first; NULL: none is. */
static struct vmq_queue *find_queue(struct vmq_path *path, uint16_t index)
{
	struct vmq_queue *q = atomic_load_explicit(&path->queues[index], memory_order_acquire);

	if (likely(q != NULL) || index == 0)
		return q;
	return atomic_load_explicit(&path->queues[0], memory_order_acquire);
}

static void flush(struct vmq_path *path, const struct vmq_rules *rules, uint16_t index,
		  struct group *g, struct refused *r)
{
	struct vmq_queue *q = find_queue(path, index);

	g->next = 0;
	g->sent = 0;
	g->bytes = 0;
	g->refused = DP_DROP_TX_DOWN;
	if (likely(q != NULL))
		send_group(q, rules, g);
	refuse(r, g->pkts + g->sent, (uint32_t)(g->n - g->sent), g->refused);
}

/* One by one to the group of its queue; frames of a queue keep their order. */
static void send_spread(struct vmq_path *path, const struct vmq_rules *rules,
			struct rte_mbuf **pkts, const struct vmq_flow *flows, uint16_t *queue,
			uint32_t n, struct refused *r)
{
	struct group g;

	for (uint32_t i = 0; i < n; i++) {
		uint16_t index = queue[i];

		if (index == NO_QUEUE)
			continue;
		g.n = 0;
		for (uint32_t k = i; k < n; k++) {
			if (queue[k] != index)
				continue;
			g.pkts[g.n] = pkts[k];
			g.flows[g.n++] = flows[k];
			queue[k] = NO_QUEUE;
		}
		flush(path, rules, index, &g, r);
	}
}

/* Do headers matter, beyond the destination? */
static inline bool looks_at_headers(const struct vmq_rules *rules, struct rte_mbuf *const *pkts,
				    uint32_t n)
{
	uint64_t flags = 0;

	if (rules->rss && rules->n_queues > 1)
		return true;
	for (uint32_t i = 0; i < n; i++)
		flags |= pkts[i]->ol_flags;
	return (flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) != 0;
}

static void send_some(struct vmq_path *path, const struct vmq_rules *rules, struct rte_mbuf **pkts,
		      uint32_t n, struct refused *r)
{
	struct vmq_flow flows[VMQ_MAX_RANGES];
	uint16_t queue[VMQ_MAX_RANGES];
	uint32_t n_wanted = 0;
	struct vmq_queue *q0;
	struct group g;

	g.n = 0;
	for (uint32_t i = 0; i < n; i++) {
		if (likely(wanted(rules, pkts[i])))
			g.pkts[n_wanted++] = pkts[i];
		else
			refuse(r, &pkts[i], 1, DP_DROP_NIC_FILTER);
	}
	if (unlikely(n_wanted < n)) {
		q0 = atomic_load_explicit(&path->queues[0], memory_order_acquire);
		if (q0 != NULL)
			atomic_fetch_add_explicit(&q0->stats.filtered, n - n_wanted,
						  memory_order_relaxed);
	}
	g.n = (uint16_t)n_wanted;
	if (n_wanted == 0)
		return;
	if (likely(!looks_at_headers(rules, g.pkts, n_wanted))) {
		memset(g.flows, 0, n_wanted * sizeof(g.flows[0]));
		flush(path, rules, 0, &g, r);
		return;
	}
	for (uint32_t i = 0; i < n_wanted; i++) {
		vmq_rss_flow(rules, g.pkts[i], &flows[i]);
		queue[i] = vmq_rss_queue(rules, &flows[i]);
	}
	send_spread(path, rules, g.pkts, flows, queue, n_wanted, r);
}

uint16_t vmq_path_to_guest(struct vmq_path *path, struct rte_mbuf **pkts, uint16_t n,
			   uint8_t *ret_refused)
{
	const struct vmq_rules *rules = atomic_load_explicit(&path->rules, memory_order_acquire);
	struct refused r = {.pkts = pkts};

	if (unlikely(rules == NULL || rules->recv == NULL || rules->bufs == NULL)) {
		*ret_refused = DP_DROP_TX_DOWN;
		return 0;
	}
	/* Refused ones gather at the start, where others were taken before. */
	for (uint16_t i = 0; i < n; i += VMQ_MAX_RANGES)
		send_some(path, rules, pkts + i,
			  RTE_MIN((uint32_t)(n - i), (uint32_t)VMQ_MAX_RANGES), &r);
	if (unlikely(r.n > 0)) {
		*ret_refused = r.reason;
		memmove(pkts + (n - r.n), pkts, r.n * sizeof(*pkts));
	}
	return (uint16_t)(n - r.n);
}
