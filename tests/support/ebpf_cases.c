/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See ebpf_cases.h.
 */
#include "tests/support/ebpf_cases.h"

#include "tests/support/ebpf_cases_priv.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

const uint64_t case_edges[CASE_N_EDGES] = {
	0,
	1,
	2,
	31,
	32,
	63,
	0x7f,
	0x7fffffff,
	0x80000000,
	0xffffffff,
	0x100000000,
	0x7fffffffffffffff,
	0x8000000000000000,
	0xffffffffffffffff,
};

/* Where the fold puts registers: the lowest of the frame, below what memory cases use. */
#define FOLD_AT	  (-512)
#define FOLD_BY	  0x3779b1
#define FOLD_TURN 29

void case_begin(struct cases *k, const char *name, ...)
{
	va_list ap;

	va_start(ap, name);
	vsnprintf(k->c.name, sizeof(k->c.name), name, ap);
	va_end(ap);
	k->c.n = 0;
	k->c.insns = k->insns;
}

void case_end(struct cases *k, uint64_t expected)
{
	case_add(k, E_EXIT);
	if (k->c.n >= CASE_MAX) {
		fprintf(stderr, "case %s is too long\n", k->c.name);
		abort();
	}
	k->c.expected = expected;
	k->n_cases++;
	k->fn(k->arg, &k->c);
}

void case_wide(struct cases *k, unsigned reg, uint64_t v)
{
	const struct bpf_insn insns[] = {E_WIDE(reg, v)};

	case_add(k, insns[0]);
	case_add(k, insns[1]);
}

void case_load_regs(struct cases *k, const uint64_t *regs)
{
	for (unsigned r = 0; r < CASE_REGS; r++)
		case_wide(k, r, regs[r]);
}

void case_fold_regs(struct cases *k)
{
	for (unsigned r = 0; r < CASE_REGS; r++)
		case_add(k, E_STX(BPF_DW, BPF_REG_10, r, FOLD_AT + (int)r * 8));
	case_add(k, E_MOVK(BPF_REG_0, 0));
	for (unsigned r = 0; r < CASE_REGS; r++) {
		case_add(k, E_LDX(BPF_DW, BPF_REG_1, BPF_REG_10, FOLD_AT + (int)r * 8));
		case_add(k, E_ALU(BPF_XOR, BPF_REG_0, BPF_REG_1));
		case_add(k, E_ALUK(BPF_MUL, BPF_REG_0, FOLD_BY));
		case_add(k, E_MOV(BPF_REG_2, BPF_REG_0));
		case_add(k, E_ALUK(BPF_RSH, BPF_REG_2, FOLD_TURN));
		case_add(k, E_ALU(BPF_XOR, BPF_REG_0, BPF_REG_2));
	}
}

uint64_t case_folded(const uint64_t *regs)
{
	uint64_t v = 0;

	for (unsigned r = 0; r < CASE_REGS; r++) {
		v = (v ^ regs[r]) * FOLD_BY;
		v ^= v >> FOLD_TURN;
	}
	return v;
}

void case_regs(uint64_t *ret_regs, unsigned seed)
{
	uint64_t v = 0x9e3779b97f4a7c15u * (seed + 1);

	for (unsigned r = 0; r < CASE_REGS; r++) {
		v = v * 6364136223846793005u + 1442695040888963407u;
		ret_regs[r] = v ^ v >> 31;
	}
}

static uint8_t room[EBPF_HEADROOM + 128];

void ebpf_case_ctx(struct ebpf_ctx *ret_ctx)
{
	uint8_t *data = room + EBPF_HEADROOM;

	for (unsigned i = 0; i < 64; i++)
		data[i] = (uint8_t)(i * 7 + 1);
	*ret_ctx = (struct ebpf_ctx){
		.data = data,
		.data_end = data + 64,
		.meta = data - 8,
		.ingress_ifindex = 0x80000011,
		.rx_queue = 22,
		.egress_ifindex = 33,
		.frame_size = 64,
		.hard_start = room,
		.hard_end = room + sizeof(room),
	};
}

uint32_t ebpf_cases_each(ebpf_case_fn fn, void *arg)
{
	struct cases *k = calloc(1, sizeof(*k));
	uint32_t n;

	if (k == NULL)
		abort();
	k->fn = fn;
	k->arg = arg;
	cases_alu(k);
	cases_jump(k);
	cases_memory(k);
	cases_calls(k);
	n = k->n_cases;
	free(k);
	return n;
}
