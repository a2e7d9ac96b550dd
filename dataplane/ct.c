/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See ct.h: memory, what each thread holds, and the sweep.
 *
 * Free entries go between threads in chunks, by a stack whose head carries a turn, so that a chunk
 * that was taken and came back is not taken for one that stayed.
 */
#include "dataplane/ct_priv.h"
#include "dataplane/region.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include <rte_prefetch.h>
#include <rte_rcu_qsbr.h>

#define READY_STEP  262144u
#define SWEEP_TICKS 10u /* a whole sweep */
#define SWEEP_LEAST 4096u

/* ---- Memory (control thread) ---- */

static size_t buckets_size(const struct dp_ct *ct)
{
	return ((size_t)ct->mask + 1) * sizeof(ct->buckets[0]);
}

static void ready_more(struct dp_ct *ct)
{
	uint32_t ready = atomic_load(&ct->n_ready);
	/* A worker opens some hundred thousand until this is called again. */
	uint32_t fresh = atomic_load(&ct->n_fresh), want = 3 * fresh + READY_STEP;

	if (want > ct->limit)
		want = ct->limit;
	if (want <= ready)
		return;
	dp_region_populate(ct->conns + ready, (want - ready) * sizeof(ct->conns[0]));
	dp_region_populate((void *)(uintptr_t)(ct->due + ready),
			   (want - ready) * sizeof(ct->due[0]));
	atomic_store_explicit(&ct->n_ready, want, memory_order_release);
}

static bool reserve(struct dp_ct *ct)
{
	ct->buckets = dp_region_reserve(buckets_size(ct));
	ct->conns = dp_region_reserve(ct->limit * sizeof(ct->conns[0]));
	ct->due = dp_region_reserve(ct->limit * sizeof(ct->due[0]));
	ct->zones = calloc(DP_CT_ZONES, sizeof(ct->zones[0]));
	return ct->buckets != NULL && ct->conns != NULL && ct->due != NULL && ct->zones != NULL &&
	       getrandom(ct->secret, sizeof(ct->secret), 0) == (ssize_t)sizeof(ct->secret);
}

int dp_ct_create(uint32_t limit, struct rte_rcu_qsbr *rcu, struct dp_ct **ret_ct)
{
	size_t size = (sizeof(struct dp_ct) + 63) & ~(size_t)63;
	struct dp_ct *ct = aligned_alloc(64, size);
	uint32_t buckets = 64;

	if (ct == NULL)
		return -ENOMEM;
	memset(ct, 0, size);
	/* A quarter full when all entries are there: a second look is rare, and of a million one or
	 * two find both their buckets full. */
	while ((uint64_t)buckets * DP_CT_SLOTS < (uint64_t)limit * 3)
		buckets *= 2;
	ct->mask = buckets - 1;
	ct->limit = limit + 1; /* entry 0 is none */
	ct->rcu = rcu;
	if (!reserve(ct)) {
		dp_ct_destroy(ct);
		return -ENOMEM;
	}
	dp_region_populate(ct->buckets, buckets_size(ct));
	atomic_init(&ct->n_fresh, 1);
	ready_more(ct);
	for (unsigned i = 0; i < DP_CT_N_TIMEOUTS; i++)
		dp_ct_set_timeout(ct, (enum dp_ct_timeout)i,
				  dp_ct_timeout_usual((enum dp_ct_timeout)i));
	dp_ct_local_init(ct, &ct->own);
	*ret_ct = ct;
	return 0;
}

void dp_ct_destroy(struct dp_ct *ct)
{
	if (ct == NULL)
		return;
	dp_region_free(ct->buckets, buckets_size(ct));
	dp_region_free(ct->conns, ct->limit * sizeof(ct->conns[0]));
	dp_region_free((void *)(uintptr_t)ct->due, ct->limit * sizeof(ct->due[0]));
	free(ct->zones);
	free(ct);
}

/* ---- Entries of one thread ---- */

static void chunk_push(struct dp_ct *ct, uint32_t first)
{
	uint64_t head = atomic_load_explicit(&ct->free_chunks, memory_order_relaxed), next;

	do {
		atomic_store_explicit(&ct->conns[first].other, (uint32_t)head,
				      memory_order_relaxed);
		next = ((head >> 32) + 1) << 32 | first;
	} while (!atomic_compare_exchange_weak_explicit(&ct->free_chunks, &head, next,
							memory_order_release,
							memory_order_relaxed));
}

