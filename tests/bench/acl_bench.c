/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Access lists, and a scan beside steady flows: real rules of some twenty masks (vswitch/flows.h),
 * without drivers.  Each burst is timed alone; those during which another job of the machine ran do
 * not count.  Ports are behind, as those of a worker that has more to do than time.
 *
 * 	acl_bench RULES [FLOWS [steady]]
 *
 * FLOWS (1000) steady flows, each taken by some rule, drawn by lot, 64 bytes.  Four runs:
 *
 * 	steady   they alone
 * 	mixed    every other frame of their port has a random five-tuple
 * 	beside   every other burst is one of another port, all of random five-tuples
 * 	ports    the same, with random ports of 64 stations
 *
 * In the last three half of all frames are steady.  Their share is that half of what they had
 * alone; how much of it they keep is told: frames delivered in the time that all took.  With
 * "steady" only the first.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "tests/bench/bench_switch.h"
#include "vswitch/flows.h"
#include "vswitch/of/text.h"

#define SIZE	  60u
#define N_BURSTS  40000u
#define WARM_MS	  500u
#define N_AHEAD	  2u
#define N_SCANNED 64u /* stations of which all ports are tried */
#define MARK	  18  /* a byte of the frame that no rule sees: 1 in steady ones */

struct rule {
	uint32_t src, dst, src_mask, dst_mask;
	uint8_t proto;
	uint16_t sport, sport_mask, dport, dport_mask;
};

enum run { STEADY, MIXED, BESIDE, PORTS };
static const char *const names[] = {"steady", "mixed", "beside", "ports"};

static struct bench_switch sw;
static struct vs_flows *flows;
static uint64_t delivered;
static uint64_t state = 1;

static uint32_t rnd(uint32_t n)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)((state >> 32) * n >> 32);
}

/* ---- Rules ---- */

/* How many bits of the addresses, which protocol, which ports: '=' one, '*' any, 'm' 1024. */
static const struct shape {
	uint8_t src, dst, proto;
	char sport, dport;
} shapes[] = {
	{32, 32, 6, '=', '='},	{32, 32, 6, '*', '='}, {32, 32, 17, '*', '='},
	{32, 32, 0, '*', '*'},	{24, 32, 6, '*', '='}, {24, 32, 17, '*', '='},
	{24, 24, 6, '*', '='},	{24, 24, 6, '*', 'm'}, {24, 24, 17, '*', 'm'},
	{24, 24, 0, '*', '*'},	{16, 32, 6, '*', '='}, {16, 24, 6, '*', '='},
	{16, 24, 17, '*', '*'}, {16, 16, 6, 'm', '*'}, {0, 32, 6, '*', '='},
	{0, 32, 17, '*', '='},	{0, 24, 6, '*', '*'},  {32, 0, 17, '=', '*'},
	{24, 0, 6, '*', '='},	{28, 28, 6, '*', 'm'},
};

static uint32_t prefix(unsigned bits)
{
	return bits == 0 ? 0 : UINT32_MAX << (32 - bits);
}

static uint16_t port_mask(char kind)
{
	return kind == '=' ? 0xffff : kind == 'm' ? 0xfc00 : 0;
}

static struct rule rule_make(const uint32_t *nets, uint32_t n_nets)
{
	const struct shape *s = &shapes[rnd(sizeof(shapes) / sizeof(shapes[0]))];
	struct rule r = {.src_mask = prefix(s->src),
			 .dst_mask = prefix(s->dst),
			 .proto = s->proto,
			 .sport_mask = port_mask(s->sport),
			 .dport_mask = port_mask(s->dport)};

	r.src = (0x0a000000 | nets[rnd(n_nets)]) & r.src_mask;
	r.dst = (0x14000000 | nets[rnd(n_nets)]) & r.dst_mask;
	r.sport = (uint16_t)(rnd(64512) + 1024) & r.sport_mask;
	r.dport = (uint16_t)(rnd(10) < 7 ? rnd(20) * 97 + 22 : rnd(64512) + 1024) & r.dport_mask;
	return r;
}

/* The more special first, in 64 priorities, as people write them. */
static unsigned priority_of(const struct rule *r)
{
	int bits = __builtin_popcount(r->src_mask) + __builtin_popcount(r->dst_mask) +
		   __builtin_popcount(r->sport_mask) + __builtin_popcount(r->dport_mask);

	return 1000 + (unsigned)bits * 64 / 96;
}

static void flow_add(const char *text)
{
	struct of_text_error err = {0};
	struct of_flow_mod mod;

	if (of_text_flow_parse(text, 1, OFPFC_ADD, NULL, &mod, &err) != 0) {
		fprintf(stderr, "acl_bench: %s: %s\n", text, err.what);
		exit(1);
	}
	vs_flows_mod(flows, &mod);
	of_flow_mod_fini(&mod);
}

