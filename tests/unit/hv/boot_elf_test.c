/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A vmlinux, with PVH's note and without.
 */
#include "hv/boot.h"

#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/kernels.h"

#define INFO HV_BOOT_PARAMS

struct rig {
	struct hv_memory memory;
	uint8_t image[TEST_ELF_SIZE];
	uint64_t file_size;
	uint64_t initrd_size; /* 0: none */
	const char *cmdline;
	struct hv_start start;
	struct err err;
};

static int setup(void **state)
{
	static struct rig rig;

	memset(&rig, 0, sizeof(rig));
	*state = &rig;
	test_elf(rig.image);
	rig.file_size = sizeof(rig.image);
	rig.cmdline = "quiet";
	return test_memory_init(&rig.memory, 32 * TEST_MB);
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
		.initrd_fd = rig->initrd_size == 0 ? -1 : test_file("initrd", 6, rig->initrd_size),
		.kernel = "vmlinux",
		.initrd = "initrd.img",
		.cmdline = rig->cmdline,
		.n_vps = 1,
	};
	int rc;

	assert_true(opts.kernel_fd >= 0);
	memset(&rig->err, 0, sizeof(rig->err));
	rc = hv_boot_load(&rig->memory, &opts, &rig->start, &rig->err);
	close(opts.kernel_fd);
	if (opts.initrd_fd >= 0)
		close(opts.initrd_fd);
	assert_int_equal(rig->err.code, rc);
	return rc;
}

static Elf64_Ehdr *header(struct rig *rig)
{
	return (Elf64_Ehdr *)(void *)rig->image;
}

static Elf64_Phdr *segment(struct rig *rig, unsigned i)
{
	return (Elf64_Phdr *)(void *)(rig->image + TEST_ELF_PHDRS) + i;
}

static uint64_t get(const struct rig *rig, uint64_t gpa, size_t size)
{
	return test_get(test_memory_at(&rig->memory, gpa), 0, size);
}

static void without_note(struct rig *rig)
{
	segment(rig, 2)->p_type = PT_NULL;
}

static void segments_go_to_their_addresses_and_the_rest_of_them_is_zero(void **state)
{
	struct rig *rig = *state;

	memset(test_memory_at(&rig->memory, 18 * TEST_MB), 0xff,
	       12288); /* a guest that was reset */
	assert_int_equal(boot(rig), 0);
	assert_int_equal(get(rig, 16 * TEST_MB + 4095, 1), 'T');
	assert_int_equal(get(rig, 18 * TEST_MB + 511, 1), 'D');
	for (unsigned i = 512; i < 8192; i++)
		assert_int_equal(get(rig, 18 * TEST_MB + i, 1), 0);
	assert_int_equal(get(rig, 18 * TEST_MB + 8192, 1), 0xff);
}

static void with_the_note_it_starts_in_32_bits_with_start_info(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(boot(rig), 0);
	assert_int_equal(rig->start.rip, 16 * TEST_MB + 128);
	assert_int_equal(rig->start.rbx, INFO);
	assert_int_equal(rig->start.cr3, 0);
	assert_int_equal(get(rig, HV_BOOT_GDT + HV_BOOT_CS, 8), 0x00cf9b000000ffff);
	assert_int_equal(get(rig, INFO, 4), 0x336ec578);
	assert_int_equal(get(rig, INFO + 4, 4), 1);
	assert_int_equal(get(rig, INFO + 8, 8), 0); /* flags, modules */
	assert_string_equal((char *)test_memory_at(&rig->memory, get(rig, INFO + 24, 8)), "quiet");
	assert_memory_equal(test_memory_at(&rig->memory, get(rig, INFO + 32, 8)), "RSD PTR ", 8);
	assert_int_equal(get(rig, INFO + 48, 4), 5);
	assert_int_equal(get(rig, get(rig, INFO + 40, 8) + 3 * 24, 8), TEST_MB);
	assert_int_equal(get(rig, get(rig, INFO + 40, 8) + 3 * 24 + 8, 8), 31 * TEST_MB);
	assert_int_equal(get(rig, get(rig, INFO + 40, 8) + 3 * 24 + 16, 8), 1);
}

