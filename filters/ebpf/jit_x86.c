/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The compiler's passes; see jit_priv.h.
 */
#include "filters/ebpf/jit.h"
#include "filters/ebpf/jit_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#ifdef __x86_64__
#include <cpuid.h>
#endif

/* After so many passes jumps are all long: somebody chose them so that each makes the next too
 * long. */
#define MAX_PASSES 16

/* Returns how many instructions it was. */
static uint32_t instruction(struct jit *j, const struct bpf_insn *insn)
{
	bool both = false;

	switch (BPF_CLASS(insn->code)) {
	case BPF_ALU:
	case BPF_ALU64:
		both = jit_alu(j, insn);
		break;
	case BPF_LD:
		jit_wide(j, insn);
		jit_known_step(j, insn);
		return 2;
	case BPF_LDX:
		jit_load(j, insn);
		break;
	case BPF_ST:
	case BPF_STX:
		jit_store(j, insn);
		break;
	default:
		if (ebpf_is_call(insn))
			both = jit_call(j, insn);
		else if (ebpf_is_exit(insn))
			jit_exit(j);
		else
			jit_jump(j, insn);
	}
	jit_known_step(j, insn);
	if (both)
		jit_known_step(j, insn + 1);
	return both ? 2 : 1;
}

static void function(struct jit *j, uint32_t n)
{
	const struct ebpf_func *f = &j->prog->funcs[n];
	uint32_t step;

	j->func = &j->funcs[n];
	j->func_end = f->end;
	jit_enter(j);
	jit_key_scan(j, f->start, f->end);
	jit_known_forget(j);
	for (uint32_t i = f->start; i < f->end && !j->bad; i += step) {
		if (jit_is_target(j, i))
			jit_known_forget(j);
		j->i = i;
		j->drift = j->places[i] == JIT_UNPLACED ? 0 : j->at - j->places[i];
		j->places[i] = j->at;
		step = instruction(j, &j->prog->insns[i]);
	}
}

static void pass(struct jit *j)
{
	j->at = 0;
	j->changed = false;
	for (uint32_t n = 0; n < j->prog->n_funcs && !j->bad; n++)
		function(j, n);
	jit_pieces(j);
}

/* Until every jump reaches, and no size changes. */
static int settle(struct jit *j)
{
	pass(j);
	for (unsigned n = 0; !j->bad; n++) {
		j->all_long = n > MAX_PASSES;
		pass(j);
		if (!j->changed)
			break;
	}
	return j->bad ? -ENOTSUP : 0;
}

static void publish(struct jit *j, struct ebpf_prog *prog, uint8_t *code)
{
	void *entry = code + j->funcs[0].entry;

	memcpy(&prog->code, &entry, sizeof(prog->code));
	prog->tail_code = entry;
	prog->code_size = j->at;
}

/* There is no memory, or the system forbids code that is made at run time: then interpret. */
static int refusal(void)
{
	return errno == ENOMEM ? -ENOMEM : -ENOTSUP;
}

static int write_out(struct jit *j, struct ebpf_prog *prog)
{
	uint32_t size = j->at;
	uint8_t *code = jit_pool_take(size);
	int rc;

	if (code == NULL)
		return refusal();
	j->base = (uintptr_t)code;
	j->out = jit_pool_open(code, size);
	if (j->out == NULL) {
		rc = refusal();
		jit_pool_give(code, size);
		return rc;
	}
	pass(j);
	jit_pool_close(j->out, size);
	j->out = NULL;
	if (j->bad || j->at != size) {
		jit_pool_give(code, size);
		return -ENOTSUP;
	}
	publish(j, prog, code);
	return 0;
}

static int compile(struct jit *j, struct ebpf_prog *prog)
{
	int rc;

	for (uint32_t i = 0; i < prog->n; i++)
		j->places[i] = JIT_UNPLACED;
	jit_plan(j);
	rc = settle(j);
	return rc == 0 ? write_out(j, prog) : rc;
}

static int compile_alloc(struct ebpf_prog *prog, uint32_t features)
{
	struct jit j = {
		.prog = prog,
		.bmi2 = features & EBPF_JIT_BMI2,
		.near = features & EBPF_JIT_NEAR,
		.maps = features & EBPF_JIT_MAPS,
		.places = malloc(prog->n * sizeof(j.places[0])),
		.marks = calloc(prog->n, 1),
		.funcs = calloc(prog->n_funcs, sizeof(j.funcs[0])),
	};
	int rc = -ENOMEM;

	if (j.places != NULL && j.marks != NULL && j.funcs != NULL)
		rc = compile(&j, prog);
	free(j.places);
	free(j.marks);
	free(j.funcs);
	return rc;
}

uint32_t ebpf_jit_features(void)
{
	uint32_t features = EBPF_JIT_NEAR | EBPF_JIT_MAPS;
#ifdef __x86_64__
	unsigned a, b, c, d;

	if (__get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && b & bit_BMI2)
		features |= EBPF_JIT_BMI2;
#endif
	return features;
}

int ebpf_jit_with(struct ebpf_prog *prog, uint32_t features)
{
#ifdef __x86_64__
	int rc;

	if (prog->n == 0 || prog->n_funcs == 0)
		return -ENOTSUP;
	rc = compile_alloc(prog, features);
	/* Code that lies too far away for calls of four bytes is the one thing that a pass may find
	 * only when it writes. */
	if (rc == -ENOTSUP && features & EBPF_JIT_NEAR)
		rc = compile_alloc(prog, features & ~EBPF_JIT_NEAR);
	return rc;
#else
	return -ENOTSUP;
#endif
}

int ebpf_jit(struct ebpf_prog *prog)
{
	return ebpf_jit_with(prog, ebpf_jit_features());
}

void ebpf_jit_free(struct ebpf_prog *prog)
{
	void *code;

	if (prog->code == NULL)
		return;
	memcpy(&code, &prog->code, sizeof(code));
	jit_pool_give(code, prog->code_size);
	prog->code = NULL;
	prog->tail_code = NULL;
}
