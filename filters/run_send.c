/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where frames go that a program sends: every port of a devmap, and the program that a devmap's
 * entry has for the way out.  Whether they may go there is the dataplane's to say (filter.h).
 *
 * Workers.
 */
#include "filters/chain_priv.h"

#include "dataplane/view.h"

#include <rte_mbuf.h>

uint32_t filter_targets(struct dp_filter_chain *chain, const struct dp_filter_burst *burst,
			const struct dp_filter_fate *fate, struct dp_filter_target *ret)
{
	struct ebpf_dev devs[DP_FILTER_MAX_TARGETS];
	uint32_t n = ebpf_map_devs(fate->to, devs, DP_FILTER_MAX_TARGETS), n_out = 0;

	for (uint32_t i = 0; i < n; i++) {
		if ((fate->flags & BPF_F_EXCLUDE_INGRESS) != 0 &&
		    devs[i].ifindex == burst->vp->id + 1u)
			continue;
		ret[n_out++] = (struct dp_filter_target){devs[i].ifindex - 1, devs[i].prog};
	}
	return n_out;
}

void filter_refused(struct dp_filter_chain *chain, const struct dp_filter_burst *burst,
		    const struct dp_filter_fate *fate)
{
	const struct filter_place *place = chain->places[fate->flags >> FILTER_FATE_SLOT];

	filter_count(&place->shares[burst->worker].refused, 1);
}

/* Only PASS lets it out, as in the kernel. */
static enum dp_drop fate_of(uint32_t verdict)
{
	if (verdict == EBPF_PASS)
		return DP_N_DROPS;
	return verdict == EBPF_DROP ? DP_DROP_FILTER_DROP : DP_DROP_FILTER_ABORTED;
}

enum dp_drop filter_leave(struct dp_filter_chain *chain, struct dp_filter_burst *burst,
			  struct rte_mbuf **m, uint16_t port, const void *way)
{
	static const struct filter_slot slot = {.role = FILTER_ROLE_FILTER};
	const struct ebpf_prog *prog = way;
	const struct filter_current cur = {.prog = (struct ebpf_prog *)(uintptr_t)way,
					   .does = filter_does(prog),
					   .kind = FILTER_ANY};
	struct dp_filter_burst one;
	struct filter_pass p = {.b = &one,
				.fw = &chain->set->workers[burst->worker],
				.slot = &slot,
				.cur = &cur};
	uint32_t verdict = EBPF_PASS;
	enum dp_drop reason;

	one.w = burst->w;
	one.worker = burst->worker;
	one.n = 1;
	one.side = DP_FILTER_EGRESS;
	one.finished = burst->finished;
	one.vp = burst->vp;
	one.now = burst->now;
	one.pkts = m;
	p.ctx.ingress_ifindex = burst->vp->id + 1u;
	p.ctx.egress_ifindex = port + 1u;
	p.fw->env.prog = prog;
	p.fw->env.n_tail = 0;
	p.fw->env.redirect = (struct ebpf_redirect){0};
	p.fw->env.ctx = &p.ctx;
	p.fw->env.stack_end = (uintptr_t)__builtin_frame_address(0);
	ebpf_env_here = &p.fw->env;
	p.fw->burst = &one;
	reason = filter_run_frame(&p, 0, &verdict);
	p.fw->burst = burst;
	return reason != DP_N_DROPS ? reason : fate_of(verdict);
}
