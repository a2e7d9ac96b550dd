/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames to a guest: filter, hash, queue, and for each queue one packet on its ring for up to
 * VMQ_MAX_RANGES frames, each in a receive section of its own behind an RNDIS header.
 *
 * The sections were the guest's a moment ago, so their lines are at its core: they are asked for
 * ahead, for writing.
 */
#include <string.h>

#include <rte_byteorder.h>
#include <rte_common.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>

#include "dataplane/drop.h"
#include "vmbus/nvsp.h"
#include "vmbus/packet.h"
#include "vmbus/rndis.h"
#include "vmq/bufs.h"
#include "vmq/queue_priv.h"
#include "vmq/rss.h"

#define AHEAD	  3u
#define ETH_SIZE  14u
#define TAG_SIZE  4u
#define MAC_SIZE  6u
#define PROTO_TCP 6
#define PROTO_UDP 17
#define SEGMENT	  (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)
#define REQUESTS  (RTE_MBUF_F_TX_L4_MASK | SEGMENT)
#define NO_QUEUE  UINT16_MAX

/* The frames of a call that go to one queue. */
struct group {
	uint16_t n;
	struct rte_mbuf *pkts[VMQ_MAX_RANGES];
	struct vmq_flow flows[VMQ_MAX_RANGES]; /* not filled in when nobody wants to know */
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
		       memcmp(dst, &rules->mac, MAC_SIZE) == 0;
	if (rte_is_broadcast_ether_addr((const struct rte_ether_addr *)(const void *)dst))
		return (filter & NETVSP_FILTER_BROADCAST) != 0;
	/* Guests give no list of groups (Linux) or expect more than it anyway. */
	return (filter & (NETVSP_FILTER_MULTICAST | NETVSP_FILTER_ALL_MULTICAST)) != 0;
}

/* ---- What a frame wears ---- */

