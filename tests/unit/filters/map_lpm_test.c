/* SPDX-License-Identifier: BSD-2-Clause
 *
 * LPM tries against a naive model: the longest match, whatever is put in and taken out between.
 */
#include "filters/ebpf/map.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/map_model.h"

static uint64_t state = 1;

static uint32_t rnd(void)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(state >> 33);
}

static struct ebpf_map *make(uint32_t data_size, uint32_t value_size, uint32_t n)
{
	struct ebpf_map_def def = {.name = "trie",
				   .type = BPF_MAP_TYPE_LPM_TRIE,
				   .key_size = 4 + data_size,
				   .value_size = value_size,
				   .max_entries = n,
				   .flags = BPF_F_NO_PREALLOC};
	struct ebpf_map *map = NULL;

	assert_int_equal(ebpf_map_create(&def, 2, &map, NULL), 0);
	return map;
}

/* Keys that share long prefixes, of all lengths. */
static void key_make(uint8_t *key, uint32_t size, uint32_t max_bits)
{
	uint32_t bits = rnd() % 16 == 0 ? rnd() % (max_bits + 2) : rnd() % (max_bits + 1);

	memset(key, 0, size);
	memcpy(key, &bits, 4);
	for (uint32_t i = 4; i < size; i++)
		key[i] = (uint8_t)(rnd() % 8 == 0 ? rnd() : rnd() % 2 * 0xff);
}

static void walk_sees_the_model(struct ebpf_map *map, struct map_model *m)
{
	uint8_t key[MAP_MODEL_KEY];
	const uint8_t *last = NULL;
	uint32_t n = 0;

	while (map->ops->next(map, last, key) == 0) {
		assert_non_null(map_model_find(m, key));
		last = key;
		assert_true(n++ < m->n);
	}
	assert_int_equal(n, m->n);
	assert_int_equal(ebpf_map_count(map), n);
}

static void random_step(struct ebpf_map *map, struct map_model *m)
{
	uint8_t key[MAP_MODEL_KEY], value[MAP_MODEL_VALUE], read[MAP_MODEL_VALUE];
	struct map_model_elem *e;
	void *found;

	key_make(key, m->key_size, (m->key_size - 4) * 8);
	for (unsigned i = 0; i < sizeof(value); i++)
		value[i] = (uint8_t)rnd();
	switch (rnd() % 4) {
	case 0: {
		uint64_t flags = rnd() % 8 == 0 ? rnd() % 4 : 0;

		assert_int_equal(map->ops->update(map, key, value, flags, 0),
				 map_model_update(m, key, value, flags));
		break;
	}
	case 1:
		if (m->n != 0 && rnd() % 2 == 0)
			memcpy(key, m->elems[rnd() % m->n].key, m->key_size);
		assert_int_equal(map->ops->delete (map, key), map_model_delete(m, key));
		break;
	default:
		e = map_model_lookup(m, key);
		found = map->ops->lookup(map, key, 0);
		assert_int_equal(found != NULL, e != NULL);
		assert_int_equal(ebpf_map_read(map, key, read), e != NULL ? 0 : -ENOENT);
		if (e != NULL) {
			assert_memory_equal(found, e->value, m->value_size);
			assert_memory_equal(read, e->value, m->value_size);
		}
	}
}

static void trie_is_as_its_model(void **unused)
{
	static const uint32_t sizes[] = {1, 2, 4, 7, 8, 9, 16, 24, 32, 33, 64, 256};

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct ebpf_map *map = make(sizes[i], 1 + i * 3, 60);
		struct map_model m;

		map_model_init(&m, &map->def);
		for (unsigned j = 0; j < 10000; j++) {
			random_step(map, &m);
			if (j % 200 == 0)
				walk_sees_the_model(map, &m);
		}
		map_model_fini(&m);
		ebpf_map_unref(map);
	}
}

struct key4 {
	uint32_t bits;
	uint8_t addr[4];
};

static struct key4 key4(const char *text)
{
	unsigned a[4], bits;
	struct key4 k;

	assert_int_equal(sscanf(text, "%u.%u.%u.%u/%u", &a[0], &a[1], &a[2], &a[3], &bits), 5);
	k.bits = bits;
	for (unsigned i = 0; i < 4; i++)
		k.addr[i] = (uint8_t)a[i];
	return k;
}

static void put(struct ebpf_map *map, const char *text, uint32_t value)
{
	struct key4 k = key4(text);

	assert_int_equal(map->ops->update(map, &k, &value, BPF_ANY, 0), 0);
}

