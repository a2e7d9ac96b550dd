/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Our maps beside the running kernel's, through bpf(2): the same definitions are refused, the same
 * operations return the same and find the same.  Skipped where bpf(2) is not allowed.
 */
#include "filters/ebpf/map.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#define N_STEPS	 20000u
#define MAX_KEY	 64u
#define MAX_CPUS 64u

static uint64_t state = 1;

static uint32_t rnd(void)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(state >> 33);
}

static int kernel_create(const struct ebpf_map_def *def)
{
	LIBBPF_OPTS(bpf_map_create_opts, opts, .map_flags = def->flags, .map_extra = def->extra);

	return bpf_map_create(def->type, "vswitch_test", def->key_size, def->value_size,
			      def->max_entries, &opts);
}

/* One of each. */
struct pair {
	struct ebpf_map *map;
	int fd;
	size_t io_size;
};

static struct pair pair_make(struct ebpf_map_def def)
{
	int n_cpus = libbpf_num_possible_cpus();
	struct pair p = {0};

	if (n_cpus > (int)MAX_CPUS)
		skip();
	assert_int_equal(ebpf_map_create(&def, (uint32_t)n_cpus, &p.map, NULL), 0);
	p.fd = kernel_create(&def);
	assert_true(p.fd >= 0);
	p.io_size = ebpf_map_io_size(p.map);
	return p;
}

static void pair_end(struct pair *p)
{
	ebpf_map_unref(p->map);
	close(p->fd);
}

/* The padding between per-CPU values is nobody's. */
static void values_make(const struct pair *p, uint8_t *values)
{
	uint32_t stride = (p->map->value_size + 7) / 8 * 8;

	memset(values, 0, p->io_size);
	for (size_t at = 0; at < p->io_size; at += stride) {
		for (uint32_t i = 0; i < p->map->value_size; i++)
			values[at + i] = (uint8_t)rnd();
	}
}

typedef void (*make_key_fn)(uint8_t *key, uint32_t size);

static void key_plain(uint8_t *key, uint32_t size)
{
	uint32_t i = rnd() % 40;

	memset(key, 0, size);
	memcpy(key, &i, size < 4 ? size : 4);
}

static void key_prefix(uint8_t *key, uint32_t size)
{
	uint32_t bits = rnd() % ((size - 4) * 8 + (rnd() % 16 == 0 ? 5 : 1));

	memcpy(key, &bits, 4);
	for (uint32_t i = 4; i < size; i++)
		key[i] = rnd() % 4 == 0 ? (uint8_t)rnd() : 0;
}

static void same_lookup(const struct pair *p, const uint8_t *key)
{
	uint8_t ours[MAX_CPUS * 64] = {0}, theirs[MAX_CPUS * 64] = {0};
	int rc = ebpf_map_read(p->map, key, ours);

	assert_int_equal(rc, bpf_map_lookup_elem(p->fd, key, theirs));
	if (rc == 0)
		assert_memory_equal(ours, theirs, p->io_size);
}

static int tools_delete(const struct pair *p, const uint8_t *key)
{
	if (p->map->type == BPF_MAP_TYPE_ARRAY || p->map->type == BPF_MAP_TYPE_PERCPU_ARRAY)
		return (int)p->map->ops->delete (p->map, key);
	return ebpf_map_remove(p->map, key);
}

static void same_step(const struct pair *p, make_key_fn make_key)
{
	static const uint64_t odd_flags[] = {BPF_NOEXIST, BPF_EXIST, 3, BPF_F_LOCK, 8, UINT64_MAX};
	uint8_t key[MAX_KEY], values[MAX_CPUS * 64];
	uint64_t flags = rnd() % 4 == 0 ? odd_flags[rnd() % 6] : BPF_ANY;
	int ours;

	make_key(key, p->map->key_size);
	values_make(p, values);
	switch (rnd() % 4) {
	case 0:
		ours = ebpf_map_write(p->map, key, values, flags);
		assert_int_equal(ours, bpf_map_update_elem(p->fd, key, values, flags));
		break;
	case 1:
		ours = tools_delete(p, key);
		assert_int_equal(ours, bpf_map_delete_elem(p->fd, key));
		break;
	default:
		same_lookup(p, key);
	}
}

static uint32_t count_theirs(int fd, uint32_t key_size)
{
	uint8_t key[MAX_KEY], next[MAX_KEY];
	const uint8_t *last = NULL;
	uint32_t n = 0;

	while (bpf_map_get_next_key(fd, last, next) == 0) {
		memcpy(key, next, key_size);
		last = key;
		n++;
	}
	return n;
}

static void same_all(struct ebpf_map_def def, make_key_fn make_key)
{
	struct pair p = pair_make(def);

	for (unsigned i = 0; i < N_STEPS; i++)
		same_step(&p, make_key);
	assert_int_equal(ebpf_map_count(p.map), count_theirs(p.fd, def.key_size));
	pair_end(&p);
}

