/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Maps without keys: queues, stacks, Bloom filters.
 */
#include "filters/ebpf/map.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct ebpf_map *make(uint32_t type, uint32_t value_size, uint32_t n, uint64_t extra)
{
	struct ebpf_map_def def = {.name = "test",
				   .type = type,
				   .value_size = value_size,
				   .max_entries = n,
				   .extra = extra};
	struct ebpf_map *map = NULL;

	assert_int_equal(ebpf_map_create(&def, 2, &map, NULL), 0);
	return map;
}

static void queue_gives_the_oldest_first(void **unused)
{
	struct ebpf_map *map = make(BPF_MAP_TYPE_QUEUE, 8, 5, 0);
	uint64_t in = 0, out = 0, value;

	for (unsigned i = 0; i < 1000; i++) {
		if ((i * 7919 >> 3) % 2 == 0) {
			long rc = map->ops->push(map, &in, BPF_ANY);

			assert_int_equal(rc, in - out == 5 ? -E2BIG : 0);
			in += rc == 0;
		} else {
			assert_int_equal(map->ops->peek(map, &value), in == out ? -ENOENT : 0);
			assert_int_equal(value, in == out ? 0 : out);
			assert_int_equal(map->ops->pop(map, &value), in == out ? -ENOENT : 0);
			out += in != out;
		}
		assert_int_equal(ebpf_map_count(map), in - out);
	}
	assert_true(out > 100);
	ebpf_map_unref(map);
}

static void values_are_read_by_place_and_stay(void **unused)
{
	struct ebpf_map *q = make(BPF_MAP_TYPE_QUEUE, 8, 3, 0),
			*s = make(BPF_MAP_TYPE_STACK, 8, 3, 0);
	uint32_t place;
	uint64_t value;

	/* So that the queue's ring has gone round. */
	for (uint64_t i = 0; i < 5; i++) {
		assert_int_equal(q->ops->push(q, &i, BPF_EXIST), 0);
		assert_int_equal(s->ops->push(s, &i, BPF_EXIST), 0);
	}
	for (place = 0; place < 3; place++) {
		assert_int_equal(ebpf_map_read(q, &place, &value), 0);
		assert_int_equal(value, 2 + place);
		assert_int_equal(ebpf_map_read(s, &place, &value), 0);
		assert_int_equal(value, 4 - place);
	}
	assert_int_equal(ebpf_map_read(q, &place, &value), -ENOENT);
	place = UINT32_MAX;
	assert_int_equal(ebpf_map_read(s, &place, &value), -ENOENT);
	assert_int_equal(ebpf_map_count(q), 3);
	assert_int_equal(ebpf_map_count(s), 3);
	ebpf_map_unref(q);
	ebpf_map_unref(s);
}

static void stack_gives_the_youngest_first(void **unused)
{
	struct ebpf_map *map = make(BPF_MAP_TYPE_STACK, 12, 3, 0);
	uint32_t value[3] = {0};

	for (value[0] = 0; value[0] < 3; value[0]++)
		assert_int_equal(map->ops->push(map, value, BPF_ANY), 0);
	assert_int_equal(map->ops->push(map, value, BPF_ANY), -E2BIG);
	for (uint32_t i = 3; i-- > 0;) {
		assert_int_equal(map->ops->peek(map, value), 0);
		assert_int_equal(value[0], i);
		assert_int_equal(map->ops->pop(map, value), 0);
		assert_int_equal(value[0], i);
	}
	value[2] = 77;
	assert_int_equal(map->ops->pop(map, value), -ENOENT);
	assert_int_equal(value[2], 0);
	ebpf_map_unref(map);
}

