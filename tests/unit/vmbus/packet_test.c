/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where the data of a packet is (packet.h), guest pages as bytes (pages.h), and monitor pages.
 */
#include "vmbus/packet.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "hv/gpa.h"
#include "vmbus/gpadl.h"
#include "vmbus/monitor.h"
#include "vmbus/pages.h"

#define SIZE  (4 * 4096u)
#define PAGES 2048

static _Alignas(4096) uint8_t pages[4096 + SIZE];
static _Alignas(4096) uint8_t memory[PAGES * 4096];
static const struct gpa_map map = {
	.n = 1, .range = {{.gpa = 0x1000000, .size = sizeof(memory), .va = memory}}};
#define FIRST_PFN 0x1000u

struct state {
	struct vmbus_out out;
	struct vmbus_in in;
	struct vmbus_packet p;
};

/* Puts a packet with that header at that place of the ring, and takes it. */
static struct state *carry(enum vmbus_packet_type type, const void *header, size_t size,
			   uint32_t index)
{
	static struct state s;
	struct vmbus_ring ring = {(void *)pages, pages + 4096, SIZE};

	ring.hdr->write = index;
	ring.hdr->read = index;
	vmbus_out_init(&s.out, &ring);
	vmbus_in_init(&s.in, &ring);
	vmbus_out_begin(&s.out);
	assert_int_equal(vmbus_out_put(&s.out, type, 0, 1, header, size, "payload", 8), 0);
	vmbus_out_end(&s.out);
	vmbus_in_begin(&s.in);
	assert_true(vmbus_in_next(&s.in, &s.p));
	return &s;
}

static void transfer_pages_go_round(void **state)
{
	const struct vmbus_range ranges[3] = {{60, 0}, {1514, 1728}, {UINT32_MAX, UINT32_MAX}};
	uint8_t header[8 + 24];
	struct vmbus_range got[3];
	uint16_t id = 0;

	assert_int_equal(vmbus_transfer_write(header, 0xcafe, ranges, 3), sizeof(header));
	for (uint32_t index = SIZE - 64; index < SIZE; index += 8) {
		struct state *s = carry(VMBUS_PKT_TRANSFER_PAGES, header, sizeof(header), index);

		assert_int_equal(vmbus_transfer_read(&s->in, &s->p, &id, got, 3), 3);
		assert_memory_equal(got, ranges, sizeof(ranges));
		assert_int_equal(id, 0xcafe);
		assert_int_equal(vmbus_transfer_read(&s->in, &s->p, &id, got, 2), -EBADMSG);
	}
}

static void transfer_counts_that_lie_are_refused(void **state)
{
	static const uint32_t bad[] = {0, 4, 5, 0x20000000, UINT32_MAX};
	const struct vmbus_range ranges[3] = {{1, 2}, {3, 4}, {5, 6}};
	uint8_t header[8 + 24];
	struct vmbus_range got[64];
	struct state *s;
	uint16_t id = 0;

	vmbus_transfer_write(header, 1, ranges, 3);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		memcpy(header + 4, &bad[i], 4);
		s = carry(VMBUS_PKT_TRANSFER_PAGES, header, sizeof(header), 0);
		assert_int_equal(vmbus_transfer_read(&s->in, &s->p, &id, got, 64), -EBADMSG);
	}
	s = carry(VMBUS_PKT_TRANSFER_PAGES, NULL, 0, 0);
	assert_int_equal(vmbus_transfer_read(&s->in, &s->p, &id, got, 64), -EBADMSG);
	vmbus_transfer_write(header, 1, ranges, 3);
	s = carry(VMBUS_PKT_INBAND, header, sizeof(header), 0);
	assert_int_equal(vmbus_transfer_read(&s->in, &s->p, &id, got, 64), -EBADMSG);
}

static int gpa_read(const uint64_t *header, size_t n_words, uint32_t index, struct vmbus_piece *ret,
		    unsigned max, uint32_t *ret_size)
{
	struct state *s = carry(VMBUS_PKT_GPA_DIRECT, header, n_words * 8, index);

	return vmbus_gpa_read(&s->in, &s->p, &map, ret, max, ret_size);
}