static void rule_add(const struct rule *r)
{
	const char *proto = r->proto == 6 ? "tcp" : r->proto == 17 ? "udp" : "ip";
	char text[300];
	int n = snprintf(text, sizeof(text), "priority=%u,%s,nw_src=%u.%u.%u.%u/%d", priority_of(r),
			 proto, r->src >> 24, r->src >> 16 & 255, r->src >> 8 & 255, r->src & 255,
			 __builtin_popcount(r->src_mask));

	n += snprintf(text + n, sizeof(text) - (size_t)n, ",nw_dst=%u.%u.%u.%u/%d", r->dst >> 24,
		      r->dst >> 16 & 255, r->dst >> 8 & 255, r->dst & 255,
		      __builtin_popcount(r->dst_mask));
	if (r->sport_mask != 0)
		n += snprintf(text + n, sizeof(text) - (size_t)n, ",tp_src=0x%x/0x%x", r->sport,
			      r->sport_mask);
	if (r->dport_mask != 0)
		n += snprintf(text + n, sizeof(text) - (size_t)n, ",tp_dst=0x%x/0x%x", r->dport,
			      r->dport_mask);
	snprintf(text + n, sizeof(text) - (size_t)n, ",actions=%s",
		 rnd(10) == 0 ? "drop" : "output:2");
	flow_add(text);
}

static struct rule *rules_make(uint32_t n)
{
	uint32_t n_nets = n / 8 > 64 ? n / 8 : 64;
	uint32_t *nets = calloc(n_nets, sizeof(nets[0]));
	struct rule *rules = calloc(n + 1, sizeof(rules[0]));

	for (uint32_t i = 0; i < n_nets; i++)
		nets[i] = rnd(1u << 24);
	vs_flows_begin(flows);
	for (uint32_t i = 0; i < n; i++) {
		rules[i] = rule_make(nets, n_nets);
		rule_add(&rules[i]);
	}
	flow_add("priority=1,actions=drop");
	vs_flows_commit(flows);
	free(nets);
	return rules;
}

/* ---- Frames ---- */

static void put32(uint8_t *at, uint32_t v)
{
	v = rte_cpu_to_be_32(v);
	memcpy(at, &v, sizeof(v));
}

/* One of those that the rule looks at. */
static void frame_make(uint8_t *f, const struct rule *r, uint8_t mark)
{
	static const uint8_t head[] = {2, 0,	0, 0, 0,  1, 2, 0, 0, 0,  0,  2, 8,
				       0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0};
	uint16_t sport = (uint16_t)(r->sport | ((rnd(64512) + 1024) & (uint16_t)~r->sport_mask));
	uint16_t dport = (uint16_t)(r->dport | ((rnd(64512) + 1024) & (uint16_t)~r->dport_mask));

	memset(f, 0, SIZE);
	memcpy(f, head, sizeof(head));
	f[MARK] = mark;
	f[23] = r->proto != 0 ? r->proto : 17;
	put32(f + 26, 0x0a000000 | r->src | (rnd(1u << 24) & ~r->src_mask));
	put32(f + 30, 0x14000000 | r->dst | (rnd(1u << 24) & ~r->dst_mask));
	put32(f + 34, (uint32_t)sport << 16 | dport);
	if (f[23] == 17)
		f[39] = 26;
	else
		f[46] = 0x50;
}

static uint8_t *frames_make(uint32_t n, const struct rule *rules, uint32_t n_rules, uint8_t mark)
{
	uint8_t *frames = malloc((size_t)n * SIZE + 64);
	const struct rule any[] = {{.proto = 17}, {.proto = 6}};

	for (uint32_t i = 0; i < n; i++)
		frame_make(frames + (size_t)i * SIZE,
			   n_rules != 0 ? &rules[rnd(n_rules)] : &any[i % 2], mark);
	return frames;
}

/* ---- Measurement ---- */

/* What was sent waits to be counted when the clock stands still. */
static struct rte_mbuf *sent[DP_BURST];
static unsigned n_sent;

static uint16_t sink(struct dp_txq *q, struct rte_mbuf **pkts, uint16_t n)
{
	memcpy(sent + n_sent, pkts, n * sizeof(pkts[0]));
	n_sent += n;
	return n;
}

static void count_sent(void)
{
	for (unsigned i = 0; i < n_sent; i++)
		delivered += rte_pktmbuf_mtod(sent[i], const uint8_t *)[MARK];
	rte_pktmbuf_free_bulk(sent, n_sent);
	n_sent = 0;
}

struct source {
	const uint8_t *steady, *fresh;
	uint32_t n_steady, fresh_at;
};

/* A five-tuple that was not there before. */
static const uint8_t *fresh_frame(struct source *s, enum run run)
{
	uint32_t n = run == PORTS ? N_SCANNED : 2;
	static uint8_t f[SIZE];

	s->fresh_at++;
	memcpy(f, s->fresh + (size_t)(s->fresh_at % n) * SIZE, SIZE);
	put32(f + 34, s->fresh_at * 2654435761u);
	if (run != PORTS) {
		put32(f + 26, 0x0a000000 | rnd(1u << 24));
		put32(f + 30, 0x14000000 | rnd(1u << 24));
	}
	return f;
}

