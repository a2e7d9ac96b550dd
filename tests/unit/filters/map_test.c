/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Maps on one thread: arrays and hashes against a naive model, with random operations; and their
 * limits.
 */
#include "filters/ebpf/map.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "filters/ebpf/ctx.h"
#include "tests/support/map_model.h"

#define N_CPUS 3u

static uint64_t state = 1;

static uint32_t rnd(void)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(state >> 33);
}

static struct ebpf_map *make(uint32_t type, uint32_t key_size, uint32_t value_size, uint32_t n)
{
	struct ebpf_map_def def = {.name = "test",
				   .type = type,
				   .key_size = key_size,
				   .value_size = value_size,
				   .max_entries = n};
	struct ebpf_map *map = NULL;
	struct err err = {0};

	if (ebpf_map_create(&def, N_CPUS, &map, &err) != 0)
		fail_msg("%s: %s", err.what, err.why);
	return map;
}

/* One of 'n' keys: they differ in two bytes, wherever these are. */
static void key_make(uint8_t *key, uint32_t size, uint32_t i)
{
	memset(key, 0x5a, size);
	memcpy(key, &i, size < 2 ? size : 2);
	if (size >= 4)
		memcpy(key + size - 2, &i, 2);
	if (size == 4)
		memcpy(key, &i, 4);
}

static void each_is_in_model(struct ebpf_map *map, struct map_model *m)
{
	uint8_t key[MAP_MODEL_KEY], *last = NULL;
	uint32_t n = 0;

	while (map->ops->next(map, last, key) == 0) {
		assert_non_null(map_model_find(m, key));
		last = key;
		assert_true(n++ < m->n);
	}
	assert_int_equal(n, m->n);
	assert_int_equal(ebpf_map_count(map), m->n);
}

static void compare_lookup(struct ebpf_map *map, struct map_model *m, const uint8_t *key)
{
	struct map_model_elem *e = map_model_lookup(m, key);
	uint8_t read[MAP_MODEL_VALUE * N_CPUS];
	void *value = map->ops->lookup(map, key, 1);

	assert_int_equal(value != NULL, e != NULL);
	assert_int_equal(ebpf_map_read(map, key, read), e != NULL ? 0 : -ENOENT);
	if (e == NULL)
		return;
	assert_memory_equal(value, e->value, m->value_size);
	assert_memory_equal(read + (map->cpu_stride != 0 ? (m->value_size + 7) / 8 * 8 : 0),
			    e->value, m->value_size);
}

static void random_step(struct ebpf_map *map, struct map_model *m, uint32_t n_keys)
{
	uint8_t key[MAP_MODEL_KEY], value[MAP_MODEL_VALUE];
	uint64_t flags = rnd() % 8 == 0 ? rnd() % 5 : 0;

	key_make(key, m->key_size, rnd() % n_keys);
	for (unsigned i = 0; i < sizeof(value); i++)
		value[i] = (uint8_t)rnd();
	switch (rnd() % 4) {
	case 0:
		assert_int_equal(map->ops->update(map, key, value, flags, 1),
				 map_model_update(m, key, value, flags));
		break;
	case 1:
		assert_int_equal(map->ops->delete (map, key), map_model_delete(m, key));
		break;
	default:
		compare_lookup(map, m, key);
	}
}

static void model_agrees(uint32_t type, uint32_t key_size, uint32_t value_size, uint32_t n)
{
	struct ebpf_map *map = make(type, key_size, value_size, n);
	struct map_model m;
	uint32_t n_keys = key_size == 1 ? 256 : n + n / 2;

	map_model_init(&m, &map->def);
	for (unsigned i = 0; i < 20000; i++) {
		random_step(map, &m, n_keys);
		if (i % 1000 == 0)
			each_is_in_model(map, &m);
	}
	each_is_in_model(map, &m);
	map_model_fini(&m);
	ebpf_map_unref(map);
}

