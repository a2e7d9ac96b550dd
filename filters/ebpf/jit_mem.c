/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Loads and stores (RFC 9669 5), and what of the context a program reads; see jit_priv.h.
 */
#include "filters/ebpf/jit_priv.h"

#include <stddef.h>

/* to = memory at [base + off]. */
static void load(struct jit *j, const struct bpf_insn *insn, unsigned to, unsigned base)
{
	bool is_signed = BPF_MODE(insn->code) == EBPF_MEMSX;

	switch (BPF_SIZE(insn->code)) {
	case BPF_B:
		jit_rm(j, is_signed ? X_W : 0, is_signed ? 0x0fbe : 0x0fb6, to, base, insn->off);
		break;
	case BPF_H:
		jit_rm(j, is_signed ? X_W : 0, is_signed ? 0x0fbf : 0x0fb7, to, base, insn->off);
		break;
	case BPF_W:
		jit_rm(j, is_signed ? X_W : 0, is_signed ? 0x63 : 0x8b, to, base, insn->off);
		break;
	default:
		if (is_signed)
			j->bad = true;
		jit_rm(j, X_W, 0x8b, to, base, insn->off);
	}
}

/* Where a field of 'struct xdp_md' is in 'struct ebpf_ctx'; '*ret_w' says whether it is a pointer
 * there.  -1: there is none. */
static int ctx_offset(int16_t off, unsigned *ret_w)
{
	*ret_w = 0;
	switch (off) {
	case offsetof(struct xdp_md, ingress_ifindex):
		return offsetof(struct ebpf_ctx, ingress_ifindex);
	case offsetof(struct xdp_md, rx_queue_index):
		return offsetof(struct ebpf_ctx, rx_queue);
	case offsetof(struct xdp_md, egress_ifindex):
		return offsetof(struct ebpf_ctx, egress_ifindex);
	}
	*ret_w = X_W;
	switch (off) {
	case offsetof(struct xdp_md, data):
		return offsetof(struct ebpf_ctx, data);
	case offsetof(struct xdp_md, data_end):
		return offsetof(struct ebpf_ctx, data_end);
	case offsetof(struct xdp_md, data_meta):
		return offsetof(struct ebpf_ctx, meta);
	}
	return -1;
}

static void load_ctx(struct jit *j, const struct bpf_insn *insn, unsigned to, unsigned base)
{
	unsigned w;
	int off = ctx_offset(insn->off, &w);

	if (off < 0)
		j->bad = true;
	else if (BPF_MODE(insn->code) == EBPF_MEMSX)
		jit_rm(j, X_W, 0x63, to, base, off);
	else
		jit_rm(j, w, 0x8b, to, base, off);
}

/* Asks the pointer which it is. */
static void load_maybe_ctx(struct jit *j, const struct bpf_insn *insn, unsigned to, unsigned base)
{
	uint32_t other, done;

	jit_rr(j, X_W, 0x39, JIT_CTX, base);
	other = jit_skip_if(j, CC_NE);
	load_ctx(j, insn, to, base);
	done = jit_skip(j);
	jit_here(j, other);
	load(j, insn, to, base);
	jit_here(j, done);
}

void jit_load(struct jit *j, const struct bpf_insn *insn)
{
	unsigned to = jit_reg(j, insn->dst_reg), base = jit_reg(j, insn->src_reg);

	if (BPF_MODE(insn->code) != BPF_MEM && BPF_MODE(insn->code) != EBPF_MEMSX)
		j->bad = true;
	switch (j->prog->notes[j->i]) {
	case EBPF_CTX:
		load_ctx(j, insn, to, base);
		break;
	case EBPF_MAYBE_CTX:
		load_maybe_ctx(j, insn, to, base);
		break;
	default:
		load(j, insn, to, base);
	}
}

static void store_imm(struct jit *j, const struct bpf_insn *insn, unsigned base)
{
	uint32_t v = (uint32_t)insn->imm;

	switch (BPF_SIZE(insn->code)) {
	case BPF_B:
		jit_rm(j, 0, 0xc6, 0, base, insn->off);
		JIT_BYTES(j, (uint8_t)v);
		break;
	case BPF_H:
		jit_rm(j, X_16, 0xc7, 0, base, insn->off);
		JIT_BYTES(j, (uint8_t)v, (uint8_t)(v >> 8));
		break;
	case BPF_W:
		jit_rm(j, 0, 0xc7, 0, base, insn->off);
		jit_imm32(j, v);
		break;
	default:
		jit_rm(j, X_W, 0xc7, 0, base, insn->off);
		jit_imm32(j, v);
	}
}

