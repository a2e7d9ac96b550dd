/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Fuzzes SCSI units with command blocks and data of a guest's: a disk, a DVD, a disk that may only
 * be read, and no unit.  Each command ends once, says no more than there was room for, and touches
 * nothing outside of its disk (tests/support/mem_disk.c looks).
 *
 * Input: commands, each a byte of unit, direction and length, a byte for the data's size in units
 * of 16, 16 bytes of command block, and as many bytes of data as there are.
 */
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/support/mem_disk.h"
#include "vmbus/scsi.h"

#define MAX_COMMANDS 32
#define N_UNITS	     3

static unsigned n_done;

static void on_done(struct scsi_command *command)
{
	n_done++;
}

static void check(const struct scsi_command *c, uint32_t room)
{
	if (n_done != 1 || c->transferred > room || c->sense_size > SCSI_SENSE_SIZE)
		abort();
	if (c->status != SCSI_GOOD && c->result != SCSI_DONE)
		abort();
	if ((c->status == SCSI_CHECK_CONDITION) != (c->sense_size > 0) || c->list != NULL)
		abort();
}

/* In two pieces, so that one that is passed over shows. */
static void one(struct scsi_target *target, const uint8_t *head, const uint8_t *bytes,
		uint32_t size)
{
	uint8_t *first = malloc(size / 2 + 1), *second = malloc(size - size / 2 + 1);
	struct iovec iov[2] = {{first, size / 2}, {second, size - size / 2}};
	struct scsi_command command = {
		.cdb_size = (uint8_t)((head[0] >> 4) + 1),
		.direction = (enum scsi_direction)((head[0] >> 2 & 3) % 3),
		.iov = iov,
		.n_iov = size > 0 ? 2 : 0,
		.data_size = size,
		.done = on_done,
	};

	if (first == NULL || second == NULL)
		abort();
	memcpy(command.cdb, head + 2, SCSI_CDB_SIZE);
	memcpy(first, bytes, size / 2);
	memcpy(second, bytes + size / 2, size - size / 2);
	n_done = 0;
	scsi_execute(target, head[0] & 3, &command);
	check(&command, size);
	free(first);
	free(second);
}

static void run(struct scsi_target *target, const uint8_t *data, size_t size)
{
	static uint8_t bytes[256 * 16];

	for (unsigned i = 0; i < MAX_COMMANDS && size >= 18; i++) {
		uint32_t room = data[1] * 16u, have;
		const uint8_t *head = data;

		data += 18;
		size -= 18;
		have = room < size ? room : (uint32_t)size;
		memset(bytes, 0, room);
		memcpy(bytes, data, have);
		one(target, head, bytes, room);
		data += have;
		size -= have;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct scsi_target *target = scsi_target_create();
	struct mem_disk *disks = calloc(N_UNITS, sizeof(*disks));

	if (target == NULL || disks == NULL)
		abort();
	for (unsigned i = 0; i < N_UNITS; i++) {
		mem_disk_init(&disks[i], 64u << 10, i == 1 ? 2048 : 512);
		disks[i].disk.info.dvd = i == 1;
		disks[i].disk.info.read_only = i > 0;
		if (scsi_unit_add(target, i, &disks[i].disk, "fuzz") != 0)
			abort();
	}
	run(target, data, size);
	for (unsigned i = 0; i < N_UNITS; i++) {
		if (scsi_unit_busy(scsi_unit_find(target, i)))
			abort();
		scsi_unit_withdraw(target, i);
		(void)scsi_unit_remove(target, i);
		mem_disk_fini(&disks[i]);
	}
	scsi_target_destroy(target);
	free(disks);
	return 0;
}
