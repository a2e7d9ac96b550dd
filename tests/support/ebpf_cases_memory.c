/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Loads, stores, atomics and the context: RFC 9669 5.
 *
 * Memory is a window of the stack, of which the program folds every byte into r0 at its end.
 */
#include "tests/support/ebpf_cases_priv.h"

#include <stddef.h>
#include <string.h>

#define WINDOW_AT   (-256) /* from r10 */
#define WINDOW_SIZE 48
#define MIDDLE	    16 /* where accesses are, from the window's start */

static const uint8_t sizes[] = {BPF_B, BPF_H, BPF_W, BPF_DW};
static const uint8_t n_bytes[] = {1, 2, 4, 8};
static const char *const names[] = {"8", "16", "32", "64"};

static void fill(uint8_t *window, unsigned seed)
{
	for (unsigned i = 0; i < WINDOW_SIZE; i++)
		window[i] = (uint8_t)((i + seed) * 37 ^ 0x80);
}

static void write_window(struct cases *k, const uint8_t *window)
{
	for (unsigned i = 0; i < WINDOW_SIZE; i += 8) {
		uint64_t v;

		memcpy(&v, window + i, 8);
		case_wide(k, BPF_REG_0, v);
		case_add(k, E_STX(BPF_DW, BPF_REG_10, BPF_REG_0, WINDOW_AT + (int)i));
	}
}

/* r0 is the fold of the registers so far. */
static void fold_window(struct cases *k)
{
	for (unsigned i = 0; i < WINDOW_SIZE; i += 8) {
		case_add(k, E_ALUK(BPF_MUL, BPF_REG_0, 31));
		case_add(k, E_LDX(BPF_DW, BPF_REG_1, BPF_REG_10, WINDOW_AT + (int)i));
		case_add(k, E_ALU(BPF_ADD, BPF_REG_0, BPF_REG_1));
	}
}

static uint64_t folded(uint64_t regs, const uint8_t *window)
{
	for (unsigned i = 0; i < WINDOW_SIZE; i += 8) {
		uint64_t v;

		memcpy(&v, window + i, 8);
		regs = regs * 31 + v;
	}
	return regs;
}

/* The pointer is so far from where it points. */
static void point(struct cases *k, unsigned reg, int at, int off)
{
	case_add(k, E_MOV(reg, BPF_REG_10));
	case_add(k, E_ALUK(BPF_ADD, reg, WINDOW_AT + at - off));
}

static void end(struct cases *k, uint64_t *regs, const uint8_t *window)
{
	case_fold_regs(k);
	fold_window(k);
	case_end(k, folded(case_folded(regs), window));
}

/* An access by 'insn' with the pointer in 'base', whose 'at' is in the window: 'insn' has its
 * registers and 'off'.  'base' is 0 afterwards, unless it was loaded. */
static void begin(struct cases *k, uint64_t *regs, uint8_t *window, unsigned seed)
{
	case_regs(regs, seed);
	fill(window, seed);
	write_window(k, window);
	case_load_regs(k, regs);
}

static uint64_t peek(const uint8_t *p, unsigned size)
{
	uint64_t v = 0;

	memcpy(&v, p, size);
	return v;
}

static uint64_t sign_extended(uint64_t v, unsigned size)
{
	unsigned shift = 64 - 8 * size;

	return (uint64_t)((int64_t)(v << shift) >> shift);
}

static void load(struct cases *k, unsigned s, bool is_signed, unsigned dst, unsigned base, int at,
		 int off)
{
	uint64_t regs[CASE_REGS], v;
	uint8_t window[WINDOW_SIZE];

	case_begin(k, "load %s%s r%u, [r%u %+d] at %d", is_signed ? "s" : "u", names[s], dst, base,
		   off, at);
	begin(k, regs, window, dst);
	point(k, base, at, off);
	case_add(k, E(BPF_LDX | (is_signed ? EBPF_MEMSX : BPF_MEM) | sizes[s], dst, base, off, 0));
	if (base != dst)
		case_add(k, E_MOVK(base, 0));
	regs[base] = 0;
	v = peek(window + at, n_bytes[s]);
	regs[dst] = is_signed ? sign_extended(v, n_bytes[s]) : v;
	end(k, regs, window);
}

static void store(struct cases *k, unsigned s, unsigned src, unsigned base, int at, int off)
{
	uint64_t regs[CASE_REGS];
	uint8_t window[WINDOW_SIZE];

	if (src == base)
		return;
	case_begin(k, "store %s [r%u %+d], r%u at %d", names[s], base, off, src, at);
	begin(k, regs, window, src);
	point(k, base, at, off);
	case_add(k, E_STX(sizes[s], base, src, off));
	case_add(k, E_MOVK(base, 0));
	regs[base] = 0;
	memcpy(window + at, &regs[src], n_bytes[s]);
	end(k, regs, window);
}

