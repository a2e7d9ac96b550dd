/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See flow.h.  Workers.
 */
#include "dataplane/flow_priv.h"

#include "dataplane/acl.h"
#include "dataplane/hash.h"
#include "dataplane/stages.h"
#include "dataplane/tunnel.h"
#include "dataplane/frag_priv.h"

#include <rte_cycles.h>

/* Entries a port may make: at once, and a second. */
#define TOKENS_MOST    32768u
#define TOKENS_A_MS    200u
#define IDLE_TICKS     100u /* ten seconds */
#define UPKEEP_EVERY   16   /* microseconds */
#define UNSEEN_ENTERED 256u

/* ---- Versions ---- */

/* Where the cache keeps what became of resumed frames. */
static uint16_t resumed_switch(const struct dp_pipeline *pl)
{
	return (uint16_t)(pl->index + DP_MF_MAX_SWITCHES / 2);
}

static void all_stale(struct dp_flow *flow, const struct dp_pipeline *pl)
{
	dp_mf_all_stale(flow->mf, pl->index);
	dp_mf_all_stale(flow->mf, resumed_switch(pl));
}

void dp_flow_forget(struct dp_flow *flow, const struct dp_pipeline *pl)
{
	dp_mf_flush(flow->mf, pl->index);
	dp_mf_flush(flow->mf, resumed_switch(pl));
}

static void changed(struct dp_flow *flow, const struct dp_pipeline *pl,
		    const struct dp_flow_log *log)
{
	dp_mf_changed(flow->mf, pl->index, log->table, &log->key, &log->mask);
	dp_mf_changed(flow->mf, resumed_switch(pl), log->table, &log->key, &log->mask);
}

/* Takes out of the cache what changed since the version seen last. */
static void catch_up(struct dp_flow *flow, const struct dp_pipeline *pl, uint64_t version)
{
	uint64_t seen = flow->seen[pl->index];

	for (uint64_t i = seen; i < version && version - seen <= DP_FLOW_LOG_SIZE / 2; i++) {
		const struct dp_flow_log *log = &pl->log[i % DP_FLOW_LOG_SIZE];

		if (log->kind == DP_FLOW_LOG_ALL)
			all_stale(flow, pl);
		else
			changed(flow, pl, log);
	}
	/* Read too late: the writer may have been there again. */
	if (atomic_load_explicit(&pl->logged, memory_order_acquire) - seen > DP_FLOW_LOG_SIZE / 2)
		all_stale(flow, pl);
	flow->seen[pl->index] = version;
}

void dp_flow_follow(struct dp_flow *flow, const struct dp_vport *in)
{
	const struct dp_pipeline *pl = in->pipeline;
	uint64_t version = atomic_load_explicit(&pl->version, memory_order_acquire);

	if (unlikely(version < in->pipeline_at))
		version = in->pipeline_at;
	if (unlikely(version > flow->seen[pl->index]))
		catch_up(flow, pl, version);
}

/* ---- Keys ---- */

/* The whole key, for a group or a translation that asks for more than the short one. */
static void make_long(struct dp_mf_burst *b, unsigned i)
{
	const struct rte_mbuf *m = b->pkts[i];
	struct dp_headers h;

	if ((b->plain >> i & 1) != 0) {
		dp_key_plain_whole(rte_pktmbuf_mtod(m, const uint8_t *), b->key[i],
				   &b->long_key[i]);
	} else {
		dp_parse_mbuf(m, &h);
		dp_key_extract_head(rte_pktmbuf_mtod(m, const uint8_t *), m->data_len, m->pkt_len,
				    &h, b->in_port, &b->long_key[i]);
	}
	if (unlikely(b->tunnel))
		dp_tunnel_key(m, &b->long_key[i]);
}

static const struct dp_key *long_key(struct dp_mf_burst *b, unsigned i)
{
	if ((b->has_long >> i & 1) == 0) {
		b->make_long(b, i);
		b->has_long |= 1u << i;
	}
	return &b->long_key[i];
}

static inline void put32(struct dp_key *key, enum dp_field field, uint32_t value)
{
	value = rte_cpu_to_be_32(value);
	memcpy(key->b + dp_fields[field].offset, &value, sizeof(value));
}

