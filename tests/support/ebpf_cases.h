/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Instructions of eBPF, each with what it must do: thousands of small programs, made from tables of
 * operands that lie at edges, with expectations that C computes.  Who can run programs runs them:
 * the compiler, the interpreter, the kernel.
 *
 * Most load every register, do the one thing, and fold all registers (and the memory they used)
 * into r0, so that an instruction that touches what it should not is found out as well.
 */
#ifndef TESTS_SUPPORT_EBPF_CASES_H
#define TESTS_SUPPORT_EBPF_CASES_H

#include "filters/ebpf/ctx.h"
#include "filters/ebpf/insn.h"

#include <stdint.h>

struct ebpf_case {
	char name[96];
	struct bpf_insn *insns; /* as given to ebpf_prog_create(); no maps */
	uint32_t n;
	uint64_t expected; /* r0 */
};

/* 'c' is borrowed during the call. */
typedef void (*ebpf_case_fn)(void *arg, const struct ebpf_case *c);

/* Calls 'fn' for each; returns how many there were. */
uint32_t ebpf_cases_each(ebpf_case_fn fn, void *arg);

/* The context that the cases expect, with its packet; and the environment. */
void ebpf_case_ctx(struct ebpf_ctx *ret_ctx);
#define EBPF_CASE_CPU 3u

/* Instructions, for who writes programs by hand. */
#define E(c, d, s, o, i)                                                                           \
	((struct bpf_insn){.code = (uint8_t)(c),                                                   \
			   .dst_reg = (d)&15,                                                      \
			   .src_reg = (s)&15,                                                      \
			   .off = (int16_t)(o),                                                    \
			   .imm = (int32_t)(i)})
#define E_MOV(d, s)	    E(BPF_ALU64 | BPF_MOV | BPF_X, d, s, 0, 0)
#define E_MOVK(d, i)	    E(BPF_ALU64 | BPF_MOV | BPF_K, d, 0, 0, i)
#define E_ALU(op, d, s)	    E(BPF_ALU64 | (op) | BPF_X, d, s, 0, 0)
#define E_ALUK(op, d, i)    E(BPF_ALU64 | (op) | BPF_K, d, 0, 0, i)
#define E_LDX(sz, d, s, o)  E(BPF_LDX | BPF_MEM | (sz), d, s, o, 0)
#define E_STX(sz, d, s, o)  E(BPF_STX | BPF_MEM | (sz), d, s, o, 0)
#define E_ST(sz, d, o, i)   E(BPF_ST | BPF_MEM | (sz), d, 0, o, i)
#define E_JMP(op, d, s, o)  E(BPF_JMP | (op) | BPF_X, d, s, o, 0)
#define E_JMPK(op, d, i, o) E(BPF_JMP | (op) | BPF_K, d, 0, o, i)
#define E_JA(o)		    E(BPF_JMP | BPF_JA, 0, 0, o, 0)
#define E_CALL(id)	    E(BPF_JMP | BPF_CALL, 0, 0, 0, id)
#define E_LOCAL(distance)   E(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_CALL, 0, distance)
#define E_EXIT		    E(BPF_JMP | BPF_EXIT, 0, 0, 0, 0)
#define E_WIDE(d, v)                                                                               \
	E(BPF_LD | BPF_IMM | BPF_DW, d, 0, 0, (uint64_t)(v)), E(0, 0, 0, 0, (uint64_t)(v) >> 32)
#define E_FD(d, kind, fd, o) E(BPF_LD | BPF_IMM | BPF_DW, d, kind, 0, fd), E(0, 0, 0, 0, o)
#define E_FUNC(d, distance)                                                                        \
	E(BPF_LD | BPF_IMM | BPF_DW, d, BPF_PSEUDO_FUNC, 0, distance), E(0, 0, 0, 0, 0)

#endif
