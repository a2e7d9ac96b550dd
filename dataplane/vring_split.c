/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Split rings (VIRTIO 1.1, 2.6): the guest puts heads of descriptor chains into the available ring,
 * we put them into the used ring.  Always in order and at once, so one index counts both.
 *
 * A burst takes three passes: heads; descriptors, with the buffers they name prefetched; copies.
 * The lines come from the guest's core, so what counts is that their transfers overlap.
 */
#include "dataplane/vring_priv.h"

#include <errno.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#define KEEP	64u /* completions that are not told at once */
#define KEEP_US 150u

/* What the first passes found.  va is NULL where the long way must be taken. */
struct stage {
	uint16_t head[VRING_BURST];
	uint8_t *va[VRING_BURST];
	uint32_t size[VRING_BURST];
};

static inline struct vring_desc desc_read(const void *table, uint32_t i)
{
	struct vring_desc d;

	vring_copy_once(&d, (const uint8_t *)table + (size_t)i * sizeof(d), sizeof(d));
	return d;
}

/* Entries that the guest has made available and we have not taken. */
static inline uint16_t available(struct dp_vring *r)
{
	uint16_t n = (uint16_t)(__atomic_load_n(&r->avail->idx, __ATOMIC_ACQUIRE) - r->last);

	if (unlikely(n > r->size)) {
		vring_fault(r, DP_VRING_AVAIL_INDEX);
		return 0;
	}
	return n;
}

/* Passes one and two.  'flags' are those that a descriptor for the short way has. */
static __rte_always_inline void stage_fill(const struct dp_vring *r, struct stage *s, uint16_t n,
					   uint16_t flags)
{
	uint16_t mask = r->size - 1;

	for (uint16_t i = 0; i < n; i++) {
		s->head[i] = VRING_READ(r->avail->ring[(uint16_t)(r->last + i) & mask]);
		if (likely(s->head[i] < r->size))
			rte_prefetch0(&r->desc[s->head[i]]);
	}
	for (uint16_t i = 0; i < n; i++) {
		struct vring_desc d;

		s->va[i] = NULL;
		if (unlikely(s->head[i] >= r->size))
			continue;
		d = desc_read(r->desc, s->head[i]);
		if (unlikely(d.flags != flags || d.len <= r->hdr_size))
			continue;
		s->size[i] = d.len;
		s->va[i] = vring_va(r->mem, d.addr, d.len);
		if (unlikely(s->va[i] == NULL))
			continue;
		if (flags == VRING_DESC_F_WRITE) {
			__builtin_prefetch(s->va[i], 1);
			__builtin_prefetch(s->va[i] + RTE_MIN(d.len - 1, 64u), 1);
		} else {
			rte_prefetch0(s->va[i]);
			rte_prefetch0(s->va[i] + RTE_MIN(d.len - 1, 64u));
		}
	}
}

/* Follows the chain at 'head' and adds its memory to 'chain'. */
static int walk(struct dp_vring *r, uint16_t head, bool writable, struct vring_chain *chain)
{
	const void *table = r->desc;
	uint32_t limit = r->size, i = head;
	bool indirect = false;

	if (head >= r->size) {
		vring_fault(r, DP_VRING_HEAD);
		return -1;
	}
	for (uint32_t seen = 0;; seen++) {
		struct vring_desc d;

		if (i >= limit || seen >= limit) {
			vring_fault(r, i >= limit ? DP_VRING_NEXT : DP_VRING_LOOP);
			return -1;
		}
		d = desc_read(table, i);
		if ((d.flags & VRING_DESC_F_INDIRECT) != 0) {
			table = vring_va(r->mem, d.addr, d.len);
			limit = d.len / sizeof(d);
			if (indirect || (d.flags & VRING_DESC_F_NEXT) != 0 || table == NULL ||
			    limit == 0 || d.len % sizeof(d) != 0 || limit > UINT16_MAX) {
				vring_fault(r, DP_VRING_INDIRECT);
				return -1;
			}
			indirect = true;
			i = 0;
			seen = UINT32_MAX; /* Counts afresh: 0 after the loop's increment. */
			continue;
		}
		if (((d.flags & VRING_DESC_F_WRITE) != 0) != writable) {
			vring_fault(r, DP_VRING_DIRECTION);
			return -1;
		}
		if (vring_chain_add(r, chain, d.addr, d.len) != 0)
			return -1;
		if ((d.flags & VRING_DESC_F_NEXT) == 0)
			return 0;
		i = d.next;
	}
}

static inline void used_put(struct dp_vring *r, uint16_t at, uint16_t head, uint32_t size)
{
	struct vring_used_elem *e = &r->used->ring[at & (r->size - 1)];

	e->id = head;
	e->len = size;
}

