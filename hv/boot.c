/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See boot.h.  Memory of a guest with an initrd:
 *
 * 	0 ── boot data ── 1 MB ── kernel (where it wants to be) ── .. ── initrd | 3 GB, or the
 * end
 */
#include "hv/boot.h"

#include "hv/acpi.h"
#include "hv/boot_priv.h"

#include <errno.h>
#include <string.h>

#define MB   (1ull << 20)
#define PAGE 4096ull

/* As people give memory: whole 2 MB. */
static unsigned long long megabytes(uint64_t bytes)
{
	return (bytes + 2 * MB - 1) / (2 * MB) * 2;
}

int boot_fits(const struct hv_memory *memory, const struct boot_file *file, const char *what,
	      uint64_t start, uint64_t size, struct err *err)
{
	if (start < HV_KERNEL_MIN || size == 0 || size > HV_LOW_MEMORY_END ||
	    start > HV_LOW_MEMORY_END - size) {
		err_set(err, -EINVAL, file->slug, "%s %s wants the addresses %#llx and %#llx on",
			what, file->name, (unsigned long long)start, (unsigned long long)size);
		err_why(err, "it has to lie between 1 MB and 3 GB");
		return -EINVAL;
	}
	if (start + size <= memory->low_size)
		return 0;
	err_set(err, -ENOSPC, BOOT_SLUG_MEMORY, "%s %s does not fit into %llu MB of memory", what,
		file->name, (unsigned long long)(memory->size / MB));
	err_why(err, "it needs memory up to %llu MB", megabytes(start + size));
	err_fix(err, "give the VM at least %llu MB", megabytes(start + size));
	return -ENOSPC;
}

/* What people try, and is none. */
static const char *guess(const uint8_t *head)
{
	static const uint8_t xz[] = {0xfd, '7', 'z', 'X', 'Z'}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};

	if (head[0] == 0x1f && head[1] == 0x8b)
		return "it is compressed with gzip: unpack it, or use the bzImage (vmlinuz)";
	if (memcmp(head, xz, sizeof(xz)) == 0 || memcmp(head, zstd, sizeof(zstd)) == 0)
		return "it is compressed: unpack it, or use the bzImage (vmlinuz)";
	if (memcmp(head + 56, "ARM\x64", 4) == 0)
		return "it is a kernel for 64-bit ARM";
	return "it has neither the header of a bzImage (vmlinuz) nor that of ELF (vmlinux)";
}

static int load_kernel(const struct hv_memory *memory, const struct boot_file *file,
		       struct boot_kernel *ret_kernel, struct err *err)
{
	uint8_t head[BOOT_HEAD] = {0};
	int rc =
		boot_file_read(file, 0, head, file->size < BOOT_HEAD ? file->size : BOOT_HEAD, err);

	if (rc != 0)
		return rc;
	if (boot_is_elf(head))
		return boot_elf_load(memory, file, head, ret_kernel, err);
	if (boot_is_bzimage(head))
		return boot_bzimage_load(memory, file, head, ret_kernel, err);
	err_set(err, -EINVAL, file->slug, "%s is not a kernel", file->name);
	err_why(err, "%s", guess(head));
	return -EINVAL;
}

static int check_cmdline(const struct boot_kernel *kernel, const char *cmdline, struct err *err)
{
	size_t most = HV_BOOT_CMDLINE_SIZE - 1, size = strlen(cmdline);

	if (kernel->cmdline_max < most)
		most = kernel->cmdline_max;
	if (size <= most)
		return 0;
	return err_set(err, -E2BIG, "cmdline-too-long",
		       "the command line has %zu bytes, and this kernel takes %zu", size, most);
}

static int initrd_too_big(const struct hv_memory *memory, const struct boot_file *file,
			  const struct boot_kernel *kernel, struct err *err)
{
	uint64_t needs = (kernel->end + PAGE - 1) / PAGE * PAGE + file->size;

	if (needs > kernel->initrd_max || needs > HV_LOW_MEMORY_END)
		return err_set(err, -E2BIG, file->slug,
			       "initrd %s has %llu MB: more than this kernel can find", file->name,
			       (unsigned long long)(file->size / MB));
	err_set(err, -ENOSPC, BOOT_SLUG_MEMORY, "initrd %s does not fit into %llu MB of memory",
		file->name, (unsigned long long)(memory->size / MB));
	err_why(err, "it has %llu bytes, and the kernel needs memory up to %llu MB",
		(unsigned long long)file->size, megabytes(kernel->end));
	err_fix(err, "give the VM more than %llu MB, and room to unpack it", megabytes(needs));
	return -ENOSPC;
}

/* As high as it may be. */
static int load_initrd(const struct hv_memory *memory, const struct hv_boot_opts *opts,
		       const struct boot_kernel *kernel, struct boot_initrd *ret_initrd,
		       struct err *err)
{
	uint64_t end = memory->low_size, start;
	struct boot_file file;
	int rc;

	*ret_initrd = (struct boot_initrd){0};
	if (opts->initrd_fd < 0)
		return 0;
	rc = boot_file_init(&file, opts->initrd_fd, opts->initrd, BOOT_SLUG_INITRD, err);
	if (rc != 0)
		return rc;
	if (kernel->initrd_max < end)
		end = kernel->initrd_max + 1;
	if (file.size > end)
		return initrd_too_big(memory, &file, kernel, err);
	start = (end - file.size) / PAGE * PAGE;
	if (start < kernel->end)
		return initrd_too_big(memory, &file, kernel, err);
	*ret_initrd = (struct boot_initrd){.gpa = start, .size = file.size};
	return boot_file_load(&file, 0, memory, start, file.size, err);
}

int hv_boot_load(const struct hv_memory *memory, const struct hv_boot_opts *opts,
		 struct hv_start *ret_start, struct err *err)
{
	struct boot_kernel kernel;
	struct boot_initrd initrd;
	struct boot_file file;
	uint8_t *low = gpa_at(&memory->map, 0, HV_KERNEL_MIN);
	int rc;

	if (low == NULL)
		return err_set(err, -ENOSPC, BOOT_SLUG_MEMORY, "a VM needs more than 1 MB");
	rc = boot_file_init(&file, opts->kernel_fd, opts->kernel, BOOT_SLUG_KERNEL, err);
	if (rc == 0)
		rc = load_kernel(memory, &file, &kernel, err);
	if (rc == 0)
		rc = check_cmdline(&kernel, opts->cmdline, err);
	if (rc == 0)
		rc = load_initrd(memory, opts, &kernel, &initrd, err);
	if (rc == 0)
		rc = hv_acpi_write(memory, opts->n_vps, err);
	if (rc == 0)
		boot_params_write(low, memory, &kernel, &initrd, opts->cmdline, ret_start);
	return rc;
}
