/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Programs of any bytes: they are refused with a reason, or linked, examined and compiled.  None is
 * run that the verifier has not seen, but those that can do no harm by their form: arithmetic on
 * registers and jumps forward.  These the interpreter and the compiler must agree on.
 *
 * Input: a byte of flags, then instructions.
 */
#include "tests/fuzz/fuzz.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "filters/ebpf/prog.h"

#define MEND	  1 /* make instructions of the bytes, and not take them as they are */
#define MAX_INSNS 2048
#define N_MAPS	  3
#define N_SET	  10 /* instructions that set r0 to r9 */

static struct ebpf_map *maps[N_MAPS];

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void make_maps(void)
{
	static const enum bpf_map_type types[N_MAPS] = {BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_HASH,
							BPF_MAP_TYPE_PROG_ARRAY};

	for (unsigned i = 0; i < N_MAPS && maps[i] == NULL; i++) {
		const struct ebpf_map_def def = {.type = types[i],
						 .key_size = 4,
						 .value_size = i == 2 ? 4 : 16,
						 .max_entries = 8,
						 .memory_fd = -1};

		must(ebpf_map_create(&def, 1, &maps[i], NULL) == 0);
	}
}

/* Opcodes whose other fields are mended by their class alone. */
static const uint8_t codes[] = {
	BPF_ALU64 | BPF_MOV | BPF_X,
	BPF_ALU64 | BPF_MOV | BPF_K,
	BPF_ALU64 | BPF_ADD | BPF_X,
	BPF_ALU64 | BPF_ADD | BPF_K,
	BPF_ALU64 | BPF_SUB | BPF_X,
	BPF_ALU64 | BPF_MUL | BPF_K,
	BPF_ALU64 | BPF_DIV | BPF_X,
	BPF_ALU64 | BPF_MOD | BPF_X,
	BPF_ALU64 | BPF_LSH | BPF_X,
	BPF_ALU64 | BPF_ARSH | BPF_X,
	BPF_ALU64 | BPF_XOR | BPF_K,
	BPF_ALU64 | BPF_NEG,
	BPF_ALU | BPF_MOV | BPF_X,
	BPF_ALU | BPF_ADD | BPF_K,
	BPF_ALU | BPF_SUB | BPF_X,
	BPF_ALU | BPF_DIV | BPF_X,
	BPF_ALU | BPF_MOD | BPF_X,
	BPF_ALU | BPF_RSH | BPF_X,
	BPF_ALU | BPF_ARSH | BPF_X,
	BPF_ALU | BPF_OR | BPF_X,
	BPF_ALU | BPF_AND | BPF_K,
	BPF_ALU | BPF_END | BPF_X,
	BPF_ALU | BPF_END | BPF_K,
	BPF_ALU64 | BPF_END,
	BPF_JMP | BPF_JA,
	BPF_JMP | BPF_JEQ | BPF_K,
	BPF_JMP | BPF_JGT | BPF_X,
	BPF_JMP | BPF_JSLT | BPF_X,
	BPF_JMP | BPF_JSET | BPF_X,
	BPF_JMP32 | BPF_JNE | BPF_K,
	BPF_JMP32 | BPF_JSGE | BPF_X,
	BPF_JMP32 | BPF_JLE | BPF_X,
	BPF_JMP | BPF_EXIT,
	BPF_JMP | BPF_CALL,
	BPF_LD | BPF_IMM | BPF_DW,
	BPF_LDX | BPF_MEM | BPF_W,
	BPF_LDX | BPF_MEM | BPF_DW,
	BPF_LDX | EBPF_MEMSX | BPF_W,
	BPF_STX | BPF_MEM | BPF_DW,
	BPF_STX | BPF_MEM | BPF_B,
	BPF_ST | BPF_MEM | BPF_W,
	BPF_STX | BPF_ATOMIC | BPF_DW,
	BPF_STX | BPF_ATOMIC | BPF_W,
};

