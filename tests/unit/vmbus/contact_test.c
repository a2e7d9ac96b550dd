/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Negotiation as guests do it, and the end of connections: unload, contact once more, reset.
 */
#include "vmbus/server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/bus_rig.h"

#define V1_1  0x00010001u
#define V0_13 0x0000000du
#define V6_0  0x00060000u

static const uint32_t caps[] = {VMBUS_V2_4, VMBUS_V3_0, VMBUS_V4_0, VMBUS_V4_1,
				VMBUS_V5_0, VMBUS_V5_1, VMBUS_V5_2, VMBUS_V5_3};
#define N_CAPS (sizeof(caps) / sizeof(caps[0]))

/* The orders in which guests try; DPDK's is its kernel's. */
static const struct order {
	const char *guest;
	bool knows_5_0; /* asks for 5.0 and up on connection 4 */
	uint32_t versions[12];
} orders[] = {
	{"Linux 5.10",
	 true,
	 {VMBUS_V5_2, VMBUS_V5_1, VMBUS_V5_0, VMBUS_V4_1, VMBUS_V4_0, VMBUS_V3_0, VMBUS_V2_4, V1_1,
	  V0_13}},
	{"Linux 6.1, 6.12, DPDK",
	 true,
	 {VMBUS_V5_3, VMBUS_V5_2, VMBUS_V5_1, VMBUS_V5_0, VMBUS_V4_1, VMBUS_V4_0, VMBUS_V3_0,
	  VMBUS_V2_4}},
	{"later Linux",
	 true,
	 {V6_0, VMBUS_V5_3, VMBUS_V5_2, VMBUS_V5_1, VMBUS_V5_0, VMBUS_V4_1, VMBUS_V4_0, VMBUS_V3_0,
	  VMBUS_V2_4}},
	{"FreeBSD", false, {VMBUS_V4_0, VMBUS_V3_0, VMBUS_V2_4, V1_1, V0_13}},
	{"old FreeBSD", false, {VMBUS_V3_0, VMBUS_V2_4, V1_1, V0_13}},
};
#define N_ORDERS (sizeof(orders) / sizeof(orders[0]))

/* One try.  False: refused, by the hypercall or by the answer. */
static bool try_version(struct bus_rig *rig, const struct order *order, uint32_t version)
{
	uint32_t connection = order->knows_5_0 && version >= VMBUS_V5_0 ? VMBUS_MSG_CONNECTION_5_0
									: VMBUS_MSG_CONNECTION;
	const union vmbus_msg *answer;
	union vmbus_msg msg;
	size_t size = vmbus_msg_init(&msg, VMBUS_MSG_CONTACT);
	int rc;

	msg.contact.version = version;
	if (version >= VMBUS_V5_0)
		msg.contact.sint = VMBUS_CONTACT_SINT;
	rc = vmbus_server_message(rig->server, connection, &msg, size);
	if (rc == -EINVAL) {
		bus_rig_expect_nothing(rig);
		return false;
	}
	assert_int_equal(rc, 0);
	answer = bus_rig_expect(rig, VMBUS_MSG_VERSION_RESPONSE);
	bus_rig_expect_nothing(rig);
	return answer->version.supported == 1;
}

static uint32_t negotiate(struct bus_rig *rig, const struct order *order)
{
	for (const uint32_t *v = order->versions; *v != 0; v++)
		if (try_version(rig, order, *v))
			return *v;
	return 0;
}

static void every_guest_finds_the_highest_common_version(void **state)
{
	for (size_t i = 0; i < N_ORDERS; i++)
		for (size_t c = 0; c < N_CAPS; c++) {
			struct bus_rig *rig =
				bus_rig_create(&(struct vmbus_server_opts){.max_version = caps[c]});
			const uint32_t *want = orders[i].versions;

			while (*want > caps[c])
				want++;
			assert_int_equal(negotiate(rig, &orders[i]), *want);
			assert_int_equal(bus_rig_info(rig).version, *want);
			bus_rig_destroy(rig);
		}
}