/* The checksum PPI for a frame, or 0: nothing to say. */
static uint32_t checksum_info(const struct rte_mbuf *m, const struct vmq_flow *flow)
{
	uint64_t l4 = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;

	if (l4 == RTE_MBUF_F_TX_TCP_CKSUM)
		return RNDIS_CSUM_RX_TCP_OK | RNDIS_CSUM_RX_IP_OK | RNDIS_CSUM_RX_PARTIAL;
	if (l4 == RTE_MBUF_F_TX_UDP_CKSUM)
		return RNDIS_CSUM_RX_UDP_OK | RNDIS_CSUM_RX_IP_OK | RNDIS_CSUM_RX_PARTIAL;
	if ((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) != RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		return 0;
	if (flow->proto == PROTO_TCP)
		return RNDIS_CSUM_RX_TCP_OK | RNDIS_CSUM_RX_IP_OK;
	return flow->proto == PROTO_UDP ? RNDIS_CSUM_RX_UDP_OK | RNDIS_CSUM_RX_IP_OK : 0;
}

static inline bool has_tag(const struct rte_mbuf *m)
{
	uint16_t type;

	memcpy(&type, rte_pktmbuf_mtod_offset(m, const uint8_t *, 2 * MAC_SIZE), sizeof(type));
	return type == RTE_BE16(0x8100) && m->data_len >= ETH_SIZE + TAG_SIZE;
}

/* Nothing but the header goes before the frame. */
static inline bool is_plain(const struct rte_mbuf *m, const struct vmq_flow *flow)
{
	return (m->ol_flags & (REQUESTS | RTE_MBUF_F_RX_L4_CKSUM_MASK)) == 0 && flow->type == 0 &&
	       m->nb_segs == 1 && !has_tag(m);
}

static inline void header_describe(const struct rte_mbuf *m, const struct vmq_flow *flow,
				   struct rndis_packet *p)
{
	memset(p, 0, sizeof(*p));
	p->frame_size = m->pkt_len;
	p->csum = checksum_info(m, flow);
	p->has_csum = p->csum != 0;
	p->has_hash = flow->type != 0;
	p->hash = flow->hash;
	if (has_tag(m)) {
		const uint8_t *tag = rte_pktmbuf_mtod_offset(m, const uint8_t *, ETH_SIZE);

		p->has_vlan = true;
		p->vlan_tci = (uint16_t)(tag[0] << 8 | tag[1]);
		p->frame_size -= TAG_SIZE;
	}
}

/* ---- Writing ---- */

/* Where the next byte of a section goes. */
struct cursor {
	const struct vmbus_pages *pages;
	uint64_t at;
};

static inline void cursor_write(struct cursor *c, const void *from, uint32_t size)
{
	vmbus_pages_write(c->pages, c->at, from, size);
	c->at += size;
}

/* Any frame, any memory. */
static __attribute__((noinline)) uint32_t write_long(const struct vmq_rules *rules, uint64_t at,
						     const struct rte_mbuf *m,
						     const struct vmq_flow *flow)
{
	struct cursor c = {.pages = rules->recv, .at = at};
	uint8_t header[RNDIS_PACKET_MAX_HEADER];
	struct rndis_packet p;
	uint32_t skip = 0;

	header_describe(m, flow, &p);
	cursor_write(&c, header, (uint32_t)rndis_packet_write(header, &p));
	if (p.has_vlan) {
		cursor_write(&c, rte_pktmbuf_mtod(m, const void *), 2 * MAC_SIZE);
		skip = 2 * MAC_SIZE + TAG_SIZE;
	}
	for (; m != NULL; m = m->next, skip = 0)
		cursor_write(&c, rte_pktmbuf_mtod_offset(m, const void *, skip),
			     m->data_len - skip);
	return p.msg_size;
}

/* Header and frame in one piece of memory, one behind the other. */
static inline uint32_t write_plain(uint8_t *va, const struct rte_mbuf *m)
{
	struct rndis_packet p = {.frame_size = m->data_len};
	size_t size = rndis_packet_write(va, &p);

	rte_memcpy(va + size, rte_pktmbuf_mtod(m, const void *), m->data_len);
	return (uint32_t)size + m->data_len;
}

/* DP_N_DROPS: the frame can be sent. */
static inline uint8_t why_not(const struct vmq_rules *rules, const struct rte_mbuf *m)
{
	const uint32_t header = RNDIS_PACKET_HEADER_SIZE + 3 * RNDIS_PPI_SIZE;
	uint64_t l4 = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;

	if (unlikely(m->pkt_len + header > rules->recv_section))
		return DP_DROP_TX_TOO_BIG;
	if (unlikely((m->ol_flags & REQUESTS) != 0) &&
	    (!rules->checksum_partial || (m->ol_flags & SEGMENT) != 0 ||
	     (l4 != RTE_MBUF_F_TX_TCP_CKSUM && l4 != RTE_MBUF_F_TX_UDP_CKSUM)))
		return DP_DROP_TX_OFFLOAD;
	return DP_N_DROPS;
}

static inline uint64_t section_offset(const struct vmq_rules *rules, const struct vmq_queue *q,
				      uint32_t i)
{
	return (uint64_t)q->cached[q->cached_n - 1 - i] * rules->recv_section;
}

static inline void section_ask(const struct vmq_rules *rules, const struct vmq_queue *q, uint32_t i)
{
	size_t here;
	const uint8_t *va = vmbus_pages_at(rules->recv, section_offset(rules, q, i),
					   rules->recv_section, &here);

	__builtin_prefetch(va, 1);
	__builtin_prefetch(va + 64, 1);
}

/* The frame into the i-th section from the top. */
static inline struct vmbus_range write_frame(const struct vmq_rules *rules,
					     const struct vmq_queue *q, uint32_t i,
					     const struct rte_mbuf *m, const struct vmq_flow *flow)
{
	uint64_t at = section_offset(rules, q, i);
	struct vmbus_range range = {.offset = (uint32_t)at};
	uint8_t *va = vmq_pages_together(rules->recv, at, rules->recv_section);

	if (likely(va != NULL && is_plain(m, flow)))
		range.size = write_plain(va, m);
	else
		range.size = write_long(rules, at, m, flow);
	return range;
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

/* Sends a group, with the lock held.  Frames that cannot be sent are moved behind the others.
 * Returns how many were sent; *ret_signal: the guest wants to hear of it. */
static uint32_t send_locked(struct vmq_queue *q, const struct vmq_rules *rules, struct group *g,
			    uint8_t *ret_refused, bool *ret_signal)
{
	struct vmbus_range ranges[VMQ_MAX_RANGES];
	uint32_t room, most, sent = 0;
	uint64_t bytes = 0;

	vmbus_out_begin(&q->out);
	room = RTE_MIN(ranges_that_fit(q), (uint32_t)g->n);
	most = vmq_bufs_need(rules->bufs, q, room, false);
	for (uint32_t i = 0; i < RTE_MIN(most, AHEAD); i++)
		section_ask(rules, q, i);
	for (uint32_t i = 0; i < g->n && sent < most; i++) {
		struct rte_mbuf *m = g->pkts[i];
		uint8_t reason = why_not(rules, m);

		if (unlikely(reason != DP_N_DROPS)) {
			*ret_refused = reason;
			continue;
		}
		if (sent + AHEAD < most)
			section_ask(rules, q, sent + AHEAD);
		ranges[sent] = write_frame(rules, q, sent, m, &g->flows[i]);
		bytes += m->pkt_len;
		/* Those passed over come behind. */
		g->pkts[i] = g->pkts[sent];
		g->pkts[sent++] = m;
	}
	if (sent == 0 || !put_packet(q, rules, ranges, sent))
		sent = 0;
	if (sent > 0) {
		*ret_signal = vmq_queue_commit(q, q->in_read);
		vmq_count(&q->stats.to_packets, sent);
		vmq_count(&q->stats.to_bytes, bytes);
		vmq_count(&q->stats.to_ring_packets, 1);
		if (*ret_signal)
			vmq_count(&q->stats.signals, 1);
	}
	if (unlikely(room < g->n))
		vmq_count(&q->stats.ring_full, g->n - room);
	if (unlikely(most < room))
		vmq_count(&q->stats.no_section, room - most);
	return sent;
}

static uint32_t send_group(struct vmq_queue *q, const struct vmq_rules *rules, struct group *g,
			   uint8_t *ret_refused)
{
	bool signal = false;
	uint32_t sent = 0;

	*ret_refused = DP_DROP_TX_FULL;
	rte_spinlock_lock(&q->lock);
	if (likely(vmq_queue_works(q)))
		sent = send_locked(q, rules, g, ret_refused, &signal);
	else
		*ret_refused = DP_DROP_TX_DOWN;
	rte_spinlock_unlock(&q->lock);
	if (signal)
		vmq_queue_signal(q);
	rte_pktmbuf_free_bulk(g->pkts, sent);
	return sent;
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
	uint8_t reason = DP_DROP_TX_DOWN;
	uint32_t sent = 0;

	if (likely(q != NULL))
		sent = send_group(q, rules, g, &reason);
	refuse(r, g->pkts + sent, g->n - sent, reason);
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
