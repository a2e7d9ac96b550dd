/* SPDX-License-Identifier: BSD-2-Clause
 *
 * An object's maps: what ours will be, and what the kernel is given for the time that it judges.
 *
 * The verifier looks at a map's type, at the sizes of keys and values, and, where a key is
 * constant, at an array's number of elements.  So arrays are as the object says, and mapped into
 * this process; of everything else the kernel gets a handful of elements, whatever the object asks
 * for.
 */
#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "filters/ebpf/object_priv.h"

#define KERNEL_ENTRIES 16u
#define KERNEL_SLOTS   65536u	     /* of what may have contents from the start */
#define KERNEL_PER_CPU (16ull << 20) /* bytes of a per-CPU array */
#define DEFAULT_MEMORY (1ull << 30)
#define ELEMENT_MEMORY 64u /* what a map of ours needs beside key and value, about */

static uint64_t value_stride(const struct ebpf_map_def *def)
{
	return (def->value_size + 7ull) / 8 * 8;
}

/* A struct bpf_spin_lock in the value: its offset + 1, or 0. */
static uint32_t spin_lock_find(const struct btf *btf, uint32_t value_type)
{
	int id = btf != NULL && value_type != 0 ? btf__resolve_type(btf, value_type) : 0;
	const struct btf_type *type = id > 0 ? btf__type_by_id(btf, (uint32_t)id) : NULL;

	for (uint32_t i = 0; type != NULL && btf_is_struct(type) && i < btf_vlen(type); i++) {
		int member_id = btf__resolve_type(btf, btf_members(type)[i].type);
		const struct btf_type *member =
			member_id > 0 ? btf__type_by_id(btf, (uint32_t)member_id) : NULL;
		const char *name =
			member != NULL ? btf__name_by_offset(btf, member->name_off) : NULL;

		if (name != NULL && btf_is_struct(member) && strcmp(name, "bpf_spin_lock") == 0)
			return btf_member_bit_offset(type, i) / 8 + 1;
	}
	return 0;
}

/* A ring is a power of two of pages, as libbpf has it. */
static uint32_t ring_size(uint32_t wanted)
{
	uint64_t size = (uint64_t)sysconf(_SC_PAGESIZE);

	while (size < wanted && size < 1u << 31)
		size *= 2;
	return (uint32_t)size;
}

static void def_read(struct ebpf_map_def *def, const struct bpf_map *map, const struct btf *btf,
		     uint32_t n_cpus)
{
	strncpy(def->name, bpf_map__name(map), sizeof(def->name) - 1);
	def->type = bpf_map__type(map);
	def->key_size = bpf_map__key_size(map);
	def->value_size = bpf_map__value_size(map);
	def->max_entries = bpf_map__max_entries(map);
	def->flags = bpf_map__map_flags(map);
	def->extra = bpf_map__map_extra(map);
	def->memory_fd = -1;
	def->spin_lock_off = spin_lock_find(btf, bpf_map__btf_value_type_id(map));
	if (def->type == BPF_MAP_TYPE_RINGBUF)
		def->max_entries = ring_size(def->max_entries);
	/* One element a CPU, as libbpf has it; and loaders, of arrays that leave it to them. */
	if ((def->type == BPF_MAP_TYPE_PERF_EVENT_ARRAY && def->max_entries < n_cpus) ||
	    ((def->type == BPF_MAP_TYPE_ARRAY || def->type == BPF_MAP_TYPE_CPUMAP) &&
	     def->max_entries == 0))
		def->max_entries = n_cpus;
}

/* Bytes that ours will reserve, about; no product here is past 64 bits. */
static uint64_t memory_of(const struct ebpf_map_def *def, uint32_t n_cpus)
{
	uint64_t element = value_stride(def), n = def->max_entries;

	switch ((unsigned)def->type) {
	case BPF_MAP_TYPE_ARRAY:
		return n * element;
	case BPF_MAP_TYPE_PERCPU_ARRAY:
		return n * element * n_cpus;
	case BPF_MAP_TYPE_PERCPU_HASH:
	case BPF_MAP_TYPE_LRU_PERCPU_HASH:
		return n * (element * n_cpus + def->key_size + ELEMENT_MEMORY);
	case BPF_MAP_TYPE_RINGBUF:
		return n;
	case BPF_MAP_TYPE_BLOOM_FILTER:
		return n * 4;
	default:
		return n * (element + def->key_size + ELEMENT_MEMORY);
	}
}

