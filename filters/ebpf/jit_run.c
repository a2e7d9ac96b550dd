/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What compiled programs call that is no helper of its own; see jit_priv.h.  Worker.
 */
#include "filters/ebpf/jit_priv.h"

#include <errno.h>
#include <string.h>

/* Where an interpreted program is entered from a compiled one. */
static uint64_t interpret(struct ebpf_ctx *ctx, const struct ebpf_prog *prog)
{
	return ebpf_interpret(prog, ctx);
}

struct jit_tail jit_tail_call(struct ebpf_ctx *ctx, struct ebpf_map *map, uint64_t index)
{
	const struct ebpf_prog *prog = ebpf_map_prog(map, (uint32_t)index);
	struct jit_tail tail = {.prog = prog};
	uint64_t (*fn)(struct ebpf_ctx *, const struct ebpf_prog *) = interpret;
	struct ebpf_env *env = ebpf_env_here;

	if (prog == NULL || env->n_tail >= EBPF_MAX_TAIL)
		return tail;
	env->n_tail++;
	env->prog = prog;
	if (prog->code != NULL)
		tail.code = prog->tail_code;
	else
		memcpy(&tail.code, &fn, sizeof(tail.code));
	return tail;
}

uint64_t jit_run_each(struct ebpf_map *map, void *fn, void *arg, uint64_t flags, void *ctx,
		      void *callback)
{
	struct jit_each each = {.fn = fn, .arg = arg, .ctx = ctx};
	ebpf_each_fn each_fn;

	if (flags != 0)
		return (uint64_t)-EINVAL;
	memcpy(&each_fn, &callback, sizeof(each_fn));
	return (uint64_t)ebpf_map_each(map, ebpf_env_here->cpu, each_fn, &each);
}
