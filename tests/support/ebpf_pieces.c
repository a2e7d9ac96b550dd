/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Random programs; see ebpf_pieces.h.
 */
#include "tests/support/ebpf_pieces.h"

#include <stdbool.h>
#include <stddef.h>

#include "tests/support/ebpf_cases.h"
#include "tests/support/packet.h"

#define R0  BPF_REG_0
#define R1  BPF_REG_1
#define R2  BPF_REG_2
#define R3  BPF_REG_3
#define R4  BPF_REG_4
#define R5  BPF_REG_5
#define R6  BPF_REG_6
#define R7  BPF_REG_7
#define R8  BPF_REG_8
#define R9  BPF_REG_9
#define R10 BPF_REG_10

#define MAX_PIECES  64
#define N_POINTERS  4 /* slots of the stack that hold r6 to r9, or what was there */
#define NUMBERS_TOP (-8 * (N_POINTERS + 1))
#define N_NUMBERS   4					/* slots below those that hold numbers */
#define PAIR	    (-8 * (N_POINTERS + N_NUMBERS + 2)) /* two more, for functions */
#define MAX_EXITS   64

struct random {
	struct bpf_insn *insns;
	uint32_t n;
	uint64_t *state;
	uint32_t exits[MAX_EXITS]; /* jumps to the end */
	uint32_t n_exits;
	uint32_t calls[MAX_PIECES]; /* of the function */
	uint32_t n_calls;
	uint32_t callbacks[MAX_PIECES];
	uint32_t n_callbacks;
};

static uint32_t below(struct random *r, uint32_t n)
{
	return (uint32_t)(pkt_rand(r->state) >> 33) % n;
}

static void add(struct random *r, struct bpf_insn insn)
{
	r->insns[r->n++] = insn;
}

static void add_wide(struct random *r, struct bpf_insn first)
{
	add(r, first);
	add(r, (struct bpf_insn){0});
}

static unsigned number(struct random *r)
{
	return below(r, 6);
}

static unsigned pointer(struct random *r)
{
	return 6 + below(r, 4);
}

static uint8_t any_size(struct random *r)
{
	static const uint8_t sizes[] = {BPF_B, BPF_H, BPF_W, BPF_DW};

	return sizes[below(r, 4)];
}

static int constant(struct random *r)
{
	static const int constants[] = {0,  1,	-1,  2,	    7,	       31,
					32, 63, 255, 65535, INT32_MAX, INT32_MIN};

	return below(r, 3) ? constants[below(r, 12)] : (int)pkt_rand(r->state);
}

static void add_exit_if(struct random *r, struct bpf_insn jump)
{
	r->exits[r->n_exits++] = r->n;
	add(r, jump);
}

/* Pieces */

static void arithmetic(struct random *r)
{
	static const uint8_t ops[] = {BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_MOD,  BPF_OR,
				      BPF_AND, BPF_XOR, BPF_LSH, BPF_RSH, BPF_ARSH, BPF_MOV};
	uint8_t class = below(r, 2) ? BPF_ALU64 : BPF_ALU, op = ops[below(r, 12)];
	unsigned dst = number(r), src = number(r);
	bool shift = op == BPF_LSH || op == BPF_RSH || op == BPF_ARSH;
	int imm = constant(r), off = 0;

	if (shift)
		imm &= class == BPF_ALU ? 31 : 63;
	if ((op == BPF_DIV || op == BPF_MOD) && imm == 0)
		imm = 3;
	/* By a register the verifier wants to know that it is not too far. */
	if (below(r, 2) && shift)
		add(r, E_ALUK(BPF_AND, src, 31));
	if (op == BPF_DIV || op == BPF_MOD)
		off = (int)below(r, 2); /* with signs */
	if (below(r, 2))
		add(r, E(class | op | BPF_X, dst, src, off, 0));
	else
		add(r, E(class | op | BPF_K, dst, 0, off, imm));
}

