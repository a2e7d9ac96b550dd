/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is found out about programs before they run: which loads are of the context, whether they
 * write to packets, how much stack they use.
 *
 * The programs are such as the verifier would let pass (nobody asks it here), and none is run.
 */
#include "filters/ebpf/prog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/support/ebpf_cases.h"

#define R0  BPF_REG_0
#define R1  BPF_REG_1
#define R2  BPF_REG_2
#define R3  BPF_REG_3
#define R4  BPF_REG_4
#define R6  BPF_REG_6
#define R7  BPF_REG_7
#define R8  BPF_REG_8
#define R10 BPF_REG_10

#define FD_ARRAY 7

#define DATA	 E_LDX(BPF_W, R2, R1, 0)
#define DATA_END E_LDX(BPF_W, R3, R1, 4)

static struct ebpf_map *array;

static struct ebpf_prog *examine_opts(struct ebpf_prog_opts *opts)
{
	const struct ebpf_map_ref ref = {.fd = FD_ARRAY, .map = array};
	struct ebpf_prog *prog = NULL;
	struct err err = {0};

	opts->name = "p";
	opts->maps = &ref;
	opts->n_maps = 1;
	opts->interpret = true;
	opts->gpl = true;
	if (ebpf_prog_create(opts, &prog, &err) != 0)
		fail_msg("%s: %s", err.what, err.why);
	return prog;
}

static struct ebpf_prog *examine_n(const struct bpf_insn *insns, uint32_t n)
{
	struct ebpf_prog_opts opts = {.insns = insns, .n = n};

	return examine_opts(&opts);
}

/* Of the array 'insns' in sight. */
#define EXAMINE() examine_n(insns, sizeof(insns) / sizeof(insns[0]))

#define assert_does(prog, bit)	   assert_int_equal((prog)->does &(bit), bit)
#define assert_does_not(prog, bit) assert_int_equal((prog)->does &(bit), 0)

static void loads_of_the_context_are_told_from_loads_of_packets(void **state)
{
	const struct bpf_insn insns[] = {
		DATA,
		DATA_END,
		E_MOV(R4, R2),
		E_ALUK(BPF_ADD, R4, 20),
		E_JMP(BPF_JGT, R4, R3, 1),
		E_LDX(BPF_W, R0, R2, 8),
		E_LDX(BPF_W, R0, R1, 12),
		E_EXIT,
	};
	struct ebpf_prog *prog = EXAMINE();

	assert_int_equal(prog->notes[0], EBPF_CTX);
	assert_int_equal(prog->notes[1], EBPF_CTX);
	assert_int_equal(prog->notes[5], EBPF_PLAIN);
	assert_int_equal(prog->notes[6], EBPF_CTX);
	assert_int_equal(prog->does, EBPF_READS_CTX | EBPF_READS_BYTES);
	ebpf_prog_unref(prog);
}

static void program_that_only_passes_does_nothing(void **state)
{
	const struct bpf_insn insns[] = {E_MOVK(R0, EBPF_PASS), E_EXIT};
	struct ebpf_prog *prog = EXAMINE();

	assert_int_equal(prog->does, 0);
	assert_int_equal(prog->funcs[0].stack, 0);
	ebpf_prog_unref(prog);
}

static void context_survives_a_spill_and_a_helper(void **state)
{
	const struct bpf_insn insns[] = {
		E_STX(BPF_DW, R10, R1, -16),   E_ST(BPF_DW, R10, -8, 0),
		E_CALL(BPF_FUNC_ktime_get_ns), E_LDX(BPF_DW, R6, R10, -16),
		E_LDX(BPF_W, R0, R6, 16),      E_EXIT,
	};
	struct ebpf_prog *prog = EXAMINE();

	assert_int_equal(prog->notes[4], EBPF_CTX);
	assert_int_equal(prog->funcs[0].stack, 16);
	ebpf_prog_unref(prog);
}

