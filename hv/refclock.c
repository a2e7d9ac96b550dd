/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See refclock.h.
 */
#include "hv/refclock.h"

#include <endian.h>

#define PER_SECOND 10000000u /* 100 ns units */

/* Where in the page. */
#define SEQUENCE 0
#define SCALE	 8
#define OFFSET	 16

struct hv_refclock hv_refclock_make(uint32_t tsc_khz, uint64_t tsc, uint64_t time)
{
	uint64_t hz = (uint64_t)tsc_khz * 1000;
	struct hv_refclock clock = {0};

	if (hz <= PER_SECOND) /* The scale would not fit: it is less than 1. */
		return clock;
	clock.scale = (uint64_t)(((unsigned __int128)PER_SECOND << 64) / hz);
	clock.offset = (int64_t)(time - hv_refclock_time(&clock, tsc));
	return clock;
}

uint64_t hv_refclock_time(const struct hv_refclock *clock, uint64_t tsc)
{
	return (uint64_t)(((unsigned __int128)tsc * clock->scale) >> 64) + (uint64_t)clock->offset;
}

void hv_refclock_write(const struct hv_refclock *clock, uint32_t sequence, uint8_t page[4096])
{
	uint32_t *seq = (uint32_t *)(void *)(page + SEQUENCE);

	__atomic_store_n(seq, 0, __ATOMIC_SEQ_CST);
	__atomic_store_n((uint64_t *)(void *)(page + SCALE), htole64(clock->scale),
			 __ATOMIC_SEQ_CST);
	__atomic_store_n((uint64_t *)(void *)(page + OFFSET), htole64((uint64_t)clock->offset),
			 __ATOMIC_SEQ_CST);
	if (clock->scale != 0)
		__atomic_store_n(seq,
				 htole32(sequence == 0 || sequence == UINT32_MAX ? 1 : sequence),
				 __ATOMIC_SEQ_CST);
}
