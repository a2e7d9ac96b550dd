/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The form of single instructions: is the opcode one, are unused fields zero, do the registers
 * exist?  Where a jump leads and what a call calls is link.c's to ask.
 *
 * Source: RFC 9669 (3 to 5, and the table in its appendix A).  Where the kernel refuses more than
 * the RFC (a shift by more than the register has, a division by a constant zero), so do we.
 */
#include "filters/ebpf/prog_priv.h"

#include <stddef.h>

#define FRAME_POINTER 10

/* Of Linux, and not in the RFC. */
#define ADDR_SPACE_CAST 1    /* off of BPF_ALU64 | BPF_MOV | BPF_X */
#define JCOND		0xe0 /* may_goto */
#define LOAD_ACQUIRE	0x100
#define STORE_RELEASE	0x110

static const char reserved[] = "a field that must be zero is not";
static const char unknown[] = "there is no such instruction";
static const char frame_pointer[] = "it writes to the frame pointer";

static bool is_register_form(const struct bpf_insn *i)
{
	return BPF_SRC(i->code) == BPF_X;
}

/* The second operand is a register, and imm is zero; or the other way round. */
static bool one_operand(const struct bpf_insn *i)
{
	return is_register_form(i) ? i->imm == 0 : i->src_reg == 0;
}

static const char *form_mov(const struct bpf_insn *i, bool *ret_later)
{
	bool wide = ebpf_class(i) == BPF_ALU64;

	if (!one_operand(i))
		return reserved;
	if (i->off == 0)
		return NULL;
	if (!is_register_form(i))
		return reserved;
	if (i->off == 8 || i->off == 16 || (i->off == 32 && wide))
		return NULL;
	*ret_later = wide && i->off == ADDR_SPACE_CAST;
	return *ret_later ? "it casts between address spaces" : unknown;
}

static const char *form_end(const struct bpf_insn *i)
{
	if (i->src_reg != 0 || i->off != 0)
		return reserved;
	if (ebpf_class(i) == BPF_ALU64 && is_register_form(i))
		return unknown;
	return i->imm == 16 || i->imm == 32 || i->imm == 64 ? NULL : unknown;
}

static const char *form_shift(const struct bpf_insn *i)
{
	int bits = ebpf_class(i) == BPF_ALU64 ? 64 : 32;

	if (!one_operand(i) || i->off != 0)
		return reserved;
	if (!is_register_form(i) && (i->imm < 0 || i->imm >= bits))
		return "it shifts by more than a register has bits";
	return NULL;
}

static const char *form_div(const struct bpf_insn *i)
{
	if (!one_operand(i) || (i->off != 0 && i->off != 1))
		return reserved;
	return !is_register_form(i) && i->imm == 0 ? "it divides by zero" : NULL;
}

static const char *form_alu(const struct bpf_insn *i, bool *ret_later)
{
	if (i->dst_reg == FRAME_POINTER)
		return frame_pointer;
	switch (BPF_OP(i->code)) {
	case BPF_MOV:
		return form_mov(i, ret_later);
	case BPF_END:
		return form_end(i);
	case BPF_NEG:
		return is_register_form(i) || i->src_reg != 0 || i->imm != 0 || i->off != 0
			       ? reserved
			       : NULL;
	case BPF_LSH:
	case BPF_RSH:
	case BPF_ARSH:
		return form_shift(i);
	case BPF_DIV:
	case BPF_MOD:
		return form_div(i);
	case BPF_ADD:
	case BPF_SUB:
	case BPF_MUL:
	case BPF_OR:
	case BPF_AND:
	case BPF_XOR:
		return one_operand(i) && i->off == 0 ? NULL : reserved;
	default:
		return unknown;
	}
}

static const char *form_ja(const struct bpf_insn *i)
{
	if (is_register_form(i))
		return unknown;
	if (i->dst_reg != 0 || i->src_reg != 0)
		return reserved;
	return ebpf_class(i) == BPF_JMP ? (i->imm == 0 ? NULL : reserved)
					: (i->off == 0 ? NULL : reserved);
}

