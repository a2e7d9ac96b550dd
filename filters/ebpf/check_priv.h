/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What registers and stack slots may hold, as check.c follows it and check_step.c changes it.
 *
 * A value is a set of kinds: what it may be at run time.  More is always right, and less precise.
 * No kind at all: nothing has come here yet.  A pointer into the own frame carries where it points,
 * as long as that is one even offset.
 */
#ifndef FILTERS_EBPF_CHECK_PRIV_H
#define FILTERS_EBPF_CHECK_PRIV_H

#include "filters/ebpf/prog_priv.h"

#define KIND_NUMBER 0x01u /* what nobody may load by: NULL, too */
#define KIND_CTX    0x02u
#define KIND_PACKET 0x04u /* into its bytes or its metadata */
#define KIND_END    0x08u /* data_end */
#define KIND_STACK  0x10u /* into the frame of the function that runs */
#define KIND_FRAME  0x20u /* into some frame, of a caller or even the own one */
#define KIND_MEMORY 0x40u /* a value, a record, a map: no context, no packet */
#define KINDS	    0x7fu
#define POINTERS    (KINDS & ~KIND_NUMBER)
#define OFFSET_BIT  7 /* above: 0 is unknown, else 1 + half of the bytes below the frame pointer */

#define N_REGS	11
#define FP	10
#define N_SLOTS (EBPF_STACK_SIZE / 8)

struct state {
	uint16_t regs[N_REGS];
	uint16_t slots[N_SLOTS]; /* slots[0] is the 8 bytes right below the frame pointer */
};

/* What is known of a function, whoever calls it. */
struct facts {
	uint16_t ret;	 /* its r0 */
	uint16_t stored; /* to its frame, as others see it */
	bool escapes;	 /* others have pointers to its frame */
	uint16_t stack;	 /* bytes that it uses */
};

struct flow {
	struct ebpf_prog *prog;
	const struct ebpf_prog_opts *opts;
	uint32_t
		*state_at; /* [n] 1 + the state before the instruction; 0: that of the one before */
	uint32_t *insn_of; /* [n_states] */
	struct state *states;
	uint64_t *dirty; /* [n_states] bits: to be walked again */
	uint32_t n_states, first_dirty;
	struct facts *facts; /* [n_funcs] */
	uint16_t foreign;    /* what was stored by KIND_FRAME */
	uint16_t frames;     /* what frames that escaped may hold */
	uint16_t callback;   /* what callbacks get from who called the helper */
	bool world_changed;  /* something that is of no one function: facts, foreign, callback */
	bool loops, eachs;   /* which helpers call back */
	bool final;	     /* all is known: take notes */
	bool lost;	     /* it does what a verified program cannot: nothing is known */
	uint64_t budget;     /* instructions that may still be looked at */
};

/* check_step.c */
uint16_t value_join(uint16_t a, uint16_t b);
/* As another function sees it. */
uint16_t value_pass(uint16_t value);
/* Is a load of the context if its pointer is. */
bool check_is_ctx_shaped(const struct bpf_insn *i);
/* What one instruction of function 'f' does to 's', and to what is known of the program; jumps,
 * exits and what it calls of the program's own are check.c's. */
void check_step(struct flow *flow, struct facts *f, struct state *s, uint32_t at);
/* Widens what is known of the program. */
void check_widen(struct flow *flow, uint16_t *known, uint16_t value);
void check_escape(struct flow *flow, struct facts *f, uint16_t value);

#endif
