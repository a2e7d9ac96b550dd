/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A NIC on a guest's VMBus whose inside is in the switch: a device of vmbus/channel.h that passes
 * its channels, GPADLs and memory on by the attach socket (attach.h), keeps all that it passed, and
 * says it again when the switch comes back.  Of the process that runs the guest; no DPDK.
 *
 * Thread: the server's.  Its owner polls vmbus_remote_fd() and calls vmbus_remote_event().
 */
#ifndef VMBUS_REMOTE_H
#define VMBUS_REMOTE_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stdint.h>

struct vmbus_guid;
struct vmbus_remote;
struct vmbus_server;

/* A piece of guest memory, as the switch will map it. */
struct vmbus_remote_memory {
	uint64_t gpa, size;
	int fd; /* borrowed for life; sealed against shrinking */
	uint64_t offset;
};

struct vmbus_remote_opts {
	/* Of the NIC's attach socket; NULL: this process opens no paths, and connected sockets are
	 * handed to vmbus_remote_attach(). */
	const char *path;
	const struct vmbus_remote_memory *memory;
	unsigned n_memory;
	uint32_t retry_ms; /* between attempts to connect; 0: 100 */
	/* Something for people: connected, refused and why, lost.  May be NULL. */
	void (*event)(void *ctx, const char *text);
	/* vmbus_remote_fd() is about to be closed, for who has it in an event loop.  May be NULL.
	 */
	void (*closing)(void *ctx);
	void *ctx;
};

/* Connects, or goes on trying to: the device is offered when the switch has said what it is.  0 or
 * negative errno. */
int vmbus_remote_create(struct vmbus_server *server, const struct vmbus_remote_opts *opts,
			struct vmbus_remote **ret_remote, struct err *err);
/* Withdraws the device and closes; the guest may hold the device until the server ends, which needs
 * nothing of ours.  Waits up to 0.2 s for a switch that touches guest memory to stop.  Takes NULL.
 */
void vmbus_remote_destroy(struct vmbus_remote *remote);
/* A connected attach socket, which is taken, in place of what there was: for who was made without a
 * path. */
void vmbus_remote_attach(struct vmbus_remote *remote, int fd);
/* The MAC address that the guest finds in its NIC, which the switch says; false: it has not yet. */
bool vmbus_remote_mac(const struct vmbus_remote *remote, uint8_t ret_mac[6]);
/* Changes when it connects again: ask each time.  -1: none now. */
int vmbus_remote_fd(const struct vmbus_remote *remote);
/* Something to read, or time has passed; to be called at least ten times a second, or when
 * vmbus_remote_wait_ms() says so. */
void vmbus_remote_event(struct vmbus_remote *remote);
/* Milliseconds until vmbus_remote_event() has something to do though nothing is to be read; -1:
 * never.  Changes with every call here, and whenever the guest is served. */
int vmbus_remote_wait_ms(const struct vmbus_remote *remote);
bool vmbus_remote_attached(const struct vmbus_remote *remote);

#endif