static void hashes_and_arrays_are_the_same(void **unused)
{
	static const uint32_t types[] = {BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_PERCPU_HASH,
					 BPF_MAP_TYPE_ARRAY, BPF_MAP_TYPE_PERCPU_ARRAY};

	for (unsigned t = 0; t < 4; t++) {
		struct ebpf_map_def def = {.type = types[t], .key_size = 4, .max_entries = 20};

		for (def.value_size = 1; def.value_size < 40; def.value_size += 9)
			same_all(def, key_plain);
		def.key_size = 23;
		if (t < 2)
			same_all(def, key_plain);
	}
}

static void tries_are_the_same(void **unused)
{
	struct ebpf_map_def def = {.type = BPF_MAP_TYPE_LPM_TRIE,
				   .value_size = 12,
				   .max_entries = 1000,
				   .flags = BPF_F_NO_PREALLOC};

	for (def.key_size = 5; def.key_size < 40; def.key_size += 5)
		same_all(def, key_prefix);
}

static void queues_and_stacks_are_the_same(void **unused)
{
	static const uint64_t flags[] = {0, 0, 0, BPF_NOEXIST, BPF_EXIST, 3, BPF_F_LOCK};

	for (unsigned t = 0; t < 2; t++) {
		struct ebpf_map_def def = {.value_size = 12, .max_entries = 5};
		struct pair p;

		def.type = t == 0 ? BPF_MAP_TYPE_QUEUE : BPF_MAP_TYPE_STACK;
		p = pair_make(def);
		for (unsigned i = 0; i < N_STEPS; i++) {
			uint8_t ours[12], theirs[12];
			uint64_t flag = flags[rnd() % 7];
			int rc;

			switch (rnd() % 4) {
			case 0:
			case 1:
				values_make(&p, ours);
				rc = ebpf_map_write(p.map, NULL, ours, flag);
				assert_int_equal(rc, bpf_map_update_elem(p.fd, NULL, ours, flag));
				break;
			case 2:
				rc = (int)p.map->ops->pop(p.map, ours);
				assert_int_equal(rc, bpf_map_lookup_and_delete_elem(p.fd, NULL,
										    theirs));
				if (rc == 0)
					assert_memory_equal(ours, theirs, 12);
				break;
			default:
				rc = ebpf_map_read(p.map, NULL, ours);
				assert_int_equal(rc, bpf_map_lookup_elem(p.fd, NULL, theirs));
				if (rc == 0)
					assert_memory_equal(ours, theirs, 12);
			}
		}
		pair_end(&p);
	}
}

/* Port 1 is the loopback interface, which every network namespace has. */
static void devmaps_are_the_same(void **unused)
{
	static const uint32_t types[] = {BPF_MAP_TYPE_DEVMAP, BPF_MAP_TYPE_DEVMAP_HASH};

	for (unsigned t = 0; t < 2; t++) {
		struct ebpf_map_def def = {.type = types[t],
					   .key_size = 4,
					   .value_size = 8,
					   .max_entries = 8};
		struct pair p = pair_make(def);

		for (unsigned i = 0; i < N_STEPS; i++) {
			uint32_t key = rnd() % 10, value[2] = {rnd() % 2, 0}, ours[2], theirs[2];
			uint64_t flags = rnd() % 5;
			int rc;

			if (rnd() % 2 == 0) {
				rc = ebpf_map_write(p.map, &key, value, flags);
				assert_int_equal(rc, bpf_map_update_elem(p.fd, &key, value, flags));
				continue;
			}
			rc = ebpf_map_read(p.map, &key, ours);
			assert_int_equal(rc, bpf_map_lookup_elem(p.fd, &key, theirs));
			if (rc == 0)
				assert_int_equal(ours[0], theirs[0]);
		}
		pair_end(&p);
	}
}

