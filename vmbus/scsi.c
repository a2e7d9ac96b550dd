/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Units, and the way of a command through one; see scsi.h.  Source: SPC-3.
 */
#include "vmbus/scsi_priv.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/base/clock.h"
#include "vmbus/guid.h"

/* ---- Units ---- */

struct scsi_target *scsi_target_create(void)
{
	return calloc(1, sizeof(struct scsi_target));
}

void scsi_target_destroy(struct scsi_target *target)
{
	for (unsigned i = 0; target != NULL && i < SCSI_MAX_LUNS; i++)
		assert(target->units[i] == NULL);
	free(target);
}

static bool info_ok(const struct disk_info *info)
{
	uint32_t block = info->block_size, physical = info->physical_block;

	if (block != 512 && block != 2048 && block != 4096)
		return false;
	return physical >= block && (physical & (physical - 1)) == 0 && physical <= 1u << 20 &&
	       info->size % block == 0;
}

/* NAA 3h: locally assigned (SPC-3 7.6.3.6.4), in the long form that 6h has: 16 bytes. */
static void identify(struct scsi_unit *unit, const char *name)
{
	struct vmbus_guid guid;

	vmbus_guid_of_name(name, &guid);
	memcpy(unit->id, guid.bytes, sizeof(unit->id));
	unit->id[0] = 0x60 | (unit->id[0] & 0x0f);
	for (unsigned i = 0; i < sizeof(unit->id); i++)
		snprintf(unit->serial + i * 2, 3, "%02x", unit->id[i]);
}

int scsi_unit_add(struct scsi_target *target, unsigned lun, struct disk *disk, const char *name)
{
	struct scsi_unit *unit;

	if (lun >= SCSI_MAX_LUNS || !info_ok(&disk->info))
		return -EINVAL;
	if (target->units[lun] != NULL)
		return -EEXIST;
	unit = calloc(1, sizeof(*unit));
	if (unit == NULL)
		return -ENOMEM;
	unit->lun = lun;
	unit->disk = disk;
	identify(unit, name);
	target->units[lun] = unit;
	return 0;
}

struct scsi_unit *scsi_unit_find(const struct scsi_target *target, unsigned lun)
{
	return lun < SCSI_MAX_LUNS ? target->units[lun] : NULL;
}

void scsi_unit_withdraw(struct scsi_target *target, unsigned lun)
{
	struct scsi_unit *unit = scsi_unit_find(target, lun);

	if (unit != NULL)
		unit->withdrawn = true;
}

bool scsi_unit_busy(const struct scsi_unit *unit)
{
	return unit->stats.in_flight > 0;
}

bool scsi_unit_calls(const struct scsi_unit *unit)
{
	return (unit->withdrawn && !scsi_unit_busy(unit)) || unit->trouble.n != unit->seen;
}

struct disk *scsi_unit_remove(struct scsi_target *target, unsigned lun)
{
	struct scsi_unit *unit = scsi_unit_find(target, lun);
	struct disk *disk;

	assert(unit != NULL && unit->withdrawn && !scsi_unit_busy(unit));
	disk = unit->disk;
	target->units[lun] = NULL;
	free(unit);
	return disk;
}

void scsi_unit_resized(struct scsi_unit *unit)
{
	unit->attention = SCSI_SENSE_CAPACITY_CHANGED;
}

struct disk *scsi_unit_disk(const struct scsi_unit *unit)
{
	return unit->disk;
}

void scsi_unit_stats(const struct scsi_unit *unit, struct scsi_stats *ret_stats)
{
	*ret_stats = unit->stats;
}

void scsi_unit_trouble(struct scsi_unit *unit, struct scsi_trouble *ret_trouble)
{
	unit->seen = unit->trouble.n;
	*ret_trouble = unit->trouble;
}

/* ---- Ends of a command ---- */

static void end(struct scsi_command *c)
{
	if (c->unit != NULL)
		c->unit->stats.in_flight--;
	c->done(c);
}

void scsi_finish(struct scsi_command *c)
{
	c->status = SCSI_GOOD;
	end(c);
}

