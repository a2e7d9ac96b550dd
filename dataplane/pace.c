/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See pace.h.
 */
#include "dataplane/pace.h"

#include "dataplane/port.h"
#include "dataplane/wire_size.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_BYTES  (1514 + DP_WIRE_OVERHEAD)
#define BURSTS_A_S   200u
#define LEAST_BURST  (2 * FRAME_BYTES)
#define AHEAD_A_S    50000u /* a poll may go into debt by a 50000th of a second */
#define PATIENCE_A_S 1000u

/* What a pace passes on to the one that takes its place. */
struct tallies {
	unsigned refs;
	_Atomic uint64_t packets, bytes, holds;
};

struct dp_pace {
	/* Workers'. */
	_Atomic uint64_t at;	  /* clock: what was taken is paid for then */
	_Atomic uint64_t waiting; /* bit n: queue n was put off */
	_Atomic uint16_t last;	  /* the queue that was served last */
	double tsc_per_byte;
	uint64_t burst_tsc, frame_tsc, ahead_tsc, patience_tsc;
	struct tallies *tallies;
	/* The control thread's. */
	struct dp_pace_spec spec;
	unsigned refs;
} __attribute__((aligned(64)));

static struct tallies *tallies_of(const struct dp_pace *before)
{
	struct tallies *t;

	if (before != NULL) {
		before->tallies->refs++;
		return before->tallies;
	}
	t = aligned_alloc(64, 64);
	if (t == NULL)
		return NULL;
	memset(t, 0, sizeof(*t));
	t->refs = 1;
	return t;
}

struct dp_pace *dp_pace_create(const struct dp_pace_spec *spec, const struct dp_pace *before,
			       uint64_t tsc_hz)
{
	struct dp_pace *p = aligned_alloc(64, sizeof(*p));
	uint64_t burst = spec->burst;

	if (p == NULL)
		return NULL;
	memset(p, 0, sizeof(*p));
	p->refs = 1;
	p->spec = *spec;
	p->tallies = tallies_of(before);
	if (p->tallies == NULL) {
		free(p);
		return NULL;
	}
	if (burst == 0)
		burst = spec->bps / 8 / BURSTS_A_S;
	if (spec->burst == 0 && burst < LEAST_BURST)
		burst = LEAST_BURST;
	p->tsc_per_byte = (double)tsc_hz * 8 / (double)spec->bps;
	p->burst_tsc = (uint64_t)((double)burst * p->tsc_per_byte);
	p->frame_tsc = (uint64_t)(FRAME_BYTES * p->tsc_per_byte) + 1;
	p->ahead_tsc = tsc_hz / AHEAD_A_S;
	p->patience_tsc = tsc_hz / PATIENCE_A_S;
	return p;
}

struct dp_pace *dp_pace_ref(struct dp_pace *pace)
{
	pace->refs++;
	return pace;
}

void dp_pace_unref(struct dp_pace *pace)
{
	if (pace == NULL || --pace->refs != 0)
		return;
	if (--pace->tallies->refs == 0)
		free(pace->tallies);
	free(pace);
}

const struct dp_pace_spec *dp_pace_spec(const struct dp_pace *pace)
{
	return &pace->spec;
}

void dp_pace_read(const struct dp_pace *pace, struct dp_pace_counts *ret_counts)
{
	const struct tallies *t = pace->tallies;

	*ret_counts = (struct dp_pace_counts){
		.packets = atomic_load_explicit(&t->packets, memory_order_relaxed),
		.bytes = atomic_load_explicit(&t->bytes, memory_order_relaxed),
		.holds = atomic_load_explicit(&t->holds, memory_order_relaxed),
	};
}

/* ---- Workers ---- */

/* Is it this queue's turn, of those that wait?  The next one behind who was served last. */
static bool my_turn(const struct dp_pace *p, uint16_t queue, uint64_t waiting)
{
	uint16_t last = atomic_load_explicit(&p->last, memory_order_relaxed);
	uint64_t behind = last < 63 ? waiting >> (last + 1) << (last + 1) : 0;

	return (uint16_t)__builtin_ctzll(behind != 0 ? behind : waiting) == queue;
}

static uint16_t put_off(struct dp_pace *p, uint64_t bit, uint64_t waiting)
{
	if ((waiting & bit) == 0)
		atomic_fetch_or_explicit(&p->waiting, bit, memory_order_relaxed);
	return 0;
}

uint16_t dp_pace_allows(struct dp_pace *pace, uint16_t queue, uint64_t now)
{
	uint64_t at = atomic_load_explicit(&pace->at, memory_order_relaxed);
	uint64_t waiting = atomic_load_explicit(&pace->waiting, memory_order_relaxed);
	uint64_t bit = UINT64_C(1) << (queue % 64), credit, n;

	if (at > now) {
		if ((waiting & bit) == 0)
			atomic_fetch_add_explicit(&pace->tallies->holds, 1, memory_order_relaxed);
		return put_off(pace, bit, waiting);
	}
	if ((waiting & ~bit) != 0 && now - at < pace->patience_tsc &&
	    !my_turn(pace, queue % 64, waiting | bit))
		return put_off(pace, bit, waiting);
	if (waiting != 0) {
		atomic_fetch_and_explicit(&pace->waiting, ~bit, memory_order_relaxed);
		atomic_store_explicit(&pace->last, queue % 64, memory_order_relaxed);
	}
	credit = now - at < pace->burst_tsc ? now - at : pace->burst_tsc;
	n = (credit + pace->ahead_tsc) / pace->frame_tsc;
	return n == 0 ? 1 : n < DP_BURST ? (uint16_t)n : DP_BURST;
}

void dp_pace_took(struct dp_pace *pace, struct rte_mbuf *const *pkts, uint16_t n, uint64_t now)
{
	uint64_t at = atomic_load_explicit(&pace->at, memory_order_relaxed), from, cost;
	uint64_t least = now > pace->burst_tsc ? now - pace->burst_tsc : 0, bytes = 0, frames = 0;

	for (uint16_t i = 0; i < n; i++) {
		uint32_t segs;

		bytes += dp_wire_size(pkts[i], &segs);
		frames += segs;
	}
	cost = (uint64_t)((double)bytes * pace->tsc_per_byte);
	do {
		from = at > least ? at : least;
	} while (!atomic_compare_exchange_weak_explicit(&pace->at, &at, from + cost,
							memory_order_relaxed,
							memory_order_relaxed));
	atomic_fetch_add_explicit(&pace->tallies->packets, frames, memory_order_relaxed);
	atomic_fetch_add_explicit(&pace->tallies->bytes, bytes, memory_order_relaxed);
}

uint64_t dp_pace_due(const struct dp_pace *pace, uint64_t now)
{
	uint64_t at = atomic_load_explicit(&pace->at, memory_order_relaxed);

	return at > now ? at : at + pace->patience_tsc;
}
