/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Trees of classes: checked, made, carried over into others, read.  See scheduler.h.
 */
#include "dataplane/scheduler_priv.h"

#include "ctl/base/err.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define LINK_NAME      "vswitch_sched"
#define MIN_BPS	       1000u
#define DEFAULT_TARGET 5000u /* us */
#define DEFAULT_LIMIT  1000u
#define CODEL_RATIO    20u /* of interval to target: RFC 8289 4.3 */
#define PACKET_BITS    (1514u * 8u)
#define LEAST_BYTES    32768u
#define LATE_PART      10u /* of a second: who comes later than that has lost the rest */
#define LAG_PART       5u  /* of a second: what is kept of a guarantee that could not be met */
#define BURST_PART     1000u

/* ---- Checks ---- */

/* What a class may use at most, and what is guaranteed to it and those below it; at [n] the root's.
 */
struct claims {
	uint64_t max[DP_SCHED_MAX_CLASS + 1];
	uint64_t need[DP_SCHED_MAX_CLASS + 1];
	uint8_t depth[DP_SCHED_MAX_CLASS + 1];
};

static int check_rate(uint16_t i, const char *what, uint64_t bps, struct err *err)
{
	if (bps == 0 || (bps >= MIN_BPS && bps <= DP_SCHED_MAX_BPS))
		return 0;
	return err_set(err, -EINVAL, "rate-range",
		       "class %u: a %s rate of %llu bit/s: must be 1 kbit/s to 1 Tbit/s", i, what,
		       (unsigned long long)bps);
}

static int check_place(const struct dp_sched_class *classes, uint16_t i, uint8_t depth,
		       struct err *err)
{
	const struct dp_sched_class *c = &classes[i];

	if (c->parent != DP_SCHED_NO_CLASS && (c->parent >= i || classes[c->parent].leaf))
		return err_set(err, -EINVAL, "class-parent",
			       "class %u: its parent %u is a leaf, or stands behind it", i,
			       c->parent);
	if (depth > DP_SCHED_DEPTH)
		return err_set(err, -EINVAL, "class-depth",
			       "class %u is level %u of its tree: there are %u", i, depth,
			       DP_SCHED_DEPTH);
	if (c->strict && (!c->leaf || c->max_bps == 0))
		return err_set(err, -EINVAL, "class-strict",
			       "class %u goes before others: it must be a leaf with a maximum", i);
	if (c->weight > UINT16_MAX)
		return err_set(err, -EINVAL, "class-weight", "class %u: weight %u: must be 1 to %u",
			       i, c->weight, UINT16_MAX);
	return 0;
}

static int check_class(const struct dp_sched_class *classes, uint16_t n, uint16_t i,
		       struct claims *cl, struct err *err)
{
	const struct dp_sched_class *c = &classes[i];
	uint16_t parent = c->parent < i ? c->parent : n;
	int rc;

	cl->depth[i] = (uint8_t)(cl->depth[parent] + 1);
	cl->max[i] = cl->max[parent];
	if (c->max_bps != 0 && (cl->max[i] == 0 || c->max_bps < cl->max[i]))
		cl->max[i] = c->max_bps;
	cl->need[i] = c->strict ? cl->max[i] : 0;
	rc = check_place(classes, i, cl->depth[i], err);
	if (rc == 0)
		rc = check_rate(i, "guaranteed", c->min_bps, err);
	return rc == 0 ? check_rate(i, "maximum", c->max_bps, err) : rc;
}