static void same_definitions_are_refused(void **unused)
{
	static const struct ebpf_map_def defs[] = {
		{.type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 1},
		{.type = BPF_MAP_TYPE_ARRAY, .key_size = 8, .value_size = 4, .max_entries = 1},
		{.type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 0, .max_entries = 1},
		{.type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4, .max_entries = 0},
		{.type = BPF_MAP_TYPE_ARRAY,
		 .key_size = 4,
		 .value_size = 4,
		 .max_entries = 1,
		 .flags = BPF_F_MMAPABLE},
		{.type = BPF_MAP_TYPE_ARRAY,
		 .key_size = 4,
		 .value_size = 4,
		 .max_entries = 1,
		 .flags = BPF_F_NO_COMMON_LRU},
		{.type = BPF_MAP_TYPE_PERCPU_ARRAY,
		 .key_size = 4,
		 .value_size = 4,
		 .max_entries = 1,
		 .flags = BPF_F_MMAPABLE},
		{.type = BPF_MAP_TYPE_HASH, .key_size = 0, .value_size = 4, .max_entries = 1},
		{.type = BPF_MAP_TYPE_HASH, .key_size = 4, .value_size = 0, .max_entries = 1},
		{.type = BPF_MAP_TYPE_HASH, .key_size = 4, .value_size = 4, .max_entries = 0},
		{.type = BPF_MAP_TYPE_HASH,
		 .key_size = 4,
		 .value_size = 4,
		 .max_entries = 1,
		 .flags = BPF_F_NO_PREALLOC},
		{.type = BPF_MAP_TYPE_HASH,
		 .key_size = 4,
		 .value_size = 4,
		 .max_entries = 1,
		 .flags = BPF_F_MMAPABLE},
		{.type = BPF_MAP_TYPE_LRU_HASH,
		 .key_size = 4,
		 .value_size = 4,
		 .max_entries = 100,
		 .flags = BPF_F_NO_COMMON_LRU},
		{.type = BPF_MAP_TYPE_LRU_HASH,
		 .key_size = 4,
		 .value_size = 4,
		 .max_entries = 100,
		 .flags = BPF_F_NO_PREALLOC},
		{.type = BPF_MAP_TYPE_LPM_TRIE,
		 .key_size = 4,
		 .value_size = 4,
		 .max_entries = 1,
		 .flags = BPF_F_NO_PREALLOC},
		{.type = BPF_MAP_TYPE_LPM_TRIE,
		 .key_size = 4 + 256,
		 .value_size = 4,
		 .max_entries = 1,
		 .flags = BPF_F_NO_PREALLOC},
		{.type = BPF_MAP_TYPE_LPM_TRIE,
		 .key_size = 4 + 257,
		 .value_size = 4,
		 .max_entries = 1,
		 .flags = BPF_F_NO_PREALLOC},
		{.type = BPF_MAP_TYPE_LPM_TRIE, .key_size = 8, .value_size = 4, .max_entries = 1},
		{.type = BPF_MAP_TYPE_QUEUE, .key_size = 4, .value_size = 4, .max_entries = 1},
		{.type = BPF_MAP_TYPE_QUEUE, .value_size = 0, .max_entries = 1},
		{.type = BPF_MAP_TYPE_STACK, .value_size = 4, .max_entries = 1},
		{.type = BPF_MAP_TYPE_BLOOM_FILTER, .value_size = 4, .max_entries = 1, .extra = 15},
		{.type = BPF_MAP_TYPE_BLOOM_FILTER, .value_size = 4, .max_entries = 1, .extra = 16},
		{.type = BPF_MAP_TYPE_BLOOM_FILTER,
		 .key_size = 4,
		 .value_size = 4,
		 .max_entries = 1},
		{.type = BPF_MAP_TYPE_RINGBUF, .max_entries = 4096},
		{.type = BPF_MAP_TYPE_RINGBUF, .max_entries = 4095},
		{.type = BPF_MAP_TYPE_RINGBUF, .max_entries = 12288},
		{.type = BPF_MAP_TYPE_RINGBUF, .key_size = 4, .max_entries = 4096},
		{.type = BPF_MAP_TYPE_DEVMAP, .key_size = 4, .value_size = 4, .max_entries = 1},
		{.type = BPF_MAP_TYPE_DEVMAP, .key_size = 4, .value_size = 6, .max_entries = 1},
		{.type = BPF_MAP_TYPE_DEVMAP_HASH,
		 .key_size = 4,
		 .value_size = 8,
		 .max_entries = 1},
		{.type = BPF_MAP_TYPE_PROG_ARRAY, .key_size = 4, .value_size = 8, .max_entries = 1},
	};

	for (unsigned i = 0; i < sizeof(defs) / sizeof(defs[0]); i++) {
		struct ebpf_map *map = NULL;
		int ours = ebpf_map_create(&defs[i], 1, &map, NULL);
		int theirs = kernel_create(&defs[i]);

		if ((ours == 0) != (theirs >= 0))
			fail_msg("definition %u: we say %d, the kernel %d", i, ours, theirs);
		ebpf_map_unref(map);
		if (theirs >= 0)
			close(theirs);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashes_and_arrays_are_the_same),
		cmocka_unit_test(tries_are_the_same),
		cmocka_unit_test(queues_and_stacks_are_the_same),
		cmocka_unit_test(devmaps_are_the_same),
		cmocka_unit_test(same_definitions_are_refused),
	};
	const struct ebpf_map_def def = {.type = BPF_MAP_TYPE_LPM_TRIE,
					 .key_size = 8,
					 .value_size = 4,
					 .max_entries = 1,
					 .flags = BPF_F_NO_PREALLOC};
	struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};
	int fd;

	libbpf_set_print(NULL);
	setrlimit(RLIMIT_MEMLOCK, &limit);
	fd = kernel_create(&def);
	if (fd < 0) {
		printf("bpf(2) gives us no maps (%s): needs root\n", strerror(-fd));
		return 77;
	}
	close(fd);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
