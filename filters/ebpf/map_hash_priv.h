/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Hash maps, plain, least recently used and per CPU: their memory, and how they are read.
 *
 * 	bucket   lock, version, 8 signatures of 16 bits, 8 element numbers, a chain: one line
 * 	element  link, hash, key, value: one line if that is enough
 *
 * There is a bucket for every two to four elements, so one in fifty or less has a chain: elements
 * that found their bucket full.  A lookup is the bucket's line and, where a signature fits, the
 * element's.
 *
 * Readers take no lock.  What unlinks an element from a bucket changes the bucket's version after
 * that and before the element is used again, so a reader that finds the version as it was before
 * has compared the element's true key, or truly found none.  Otherwise it looks again; and after
 * HASH_RETRIES of that, with the lock.
 *
 * Elements that hang nowhere are in lists, one for each CPU and one for threads that are none
 * (map_pool.c).  Number 0 is no element.
 *
 * The hash is NH (RFC 4418, 5.2.1) with secrets of the map's own: nobody outside can choose keys
 * that share a bucket.
 */
#ifndef FILTERS_EBPF_MAP_HASH_PRIV_H
#define FILTERS_EBPF_MAP_HASH_PRIV_H

#include "filters/ebpf/map_priv.h"

#include <assert.h>

#define HASH_SLOTS	 8u
#define HASH_MAX_WORDS	 (EBPF_MAX_KEY / 8)
#define HASH_RETRIES	 16u
#define HASH_MAX_ENTRIES (1u << 30)

struct hash_bucket {
	_Atomic uint32_t lock;
	_Atomic uint32_t version;
	_Atomic uint64_t sigs[2]; /* four to a word; 0: free */
	_Atomic uint32_t slots[HASH_SLOTS];
	_Atomic uint32_t chain;
	uint32_t spare;
} __attribute__((aligned(64)));

static_assert(sizeof(struct hash_bucket) == 64, "a bucket is a cache line");

struct hash_elem {
	_Atomic uint32_t next; /* in a bucket's chain or a list of free ones */
	_Atomic uint32_t hash;
	uint64_t key[]; /* zeros behind it, to 8 bytes */
};

/* Behind the key and value of an element of an LRU map. */
struct hash_age {
	_Atomic uint32_t used;
	_Atomic uint32_t owner; /* the list that it goes back to */
};

struct hash_list {
	_Atomic uint32_t lock;
	_Atomic uint32_t free;
	_Atomic uint32_t spare; /* takes the place of an element that is replaced; 0: being used */
	_Atomic uint32_t hand, hand_end; /* LRU: whom to look at next */
	_Atomic int64_t count;		 /* taken less given back */
} __attribute__((aligned(64)));

struct hash {
	struct ebpf_map map;
	/* Lookups read these two lines. */
	struct hash_bucket *buckets;
	uint8_t *elems;
	uint32_t mask; /* number of buckets - 1 */
	uint32_t elem_size;
	uint32_t value_off; /* in an element; per-CPU maps: none there */
	uint32_t age_off;   /* LRU */
	uint32_t n_words;   /* of a key */
	bool lru;
	uint64_t secrets[HASH_MAX_WORDS];
	struct hash_list *lists;			     /* n_cpus + 1 */
	uint32_t end;					     /* after the last element */
	uint32_t batch;					     /* that a list takes at a time */
	_Atomic uint32_t fresh __attribute__((aligned(64))); /* never used from here on */
	_Atomic uint32_t hand;
} __attribute__((aligned(64)));

static inline struct hash *hash_of(struct ebpf_map *map)
{
	return (struct hash *)(void *)map;
}

static inline struct hash_elem *hash_elem(const struct hash *h, uint32_t i)
{
	return (struct hash_elem *)(void *)(h->elems + (size_t)i * h->elem_size);
}

static inline struct hash_age *hash_age(const struct hash *h, uint32_t i)
{
	return (struct hash_age *)(void *)((uint8_t *)hash_elem(h, i) + h->age_off);
}

static inline void *hash_value(const struct hash *h, uint32_t i, uint32_t cpu)
{
	if (h->map.cpu_stride != 0)
		return h->map.values + cpu * h->map.cpu_stride + (size_t)i * h->map.stride;
	return (uint8_t *)hash_elem(h, i) + h->value_off;
}

static inline struct hash_bucket *hash_bucket(const struct hash *h, uint32_t hash)
{
	return &h->buckets[hash & h->mask];
}

static inline void hash_key_load(uint64_t *words, const void *key, uint32_t size)
{
	const uint8_t *bytes = key;
	uint32_t n = size / 8;

	for (uint32_t i = 0; i < n; i++)
		words[i] = map_key_word(bytes + i * 8ul, 8);
	if (size % 8 != 0)
		words[n] = map_key_word(bytes + n * 8ul, size % 8);
}

static inline uint32_t hash_words(const struct hash *h, const uint64_t *words, uint32_t n)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < n; i++) {
		uint32_t low = (uint32_t)words[i] + (uint32_t)h->secrets[i];
		uint32_t high = (uint32_t)(words[i] >> 32) + (uint32_t)(h->secrets[i] >> 32);

		sum += (uint64_t)low * high;
	}
	sum ^= sum >> 32;
	sum *= UINT64_C(0xd6e8feb86659fd93);
	return (uint32_t)(sum >> 32);
}

