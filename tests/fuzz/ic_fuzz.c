/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A guest that answers integration services with anything.  The first byte says which service; then
 * come records of an operation, a count, and so many bytes.
 */
#include "tests/fuzz/fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "tests/support/ic_rig.h"
#include "vmbus/guest/bus.h"
#include "vmbus/ic_heartbeat.h"
#include "vmbus/ic_kvp.h"
#include "vmbus/ic_shutdown.h"
#include "vmbus/ic_timesync.h"
#include "vmbus/ic_vss.h"

enum op { OP_RAW, OP_TAKE, OP_ANSWER, OP_TICK, OP_CALL, OP_REOPEN, N_OPS };

struct run {
	struct ic_rig rig;
	struct ic_guest guest;
	struct ic_heartbeat *heartbeat;
	struct ic_shutdown *shutdown;
	struct ic_timesync *timesync;
	struct ic_kvp *kvp;
	struct ic_vss *vss;
	bool is_open;
	int balance; /* of freezes that were told, and their ends */
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void on_frozen(void *ctx, int error)
{
	((struct run *)ctx)->balance += error == 0;
}

static void on_thawed(void *ctx, int error)
{
	((struct run *)ctx)->balance--;
}

static void on_got(void *ctx, int error, const char *value)
{
	require(value == NULL || strlen(value) < KVP_VALUE_TEXT);
}

static void now(void *ctx, uint64_t *ret_host, uint64_t *ret_reference)
{
	*ret_host = *ret_reference = ((struct run *)ctx)->rig.now_ns / 100;
}

static const uint8_t nic[6] = {2};

static void start(struct run *r)
{
	const struct ic_heartbeat_opts heartbeat = {0};
	const struct ic_shutdown_opts shutdown = {0};
	const struct ic_timesync_opts timesync = {.now = now, .ctx = r};
	const struct ic_kvp_opts kvp = {0};
	const struct ic_vss_opts vss = {.frozen = on_frozen, .thawed = on_thawed, .ctx = r};

	ic_rig_init(&r->rig);
	require(ic_heartbeat_create(&r->rig.env, &heartbeat, &r->heartbeat) == 0);
	require(ic_shutdown_create(&r->rig.env, &shutdown, &r->shutdown) == 0);
	require(ic_timesync_create(&r->rig.env, &timesync, &r->timesync) == 0);
	require(ic_kvp_create(&r->rig.env, &kvp, &r->kvp) == 0);
	require(ic_vss_create(&r->rig.env, &vss, &r->vss) == 0);
	require(ic_kvp_nic_add(r->kvp, nic) == 0);
	ic_rig_connect(&r->rig);
}

static void end(struct run *r)
{
	if (r->is_open)
		ic_guest_close(&r->guest);
	require(r->balance == 0); /* whoever heard of a freeze heard of its end */
	ic_rig_unload(&r->rig);
	ic_heartbeat_destroy(r->heartbeat);
	ic_shutdown_destroy(r->shutdown);
	ic_timesync_destroy(r->timesync);
	ic_kvp_destroy(r->kvp);
	ic_vss_destroy(r->vss);
	ic_rig_fini(&r->rig);
}

static void open_service(struct run *r, uint8_t which)
{
	static const struct vmbus_guid *const types[] = {&ic_guest_heartbeat, &ic_guest_shutdown,
							 &ic_guest_timesync, &ic_guest_kvp,
							 &ic_guest_vss};

	ic_guest_open(&r->guest, &r->rig, types[which % 5], 0);
	r->is_open = true;
}

static void tick(struct run *r, unsigned tenths)
{
	uint64_t at = r->rig.now_ns += tenths * (IC_RIG_S / 10);

	ic_heartbeat_tick(r->heartbeat, at);
	ic_shutdown_tick(r->shutdown, at);
	ic_timesync_tick(r->timesync, at);
	ic_kvp_tick(r->kvp, at);
	ic_vss_tick(r->vss, at);
	ic_rig_work(&r->rig);
}

static void call(struct run *r, uint8_t what)
{
	switch (what % 8) {
	case 0:
		(void)ic_shutdown_request(r->shutdown, SHUTDOWN_POWER_OFF, false, "why");
		break;
	case 1:
		ic_timesync_sync(r->timesync);
		break;
	case 2:
		(void)ic_kvp_set(r->kvp, "key", "value");
		break;
	case 3:
		(void)ic_kvp_set(r->kvp, "key", NULL);
		break;
	case 4:
		(void)ic_kvp_get(r->kvp, KVP_POOL_GUEST, "key", on_got, r);
		break;
	case 5:
		(void)ic_vss_freeze(r->vss);
		break;
	case 6:
		(void)ic_vss_thaw(r->vss);
		break;
	default:
		ic_kvp_nic_remove(r->kvp, nic);
		(void)ic_kvp_nic_add(r->kvp, nic);
	}
}

static void raw(struct run *r, const uint8_t *bytes, size_t size)
{
	ic_guest_send(&r->guest, VMBUS_PKT_INBAND, r->guest.desc.transaction_id, bytes, size);
}

/* The last packet, with some of its bytes replaced. */
static void answer(struct run *r, const uint8_t *bytes, size_t size)
{
	size_t at = size > 1 ? (bytes[0] | (size_t)bytes[1] << 8) : 0;

	r->guest.bytes[25] = IC_FLAG_TRANSACTION | IC_FLAG_RESPONSE;
	if (size > 2 && at + size - 2 <= r->guest.size)
		memcpy(r->guest.bytes + at, bytes + 2, size - 2);
	raw(r, r->guest.bytes, r->guest.size);
}

static void step(struct run *r, uint8_t service, enum op op, const uint8_t *bytes, size_t size)
{
	switch (op) {
	case OP_RAW:
		raw(r, bytes, size);
		break;
	case OP_TAKE:
		(void)ic_guest_take(&r->guest);
		break;
	case OP_ANSWER:
		answer(r, bytes, size);
		break;
	case OP_TICK:
		tick(r, size > 0 ? bytes[0] : 1);
		break;
	case OP_CALL:
		call(r, size > 0 ? bytes[0] : 0);
		break;
	case OP_REOPEN:
		ic_guest_close(&r->guest);
		open_service(r, service);
		break;
	case N_OPS:
		break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run *r = calloc(1, sizeof(*r));
	uint8_t service = size > 0 ? data[0] : 0;
	size_t at = 1;

	require(r != NULL);
	start(r);
	open_service(r, service);
	tick(r, 0);
	while (at + 2 <= size) {
		enum op op = data[at] % N_OPS;
		size_t n = data[at + 1];

		at += 2;
		n = n < size - at ? n : size - at;
		step(r, service, op, data + at, n);
		at += n;
	}
	end(r);
	free(r);
	return 0;
}
