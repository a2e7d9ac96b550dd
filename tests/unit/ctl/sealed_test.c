/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Files that pass from one process to another: what was read is what is mapped, and nothing that
 * can still change is.
 */
#include "ctl/base/sealed.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

static int pipe_with(const char *text)
{
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	assert_int_equal(write(ends[1], text, strlen(text)), (ssize_t)strlen(text));
	close(ends[1]);
	return ends[0];
}

static void what_was_read_is_what_is_mapped(void **state)
{
	int from = pipe_with("a line\nanother"), fd;
	struct sealed s;
	struct err err;

	fd = sealed_copy(from, "x", 100, &err);
	assert_true(fd >= 0);
	assert_int_equal(sealed_map(fd, 100, &s, &err), 0);
	close(fd);
	assert_int_equal(s.size, 14);
	assert_memory_equal(s.text, "a line\nanother", 14);
	sealed_unmap(&s);
	assert_int_equal(s.size, 0);
	close(from);
}

static void nothing_is_something_too(void **state)
{
	int from = pipe_with(""), fd = sealed_copy(from, "x", 100, NULL);
	struct sealed s = {.size = 7};

	assert_true(fd >= 0);
	assert_int_equal(sealed_map(fd, 100, &s, NULL), 0);
	assert_int_equal(s.size, 0);
	sealed_unmap(&s);
	close(fd);
	close(from);
}

static void longer_than_the_limit_is_refused_on_both_sides(void **state)
{
	int from = pipe_with("0123456789"), fd;
	struct sealed s;
	struct err err;

	assert_int_equal(sealed_copy(from, "acl.flows", 9, &err), -EFBIG);
	assert_string_equal(err.slug, "too-long");
	assert_non_null(strstr(err.what, "acl.flows"));
	close(from);
	from = pipe_with("0123456789");
	fd = sealed_copy(from, "acl.flows", 10, &err);
	assert_true(fd >= 0);
	assert_int_equal(sealed_map(fd, 9, &s, &err), -EFBIG);
	assert_int_equal(sealed_map(fd, 10, &s, &err), 0);
	sealed_unmap(&s);
	close(fd);
	close(from);
}

static void what_can_still_change_is_not_mapped(void **state)
{
	static const unsigned seals[] = {0, F_SEAL_SHRINK, F_SEAL_SHRINK | F_SEAL_GROW,
					 F_SEAL_GROW | F_SEAL_WRITE, F_SEAL_SHRINK | F_SEAL_WRITE};
	struct sealed s;
	struct err err;
	int fd;

	for (unsigned i = 0; i < sizeof(seals) / sizeof(seals[0]); i++) {
		fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		assert_int_equal(write(fd, "text", 4), 4);
		assert_int_equal(fcntl(fd, F_ADD_SEALS, seals[i]), 0);
		assert_int_equal(sealed_map(fd, 100, &s, &err), -EINVAL);
		assert_string_equal(err.slug, "not-sealed");
		close(fd);
	}
	fd = pipe_with("text");
	assert_int_equal(sealed_map(fd, 100, &s, &err), -EINVAL);
	close(fd);
	assert_int_equal(sealed_map(-1, 100, &s, &err), -EINVAL);
}

static void file_that_cannot_be_read_says_why(void **state)
{
	int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	struct err err;

	assert_int_equal(sealed_copy(fd, "/", 100, &err), -EISDIR);
	assert_string_equal(err.slug, "cannot-read");
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_read_is_what_is_mapped),
		cmocka_unit_test(nothing_is_something_too),
		cmocka_unit_test(longer_than_the_limit_is_refused_on_both_sides),
		cmocka_unit_test(what_can_still_change_is_not_mapped),
		cmocka_unit_test(file_that_cannot_be_read_says_why),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