static void unary(struct random *r)
{
	static const int bits[] = {16, 32, 64};

	switch (below(r, 7)) {
	case 0:
	case 1:
		add(r, E((below(r, 2) ? BPF_ALU64 : BPF_ALU) | BPF_NEG, number(r), 0, 0, 0));
		break;
	case 2:
		add(r, E(BPF_ALU64 | BPF_END, number(r), 0, 0, bits[below(r, 3)]));
		break;
	case 3:
		add(r, E(BPF_ALU64 | BPF_MOV | BPF_X, number(r), number(r), 8 << below(r, 3), 0));
		break;
	case 4:
		add(r, E(BPF_ALU | BPF_MOV | BPF_X, number(r), number(r), 8 << below(r, 2), 0));
		break;
	case 5:
		add(r, E(BPF_ALU | BPF_END | (below(r, 2) ? BPF_TO_BE : BPF_TO_LE), number(r), 0, 0,
			 bits[below(r, 3)]));
		break;
	default:
		add(r, E_MOVK(number(r), constant(r)));
		break;
	}
}

static void load_or_store(struct random *r)
{
	uint8_t size = any_size(r);
	/* Mostly by a pointer that is right: the packet, the map. */
	unsigned by = below(r, 8) ? (below(r, 2) ? R7 : R9) : pointer(r);
	int16_t off = (int16_t)below(r, EBPF_PIECES_VALUE - 7);

	if (off <= 8)
		off += 12; /* Of the context, those would be addresses. */
	if (below(r, 4) == 0 && size != BPF_DW)
		add(r, E(BPF_LDX | EBPF_MEMSX | size, number(r), by, off, 0));
	else if (below(r, 2))
		add(r, E_LDX(size, number(r), by, off));
	else if (below(r, 2))
		add(r, E_STX(size, by, number(r), off));
	else
		add(r, E_ST(size, by, off, constant(r)));
}

/* Four bytes at a place where the context has a number. */
static void load_like_ctx(struct random *r)
{
	add(r, E_LDX(BPF_W, number(r), pointer(r), below(r, 2) ? 12 : 16));
}

static void atomic(struct random *r)
{
	static const int ops[] = {BPF_ADD,
				  BPF_OR,
				  BPF_AND,
				  BPF_XOR,
				  BPF_ADD | BPF_FETCH,
				  BPF_OR | BPF_FETCH,
				  BPF_AND | BPF_FETCH,
				  BPF_XOR | BPF_FETCH,
				  BPF_XCHG,
				  BPF_CMPXCHG};
	bool stack = below(r, 3) == 0;
	int16_t off = stack ? NUMBERS_TOP - 8 * (int)below(r, N_NUMBERS) : 8 * (int)below(r, 8);

	add(r, E(BPF_STX | BPF_ATOMIC | (below(r, 2) ? BPF_W : BPF_DW), stack ? R10 : R9, number(r),
		 off, ops[below(r, 10)]));
}

static void spill_or_fill(struct random *r)
{
	int16_t numbers = NUMBERS_TOP - 8 * (int)below(r, N_NUMBERS);
	int16_t pointers = -8 * (int)(1 + below(r, N_POINTERS));

	switch (below(r, 5)) {
	case 0:
		add(r, E_STX(BPF_DW, R10, number(r), numbers));
		break;
	case 1:
		add(r, E_LDX(any_size(r), number(r), R10, numbers));
		break;
	case 2:
		add(r, E_STX(BPF_DW, R10, pointer(r), pointers));
		break;
	case 3:
		add(r, E_LDX(BPF_DW, pointer(r), R10, pointers));
		break;
	default:
		add(r, E_MOV(pointer(r), pointer(r)));
		break;
	}
}

/* The packet's ends, and that the bytes are there; by whatever is in r6. */
static void fetch_packet(struct random *r)
{
	add(r, E_LDX(BPF_W, R7, R6, 0));
	add(r, E_LDX(BPF_W, R8, R6, 4));
	add(r, E_MOV(R1, R7));
	add(r, E_ALUK(BPF_ADD, R1, EBPF_PIECES_PACKET));
	add_exit_if(r, E_JMP(BPF_JGT, R1, R8, 0));
	add(r, E_MOVK(R1, 1));
}

