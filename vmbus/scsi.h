/* SPDX-License-Identifier: BSD-2-Clause
 *
 * SCSI logical units: a command block goes in, data and a status come out; what it asks of its disk
 * goes by disk.h.  A disk is a direct-access device of SPC-3 and SBC-3 as far as guests ask for
 * that, a DVD one of MMC-4.  Vendor and product are those of Hyper-V, whose drivers know them.
 *
 * The command block and the data are a guest's: each command checks its own length, range and
 * allocation, copies what it reads once, and answers nonsense with sense, as a drive does.
 *
 * Thread: one at a time; that of the controller.
 */
#ifndef VMBUS_SCSI_H
#define VMBUS_SCSI_H

#include "vmbus/disk.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#define SCSI_MAX_LUNS	64
#define SCSI_CDB_SIZE	16
#define SCSI_SENSE_SIZE 18

/* Status byte, SAM. */
#define SCSI_GOOD	     0x00
#define SCSI_CHECK_CONDITION 0x02
#define SCSI_BUSY	     0x08

enum scsi_direction { SCSI_TO_DEVICE, SCSI_FROM_DEVICE, SCSI_NO_DATA };

/* What became of a command beside its status. */
enum scsi_result {
	SCSI_DONE,    /* 'status' says it */
	SCSI_OVERRUN, /* it wants more data than there is room for; nothing was done */
	SCSI_BAD_DIRECTION,
	SCSI_NO_LUN, /* there is no such unit */
};

struct scsi_unit;
struct scsi_target;

struct scsi_command {
	/* In: */
	uint8_t cdb[SCSI_CDB_SIZE];
	uint8_t cdb_size;
	enum scsi_direction direction;
	/* 'data_size' bytes of the guest's, borrowed until done and ours to change. */
	struct iovec *iov;
	unsigned n_iov;
	uint32_t data_size;
	void (*done)(struct scsi_command *command);
	/* Out, from the call of 'done' on: */
	enum scsi_result result;
	uint8_t status;
	uint8_t sense_size; /* 0: none */
	uint8_t sense[SCSI_SENSE_SIZE];
	uint32_t transferred; /* bytes */
	/* Ours: */
	struct scsi_unit *unit;
	struct disk_io io;
	uint64_t began_ns;
	void *list; /* ranges of an UNMAP */
	unsigned list_n, list_at;
};

#define SCSI_N_BUCKETS 24

/* Of one unit.  Latency: bucket i counts those that took less than 2^i microseconds (the last: all
 * others), from the command's arrival to its completion. */
struct scsi_stats {
	uint64_t reads, writes, flushes, discards, others;
	uint64_t read_bytes, write_bytes, discard_bytes;
	uint64_t errors;		  /* of the disk */
	uint64_t bad_commands;		  /* answered with sense because of what they asked */
	uint64_t total_ns;		  /* of reads, writes, flushes and discards together */
	uint64_t latency[SCSI_N_BUCKETS]; /* of reads and writes */
	uint64_t flush_latency[SCSI_N_BUCKETS];
	uint32_t in_flight;
};

/* What happened to a unit that its administrator may want to know. */
struct scsi_trouble {
	uint64_t n;	 /* so far */
	int rc;		 /* of the last: negative errno */
	enum disk_op op; /* what failed */
	uint64_t offset;
};

/* A target of no units.  NULL: no memory. */
struct scsi_target *scsi_target_create(void);
/* Units must be gone.  Takes NULL. */
void scsi_target_destroy(struct scsi_target *target);

/* Makes a unit of a disk, which is borrowed until scsi_unit_remove().  'name' makes its serial
 * number and its identifier, which are the same for the same name at all times.  0; -EEXIST;
 * -EINVAL: no such number, or a disk that cannot be one (its info); -ENOMEM. */
int scsi_unit_add(struct scsi_target *target, unsigned lun, struct disk *disk, const char *name);
/* The unit, or NULL.  Valid until scsi_unit_remove(). */
struct scsi_unit *scsi_unit_find(const struct scsi_target *target, unsigned lun);
/* No command reaches it any more; those under way go on.  It is busy until they are done, and its
 * number is taken. */
void scsi_unit_withdraw(struct scsi_target *target, unsigned lun);
bool scsi_unit_busy(const struct scsi_unit *unit);
/* Its owner should look: it is withdrawn and not busy, or its disk failed since the last
 * scsi_unit_trouble(). */
bool scsi_unit_calls(const struct scsi_unit *unit);
/* Ends a unit that is withdrawn and not busy, and returns its disk, which is the caller's again. */
struct disk *scsi_unit_remove(struct scsi_target *target, unsigned lun);
/* Its disk has another size: the guest is told with its next command. */
void scsi_unit_resized(struct scsi_unit *unit);
struct disk *scsi_unit_disk(const struct scsi_unit *unit);
void scsi_unit_stats(const struct scsi_unit *unit, struct scsi_stats *ret_stats);
void scsi_unit_trouble(struct scsi_unit *unit, struct scsi_trouble *ret_trouble);

/* Runs a command on a unit.  'done' is called once, perhaps before this returns; the command is the
 * caller's, and must live until then.  The disk wants a kick() afterwards. */
void scsi_execute(struct scsi_target *target, unsigned lun, struct scsi_command *command);

#endif
