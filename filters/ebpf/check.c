/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a program does to its packet and its context, found without running it: which loads are of
 * the context (the program thinks of it as 32-bit fields, ctx.h), and whether stores may hit the
 * packet.
 *
 * The verifier knows all this and does not tell.  So the program is walked once more, all paths at
 * a time: each register and each 8 bytes of stack has the kinds of things that it may hold
 * (check_priv.h), what meets where jumps meet is joined, and it goes on until nothing changes.
 *
 * 	states     before each instruction that a jump leads to, and each function's first; walked
 * in the order of the instructions, again when what is known there has grown functions  arguments
 * join over all calls, results over all exits.  A pointer to the own frame becomes one to some
 * frame when it is handed on; what others store there, and what is in frames that others see, is
 * one set for the whole program callbacks  get what any caller of their helper hands on last pass
 * takes the notes, when all is known
 *
 * It must never call a load plain that may be of the context, nor miss a store to a packet.  What
 * it does not understand, or a program too large for its bounds, gets the notes that are always
 * right.
 *
 * Bounds: MAX_STATES and the budget of steps, so that a program of a million instructions takes
 * less than a second and 100 MB whatever it looks like.
 */
#include "filters/ebpf/check_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define MAX_STATES     400000u
#define STEPS_PER_INSN 48u
#define STEPS_AT_LEAST 100000u
#define CALLER_REGS    6 /* r0 to r5 do not outlive a call */

static bool is_always(const struct bpf_insn *i)
{
	return BPF_OP(i->code) == BPF_JA;
}

static bool is_reached(const struct state *s)
{
	return s->regs[FP] != 0;
}

/* The worklist */

static void set_dirty(struct flow *flow, uint32_t state)
{
	flow->dirty[state / 64] |= UINT64_C(1) << state % 64;
	if (state / 64 < flow->first_dirty)
		flow->first_dirty = state / 64;
}

static bool pop_dirty(struct flow *flow, uint32_t *ret_state)
{
	uint32_t n_words = (flow->n_states + 63) / 64;
	uint32_t w = flow->first_dirty;

	while (w < n_words && flow->dirty[w] == 0)
		w++;
	flow->first_dirty = w;
	if (w == n_words)
		return false;
	*ret_state = w * 64 + (uint32_t)__builtin_ctzll(flow->dirty[w]);
	flow->dirty[w] &= flow->dirty[w] - 1;
	return true;
}

/* 's' comes to instruction 'at', which has a state. */
static void flow_to(struct flow *flow, uint32_t at, const struct state *s)
{
	uint32_t index = flow->state_at[at] - 1;
	struct state *known = &flow->states[index], joined;

	if (flow->final)
		return;
	for (unsigned k = 0; k < N_REGS; k++)
		joined.regs[k] = value_join(known->regs[k], s->regs[k]);
	for (unsigned k = 0; k < N_SLOTS; k++)
		joined.slots[k] = value_join(known->slots[k], s->slots[k]);
	/* A register that one way leaves empty nobody reads, but of what has not come here yet. */
	if (!is_reached(known))
		joined = *s;
	if (memcmp(&joined, known, sizeof(joined)) == 0)
		return;
	*known = joined;
	set_dirty(flow, index);
}

/* Functions */

static struct state entry_state(void)
{
	struct state s = {.regs = {[FP] = KIND_STACK | 1u << OFFSET_BIT}};

	for (unsigned k = 0; k < N_SLOTS; k++)
		s.slots[k] = KIND_NUMBER;
	return s;
}

/* Registers of the function at 'start' that are contexts by their types. */
static uint8_t ctx_args(const struct flow *flow, uint32_t start)
{
	for (uint32_t k = 0; k < flow->opts->n_ctx; k++)
		if (flow->opts->ctx_starts[k] == start)
			return flow->opts->ctx_args[k];
	return 0;
}

