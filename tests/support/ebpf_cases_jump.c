/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Jumps: RFC 9669 4.3.
 */
#include "tests/support/ebpf_cases_priv.h"

static const struct {
	const char *name;
	uint8_t code;
} ops[] = {
	{"jeq", BPF_JEQ},   {"jne", BPF_JNE},	{"jset", BPF_JSET}, {"jgt", BPF_JGT},
	{"jge", BPF_JGE},   {"jlt", BPF_JLT},	{"jle", BPF_JLE},   {"jsgt", BPF_JSGT},
	{"jsge", BPF_JSGE}, {"jslt", BPF_JSLT}, {"jsle", BPF_JSLE},
};

static bool holds(uint8_t code, uint64_t a, uint64_t b, int64_t sa, int64_t sb)
{
	switch (code) {
	case BPF_JEQ:
		return a == b;
	case BPF_JNE:
		return a != b;
	case BPF_JSET:
		return (a & b) != 0;
	case BPF_JGT:
		return a > b;
	case BPF_JGE:
		return a >= b;
	case BPF_JLT:
		return a < b;
	case BPF_JLE:
		return a <= b;
	case BPF_JSGT:
		return sa > sb;
	case BPF_JSGE:
		return sa >= sb;
	case BPF_JSLT:
		return sa < sb;
	default:
		return sa <= sb;
	}
}

static bool jumps(uint8_t code, bool wide, uint64_t a, uint64_t b)
{
	if (wide)
		return holds(code, a, b, (int64_t)a, (int64_t)b);
	return holds(code, (uint32_t)a, (uint32_t)b, (int32_t)a, (int32_t)b);
}

/* Adds 1 to r7's value when it does not jump. */
static void finish(struct cases *k, uint64_t *regs, struct bpf_insn jump, bool taken, unsigned mark)
{
	jump.off = 1;
	case_load_regs(k, regs);
	case_add(k, jump);
	case_add(k, E_ALUK(BPF_ADD, mark, 1));
	case_fold_regs(k);
	regs[mark] += !taken;
	case_end(k, case_folded(regs));
}

static unsigned other(unsigned a, unsigned b)
{
	unsigned r = BPF_REG_7;

	while (r == a || r == b)
		r++;
	return r;
}

static void by_reg(struct cases *k, unsigned op, bool wide, unsigned dst, unsigned src, uint64_t a,
		   uint64_t b)
{
	uint8_t class = wide ? BPF_JMP : BPF_JMP32;
	uint64_t regs[CASE_REGS];

	case_regs(regs, dst);
	regs[src] = b;
	regs[dst] = a;
	case_begin(k, "%s%s r%u, r%u of %#llx, %#llx", ops[op].name, wide ? "" : "32", dst, src,
		   (unsigned long long)a, (unsigned long long)regs[src]);
	finish(k, regs, E(class | ops[op].code | BPF_X, dst, src, 0, 0),
	       jumps(ops[op].code, wide, a, regs[src]), other(dst, src));
}

static void by_imm(struct cases *k, unsigned op, bool wide, unsigned dst, uint64_t a, int32_t imm)
{
	uint8_t class = wide ? BPF_JMP : BPF_JMP32;
	uint64_t regs[CASE_REGS];

	case_regs(regs, dst);
	regs[dst] = a;
	case_begin(k, "%s%s r%u, %d of %#llx", ops[op].name, wide ? "" : "32", dst, imm,
		   (unsigned long long)a);
	finish(k, regs, E(class | ops[op].code | BPF_K, dst, 0, 0, imm),
	       jumps(ops[op].code, wide, a, (uint64_t)imm), other(dst, dst));
}

static void conditions(struct cases *k, unsigned op, bool wide)
{
	static const int32_t imms[] = {0,   1,	 2,	  31,	      -1,	 -2,
				       127, 128, 1 << 30, 0x7fffffff, INT32_MIN, -128};

	for (unsigned a = 0; a < CASE_N_EDGES; a++) {
		for (unsigned b = 0; b < CASE_N_EDGES; b++)
			by_reg(k, op, wide, a % CASE_REGS, (a + 1 + b % 9) % CASE_REGS,
			       case_edges[a], case_edges[b]);
		for (unsigned i = 0; i < sizeof(imms) / sizeof(imms[0]); i++)
			by_imm(k, op, wide, (a + i) % CASE_REGS, case_edges[a], imms[i]);
	}
	for (unsigned r = 0; r < CASE_REGS; r++) {
		by_reg(k, op, wide, r, r, 0x8000000000000000, 0);
		by_imm(k, op, wide, r, 100, 4);
		by_imm(k, op, wide, r, 100, 400);
	}
}

/* 'n' instructions that add up in r1, of 3 and 4 bytes in machine code. */
static uint64_t filler(struct cases *k, unsigned n, unsigned n_short)
{
	uint64_t sum = 0;

	for (unsigned i = 0; i < n; i++) {
		if (i < n_short) {
			case_add(k, E_ALU(BPF_ADD, BPF_REG_1, BPF_REG_2));
			sum += 3;
		} else {
			case_add(k, E_ALUK(BPF_ADD, BPF_REG_1, 5));
			sum += 5;
		}
	}
	return sum;
}