/* Children stand behind their parents, so what they need is known when it is the parent's turn. */
static int sum_up(const struct dp_sched_class *classes, uint16_t n, struct claims *cl,
		  struct err *err)
{
	for (unsigned i = n; i-- != 0;) {
		const struct dp_sched_class *c = &classes[i];

		if (c->min_bps != 0 && c->min_bps < cl->need[i])
			return err_set(err, -EINVAL, "guarantees",
				       "class %u is guaranteed %llu bit/s and those below it %llu",
				       i, (unsigned long long)c->min_bps,
				       (unsigned long long)cl->need[i]);
		if (c->min_bps > cl->need[i])
			cl->need[i] = c->min_bps;
		if (cl->max[i] != 0 && cl->need[i] > cl->max[i])
			return err_set(err, -EINVAL, "guarantees",
				       "class %u is guaranteed %llu bit/s, of %llu that there are",
				       i, (unsigned long long)cl->need[i],
				       (unsigned long long)cl->max[i]);
		cl->need[c->parent == DP_SCHED_NO_CLASS ? n : c->parent] += cl->need[i];
	}
	if (cl->max[n] == 0 || cl->need[n] <= cl->max[n])
		return 0;
	return err_set(err, -EINVAL, "guarantees", "%llu bit/s are guaranteed, of %llu",
		       (unsigned long long)cl->need[n], (unsigned long long)cl->max[n]);
}

static int check(const struct dp_sched_class *root, const struct dp_sched_class *classes,
		 uint16_t n, struct claims *cl, struct err *err)
{
	int rc = 0;

	if (n == 0 || n > DP_SCHED_MAX_CLASS)
		return err_set(err, -EINVAL, "class-limit", "%u classes: must be 1 to %u", n,
			       DP_SCHED_MAX_CLASS);
	if (root->max_bps != 0 && (root->max_bps < MIN_BPS || root->max_bps > DP_SCHED_MAX_BPS))
		return err_set(err, -EINVAL, "rate-range",
			       "a rate of %llu bit/s: must be 1 kbit/s to 1 Tbit/s",
			       (unsigned long long)root->max_bps);
	cl->max[n] = root->max_bps;
	cl->need[n] = 0;
	cl->depth[n] = 1;
	for (uint16_t i = 0; i < n && rc == 0; i++)
		rc = check_class(classes, n, i, cl, err);
	return rc == 0 ? sum_up(classes, n, cl, err) : rc;
}

/* ---- Making ---- */

static uint64_t cost_of(uint64_t tsc_hz, uint64_t bps)
{
	if (bps == 0)
		return 0;
	return (uint64_t)((((unsigned __int128)tsc_hz * 8) << SCHED_FP) / bps);
}

static uint64_t burst_of(const struct dp_sched *s, const struct dp_sched_class *spec, uint64_t cost)
{
	if (spec->burst == 0)
		return s->tsc_hz / BURST_PART;
	return (uint64_t)(((unsigned __int128)spec->burst * cost) >> SCHED_FP);
}

/* On a slow line a packet alone takes longer than the target. */
static uint64_t target_of(const struct dp_sched *s, const struct dp_sched_class *spec,
			  uint64_t max_bps)
{
	uint64_t target =
		s->tsc_hz / 1000000 * (spec->target_us != 0 ? spec->target_us : DEFAULT_TARGET);
	uint64_t packet =
		max_bps == 0
			? 0
			: (uint64_t)((unsigned __int128)s->tsc_hz * PACKET_BITS * 3 / 2 / max_bps);

	return packet > target && spec->target_us == 0 ? packet : target;
}

static uint32_t limit_bytes_of(const struct dp_sched_class *spec, uint32_t limit, uint64_t max_bps)
{
	uint64_t most = (uint64_t)limit * 1538, bytes = max_bps / 8 / 10;

	if (spec->limit_bytes != 0)
		return spec->limit_bytes;
	if (max_bps == 0 || bytes > most)
		bytes = most;
	return bytes < LEAST_BYTES ? LEAST_BYTES : (uint32_t)RTE_MIN(bytes, UINT32_MAX / 2);
}

static void init_class(struct dp_sched *s, struct sched_class *c, const struct dp_sched_class *spec)
{
	c->max.cost = cost_of(s->tsc_hz, spec->max_bps);
	c->burst = burst_of(s, spec, c->max.cost);
	for (unsigned by = 0; by < SCHED_N_HEAPS; by++)
		c->at[by] = SCHED_NOWHERE;
	for (unsigned by = 0; by < SCHED_TIMER; by++)
		c->heaps[by].by = (uint16_t)by;
}