static void hash_is_as_its_model(void **unused)
{
	static const uint32_t key_sizes[] = {1, 3, 4, 7, 8, 12, 16, 20, 24, 33, 40, 64, 512};

	for (unsigned i = 0; i < sizeof(key_sizes) / sizeof(key_sizes[0]); i++) {
		model_agrees(BPF_MAP_TYPE_HASH, key_sizes[i], 1 + i * 5, 100);
		model_agrees(BPF_MAP_TYPE_PERCPU_HASH, key_sizes[i], 1 + i * 5, 100);
	}
	model_agrees(BPF_MAP_TYPE_HASH, 4, 8, 1);
	model_agrees(BPF_MAP_TYPE_HASH, 20, 8, 11); /* Two buckets: chains. */
	model_agrees(BPF_MAP_TYPE_HASH, 4, 8, 35);
	model_agrees(BPF_MAP_TYPE_PERCPU_HASH, 9, 8, 35);
	model_agrees(BPF_MAP_TYPE_HASH, 4, 8, 3);
}

static void array_is_as_its_model(void **unused)
{
	model_agrees(BPF_MAP_TYPE_ARRAY, 4, 1, 100);
	model_agrees(BPF_MAP_TYPE_ARRAY, 4, 12, 7);
	model_agrees(BPF_MAP_TYPE_PERCPU_ARRAY, 4, 5, 100);
}

static void per_cpu_values_are_each_cpus_own(void **unused)
{
	static const uint32_t types[] = {BPF_MAP_TYPE_PERCPU_ARRAY, BPF_MAP_TYPE_PERCPU_HASH,
					 BPF_MAP_TYPE_LRU_PERCPU_HASH};

	for (unsigned i = 0; i < 3; i++) {
		struct ebpf_map *map = make(types[i], 4, 4, 8);
		uint32_t key = 5;
		uint64_t all[N_CPUS], want[N_CPUS] = {0, 77, 0};
		uint32_t value = 77;

		assert_int_equal(ebpf_map_io_size(map), sizeof(all));
		assert_int_equal(map->ops->update(map, &key, &value, BPF_ANY, 1), 0);
		assert_int_equal(ebpf_map_read(map, &key, all), 0);
		assert_memory_equal(all, want, sizeof(all));
		for (unsigned c = 0; c < N_CPUS; c++)
			want[c] = c + 100;
		assert_int_equal(ebpf_map_write(map, &key, want, BPF_ANY), 0);
		for (unsigned c = 0; c < N_CPUS; c++)
			assert_int_equal(*(uint32_t *)map->ops->lookup(map, &key, c), c + 100);
		assert_null(map->ops->lookup(map, &key, N_CPUS));
		assert_int_equal(map->ops->update(map, &key, &value, BPF_ANY, N_CPUS), -EINVAL);
		ebpf_map_unref(map);
	}
}

static void new_per_cpu_element_is_zero_for_other_cpus(void **unused)
{
	struct ebpf_map *map = make(BPF_MAP_TYPE_PERCPU_HASH, 4, 8, 1);
	uint64_t all[N_CPUS] = {1, 2, 3}, value = 9;
	uint32_t key = 1, other = 2;

	assert_int_equal(ebpf_map_write(map, &key, all, BPF_ANY), 0);
	assert_int_equal(ebpf_map_remove(map, &key), 0);
	assert_int_equal(map->ops->update(map, &other, &value, BPF_ANY, 0), 0);
	assert_int_equal(ebpf_map_read(map, &other, all), 0);
	assert_int_equal(all[0], 9);
	assert_int_equal(all[1] | all[2], 0);
	ebpf_map_unref(map);
}

/* A reader that has the old value keeps it until the element is used again. */
static void update_of_a_hash_puts_another_element_in_place(void **unused)
{
	struct ebpf_map *map = make(BPF_MAP_TYPE_HASH, 8, 8, 4);
	uint64_t key = 1, value = 1, *first, *second;

	assert_int_equal(map->ops->update(map, &key, &value, BPF_ANY, 0), 0);
	first = map->ops->lookup(map, &key, 0);
	value = 2;
	assert_int_equal(map->ops->update(map, &key, &value, BPF_EXIST, 0), 0);
	second = map->ops->lookup(map, &key, 0);
	assert_ptr_not_equal(first, second);
	assert_int_equal(*first, 1);
	assert_int_equal(*second, 2);
	ebpf_map_unref(map);
}

