/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Arithmetic: RFC 9669 4.1, 4.2.
 */
#include "tests/support/ebpf_cases_priv.h"

struct op {
	const char *name;
	uint8_t code;
	int16_t off; /* 1: signed division; of moves: bits */
	bool by_reg_only;
};

static const struct op ops[] = {
	{"add", BPF_ADD, 0, false},    {"sub", BPF_SUB, 0, false},    {"mul", BPF_MUL, 0, false},
	{"div", BPF_DIV, 0, false},    {"sdiv", BPF_DIV, 1, false},   {"mod", BPF_MOD, 0, false},
	{"smod", BPF_MOD, 1, false},   {"or", BPF_OR, 0, false},      {"and", BPF_AND, 0, false},
	{"xor", BPF_XOR, 0, false},    {"lsh", BPF_LSH, 0, false},    {"rsh", BPF_RSH, 0, false},
	{"arsh", BPF_ARSH, 0, false},  {"mov", BPF_MOV, 0, false},    {"movs8", BPF_MOV, 8, true},
	{"movs16", BPF_MOV, 16, true}, {"movs32", BPF_MOV, 32, true}, {"neg", BPF_NEG, 0, false},
};
#define N_OPS (sizeof(ops) / sizeof(ops[0]))

static int64_t divide_signed(int64_t a, int64_t b, bool rest)
{
	if (b == -1)
		return rest ? 0 : (int64_t)(0 - (uint64_t)a);
	return rest ? a % b : a / b;
}

static uint64_t divide64(const struct op *op, uint64_t a, uint64_t b)
{
	bool rest = op->code == BPF_MOD;

	if (b == 0)
		return rest ? a : 0;
	if (op->off == 1)
		return (uint64_t)divide_signed((int64_t)a, (int64_t)b, rest);
	return rest ? a % b : a / b;
}

static uint64_t divide32(const struct op *op, uint32_t a, uint32_t b)
{
	bool rest = op->code == BPF_MOD;

	if (b == 0)
		return rest ? a : 0;
	if (op->off == 1)
		return (uint32_t)divide_signed((int32_t)a, (int32_t)b, rest);
	return rest ? a % b : a / b;
}

static uint64_t move(const struct op *op, uint64_t b)
{
	switch (op->off) {
	case 8:
		return (uint64_t)(int8_t)b;
	case 16:
		return (uint64_t)(int16_t)b;
	case 32:
		return (uint64_t)(int32_t)b;
	default:
		return b;
	}
}

static uint64_t compute64(const struct op *op, uint64_t a, uint64_t b)
{
	switch (op->code) {
	case BPF_ADD:
		return a + b;
	case BPF_SUB:
		return a - b;
	case BPF_MUL:
		return a * b;
	case BPF_DIV:
	case BPF_MOD:
		return divide64(op, a, b);
	case BPF_OR:
		return a | b;
	case BPF_AND:
		return a & b;
	case BPF_XOR:
		return a ^ b;
	case BPF_LSH:
		return a << (b & 63);
	case BPF_RSH:
		return a >> (b & 63);
	case BPF_ARSH:
		return (uint64_t)((int64_t)a >> (b & 63));
	case BPF_NEG:
		return 0 - a;
	default:
		return move(op, b);
	}
}

static uint64_t compute32(const struct op *op, uint32_t a, uint32_t b)
{
	switch (op->code) {
	case BPF_DIV:
	case BPF_MOD:
		return divide32(op, a, b);
	case BPF_LSH:
		return (uint32_t)(a << (b & 31));
	case BPF_RSH:
		return a >> (b & 31);
	case BPF_ARSH:
		return (uint32_t)((int32_t)a >> (b & 31));
	default:
		return (uint32_t)compute64(op, a, b);
	}
}

static uint64_t compute(const struct op *op, bool wide, uint64_t a, uint64_t b)
{
	return wide ? compute64(op, a, b) : compute32(op, (uint32_t)a, (uint32_t)b);
}

static void by_reg(struct cases *k, const struct op *op, bool wide, unsigned dst, unsigned src,
		   uint64_t a, uint64_t b)
{
	uint64_t regs[CASE_REGS];

	case_regs(regs, dst);
	regs[src] = b;
	regs[dst] = a;
	case_begin(k, "%s%s r%u, r%u of %#llx, %#llx", op->name, wide ? "64" : "32", dst, src,
		   (unsigned long long)a, (unsigned long long)regs[src]);
	case_load_regs(k, regs);
	case_add(k, E((wide ? BPF_ALU64 : BPF_ALU) | op->code | BPF_X, dst, src, op->off, 0));
	case_fold_regs(k);
	regs[dst] = compute(op, wide, a, regs[src]);
	case_end(k, case_folded(regs));
}

