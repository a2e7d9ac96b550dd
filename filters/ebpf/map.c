/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Maps of any type: making them, references, and the tool's way in.  The types are map_type.c and
 * the files that it names.
 */
#include "filters/ebpf/map_priv.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

#include "filters/ebpf/prog.h"

static int refuse_size(const struct ebpf_map_def *def, const char *what, uint32_t is, uint32_t min,
		       uint32_t max, struct err *err)
{
	if (is >= min && is <= max)
		return 0;
	err_set(err, -EINVAL, "bad-map", "map '%.*s': a %s of %u bytes", EBPF_MAP_NAME_SIZE - 1,
		def->name, what, is);
	if (min == max)
		err_why(err, "a map of type %s has %u", ebpf_map_type_name(def->type), min);
	else
		err_why(err, "a map of type %s has %u to %u", ebpf_map_type_name(def->type), min,
			max);
	return -EINVAL;
}

/* Power of two and pages, as user space maps it. */
static bool entries_ok(const struct ebpf_map_def *def)
{
	if (def->type == BPF_MAP_TYPE_PERF_EVENT_ARRAY)
		return true;
	if (def->type == BPF_MAP_TYPE_RINGBUF)
		return def->max_entries >= 4096 && (def->max_entries & (def->max_entries - 1)) == 0;
	return def->max_entries != 0;
}

static int check(const struct ebpf_map_def *def, const struct map_type *type, struct err *err)
{
	const int name_max = EBPF_MAP_NAME_SIZE - 1;
	int rc = refuse_size(def, "key", def->key_size, type->key_min, type->key_max, err);

	if (rc == 0)
		rc = refuse_size(def, "value", def->value_size, type->value_min, type->value_max,
				 err);
	if (rc != 0)
		return rc;
	if (!entries_ok(def))
		return err_set(err, -EINVAL, "bad-map", "map '%.*s': %u entries", name_max,
			       def->name, def->max_entries);
	if ((def->flags & ~type->flags) != 0)
		return err_set(err, -EINVAL, "bad-map",
			       "map '%.*s': flags 0x%x, which a map of type %s has not", name_max,
			       def->name, def->flags & ~type->flags, type->name);
	if (def->spin_lock_off != 0 && (def->spin_lock_off - 1) % 4 != 0)
		return err_set(err, -EINVAL, "bad-map", "map '%.*s': its lock is not aligned",
			       name_max, def->name);
	if (def->spin_lock_off != 0 &&
	    (def->value_size < 4 || def->spin_lock_off > def->value_size - 3))
		return err_set(err, -EINVAL, "bad-map", "map '%.*s': its lock is not in the value",
			       name_max, def->name);
	if (def->memory != NULL && def->type != BPF_MAP_TYPE_ARRAY)
		return err_set(err, -EINVAL, "bad-map", "map '%.*s': memory for a %s", name_max,
			       def->name, type->name);
	return 0;
}

static int refuse_type(const struct ebpf_map_def *def, const struct map_type *type, struct err *err)
{
	err_set(err, -ENOTSUP, "map-type", "map '%.*s': type %s is not served",
		EBPF_MAP_NAME_SIZE - 1, def->name, ebpf_map_type_name(def->type));
	if (type != NULL)
		err_why(err, "%s", type->instead);
	err_fix(err, "use a map of another type in its place, or build the program without it");
	return -ENOTSUP;
}

static int create(const struct ebpf_map_def *def, uint32_t n_cpus, struct ebpf_map **ret_map,
		  struct err *err)
{
	const struct map_type *type = map_type(def->type);
	const int name_max = EBPF_MAP_NAME_SIZE - 1;
	int rc;

	if (type == NULL || type->create == NULL)
		return refuse_type(def, type, err);
	if (n_cpus == 0 || n_cpus > EBPF_MAX_CPUS)
		return err_set(err, -EINVAL, "bad-map", "map '%.*s': %u copies; 1 to %u", name_max,
			       def->name, n_cpus, EBPF_MAX_CPUS);
	rc = check(def, type, err);
	if (rc != 0)
		return rc;
	rc = type->create(def, n_cpus, ret_map);
	if (rc == -EINVAL)
		return err_set(err, rc, "bad-map",
			       "map '%.*s': its sizes or its inner map are wrong", name_max,
			       def->name);
	if (rc != 0) {
		err_set(err, rc, "no-memory", "map '%.*s': no memory for %u entries", name_max,
			def->name, def->max_entries);
		err_why(err, "type %s, a key of %u bytes and a value of %u for each", type->name,
			def->key_size, def->value_size);
	}
	return rc;
}

int ebpf_map_create(const struct ebpf_map_def *def, uint32_t n_cpus, struct ebpf_map **ret_map,
		    struct err *err)
{
	int rc = create(def, n_cpus, ret_map, err);

	if (rc != 0 && def->memory != NULL) {
		munmap(def->memory, def->memory_size);
		if (def->memory_fd >= 0)
			close(def->memory_fd);
	}
	return rc;
}

struct ebpf_map *ebpf_map_ref(struct ebpf_map *map)
{
	map->refs++;
	return map;
}