static void initrd_is_a_module(void **state)
{
	struct rig *rig = *state;
	uint64_t module;

	rig->initrd_size = 5000;
	assert_int_equal(boot(rig), 0);
	assert_int_equal(get(rig, INFO + 12, 4), 1);
	module = get(rig, INFO + 16, 8);
	assert_int_equal(get(rig, module, 8), 32 * TEST_MB - 8192);
	assert_int_equal(get(rig, module + 8, 8), 5000);
	assert_memory_equal(test_memory_at(&rig->memory, 32 * TEST_MB - 8192), "initrd", 6);
	rig->initrd_size = 14 * TEST_MB - 8192; /* all that is left behind the kernel */
	assert_int_equal(boot(rig), 0);
	rig->initrd_size++;
	assert_int_equal(boot(rig), -ENOSPC);
}

static void without_a_note_it_starts_in_long_mode_with_a_zero_page(void **state)
{
	struct rig *rig = *state;

	without_note(rig);
	rig->initrd_size = 5000;
	assert_int_equal(boot(rig), 0);
	assert_int_equal(rig->start.rip, 16 * TEST_MB + 64);
	assert_int_equal(rig->start.rsi, HV_BOOT_PARAMS);
	assert_int_equal(rig->start.cr3, HV_BOOT_TABLES);
	assert_int_equal(get(rig, HV_BOOT_PARAMS + 0x1fe, 2), 0xaa55);
	assert_memory_equal(test_memory_at(&rig->memory, HV_BOOT_PARAMS + 0x202), "HdrS", 4);
	assert_int_equal(get(rig, HV_BOOT_PARAMS + 0x206, 2), 0x20c);
	assert_int_equal(get(rig, HV_BOOT_PARAMS + 0x210, 1), 0xff);
	assert_int_equal(get(rig, HV_BOOT_PARAMS + 0x218, 4), 32 * TEST_MB - 8192);
	assert_int_equal(get(rig, HV_BOOT_PARAMS + 0x1e8, 1), 5);
}

static void a_note_that_is_broken_is_none(void **state)
{
	static const uint32_t sizes[] = {0, 11, 12, 1000, 0x7fffffff, UINT32_MAX, UINT32_MAX - 3};
	struct rig *rig = *state;

	for (unsigned i = 0; i < 7; i++) {
		for (unsigned field = 0; field < 2; field++) { /* sizes of name and value */
			test_elf(rig->image);
			test_put(rig->image, TEST_ELF_NOTE + 28 + 4 * field, sizes[i], 4);
			assert_int_equal(boot(rig), 0);
			assert_int_equal(rig->start.rip, 16 * TEST_MB + 64);
		}
	}
	for (uint64_t cut = 1; cut <= segment(rig, 2)->p_filesz; cut++) {
		test_elf(rig->image);
		segment(rig, 2)->p_filesz -= cut;
		assert_int_equal(boot(rig), 0);
		assert_int_equal(rig->start.rip, 16 * TEST_MB + 64);
	}
}

static void a_note_may_have_4_bytes_and_8_byte_alignment(void **state)
{
	struct rig *rig = *state;

	test_put(rig->image, TEST_ELF_NOTE + 28 + 4, 4, 4);
	segment(rig, 2)->p_filesz -= 4;
	assert_int_equal(boot(rig), 0);
	assert_int_equal(rig->start.rip, 16 * TEST_MB + 128);
	segment(rig, 2)->p_filesz -= 28; /* Xen's alone */
	segment(rig, 2)->p_offset += 28;
	segment(rig, 2)->p_align = 8;
	assert_int_equal(boot(rig), 0);
	/* The name's 4 bytes are filled up to 8 then: the value would be behind the end. */
	assert_int_equal(rig->start.rip, 16 * TEST_MB + 64);
}

