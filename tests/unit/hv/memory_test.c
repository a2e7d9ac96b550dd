/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/memory.h"
#include "hv/layout.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define MB ((uint64_t)1 << 20)

static struct hv_memory memory;

static void make(uint64_t size)
{
	struct err err = {0};

	if (hv_memory_create(size, HV_PAGES_SMALL, &memory, &err) != 0)
		fail_msg("%s", err.what);
}

/* 4 GB, of which next to nothing is touched.  Not on machines that have less. */
static void make_large(void)
{
	struct err err = {0};
	int rc = hv_memory_create(4096 * MB, HV_PAGES_SMALL, &memory, &err);

	if (rc == -ENOMEM)
		skip();
	assert_int_equal(rc, 0);
}

static int end(void **state)
{
	hv_memory_destroy(&memory);
	return 0;
}

static void fill(uint64_t gpa, uint64_t size, int byte)
{
	void *at = gpa_at(&memory.map, gpa, size);

	assert_non_null(at);
	memset(at, byte, size);
}

static uint8_t byte_at(uint64_t gpa)
{
	const uint8_t *at = gpa_at(&memory.map, gpa, 1);

	return at != NULL ? *at : 0xff;
}

static void small_memory_is_in_one_piece(void **state)
{
	make(64 * MB);
	assert_int_equal(memory.low_size, 64 * MB);
	assert_int_equal(memory.high_size, 0);
	assert_int_equal(memory.map.n, 1);
	assert_null(gpa_at(&memory.map, 64 * MB, 1));
}

static void large_memory_leaves_the_hole_under_4_gb(void **state)
{
	make_large();
	assert_int_equal(memory.low_size, HV_LOW_MEMORY_END);
	assert_int_equal(memory.low_size + memory.high_size, 4096 * MB);
	assert_null(gpa_at(&memory.map, HV_LOW_MEMORY_END, 1));
	assert_null(gpa_at(&memory.map, HV_HIGH_MEMORY - 1, 1));
	fill(HV_LOW_MEMORY_END - 1, 1, 1);
	fill(HV_HIGH_MEMORY, 1, 2);
	assert_int_equal(byte_at(HV_LOW_MEMORY_END - 1), 1);
	assert_null(gpa_at(&memory.map, HV_HIGH_MEMORY + memory.high_size, 1));
}

static void nobody_can_cut_it_short(void **state)
{
	make(32 * MB);
	assert_int_not_equal(ftruncate(memory.fd, 0), 0);
	assert_int_not_equal(ftruncate(memory.fd, 64 * (off_t)MB), 0);
	assert_int_not_equal(fcntl(memory.fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), 0);
}

static void discarded_pages_go_back_and_read_as_zeros(void **state)
{
	uint64_t before;

	make(32 * MB);
	fill(0, 8 * MB, 0xaa);
	before = hv_memory_resident(&memory);
	assert_true(before >= 8 * MB);
	assert_int_equal(hv_memory_discard(&memory, 2 * MB, 4 * MB), 0);
	assert_true(hv_memory_resident(&memory) <= before - 4 * MB);
	assert_int_equal(byte_at(2 * MB - 1), 0xaa);
	assert_int_equal(byte_at(2 * MB), 0);
	assert_int_equal(byte_at(6 * MB - 1), 0);
	assert_int_equal(byte_at(6 * MB), 0xaa);
}

static void discarding_high_memory_finds_it_in_the_file(void **state)
{
	make_large();
	fill(HV_HIGH_MEMORY + MB, 3 * 4096, 0xbb);
	fill(HV_LOW_MEMORY_END - 4096, 4096, 0xcc);
	assert_int_equal(hv_memory_discard(&memory, HV_HIGH_MEMORY + MB + 4096, 4096), 0);
	assert_int_equal(byte_at(HV_HIGH_MEMORY + MB), 0xbb);
	assert_int_equal(byte_at(HV_HIGH_MEMORY + MB + 4096), 0);
	assert_int_equal(byte_at(HV_HIGH_MEMORY + MB + 8192), 0xbb);
	assert_int_equal(byte_at(HV_LOW_MEMORY_END - 1), 0xcc);
}