static uint32_t chunk_pop(struct dp_ct *ct)
{
	uint64_t head = atomic_load_explicit(&ct->free_chunks, memory_order_acquire), next;

	do {
		if ((uint32_t)head == 0)
			return 0;
		next = ((head >> 32) + 1) << 32 |
		       atomic_load_explicit(&ct->conns[(uint32_t)head].other, memory_order_relaxed);
	} while (!atomic_compare_exchange_weak_explicit(&ct->free_chunks, &head, next,
							memory_order_acquire,
							memory_order_acquire));
	return (uint32_t)head;
}

static void free_add(struct dp_ct *ct, struct dp_ct_local *local, uint32_t i)
{
	atomic_store_explicit(&ct->conns[i].state, DP_CT_FREE, memory_order_relaxed);
	ct->conns[i].next = local->free_first;
	local->free_first = i;
	local->n_free++;
}

/* What one thread has too much of, others may use. */
static void give_chunks(struct dp_ct *ct, struct dp_ct_local *local, uint32_t keep)
{
	while (local->n_free >= keep + DP_CT_CHUNK) {
		uint32_t first = local->free_first, last = first;

		for (unsigned n = 1; n < DP_CT_CHUNK; n++)
			last = ct->conns[last].next;
		local->free_first = ct->conns[last].next;
		local->n_free -= DP_CT_CHUNK;
		ct->conns[last].next = 0;
		chunk_push(ct, first);
	}
}

static bool take_chunk(struct dp_ct *ct, struct dp_ct_local *local)
{
	uint32_t i = chunk_pop(ct), fresh, n;

	if (i != 0) {
		local->free_first = i;
		while (i != 0) {
			local->n_free++;
			i = ct->conns[i].next;
		}
		return true;
	}
	fresh = atomic_load_explicit(&ct->n_fresh, memory_order_relaxed);
	do {
		n = atomic_load_explicit(&ct->n_ready, memory_order_acquire) - fresh;
		if (n == 0)
			return false;
		n = n < DP_CT_CHUNK ? n : DP_CT_CHUNK;
	} while (!atomic_compare_exchange_weak(&ct->n_fresh, &fresh, fresh + n));
	while (n-- > 0)
		free_add(ct, local, fresh + n);
	return true;
}

static void waiting_to_free(struct dp_ct *ct, struct dp_ct_local *local)
{
	while (local->waiting_first != 0) {
		uint32_t i = local->waiting_first;

		local->waiting_first = ct->conns[i].next;
		free_add(ct, local, i);
	}
	local->n_waiting = 0;
	give_chunks(ct, local, 2 * DP_CT_CHUNK);
}

/* Entries whose grace period is over become free, those that died since begin theirs. */
static void reclaim(struct dp_ct *ct, struct dp_ct_local *local)
{
	if (local->n_waiting != 0) {
		if (ct->rcu != NULL && rte_rcu_qsbr_check(ct->rcu, local->token, false) == 0)
			return;
		waiting_to_free(ct, local);
	}
	if (local->n_limbo == 0)
		return;
	local->waiting_first = local->limbo_first;
	local->n_waiting = local->n_limbo;
	local->limbo_first = 0;
	local->n_limbo = 0;
	if (ct->rcu != NULL)
		local->token = rte_rcu_qsbr_start(ct->rcu);
	else
		waiting_to_free(ct, local);
}

uint32_t dp_ct_entry_get(struct dp_ct *ct, struct dp_ct_local *local)
{
	uint32_t i;

	if (local->free_first == 0) {
		reclaim(ct, local);
		if (local->free_first == 0 && !take_chunk(ct, local))
			return 0;
	}
	i = local->free_first;
	local->free_first = ct->conns[i].next;
	local->n_free--;
	/* Whoever opens one connection opens more. */
	rte_prefetch0_write(&ct->conns[local->free_first]);
	rte_prefetch0_write(&ct->conns[local->free_first].dir);
	return i;
}

void dp_ct_entry_put(struct dp_ct *ct, struct dp_ct_local *local, uint32_t i)
{
	free_add(ct, local, i);
}

void dp_ct_entry_retire(struct dp_ct *ct, struct dp_ct_local *local, uint32_t i)
{
	atomic_store_explicit(&ct->due[i], 0, memory_order_relaxed);
	ct->conns[i].next = local->limbo_first;
	local->limbo_first = i;
	if (++local->n_limbo >= DP_CT_CHUNK)
		reclaim(ct, local);
}

