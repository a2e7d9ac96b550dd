/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any file as a kernel, of any size, with an initrd of any size.
 *
 * 	byte 0      bits: there is an initrd
 * 	1 to 4      zeros behind the kernel's bytes (little endian)
 * 	5 to 8      size of the initrd
 * 	9, 10       length of the command line
 * 	the rest    the kernel's bytes
 *
 * Either it is refused with a reason, or what is said to start lies in the guest's memory.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "ctl/base/wire.h"
#include "tests/support/kernels.h"

#define MEMORY	    (32 * TEST_MB)
#define CMDLINE_MAX 5000

static void check(bool ok)
{
	if (!ok)
		abort();
}

static bool in_memory(uint64_t gpa, uint64_t size)
{
	return gpa < MEMORY && size <= MEMORY - gpa;
}

static void check_initrd(const struct hv_memory *memory, uint64_t size)
{
	const uint8_t *zero = test_memory_at(memory, HV_BOOT_PARAMS);

	check(test_get(zero, 0x21c, 4) == size);
	check(size == 0 || in_memory(test_get(zero, 0x218, 4), size));
}

static void load(const struct hv_memory *memory, const struct hv_boot_opts *opts, uint64_t size)
{
	struct hv_start start;
	struct err err = {0};
	int rc = hv_boot_load(memory, opts, &start, &err);

	check(rc <= 0 && err.code == rc);
	if (rc != 0) {
		check(err.what[0] != '\0' && err.slug[0] != '\0');
		return;
	}
	check(start.rip >= HV_KERNEL_MIN && in_memory(start.rip, 1));
	check((start.cr3 == HV_BOOT_TABLES) != (start.rbx == HV_BOOT_PARAMS));
	if (start.cr3 != 0)
		check_initrd(memory, opts->initrd_fd < 0 ? 0 : size);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct hv_memory memory;
	static char cmdline[CMDLINE_MAX + 1];
	struct hv_boot_opts opts = {.initrd_fd = -1,
				    .kernel = "kernel",
				    .initrd = "initrd",
				    .cmdline = cmdline};
	struct rd rd = rd_init(data, size);
	uint8_t flags = rd_u8(&rd);
	uint64_t more = rd_le32(&rd), initrd_size = rd_le32(&rd);
	size_t n = rd_le16(&rd) % CMDLINE_MAX;

	if (!rd_ok(&rd))
		return 0;
	if (memory.size == 0)
		check(test_memory_init(&memory, MEMORY) == 0);
	memset(cmdline, 'c', n);
	cmdline[n] = '\0';
	opts.n_vps = 1 + flags / 4;
	opts.kernel_fd = test_file(rd.at, rd.left, rd.left + more);
	if ((flags & 1) != 0)
		opts.initrd_fd = test_file("", 0, initrd_size);
	check(opts.kernel_fd >= 0);
	load(&memory, &opts, initrd_size);
	close(opts.kernel_fd);
	if (opts.initrd_fd >= 0)
		close(opts.initrd_fd);
	return 0;
}
