/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A burst through a chain: slot by slot, each over the frames that still go on.  Of what a slot
 * needs, all that can is looked up once a burst: the program, its account, the clock.  What is left
 * for each frame is a call, and for programs that look at frames four stores before it.
 *
 * Workers.  See chain_priv.h.
 */
#include "filters/chain_priv.h"

#include "dataplane/view.h"
#include "dataplane/worker.h"

#include <rte_cycles.h>
#include <rte_mbuf.h>

#define REQUESTS                                                                                   \
	(RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_TCP_SEG |                  \
	 RTE_MBUF_F_TX_UDP_SEG)

/* ---- Verdicts ---- */

static void fates_init(struct filter_pass *p)
{
	for (uint16_t i = 0; i < p->b->n; i++)
		p->b->fates[i].kind = DP_FATE_PASS;
	p->decided = true;
}

void filter_kill(struct filter_pass *p, uint16_t i, enum dp_drop reason)
{
	if (!p->decided)
		fates_init(p);
	p->b->fates[i].kind = DP_FATE_DROP;
	p->b->fates[i].reason = (uint8_t)reason;
	p->alive &= ~(UINT64_C(1) << i);
}

static void send_away(struct filter_pass *p, uint16_t i, struct dp_filter_fate fate)
{
	if (!p->decided)
		fates_init(p);
	fate.flags |= p->index << FILTER_FATE_SLOT;
	p->b->fates[i] = fate;
	p->alive &= ~(UINT64_C(1) << i);
}

static void refuse(struct filter_pass *p, uint16_t i)
{
	filter_count(&p->share->refused, 1);
	filter_kill(p, i, DP_DROP_FILTER_REFUSED);
}

static bool may_send(const struct filter_pass *p)
{
	return p->slot->role == FILTER_ROLE_FORWARD && p->b->side == DP_FILTER_INGRESS;
}

static void redirect(struct filter_pass *p, uint16_t i)
{
	const struct ebpf_redirect *r = &p->fw->env.redirect;

	filter_count(&p->share->redirect, 1);
	if (p->slot->role == FILTER_ROLE_CAPTURE)
		return;
	if (!may_send(p) || (p->cur->does & EBPF_REDIRECTS) == 0)
		refuse(p, i);
	else if (r->map != NULL && (r->flags & BPF_F_BROADCAST) != 0)
		send_away(p, i,
			  (struct dp_filter_fate){.kind = DP_FATE_PORTS,
						  .flags = (uint32_t)r->flags,
						  .to = r->map});
	else if (r->ifindex == 0 || r->ifindex > DP_MAX_PORTS)
		refuse(p, i);
	else
		send_away(p, i,
			  (struct dp_filter_fate){.kind = DP_FATE_PORT,
						  .port = (uint16_t)(r->ifindex - 1),
						  .way = r->prog});
}

static void send_back(struct filter_pass *p, uint16_t i)
{
	filter_count(&p->share->tx, 1);
	if (p->slot->role == FILTER_ROLE_CAPTURE)
		return;
	if (!may_send(p))
		refuse(p, i);
	else
		send_away(p, i,
			  (struct dp_filter_fate){.kind = DP_FATE_PORT, .port = p->b->vp->id});
}

/* Anything but PASS.  What a capture says counts for nothing, but is counted. */
static __rte_noinline void decide(struct filter_pass *p, uint16_t i, uint32_t verdict)
{
	const bool sees_only = p->slot->role == FILTER_ROLE_CAPTURE;

	switch (verdict) {
	case EBPF_DROP:
		filter_count(&p->share->drop, 1);
		if (!sees_only)
			filter_kill(p, i, DP_DROP_FILTER_DROP);
		break;
	case EBPF_TX:
		send_back(p, i);
		break;
	case EBPF_REDIRECT:
		redirect(p, i);
		break;
	case EBPF_ABORTED:
	default: /* As the kernel takes what is no verdict. */
		filter_count(&p->share->aborted, 1);
		if (!sees_only)
			filter_kill(p, i, DP_DROP_FILTER_ABORTED);
		break;
	}
}

/* ---- The loops ---- */