static void store_to_a_packet_is_found_and_one_to_a_map_is_none(void **state)
{
	const struct bpf_insn insns[] = {
		E_MOV(R6, R1),
		E_ST(BPF_W, R10, -4, 0),
		E_MOV(R2, R10),
		E_ALUK(BPF_ADD, R2, -4),
		E_FD(R1, BPF_PSEUDO_MAP_FD, FD_ARRAY, 0),
		E_CALL(BPF_FUNC_map_lookup_elem),
		E_JMPK(BPF_JEQ, R0, 0, 3),
		E_LDX(BPF_W, R1, R0, 0),
		E_ALUK(BPF_ADD, R1, 1),
		E_STX(BPF_W, R0, R1, 0),
		E_MOVK(R0, 2),
		E_EXIT,
	};
	struct bpf_insn writing[] = {
		DATA,
		E_ST(BPF_B, R2, 0, 1),
		E_MOVK(R0, 2),
		E_EXIT,
	};
	struct ebpf_prog *prog = EXAMINE();

	assert_does_not(prog, EBPF_WRITES_PACKET);
	assert_int_equal(prog->notes[8], EBPF_PLAIN);
	assert_int_equal(prog->funcs[0].stack, 8);
	ebpf_prog_unref(prog);

	prog = examine_n(writing, 4);
	assert_does(prog, EBPF_WRITES_PACKET);
	ebpf_prog_unref(prog);
	/* By its metadata, too. */
	writing[0].off = offsetof(struct xdp_md, data_meta);
	prog = examine_n(writing, 4);
	assert_does(prog, EBPF_WRITES_PACKET | EBPF_READS_META);
	ebpf_prog_unref(prog);
}

static void global_data_is_memory(void **state)
{
	const struct bpf_insn insns[] = {
		E_FD(R2, BPF_PSEUDO_MAP_VALUE, FD_ARRAY, 8),
		E_LDX(BPF_W, R3, R2, 0),
		E_STX(BPF_DW, R2, R3, 0),
		E_MOVK(R0, 2),
		E_EXIT,
	};
	struct ebpf_prog *prog = EXAMINE();

	assert_int_equal(prog->does, 0);
	assert_int_equal(prog->notes[2], EBPF_PLAIN);
	ebpf_prog_unref(prog);
}

/* A register that is the context by one way and a map's value by the other. */
static void load_by_what_may_be_either_is_asked_when_it_runs(void **state)
{
	const struct bpf_insn insns[] = {
		E_FD(R2, BPF_PSEUDO_MAP_VALUE, FD_ARRAY, 0),
		E_CALL(BPF_FUNC_get_prandom_u32), /* r1 to r5 are lost */
		E_MOV(R6, R6),
		E_MOVK(R0, 2),
		E_EXIT,
	};
	const struct bpf_insn either[] = {
		E_MOV(R6, R1),
		E_CALL(BPF_FUNC_get_prandom_u32),
		E_JMPK(BPF_JSET, R0, 1, 2),
		E_FD(R6, BPF_PSEUDO_MAP_VALUE, FD_ARRAY, 0),
		E_LDX(BPF_W, R0, R6, 12),
		E_LDX(BPF_W, R0, R6, 24),
		E_LDX(BPF_H, R0, R6, 12),
		E_EXIT,
	};
	struct ebpf_prog *prog = EXAMINE();

	ebpf_prog_unref(prog);
	prog = examine_n(either, sizeof(either) / sizeof(either[0]));
	assert_int_equal(prog->notes[5], EBPF_MAYBE_CTX);
	assert_int_equal(prog->notes[6], EBPF_PLAIN); /* no field of it */
	assert_int_equal(prog->notes[7], EBPF_PLAIN); /* two bytes */
	assert_does(prog, EBPF_READS_CTX);
	ebpf_prog_unref(prog);
}

/* NULL or a packet pointer, as parsers return it; the loop runs to where it was NULL first. */
static void pointer_that_was_null_is_still_known(void **state)
{
	const struct bpf_insn insns[] = {
		E_MOVK(R6, 0),
		E_MOVK(R7, 0),
		/* 2: */ E_JMPK(BPF_JEQ, R6, 0, 2),
		E_ST(BPF_B, R6, 0, 1),
		E_LDX(BPF_W, R0, R6, 0),
		E_LDX(BPF_W, R6, R1, 0),
		E_ALUK(BPF_ADD, R7, 1),
		E_JMPK(BPF_JLT, R7, 4, -6),
		E_MOVK(R0, 2),
		E_EXIT,
	};
	struct ebpf_prog *prog = EXAMINE();

	assert_int_equal(prog->notes[4], EBPF_PLAIN);
	assert_int_equal(prog->notes[5], EBPF_CTX);
	assert_int_equal(prog->does, EBPF_READS_CTX | EBPF_READS_BYTES | EBPF_WRITES_PACKET);
	ebpf_prog_unref(prog);
}

