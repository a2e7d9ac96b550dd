/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What DPDK is started with, and how many huge pages the kernel is asked for: rte_eal_init() and
 * the kernel's files are of paper.
 */
#include "dataplane/dp.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_eal.h>
#include <rte_errno.h>

#define HUGE "/sys/kernel/mm/hugepages/hugepages-2048kB/"

/* The linker puts these in place of the originals (-Wl,--wrap). */
int __wrap_rte_eal_init(int argc, char **argv);
int __wrap_rte_eal_cleanup(void);
FILE *__real_fopen64(const char *path, const char *mode);
FILE *__wrap_fopen64(const char *path, const char *mode);
FILE *__wrap_fopen(const char *path, const char *mode);
int __wrap_access(const char *path, int mode);

static int n_args, eal_rc, eal_errno;
static char args[80][120];
static bool has_pci;
static char note[300];
static struct err err;

/* The kernel: so many pages in all, so many in use, and never more than 'most'. */
static struct {
	bool there;
	long total, used, reserved, most;
	unsigned n_asked;
	char asked[32]; /* what was written last */
} kernel;

int __wrap_rte_eal_init(int argc, char **argv)
{
	n_args = argc;
	for (int i = 0; i < argc; i++)
		snprintf(args[i], sizeof(args[i]), "%s", argv[i]);
	assert_null(argv[argc]);
	rte_errno = eal_errno;
	return eal_rc;
}

int __wrap_rte_eal_cleanup(void)
{
	return 0;
}

int __wrap_access(const char *path, int mode)
{
	assert_string_equal(path, "/sys/bus/pci/devices");
	return has_pci ? 0 : -1;
}

static void grant(void)
{
	long n = atol(kernel.asked);

	if (kernel.asked[0] == '\0')
		return;
	kernel.total = n < kernel.most ? n : kernel.most;
	kernel.asked[0] = '\0';
}

static FILE *number_file(long n)
{
	static char text[8][32];
	static unsigned next;
	char *t = text[next++ % 8];

	snprintf(t, sizeof(text[0]), "%ld\n", n);
	return fmemopen(t, strlen(t), "r");
}

FILE *__wrap_fopen64(const char *path, const char *mode)
{
	if (strncmp(path, HUGE, strlen(HUGE)) != 0)
		return __real_fopen64(path, mode);
	if (!kernel.there)
		return NULL;
	path += strlen(HUGE);
	if (mode[0] == 'w') {
		assert_string_equal(path, "nr_hugepages");
		kernel.n_asked++;
		return fmemopen(kernel.asked, sizeof(kernel.asked), "w");
	}
	grant();
	if (strcmp(path, "free_hugepages") == 0)
		return number_file(kernel.total - kernel.used);
	if (strcmp(path, "resv_hugepages") == 0)
		return number_file(kernel.reserved);
	assert_string_equal(path, "nr_hugepages");
	return number_file(kernel.total);
}

/* By the size of off_t it has the one name or the other. */
FILE *__wrap_fopen(const char *path, const char *mode)
{
	return __wrap_fopen64(path, mode);
}

static int start(void **state)
{
	memset(&kernel, 0, sizeof(kernel));
	kernel.there = true;
	kernel.most = 100000;
	eal_rc = 0;
	eal_errno = 0;
	has_pci = true;
	memset(&err, 0, sizeof(err));
	return 0;
}

static int finish(void **state)
{
	dp_eal_fini();
	return 0;
}

static bool has(const char *arg)
{
	for (int i = 0; i < n_args; i++)
		if (strcmp(args[i], arg) == 0)
			return true;
	return false;
}

static int init(bool no_huge, unsigned mb, int argc, char *const argv[])
{
	return dp_eal_init(3, no_huge, mb, argc, argv, note, sizeof(note), &err);
}

static void without_huge_pages_none_are_asked_for(void **state)
{
	assert_int_equal(init(true, 0, 0, NULL), 0);
	assert_int_equal(kernel.n_asked, 0);
	assert_string_equal(note, "");
	assert_true(has("--no-huge") && has("--no-shconf") && has("-m"));
	assert_false(has("--in-memory"));
	assert_true(has("--lcores=0@3"));
}

