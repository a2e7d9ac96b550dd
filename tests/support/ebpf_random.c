/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See ebpf_random.h.
 *
 * 	set registers, fill the stack
 * 	items of main ... fold, exit
 * 	items of a function, exit        called by items of main
 *
 * r9 counts jumps back, and is not written otherwise.
 */
#include "tests/support/ebpf_random.h"

#include <string.h>

#include "tests/support/ebpf_cases.h"

#define N_STACK	  64 /* bytes that items use, right below r10 */
#define FOLD_AT	  (-512)
#define N_BACK	  40 /* jumps back, in all */
#define FUEL	  BPF_REG_9
#define N_WRITTEN 9 /* r0 to r8 */
#define N_REGS	  10

struct maker {
	struct bpf_insn *insns;
	uint32_t n;
	uint32_t starts[EBPF_RANDOM_MAX_ITEMS + 1]; /* of items */
	uint32_t n_items, first_item;
	uint32_t jumps[EBPF_RANDOM_MAX_ITEMS], n_jumps; /* their 'off' counts items as yet */
	uint32_t calls[EBPF_RANDOM_MAX_ITEMS], n_calls;
	uint64_t seed;
};

/* Eight bytes of the input. */
struct item {
	uint8_t kind, op, dst, src;
	int32_t imm;
};

static void add(struct maker *m, struct bpf_insn insn)
{
	if (m->n < EBPF_RANDOM_MAX)
		m->insns[m->n++] = insn;
}

static uint64_t next(struct maker *m)
{
	uint64_t v = m->seed += 0x9e3779b97f4a7c15;

	v = (v ^ v >> 30) * 0xbf58476d1ce4e5b9;
	v = (v ^ v >> 27) * 0x94d049bb133111eb;
	return v ^ v >> 31;
}

static void add_wide(struct maker *m, unsigned reg, uint64_t v)
{
	const struct bpf_insn insns[] = {E_WIDE(reg, v)};

	add(m, insns[0]);
	add(m, insns[1]);
}

static void set_regs(struct maker *m, unsigned first, unsigned last)
{
	for (unsigned r = first; r <= last; r++) {
		uint64_t v = next(m);

		add_wide(m, r, v & 1 ? v : (uint64_t)(int64_t)(int8_t)(v >> 8));
	}
}

static void fill_stack(struct maker *m)
{
	for (int at = -N_STACK; at < 0; at += 8)
		add(m, E_ST(BPF_DW, BPF_REG_10, at, next(m)));
}

static void alu(struct maker *m, const struct item *t)
{
	static const uint8_t ops[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV,  BPF_MOD, BPF_OR, BPF_AND,
				      BPF_XOR, BPF_LSH, BPF_RSH, BPF_ARSH, BPF_MOV, BPF_NEG};
	uint8_t op = ops[t->op % sizeof(ops)], class = t->kind & 8 ? BPF_ALU64 : BPF_ALU;
	bool by_reg = t->kind & 16, divides = op == BPF_DIV || op == BPF_MOD;
	int16_t off = divides && (t->kind & 32) ? 1 : 0;
	int32_t imm = t->imm;

	if (op == BPF_NEG) {
		by_reg = false;
		imm = 0;
	} else if (op == BPF_LSH || op == BPF_RSH || op == BPF_ARSH) {
		imm &= class == BPF_ALU64 ? 63 : 31;
	} else if (divides && imm == 0) {
		imm = 3;
	} else if (op == BPF_MOV && by_reg && (t->kind & 32)) {
		off = (int16_t)(8 << (unsigned)(imm & 3) % (class == BPF_ALU64 ? 3 : 2));
	}
	add(m, E(class | op | (by_reg ? BPF_X : BPF_K), t->dst, by_reg ? t->src : 0, off,
		 by_reg ? 0 : imm));
}

static void byte_order(struct maker *m, const struct item *t)
{
	static const uint8_t codes[] = {BPF_ALU | BPF_END | BPF_TO_LE,
					BPF_ALU | BPF_END | BPF_TO_BE,
					BPF_ALU64 | BPF_END | BPF_TO_LE};

	add(m, E(codes[t->op % 3], t->dst, 0, 0, 16 << (unsigned)(t->imm & 3) % 3));
}