/* Fixed format, current (SPC-3 4.5.3). */
void scsi_sense_write(uint8_t sense[SCSI_SENSE_SIZE], uint32_t code)
{
	memset(sense, 0, SCSI_SENSE_SIZE);
	sense[0] = 0x70;
	sense[2] = (uint8_t)(code >> 16);
	sense[7] = SCSI_SENSE_SIZE - 8;
	sense[12] = (uint8_t)(code >> 8);
	sense[13] = (uint8_t)code;
}

void scsi_fail(struct scsi_command *c, enum scsi_sense sense)
{
	if (sense >> 16 == 5)
		c->unit->stats.bad_commands++;
	scsi_sense_write(c->sense, sense);
	c->sense_size = SCSI_SENSE_SIZE;
	c->status = SCSI_CHECK_CONDITION;
	end(c);
}

void scsi_refuse(struct scsi_command *c, enum scsi_result result)
{
	c->result = result;
	c->status = SCSI_GOOD;
	end(c);
}

void scsi_answer(struct scsi_command *c, const void *bytes, size_t size, size_t room)
{
	const uint8_t *from = bytes;

	if (c->direction != SCSI_FROM_DEVICE && size > 0 && room > 0) {
		scsi_refuse(c, SCSI_BAD_DIRECTION);
		return;
	}
	if (size > room)
		size = room;
	for (unsigned i = 0; i < c->n_iov && size > 0; i++) {
		size_t here = size < c->iov[i].iov_len ? size : c->iov[i].iov_len;

		memcpy(c->iov[i].iov_base, from, here);
		from += here;
		size -= here;
		c->transferred += (uint32_t)here;
	}
	scsi_finish(c);
}

bool scsi_fetch(const struct scsi_command *c, void *to, size_t size)
{
	uint8_t *at = to;

	if (c->direction != SCSI_TO_DEVICE || size > c->data_size)
		return false;
	for (unsigned i = 0; i < c->n_iov && size > 0; i++) {
		size_t here = size < c->iov[i].iov_len ? size : c->iov[i].iov_len;

		memcpy(at, c->iov[i].iov_base, here);
		at += here;
		size -= here;
	}
	/* Or the compiler might look at the guest's bytes again where 'to' is used. */
	__asm__ volatile("" : : "r"(to) : "memory");
	return size == 0;
}

/* ---- What every unit answers ---- */

static void request_sense(struct scsi_command *c)
{
	uint8_t sense[SCSI_SENSE_SIZE];

	scsi_sense_write(sense, c->unit->attention);
	c->unit->attention = 0;
	scsi_answer(c, sense, sizeof(sense), c->cdb[4]);
}

/* No keys, no reservation, nothing that could be reserved: a disk belongs to one machine. */
static void persistent_reserve_in(struct scsi_command *c)
{
	static const uint8_t capabilities[8] = {0, 8};
	static const uint8_t none[8];
	size_t room = (size_t)scsi_be(c->cdb + 7, 2);

	switch (c->cdb[1] & 0x1f) {
	case 0: /* keys */
	case 1: /* the reservation */
	case 3: /* full status */
		scsi_answer(c, none, sizeof(none), room);
		break;
	case 2:
		scsi_answer(c, capabilities, sizeof(capabilities), room);
		break;
	default:
		scsi_fail(c, SCSI_SENSE_FIELD);
		break;
	}
}

/* ---- Dispatch ---- */

enum for_whom { DISK = 1, DVD = 2, ALL = DISK | DVD, MEDIUM = 4, QUIET = 8 };

/* MEDIUM: fails without one.  QUIET: does not deliver a unit attention. */
struct verb {
	uint8_t opcode;
	uint8_t cdb_size;
	uint8_t flags;
	void (*run)(struct scsi_command *c);
};

