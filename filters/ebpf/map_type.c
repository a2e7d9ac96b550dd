/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The types of maps, by number: their names, what definitions of them may say, who makes them; and
 * those that we do not serve, with the reason.
 */
#include "filters/ebpf/map_priv.h"

#define ACCESS                                                                                     \
	(BPF_F_NUMA_NODE | BPF_F_RDONLY | BPF_F_WRONLY | BPF_F_RDONLY_PROG | BPF_F_WRONLY_PROG)
#define ARRAY_FLAGS (ACCESS | BPF_F_MMAPABLE | BPF_F_INNER_MAP)
#define HASH_FLAGS  (ACCESS | BPF_F_NO_PREALLOC | BPF_F_ZERO_SEED)
#define LRU_FLAGS   (ACCESS | BPF_F_NO_COMMON_LRU | BPF_F_ZERO_SEED)

#define VALUE .value_min = 1, .value_max = EBPF_MAX_VALUE
#define INDEX .key_min = 4, .key_max = 4
#define KEY   .key_min = 1, .key_max = EBPF_MAX_KEY

static const struct map_type types[] = {
	[BPF_MAP_TYPE_HASH] = {"hash", map_hash_create, KEY, VALUE, .flags = HASH_FLAGS},
	[BPF_MAP_TYPE_ARRAY] = {"array", map_array_create, INDEX, VALUE, .flags = ARRAY_FLAGS},
	[BPF_MAP_TYPE_PERCPU_HASH] = {"percpu_hash", map_hash_create, KEY, VALUE,
				      .flags = HASH_FLAGS},
	[BPF_MAP_TYPE_PERCPU_ARRAY] = {"percpu_array", map_percpu_array_create, INDEX, VALUE,
				       .flags = ACCESS},
	[BPF_MAP_TYPE_LRU_HASH] = {"lru_hash", map_hash_create, KEY, VALUE, .flags = LRU_FLAGS},
	[BPF_MAP_TYPE_LRU_PERCPU_HASH] = {"lru_percpu_hash", map_hash_create, KEY, VALUE,
					  .flags = LRU_FLAGS},
};

const struct map_type *map_type(uint32_t type)
{
	if (type >= sizeof(types) / sizeof(types[0]) || types[type].name == NULL)
		return NULL;
	return &types[type];
}