static void other_versions_are_refused_and_leave_the_guest_free_to_try(void **state)
{
	static const uint32_t others[] = {0,	      V0_13,	  V1_1,	      0x00020003,
					  0x00020005, 0x00030001, 0x00040002, 0x00050004,
					  V6_0,	      UINT32_MAX};
	struct bus_rig *rig = bus_rig_create(NULL);

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		bus_rig_contact(rig, others[i], 0);
		assert_int_equal(bus_rig_expect(rig, VMBUS_MSG_VERSION_RESPONSE)->version.supported,
				 0);
		assert_int_equal(bus_rig_info(rig).version, 0);
		bus_rig_simple(rig, VMBUS_MSG_REQUEST_OFFERS);
		bus_rig_expect_nothing(rig);
	}
	bus_rig_connect(rig, VMBUS_V5_3);
	bus_rig_destroy(rig);
}

static void messages_elsewhere_than_to_us_are_refused(void **state)
{
	struct bus_rig *rig = bus_rig_create(NULL);
	union vmbus_msg msg;
	size_t size = vmbus_msg_init(&msg, VMBUS_MSG_CONTACT);

	msg.contact.version = VMBUS_V5_3;
	msg.contact.sint = 5;
	bus_rig_send(rig, &msg, size);
	assert_int_equal(bus_rig_expect(rig, VMBUS_MSG_VERSION_RESPONSE)->version.supported, 0);
	msg.contact.sint = VMBUS_CONTACT_SINT;
	msg.contact.vtl = 2;
	bus_rig_send(rig, &msg, size);
	assert_int_equal(bus_rig_expect(rig, VMBUS_MSG_VERSION_RESPONSE)->version.supported, 0);
	for (uint32_t id = 0; id < 8; id++)
		assert_int_equal(vmbus_server_message(rig->server, id, &msg, size),
				 id == 1 || id == 4 ? 0 : -EINVAL);
	assert_int_equal(vmbus_server_message(rig->server, UINT32_MAX, &msg, size), -EINVAL);
	bus_rig_destroy(rig);
}

static void both_connections_take_all_messages_of_5_0(void **state)
{
	struct bus_rig *rig = bus_rig_create(NULL);
	union vmbus_msg msg;
	size_t size;

	bus_rig_contact(rig, VMBUS_V5_0, 0);
	bus_rig_expect(rig, VMBUS_MSG_VERSION_RESPONSE);
	size = vmbus_msg_init(&msg, VMBUS_MSG_REQUEST_OFFERS);
	assert_int_equal(vmbus_server_message(rig->server, VMBUS_MSG_CONNECTION, &msg, size), 0);
	bus_rig_expect(rig, VMBUS_MSG_ALL_OFFERS);
	size = vmbus_msg_init(&msg, VMBUS_MSG_UNLOAD);
	assert_int_equal(vmbus_server_message(rig->server, VMBUS_MSG_CONNECTION_5_0, &msg, size),
			 0);
	bus_rig_expect(rig, VMBUS_MSG_UNLOAD_RESPONSE);
	bus_rig_destroy(rig);
}