static const struct verb verbs[] = {
	{0x00, 6, ALL | MEDIUM, scsi_finish}, /* TEST UNIT READY */
	{0x03, 6, ALL | QUIET, request_sense},
	{0x08, 6, ALL | MEDIUM, scsi_read_write},
	{0x0a, 6, DISK, scsi_read_write},
	{0x12, 6, ALL | QUIET, scsi_inquiry},
	{0x1a, 6, ALL, scsi_mode_sense_6},
	{0x1b, 6, ALL, scsi_start_stop},
	{0x1e, 6, ALL, scsi_prevent_removal},
	{0x25, 10, ALL | MEDIUM, scsi_read_capacity_10},
	{0x28, 10, ALL | MEDIUM, scsi_read_write},
	{0x2a, 10, DISK, scsi_read_write},
	{0x2e, 10, DISK, scsi_read_write}, /* WRITE AND VERIFY */
	{0x2f, 10, ALL | MEDIUM, scsi_verify},
	{0x35, 10, ALL | MEDIUM, scsi_sync_cache},
	{0x41, 10, DISK, scsi_write_same},
	{0x42, 10, DISK, scsi_unmap},
	{0x43, 10, DVD | MEDIUM, scsi_read_toc},
	{0x46, 10, DVD, scsi_get_configuration},
	{0x4a, 10, DVD, scsi_get_event_status},
	{0x51, 10, DVD | MEDIUM, scsi_read_disc_information},
	{0x5a, 10, ALL, scsi_mode_sense_10},
	{0x5e, 10, DISK, persistent_reserve_in},
	{0x88, 16, DISK, scsi_read_write},
	{0x8a, 16, DISK, scsi_read_write},
	{0x8e, 16, DISK, scsi_read_write}, /* WRITE AND VERIFY */
	{0x8f, 16, DISK, scsi_verify},
	{0x91, 16, DISK, scsi_sync_cache},
	{0x93, 16, DISK, scsi_write_same},
	{0x9e, 16, DISK, scsi_service_in_16},
	{0xa8, 12, ALL | MEDIUM, scsi_read_write},
	{0xaa, 12, DISK, scsi_read_write},
	{0xae, 12, DISK, scsi_read_write}, /* WRITE AND VERIFY */
	{0xaf, 12, DISK, scsi_verify},
	{0xbd, 12, DVD, scsi_mechanism_status},
};

static const struct verb *verb_find(const struct scsi_unit *unit, uint8_t opcode)
{
	uint8_t kind = unit->disk->info.dvd ? DVD : DISK;

	for (unsigned i = 0; i < sizeof(verbs) / sizeof(verbs[0]); i++)
		if (verbs[i].opcode == opcode)
			return (verbs[i].flags & kind) != 0 ? &verbs[i] : NULL;
	return NULL;
}

static void run(struct scsi_command *c)
{
	struct scsi_unit *unit = c->unit;
	const struct verb *verb = verb_find(unit, c->cdb[0]);

	if (verb == NULL) {
		scsi_fail(c, SCSI_SENSE_OPCODE);
	} else if (c->cdb_size < verb->cdb_size) {
		scsi_fail(c, SCSI_SENSE_FIELD);
	} else if (unit->attention != 0 && (verb->flags & QUIET) == 0) {
		enum scsi_sense attention = unit->attention;

		unit->attention = 0;
		scsi_fail(c, attention);
	} else if (unit->ejected && (verb->flags & MEDIUM) != 0) {
		scsi_fail(c, SCSI_SENSE_NO_MEDIUM);
	} else {
		verb->run(c);
	}
}

void scsi_execute(struct scsi_target *target, unsigned lun, struct scsi_command *c)
{
	struct scsi_unit *unit = scsi_unit_find(target, lun);

	c->result = SCSI_DONE;
	c->status = SCSI_GOOD;
	c->sense_size = 0;
	c->transferred = 0;
	c->unit = NULL;
	c->list = NULL;
	if (c->cdb_size > 0 && c->cdb[0] == 0xa0 && lun < SCSI_MAX_LUNS) {
		scsi_report_luns(target, c);
	} else if (unit == NULL || unit->withdrawn) {
		if (c->cdb_size >= 6 && c->cdb[0] == 0x12)
			scsi_inquiry_nobody(c);
		else
			scsi_refuse(c, SCSI_NO_LUN);
	} else {
		c->unit = unit;
		c->began_ns = clock_mono_ns();
		unit->stats.in_flight++;
		run(c);
	}
}
