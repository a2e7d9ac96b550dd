/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See bus.h.
 */
#include "vmbus/guest/bus_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "ctl/base/clock.h"
#include "vmbus/guest/channel.h"

#define SLUG	       "vmbus"
#define TIMEOUT_MS     5000
#define CONNECTION     1
#define CONNECTION_5_0 4
#define VERSION_5_0    0x00050000u
#define FIRST_GPADL    0xE1E10 /* where Linux begins */
#define PUMP_MS	       10

struct guest_bus *guest_bus_create(struct guest_memory *memory, const struct guest_bus_ops *ops,
				   void *ops_ctx, const struct guest_bus_opts *opts)
{
	struct guest_bus *bus = calloc(1, sizeof(*bus));

	if (bus == NULL)
		return NULL;
	bus->memory = memory;
	bus->ops = ops;
	bus->ops_ctx = ops_ctx;
	bus->opts = *opts;
	if (bus->opts.timeout_ms == 0)
		bus->opts.timeout_ms = TIMEOUT_MS;
	bus->connection_id = CONNECTION;
	bus->next_gpadl = FIRST_GPADL;
	if (opts->monitor && guest_buffer_alloc(memory, 2, false, &bus->monitor_pages) != 0) {
		free(bus);
		return NULL;
	}
	if (opts->monitor) {
		bus->monitor.parent_to_child = bus->monitor_pages.va;
		bus->monitor.child_to_parent = bus->monitor_pages.va + GPA_PAGE_SIZE;
	}
	return bus;
}

static void forget_channels(struct guest_bus *bus)
{
	for (unsigned i = 0; i <= GUEST_MAX_RELID; i++) {
		free(bus->channels[i]);
		bus->channels[i] = NULL;
	}
}

void guest_bus_destroy(struct guest_bus *bus)
{
	if (bus == NULL)
		return;
	forget_channels(bus);
	guest_buffer_free(bus->memory, &bus->monitor_pages);
	free(bus);
}

int guest_bus_post(struct guest_bus *bus, const void *msg, size_t size)
{
	const uint64_t end = clock_mono_ns() + bus->opts.timeout_ms * 1000000ull;
	int rc;

	bus->stats.messages_out++;
	/* A host that has too many answers waiting for us takes no more questions. */
	while ((rc = bus->ops->post(bus->ops_ctx, bus->connection_id, msg, size)) == -EAGAIN &&
	       clock_mono_ns() < end)
		guest_bus_pump(bus, -1, 1);
	return rc;
}

void guest_bus_pump(struct guest_bus *bus, int fd, int timeout_ms)
{
	bus->ops->pump(bus->ops_ctx, fd, timeout_ms);
}

/* Waiting. */

void guest_bus_expect(struct guest_bus *bus, uint32_t type, uint32_t id)
{
	bus->wait = (struct guest_wait){.type = type, .id = id};
}

int guest_bus_wait(struct guest_bus *bus, const struct guest_channel *channel)
{
	const uint64_t end = clock_mono_ns() + bus->opts.timeout_ms * 1000000ull;
	int rc = 0;

	while (!bus->wait.done && rc == 0) {
		guest_bus_pump(bus, -1, bus->wait.done ? 0 : PUMP_MS);
		if (bus->wait.done)
			break;
		if (channel != NULL && atomic_load(&channel->rescinded))
			rc = -ENODEV;
		else if (clock_mono_ns() >= end)
			rc = -ETIMEDOUT;
	}
	if (rc == -ETIMEDOUT)
		bus->stats.timeouts++;
	bus->wait.type = 0;
	return rc;
}

/* What the host says. */

static void answer(struct guest_bus *bus, uint32_t type, uint32_t id, uint32_t status)
{
	if (bus->wait.type != type || bus->wait.id != id || bus->wait.done) {
		bus->stats.bad_messages++;
		return;
	}
	bus->wait.status = status;
	bus->wait.done = true;
}

static void take_offer(struct guest_bus *bus, const struct vmbus_msg_offer *msg)
{
	struct guest_channel *channel;

	if (msg->relid == 0 || msg->relid > GUEST_MAX_RELID || bus->channels[msg->relid] != NULL ||
	    bus->version == 0) {
		bus->stats.bad_messages++;
		return;
	}
	channel = calloc(1, sizeof(*channel));
	if (channel == NULL)
		return;
	channel->bus = bus;
	channel->type = msg->type;
	channel->instance = msg->instance;
	channel->relid = (uint16_t)msg->relid;
	channel->sub_index = msg->sub_index;
	channel->flags = msg->flags;
	channel->connection_id = msg->connection_id;
	channel->monitored =
		(msg->monitor & VMBUS_OFFER_MONITORED) != 0 && msg->monitor_id < VMBUS_N_MONITORS;
	channel->monitor_id = msg->monitor_id;
	channel->kick_fd = channel->call_fd = -1;
	bus->channels[msg->relid] = channel;
	if (bus->opts.offered != NULL)
		bus->opts.offered(bus->opts.ctx, channel);
}

static void take_rescind(struct guest_bus *bus, uint32_t relid)
{
	struct guest_channel *channel = relid <= GUEST_MAX_RELID ? bus->channels[relid] : NULL;

	if (channel == NULL || atomic_load(&channel->rescinded)) {
		bus->stats.bad_messages++;
		return;
	}
	atomic_store(&channel->rescinded, true);
	if (bus->opts.rescinded != NULL)
		bus->opts.rescinded(bus->opts.ctx, channel);
}

