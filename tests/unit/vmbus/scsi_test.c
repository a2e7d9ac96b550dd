/* SPDX-License-Identifier: BSD-2-Clause
 *
 * SCSI commands on units of memory: what they answer, what they refuse, what reaches the disk.
 */
#include "vmbus/scsi.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/mem_disk.h"

#define SIZE (1u << 20)
#define CDB(...)                                                                                   \
	(const uint8_t[16])                                                                        \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}

struct rig {
	struct scsi_target *target;
	struct mem_disk disk, dvd;
	struct scsi_command c;
	struct iovec iov;
	uint8_t data[8192];
	unsigned n_done;
};

static struct rig *current;

static void on_done(struct scsi_command *command)
{
	current->n_done++;
}

static int setup(void **state)
{
	struct rig *rig = calloc(1, sizeof(*rig));

	rig->target = scsi_target_create();
	mem_disk_init(&rig->disk, SIZE, 512);
	mem_disk_init(&rig->dvd, SIZE, 2048);
	rig->dvd.disk.info.dvd = true;
	rig->dvd.disk.info.read_only = true;
	if (scsi_unit_add(rig->target, 0, &rig->disk.disk, "root") != 0 ||
	    scsi_unit_add(rig->target, 5, &rig->dvd.disk, "cd") != 0)
		return -1;
	current = rig;
	*state = rig;
	return 0;
}

static int teardown(void **state)
{
	struct rig *rig = *state;

	scsi_unit_withdraw(rig->target, 0);
	scsi_unit_withdraw(rig->target, 5);
	(void)scsi_unit_remove(rig->target, 0);
	(void)scsi_unit_remove(rig->target, 5);
	scsi_target_destroy(rig->target);
	mem_disk_fini(&rig->disk);
	mem_disk_fini(&rig->dvd);
	free(rig);
	return 0;
}

/* Runs one; its sense as key << 16 | code << 8 | qualifier, 0 when it was good. */
static uint32_t run(struct rig *rig, unsigned lun, enum scsi_direction direction,
		    const uint8_t cdb[16], uint32_t size)
{
	memset(&rig->c, 0, sizeof(rig->c));
	rig->iov = (struct iovec){rig->data, size};
	memcpy(rig->c.cdb, cdb, 16);
	rig->c.cdb_size = 16;
	rig->c.direction = direction;
	rig->c.iov = &rig->iov;
	rig->c.n_iov = size > 0;
	rig->c.data_size = size;
	rig->c.done = on_done;
	rig->n_done = 0;
	scsi_execute(rig->target, lun, &rig->c);
	assert_int_equal(rig->n_done, 1);
	if (rig->c.status == SCSI_GOOD)
		return 0;
	return (uint32_t)rig->c.sense[2] << 16 | (uint32_t)rig->c.sense[12] << 8 | rig->c.sense[13];
}

static void a_unit_says_who_it_is(void **state)
{
	struct rig *rig = *state;
	uint8_t id[16];

	assert_int_equal(run(rig, 0, SCSI_FROM_DEVICE, CDB(0x12, 0, 0, 0, 96), 96), 0);
	assert_int_equal(rig->c.transferred, 36);
	assert_memory_equal(rig->data + 8, "Msft    Virtual Disk    ", 24);
	assert_int_equal(run(rig, 5, SCSI_FROM_DEVICE, CDB(0x12, 0, 0, 0, 96), 96), 0);
	assert_int_equal(rig->data[0], 5);
	assert_int_equal(rig->data[1], 0x80);
	assert_int_equal(run(rig, 0, SCSI_FROM_DEVICE, CDB(0x12, 1, 0x83, 0, 96), 96), 0);
	memcpy(id, rig->data + 8, 16);
	assert_int_equal(id[0] >> 4, 6);
	/* The same name, the same identifier. */
	scsi_unit_withdraw(rig->target, 0);
	(void)scsi_unit_remove(rig->target, 0);
	assert_int_equal(scsi_unit_add(rig->target, 0, &rig->disk.disk, "root"), 0);
	assert_int_equal(run(rig, 0, SCSI_FROM_DEVICE, CDB(0x12, 1, 0x83, 0, 96), 96), 0);
	assert_memory_equal(rig->data + 8, id, 16);
	assert_int_equal(run(rig, 0, SCSI_FROM_DEVICE, CDB(0x12, 1, 0xb2, 0, 96), 96), 0);
	assert_int_equal(rig->data[5], 0xc4);
	assert_int_equal(run(rig, 5, SCSI_FROM_DEVICE, CDB(0x12, 1, 0xb2, 0, 96), 96), 0x052400);
}

