/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Runs a program one instruction at a time: where there is no compiler for the machine, where it is
 * asked for, and as the judge of the compiler in tests.  So it says what each instruction does as
 * plainly as it can, and is as fast as that allows: the code of an instruction is the index of a
 * table of labels.
 *
 * Frames.  A program has eight (EBPF_MAX_FRAMES), of EBPF_STACK_SIZE bytes each, on the stack of
 * the thread.  A callback (bpf_loop, bpf_for_each_map_elem) runs in the frame above that of who
 * called the helper, in a run of its own:
 *
 * 	ebpf_interpret ─► run(frame 0) ── BPF_PSEUDO_CALL ─► frame 1 of the same run
 * 	                       └─ bpf_loop ─► run(frame 1 or 2)
 *
 * Tail calls.  From frame 0 the other program takes this one's place.  From any other frame it
 * runs in this frame's place: what it returns, the function returns.
 *
 * Workers.  Source: RFC 9669; bpf-helpers(7) of the helpers named above.
 */
#include <endian.h>
#include <errno.h>
#include <stddef.h>
#include <string.h>

#include "filters/ebpf/helper.h"
#include "filters/ebpf/prog.h"

#define N_REGS	      11
#define FP	      10
#define N_SAVED	      4 /* r6 to r9 outlive a call */
#define FIRST_SAVED   6
#define MAX_LOOPS     (1u << 23)
#define STACK_ALIGNED __attribute__((aligned(16)))

struct frame {
	uint64_t saved[N_SAVED];
	const struct bpf_insn *back; /* the call */
};

struct vm {
	const struct ebpf_prog *prog;
	struct ebpf_ctx *ctx;
	unsigned depth; /* frame that runs */
	struct frame frames[EBPF_MAX_FRAMES];
	uint8_t stacks[EBPF_MAX_FRAMES][EBPF_STACK_SIZE] STACK_ALIGNED;
};

static uint64_t run(struct vm *vm, uint32_t start, uint64_t *r);

static uint64_t frame_pointer(const struct vm *vm)
{
	return (uintptr_t)vm->stacks[vm->depth] + EBPF_STACK_SIZE;
}

/* 5.4 (loads of the context are those of struct xdp_md).  What a load of 4 bytes gives. */
static uint64_t load_ctx(const struct ebpf_ctx *ctx, int off)
{
	switch (off) {
	case offsetof(struct xdp_md, data):
		return (uintptr_t)ctx->data;
	case offsetof(struct xdp_md, data_end):
		return (uintptr_t)ctx->data_end;
	case offsetof(struct xdp_md, data_meta):
		return (uintptr_t)ctx->meta;
	case offsetof(struct xdp_md, ingress_ifindex):
		return ctx->ingress_ifindex;
	case offsetof(struct xdp_md, rx_queue_index):
		return ctx->rx_queue;
	case offsetof(struct xdp_md, egress_ifindex):
		return ctx->egress_ifindex;
	default:
		return 0;
	}
}

/* 4.1: a division by zero gives zero; the one that overflows gives what it divided. */
static uint64_t div64(uint64_t a, uint64_t b, bool is_signed)
{
	if (b == 0)
		return 0;
	if (!is_signed)
		return a / b;
	return b == UINT64_MAX ? -a : (uint64_t)((int64_t)a / (int64_t)b);
}

static uint64_t mod64(uint64_t a, uint64_t b, bool is_signed)
{
	if (b == 0)
		return a;
	if (!is_signed)
		return a % b;
	return b == UINT64_MAX ? 0 : (uint64_t)((int64_t)a % (int64_t)b);
}

static uint32_t div32(uint32_t a, uint32_t b, bool is_signed)
{
	if (b == 0)
		return 0;
	if (!is_signed)
		return a / b;
	return b == UINT32_MAX ? -a : (uint32_t)((int32_t)a / (int32_t)b);
}

static uint32_t mod32(uint32_t a, uint32_t b, bool is_signed)
{
	if (b == 0)
		return a;
	if (!is_signed)
		return a % b;
	return b == UINT32_MAX ? 0 : (uint32_t)((int32_t)a % (int32_t)b);
}

/* The move of 'bits' that extends the sign; 0: a plain one. */
static uint64_t mov(uint64_t b, int bits)
{
	switch (bits) {
	case 8:
		return (uint64_t)(int64_t)(int8_t)b;
	case 16:
		return (uint64_t)(int64_t)(int16_t)b;
	case 32:
		return (uint64_t)(int64_t)(int32_t)b;
	default:
		return b;
	}
}

