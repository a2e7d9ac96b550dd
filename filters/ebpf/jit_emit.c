/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Machine instructions as bytes; see jit_priv.h.
 */
#include "filters/ebpf/jit_priv.h"

#include <string.h>

void jit_bytes(struct jit *j, const uint8_t *b, size_t n)
{
	if (j->out != NULL)
		memcpy(j->out + j->at, b, n);
	j->at += (uint32_t)n;
}

void jit_imm32(struct jit *j, uint32_t v)
{
	JIT_BYTES(j, (uint8_t)v, (uint8_t)(v >> 8), (uint8_t)(v >> 16), (uint8_t)(v >> 24));
}

/* What stands before ModRM.  Byte registers 4 to 7 need a REX to be sil, dil and so on. */
static void prefixes(struct jit *j, unsigned flags, unsigned reg, unsigned rm)
{
	uint8_t rex = (uint8_t)((flags & X_W ? 8 : 0) | reg >> 3 << 2 | rm >> 3);

	if (flags & X_LOCK)
		JIT_BYTES(j, 0xf0);
	if (flags & X_FS)
		JIT_BYTES(j, 0x64);
	if (flags & X_16)
		JIT_BYTES(j, 0x66);
	if (rex != 0 || ((flags & X_BYTE_REG) && reg >= 4) || ((flags & X_BYTE_RM) && rm >= 4))
		JIT_BYTES(j, 0x40 | rex);
}

static void opcode(struct jit *j, uint32_t op)
{
	if (op > 0xffff)
		JIT_BYTES(j, (uint8_t)(op >> 16));
	if (op > 0xff)
		JIT_BYTES(j, (uint8_t)(op >> 8));
	JIT_BYTES(j, (uint8_t)op);
}

void jit_rr(struct jit *j, unsigned flags, uint32_t op, unsigned reg, unsigned rm)
{
	prefixes(j, flags, reg, rm);
	opcode(j, op);
	JIT_BYTES(j, (uint8_t)(0xc0 | (reg & 7) << 3 | (rm & 7)));
}

void jit_rm(struct jit *j, unsigned flags, uint32_t op, unsigned reg, unsigned base, int32_t disp)
{
	/* rbp and r13 without a displacement would mean something else. */
	unsigned mod = disp == 0 && (base & 7) != RBP ? 0 : jit_is_byte(disp) ? 1 : 2;

	prefixes(j, flags, reg, base);
	opcode(j, op);
	JIT_BYTES(j, (uint8_t)(mod << 6 | (reg & 7) << 3 | (base & 7)));
	if ((base & 7) == RSP)
		JIT_BYTES(j, 0x24);
	if (mod == 1)
		JIT_BYTES(j, (uint8_t)disp);
	else if (mod == 2)
		jit_imm32(j, (uint32_t)disp);
}

void jit_group1(struct jit *j, unsigned flags, unsigned n, unsigned rm, int32_t imm)
{
	if (jit_is_byte(imm)) {
		jit_rr(j, flags, 0x83, n, rm);
		JIT_BYTES(j, (uint8_t)imm);
		return;
	}
	if (rm == RAX) {
		prefixes(j, flags, 0, 0);
		JIT_BYTES(j, (uint8_t)(n << 3 | 5));
	} else {
		jit_rr(j, flags, 0x81, n, rm);
	}
	jit_imm32(j, (uint32_t)imm);
}

void jit_mov(struct jit *j, unsigned flags, unsigned to, unsigned from)
{
	if (to != from || !(flags & X_W)) /* In 32 bits it clears the upper half. */
		jit_rr(j, flags, 0x89, from, to);
}

