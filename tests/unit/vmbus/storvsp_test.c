/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The SCSI controller and a guest's driver, over a whole VMBus, with disks of memory.
 */
#include "vmbus/storvsp.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/mem_disk.h"
#include "tests/support/storguest.h"
#include "vmbus/guest/guest.h"
#include "vmbus/server.h"

#define SIZE (4u << 20)

struct rig {
	struct guest_local *local;
	struct storvsp *storvsp;
	struct storguest guest;
	struct mem_disk disk;
	struct guest_buffer buffer;
	bool stuck; /* the owner does not look */
	unsigned n_removed, n_gone, n_troubles;
	char trouble[160];
};

static void work(void *ctx)
{
	struct rig *rig = ctx;

	if (rig->storvsp != NULL && !rig->stuck)
		storvsp_event(rig->storvsp);
}

static void on_trouble(void *ctx, unsigned lun, const char *text)
{
	struct rig *rig = ctx;

	rig->n_troubles++;
	snprintf(rig->trouble, sizeof(rig->trouble), "%u: %s", lun, text);
}

static void on_removed(void *ctx)
{
	((struct rig *)ctx)->n_removed++;
}

static void on_gone(void *ctx)
{
	struct rig *rig = ctx;

	rig->n_gone++;
	rig->storvsp = NULL;
}

static void rig_create(struct rig *rig, unsigned max_channels)
{
	static const uint32_t versions[] = {VMBUS_V5_3, 0};
	struct guest_local_opts opts = {
		.memory_size = 32u << 20,
		.bus = {.versions = versions, .timeout_ms = 10000},
		.work = work,
		.ctx = rig,
	};
	struct storvsp_opts stor = {.name = "scsi0",
				    .max_channels = max_channels,
				    .trouble = on_trouble,
				    .ctx = rig};
	struct err err = {0};

	memset(rig, 0, sizeof(*rig));
	assert_int_equal(guest_local_create(&opts, &rig->local, &err), 0);
	stor.server = guest_local_server(rig->local);
	stor.memory = &guest_local_memory(rig->local)->map;
	assert_int_equal(storvsp_create(&stor, &rig->storvsp, &err), 0);
	mem_disk_init(&rig->disk, SIZE, 512);
	assert_int_equal(storvsp_add(rig->storvsp, 0, &rig->disk.disk, "root", &err), 0);
	assert_int_equal(guest_bus_connect(guest_local_bus(rig->local), &err), 0);
	assert_int_equal(guest_buffer_alloc(guest_local_memory(rig->local), 300, true,
					    &rig->buffer),
			 0);
}

static void rig_start(struct rig *rig, unsigned max_channels, unsigned n_subchannels)
{
	rig_create(rig, max_channels);
	assert_int_equal(storguest_open(&rig->guest, guest_local_bus(rig->local)), 0);
	assert_int_equal(storguest_start(&rig->guest, NULL, n_subchannels), 0);
}

static void rig_stop(struct rig *rig)
{
	struct vmbus_server_info info;

	storguest_close(&rig->guest);
	assert_int_equal(guest_bus_unload(guest_local_bus(rig->local)), 0);
	vmbus_server_info(guest_local_server(rig->local), &info);
	assert_int_equal(info.n_open, 0);
	assert_int_equal(info.n_gpadls, 0);
	storvsp_destroy(rig->storvsp, on_gone, rig);
	assert_int_equal(rig->n_gone, 1);
	assert_int_equal(rig->disk.n_destroyed, 1);
	mem_disk_fini(&rig->disk);
	guest_buffer_free(guest_local_memory(rig->local), &rig->buffer);
	guest_local_destroy(rig->local);
}

static uint64_t faults(struct rig *rig, enum storvsp_fault fault)
{
	struct storvsp_info info;

	storvsp_info(rig->storvsp, &info);
	return info.faults[fault];
}

static void fill(uint8_t *bytes, size_t size, uint32_t seed)
{
	for (size_t i = 0; i < size; i++) {
		seed = seed * 1664525u + 1013904223u;
		bytes[i] = (uint8_t)(seed >> 24);
	}
}

/* ---- Good guests ---- */

