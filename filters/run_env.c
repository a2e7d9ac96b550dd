/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What programs ask of the thread they run on: the time, ports, lines for the event log.  Time is
 * the burst's: programs of a burst see one moment, on the line between the processor's counter and
 * the system's clock that tick draws ten times a second.
 *
 * Workers, but for filter_time_read().
 */
#include "filters/chain_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <linux/bpf.h>

#include <rte_cycles.h>

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

void filter_time_read(struct filter_modules *set)
{
	uint32_t next = (atomic_load(&set->time) + 1) % 4;
	struct filter_time *t = &set->times[next];

	/* Nobody reads this one: workers look at it for some instructions, and it comes round
	 * again in three ticks. */
	t->tsc = rte_rdtsc();
	t->ns = monotonic_ns();
	t->ns_per_tsc = (uint64_t)(((unsigned __int128)1000000000u << 32) / set->tsc_hz);
	atomic_store_explicit(&set->time, next, memory_order_release);
}

static const struct filter_time *time_of(const struct filter_modules *set)
{
	return &set->times[atomic_load_explicit(&set->time, memory_order_acquire)];
}

uint64_t filter_now_ns(struct filter_worker *fw)
{
	const struct filter_time *t = time_of(fw->set);
	uint64_t tsc = fw->burst->now, ns;

	if (tsc == fw->ns_tsc)
		return fw->ns;
	if (tsc >= t->tsc)
		ns = t->ns + (uint64_t)(((unsigned __int128)(tsc - t->tsc) * t->ns_per_tsc) >> 32);
	else
		ns = t->ns - (uint64_t)(((unsigned __int128)(t->tsc - tsc) * t->ns_per_tsc) >> 32);
	/* Never back: the line was drawn anew since. */
	if (ns > fw->ns)
		fw->ns = ns;
	fw->ns_tsc = tsc;
	return fw->ns;
}

static uint64_t now_ns(const struct ebpf_env *env)
{
	return filter_now_ns(env->owner);
}

/* Where the packet would go, as far as the switch knows: it has no routes but its VTEPs'. */
static long fib_answer(struct bpf_fib_lookup *q, const struct dp_filter_hop *hop)
{
	if (q->tot_len > hop->mtu) {
		q->mtu_result = hop->mtu;
		return BPF_FIB_LKUP_RET_FRAG_NEEDED;
	}
	if (hop->next.v6)
		memcpy(q->ipv6_dst, hop->next.b, sizeof(q->ipv6_dst));
	else
		q->ipv4_dst = hop->next.v4;
	memcpy(q->smac, hop->src, sizeof(q->smac));
	memcpy(q->dmac, hop->dst, sizeof(q->dmac));
	q->mtu_result = hop->mtu;
	q->ifindex = hop->port + 1u;
	q->rt_metric = 0;
	q->h_vlan_proto = q->h_vlan_TCI = 0;
	return BPF_FIB_LKUP_RET_SUCCESS;
}

static long fib_lookup(const struct ebpf_env *env, const struct ebpf_ctx *ctx, void *params,
		       uint32_t flags)
{
	const struct filter_worker *fw = env->owner;
	struct bpf_fib_lookup *q = params;
	struct dp_filter_hop hop;
	struct dp_ip to = {.v6 = q->family == AF_INET6};
	int rc;

	if ((flags & ~(uint32_t)(BPF_FIB_LOOKUP_DIRECT | BPF_FIB_LOOKUP_OUTPUT)) != 0)
		return -EINVAL;
	if (q->family == AF_INET)
		to.v4 = q->ipv4_dst;
	else if (q->family == AF_INET6)
		memcpy(to.b, q->ipv6_dst, sizeof(to.b));
	else
		return -EAFNOSUPPORT;
	rc = dp_filter_route(fw->burst->w, fw->burst->vp, &to, &hop);
	if (rc == 0)
		return fib_answer(q, &hop);
	return rc == -EHOSTUNREACH ? BPF_FIB_LKUP_RET_NO_NEIGH : BPF_FIB_LKUP_RET_NOT_FWDED;
}

static uint32_t mtu(const struct ebpf_env *env, uint32_t ifindex)
{
	const struct filter_worker *fw = env->owner;

	return ifindex != 0 ? dp_filter_mtu(fw->burst->w, fw->burst->vp, ifindex - 1) : 0;
}

static void print(const struct ebpf_env *env, const char *line, uint32_t size)
{
	struct filter_worker *fw = env->owner;
	struct filter_line *to;

	if (size > FILTER_LINE_MAX)
		size = FILTER_LINE_MAX;
	to = dp_records_reserve(&fw->lines, (uint32_t)sizeof(*to) + size);
	if (to == NULL) {
		filter_count(&fw->n_lost, 1);
		return;
	}
	memcpy(to->module, fw->module->name, sizeof(to->module));
	to->size = size;
	memcpy(to->text, line, size);
	dp_records_commit(&fw->lines);
}

const struct ebpf_ops filter_ebpf_ops = {
	.now_ns = now_ns,
	.fib_lookup = fib_lookup,
	.mtu = mtu,
	.print = print,
};
