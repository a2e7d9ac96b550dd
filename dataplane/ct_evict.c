/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Limits of the connection table, and who gives way when one is reached; see ct.h.
 *
 * Who is looked at is drawn by lot: a number of buckets from a random place on.  Of the unanswered
 * connections there, one of the tenant that holds most goes, so who floods pays.
 */
#include "dataplane/ct_priv.h"

#define ZONE_PROBES   16u
#define EVICT_BUCKETS 16u

struct dp_ct_zone *dp_ct_zone_get(struct dp_ct *ct, uint16_t domain, uint16_t zone, bool make)
{
	uint32_t key = ((uint32_t)domain << 16 | zone) + 1;
	uint32_t at = (uint32_t)(dp_nh_finish(key ^ ct->secret[0]) % DP_CT_ZONES);

	for (unsigned n = 0; n < ZONE_PROBES; n++, at = (at + 1) % DP_CT_ZONES) {
		struct dp_ct_zone *z = &ct->zones[at];
		uint32_t is = atomic_load_explicit(&z->key, memory_order_acquire);

		if (is == 0 && make)
			atomic_compare_exchange_strong(&z->key, &is, key);
		if (is == key || (is == 0 && make))
			return z;
		if (is == 0)
			return NULL;
	}
	return NULL;
}

static bool over(uint32_t n, uint32_t limit)
{
	return limit != 0 && n >= limit;
}

/* Adds one unless it is over the limit; evicts once if that helps. */
static bool count_in(struct dp_ct *ct, struct dp_ct_local *local, _Atomic uint32_t *n,
		     const _Atomic uint32_t *limit, uint32_t zone, uint16_t domain)
{
	uint32_t most = atomic_load_explicit(limit, memory_order_relaxed);

	if (over(atomic_load_explicit(n, memory_order_relaxed), most))
		dp_ct_evict(ct, local, zone, domain);
	if (over(atomic_fetch_add_explicit(n, 1, memory_order_relaxed), most)) {
		atomic_fetch_sub_explicit(n, 1, memory_order_relaxed);
		return false;
	}
	return true;
}

bool dp_ct_admit(struct dp_ct *ct, struct dp_ct_local *local, const uint64_t *key,
		 uint32_t *ret_zone)
{
	uint16_t domain = dp_ct_key_domain(key), zone = dp_ct_key_zone(key);
	uint16_t tenant = dp_ct_key_tenant(key);
	struct dp_ct_zone *z = dp_ct_zone_get(ct, domain, zone, true);

	/* More zones than places: those without one have no limit of their own. */
	*ret_zone = z != NULL ? (uint32_t)(z - ct->zones) : DP_CT_NO_ZONE;
	if (z != NULL && !count_in(ct, local, &z->n, &z->limit, *ret_zone, tenant)) {
		DP_CT_COUNT(local, REFUSED_ZONE);
		return false;
	}
	if (!count_in(ct, local, &ct->domain_n[tenant], &ct->domain_limit[tenant], DP_CT_NO_ZONE,
		      tenant)) {
		if (z != NULL)
			atomic_fetch_sub_explicit(&z->n, 1, memory_order_relaxed);
		DP_CT_COUNT(local, REFUSED_TENANT);
		return false;
	}
	return true;
}

void dp_ct_discharge(struct dp_ct *ct, const struct dp_ct_conn *c)
{
	if (c->zone != DP_CT_NO_ZONE)
		atomic_fetch_sub_explicit(&ct->zones[c->zone].n, 1, memory_order_relaxed);
	atomic_fetch_sub_explicit(&ct->domain_n[dp_ct_key_tenant(c->key)], 1, memory_order_relaxed);
}

static uint64_t draw(struct dp_ct_local *local)
{
	uint64_t x = local->random;

	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	return local->random = x;
}

static bool may_go(const struct dp_ct_conn *c, uint32_t zone, uint16_t domain)
{
	uint32_t state = atomic_load_explicit(&c->state, memory_order_acquire);

	if ((state & DP_CT_LIFE) != DP_CT_LIVE ||
	    (state & (DP_CT_F_ASSURED | DP_CT_F_ALIAS | DP_CT_F_EXPECT)) != 0)
		return false;
	return (zone == DP_CT_NO_ZONE || c->zone == zone) &&
	       (domain == DP_NO_DOMAIN || dp_ct_key_tenant(c->key) == domain);
}

bool dp_ct_evict(struct dp_ct *ct, struct dp_ct_local *local, uint32_t zone, uint16_t domain)
{
	uint32_t at = (uint32_t)(draw(local) >> 32), worst = 0, most = 0;

	for (unsigned n = 0; n < EVICT_BUCKETS * DP_CT_SLOTS; n++) {
		struct dp_ct_bucket *b = &ct->buckets[(at + n / DP_CT_SLOTS) & ct->mask];
		uint32_t i = (uint32_t)atomic_load_explicit(&b->slot[n % DP_CT_SLOTS],
							    memory_order_acquire);
		uint32_t held;

		if (i == 0 || !may_go(&ct->conns[i], zone, domain))
			continue;
		held = dp_ct_domain_count(ct, dp_ct_key_tenant(ct->conns[i].key));
		if (held > most) {
			most = held;
			worst = i;
		}
	}
	return worst != 0 && dp_ct_kill(ct, local, worst, DP_CT_C_EVICTED);
}