static int memory_check(const struct ebpf_object *object, const struct ebpf_object_opts *opts,
			struct err *err)
{
	uint64_t limit = opts->max_map_memory != 0 ? opts->max_map_memory : DEFAULT_MEMORY;
	uint64_t sum = 0, most = 0;
	const char *which = "";

	for (uint32_t i = 0; i < object->n_maps; i++) {
		uint64_t size = memory_of(&object->maps[i].def, opts->n_cpus);

		if (size > most) {
			most = size;
			which = object->maps[i].def.name;
		}
		sum = size > UINT64_MAX - sum ? UINT64_MAX : sum + size;
	}
	if (sum <= limit)
		return 0;
	err_set(err, -E2BIG, "map-memory",
		"cannot load module %s: its maps need %llu MiB of memory", object->name,
		(unsigned long long)(sum >> 20));
	err_why(err, "a module's maps have %llu MiB at most; '%s' alone needs %llu",
		(unsigned long long)(limit >> 20), which, (unsigned long long)(most >> 20));
	err_fix(err, "give '%s' fewer max_entries", which);
	return -E2BIG;
}

static int maps_count(struct ebpf_object *object, struct err *err)
{
	const struct bpf_map *map;
	uint32_t n = 0;

	bpf_object__for_each_map(map, object->bpf) n++;
	if (n > EBPF_MAX_OBJECT_MAPS) {
		err_set(err, -E2BIG, "too-many-maps", "cannot load module %s: it has %u maps",
			object->name, n);
		err_why(err, "an object has %u at most", EBPF_MAX_OBJECT_MAPS);
		err_fix(err, "join maps of the same kind into one with a longer key");
		return -E2BIG;
	}
	object->maps = calloc(n + 1, sizeof(object->maps[0]));
	if (object->maps == NULL)
		return err_set(err, -ENOMEM, "no-memory", "cannot load module %s: no memory",
			       object->name);
	return 0;
}

/* One that is there under this name takes its place, if it is the same. */
static int map_meet(struct ebpf_object *object, struct ebpf_object_map *map,
		    const struct ebpf_object_opts *opts, struct err *err)
{
	struct ebpf_map *old;

	if (opts->find_map == NULL || map->internal)
		return 0;
	old = opts->find_map(opts->arg, map->def.name);
	if (old == NULL)
		return 0;
	if (!ebpf_map_same(&map->def, &old->def)) {
		err_set(err, -EEXIST, "map-differs",
			"cannot load module %s: its map '%s' is not as the one that is there",
			object->name, map->def.name);
		err_why(err,
			"there: %s, keys of %u, values of %u bytes, %u entries; in the object: "
			"%s, %u, %u, %u",
			ebpf_map_type_name(old->type), old->key_size, old->value_size,
			old->max_entries, ebpf_map_type_name(map->def.type), map->def.key_size,
			map->def.value_size, map->def.max_entries);
		err_fix(err, "rename the map in the source, or unload the module and load the new");
		return -EEXIST;
	}
	map->map = ebpf_map_ref(old);
	map->kept = true;
	return 0;
}

static void map_read(struct ebpf_object *object, struct ebpf_object_map *ret, struct bpf_map *map,
		     uint32_t n_cpus)
{
	const struct btf *btf = bpf_object__btf(object->bpf);
	const struct bpf_map *inner = bpf_map__inner_map(map);

	ret->bpf = map;
	ret->internal = bpf_map__is_internal(map);
	ret->key_type = bpf_map__btf_key_type_id(map);
	ret->value_type = bpf_map__btf_value_type_id(map);
	def_read(&ret->def, map, btf, n_cpus);
	ret->frozen = ret->internal && (ret->def.flags & BPF_F_RDONLY_PROG) != 0;
	if (inner != NULL) {
		def_read(&ret->inner, inner, btf, n_cpus);
		ret->def.inner = &ret->inner;
	}
}

