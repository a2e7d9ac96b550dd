/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames from a guest.  A batch has three passes, so that what is fetched from the guest's core
 * overlaps: packets off the ring, with the memory they name prefetched; frames into mbufs; and, with
 * the lock held, what the guest is told, in one go.
 *
 * Where a packet's bytes are:
 *
 * 	in-band      a section of the send buffer
 * 	GPA direct   pages; a section before them, or not
 *
 * and they are one or more RNDIS messages, one after the other.  Headers are copied, then looked at;
 * frames are copied as they come.
 *
 * A packet is taken only when there is room to complete it: 'reserve' bytes of the ring to the guest
 * are never used by frames, so they cannot vanish between the first pass and the third.
 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <rte_common.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>
#include <rte_prefetch.h>

#include "dataplane/frame.h"
#include "vmbus/nvsp.h"
#include "vmbus/packet.h"
#include "vmbus/rndis.h"
#include "vmq/bufs.h"
#include "vmq/control_priv.h"
#include "vmq/queue_priv.h"
#include "vmq/request.h"

#define BATCH	   64u
#define MAX_PIECES 128u
#define PEEK	   128u /* bytes that hold most headers; more are copied only if need be */
#define ETH_SIZE   14u
#define TAG_SIZE   4u
#define MAX_FRAME  (65535u + ETH_SIZE + 2 * TAG_SIZE)

#define COMPLETION_SIZE                                                                            \
	((uint32_t)sizeof(struct vmbus_desc) + (uint32_t)sizeof(struct nvsp_rndis_complete) +      \
	 VMBUS_TRAILER_SIZE)

enum taken_kind {
	TAKEN_FRAMES,	  /* a data packet */
	TAKEN_COMPLETION, /* of a packet of ours */
	TAKEN_REFUSED,	  /* nothing that could be used */
};

/* A packet of the batch. */
struct taken {
	struct vmbus_packet packet;
	struct nvsp_rndis rndis;
	const uint8_t *va; /* all bytes, when they are in one piece and known; else NULL */
	uint32_t size;
	uint16_t kind;
	uint16_t status; /* enum nvsp_status */
};

struct batch {
	unsigned n, n_frames, n_answers;
	unsigned max_frames, max_answers;
	struct taken v[BATCH];
};

/* The bytes of a packet. */
struct bytes {
	unsigned n;
	uint32_t size;
	struct vmbus_piece piece[MAX_PIECES];
};

/* Where frames are made. */
struct maker {
	struct rte_mempool *pool;
	struct rte_mbuf **pkts;
	uint16_t max, got;
	uint32_t room; /* of an mbuf */
	unsigned n_fresh;
	struct rte_mbuf *fresh[BATCH];
	uint64_t size;
	uint32_t malformed;
};

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