/* What a frame's connection says. */
static void make_ct(struct dp_mf_burst *b, unsigned i)
{
	struct dp_worker *w = b->owner;
	struct dp_resumed *q = &w->flow->resumed[i];
	struct dp_key *key = &b->long_key[i];
	uint16_t zone = rte_cpu_to_be_16(q->ct.zone);

	dp_ct_read(w->dp->ct, &q->ct);
	put32(key, DP_FIELD_CT_STATE, q->ct.state);
	put32(key, DP_FIELD_CT_MARK, q->ct.mark);
	memcpy(key->b + dp_fields[DP_FIELD_CT_ZONE].offset, &zone, sizeof(zone));
	memcpy(key->b + dp_fields[DP_FIELD_CT_LABEL].offset, q->ct.label, sizeof(q->ct.label));
}

/* What the frame's program knew, and its connection. */
static void make_long_resumed(struct dp_mf_burst *b, unsigned i)
{
	struct dp_worker *w = b->owner;
	struct dp_resumed *q = &w->flow->resumed[i];
	const struct dp_resume_what *what = &w->flow->resumes->states[q->state].what;
	struct dp_key *key = &b->long_key[i];

	make_long(b, i);
	make_ct(b, i);
	/* What lies before the frame's bytes is right while these are as they came. */
	if (unlikely(b->resumed_tunnel) && q->same)
		dp_tunnel_key(b->pkts[i], key);
	for (unsigned k = 0; k < DP_RESUME_WORDS; k++) {
		uint64_t *word = &key->w[dp_resume_word(k)];

		*word = (*word & ~what->known[k]) | what->value[k];
	}
}

static inline void make_key(struct dp_mf_burst *b, unsigned i)
{
	const struct rte_mbuf *m = b->pkts[i];
	/* All that a plain key is made of must be in the first segment. */
	uint32_t size = m->nb_segs == 1 || m->data_len >= DP_KEY_PLAIN_HEAD ? m->pkt_len : 0;

	if (likely(dp_key_plain(rte_pktmbuf_mtod(m, const uint8_t *), size,
				rte_cpu_to_be_16(b->in_port), b->key[i]))) {
		b->plain |= 1u << i;
		return;
	}
	memcpy(b->key[i], long_key(b, i), sizeof(b->key[i]));
}

/* ---- Counters ---- */

void dp_flow_uncount(struct dp_run *run, uint32_t from, uint32_t end)
{
	if (from < end && end <= run->n_rules)
		dp_flow_credit(run->w->flow, run->rules + from, (uint16_t)(end - from),
			       (uint64_t)-1, -(uint64_t)run->size);
}

void dp_flow_count(struct dp_flow *flow, uint32_t counter, uint64_t packets, uint64_t bytes)
{
	dp_flow_credit(flow, &counter, 1, packets, bytes);
}

/* ---- Misses ---- */

static bool may_enter(struct dp_worker *w, uint16_t port)
{
	struct dp_flow_tokens *t = &w->flow->tokens[port];
	uint64_t per_ms = w->dp->tsc_hz / 1000, ms = (w->burst_tsc - t->at) / per_ms;

	if (ms != 0) {
		uint64_t n = t->n + ms * TOKENS_A_MS;

		t->n = n < TOKENS_MOST ? (uint32_t)n : TOKENS_MOST;
		t->at = w->burst_tsc;
	}
	if (t->n == 0)
		return false;
	t->n--;
	return true;
}

/* What the tenant of such a frame may have in the cache.  Frames beyond are translated anew, one
 * by one, and push nobody else's flows out. */
static struct dp_mf_share share_of(const struct dp_worker *w, uint16_t domain)
{
	const struct dp_domain *d = w->view->domains[domain];

	return (struct dp_mf_share){DP_FLOW_OWNER(domain), d != NULL ? d->flow_limit : 0};
}

static void count_refused(struct dp_worker *w, uint16_t domain, struct dp_mf_share share)
{
	if (share.limit != 0 && dp_mf_owned(w->flow->mf, share.owner) >= share.limit)
		w->count->domains[domain].flows_refused++;
}

