/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See channel.h.
 *
 * 	offered ─OPENCHANNEL─► open ─CLOSECHANNEL─► offered
 * 	   └──────RESCIND──────┴──► rescinded ─RELID_RELEASED─► gone
 */
#include "vmbus/guest/channel.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "vmbus/guest/bus_priv.h"

#define VERSION_4_1 0x00040001u
#define VERSION_5_3 0x00050003u

/* GPADLs: the first pages in the header, the rest in bodies. */

static int post_bodies(struct guest_bus *bus, uint32_t id, const uint64_t *pfns, uint32_t n)
{
	while (n > 0) {
		uint32_t now = n < VMBUS_GPADL_BODY_WORDS ? n : VMBUS_GPADL_BODY_WORDS;
		union vmbus_msg msg;
		size_t size = vmbus_msg_init(&msg, VMBUS_MSG_GPADL_BODY);
		int rc;

		msg.gpadl_body.gpadl = id;
		memcpy(msg.bytes + size, pfns, now * sizeof(*pfns));
		rc = guest_bus_post(bus, &msg, size + now * sizeof(*pfns));
		if (rc != 0)
			return rc;
		pfns += now;
		n -= now;
	}
	return 0;
}

static int post_gpadl(struct guest_bus *bus, uint16_t relid, uint32_t id,
		      const struct guest_buffer *buffer)
{
	const uint32_t most = VMBUS_GPADL_HEADER_WORDS - 1; /* one says how long it is */
	uint32_t now = buffer->n_pages < most ? buffer->n_pages : most;
	union vmbus_msg msg;
	size_t size = vmbus_msg_init(&msg, VMBUS_MSG_GPADL_HEADER);
	int rc;

	msg.gpadl_header.relid = relid;
	msg.gpadl_header.gpadl = id;
	msg.gpadl_header.range_bytes = (uint16_t)(8 + 8 * buffer->n_pages);
	msg.gpadl_header.n_ranges = 1;
	/* Bytes in the low half, the offset in the first page in the high. */
	msg.gpadl_header.words[0] = (uint32_t)(buffer->n_pages << GPA_PAGE_SHIFT);
	memcpy(msg.bytes + size + 8, buffer->pfns, now * sizeof(*buffer->pfns));
	rc = guest_bus_post(bus, &msg, size + 8 + now * sizeof(*buffer->pfns));
	return rc != 0 ? rc : post_bodies(bus, id, buffer->pfns + now, buffer->n_pages - now);
}

int guest_gpadl_create(struct guest_channel *channel, const struct guest_buffer *buffer,
		       uint32_t *ret_id)
{
	struct guest_bus *bus = channel->bus;
	uint32_t id = bus->next_gpadl++;
	int rc;

	guest_bus_expect(bus, VMBUS_MSG_GPADL_CREATED, id);
	rc = post_gpadl(bus, channel->relid, id, buffer);
	if (rc == 0)
		rc = guest_bus_wait(bus, channel);
	if (rc == 0 && bus->wait.status != 0)
		rc = -EIO;
	if (rc == 0)
		*ret_id = id;
	return rc;
}

int guest_gpadl_teardown(struct guest_channel *channel, uint32_t id)
{
	union vmbus_msg msg;
	size_t size = vmbus_msg_init(&msg, VMBUS_MSG_GPADL_TEARDOWN);
	int rc;

	msg.gpadl_teardown.relid = channel->relid;
	msg.gpadl_teardown.gpadl = id;
	guest_bus_expect(channel->bus, VMBUS_MSG_GPADL_TORNDOWN, id);
	rc = guest_bus_post(channel->bus, &msg, size);
	/* Of a rescinded channel too: the host still answers, and only then has let go. */
	return rc != 0 ? rc : guest_bus_wait(channel->bus, NULL);
}

/* Open and close. */

static int alloc_rings(struct guest_channel *channel, const struct guest_channel_opts *opts)
{
	struct vmbus_ring out, in;
	size_t out_size = (size_t)opts->out_pages << GPA_PAGE_SHIFT;
	int rc = guest_buffer_alloc(channel->bus->memory, opts->out_pages + opts->in_pages, false,
				    &channel->ring);

	if (rc != 0)
		return rc;
	out.hdr = (void *)channel->ring.va;
	out.data = channel->ring.va + GPA_PAGE_SIZE;
	out.size = (uint32_t)(out_size - GPA_PAGE_SIZE);
	in.hdr = (void *)(channel->ring.va + out_size);
	in.data = channel->ring.va + out_size + GPA_PAGE_SIZE;
	in.size = (opts->in_pages - 1) << GPA_PAGE_SHIFT;
	out.hdr->features = VMBUS_RING_PENDING;
	in.hdr->features = VMBUS_RING_PENDING;
	vmbus_out_init(&channel->out, &out);
	vmbus_in_init(&channel->in, &in);
	return 0;
}