static uint64_t range_of(uint32_t size, uint32_t offset)
{
	return size | (uint64_t)offset << 32;
}

static void check_three_pieces(const uint64_t *header, size_t n_words, uint32_t index)
{
	const struct vmbus_piece want[3] = {{memory + 3 * 4096 + 4000, 96},
					    {memory + 7 * 4096, 8192},
					    {memory + 4096, 10}};
	struct vmbus_piece got[3];
	uint32_t size = 0;

	assert_int_equal(gpa_read(header, n_words, index, got, 3, &size), 3);
	assert_int_equal(size, 96 + 8192 + 10);
	for (unsigned i = 0; i < 3; i++) {
		assert_ptr_equal(got[i].va, want[i].va);
		assert_int_equal(got[i].size, want[i].size);
	}
	assert_int_equal(gpa_read(header, n_words, index, got, 2, &size), -EBADMSG);
}

static void one_range_of_many_pages_and_many_of_one_are_the_same(void **state)
{
	const uint64_t pfns[4] = {FIRST_PFN + 3, FIRST_PFN + 7, FIRST_PFN + 8, FIRST_PFN + 1};
	/* What is reserved may hold anything. */
	const uint64_t many[1 + 8] = {0x4deadbeef, range_of(96, 4000), pfns[0], range_of(4096, 0),
				      pfns[1],	   range_of(4096, 0),  pfns[2], range_of(10, 0),
				      pfns[3]};
	uint64_t one[2 + 4];

	assert_int_equal(vmbus_gpa_write(one, 96 + 8192 + 10, 4000, pfns, 4), sizeof(one));
	for (uint32_t index = SIZE - 128; index < SIZE; index += 8) {
		check_three_pieces(one, 6, index);
		check_three_pieces(many, 9, index);
	}
}

