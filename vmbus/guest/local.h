/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Host and guest in one process: messages are function calls, signals are event descriptors, and
 * the NIC behind the bus is that of a switch (vmbus/remote.h), or of a test.
 *
 * 	guest_bus ──post──► vmbus_server ──► vmbus_remote ──attach socket──► switch
 * 	    ▲                   │
 * 	    └──queue of messages┘        kick, call: eventfd, guest's thread <-> switch's worker
 *
 * Descriptors that a thread of the guest uses keep their number as long as this lives, whatever the
 * server does with its own: what is behind them is replaced (dup2).
 *
 * Thread: control, which calls guest_local_event() when guest_local_fd() is readable and ten times
 * a second.
 */
#ifndef VMBUS_GUEST_LOCAL_H
#define VMBUS_GUEST_LOCAL_H

#include "vmbus/guest/bus.h"

#include <stdbool.h>
#include <stdint.h>

struct guest_local;
struct vmbus_server;

struct guest_local_opts {
	const char *socket;   /* attach socket of the NIC; NULL: no remote, a test offers devices */
	uint64_t memory_size; /* bytes; 0: 64 MB */
	bool huge, split;     /* memory.h */
	uint32_t host_version;	   /* the newest that the server takes; 0: all */
	struct guest_bus_opts bus; /* versions must be set */
	/* Something for people about the attach socket.  May be NULL. */
	void (*event)(void *ctx, const char *text);
	/* Called whenever the guest waits for the host: a test's device works here.  May be NULL.
	 */
	void (*work)(void *ctx);
	void *ctx;
};

int guest_local_create(const struct guest_local_opts *opts, struct guest_local **ret_local,
		       struct err *err);
/* Channels must be closed.  Takes NULL. */
void guest_local_destroy(struct guest_local *local);

struct guest_bus *guest_local_bus(struct guest_local *local);
struct vmbus_server *guest_local_server(struct guest_local *local);
struct guest_memory *guest_local_memory(struct guest_local *local);

/* What to wait for beside one's own; changes.  -1: nothing now. */
int guest_local_fd(const struct guest_local *local);
void guest_local_event(struct guest_local *local);
/* The switch is there. */
bool guest_local_attached(const struct guest_local *local);

/* Waits for the primary channel of a NIC; NULL after 'timeout_ms'. */
struct guest_channel *guest_local_nic(struct guest_local *local, unsigned timeout_ms);

#endif
