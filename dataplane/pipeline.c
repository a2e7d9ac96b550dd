/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See pipeline.h: the flow engine's control side.
 */
#include "dataplane/pipeline.h"

#include "dataplane/acl.h"
#include "dataplane/flow.h"
#include "dataplane/trace_priv.h"
#include "dataplane/punt_priv.h"

#include <errno.h>
#include <stdlib.h>

#include <rte_cycles.h>

#define MAX_ENTRIES  4000000u
#define MAX_PROGRAMS 1000000u

/* What goes with an entry that goes. */
static void unref_program(void *arg, struct dp_program *program)
{
	dp_flow_program_put(arg, program);
}

void dp_flow_destroy(struct dp_flow *flow)
{
	if (flow == NULL)
		return;
	for (unsigned i = 0; i < DP_FLOW_MAX_CHUNKS; i++)
		free(atomic_load(&flow->counters[i]));
	dp_acl_cache_destroy(flow->acl);
	dp_resumes_destroy(flow->resumes);
	dp_punt_queue_leave(flow->punts);
	dp_mf_destroy(flow->mf);
	dp_programs_destroy(flow->programs);
	free(flow);
}

static int chunk_alloc(struct dp_flow *flow, unsigned i)
{
	size_t size = DP_FLOW_COUNTERS_A_CHUNK * sizeof(struct dp_flow_counter);
	struct dp_flow_counter *chunk = aligned_alloc(64, size);

	if (chunk == NULL)
		return -ENOMEM;
	memset(chunk, 0, size);
	atomic_store_explicit(&flow->counters[i], chunk, memory_order_release);
	return 0;
}

int dp_flow_create(struct dp *dp, struct dp_flow **ret_flow)
{
	struct dp_flow *flow = aligned_alloc(64, (sizeof(*flow) + 63) & ~(size_t)63);
	int rc;

	if (flow == NULL)
		return -ENOMEM;
	memset(flow, 0, sizeof(*flow));
	rc = dp_programs_create(MAX_PROGRAMS, &flow->programs);
	if (rc == 0)
		rc = dp_mf_create(MAX_ENTRIES, unref_program, flow, &flow->mf);
	if (rc == 0)
		rc = dp_resumes_create(flow->mf, &flow->resumes);
	for (unsigned i = 0; rc == 0 && i < dp->n_counter_chunks; i++)
		rc = chunk_alloc(flow, i);
	if (rc == 0 && (flow->punts = dp_punt_queue_create(dp)) == NULL)
		rc = -ENOMEM;
	if (rc == 0 && dp->has_acls)
		rc = dp_acl_cache_create(&flow->acl);
	if (rc != 0) {
		dp_flow_destroy(flow);
		return rc;
	}
	if (dp->ct != NULL)
		dp_ct_local_init(dp->ct, &flow->ct);
	*ret_flow = flow;
	return 0;
}

int dp_conntrack_need(struct dp *dp)
{
	struct dp_ct *ct;
	int rc;

	if (dp->ct != NULL)
		return 0;
	rc = dp_ct_create(DP_CT_MAX_ENTRIES, dp->rcu, &ct);
	if (rc != 0)
		return rc;
	for (unsigned i = 0; i < DP_MAX_WORKERS; i++)
		if (dp->workers[i] != NULL && dp->workers[i]->flow != NULL)
			dp_ct_local_init(ct, &dp->workers[i]->flow->ct);
	/* Workers find it with their shares made. */
	atomic_store_explicit(&dp->ct, ct, memory_order_release);
	return 0;
}

struct dp_ct *dp_conntrack(struct dp *dp)
{
	return dp->ct;
}

uint32_t dp_conntrack_now(const struct dp *dp)
{
	return (uint32_t)(rte_rdtsc() / (dp->tsc_hz / 1000 * DP_CT_TICK_MS));
}

void dp_flow_ct_gone(struct dp *dp, struct dp_flow *flow)
{
	if (dp->ct != NULL && flow != NULL)
		dp_ct_local_fini(dp->ct, &flow->ct);
}

