/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The compiler, for who wants to say more than ebpf_jit() (prog.h) does: tests.
 */
#ifndef FILTERS_EBPF_JIT_H
#define FILTERS_EBPF_JIT_H

#include <stdint.h>

struct ebpf_prog;

/* What code may use; bits. */
#define EBPF_JIT_BMI2 (1u << 0) /* shifts that need no rcx */
#define EBPF_JIT_NEAR (1u << 1) /* calls of four bytes where our functions are in reach */
#define EBPF_JIT_MAPS                                                                              \
	(1u << 2) /* array elements in line, other maps' functions called directly                 \
		   */

/* What this processor has. */
uint32_t ebpf_jit_features(void);
/* As ebpf_jit(). */
int ebpf_jit_with(struct ebpf_prog *prog, uint32_t features);

#endif
