/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A bzImage, its initrd, its command line; and what is no kernel.  ELF is boot_elf_test.c.
 */
#include "hv/boot.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/kernels.h"

#define ZERO	 HV_BOOT_PARAMS
#define PREF	 (16 * TEST_MB)
#define ENTRY_64 (PREF + 0x200)

struct rig {
	struct hv_memory memory;
	uint8_t image[TEST_BZIMAGE_SIZE];
	uint64_t file_size;
	uint64_t initrd_size; /* UINT64_MAX: none */
	const char *cmdline;
	struct hv_start start;
	struct err err;
};

static int setup(void **state)
{
	static struct rig rig;

	memset(&rig, 0, sizeof(rig));
	*state = &rig;
	test_bzimage(rig.image);
	rig.file_size = sizeof(rig.image);
	rig.initrd_size = UINT64_MAX;
	rig.cmdline = "console=ttyS0";
	return test_memory_init(&rig.memory, 64 * TEST_MB);
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	test_memory_fini(&rig->memory);
	return 0;
}

static int boot(struct rig *rig)
{
	struct hv_boot_opts opts = {
		.kernel_fd = test_file(rig->image, sizeof(rig->image), rig->file_size),
		.initrd_fd = -1,
		.kernel = "vmlinuz",
		.initrd = "initrd.img",
		.cmdline = rig->cmdline,
		.n_vps = 2,
	};
	int rc;

	assert_true(opts.kernel_fd >= 0);
	if (rig->initrd_size != UINT64_MAX)
		opts.initrd_fd = test_file("initrd", 6, rig->initrd_size);
	memset(&rig->err, 0, sizeof(rig->err));
	rc = hv_boot_load(&rig->memory, &opts, &rig->start, &rig->err);
	close(opts.kernel_fd);
	if (opts.initrd_fd >= 0)
		close(opts.initrd_fd);
	assert_int_equal(rig->err.code, rc);
	return rc;
}

static uint64_t get(const struct rig *rig, uint64_t gpa, size_t size)
{
	return test_get(test_memory_at(&rig->memory, gpa), 0, size);
}

static void assert_says(const struct rig *rig, const char *slug, const char *text)
{
	assert_string_equal(rig->err.slug, slug);
	if (strstr(rig->err.what, text) == NULL && strstr(rig->err.why, text) == NULL &&
	    strstr(rig->err.fix, text) == NULL)
		fail_msg("'%s' is not in: %s; %s; %s", text, rig->err.what, rig->err.why,
			 rig->err.fix);
}

static void kernel_goes_where_it_wants_and_starts_at_its_64_bit_entry(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(boot(rig), 0);
	assert_int_equal(get(rig, PREF, 4), 0x4b4b4b4b);
	assert_int_equal(get(rig, PREF + 4096, 1), 0);
	assert_int_equal(rig->start.rip, ENTRY_64);
	assert_int_equal(rig->start.rsi, ZERO);
	assert_int_equal(rig->start.cr3, HV_BOOT_TABLES);
	assert_int_equal(rig->start.gdt, HV_BOOT_GDT);
	assert_int_equal(get(rig, HV_BOOT_GDT + HV_BOOT_CS, 8), 0x00af9b000000ffff);
	assert_int_equal(get(rig, HV_BOOT_GDT + HV_BOOT_DS, 8), 0x00cf93000000ffff);
	assert_true(rig->start.gdt_size >= HV_BOOT_TR + 8);
	assert_true(rig->start.gdt + rig->start.gdt_size <= HV_BOOT_STACK - 4096);
}

