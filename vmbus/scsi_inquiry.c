/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Who a unit says it is.  Source: SPC-3 6.4, 6.21 and 7.6, SBC-3 6.5.
 *
 * Linux trusts a host with vendor "Msft" to have vital product data, whatever the standard level
 * says, and takes provisioning (B2) and limits (B0) from there.
 */
#include "vmbus/scsi_priv.h"

#include <string.h>

#define MAX_UNMAP_RANGES 64u
#define MAX_UNMAP_BYTES	 (1ull << 32)
#define MAX_ZERO_BYTES	 (1ull << 30)
#define MAX_TRANSFER	 (1u << 20)

static uint8_t device_type(const struct scsi_unit *unit)
{
	return unit->disk->info.dvd ? 0x05 : 0x00;
}

static void standard(struct scsi_command *c)
{
	const struct scsi_unit *unit = c->unit;
	uint8_t data[36] = {
		device_type(unit),
		unit->disk->info.dvd ? 0x80 : 0x00, /* removable */
		0x05,				    /* SPC-3 */
		0x02,				    /* format of this data */
		sizeof(data) - 5,
		0,
		0,
		0x02, /* commands are queued */
	};

	memcpy(data + 8, "Msft    ", 8);
	memcpy(data + 16, unit->disk->info.dvd ? "Virtual DVD-ROM " : "Virtual Disk    ", 16);
	memcpy(data + 32, "1.0 ", 4);
	scsi_answer(c, data, sizeof(data), (size_t)scsi_be(c->cdb + 3, 2));
}

/* Each page writes what follows its 4 bytes of header to 'to' and returns how much that is. */

static size_t page_supported(const struct scsi_unit *unit, uint8_t *to)
{
	static const uint8_t pages[] = {0x00, 0x80, 0x83, 0xb0, 0xb1, 0xb2};
	size_t n = unit->disk->info.dvd ? 3 : sizeof(pages);

	memcpy(to, pages, n);
	return n;
}

static size_t page_serial(const struct scsi_unit *unit, uint8_t *to)
{
	memcpy(to, unit->serial, 32);
	return 32;
}

static size_t page_identification(const struct scsi_unit *unit, uint8_t *to)
{
	static const uint8_t naa[4] = {0x01, 0x03, 0, 16}; /* binary, of the unit */
	static const uint8_t t10[4] = {0x02, 0x01, 0, 40}; /* ASCII, vendor and what it likes */

	memcpy(to, naa, 4);
	memcpy(to + 4, unit->id, 16);
	memcpy(to + 20, t10, 4);
	memcpy(to + 24, "Msft    ", 8);
	memcpy(to + 32, unit->serial, 32);
	return 64;
}

static size_t page_limits(const struct scsi_unit *unit, uint8_t *to)
{
	const struct disk_info *info = &unit->disk->info;
	uint32_t block = info->block_size;

	memset(to, 0, 60);
	to[0] = 0x01; /* WRITE SAME of no blocks is refused */
	scsi_put_be(to + 2, info->physical_block / block, 2);
	scsi_put_be(to + 4, MAX_TRANSFER / block, 4);
	scsi_put_be(to + 8, MAX_TRANSFER / block, 4);
	if (info->discard_unit != 0) {
		scsi_put_be(to + 16, MAX_UNMAP_BYTES / block - 1, 4);
		scsi_put_be(to + 20, MAX_UNMAP_RANGES, 4);
		scsi_put_be(to + 24, info->discard_unit / block, 4);
		to[28] = 0x80; /* and its alignment, 0, is meant */
	}
	scsi_put_be(to + 32, MAX_ZERO_BYTES / block, 8);
	return 60;
}

static size_t page_characteristics(const struct scsi_unit *unit, uint8_t *to)
{
	memset(to, 0, 60);
	to[1] = 0x01; /* does not turn */
	return 60;
}

static size_t page_provisioning(const struct scsi_unit *unit, uint8_t *to)
{
	const struct disk_info *info = &unit->disk->info;

	memset(to, 0, 4);
	if (info->discard_unit != 0) {
		to[1] = 0x80;					/* UNMAP, */
		to[1] |= info->discard_zeros ? 0x40 | 0x04 : 0; /* WRITE SAME 16; zeros */
		to[2] = 0x02;					/* thin */
	}
	return 4;
}

static void vital(struct scsi_command *c)
{
	static const struct {
		uint8_t page;
		bool disk_only;
		size_t (*write)(const struct scsi_unit *unit, uint8_t *to);
	} pages[] = {
		{0x00, false, page_supported},	    {0x80, false, page_serial},
		{0x83, false, page_identification}, {0xb0, true, page_limits},
		{0xb1, true, page_characteristics}, {0xb2, true, page_provisioning},
	};
	uint8_t data[80] = {device_type(c->unit), c->cdb[2]};
	size_t size;

	for (unsigned i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		if (pages[i].page != c->cdb[2] || (pages[i].disk_only && c->unit->disk->info.dvd))
			continue;
		size = pages[i].write(c->unit, data + 4);
		scsi_put_be(data + 2, size, 2);
		scsi_answer(c, data, size + 4, (size_t)scsi_be(c->cdb + 3, 2));
		return;
	}
	scsi_fail(c, SCSI_SENSE_FIELD);
}

void scsi_inquiry(struct scsi_command *c)
{
	if ((c->cdb[1] & 1) != 0)
		vital(c);
	else if (c->cdb[2] != 0)
		scsi_fail(c, SCSI_SENSE_FIELD);
	else
		standard(c);
}

/* "Not capable of supporting a device here": guests that make a success of every failed INQUIRY
 * (Linux) must not read zeros, which are a disk. */
void scsi_inquiry_nobody(struct scsi_command *c)
{
	uint8_t data[36] = {0x7f, 0, 0x05, 0x02, sizeof(data) - 5};

	scsi_answer(c, data, sizeof(data), (size_t)scsi_be(c->cdb + 3, 2));
}

void scsi_report_luns(const struct scsi_target *target, struct scsi_command *c)
{
	uint8_t data[8 + 8 * SCSI_MAX_LUNS] = {0};
	size_t size = 8;

	if (c->cdb_size < 12) {
		scsi_refuse(c, SCSI_NO_LUN);
		return;
	}
	for (unsigned lun = 0; lun < SCSI_MAX_LUNS; lun++)
		if (target->units[lun] != NULL && !target->units[lun]->withdrawn) {
			data[size + 1] = (uint8_t)lun;
			size += 8;
		}
	scsi_put_be(data, size - 8, 4);
	scsi_answer(c, data, size, (size_t)scsi_be(c->cdb + 6, 4));
}
