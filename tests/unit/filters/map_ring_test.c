/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ring buffers and the rings of perf event arrays, on one thread: order, room, what is counted as
 * lost.
 */
#include "filters/ebpf/map.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define RING 4096u

static uint64_t state = 1;

static uint32_t rnd(void)
{
	state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
	return (uint32_t)(state >> 33);
}

static struct ebpf_map *make(uint32_t type, uint32_t n)
{
	bool perf = type == BPF_MAP_TYPE_PERF_EVENT_ARRAY;
	struct ebpf_map_def def = {.name = "ring",
				   .type = type,
				   .key_size = perf ? 4 : 0,
				   .value_size = perf ? 4 : 0,
				   .max_entries = n};
	struct ebpf_map *map = NULL;

	assert_int_equal(ebpf_map_create(&def, 3, &map, NULL), 0);
	return map;
}

/* A record is its number and as many bytes of that as it has. */
static void record_make(uint8_t *record, uint32_t size, uint32_t number)
{
	memset(record, (int)(number & 0xff), size);
	memcpy(record, &number, 4);
}

struct reader {
	uint32_t next, cpu; /* number that must come, of this CPU */
	uint32_t sizes[4096];
};

static void take(void *arg, uint32_t cpu, const void *data, uint32_t size)
{
	struct reader *r = arg;
	uint8_t want[40000];

	assert_int_equal(cpu, r->cpu);
	assert_int_equal(size, r->sizes[r->next % 4096]);
	record_make(want, size, r->next++);
	assert_memory_equal(data, want, size);
}

static void records_come_in_order_and_whole(void **unused)
{
	struct ebpf_map *map = make(BPF_MAP_TYPE_RINGBUF, RING);
	struct reader r = {0};
	uint32_t next = 0, lost = 0;
	uint8_t record[RING];

	for (unsigned i = 0; i < 100000; i++) {
		uint32_t size = 4 + rnd() % (rnd() % 8 == 0 ? 2000 : 60);

		if (rnd() % 20 == 0) {
			ebpf_map_drain(map, rnd() % 30, take, &r);
			continue;
		}
		record_make(record, size, next);
		if (ebpf_ring_output(map, record, size) == 0)
			r.sizes[next++ % 4096] = size;
		else
			lost++;
		assert_int_equal(ebpf_map_lost(map), lost);
	}
	while (ebpf_map_drain(map, 7, take, &r) != 0)
		continue;
	assert_int_equal(r.next, next);
	assert_true(lost > 100 && next > 10000);
	assert_int_equal(ebpf_ring_query(map, BPF_RB_AVAIL_DATA), 0);
	ebpf_map_unref(map);
}

static void count_it(void *arg, uint32_t cpu, const void *data, uint32_t size)
{
	++*(uint32_t *)arg;
}

static void reader_stops_at_what_is_not_submitted(void **unused)
{
	struct ebpf_map *map = make(BPF_MAP_TYPE_RINGBUF, RING);
	void *a = ebpf_ring_reserve(map, 8), *b = ebpf_ring_reserve(map, 8);
	void *c = ebpf_ring_reserve(map, 8);
	uint32_t n = 0;

	ebpf_ring_submit(b, false);
	assert_int_equal(ebpf_map_drain(map, 10, count_it, &n), 0);
	ebpf_ring_submit(a, false);
	assert_int_equal(ebpf_map_drain(map, 10, count_it, &n), 2);
	ebpf_ring_submit(c, true);
	assert_int_equal(ebpf_map_drain(map, 10, count_it, &n), 0);
	assert_int_equal(n, 2);
	assert_int_equal(ebpf_ring_query(map, BPF_RB_CONS_POS), 48);
	ebpf_map_unref(map);
}

static void record_has_room_or_is_counted(void **unused)
{
	struct ebpf_map *map = make(BPF_MAP_TYPE_RINGBUF, RING);
	static const uint64_t too_large[] = {RING,	 RING - 7,	 UINT32_MAX,
					     UINT64_MAX, UINT64_MAX - 8, 1u << 30};
	void *all;

	for (unsigned i = 0; i < 6; i++)
		assert_null(ebpf_ring_reserve(map, too_large[i]));
	assert_int_equal(ebpf_map_lost(map), 6);
	all = ebpf_ring_reserve(map, RING - 8);
	assert_non_null(all);
	memset(all, 1, RING - 8);
	assert_null(ebpf_ring_reserve(map, 0));
	assert_int_equal(ebpf_map_lost(map), 7);
	ebpf_ring_submit(all, true);
	assert_int_equal(ebpf_map_drain(map, 1, count_it, &(uint32_t){0}), 0);
	assert_non_null(ebpf_ring_reserve(map, 0));
	ebpf_map_unref(map);
}

static void query_tells_positions(void **unused)
{
	struct ebpf_map *map = make(BPF_MAP_TYPE_RINGBUF, RING);

	assert_int_equal(ebpf_ring_query(map, BPF_RB_RING_SIZE), RING);
	ebpf_ring_submit(ebpf_ring_reserve(map, 1), false);
	assert_int_equal(ebpf_ring_query(map, BPF_RB_PROD_POS), 16);
	assert_int_equal(ebpf_ring_query(map, BPF_RB_AVAIL_DATA), 16);
	assert_int_equal(ebpf_ring_query(map, BPF_RB_CONS_POS), 0);
	assert_int_equal(ebpf_ring_query(map, 99), 0);
	ebpf_map_unref(map);
}

