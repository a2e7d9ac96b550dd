/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From a worker to the writer thread: a single-producer, single-consumer ring of bytes, one per
 * worker and capture.  A record is a header and the frame's first bytes, contiguous; one that does
 * not fit before the end of the memory leaves a skip record there and starts over.  The producer
 * publishes once per burst.  Nobody waits: a full ring refuses the record, and who asked counts
 * it.
 *
 * 	head  next byte to write     worker     tail <= head <= tail + size, both only grow
 * 	tail  next byte to read      writer
 */
#ifndef FILTERS_CAPTURE_RING_H
#define FILTERS_CAPTURE_RING_H

#include <assert.h>
#include <stdalign.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FILTER_REC_OUTBOUND (1u << 0)
#define FILTER_REC_CSUM_TCP                                                                        \
	(1u << 1) /* the checksum field is unfinished, l2_len and l3_len are set */
#define FILTER_REC_CSUM_UDP  (1u << 2)
#define FILTER_REC_CSUM_SCTP (1u << 3)
#define FILTER_REC_CSUM	     (FILTER_REC_CSUM_TCP | FILTER_REC_CSUM_UDP | FILTER_REC_CSUM_SCTP)
#define FILTER_REC_IPV6	     (1u << 4)
#define FILTER_REC_SKIP	     (1u << 5) /* no frame: go on at the ring's start */

/* Records are multiples of this, so a skip record always fits. */
#define FILTER_REC_ALIGN 32u

struct filter_rec {
	uint32_t size;	  /* of the record, this header included */
	uint32_t cap_len; /* bytes that follow */
	uint32_t pkt_len;
	uint16_t iface; /* of the capture's interfaces */
	uint8_t stage;	/* enum dp_stage */
	uint8_t reason; /* enum dp_drop */
	uint64_t tsc;
	uint16_t l2_len, l3_len;
	uint32_t flags; /* FILTER_REC_* */
};
static_assert(sizeof(struct filter_rec) == FILTER_REC_ALIGN, "a skip record must always fit");

struct filter_ring {
	/* The worker's line. */
	alignas(64) _Atomic uint64_t head;
	uint64_t next;	    /* head, records of this burst included */
	uint64_t tail_seen; /* an old value of tail: there is at least that much room */
	/* The writer's line. */
	alignas(64) _Atomic uint64_t tail;
	/* Read by both. */
	alignas(64) uint8_t *data;
	size_t size; /* a power of two */
};

/* Room for a record of 'size' bytes, or NULL when the ring is full. */
static inline struct filter_rec *filter_ring_reserve(struct filter_ring *r, size_t size)
{
	size_t at = r->next & (r->size - 1);
	size_t skip = size > r->size - at ? r->size - at : 0;

	if (r->next + skip + size - r->tail_seen > r->size) {
		r->tail_seen = atomic_load_explicit(&r->tail, memory_order_acquire);
		if (r->next + skip + size - r->tail_seen > r->size)
			return NULL;
	}
	if (skip != 0) {
		struct filter_rec *rec = (struct filter_rec *)(void *)(r->data + at);

		*rec = (struct filter_rec){.size = (uint32_t)skip, .flags = FILTER_REC_SKIP};
		r->next += skip;
	}
	return (struct filter_rec *)(void *)(r->data + (r->next & (r->size - 1)));
}

/* The record that was reserved is complete; seen by the reader after filter_ring_publish(). */
static inline void filter_ring_push(struct filter_ring *r, size_t size)
{
	r->next += size;
}

static inline void filter_ring_publish(struct filter_ring *r)
{
	if (atomic_load_explicit(&r->head, memory_order_relaxed) != r->next)
		atomic_store_explicit(&r->head, r->next, memory_order_release);
}

/* The oldest record before 'head', or NULL.  'head' was loaded (acquire) before; skip records are
 * passed over. */
static inline struct filter_rec *filter_ring_peek(struct filter_ring *r, uint64_t head)
{
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	struct filter_rec *rec;

	if (tail == head)
		return NULL;
	rec = (struct filter_rec *)(void *)(r->data + (tail & (r->size - 1)));
	if ((rec->flags & FILTER_REC_SKIP) == 0)
		return rec;
	tail += rec->size;
	atomic_store_explicit(&r->tail, tail, memory_order_release);
	/* A skip is published together with the record that it made room for. */
	return tail == head ? NULL : (struct filter_rec *)(void *)r->data;
}

static inline void filter_ring_pop(struct filter_ring *r, const struct filter_rec *rec)
{
	uint64_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);

	atomic_store_explicit(&r->tail, tail + rec->size, memory_order_release);
}

static inline size_t filter_rec_size(uint32_t cap_len)
{
	return (sizeof(struct filter_rec) + cap_len + FILTER_REC_ALIGN - 1) &
	       ~(size_t)(FILTER_REC_ALIGN - 1);
}

/* Memory for 'size' bytes (a power of two), present at once so that the worker's first touch
 * costs no page fault.  NULL when there is none.  Any thread but a worker. */
struct filter_ring *filter_ring_create(size_t size);
void filter_ring_destroy(struct filter_ring *ring);

#endif