static void what_is_written_is_read_back(void **state)
{
	struct rig *rig = *state;
	uint8_t *copy = malloc(257 * 4096);

	rig_start(rig, 1, 0);
	fill(rig->buffer.va, 1u << 20, 7);
	memcpy(copy, rig->buffer.va, 1u << 20);
	assert_int_equal(storguest_write(&rig->guest, 0, 3, 2000, &rig->buffer, false), 1);
	memset(rig->buffer.va, 0, 1u << 20);
	assert_int_equal(storguest_read(&rig->guest, 0, 3, 2000, &rig->buffer), 1);
	assert_memory_equal(rig->buffer.va, copy, 2000 * 512);
	assert_memory_equal(rig->disk.bytes + 3 * 512, copy, 2000 * 512);
	assert_memory_not_equal(rig->disk.stable + 3 * 512, copy, 2000 * 512);
	assert_int_equal(storguest_flush(&rig->guest, 0), 1);
	assert_memory_equal(rig->disk.stable + 3 * 512, copy, 2000 * 512);
	free(copy);
	rig_stop(rig);
}

static void every_version_is_spoken_and_others_are_refused(void **state)
{
	static const uint16_t all[] = {STORVSP_V6_2, STORVSP_V6_0, STORVSP_V5_1, STORVSP_V4_2,
				       STORVSP_V2_0};
	struct rig *rig = *state;

	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		const uint16_t versions[] = {0x0700, 0xffff, all[i], 0};

		rig_create(rig, 1);
		assert_int_equal(storguest_open(&rig->guest, guest_local_bus(rig->local)), 0);
		assert_int_equal(storguest_start(&rig->guest, versions, 0), 0);
		assert_int_equal(rig->guest.version, all[i]);
		assert_int_equal(faults(rig, STORVSP_FAULT_VERSION), 2);
		assert_int_equal(rig->guest.properties.max_transfer, STORVSP_MAX_TRANSFER);
		assert_int_equal(rig->guest.properties.max_subchannels, 0);
		assert_int_equal(storguest_write(&rig->guest, 0, 0, 8, &rig->buffer, false), 1);
		rig_stop(rig);
	}
}

static void subchannels_carry_commands(void **state)
{
	const uint8_t cdb[10] = {0x28, 0, 0, 0, 0, 9, 0, 0, 1, 0};
	struct rig *rig = *state;
	struct storguest_done done;
	struct storvsp_info info;

	rig_start(rig, 4, 3);
	assert_int_equal(rig->guest.properties.max_subchannels, 3);
	assert_int_equal(rig->guest.properties.flags, STORVSP_MULTI_CHANNEL);
	for (unsigned channel = 0; channel < 4; channel++) {
		uint64_t id = storguest_begin(&rig->guest, channel, 0, cdb, 10, STORVSP_DATA_READ,
					      &rig->buffer, 4096 * channel, 512);

		assert_true(storguest_wait(&rig->guest, id, 5000, &done));
		assert_int_equal(done.channel, channel);
	}
	storvsp_info(rig->storvsp, &info);
	assert_int_equal(info.n_channels, 4);
	rig_stop(rig);
}

static void a_controller_starts_anew_when_it_is_opened_again(void **state)
{
	struct rig *rig = *state;

	rig_start(rig, 2, 1);
	for (unsigned i = 0; i < 3; i++) {
		storguest_close(&rig->guest);
		for (unsigned n = 0; n < 20; n++)
			guest_bus_pump(guest_local_bus(rig->local), -1, 1);
		assert_int_equal(storguest_open(&rig->guest, guest_local_bus(rig->local)), 0);
		assert_int_equal(storguest_start(&rig->guest, NULL, 0), 0);
		assert_int_equal(storguest_write(&rig->guest, 0, 0, 8, &rig->buffer, true), 1);
	}
	assert_int_equal(faults(rig, STORVSP_FAULT_ORDER), 0);
	rig_stop(rig);
}