static void monitor_pages_are_memory_or_none(void **state)
{
	static const struct {
		uint64_t gpa;
		bool ok;
	} pages[] = {{0, false},
		     {4096, true},
		     {4097, false},
		     {BUS_RIG_LOW_PAGES * 4096ull, false},
		     {BUS_RIG_LOW_PAGES * 4096ull - 4096, true},
		     {UINT64_MAX & ~4095ull, false},
		     {UINT64_MAX, false}};
	struct bus_rig *rig = bus_rig_create(NULL);
	struct vmbus_monitor *monitor = vmbus_server_monitor(rig->server);

	for (size_t i = 0; i < sizeof(pages) / sizeof(pages[0]); i++) {
		union vmbus_msg msg;
		size_t size = vmbus_msg_init(&msg, VMBUS_MSG_CONTACT);

		msg.contact.version = VMBUS_V4_0;
		msg.contact.parent_to_child = 4096;
		msg.contact.child_to_parent = pages[i].gpa;
		bus_rig_send(rig, &msg, size);
		bus_rig_expect(rig, VMBUS_MSG_VERSION_RESPONSE);
		assert_ptr_equal(monitor->parent_to_child, gpa_page(&rig->memory, 1));
		assert_ptr_equal(monitor->child_to_parent,
				 pages[i].ok ? gpa_at(&rig->memory, pages[i].gpa, 4096) : NULL);
	}
	bus_rig_simple(rig, VMBUS_MSG_UNLOAD);
	assert_null(monitor->parent_to_child);
	bus_rig_destroy(rig);
}

/* ---- The end ---- */

/* A NIC with an open primary, two subchannels (one open), a GPADL, and one in the making. */
static struct bus_rig_device *busy(struct bus_rig *rig, uint32_t *ret_relid)
{
	struct bus_rig_device *d = bus_rig_device(rig);
	union vmbus_msg msg;
	size_t size;
	uint32_t relid, sub;

	bus_rig_offer(d, "nic", false);
	bus_rig_connect(rig, VMBUS_V5_3);
	relid = bus_rig_expect(rig, VMBUS_MSG_OFFER)->offer.relid;
	bus_rig_gpadl(rig, relid, 1, BUS_RIG_HIGH_PFN, 8);
	bus_rig_gpadl(rig, relid, 2, BUS_RIG_HIGH_PFN + 8, 1000);
	bus_rig_open(rig, relid, 1, 4, 1);
	bus_rig_skip(rig);
	vmbus_device_offer_subchannels(d->device, 2);
	sub = bus_rig_expect(rig, VMBUS_MSG_OFFER)->offer.relid;
	bus_rig_gpadl(rig, sub, 3, BUS_RIG_HIGH_PFN, 8);
	bus_rig_open(rig, sub, 3, 4, 1);
	size = vmbus_msg_init(&msg, VMBUS_MSG_GPADL_HEADER);
	msg.gpadl_header.relid = relid;
	msg.gpadl_header.gpadl = 4;
	msg.gpadl_header.n_ranges = 1;
	msg.gpadl_header.range_bytes = 800;
	bus_rig_send(rig, &msg, size);
	bus_rig_skip(rig);
	assert_int_equal(bus_rig_info(rig).n_open, 2);
	assert_int_equal(bus_rig_info(rig).n_gpadls, 4);
	*ret_relid = relid;
	return d;
}

static void expect_all_gone(struct bus_rig *rig, const struct bus_rig_device *d)
{
	struct vmbus_server_info info = bus_rig_info(rig);

	assert_int_equal(info.n_open, 0);
	assert_int_equal(info.n_gpadls, 0);
	assert_int_equal(info.n_gpadl_pages, 0);
	assert_int_equal(info.n_channels, 1);
	assert_int_equal(d->n_subchannels_gone, 2);
	assert_int_equal(d->n_gpadls, 0);
	assert_int_equal(d->n_closed, 2);
}

static void unload_is_answered_when_devices_have_let_go(void **state)
{
	struct bus_rig *rig = bus_rig_create(NULL);
	uint32_t relid;
	struct bus_rig_device *d = busy(rig, &relid);

	d->later = true;
	bus_rig_simple(rig, VMBUS_MSG_UNLOAD);
	bus_rig_expect_nothing(rig);
	bus_rig_relid(rig, VMBUS_MSG_CLOSE, relid); /* too late */
	bus_rig_answer(d);
	bus_rig_expect(rig, VMBUS_MSG_UNLOAD_RESPONSE);
	bus_rig_expect_nothing(rig);
	expect_all_gone(rig, d);
	/* And again from the start, with the relid it had. */
	d->later = false;
	bus_rig_connect(rig, VMBUS_V5_3);
	assert_int_equal(bus_rig_expect(rig, VMBUS_MSG_OFFER)->offer.relid, relid);
	bus_rig_destroy(rig);
}

