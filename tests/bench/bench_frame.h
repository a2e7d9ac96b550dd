/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames of measurements: UDP over IPv4 in 60 bytes, one for each flow number, the same each time.
 */
#ifndef TESTS_BENCH_BENCH_FRAME_H
#define TESTS_BENCH_BENCH_FRAME_H

#include <stdint.h>

#define BENCH_FRAME_SIZE 60u

/* One thread's. */
uint32_t bench_rnd(void);
/* Fills 'f'.  Starts the random numbers anew. */
void bench_frame_make(uint8_t *f, uint32_t flow);

#endif
