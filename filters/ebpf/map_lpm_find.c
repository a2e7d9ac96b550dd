/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Reading an LPM trie: lookups, and going through it in order.  See map_lpm_priv.h.
 */
#include "filters/ebpf/map_lpm_priv.h"

void lpm_key_load(const struct lpm *t, struct lpm_key *key, const void *from)
{
	const uint8_t *bytes = (const uint8_t *)from + 4;
	uint32_t left = t->max_bits / 8;

	memcpy(&key->bits, from, 4);
	for (uint32_t i = 0; i < t->n_words; i++) {
		uint32_t n = left < 8 ? left : 8;

		key->words[i] = __builtin_bswap64(map_key_word(bytes + i * 8ul, n));
		left -= n;
	}
}

void lpm_key_store(const struct lpm *t, uint32_t i, void *to)
{
	const struct lpm_node *node = lpm_node(t, i);
	uint8_t *bytes = (uint8_t *)to + 4;
	uint32_t bits = lpm_bits(node), left = t->max_bits / 8;

	memcpy(to, &bits, 4);
	for (uint32_t w = 0; w < t->n_words; w++) {
		uint64_t word = __builtin_bswap64(lpm_word(node, w));

		memcpy(bytes + w * 8ul, &word, left < 8 ? left : 8);
		left -= left < 8 ? left : 8;
	}
}

/* A node as a reader found it. */
struct found {
	uint32_t i; /* 0: none */
	uint32_t version;
};

static bool is_still(const struct lpm_node *node, uint32_t version)
{
	return atomic_load_explicit(&node->version, memory_order_relaxed) == version;
}

/* The longest stored prefix of the key.  False: the path was cut. */
static inline bool walk(const struct lpm *t, const struct lpm_key *key, struct found *ret_best)
{
	const _Atomic uint32_t *link = &t->root;
	const struct lpm_node *parent = NULL;
	uint32_t i, parent_version = 0, known = 0;

	*ret_best = (struct found){0};
	while ((i = atomic_load_explicit(link, memory_order_acquire)) != 0) {
		const struct lpm_node *node = lpm_node(t, i);
		uint32_t version = atomic_load_explicit(&node->version, memory_order_acquire);
		uint32_t info, bits;
		bool match;

		/* Is it the version of when it hung there? */
		if (atomic_load_explicit(link, memory_order_acquire) != i ||
		    (parent != NULL && !is_still(parent, parent_version)))
			return false;
		info = atomic_load_explicit(&node->info, memory_order_acquire);
		bits = info / 2;
		match = bits <= key->bits && lpm_common(node, key->words, known, bits) == bits;
		if (!is_still(node, version))
			return false;
		if (!match)
			break;
		if ((info & LPM_STORED) != 0)
			*ret_best = (struct found){i, version};
		if (bits == key->bits)
			break;
		link = &node->child[lpm_bit(key->words, bits)];
		parent = node;
		parent_version = version;
		known = bits;
	}
	/* An empty link says nothing when its node is gone. */
	return i != 0 || parent == NULL || is_still(parent, parent_version);
}

static struct found find(struct lpm *t, const struct lpm_key *key)
{
	struct found best = {0};

	if (key->bits > t->max_bits)
		return best;
	for (unsigned n = 0; n < LPM_RETRIES; n++) {
		if (walk(t, key, &best))
			return best;
		map_pause();
	}
	map_lock(&t->lock);
	walk(t, key, &best);
	map_unlock(&t->lock);
	return best;
}

void *lpm_lookup(struct ebpf_map *map, const void *key, uint32_t cpu)
{
	struct lpm *t = lpm_of(map);
	struct lpm_key k;
	struct found f;

	lpm_key_load(t, &k, key);
	f = find(t, &k);
	return f.i != 0 ? lpm_value(t, f.i) : NULL;
}

int lpm_read(struct ebpf_map *map, const void *key, void *ret_value)
{
	struct lpm *t = lpm_of(map);
	struct lpm_key k;
	struct found f;

	lpm_key_load(t, &k, key);
	for (unsigned n = 0; n < LPM_RETRIES; n++) {
		f = find(t, &k);
		if (f.i == 0)
			return -ENOENT;
		map_value_get(map, ret_value, lpm_value(t, f.i));
		if (is_still(lpm_node(t, f.i), f.version))
			return 0;
	}
	map_lock(&t->lock);
	if (k.bits <= t->max_bits)
		walk(t, &k, &f);
	if (f.i != 0)
		map_value_get(map, ret_value, lpm_value(t, f.i));
	map_unlock(&t->lock);
	return f.i != 0 ? 0 : -ENOENT;
}

/* The first stored prefix of a subtree, itself among them. */
static uint32_t first(const struct lpm *t, uint32_t i)
{
	while (i != 0 && !lpm_is_stored(lpm_node(t, i)))
		i = lpm_child(lpm_node(t, i), 0);
	return i;
}

/* The first stored prefix after 'key': a prefix comes before those that it is part of, else the
 * first bit that differs decides.  The lock is held. */
static uint32_t successor(const struct lpm *t, const struct lpm_key *key)
{
	uint32_t i = atomic_load_explicit(&t->root, memory_order_relaxed), later = 0;

	while (i != 0) {
		const struct lpm_node *node = lpm_node(t, i);
		uint32_t bits = lpm_bits(node), min = bits < key->bits ? bits : key->bits;
		uint32_t common = lpm_common(node, key->words, 0, min);

		if (common < min)
			return first(t, lpm_bit(key->words, common) == 0 ? i : later);
		if (bits > key->bits)
			return first(t, i);
		if (bits == key->bits) {
			uint32_t below = lpm_child(node, 0);

			below = below != 0 ? below : lpm_child(node, 1);
			return first(t, below != 0 ? below : later);
		}
		if (lpm_bit(key->words, bits) == 0) {
			later = lpm_child(node, 1) != 0 ? lpm_child(node, 1) : later;
			i = lpm_child(node, 0);
		} else {
			i = lpm_child(node, 1);
		}
	}
	return first(t, later);
}

int lpm_next(struct ebpf_map *map, const void *key, void *ret_key)
{
	struct lpm *t = lpm_of(map);
	struct lpm_key k;
	uint32_t i;

	if (key != NULL) {
		lpm_key_load(t, &k, key);
		if (k.bits > t->max_bits)
			return -ENOENT;
	}
	map_lock(&t->lock);
	i = key != NULL ? successor(t, &k)
			: first(t, atomic_load_explicit(&t->root, memory_order_relaxed));
	if (i != 0)
		lpm_key_store(t, i, ret_key);
	map_unlock(&t->lock);
	return i != 0 ? 0 : -ENOENT;
}

long lpm_each(struct ebpf_map *map, uint32_t cpu, ebpf_each_fn fn, void *arg)
{
	uint8_t key[4 + LPM_MAX_WORDS * 8];
	const uint8_t *last = NULL;
	long seen = 0;

	while (lpm_next(map, last, key) == 0) {
		void *value = lpm_lookup(map, key, cpu);

		last = key;
		if (value == NULL) /* Deleted, and no shorter one. */
			continue;
		seen++;
		if (fn(arg, map, key, value) != 0)
			break;
	}
	return seen;
}
