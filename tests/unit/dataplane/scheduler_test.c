/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The scheduler by a clock of paper, beside what a fluid would do: trees of all kinds get what is
 * theirs, whoever comes when; nothing is lost uncounted, and a leaf keeps its order.
 */
#include "dataplane/scheduler.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_mbuf.h>

#include "ctl/base/err.h"
#include "tests/support/mbufs.h"
#include "tests/support/packet.h"

#define HZ	 UINT64_C(2700000000)
#define US	 (HZ / 1000000)
#define SECOND	 HZ
#define N_MBUFS	 16383
#define MAX_LEAF 256
#define NO	 DP_SCHED_NO_CLASS
#define FOREVER	 4000000000u /* us: CoDel looks away */
#define DEEP	 64u	     /* packets that a busy leaf has waiting */

static struct rte_mempool *pool;
static struct dp_sched *sched;
static uint64_t now;
static uint64_t seed;

/* Of each leaf. */
static struct {
	uint32_t size; /* of its packets; 0: random */
	uint16_t segsz;
	bool busy; /* never empty */
	uint32_t put, got;
	uint64_t sent; /* bytes */
	uint64_t delay_max;
} leaf[MAX_LEAF];
static uint64_t n_lost;

static int start(void **state)
{
	if (pool == NULL)
		pool = mbufs_pool("scheduler", N_MBUFS, 256);
	memset(leaf, 0, sizeof(leaf));
	sched = NULL;
	now = 5 * SECOND;
	n_lost = 0;
	seed = 0x5eed;
	return 0;
}

static int finish(void **state)
{
	struct rte_mbuf *m;

	while (sched != NULL && dp_sched_empty(sched, &m, 1) != 0)
		rte_pktmbuf_free(m);
	if (sched != NULL)
		assert_int_equal(dp_sched_waiting(sched), 0);
	dp_sched_destroy(sched);
	return rte_mempool_in_use_count(pool) == 0 ? 0 : -1;
}

static void make(uint64_t rate, const struct dp_sched_class *classes, uint16_t n)
{
	const struct dp_sched_class root = {.max_bps = rate};
	struct err err = {0};

	if (dp_sched_create(&root, classes, n, HZ, &sched, &err) != 0)
		fail_msg("%s", err.what);
}

static struct rte_mbuf *buffer(void)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool);

	if (m == NULL)
		abort();
	return m;
}

static struct rte_mbuf *packet(uint16_t i)
{
	struct rte_mbuf *m = buffer();
	uint32_t size = leaf[i].size != 0 ? leaf[i].size : 64 + pkt_rand(&seed) % 1451;

	m->data_len = 128;
	m->pkt_len = size; /* Nobody looks behind the headers. */
	memset(rte_pktmbuf_mtod(m, void *), 0, 128);
	m->port = i;
	*rte_pktmbuf_mtod_offset(m, uint32_t *, 64) = leaf[i].put;
	if (leaf[i].segsz != 0) {
		m->ol_flags |= RTE_MBUF_F_TX_TCP_SEG;
		m->l2_len = 14;
		m->l3_len = 20;
		m->l4_len = 20;
		m->tso_segsz = leaf[i].segsz;
	}
	return m;
}

static bool put(uint16_t i)
{
	struct rte_mbuf *m = packet(i);

	leaf[i].put++;
	if (dp_sched_put(sched, i, m, now))
		return true;
	rte_pktmbuf_free(m);
	leaf[i].put--;
	return false;
}

static void took(struct rte_mbuf *m, bool sent)
{
	uint16_t i = m->port;

	/* In their order, also those that were dropped before. */
	assert_true(*rte_pktmbuf_mtod_offset(m, uint32_t *, 64) >= leaf[i].got);
	if (sent) {
		leaf[i].got = *rte_pktmbuf_mtod_offset(m, uint32_t *, 64) + 1;
		leaf[i].sent += m->pkt_len;
	} else {
		n_lost++;
	}
	rte_pktmbuf_free(m);
	if (leaf[i].busy)
		put(i);
}

