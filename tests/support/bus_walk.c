/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See bus_walk.h.
 */
#include "tests/support/bus_walk.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/base/wire.h"
#include "tests/support/bus_rig.h"

#define N_DEVICES  3u
#define MAX_GPADLS 12u
#define MAX_PAGES  400u
/* See vmbus/out.c: what is taken, and what comes of it. */
#define MAX_QUEUED (4 * VMBUS_MAX_RELID + 1024 + 512 + MAX_GPADLS)

static const uint32_t versions[] = {VMBUS_V2_4, VMBUS_V3_0, VMBUS_V4_0, VMBUS_V4_1,
				    VMBUS_V5_0, VMBUS_V5_2, VMBUS_V5_3, 0x00060000u};

struct walk {
	struct bus_rig *rig;
	struct bus_rig_device *devices[N_DEVICES];
	struct rd rd;
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* Relids that are near those in use. */
static uint32_t relid(struct walk *w)
{
	uint8_t b = rd_u8(&w->rd);

	return b == 0xff ? UINT32_MAX : b % 24;
}

static void raw_message(struct walk *w)
{
	uint8_t bytes[VMBUS_MSG_MAX + 1], size = rd_u8(&w->rd);

	memset(bytes, rd_u8(&w->rd), sizeof(bytes));
	bytes[0] = rd_u8(&w->rd);
	memset(&bytes[1], 0, 3);
	for (unsigned i = 8; i < 32; i++)
		bytes[i] ^= rd_u8(&w->rd);
	(void)bus_rig_send(w->rig, bytes, size % (sizeof(bytes) + 1));
}

static void contact(struct walk *w)
{
	uint8_t b = rd_u8(&w->rd);

	(void)bus_rig_contact(w->rig, versions[b % 8], b / 16);
}

/* Words of which the first may be a lie. */
static void header(struct walk *w)
{
	uint32_t to = relid(w);
	uint8_t id = rd_u8(&w->rd) % 6, n = rd_u8(&w->rd) % 28, lie = rd_u8(&w->rd);
	uint16_t missing = rd_u8(&w->rd) % 60;
	union vmbus_msg msg;
	size_t size = vmbus_msg_init(&msg, VMBUS_MSG_GPADL_HEADER);
	uint64_t word = n == 0 ? 0 : (uint64_t)(n - 1 + missing) * GPA_PAGE_SIZE;

	msg.gpadl_header.relid = to;
	msg.gpadl_header.gpadl = id;
	msg.gpadl_header.n_ranges = lie == 1 ? 2 : lie == 2 ? 0 : 1;
	msg.gpadl_header.range_bytes = (uint16_t)(lie == 3 ? 0xffff : (n + missing) * 8);
	if (lie == 4)
		word = rd_le64(&w->rd);
	for (unsigned i = 0; i < n && i < VMBUS_GPADL_HEADER_WORDS; i++) {
		memcpy(msg.bytes + size, &word, 8);
		size += 8;
		word = lie == 5 ? rd_le64(&w->rd) : BUS_RIG_HIGH_PFN + i;
	}
	(void)bus_rig_send(w->rig, &msg, size);
}

static void body(struct walk *w)
{
	union vmbus_msg msg;
	size_t size = vmbus_msg_init(&msg, VMBUS_MSG_GPADL_BODY);
	uint8_t n = rd_u8(&w->rd) % (VMBUS_GPADL_BODY_WORDS + 1);
	uint64_t pfn = rd_u8(&w->rd);

	msg.gpadl_body.gpadl = rd_u8(&w->rd) % 6;
	for (unsigned i = 0; i < n; i++) {
		memcpy(msg.bytes + size, &pfn, 8);
		size += 8;
	}
	(void)bus_rig_send(w->rig, &msg, size);
}

static void open_or_move(struct walk *w, bool open)
{
	uint32_t to = relid(w);
	uint8_t id = rd_u8(&w->rd) % 6, offset = rd_u8(&w->rd), vp = rd_u8(&w->rd);

	if (open)
		(void)bus_rig_open(w->rig, to, id, offset, vp % 9);
	else
		(void)bus_rig_modify(w->rig, to, vp == 0xff ? VMBUS_NO_VP : vp % 9);
}

static void guest(struct walk *w)
{
	uint32_t to;

	switch (rd_u8(&w->rd) % 12) {
	case 0:
		raw_message(w);
		break;
	case 1:
		contact(w);
		break;
	case 2:
		(void)bus_rig_simple(w->rig, VMBUS_MSG_REQUEST_OFFERS);
		break;
	case 3:
		header(w);
		break;
	case 4:
		body(w);
		break;
	case 5:
		to = relid(w);
		(void)bus_rig_teardown(w->rig, to, rd_u8(&w->rd) % 6);
		break;
	case 6:
		open_or_move(w, true);
		break;
	case 7:
		(void)bus_rig_relid(w->rig, VMBUS_MSG_CLOSE, relid(w));
		break;
	case 8:
		(void)bus_rig_relid(w->rig, VMBUS_MSG_RELID_RELEASED, relid(w));
		break;
	case 9:
		open_or_move(w, false);
		break;
	case 10:
		to = relid(w);
		(void)bus_rig_gpadl(w->rig, to, rd_u8(&w->rd) % 6, BUS_RIG_HIGH_PFN,
				    rd_u8(&w->rd) % 40u + 1);
		break;
	default:
		(void)bus_rig_simple(w->rig, VMBUS_MSG_UNLOAD);
		break;
	}
}

static void ignore_done(void *ctx)
{
	require(bus_rig_info(ctx).version == 0);
}

static void host(struct walk *w)
{
	static const char *const names[N_DEVICES] = {"a", "b", "c"};
	uint8_t op = rd_u8(&w->rd), i = op / 8 % N_DEVICES;
	struct bus_rig_device *d = w->devices[i];

	switch (op % 8) {
	case 0:
		if (d->device == NULL)
			require(bus_rig_offer(d, names[i], i == 0) == 0);
		break;
	case 1:
		if (d->device != NULL)
			vmbus_device_withdraw(d->device);
		break;
	case 2:
		if (d->device != NULL)
			(void)vmbus_device_offer_subchannels(d->device, op / 32u);
		break;
	case 3:
		d->later = !d->later;
		break;
	case 4:
		bus_rig_answer(d);
		break;
	case 5:
		d->open_status = op / 32u % 2;
		break;
	case 6:
		w->rig->slot_taken = !w->rig->slot_taken;
		if (!w->rig->slot_taken)
			vmbus_server_slot_free(w->rig->server);
		break;
	default:
		if (op == 0xff)
			vmbus_server_reset(w->rig->server, ignore_done, w->rig);
		else
			w->rig->fail_listen = !w->rig->fail_listen;
		break;
	}
}

static void check(struct walk *w)
{
	struct vmbus_server_info info = bus_rig_info(w->rig);

	require(info.n_queued <= MAX_QUEUED);
	require(info.n_gpadls <= MAX_GPADLS && info.n_gpadl_pages <= MAX_PAGES);
	require(info.n_open <= info.n_channels && info.n_channels <= VMBUS_MAX_RELID);
}

void bus_walk(const uint8_t *data, size_t size)
{
	const struct vmbus_server_opts opts = {.max_gpadls = MAX_GPADLS,
					       .max_gpadl_pages = MAX_PAGES};
	struct walk w = {.rig = bus_rig_create(&opts), .rd = rd_init(data, size)};

	for (unsigned i = 0; i < N_DEVICES; i++)
		w.devices[i] = bus_rig_device(w.rig);
	while (w.rd.left > 0) {
		if (rd_u8(&w.rd) % 4 == 0)
			host(&w);
		else
			guest(&w);
		check(&w);
		bus_rig_skip(w.rig);
	}
	bus_rig_destroy(w.rig);
}
