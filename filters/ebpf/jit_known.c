/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is known of registers while code is written: a wide load's constant (a map, mostly), a place
 * in the function's frame.  Both as long as control comes from nowhere else: at each instruction
 * that is jumped to nothing is known.  See jit_priv.h.
 */
#include "filters/ebpf/jit_priv.h"

#include <string.h>

void jit_known_forget(struct jit *j)
{
	memset(j->known.kinds, JIT_UNKNOWN, sizeof(j->known.kinds));
}

static void set(struct jit *j, unsigned r, enum jit_kind kind, uint64_t value)
{
	if (r >= MAX_BPF_REG)
		return;
	j->known.kinds[r] = (uint8_t)kind;
	j->known.values[r] = value;
}

static void step_alu(struct jit *j, const struct bpf_insn *insn)
{
	const struct jit_known *k = &j->known;
	unsigned dst = insn->dst_reg, src = insn->src_reg;

	if (insn->code == (BPF_ALU64 | BPF_MOV | BPF_X) && insn->off == 0 && src == BPF_REG_10)
		set(j, dst, JIT_FRAME, 0);
	else if (insn->code == (BPF_ALU64 | BPF_MOV | BPF_X) && insn->off == 0 && src < BPF_REG_10)
		set(j, dst, (enum jit_kind)k->kinds[src], k->values[src]);
	else if (insn->code == (BPF_ALU64 | BPF_ADD | BPF_K) && dst < BPF_REG_10 &&
		 k->kinds[dst] == JIT_FRAME)
		set(j, dst, JIT_FRAME, k->values[dst] + (uint64_t)(int64_t)insn->imm);
	else
		set(j, dst, JIT_UNKNOWN, 0);
}

static void step_wide(struct jit *j, const struct bpf_insn *insn)
{
	if (ebpf_is_wide(insn) && insn->src_reg != BPF_PSEUDO_FUNC)
		set(j, insn->dst_reg, JIT_CONSTANT, ebpf_wide_imm(insn));
	else
		set(j, insn->dst_reg, JIT_UNKNOWN, 0);
}

void jit_known_step(struct jit *j, const struct bpf_insn *insn)
{
	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		step_wide(j, insn);
		break;
	case BPF_ALU:
	case BPF_ALU64:
		step_alu(j, insn);
		break;
	case BPF_LDX:
		set(j, insn->dst_reg, JIT_UNKNOWN, 0);
		break;
	case BPF_STX: /* Of atomics, some return in the one, some in the other. */
		if (BPF_MODE(insn->code) == BPF_ATOMIC) {
			set(j, insn->src_reg, JIT_UNKNOWN, 0);
			set(j, BPF_REG_0, JIT_UNKNOWN, 0);
		}
		break;
	case BPF_JMP:
		for (unsigned r = BPF_REG_0; r <= BPF_REG_5 && ebpf_is_call(insn); r++)
			set(j, r, JIT_UNKNOWN, 0);
		break;
	default:
		break;
	}
}