static uint32_t get(struct ebpf_map *map, const char *text)
{
	struct key4 k = key4(text);
	uint32_t *value = map->ops->lookup(map, &k, 0);

	return value != NULL ? *value : 0;
}

static void longest_prefix_wins(void **unused)
{
	struct ebpf_map *map = make(4, 4, 16);
	struct key4 k = key4("10.1.0.0/16");

	put(map, "0.0.0.0/0", 1);
	put(map, "10.0.0.0/8", 2);
	put(map, "10.1.0.0/16", 3);
	put(map, "10.1.2.3/32", 4);
	assert_int_equal(get(map, "10.1.2.3/32"), 4);
	assert_int_equal(get(map, "10.1.2.4/32"), 3);
	assert_int_equal(get(map, "10.1.2.3/31"), 3);
	assert_int_equal(get(map, "10.2.2.3/32"), 2);
	assert_int_equal(get(map, "11.2.2.3/32"), 1);
	assert_int_equal(map->ops->delete (map, &k), 0);
	assert_int_equal(map->ops->delete (map, &k), -ENOENT);
	assert_int_equal(get(map, "10.1.2.4/32"), 2);
	assert_int_equal(get(map, "10.1.2.3/32"), 4);
	ebpf_map_unref(map);
}

static void prefix_longer_than_its_key_is_refused(void **unused)
{
	struct ebpf_map *map = make(4, 4, 4);
	struct key4 k = {.bits = 33};
	uint32_t value = 1;

	put(map, "0.0.0.0/0", 1);
	assert_int_equal(map->ops->update(map, &k, &value, BPF_ANY, 0), -EINVAL);
	assert_int_equal(map->ops->delete (map, &k), -EINVAL);
	assert_null(map->ops->lookup(map, &k, 0));
	k.bits = UINT32_MAX;
	assert_int_equal(map->ops->update(map, &k, &value, BPF_ANY, 0), -EINVAL);
	assert_null(map->ops->lookup(map, &k, 0));
	ebpf_map_unref(map);
}

static void full_trie_takes_updates_of_what_is_there(void **unused)
{
	struct ebpf_map *map = make(4, 4, 2);
	struct key4 third = key4("9.0.0.0/8");
	uint32_t value = 9;

	put(map, "10.0.0.0/8", 1);
	put(map, "11.0.0.0/8", 2);
	for (unsigned i = 0; i < 100; i++)
		put(map, "11.0.0.0/8", i);
	assert_int_equal(map->ops->update(map, &third, &value, BPF_ANY, 0), -ENOSPC);
	assert_int_equal(get(map, "11.1.1.1/32"), 99);
	ebpf_map_unref(map);
}

static void all_host_routes_of_a_net_fit(void **unused)
{
	struct ebpf_map *map = make(4, 4, 65536);
	struct key4 k = key4("10.0.0.0/32");

	for (uint32_t round = 0; round < 2; round++) {
		for (uint32_t i = 0; i < 65536; i++) {
			k.addr[2] = (uint8_t)(i >> 8);
			k.addr[3] = (uint8_t)i;
			assert_int_equal(map->ops->update(map, &k, &i, BPF_NOEXIST, 0), 0);
		}
		for (uint32_t i = 0; i < 65536; i++) {
			k.addr[2] = (uint8_t)(i >> 8);
			k.addr[3] = (uint8_t)i;
			assert_int_equal(*(uint32_t *)map->ops->lookup(map, &k, 0), i);
			assert_int_equal(map->ops->delete (map, &k), 0);
		}
		assert_int_equal(ebpf_map_count(map), 0);
	}
	ebpf_map_unref(map);
}

static long count_it(void *arg, struct ebpf_map *map, const void *key, void *value)
{
	return ++*(uint32_t *)arg == 3;
}

static void each_ends_when_told(void **unused)
{
	struct ebpf_map *map = make(4, 4, 8);
	uint32_t n = 0;

	put(map, "10.0.0.0/8", 1);
	put(map, "10.1.0.0/16", 1);
	put(map, "10.2.0.0/16", 1);
	put(map, "0.0.0.0/0", 1);
	assert_int_equal(ebpf_map_each(map, 0, count_it, &n), 3);
	n = 10;
	assert_int_equal(ebpf_map_each(map, 0, count_it, &n), 4);
	ebpf_map_unref(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(trie_is_as_its_model),
		cmocka_unit_test(longest_prefix_wins),
		cmocka_unit_test(prefix_longer_than_its_key_is_refused),
		cmocka_unit_test(full_trie_takes_updates_of_what_is_there),
		cmocka_unit_test(all_host_routes_of_a_net_fit),
		cmocka_unit_test(each_ends_when_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
