/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The worker's side of control.h.  vmq/ only.
 */
#ifndef VMQ_CONTROL_PRIV_H
#define VMQ_CONTROL_PRIV_H

#include "vmq/control.h"
#include "vmq/queue.h"

enum vmq_control_step {
	VMQ_CONTROL_IDLE,    /* worker fills the item ... */
	VMQ_CONTROL_WAITING, /* ... the control thread deals with it ... */
	VMQ_CONTROL_DONE,    /* ... the worker puts the answers onto the ring */
};

struct vmq_control {
	_Atomic unsigned step; /* enum vmq_control_step */
	int kick_fd;
	/* Worker: messages that may be handed over now, as of 'tokens_tsc'. */
	uint32_t tokens;
	uint64_t tokens_tsc;
	uint32_t answers; /* mail up to there belongs to the message; control thread, at DONE */
	uint32_t status;  /* that its 107 is completed with; enum nvsp_status */
	struct vmq_control_item item;
};

enum vmq_letter_kind {
	VMQ_LETTER_COMPLETION,
	VMQ_LETTER_NVSP,
	VMQ_LETTER_RNDIS,
};

struct vmq_letter {
	enum vmq_letter_kind kind;
	uint32_t size;
	uint64_t transaction_id;
	uint8_t bytes[RNDIS_REPLY_MAX];
};

struct vmq_mail {
	_Atomic uint32_t tail;				    /* control thread: posted */
	_Atomic uint32_t head __attribute__((aligned(64))); /* worker: delivered */
	struct vmq_letter letters[VMQ_MAIL_SLOTS];
};

static inline unsigned vmq_control_step(const struct vmq_control *control)
{
	return atomic_load_explicit(&control->step, memory_order_acquire);
}

static inline bool vmq_mail_any(const struct vmq_mail *mail)
{
	return atomic_load_explicit(&mail->tail, memory_order_acquire) !=
	       atomic_load_explicit(&mail->head, memory_order_relaxed);
}

/* May another message be handed over now? */
bool vmq_control_token(struct vmq_control *control);
/* Hands the item, which is filled, to the control thread. */
void vmq_control_hand(struct vmq_control *control);

/* Both with the lock held and the room of the ring looked at (vmbus_out_begin()). */

/* May the message that is done go off the ring: is there room for 'size' bytes and all answers to
 * it?  Where only receive sections are missing its answers follow when there are some: it must not
 * stand before the completions that bring them.  (A switch that dies then loses the answers.) */
bool vmq_mail_fits(struct vmq_queue *q, const struct vmq_rules *rules, uint32_t size);
/* Puts letters onto the ring, in the batch under way; of a message that is done its answers only.
 * False: there was no room for some. */
bool vmq_mail_deliver(struct vmq_queue *q, const struct vmq_rules *rules);

#endif