static void full_hash_takes_updates_of_what_is_there(void **unused)
{
	struct ebpf_map *map = make(BPF_MAP_TYPE_HASH, 4, 4, 1000);

	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(map->ops->update(map, &i, &i, BPF_NOEXIST, i % N_CPUS), 0);
	for (uint32_t i = 0; i < 1000; i++)
		assert_int_equal(map->ops->update(map, &i, &i, BPF_ANY, i % N_CPUS), 0);
	for (uint32_t i = 1000; i < 1100; i++)
		assert_int_equal(map->ops->update(map, &i, &i, BPF_ANY, i % N_CPUS), -E2BIG);
	assert_int_equal(ebpf_map_count(map), 1000);
	for (uint32_t i = 0; i < 1000; i += 2)
		assert_int_equal(map->ops->delete (map, &i), 0);
	for (uint32_t i = 2000; i < 2500; i++)
		assert_int_equal(map->ops->update(map, &i, &i, BPF_ANY, i % N_CPUS), 0);
	assert_int_equal(map->ops->update(map, &(uint32_t){0}, &(uint32_t){0}, BPF_ANY, 0), -E2BIG);
	ebpf_map_unref(map);
}

static void large_hash_finds_all_it_was_given(void **unused)
{
	const uint32_t n = 300000;
	struct ebpf_map *map = make(BPF_MAP_TYPE_HASH, 16, 8, n);
	uint64_t key[2] = {0, 7};

	for (key[0] = 0; key[0] < n; key[0]++)
		assert_int_equal(map->ops->update(map, key, key, BPF_ANY, 0), 0);
	for (key[0] = 0; key[0] < n; key[0]++)
		assert_int_equal(*(uint64_t *)map->ops->lookup(map, key, 0), key[0]);
	assert_null(map->ops->lookup(map, key, 0));
	ebpf_map_unref(map);
}

/* 'next' from a key that was deleted meanwhile goes on, and does not begin anew. */
static void walk_that_deletes_as_it_goes_sees_all(void **unused)
{
	struct ebpf_map *map = make(BPF_MAP_TYPE_HASH, 4, 4, 500);
	uint32_t key, *last = NULL, n = 0;

	for (uint32_t i = 0; i < 500; i++)
		assert_int_equal(map->ops->update(map, &i, &i, BPF_ANY, 0), 0);
	while (map->ops->next(map, last, &key) == 0) {
		assert_int_equal(map->ops->delete (map, &key), 0);
		last = &key;
		n++;
	}
	assert_int_equal(n, 500);
	assert_int_equal(ebpf_map_count(map), 0);
	ebpf_map_unref(map);
}

static long delete_it(void *arg, struct ebpf_map *map, const void *key, void *value)
{
	uint32_t k = *(const uint32_t *)key;

	assert_int_equal(*(uint32_t *)value, k);
	assert_int_equal(map->ops->delete (map, &k), 0);
	return ++*(uint32_t *)arg == 400;
}

static void each_may_delete_and_ends_when_told(void **unused)
{
	struct ebpf_map *map = make(BPF_MAP_TYPE_HASH, 4, 4, 500);
	uint32_t n = 0;

	for (uint32_t i = 0; i < 500; i++)
		assert_int_equal(map->ops->update(map, &i, &i, BPF_ANY, 0), 0);
	assert_int_equal(ebpf_map_each(map, 0, delete_it, &n), 400);
	assert_int_equal(ebpf_map_count(map), 100);
	ebpf_map_unref(map);
}