/* Workers that were there before the first pipeline. */
static int equip_workers(struct dp *dp)
{
	for (unsigned i = 0; i < DP_MAX_WORKERS; i++) {
		struct dp_worker *w = dp->workers[i];
		int rc = w == NULL || w->flow != NULL ? 0 : dp_flow_create(dp, &w->flow);

		if (rc != 0)
			return rc;
	}
	return 0;
}

int dp_acl_need(struct dp *dp)
{
	int rc = equip_workers(dp);

	for (unsigned i = 0; rc == 0 && i < DP_MAX_WORKERS; i++)
		if (dp->workers[i] != NULL && dp->workers[i]->flow->acl == NULL)
			rc = dp_acl_cache_create(&dp->workers[i]->flow->acl);
	dp->has_acls |= rc == 0;
	return rc;
}

int dp_pipeline_create(struct dp *dp, dp_translate_fn translate, void *arg,
		       struct dp_pipeline **ret_pipeline)
{
	struct dp_pipeline *pl;
	uint16_t index = 0;

	while (index < DP_MAX_PIPELINES && dp->pipelines[index] != NULL)
		index++;
	if (index == DP_MAX_PIPELINES)
		return -ENOSPC;
	pl = calloc(1, sizeof(*pl));
	if (pl != NULL)
		pl->log = calloc(DP_FLOW_LOG_SIZE, sizeof(pl->log[0]));
	if (pl == NULL || pl->log == NULL || equip_workers(dp) != 0) {
		if (pl != NULL)
			free(pl->log);
		free(pl);
		return -ENOMEM;
	}
	pl->index = index;
	pl->id = ++dp->last_pipeline_id;
	pl->translate = translate;
	pl->arg = arg;
	/* Not a version that a worker may have seen of another pipeline of this index. */
	atomic_store(&pl->version, dp->pipeline_version);
	atomic_store(&pl->logged, dp->pipeline_version);
	dp_pipeline_meter_punts(pl, DP_NO_METER);
	dp_pipeline_log_all(pl);
	dp_pipeline_publish(pl);
	dp->pipelines[index] = pl;
	dp->n_pipelines++;
	*ret_pipeline = pl;
	return 0;
}

void dp_pipeline_destroy(struct dp *dp, struct dp_pipeline *pipeline)
{
	uint64_t version;

	if (pipeline == NULL)
		return;
	dp_synchronize(dp);
	version = atomic_load(&pipeline->logged) + DP_FLOW_LOG_SIZE;
	if (version > dp->pipeline_version)
		dp->pipeline_version = version;
	dp->pipelines[pipeline->index] = NULL;
	dp->n_pipelines--;
	free(pipeline->log);
	free(pipeline);
}

uint64_t dp_pipeline_id(const struct dp_pipeline *pipeline)
{
	return pipeline->id;
}

void dp_pipeline_tell_ttl(struct dp_pipeline *pipeline, bool tell)
{
	atomic_store_explicit(&pipeline->tells_ttl, tell, memory_order_relaxed);
}

void dp_pipeline_meter_punts(struct dp_pipeline *pipeline, uint32_t meter)
{
	atomic_store_explicit(&pipeline->punt_meter, meter, memory_order_relaxed);
}

uint64_t dp_pipeline_next(const struct dp_pipeline *pipeline)
{
	return atomic_load_explicit(&pipeline->version, memory_order_relaxed) + 1;
}

static struct dp_flow_log *log_next(struct dp_pipeline *pl, enum dp_flow_log_kind kind)
{
	uint64_t n = atomic_load_explicit(&pl->logged, memory_order_relaxed);
	struct dp_flow_log *log = &pl->log[n % DP_FLOW_LOG_SIZE];

	/* Before the place is written again, so that who reads it sees that it was too late. */
	atomic_store_explicit(&pl->logged, n + 1, memory_order_relaxed);
	atomic_thread_fence(memory_order_release);
	log->kind = kind;
	return log;
}

