/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Guests that mean harm: whatever they send, the server counts it, holds no more than it may, and
 * serves the next conversation.
 */
#include "vmbus/server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/bus_rig.h"
#include "tests/support/bus_walk.h"

static uint64_t random_next(uint64_t *state)
{
	*state ^= *state << 13;
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state;
}

/* A conversation works as if nothing had been. */
static void require_alive(struct bus_rig *rig, struct bus_rig_device *d)
{
	uint32_t relid;

	bus_rig_skip(rig);
	bus_rig_connect(rig, VMBUS_V5_3);
	relid = bus_rig_expect(rig, VMBUS_MSG_OFFER)->offer.relid;
	bus_rig_expect(rig, VMBUS_MSG_ALL_OFFERS);
	bus_rig_gpadl(rig, relid, 1, BUS_RIG_HIGH_PFN, 100);
	assert_int_equal(bus_rig_expect(rig, VMBUS_MSG_GPADL_CREATED)->result.status, 0);
	bus_rig_open(rig, relid, 1, 50, 0);
	assert_int_equal(bus_rig_expect(rig, VMBUS_MSG_OPEN_RESULT)->result.status, 0);
	assert_int_equal(vmbus_device_offer_subchannels(d->device, 2), 0);
	bus_rig_skip(rig);
}

static void send_every_length(struct bus_rig *rig, int fill)
{
	for (uint32_t type = 0; type <= 32; type++)
		for (size_t size = 0; size <= VMBUS_MSG_MAX + 1; size++) {
			uint8_t *bytes = malloc(size > 0 ? size : 1);

			assert_non_null(bytes);
			memset(bytes, fill, size);
			memcpy(bytes, &type, size < 4 ? size : 4);
			assert_int_equal(vmbus_server_message(rig->server, VMBUS_MSG_CONNECTION,
							      bytes, size),
					 0);
			free(bytes);
			bus_rig_skip(rig);
		}
}

static void messages_of_every_type_and_length(void **state)
{
	static const int fills[] = {0, 1, 2, 4, 0x7f, 0x80, 0xff};

	for (size_t i = 0; i < sizeof(fills) / sizeof(fills[0]); i++) {
		struct bus_rig *rig = bus_rig_create(NULL);
		struct bus_rig_device *d = bus_rig_device(rig);

		bus_rig_offer(d, "nic", false);
		send_every_length(rig, fills[i]);
		require_alive(rig, d);
		send_every_length(rig, fills[i]);
		require_alive(rig, d);
		assert_true(bus_rig_info(rig).faults[VMBUS_FAULT_SHORT] > 0);
		assert_true(bus_rig_info(rig).faults[VMBUS_FAULT_TYPE] > 0);
		assert_true(bus_rig_info(rig).faults[VMBUS_FAULT_STATE] > 0);
		bus_rig_destroy(rig);
	}
}

static void a_guest_that_never_reads_is_told_to_try_later(void **state)
{
	struct bus_rig *rig = bus_rig_create(NULL);
	struct bus_rig_device *d = bus_rig_device(rig);
	uint32_t taken = 0;

	bus_rig_offer(d, "nic", false);
	require_alive(rig, d);
	rig->slot_taken = true;
	while (bus_rig_teardown(rig, 1, 100000 + taken) == 0)
		assert_true(++taken < 10000);
	assert_int_equal(bus_rig_info(rig).n_queued, taken);
	for (unsigned i = 0; i < 1000; i++)
		assert_int_equal(bus_rig_teardown(rig, 1, 1), -EAGAIN);
	assert_int_equal(bus_rig_info(rig).n_queued, taken);
	assert_int_equal(bus_rig_info(rig).faults[VMBUS_FAULT_QUEUE], 1001);
	/* It reads: all is there, in order, and it may send again. */
	rig->slot_taken = false;
	vmbus_server_slot_free(rig->server);
	for (uint32_t i = 0; i < taken; i++)
		assert_int_equal(
			bus_rig_expect(rig, VMBUS_MSG_GPADL_TORNDOWN)->gpadl_torndown.gpadl,
			100000 + i);
	bus_rig_expect_nothing(rig);
	assert_int_equal(bus_rig_teardown(rig, 1, 5), 0);
	bus_rig_expect(rig, VMBUS_MSG_GPADL_TORNDOWN);
	bus_rig_destroy(rig);
}

