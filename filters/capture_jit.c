/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Classic BPF to x86-64; see capture_jit.h.
 *
 * 	eax  A        rdi  data             r8d  frame's length
 * 	ecx  X        esi  bytes of data    r9, r10, edx  scratch
 *
 * M[] lies in the 128 bytes below the stack pointer that the ABI leaves to functions that call
 * none.  The code is a leaf: no prologue.  Two passes over the program: the first finds each
 * instruction's place, the second writes.
 */
#include "filters/capture_jit.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include <pcap/bpf.h>

#include <sys/mman.h>

struct code {
	uint8_t *out; /* NULL in the first pass */
	size_t at;
	size_t *places; /* of each instruction; [n]: of "return 0" */
	uint32_t n;
	bool bad;
};

static void bytes(struct code *c, const uint8_t *b, size_t n)
{
	if (c->out != NULL)
		memcpy(c->out + c->at, b, n);
	c->at += n;
}

#define BYTES(c, ...)                                                                              \
	bytes(c, (const uint8_t[]){__VA_ARGS__}, sizeof((const uint8_t[]){__VA_ARGS__}))

static void imm32(struct code *c, uint32_t v)
{
	BYTES(c, (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24));
}

/* The offset of a jump to instruction 'target', which ends the jump. */
static void to(struct code *c, uint64_t target)
{
	if (target > c->n) {
		c->bad = true;
		return;
	}
	imm32(c, (uint32_t)(c->places[target] - (c->at + 4)));
}

static void jump(struct code *c, uint64_t target)
{
	BYTES(c, 0xe9); /* jmp rel32 */
	to(c, target);
}

enum cc {
	CC_BELOW = 0x82,
	CC_ABOVE_EQUAL = 0x83,
	CC_EQUAL = 0x84,
	CC_NOT_EQUAL = 0x85,
	CC_ABOVE = 0x87
};

static void jump_if(struct code *c, enum cc cc, uint64_t target)
{
	BYTES(c, 0x0f, (uint8_t)cc); /* jcc rel32 */
	to(c, target);
}

static void fail_if(struct code *c, enum cc cc)
{
	jump_if(c, cc, c->n);
}

static unsigned load_size(uint16_t op)
{
	return BPF_SIZE(op) == BPF_W ? 4 : BPF_SIZE(op) == BPF_H ? 2 : 1;
}

/* Fails unless 'k' + 'size' bytes are there.  False when they never are. */
static bool check_abs(struct code *c, uint32_t k, unsigned size)
{
	if (k > (uint32_t)INT32_MAX -
			size) { /* No frame is as long, and the load below sign-extends k. */
		jump(c, c->n);
		return false;
	}
	BYTES(c, 0x81, 0xfe); /* cmp esi, k + size */
	imm32(c, k + size);
	fail_if(c, CC_BELOW);
	return true;
}

/* A = big-endian bytes at an address that 'modrm' (and sib) say; eax. */
static void swap_a(struct code *c, unsigned size)
{
	if (size == 4)
		BYTES(c, 0x0f, 0xc8); /* bswap eax */
	else if (size == 2)
		BYTES(c, 0x66, 0xc1, 0xc0, 0x08); /* rol ax, 8 */
}

static void load_abs(struct code *c, uint32_t k, unsigned size)
{
	if (!check_abs(c, k, size))
		return;
	if (size == 4)
		BYTES(c, 0x8b, 0x87); /* mov eax, [rdi + k] */
	else if (size == 2)
		BYTES(c, 0x0f, 0xb7, 0x87); /* movzx eax, word [rdi + k] */
	else
		BYTES(c, 0x0f, 0xb6, 0x87); /* movzx eax, byte [rdi + k] */
	imm32(c, k);
	swap_a(c, size);
}

