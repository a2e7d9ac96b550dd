/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Instructions of eBPF: what linux/bpf.h of old distributions does not name yet, and the questions
 * that all who read instructions ask.
 *
 * Source: RFC 9669 (BPF Instruction Set Architecture); linux/bpf.h.
 */
#ifndef FILTERS_EBPF_INSN_H
#define FILTERS_EBPF_INSN_H

#include <linux/bpf.h>

#include <stdbool.h>
#include <stdint.h>

#define EBPF_MAX_INSNS	1000000u
#define EBPF_STACK_SIZE 512u /* of one function */
#define EBPF_MAX_FRAMES 8u
#define EBPF_MAX_TAIL	33u /* tail calls of one packet (MAX_TAIL_CALL_CNT) */

/* Version 4 of the instruction set (RFC 9669 4.1, 4.3, 5.2). */
#define EBPF_MEMSX 0x80 /* mode: sign-extending load */
/* BPF_ALU*|BPF_MOV|BPF_X with off 8, 16, 32: sign-extending move; BPF_DIV, BPF_MOD with off 1:
 * signed; BPF_ALU64|BPF_END|BPF_TO_LE: unconditional byte swap; BPF_JMP32|BPF_JA: long jump by imm.
 */

static inline uint8_t ebpf_class(const struct bpf_insn *i)
{
	return BPF_CLASS(i->code);
}

static inline bool ebpf_is_wide(const struct bpf_insn *i)
{
	return i->code == (BPF_LD | BPF_IMM | BPF_DW);
}

static inline bool ebpf_is_call(const struct bpf_insn *i)
{
	return i->code == (BPF_JMP | BPF_CALL);
}

static inline bool ebpf_is_local_call(const struct bpf_insn *i)
{
	return ebpf_is_call(i) && i->src_reg == BPF_PSEUDO_CALL;
}

static inline bool ebpf_is_exit(const struct bpf_insn *i)
{
	return i->code == (BPF_JMP | BPF_EXIT);
}

/* The second half of a wide one is in i[1]. */
static inline uint64_t ebpf_wide_imm(const struct bpf_insn *i)
{
	return (uint32_t)i[0].imm | (uint64_t)(uint32_t)i[1].imm << 32;
}

/* A jump, conditional or not, inside of its function. */
static inline bool ebpf_is_jump(const struct bpf_insn *i)
{
	return (ebpf_class(i) == BPF_JMP || ebpf_class(i) == BPF_JMP32) &&
	       BPF_OP(i->code) != BPF_CALL && BPF_OP(i->code) != BPF_EXIT;
}

/* Where the jump at 'at' leads (a call's imm is another matter); may be outside of the program. */
static inline int64_t ebpf_jump_target(const struct bpf_insn *insns, uint32_t at)
{
	const struct bpf_insn *i = &insns[at];

	return (int64_t)at + 1 + (i->code == (BPF_JMP32 | BPF_JA) ? i->imm : i->off);
}

/* Bytes that a load or store of memory moves. */
static inline unsigned ebpf_size(const struct bpf_insn *i)
{
	switch (BPF_SIZE(i->code)) {
	case BPF_B:
		return 1;
	case BPF_H:
		return 2;
	case BPF_W:
		return 4;
	default:
		return 8;
	}
}

#endif
