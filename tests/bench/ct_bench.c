/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Connection tracking without drivers, under the rules of the switch benchmark's R4: every packet
 * is tracked and looked up again; port 1 may open, port 2 only answer.  Cycles of the time stamp
 * counter for a packet, from the burst to the call of the driver's transmit; each burst is timed
 * alone.
 *
 * 	ct_bench CONNECTIONS [PROGRAM...]
 *
 * Programs: 'udp', 'tcp' (established connections drawn by lot, bursts of either direction in
 * turn), 'mark' (UDP; the second table looks at ct_mark as well), 'new' (the first packets of
 * connections, each of another, until there are half a million).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>

#include "tests/bench/bench_switch.h"

#define SIZE	 60u
#define N_BURSTS 20000u
#define N_NEW	 16000u
#define SYN	 0x02
#define ACK	 0x10

static struct bench_switch sw;
static uint64_t took[N_BURSTS];
static bool looks_at_mark;
static uint64_t lot = 88172645463325252;

/* ---- Frames ---- */

static uint32_t draw(void)
{
	lot ^= lot << 13;
	lot ^= lot >> 7;
	lot ^= lot << 17;
	return (uint32_t)(lot >> 32);
}

static uint32_t mix(uint32_t x)
{
	x = (x ^ x >> 16) * 0x7feb352d;
	x = (x ^ x >> 15) * 0x846ca68b;
	return x ^ x >> 16;
}

/* One packet of connection 'n'; 'way' 1: an answer. */
static void frame_make(uint8_t *f, uint32_t n, unsigned way, uint8_t proto, uint8_t flags)
{
	static const uint8_t head[] = {2, 0,	0, 0, 0,  1, 2, 0, 0, 0,  0,  2, 8,
				       0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0};
	uint32_t end[2] = {rte_cpu_to_be_32(10u << 24 | (mix(n) & 0xffffff)),
			   rte_cpu_to_be_32(20u << 24 | (mix(n + 1) & 0xffffff))};
	uint16_t at[2] = {(uint16_t)(1024 + n % 50000), rte_cpu_to_be_16(443)};

	memset(f, 0, SIZE);
	memcpy(f, head, sizeof(head));
	f[23] = proto;
	memcpy(f + 26, &end[way], 4);
	memcpy(f + 30, &end[!way], 4);
	memcpy(f + 34, &at[way], 2);
	memcpy(f + 36, &at[!way], 2);
	if (proto == 17) {
		f[39] = 26;
		return;
	}
	f[46] = 0x50;
	f[47] = flags;
	f[48] = 0xff;
	/* Both began at 0; of an acknowledgement no byte is new. */
	f[41] = flags == SYN || flags == (SYN | ACK) ? 0 : 1;
	f[45] = (flags & ACK) != 0;
	f[17] = 40;
}

/* ---- Rules ---- */

static void track(struct dp_build *b)
{
	struct dp_resume_what what = {.table = 1};
	uint16_t mark = dp_build_clone_begin(b);

	dp_build_step(b, DP_STEP_CT, 0, sizeof(struct dp_step_ct));
	what.tables[0] = 1;
	dp_build_resume(b, &what);
	dp_build_clone_end(b, mark);
}

static void translate(void *arg, const struct dp_key *key, uint64_t version, struct dp_build *b)
{
	uint64_t ct_state = dp_key_get(key, DP_FIELD_CT_STATE);
	uint64_t in = dp_key_get(key, DP_FIELD_IN_PORT);
	struct dp_step_ct *ct;

	b->keep = true;
	b->tables[0] |= b->from == NULL ? 1 : 2;
	dp_key_cover(&b->wc, DP_FIELD_ETH_TYPE);
	dp_build_rule(b, 0);
	if (b->from == NULL) {
		track(b);
		return;
	}
	dp_key_cover(&b->wc, DP_FIELD_IN_PORT);
	if (looks_at_mark)
		dp_key_cover(&b->wc, DP_FIELD_CT_MARK);
	if ((ct_state & DP_CT_EST) == 0 && (in != 1 || (ct_state & DP_CT_NEW) == 0)) {
		dp_build_step(b, DP_STEP_DROP, DP_DROP_NO_ACTION, 0);
		return;
	}
	if ((ct_state & DP_CT_NEW) != 0) {
		ct = dp_build_step(b, DP_STEP_CT, 0, sizeof(*ct));
		ct->flags = DP_STEP_CT_COMMIT;
	}
	dp_build_step(b, DP_STEP_OUTPUT, in == 1 ? 1 : 0, 0);
}