static void gpa_ranges_at_their_edges(void **state)
{
	struct vmbus_piece got[16];
	uint32_t size = 0;
	struct {
		uint64_t words[5];
		size_t n;
		int want;
	} cases[] = {
		/* The count of ranges. */
		{{0ull << 32, range_of(8, 0), FIRST_PFN}, 3, -EBADMSG},
		{{1ull << 32, range_of(8, 0), FIRST_PFN}, 3, 1},
		{{2ull << 32, range_of(8, 0), FIRST_PFN}, 3, -EBADMSG},
		{{1024ull << 32, range_of(8, 0), FIRST_PFN}, 3, -EBADMSG},
		{{1025ull << 32, range_of(8, 0), FIRST_PFN}, 3, -EBADMSG},
		{{0xffffffffull << 32, range_of(8, 0), FIRST_PFN}, 3, -EBADMSG},
		{{2ull << 32, range_of(8, 0), FIRST_PFN, range_of(8, 0)}, 4, -EBADMSG},
		{{2ull << 32, range_of(8, 0), FIRST_PFN, range_of(8, 0), FIRST_PFN + 4}, 5, 2},
		/* The size of a range: pages that are missing. */
		{{1ull << 32, range_of(0, 0), FIRST_PFN}, 3, -EBADMSG},
		{{1ull << 32, range_of(4096, 0), FIRST_PFN}, 3, 1},
		{{1ull << 32, range_of(4097, 0), FIRST_PFN}, 3, -EBADMSG},
		{{1ull << 32, range_of(UINT32_MAX, 0), FIRST_PFN}, 3, -EBADMSG},
		{{1ull << 32, range_of(UINT32_MAX, 4095), FIRST_PFN}, 3, -EBADMSG},
		/* The offset. */
		{{1ull << 32, range_of(1, 4095), FIRST_PFN}, 3, 1},
		{{1ull << 32, range_of(2, 4095), FIRST_PFN}, 3, -EBADMSG},
		{{1ull << 32, range_of(2, 4095), FIRST_PFN, FIRST_PFN + 4}, 4, 2},
		{{1ull << 32, range_of(1, 4096), FIRST_PFN, FIRST_PFN}, 4, -EBADMSG},
		{{1ull << 32, range_of(1, UINT32_MAX), FIRST_PFN}, 3, -EBADMSG},
		/* The page. */
		{{1ull << 32, range_of(1, 0), FIRST_PFN - 1}, 3, -EFAULT},
		{{1ull << 32, range_of(1, 0), FIRST_PFN + PAGES - 1}, 3, 1},
		{{1ull << 32, range_of(1, 0), FIRST_PFN + PAGES}, 3, -EFAULT},
		{{1ull << 32, range_of(1, 0), UINT64_MAX}, 3, -EFAULT},
		{{1ull << 32, range_of(1, 0), UINT64_MAX >> 12}, 3, -EFAULT},
		/* Nothing but a count. */
		{{1ull << 32}, 1, -EBADMSG},
		{{1ull << 32, range_of(1, 0)}, 2, -EBADMSG},
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		if (gpa_read(cases[i].words, cases[i].n, 0, got, 16, &size) != cases[i].want)
			fail_msg("case %u", i);
}

/* A megabyte and a thousand pages are the most, however they are told. */
static void gpa_bytes_and_pages_are_bounded(void **state)
{
	static uint64_t words[2 + 1100];
	static struct vmbus_piece got[1100];
	uint32_t size = 0;

	for (unsigned i = 0; i < 1100; i++)
		words[2 + i] = FIRST_PFN + 2 * (i % 1000);
	words[0] = 1ull << 32;
	words[1] = range_of(1 << 20, 0);
	assert_int_equal(gpa_read(words, 2 + 256, 0, got, 256, &size), 256);
	words[1] = range_of((1 << 20) + 1, 0);
	assert_int_equal(gpa_read(words, 2 + 257, 0, got, 1100, &size), -EBADMSG);
	/* One byte of each of 512 pages twice... */
	for (unsigned i = 0; i < 550; i++) {
		words[1 + 2 * i] = range_of(1, 0);
		words[2 + 2 * i] = FIRST_PFN + 2 * i;
	}
	words[0] = 550ull << 32;
	assert_int_equal(gpa_read(words, 1 + 1100, 0, got, 550, &size), 550);
	assert_int_equal(size, 550);
	words[0] = 1025ull << 32;
	assert_int_equal(gpa_read(words, 1 + 1100, 0, got, 1100, &size), -EBADMSG);
}

/* ---- Pages ---- */

static struct vmbus_gpadl *gpadl_make(uint32_t offset, uint32_t size, uint32_t n, uint32_t step)
{
	struct vmbus_gpadl *g = calloc(1, sizeof(*g) + n * sizeof(g->pfns[0]));

	assert_non_null(g);
	*g = (struct vmbus_gpadl){.byte_offset = offset, .byte_count = size, .n_pfns = n};
	for (uint32_t i = 0; i < n; i++)
		g->pfns[i] = FIRST_PFN + i * step;
	return g;
}

static void check_pages(uint32_t step)
{
	struct vmbus_gpadl *g = gpadl_make(100, 3 * 4096 - 200, 3, step);
	uint8_t in[3 * 4096 - 200], out[sizeof(in)];
	struct vmbus_pages *p;

	assert_int_equal(vmbus_pages_create(&map, g, &p), 0);
	assert_int_equal(p->size, sizeof(in));
	assert_int_equal(p->flat != NULL, step == 1);
	for (size_t i = 0; i < sizeof(in); i++)
		in[i] = (uint8_t)rand();
	vmbus_pages_write(p, 0, in, sizeof(in));
	vmbus_pages_read(p, 0, out, sizeof(out));
	assert_memory_equal(in, out, sizeof(in));
	assert_memory_equal(memory + 100, in, 3996);
	assert_memory_equal(memory + 2 * step * 4096, in + 3996 + 4096, 3996);
	for (size_t at = 3990; at < 4000; at++) {
		size_t holds;

		vmbus_pages_read(p, at, out, 20);
		assert_memory_equal(out, in + at, 20);
		assert_memory_equal(vmbus_pages_at(p, at, 20, &holds), in + at, 1);
		assert_in_range(holds, 1, 20);
	}
	vmbus_pages_destroy(p);
	free(g);
}

static void bytes_of_pages_that_lie_together(void **state)
{
	check_pages(1);
}

static void bytes_of_pages_that_lie_apart(void **state)
{
	check_pages(5);
}

static void pages_that_are_no_memory_are_refused(void **state)
{
	struct vmbus_gpadl *g = gpadl_make(0, 3 * 4096, 3, 1);
	struct vmbus_pages *p = NULL;

	g->pfns[2] = FIRST_PFN + PAGES;
	assert_int_equal(vmbus_pages_create(&map, g, &p), -EFAULT);
	g->pfns[2] = FIRST_PFN;
	g->byte_offset = 1;
	assert_int_equal(vmbus_pages_create(&map, g, &p), -EFAULT);
	g->byte_offset = UINT32_MAX;
	assert_int_equal(vmbus_pages_create(&map, g, &p), -EFAULT);
	g->byte_offset = 0;
	g->byte_count = UINT32_MAX;
	assert_int_equal(vmbus_pages_create(&map, g, &p), -EFAULT);
	g->byte_count = 0;
	assert_int_equal(vmbus_pages_create(&map, g, &p), -EFAULT);
	assert_null(p);
	free(g);
	vmbus_pages_destroy(NULL);
}

/* ---- Monitors ---- */

static void monitors_are_taken_once(void **state)
{
	struct vmbus_monitor m = {.child_to_parent = memory};
	uint32_t got[4];

	memset(memory, 0, 4096);
	assert_false(vmbus_monitor_take(&m, got));
	for (unsigned id = 0; id < VMBUS_N_MONITORS; id++) {
		assert_true(vmbus_monitor_set(&m, (uint8_t)id));
		assert_int_equal(memory[8 + id / 32 * 8 + id % 32 / 8], 1 << (id % 8));
		assert_true(vmbus_monitor_take_one(&m, (uint8_t)id));
		assert_false(vmbus_monitor_take_one(&m, (uint8_t)id));
	}
	vmbus_monitor_set(&m, 33);
	vmbus_monitor_set(&m, 127);
	assert_true(vmbus_monitor_take(&m, got));
	assert_int_equal(got[0], 0);
	assert_int_equal(got[1], 2);
	assert_int_equal(got[2], 0);
	assert_int_equal(got[3], 0x80000000);
	assert_false(vmbus_monitor_take(&m, got));
}

static void latency_is_told_in_microseconds(void **state)
{
	struct vmbus_monitor m = {.child_to_parent = memory};

	memset(memory, 0, 4096);
	memory[576 + 2 * 40] = 0xf4;
	memory[576 + 2 * 40 + 1] = 0x01;
	assert_int_equal(vmbus_monitor_latency_us(&m, 40), 50);
	assert_int_equal(vmbus_monitor_latency_us(&m, 41), 0);
}

static void monitors_that_are_none_are_no_memory(void **state)
{
	struct vmbus_monitor none = {NULL, NULL}, m = {.child_to_parent = memory};
	uint32_t got[4] = {1, 1, 1, 1};

	assert_false(vmbus_monitor_take(&none, got));
	assert_int_equal(got[0] | got[1] | got[2] | got[3], 0);
	assert_false(vmbus_monitor_set(&none, 0));
	assert_false(vmbus_monitor_take_one(&none, 0));
	assert_int_equal(vmbus_monitor_latency_us(&none, 0), 0);
	assert_false(vmbus_monitor_set(&m, VMBUS_N_MONITORS));
	assert_false(vmbus_monitor_take_one(&m, VMBUS_NO_MONITOR));
	assert_int_equal(vmbus_monitor_latency_us(&m, VMBUS_NO_MONITOR), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(transfer_pages_go_round),
		cmocka_unit_test(transfer_counts_that_lie_are_refused),
		cmocka_unit_test(one_range_of_many_pages_and_many_of_one_are_the_same),
		cmocka_unit_test(gpa_ranges_at_their_edges),
		cmocka_unit_test(gpa_bytes_and_pages_are_bounded),
		cmocka_unit_test(bytes_of_pages_that_lie_together),
		cmocka_unit_test(bytes_of_pages_that_lie_apart),
		cmocka_unit_test(pages_that_are_no_memory_are_refused),
		cmocka_unit_test(monitors_are_taken_once),
		cmocka_unit_test(latency_is_told_in_microseconds),
		cmocka_unit_test(monitors_that_are_none_are_no_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
