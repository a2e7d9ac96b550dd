/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See frag.h.  Packets hang in chains by hash and in the order in which their first fragment came,
 * which is the order in which they end; their fragments in the order of their parts.  All numbers
 * are indices; 0 is none.
 */
#include "dataplane/frag.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "dataplane/hash.h"
#include "dataplane/region.h"
#include "dataplane/view.h"

#define N_HEADS	    512u
#define MAX_SIZE    65535u
#define LOOK_AT	    8u /* packets of which one gives way */
#define MAX_EXT	    DP_MAX_EXT_HEADERS
#define IP6_SIZE    40u
#define PROTO_HOP   0
#define PROTO_ROUTE 43
#define PROTO_FRAG  44
#define PROTO_DEST  60
#define MORE_V4	    0x2000u
#define OFFSET_V4   0x1fffu
#define MORE_V6	    1u
#define OFFSET_V6   0xfff8u

enum state { WAITING, WHOLE, SPOILT };

struct packet {
	struct dp_frag_key key;
	uint32_t hash, born;
	uint32_t there;	   /* bytes of parts */
	uint32_t size;	   /* of all of them; 0: the last is not there */
	uint16_t first, n; /* fragments */
	uint16_t n_bufs;
	uint16_t next;	       /* in its chain; free: the next */
	uint16_t older, newer; /* of those of its state: WHOLE or not */
	uint8_t state;
};

struct list {
	uint16_t oldest, newest;
};

struct dp_frags {
	dp_frag_drop_fn drop;
	void *arg;
	uint64_t secret[5];
	uint16_t free_packet, free_piece;
	struct list waiting, whole[2]; /* SPOILT ones wait as well; [1]: outer packets */
	uint32_t n_bufs;
	_Atomic uint32_t n_packets, n_pieces; /* written by the worker */
	_Atomic uint64_t n_whole;
	uint16_t heads[N_HEADS];
	uint16_t domain_bufs[DP_MAX_DOMAINS];
	struct packet packets[DP_FRAG_PACKETS + 1];
	struct dp_frag_piece pieces[DP_FRAG_PIECES + 1];
};

/* ---- What a fragment says ---- */

static uint16_t load16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

static bool read_v4(const uint8_t *ip, const struct dp_headers *h, struct dp_frag *f)
{
	uint32_t head = (ip[0] & 0xfu) * 4;

	f->key.proto = ip[9];
	f->key.id = load16(ip + 4);
	memcpy(f->key.src, ip + 12, 4);
	memcpy(f->key.dst, ip + 16, 4);
	f->head = (uint16_t)(h->l2_size + head);
	f->offset = load16(ip + 6) & OFFSET_V4;
	f->more = (load16(ip + 6) & MORE_V4) != 0;
	f->size = h->ip_size - head;
	return h->ip_size >= head;
}

static bool read_v6(const uint8_t *ip, uint32_t size, const struct dp_headers *h, struct dp_frag *f)
{
	uint8_t next = ip[6];
	uint32_t at = IP6_SIZE;

	for (unsigned n = 0; next != PROTO_FRAG; n++) {
		if (n == MAX_EXT || at + 8 > size ||
		    (next != PROTO_HOP && next != PROTO_ROUTE && next != PROTO_DEST))
			return false;
		next = ip[at];
		at += (ip[at + 1] + 1u) * 8;
	}
	if (at + 8 > size || at + 8 > h->ip_size)
		return false;
	f->key.flags = DP_FRAG_V6;
	f->key.id = (uint32_t)load16(ip + at + 4) << 16 | load16(ip + at + 6);
	memcpy(f->key.src, ip + 8, 16);
	memcpy(f->key.dst, ip + 24, 16);
	f->head = (uint16_t)(h->l2_size + at + 8);
	f->offset = (load16(ip + at + 2) & OFFSET_V6) >> 3;
	f->more = (load16(ip + at + 2) & MORE_V6) != 0;
	f->size = h->ip_size - at - 8;
	return true;
}

bool dp_frag_read(const uint8_t *frame, uint32_t size, const struct dp_headers *h,
		  struct dp_frag *ret)
{
	struct dp_frag f = {0};
	const uint8_t *ip = frame + h->l2_size;
	bool ok;

	if (h->frag == 0 || h->ip_src == 0 || h->bad == DP_BAD_IP || h->bad == DP_BAD_IP_OPTION)
		return false;
	ok = h->ip_version == 6 ? read_v6(ip, size - h->l2_size, h, &f) : read_v4(ip, h, &f);
	if (ok)
		*ret = f;
	return ok;
}

uint64_t dp_frag_hash(const struct dp_frag_key *key, const uint64_t secret[5])
{
	uint64_t words[5];

	memcpy(words, key, sizeof(words));
	return dp_nh_finish(dp_nh(words, 5, secret));
}