static void parts_of_pages_stay(void **state)
{
	make(32 * MB);
	fill(0, 4 * 4096, 0xdd);
	assert_int_equal(hv_memory_discard(&memory, 1, 4096), 0);
	assert_int_equal(hv_memory_discard(&memory, 4095, 2), 0);
	assert_int_equal(byte_at(1), 0xdd);
	assert_int_equal(hv_memory_discard(&memory, 1, 3 * 4096), 0);
	assert_int_equal(byte_at(4095), 0xdd);
	assert_int_equal(byte_at(4096), 0);
	assert_int_equal(byte_at(3 * 4096 - 1), 0);
	assert_int_equal(byte_at(3 * 4096), 0xdd);
}

static void what_is_not_memory_is_not_discarded(void **state)
{
	make(32 * MB);
	assert_int_equal(hv_memory_discard(&memory, 32 * MB, 4096), -EFAULT);
	assert_int_equal(hv_memory_discard(&memory, 32 * MB - 4096, 8192), -EFAULT);
	assert_int_equal(hv_memory_discard(&memory, 0, 0), -EFAULT);
	assert_int_equal(hv_memory_discard(&memory, UINT64_MAX, 4096), -EFAULT);
	assert_int_equal(hv_memory_discard(&memory, 4096, UINT64_MAX), -EFAULT);
}

static int refused(uint64_t size, enum hv_memory_pages pages, struct err *err)
{
	struct hv_memory untouched = {.fd = -7};
	int rc = hv_memory_create(size, pages, &untouched, err);

	assert_int_equal(untouched.fd, -7);
	return rc;
}

static void wrong_sizes_are_refused(void **state)
{
	struct err err = {0};

	assert_int_equal(refused(0, HV_PAGES_AUTO, &err), -EINVAL);
	assert_int_equal(refused(30 * MB, HV_PAGES_AUTO, &err), -EINVAL);
	assert_int_equal(refused(33 * MB, HV_PAGES_AUTO, &err), -EINVAL);
	assert_int_equal(refused(32 * MB + 1, HV_PAGES_AUTO, &err), -EINVAL);
	assert_int_equal(refused(UINT64_MAX, HV_PAGES_AUTO, &err), -EINVAL);
}

static void more_than_the_host_has_is_refused_with_how_much_there_is(void **state)
{
	struct err err = {0};

	assert_int_equal(refused((uint64_t)1 << 50, HV_PAGES_AUTO, &err), -ENOMEM);
	assert_non_null(strstr(err.what, "there are"));
	assert_int_equal(refused((uint64_t)1 << 50, HV_PAGES_SMALL, &err), -ENOMEM);
	assert_int_equal(refused((uint64_t)1 << 50, HV_PAGES_HUGE, &err), -ENOMEM);
	assert_non_null(strstr(err.what, "huge pages"));
	assert_true(err.fix[0] != '\0');
}

static void huge_pages_are_taken_when_there_are_enough(void **state)
{
	struct err err = {0};
	int rc = hv_memory_create(32 * MB, HV_PAGES_HUGE, &memory, &err);

	if (rc == -ENOMEM)
		skip(); /* This host keeps none: sysctl vm.nr_hugepages. */
	assert_int_equal(rc, 0);
	assert_true(memory.huge);
	fill(0, 8 * MB, 0xee);
	assert_int_equal(hv_memory_resident(&memory), 8 * MB);
	assert_int_equal(hv_memory_discard(&memory, 2 * MB - 4096, 4 * MB), 0);
	assert_int_equal(hv_memory_resident(&memory), 7 * MB - MB);
	assert_int_equal(byte_at(2 * MB - 1), 0xee);
	assert_int_equal(byte_at(4 * MB), 0xee);
	assert_int_equal(byte_at(2 * MB), 0);
}

#define MADE(test) cmocka_unit_test_teardown(test, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		MADE(small_memory_is_in_one_piece),
		MADE(large_memory_leaves_the_hole_under_4_gb),
		MADE(nobody_can_cut_it_short),
		MADE(discarded_pages_go_back_and_read_as_zeros),
		MADE(discarding_high_memory_finds_it_in_the_file),
		MADE(parts_of_pages_stay),
		MADE(what_is_not_memory_is_not_discarded),
		cmocka_unit_test(wrong_sizes_are_refused),
		cmocka_unit_test(more_than_the_host_has_is_refused_with_how_much_there_is),
		MADE(huge_pages_are_taken_when_there_are_enough),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