static inline void run_blind(struct filter_pass *p, uint64_t alive, bool all)
{
	const ebpf_run_fn code = p->cur->code;
	const uint16_t n = p->b->n;

	for (uint16_t i = 0; i < n; i++) {
		uint32_t verdict;

		if (!all && (alive >> i & 1) == 0)
			continue;
		verdict = (uint32_t)code(&p->ctx);
		if (unlikely(verdict != EBPF_PASS))
			decide(p, i, verdict);
	}
}

static __rte_noinline void run_other(struct filter_pass *p, uint16_t i)
{
	uint32_t verdict = EBPF_PASS;
	enum dp_drop reason;

	p->fw->env.redirect = (struct ebpf_redirect){0};
	p->fw->env.n_tail = 0;
	reason = filter_run_frame(p, i, &verdict);
	if (unlikely(reason != DP_N_DROPS))
		filter_kill(p, i, reason);
	else if (verdict != EBPF_PASS)
		decide(p, i, verdict);
}

/* A frame as it is: one segment, and alone in it for who writes. */
static inline bool is_plain(const struct rte_mbuf *m, bool writes)
{
	return likely(m->nb_segs == 1) &&
	       (!writes || likely(RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1));
}

static inline void run_looks(struct filter_pass *p, uint64_t alive, bool all, bool writes)
{
	const ebpf_run_fn code = p->cur->code;
	const bool redirects = (p->cur->does & EBPF_REDIRECTS) != 0;
	struct rte_mbuf **pkts = p->b->pkts;
	const uint16_t n = p->b->n;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		uint32_t verdict;
		uint8_t *data;

		if (!all && (alive >> i & 1) == 0)
			continue;
		if (unlikely(!is_plain(m, writes))) {
			run_other(p, i);
			continue;
		}
		data = rte_pktmbuf_mtod(m, uint8_t *);
		p->ctx.data = data;
		p->ctx.meta = data;
		p->ctx.data_end = data + m->data_len;
		p->ctx.frame_size = m->data_len;
		p->ctx.ingress_ifindex = m->port + 1u;
		if (redirects)
			p->fw->env.redirect = (struct ebpf_redirect){0};
		if (writes)
			m->ol_flags &= ~(uint64_t)FILTER_STALE;
		verdict = (uint32_t)code(&p->ctx);
		if (unlikely(verdict != EBPF_PASS))
			decide(p, i, verdict);
	}
}

static void run_any(struct filter_pass *p, uint64_t alive)
{
	for (; alive != 0; alive &= alive - 1)
		run_other(p, (uint16_t)__builtin_ctzll(alive));
}

static inline void run_program(struct filter_pass *p, bool all)
{
	enum filter_kind kind = p->cur->kind;

	if (unlikely(p->slot->strip_vlan || p->slot->meta))
		kind = FILTER_ANY;
	if (kind == FILTER_BLIND && all)
		run_blind(p, 0, true);
	else if (kind == FILTER_BLIND)
		run_blind(p, p->alive, false);
	else if (kind == FILTER_LOOKS && all)
		run_looks(p, 0, true, false);
	else if (kind == FILTER_LOOKS)
		run_looks(p, p->alive, false, false);
	else if (kind == FILTER_WRITES && p->slot->role != FILTER_ROLE_CAPTURE)
		run_looks(p, p->alive, false, true);
	else
		run_any(p, p->alive);
}

/* ---- Budgets ---- */

/* The module has had its share.  True: what its policy says was done. */
static __rte_noinline bool out_of_budget(struct filter_pass *p, uint16_t n)
{
	struct filter_share *s = p->share;

	if (p->cur->budget == 0 || !filter_cost_is_over(&p->spent->cost, p->b->now)) {
		p->spent->cost = (struct filter_cost){0};
		atomic_store_explicit(&p->spent->over_until, 0, memory_order_relaxed);
		return false;
	}
	if (p->cur->policy == FILTER_BYPASS || p->slot->role == FILTER_ROLE_CAPTURE) {
		filter_count(&s->bypassed, n);
		return true;
	}
	filter_count(&s->budget_drops, n);
	for (uint64_t alive = p->alive; alive != 0; alive &= alive - 1)
		filter_kill(p, (uint16_t)__builtin_ctzll(alive), DP_DROP_FILTER_BUDGET);
	return true;
}