/* ---- Lists ---- */

static void put_last(struct dp_frags *f, struct list *l, uint16_t i)
{
	f->packets[i].older = l->newest;
	f->packets[i].newer = 0;
	if (l->newest != 0)
		f->packets[l->newest].newer = i;
	else
		l->oldest = i;
	l->newest = i;
}

static void take_out(struct dp_frags *f, struct list *l, uint16_t i)
{
	const struct packet *p = &f->packets[i];

	if (p->older != 0)
		f->packets[p->older].newer = p->newer;
	else
		l->oldest = p->newer;
	if (p->newer != 0)
		f->packets[p->newer].older = p->older;
	else
		l->newest = p->older;
}

static void unchain(struct dp_frags *f, uint16_t i)
{
	uint16_t *at = &f->heads[f->packets[i].hash % N_HEADS];

	while (*at != i)
		at = &f->packets[*at].next;
	*at = f->packets[i].next;
}

static uint16_t find(const struct dp_frags *f, const struct dp_frag_key *key, uint32_t hash)
{
	uint16_t i = f->heads[hash % N_HEADS];

	while (i != 0 &&
	       (f->packets[i].hash != hash || memcmp(&f->packets[i].key, key, sizeof(*key)) != 0))
		i = f->packets[i].next;
	return i;
}

static uint16_t packet_new(struct dp_frags *f, const struct dp_frag_key *key, uint32_t hash,
			   uint32_t now)
{
	uint16_t i = f->free_packet;

	f->free_packet = f->packets[i].next;
	f->packets[i] = (struct packet){.key = *key,
					.hash = hash,
					.born = now,
					.next = f->heads[hash % N_HEADS]};
	f->heads[hash % N_HEADS] = i;
	put_last(f, &f->waiting, i);
	atomic_store_explicit(&f->n_packets, f->n_packets + 1, memory_order_relaxed);
	return i;
}

/* Its fragments are gone. */
static void packet_free(struct dp_frags *f, struct list *l, uint16_t i)
{
	unchain(f, i);
	take_out(f, l, i);
	f->packets[i].next = f->free_packet;
	f->free_packet = i;
	atomic_store_explicit(&f->n_packets, f->n_packets - 1, memory_order_relaxed);
}

/* Takes all fragments off a packet: 'fn' gets each. */
static void empty(struct dp_frags *f, struct packet *p,
		  void (*fn)(void *arg, const struct dp_frag_piece *piece), void *arg)
{
	while (p->first != 0) {
		struct dp_frag_piece *piece = &f->pieces[p->first];
		uint16_t i = p->first;

		p->first = piece->next;
		fn(arg, piece);
		piece->next = f->free_piece;
		f->free_piece = i;
	}
	f->n_bufs -= p->n_bufs;
	f->domain_bufs[p->key.domain] = (uint16_t)(f->domain_bufs[p->key.domain] - p->n_bufs);
	atomic_store_explicit(&f->n_pieces, f->n_pieces - p->n, memory_order_relaxed);
	p->n = p->n_bufs = 0;
	p->there = 0;
}

struct dropping {
	struct dp_frags *f;
	const struct dp_frag_key *key;
	enum dp_drop reason;
};

static void drop_one(void *arg, const struct dp_frag_piece *piece)
{
	const struct dropping *d = arg;

	d->f->drop(d->f->arg, piece, d->key, d->reason);
}

static void drop_all(struct dp_frags *f, struct packet *p, enum dp_drop reason)
{
	struct dropping d = {f, &p->key, reason};

	empty(f, p, drop_one, &d);
}

static void end(struct dp_frags *f, uint16_t i, enum dp_drop reason)
{
	drop_all(f, &f->packets[i], reason);
	packet_free(f, &f->waiting, i);
}

/* What still comes of it is dropped, until it would have ended. */
static void spoil(struct dp_frags *f, uint16_t i)
{
	drop_all(f, &f->packets[i], DP_DROP_FRAG_OVERLAP);
	f->packets[i].state = SPOILT;
}

/* ---- Room ---- */

/* The oldest packet of a tenant but 'mine'; 0: none. */
static uint16_t oldest_of(const struct dp_frags *f, uint16_t domain, uint16_t mine)
{
	uint16_t i = f->waiting.oldest;

	while (i != 0 && (i == mine || f->packets[i].n == 0 || f->packets[i].key.domain != domain))
		i = f->packets[i].newer;
	return i;
}