/* Everything that may go now. */
static unsigned pump(void)
{
	struct rte_mbuf *pkts[32], *dropped[32];
	unsigned total = 0;
	uint16_t n, n_dropped;

	do {
		n = dp_sched_get(sched, now, pkts, 32, dropped, &n_dropped);
		for (uint16_t i = 0; i < n_dropped; i++)
			took(dropped[i], false);
		for (uint16_t i = 0; i < n; i++)
			took(pkts[i], true);
		total += n;
	} while (n == 32 || n_dropped == 32);
	return total;
}

/* Until 'end', coming up to 'late' late each time. */
static void run_until(uint64_t end, uint64_t late)
{
	for (;;) {
		uint64_t next = dp_sched_next(sched, now);

		if (next == DP_SCHED_NEVER || next > end)
			break;
		if (next > now)
			now = next;
		now += late != 0 ? pkt_rand(&seed) % late : 0;
		pump();
	}
	now = end > now ? end : now;
}

static void keep_busy(uint16_t i)
{
	leaf[i].busy = true;
	for (unsigned k = 0; k < DEEP; k++)
		put(i);
}

static void forget(uint16_t n)
{
	for (uint16_t i = 0; i < n; i++)
		leaf[i].sent = 0;
}

static void is_near(double got, double want, double part, double slack)
{
	if (fabs(got - want) > want * part + slack)
		fail_msg("%.0f, should be %.0f (off by %.2f %%)", got, want,
			 100 * (got - want) / want);
}

/* ---- Trees that can be, and others ---- */

static void creation_refuses_what_is_no_tree(void **state)
{
	static const struct {
		const char *slug;
		uint64_t rate;
		uint16_t n;
		struct dp_sched_class c[4];
	} bad[] = {
		{"class-limit", 0, 0, {{0}}},
		{"class-parent", 0, 1, {{.parent = 0, .leaf = true}}},
		{"class-parent", 0, 2, {{.parent = NO, .leaf = true}, {.parent = 0, .leaf = true}}},
		{"class-parent", 0, 2, {{.parent = 1}, {.parent = NO}}},
		{"class-depth",
		 0,
		 4,
		 {{.parent = NO}, {.parent = 0}, {.parent = 1}, {.parent = 2, .leaf = true}}},
		{"class-strict", 0, 1, {{.parent = NO, .leaf = true, .strict = true}}},
		{"class-strict", 0, 1, {{.parent = NO, .strict = true, .max_bps = 1000}}},
		{"class-weight", 0, 1, {{.parent = NO, .leaf = true, .weight = 65536}}},
		{"rate-range", 0, 1, {{.parent = NO, .leaf = true, .max_bps = 999}}},
		{"rate-range", 0, 1, {{.parent = NO, .leaf = true, .min_bps = UINT64_MAX}}},
		{"rate-range", 1, 1, {{.parent = NO, .leaf = true}}},
		{"guarantees", 1000000, 1, {{.parent = NO, .leaf = true, .min_bps = 1000001}}},
		{"guarantees",
		 0,
		 1,
		 {{.parent = NO, .leaf = true, .min_bps = 3000, .max_bps = 2000}}},
		{"guarantees",
		 0,
		 3,
		 {{.parent = NO, .min_bps = 5000},
		  {.parent = 0, .leaf = true, .min_bps = 3000},
		  {.parent = 0, .leaf = true, .min_bps = 2001}}},
		{"guarantees",
		 5000,
		 2,
		 {{.parent = NO, .leaf = true, .strict = true, .max_bps = 3000},
		  {.parent = NO, .leaf = true, .min_bps = 2001}}},
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		const struct dp_sched_class root = {.max_bps = bad[i].rate};
		struct err err = {0};

		assert_int_equal(dp_sched_create(&root, bad[i].c, bad[i].n, HZ, &sched, &err),
				 -EINVAL);
		assert_string_equal(err.slug, bad[i].slug);
		assert_null(sched);
	}
}

/* ---- Rates ---- */

