/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How much of a worker's time one capture may take: a bucket of cycles that fills at 'share'
 * percent of the clock and holds ten milliseconds' worth.  A burst is taken while there is credit
 * and pays what it took afterwards, so the last one may overdraw; the debt is bounded, because a
 * worker that the kernel took off its core in the middle of a burst would otherwise be charged
 * for somebody else's time.  Arithmetic only; one worker's own.
 */
#ifndef FILTERS_CAPTURE_BUDGET_H
#define FILTERS_CAPTURE_BUDGET_H

#include <stdbool.h>
#include <stdint.h>

struct filter_budget {
	int64_t credit; /* cycles times 100 */
	uint64_t last;	/* when it was last filled, cycles */
};

/* 'window': cycles in ten milliseconds. */
static inline void filter_budget_init(struct filter_budget *b, uint64_t now, unsigned share,
				      uint64_t window)
{
	b->credit = (int64_t)(window * share);
	b->last = now;
}

/* Fills up to 'now'; may a burst be taken? */
static inline bool filter_budget_open(struct filter_budget *b, uint64_t now, unsigned share,
				      uint64_t window)
{
	const int64_t full = (int64_t)(window * share);
	uint64_t passed = now > b->last ? now - b->last : 0;

	if (passed > window * 8) /* Pays the largest debt, and the product below stays small. */
		passed = window * 8;
	b->last = now;
	b->credit += (int64_t)(passed * share);
	if (b->credit > full)
		b->credit = full;
	return b->credit > 0;
}

static inline void filter_budget_charge(struct filter_budget *b, uint64_t cycles, unsigned share,
					uint64_t window)
{
	const int64_t floor = -4 * (int64_t)(window * share);

	b->credit = cycles > window ? floor : b->credit - (int64_t)(cycles * 100);
	if (b->credit < floor)
		b->credit = floor;
}

#endif
