/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Functions: how they begin and end, and how they call helpers and one another; see jit_priv.h.
 *
 * A tail call gives the frame back first and jumps: the other program returns to who called this
 * one.  In the kernel it is the frame of the function that makes it, not of the program: after a
 * tail call in a function, its caller goes on.  So here.
 */
#include "filters/ebpf/helper.h"
#include "filters/ebpf/jit_priv.h"

#include <errno.h>
#include <stddef.h>

/* bpf_loop() does not go round more often (linux/bpf.h has no name for it). */
#define MAX_LOOPS (8u << 20)

static bool is_helper(const struct bpf_insn *insn, int32_t id)
{
	return ebpf_is_call(insn) && insn->src_reg == 0 && insn->imm == id;
}

/* Bits of the registers that it writes, as far as anybody asks: R6 to R9. */
static unsigned written(const struct bpf_insn *insn)
{
	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
	case BPF_LDX:
	case BPF_ALU:
	case BPF_ALU64:
		return 1u << insn->dst_reg;
	default: /* What an atomic returns it puts where it took its operand from. */
		return 0;
	}
}

static bool uses_frame(const struct bpf_insn *insn)
{
	return insn->dst_reg == BPF_REG_10 || insn->src_reg == BPF_REG_10;
}

/* Calls need rsp at a multiple of 16, where a function begins it is 8 off. */
static void plan_stack(struct jit_func *f, uint32_t stack)
{
	uint32_t used = 8 + 8u * f->n_saved + (f->has_frame ? 8 : 0);

	f->frame = 0;
	if (f->has_frame && (f->calls || stack > 128)) /* Else it lies in the red zone. */
		f->frame = (stack + 7) / 8 * 8;
	f->pads = f->calls && (used + f->frame) % 16 != 0;
	if (f->pads && f->has_frame) {
		f->frame += 8;
		f->pads = false;
	}
}

static void plan_func(struct jit *j, uint32_t n, struct jit_func *f)
{
	const struct ebpf_func *func = &j->prog->funcs[n];
	unsigned writes = 0;

	for (uint32_t i = func->start; i < func->end; i++) {
		const struct bpf_insn *insn = &j->prog->insns[i];

		if (!ebpf_is_call(insn))
			f->has_frame |= uses_frame(insn);
		f->calls |= ebpf_is_call(insn);
		writes |= written(insn);
		if (ebpf_is_wide(insn))
			i++;
	}
	if (n == 0 && j->keeps_ctx)
		f->saved[f->n_saved++] = JIT_CTX;
	for (unsigned r = BPF_REG_6; r <= BPF_REG_9; r++)
		if (writes & 1u << r)
			f->saved[f->n_saved++] = (uint8_t)jit_reg(j, r);
	plan_stack(f, func->stack);
}

void jit_plan(struct jit *j)
{
	for (uint32_t i = 0; i < j->prog->n; i++) {
		const struct bpf_insn *insn = &j->prog->insns[i];
		uint32_t target = jit_target(j, insn, i);

		j->uses_loop |= is_helper(insn, BPF_FUNC_loop);
		j->uses_each |= is_helper(insn, BPF_FUNC_for_each_map_elem);
		j->keeps_ctx |=
			j->prog->notes[i] == EBPF_MAYBE_CTX || is_helper(insn, BPF_FUNC_tail_call);
		if (target != JIT_UNPLACED)
			j->marks[target] |= JIT_TARGET;
		if (ebpf_is_wide(insn))
			i++;
	}
	for (uint32_t n = 0; n < j->prog->n_funcs; n++)
		plan_func(j, n, &j->funcs[n]);
}

void jit_enter(struct jit *j)
{
	const struct jit_func *f = j->func;

	j->func->entry = j->at;
	for (unsigned i = 0; i < f->n_saved; i++)
		jit_push(j, f->saved[i]);
	if (f->has_frame) {
		jit_push(j, RBP);
		jit_mov(j, X_W, RBP, RSP);
	}
	if (f->frame != 0)
		jit_group1(j, X_W, 5, RSP, (int32_t)f->frame);
	if (f->pads)
		jit_push(j, RAX);
	if (f == j->funcs && j->keeps_ctx)
		jit_mov(j, X_W, JIT_CTX, RDI);
}

/* Leaves rax, rdi and rsi alone. */
static void unwind(struct jit *j)
{
	const struct jit_func *f = j->func;

	if (f->pads)
		jit_pop(j, RCX);
	if (f->frame != 0)
		JIT_BYTES(j, 0xc9); /* leave */
	else if (f->has_frame)
		jit_pop(j, RBP);
	for (unsigned i = f->n_saved; i > 0; i--)
		jit_pop(j, f->saved[i - 1]);
}

void jit_exit(struct jit *j)
{
	unwind(j);
	JIT_BYTES(j, 0xc3);
}