static void a_maximum_is_met_at_every_rate(void **state)
{
	static const uint64_t rates[] = {1000,	    64000,	1000000,      10000000,
					 123456789, 1000000000, 10000000000u, 100000000000u};
	static const uint64_t lates[] = {0, 5 * US, 300 * US, 8000 * US};

	for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]) * 4; i++) {
		uint64_t rate = rates[i / 4], end;
		const struct dp_sched_class c = {.parent = NO,
						 .leaf = true,
						 .max_bps = rate,
						 .target_us = FOREVER};
		/* So that a packet more or less is nothing. */
		uint64_t span = SECOND / 100 + 3000 * 8 * 1514 * (SECOND / 1000) / (rate / 1000);

		/* What waits must last until the caller comes. */
		if ((double)rate * (double)lates[i % 4] / SECOND > (DEEP - 32) * 8 * 790)
			continue;
		make(0, &c, 1);
		keep_busy(0);
		pump();
		forget(1);
		end = now + span;
		run_until(end, lates[i % 4]);
		is_near((double)leaf[0].sent * 8 / ((double)span / SECOND), (double)rate, 0.003,
			(double)(8 * 3028 + lates[i % 4] * (rate / 1000) / (HZ / 1000)) /
				((double)span / SECOND));
		leaf[0].busy = false;
		finish(state);
		start(state);
	}
}

static void what_was_not_used_goes_at_once_up_to_the_burst(void **state)
{
	const struct dp_sched_class c = {
		.parent = NO, .leaf = true, .max_bps = 10000000, .burst = 15140, .limit = 100};

	make(0, &c, 1);
	leaf[0].size = 1514;
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 100; i++)
			put(0);
		/* And one; and its clock may pass 'now' with the last of them. */
		assert_in_range(pump(), 11, 12);
		run_until(now + SECOND, 0);
		assert_int_equal(dp_sched_waiting(sched), 0);
	}
}

static void overhead_and_headers_of_segments_count(void **state)
{
	const struct dp_sched_class c = {.parent = NO,
					 .leaf = true,
					 .max_bps = 100000000,
					 .overhead = 24,
					 .target_us = FOREVER,
					 .limit_bytes = 10000000};
	const double wire = 54 + 64000 + 43 * 54 + 44 * 24; /* 44 segments of 1460 and less */

	make(0, &c, 1);
	leaf[0].size = 54 + 64000;
	leaf[0].segsz = 1460;
	keep_busy(0);
	pump();
	forget(1);
	run_until(now + 20 * SECOND, 0);
	is_near((double)leaf[0].sent / leaf[0].size * wire * 8 / 20, 1e8, 0.003, 0);
}

/* ---- Against a fluid ---- */

struct fluid {
	struct dp_sched_class c[64];
	uint16_t n;
	double rate;
	double demand[64]; /* of leaves, bit/s */
	double cap[65], need[65], get[65];
};

static double least(double a, double b)
{
	return a < b ? a : b;
}

/* What 'of' has for its children, who take what is theirs first, then share. */
static void pour(struct fluid *f, unsigned of)
{
	double left = f->get[of], before;
	bool full[64] = {0};

	for (unsigned i = 0; i < f->n; i++)
		if ((f->c[i].parent == NO ? f->n : f->c[i].parent) == of) {
			f->get[i] = least(f->c[i].strict ? f->cap[i] : f->need[i], f->cap[i]);
			left -= f->get[i];
		}
	do {
		double weights = 0;

		before = left;
		for (unsigned i = 0; i < f->n; i++)
			if ((f->c[i].parent == NO ? f->n : f->c[i].parent) == of && !full[i] &&
			    !f->c[i].strict)
				weights += f->c[i].weight;
		for (unsigned i = 0; i < f->n && weights > 0; i++) {
			double more;

			if ((f->c[i].parent == NO ? f->n : f->c[i].parent) != of || full[i] ||
			    f->c[i].strict)
				continue;
			more = least(before * f->c[i].weight / weights, f->cap[i] - f->get[i]);
			f->get[i] += more;
			left -= more;
			full[i] = f->cap[i] - f->get[i] < 1;
		}
	} while (left > 1 && before - left > 1);
	for (unsigned i = 0; i < f->n; i++)
		if ((f->c[i].parent == NO ? f->n : f->c[i].parent) == of && !f->c[i].leaf)
			pour(f, i);
}