/* ---- Measurement ---- */

static struct rte_mbuf *bufs[2][DP_BURST];

static void fill(unsigned way, unsigned i, uint32_t n, uint8_t proto, uint8_t flags)
{
	struct rte_mbuf *m = bufs[way][i];

	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->data_len = SIZE;
	m->pkt_len = SIZE;
	frame_make(rte_pktmbuf_mtod(m, uint8_t *), n, way, proto, flags);
}

static uint64_t run(unsigned way)
{
	struct rte_mbuf *m[DP_BURST];
	uint64_t at;

	memcpy(m, bufs[way], sizeof(m));
	rte_mb();
	at = rte_rdtsc();
	sw.worker->burst_tsc = at;
	dp_flow_burst(sw.worker, sw.worker->view->vports[way], m, DP_BURST);
	return rte_rdtsc() - at;
}

/* Each connection in turn. */
static void everyone(uint32_t n_conns, unsigned way, uint8_t proto, uint8_t flags)
{
	for (uint32_t first = 0; first < n_conns; first += DP_BURST) {
		for (unsigned i = 0; i < DP_BURST; i++)
			fill(way, i, (first + i) % n_conns, proto, flags);
		run(way);
		dp_ct_tick(sw.dp->ct, dp_conntrack_now(sw.dp));
	}
}

static void draw_burst(uint32_t n_conns, unsigned way, uint8_t proto)
{
	for (unsigned i = 0; i < DP_BURST; i++)
		fill(way, i, draw() % n_conns, proto, ACK);
}

static void established(const char *name, uint32_t n_conns, uint8_t proto)
{
	everyone(n_conns, 0, proto, SYN);
	everyone(n_conns, 1, proto, SYN | ACK);
	everyone(n_conns, 0, proto, ACK);
	everyone(n_conns, 1, proto, ACK);
	draw_burst(n_conns, 0, proto);
	draw_burst(n_conns, 1, proto);
	for (unsigned k = 0; k < N_BURSTS; k++) {
		took[k] = run(k & 1);
		draw_burst(n_conns, k & 1, proto);
	}
	bench_report(name, n_conns, "connections", took, N_BURSTS, DP_BURST);
}

/* Numbers beyond those of the connections that are there. */
static void opening(const char *name, uint32_t n_conns)
{
	uint32_t n = 1u << 24;

	for (unsigned k = 0; k < N_NEW; k++, n += DP_BURST) {
		for (unsigned i = 0; i < DP_BURST; i++)
			fill(0, i, n + i, 6, SYN);
		took[k] = run(0);
		dp_ct_tick(sw.dp->ct, dp_conntrack_now(sw.dp));
	}
	bench_report(name, N_NEW * DP_BURST, "connections", took, N_NEW, DP_BURST);
	printf("%-10s %.2f million a second\n", "",
	       (double)rte_get_tsc_hz() / ((double)took[N_NEW / 2] / DP_BURST) / 1e6);
}

static void counted(void)
{
	struct dp_ct_stats s;

	dp_ct_stats(sw.dp->ct, &s);
	printf("%-10s %u connections, %llu packets invalid\n", "", s.n_entries,
	       (unsigned long long)s.counters[DP_CT_C_INVALID]);
}

int main(int argc, char **argv)
{
	uint32_t n_conns = argc > 1 ? (uint32_t)atoi(argv[1]) : 10000;
	struct err err = {0};

	if (n_conns == 0 || bench_switch_start(&sw, "ct_bench", translate, &err) != 0 ||
	    dp_conntrack_need(sw.dp) != 0) {
		fprintf(stderr, "ct_bench: %s\n", err.what);
		return 1;
	}
	for (unsigned i = 0; i < 2 * DP_BURST; i++) {
		bufs[i / DP_BURST][i % DP_BURST] = rte_pktmbuf_alloc(dp_pool(sw.dp, 0, false));
		rte_pktmbuf_append(bufs[i / DP_BURST][i % DP_BURST], SIZE);
	}
	for (int i = 2; i < argc; i++) {
		looks_at_mark = strcmp(argv[i], "mark") == 0;
		dp_pipeline_log_all(sw.pipeline);
		dp_pipeline_publish(sw.pipeline);
		if (strcmp(argv[i], "new") == 0)
			opening(argv[i], n_conns);
		else
			established(argv[i], n_conns, strcmp(argv[i], "tcp") == 0 ? 6 : 17);
		counted();
	}
	fflush(stdout);
	_Exit(0); /* the worker stands still */
}