/* What of a hash tells the elements of a bucket apart; not 0. */
static inline uint16_t hash_sig(uint32_t hash)
{
	uint16_t sig = (uint16_t)(hash >> 16);

	return sig != 0 ? sig : 1;
}

/* The highest bit of each 16 of 'sigs' that equal 'sig'; now and then of one above, too. */
static inline uint64_t hash_sig_match(uint64_t sigs, uint16_t sig)
{
	uint64_t x = sigs ^ sig * UINT64_C(0x0001000100010001);

	return (x - UINT64_C(0x0001000100010001)) & ~x & UINT64_C(0x8000800080008000);
}

static inline bool hash_key_is(const struct hash_elem *e, const uint64_t *words, uint32_t n)
{
	uint64_t differ = 0;

	for (uint32_t i = 0; i < n; i++)
		differ |= __atomic_load_n(&e->key[i], __ATOMIC_ACQUIRE) ^ words[i];
	return differ == 0;
}

/* The rest of hash_bucket_find(): the chain, as long as the version stays. */
uint32_t hash_chain_find(const struct hash *h, const struct hash_bucket *b, uint32_t version,
			 const uint64_t *words);

/* The element with this key in its bucket's own slots, or 0. */
static inline __attribute__((always_inline)) uint32_t hash_slots_find(const struct hash *h,
								      const struct hash_bucket *b,
								      uint32_t hash,
								      const uint64_t *words,
								      uint32_t n)
{
	uint16_t sig = hash_sig(hash);
	uint64_t low = atomic_load_explicit(&b->sigs[0], memory_order_acquire);
	uint64_t high = atomic_load_explicit(&b->sigs[1], memory_order_acquire);
	/* Slots 0 to 3 at bits 15, 31, ...; slots 4 to 7 one below. */
	uint64_t hits = hash_sig_match(low, sig) | hash_sig_match(high, sig) >> 1;

	for (; hits != 0; hits &= hits - 1) {
		unsigned bit = (unsigned)__builtin_ctzll(hits);
		unsigned slot = bit / 16 + (~bit & 1) * 4;
		uint32_t i = atomic_load_explicit(&b->slots[slot], memory_order_acquire);

		if (i != 0 && hash_key_is(hash_elem(h, i), words, n))
			return i;
	}
	return 0;
}

/* The element with this key in its bucket, or 0: certain with the lock, or when the version is
 * still the same afterwards. */
static inline uint32_t hash_bucket_find(const struct hash *h, const struct hash_bucket *b,
					uint32_t hash, uint32_t version, const uint64_t *words,
					uint32_t n)
{
	uint32_t i = hash_slots_find(h, b, hash, words, n);

	if (i == 0 && atomic_load_explicit(&b->chain, memory_order_acquire) != 0)
		return hash_chain_find(h, b, version, words);
	return i;
}

/* When the bucket does not come to rest. */
uint32_t hash_find_again(const struct hash *h, uint32_t hash, const uint64_t *words);

/* The element with this key now, or 0.  It may be another's as soon as this returns. */
static inline __attribute__((always_inline)) uint32_t hash_find(const struct hash *h, uint32_t hash,
								const uint64_t *words, uint32_t n)
{
	const struct hash_bucket *b = hash_bucket(h, hash);
	uint32_t version = atomic_load_explicit(&b->version, memory_order_acquire);
	uint32_t i = hash_bucket_find(h, b, hash, version, words, n);

	if (atomic_load_explicit(&b->version, memory_order_relaxed) != version)
		return hash_find_again(h, hash, words);
	return i;
}

/* Which kind of map, for keys of this size. */
const struct map_kind *hash_kind(const struct ebpf_map_def *def);

/* What kinds are made of. */
long hash_update(struct ebpf_map *map, const void *key, const void *value, uint64_t flags,
		 uint32_t cpu);
long hash_delete(struct ebpf_map *map, const void *key);
int hash_next(struct ebpf_map *map, const void *key, void *ret_key);
void hash_destroy(struct ebpf_map *map);
int hash_read(struct ebpf_map *map, const void *key, void *ret_values);
long hash_write(struct ebpf_map *map, const void *key, const void *values, uint64_t flags);
int64_t hash_count(const struct ebpf_map *map);
long hash_each(struct ebpf_map *map, uint32_t cpu, ebpf_each_fn fn, void *arg);

/* An element that hangs nowhere, for list 'l'; 0: there is none.  Any thread, holding no lock when
 * the map is LRU. */
uint32_t hash_take(struct hash *h, uint32_t l);
/* Takes it back. */
void hash_give(struct hash *h, uint32_t l, uint32_t i);
/* LRU: one that was used long ago is unlinked, and the caller's; 0: none was found. */
uint32_t hash_evict(struct hash *h, uint32_t l);
/* Unlinks the element if it hangs in its bucket. */
bool hash_unlink_elem(struct hash *h, uint32_t i);

#endif