/* Pages may be in use though no channel is open. */
static void unload_waits_for_pages_too(void **state)
{
	struct bus_rig *rig = bus_rig_create(NULL);
	struct bus_rig_device *d = bus_rig_device(rig);
	uint32_t relid;

	bus_rig_offer(d, "nic", false);
	bus_rig_connect(rig, VMBUS_V5_3);
	relid = bus_rig_expect(rig, VMBUS_MSG_OFFER)->offer.relid;
	bus_rig_gpadl(rig, relid, 1, BUS_RIG_HIGH_PFN, 8);
	bus_rig_skip(rig);
	d->later = true;
	bus_rig_simple(rig, VMBUS_MSG_UNLOAD);
	bus_rig_expect_nothing(rig);
	bus_rig_answer(d);
	bus_rig_expect(rig, VMBUS_MSG_UNLOAD_RESPONSE);
	bus_rig_destroy(rig);
}

static void unload_while_not_connected_is_answered(void **state)
{
	struct bus_rig *rig = bus_rig_create(NULL);

	bus_rig_simple(rig, VMBUS_MSG_UNLOAD);
	bus_rig_expect(rig, VMBUS_MSG_UNLOAD_RESPONSE);
	bus_rig_destroy(rig);
}

/* A kernel that starts after a crash knows nothing of the pages that devices still write to. */
static void contact_once_more_waits_for_devices_too(void **state)
{
	struct bus_rig *rig = bus_rig_create(NULL);
	uint32_t relid;
	struct bus_rig_device *d = busy(rig, &relid);

	d->later = true;
	bus_rig_contact(rig, VMBUS_V4_0, 3);
	bus_rig_expect_nothing(rig);
	bus_rig_contact(rig, VMBUS_V5_1, 4); /* impatient */
	bus_rig_expect_nothing(rig);
	bus_rig_answer(d);
	assert_int_equal(bus_rig_read(rig)->vp, 4);
	bus_rig_expect_nothing(rig);
	assert_int_equal(bus_rig_info(rig).version, VMBUS_V5_1);
	expect_all_gone(rig, d);
	bus_rig_destroy(rig);
}

static void contact_with_a_wrong_version_ends_the_old_connection(void **state)
{
	struct bus_rig *rig = bus_rig_create(NULL);
	uint32_t relid;
	struct bus_rig_device *d = busy(rig, &relid);

	bus_rig_contact(rig, V6_0, 0);
	assert_int_equal(bus_rig_expect(rig, VMBUS_MSG_VERSION_RESPONSE)->version.supported, 0);
	assert_int_equal(bus_rig_info(rig).version, 0);
	expect_all_gone(rig, d);
	bus_rig_destroy(rig);
}

static void what_waits_to_be_read_ends_with_its_connection(void **state)
{
	struct bus_rig *rig = bus_rig_create(NULL);
	uint32_t relid;
	struct bus_rig_device *d = busy(rig, &relid);

	rig->slot_taken = true;
	bus_rig_teardown(rig, relid, 2);
	bus_rig_relid(rig, VMBUS_MSG_CLOSE, relid);
	assert_true(bus_rig_info(rig).n_queued >= 2);
	bus_rig_simple(rig, VMBUS_MSG_UNLOAD);
	assert_int_equal(bus_rig_info(rig).n_queued, 1);
	rig->slot_taken = false;
	vmbus_server_slot_free(rig->server);
	bus_rig_expect(rig, VMBUS_MSG_UNLOAD_RESPONSE);
	bus_rig_expect_nothing(rig);
	expect_all_gone(rig, d);
	bus_rig_destroy(rig);
}

