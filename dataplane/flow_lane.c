/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Packets of a burst that the cache knows, in lanes: those of one program that are carried alike go
 * together, so that what the egress port says of the first it says of all.  See flow.h.  Workers.
 */
#include "dataplane/flow_priv.h"
#include "dataplane/frag_priv.h"
#include "dataplane/head.h"

#define AHEAD 6 /* packets */

/* Packets 'from' to 'end' of the burst: of one program, and carried alike, so that what the egress
 * port says of the first it says of all. */
struct lane {
	const struct dp_program *program;
	uint64_t carried;
	uint16_t from, end;
	uint16_t port; /* with 'to' */
};

/* Bit i: packet i of the burst. */
static inline uint32_t bits_of(const struct lane *l)
{
	return (uint32_t)((UINT64_C(1) << l->end) - (UINT64_C(1) << l->from));
}

/* Where they may go without a change of their tag, carried so; NULL: see to each. */
static inline struct dp_txbuf *lead(struct dp_run *run, uint16_t port, uint64_t carried)
{
	const struct dp_vport *out = run->w->view->vports[port];
	const struct dp_edge_frame f = {.carried = carried};
	bool tag_out;
	enum dp_drop reason;

	if (out == NULL || out == run->in || out->wire != NULL ||
	    !dp_edge_may_leave(run->in, out, f.domain, f.cvlan, &reason))
		return NULL;
	tag_out = (out->flags & DP_VP_TAG_OUT) != 0 && f.cvlan != out->native_out;
	return tag_out == f.tagged ? dp_tx_open(run->w, out) : NULL;
}

/* A tag without a VID is on the port's VLAN, which it must say when it leaves. */
static inline bool says_vlan(const struct dp_head *head, bool tagged)
{
	if (head != NULL && head->pushes != 0)
		return ((head->tag[2] & 0xf) | head->tag[3]) != 0;
	return !tagged || (head != NULL && head->pops != 0);
}

static inline struct dp_txbuf *lane_lead(struct dp_run *run, struct lane *l)
{
	const struct dp_head *head = l->program->head;
	const struct dp_edge_frame f = {.carried = l->carried};

	if (!says_vlan(head, f.tagged))
		return NULL;
	if (head == NULL) {
		l->port = l->program->out;
		return l->port != DP_NO_PORT ? lead(run, l->port, l->carried) : NULL;
	}
	l->port = head->out;
	return lead(run, l->port, dp_head_carried(head, l->carried, run->in->pvid));
}

/* A packet that asks for more care. */
static void run_alone(struct dp_run *run, const struct dp_program *program, unsigned i)
{
	const struct dp_edge_frame f = dp_flow_frame(run->w->flow, i);
	struct dp_worker *w = run->w;

	dp_flow_running(run, i);
	if (unlikely(dp_flow_is_fragment(&w->flow->burst, i)) &&
	    dp_flow_hold(run, &f, program->steps, program->size)) {
		/* It comes again. */
		dp_flow_credit(w->flow, dp_program_rules(program), program->n_rules, (uint64_t)-1,
			       -(uint64_t)w->flow->sizes[i]);
		return;
	}
	run->rules = dp_program_rules(program);
	run->n_rules = program->n_rules;
	run->size = w->flow->sizes[i];
	if (program->out != DP_NO_PORT)
		dp_edge_forward(w, run->in, w->view->vports[program->out], &f, run->count);
	else
		dp_exec(run, &f, program->steps, program->size);
}

static inline void send_lane(struct dp_run *run, const struct lane *l, struct dp_txbuf *to)
{
	const struct dp_mf_burst *b = &run->w->flow->burst;

	uint16_t n = (uint16_t)(l->end - l->from);

	dp_tx_gather_all(run->w, to, l->port, b->pkts + l->from, n);
	run->count->forwarded += n;
}

/* Those for which the head does not do go alone. */
static void head_lane(struct dp_run *run, const struct lane *l, struct dp_txbuf *to)
{
	const struct dp_mf_burst *b = &run->w->flow->burst;
	const struct dp_head *head = l->program->head;
	const struct dp_edge_frame f = {.carried = l->carried};

	for (uint16_t i = l->from; i < l->end; i++) {
		/* A tag that is pushed starts on the line before the frame's. */
		if (i + AHEAD < l->end)
			rte_prefetch0_write(rte_pktmbuf_mtod(b->pkts[i + AHEAD], char *) -
					    DP_RW_TAG_SIZE);
		if (unlikely((b->plain >> i & 1) == 0 ||
			     !dp_head_apply(head, b->pkts[i], f.tagged))) {
			run_alone(run, l->program, i);
			continue;
		}
		run->count->forwarded++;
		dp_tx_gather(run->w, to, l->port, b->pkts[i]);
	}
}