static void numbers_without_a_unit_are_no_disks(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(run(rig, 1, SCSI_FROM_DEVICE, CDB(0x12, 0, 0, 0, 36), 36), 0);
	assert_int_equal(rig->data[0], 0x7f);
	assert_int_equal(run(rig, 1, SCSI_NO_DATA, CDB(0), 0), 0);
	assert_int_equal(rig->c.result, SCSI_NO_LUN);
	assert_int_equal(run(rig, 9, SCSI_FROM_DEVICE, CDB(0xa0, 0, 0, 0, 0, 0, 0, 0, 1, 0), 256),
			 0);
	assert_int_equal(rig->c.transferred, 24);
	assert_int_equal(rig->data[3], 16);
	assert_int_equal(rig->data[9], 0);
	assert_int_equal(rig->data[17], 5);
}

static void capacity_and_provisioning_are_told(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(run(rig, 0, SCSI_FROM_DEVICE, CDB(0x25), 8), 0);
	assert_memory_equal(rig->data, ((uint8_t[]){0, 0, 7, 0xff, 0, 0, 2, 0}), 8);
	assert_int_equal(run(rig, 0, SCSI_FROM_DEVICE,
			     CDB(0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32), 32),
			 0);
	assert_int_equal(rig->data[13], 3);
	assert_int_equal(rig->data[14], 0xc0);
	assert_int_equal(run(rig, 0, SCSI_FROM_DEVICE, CDB(0x1a, 0, 8, 0, 64), 64), 0);
	assert_int_equal(rig->data[2], 0x10);
	assert_int_equal(rig->data[6], 0x04);
	rig->disk.disk.info.read_only = true;
	assert_int_equal(run(rig, 0, SCSI_FROM_DEVICE, CDB(0x1a, 0, 0x3f, 0, 64), 64), 0);
	assert_int_equal(rig->data[2], 0x90);
	assert_int_equal(run(rig, 0, SCSI_TO_DEVICE, CDB(0x2a, 0, 0, 0, 0, 0, 0, 0, 1), 512),
			 0x072700);
}

static void blocks_outside_are_refused_by_every_command(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(run(rig, 0, SCSI_FROM_DEVICE, CDB(0x28, 0, 0, 0, 7, 0xff, 0, 0, 1), 1024),
			 0);
	assert_int_equal(run(rig, 0, SCSI_FROM_DEVICE, CDB(0x28, 0, 0, 0, 7, 0xff, 0, 0, 2), 1024),
			 0x052100);
	assert_int_equal(run(rig, 0, SCSI_FROM_DEVICE, CDB(0x28, 0, 0, 0, 8, 1, 0, 0, 0), 0),
			 0x052100);
	assert_int_equal(run(rig, 0, SCSI_FROM_DEVICE,
			     CDB(0x88, 0, 255, 255, 255, 255, 255, 255, 255, 255, 0, 0, 0, 2),
			     1024),
			 0x052100);
	assert_int_equal(run(rig, 0, SCSI_FROM_DEVICE, CDB(0xa8, 0, 0, 0, 0, 0, 255, 255, 255, 255),
			     1024),
			 0x052100);
	assert_int_equal(run(rig, 0, SCSI_NO_DATA, CDB(0x2f, 0, 0, 0, 8, 0, 0, 0, 1), 0), 0x052100);
	assert_int_equal(run(rig, 0, SCSI_TO_DEVICE, CDB(0x41, 0, 0, 0, 8, 0, 0, 0, 1), 512),
			 0x052100);
	assert_int_equal(rig->disk.n[DISK_READ], 1);
}

static void unmap_checks_all_ranges_before_it_gives_one_back(void **state)
{
	const uint8_t list[40] = {0, 38, 0, 32, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0,
				  0, 8,	 0, 0,	0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 1};
	struct rig *rig = *state;

	memset(rig->disk.bytes, 7, SIZE);
	memcpy(rig->data, list, sizeof(list));
	assert_int_equal(run(rig, 0, SCSI_TO_DEVICE, CDB(0x42, 0, 0, 0, 0, 0, 0, 0, 40), 40),
			 0x052100);
	assert_int_equal(rig->disk.n[DISK_DISCARD], 0);
	rig->data[30] = 4;
	assert_int_equal(run(rig, 0, SCSI_TO_DEVICE, CDB(0x42, 0, 0, 0, 0, 0, 0, 0, 40), 40), 0);
	assert_int_equal(rig->disk.n[DISK_DISCARD], 2);
	assert_int_equal(rig->disk.bytes[8 * 512], 0);
	assert_int_equal(rig->disk.bytes[16 * 512], 7);
	assert_int_equal(rig->disk.bytes[1024 * 512], 0);
	rig->data[3] = 48; /* more than there is */
	assert_int_equal(run(rig, 0, SCSI_TO_DEVICE, CDB(0x42, 0, 0, 0, 0, 0, 0, 0, 40), 40),
			 0x051a00);
}

