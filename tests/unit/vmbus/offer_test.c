/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a guest is told of devices, and when; the life of relids.
 */
#include "vmbus/channel.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/bus_rig.h"

static int setup(void **state)
{
	*state = bus_rig_create(NULL);
	return 0;
}

static int teardown(void **state)
{
	bus_rig_destroy(*state);
	return 0;
}

static struct bus_rig_device *offer(struct bus_rig *rig, unsigned number, bool monitored)
{
	struct bus_rig_device *d = bus_rig_device(rig);
	char name[16];

	snprintf(name, sizeof(name), "nic%u", number);
	assert_int_equal(bus_rig_offer(d, name, monitored), 0);
	return d;
}

static uint64_t faults(struct bus_rig *rig, enum vmbus_fault fault)
{
	return bus_rig_info(rig).faults[fault];
}

static void the_order_and_the_relids_stay(void **state)
{
	struct bus_rig *rig = *state;
	uint32_t first[5] = {0};

	for (unsigned i = 0; i < 5; i++)
		offer(rig, i, false);
	for (unsigned round = 0; round < 3; round++) {
		bus_rig_connect(rig, VMBUS_V5_3);
		for (unsigned i = 0; i < 5; i++) {
			struct vmbus_msg_offer o = bus_rig_expect(rig, VMBUS_MSG_OFFER)->offer;
			struct vmbus_guid guid;
			char name[16];

			snprintf(name, sizeof(name), "nic%u", i);
			vmbus_guid_of_name(name, &guid);
			assert_true(vmbus_guid_equal(&o.instance, &guid));
			if (round == 0)
				first[i] = o.relid;
			assert_int_equal(o.relid, first[i]);
			assert_int_equal(o.connection_id, 0x2000 | o.relid);
			assert_int_equal(o.sub_index, 0);
		}
		bus_rig_expect(rig, VMBUS_MSG_ALL_OFFERS);
		bus_rig_expect_nothing(rig);
	}
}

static void offers_are_sent_once(void **state)
{
	struct bus_rig *rig = *state;

	offer(rig, 0, false);
	bus_rig_connect(rig, VMBUS_V5_3);
	bus_rig_expect(rig, VMBUS_MSG_OFFER);
	bus_rig_expect(rig, VMBUS_MSG_ALL_OFFERS);
	bus_rig_simple(rig, VMBUS_MSG_REQUEST_OFFERS);
	bus_rig_expect_nothing(rig);
	assert_int_equal(faults(rig, VMBUS_FAULT_STATE), 1);
}

static void nothing_is_offered_before_it_is_asked_for(void **state)
{
	struct bus_rig *rig = *state;
	struct bus_rig_device *d = offer(rig, 0, false);

	bus_rig_contact(rig, VMBUS_V5_3, 0);
	bus_rig_expect(rig, VMBUS_MSG_VERSION_RESPONSE);
	offer(rig, 1, false);
	bus_rig_expect_nothing(rig);
	/* A channel of which the guest was not told is unknown. */
	bus_rig_gpadl(rig, vmbus_device_primary(d->device)->relid, 1, BUS_RIG_HIGH_PFN, 4);
	assert_true(bus_rig_expect(rig, VMBUS_MSG_GPADL_CREATED)->result.status != 0);
	assert_int_equal(faults(rig, VMBUS_FAULT_RELID), 1);
	bus_rig_simple(rig, VMBUS_MSG_REQUEST_OFFERS);
	bus_rig_expect(rig, VMBUS_MSG_OFFER);
	bus_rig_expect(rig, VMBUS_MSG_OFFER);
	bus_rig_expect(rig, VMBUS_MSG_ALL_OFFERS);
}

