/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The guest's VMBus, between the server (vmbus/server.h) and the face of the machine (hv/face.h):
 *
 * 	guest ──post──► mailbox ──worker_bus_mail()──► server ──ops──► face->post ──► guest
 * 	guest ──signal──► face ──kick fd──► device          device ──call fd──► here ──►
 * face->signal
 *
 * Devices interrupt the guest themselves where they can (the event target, vmbus/host.h).  A call
 * descriptor is for when they cannot: while the guest has its event page off, and for devices that
 * know no better; it comes through this process's event loop, one turn for a signal.
 *
 * Thread: the owner's.
 */
#ifndef HV_WORKER_BUS_H
#define HV_WORKER_BUS_H

#include "ctl/base/err.h"
#include "hv/face.h"
#include "hv/mail.h"

#include <stdint.h>

struct event_base;
struct gpa_map;
struct vmbus_server;
struct worker_bus;

struct worker_bus_opts {
	struct event_base *base;
	const struct hv_face_ops *face;
	struct hv_partition *partition; /* the face's; not looked into here */
	struct hv_mailbox *mailbox;
	const struct gpa_map *memory;
	/* What the guest did that it must not, and what was agreed; rate-limited. */
	void (*event)(void *ctx, const char *text);
	/* The guest's port wants to be connected to one of the host's.  May be NULL. */
	void (*connect)(void *ctx, uint32_t guest_port, uint32_t host_port);
	void *ctx;
};

struct worker_bus_stats {
	uint64_t signals;     /* to the guest, through this process */
	uint64_t retries;     /* messages of the guest that had to wait for it to read */
	uint64_t lost;	      /* messages to the guest for processors that it does not have */
	uint64_t no_listener; /* messages to connections that nobody listens on */
};

int worker_bus_create(const struct worker_bus_opts *opts, struct worker_bus **ret_bus,
		      struct err *err);
/* Devices must have been withdrawn.  Takes NULL. */
void worker_bus_destroy(struct worker_bus *bus);
struct vmbus_server *worker_bus_server(struct worker_bus *bus);
/* MESSAGE, SLOT_FREE and SYNIC; others are nothing to it. */
void worker_bus_mail(struct worker_bus *bus, const struct hv_mail *mail);
/* As vmbus_server_reset().  The machine is paused. */
void worker_bus_reset(struct worker_bus *bus, void (*done)(void *ctx), void *ctx);
void worker_bus_stats(const struct worker_bus *bus, struct worker_bus_stats *ret_stats);

#endif