static void run_build(struct dp_run *run, const struct dp_edge_frame *f)
{
	struct dp_flow *flow = run->w->flow;
	struct dp_build *b = &flow->build;

	dp_flow_credit(flow, b->rules, b->n_rules, 1, f->m->pkt_len);
	run->rules = b->rules;
	run->n_rules = b->n_rules;
	run->size = f->m->pkt_len;
	dp_exec(run, f, b->steps, b->size);
}

struct asked {
	struct dp_run *run;
	const struct dp_edge_frame *f;
};

static bool ask_again(struct dp_build *b, struct dp_key *ret_key)
{
	const struct asked *a = b->again_arg;

	return dp_exec_key(a->f->m, dp_pool(a->run->w->dp, 0, false), b->steps, b->size,
			   a->run->in->of_port, ret_key);
}

uint32_t dp_flow_resume_state(struct dp_build *b, const struct dp_resume_what *what)
{
	struct dp_flow *flow = b->resume_arg;

	return dp_resume_get(flow->resumes, what);
}

/* Where a resumed frame's translation begins: with what was passed and changed before. */
static void resume_build(const struct dp_flow *flow, struct dp_build *b, const struct dp_resumed *q)
{
	b->from = &flow->resumes->states[q->state].what;
	b->changed = b->from->changed;
	memcpy(b->tables, b->from->tables, sizeof(b->tables));
}

/* A reference to the program that was built; NULL when there is no room. */
static struct dp_program *program_get(struct dp_flow *flow, const struct dp_build *b)
{
	struct dp_program *program = dp_programs_get(flow->programs, dp_build_only_output(b),
						     b->steps, b->size, b->rules, b->n_rules);

	if (program != NULL && program->refs == 1)
		dp_resume_refs(flow->resumes, program->steps, program->size, 1);
	return program;
}

void dp_flow_program_put(struct dp_flow *flow, struct dp_program *program)
{
	if (program->refs == 1)
		dp_resume_refs(flow->resumes, program->steps, program->size, -1);
	dp_programs_unref(flow->programs, program);
}

static uint16_t switch_of(const struct dp_mf_burst *b, const struct dp_pipeline *pl)
{
	return b->context == NULL ? pl->index : resumed_switch(pl);
}

static void only_drop(struct dp_build *b, enum dp_drop reason)
{
	b->keep = b->keep && reason != DP_DROP_NO_MBUF;
	b->size = 0;
	dp_build_step(b, DP_STEP_DROP, reason, 0);
}

/* 'from': NULL for a frame that is looked up for the first time. */
static void compose(struct dp_run *run, const struct dp_key *key, const struct dp_edge_frame *f,
		    const struct dp_resumed *from)
{
	const struct dp_pipeline *pl = run->in->pipeline;
	struct dp_build *b = &run->w->flow->build;
	struct asked asked = {run, f};

	dp_build_init(b);
	b->again = ask_again;
	b->again_arg = &asked;
	b->resume = dp_flow_resume_state;
	b->resume_arg = run->w->flow;
	b->acl = dp_acl_composed(run->in);
	if (from != NULL)
		resume_build(run->w->flow, b, from);
	pl->translate(pl->arg, key, run->w->flow->seen[pl->index], b);
	if (b->overflow)
		only_drop(b, DP_DROP_PROGRAM_TOO_LONG);
	else if (b->lost)
		only_drop(b, DP_DROP_NO_MBUF);
}

/* A packet that the cache knows nothing of: composes its program, keeps it, and runs it. */
static void miss(struct dp_run *run, const struct dp_pipeline *pl, unsigned i)
{
	struct dp_flow *flow = run->w->flow;
	struct dp_mf_burst *burst = &flow->burst;
	const struct dp_edge_frame f = dp_flow_frame(flow, i);
	const struct dp_key *key = long_key(burst, i);
	struct dp_build *b = &flow->build;
	const struct dp_mf_share share = share_of(run->w, f.domain);
	struct dp_program *program = NULL;

	compose(run, key, &f, burst->context != NULL ? &flow->resumed[i] : NULL);
	if (b->keep && may_enter(run->w, run->in->id))
		program = program_get(flow, b);
	if (program != NULL &&
	    dp_mf_insert(flow->mf, switch_of(burst, pl), key, &b->wc, program, b->tables,
			 &b->changed, burst->context != NULL ? burst->context[i] : 0,
			 share) == NULL) {
		count_refused(run->w, f.domain, share);
		dp_flow_program_put(flow, program);
	}
	dp_flow_running(run, i);
	if (unlikely(dp_flow_is_fragment(burst, i)) && dp_flow_hold(run, &f, b->steps, b->size))
		return;
	run_build(run, &f);
}

