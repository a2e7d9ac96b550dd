/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Lookups in hash maps: made once for each usual size of a key, so that hashing and comparing are
 * straight code, and once for all others.
 */
#include "filters/ebpf/map_hash_priv.h"

uint32_t hash_chain_find(const struct hash *h, const struct hash_bucket *b, uint32_t version,
			 const uint64_t *words)
{
	uint32_t i = atomic_load_explicit(&b->chain, memory_order_acquire);

	while (i != 0) {
		const struct hash_elem *e = hash_elem(h, i);

		if (hash_key_is(e, words, h->n_words))
			return i;
		i = atomic_load_explicit(&e->next, memory_order_acquire);
		/* Else this may lead along another chain. */
		if (atomic_load_explicit(&b->version, memory_order_relaxed) != version)
			return 0;
	}
	return 0;
}

uint32_t hash_find_again(const struct hash *h, uint32_t hash, const uint64_t *words)
{
	struct hash_bucket *b = hash_bucket(h, hash);
	uint32_t version, i;

	for (unsigned n = 0; n < HASH_RETRIES; n++) {
		version = atomic_load_explicit(&b->version, memory_order_acquire);
		i = hash_bucket_find(h, b, hash, version, words, h->n_words);
		if (atomic_load_explicit(&b->version, memory_order_relaxed) == version)
			return i;
		map_pause();
	}
	map_lock(&b->lock);
	version = atomic_load_explicit(&b->version, memory_order_relaxed);
	i = hash_bucket_find(h, b, hash, version, words, h->n_words);
	map_unlock(&b->lock);
	return i;
}

/* Where the bucket's own slots did not answer. */
static __attribute__((noinline, cold)) uint32_t find_far(struct ebpf_map *map, const void *key)
{
	const struct hash *h = hash_of(map);
	uint64_t words[HASH_MAX_WORDS];

	hash_key_load(words, key, map->key_size);
	return hash_find(h, hash_words(h, words, h->n_words), words, h->n_words);
}

/* Calls nothing where it finds the element, or nothing, in the bucket itself: then it needs no
 * frame and saves no registers. */
static inline __attribute__((always_inline)) uint32_t find(struct ebpf_map *map, const void *key,
							   uint32_t size)
{
	const struct hash *h = hash_of(map);
	uint64_t words[HASH_MAX_WORDS];
	const struct hash_bucket *b;
	uint32_t hash, version, i;

	hash_key_load(words, key, size);
	hash = hash_words(h, words, (size + 7) / 8);
	b = hash_bucket(h, hash);
	version = atomic_load_explicit(&b->version, memory_order_acquire);
	i = hash_slots_find(h, b, hash, words, (size + 7) / 8);
	if ((i == 0 && atomic_load_explicit(&b->chain, memory_order_acquire) != 0) ||
	    atomic_load_explicit(&b->version, memory_order_relaxed) != version)
		return find_far(map, key);
	return i;
}

static inline void use(const struct hash *h, uint32_t i)
{
	_Atomic uint32_t *used = &hash_age(h, i)->used;

	/* Written once between two looks of the hand: the line stays shared. */
	if (atomic_load_explicit(used, memory_order_relaxed) == 0)
		atomic_store_explicit(used, 1, memory_order_relaxed);
}

static inline void *value_of(struct ebpf_map *map, uint32_t i)
{
	return i != 0 ? (uint8_t *)hash_elem(hash_of(map), i) + hash_of(map)->value_off : NULL;
}

static inline void *cpu_value_of(struct ebpf_map *map, uint32_t i, uint32_t cpu)
{
	return i != 0 && cpu < map->n_cpus ? hash_value(hash_of(map), i, cpu) : NULL;
}

/* The kinds for keys of 'size' bytes; 'name' tells their functions apart. */
#define KINDS(name, size)                                                                          \
	static void *plain_##name(struct ebpf_map *map, const void *key, uint32_t cpu)             \
	{                                                                                          \
		return value_of(map, find(map, key, size));                                        \
	}                                                                                          \
	static void *cpu_##name(struct ebpf_map *map, const void *key, uint32_t cpu)               \
	{                                                                                          \
		return cpu_value_of(map, find(map, key, size), cpu);                               \
	}                                                                                          \
	static void *lru_##name(struct ebpf_map *map, const void *key, uint32_t cpu)               \
	{                                                                                          \
		uint32_t i = find(map, key, size);                                                 \
                                                                                                   \
		if (i != 0)                                                                        \
			use(hash_of(map), i);                                                      \
		return value_of(map, i);                                                           \
	}                                                                                          \
	static void *lru_cpu_##name(struct ebpf_map *map, const void *key, uint32_t cpu)           \
	{                                                                                          \
		uint32_t i = find(map, key, size);                                                 \
                                                                                                   \
		if (i != 0)                                                                        \
			use(hash_of(map), i);                                                      \
		return cpu_value_of(map, i, cpu);                                                  \
	}                                                                                          \
	static const struct map_kind kinds_##name[] = {KIND(plain_##name), KIND(cpu_##name),       \
						       KIND(lru_##name), KIND(lru_cpu_##name)}

#define KIND(lookup_fn)                                                                            \
	{                                                                                          \
		.ops = {.lookup = lookup_fn,                                                       \
			.update = hash_update,                                                     \
			.delete = hash_delete,                                                     \
			.next = hash_next,                                                         \
			.destroy = hash_destroy},                                                  \
		.read = hash_read, .write = hash_write, .remove = hash_delete,                     \
		.count = hash_count, .each = hash_each,                                            \
	}

KINDS(4, 4);
KINDS(6, 6);
KINDS(8, 8);
KINDS(12, 12);
KINDS(16, 16);
KINDS(20, 20);
KINDS(40, 40);
KINDS(any, map->key_size);

const struct map_kind *hash_kind(const struct ebpf_map_def *def)
{
	bool lru = def->type == BPF_MAP_TYPE_LRU_HASH || def->type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
	bool cpu =
		def->type == BPF_MAP_TYPE_PERCPU_HASH || def->type == BPF_MAP_TYPE_LRU_PERCPU_HASH;
	unsigned i = lru * 2u + cpu;

	switch (def->key_size) {
	case 4:
		return &kinds_4[i];
	case 6:
		return &kinds_6[i];
	case 8:
		return &kinds_8[i];
	case 12:
		return &kinds_12[i];
	case 16:
		return &kinds_16[i];
	case 20:
		return &kinds_20[i];
	case 40:
		return &kinds_40[i];
	default:
		return &kinds_any[i];
	}
}
