/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a translation changes in the bytes of a TCP stream; see ct_priv.h.
 *
 * An announcement (ct_help.c) that names an address which the other side knows under another has to
 * say that one, and is longer or shorter then.  All that its sender sends behind it has other
 * sequence numbers on the other side, and what is acknowledged there has other ones here:
 *
 * 	            sender        other side
 * 	up to 'at'  n             n + before
 * 	behind      n             n + after
 *
 * where 'at' is the first byte of the segment that was changed last.  A segment that comes again
 * gets the same words, and moves nothing.  The connection keeps this for both directions in its
 * alias, whose words for TCP are not used otherwise: seq is 'at' and 'after', ctl MOVED and
 * 'before'.
 *
 * Each direction's words are written by its own packets; ctl first: who reads in between takes
 * 'after' for 'before', which is wrong only about what was acknowledged long ago.
 *
 * Workers.
 */
#include "dataplane/ct_priv.h"

#include <errno.h>
#include <string.h>

#include <rte_mbuf.h>

#include "dataplane/csum.h"
#include "dataplane/csum_priv.h"
#include "dataplane/key_priv.h"
#include "dataplane/rewrite.h"

#define MOVED	  (UINT64_C(1) << 32)
#define TCP	  6
#define TCP_SIZE  20u
#define ACK	  0x10
#define OPT_END	  0
#define OPT_NOP	  1
#define OPT_SACK  5
#define FLAGS_AT  13
#define NUMBER_AT 4 /* and the acknowledgement behind it */

struct shift {
	bool there;
	uint32_t at, before, after;
};

static struct dp_ct_dir *dir_of(const struct dp_ct *ct, uint32_t i, bool reply)
{
	uint32_t alias = atomic_load_explicit(&ct->conns[i].other, memory_order_relaxed);

	return &ct->conns[alias].dir[reply];
}

static struct shift shift_of(const struct dp_ct *ct, uint32_t i, bool reply)
{
	const struct dp_ct_dir *d = dir_of(ct, i, reply);
	uint64_t seq = atomic_load_explicit(&d->seq, memory_order_acquire);
	uint64_t ctl = atomic_load_explicit(&d->ctl, memory_order_relaxed);

	return (struct shift){(ctl & MOVED) != 0, (uint32_t)(seq >> 32), (uint32_t)ctl,
			      (uint32_t)seq};
}

static uint32_t ahead(const struct shift *s, uint32_t seq)
{
	return (int32_t)(seq - s->at) > 0 ? s->after : s->before;
}

static uint32_t back(const struct shift *s, uint32_t ack)
{
	return ack - ahead(s, ack - s->before);
}

bool dp_ct_is_moved(const struct dp_ct *ct, const struct dp_ct_mark *mark)
{
	return (atomic_load_explicit(&ct->conns[mark->conn].state, memory_order_acquire) &
		DP_CT_F_MOVED) != 0 &&
	       !dp_ct_is_error(mark);
}

bool dp_ct_was_retold(const struct dp_ct *ct, uint32_t i, bool reply, uint32_t seq)
{
	struct shift s = shift_of(ct, i, reply);

	return s.there && s.at == seq;
}

uint32_t dp_ct_moved_ack(const struct dp_ct *ct, uint32_t i, bool reply, uint32_t ack)
{
	struct shift s = shift_of(ct, i, !reply);

	return back(&s, ack);
}

/* The stream goes on 'more' bytes further behind this segment. */
static void move(struct dp_ct *ct, uint32_t i, bool reply, uint32_t seq, uint32_t more)
{
	struct dp_ct_dir *d = dir_of(ct, i, reply);
	struct shift s = shift_of(ct, i, reply);

	if (s.there && s.at == seq)
		return;
	atomic_store_explicit(&d->ctl, MOVED | s.after, memory_order_relaxed);
	atomic_store_explicit(&d->seq, (uint64_t)seq << 32 | (s.after + more),
			      memory_order_release);
	atomic_fetch_or_explicit(&ct->conns[i].state, DP_CT_F_MOVED, memory_order_release);
}

/* ---- Numbers ---- */

struct segment {
	uint8_t *tcp;
	bool open; /* its checksum is somebody else's to fill in */
};

/* A number of the header, at an even offset or an odd one. */
static void put(const struct segment *s, uint32_t at, uint32_t value)
{
	uint8_t *csum = s->tcp + DP_CSUM_OFFSET_TCP;

	for (unsigned i = 0; i < 4; i++) {
		uint8_t *word = s->tcp + ((at + i) & ~1u);
		uint16_t was = dp_csum_load(word);

		s->tcp[at + i] = (uint8_t)(value >> (24 - 8 * i));
		if (!s->open)
			dp_csum_store(csum, dp_rw_csum_adjust(dp_csum_load(csum), was,
							      dp_csum_load(word)));
	}
}