static void store_imm(struct cases *k, unsigned s, int32_t imm, unsigned base, int at, int off)
{
	uint64_t regs[CASE_REGS], v = (uint64_t)(int64_t)imm;
	uint8_t window[WINDOW_SIZE];

	case_begin(k, "store %s [r%u %+d], %d at %d", names[s], base, off, imm, at);
	begin(k, regs, window, base);
	point(k, base, at, off);
	case_add(k, E_ST(sizes[s], base, off, imm));
	case_add(k, E_MOVK(base, 0));
	regs[base] = 0;
	memcpy(window + at, &v, n_bytes[s]);
	end(k, regs, window);
}

static void accesses(struct cases *k, unsigned s)
{
	static const int offs[] = {0, 1, -1, 127, 128, -128, -129, 3, 32000, -32768, 32767};
	static const int32_t imms[] = {0, -1, 1, 0x7fffffff, INT32_MIN, 0x12345678};

	for (unsigned dst = 0; dst < CASE_REGS; dst++) {
		for (unsigned base = 0; base < CASE_REGS; base++) {
			load(k, s, false, dst, base, MIDDLE, 0);
			if (sizes[s] != BPF_DW)
				load(k, s, true, dst, base, MIDDLE + 1, 8);
			store(k, s, dst, base, MIDDLE, 0);
		}
		store_imm(k, s, -2, dst, MIDDLE, 0);
	}
	for (unsigned i = 0; i < sizeof(offs) / sizeof(offs[0]); i++) {
		for (int at = MIDDLE; at < MIDDLE + 8; at++) { /* Not aligned, most of them. */
			load(k, s, false, i % CASE_REGS, (i + 3) % CASE_REGS, at, offs[i]);
			store(k, s, i % CASE_REGS, (i + 3) % CASE_REGS, at, offs[i]);
			store_imm(k, s, imms[i % 6], i % CASE_REGS, at, offs[i]);
		}
	}
}

/* r10 itself as the pointer. */
static void frame_accesses(struct cases *k)
{
	static const int offs[] = {-8, -16, -128, -136, -512};

	for (unsigned i = 0; i < 5; i++) {
		case_begin(k, "the frame at %d", offs[i]);
		case_wide(k, BPF_REG_6, 0x1122334455667788);
		case_add(k, E_STX(BPF_DW, BPF_REG_10, BPF_REG_6, offs[i]));
		case_add(k, E_ST(BPF_B, BPF_REG_10, offs[i] + 2, 0x99));
		case_add(k, E_LDX(BPF_DW, BPF_REG_0, BPF_REG_10, offs[i]));
		case_end(k, 0x1122334455997788);
	}
}

struct atomic {
	const char *name;
	int32_t code;
};

static const struct atomic atomics[] = {
	{"add", BPF_ADD},
	{"or", BPF_OR},
	{"and", BPF_AND},
	{"xor", BPF_XOR},
	{"fetch-add", BPF_ADD | BPF_FETCH},
	{"fetch-or", BPF_OR | BPF_FETCH},
	{"fetch-and", BPF_AND | BPF_FETCH},
	{"fetch-xor", BPF_XOR | BPF_FETCH},
	{"xchg", BPF_XCHG},
	{"cmpxchg", BPF_CMPXCHG},
};

/* What memory becomes. */
static uint64_t atomic_result(int32_t code, uint64_t old, uint64_t v, bool equal)
{
	switch (code) {
	case BPF_XCHG:
		return v;
	case BPF_CMPXCHG:
		return equal ? v : old;
	default:
		break;
	}
	switch (code & ~BPF_FETCH) {
	case BPF_ADD:
		return old + v;
	case BPF_OR:
		return old | v;
	case BPF_AND:
		return old & v;
	default:
		return old ^ v;
	}
}

/* The operand; 'equal': r0 is what memory has (for cmpxchg), if base and source leave it alone. */
static void atomic(struct cases *k, const struct atomic *a, bool wide, unsigned src, unsigned base,
		   uint64_t v, bool equal)
{
	unsigned size = wide ? 8 : 4;
	uint64_t regs[CASE_REGS], old, new, mask = wide ? UINT64_MAX : UINT32_MAX;
	uint8_t window[WINDOW_SIZE];

	if (src == base || (a->code == BPF_CMPXCHG && base == BPF_REG_0))
		return;
	case_begin(k, "atomic %s%u [r%u], r%u of %#llx%s", a->name, size * 8, base, src,
		   (unsigned long long)v, equal ? ", equal" : "");
	begin(k, regs, window, src + base);
	regs[src] = v;
	case_wide(k, src, v);
	old = peek(window + MIDDLE, size);
	if (equal && src != BPF_REG_0) { /* In 32 bits the upper half does not matter. */
		regs[0] = wide ? old : old | 0xabcd00000000;
		case_wide(k, BPF_REG_0, regs[0]);
	}
	point(k, base, MIDDLE, 8);
	case_add(k, E(BPF_STX | BPF_ATOMIC | (wide ? BPF_DW : BPF_W), base, src, 8, a->code));
	case_add(k, E_MOVK(base, 0));
	new = atomic_result(a->code, old, v, (regs[0] & mask) == old);
	regs[base] = 0;
	if (a->code == BPF_CMPXCHG)
		regs[0] = old;
	else if (a->code & BPF_FETCH)
		regs[src] = old;
	memcpy(window + MIDDLE, &new, size);
	end(k, regs, window);
}

