/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The flow engine without drivers: cycles of the time stamp counter for a packet, from the burst to
 * the call of the driver's transmit.  Each burst is timed alone, and the median and the best of
 * many are told, so that other jobs of the machine do not show.
 *
 * 	flow_bench FLOWS [PROGRAM...]
 *
 * FLOWS random UDP flows, 64 bytes.  Programs: 'output' (looks at 20.0.0.0/8), 'exact' (output;
 * looks at the five-tuple), 'route' (addresses, TTL, output), 'pipeline' (the same and a tag
 * pushed).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "tests/bench/bench_frame.h"
#include "tests/bench/bench_switch.h"

#define SIZE	 BENCH_FRAME_SIZE
#define N_BURSTS 30000u
#define N_WARM	 2000u
#define N_AHEAD	 2u

static struct bench_switch sw;
static const char *program;

/* ---- Programs ---- */

static void translate(void *arg, const struct dp_key *key, uint64_t version, struct dp_build *b)
{
	static const uint8_t macs[12] = {2, 0xaa, 0, 0, 0, 2, 2, 0xaa, 0, 0, 0, 1};
	uint8_t *data;

	dp_key_cover(&b->wc, DP_FIELD_IN_PORT);
	dp_key_cover(&b->wc, DP_FIELD_ETH_TYPE);
	dp_key_set(&b->wc, DP_FIELD_IP4_DST, 0xff000000);
	b->tables[0] = 1;
	b->keep = true;
	dp_build_rule(b, strcmp(program, "rules") == 0 ? key->b[20] % 64 : 0);
	if (strcmp(program, "exact") == 0 || strcmp(program, "rules") == 0) {
		dp_key_cover(&b->wc, DP_FIELD_IP4_SRC);
		dp_key_cover(&b->wc, DP_FIELD_IP4_DST);
		dp_key_cover(&b->wc, DP_FIELD_TP_SRC);
		dp_key_cover(&b->wc, DP_FIELD_TP_DST);
	}
	if (strcmp(program, "pipeline") == 0) {
		dp_key_cover(&b->wc, DP_FIELD_VLAN_VID);
		dp_key_cover(&b->wc, DP_FIELD_VLAN_PCP);
		dp_build_step(b, DP_STEP_PUSH_VLAN, 0x8100000a, 0);
	}
	if (strcmp(program, "pipeline") == 0 || strcmp(program, "route") == 0) {
		data = dp_build_step(b, DP_STEP_SET_MACS, 0, 12);
		memcpy(data, macs, sizeof(macs));
		dp_build_step(b, DP_STEP_DEC_NW_TTL, 0, 0);
	}
	dp_build_step(b, DP_STEP_OUTPUT, 1, 0);
}

/* ---- Measurement ---- */

static void refill(struct rte_mbuf **m, const uint8_t *frames, uint32_t n_flows, uint32_t *flow)
{
	for (unsigned i = 0; i < DP_BURST; i++, *flow = (*flow + 1) % n_flows) {
		m[i]->data_off = RTE_PKTMBUF_HEADROOM;
		m[i]->data_len = SIZE;
		m[i]->pkt_len = SIZE;
		memcpy(rte_pktmbuf_mtod(m[i], uint8_t *), frames + (size_t)*flow * SIZE, SIZE);
	}
}

/* Bursts are written long before they are timed, as a driver does. */
static void measure(uint32_t n_flows, const uint8_t *frames)
{
	static uint64_t took[N_BURSTS];
	static struct rte_mbuf *ring[N_AHEAD][DP_BURST];
	uint32_t flow = 0;

	for (unsigned i = 0; i < N_AHEAD * DP_BURST; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(sw.dp, 0, false));

		rte_pktmbuf_append(m, SIZE);
		ring[i / DP_BURST][i % DP_BURST] = m;
	}
	for (unsigned i = 0; i < N_AHEAD; i++)
		refill(ring[i], frames, n_flows, &flow);
	for (unsigned k = 0; k < N_WARM + N_BURSTS + n_flows / DP_BURST; k++) {
		struct rte_mbuf *m[DP_BURST];
		uint64_t at;

		memcpy(m, ring[k % N_AHEAD], sizeof(m));
		rte_mb();
		at = rte_rdtsc();
		sw.worker->burst_tsc = at;
		dp_flow_burst(sw.worker, sw.worker->view->vports[0], m, DP_BURST);
		took[k % N_BURSTS] = rte_rdtsc() - at;
		refill(ring[k % N_AHEAD], frames, n_flows, &flow);
	}
	bench_report(program, n_flows, "flows", took, N_BURSTS, DP_BURST);
	for (unsigned i = 0; i < N_AHEAD * DP_BURST; i++)
		rte_pktmbuf_free(ring[i / DP_BURST][i % DP_BURST]);
}

int main(int argc, char **argv)
{
	uint32_t n_flows = argc > 1 ? (uint32_t)atoi(argv[1]) : 1000;
	uint8_t *frames = malloc((size_t)n_flows * SIZE + 64);
	struct err err = {0};

	if (n_flows == 0 || frames == NULL ||
	    bench_switch_start(&sw, "flow_bench", translate, &err) != 0) {
		fprintf(stderr, "flow_bench: %s\n", err.what);
		return 1;
	}
	for (uint32_t i = 0; i < n_flows; i++)
		bench_frame_make(frames + (size_t)i * SIZE, i);
	for (int i = 2; i < argc; i++) {
		program = argv[i];
		dp_pipeline_log_all(sw.pipeline);
		dp_pipeline_publish(sw.pipeline);
		measure(n_flows, frames);
	}
	fflush(stdout);
	_Exit(0); /* the worker stands still */
}
