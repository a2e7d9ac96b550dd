/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The guest's end of the bus: contact, offers, GPADLs, unload.
 *
 * 	guest_bus_connect()   INITIATE_CONTACT, version by version ─► REQUESTOFFERS ─► all offers
 * 	guest_bus_message()   what the host posts, whenever it comes
 * 	guest_bus_unload()    UNLOAD ─► UNLOAD_RESPONSE
 *
 * Requests wait for their answer and let the host work meanwhile ('pump'); none waits longer than
 * 'timeout_ms', so a host that is silent costs time and no more.  What a host says is checked: it
 * could lie to a container.
 *
 * Thread: control.
 */
#ifndef VMBUS_GUEST_BUS_H
#define VMBUS_GUEST_BUS_H

#include "vmbus/guest/memory.h"
#include "vmbus/monitor.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define GUEST_MAX_RELID 2047

struct guest_bus;
struct guest_channel;

/* How a guest reaches its host. */
struct guest_bus_ops {
	/* Posts a message to a connection.  0; -EINVAL: nobody listens there; -EAGAIN: the host
	 * takes it when it has got rid of messages to us. */
	int (*post)(void *ctx, uint32_t connection_id, const void *msg, size_t size);
	/* Lets the host work until 'fd' is readable (-1: none) or 'timeout_ms' have passed, or
	 * shorter, and hands its messages to guest_bus_message(). */
	void (*pump)(void *ctx, int fd, int timeout_ms);
	/* Descriptors of a channel, valid as long as the bus: written to signal the host, readable
	 * when the host signals. */
	int (*kick_fd)(void *ctx, uint32_t connection_id);
	int (*call_fd)(void *ctx, uint16_t relid);
};

struct guest_bus_opts {
	const uint32_t *versions; /* in the order tried, ended by 0; borrowed */
	uint32_t target_vp;	  /* of messages */
	bool monitor;		  /* give the host monitor pages, as Linux does */
	uint32_t timeout_ms;	  /* of a request; 0: 5000 */
	/* A channel was offered, or is being taken away: close it, then
	 * guest_channel_release().  May be NULL. */
	void (*offered)(void *ctx, struct guest_channel *channel);
	void (*rescinded)(void *ctx, struct guest_channel *channel);
	void *ctx;
};

struct guest_bus_stats {
	uint64_t messages_in, messages_out;
	uint64_t bad_messages; /* too short, unknown, or about nothing that we know */
	uint64_t timeouts;
};

/* 'memory' and 'ops' are borrowed for life.  NULL: no memory. */
struct guest_bus *guest_bus_create(struct guest_memory *memory, const struct guest_bus_ops *ops,
				   void *ops_ctx, const struct guest_bus_opts *opts);
/* Frees all channels; they must be closed.  Says nothing to the host.  Takes NULL. */
void guest_bus_destroy(struct guest_bus *bus);

/* 0; -EPROTONOSUPPORT: the host takes none of the versions; -ETIMEDOUT. */
int guest_bus_connect(struct guest_bus *bus, struct err *err);
/* Lets go of all; 0 or -ETIMEDOUT.  May connect again. */
int guest_bus_unload(struct guest_bus *bus);
void guest_bus_message(struct guest_bus *bus, const void *msg, size_t size);
/* Any message as it is, to where messages go since the last contact. */
int guest_bus_post(struct guest_bus *bus, const void *msg, size_t size);

uint32_t guest_bus_version(const struct guest_bus *bus);
struct guest_memory *guest_bus_memory(const struct guest_bus *bus);
const struct vmbus_monitor *guest_bus_monitor(const struct guest_bus *bus);
/* The first channel at 'from_relid' or after it; NULL at the end. */
struct guest_channel *guest_bus_channel(const struct guest_bus *bus, uint16_t from_relid);
void guest_bus_pump(struct guest_bus *bus, int fd, int timeout_ms);
void guest_bus_stats(const struct guest_bus *bus, struct guest_bus_stats *ret_stats);

/* Lends 'buffer' to the host for a channel; the GPADL's number in *ret_id.  0, -EIO: the host
 * refused; -ETIMEDOUT. */
int guest_gpadl_create(struct guest_channel *channel, const struct guest_buffer *buffer,
		       uint32_t *ret_id);
/* Takes it back.  0; -ETIMEDOUT: the host does not let go, so leave the pages alone. */
int guest_gpadl_teardown(struct guest_channel *channel, uint32_t id);

#endif