static void all_atomics(struct cases *k)
{
	for (unsigned i = 0; i < sizeof(atomics) / sizeof(atomics[0]); i++) {
		for (unsigned src = 0; src < CASE_REGS; src++) {
			for (unsigned base = 0; base < CASE_REGS; base++) {
				atomic(k, &atomics[i], true, src, base, 0x8877665544332211, false);
				atomic(k, &atomics[i], false, src, base, 0x8877665544332211, false);
				atomic(k, &atomics[i], true, src, base, 0xf0f0f0f00f0f0f0f, true);
				atomic(k, &atomics[i], false, src, base, 0xf0f0f0f00f0f0f0f, true);
			}
		}
		for (unsigned e = 0; e < CASE_N_EDGES; e++) {
			atomic(k, &atomics[i], true, BPF_REG_6, BPF_REG_7, case_edges[e], true);
			atomic(k, &atomics[i], false, BPF_REG_6, BPF_REG_7, case_edges[e], true);
		}
	}
}

static void ctx_word(struct cases *k, const char *name, int16_t off, uint64_t expected)
{
	for (unsigned r = 0; r < CASE_REGS; r++) {
		case_begin(k, "xdp_md.%s in r%u", name, r);
		case_add(k, E_MOV(BPF_REG_6, BPF_REG_1));
		case_add(k, E_LDX(BPF_W, r, BPF_REG_6, off));
		case_add(k, E_MOV(BPF_REG_0, r));
		case_end(k, expected);
	}
}

/* b - a, two pointers of the context. */
static void ctx_distance(struct cases *k, int16_t a, int16_t b, uint64_t expected)
{
	case_begin(k, "xdp_md: from %d to %d", a, b);
	case_add(k, E_LDX(BPF_W, BPF_REG_0, BPF_REG_1, b));
	case_add(k, E_LDX(BPF_W, BPF_REG_1, BPF_REG_1, a));
	case_add(k, E_ALU(BPF_SUB, BPF_REG_0, BPF_REG_1));
	case_end(k, expected);
}

#define MD(field) offsetof(struct xdp_md, field)

/* A function cannot know what it gets: once the context, once memory. */
static void ctx_or_memory(struct cases *k)
{
	case_begin(k, "a function that reads the context or memory");
	case_add(k, E_MOV(BPF_REG_6, BPF_REG_1));
	case_add(k, E_LOCAL(8));
	case_add(k, E_MOV(BPF_REG_7, BPF_REG_0));
	case_add(k, E_ST(BPF_W, BPF_REG_10, -8, 0x1234567));
	case_add(k, E_MOV(BPF_REG_1, BPF_REG_10));
	case_add(k, E_ALUK(BPF_ADD, BPF_REG_1, -8 - (int)MD(ingress_ifindex)));
	case_add(k, E_LOCAL(3));
	case_add(k, E_ALUK(BPF_LSH, BPF_REG_7, 32));
	case_add(k, E_ALU(BPF_OR, BPF_REG_0, BPF_REG_7));
	case_add(k, E_EXIT);
	case_add(k, E_LDX(BPF_W, BPF_REG_0, BPF_REG_1, MD(ingress_ifindex)));
	case_end(k, 0x8000001101234567);
}

static void ctx(struct cases *k)
{
	ctx_word(k, "ingress_ifindex", MD(ingress_ifindex), 0x80000011);
	ctx_word(k, "rx_queue_index", MD(rx_queue_index), 22);
	ctx_word(k, "egress_ifindex", MD(egress_ifindex), 33);
	ctx_distance(k, MD(data), MD(data_end), 64);
	ctx_distance(k, MD(data_meta), MD(data), 8);
	case_begin(k, "the packet's bytes");
	case_add(k, E_LDX(BPF_W, BPF_REG_2, BPF_REG_1, MD(data)));
	case_add(k, E_LDX(BPF_H, BPF_REG_0, BPF_REG_2, 12));
	case_add(k, E(BPF_ALU | BPF_END | BPF_TO_BE, BPF_REG_0, 0, 0, 16));
	case_end(k, (12 * 7 + 1) << 8 | (13 * 7 + 1));
	ctx_or_memory(k);
}

void cases_memory(struct cases *k)
{
	for (unsigned s = 0; s < 4; s++)
		accesses(k, s);
	frame_accesses(k);
	all_atomics(k);
	ctx(k);
}