static void put_sacks(const struct segment *s, uint32_t size, const struct shift *other)
{
	for (uint32_t at = TCP_SIZE; at + 2 <= size && s->tcp[at] != OPT_END;) {
		uint32_t n = s->tcp[at] == OPT_NOP ? 1 : s->tcp[at + 1];

		if (n == 0 || n > size - at)
			return;
		if (s->tcp[at] == OPT_SACK)
			for (uint32_t edge = 2; edge + 4 <= n; edge += 4)
				put(s, at + edge, back(other, dp_load_be32(s->tcp + at + edge)));
		at += n;
	}
}

/* ---- Words ---- */

static void set_ip_size(uint8_t *ip, struct dp_headers *h, int more)
{
	uint8_t *field = ip + (h->ip_version == 6 ? 4 : 2);
	uint16_t was = dp_csum_load(field), size = (uint16_t)(dp_load_be16(field) + more);

	field[0] = (uint8_t)(size >> 8);
	field[1] = (uint8_t)size;
	if (h->ip_version != 6)
		dp_csum_store(ip + 10,
			      dp_rw_csum_adjust(dp_csum_load(ip + 10), was, dp_csum_load(field)));
	h->ip_size = (uint32_t)((int)h->ip_size + more);
}

/* Who listened found the checksum right, or open, so it may be computed anew. */
static int put_words(struct rte_mbuf *m, struct dp_headers *h, const struct dp_ct_text *text)
{
	uint32_t head = (uint32_t)h->l2_size + h->l3_size + h->l4_size, from = head + text->at;
	uint32_t end = h->l2_size + h->ip_size, size;
	int more = (int)text->n - (int)text->size;
	uint8_t *d;

	if (m->nb_segs != 1 && rte_pktmbuf_linearize(m) != 0)
		return -ENOMEM;
	if (end > m->pkt_len || from + text->size > end)
		return -EBADMSG;
	if ((m->ol_flags & RTE_MBUF_F_TX_L4_MASK) != 0 && m->l2_len == h->l2_size &&
	    dp_csum_finish(m) != 0)
		return -EBADMSG;
	rte_pktmbuf_trim(m, (uint16_t)(m->pkt_len - end)); /* Ethernet's padding */
	if (more > 0 && rte_pktmbuf_append(m, (uint16_t)more) == NULL)
		return -ENOMEM;
	d = rte_pktmbuf_mtod(m, uint8_t *);
	memmove(d + from + text->n, d + from + text->size, end - from - text->size);
	memcpy(d + from, text->bytes, text->n);
	if (more < 0)
		rte_pktmbuf_trim(m, (uint16_t)-more);
	set_ip_size(d + h->l2_size, h, more);
	size = h->ip_size - h->l3_size;
	d += h->l2_size + h->l3_size;
	dp_csum_store(d + DP_CSUM_OFFSET_TCP, 0);
	dp_csum_store(d + DP_CSUM_OFFSET_TCP,
		      (uint16_t)~dp_csum_fold(
			      (uint32_t)rte_raw_cksum(d, size) +
			      dp_csum_pseudo(rte_pktmbuf_mtod(m, const uint8_t *), h, TCP, size)));
	return 0;
}

int dp_ct_retell(struct dp_ct *ct, struct rte_mbuf *m, struct dp_headers *h,
		 const struct dp_ct_mark *mark, const struct dp_ct_text *text)
{
	bool reply = (mark->state & DP_CT_REPLY) != 0;
	struct shift own = shift_of(ct, mark->conn, reply);
	struct shift other = shift_of(ct, mark->conn, !reply);
	uint32_t at = (uint32_t)h->l2_size + h->l3_size, seq;
	struct segment s;
	int rc;

	if (h->l4 != DP_L4_TCP || h->frag == DP_FRAG_LATER)
		return 0;
	if (h->l4_size < TCP_SIZE || at + h->l4_size > m->data_len)
		return -EBADMSG;
	s.tcp = rte_pktmbuf_mtod_offset(m, uint8_t *, at);
	s.open = m->l2_len == h->l2_size &&
		 ((m->ol_flags & RTE_MBUF_F_TX_L4_MASK) == RTE_MBUF_F_TX_TCP_CKSUM ||
		  (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0);
	seq = dp_load_be32(s.tcp + NUMBER_AT);
	put(&s, NUMBER_AT, seq + ahead(&own, seq));
	if ((s.tcp[FLAGS_AT] & ACK) != 0)
		put(&s, NUMBER_AT + 4, back(&other, dp_load_be32(s.tcp + NUMBER_AT + 4)));
	put_sacks(&s, h->l4_size, &other);
	if (!text->there)
		return 0;
	rc = put_words(m, h, text);
	if (rc == 0)
		move(ct, mark->conn, reply, seq, (uint32_t)text->n - text->size);
	return rc;
}
