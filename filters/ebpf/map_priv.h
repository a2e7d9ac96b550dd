/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the types of maps share: each is one 'struct map_kind', made by one function of the table in
 * map_type.c, and lives in one reservation of memory, its 'struct ebpf_map' first.
 */
#ifndef FILTERS_EBPF_MAP_PRIV_H
#define FILTERS_EBPF_MAP_PRIV_H

#include "filters/ebpf/map.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

/* A type's operations: the programs' and the tool's.  What is NULL the type has not. */
typedef void (*map_prog_fn)(void *arg, struct ebpf_prog *prog);
struct map_kind {
	struct ebpf_map_ops ops; /* first: a map's ops are its kind's */
	int (*read)(struct ebpf_map *map, const void *key, void *ret_values);
	long (*write)(struct ebpf_map *map, const void *key, const void *values, uint64_t flags);
	long (*remove)(struct ebpf_map *map, const void *key);
	int64_t (*count)(const struct ebpf_map *map);
	long (*each)(struct ebpf_map *map, uint32_t cpu, ebpf_each_fn fn, void *arg);
	/* Rings. */
	uint32_t (*drain)(struct ebpf_map *map, uint32_t max, ebpf_record_fn fn, void *arg);
	uint64_t (*lost)(const struct ebpf_map *map);
	/* Maps that hold references. */
	int (*put_map)(struct ebpf_map *map, const void *key, struct ebpf_map *inner,
		       struct ebpf_map **ret_old);
	struct ebpf_map *(*inner)(const struct ebpf_map *map, const void *key);
	int (*put_prog)(struct ebpf_map *map, const void *key, struct ebpf_prog *prog,
			struct ebpf_prog **ret_old);
	/* Calls 'fn' with the program of each reference. */
	void (*progs)(const struct ebpf_map *map, map_prog_fn fn, void *arg);
	/* Takes out all of them; no worker is inside. */
	void (*clear_progs)(struct ebpf_map *map);
};

static inline const struct map_kind *map_kind(const struct ebpf_map *map)
{
	return (const struct map_kind *)(const void *)map->ops;
}

/* What a type asks of a definition, and who makes it. */
struct map_type {
	const char *name;
	int (*create)(const struct ebpf_map_def *def, uint32_t n_cpus, struct ebpf_map **ret_map);
	uint32_t key_min, key_max, value_min, value_max;
	uint32_t flags;	     /* BPF_F_* that it takes */
	const char *instead; /* why it is refused, and what to do */
};

/* NULL for a number without a name. */
const struct map_type *map_type(uint32_t type);

/* Makers: 0, -EINVAL, -ENOMEM. */
typedef int map_create_fn(const struct ebpf_map_def *def, uint32_t n_cpus,
			  struct ebpf_map **ret_map);
map_create_fn map_array_create, map_percpu_array_create, map_hash_create, map_lpm_create;
map_create_fn map_prog_create, map_dev_create, map_of_maps_create, map_empty_create;
map_create_fn map_queue_create, map_bloom_create, map_ring_create, map_perf_create;

/* The map is held by nobody but programs that it, or others of its kind, hold: takes them out, and
 * so ends it. */
void map_end_cycle(struct ebpf_map *map);

/* The parts of a reservation, each on cache lines of its own. */
struct map_room {
	size_t size;
	bool overflow;
};
/* Where 'n' things of 'size' bytes begin. */
size_t map_room_add(struct map_room *room, size_t n, size_t size);
/* Memory for a map: zeros, with the definition copied and its first line filled in.  'header' is
 * what map_room_add() was first called with: the type's own struct.  0 or -ENOMEM. */
int map_alloc(const struct ebpf_map_def *def, uint32_t n_cpus, const struct map_room *room,
	      struct ebpf_map **ret_map);
/* Gives the reservation back. */
void map_free(struct ebpf_map *map);

/* Secrets; false: the system has none. */
bool map_random(void *to, size_t size);

/* Is this what BPF_ANY, _NOEXIST, _EXIST and _F_LOCK allow for the map? */
static inline bool map_flags_ok(const struct ebpf_map *map, uint64_t flags)
{
	if ((flags & ~(uint64_t)BPF_F_LOCK) > BPF_EXIST)
		return false;
	return (flags & BPF_F_LOCK) == 0 || map->def.spin_lock_off != 0;
}

