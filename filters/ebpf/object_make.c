/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the kernel accepted becomes ours: maps with their contents from the start, programs with
 * those maps.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "filters/ebpf/object_priv.h"

#define N_ARGS 5u

/* Nobody runs what is not finished. */
static void wait_for_nobody(void *arg)
{
}

static int no_memory(const struct ebpf_object *object, struct err *err)
{
	return err_set(err, -ENOMEM, "no-memory", "cannot load module %s: no memory", object->name);
}

/* The kernel's array becomes memory of ours.  Where it cannot be mapped (values with a lock) ours
 * has its own. */
static int array_map(const struct ebpf_object *object, struct ebpf_object_map *map, struct err *err)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE), stride = (map->def.value_size + 7ul) / 8 * 8;
	size_t size = (stride * map->def.max_entries + page - 1) / page * page;
	int prot = map->frozen ? PROT_READ : PROT_READ | PROT_WRITE;
	int fd = fcntl(bpf_map__fd(map->bpf), F_DUPFD_CLOEXEC, 3);
	void *memory;

	if (fd < 0)
		return no_memory(object, err);
	memory = mmap(NULL, size, prot, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED) {
		close(fd);
		return map->internal ? no_memory(object, err) : 0;
	}
	map->def.memory = memory;
	map->def.memory_size = size;
	map->def.memory_fd = fd;
	return 0;
}

static int map_make(struct ebpf_object *object, struct ebpf_object_map *map, uint32_t n_cpus,
		    struct err *err)
{
	int rc = 0;

	if (map->map != NULL || bpf_map__fd(map->bpf) < 0)
		return 0;
	/* What programs may not write but the tool may has memory of ours. */
	if (map->def.type == BPF_MAP_TYPE_ARRAY &&
	    (map->frozen || (map->def.flags & BPF_F_RDONLY_PROG) == 0))
		rc = array_map(object, map, err);
	if (rc == 0)
		rc = ebpf_map_create(&map->def, n_cpus, &map->map, err);
	map->def.memory = NULL; /* It was taken. */
	map->def.memory_fd = -1;
	return rc;
}

/* Of a type that we do not serve there may be one for programs that are left out; a program that
 * has it is refused. */
static int maps_make(struct ebpf_object *object, uint32_t n_cpus, struct err *err)
{
	for (uint32_t i = 0; i < object->n_maps; i++) {
		int rc = map_make(object, &object->maps[i], n_cpus, err);

		if (rc != 0 && rc != -ENOTSUP)
			return rc;
	}
	return 0;
}

static bool names_map(const struct bpf_insn *insn)
{
	return ebpf_is_wide(insn) &&
	       (insn->src_reg == BPF_PSEUDO_MAP_FD || insn->src_reg == BPF_PSEUDO_MAP_VALUE);
}

/* Has the program a map that we do not serve?  Then the reason again. */
static int maps_check(struct ebpf_object *object, const struct ebpf_object_prog *prog,
		      uint32_t n_cpus, struct err *err)
{
	const struct bpf_insn *insns = bpf_program__insns(prog->bpf);
	size_t n = bpf_program__insn_cnt(prog->bpf);

	for (size_t i = 0; i + 1 < n; i += ebpf_is_wide(&insns[i]) ? 2 : 1) {
		if (!names_map(&insns[i]))
			continue;
		for (uint32_t m = 0; m < object->n_maps; m++)
			if (object->maps[m].map == NULL &&
			    bpf_map__fd(object->maps[m].bpf) == insns[i].imm)
				return map_make(object, &object->maps[m], n_cpus, err);
	}
	return 0;
}

/* Is argument 'i' of a function a context: a struct xdp_md *, or one that its tag says is? */
static bool is_ctx(const struct btf *btf, uint32_t func, uint32_t i, uint32_t type)
{
	int id = btf__resolve_type(btf, type);
	const struct btf_type *t = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;
	const char *name;

	if (t == NULL || !btf_is_ptr(t))
		return false;
	id = btf__resolve_type(btf, t->type);
	if (id > 0) {
		t = btf__type_by_id(btf, (uint32_t)id);
		name = btf__name_by_offset(btf, t->name_off);
		if (btf_is_struct(t) && name != NULL && strcmp(name, "xdp_md") == 0)
			return true;
	}
	for (uint32_t j = 1; j < btf__type_cnt(btf); j++) {
		t = btf__type_by_id(btf, j);
		if (btf_is_decl_tag(t) && t->type == func &&
		    btf_decl_tag(t)->component_idx == (int32_t)i) {
			name = btf__name_by_offset(btf, t->name_off);
			if (name != NULL && strcmp(name, "arg:ctx") == 0)
				return true;
		}
	}
	return false;
}