static void a_pair_of_guids_is_offered_once(void **state)
{
	struct bus_rig *rig = *state;
	struct bus_rig_device *d = offer(rig, 0, false), *twin = bus_rig_device(rig);
	uint32_t relid;

	assert_int_equal(bus_rig_offer(twin, "nic0", false), -EEXIST);
	bus_rig_connect(rig, VMBUS_V5_3);
	relid = bus_rig_expect(rig, VMBUS_MSG_OFFER)->offer.relid;
	bus_rig_expect(rig, VMBUS_MSG_ALL_OFFERS);
	vmbus_device_withdraw(d->device);
	vmbus_device_withdraw(d->device); /* twice is once */
	bus_rig_expect(rig, VMBUS_MSG_RESCIND);
	bus_rig_expect_nothing(rig);
	assert_int_equal(bus_rig_offer(twin, "nic0", false), -EEXIST); /* the guest has it */
	bus_rig_relid(rig, VMBUS_MSG_RELID_RELEASED, relid);
	assert_null(d->device);
	assert_int_equal(bus_rig_offer(twin, "nic0", false), 0);
	assert_true(bus_rig_expect(rig, VMBUS_MSG_OFFER)->offer.relid != relid);
}

static void a_device_nobody_was_told_of_goes_at_once(void **state)
{
	struct bus_rig *rig = *state;
	struct bus_rig_device *d = offer(rig, 0, false);

	vmbus_device_withdraw(d->device);
	assert_null(d->device);
	bus_rig_connect(rig, VMBUS_V5_3);
	bus_rig_expect(rig, VMBUS_MSG_ALL_OFFERS);
}

static void hot_add_a_thousand_times_uses_relids_again(void **state)
{
	struct bus_rig *rig = *state;

	bus_rig_connect(rig, VMBUS_V5_3);
	bus_rig_expect(rig, VMBUS_MSG_ALL_OFFERS);
	for (unsigned i = 0; i < 5000; i++) {
		struct bus_rig_device *d =
			rig->devices != NULL ? rig->devices : bus_rig_device(rig);
		uint32_t relid;

		assert_int_equal(bus_rig_offer(d, "nic", true), 0);
		relid = bus_rig_expect(rig, VMBUS_MSG_OFFER)->offer.relid;
		assert_in_range(relid, 1, VMBUS_MAX_RELID);
		vmbus_device_withdraw(d->device);
		assert_int_equal(bus_rig_expect(rig, VMBUS_MSG_RESCIND)->relid.relid, relid);
		bus_rig_relid(rig, VMBUS_MSG_RELID_RELEASED, relid);
		assert_null(d->device);
	}
	assert_int_equal(bus_rig_info(rig).n_channels, 0);
}

static void a_relid_is_released_once_and_after_its_rescind(void **state)
{
	struct bus_rig *rig = *state;
	struct bus_rig_device *d = offer(rig, 0, false);
	uint32_t relid = vmbus_device_primary(d->device)->relid;

	bus_rig_connect(rig, VMBUS_V5_3);
	bus_rig_skip(rig);
	bus_rig_relid(rig, VMBUS_MSG_RELID_RELEASED, relid);
	assert_int_equal(faults(rig, VMBUS_FAULT_STATE), 1);
	rig->slot_taken = true; /* the rescind waits */
	vmbus_device_withdraw(d->device);
	bus_rig_relid(rig, VMBUS_MSG_RELID_RELEASED, relid);
	assert_non_null(d->device);
	assert_int_equal(faults(rig, VMBUS_FAULT_STATE), 2);
	rig->slot_taken = false;
	vmbus_server_slot_free(rig->server);
	bus_rig_expect(rig, VMBUS_MSG_RESCIND);
	bus_rig_relid(rig, VMBUS_MSG_RELID_RELEASED, relid);
	assert_null(d->device);
	bus_rig_relid(rig, VMBUS_MSG_RELID_RELEASED, relid);
	assert_int_equal(faults(rig, VMBUS_FAULT_RELID), 1);
}

static void there_are_as_many_channels_as_relids(void **state)
{
	struct bus_rig *rig = *state;
	struct bus_rig_device *last;

	for (unsigned i = 0; i < VMBUS_MAX_RELID; i++)
		offer(rig, i, false);
	last = bus_rig_device(rig);
	assert_int_equal(bus_rig_offer(last, "one more", false), -ENOSPC);
	bus_rig_connect(rig, VMBUS_V5_3);
	for (unsigned i = 0; i < VMBUS_MAX_RELID; i++)
		bus_rig_expect(rig, VMBUS_MSG_OFFER);
	bus_rig_expect(rig, VMBUS_MSG_ALL_OFFERS);
	assert_int_equal(bus_rig_info(rig).n_channels, VMBUS_MAX_RELID);
}