/* What the kernel refuses: shifts by more than there is, division by a constant 0. */
static bool is_refused(const struct op *op, bool wide, int32_t imm)
{
	switch (op->code) {
	case BPF_LSH:
	case BPF_RSH:
	case BPF_ARSH:
		return imm < 0 || imm >= (wide ? 64 : 32);
	case BPF_DIV:
	case BPF_MOD:
		return imm == 0;
	case BPF_NEG:
		return imm != 0;
	default:
		return false;
	}
}

static void by_imm(struct cases *k, const struct op *op, bool wide, unsigned dst, uint64_t a,
		   int32_t imm)
{
	uint64_t regs[CASE_REGS];

	if (is_refused(op, wide, imm))
		return;
	case_regs(regs, dst + 100);
	regs[dst] = a;
	case_begin(k, "%s%s r%u, %d of %#llx", op->name, wide ? "64" : "32", dst, imm,
		   (unsigned long long)a);
	case_load_regs(k, regs);
	case_add(k, E((wide ? BPF_ALU64 : BPF_ALU) | op->code | BPF_K, dst, 0, op->off, imm));
	case_fold_regs(k);
	regs[dst] = compute(op, wide, a, (uint64_t)imm);
	case_end(k, case_folded(regs));
}

static const int32_t imms[] = {0,     1,    2,	     3,		 8,	    10,
			       31,    32,   63,	     -1,	 -2,	    127,
			       128,   -128, -129,    0xff,	 255 * 256, 4096,
			       65536, -10,  1000003, 0x7fffffff, INT32_MIN, 0x40000000};

/* Every pair of edges in some registers, and every pair of registers with some operands. */
static void operands(struct cases *k, const struct op *op, bool wide)
{
	for (unsigned a = 0; a < CASE_N_EDGES; a++)
		for (unsigned b = 0; b < CASE_N_EDGES; b++)
			by_reg(k, op, wide, a % 2 ? BPF_REG_0 : BPF_REG_6,
			       b % 2 ? BPF_REG_4 : BPF_REG_3, case_edges[a], case_edges[b]);
	for (unsigned dst = 0; dst < CASE_REGS; dst++)
		for (unsigned src = 0; src < CASE_REGS; src++)
			by_reg(k, op, wide, dst, src, 0xfedcba9876543210, 0x8000000f00000025);
}

static void constants(struct cases *k, const struct op *op, bool wide)
{
	for (unsigned i = 0; i < sizeof(imms) / sizeof(imms[0]); i++) {
		for (unsigned a = 0; a < CASE_N_EDGES; a++)
			by_imm(k, op, wide, (a + i) % CASE_REGS, case_edges[a], imms[i]);
	}
	for (unsigned dst = 0; dst < CASE_REGS; dst++) {
		by_imm(k, op, wide, dst, 0xfedcba9876543210, 5);
		by_imm(k, op, wide, dst, 0xfedcba9876543210, 5000);
		by_imm(k, op, wide, dst, 0xfedcba9876543210, op->code == BPF_NEG ? 0 : -7);
	}
}

/* The greatest multiple that there is, the numbers beside it, and those half way. */
static void multiples(struct cases *k, const struct op *op, bool wide)
{
	static const int32_t by[] = {3,	      5,       6,	   7,	       9,
				     10,      11,      25,	   60,	       64,
				     100,     641,     1000,	   1514,       3600,
				     65537,   -2,      -3,	   -7,	       1u << 24,
				     6700417, 1000000, 1000000000, 0x7ffffffe, INT32_MIN + 1};

	for (unsigned i = 0; i < sizeof(by) / sizeof(by[0]); i++) {
		uint64_t b = wide ? (uint64_t)(int64_t)by[i] : (uint32_t)by[i];
		uint64_t top = (wide ? UINT64_MAX : UINT32_MAX) / b * b, half = top / b / 2 * b;

		for (int d = -1; d <= 1; d++) {
			by_imm(k, op, wide, i % CASE_REGS, top + (uint64_t)d, by[i]);
			by_imm(k, op, wide, (i + 3) % CASE_REGS, half + (uint64_t)d, by[i]);
			by_imm(k, op, wide, (i + 2) % CASE_REGS, b * 17 + (uint64_t)d, by[i]);
		}
	}
}