/* Those that no output takes as they are. */
static void other_lane(struct dp_run *run, const struct lane *l)
{
	uint32_t todo = bits_of(l);

	if (l->program->tracks != 0)
		todo = dp_flow_track(run, l->program, l->from, l->end);
	for (; todo != 0; todo &= todo - 1)
		run_alone(run, l->program, (unsigned)__builtin_ctz(todo));
}

/* What lanes of one burst have in common.  Where rules are fine, lanes are short, and the next one
 * mostly goes where the last one went, or nowhere. */
struct lanes {
	struct dp_txbuf *to; /* of unchanged frames, so carried, for 'port' */
	uint64_t carried;
	uint16_t port;
	uint32_t dropped; /* bit i: its rules say no more than that */
};

static inline struct dp_txbuf *lane_to(struct dp_run *run, struct lane *l, struct lanes *all)
{
	const uint16_t out = l->program->out;

	if (out == DP_NO_PORT)
		return lane_lead(run, l);
	if (out != all->port || l->carried != all->carried) {
		all->to = lane_lead(run, l);
		all->carried = l->carried;
		all->port = out;
	}
	l->port = out;
	return all->to;
}

static inline void run_lane(struct dp_run *run, struct lane *l, struct lanes *all)
{
	struct dp_txbuf *to;
	uint64_t bytes = 0;

	for (uint16_t i = l->from; i < l->end; i++)
		bytes += run->w->flow->sizes[i];
	dp_flow_credit(run->w->flow, dp_program_rules(l->program), l->program->n_rules,
		       (uint64_t)(l->end - l->from), bytes);
	if (l->program->size == 0) {
		all->dropped |= bits_of(l);
		return;
	}
	to = lane_to(run, l, all);
	if (to == NULL) {
		other_lane(run, l);
	} else if (l->program->head != NULL) {
		head_lane(run, l, to);
	} else {
		send_lane(run, l, to);
	}
}

void dp_flow_drop(struct dp_run *run, uint32_t bits, enum dp_drop reason)
{
	struct rte_mbuf *pkts[DP_BURST];
	uint16_t n = 0;

	for (; bits != 0; bits &= bits - 1)
		pkts[n++] = run->w->flow->burst.pkts[__builtin_ctz(bits)];
	dp_drop_all(run->w, run->in->id, pkts, n, reason);
}

/* Where rules are fine each packet has another program, which counts somewhere else. */
static void prefetch_counters(struct dp_flow *flow)
{
	const struct dp_mf_burst *b = &flow->burst;

	for (uint16_t i = 0; i < b->n; i++)
		if (b->hit[i] != NULL)
			rte_prefetch0_write(dp_flow_counter_of(flow, b->hit[i]->program->rules[0]));
}

/* Returns those that nothing is known of. */
uint32_t dp_flow_run_known(struct dp_run *run)
{
	struct dp_flow *flow = run->w->flow;
	const struct dp_mf_burst *b = &flow->burst;
	struct lanes lanes = {.port = DP_NO_PORT};
	uint32_t misses = 0;

	if (b->n != 0 && b->hit[0] != b->hit[b->n - 1])
		prefetch_counters(flow);
	for (uint16_t i = 0; i < b->n;) {
		struct lane lane = {.from = i, .carried = flow->carried[i]};

		if (unlikely(b->hit[i] == NULL)) {
			misses |= 1u << i++;
			continue;
		}
		lane.program = b->hit[i]->program;
		while (++i < b->n && flow->carried[i] == lane.carried &&
		       (b->hit[i] == b->hit[lane.from] ||
			(b->hit[i] != NULL && b->hit[i]->program == lane.program)))
			;
		lane.end = i;
		run_lane(run, &lane, &lanes);
	}
	if (lanes.dropped != 0)
		dp_flow_drop(run, lanes.dropped, DP_DROP_NO_ACTION);
	return misses;
}
