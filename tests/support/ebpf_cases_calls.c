/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Functions, callbacks and helpers.
 */
#include "tests/support/ebpf_cases_priv.h"

#include <errno.h>

static void smallest(struct cases *k)
{
	case_begin(k, "pass");
	case_add(k, E_MOVK(BPF_REG_0, 2));
	case_end(k, 2);
	case_begin(k, "an exit in the middle");
	case_add(k, E_MOVK(BPF_REG_0, 1));
	case_add(k, E_JMPK(BPF_JSGT, BPF_REG_0, 0, 1));
	case_add(k, E_EXIT);
	case_add(k, E_MOVK(BPF_REG_0, 2));
	case_end(k, 2);
}

/* The caller's r6 to r9 and stack are its own, arguments and the result arrive, for functions with
 * all kinds of frames. */
static void local_call(struct cases *k, bool saves, bool stack)
{
	case_begin(k, "a function that%s%s", saves ? " uses r6 to r9" : " uses no saved register",
		   stack ? " and a stack" : "");
	for (unsigned r = 6; r <= 9; r++)
		case_add(k, E_MOVK(r, (int)r * 1000));
	for (unsigned r = 1; r <= 5; r++)
		case_add(k, E_MOVK(r, (int)r));
	case_add(k, E_ST(BPF_DW, BPF_REG_10, -8, 7777777));
	case_add(k, E_LOCAL(7));
	for (unsigned r = 6; r <= 9; r++)
		case_add(k, E_ALU(BPF_ADD, BPF_REG_0, r));
	case_add(k, E_LDX(BPF_DW, BPF_REG_1, BPF_REG_10, -8));
	case_add(k, E_ALU(BPF_ADD, BPF_REG_0, BPF_REG_1));
	case_add(k, E_EXIT);
	case_add(k, E_MOVK(BPF_REG_0, 0));
	for (unsigned r = 6; saves && r <= 9; r++)
		case_add(k, E_MOVK(r, -1));
	if (stack)
		case_add(k, E_ST(BPF_DW, BPF_REG_10, -8, -1));
	for (unsigned r = 1; r <= 5; r++) {
		case_add(k, E_ALUK(BPF_MUL, BPF_REG_0, 10));
		case_add(k, E_ALU(BPF_ADD, BPF_REG_0, r));
	}
	case_end(k, 12345 + 30000 + 7777777);
}

/* Seven deep, each with a frame of its own, and a pointer to the first one's. */
static void deep(struct cases *k)
{
	case_begin(k, "eight frames");
	case_add(k, E_ST(BPF_DW, BPF_REG_10, -16, 1));
	case_add(k, E_MOV(BPF_REG_1, BPF_REG_10));
	case_add(k, E_LOCAL(2));
	case_add(k, E_LDX(BPF_DW, BPF_REG_0, BPF_REG_10, -16));
	case_add(k, E_EXIT);
	for (int f = 1; f <= 7; f++) {
		case_add(k, E_MOV(BPF_REG_6, BPF_REG_1));
		case_add(k, E_ST(BPF_DW, BPF_REG_10, -16, f));
		if (f < 7)
			case_add(k, E_LOCAL(7));
		else
			case_add(k, E_MOVK(BPF_REG_0, 0));
		case_add(k, E_LDX(BPF_DW, BPF_REG_2, BPF_REG_6, -16));
		case_add(k, E_ALUK(BPF_MUL, BPF_REG_2, 10));
		case_add(k, E_LDX(BPF_DW, BPF_REG_3, BPF_REG_10, -16));
		case_add(k, E_ALU(BPF_ADD, BPF_REG_2, BPF_REG_3));
		case_add(k, E_STX(BPF_DW, BPF_REG_6, BPF_REG_2, -16));
		if (f < 7) {
			case_add(k, E_MOVK(BPF_REG_0, 0));
			case_add(k, E_EXIT);
		}
	}
	case_end(k, 17654321);
}