static void solve(struct fluid *f)
{
	memset(f->cap, 0, sizeof(f->cap));
	memset(f->need, 0, sizeof(f->need));
	for (unsigned i = f->n; i-- != 0;) {
		unsigned up = f->c[i].parent == NO ? f->n : f->c[i].parent;
		double max = f->c[i].max_bps != 0 ? (double)f->c[i].max_bps : 1e15;

		if (f->c[i].leaf)
			f->cap[i] = f->demand[i];
		f->cap[i] = least(f->cap[i], max);
		if (f->c[i].strict)
			f->need[i] = max;
		else if (f->need[i] < (double)f->c[i].min_bps)
			f->need[i] = (double)f->c[i].min_bps;
		f->cap[up] += f->cap[i];
		f->need[up] += f->need[i];
	}
	f->get[f->n] = least(f->rate, f->cap[f->n]);
	pour(f, f->n);
}

static uint64_t rand_of(uint64_t n)
{
	return pkt_rand(&seed) % n;
}

/* A tree of two or three levels, which guarantees at most half of what there is. */
static void random_tree(struct fluid *f)
{
	double left = f->rate / 2;

	f->n = (uint16_t)(2 + rand_of(30));
	for (uint16_t i = 0; i < f->n; i++) {
		struct dp_sched_class *c = &f->c[i];

		*c = (struct dp_sched_class){.parent = NO, .weight = (uint32_t)(1 + rand_of(8))};
		if (i != 0 && rand_of(4) != 0) {
			uint16_t up = (uint16_t)rand_of(i);

			if (!f->c[up].leaf)
				c->parent = up;
		}
		c->leaf = rand_of(3) != 0 || i + 1 == f->n ||
			  (c->parent != NO && f->c[c->parent].parent != NO);
		c->target_us = FOREVER;
		c->limit_bytes = 10000000;
		if (rand_of(3) == 0)
			c->max_bps = (uint64_t)(f->rate / (double)(1 + rand_of(20)));
	}
	for (uint16_t i = 0; i < f->n; i++) {
		struct dp_sched_class *c = &f->c[i];
		double min = left / (double)(2 + rand_of(6)), most = f->rate;

		for (uint16_t at = i; at != NO; at = f->c[at].parent)
			if (f->c[at].max_bps != 0)
				most = least(most, (double)f->c[at].max_bps);
		/* Of what its parents may have it takes so little that all find room. */
		if (!c->leaf || rand_of(3) != 0)
			continue;
		min = least(min, most / 40);
		if (c->max_bps != 0 && rand_of(4) == 0) {
			c->strict = true;
			c->max_bps = (uint64_t)min;
		} else {
			c->min_bps = (uint64_t)min;
		}
		left -= min;
	}
}

static void try_tree(double rate, uint64_t late)
{
	struct fluid f = {.rate = rate};
	uint64_t span;

	random_tree(&f);
	make((uint64_t)rate, f.c, f.n);
	for (uint16_t i = 0; i < f.n; i++) {
		f.demand[i] = f.c[i].leaf && rand_of(8) != 0 ? 1e14 : 0;
		leaf[i].size = rand_of(2) == 0 ? 0 : (uint32_t)(64 + rand_of(1451));
		if (f.demand[i] != 0)
			keep_busy(i);
	}
	solve(&f);
	run_until(now + SECOND / 10, late);
	forget(f.n);
	span = (uint64_t)(40000 * 8 * 800 / rate * (double)SECOND);
	run_until(now + span, late);
	for (uint16_t i = 0; i < f.n; i++)
		if (f.c[i].leaf)
			is_near((double)leaf[i].sent * 8, f.get[i] * (double)span / SECOND, 0.02,
				8 * 1514 * 12 + f.rate * (double)late / SECOND);
	for (uint16_t i = 0; i < f.n; i++)
		leaf[i].busy = false;
}