static void filler_begin(struct cases *k)
{
	case_add(k, E_MOVK(BPF_REG_0, 1));
	case_add(k, E_MOVK(BPF_REG_1, 0));
	case_add(k, E_MOVK(BPF_REG_2, 3));
}

/* Forwards over so much, both when it jumps and when it does not. */
static void ahead(struct cases *k, unsigned n, unsigned n_short, bool taken)
{
	uint64_t sum;

	case_begin(k, "jump over %u instructions, %u short, %d", n, n_short, taken);
	filler_begin(k);
	case_add(k, E_JMPK(BPF_JEQ, BPF_REG_0, taken ? 1 : 2, n));
	sum = filler(k, n, n_short);
	case_add(k, E_MOV(BPF_REG_0, BPF_REG_1));
	case_end(k, taken ? 0 : sum);
}

/* Round and round, three times. */
static void back(struct cases *k, unsigned n, unsigned n_short)
{
	uint64_t sum;

	case_begin(k, "a loop of %u instructions, %u short", n, n_short);
	filler_begin(k);
	sum = filler(k, n, n_short);
	case_add(k, E_ALUK(BPF_ADD, BPF_REG_0, 1));
	case_add(k, E_JMPK(BPF_JNE, BPF_REG_0, 4, -(int)n - 2));
	case_add(k, E_MOV(BPF_REG_0, BPF_REG_1));
	case_end(k, sum * 3);
}

static void always(struct cases *k, unsigned n, unsigned n_short, bool is_long)
{
	case_begin(k, "%s over %u instructions, %u short", is_long ? "gotol" : "goto", n, n_short);
	filler_begin(k);
	case_add(k, is_long ? E(BPF_JMP32 | BPF_JA, 0, 0, 0, n) : E_JA(n));
	filler(k, n, n_short);
	case_add(k, E_MOV(BPF_REG_0, BPF_REG_1));
	case_end(k, 0);
}

/* Each jump over the next few, so that one that grows makes those around it grow. */
static void chain(struct cases *k, unsigned n, unsigned over)
{
	uint64_t sum = 0;

	case_begin(k, "%u jumps, each over %u", n, over);
	filler_begin(k);
	for (unsigned i = 0; i < n; i++) {
		case_add(k, E_JMPK(BPF_JEQ, BPF_REG_0, 2, over * 2));
		case_add(k, E_ALUK(BPF_ADD, BPF_REG_1, 1));
		sum++;
	}
	for (unsigned i = 0; i < over; i++) {
		case_add(k, E_ALUK(BPF_ADD, BPF_REG_1, 1));
		case_add(k, E_ALUK(BPF_ADD, BPF_REG_1, 1));
		sum += 2;
	}
	case_add(k, E_MOV(BPF_REG_0, BPF_REG_1));
	case_end(k, sum);
}

/* Each jump reaches to just behind the next with its shortest form: the last is too long, so the
 * one before it becomes too long, and so on to the first. */
static void cascade(struct cases *k, unsigned n, bool taken)
{
	uint64_t sum = 0;

	case_begin(k, "a cascade of %u jumps, %d", n, taken);
	filler_begin(k);
	case_add(k, E_MOVK(BPF_REG_3, 1000));
	for (unsigned i = 0; i < n; i++) {
		/* 28 * 4 + 3 * 3 bytes, and 6 of the next comparison and jump: 127 */
		unsigned fill = i + 1 < n ? 31 : 40;

		case_add(k, E_JMPK(BPF_JEQ, BPF_REG_0, taken ? 1 : 2,
				   (int)fill + (i + 1 < n ? 1 : 0)));
		sum += filler(k, fill, 3);
	}
	case_add(k, E_MOV(BPF_REG_0, BPF_REG_1));
	/* Those who jump come behind the next jump, into its filler. */
	if (taken)
		sum = 0;
	for (unsigned i = 1; taken && i < n; i += 2)
		sum += i + 1 < n ? 3 * 3 + 28 * 5 : 3 * 3 + 37 * 5;
	case_end(k, sum);
}

static void ranges(struct cases *k)
{
	for (unsigned n = 28; n <= 46; n++) {
		for (unsigned n_short = 0; n_short <= n && n_short < 5; n_short++) {
			ahead(k, n, n_short, true);
			ahead(k, n, n_short, false);
			back(k, n, n_short);
			always(k, n, n_short, false);
			always(k, n, n_short, true);
		}
	}
	ahead(k, 3000, 0, true);
	ahead(k, 3000, 0, false);
	back(k, 3000, 7);
	always(k, 0, 0, false);
	always(k, 0, 0, true);
	ahead(k, 0, 0, true);
	ahead(k, 0, 0, false);
	for (unsigned over = 1; over < 30; over++)
		chain(k, 200, over);
	for (unsigned n = 2; n < 60; n += 3) {
		cascade(k, n, false);
		cascade(k, n, true);
	}
}

void cases_jump(struct cases *k)
{
	for (unsigned op = 0; op < sizeof(ops) / sizeof(ops[0]); op++) {
		conditions(k, op, true);
		conditions(k, op, false);
	}
	ranges(k);
}
