/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A machine whose parts cannot be had: each allocation, and each call of KVM, fails once.  Needs a
 * KVM.
 */
#include "hv/partition.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SKIP 77

/* Calls until one fails, once; below 0: none does. */
static int calloc_fails, ioctl_fails;

void *__real_calloc(size_t n, size_t size);
void *__wrap_calloc(size_t n, size_t size);
int __real_ioctl(int fd, unsigned long request, void *arg);
int __wrap_ioctl(int fd, unsigned long request, void *arg);

void *__wrap_calloc(size_t n, size_t size)
{
	return calloc_fails >= 0 && calloc_fails-- == 0 ? NULL : __real_calloc(n, size);
}

int __wrap_ioctl(int fd, unsigned long request, void *arg)
{
	if (ioctl_fails >= 0 && ioctl_fails-- == 0) {
		errno = ENOMEM;
		return -1;
	}
	return __real_ioctl(fd, request, arg);
}

static const struct hv_partition_opts opts = {.n_vps = 2,
					      .memory_size = 32ull << 20,
					      .pages = HV_PAGES_SMALL};

static unsigned open_files(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned n = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		n++;
	closedir(dir);
	return n;
}

/* With the n-th call failing.  Whether there was an n-th. */
static bool try_nth(int *fails, int n, unsigned *failed)
{
	struct hv_partition *partition = NULL;
	struct err err = {0};
	bool reached;
	int rc;

	*fails = n;
	rc = hv_partition_create(&opts, &partition, &err);
	reached = *fails < 0;
	*fails = -1;
	if (rc != 0) {
		assert_null(partition);
		assert_true(rc < 0 && err.code == rc && err.what[0] != '\0');
		(*failed)++;
	}
	hv_partition_destroy(partition);
	return reached;
}

static void fail_each(int *fails, unsigned at_least)
{
	unsigned failed = 0, files;

	(void)try_nth(fails, 1 << 20, &failed); /* what the C library opens once */
	files = open_files();
	for (int n = 0; try_nth(fails, n, &failed); n++)
		assert_int_equal(open_files(), files);
	assert_true(failed >= at_least);
}

static void each_allocation_fails_once_and_nothing_is_left(void **state)
{
	fail_each(&calloc_fails, 8);
}

static void each_call_of_kvm_fails_once_and_nothing_is_left(void **state)
{
	fail_each(&ioctl_fails, 30);
}

static void a_reset_that_failed_can_be_done_again(void **state)
{
	struct hv_partition *partition = NULL;
	struct err err = {0};
	unsigned failed = 0;
	bool reached = true;

	assert_int_equal(hv_partition_create(&opts, &partition, &err), 0);
	for (int n = 0; reached; n++) {
		ioctl_fails = n;
		failed += hv_partition_reset(partition, &err) != 0;
		reached = ioctl_fails < 0;
		ioctl_fails = -1;
		assert_int_equal(hv_partition_reset(partition, &err), 0);
	}
	assert_true(failed >= 10);
	hv_partition_destroy(partition);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_allocation_fails_once_and_nothing_is_left),
		cmocka_unit_test(each_call_of_kvm_fails_once_and_nothing_is_left),
		cmocka_unit_test(a_reset_that_failed_can_be_done_again),
	};
	struct hv_partition *partition;
	struct err err = {0};

	calloc_fails = ioctl_fails = -1;
	if (hv_partition_create(&opts, &partition, &err) != 0) {
		fprintf(stderr, "skipped: %s\n", err.what);
		return SKIP;
	}
	hv_partition_destroy(partition);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