static void dispatch(struct guest_bus *bus, const union vmbus_msg *msg)
{
	switch (msg->header.type) {
	case VMBUS_MSG_OFFER:
		take_offer(bus, &msg->offer);
		break;
	case VMBUS_MSG_RESCIND:
		take_rescind(bus, msg->relid.relid);
		break;
	case VMBUS_MSG_OPEN_RESULT:
		answer(bus, VMBUS_MSG_OPEN_RESULT, msg->result.relid, msg->result.status);
		break;
	case VMBUS_MSG_GPADL_CREATED:
		answer(bus, VMBUS_MSG_GPADL_CREATED, msg->result.id, msg->result.status);
		break;
	case VMBUS_MSG_GPADL_TORNDOWN:
		answer(bus, VMBUS_MSG_GPADL_TORNDOWN, msg->gpadl_torndown.gpadl, 0);
		break;
	case VMBUS_MSG_VERSION_RESPONSE:
		bus->wait.version = msg->version;
		answer(bus, VMBUS_MSG_VERSION_RESPONSE, 0, 0);
		break;
	case VMBUS_MSG_MODIFY_RESPONSE:
		answer(bus, VMBUS_MSG_MODIFY_RESPONSE, msg->modify_response.relid,
		       msg->modify_response.status);
		break;
	default: /* ALL_OFFERS, UNLOAD_RESPONSE */
		answer(bus, msg->header.type, 0, 0);
	}
}

void guest_bus_message(struct guest_bus *bus, const void *bytes, size_t size)
{
	union vmbus_msg msg;

	bus->stats.messages_in++;
	if (vmbus_msg_read(bytes, size, false, &msg) != 0)
		bus->stats.bad_messages++;
	else
		dispatch(bus, &msg);
}

/* Contact. */

static int ask(struct guest_bus *bus, const union vmbus_msg *msg, size_t size, uint32_t answer_type)
{
	int rc;

	guest_bus_expect(bus, answer_type, 0);
	rc = guest_bus_post(bus, msg, size);
	return rc != 0 ? rc : guest_bus_wait(bus, NULL);
}

static int contact(struct guest_bus *bus, uint32_t version)
{
	union vmbus_msg msg;
	size_t size = vmbus_msg_init(&msg, VMBUS_MSG_CONTACT);
	int rc;

	msg.contact.version = version;
	msg.contact.target_vp = bus->opts.target_vp;
	if (version >= VERSION_5_0)
		msg.contact.sint = VMBUS_CONTACT_SINT;
	if (bus->opts.monitor) {
		msg.contact.parent_to_child = guest_buffer_gpa(&bus->monitor_pages, 0);
		msg.contact.child_to_parent = guest_buffer_gpa(&bus->monitor_pages, GPA_PAGE_SIZE);
	}
	bus->connection_id = version >= VERSION_5_0 ? CONNECTION_5_0 : CONNECTION;
	rc = ask(bus, &msg, size, VMBUS_MSG_VERSION_RESPONSE);
	if (rc != 0)
		return rc;
	if (bus->wait.version.supported == 0)
		return -EPROTONOSUPPORT;
	if (version >= VERSION_5_0)
		bus->connection_id = bus->wait.version.connection_id;
	bus->version = version;
	return 0;
}

static int request_offers(struct guest_bus *bus)
{
	union vmbus_msg msg;

	return ask(bus, &msg, vmbus_msg_init(&msg, VMBUS_MSG_REQUEST_OFFERS), VMBUS_MSG_ALL_OFFERS);
}

int guest_bus_connect(struct guest_bus *bus, struct err *err)
{
	int rc = -EPROTONOSUPPORT;

	bus->version = 0;
	for (const uint32_t *v = bus->opts.versions; *v != 0; v++) {
		rc = contact(bus, *v);
		/* -EINVAL: nobody at that connection, so no host of 5.0 or later. */
		if (rc != -EPROTONOSUPPORT && rc != -EINVAL)
			break;
	}
	if (rc != 0)
		return err_set(err, rc, SLUG, "cannot agree on a version of VMBus: %s",
			       strerror(-rc));
	rc = request_offers(bus);
	if (rc != 0)
		return err_set(err, rc, SLUG, "the host does not say what it offers: %s",
			       strerror(-rc));
	return 0;
}

int guest_bus_unload(struct guest_bus *bus)
{
	union vmbus_msg msg;
	int rc;

	if (bus->version == 0)
		return 0;
	rc = ask(bus, &msg, vmbus_msg_init(&msg, VMBUS_MSG_UNLOAD), VMBUS_MSG_UNLOAD_RESPONSE);
	bus->version = 0;
	forget_channels(bus);
	return rc;
}

uint32_t guest_bus_version(const struct guest_bus *bus)
{
	return bus->version;
}

struct guest_memory *guest_bus_memory(const struct guest_bus *bus)
{
	return bus->memory;
}

const struct vmbus_monitor *guest_bus_monitor(const struct guest_bus *bus)
{
	return bus->opts.monitor ? &bus->monitor : NULL;
}

struct guest_channel *guest_bus_channel(const struct guest_bus *bus, uint16_t from_relid)
{
	for (unsigned i = from_relid; i <= GUEST_MAX_RELID; i++) {
		if (bus->channels[i] != NULL)
			return bus->channels[i];
	}
	return NULL;
}

void guest_bus_stats(const struct guest_bus *bus, struct guest_bus_stats *ret_stats)
{
	*ret_stats = bus->stats;
}
