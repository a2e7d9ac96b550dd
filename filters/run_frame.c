/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One frame and a program that needs more than a pointer to it.  A program sees linear memory with
 * room before and behind the packet:
 *
 * 	in place   one segment that nobody else has: as it is, moved up in its buffer when the
 * 		   program moves ends and there is too little room before
 * 	           one segment that is shared, or several, for programs that do not look so far: as
 * 		   it is, read only
 * 	a copy     all others: in the worker's buffer; when the program changed it, fresh buffers
 * 		   take the frame's place
 *
 * With 'strip_vlan' the outer tag is taken out for the program, and put back in behind the
 * addresses of whatever the program made of the frame.  The program neither sees nor changes it; a
 * tag that the program adds is the inner one then.
 *
 * With 'meta' struct vswitch_meta lies before the packet.
 *
 * What a frame carried about its bytes (checksums verified, a hash) is gone after a program that
 * writes.  Workers.
 */
#include "filters/chain_priv.h"
#include "filters/vswitch_filter.h"

#include "dataplane/mirror.h"
#include "dataplane/queue.h"
#include "dataplane/view.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#define WRITES	  (EBPF_WRITES_PACKET | EBPF_MOVES_ENDS)
#define MACS	  12u
#define TAG	  4u
#define META_SIZE ((uint16_t)sizeof(struct vswitch_meta))

static_assert(sizeof(struct vswitch_meta) == 32, "kernels before 6.8 take no more metadata");

/* A frame as a program sees it. */
struct seen {
	struct rte_mbuf *m;
	uint8_t *data; /* where its bytes begin */
	uint32_t size;
	bool copied;
	bool keeps; /* what the program does to it does not count */
	bool tagged;
	uint8_t tag[TAG];
};

static bool is_tagged(const uint8_t *d, uint32_t size)
{
	return size >= MACS + TAG + 2 &&
	       ((d[12] == 0x81 && d[13] == 0x00) || (d[12] == 0x88 && d[13] == 0xa8));
}

/* ---- Linear memory ---- */

static bool is_own(const struct rte_mbuf *m)
{
	return RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1;
}

static bool copy(struct filter_pass *p, struct seen *s)
{
	uint8_t *to = p->fw->linear + FILTER_LINEAR_HEAD;
	const void *from;

	if (s->size > FILTER_LINEAR_FRAME)
		return false;
	from = rte_pktmbuf_read(s->m, 0, s->size, to);
	if (from != to)
		memcpy(to, from, s->size);
	s->data = to;
	s->copied = true;
	p->ctx.hard_start = to - EBPF_HEADROOM - META_SIZE;
	p->ctx.hard_end = to + s->size + FILTER_LINEAR_TAIL;
	return true;
}

/* Room before the packet: it is moved up.  False: its buffer has none. */
static bool make_room(struct rte_mbuf *m, uint16_t room)
{
	uint16_t has = rte_pktmbuf_headroom(m), by = (uint16_t)(room - has);
	uint8_t *data = rte_pktmbuf_mtod(m, uint8_t *);

	if (has >= room)
		return true;
	if (rte_pktmbuf_tailroom(m) < by)
		return false;
	memmove(data + by, data, m->data_len);
	m->data_off = (uint16_t)(m->data_off + by);
	return true;
}

/* 'room': bytes before the packet that must be there, and may be written. */
static bool in_place(struct filter_pass *p, struct seen *s, uint16_t room, bool changes)
{
	struct rte_mbuf *m = s->m;
	bool whole = m->nb_segs == 1 || (p->cur->does & EBPF_READS_BYTES) == 0;

	if (changes ? m->nb_segs != 1 || !is_own(m) || !make_room(m, room) : !whole)
		return false;
	s->data = rte_pktmbuf_mtod(m, uint8_t *);
	if (changes) {
		p->ctx.hard_start = m->buf_addr;
		p->ctx.hard_end = (uint8_t *)m->buf_addr + m->buf_len;
	} else {
		p->ctx.hard_start = s->data;
		p->ctx.hard_end = s->data + s->size;
	}
	return true;
}

/* ---- Before the program ---- */

static void take_tag_out(struct filter_pass *p, struct seen *s)
{
	memcpy(s->tag, s->data + MACS, TAG);
	memmove(s->data + TAG, s->data, MACS);
	s->data += TAG;
	s->size -= TAG;
	/* For when it is put back. */
	p->ctx.hard_start += TAG;
}

static void put_meta(struct filter_pass *p, const struct seen *s, const uint8_t *tag)
{
	const uint16_t tci = tag != NULL ? (uint16_t)(tag[2] << 8 | tag[3]) : 0;
	const struct vswitch_meta meta = {
		.size = sizeof(meta),
		.port = p->b->vp->id + 1u,
		.tenant = p->slot->tenant,
		.from = s->m->port < DP_MAX_PORTS ? s->m->port + 1u : 0,
		.vlan = tci & 0xfff,
		.tci = tci,
		.flags = (p->b->side == DP_FILTER_EGRESS ? VSWITCH_META_EGRESS : 0) |
			 (tag != NULL ? VSWITCH_META_TAGGED : 0),
		.time = filter_now_ns(p->fw),
	};

	p->ctx.meta = s->data - sizeof(meta);
	memcpy(p->ctx.meta, &meta, sizeof(meta));
}