static void fetch_value(struct random *r, int map_fd)
{
	add(r, E_ST(BPF_W, R10, NUMBERS_TOP, 0));
	add(r, E_MOV(R2, R10));
	add(r, E_ALUK(BPF_ADD, R2, NUMBERS_TOP));
	add_wide(r, E(BPF_LD | BPF_IMM | BPF_DW, R1, BPF_PSEUDO_MAP_FD, 0, map_fd));
	add(r, E_CALL(BPF_FUNC_map_lookup_elem));
	add_exit_if(r, E_JMPK(BPF_JEQ, R0, 0, 0));
	add(r, E_MOV(R9, R0));
}

static void set_numbers(struct random *r)
{
	for (unsigned reg = R0; reg <= R5; reg++)
		add(r, E_MOVK(reg, constant(r)));
}

static void adjust(struct random *r)
{
	add(r, E_LDX(BPF_DW, R6, R10, -8)); /* The context, unless it was overwritten. */
	add(r, E_MOV(R1, R6));
	add(r, E_MOVK(R2, (int)below(r, 20) - 10));
	add(r, E_CALL(below(r, 2) ? BPF_FUNC_xdp_adjust_head : BPF_FUNC_xdp_adjust_tail));
	set_numbers(r);
	fetch_packet(r);
}

static void checksum(struct random *r)
{
	add(r, E_MOVK(R1, 0));
	add(r, E_MOVK(R2, 0));
	add(r, E_MOV(R3, below(r, 2) ? R7 : R9));
	add(r, E_MOVK(R4, 4 * (int)below(r, 16)));
	add(r, E_CALL(BPF_FUNC_csum_diff));
	add(r, E_MOV(R1, R0));
	for (unsigned reg = R2; reg <= R5; reg++)
		add(r, E_MOVK(reg, constant(r)));
}

/* A pair on the stack, of which the function gets the address: what is the context, what memory? */
static void store_pair(struct random *r)
{
	bool swapped = below(r, 4) == 0;

	add(r, E_STX(BPF_DW, R10, swapped ? R9 : R6, PAIR));
	add(r, E_STX(BPF_DW, R10, swapped ? R6 : below(r, 2) ? R9 : R7, PAIR + 8));
}

static void call_function(struct random *r)
{
	store_pair(r);
	add(r, E_MOV(R1, R10));
	add(r, E_ALUK(BPF_ADD, R1, PAIR));
	add(r, E_MOV(R2, number(r) > R1 ? R3 : R2));
	add(r, E_MOV(R3, R6));
	r->calls[r->n_calls++] = r->n;
	add(r, E_LOCAL(0));
	add(r, E_MOV(R1, R0));
	for (unsigned reg = R2; reg <= R5; reg++)
		add(r, E_MOVK(reg, constant(r)));
}

static void loop(struct random *r)
{
	store_pair(r);
	add(r, E_MOVK(R1, (int)below(r, 9)));
	r->callbacks[r->n_callbacks++] = r->n;
	add_wide(r, E(BPF_LD | BPF_IMM | BPF_DW, R2, BPF_PSEUDO_FUNC, 0, 0));
	add(r, E_MOV(R3, R10));
	add(r, E_ALUK(BPF_ADD, R3, PAIR));
	add(r, E_MOVK(R4, 0));
	add(r, E_CALL(BPF_FUNC_loop));
	for (unsigned reg = R1; reg <= R5; reg++)
		add(r, E_MOVK(reg, constant(r)));
}

static void piece(struct random *r, int map_fd)
{
	switch (below(r, 24)) {
	case 0:
		adjust(r);
		break;
	case 1:
		fetch_value(r, map_fd);
		set_numbers(r);
		break;
	case 2:
		checksum(r);
		break;
	case 3:
		call_function(r);
		break;
	case 4:
		loop(r);
		break;
	case 5:
	case 6:
		atomic(r);
		break;
	case 7:
	case 8:
		spill_or_fill(r);
		break;
	case 9:
		load_like_ctx(r);
		break;
	case 10:
	case 11:
		unary(r);
		break;
	case 12:
	case 13:
	case 14:
	case 15:
		load_or_store(r);
		break;
	default:
		arithmetic(r);
		break;
	}
}

