/* SPDX-License-Identifier: BSD-2-Clause
 *
 * BLOOM_FILTER: a set that never denies what was put in, and now and then affirms what was not.
 * Bits are set and read without a lock.
 *
 * The bits of a value are h1 + i h2 (Kirsch and Mitzenmacher, 2006), of two keyed hashes (NH, as in
 * map_hash_priv.h), so that nobody outside can choose values that look like others.
 */
#include "filters/ebpf/map_priv.h"

/* Words of a value that are hashed at a time. */
#define WORDS	    32u
#define MAX_HASHES  15u
#define USUAL	    5u
#define MAX_BIT_LOG 36u

struct bloom {
	struct ebpf_map map;
	uint64_t mask; /* number of bits - 1 */
	uint32_t n_hashes;
	uint64_t secrets[2][WORDS + 1];
	_Atomic uint64_t *bits;
};

static struct bloom *bloom(struct ebpf_map *map)
{
	return (struct bloom *)(void *)map;
}

static uint64_t mix(uint64_t x)
{
	x ^= x >> 32;
	x *= UINT64_C(0xd6e8feb86659fd93);
	return x ^ x >> 32;
}

static uint64_t nh(const uint64_t *words, uint32_t n, const uint64_t *secrets, uint64_t sum)
{
	for (uint32_t i = 0; i < n; i++) {
		uint32_t low = (uint32_t)words[i] + (uint32_t)secrets[i];
		uint32_t high = (uint32_t)(words[i] >> 32) + (uint32_t)(secrets[i] >> 32);

		sum += (uint64_t)low * high;
	}
	return sum;
}

/* Long values are hashed piece by piece, each with the hash so far. */
static uint64_t hash(const struct bloom *b, const uint8_t *bytes, uint32_t size, unsigned which)
{
	const uint64_t *secrets = b->secrets[which];
	uint64_t sum = secrets[WORDS];

	for (uint32_t at = 0; at < size; at += WORDS * 8) {
		uint32_t n = size - at < WORDS * 8 ? size - at : WORDS * 8;
		uint64_t words[WORDS];

		words[(n - 1) / 8] = 0;
		memcpy(words, bytes + at, n);
		sum = mix(nh(words, (n + 7) / 8, secrets, sum * secrets[WORDS]));
	}
	return sum;
}

struct bits {
	uint64_t next, step;
};

static struct bits bits_of(const struct bloom *b, const void *value)
{
	return (struct bits){hash(b, value, b->map.value_size, 0),
			     hash(b, value, b->map.value_size, 1) | 1};
}

static long push(struct ebpf_map *map, const void *value, uint64_t flags)
{
	struct bloom *b = bloom(map);
	struct bits at = bits_of(b, value);

	if (flags != BPF_ANY)
		return -EINVAL;
	for (uint32_t i = 0; i < b->n_hashes; i++, at.next += at.step) {
		uint64_t bit = at.next & b->mask;
		_Atomic uint64_t *word = &b->bits[bit / 64];
		uint64_t is = UINT64_C(1) << bit % 64;

		if ((atomic_load_explicit(word, memory_order_relaxed) & is) == 0)
			atomic_fetch_or_explicit(word, is, memory_order_relaxed);
	}
	return 0;
}

static long peek(struct ebpf_map *map, void *value)
{
	struct bloom *b = bloom(map);
	struct bits at = bits_of(b, value);

	for (uint32_t i = 0; i < b->n_hashes; i++, at.next += at.step) {
		uint64_t bit = at.next & b->mask;

		if ((atomic_load_explicit(&b->bits[bit / 64], memory_order_relaxed) >> bit % 64 &
		     1) == 0)
			return -ENOENT;
	}
	return 0;
}

static int bloom_read(struct ebpf_map *map, const void *key, void *value)
{
	return (int)peek(map, value);
}

static long bloom_write(struct ebpf_map *map, const void *key, const void *value, uint64_t flags)
{
	return push(map, value, flags);
}

static const struct map_kind kind = {
	.ops = {.push = push, .peek = peek, .destroy = map_free},
	.read = bloom_read,
	.write = bloom_write,
};

/* n k / ln 2, and up to a power of two. */
static uint64_t n_bits(uint64_t n, uint32_t hashes)
{
	uint64_t want = n * hashes * 7 / 5, bits = 64;

	while (bits < want && bits < UINT64_C(1) << MAX_BIT_LOG)
		bits *= 2;
	return bits;
}

int map_bloom_create(const struct ebpf_map_def *def, uint32_t n_cpus, struct ebpf_map **ret_map)
{
	uint32_t hashes = def->extra != 0 ? (uint32_t)def->extra : USUAL;
	uint64_t bits = n_bits(def->max_entries, hashes);
	struct map_room room = {0};
	struct ebpf_map *map;
	struct bloom *b;
	size_t at;
	int rc;

	if (def->extra > MAX_HASHES)
		return -EINVAL;
	map_room_add(&room, 1, sizeof(struct bloom));
	at = map_room_add(&room, bits / 64, 8);
	rc = map_alloc(def, n_cpus, &room, &map);
	if (rc != 0)
		return rc;
	b = bloom(map);
	if (!map_random(b->secrets, sizeof(b->secrets))) {
		map_free(map);
		return -ENOMEM;
	}
	for (unsigned i = 0; i < 2; i++) {
		for (unsigned j = 0; j <= WORDS; j++)
			b->secrets[i][j] |= UINT64_C(1) << 32 | (j == WORDS);
	}
	map->ops = &kind.ops;
	b->mask = bits - 1;
	b->n_hashes = hashes;
	b->bits = (void *)((uint8_t *)map + at);
	*ret_map = map;
	return 0;
}