/* A length, not a pointer: added to a map's value it leaves that what it is. */
static void difference_of_packet_pointers_is_a_number(void **state)
{
	const struct bpf_insn insns[] = {
		DATA,
		DATA_END,
		E_ALU(BPF_SUB, R3, R2),
		E_FD(R4, BPF_PSEUDO_MAP_VALUE, FD_ARRAY, 0),
		E_ALU(BPF_ADD, R3, R4),
		E_ST(BPF_W, R3, 0, 1),
		E_LDX(BPF_W, R0, R3, 4),
		E_EXIT,
	};
	struct ebpf_prog *prog = EXAMINE();

	assert_int_equal(prog->notes[7], EBPF_PLAIN);
	assert_does_not(prog, EBPF_WRITES_PACKET);
	ebpf_prog_unref(prog);
}

static void function_gets_what_its_callers_give_it(void **state)
{
	const struct bpf_insn insns[] = {
		E_MOV(R6, R1),
		E_MOV(R2, R1),
		E_LOCAL(3), /* f(ctx, ctx) */
		E_MOV(R1, R6),
		E_LOCAL(4), /* g(ctx) */
		E_EXIT,
		/* 6: f */
		E_LDX(BPF_W, R0, R2, 12),
		E_LDX(BPF_W, R3, R1, 0),
		E_EXIT,
		/* 9: g */
		E_LDX(BPF_W, R0, R1, 4),
		E_EXIT,
	};
	struct ebpf_prog *prog = EXAMINE();

	assert_int_equal(prog->n_funcs, 3);
	assert_int_equal(prog->notes[6], EBPF_CTX);
	assert_int_equal(prog->notes[7], EBPF_CTX);
	assert_int_equal(prog->notes[9], EBPF_CTX);
	ebpf_prog_unref(prog);
}

/* Two callers that give it different things; what it returns differs as well. */
static void arguments_join_over_all_calls(void **state)
{
	const struct bpf_insn insns[] = {
		E_MOV(R6, R1),
		E_LDX(BPF_W, R1, R6, 0),
		E_LOCAL(9),
		E_ST(BPF_B, R0, 0, 0), /* what f() returned: may be a packet */
		E_FD(R1, BPF_PSEUDO_MAP_VALUE, FD_ARRAY, 0),
		E_LOCAL(5),
		E_MOV(R1, R6),
		E_LOCAL(3),
		E_LDX(BPF_W, R0, R0, 0), /* 9: may be the context */
		E_MOVK(R0, 2),
		E_EXIT,
		/* 12: f */
		E_LDX(BPF_W, R2, R1, 8),
		E_MOV(R0, R1),
		E_EXIT,
	};
	struct ebpf_prog *prog;

	prog = EXAMINE();
	assert_int_equal(prog->funcs[1].start, 12);
	assert_int_equal(prog->notes[12], EBPF_MAYBE_CTX);
	assert_int_equal(prog->notes[9], EBPF_MAYBE_CTX);
	assert_does(prog, EBPF_WRITES_PACKET | EBPF_READS_META | EBPF_READS_BYTES);
	ebpf_prog_unref(prog);
}

/* A struct on the caller's stack that holds the context and a packet pointer. */
static void function_finds_the_context_in_its_callers_frame(void **state)
{
	const struct bpf_insn insns[] = {
		E_STX(BPF_DW, R10, R1, -16),
		DATA,
		E_STX(BPF_DW, R10, R2, -8),
		E_MOV(R1, R10),
		E_ALUK(BPF_ADD, R1, -16),
		E_LOCAL(2),
		E_MOVK(R0, 2),
		E_EXIT,
		/* 8: f */
		E_LDX(BPF_DW, R2, R1, 0),
		E_LDX(BPF_W, R0, R2, 12),
		E_LDX(BPF_DW, R2, R1, 8),
		E_ST(BPF_B, R2, 0, 1),
		E_EXIT,
	};
	struct ebpf_prog *prog = EXAMINE();

	assert_int_equal(prog->notes[9], EBPF_MAYBE_CTX);
	assert_does(prog, EBPF_WRITES_PACKET);
	assert_int_equal(prog->funcs[0].stack, EBPF_STACK_SIZE);
	assert_int_equal(prog->funcs[1].stack, 0);
	ebpf_prog_unref(prog);
}

