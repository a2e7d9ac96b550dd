/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a traced frame costs, stage by stage: each is run again and again on the worker that is none
 * (trace_priv.h), and the median run counts.  Control thread, a few milliseconds.
 */
#include "dataplane/edge.h"
#include "dataplane/flow.h"
#include "dataplane/trace_priv.h"

#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#define RUNS   101u
#define LEAST  3u
#define REPEAT 32u /* of what takes less than the clock can tell */
#define SHARE_US                                                                                   \
	1000u /* for one stage: a frame that goes to 4000 ports is not carried 100 times           \
	       */

typedef bool (*run_fn)(struct dp_ghost *g, uint64_t *ret_cycles);

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static uint64_t median(struct dp_ghost *g, run_fn run)
{
	uint64_t end = rte_rdtsc() + g->dp->tsc_hz / 1000000 * SHARE_US, v[RUNS];
	unsigned n = 0;

	while (n < RUNS && (n < LEAST || rte_rdtsc() < end))
		if (!run(g, &v[n++]))
			return 0;
	qsort(v, n, sizeof(v[0]), compare);
	return v[n / 2];
}

/* What it takes to read the clock twice is no part of a stage. */
static uint64_t since(uint64_t start)
{
	uint64_t now = rte_rdtsc_precise(), again = rte_rdtsc_precise();
	uint64_t took = now - start, own = again - now;

	return took > own ? took - own : 1;
}

static bool edge(struct dp_ghost *g, uint64_t *ret_cycles)
{
	struct rte_mbuf *m = dp_ghost_frame(g);
	struct dp_edge_frame f = {.m = m};
	uint64_t start;
	unsigned n;

	if (m == NULL)
		return false;
	/* A tenant's tag is there to be taken off once. */
	n = g->in->wire == NULL ? REPEAT : 1;
	start = rte_rdtsc_precise();
	for (unsigned i = 0; i < n && m != NULL; i++) {
		if (!dp_edge_admit(g->w, g->in, &m, 1))
			m = NULL; /* taken */
		else
			dp_edge_classify(g->in, &f);
	}
	*ret_cycles = (since(start) + n - 1) / n;
	rte_pktmbuf_free(m);
	return true;
}

/* Not inlined: a loop would do it once. */
__attribute__((noinline)) static void make_key(const struct dp_ghost *g, const struct rte_mbuf *m)
{
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);
	struct dp_headers h;
	struct dp_key whole;

	if (dp_key_plain(d, m->pkt_len, rte_cpu_to_be_16(g->in->of_port), whole.w)) {
		rte_compiler_barrier();
		return;
	}
	dp_parse_mbuf(m, &h);
	dp_key_extract_head(d, m->data_len, m->pkt_len, &h, g->in->of_port, &whole);
	rte_compiler_barrier();
}

static bool key(struct dp_ghost *g, uint64_t *ret_cycles)
{
	struct rte_mbuf *m = dp_ghost_frame(g);
	uint64_t start;

	if (m == NULL)
		return false;
	start = rte_rdtsc_precise();
	for (unsigned i = 0; i < REPEAT; i++)
		make_key(g, m);
	*ret_cycles = (since(start) + REPEAT - 1) / REPEAT;
	rte_pktmbuf_free(m);
	return true;
}

static bool cache(struct dp_ghost *g, uint64_t *ret_cycles)
{
	struct dp_mf_burst *b = &g->w->flow->burst;
	uint64_t start;

	b->n = 1;
	b->context = NULL;
	b->has_long = 1;
	b->long_key = g->w->flow->long_keys;
	b->long_key[0] = g->trace->key;
	memcpy(b->key[0], g->trace->key.w, sizeof(b->key[0]));
	start = rte_rdtsc_precise();
	for (unsigned i = 0; i < REPEAT; i++)
		dp_mf_lookup(g->w->flow->mf, g->in->pipeline->index, b);
	*ret_cycles = (since(start) + REPEAT - 1) / REPEAT;
	return true;
}

static bool translate(struct dp_ghost *g, uint64_t *ret_cycles)
{
	struct dp_build *b = &g->w->flow->build;
	const struct dp_pipeline *pl = g->in->pipeline;
	uint64_t start = rte_rdtsc_precise();

	dp_build_init(b);
	pl->translate(pl->arg, &g->trace->key, g->w->flow->seen[pl->index], b);
	*ret_cycles = since(start);
	return true;
}

static bool carry(struct dp_ghost *g, uint16_t n, uint64_t *ret_cycles)
{
	struct rte_mbuf *pkts[DP_BURST];
	uint64_t start;

	for (uint16_t i = 0; i < n; i++) {
		pkts[i] = dp_ghost_frame(g);
		if (pkts[i] == NULL) {
			rte_pktmbuf_free_bulk(pkts, i);
			return false;
		}
	}
	start = rte_rdtsc_precise();
	dp_ghost_carry(g, pkts, n);
	*ret_cycles = since(start) / n;
	return true;
}

static bool next(struct dp_ghost *g, uint64_t *ret_cycles)
{
	return carry(g, 1, ret_cycles);
}

static bool burst(struct dp_ghost *g, uint64_t *ret_cycles)
{
	return carry(g, DP_BURST, ret_cycles);
}

/* As if the cache had nothing. */
static bool first(struct dp_ghost *g, uint64_t *ret_cycles)
{
	if (g->in->pipeline != NULL)
		dp_flow_forget(g->w->flow, g->in->pipeline);
	return carry(g, 1, ret_cycles);
}

void dp_ghost_measure(struct dp_ghost *g)
{
	struct dp_trace_cost *c = &g->trace->cost;

	c->edge = median(g, edge);
	c->next = median(g, next);
	c->burst = median(g, burst);
	if (!g->trace->has_rules || g->trace->drop != DP_N_DROPS)
		return;
	c->key = median(g, key);
	c->cache = median(g, cache);
	c->translate = median(g, translate);
	c->first = median(g, first);
}