/* Helpers leave r6 to r9 and the stack alone, and may be called from any frame. */
static void helper(struct cases *k, unsigned n_saved, unsigned stack)
{
	uint64_t sum = EBPF_CASE_CPU;

	case_begin(k, "a helper beside %u saved registers, %u bytes of stack", n_saved, stack);
	for (unsigned i = 0; i < n_saved; i++) {
		case_add(k, E_MOVK(BPF_REG_6 + i, (int)i + 5));
		sum += i + 5;
	}
	for (unsigned i = 8; i <= stack; i += 8)
		case_add(k, E_ST(BPF_DW, BPF_REG_10, -(int)i, (int)i));
	case_add(k, E_CALL(BPF_FUNC_get_smp_processor_id));
	for (unsigned i = 0; i < n_saved; i++)
		case_add(k, E_ALU(BPF_ADD, BPF_REG_0, BPF_REG_6 + i));
	for (unsigned i = 8; i <= stack; i += 8) {
		case_add(k, E_LDX(BPF_DW, BPF_REG_1, BPF_REG_10, -(int)i));
		case_add(k, E_ALU(BPF_ADD, BPF_REG_0, BPF_REG_1));
		sum += i;
	}
	case_end(k, sum);
}

/* bpf_loop(times, f, &sum, flags) with f adding its index to the sum, and 1 when it is 'stop'.
 * r0 = sum * 2^32 + the call's result. */
static void loop(struct cases *k, uint32_t times, uint64_t flags, uint32_t stop, uint64_t expected)
{
	case_begin(k, "bpf_loop of %u, flags %llu, stop at %u", times, (unsigned long long)flags,
		   stop);
	case_add(k, E_MOVK(BPF_REG_6, 77));
	case_add(k, E_ST(BPF_DW, BPF_REG_10, -8, 0));
	case_wide(k, BPF_REG_1, 0xdead00000000 | times); /* 32 bits of it count. */
	case_add(k, E(BPF_LD | BPF_IMM | BPF_DW, BPF_REG_2, BPF_PSEUDO_FUNC, 0, 11));
	case_add(k, E(0, 0, 0, 0, 0));
	case_add(k, E_MOV(BPF_REG_3, BPF_REG_10));
	case_add(k, E_ALUK(BPF_ADD, BPF_REG_3, -8));
	case_wide(k, BPF_REG_4, flags);
	case_add(k, E_CALL(BPF_FUNC_loop));
	case_add(k, E_LDX(BPF_DW, BPF_REG_1, BPF_REG_10, -8));
	case_add(k, E_ALUK(BPF_LSH, BPF_REG_1, 32));
	case_add(k, E_ALU(BPF_ADD, BPF_REG_0, BPF_REG_1));
	case_add(k, E_ALU(BPF_ADD, BPF_REG_0, BPF_REG_6));
	case_add(k, E_EXIT);
	case_add(k, E_MOV(BPF_REG_6, BPF_REG_2));
	case_add(k, E_LDX(BPF_DW, BPF_REG_3, BPF_REG_6, 0));
	case_add(k, E_ALU(BPF_ADD, BPF_REG_3, BPF_REG_1));
	case_add(k, E_STX(BPF_DW, BPF_REG_6, BPF_REG_3, 0));
	case_add(k, E_MOVK(BPF_REG_0, 1));
	case_add(k, E_JMPK(BPF_JEQ, BPF_REG_1, (int)stop, 1));
	case_add(k, E_MOVK(BPF_REG_0, 0));
	case_end(k, expected + 77);
}

static void loops(struct cases *k)
{
	loop(k, 0, 0, 1000000, 0);
	loop(k, 1, 0, 1000000, 1);
	loop(k, 10, 0, 1000000, 45ull << 32 | 10);
	loop(k, 10, 0, 0, 1);
	loop(k, 10, 0, 4, 10ull << 32 | 5);
	loop(k, 10, 1, 4, (uint64_t)-EINVAL);
	loop(k, 10, 1ull << 40, 4, (uint64_t)-EINVAL);
	loop(k, (8u << 20) + 1, 0, 4, (uint64_t)-E2BIG);
	loop(k, 0xffffffff, 0, 4, (uint64_t)-E2BIG);
	loop(k, 8u << 20, 0, 4, 10ull << 32 | 5);
}

void cases_calls(struct cases *k)
{
	smallest(k);
	for (unsigned i = 0; i < 4; i++)
		local_call(k, i & 1, i & 2);
	deep(k);
	for (unsigned n_saved = 0; n_saved <= 4; n_saved++)
		for (unsigned stack = 0; stack <= 512; stack += 8)
			helper(k, n_saved, stack);
	loops(k);
}
