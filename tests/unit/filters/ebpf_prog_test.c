/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What becomes of instructions when a program is made of them: descriptors become addresses, the
 * rest becomes functions, and what the verifier cannot have accepted is refused with a reason.
 * Also what the interpreter does between programs and functions; single instructions are
 * ebpf_cases.h's.
 */
#include "filters/ebpf/prog.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>

#include "tests/support/ebpf_cases.h"

#define R0  BPF_REG_0
#define R1  BPF_REG_1
#define R2  BPF_REG_2
#define R3  BPF_REG_3
#define R4  BPF_REG_4
#define R6  BPF_REG_6
#define R10 BPF_REG_10

#define FD_ARRAY 7
#define FD_HASH	 8
#define FD_PROGS 9

#define N(a) (sizeof(a) / sizeof((a)[0]))

static struct ebpf_map *array, *hash, *progs;

/* Allocations until one fails; 0: none does. */
static unsigned fail_after;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);

static bool fails(void)
{
	return fail_after != 0 && --fail_after == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

static int make(const struct bpf_insn *insns, uint32_t n, struct ebpf_prog **ret_prog,
		struct err *err)
{
	const struct ebpf_map_ref refs[] = {{FD_ARRAY, array}, {FD_HASH, hash}, {FD_PROGS, progs}};
	const struct ebpf_prog_opts opts = {
		.name = "p",
		.section = "xdp",
		.insns = insns,
		.n = n,
		.maps = refs,
		.n_maps = N(refs),
		.interpret = true,
	};

	return ebpf_prog_create(&opts, ret_prog, err);
}

static struct ebpf_prog *made(const struct bpf_insn *insns, uint32_t n)
{
	struct ebpf_prog *prog = NULL;
	struct err err;

	if (make(insns, n, &prog, &err) != 0)
		fail_msg("%s: %s", err.what, err.why);
	return prog;
}

static uint64_t run(const struct ebpf_prog *prog)
{
	struct ebpf_ctx ctx;

	ebpf_case_ctx(&ctx);
	ebpf_env_here->n_tail = 0;
	return ebpf_run(prog, &ctx);
}

/* ---- What is refused ---- */

static struct ebpf_prog *const untouched = (struct ebpf_prog *)8;

static void refused(const struct bpf_insn *insns, uint32_t n, int code, const char *slug,
		    const char *words)
{
	struct ebpf_prog *prog = untouched;
	struct err err = {0};
	int rc = make(insns, n, &prog, &err);

	if (rc == 0)
		fail_msg("'%s' is not refused", words);
	assert_ptr_equal(prog, untouched);
	assert_int_equal(rc, code);
	assert_string_equal(err.slug, slug);
	if (strstr(err.what, words) == NULL && strstr(err.why, words) == NULL)
		fail_msg("'%s' is not in '%s' or '%s'", words, err.what, err.why);
	assert_int_not_equal(err.fix[0], '\0');
}

/* Refused in the middle of a program; 'insn' alone is what is wrong. */
static void refused_insn(struct bpf_insn insn, const char *words)
{
	const struct bpf_insn insns[] = {E_MOVK(R0, 0), insn, E_MOVK(R0, 0), E_EXIT};

	refused(insns, N(insns), -EINVAL, "bad-program", words);
}

static void instructions_that_are_none_are_refused(void **state)
{
	const char *const none = "no such instruction", *const zero = "must be zero";

	refused_insn(E(BPF_ALU64 | 0xe0, R0, 0, 0, 0), none);
	refused_insn(E(BPF_ALU | 0xf0, R0, 0, 0, 0), none);
	refused_insn(E(BPF_ALU64 | BPF_END | BPF_X, R0, 0, 0, 16), none);
	refused_insn(E(BPF_ALU | BPF_END, R0, 0, 0, 8), none);
	refused_insn(E(BPF_ALU | BPF_MOV | BPF_X, R0, R0, 32, 0), none);
	refused_insn(E(BPF_ALU64 | BPF_MOV | BPF_X, R0, R0, 24, 0), none);
	refused_insn(E(BPF_JMP | 0xf0, R0, 0, 0, 0), none);
	refused_insn(E(BPF_JMP32 | 0xe0, R0, 0, 0, 0), none);
	refused_insn(E(BPF_JMP32 | BPF_CALL, 0, 0, 0, 1), none);
	refused_insn(E(BPF_JMP32 | BPF_EXIT, 0, 0, 0, 0), none);
	refused_insn(E(BPF_JMP | BPF_CALL | BPF_X, 0, 0, 0, 1), none);
	refused_insn(E(BPF_LD | BPF_ABS | BPF_W, 0, 0, 0, 0), none);
	refused_insn(E(BPF_LD | BPF_IND | BPF_B, 0, R1, 0, 0), none);
	refused_insn(E(BPF_LD | BPF_IMM | BPF_W, 0, 0, 0, 0), none);
	refused_insn(E(BPF_LDX | 0x20 | BPF_W, R0, R1, 0, 0), none);
	refused_insn(E(BPF_LDX | EBPF_MEMSX | BPF_DW, R0, R1, 0, 0), none);
	refused_insn(E(BPF_ST | BPF_ATOMIC | BPF_W, R10, 0, -4, 0), none);
	refused_insn(E(BPF_STX | BPF_ATOMIC | BPF_H, R10, R0, -4, BPF_ADD), none);
	refused_insn(E(BPF_STX | BPF_ATOMIC | BPF_W, R10, R0, -4, BPF_SUB), none);
	refused_insn(E(BPF_STX | EBPF_MEMSX | BPF_W, R10, R0, -4, 0), none);

	refused_insn(E(BPF_ALU64 | BPF_ADD | BPF_X, R0, R1, 0, 1), zero);
	refused_insn(E(BPF_ALU64 | BPF_ADD | BPF_K, R0, R1, 0, 1), zero);
	refused_insn(E(BPF_ALU64 | BPF_ADD | BPF_K, R0, 0, 1, 1), zero);
	refused_insn(E(BPF_ALU64 | BPF_MOV | BPF_K, R0, 0, 8, 1), zero);
	refused_insn(E(BPF_ALU64 | BPF_NEG, R0, 0, 0, 1), zero);
	refused_insn(E(BPF_ALU64 | BPF_DIV | BPF_K, R0, 0, 2, 1), zero);
	refused_insn(E(BPF_JMP | BPF_JA, 0, 0, 0, 1), zero);
	refused_insn(E(BPF_JMP32 | BPF_JA, 0, 0, 1, 0), zero);
	refused_insn(E(BPF_JMP | BPF_JEQ | BPF_X, R0, R1, 0, 1), zero);
	refused_insn(E(BPF_JMP | BPF_CALL, R1, 0, 0, 5), zero);
	refused_insn(E(BPF_JMP | BPF_CALL, 0, 0, 1, 5), zero);
	refused_insn(E(BPF_JMP | BPF_CALL, 0, 3, 0, 5), zero);
	refused_insn(E(BPF_JMP | BPF_EXIT, 0, 0, 0, 1), zero);
	refused_insn(E(BPF_LDX | BPF_MEM | BPF_W, R0, R1, 0, 1), zero);
	refused_insn(E(BPF_STX | BPF_MEM | BPF_W, R10, R1, -4, 1), zero);
	refused_insn(E(BPF_ST | BPF_MEM | BPF_W, R10, R1, -4, 1), zero);

	refused_insn(E(BPF_ALU64 | BPF_MOV | BPF_K, 11, 0, 0, 0), "no such register");
	refused_insn(E(BPF_ALU64 | BPF_MOV | BPF_X, R0, 15, 0, 0), "no such register");
	refused_insn(E(BPF_ALU64 | BPF_LSH | BPF_K, R0, 0, 0, 64), "shifts by more");
	refused_insn(E(BPF_ALU | BPF_ARSH | BPF_K, R0, 0, 0, 32), "shifts by more");
	refused_insn(E(BPF_ALU64 | BPF_RSH | BPF_K, R0, 0, 0, -1), "shifts by more");
	refused_insn(E(BPF_ALU64 | BPF_MOD | BPF_K, R0, 0, 0, 0), "divides by zero");
}

static void writes_to_the_frame_pointer_are_refused(void **state)
{
	const struct bpf_insn wide[] = {E_WIDE(R10, 5), E_EXIT};
	const char *const words = "frame pointer";

	refused_insn(E_MOVK(R10, 0), words);
	refused_insn(E(BPF_ALU | BPF_END, R10, 0, 0, 16), words);
	refused_insn(E_LDX(BPF_DW, R10, R1, 0), words);
	refused_insn(E(BPF_STX | BPF_ATOMIC | BPF_DW, R1, R10, 0, BPF_XCHG), words);
	refused_insn(E(BPF_STX | BPF_ATOMIC | BPF_DW, R1, R10, 0, BPF_ADD | BPF_FETCH), words);
	refused(wide, N(wide), -EINVAL, "bad-program", words);
}

static void wide_loads_that_are_no_pair_are_refused(void **state)
{
	struct bpf_insn insns[] = {E_WIDE(R0, 5), E_EXIT};
	const struct bpf_insn half[] = {E(BPF_LD | BPF_IMM | BPF_DW, R0, 0, 0, 0)};
	const struct bpf_insn into[] = {E_JMPK(BPF_JEQ, R1, 0, 1), E_WIDE(R0, 5), E_EXIT};
	const struct bpf_insn kind[] = {E_FD(R0, 7, 5, 0), E_EXIT};
	const struct bpf_insn called[] = {E_LOCAL(1), E_WIDE(R0, 5), E_EXIT};

	refused(half, N(half), -EINVAL, "bad-program", "ends in the middle");
	refused(into, N(into), -EINVAL, "bad-program", "into the middle of a wide load");
	refused(kind, N(kind), -EINVAL, "bad-program", "no such kind");
	refused(called, N(called), -EINVAL, "bad-program", "in the middle of");
	insns[1].code = BPF_ALU64;
	refused(insns, N(insns), -EINVAL, "bad-program", "must be zero");
	insns[1] = (struct bpf_insn){.off = 1};
	refused(insns, N(insns), -EINVAL, "bad-program", "must be zero");
}

static void jumps_out_of_a_function_are_refused(void **state)
{
	const struct bpf_insn before[] = {E_MOVK(R0, 0), E_JMPK(BPF_JEQ, R0, 0, -3), E_EXIT};
	const struct bpf_insn behind[] = {E_MOVK(R0, 0), E_JA(1), E_EXIT};
	const struct bpf_insn far[] = {E_MOVK(R0, 0), E(BPF_JMP32 | BPF_JA, 0, 0, 0, INT32_MAX),
				       E_EXIT};
	const struct bpf_insn other[] = {E_LOCAL(1), E_EXIT, E_MOVK(R0, 0),
					 E_JMPK(BPF_JEQ, R0, 0, -3), E_EXIT};

	refused(before, N(before), -EINVAL, "bad-program", "jumps out");
	refused(behind, N(behind), -EINVAL, "bad-program", "jumps out");
	refused(far, N(far), -EINVAL, "bad-program", "jumps out");
	refused(other, N(other), -EINVAL, "bad-program", "jumps out");
}

static void functions_that_do_not_end_are_refused(void **state)
{
	const struct bpf_insn one[] = {E_MOVK(R0, 0)};
	const struct bpf_insn conditional[] = {E_MOVK(R0, 0), E_JMPK(BPF_JEQ, R0, 0, -1)};
	const struct bpf_insn first[] = {E_LOCAL(0), E_EXIT};
	const struct bpf_insn loop[] = {E_MOVK(R0, 0), E_JA(-2)};

	refused(one, N(one), -EINVAL, "bad-program", "behind its end");
	refused(conditional, N(conditional), -EINVAL, "bad-program", "behind its end");
	refused(first, N(first), -EINVAL, "bad-program", "behind its end");
	ebpf_prog_unref(made(loop, N(loop)));
}

static void calls_out_of_the_program_and_in_circles_are_refused(void **state)
{
	const struct bpf_insn out[] = {E_LOCAL(5), E_EXIT};
	const struct bpf_insn before[] = {E_LOCAL(-2), E_EXIT};
	const struct bpf_insn callback[] = {E_FUNC(R2, INT32_MIN), E_EXIT};
	const struct bpf_insn circle[] = {E_LOCAL(1), E_EXIT, E_LOCAL(-3), E_EXIT};
	struct bpf_insn deep[20];

	refused(out, N(out), -EINVAL, "bad-program", "outside");
	refused(before, N(before), -EINVAL, "bad-program", "outside");
	refused(callback, N(callback), -EINVAL, "bad-program", "outside");
	refused(circle, N(circle), -EINVAL, "bad-program", "too deep");
	/* Function f calls the next one: eight frames are allowed. */
	for (unsigned f = 0; f < 10; f++) {
		deep[2 * f] = (struct bpf_insn)E_LOCAL(1);
		deep[2 * f + 1] = (struct bpf_insn)E_EXIT;
	}
	deep[14] = (struct bpf_insn)E_MOVK(R0, 3);
	ebpf_prog_unref(made(deep, 16));
	deep[14] = (struct bpf_insn)E_LOCAL(1);
	deep[16] = (struct bpf_insn)E_MOVK(R0, 3);
	refused(deep, 18, -EINVAL, "bad-program", "too deep");
}

static void too_few_and_too_many_instructions_are_refused(void **state)
{
	const uint32_t n = EBPF_MAX_INSNS + 1;
	struct bpf_insn *insns = calloc(n, sizeof(*insns));
	struct ebpf_prog *prog = untouched;
	struct err err;

	assert_non_null(insns);
	for (uint32_t i = 0; i < n; i++)
		insns[i] = (struct bpf_insn)E_EXIT;
	assert_int_equal(make(insns, 0, &prog, &err), -EINVAL);
	assert_string_equal(err.slug, "bad-program");
	assert_int_equal(make(insns, n, &prog, &err), -EINVAL);
	assert_string_equal(err.slug, "bad-program");
	assert_int_equal(make(insns, UINT32_MAX, &prog, &err), -EINVAL);
	assert_ptr_equal(prog, untouched);
	ebpf_prog_unref(made(insns, n - 1));
	free(insns);
}

static void what_a_filter_cannot_have_is_refused_by_name(void **state)
{
	const struct bpf_insn helper[] = {E_CALL(BPF_FUNC_get_current_task), E_EXIT};
	const struct bpf_insn unknown[] = {E_CALL(9999), E_EXIT};
	const struct bpf_insn negative[] = {E_CALL(-5), E_EXIT};
	const struct bpf_insn kfunc[] = {E(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0, 1234),
					 E_EXIT};
	const struct bpf_insn ksym[] = {E_FD(R0, BPF_PSEUDO_BTF_ID, 5, 0), E_EXIT};
	const struct bpf_insn index[] = {E_FD(R0, BPF_PSEUDO_MAP_IDX, 0, 0), E_EXIT};
	const struct bpf_insn arena[] = {E(BPF_ALU64 | BPF_MOV | BPF_X, R1, R1, 1, 1), E_EXIT};
	const struct bpf_insn cast[] = {E(BPF_ALU64 | BPF_MOV | BPF_X, R1, R1, 1, 0), E_EXIT};
	const struct bpf_insn may_goto[] = {E(BPF_JMP | 0xe0, 0, 0, 0, 0), E_EXIT};
	const struct bpf_insn acquire[] = {E(BPF_STX | BPF_ATOMIC | BPF_W, R0, R1, 0, 0x100),
					   E_EXIT};
	const struct bpf_insn gpl[] = {E_CALL(BPF_FUNC_perf_event_output), E_EXIT};

	refused(helper, N(helper), -ENOTSUP, "helper", "get_current_task");
	refused(unknown, N(unknown), -ENOTSUP, "helper", "9999");
	refused(negative, N(negative), -ENOTSUP, "helper", "helper");
	refused(kfunc, N(kfunc), -ENOTSUP, "instruction", "1234");
	refused(ksym, N(ksym), -ENOTSUP, "instruction", "variable of the kernel");
	refused(index, N(index), -ENOTSUP, "instruction", "light skeletons");
	refused(arena, N(arena), -EINVAL, "bad-program", "must be zero");
	refused(cast, N(cast), -ENOTSUP, "instruction", "address spaces");
	refused(may_goto, N(may_goto), -ENOTSUP, "instruction", "may_goto");
	refused(acquire, N(acquire), -ENOTSUP, "instruction", "acquire");
	refused(gpl, N(gpl), -EINVAL, "bad-program", "GPL");
}

static void maps_that_are_not_there_are_refused(void **state)
{
	const struct bpf_insn unknown[] = {E_FD(R1, BPF_PSEUDO_MAP_FD, 99, 0), E_EXIT};
	const struct bpf_insn offset[] = {E_FD(R1, BPF_PSEUDO_MAP_FD, FD_ARRAY, 1), E_EXIT};
	const struct bpf_insn no_array[] = {E_FD(R1, BPF_PSEUDO_MAP_VALUE, FD_HASH, 0), E_EXIT};
	struct bpf_insn behind[] = {E_FD(R1, BPF_PSEUDO_MAP_VALUE, FD_ARRAY, 64), E_EXIT};

	refused(unknown, N(unknown), -EINVAL, "bad-program", "not among");
	refused(offset, N(offset), -EINVAL, "bad-program", "must be zero");
	refused(no_array, N(no_array), -EINVAL, "bad-program", "does not have");
	refused(behind, N(behind), -EINVAL, "bad-program", "does not have");
	behind[1].imm = -1;
	refused(behind, N(behind), -EINVAL, "bad-program", "does not have");
	behind[1].imm = 63;
	ebpf_prog_unref(made(behind, N(behind)));
}

/* ---- What is made ---- */

static void maps_become_addresses_and_are_held(void **state)
{
	const struct bpf_insn insns[] = {
		E_FD(R1, BPF_PSEUDO_MAP_FD, FD_HASH, 0),
		E_FD(R2, BPF_PSEUDO_MAP_VALUE, FD_ARRAY, 12),
		E_FD(R3, BPF_PSEUDO_MAP_FD, FD_HASH, 0),
		E_MOVK(R0, 2),
		E_EXIT,
	};
	uint32_t array_refs = array->refs, hash_refs = hash->refs;
	struct ebpf_prog *prog = made(insns, N(insns));

	assert_int_equal(ebpf_wide_imm(&prog->insns[0]), (uintptr_t)hash);
	assert_int_equal(ebpf_wide_imm(&prog->insns[2]), (uintptr_t)array->values + 12);
	assert_int_equal(prog->n_maps, 2);
	assert_int_equal(hash->refs, hash_refs + 1);
	assert_int_equal(array->refs, array_refs + 1);
	assert_string_equal(prog->name, "p");
	assert_string_equal(prog->section, "xdp");
	assert_ptr_equal(ebpf_prog_ref(prog), prog);
	ebpf_prog_unref(prog);
	assert_int_equal(hash->refs, hash_refs + 1);
	ebpf_prog_unref(prog);
	assert_int_equal(hash->refs, hash_refs);
	assert_int_equal(array->refs, array_refs);
	ebpf_prog_unref(NULL);
}

static void functions_begin_where_they_are_called(void **state)
{
	const struct bpf_insn insns[] = {
		E_LOCAL(5),
		E_FUNC(R2, 6),
		E_MOVK(R0, 2),
		E_EXIT,
		E_EXIT,
		/* 6 */
		E_MOVK(R0, 1),
		E_EXIT,
		/* 8 */
		E_MOVK(R0, 1),
		E_EXIT,
	};
	struct ebpf_prog *prog = made(insns, N(insns));

	assert_int_equal(prog->n_funcs, 3);
	assert_int_equal(prog->funcs[0].end, 6);
	assert_int_equal(prog->funcs[1].start, 6);
	assert_int_equal(prog->funcs[1].end, 8);
	assert_int_equal(prog->funcs[2].start, 8);
	assert_int_equal(prog->funcs[2].end, N(insns));
	assert_int_equal(ebpf_wide_imm(&prog->insns[1]), 8);
	ebpf_prog_unref(prog);
}

/* What libbpf puts where something could not be resolved, and no packet comes. */
static void calls_that_the_linker_poisoned_are_exits(void **state)
{
	const struct bpf_insn insns[] = {
		E_MOVK(R0, 2),
		E_JA(2),
		E_CALL(195896080),
		E(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0, 0),
		E_EXIT,
	};
	struct ebpf_prog *prog = made(insns, N(insns));

	assert_true(ebpf_is_exit(&prog->insns[2]));
	assert_true(ebpf_is_exit(&prog->insns[3]));
	assert_int_equal(run(prog), 2);
	ebpf_prog_unref(prog);
}

static void every_failing_allocation_is_reported(void **state)
{
	const struct bpf_insn insns[] = {E_FD(R1, BPF_PSEUDO_MAP_FD, FD_HASH, 0), E_LOCAL(1),
					 E_EXIT, E_MOVK(R0, 2), E_EXIT};
	uint32_t refs = hash->refs;
	unsigned n;

	for (n = 1; n < 100; n++) {
		struct ebpf_prog *prog = untouched;
		struct err err = {0};
		int rc;

		fail_after = n;
		rc = make(insns, N(insns), &prog, &err);
		if (fail_after != 0) {
			fail_after = 0;
			assert_int_equal(rc, 0);
			ebpf_prog_unref(prog);
			break;
		}
		assert_int_equal(rc, -ENOMEM);
		assert_string_equal(err.slug, "no-memory");
		assert_ptr_equal(prog, untouched);
		assert_int_equal(hash->refs, refs);
	}
	assert_in_range(n, 10, 99);
}

/* ---- The interpreter between programs ---- */

static void no_wait(void *arg)
{
}

static void put_prog(uint32_t at, struct ebpf_prog *prog)
{
	assert_int_equal(ebpf_map_put_prog(progs, &at, prog, no_wait, NULL), 0);
}

#define TAIL_CALL(at)                                                                              \
	E_FD(R2, BPF_PSEUDO_MAP_FD, FD_PROGS, 0), E_MOVK(R3, at), E_CALL(BPF_FUNC_tail_call)

static void tail_call_takes_the_place_of_the_program(void **state)
{
	/* r1 is the context again, r6 is not what it was. */
	const struct bpf_insn second[] = {E_LDX(BPF_W, R0, R1, 12), E_EXIT};
	const struct bpf_insn first[] = {E_MOVK(R6, 5), TAIL_CALL(1), E_MOVK(R0, 77), E_EXIT};
	const struct bpf_insn nowhere[] = {TAIL_CALL(2), E_MOVK(R0, 77), E_EXIT};
	const struct bpf_insn outside[] = {TAIL_CALL(1000), E_MOVK(R0, 77), E_EXIT};
	struct ebpf_prog *a = made(first, N(first)), *b = made(second, N(second));
	struct ebpf_prog *c = made(nowhere, N(nowhere)), *d = made(outside, N(outside));
	struct ebpf_ctx ctx;

	ebpf_case_ctx(&ctx);
	assert_int_equal(run(a), 77);
	put_prog(1, b);
	assert_int_equal(run(a), ctx.ingress_ifindex);
	assert_int_equal(ebpf_env_here->n_tail, 1);
	assert_ptr_equal(ebpf_env_here->prog, b);
	assert_int_equal(run(c), 77);
	assert_int_equal(run(d), 77);
	put_prog(1, NULL);
	ebpf_prog_unref(a);
	ebpf_prog_unref(b);
	ebpf_prog_unref(c);
	ebpf_prog_unref(d);
}

static void tail_calls_end_after_33(void **state)
{
	/* Counts in the array. */
	const struct bpf_insn insns[] = {
		E_FD(R6, BPF_PSEUDO_MAP_VALUE, FD_ARRAY, 0),
		E_LDX(BPF_DW, R0, R6, 0),
		E_ALUK(BPF_ADD, R0, 1),
		E_STX(BPF_DW, R6, R0, 0),
		TAIL_CALL(0),
		E_LDX(BPF_DW, R0, R6, 0),
		E_EXIT,
	};
	struct ebpf_prog *prog = made(insns, N(insns));

	memset(array->values, 0, 64);
	put_prog(0, prog);
	assert_int_equal(run(prog), 1 + EBPF_MAX_TAIL);
	put_prog(0, NULL);
	ebpf_prog_unref(prog);
}

static void tail_call_in_a_function_returns_from_it(void **state)
{
	const struct bpf_insn insns[] = {
		E_MOVK(R6, 1000),
		E_LOCAL(2),
		E_ALU(BPF_ADD, R0, R6),
		E_EXIT,
		/* 4 */
		E_MOVK(R6, 0),
		TAIL_CALL(0),
		E_MOVK(R0, 5),
		E_EXIT,
	};
	const struct bpf_insn other[] = {E_MOVK(R6, 9), E_MOVK(R0, 7), E_EXIT};
	struct ebpf_prog *a = made(insns, N(insns)), *b = made(other, N(other));

	assert_int_equal(run(a), 1005);
	put_prog(0, b);
	assert_int_equal(run(a), 1007);
	put_prog(0, NULL);
	ebpf_prog_unref(a);
	ebpf_prog_unref(b);
}

static void callbacks_end_when_they_say_so_and_at_the_limit(void **state)
{
	struct bpf_insn insns[] = {
		E_ST(BPF_DW, R10, -8, 0),
		E_MOVK(R1, 10),
		E_FUNC(R2, 9),
		E_MOV(R3, R10),
		E_ALUK(BPF_ADD, R3, -8),
		E_MOVK(R4, 0),
		E_CALL(BPF_FUNC_loop),
		E_LDX(BPF_DW, R1, R10, -8),
		E_ALUK(BPF_MUL, R1, 1000),
		E_ALU(BPF_ADD, R0, R1),
		E_EXIT,
		/* 12 */
		E_LDX(BPF_DW, R3, R2, 0),
		E_ALUK(BPF_ADD, R3, 1),
		E_STX(BPF_DW, R2, R3, 0),
		E_MOVK(R0, 0),
		E_JMPK(BPF_JNE, R1, 100, 1),
		E_MOVK(R0, 1),
		E_EXIT,
	};
	static const struct {
		int32_t n, flags;
		int64_t ret;
	} cases[] = {
		{0, 0, 0},
		{10, 0, 10 + 10000},
		{100, 0, 100 + 100000},
		{101, 0, 101 + 101000},
		{5000, 0, 101 + 101000},
		{1 << 23, 0, 101 + 101000},
		{(1 << 23) + 1, 0, -E2BIG},
		{-1, 0, -E2BIG},
		{10, 1, -EINVAL},
	};

	for (unsigned i = 0; i < N(cases); i++) {
		struct ebpf_prog *prog;

		insns[1].imm = cases[i].n;
		insns[6].imm = cases[i].flags;
		prog = made(insns, N(insns));
		assert_int_equal((int64_t)run(prog), cases[i].ret);
		ebpf_prog_unref(prog);
	}
}

static void callback_sees_each_element_of_a_map(void **state)
{
	struct bpf_insn insns[] = {
		E_ST(BPF_DW, R10, -8, 0),
		E_FD(R1, BPF_PSEUDO_MAP_FD, FD_HASH, 0),
		E_FUNC(R2, 10),
		E_MOV(R3, R10),
		E_ALUK(BPF_ADD, R3, -8),
		E_MOVK(R4, 0),
		E_CALL(BPF_FUNC_for_each_map_elem),
		E_LDX(BPF_DW, R1, R10, -8),
		E_ALUK(BPF_MUL, R1, 1000),
		E_ALU(BPF_ADD, R0, R1),
		E_EXIT,
		E_EXIT,
		/* 14: sum += key * value */
		E_LDX(BPF_W, R1, R2, 0),
		E_LDX(BPF_DW, R2, R3, 0),
		E_ALU(BPF_MUL, R1, R2),
		E_LDX(BPF_DW, R0, R4, 0),
		E_ALU(BPF_ADD, R0, R1),
		E_STX(BPF_DW, R4, R0, 0),
		E_MOVK(R0, 0),
		E_EXIT,
	};
	struct ebpf_prog *prog = made(insns, N(insns));
	uint64_t sum = 0;

	for (uint32_t key = 1; key <= 5; key++) {
		uint64_t value = key * 100;

		assert_int_equal(ebpf_map_write(hash, &key, &value, BPF_ANY), 0);
		sum += key * value;
	}
	assert_int_equal(run(prog), 5 + sum * 1000);
	ebpf_prog_unref(prog);
	insns[7].imm = 1; /* flags: there are none */
	prog = made(insns, N(insns));
	assert_int_equal((int64_t)run(prog), -EINVAL);
	ebpf_prog_unref(prog);
}

static struct ebpf_map *make_map(enum bpf_map_type type, uint32_t value_size)
{
	const struct ebpf_map_def def = {
		.name = "map",
		.type = type,
		.key_size = 4,
		.value_size = value_size,
		.max_entries = type == BPF_MAP_TYPE_ARRAY ? 1 : 16,
		.memory_fd = -1,
	};
	struct ebpf_map *map = NULL;

	assert_int_equal(ebpf_map_create(&def, EBPF_CASE_CPU + 1, &map, NULL), 0);
	return map;
}

static int set_up(void **state)
{
	static struct ebpf_env env = {.cpu = EBPF_CASE_CPU, .random = 1};

	ebpf_env_here = &env;
	array = make_map(BPF_MAP_TYPE_ARRAY, 64);
	hash = make_map(BPF_MAP_TYPE_HASH, 8);
	progs = make_map(BPF_MAP_TYPE_PROG_ARRAY, 4);
	return 0;
}

static int tear_down(void **state)
{
	ebpf_map_unref(array);
	ebpf_map_unref(hash);
	ebpf_map_unref(progs);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(instructions_that_are_none_are_refused),
		cmocka_unit_test(writes_to_the_frame_pointer_are_refused),
		cmocka_unit_test(wide_loads_that_are_no_pair_are_refused),
		cmocka_unit_test(jumps_out_of_a_function_are_refused),
		cmocka_unit_test(functions_that_do_not_end_are_refused),
		cmocka_unit_test(calls_out_of_the_program_and_in_circles_are_refused),
		cmocka_unit_test(too_few_and_too_many_instructions_are_refused),
		cmocka_unit_test(what_a_filter_cannot_have_is_refused_by_name),
		cmocka_unit_test(maps_that_are_not_there_are_refused),
		cmocka_unit_test(maps_become_addresses_and_are_held),
		cmocka_unit_test(functions_begin_where_they_are_called),
		cmocka_unit_test(calls_that_the_linker_poisoned_are_exits),
		cmocka_unit_test(every_failing_allocation_is_reported),
		cmocka_unit_test(tail_call_takes_the_place_of_the_program),
		cmocka_unit_test(tail_calls_end_after_33),
		cmocka_unit_test(tail_call_in_a_function_returns_from_it),
		cmocka_unit_test(callbacks_end_when_they_say_so_and_at_the_limit),
		cmocka_unit_test(callback_sees_each_element_of_a_map),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
