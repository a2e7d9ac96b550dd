/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Receive sections; see bufs.h.
 */
#include "vmq/bufs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_branch_prediction.h>
#include <rte_common.h>

#include "vmq/journal.h"
#include "vmq/queue.h"

#define LOT 128u /* sections that move between a queue and what all share */

int vmq_bufs_create(uint32_t n, uint16_t n_queues, struct vmq_journal *journal,
		    struct vmq_bufs **ret_bufs)
{
	struct vmq_bufs *b = aligned_alloc(64, sizeof(*b));

	if (b == NULL)
		return -ENOMEM;
	memset(b, 0, sizeof(*b));
	b->n = RTE_MIN(n, (uint32_t)VMQ_MAX_SECTIONS);
	/* Half of all may lie in caches: the other half goes to who needs it. */
	b->cache = RTE_MIN(b->n / 2 / RTE_MAX(n_queues, 1), (uint32_t)VMQ_CACHE);
	b->kept = RTE_MIN(b->n / 4, (uint32_t)VMQ_BUFS_KEPT);
	b->journal = journal;
	rte_spinlock_init(&b->lock);
	b->sections = calloc(b->n + 1, sizeof(*b->sections));
	b->free = calloc(b->n + 1, sizeof(*b->free));
	if (b->sections == NULL || b->free == NULL) {
		vmq_bufs_destroy(b);
		return -ENOMEM;
	}
	for (uint32_t i = b->n; i > 0; i--)
		b->free[b->n_free++] = (uint16_t)(i - 1);
	*ret_bufs = b;
	return 0;
}

void vmq_bufs_destroy(struct vmq_bufs *bufs)
{
	if (bufs == NULL)
		return;
	free(bufs->sections);
	free(bufs->free);
	free(bufs);
}

/* ---- After a restart ---- */

struct record {
	unsigned kind;
	uint16_t queue;
	uint16_t next;
	uint32_t batch;
};

static struct record record_read(const struct vmq_bufs *b, uint32_t i)
{
	uint64_t v = atomic_load(&b->journal->sections[i]);

	return (struct record){.kind = (unsigned)(v & 0xff),
			       .queue = (uint16_t)(v >> 8 & 0xff),
			       .next = (uint16_t)(v >> 16),
			       .batch = (uint32_t)(v >> 32)};
}

/* Is the packet that starts there the guest's?  A batch that was not committed is one more than the
 * last: what it lent is not, what it took back is.  That batch's number will be used again, so
 * records that bear it say from now on what they turned out to mean. */
static bool settle_record(struct vmq_bufs *b, uint32_t i, const struct record *r)
{
	uint64_t batch;

	if ((r->kind != VMQ_RECORD_LENT && r->kind != VMQ_RECORD_BACK) ||
	    r->queue >= NETVSP_MAX_CHANNELS)
		return false;
	batch = vmq_journal_queue_batch(b->journal, r->queue);
	if (r->batch != (uint32_t)(batch + 1))
		return r->kind == VMQ_RECORD_LENT;
	vmq_journal_note(b->journal, (uint16_t)i,
			 r->kind == VMQ_RECORD_BACK
				 ? vmq_record(VMQ_RECORD_LENT, r->queue, r->next, batch)
				 : VMQ_RECORD_NONE);
	return r->kind == VMQ_RECORD_BACK;
}

/* Takes a packet's sections as the journal has them.  Where it says that a section is part of two
 * packets the second one ends. */
static uint32_t resume_packet(struct vmq_bufs *b, uint32_t head, const struct record *r, bool *lent)
{
	uint16_t at = (uint16_t)head, next = r->next;
	uint32_t n = 0;

	b->sections[head].head = true;
	for (;;) {
		lent[at] = true;
		n++;
		b->sections[at].queue = (uint8_t)r->queue;
		b->sections[at].next = VMQ_NO_SECTION;
		if (next >= b->n || lent[next] || n == VMQ_MAX_RANGES ||
		    record_read(b, next).kind != VMQ_RECORD_REST)
			return n;
		b->sections[at].next = next;
		at = next;
		next = record_read(b, at).next;
	}
}

uint32_t vmq_bufs_resume(struct vmq_bufs *bufs)
{
	bool *lent = calloc(bufs->n + 1, sizeof(*lent));
	uint32_t n = 0;

	if (lent == NULL) {
		bufs->n_free = 0; /* Better none than one that the guest reads. */
		return bufs->n;
	}
	for (uint32_t i = 0; i < bufs->n; i++) {
		struct record r = record_read(bufs, i);

		if (settle_record(bufs, i, &r) && !lent[i])
			n += resume_packet(bufs, i, &r, lent);
	}
	bufs->n_free = 0;
	for (uint32_t i = bufs->n; i > 0; i--)
		if (!lent[i - 1])
			bufs->free[bufs->n_free++] = (uint16_t)(i - 1);
	free(lent);
	return n;
}

