/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See guard_book.h.
 *
 * 	tag      0 free ─ take ─► BUSY ─ fill ─► tag of the address ─ take ─► BUSY ─► 0
 * 	                                              └ renew: BUSY and back ┘
 * 	sequence odd while the words are not those of one binding
 *
 * A renewal changes single words, so what a reader sees during one is whole.
 */
#include "dataplane/guard_book.h"

#include "dataplane/hash.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>

#define WAYS	  16u
#define N_BUCKETS (DP_GUARD_BOOK_SIZE / WAYS)
#define BUSY	  1u
#define TRIES	  1000u
#define TICK_MS	  1000u

#define ASK_WAYS 4u
#define N_ASKS	 4096u /* sets of ASK_WAYS */
#define ASK_MS	 60000u

struct slot {
	_Atomic uint32_t seq;
	_Atomic uint32_t refs; /* of a fixed one */
	_Atomic uint64_t ip[2];
	_Atomic uint64_t who;	/* MAC 48 bits, port */
	_Atomic uint64_t where; /* where, how << 32, v6 << 40 */
	_Atomic uint64_t until;
} __attribute__((aligned(64)));

/* Both words are one: the second is the first's key exclusive or'ed with it. */
struct ask {
	_Atomic uint64_t value; /* milliseconds << 16 | port */
	_Atomic uint64_t mixed;
};

struct dp_guard_book {
	_Atomic uint32_t tags[N_BUCKETS][WAYS] __attribute__((aligned(64)));
	struct slot slots[N_BUCKETS][WAYS];
	struct ask asks[N_ASKS][ASK_WAYS];
	_Atomic uint32_t n_learned[2][DP_MAX_PORTS]; /* others, link-local */
	_Atomic uint64_t version;
	uint64_t ticked_ms; /* control thread's */
	uint64_t secret[8];
};

/* Where an address may stand. */
struct place {
	uint32_t tag, buckets[2];
};

struct seen {
	struct dp_guard_binding b;
	uint32_t where, refs;
};

