/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See module.h.  Control thread.
 */
#include "filters/module.h"

#include "filters/chain_priv.h"
#include "filters/ebpf/object.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

/* ---- Programs that run ---- */

/* Entries of such a devmap may have programs, which may write. */
static bool has_ways(const struct ebpf_prog *prog)
{
	for (uint32_t i = 0; i < prog->n_maps; i++) {
		const struct ebpf_map *map = prog->maps[i];

		if ((map->type == BPF_MAP_TYPE_DEVMAP || map->type == BPF_MAP_TYPE_DEVMAP_HASH) &&
		    map->value_size > sizeof(uint32_t))
			return true;
	}
	return false;
}

static enum filter_kind kind_of(const struct ebpf_prog *prog, uint32_t does)
{
	const uint32_t looks =
		EBPF_READS_CTX | EBPF_READS_META | EBPF_READS_BYTES | EBPF_REDIRECTS | EBPF_OUTPUTS;

	if (prog->code == NULL || (does & EBPF_MOVES_ENDS) != 0)
		return FILTER_ANY;
	if ((does & EBPF_WRITES_PACKET) != 0)
		return FILTER_WRITES;
	return (does & looks) != 0 ? FILTER_LOOKS : FILTER_BLIND;
}

struct filter_current *filter_current_create(struct ebpf_prog *prog, uint32_t budget,
					     enum filter_policy policy)
{
	struct filter_current *cur = malloc(sizeof(*cur));
	const uint32_t does = filter_does(prog);

	if (cur == NULL)
		return NULL;
	*cur = (struct filter_current){
		.prog = ebpf_prog_ref(prog),
		.code = prog->code,
		.does = does,
		.kind = kind_of(prog, does),
		.writes = (does & (EBPF_WRITES_PACKET | EBPF_MOVES_ENDS)) != 0 || has_ways(prog),
		.budget = budget,
		.policy = policy,
	};
	return cur;
}

static void current_destroy(struct filter_current *cur)
{
	if (cur != NULL)
		ebpf_prog_unref(cur->prog);
	free(cur);
}

/* ---- Modules ---- */

static void module_free(struct filter_module *m)
{
	if (m == NULL)
		return;
	assert(SLIST_EMPTY(&m->places));
	current_destroy(atomic_load(&m->current));
	ebpf_object_destroy(m->object);
	free(m->spent);
	free(m);
}

static int no_memory(struct err *err)
{
	return err_set(err, -ENOMEM, "no-memory", "no memory for a filter module");
}

int filter_module_make(struct filter_modules *set, const char *name, struct filter_current *cur,
		       struct ebpf_object *object, struct filter_module **ret_module,
		       struct err *err)
{
	struct filter_module *m = calloc(1, sizeof(*m));
	size_t size = set->n_cpus * sizeof(m->spent[0]);

	if (m != NULL)
		m->spent = aligned_alloc(64, size);
	if (m == NULL || m->spent == NULL) {
		free(m);
		return no_memory(err);
	}
	memset(m->spent, 0, size);
	m->set = set;
	m->object = object;
	snprintf(m->name, sizeof(m->name), "%s", name);
	SLIST_INIT(&m->places);
	atomic_init(&m->current, cur);
	set->modules[set->n_modules++] = m;
	*ret_module = m;
	return 0;
}

struct filter_module *filter_module_find(const struct filter_modules *set, const char *name)
{
	for (uint32_t i = 0; i < set->n_modules; i++)
		if (strcmp(set->modules[i]->name, name) == 0)
			return set->modules[i];
	return NULL;
}

static int check_name(const struct filter_modules *set, const char *name, struct err *err)
{
	size_t size = name != NULL ? strlen(name) : 0;

	if (size == 0 || size > FILTER_MODULE_NAME_LEN)
		return err_set(err, -EINVAL, "bad-name",
			       "a module's name has 1 to %u characters, this one %zu",
			       FILTER_MODULE_NAME_LEN, size);
	if (filter_module_find(set, name) != NULL) {
		err_set(err, -EEXIST, "filter-exists", "module '%s' is loaded already", name);
		err_fix(err, "vswitchctl filter swap %s FILE, or another name", name);
		return -EEXIST;
	}
	if (set->n_modules == FILTER_MAX_MODULES)
		return err_set(err, -ENOSPC, "too-many-filters",
			       "there are %u modules, which is the most", FILTER_MAX_MODULES);
	return 0;
}

/* ---- Objects ---- */

static struct ebpf_map *find_map(void *arg, const char *name)
{
	const struct filter_module *m = arg;

	return filter_module_map(m, name);
}

