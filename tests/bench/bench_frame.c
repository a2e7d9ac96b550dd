/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See bench_frame.h.
 */
#include "tests/bench/bench_frame.h"

#include <string.h>

static uint64_t state = 1;

uint32_t bench_rnd(void)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(state >> 32);
}

void bench_frame_make(uint8_t *f, uint32_t flow)
{
	static const uint8_t head[] = {2, 0,	0, 0, 0,  1, 2, 0, 0, 0,  0,  2, 8,
				       0, 0x45, 0, 0, 46, 0, 0, 0, 0, 64, 17, 0, 0};

	memset(f, 0, BENCH_FRAME_SIZE);
	memcpy(f, head, sizeof(head));
	state = flow * 77 + 5;
	bench_rnd();
	for (unsigned i = 26; i < 38; i += 4) {
		uint32_t v = bench_rnd();

		memcpy(f + i, &v, 4);
	}
	f[26] = 10;
	f[30] = 20;
	f[36] = 0x30;
	f[38] = 0;
	f[39] = 26;
}