/* In 64 bits, where X + k + size does not wrap. */
static void load_ind(struct code *c, uint32_t k, unsigned size)
{
	BYTES(c, 0x41, 0x89, 0xc9); /* mov r9d, ecx */
	BYTES(c, 0x41, 0xba);	    /* mov r10d, k */
	imm32(c, k);
	BYTES(c, 0x4d, 0x01, 0xd1);		   /* add r9, r10 */
	BYTES(c, 0x4d, 0x8d, 0x51, (uint8_t)size); /* lea r10, [r9 + size] */
	BYTES(c, 0x49, 0x39, 0xf2);		   /* cmp r10, rsi */
	fail_if(c, CC_ABOVE);
	if (size == 4)
		BYTES(c, 0x42, 0x8b, 0x04, 0x0f); /* mov eax, [rdi + r9] */
	else if (size == 2)
		BYTES(c, 0x42, 0x0f, 0xb7, 0x04, 0x0f); /* movzx eax, word [rdi + r9] */
	else
		BYTES(c, 0x42, 0x0f, 0xb6, 0x04, 0x0f); /* movzx eax, byte [rdi + r9] */
	swap_a(c, size);
}

/* M[k] at [rsp - 64 + 4 * k]; false for no such word. */
static void memory(struct code *c, uint8_t opcode, uint8_t modrm, uint32_t k)
{
	if (k >= BPF_MEMWORDS) {
		c->bad = true;
		return;
	}
	BYTES(c, opcode, modrm, 0x24, (uint8_t)(-64 + 4 * (int)k)); /* modrm: [rsp + disp8] */
}

static void ld(struct code *c, const struct bpf_insn *insn)
{
	switch (BPF_MODE(insn->code)) {
	case BPF_ABS:
		load_abs(c, insn->k, load_size(insn->code));
		break;
	case BPF_IND:
		load_ind(c, insn->k, load_size(insn->code));
		break;
	case BPF_IMM:
		BYTES(c, 0xb8); /* mov eax, k */
		imm32(c, insn->k);
		break;
	case BPF_MEM:
		memory(c, 0x8b, 0x44, insn->k); /* mov eax, M[k] */
		break;
	case BPF_LEN:
		BYTES(c, 0x44, 0x89, 0xc0); /* mov eax, r8d */
		break;
	default:
		c->bad = true;
	}
}

static void ldx(struct code *c, const struct bpf_insn *insn)
{
	switch (BPF_MODE(insn->code)) {
	case BPF_IMM:
		BYTES(c, 0xb9); /* mov ecx, k */
		imm32(c, insn->k);
		break;
	case BPF_MEM:
		memory(c, 0x8b, 0x4c, insn->k); /* mov ecx, M[k] */
		break;
	case BPF_LEN:
		BYTES(c, 0x44, 0x89, 0xc1); /* mov ecx, r8d */
		break;
	case BPF_MSH: /* The length of the IPv4 header that begins at k. */
		if (!check_abs(c, insn->k, 1))
			break;
		BYTES(c, 0x0f, 0xb6, 0x8f); /* movzx ecx, byte [rdi + k] */
		imm32(c, insn->k);
		BYTES(c, 0x83, 0xe1, 0x0f); /* and ecx, 15 */
		BYTES(c, 0xc1, 0xe1, 0x02); /* shl ecx, 2 */
		break;
	default:
		c->bad = true;
	}
}

static void divide(struct code *c, const struct bpf_insn *insn, bool by_x, bool remainder)
{
	if (!by_x && insn->k == 0) {
		jump(c, c->n);
		return;
	}
	if (by_x) {
		BYTES(c, 0x85, 0xc9); /* test ecx, ecx */
		fail_if(c, CC_EQUAL);
		BYTES(c, 0x41, 0x89, 0xca); /* mov r10d, ecx */
	} else {
		BYTES(c, 0x41, 0xba); /* mov r10d, k */
		imm32(c, insn->k);
	}
	BYTES(c, 0x31, 0xd2);	    /* xor edx, edx */
	BYTES(c, 0x41, 0xf7, 0xf2); /* div r10d */
	if (remainder)
		BYTES(c, 0x89, 0xd0); /* mov eax, edx */
}