/* Of the oldest few, that of the tenant that holds most. */
static uint16_t greediest(const struct dp_frags *f, uint16_t mine)
{
	uint16_t best = 0, i = f->waiting.oldest;

	for (unsigned n = 0; i != 0 && n < LOOK_AT; i = f->packets[i].newer) {
		if (i == mine)
			continue;
		n++;
		if (best == 0 || f->domain_bufs[f->packets[i].key.domain] >
					 f->domain_bufs[f->packets[best].key.domain])
			best = i;
	}
	return best;
}

/* Others give way until 'n_bufs' more fit; 'mine' stays.  False: it must not be kept. */
static bool make_room(struct dp_frags *f, uint16_t domain, uint16_t mine, uint16_t n_bufs,
		      const struct dp_frag_bounds *b)
{
	uint16_t victim;

	if (n_bufs > b->domain_bufs || n_bufs > b->bufs)
		return false;
	while (f->domain_bufs[domain] + (uint32_t)n_bufs > b->domain_bufs) {
		victim = oldest_of(f, domain, mine);
		if (victim == 0)
			return false;
		end(f, victim, DP_DROP_FRAG_LIMIT);
	}
	while (f->n_bufs + n_bufs > b->bufs || f->free_piece == 0 ||
	       (mine == 0 && f->free_packet == 0)) {
		victim = greediest(f, mine);
		if (victim == 0)
			return false;
		end(f, victim, DP_DROP_FRAG_LIMIT);
	}
	return true;
}

/* ---- A fragment comes ---- */

static bool is_sound(const struct dp_frag *frag)
{
	uint32_t end = frag->offset * 8u + frag->size;

	return frag->size != 0 && end <= MAX_SIZE && (!frag->more || frag->size % 8 == 0);
}

/* Behind which of the packet's fragments it belongs (0: in front); false when it overlaps one. */
static bool place_of(const struct dp_frags *f, const struct packet *p, const struct dp_frag *frag,
		     uint16_t *ret_before, bool *ret_copy)
{
	uint32_t start = frag->offset * 8u, end = start + frag->size;
	uint16_t before = 0, i = p->first;

	*ret_copy = false;
	while (i != 0 && f->pieces[i].offset * 8u + f->pieces[i].size <= start) {
		before = i;
		i = f->pieces[i].next;
	}
	*ret_before = before;
	if (i == 0 || f->pieces[i].offset * 8u >= end)
		return true;
	*ret_copy = f->pieces[i].offset == frag->offset && f->pieces[i].size == frag->size;
	return false;
}

/* Does it agree with what was said about where the packet ends? */
static bool ends_right(const struct dp_frags *f, const struct packet *p, const struct dp_frag *frag)
{
	uint32_t end = frag->offset * 8u + frag->size;

	if (p->size != 0)
		return frag->more ? end < p->size : end == p->size;
	if (frag->more)
		return true;
	for (uint16_t i = p->first; i != 0; i = f->pieces[i].next)
		if (f->pieces[i].offset * 8u + f->pieces[i].size > end)
			return false;
	return true;
}

static void insert(struct dp_frags *f, struct packet *p, uint16_t before,
		   const struct dp_frag *frag, const struct dp_frag_piece *piece)
{
	uint16_t i = f->free_piece, *link = before != 0 ? &f->pieces[before].next : &p->first;
	struct dp_frag_piece *to = &f->pieces[i];

	f->free_piece = to->next;
	*to = *piece;
	to->offset = frag->offset;
	to->size = (uint16_t)frag->size;
	to->head = frag->head;
	to->next = *link;
	*link = i;
	p->n++;
	p->n_bufs = (uint16_t)(p->n_bufs + piece->n_bufs);
	p->there += frag->size;
	if (!frag->more)
		p->size = frag->offset * 8u + frag->size;
	f->n_bufs += piece->n_bufs;
	f->domain_bufs[p->key.domain] = (uint16_t)(f->domain_bufs[p->key.domain] + piece->n_bufs);
	atomic_store_explicit(&f->n_pieces, f->n_pieces + 1, memory_order_relaxed);
}

static bool is_outer(const struct packet *p)
{
	return (p->key.flags & DP_FRAG_OUTER) != 0;
}

static void is_whole(struct dp_frags *f, uint16_t i)
{
	take_out(f, &f->waiting, i);
	f->packets[i].state = WHOLE;
	put_last(f, &f->whole[is_outer(&f->packets[i])], i);
	atomic_store_explicit(&f->n_whole, f->n_whole + 1, memory_order_relaxed);
}

