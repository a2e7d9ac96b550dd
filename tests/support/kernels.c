/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See kernels.h.
 */
#include "tests/support/kernels.h"

#include <elf.h>
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int test_memory_init(struct hv_memory *memory, uint64_t size)
{
	int rc = 0;

	memset(memory, 0, sizeof(*memory));
	memory->size = size;
	memory->low_size = size < HV_LOW_MEMORY_END ? size : HV_LOW_MEMORY_END;
	memory->high_size = size - memory->low_size;
	memory->fd = memfd_create("memory", MFD_CLOEXEC);
	if (memory->fd < 0)
		return -errno;
	if (ftruncate(memory->fd, (off_t)size) != 0)
		rc = -errno;
	if (rc == 0)
		rc = gpa_map_add(&memory->map, 0, memory->low_size, memory->fd, 0, NULL);
	if (rc == 0 && memory->high_size > 0)
		rc = gpa_map_add(&memory->map, HV_HIGH_MEMORY, memory->high_size, memory->fd,
				 memory->low_size, NULL);
	return rc;
}

void test_memory_fini(struct hv_memory *memory)
{
	gpa_map_fini(&memory->map);
	close(memory->fd);
}

uint8_t *test_memory_at(const struct hv_memory *memory, uint64_t gpa)
{
	return gpa_at(&memory->map, gpa, 1);
}

void test_put(uint8_t *bytes, size_t at, uint64_t value, size_t size)
{
	for (size_t i = 0; i < size; i++)
		bytes[at + i] = (uint8_t)(value >> (8 * i));
}

uint64_t test_get(const uint8_t *bytes, size_t at, size_t size)
{
	uint64_t value = 0;

	for (size_t i = size; i > 0; i--)
		value = value << 8 | bytes[at + i - 1];
	return value;
}

int test_file(const void *bytes, size_t n_bytes, uint64_t size)
{
	int fd = memfd_create("image", MFD_CLOEXEC);
	size_t n = n_bytes < size ? n_bytes : size;

	if (fd < 0)
		return -errno;
	if (ftruncate(fd, (off_t)size) == 0 && pwrite(fd, bytes, n, 0) == (ssize_t)n)
		return fd;
	close(fd);
	return -EIO;
}

void test_bzimage(uint8_t bytes[TEST_BZIMAGE_SIZE])
{
	memset(bytes, 0, TEST_BZIMAGE_KERNEL);
	memset(bytes + TEST_BZIMAGE_KERNEL, 'K', TEST_BZIMAGE_SIZE - TEST_BZIMAGE_KERNEL);
	test_put(bytes, 0x1f1, 1, 1);	      /* setup_sects */
	test_put(bytes, 0x1f4, 4096 / 16, 4); /* syssize */
	test_put(bytes, 0x1fe, 0xaa55, 2);    /* boot_flag */
	test_put(bytes, 0x200, 0x66eb, 2);    /* jump: the header ends at 0x268 */
	memcpy(bytes + 0x202, "HdrS", 4);
	test_put(bytes, 0x206, 0x20f, 2);	 /* version */
	test_put(bytes, 0x211, 1, 1);		 /* loadflags: high */
	test_put(bytes, 0x22c, 0x7fffffff, 4);	 /* initrd_addr_max */
	test_put(bytes, 0x230, 0x200000, 4);	 /* kernel_alignment */
	test_put(bytes, 0x234, 1, 1);		 /* relocatable */
	test_put(bytes, 0x236, 3, 2);		 /* xloadflags: 64 bits, above 4 GB */
	test_put(bytes, 0x238, 2047, 4);	 /* cmdline_size */
	test_put(bytes, 0x250, 0x1234, 8);	 /* setup_data: ours to clear */
	test_put(bytes, 0x258, 16 * TEST_MB, 8); /* pref_address */
	test_put(bytes, 0x260, 4 * TEST_MB, 4);	 /* init_size */
}

static void put_elf_header(uint8_t *bytes)
{
	Elf64_Ehdr eh = {
		.e_ident = {ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB,
			    EV_CURRENT},
		.e_type = ET_EXEC,
		.e_machine = EM_X86_64,
		.e_version = EV_CURRENT,
		.e_entry = 16 * TEST_MB + 64,
		.e_phoff = TEST_ELF_PHDRS,
		.e_ehsize = sizeof(Elf64_Ehdr),
		.e_phentsize = sizeof(Elf64_Phdr),
		.e_phnum = 3,
	};

	memcpy(bytes, &eh, sizeof(eh));
}

/* A note of somebody else's comes before Xen's, and has a name that needs filling up. */
static size_t put_notes(uint8_t *at)
{
	size_t n = 0;

	test_put(at, n, 5, 4);
	test_put(at, n + 4, 6, 4);
	test_put(at, n + 8, 18, 4);
	memcpy(at + n + 12, "Some\0\0\0\0abcdef\0\0", 16);
	n += 28;
	test_put(at, n, 4, 4);
	test_put(at, n + 4, 8, 4);
	test_put(at, n + 8, 18, 4);
	memcpy(at + n + 12, "Xen", 4);
	test_put(at, n + 16, 16 * TEST_MB + 128, 8);
	return n + 24;
}

void test_elf(uint8_t bytes[TEST_ELF_SIZE])
{
	Elf64_Phdr ph[3] = {
		{.p_type = PT_LOAD,
		 .p_offset = TEST_ELF_TEXT,
		 .p_paddr = 16 * TEST_MB,
		 .p_filesz = 4096,
		 .p_memsz = 4096},
		{.p_type = PT_LOAD,
		 .p_offset = TEST_ELF_DATA,
		 .p_paddr = 18 * TEST_MB,
		 .p_filesz = 512,
		 .p_memsz = 8192},
		{.p_type = PT_NOTE, .p_offset = TEST_ELF_NOTE, .p_align = 4},
	};

	memset(bytes, 0, TEST_ELF_SIZE);
	put_elf_header(bytes);
	ph[2].p_filesz = put_notes(bytes + TEST_ELF_NOTE);
	memcpy(bytes + TEST_ELF_PHDRS, ph, sizeof(ph));
	memset(bytes + TEST_ELF_TEXT, 'T', 4096);
	memset(bytes + TEST_ELF_DATA, 'D', 512);
}