/* It puts the context into its caller's frame; the caller loads by it. */
static void caller_finds_what_a_function_put_into_its_frame(void **state)
{
	const struct bpf_insn insns[] = {
		E_ST(BPF_DW, R10, -8, 0),
		E_MOV(R2, R10),
		E_ALUK(BPF_ADD, R2, -8),
		E_LOCAL(4),
		E_LDX(BPF_DW, R6, R10, -8),
		E_LDX(BPF_W, R0, R6, 0),
		E_ST(BPF_B, R6, 0, 1),
		E_EXIT,
		/* 8: f(ctx, &slot) */
		E_STX(BPF_DW, R2, R1, 0),
		E_LDX(BPF_W, R3, R1, 0),
		E_STX(BPF_DW, R2, R3, 0),
		E_MOVK(R0, 0),
		E_EXIT,
	};
	struct ebpf_prog *prog = EXAMINE();

	assert_int_equal(prog->notes[5], EBPF_MAYBE_CTX);
	assert_int_equal(prog->notes[9], EBPF_CTX);
	assert_does(prog, EBPF_WRITES_PACKET);
	ebpf_prog_unref(prog);
}

static void callback_finds_the_context_in_its_data(void **state)
{
	const struct bpf_insn insns[] = {
		E_STX(BPF_DW, R10, R1, -8),
		E_MOVK(R1, 4),
		E_FUNC(R2, 8),
		E_MOV(R3, R10),
		E_ALUK(BPF_ADD, R3, -8),
		E_MOVK(R4, 0),
		E_CALL(BPF_FUNC_loop),
		E_MOVK(R0, 2),
		E_EXIT,
		E_EXIT, /* never reached */
		/* 11: callback(index, &ctx) */
		E_LDX(BPF_DW, R3, R2, 0),
		E_LDX(BPF_W, R4, R3, 0),
		E_LDX(BPF_W, R1, R3, 4),
		E_MOVK(R0, 0),
		E_EXIT,
	};
	struct ebpf_prog *prog = EXAMINE();

	assert_int_equal(prog->n_funcs, 2);
	assert_int_equal(ebpf_wide_imm(&prog->insns[2]), 11);
	assert_int_equal(prog->notes[12], EBPF_CTX);
	assert_int_equal(prog->notes[13], EBPF_CTX);
	assert_does(prog, EBPF_CALLS_BACK | EBPF_READS_CTX);
	assert_does_not(prog, EBPF_WRITES_PACKET);
	ebpf_prog_unref(prog);
}

/* Its value is a map's, so what it stores there is no packet's. */
static void callback_of_each_element_writes_to_its_map(void **state)
{
	const struct bpf_insn insns[] = {
		E_FD(R1, BPF_PSEUDO_MAP_FD, FD_ARRAY, 0),
		E_FUNC(R2, 6),
		E_MOVK(R3, 0),
		E_MOVK(R4, 0),
		E_CALL(BPF_FUNC_for_each_map_elem),
		E_MOVK(R0, 2),
		E_EXIT,
		/* 9 */
		E_LDX(BPF_W, R0, R2, 0),
		E_STX(BPF_W, R3, R0, 0),
		E_MOVK(R0, 0),
		E_EXIT,
	};
	struct ebpf_prog *prog = EXAMINE();

	assert_int_equal(prog->does, EBPF_CALLS_BACK);
	assert_int_equal(prog->notes[9], EBPF_PLAIN);
	ebpf_prog_unref(prog);
}

/* A pointer that is at an unknown place of the stack overwrites nothing for certain. */
static void store_somewhere_on_the_stack_leaves_what_was_there_possible(void **state)
{
	const struct bpf_insn insns[] = {
		E_STX(BPF_DW, R10, R1, -8), E_CALL(BPF_FUNC_get_prandom_u32),
		E_ALUK(BPF_AND, R0, 8),	    E_MOV(R6, R10),
		E_ALUK(BPF_ADD, R6, -16),   E_ALU(BPF_ADD, R6, R0),
		E_ST(BPF_DW, R6, 0, 0),	    E_LDX(BPF_DW, R7, R10, -8),
		E_LDX(BPF_W, R0, R7, 0),    E_LDX(BPF_DW, R8, R6, 0), /* what is at either place */
		E_LDX(BPF_W, R0, R8, 0),    E_EXIT,
	};
	struct ebpf_prog *prog = EXAMINE();

	assert_int_equal(prog->notes[8], EBPF_CTX);
	assert_int_equal(prog->notes[10], EBPF_CTX);
	assert_int_equal(prog->funcs[0].stack, EBPF_STACK_SIZE);
	ebpf_prog_unref(prog);
}

