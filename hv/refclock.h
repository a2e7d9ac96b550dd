/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Reference time: 100 ns units since a partition was made, as a line over the guest's TSC, so that
 * the page that a guest reads by itself (reference TSC page) and the MSR say the same.
 *
 * 	time = high 64 bits of (tsc * scale) + offset
 *
 * Thread: any; bytes and numbers only.  Source: [TLFS] 12 "Timers", "Partition reference TSC".
 */
#ifndef HV_REFCLOCK_H
#define HV_REFCLOCK_H

#include <stdint.h>

struct hv_refclock {
	uint64_t scale; /* 0: no TSC to go by */
	int64_t offset;
};

/* The line through 'time' at 'tsc', of a TSC with 'tsc_khz' (0, or too slow to be true: none). */
struct hv_refclock hv_refclock_make(uint32_t tsc_khz, uint64_t tsc, uint64_t time);
uint64_t hv_refclock_time(const struct hv_refclock *clock, uint64_t tsc);
/* Writes the page.  A guest may be reading: the sequence number is 0 (invalid: read the MSR) while
 * it changes, and then 'sequence', which should be a new one; 0 is made 1.  A clock without a scale
 * leaves the page invalid. */
void hv_refclock_write(const struct hv_refclock *clock, uint32_t sequence, uint8_t page[4096]);

#endif
