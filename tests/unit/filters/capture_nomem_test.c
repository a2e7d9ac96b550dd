/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Starting a capture when the n-th allocation fails, for every n: it is refused, nothing is left
 * behind, and what ran before runs on.
 */
#include "filters/capture.h"
#include "tests/support/mbufs.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* The linker puts these in place of the originals (-Wl,--wrap). */
void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
char *__real_strdup(const char *s);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);
char *__wrap_strdup(const char *s);

static int fail_at = -1; /* counts down; -1: never */

static bool fails(void)
{
	return fail_at >= 0 && fail_at-- == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return fails() ? NULL : __real_aligned_alloc(align, size);
}

char *__wrap_strdup(const char *s)
{
	return fails() ? NULL : __real_strdup(s);
}

static struct dp_capture_point *points[DP_MAX_PORTS];

static void set_point(void *ctx, uint16_t port_id, struct dp_capture_point *point)
{
	points[port_id] = point;
}

static unsigned count_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1000; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void set_that_has_no_memory_is_refused(void **state)
{
	struct filter_captures *set = NULL;
	unsigned before = count_fds();

	fail_at = 0;
	assert_int_equal(filter_captures_create("test", set_point, NULL, &set, NULL), -ENOMEM);
	fail_at = -1;
	assert_null(set);
	assert_int_equal(count_fds(), before);
}

/* Returns true when nothing failed any more. */
static bool try_start(struct filter_captures *set, int n)
{
	struct filter_capture_opts opts = {
		.name = "new", .dir_fd = -1, .n_workers = 2, .ring_size = 1, .expr = "tcp port 80"};
	struct filter_capture *c = NULL;
	unsigned before = count_fds();
	struct err err = {0};
	int rc;

	opts.fd = open("/dev/null", O_WRONLY);
	fail_at = n;
	rc = filter_capture_create(set, &opts, &c, &err);
	if (rc == 0)
		rc = filter_capture_port_add(c, 2, "p2", "x", &err);
	if (fail_at >= 0) {
		fail_at = -1;
		assert_int_equal(rc, 0);
		return true;
	}
	if (rc != 0)
		assert_int_equal(rc, -ENOMEM);
	if (c == NULL) { /* Refused whole. */
		assert_int_not_equal(rc, 0);
		assert_string_equal(err.slug, "no-memory");
		assert_int_equal(count_fds(), before);
		return false;
	}
	/* It runs, without the port if that failed. */
	assert_int_equal(points[2] != NULL, rc == 0);
	filter_capture_stop(c, "stopped");
	for (unsigned i = 0; i < 500 && filter_capture_find(set, "new") == c; i++) {
		struct filter_capture_info info;

		usleep(2000);
		filter_captures_poll(set);
		filter_capture_info(c, &info);
		if (info.state == FILTER_CAPTURE_ENDED)
			break;
	}
	assert_null(points[2]);
	return false;
}

static void capture_that_has_no_memory_is_refused_whole(void **state)
{
	struct filter_captures *set = NULL;
	struct filter_capture *old = NULL;
	struct filter_capture_opts opts = {.name = "old",
					   .dir_fd = -1,
					   .n_workers = 1,
					   .ring_size = 1};
	struct filter_capture_info info;
	int n = 0;

	assert_int_equal(filter_captures_create("test", set_point, NULL, &set, NULL), 0);
	opts.fd = open("/dev/null", O_WRONLY);
	assert_int_equal(filter_capture_create(set, &opts, &old, NULL), 0);
	assert_int_equal(filter_capture_port_add(old, 1, "p1", "x", NULL), 0);
	while (!try_start(set, n))
		n++;
	assert_true(n > 8); /* So many places can fail; if fewer, the wrapping does not work. */
	filter_capture_info(old, &info);
	assert_int_equal(info.state, FILTER_CAPTURE_RUNNING);
	assert_non_null(points[1]);
	filter_captures_destroy(set);
}

/* The point that is left when one of two captures goes cannot be made: the port loses both rather
 * than keep one that is gone. */
static void port_whose_point_cannot_be_remade_has_none(void **state)
{
	struct filter_captures *set = NULL;
	struct filter_capture *c[2] = {NULL, NULL};
	struct filter_capture_opts opts = {.dir_fd = -1, .n_workers = 1, .ring_size = 1};

	assert_int_equal(filter_captures_create("test", set_point, NULL, &set, NULL), 0);
	for (unsigned i = 0; i < 2; i++) {
		opts.fd = open("/dev/null", O_WRONLY);
		assert_int_equal(filter_capture_create(set, &opts, &c[i], NULL), 0);
		assert_int_equal(filter_capture_port_add(c[i], 1, "p1", "x", NULL), 0);
	}
	fail_at = 0;
	filter_capture_port_remove(c[0], 1);
	assert_int_equal(fail_at, -1);
	assert_null(points[1]);
	filter_captures_destroy(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(set_that_has_no_memory_is_refused),
		cmocka_unit_test(capture_that_has_no_memory_is_refused_whole),
		cmocka_unit_test(port_whose_point_cannot_be_remade_has_none),
	};

	mbufs_pool("frames", 15, 2048); /* Starts EAL. */
	return cmocka_run_group_tests(tests, NULL, NULL);
}
