/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See memif_ring.h.
 */
#include "dataplane/memif_ring.h"
#include "dataplane/frame.h"

#include <errno.h>
#include <string.h>
#include <sys/eventfd.h>

#include <rte_atomic.h>
#include <rte_branch_prediction.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>

#define MAX_SLOTS 256 /* of one frame */
#define READ(x)	  (*(volatile const __typeof__(x) *)&(x))

const char *dp_memif_fault_text(enum dp_memif_fault fault)
{
	static const char *const texts[] = {
#define X(name, text) [DP_MEMIF_##name] = text,
		DP_MEMIF_FAULTS(X)
#undef X
	};

	return (unsigned)fault < DP_N_MEMIF_FAULTS ? texts[fault] : "unknown";
}

void dp_memif_ring_reset(struct dp_memif_ring *r)
{
	uint32_t size = (uint32_t)r->mask + 1;

	r->last = 0;
	r->fault = DP_MEMIF_NONE;
	if (!r->client)
		return;
	r->shm->cookie = MEMIF_COOKIE;
	r->shm->flags = 0;
	r->shm->head = 0;
	r->shm->tail = 0;
	for (uint32_t i = 0; i < size; i++)
		r->shm->desc[i] =
			(struct memif_desc){.length = r->buffer_size,
					    .offset = r->buffer_offset + i * r->buffer_size};
}

void dp_memif_ring_start(struct dp_memif_ring *r)
{
	bool receives = r->client != r->c2s;

	if (receives) /* We poll. */
		__atomic_store_n(&r->shm->flags, MEMIF_RING_NO_INTERRUPT, __ATOMIC_RELEASE);
	/* All buffers are the server's to fill.  Not before now: DPDK's server sets the indices to
	 * zero when it answers CONNECT. */
	if (r->client && !r->c2s)
		__atomic_store_n(&r->shm->head, (uint16_t)(r->mask + 1), __ATOMIC_RELEASE);
}

/* One read of each field, into a copy that nobody else writes. */
static inline struct memif_desc desc_read(const struct dp_memif_ring *r, uint16_t slot)
{
	struct memif_desc d;

	memcpy(&d, &r->shm->desc[slot & r->mask], sizeof(d));
	rte_compiler_barrier();
	return d;
}

/* The memory of 'slot', whose descriptor is *d; NULL when there is none of that length. */
static inline uint8_t *buffer_of(const struct dp_memif_ring *r, uint16_t slot,
				 const struct memif_desc *d)
{
	const struct dp_memif_region *region;

	if (r->client)
		return d->length <= r->buffer_size
			       ? r->buffers + (size_t)(slot & r->mask) * r->buffer_size
			       : NULL;
	if (d->region >= r->regions->n)
		return NULL;
	region = &r->regions->region[d->region];
	if (d->offset > region->size || d->length > region->size - d->offset)
		return NULL;
	return region->va + d->offset;
}

/* Slots that hold frames for us, or -1. */
static inline int filled(struct dp_memif_ring *r)
{
	uint16_t until = __atomic_load_n(r->c2s ? &r->shm->head : &r->shm->tail, __ATOMIC_ACQUIRE);
	uint16_t n = (uint16_t)(until - r->last);

	if (likely(n <= r->mask + 1))
		return n;
	r->fault = DP_MEMIF_INDEX;
	return -1;
}

/* Takes the frame at r->last into 'm'.  Returns its slots; 0 with r->fault set or memory short.
 * *ret_rc is -EBADMSG for a frame that is none. */
static uint16_t take(struct dp_memif_ring *r, uint16_t available, struct rte_mbuf *m,
		     struct rte_mempool *pool, int *ret_rc)
{
	struct rte_mbuf *last = m;
	uint16_t n = 0;