/* 'before': whose maps go on; NULL: nobody's. */
static int object_load(const struct filter_modules *set, const struct filter_module_opts *opts,
		       const struct filter_module *before, struct ebpf_object **ret_object,
		       struct err *err)
{
	const struct ebpf_object_opts o = {
		.name = opts->name,
		.n_cpus = set->n_cpus,
		.interpret = opts->interpret,
		.find_map = before != NULL ? find_map : NULL,
		.arg = (void *)(uintptr_t)before,
	};

	return ebpf_object_load(opts->elf, opts->size, &o, ret_object, err);
}

/* Programs that run elsewhere than on a port: on the way out of a devmap's entry. */
static bool is_other(const struct ebpf_prog *prog)
{
	const char *s = prog->section;

	return strstr(s, "/devmap") != NULL || strstr(s, "/cpumap") != NULL ||
	       strstr(s, "_devmap") != NULL || strstr(s, "_cpumap") != NULL;
}

static int no_program(const struct ebpf_object *object, const struct filter_module_opts *opts,
		      struct err *err)
{
	char names[200] = "";
	size_t n = 0;

	for (uint32_t i = 0; i < ebpf_object_n_progs(object) && n < sizeof(names); i++)
		n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", i == 0 ? "" : ", ",
				      ebpf_object_prog(object, i)->name);
	if (opts->program != NULL)
		err_set(err, -ENOENT, "no-program", "the object has no program '%s'",
			opts->program);
	else
		err_set(err, -ENOENT, "no-program",
			"which program of the object is module '%s' is not clear", opts->name);
	err_why(err, "its programs are: %s", names[0] != '\0' ? names : "none");
	err_fix(err, "name one with --program, or name the module as one of them");
	return -ENOENT;
}

static int choose(const struct ebpf_object *object, const struct filter_module_opts *opts,
		  struct ebpf_prog **ret_prog, struct err *err)
{
	struct ebpf_prog *named, *only = NULL;
	unsigned n = 0;

	named = ebpf_object_find_prog(object, opts->program != NULL ? opts->program : opts->name);
	for (uint32_t i = 0; i < ebpf_object_n_progs(object); i++) {
		struct ebpf_prog *prog = ebpf_object_prog(object, i);

		if (!is_other(prog)) {
			only = prog;
			n++;
		}
	}
	if (named == NULL && opts->program == NULL && n == 1)
		named = only;
	if (named == NULL)
		return no_program(object, opts, err);
	*ret_prog = named;
	return 0;
}

static int check_roles(const struct filter_module *m, const struct ebpf_prog *prog, struct err *err)
{
	for (unsigned role = 0; role < FILTER_N_ROLES; role++) {
		int rc = m->n_in_role[role] == 0
				 ? 0
				 : filter_role_check_prog(m->name, prog, (enum filter_role)role,
							  err);

		if (rc != 0)
			return rc;
	}
	return 0;
}

/* An object that may run, and how.  'before' as above. */
static int prepare(const struct filter_modules *set, const struct filter_module_opts *opts,
		   const struct filter_module *before, struct ebpf_object **ret_object,
		   struct filter_current **ret_current, struct err *err)
{
	struct ebpf_object *object = NULL;
	struct ebpf_prog *prog = NULL;
	int rc = object_load(set, opts, before, &object, err);

	if (rc != 0)
		return rc;
	rc = choose(object, opts, &prog, err);
	if (rc == 0 && before != NULL)
		rc = check_roles(before, prog, err);
	if (rc == 0) {
		*ret_current = filter_current_create(prog, opts->budget, opts->policy);
		rc = *ret_current != NULL ? 0 : no_memory(err);
	}
	if (rc != 0)
		ebpf_object_destroy(object);
	else
		*ret_object = object;
	return rc;
}

int filter_module_load(struct filter_modules *set, const struct filter_module_opts *opts,
		       struct filter_module **ret_module, struct err *err)
{
	struct filter_current *cur = NULL;
	struct ebpf_object *object = NULL;
	int rc = check_name(set, opts->name, err);

	if (rc == 0)
		rc = prepare(set, opts, NULL, &object, &cur, err);
	if (rc != 0)
		return rc;
	rc = filter_module_make(set, opts->name, cur, object, ret_module, err);
	if (rc != 0) {
		current_destroy(cur);
		ebpf_object_destroy(object);
	}
	return rc;
}

/* Workers that hold the old one let go of it. */
void filter_module_put_current(struct filter_module *m, struct filter_current *cur)
{
	struct filter_current *old =
		atomic_exchange_explicit(&m->current, cur, memory_order_acq_rel);

	if (m->set->opts.wait != NULL)
		m->set->opts.wait(m->set->opts.arg);
	current_destroy(old);
}

int filter_module_swap(struct filter_module *m, const struct filter_module_opts *opts,
		       struct err *err)
{
	struct filter_module_opts named = *opts;
	struct filter_current *cur = NULL;
	struct ebpf_object *object = NULL, *old = m->object;
	int rc;

