/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The n-th allocation of a conversation fails: that step is refused, all else goes on.
 */
#include "vmbus/server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/support/bus_rig.h"

/* Allocations until one fails; 0: none does. */
static unsigned fail_after;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);

static bool fails(void)
{
	return fail_after != 0 && --fail_after == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

static void a_server_is_made_whole_or_not_at_all(void **state)
{
	static const struct vmbus_host_ops ops;
	const struct vmbus_server_opts opts = {0};
	struct vmbus_server *server = NULL;
	unsigned n = 0;
	int rc;

	do {
		fail_after = ++n;
		rc = vmbus_server_create(&ops, NULL, &opts, &server);
		assert_true(rc == 0 || rc == -ENOMEM);
	} while (rc != 0);
	fail_after = 0;
	assert_int_equal(n, 3);
	vmbus_server_destroy(server);
	vmbus_server_destroy(NULL);
}

/* Steps that failed. */
static unsigned converse(struct bus_rig *rig, struct bus_rig_device *d)
{
	const union vmbus_msg *msg;
	unsigned failed = 0;
	uint32_t relid;

	while (bus_rig_offer(d, "nic", false) != 0)
		failed++;
	bus_rig_connect(rig, VMBUS_V5_3);
	relid = bus_rig_expect(rig, VMBUS_MSG_OFFER)->offer.relid;
	bus_rig_expect(rig, VMBUS_MSG_ALL_OFFERS);
	for (uint32_t id = 1; id < 4; id++) {
		bus_rig_gpadl(rig, relid, id, BUS_RIG_HIGH_PFN, 20);
		msg = bus_rig_expect(rig, VMBUS_MSG_GPADL_CREATED);
		assert_int_equal(msg->result.id, id);
		failed += msg->result.status != 0;
	}
	bus_rig_gpadl(rig, relid, 4, BUS_RIG_HIGH_PFN, 8);
	if (bus_rig_expect(rig, VMBUS_MSG_GPADL_CREATED)->result.status != 0)
		return failed + 1;
	bus_rig_open(rig, relid, 4, 4, 0);
	assert_int_equal(bus_rig_expect(rig, VMBUS_MSG_OPEN_RESULT)->result.status, 0);
	while (vmbus_device_offer_subchannels(d->device, 3) != 0)
		failed++;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(bus_rig_expect(rig, VMBUS_MSG_OFFER)->offer.sub_index, i + 1);
	bus_rig_expect_nothing(rig);
	return failed;
}

static void a_conversation_loses_only_the_step_that_failed(void **state)
{
	unsigned n = 1;

	for (bool failed = true; failed; n++) {
		struct bus_rig *rig = bus_rig_create(NULL);
		struct bus_rig_device *d = bus_rig_device(rig);

		fail_after = n;
		failed = converse(rig, d) != 0;
		fail_after = 0;
		bus_rig_destroy(rig);
	}
	assert_int_equal(n - 2, 2 + 4 + 3); /* a device and its channel, GPADLs, subchannels */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_server_is_made_whole_or_not_at_all),
		cmocka_unit_test(a_conversation_loses_only_the_step_that_failed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
