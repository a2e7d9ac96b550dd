/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Maps: what programs of several workers and the tool share.  They behave as the kernel's of the
 * same type do, also when several threads are in one.
 *
 * 	program ─► helper ─► ebpf_map_lookup() ...     any worker, at the same time
 * 	tool ─► control socket ─► ebpf_map_read() ...  the control thread, at the same time
 *
 * Lookups wait for nobody.  An element that is deleted may be used again at once, as in the
 * kernel's preallocated maps: who still holds its value reads the next one's.  Writers of a hash
 * hold a lock of one bucket for some tens of instructions, those of a trie, a queue or a ring
 * buffer one of the map; these are the locks that workers take, and a program that uses no such map
 * takes none.
 *
 * All memory is reserved when the map is made, and touched as it fills.
 *
 * A map is counted: an object's programs, an outer map and the registry of names each hold a
 * reference.  References come and go on the control thread only; what a worker may still see is
 * given back after the caller's grace period.
 */
#ifndef FILTERS_EBPF_MAP_H
#define FILTERS_EBPF_MAP_H

#include "ctl/base/err.h"

#include <linux/bpf.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct ebpf_map;
struct ebpf_prog;

#define EBPF_MAP_NAME_SIZE 64u
#define EBPF_MAX_KEY	   512u
#define EBPF_MAX_VALUE	   (1u << 20)
#define EBPF_MAX_CPUS	   64u

struct ebpf_map_def {
	char name[EBPF_MAP_NAME_SIZE];
	enum bpf_map_type type;
	uint32_t key_size, value_size, max_entries;
	uint32_t flags;			  /* BPF_F_* of map creation */
	uint32_t spin_lock_off;		  /* of a struct bpf_spin_lock in the value, + 1; 0: none */
	uint64_t extra;			  /* BLOOM_FILTER: hash functions */
	const struct ebpf_map_def *inner; /* of maps of maps; copied */
	/* ARRAY only: a kernel map's memory, mapped 'memory_size' bytes long, and its descriptor,
	 * or -1; both are taken, also on failure.  NULL: our own memory. */
	void *memory;
	size_t memory_size;
	int memory_fd;
};

/* What who uses maps from code or machine code may look at: cache line 0 of every map. */
struct ebpf_map_ops;
struct ebpf_map {
	const struct ebpf_map_ops *ops;
	uint8_t *values; /* ARRAY, PERCPU_ARRAY: of element 0 (of CPU 0) */
	uint32_t max_entries;
	uint32_t stride;   /* bytes from an element to the next; values are 8-byte aligned */
	size_t cpu_stride; /* bytes from a CPU's copy to the next; 0: one copy */
	uint32_t type;	   /* enum bpf_map_type */
	uint32_t key_size, value_size;
	uint32_t n_cpus;
	uint32_t refs;
	bool ending;	    /* map_cycle.c takes it apart */
	size_t reservation; /* bytes at its address */
	size_t memory;	    /* and with what else it has */
	struct ebpf_map_def def;
} __attribute__((aligned(64)));

/* What a program may do; by type, entries that a type has not are NULL.  Any thread; 'cpu' is the
 * thread's own.  Values are borrowed as the kernel lends them.  A lookup in a map of maps gives the
 * inner 'struct ebpf_map', one in a devmap its struct bpf_devmap_val. */
struct ebpf_map_ops {
	void *(*lookup)(struct ebpf_map *map, const void *key, uint32_t cpu);
	/* BPF_ANY, BPF_NOEXIST, BPF_EXIST (| BPF_F_LOCK).  0, -EEXIST, -ENOENT, -EINVAL; when it is
	 * full -E2BIG, -ENOSPC (LPM_TRIE), -ENOMEM (LRU: all elements are in other hands). */
	long (*update)(struct ebpf_map *map, const void *key, const void *value, uint64_t flags,
		       uint32_t cpu);
	long (*delete)(struct ebpf_map *map, const void *key);
	long (*push)(struct ebpf_map *map, const void *value, uint64_t flags);
	long (*pop)(struct ebpf_map *map, void *value);
	long (*peek)(struct ebpf_map *map, void *value);
	/* Key after 'key' (NULL: the first), in no order that means something.  0 or -ENOENT.
	 * Control thread; others may change the map meanwhile. */
	int (*next)(struct ebpf_map *map, const void *key, void *ret_key);
	void (*destroy)(struct ebpf_map *map);
};

/* Control thread, all of these. */

/* 'n_cpus': copies of per-CPU values.  -EINVAL (slug "bad-map"), -ENOTSUP (slug "map-type", names
 * the type), -ENOMEM (slug "no-memory").  The caller's reference. */
int ebpf_map_create(const struct ebpf_map_def *def, uint32_t n_cpus, struct ebpf_map **ret_map,
		    struct err *err);
struct ebpf_map *ebpf_map_ref(struct ebpf_map *map);
/* Takes NULL.  The last frees it: no worker may be inside.  So does the last but those of programs
 * that the map itself, or another program array, holds: who holds both gives programs back
 * first. */