int ebpf_object_maps_read(struct ebpf_object *object, const struct ebpf_object_opts *opts,
			  struct err *err)
{
	int rc = maps_count(object, err);
	struct bpf_map *map;

	if (rc != 0)
		return rc;
	bpf_object__for_each_map(map, object->bpf)
		map_read(object, &object->maps[object->n_maps++], map, opts->n_cpus);
	rc = memory_check(object, opts, err);
	for (uint32_t i = 0; i < object->n_maps && rc == 0; i++)
		rc = map_meet(object, &object->maps[i], opts, err);
	return rc;
}

static uint32_t kernel_entries(const struct ebpf_map_def *def)
{
	uint32_t n = def->max_entries, most = KERNEL_ENTRIES;

	switch ((unsigned)def->type) {
	case BPF_MAP_TYPE_ARRAY:
	case BPF_MAP_TYPE_STRUCT_OPS:
		return n;
	case BPF_MAP_TYPE_PERCPU_ARRAY:
		most = (uint32_t)(KERNEL_PER_CPU / (value_stride(def) + 1) / EBPF_MAX_CPUS) + 1;
		break;
	case BPF_MAP_TYPE_PROG_ARRAY:
	case BPF_MAP_TYPE_ARRAY_OF_MAPS:
	case BPF_MAP_TYPE_HASH_OF_MAPS:
		most = KERNEL_SLOTS;
		break;
	case BPF_MAP_TYPE_RINGBUF:
	case BPF_MAP_TYPE_USER_RINGBUF:
		most = (uint32_t)sysconf(_SC_PAGESIZE);
		break;
	default:
		break;
	}
	return n < most ? n : most;
}

/* Is it of the kind that an outer map holds?  The kernel wants its flags to be that definition's,
 * which libbpf does not let us change. */
static bool is_inner(const struct ebpf_object *object, const struct ebpf_map_def *def)
{
	for (uint32_t i = 0; i < object->n_maps; i++) {
		const struct ebpf_map_def *inner = object->maps[i].def.inner;

		if (inner != NULL && inner->type == def->type && inner->key_size == def->key_size &&
		    inner->value_size == def->value_size)
			return true;
	}
	return false;
}

/* The kernel's stand-in for a map of the object.  -EINVAL when libbpf will not have it. */
static int stand_in(const struct ebpf_object *object, struct ebpf_object_map *map)
{
	const struct ebpf_map_def *def = &map->def;
	int rc = bpf_map__set_pin_path(map->bpf, NULL);

	if (rc == 0 && def->type == BPF_MAP_TYPE_ARRAY && !is_inner(object, def))
		rc = bpf_map__set_map_flags(map->bpf, def->flags | BPF_F_MMAPABLE);
	if (rc == 0 && def->type != BPF_MAP_TYPE_PERF_EVENT_ARRAY &&
	    kernel_entries(def) != bpf_map__max_entries(map->bpf))
		rc = bpf_map__set_max_entries(map->bpf, kernel_entries(def));
	return rc;
}

int ebpf_object_maps_prepare(struct ebpf_object *object, struct err *err)
{
	int rc = 0;

	for (uint32_t i = 0; i < object->n_maps && rc == 0; i++) {
		struct ebpf_object_map *map = &object->maps[i];

		/* Ours that is there stands for itself where it has the kernel's memory. */
		if (map->kept && map->map->def.memory_fd >= 0)
			rc = bpf_map__reuse_fd(map->bpf, map->map->def.memory_fd);
		else
			rc = stand_in(object, map);
	}
	if (rc != 0)
		return err_set(err, rc, "bad-object", "cannot load module %s: %s", object->name,
			       strerror(-rc));
	return 0;
}
