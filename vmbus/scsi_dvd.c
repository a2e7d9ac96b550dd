/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a DVD drive has beside its blocks: a tray, a table of contents of one track, and answers to
 * those who ask whether the medium changed.  Source: MMC-4 6, SBC-3 5.
 */
#include "vmbus/scsi_priv.h"

#include <string.h>

#define PROFILE_CD_ROM	0x0008u
#define PROFILE_DVD_ROM 0x0010u
#define MAX_CD_BLOCKS	360000u /* 80 minutes */
#define LEAD_OUT	0xaa

void scsi_prevent_removal(struct scsi_command *c)
{
	c->unit->prevented = (c->cdb[4] & 1) != 0;
	scsi_finish(c);
}

/* LOEJ with START loads, without it ejects; the image stays where it is. */
void scsi_start_stop(struct scsi_command *c)
{
	struct scsi_unit *unit = c->unit;
	bool load_eject = (c->cdb[4] & 2) != 0, start = (c->cdb[4] & 1) != 0;

	if (!unit->disk->info.dvd || !load_eject || (c->cdb[4] & 0xf0) != 0) {
		scsi_finish(c);
		return;
	}
	if (!start && unit->prevented) {
		scsi_fail(c, SCSI_SENSE_REMOVAL_PREVENTED);
		return;
	}
	if (start && unit->ejected)
		unit->attention = SCSI_SENSE_MEDIUM_CHANGED;
	unit->ejected = !start;
	scsi_finish(c);
}

/* A block's address as tables have it: a number, or minutes, seconds and frames. */
static void put_address(uint8_t *at, uint64_t lba, bool msf)
{
	if (!msf) {
		scsi_put_be(at, lba > UINT32_MAX ? UINT32_MAX : lba, 4);
		return;
	}
	lba += 150; /* the two seconds before the first */
	at[0] = 0;
	at[1] = lba / (75 * 60) > 255 ? 255 : (uint8_t)(lba / (75 * 60));
	at[2] = (uint8_t)(lba / 75 % 60);
	at[3] = (uint8_t)(lba % 75);
}

static size_t toc_tracks(const struct scsi_command *c, uint8_t *data)
{
	bool msf = (c->cdb[1] & 2) != 0;
	size_t size = 4;

	if (c->cdb[6] <= 1) {
		data[size + 1] = 0x14; /* data, no copying forbidden */
		data[size + 2] = 1;
		put_address(data + size + 4, 0, msf);
		size += 8;
	}
	data[size + 1] = 0x14;
	data[size + 2] = LEAD_OUT;
	put_address(data + size + 4, scsi_n_blocks(c->unit), msf);
	return size + 8;
}

void scsi_read_toc(struct scsi_command *c)
{
	uint8_t format = c->cdb[2] & 0x0f, data[20] = {0};
	size_t size = 12;

	if (format == 0 && c->cdb[9] >> 6 != 0) /* where it was before MMC-2 */
		format = c->cdb[9] >> 6;
	if (format > 1 || (format == 0 && c->cdb[6] > 1 && c->cdb[6] != LEAD_OUT)) {
		scsi_fail(c, SCSI_SENSE_FIELD);
		return;
	}
	data[2] = 1; /* first and last track, or session */
	data[3] = 1;
	if (format == 0) {
		size = toc_tracks(c, data);
	} else {
		data[5] = 0x14;
		data[6] = 1;
	}
	scsi_put_be(data, size - 2, 2);
	scsi_answer(c, data, size, (size_t)scsi_be(c->cdb + 7, 2));
}

static uint16_t profile(const struct scsi_unit *unit)
{
	if (unit->ejected)
		return 0;
	return scsi_n_blocks(unit) > MAX_CD_BLOCKS ? PROFILE_DVD_ROM : PROFILE_CD_ROM;
}

/* Features: the list of profiles, the core, and that the medium can be removed. */
void scsi_get_configuration(struct scsi_command *c)
{
	static const uint8_t features[] = {
		0x00, 0x00, 0x03, 0x08, 0x00, 0x10, 0x00, 0x00, 0x00, 0x08, 0x00, 0x00, /* 0 */
		0x00, 0x01, 0x07, 0x04, 0x00, 0x00, 0x00, 0x01,				/* 1 */
		0x00, 0x03, 0x03, 0x04, 0x29, 0x00, 0x00, 0x00,				/* 3 */
	};
	static const struct {
		uint16_t feature;
		uint8_t at, size;
	} places[] = {{0, 0, 12}, {1, 12, 8}, {3, 20, 8}};
	uint16_t from = (uint16_t)scsi_be(c->cdb + 2, 2), now = profile(c->unit);
	uint8_t rt = c->cdb[1] & 3, data[8 + sizeof(features)] = {0};
	size_t size = 8;

	if (rt == 3) {
		scsi_fail(c, SCSI_SENSE_FIELD);
		return;
	}
	for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (rt == 2 ? places[i].feature != from : places[i].feature < from)
			continue;
		memcpy(data + size, features + places[i].at, places[i].size);
		if (places[i].feature == 0) { /* which profile is current */
			data[size + 6] = now == PROFILE_DVD_ROM;
			data[size + 10] = now == PROFILE_CD_ROM;
		}
		size += places[i].size;
	}
	scsi_put_be(data, size - 4, 4);
	scsi_put_be(data + 6, now, 2);
	scsi_answer(c, data, size, (size_t)scsi_be(c->cdb + 7, 2));
}

/* Asked, not waited for: there is never an event, only the state. */
void scsi_get_event_status(struct scsi_command *c)
{
	uint8_t data[8] = {0, 6, 4, 0x10, 0, c->unit->ejected ? 0 : 2};
	size_t size = sizeof(data);

	if ((c->cdb[1] & 1) == 0) {
		scsi_fail(c, SCSI_SENSE_FIELD);
		return;
	}
	if ((c->cdb[4] & 0x10) == 0) { /* the medium's class is the only one we have */
		data[1] = 2;
		data[2] = 0x80;
		size = 4;
	}
	scsi_answer(c, data, size, (size_t)scsi_be(c->cdb + 7, 2));
}

void scsi_read_disc_information(struct scsi_command *c)
{
	uint8_t data[34] = {0, 32, 0x0e, 1, 1, 1, 1, 0x20}; /* complete, one session, one track */

	if ((c->cdb[1] & 7) != 0)
		scsi_fail(c, SCSI_SENSE_FIELD);
	else
		scsi_answer(c, data, sizeof(data), (size_t)scsi_be(c->cdb + 7, 2));
}

void scsi_mechanism_status(struct scsi_command *c)
{
	uint8_t data[8] = {0, c->unit->ejected ? 0x10 : 0};

	scsi_answer(c, data, sizeof(data), (size_t)scsi_be(c->cdb + 8, 2));
}