/* The two that start anew are always taken. */
static void a_guest_that_never_reads_can_start_anew(void **state)
{
	struct bus_rig *rig = bus_rig_create(NULL);
	struct bus_rig_device *d = bus_rig_device(rig);

	bus_rig_offer(d, "nic", false);
	require_alive(rig, d);
	rig->slot_taken = true;
	while (bus_rig_teardown(rig, 1, 77) == 0)
		;
	assert_int_equal(bus_rig_contact(rig, VMBUS_V5_3, 0), 0);
	assert_int_equal(bus_rig_info(rig).n_queued, 1);
	bus_rig_simple(rig, VMBUS_MSG_REQUEST_OFFERS);
	while (bus_rig_teardown(rig, 1, 77) == 0)
		;
	assert_int_equal(bus_rig_simple(rig, VMBUS_MSG_UNLOAD), 0);
	assert_int_equal(bus_rig_info(rig).n_queued, 1);
	rig->slot_taken = false;
	vmbus_server_slot_free(rig->server);
	bus_rig_expect(rig, VMBUS_MSG_UNLOAD_RESPONSE);
	bus_rig_expect_nothing(rig);
	bus_rig_destroy(rig);
}

/* As many things at once as there can be, with a guest that reads nothing. */
static void the_most_that_can_wait_does(void **state)
{
	struct bus_rig *rig = bus_rig_create(NULL);
	struct bus_rig_device *d[200];

	for (unsigned i = 0; i < 200; i++) {
		char name[8] = {(char)('a' + i % 26), (char)('a' + i / 26)};

		d[i] = bus_rig_device(rig);
		bus_rig_offer(d[i], name, false);
		d[i]->later = i % 2 == 0;
	}
	bus_rig_connect(rig, VMBUS_V5_3);
	bus_rig_skip(rig);
	for (uint32_t relid = 1; relid <= 200; relid++)
		for (uint32_t id = 0; id < 20; id++)
			assert_int_equal(bus_rig_gpadl(rig, relid, 1 + relid * 20 + id, 0, 4), 0);
	bus_rig_skip(rig);
	for (uint32_t relid = 1; relid <= 200; relid++)
		assert_int_equal(bus_rig_open(rig, relid, 1 + relid * 20, 2, 0), 0);
	rig->slot_taken = true;
	for (uint32_t relid = 1; relid <= 200; relid++)
		for (uint32_t id = 0; id < 20; id++)
			(void)bus_rig_teardown(rig, relid, 1 + relid * 20 + id);
	for (unsigned i = 0; i < 200; i++)
		vmbus_device_withdraw(d[i]->device);
	for (unsigned i = 0; i < 200; i++)
		bus_rig_answer(d[i]);
	assert_true(bus_rig_info(rig).n_queued > 2560);
	assert_true(bus_rig_info(rig).n_queued < 2560 + 4096);
	rig->slot_taken = false;
	vmbus_server_slot_free(rig->server);
	for (uint32_t relid = 1; relid <= 200; relid++)
		(void)bus_rig_relid(rig, VMBUS_MSG_RELID_RELEASED, relid);
	for (unsigned i = 0; i < 200; i++)
		bus_rig_answer(d[i]);
	assert_int_equal(bus_rig_info(rig).n_channels, 0);
	assert_int_equal(bus_rig_info(rig).n_gpadls, 0);
	bus_rig_destroy(rig);
}

static void a_million_messages_leave_nothing_behind(void **state)
{
	struct bus_rig *rig = bus_rig_create(NULL);
	struct bus_rig_device *d = bus_rig_device(rig);
	uint64_t random = 88172645463325252ull, n_faults = 0;
	union vmbus_msg msg;

	bus_rig_offer(d, "nic", false);
	require_alive(rig, d);
	for (unsigned i = 0; i < 1000000; i++) {
		uint64_t r = random_next(&random);

		memset(&msg, (int)(r >> 40 & 3), sizeof(msg));
		msg.header.type = (uint32_t)(r % 26);
		msg.bytes[8] = (uint8_t)(r >> 8 & 3);
		msg.bytes[12] = (uint8_t)(r >> 16 & 7);
		if (r % 4096 == 0)
			require_alive(rig, d);
		(void)bus_rig_send(rig, &msg, r >> 48 & 1 ? sizeof(msg) : (r >> 50) % 241);
		if (i % 64 == 0)
			bus_rig_skip(rig);
	}
	require_alive(rig, d);
	for (unsigned f = 0; f < VMBUS_N_FAULTS; f++)
		n_faults += bus_rig_info(rig).faults[f];
	assert_true(n_faults > 100000);
	assert_true(rig->n_events < 10000); /* nine kinds, once a second; and contacts */
	bus_rig_destroy(rig);
}

static void random_stories_keep_the_contract(void **state)
{
	uint64_t random = 0x9e3779b97f4a7c15ull;
	static uint8_t story[4096];

	for (unsigned i = 0; i < 300; i++) {
		for (size_t b = 0; b < sizeof(story); b++)
			story[b] = (uint8_t)(random_next(&random) >> 24);
		bus_walk(story, sizeof(story));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(messages_of_every_type_and_length),
		cmocka_unit_test(a_guest_that_never_reads_is_told_to_try_later),
		cmocka_unit_test(a_guest_that_never_reads_can_start_anew),
		cmocka_unit_test(the_most_that_can_wait_does),
		cmocka_unit_test(a_million_messages_leave_nothing_behind),
		cmocka_unit_test(random_stories_keep_the_contract),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