/* Was a packet with this short key here before, and not many others since?  What comes once, as
 * those of a scan do, needs no entry of its own.  Where so many flows last that none would be met
 * again, now and then one gets its entry without. */
static bool comes_again(struct dp_flow *flow, const uint64_t *key)
{
	uint32_t hash = (uint32_t)dp_nh_finish(dp_nh(key, DP_KEY_SHORT, flow->mf->pool[0].secret));
	uint16_t *seen = &flow->seen_keys[hash % DP_FLOW_SEEN], tag = (uint16_t)(hash >> 16);
	bool again = *seen == tag;

	*seen = tag;
	return again || ++flow->n_unseen % UNSEEN_ENTERED == 0;
}

/* The same program under the packet's whole short key: one place to look at next time. */
static void enter_exact(struct dp_worker *w, unsigned i)
{
	struct dp_flow *flow = w->flow;
	struct dp_mf_burst *b = &flow->burst;
	struct dp_mf_entry *e = b->hit[i];
	const struct dp_mf_group *g = flow->mf->group_of[e->group];
	const uint16_t domain = dp_flow_frame(flow, i).domain;
	struct dp_key key, mask;

	if (g->n_beyond != 0 || !comes_again(flow, b->key[i]) || !may_enter(w, b->pkts[i]->port))
		return;
	memset(&key, 0, sizeof(key));
	memset(&mask, 0, sizeof(mask));
	memcpy(key.w, b->key[i], sizeof(b->key[i]));
	memset(mask.w, 0xff, DP_KEY_SHORT * sizeof(mask.w[0]));
	e->program->refs++;
	if (dp_mf_insert(flow->mf, g->sw, &key, &mask, e->program, g->tables, &g->changed,
			 e->context, share_of(w, domain)) == NULL)
		e->program->refs--;
}

/* ---- The burst ---- */

/* Any other frame.  False when it may not come in. */
static bool prepare_other(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf *m)
{
	struct dp_flow *flow = w->flow;
	struct dp_mf_burst *b = &flow->burst;
	struct dp_edge_frame f = {.m = m};
	enum dp_drop reason = dp_edge_classify(in, &f);

	if (unlikely(reason != DP_N_DROPS)) {
		dp_drop(w, in->id, m, reason);
		return false;
	}
	if (unlikely(in->wire != NULL))
		dp_edge_count_tenant(w, f.domain, 1, m->pkt_len);
	w->count->ports[in->id]->rx_multicast += f.dst & DP_EDGE_GROUP_BIT;
	if (unlikely(f.dst == PROBE_DST) && dp_probe_is_ours(w, in->id, m)) {
		dp_drop(w, in->id, m, DP_DROP_LOOP_PROBE);
		return false;
	}
	flow->carried[b->n] = f.carried;
	flow->sizes[b->n] = m->pkt_len;
	b->pkts[b->n] = m;
	make_key(b, b->n);
	return true;
}

/* Drops what may not come in; fills frames and keys of the rest. */
static void prepare(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
		    uint16_t n)
{
	struct dp_flow *flow = w->flow;
	struct dp_mf_burst *b = &flow->burst;
	const uint64_t carried = dp_edge_carried(in->domain, in->pvid, false);
	bool takes_usual = in->wire == NULL && (in->flags & DP_VP_UNTAGGED_IN) != 0;
	uint16_t in_port_be = rte_cpu_to_be_16(in->of_port), k = 0;

	b->has_long = b->plain = 0;
	b->context = NULL;
	b->make_long = make_long;
	b->make_ct = NULL;
	b->in_port = in->of_port;
	b->tunnel = in->tunnel != NULL;
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		/* All that is to be said of such a frame is its key: reserved addresses and probes
		 * are group addresses. */
		if (likely(takes_usual && m->nb_segs == 1 &&
			   dp_key_usual(rte_pktmbuf_mtod(m, const uint8_t *), m->pkt_len,
					in_port_be, b->key[k]))) {
			b->pkts[k] = m;
			b->plain |= 1u << k;
			flow->carried[k] = carried;
			flow->sizes[k] = m->pkt_len;
			k++;
			continue;
		}
		b->n = k;
		k = (uint16_t)(k + prepare_other(w, in, m));
	}
	b->n = k;
}