static void zero_page_has_the_header_and_what_a_loader_adds(void **state)
{
	struct rig *rig = *state;

	memset(test_memory_at(&rig->memory, ZERO), 0xff, 4096); /* a guest that was reset */
	assert_int_equal(boot(rig), 0);
	assert_memory_equal(test_memory_at(&rig->memory, ZERO + 0x202), "HdrS", 4);
	assert_int_equal(get(rig, ZERO + 0x206, 2), 0x20f);
	assert_int_equal(get(rig, ZERO + 0x210, 1), 0xff);
	assert_int_equal(get(rig, ZERO + 0x211, 1), 1);
	assert_int_equal(get(rig, ZERO + 0x228, 4), HV_BOOT_CMDLINE);
	assert_int_equal(get(rig, ZERO + 0x250, 8), 0);
	assert_int_equal(get(rig, ZERO + 0x260, 4), 4 * TEST_MB);
	assert_int_equal(get(rig, ZERO + 0x70, 8), HV_ACPI);
	assert_int_equal(get(rig, ZERO + 0x218, 8), 0); /* no initrd */
	assert_int_equal(get(rig, ZERO + 0x1ef, 1), 0); /* sentinel */
	assert_int_equal(get(rig, ZERO, 8), 0);
	assert_string_equal((char *)test_memory_at(&rig->memory, HV_BOOT_CMDLINE), "console=ttyS0");
}

/* start, size, type of the map's entries, and nothing else. */
static void assert_map(const struct rig *rig, const uint64_t (*want)[3], unsigned n)
{
	assert_int_equal(get(rig, ZERO + 0x1e8, 1), n);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(get(rig, ZERO + 0x2d0 + 20 * i, 8), want[i][0]);
		assert_int_equal(get(rig, ZERO + 0x2d0 + 20 * i + 8, 8), want[i][1]);
		assert_int_equal(get(rig, ZERO + 0x2d0 + 20 * i + 16, 4), want[i][2]);
	}
}

static void memory_map_has_all_memory_but_what_is_kept(void **state)
{
	const uint64_t want[][3] = {
		{0, 0x9fc00, 1},	 {0x9fc00, 0x400, 2},
		{0xe0000, 0x20000, 2},	 {TEST_MB, 63 * TEST_MB, 1},
		{0xfeffc000, 0x4000, 2},
	};
	struct rig *rig = *state;

	assert_int_equal(boot(rig), 0);
	assert_map(rig, want, 5);
}

static void memory_beyond_3_gb_is_above_4_gb(void **state)
{
	const uint64_t want[][3] = {
		{0, 0x9fc00, 1},	  {0x9fc00, 0x400, 2},	   {0xe0000, 0x20000, 2},
		{TEST_MB, 0xbff00000, 1}, {0xfeffc000, 0x4000, 2}, {0x100000000, 0x40000000, 1},
	};
	struct rig *rig = *state;

	test_memory_fini(&rig->memory);
	assert_int_equal(test_memory_init(&rig->memory, 4096 * TEST_MB), 0);
	assert_int_equal(boot(rig), 0);
	assert_map(rig, want, 6);
}

/* Walks the tables as a processor would: pages of 2 MB. */
static uint64_t translate(const struct rig *rig, uint64_t va)
{
	uint64_t l4 = get(rig, HV_BOOT_TABLES + (va >> 39) * 8, 8), l3, l2;

	assert_int_equal(l4 & 0x83, 3);
	l3 = get(rig, (l4 & ~0xfffull) + (va >> 30 & 511) * 8, 8);
	assert_int_equal(l3 & 0x83, 3);
	l2 = get(rig, (l3 & ~0xfffull) + (va >> 21 & 511) * 8, 8);
	assert_int_equal(l2 & 0x83, 0x83);
	return (l2 & ~0x1fffffull) + (va & 0x1fffff);
}

static void page_tables_map_4_gb_as_they_are(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(boot(rig), 0);
	for (uint64_t va = 0x1234; va < 4096 * TEST_MB; va += 2 * TEST_MB)
		assert_int_equal(translate(rig, va), va);
	assert_int_equal(get(rig, HV_BOOT_TABLES + 8, 8), 0);
	assert_int_equal(get(rig, HV_BOOT_TABLES + 4096 + 32, 8), 0);
}