/* A jump over what follows, up to three pieces of it. */
static void jump_over(struct random *r, int map_fd)
{
	static const uint8_t ops[] = {BPF_JEQ,	BPF_JNE,  BPF_JGT,  BPF_JGE,  BPF_JLT, BPF_JLE,
				      BPF_JSET, BPF_JSGT, BPF_JSGE, BPF_JSLT, BPF_JSLE};
	uint8_t class = below(r, 2) ? BPF_JMP : BPF_JMP32, op = ops[below(r, 11)];
	uint32_t at = r->n;

	if (below(r, 2))
		add(r, E(class | op | BPF_X, number(r), number(r), 0, 0));
	else
		add(r, E(class | op | BPF_K, number(r), 0, 0, constant(r)));
	for (uint32_t k = 1 + below(r, 3); k > 0; k--)
		piece(r, map_fd);
	if (below(r, 4) == 0)
		add(r, E(BPF_JMP32 | BPF_JA, 0, 0, 0, 0)); /* a long one, to the next */
	r->insns[at].off = (int16_t)(r->n - at - 1);
}

static void begin(struct random *r, int map_fd)
{
	add(r, E_MOV(R6, R1));
	for (int slot = 1; slot <= N_POINTERS + N_NUMBERS + 2; slot++)
		add(r, E_ST(BPF_DW, R10, -8 * slot, 0));
	add(r, E_STX(BPF_DW, R10, R6, -8));
	fetch_packet(r);
	fetch_value(r, map_fd);
	set_numbers(r);
}

/* All ends are here: the verdict is XDP_ABORTED to XDP_TX. */
static void end(struct random *r)
{
	for (uint32_t k = 0; k < r->n_exits; k++)
		r->insns[r->exits[k]].off = (int16_t)(r->n + 2 - r->exits[k] - 1);
	add(r, E_ALUK(BPF_AND, R0, 3));
	add(r, E_EXIT);
	add(r, E_MOVK(R0, EBPF_PASS));
	add(r, E_EXIT);
}

/* f(pair, number, context): reads by the first, writes by the second. */
static void function(struct random *r)
{
	for (uint32_t k = 0; k < r->n_calls; k++)
		r->insns[r->calls[k]].imm = (int)(r->n - r->calls[k] - 1);
	if (r->n_calls == 0)
		return;
	add(r, E_LDX(BPF_DW, R4, R1, 0));
	add(r, E_LDX(BPF_W, R0, R4, 12));
	add(r, E_LDX(BPF_DW, R5, R1, 8));
	add(r, E_STX(BPF_H, R5, R2, 14 + (int)below(r, 40)));
	add(r, E_LDX(BPF_W, R4, R5, (int)below(r, 6) * 4));
	add(r, E_ALU(BPF_ADD, R0, R4));
	add(r, E_LDX(BPF_W, R4, R3, 12));
	add(r, E_ALU(BPF_XOR, R0, R4));
	add(r, E_EXIT);
}

/* callback(index, pair) */
static void callback(struct random *r)
{
	for (uint32_t k = 0; k < r->n_callbacks; k++)
		r->insns[r->callbacks[k]].imm = (int)(r->n - r->callbacks[k] - 1);
	if (r->n_callbacks == 0)
		return;
	add(r, E_LDX(BPF_DW, R3, R2, 0));
	add(r, E_LDX(BPF_W, R4, R3, 16));
	add(r, E_LDX(BPF_DW, R5, R2, 8));
	add(r, E_LDX(BPF_W, R3, R5, 8));
	add(r, E_ALU(BPF_ADD, R3, R1));
	add(r, E_ALU(BPF_ADD, R3, R4));
	add(r, E_STX(BPF_W, R5, R3, 16));
	add(r, E_MOV(R0, R3));
	add(r, E_ALUK(BPF_AND, R0, 1));
	add(r, E_EXIT);
}

uint32_t ebpf_pieces(struct bpf_insn *insns, int map_fd, uint64_t *state)
{
	struct random r = {.insns = insns, .state = state};

	begin(&r, map_fd);
	for (uint32_t k = 1 + below(&r, 12); k > 0; k--) {
		if (below(&r, 4) == 0)
			jump_over(&r, map_fd);
		else
			piece(&r, map_fd);
	}
	end(&r);
	function(&r);
	callback(&r);
	return r.n;
}
