/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What filter modules cost: cycles of the time stamp counter for a packet of a burst of 32, from
 * one port to another of a learning switch, without a chain and with one.
 *
 * 	filter_bench OBJECT [FLOWS]	OBJECT is filter_bench.bpf.o; needs the right to load
 * programs
 *
 * All cases take turns in one run, so that what disturbs one disturbs all; the differences count.
 */
#include "tests/bench/bench_frame.h"
#include "tests/bench/bench_switch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "dataplane/fdb.h"
#include "dataplane/stages.h"
#include "filters/chain.h"
#include "filters/ebpf/map.h"
#include "filters/module.h"

#define N_ROUNDS   3000u
#define MOST_FLOWS 16384u
#define ADDRESSES  26 /* offset of the addresses and ports in a frame */

static struct bench_switch sw;
static struct filter_modules *set;
static struct rte_mbuf *frames[MOST_FLOWS];
static uint32_t n_flows = 256;

static struct bench_case {
	const char *name, *program;
	bool interpret;
	bool empty_list; /* so that all frames are dropped */
	uint32_t chain_length;
	struct dp_filter_chain *chain;
	uint64_t took[N_ROUNDS];
} cases[] = {
	{.name = "none"},
	{.name = "empty", .program = "empty", .chain_length = 1},
	{.name = "empty x4", .program = "empty", .chain_length = 4},
	{.name = "parse", .program = "parse", .chain_length = 1},
	{.name = "ttl", .program = "ttl", .chain_length = 1},
	{.name = "allow", .program = "allow", .chain_length = 1},
	{.name = "parse int", .program = "parse", .interpret = true, .chain_length = 1},
	{.name = "allow int", .program = "allow", .interpret = true, .chain_length = 1},
	{.name = "drop all", .program = "allow", .empty_list = true, .chain_length = 1},
};
#define N_CASES (sizeof(cases) / sizeof(cases[0]))

static void die(const struct err *err)
{
	fprintf(stderr, "filter_bench: %s %s\n", err->what, err->why);
	exit(1);
}

static void *slurp(const char *path, size_t *ret_size)
{
	FILE *f = fopen(path, "rb");
	void *bytes = malloc(4u << 20);

	if (f == NULL || bytes == NULL) {
		perror(path);
		exit(1);
	}
	*ret_size = fread(bytes, 1, 4u << 20, f);
	fclose(f);
	return bytes;
}

/* ---- Frames ---- */

static void make_frames(void)
{
	uint8_t bytes[BENCH_FRAME_SIZE];

	for (uint32_t i = 0; i < n_flows; i++) {
		frames[i] = rte_pktmbuf_alloc(dp_pool(sw.dp, 0, false));
		if (frames[i] == NULL) {
			fprintf(stderr, "no packet buffers\n");
			exit(1);
		}
		bench_frame_make(bytes, i);
		memcpy(rte_pktmbuf_mtod(frames[i], void *), bytes, BENCH_FRAME_SIZE);
		frames[i]->data_len = BENCH_FRAME_SIZE;
		frames[i]->pkt_len = BENCH_FRAME_SIZE;
	}
}

static void allow_all(struct filter_module *m)
{
	struct ebpf_map *map = filter_module_map(m, "allowed");

	for (uint32_t i = 0; map != NULL && i < n_flows; i++) {
		uint8_t key[16] = {0};
		uint64_t value = 1;

		memcpy(key, rte_pktmbuf_mtod_offset(frames[i], uint8_t *, ADDRESSES), 12);
		key[12] = 17;
		if (ebpf_map_write(map, key, &value, BPF_ANY) != 0)
			exit(1);
	}
}

/* ---- Chains ---- */