void ebpf_map_unref(struct ebpf_map *map)
{
	if (map == NULL)
		return;
	if (--map->refs == 0)
		map->ops->destroy(map);
	else if (map_kind(map)->progs != NULL)
		map_end_cycle(map);
}

const char *ebpf_map_type_name(uint32_t type)
{
	static __thread char unnamed[24];
	const struct map_type *t = map_type(type);

	if (t != NULL)
		return t->name;
	snprintf(unnamed, sizeof(unnamed), "type %u", type);
	return unnamed;
}

bool ebpf_map_same(const struct ebpf_map_def *a, const struct ebpf_map_def *b)
{
	if (a->type != b->type || a->key_size != b->key_size || a->value_size != b->value_size ||
	    a->max_entries != b->max_entries || a->flags != b->flags || a->extra != b->extra ||
	    a->spin_lock_off != b->spin_lock_off || (a->inner == NULL) != (b->inner == NULL))
		return false;
	return a->inner == NULL || ebpf_map_same(a->inner, b->inner);
}

size_t ebpf_map_memory(const struct ebpf_map *map)
{
	return map->memory;
}

int64_t ebpf_map_count(const struct ebpf_map *map)
{
	const struct map_kind *kind = map_kind(map);

	return kind->count != NULL ? kind->count(map) : -ENOTSUP;
}

static bool per_cpu(const struct ebpf_map *map)
{
	return map->type == BPF_MAP_TYPE_PERCPU_ARRAY || map->type == BPF_MAP_TYPE_PERCPU_HASH ||
	       map->type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
}

size_t ebpf_map_io_size(const struct ebpf_map *map)
{
	return per_cpu(map) ? (size_t)map_round8(map->value_size) * map->n_cpus : map->value_size;
}

/* What is between the values of CPUs. */
static void clear_padding(const struct ebpf_map *map, uint8_t *values)
{
	uint32_t size = map_round8(map->value_size);

	for (uint32_t cpu = 0; per_cpu(map) && cpu < map->n_cpus; cpu++)
		memset(values + (size_t)cpu * size + map->value_size, 0, size - map->value_size);
}

int ebpf_map_read(struct ebpf_map *map, const void *key, void *ret_values)
{
	const struct map_kind *kind = map_kind(map);
	int rc = kind->read != NULL ? kind->read(map, key, ret_values) : -ENOTSUP;

	if (rc == 0)
		clear_padding(map, ret_values);
	return rc;
}

int ebpf_map_write(struct ebpf_map *map, const void *key, const void *values, uint64_t flags)
{
	const struct map_kind *kind = map_kind(map);

	return kind->write != NULL ? (int)kind->write(map, key, values, flags) : -ENOTSUP;
}

int ebpf_map_remove(struct ebpf_map *map, const void *key)
{
	const struct map_kind *kind = map_kind(map);

	return kind->remove != NULL ? (int)kind->remove(map, key) : -ENOTSUP;
}

long ebpf_map_each(struct ebpf_map *map, uint32_t cpu, ebpf_each_fn fn, void *arg)
{
	const struct map_kind *kind = map_kind(map);

	return kind->each != NULL ? kind->each(map, cpu, fn, arg) : -EINVAL;
}

int ebpf_map_put_map(struct ebpf_map *outer, const void *key, struct ebpf_map *inner,
		     ebpf_wait_fn wait, void *arg)
{
	const struct map_kind *kind = map_kind(outer);
	struct ebpf_map *old = NULL;
	int rc = kind->put_map != NULL ? kind->put_map(outer, key, inner, &old) : -EINVAL;

	if (rc == 0 && inner != NULL)
		ebpf_map_ref(inner);
	if (old != NULL && wait != NULL)
		wait(arg);
	ebpf_map_unref(old);
	return rc;
}

struct ebpf_map *ebpf_map_inner(const struct ebpf_map *outer, const void *key)
{
	const struct map_kind *kind = map_kind(outer);

	return kind->inner != NULL ? kind->inner(outer, key) : NULL;
}

int ebpf_map_put_prog(struct ebpf_map *map, const void *key, struct ebpf_prog *prog,
		      ebpf_wait_fn wait, void *arg)
{
	const struct map_kind *kind = map_kind(map);
	struct ebpf_prog *old = NULL;
	int rc = kind->put_prog != NULL ? kind->put_prog(map, key, prog, &old) : -EINVAL;

	if (rc == 0 && prog != NULL)
		ebpf_prog_ref(prog);
	if (old != NULL && wait != NULL)
		wait(arg);
	ebpf_prog_unref(old);
	return rc;
}

uint32_t ebpf_map_drain(struct ebpf_map *map, uint32_t max, ebpf_record_fn fn, void *arg)
{
	const struct map_kind *kind = map_kind(map);

	return kind->drain != NULL ? kind->drain(map, max, fn, arg) : 0;
}

uint64_t ebpf_map_lost(const struct ebpf_map *map)
{
	const struct map_kind *kind = map_kind(map);

	return kind->lost != NULL ? kind->lost(map) : 0;
}