static void half_of_a_pointer_is_none(void **state)
{
	const struct bpf_insn insns[] = {
		DATA,
		E_STX(BPF_DW, R10, R2, -8),
		E_ST(BPF_W, R10, -8, 0),
		E_LDX(BPF_DW, R3, R10, -8),
		E_FD(R4, BPF_PSEUDO_MAP_VALUE, FD_ARRAY, 0),
		E_ALU(BPF_ADD, R4, R3),
		E_ST(BPF_B, R4, 0, 0),
		E_MOVK(R0, 2),
		E_EXIT,
	};
	struct ebpf_prog *prog = EXAMINE();

	assert_does_not(prog, EBPF_WRITES_PACKET);
	ebpf_prog_unref(prog);
}

/* The slot held a packet pointer; the helper put a number there. */
static void helper_that_fills_the_stack_leaves_numbers(void **state)
{
	const struct bpf_insn insns[] = {
		E_MOV(R6, R1),
		DATA,
		E_STX(BPF_DW, R10, R2, -8),
		E_MOVK(R2, 0),
		E_MOV(R3, R10),
		E_ALUK(BPF_ADD, R3, -8),
		E_MOVK(R4, 8),
		E_CALL(BPF_FUNC_xdp_load_bytes),
		E_LDX(BPF_DW, R3, R10, -8),
		E_LDX(BPF_W, R4, R6, 0),
		E_ALU(BPF_ADD, R4, R3), /* packet + number */
		E_ST(BPF_B, R4, 0, 0),
		E_MOVK(R0, 2),
		E_EXIT,
	};
	struct ebpf_prog *prog = EXAMINE();

	assert_does(prog, EBPF_WRITES_PACKET | EBPF_READS_BYTES | EBPF_READS_CTX);
	ebpf_prog_unref(prog);
}

static void atomics_on_the_stack_fetch_what_was_spilled(void **state)
{
	const struct bpf_insn insns[] = {
		E_STX(BPF_DW, R10, R1, -8),
		E_MOVK(R2, 0),
		E(BPF_STX | BPF_ATOMIC | BPF_DW, R10, R2, -8, BPF_XCHG),
		E_LDX(BPF_W, R0, R2, 0),
		E_EXIT,
	};
	struct ebpf_prog *prog = EXAMINE();

	assert_int_equal(prog->notes[3], EBPF_CTX);
	ebpf_prog_unref(prog);
}

static void context_by_type_is_believed(void **state)
{
	/* What is handed on came through memory that several functions share. */
	const struct bpf_insn insns[] = {
		E_STX(BPF_DW, R10, R1, -16),
		E_LDX(BPF_W, R2, R1, 0),
		E_STX(BPF_DW, R10, R2, -8),
		E_MOV(R1, R10),
		E_ALUK(BPF_ADD, R1, -16),
		E_LOCAL(2),
		E_MOVK(R0, 2),
		E_EXIT,
		/* 8 */
		E_LDX(BPF_DW, R1, R1, 0),
		E_LOCAL(1),
		E_EXIT,
		/* 11 */
		E_LDX(BPF_W, R0, R1, 12),
		E_EXIT,
	};
	const uint32_t start = 11;
	const uint8_t args = 1 << 1;
	struct ebpf_prog_opts opts = {.insns = insns, .n = sizeof(insns) / sizeof(insns[0])};
	struct ebpf_prog *prog = examine_opts(&opts);

	assert_int_equal(prog->notes[11], EBPF_MAYBE_CTX);
	ebpf_prog_unref(prog);
	opts.ctx_starts = &start;
	opts.ctx_args = &args;
	opts.n_ctx = 1;
	prog = examine_opts(&opts);
	assert_int_equal(prog->notes[11], EBPF_CTX);
	ebpf_prog_unref(prog);
}

