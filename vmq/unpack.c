/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames out of the packets of a batch: RNDIS headers are copied, then looked at; frames are copied
 * as they come.  See from_guest.c.
 */
#include <errno.h>
#include <string.h>

#include <rte_common.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>

#include "dataplane/frame.h"
#include "vmbus/rndis.h"
#include "vmq/from_priv.h"
#include "vmq/request.h"

#define ETH_SIZE  14u
#define TAG_SIZE  4u
#define MAX_FRAME (65535u + ETH_SIZE + 2 * TAG_SIZE)

/* The batch ends before packet 'i', which waits for the next one. */
static void cut(struct vmq_queue *q, struct vmq_batch *b, unsigned i)
{
	vmbus_in_back(&q->in, &b->v[i].packet);
	b->n = i;
}

/* Appends [at, at + size) to a frame. */
static int bytes_append(const struct vmq_bytes *b, uint32_t at, uint32_t size, struct rte_mbuf *m,
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

static struct rte_mbuf *mbuf_get(struct vmq_maker *k)
{
	return likely(k->n_fresh > 0) ? k->fresh[--k->n_fresh] : rte_mbuf_raw_alloc(k->pool);
}

/* A frame that is in pieces, or gets a tag, or is longer than an mbuf. */
static __attribute__((noinline)) int fill_long(struct vmq_maker *k, const struct vmq_bytes *b,
					       uint32_t at, const struct rndis_packet *p,
					       struct rte_mbuf *m)
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
static inline int make_frame(struct vmq_maker *k, const struct vmq_bytes *b, uint32_t at,
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

/* Eight bytes of the guest's memory, read once. */
static inline uint64_t word_at(const uint8_t *va)
{
	typedef uint64_t __attribute__((aligned(1), may_alias)) word;

	return *(const volatile word *)(const void *)va;
}

/* The header that guests write: information right behind it, in pieces of 16 bytes.  Word by word,
 * for a copy would have to be waited for.  False: it is another one, or wrong. */
static inline bool header_quick(const uint8_t *va, uint32_t left, struct rndis_packet *p)
{
	uint64_t sizes = word_at(va), frame = word_at(va + 8), info = word_at(va + 24);
	uint32_t msg_size = (uint32_t)(sizes >> 32), offset = (uint32_t)frame, ppis;
	const uint32_t header = RNDIS_PACKET_HEADER_SIZE - RNDIS_OFFSET_BASE;

	ppis = (uint32_t)word_at(va + 32);
	if ((uint32_t)sizes != RNDIS_PACKET || msg_size > left ||
	    msg_size < RNDIS_PACKET_HEADER_SIZE + ppis ||
	    (ppis != 0 && (uint32_t)(info >> 32) != header) || ppis > 8 * RNDIS_PPI_SIZE ||
	    offset < header + ppis || offset > msg_size - RNDIS_OFFSET_BASE ||
	    (uint32_t)(frame >> 32) > msg_size - RNDIS_OFFSET_BASE - offset)
		return false;
	memset(p, 0, sizeof(*p));
	p->msg_size = msg_size;
	p->frame_offset = offset + RNDIS_OFFSET_BASE;
	p->frame_size = (uint32_t)(frame >> 32);
	for (va += RNDIS_PACKET_HEADER_SIZE; ppis >= RNDIS_PPI_SIZE;
	     va += RNDIS_PPI_SIZE, ppis -= RNDIS_PPI_SIZE) {
		uint64_t kind = word_at(va), value = word_at(va + 8);

		if ((uint32_t)kind != RNDIS_PPI_SIZE ||
		    (uint32_t)value != sizeof(struct rndis_ppi_wire))
			return false;
		/* Most carry a hash, which we do not use. */
		if ((uint32_t)(kind >> 32) != RNDIS_PPI_HASH)
			rndis_ppi_take((uint32_t)(kind >> 32), (uint32_t)(value >> 32), p);
	}
	return ppis == 0;
}

/* Any header, of the message at 'at'. */
static __attribute__((noinline)) int header_read(const struct vmq_bytes *b, uint32_t at,
						 struct rndis_packet *ret)
{
	uint8_t copy[RNDIS_PACKET_MAX_HEADER];
	uint32_t left = b->size - at, n = RTE_MIN(left, RNDIS_PACKET_MAX_HEADER);

	vmq_bytes_copy(b, at, copy, n);
	return rndis_packet_read(copy, n, left, ret);
}

/* The frames of one packet.  0; -EBADMSG: not all of it was good; -ENOMEM, -ENOSPC: no mbuf, or no
 * place for all of its frames, and none was made. */
static inline int unpack(struct vmq_maker *k, const struct vmq_bytes *b)
{
	uint16_t before = k->got;
	uint64_t size = k->size;
	uint32_t at = 0;
	int rc = 0;

	for (unsigned n = 0; b->size - at >= RNDIS_PACKET_HEADER_SIZE; n++) {
		struct rndis_packet p;

		/* What is behind the last message is padding. */
		if (unlikely(b->n != 1 || !header_quick(b->piece[0].va + at, b->size - at, &p)))
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

static inline int unpack_packet(struct vmq_queue *q, const struct vmq_rules *rules,
				struct vmq_maker *k, const struct vmq_taken *t, struct vmq_bytes *b)
{
	if (likely(t->va != NULL)) {
		b->n = 1;
		b->size = t->size;
		/* Only read from. */
		b->piece[0].va = (uint8_t *)(uintptr_t)t->va;
		b->piece[0].size = t->size;
	} else if (!vmq_bytes_find(b, q, rules, t)) {
		return -EBADMSG;
	}
	return unpack(k, b);
}

static void unpack_all(struct vmq_queue *q, const struct vmq_rules *rules, struct vmq_batch *b,
		       struct vmq_maker *k)
{
	struct vmq_bytes bytes;

	for (unsigned i = 0; i < b->n; i++) {
		struct vmq_taken *t = &b->v[i];
		int rc;

		if (t->kind == VMQ_TAKEN_COMPLETION)
			continue;
		rc = t->kind == VMQ_TAKEN_FRAMES ? unpack_packet(q, rules, k, t, &bytes) : -EBADMSG;
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
static void make_ready(struct vmq_queue *q, struct vmq_batch *b, struct vmq_maker *k)
{
	unsigned i = 0;

	k->n_fresh = b->n_frames;
	if (b->n_frames == 0 || rte_mempool_get_bulk(k->pool, (void **)k->fresh, b->n_frames) == 0)
		return;
	k->n_fresh = 0;
	while (i < b->n && b->v[i].kind != VMQ_TAKEN_FRAMES)
		i++;
	if (i < b->n)
		cut(q, b, i);
}

void vmq_unpack(struct vmq_queue *q, const struct vmq_rules *rules, struct vmq_batch *b,
		struct vmq_maker *k)
{
	make_ready(q, b, k);
	unpack_all(q, rules, b, k);
	if (unlikely(k->n_fresh > 0))
		rte_mempool_put_bulk(k->pool, (void **)k->fresh, k->n_fresh);
}
