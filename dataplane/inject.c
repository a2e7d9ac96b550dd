/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See inject.h.  The control thread writes frame and steps into a queue of the worker (records.h)
 * and moves a number on that the worker compares once a loop; the worker makes a packet of them.
 */
#include "dataplane/inject.h"

#include "dataplane/flow.h"
#include "dataplane/records.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#define QUEUE_SIZE (1u << 19)
#define BUDGET	   16u /* frames a loop */

/* Then come the steps, the counters, the frame. */
struct record {
	uint64_t pipeline;
	uint32_t size; /* of the frame */
	uint16_t port, steps_size, n_rules, unused[3];
};
static_assert(sizeof(struct record) % 8 == 0, "steps are aligned");

/* ---- Either side ---- */

/* The frame in as many buffers as it takes; NULL when there are none. */
static struct rte_mbuf *packet_of(struct dp *dp, const uint8_t *data, uint32_t size)
{
	struct rte_mempool *pool = dp_pool(dp, 0, false);
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool), *last = m;

	for (uint32_t at = 0; m != NULL && at < size;) {
		uint16_t part = (uint16_t)RTE_MIN(size - at, (uint32_t)rte_pktmbuf_tailroom(last));

		memcpy(rte_pktmbuf_mtod_offset(last, char *, last->data_len), data + at, part);
		last->data_len = (uint16_t)(last->data_len + part);
		m->pkt_len += part;
		at += part;
		if (at == size)
			break;
		last->next = rte_pktmbuf_alloc(pool);
		last = last->next;
		if (last == NULL) {
			rte_pktmbuf_free(m);
			return NULL;
		}
		m->nb_segs++;
	}
	return m;
}

/* ---- Control thread ---- */

static struct dp_records *queue_of(struct dp_worker *w)
{
	struct dp_records *queue = w->injects;

	if (queue != NULL)
		return queue;
	queue = aligned_alloc(64, (sizeof(*queue) + 63) / 64 * 64);
	if (queue == NULL || dp_records_init(queue, QUEUE_SIZE) != 0) {
		free(queue);
		return NULL;
	}
	w->injects = queue;
	return queue;
}

void dp_inject_worker_gone(struct dp_worker *w)
{
	if (w->injects != NULL)
		dp_records_fini(w->injects);
	free(w->injects);
}

static void wait_for(struct dp_worker *w)
{
	while (atomic_load_explicit(&w->inject_done, memory_order_acquire) !=
	       atomic_load_explicit(&w->inject_wanted, memory_order_relaxed)) {
		if (atomic_load(&w->asleep))
			dp_worker_kick(w);
		sched_yield();
	}
}

void dp_inject_wait(struct dp *dp)
{
	for (unsigned i = 0; i < DP_MAX_WORKERS; i++)
		if (dp->workers[i] != NULL)
			wait_for(dp->workers[i]);
}

/* Where the parts of a record are. */
static uint8_t *steps_of(const struct record *r)
{
	return (uint8_t *)(uintptr_t)(r + 1);
}

static uint32_t *rules_of(const struct record *r)
{
	return (uint32_t *)(steps_of(r) + r->steps_size);
}

static uint8_t *frame_of(const struct record *r)
{
	return (uint8_t *)(rules_of(r) + r->n_rules);
}

static struct record *room_for(struct dp_worker *w, const struct dp_inject *inject)
{
	const struct dp_build *b = inject->build;
	size_t size =
		sizeof(struct record) + b->size + b->n_rules * sizeof(b->rules[0]) + inject->size;
	struct dp_records *queue = queue_of(w);
	struct record *r;

	if (queue == NULL)
		return NULL;
	r = dp_records_reserve(queue, (uint32_t)size);
	if (r != NULL)
		return r;
	/* A worker is faster than who fills its queue: this is short. */
	wait_for(w);
	return dp_records_reserve(queue, (uint32_t)size);
}

int dp_inject(struct dp *dp, const struct dp_inject *inject)
{
	struct dp_worker *w = atomic_load(&dp->by_rank[0]);
	const struct dp_build *b = inject->build;
	struct record *r;

	if (inject->size > DP_INJECT_MAX_FRAME)
		return -EMSGSIZE;
	r = w != NULL ? room_for(w, inject) : NULL;
	if (r == NULL)
		return -EAGAIN;
	*r = (struct record){.pipeline = dp_pipeline_id(inject->pipeline),
			     .size = inject->size,
			     .port = inject->port,
			     .steps_size = b->size,
			     .n_rules = b->n_rules};
	memcpy(steps_of(r), b->steps, b->size);
	memcpy(rules_of(r), b->rules, b->n_rules * sizeof(b->rules[0]));
	memcpy(frame_of(r), inject->data, inject->size);
	dp_records_commit(w->injects);
	atomic_fetch_add(&w->inject_wanted, 1);
	dp_worker_wake(w);
	return 0;
}

