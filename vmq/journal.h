/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What must survive the switch: a file of memory that the switch makes for each NIC and that the
 * VM's worker holds open (docs/attach.md).  When the switch is killed, at whatever instruction, the
 * next one gets the file from the worker and goes on where the last one stopped, without the guest
 * noticing more than lost packets.
 *
 * What a guest would notice is a packet completed twice, or never.  So all that a batch of a queue
 * does becomes true by one store: a batch fills free space of the ring to the guest and takes
 * packets of the ring from the guest, which no one sees yet; it notes what it lends and gets back
 * under the number of the batch; then it writes both ring positions into the slot of the queue that
 * is not in use, and last the number of the batch into it, which is the commit.  Only then are the
 * two indexes of the rings published.
 *
 * 	killed before the commit   both rings stand where they did, and what was noted under a
 * number that was not reached is void killed after it            both indexes are published by the
 * next switch
 *
 * Stores of one thread reach memory in order (x86), or by the barriers here.  A killed process
 * leaves no store half done.
 *
 * While it runs the switch only writes to the file.  What the next one reads was within reach of
 * others, and is checked as if a guest had written it: at worst it harms that guest.
 */
#ifndef VMQ_JOURNAL_H
#define VMQ_JOURNAL_H

#include "ctl/base/err.h"
#include "vmbus/netvsp.h"
#include "vmbus/ring.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMQ_JOURNAL_SECTIONS 65536

/* A section's record: whether it is lent, as of which batch of which queue, and what went with it.
 * One word, so that it changes by one store. */
#define VMQ_RECORD_NONE 0u /* free */
#define VMQ_RECORD_REST 3u /* not the first: as that one */
#define VMQ_RECORD_LENT 1u /* the first of a packet: lent, if its batch was committed */
#define VMQ_RECORD_BACK 2u /* the first of a packet: lent until its batch was committed */

struct vmq_journal_slot {
	_Atomic uint64_t batch;	    /* the slot with the greater one holds */
	_Atomic uint64_t positions; /* in.read | out.write << 32 */
};

/* Written by the holder of the queue's lock. */
struct vmq_journal_queue {
	struct vmq_journal_slot slots[2];
} __attribute__((aligned(64)));

struct vmq_journal_area;

struct vmq_journal {
	struct vmq_journal_area *area;
	_Atomic uint64_t *sections; /* VMQ_JOURNAL_SECTIONS records, in the area */
	int fd;
	uint64_t state_serial;
	struct vmq_journal_queue *queues; /* NETVSP_MAX_CHANNELS, in the area */
};

/* All of the following on the control thread, unless they say otherwise. */

/* Makes an empty one. */
int vmq_journal_create(struct vmq_journal **ret_journal, struct err *err);
/* Takes up one that a switch before us made; 'fd' is duplicated.  -EINVAL: it is none, or of
 * another version, or its file could be cut short. */
int vmq_journal_open(int fd, struct vmq_journal **ret_journal, struct err *err);
/* Takes NULL. */
void vmq_journal_destroy(struct vmq_journal *journal);
/* To be given to the VM's worker; stays the journal's. */
int vmq_journal_fd(const struct vmq_journal *journal);
/* Back to what create() makes: the primary channel was closed. */
void vmq_journal_clear(struct vmq_journal *journal);

/* Kept twice, with a serial and a checksum, so that a half written one is not believed. */
void vmq_journal_state_write(struct vmq_journal *journal, const struct netvsp_state *state);
/* 0; -ENOENT: none was written, or none is whole.  The values are as others may have made them:
 * netvsp_state_check(). */
int vmq_journal_state_read(const struct vmq_journal *journal, struct netvsp_state *ret_state);

/* A new receive buffer: nothing is lent. */
void vmq_journal_sections_reset(struct vmq_journal *journal);

/* The channel was opened by the guest: its rings start where they say. */
void vmq_journal_queue_start(struct vmq_journal *journal, uint16_t queue, uint32_t in_read,
			     uint32_t out_write);
/* The channel stayed open while the switch was away: where its rings stand.  -ENOENT: nothing was
 * ever noted; -EBADMSG: a position that is none of these rings. */
int vmq_journal_queue_resume(const struct vmq_journal *journal, uint16_t queue,
			     const struct vmbus_ring *in, const struct vmbus_ring *out,
			     uint32_t *ret_in_read, uint32_t *ret_out_write);
/* The number of the last committed batch. */
uint64_t vmq_journal_queue_batch(const struct vmq_journal *journal, uint16_t queue);

/* ---- Workers, with the queue's lock held ---- */

static inline uint64_t vmq_record(unsigned kind, uint16_t queue, uint16_t next, uint64_t batch)
{
	return (uint64_t)kind | (uint64_t)queue << 8 | (uint64_t)next << 16 | batch << 32;
}

static inline void vmq_journal_note(struct vmq_journal *journal, uint16_t section, uint64_t record)
{
	atomic_store_explicit(&journal->sections[section], record, memory_order_relaxed);
}

/* The commit of batch 'batch', one more than the last. */
static inline void vmq_journal_commit(struct vmq_journal *journal, uint16_t queue, uint64_t batch,
				      uint32_t in_read, uint32_t out_write)
{
	struct vmq_journal_slot *slot = &journal->queues[queue].slots[batch & 1];

	/* The slot's last use was void or two batches ago; 0 is no batch. */
	atomic_store_explicit(&slot->batch, 0, memory_order_relaxed);
	atomic_store_explicit(&slot->positions, in_read | (uint64_t)out_write << 32,
			      memory_order_release);
	atomic_store_explicit(&slot->batch, batch, memory_order_release);
}

#endif
