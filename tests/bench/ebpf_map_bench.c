/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a lookup in a map costs, beside a load from a plain array of as many elements in the same
 * order, in the same run.
 *
 * 	ebpf_map_bench [N]          elements, 1000000 unless told
 *
 * 'alone' waits for each lookup before the next begins (its key depends on what was found), as a
 * program that needs the answer does; 'in a row' does not.
 */
#include "filters/ebpf/map.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define N_LOOKUPS 2000000u
#define N_RUNS	  3u

struct keys {
	uint32_t n, size;
	uint8_t *bytes; /* in the order of lookups */
};

static uint64_t state = 1;

static uint64_t rnd(void)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return state >> 33;
}

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void key_make(uint8_t *key, uint32_t size, uint32_t i)
{
	memset(key, 0x5a, size);
	memcpy(key, &i, sizeof(i));
}

static void trie_key_make(uint8_t *key, uint32_t size, uint32_t i)
{
	uint32_t bits = (size - 4) * 8, mixed = __builtin_bswap32(i * 2654435761u);

	memset(key, 0, size);
	memcpy(key, &bits, 4);
	memcpy(key + 4, &mixed, 4);
}

/* Best of some runs, nanoseconds a lookup.  'alone' makes each depend on the one before. */
static double measure(struct ebpf_map *map, const struct keys *keys, bool alone)
{
	double best = 1e9;

	for (unsigned run = 0; run < N_RUNS; run++) {
		uint64_t sum = 0;
		double start = now();

		for (uint32_t i = 0; i < N_LOOKUPS; i++) {
			size_t at = (i + (alone ? sum & 1 : 0)) % keys->n;
			const uint64_t *v = map->ops->lookup(map, keys->bytes + at * keys->size, 0);

			sum += v != NULL ? *v : 0;
		}
		start = (now() - start) / N_LOOKUPS;
		best = start < best ? start : best;
		if (sum == 1)
			printf(" ");
	}
	return best;
}

/* The same walk over an array: what the memory alone costs. */
static double measure_plain(const uint64_t *array, const uint32_t *order, uint32_t n, bool alone)
{
	double best = 1e9;

	for (unsigned run = 0; run < N_RUNS; run++) {
		uint64_t sum = 0;
		double start = now();

		for (uint32_t i = 0; i < N_LOOKUPS; i++)
			sum += array[order[(i + (alone ? sum & 1 : 0)) % n]];
		start = (now() - start) / N_LOOKUPS;
		best = start < best ? start : best;
		if (sum == 1)
			printf(" ");
	}
	return best;
}

static struct ebpf_map *fill(uint32_t type, uint32_t key_size, uint32_t n)
{
	struct ebpf_map_def def = {.name = "bench",
				   .type = type,
				   .key_size = key_size,
				   .value_size = 8,
				   .max_entries = n,
				   .flags = type == BPF_MAP_TYPE_LPM_TRIE ? BPF_F_NO_PREALLOC : 0};
	struct ebpf_map *map;
	struct err err;

	if (ebpf_map_create(&def, 1, &map, &err) != 0) {
		fprintf(stderr, "%s\n", err.what);
		exit(1);
	}
	for (uint32_t i = 0; i < n; i++) {
		uint64_t value = (uint64_t)i * 2;
		uint8_t key[64];

		(type == BPF_MAP_TYPE_LPM_TRIE ? trie_key_make : key_make)(key, key_size, i);
		map->ops->update(map, key, &value, BPF_ANY, 0);
	}
	return map;
}

static void bench(uint32_t type, uint32_t key_size, const uint32_t *order, uint32_t n,
		  const double plain[2])
{
	struct ebpf_map *map = fill(type, key_size, n);
	struct keys keys = {n, key_size, malloc((size_t)n * key_size)};
	double alone, row;

	if (keys.bytes == NULL)
		exit(1);
	for (uint32_t i = 0; i < n; i++)
		(type == BPF_MAP_TYPE_LPM_TRIE
			 ? trie_key_make
			 : key_make)(keys.bytes + (size_t)i * key_size, key_size, order[i]);
	alone = measure(map, &keys, true);
	row = measure(map, &keys, false);
	printf("%-16s %5u %10.1f %7.1f %10.1f %7.1f %8zu\n", ebpf_map_type_name(type), key_size,
	       alone, alone / plain[1], row, row / plain[0], ebpf_map_memory(map) / n);
	free(keys.bytes);
	ebpf_map_unref(map);
}

int main(int argc, char **argv)
{
	static const uint32_t sizes[] = {4, 8, 16, 20, 40, 24};
	uint32_t n = argc > 1 ? (uint32_t)strtoul(argv[1], NULL, 0) : 1000000;
	uint32_t *order = malloc(n * sizeof(*order));
	uint64_t *array = calloc(n, sizeof(*array));
	double plain[2];

	if (n == 0 || order == NULL || array == NULL)
		return 1;
	for (uint32_t i = 0; i < n; i++) {
		uint32_t j = (uint32_t)(rnd() % (i + 1));

		order[i] = order[j];
		order[j] = i;
		array[i] = (uint64_t)i * 2;
	}
	for (unsigned alone = 0; alone < 2; alone++)
		plain[alone] = measure_plain(array, order, n, alone != 0);
	printf("%u elements, keys in random order; ns a lookup, and times a plain array's\n", n);
	printf("%-16s %5s %10s %7s %10s %7s %8s\n", "map", "key", "alone", "times", "in a row",
	       "times", "bytes");
	printf("%-16s %5s %10.1f %7.1f %10.1f %7.1f %8u\n", "plain array", "", plain[1], 1.0,
	       plain[0], 1.0, 8);
	bench(BPF_MAP_TYPE_ARRAY, 4, order, n, plain);
	bench(BPF_MAP_TYPE_PERCPU_ARRAY, 4, order, n, plain);
	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		bench(BPF_MAP_TYPE_HASH, sizes[i], order, n, plain);
	bench(BPF_MAP_TYPE_PERCPU_HASH, 16, order, n, plain);
	bench(BPF_MAP_TYPE_LRU_HASH, 16, order, n, plain);
	bench(BPF_MAP_TYPE_LPM_TRIE, 8, order, n, plain);
	bench(BPF_MAP_TYPE_LPM_TRIE, 20, order, n, plain);
	free(order);
	free(array);
	return 0;
}
