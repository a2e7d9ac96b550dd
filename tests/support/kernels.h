/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Kernels that only a loader would take for one, and memory to load them into.  Each builder writes
 * a file that loads, whose fields a test then spoils.
 */
#ifndef TESTS_SUPPORT_KERNELS_H
#define TESTS_SUPPORT_KERNELS_H

#include "hv/boot.h"

#include <stddef.h>
#include <stdint.h>

#define TEST_MB 1048576ull

/* 'size' bytes of memory as hv_memory_create() lays it out, without huge pages or KVM.  0 or
 * negative errno. */
int test_memory_init(struct hv_memory *memory, uint64_t size);
void test_memory_fini(struct hv_memory *memory);
uint8_t *test_memory_at(const struct hv_memory *memory, uint64_t gpa);

/* Little endian. */
void test_put(uint8_t *bytes, size_t at, uint64_t value, size_t size);
uint64_t test_get(const uint8_t *bytes, size_t at, size_t size);

/* A memfd with these bytes, made 'size' long by zeros or cut; negative errno. */
int test_file(const void *bytes, size_t n_bytes, uint64_t size);

/* A bzImage: wants 16 MB and needs 4 MB from there; its kernel bytes are 'K'. */
#define TEST_BZIMAGE_KERNEL 1024 /* offset in the file */
#define TEST_BZIMAGE_SIZE   (TEST_BZIMAGE_KERNEL + 4096)
void test_bzimage(uint8_t bytes[TEST_BZIMAGE_SIZE]);

/* A vmlinux: two segments and a note.  The first goes to 16 MB (4096 bytes 'T', entry at + 64), the
 * second to 18 MB (512 bytes 'D', 8192 in memory); PVH's entry is at 16 MB + 128. */
#define TEST_ELF_PHDRS 64
#define TEST_ELF_NOTE  512
#define TEST_ELF_TEXT  1024
#define TEST_ELF_DATA  (TEST_ELF_TEXT + 4096)
#define TEST_ELF_SIZE  (TEST_ELF_DATA + 512)
void test_elf(uint8_t bytes[TEST_ELF_SIZE]);

#endif
