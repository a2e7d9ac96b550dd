/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A guest that says anything on a stream: records of an operation, a count, and so many bytes.
 */
#include "vmbus/hvsock.h"

#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tests/support/ic_rig.h"

#define PORT 5u

enum op {
	OP_RAW,
	OP_FRAMED,
	OP_SEND,
	OP_FINISH,
	OP_HOLD,
	OP_GO,
	OP_TAKE,
	OP_CLOSE,
	OP_AGAIN,
	N_OPS
};

struct run {
	struct ic_rig rig;
	struct ic_guest guest;
	struct hvsock *sock;
	bool finished, closed;
};

static void require(bool holds)
{
	if (!holds)
		abort();
}

static void on_event(void *ctx)
{
}

static void on_data(void *ctx, const uint8_t *bytes, size_t size)
{
	const struct run *r = ctx;
	volatile uint8_t sum = 0;

	require(size > 0 && size <= HVSOCK_MAX_DATA && !r->finished && !r->closed);
	for (size_t i = 0; i < size; i++)
		sum = (uint8_t)(sum + bytes[i]);
}

static void on_finished(void *ctx)
{
	struct run *r = ctx;

	require(!r->finished && !r->closed);
	r->finished = true;
}

static void on_closed(void *ctx)
{
	struct run *r = ctx;

	require(!r->closed);
	r->closed = true;
}

static const struct hvsock_ops ops = {.opened = on_event,
				      .data = on_data,
				      .finished = on_finished,
				      .closed = on_closed,
				      .room = on_event};

static void begin(struct run *r)
{
	struct hvsock_opts opts = {.server = r->rig.env.server,
				   .loop = &r->rig.loop,
				   .from_host = true,
				   .guest_port = PORT,
				   .host_port = PORT,
				   .ops = &ops,
				   .ctx = r};
	struct vmbus_guid type = hvsock_guid(PORT);

	require(hvsock_create(&opts, &r->sock) == 0);
	guest_bus_pump(guest_local_bus(r->rig.local), -1, 0);
	ic_guest_open(&r->guest, &r->rig, &type, 2);
}

static void send_raw(struct run *r, enum vmbus_packet_type type, const uint8_t *bytes, size_t size)
{
	struct guest_channel *c = r->guest.channel;

	guest_channel_fill(c);
	(void)vmbus_out_put(&c->out, type, 0, 0, NULL, 0, bytes, size);
	guest_channel_flush(c);
	ic_rig_work(&r->rig);
}

/* With a header that is right but for its size, perhaps. */
static void send_framed(struct run *r, const uint8_t *bytes, size_t size)
{
	uint8_t p[HVSOCK_HEADER_SIZE + 256] = {1};

	if (size == 0)
		return;
	p[4] = bytes[0];
	memcpy(p + HVSOCK_HEADER_SIZE, bytes + 1, size - 1);
	send_raw(r, VMBUS_PKT_INBAND, p, HVSOCK_HEADER_SIZE + size - 1);
}

static void again(struct run *r)
{
	struct vmbus_guid type = hvsock_guid(PORT);

	guest_channel_close(r->guest.channel);
	ic_rig_work(&r->rig);
	ic_guest_open(&r->guest, &r->rig, &type, 2);
}

static void step(struct run *r, enum op op, const uint8_t *bytes, size_t size)
{
	switch (op) {
	case OP_RAW:
		send_raw(r, size > 0 && bytes[0] == 0 ? VMBUS_PKT_COMPLETION : VMBUS_PKT_INBAND,
			 bytes, size);
		break;
	case OP_FRAMED:
		send_framed(r, bytes, size);
		break;
	case OP_SEND:
		if (size > 0)
			(void)hvsock_send(r->sock, bytes, size);
		break;
	case OP_FINISH:
		(void)hvsock_finish(r->sock);
		break;
	case OP_HOLD:
	case OP_GO:
		hvsock_hold(r->sock, op == OP_HOLD);
		break;
	case OP_TAKE:
		(void)ic_guest_take(&r->guest);
		break;
	case OP_CLOSE: /* an index that is none */
		if (size > 0)
			r->guest.channel->out.ring.hdr->write = bytes[0];
		guest_channel_signal(r->guest.channel);
		break;
	case OP_AGAIN:
		again(r);
		break;
	case N_OPS:
		break;
	}
	ic_rig_work(&r->rig);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run *r = calloc(1, sizeof(*r));

	require(r != NULL);
	ic_rig_init(&r->rig);
	ic_rig_connect(&r->rig);
	begin(r);
	for (size_t at = 0, n; at + 2 <= size; at += n) {
		enum op op = data[at] % N_OPS;

		n = data[at + 1];
		at += 2;
		n = n < size - at ? n : size - at;
		step(r, op, data + at, n);
	}
	guest_channel_close(r->guest.channel);
	hvsock_destroy(r->sock);
	ic_rig_unload(&r->rig);
	ic_rig_fini(&r->rig);
	free(r);
	return 0;
}