/* Bit r for each argument register r that holds a context. */
static uint8_t ctx_args(const struct btf *btf, uint32_t func)
{
	const struct btf_type *t = btf__type_by_id(btf, func);
	uint8_t args = 0;

	t = t != NULL && btf_is_func(t) ? btf__type_by_id(btf, t->type) : NULL;
	if (t == NULL || !btf_is_func_proto(t))
		return 0;
	for (uint32_t i = 0; i < btf_vlen(t) && i < N_ARGS; i++)
		if (is_ctx(btf, func, i, btf_params(t)[i].type))
			args |= (uint8_t)(1u << (i + 1));
	return args;
}

struct funcs {
	uint32_t *starts;
	uint8_t *args;
	uint32_t n;
};

/* Where the functions of a program start, in order: at 0 and where calls and callbacks go. */
static int starts_find(const struct bpf_insn *insns, uint32_t n, struct funcs *funcs)
{
	uint8_t *is_start = calloc(n, 1);

	if (is_start == NULL)
		return -ENOMEM;
	is_start[0] = 1;
	for (uint32_t i = 0; i < n; i += ebpf_is_wide(&insns[i]) ? 2 : 1) {
		int64_t to = (int64_t)i + insns[i].imm + 1;
		bool callback = ebpf_is_wide(&insns[i]) && insns[i].src_reg == BPF_PSEUDO_FUNC;

		if ((ebpf_is_local_call(&insns[i]) || callback) && to >= 0 && to < n)
			is_start[to] = 1;
	}
	for (uint32_t i = 0; i < n; i++)
		funcs->n += is_start[i];
	funcs->starts = calloc(funcs->n, sizeof(funcs->starts[0]));
	funcs->args = calloc(funcs->n, sizeof(funcs->args[0]));
	funcs->n = 0;
	for (uint32_t i = 0; i < n && funcs->starts != NULL; i++)
		if (is_start[i])
			funcs->starts[funcs->n++] = i;
	free(is_start);
	return funcs->starts != NULL && funcs->args != NULL ? 0 : -ENOMEM;
}

/* The kernel keeps each function's type, in their order.  When it has dropped some as dead code
 * theirs are not known, and who reads the program follows its calls (check.c). */
static int funcs_find(const struct ebpf_object *object, const struct ebpf_object_prog *prog,
		      const struct bpf_prog_info *info, struct funcs *funcs)
{
	const struct btf *btf = bpf_object__btf(object->bpf);
	struct bpf_prog_info again = {.func_info_rec_size = sizeof(struct bpf_func_info)};
	uint32_t size = sizeof(again);
	int rc = starts_find(bpf_program__insns(prog->bpf),
			     (uint32_t)bpf_program__insn_cnt(prog->bpf), funcs);
	struct bpf_func_info *infos;

	if (rc != 0 || btf == NULL || info->nr_func_info != funcs->n) {
		funcs->n = 0;
		return rc;
	}
	infos = calloc(funcs->n, sizeof(infos[0]));
	if (infos == NULL)
		return -ENOMEM;
	again.nr_func_info = funcs->n;
	again.func_info = (uintptr_t)infos;
	if (bpf_obj_get_info_by_fd(bpf_program__fd(prog->bpf), &again, &size) != 0)
		funcs->n = 0;
	for (uint32_t i = 0; i < funcs->n; i++)
		funcs->args[i] = ctx_args(btf, infos[i].type_id);
	free(infos);
	return 0;
}

static int prog_make(struct ebpf_object *object, struct ebpf_object_prog *prog,
		     const struct ebpf_map_ref *maps, uint32_t n_maps,
		     const struct ebpf_object_opts *opts, struct err *err)
{
	struct bpf_prog_info info = {0};
	uint32_t size = sizeof(info);
	struct funcs funcs = {0};
	struct ebpf_prog_opts made = {
		.name = bpf_program__name(prog->bpf),
		.section = bpf_program__section_name(prog->bpf),
		.insns = bpf_program__insns(prog->bpf),
		.n = (uint32_t)bpf_program__insn_cnt(prog->bpf),
		.maps = maps,
		.n_maps = n_maps,
		.interpret = opts->interpret,
	};
	int rc = bpf_obj_get_info_by_fd(bpf_program__fd(prog->bpf), &info, &size) != 0 ? -errno : 0;

	if (rc == 0)
		rc = funcs_find(object, prog, &info, &funcs);
	if (rc == 0) {
		made.gpl = info.gpl_compatible;
		made.ctx_starts = funcs.starts;
		made.ctx_args = funcs.args;
		made.n_ctx = funcs.n;
		ebpf_verdict_accepted(prog->log, prog->verdict, sizeof(prog->verdict));
		rc = ebpf_prog_create(&made, &prog->prog, err);
	} else {
		no_memory(object, err);
	}
	free(funcs.starts);
	free(funcs.args);
	return rc;
}

