/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Clocks in nanoseconds.  Any thread.
 */
#ifndef CTL_BASE_CLOCK_H
#define CTL_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

/* Since boot, never set back (CLOCK_MONOTONIC). */
static inline uint64_t clock_mono_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

/* Since 1970 (CLOCK_REALTIME), for what people read. */
static inline uint64_t clock_wall_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

#endif