static void disks_come_and_go_while_it_runs(void **state)
{
	const uint8_t ready[6] = {0};
	struct rig *rig = *state;
	struct storvsp_srb srb;
	struct mem_disk second;
	struct err err = {0};

	rig_start(rig, 1, 0);
	mem_disk_init(&second, SIZE, 512);
	assert_true(storguest_do(&rig->guest, 5, ready, 6, STORVSP_DATA_NONE, NULL, 0, &srb));
	assert_int_equal(srb.srb_status, STORVSP_SRB_INVALID_LUN);
	rig->guest.n_enumerate = 0;
	assert_int_equal(storvsp_add(rig->storvsp, 5, &second.disk, "data", &err), 0);
	assert_int_equal(storvsp_add(rig->storvsp, 5, &second.disk, "data", &err), -EEXIST);
	assert_int_equal(storvsp_add(rig->storvsp, 64, &second.disk, "data", &err), -EINVAL);
	assert_int_equal(storguest_write(&rig->guest, 5, 0, 8, &rig->buffer, false), 1);
	assert_int_equal(rig->guest.n_enumerate, 1);
	assert_int_equal(storvsp_remove(rig->storvsp, 5, on_removed, rig, &err), 0);
	assert_int_equal(storvsp_remove(rig->storvsp, 5, on_removed, rig, &err), -ENOENT);
	assert_true(storguest_do(&rig->guest, 5, ready, 6, STORVSP_DATA_NONE, NULL, 0, &srb));
	assert_int_equal(srb.srb_status, STORVSP_SRB_INVALID_LUN);
	assert_int_equal(rig->guest.n_enumerate, 2);
	assert_int_equal(rig->n_removed, 1);
	assert_int_equal(second.n_destroyed, 1);
	mem_disk_fini(&second);
	rig_stop(rig);
}

static void a_disk_in_use_goes_when_its_commands_are_done(void **state)
{
	const uint8_t cdb[10] = {0x35};
	struct rig *rig = *state;
	struct storguest_done done;
	struct mem_disk second;
	struct err err = {0};
	uint64_t id;

	rig_start(rig, 1, 0);
	mem_disk_init(&second, SIZE, 512);
	second.hold = true;
	assert_int_equal(storvsp_add(rig->storvsp, 1, &second.disk, "data", &err), 0);
	id = storguest_begin(&rig->guest, 0, 1, cdb, 10, STORVSP_DATA_NONE, NULL, 0, 0);
	assert_false(storguest_wait(&rig->guest, id, 50, &done));
	assert_int_equal(storvsp_remove(rig->storvsp, 1, on_removed, rig, &err), 0);
	assert_false(storguest_wait(&rig->guest, id, 50, &done));
	assert_int_equal(rig->n_removed, 0);
	mem_disk_release(&second);
	assert_true(storguest_wait(&rig->guest, id, 5000, &done));
	for (unsigned i = 0; i < 1000 && rig->n_removed == 0; i++)
		guest_bus_pump(guest_local_bus(rig->local), -1, 1);
	assert_int_equal(rig->n_removed, 1);
	mem_disk_fini(&second);
	rig_stop(rig);
}

static void a_new_size_is_told_once(void **state)
{
	const uint8_t ready[6] = {0}, capacity[10] = {0x25};
	struct rig *rig = *state;
	struct storvsp_srb srb;
	struct err err = {0};
	uint64_t size = 0;

	rig_start(rig, 1, 0);
	assert_int_equal(storvsp_resize(rig->storvsp, 0, &size, &err), 0);
	assert_int_equal(size, SIZE);
	rig->disk.next_size = SIZE / 2;
	assert_int_equal(storvsp_resize(rig->storvsp, 0, &size, &err), 0);
	assert_int_equal(size, SIZE / 2);
	assert_int_equal(storvsp_resize(rig->storvsp, 1, &size, &err), -ENOENT);
	assert_true(storguest_do(&rig->guest, 0, ready, 6, STORVSP_DATA_NONE, NULL, 0, &srb));
	assert_int_equal(srb.srb_status, STORVSP_SRB_ERROR | STORVSP_SRB_AUTOSENSE);
	assert_int_equal(srb.scsi_status, 2);
	assert_int_equal(srb.sense_size, 18);
	assert_int_equal(srb.cdb_or_sense[2], 6);
	assert_int_equal(srb.cdb_or_sense[12], 0x2a);
	assert_int_equal(srb.cdb_or_sense[13], 0x09);
	assert_true(storguest_do(&rig->guest, 0, capacity, 10, STORVSP_DATA_READ, &rig->buffer, 8,
				 &srb));
	assert_int_equal(srb.srb_status, 1);
	assert_int_equal(rig->buffer.va[2], (SIZE / 2 / 512 - 1) >> 8);
	assert_int_equal(rig->guest.n_enumerate, 1);
	rig_stop(rig);
}

