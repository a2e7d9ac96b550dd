/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See tiny_guest.h.
 */
#include "tests/support/tiny_guest.h"
#include "ctl/base/clock.h"
#include "hv/pio.h"

#include <assert.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define PML4	0x9000ull
#define PDPT	0xa000ull
#define PD	0xb000ull /* four of them */
#define PRESENT 0x3ull	  /* and writable */
#define LARGE	0x80ull

static uint32_t device_read(void *ctx, uint16_t offset, unsigned size)
{
	struct tiny_device *device = ctx;

	if (offset != TINY_ASK - TINY_SAY)
		return UINT32_MAX;
	device->n_asked++;
	return 0x5a5a5a5a;
}

static void device_write(void *ctx, uint16_t offset, unsigned size, uint32_t value)
{
	struct tiny_device *device = ctx;
	unsigned n = device->n_said;

	if (offset == TINY_DONE - TINY_SAY)
		device->done = true;
	if (offset != 0)
		return;
	if (n < sizeof(device->said) / sizeof(device->said[0]))
		device->said[n] = value;
	device->n_said = n + 1;
}

void tiny_device_add(struct hv_partition *partition, struct tiny_device *device)
{
	static const struct hv_pio_ops ops = {.read = device_read, .write = device_write};
	int rc = hv_pio_add(hv_partition_pio(partition), TINY_SAY, 4, &ops, device);

	assert(rc == 0);
	(void)rc;
}

void *tiny_at(struct hv_partition *partition, uint64_t gpa, uint64_t size)
{
	void *va = gpa_at(&hv_partition_memory(partition)->map, gpa, size);

	assert(va != NULL);
	return va;
}

void tiny_put(struct hv_partition *partition, uint64_t gpa, const uint8_t *code, const uint8_t *end)
{
	memcpy(tiny_at(partition, gpa, (uint64_t)(end - code)), code, (size_t)(end - code));
}

static void put_tables(struct hv_partition *partition)
{
	uint64_t *pml4 = tiny_at(partition, PML4, 4096), *pdpt = tiny_at(partition, PDPT, 4096);
	uint64_t *pd = tiny_at(partition, PD, 4ull * 4096);

	memset(pml4, 0, 4096);
	memset(pdpt, 0, 4096);
	pml4[0] = PDPT | PRESENT;
	for (uint64_t i = 0; i < 4; i++)
		pdpt[i] = (PD + i * 4096) | PRESENT;
	for (uint64_t i = 0; i < 4ull * 512; i++)
		pd[i] = i << 21 | PRESENT | LARGE;
}

static void put_gdt(struct hv_partition *partition, bool long_mode)
{
	const uint64_t gdt[] = {0,
				0,
				long_mode ? 0x00af9b000000ffff : 0x00cf9b000000ffff,
				0x00cf93000000ffff,
				0x00008b0000000067,
				0};

	memcpy(tiny_at(partition, HV_BOOT_GDT, sizeof(gdt)), gdt, sizeof(gdt));
}

void tiny_start(struct hv_partition *partition, const uint8_t *code, const uint8_t *end,
		bool long_mode)
{
	const struct hv_start start = {.rip = TINY_CODE,
				       .rsp = TINY_STACK,
				       .rsi = 0x1234,
				       .rbx = 0x5678,
				       .cr3 = long_mode ? PML4 : 0,
				       .gdt = HV_BOOT_GDT,
				       .gdt_size = 48};

	put_tables(partition);
	put_gdt(partition, long_mode);
	tiny_put(partition, TINY_CODE, code, end);
	hv_partition_set_start(partition, &start);
}

bool tiny_wait(struct tiny_device *device, unsigned seconds)
{
	uint64_t end = clock_mono_ns() + seconds * 1000000000ull;

	while (!device->done && clock_mono_ns() < end)
		usleep(1000);
	return device->done;
}

bool tiny_mail(struct hv_partition *partition, unsigned seconds, struct hv_mail *ret_mail)
{
	struct hv_mailbox *box = hv_partition_mailbox(partition);
	uint64_t end = clock_mono_ns() + seconds * 1000000000ull;

	while (!hv_mailbox_take(box, ret_mail)) {
		struct pollfd p = {.fd = hv_mailbox_fd(box), .events = POLLIN};

		if (clock_mono_ns() >= end)
			return false;
		poll(&p, 1, 100);
	}
	return true;
}
