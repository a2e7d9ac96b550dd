/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Channels opened, closed and moved; subchannels.
 */
#include "vmbus/channel.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/bus_rig.h"

#define PFN  BUS_RIG_HIGH_PFN
#define RING 0xe1e10

struct state {
	struct bus_rig *rig;
	struct bus_rig_device *nic;
	uint32_t relid;
};

/* A NIC that is offered; its ring's GPADL is there. */
static struct state start(uint32_t version)
{
	struct state s = {.rig = bus_rig_create(NULL)};

	s.nic = bus_rig_device(s.rig);
	bus_rig_offer(s.nic, "nic", false);
	bus_rig_connect(s.rig, version);
	s.relid = bus_rig_expect(s.rig, VMBUS_MSG_OFFER)->offer.relid;
	bus_rig_expect(s.rig, VMBUS_MSG_ALL_OFFERS);
	bus_rig_gpadl(s.rig, s.relid, RING, PFN, 8);
	bus_rig_expect(s.rig, VMBUS_MSG_GPADL_CREATED);
	return s;
}

static int setup(void **state)
{
	static struct state s;

	s = start(VMBUS_V5_3);
	*state = &s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	bus_rig_destroy(s->rig);
	return 0;
}

static uint64_t faults(const struct state *s, enum vmbus_fault fault)
{
	return bus_rig_info(s->rig).faults[fault];
}

static void expect_opened(struct state *s, uint32_t relid, bool ok)
{
	const union vmbus_msg *msg = bus_rig_expect(s->rig, VMBUS_MSG_OPEN_RESULT);

	assert_int_equal(msg->result.relid, relid);
	assert_int_equal(msg->result.id, relid);
	assert_int_equal(msg->result.status == 0, ok);
}

static void expect_torndown(struct state *s, uint32_t id)
{
	assert_int_equal(bus_rig_expect(s->rig, VMBUS_MSG_GPADL_TORNDOWN)->gpadl_torndown.gpadl,
			 id);
}

static void open_primary(struct state *s)
{
	bus_rig_open(s->rig, s->relid, RING, 4, 1);
	expect_opened(s, s->relid, true);
}

/* ---- Open ---- */

static void the_device_learns_what_the_guest_said(void **state)
{
	struct state *s = *state;
	const struct vmbus_channel *c = vmbus_device_primary(s->nic->device);
	union vmbus_msg msg;
	size_t size = vmbus_msg_init(&msg, VMBUS_MSG_OPEN);
	uint64_t one = 1;

	msg.open.relid = s->relid;
	msg.open.open_id = 0xabcdef;
	msg.open.ring_gpadl = RING;
	msg.open.ring_offset = 6;
	msg.open.target_vp = 3;
	memset(msg.open.user_data, 0x5a, sizeof(msg.open.user_data));
	bus_rig_send(s->rig, &msg, size);
	assert_int_equal(bus_rig_expect(s->rig, VMBUS_MSG_OPEN_RESULT)->result.id, 0xabcdef);
	assert_int_equal(c->open_id, 0xabcdef);
	assert_int_equal(c->target_vp, 3);
	assert_int_equal(c->ring_offset, 6);
	assert_int_equal(c->ring->n_pfns, 8);
	assert_int_equal(c->ring->pfns[7], PFN + 7);
	assert_memory_equal(c->user_data, msg.open.user_data, sizeof(c->user_data));
	assert_int_equal(write(s->rig->listen[c->connection_id], &one, 8), 8);
	assert_int_equal(read(c->kick_fd, &one, 8), 8);
	assert_int_equal(bus_rig_info(s->rig).n_open, 1);
}

static void rings_that_are_none_are_refused(void **state)
{
	static const uint32_t offsets[] = {0, 1, 7, 8, 9, UINT32_MAX, UINT32_MAX - 1};
	struct state *s = *state;

	for (size_t i = 0; i < sizeof(offsets) / sizeof(offsets[0]); i++) {
		bus_rig_open(s->rig, s->relid, RING, offsets[i], 1);
		expect_opened(s, s->relid, false);
		assert_int_equal(faults(s, VMBUS_FAULT_OPEN), i + 1);
	}
	bus_rig_gpadl(s->rig, s->relid, 5, PFN, 3);
	bus_rig_expect(s->rig, VMBUS_MSG_GPADL_CREATED);
	bus_rig_open(s->rig, s->relid, 5, 2, 1);
	expect_opened(s, s->relid, false);
	assert_int_equal(s->nic->n_opened, 0);
}

