/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames on their way to another look-up (resume.h).  Most come from a program that does nothing
 * but track them, and are plain: these are tracked together and stay where they are in the burst,
 * with their keys; as soon as the burst's other frames are through it is looked up again as one.
 * Others wait in a queue.  Workers.
 */
#include "dataplane/flow.h"

#include <string.h>

void dp_flow_resume(struct dp_run *run, const struct dp_edge_frame *f, uint32_t state,
		    const struct dp_ct_mark *ct, bool changed)
{
	struct dp_flow *flow = run->w->flow;
	uint8_t rounds = run->resumed != NULL ? run->resumed->rounds : 0;
	uint16_t context = 0;
	struct dp_waiting *q;

	/* A state of 0: actions that were composed for no worker (a packet-out's own). */
	if (state != 0)
		context = dp_resume_context(flow->resumes, state, ct->state);

	if (rounds == DP_MAX_RESUMES || flow->n_queued == DP_RESUME_QUEUE || context == 0) {
		dp_drop(run->w, run->in->id, f->m,
			context == 0 ? DP_DROP_RESUME_FULL : DP_DROP_RESUME_LIMIT);
		return;
	}
	q = &flow->queue[(flow->queue_at + flow->n_queued++) % DP_RESUME_QUEUE];
	q->m = f->m;
	q->carried = f->carried;
	q->context = context;
	q->what = (struct dp_resumed){.ct = *ct,
				      .state = state,
				      .rounds = (uint8_t)(rounds + 1),
				      .same = !changed && run->key != NULL};
	q->plain = q->what.same && run->plain;
	if (q->what.same)
		memcpy(q->key, run->key, sizeof(q->key));
}

/* Those among 'which' that may be tracked in 'zone' here: not again in the same, not for ever. */
static uint32_t fresh(const struct dp_flow *flow, uint32_t which, uint16_t zone)
{
	if (likely(flow->burst.context == NULL))
		return which;
	for (uint32_t todo = which; todo != 0; todo &= todo - 1) {
		unsigned i = (unsigned)__builtin_ctz(todo);
		const struct dp_resumed *r = &flow->resumed[i];

		if (r->rounds == DP_MAX_RESUMES ||
		    ((r->ct.state & DP_CT_TRACKED) != 0 && r->ct.zone == zone))
			which &= ~(1u << i);
	}
	return which;
}

/* Packet 'i' of the lane is looked up again in its place; false when it has no context. */
static inline bool stay(struct dp_flow *flow, const struct dp_ct_lane *lane, uint32_t state,
			unsigned i)
{
	uint16_t context = flow->resumes->states[state].context[lane->state[i]];
	struct dp_resumed *r = &flow->resumed[i];

	if (unlikely(context == 0))
		context = dp_resume_context(flow->resumes, state, lane->state[i]);
	if (unlikely(context == 0))
		return false;
	r->rounds = (uint8_t)(flow->burst.context == NULL ? 1 : r->rounds + 1);
	if (flow->burst.context == NULL)
		r->same = true;
	r->state = state;
	r->ct.conn = lane->conn[i];
	r->ct.zone = lane->zone;
	r->ct.state = lane->state[i];
	r->ct.unread = true;
	flow->contexts[i] = context;
	return true;
}

uint32_t dp_flow_track(struct dp_run *run, const struct dp_program *program, uint16_t from,
		       uint16_t end)
{
	struct dp_ct *ct = atomic_load_explicit(&run->w->dp->ct, memory_order_acquire);
	uint32_t all = (uint32_t)((UINT64_C(1) << end) - (UINT64_C(1) << from));
	const struct dp_step *s = (const struct dp_step *)(program->steps + program->tracks - 1);
	const struct dp_step *resume = (const struct dp_step *)((const uint8_t *)s + s->size);
	struct dp_flow *flow = run->w->flow;
	struct dp_ct_lane lane; /* filled in as far as 'which' says */

	if (unlikely(ct == NULL || run->w->trace != NULL))
		return all;
	lane.domain = (uint16_t)flow->carried[from];
	lane.zone = ((const struct dp_step_ct *)s->data)->zone;
	/* Else there may be something to keep or to translate. */
	lane.settled = ((const struct dp_step_ct *)s->data)->flags != 0;
	/* A packet must not overtake one of its connection that waits. */
	if (lane.settled && flow->n_queued != 0)
		return all;
	lane.now = flow->tick;
	lane.which = fresh(flow, all & flow->burst.plain, lane.zone);
	lane.key = (const uint64_t(*)[4])flow->burst.key;
	lane.pkts = flow->burst.pkts;
	dp_ct_track_lane(ct, &flow->ct, &lane);
	flow->resumes->states[resume->arg].used = flow->resumes->tick;
	for (uint32_t todo = lane.which; todo != 0; todo &= todo - 1) {
		unsigned i = (unsigned)__builtin_ctz(todo);

		if (likely(stay(flow, &lane, resume->arg, i)))
			flow->again |= 1u << i;
		else
			dp_drop(run->w, run->in->id, lane.pkts[i], DP_DROP_RESUME_FULL);
	}
	return all & ~lane.which;
}

static void move(struct dp_flow *flow, unsigned from, unsigned to)
{
	struct dp_mf_burst *b = &flow->burst;

	memcpy(b->key[to], b->key[from], sizeof(b->key[to]));
	b->pkts[to] = b->pkts[from];
	flow->carried[to] = flow->carried[from];
	flow->sizes[to] = flow->sizes[from];
	flow->contexts[to] = flow->contexts[from];
	flow->resumed[to] = flow->resumed[from];
}

bool dp_flow_again(struct dp_flow *flow)
{
	struct dp_mf_burst *b = &flow->burst;
	uint32_t again = flow->again;
	uint16_t n = 0;

	if (again == 0)
		return false;
	for (uint32_t todo = again; todo != 0; todo &= todo - 1, n++)
		if ((unsigned)__builtin_ctz(todo) != n)
			move(flow, (unsigned)__builtin_ctz(todo), n);
	flow->again = 0;
	b->n = n;
	b->plain = (uint32_t)((UINT64_C(1) << n) - 1);
	return true;
}
