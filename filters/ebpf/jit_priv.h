/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The compiler's inside: eBPF to x86-64.
 *
 * 	jit_x86.c    passes over the program until sizes are settled, then writes
 * 	jit_emit.c   encodes machine instructions
 * 	jit_alu.c    arithmetic
 * 	jit_mem.c    loads, stores, atomics, the context
 * 	jit_jump.c   jumps
 * 	jit_call.c   functions, helpers, exit, tail calls
 * 	jit_known.c  what registers hold while code is written
 * 	jit_map.c    helpers of a map that is known
 * 	jit_hash.c   lookups in hashes, in line
 * 	jit_key.c    keys that a program puts together in pieces
 * 	jit_run.c    what compiled programs call that is no helper
 * 	jit_pool.c   memory that code lives in
 *
 * Registers.  eBPF's were made for this machine, so each has one of its own, and what calls leave
 * alone is the same on both sides:
 *
 * 	R0 rax   R1 rdi   R2 rsi   R3 rdx   R4 rcx   R5 r8
 * 	R6 rbx   R7 r13   R8 r14   R9 r15   R10 rbp
 * 	r9, r10, r11: scratch within one instruction
 * 	r12: the context's address, in programs that ask for it again
 *
 * A compiled function is a C function.  Its frame, of which it has what it needs:
 *
 * 	return address | r12 (first function only) | R6..R9 that it writes | rbp | its stack
 *
 * Jumps are short where they reach.  A pass takes every jump to be short that was not found to be
 * too long before; sizes only grow, so passes come to an end.
 *
 * Control thread.  Source: Intel SDM volume 2; System V ABI, AMD64 supplement, 3.2; RFC 9669.
 */
#ifndef FILTERS_EBPF_JIT_PRIV_H
#define FILTERS_EBPF_JIT_PRIV_H

#include "filters/ebpf/prog.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As machine instructions number them. */
enum jit_reg {
	RAX,
	RCX,
	RDX,
	RBX,
	RSP,
	RBP,
	RSI,
	RDI,
	R8,
	R9,
	R10,
	R11,
	R12,
	R13,
	R14,
	R15,
};
#define JIT_CTX R12

/* The second nibble of conditional jumps. */
enum jit_cc {
	CC_B = 0x2,
	CC_AE = 0x3,
	CC_E = 0x4,
	CC_NE = 0x5,
	CC_BE = 0x6,
	CC_A = 0x7,
	CC_L = 0xc,
	CC_GE = 0xd,
	CC_LE = 0xe,
	CC_G = 0xf,
};

/* How an instruction is encoded; bits of 'flags' below. */
#define X_W	   (1u << 0) /* 64 bits */
#define X_16	   (1u << 1) /* 16 bits */
#define X_BYTE_REG (1u << 2) /* 'reg' is a byte register */
#define X_BYTE_RM  (1u << 3) /* 'rm' is */
#define X_LOCK	   (1u << 4)
#define X_FS	   (1u << 5) /* relative to the thread's block */

/* Bits of jit.marks. */
#define JIT_TARGET (1u << 0) /* something jumps here */
#define JIT_LONG   (1u << 1) /* a jump that is too long for one byte */

#define JIT_UNPLACED UINT32_MAX

/* Of one function. */
struct jit_func {
	uint32_t entry; /* where its code begins, before 'places' of its first instruction */
	uint32_t frame; /* bytes below rbp */
	uint8_t n_saved;
	uint8_t saved[5]; /* in the order in which they are pushed, rbp not among them */
	bool has_frame;	  /* rbp is set up */
	bool pads;	  /* a word more on the stack, for alignment */
	bool calls;
};

/* What is known of registers, within straight code. */
enum jit_kind {
	JIT_UNKNOWN,
	JIT_CONSTANT,
	JIT_FRAME, /* R10 + value */
};
struct jit_known {
	uint8_t kinds[MAX_BPF_REG];
	uint64_t values[MAX_BPF_REG];
};

struct jit {
	const struct ebpf_prog *prog;
	uint8_t *out;	/* NULL: only measures */
	uintptr_t base; /* where the code will run */
	uint32_t at;
	uint32_t drift; /* how much later this pass is than the one before */
	uint32_t i;	/* the instruction at hand */
	uint32_t *places;
	uint8_t *marks;
	struct jit_func *funcs, *func;
	uint32_t func_end; /* first instruction behind it */
	struct jit_known known;
	uint8_t pieces[EBPF_STACK_SIZE];    /* jit_key.c: of the function's frame */
	uint32_t loop, each, each_callback; /* common pieces at the end */
	bool uses_loop, uses_each;
	bool bmi2;	/* the processor has it */
	bool maps;	/* known maps are used directly */
	bool near;	/* our functions are in reach of a call */
	bool keeps_ctx; /* r12 is in use */
	bool all_long;
	bool changed; /* another pass is needed */
	bool bad;     /* the program is not one that we know */
};

/* jit_emit.c */
void jit_bytes(struct jit *j, const uint8_t *b, size_t n);
#define JIT_BYTES(j, ...)                                                                          \
	jit_bytes(j, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))
