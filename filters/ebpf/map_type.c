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
#define NONE  .key_min = 0, .key_max = 0
#define KEY   .key_min = 1, .key_max = EBPF_MAX_KEY

#define INDEX_VALUE .value_min = 4, .value_max = 4
#define NONE_VALUE  .value_min = 0, .value_max = 0

#define NO_SOCKETS		"the switch has frames, and no sockets"
#define NO_TASKS		"the switch has no tasks, files or control groups"
#define REFUSE(type, name, why) [BPF_MAP_TYPE_##type] = {name, .instead = why}

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
	[BPF_MAP_TYPE_LPM_TRIE] = {"lpm_trie", map_lpm_create, .key_min = 5, .key_max = 4 + 256,
				   VALUE, .flags = ACCESS | BPF_F_NO_PREALLOC},
	[BPF_MAP_TYPE_PROG_ARRAY] = {"prog_array", map_prog_create, INDEX, INDEX_VALUE,
				     .flags = ACCESS},
	[BPF_MAP_TYPE_DEVMAP] = {"devmap", map_dev_create, INDEX, .value_min = 4, .value_max = 8,
				 .flags = ACCESS},
	[BPF_MAP_TYPE_DEVMAP_HASH] = {"devmap_hash", map_dev_create, INDEX, .value_min = 4,
				      .value_max = 8, .flags = ACCESS},
	[BPF_MAP_TYPE_ARRAY_OF_MAPS] = {"array_of_maps", map_of_maps_create, INDEX, INDEX_VALUE,
					.flags = ACCESS},
	[BPF_MAP_TYPE_HASH_OF_MAPS] = {"hash_of_maps", map_of_maps_create, KEY, INDEX_VALUE,
				       .flags = HASH_FLAGS},
	[BPF_MAP_TYPE_QUEUE] = {"queue", map_queue_create, NONE, VALUE, .flags = ACCESS},
	[BPF_MAP_TYPE_STACK] = {"stack", map_queue_create, NONE, VALUE, .flags = ACCESS},
	[BPF_MAP_TYPE_BLOOM_FILTER] = {"bloom_filter", map_bloom_create, NONE, VALUE,
				       .flags = ACCESS | BPF_F_ZERO_SEED},
	[BPF_MAP_TYPE_RINGBUF] = {"ringbuf", map_ring_create, NONE, NONE_VALUE,
				  .flags = BPF_F_NUMA_NODE},
	[BPF_MAP_TYPE_PERF_EVENT_ARRAY] = {"perf_event_array", map_perf_create, INDEX, INDEX_VALUE,
					   .flags = ACCESS | BPF_F_PRESERVE_ELEMS},
	[BPF_MAP_TYPE_XSKMAP] = {"xskmap", map_empty_create, INDEX, INDEX_VALUE, .flags = ACCESS},
	[BPF_MAP_TYPE_CPUMAP] = {"cpumap", map_empty_create, INDEX, .value_min = 4, .value_max = 8,
				 .flags = ACCESS},
	REFUSE(SOCKMAP, "sockmap", NO_SOCKETS),
	REFUSE(SOCKHASH, "sockhash", NO_SOCKETS),
	REFUSE(REUSEPORT_SOCKARRAY, "reuseport_sockarray", NO_SOCKETS),
	REFUSE(SK_STORAGE, "sk_storage", NO_SOCKETS),
	REFUSE(CGROUP_ARRAY, "cgroup_array", NO_TASKS),
	REFUSE(CGROUP_STORAGE, "cgroup_storage", NO_TASKS),
	REFUSE(PERCPU_CGROUP_STORAGE, "percpu_cgroup_storage", NO_TASKS),
	REFUSE(INODE_STORAGE, "inode_storage", NO_TASKS),
	REFUSE(TASK_STORAGE, "task_storage", NO_TASKS),
	REFUSE(STACK_TRACE, "stack_trace", "there is no kernel stack to trace"),
	REFUSE(STRUCT_OPS, "struct_ops", "it replaces functions of the kernel"),
	REFUSE(USER_RINGBUF, "user_ringbuf", "nobody writes to one from user space"),
	/* Newer than the headers that we build with. */
	[32] = {"cgrp_storage", .instead = NO_TASKS},
	[33] = {"arena", .instead = "its pointers are of the kernel's address space"},
	[34] = {"insn_array", .instead = "jumps through tables of instructions are not compiled"},
};

const struct map_type *map_type(uint32_t type)
{
	if (type >= sizeof(types) / sizeof(types[0]) || types[type].name == NULL)
		return NULL;
	return &types[type];
}