void dp_ct_local_init(struct dp_ct *ct, struct dp_ct_local *local)
{
	memset(local, 0, sizeof(*local));
	getrandom(&local->random, sizeof(local->random), 0);
	local->random |= 1;
	for (unsigned i = 0; i < DP_CT_MAX_LOCALS; i++) {
		if (ct->locals[i] == NULL) {
			ct->locals[i] = local;
			return;
		}
	}
}

/* What a thread that ends leaves behind becomes the control thread's. */
void dp_ct_local_fini(struct dp_ct *ct, struct dp_ct_local *local)
{
	for (unsigned i = 0; i < DP_CT_MAX_LOCALS; i++)
		if (ct->locals[i] == local)
			ct->locals[i] = NULL;
	for (unsigned i = 0; i < DP_CT_N_COUNTERS; i++)
		ct->gone[i] += atomic_load(&local->counters[i]);
	for (uint32_t i = local->waiting_first, next; i != 0; i = next) {
		next = ct->conns[i].next;
		dp_ct_entry_retire(ct, &ct->own, i);
	}
	for (uint32_t i = local->limbo_first, next; i != 0; i = next) {
		next = ct->conns[i].next;
		dp_ct_entry_retire(ct, &ct->own, i);
	}
	for (uint32_t i = local->free_first, next; i != 0; i = next) {
		next = ct->conns[i].next;
		free_add(ct, &ct->own, i);
	}
	give_chunks(ct, &ct->own, 0);
	memset(local, 0, sizeof(*local));
}

/* ---- Time ---- */

void dp_ct_retime(struct dp_ct *ct, uint32_t i, uint32_t expires)
{
	struct dp_ct_conn *c = &ct->conns[i];
	uint32_t was = atomic_load_explicit(&c->expires, memory_order_relaxed);

	if (was == expires)
		return;
	atomic_store_explicit(&c->expires, expires, memory_order_relaxed);
	/* Sooner than the sweep would look. */
	if ((int32_t)(expires - was) < 0)
		atomic_store_explicit(&ct->due[i], expires | 1, memory_order_relaxed);
}

static void sweep_one(struct dp_ct *ct, uint32_t i, uint32_t now)
{
	struct dp_ct_conn *c = &ct->conns[i];
	uint32_t state = atomic_load_explicit(&c->state, memory_order_acquire);
	uint32_t expires = atomic_load_explicit(&c->expires, memory_order_relaxed);

	/* The other side of a translated connection goes with it. */
	if ((state & DP_CT_LIFE) != DP_CT_LIVE || (state & DP_CT_F_ALIAS) != 0)
		return;
	if ((int32_t)(now - expires) < 0)
		atomic_store_explicit(&ct->due[i], expires | 1, memory_order_relaxed);
	else if ((state & DP_CT_F_EXPECT) != 0)
		dp_ct_withdraw(ct, &ct->own, i);
	else
		dp_ct_kill(ct, &ct->own, i, DP_CT_C_EXPIRED);
}

static void sweep(struct dp_ct *ct, uint32_t now)
{
	uint32_t n = atomic_load(&ct->n_fresh), todo = n / SWEEP_TICKS + SWEEP_LEAST;

	if (todo > n)
		todo = n;
	while (todo-- != 0) {
		uint32_t due;

		if (++ct->sweep_at >= n)
			ct->sweep_at = 0;
		due = atomic_load_explicit(&ct->due[ct->sweep_at], memory_order_relaxed);
		if (due != 0 && (int32_t)(now - due) >= 0)
			sweep_one(ct, ct->sweep_at, now);
	}
}

void dp_ct_tick(struct dp_ct *ct, uint32_t now)
{
	ready_more(ct);
	sweep(ct, now);
	reclaim(ct, &ct->own);
	give_chunks(ct, &ct->own, 0);
}

/* ---- Settings ---- */

void dp_ct_set_timeout(struct dp_ct *ct, enum dp_ct_timeout which, uint32_t seconds)
{
	atomic_store_explicit(&ct->timeout[which], seconds * (1000 / DP_CT_TICK_MS),
			      memory_order_relaxed);
}

