/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Input of the rewrite fuzzer: the buffer, a request, changes, then the frame.  Little-endian,
 * packed.
 */
#ifndef TESTS_FUZZ_REWRITE_H
#define TESTS_FUZZ_REWRITE_H

#include <stdint.h>

#define REWRITE_MAX_OPS 8
#define REWRITE_N_OPS	18

struct rewrite_op {
	uint8_t op;    /* what, modulo REWRITE_N_OPS */
	uint8_t field; /* of struct dp_key */
	uint32_t value;
	uint32_t mask;
} __attribute__((packed));

struct rewrite_input {
	uint8_t headroom;
	uint8_t cut; /* how much of the frame is in the first segment; 0: all of it */
	uint8_t segmentation;
	uint8_t n_ops; /* at most REWRITE_MAX_OPS */
	uint16_t csum_start;
	uint16_t csum_offset; /* with csum_start 0: no request */
	struct rewrite_op ops[REWRITE_MAX_OPS];
} __attribute__((packed));

#endif