	*ret_rc = 0;
	for (;;) {
		uint16_t slot = (uint16_t)(r->last + n);
		struct memif_desc d = desc_read(r, slot);
		const uint8_t *from = buffer_of(r, slot, &d);

		if (from == NULL) {
			r->fault = DP_MEMIF_BUFFER;
			return 0;
		}
		n++;
		if (m->pkt_len + (uint64_t)d.length > DP_MEMIF_MAX_FRAME)
			*ret_rc = -EBADMSG;
		if (*ret_rc == 0 && dp_frame_append(m, &last, from, d.length, pool) != 0)
			return 0;
		if ((d.flags & MEMIF_DESC_NEXT) == 0)
			break;
		if (n == available) { /* Goes on behind the end. */
			*ret_rc = -EBADMSG;
			break;
		}
	}
	if (m->pkt_len == 0)
		*ret_rc = -EBADMSG;
	return n;
}

static void give_back(struct dp_memif_ring *r, uint16_t n_slots)
{
	if (n_slots == 0)
		return;
	if (r->client) {
		for (uint16_t i = 0; i < n_slots; i++) {
			uint16_t slot = (uint16_t)(r->last - n_slots + i) & r->mask;

			r->shm->desc[slot].length = r->buffer_size;
			r->shm->desc[slot].flags = 0;
		}
		__atomic_store_n(&r->shm->head, (uint16_t)(r->last + r->mask + 1),
				 __ATOMIC_RELEASE);
	} else {
		__atomic_store_n(&r->shm->tail, r->last, __ATOMIC_RELEASE);
	}
}

static inline void prefetch_frames(const struct dp_memif_ring *r, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		struct memif_desc d = desc_read(r, (uint16_t)(r->last + i));
		const uint8_t *from = buffer_of(r, (uint16_t)(r->last + i), &d);

		if (likely(from != NULL))
			rte_prefetch0(from);
	}
}

/* Looked at after a burst: what it read, or wrote, may have been empty pages. */
static bool lost(struct dp_memif_ring *r)
{
	if (likely(!atomic_load_explicit(&r->regions->lost, memory_order_relaxed)))
		return false;
	r->fault = DP_MEMIF_LOST;
	return true;
}

/* Takes frames into 'fresh', of which there are 'n'.  Returns how many of them are used up, and
 * moves r->last. */
static uint16_t take_many(struct dp_memif_ring *r, uint16_t available, struct rte_mbuf **fresh,
			  uint16_t n, struct rte_mempool *pool, struct rte_mbuf **pkts,
			  uint16_t *ret_got)
{
	uint16_t used = 0, i;

	for (i = 0; i < n && used < available; i++) {
		int rc;
		uint16_t slots = take(r, available - used, fresh[i], pool, &rc);

		if (slots == 0)
			break;
		r->last += slots;
		used += slots;
		if (likely(rc == 0))
			pkts[(*ret_got)++] = fresh[i];
		else
			rte_pktmbuf_free(fresh[i]);
	}
	give_back(r, used);
	return i;
}

uint16_t dp_memif_rx(struct dp_memif_ring *r, struct rte_mempool *pool, struct rte_mbuf **pkts,
		     uint16_t n, uint16_t *ret_malformed)
{
	struct rte_mbuf *fresh[DP_MEMIF_BURST];
	uint16_t got = 0, taken, bad;
	int available = r->fault == DP_MEMIF_NONE ? filled(r) : 0;

	if (available <= 0)
		return 0;
	n = RTE_MIN(RTE_MIN(n, (uint16_t)DP_MEMIF_BURST), (uint16_t)available);
	if (rte_pktmbuf_alloc_bulk(pool, fresh, n) != 0)
		return 0;
	prefetch_frames(r, n);
	taken = take_many(r, (uint16_t)available, fresh, n, pool, pkts, &got);
	rte_pktmbuf_free_bulk(fresh + taken, n - taken);
	bad = taken - got;
	if (unlikely(lost(r))) {
		rte_pktmbuf_free_bulk(pkts, got);
		bad = taken;
		got = 0;
	}
	*ret_malformed += bad;
	r->malformed += bad;
	return got;
}