void ebpf_map_unref(struct ebpf_map *map);
/* "hash", "percpu_array": as bpftool says it; "type 77" for what has no name. */
const char *ebpf_map_type_name(uint32_t type);
/* May one take the place of the other (same type, sizes, entries, flags, inner)? */
bool ebpf_map_same(const struct ebpf_map_def *a, const struct ebpf_map_def *b);
/* Bytes reserved; of a kernel map's memory those of the kernel do not count. */
size_t ebpf_map_memory(const struct ebpf_map *map);
/* Elements now, or -ENOTSUP where they are not counted. */
int64_t ebpf_map_count(const struct ebpf_map *map);

/* The tool's: one value, or for per-CPU maps one for each CPU, each padded to 8 bytes, as bpf(2)
 * has them.  0, -ENOENT, -ENOTSUP, or what update returns; -EPERM: a frozen kernel map's memory.
 * QUEUE, STACK: 'key' is NULL, read peeks and write pushes; read also takes a place, a uint32_t, 0
 * for what pop would give.  BLOOM_FILTER: the same, and read asks
 * for the value that it is given.  What holds references to programs and maps is written below. */
size_t ebpf_map_io_size(const struct ebpf_map *map);
int ebpf_map_read(struct ebpf_map *map, const void *key, void *ret_values);
int ebpf_map_write(struct ebpf_map *map, const void *key, const void *values, uint64_t flags);
int ebpf_map_remove(struct ebpf_map *map, const void *key);

/* Maps of maps, program arrays, devmaps with programs: puts a reference in (NULL: takes it out).
 * What was there is unreferenced after 'wait', which returns when no worker can hold it (NULL: none
 * runs).  0, -EINVAL (wrong kind: inner maps must be the same as the definition's), -E2BIG, -ENOENT
 * (nothing to take out; a devmap's port must be there before its program), -ENOMEM. */
typedef void (*ebpf_wait_fn)(void *arg);
int ebpf_map_put_map(struct ebpf_map *outer, const void *key, struct ebpf_map *inner,
		     ebpf_wait_fn wait, void *arg);
int ebpf_map_put_prog(struct ebpf_map *map, const void *key, struct ebpf_prog *prog,
		      ebpf_wait_fn wait, void *arg);

/* The inner map at 'key', borrowed, or NULL. */
struct ebpf_map *ebpf_map_inner(const struct ebpf_map *outer, const void *key);

/* PROG_ARRAY: the program at 'index', or NULL.  Any thread. */
struct ebpf_prog *ebpf_map_prog(const struct ebpf_map *map, uint32_t index);

/* DEVMAP, DEVMAP_HASH: the port's ifindex (0: none) and the program that runs on its way out
 * (NULL).  Any thread. */
uint32_t ebpf_map_dev(const struct ebpf_map *map, uint64_t key, struct ebpf_prog **ret_prog);
/* Every ifindex of it and its program or NULL, at most 'max'; returns how many.  Any thread. */
struct ebpf_dev {
	uint32_t ifindex;
	struct ebpf_prog *prog;
};
uint32_t ebpf_map_devs(const struct ebpf_map *map, struct ebpf_dev *ret, uint32_t max);
/* The port is gone: takes it out, as the kernel does. */
void ebpf_map_dev_gone(struct ebpf_map *map, uint32_t ifindex);

/* RINGBUF.  Any thread for the producers; NULL when it is full (counted).  'submit' and 'discard'
 * take what 'reserve' gave. */
void *ebpf_ring_reserve(struct ebpf_map *map, uint64_t size);
void ebpf_ring_submit(void *sample, bool discard);
long ebpf_ring_output(struct ebpf_map *map, const void *data, uint64_t size);
uint64_t ebpf_ring_query(const struct ebpf_map *map, uint64_t what);
/* PERF_EVENT_ARRAY: a record in the worker's ring: 'data', then 'packet' bytes.  0, -ENOSPC
 * (counted), -E2BIG. */
long ebpf_perf_output(struct ebpf_map *map, uint32_t cpu, const void *data, uint64_t size,
		      const void *packet, uint64_t packet_size);
/* The control thread takes records of either, oldest first of each ring: calls 'fn' with bytes
 * borrowed during the call, at most 'max' times.  Returns how many. */
typedef void (*ebpf_record_fn)(void *arg, uint32_t cpu, const void *data, uint32_t size);
uint32_t ebpf_map_drain(struct ebpf_map *map, uint32_t max, ebpf_record_fn fn, void *arg);
/* Records that found no room so far. */
uint64_t ebpf_map_lost(const struct ebpf_map *map);

/* bpf_for_each_map_elem() and the tool: calls 'fn' with each element; ends when it returns not 0.
 * Returns how many were seen.  Any thread. */
typedef long (*ebpf_each_fn)(void *arg, struct ebpf_map *map, const void *key, void *value);
long ebpf_map_each(struct ebpf_map *map, uint32_t cpu, ebpf_each_fn fn, void *arg);

/* A struct bpf_spin_lock in a value.  Any thread; held for a few instructions. */
void ebpf_spin_lock(uint32_t *lock);
void ebpf_spin_unlock(uint32_t *lock);

#endif
