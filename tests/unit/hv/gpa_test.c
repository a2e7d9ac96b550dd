/* SPDX-License-Identifier: BSD-2-Clause */
#include "hv/gpa.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#define PAGES 16

struct state {
	int fd;
	struct gpa_map map;
};

static int setup(void **state)
{
	static struct state s;

	memset(&s, 0, sizeof(s));
	s.fd = memfd_create("gpa", MFD_CLOEXEC);
	*state = &s;
	return s.fd < 0 ? -1 : ftruncate(s.fd, PAGES * GPA_PAGE_SIZE);
}

static int teardown(void **state)
{
	struct state *s = *state;

	gpa_map_fini(&s->map);
	return close(s->fd);
}

static int add(struct state *s, uint64_t gpa, uint64_t size, uint64_t offset)
{
	struct err err = {0};

	return gpa_map_add(&s->map, gpa, size, s->fd, offset, &err);
}

static void ranges_show_the_same_file(void **state)
{
	struct state *s = *state;

	assert_int_equal(add(s, 0x100000, 4 * GPA_PAGE_SIZE, 0), 0);
	assert_int_equal(add(s, 0, 4 * GPA_PAGE_SIZE, 2 * GPA_PAGE_SIZE), 0);
	memcpy(gpa_at(&s->map, 0x100000 + 2 * GPA_PAGE_SIZE + 5, 3), "abc", 3);
	assert_memory_equal(gpa_at(&s->map, 5, 3), "abc", 3);
	assert_ptr_equal(gpa_page(&s->map, 0x100), gpa_at(&s->map, 0x100000, 1));
}

static void bytes_outside_are_not_found(void **state)
{
	struct state *s = *state;
	uint64_t end = 0x1000 + 4 * GPA_PAGE_SIZE;

	assert_int_equal(add(s, 0x1000, 4 * GPA_PAGE_SIZE, 0), 0);
	assert_null(gpa_at(&s->map, 0xfff, 1));
	assert_null(gpa_at(&s->map, 0xfff, 2));
	assert_non_null(gpa_at(&s->map, end - 1, 1));
	assert_null(gpa_at(&s->map, end - 1, 2));
	assert_null(gpa_at(&s->map, end, 1));
	assert_null(gpa_at(&s->map, 0x1000, 0));
	assert_null(gpa_at(&s->map, 0x1000, UINT64_MAX));
	assert_null(gpa_at(&s->map, UINT64_MAX, 2));
	assert_null(gpa_page(&s->map, UINT64_MAX));
	assert_null(gpa_page(&s->map, 0));
}

static void a_range_is_not_found_through_its_neighbour(void **state)
{
	struct state *s = *state;

	assert_int_equal(add(s, 0, GPA_PAGE_SIZE, 0), 0);
	assert_int_equal(add(s, GPA_PAGE_SIZE, GPA_PAGE_SIZE, 4 * GPA_PAGE_SIZE), 0);
	assert_null(gpa_at(&s->map, GPA_PAGE_SIZE - 1, 2));
}

static void wrong_ranges_are_refused_and_change_nothing(void **state)
{
	struct state *s = *state;

	assert_int_equal(add(s, 0x10000, 4 * GPA_PAGE_SIZE, 0), 0);
	assert_int_equal(add(s, 0x13000, GPA_PAGE_SIZE, 0), -EINVAL);
	assert_int_equal(add(s, 0xf000, 2 * GPA_PAGE_SIZE, 0), -EINVAL);
	assert_int_equal(add(s, 1, GPA_PAGE_SIZE, 0), -EINVAL);
	assert_int_equal(add(s, 0, GPA_PAGE_SIZE + 1, 0), -EINVAL);
	assert_int_equal(add(s, 0, GPA_PAGE_SIZE, 1), -EINVAL);
	assert_int_equal(add(s, 0, 0, 0), -EINVAL);
	assert_int_equal(add(s, 0, GPA_PAGE_SIZE, PAGES * GPA_PAGE_SIZE), -EINVAL);
	assert_int_equal(add(s, UINT64_MAX & ~4095ul, 2 * GPA_PAGE_SIZE, 0), -EINVAL);
	assert_int_equal(s->map.n, 1);
}

static void there_is_a_most_of_ranges(void **state)
{
	struct state *s = *state;

	for (uint64_t i = 0; i < GPA_MAX_RANGES; i++)
		assert_int_equal(add(s, (GPA_MAX_RANGES - i) * 0x10000, GPA_PAGE_SIZE, 0), 0);
	assert_int_equal(add(s, 0, GPA_PAGE_SIZE, 0), -E2BIG);
	for (unsigned i = 1; i < GPA_MAX_RANGES; i++)
		assert_true(s->map.range[i - 1].gpa < s->map.range[i].gpa);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ranges_show_the_same_file, setup, teardown),
		cmocka_unit_test_setup_teardown(bytes_outside_are_not_found, setup, teardown),
		cmocka_unit_test_setup_teardown(a_range_is_not_found_through_its_neighbour, setup,
						teardown),
		cmocka_unit_test_setup_teardown(wrong_ranges_are_refused_and_change_nothing, setup,
						teardown),
		cmocka_unit_test_setup_teardown(there_is_a_most_of_ranges, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
