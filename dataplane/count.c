/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Reading the ledger: see counter.h for what balances and how a snapshot is exact.  Control thread.
 */
#include "dataplane/dp_priv.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

static const struct dp_count no_count;
static const struct dp_domain_count no_domain_count;

/* All counters of a struct dp_count are uint64_t, so it is added as an array. */
static_assert(sizeof(struct dp_count) % sizeof(uint64_t) == 0, "only uint64_t");

static void add(struct dp_count *to, const struct dp_count *from)
{
	uint64_t *t = (uint64_t *)to;
	const uint64_t *f = (const uint64_t *)from;

	for (size_t i = 0; i < sizeof(*to) / sizeof(*t); i++)
		t[i] += f[i];
}

static int alloc_in_set(struct dp_count_set *set, uint16_t id)
{
	if (set->ports[id] == NULL)
		set->ports[id] = aligned_alloc(64, (sizeof(struct dp_count) + 63) / 64 * 64);
	if (set->ports[id] == NULL)
		return -ENOMEM;
	memset(set->ports[id], 0, sizeof(*set->ports[id]));
	return 0;
}

static int alloc_in_worker(struct dp_worker *w, uint16_t id)
{
	if (w->tx[id] == NULL)
		w->tx[id] = calloc(1, sizeof(*w->tx[id]));
	if (w->tx[id] == NULL)
		return -ENOMEM;
	for (int i = 0; i < 2; i++)
		if (w->sets[i].ports[id] == NULL && alloc_in_set(&w->sets[i], id) != 0)
			return -ENOMEM;
	return 0;
}

int dp_count_alloc_port(struct dp *dp, uint16_t id)
{
	if (dp->totals[id] == NULL)
		dp->totals[id] = calloc(1, sizeof(*dp->totals[id]));
	if (dp->totals[id] == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < DP_MAX_WORKERS; i++)
		if (dp->workers[i] != NULL && alloc_in_worker(dp->workers[i], id) != 0)
			return -ENOMEM;
	return 0;
}

int dp_count_alloc_worker(struct dp *dp, struct dp_worker *w)
{
	w->count = &w->sets[0];
	for (int i = 0; i < 2; i++) {
		w->sets[i].domains = calloc(DP_MAX_DOMAINS, sizeof(*w->sets[i].domains));
		if (w->sets[i].domains == NULL)
			return -ENOMEM;
	}
	for (uint16_t id = 0; id < DP_MAX_PORTS; id++)
		if (dp->totals[id] != NULL && alloc_in_worker(w, id) != 0)
			return -ENOMEM;
	return 0;
}

/* Moves what a set holds into the totals and clears it.  Nobody writes the set now. */
static void collect(struct dp *dp, struct dp_count_set *set)
{
	if (set->domains == NULL)
		return;
	for (unsigned id = 0; id < DP_MAX_PORTS; id++) {
		struct dp_count *count = set->ports[id];

		if (count == NULL || dp->totals[id] == NULL)
			continue;
		add(dp->totals[id], count);
		add(&dp->total, count);
		memset(count, 0, sizeof(*count));
	}
	for (unsigned id = 0; id < DP_MAX_DOMAINS; id++) {
		dp->domain_totals[id].rx_packets += set->domains[id].rx_packets;
		dp->domain_totals[id].rx_bytes += set->domains[id].rx_bytes;
		dp->domain_totals[id].flows_refused += set->domains[id].flows_refused;
	}
	memset(set->domains, 0, DP_MAX_DOMAINS * sizeof(*set->domains));
	dp->handed += set->handed;
	dp->taken += set->taken;
	set->handed = set->taken = 0;
}

void dp_count_free_worker(struct dp *dp, struct dp_worker *w)
{
	for (int i = 0; i < 2; i++) {
		collect(dp, &w->sets[i]);
		free(w->sets[i].domains);
		for (unsigned id = 0; id < DP_MAX_PORTS; id++)
			free(w->sets[i].ports[id]);
	}
	for (unsigned id = 0; id < DP_MAX_PORTS; id++)
		free(w->tx[id]);
}

void dp_count_refresh(struct dp *dp)
{
	dp->flips++;
	for (unsigned i = 0; i < DP_MAX_WORKERS; i++) {
		if (dp->workers[i] == NULL)
			continue;
		atomic_store_explicit(&dp->workers[i]->flip_wanted, dp->flips,
				      memory_order_release);
		if (atomic_load(&dp->workers[i]->asleep))
			dp_worker_kick(dp->workers[i]);
	}
	for (unsigned i = 0; i < DP_MAX_WORKERS; i++) {
		struct dp_worker *w = dp->workers[i];

		if (w == NULL)
			continue;
		while (atomic_load_explicit(&w->flip_done, memory_order_acquire) != dp->flips) {
			if (atomic_load(&w->asleep))
				dp_worker_kick(w);
			sched_yield();
		}
		collect(dp, w->count == &w->sets[0] ? &w->sets[1] : &w->sets[0]);
	}
}

const struct dp_count *dp_port_count(const struct dp *dp, uint16_t id)
{
	return id < DP_MAX_PORTS && dp->totals[id] != NULL ? dp->totals[id] : &no_count;
}

const struct dp_domain_count *dp_domain_count(const struct dp *dp, uint16_t domain)
{
	return domain < DP_MAX_DOMAINS ? &dp->domain_totals[domain] : &no_domain_count;
}

const struct dp_count *dp_total_count(const struct dp *dp)
{
	return &dp->total;
}

int64_t dp_in_flight(const struct dp *dp)
{
	return (int64_t)(dp->handed - dp->taken);
}

void dp_port_count_reset(struct dp *dp, uint16_t id)
{
	if (id < DP_MAX_PORTS && dp->totals[id] != NULL)
		memset(dp->totals[id], 0, sizeof(*dp->totals[id]));
}

void dp_domain_count_reset(struct dp *dp, uint16_t domain)
{
	if (domain < DP_MAX_DOMAINS)
		dp->domain_totals[domain] = (struct dp_domain_count){0};
}

void dp_count_fini(struct dp *dp)
{
	for (unsigned id = 0; id < DP_MAX_PORTS; id++)
		free(dp->totals[id]);
	free(dp->domain_totals);
}