static void rings_start_with_a_page(void **state)
{
	struct state *s = *state;
	union vmbus_msg msg;
	size_t size = vmbus_msg_init(&msg, VMBUS_MSG_GPADL_HEADER);
	const uint64_t words[] = {16ull << 32 | (4 * 4096), PFN, PFN, PFN, PFN, PFN};

	msg.gpadl_header.relid = s->relid;
	msg.gpadl_header.gpadl = 5;
	msg.gpadl_header.n_ranges = 1;
	msg.gpadl_header.range_bytes = sizeof(words);
	memcpy(msg.bytes + size, words, sizeof(words));
	bus_rig_send(s->rig, &msg, size + sizeof(words));
	assert_int_equal(bus_rig_expect(s->rig, VMBUS_MSG_GPADL_CREATED)->result.status, 0);
	bus_rig_open(s->rig, s->relid, 5, 2, 1);
	expect_opened(s, s->relid, false);
}

static void a_channel_opens_with_its_own_whole_gpadl(void **state)
{
	struct state *s = *state;
	struct bus_rig_device *other = bus_rig_device(s->rig);
	uint32_t relid;

	bus_rig_offer(other, "other", false);
	relid = bus_rig_expect(s->rig, VMBUS_MSG_OFFER)->offer.relid;
	bus_rig_open(s->rig, relid, RING, 4, 1);
	expect_opened(s, relid, false);
	bus_rig_open(s->rig, s->relid, RING + 1, 4, 1);
	expect_opened(s, s->relid, false);
	assert_int_equal(faults(s, VMBUS_FAULT_GPADL_ID), 2);
	s->nic->later = true;
	bus_rig_teardown(s->rig, s->relid, RING);
	bus_rig_open(s->rig, s->relid, RING, 4, 1); /* it is on its way out */
	expect_opened(s, s->relid, false);
	assert_int_equal(faults(s, VMBUS_FAULT_GPADL_ID), 3);
}

static void unknown_channels_are_answered_with_a_failure(void **state)
{
	static const uint32_t relids[] = {0, 2, 2047, 2048, 0x10001, UINT32_MAX};
	struct state *s = *state;

	for (size_t i = 0; i < sizeof(relids) / sizeof(relids[0]); i++) {
		bus_rig_open(s->rig, relids[i], RING, 4, 1);
		expect_opened(s, relids[i], false);
		bus_rig_modify(s->rig, relids[i], 1);
		assert_true(
			bus_rig_expect(s->rig, VMBUS_MSG_MODIFY_RESPONSE)->modify_response.status !=
			0);
		bus_rig_relid(s->rig, VMBUS_MSG_CLOSE, relids[i]);
		bus_rig_relid(s->rig, VMBUS_MSG_RELID_RELEASED, relids[i]);
		bus_rig_expect_nothing(s->rig);
		assert_int_equal(faults(s, VMBUS_FAULT_RELID), 4 * (i + 1));
	}
}

static void the_result_comes_when_the_device_says_so(void **state)
{
	struct state *s = *state;

	s->nic->later = true;
	bus_rig_open(s->rig, s->relid, RING, 4, 1);
	bus_rig_expect_nothing(s->rig);
	bus_rig_open(s->rig, s->relid, RING, 4, 1); /* twice */
	expect_opened(s, s->relid, false);
	assert_int_equal(faults(s, VMBUS_FAULT_STATE), 1);
	bus_rig_answer(s->nic);
	expect_opened(s, s->relid, true);
	bus_rig_open(s->rig, s->relid, RING, 4, 1); /* and again */
	expect_opened(s, s->relid, false);
	assert_int_equal(s->nic->n_opened, 1);
	assert_int_equal(bus_rig_info(s->rig).n_open, 1);
}

static void a_device_may_refuse_and_be_asked_again(void **state)
{
	struct state *s = *state;

	s->nic->open_status = VMBUS_STATUS_FAILURE;
	bus_rig_open(s->rig, s->relid, RING, 4, 1);
	expect_opened(s, s->relid, false);
	assert_int_equal(s->rig->route[s->relid].fd, -1);
	assert_null(vmbus_device_primary(s->nic->device)->ring);
	s->nic->open_status = 0;
	open_primary(s);
}

