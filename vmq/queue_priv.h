/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What both directions of a queue share.  vmq/ only.
 */
#ifndef VMQ_QUEUE_PRIV_H
#define VMQ_QUEUE_PRIV_H

#include "vmq/queue.h"

#include <sys/eventfd.h>

#include <rte_branch_prediction.h>

#include "vmbus/pages.h"
#include "vmq/journal.h"

/* A counter that one thread at a time writes. */
static inline void vmq_count(_Atomic uint64_t *counter, uint64_t n)
{
	atomic_store_explicit(counter, atomic_load_explicit(counter, memory_order_relaxed) + n,
			      memory_order_relaxed);
}

static inline bool vmq_queue_works(const struct vmq_queue *q)
{
	return atomic_load_explicit(&q->live, memory_order_acquire) &&
	       atomic_load_explicit(&q->fault, memory_order_relaxed) == VMQ_FAULT_NONE;
}

/* The first one stays. */
static inline void vmq_queue_break(struct vmq_queue *q, enum vmq_fault fault)
{
	if (atomic_load_explicit(&q->fault, memory_order_relaxed) == VMQ_FAULT_NONE)
		atomic_store_explicit(&q->fault, (uint8_t)fault, memory_order_relaxed);
}

/* Ends a batch with the lock held: all that was put onto the ring to the guest, taken off the ring
 * from it up to 'in_read', lent and taken back becomes true, then visible.  True: signal the guest.
 */
static inline bool vmq_queue_commit(struct vmq_queue *q, uint32_t in_read)
{
	q->batch++;
	q->in_read = in_read;
	vmq_journal_commit(q->journal, q->index, q->batch, in_read, q->out.write);
	return vmbus_out_end(&q->out);
}

/* A flag that is set was signalled by whoever set it.  Writing fails only when it is signalled
 * already. */
static inline void vmq_queue_signal(struct vmq_queue *q)
{
	const struct vmq_event *e = atomic_load_explicit(&q->event, memory_order_acquire);

	if (e == NULL)
		(void)eventfd_write(q->call_fd, 1);
	else if ((atomic_fetch_or(e->word, e->bit) & e->bit) == 0)
		(void)eventfd_write(e->irq_fd, 1);
}

/* 'size' bytes at 'offset', which the pages hold, if they lie together; else NULL. */
static inline uint8_t *vmq_pages_together(const struct vmbus_pages *pages, uint64_t offset,
					  uint32_t size)
{
	size_t here;
	uint8_t *va = vmbus_pages_at(pages, offset, size, &here);

	while (unlikely(here < size)) {
		size_t more;

		if (vmbus_pages_at(pages, offset + here, size - here, &more) != va + here)
			return NULL;
		here += more;
	}
	return va;
}

#endif
