/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The memory of maps: one reservation each, touched as it fills.  And values, which several threads
 * read and write: see map_priv.h.
 */
#include "filters/ebpf/map_priv.h"

#include "filters/ebpf/ctx.h"

#include <sched.h>
#include <sys/mman.h>
#include <sys/random.h>

#define LINE 64u
#define HUGE (2ul << 20)
/* What is in between is asked for in huge pages: smaller gains nothing by them, larger may stay
 * mostly empty. */
#define HUGE_FROM (4ul << 20)
#define HUGE_TO	  (256ul << 20)
/* After so many pauses the holder of a lock is not running: let it. */
#define PAUSES 4096u

size_t map_room_add(struct map_room *room, size_t n, size_t size)
{
	size_t at = room->size, bytes = 0;

	if (__builtin_mul_overflow(n, size, &bytes) ||
	    __builtin_add_overflow(bytes, LINE - 1, &bytes) ||
	    __builtin_add_overflow(at, bytes & ~(size_t)(LINE - 1), &room->size))
		room->overflow = true;
	return at;
}

/* 'size' bytes that begin on a huge page, or NULL. */
static void *reserve_huge(size_t size)
{
	uint8_t *p =
		mmap(NULL, size + HUGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	size_t head;

	if (p == MAP_FAILED)
		return NULL;
	head = -(uintptr_t)p & (HUGE - 1);
	if (head != 0)
		munmap(p, head);
	munmap(p + head + size, HUGE - head);
	madvise(p + head, size, MADV_HUGEPAGE);
	madvise(p + head, size, MADV_DONTFORK);
	return p + head;
}

static void *reserve(size_t size)
{
	void *p;

	if (size >= HUGE_FROM && size <= HUGE_TO)
		return reserve_huge(size);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		return NULL;
	/* A child (object_rehearse.c) has no use for it, and workers would pay: each page copied at
	 * its next store. */
	madvise(p, size, MADV_DONTFORK);
	return p;
}

int map_alloc(const struct ebpf_map_def *def, uint32_t n_cpus, const struct map_room *room,
	      struct ebpf_map **ret_map)
{
	struct map_room all = *room;
	size_t inner = map_room_add(&all, def->inner != NULL, sizeof(*def->inner));
	size_t size = (all.size + 4095) & ~4095ul;
	struct ebpf_map *map;

	if (all.overflow || size < all.size)
		return -ENOMEM;
	map = reserve(size);
	if (map == NULL)
		return -ENOMEM;
	*map = (struct ebpf_map){.max_entries = def->max_entries,
				 .type = def->type,
				 .key_size = def->key_size,
				 .value_size = def->value_size,
				 .n_cpus = n_cpus,
				 .refs = 1,
				 .reservation = size,
				 .memory = size,
				 .def = *def};
	if (def->inner != NULL) {
		struct ebpf_map_def *copy = (void *)((uint8_t *)map + inner);

		*copy = *def->inner;
		copy->inner = NULL;
		map->def.inner = copy;
	}
	*ret_map = map;
	return 0;
}

void map_free(struct ebpf_map *map)
{
	munmap(map, map->reservation);
}

bool map_random(void *to, size_t size)
{
	uint8_t *bytes = to;

	while (size != 0) {
		/* So much comes whole, whatever signals do. */
		size_t n = size < 256 ? size : 256;

		if (getrandom(bytes, n, 0) != (ssize_t)n)
			return false;
		bytes += n;
		size -= n;
	}
	return true;
}

void map_lock_wait(_Atomic uint32_t *lock)
{
	unsigned n = 0;

	do {
		while (atomic_load_explicit(lock, memory_order_relaxed) != 0) {
			map_pause();
			if (++n % PAUSES == 0)
				sched_yield();
		}
	} while (atomic_exchange_explicit(lock, 1, memory_order_acquire) != 0);
}

void ebpf_spin_lock(uint32_t *lock)
{
	map_lock((_Atomic uint32_t *)(void *)lock);
}

void ebpf_spin_unlock(uint32_t *lock)
{
	map_unlock((_Atomic uint32_t *)(void *)lock);
}

/* Around the lock: words of 4, as its own. */
static void put_around(uint8_t *value, const uint8_t *from, uint32_t size, uint32_t lock_off)
{
	for (uint32_t i = 0; i < size; i += 4) {
		uint32_t word = 0;

		if (i == lock_off)
			continue;
		memcpy(&word, from + i, size - i < 4 ? size - i : 4);
		__atomic_store_n((uint32_t *)(void *)(value + i), word, __ATOMIC_RELEASE);
	}
}

void map_value_put(const struct ebpf_map *map, void *value, const void *from)
{
	if (map->def.spin_lock_off == 0)
		map_put(value, from, map->value_size);
	else
		put_around(value, from, map->value_size, map->def.spin_lock_off - 1);
}

static uint32_t *value_lock(const struct ebpf_map *map, void *value)
{
	return (uint32_t *)(void *)((uint8_t *)value + map->def.spin_lock_off - 1);
}

void map_value_put_locked(const struct ebpf_map *map, void *value, const void *from)
{
	ebpf_spin_lock(value_lock(map, value));
	map_value_put(map, value, from);
	ebpf_spin_unlock(value_lock(map, value));
}

void map_value_get(const struct ebpf_map *map, void *to, void *value)
{
	if (map->def.spin_lock_off == 0) {
		map_get(to, value, map->value_size);
		return;
	}
	ebpf_spin_lock(value_lock(map, value));
	map_get(to, value, map->value_size);
	ebpf_spin_unlock(value_lock(map, value));
	memset(value_lock(map, to), 0, 4);
}

int map_index_next(struct ebpf_map *map, const void *key, void *ret_key)
{
	uint32_t i = key == NULL ? UINT32_MAX : map_key32(key);

	if (i == map->max_entries - 1)
		return -ENOENT;
	i = i >= map->max_entries ? 0 : i + 1;
	memcpy(ret_key, &i, sizeof(i));
	return 0;
}

uint32_t map_cpu_here(const struct ebpf_map *map)
{
	const struct ebpf_env *env = ebpf_env_here;

	return env != NULL && env->cpu < map->n_cpus ? env->cpu : map->n_cpus;
}
