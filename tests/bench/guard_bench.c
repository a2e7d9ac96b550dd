/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What guards cost: cycles of the time stamp counter for a packet of a burst of 32, from one port
 * to another, without guards and with all that a VM's port has by default, for the learning switch
 * and for cached flows.
 *
 * 	guard_bench [FLOWS]
 *
 * All cases take turns in one run, so that what disturbs one disturbs all; the differences count.
 * 'tagged' frames wear a tag, 'slow' ones each go the slow way: they are ICMP.
 */
#include "tests/bench/bench_frame.h"
#include "tests/bench/bench_switch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "dataplane/fdb.h"
#include "dataplane/guard.h"
#include "dataplane/stages.h"

#define N_ROUNDS   4000u
#define MOST_FLOWS 16384u
#define DEFAULTS                                                                                   \
	(DP_GUARD_MAC | DP_GUARD_IP | DP_GUARD_DHCP | DP_GUARD_ROUTER | DP_GUARD_ARP |             \
	 DP_GUARD_BPDU | DP_GUARD_LEARN_DHCP | DP_GUARD_ANSWER)

static struct bench_switch sw;
static struct rte_mbuf *frames[MOST_FLOWS], *tagged[MOST_FLOWS], *slow[MOST_FLOWS];
static uint32_t n_flows = 1000;
static struct dp_guard *guard;

static struct bench_case {
	const char *name;
	bool guarded, flow;
	struct rte_mbuf **of;
	uint64_t took[N_ROUNDS];
} cases[] = {
	{.name = "l2", .of = frames},
	{.name = "l2 guards", .of = frames, .guarded = true},
	{.name = "flow", .of = frames, .flow = true},
	{.name = "flow guards", .of = frames, .flow = true, .guarded = true},
	{.name = "l2 tagged", .of = tagged},
	{.name = "tagged guards", .of = tagged, .guarded = true},
	{.name = "l2 icmp", .of = slow},
	{.name = "slow guards", .of = slow, .guarded = true},
};
#define N_CASES (sizeof(cases) / sizeof(cases[0]))

static void die(const struct err *err)
{
	fprintf(stderr, "guard_bench: %s %s\n", err->what, err->why);
	exit(1);
}

static void translate(void *arg, const struct dp_key *key, uint64_t version, struct dp_build *b)
{
	dp_key_cover(&b->wc, DP_FIELD_IN_PORT);
	dp_key_cover(&b->wc, DP_FIELD_ETH_TYPE);
	dp_key_cover(&b->wc, DP_FIELD_IP4_SRC);
	dp_key_cover(&b->wc, DP_FIELD_IP4_DST);
	dp_key_cover(&b->wc, DP_FIELD_TP_SRC);
	dp_key_cover(&b->wc, DP_FIELD_TP_DST);
	b->tables[0] = 1;
	b->keep = true;
	dp_build_rule(b, 0);
	dp_build_step(b, DP_STEP_OUTPUT, 1, 0);
}

/* One machine's frame to one of many: 'flow' says to whom and between which ports. */
static struct rte_mbuf *frame_of(uint32_t flow, bool with_tag)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(sw.dp, 0, false));
	uint8_t bytes[BENCH_FRAME_SIZE];
	uint8_t *d;

	if (m == NULL) {
		fprintf(stderr, "no packet buffers\n");
		exit(1);
	}
	bench_frame_make(bytes, flow);
	memcpy(bytes + 26, "\x0a\0\0\2", 4);
	d = (uint8_t *)rte_pktmbuf_append(m, BENCH_FRAME_SIZE + (with_tag ? 4 : 0));
	memcpy(d, bytes, 12);
	if (with_tag)
		memcpy(d + 12, "\x81\0\0\x05", 4);
	memcpy(d + (with_tag ? 16 : 12), bytes + 12, BENCH_FRAME_SIZE - 12);
	return m;
}

