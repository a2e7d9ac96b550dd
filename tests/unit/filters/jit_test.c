/* SPDX-License-Identifier: BSD-2-Clause */
#include "filters/ebpf/jit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/wait.h>

#include <cmocka.h>

#include "filters/ebpf/prog.h"
#include "tests/support/ebpf_cases.h"
#include "tests/support/ebpf_random.h"

static struct ebpf_env env = {.cpu = EBPF_CASE_CPU, .random = 1};

static struct ebpf_prog *make(const struct bpf_insn *insns, uint32_t n)
{
	const struct ebpf_prog_opts opts = {
		.name = "test", .insns = insns, .n = n, .gpl = true, .interpret = true};
	struct ebpf_prog *prog = NULL;
	struct err err = {0};

	if (ebpf_prog_create(&opts, &prog, &err) != 0)
		fail_msg("%s: %s", err.what, err.why);
	return prog;
}

static struct ebpf_prog *compile(const struct bpf_insn *insns, uint32_t n)
{
	struct ebpf_prog *prog = make(insns, n);

	assert_int_equal(ebpf_jit(prog), 0);
	return prog;
}

static void assert_code(const struct ebpf_prog *prog, const uint8_t *code, size_t size)
{
	const void *at;

	memcpy(&at, &prog->code, sizeof(at));
	assert_int_equal(prog->code_size, size);
	assert_memory_equal(at, code, size);
}

#define N(insns) (sizeof(insns) / sizeof((insns)[0]))

static void run_case_with(const struct ebpf_case *c, struct ebpf_prog *prog, uint32_t features,
			  uint32_t *n_wrong)
{
	struct ebpf_ctx ctx;
	uint64_t r0;

	ebpf_case_ctx(&ctx);
	if (ebpf_jit_with(prog, features) != 0)
		fail_msg("%s: was not compiled", c->name);
	r0 = prog->code(&ctx);
	if (r0 != c->expected && (*n_wrong)++ < 20)
		print_error("%s: %#llx, expected %#llx\n", c->name, (unsigned long long)r0,
			    (unsigned long long)c->expected);
	ebpf_jit_free(prog);
}

static void run_case(void *arg, const struct ebpf_case *c)
{
	struct ebpf_prog *prog = make(c->insns, c->n);

	run_case_with(c, prog, ebpf_jit_features(), arg);
	run_case_with(c, prog, 0, arg); /* An old processor, functions far away. */
	ebpf_prog_unref(prog);
}

static void every_instruction_does_what_it_must(void **state)
{
	uint32_t n_wrong = 0, n = ebpf_cases_each(run_case, &n_wrong);

	print_message("%u cases\n", n);
	assert_true(n > 10000);
	assert_int_equal(n_wrong, 0);
}

static void program_that_does_nothing_is_two_instructions(void **state)
{
	static const struct bpf_insn pass[] = {E_MOVK(BPF_REG_0, 2), E_EXIT};
	static const uint8_t code[] = {0xb8, 2, 0, 0, 0, 0xc3}; /* mov eax, 2; ret */
	struct ebpf_prog *prog = compile(pass, N(pass));

	assert_code(prog, code, sizeof(code));
	ebpf_prog_unref(prog);
}

static void jumps_to_what_follows_are_nothing(void **state)
{
	static const struct bpf_insn insns[] = {E_JA(0), E_MOVK(BPF_REG_0, 2),
						E_JMPK(BPF_JEQ, BPF_REG_0, 9, 0),
						E(BPF_JMP32 | BPF_JA, 0, 0, 0, 0), E_EXIT};
	static const uint8_t code[] = {0xb8, 2, 0, 0, 0, 0xc3};
	struct ebpf_prog *prog = compile(insns, N(insns));

	assert_code(prog, code, sizeof(code));
	ebpf_prog_unref(prog);
}

static uint64_t state;

static uint64_t rnd(void)
{
	state = state * 6364136223846793005u + 1442695040888963407u;
	return state ^ state >> 29;
}

static void random_programs_return_what_the_interpreter_does(void **unused)
{
	static struct bpf_insn insns[EBPF_RANDOM_MAX];
	uint8_t bytes[8 * 65];

	for (state = 0; state < 20000; state++) {
		uint64_t seed = state;
		size_t size = 8 + 8 * (rnd() % 64);
		struct ebpf_ctx ctx = {0};
		struct ebpf_prog *prog;
		uint64_t expected;

		for (size_t i = 0; i < size; i++)
			bytes[i] = (uint8_t)(rnd() >> 33);
		prog = make(insns, ebpf_random_make(bytes, size, insns));
		expected = ebpf_interpret(prog, &ctx);
		assert_int_equal(ebpf_jit_with(prog, (uint32_t)seed & ebpf_jit_features()), 0);
		if (prog->code(&ctx) != expected)
			fail_msg("seed %llu", (unsigned long long)seed);
		ebpf_prog_unref(prog);
		state = seed;
	}
}