static void write_same_writes_zeros_alone(void **state)
{
	const uint8_t *cdb = CDB(0x93, 8, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0, 0, 8);
	struct rig *rig = *state;

	memset(rig->disk.bytes, 7, SIZE);
	memset(rig->data, 1, 512);
	assert_int_equal(run(rig, 0, SCSI_TO_DEVICE, cdb, 512), 0x052600);
	memset(rig->data, 0, 512);
	assert_int_equal(run(rig, 0, SCSI_TO_DEVICE, cdb, 512), 0);
	assert_int_equal(rig->disk.bytes[4 * 512 - 1], 7);
	assert_int_equal(rig->disk.bytes[4 * 512], 0);
	assert_int_equal(rig->disk.bytes[12 * 512], 7);
}

static void errors_of_a_disk_become_sense(void **state)
{
	static const struct {
		enum disk_op op;
		int rc;
		uint32_t sense;
	} cases[] = {{DISK_READ, -EIO, 0x031100},     {DISK_READ, -ENODATA, 0x031100},
		     {DISK_WRITE, -ENOSPC, 0x072707}, {DISK_WRITE, -EFBIG, 0x072707},
		     {DISK_WRITE, -EIO, 0x030c00},    {DISK_WRITE, -EROFS, 0x072700},
		     {DISK_FLUSH, -EIO, 0x030c00}};
	struct rig *rig = *state;

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		static const uint8_t opcodes[] = {0x28, 0x2a, 0x35};
		static const enum scsi_direction ways[] = {SCSI_FROM_DEVICE, SCSI_TO_DEVICE,
							   SCSI_NO_DATA};

		rig->disk.fail_op = cases[i].op;
		rig->disk.fail_rc = cases[i].rc;
		assert_int_equal(run(rig, 0, ways[cases[i].op],
				     CDB(opcodes[cases[i].op], 0, 0, 0, 0, 0, 0, 0, 1), 512),
				 cases[i].sense);
	}
	rig->disk.fail_op = DISK_READ;
	rig->disk.fail_rc = -ENOMEM;
	(void)run(rig, 0, SCSI_FROM_DEVICE, CDB(0x28, 0, 0, 0, 0, 0, 0, 0, 1), 512);
	assert_int_equal(rig->c.status, SCSI_BUSY);
}

static void a_dvd_can_be_locked_and_ejected(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(run(rig, 5, SCSI_NO_DATA, CDB(0x1e, 0, 0, 0, 1), 0), 0);
	assert_int_equal(run(rig, 5, SCSI_NO_DATA, CDB(0x1b, 0, 0, 0, 2), 0), 0x055302);
	assert_int_equal(run(rig, 5, SCSI_NO_DATA, CDB(0x1e), 0), 0);
	assert_int_equal(run(rig, 5, SCSI_NO_DATA, CDB(0x1b, 0, 0, 0, 2), 0), 0);
	assert_int_equal(run(rig, 5, SCSI_NO_DATA, CDB(0), 0), 0x023a00);
	assert_int_equal(run(rig, 5, SCSI_NO_DATA, CDB(0x1b, 0, 0, 0, 3), 0), 0);
	assert_int_equal(run(rig, 5, SCSI_NO_DATA, CDB(0), 0), 0x062800);
	assert_int_equal(run(rig, 5, SCSI_NO_DATA, CDB(0), 0), 0);
	assert_int_equal(run(rig, 5, SCSI_FROM_DEVICE, CDB(0x43, 0, 0, 0, 0, 0, 0, 0, 64), 64), 0);
	assert_int_equal(rig->c.transferred, 20);
	assert_int_equal(run(rig, 5, SCSI_TO_DEVICE, CDB(0x2a, 0, 0, 0, 0, 0, 0, 0, 1), 2048),
			 0x052000);
}

static void what_is_not_known_is_refused(void **state)
{
	struct rig *rig = *state;

	assert_int_equal(run(rig, 0, SCSI_NO_DATA, CDB(0xff), 0), 0x052000);
	assert_int_equal(run(rig, 0, SCSI_NO_DATA, CDB(0x43), 0), 0x052000); /* a DVD's */
	assert_int_equal(run(rig, 0, SCSI_FROM_DEVICE, CDB(0x1a, 0, 0xc8, 0, 64), 64), 0x053900);
	assert_int_equal(run(rig, 0, SCSI_FROM_DEVICE, CDB(0x28, 0x20, 0, 0, 0, 0, 0, 0, 1), 512),
			 0x052400);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_unit_says_who_it_is),
		T(numbers_without_a_unit_are_no_disks),
		T(capacity_and_provisioning_are_told),
		T(blocks_outside_are_refused_by_every_command),
		T(unmap_checks_all_ranges_before_it_gives_one_back),
		T(write_same_writes_zeros_alone),
		T(errors_of_a_disk_become_sense),
		T(a_dvd_can_be_locked_and_ejected),
		T(what_is_not_known_is_refused),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