static void full_one_drops_its_oldest_when_asked(void **unused)
{
	static const uint32_t types[] = {BPF_MAP_TYPE_QUEUE, BPF_MAP_TYPE_STACK};

	for (unsigned t = 0; t < 2; t++) {
		struct ebpf_map *map = make(types[t], 4, 3, 0);
		uint32_t value;

		for (value = 0; value < 10; value++)
			assert_int_equal(map->ops->push(map, &value, BPF_EXIST), 0);
		assert_int_equal(ebpf_map_count(map), 3);
		for (uint32_t i = 0; i < 3; i++) {
			assert_int_equal(map->ops->pop(map, &value), 0);
			assert_int_equal(value, t == 0 ? 7 + i : 9 - i);
		}
		ebpf_map_unref(map);
	}
}

static void wrong_flags_are_refused(void **unused)
{
	struct ebpf_map *map = make(BPF_MAP_TYPE_QUEUE, 4, 3, 0);
	uint32_t value = 1;

	assert_int_equal(map->ops->push(map, &value, BPF_NOEXIST), -EINVAL);
	assert_int_equal(map->ops->push(map, &value, BPF_NOEXIST | BPF_EXIST), -EINVAL);
	assert_int_equal(map->ops->push(map, &value, BPF_F_LOCK), -EINVAL);
	ebpf_map_unref(map);
	map = make(BPF_MAP_TYPE_BLOOM_FILTER, 4, 3, 0);
	assert_int_equal(map->ops->push(map, &value, BPF_EXIST), -EINVAL);
	assert_null(map->ops->pop);
	ebpf_map_unref(map);
}

static void tool_pushes_and_peeks(void **unused)
{
	struct ebpf_map *map = make(BPF_MAP_TYPE_QUEUE, 4, 3, 0);
	uint32_t value = 5;

	assert_int_equal(ebpf_map_write(map, NULL, &value, BPF_ANY), 0);
	value = 0;
	assert_int_equal(ebpf_map_read(map, NULL, &value), 0);
	assert_int_equal(value, 5);
	assert_int_equal(ebpf_map_remove(map, NULL), -ENOTSUP);
	assert_null(map->ops->lookup);
	assert_null(map->ops->next);
	ebpf_map_unref(map);
}

static void value_make(uint8_t *value, uint32_t size, uint32_t i)
{
	memset(value, 0x33, size);
	memcpy(value, &i, size < 4 ? size : 4);
	if (size > 8)
		memcpy(value + size - 4, &i, 4);
}

static void bloom_filter_never_denies_and_seldom_errs(void **unused)
{
	static const uint32_t sizes[] = {4, 8, 13, 256, 300, 1024};
	const uint32_t n = 2000;

	for (unsigned s = 0; s < sizeof(sizes) / sizeof(sizes[0]); s++) {
		struct ebpf_map *map = make(BPF_MAP_TYPE_BLOOM_FILTER, sizes[s], n, s);
		uint8_t value[1024];
		uint32_t wrong = 0;

		for (uint32_t i = 0; i < n; i++) {
			value_make(value, sizes[s], i);
			assert_int_equal(map->ops->push(map, value, BPF_ANY), 0);
		}
		for (uint32_t i = 0; i < n; i++) {
			value_make(value, sizes[s], i);
			assert_int_equal(map->ops->peek(map, value), 0);
			assert_int_equal(ebpf_map_read(map, NULL, value), 0);
		}
		for (uint32_t i = n; i < 2 * n; i++) {
			value_make(value, sizes[s], i);
			wrong += map->ops->peek(map, value) == 0;
		}
		/* One hash of half-empty bits errs in half of all cases. */
		assert_true(wrong < (s == 1 ? n * 6 / 10 : n * 3 / 10));
		ebpf_map_unref(map);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(queue_gives_the_oldest_first),
		cmocka_unit_test(values_are_read_by_place_and_stay),
		cmocka_unit_test(stack_gives_the_youngest_first),
		cmocka_unit_test(full_one_drops_its_oldest_when_asked),
		cmocka_unit_test(wrong_flags_are_refused),
		cmocka_unit_test(tool_pushes_and_peeks),
		cmocka_unit_test(bloom_filter_never_denies_and_seldom_errs),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
