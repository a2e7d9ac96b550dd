/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The one honest thing here: reference time by the page and by the counter must be the same, and
 * never go back, whoever plays Hyper-V.
 */
#include "tests/guest/hostile/hostile.h"

#define MSR_COUNTER 0x40000020u
#define MSR_PAGE    0x40000021u
#define LOOKS	    3000u
#define SLACK	    10u /* 100 ns units */

/* As [TLFS] has it. */
struct reference_page {
	volatile uint32_t sequence;
	uint32_t reserved;
	volatile uint64_t scale, offset;
	uint8_t rest[PAGE - 24];
};

static struct reference_page page __attribute__((aligned(4096)));

static uint64_t by_page(void)
{
	return (uint64_t)(((unsigned __int128)rdtsc() * page.scale) >> 64) + page.offset;
}

bool clock_agrees(void)
{
	uint64_t last = 0, now = 0;

	bus_on();
	if (msr_write(MSR_PAGE, (uint64_t)(uintptr_t)&page | 1) != 0)
		return false;
	for (unsigned i = 0; i < LOOKS; i++) {
		uint64_t before = by_page(), after;

		if (msr_read(MSR_COUNTER, &now) != 0 || now < last)
			return false;
		after = by_page();
		last = now;
		/* Without a sequence the page says nothing. */
		if (page.sequence != 0 && (now + SLACK < before || now > after + SLACK))
			return false;
	}
	say("hostile: sequence %u, time %x\n", page.sequence, last);
	return msr_write(MSR_PAGE, 0) == 0;
}