static void a_reset_is_answered_when_nothing_is_under_way(void **state)
{
	const uint8_t cdb[10] = {0x35};
	struct storvsp_packet reset = {.op = STORVSP_RESET_BUS, .flags = 1};
	uint8_t bytes[STORVSP_PACKET_SIZE];
	struct rig *rig = *state;
	struct storguest_done done;
	uint64_t id, reset_id;

	rig_start(rig, 1, 0);
	rig->disk.hold = true;
	id = storguest_begin(&rig->guest, 0, 0, cdb, 10, STORVSP_DATA_NONE, NULL, 0, 0);
	storvsp_packet_write(&reset, 0, bytes);
	reset_id = storguest_send(&rig->guest, 0, bytes, sizeof(bytes), NULL, 0, 0);
	assert_false(storguest_wait(&rig->guest, reset_id, 50, &done));
	mem_disk_release(&rig->disk);
	assert_true(storguest_wait(&rig->guest, reset_id, 5000, &done));
	assert_true(storguest_wait(&rig->guest, id, 5000, &done));
	rig->disk.hold = false;
	assert_int_equal(storguest_flush(&rig->guest, 0), 1);
	rig_stop(rig);
}

static void closing_waits_for_what_a_disk_still_does(void **state)
{
	const uint8_t cdb[10] = {0x28, 0, 0, 0, 0, 0, 0, 0, 8, 0};
	struct vmbus_server_info info;
	struct rig *rig = *state;
	uint64_t id;

	rig_start(rig, 1, 0);
	rig->disk.hold = true;
	id = storguest_begin(&rig->guest, 0, 0, cdb, 10, STORVSP_DATA_READ, &rig->buffer, 0, 4096);
	assert_true(id != 0);
	for (unsigned i = 0; i < 1000; i++) {
		struct storvsp_info stor;

		guest_bus_pump(guest_local_bus(rig->local), -1, 1);
		storvsp_info(rig->storvsp, &stor);
		if (stor.in_flight == 1)
			break;
		poll(NULL, 0, 1);
	}
	vmbus_server_reset(guest_local_server(rig->local), NULL, NULL);
	for (unsigned i = 0; i < 20; i++) {
		guest_bus_pump(guest_local_bus(rig->local), -1, 1);
		poll(NULL, 0, 1);
	}
	vmbus_server_info(guest_local_server(rig->local), &info);
	assert_int_equal(info.n_gpadls, 1);
	mem_disk_release(&rig->disk);
	for (unsigned i = 0; i < 1000 && info.n_gpadls > 0; i++) {
		guest_bus_pump(guest_local_bus(rig->local), -1, 1);
		poll(NULL, 0, 1);
		vmbus_server_info(guest_local_server(rig->local), &info);
	}
	assert_int_equal(info.n_gpadls, 0);
	rig->guest.channels[0]->open = false;
	guest_buffer_free(guest_local_memory(rig->local), &rig->guest.channels[0]->ring);
	rig->guest.n_channels = 0;
	rig_stop(rig);
}

static void a_failing_disk_is_told_to_guest_and_owner(void **state)
{
	struct rig *rig = *state;
	struct scsi_stats stats;
	struct disk_info info;

	rig_start(rig, 1, 0);
	rig->disk.fail_op = DISK_READ;
	rig->disk.fail_rc = -EIO;
	assert_int_equal(storguest_read(&rig->guest, 0, 16, 1, &rig->buffer), 0x84);
	for (unsigned i = 0; i < 1000 && rig->n_troubles == 0; i++)
		guest_bus_pump(guest_local_bus(rig->local), -1, 1);
	assert_int_equal(rig->n_troubles, 1);
	assert_string_equal(rig->trouble,
			    "0: read at byte 8192 failed: Input/output error (1 so far)");
	assert_true(storvsp_stats(rig->storvsp, 0, &stats, &info));
	assert_int_equal(stats.errors, 1);
	assert_int_equal(stats.reads, 1);
	assert_false(storvsp_stats(rig->storvsp, 1, &stats, &info));
	rig_stop(rig);
}