static void init_below(struct dp_sched *s, const struct dp_sched_class *spec, uint16_t i,
		       const struct claims *cl)
{
	struct sched_class *c = &s->classes[i];

	init_class(s, c, spec);
	c->parent = spec->parent == DP_SCHED_NO_CLASS ? s->root : spec->parent;
	c->leaf = spec->leaf;
	c->strict = spec->strict;
	c->drops_ecn = spec->drops_ecn;
	c->min.cost = spec->strict ? 0 : cost_of(s->tsc_hz, cl->need[i]);
	c->v_per_byte = (UINT64_C(1) << SCHED_V_FP) / (spec->weight != 0 ? spec->weight : 1);
	c->overhead = spec->overhead;
	c->limit = spec->limit != 0 ? spec->limit : DEFAULT_LIMIT;
	c->limit_bytes = limit_bytes_of(spec, c->limit, cl->max[i]);
	c->whole =
		cl->max[i] == 0 ? UINT32_MAX : (uint32_t)RTE_MIN(cl->max[i] / 8 / 1000, UINT32_MAX);
	c->codel.target = target_of(s, spec, cl->max[i]);
	c->codel.interval = c->codel.target * CODEL_RATIO;
}

/* Each inner class gets room for all of its children in each heap. */
static int init_heaps(struct dp_sched *s, const struct dp_sched_class *classes, uint16_t n)
{
	uint16_t *n_children = calloc((size_t)n + 1, sizeof(*n_children));
	struct sched_entry *next;

	s->entries = calloc((size_t)n * SCHED_TIMER + n + 1u, sizeof(*s->entries));
	if (n_children == NULL || s->entries == NULL) {
		free(n_children);
		return -ENOMEM;
	}
	for (uint16_t i = 0; i < n; i++)
		n_children[classes[i].parent == DP_SCHED_NO_CLASS ? n : classes[i].parent]++;
	next = s->entries;
	for (unsigned i = 0; i <= n; i++)
		for (unsigned by = 0; by < SCHED_TIMER; by++) {
			s->classes[i].heaps[by].v = next;
			next += n_children[i];
		}
	s->timer = (struct sched_heap){.v = next, .by = SCHED_TIMER};
	free(n_children);
	return 0;
}

static int make(const struct dp_sched_class *root, const struct dp_sched_class *classes, uint16_t n,
		const struct claims *cl, uint64_t tsc_hz, struct dp_sched **ret_sched)
{
	static const struct rte_mbuf_dynfield field = {.name = LINK_NAME,
						       .size = sizeof(struct sched_link),
						       .align = __alignof__(struct sched_link)};
	struct dp_sched *s = calloc(1, sizeof(*s) + (n + 1u) * sizeof(s->classes[0]));

	if (s == NULL)
		return -ENOMEM;
	*s = (struct dp_sched){.root = n,
			       .link = rte_mbuf_dynfield_register(&field),
			       .tsc_hz = tsc_hz,
			       .late_max = tsc_hz / LATE_PART,
			       .lag_max = tsc_hz / LAG_PART,
			       .due = DP_SCHED_NEVER};
	init_class(s, &s->classes[n], root);
	s->classes[n].parent = n;
	for (uint16_t i = 0; i < n; i++)
		init_below(s, &classes[i], i, cl);
	if (s->link < 0 || init_heaps(s, classes, n) != 0) {
		dp_sched_destroy(s);
		return -ENOMEM;
	}
	*ret_sched = s;
	return 0;
}

