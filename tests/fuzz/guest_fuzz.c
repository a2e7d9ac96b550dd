/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A host that lies to its guest: any control messages, and any bytes on the ring and in the receive
 * buffer of a NIC that was set up honestly.  Every frame that the guest hands on lies within its
 * receive buffer.
 *
 * Input: a byte that says which.  Messages: a length and that many bytes, again and again.  Ring:
 * 16 bits of write index (in units of 8), 16 bits of how much of the rest is ring; what follows is
 * the receive buffer.
 */
#include "tests/fuzz/fuzz.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/guest_rig.h"
#include "vmbus/guest/net_priv.h"

#define RECV_SIZE (64u * 1024)

static struct guest_rig rig;

static void require(bool holds)
{
	if (!holds)
		abort();
}

static int no_post(void *ctx, uint32_t connection_id, const void *msg, size_t size)
{
	return 0;
}

static void no_pump(void *ctx, int fd, int timeout_ms)
{
}

static int no_fd(void *ctx, uint32_t id)
{
	return -1;
}

static int no_call(void *ctx, uint16_t relid)
{
	return -1;
}

static void release(void *ctx, struct guest_channel *channel)
{
	guest_channel_release(channel);
}

static void messages(const uint8_t *data, size_t size)
{
	static const struct guest_bus_ops ops = {.post = no_post,
						 .pump = no_pump,
						 .kick_fd = no_fd,
						 .call_fd = no_call};
	static const uint32_t versions[] = {0x00050003, 0};
	const struct guest_bus_opts opts = {.versions = versions,
					    .timeout_ms = 1,
					    .rescinded = release};
	struct guest_bus *bus = guest_bus_create(guest_local_memory(rig.local), &ops, NULL, &opts);

	require(bus != NULL);
	while (size > 0) {
		size_t n = data[0] < size - 1 ? data[0] : size - 1;

		guest_bus_message(bus, data + 1, n);
		data += 1 + n;
		size -= 1 + n;
	}
	guest_bus_destroy(bus);
}

static void start(void)
{
	struct guest_net_conf conf = {
		.n_queues = 1,
		.recv_size = RECV_SIZE,
		.send_size = RECV_SIZE,
		.ring_pages = 3,
		.n_slots = 1,
		.timeout_ms = 1,
	};

	if (rig.local != NULL)
		return;
	guest_rig_init(&rig);
	conf.timeout_ms = 5000;
	guest_rig_start(&rig, &conf);
	rig.net->conf.timeout_ms = 1;
}

static void frames(const struct guest_queue *q, const struct guest_frame *f, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		size_t at = (size_t)(f[i].data - q->recv);

		require(at <= q->recv_size && f[i].size <= q->recv_size - at);
	}
}

static void ring(const uint8_t *data, size_t size)
{
	struct guest_queue *q = rig.net->queues[0];
	struct vmbus_ring to_guest = q->channel->in.ring, to_host = q->channel->out.ring;
	struct guest_frame got[2 * GUEST_RX_BURST];
	size_t n_ring, n_recv;
	unsigned n;

	if (size < 4)
		return;
	n_ring = (size_t)(data[2] | data[3] << 8) % (size - 3);
	n_recv = size - 4 - n_ring;
	if (n_ring > to_guest.size)
		n_ring = to_guest.size;
	if (n_recv > q->recv_size)
		n_recv = q->recv_size;
	atomic_store(&to_guest.hdr->read, 0);
	memcpy(to_guest.data, data + 4, n_ring);
	memcpy(q->recv, data + size - n_recv, n_recv);
	vmbus_in_init(&q->channel->in, &to_guest);
	atomic_store(&to_host.hdr->read, 0);
	atomic_store(&to_host.hdr->write, 0);
	vmbus_out_init(&q->channel->out, &to_host);
	q->channel->filling = false;
	q->n_done = 0;
	atomic_store(&to_guest.hdr->write, (uint32_t)(data[0] | data[1] << 8) * 8);
	do {
		n = guest_queue_receive(q, got, 2 * GUEST_RX_BURST);
		frames(q, got, n);
		guest_queue_done(q);
		guest_queue_flush(q);
	} while (n > 0);
	require(q->n_done <= q->max_done && q->n_free <= q->n_sections);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	start();
	if (size == 0)
		return 0;
	if (data[0] % 2 == 0)
		messages(data + 1, size - 1);
	else
		ring(data + 1, size - 1);
	return 0;
}
