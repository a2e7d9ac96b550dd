/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Shapers by themselves: a worker that stands still, in whose place this thread gathers frames,
 * runs what is due, and looks at the clock.  Drivers are of paper: what they are given is what is
 * offered next, so no buffer is made or freed on the way.
 *
 * 	shape_bench [ports|rates|shares|delay|dead]...
 *
 * 	ports   cycles a packet, and how many in all, of 1 to 4000 shaped ports that never run dry
 * 	rates   what was set beside what was sent
 * 	shares  four weights, one of them with a guarantee; tenants and their ports
 * 	delay   what a shaper adds, under loads up to its rate
 * 	dead    a port that takes nothing beside one that does
 *
 * Alone on its core, or the numbers say what else ran.
 */
#include "dataplane/shape_priv.h"
#include "dataplane/stages.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_mbuf.h>

#define MAX_PORTS 4000u
#define N_MBUFS	  131071u
#define BURST	  32u
#define NO	  DP_SCHED_NO_CLASS
#define FOREVER	  4000000000u
#define MAX_LEAF  64u
#define MAX_DELAY 200000u

static struct dp *dp;
static struct dp_worker *w;
static struct dp_view *view;
static struct dp_port port[MAX_PORTS];
static struct dp_txq txq[MAX_PORTS];
static struct dp_vport *vport[MAX_PORTS];
static uint64_t hz;

/* What the drivers took. */
static struct rte_mbuf *backs[2][N_MBUFS], **back = backs[0];
static unsigned n_back;
static uint64_t n_sent, bytes_of[MAX_LEAF], sent_by[MAX_PORTS];
static bool dead[MAX_PORTS], recycle;
static uint64_t delays[MAX_DELAY];
static unsigned n_delays;

static void must(bool ok, const char *what)
{
	if (ok)
		return;
	fprintf(stderr, "shape_bench: %s\n", what);
	_Exit(1);
}

static uint64_t *since(const struct rte_mbuf *m)
{
	return rte_pktmbuf_mtod_offset(m, uint64_t *, 64);
}

static uint16_t paper_tx(struct dp_txq *q, struct rte_mbuf **pkts, uint16_t n)
{
	uint64_t now;

	if (dead[q->port->id])
		return 0;
	n_sent += n;
	sent_by[q->port->id] += n;
	if (recycle) {
		memcpy(back + n_back, pkts, n * sizeof(*pkts));
		n_back += n;
		for (uint16_t i = 0; i < n; i++)
			pkts[i]->vlan_tci = q->port->id;
		return n;
	}
	now = rte_rdtsc();
	for (uint16_t i = 0; i < n; i++) {
		bytes_of[pkts[i]->port % MAX_LEAF] += pkts[i]->pkt_len;
		if (n_delays < MAX_DELAY)
			delays[n_delays++] = now - *since(pkts[i]);
	}
	memcpy(back + n_back, pkts, n * sizeof(*pkts));
	n_back += n;
	return n;
}

static void start(void)
{
	static char args[][24] = {"shape_bench", "--no-huge",	   "--no-pci",	    "-m", "768",
				  "--no-shconf", "--no-telemetry", "--log-level=3", "-l", "0"};
	const struct dp_opts opts = {.n_mbufs = N_MBUFS, .fdb_size = 1024};
	char *argv[sizeof(args) / sizeof(args[0]) + 1] = {0};
	struct err err = {0};

	for (size_t i = 0; i < sizeof(args) / sizeof(args[0]); i++)
		argv[i] = args[i];
	must(rte_eal_init((int)(sizeof(args) / sizeof(args[0])), argv) >= 0, "EAL");
	must(dp_create(&opts, &dp, &err) == 0, err.what);
	hz = dp->tsc_hz;
	w = aligned_alloc(64, sizeof(*w));
	view = calloc(1, sizeof(*view));
	must(w != NULL && view != NULL, "memory");
	memset(w, 0, sizeof(*w));
	w->dp = dp;
	w->view = view;
	must(dp_count_alloc_worker(dp, w) == 0 && dp_shape_worker_create(dp, w) == 0, "worker");
	dp->workers[0] = w;
	atomic_store(&dp->by_rank[0], w);
	atomic_store(&dp->n_ranks, 1);
	for (unsigned i = 0; i < MAX_PORTS; i++) {
		port[i] = (struct dp_port){.tx = paper_tx,
					   .txq = &txq[i],
					   .n_txq = 1,
					   .id = (uint16_t)i};
		port[i].max_frame = 9000;
		port[i].link_up = true;
		txq[i].port = &port[i];
		vport[i] = aligned_alloc(64, sizeof(*vport[i]));
		must(vport[i] != NULL && dp_count_alloc_port(dp, (uint16_t)i) == 0, "port");
		*vport[i] =
			(struct dp_vport){.port = &port[i], .id = (uint16_t)i, .flags = DP_VP_UP};
	}
}

