/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Packed rings (VIRTIO 1.1, 2.7): one table of descriptors that driver and device hand to each
 * other with two bits; a descriptor is available when its AVAIL bit equals the driver's wrap
 * counter and its USED bit does not.
 *
 * A chain is a run of descriptors; we use it by writing its first one and skipping the rest.  As
 * everything is used in order and at once, one position and one wrap counter say it all.
 */
#include "dataplane/vring_priv.h"

#include <errno.h>

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#define AVAIL (1u << VRING_PACKED_DESC_F_AVAIL)
#define USED  (1u << VRING_PACKED_DESC_F_USED)
#define SHAPE (VRING_DESC_F_NEXT | VRING_DESC_F_WRITE | VRING_DESC_F_INDIRECT)

/* A place in the ring. */
struct place {
	uint16_t at;
	bool wrap;
};

/* What the first pass found.  va is NULL where the long way must be taken. */
struct stage {
	uint16_t id[VRING_BURST];
	uint8_t *va[VRING_BURST];
	uint32_t size[VRING_BURST];
};

static inline struct place place_next(const struct dp_vring *r, struct place p, uint16_t n)
{
	uint32_t at = (uint32_t)p.at + n;

	if (at < r->size)
		return (struct place){.at = (uint16_t)at, .wrap = p.wrap};
	return (struct place){.at = (uint16_t)(at - r->size), .wrap = !p.wrap};
}

static inline bool is_available(const struct dp_vring *r, struct place p)
{
	uint16_t flags = __atomic_load_n(&r->packed_desc[p.at].flags, __ATOMIC_ACQUIRE);

	return ((flags & AVAIL) != 0) == p.wrap && ((flags & USED) != 0) != p.wrap;
}

static inline struct vring_packed_desc desc_read(const void *table, uint32_t i)
{
	struct vring_packed_desc d;

	vring_copy_once(&d, (const uint8_t *)table + (size_t)i * sizeof(d), sizeof(d));
	return d;
}

/* The builtin wants a literal, also from a compiler that has not yet seen that 'write' is one. */
static __rte_always_inline void prefetch(const uint8_t *va, bool write)
{
	if (write)
		__builtin_prefetch(va, 1);
	else
		__builtin_prefetch(va, 0);
}

/* Looks at up to 'n' available descriptors from 'p' on and stops before the first that needs the
 * long way.  'shape' is the short way's.  Returns how many. */
static __rte_always_inline uint16_t stage_fill(const struct dp_vring *r, struct stage *s,
					       struct place p, uint16_t n, uint16_t shape)
{
	uint16_t i;

	for (i = 0; i < n && is_available(r, p); i++, p = place_next(r, p, 1)) {
		struct vring_packed_desc d = desc_read(r->packed_desc, p.at);

		if (unlikely((d.flags & SHAPE) != shape || d.len <= r->hdr_size))
			break;
		s->id[i] = d.id;
		s->size[i] = d.len;
		s->va[i] = vring_va(r->mem, d.addr, d.len);
		if (unlikely(s->va[i] == NULL))
			break;
		prefetch(s->va[i], shape == VRING_DESC_F_WRITE);
		prefetch(s->va[i] + RTE_MIN(d.len - 1, 64u), shape == VRING_DESC_F_WRITE);
	}
	return i;
}

static int walk_indirect(struct dp_vring *r, const struct vring_packed_desc *head, bool writable,
			 struct vring_chain *chain)
{
	const void *table = vring_va(r->mem, head->addr, head->len);
	uint32_t n = head->len / sizeof(*head);

	if (table == NULL || n == 0 || head->len % sizeof(*head) != 0 ||
	    (head->flags & VRING_DESC_F_NEXT) != 0) {
		vring_fault(r, DP_VRING_INDIRECT);
		return -1;
	}
	for (uint32_t i = 0; i < n; i++) {
		struct vring_packed_desc d = desc_read(table, i);

		/* DPDK's driver leaves the flag on the header of what it sends. */
		if (writable && (d.flags & VRING_DESC_F_WRITE) == 0) {
			vring_fault(r, DP_VRING_DIRECTION);
			return -1;
		}
		if (vring_chain_add(r, chain, d.addr, d.len) != 0)
			return -1;
	}
	return 0;
}