static void no_descriptors_or_processor_fails_the_open_alone(void **state)
{
	struct state *s = *state;
	struct rlimit had, none = {0};

	getrlimit(RLIMIT_NOFILE, &had);
	none.rlim_max = had.rlim_max;
	setrlimit(RLIMIT_NOFILE, &none);
	bus_rig_open(s->rig, s->relid, RING, 4, 1);
	setrlimit(RLIMIT_NOFILE, &had);
	expect_opened(s, s->relid, false);
	s->rig->fail_listen = true;
	bus_rig_open(s->rig, s->relid, RING, 4, 1);
	expect_opened(s, s->relid, false);
	s->rig->fail_listen = false;
	bus_rig_open(s->rig, s->relid, RING, 4, BUS_RIG_N_VPS);
	expect_opened(s, s->relid, false);
	assert_int_equal(s->nic->n_opened, 0);
	open_primary(s);
}

/* ---- Close ---- */

static void the_ring_goes_after_the_device_has_closed(void **state)
{
	struct state *s = *state;

	open_primary(s);
	s->nic->later = true;
	bus_rig_relid(s->rig, VMBUS_MSG_CLOSE, s->relid);
	bus_rig_teardown(s->rig, s->relid, RING);
	assert_int_equal(s->nic->n_pending, 1); /* the close alone: the rig checks the rest */
	bus_rig_expect_nothing(s->rig);
	assert_true(s->rig->route[s->relid].fd >= 0);
	bus_rig_answer(s->nic);
	expect_torndown(s, RING);
	assert_int_equal(s->rig->route[s->relid].fd, -1);
	assert_int_equal(faults(s, VMBUS_FAULT_STATE), 0);
}

static void tearing_the_ring_down_closes_the_channel(void **state)
{
	struct state *s = *state;

	open_primary(s);
	bus_rig_teardown(s->rig, s->relid, RING);
	expect_torndown(s, RING);
	assert_int_equal(s->nic->n_closed, 1);
	assert_int_equal(faults(s, VMBUS_FAULT_STATE), 1);
	bus_rig_relid(s->rig, VMBUS_MSG_CLOSE, s->relid); /* it is closed */
	assert_int_equal(faults(s, VMBUS_FAULT_STATE), 2);
	bus_rig_gpadl(s->rig, s->relid, RING, PFN, 8);
	bus_rig_expect(s->rig, VMBUS_MSG_GPADL_CREATED);
	open_primary(s);
}

static void close_while_opening_is_done_afterwards(void **state)
{
	struct state *s = *state;

	s->nic->later = true;
	bus_rig_open(s->rig, s->relid, RING, 4, 1);
	bus_rig_relid(s->rig, VMBUS_MSG_CLOSE, s->relid);
	bus_rig_teardown(s->rig, s->relid, RING);
	assert_int_equal(s->nic->n_pending, 1);
	bus_rig_answer(s->nic);
	expect_opened(s, s->relid, true);
	expect_torndown(s, RING);
	assert_int_equal(s->nic->n_opened, 1);
	assert_int_equal(s->nic->n_closed, 1);
}

static void answers_nobody_asked_for_change_nothing(void **state)
{
	struct state *s = *state;
	struct vmbus_channel *c = vmbus_device_primary(s->nic->device);

	vmbus_channel_opened(c, 0);
	vmbus_channel_closed(c);
	vmbus_gpadl_released(s->nic->device, vmbus_device_gpadl(s->nic->device, RING));
	bus_rig_expect_nothing(s->rig);
	open_primary(s);
	vmbus_channel_opened(c, 0);
	vmbus_channel_closed(c);
	bus_rig_expect_nothing(s->rig);
	assert_int_equal(bus_rig_info(s->rig).n_open, 1);
}

/* ---- Move ---- */

static void moves_are_answered_from_5_3_on(void **state)
{
	static const uint32_t versions[] = {VMBUS_V4_0, VMBUS_V4_1, VMBUS_V5_2, VMBUS_V5_3};

	for (size_t i = 0; i < sizeof(versions) / sizeof(versions[0]); i++) {
		struct state s = start(versions[i]);

		open_primary(&s);
		bus_rig_modify(s.rig, s.relid, 6);
		assert_int_equal(s.nic->n_retargeted, versions[i] >= VMBUS_V4_1);
		assert_int_equal(s.rig->route[s.relid].vp, versions[i] >= VMBUS_V4_1 ? 6 : 1);
		assert_int_equal(faults(&s, VMBUS_FAULT_STATE), versions[i] < VMBUS_V4_1);
		if (versions[i] >= VMBUS_V5_3)
			assert_int_equal(bus_rig_expect(s.rig, VMBUS_MSG_MODIFY_RESPONSE)
						 ->modify_response.status,
					 0);
		bus_rig_expect_nothing(s.rig);
		bus_rig_destroy(s.rig);
	}
}

