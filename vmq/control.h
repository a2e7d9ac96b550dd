/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is no frame, between the worker that receives from a queue and the control thread.
 *
 * 	worker   a control message is next on the ring ─► item ─► control thread
 * 	worker   ◄─ mail (answers, indications) ◄─ vmq_mail_*()
 * 	worker   ◄─ done
 *
 * One message at a time: the worker leaves it on the ring, and what is behind it as well, until the
 * control thread is done with it.  Then the answers go onto the ring, the message is taken off it,
 * and both become true by one commit of the journal: a guest that waits for an answer (Linux waits
 * for ever) gets it even when the switch dies in between, because the next one finds the message
 * again.  So a control message must do no harm when it is dealt with twice.
 *
 * This also is the bound on a guest that sends control messages only: at most VMQ_CONTROL_RATE a
 * second reach the control thread, after VMQ_CONTROL_BURST at once; the others wait on their ring.
 *
 * Both ways single producer, single consumer; no locks.
 */
#ifndef VMQ_CONTROL_H
#define VMQ_CONTROL_H

#include "vmbus/nvsp.h"
#include "vmbus/rndis.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMQ_CONTROL_RATE  2000u
#define VMQ_CONTROL_BURST 512u
#define VMQ_MAIL_SLOTS	  32u /* letters that can wait */

struct vmq_control;
struct vmq_mail;
struct vmq_queue;

enum vmq_control_kind {
	VMQ_CONTROL_NVSP,  /* netvsp_message() */
	VMQ_CONTROL_RNDIS, /* netvsp_rndis(); its 107 is completed by the worker */
};

struct vmq_control_item {
	enum vmq_control_kind kind;
	uint64_t transaction_id;
	bool completion_requested;
	uint32_t size;
	uint8_t bytes[RNDIS_CONTROL_MAX];
};

/* 'kick_fd' (borrowed for life): an eventfd that is written when there is an item; the control
 * thread's, and may be shared by NICs.  0 or -ENOMEM.  Control thread. */
int vmq_control_create(int kick_fd, struct vmq_control **ret_control);
/* Nobody receives from the queue any more.  Takes NULL. */
void vmq_control_destroy(struct vmq_control *control);
/* The message that waits to be dealt with; NULL: none.  The same until vmq_control_done(). */
const struct vmq_control_item *vmq_control_next(struct vmq_control *control);
/* It was dealt with; all mail in answer to it was posted before.  'q' is kicked. */
void vmq_control_done(struct vmq_control *control, struct vmq_queue *q);

/* 0 or -ENOMEM.  Control thread. */
int vmq_mail_create(struct vmq_mail **ret_mail);
void vmq_mail_destroy(struct vmq_mail *mail);
/* Control thread: post.  Each copies; 0, -ENOSPC when too many wait, -EMSGSIZE.  Not seen by the
 * guest before the worker polls: vmq_mail_kick() (vmq_control_done() does it). */
int vmq_mail_complete(struct vmq_mail *mail, uint64_t transaction_id, const void *payload,
		      size_t size);
int vmq_mail_nvsp(struct vmq_mail *mail, const void *msg, size_t size);
/* By a receive section; waits there for one. */
int vmq_mail_rndis(struct vmq_mail *mail, const void *msg, size_t size);
/* Wakes the worker of 'q', which need not be open. */
void vmq_mail_kick(struct vmq_queue *q);
/* Letters that wait. */
unsigned vmq_mail_waiting(const struct vmq_mail *mail);

#endif