/* Port 'i' is shaped like that; its owner is our worker. */
static void shape(unsigned i, const struct dp_shape_spec *spec)
{
	struct err err = {0};

	must(dp_shaper_create(dp, spec, &vport[i]->shaper, &err) == 0, err.what);
	atomic_store(&vport[i]->shaper->owner, w);
	vport[i]->on_egress = DP_ON_SHAPER;
	view->vports[i] = vport[i];
}

static void shape_one(unsigned i, uint64_t rate)
{
	static const struct dp_shape_group group;
	const struct dp_sched_class leaf = {.parent = NO,
					    .leaf = true,
					    .target_us = FOREVER,
					    .limit_bytes = 1u << 30};
	const struct dp_shape_spec spec = {.root.max_bps = rate,
					   .classes = &leaf,
					   .n_classes = 1,
					   .groups = &group,
					   .n_groups = 1};

	shape(i, &spec);
}

/* All that waits is thrown away, and nobody is shaped. */
static void reset(void)
{
	struct rte_mbuf *m;

	for (unsigned i = 0; i < MAX_PORTS; i++) {
		struct dp_shaper *s = vport[i]->shaper;

		if (s == NULL)
			continue;
		shape_disarm(w, s);
		w->shape->held -= s->held;
		while (dp_sched_empty(s->conf->sched, &m, 1) != 0)
			rte_pktmbuf_free(m);
		atomic_store(&s->owner, NULL);
		s->held = 0;
		dp_shaper_destroy(s);
		vport[i]->shaper = NULL;
		view->vports[i] = NULL;
	}
	rte_pktmbuf_free_bulk(back, n_back);
	n_back = n_delays = 0;
	n_sent = 0;
	memset(bytes_of, 0, sizeof(bytes_of));
	memset(sent_by, 0, sizeof(sent_by));
	memset(dead, 0, sizeof(dead));
	recycle = false;
}

static struct rte_mbuf *frame(uint16_t from, uint32_t size)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));

	if (m == NULL)
		must(false, "buffers");
	m->data_len = m->pkt_len = size;
	memset(rte_pktmbuf_mtod(m, void *), 0, 128);
	m->port = from;
	return m;
}

static void send(unsigned to, struct rte_mbuf *m)
{
	*since(m) = rte_rdtsc();
	dp_tx(w, vport[to], m);
}

/* One turn of the worker: what is due, then what came back, which 'again' offers. */
static void turn(void (*again)(struct rte_mbuf *m))
{
	uint64_t now = rte_rdtsc();
	struct rte_mbuf **pkts = back;
	unsigned n;

	if (now >= w->shape_due)
		dp_shape_run(w, now);
	n = n_back;
	n_back = 0;
	back = pkts == backs[0] ? backs[1] : backs[0];
	for (unsigned i = 0; i < n; i++) {
		again(pkts[i]);
		if (i % BURST == BURST - 1)
			dp_tx_flush_all(w);
	}
	dp_tx_flush_all(w);
}

static void same_port(struct rte_mbuf *m)
{
	dp_tx(w, vport[m->vlan_tci], m);
}

/* ---- Many ports ---- */

/* What this thread had of its core: beside other jobs, the time that counts. */
static uint64_t cpu_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void many(unsigned n, double mpps_set)
{
	const unsigned each = n >= 1000 ? 16 : 64;
	uint64_t rate = (uint64_t)(mpps_set * 1e6 * 64 * 8 / n), began, took, cpu;

	recycle = true;
	for (unsigned i = 0; i < n; i++)
		shape_one(i, rate);
	for (unsigned k = 0; k < each; k++)
		for (unsigned i = 0; i < n; i++) {
			struct rte_mbuf *m = frame(0, 64);

			m->vlan_tci = (uint16_t)i;
			send(i, m);
			if (i % BURST == 0)
				dp_tx_flush_all(w);
		}
	dp_tx_flush_all(w);
	for (began = rte_rdtsc(); rte_rdtsc() - began < hz / 4;)
		turn(same_port);
	n_sent = 0;
	cpu = cpu_ns();
	for (began = rte_rdtsc(); (took = rte_rdtsc() - began) < hz;)
		turn(same_port);
	cpu = cpu_ns() - cpu;
	printf("%5u ports, %5.1f Mpps set: %6.2f Mpps, %6.1f cycles a packet; by processor time "
	       "%6.2f "
	       "Mpps, %6.1f\n",
	       n, mpps_set, (double)n_sent / ((double)took / (double)hz) / 1e6,
	       (double)took / (double)(n_sent + 1), (double)n_sent * 1e3 / (double)cpu,
	       (double)cpu * (double)hz / 1e9 / (double)(n_sent + 1));
	reset();
}

