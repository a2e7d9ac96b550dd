/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Going through a hash map while others change it.  The order is that of the buckets, and of the
 * keys' words in each: a total order, so that 'next' goes on from a key that is no longer there,
 * and comes to an end whatever others insert.
 */
#include "filters/ebpf/map_hash_priv.h"

static bool is_empty(const struct hash_bucket *b)
{
	if (atomic_load_explicit(&b->chain, memory_order_relaxed) != 0)
		return false;
	return (atomic_load_explicit(&b->sigs[0], memory_order_relaxed) |
		atomic_load_explicit(&b->sigs[1], memory_order_relaxed)) == 0;
}

static int compare(const uint64_t *a, const uint64_t *b, uint32_t n)
{
	for (uint32_t i = 0; i < n; i++) {
		if (a[i] != b[i])
			return a[i] < b[i] ? -1 : 1;
	}
	return 0;
}

/* The least key of some. */
struct least {
	uint64_t words[HASH_MAX_WORDS];
	uint32_t i; /* its element; 0: there is none */
};

/* Makes 'best' the element's key if that is above 'above' (NULL: any) and less. */
static void take_less(const struct hash *h, uint32_t i, const uint64_t *above, struct least *best)
{
	uint64_t words[HASH_MAX_WORDS];

	if (i == 0)
		return;
	map_get(words, hash_elem(h, i)->key, h->n_words * 8);
	if ((above != NULL && compare(words, above, h->n_words) <= 0) ||
	    (best->i != 0 && compare(words, best->words, h->n_words) >= 0))
		return;
	memcpy(best->words, words, h->n_words * 8ul);
	best->i = i;
}

/* Returns whether there is one. */
static bool bucket_least(struct hash *h, struct hash_bucket *b, const uint64_t *above,
			 struct least *best)
{
	uint32_t i;

	best->i = 0;
	if (is_empty(b))
		return false;
	map_lock(&b->lock);
	for (unsigned s = 0; s < HASH_SLOTS; s++)
		take_less(h, atomic_load_explicit(&b->slots[s], memory_order_relaxed), above, best);
	i = atomic_load_explicit(&b->chain, memory_order_relaxed);
	while (i != 0) {
		take_less(h, i, above, best);
		i = atomic_load_explicit(&hash_elem(h, i)->next, memory_order_relaxed);
	}
	map_unlock(&b->lock);
	return best->i != 0;
}

int hash_next(struct ebpf_map *map, const void *key, void *ret_key)
{
	struct hash *h = hash_of(map);
	uint64_t words[HASH_MAX_WORDS];
	struct least best;
	uint32_t b = 0;
	bool found = false;

	if (key != NULL) {
		hash_key_load(words, key, map->key_size);
		b = hash_words(h, words, h->n_words) & h->mask;
		found = bucket_least(h, &h->buckets[b++], words, &best);
	}
	for (; !found && b <= h->mask; b++)
		found = bucket_least(h, &h->buckets[b], NULL, &best);
	if (!found)
		return -ENOENT;
	memcpy(ret_key, best.words, map->key_size);
	return 0;
}

long hash_each(struct ebpf_map *map, uint32_t cpu, ebpf_each_fn fn, void *arg)
{
	struct hash *h = hash_of(map);
	uint64_t last[HASH_MAX_WORDS];
	struct least best;
	long seen = 0;

	if (map->cpu_stride != 0 && cpu >= map->n_cpus)
		return -EINVAL;
	for (uint32_t b = 0; b <= h->mask; b++) {
		bool found = bucket_least(h, &h->buckets[b], NULL, &best);

		while (found) {
			seen++;
			memcpy(last, best.words, h->n_words * 8ul); /* 'fn' may write the key. */
			if (fn(arg, map, best.words, hash_value(h, best.i, cpu)) != 0)
				return seen;
			found = bucket_least(h, &h->buckets[b], last, &best);
		}
	}
	return seen;
}