	named.name = m->name;
	rc = prepare(m->set, &named, m, &object, &cur, err);
	if (rc != 0)
		return rc;
	filter_module_put_current(m, cur);
	m->object = object;
	ebpf_object_destroy(old);
	return 0;
}

int filter_module_verify(const struct filter_modules *set, const struct filter_module_opts *opts,
			 struct ebpf_object **ret_object, struct err *err)
{
	const struct filter_module *before = filter_module_find(set, opts->name);
	struct filter_current *cur = NULL;
	int rc = prepare(set, opts, before, ret_object, &cur, err);

	if (rc == 0)
		current_destroy(cur);
	return rc;
}

void filter_module_unload(struct filter_module *m)
{
	struct filter_modules *set = m->set;
	uint32_t i = 0;

	while (set->modules[i] != m)
		i++;
	memmove(&set->modules[i], &set->modules[i + 1],
		(--set->n_modules - i) * sizeof(set->modules[0]));
	module_free(m);
}

/* ---- What is asked of them ---- */

uint32_t filter_modules_list(const struct filter_modules *set, struct filter_module **ret,
			     uint32_t max)
{
	uint32_t n = set->n_modules < max ? set->n_modules : max;

	memcpy(ret, set->modules, n * sizeof(ret[0]));
	return n;
}

const char *filter_module_name(const struct filter_module *m)
{
	return m->name;
}

const struct ebpf_object *filter_module_object(const struct filter_module *m)
{
	return m->object;
}

const struct ebpf_prog *filter_module_prog(const struct filter_module *m)
{
	return atomic_load_explicit(&m->current, memory_order_relaxed)->prog;
}

struct ebpf_map *filter_module_map(const struct filter_module *m, const char *name)
{
	for (uint32_t i = 0; m->object != NULL && i < ebpf_object_n_maps(m->object); i++) {
		struct ebpf_map *map = ebpf_object_map(m->object, i);

		if (strcmp(map->def.name, name) == 0)
			return map;
	}
	return NULL;
}

void filter_modules_port_gone(struct filter_modules *set, uint32_t ifindex)
{
	for (uint32_t i = 0; i < set->n_modules; i++) {
		const struct ebpf_object *object = set->modules[i]->object;

		for (uint32_t k = 0; object != NULL && k < ebpf_object_n_maps(object); k++) {
			struct ebpf_map *map = ebpf_object_map(object, k);

			if (map->type == BPF_MAP_TYPE_DEVMAP ||
			    map->type == BPF_MAP_TYPE_DEVMAP_HASH)
				ebpf_map_dev_gone(map, ifindex);
		}
	}
}

/* ---- All of them ---- */

static int worker_init(struct filter_modules *set, uint32_t i)
{
	struct filter_worker *fw = &set->workers[i];

	fw->set = set;
	fw->env.cpu = i;
	fw->env.random = rte_rdtsc() * UINT64_C(0x9e3779b97f4a7c15) + 2 * i + 1;
	fw->env.random |= 1;
	fw->env.ops = &filter_ebpf_ops;
	fw->env.owner = fw;
	fw->linear = malloc(FILTER_LINEAR_SIZE);
	if (fw->linear == NULL || dp_records_init(&fw->lines, FILTER_LINES_SIZE) != 0)
		return -ENOMEM;
	return 0;
}

int filter_modules_create(const struct filter_modules_opts *opts, struct filter_modules **ret_set,
			  struct err *err)
{
	struct filter_modules *set = calloc(1, sizeof(*set));
	uint32_t n = opts->n_cpus == 0 || opts->n_cpus > FILTER_MAX_CPUS ? FILTER_MAX_CPUS
									 : opts->n_cpus;

	if (set != NULL)
		set->workers = aligned_alloc(64, n * sizeof(set->workers[0]));
	if (set == NULL || set->workers == NULL) {
		free(set);
		return no_memory(err);
	}
	memset(set->workers, 0, n * sizeof(set->workers[0]));
	set->opts = *opts;
	set->n_cpus = n;
	set->tsc_hz = rte_get_tsc_hz();
	filter_time_read(set);
	for (uint32_t i = 0; i < n; i++) {
		if (worker_init(set, i) != 0) {
			filter_modules_destroy(set);
			return no_memory(err);
		}
	}
	*ret_set = set;
	return 0;
}

void filter_modules_destroy(struct filter_modules *set)
{
	if (set == NULL)
		return;
	while (set->n_modules != 0)
		filter_module_unload(set->modules[0]);
	for (uint32_t i = 0; i < set->n_cpus; i++) {
		free(set->workers[i].linear);
		dp_records_fini(&set->workers[i].lines);
	}
	free(set->workers);
	free(set);
}