static const int helpers[] = {
	BPF_FUNC_map_lookup_elem,
	BPF_FUNC_map_update_elem,
	BPF_FUNC_ktime_get_ns,
	BPF_FUNC_xdp_adjust_head,
	BPF_FUNC_tail_call,
	BPF_FUNC_redirect,
	BPF_FUNC_loop,
	BPF_FUNC_for_each_map_elem,
	BPF_FUNC_xdp_load_bytes,
};

static const int atomics[] = {
	BPF_ADD, BPF_AND, BPF_XOR | BPF_FETCH, BPF_ADD | BPF_FETCH, BPF_XCHG, BPF_CMPXCHG,
};

#define PICK(table, x) ((table)[(unsigned)(x) % (sizeof(table) / sizeof((table)[0]))])

static void mend_alu(struct bpf_insn *i)
{
	uint8_t op = BPF_OP(i->code);

	i->off = (op == BPF_DIV || op == BPF_MOD) ? i->off & 1 : 0;
	if (op == BPF_MOV && BPF_SRC(i->code) == BPF_X)
		i->off = (int16_t)((unsigned)i->imm % 3 * 8);
	if (op == BPF_END)
		i->imm = 16 << (unsigned)i->imm % 3;
	else if (op == BPF_NEG || BPF_SRC(i->code) == BPF_X)
		i->imm = 0;
	if (op == BPF_END || op == BPF_NEG || BPF_SRC(i->code) == BPF_K)
		i->src_reg = 0;
}

static void mend_jump(struct bpf_insn *i, uint32_t at, uint32_t n)
{
	switch (BPF_OP(i->code)) {
	case BPF_EXIT:
		*i = (struct bpf_insn){.code = i->code};
		break;
	case BPF_CALL:
		i->dst_reg = 0;
		i->off = 0;
		i->src_reg &= 1;
		i->imm = i->src_reg == BPF_PSEUDO_CALL ? (int)((unsigned)i->imm % n) - (int)at - 1
						       : PICK(helpers, i->imm);
		break;
	default:
		/* Forward for the most part. */
		i->off = i->off % 7 == 0 ? -(int16_t)((unsigned)i->imm % (at + 1))
					 : (int16_t)((uint16_t)i->off % (n - at));
		if (BPF_SRC(i->code) == BPF_X)
			i->imm = 0;
		else
			i->src_reg = 0;
		if (BPF_OP(i->code) == BPF_JA)
			*i = (struct bpf_insn){.code = i->code, .off = i->off};
		break;
	}
}

static void mend_wide(struct bpf_insn *i, uint32_t at, uint32_t n)
{
	i->src_reg %= BPF_PSEUDO_FUNC + 1;
	i->off = 0;
	i[1] = (struct bpf_insn){0};
	if (i->src_reg == BPF_PSEUDO_MAP_VALUE)
		i->imm = 0;
	else if (i->src_reg == BPF_PSEUDO_MAP_FD)
		i->imm = (int)((unsigned)i->imm % N_MAPS);
	else if (i->src_reg == BPF_PSEUDO_FUNC)
		i->imm = (int)((unsigned)i->imm % n) - (int)at - 1;
}

static void mend_memory(struct bpf_insn *i)
{
	if (BPF_MODE(i->code) == BPF_ATOMIC)
		i->imm = PICK(atomics, i->imm);
	else if (BPF_CLASS(i->code) != BPF_ST)
		i->imm = 0;
	if (BPF_CLASS(i->code) == BPF_ST)
		i->src_reg = 0;
	if (i->off % 2)
		i->dst_reg = 10;
	if (BPF_CLASS(i->code) == BPF_LDX)
		i->dst_reg %= 10;
}