/* Of many programs, each at a place of its own, those that go make room for others. */
static void programs_share_pages(void **unused)
{
	static struct bpf_insn insns[] = {E_MOVK(BPF_REG_0, 0), E_EXIT};
	struct ebpf_prog *progs[200];
	uintptr_t low = UINTPTR_MAX, high = 0;

	for (unsigned i = 0; i < 200; i++) {
		insns[0].imm = (int32_t)i;
		progs[i] = compile(insns, N(insns));
		if ((uintptr_t)progs[i]->code < low)
			low = (uintptr_t)progs[i]->code;
		if ((uintptr_t)progs[i]->code > high)
			high = (uintptr_t)progs[i]->code;
	}
	assert_true(high - low < 64 * 1024);
	for (unsigned i = 0; i < 200; i += 2) {
		ebpf_prog_unref(progs[i]);
		insns[0].imm = (int32_t)i + 1000;
		progs[i] = compile(insns, N(insns));
	}
	for (unsigned i = 0; i < 200; i++) {
		struct ebpf_ctx ctx = {0};

		assert_true((uintptr_t)progs[i]->code >= low && (uintptr_t)progs[i]->code <= high);
		assert_int_equal(progs[i]->code(&ctx), i % 2 ? i : i + 1000);
		ebpf_prog_unref(progs[i]);
	}
}

/* Nothing can be written and run at the same address, while there is code or while it is made. */
static void code_is_not_writable(void **unused)
{
	static const struct bpf_insn insns[] = {E_MOVK(BPF_REG_0, 2), E_EXIT};
	struct ebpf_prog *prog = compile(insns, N(insns));
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned n_code = 0;
	char line[512];

	assert_non_null(maps);
	while (fgets(line, sizeof(line), maps) != NULL) {
		unsigned long start, end;
		char mode[5];

		assert_int_equal(sscanf(line, "%lx-%lx %4s", &start, &end, mode), 3);
		assert_false(mode[1] == 'w' && mode[2] == 'x');
		if ((uintptr_t)prog->code < start || (uintptr_t)prog->code >= end)
			continue;
		assert_string_equal(mode, "r-xs");
		n_code++;
	}
	fclose(maps);
	assert_int_equal(n_code, 1);
	ebpf_prog_unref(prog);
}

/* What a child compiles does not appear in its parent. */
static void children_have_code_of_their_own(void **unused)
{
	static struct bpf_insn insns[] = {E_MOVK(BPF_REG_0, 2), E_EXIT};
	struct ebpf_prog *prog = compile(insns, N(insns)), *other;
	struct ebpf_ctx ctx = {0};
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		insns[0].imm = 3;
		ebpf_prog_unref(prog);
		prog = compile(insns, N(insns));
		_exit(prog->code(&ctx) == 3 ? 0 : 1);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	other = compile(insns, N(insns));
	assert_int_equal(prog->code(&ctx), 2);
	assert_int_equal(other->code(&ctx), 2);
	ebpf_prog_unref(prog);
	ebpf_prog_unref(other);
}

/* Those that call nothing use memory below the stack pointer, but no more of it than signals leave
 * alone. */
static void frames_beyond_the_red_zone_are_taken_from_the_stack(void **unused)
{
	static const struct bpf_insn insns[] = {E_ST(BPF_DW, BPF_REG_10, -8, 1),
						E_MOVK(BPF_REG_0, 2), E_EXIT};
	struct ebpf_prog *prog = make(insns, N(insns));
	static const size_t sub = 7, leave = 1, pop = 1;
	size_t size;

	prog->funcs[0].stack = 128;
	assert_int_equal(ebpf_jit(prog), 0);
	size = prog->code_size;
	ebpf_jit_free(prog);
	prog->funcs[0].stack = 136;
	assert_int_equal(ebpf_jit(prog), 0);
	assert_int_equal(prog->code_size, size - pop + sub + leave);
	ebpf_prog_unref(prog);
}

/* More than a region holds. */
static void long_programs_are_compiled(void **unused)
{
	const uint32_t n = 200000;
	struct bpf_insn *insns = calloc(n, sizeof(*insns));
	struct ebpf_ctx ctx = {0};
	struct ebpf_prog *prog;

	insns[0] = E_MOVK(BPF_REG_0, 0);
	for (uint32_t i = 1; i < n - 1; i++)
		insns[i] = i % 3 ? E_ALUK(BPF_ADD, BPF_REG_0, 3)
				 : E_JMPK(BPF_JLT, BPF_REG_0, 100, i + 9 < n ? 7 : 0);
	insns[n - 1] = E_EXIT;
	prog = compile(insns, n);
	assert_int_equal(prog->code(&ctx), ebpf_interpret(prog, &ctx));
	ebpf_prog_unref(prog);
	free(insns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_instruction_does_what_it_must),
		cmocka_unit_test(program_that_does_nothing_is_two_instructions),
		cmocka_unit_test(jumps_to_what_follows_are_nothing),
		cmocka_unit_test(random_programs_return_what_the_interpreter_does),
		cmocka_unit_test(programs_share_pages),
		cmocka_unit_test(code_is_not_writable),
		cmocka_unit_test(children_have_code_of_their_own),
		cmocka_unit_test(frames_beyond_the_red_zone_are_taken_from_the_stack),
		cmocka_unit_test(long_programs_are_compiled),
	};

	ebpf_env_here = &env;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
