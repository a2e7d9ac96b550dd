/* SPDX-License-Identifier: BSD-2-Clause */
#include "vmbus/proto.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vmbus/gpadl.h"

static const struct {
	uint32_t type;
	size_t size;
	bool from_guest;
} types[] = {
	{1, 196, false}, {2, 12, false},  {3, 8, true},	  {4, 8, false},  {5, 148, true},
	{6, 20, false},	 {7, 12, true},	  {8, 20, true},  {9, 16, true},  {10, 20, false},
	{11, 16, true},	 {12, 12, false}, {13, 12, true}, {14, 40, true}, {15, 16, false},
	{16, 8, true},	 {17, 8, false},  {21, 40, true}, {22, 16, true}, {24, 16, false},
};
#define N_TYPES (sizeof(types) / sizeof(types[0]))

/* The result of reading 'size' bytes, in memory that ends with them. */
static int read_exactly(uint32_t type, size_t size, bool from_guest)
{
	uint8_t *bytes = calloc(1, size > 0 ? size : 1);
	union vmbus_msg msg;
	int rc;

	assert_non_null(bytes);
	memcpy(bytes, &type, size < sizeof(type) ? size : sizeof(type));
	rc = vmbus_msg_read(bytes, size, from_guest, &msg);
	free(bytes);
	return rc;
}

static void each_type_has_its_least_size(void **state)
{
	for (size_t i = 0; i < N_TYPES; i++) {
		uint32_t type = types[i].type;
		size_t size = types[i].size;
		union vmbus_msg msg;

		assert_int_equal(read_exactly(type, 0, types[i].from_guest), -EBADMSG);
		assert_int_equal(read_exactly(type, 7, types[i].from_guest), -EBADMSG);
		assert_int_equal(read_exactly(type, size - 1, types[i].from_guest), -EBADMSG);
		assert_int_equal(read_exactly(type, size, types[i].from_guest), 0);
		assert_int_equal(read_exactly(type, size + 1, types[i].from_guest), 0);
		assert_int_equal(read_exactly(type, VMBUS_MSG_MAX, types[i].from_guest), 0);
		assert_int_equal(read_exactly(type, VMBUS_MSG_MAX + 1, types[i].from_guest),
				 -EBADMSG);
		assert_int_equal(read_exactly(type, VMBUS_MSG_MAX, !types[i].from_guest),
				 -EOPNOTSUPP);
		assert_int_equal(vmbus_msg_init(&msg, (enum vmbus_msg_type)type), size);
		assert_int_equal(msg.header.type, type);
	}
}

static void other_types_are_refused(void **state)
{
	static const uint32_t others[] = {0, 18, 19, 20, 23, 25, 26, 27, 28, 29, 30, UINT32_MAX};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_int_equal(read_exactly(others[i], VMBUS_MSG_MAX, true), -EOPNOTSUPP);
		assert_int_equal(read_exactly(others[i], VMBUS_MSG_MAX, false), -EOPNOTSUPP);
	}
}

static void a_message_that_is_refused_changes_nothing(void **state)
{
	union vmbus_msg msg, before;
	uint8_t bytes[11] = {VMBUS_MSG_CLOSE};

	memset(&msg, 0x5a, sizeof(msg));
	before = msg;
	assert_int_equal(vmbus_msg_read(bytes, sizeof(bytes), true, &msg), -EBADMSG);
	assert_memory_equal(&msg, &before, sizeof(msg));
}