/* Adds the chain at 'p' to 'chain'.  Returns how many descriptors it is, or -1; *ret_id names it.
 */
static int walk(struct dp_vring *r, struct place p, bool writable, struct vring_chain *chain,
		uint16_t *ret_id)
{
	for (int n = 1; n <= r->size; n++, p = place_next(r, p, 1)) {
		struct vring_packed_desc d = desc_read(r->packed_desc, p.at);

		if ((d.flags & VRING_DESC_F_INDIRECT) != 0) {
			*ret_id = d.id;
			return n == 1 && walk_indirect(r, &d, writable, chain) == 0 ? 1 : -1;
		}
		if (((d.flags & VRING_DESC_F_WRITE) != 0) != writable) {
			vring_fault(r, DP_VRING_DIRECTION);
			return -1;
		}
		if (vring_chain_add(r, chain, d.addr, d.len) != 0)
			return -1;
		if ((d.flags & VRING_DESC_F_NEXT) == 0) {
			*ret_id = d.id;
			return n;
		}
	}
	vring_fault(r, DP_VRING_LOOP);
	return -1;
}

/* Gives the descriptor at 'p' back to the guest. */
static inline void use(struct dp_vring *r, struct place p, uint16_t id, uint32_t size)
{
	struct vring_packed_desc *d = &r->packed_desc[p.at];
	uint16_t flags = p.wrap ? AVAIL | USED : 0;

	if (size > 0)
		flags |= VRING_DESC_F_WRITE;
	d->id = id;
	d->len = size;
	__atomic_store_n(&d->flags, flags, __ATOMIC_RELEASE);
	if (unlikely(r->log != NULL))
		r->log(r->log_ctx, true, p.at * sizeof(*d), sizeof(*d));
}

static inline void move_to(struct dp_vring *r, struct place p)
{
	uint16_t old = r->last;
	bool old_wrap = r->wrap;

	if (p.at == old && p.wrap == old_wrap)
		return;
	r->last = p.at;
	r->wrap = p.wrap;
	vring_signal_packed(r, old, old_wrap);
}

/* One frame that is not simply one descriptor and one mbuf.  Returns how many descriptors it is;
 * 0 when the ring is at fault or memory is short.  *ret_rc is 0 or -EBADMSG. */
static __attribute__((noinline)) uint16_t dequeue_chain(struct dp_vring *r, struct place p,
							struct rte_mbuf *m,
							struct rte_mempool *pool, uint16_t *ret_id,
							int *ret_rc)
{
	struct virtio_net_hdr hdr;
	struct vring_chain chain;
	int n;

	chain.n = 0;
	chain.size = 0;
	n = walk(r, p, false, &chain, ret_id);
	if (n < 0)
		return 0;
	*ret_rc = -EBADMSG;
	if (!vring_chain_read(&chain, &hdr, sizeof(hdr)))
		return (uint16_t)n;
	*ret_rc = vring_chain_to_mbuf(&chain, r->hdr_size, m, pool);
	if (*ret_rc == -ENOMEM)
		return 0;
	if (*ret_rc == 0 && (hdr.flags != 0 || hdr.gso_type != 0))
		*ret_rc = dp_vring_request(m, &hdr);
	return (uint16_t)n;
}

/* The short way: header and frame in one descriptor, and the frame fits the mbuf. */
static inline int dequeue_one(const struct dp_vring *r, const uint8_t *va, uint32_t size,
			      struct rte_mbuf *m)
{
	uint32_t frame = size - r->hdr_size;
	struct virtio_net_hdr hdr;

	vring_copy_once(&hdr, va, sizeof(hdr));
	dp_frame_init(m, frame);
	rte_memcpy(rte_pktmbuf_mtod(m, void *), va + r->hdr_size, frame);
	if (likely(hdr.flags == 0 && hdr.gso_type == 0))
		return 0;
	return dp_vring_request(m, &hdr);
}

