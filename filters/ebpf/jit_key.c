/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Keys of hashes that a program puts together in its frame from small fields, as all do that look
 * up ports or a protocol.
 *
 * Hashes read keys four bytes at a time (map_hash_priv.h).  A processor hands a store on to a load
 * that asks for no more than was stored; one that takes in two stores waits until both have left
 * the processor, and what comes after it waits too: 15 cycles for a five-tuple, more than the
 * lookup. So words that have been stored in pieces are read in pieces and stored in one, just
 * before the call.  Nothing is changed by that.
 *
 * Which bytes are stored in pieces is asked of a function as a whole, not of the way by which a
 * call was reached: where the answer is wrong it costs time only.
 */
#include "filters/ebpf/jit_priv.h"

#include <string.h>

#define BYTE 1 /* stored alone, somewhere in the function */
#define HALF 2 /* with one of its neighbours */

void jit_key_scan(struct jit *j, uint32_t start, uint32_t end)
{
	memset(j->pieces, 0, sizeof(j->pieces));
	for (uint32_t i = start; i < end; i++) {
		const struct bpf_insn *insn = &j->prog->insns[i];
		unsigned class = BPF_CLASS(insn->code), size = ebpf_size(insn);
		int at = (int)EBPF_STACK_SIZE + insn->off;

		if ((class == BPF_ST || class == BPF_STX) && size <= 2 &&
		    insn->dst_reg == BPF_REG_10 && at >= 0 &&
		    at + (int)size <= (int)EBPF_STACK_SIZE)
			for (unsigned b = 0; b < size; b++)
				j->pieces[(unsigned)at + b] |= size == 1 ? BYTE : HALF;
		if (ebpf_is_wide(insn))
			i++;
	}
}

/* rax |= 'size' bytes at [rbp + off] << shift; the first piece sets rax. */
static void piece(struct jit *j, unsigned size, int32_t off, unsigned shift)
{
	unsigned to = shift == 0 ? RAX : R9;

	jit_rm(j, 0, size == 1 ? 0x0fb6 : 0x0fb7, to, RBP, off);
	if (shift == 0)
		return;
	jit_rr(j, 0, 0xc1, 4, R9);
	JIT_BYTES(j, (uint8_t)shift);
	jit_rr(j, 0, 0x09, R9, RAX);
}

/* The four bytes at [rbp + off]. */
static void word(struct jit *j, int32_t off)
{
	const uint8_t *pieces = &j->pieces[(int)EBPF_STACK_SIZE + off];

	if ((pieces[0] | pieces[1] | pieces[2] | pieces[3]) == 0)
		return;
	for (int b = 0; b < 4; b += 2) {
		if (((pieces[b] | pieces[b + 1]) & BYTE) == 0) {
			piece(j, 2, off + b, (unsigned)b * 8);
			continue;
		}
		piece(j, 1, off + b, (unsigned)b * 8);
		piece(j, 1, off + b + 1, (unsigned)b * 8 + 8);
	}
	jit_rm(j, 0, 0x89, RAX, RBP, off);
}

void jit_key(struct jit *j, uint32_t size)
{
	int64_t at = (int64_t)j->known.values[BPF_REG_2];

	if (j->known.kinds[BPF_REG_2] != JIT_FRAME || at < -(int64_t)EBPF_STACK_SIZE ||
	    at + size > 0)
		return;
	for (uint32_t i = 0; i + 4 <= size; i += 4)
		word(j, (int32_t)at + (int32_t)i);
}