/* 4.2 */
static uint64_t to_le(uint64_t a, int bits)
{
	return bits == 16 ? htole16(a) : bits == 32 ? htole32(a) : htole64(a);
}

static uint64_t to_be(uint64_t a, int bits)
{
	return bits == 16 ? htobe16(a) : bits == 32 ? htobe32(a) : htobe64(a);
}

static uint64_t swap(uint64_t a, int bits)
{
	return bits == 16   ? __builtin_bswap16(a)
	       : bits == 32 ? __builtin_bswap32(a)
			    : __builtin_bswap64(a);
}

/* 5.3.  As Linux: who fetches sees all memory in order, who does not, does not. */
#define ATOMIC(bits)                                                                               \
	static void atomic##bits(uint64_t *r, const struct bpf_insn *insn)                         \
	{                                                                                          \
		uint##bits##_t *p = (void *)(uintptr_t)(r[insn->dst_reg] + insn->off);             \
		uint##bits##_t v = r[insn->src_reg], old = r[0];                                   \
                                                                                                   \
		switch (insn->imm) {                                                               \
		case BPF_ADD:                                                                      \
			__atomic_fetch_add(p, v, __ATOMIC_RELAXED);                                \
			break;                                                                     \
		case BPF_OR:                                                                       \
			__atomic_fetch_or(p, v, __ATOMIC_RELAXED);                                 \
			break;                                                                     \
		case BPF_AND:                                                                      \
			__atomic_fetch_and(p, v, __ATOMIC_RELAXED);                                \
			break;                                                                     \
		case BPF_XOR:                                                                      \
			__atomic_fetch_xor(p, v, __ATOMIC_RELAXED);                                \
			break;                                                                     \
		case BPF_ADD | BPF_FETCH:                                                          \
			r[insn->src_reg] = __atomic_fetch_add(p, v, __ATOMIC_SEQ_CST);             \
			break;                                                                     \
		case BPF_OR | BPF_FETCH:                                                           \
			r[insn->src_reg] = __atomic_fetch_or(p, v, __ATOMIC_SEQ_CST);              \
			break;                                                                     \
		case BPF_AND | BPF_FETCH:                                                          \
			r[insn->src_reg] = __atomic_fetch_and(p, v, __ATOMIC_SEQ_CST);             \
			break;                                                                     \
		case BPF_XOR | BPF_FETCH:                                                          \
			r[insn->src_reg] = __atomic_fetch_xor(p, v, __ATOMIC_SEQ_CST);             \
			break;                                                                     \
		case BPF_XCHG:                                                                     \
			r[insn->src_reg] = __atomic_exchange_n(p, v, __ATOMIC_SEQ_CST);            \
			break;                                                                     \
		case BPF_CMPXCHG:                                                                  \
			__atomic_compare_exchange_n(p, &old, v, false, __ATOMIC_SEQ_CST,           \
						    __ATOMIC_SEQ_CST);                             \
			r[0] = old;                                                                \
			break;                                                                     \
		default:                                                                           \
			break;                                                                     \
		}                                                                                  \
	}
ATOMIC(32)
ATOMIC(64)

/* Runs the function that begins at 'start' in the next frame.  False: there is none. */
static bool call_back(struct vm *vm, uint64_t start, uint64_t *r, uint64_t *ret)
{
	if (vm->depth + 1 >= EBPF_MAX_FRAMES || start >= vm->prog->n)
		return false;
	vm->depth++;
	*ret = run(vm, start, r);
	vm->depth--;
	return true;
}

static uint64_t loop(struct vm *vm, const uint64_t *r)
{
	uint32_t n = r[1];
	uint64_t ret = 0;

	if (r[4] != 0)
		return -EINVAL;
	if (n > MAX_LOOPS)
		return -E2BIG;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t args[N_REGS] = {[1] = i, [2] = r[3]};

		if (!call_back(vm, r[2], args, &ret))
			return -EINVAL;
		if (ret != 0)
			return i + 1;
	}
	return n;
}

struct each {
	struct vm *vm;
	uint64_t start, arg;
};

static long each_element(void *arg, struct ebpf_map *map, const void *key, void *value)
{
	const struct each *each = arg;
	uint64_t ret = 1;
	uint64_t args[N_REGS] = {
		[1] = (uintptr_t)map,
		[2] = (uintptr_t)key,
		[3] = (uintptr_t)value,
		[4] = each->arg,
	};

	call_back(each->vm, each->start, args, &ret);
	return ret != 0;
}

