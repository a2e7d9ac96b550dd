/* SPDX-License-Identifier: BSD-2-Clause */
#include "vswitch/object_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* SHA-256 of "abc" (FIPS 180-2, B.1). */
#define ABC "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
#define MAX 1000u

static char dir[64], sub[80];

static int set_up(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/object-copy-XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(sub, sizeof(sub), "%s/filters", dir);
	return 0;
}

static int tear_down(void **state)
{
	char command[120];

	snprintf(command, sizeof(command), "rm -r %s", dir);
	return system(command) == 0 ? 0 : -1;
}

static const char *path_of(const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s", sub, name);
	return path;
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static void copy_is_found_again_under_its_digest(void **state)
{
	char digest[VS_DIGEST_SIZE];
	struct vs_bytes b = {0};
	struct err err = {0};

	assert_int_equal(vs_digest("abc", 3, digest), 0);
	assert_string_equal(digest, ABC);
	assert_int_equal(vs_copy_read(sub, ABC, MAX, &b, &err), -ENOENT);
	assert_int_equal(vs_copy_write(sub, ABC, "abc", 3, &err), 1);
	assert_int_equal(vs_copy_write(sub, ABC, "abc", 3, &err), 0);
	assert_int_equal(vs_copy_read(sub, ABC, MAX, &b, &err), 0);
	assert_int_equal(b.size, 3);
	assert_memory_equal(b.bytes, "abc", 3);
	vs_bytes_free(&b);
	assert_int_equal(vs_copy_read(sub, ABC, 2, &b, &err), -EFBIG);
}

static void damaged_copy_is_refused_and_written_anew(void **state)
{
	struct vs_bytes b = {0};
	struct err err = {0};

	assert_int_equal(vs_copy_write(sub, ABC, "abc", 3, &err), 1);
	put(path_of(ABC ".o"), "abd");
	assert_int_equal(vs_copy_read(sub, ABC, MAX, &b, &err), -EBADMSG);
	assert_string_equal(err.slug, "damaged");
	assert_int_equal(vs_copy_write(sub, ABC, "abc", 3, &err), 1);
	assert_int_equal(vs_copy_read(sub, ABC, MAX, &b, &err), 0);
	vs_bytes_free(&b);
}

static void only_files_that_everybody_may_read_are_read_unasked(void **state)
{
	struct vs_bytes b = {0};
	struct err err = {0};
	char path[100];

	snprintf(path, sizeof(path), "%s/f", dir);
	put(path, "x");
	assert_int_equal(chmod(path, 0640), 0);
	assert_int_equal(vs_file_read(path, MAX, 0004, &b, &err), -EINVAL);
	assert_string_equal(err.slug, "not-public");
	assert_int_equal(vs_file_read(path, MAX, 0, &b, &err), 0);
	vs_bytes_free(&b);
	assert_int_equal(chmod(path, 0644), 0);
	assert_int_equal(vs_file_read(path, MAX, 0004, &b, &err), 0);
	vs_bytes_free(&b);
	assert_int_equal(vs_file_read(dir, MAX, 0, &b, &err), -EINVAL);
	assert_string_equal(err.slug, "not-a-file");
	assert_int_equal(vs_file_read("/dev/zero", MAX, 0, &b, &err), -EINVAL);
	assert_int_equal(unlink(path), 0);
	/* A pipe that nobody writes to must not hold the daemon. */
	assert_int_equal(mkfifo(path, 0644), 0);
	assert_int_equal(vs_file_read(path, MAX, 0004, &b, &err), -EINVAL);
	assert_string_equal(err.slug, "not-a-file");
}

static int n_files(void)
{
	char command[160];
	int n = -1;
	FILE *f;

	snprintf(command, sizeof(command), "ls -A %s | wc -l", sub);
	f = popen(command, "re");
	assert_int_equal(fscanf(f, "%d", &n), 1);
	pclose(f);
	return n;
}

static void tidying_keeps_what_is_used_and_the_youngest(void **state)
{
	json_t *used = json_object();
	char first[VS_DIGEST_SIZE] = "", digest[VS_DIGEST_SIZE];
	struct vs_bytes b = {0};

	for (int i = 0; i < 6; i++) {
		char text[8];
		struct timespec times[2] = {{.tv_sec = 1000 + i}, {.tv_sec = 1000 + i}};

		snprintf(text, sizeof(text), "%d", i);
		assert_int_equal(vs_digest(text, strlen(text), digest), 0);
		assert_int_equal(vs_copy_write(sub, digest, text, strlen(text), NULL), 1);
		if (i == 0)
			memcpy(first, digest, sizeof(first));
		{
			char name[80];

			snprintf(name, sizeof(name), "%s.o", digest);
			assert_int_equal(utimensat(AT_FDCWD, path_of(name), times, 0), 0);
		}
	}
	put(path_of("notes.txt"), "not ours");
	put(path_of(ABC ".o.new"), "half of it");
	json_object_set_new(used, first, json_true());
	vs_copies_tidy(sub, used, 2, 100);
	assert_int_equal(n_files(), 4); /* the used, the two youngest, the notes */
	assert_int_equal(vs_copy_read(sub, first, MAX, &b, NULL), 0);
	vs_bytes_free(&b);
	assert_int_equal(vs_copy_read(sub, digest, MAX, &b, NULL), 0);
	vs_bytes_free(&b);
	vs_copies_tidy(sub, used, 2, 1);
	assert_int_equal(n_files(), 3);
	vs_copy_remove(sub, digest);
	assert_int_equal(n_files(), 2);
	json_decref(used);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(copy_is_found_again_under_its_digest, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(damaged_copy_is_refused_and_written_anew, set_up,
						tear_down),
		cmocka_unit_test_setup_teardown(only_files_that_everybody_may_read_are_read_unasked,
						set_up, tear_down),
		cmocka_unit_test_setup_teardown(tidying_keeps_what_is_used_and_the_youngest, set_up,
						tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