/* ---- Guests that are not ---- */

static void operations_out_of_order_are_refused(void **state)
{
	static const enum storvsp_op ops[] = {STORVSP_END_INITIALIZATION, STORVSP_QUERY_VERSION,
					      STORVSP_QUERY_PROPERTIES, STORVSP_CREATE_SUBCHANNELS,
					      STORVSP_EXECUTE_SRB};
	struct rig *rig = *state;

	rig_create(rig, 4);
	assert_int_equal(storguest_open(&rig->guest, guest_local_bus(rig->local)), 0);
	for (unsigned i = 0; i < 5; i++) {
		struct storvsp_packet packet = {.op = ops[i]};

		assert_int_equal(storguest_op(&rig->guest, 0, &packet), STORVSP_STATUS_STATE);
		assert_int_equal(faults(rig, STORVSP_FAULT_ORDER), i + 1);
	}
	assert_int_equal(storguest_start(&rig->guest, NULL, 3), 0);
	for (unsigned channel = 0; channel < 2; channel++)
		for (unsigned i = 0; i < 4; i++) {
			struct storvsp_packet packet = {.op = ops[i]};

			assert_int_equal(storguest_op(&rig->guest, channel, &packet),
					 STORVSP_STATUS_STATE);
		}
	rig_stop(rig);
}

static void unknown_operations_and_counts_are_refused(void **state)
{
	static const uint32_t ops[] = {0, 1, 2, 11, 12, 14, 0x80000003, UINT32_MAX};
	static const uint16_t counts[] = {0, 4, UINT16_MAX};
	struct rig *rig = *state;

	rig_start(rig, 4, 0);
	for (unsigned i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
		struct storvsp_packet packet = {.op = ops[i]};

		assert_int_equal(storguest_op(&rig->guest, 0, &packet), STORVSP_STATUS_REQUEST);
		assert_int_equal(faults(rig, STORVSP_FAULT_OPERATION), i + 1);
	}
	for (unsigned i = 0; i < 3; i++) {
		struct storvsp_packet packet = {.op = STORVSP_CREATE_SUBCHANNELS,
						.n_subchannels = counts[i]};

		assert_int_equal(storguest_op(&rig->guest, 0, &packet), STORVSP_STATUS_PARAMETER);
	}
	rig_stop(rig);
}

/* A command of 'size' bytes of packet. */
static uint8_t sized(struct rig *rig, uint32_t size, uint32_t *ret_status)
{
	struct storvsp_packet packet = {.op = STORVSP_EXECUTE_SRB,
					.srb = {.cdb_size = 6, .direction = 2}};
	uint8_t bytes[256] = {0};
	struct storguest_done done;
	uint64_t id;

	storvsp_packet_write(&packet, 0, bytes);
	id = storguest_send(&rig->guest, 0, bytes, size, NULL, 0, 0);
	assert_true(storguest_wait(&rig->guest, id, 5000, &done));
	assert_int_equal(storvsp_packet_read(done.bytes, done.size, STORVSP_EXECUTE_SRB, &packet),
			 0);
	*ret_status = packet.status;
	return packet.srb.srb_status;
}

static void packets_of_every_size_are_answered(void **state)
{
	struct rig *rig = *state;
	uint32_t status;

	rig_start(rig, 1, 0);
	for (uint32_t size = 0; size <= 256; size += 8) {
		uint8_t srb = sized(rig, size, &status);

		/* 48 bytes are a request before 5.1 */
		assert_int_equal(status, size < 48 ? STORVSP_STATUS_PARAMETER : STORVSP_OK);
		if (size >= 48)
			assert_int_equal(srb, STORVSP_SRB_SUCCESS);
	}
	assert_int_equal(faults(rig, STORVSP_FAULT_PACKET), 6);
	rig_stop(rig);
}