static void make_chain(struct bench_case *c, unsigned i, const void *elf, size_t size)
{
	struct filter_slot slots[FILTER_MAX_SLOTS];
	struct err err = {0};

	for (uint32_t k = 0; k < c->chain_length; k++) {
		char name[32];
		const struct filter_module_opts opts = {.name = name,
							.elf = elf,
							.size = size,
							.program = c->program,
							.interpret = c->interpret};
		struct filter_module *m;

		snprintf(name, sizeof(name), "m%u-%u", i, k);
		if (filter_module_load(set, &opts, &m, &err) != 0)
			die(&err);
		if (!c->empty_list)
			allow_all(m);
		slots[k] = (struct filter_slot){.module = m, .role = FILTER_ROLE_FILTER};
	}
	if (c->chain_length != 0)
		c->chain = filter_chain_create(slots, c->chain_length);
}

static void hang(const struct bench_case *c)
{
	struct dp_vport *vp = (struct dp_vport *)(uintptr_t)sw.worker->view->vports[0];

	vp->filters[DP_FILTER_INGRESS] = c->chain;
	dp_stages_of(vp);
}

/* ---- Runs ---- */

/* A frame that will be freed. */
static struct rte_mbuf *copy_of(const struct rte_mbuf *frame)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(sw.dp, 0, false));

	if (m == NULL)
		exit(1);
	memcpy(rte_pktmbuf_append(m, BENCH_FRAME_SIZE), rte_pktmbuf_mtod(frame, void *),
	       BENCH_FRAME_SIZE);
	return m;
}

static uint64_t run(const struct bench_case *c, uint32_t first)
{
	const struct dp_vport *in = sw.worker->view->vports[0];
	struct rte_mbuf *pkts[DP_BURST];
	uint64_t start;

	for (uint32_t i = 0; i < DP_BURST; i++) {
		pkts[i] = frames[(first + i) % n_flows];
		if (c->empty_list)
			pkts[i] = copy_of(pkts[i]);
	}
	sw.worker->burst_tsc = start = rte_rdtsc();
	dp_l2_burst(sw.worker, in, pkts, DP_BURST);
	return rte_rdtsc() - start;
}

static void measure(void)
{
	uint32_t first = 0;

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
	/* The last forwards nothing: there is nothing to take away. */
	for (unsigned c = 1; c < N_CASES - 1; c++)
		printf("%-10s costs %6.1f cycles a packet\n", cases[c].name,
		       median(&cases[c]) - median(&cases[0]));
	printf("compiled against interpreted: parse %.1f, allow %.1f times\n",
	       (median(&cases[6]) - median(&cases[0])) / (median(&cases[3]) - median(&cases[0])),
	       (median(&cases[7]) - median(&cases[0])) / (median(&cases[5]) - median(&cases[0])));
	printf("%.0f cycles a second: without %.1f, with allow %.1f, dropping all %.1f Mpps\n",
	       (double)rte_get_tsc_hz(), (double)rte_get_tsc_hz() / median(&cases[0]) / 1e6,
	       (double)rte_get_tsc_hz() / median(&cases[5]) / 1e6,
	       (double)rte_get_tsc_hz() / median(&cases[8]) / 1e6);
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
	const struct filter_modules_opts opts = {.n_cpus = 64};
	struct err err = {0};
	void *elf;
	size_t size;

	if (argc < 2) {
		fprintf(stderr, "filter_bench OBJECT [FLOWS]\n");
		return 2;
	}
	elf = slurp(argv[1], &size);
	if (argc > 2)
		n_flows = (uint32_t)atoi(argv[2]);
	if (n_flows < DP_BURST || n_flows > MOST_FLOWS)
		return 2;
	if (bench_switch_open(&sw, "filter_bench", &err) != 0 ||
	    filter_modules_create(&opts, &set, &err) != 0)
		die(&err);
	make_frames();
	for (unsigned c = 0; c < N_CASES; c++)
		make_chain(&cases[c], c, elf, size);
	pin_destination();
	if (bench_switch_run(&sw, NULL, &err) != 0)
		die(&err);
	measure();
	report();
	fflush(stdout);
	_Exit(0);
}
