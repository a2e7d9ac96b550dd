/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See neigh.h.
 */
#include "dataplane/neigh.h"

#include <errno.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <rte_branch_prediction.h>

#define WINDOW 8u /* places an address can be in */

struct neigh {
	_Atomic uint32_t seq; /* odd: being written */
	bool used, known, is_static;
	uint8_t mac[6];
	struct dp_ip ip;
	_Atomic uint64_t confirmed_ms, asked_ms, used_ms;
} __attribute__((aligned(64)));

struct dp_neighs {
	atomic_flag writing;
	struct neigh v[DP_NEIGHS];
};

struct dp_neighs *dp_neighs_create(void)
{
	struct dp_neighs *ns = aligned_alloc(64, (sizeof(*ns) + 63) / 64 * 64);

	if (ns != NULL)
		memset(ns, 0, sizeof(*ns));
	return ns;
}

void dp_neighs_destroy(struct dp_neighs *ns)
{
	free(ns);
}

static uint32_t place(const struct dp_ip *ip, uint32_t i)
{
	uint64_t x = (ip->w[0] ^ ip->w[1] * 3) * UINT64_C(0x9e3779b97f4a7c15);

	return ((uint32_t)(x >> 40) + i) % DP_NEIGHS;
}

/* What an entry said at one moment. */
struct said {
	bool used, known, is_static;
	uint8_t mac[6];
	struct dp_ip ip;
};

static bool read_entry(const struct neigh *e, struct said *ret)
{
	uint32_t seq = atomic_load_explicit(&e->seq, memory_order_acquire);

	if ((seq & 1) != 0)
		return false;
	ret->used = e->used;
	ret->known = e->known;
	ret->is_static = e->is_static;
	memcpy(ret->mac, e->mac, sizeof(ret->mac));
	ret->ip = e->ip;
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&e->seq, memory_order_relaxed) == seq;
}