/* Leaves mistakes enough. */
static void mend(struct bpf_insn *insns, uint32_t n)
{
	for (uint32_t at = 0; at < n; at++) {
		struct bpf_insn *i = &insns[at];

		i->code = PICK(codes, i->code);
		i->dst_reg %= 10;
		i->src_reg %= 11;
		if (ebpf_class(i) == BPF_ALU || ebpf_class(i) == BPF_ALU64)
			mend_alu(i);
		else if (ebpf_class(i) == BPF_JMP || ebpf_class(i) == BPF_JMP32)
			mend_jump(i, at, n);
		else if (!ebpf_is_wide(i))
			mend_memory(i);
		else if (at + 1 < n)
			mend_wide(i, at++, n);
	}
	insns[n - 1] = (struct bpf_insn){.code = BPF_JMP | BPF_EXIT};
}

/* No memory but registers, and an end. */
static bool is_harmless(const struct ebpf_prog *prog)
{
	for (uint32_t at = 0; at < prog->n; at++) {
		const struct bpf_insn *i = &prog->insns[at];
		bool is_alu = ebpf_class(i) == BPF_ALU || ebpf_class(i) == BPF_ALU64;

		if (i->src_reg == 10 || i->dst_reg == 10)
			return false; /* An address, of which each has its own. */
		if (ebpf_is_wide(i) && i->src_reg == 0)
			at++;
		else if (ebpf_is_jump(i) ? ebpf_jump_target(prog->insns, at) <= at
					 : !is_alu && !ebpf_is_exit(i))
			return false;
	}
	return true;
}

static uint64_t run(const struct ebpf_prog *prog)
{
	static uint8_t room[512];
	static struct ebpf_env env = {.random = 1};
	struct ebpf_ctx ctx = {.data = room + 256,
			       .meta = room + 256,
			       .data_end = room + 320,
			       .hard_start = room,
			       .hard_end = room + sizeof(room),
			       .frame_size = 64};

	ebpf_env_here = &env;
	return ebpf_run(prog, &ctx);
}

static struct ebpf_prog *create(const struct bpf_insn *insns, uint32_t n, bool interpret)
{
	struct ebpf_map_ref refs[N_MAPS];
	const struct ebpf_prog_opts opts = {.name = "fuzz",
					    .insns = insns,
					    .n = n,
					    .maps = refs,
					    .n_maps = N_MAPS,
					    .gpl = true,
					    .interpret = interpret};
	struct ebpf_prog *prog = NULL;
	struct err err = {0};
	int rc;

	for (int i = 0; i < N_MAPS; i++)
		refs[i] = (struct ebpf_map_ref){.fd = i, .map = maps[i]};
	rc = ebpf_prog_create(&opts, &prog, &err);
	if (rc == 0) {
		must(prog != NULL && prog->n == n);
		return prog;
	}
	must(prog == NULL && err.code == rc && err.what[0] != '\0' && err.slug[0] != '\0');
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bpf_insn insns[N_SET + MAX_INSNS];
	uint32_t n = size > 0 ? (size - 1) / sizeof(insns[0]) : 0;
	struct ebpf_prog *interpreted, *compiled;

	make_maps();
	if (n > MAX_INSNS)
		n = MAX_INSNS;
	for (int r = 0; r < N_SET; r++)
		insns[r] = (struct bpf_insn){.code = BPF_ALU64 | BPF_MOV | BPF_K,
					     .dst_reg = r & 15,
					     .imm = r * -77777777};
	if (n > 0) {
		memcpy(insns + N_SET, data + 1, n * sizeof(insns[0]));
		if (data[0] & MEND)
			mend(insns + N_SET, n);
	}
	interpreted = create(insns, N_SET + n, true);
	compiled = create(insns, N_SET + n, false);
	must((interpreted == NULL) == (compiled == NULL));
	if (interpreted != NULL && is_harmless(interpreted))
		must(run(interpreted) == run(compiled));
	ebpf_prog_unref(interpreted);
	ebpf_prog_unref(compiled);
	return 0;
}
