/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tables of flow records: made, one for each worker, and taken away.  Control thread; see
 * flowrec.h.
 *
 * All of a table's memory is touched here, so that a worker that fills it meets no page fault.
 */
#include "dataplane/dp_priv.h"
#include "dataplane/flowrec_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define FLOWS_LEAST 64u
#define FLOWS_MOST  (1u << 22)

uint64_t flowrec_random_seed(void)
{
	uint64_t seed = 0;

	if (getrandom(&seed, sizeof(seed), 0) != (ssize_t)sizeof(seed))
		seed ^= (uint64_t)(uintptr_t)&seed;
	return seed != 0 ? seed : 1;
}

static void table_free(struct flowrec_table *t)
{
	if (t == NULL)
		return;
	free(t->buckets);
	free(t->entries);
	free(t->told);
	free(t);
}

static void *zeros(size_t align, size_t size)
{
	void *p = aligned_alloc(align, size);

	if (p != NULL)
		memset(p, 0, size);
	return p;
}

static struct flowrec_table *table_make(const struct dp_flowrec_set *set)
{
	struct flowrec_table *t = zeros(64, sizeof(*t));
	size_t n = (size_t)set->n_buckets * FLOWREC_SLOTS;

	if (t == NULL)
		return NULL;
	t->mask = set->n_buckets - 1;
	t->buckets = zeros(64, set->n_buckets * sizeof(*t->buckets));
	t->entries = zeros(64, n * sizeof(*t->entries));
	t->told = zeros(64, n * sizeof(*t->told));
	t->chooser.random = flowrec_random_seed();
	if (t->buckets != NULL && t->entries != NULL && t->told != NULL)
		return t;
	table_free(t);
	return NULL;
}

static int table_for(struct dp_flowrec_set *set, unsigned index)
{
	struct flowrec_table *t;

	if (atomic_load(&set->tables[index]) != NULL)
		return 0;
	t = table_make(set);
	atomic_store(&set->tables[index], t);
	return t != NULL ? 0 : -ENOMEM;
}

int dp_flowrec_worker_comes(struct dp *dp, unsigned index)
{
	int rc = 0;

	for (struct dp_flowrec_set *set = dp->flowrec_sets; rc == 0 && set != NULL; set = set->next)
		rc = table_for(set, index);
	return rc;
}

static uint32_t buckets_for(uint32_t flows)
{
	uint32_t n = FLOWS_LEAST / FLOWREC_SLOTS;

	if (flows > FLOWS_MOST)
		flows = FLOWS_MOST;
	while (n * FLOWREC_SLOTS < flows)
		n *= 2;
	return n;
}

static void set_free(struct dp_flowrec_set *set)
{
	for (unsigned i = 0; i < DP_MAX_WORKERS; i++)
		table_free(atomic_load(&set->tables[i]));
	free(set->dying);
	free(set);
}

int dp_flowrec_set_create(struct dp *dp, const struct dp_flowrec_opts *opts,
			  struct dp_flowrec_set **ret_set)
{
	struct dp_flowrec_set *set = zeros(64, (sizeof(*set) + 63) / 64 * 64);
	int rc = 0;

	if (set == NULL)
		return -ENOMEM;
	set->dp = dp;
	set->n_buckets = buckets_for(opts->max_flows);
	set->dying = calloc(FLOWREC_BURIALS, sizeof(*set->dying));
	if (set->dying == NULL)
		rc = -ENOMEM;
	for (unsigned i = 0; rc == 0 && i < DP_MAX_WORKERS; i++)
		if (dp->workers[i] != NULL)
			rc = table_for(set, i);
	if (rc != 0) {
		set_free(set);
		return rc;
	}
	dp_flowrec_set_change(set, opts);
	set->next = dp->flowrec_sets;
	dp->flowrec_sets = set;
	*ret_set = set;
	return 0;
}

bool dp_flowrec_set_holds(const struct dp_flowrec_set *set, uint32_t max_flows)
{
	return set->n_buckets == buckets_for(max_flows);
}

void dp_flowrec_set_change(struct dp_flowrec_set *set, const struct dp_flowrec_opts *opts)
{
	set->opts = *opts;
	atomic_store(&set->sample, opts->sample > 1 ? opts->sample : 0);
}

void dp_flowrec_set_destroy(struct dp_flowrec_set *set)
{
	if (set == NULL)
		return;
	for (struct dp_flowrec_set **at = &set->dp->flowrec_sets; *at != NULL;) {
		if (*at == set)
			*at = set->next;
		else
			at = &(*at)->next;
	}
	set_free(set);
}

static uint64_t get(const _Atomic uint64_t *p)
{
	return atomic_load_explicit(p, memory_order_relaxed);
}

void dp_flowrec_stats(const struct dp_flowrec_set *set, struct dp_flowrec_stats *ret)
{
	uint64_t slots = (uint64_t)set->n_buckets * FLOWREC_SLOTS;

	*ret = (struct dp_flowrec_stats){.memory = sizeof(*set) +
						   FLOWREC_BURIALS * sizeof(*set->dying)};
	for (unsigned i = 0; i < DP_MAX_WORKERS; i++) {
		const struct flowrec_table *t = atomic_load(&set->tables[i]);

		if (t == NULL)
			continue;
		ret->made += get(&t->made);
		ret->flows += get(&t->made) - t->freed;
		ret->flows_max += slots;
		ret->packets += get(&t->packets);
		ret->missed_packets += get(&t->missed_packets);
		ret->missed_bytes += get(&t->missed_bytes);
		ret->unknown_drops += get(&t->unknown_drops);
		ret->memory += sizeof(*t) + set->n_buckets * sizeof(*t->buckets) +
			       slots * (sizeof(*t->entries) + sizeof(*t->told));
	}
}
