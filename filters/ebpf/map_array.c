/* SPDX-License-Identifier: BSD-2-Clause
 *
 * ARRAY and PERCPU_ARRAY: all elements are there, zero, from the start.
 *
 * 	ARRAY         | value 0 | value 1 | ...           or a kernel map's memory of the same form
 * 	PERCPU_ARRAY  CPU 0: | value 0 | value 1 | ...
 * 	              CPU 1: | value 0 | value 1 | ...    each begins on a page
 *
 * Machine code finds values by itself (struct ebpf_map's first line).
 */
#include "filters/ebpf/map_priv.h"

#include <sys/mman.h>
#include <unistd.h>

#define PAGE 4096u

static void *array_value(struct ebpf_map *map, uint32_t i, uint32_t cpu)
{
	return map->values + cpu * map->cpu_stride + (size_t)i * map->stride;
}

static void *array_lookup(struct ebpf_map *map, const void *key, uint32_t cpu)
{
	uint32_t i = map_key32(key);

	if (i >= map->max_entries || (map->cpu_stride != 0 && cpu >= map->n_cpus))
		return NULL;
	return array_value(map, i, cpu);
}

/* May the element be updated so?  Whoever writes a frozen kernel map's memory would die. */
static long array_refuses(const struct ebpf_map *map, uint32_t i, uint64_t flags)
{
	if (!map_flags_ok(map, flags))
		return -EINVAL;
	if (i >= map->max_entries)
		return -E2BIG;
	if ((flags & BPF_NOEXIST) != 0)
		return -EEXIST;
	if (map->def.memory != NULL && (map->def.flags & BPF_F_RDONLY_PROG) != 0)
		return -EPERM;
	return 0;
}

static long array_update(struct ebpf_map *map, const void *key, const void *value, uint64_t flags,
			 uint32_t cpu)
{
	uint32_t i = map_key32(key);
	long rc = array_refuses(map, i, flags);

	if (rc != 0)
		return rc;
	if (map->cpu_stride != 0 && cpu >= map->n_cpus)
		return -EINVAL;
	if ((flags & BPF_F_LOCK) != 0)
		map_value_put_locked(map, array_value(map, i, cpu), value);
	else
		map_value_put(map, array_value(map, i, cpu), value);
	return 0;
}

static long array_delete(struct ebpf_map *map, const void *key)
{
	return -EINVAL;
}

static uint32_t n_copies(const struct ebpf_map *map)
{
	return map->cpu_stride != 0 ? map->n_cpus : 1;
}

static int array_read(struct ebpf_map *map, const void *key, void *ret_values)
{
	uint32_t i = map_key32(key);
	uint8_t *to = ret_values;

	if (i >= map->max_entries)
		return -ENOENT;
	for (uint32_t cpu = 0; cpu < n_copies(map); cpu++)
		map_value_get(map, to + (size_t)cpu * map_round8(map->value_size),
			      array_value(map, i, cpu));
	return 0;
}

static long array_write(struct ebpf_map *map, const void *key, const void *values, uint64_t flags)
{
	const uint8_t *from = values;
	long rc = 0;

	for (uint32_t cpu = 0; cpu < n_copies(map) && rc == 0; cpu++)
		rc = array_update(map, key, from + (size_t)cpu * map_round8(map->value_size), flags,
				  cpu);
	return rc;
}

static int64_t array_count(const struct ebpf_map *map)
{
	return map->max_entries;
}

static long array_each(struct ebpf_map *map, uint32_t cpu, ebpf_each_fn fn, void *arg)
{
	if (map->cpu_stride == 0)
		cpu = 0;
	else if (cpu >= map->n_cpus)
		return -EINVAL;
	for (uint32_t i = 0; i < map->max_entries; i++) {
		if (fn(arg, map, &i, array_value(map, i, cpu)) != 0)
			return (long)i + 1;
	}
	return map->max_entries;
}

static void array_destroy(struct ebpf_map *map)
{
	if (map->def.memory != NULL)
		munmap(map->def.memory, map->def.memory_size);
	if (map->def.memory != NULL && map->def.memory_fd >= 0)
		close(map->def.memory_fd);
	map_free(map);
}

static const struct map_kind array_kind = {
	.ops = {.lookup = array_lookup,
		.update = array_update,
		.delete = array_delete,
		.next = map_index_next,
		.destroy = array_destroy},
	.read = array_read,
	.write = array_write,
	.count = array_count,
	.each = array_each,
};

/* 'copies' of all values; 0: they are the definition's memory. */
static int create(const struct ebpf_map_def *def, uint32_t n_cpus, uint32_t copies,
		  struct ebpf_map **ret_map)
{
	struct map_room room = {0};
	uint32_t stride = map_round8(def->value_size);
	size_t of_cpu, values;
	struct ebpf_map *map;
	int rc;

	if (__builtin_mul_overflow((size_t)def->max_entries, stride, &of_cpu) ||
	    __builtin_add_overflow(of_cpu, PAGE - 1, &of_cpu))
		return -ENOMEM;
	of_cpu &= ~(size_t)(PAGE - 1);
	map_room_add(&room, 1, PAGE);
	values = map_room_add(&room, copies, of_cpu);
	rc = map_alloc(def, n_cpus, &room, &map);
	if (rc != 0)
		return rc;
	map->ops = &array_kind.ops;
	map->stride = stride;
	map->values = copies != 0 ? (uint8_t *)map + values : def->memory;
	map->cpu_stride = def->type == BPF_MAP_TYPE_PERCPU_ARRAY ? of_cpu : 0;
	*ret_map = map;
	return 0;
}

int map_array_create(const struct ebpf_map_def *def, uint32_t n_cpus, struct ebpf_map **ret_map)
{
	if (def->memory == NULL)
		return create(def, n_cpus, 1, ret_map);
	if (def->memory_size / map_round8(def->value_size) < def->max_entries)
		return -EINVAL;
	return create(def, n_cpus, 0, ret_map);
}

int map_percpu_array_create(const struct ebpf_map_def *def, uint32_t n_cpus,
			    struct ebpf_map **ret_map)
{
	return create(def, n_cpus, n_cpus, ret_map);
}