static void write_begin(struct neigh *e)
{
	atomic_store_explicit(&e->seq, e->seq + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
}

static void write_end(struct neigh *e)
{
	atomic_store_explicit(&e->seq, e->seq + 1, memory_order_release);
}

static bool writer_try(struct dp_neighs *ns)
{
	return !atomic_flag_test_and_set_explicit(&ns->writing, memory_order_acquire);
}

static void writer_end(struct dp_neighs *ns)
{
	atomic_flag_clear_explicit(&ns->writing, memory_order_release);
}

/* The writer's: where 'ip' is; NULL: nowhere. */
static struct neigh *own_find(struct dp_neighs *ns, const struct dp_ip *ip)
{
	for (uint32_t i = 0; i < WINDOW; i++) {
		struct neigh *e = &ns->v[place(ip, i)];

		if (e->used && dp_ip_equal(&e->ip, ip))
			return e;
	}
	return NULL;
}

/* The writer's: a place for 'ip'; NULL when statics have all of them. */
static struct neigh *own_place(struct dp_neighs *ns, const struct dp_ip *ip)
{
	struct neigh *oldest = NULL;

	for (uint32_t i = 0; i < WINDOW; i++) {
		struct neigh *e = &ns->v[place(ip, i)];

		if (!e->used)
			return e;
		if (!e->is_static && (oldest == NULL || e->used_ms < oldest->used_ms))
			oldest = e;
	}
	return oldest;
}

static void own_fill(struct neigh *e, const struct dp_ip *ip, const uint8_t *mac, bool is_static,
		     uint64_t now_ms)
{
	write_begin(e);
	e->used = true;
	e->known = mac != NULL;
	e->is_static = is_static;
	if (mac != NULL)
		memcpy(e->mac, mac, sizeof(e->mac));
	e->ip = *ip;
	write_end(e);
	atomic_store_explicit(&e->confirmed_ms, now_ms, memory_order_relaxed);
	atomic_store_explicit(&e->used_ms, now_ms, memory_order_relaxed);
}

/* The first who looks for an address asks. */
static bool look_for(struct dp_neighs *ns, const struct dp_ip *ip, uint64_t now_ms)
{
	struct neigh *e;

	if (!writer_try(ns))
		return false;
	e = own_find(ns, ip) == NULL ? own_place(ns, ip) : NULL;
	if (e != NULL) {
		own_fill(e, ip, NULL, false, now_ms);
		atomic_store_explicit(&e->asked_ms, now_ms, memory_order_relaxed);
	}
	writer_end(ns);
	return e != NULL;
}

/* Has the time come to ask?  One of all workers is told so. */
static bool may_ask(struct neigh *e, uint64_t now_ms)
{
	uint64_t asked = atomic_load_explicit(&e->asked_ms, memory_order_relaxed);

	return (asked > now_ms || now_ms - asked >= DP_NEIGH_ASK_MS) &&
	       atomic_compare_exchange_strong(&e->asked_ms, &asked, now_ms);
}

bool dp_neigh_find(struct dp_neighs *ns, const struct dp_ip *ip, uint64_t now_ms,
		   uint8_t ret_mac[6], bool *ret_ask)
{
	*ret_ask = false;
	for (uint32_t i = 0; i < WINDOW; i++) {
		struct neigh *e = &ns->v[place(ip, i)];
		struct said said;
		uint64_t age;

		if (!read_entry(e, &said) || !said.used || !dp_ip_equal(&said.ip, ip))
			continue;
		atomic_store_explicit(&e->used_ms, now_ms, memory_order_relaxed);
		memcpy(ret_mac, said.mac, sizeof(said.mac));
		if (said.is_static)
			return true;
		age = atomic_load_explicit(&e->confirmed_ms, memory_order_relaxed);
		age = now_ms > age ? now_ms - age : 0;
		if (likely(said.known && age < DP_NEIGH_STALE_MS))
			return true;
		*ret_ask = may_ask(e, now_ms);
		return said.known && age < DP_NEIGH_FORGET_MS;
	}
	*ret_ask = look_for(ns, ip, now_ms);
	return false;
}

void dp_neigh_learn(struct dp_neighs *ns, const struct dp_ip *ip, const uint8_t mac[6],
		    uint64_t now_ms)
{
	struct neigh *e;

	if ((mac[0] & 1) != 0 || !writer_try(ns))
		return;
	e = own_find(ns, ip);
	if (e != NULL && !e->is_static) {
		uint64_t used = e->used_ms;

		own_fill(e, ip, mac, false, now_ms);
		atomic_store_explicit(&e->used_ms, used, memory_order_relaxed);
	}
	writer_end(ns);
}

int dp_neighs_set_static(struct dp_neighs *ns, const struct dp_neigh_static *v, unsigned n)
{
	int rc = 0;

	while (!writer_try(ns))
		sched_yield();
	for (unsigned i = 0; i < DP_NEIGHS; i++) {
		struct neigh *e = &ns->v[i];

		if (!e->is_static)
			continue;
		write_begin(e);
		e->used = e->known = e->is_static = false;
		write_end(e);
	}
	for (unsigned i = 0; i < n; i++) {
		struct neigh *e = own_find(ns, &v[i].ip);

		if (e == NULL)
			e = own_place(ns, &v[i].ip);
		if (e != NULL)
			own_fill(e, &v[i].ip, v[i].mac, true, 0);
		else
			rc = -ENOSPC;
	}
	writer_end(ns);
	return rc;
}

unsigned dp_neighs_list(struct dp_neighs *ns, uint64_t now_ms, struct dp_neigh_info *ret,
			unsigned max)
{
	unsigned n = 0;

	for (unsigned i = 0; i < DP_NEIGHS && n < max; i++) {
		struct neigh *e = &ns->v[i];
		struct said said;
		uint64_t confirmed = e->confirmed_ms, used = e->used_ms;

		if (!read_entry(e, &said) || !said.used)
			continue;
		ret[n] = (struct dp_neigh_info){
			.ip = said.ip,
			.known = said.is_static ||
				 (said.known && now_ms - confirmed < DP_NEIGH_FORGET_MS),
			.is_static = said.is_static,
			.age_ms = now_ms > confirmed ? now_ms - confirmed : 0,
			.idle_ms = now_ms > used ? now_ms - used : 0,
		};
		memcpy(ret[n++].mac.addr_bytes, said.mac, sizeof(said.mac));
	}
	return n;
}
