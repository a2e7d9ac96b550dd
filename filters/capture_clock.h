/* SPDX-License-Identifier: BSD-2-Clause
 *
 * When a frame was seen.  Workers note the processor's cycle counter, the one clock that costs no
 * call; the writer thread reads both clocks each round and places a frame between the last two
 * readings.  So times follow the wall clock as it is slewed, and never jump within a round.
 * Writer thread only.
 */
#ifndef FILTERS_CAPTURE_CLOCK_H
#define FILTERS_CAPTURE_CLOCK_H

#include <stdint.h>

struct filter_clock {
	uint64_t hz;
	uint64_t tsc0, wall0; /* the reading before the last; equal to the last: there is none */
	uint64_t tsc, wall;   /* the last reading, wall in nanoseconds since 1970 */
};

static inline uint64_t filter_clock_cycles_ns(const struct filter_clock *c, uint64_t cycles)
{
	return (uint64_t)((unsigned __int128)cycles * 1000000000u / c->hz);
}

/* A new reading of both clocks.  One that does not fit the cycle counter by more than half
 * (somebody set the clock) starts anew. */
static inline void filter_clock_sample(struct filter_clock *c, uint64_t tsc, uint64_t wall)
{
	uint64_t passed = filter_clock_cycles_ns(c, tsc - c->tsc);
	int64_t moved = (int64_t)(wall - c->wall);

	if (c->tsc != 0 && tsc <= c->tsc)
		return;
	c->tsc0 = c->tsc;
	c->wall0 = c->wall;
	c->tsc = tsc;
	c->wall = wall;
	if (c->tsc0 == 0 || moved < (int64_t)(passed / 2) ||
	    moved > (int64_t)(passed + passed / 2 + 1000000)) {
		c->tsc0 = tsc - c->hz / 100;
		c->wall0 = wall - 10000000u;
	}
}

/* Wall time of 'tsc'; older ones than the readings are placed on the same line, newer ones at the
 * last reading. */
static inline uint64_t filter_clock_wall(const struct filter_clock *c, uint64_t tsc)
{
	uint64_t run = c->tsc - c->tsc0, rise = c->wall - c->wall0, back;

	if (tsc >= c->tsc || run == 0)
		return c->wall;
	back = (uint64_t)((unsigned __int128)(c->tsc - tsc) * rise / run);
	return back < c->wall ? c->wall - back : 0;
}

#endif