static int progs_make(struct ebpf_object *object, const struct ebpf_object_opts *opts,
		      struct err *err)
{
	struct ebpf_map_ref *maps = calloc(object->n_maps + 1, sizeof(maps[0]));
	uint32_t n_maps = 0;
	int rc = 0;

	if (maps == NULL)
		return no_memory(object, err);
	for (uint32_t i = 0; i < object->n_maps; i++)
		if (object->maps[i].map != NULL)
			maps[n_maps++] =
				(struct ebpf_map_ref){.fd = bpf_map__fd(object->maps[i].bpf),
						      .map = object->maps[i].map};
	for (uint32_t i = 0; i < object->n_progs && rc == 0; i++) {
		rc = maps_check(object, &object->progs[i], opts->n_cpus, err);
		if (rc == 0)
			rc = prog_make(object, &object->progs[i], maps, n_maps, opts, err);
	}
	free(maps);
	return rc;
}

static struct ebpf_map *map_of(const struct ebpf_object *object, uint32_t id)
{
	for (uint32_t i = 0; i < object->n_maps; i++)
		if (object->maps[i].id == id)
			return object->maps[i].map;
	return NULL;
}

static struct ebpf_prog *prog_of(const struct ebpf_object *object, uint32_t id)
{
	for (uint32_t i = 0; i < object->n_progs; i++)
		if (object->progs[i].id == id)
			return object->progs[i].prog;
	return NULL;
}

/* One element that libbpf put into the kernel's map, into ours. */
static int content_put(const struct ebpf_object *object, struct ebpf_object_map *map,
		       const void *key, struct err *err)
{
	struct ebpf_map *inner;
	struct ebpf_prog *prog;
	uint32_t id;
	int rc = -EINVAL;

	if (bpf_map_lookup_elem(bpf_map__fd(map->bpf), key, &id) != 0)
		return 0;
	if (map->def.type == BPF_MAP_TYPE_PROG_ARRAY) {
		prog = prog_of(object, id);
		if (prog != NULL)
			rc = ebpf_map_put_prog(map->map, key, prog, wait_for_nobody, NULL);
	} else {
		inner = map_of(object, id);
		if (inner != NULL)
			rc = ebpf_map_put_map(map->map, key, inner, wait_for_nobody, NULL);
	}
	if (rc != 0)
		return err_set(err, rc, "bad-map",
			       "cannot load module %s: what its map '%s' holds from the start does "
			       "not fit: %s",
			       object->name, map->def.name, strerror(-rc));
	return 0;
}

/* Maps of maps and arrays of programs may be full from the start. */
static int contents_put(const struct ebpf_object *object, struct ebpf_object_map *map,
			struct err *err)
{
	int fd = bpf_map__fd(map->bpf), rc = 0;
	uint8_t key[EBPF_MAX_KEY], next[EBPF_MAX_KEY];
	const void *last = NULL;

	if (map->map == NULL || map->kept || map->def.key_size > sizeof(key))
		return 0;
	if (map->def.type != BPF_MAP_TYPE_PROG_ARRAY &&
	    map->def.type != BPF_MAP_TYPE_ARRAY_OF_MAPS &&
	    map->def.type != BPF_MAP_TYPE_HASH_OF_MAPS)
		return 0;
	while (rc == 0 && bpf_map_get_next_key(fd, last, next) == 0) {
		memcpy(key, next, map->def.key_size);
		last = key;
		rc = content_put(object, map, key, err);
	}
	return rc;
}

/* An array of programs with contents is this object's alone: what was there holds others'. */
static void arrays_part(struct ebpf_object *object)
{
	for (uint32_t i = 0; i < object->n_maps; i++) {
		struct ebpf_object_map *map = &object->maps[i];
		uint32_t id;
		bool full = false;

		if (!map->kept || map->def.type != BPF_MAP_TYPE_PROG_ARRAY)
			continue;
		for (uint32_t k = 0; k < map->def.max_entries && k < 65536 && !full; k++)
			full = bpf_map_lookup_elem(bpf_map__fd(map->bpf), &k, &id) == 0;
		if (!full)
			continue;
		ebpf_map_unref(map->map);
		map->map = NULL;
		map->kept = false;
	}
}

/* Those that only programs that were left out have are not the module's. */
static void maps_drop(struct ebpf_object *object)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < object->n_maps; i++)
		if (object->maps[i].map != NULL)
			object->maps[n++] = object->maps[i];
	object->n_maps = n;
}

int ebpf_object_make(struct ebpf_object *object, const struct ebpf_object_opts *opts,
		     struct err *err)
{
	int rc;

	arrays_part(object);
	rc = maps_make(object, opts->n_cpus, err);
	if (rc == 0)
		rc = progs_make(object, opts, err);
	for (uint32_t i = 0; i < object->n_maps && rc == 0; i++)
		rc = contents_put(object, &object->maps[i], err);
	maps_drop(object);
	return rc;
}
