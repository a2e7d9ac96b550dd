/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The functions that programs call by number (bpf-helpers(7)).  Each is a C function of up to five
 * 64-bit arguments, called as machine code calls C: a program's r1 to r5 are the ABI's first five
 * arguments.  What they must check is what the kernel's do; that pointers and sizes are right the
 * verifier has proven.
 *
 * Those that need a context get it as r1 ('struct ebpf_ctx'); the others find the thread's env
 * (ctx.h).  bpf_tail_call, bpf_loop and callbacks are not here but in who runs programs (jit.h,
 * interp.h): they call back into the program.
 */
#ifndef FILTERS_EBPF_HELPER_H
#define FILTERS_EBPF_HELPER_H

#include <stdbool.h>
#include <stdint.h>

typedef uint64_t (*ebpf_helper_fn)(uint64_t r1, uint64_t r2, uint64_t r3, uint64_t r4, uint64_t r5);

/* Bits of ebpf_helper.flags */
#define EBPF_HELPER_CONTROL (1u << 0) /* the runner's own: 'fn' is NULL */
#define EBPF_HELPER_WRITES  (1u << 1) /* changes the packet's bytes or ends */
#define EBPF_HELPER_GPL	    (1u << 2) /* only for programs whose licence is the GPL's */

struct ebpf_helper {
	const char *name; /* "bpf_map_lookup_elem" */
	ebpf_helper_fn fn;
	uint32_t flags;
};

/* NULL for a number that we do not serve. */
const struct ebpf_helper *ebpf_helper(uint32_t id);
/* Its name whether we serve it or not, "helper 999" for what has none; in 'buf'. */
const char *ebpf_helper_name(uint32_t id, char *buf, unsigned size);

#endif
