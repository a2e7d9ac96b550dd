/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See hvsock.h.
 */
#include "vmbus/hvsock.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/base/wire.h"
#include "hv/gpa.h"
#include "vmbus/gpadl.h"
#include "vmbus/local.h"

#define PACKET_DATA 1u
/* What an offer says beside its GUIDs: a pipe of bytes, and who connects. */
#define USER_FROM_HOST 4

struct hvsock {
	struct hvsock_opts opts;
	struct vmbus_local *local;
	uint32_t chunk; /* the most bytes of a packet to the guest */
	bool closed;	/* for good */
	bool sent_end, got_end;
	uint8_t packet[HVSOCK_HEADER_SIZE + HVSOCK_MAX_DATA];
};

/* xxxxxxxx-facb-11e6-bd58-64006a7986d3, the port first. */
static const uint8_t tail[] = {0xcb, 0xfa, 0xe6, 0x11, 0xbd, 0x58,
			       0x64, 0x00, 0x6a, 0x79, 0x86, 0xd3};

struct vmbus_guid hvsock_guid(uint32_t port)
{
	struct vmbus_guid guid;
	struct wr wr = wr_over(guid.bytes, sizeof(guid.bytes));

	wr_le32(&wr, port);
	memcpy(guid.bytes + 4, tail, sizeof(tail));
	return guid;
}

bool hvsock_port(const struct vmbus_guid *guid, uint32_t *ret_port)
{
	struct rd rd = rd_init(guid->bytes, sizeof(guid->bytes));

	if (memcmp(guid->bytes + 4, tail, sizeof(tail)) != 0)
		return false;
	*ret_port = rd_le32(&rd);
	return true;
}

ssize_t hvsock_read(const uint8_t *payload, size_t size, const uint8_t **ret_bytes)
{
	struct rd rd = rd_init(payload, size);
	uint32_t type = rd_le32(&rd), n = rd_le32(&rd);

	if (!rd_ok(&rd) || type != PACKET_DATA)
		return -EBADMSG;
	if (n > size - HVSOCK_HEADER_SIZE || n > HVSOCK_MAX_DATA)
		return -EBADMSG;
	*ret_bytes = payload + HVSOCK_HEADER_SIZE;
	return (ssize_t)n;
}

/* ---- struct vmbus_local_ops ---- */

/* Half of the guest's ring at a time, so that it reads while we write. */
static void on_opened(void *ctx)
{
	struct hvsock *s = ctx;
	const struct vmbus_channel *channel = vmbus_local_channel(s->local);
	uint32_t pages = channel->ring->n_pfns - channel->ring_offset - 1;
	uint32_t half = pages * (uint32_t)GPA_PAGE_SIZE / 2;
	uint32_t most = half - vmbus_packet_size(0, HVSOCK_HEADER_SIZE);

	if (s->closed) /* a stream that has ended is not opened again */
		return;
	s->chunk = most < HVSOCK_MAX_DATA ? most : HVSOCK_MAX_DATA;
	s->opts.ops->opened(s->opts.ctx);
}

static void on_closed(void *ctx)
{
	struct hvsock *s = ctx;

	if (s->closed)
		return;
	s->closed = true;
	s->opts.ops->closed(s->opts.ctx);
}

static void on_packet(void *ctx, const struct vmbus_desc *desc, const uint8_t *payload,
		      uint32_t size)
{
	struct hvsock *s = ctx;
	const uint8_t *bytes;
	ssize_t n = desc->type == VMBUS_PKT_INBAND ? hvsock_read(payload, size, &bytes) : -EBADMSG;

	if (s->closed)
		return;
	if (n < 0 || (n > 0 && s->got_end)) {
		on_closed(s);
	} else if (n > 0) {
		s->opts.ops->data(s->opts.ctx, bytes, (size_t)n);
	} else if (!s->got_end) {
		s->got_end = true;
		s->opts.ops->finished(s->opts.ctx);
	}
}

static void on_room(void *ctx)
{
	struct hvsock *s = ctx;

	if (!s->closed)
		s->opts.ops->room(s->opts.ctx);
}

static const struct vmbus_local_ops local_ops = {
	.opened = on_opened,
	.closed = on_closed,
	.packet = on_packet,
	.room = on_room,
};

/* ---- Life ---- */

int hvsock_create(const struct hvsock_opts *opts, struct hvsock **ret_sock)
{
	uint8_t user_data[VMBUS_USER_DATA_SIZE] = {[USER_FROM_HOST] = opts->from_host};
	struct vmbus_local_opts local = {
		/* Linux looks the guest's port up in the type of what the host wants, and in the
		 * instance of what it asked for. */
		.type = hvsock_guid(opts->from_host ? opts->guest_port : opts->host_port),
		.instance = hvsock_guid(opts->from_host ? opts->host_port : opts->guest_port),
		.flags = VMBUS_OFFER_ENUMERATE | VMBUS_OFFER_NAMED_PIPE | VMBUS_OFFER_TLNPI,
		.max_packet = HVSOCK_HEADER_SIZE + HVSOCK_MAX_DATA,
		.user_data = user_data,
		.loop = opts->loop,
		.ops = &local_ops,
	};
	struct hvsock *s = calloc(1, sizeof(*s));
	int rc;

	if (s == NULL)
		return -ENOMEM;
	s->opts = *opts;
	local.ctx = s;
	rc = vmbus_local_create(opts->server, &local, &s->local);
	if (rc != 0) {
		free(s);
		return rc;
	}
	*ret_sock = s;
	return 0;
}

void hvsock_destroy(struct hvsock *s)
{
	if (s == NULL)
		return;
	vmbus_local_destroy(s->local);
	free(s);
}

/* ---- Sending ---- */

static int put(struct hvsock *s, const void *bytes, uint32_t size)
{
	struct wr wr = wr_over(s->packet, sizeof(s->packet));

	wr_le32(&wr, PACKET_DATA);
	wr_le32(&wr, size);
	if (size > 0)
		memcpy(s->packet + HVSOCK_HEADER_SIZE, bytes, size);
	return vmbus_local_send(s->local, VMBUS_PKT_INBAND, 0, 0, s->packet,
				HVSOCK_HEADER_SIZE + size);
}

ssize_t hvsock_send(struct hvsock *s, const void *bytes, size_t size)
{
	uint32_t n = size < s->chunk ? (uint32_t)size : s->chunk;
	int rc;

	if (s->closed || !vmbus_local_is_open(s->local))
		return -ENOTCONN;
	if (s->sent_end)
		return -EPIPE;
	rc = put(s, bytes, n);
	return rc == 0 ? (ssize_t)n : rc;
}

int hvsock_finish(struct hvsock *s)
{
	int rc;

	if (s->closed || !vmbus_local_is_open(s->local))
		return -ENOTCONN;
	if (s->sent_end)
		return 0;
	rc = put(s, NULL, 0);
	s->sent_end = rc == 0;
	return rc;
}

void hvsock_hold(struct hvsock *s, bool hold)
{
	vmbus_local_hold(s->local, hold);
}