struct dp_guard_book *dp_guard_book_create(void)
{
	struct dp_guard_book *book = mmap(NULL, sizeof(*book), PROT_READ | PROT_WRITE,
					  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (book == MAP_FAILED)
		return NULL;
	if (getrandom(book->secret, sizeof(book->secret), 0) != sizeof(book->secret)) {
		munmap(book, sizeof(*book));
		return NULL;
	}
	return book;
}

void dp_guard_book_destroy(struct dp_guard_book *book)
{
	if (book != NULL)
		munmap(book, sizeof(*book));
}

uint64_t dp_guard_book_version(const struct dp_guard_book *book)
{
	return atomic_load(&book->version);
}

/* ---- Slots ---- */

static struct place place_of(const struct dp_guard_book *book, uint32_t where,
			     const struct dp_ip *ip)
{
	const uint64_t words[4] = {ip->w[0], ip->w[1], where, ip->v6};
	uint64_t hash = dp_nh_finish(dp_nh(words, 4, book->secret));
	struct place p = {.tag = (uint32_t)(hash >> 32) | 2u};

	p.buckets[0] = (uint32_t)hash % N_BUCKETS;
	p.buckets[1] = (uint32_t)(dp_nh_finish(hash ^ book->secret[4]) >> 20) % N_BUCKETS;
	return p;
}

/* What a slot says; false: nothing, or it is being changed. */
static bool look(const struct slot *s, struct seen *ret)
{
	uint32_t seq = atomic_load_explicit(&s->seq, memory_order_acquire);
	uint64_t who, where;
	struct seen e = {0};

	if ((seq & 1) != 0)
		return false;
	e.b.ip.w[0] = atomic_load_explicit(&s->ip[0], memory_order_relaxed);
	e.b.ip.w[1] = atomic_load_explicit(&s->ip[1], memory_order_relaxed);
	who = atomic_load_explicit(&s->who, memory_order_relaxed);
	where = atomic_load_explicit(&s->where, memory_order_relaxed);
	e.b.until_ms = atomic_load_explicit(&s->until, memory_order_relaxed);
	e.refs = atomic_load_explicit(&s->refs, memory_order_relaxed);
	atomic_thread_fence(memory_order_acquire);
	if (atomic_load_explicit(&s->seq, memory_order_relaxed) != seq)
		return false;
	memcpy(e.b.mac, &who, 6);
	e.b.port = (uint16_t)(who >> 48);
	e.where = (uint32_t)where;
	e.b.domain = (uint16_t)(e.where >> 16);
	e.b.vlan = (uint16_t)e.where;
	e.b.how = (uint8_t)(where >> 32);
	e.b.ip.v6 = (where >> 40 & 1) != 0;
	*ret = e;
	return (where >> 41 & 1) != 0;
}

static uint64_t who_word(uint16_t port, const uint8_t mac[6])
{
	uint64_t who = 0;

	memcpy(&who, mac, 6);
	return who | (uint64_t)port << 48;
}

static uint64_t where_word(uint32_t where, uint8_t how, bool v6)
{
	return where | (uint64_t)how << 32 | (uint64_t)v6 << 40 | UINT64_C(1) << 41;
}

/* The slot is this thread's until give().  'tag': what it must have now. */
static bool take(_Atomic uint32_t *at, uint32_t tag)
{
	for (unsigned i = 0; i < TRIES; i++) {
		uint32_t is = tag;

		if (atomic_compare_exchange_strong(at, &is, BUSY))
			return true;
		if (is != BUSY)
			return false;
	}
	return false;
}

static void give(_Atomic uint32_t *at, uint32_t tag)
{
	atomic_store(at, tag);
}

/* Fills a slot that was taken; all zeros: empties it. */
static void fill(struct slot *s, const struct dp_guard_binding *b, uint32_t where)
{
	uint32_t seq = atomic_load_explicit(&s->seq, memory_order_relaxed);

	atomic_store_explicit(&s->seq, seq + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	atomic_store_explicit(&s->refs, b != NULL && b->how == DP_GUARD_FIXED,
			      memory_order_relaxed);
	atomic_store_explicit(&s->ip[0], b != NULL ? b->ip.w[0] : 0, memory_order_relaxed);
	atomic_store_explicit(&s->ip[1], b != NULL ? b->ip.w[1] : 0, memory_order_relaxed);
	atomic_store_explicit(&s->who, b != NULL ? who_word(b->port, b->mac) : 0,
			      memory_order_relaxed);
	atomic_store_explicit(&s->where, b != NULL ? where_word(where, b->how, b->ip.v6) : 0,
			      memory_order_relaxed);
	atomic_store_explicit(&s->until, b != NULL ? b->until_ms : 0, memory_order_relaxed);
	atomic_store_explicit(&s->seq, seq + 2, memory_order_release);
}

static bool is_over(const struct dp_guard_binding *b, uint64_t now_ms)
{
	return b->until_ms != 0 && b->until_ms <= now_ms;
}

static _Atomic uint32_t *learned_of(struct dp_guard_book *book, const struct dp_ip *ip,
				    uint16_t port)
{
	return &book->n_learned[dp_guard_is_link_local(ip)][port % DP_MAX_PORTS];
}

/* ---- Looking up ---- */

/* Goes through all that stand under an address; stops where 'on' is true. */
#define EACH_SLOT(book, p, tag_at, slot)                                                           \
	for (unsigned k_ = 0; k_ < 2; k_++)                                                        \
		for (unsigned i_ = 0; i_ < WAYS; i_++)                                             \
			if (((tag_at) = &(book)->tags[(p).buckets[k_]][i_],                        \
			     (slot) = &(book)->slots[(p).buckets[k_]][i_],                         \
			     is_candidate((tag_at), (p).tag)))

static inline bool is_candidate(const _Atomic uint32_t *at, uint32_t tag)
{
	uint32_t is = atomic_load_explicit(at, memory_order_acquire);

	return is == tag || is == BUSY;
}

static bool is_key(const struct seen *e, uint32_t where, const struct dp_ip *ip)
{
	return e->where == where && dp_ip_equal(&e->b.ip, ip);
}

bool dp_guard_book_has(const struct dp_guard_book *book, uint32_t where, const struct dp_ip *ip,
		       uint16_t port, uint64_t now_ms, struct dp_guard_binding *ret)
{
	const struct place p = place_of(book, where, ip);
	const _Atomic uint32_t *at;
	const struct slot *s;
	struct seen e;

	EACH_SLOT(book, p, at, s)
	{
		if (!look(s, &e) || !is_key(&e, where, ip) || e.b.port != port ||
		    is_over(&e.b, now_ms))
			continue;
		if (ret != NULL)
			*ret = e.b;
		return true;
	}
	return false;
}

unsigned dp_guard_book_others(const struct dp_guard_book *book, uint32_t where,
			      const struct dp_ip *ip, uint16_t port, uint64_t now_ms,
			      struct dp_guard_binding *ret)
{
	const struct place p = place_of(book, where, ip);
	const _Atomic uint32_t *at;
	uint16_t first = DP_NO_PORT;
	const struct slot *s;
	unsigned n = 0;
	struct seen e;

	EACH_SLOT(book, p, at, s)
	{
		if (!look(s, &e) || !is_key(&e, where, ip) || e.b.port == port ||
		    e.b.port == first || is_over(&e.b, now_ms))
			continue;
		if (n++ == 0) {
			first = e.b.port;
			if (ret != NULL)
				*ret = e.b;
		}
	}
	return n < 2 ? n : 2;
}

/* ---- Writing ---- */

/* The slot of the port's binding of this kind, taken.  NULL: there is none.  'ret_at' is its tag's.
 */
static struct slot *take_own(struct dp_guard_book *book, const struct place *p, uint32_t where,
			     const struct dp_ip *ip, uint16_t port, bool fixed,
			     _Atomic uint32_t **ret_at)
{
	_Atomic uint32_t *at;
	struct slot *s;
	struct seen e;

	EACH_SLOT(book, *p, at, s)
	{
		if (!look(s, &e) || !is_key(&e, where, ip) || e.b.port != port ||
		    (e.b.how == DP_GUARD_FIXED) != fixed || !take(at, p->tag))
			continue;
		if (look(s, &e) && is_key(&e, where, ip) && e.b.port == port &&
		    (e.b.how == DP_GUARD_FIXED) == fixed) {
			*ret_at = at;
			return s;
		}
		give(at, p->tag);
	}
	return NULL;
}

static struct slot *take_free(struct dp_guard_book *book, const struct place *p,
			      _Atomic uint32_t **ret_at)
{
	for (unsigned i = 0; i < WAYS; i++) {
		/* Both buckets fill alike. */
		for (unsigned k = 0; k < 2; k++) {
			_Atomic uint32_t *at = &book->tags[p->buckets[k]][i];
			uint32_t is = 0;

			if (atomic_load_explicit(at, memory_order_relaxed) == 0 &&
			    atomic_compare_exchange_strong(at, &is, BUSY)) {
				*ret_at = at;
				return &book->slots[p->buckets[k]][i];
			}
		}
	}
	return NULL;
}

static int insert(struct dp_guard_book *book, const struct place *p,
		  const struct dp_guard_binding *b, uint32_t where)
{
	_Atomic uint32_t *at;
	struct slot *s = take_free(book, p, &at);

	if (s == NULL)
		return -ENOSPC;
	fill(s, b, where);
	give(at, p->tag);
	atomic_fetch_add(&book->version, 1);
	return 0;
}

/* Renews what the port has.  False: it has none. */
static bool renew(struct dp_guard_book *book, const struct place *p,
		  const struct dp_guard_binding *b, uint32_t where)
{
	_Atomic uint32_t *at;
	struct slot *s = take_own(book, p, where, &b->ip, b->port, false, &at);

	if (s == NULL)
		return false;
	atomic_store_explicit(&s->who, who_word(b->port, b->mac), memory_order_relaxed);
	atomic_store_explicit(&s->where, where_word(where, b->how, b->ip.v6), memory_order_relaxed);
	atomic_store_explicit(&s->until, b->until_ms, memory_order_relaxed);
	give(at, p->tag);
	atomic_fetch_add(&book->version, 1);
	return true;
}

int dp_guard_book_bind(struct dp_guard_book *book, const struct dp_guard_binding *b, uint32_t most,
		       uint64_t now_ms)
{
	const uint32_t where = dp_guard_where(b->domain, b->vlan);
	const struct place p = place_of(book, where, &b->ip);
	_Atomic uint32_t *learned = learned_of(book, &b->ip, b->port);
	int rc;

	if (dp_guard_book_others(book, where, &b->ip, b->port, now_ms, NULL) != 0)
		return -EEXIST;
	if (renew(book, &p, b, where))
		return 0;
	if (atomic_fetch_add(learned, 1) >= most && most != 0)
		rc = -ENOSPC;
	else
		rc = insert(book, &p, b, where);
	if (rc != 0) {
		atomic_fetch_sub(learned, 1);
		return rc;
	}
	/* Somebody else at the same moment?  Both may see it; then both let go. */
	if (dp_guard_book_others(book, where, &b->ip, b->port, now_ms, NULL) == 0)
		return 0;
	dp_guard_book_unbind(book, where, &b->ip, b->port);
	return -EAGAIN;
}

/* Empties a slot that was taken. */
static void empty(struct dp_guard_book *book, _Atomic uint32_t *at, struct slot *s)
{
	fill(s, NULL, 0);
	give(at, 0);
	atomic_fetch_add(&book->version, 1);
}

int dp_guard_book_unbind(struct dp_guard_book *book, uint32_t where, const struct dp_ip *ip,
			 uint16_t port)
{
	const struct place p = place_of(book, where, ip);
	_Atomic uint32_t *at;
	struct slot *s;
	int rc = -ENOENT;

	/* Two workers that bound the same at the same moment made two. */
	while ((s = take_own(book, &p, where, ip, port, false, &at)) != NULL) {
		empty(book, at, s);
		atomic_fetch_sub(learned_of(book, ip, port), 1);
		rc = 0;
	}
	return rc;
}

int dp_guard_book_fix(struct dp_guard_book *book, uint32_t where, const struct dp_ip *ip,
		      uint16_t port, const uint8_t mac[6])
{
	const struct place p = place_of(book, where, ip);
	struct dp_guard_binding b = {.ip = *ip, .port = port, .how = DP_GUARD_FIXED};
	_Atomic uint32_t *at;
	struct slot *s = take_own(book, &p, where, ip, port, true, &at);

	memcpy(b.mac, mac, 6);
	if (s == NULL)
		return insert(book, &p, &b, where);
	atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
	atomic_store_explicit(&s->who, who_word(port, mac), memory_order_relaxed);
	give(at, p.tag);
	return 0;
}

void dp_guard_book_unfix(struct dp_guard_book *book, uint32_t where, const struct dp_ip *ip,
			 uint16_t port)
{
	const struct place p = place_of(book, where, ip);
	_Atomic uint32_t *at;
	struct slot *s = take_own(book, &p, where, ip, port, true, &at);

	if (s == NULL)
		return;
	if (atomic_fetch_sub_explicit(&s->refs, 1, memory_order_relaxed) > 1)
		give(at, p.tag);
	else
		empty(book, at, s);
}

/* ---- All of it ---- */

uint32_t dp_guard_book_each(struct dp_guard_book *book, uint16_t port, dp_guard_binding_fn fn,
			    void *arg)
{
	uint32_t n = 0;
	struct seen e;

	for (uint32_t i = 0; i < DP_GUARD_BOOK_SIZE; i++) {
		uint32_t tag = atomic_load_explicit(&book->tags[0][0] + i, memory_order_acquire);

		if (tag == 0 || !look(&book->slots[0][0] + i, &e) ||
		    (port != DP_GUARD_ALL_PORTS && e.b.port != port))
			continue;
		n++;
		if (fn != NULL)
			fn(arg, &e.b);
	}
	return n;
}

struct over {
	struct dp_guard_book *book;
	uint64_t now_ms;
	bool all;
};

/* Unless it was renewed meanwhile. */
static void end(void *arg, const struct dp_guard_binding *b)
{
	const struct over *o = arg;
	const uint32_t where = dp_guard_where(b->domain, b->vlan);
	const struct place p = place_of(o->book, where, &b->ip);
	_Atomic uint32_t *at;
	struct slot *s;
	uint64_t until;

	if (b->how == DP_GUARD_FIXED || (!o->all && !is_over(b, o->now_ms)))
		return;
	s = take_own(o->book, &p, where, &b->ip, b->port, false, &at);
	if (s == NULL)
		return;
	until = atomic_load_explicit(&s->until, memory_order_relaxed);
	if (!o->all && (until == 0 || until > o->now_ms)) {
		give(at, p.tag);
		return;
	}
	empty(o->book, at, s);
	atomic_fetch_sub(learned_of(o->book, &b->ip, b->port), 1);
}

void dp_guard_book_expire(struct dp_guard_book *book, uint64_t now_ms)
{
	dp_guard_book_each(book, DP_GUARD_ALL_PORTS, end,
			   &(struct over){.book = book, .now_ms = now_ms});
}

void dp_guard_book_tick(struct dp_guard_book *book, uint64_t now_ms)
{
	if (now_ms - book->ticked_ms < TICK_MS)
		return;
	book->ticked_ms = now_ms;
	dp_guard_book_expire(book, now_ms);
}

void dp_guard_book_port_gone(struct dp_guard_book *book, uint16_t port)
{
	/* To go through all of it takes a while, and ports go by hundreds. */
	if (atomic_load(&book->n_learned[0][port]) == 0 &&
	    atomic_load(&book->n_learned[1][port]) == 0)
		return;
	dp_guard_book_each(book, port, end, &(struct over){.book = book, .all = true});
}

/* ---- Who asked ---- */

static uint64_t ask_key(const struct dp_guard_book *book, uint32_t where, const uint8_t mac[6],
			uint32_t xid)
{
	uint64_t words[2] = {0, (uint64_t)where << 32 | xid};

	memcpy(words, mac, 6);
	/* Zeros would be an entry that nobody made. */
	return dp_nh_finish(dp_nh(words, 2, book->secret + 4)) | 1;
}

void dp_guard_book_ask(struct dp_guard_book *book, uint32_t where, const uint8_t mac[6],
		       uint32_t xid, uint16_t port, uint64_t now_ms)
{
	uint64_t key = ask_key(book, where, mac, xid), value = now_ms << 16 | port;
	struct ask *set = book->asks[(key >> 32) % N_ASKS], *to = &set[0];

	for (unsigned i = 0; i < ASK_WAYS; i++) {
		uint64_t was = atomic_load_explicit(&set[i].value, memory_order_relaxed);

		if ((atomic_load_explicit(&set[i].mixed, memory_order_relaxed) ^ was) == key) {
			to = &set[i];
			break;
		}
		if (was < atomic_load_explicit(&to->value, memory_order_relaxed))
			to = &set[i];
	}
	atomic_store_explicit(&to->value, value, memory_order_relaxed);
	atomic_store_explicit(&to->mixed, value ^ key, memory_order_relaxed);
}

uint16_t dp_guard_book_asker(const struct dp_guard_book *book, uint32_t where, const uint8_t mac[6],
			     uint32_t xid, uint64_t now_ms)
{
	uint64_t key = ask_key(book, where, mac, xid);
	const struct ask *set = book->asks[(key >> 32) % N_ASKS];

	for (unsigned i = 0; i < ASK_WAYS; i++) {
		uint64_t value = atomic_load_explicit(&set[i].value, memory_order_relaxed);

		if ((atomic_load_explicit(&set[i].mixed, memory_order_relaxed) ^ value) == key &&
		    (value >> 16) + ASK_MS >= now_ms)
			return (uint16_t)value;
	}
	return DP_NO_PORT;
}
