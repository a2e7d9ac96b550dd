/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a kernel finds when it starts: descriptors, page tables that map the first 4 GB as they are,
 * its command line, and who it is told about memory, initrd and ACPI: the zero page of Linux, or
 * PVH's start info.
 *
 * All of it lies below 1 MB (layout.h), in memory that every guest has: 'low', as we see it.
 *
 * Source: Linux Documentation/x86/zero-page.rst; Xen public/arch-x86/hvm/start_info.h; Intel SDM
 * volume 3, 3.4.5 and 4.5.
 */
#include "hv/boot_priv.h"

#include <string.h>

#define PAGE 4096u

enum {
	E820_RAM = 1,
	E820_RESERVED = 2,
};

struct range {
	uint64_t start, size;
	uint32_t type;
};

#define MAX_RANGES 8

/* The map of memory: what is not said does not exist. */
static unsigned map_memory(const struct hv_memory *memory, struct range *ranges)
{
	unsigned n = 0;

	ranges[n++] = (struct range){0, HV_EBDA, E820_RAM};
	ranges[n++] = (struct range){HV_EBDA, 0xa0000 - HV_EBDA, E820_RESERVED};
	ranges[n++] = (struct range){HV_ACPI, HV_ACPI_SIZE, E820_RESERVED};
	ranges[n++] = (struct range){HV_KERNEL_MIN, memory->low_size - HV_KERNEL_MIN, E820_RAM};
	ranges[n++] = (struct range){HV_IDENTITY_MAP, 4 * PAGE, E820_RESERVED};
	if (memory->high_size > 0)
		ranges[n++] = (struct range){HV_HIGH_MEMORY, memory->high_size, E820_RAM};
	return n;
}

/* What firmware leaves: where COM1 and the EBDA are, and how many KB are below it. */
static void write_bios_data(uint8_t *low)
{
	uint8_t *data = low + HV_BIOS_DATA;

	memset(data, 0, 256);
	boot_put(data, HV_PORT_SERIAL, 2);
	boot_put(data + 0x0e, HV_EBDA >> 4, 2);
	boot_put(data + 0x13, HV_EBDA / 1024, 2);
	memset(low + HV_EBDA, 0, 1024);
}

static uint16_t write_gdt(uint8_t *low, bool bits64)
{
	const uint64_t gdt[] = {
		[HV_BOOT_CS / 8] = bits64 ? 0x00af9b000000ffff : 0x00cf9b000000ffff,
		[HV_BOOT_DS / 8] = 0x00cf93000000ffff,
		[HV_BOOT_TR / 8] = 0x00008b0000000067,
		[HV_BOOT_TR / 8 + 1] = 0, /* in long mode it takes two */
	};

	memcpy(low + HV_BOOT_GDT, gdt, sizeof(gdt));
	return sizeof(gdt);
}

/* One table of level 4, one of level 3, four of level 2 with pages of 2 MB. */
static void write_page_tables(uint8_t *low)
{
	enum { PRESENT_WRITABLE = 3, LARGE = 0x80 };
	uint8_t *l4 = low + HV_BOOT_TABLES, *l3 = l4 + PAGE, *l2 = l3 + PAGE;

	memset(l4, 0, 2 * PAGE);
	boot_put(l4, (HV_BOOT_TABLES + PAGE) | PRESENT_WRITABLE, 8);
	for (uint64_t i = 0; i < 4; i++)
		boot_put(l3 + 8 * i, (HV_BOOT_TABLES + (2 + i) * PAGE) | PRESENT_WRITABLE, 8);
	for (uint64_t i = 0; i < 4 * PAGE / 8; i++)
		boot_put(l2 + 8 * i, i << 21 | PRESENT_WRITABLE | LARGE, 8);
}

static void write_zero_page(uint8_t *low, const struct hv_memory *memory,
			    const struct boot_kernel *kernel, const struct boot_initrd *initrd)
{
	uint8_t *zero = low + HV_BOOT_PARAMS;
	struct range ranges[MAX_RANGES];
	unsigned n = map_memory(memory, ranges);

	memset(zero, 0, PAGE);
	memcpy(zero + BOOT_SETUP_HEADER, kernel->header, kernel->header_size);
	boot_put(zero + 0x70, HV_ACPI, 8);
	boot_put(zero + 0x210, 0xff, 1); /* a loader without a number */
	boot_put(zero + 0x218, initrd->gpa, 4);
	boot_put(zero + 0x21c, initrd->size, 4);
	boot_put(zero + 0x228, HV_BOOT_CMDLINE, 4);
	boot_put(zero + 0x250, 0, 8); /* setup_data: none */
	zero[0x1e8] = (uint8_t)n;
	for (unsigned i = 0; i < n; i++) {
		boot_put(zero + 0x2d0 + 20 * i, ranges[i].start, 8);
		boot_put(zero + 0x2d0 + 20 * i + 8, ranges[i].size, 8);
		boot_put(zero + 0x2d0 + 20 * i + 16, ranges[i].type, 4);
	}
}

static void write_start_info(uint8_t *low, const struct hv_memory *memory,
			     const struct boot_initrd *initrd)
{
	uint8_t *info = low + HV_BOOT_PARAMS;
	uint8_t *map = low + HV_BOOT_MEMMAP, *module = map + 24 * MAX_RANGES;
	struct range ranges[MAX_RANGES];
	unsigned n = map_memory(memory, ranges);

	memset(info, 0, PAGE);
	memset(map, 0, PAGE);
	boot_put(info, 0x336ec578, 4);
	boot_put(info + 4, 1, 4); /* version: with a map of memory */
	boot_put(info + 24, HV_BOOT_CMDLINE, 8);
	boot_put(info + 32, HV_ACPI, 8);
	boot_put(info + 40, HV_BOOT_MEMMAP, 8);
	boot_put(info + 48, n, 4);
	for (unsigned i = 0; i < n; i++) {
		boot_put(map + 24 * i, ranges[i].start, 8);
		boot_put(map + 24 * i + 8, ranges[i].size, 8);
		boot_put(map + 24 * i + 16, ranges[i].type, 4);
	}
	if (initrd->size == 0)
		return;
	boot_put(info + 12, 1, 4);
	boot_put(info + 16, HV_BOOT_MEMMAP + 24 * MAX_RANGES, 8);
	boot_put(module, initrd->gpa, 8);
	boot_put(module + 8, initrd->size, 8);
}

void boot_params_write(uint8_t *low, const struct hv_memory *memory,
		       const struct boot_kernel *kernel, const struct boot_initrd *initrd,
		       const char *cmdline, struct hv_start *ret_start)
{
	bool bits64 = kernel->entry == BOOT_LINUX64;
	size_t size = strlen(cmdline) + 1;

	write_bios_data(low);
	memcpy(low + HV_BOOT_CMDLINE, cmdline, size);
	*ret_start = (struct hv_start){
		.rip = kernel->start,
		.rsp = HV_BOOT_STACK,
		.gdt = HV_BOOT_GDT,
		.gdt_size = write_gdt(low, bits64),
	};
	if (bits64) {
		write_page_tables(low);
		write_zero_page(low, memory, kernel, initrd);
		ret_start->cr3 = HV_BOOT_TABLES;
		ret_start->rsi = HV_BOOT_PARAMS;
	} else {
		write_start_info(low, memory, initrd);
		ret_start->rbx = HV_BOOT_PARAMS;
	}
}