static uint64_t for_each(struct vm *vm, const uint64_t *r)
{
	struct each each = {.vm = vm, .start = r[2], .arg = r[3]};

	if (r[4] != 0)
		return -EINVAL;
	return ebpf_map_each((struct ebpf_map *)(uintptr_t)r[1], ebpf_env_here->cpu, each_element,
			     &each);
}

static uint64_t call_helper(struct vm *vm, uint32_t id, const uint64_t *r)
{
	if (id == BPF_FUNC_loop)
		return loop(vm, r);
	if (id == BPF_FUNC_for_each_map_elem)
		return for_each(vm, r);
	return ebpf_helper(id)->fn(r[1], r[2], r[3], r[4], r[5]);
}

/* The program that a tail call goes to, which is counted; NULL: the call does nothing. */
static const struct ebpf_prog *tail_target(const uint64_t *r)
{
	struct ebpf_env *env = ebpf_env_here;
	const struct ebpf_prog *target =
		ebpf_map_prog((const struct ebpf_map *)(uintptr_t)r[2], r[3]);

	if (target == NULL || env->n_tail >= EBPF_MAX_TAIL)
		return NULL;
	env->n_tail++;
	env->prog = target;
	return target;
}

/* Runs it in the place of a function of ours. */
static uint64_t run_target(const struct vm *vm, const struct ebpf_prog *target)
{
	uint64_t ret = ebpf_run(target, vm->ctx);

	ebpf_env_here->prog = vm->prog;
	return ret;
}

#define DST (r[insn->dst_reg])
#define SRC (r[insn->src_reg])
#define NEXT                                                                                       \
	do {                                                                                       \
		insn++;                                                                            \
		goto *labels[insn->code];                                                          \
	} while (0)

/* 4.1.  Of a (destination) and b (source), 'bits' wide.  What is 32 bits wide clears the rest. */
#define ALU_OPS(X)                                                                                 \
	X(ADD, a + b, a + b)                                                                       \
	X(SUB, a - b, a - b)                                                                       \
	X(MUL, (a) * (b), (a) * (b))                                                               \
	X(DIV, div64(a, b, insn->off != 0), div32(a, b, insn->off != 0))                           \
	X(MOD, mod64(a, b, insn->off != 0), mod32(a, b, insn->off != 0))                           \
	X(OR, a | b, a | b)                                                                        \
	X(AND, (a) & (b), (a) & (b))                                                               \
	X(XOR, a ^ b, a ^ b)                                                                       \
	X(LSH, a << (b & 63), a << (b & 31))                                                       \
	X(RSH, a >> (b & 63), a >> (b & 31))                                                       \
	X(ARSH, (uint64_t)((int64_t)a >> (b & 63)), (uint32_t)((int32_t)a >> (b & 31)))            \
	X(MOV, mov(b, insn->off), (uint32_t)mov(b, insn->off))