void dp_pipeline_log(struct dp_pipeline *pipeline, uint8_t table, const struct dp_key *key,
		     const struct dp_key *mask)
{
	struct dp_flow_log *log = log_next(pipeline, DP_FLOW_LOG_RULE);

	log->table = table;
	log->key = *key;
	log->mask = *mask;
}

void dp_pipeline_log_all(struct dp_pipeline *pipeline)
{
	log_next(pipeline, DP_FLOW_LOG_ALL);
}

uint64_t dp_pipeline_logged(const struct dp_pipeline *pipeline)
{
	return atomic_load_explicit(&pipeline->logged, memory_order_relaxed);
}

void dp_pipeline_publish(struct dp_pipeline *pipeline)
{
	atomic_store_explicit(&pipeline->version,
			      atomic_load_explicit(&pipeline->logged, memory_order_relaxed),
			      memory_order_release);
}

/* ---- Counters ---- */

static int more_counters(struct dp *dp)
{
	unsigned chunk = dp->n_counter_chunks;
	struct dp_flow_counter **gone;
	uint32_t *more;

	if (chunk == DP_FLOW_MAX_CHUNKS)
		return -ENOSPC;
	more = realloc(dp->free_counters,
		       (size_t)(chunk + 1) * DP_FLOW_COUNTERS_A_CHUNK * sizeof(*more));
	if (more == NULL)
		return -ENOMEM;
	dp->free_counters = more;
	gone = realloc(dp->counters_gone, (chunk + 1) * sizeof(*gone));
	if (gone == NULL)
		return -ENOMEM;
	dp->counters_gone = gone;
	gone[chunk] = calloc(DP_FLOW_COUNTERS_A_CHUNK, sizeof(struct dp_flow_counter));
	if (gone[chunk] == NULL)
		return -ENOMEM;
	for (unsigned i = 0; i < DP_MAX_WORKERS; i++) {
		struct dp_worker *w = dp->workers[i];

		if (w != NULL && w->flow != NULL &&
		    atomic_load(&w->flow->counters[chunk]) == NULL &&
		    chunk_alloc(w->flow, chunk) != 0) {
			free(gone[chunk]);
			return -ENOMEM;
		}
	}
	dp->n_counter_chunks++;
	/* The lowest number is taken first. */
	for (uint32_t i = DP_FLOW_COUNTERS_A_CHUNK; i-- > 0;)
		dp->free_counters[dp->n_free_counters++] = chunk * DP_FLOW_COUNTERS_A_CHUNK + i;
	return 0;
}

int dp_flow_counter_alloc(struct dp *dp, uint32_t *ret_counter)
{
	int rc = dp->n_free_counters != 0 ? 0 : more_counters(dp);

	if (rc == 0)
		*ret_counter = dp->free_counters[--dp->n_free_counters];
	return rc;
}

/* What a worker that is removed has counted is kept. */
void dp_flow_counters_gone(struct dp *dp, const struct dp_flow *flow)
{
	for (unsigned i = 0; flow != NULL && i < dp->n_counter_chunks; i++) {
		const struct dp_flow_counter *c = atomic_load(&flow->counters[i]);
		struct dp_flow_counter *gone = dp->counters_gone[i];

		for (unsigned k = 0; c != NULL && k < DP_FLOW_COUNTERS_A_CHUNK; k++) {
			atomic_fetch_add(&gone[k].packets, atomic_load(&c[k].packets));
			atomic_fetch_add(&gone[k].bytes, atomic_load(&c[k].bytes));
			if (atomic_load(&c[k].used) > atomic_load(&gone[k].used))
				atomic_store(&gone[k].used, atomic_load(&c[k].used));
		}
	}
}

