/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What becomes of entries: the control thread looks at a part of the tables at a time, while
 * workers count in them.  See flowrec.h.
 *
 * A conversation is all entries of one tuple and its reverse, in all tables: a flow's frames may
 * come by several workers, its answers come by another port.  It is idle when all of them are, and
 * is reported as one record.  An idle one is first marked (DYING), which no worker counts in any
 * more once it was quiescent; then it is read for the last time, and its places are free.
 */
#include "dataplane/dp_priv.h"
#include "dataplane/flowrec_priv.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_rcu_qsbr.h>

#include "ctl/base/clock.h"

#define LOOK_AT	   32768u /* places a call */
#define GROUP_MOST 64u
#define CLOSED_MS  1000u /* after FIN or RST */
#define PRESSED_MS 1000u /* idle so long gives way in a table that is nearly full */
#define ALONE_MS   200u	 /* a single frame: a scan's, a flood's */

#define TCP_FIN	     0x01u
#define TCP_RST	     0x04u
#define PROTO_ICMP   1u
#define PROTO_TCP    6u
#define PROTO_ICMPV6 58u

/* An entry and what is known of it. */
struct member {
	struct flowrec_table *table;
	uint32_t slot;
	unsigned worker;
	bool back; /* of the answers to who was asked about */
};

struct group {
	unsigned n;
	struct member members[GROUP_MOST];
};

/* One moment, as workers' clock and as people's. */
struct now {
	uint64_t tsc, hz, ms;
};

static struct now now_of(const struct dp_flowrec_set *set)
{
	return (struct now){rte_rdtsc(), set->dp->tsc_hz, clock_wall_ns() / 1000000u};
}

static uint64_t ms_ago(const struct now *now, uint64_t tsc)
{
	uint64_t ago = now->tsc > tsc ? now->tsc - tsc : 0;

	return ago / (now->hz / 1000 != 0 ? now->hz / 1000 : 1);
}

static uint64_t to_ms(const struct now *now, uint64_t tsc)
{
	uint64_t ago = ms_ago(now, tsc);

	return now->ms > ago ? now->ms - ago : 0;
}

static uint64_t get(const _Atomic uint64_t *p)
{
	return atomic_load_explicit(p, memory_order_relaxed);
}

static struct flowrec_entry *entry_of(const struct member *m)
{
	return &m->table->entries[m->slot];
}

static struct flowrec_told *told_of(const struct member *m)
{
	return &m->table->told[m->slot];
}

static void key_of(const struct flowrec_entry *e, struct flowrec_key *ret)
{
	memcpy(ret->w, e->key, sizeof(e->key));
	memset(ret->w + FLOWREC_V4_WORDS, 0, sizeof(ret->w) - sizeof(e->key));
	if (flowrec_family(e->key) != 4)
		memcpy(ret->w + FLOWREC_V4_WORDS, e->key_rest, sizeof(e->key_rest));
}

/* ---- Conversations ---- */

/* The same but for ingress port and DSCP? */
static bool same_tuple(const struct flowrec_entry *e, const struct flowrec_key *key)
{
	struct flowrec_key masked = *key;

	masked.w[0] = (key->w[0] & ~FLOWREC_NOT_HASHED) | (e->key[0] & FLOWREC_NOT_HASHED);
	return flowrec_same(e, &masked);
}

static void add_bucket(struct group *g, struct flowrec_table *t, unsigned worker, uint32_t bucket,
		       const struct flowrec_key *key, uint16_t tag, enum flowrec_state state,
		       bool back)
{
	unsigned bits = flowrec_tags(&t->buckets[bucket], tag);

	for (; bits != 0 && g->n < GROUP_MOST; bits &= bits - 1) {
		uint32_t slot = bucket * FLOWREC_SLOTS + (unsigned)__builtin_ctz(bits);
		struct flowrec_entry *e = &t->entries[slot];

		if (atomic_load_explicit(&e->state, memory_order_acquire) == state &&
		    same_tuple(e, key))
			g->members[g->n++] = (struct member){t, slot, worker, back};
	}
}