void jit_mov_imm(struct jit *j, unsigned to, uint64_t v)
{
	if (v == 0) {
		jit_rr(j, 0, 0x31, to, to);
	} else if (v <= UINT32_MAX) {
		prefixes(j, 0, 0, to);
		JIT_BYTES(j, (uint8_t)(0xb8 | (to & 7)));
		jit_imm32(j, (uint32_t)v);
	} else if ((int64_t)v < 0 && (int64_t)v >= INT32_MIN) {
		jit_rr(j, X_W, 0xc7, 0, to);
		jit_imm32(j, (uint32_t)v);
	} else {
		prefixes(j, X_W, 0, to);
		JIT_BYTES(j, (uint8_t)(0xb8 | (to & 7)));
		jit_imm32(j, (uint32_t)v);
		jit_imm32(j, (uint32_t)(v >> 32));
	}
}

void jit_push(struct jit *j, unsigned reg)
{
	prefixes(j, 0, 0, reg);
	JIT_BYTES(j, (uint8_t)(0x50 | (reg & 7)));
}

void jit_pop(struct jit *j, unsigned reg)
{
	prefixes(j, 0, 0, reg);
	JIT_BYTES(j, (uint8_t)(0x58 | (reg & 7)));
}

uint32_t jit_skip_if(struct jit *j, enum jit_cc cc)
{
	JIT_BYTES(j, (uint8_t)(0x70 | cc), 0);
	return j->at;
}

uint32_t jit_skip(struct jit *j)
{
	JIT_BYTES(j, 0xeb, 0);
	return j->at;
}

void jit_here(struct jit *j, uint32_t skip)
{
	if (j->at - skip > 127)
		j->bad = true;
	if (j->out != NULL)
		j->out[skip - 1] = (uint8_t)(j->at - skip);
}

void jit_back_if(struct jit *j, enum jit_cc cc, uint32_t place)
{
	JIT_BYTES(j, (uint8_t)(0x70 | cc), (uint8_t)(place - (j->at + 2)));
}

void jit_call_place(struct jit *j, uint32_t place)
{
	JIT_BYTES(j, 0xe8);
	jit_imm32(j, place - (j->at + 4));
}

void jit_lea_place(struct jit *j, unsigned reg, uint32_t place)
{
	prefixes(j, X_W, reg, 0);
	JIT_BYTES(j, 0x8d, (uint8_t)((reg & 7) << 3 | 5));
	jit_imm32(j, place - (j->at + 4));
}

void jit_call_c(struct jit *j, uintptr_t fn)
{
	int64_t distance = (int64_t)(fn - (j->base + j->at + 5));

	if (!j->near) {
		jit_mov_imm(j, RAX, fn);
		JIT_BYTES(j, 0xff, 0xd0); /* call rax */
		return;
	}
	if (j->out != NULL && (distance < INT32_MIN || distance > INT32_MAX))
		j->bad = true;
	JIT_BYTES(j, 0xe8);
	jit_imm32(j, (uint32_t)distance);
}

void jit_load_env(struct jit *j, unsigned reg)
{
	uintptr_t block;

#ifdef __x86_64__
	__asm__("mov %%fs:0, %0" : "=r"(block));
#else
	block = 0;
	j->bad = true;
#endif
	prefixes(j, X_FS | X_W, reg, 0);
	JIT_BYTES(j, 0x8b, (uint8_t)((reg & 7) << 3 | 4), 0x25);
	jit_imm32(j, (uint32_t)((uintptr_t)&ebpf_env_here - block));
}

unsigned jit_reg(struct jit *j, unsigned r)
{
	static const uint8_t regs[MAX_BPF_REG] = {
		[BPF_REG_0] = RAX, [BPF_REG_1] = RDI, [BPF_REG_2] = RSI,  [BPF_REG_3] = RDX,
		[BPF_REG_4] = RCX, [BPF_REG_5] = R8,  [BPF_REG_6] = RBX,  [BPF_REG_7] = R13,
		[BPF_REG_8] = R14, [BPF_REG_9] = R15, [BPF_REG_10] = RBP,
	};

	if (r < MAX_BPF_REG)
		return regs[r];
	j->bad = true;
	return RAX;
}
