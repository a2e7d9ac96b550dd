/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Arithmetic (RFC 9669 4.1, 4.2); see jit_priv.h.
 *
 * 32-bit operations clear the upper half of their result, as the machine's do; where nothing is
 * left to be done (adding 0), that still is.
 */
#include "filters/ebpf/jit_priv.h"

/* One operation. */
struct alu {
	const struct bpf_insn *insn;
	unsigned w; /* X_W or 0 */
	unsigned dst, src;
	bool by_reg;
};

static void zero_extend(struct jit *j, const struct alu *a)
{
	if (a->w == 0)
		jit_mov(j, 0, a->dst, a->dst);
}

/* 'n': the operation's number in the first group of opcodes. */
static void simple(struct jit *j, const struct alu *a, unsigned n)
{
	int32_t imm = a->insn->imm;
	/* A constant that is not negative clears the upper half anyway. */
	unsigned w = n == 4 && imm >= 0 ? 0 : a->w;

	if (a->by_reg)
		jit_rr(j, a->w, n << 3 | 1, a->src, a->dst);
	else if (imm == 0 && n != 4)
		zero_extend(j, a);
	else
		jit_group1(j, w, n, a->dst, imm);
}

static void multiply(struct jit *j, const struct alu *a)
{
	int32_t imm = a->insn->imm;

	if (a->by_reg) {
		jit_rr(j, a->w, 0x0faf, a->dst, a->src);
	} else if (jit_is_byte(imm)) {
		jit_rr(j, a->w, 0x6b, a->dst, a->dst);
		JIT_BYTES(j, (uint8_t)imm);
	} else {
		jit_rr(j, a->w, 0x69, a->dst, a->dst);
		jit_imm32(j, (uint32_t)imm);
	}
}

static void move(struct jit *j, const struct alu *a)
{
	if (!a->by_reg) {
		jit_mov_imm(j, a->dst,
			    a->w ? (uint64_t)(int64_t)a->insn->imm : (uint32_t)a->insn->imm);
		return;
	}
	switch (a->insn->off) {
	case 0:
		jit_mov(j, a->w, a->dst, a->src);
		break;
	case 8:
		jit_rr(j, a->w | X_BYTE_RM, 0x0fbe, a->dst, a->src);
		break;
	case 16:
		jit_rr(j, a->w, 0x0fbf, a->dst, a->src);
		break;
	case 32:
		jit_rr(j, a->w, 0x63, a->dst, a->src);
		if (a->w == 0)
			j->bad = true;
		break;
	default:
		j->bad = true;
	}
}

/* 'n': shl 4, shr 5, sar 7. */
static void shift_imm(struct jit *j, const struct alu *a, unsigned n)
{
	unsigned count = (unsigned)a->insn->imm & (a->w ? 63 : 31);

	if (count == 0) {
		zero_extend(j, a);
	} else if (count == 1) {
		jit_rr(j, a->w, 0xd1, n, a->dst);
	} else {
		jit_rr(j, a->w, 0xc1, n, a->dst);
		JIT_BYTES(j, (uint8_t)count);
	}
}

/* shlx, shrx, sarx: any register counts, and only as far as it matters. */
static void shift_bmi2(struct jit *j, const struct alu *a, unsigned n)
{
	uint8_t pp = n == 4 ? 1 : n == 5 ? 3 : 2;

	JIT_BYTES(j, 0xc4, (uint8_t)((a->dst & 8 ? 0 : 0x80) | 0x40 | (a->dst & 8 ? 0 : 0x20) | 2),
		  (uint8_t)((a->w ? 0x80 : 0) | (~a->src & 15) << 3 | pp), 0xf7,
		  (uint8_t)(0xc0 | (a->dst & 7) << 3 | (a->dst & 7)));
}

/* Counts are in cl: rcx steps aside, unless it is what counts. */
static void shift_cl(struct jit *j, const struct alu *a, unsigned n)
{
	unsigned dst = a->dst == RCX ? R11 : a->dst;

	if (a->src == RCX && a->dst != RCX) {
		jit_rr(j, a->w, 0xd3, n, a->dst);
		return;
	}
	jit_mov(j, X_W, R11, RCX);
	if (a->src != RCX)
		jit_mov(j, X_W, RCX, a->src);
	jit_rr(j, a->w, 0xd3, n, dst);
	jit_mov(j, X_W, RCX, R11);
}

static void shift(struct jit *j, const struct alu *a, unsigned n)
{
	if (!a->by_reg)
		shift_imm(j, a, n);
	else if (j->bmi2)
		shift_bmi2(j, a, n);
	else
		shift_cl(j, a, n);
}

static void bswap(struct jit *j, unsigned w, unsigned reg)
{
	uint8_t rex = (uint8_t)((w ? 0x48 : 0) | (reg >> 3 ? 0x41 : 0));

	if (rex != 0)
		JIT_BYTES(j, rex);
	JIT_BYTES(j, 0x0f, (uint8_t)(0xc8 | (reg & 7)));
}

