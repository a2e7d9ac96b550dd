/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Receive sections: the pieces of the guest's receive buffer that frames to it are written to.  A
 * packet on the ring lends some of them to the guest, under the number of the first as transaction
 * id (smaller than their count, as DPDK wants it); the guest's completion gives them back.
 *
 * Free sections are taken where they were put last, so that a busy queue writes to the same few
 * over and over while they are in caches: each queue has a stack of its own (vmq_queue.cached,
 * guarded by the queue's lock), and 'free' is what they share, moved in lots under 'lock'.  The
 * last VMQ_BUFS_KEPT (of few, a quarter) are for control messages only: a guest that holds back all
 * others can still be answered.
 *
 * Who lent what is known here and written down in the journal (journal.h); what is believed is what
 * is here.  Lock order: a queue's lock, then 'lock'.
 */
#ifndef VMQ_BUFS_H
#define VMQ_BUFS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_spinlock.h>

#define VMQ_MAX_SECTIONS 65535 /* a number of a section takes 16 bits, and one is none */
#define VMQ_NO_SECTION	 UINT16_MAX
#define VMQ_CACHE	 512 /* free sections that a queue keeps, at most */
/* Room of its stack: those, and what one packet brings back. */
#define VMQ_CACHE_ROOM (VMQ_CACHE + 64)
#define VMQ_BUFS_KEPT  16

struct vmq_journal;
struct vmq_queue;

struct vmq_section {
	uint16_t next; /* of the same packet; VMQ_NO_SECTION: the last one */
	uint8_t queue; /* whose packet it went with */
	bool head;     /* lent, and the first of its packet */
};

struct vmq_bufs {
	uint32_t n;
	uint32_t cache; /* how many a queue keeps */
	uint32_t kept;	/* for control messages */
	struct vmq_section *sections;
	struct vmq_journal *journal;
	rte_spinlock_t lock __attribute__((aligned(64)));
	uint32_t n_free;
	uint16_t *free;
};

/* 'n' sections (at most VMQ_MAX_SECTIONS are used), all free, for up to 'n_queues' queues; the
 * journal is borrowed for life.  The journal's own record of sections is not touched:
 * vmq_journal_sections_reset() for a new buffer, or vmq_bufs_resume().  0 or -ENOMEM.  Control
 * thread. */
int vmq_bufs_create(uint32_t n, uint16_t n_queues, struct vmq_journal *journal,
		    struct vmq_bufs **ret_bufs);
/* Takes NULL. */
void vmq_bufs_destroy(struct vmq_bufs *bufs);
/* After a restart: takes out of 'free' what the journal says is lent to the guest.  Returns how
 * many those are; of a journal that cannot be right, packets that contradict each other are left
 * lent for ever.  Before any queue is opened; control thread. */
uint32_t vmq_bufs_resume(struct vmq_bufs *bufs);
/* The channel of 'q' was closed: the guest has forgotten what was lent on it, and its cache goes
 * back.  Nobody sends on it any more; control thread. */
void vmq_bufs_forget(struct vmq_bufs *bufs, struct vmq_queue *q);

/* The following with the lock of 'q' held. */

/* Sees that 'want' (at most VMQ_CACHE / 2) free sections are at hand, q->cached[q->cached_n - 1]
 * the first to use.  Returns how many are, at most 'want'.  'kept': one of the last ones may be
 * taken. */
uint32_t vmq_bufs_need(struct vmq_bufs *bufs, struct vmq_queue *q, uint32_t want, bool kept);
/* Takes 'n' off the stack of 'q' as one packet's and returns the first, which is its transaction
 * id.  Enters them in the journal under the batch that the queue works on. */
uint16_t vmq_bufs_lend(struct vmq_bufs *bufs, struct vmq_queue *q, uint32_t n);
/* The guest gives back what went with that transaction id.  False: nothing did, or on another
 * channel.  The sections lie on the stack at once, and must not be lent before this batch is
 * committed: a batch lends first and takes back last. */
bool vmq_bufs_complete(struct vmq_bufs *bufs, struct vmq_queue *q, uint64_t transaction_id);

#endif