static void sizes_that_no_ring_has_are_refused(void **unused)
{
	static const uint32_t sizes[] = {0, 1, 2048, 4095, 4097, 12288, UINT32_MAX};
	struct ebpf_map_def def = {.name = "ring", .type = BPF_MAP_TYPE_RINGBUF};
	struct ebpf_map *map;

	for (unsigned i = 0; i < 7; i++) {
		def.max_entries = sizes[i];
		assert_int_equal(ebpf_map_create(&def, 1, &map, NULL), -EINVAL);
	}
}

/* What is made of other things than rings. */
static void other_maps_have_no_records(void **unused)
{
	struct ebpf_map_def def = {.name = "not a ring",
				   .type = BPF_MAP_TYPE_ARRAY,
				   .key_size = 4,
				   .value_size = 4,
				   .max_entries = 1};
	struct ebpf_map *map;

	assert_int_equal(ebpf_map_create(&def, 1, &map, NULL), 0);
	assert_null(ebpf_ring_reserve(map, 8));
	assert_int_equal(ebpf_ring_query(map, BPF_RB_RING_SIZE), 0);
	assert_int_equal(ebpf_perf_output(map, 0, &def, 8, NULL, 0), -EINVAL);
	assert_int_equal(ebpf_map_drain(map, 9, count_it, NULL), 0);
	assert_int_equal(ebpf_map_lost(map), 0);
	ebpf_map_unref(map);
}

static void perf_records_come_in_order_and_whole(void **unused)
{
	struct ebpf_map *map = make(BPF_MAP_TYPE_PERF_EVENT_ARRAY, 0);
	struct reader r = {.cpu = 2};
	uint32_t next = 0, lost = 0;
	uint8_t record[32768];

	for (unsigned i = 0; i < 100000; i++) {
		uint32_t size = 4 + rnd() % (rnd() % 8 == 0 ? 20000 : 200), head = 4;
		long rc;

		if (rnd() % 50 == 0) {
			ebpf_map_drain(map, rnd() % 100, take, &r);
			continue;
		}
		record_make(record, size, next);
		rc = ebpf_perf_output(map, 2, record, head, record + head, size - head);
		assert_true(rc == 0 || rc == -ENOSPC);
		if (rc == 0)
			r.sizes[next++ % 4096] = size;
		else
			lost++;
	}
	while (ebpf_map_drain(map, 7, take, &r) != 0)
		continue;
	assert_int_equal(r.next, next);
	assert_int_equal(ebpf_map_lost(map), lost);
	assert_true(lost > 100 && next > 10000);
	ebpf_map_unref(map);
}

static void perf_rings_are_each_cpus_own_and_drained_in_turn(void **unused)
{
	struct ebpf_map *map = make(BPF_MAP_TYPE_PERF_EVENT_ARRAY, 3);
	struct reader r = {.sizes = {4, 4, 4, 4}};
	uint32_t number = 0;

	for (uint32_t cpu = 0; cpu < 3; cpu++)
		assert_int_equal(ebpf_perf_output(map, cpu, &number, 4, NULL, 0), 0);
	for (r.cpu = 0; r.cpu < 3; r.cpu++) {
		r.next = 0;
		assert_int_equal(ebpf_map_drain(map, 1, take, &r), 1);
	}
	assert_int_equal(ebpf_perf_output(map, 3, &number, 4, NULL, 0), -E2BIG);
	ebpf_map_unref(map);
}

static void perf_record_too_large_is_refused(void **unused)
{
	struct ebpf_map *map = make(BPF_MAP_TYPE_PERF_EVENT_ARRAY, 3);
	static uint8_t bytes[40000];

	assert_int_equal(ebpf_perf_output(map, 0, bytes, 32768 - 8, NULL, 0), 0);
	assert_int_equal(ebpf_perf_output(map, 0, bytes, 32768 - 7, NULL, 0), -E2BIG);
	assert_int_equal(ebpf_perf_output(map, 0, bytes, 1, bytes, UINT64_MAX), -E2BIG);
	assert_int_equal(ebpf_perf_output(map, 0, bytes, UINT64_MAX, bytes, 1), -E2BIG);
	assert_int_equal(ebpf_perf_output(map, 0, bytes, 32768, bytes, 1), -E2BIG);
	ebpf_map_unref(map);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_come_in_order_and_whole),
		cmocka_unit_test(reader_stops_at_what_is_not_submitted),
		cmocka_unit_test(record_has_room_or_is_counted),
		cmocka_unit_test(query_tells_positions),
		cmocka_unit_test(sizes_that_no_ring_has_are_refused),
		cmocka_unit_test(other_maps_have_no_records),
		cmocka_unit_test(perf_records_come_in_order_and_whole),
		cmocka_unit_test(perf_rings_are_each_cpus_own_and_drained_in_turn),
		cmocka_unit_test(perf_record_too_large_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