static void initrd_lies_as_high_as_it_may(void **state)
{
	struct rig *rig = *state;

	rig->initrd_size = 4097;
	assert_int_equal(boot(rig), 0);
	assert_int_equal(get(rig, ZERO + 0x218, 4), 64 * TEST_MB - 8192);
	assert_int_equal(get(rig, ZERO + 0x21c, 4), 4097);
	assert_memory_equal(test_memory_at(&rig->memory, 64 * TEST_MB - 8192), "initrd", 6);
	test_put(rig->image, 0x22c, 32 * TEST_MB - 1, 4);
	assert_int_equal(boot(rig), 0);
	assert_int_equal(get(rig, ZERO + 0x218, 4), 32 * TEST_MB - 8192);
	rig->initrd_size = 4096; /* up to the last byte */
	assert_int_equal(boot(rig), 0);
	assert_int_equal(get(rig, ZERO + 0x218, 4), 32 * TEST_MB - 4096);
}

static void initrd_fits_up_to_the_kernels_end_and_no_further(void **state)
{
	struct rig *rig = *state;

	rig->initrd_size = 44 * TEST_MB; /* 20 to 64 */
	assert_int_equal(boot(rig), 0);
	assert_int_equal(get(rig, ZERO + 0x218, 4), 20 * TEST_MB);
	rig->initrd_size++;
	assert_int_equal(boot(rig), -ENOSPC);
	assert_says(rig, "memory-too-small", "more than 66 MB");
	rig->initrd_size = 64 * TEST_MB + 1;
	assert_int_equal(boot(rig), -ENOSPC);
	rig->initrd_size = 5000 * TEST_MB;
	assert_int_equal(boot(rig), -E2BIG);
	assert_says(rig, "bad-initrd", "5000 MB");
	rig->initrd_size = 0;
	assert_int_equal(boot(rig), -EINVAL);
	assert_says(rig, "bad-initrd", "initrd.img is empty");
	rig->initrd_size = 4096;
	test_put(rig->image, 0x22c, 20 * TEST_MB, 4); /* one byte, not a page, may follow */
	assert_int_equal(boot(rig), -E2BIG);
	test_put(rig->image, 0x22c, 0, 4);
	assert_int_equal(boot(rig), -E2BIG);
}

static void command_line_may_be_as_long_as_the_kernel_says(void **state)
{
	struct rig *rig = *state;
	static char text[HV_BOOT_CMDLINE_SIZE + 2];

	rig->cmdline = text;
	memset(text, 'x', 2047);
	assert_int_equal(boot(rig), 0);
	text[2047] = 'x';
	assert_int_equal(boot(rig), -E2BIG);
	assert_says(rig, "cmdline-too-long", "2048 bytes, and this kernel takes 2047");
	test_put(rig->image, 0x238, UINT32_MAX, 4);
	memset(text, 'x', HV_BOOT_CMDLINE_SIZE - 1);
	assert_int_equal(boot(rig), 0);
	text[HV_BOOT_CMDLINE_SIZE - 1] = 'x';
	assert_int_equal(boot(rig), -E2BIG);
	test_put(rig->image, 0x238, 0, 4);
	assert_int_equal(boot(rig), -E2BIG);
	rig->cmdline = "";
	assert_int_equal(boot(rig), 0);
}

static void too_little_memory_is_an_error_that_says_how_much(void **state)
{
	struct rig *rig = *state;

	test_put(rig->image, 0x260, 48 * TEST_MB, 4);
	assert_int_equal(boot(rig), 0);
	test_put(rig->image, 0x260, 48 * TEST_MB + 1, 4);
	assert_int_equal(boot(rig), -ENOSPC);
	assert_says(rig, "memory-too-small", "does not fit into 64 MB");
	assert_says(rig, "memory-too-small", "at least 66 MB");
	test_put(rig->image, 0x260, UINT32_MAX, 4);
	assert_int_equal(boot(rig), -EINVAL);
	assert_says(rig, "bad-kernel", "between 1 MB and 3 GB");
}

static void a_kernel_wants_an_address_that_a_kernel_may_have(void **state)
{
	static const uint64_t bad[] = {0,
				       4096,
				       TEST_MB - 1,
				       3072 * TEST_MB,
				       4096 * TEST_MB,
				       UINT64_MAX,
				       UINT64_MAX - 4 * TEST_MB + 1};
	struct rig *rig = *state;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		test_put(rig->image, 0x258, bad[i], 8);
		assert_int_equal(boot(rig), -EINVAL);
	}
	test_put(rig->image, 0x258, TEST_MB, 8);
	assert_int_equal(boot(rig), 0);
	assert_int_equal(rig->start.rip, TEST_MB + 0x200);
}

