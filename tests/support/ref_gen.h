/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Rules and packets by chance for the simple switch (ref_switch.h), such that they meet; and rules
 * as the text that another switch is given.
 */
#ifndef TESTS_SUPPORT_REF_GEN_H
#define TESTS_SUPPORT_REF_GEN_H

#include "tests/support/ref_switch.h"

#include <stddef.h>

#define TEXT_MAX 2048

struct text {
	size_t n;
	char s[TEXT_MAX];
};

/* What is chosen from now on; the same again for the same seed. */
void ref_seed(uint64_t seed);
/* 0 to 'n' - 1. */
uint64_t ref_random(uint64_t n);

uint64_t ref_some(enum kind kind);
struct match ref_some_match(unsigned table);
/* Instructions for packets of 'x->match', in 'x->table'. */
void ref_some_instrs(struct rule *x);
struct act ref_some_out(void);
void ref_add_act(struct acts *acts, struct act a);
void ref_some_packet(struct frame *f);

/* Appends to the text of a rule. */
__attribute__((format(printf, 2, 3))) void ref_say(struct text *t, const char *format, ...);
void ref_say_match(struct text *t, const struct match *m);
void ref_say_act(struct text *t, const struct act *a);
void ref_say_instrs(struct text *t, const struct rule *x);

#endif