static const char *form_call(const struct bpf_insn *i)
{
	if (ebpf_class(i) != BPF_JMP || is_register_form(i))
		return unknown;
	/* A kernel function's off says whose it is. */
	if (i->dst_reg != 0 || (i->off != 0 && i->src_reg != BPF_PSEUDO_KFUNC_CALL))
		return reserved;
	return i->src_reg <= BPF_PSEUDO_KFUNC_CALL ? NULL : reserved;
}

static const char *form_exit(const struct bpf_insn *i)
{
	if (ebpf_class(i) != BPF_JMP || is_register_form(i))
		return unknown;
	return i->dst_reg == 0 && i->src_reg == 0 && i->off == 0 && i->imm == 0 ? NULL : reserved;
}

static const char *form_jump(const struct bpf_insn *i, bool *ret_later)
{
	switch (BPF_OP(i->code)) {
	case BPF_JA:
		return form_ja(i);
	case BPF_CALL:
		return form_call(i);
	case BPF_EXIT:
		return form_exit(i);
	case JCOND:
		*ret_later = ebpf_class(i) == BPF_JMP;
		return *ret_later ? "it bounds a loop by may_goto" : unknown;
	case 0xf0:
		return unknown;
	default: /* Conditional ones, the ten others. */
		return one_operand(i) ? NULL : reserved;
	}
}

static const char *form_wide(const struct bpf_insn *i)
{
	if (!ebpf_is_wide(i))
		return unknown;
	if (i->dst_reg == FRAME_POINTER)
		return frame_pointer;
	return i->off == 0 && i[1].code == 0 && i[1].dst_reg == 0 && i[1].src_reg == 0 &&
			       i[1].off == 0
		       ? NULL
		       : reserved;
}

static const char *form_load(const struct bpf_insn *i)
{
	if (BPF_MODE(i->code) != BPF_MEM &&
	    (BPF_MODE(i->code) != EBPF_MEMSX || BPF_SIZE(i->code) == BPF_DW))
		return unknown;
	if (i->dst_reg == FRAME_POINTER)
		return frame_pointer;
	return i->imm == 0 ? NULL : reserved;
}

static const char *form_atomic(const struct bpf_insn *i, bool *ret_later)
{
	if (i->imm == LOAD_ACQUIRE || i->imm == STORE_RELEASE) {
		*ret_later = true;
		return "it loads or stores in order (acquire, release)";
	}
	if (BPF_SIZE(i->code) != BPF_W && BPF_SIZE(i->code) != BPF_DW)
		return unknown;
	switch (i->imm) {
	case BPF_ADD | BPF_FETCH:
	case BPF_OR | BPF_FETCH:
	case BPF_AND | BPF_FETCH:
	case BPF_XOR | BPF_FETCH:
	case BPF_XCHG:
		return i->src_reg == FRAME_POINTER ? frame_pointer : NULL;
	case BPF_ADD:
	case BPF_OR:
	case BPF_AND:
	case BPF_XOR:
	case BPF_CMPXCHG: /* Writes to r0. */
		return NULL;
	default:
		return unknown;
	}
}

static const char *form_store(const struct bpf_insn *i, bool *ret_later)
{
	bool immediate = ebpf_class(i) == BPF_ST;

	if (BPF_MODE(i->code) == BPF_ATOMIC && !immediate)
		return form_atomic(i, ret_later);
	if (BPF_MODE(i->code) != BPF_MEM)
		return unknown;
	return (immediate ? i->src_reg : i->imm) == 0 ? NULL : reserved;
}

const char *ebpf_form(const struct bpf_insn *i, bool *ret_later)
{
	*ret_later = false;
	if (i->dst_reg > FRAME_POINTER || i->src_reg > FRAME_POINTER)
		return "there is no such register";
	switch (ebpf_class(i)) {
	case BPF_ALU:
	case BPF_ALU64:
		return form_alu(i, ret_later);
	case BPF_JMP:
	case BPF_JMP32:
		return form_jump(i, ret_later);
	case BPF_LD:
		return form_wide(i);
	case BPF_LDX:
		return form_load(i);
	default: /* BPF_ST, BPF_STX */
		return form_store(i, ret_later);
	}
}
