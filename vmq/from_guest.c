/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames from a guest.  A batch has three passes, so that what is fetched from the guest's core
 * overlaps: packets off the ring, with the memory they name prefetched; frames into mbufs; and,
 * with the lock held, what the guest is told, in one go.
 *
 * Where a packet's bytes are:
 *
 * 	in-band      a section of the send buffer
 * 	GPA direct   pages; a section before them, or not
 *
 * and they are one or more RNDIS messages, one after the other.  Headers are copied, then looked
 * at; frames are copied as they come.
 *
 * A packet is taken only when there is room to complete it: 'reserve' bytes of the ring to the
 * guest are never used by frames, so they cannot vanish between the first pass and the third.
 */
#include <rte_common.h>
#include <rte_mbuf.h>
#include <rte_prefetch.h>

#include "vmq/bufs.h"
#include "vmq/control_priv.h"
#include "vmq/from_priv.h"
#include "vmq/queue_priv.h"

/* ---- First pass: packets ---- */

/* The bytes of the section that a packet names, or NULL: none such, or not in one piece. */
static const uint8_t *section_at(const struct vmq_rules *rules, const struct nvsp_rndis *r)
{
	if (rules == NULL || rules->send == NULL || r->section >= rules->n_send ||
	    r->section_size > rules->send_section || r->section_size == 0)
		return NULL;
	return vmq_pages_together(rules->send, (uint64_t)r->section * rules->send_section,
				  r->section_size);
}

static inline void take_data(const struct vmq_rules *rules, struct vmq_taken *t)
{
	t->kind = VMQ_TAKEN_FRAMES;
	t->va = NULL;
	if (unlikely(t->packet.desc.type != VMBUS_PKT_INBAND))
		return;
	t->va = section_at(rules, &t->rndis);
	t->size = t->rndis.section_size;
	if (unlikely(t->va == NULL))
		return;
	rte_prefetch0(t->va);
	rte_prefetch0(t->va + 64);
	if (t->size > 128)
		rte_prefetch0(t->va + 128);
}

/* Looks at one packet.  False: it does not belong to this batch. */
static inline bool take(struct vmq_queue *q, const struct vmq_rules *rules, struct vmq_batch *b)
{
	struct vmq_taken *t = &b->v[b->n];
	const struct vmbus_desc *desc = &t->packet.desc;
	bool asks = (desc->flags & VMBUS_PKT_COMPLETION_REQUESTED) != 0;

	t->status = NVSP_STATUS_SUCCESS;
	if (desc->type == VMBUS_PKT_COMPLETION) {
		t->kind = VMQ_TAKEN_COMPLETION;
		return true;
	}
	if (unlikely(desc->type != VMBUS_PKT_INBAND && desc->type != VMBUS_PKT_GPA_DIRECT)) {
		vmq_queue_break(q, VMQ_FAULT_PACKET);
		return false;
	}
	vmq_nvsp_copy(&q->in, &t->packet, &t->rndis);
	if (unlikely(!vmq_is_data(&t->rndis, t->packet.payload_size)) && q->control != NULL) {
		q->control_next = true;
		return false;
	}
	if (b->n_frames == b->max_frames || (asks && b->n_answers == b->max_answers)) {
		q->blocked = b->n_frames != b->max_frames;
		return false;
	}
	b->n_answers += asks;
	if (likely(vmq_is_data(&t->rndis, t->packet.payload_size))) {
		take_data(rules, t);
		b->n_frames++;
	} else {
		/* Control messages belong to the primary channel. */
		t->kind = VMQ_TAKEN_REFUSED;
		t->status = NVSP_STATUS_FAILURE;
	}
	return true;
}

static void take_all(struct vmq_queue *q, const struct vmq_rules *rules, struct vmq_batch *b)
{
	q->blocked = false;
	while (b->n < VMQ_BATCH && vmbus_in_next(&q->in, &b->v[b->n].packet)) {
		if (!take(q, rules, b)) {
			vmbus_in_back(&q->in, &b->v[b->n].packet);
			break;
		}
		b->n++;
	}
}

/* ---- Third pass: what the guest is told ---- */

static void put_completions(struct vmq_queue *q, const struct vmq_batch *b)
{
	for (unsigned i = 0; i < b->n; i++) {
		const struct vmq_taken *t = &b->v[i];

		if (t->kind != VMQ_TAKEN_COMPLETION &&
		    (t->packet.desc.flags & VMBUS_PKT_COMPLETION_REQUESTED) != 0 &&
		    vmq_put_completion(q, t->packet.desc.transaction_id, t->status) != 0)
			vmq_queue_break(q, VMQ_FAULT_RING_OUT); /* There was room. */
	}
}

/* What the guest gives back.  Of a buffer that it has revoked it may give back later.  True: there
 * was something. */
static bool take_back(struct vmq_queue *q, const struct vmq_rules *rules, const struct vmq_batch *b)
{
	struct vmq_bufs *bufs = rules != NULL ? rules->bufs : NULL;
	uint64_t n = 0, bad = 0;

	for (unsigned i = 0; i < b->n; i++) {
		if (b->v[i].kind != VMQ_TAKEN_COMPLETION)
			continue;
		n++;
		if (bufs != NULL && !vmq_bufs_complete(bufs, q, b->v[i].packet.desc.transaction_id))
			bad++;
	}
	if (n > 0)
		vmq_count(&q->stats.completions, n);
	if (unlikely(bad > 0))
		vmq_count(&q->stats.bad_completions, bad);
	return n > 0;
}