/* Gives 'n' descriptors from 'p' on back, the first one last: the guest polls it, and when it sees
 * it, sees all of them without asking for the cache line again. */
static __rte_always_inline void use_many(struct dp_vring *r, struct place p, uint16_t n,
					 const uint16_t *id, const uint32_t *size)
{
	for (uint16_t i = n; i > 0; i--)
		use(r, place_next(r, p, i - 1), id[i - 1], size != NULL ? size[i - 1] : 0);
}

struct dequeue {
	struct rte_mempool *pool;
	struct rte_mbuf **pkts;
	uint16_t got, malformed;
	struct place p;
};

static inline void keep_or_drop(struct dequeue *q, struct rte_mbuf *m, int rc)
{
	if (likely(rc == 0)) {
		q->pkts[q->got++] = m;
	} else {
		rte_pktmbuf_free(m);
		q->malformed++;
	}
}

/* Takes frames of one descriptor each.  Returns how many descriptors. */
static uint16_t dequeue_short(struct dp_vring *r, struct dequeue *q, uint16_t n)
{
	uint32_t room = rte_pktmbuf_data_room_size(q->pool) - RTE_PKTMBUF_HEADROOM + r->hdr_size;
	struct rte_mbuf *fresh[VRING_BURST];
	uint16_t fit = 0;
	struct stage s;

	n = stage_fill(r, &s, q->p, n, 0);
	while (fit < n && s.size[fit] <= room)
		fit++;
	if (fit == 0 || rte_mempool_get_bulk(q->pool, (void **)fresh, fit) != 0)
		return 0;
	for (uint16_t i = 0; i < fit; i++)
		keep_or_drop(q, fresh[i], dequeue_one(r, s.va[i], s.size[i], fresh[i]));
	use_many(r, q->p, fit, s.id, NULL);
	q->p = place_next(r, q->p, fit);
	return fit;
}

/* Takes one frame that is several descriptors, or too long for one mbuf.  Returns how many
 * descriptors, 0 when the ring is at fault or memory is short. */
static __attribute__((noinline)) uint16_t dequeue_long(struct dp_vring *r, struct dequeue *q)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(q->pool);
	uint16_t n, id = 0;
	int rc = 0;

	if (m == NULL)
		return 0;
	n = dequeue_chain(r, q->p, m, q->pool, &id, &rc);
	if (n == 0) {
		rte_pktmbuf_free(m);
		return 0;
	}
	use(r, q->p, id, 0);
	q->p = place_next(r, q->p, n);
	keep_or_drop(q, m, rc);
	return n;
}

uint16_t vring_packed_dequeue(struct dp_vring *r, struct rte_mempool *pool, struct rte_mbuf **pkts,
			      uint16_t n, uint16_t *ret_malformed)
{
	struct dequeue q = {.pool = pool, .pkts = pkts, .p = {.at = r->last, .wrap = r->wrap}};

	while (q.got + q.malformed < n && is_available(r, q.p))
		if (dequeue_short(r, &q, n - q.got - q.malformed) == 0 && dequeue_long(r, &q) == 0)
			break;
	*ret_malformed += q.malformed;
	r->malformed += q.malformed;
	move_to(r, q.p);
	return q.got;
}

/* Writes header and frame into one buffer. */
static inline void enqueue_one(const struct dp_vring *r, uint8_t *va, const struct rte_mbuf *m)
{
	struct virtio_net_hdr_mrg_rxbuf hdr = {.num_buffers = 1};

	if (unlikely(!vring_plain(r, m)))
		vring_hdr_fill(r, m, &hdr);
	memcpy(va, &hdr, sizeof(hdr)); /* Packed rings are virtio 1: the header is 12 bytes. */
	rte_memcpy(va + sizeof(hdr), rte_pktmbuf_mtod(m, const void *), m->data_len);
}