uint32_t dp_ct_timeout(const struct dp_ct *ct, enum dp_ct_timeout which)
{
	return atomic_load_explicit(&ct->timeout[which], memory_order_relaxed) /
	       (1000 / DP_CT_TICK_MS);
}

void dp_ct_set_domain_limit(struct dp_ct *ct, uint16_t domain, uint32_t limit)
{
	atomic_store_explicit(&ct->domain_limit[domain], limit, memory_order_relaxed);
}

int dp_ct_set_zone_limit(struct dp_ct *ct, uint16_t domain, uint16_t zone, uint32_t limit)
{
	struct dp_ct_zone *z = dp_ct_zone_get(ct, domain, zone, limit != 0);

	if (z == NULL)
		return limit != 0 ? -ENOSPC : 0;
	atomic_store_explicit(&z->limit, limit, memory_order_relaxed);
	return 0;
}

void dp_ct_each_zone(const struct dp_ct *ct,
		     void (*fn)(void *arg, uint16_t domain, uint16_t zone, uint32_t n,
				uint32_t limit),
		     void *arg)
{
	for (unsigned i = 0; i < DP_CT_ZONES; i++) {
		const struct dp_ct_zone *z = &ct->zones[i];
		uint32_t key = atomic_load_explicit(&z->key, memory_order_acquire) - 1;
		uint32_t n = atomic_load_explicit(&z->n, memory_order_relaxed);
		uint32_t limit = atomic_load_explicit(&z->limit, memory_order_relaxed);

		if ((n != 0 || limit != 0) && (key >> 16 & DP_CT_POLICY) == 0)
			fn(arg, (uint16_t)(key >> 16), (uint16_t)key, n, limit);
	}
}

void dp_ct_set_loose(struct dp_ct *ct, bool loose)
{
	atomic_store_explicit(&ct->strict, !loose, memory_order_relaxed);
}

uint32_t dp_ct_domain_count(const struct dp_ct *ct, uint16_t domain)
{
	return atomic_load_explicit(&ct->domain_n[domain], memory_order_relaxed);
}

void dp_ct_stats(struct dp_ct *ct, struct dp_ct_stats *ret_stats)
{
	struct dp_ct_stats s = {.limit = ct->limit - 1};

	memcpy(s.counters, ct->gone, sizeof(s.counters));
	for (unsigned i = 0; i < DP_CT_MAX_LOCALS; i++)
		for (unsigned k = 0; ct->locals[i] != NULL && k < DP_CT_N_COUNTERS; k++)
			s.counters[k] += atomic_load_explicit(&ct->locals[i]->counters[k],
							      memory_order_relaxed);
	s.n_entries = (uint32_t)(s.counters[DP_CT_C_CREATED] - s.counters[DP_CT_C_ENDED]);
	for (unsigned i = 0; i < DP_CT_ZONES; i++)
		s.n_zones += atomic_load_explicit(&ct->zones[i].n, memory_order_relaxed) != 0;
	s.memory = buckets_size(ct) + sizeof(*ct) + DP_CT_ZONES * sizeof(ct->zones[0]) +
		   atomic_load(&ct->n_ready) * (sizeof(ct->conns[0]) + sizeof(ct->due[0]));
	*ret_stats = s;
}

/* ---- Texts ---- */

const char *dp_ct_timeout_text(enum dp_ct_timeout which)
{
	static const char *const texts[] = {
#define X(name, text, s) text,
		DP_CT_TIMEOUTS(X)
#undef X
	};

	return which < DP_CT_N_TIMEOUTS ? texts[which] : NULL;
}

uint32_t dp_ct_timeout_usual(enum dp_ct_timeout which)
{
	static const uint32_t seconds[] = {
#define X(name, text, s) s,
		DP_CT_TIMEOUTS(X)
#undef X
	};

	return which < DP_CT_N_TIMEOUTS ? seconds[which] : 0;
}

const char *dp_ct_counter_slug(enum dp_ct_counter which)
{
	static const char *const slugs[] = {
#define X(name, slug, text) slug,
		DP_CT_COUNTERS(X)
#undef X
	};

	return which < DP_CT_N_COUNTERS ? slugs[which] : NULL;
}

const char *dp_ct_counter_text(enum dp_ct_counter which)
{
	static const char *const texts[] = {
#define X(name, slug, text) text,
		DP_CT_COUNTERS(X)
#undef X
	};

	return which < DP_CT_N_COUNTERS ? texts[which] : NULL;
}
