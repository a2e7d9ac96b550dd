/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Linux' bzImage: a boot sector and real-mode code that we skip, then the kernel, which unpacks
 * itself.  It is entered at its 64-bit entry, 512 bytes in.
 *
 * 	0        0x1f1            (setup_sects + 1) * 512
 * 	| stub   | setup header .. | kernel ─── loaded at pref_address, grows to init_size
 *
 * Source: Linux Documentation/x86/boot.rst, protocol 2.12 (Linux 3.8) and later.
 */
#include "hv/boot_priv.h"

#include <errno.h>
#include <string.h>

/* Offsets in the file. */
enum {
	SETUP_SECTS = 0x1f1,  /* 1 */
	SYSSIZE = 0x1f4,      /* 4, in 16 bytes */
	BOOT_FLAG = 0x1fe,    /* 2 */
	HEADER_END = 0x201,   /* 1, from 0x202 */
	MAGIC = 0x202,	      /* 4 */
	VERSION = 0x206,      /* 2 */
	LOADFLAGS = 0x211,    /* 1 */
	INITRD_MAX = 0x22c,   /* 4 */
	XLOADFLAGS = 0x236,   /* 2 */
	CMDLINE_SIZE = 0x238, /* 4 */
	PREF_ADDRESS = 0x258, /* 8 */
	INIT_SIZE = 0x260,    /* 4 */
	SHORTEST = 0x264,
};

enum {
	BOOT_FLAG_VALUE = 0xaa55,
	OLDEST = 0x20c,
	LOADED_HIGH = 1 << 0,
	XLF_KERNEL_64 = 1 << 0,
	ENTRY_64 = 0x200,
	SECTOR = 512,
	OLD_SETUP_SECTS = 4, /* what 0 means */
};

bool boot_is_bzimage(const uint8_t *head)
{
	return boot_get(head + BOOT_FLAG, 2) == BOOT_FLAG_VALUE &&
	       memcmp(head + MAGIC, "HdrS", 4) == 0;
}

static int check_protocol(const struct boot_file *file, const uint8_t *head, struct err *err)
{
	unsigned version = (unsigned)boot_get(head + VERSION, 2);

	if (file->size < SHORTEST)
		return err_set(err, -EINVAL, file->slug,
			       "%s is cut short: its header ends after %llu bytes", file->name,
			       (unsigned long long)file->size);
	if (version < OLDEST) {
		err_set(err, -EOPNOTSUPP, file->slug, "%s speaks boot protocol %u.%u, too old",
			file->name, version >> 8, version & 0xff);
		err_why(err, "the 64-bit entry is sure from 2.12 (Linux 3.8) on");
		return -EOPNOTSUPP;
	}
	if ((head[LOADFLAGS] & LOADED_HIGH) == 0)
		return err_set(err, -EOPNOTSUPP, file->slug, "%s is a zImage, not a bzImage",
			       file->name);
	if ((boot_get(head + XLOADFLAGS, 2) & XLF_KERNEL_64) == 0)
		return err_set(err, -EOPNOTSUPP, file->slug,
			       "%s is a 32-bit kernel, or has no 64-bit entry", file->name);
	return 0;
}

/* Where the kernel is in the file.  A signature may follow it. */
static int find_payload(const struct boot_file *file, const uint8_t *head, uint64_t *ret_offset,
			uint64_t *ret_size, struct err *err)
{
	uint64_t sects = head[SETUP_SECTS] == 0 ? OLD_SETUP_SECTS : head[SETUP_SECTS];
	uint64_t offset = (sects + 1) * SECTOR, size = boot_get(head + SYSSIZE, 4) * 16;

	/* The last 16 bytes need not be full. */
	if (offset >= file->size || size > file->size - offset + 15)
		return err_set(err, -EINVAL, file->slug,
			       "%s is cut short: it has %llu bytes, and says that it has %llu",
			       file->name, (unsigned long long)file->size,
			       (unsigned long long)(offset + size));
	if (size <= ENTRY_64)
		return err_set(err, -EINVAL, file->slug, "%s has no kernel behind its header",
			       file->name);
	*ret_offset = offset;
	*ret_size = size < file->size - offset ? size : file->size - offset;
	return 0;
}

static void keep_header(struct boot_kernel *kernel, const uint8_t *head)
{
	size_t end = (size_t)MAGIC + head[HEADER_END];

	if (end < SHORTEST)
		end = SHORTEST;
	kernel->header_size = end - BOOT_SETUP_HEADER;
	memcpy(kernel->header, head + BOOT_SETUP_HEADER, kernel->header_size);
}

int boot_bzimage_load(const struct hv_memory *memory, const struct boot_file *file,
		      const uint8_t *head, struct boot_kernel *ret_kernel, struct err *err)
{
	uint64_t load = boot_get(head + PREF_ADDRESS, 8), needs = boot_get(head + INIT_SIZE, 4);
	uint64_t offset = 0, size = 0;
	int rc = check_protocol(file, head, err);

	if (rc == 0)
		rc = find_payload(file, head, &offset, &size, err);
	if (rc != 0)
		return rc;
	if (size > needs)
		return err_set(err, -EINVAL, file->slug,
			       "%s has a kernel of %llu bytes that says it needs %llu", file->name,
			       (unsigned long long)size, (unsigned long long)needs);
	rc = boot_fits(memory, file, "kernel", load, needs, err);
	if (rc == 0)
		rc = boot_file_load(file, offset, memory, load, size, err);
	if (rc != 0)
		return rc;
	*ret_kernel = (struct boot_kernel){
		.entry = BOOT_LINUX64,
		.start = load + ENTRY_64,
		.end = load + needs,
		.initrd_max = boot_get(head + INITRD_MAX, 4),
		.cmdline_max = (uint32_t)boot_get(head + CMDLINE_SIZE, 4),
	};
	keep_header(ret_kernel, head);
	return 0;
}