/* ---- Closing a channel ---- */

/* Frees what went with the packet that starts at 'head'; nobody else is there. */
static void forget_packet(struct vmq_bufs *b, uint16_t head)
{
	b->sections[head].head = false;
	for (uint16_t at = head; at != VMQ_NO_SECTION; at = b->sections[at].next)
		b->free[b->n_free++] = at;
	vmq_journal_note(b->journal, head, VMQ_RECORD_NONE);
}

void vmq_bufs_forget(struct vmq_bufs *bufs, struct vmq_queue *q)
{
	rte_spinlock_lock(&bufs->lock);
	while (q->cached_n > 0)
		bufs->free[bufs->n_free++] = q->cached[--q->cached_n];
	for (uint32_t i = 0; i < bufs->n; i++)
		if (bufs->sections[i].head && bufs->sections[i].queue == q->index)
			forget_packet(bufs, (uint16_t)i);
	rte_spinlock_unlock(&bufs->lock);
}

/* ---- Workers ---- */

/* Fills up the stack from what all share. */
static __attribute__((noinline)) void refill(struct vmq_bufs *b, struct vmq_queue *q, uint32_t want,
					     bool kept)
{
	uint32_t lot = RTE_MAX(want - q->cached_n, RTE_MIN(LOT, b->cache / 2)), have;

	rte_spinlock_lock(&b->lock);
	have = kept ? b->n_free : b->n_free - RTE_MIN(b->n_free, b->kept);
	if (kept)
		lot = want - q->cached_n;
	lot = RTE_MIN(lot, have);
	/* The order of use stays: what is on top there is on top here. */
	b->n_free -= lot;
	memcpy(q->cached + q->cached_n, b->free + b->n_free, lot * sizeof(*b->free));
	q->cached_n += lot;
	rte_spinlock_unlock(&b->lock);
}

uint32_t vmq_bufs_need(struct vmq_bufs *bufs, struct vmq_queue *q, uint32_t want, bool kept)
{
	if (unlikely(q->cached_n < want))
		refill(bufs, q, want, kept);
	return RTE_MIN(q->cached_n, want);
}

uint16_t vmq_bufs_lend(struct vmq_bufs *bufs, struct vmq_queue *q, uint32_t n)
{
	const uint16_t *top = q->cached + q->cached_n - 1;
	uint64_t batch = q->batch + 1;

	for (uint32_t i = 0; i < n; i++) {
		uint16_t section = *(top - i), next = i + 1 < n ? *(top - i - 1) : VMQ_NO_SECTION;

		bufs->sections[section] = (struct vmq_section){.next = next,
							       .queue = (uint8_t)q->index,
							       .head = i == 0};
		vmq_journal_note(bufs->journal, section,
				 vmq_record(i == 0 ? VMQ_RECORD_LENT : VMQ_RECORD_REST, q->index,
					    next, batch));
	}
	q->cached_n -= n;
	return *top;
}

static __attribute__((noinline)) void spill(struct vmq_bufs *b, struct vmq_queue *q)
{
	/* From the bottom: those that were not used for the longest time. */
	uint32_t n = q->cached_n - b->cache / 2;

	rte_spinlock_lock(&b->lock);
	memcpy(b->free + b->n_free, q->cached, n * sizeof(*b->free));
	b->n_free += n;
	rte_spinlock_unlock(&b->lock);
	q->cached_n -= n;
	memmove(q->cached, q->cached + n, q->cached_n * sizeof(*q->cached));
}

bool vmq_bufs_complete(struct vmq_bufs *bufs, struct vmq_queue *q, uint64_t transaction_id)
{
	struct vmq_section *head;
	uint16_t at, n = 0;

	if (transaction_id >= bufs->n)
		return false;
	head = &bufs->sections[transaction_id];
	if (!head->head || head->queue != q->index)
		return false;
	head->head = false;
	vmq_journal_note(bufs->journal, (uint16_t)transaction_id,
			 vmq_record(VMQ_RECORD_BACK, q->index, head->next, q->batch + 1));
	for (at = (uint16_t)transaction_id; at != VMQ_NO_SECTION; at = bufs->sections[at].next)
		n++;
	q->cached_n += n;
	/* In the order in which they were used: neighbours are used together again. */
	at = (uint16_t)transaction_id;
	for (uint16_t i = 1; i <= n; i++, at = bufs->sections[at].next)
		q->cached[q->cached_n - i] = at;
	if (unlikely(q->cached_n > bufs->cache))
		spill(bufs, q);
	return true;
}