static void lru_never_refuses_and_keeps_what_is_used(void **unused)
{
	static const uint32_t types[] = {BPF_MAP_TYPE_LRU_HASH, BPF_MAP_TYPE_LRU_PERCPU_HASH};
	const uint32_t n = 1000, hot = 100;

	for (unsigned t = 0; t < 2; t++) {
		struct ebpf_map *map = make(types[t], 4, 4, n);
		uint32_t kept = 0;

		for (uint32_t i = 0; i < 50 * n; i++) {
			uint32_t k = i % hot;

			assert_int_equal(map->ops->update(map, &i, &i, BPF_ANY, i % N_CPUS), 0);
			if (i >= hot)
				map->ops->lookup(map, &k, 0);
			assert_true(ebpf_map_count(map) <= n);
		}
		assert_int_equal(ebpf_map_count(map), n);
		for (uint32_t i = 0; i < hot; i++)
			kept += map->ops->lookup(map, &i, 0) != NULL;
		assert_int_equal(kept, hot);
		ebpf_map_unref(map);
	}
}

static void lru_evicts_the_oldest(void **unused)
{
	const uint32_t n = 1024;
	struct ebpf_map *map = make(BPF_MAP_TYPE_LRU_HASH, 4, 4, n);
	uint32_t left = 0;

	for (uint32_t i = 0; i < n + n / 4; i++)
		assert_int_equal(map->ops->update(map, &i, &i, BPF_ANY, 0), 0);
	for (uint32_t i = 0; i < n / 4; i++)
		left += map->ops->lookup(map, &i, 0) != NULL;
	assert_true(left < n / 16);
	ebpf_map_unref(map);
}

static void lru_of_one_element_holds_the_last(void **unused)
{
	struct ebpf_map *map = make(BPF_MAP_TYPE_LRU_HASH, 4, 4, 1);

	for (uint32_t i = 0; i < 1000; i++) {
		assert_int_equal(map->ops->update(map, &i, &i, BPF_ANY, 0), 0);
		assert_int_equal(map->ops->update(map, &i, &i, BPF_EXIST, 0), 0);
		assert_int_equal(*(uint32_t *)map->ops->lookup(map, &i, 0), i);
		assert_int_equal(ebpf_map_count(map), 1);
	}
	ebpf_map_unref(map);
}

static void lock_in_a_value_is_not_overwritten(void **unused)
{
	struct ebpf_map_def def = {.name = "test",
				   .type = BPF_MAP_TYPE_HASH,
				   .key_size = 4,
				   .value_size = 12,
				   .max_entries = 4,
				   .spin_lock_off = 4 + 1};
	uint32_t in[3] = {1, 0xdead, 3}, out[3], key = 0;

	for (unsigned t = 0; t < 2; t++) {
		struct ebpf_map *map = NULL;
		uint32_t *value;

		in[2] = 3;
		def.type = t == 0 ? BPF_MAP_TYPE_HASH : BPF_MAP_TYPE_ARRAY;
		assert_int_equal(ebpf_map_create(&def, N_CPUS, &map, NULL), 0);
		assert_int_equal(map->ops->update(map, &key, in, BPF_ANY, 0), 0);
		value = map->ops->lookup(map, &key, 0);
		assert_int_equal(value[0], 1);
		assert_int_equal(value[1], 0);
		assert_int_equal(value[2], 3);
		in[2] = 4;
		assert_int_equal(map->ops->update(map, &key, in, BPF_F_LOCK | BPF_EXIST, 0), 0);
		assert_ptr_equal(map->ops->lookup(map, &key, 0), value);
		assert_int_equal(value[1], 0);
		assert_int_equal(value[2], 4);
		assert_int_equal(ebpf_map_read(map, &key, out), 0);
		assert_int_equal(out[1], 0);
		ebpf_map_unref(map);
	}
}

static void lock_flag_needs_a_lock(void **unused)
{
	static const uint32_t types[] = {BPF_MAP_TYPE_HASH, BPF_MAP_TYPE_ARRAY};

	for (unsigned t = 0; t < 2; t++) {
		struct ebpf_map *map = make(types[t], 4, 4, 4);
		uint32_t key = 0, value = 0;

		assert_int_equal(map->ops->update(map, &key, &value, BPF_F_LOCK, 0), -EINVAL);
		assert_int_equal(ebpf_map_write(map, &key, &value, BPF_F_LOCK), -EINVAL);
		assert_int_equal(ebpf_map_write(map, &key, &value, UINT64_MAX), -EINVAL);
		ebpf_map_unref(map);
	}
}

