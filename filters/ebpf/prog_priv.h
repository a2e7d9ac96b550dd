/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The steps of ebpf_prog_create(), in their order.  Control thread.
 */
#ifndef FILTERS_EBPF_PROG_PRIV_H
#define FILTERS_EBPF_PROG_PRIV_H

#include "filters/ebpf/prog.h"

/* form.c.  Is this an instruction, by itself?  A wide load's second half must be readable at i[1].
 * NULL: yes; else what is wrong with it.  '*ret_later' says whether it is one, of a later
 * instruction set or of the kernel alone, that we do not know. */
const char *ebpf_form(const struct bpf_insn *i, bool *ret_later);

/* link.c.  Checks the form of prog->insns (a copy of the caller's), splits them into functions, and
 * puts addresses in the place of descriptors: fills in funcs and maps, each map once and with a
 * reference.  What it filled in before it failed is prog's all the same.  Errors as
 * ebpf_prog_create(). */
int ebpf_link(struct ebpf_prog *prog, const struct ebpf_prog_opts *opts, struct err *err);

/* check.c.  Finds out about a linked program: fills in notes, does, and the functions' stacks.
 * -ENOMEM. */
int ebpf_check(struct ebpf_prog *prog, const struct ebpf_prog_opts *opts);

/* The function that begins at instruction 'start', or NULL. */
struct ebpf_func *ebpf_func_at(const struct ebpf_prog *prog, uint32_t start);

#endif
