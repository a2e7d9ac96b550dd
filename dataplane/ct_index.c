/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The connection table's index; see ct.h for the idea.
 *
 * Why two workers never keep two entries of one key: each puts its slot in before it looks for
 * others (sequentially consistent), so of any two at least one sees the other.  Who sees a LIVE
 * twin gives way.  Who sees a TENTATIVE one gives way if that has the lower number, and else makes
 * it DEAD; the other then fails to become LIVE and gives way.  If making it DEAD fails, it has
 * become LIVE meanwhile (or left by itself), and one looks again.
 */
#include "dataplane/ct_priv.h"

static inline uint32_t find_in(const struct dp_ct *ct, const struct dp_ct_bucket *b,
			       const uint64_t *key, uint32_t tag)
{
	for (uint32_t hits = dp_ct_tags(b, tag); hits != 0; hits &= hits - 1) {
		uint64_t slot =
			atomic_load_explicit(&b->slot[__builtin_ctz(hits)], memory_order_acquire);
		uint32_t i = (uint32_t)slot;

		/* The slot may have changed hands since. */
		if ((uint32_t)(slot >> 32) == tag && dp_ct_life(&ct->conns[i]) == DP_CT_LIVE &&
		    dp_ct_key_equal(ct->conns[i].key, key))
			return i;
	}
	return 0;
}

uint32_t dp_ct_find(const struct dp_ct *ct, const uint64_t *key, uint64_t hash)
{
	const struct dp_ct_bucket *b = dp_ct_first(ct, hash);
	uint32_t tag = dp_ct_tag(hash), i = find_in(ct, b, key, tag);

	if (i != 0 || atomic_load_explicit(&b->spilled, memory_order_acquire) == 0)
		return i;
	return find_in(ct, dp_ct_second(ct, hash), key, tag);
}

static bool claim(struct dp_ct_bucket *b, uint64_t value)
{
	for (unsigned i = 0; i < DP_CT_SLOTS; i++) {
		uint64_t empty = 0;

		if (atomic_load_explicit(&b->slot[i], memory_order_relaxed) == 0 &&
		    atomic_compare_exchange_strong(&b->slot[i], &empty, value))
			return true;
	}
	return false;
}

static bool give_up(struct dp_ct_bucket *b, uint64_t value)
{
	for (unsigned i = 0; i < DP_CT_SLOTS; i++) {
		if (atomic_load_explicit(&b->slot[i], memory_order_relaxed) == value) {
			atomic_store_explicit(&b->slot[i], 0, memory_order_release);
			return true;
		}
	}
	return false;
}

static bool slot_put(struct dp_ct *ct, uint64_t hash, uint32_t i)
{
	struct dp_ct_bucket *first = dp_ct_first(ct, hash), *second = dp_ct_second(ct, hash);
	uint64_t value = (uint64_t)dp_ct_tag(hash) << 32 | i;

	if (claim(first, value))
		return true;
	/* Before it is there: who looks must not miss it. */
	atomic_fetch_add(&first->spilled, 1);
	if (second != first && claim(second, value))
		return true;
	atomic_fetch_sub(&first->spilled, 1);
	return false;
}

static void slot_drop(struct dp_ct *ct, uint64_t hash, uint32_t i)
{
	struct dp_ct_bucket *first = dp_ct_first(ct, hash);
	uint64_t value = (uint64_t)dp_ct_tag(hash) << 32 | i;

	if (!give_up(first, value) && give_up(dp_ct_second(ct, hash), value))
		atomic_fetch_sub(&first->spilled, 1);
}

/* Another entry of this key that is not dead, or 0. */
static uint32_t twin_in(const struct dp_ct *ct, const struct dp_ct_bucket *b, const uint64_t *key,
			uint32_t tag, uint32_t self)
{
	for (unsigned s = 0; s < DP_CT_SLOTS; s++) {
		uint64_t slot = atomic_load(&b->slot[s]);
		const struct dp_ct_conn *c = &ct->conns[(uint32_t)slot];
		uint32_t life;

		if ((uint32_t)(slot >> 32) != tag || (uint32_t)slot == self)
			continue;
		life = atomic_load(&c->state) & DP_CT_LIFE;
		if ((life == DP_CT_TENTATIVE || life == DP_CT_LIVE) && dp_ct_key_equal(c->key, key))
			return (uint32_t)slot;
	}
	return 0;
}

static uint32_t twin(const struct dp_ct *ct, uint64_t hash, const uint64_t *key, uint32_t self)
{
	const struct dp_ct_bucket *first = dp_ct_first(ct, hash);
	uint32_t tag = dp_ct_tag(hash), i = twin_in(ct, first, key, tag, self);

	/* Who is counted as spilled after this has yet to look, and finds us. */
	if (i != 0 || atomic_load(&first->spilled) == 0)
		return i;
	return twin_in(ct, dp_ct_second(ct, hash), key, tag, self);
}

static bool change_life(struct dp_ct_conn *c, uint32_t from, uint32_t to)
{
	uint32_t state = atomic_load(&c->state);

	while ((state & DP_CT_LIFE) == from)
		if (atomic_compare_exchange_weak(&c->state, &state, (state & ~DP_CT_LIFE) | to))
			return true;
	return false;
}

bool dp_ct_insert(struct dp_ct *ct, uint32_t i, uint64_t hash, uint32_t *ret_twin)
{
	struct dp_ct_conn *c = &ct->conns[i];
	uint32_t other;

	*ret_twin = 0;
	if (!slot_put(ct, hash, i))
		return false;
	while ((other = twin(ct, hash, c->key, i)) != 0) {
		struct dp_ct_conn *o = &ct->conns[other];

		if (other < i || dp_ct_life(o) == DP_CT_LIVE)
			break;
		change_life(o, DP_CT_TENTATIVE, DP_CT_DEAD);
	}
	if (other == 0 && change_life(c, DP_CT_TENTATIVE, DP_CT_LIVE))
		return true;
	*ret_twin = other != 0 ? other : twin(ct, hash, c->key, i);
	atomic_store(&c->state, DP_CT_DEAD);
	slot_drop(ct, hash, i);
	return false;
}

void dp_ct_withdraw(struct dp_ct *ct, struct dp_ct_local *local, uint32_t i)
{
	if (!change_life(&ct->conns[i], DP_CT_LIVE, DP_CT_DEAD))
		return;
	slot_drop(ct, dp_ct_hash(ct, ct->conns[i].key), i);
	dp_ct_entry_retire(ct, local, i);
}

bool dp_ct_kill(struct dp_ct *ct, struct dp_ct_local *local, uint32_t i, enum dp_ct_counter why)
{
	struct dp_ct_conn *c = &ct->conns[i];
	uint32_t other;

	if (!change_life(c, DP_CT_LIVE, DP_CT_DEAD))
		return false;
	slot_drop(ct, dp_ct_hash(ct, c->key), i);
	other = atomic_load_explicit(&c->other, memory_order_relaxed);
	if (other != 0)
		dp_ct_withdraw(ct, local, other);
	dp_ct_unexpect(ct, local, i);
	dp_ct_discharge(ct, c);
	dp_ct_entry_retire(ct, local, i);
	DP_CT_COUNT(local, ENDED);
	atomic_store_explicit(&local->counters[why],
			      atomic_load_explicit(&local->counters[why], memory_order_relaxed) + 1,
			      memory_order_relaxed);
	return true;
}