static void a_move_to_nowhere_leaves_the_channel_where_it_was(void **state)
{
	struct state *s = *state;

	bus_rig_modify(s->rig, s->relid, 2); /* not open */
	assert_true(bus_rig_expect(s->rig, VMBUS_MSG_MODIFY_RESPONSE)->modify_response.status != 0);
	open_primary(s);
	bus_rig_modify(s->rig, s->relid, BUS_RIG_N_VPS);
	assert_true(bus_rig_expect(s->rig, VMBUS_MSG_MODIFY_RESPONSE)->modify_response.status != 0);
	assert_int_equal(s->rig->route[s->relid].vp, 1);
	assert_int_equal(vmbus_device_primary(s->nic->device)->target_vp, 1);
	assert_int_equal(s->nic->n_retargeted, 0);
	bus_rig_modify(s->rig, s->relid, VMBUS_NO_VP);
	assert_int_equal(bus_rig_expect(s->rig, VMBUS_MSG_MODIFY_RESPONSE)->modify_response.status,
			 0);
	assert_int_equal(s->rig->route[s->relid].vp, VMBUS_NO_VP);
}

/* ---- Subchannels ---- */

/* Offers 'n', and makes GPADLs for their rings. */
static void add_subchannels(struct state *s, uint16_t n, uint32_t *ret_relids)
{
	assert_int_equal(vmbus_device_offer_subchannels(s->nic->device, n), 0);
	for (uint16_t i = 0; i < n; i++) {
		struct vmbus_msg_offer offer = bus_rig_expect(s->rig, VMBUS_MSG_OFFER)->offer;

		assert_int_equal(offer.sub_index, i + 1);
		ret_relids[i] = offer.relid;
	}
	for (uint16_t i = 0; i < n; i++) {
		bus_rig_gpadl(s->rig, ret_relids[i], RING + 1 + i, PFN + 8u * i, 8);
		bus_rig_expect(s->rig, VMBUS_MSG_GPADL_CREATED);
	}
}

static void subchannels_end_with_the_primary_and_come_anew(void **state)
{
	struct state *s = *state;
	uint32_t old[3], new[3];

	assert_int_equal(vmbus_device_offer_subchannels(s->nic->device, 1), -EINVAL);
	open_primary(s);
	add_subchannels(s, 3, old);
	bus_rig_gpadl(s->rig, old[2], RING, PFN, 8); /* the device has this number already */
	assert_true(bus_rig_expect(s->rig, VMBUS_MSG_GPADL_CREATED)->result.status != 0);
	for (unsigned i = 0; i < 2; i++) { /* the last stays closed */
		bus_rig_open(s->rig, old[i], RING + 1 + i, 4, 2);
		expect_opened(s, old[i], true);
	}
	assert_int_equal(vmbus_device_channel(s->nic->device, 2)->relid, old[1]);
	/* Linux closes the first before the primary; the second is left to us. */
	bus_rig_relid(s->rig, VMBUS_MSG_CLOSE, old[0]);
	bus_rig_relid(s->rig, VMBUS_MSG_CLOSE, s->relid);
	for (unsigned i = 0; i < 3; i++) {
		uint32_t relid = bus_rig_expect(s->rig, VMBUS_MSG_RESCIND)->relid.relid;

		assert_true(relid == old[0] || relid == old[1] || relid == old[2]);
	}
	bus_rig_expect_nothing(s->rig);
	assert_int_equal(s->nic->n_closed, 3);
	assert_null(vmbus_device_channel(s->nic->device, 1));
	bus_rig_teardown(s->rig, old[0], RING + 1);
	expect_torndown(s, RING + 1);
	bus_rig_relid(s->rig, VMBUS_MSG_RELID_RELEASED, old[0]);
	assert_int_equal(s->nic->n_subchannels_gone, 1);
	/* Opened again before the others are released: indexes are the same, relids are not. */
	open_primary(s);
	assert_int_equal(vmbus_device_offer_subchannels(s->nic->device, 3), 0);
	for (uint16_t i = 0; i < 3; i++) {
		new[i] = bus_rig_expect(s->rig, VMBUS_MSG_OFFER)->offer.relid;
		assert_true(new[i] != old[1] && new[i] != old[2]);
	}
	bus_rig_relid(s->rig, VMBUS_MSG_RELID_RELEASED, old[1]); /* with its GPADL */
	bus_rig_relid(s->rig, VMBUS_MSG_RELID_RELEASED, old[2]);
	bus_rig_expect_nothing(s->rig);
	assert_int_equal(s->nic->n_subchannels_gone, 3);
	assert_int_equal(s->nic->n_gpadls, 1);
	assert_int_equal(vmbus_device_channel(s->nic->device, 2)->relid, new[1]);
	for (unsigned f = 0; f < VMBUS_N_FAULTS; f++)
		assert_int_equal(faults(s, f), f == VMBUS_FAULT_GPADL_ID ? 1 : 0);
}