static void call_local(struct flow *flow, struct facts *f, struct state *s, uint32_t start)
{
	const struct ebpf_func *callee = ebpf_func_at(flow->prog, start);
	uint8_t ctx = ctx_args(flow, start);
	struct state entry = entry_state();

	for (unsigned r = 1; r < CALLER_REGS; r++) {
		check_escape(flow, f, s->regs[r]);
		entry.regs[r] = ctx & 1u << r ? KIND_CTX : value_pass(s->regs[r]);
	}
	flow_to(flow, start, &entry);
	memset(s->regs, 0, CALLER_REGS * sizeof(s->regs[0]));
	s->regs[0] = flow->facts[callee - flow->prog->funcs].ret;
}

/* A function that a helper will call: bpf_loop's gets (index, its caller's pointer),
 * bpf_for_each_map_elem's (map, key, value, its caller's pointer). */
static void call_back(struct flow *flow, uint32_t start)
{
	struct state entry = entry_state();
	bool unknown = !flow->loops && !flow->eachs;

	entry.regs[1] = (flow->loops ? KIND_NUMBER : 0) | (flow->eachs ? KIND_MEMORY : 0);
	entry.regs[2] = (flow->loops ? flow->callback : 0) | (flow->eachs ? KIND_MEMORY : 0);
	entry.regs[3] = flow->eachs ? KIND_MEMORY : 0;
	entry.regs[4] = flow->eachs ? flow->callback : 0;
	for (unsigned r = 1; r < CALLER_REGS && unknown; r++)
		entry.regs[r] = KINDS & ~KIND_STACK;
	flow_to(flow, start, &entry);
}

/* Goes on from one state to the next. */
static void walk(struct flow *flow, uint32_t state, struct facts *f)
{
	const struct bpf_insn *insns = flow->prog->insns;
	struct state s = flow->states[state];
	uint32_t at = flow->insn_of[state];

	for (;;) {
		const struct bpf_insn *i = &insns[at];

		flow->budget -= flow->budget > 0;
		check_step(flow, f, &s, at);
		if (ebpf_is_local_call(i))
			call_local(flow, f, &s, at + i->imm + 1);
		else if (ebpf_is_wide(i) && i->src_reg == BPF_PSEUDO_FUNC)
			call_back(flow, i->imm);
		else if (ebpf_is_jump(i))
			flow_to(flow, ebpf_jump_target(insns, at), &s);
		else if (ebpf_is_exit(i))
			check_widen(flow, &f->ret, value_pass(s.regs[0]));
		if (ebpf_is_exit(i) || (ebpf_is_jump(i) && is_always(i)))
			return;
		at += ebpf_is_wide(i) ? 2 : 1;
		if (flow->state_at[at] != 0) {
			flow_to(flow, at, &s);
			return;
		}
	}
}

static struct facts *facts_at(const struct flow *flow, uint32_t at)
{
	const struct ebpf_prog *prog = flow->prog;
	uint32_t low = 0, high = prog->n_funcs;

	while (high - low > 1) {
		uint32_t middle = low + (high - low) / 2;

		if (prog->funcs[middle].start <= at)
			low = middle;
		else
			high = middle;
	}
	return &flow->facts[low];
}

static void walk_dirty(struct flow *flow)
{
	uint32_t state;

	while (flow->budget > 0 && pop_dirty(flow, &state))
		walk(flow, state, facts_at(flow, flow->insn_of[state]));
}

static void set_reached_dirty(struct flow *flow)
{
	for (uint32_t k = 0; k < flow->n_states; k++)
		if (is_reached(&flow->states[k]))
			set_dirty(flow, k);
}

/* What is in frames that others see. */
static void join_frames(struct flow *flow)
{
	for (uint32_t k = 0; k < flow->prog->n_funcs; k++)
		if (flow->facts[k].escapes)
			flow->frames |= flow->facts[k].stored;
}