static void store_reg(struct jit *j, const struct bpf_insn *insn, unsigned base, unsigned from)
{
	switch (BPF_SIZE(insn->code)) {
	case BPF_B:
		jit_rm(j, X_BYTE_REG, 0x88, from, base, insn->off);
		break;
	case BPF_H:
		jit_rm(j, X_16, 0x89, from, base, insn->off);
		break;
	case BPF_W:
		jit_rm(j, 0, 0x89, from, base, insn->off);
		break;
	default:
		jit_rm(j, X_W, 0x89, from, base, insn->off);
	}
}

/* And, or, exclusive or that say what was there: the machine has none, so until nobody came
 * between.  rax holds what was there: R0 steps aside. */
static void atomic_fetch(struct jit *j, const struct bpf_insn *insn, unsigned w, uint8_t op)
{
	unsigned base = jit_reg(j, insn->dst_reg), operand = jit_reg(j, insn->src_reg);
	bool returns_r0 = operand == RAX;
	uint32_t again;

	jit_mov(j, X_W, R10, RAX);
	if (base == RAX)
		base = R10;
	if (operand == RAX)
		operand = R10;
	jit_rm(j, w, 0x8b, RAX, base, insn->off);
	again = j->at;
	jit_mov(j, X_W, R11, RAX);
	jit_rr(j, w, op, operand, R11);
	jit_rm(j, w | X_LOCK, 0x0fb1, R11, base, insn->off);
	jit_back_if(j, CC_NE, again);
	if (returns_r0)
		return;
	jit_mov(j, X_W, operand, RAX);
	jit_mov(j, X_W, RAX, R10);
}

static void atomic(struct jit *j, const struct bpf_insn *insn)
{
	unsigned base = jit_reg(j, insn->dst_reg), reg = jit_reg(j, insn->src_reg);
	unsigned w = BPF_SIZE(insn->code) == BPF_DW ? X_W : 0;

	if (BPF_SIZE(insn->code) != BPF_DW && BPF_SIZE(insn->code) != BPF_W)
		j->bad = true;
	switch (insn->imm) {
	case BPF_ADD:
		jit_rm(j, w | X_LOCK, 0x01, reg, base, insn->off);
		break;
	case BPF_OR:
		jit_rm(j, w | X_LOCK, 0x09, reg, base, insn->off);
		break;
	case BPF_AND:
		jit_rm(j, w | X_LOCK, 0x21, reg, base, insn->off);
		break;
	case BPF_XOR:
		jit_rm(j, w | X_LOCK, 0x31, reg, base, insn->off);
		break;
	case BPF_ADD | BPF_FETCH:
		jit_rm(j, w | X_LOCK, 0x0fc1, reg, base, insn->off);
		break;
	case BPF_OR | BPF_FETCH:
		atomic_fetch(j, insn, w, 0x09);
		break;
	case BPF_AND | BPF_FETCH:
		atomic_fetch(j, insn, w, 0x21);
		break;
	case BPF_XOR | BPF_FETCH:
		atomic_fetch(j, insn, w, 0x31);
		break;
	case BPF_XCHG: /* Locks by itself. */
		jit_rm(j, w, 0x87, reg, base, insn->off);
		break;
	case BPF_CMPXCHG: /* Leaves eax alone, and so its upper half, when it was equal. */
		jit_rm(j, w | X_LOCK, 0x0fb1, reg, base, insn->off);
		if (w == 0)
			jit_mov(j, 0, RAX, RAX);
		break;
	default:
		j->bad = true;
	}
}

void jit_store(struct jit *j, const struct bpf_insn *insn)
{
	unsigned base = jit_reg(j, insn->dst_reg), from = jit_reg(j, insn->src_reg);

	if (BPF_MODE(insn->code) == BPF_ATOMIC && BPF_CLASS(insn->code) == BPF_STX)
		atomic(j, insn);
	else if (BPF_MODE(insn->code) != BPF_MEM)
		j->bad = true;
	else if (BPF_CLASS(insn->code) == BPF_ST)
		store_imm(j, insn, base);
	else
		store_reg(j, insn, base, from);
}