static void random_trees_get_what_a_fluid_would(void **state)
{
	static const double rates[] = {2e6, 1e8, 1e9, 1e10};

	for (unsigned i = 0; i < 80; i++) {
		uint64_t s = 0x1000 + i;

		finish(state);
		start(state);
		seed = s;
		try_tree(rates[i % 4], i % 3 == 0 ? 20 * US : 0);
	}
}

static void super_frames_share_by_bytes(void **state)
{
	const struct dp_sched_class c[] = {
		{.parent = NO,
		 .leaf = true,
		 .weight = 1,
		 .target_us = FOREVER,
		 .limit_bytes = 1 << 30},
		{.parent = NO,
		 .leaf = true,
		 .weight = 1,
		 .target_us = FOREVER,
		 .limit_bytes = 1 << 30},
		{.parent = NO,
		 .leaf = true,
		 .weight = 2,
		 .target_us = FOREVER,
		 .limit_bytes = 1 << 30},
	};

	make(1000000000, c, 3);
	leaf[0].size = 65000;
	leaf[1].size = 64;
	leaf[2].size = 1514;
	for (uint16_t i = 0; i < 3; i++)
		keep_busy(i);
	run_until(now + SECOND, 0);
	is_near((double)leaf[0].sent * 8, 0.25e9, 0.02, 0);
	is_near((double)leaf[1].sent * 8, 0.25e9, 0.02, 0);
	is_near((double)leaf[2].sent * 8, 0.5e9, 0.02, 0);
	for (uint16_t i = 0; i < 3; i++)
		leaf[i].busy = false;
}

/* ---- Who comes and goes ---- */

static void nothing_is_left_unused_while_somebody_waits(void **state)
{
	enum { N = 12 };
	struct dp_sched_class c[N];
	const double rate = 1e9;
	uint64_t sent = 0, from, busy = 0;

	for (uint16_t i = 0; i < N; i++)
		c[i] = (struct dp_sched_class){.parent = i >= 4 ? (uint16_t)(i / 4 - 1) : NO,
					       .leaf = i >= 2,
					       .weight = 1 + i,
					       .min_bps = i % 3 == 0 ? 20000000 : 0,
					       .target_us = FOREVER};
	make((uint64_t)rate, c, N);
	from = now;
	for (unsigned step = 0; step < 200000; step++) {
		bool waits = dp_sched_waiting(sched) != 0;

		for (uint64_t k = rand_of(4); k != 0; k--)
			put((uint16_t)(2 + rand_of(N - 2)));
		/* About as much as there is room for: now and then nothing waits. */
		busy += waits ? 10 * US : 0;
		run_until(now + 10 * US, 0);
	}
	for (uint16_t i = 0; i < N; i++)
		sent += leaf[i].sent;
	assert_true(busy < now - from);
	/* A steps's packets may have come late in it. */
	assert_true((double)sent * 8 >= rate * (double)busy / SECOND * 0.99);
	assert_true((double)sent * 8 <= rate * ((double)(now - from) / SECOND + 0.001) + 8 * 1514);
}

static void a_strict_leaf_waits_for_one_packet_of_others(void **state)
{
	const struct dp_sched_class c[] = {
		{.parent = NO, .leaf = true, .strict = true, .max_bps = 50000000},
		{.parent = NO, .leaf = true, .min_bps = 60000000, .target_us = FOREVER},
		{.parent = NO, .leaf = true, .weight = 1000, .target_us = FOREVER},
	};
	struct dp_sched_counts n;

	make(200000000, c, 3);
	leaf[0].size = 200;
	leaf[1].size = leaf[2].size = 1514;
	keep_busy(1);
	keep_busy(2);
	for (unsigned i = 0; i < 5000; i++) {
		run_until(now + 100 * US + rand_of(200 * US), 0);
		put(0);
		pump();
	}
	run_until(now + 1000 * US, 0);
	dp_sched_read(sched, 0, &n);
	assert_int_equal(n.packets, 5000);
	/* A packet of 1514 bytes takes 60.6 us of the line. */
	assert_true(n.delay_max_ns <= 61000);
	leaf[1].busy = leaf[2].busy = false;
}