static void helpers_say_what_a_program_does(void **state)
{
	static const struct {
		int id;
		uint32_t does;
	} helpers[] = {
		{BPF_FUNC_xdp_adjust_head, EBPF_MOVES_ENDS | EBPF_READS_CTX},
		{BPF_FUNC_xdp_adjust_tail, EBPF_MOVES_ENDS | EBPF_READS_CTX},
		{BPF_FUNC_xdp_adjust_meta, EBPF_MOVES_ENDS | EBPF_READS_CTX | EBPF_READS_META},
		{BPF_FUNC_redirect, EBPF_REDIRECTS | EBPF_READS_CTX},
		{BPF_FUNC_tail_call, EBPF_TAIL_CALLS | EBPF_READS_CTX},
		{BPF_FUNC_xdp_store_bytes, EBPF_WRITES_PACKET | EBPF_READS_CTX},
		{BPF_FUNC_perf_event_output, EBPF_OUTPUTS | EBPF_READS_CTX | EBPF_READS_BYTES},
		{BPF_FUNC_ktime_get_ns, 0},
		{BPF_FUNC_dynptr_data, EBPF_READS_CTX}, /* here its first argument is the context */
	};

	for (unsigned i = 0; i < sizeof(helpers) / sizeof(helpers[0]); i++) {
		const struct bpf_insn insns[] = {E_CALL(helpers[i].id), E_MOVK(R0, 2), E_EXIT};
		struct ebpf_prog *prog = EXAMINE();

		assert_int_equal(prog->does, helpers[i].does);
		ebpf_prog_unref(prog);
	}
}

/* bpf_fib_lookup() writes to what its second argument points to. */
static void helper_that_writes_by_a_packet_pointer_writes_the_packet(void **state)
{
	struct bpf_insn insns[] = {
		DATA,	       E_MOVK(R3, 64), E_MOVK(R4, 0), E_CALL(BPF_FUNC_fib_lookup),
		E_MOVK(R0, 2), E_EXIT,
	};
	struct ebpf_prog *prog = EXAMINE();

	assert_does(prog, EBPF_WRITES_PACKET);
	ebpf_prog_unref(prog);
	insns[3].imm = BPF_FUNC_map_lookup_elem; /* which reads its key */
	prog = EXAMINE();
	assert_does_not(prog, EBPF_WRITES_PACKET);
	assert_does(prog, EBPF_READS_BYTES);
	ebpf_prog_unref(prog);
}

/* What no verified program does: nothing is known of it, and so all of it is noted. */
static void load_by_a_number_makes_everything_possible(void **state)
{
	const struct bpf_insn insns[] = {E_MOVK(R2, 16), E_LDX(BPF_W, R0, R2, 0),
					 E_LDX(BPF_W, R0, R1, 0), E_EXIT};
	struct ebpf_prog *prog = EXAMINE();

	assert_int_equal(prog->does, EBPF_DOES_ANYTHING);
	assert_int_equal(prog->notes[1], EBPF_MAYBE_CTX);
	assert_int_equal(prog->notes[2], EBPF_MAYBE_CTX);
	assert_int_equal(prog->funcs[0].stack, EBPF_STACK_SIZE);
	ebpf_prog_unref(prog);
}

/* Whatever helper.c serves is known here: else each program that calls it may do anything. */
static void every_helper_that_is_served_is_known(void **state)
{
	for (int id = 1; id < 1000; id++) {
		const struct bpf_insn insns[] = {E_CALL(id), E_MOVK(R0, 2), E_EXIT};
		struct ebpf_prog *prog;
		struct ebpf_prog_opts opts = {
			.name = "p", .insns = insns, .n = 3, .gpl = true, .interpret = true};

		if (ebpf_prog_create(&opts, &prog, NULL) != 0)
			continue;
		if ((prog->does & (EBPF_MOVES_ENDS | EBPF_REDIRECTS)) ==
		    (EBPF_MOVES_ENDS | EBPF_REDIRECTS))
			fail_msg("helper %d: what it does is not in check_step.c", id);
		ebpf_prog_unref(prog);
	}
}