static void notes_outside_of_the_file_or_endless_are_refused(void **state)
{
	struct rig *rig = *state;

	segment(rig, 2)->p_offset = UINT64_MAX;
	assert_int_equal(boot(rig), -EINVAL);
	segment(rig, 2)->p_offset = TEST_ELF_SIZE - 4;
	assert_int_equal(boot(rig), -EINVAL);
	segment(rig, 2)->p_filesz = 65537;
	assert_int_equal(boot(rig), -EINVAL);
	segment(rig, 2)->p_filesz = UINT64_MAX;
	assert_int_equal(boot(rig), -EINVAL);
	segment(rig, 2)->p_filesz = 0;
	assert_int_equal(boot(rig), 0);
	rig->file_size = 200000;
	segment(rig, 2)->p_filesz = 65537;
	assert_int_equal(boot(rig), -EINVAL);
	assert_non_null(strstr(rig->err.why, "64 KB"));
	segment(rig, 2)->p_filesz = 65536;
	assert_int_equal(boot(rig), 0);
}

static void an_entry_lies_in_bytes_of_the_file(void **state)
{
	static const uint64_t bad[] = {0, 16 * TEST_MB - 1, 16 * TEST_MB + 4096, 18 * TEST_MB + 512,
				       UINT64_MAX};
	struct rig *rig = *state;

	for (unsigned i = 0; i < 5; i++) {
		test_put(rig->image, TEST_ELF_NOTE + 28 + 16, bad[i], 8);
		assert_int_equal(boot(rig), -EINVAL);
	}
	without_note(rig);
	for (unsigned i = 0; i < 5; i++) {
		header(rig)->e_entry = bad[i];
		assert_int_equal(boot(rig), -EINVAL);
	}
	header(rig)->e_entry = 18 * TEST_MB + 511;
	assert_int_equal(boot(rig), 0);
}

static void segments_lie_in_the_file(void **state)
{
	static const uint64_t bad[] = {1, TEST_ELF_SIZE, TEST_ELF_SIZE + 1, UINT64_MAX,
				       UINT64_MAX - 511};
	struct rig *rig = *state;

	for (unsigned i = 0; i < 5; i++) {
		segment(rig, 1)->p_offset = TEST_ELF_DATA + (i == 0 ? 1 : 0);
		if (i > 0)
			segment(rig, 1)->p_offset = bad[i];
		assert_int_equal(boot(rig), -EINVAL);
	}
	segment(rig, 1)->p_offset = TEST_ELF_DATA - 1;
	assert_int_equal(boot(rig), 0);
	segment(rig, 1)->p_filesz = 514;
	assert_int_equal(boot(rig), -EINVAL);
	segment(rig, 1)->p_filesz = 512;
	segment(rig, 1)->p_memsz = 511;
	assert_int_equal(boot(rig), -EINVAL);
	assert_non_null(strstr(rig->err.why, "larger in the file than in memory"));
	segment(rig, 1)->p_memsz = 512;
	assert_int_equal(boot(rig), 0);
	segment(rig, 1)->p_filesz = UINT64_MAX;
	assert_int_equal(boot(rig), -EINVAL);
	segment(rig, 1)->p_filesz = 0;
	assert_int_equal(boot(rig), 0);
	assert_int_equal(get(rig, 18 * TEST_MB, 1), 0);
}

static void segments_lie_in_memory_that_a_kernel_may_have(void **state)
{
	static const uint64_t bad[] = {0, TEST_MB - 1, 3072 * TEST_MB - 1, UINT64_MAX - 8191,
				       UINT64_MAX};
	struct rig *rig = *state;

	for (unsigned i = 0; i < 5; i++) {
		segment(rig, 1)->p_paddr = bad[i];
		assert_int_equal(boot(rig), -EINVAL);
	}
	segment(rig, 1)->p_paddr = 32 * TEST_MB - 8192;
	assert_int_equal(boot(rig), 0);
	segment(rig, 1)->p_paddr++;
	assert_int_equal(boot(rig), -ENOSPC);
	assert_string_equal(rig->err.slug, "memory-too-small");
	assert_non_null(strstr(rig->err.fix, "at least 34 MB"));
	segment(rig, 1)->p_paddr = 18 * TEST_MB;
	segment(rig, 1)->p_memsz = 14 * TEST_MB;
	assert_int_equal(boot(rig), 0);
	segment(rig, 1)->p_memsz++;
	assert_int_equal(boot(rig), -ENOSPC);
	segment(rig, 1)->p_memsz = UINT64_MAX;
	assert_int_equal(boot(rig), -EINVAL);
}