void jit_imm32(struct jit *j, uint32_t v);
/* 'op': up to three bytes of opcode, first the highest. */
void jit_rr(struct jit *j, unsigned flags, uint32_t op, unsigned reg, unsigned rm);
/* With memory at [base + disp]. */
void jit_rm(struct jit *j, unsigned flags, uint32_t op, unsigned reg, unsigned base, int32_t disp);
/* One of add 0, or 1, and 4, sub 5, xor 6, cmp 7 with a constant. */
void jit_group1(struct jit *j, unsigned flags, unsigned n, unsigned rm, int32_t imm);
void jit_mov(struct jit *j, unsigned flags, unsigned to, unsigned from);
void jit_mov_imm(struct jit *j, unsigned to, uint64_t v);
void jit_push(struct jit *j, unsigned reg);
void jit_pop(struct jit *j, unsigned reg);
/* A jump of one byte's reach to a place a little further on; jit_here() sets it. */
uint32_t jit_skip_if(struct jit *j, enum jit_cc cc);
uint32_t jit_skip(struct jit *j);
void jit_here(struct jit *j, uint32_t skip);
/* Back to a place that is near. */
void jit_back_if(struct jit *j, enum jit_cc cc, uint32_t place);
/* One of ours, or a common piece, at 'place'. */
void jit_call_place(struct jit *j, uint32_t place);
void jit_lea_place(struct jit *j, unsigned reg, uint32_t place);
/* A function of the C program; rax is lost before the call. */
void jit_call_c(struct jit *j, uintptr_t fn);
/* Loads the thread's 'struct ebpf_env *'. */
void jit_load_env(struct jit *j, unsigned reg);

/* The machine's register for eBPF's 'r'; an unknown one makes the program bad. */
unsigned jit_reg(struct jit *j, unsigned r);
static inline bool jit_is_byte(int32_t v)
{
	return v >= -128 && v <= 127;
}
static inline bool jit_is_target(const struct jit *j, uint32_t i)
{
	return i < j->prog->n && (j->marks[i] & JIT_TARGET) != 0;
}

/* Each writes one instruction; those that return bool say whether they wrote the next one as well.
 */
bool jit_alu(struct jit *j, const struct bpf_insn *insn);
void jit_load(struct jit *j, const struct bpf_insn *insn);
void jit_store(struct jit *j, const struct bpf_insn *insn);
void jit_jump(struct jit *j, const struct bpf_insn *insn);
bool jit_call(struct jit *j, const struct bpf_insn *insn);
void jit_wide(struct jit *j, const struct bpf_insn *insn);
void jit_exit(struct jit *j);

/* jit_jump.c: where a jump goes; JIT_UNPLACED: it is none.  Longer than 32 bits it cannot be. */
uint32_t jit_target(const struct jit *j, const struct bpf_insn *insn, uint32_t i);
/* To an instruction, as instruction j->i. */
void jit_jump_if(struct jit *j, enum jit_cc cc, uint32_t target);
void jit_jump_always(struct jit *j, uint32_t target);

/* jit_call.c: what a function needs, its beginning, and the pieces at the program's end. */
void jit_plan(struct jit *j);
void jit_enter(struct jit *j);
void jit_pieces(struct jit *j);

/* jit_map.c: true when the helper's call was written; '*ret_both': the next instruction, too. */
bool jit_map_call(struct jit *j, uint32_t helper, bool *ret_both);

/* jit_hash.c: the usual ends of a lookup in 'map', whose key is at R2.  What comes next is the
 * other: a call that begins anew, with R1 and R2 as they were; 'ends' are jumps to behind it.
 * False: nothing was written. */
struct jit_slow {
	uint32_t skips[5], n;
	uint32_t ends[2];
};
bool jit_hash_lookup(struct jit *j, const struct ebpf_map *map, struct jit_slow *ret_slow);

/* jit_known.c */
void jit_known_forget(struct jit *j);
/* What 'insn' does to what is known. */
void jit_known_step(struct jit *j, const struct bpf_insn *insn);

/* jit_key.c.  Looks at the function's stores; then, before a call with a key of 'size' bytes at R2,
 * joins its pieces (rax and r9 are lost). */
void jit_key_scan(struct jit *j, uint32_t start, uint32_t end);
void jit_key(struct jit *j, uint32_t size);

/* jit_run.c.  Called by compiled code. */
struct jit_tail {
	void *code; /* NULL: the call fails, the program goes on */
	const struct ebpf_prog *prog;
};
struct jit_tail jit_tail_call(struct ebpf_ctx *ctx, struct ebpf_map *map, uint64_t index);
uint64_t jit_run_each(struct ebpf_map *map, void *fn, void *arg, uint64_t flags, void *ctx,
		      void *callback);
/* What a callback's trampoline finds. */
struct jit_each {
	void *fn, *arg, *ctx;
};

/* jit_pool.c.  Any thread. */

/* Room for code: where it will run, in reach of our own functions if that can be.  NULL: none, see
 * errno.  Nothing can be read there that makes sense before it is written. */
void *jit_pool_take(size_t size);
void jit_pool_give(void *code, size_t size); /* nothing runs there any more */
/* The same memory elsewhere, to write to, until closed.  NULL: it cannot be had. */
uint8_t *jit_pool_open(void *code, size_t size);
void jit_pool_close(uint8_t *writable, size_t size);

#endif
