/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Opening, closing and sleeping of a queue; see queue.h.
 */
#include "vmq/queue.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_common.h>

#include "vmbus/nvsp.h"
#include "vmq/bufs.h"
#include "vmq/control_priv.h"
#include "vmq/queue_priv.h"

/* Room that completions always find: those of a batch. */
#define RESERVE 2048u

static const char *const slugs[] = {
#define X(name, slug, text) [VMQ_FAULT_##name] = slug,
	VMQ_FAULTS(X)
#undef X
};
static const char *const texts[] = {
#define X(name, slug, text) [VMQ_FAULT_##name] = text,
	VMQ_FAULTS(X)
#undef X
};

const char *vmq_fault_slug(enum vmq_fault fault)
{
	return (unsigned)fault < VMQ_N_FAULTS ? slugs[fault] : "unknown";
}

const char *vmq_fault_text(enum vmq_fault fault)
{
	return (unsigned)fault < VMQ_N_FAULTS ? texts[fault] : "unknown";
}

/* Sets the rings where the last switch committed them to be. */
static int resume(const struct vmq_queue_opts *opts)
{
	uint32_t in_read, out_write;
	int rc = vmq_journal_queue_resume(opts->journal, opts->index, &opts->from_guest,
					  &opts->to_guest, &in_read, &out_write);

	/* Killed between the opening and its entry: nothing has happened. */
	if (rc == -ENOENT)
		return 0;
	if (rc != 0)
		return rc;
	atomic_store(&opts->to_guest.hdr->write, out_write);
	atomic_store(&opts->from_guest.hdr->read, in_read);
	return 0;
}

static struct vmq_queue *make(const struct vmq_queue_opts *opts)
{
	struct vmq_queue *q = aligned_alloc(64, sizeof(*q));

	if (q == NULL)
		return NULL;
	memset(q, 0, sizeof(*q));
	q->cached = calloc(VMQ_CACHE_ROOM, sizeof(*q->cached));
	if (q->cached == NULL) {
		free(q);
		return NULL;
	}
	q->path = opts->path;
	q->index = opts->index;
	q->monitor_id = opts->monitor_id;
	q->kick_fd = opts->kick_fd;
	q->call_fd = opts->call_fd;
	atomic_init(&q->event, opts->event);
	q->journal = opts->journal;
	q->control = opts->control;
	q->mail = opts->mail;
	rte_spinlock_init(&q->lock);
	return q;
}

int vmq_queue_open(const struct vmq_queue_opts *opts, struct vmq_queue **ret_queue)
{
	struct vmq_queue *q;

	if (opts->resume && resume(opts) != 0)
		return -EBADMSG;
	q = make(opts);
	if (q == NULL)
		return -ENOMEM;
	vmbus_in_init(&q->in, &opts->from_guest);
	vmbus_out_init(&q->out, &opts->to_guest);
	if (q->in.fault != VMBUS_RING_NONE || q->out.fault != VMBUS_RING_NONE) {
		q->ring_fault = q->in.fault != VMBUS_RING_NONE ? q->in.fault : q->out.fault;
		vmq_queue_break(q, q->in.fault != VMBUS_RING_NONE ? VMQ_FAULT_RING_IN
								  : VMQ_FAULT_RING_OUT);
	}
	vmq_journal_queue_start(q->journal, q->index, q->in.read, q->out.write);
	q->batch = vmq_journal_queue_batch(q->journal, q->index);
	q->in_read = q->in.read;
	q->reserve = RTE_MIN(RESERVE, q->out.ring.size / 4);
	vmbus_in_mask(&q->in, true);
	vmbus_out_wait(&q->out, 0);
	atomic_store_explicit(&q->live, true, memory_order_release);
	atomic_store_explicit(&opts->path->queues[q->index], q, memory_order_release);
	if (opts->resume)
		vmq_queue_signal(q);
	*ret_queue = q;
	return 0;
}

void vmq_queue_set_event(struct vmq_queue *q, const struct vmq_event *event)
{
	atomic_store_explicit(&q->event, event, memory_order_release);
}

void vmq_queue_call(struct vmq_queue *q)
{
	vmq_queue_signal(q);
}

void vmq_queue_close(struct vmq_queue *q)
{
	atomic_store_explicit(&q->live, false, memory_order_release);
	atomic_store_explicit(&q->path->queues[q->index], NULL, memory_order_release);
}

void vmq_queue_destroy(struct vmq_queue *q)
{
	if (q == NULL)
		return;
	free(q->cached);
	free(q);
}

/* No room for completions or answers: the guest is to tell when there is. */
static bool wait_for_room(struct vmq_queue *q)
{
	bool waits;

	rte_spinlock_lock(&q->lock);
	waits = vmbus_out_wait(&q->out, q->reserve);
	rte_spinlock_unlock(&q->lock);
	return waits;
}

bool vmq_queue_sleep(struct vmq_queue *q)
{
	bool may;

	if (unlikely(!vmq_queue_works(q)))
		return true;
	if (q->control != NULL && vmq_control_step(q->control) == VMQ_CONTROL_WAITING)
		may = true; /* vmq_control_done() kicks. */
	else if (q->mail != NULL && vmq_mail_any(q->mail) && !q->blocked)
		may = false;
	else if (q->blocked && wait_for_room(q))
		may = true;
	else
		may = vmbus_in_sleep(&q->in);
	q->asleep = may;
	return may;
}
