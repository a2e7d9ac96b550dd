/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Control messages from a guest, the worker's part: off the ring only together with their answers.
 * See control.h.
 */
#include <string.h>

#include <rte_common.h>

#include "vmq/control_priv.h"
#include "vmq/from_priv.h"
#include "vmq/queue_priv.h"

/* Copies a control message that is next on the ring for the control thread.  False: it is none. */
static bool control_copy(struct vmq_queue *q, const struct vmq_rules *rules,
			 const struct vmq_taken *t)
{
	struct vmq_control_item *item = &q->control->item;
	struct vmq_bytes bytes;

	item->transaction_id = t->packet.desc.transaction_id;
	item->completion_requested = (t->packet.desc.flags & VMBUS_PKT_COMPLETION_REQUESTED) != 0;
	if (t->rndis.type == NVSP_RNDIS) {
		item->kind = VMQ_CONTROL_RNDIS;
		if (!vmq_bytes_find(&bytes, q, rules, t) || bytes.size > sizeof(item->bytes))
			return false;
		item->size = bytes.size;
		vmq_bytes_copy(&bytes, 0, item->bytes, bytes.size);
		return true;
	}
	item->kind = VMQ_CONTROL_NVSP;
	item->size = RTE_MIN(t->packet.payload_size, (uint32_t)NVSP_MSG_MAX);
	return vmbus_in_copy(&q->in, &t->packet, t->packet.header_size, item->bytes, item->size);
}

/* The answers to the message that is done, and the message off the ring. */
static bool control_answer(struct vmq_queue *q, const struct vmq_rules *rules, uint32_t status)
{
	const struct vmq_control_item *item = &q->control->item;
	bool complete = item->kind == VMQ_CONTROL_RNDIS && item->completion_requested;
	bool answered = false, delivered = false, signal = false;
	struct vmbus_packet packet;

	rte_spinlock_lock(&q->lock);
	vmbus_out_begin(&q->out);
	if (vmq_mail_fits(q, rules, complete ? VMQ_COMPLETION_SIZE : 0) &&
	    vmbus_in_next(&q->in, &packet)) {
		if (complete)
			vmq_put_completion(q, item->transaction_id, status);
		delivered = vmq_mail_deliver(q, rules);
		signal = vmq_queue_commit(q, q->in.read);
		signal |= vmbus_in_end(&q->in);
		answered = true;
	}
	if (signal)
		vmq_count(&q->stats.signals, 1);
	rte_spinlock_unlock(&q->lock);
	q->blocked = !delivered;
	if (signal)
		vmq_queue_signal(q);
	return answered;
}

/* Hands the control message that is next on the ring to the control thread.  False: it is one that
 * nobody could read, and is done already. */
static bool control_hand(struct vmq_queue *q, const struct vmq_rules *rules)
{
	struct vmq_control *control = q->control;
	struct vmq_taken t;
	bool ok;

	memset(&t, 0, sizeof(t));
	ok = vmbus_in_next(&q->in, &t.packet);
	if (ok) {
		vmq_nvsp_copy(&q->in, &t.packet, &t.rndis);
		vmbus_in_back(&q->in, &t.packet);
		vmq_count(&q->stats.control, 1);
		ok = control_copy(q, rules, &t);
	}
	if (ok) {
		vmq_control_hand(control);
		return true;
	}
	vmq_count(&q->stats.malformed, 1);
	control->answers = atomic_load_explicit(&q->mail->head, memory_order_relaxed);
	control->status = NVSP_STATUS_BAD_RNDIS;
	atomic_store_explicit(&control->step, VMQ_CONTROL_DONE, memory_order_relaxed);
	return false;
}

/* A control message was next on the ring.  True: it is off the ring. */
bool vmq_control_turn(struct vmq_queue *q, const struct vmq_rules *rules)
{
	struct vmq_control *control = q->control;
	unsigned step = vmq_control_step(control);

	if (step == VMQ_CONTROL_WAITING)
		return false;
	if (step == VMQ_CONTROL_IDLE) {
		if (!vmq_control_token(control)) {
			vmq_count(&q->stats.control_held, 1);
			return false;
		}
		if (control_hand(q, rules))
			return false;
	}
	if (!control_answer(q, rules, control->status))
		return false;
	control->status = NVSP_STATUS_SUCCESS;
	atomic_store_explicit(&control->step, VMQ_CONTROL_IDLE, memory_order_relaxed);
	q->control_next = false;
	return true;
}
