/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a program may do.
 */
#include "filters/ebpf/prog_priv.h"

/* A load that is of the context if its pointer is. */
static bool is_ctx_shaped(const struct bpf_insn *i)
{
	return (i->code == (BPF_LDX | BPF_MEM | BPF_W) ||
		i->code == (BPF_LDX | EBPF_MEMSX | BPF_W)) &&
	       i->off >= 0 && i->off < (int)sizeof(struct xdp_md) && i->off % 4 == 0;
}

int ebpf_check(struct ebpf_prog *prog, const struct ebpf_prog_opts *opts)
{
	for (uint32_t i = 0; i < prog->n; i++)
		if (is_ctx_shaped(&prog->insns[i]))
			prog->notes[i] = EBPF_MAYBE_CTX;
	for (uint32_t f = 0; f < prog->n_funcs; f++)
		prog->funcs[f].stack = EBPF_STACK_SIZE;
	prog->does = UINT32_MAX;
	return 0;
}