/* By 32 bits or more the result is 0; the processor would shift by the count modulo 32. */
static void shift(struct code *c, const struct bpf_insn *insn, bool by_x, uint8_t modrm)
{
	if (by_x) {
		BYTES(c, 0xd3, modrm);	    /* shl or shr eax, cl */
		BYTES(c, 0x31, 0xd2);	    /* xor edx, edx */
		BYTES(c, 0x83, 0xf9, 0x20); /* cmp ecx, 32 */
		BYTES(c, 0x0f, 0x43, 0xc2); /* cmovae eax, edx */
	} else if (insn->k < 32) {
		BYTES(c, 0xc1, modrm, (uint8_t)insn->k); /* shl or shr eax, k */
	} else {
		BYTES(c, 0x31, 0xc0); /* xor eax, eax */
	}
}

/* 'op_k' is the opcode on eax with four bytes of constant, 'op_x' on eax with ecx. */
static void simple(struct code *c, const struct bpf_insn *insn, bool by_x, uint8_t op_k,
		   uint8_t op_x)
{
	if (by_x) {
		BYTES(c, op_x, 0xc8);
		return;
	}
	BYTES(c, op_k);
	imm32(c, insn->k);
}

static void alu(struct code *c, const struct bpf_insn *insn)
{
	bool by_x = BPF_SRC(insn->code) == BPF_X;

	switch (BPF_OP(insn->code)) {
	case BPF_ADD:
		simple(c, insn, by_x, 0x05, 0x01);
		break;
	case BPF_SUB:
		simple(c, insn, by_x, 0x2d, 0x29);
		break;
	case BPF_AND:
		simple(c, insn, by_x, 0x25, 0x21);
		break;
	case BPF_OR:
		simple(c, insn, by_x, 0x0d, 0x09);
		break;
	case BPF_XOR:
		simple(c, insn, by_x, 0x35, 0x31);
		break;
	case BPF_MUL:
		if (by_x) {
			BYTES(c, 0x0f, 0xaf, 0xc1); /* imul eax, ecx */
		} else {
			BYTES(c, 0x69, 0xc0); /* imul eax, eax, k */
			imm32(c, insn->k);
		}
		break;
	case BPF_DIV:
		divide(c, insn, by_x, false);
		break;
	case BPF_MOD:
		divide(c, insn, by_x, true);
		break;
	case BPF_LSH:
		shift(c, insn, by_x, 0xe0);
		break;
	case BPF_RSH:
		shift(c, insn, by_x, 0xe8);
		break;
	case BPF_NEG:
		BYTES(c, 0xf7, 0xd8); /* neg eax */
		break;
	default:
		c->bad = true;
	}
}

static void jmp(struct code *c, const struct bpf_insn *insn, uint32_t i)
{
	bool by_x = BPF_SRC(insn->code) == BPF_X;
	enum cc cc = CC_EQUAL;

	switch (BPF_OP(insn->code)) {
	case BPF_JA: /* May go back: 'protochain' is a loop. */
		jump(c, (uint64_t)((int64_t)i + 1 + (int32_t)insn->k));
		return;
	case BPF_JEQ:
		break;
	case BPF_JGT:
		cc = CC_ABOVE;
		break;
	case BPF_JGE:
		cc = CC_ABOVE_EQUAL;
		break;
	case BPF_JSET:
		cc = CC_NOT_EQUAL;
		break;
	default:
		c->bad = true;
		return;
	}
	if (cc == CC_NOT_EQUAL)
		simple(c, insn, by_x, 0xa9, 0x85); /* test eax, k or ecx */
	else
		simple(c, insn, by_x, 0x3d, 0x39); /* cmp eax, k or ecx */
	if (insn->jt != 0)
		jump_if(c, cc, (uint64_t)i + 1 + insn->jt);
	else if (insn->jf != 0) /* To the next instruction, over the jump below. */
		BYTES(c, 0x0f, (uint8_t)cc, 0x05, 0x00, 0x00, 0x00);
	if (insn->jf != 0)
		jump(c, (uint64_t)i + 1 + insn->jf);
}

