/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From what the kernel was given to what runs here (prog.h has the result's form).
 *
 * Three passes.  The first looks at each instruction by itself, links what refers to something
 * outside of the program, and marks where functions begin.  The second cuts the program into
 * functions.  The third asks where jumps lead, and who calls whom.
 *
 * What is refused as "bad-program" the verifier cannot have accepted: it is here so that a mistake
 * of ours, or a kernel's, does not send the compiler or the interpreter into the weeds.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "filters/ebpf/helper.h"
#include "filters/ebpf/prog_priv.h"

/* libbpf puts calls of helpers from here on in the place of what it could not resolve; programs
 * guard those by what they know of the kernel, and the verifier saw that they are never reached. */
#define POISON 100000000

#define MARK_START 1 /* a function begins here */
#define MARK_TAIL  2 /* a wide load's second half */

struct edge {
	uint32_t caller, callee; /* functions */
};

struct link {
	struct ebpf_prog *prog;
	const struct ebpf_prog_opts *opts;
	struct err *err;
	uint8_t *marks; /* [n] */
	struct edge *edges;
	uint32_t n_edges, n_calls; /* room for so many */
};

static int bad(const struct link *l, uint32_t at, const char *why)
{
	err_set(l->err, -EINVAL, "bad-program", "instruction %u of program '%s' cannot be run", at,
		l->opts->name);
	err_why(l->err, "%s", why);
	err_fix(l->err, "load the object that the compiler made; this one is damaged");
	return -EINVAL;
}

static int unsupported(const struct link *l, uint32_t at, const char *why, const char *fix)
{
	err_set(l->err, -ENOTSUP, "instruction",
		"instruction %u of program '%s' is not supported here", at, l->opts->name);
	err_why(l->err, "%s", why);
	err_fix(l->err, "%s", fix);
	return -ENOTSUP;
}

static int no_memory(const struct link *l)
{
	return err_set(l->err, -ENOMEM, "no-memory", "no memory to link program '%s'",
		       l->opts->name);
}

/* Instruction 'i' refers to the function that begins 'distance' + 1 instructions on. */
static int link_function(struct link *l, uint32_t i, int32_t distance, uint32_t *ret_start)
{
	int64_t start = (int64_t)i + distance + 1;

	if (start < 0 || start >= l->prog->n)
		return bad(l, i, "it calls what is outside of the program");
	l->marks[start] |= MARK_START;
	l->n_calls++;
	*ret_start = start;
	return 0;
}

static int no_helper(const struct link *l, uint32_t at, uint32_t id)
{
	char name[64];

	err_set(l->err, -ENOTSUP, "helper", "program '%s' calls %s, which is not supported here",
		l->opts->name, ebpf_helper_name(id, name, sizeof(name)));
	err_why(l->err, "instruction %u: a filter has only the helpers that vswitch serves itself",
		at);
	err_fix(l->err, "leave the call out; docs/filters.md lists the helpers that there are");
	return -ENOTSUP;
}

static int link_helper(const struct link *l, uint32_t i)
{
	const struct ebpf_helper *helper = ebpf_helper(l->prog->insns[i].imm);
	char why[128];

	if (helper == NULL)
		return no_helper(l, i, l->prog->insns[i].imm);
	if ((helper->flags & EBPF_HELPER_GPL) != 0 && !l->opts->gpl) {
		snprintf(why, sizeof(why), "it calls %s, which is for programs under the GPL",
			 helper->name);
		return bad(l, i, why);
	}
	return 0;
}

/* It is never reached, and does nothing if it is. */
static void unreachable(struct bpf_insn *insn)
{
	*insn = (struct bpf_insn){.code = BPF_JMP | BPF_EXIT};
}

static int link_call(struct link *l, uint32_t i)
{
	struct bpf_insn *insn = &l->prog->insns[i];
	uint32_t start;
	char why[128];

	if (insn->src_reg == BPF_PSEUDO_CALL)
		return link_function(l, i, insn->imm, &start);
	if (insn->src_reg == BPF_PSEUDO_KFUNC_CALL ? insn->imm == 0 && insn->off == 0
						   : insn->imm >= POISON) {
		unreachable(insn);
		return 0;
	}
	if (insn->src_reg == 0)
		return link_helper(l, i);
	snprintf(why, sizeof(why), "it calls a function of the kernel (kfunc, BTF id %d)",
		 insn->imm);
	return unsupported(l, i, why, "use helpers (bpf-helpers(7)) instead of kernel functions");
}

/* Puts 'map' on the program's list, once. */
static int link_map(struct link *l, struct ebpf_map *map)
{
	struct ebpf_prog *prog = l->prog;

	for (uint32_t i = 0; i < prog->n_maps; i++)
		if (prog->maps[i] == map)
			return 0;
	if (prog->maps == NULL)
		prog->maps = calloc(l->opts->n_maps, sizeof(struct ebpf_map *));
	if (prog->maps == NULL)
		return no_memory(l);
	prog->maps[prog->n_maps++] = ebpf_map_ref(map);
	return 0;
}

static struct ebpf_map *find_map(const struct link *l, int fd)
{
	for (uint32_t i = 0; i < l->opts->n_maps; i++)
		if (l->opts->maps[i].fd == fd)
			return l->opts->maps[i].map;
	return NULL;
}

static void set_address(struct bpf_insn *insn, const void *address)
{
	insn[0].imm = (int32_t)(uint32_t)(uintptr_t)address;
	insn[1].imm = (int32_t)(uint32_t)((uint64_t)(uintptr_t)address >> 32);
}

static int link_map_load(struct link *l, uint32_t i)
{
	struct bpf_insn *insn = &l->prog->insns[i];
	struct ebpf_map *map = find_map(l, insn[0].imm);
	uint32_t off = insn[1].imm;

	if (map == NULL)
		return bad(l, i, "it refers to a map that is not among the object's");
	if (insn->src_reg == BPF_PSEUDO_MAP_FD) {
		if (off != 0)
			return bad(l, i, "a field that must be zero is not");
		set_address(insn, map);
	} else {
		if (map->type != BPF_MAP_TYPE_ARRAY || map->values == NULL ||
		    off >= (uint64_t)map->stride * map->max_entries)
			return bad(l, i, "it refers to memory that its map does not have");
		set_address(insn, map->values + off);
	}
	return link_map(l, map);
}

static int link_wide(struct link *l, uint32_t i)
{
	struct bpf_insn *insn = &l->prog->insns[i];
	uint32_t start;
	int rc;

	switch (insn->src_reg) {
	case 0:
		return 0;
	case BPF_PSEUDO_MAP_FD:
	case BPF_PSEUDO_MAP_VALUE:
		return link_map_load(l, i);
	case BPF_PSEUDO_FUNC:
		rc = link_function(l, i, insn->imm, &start);
		if (rc == 0)
			set_address(insn, (const void *)(uintptr_t)start);
		return rc;
	case BPF_PSEUDO_BTF_ID:
		return unsupported(l, i, "it refers to a variable of the kernel (__ksym)",
				   "leave it out: a filter sees its packet and its maps");
	case BPF_PSEUDO_MAP_IDX:
	case BPF_PSEUDO_MAP_IDX_VALUE:
		return unsupported(l, i, "it refers to maps by number, as light skeletons do",
				   "load the object file itself");
	default:
		return bad(l, i, "there is no such kind of wide load");
	}
}

/* Each instruction by itself. */
static int link_insns(struct link *l)
{
	static const char fix[] = "compile for an older instruction set: clang -mcpu=v3";
	struct ebpf_prog *prog = l->prog;
	const char *why;
	bool later;
	int rc;

	for (uint32_t i = 0; i < prog->n; i++) {
		const struct bpf_insn *insn = &prog->insns[i];

		if (ebpf_is_wide(insn) && i + 1 == prog->n)
			return bad(l, i, "the program ends in the middle of it");
		why = ebpf_form(insn, &later);
		if (why != NULL)
			return later ? unsupported(l, i, why, fix) : bad(l, i, why);
		rc = ebpf_is_call(insn)	  ? link_call(l, i)
		     : ebpf_is_wide(insn) ? link_wide(l, i)
					  : 0;
		if (rc != 0)
			return rc;
		if (ebpf_is_wide(insn))
			l->marks[++i] |= MARK_TAIL;
	}
	return 0;
}

/* What is between two marks is a function. */
static int cut_functions(struct link *l)
{
	struct ebpf_prog *prog = l->prog;
	uint32_t n = 0;

	for (uint32_t i = 0; i < prog->n; i++) {
		if (l->marks[i] == (MARK_START | MARK_TAIL))
			return bad(l, i, "a function begins in the middle of a wide load");
		n += l->marks[i] & MARK_START;
	}
	prog->funcs = calloc(n, sizeof(*prog->funcs));
	if (prog->funcs == NULL)
		return no_memory(l);
	for (uint32_t i = 0; i < prog->n; i++)
		if (l->marks[i] & MARK_START)
			prog->funcs[prog->n_funcs++].start = i;
	for (uint32_t i = 0; i < n; i++)
		prog->funcs[i].end = i + 1 < n ? prog->funcs[i + 1].start : prog->n;
	return 0;
}

static int check_jump(const struct link *l, const struct ebpf_func *func, uint32_t i)
{
	int64_t to = ebpf_jump_target(l->prog->insns, i);

	if (to < func->start || to >= func->end)
		return bad(l, i, "it jumps out of its function");
	if (l->marks[to] & MARK_TAIL)
		return bad(l, i, "it jumps into the middle of a wide load");
	return 0;
}

static void add_edge(struct link *l, uint32_t caller, uint32_t start)
{
	l->edges[l->n_edges++] =
		(struct edge){.caller = caller,
			      .callee = ebpf_func_at(l->prog, start) - l->prog->funcs};
}

/* Where the jumps and calls of a function lead, and that it ends. */
static int check_function(struct link *l, uint32_t f)
{
	const struct ebpf_func *func = &l->prog->funcs[f];
	const struct bpf_insn *insn = &l->prog->insns[func->start];
	int rc;

	for (uint32_t i = func->start; i < func->end; i++) {
		insn = &l->prog->insns[i];
		rc = ebpf_is_jump(insn) ? check_jump(l, func, i) : 0;
		if (rc != 0)
			return rc;
		if (ebpf_is_local_call(insn))
			add_edge(l, f, i + insn->imm + 1);
		if (!ebpf_is_wide(insn))
			continue;
		if (insn->src_reg == BPF_PSEUDO_FUNC)
			add_edge(l, f, insn->imm);
		if (++i == func->end)
			return bad(l, i - 1, "a function begins in the middle of it");
	}
	if (ebpf_is_exit(insn) || (ebpf_is_jump(insn) && BPF_OP(insn->code) == BPF_JA))
		return 0;
	return bad(l, func->end - 1, "its function goes on behind its end");
}

/* No chain of calls from the first function is longer than the kernel's frames.  A callback counts
 * as called by who refers to it.  'levels' are zeros. */
static int check_depth(const struct link *l, uint8_t *levels)
{
	bool changed = true;

	levels[0] = 1;
	while (changed) {
		changed = false;
		for (uint32_t i = 0; i < l->n_edges; i++) {
			const struct edge *e = &l->edges[i];

			if (levels[e->caller] == 0 || levels[e->callee] > levels[e->caller])
				continue;
			levels[e->callee] = levels[e->caller] + 1;
			if (levels[e->callee] > EBPF_MAX_FRAMES)
				return bad(l, l->prog->funcs[e->callee].start,
					   "its function is called in a circle or too deep");
			changed = true;
		}
	}
	return 0;
}

static int check_functions(struct link *l)
{
	uint8_t *levels;
	int rc = 0;

	l->edges = calloc(l->n_calls + 1, sizeof(*l->edges));
	levels = calloc(l->prog->n_funcs, 1);
	if (l->edges == NULL || levels == NULL)
		rc = no_memory(l);
	for (uint32_t f = 0; f < l->prog->n_funcs && rc == 0; f++)
		rc = check_function(l, f);
	if (rc == 0)
		rc = check_depth(l, levels);
	free(levels);
	free(l->edges);
	return rc;
}

int ebpf_link(struct ebpf_prog *prog, const struct ebpf_prog_opts *opts, struct err *err)
{
	struct link l = {.prog = prog, .opts = opts, .err = err};
	int rc;

	l.marks = calloc(prog->n, 1);
	if (l.marks == NULL)
		return no_memory(&l);
	l.marks[0] = MARK_START;
	rc = link_insns(&l);
	if (rc == 0)
		rc = cut_functions(&l);
	if (rc == 0)
		rc = check_functions(&l);
	free(l.marks);
	return rc;
}
