/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See trace.h.
 */
#include "vswitch/trace.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#define SEARCHES 51u
#define REPEAT	 16u /* the clock is coarse */

static void searched(struct vs_xlate_trace *hook, uint8_t table, const struct vs_rule *rule,
		     const struct dp_key *key, const struct dp_key *wc)
{
	struct vs_trace *t = (struct vs_trace *)((char *)hook - offsetof(struct vs_trace, hook));

	if (t->n_tables == VS_FLOW_TABLES)
		return;
	t->tables[t->n_tables++] = (struct vs_trace_table){
		.table = table, .rule = rule, .key = *key, .wc = *wc, .first_action = t->n_actions};
}

static void action(struct vs_xlate_trace *hook, const struct of_action *a)
{
	struct vs_trace *t = (struct vs_trace *)((char *)hook - offsetof(struct vs_trace, hook));

	if (t->n_actions < VS_TRACE_MAX_ACTIONS)
		t->actions[t->n_actions++] = a;
}

static void set(struct vs_xlate_trace *hook)
{
	struct vs_trace *t = (struct vs_trace *)((char *)hook - offsetof(struct vs_trace, hook));

	t->set_from = t->n_actions;
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static uint64_t search_cycles(const struct vs_flows *flows, const struct vs_trace_table *t)
{
	const struct dp_cls *cls = vs_flows_table(flows, t->table);
	uint64_t version = dp_pipeline_next(vs_flows_pipeline(flows)) - 1, v[SEARCHES];

	for (unsigned i = 0; i < SEARCHES; i++) {
		struct dp_key wc = {0};
		uint64_t start = rte_rdtsc_precise();

		for (unsigned k = 0; k < REPEAT; k++)
			(void)dp_cls_find(cls, &t->key, version, &wc);
		v[i] = (rte_rdtsc_precise() - start + REPEAT - 1) / REPEAT;
	}
	qsort(v, SEARCHES, sizeof(v[0]), compare);
	return v[SEARCHES / 2];
}

int vs_trace_run(struct dp *dp, struct vs_flows *flows, uint16_t port, const uint8_t *frame,
		 uint32_t size, bool whole, struct vs_trace **ret_trace)
{
	const struct dp_tunnel_outer none = {0};

	return vs_trace_run_tunnel(dp, flows, port, frame, size, &none, whole, ret_trace);
}

int vs_trace_run_tunnel(struct dp *dp, struct vs_flows *flows, uint16_t port, const uint8_t *frame,
			uint32_t size, const struct dp_tunnel_outer *outer, bool whole,
			struct vs_trace **ret_trace)
{
	struct vs_trace *t = calloc(1, sizeof(*t));
	int rc;

	if (t == NULL)
		return -ENOMEM;
	t->hook = (struct vs_xlate_trace){.searched = searched, .action = action, .set = set};
	t->dp.port = port;
	t->dp.frame = frame;
	t->dp.size = size;
	t->dp.outer = *outer;
	t->dp.costs = t->dp.peek = whole;
	t->dp.translation = &t->hook;
	rc = dp_trace_run(dp, &t->dp);
	if (rc != 0) {
		vs_trace_free(t);
		return rc;
	}
	for (unsigned i = 0; whole && flows != NULL && i < t->n_tables; i++)
		t->tables[i].cycles = search_cycles(flows, &t->tables[i]);
	*ret_trace = t;
	return 0;
}

void vs_trace_free(struct vs_trace *t)
{
	if (t == NULL)
		return;
	dp_trace_fini(&t->dp);
	free(t);
}

const struct vs_trace_table *vs_trace_decider(const struct vs_trace *t)
{
	return t->n_tables == 0 ? NULL : &t->tables[t->n_tables - 1];
}
