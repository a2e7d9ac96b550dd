/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What flow records cost: cycles of the time stamp counter for a packet, of the counting alone;
 * each burst is timed alone.
 *
 * 	flowrec_bench [FLOWS...]
 *
 * For each number of flows: 'random' (every packet of another flow, drawn by lot), 'runs' (eight
 * packets of a flow follow each other), 'new' (each packet begins a flow, until the table is full),
 * and 'sampler' (one frame of 1000 for sFlow).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "dataplane/flowrec.h"
#include "dataplane/flowrec_priv.h"
#include "tests/bench/bench_switch.h"

#define SIZE	 60u
#define N_BURSTS 20000u

static struct bench_switch sw;
static struct dp_worker *worker;
static struct dp_flowrec rec;
static struct dp_vport port;
static struct rte_mbuf *bufs[DP_BURST];
static uint64_t took[N_BURSTS];
static uint64_t lot = 88172645463325252;

static uint32_t draw(void)
{
	lot ^= lot << 13;
	lot ^= lot >> 7;
	lot ^= lot << 17;
	return (uint32_t)(lot >> 32);
}

static void frame_make(struct rte_mbuf *m, uint32_t flow)
{
	static const uint8_t head[] = {2, 0,	0, 0, 0,  1, 2, 0, 0, 0,  0,  2, 8,
				       0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0};
	uint8_t *f = rte_pktmbuf_mtod(m, uint8_t *);
	uint32_t src = rte_cpu_to_be_32(10u << 24 | flow), dst = rte_cpu_to_be_32(20u << 24 | 5);

	m->data_len = SIZE;
	m->pkt_len = SIZE;
	memset(f, 0, SIZE);
	memcpy(f, head, sizeof(head));
	memcpy(f + 26, &src, 4);
	memcpy(f + 30, &dst, 4);
	f[34] = 4;
	f[36] = 8;
	f[39] = 26;
}

static void measure(const char *what, uint32_t flows, unsigned run)
{
	uint32_t next = 0;

	for (unsigned i = 0; i < N_BURSTS; i++) {
		uint32_t flow = 0;
		uint64_t at;

		for (unsigned k = 0; k < DP_BURST; k++) {
			if (run == 0)
				flow = next++;
			else if (k % run == 0)
				flow = draw() % flows;
			frame_make(bufs[k], flow);
		}
		worker->burst_tsc = rte_rdtsc();
		at = rte_rdtsc_precise();
		dp_flowrec_ingress(worker, &port, bufs, DP_BURST);
		took[i] = rte_rdtsc_precise() - at;
	}
	bench_report("flowrec", flows, what, took, N_BURSTS, DP_BURST);
}

static void hang(struct dp_flowrec_set *set, struct dp_sampler *sampler)
{
	memset(&rec, 0, sizeof(rec));
	rec.n_sets = set != NULL;
	rec.sets[0].set = set;
	rec.sets[0].domain = DP_NO_DOMAIN;
	rec.n_samplers = sampler != NULL;
	rec.samplers[0].sampler = sampler;
	rec.samplers[0].domain = DP_NO_DOMAIN;
	port = (struct dp_vport){.pvid = 1, .flowrec = &rec};
}

static int with_flows(uint32_t flows)
{
	const struct dp_flowrec_opts opts = {.max_flows = flows < 65536 ? 65536 : 2 * flows,
					     .active_ms = 60000,
					     .inactive_ms = 15000};
	struct dp_flowrec_set *set;
	struct dp_sampler *sampler;

	if (dp_flowrec_set_create(sw.dp, &opts, &set) != 0 ||
	    dp_sampler_create(sw.dp, 1000, 128, &sampler) != 0 ||
	    dp_flowrec_worker_comes(sw.dp, DP_MAX_WORKERS - 1) != 0 ||
	    dp_samplers_worker_comes(sw.dp, DP_MAX_WORKERS - 1) != 0)
		return 1;
	hang(set, NULL);
	for (uint32_t i = 0; i < flows; i += DP_BURST) {
		for (unsigned k = 0; k < DP_BURST; k++)
			frame_make(bufs[k], i + k);
		dp_flowrec_ingress(worker, &port, bufs, DP_BURST);
	}
	measure("random", flows, 1);
	measure("runs", flows, 8);
	measure("new", flows, 0);
	hang(NULL, sampler);
	measure("sampler", flows, 8);
	dp_flowrec_set_destroy(set);
	dp_sampler_destroy(sampler);
	return 0;
}

int main(int argc, char **argv)
{
	struct err err = {0};
	int rc = bench_switch_open(&sw, "flowrec_bench", &err);

	if (rc != 0) {
		fprintf(stderr, "flowrec_bench: %s\n", err.what);
		return 1;
	}
	worker = aligned_alloc(64, sizeof(*worker));
	if (worker == NULL || rte_pktmbuf_alloc_bulk(dp_pool(sw.dp, 0, false), bufs, DP_BURST) != 0)
		return 1;
	memset(worker, 0, sizeof(*worker));
	worker->dp = sw.dp;
	worker->index = DP_MAX_WORKERS - 1;
	if (argc < 2)
		rc = with_flows(10000);
	for (int i = 1; rc == 0 && i < argc; i++)
		rc = with_flows((uint32_t)strtoul(argv[i], NULL, 10));
	fflush(stdout);
	_Exit(rc);
}