enum dp_drop dp_frags_add(struct dp_frags *f, const struct dp_frag *frag,
			  const struct dp_frag_piece *piece, const struct dp_frag_bounds *bounds,
			  uint32_t now)
{
	uint32_t hash = (uint32_t)dp_frag_hash(&frag->key, f->secret);
	uint16_t i = find(f, &frag->key, hash), before = 0;
	bool copy;

	if (!is_sound(frag) || piece->n_bufs == 0)
		return DP_DROP_FRAG_BAD;
	/* What is whole is on its way out already; another under its id is another packet, which
	 * comes too soon. */
	if (i != 0 && f->packets[i].state != WAITING)
		return DP_DROP_FRAG_OVERLAP;
	if (i != 0 && !place_of(f, &f->packets[i], frag, &before, &copy)) {
		if (!copy)
			spoil(f, i);
		return DP_DROP_FRAG_OVERLAP;
	}
	if (i != 0 && !ends_right(f, &f->packets[i], frag)) {
		spoil(f, i);
		return DP_DROP_FRAG_OVERLAP;
	}
	if (i != 0 && f->packets[i].n == DP_FRAG_MOST)
		return DP_DROP_FRAG_LIMIT;
	if (!make_room(f, frag->key.domain, i, piece->n_bufs, bounds))
		return DP_DROP_FRAG_LIMIT;
	if (i == 0)
		i = packet_new(f, &frag->key, hash, now);
	insert(f, &f->packets[i], before, frag, piece);
	if (f->packets[i].there == f->packets[i].size)
		is_whole(f, i);
	return DP_N_DROPS;
}

/* ---- Packets go ---- */

static void keep_one(void *arg, const struct dp_frag_piece *piece)
{
	struct dp_frag_packet *to = arg;

	to->pieces[to->n++] = *piece;
}

bool dp_frags_take(struct dp_frags *f, bool outer, struct dp_frag_packet *ret)
{
	uint16_t i = f->whole[outer].oldest;

	if (i == 0)
		return false;
	ret->key = f->packets[i].key;
	ret->size = f->packets[i].size;
	ret->n = 0;
	empty(f, &f->packets[i], keep_one, ret);
	packet_free(f, &f->whole[outer], i);
	return true;
}

void dp_frags_expire(struct dp_frags *f, uint32_t now, uint32_t ticks)
{
	uint16_t i;

	while ((i = f->waiting.oldest) != 0 && now - f->packets[i].born >= ticks)
		end(f, i, DP_DROP_FRAG_TIMEOUT);
}

void dp_frags_purge(struct dp_frags *f, bool (*gone)(void *arg, const struct dp_frag_piece *piece),
		    void *arg)
{
	for (uint16_t i = f->waiting.oldest, newer; i != 0; i = newer) {
		uint16_t k = f->packets[i].first;

		newer = f->packets[i].newer;
		while (k != 0 && !gone(arg, &f->pieces[k]))
			k = f->pieces[k].next;
		if (k != 0)
			end(f, i, DP_DROP_PORT_REMOVED);
	}
}

bool dp_frags_idle(const struct dp_frags *f)
{
	return atomic_load_explicit(&f->n_packets, memory_order_relaxed) == 0;
}

bool dp_frags_has_whole(const struct dp_frags *f, bool outer)
{
	return f->whole[outer].oldest != 0;
}

/* ---- Memory ---- */

int dp_frags_create(const uint64_t secret[5], dp_frag_drop_fn drop, void *arg,
		    struct dp_frags **ret_frags)
{
	struct dp_frags *f = dp_region_reserve(sizeof(*f));

	if (f == NULL)
		return -ENOMEM;
	dp_region_populate(f, sizeof(*f));
	memcpy(f->secret, secret, sizeof(f->secret));
	f->drop = drop;
	f->arg = arg;
	for (uint16_t i = DP_FRAG_PACKETS; i != 0; i--) {
		f->packets[i].next = f->free_packet;
		f->free_packet = i;
	}
	for (uint16_t i = DP_FRAG_PIECES; i != 0; i--) {
		f->pieces[i].next = f->free_piece;
		f->free_piece = i;
	}
	*ret_frags = f;
	return 0;
}

void dp_frags_destroy(struct dp_frags *f)
{
	struct dp_frag_packet whole;

	if (f == NULL)
		return;
	while (f->waiting.oldest != 0)
		end(f, f->waiting.oldest, DP_DROP_PORT_REMOVED);
	while (dp_frags_take(f, false, &whole) || dp_frags_take(f, true, &whole))
		for (uint16_t i = 0; i < whole.n; i++)
			f->drop(f->arg, &whole.pieces[i], &whole.key, DP_DROP_PORT_REMOVED);
	dp_region_free(f, sizeof(*f));
}

void dp_frags_stats(const struct dp_frags *f, struct dp_frags_stats *ret)
{
	*ret = (struct dp_frags_stats){
		.packets = atomic_load_explicit(&f->n_packets, memory_order_relaxed),
		.pieces = atomic_load_explicit(&f->n_pieces, memory_order_relaxed),
		.whole = atomic_load_explicit(&f->n_whole, memory_order_relaxed),
	};
}