/* Slots that we may fill, or -1. */
static inline int empty(struct dp_memif_ring *r)
{
	uint16_t n;

	if (r->c2s) {
		n = (uint16_t)(r->last - __atomic_load_n(&r->shm->tail, __ATOMIC_ACQUIRE));
		n = n <= r->mask + 1 ? (uint16_t)(r->mask + 1 - n) : UINT16_MAX;
	} else {
		n = (uint16_t)(__atomic_load_n(&r->shm->head, __ATOMIC_ACQUIRE) - r->last);
	}
	if (likely(n <= r->mask + 1))
		return n;
	r->fault = DP_MEMIF_INDEX;
	return -1;
}

/* Memory for one frame. */
struct room {
	uint16_t n;
	uint32_t size[MAX_SLOTS];
	uint8_t *to[MAX_SLOTS];
};

/* Finds slots from r->last + used on for 'need' bytes.  1; 0: not now; -EMSGSIZE: never; -EIO:
 * fault. */
static int find_room(struct dp_memif_ring *r, uint16_t used, uint16_t available, uint32_t need,
		     struct room *room)
{
	uint32_t have = 0;

	for (room->n = 0; have < need || room->n == 0; room->n++) {
		uint16_t slot = (uint16_t)(r->last + used + room->n);
		struct memif_desc d = {.length = r->buffer_size};

		if (room->n == MAX_SLOTS || room->n > r->mask)
			return -EMSGSIZE;
		if (used + room->n >= available)
			return 0;
		if (!r->client)
			d = desc_read(r, slot);
		room->to[room->n] = buffer_of(r, slot, &d);
		room->size[room->n] = d.length;
		if (room->to[room->n] == NULL || d.length == 0) {
			r->fault = DP_MEMIF_BUFFER;
			return -EIO;
		}
		have += RTE_MIN(d.length, need - have);
	}
	return 1;
}

static void put(struct dp_memif_ring *r, uint16_t used, const struct rte_mbuf *m,
		const struct room *room)
{
	uint32_t left = m->pkt_len, from_at = 0;
	const struct rte_mbuf *seg = m;

	for (uint16_t i = 0; i < room->n; i++) {
		struct memif_desc *d = &r->shm->desc[(uint16_t)(r->last + used + i) & r->mask];
		uint32_t size = RTE_MIN(room->size[i], left), at = 0;

		while (at < size) {
			uint32_t n = RTE_MIN(size - at, seg->data_len - from_at);

			rte_memcpy(room->to[i] + at,
				   rte_pktmbuf_mtod_offset(seg, const uint8_t *, from_at), n);
			at += n;
			from_at += n;
			if (from_at == seg->data_len) {
				seg = seg->next;
				from_at = 0;
			}
		}
		left -= size;
		d->length = size;
		d->flags = i + 1 < room->n ? MEMIF_DESC_NEXT : 0;
	}
}

static void send_off(struct dp_memif_ring *r, uint16_t n_slots)
{
	if (n_slots == 0)
		return;
	r->last += n_slots;
	__atomic_store_n(r->c2s ? &r->shm->head : &r->shm->tail, r->last, __ATOMIC_RELEASE);
	rte_smp_mb();
	if ((READ(r->shm->flags) & MEMIF_RING_NO_INTERRUPT) == 0 && r->event_fd >= 0) {
		r->signals++;
		(void)eventfd_write(r->event_fd, 1); /* Fails only when it is signalled already. */
	}
}

uint16_t dp_memif_tx(struct dp_memif_ring *r, struct rte_mbuf **pkts, uint16_t n,
		     uint16_t *ret_too_big)
{
	int available = r->fault == DP_MEMIF_NONE ? empty(r) : 0;
	uint16_t used = 0, sent = 0;
	struct room room;

	while (sent < n && available > used) {
		struct rte_mbuf *m = pkts[sent];
		int rc = find_room(r, used, (uint16_t)available, m->pkt_len, &room);

		if (rc == 0 || rc == -EIO)
			break;
		if (rc == -EMSGSIZE) {
			memmove(pkts + sent, pkts + sent + 1, (n - sent - 1u) * sizeof(*pkts));
			pkts[--n] = m;
			(*ret_too_big)++;
			continue;
		}
		put(r, used, m, &room);
		used += room.n;
		sent++;
	}
	send_off(r, used);
	lost(r); /* Then nobody reads what was sent. */
	return sent;
}