static void add_all(struct group *g, struct dp_flowrec_set *set, const struct flowrec_key *key,
		    enum flowrec_state state, bool back)
{
	uint64_t hash = flowrec_hash(set->dp->flowrec_secret, key);

	for (unsigned i = 0; i < DP_MAX_WORKERS; i++) {
		struct flowrec_table *t =
			atomic_load_explicit(&set->tables[i], memory_order_relaxed);
		uint32_t first, second;

		if (t == NULL)
			continue;
		first = flowrec_bucket_of(t, hash, 0);
		second = flowrec_bucket_of(t, hash, 1);
		add_bucket(g, t, i, first, key, flowrec_tag(hash), state, back);
		if (second != first)
			add_bucket(g, t, i, second, key, flowrec_tag(hash), state, back);
	}
}

/* All that are of the conversation of an entry and in 'state'. */
static void group_of(struct dp_flowrec_set *set, const struct flowrec_entry *e,
		     enum flowrec_state state, struct group *ret)
{
	struct flowrec_key key, back;

	ret->n = 0;
	key_of(e, &key);
	add_all(ret, set, &key, state, false);
	if (flowrec_key_back(&key, &back) && flowrec_hash(set->dp->flowrec_secret, &back) !=
						     flowrec_hash(set->dp->flowrec_secret, &key))
		add_all(ret, set, &back, state, true);
}

/* ---- Records ---- */

/* What came since the last time, added to 'half'; 'whole': since the entry was made, and nothing is
 * taken. */
static void take(const struct member *m, const struct now *now, bool whole,
		 struct dp_flowrec_half *half)
{
	const struct flowrec_entry *e = entry_of(m);
	struct flowrec_told *told = told_of(m), zero = {0}, *base = whole ? &zero : told;
	/* Bytes before packets: who counts meanwhile counts packets first. */
	uint64_t bytes = get(&e->bytes), packets = get(&e->packets);
	uint64_t dropped = get(&e->dropped_packets), dropped_bytes = get(&e->dropped_bytes);
	uint64_t start = to_ms(now, base->tsc != 0 ? base->tsc : e->first_tsc);
	uint64_t last = get(&e->last_tsc), end;
	uint16_t drop = atomic_load_explicit(&e->drop, memory_order_relaxed);

	if (base->tsc != 0 && last < base->tsc)
		last = base->tsc;
	end = to_ms(now, last);
	if (half->start_ms == 0 || start < half->start_ms)
		half->start_ms = start;
	if (end > half->end_ms)
		half->end_ms = end;
	if (half->end_ms < half->start_ms)
		half->end_ms = half->start_ms;
	half->packets += packets - base->packets;
	half->bytes += bytes - base->bytes;
	half->dropped_packets += dropped - base->dropped_packets;
	half->dropped_bytes += dropped_bytes - base->dropped_bytes;
	half->tcp_flags |= atomic_load_explicit(&e->tcp_flags, memory_order_relaxed);
	if (dropped != base->dropped_packets)
		half->drop = drop;
	if (!whole)
		*told = (struct flowrec_told){packets, bytes, dropped, dropped_bytes, now->tsc};
}

static bool is_nothing(const struct dp_flowrec_half *half)
{
	return half->packets == 0 && half->dropped_packets == 0;
}

static void put_addresses(const struct flowrec_entry *e, struct dp_flowrec_record *r)
{
	unsigned family = r->family;

	if (family == 4) {
		memcpy(r->src, &e->key[2], 4);
		memcpy(r->dst, (const char *)&e->key[2] + 4, 4);
	} else if (family == 6) {
		memcpy(r->src, &e->key[2], 8);
		memcpy(r->src + 8, &e->key_rest[0], 8);
		memcpy(r->dst, &e->key_rest[1], 16);
	}
	memcpy(r->src_mac, e->src_mac, 6);
	memcpy(r->dst_mac, e->dst_mac, 6);
}