static void segments_do_not_share_memory(void **state)
{
	struct rig *rig = *state;

	segment(rig, 1)->p_paddr = 16 * TEST_MB + 4095;
	assert_int_equal(boot(rig), -EINVAL);
	segment(rig, 1)->p_paddr = 16 * TEST_MB - 8191;
	assert_int_equal(boot(rig), -EINVAL);
	segment(rig, 1)->p_paddr = 16 * TEST_MB - 8192;
	assert_int_equal(boot(rig), 0);
	segment(rig, 1)->p_paddr = 16 * TEST_MB;
	segment(rig, 1)->p_memsz = segment(rig, 1)->p_filesz = 0; /* nothing to share */
	assert_int_equal(boot(rig), 0);
}

static void headers_of_other_files_are_refused(void **state)
{
	struct rig *rig = *state;

	header(rig)->e_ident[EI_CLASS] = ELFCLASS32;
	assert_int_equal(boot(rig), -EINVAL);
	test_elf(rig->image);
	header(rig)->e_ident[EI_DATA] = ELFDATA2MSB;
	assert_int_equal(boot(rig), -EINVAL);
	test_elf(rig->image);
	header(rig)->e_machine = EM_AARCH64;
	assert_int_equal(boot(rig), -EINVAL);
	test_elf(rig->image);
	header(rig)->e_type = ET_CORE;
	assert_int_equal(boot(rig), -EINVAL);
	assert_non_null(strstr(rig->err.why, "not linked"));
}

static void program_headers_are_counted_and_in_the_file(void **state)
{
	static const uint16_t counts[] = {0, 65, UINT16_MAX};
	struct rig *rig = *state;

	for (unsigned i = 0; i < 3; i++) {
		header(rig)->e_phnum = counts[i];
		assert_int_equal(boot(rig), -EINVAL);
	}
	test_elf(rig->image);
	header(rig)->e_phentsize = sizeof(Elf64_Phdr) + 1;
	assert_int_equal(boot(rig), -EINVAL);
	test_elf(rig->image);
	header(rig)->e_phoff = TEST_ELF_SIZE - 1;
	assert_int_equal(boot(rig), -EINVAL);
	header(rig)->e_phoff = UINT64_MAX;
	assert_int_equal(boot(rig), -EINVAL);
	test_elf(rig->image);
	segment(rig, 0)->p_type = segment(rig, 1)->p_type = PT_NULL;
	assert_int_equal(boot(rig), -EINVAL);
	assert_non_null(strstr(rig->err.why, "nothing to load"));
}

static void a_file_that_is_cut_short_is_refused_wherever_it_ends(void **state)
{
	struct rig *rig = *state;

	for (rig->file_size = 0; rig->file_size < sizeof(rig->image); rig->file_size += 7)
		assert_int_equal(boot(rig), -EINVAL);
	rig->file_size = sizeof(rig->image) - 1;
	assert_int_equal(boot(rig), -EINVAL);
	rig->file_size = sizeof(rig->image) + 1;
	assert_int_equal(boot(rig), 0);
}

static void command_line_has_linux_length(void **state)
{
	struct rig *rig = *state;
	static char text[2049];

	rig->cmdline = text;
	memset(text, 'x', 2047);
	assert_int_equal(boot(rig), 0);
	text[2047] = 'x';
	assert_int_equal(boot(rig), -E2BIG);
}

#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(segments_go_to_their_addresses_and_the_rest_of_them_is_zero),
		T(with_the_note_it_starts_in_32_bits_with_start_info),
		T(initrd_is_a_module),
		T(without_a_note_it_starts_in_long_mode_with_a_zero_page),
		T(a_note_that_is_broken_is_none),
		T(a_note_may_have_4_bytes_and_8_byte_alignment),
		T(notes_outside_of_the_file_or_endless_are_refused),
		T(an_entry_lies_in_bytes_of_the_file),
		T(segments_lie_in_the_file),
		T(segments_lie_in_memory_that_a_kernel_may_have),
		T(segments_do_not_share_memory),
		T(headers_of_other_files_are_refused),
		T(program_headers_are_counted_and_in_the_file),
		T(a_file_that_is_cut_short_is_refused_wherever_it_ends),
		T(command_line_has_linux_length),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
