/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whole conversations with the server, as guests hold them.
 */
#include "vmbus/server.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/bus_rig.h"

static const uint32_t versions[] = {VMBUS_V2_4, VMBUS_V3_0, VMBUS_V4_0, VMBUS_V4_1,
				    VMBUS_V5_0, VMBUS_V5_1, VMBUS_V5_2, VMBUS_V5_3};
#define N_VERSIONS (sizeof(versions) / sizeof(versions[0]))

/* A channel's life between offer and rescind.  Returns with all GPADLs torn down. */
static void channel_lives(struct bus_rig *rig, const struct vmbus_msg_offer *offer)
{
	uint32_t relid = offer->relid;
	const union vmbus_msg *msg;

	assert_int_equal(bus_rig_gpadl(rig, relid, 0xe1e10, BUS_RIG_HIGH_PFN, 256), 0);
	msg = bus_rig_expect(rig, VMBUS_MSG_GPADL_CREATED);
	assert_int_equal(msg->result.relid, relid);
	assert_int_equal(msg->result.id, 0xe1e10);
	assert_int_equal(msg->result.status, 0);
	bus_rig_open(rig, relid, 0xe1e10, 128, 2);
	msg = bus_rig_expect(rig, VMBUS_MSG_OPEN_RESULT);
	assert_int_equal(msg->result.relid, relid);
	assert_int_equal(msg->result.id, relid);
	assert_int_equal(msg->result.status, 0);
	assert_int_equal(rig->route[relid].vp, 2);
	assert_true(rig->listen[offer->connection_id] >= 0);
	bus_rig_relid(rig, VMBUS_MSG_CLOSE, relid);
	bus_rig_expect_nothing(rig);
	assert_int_equal(rig->listen[offer->connection_id], -1);
	bus_rig_teardown(rig, relid, 0xe1e10);
	assert_int_equal(bus_rig_expect(rig, VMBUS_MSG_GPADL_TORNDOWN)->gpadl_torndown.gpadl,
			 0xe1e10);
}

static void every_version_has_a_whole_conversation(void **state)
{
	for (size_t i = 0; i < N_VERSIONS; i++) {
		struct bus_rig *rig = bus_rig_create(NULL);
		struct bus_rig_device *d = bus_rig_device(rig);
		struct vmbus_msg_offer offer;
		const union vmbus_msg *msg;
		const struct bus_posted *p;

		assert_int_equal(bus_rig_offer(d, "nic0", false), 0);
		bus_rig_contact(rig, versions[i], 5);
		p = bus_rig_read(rig);
		assert_int_equal(p->vp, versions[i] >= VMBUS_V3_0 ? 5 : 0);
		assert_int_equal(p->msg.version.supported, 1);
		assert_int_equal(p->msg.version.state, 0);
		assert_int_equal(p->msg.version.connection_id,
				 versions[i] >= VMBUS_V5_0 ? VMBUS_MSG_CONNECTION_5_0 : 0);
		assert_int_equal(bus_rig_info(rig).version, versions[i]);
		bus_rig_simple(rig, VMBUS_MSG_REQUEST_OFFERS);
		offer = bus_rig_expect(rig, VMBUS_MSG_OFFER)->offer;
		assert_true(vmbus_guid_equal(&offer.type, &VMBUS_GUID_NET));
		assert_int_equal(offer.dedicated, 1);
		assert_int_equal(offer.monitor, 0);
		bus_rig_expect(rig, VMBUS_MSG_ALL_OFFERS);
		bus_rig_expect_nothing(rig);
		channel_lives(rig, &offer);
		channel_lives(rig, &offer); /* a driver loaded again */
		vmbus_device_withdraw(d->device);
		msg = bus_rig_expect(rig, VMBUS_MSG_RESCIND);
		assert_int_equal(msg->relid.relid, offer.relid);
		assert_non_null(d->device);
		bus_rig_relid(rig, VMBUS_MSG_RELID_RELEASED, offer.relid);
		assert_null(d->device);
		bus_rig_simple(rig, VMBUS_MSG_UNLOAD);
		bus_rig_expect(rig, VMBUS_MSG_UNLOAD_RESPONSE);
		assert_int_equal(bus_rig_info(rig).version, 0);
		for (unsigned f = 0; f < VMBUS_N_FAULTS; f++)
			assert_int_equal(bus_rig_info(rig).faults[f], 0);
		bus_rig_destroy(rig);
	}
}

/* ---- A guest in the same process, which answers from within post() ---- */

static struct {
	unsigned n_offers, n_opened, n_torndown, n_released;
	bool leave; /* closes what it opened */
} eager;

static void eager_guest(struct bus_rig *rig, const union vmbus_msg *msg)
{
	uint32_t relid = msg->relid.relid;

	switch (msg->header.type) {
	case VMBUS_MSG_VERSION_RESPONSE:
		bus_rig_simple(rig, VMBUS_MSG_REQUEST_OFFERS);
		break;
	case VMBUS_MSG_OFFER:
		eager.n_offers++;
		bus_rig_gpadl(rig, msg->offer.relid, msg->offer.relid, 0, 8);
		break;
	case VMBUS_MSG_GPADL_CREATED:
		assert_int_equal(msg->result.status, 0);
		bus_rig_open(rig, relid, relid, 4, 0);
		break;
	case VMBUS_MSG_OPEN_RESULT:
		assert_int_equal(msg->result.status, 0);
		eager.n_opened++;
		if (!eager.leave)
			break;
		bus_rig_relid(rig, VMBUS_MSG_CLOSE, relid);
		bus_rig_teardown(rig, relid, relid);
		break;
	case VMBUS_MSG_GPADL_TORNDOWN:
		eager.n_torndown++;
		break;
	case VMBUS_MSG_RESCIND:
		eager.n_released++;
		bus_rig_relid(rig, VMBUS_MSG_RELID_RELEASED, relid);
		break;
	default:
		break;
	}
}

static void a_guest_may_answer_from_within_post(void **state)
{
	struct bus_rig *rig = bus_rig_create(NULL);

	rig->guest = eager_guest;
	for (char name[] = "a"; name[0] < 'a' + 20; name[0]++)
		assert_int_equal(bus_rig_offer(bus_rig_device(rig), name, false), 0);
	for (unsigned round = 0; round < 2; round++) {
		eager.leave = round == 0;
		bus_rig_contact(rig, VMBUS_V4_0, 0);
		assert_int_equal(eager.n_offers, 20 * (round + 1));
		assert_int_equal(eager.n_opened, 20 * (round + 1));
		assert_int_equal(eager.n_torndown, 20);
		assert_int_equal(bus_rig_info(rig).n_open, 20 * round);
		assert_int_equal(bus_rig_info(rig).n_queued, 0);
	}
	for (struct bus_rig_device *d = rig->devices; d != NULL; d = d->next) {
		vmbus_device_withdraw(d->device);
		assert_null(d->device);
	}
	assert_int_equal(eager.n_released, 20);
	for (unsigned f = 0; f < VMBUS_N_FAULTS; f++)
		assert_int_equal(bus_rig_info(rig).faults[f], 0);
	bus_rig_destroy(rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_version_has_a_whole_conversation),
		cmocka_unit_test(a_guest_may_answer_from_within_post),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
