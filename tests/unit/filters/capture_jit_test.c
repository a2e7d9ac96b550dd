/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Machine code against libpcap's interpreter, on programs of random instructions: all of them,
 * with small, large and wrapping constants, jumps near and far.
 */
#include "filters/capture_jit.h"

#include "tests/support/bpf_codes.h"
#include "tests/support/packet.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>
#include <pcap/pcap.h>

#define MAX_INSNS 600
#define N_MEMORY  16

static uint32_t min(uint32_t a, uint32_t b)
{
	return a < b ? a : b;
}

static uint32_t random_constant(uint64_t *rnd, uint32_t size)
{
	switch ((uint32_t)pkt_rand(rnd) % 24) {
	case 0:
		return (uint32_t)pkt_rand(rnd);
	case 1:
		return size -
		       (uint32_t)pkt_rand(rnd) % 6; /* Around the end of the bytes, and below 0. */
	case 2:
		return UINT32_MAX - (uint32_t)pkt_rand(rnd) % 6;
	case 3:
		return 0x7ffffff8u + (uint32_t)pkt_rand(rnd) % 16;
	case 4:
		return 1u << ((uint32_t)pkt_rand(rnd) % 32);
	default:
		return (uint32_t)pkt_rand(rnd) % (size / 2 + 1);
	}
}

static struct bpf_insn random_insn(uint64_t *rnd, uint32_t size, uint32_t left)
{
	struct bpf_insn insn = {.code = bpf_codes[(uint32_t)pkt_rand(rnd) % N_BPF_CODES],
				.k = random_constant(rnd, size)};
	bool load = BPF_CLASS(insn.code) == BPF_LD || BPF_CLASS(insn.code) == BPF_LDX;

	if (BPF_CLASS(insn.code) == BPF_RET && (uint32_t)pkt_rand(rnd) % 8 != 0) /* Most go on. */
		insn.code = BPF_MISC | BPF_TAX;
	if (BPF_CLASS(insn.code) == BPF_ST || BPF_CLASS(insn.code) == BPF_STX ||
	    (load && BPF_MODE(insn.code) == BPF_MEM))
		insn.k %= N_MEMORY;
	if (BPF_CLASS(insn.code) == BPF_ALU && insn.k == 0)
		insn.k = 1; /* libpcap refuses a division by a constant 0. */
	if (insn.code == (BPF_ALU | BPF_LSH | BPF_K) || insn.code == (BPF_ALU | BPF_RSH | BPF_K))
		insn.k %= 32; /* Beyond it C does not say what the interpreter does. */
	if (BPF_CLASS(insn.code) == BPF_JMP) {
		insn.jt = (uint8_t)((uint32_t)pkt_rand(rnd) % min(left, 256u));
		insn.jf = (uint8_t)((uint32_t)pkt_rand(rnd) % min(left, 256u));
		if ((uint32_t)pkt_rand(rnd) % 2 != 0) {
			insn.jt %= 3;
			insn.jf %= 3;
		}
		if (BPF_OP(insn.code) == BPF_JA)
			insn.k = (uint32_t)pkt_rand(rnd) % min(left, 4u);
		if (insn.jt >= left || insn.jf >= left)
			insn.jt = insn.jf = 0;
	}
	return insn;
}

/* M[] is not said to be zero at the start: every word is written first. */
static uint32_t random_program(uint64_t *rnd, struct bpf_insn *insns, uint32_t size)
{
	uint32_t n = N_MEMORY + 1 +
		     (uint32_t)pkt_rand(rnd) %
			     ((uint32_t)pkt_rand(rnd) % 4 == 0 ? MAX_INSNS - N_MEMORY - 2 : 30);

	for (uint32_t i = 0; i < N_MEMORY; i++)
		insns[i] = (struct bpf_insn){.code = BPF_ST, .k = i};
	for (uint32_t i = N_MEMORY; i < n; i++)
		insns[i] = random_insn(rnd, size, n - i);
	insns[n++] = (struct bpf_insn){.code = BPF_RET | BPF_A};
	return n;
}

