/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the files of SCSI units share:
 *
 * 	scsi.c          units, dispatch, sense, and what every unit answers
 * 	scsi_inquiry.c  INQUIRY and its pages of vital product data, REPORT LUNS
 * 	scsi_mode.c     MODE SENSE
 * 	scsi_block.c    capacity, reads, writes, flushes, discards
 * 	scsi_dvd.c      what only DVDs have
 *
 * A command's function ends in exactly one of scsi_finish(), scsi_fail(), scsi_answer(), or begins
 * I/O that does.
 */
#ifndef VMBUS_SCSI_PRIV_H
#define VMBUS_SCSI_PRIV_H

#include "vmbus/scsi.h"

/* Sense: key << 16 | additional code << 8 | its qualifier. */
enum scsi_sense {
	SCSI_SENSE_NO_MEDIUM = 0x023a00,
	SCSI_SENSE_READ_ERROR = 0x031100,  /* medium error: unrecovered read error */
	SCSI_SENSE_WRITE_ERROR = 0x030c00, /* medium error: write error */
	SCSI_SENSE_OPCODE = 0x052000,
	SCSI_SENSE_LBA = 0x052100,
	SCSI_SENSE_FIELD = 0x052400,	 /* in the command */
	SCSI_SENSE_PARAMETER = 0x052600, /* in its data */
	SCSI_SENSE_LIST_LENGTH = 0x051a00,
	SCSI_SENSE_NO_SAVED_PAGES = 0x053900,
	SCSI_SENSE_REMOVAL_PREVENTED = 0x055302,
	SCSI_SENSE_CAPACITY_CHANGED = 0x062a09,
	SCSI_SENSE_MEDIUM_CHANGED = 0x062800,
	SCSI_SENSE_PROTECTED = 0x072700,
	SCSI_SENSE_NO_SPACE = 0x072707, /* space allocation failed write protect */
};

struct scsi_unit {
	unsigned lun;
	struct disk *disk;
	uint8_t id[16];	    /* NAA locally assigned, from the name */
	char serial[33];    /* hexadecimal */
	uint32_t attention; /* sense that the next command gets; 0: none */
	bool withdrawn;
	bool ejected, prevented; /* DVD */
	struct scsi_stats stats;
	struct scsi_trouble trouble;
	uint64_t seen; /* of its troubles, by the owner */
};

struct scsi_target {
	struct scsi_unit *units[SCSI_MAX_LUNS];
};

static inline uint64_t scsi_be(const uint8_t *at, unsigned size)
{
	uint64_t value = 0;

	while (size-- > 0)
		value = value << 8 | *at++;
	return value;
}

static inline void scsi_put_be(uint8_t *at, uint64_t value, unsigned size)
{
	while (size-- > 0) {
		at[size] = (uint8_t)value;
		value >>= 8;
	}
}

static inline uint64_t scsi_n_blocks(const struct scsi_unit *unit)
{
	return unit->disk->info.size / unit->disk->info.block_size;
}

/* Good. */
void scsi_finish(struct scsi_command *c);
void scsi_fail(struct scsi_command *c, enum scsi_sense sense);
/* Good, with the first of 'size' bytes that the guest has room for and 'room' allows. */
void scsi_answer(struct scsi_command *c, const void *bytes, size_t size, size_t room);
/* Not done: 'result' says why. */
void scsi_refuse(struct scsi_command *c, enum scsi_result result);
/* Copies 'size' bytes of the guest's data, once; false when there are fewer. */
bool scsi_fetch(const struct scsi_command *c, void *to, size_t size);
void scsi_sense_write(uint8_t sense[SCSI_SENSE_SIZE], uint32_t code);

void scsi_inquiry(struct scsi_command *c);
/* INQUIRY to a number that has no unit. */
void scsi_inquiry_nobody(struct scsi_command *c);
void scsi_report_luns(const struct scsi_target *target, struct scsi_command *c);

void scsi_mode_sense_6(struct scsi_command *c);
void scsi_mode_sense_10(struct scsi_command *c);

void scsi_read_capacity_10(struct scsi_command *c);
void scsi_service_in_16(struct scsi_command *c);
void scsi_read_write(struct scsi_command *c);
void scsi_verify(struct scsi_command *c);
void scsi_sync_cache(struct scsi_command *c);
void scsi_unmap(struct scsi_command *c);
void scsi_write_same(struct scsi_command *c);

void scsi_prevent_removal(struct scsi_command *c);
void scsi_start_stop(struct scsi_command *c);
void scsi_read_toc(struct scsi_command *c);
void scsi_get_configuration(struct scsi_command *c);
void scsi_get_event_status(struct scsi_command *c);
void scsi_read_disc_information(struct scsi_command *c);
void scsi_mechanism_status(struct scsi_command *c);

#endif