/* ---- Unknown packets ---- */

/* Those of 'left' that the usual groups do not know are searched for in the others. */
static uint64_t search_rest(struct dp_run *run, uint16_t sw, uint32_t left)
{
	struct dp_flow *flow = run->w->flow;
	struct dp_mf_burst *b = &flow->burst;
	uint64_t start;

	if (run->w->trace == NULL)
		b->refused = left & ~dp_police(run->w, run->in->id, b->n, left);
	start = rte_rdtsc();
	dp_mf_lookup_rest(flow->mf, sw, b, left);
	return rte_rdtsc() - start;
}

/* Composes programs for those that nobody knows. */
static uint64_t translate_all(struct dp_run *run, const struct dp_pipeline *pl, uint32_t misses)
{
	uint64_t start = rte_rdtsc();

	for (; misses != 0; misses &= misses - 1)
		miss(run, pl, (unsigned)__builtin_ctz(misses));
	return rte_rdtsc() - start;
}

static void decide(struct dp_run *run, const struct dp_pipeline *pl)
{
	struct dp_flow *flow = run->w->flow;
	struct dp_mf_burst *b = &flow->burst;
	const uint16_t sw = switch_of(b, pl);
	uint32_t left = dp_mf_lookup_usual(flow->mf, sw, b), misses, refused;
	uint64_t spent = 0;

	if (unlikely(left != 0))
		spent = search_rest(run, sw, left);
	for (uint32_t deep = b->deep; unlikely(deep != 0); deep &= deep - 1)
		enter_exact(run->w, (unsigned)__builtin_ctz(deep));
	refused = b->refused;
	misses = dp_flow_run_known(run) & ~refused;
	if (likely(left == 0))
		return;
	if (refused != 0)
		dp_flow_drop(run, refused, DP_DROP_FLOW_LIMIT);
	left &= ~refused;
	/* Last, for they change the cache that 'hit' points into. */
	if (misses != 0)
		spent += translate_all(run, pl, misses);
	if (left != 0)
		dp_police_spent(&flow->police, spent, (unsigned)__builtin_popcount(left));
}

/* ---- Once more ---- */

/* The oldest of those that wait, as a burst. */
static void prepare_resumed(struct dp_flow *flow, const struct dp_vport *in)
{
	struct dp_mf_burst *b = &flow->burst;

	b->n = flow->n_queued < DP_BURST ? flow->n_queued : DP_BURST;
	b->plain = 0;
	b->in_port = in->of_port;
	for (uint16_t i = 0; i < b->n; i++) {
		const struct dp_waiting *q = &flow->queue[(flow->queue_at + i) % DP_RESUME_QUEUE];

		flow->carried[i] = q->carried;
		flow->sizes[i] = q->m->pkt_len;
		flow->contexts[i] = q->context;
		flow->resumed[i] = q->what;
		b->pkts[i] = q->m;
		if (!q->what.same) {
			make_key(b, i);
			continue;
		}
		memcpy(b->key[i], q->key, sizeof(q->key));
		b->plain |= (uint32_t)q->plain << i;
	}
	flow->queue_at = (flow->queue_at + b->n) % DP_RESUME_QUEUE;
	flow->n_queued = (uint16_t)(flow->n_queued - b->n);
}

/* The burst is of frames that are looked up again. */
static void resume(struct dp_run *run)
{
	struct dp_mf_burst *b = &run->w->flow->burst;

	b->has_long = 0;
	b->context = run->w->flow->contexts;
	b->has_ct = 0;
	b->make_long = make_long_resumed;
	b->make_ct = make_ct;
	b->owner = run->w;
	b->tunnel = false;
	b->resumed_tunnel = run->in->tunnel != NULL;
}

static void run_burst(struct dp_run *run, const struct dp_pipeline *pl)
{
	decide(run, pl);
	while (dp_flow_again(run->w->flow)) {
		resume(run);
		decide(run, pl);
	}
}