/* The counter's share on each worker that has one, and of those that are gone: calls 'fn'. */
static void each_share(struct dp *dp, uint32_t counter,
		       void (*fn)(struct dp_flow_counter *share, void *arg), void *arg)
{
	unsigned chunk = counter / DP_FLOW_COUNTERS_A_CHUNK;
	unsigned at = counter % DP_FLOW_COUNTERS_A_CHUNK;

	fn(&dp->counters_gone[chunk][at], arg);
	for (unsigned i = 0; i < DP_MAX_WORKERS; i++) {
		const struct dp_worker *w = dp->workers[i];
		struct dp_flow_counter *shares = NULL;

		if (w != NULL && w->flow != NULL)
			shares = atomic_load(&w->flow->counters[chunk]);
		if (shares != NULL)
			fn(&shares[at], arg);
	}
}

static void share_clear(struct dp_flow_counter *share, void *arg)
{
	atomic_store(&share->packets, 0);
	atomic_store(&share->bytes, 0);
	atomic_store(&share->used, 0);
}

void dp_flow_counter_free(struct dp *dp, uint32_t counter)
{
	each_share(dp, counter, share_clear, NULL);
	dp->free_counters[dp->n_free_counters++] = counter;
}

static void share_add(struct dp_flow_counter *share, void *arg)
{
	uint64_t used = atomic_load_explicit(&share->used, memory_order_relaxed);
	struct dp_flow_counts *counts = arg;

	counts->packets += atomic_load_explicit(&share->packets, memory_order_relaxed);
	counts->bytes += atomic_load_explicit(&share->bytes, memory_order_relaxed);
	if (used * DP_FLOW_TICK_MS > counts->used_ms)
		counts->used_ms = used * DP_FLOW_TICK_MS;
}

void dp_flow_counter_read(struct dp *dp, uint32_t counter, struct dp_flow_counts *ret_counts)
{
	struct dp_flow_counts counts = {0};

	each_share(dp, counter, share_add, &counts);
	*ret_counts = counts;
}

uint64_t dp_flow_now_ms(const struct dp *dp)
{
	return rte_rdtsc() / (dp->tsc_hz / 1000);
}

void dp_flow_fini(struct dp *dp)
{
	dp_trace_forget(dp);
	for (unsigned i = 0; i < dp->n_counter_chunks; i++)
		free(dp->counters_gone[i]);
	free(dp->counters_gone);
	free(dp->free_counters);
	dp_ct_destroy(dp->ct);
}

void dp_flow_tick(struct dp *dp)
{
	for (unsigned i = 0; i < DP_MAX_WORKERS; i++) {
		if (dp->workers[i] == NULL || dp->workers[i]->flow == NULL)
			continue;
		dp_mf_tick(dp->workers[i]->flow->mf);
		dp_programs_tick(dp->workers[i]->flow->programs);
		dp_resumes_tick(dp->workers[i]->flow->resumes);
	}
	if (dp->ct != NULL)
		dp_ct_tick(dp->ct, dp_conntrack_now(dp));
}

void dp_flow_info(struct dp *dp, struct dp_flow_info *ret_info)
{
	struct dp_flow_info info = {0};

	for (unsigned i = 0; i < DP_MAX_WORKERS; i++) {
		const struct dp_mf *mf;

		if (dp->workers[i] == NULL || dp->workers[i]->flow == NULL)
			continue;
		mf = dp->workers[i]->flow->mf;
		info.hits += atomic_load(&mf->hits);
		info.misses += atomic_load(&mf->misses);
		info.probes += atomic_load(&mf->probes);
		info.inserts += atomic_load(&mf->inserts);
		info.refused += atomic_load(&mf->refused);
		info.expired += atomic_load(&mf->expired);
		info.invalidated += atomic_load(&mf->invalidated);
		info.entries += atomic_load(&mf->n_shown);
	}
	*ret_info = info;
}

uint64_t dp_flow_domain_entries(const struct dp *dp, uint16_t domain)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < DP_MAX_WORKERS; i++)
		if (dp->workers[i] != NULL && dp->workers[i]->flow != NULL)
			n += dp_mf_owned(dp->workers[i]->flow->mf, DP_FLOW_OWNER(domain));
	return n;
}