static void instruction(struct code *c, const struct bpf_insn *insn, uint32_t i)
{
	switch (BPF_CLASS(insn->code)) {
	case BPF_LD:
		ld(c, insn);
		break;
	case BPF_LDX:
		ldx(c, insn);
		break;
	case BPF_ST:
		memory(c, 0x89, 0x44, insn->k); /* mov M[k], eax */
		break;
	case BPF_STX:
		memory(c, 0x89, 0x4c, insn->k); /* mov M[k], ecx */
		break;
	case BPF_ALU:
		alu(c, insn);
		break;
	case BPF_JMP:
		jmp(c, insn, i);
		break;
	case BPF_RET:
		if (BPF_RVAL(insn->code) == BPF_K) {
			BYTES(c, 0xb8); /* mov eax, k */
			imm32(c, insn->k);
		}
		BYTES(c, 0xc3); /* ret */
		break;
	case BPF_MISC:
		if (BPF_MISCOP(insn->code) == BPF_TAX)
			BYTES(c, 0x89, 0xc1); /* mov ecx, eax */
		else
			BYTES(c, 0x89, 0xc8); /* mov eax, ecx */
		break;
	default:
		c->bad = true;
	}
}

static void pass(struct code *c, const struct bpf_program *program)
{
	c->at = 0;
	BYTES(c, 0xf3, 0x0f, 0x1e, 0xfa); /* endbr64 */
	BYTES(c, 0x41, 0x89, 0xd0);	  /* mov r8d, edx */
	BYTES(c, 0x89, 0xf6); /* mov esi, esi: the upper half of an argument is not said to be 0 */
	BYTES(c, 0x31, 0xc0); /* xor eax, eax */
	BYTES(c, 0x31, 0xc9); /* xor ecx, ecx */
	for (int at = -64; at < 0; at += 8)
		BYTES(c, 0x48, 0x89, 0x44, 0x24, (uint8_t)at); /* mov [rsp + at], rax */
	for (uint32_t i = 0; i < c->n; i++) {
		c->places[i] = c->at;
		instruction(c, &program->bf_insns[i], i);
	}
	c->places[c->n] = c->at;
	BYTES(c, 0x31, 0xc0); /* xor eax, eax */
	BYTES(c, 0xc3);	      /* ret */
}

static int generate(struct code *c, const struct bpf_program *program, struct filter_jit *ret_jit)
{
	size_t size;

	pass(c, program);
	if (c->bad)
		return -EINVAL;
	size = c->at;
	c->out = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (c->out == MAP_FAILED)
		return -ENOMEM;
	pass(c, program);
	if (mprotect(c->out, size, PROT_READ | PROT_EXEC) != 0) {
		munmap(c->out, size);
		return -EACCES;
	}
	ret_jit->code = c->out;
	ret_jit->size = size;
	memcpy(&ret_jit->fn, &ret_jit->code, sizeof(ret_jit->fn));
	return 0;
}

int filter_jit_create(const struct bpf_program *program, struct filter_jit *ret_jit)
{
#ifdef __x86_64__
	struct code c = {.n = program->bf_len};
	int rc;

	/* libpcap's own check: jumps stay inside, the last instruction returns. */
	if (program->bf_len == 0 || bpf_validate(program->bf_insns, (int)program->bf_len) == 0)
		return -EINVAL;
	c.places = calloc((size_t)c.n + 1, sizeof(c.places[0]));
	if (c.places == NULL)
		return -ENOMEM;
	rc = generate(&c, program, ret_jit);
	free(c.places);
	return rc;
#else
	return -ENOTSUP;
#endif
}

void filter_jit_destroy(struct filter_jit *jit)
{
	if (jit->code != NULL)
		munmap(jit->code, jit->size);
	*jit = (struct filter_jit){0};
}