/* The key of an entry as a record says it. */
static void put_key(const struct flowrec_entry *e, struct dp_flowrec_record *r)
{
	uint16_t sport = rte_be_to_cpu_16((uint16_t)(e->key[0] >> 32));
	uint16_t dport = rte_be_to_cpu_16((uint16_t)(e->key[0] >> 48));

	r->family = (uint8_t)flowrec_family(e->key);
	r->proto = (uint8_t)(e->key[0] >> 16);
	r->domain = (uint16_t)e->key[1];
	r->vlan = (uint16_t)(e->key[1] >> 16);
	r->eth_type = (uint16_t)(e->key[1] >> 32);
	r->sport = sport;
	r->dport = dport;
	if ((r->family == 4 && r->proto == PROTO_ICMP) ||
	    (r->family == 6 && r->proto == PROTO_ICMPV6)) {
		r->sport = 0;
		r->dport = (uint16_t)(sport << 8 | (dport & 0xff));
	}
	put_addresses(e, r);
}

static void put_half_key(const struct member *m, struct dp_flowrec_half *half)
{
	const struct flowrec_entry *e = entry_of(m);

	half->port = (uint16_t)e->key[0];
	half->tos = (uint8_t)(e->key[0] >> 24);
	half->drop = DP_N_DROPS;
}

/* Who spoke first asks; of both at once, in doubt, the one towards the lower port. */
static const struct member *first_of(const struct group *g)
{
	const struct member *first = &g->members[0];

	for (unsigned i = 1; i < g->n; i++) {
		const struct member *m = &g->members[i];
		uint64_t a = entry_of(m)->first_tsc, b = entry_of(first)->first_tsc;

		if (a < b || (a == b && m->back != first->back &&
			      rte_be_to_cpu_16((uint16_t)(entry_of(m)->key[0] >> 48)) <
				      rte_be_to_cpu_16((uint16_t)(entry_of(first)->key[0] >> 48))))
			first = m;
	}
	return first;
}

static const struct member *first_on(const struct group *g, bool back)
{
	const struct member *first = NULL;

	for (unsigned i = 0; i < g->n; i++)
		if (g->members[i].back == back &&
		    (first == NULL ||
		     entry_of(&g->members[i])->first_tsc < entry_of(first)->first_tsc))
			first = &g->members[i];
	return first;
}

/* Makes the record of a conversation and hands it on, unless there is nothing to say. */
static void tell(const struct group *g, const struct now *now, enum dp_flowrec_end end, bool whole,
		 dp_flowrec_fn fn, void *arg)
{
	const struct member *asks = first_of(g), *answers = first_on(g, !asks->back);
	struct dp_flowrec_record r = {.end = end, .has_back = answers != NULL};

	put_half_key(asks, &r.there);
	if (answers != NULL)
		put_half_key(answers, &r.back);
	for (unsigned i = 0; i < g->n; i++)
		take(&g->members[i], now, whole,
		     g->members[i].back == asks->back ? &r.there : &r.back);
	if (is_nothing(&r.there) && r.has_back && !is_nothing(&r.back)) {
		/* Only answers: a record of these alone. */
		asks = answers;
		r.there = r.back;
		r.has_back = false;
	}
	if (r.has_back && is_nothing(&r.back))
		r.has_back = false;
	if (is_nothing(&r.there))
		return;
	put_key(entry_of(asks), &r);
	fn(arg, &r);
}

/* ---- Who is due ---- */

static bool is_pressed(const struct flowrec_table *t)
{
	uint64_t slots = ((uint64_t)t->mask + 1) * FLOWREC_SLOTS;

	return get(&t->made) - t->freed > slots / 4 * 3;
}

/* How long none of them was heard of. */
static uint64_t idle_ms(const struct group *g, const struct now *now)
{
	uint64_t last = 0;

	for (unsigned i = 0; i < g->n; i++)
		if (get(&entry_of(&g->members[i])->last_tsc) > last)
			last = get(&entry_of(&g->members[i])->last_tsc);
	return ms_ago(now, last);
}

/* TCP ended: somebody reset it, or all who spoke said that they are done. */
static bool is_closed(const struct group *g)
{
	uint16_t flags[2] = {0, 0};
	bool seen[2] = {false, false};

	if (((entry_of(&g->members[0])->key[0] >> 16) & 0xff) != PROTO_TCP)
		return false;
	for (unsigned i = 0; i < g->n; i++) {
		const struct member *m = &g->members[i];

		seen[m->back] = true;
		flags[m->back] |=
			atomic_load_explicit(&entry_of(m)->tcp_flags, memory_order_relaxed);
	}
	if (((flags[0] | flags[1]) & TCP_RST) != 0)
		return true;
	for (unsigned i = 0; i < 2; i++)
		if (seen[i] && (flags[i] & TCP_FIN) == 0)
			return false;
	return true;
}

