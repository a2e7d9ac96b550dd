/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Jumps (RFC 9669 4.3); see jit_priv.h.
 */
#include "filters/ebpf/jit_priv.h"

uint32_t jit_target(const struct jit *j, const struct bpf_insn *insn, uint32_t i)
{
	bool is_jump = BPF_CLASS(insn->code) == BPF_JMP || BPF_CLASS(insn->code) == BPF_JMP32;
	int64_t target;

	if (!is_jump || BPF_OP(insn->code) == BPF_CALL || BPF_OP(insn->code) == BPF_EXIT)
		return JIT_UNPLACED;
	target = (int64_t)i + 1 +
		 (insn->code == (BPF_JMP32 | BPF_JA) ? (int64_t)insn->imm : (int64_t)insn->off);
	return target < 0 || target >= j->prog->n ? JIT_UNPLACED : (uint32_t)target;
}

/* How far it is from 'end', where the jump will end.  Of what lies ahead we know where it was in
 * the pass before, and that it is at least as much later as we are; in the last pass all is where
 * it was. */
static int64_t distance(const struct jit *j, uint32_t target, uint32_t end)
{
	if (target <= j->i)
		return (int64_t)j->places[target] - end;
	if (j->places[target] == JIT_UNPLACED)
		return 0;
	return (int64_t)j->places[target] + j->drift - end;
}

static void mark_long(struct jit *j)
{
	if (j->out != NULL)
		j->bad = true; /* Sizes were settled. */
	j->marks[j->i] |= JIT_LONG;
	j->changed = true;
}

static void jump(struct jit *j, uint32_t target, bool is_conditional, enum jit_cc cc)
{
	int64_t d = distance(j, target, j->at + 2);

	if (!(j->marks[j->i] & JIT_LONG) && !j->all_long && d >= -128 && d <= 127) {
		JIT_BYTES(j, is_conditional ? (uint8_t)(0x70 | cc) : 0xeb, (uint8_t)d);
		return;
	}
	if (!(j->marks[j->i] & JIT_LONG))
		mark_long(j);
	if (is_conditional)
		JIT_BYTES(j, 0x0f, (uint8_t)(0x80 | cc));
	else
		JIT_BYTES(j, 0xe9);
	jit_imm32(j, (uint32_t)distance(j, target, j->at + 4));
}

void jit_jump_if(struct jit *j, enum jit_cc cc, uint32_t target)
{
	jump(j, target, true, cc);
}

/* Where the function ends it may as well end here. */
void jit_jump_always(struct jit *j, uint32_t target)
{
	if (ebpf_is_exit(&j->prog->insns[target]))
		jit_exit(j);
	else
		jump(j, target, false, CC_E);
}

/* Sets flags from the bits that both have. */
static void test(struct jit *j, const struct bpf_insn *insn, unsigned w)
{
	unsigned dst = jit_reg(j, insn->dst_reg);

	if (BPF_SRC(insn->code) == BPF_X) {
		jit_rr(j, w, 0x85, jit_reg(j, insn->src_reg), dst);
	} else if (insn->imm >= 0 && insn->imm <= 127) {
		jit_rr(j, X_BYTE_RM, 0xf6, 0, dst);
		JIT_BYTES(j, (uint8_t)insn->imm);
	} else {
		jit_rr(j, insn->imm >= 0 ? 0 : w, 0xf7, 0, dst);
		jit_imm32(j, (uint32_t)insn->imm);
	}
}

static void compare(struct jit *j, const struct bpf_insn *insn, unsigned w)
{
	unsigned dst = jit_reg(j, insn->dst_reg);

	if (BPF_SRC(insn->code) == BPF_X)
		jit_rr(j, w, 0x39, jit_reg(j, insn->src_reg), dst);
	else if (insn->imm == 0)
		jit_rr(j, w, 0x85, dst, dst); /* The same flags, a byte less. */
	else
		jit_group1(j, w, 7, dst, insn->imm);
}

/* 0: none. */
static enum jit_cc condition(uint8_t op)
{
	static const uint8_t conditions[16] = {
		[BPF_JEQ >> 4] = CC_E,	 [BPF_JNE >> 4] = CC_NE,  [BPF_JGT >> 4] = CC_A,
		[BPF_JGE >> 4] = CC_AE,	 [BPF_JLT >> 4] = CC_B,	  [BPF_JLE >> 4] = CC_BE,
		[BPF_JSGT >> 4] = CC_G,	 [BPF_JSGE >> 4] = CC_GE, [BPF_JSLT >> 4] = CC_L,
		[BPF_JSLE >> 4] = CC_LE, [BPF_JSET >> 4] = CC_NE,
	};

	return (enum jit_cc)conditions[op >> 4];
}

void jit_jump(struct jit *j, const struct bpf_insn *insn)
{
	uint32_t target = jit_target(j, insn, j->i);
	enum jit_cc cc = condition(BPF_OP(insn->code));
	unsigned w = BPF_CLASS(insn->code) == BPF_JMP ? X_W : 0;

	if (target == JIT_UNPLACED || (cc == 0 && BPF_OP(insn->code) != BPF_JA)) {
		j->bad = true;
		return;
	}
	if (target == j->i + 1)
		return;
	if (BPF_OP(insn->code) == BPF_JA) {
		jit_jump_always(j, target);
		return;
	}
	if (BPF_OP(insn->code) == BPF_JSET)
		test(j, insn, w);
	else
		compare(j, insn, w);
	jump(j, target, true, cc);
}