bool dp_inject_key(struct dp *dp, const uint8_t *data, uint32_t size, const struct dp_build *b,
		   uint16_t of_port, struct dp_key *ret_key)
{
	struct rte_mbuf *m = packet_of(dp, data, size);
	bool done = m != NULL &&
		    dp_exec_key(m, dp_pool(dp, 0, false), b->steps, b->size, of_port, ret_key);

	rte_pktmbuf_free(m);
	return done;
}

/* ---- Workers ---- */

/* What stands for no port: the switch, which hears everybody.  Its ledger is that of the first
 * port.  False when the switch has none. */
static bool nobody(struct dp_worker *w, uint64_t pipeline, struct dp_vport *ret_in)
{
	for (uint16_t id = 0; id < w->view->n_vports; id++) {
		const struct dp_vport *vp = w->view->vports[id];

		if (vp == NULL || vp->pipeline == NULL || vp->pipeline->id != pipeline)
			continue;
		memset(ret_in, 0, sizeof(*ret_in));
		ret_in->id = id;
		ret_in->domain = vp->domain;
		ret_in->flags = DP_VP_UP | DP_VP_TAGGED_IN | DP_VP_UNTAGGED_IN | DP_VP_BPDU;
		ret_in->of_port = DP_INJECT_OF_PORT;
		ret_in->pipeline = vp->pipeline;
		memset(ret_in->vlan_in, 0xff, sizeof(ret_in->vlan_in));
		memset(ret_in->vlan_out, 0xff, sizeof(ret_in->vlan_out));
		return true;
	}
	return false;
}

static void run(struct dp_worker *w, const struct record *r, const struct dp_vport *in)
{
	struct dp_edge_frame normal[DP_BURST], f = {.m = NULL};
	struct dp_run run = {.w = w,
			     .in = in,
			     .count = w->count->ports[in->id],
			     .normal = normal,
			     .rules = rules_of(r),
			     .n_rules = r->n_rules,
			     .size = r->size,
			     .no_port = r->port == DP_NO_PORT};
	enum dp_drop reason;

	run.count->copies++;
	f.m = packet_of(w->dp, frame_of(r), r->size);
	if (f.m == NULL) {
		run.count->drops_rx[DP_DROP_NO_MBUF]++;
		return;
	}
	f.m->port = in->id;
	reason = dp_edge_classify(in, &f);
	if (reason != DP_N_DROPS) {
		dp_drop(w, in->id, f.m, reason);
		return;
	}
	dp_flow_follow(w->flow, in);
	for (uint16_t i = 0; i < r->n_rules; i++)
		dp_flow_count(w->flow, rules_of(r)[i], 1, r->size);
	dp_exec(&run, &f, steps_of(r), r->steps_size);
	if (run.n_normal != 0)
		dp_l2_forward(w, in, normal, run.n_normal);
}

/* A port or a switch that is gone meanwhile takes the frame with it. */
static void run_record(struct dp_worker *w, const struct record *r)
{
	const struct dp_vport *in;
	struct dp_vport none;

	if (r->port == DP_NO_PORT) {
		if (nobody(w, r->pipeline, &none))
			run(w, r, &none);
		return;
	}
	in = w->view->vports[r->port];
	if (in != NULL && in->port != NULL && in->pipeline != NULL &&
	    in->pipeline->id == r->pipeline)
		run(w, r, in);
}

unsigned dp_inject_drain(struct dp_worker *w)
{
	uint32_t size, n = 0;
	const void *r;

	w->burst_tsc = rte_rdtsc();
	if (w->flow != NULL)
		dp_flow_upkeep(w, w->burst_tsc);
	for (; n < BUDGET && (r = dp_records_front(w->injects, &size)) != NULL; n++) {
		run_record(w, r);
		dp_tx_flush_all(w);
		dp_records_pop(w->injects);
	}
	atomic_fetch_add(&w->inject_done, n);
	return n;
}
