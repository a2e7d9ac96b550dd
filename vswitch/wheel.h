/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Timers by the million: to set, move and take back one costs the same however many there are, and
 * time that passes without one due costs next to nothing.  Three wheels of 64 slots, each slot of
 * one as long as the whole of the one before; what lies in a slot of an outer wheel is dealt out
 * again when its time begins.  Ticks are the caller's: nobody here reads a clock.  One thread.
 *
 * Source: G. Varghese and T. Lauck, Hashed and Hierarchical Timing Wheels, SOSP 1987.
 */
#ifndef VSWITCH_WHEEL_H
#define VSWITCH_WHEEL_H

#include <stdint.h>

#define VS_WHEEL_LEVELS 3
#define VS_WHEEL_SLOTS	64u
/* What is further away waits in the last slot, and is dealt out again from there. */
#define VS_WHEEL_SPAN (VS_WHEEL_SLOTS * VS_WHEEL_SLOTS * VS_WHEEL_SLOTS)

/* Part of whatever is to happen; all zero at first. */
struct vs_timer {
	struct vs_timer *next, **link; /* 'link' is NULL when it is not set */
	uint64_t due;
};

struct vs_wheel {
	uint64_t now;
	struct vs_timer *slots[VS_WHEEL_LEVELS][VS_WHEEL_SLOTS];
};

void vs_wheel_init(struct vs_wheel *wheel, uint64_t now);
/* For tick 'due', or the next when that is past.  One that is set is moved. */
void vs_timer_set(struct vs_wheel *wheel, struct vs_timer *timer, uint64_t due);
/* One that is not set stays so. */
void vs_timer_clear(struct vs_timer *timer);
/* Time goes on to 'now': calls 'fn' with each timer that is due by then, which is not set any more;
 * 'fn' may set and clear timers, this one too. */
void vs_wheel_turn(struct vs_wheel *wheel, uint64_t now,
		   void (*fn)(struct vs_timer *timer, void *arg), void *arg);

#endif