/* The end of a batch: one commit, one signal. */
static void tell(struct vmq_queue *q, const struct vmq_rules *rules, const struct vmq_batch *b)
{
	bool signal = false;

	rte_spinlock_lock(&q->lock);
	vmbus_out_begin(&q->out);
	put_completions(q, b);
	if (q->mail != NULL && vmq_mail_any(q->mail) && !vmq_mail_deliver(q, rules))
		q->blocked = true;
	/* Sections that come back may be lent in the next batch, not in this one. */
	if (take_back(q, rules, b))
		q->blocked = false; /* mail that waited for one may go */
	if (likely(vmq_queue_works(q))) {
		signal = vmq_queue_commit(q, q->in.read);
		signal |= vmbus_in_end(&q->in);
	}
	if (signal)
		vmq_count(&q->stats.signals, 1);
	rte_spinlock_unlock(&q->lock);
	if (signal)
		vmq_queue_signal(q);
}

/* ---- All of it ---- */

static __attribute__((noinline)) void wake(struct vmq_queue *q)
{
	eventfd_t count;

	q->asleep = false;
	vmbus_in_mask(&q->in, true);
	if (q->blocked) {
		rte_spinlock_lock(&q->lock);
		vmbus_out_wait(&q->out, 0);
		rte_spinlock_unlock(&q->lock);
	}
	if (eventfd_read(q->kick_fd, &count) == 0)
		vmq_count(&q->stats.kicks, 1);
}

/* How many packets can be completed, whatever others send meanwhile. */
static unsigned answers_room(struct vmq_queue *q)
{
	uint32_t room;

	rte_spinlock_lock(&q->lock);
	room = vmbus_out_begin(&q->out);
	rte_spinlock_unlock(&q->lock);
	return RTE_MIN(room, q->reserve) / VMQ_COMPLETION_SIZE;
}

static void break_if_faulty(struct vmq_queue *q)
{
	if (unlikely(q->in.fault != VMBUS_RING_NONE)) {
		q->ring_fault = q->in.fault;
		vmq_queue_break(q, VMQ_FAULT_RING_IN);
	}
	if (unlikely(q->out.fault != VMBUS_RING_NONE)) {
		q->ring_fault = q->out.fault;
		vmq_queue_break(q, VMQ_FAULT_RING_OUT);
	}
}

/* Nothing that came from memory that is gone is worth anything. */
static void lose(struct vmq_queue *q, struct vmq_maker *k)
{
	vmq_queue_break(q, VMQ_FAULT_LOST);
	rte_pktmbuf_free_bulk(k->pkts, k->got);
	k->malformed += k->got;
	k->size = 0;
	k->got = 0;
}

static void receive(struct vmq_queue *q, const struct vmq_rules *rules, struct vmq_maker *k)
{
	struct vmq_batch b;

	b.n = 0;
	b.n_frames = 0;
	b.n_answers = 0;
	b.max_frames = RTE_MIN(k->max, VMQ_BATCH);
	b.max_answers = answers_room(q);
	take_all(q, rules, &b);
	vmq_unpack(q, rules, &b, k);
	if (q->path->lost != NULL &&
	    unlikely(atomic_load_explicit(q->path->lost, memory_order_relaxed)))
		lose(q, k);
	if (b.n > 0 || (q->mail != NULL && vmq_mail_any(q->mail)))
		tell(q, rules, &b);
	vmq_count(&q->stats.from_packets, k->got);
	vmq_count(&q->stats.from_bytes, k->size);
	vmq_count(&q->stats.from_ring_packets, b.n);
	if (unlikely(k->malformed > 0))
		vmq_count(&q->stats.malformed, k->malformed);
}

uint16_t vmq_queue_from_guest(struct vmq_queue *q, struct rte_mempool *pool, struct rte_mbuf **pkts,
			      uint16_t n, uint16_t *ret_malformed)
{
	const struct vmq_rules *rules;
	struct vmq_maker k;

	if (unlikely(q->asleep))
		wake(q);
	if (unlikely(!vmq_queue_works(q)))
		return 0;
	if (vmbus_in_begin(&q->in) == 0 && (q->mail == NULL || !vmq_mail_any(q->mail))) {
		break_if_faulty(q);
		return 0;
	}
	rules = atomic_load_explicit(&q->path->rules, memory_order_acquire);
	k.got = 0;
	if (likely(!q->control_next) || vmq_control_turn(q, rules)) {
		k.pool = pool;
		k.pkts = pkts;
		k.max = n;
		k.room = rte_pktmbuf_data_room_size(pool) - RTE_PKTMBUF_HEADROOM;
		k.size = 0;
		k.malformed = 0;
		receive(q, rules, &k);
		*ret_malformed += (uint16_t)k.malformed;
		/* First on the ring: no reason to wait for the next poll. */
		if (unlikely(q->control_next) && k.got == 0)
			vmq_control_turn(q, rules);
	}
	break_if_faulty(q);
	return k.got;
}