static struct storvsp_srb srb_answer(struct rig *rig, const struct storvsp_srb *srb, uint32_t data)
{
	struct storvsp_packet packet = {.op = STORVSP_EXECUTE_SRB, .srb = *srb};
	uint8_t bytes[STORVSP_PACKET_SIZE];
	struct storguest_done done;
	uint64_t id;

	storvsp_packet_write(&packet, 0, bytes);
	id = storguest_send(&rig->guest, 0, bytes, sizeof(bytes), data > 0 ? &rig->buffer : NULL, 0,
			    data);
	assert_true(storguest_wait(&rig->guest, id, 5000, &done));
	assert_int_equal(storvsp_packet_read(done.bytes, done.size, STORVSP_EXECUTE_SRB, &packet),
			 0);
	assert_int_equal(packet.status, STORVSP_OK);
	return packet.srb;
}

static uint8_t srb_sent(struct rig *rig, const struct storvsp_srb *srb, uint32_t data)
{
	return srb_answer(rig, srb, data).srb_status;
}

static void lengths_of_requests_that_lie_are_refused(void **state)
{
	const struct storvsp_srb good = {
		.cdb_size = 10,
		.direction = STORVSP_DATA_READ,
		.transfer = 512,
		.sense_size = 20,
		.cdb_or_sense = {0x28, 0, 0, 0, 0, 0, 0, 0, 1},
	};
	static const uint8_t cdb_sizes[] = {0, 17, 255};
	static const uint32_t transfers[] = {513, 4096, 1u << 20, UINT32_MAX};
	struct rig *rig = *state;
	struct storvsp_srb srb = good;
	uint64_t n = 0;

	rig_start(rig, 1, 0);
	assert_int_equal(srb_sent(rig, &srb, 512), STORVSP_SRB_SUCCESS);
	for (unsigned i = 0; i < 3; i++) {
		srb.cdb_size = cdb_sizes[i];
		assert_int_equal(srb_sent(rig, &srb, 512), STORVSP_SRB_INVALID);
		n++;
	}
	srb = good;
	for (unsigned i = 0; i < 4; i++) {
		srb.transfer = transfers[i];
		assert_int_equal(srb_sent(rig, &srb, 512), STORVSP_SRB_INVALID);
		n++;
	}
	srb = good;
	srb.direction = 3;
	assert_int_equal(srb_sent(rig, &srb, 512), STORVSP_SRB_INVALID);
	assert_int_equal(faults(rig, STORVSP_FAULT_SRB), n + 1);
	srb = good;
	srb.transfer = 511; /* the command wants more */
	assert_int_equal(srb_sent(rig, &srb, 512), STORVSP_SRB_OVERRUN);
	srb.transfer = 0;
	assert_int_equal(srb_sent(rig, &srb, 0), STORVSP_SRB_OVERRUN);
	srb = good;
	srb.direction = STORVSP_DATA_WRITE;
	assert_int_equal(srb_sent(rig, &srb, 512), STORVSP_SRB_INVALID);
	srb = good;
	srb.cdb_size = 6; /* shorter than its opcode */
	assert_int_equal(srb_sent(rig, &srb, 512), 0x84);
	srb.sense_size = 0;
	assert_int_equal(srb_sent(rig, &srb, 512), STORVSP_SRB_ERROR);
	rig_stop(rig);
}