static int request_open(struct guest_channel *channel, const struct guest_channel_opts *opts)
{
	union vmbus_msg msg;
	size_t size = vmbus_msg_init(&msg, VMBUS_MSG_OPEN);
	int rc;

	msg.open.relid = msg.open.open_id = channel->relid;
	msg.open.ring_gpadl = channel->ring_gpadl;
	msg.open.target_vp = opts->target_vp;
	msg.open.ring_offset = opts->out_pages;
	memcpy(msg.open.user_data, opts->user_data, sizeof(msg.open.user_data));
	guest_bus_expect(channel->bus, VMBUS_MSG_OPEN_RESULT, channel->relid);
	rc = guest_bus_post(channel->bus, &msg, size);
	if (rc == 0)
		rc = guest_bus_wait(channel->bus, channel);
	return rc == 0 && channel->bus->wait.status != 0 ? -EIO : rc;
}

static void take_rings(struct guest_channel *channel)
{
	/* Pages that the host may still write are lost rather than used for something else. */
	if (guest_gpadl_teardown(channel, channel->ring_gpadl) == 0)
		guest_buffer_free(channel->bus->memory, &channel->ring);
	else
		guest_buffer_forget(&channel->ring);
}

int guest_channel_open(struct guest_channel *channel, const struct guest_channel_opts *opts)
{
	struct guest_bus *bus = channel->bus;
	int rc;

	if (channel->open || opts->out_pages < VMBUS_RING_MIN_PAGES ||
	    opts->in_pages < VMBUS_RING_MIN_PAGES)
		return -EINVAL;
	rc = alloc_rings(channel, opts);
	if (rc != 0)
		return rc;
	rc = guest_gpadl_create(channel, &channel->ring, &channel->ring_gpadl);
	if (rc != 0) {
		guest_buffer_free(bus->memory, &channel->ring);
		return rc;
	}
	rc = request_open(channel, opts);
	if (rc != 0) {
		take_rings(channel);
		return rc;
	}
	channel->kick_fd = bus->ops->kick_fd(bus->ops_ctx, channel->connection_id);
	channel->call_fd = bus->ops->call_fd(bus->ops_ctx, channel->relid);
	channel->monitor = opts->monitor && channel->monitored ? guest_bus_monitor(bus) : NULL;
	channel->open = true;
	return 0;
}

/* A message that is a relid and nothing else, and has no answer. */
static void say(struct guest_channel *channel, enum vmbus_msg_type type)
{
	union vmbus_msg msg;
	size_t size = vmbus_msg_init(&msg, type);

	msg.relid.relid = channel->relid;
	(void)guest_bus_post(channel->bus, &msg, size);
}

void guest_channel_close(struct guest_channel *channel)
{
	if (!channel->open)
		return;
	channel->open = false;
	say(channel, VMBUS_MSG_CLOSE);
	take_rings(channel);
}

int guest_channel_modify(struct guest_channel *channel, uint32_t target_vp)
{
	struct guest_bus *bus = channel->bus;
	union vmbus_msg msg;
	size_t size = vmbus_msg_init(&msg, VMBUS_MSG_MODIFY);
	int rc;

	if (bus->version < VERSION_4_1)
		return -EOPNOTSUPP;
	msg.modify.relid = channel->relid;
	msg.modify.target_vp = target_vp;
	guest_bus_expect(bus, VMBUS_MSG_MODIFY_RESPONSE, channel->relid);
	rc = guest_bus_post(bus, &msg, size);
	if (rc != 0 || bus->version < VERSION_5_3)
		return rc;
	rc = guest_bus_wait(bus, channel);
	return rc == 0 && bus->wait.status != 0 ? -EIO : rc;
}

void guest_channel_release(struct guest_channel *channel)
{
	guest_channel_close(channel);
	say(channel, VMBUS_MSG_RELID_RELEASED);
	channel->bus->channels[channel->relid] = NULL;
	free(channel);
}

struct guest_channel *guest_channel_sub(const struct guest_channel *primary, uint16_t sub_index)
{
	const struct guest_bus *bus = primary->bus;

	for (unsigned i = 1; i <= GUEST_MAX_RELID; i++) {
		struct guest_channel *channel = bus->channels[i];

		if (channel != NULL && channel->sub_index == sub_index &&
		    !atomic_load(&channel->rescinded) &&
		    vmbus_guid_equal(&channel->type, &primary->type) &&
		    vmbus_guid_equal(&channel->instance, &primary->instance))
			return channel;
	}
	return NULL;
}

/* Signals. */

void guest_channel_signal(struct guest_channel *channel)
{
	const uint64_t one = 1;

	channel->signals++;
	if (channel->monitor != NULL)
		vmbus_monitor_set(channel->monitor, channel->monitor_id);
	else if (write(channel->kick_fd, &one, sizeof(one)) < 0)
		return; /* full: the host has not read what is there, which says the same */
}

void guest_channel_drain(struct guest_channel *channel)
{
	uint64_t n;

	if (read(channel->call_fd, &n, sizeof(n)) < 0)
		return; /* nothing was there */
}
