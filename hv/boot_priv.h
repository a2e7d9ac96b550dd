/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Between the parts of the boot loader: boot.c finds out what a file is and puts together what
 * boot_bzimage.c and boot_elf.c say of it, boot_params.c writes what a kernel is handed,
 * boot_file.c reads.
 */
#ifndef HV_BOOT_PRIV_H
#define HV_BOOT_PRIV_H

#include "ctl/base/err.h"
#include "hv/boot.h"
#include "hv/layout.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BOOT_SLUG_KERNEL "bad-kernel"
#define BOOT_SLUG_INITRD "bad-initrd"
#define BOOT_SLUG_MEMORY "memory-too-small"

/* ---- boot_file.c ---- */

struct boot_file {
	int fd;
	const char *name;
	const char *slug; /* of errors about it */
	uint64_t size;
};

int boot_file_init(struct boot_file *file, int fd, const char *name, const char *slug,
		   struct err *err);
/* All 'size' bytes at 'offset', or an error: the file is shorter, or cannot be read. */
int boot_file_read(const struct boot_file *file, uint64_t offset, void *to, uint64_t size,
		   struct err *err);
/* The same into the guest's memory, which must be there (boot_fits()). */
int boot_file_load(const struct boot_file *file, uint64_t offset, const struct hv_memory *memory,
		   uint64_t gpa, uint64_t size, struct err *err);

/* ---- what a kernel is ---- */

enum boot_entry {
	BOOT_LINUX64, /* long mode, %rsi: zero page */
	BOOT_PVH,     /* 32 bits, %ebx: start info */
};

#define BOOT_SETUP_HEADER     0x1f1 /* in a bzImage, and in the zero page */
#define BOOT_SETUP_HEADER_MAX 0x301 /* its end: 0x202 plus the byte at 0x201 */

struct boot_kernel {
	enum boot_entry entry;
	uint64_t start;	      /* where it begins to run */
	uint64_t end;	      /* memory before it is the kernel's */
	uint64_t initrd_max;  /* last byte that an initrd may have */
	uint32_t cmdline_max; /* bytes, without the end */
	uint8_t header[BOOT_SETUP_HEADER_MAX - BOOT_SETUP_HEADER];
	size_t header_size;
};

struct boot_initrd {
	uint64_t gpa, size; /* 0: none */
};

/* Memory [start, start + size) is the guest's, above 1 MB and below the hole; else says how much it
 * would take.  'what' is "kernel" or "initrd". */
int boot_fits(const struct hv_memory *memory, const struct boot_file *file, const char *what,
	      uint64_t start, uint64_t size, struct err *err);

/* 'head' are the first BOOT_HEAD bytes of the file, zeros behind its end. */
#define BOOT_HEAD 1024
bool boot_is_bzimage(const uint8_t *head);
int boot_bzimage_load(const struct hv_memory *memory, const struct boot_file *file,
		      const uint8_t *head, struct boot_kernel *ret_kernel, struct err *err);
bool boot_is_elf(const uint8_t *head);
int boot_elf_load(const struct hv_memory *memory, const struct boot_file *file, const uint8_t *head,
		  struct boot_kernel *ret_kernel, struct err *err);

/* ---- boot_params.c ---- */

/* Descriptors, page tables, command line, the map of memory, and the zero page or start info. 'low'
 * is the first MB of the memory. */
void boot_params_write(uint8_t *low, const struct hv_memory *memory,
		       const struct boot_kernel *kernel, const struct boot_initrd *initrd,
		       const char *cmdline, struct hv_start *ret_start);

/* ---- numbers in bytes ---- */

static inline uint64_t boot_get(const uint8_t *at, size_t size)
{
	uint64_t value = 0;

	for (size_t i = size; i > 0; i--)
		value = value << 8 | at[i - 1];
	return value;
}

static inline void boot_put(uint8_t *at, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		at[i] = (uint8_t)(value >> (8 * i));
}

#endif