static void ports(void)
{
	static const unsigned numbers[] = {1, 10, 100, 1000, 4000};

	puts("ports: frames of 64 bytes; set to what is never reached, then to 5 Mpps in all");
	for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
		many(numbers[i], 200);
		many(numbers[i], 5);
	}
}

/* ---- Rates ---- */

static void to_first(struct rte_mbuf *m)
{
	send(0, m);
}

/* A port that never runs dry, for so long; returns bit/s. */
static double measure(double seconds)
{
	uint64_t began, took, bytes = 0;

	for (began = rte_rdtsc(); rte_rdtsc() - began < hz / 10;)
		turn(to_first);
	memset(bytes_of, 0, sizeof(bytes_of));
	n_delays = 0;
	for (began = rte_rdtsc(); (took = rte_rdtsc() - began) < (uint64_t)((double)hz * seconds);)
		turn(to_first);
	for (unsigned i = 0; i < MAX_LEAF; i++)
		bytes += bytes_of[i];
	return (double)bytes * 8 / ((double)took / (double)hz);
}

static void rates(void)
{
	puts("rates: frames of 1514 bytes, one port");
	for (uint64_t rate = 1000000; rate <= 100000000000u; rate *= 10) {
		double got;

		shape_one(0, rate);
		for (unsigned i = 0; i < 512; i++)
			send(0, frame(0, 1514));
		dp_tx_flush_all(w);
		got = measure(rate < 10000000 ? 10 : 2);
		printf("%14.0f bit/s set, %14.0f sent (%+.2f %%)\n", (double)rate, got,
		       100 * (got / (double)rate - 1));
		reset();
	}
}

/* ---- Shares ---- */

static void share_table(const char *what, const struct dp_sched_class *classes, uint16_t n,
			uint64_t rate, const double *want)
{
	struct dp_shape_group groups[MAX_LEAF];
	static uint16_t group_of_port[DP_MAX_PORTS];
	const struct dp_shape_spec spec = {.root.max_bps = rate,
					   .classes = classes,
					   .n_classes = n,
					   .groups = groups,
					   .n_groups = n,
					   .group_of_port = group_of_port};
	uint16_t first = n;

	for (uint16_t i = n; i-- != 0;)
		first = classes[i].leaf ? i : first;
	for (uint16_t i = 0; i < n; i++) {
		group_of_port[i] = i;
		for (unsigned tc = 0; tc < DP_SHAPE_TCS; tc++)
			groups[i].leaf[tc] = classes[i].leaf ? i : first;
	}
	shape(0, &spec);
	for (uint16_t i = 0; i < n; i++)
		for (unsigned k = 0; k < 800 && classes[i].leaf; k++)
			send(0, frame(i, i % 2 == 0 ? 1514 : 1000));
	dp_tx_flush_all(w);
	(void)measure(3);
	puts(what);
	for (uint16_t i = 0; i < n; i++)
		if (classes[i].leaf)
			printf("  leaf %2u: %6.1f Mbit/s, should be %6.1f (%+.2f %%)\n", i,
			       (double)bytes_of[i] * 8 / 3e6, want[i] / 1e6,
			       100 * ((double)bytes_of[i] * 8 / 3 / want[i] - 1));
	reset();
}

