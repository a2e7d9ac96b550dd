/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The compiler where memory, or the right to run it, is not to be had.
 */
#include "filters/ebpf/prog.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sys/mman.h>
#include <sys/types.h>

#include "tests/support/ebpf_cases.h"

static struct ebpf_env env = {.random = 1};
static int countdown; /* calls that succeed; below 0: all */
static int failure;   /* errno of the one that does not */

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_mmap(void *at, size_t size, int prot, int flags, int fd, off_t off);
int __real_memfd_create(const char *name, unsigned flags);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t off);
int __wrap_memfd_create(const char *name, unsigned flags);

/* Once it has failed, it fails for good. */
static bool fails(void)
{
	if (countdown < 0)
		return false;
	if (countdown > 0) {
		countdown--;
		return false;
	}
	errno = failure;
	return true;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_mmap(void *at, size_t size, int prot, int flags, int fd, off_t off)
{
	return fails() ? MAP_FAILED : __real_mmap(at, size, prot, flags, fd, off);
}

int __wrap_memfd_create(const char *name, unsigned flags)
{
	return fails() ? -1 : __real_memfd_create(name, flags);
}

static struct ebpf_prog *make(void)
{
	static const struct bpf_insn insns[] = {E_MOVK(BPF_REG_0, 2), E_EXIT};
	const struct ebpf_prog_opts opts = {
		.name = "test", .insns = insns, .n = 2, .gpl = true, .interpret = true};
	struct ebpf_prog *prog;

	assert_int_equal(ebpf_prog_create(&opts, &prog, NULL), 0);
	return prog;
}

static void each_failure(int error, int expected)
{
	struct ebpf_prog *prog = make();
	struct ebpf_ctx ctx = {0};
	int rc = -1;

	for (int n = 0; rc != 0; n++) {
		assert_true(n < 50);
		failure = error;
		countdown = n;
		rc = ebpf_jit(prog);
		countdown = -1;
		if (rc == 0)
			break;
		assert_true(rc == expected || rc == -ENOMEM);
		assert_null(prog->code);
		assert_int_equal(ebpf_run(prog, &ctx), 2);
	}
	assert_int_equal(prog->code(&ctx), 2);
	ebpf_prog_unref(prog);
}

/* A first program of its process, and one that finds a region made. */
static void programs_without_memory_are_not_compiled(void **state)
{
	each_failure(ENOMEM, -ENOMEM);
	each_failure(ENOMEM, -ENOMEM);
}

/* Some systems forbid code that is made at run time: then it is interpreted, and no error. */
static void programs_that_may_not_be_run_are_interpreted(void **state)
{
	each_failure(EACCES, -ENOTSUP);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(programs_that_may_not_be_run_are_interpreted),
		cmocka_unit_test(programs_without_memory_are_not_compiled),
	};

	countdown = -1;
	ebpf_env_enter(&env);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