/* Until nothing changes.  False: out of budget. */
static bool solve(struct flow *flow)
{
	struct state entry = entry_state();

	entry.regs[1] = KIND_CTX;
	flow_to(flow, 0, &entry);
	do {
		flow->world_changed = false;
		walk_dirty(flow);
		join_frames(flow);
		if (flow->world_changed)
			set_reached_dirty(flow);
	} while (flow->world_changed && flow->budget > 0);
	return flow->budget > 0;
}

static void take_notes(struct flow *flow)
{
	flow->final = true;
	set_reached_dirty(flow);
	walk_dirty(flow);
}

/* Before: where states are */

static void add_state(struct flow *flow, uint32_t at)
{
	if (flow->state_at[at] != 0)
		return;
	flow->state_at[at] = 1;
	flow->n_states++;
}

static void find_states(struct flow *flow)
{
	const struct ebpf_prog *prog = flow->prog;

	for (uint32_t f = 0; f < prog->n_funcs; f++)
		add_state(flow, prog->funcs[f].start);
	for (uint32_t i = 0; i < prog->n; i += ebpf_is_wide(&prog->insns[i]) ? 2 : 1) {
		const struct bpf_insn *insn = &prog->insns[i];

		if (ebpf_is_jump(insn))
			add_state(flow, ebpf_jump_target(prog->insns, i));
		if (!ebpf_is_call(insn) || insn->src_reg != 0)
			continue;
		flow->loops |= insn->imm == BPF_FUNC_loop;
		flow->eachs |= insn->imm == BPF_FUNC_for_each_map_elem;
	}
}

static void number_states(struct flow *flow)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < flow->prog->n; i++) {
		if (flow->state_at[i] == 0)
			continue;
		flow->insn_of[n++] = i;
		flow->state_at[i] = n;
	}
}

/* What is right of any program. */
static void note_the_worst(struct ebpf_prog *prog)
{
	for (uint32_t i = 0; i < prog->n; i++)
		prog->notes[i] = check_is_ctx_shaped(&prog->insns[i]) ? EBPF_MAYBE_CTX : EBPF_PLAIN;
	for (uint32_t f = 0; f < prog->n_funcs; f++)
		prog->funcs[f].stack = EBPF_STACK_SIZE;
	prog->does = EBPF_DOES_ANYTHING;
}

static int allocate(struct flow *flow)
{
	flow->insn_of = calloc(flow->n_states, sizeof(*flow->insn_of));
	flow->states = calloc(flow->n_states, sizeof(*flow->states));
	flow->dirty = calloc((flow->n_states + 63) / 64, sizeof(*flow->dirty));
	flow->facts = calloc(flow->prog->n_funcs, sizeof(*flow->facts));
	return flow->insn_of == NULL || flow->states == NULL || flow->dirty == NULL ||
			       flow->facts == NULL
		       ? -ENOMEM
		       : 0;
}

static int examine(struct flow *flow)
{
	struct ebpf_prog *prog = flow->prog;

	find_states(flow);
	if (flow->n_states > MAX_STATES)
		return 0;
	if (allocate(flow) != 0)
		return -ENOMEM;
	number_states(flow);
	flow->budget = (uint64_t)prog->n * STEPS_PER_INSN + STEPS_AT_LEAST;
	if (!solve(flow))
		return 0;
	prog->does = 0;
	flow->budget = UINT64_MAX;
	take_notes(flow);
	for (uint32_t k = 0; k < prog->n_funcs; k++)
		prog->funcs[k].stack = flow->facts[k].stack;
	if (flow->lost)
		note_the_worst(prog);
	return 0;
}

int ebpf_check(struct ebpf_prog *prog, const struct ebpf_prog_opts *opts)
{
	struct flow flow = {.prog = prog, .opts = opts};
	int rc = -ENOMEM;

	note_the_worst(prog);
	flow.state_at = calloc(prog->n + 1, sizeof(*flow.state_at));
	if (flow.state_at != NULL)
		rc = examine(&flow);
	free(flow.facts);
	free(flow.dirty);
	free(flow.states);
	free(flow.insn_of);
	free(flow.state_at);
	return rc;
}