/* Locks that are held for some tens of instructions. */
static inline void map_pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
	__builtin_ia32_pause();
#endif
}

void map_lock_wait(_Atomic uint32_t *lock);

static inline void map_lock(_Atomic uint32_t *lock)
{
	if (atomic_exchange_explicit(lock, 1, memory_order_acquire) != 0)
		map_lock_wait(lock);
}

static inline void map_unlock(_Atomic uint32_t *lock)
{
	atomic_store_explicit(lock, 0, memory_order_release);
}

/* Bytes that others read or write at the same time: moved in words of 8, so that none is torn.
 * 'to' (of put) and 'from' (of get) are aligned, and have room to the next multiple of 8. */
static inline void map_put(void *to, const void *from, uint32_t size)
{
	uint64_t *words = to;
	const uint8_t *bytes = from;
	uint32_t i, n = size / 8;

	for (i = 0; i < n; i++) {
		uint64_t word;

		memcpy(&word, bytes + i * 8ul, 8);
		__atomic_store_n(&words[i], word, __ATOMIC_RELEASE);
	}
	if (size % 8 != 0) {
		uint64_t word = 0;

		memcpy(&word, bytes + i * 8ul, size % 8);
		__atomic_store_n(&words[i], word, __ATOMIC_RELEASE);
	}
}

static inline void map_get(void *to, const void *from, uint32_t size)
{
	const uint64_t *words = from;
	uint8_t *bytes = to;
	uint32_t i, n = size / 8;

	for (i = 0; i < n; i++) {
		uint64_t word = __atomic_load_n(&words[i], __ATOMIC_ACQUIRE);

		memcpy(bytes + i * 8ul, &word, 8);
	}
	if (size % 8 != 0) {
		uint64_t word = __atomic_load_n(&words[i], __ATOMIC_ACQUIRE);

		memcpy(bytes + i * 8ul, &word, size % 8);
	}
}

static inline void map_zero(void *to, uint32_t size)
{
	uint64_t *words = to;

	for (uint32_t i = 0; i < (size + 7) / 8; i++)
		__atomic_store_n(&words[i], 0, __ATOMIC_RELEASE);
}

/* A value of the map.  Its lock, if it has one, is no part of what is put and reads as zero. */
void map_value_put(const struct ebpf_map *map, void *value, const void *from);
/* The same, holding the value's lock (BPF_F_LOCK). */
void map_value_put_locked(const struct ebpf_map *map, void *value, const void *from);
void map_value_get(const struct ebpf_map *map, void *to, void *value);

static inline uint32_t map_round8(uint32_t size)
{
	return (size + 7) & ~7u;
}

/* Small elements do not straddle lines. */
static inline uint32_t map_elem_round(size_t size)
{
	uint32_t rounded = 16;

	if (size > 64)
		return (uint32_t)((size + 63) & ~63ul);
	while (rounded < size)
		rounded *= 2;
	return rounded;
}

static inline uint32_t map_key32(const void *key)
{
	uint32_t k;

	memcpy(&k, key, sizeof(k));
	return k;
}

typedef uint32_t __attribute__((may_alias, aligned(1))) map_half;

/* 'n' bytes of a key, up to eight, and zeros.
 *
 * Four bytes at a time, and two such loads not made one: programs have just put a key together from
 * fields of two and four bytes, and a load that takes in several stores waits until they are in the
 * cache.  For a key of 16 bytes of such fields that is 25 of 42 cycles. */
static inline uint64_t map_key_word(const uint8_t *bytes, uint32_t n)
{
	const volatile map_half *halves = (const volatile map_half *)bytes;
	uint64_t word;
	unsigned shift = 0;

	if (n == 8) {
		word = halves[0];
		return word | (uint64_t)halves[1] << 32;
	}
	word = 0;
	if ((n & 4) != 0) {
		word = halves[0];
		bytes += 4;
		shift = 32;
	}
	for (uint32_t i = 0; i < n % 4; i++)
		word |= (uint64_t)bytes[i] << (shift + 8 * i);
	return word;
}

/* The successor of an array's index, for 'next'. */
int map_index_next(struct ebpf_map *map, const void *key, void *ret_key);

/* Which of the lists of a map's CPUs is the calling thread's; the last one is that of threads
 * without an env. */
uint32_t map_cpu_here(const struct ebpf_map *map);

#endif