/* What a guarantee is against: many who have none. */
static void a_guarantee_holds_against_any_number(void **state)
{
	enum { N = 200 };
	struct dp_sched_class c[N];

	for (uint16_t i = 0; i < N; i++)
		c[i] = (struct dp_sched_class){.parent = NO,
					       .leaf = true,
					       .weight = 100,
					       .min_bps = i == 0 ? 70000000 : 0,
					       .target_us = FOREVER};
	c[0].weight = 1;
	make(100000000, c, N);
	for (uint16_t i = 0; i < N; i++)
		keep_busy(i);
	run_until(now + 2 * SECOND, 50 * US);
	is_near((double)leaf[0].sent * 8, 140e6, 0.02, 8 * 1514 * 4);
	is_near((double)leaf[1].sent * 8, 60e6 / 199, 0.05, 8 * 1514 * 4);
	for (uint16_t i = 0; i < N; i++)
		leaf[i].busy = false;
}

static void everything_is_sent_or_counted(void **state)
{
	struct dp_sched_class c[20];
	uint64_t in = 0, refused = 0, out = 0, dropped = 0, overflow = 0;

	for (unsigned round = 0; round < 20; round++) {
		finish(state);
		start(state);
		seed = 77 + round;
		for (uint16_t i = 0; i < 20; i++)
			c[i] = (struct dp_sched_class){
				.parent = i >= 2 ? (uint16_t)(i % 2) : NO,
				.leaf = i >= 2,
				.limit = (uint32_t)(1 + rand_of(50)),
				.target_us = (uint32_t)(10 + rand_of(500)),
				.max_bps = rand_of(2) == 0 ? 1000000 + rand_of(50000000) : 0};
		make(100000000, c, 20);
		in = refused = out = dropped = overflow = 0;
		for (unsigned step = 0; step < 20000; step++) {
			uint16_t i = (uint16_t)(2 + rand_of(18));

			in++;
			refused += !put(i);
			if (rand_of(3) == 0)
				run_until(now + rand_of(200 * US), rand_of(20 * US) + 1);
		}
		for (uint16_t i = 2; i < 20; i++) {
			struct dp_sched_counts n;

			dp_sched_read(sched, i, &n);
			out += n.packets;
			dropped += n.dropped;
			overflow += n.overflow;
			assert_true(n.waiting <= c[i].limit);
		}
		assert_int_equal(overflow, refused);
		assert_int_equal(dropped, n_lost);
		assert_int_equal(in, out + dropped + overflow + dp_sched_waiting(sched));
	}
	assert_true(dropped != 0 && overflow != 0);
}

/* ---- Delay ---- */

/* A sender that is told of congestion and halves, as TCP does; 1 ms away. */
static void a_queue_of_who_listens_stays_short(void **state)
{
	const struct dp_sched_class c = {.parent = NO, .leaf = true, .max_bps = 50000000};
	double window = 10;
	uint64_t lost_before = 0;
	struct dp_sched_counts n;

	make(0, &c, 1);
	leaf[0].size = 1514;
	for (unsigned i = 0; i < 20000; i++) {
		uint32_t waiting = dp_sched_waiting(sched);

		for (; waiting < window; waiting++)
			put(0);
		run_until(now + 1000 * US, 0);
		if (n_lost != lost_before)
			window = window / 2 > 2 ? window / 2 : 2;
		else
			window += 0.25;
		lost_before = n_lost;
		if (i == 4000)
			forget(1);
	}
	dp_sched_read(sched, 0, &n);
	assert_true(n.dropped != 0);
	assert_true(n.delay_ns / n.packets < 10 * 1000 * 1000);
	is_near((double)leaf[0].sent * 8, 16 * 50e6, 0.02, 0);
}

