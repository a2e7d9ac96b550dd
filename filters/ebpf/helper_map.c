/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Helpers of maps.  A map is its address: link.c put it where the program had a descriptor.  What a
 * map's type has not, the verifier refuses; programs that pass maps of several types through one
 * call get an error here.
 */
#include "filters/ebpf/helper_priv.h"
#include "filters/ebpf/map.h"

#include <errno.h>

EBPF_HELPER(map_lookup_elem)
{
	struct ebpf_map *map = ebpf_ptr(r1);

	if (map->ops->lookup == NULL)
		return 0;
	return (uintptr_t)map->ops->lookup(map, ebpf_ptr(r2), ebpf_env_here->cpu);
}

EBPF_HELPER(map_update_elem)
{
	struct ebpf_map *map = ebpf_ptr(r1);

	if (map->ops->update == NULL)
		return (uint64_t)-EOPNOTSUPP;
	return (uint64_t)map->ops->update(map, ebpf_ptr(r2), ebpf_ptr(r3), r4, ebpf_env_here->cpu);
}

EBPF_HELPER(map_delete_elem)
{
	struct ebpf_map *map = ebpf_ptr(r1);

	if (map->ops->delete == NULL)
		return (uint64_t)-EINVAL;
	return (uint64_t)map->ops->delete (map, ebpf_ptr(r2));
}

EBPF_HELPER(map_push_elem)
{
	struct ebpf_map *map = ebpf_ptr(r1);

	return map->ops->push != NULL ? (uint64_t)map->ops->push(map, ebpf_ptr(r2), r3)
				      : (uint64_t)-EOPNOTSUPP;
}

EBPF_HELPER(map_pop_elem)
{
	struct ebpf_map *map = ebpf_ptr(r1);

	return map->ops->pop != NULL ? (uint64_t)map->ops->pop(map, ebpf_ptr(r2))
				     : (uint64_t)-EOPNOTSUPP;
}

/* Of a Bloom filter the value is what is asked for. */
EBPF_HELPER(map_peek_elem)
{
	struct ebpf_map *map = ebpf_ptr(r1);

	return map->ops->peek != NULL ? (uint64_t)map->ops->peek(map, ebpf_ptr(r2))
				      : (uint64_t)-EOPNOTSUPP;
}

EBPF_HELPER(map_lookup_percpu_elem)
{
	struct ebpf_map *map = ebpf_ptr(r1);
	uint32_t cpu = (uint32_t)r3;

	if (cpu >= map->n_cpus || map->ops->lookup == NULL)
		return 0;
	switch (map->type) {
	case BPF_MAP_TYPE_PERCPU_ARRAY:
	case BPF_MAP_TYPE_PERCPU_HASH:
	case BPF_MAP_TYPE_LRU_PERCPU_HASH:
		return (uintptr_t)map->ops->lookup(map, ebpf_ptr(r2), cpu);
	default:
		return 0;
	}
}

EBPF_HELPER(spin_lock)
{
	ebpf_spin_lock(ebpf_ptr(r1));
	return 0;
}

EBPF_HELPER(spin_unlock)
{
	ebpf_spin_unlock(ebpf_ptr(r1));
	return 0;
}