static void make_frames(void)
{
	for (uint32_t i = 0; i < n_flows; i++) {
		frames[i] = frame_of(i, false);
		tagged[i] = i < 256 ? frame_of(i, true) : tagged[i % 256];
		slow[i] = i < 256 ? frame_of(i, false) : slow[i % 256];
		rte_pktmbuf_mtod(slow[i], uint8_t *)[23] = 1;
		rte_pktmbuf_mtod(slow[i], uint8_t *)[34] = 8;
	}
}

static void make_guard(void)
{
	static const uint8_t macs[1][6] = {{2, 0, 0, 0, 0, 2}};
	static const struct dp_guard_address address = {.ip = {.b = {10, 0, 0, 2}}, .prefix = 32};
	const struct dp_guard_spec spec = {.on = DEFAULTS,
					   .n_macs = 1,
					   .macs = macs,
					   .n_addresses = 1,
					   .addresses = &address,
					   .arp = {100, 200},
					   .broadcast = {1000, 0},
					   .multicast = {1000, 0},
					   .unknown = {1000, 0}};

	if (dp_guard_create(sw.dp, &spec, NULL, &guard) != 0)
		exit(1);
}

static void hang(const struct bench_case *c)
{
	struct dp_vport *vp = (struct dp_vport *)(uintptr_t)sw.worker->view->vports[0];

	vp->guard = c->guarded ? guard : NULL;
	dp_stages_of(vp);
}

static uint64_t run(const struct bench_case *c, uint32_t first)
{
	const struct dp_vport *in = sw.worker->view->vports[0];
	struct rte_mbuf *pkts[DP_BURST];
	uint64_t start;

	for (uint32_t i = 0; i < DP_BURST; i++)
		pkts[i] = c->of[(first + i) % n_flows];
	sw.worker->burst_tsc = start = rte_rdtsc();
	if (c->flow)
		dp_flow_burst(sw.worker, in, pkts, DP_BURST);
	else
		dp_l2_burst(sw.worker, in, pkts, DP_BURST);
	return rte_rdtsc() - start;
}

static void measure(void)
{
	uint32_t first = 0;

	/* All flows are cached, and then some. */
	for (uint32_t i = 0; i < 4 * n_flows; i += DP_BURST)
		run(&cases[2], i);
	for (unsigned r = 0; r < N_ROUNDS; r++) {
		for (unsigned c = 0; c < N_CASES; c++) {
			hang(&cases[c]);
			/* The first brings its code back. */
			run(&cases[c], first);
			run(&cases[c], first + DP_BURST);
			first += 2 * DP_BURST;
			cases[c].took[r] = run(&cases[c], first);
			first += DP_BURST;
		}
	}
}

static double median(const struct bench_case *c)
{
	return (double)c->took[N_ROUNDS / 2] / DP_BURST;
}

static void report(void)
{
	for (unsigned c = 0; c < N_CASES; c++)
		bench_report(cases[c].name, n_flows, "flows", cases[c].took, N_ROUNDS, DP_BURST);
	for (unsigned c = 1; c < N_CASES; c += 2)
		printf("%-13s costs %6.1f cycles a packet\n", cases[c].name,
		       median(&cases[c]) - median(&cases[c - 1]));
}

static void pin_destination(void)
{
	struct dp_fdb_entry e = {.port = 1, .is_static = true, .vlan = 0};
	struct err err = {0};

	memcpy(e.mac.addr_bytes, rte_pktmbuf_mtod(frames[0], uint8_t *), 6);
	if (dp_fdb_add_static(dp_fdb(sw.dp), &e, &err) != 0)
		die(&err);
}

int main(int argc, char **argv)
{
	struct err err = {0};

	if (argc > 1)
		n_flows = (uint32_t)atoi(argv[1]);
	if (n_flows < DP_BURST || n_flows > MOST_FLOWS)
		return 2;
	if (bench_switch_start(&sw, "guard_bench", translate, &err) != 0)
		die(&err);
	make_frames();
	make_guard();
	pin_destination();
	measure();
	report();
	fflush(stdout);
	_Exit(0);
}