/* An IPv4 or IPv6 packet behind tags; returns where its header starts. */
static uint32_t ip_packet(struct rte_mbuf *m, bool six, unsigned n_tags, uint8_t ecn)
{
	uint8_t *b = rte_pktmbuf_mtod(m, uint8_t *);
	uint32_t at = 12;

	memset(b, 0, 128);
	for (unsigned i = 0; i < n_tags; i++, at += 4)
		memcpy(b + at, i == 0 && n_tags == 2 ? "\x88\xa8\0\1" : "\x81\0\0\1", 4);
	memcpy(b + at, six ? "\x86\xdd" : "\x08\0", 2);
	at += 2;
	if (six) {
		b[at] = 0x6b;
		b[at + 1] = (uint8_t)(0x80 | ecn << 4 | 5);
	} else {
		struct rte_ipv4_hdr *ip = (void *)(b + at);

		*ip = (struct rte_ipv4_hdr){.version_ihl = 0x45,
					    .type_of_service = (uint8_t)(0xb8 | ecn),
					    .total_length = rte_cpu_to_be_16(100),
					    .packet_id = (uint16_t)rand_of(65536),
					    .time_to_live = 64,
					    .src_addr = (uint32_t)pkt_rand(&seed),
					    .dst_addr = (uint32_t)pkt_rand(&seed)};
		ip->hdr_checksum = rte_ipv4_cksum(ip);
	}
	m->data_len = 128;
	m->pkt_len = 1514;
	return at;
}

static uint8_t ecn_of(const struct rte_mbuf *m, bool six, uint32_t at)
{
	const uint8_t *b = rte_pktmbuf_mtod_offset(m, const uint8_t *, at);

	return six ? b[1] >> 4 & 3 : b[1] & 3;
}

/* Overloads a leaf with such packets for a second. */
static void overload(bool six, unsigned n_tags, uint8_t ecn, bool shared,
		     struct dp_sched_counts *ret)
{
	const struct dp_sched_class c = {.parent = NO, .leaf = true, .max_bps = 10000000};
	struct rte_mbuf *m, *pkts[8], *dropped[8];
	uint64_t marked = 0;
	uint16_t n_dropped;

	make(0, &c, 1);
	for (unsigned i = 0; i < (shared ? 9000 : 1500); i++) {
		uint32_t at = 14 + 4 * n_tags;
		struct rte_mbuf *original = NULL;

		m = buffer();
		ip_packet(m, six, n_tags, ecn);
		if (shared) {
			m->pkt_len = 128;
			original = m;
			m = rte_pktmbuf_clone(original, pool);
			if (m == NULL)
				abort();
			original->pkt_len = m->pkt_len = 128;
		}
		if (!dp_sched_put(sched, 0, m, now))
			rte_pktmbuf_free(m);
		now += shared ? 50 * US : 600 * US;
		for (uint16_t n = dp_sched_get(sched, now, pkts, 8, dropped, &n_dropped); n != 0;) {
			uint8_t got = ecn_of(pkts[--n], six, at);

			marked += got != ecn;
			assert_true(got == ecn || got == 3);
			if (!six) {
				struct rte_ipv4_hdr ip =
					*rte_pktmbuf_mtod_offset(pkts[n], struct rte_ipv4_hdr *,
								 at);
				uint16_t sum = ip.hdr_checksum;

				ip.hdr_checksum = 0;
				assert_int_equal(sum, rte_ipv4_cksum(&ip));
			}
			rte_pktmbuf_free(pkts[n]);
		}
		rte_pktmbuf_free_bulk(dropped, n_dropped);
		/* Who has the same bytes sees no mark. */
		if (original != NULL)
			assert_int_equal(ecn_of(original, six, at), ecn);
		rte_pktmbuf_free(original);
	}
	dp_sched_read(sched, 0, ret);
	if (ecn == 1 || ecn == 2)
		assert_int_equal(ret->marked, marked);
	else if (ecn == 0)
		assert_int_equal(marked, 0);
}