/* Sends frames that fit one buffer each, up to the first that does not.  Returns how many. */
static uint16_t enqueue_short(struct dp_vring *r, struct place *p, struct rte_mbuf *const *pkts,
			      uint16_t n)
{
	struct stage s;
	uint16_t i;

	n = stage_fill(r, &s, *p, n, VRING_DESC_F_WRITE);
	for (i = 0; i < n; i++) {
		const struct rte_mbuf *m = pkts[i];

		if (unlikely(m->nb_segs != 1 || m->pkt_len + r->hdr_size > s.size[i] ||
			     r->log != NULL))
			break;
		enqueue_one(r, s.va[i], m);
		s.size[i] = m->pkt_len + r->hdr_size;
	}
	use_many(r, *p, i, s.id, s.size);
	*p = place_next(r, *p, i);
	return i;
}

/* Buffers that one frame takes. */
struct takes {
	uint16_t n;
	struct place p[VRING_MAX_SEGS];
	uint16_t id[VRING_MAX_SEGS];
	uint32_t size[VRING_MAX_SEGS];
};

/* Finds buffers for 'need' bytes from *p on and moves it behind them.  1; 0 when there is no room
 * now, -EMSGSIZE when there will never be. */
static int reserve(struct dp_vring *r, struct place *p, uint64_t need, struct vring_chain *chain,
		   struct takes *t)
{
	uint32_t limit = RTE_MIN((uint32_t)r->size, (uint32_t)VRING_MAX_SEGS), seen = 0;

	limit = r->mergeable ? limit : 1;
	for (t->n = 0; chain->size < need; t->n++) {
		uint64_t before = chain->size;
		int n;

		if (t->n == limit || seen >= r->size)
			return -EMSGSIZE;
		if (!is_available(r, *p))
			return 0;
		n = walk(r, *p, true, chain, &t->id[t->n]);
		if (n < 0) {
			if (r->fault != DP_VRING_SEGMENTS)
				return 0;
			/* Buffers so small that the frame is too many pieces are no fault. */
			vring_fault(r, DP_VRING_NONE);
			return -EMSGSIZE;
		}
		seen += (uint32_t)n;
		t->p[t->n] = *p;
		t->size[t->n] = (uint32_t)(RTE_MIN(chain->size, need) - before);
		*p = place_next(r, *p, (uint16_t)n);
	}
	return 1;
}

/* 1, 0 or -EMSGSIZE as reserve(). */
static __attribute__((noinline)) int enqueue_long(struct dp_vring *r, struct place *p,
						  const struct rte_mbuf *m)
{
	struct virtio_net_hdr_mrg_rxbuf hdr;
	struct vring_chain chain;
	struct place after = *p;
	struct takes t;
	int rc;

	chain.n = 0;
	chain.size = 0;
	rc = reserve(r, &after, (uint64_t)r->hdr_size + m->pkt_len, &chain, &t);
	if (rc <= 0)
		return rc;
	vring_hdr_fill(r, m, &hdr);
	hdr.num_buffers = t.n;
	vring_chain_from_mbuf(r, &chain, &hdr, m);
	for (uint16_t i = t.n; i > 0; i--)
		use(r, t.p[i - 1], t.id[i - 1], t.size[i - 1]);
	*p = after;
	return 1;
}

uint16_t vring_packed_enqueue(struct dp_vring *r, struct rte_mbuf **pkts, uint16_t n,
			      uint16_t *ret_too_big)
{
	struct place p = {.at = r->last, .wrap = r->wrap};
	uint16_t sent = 0;

	while (sent < n && is_available(r, p)) {
		uint16_t k = enqueue_short(r, &p, pkts + sent, n - sent);
		int rc;

		sent += k;
		if (k > 0)
			continue;
		rc = enqueue_long(r, &p, pkts[sent]);
		if (rc == 0)
			break;
		if (rc < 0) {
			vring_put_last(pkts, sent, n--);
			(*ret_too_big)++;
		} else {
			sent++;
		}
	}
	move_to(r, p);
	return sent;
}