static void memory(struct maker *m, const struct item *t)
{
	static const uint8_t sizes[] = {BPF_B, BPF_H, BPF_W, BPF_DW};
	unsigned s = t->op % 4, size = 1u << s;
	int off = -(int)size - (int)((unsigned)t->imm % (N_STACK - size + 1));

	switch (t->op / 4 % 4) {
	case 0:
		add(m, E_LDX(sizes[s], t->dst, BPF_REG_10, off));
		break;
	case 1:
		add(m, E(BPF_LDX | (s < 3 ? EBPF_MEMSX : BPF_MEM) | sizes[s], t->dst, BPF_REG_10,
			 off, 0));
		break;
	case 2:
		add(m, E_ST(sizes[s], BPF_REG_10, off, t->imm));
		break;
	default:
		add(m, E_STX(sizes[s], BPF_REG_10, t->src, off));
	}
}

static void atomic(struct maker *m, const struct item *t)
{
	static const int32_t ops[] = {BPF_ADD,
				      BPF_OR,
				      BPF_AND,
				      BPF_XOR,
				      BPF_ADD | BPF_FETCH,
				      BPF_OR | BPF_FETCH,
				      BPF_AND | BPF_FETCH,
				      BPF_XOR | BPF_FETCH,
				      BPF_XCHG,
				      BPF_CMPXCHG};
	uint8_t size = t->kind & 8 ? BPF_DW : BPF_W;
	int off = -8 - (int)((unsigned)t->imm % (N_STACK / 8)) * 8;

	/* What is fetched is written to the source: not to the count. */
	add(m, E(BPF_STX | BPF_ATOMIC | size, BPF_REG_10, t->dst, off,
		 ops[t->op % (sizeof(ops) / sizeof(ops[0]))]));
}

static const uint8_t conditions[] = {BPF_JEQ, BPF_JNE,	BPF_JSET, BPF_JGT,  BPF_JGE,  BPF_JLT,
				     BPF_JLE, BPF_JSGT, BPF_JSGE, BPF_JSLT, BPF_JSLE, BPF_JA};

static void note_jump(struct maker *m)
{
	if (m->n < EBPF_RANDOM_MAX)
		m->jumps[m->n_jumps++] = m->n;
}

/* Over some items. */
static void jump(struct maker *m, const struct item *t)
{
	uint8_t op = conditions[t->op % sizeof(conditions)];
	uint8_t class = t->kind & 8 ? BPF_JMP : BPF_JMP32;
	int16_t over = (int16_t)(1 + t->op / 16 % 16 * (t->kind & 32 ? 4 : 1));
	bool by_reg = t->kind & 16;

	note_jump(m);
	if (op == BPF_JA && class == BPF_JMP32)
		add(m, E(BPF_JMP32 | BPF_JA, 0, 0, 0, over));
	else if (op == BPF_JA)
		add(m, E_JA(over));
	else
		add(m, E(class | op | (by_reg ? BPF_X : BPF_K), t->dst, by_reg ? t->src : 0, over,
			 by_reg ? 0 : t->imm));
}

static void jump_back(struct maker *m, const struct item *t)
{
	int16_t back = (int16_t)(1 + t->op % 8);

	add(m, E_ALUK(BPF_SUB, FUEL, 1));
	note_jump(m);
	add(m, E_JMPK(BPF_JSGT, FUEL, 0, -back));
}

/* What calls leave in r1 to r5 is not said. */
static void call(struct maker *m, const struct item *t)
{
	if (t->op % 4 != 0 && m->first_item == 0) {
		m->calls[m->n_calls++] = m->n;
		add(m, E_LOCAL(0));
	} else {
		add(m, E_CALL(BPF_FUNC_get_smp_processor_id));
	}
	set_regs(m, BPF_REG_1, BPF_REG_5);
}