static void log_used(struct dp_vring *r, uint16_t from, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		r->log(r->log_ctx, true,
		       offsetof(struct vring_used, ring) +
			       sizeof(r->used->ring[0]) * ((uint16_t)(from + i) & (r->size - 1)),
		       sizeof(r->used->ring[0]));
	r->log(r->log_ctx, true, offsetof(struct vring_used, idx), sizeof(r->used->idx));
}

/* Tells the guest of all that is completed but the newest 'keep'. */
static void tell(struct dp_vring *r, uint16_t keep)
{
	uint16_t old = (uint16_t)(r->last - r->held), n = (uint16_t)(r->held - keep);

	if (unlikely(r->log != NULL))
		log_used(r, old, n);
	r->held = keep;
	__atomic_store_n(&r->used->idx, (uint16_t)(old + n), __ATOMIC_RELEASE);
	vring_signal_split(r, old, (uint16_t)(old + n));
}

/* Hands 'n' used entries to the guest. */
static inline void publish(struct dp_vring *r, uint16_t n)
{
	if (n == 0)
		return;
	r->last += n;
	r->held += n;
	tell(r, 0);
}

/* Does the guest only poll?  One that asks for signals may be waiting for its buffers. */
static inline bool guest_polls(const struct dp_vring *r)
{
	return !r->event_idx && (VRING_READ(r->avail->flags) & VRING_AVAIL_F_NO_INTERRUPT) != 0;
}

/* The same for its transmit ring.  A guest that polls is told of the newest ones only when nothing
 * new came for a while.  Otherwise one that is slower than the switch finds its whole ring done
 * each time it looks, takes back all its buffers at once, more than its caches hold (DPDK's driver
 * does), and from then on walks through all of its memory instead of using the same buffers again:
 * frames of 1518 bytes came at a quarter of the rate. */
static inline void complete(struct dp_vring *r, uint16_t n)
{
	uint16_t keep;

	if (n == 0)
		return;
	r->last += n;
	r->held += n;
	keep = guest_polls(r) ? RTE_MIN((uint16_t)(r->size / 8), (uint16_t)KEEP) : 0;
	if (r->held > keep)
		tell(r, keep);
	if (r->held != 0)
		r->held_tsc = rte_rdtsc();
}

void vring_split_settle(struct dp_vring *r)
{
	if (r->held != 0)
		tell(r, 0);
}

static __attribute__((noinline)) void settle_in_time(struct dp_vring *r)
{
	if (rte_rdtsc() - r->held_tsc > rte_get_tsc_hz() / 1000000 * KEEP_US)
		tell(r, 0);
}

/* One frame that is not simply one descriptor and one mbuf. */
static __attribute__((noinline)) int dequeue_chain(struct dp_vring *r, uint16_t head,
						   struct rte_mbuf *m, struct rte_mempool *pool)
{
	struct virtio_net_hdr hdr;
	struct vring_chain chain;
	int rc;

	chain.n = 0;
	chain.size = 0;
	dp_frame_init(m, 0);
	if (walk(r, head, false, &chain) != 0)
		return -EIO;
	if (!vring_chain_read(&chain, &hdr, sizeof(hdr)))
		return -EBADMSG;
	rc = vring_chain_to_mbuf(&chain, r->hdr_size, m, pool);
	if (rc == 0 && (hdr.flags != 0 || hdr.gso_type != 0))
		rc = dp_vring_request(m, &hdr);
	return rc;
}

/* The short way: header and frame in one descriptor, and the frame fits the mbuf. */
static inline int dequeue_one(const struct dp_vring *r, const uint8_t *va, uint32_t size,
			      struct rte_mbuf *m)
{
	uint32_t frame = size - r->hdr_size;
	struct virtio_net_hdr hdr;

	memcpy(&hdr, va, sizeof(hdr));
	dp_frame_init(m, frame);
	rte_memcpy(rte_pktmbuf_mtod(m, void *), va + r->hdr_size, frame);
	if (likely(hdr.flags == 0 && hdr.gso_type == 0))
		return 0;
	return dp_vring_request(m, &hdr);
}

