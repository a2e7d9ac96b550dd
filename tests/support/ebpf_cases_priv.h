/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How cases are made; see ebpf_cases.h.
 */
#ifndef TESTS_SUPPORT_EBPF_CASES_PRIV_H
#define TESTS_SUPPORT_EBPF_CASES_PRIV_H

#include "tests/support/ebpf_cases.h"

#define CASE_REGS 10 /* r0 to r9 */
#define CASE_MAX  4096

struct cases {
	ebpf_case_fn fn;
	void *arg;
	uint32_t n_cases;
	struct ebpf_case c;
	struct bpf_insn insns[CASE_MAX];
};

static inline void case_add(struct cases *k, struct bpf_insn insn)
{
	if (k->c.n < CASE_MAX)
		k->insns[k->c.n++] = insn;
}

/* Starts a case; hands it over with what r0 must be. */
__attribute__((format(printf, 2, 3))) void case_begin(struct cases *k, const char *name, ...);
void case_end(struct cases *k, uint64_t expected);

void case_wide(struct cases *k, unsigned reg, uint64_t v);
/* Loads r0 to r9; folds them into r0, as case_folded() does. */
void case_load_regs(struct cases *k, const uint64_t *regs);
void case_fold_regs(struct cases *k);
uint64_t case_folded(const uint64_t *regs);
/* Values that differ in every byte, another set for each 'seed'. */
void case_regs(uint64_t *ret_regs, unsigned seed);

/* Operands at edges. */
extern const uint64_t case_edges[];
#define CASE_N_EDGES 14u

/* The parts. */
void cases_alu(struct cases *k);
void cases_jump(struct cases *k);
void cases_memory(struct cases *k);
void cases_calls(struct cases *k);

#endif