static inline void take_data(const struct vmq_rules *rules, struct taken *t)
{
	t->kind = TAKEN_FRAMES;
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

static bool is_data(const struct nvsp_rndis *r, uint32_t size)
{
	return r->type == NVSP_RNDIS && r->channel_type == 0 && size >= sizeof(*r);
}

/* Looks at one packet.  False: it does not belong to this batch. */
static inline bool take(struct vmq_queue *q, const struct vmq_rules *rules, struct batch *b)
{
	struct taken *t = &b->v[b->n];
	const struct vmbus_desc *desc = &t->packet.desc;
	bool asks = (desc->flags & VMBUS_PKT_COMPLETION_REQUESTED) != 0;

	t->status = NVSP_STATUS_SUCCESS;
	if (desc->type == VMBUS_PKT_COMPLETION) {
		t->kind = TAKEN_COMPLETION;
		return true;
	}
	if (unlikely(desc->type != VMBUS_PKT_INBAND && desc->type != VMBUS_PKT_GPA_DIRECT)) {
		vmq_queue_break(q, VMQ_FAULT_PACKET);
		return false;
	}
	memset(&t->rndis, 0, sizeof(t->rndis));
	vmbus_in_copy(&q->in, &t->packet, t->packet.header_size, &t->rndis,
		      RTE_MIN(t->packet.payload_size, (uint32_t)sizeof(t->rndis)));
	if (unlikely(!is_data(&t->rndis, t->packet.payload_size)) && q->control != NULL) {
		q->control_next = true;
		return false;
	}
	if (b->n_frames == b->max_frames || (asks && b->n_answers == b->max_answers)) {
		q->blocked = b->n_frames != b->max_frames;
		return false;
	}
	b->n_answers += asks;
	if (likely(is_data(&t->rndis, t->packet.payload_size))) {
		take_data(rules, t);
		b->n_frames++;
	} else {
		/* Control messages belong to the primary channel. */
		t->kind = TAKEN_REFUSED;
		t->status = NVSP_STATUS_FAILURE;
	}
	return true;
}

static void take_all(struct vmq_queue *q, const struct vmq_rules *rules, struct batch *b)
{
	q->blocked = false;
	while (b->n < BATCH && vmbus_in_next(&q->in, &b->v[b->n].packet)) {
		if (!take(q, rules, b)) {
			vmbus_in_back(&q->in, &b->v[b->n].packet);
			break;
		}
		b->n++;
	}
}

/* The batch ends before packet 'i', which waits for the next one. */
static void cut(struct vmq_queue *q, struct batch *b, unsigned i)
{
	vmbus_in_back(&q->in, &b->v[i].packet);
	b->n = i;
}

/* ---- Second pass: frames ---- */

static bool bytes_add(struct bytes *b, uint8_t *va, uint32_t size)
{
	if (b->n == MAX_PIECES)
		return false;
	b->piece[b->n++] = (struct vmbus_piece){va, size};
	b->size += size;
	return true;
}

static bool bytes_add_section(struct bytes *b, const struct vmq_rules *rules,
			      const struct nvsp_rndis *r)
{
	uint32_t left = r->section_size;

	if (rules == NULL || rules->send == NULL || r->section >= rules->n_send ||
	    r->section_size > rules->send_section)
		return false;
	while (left > 0) {
		uint64_t at = (uint64_t)r->section * rules->send_section + r->section_size - left;
		size_t here;
		uint8_t *va = vmbus_pages_at(rules->send, at, left, &here);

		if (!bytes_add(b, va, (uint32_t)here))
			return false;
		left -= (uint32_t)here;
	}
	return true;
}

/* Finds all bytes of a packet. */
static bool bytes_find(struct bytes *b, const struct vmq_queue *q, const struct vmq_rules *rules,
		       const struct taken *t)
{
	uint32_t size;
	int n;

	b->n = 0;
	b->size = 0;
	if (t->rndis.section != NVSP_NO_SECTION && !bytes_add_section(b, rules, &t->rndis))
		return false;
	if (t->packet.desc.type == VMBUS_PKT_INBAND)
		return b->n > 0;
	n = vmbus_gpa_read(&q->in, &t->packet, q->path->memory, b->piece + b->n, MAX_PIECES - b->n,
			   &size);
	if (n <= 0)
		return false;
	b->n += (unsigned)n;
	b->size += size;
	return true;
}

/* Copies [at, at + size), which the bytes hold. */
static void bytes_copy(const struct bytes *b, uint32_t at, void *to, uint32_t size)
{
	uint8_t *next = to;

	for (unsigned i = 0; size > 0 && i < b->n; i++) {
		const struct vmbus_piece *p = &b->piece[i];
		uint32_t n;

		if (at >= p->size) {
			at -= p->size;
			continue;
		}
		n = RTE_MIN(size, p->size - at);
		memcpy(next, p->va + at, n);
		next += n;
		size -= n;
		at = 0;
	}
	rte_compiler_barrier(); /* The copy is what is looked at. */
}

/* Appends [at, at + size) to a frame. */
static int bytes_append(const struct bytes *b, uint32_t at, uint32_t size, struct rte_mbuf *m,
			struct rte_mbuf **last, struct rte_mempool *pool)
{
	for (unsigned i = 0; size > 0 && i < b->n; i++) {
		const struct vmbus_piece *p = &b->piece[i];
		uint32_t n;

		if (at >= p->size) {
			at -= p->size;
			continue;
		}
		n = RTE_MIN(size, p->size - at);
		if (dp_frame_append(m, last, p->va + at, n, pool) != 0)
			return -ENOMEM;
		size -= n;
		at = 0;
	}
	return 0;
}

static struct rte_mbuf *mbuf_get(struct maker *k)
{
	return likely(k->n_fresh > 0) ? k->fresh[--k->n_fresh] : rte_mbuf_raw_alloc(k->pool);
}

/* A frame that is in pieces, or gets a tag, or is longer than an mbuf. */
static __attribute__((noinline)) int fill_long(struct maker *k, const struct bytes *b, uint32_t at,
					       const struct rndis_packet *p, struct rte_mbuf *m)
{
	const uint8_t tag[TAG_SIZE] = {0x81, 0, (uint8_t)(p->vlan_tci >> 8), (uint8_t)p->vlan_tci};
	uint32_t before = p->has_vlan ? ETH_SIZE - 2 : 0;
	struct rte_mbuf *last = m;
	int rc = 0;

	dp_frame_init(m, 0);
	if (p->has_vlan) {
		rc = bytes_append(b, at, before, m, &last, k->pool);
		if (rc == 0)
			rc = dp_frame_append(m, &last, tag, sizeof(tag), k->pool);
	}
	return rc != 0 ? rc
		       : bytes_append(b, at + before, p->frame_size - before, m, &last, k->pool);
}

/* 0; -EBADMSG; -ENOMEM. */
static inline int make_frame(struct maker *k, const struct bytes *b, uint32_t at,
			     const struct rndis_packet *p)
{
	struct rte_mbuf *m;
	int rc = 0;

	if (unlikely(p->frame_size < ETH_SIZE || p->frame_size > MAX_FRAME))
		return -EBADMSG;
	m = mbuf_get(k);
	if (unlikely(m == NULL))
		return -ENOMEM;
	if (likely(b->n == 1 && !p->has_vlan && p->frame_size <= k->room)) {
		dp_frame_init(m, p->frame_size);
		rte_memcpy(rte_pktmbuf_mtod(m, void *), b->piece[0].va + at, p->frame_size);
	} else {
		rc = fill_long(k, b, at, p, m);
	}
	if (rc == 0 && unlikely(p->has_csum || p->has_lso))
		rc = vmq_request(m, p, p->has_vlan ? TAG_SIZE : 0);
	if (unlikely(rc != 0)) {
		rte_pktmbuf_free(m);
		return rc;
	}
	k->size += m->pkt_len;
	k->pkts[k->got++] = m;
	return 0;
}

/* The header of the message at 'at'. */
static inline int header_read(const struct bytes *b, uint32_t at, struct rndis_packet *ret)
{
	uint8_t copy[RNDIS_PACKET_MAX_HEADER];
	uint32_t left = b->size - at, n = RTE_MIN(left, PEEK);
	int rc;

	if (likely(b->n == 1 && n == PEEK)) {
		memcpy(copy, b->piece[0].va + at, PEEK);
		rte_compiler_barrier();
	} else {
		bytes_copy(b, at, copy, n);
	}
	rc = rndis_packet_read(copy, n, left, ret);
	if (likely(rc == 0) || left <= PEEK)
		return rc;
	n = RTE_MIN(left, RNDIS_PACKET_MAX_HEADER);
	bytes_copy(b, at, copy, n);
	return rndis_packet_read(copy, n, left, ret);
}

/* The frames of one packet.  0; -EBADMSG: not all of it was good; -ENOMEM, -ENOSPC: no mbuf, or no
 * place for all of its frames, and none was made. */
static inline int unpack(struct maker *k, const struct bytes *b)
{
	uint16_t before = k->got;
	uint64_t size = k->size;
	uint32_t at = 0;
	int rc = 0;

	for (unsigned n = 0; b->size - at >= RNDIS_PACKET_HEADER_SIZE; n++) {
		struct rndis_packet p;

		/* What is behind the last message is padding. */
		rc = header_read(b, at, &p);
		if (rc == -EOPNOTSUPP && n > 0)
			return 0;
		if (rc == 0 && n == VMQ_MAX_MESSAGES)
			rc = -EBADMSG;
		if (rc == 0 && unlikely(k->got == k->max))
			rc = -ENOSPC;
		if (likely(rc == 0))
			rc = make_frame(k, b, at + p.frame_offset, &p);
		if (unlikely(rc != 0))
			break;
		at += p.msg_size;
		if (likely(at == b->size))
			return 0;
	}
	if (rc == -ENOMEM || rc == -ENOSPC) {
		rte_pktmbuf_free_bulk(k->pkts + before, k->got - before);
		k->got = before;
		k->size = size;
		return rc;
	}
	return rc == 0 && at > 0 ? 0 : -EBADMSG;
}

static inline int unpack_packet(struct vmq_queue *q, const struct vmq_rules *rules, struct maker *k,
				const struct taken *t, struct bytes *b)
{
	if (likely(t->va != NULL)) {
		b->n = 1;
		b->size = t->size;
		/* Only read from. */
		b->piece[0].va = (uint8_t *)(uintptr_t)t->va;
		b->piece[0].size = t->size;
	} else if (!bytes_find(b, q, rules, t)) {
		return -EBADMSG;
	}
	return unpack(k, b);
}

static void unpack_all(struct vmq_queue *q, const struct vmq_rules *rules, struct batch *b,
		       struct maker *k)
{
	struct bytes bytes;

	for (unsigned i = 0; i < b->n; i++) {
		struct taken *t = &b->v[i];
		int rc;

		if (t->kind == TAKEN_COMPLETION)
			continue;
		rc = t->kind == TAKEN_FRAMES ? unpack_packet(q, rules, k, t, &bytes) : -EBADMSG;
		if (likely(rc == 0))
			continue;
		if (rc != -EBADMSG) {
			cut(q, b, i);
			return;
		}
		k->malformed++;
		if (t->status == NVSP_STATUS_SUCCESS)
			t->status = NVSP_STATUS_BAD_RNDIS;
	}
}

/* Takes as many mbufs as there are packets with frames; none: those wait. */
static void make_ready(struct vmq_queue *q, struct batch *b, struct maker *k)
{
	unsigned i = 0;

	k->n_fresh = b->n_frames;
	if (b->n_frames == 0 || rte_mempool_get_bulk(k->pool, (void **)k->fresh, b->n_frames) == 0)
		return;
	k->n_fresh = 0;
	while (i < b->n && b->v[i].kind != TAKEN_FRAMES)
		i++;
	if (i < b->n)
		cut(q, b, i);
}

/* ---- Third pass: what the guest is told ---- */

static int put_completion(struct vmq_queue *q, uint64_t transaction_id, uint32_t status)
{
	struct nvsp_rndis_complete msg = {NVSP_RNDIS_COMPLETE, status};

	return vmbus_out_put(&q->out, VMBUS_PKT_COMPLETION, 0, transaction_id, NULL, 0, &msg,
			     sizeof(msg));
}

static void put_completions(struct vmq_queue *q, const struct batch *b)
{
	for (unsigned i = 0; i < b->n; i++) {
		const struct taken *t = &b->v[i];

		if (t->kind != TAKEN_COMPLETION &&
		    (t->packet.desc.flags & VMBUS_PKT_COMPLETION_REQUESTED) != 0 &&
		    put_completion(q, t->packet.desc.transaction_id, t->status) != 0)
			vmq_queue_break(q, VMQ_FAULT_RING_OUT); /* There was room. */
	}
}

/* What the guest gives back.  Of a buffer that it has revoked it may give back later. */
static void take_back(struct vmq_queue *q, const struct vmq_rules *rules, const struct batch *b)
{
	struct vmq_bufs *bufs = rules != NULL ? rules->bufs : NULL;
	uint64_t n = 0, bad = 0;

	for (unsigned i = 0; i < b->n; i++) {
		if (b->v[i].kind != TAKEN_COMPLETION)
			continue;
		n++;
		if (bufs != NULL && !vmq_bufs_complete(bufs, q, b->v[i].packet.desc.transaction_id))
			bad++;
	}
	if (n > 0)
		vmq_count(&q->stats.completions, n);
	if (unlikely(bad > 0))
		vmq_count(&q->stats.bad_completions, bad);
}

/* The end of a batch: one commit, one signal. */
static void tell(struct vmq_queue *q, const struct vmq_rules *rules, const struct batch *b)
{
	bool signal = false;

	rte_spinlock_lock(&q->lock);
	vmbus_out_begin(&q->out);
	put_completions(q, b);
	if (q->mail != NULL && vmq_mail_any(q->mail) && !vmq_mail_deliver(q, rules))
		q->blocked = true;
	/* Sections that come back may be lent in the next batch, not in this one. */
	take_back(q, rules, b);
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

/* ---- Control messages ---- */

/* Copies a control message that is next on the ring for the control thread.  False: it is none. */
static bool control_copy(struct vmq_queue *q, const struct vmq_rules *rules, const struct taken *t)
{
	struct vmq_control_item *item = &q->control->item;
	struct bytes bytes;

	item->transaction_id = t->packet.desc.transaction_id;
	item->completion_requested =
		(t->packet.desc.flags & VMBUS_PKT_COMPLETION_REQUESTED) != 0;
	if (t->rndis.type == NVSP_RNDIS) {
		item->kind = VMQ_CONTROL_RNDIS;
		if (!bytes_find(&bytes, q, rules, t) || bytes.size > sizeof(item->bytes))
			return false;
		item->size = bytes.size;
		bytes_copy(&bytes, 0, item->bytes, bytes.size);
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
	bool answered = false, signal = false;
	struct vmbus_packet packet;

	rte_spinlock_lock(&q->lock);
	vmbus_out_begin(&q->out);
	if (vmq_mail_fits(q, rules, complete ? COMPLETION_SIZE : 0) &&
	    vmbus_in_next(&q->in, &packet)) {
		if (complete)
			put_completion(q, item->transaction_id, status);
		vmq_mail_deliver(q, rules);
		signal = vmq_queue_commit(q, q->in.read);
		signal |= vmbus_in_end(&q->in);
		answered = true;
	}
	if (signal)
		vmq_count(&q->stats.signals, 1);
	rte_spinlock_unlock(&q->lock);
	q->blocked = !answered;
	if (signal)
		vmq_queue_signal(q);
	return answered;
}

/* Hands the control message that is next on the ring to the control thread.  False: it is one that
 * nobody could read, and is done already. */
static bool control_hand(struct vmq_queue *q, const struct vmq_rules *rules)
{
	struct vmq_control *control = q->control;
	struct taken t;
	bool ok;

	memset(&t, 0, sizeof(t));
	ok = vmbus_in_next(&q->in, &t.packet);
	if (ok) {
		vmbus_in_copy(&q->in, &t.packet, t.packet.header_size, &t.rndis,
			      RTE_MIN(t.packet.payload_size, (uint32_t)sizeof(t.rndis)));
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
static __attribute__((noinline)) bool control_turn(struct vmq_queue *q,
						   const struct vmq_rules *rules)
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

/* ---- All of it ---- */

static __attribute__((noinline)) void wake(struct vmq_queue *q)
{
	eventfd_t count;

	q->asleep = false;
	vmbus_in_mask(&q->in, true);
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
	return RTE_MIN(room, q->reserve) / COMPLETION_SIZE;
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
static void lose(struct vmq_queue *q, struct maker *k)
{
	vmq_queue_break(q, VMQ_FAULT_LOST);
	rte_pktmbuf_free_bulk(k->pkts, k->got);
	k->malformed += k->got;
	k->size = 0;
	k->got = 0;
}

static void receive(struct vmq_queue *q, const struct vmq_rules *rules, struct maker *k)
{
	struct batch b;

	b.n = 0;
	b.n_frames = 0;
	b.n_answers = 0;
	b.max_frames = RTE_MIN(k->max, BATCH);
	b.max_answers = answers_room(q);
	take_all(q, rules, &b);
	make_ready(q, &b, k);
	unpack_all(q, rules, &b, k);
	if (unlikely(k->n_fresh > 0))
		rte_mempool_put_bulk(k->pool, (void **)k->fresh, k->n_fresh);
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
	struct maker k;

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
	if (likely(!q->control_next) || control_turn(q, rules)) {
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
			control_turn(q, rules);
	}
	break_if_faulty(q);
	return k.got;
}