static void only_the_first_target_of_the_first_bus_is_there(void **state)
{
	struct storvsp_srb srb = {
		.cdb_size = 6,
		.direction = STORVSP_DATA_READ,
		.transfer = 36,
		.cdb_or_sense = {0x12, 0, 0, 0, 36},
	};
	struct rig *rig = *state;
	struct storvsp_srb answer;

	rig_start(rig, 1, 0);
	for (unsigned path = 0; path < 8; path++)
		for (unsigned target = 0; target < 2; target++) {
			bool there = path == 0 && target == 0;

			srb.path = (uint8_t)path;
			srb.target = (uint8_t)target;
			srb.transfer = 36;
			srb.cdb_or_sense[0] = 0x12;
			memset(rig->buffer.va, 0xff, 36);
			answer = srb_answer(rig, &srb, 36);
			assert_int_equal(answer.srb_status, STORVSP_SRB_SUCCESS);
			assert_int_equal(rig->buffer.va[0], there ? 0 : 0x7f);
			/* Linux makes zeros of what is not said to be transferred: a disk. */
			assert_int_equal(answer.transfer, 36);
			if (there)
				continue;
			srb.cdb_or_sense[0] = 0xa0; /* REPORT LUNS: none */
			answer = srb_answer(rig, &srb, 36);
			assert_int_equal(answer.srb_status, STORVSP_SRB_SUCCESS);
			assert_int_equal(answer.transfer, 36);
			assert_int_equal(rig->buffer.va[0], 0);
			/* Not INVALID_LUN: for that Linux removes the unit of bus 0. */
			srb.cdb_or_sense[0] = 0x00; /* TEST UNIT READY */
			srb.transfer = 0;
			assert_int_equal(srb_sent(rig, &srb, 0), STORVSP_SRB_NO_DEVICE);
		}
	rig_stop(rig);
}

static void data_that_is_not_memory_is_refused(void **state)
{
	static const uint64_t pfns[] = {0, 0x1000000, UINT64_MAX, UINT64_MAX >> 12};
	struct rig *rig = *state;
	struct guest_buffer lie = rig->buffer;
	uint64_t pfn;

	rig_start(rig, 1, 0);
	lie = rig->buffer;
	lie.pfns = &pfn;
	for (unsigned i = 0; i < 4; i++) {
		pfn = pfns[i];
		assert_int_equal(storguest_write(&rig->guest, 0, 0, 1, &lie, false),
				 STORVSP_SRB_INVALID);
		assert_int_equal(faults(rig, STORVSP_FAULT_PAGES), i + 1);
	}
	assert_int_equal(rig->disk.n[DISK_WRITE], 0);
	rig_stop(rig);
}

/* More commands than may be under way, none of their completions read, more than the ring holds:
 * in the end each is answered once. */
static void a_guest_that_does_not_read_is_waited_for(void **state)
{
	const uint8_t cdb[6] = {0};
	struct rig *rig = *state;
	struct storvsp_info info;
	unsigned sent = 0, last = 0;

	memset(&rig->guest, 0, sizeof(rig->guest));
	rig_create(rig, 1);
	rig->guest.ring_pages = 3;
	assert_int_equal(storguest_open(&rig->guest, guest_local_bus(rig->local)), 0);
	assert_int_equal(storguest_start(&rig->guest, NULL, 0), 0);
	for (unsigned idle = 0; idle < 50; idle++) {
		while (storguest_begin(&rig->guest, 0, 0, cdb, 6, STORVSP_DATA_NONE, NULL, 0, 0) !=
		       0)
			sent++;
		poll(NULL, 0, 1);
		if (sent != last)
			idle = 0;
		last = sent;
	}
	storvsp_info(rig->storvsp, &info);
	assert_in_range(info.commands, STORVSP_MAX_IN_FLIGHT, STORVSP_MAX_IN_FLIGHT + 100);
	assert_true(sent > info.commands);
	for (unsigned i = 0; i < 5000 && rig->guest.n_done < sent; i++) {
		storguest_poll(&rig->guest);
		guest_bus_pump(rig->guest.bus, -1, 1);
		poll(NULL, 0, 1);
	}
	assert_int_equal(rig->guest.n_done, sent);
	rig_stop(rig);
}

