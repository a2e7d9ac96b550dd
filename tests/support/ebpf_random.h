/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Random programs that end and keep to their frames: arithmetic, jumps ahead and (a bounded number
 * of times) back, memory of the stack, atomics, functions and a helper.  At their end they fold
 * registers and stack into r0.  What two runners of a program leave in r0 must be the same.
 */
#ifndef TESTS_SUPPORT_EBPF_RANDOM_H
#define TESTS_SUPPORT_EBPF_RANDOM_H

#include "filters/ebpf/insn.h"

#include <stddef.h>
#include <stdint.h>

#define EBPF_RANDOM_MAX_ITEMS 256u
#define EBPF_RANDOM_MAX	      4096u /* instructions */

/* Makes one of any bytes: the first seed the registers, every eight of the others are an
 * instruction or a few.  Returns how many it has become. */
uint32_t ebpf_random_make(const uint8_t *data, size_t size, struct bpf_insn *ret_insns);

#endif
