/* SPDX-License-Identifier: BSD-2-Clause
 *
 * MODE SENSE: write protection, the write cache, and for DVDs what they can.  Nothing can be
 * changed, so that the values that could be are zeros.  Source: SPC-3 6.9 and 7.4, SBC-3 6.4.
 */
#include "vmbus/scsi_priv.h"

#include <string.h>

#define PAGE_CACHING	  0x08
#define PAGE_CONTROL	  0x0a
#define PAGE_INFORMATION  0x1c
#define PAGE_CAPABILITIES 0x2a
#define PAGE_ALL	  0x3f

#define CONTROL_CHANGE 1
#define CONTROL_SAVED  3

/* Bytes of a page, with its 2 of header. */
static size_t page_write(const struct scsi_unit *unit, uint8_t page, bool changeable, uint8_t *to)
{
	static const struct {
		uint8_t page, size;
		bool dvd_only;
	} sizes[] = {{PAGE_CACHING, 20, false},
		     {PAGE_CONTROL, 12, false},
		     {PAGE_INFORMATION, 12, false},
		     {PAGE_CAPABILITIES, 22, true}};
	const struct disk_info *info = &unit->disk->info;
	size_t size = 0;

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++)
		if (sizes[i].page == page && (info->dvd || !sizes[i].dvd_only))
			size = sizes[i].size;
	if (size == 0)
		return 0;
	memset(to, 0, size);
	to[0] = page;
	to[1] = (uint8_t)(size - 2);
	if (changeable)
		return size;
	if (page == PAGE_CACHING && info->write_cache)
		to[2] = 0x04;
	if (page == PAGE_CAPABILITIES) {
		to[2] = 0x3b; /* reads CD-R, CD-RW, DVD-ROM, DVD-R, DVD-RAM */
		to[4] = 0x70; /* modes 2, sessions */
		to[6] = 0x29; /* a tray, ejects, locks */
	}
	return size;
}

static size_t pages_write(const struct scsi_unit *unit, uint8_t page, bool changeable, uint8_t *to)
{
	static const uint8_t all[] = {PAGE_CACHING, PAGE_CONTROL, PAGE_INFORMATION,
				      PAGE_CAPABILITIES};
	size_t size = 0;

	if (page != PAGE_ALL)
		return page_write(unit, page, changeable, to);
	for (unsigned i = 0; i < sizeof(all); i++)
		size += page_write(unit, all[i], changeable, to + size);
	return size;
}

static uint8_t device_specific(const struct disk_info *info)
{
	if (info->dvd)
		return 0;
	return (info->read_only ? 0x80 : 0) | 0x10; /* write protected; FUA is known */
}

static void mode_sense(struct scsi_command *c, bool ten, size_t room)
{
	uint8_t page = c->cdb[2] & 0x3f, control = c->cdb[2] >> 6, data[8 + 80];
	size_t head = ten ? 8 : 4, size;

	if (control == CONTROL_SAVED) {
		scsi_fail(c, SCSI_SENSE_NO_SAVED_PAGES);
		return;
	}
	memset(data, 0, head);
	size = pages_write(c->unit, page, control == CONTROL_CHANGE, data + head);
	if (size == 0) {
		scsi_fail(c, SCSI_SENSE_FIELD);
		return;
	}
	if (ten) {
		scsi_put_be(data, head + size - 2, 2);
		data[3] = device_specific(&c->unit->disk->info);
	} else {
		data[0] = (uint8_t)(head + size - 1);
		data[2] = device_specific(&c->unit->disk->info);
	}
	scsi_answer(c, data, head + size, room);
}

void scsi_mode_sense_6(struct scsi_command *c)
{
	mode_sense(c, false, c->cdb[4]);
}

void scsi_mode_sense_10(struct scsi_command *c)
{
	mode_sense(c, true, (size_t)scsi_be(c->cdb + 7, 2));
}