/* To big endian, to little endian (what we have: it only clips), and unconditionally. */
static void byte_order(struct jit *j, const struct alu *a)
{
	bool swaps = a->w != 0 || BPF_SRC(a->insn->code) == BPF_TO_BE;

	switch (a->insn->imm) {
	case 16:
		if (!swaps) {
			jit_rr(j, 0, 0x0fb7, a->dst, a->dst);
			break;
		}
		/* The two bytes come to the top, and down again without what was above them. */
		bswap(j, 0, a->dst);
		jit_rr(j, 0, 0xc1, 5, a->dst);
		JIT_BYTES(j, 16);
		break;
	case 32:
		if (swaps)
			bswap(j, 0, a->dst);
		else
			jit_mov(j, 0, a->dst, a->dst);
		break;
	case 64:
		if (swaps)
			bswap(j, X_W, a->dst);
		break;
	default:
		j->bad = true;
	}
}

static void negate(struct jit *j, const struct alu *a)
{
	jit_rr(j, a->w, 0xf7, 3, a->dst);
}

static void clear(struct jit *j, const struct alu *a)
{
	jit_rr(j, 0, 0x31, a->dst, a->dst);
}

/* rdx:rax by r11.  Most 64-bit operands are small, and small ones are divided several times as
 * fast. */
static void divide_unsigned(struct jit *j, const struct alu *a)
{
	uint32_t small, done;

	if (a->w == 0) {
		jit_rr(j, 0, 0x31, RDX, RDX);
		jit_rr(j, 0, 0xf7, 6, R11);
		return;
	}
	jit_mov(j, X_W, RDX, RAX);
	jit_rr(j, X_W, 0x09, R11, RDX);
	jit_rr(j, X_W, 0xc1, 5, RDX);
	JIT_BYTES(j, 32);
	small = jit_skip_if(j, CC_E);
	jit_rr(j, 0, 0x31, RDX, RDX);
	jit_rr(j, X_W, 0xf7, 6, R11);
	done = jit_skip(j);
	jit_here(j, small);
	jit_rr(j, 0, 0xf7, 6, R11);
	jit_here(j, done);
}

static void divide_signed(struct jit *j, const struct alu *a)
{
	if (a->w != 0)
		JIT_BYTES(j, 0x48);
	JIT_BYTES(j, 0x99); /* cqo, cdq */
	jit_rr(j, a->w, 0xf7, 7, R11);
}

/* And gives rax and rdx back. */
static void take_quotient(struct jit *j, const struct alu *a, unsigned result)
{
	if (a->dst != result)
		jit_mov(j, X_W, a->dst, result);
	if (a->dst != RAX)
		jit_mov(j, X_W, RAX, R10);
	if (a->dst != RDX)
		jit_mov(j, X_W, RDX, R9);
}

/* By r11, which is neither 0 nor, with signs, -1.  rax and rdx are R0 and R3: they are put aside
 * unless they are the result's. */
static void divide_by_r11(struct jit *j, const struct alu *a, bool rest)
{
	if (a->dst != RAX) {
		jit_mov(j, X_W, R10, RAX);
		jit_mov(j, X_W, RAX, a->dst);
	}
	if (a->dst != RDX)
		jit_mov(j, X_W, R9, RDX);
	if (a->insn->off == 1)
		divide_signed(j, a);
	else
		divide_unsigned(j, a);
	take_quotient(j, a, rest ? RDX : RAX);
}

/* By a constant that is no power of two: multiply by its inverse, which takes a third of the time
 * of a division of 64 bits.  With l the bits of 'by' - 1 and N those of the machine word,
 *
 * 	t = the upper half of x * (2^N * (2^l - by) / by + 1)
 * 	x / by = (t + (x - t) / 2) >> (l - 1)
 *
 * Source: Granlund and Montgomery, Division by Invariant Integers using Multiplication (1994), 4.
 */
static void divide_by_inverse(struct jit *j, const struct alu *a, uint64_t by, bool rest)
{
	unsigned bits = a->w ? 64 : 32, l = 64 - (unsigned)__builtin_clzll(by - 1);
	uint64_t gap = (l == 64 ? 0 : UINT64_C(1) << l) - by;
	uint64_t inverse = (uint64_t)(((unsigned __int128)gap << bits) / by) + 1;

	jit_mov(j, a->w, R11, a->dst);
	if (a->dst != RAX)
		jit_mov(j, X_W, R10, RAX);
	if (a->dst != RDX)
		jit_mov(j, X_W, R9, RDX);
	jit_mov_imm(j, RAX, inverse);
	jit_rr(j, a->w, 0xf7, 4, R11); /* rdx = t */
	jit_mov(j, X_W, RAX, R11);
	jit_rr(j, a->w, 0x29, RDX, RAX);
	jit_rr(j, a->w, 0xd1, 5, RAX);
	jit_rr(j, a->w, 0x01, RDX, RAX);
	jit_rr(j, a->w, 0xc1, 5, RAX);
	JIT_BYTES(j, (uint8_t)(l - 1));
	if (rest) {
		jit_rr(j, a->w, 0x69, RAX, RAX);
		jit_imm32(j, (uint32_t)by);
		jit_rr(j, a->w, 0x29, RAX, R11);
	}
	take_quotient(j, a, rest ? R11 : RAX);
}