/* Why the conversation ends now; 0: it does not. */
static unsigned ends(const struct dp_flowrec_set *set, const struct flowrec_entry *e, bool pressed,
		     const struct group *g, const struct now *now)
{
	uint64_t idle = idle_ms(g, now);

	if (idle >= CLOSED_MS && is_closed(g))
		return DP_FLOWREC_CLOSED;
	if (idle >= set->opts.inactive_ms)
		return DP_FLOWREC_IDLE;
	if (pressed &&
	    (idle >= PRESSED_MS || (g->n == 1 && get(&e->packets) <= 1 && idle >= ALONE_MS)))
		return DP_FLOWREC_FULL;
	return 0;
}

/* Could ends() say so?  Asked first, for it looks at one entry. */
static bool may_end(const struct dp_flowrec_set *set, const struct flowrec_entry *e, bool pressed,
		    uint64_t idle)
{
	uint16_t flags = atomic_load_explicit(&e->tcp_flags, memory_order_relaxed);

	return idle >= set->opts.inactive_ms ||
	       (idle >= CLOSED_MS && (pressed || (flags & (TCP_FIN | TCP_RST)) != 0)) ||
	       (pressed && idle >= ALONE_MS && get(&e->packets) <= 1);
}

static uint64_t active_ms(const struct flowrec_entry *e, const struct flowrec_told *told,
			  const struct now *now)
{
	return ms_ago(now, told->tsc != 0 ? told->tsc : e->first_tsc);
}

static void mark(struct dp_flowrec_set *set, const struct group *g, unsigned end)
{
	for (unsigned i = 0; i < g->n; i++) {
		const struct member *m = &g->members[i];

		atomic_store_explicit(&entry_of(m)->state, FLOWREC_DYING, memory_order_relaxed);
		set->dying[set->n_dying++] =
			(struct flowrec_dying){m->slot, (uint8_t)m->worker, (uint8_t)end};
	}
}

static void look_at(struct dp_flowrec_set *set, struct flowrec_table *t, uint32_t slot,
		    bool pressed, const struct now *now, dp_flowrec_fn fn, void *arg)
{
	struct flowrec_entry *e = &t->entries[slot];
	bool room = set->n_dying + GROUP_MOST <= FLOWREC_BURIALS, active;
	struct group g;
	unsigned end;

	if (atomic_load_explicit(&e->state, memory_order_acquire) != FLOWREC_LIVE)
		return;
	active = active_ms(e, &t->told[slot], now) >= set->opts.active_ms;
	if (!active && !(room && may_end(set, e, pressed, ms_ago(now, get(&e->last_tsc)))))
		return;
	group_of(set, e, FLOWREC_LIVE, &g);
	end = ends(set, e, pressed, &g, now);
	if (end != 0 && room)
		mark(set, &g, end);
	else if (active)
		tell(&g, now, DP_FLOWREC_ACTIVE, false, fn, arg);
}

static void look_around(struct dp_flowrec_set *set, const struct now *now, dp_flowrec_fn fn,
			void *arg)
{
	uint32_t slots = set->n_buckets * FLOWREC_SLOTS, left = LOOK_AT;

	for (unsigned passed = 0; passed <= DP_MAX_WORKERS && left != 0;) {
		struct flowrec_table *t = atomic_load(&set->tables[set->at_worker]);
		bool pressed = t != NULL && is_pressed(t);

		for (; t != NULL && left != 0 && set->at_slot < slots; left--, set->at_slot++) {
			const struct flowrec_bucket *b = &t->buckets[set->at_slot / FLOWREC_SLOTS];

			if (atomic_load_explicit(&b->tags[set->at_slot % FLOWREC_SLOTS],
						 memory_order_acquire) != 0)
				look_at(set, t, set->at_slot, pressed, now, fn, arg);
		}
		if (t != NULL && set->at_slot < slots)
			return;
		set->at_slot = 0;
		set->at_worker = (set->at_worker + 1) % DP_MAX_WORKERS;
		passed++;
	}
}