static void a_file_that_is_cut_short_is_refused_wherever_it_ends(void **state)
{
	struct rig *rig = *state;

	for (rig->file_size = 0; rig->file_size < sizeof(rig->image); rig->file_size++) {
		if (rig->file_size > sizeof(rig->image) - 16)
			break; /* the last paragraph need not be full */
		assert_int_equal(boot(rig), -EINVAL);
		assert_string_equal(rig->err.slug, "bad-kernel");
	}
	for (; rig->file_size <= sizeof(rig->image); rig->file_size++)
		assert_int_equal(boot(rig),
				 rig->file_size == sizeof(rig->image) - 16 ? -EINVAL : 0);
	rig->file_size = sizeof(rig->image) + 1000; /* a signature */
	assert_int_equal(boot(rig), 0);
	assert_int_equal(get(rig, PREF + 4096, 1), 0);
}

static void sizes_in_the_header_are_checked(void **state)
{
	struct rig *rig = *state;

	test_put(rig->image, 0x1f4, 0, 4); /* syssize */
	assert_int_equal(boot(rig), -EINVAL);
	test_put(rig->image, 0x1f4, 0x20, 4); /* nothing at the entry */
	assert_int_equal(boot(rig), -EINVAL);
	test_put(rig->image, 0x1f4, 0x21, 4);
	assert_int_equal(boot(rig), 0);
	test_put(rig->image, 0x1f4, 4096 / 16 + 1, 4);
	assert_int_equal(boot(rig), -EINVAL);
	test_put(rig->image, 0x1f4, UINT32_MAX, 4);
	assert_int_equal(boot(rig), -EINVAL);
	test_put(rig->image, 0x1f4, 4096 / 16, 4);
	test_put(rig->image, 0x1f1, 255, 1); /* setup_sects */
	assert_int_equal(boot(rig), -EINVAL);
	test_put(rig->image, 0x1f1, 0, 1); /* 4 */
	test_put(rig->image, 0x1f4, 2048 / 16, 4);
	assert_int_equal(boot(rig), 0);
	test_put(rig->image, 0x260, 2047, 4); /* init_size */
	assert_int_equal(boot(rig), -EINVAL);
	test_put(rig->image, 0x260, 0, 4);
	assert_int_equal(boot(rig), -EINVAL);
	test_put(rig->image, 0x260, 2048, 4);
	assert_int_equal(boot(rig), 0);
}

static void a_header_of_any_length_ends_in_the_zero_page(void **state)
{
	struct rig *rig = *state;

	for (unsigned end = 0; end <= 0xff; end++) {
		test_put(rig->image, 0x201, end, 1);
		assert_int_equal(boot(rig), 0);
		assert_int_equal(get(rig, ZERO + 0x260, 4), 4 * TEST_MB);
		assert_int_equal(get(rig, ZERO + 0x2d0 + 8, 8), HV_EBDA);
	}
}

static void kernels_that_we_cannot_start_are_told_apart(void **state)
{
	struct rig *rig = *state;

	test_put(rig->image, 0x206, 0x20b, 2);
	assert_int_equal(boot(rig), -EOPNOTSUPP);
	assert_says(rig, "bad-kernel", "protocol 2.11");
	test_put(rig->image, 0x206, 0x20c, 2);
	assert_int_equal(boot(rig), 0);
	test_put(rig->image, 0x236, 2, 2);
	assert_int_equal(boot(rig), -EOPNOTSUPP);
	assert_says(rig, "bad-kernel", "32-bit");
	test_put(rig->image, 0x211, 0, 1);
	assert_int_equal(boot(rig), -EOPNOTSUPP);
	assert_says(rig, "bad-kernel", "zImage");
}