int dp_sched_create(const struct dp_sched_class *root, const struct dp_sched_class *classes,
		    uint16_t n, uint64_t tsc_hz, struct dp_sched **ret_sched, struct err *err)
{
	struct claims *cl = malloc(sizeof(*cl));
	int rc;

	if (cl == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for %u classes", n);
	rc = check(root, classes, n, cl, err);
	if (rc == 0) {
		rc = make(root, classes, n, cl, tsc_hz, ret_sched);
		if (rc != 0)
			err_set(err, rc, "no-memory", "no memory for %u classes", n);
	}
	free(cl);
	return rc;
}

void dp_sched_destroy(struct dp_sched *sched)
{
	if (sched == NULL)
		return;
	free(sched->entries);
	free(sched);
}

/* ---- Carrying over ---- */

/* What it still has to wait counts at its new rate. */
static void adopt_clock(struct sched_clock *to, const struct sched_clock *from, uint64_t now)
{
	to->at = from->at;
	if (from->cost == 0 || to->cost == 0)
		to->at = now;
	else if (sched_before(now, from->at))
		to->at = now +
			 (uint64_t)((unsigned __int128)(from->at - now) * to->cost / from->cost);
}

static void adopt(struct sched_class *to, const struct sched_class *from, uint64_t now)
{
	struct dp_sched_counts n = from->n;

	adopt_clock(&to->max, &from->max, now);
	adopt_clock(&to->min, &from->min, now);
	n.waiting = n.waiting_bytes = 0;
	to->n = n;
}

void dp_sched_adopt_root(struct dp_sched *sched, struct dp_sched *old, uint64_t now)
{
	adopt(&sched->classes[sched->root], &old->classes[old->root], now);
	sched->due = old->due;
	sched->late = old->late;
}

static void adopt_queue(struct dp_sched *sched, uint16_t cls, struct dp_sched *old,
			uint16_t old_cls, uint64_t now)
{
	struct sched_class *to = &sched->classes[cls], *from = &old->classes[old_cls];
	struct sched_codel codel = from->codel;

	codel.target = to->codel.target;
	codel.interval = to->codel.interval;
	to->codel = codel;
	to->head = from->head;
	to->tail = from->tail;
	to->n.waiting = from->n.waiting;
	to->n.waiting_bytes = from->n.waiting_bytes;
	sched->waiting += from->n.waiting;
	old->waiting -= from->n.waiting;
	from->head = NULL;
	from->n.waiting = from->n.waiting_bytes = 0;
	sched_activate(sched, cls, now);
}

void dp_sched_adopt(struct dp_sched *sched, uint16_t cls, struct dp_sched *old, uint16_t old_cls,
		    uint64_t now)
{
	struct sched_class *to = &sched->classes[cls], *from = &old->classes[old_cls];

	adopt(to, from, now);
	if (to->leaf && from->leaf && from->head != NULL)
		adopt_queue(sched, cls, old, old_cls, now);
}

/* ---- Reading ---- */

static uint64_t load(const uint64_t *word)
{
	return __atomic_load_n(word, __ATOMIC_RELAXED);
}

static uint64_t to_ns(const struct dp_sched *s, uint64_t cycles)
{
	return (uint64_t)((unsigned __int128)cycles * 1000000000u / s->tsc_hz);
}

void dp_sched_read(const struct dp_sched *sched, uint16_t cls, struct dp_sched_counts *ret_counts)
{
	const struct dp_sched_counts *n = &sched->classes[cls].n;

	*ret_counts = (struct dp_sched_counts){
		.packets = load(&n->packets),
		.bytes = load(&n->bytes),
		.dropped = load(&n->dropped),
		.overflow = load(&n->overflow),
		.marked = load(&n->marked),
		.delay_ns = to_ns(sched, load(&n->delay_ns)),
		.delay_max_ns = to_ns(sched, load(&n->delay_max_ns)),
		.waiting = __atomic_load_n(&n->waiting, __ATOMIC_RELAXED),
		.waiting_bytes = __atomic_load_n(&n->waiting_bytes, __ATOMIC_RELAXED),
	};
}