uint16_t vring_split_dequeue(struct dp_vring *r, struct rte_mempool *pool, struct rte_mbuf **pkts,
			     uint16_t n, uint16_t *ret_malformed)
{
	struct rte_mbuf *fresh[VRING_BURST];
	struct stage s;
	uint16_t taken, got = 0;
	uint32_t room;

	n = RTE_MIN(n, available(r));
	if (n == 0 && unlikely(r->held != 0))
		settle_in_time(r);
	if (n == 0 || rte_mempool_get_bulk(pool, (void **)fresh, n) != 0)
		return 0;
	room = rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM;
	stage_fill(r, &s, n, 0);
	for (taken = 0; taken < n; taken++) {
		struct rte_mbuf *m = fresh[taken];
		int rc;

		if (likely(s.va[taken] != NULL && s.size[taken] - r->hdr_size <= room))
			rc = dequeue_one(r, s.va[taken], s.size[taken], m);
		else
			rc = dequeue_chain(r, s.head[taken], m, pool);
		if (unlikely(rc == -EIO || rc == -ENOMEM))
			break;
		used_put(r, (uint16_t)(r->last + taken), s.head[taken], 0);
		if (likely(rc == 0)) {
			pkts[got++] = m;
		} else {
			rte_pktmbuf_free(m);
			(*ret_malformed)++;
			r->malformed++;
		}
	}
	/* The one that failed may have grown a chain; the rest are as they came. */
	if (unlikely(taken < n))
		rte_pktmbuf_free(fresh[taken]);
	for (uint16_t i = taken + 1; i < n; i++)
		rte_mbuf_raw_free(fresh[i]);
	complete(r, taken);
	return got;
}

/* Finds buffers for 'need' bytes from available entry 'pos' on and enters them as used.  Returns
 * how many buffers, 0 when there is no room now, -EMSGSIZE when there will never be. */
static int reserve(struct dp_vring *r, uint16_t pos, uint16_t n_avail, uint64_t need,
		   struct vring_chain *chain)
{
	uint16_t n = 0;

	while (chain->size < need) {
		uint64_t before = chain->size;
		uint16_t head;

		if (n > 0 && !r->mergeable)
			return -EMSGSIZE;
		if (pos + n >= n_avail)
			return 0;
		head = VRING_READ(r->avail->ring[(uint16_t)(r->last + pos + n) & (r->size - 1)]);
		if (walk(r, head, true, chain) != 0) {
			if (r->fault != DP_VRING_SEGMENTS)
				return 0;
			/* Buffers so small that the frame is too many pieces are no fault. */
			vring_fault(r, DP_VRING_NONE);
			return -EMSGSIZE;
		}
		used_put(r, (uint16_t)(r->last + pos + n), head,
			 (uint32_t)(RTE_MIN(chain->size, need) - before));
		n++;
	}
	return n;
}

static __attribute__((noinline)) int enqueue_chain(struct dp_vring *r, const struct rte_mbuf *m,
						   uint16_t pos, uint16_t n_avail)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	struct vring_chain chain;
	int n;

	chain.n = 0;
	chain.size = 0;
	n = reserve(r, pos, n_avail, (uint64_t)r->hdr_size + m->pkt_len, &chain);
	if (n <= 0)
		return n;
	vring_hdr_fill(r, m, &hdr);
	hdr.num_buffers = (uint16_t)n;
	vring_chain_from_mbuf(r, &chain, &hdr, m);
	return n;
}

/* Writes header and frame into one buffer. */
static inline void enqueue_one(const struct dp_vring *r, uint8_t *va, const struct rte_mbuf *m)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = {.num_buffers = 1};

	if (unlikely(!vring_plain(r, m)))
		vring_hdr_fill(r, m, &hdr);
	memcpy(va, &hdr, sizeof(hdr.hdr));
	if (likely(r->hdr_size == sizeof(hdr)))
		memcpy(va + sizeof(hdr.hdr), &hdr.num_buffers, sizeof(hdr.num_buffers));
	rte_memcpy(va + r->hdr_size, rte_pktmbuf_mtod(m, const void *), m->data_len);
}

uint16_t vring_split_enqueue(struct dp_vring *r, struct rte_mbuf **pkts, uint16_t n,
			     uint16_t *ret_too_big)
{
	uint16_t n_avail = available(r), staged = RTE_MIN(n_avail, n), pos = 0, sent = 0;
	struct stage s;

	stage_fill(r, &s, staged, VRING_DESC_F_WRITE);
	while (sent < n) {
		const struct rte_mbuf *m = pkts[sent];
		int bufs;

		if (likely(pos < staged && s.va[pos] != NULL && m->nb_segs == 1 &&
			   m->pkt_len <= s.size[pos] - r->hdr_size && r->log == NULL)) {
			enqueue_one(r, s.va[pos], m);
			used_put(r, (uint16_t)(r->last + pos), s.head[pos],
				 r->hdr_size + m->pkt_len);
			pos++;
			sent++;
			continue;
		}
		bufs = enqueue_chain(r, m, pos, n_avail);
		if (bufs == 0)
			break;
		if (bufs < 0) {
			vring_put_last(pkts, sent, n--);
			(*ret_too_big)++;
			continue;
		}
		pos += (uint16_t)bufs;
		sent++;
	}
	publish(r, pos);
	return sent;
}