static void shares(void)
{
	static const struct dp_sched_class flat[] = {
		{.parent = NO, .leaf = true, .weight = 1, .target_us = FOREVER},
		{.parent = NO, .leaf = true, .weight = 2, .target_us = FOREVER},
		{.parent = NO, .leaf = true, .weight = 3, .target_us = FOREVER},
		{.parent = NO, .leaf = true, .weight = 4, .target_us = FOREVER},
	};
	static const struct dp_sched_class tenants[] = {
		{.parent = NO, .min_bps = 600000000},
		{.parent = NO, .max_bps = 100000000},
		{.parent = NO, .weight = 3},
		{.parent = 0, .leaf = true, .weight = 1, .target_us = FOREVER},
		{.parent = 0, .leaf = true, .weight = 3, .target_us = FOREVER},
		{.parent = 1, .leaf = true, .target_us = FOREVER},
		{.parent = 2, .leaf = true, .min_bps = 50000000, .target_us = FOREVER},
		{.parent = 2, .leaf = true, .weight = 1, .target_us = FOREVER},
	};
	/* Guaranteed are 600 and 50; of the 350 left 100 are the second's, at most, then 1 : 3. */
	static const double flat_want[] = {1e8, 2e8, 3e8, 4e8};
	static const double want[] = {0, 0, 0, 6.7e8 / 4, 6.7e8 / 4 * 3, 7e7, 0, 0};
	double all[8];

	share_table("shares of 1 Gbit/s: weights 1 to 4", flat, 4, 1000000000, flat_want);
	memcpy(all, want, sizeof(all));
	/* 350 by 1 : 1 : 3, so the second has 70. */
	all[6] = 5e7 + 2.1e8 / 2;
	all[7] = 2.1e8 / 2;
	share_table("shares of 1 Gbit/s: tenants with 600 guaranteed, 100 at most, three parts",
		    tenants, 8, 1000000000, all);
}

/* ---- Delay ---- */

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return *x < *y ? -1 : *x > *y;
}

static void throw_away(struct rte_mbuf *m)
{
	rte_pktmbuf_free(m);
}

static void delay(void)
{
	static const unsigned loads[] = {10, 50, 80, 95, 99};
	const uint64_t rate = 1000000000;

	puts("delay: 1 Gbit/s, frames of 1514 bytes in bursts of 1 to 7");
	for (size_t i = 0; i < sizeof(loads) / sizeof(loads[0]); i++) {
		uint64_t began = rte_rdtsc(), next = began, sum = 0;
		unsigned n = 1;

		shape_one(0, rate);
		while (rte_rdtsc() - began < hz) {
			if (rte_rdtsc() >= next) {
				for (unsigned k = 0; k < n; k++)
					send(0, frame(0, 1514));
				next += hz / 1000 * 1514 * 8 * n / (rate / 1000) * 100 / loads[i];
				n = n % 7 + 1;
			}
			turn(throw_away);
		}
		qsort(delays, n_delays, sizeof(delays[0]), compare);
		for (unsigned k = 0; k < n_delays; k++)
			sum += delays[k];
		if (n_delays != 0)
			printf("%3u %%: min %.1f, mean %.1f, p99 %.1f, max %.1f us of %u\n",
			       loads[i], (double)delays[0] * 1e6 / (double)hz,
			       (double)sum / n_delays * 1e6 / (double)hz,
			       (double)delays[n_delays / 100 * 99] * 1e6 / (double)hz,
			       (double)delays[n_delays - 1] * 1e6 / (double)hz, n_delays);
		reset();
	}
}

/* ---- A dead receiver ---- */

static void dead_beside(void)
{
	struct dp_count *count = w->count->ports[1];
	uint64_t began, offered = 0, next;

	shape_one(0, 1000000000);
	shape_one(1, 1000000000);
	dead[1] = true;
	memset(count, 0, sizeof(*count));
	for (began = next = rte_rdtsc(); rte_rdtsc() - began < hz;) {
		if (rte_rdtsc() >= next) {
			send(0, frame(0, 1514));
			send(1, frame(1, 1514));
			offered++;
			next += hz / 1000 * 1514 * 8 / (950000000 / 1000);
		}
		turn(throw_away);
	}
	printf("dead: of %llu offered to each the live one got %llu; the dead one's: %llu refused "
	       "by "
	       "its driver, %llu wait\n",
	       (unsigned long long)offered, (unsigned long long)sent_by[0],
	       (unsigned long long)(count->drops_tx[DP_DROP_TX_FULL] +
				    count->drops_tx[DP_DROP_TX_DOWN]),
	       (unsigned long long)count->held_tx);
	reset();
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*run)(void);
	} parts[] = {{"ports", ports},
		     {"rates", rates},
		     {"shares", shares},
		     {"delay", delay},
		     {"dead", dead_beside}};

	start();
	for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
		bool wanted = argc < 2;

		for (int k = 1; k < argc; k++)
			wanted |= strcmp(argv[k], parts[i].name) == 0;
		if (wanted)
			parts[i].run();
		fflush(stdout);
	}
	_Exit(0);
}
