/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A queue of records of any length between two threads, one that writes and one that reads:
 * whole records in one piece of memory, no allocation, no lock.  Between a worker and the control
 * thread, in either direction (punt.h, inject.h).
 *
 * 	writer: room = dp_records_reserve(); fill it; dp_records_commit()
 * 	reader: front = dp_records_front(); look at it; dp_records_pop()
 */
#ifndef DATAPLANE_RECORDS_H
#define DATAPLANE_RECORDS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dp_records {
	uint8_t *bytes;
	uint32_t size; /* of them; a power of two */
	/* Positions run on and wrap with their type.  Each side writes its own only. */
	_Atomic uint32_t head __attribute__((aligned(64))); /* writer's: committed until here */
	uint32_t reserved;				    /* writer's: the record being made */
	_Atomic uint32_t tail __attribute__((aligned(64))); /* reader's: done until here */
};

/* 'size' bytes, a power of two of at least 64.  0 or -ENOMEM. */
int dp_records_init(struct dp_records *r, uint32_t size);
void dp_records_fini(struct dp_records *r);

/* Room for a record of 'size' bytes, aligned to 8; NULL when there is none now, or never will be
 * (about half of the queue is certain).  Not seen by the reader until commit; a second reserve
 * takes the place of the first.  Writer. */
void *dp_records_reserve(struct dp_records *r, uint32_t size);
void dp_records_commit(struct dp_records *r);

/* The oldest record, or NULL.  Borrowed until it is popped.  Reader. */
const void *dp_records_front(struct dp_records *r, uint32_t *ret_size);
void dp_records_pop(struct dp_records *r);

/* Nothing to read.  Either side. */
static inline bool dp_records_is_empty(const struct dp_records *r)
{
	return atomic_load_explicit(&r->head, memory_order_acquire) ==
	       atomic_load_explicit(&r->tail, memory_order_acquire);
}

#endif
