/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a module costs one worker, held against its budget.  A window is FILTER_BUDGET_MS long, and
 * longer while it has seen too few packets to say anything (at most ten of them): a worker that
 * takes one packet in a while takes it with cold caches, and that is not the module's fault.  For
 * the same reason a burst is charged at most COST_MOST times its budget: the kernel may have taken
 * the worker off its core in the middle of it.
 *
 * 	within its budget ──mean of a window above it──► over ──FILTER_PENALTY_MS──► within (anew)
 *
 * Arithmetic only; one worker's own.
 */
#ifndef FILTERS_COST_H
#define FILTERS_COST_H

#include "filters/module.h"

#include <stdbool.h>
#include <stdint.h>

#define FILTER_COST_MOST    16u
#define FILTER_COST_PACKETS 256u

struct filter_cost {
	uint64_t since; /* start of the window, cycles; 0: none */
	uint64_t until; /* over its budget until then; 0: it is not */
	uint64_t cycles, packets;
};

/* Is it over its budget at 'now'? */
static inline bool filter_cost_is_over(struct filter_cost *c, uint64_t now)
{
	if (now < c->until)
		return true;
	*c = (struct filter_cost){0};
	return false;
}

/* 'packets' took 'cycles'.  True: with these it is over its budget (cycles a packet). */
static inline bool filter_cost_charge(struct filter_cost *c, uint64_t now, uint64_t hz,
				      uint32_t budget, uint64_t cycles, uint32_t packets)
{
	const uint64_t most = (uint64_t)budget * FILTER_COST_MOST * packets;
	const uint64_t window = hz / 1000 * FILTER_BUDGET_MS;
	bool over;

	if (c->since == 0)
		c->since = now;
	c->cycles += cycles < most ? cycles : most;
	c->packets += packets;
	if (now - c->since < window ||
	    (c->packets < FILTER_COST_PACKETS && now - c->since < 10 * window))
		return false;
	over = c->cycles > c->packets * budget;
	*c = (struct filter_cost){.since = now};
	if (over)
		c->until = now + hz / 1000 * FILTER_PENALTY_MS;
	return over;
}

#endif