static void subchannels_are_all_offered_or_none(void **state)
{
	struct bus_rig *rig = *state;
	struct bus_rig_device *d = offer(rig, 0, false);
	uint32_t relid = vmbus_device_primary(d->device)->relid;

	for (unsigned i = 1; i < VMBUS_MAX_RELID - 5; i++)
		offer(rig, i, false);
	bus_rig_connect(rig, VMBUS_V5_3);
	bus_rig_gpadl(rig, relid, 1, BUS_RIG_HIGH_PFN, 4);
	bus_rig_open(rig, relid, 1, 2, 0);
	bus_rig_skip(rig);
	assert_int_equal(vmbus_device_offer_subchannels(d->device, 6), -ENOSPC);
	bus_rig_expect_nothing(rig);
	assert_int_equal(vmbus_device_offer_subchannels(d->device, 5), 0);
	for (unsigned i = 1; i <= 5; i++)
		assert_int_equal(bus_rig_expect(rig, VMBUS_MSG_OFFER)->offer.sub_index, i);
}

static void monitors_are_given_as_long_as_there_are_any(void **state)
{
	struct bus_rig *rig = *state;
	bool seen[256] = {false};

	for (unsigned i = 0; i < VMBUS_N_MONITORS + 2; i++)
		offer(rig, i, true);
	bus_rig_connect(rig, VMBUS_V5_3);
	for (unsigned i = 0; i < VMBUS_N_MONITORS + 2; i++) {
		struct vmbus_msg_offer o = bus_rig_expect(rig, VMBUS_MSG_OFFER)->offer;

		assert_int_equal(o.monitor, i < VMBUS_N_MONITORS);
		if (i >= VMBUS_N_MONITORS)
			continue;
		assert_in_range(o.monitor_id, 0, VMBUS_N_MONITORS - 1);
		assert_false(seen[o.monitor_id]);
		seen[o.monitor_id] = true;
	}
}

static void a_withdrawn_device_goes_after_its_subchannels(void **state)
{
	struct bus_rig *rig = *state;
	struct bus_rig_device *d = offer(rig, 0, false);
	uint32_t relid = vmbus_device_primary(d->device)->relid, sub;

	bus_rig_connect(rig, VMBUS_V5_3);
	bus_rig_gpadl(rig, relid, 1, BUS_RIG_HIGH_PFN, 4);
	bus_rig_open(rig, relid, 1, 2, 0);
	bus_rig_skip(rig);
	vmbus_device_offer_subchannels(d->device, 1);
	sub = bus_rig_expect(rig, VMBUS_MSG_OFFER)->offer.relid;
	d->later = true;
	vmbus_device_withdraw(d->device);
	assert_int_equal(bus_rig_expect(rig, VMBUS_MSG_RESCIND)->relid.relid, sub);
	assert_int_equal(bus_rig_expect(rig, VMBUS_MSG_RESCIND)->relid.relid, relid);
	/* The guest still does things to it, as Linux does. */
	bus_rig_relid(rig, VMBUS_MSG_CLOSE, relid);
	bus_rig_teardown(rig, relid, 1);
	bus_rig_expect_nothing(rig);
	bus_rig_relid(rig, VMBUS_MSG_RELID_RELEASED, relid);
	bus_rig_answer(d);
	bus_rig_expect(rig, VMBUS_MSG_GPADL_TORNDOWN);
	assert_non_null(d->device);
	bus_rig_relid(rig, VMBUS_MSG_RELID_RELEASED, sub);
	assert_null(d->device);
	for (unsigned f = 0; f < VMBUS_N_FAULTS; f++)
		assert_int_equal(faults(rig, f), 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_order_and_the_relids_stay),
		TEST(offers_are_sent_once),
		TEST(nothing_is_offered_before_it_is_asked_for),
		TEST(a_pair_of_guids_is_offered_once),
		TEST(a_device_nobody_was_told_of_goes_at_once),
		TEST(hot_add_a_thousand_times_uses_relids_again),
		TEST(a_relid_is_released_once_and_after_its_rescind),
		TEST(there_are_as_many_channels_as_relids),
		TEST(subchannels_are_all_offered_or_none),
		TEST(monitors_are_given_as_long_as_there_are_any),
		TEST(a_withdrawn_device_goes_after_its_subchannels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