static void random_programs_return_what_the_interpreter_returns(void **state)
{
	uint64_t rnd = 42;
	struct bpf_insn insns[MAX_INSNS];
	unsigned n_values = 0;

	for (unsigned round = 0; round < 20000; round++) {
		uint32_t size = (uint32_t)pkt_rand(&rnd) % 200, n;
		uint8_t *data = malloc(
			size + 1); /* Of its own, so that a sanitizer sees a read beyond it. */
		struct bpf_program program = {.bf_insns = insns};
		struct filter_jit jit;
		uint32_t want, got;

		for (uint32_t i = 0; i < size; i++)
			data[i] = (uint8_t)(uint32_t)pkt_rand(&rnd);
		program.bf_len = n = random_program(&rnd, insns, size);
		assert_int_equal(filter_jit_create(&program, &jit), 0);
		want = bpf_filter(insns, data, size + 7, size);
		got = jit.fn(data, size, size + 7);
		if (got != want)
			fail_msg("round %u, %u instructions: %#x, the interpreter says %#x", round,
				 n, got, want);
		n_values += want != 0;
		filter_jit_destroy(&jit);
		free(data);
	}
	assert_true(n_values > 5000); /* Else the programs would be too dull to show anything. */
}

static void load_is_refused_from_the_first_byte_that_is_not_there(void **state)
{
	static const uint8_t data[64];
	static const uint16_t sizes[] = {BPF_B, BPF_H, BPF_W};

	for (unsigned s = 0; s < 3; s++) {
		uint32_t n = s == 0 ? 1 : s == 1 ? 2 : 4;

		for (uint32_t size = 0; size <= sizeof(data); size++) {
			struct bpf_insn insns[] = {
				{.code = (uint16_t)(BPF_LD | BPF_ABS | sizes[s]), .k = 32},
				{.code = BPF_LDX | BPF_IMM, .k = 20},
				{.code = (uint16_t)(BPF_LD | BPF_IND | sizes[s]), .k = 12},
				{.code = BPF_RET | BPF_K, .k = 9},
			};
			struct bpf_program program = {.bf_insns = insns, .bf_len = 4};
			struct filter_jit jit;

			assert_int_equal(filter_jit_create(&program, &jit), 0);
			assert_int_equal(jit.fn(data, size, size), size >= 32 + n ? 9 : 0);
			filter_jit_destroy(&jit);
		}
	}
}

static void what_is_no_program_is_refused(void **state)
{
	struct bpf_insn insns[] = {
		{.code = BPF_JMP | BPF_JA, .k = 5},
		{.code = BPF_RET | BPF_K},
	};
	struct bpf_program program = {.bf_insns = insns, .bf_len = 2};
	struct filter_jit jit;

	assert_int_equal(filter_jit_create(&program, &jit), -EINVAL); /* Jumps out. */
	program.bf_len = 0;
	assert_int_equal(filter_jit_create(&program, &jit), -EINVAL);
	insns[0] = (struct bpf_insn){.code = BPF_LD | BPF_MEM, .k = N_MEMORY};
	program.bf_len = 2;
	assert_int_equal(filter_jit_create(&program, &jit), -EINVAL);
	insns[0] = (struct bpf_insn){.code = BPF_RET | BPF_K};
	insns[1] = (struct bpf_insn){.code = BPF_LD | BPF_IMM};
	assert_int_equal(filter_jit_create(&program, &jit), -EINVAL); /* Runs off its end. */
	insns[1] = (struct bpf_insn){.code = 0xffff};
	assert_int_equal(filter_jit_create(&program, &jit), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_programs_return_what_the_interpreter_returns),
		cmocka_unit_test(load_is_refused_from_the_first_byte_that_is_not_there),
		cmocka_unit_test(what_is_no_program_is_refused),
	};
	struct bpf_insn insns[] = {{.code = BPF_RET | BPF_K}};
	struct filter_jit jit;

	if (filter_jit_create(&(struct bpf_program){.bf_insns = insns, .bf_len = 1}, &jit) ==
	    -ENOTSUP) {
		fprintf(stderr, "skipped: no compiler for this processor\n");
		return 77;
	}
	filter_jit_destroy(&jit);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