static void item(struct maker *m, const uint8_t *bytes)
{
	struct item t = {bytes[0], bytes[1], bytes[2] % N_WRITTEN, bytes[3] % N_REGS, 0};

	memcpy(&t.imm, bytes + 4, 4);
	if (t.kind & 64) /* Small constants have edges that large ones have not. */
		t.imm = (int8_t)t.imm;
	switch (t.kind & 7) {
	case 0:
		byte_order(m, &t);
		break;
	case 1:
		memory(m, &t);
		break;
	case 2:
		atomic(m, &t);
		break;
	case 3:
		jump(m, &t);
		break;
	case 4:
		if (t.kind & 128)
			jump_back(m, &t);
		else
			add_wide(m, t.dst, next(m));
		break;
	case 5:
		if (t.op < 40)
			call(m, &t);
		else
			memory(m, &t);
		break;
	default:
		alu(m, &t);
	}
}

static void items(struct maker *m, const uint8_t *data, size_t size)
{
	m->first_item = m->n_items;
	for (; size >= 8 && m->n_items < EBPF_RANDOM_MAX_ITEMS; data += 8, size -= 8) {
		m->starts[m->n_items++] = m->n;
		item(m, data);
	}
	m->starts[m->n_items] = m->n;
}

static uint32_t item_of(const struct maker *m, uint32_t insn)
{
	uint32_t i = m->first_item;

	while (i < m->n_items && m->starts[i + 1] <= insn)
		i++;
	return i;
}

/* From counts of items to counts of instructions; none leads out of the function. */
static void patch_jumps(struct maker *m)
{
	for (uint32_t k = 0; k < m->n_jumps; k++) {
		struct bpf_insn *insn = &m->insns[m->jumps[k]];
		bool is_long = insn->code == (BPF_JMP32 | BPF_JA);
		int64_t to = (int64_t)item_of(m, m->jumps[k]) + (is_long ? insn->imm : insn->off);
		int32_t off;

		if (!is_long && insn->off > 0)
			to++;
		else if (is_long)
			to++;
		if (to < m->first_item)
			to = m->first_item;
		if (to > m->n_items)
			to = m->n_items;
		off = (int32_t)m->starts[to] - (int32_t)m->jumps[k] - 1;
		if (is_long)
			insn->imm = off;
		else
			insn->off = (int16_t)off;
	}
	m->n_jumps = 0;
}

static void fold(struct maker *m)
{
	for (unsigned r = 0; r < N_REGS; r++)
		add(m, E_STX(BPF_DW, BPF_REG_10, r, FOLD_AT + (int)r * 8));
	for (unsigned i = 0; i < N_REGS + N_STACK / 8; i++) {
		int at = i < N_REGS ? FOLD_AT + (int)i * 8 : -N_STACK + (int)(i - N_REGS) * 8;

		add(m, E_ALUK(BPF_MUL, BPF_REG_0, 1000003));
		add(m, E_LDX(BPF_DW, BPF_REG_1, BPF_REG_10, at));
		add(m, E_ALU(BPF_XOR, BPF_REG_0, BPF_REG_1));
	}
	add(m, E_EXIT);
}

static void function(struct maker *m, const uint8_t *data, size_t size)
{
	for (uint32_t k = 0; k < m->n_calls; k++)
		m->insns[m->calls[k]].imm = (int32_t)(m->n - m->calls[k] - 1);
	if (m->n_calls == 0)
		return;
	set_regs(m, BPF_REG_6, FUEL);
	add(m, E_MOVK(FUEL, 3));
	fill_stack(m);
	items(m, data, size);
	patch_jumps(m);
	add(m, E_LDX(BPF_DW, BPF_REG_1, BPF_REG_10, -N_STACK));
	add(m, E_ALU(BPF_XOR, BPF_REG_0, BPF_REG_1));
	add(m, E_EXIT);
}

uint32_t ebpf_random_make(const uint8_t *data, size_t size, struct bpf_insn *ret_insns)
{
	struct maker m = {.insns = ret_insns};
	size_t n_main;

	for (unsigned i = 0; i < 8 && i < size; i++)
		m.seed |= (uint64_t)data[i] << (8 * i);
	data += size < 8 ? size : 8;
	size -= size < 8 ? size : 8;
	n_main = size / 8 * 3 / 4 * 8;
	set_regs(&m, BPF_REG_0, BPF_REG_8);
	add(&m, E_MOVK(FUEL, N_BACK));
	fill_stack(&m);
	items(&m, data, n_main);
	patch_jumps(&m);
	fold(&m);
	function(&m, data + n_main, size - n_main);
	return m.n;
}
