/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Making each type of map when the n-th thing that it asks the system for fails, for every n: it is
 * refused, and nothing is left behind.
 */
#include "filters/ebpf/map.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cmocka.h>

#include "filters/ebpf/prog.h"

/* The linker puts these in place of the originals (-Wl,--wrap); files have 64-bit sizes. */
void *__real_mmap64(void *addr, size_t size, int prot, int flags, int fd, off_t offset);
int __real_munmap(void *addr, size_t size);
int __real_memfd_create(const char *name, unsigned flags);
int __real_ftruncate64(int fd, off_t size);
ssize_t __real_getrandom(void *buf, size_t size, unsigned flags);
void *__real_realloc(void *p, size_t size);
void *__wrap_mmap64(void *addr, size_t size, int prot, int flags, int fd, off_t offset);
int __wrap_munmap(void *addr, size_t size);
int __wrap_memfd_create(const char *name, unsigned flags);
int __wrap_ftruncate64(int fd, off_t size);
ssize_t __wrap_getrandom(void *buf, size_t size, unsigned flags);
void *__wrap_realloc(void *p, size_t size);

static int fail_at = -1; /* counts down; -1: never */
static long n_bytes;	 /* mapped */

static bool fails(void)
{
	return fail_at >= 0 && fail_at-- == 0;
}

void *__wrap_mmap64(void *addr, size_t size, int prot, int flags, int fd, off_t offset)
{
	void *p = fails() ? MAP_FAILED : __real_mmap64(addr, size, prot, flags, fd, offset);

	if (p != MAP_FAILED && (flags & MAP_FIXED) == 0)
		n_bytes += (long)size;
	return p;
}

int __wrap_munmap(void *addr, size_t size)
{
	n_bytes -= (long)size;
	return __real_munmap(addr, size);
}

int __wrap_memfd_create(const char *name, unsigned flags)
{
	return fails() ? -1 : __real_memfd_create(name, flags);
}

int __wrap_ftruncate64(int fd, off_t size)
{
	return fails() ? -1 : __real_ftruncate64(fd, size);
}

ssize_t __wrap_getrandom(void *buf, size_t size, unsigned flags)
{
	return fails() ? -1 : __real_getrandom(buf, size, flags);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

static unsigned count_fds(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 200; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static const struct ebpf_map_def inner_def = {.type = BPF_MAP_TYPE_ARRAY,
					      .key_size = 4,
					      .value_size = 4,
					      .max_entries = 1};

static const struct ebpf_map_def defs[] = {
	{.type = BPF_MAP_TYPE_ARRAY, .key_size = 4, .value_size = 4},
	{.type = BPF_MAP_TYPE_PERCPU_ARRAY, .key_size = 4, .value_size = 4},
	{.type = BPF_MAP_TYPE_HASH, .key_size = 4, .value_size = 4},
	{.type = BPF_MAP_TYPE_PERCPU_HASH, .key_size = 4, .value_size = 4},
	{.type = BPF_MAP_TYPE_LRU_HASH, .key_size = 4, .value_size = 4},
	{.type = BPF_MAP_TYPE_LRU_PERCPU_HASH, .key_size = 4, .value_size = 4},
	{.type = BPF_MAP_TYPE_LPM_TRIE, .key_size = 8, .value_size = 4, .flags = BPF_F_NO_PREALLOC},
	{.type = BPF_MAP_TYPE_PROG_ARRAY, .key_size = 4, .value_size = 4},
	{.type = BPF_MAP_TYPE_DEVMAP, .key_size = 4, .value_size = 8},
	{.type = BPF_MAP_TYPE_DEVMAP_HASH, .key_size = 4, .value_size = 8},
	{.type = BPF_MAP_TYPE_ARRAY_OF_MAPS, .key_size = 4, .value_size = 4, .inner = &inner_def},
	{.type = BPF_MAP_TYPE_HASH_OF_MAPS, .key_size = 4, .value_size = 4, .inner = &inner_def},
	{.type = BPF_MAP_TYPE_QUEUE, .value_size = 4},
	{.type = BPF_MAP_TYPE_STACK, .value_size = 4},
	{.type = BPF_MAP_TYPE_BLOOM_FILTER, .value_size = 4},
	{.type = BPF_MAP_TYPE_RINGBUF},
	{.type = BPF_MAP_TYPE_PERF_EVENT_ARRAY, .key_size = 4, .value_size = 4},
};

/* Returns true when nothing failed any more. */
static bool try(const struct ebpf_map_def *def, int n)
{
	struct ebpf_map *map = NULL;
	unsigned fds = count_fds();
	long bytes = n_bytes;
	struct err err = {0};
	bool done;
	int rc;

	fail_at = n;
	rc = ebpf_map_create(def, 2, &map, &err);
	done = fail_at >= 0;
	fail_at = -1;
	assert_int_equal(rc == 0, done);
	if (!done) {
		assert_int_equal(rc, -ENOMEM);
		assert_null(map);
		assert_string_equal(err.slug, "no-memory");
	}
	ebpf_map_unref(map);
	assert_int_equal(n_bytes, bytes);
	assert_int_equal(count_fds(), fds);
	return done;
}

static void map_without_memory_is_refused_whole(void **unused)
{
	for (unsigned i = 0; i < sizeof(defs) / sizeof(defs[0]); i++) {
		static const uint32_t sizes[] = {4096, 65536};

		for (unsigned s = 0; s < 2; s++) {
			struct ebpf_map_def def = defs[i];
			int n = 0;

			def.max_entries = sizes[s];
			while (!try(&def, n))
				n++;
			assert_in_range(n, 1, 10);
		}
	}
}

static void devmap_that_cannot_keep_a_program_takes_none(void **unused)
{
	const struct bpf_insn insns[] = {{.code = BPF_ALU64 | BPF_MOV | BPF_K, .imm = 2},
					 {.code = BPF_JMP | BPF_EXIT}};
	struct ebpf_prog_opts opts = {
		.name = "test", .section = "xdp", .insns = insns, .n = 2, .interpret = true};
	struct ebpf_map_def def = {.type = BPF_MAP_TYPE_DEVMAP,
				   .key_size = 4,
				   .value_size = 8,
				   .max_entries = 4};
	uint32_t key = 1, value[2] = {7, 0};
	struct ebpf_prog *prog, *is;
	struct ebpf_map *map;

	assert_int_equal(ebpf_prog_create(&opts, &prog, NULL), 0);
	assert_int_equal(ebpf_map_create(&def, 2, &map, NULL), 0);
	assert_int_equal(ebpf_map_write(map, &key, value, BPF_ANY), 0);
	fail_at = 0;
	assert_int_equal(ebpf_map_put_prog(map, &key, prog, NULL, NULL), -ENOMEM);
	fail_at = -1;
	assert_int_equal(ebpf_map_dev(map, 1, &is), 7);
	assert_null(is);
	assert_int_equal(prog->refs, 1);
	ebpf_map_unref(map);
	ebpf_prog_unref(prog);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(map_without_memory_is_refused_whole),
		cmocka_unit_test(devmap_that_cannot_keep_a_program_takes_none),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
