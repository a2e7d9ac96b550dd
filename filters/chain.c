/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See chain.h: the control thread's half.
 */
#include "filters/chain_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static const char *const role_names[FILTER_N_ROLES] = {"capture", "filter", "forward"};

/* ---- What a program may do ---- */

#define CHANGES (EBPF_WRITES_PACKET | EBPF_MOVES_ENDS)
#define ALL                                                                                        \
	(CHANGES | EBPF_READS_CTX | EBPF_READS_META | EBPF_REDIRECTS | EBPF_OUTPUTS |              \
	 EBPF_READS_BYTES)

uint32_t filter_does(const struct ebpf_prog *prog)
{
	return (prog->does & EBPF_TAIL_CALLS) != 0 ? prog->does | ALL : prog->does;
}

/* What the programs do that stand in its program arrays now, and it itself. */
static uint32_t does_now(const struct ebpf_prog *prog, unsigned depth)
{
	uint32_t does = prog->does;

	if ((does & EBPF_TAIL_CALLS) == 0 || depth == EBPF_MAX_TAIL)
		return does;
	for (uint32_t i = 0; i < prog->n_maps; i++) {
		const struct ebpf_map *map = prog->maps[i];

		if (map->type != BPF_MAP_TYPE_PROG_ARRAY)
			continue;
		for (uint32_t k = 0; k < map->max_entries; k++) {
			const struct ebpf_prog *target = ebpf_map_prog(map, k);

			if (target != NULL && (target->does & ~does) != 0)
				does |= does_now(target, depth + 1);
		}
	}
	return does;
}

static int refuse(struct err *err, const char *module, enum filter_role role, const char *does,
		  const char *fix)
{
	err_set(err, -EINVAL, "filter-role", "module '%s' cannot be a %s: its program %s", module,
		role_names[role], does);
	err_why(err, "%s",
		role == FILTER_ROLE_CAPTURE ? "a capture sees frames and changes nothing"
					    : "only a module in the role forward may send frames");
	err_fix(err, "attach it with --role %s", fix);
	return -EINVAL;
}

int filter_role_check_prog(const char *module, const struct ebpf_prog *prog, enum filter_role role,
			   struct err *err)
{
	const uint32_t does = does_now(prog, 0);

	if (role == FILTER_ROLE_CAPTURE && (does & EBPF_MOVES_ENDS) != 0)
		return refuse(err, module, role, "moves a packet's beginning or end", "filter");
	if (role == FILTER_ROLE_CAPTURE && (does & EBPF_WRITES_PACKET) != 0)
		return refuse(err, module, role, "writes to packets", "filter");
	if (role == FILTER_ROLE_CAPTURE && (does & EBPF_REDIRECTS) != 0)
		return refuse(err, module, role, "redirects packets", "forward");
	if (role == FILTER_ROLE_FILTER && (does & EBPF_REDIRECTS) != 0)
		return refuse(err, module, role, "redirects packets", "forward");
	return 0;
}

int filter_role_check(const struct filter_module *module, enum filter_role role,
		      enum dp_filter_side side, struct err *err)
{
	if (role == FILTER_ROLE_FORWARD && side == DP_FILTER_EGRESS) {
		err_set(err, -EINVAL, "filter-role", "module '%s' cannot forward on egress",
			module->name);
		err_why(err, "what leaves a port has been forwarded already");
		err_fix(err, "attach it on ingress, or with --role filter");
		return -EINVAL;
	}
	return filter_role_check_prog(module->name, filter_module_prog(module), role, err);
}

/* ---- Chains ---- */

int filter_slot_compare(const struct filter_slot *a, const struct filter_slot *b)
{
	if (a->role != b->role)
		return a->role < b->role ? -1 : 1;
	if (a->order != b->order)
		return a->order < b->order ? -1 : 1;
	return strcmp(a->module->name, b->module->name);
}

static int compare(const void *a, const void *b)
{
	return filter_slot_compare(a, b);
}

static const char *name(const struct dp_filter_chain *chain, unsigned i)
{
	return i < chain->n ? chain->slots[i].module->name : NULL;
}

static const struct dp_filter_ops ops = {
	.run = filter_run,
	.targets = filter_targets,
	.leave = filter_leave,
	.refused = filter_refused,
	.name = name,
};

struct dp_filter_chain *filter_chain_create(const struct filter_slot *slots, uint32_t n)
{
	struct dp_filter_chain *chain;

	if (n == 0 || n > FILTER_MAX_SLOTS)
		return NULL;
	chain = malloc(sizeof(*chain) + n * sizeof(chain->slots[0]));
	if (chain == NULL)
		return NULL;
	*chain = (struct dp_filter_chain){.head = {&ops}, .set = slots[0].module->set, .n = n};
	memcpy(chain->slots, slots, n * sizeof(slots[0]));
	qsort(chain->slots, n, sizeof(slots[0]), compare);
	for (uint32_t i = 0; i < n; i++) {
		struct filter_slot *s = &chain->slots[i];

		chain->places[i] = filter_place_ref(s->module, s->where != NULL ? s->where : "");
		if (chain->places[i] == NULL) {
			chain->n = i;
			filter_chain_destroy(chain);
			return NULL;
		}
		s->where = chain->places[i]->where;
		s->module->n_in_role[s->role]++;
	}
	return chain;
}

void filter_chain_destroy(struct dp_filter_chain *chain)
{
	for (uint32_t i = 0; chain != NULL && i < chain->n; i++) {
		struct filter_slot *s = &chain->slots[i];

		s->module->n_in_role[s->role]--;
		filter_place_unref(s->module, chain->places[i]);
	}
	free(chain);
}