static void rings_that_lie_break_their_channel_alone(void **state)
{
	struct rig *rig = *state;
	const uint8_t cdb[6] = {0};

	rig_start(rig, 3, 2);
	atomic_store(&rig->guest.channels[1]->out.ring.hdr->write, 0x7ffffff1);
	guest_channel_signal(rig->guest.channels[1]);
	for (unsigned i = 0; i < 2000 && faults(rig, STORVSP_FAULT_RING) == 0; i++)
		poll(NULL, 0, 1);
	assert_int_equal(faults(rig, STORVSP_FAULT_RING), 1);
	/* One whose reading end lies, found when there is something to put there. */
	atomic_store(&rig->guest.channels[2]->in.ring.hdr->read, 0x7ffffff8);
	(void)storguest_begin(&rig->guest, 2, 0, cdb, 6, STORVSP_DATA_NONE, NULL, 0, 0);
	for (unsigned i = 0; i < 2000 && faults(rig, STORVSP_FAULT_RING) == 1; i++)
		poll(NULL, 0, 1);
	assert_int_equal(faults(rig, STORVSP_FAULT_RING), 2);
	assert_int_equal(storguest_write(&rig->guest, 0, 0, 8, &rig->buffer, false), 1);
	rig_stop(rig);
}

/* ---- All together ---- */

/* Writes and reads by chance, many under way at once on several channels, against a model. */
static void random_io_agrees_with_a_model(void **state)
{
	enum { N = 16, BLOCKS = 8 };
	struct rig *rig = *state;
	uint8_t *model = calloc(1, SIZE);
	uint32_t seed = 42;

	rig_start(rig, 4, 3);
	for (unsigned round = 0; round < 200; round++) {
		uint64_t ids[N];
		uint32_t lba[N];
		bool write[N];

		for (unsigned i = 0; i < N; i++) {
			uint8_t *bytes = rig->buffer.va + i * 8192 + 512;
			uint8_t cdb[10] = {0};

			seed = seed * 1664525u + 1013904223u;
			/* Disjoint: what is under way at once has no order. */
			lba[i] = i * (SIZE / 512 / N) + (seed >> 8) % (SIZE / 512 / N - BLOCKS);
			write[i] = seed & 0x80;
			if (write[i]) {
				fill(bytes, BLOCKS * 512, seed);
				memcpy(model + lba[i] * 512, bytes, BLOCKS * 512);
			}
			cdb[0] = write[i] ? 0x2a : 0x28;
			cdb[4] = (uint8_t)(lba[i] >> 8);
			cdb[5] = (uint8_t)lba[i];
			cdb[8] = BLOCKS;
			ids[i] = storguest_begin(&rig->guest, seed >> 30, 0, cdb, 10,
						 write[i] ? STORVSP_DATA_WRITE : STORVSP_DATA_READ,
						 &rig->buffer, i * 8192 + 512, BLOCKS * 512);
		}
		for (unsigned i = 0; i < N; i++) {
			struct storguest_done done;

			assert_true(storguest_wait(&rig->guest, ids[i], 10000, &done));
			assert_int_equal(done.bytes[14], STORVSP_SRB_SUCCESS);
			assert_memory_equal(rig->buffer.va + i * 8192 + 512, model + lba[i] * 512,
					    BLOCKS * 512);
		}
	}
	assert_memory_equal(rig->disk.bytes, model, SIZE);
	free(model);
	rig_stop(rig);
}

static int setup(void **state)
{
	*state = calloc(1, sizeof(struct rig));
	return *state != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_is_written_is_read_back),
		T(every_version_is_spoken_and_others_are_refused),
		T(subchannels_carry_commands),
		T(a_controller_starts_anew_when_it_is_opened_again),
		T(disks_come_and_go_while_it_runs),
		T(a_disk_in_use_goes_when_its_commands_are_done),
		T(a_new_size_is_told_once),
		T(a_reset_is_answered_when_nothing_is_under_way),
		T(closing_waits_for_what_a_disk_still_does),
		T(a_failing_disk_is_told_to_guest_and_owner),
		T(operations_out_of_order_are_refused),
		T(unknown_operations_and_counts_are_refused),
		T(packets_of_every_size_are_answered),
		T(lengths_of_requests_that_lie_are_refused),
		T(only_the_first_target_of_the_first_bus_is_there),
		T(data_that_is_not_memory_is_refused),
		T(a_guest_that_does_not_read_is_waited_for),
		T(rings_that_lie_break_their_channel_alone),
		T(random_io_agrees_with_a_model),
	};
#undef T

	return cmocka_run_group_tests(tests, NULL, NULL);
}