static double seconds(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* A million instructions in 'shape's: as if by 'rng', forward jumps that carry all registers about;
 * backward ones, too. */
static void fill_hostile(struct bpf_insn *insns, uint32_t n, unsigned shape, uint64_t rng)
{
	for (uint32_t i = 0; i < n - 2; i++) {
		unsigned r = 2 + (rng >> 33) % 7, q = 1 + (rng >> 40) % 8;
		int16_t off = (int16_t)((rng >> 44) % 2000);

		rng = rng * 6364136223846793005u + 1442695040888963407u;
		if (shape == 1 && off > 1000)
			off = -off;
		if ((int64_t)i + 1 + off < 0 || i + 1 + off >= n - 2)
			off = 0;
		insns[i] =
			i % 2		 ? E_JMPK(BPF_JEQ, r, 5, shape == 2 ? 0 : off)
			: rng >> 60 == 0 ? E_STX(BPF_DW, R10, q, -8 * (int)(1 + (rng >> 50) % 64))
			: rng >> 60 == 1 ? E_LDX(BPF_DW, r, R10, -8 * (int)(1 + (rng >> 50) % 64))
					 : E_MOV(r, q);
	}
	insns[n - 2] = E_MOVK(R0, 2);
	insns[n - 1] = E_EXIT;
}

/* As many functions as there can be, each called with pointers to the caller's frame. */
static void fill_functions(struct bpf_insn *insns, uint32_t n)
{
	uint32_t n_calls = n / 3;

	insns[0] = E_STX(BPF_DW, R10, R1, -8);
	for (uint32_t i = 1; i <= n_calls; i++)
		insns[i] = E_LOCAL((int)(n_calls + 2 + 2 * (i - 1) - i - 1));
	for (uint32_t i = n_calls + 1; i < n; i++)
		insns[i] = E_EXIT;
	for (uint32_t i = n_calls + 2; i + 1 < n; i += 2)
		insns[i] = E_LDX(BPF_DW, R0, R10, -8);
}

static void million_instructions_take_less_than_a_second(void **state)
{
	const uint32_t n = EBPF_MAX_INSNS;
	struct bpf_insn *insns = calloc(n, sizeof(*insns));
	struct ebpf_prog *prog;
	double start;

	assert_non_null(insns);
	for (unsigned shape = 0; shape < 4; shape++) {
		if (shape == 3)
			fill_functions(insns, n);
		else
			fill_hostile(insns, n, shape, shape);
		start = seconds();
		prog = examine_n(insns, n);
		start = seconds() - start;
		print_message("shape %u: %.3f s, does %#x\n", shape, start, prog->does);
		/* Of an optimised build on this kind of machine it is a second; sanitizers take
		 * their share. */
		assert_true(start < 20);
		ebpf_prog_unref(prog);
	}
	free(insns);
}

static int make_array(void **state)
{
	const struct ebpf_map_def def = {
		.name = "array",
		.type = BPF_MAP_TYPE_ARRAY,
		.key_size = 4,
		.value_size = 64,
		.max_entries = 4,
		.memory_fd = -1,
	};

	return ebpf_map_create(&def, 1, &array, NULL);
}

static int drop_array(void **state)
{
	ebpf_map_unref(array);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(loads_of_the_context_are_told_from_loads_of_packets),
		cmocka_unit_test(program_that_only_passes_does_nothing),
		cmocka_unit_test(context_survives_a_spill_and_a_helper),
		cmocka_unit_test(store_to_a_packet_is_found_and_one_to_a_map_is_none),
		cmocka_unit_test(global_data_is_memory),
		cmocka_unit_test(load_by_what_may_be_either_is_asked_when_it_runs),
		cmocka_unit_test(pointer_that_was_null_is_still_known),
		cmocka_unit_test(difference_of_packet_pointers_is_a_number),
		cmocka_unit_test(function_gets_what_its_callers_give_it),
		cmocka_unit_test(arguments_join_over_all_calls),
		cmocka_unit_test(function_finds_the_context_in_its_callers_frame),
		cmocka_unit_test(caller_finds_what_a_function_put_into_its_frame),
		cmocka_unit_test(callback_finds_the_context_in_its_data),
		cmocka_unit_test(callback_of_each_element_writes_to_its_map),
		cmocka_unit_test(store_somewhere_on_the_stack_leaves_what_was_there_possible),
		cmocka_unit_test(half_of_a_pointer_is_none),
		cmocka_unit_test(helper_that_fills_the_stack_leaves_numbers),
		cmocka_unit_test(atomics_on_the_stack_fetch_what_was_spilled),
		cmocka_unit_test(context_by_type_is_believed),
		cmocka_unit_test(helpers_say_what_a_program_does),
		cmocka_unit_test(helper_that_writes_by_a_packet_pointer_writes_the_packet),
		cmocka_unit_test(every_helper_that_is_served_is_known),
		cmocka_unit_test(load_by_a_number_makes_everything_possible),
		cmocka_unit_test(million_instructions_take_less_than_a_second),
	};

	return cmocka_run_group_tests(tests, make_array, drop_array);
}