static void charge(struct filter_pass *p, uint64_t cycles, uint16_t n)
{
	struct filter_spent *s = p->spent;

	if (!filter_cost_charge(&s->cost, p->b->now, p->fw->set->tsc_hz, p->cur->budget, cycles, n))
		return;
	filter_count(&p->share->overruns, 1);
	atomic_store_explicit(&s->over_until, s->cost.until, memory_order_relaxed);
}

/* ---- The burst ---- */

static uint64_t mask_of(uint16_t n)
{
	return n == 64 ? UINT64_MAX : (UINT64_C(1) << n) - 1;
}

/* 'start': when the one before ended.  Returns when this one did. */
static inline uint64_t run_slot(struct filter_pass *p, uint64_t start)
{
	const uint64_t full = mask_of(p->b->n);
	const bool all = p->alive == full;
	const uint16_t n = all ? p->b->n : (uint16_t)__builtin_popcountll(p->alive);
	uint64_t end;

	if (unlikely(p->spent->cost.until != 0) && out_of_budget(p, n))
		return start;
	p->fw->env.prog = p->cur->prog;
	p->fw->module = p->slot->module;
	run_program(p, all);
	end = rte_rdtsc();
	filter_count(&p->share->packets, n);
	filter_count(&p->share->cycles, end - start);
	if (p->cur->budget != 0)
		charge(p, end - start, n);
	return end;
}

static bool has_requests(const struct dp_filter_burst *b)
{
	uint64_t flags = 0;

	for (uint16_t i = 0; i < b->n; i++)
		flags |= b->pkts[i]->ol_flags;
	return (flags & REQUESTS) != 0;
}

/* No worker of that number was foreseen: nothing can run, and nothing gets past. */
static enum dp_filter_result stranger(struct dp_filter_burst *b)
{
	for (uint16_t i = 0; i < b->n; i++)
		b->fates[i] = (struct dp_filter_fate){.kind = DP_FATE_DROP,
						      .reason = DP_DROP_FILTER_ABORTED};
	return DP_FILTER_DECIDED;
}

/* ebpf_env_enter() asks the system where the stack ends; all that programs have of it lies below
 * this. */
static inline void enter(struct filter_pass *p)
{
	p->fw->env.ctx = &p->ctx;
	p->fw->env.stack_end = (uintptr_t)__builtin_frame_address(0);
	ebpf_env_here = &p->fw->env;
}

enum dp_filter_result filter_run(struct dp_filter_chain *chain, struct dp_filter_burst *b)
{
	const struct filter_current *cur[FILTER_MAX_SLOTS];
	struct filter_pass p;
	bool writes = false;
	uint64_t now;

	if (unlikely(b->worker >= chain->set->n_cpus))
		return stranger(b);
	for (uint32_t i = 0; i < chain->n; i++) {
		cur[i] = atomic_load_explicit(&chain->slots[i].module->current,
					      memory_order_acquire);
		writes |= cur[i]->writes && chain->slots[i].role != FILTER_ROLE_CAPTURE;
	}
	if (writes && !b->finished && has_requests(b))
		return DP_FILTER_FINISH;
	p.b = b;
	p.fw = &chain->set->workers[b->worker];
	p.fw->burst = b;
	p.alive = mask_of(b->n);
	p.decided = false;
	p.ctx = (struct ebpf_ctx){.ingress_ifindex = b->vp->id + 1u,
				  .egress_ifindex =
					  b->side == DP_FILTER_EGRESS ? b->vp->id + 1u : 0};
	enter(&p);
	now = rte_rdtsc();
	for (uint32_t i = 0; i < chain->n && p.alive != 0; i++) {
		p.slot = &chain->slots[i];
		p.index = i;
		p.cur = cur[i];
		p.share = &chain->places[i]->shares[b->worker];
		p.spent = &p.slot->module->spent[b->worker];
		now = run_slot(&p, now);
	}
	return p.decided ? DP_FILTER_DECIDED : DP_FILTER_ALL_PASS;
}