static void operation(struct cases *k, const struct op *op, bool wide)
{
	if (op->code == BPF_MOV && op->off == 32 && !wide)
		return;
	if (op->code != BPF_NEG)
		operands(k, op, wide);
	if (!op->by_reg_only)
		constants(k, op, wide);
	if (op->code == BPF_DIV || op->code == BPF_MOD)
		multiples(k, op, wide);
}

static uint64_t swapped(uint64_t v, int bits)
{
	return bits == 16   ? __builtin_bswap16((uint16_t)v)
	       : bits == 32 ? __builtin_bswap32((uint32_t)v)
			    : __builtin_bswap64(v);
}

static void byte_order(struct cases *k, unsigned dst, uint8_t code, const char *name, int bits)
{
	bool swaps = code != (BPF_ALU | BPF_END | BPF_TO_LE);
	uint64_t regs[CASE_REGS], v;

	case_regs(regs, dst + 200);
	case_begin(k, "%s%d r%u", name, bits, dst);
	case_load_regs(k, regs);
	case_add(k, E(code, dst, 0, 0, bits));
	case_fold_regs(k);
	v = bits == 64 ? regs[dst] : regs[dst] & ((1ull << bits) - 1);
	regs[dst] = swaps ? swapped(v, bits) : v;
	case_end(k, case_folded(regs));
}

static void byte_orders(struct cases *k)
{
	for (unsigned dst = 0; dst < CASE_REGS; dst++) {
		for (int bits = 16; bits <= 64; bits *= 2) {
			byte_order(k, dst, BPF_ALU | BPF_END | BPF_TO_LE, "le", bits);
			byte_order(k, dst, BPF_ALU | BPF_END | BPF_TO_BE, "be", bits);
			byte_order(k, dst, BPF_ALU64 | BPF_END | BPF_TO_LE, "bswap", bits);
		}
	}
}

static void wides(struct cases *k)
{
	static const uint64_t more[] = {0xffffffff80000000,
					0xffffffff7fffffff,
					0xfffffffffffffffe,
					0x123456789abcdef0,
					0xff,
					0x100};

	for (unsigned i = 0; i < CASE_N_EDGES + 6; i++) {
		uint64_t v = i < CASE_N_EDGES ? case_edges[i] : more[i - CASE_N_EDGES];

		for (unsigned r = 0; r < CASE_REGS; r++) {
			case_begin(k, "wide r%u, %#llx", r, (unsigned long long)v);
			case_wide(k, r, v);
			case_add(k, E_MOV(BPF_REG_0, r));
			case_end(k, v);
		}
	}
}

/* Move and add, which a compiler may join. */
static void sums(struct cases *k)
{
	static const int32_t by[] = {1, -8, 127, 128, -129, INT32_MIN, 0x7fffffff, 0};

	for (unsigned i = 0; i < 8; i++) {
		for (unsigned r = 0; r < CASE_REGS * CASE_REGS; r++) {
			unsigned dst = r / CASE_REGS, src = r % CASE_REGS;
			uint64_t regs[CASE_REGS];

			case_regs(regs, i);
			case_begin(k, "r%u = r%u; r%u += %d", dst, src, dst, by[i]);
			case_load_regs(k, regs);
			case_add(k, E_MOV(dst, src));
			case_add(k, E_ALUK(BPF_ADD, dst, by[i]));
			case_fold_regs(k);
			regs[dst] = regs[src] + (uint64_t)(int64_t)by[i];
			case_end(k, case_folded(regs));
		}
	}
	case_begin(k, "a jump between a move and an addition");
	case_add(k, E_MOVK(BPF_REG_1, 5));
	case_add(k, E_MOVK(BPF_REG_2, 7));
	case_add(k, E_JMPK(BPF_JEQ, BPF_REG_1, 5, 1));
	case_add(k, E_MOV(BPF_REG_2, BPF_REG_1));
	case_add(k, E_ALUK(BPF_ADD, BPF_REG_2, 100));
	case_add(k, E_MOV(BPF_REG_0, BPF_REG_2));
	case_end(k, 107);
}

void cases_alu(struct cases *k)
{
	for (unsigned i = 0; i < N_OPS; i++) {
		operation(k, &ops[i], true);
		operation(k, &ops[i], false);
	}
	byte_orders(k);
	wides(k);
	sums(k);
}