/* Writes a GPADL, reads its words again. */
static void round_trip(uint32_t n, uint32_t offset)
{
	uint64_t pfns[VMBUS_GPADL_MAX_PFNS], words[VMBUS_GPADL_MAX_PFNS + 1];
	struct vmbus_gpadl_range range = {.byte_count = n * 4096 - offset,
					  .byte_offset = offset,
					  .n_pfns = n,
					  .pfns = pfns};
	struct vmbus_gpadl_words all = {.at = words};
	struct vmbus_gpadl_range got;
	const uint64_t *at;
	union vmbus_msg msg;
	uint32_t left;
	size_t size;

	for (uint32_t i = 0; i < n; i++)
		pfns[i] = (uint64_t)i * 0x100000001;
	size = vmbus_gpadl_header_write(&msg, 7, 9, &range, &at, &left);
	assert_int_equal(msg.gpadl_header.range_bytes, 8 + 8 * n);
	assert_int_equal(msg.gpadl_header.n_ranges, 1);
	assert_int_equal(left, n > 26 ? n - 26 : 0); /* as Linux does */
	all.n = (uint32_t)(size - VMBUS_GPADL_HEADER_SIZE) / 8;
	memcpy(words, msg.gpadl_header.words, all.n * 8);
	while (left > 0) {
		size = vmbus_gpadl_body_write(&msg, 9, &at, &left);
		assert_true(size <= VMBUS_MSG_MAX);
		memcpy(&words[all.n], msg.gpadl_body.words, size - VMBUS_GPADL_BODY_SIZE);
		all.n += (uint32_t)(size - VMBUS_GPADL_BODY_SIZE) / 8;
	}
	assert_int_equal(vmbus_gpadl_range_read(&all, &got), 0);
	assert_int_equal(got.byte_count, range.byte_count);
	assert_int_equal(got.byte_offset, offset);
	assert_int_equal(got.n_pfns, n);
	assert_memory_equal(got.pfns, pfns, n * 8);
	assert_int_equal(all.n, 0);
}

static void gpadls_are_read_as_they_were_written(void **state)
{
	static const uint32_t sizes[] = {1, 2, 25, 26, 27, 54, 55, 1000, VMBUS_GPADL_MAX_PFNS};

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		round_trip(sizes[i], 0);
		round_trip(sizes[i], 1);
		round_trip(sizes[i], 4095);
	}
}

static void several_ranges_are_read_one_by_one(void **state)
{
	const uint64_t words[] = {4096, 1, (uint64_t)100 << 32 | 4096, 2, 3, 1, 4};
	struct vmbus_gpadl_words all = {.at = words, .n = 7};
	struct vmbus_gpadl_range r;

	assert_int_equal(vmbus_gpadl_range_read(&all, &r), 0);
	assert_int_equal(r.n_pfns, 1);
	assert_int_equal(r.pfns[0], 1);
	assert_int_equal(vmbus_gpadl_range_read(&all, &r), 0);
	assert_int_equal(r.n_pfns, 2);
	assert_int_equal(r.pfns[1], 3);
	assert_int_equal(vmbus_gpadl_range_read(&all, &r), 0);
	assert_int_equal(r.byte_count, 1);
	assert_int_equal(r.pfns[0], 4);
	assert_int_equal(vmbus_gpadl_range_read(&all, &r), -EBADMSG);
}

static void ranges_that_are_none_are_refused(void **state)
{
	static const uint64_t wrong[][2] = {
		{0, 1},					/* no bytes */
		{4097, 1},				/* two pages */
		{(uint64_t)1 << 32 | 4096, 1},		/* across the page's end */
		{(uint64_t)4096 << 32 | 1, 1},		/* an offset of another page */
		{UINT64_MAX, 1},			/* all ones */
		{(uint64_t)4095 << 32 | UINT32_MAX, 1}, /* more than 32 bits together */
	};
	struct vmbus_gpadl_range r;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct vmbus_gpadl_words all = {.at = wrong[i], .n = 2};

		assert_int_equal(vmbus_gpadl_range_read(&all, &r), -EBADMSG);
		assert_int_equal(all.n, 2);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_type_has_its_least_size),
		cmocka_unit_test(other_types_are_refused),
		cmocka_unit_test(a_message_that_is_refused_changes_nothing),
		cmocka_unit_test(gpadls_are_read_as_they_were_written),
		cmocka_unit_test(several_ranges_are_read_one_by_one),
		cmocka_unit_test(ranges_that_are_none_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