/* ---- The end ---- */

static void free_all(const struct group *g)
{
	for (unsigned i = 0; i < g->n; i++) {
		const struct member *m = &g->members[i];

		*told_of(m) = (struct flowrec_told){0};
		atomic_store_explicit(&entry_of(m)->state, FLOWREC_FREE, memory_order_relaxed);
		atomic_store_explicit(
			&m->table->buckets[m->slot / FLOWREC_SLOTS].tags[m->slot % FLOWREC_SLOTS],
			0, memory_order_release);
		m->table->freed++;
	}
}

/* No worker counts in the dying any more. */
static void bury(struct dp_flowrec_set *set, const struct now *now, dp_flowrec_fn fn, void *arg)
{
	for (unsigned i = 0; i < set->n_dying; i++) {
		const struct flowrec_dying *d = &set->dying[i];
		struct flowrec_table *t = atomic_load(&set->tables[d->worker]);
		const struct flowrec_entry *e = &t->entries[d->slot];
		struct group g;

		/* With another of its conversation it went already. */
		if (atomic_load_explicit(&e->state, memory_order_relaxed) != FLOWREC_DYING)
			continue;
		group_of(set, e, FLOWREC_DYING, &g);
		tell(&g, now, (enum dp_flowrec_end)d->end, false, fn, arg);
		free_all(&g);
	}
	set->n_dying = 0;
}

void dp_flowrec_collect(struct dp_flowrec_set *set, dp_flowrec_fn fn, void *arg)
{
	struct now now = now_of(set);

	if (set->n_dying != 0) {
		if (rte_rcu_qsbr_check(set->dp->rcu, set->token, false) == 0)
			return;
		bury(set, &now, fn, arg);
	}
	look_around(set, &now, fn, arg);
	if (set->n_dying != 0)
		set->token = rte_rcu_qsbr_start(set->dp->rcu);
}

typedef void (*entry_fn)(struct dp_flowrec_set *set, struct flowrec_table *t, uint32_t slot,
			 const struct now *now, dp_flowrec_fn fn, void *arg);

static void each_entry(struct dp_flowrec_set *set, entry_fn what, dp_flowrec_fn fn, void *arg)
{
	struct now now = now_of(set);

	for (unsigned i = 0; i < DP_MAX_WORKERS; i++) {
		struct flowrec_table *t = atomic_load(&set->tables[i]);

		for (uint32_t slot = 0; t != NULL && slot < set->n_buckets * FLOWREC_SLOTS; slot++)
			if (atomic_load_explicit(&t->entries[slot].state, memory_order_acquire) ==
			    FLOWREC_LIVE)
				what(set, t, slot, &now, fn, arg);
	}
}

static void flush_one(struct dp_flowrec_set *set, struct flowrec_table *t, uint32_t slot,
		      const struct now *now, dp_flowrec_fn fn, void *arg)
{
	struct group g;

	group_of(set, &t->entries[slot], FLOWREC_LIVE, &g);
	tell(&g, now, DP_FLOWREC_FORCED, false, fn, arg);
	free_all(&g);
}

void dp_flowrec_flush(struct dp_flowrec_set *set, dp_flowrec_fn fn, void *arg)
{
	struct now now = now_of(set);

	bury(set, &now, fn, arg);
	each_entry(set, flush_one, fn, arg);
}

static void show_one(struct dp_flowrec_set *set, struct flowrec_table *t, uint32_t slot,
		     const struct now *now, dp_flowrec_fn fn, void *arg)
{
	struct group g;

	group_of(set, &t->entries[slot], FLOWREC_LIVE, &g);
	/* Once: with the first that a walk meets. */
	if (g.n != 0 && entry_of(first_of(&g)) == &t->entries[slot])
		tell(&g, now, DP_FLOWREC_ACTIVE, true, fn, arg);
}

void dp_flowrec_each(struct dp_flowrec_set *set, dp_flowrec_fn fn, void *arg)
{
	each_entry(set, show_one, fn, arg);
}
