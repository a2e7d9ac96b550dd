/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The host's half of VMBus for one guest: negotiation, offers, GPADLs, channels.  A state machine
 * without threads, clocks or I/O: messages go in by vmbus_server_message(), and come out by
 * 'struct vmbus_host_ops'.  Devices hang on it by channel.h.
 *
 * 	          contact: a version we know             REQUESTOFFERS
 * 	DISCONNECTED ─────────────────────► CONNECTED ─────────────────► OFFERS_SENT
 * 	    ▲                                   │                             │
 * 	    └── UNLOAD, or contact once more: ──┴─────────────────────────────┘
 * 	        answered when all devices have let go
 *
 * Nothing here waits: what needs a device's consent (closing a channel, tearing down a GPADL,
 * answering UNLOAD) goes on when the device says so.  A guest that breaks the rules is counted by
 * name, and ignored or answered with a failure; it cannot make the server hold more than the limits
 * in 'struct vmbus_server_opts'.
 *
 * Thread: one at a time; the owner's.  Source: Linux drivers/hv, [TLFS] 11 for messages.
 */
#ifndef VMBUS_SERVER_H
#define VMBUS_SERVER_H

#include "vmbus/host.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "vmbus/monitor.h"

/* Versions: major << 16 | minor. */
#define VMBUS_V2_4 0x00020004u
#define VMBUS_V3_0 0x00030000u
#define VMBUS_V4_0 0x00040000u
#define VMBUS_V4_1 0x00040001u
#define VMBUS_V5_0 0x00050000u
#define VMBUS_V5_1 0x00050001u
#define VMBUS_V5_2 0x00050002u
#define VMBUS_V5_3 0x00050003u

#define VMBUS_MAX_RELID 2047 /* the last bit of a processor's event flags */
/* Connections that messages may be posted to. */
#define VMBUS_MSG_CONNECTION	 1
#define VMBUS_MSG_CONNECTION_5_0 4

struct vmbus_guid;
struct vmbus_server;

/* What a guest did that it must not; each has a counter. */
#define VMBUS_FAULTS(X)                                                                            \
	X(SHORT, "short-message", "message shorter than its type")                                 \
	X(TYPE, "unknown-message", "message of a type that hosts do not take")                     \
	X(STATE, "out-of-order",                                                                   \
	  "message that its connection's or channel's state does not allow")                       \
	X(RELID, "unknown-relid", "message names a channel that was not offered")                  \
	X(GPADL_ID, "unknown-gpadl",                                                               \
	  "message names a GPADL that does not exist, or exists already")                          \
	X(GPADL_RANGE, "bad-gpadl", "GPADL whose ranges or pages are wrong, or not memory")        \
	X(GPADL_LIMIT, "gpadl-limit", "more GPADLs or pages than a guest may have")                \
	X(OPEN, "bad-open", "channel opened with rings that are none")                             \
	X(QUEUE, "queue-full", "more messages than can wait for the guest to read them")
enum vmbus_fault {
#define X(name, slug, text) VMBUS_FAULT_##name,
	VMBUS_FAULTS(X)
#undef X
		VMBUS_N_FAULTS,
};
const char *vmbus_fault_slug(enum vmbus_fault fault);
const char *vmbus_fault_text(enum vmbus_fault fault);

struct vmbus_server_opts {
	uint32_t max_version;	  /* 0: VMBUS_V5_3 */
	uint32_t max_gpadl_pages; /* of all GPADLs together; 0: 256 Ki (1 GB) */
	uint32_t max_gpadls;	  /* 0: 4096 */
	/* Something for the event log: a fault (the first of its kind, and then at most one a
	 * second), a negotiation.  May be NULL. */
	void (*event)(void *ctx, const char *text);
	/* The guest wants a stream from 'endpoint', its own, to 'service' of the host; who agrees
	 * offers it, now or later (hvsock.h).  From 4.0 on.  NULL: nobody is there. */
	void (*connect)(void *ctx, const struct vmbus_guid *endpoint,
			const struct vmbus_guid *service);
};

struct vmbus_server_info {
	uint32_t version; /* 0: not connected */
	bool offers_sent;
	uint32_t n_withdrawn; /* channels that the guest has not let go of yet */
	uint32_t n_channels, n_open, n_gpadls, n_gpadl_pages, n_queued;
	uint64_t messages_in, messages_out;
	uint64_t parent_to_child, child_to_parent; /* addresses of monitor pages; 0: none */
	uint64_t faults[VMBUS_N_FAULTS];
};

/* 'ops' is borrowed for life.  0 or -ENOMEM. */
int vmbus_server_create(const struct vmbus_host_ops *ops, void *ctx,
			const struct vmbus_server_opts *opts, struct vmbus_server **ret_server);
/* All devices must have been withdrawn.  Those that the guest still holds are gone with this, and
 * must close at once: who has others waits for vmbus_server_reset() first.  Not from a callback.
 * Takes NULL. */
void vmbus_server_destroy(struct vmbus_server *server);

/* The guest posted 'size' bytes (at most VMBUS_MSG_MAX) to 'connection_id'.  Returns 0; -EINVAL
 * when nobody listens there (HV_STATUS_INVALID_CONNECTION_ID); -EAGAIN when the guest has left too
 * many answers unread, the message was not taken, and it is to try again
 * (HV_STATUS_INSUFFICIENT_BUFFERS). */
int vmbus_server_message(struct vmbus_server *server, uint32_t connection_id, const void *msg,
			 size_t size);
/* The slot that post() found taken is free. */
void vmbus_server_slot_free(struct vmbus_server *server);
/* What 'event' of the host says of that processor has changed. */
void vmbus_server_events_moved(struct vmbus_server *server, uint32_t vp);
/* The machine was reset: as UNLOAD, without an answer.  'done' runs when no device touches guest
 * memory any more, perhaps before this returns; another reset until then takes its place.  May be
 * NULL. */
void vmbus_server_reset(struct vmbus_server *server, void (*done)(void *ctx), void *ctx);

/* Guests that signal by monitor pages (monitor.h): where they are, NULL when there are none. */
struct vmbus_monitor *vmbus_server_monitor(struct vmbus_server *server);

void vmbus_server_info(const struct vmbus_server *server, struct vmbus_server_info *ret_info);

#endif