static void array_lives_in_memory_that_it_is_given(void **unused)
{
	struct ebpf_map_def def = {.name = "test",
				   .type = BPF_MAP_TYPE_ARRAY,
				   .key_size = 4,
				   .value_size = 12,
				   .max_entries = 256,
				   .memory_size = 4096};
	struct ebpf_map *map = NULL;
	uint32_t key = 3;

	def.memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	def.memory_fd = dup(1);
	assert_int_equal(ebpf_map_create(&def, 1, &map, NULL), 0);
	memcpy((uint8_t *)def.memory + 48, "hello world", 12);
	assert_string_equal(map->ops->lookup(map, &key, 0), "hello world");
	ebpf_map_unref(map);
	assert_int_equal(close(def.memory_fd), -1);

	/* One element more does not fit; memory and descriptor are taken all the same. */
	def.memory = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	def.memory_fd = dup(1);
	def.max_entries = 257;
	assert_int_equal(ebpf_map_create(&def, 1, &map, NULL), -EINVAL);
	assert_int_equal(close(def.memory_fd), -1);
	assert_int_equal(msync(def.memory, 4096, MS_ASYNC), -1);
}

static void memory_that_programs_only_read_is_not_written(void **unused)
{
	struct ebpf_map_def def = {.name = "test",
				   .type = BPF_MAP_TYPE_ARRAY,
				   .key_size = 4,
				   .value_size = 8,
				   .max_entries = 1,
				   .flags = BPF_F_RDONLY_PROG | BPF_F_MMAPABLE,
				   .memory_size = 4096,
				   .memory_fd = -1};
	struct ebpf_map *map = NULL;

	def.memory = mmap(NULL, 4096, PROT_READ, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_int_equal(ebpf_map_create(&def, 1, &map, NULL), 0);
	assert_int_equal(ebpf_map_write(map, &(uint32_t){0}, &(uint64_t){1}, BPF_ANY), -EPERM);
	ebpf_map_unref(map);
}

static void refused(uint32_t type, uint32_t key_size, uint32_t value_size, uint32_t n,
		    uint32_t flags, int rc, const char *slug)
{
	struct ebpf_map_def def = {.name = "test",
				   .type = type,
				   .key_size = key_size,
				   .value_size = value_size,
				   .max_entries = n,
				   .flags = flags};
	struct ebpf_map *map = (void *)&def;
	struct err err = {0};

	assert_int_equal(ebpf_map_create(&def, N_CPUS, &map, &err), rc);
	assert_ptr_equal(map, &def);
	assert_string_equal(err.slug, slug);
	assert_int_not_equal(err.what[0], '\0');
	assert_int_equal(ebpf_map_create(&def, N_CPUS, &map, NULL), rc);
}

static void wrong_definitions_are_refused(void **unused)
{
	refused(BPF_MAP_TYPE_ARRAY, 5, 4, 1, 0, -EINVAL, "bad-map");
	refused(BPF_MAP_TYPE_ARRAY, 4, 0, 1, 0, -EINVAL, "bad-map");
	refused(BPF_MAP_TYPE_ARRAY, 4, 4, 0, 0, -EINVAL, "bad-map");
	refused(BPF_MAP_TYPE_ARRAY, 4, EBPF_MAX_VALUE + 1, 1, 0, -EINVAL, "bad-map");
	refused(BPF_MAP_TYPE_ARRAY, 4, 4, 1, BPF_F_NO_COMMON_LRU, -EINVAL, "bad-map");
	refused(BPF_MAP_TYPE_HASH, 0, 4, 1, 0, -EINVAL, "bad-map");
	refused(BPF_MAP_TYPE_HASH, EBPF_MAX_KEY + 1, 4, 1, 0, -EINVAL, "bad-map");
	refused(BPF_MAP_TYPE_HASH, 4, 0, 1, 0, -EINVAL, "bad-map");
	refused(BPF_MAP_TYPE_HASH, 4, 4, 0, 0, -EINVAL, "bad-map");
	refused(BPF_MAP_TYPE_LRU_HASH, 4, 4, 1, BPF_F_NO_PREALLOC, -EINVAL, "bad-map");
	refused(BPF_MAP_TYPE_HASH, 4, 4, UINT32_MAX, 0, -ENOMEM, "no-memory");
	refused(BPF_MAP_TYPE_ARRAY, 4, EBPF_MAX_VALUE, UINT32_MAX, 0, -ENOMEM, "no-memory");
	refused(BPF_MAP_TYPE_PERCPU_ARRAY, 4, EBPF_MAX_VALUE, UINT32_MAX, 0, -ENOMEM, "no-memory");
	refused(77, 4, 4, 1, 0, -ENOTSUP, "map-type");
	refused(UINT32_MAX, 4, 4, 1, 0, -ENOTSUP, "map-type");
}

static void lock_outside_of_its_value_is_refused(void **unused)
{
	struct ebpf_map_def def = {.name = "test",
				   .type = BPF_MAP_TYPE_ARRAY,
				   .key_size = 4,
				   .value_size = 8,
				   .max_entries = 1};
	static const uint32_t offs[] = {2, 6, 9, 13, UINT32_MAX};
	struct ebpf_map *map;

	for (unsigned i = 0; i < 5; i++) {
		def.spin_lock_off = offs[i];
		assert_int_equal(ebpf_map_create(&def, 1, &map, NULL), -EINVAL);
	}
}

static void memory_is_touched_as_a_map_fills(void **unused)
{
	struct ebpf_map *map = make(BPF_MAP_TYPE_HASH, 16, 48, 8000000);
	unsigned char present[1];
	uint8_t key[16] = {0}, value[48] = {0};

	assert_true(ebpf_map_memory(map) > 8000000ul * 72);
	assert_int_equal(map->ops->update(map, key, value, BPF_ANY, 0), 0);
	/* The last page of it was not. */
	assert_int_equal(mincore((uint8_t *)map + ebpf_map_memory(map) - 4096, 1, present), 0);
	assert_int_equal(present[0] & 1, 0);
	ebpf_map_unref(map);
}

static void same_definitions_are_told_from_others(void **unused)
{
	struct ebpf_map_def inner = {.type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4};
	struct ebpf_map_def a = {.type = BPF_MAP_TYPE_HASH, .key_size = 4, .max_entries = 9};
	struct ebpf_map_def b = a, other = inner;

	assert_true(ebpf_map_same(&a, &b));
	b.flags = BPF_F_NO_PREALLOC;
	assert_false(ebpf_map_same(&a, &b));
	b = a;
	b.inner = &inner;
	assert_false(ebpf_map_same(&a, &b));
	a.inner = &other;
	assert_true(ebpf_map_same(&a, &b));
	other.value_size = 8;
	assert_false(ebpf_map_same(&a, &b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(array_is_as_its_model),
		cmocka_unit_test(hash_is_as_its_model),
		cmocka_unit_test(per_cpu_values_are_each_cpus_own),
		cmocka_unit_test(new_per_cpu_element_is_zero_for_other_cpus),
		cmocka_unit_test(update_of_a_hash_puts_another_element_in_place),
		cmocka_unit_test(full_hash_takes_updates_of_what_is_there),
		cmocka_unit_test(large_hash_finds_all_it_was_given),
		cmocka_unit_test(walk_that_deletes_as_it_goes_sees_all),
		cmocka_unit_test(each_may_delete_and_ends_when_told),
		cmocka_unit_test(lru_never_refuses_and_keeps_what_is_used),
		cmocka_unit_test(lru_evicts_the_oldest),
		cmocka_unit_test(lru_of_one_element_holds_the_last),
		cmocka_unit_test(lock_in_a_value_is_not_overwritten),
		cmocka_unit_test(lock_flag_needs_a_lock),
		cmocka_unit_test(array_lives_in_memory_that_it_is_given),
		cmocka_unit_test(memory_that_programs_only_read_is_not_written),
		cmocka_unit_test(wrong_definitions_are_refused),
		cmocka_unit_test(lock_outside_of_its_value_is_refused),
		cmocka_unit_test(memory_is_touched_as_a_map_fills),
		cmocka_unit_test(same_definitions_are_told_from_others),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
