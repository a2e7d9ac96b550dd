/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a mirror costs its source: cycles of the time stamp counter for a packet of a burst of 32,
 * from one port to another of a learning switch, without a mirror and with one of each kind.
 *
 * 	mirror_bench [SIZE]	bytes of a frame, 64 to 1514
 *
 * All cases take turns in one run, so that what disturbs one disturbs all; the differences count.
 * The target's driver throws copies away: its own cost is in them, as in the first.
 */
#include "tests/bench/bench_frame.h"
#include "tests/bench/bench_switch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_cycles.h>

#include "dataplane/fdb.h"
#include "dataplane/mirror.h"
#include "dataplane/stages.h"

#define N_ROUNDS 3000u
#define N_FRAMES 256u

static struct bench_switch sw;
static struct rte_mbuf *frames[N_FRAMES];
static uint32_t frame_size = BENCH_FRAME_SIZE;

static bool no_match(const void *program, const struct rte_mbuf *m)
{
	return false;
}

static struct bench_case {
	const char *name;
	enum dp_filter_side side;
	bool on, nothing; /* a filter that no frame matches */
	uint32_t snaplen, sample;
	uint64_t pps;
	uint16_t port;
	struct dp_mirror mirror;
	struct dp_mirrors *list;
	uint64_t took[N_ROUNDS];
} cases[] = {
	{.name = "none"},
	{.name = "ingress", .on = true, .port = 2},
	{.name = "egress", .on = true, .side = DP_FILTER_EGRESS, .port = 2},
	{.name = "snaplen 40", .on = true, .port = 2, .snaplen = 40},
	{.name = "no match", .on = true, .port = 2, .nothing = true},
	{.name = "1 of 100", .on = true, .port = 2, .sample = 100},
	{.name = "over limit", .on = true, .port = 2, .pps = 1},
	{.name = "target away", .on = true, .port = DP_NO_PORT},
};
#define N_CASES (sizeof(cases) / sizeof(cases[0]))

static void make_frames(void)
{
	uint8_t bytes[BENCH_FRAME_SIZE];

	for (uint32_t i = 0; i < N_FRAMES; i++) {
		char *d;

		frames[i] = rte_pktmbuf_alloc(dp_pool(sw.dp, 0, false));
		d = frames[i] != NULL ? rte_pktmbuf_append(frames[i], (uint16_t)frame_size) : NULL;
		if (d == NULL) {
			fprintf(stderr, "no packet buffers\n");
			exit(1);
		}
		bench_frame_make(bytes, i);
		memset(d, 0, frame_size);
		memcpy(d, bytes, BENCH_FRAME_SIZE);
	}
}

static void make_mirror(struct bench_case *c, unsigned slot)
{
	if (!c->on)
		return;
	c->list = calloc(1, sizeof(*c->list) + sizeof(c->list->v[0]));
	c->mirror = (struct dp_mirror){
		.live = dp_mirror_live_create(),
		.name = c->name,
		.slot = (uint8_t)slot,
		.kind = DP_MIRROR_TO_PORT,
		.port = c->port,
		.snaplen = c->snaplen,
		.sample = c->sample,
		.match = c->nothing ? no_match : NULL,
	};
	if (c->list == NULL || c->mirror.live == NULL)
		exit(1);
	dp_mirror_limit_init(&c->mirror.limit, 0, c->pps, sw.dp->tsc_hz);
	c->list->n = 1;
	c->list->v[0].mirror = &c->mirror;
}

static void hang(const struct bench_case *c)
{
	for (unsigned i = 0; i < 2; i++) {
		struct dp_vport *vp = (struct dp_vport *)(uintptr_t)sw.worker->view->vports[i];

		vp->mirrors[DP_FILTER_INGRESS] = vp->mirrors[DP_FILTER_EGRESS] = NULL;
		if (c->on && i == (c->side == DP_FILTER_EGRESS))
			vp->mirrors[c->side] = c->list;
		dp_stages_of(vp);
	}
}

/* The target's driver. */
static uint16_t throw_away(struct dp_txq *q, struct rte_mbuf **pkts, uint16_t n)
{
	rte_pktmbuf_free_bulk(pkts, n);
	return n;
}

static uint64_t run(uint32_t first)
{
	const struct dp_vport *in = sw.worker->view->vports[0];
	struct rte_mbuf *pkts[DP_BURST];
	uint64_t start;

	for (uint32_t i = 0; i < DP_BURST; i++)
		pkts[i] = frames[(first + i) % N_FRAMES];
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
			run(first);
			run(first + DP_BURST);
			first += 2 * DP_BURST;
			cases[c].took[r] = run(first);
			first += DP_BURST;
		}
	}
}

static double median(const struct bench_case *c)
{
	return (double)c->took[N_ROUNDS / 2] / DP_BURST;
}

/* Was what should be copied copied? */
static bool check(const struct bench_case *c)
{
	const uint64_t seen = (uint64_t)3 * N_ROUNDS * DP_BURST;
	struct dp_mirror_count n;

	if (!c->on)
		return true;
	dp_mirror_read(c->mirror.live, &n);
	printf("%-12s %llu of %llu copied\n", c->name, (unsigned long long)n.copied,
	       (unsigned long long)n.seen);
	return n.seen == seen && (c->nothing || c->pps != 0 || c->port == DP_NO_PORT ||
				  c->sample > 1 || n.copied == seen);
}

static int report(void)
{
	bool ok = true;

	for (unsigned c = 0; c < N_CASES; c++)
		bench_report(cases[c].name, frame_size, "bytes", cases[c].took, N_ROUNDS, DP_BURST);
	for (unsigned c = 1; c < N_CASES; c++)
		printf("%-12s costs %6.1f cycles a packet\n", cases[c].name,
		       median(&cases[c]) - median(&cases[0]));
	for (unsigned c = 0; c < N_CASES; c++)
		ok &= check(&cases[c]);
	return ok ? 0 : 1;
}

static void pin_destination(void)
{
	struct dp_fdb_entry e = {.port = 1, .is_static = true, .vlan = 0};
	struct err err = {0};

	memcpy(e.mac.addr_bytes, rte_pktmbuf_mtod(frames[0], uint8_t *), 6);
	if (dp_fdb_add_static(dp_fdb(sw.dp), &e, &err) != 0)
		exit(1);
}

int main(int argc, char **argv)
{
	struct err err = {0};
	int rc;

	if (argc > 1)
		frame_size = (uint32_t)atoi(argv[1]);
	if (frame_size < 64 && argc > 1) {
		fprintf(stderr, "mirror_bench [SIZE]: 64 to 1514\n");
		return 2;
	}
	if (frame_size > 1514 || bench_switch_open(&sw, "mirror_bench", &err) != 0) {
		fprintf(stderr, "mirror_bench: %s\n", err.what);
		return 2;
	}
	make_frames();
	for (unsigned c = 0; c < N_CASES; c++)
		make_mirror(&cases[c], c);
	pin_destination();
	if (bench_switch_run(&sw, NULL, &err) != 0) {
		fprintf(stderr, "mirror_bench: %s\n", err.what);
		return 1;
	}
	sw.port[2]->tx = throw_away;
	atomic_store(&sw.port[2]->link_up, true);
	measure();
	rc = report();
	fflush(stdout);
	_Exit(rc);
}