static void who_knows_ecn_is_marked_and_others_dropped(void **state)
{
	for (unsigned i = 0; i < 24; i++) {
		uint8_t ecn = i % 4;
		struct dp_sched_counts n;

		overload(i / 4 % 2 != 0, i / 8, ecn, false, &n);
		assert_true(ecn == 0 ? n.marked == 0 && n.dropped != 0
				     : n.marked != 0 && n.dropped == 0);
		finish(state);
		start(state);
	}
}

static void bytes_that_others_have_are_not_marked(void **state)
{
	struct dp_sched_counts n;

	overload(false, 0, 1, true, &n);
	assert_true(n.marked != 0);
	finish(state);
	start(state);
	overload(true, 1, 2, true, &n);
	assert_true(n.marked != 0);
}

/* ---- Another tree ---- */

static void a_class_goes_on_in_another_tree(void **state)
{
	const struct dp_sched_class before[] = {
		{.parent = NO, .max_bps = 1000000},
		{.parent = 0, .leaf = true},
		{.parent = 0, .leaf = true},
	};
	const struct dp_sched_class after[] = {
		{.parent = NO, .leaf = true},
		{.parent = NO, .max_bps = 2000000},
		{.parent = 1, .leaf = true},
	};
	const struct dp_sched_class root = {0};
	struct dp_sched *old;
	struct dp_sched_counts n;
	struct rte_mbuf *m;

	make(0, before, 3);
	leaf[1].size = leaf[2].size = 1000;
	for (unsigned i = 0; i < 20; i++) {
		put(1);
		put(2);
	}
	pump();
	dp_sched_read(sched, 2, &n);
	assert_int_equal(n.waiting + n.packets, 20);
	old = sched;
	assert_int_equal(dp_sched_create(&root, after, 3, HZ, &sched, NULL), 0);
	dp_sched_adopt_root(sched, old, now);
	dp_sched_adopt(sched, 1, old, 0, now);
	dp_sched_adopt(sched, 2, old, 2, now);
	while (dp_sched_empty(old, &m, 1) != 0) {
		assert_int_equal(m->port, 1);
		rte_pktmbuf_free(m);
	}
	dp_sched_destroy(old);
	assert_int_equal(dp_sched_waiting(sched), n.waiting);
	/* No burst because it is new. */
	assert_int_equal(pump(), 0);
	/* n.waiting KB at 2 Mbit/s, and half of what was owed. */
	run_until(now + 90000 * US, 0);
	dp_sched_read(sched, 2, &n);
	assert_int_equal(n.packets, 20);
	assert_int_equal(n.waiting, 0);
	dp_sched_read(sched, 1, &n);
	assert_in_range(n.packets, 20, 22);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(creation_refuses_what_is_no_tree, start, finish),
		cmocka_unit_test_setup_teardown(a_maximum_is_met_at_every_rate, start, finish),
		cmocka_unit_test_setup_teardown(what_was_not_used_goes_at_once_up_to_the_burst,
						start, finish),
		cmocka_unit_test_setup_teardown(overhead_and_headers_of_segments_count, start,
						finish),
		cmocka_unit_test_setup_teardown(random_trees_get_what_a_fluid_would, start, finish),
		cmocka_unit_test_setup_teardown(super_frames_share_by_bytes, start, finish),
		cmocka_unit_test_setup_teardown(nothing_is_left_unused_while_somebody_waits, start,
						finish),
		cmocka_unit_test_setup_teardown(a_strict_leaf_waits_for_one_packet_of_others, start,
						finish),
		cmocka_unit_test_setup_teardown(a_guarantee_holds_against_any_number, start,
						finish),
		cmocka_unit_test_setup_teardown(everything_is_sent_or_counted, start, finish),
		cmocka_unit_test_setup_teardown(a_queue_of_who_listens_stays_short, start, finish),
		cmocka_unit_test_setup_teardown(who_knows_ecn_is_marked_and_others_dropped, start,
						finish),
		cmocka_unit_test_setup_teardown(bytes_that_others_have_are_not_marked, start,
						finish),
		cmocka_unit_test_setup_teardown(a_class_goes_on_in_another_tree, start, finish),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