static void indexes_go_on_and_end(void **state)
{
	struct state *s = *state;

	open_primary(s);
	assert_int_equal(vmbus_device_offer_subchannels(s->nic->device, 0), 0);
	assert_int_equal(vmbus_device_offer_subchannels(s->nic->device, 60), 0);
	assert_int_equal(vmbus_device_offer_subchannels(s->nic->device, 4), -EINVAL);
	assert_int_equal(vmbus_device_offer_subchannels(s->nic->device, UINT32_MAX), -EINVAL);
	assert_int_equal(vmbus_device_offer_subchannels(s->nic->device, 3), 0);
	for (unsigned i = 1; i <= VMBUS_MAX_SUBCHANNELS; i++)
		assert_int_equal(bus_rig_expect(s->rig, VMBUS_MSG_OFFER)->offer.sub_index, i);
	bus_rig_expect_nothing(s->rig);
}

static void subchannels_open_while_the_primary_is_open(void **state)
{
	struct state *s = *state;
	uint32_t relid;

	open_primary(s);
	add_subchannels(s, 1, &relid);
	s->nic->later = true;
	bus_rig_relid(s->rig, VMBUS_MSG_CLOSE, s->relid);
	bus_rig_expect(s->rig, VMBUS_MSG_RESCIND);
	bus_rig_open(s->rig, relid, RING + 1, 4, 2); /* it crossed the rescind */
	bus_rig_gpadl(s->rig, relid, 99, PFN, 8);
	assert_true(bus_rig_expect(s->rig, VMBUS_MSG_GPADL_CREATED)->result.status != 0);
	bus_rig_expect_nothing(s->rig);
	bus_rig_answer(s->nic);
	assert_int_equal(s->nic->n_opened, 1);
	for (unsigned f = 0; f < VMBUS_N_FAULTS; f++)
		assert_int_equal(faults(s, f), 0);
}

static void teardown_after_the_release_is_answered_when_done(void **state)
{
	struct state *s = *state;

	open_primary(s);
	s->nic->later = true;
	vmbus_device_withdraw(s->nic->device);
	bus_rig_expect(s->rig, VMBUS_MSG_RESCIND);
	bus_rig_relid(s->rig, VMBUS_MSG_RELID_RELEASED, s->relid);
	bus_rig_teardown(s->rig, s->relid, RING);
	bus_rig_expect_nothing(s->rig);
	assert_non_null(s->nic->device);
	bus_rig_answer(s->nic);
	expect_torndown(s, RING);
	assert_null(s->nic->device);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(the_device_learns_what_the_guest_said),
		TEST(rings_that_are_none_are_refused),
		TEST(rings_start_with_a_page),
		TEST(a_channel_opens_with_its_own_whole_gpadl),
		TEST(unknown_channels_are_answered_with_a_failure),
		TEST(the_result_comes_when_the_device_says_so),
		TEST(a_device_may_refuse_and_be_asked_again),
		TEST(no_descriptors_or_processor_fails_the_open_alone),
		TEST(the_ring_goes_after_the_device_has_closed),
		TEST(tearing_the_ring_down_closes_the_channel),
		TEST(close_while_opening_is_done_afterwards),
		TEST(answers_nobody_asked_for_change_nothing),
		cmocka_unit_test(moves_are_answered_from_5_3_on),
		TEST(a_move_to_nowhere_leaves_the_channel_where_it_was),
		TEST(subchannels_end_with_the_primary_and_come_anew),
		TEST(indexes_go_on_and_end),
		TEST(subchannels_open_while_the_primary_is_open),
		TEST(teardown_after_the_release_is_answered_when_done),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