static void run_resumed(struct dp_run *run, const struct dp_pipeline *pl)
{
	while (run->w->flow->n_queued != 0) {
		resume(run);
		prepare_resumed(run->w->flow, run->in);
		run_burst(run, pl);
	}
}

void dp_flow_submit(struct dp_run *run, const struct dp_edge_frame *f)
{
	/* What is run already has rules of its own. */
	const struct dp_run was = *run;
	struct dp_headers h;
	struct dp_key key;

	dp_parse_mbuf(f->m, &h);
	dp_key_extract_head(rte_pktmbuf_mtod(f->m, const uint8_t *), f->m->data_len, f->m->pkt_len,
			    &h, run->in->of_port, &key);
	compose(run, &key, f, NULL);
	run->resumed = NULL;
	run->key = NULL;
	run->plain = false;
	run_build(run, f);
	run_resumed(run, run->in->pipeline);
	run->rules = was.rules;
	run->n_rules = was.n_rules;
	run->size = was.size;
}

/* What was prepared, to its end. */
static void carry(struct dp_worker *w, const struct dp_vport *in)
{
	const struct dp_pipeline *pl = in->pipeline;
	struct dp_edge_frame normal[DP_BURST];
	struct dp_run run = {.w = w, .in = in, .count = w->count->ports[in->id], .normal = normal};

	run_burst(&run, pl);
	if (unlikely(w->flow->n_queued != 0))
		run_resumed(&run, pl);
	if (run.n_normal != 0)
		dp_l2_forward(w, in, normal, run.n_normal);
}

void dp_flow_carry(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
		   const uint64_t *carried, uint16_t n)
{
	struct dp_flow *flow = w->flow;
	struct dp_mf_burst *b = &flow->burst;

	dp_flow_upkeep(w, w->burst_tsc);
	dp_flow_follow(flow, in);
	b->long_key = flow->long_keys;
	b->has_long = b->plain = 0;
	b->context = NULL;
	b->make_long = make_long;
	b->make_ct = NULL;
	b->in_port = in->of_port;
	b->tunnel = in->tunnel != NULL;
	b->n = n;
	for (uint16_t i = 0; i < n; i++) {
		flow->carried[i] = carried[i];
		flow->sizes[i] = pkts[i]->pkt_len;
		b->pkts[i] = pkts[i];
		make_key(b, i);
	}
	carry(w, in);
}

/* An admitted burst, past the port's filters. */
static void carry_admitted(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
			   uint16_t n)
{
	w->flow->burst.long_key = w->flow->long_keys;
	prepare(w, in, pkts, n);
	carry(w, in);
}

void dp_flow_burst(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
		   uint16_t n)
{
	struct dp_capture_point *point =
		atomic_load_explicit(&in->port->capture, memory_order_acquire);
	struct dp_flow *flow = w->flow;

	/* Before anything is marked as used: the last burst may be long ago. */
	dp_flow_upkeep(w, w->burst_tsc);
	dp_flow_follow(flow, in);
	if (unlikely(point != NULL))
		w->dp->capture(point, w->index, DP_STAGE_INGRESS, DP_N_DROPS, pkts, n);
	if (!dp_edge_admit(w, in, pkts, n))
		return;
	if (unlikely(in->on_ingress != 0))
		dp_stages_ingress(w, in, pkts, n, carry_admitted);
	else
		carry_admitted(w, in, pkts, n);
	if (unlikely(w->frags != NULL && dp_frags_has_whole(w->frags, false)))
		dp_flow_settle(w);
	dp_tx_flush_all(w);
}

void dp_flow_upkeep(struct dp_worker *w, uint64_t now_tsc)
{
	struct dp_flow *flow = w->flow;

	if (now_tsc < flow->next_upkeep)
		return;
	flow->next_upkeep = now_tsc + w->dp->tsc_hz / 1000000 * UPKEEP_EVERY;
	flow->tick = (uint32_t)(now_tsc / (w->dp->tsc_hz / 1000 * DP_FLOW_TICK_MS));
	flow->resumes->tick = flow->tick;
	dp_mf_upkeep(flow->mf, flow->tick, IDLE_TICKS);
}
