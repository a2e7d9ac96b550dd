/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Going through a hash map while others change it.  The order is that of the buckets, and of the
 * keys' words in each: a total order, so that 'next' goes on from a key that is no longer there,
 * and comes to an end whatever others insert.
 */
#include "filters/ebpf/map_hash_priv.h"

#define WALK_IDS 64u

/* Elements of a bucket, without the first 'skip'. */
static uint32_t bucket_ids(struct hash *h, struct hash_bucket *b, uint32_t skip, uint32_t *ids)
{
	uint32_t n = 0, seen = 0;
	uint32_t i;

	map_lock(&b->lock);
	for (unsigned s = 0; s < HASH_SLOTS; s++) {
		i = atomic_load_explicit(&b->slots[s], memory_order_relaxed);
		if (i != 0 && seen++ >= skip && n < WALK_IDS)
			ids[n++] = i;
	}
	i = atomic_load_explicit(&b->chain, memory_order_relaxed);
	while (i != 0 && n < WALK_IDS) {
		if (seen++ >= skip)
			ids[n++] = i;
		i = atomic_load_explicit(&hash_elem(h, i)->next, memory_order_relaxed);
	}
	map_unlock(&b->lock);
	return n;
}

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

/* Makes 'best' the least key above 'above' (NULL: any) of it and the element's. */
static bool take_less(const struct hash *h, uint32_t i, const uint64_t *above, uint64_t *best,
		      bool found)
{
	uint64_t words[HASH_MAX_WORDS];

	if (i == 0)
		return found;
	map_get(words, hash_elem(h, i)->key, h->n_words * 8);
	if ((above != NULL && compare(words, above, h->n_words) <= 0) ||
	    (found && compare(words, best, h->n_words) >= 0))
		return found;
	memcpy(best, words, h->n_words * 8ul);
	return true;
}

static bool bucket_least(struct hash *h, struct hash_bucket *b, const uint64_t *above,
			 uint64_t *best)
{
	bool found = false;
	uint32_t i;

	if (is_empty(b))
		return false;
	map_lock(&b->lock);
	for (unsigned s = 0; s < HASH_SLOTS; s++)
		found = take_less(h, atomic_load_explicit(&b->slots[s], memory_order_relaxed),
				  above, best, found);
	i = atomic_load_explicit(&b->chain, memory_order_relaxed);
	while (i != 0) {
		found = take_less(h, i, above, best, found);
		i = atomic_load_explicit(&hash_elem(h, i)->next, memory_order_relaxed);
	}
	map_unlock(&b->lock);
	return found;
}

int hash_next(struct ebpf_map *map, const void *key, void *ret_key)
{
	struct hash *h = hash_of(map);
	uint64_t words[HASH_MAX_WORDS], best[HASH_MAX_WORDS];
	uint32_t i = 0;
	bool found = false;

	if (key != NULL) {
		hash_key_load(words, key, map->key_size);
		i = hash_words(h, words, h->n_words) & h->mask;
		found = bucket_least(h, &h->buckets[i++], words, best);
	}
	for (; !found && i <= h->mask; i++)
		found = bucket_least(h, &h->buckets[i], NULL, best);
	if (!found)
		return -ENOENT;
	memcpy(ret_key, best, map->key_size);
	return 0;
}

long hash_each(struct ebpf_map *map, uint32_t cpu, ebpf_each_fn fn, void *arg)
{
	struct hash *h = hash_of(map);
	uint32_t ids[WALK_IDS], n;
	long seen = 0;

	if (map->cpu_stride != 0 && cpu >= map->n_cpus)
		return -EINVAL;
	for (uint32_t b = 0; b <= h->mask; b++) {
		uint32_t skip = 0;

		do {
			n = is_empty(&h->buckets[b]) ? 0 : bucket_ids(h, &h->buckets[b], skip, ids);
			for (uint32_t j = 0; j < n; j++) {
				seen++;
				if (fn(arg, map, hash_elem(h, ids[j])->key,
				       hash_value(h, ids[j], cpu)) != 0)
					return seen;
			}
			skip += n;
		} while (n == WALK_IDS);
	}
	return seen;
}