/* x / 0 is 0, x % 0 is x; the least number by -1 is itself, and leaves 0. */
static void divide_by_reg(struct jit *j, const struct alu *a, bool rest)
{
	uint32_t zero, minus_one = 0, done, done2 = 0;

	jit_mov(j, a->w, R11, a->src);
	jit_rr(j, a->w, 0x85, R11, R11);
	zero = jit_skip_if(j, CC_E);
	if (a->insn->off == 1) {
		jit_group1(j, a->w, 7, R11, -1);
		minus_one = jit_skip_if(j, CC_E);
	}
	divide_by_r11(j, a, rest);
	done = jit_skip(j);
	jit_here(j, zero);
	if (rest)
		zero_extend(j, a);
	else
		clear(j, a);
	if (a->insn->off == 1) {
		done2 = jit_skip(j);
		jit_here(j, minus_one);
		if (rest)
			clear(j, a);
		else
			negate(j, a);
		jit_here(j, done2);
	}
	jit_here(j, done);
}

static void divide_by_imm(struct jit *j, const struct alu *a, bool rest)
{
	int32_t imm = a->insn->imm;
	uint64_t by = a->w ? (uint64_t)(int64_t)imm : (uint32_t)imm;
	struct bpf_insn shift = {.imm = by == 0 ? 0 : __builtin_ctzll(by)};
	struct alu by_shift = *a;

	by_shift.insn = &shift;
	if (a->insn->off == 1 && imm == -1 && !rest) {
		negate(j, a);
	} else if ((by == 0 && !rest) || (a->insn->off == 1 && imm == -1)) {
		clear(j, a);
	} else if (by == 0) {
		zero_extend(j, a);
	} else if (a->insn->off == 0 && (by & (by - 1)) == 0 && !rest) {
		shift_imm(j, &by_shift, 5);
	} else if (a->insn->off == 0 && (by & (by - 1)) == 0) {
		jit_group1(j, 0, 4, a->dst, (int32_t)(by - 1));
	} else if (a->insn->off == 0) {
		divide_by_inverse(j, a, by, rest);
	} else {
		jit_mov_imm(j, R11, by);
		divide_by_r11(j, a, rest);
	}
}

static void divide(struct jit *j, const struct alu *a, bool rest)
{
	j->bad |= (uint16_t)a->insn->off > 1;
	if (a->by_reg)
		divide_by_reg(j, a, rest);
	else
		divide_by_imm(j, a, rest);
}

/* r2 = r10; r2 += -8: how addresses are made, in one.  'insn' is the first. */
static bool move_and_add(struct jit *j, const struct alu *a)
{
	const struct bpf_insn *next = a->insn + 1;

	if (j->i + 1 >= j->prog->n || jit_is_target(j, j->i + 1) || a->w == 0 || !a->by_reg ||
	    a->insn->off != 0 || next->code != (BPF_ALU64 | BPF_ADD | BPF_K) ||
	    next->dst_reg != a->insn->dst_reg || next->imm == 0 || a->src == a->dst)
		return false;
	jit_rm(j, X_W, 0x8d, a->dst, a->src, next->imm);
	return true;
}

bool jit_alu(struct jit *j, const struct bpf_insn *insn)
{
	const struct alu a = {
		.insn = insn,
		.w = BPF_CLASS(insn->code) == BPF_ALU64 ? X_W : 0,
		.dst = jit_reg(j, insn->dst_reg),
		.src = jit_reg(j, insn->src_reg),
		.by_reg = BPF_SRC(insn->code) == BPF_X,
	};

	switch (BPF_OP(insn->code)) {
	case BPF_ADD:
		simple(j, &a, 0);
		break;
	case BPF_OR:
		simple(j, &a, 1);
		break;
	case BPF_AND:
		simple(j, &a, 4);
		break;
	case BPF_SUB:
		simple(j, &a, 5);
		break;
	case BPF_XOR:
		simple(j, &a, 6);
		break;
	case BPF_MUL:
		multiply(j, &a);
		break;
	case BPF_DIV:
		divide(j, &a, false);
		break;
	case BPF_MOD:
		divide(j, &a, true);
		break;
	case BPF_LSH:
		shift(j, &a, 4);
		break;
	case BPF_RSH:
		shift(j, &a, 5);
		break;
	case BPF_ARSH:
		shift(j, &a, 7);
		break;
	case BPF_NEG:
		negate(j, &a);
		break;
	case BPF_MOV:
		if (move_and_add(j, &a))
			return true;
		move(j, &a);
		break;
	case BPF_END:
		byte_order(j, &a);
		break;
	default:
		j->bad = true;
	}
	return false;
}