/* The function that begins at instruction 'start', or NULL. */
static const struct jit_func *find_func(const struct jit *j, int64_t start)
{
	uint32_t low = 0, high = j->prog->n_funcs;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (j->prog->funcs[middle].start == start)
			return &j->funcs[middle];
		if (j->prog->funcs[middle].start < start)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

static void call_local(struct jit *j, const struct bpf_insn *insn)
{
	const struct jit_func *f = find_func(j, (int64_t)j->i + 1 + insn->imm);

	if (f == NULL)
		j->bad = true;
	else
		jit_call_place(j, f->entry);
}

void jit_wide(struct jit *j, const struct bpf_insn *insn)
{
	const struct jit_func *f;

	if (!ebpf_is_wide(insn) || j->i + 1 >= j->prog->n) {
		j->bad = true;
		return;
	}
	if (insn->src_reg != BPF_PSEUDO_FUNC) {
		jit_mov_imm(j, jit_reg(j, insn->dst_reg), ebpf_wide_imm(insn));
		return;
	}
	f = find_func(j, insn->imm); /* link.c has put the instruction's number there. */
	if (f == NULL)
		j->bad = true;
	else
		jit_lea_place(j, jit_reg(j, insn->dst_reg), f->entry);
}

/* The verifier has it that R1 is the context, R2 the map, R3 the index: jit_tail_call()'s. */
static void call_tail(struct jit *j)
{
	uint32_t fails;

	jit_call_c(j, (uintptr_t)jit_tail_call);
	jit_rr(j, X_W, 0x85, RAX, RAX);
	fails = jit_skip_if(j, CC_E);
	jit_mov(j, X_W, RDI, JIT_CTX);
	jit_mov(j, X_W, RSI, RDX);
	unwind(j);
	JIT_BYTES(j, 0xff, 0xe0); /* jmp rax */
	jit_here(j, fails);
}

static void call_each(struct jit *j)
{
	jit_mov(j, X_W, R8, JIT_CTX);
	jit_lea_place(j, R9, j->each_callback);
	jit_call_c(j, (uintptr_t)jit_run_each);
}

bool jit_call(struct jit *j, const struct bpf_insn *insn)
{
	const struct ebpf_helper *helper;
	bool both = false;

	if (insn->src_reg == BPF_PSEUDO_CALL) {
		call_local(j, insn);
	} else if (insn->src_reg != 0) {
		j->bad = true;
	} else if (insn->imm == BPF_FUNC_tail_call) {
		call_tail(j);
	} else if (insn->imm == BPF_FUNC_loop) {
		jit_call_place(j, j->loop);
	} else if (insn->imm == BPF_FUNC_for_each_map_elem) {
		call_each(j);
	} else if (!jit_map_call(j, (uint32_t)insn->imm, &both)) {
		helper = ebpf_helper((uint32_t)insn->imm);
		if (helper == NULL || helper->fn == NULL)
			j->bad = true;
		else
			jit_call_c(j, (uintptr_t)helper->fn);
	}
	return both;
}

/* bpf_loop(times, function, its argument, flags): 'ecx' times at most, until it does not return
 * 0.  Returns how often it was called. */
static void piece_loop(struct jit *j)
{
	static const uint8_t saved[] = {RBX, R13, R14, R15, RBP};
	uint32_t einval, e2big, end, again, out;

	j->loop = j->at;
	jit_rr(j, X_W, 0x85, RCX, RCX);
	einval = jit_skip_if(j, CC_NE);
	jit_group1(j, 0, 7, RDI, MAX_LOOPS);
	e2big = jit_skip_if(j, CC_A);
	for (unsigned i = 0; i < 5; i++)
		jit_push(j, saved[i]);
	jit_mov(j, 0, RBP, RDI);
	jit_mov(j, X_W, R13, RSI);
	jit_mov(j, X_W, R14, RDX);
	jit_rr(j, 0, 0x31, RBX, RBX);
	again = j->at;
	jit_rr(j, 0, 0x39, RBP, RBX);
	end = jit_skip_if(j, CC_AE);
	jit_mov(j, 0, RDI, RBX);
	jit_mov(j, X_W, RSI, R14);
	jit_rr(j, 0, 0xff, 2, R13); /* call r13 */
	jit_group1(j, 0, 0, RBX, 1);
	jit_rr(j, X_W, 0x85, RAX, RAX);
	jit_back_if(j, CC_E, again);
	jit_here(j, end);
	jit_mov(j, 0, RAX, RBX);
	for (unsigned i = 5; i > 0; i--)
		jit_pop(j, saved[i - 1]);
	JIT_BYTES(j, 0xc3);
	jit_here(j, einval);
	jit_mov_imm(j, RAX, (uint64_t)-EINVAL);
	out = jit_skip(j);
	jit_here(j, e2big);
	jit_mov_imm(j, RAX, (uint64_t)-E2BIG);
	jit_here(j, out);
	JIT_BYTES(j, 0xc3);
}

/* What ebpf_map_each() calls, with a 'struct jit_each', the map, the key and the value: hands the
 * three and its own argument to the program's function, with the context where the program keeps
 * it.  C may have used that register for something else. */
static void piece_each_callback(struct jit *j)
{
	j->each_callback = j->at;
	jit_push(j, JIT_CTX);
	jit_rm(j, X_W, 0x8b, JIT_CTX, RDI, offsetof(struct jit_each, ctx));
	jit_rm(j, X_W, 0x8b, RAX, RDI, offsetof(struct jit_each, fn));
	jit_rm(j, X_W, 0x8b, R8, RDI, offsetof(struct jit_each, arg));
	jit_mov(j, X_W, RDI, RSI);
	jit_mov(j, X_W, RSI, RDX);
	jit_mov(j, X_W, RDX, RCX);
	jit_mov(j, X_W, RCX, R8);
	JIT_BYTES(j, 0xff, 0xd0); /* call rax */
	jit_pop(j, JIT_CTX);
	JIT_BYTES(j, 0xc3);
}

void jit_pieces(struct jit *j)
{
	if (j->uses_loop)
		piece_loop(j);
	if (j->uses_each)
		piece_each_callback(j);
}