/* False: it is longer than can be shown. */
static bool show(struct filter_pass *p, struct seen *s)
{
	const struct filter_slot *slot = p->slot;
	const uint8_t *d = rte_pktmbuf_mtod(s->m, const uint8_t *);
	const bool tagged = (slot->strip_vlan || slot->meta) && is_tagged(d, s->m->data_len);
	const bool moves = (p->cur->does & EBPF_MOVES_ENDS) != 0;
	const bool changes =
		(p->cur->does & WRITES) != 0 || slot->meta || (slot->strip_vlan && tagged);
	uint16_t room = (uint16_t)((moves ? EBPF_HEADROOM : 0) + (slot->meta ? META_SIZE : 0));

	s->keeps = slot->role == FILTER_ROLE_CAPTURE;
	s->tagged = slot->strip_vlan && tagged;
	/* What a capture must not change is a copy where it could. */
	if ((s->keeps && (p->cur->does & WRITES) != 0) || !in_place(p, s, room, changes))
		if (!copy(p, s))
			return false;
	if (s->tagged)
		take_tag_out(p, s);
	p->ctx.meta = s->data;
	if (slot->meta)
		put_meta(p, s, s->tagged ? s->tag : tagged ? s->data + MACS : NULL);
	p->ctx.data = s->data;
	p->ctx.data_end = s->data + s->size;
	p->ctx.frame_size = s->size;
	return true;
}

/* ---- After it ---- */

static void put_tag_back(struct seen *s)
{
	s->data -= TAG;
	memmove(s->data, s->data + TAG, MACS);
	memcpy(s->data + MACS, s->tag, TAG);
	s->size += TAG;
}

static bool is_same(const struct rte_mbuf *m, const uint8_t *bytes, uint32_t size)
{
	if (size != m->pkt_len)
		return false;
	for (; m != NULL; m = m->next) {
		if (memcmp(rte_pktmbuf_mtod(m, const void *), bytes, m->data_len) != 0)
			return false;
		bytes += m->data_len;
	}
	return true;
}

/* A frame in fresh buffers; NULL when there are none. */
static struct rte_mbuf *frame_of(struct rte_mempool *pool, const uint8_t *bytes, uint32_t size)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool), *last = m;

	while (last != NULL) {
		uint32_t n = RTE_MIN(size, (uint32_t)rte_pktmbuf_tailroom(last));

		memcpy(rte_pktmbuf_mtod(last, void *), bytes, n);
		last->data_len = (uint16_t)n;
		m->pkt_len += n;
		bytes += n;
		size -= n;
		if (size == 0)
			return m;
		last->next = rte_pktmbuf_alloc(pool);
		last = last->next;
		m->nb_segs++;
	}
	if (m != NULL)
		m->nb_segs--;
	rte_pktmbuf_free(m);
	return NULL;
}

/* The changed copy takes the frame's place. */
static enum dp_drop put_back(struct filter_pass *p, uint16_t i, const struct seen *s)
{
	struct rte_mbuf *m;

	if (is_same(s->m, s->data, s->size))
		return DP_N_DROPS;
	m = frame_of(dp_filter_pool(p->b->w), s->data, s->size);
	if (m == NULL)
		return DP_DROP_NO_MBUF;
	m->port = s->m->port;
	m->ol_flags = s->m->ol_flags & (DP_QUEUE_MARK | DP_MIRROR_COPY | DP_MIRROR_SEEN);
	rte_mbuf_dynfield_copy(m, s->m);
	m->hash = s->m->hash;
	m->vlan_tci_outer = s->m->vlan_tci_outer;
	p->b->pkts[i] = m;
	rte_pktmbuf_free(s->m);
	return DP_N_DROPS;
}

static enum dp_drop keep_in_place(const struct seen *s)
{
	struct rte_mbuf *m = s->m;

	m->data_off = (uint16_t)(s->data - (uint8_t *)m->buf_addr);
	m->data_len = (uint16_t)s->size;
	m->pkt_len = s->size;
	m->ol_flags &= ~(uint64_t)FILTER_STALE;
	return DP_N_DROPS;
}

/* What the program left. */
static enum dp_drop take_back(struct filter_pass *p, uint16_t i, struct seen *s)
{
	const bool writes = (p->cur->does & WRITES) != 0 && !s->keeps;

	if (!writes) {
		if (s->tagged && !s->copied)
			put_tag_back(s);
		return DP_N_DROPS;
	}
	s->data = p->ctx.data;
	s->size = (uint32_t)(p->ctx.data_end - p->ctx.data);
	if (s->size < RTE_ETHER_HDR_LEN)
		return DP_DROP_RUNT;
	if (s->tagged)
		put_tag_back(s);
	return s->copied ? put_back(p, i, s) : keep_in_place(s);
}

/* A frame that dies is shown to captures as it came, as far as that is so. */
static void take_back_dead(struct filter_pass *p, struct seen *s)
{
	if (s->tagged && !s->copied && p->ctx.data == s->data)
		put_tag_back(s);
}

enum dp_drop filter_run_frame(struct filter_pass *p, uint16_t i, uint32_t *ret_verdict)
{
	struct seen s = {.m = p->b->pkts[i], .size = p->b->pkts[i]->pkt_len};
	uint32_t verdict;

	if (p->slot->role != FILTER_ROLE_CAPTURE || s.size <= FILTER_LINEAR_FRAME) {
		if (!show(p, &s))
			return DP_DROP_FILTER_REFUSED;
	} else {
		return DP_N_DROPS;
	}
	if (s.m->port < DP_MAX_PORTS)
		p->ctx.ingress_ifindex = s.m->port + 1u;
	verdict = (uint32_t)ebpf_run(p->cur->prog, &p->ctx);
	*ret_verdict = verdict;
	if (!s.keeps && verdict != EBPF_PASS && verdict != EBPF_TX && verdict != EBPF_REDIRECT) {
		take_back_dead(p, &s);
		return DP_N_DROPS;
	}
	return take_back(p, i, &s);
}
