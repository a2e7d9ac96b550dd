/* SPDX-License-Identifier: BSD-2-Clause
 *
 * LPM_TRIE: a binary trie without chains: a node stands where prefixes part or where one is stored,
 * so its inner nodes that store nothing have two children each.
 *
 * 	10.0.0.0/8 ──0── 10.1.0.0/16 ──1── 10.1.128.0/17
 * 	           ──1── 10.128.0.0/15 (nothing stored) ──0── ...
 *
 * Writers hold the trie's lock.  Readers do not.  A node that was taken out gets another version
 * before it is used again; a reader that has read a node looks whether its version is still that
 * with which it came there, and before it reads a child whether that still hangs where it was
 * found.  If not, it begins anew: only those readers do whose path was cut.
 */
#ifndef FILTERS_EBPF_MAP_LPM_PRIV_H
#define FILTERS_EBPF_MAP_LPM_PRIV_H

#include "filters/ebpf/map_priv.h"

#define LPM_MAX_WORDS 32u
#define LPM_RETRIES   16u
#define LPM_STORED    1u /* of info */

struct lpm_node {
	_Atomic uint32_t version;
	_Atomic uint32_t info; /* 2 * bits of its prefix | LPM_STORED */
	_Atomic uint32_t child[2];
	uint64_t words[]; /* the prefix, first bit highest; the value behind */
};

struct lpm {
	struct ebpf_map map;
	uint8_t *nodes; /* number 0 is none */
	uint32_t node_size, value_off;
	uint32_t n_words, max_bits;
	_Atomic uint32_t root __attribute__((aligned(64)));
	_Atomic uint32_t lock;
	_Atomic uint32_t n; /* stored prefixes */
	uint32_t free, fresh;
};

/* A key as the trie compares it. */
struct lpm_key {
	uint32_t bits;
	uint64_t words[LPM_MAX_WORDS];
};

static inline struct lpm *lpm_of(const struct ebpf_map *map)
{
	return (struct lpm *)(uintptr_t)map;
}

static inline struct lpm_node *lpm_node(const struct lpm *t, uint32_t i)
{
	return (struct lpm_node *)(void *)(t->nodes + (size_t)i * t->node_size);
}

static inline void *lpm_value(const struct lpm *t, uint32_t i)
{
	return (uint8_t *)lpm_node(t, i) + t->value_off;
}

static inline uint32_t lpm_bits(const struct lpm_node *node)
{
	return atomic_load_explicit(&node->info, memory_order_acquire) / 2;
}

static inline bool lpm_is_stored(const struct lpm_node *node)
{
	return (atomic_load_explicit(&node->info, memory_order_acquire) & LPM_STORED) != 0;
}

static inline uint32_t lpm_child(const struct lpm_node *node, unsigned bit)
{
	return atomic_load_explicit(&node->child[bit], memory_order_acquire);
}

static inline unsigned lpm_bit(const uint64_t *words, uint32_t i)
{
	return words[i / 64] >> (63 - i % 64) & 1;
}

static inline uint64_t lpm_word(const struct lpm_node *node, uint32_t i)
{
	return __atomic_load_n(&node->words[i], __ATOMIC_ACQUIRE);
}

/* How many of the first 'max' bits are the same, given that the first 'known' are. */
static inline uint32_t lpm_common(const struct lpm_node *node, const uint64_t *words,
				  uint32_t known, uint32_t max)
{
	for (uint32_t i = known / 64; i * 64 < max; i++) {
		uint64_t differ = lpm_word(node, i) ^ words[i];

		if (differ != 0) {
			uint32_t n = i * 64 + (uint32_t)__builtin_clzll(differ);

			return n < max ? n : max;
		}
	}
	return max;
}

void lpm_key_load(const struct lpm *t, struct lpm_key *key, const void *from);
/* A node's prefix in the form of a program's key. */
void lpm_key_store(const struct lpm *t, uint32_t i, void *to);

int lpm_next(struct ebpf_map *map, const void *key, void *ret_key);
long lpm_each(struct ebpf_map *map, uint32_t cpu, ebpf_each_fn fn, void *arg);
void *lpm_lookup(struct ebpf_map *map, const void *key, uint32_t cpu);
int lpm_read(struct ebpf_map *map, const void *key, void *ret_value);

#endif