static void fill(struct rte_mbuf **m, struct source *s, enum run run, unsigned port)
{
	if (rte_pktmbuf_alloc_bulk(dp_pool(sw.dp, 0, false), m, DP_BURST) != 0)
		exit(1);
	for (unsigned i = 0; i < DP_BURST; i++) {
		bool fresh = port == 2 || (run == MIXED && i % 2 == 1);
		const uint8_t *f =
			fresh ? fresh_frame(s, run) : s->steady + (size_t)rnd(s->n_steady) * SIZE;

		m[i]->data_len = SIZE;
		m[i]->pkt_len = SIZE;
		memcpy(rte_pktmbuf_mtod(m[i], uint8_t *), f, SIZE);
	}
}

static void tick(void)
{
	static uint64_t next;

	if (rte_rdtsc() < next)
		return;
	next = rte_rdtsc() + rte_get_tsc_hz() / 20;
	dp_flow_tick(sw.dp);
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/* Cycles a packet, without bursts that another job interrupted: what takes eight times the
 * median was not ours. */
static double mean(const uint64_t *took, size_t n)
{
	static uint64_t sorted[N_BURSTS];
	uint64_t sum = 0;
	size_t k = 0;

	memcpy(sorted, took, n * sizeof(took[0]));
	qsort(sorted, n, sizeof(sorted[0]), by_value);
	for (size_t i = 0; i < n && sorted[i] < sorted[n / 2] * 8; i++, k++)
		sum += sorted[i];
	return (double)sum / (double)k / DP_BURST;
}

/* One burst, and another for later: they are written long before they are timed, as a driver does.
 * Returns how long it took. */
static uint64_t burst(struct source *s, enum run run, unsigned k)
{
	static struct rte_mbuf *ring[N_AHEAD][DP_BURST];
	struct rte_mbuf **m = ring[k % N_AHEAD];
	unsigned port = run >= BESIDE ? k % 2 * 2 : 0;
	uint64_t at, took = 0;

	if (m[0] != NULL) {
		rte_mb();
		at = rte_rdtsc();
		sw.worker->burst_tsc = at;
		dp_worker_behind(sw.worker, (uint16_t)port, at);
		dp_flow_burst(sw.worker, sw.worker->view->vports[port], m, DP_BURST);
		took = rte_rdtsc() - at;
		count_sent();
	}
	fill(m, s, run, port);
	tick();
	return took;
}

/* Returns how many steady frames are delivered in a cycle. */
static double measure(struct source *s, enum run run, double alone)
{
	static uint64_t took[2][N_BURSTS];
	uint64_t end = rte_rdtsc() + rte_get_tsc_hz() / 1000 * WARM_MS;
	const struct dp_mf *mf = sw.worker->flow->mf;
	unsigned n_groups = 0;
	double odd, even, rate;

	dp_flow_forget(sw.worker->flow, sw.pipeline);
	while (rte_rdtsc() < end)
		for (unsigned k = 0; k < 2 * N_AHEAD; k++)
			burst(s, run, k);
	delivered = 0;
	for (unsigned k = 0; k < 2 * N_BURSTS; k++)
		took[k % 2][k / 2] = burst(s, run, k);
	for (unsigned i = 1; i < DP_MF_MAX_GROUPS; i++)
		n_groups += mf->group_of[i] != NULL;
	even = mean(took[0], N_BURSTS);
	odd = mean(took[1], N_BURSTS);
	rate = (double)delivered / (N_BURSTS * DP_BURST * (even + odd));
	printf("%-6s %7.1f cycles a packet (%.1f, %.1f), %u entries in %u groups", names[run],
	       (even + odd) / 2, even, odd, mf->n_entries, n_groups);
	if (alone != 0)
		printf(", steady flows keep %.2f of their share", rate * 2 / alone);
	printf("\n");
	return rate;
}

int main(int argc, char **argv)
{
	uint32_t n_rules = argc > 1 ? (uint32_t)atoi(argv[1]) : 1000;
	struct source s = {.n_steady = argc > 2 ? (uint32_t)atoi(argv[2]) : 1000};
	struct err err = {0};
	struct rule *rules;
	double alone;

	if (n_rules == 0 || s.n_steady == 0 || bench_switch_open(&sw, "acl_bench", &err) != 0 ||
	    vs_flows_create(sw.dp, NULL, NULL, &flows) != 0) {
		fprintf(stderr, "acl_bench: %s\n", err.what);
		return 1;
	}
	for (unsigned i = 0; i < BENCH_PORTS; i++)
		vs_flows_port(flows, i + 1, (uint16_t)i);
	rules = rules_make(n_rules);
	if (bench_switch_run(&sw, vs_flows_pipeline(flows), &err) != 0)
		return 1;
	sw.port[1]->tx = sink;
	s.steady = frames_make(s.n_steady, rules, n_rules, 1);
	s.fresh = frames_make(N_SCANNED, NULL, 0, 0);
	alone = measure(&s, STEADY, 0);
	if (argc <= 3) {
		measure(&s, MIXED, alone);
		measure(&s, BESIDE, alone);
		measure(&s, PORTS, alone);
	}
	fflush(stdout);
	_Exit(0); /* the worker stands still */
}