#define ALU_LABELS(op, expr64, expr32)                                                             \
	[BPF_ALU64 | BPF_##op | BPF_X] = &&alu64_##op##_x,                                         \
				[BPF_ALU64 | BPF_##op | BPF_K] = &&alu64_##op##_k,                 \
				[BPF_ALU | BPF_##op | BPF_X] = &&alu32_##op##_x,                   \
				[BPF_ALU | BPF_##op | BPF_K] = &&alu32_##op##_k,

#define ALU_ONE(label, type, source, expr)                                                         \
	label : {                                                                                  \
		type a = DST, b = source;                                                          \
                                                                                                   \
		(void)a;                                                                           \
		DST = (expr);                                                                      \
		NEXT;                                                                              \
	}
#define ALU_CODE(op, expr64, expr32)                                                               \
	ALU_ONE(alu64_##op##_x, uint64_t, SRC, expr64)                                             \
	ALU_ONE(alu64_##op##_k, uint64_t, (uint64_t)(int64_t)insn->imm, expr64)                    \
	ALU_ONE(alu32_##op##_x, uint32_t, SRC, expr32)                                             \
	ALU_ONE(alu32_##op##_k, uint32_t, (uint32_t)insn->imm, expr32)

/* 4.3.  'a' and 'b' are unsigned, 'sa' and 'sb' the same bits as signed numbers. */
#define JMP_OPS(X)                                                                                 \
	X(JEQ, a == b)                                                                             \
	X(JNE, a != b)                                                                             \
	X(JSET, (a & b) != 0)                                                                      \
	X(JGT, a > b)                                                                              \
	X(JGE, a >= b)                                                                             \
	X(JLT, a < b)                                                                              \
	X(JLE, a <= b)                                                                             \
	X(JSGT, sa > sb)                                                                           \
	X(JSGE, sa >= sb)                                                                          \
	X(JSLT, sa < sb)                                                                           \
	X(JSLE, sa <= sb)

#define JMP_LABELS(op, expr)                                                                       \
	[BPF_JMP | BPF_##op | BPF_X] = &&jmp64_##op##_x,                                           \
			      [BPF_JMP | BPF_##op | BPF_K] = &&jmp64_##op##_k,                     \
			      [BPF_JMP32 | BPF_##op | BPF_X] = &&jmp32_##op##_x,                   \
			      [BPF_JMP32 | BPF_##op | BPF_K] = &&jmp32_##op##_k,

#define JMP_ONE(label, bits, source, expr)                                                         \
	label : {                                                                                  \
		uint##bits##_t a = DST, b = source;                                                \
		int##bits##_t sa = a, sb = b;                                                      \
                                                                                                   \
		(void)a, (void)b, (void)sa, (void)sb;                                              \
		if (expr)                                                                          \
			insn += insn->off;                                                         \
		NEXT;                                                                              \
	}
#define JMP_CODE(op, expr)                                                                         \
	JMP_ONE(jmp64_##op##_x, 64, SRC, expr)                                                     \
	JMP_ONE(jmp64_##op##_k, 64, (uint64_t)(int64_t)insn->imm, expr)                            \
	JMP_ONE(jmp32_##op##_x, 32, SRC, expr)                                                     \
	JMP_ONE(jmp32_##op##_k, 32, (uint32_t)insn->imm, expr)

/* 5.1.  Memory need not be aligned.  A load extends what it loads by zeros, or by its sign. */
#define MEM_SIZES(X)                                                                               \
	X(B, uint8_t, int8_t)                                                                      \
	X(H, uint16_t, int16_t)                                                                    \
	X(W, uint32_t, int32_t)                                                                    \
	X(DW, uint64_t, int64_t)

#define MEM_LABELS(size, type, stype)                                                              \
	[BPF_LDX | BPF_MEM | BPF_##size] = &&ldx_##size,                                           \
			     [BPF_LDX | EBPF_MEMSX | BPF_##size] = &&ldxs_##size,                  \
			     [BPF_ST | BPF_MEM | BPF_##size] = &&st_##size,                        \
			     [BPF_STX | BPF_MEM | BPF_##size] = &&stx_##size,

#define LOAD(type)                                                                                 \
	({                                                                                         \
		type loaded;                                                                       \
		memcpy(&loaded, (const void *)(uintptr_t)(SRC + insn->off), sizeof(loaded));       \
		loaded;                                                                            \
	})
#define STORE(type, value)                                                                         \
	do {                                                                                       \
		type stored = (type)(value);                                                       \
		memcpy((void *)(uintptr_t)(DST + insn->off), &stored, sizeof(stored));             \
	} while (0)

/* A load of the context, which this one may be. */
#define IS_CTX_LOAD                                                                                \
	(notes[insn - insns] != EBPF_PLAIN &&                                                      \
	 (notes[insn - insns] == EBPF_CTX || SRC == (uintptr_t)vm->ctx))

#define MEM_CODE(size, type, stype)                                                                \
	ldx_##size:                                                                                \
	{                                                                                          \
		if (sizeof(type) == 4 && IS_CTX_LOAD)                                              \
			DST = load_ctx(vm->ctx, insn->off);                                        \
		else                                                                               \
			DST = LOAD(type);                                                          \
		NEXT;                                                                              \
	}                                                                                          \
	ldxs_##size:                                                                               \
	{                                                                                          \
		if (sizeof(type) == 4 && IS_CTX_LOAD)                                              \
			DST = mov(load_ctx(vm->ctx, insn->off), 32);                               \
		else                                                                               \
			DST = (uint64_t)(int64_t)LOAD(stype);                                      \
		NEXT;                                                                              \
	}                                                                                          \
	st_##size:                                                                                 \
	{                                                                                          \
		STORE(type, insn->imm);                                                            \
		NEXT;                                                                              \
	}                                                                                          \
	stx_##size:                                                                                \
	{                                                                                          \
		STORE(type, SRC);                                                                  \
		NEXT;                                                                              \
	}

/* Each code that form.c lets pass has a label.
 *
 * Runs the function that begins at 'start' in frame vm->depth, with r1 to r5 of 'r'; returns its
 * r0. */
static uint64_t run(struct vm *vm, uint32_t start, uint64_t *r)
{
	static const void *const labels[256] = {[BPF_ALU64 | BPF_NEG] = &&neg64,
						[BPF_ALU | BPF_NEG] = &&neg32,
						[BPF_ALU | BPF_END | BPF_TO_LE] = &&end_le,
						[BPF_ALU | BPF_END | BPF_TO_BE] = &&end_be,
						[BPF_ALU64 | BPF_END] = &&end_swap,
						[BPF_JMP | BPF_JA] = &&ja,
						[BPF_JMP32 | BPF_JA] = &&ja_long,
						[BPF_JMP | BPF_CALL] = &&call,
						[BPF_JMP | BPF_EXIT] = &&leave,
						[BPF_LD | BPF_IMM | BPF_DW] = &&wide,
						[BPF_STX | BPF_ATOMIC | BPF_W] = &&atomic_w,
						[BPF_STX | BPF_ATOMIC | BPF_DW] = &&atomic_dw,
						ALU_OPS(ALU_LABELS) JMP_OPS(JMP_LABELS)
							MEM_SIZES(MEM_LABELS)};
	const unsigned base = vm->depth;
	const struct bpf_insn *insns = vm->prog->insns, *insn = insns + start;
	const uint8_t *notes = vm->prog->notes;
	const struct ebpf_prog *target;

	r[FP] = frame_pointer(vm);
	goto *labels[insn->code];

	ALU_OPS(ALU_CODE)
	JMP_OPS(JMP_CODE)
	MEM_SIZES(MEM_CODE)

neg64:
	DST = -DST;
	NEXT;
neg32:
	DST = -(uint32_t)DST;
	NEXT;
end_le:
	DST = to_le(DST, insn->imm);
	NEXT;
end_be:
	DST = to_be(DST, insn->imm);
	NEXT;
end_swap:
	DST = swap(DST, insn->imm);
	NEXT;
ja:
	insn += insn->off;
	NEXT;
ja_long:
	insn += insn->imm;
	NEXT;
wide:
	DST = ebpf_wide_imm(insn);
	insn++;
	NEXT;
atomic_w:
	atomic32(r, insn);
	NEXT;
atomic_dw:
	atomic64(r, insn);
	NEXT;

call:
	if (insn->src_reg == BPF_PSEUDO_CALL)
		goto call_local;
	if (insn->imm == BPF_FUNC_tail_call)
		goto call_tail;
	r[0] = call_helper(vm, insn->imm, r);
	NEXT;
call_local:
	if (vm->depth + 1 >= EBPF_MAX_FRAMES)
		goto too_deep;
	memcpy(vm->frames[vm->depth].saved, &r[FIRST_SAVED], sizeof(vm->frames[0].saved));
	vm->frames[vm->depth++].back = insn;
	r[FP] = frame_pointer(vm);
	insn += insn->imm;
	NEXT;
call_tail:
	target = tail_target(r);
	if (target == NULL)
		NEXT;
	if (vm->depth > 0 || target->code != NULL) {
		r[0] = run_target(vm, target);
		goto leave;
	}
	vm->prog = target;
	insns = insn = target->insns;
	notes = target->notes;
	r[1] = (uintptr_t)vm->ctx;
	goto *labels[insn->code];
leave:
	if (vm->depth == base)
		return r[0];
	insn = vm->frames[--vm->depth].back;
	memcpy(&r[FIRST_SAVED], vm->frames[vm->depth].saved, sizeof(vm->frames[0].saved));
	r[FP] = frame_pointer(vm);
	NEXT;

too_deep: /* The verifier and link.c say that this cannot be. */
	vm->depth = base;
	return EBPF_ABORTED;
}

uint64_t ebpf_interpret(const struct ebpf_prog *prog, struct ebpf_ctx *ctx)
{
	struct vm vm;
	uint64_t r[N_REGS] = {[1] = (uintptr_t)ctx};

	vm.prog = prog;
	vm.ctx = ctx;
	vm.depth = 0;
	return run(&vm, 0, r);
}