static void missing_pages_are_asked_of_the_kernel_and_no_more(void **state)
{
	kernel.total = 50;
	kernel.used = 40;
	assert_int_equal(init(false, 64, 0, NULL), 0); /* 32 pages, 10 are free */
	assert_int_equal(kernel.n_asked, 1);
	assert_int_equal(kernel.total, 72);
	assert_string_equal(note, "");
	assert_true(has("--in-memory"));
	assert_false(has("--no-huge"));
}

static void pages_that_are_there_are_enough(void **state)
{
	kernel.total = 40;
	assert_int_equal(init(false, 64, 0, NULL), 0);
	assert_int_equal(kernel.n_asked, 0);
	assert_true(has("--in-memory"));
}

static void pages_that_are_promised_to_others_are_not_free(void **state)
{
	kernel.total = 40;
	kernel.reserved = 20;
	assert_int_equal(init(false, 64, 0, NULL), 0);
	assert_int_equal(kernel.n_asked, 1);
	assert_int_equal(kernel.total, 52);
	assert_true(has("--in-memory"));
}

static void kernel_that_gives_too_few_is_said_with_what_to_do(void **state)
{
	kernel.total = 7;
	kernel.most = 31;
	assert_int_equal(init(false, 64, 0, NULL), 0);
	assert_true(has("--no-huge"));
	assert_false(has("--in-memory"));
	assert_non_null(strstr(note, "62 MB are to be had, 64 MB wanted"));
	assert_non_null(strstr(note, "echo 32 > /proc/sys/vm/nr_hugepages"));
	/* What is not used is given back. */
	grant();
	assert_int_equal(kernel.total, 7);
}

static void kernel_without_huge_pages_is_no_failure(void **state)
{
	kernel.there = false;
	assert_int_equal(init(false, 0, 0, NULL), 0);
	assert_true(has("--no-huge"));
	assert_non_null(strstr(note, "0 MB are to be had, 192 MB wanted"));
}

static void no_device_is_probed(void **state)
{
	assert_int_equal(init(true, 0, 0, NULL), 0);
	assert_true(has("--allow=0000:00:00.0"));
	assert_false(has("--no-pci"));
	dp_eal_fini();
	has_pci = false;
	assert_int_equal(init(true, 0, 0, NULL), 0);
	assert_true(has("--no-pci"));
}

static void arguments_of_the_administrator_come_last(void **state)
{
	static char *const extra[] = {(char *)(uintptr_t) "--vdev=net_null0",
				      (char *)(uintptr_t) "100%s"};

	assert_int_equal(init(true, 0, 2, extra), 0);
	assert_string_equal(args[n_args - 2], "--vdev=net_null0");
	assert_string_equal(args[n_args - 1], "100%s");
}

static void more_arguments_than_fit_are_refused_not_left_out(void **state)
{
	char *many[100];

	for (unsigned i = 0; i < 100; i++)
		many[i] = (char *)(uintptr_t) "--vdev=net_null0";
	n_args = 0;
	assert_int_equal(init(true, 0, 100, many), -E2BIG);
	assert_string_equal(err.slug, "eal");
	assert_int_equal(n_args, 0);
}

static void dpdk_that_refuses_is_an_error_in_words(void **state)
{
	eal_rc = -1;
	eal_errno = ENODEV;
	assert_int_equal(init(true, 0, 0, NULL), -ENODEV);
	assert_string_equal(err.slug, "eal");
	assert_int_equal(err.code, -ENODEV);
	dp_eal_fini();
	eal_errno = 0;
	assert_int_equal(init(true, 0, 0, NULL), -EIO);
	assert_int_equal(err.code, -EIO);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(without_huge_pages_none_are_asked_for),
		TEST(missing_pages_are_asked_of_the_kernel_and_no_more),
		TEST(pages_that_are_there_are_enough),
		TEST(pages_that_are_promised_to_others_are_not_free),
		TEST(kernel_that_gives_too_few_is_said_with_what_to_do),
		TEST(kernel_without_huge_pages_is_no_failure),
		TEST(no_device_is_probed),
		TEST(arguments_of_the_administrator_come_last),
		TEST(more_arguments_than_fit_are_refused_not_left_out),
		TEST(dpdk_that_refuses_is_an_error_in_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