static void what_is_no_kernel_is_guessed(void **state)
{
	struct rig *rig = *state;

	memcpy(rig->image + 0x202, "HdrT", 4);
	assert_int_equal(boot(rig), -EINVAL);
	assert_says(rig, "bad-kernel", "vmlinuz is not a kernel");
	memcpy(rig->image, "\x1f\x8b", 2);
	assert_int_equal(boot(rig), -EINVAL);
	assert_says(rig, "bad-kernel", "gzip");
	rig->file_size = 2;
	assert_int_equal(boot(rig), -EINVAL);
	rig->file_size = 0;
	assert_int_equal(boot(rig), -EINVAL);
	assert_says(rig, "bad-kernel", "empty");
}

static void a_folder_is_not_a_kernel(void **state)
{
	struct rig *rig = *state;
	struct hv_boot_opts opts = {
		.kernel_fd = open("/", O_RDONLY | O_DIRECTORY),
		.initrd_fd = -1,
		.kernel = "/",
		.cmdline = "",
		.n_vps = 1,
	};

	assert_int_equal(hv_boot_load(&rig->memory, &opts, &rig->start, &rig->err), -EINVAL);
	assert_says(rig, "bad-kernel", "/ is not a file");
	close(opts.kernel_fd);
}

/* Real ones, where this machine has some: RIG kernels and /boot. */
static void boot_real(const char *path)
{
	struct hv_boot_opts opts = {.kernel = path, .initrd_fd = -1, .cmdline = "", .n_vps = 1};
	struct hv_memory memory;
	struct hv_start start;
	struct err err = {0};
	int rc;

	opts.kernel_fd = open(path, O_RDONLY);
	if (opts.kernel_fd < 0)
		return;
	assert_int_equal(test_memory_init(&memory, 256 * TEST_MB), 0);
	rc = hv_boot_load(&memory, &opts, &start, &err);
	if (rc != 0)
		fail_msg("%s: %s; %s", path, err.what, err.why);
	assert_in_range(start.rip, 16 * TEST_MB, 256 * TEST_MB);
	print_message("%s: starts at %#llx, %s\n", path, (unsigned long long)start.rip,
		      start.cr3 != 0 ? "64 bits" : "PVH");
	test_memory_fini(&memory);
	close(opts.kernel_fd);
}

static void kernels_of_this_machine_load(void **state)
{
	const char *more = getenv("VSWITCH_TEST_KERNELS"); /* paths, by colons */
	DIR *dir = opendir("/boot");
	char path[300];

	if (dir == NULL && more == NULL)
		skip();
	for (struct dirent *d; dir != NULL && (d = readdir(dir)) != NULL;) {
		if (strncmp(d->d_name, "vmlinuz", 7) != 0)
			continue;
		snprintf(path, sizeof(path), "/boot/%s", d->d_name);
		boot_real(path);
	}
	if (dir != NULL)
		closedir(dir);
	for (size_t n; more != NULL && *more != '\0'; more += n + (more[n] == ':')) {
		n = strcspn(more, ":");
		snprintf(path, sizeof(path), "%.*s", (int)n, more);
		boot_real(path);
	}
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(kernel_goes_where_it_wants_and_starts_at_its_64_bit_entry),
		T(zero_page_has_the_header_and_what_a_loader_adds),
		T(memory_map_has_all_memory_but_what_is_kept),
		T(memory_beyond_3_gb_is_above_4_gb),
		T(page_tables_map_4_gb_as_they_are),
		T(initrd_lies_as_high_as_it_may),
		T(initrd_fits_up_to_the_kernels_end_and_no_further),
		T(command_line_may_be_as_long_as_the_kernel_says),
		T(too_little_memory_is_an_error_that_says_how_much),
		T(a_kernel_wants_an_address_that_a_kernel_may_have),
		T(a_file_that_is_cut_short_is_refused_wherever_it_ends),
		T(sizes_in_the_header_are_checked),
		T(a_header_of_any_length_ends_in_the_zero_page),
		T(kernels_that_we_cannot_start_are_told_apart),
		T(what_is_no_kernel_is_guessed),
		T(a_folder_is_not_a_kernel),
		T(kernels_of_this_machine_load),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