static void set_done(void *ctx)
{
	++*(unsigned *)ctx;
}

static void reset_says_when_it_is_done(void **state)
{
	struct bus_rig *rig = bus_rig_create(NULL);
	unsigned done = 0;
	uint32_t relid;
	struct bus_rig_device *d = busy(rig, &relid);

	d->later = true;
	bus_rig_simple(rig, VMBUS_MSG_UNLOAD); /* the reset takes its place */
	vmbus_server_reset(rig->server, set_done, &done);
	assert_int_equal(done, 0);
	bus_rig_answer(d);
	assert_int_equal(done, 1);
	bus_rig_expect_nothing(rig);
	expect_all_gone(rig, d);
	vmbus_server_reset(rig->server, set_done, &done);
	assert_int_equal(done, 2);
	bus_rig_destroy(rig);
}

static void a_channel_being_opened_is_opened_and_closed(void **state)
{
	struct bus_rig *rig = bus_rig_create(NULL);
	struct bus_rig_device *d = bus_rig_device(rig);
	uint32_t relid;

	bus_rig_offer(d, "nic", false);
	bus_rig_connect(rig, VMBUS_V5_3);
	relid = bus_rig_expect(rig, VMBUS_MSG_OFFER)->offer.relid;
	bus_rig_gpadl(rig, relid, 1, BUS_RIG_HIGH_PFN, 8);
	d->later = true;
	bus_rig_open(rig, relid, 1, 4, 1);
	bus_rig_skip(rig);
	bus_rig_simple(rig, VMBUS_MSG_UNLOAD);
	assert_int_equal(d->n_pending, 1);
	bus_rig_answer(d);
	bus_rig_expect(rig, VMBUS_MSG_UNLOAD_RESPONSE);
	bus_rig_expect_nothing(rig);
	assert_int_equal(d->n_opened, 1);
	assert_int_equal(d->n_closed, 1);
	bus_rig_destroy(rig);
}

static void a_device_withdrawn_in_a_reset_goes_with_it(void **state)
{
	struct bus_rig *rig = bus_rig_create(NULL);
	uint32_t relid;
	struct bus_rig_device *d = busy(rig, &relid), *new = bus_rig_device(rig);

	d->later = true;
	bus_rig_contact(rig, VMBUS_V5_3, 0);
	vmbus_device_withdraw(d->device);
	bus_rig_offer(new, "other", false);
	bus_rig_expect_nothing(rig);
	bus_rig_answer(d);
	assert_null(d->device);
	bus_rig_expect(rig, VMBUS_MSG_VERSION_RESPONSE);
	bus_rig_simple(rig, VMBUS_MSG_REQUEST_OFFERS);
	bus_rig_expect(rig, VMBUS_MSG_OFFER);
	bus_rig_expect(rig, VMBUS_MSG_ALL_OFFERS);
	bus_rig_destroy(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_guest_finds_the_highest_common_version),
		cmocka_unit_test(other_versions_are_refused_and_leave_the_guest_free_to_try),
		cmocka_unit_test(messages_elsewhere_than_to_us_are_refused),
		cmocka_unit_test(both_connections_take_all_messages_of_5_0),
		cmocka_unit_test(monitor_pages_are_memory_or_none),
		cmocka_unit_test(unload_is_answered_when_devices_have_let_go),
		cmocka_unit_test(unload_waits_for_pages_too),
		cmocka_unit_test(unload_while_not_connected_is_answered),
		cmocka_unit_test(contact_once_more_waits_for_devices_too),
		cmocka_unit_test(contact_with_a_wrong_version_ends_the_old_connection),
		cmocka_unit_test(what_waits_to_be_read_ends_with_its_connection),
		cmocka_unit_test(reset_says_when_it_is_done),
		cmocka_unit_test(a_channel_being_opened_is_opened_and_closed),
		cmocka_unit_test(a_device_withdrawn_in_a_reset_goes_with_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
