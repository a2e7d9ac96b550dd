/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What all integration services share: the frame of their messages, the negotiation, one request
 * at a time.  Each service (ic_heartbeat.h, ic_shutdown.h, ...) is a device of its own on the bus
 * and holds a 'struct ic'.
 *
 * 	CLOSED ──guest opens──► NEGOTIATING ──answer──► READY ◄──answer, time-out── BUSY
 * 	   ▲                        │                     └──────ic_request()────────►┘
 * 	   │                        └─ no common version ─► REFUSED
 * 	   └── guest closes, is reset, breaks its ring: what was asked has failed
 *
 * The host asks, the guest answers: an inband packet either way, the answer with the numbers of the
 * request.  Guests whose service lives in a daemon (KVP, VSS) answer the negotiation when that has
 * started, so it has no time-out.  An answer that nobody waits for, or that comes after the
 * time-out, is counted and ignored.
 *
 * No clock: the owner calls each service's tick with its time (CLOCK_MONOTONIC, nanoseconds), at
 * least once a second; requests made in between count from the last.  A paused machine needs no
 * ticks, and each service's resumed() before the first one after the pause.
 *
 * Thread: the server's.  Source: Linux drivers/hv/channel_mgmt.c, hv_util.c, include/linux/hyperv.h
 */
#ifndef VMBUS_IC_H
#define VMBUS_IC_H

#include "vmbus/guid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct vmbus_loop;
struct vmbus_server;

/* What every service needs of the process that runs the machine; borrowed for life. */
struct ic_env {
	struct vmbus_server *server;
	const struct vmbus_loop *loop; /* local.h */
	/* Something for the event log, the first time that it happens to a device: a version that
	 * was agreed on, what a guest did wrong.  May be NULL. */
	void (*event)(void *ctx, const char *text);
	void *ctx;
};

struct ic_version {
	uint16_t major, minor;
};

/* ---- The frame (codec) ---- */

enum ic_type {
	IC_NEGOTIATE = 0,
	IC_HEARTBEAT = 1,
	IC_KVP = 2,
	IC_SHUTDOWN = 3,
	IC_TIMESYNC = 4,
	IC_VSS = 5,
	IC_FILECOPY = 7,
};

#define IC_HEADER_SIZE 28u   /* pipe header and IC header */
#define IC_DATA_MAX    7488u /* of a message; KVP's are the longest, with 7428 */

#define IC_FLAG_TRANSACTION 1u
#define IC_FLAG_REQUEST	    2u
#define IC_FLAG_RESPONSE    4u

/* Status of an answer (HRESULT). */
#define IC_S_OK		   0u
#define IC_E_FAIL	   0x80004005u
#define IC_E_NO_MORE	   0x80070103u /* end of a list */
#define IC_E_NOT_SUPPORTED 0x80070032u

struct ic_message {
	struct ic_version framework, version;
	uint16_t type; /* enum ic_type */
	uint32_t status;
	uint8_t transaction, flags;
	const uint8_t *data; /* borrowed */
	uint16_t data_size;
};

/* Writes IC_HEADER_SIZE + m->data_size bytes to 'to', which has them.  Returns how many. */
size_t ic_write(void *to, const struct ic_message *m);
/* 0 or -EBADMSG.  'data' points into 'bytes'.  What a packet holds behind its message (it is padded
 * to 8 bytes, and Linux answers in the buffer of the request) is left alone. */
int ic_read(const void *bytes, size_t size, struct ic_message *ret_m);

/* Data of a negotiation: frameworks, then versions of the message, in the order given.  Returns its
 * size; at most IC_NEGOTIATE_MAX. */
#define IC_MAX_VERSIONS	 8u /* each */
#define IC_NEGOTIATE_MAX (8u + 8u * IC_MAX_VERSIONS)
size_t ic_write_versions(void *to, const struct ic_version *frameworks, unsigned n_frameworks,
			 const struct ic_version *versions, unsigned n_versions);
/* Data of the guest's answer, which names one of each.  0; -EBADMSG; -EPROTONOSUPPORT: it knows
 * none of ours. */
int ic_read_choice(const void *data, size_t size, struct ic_version *ret_framework,
		   struct ic_version *ret_version);

/* ---- The device ---- */

#define IC_FAULTS(X)                                                                               \
	X(FRAME, "bad-frame", "a message that is none")                                            \
	X(PACKET, "bad-packet", "a packet of another type than messages come in")                  \
	X(UNASKED, "unasked", "an answer to nothing, or to a request that was given up")           \
	X(VERSION, "bad-version", "a version that was not offered")                                \
	X(DATA, "bad-data", "an answer with contents that cannot be")                              \
	X(TIMEOUT, "timeout", "no answer in time")                                                 \
	X(RING, "broken-ring", "a ring that lies")
enum ic_fault {
#define X(name, slug, text) IC_FAULT_##name,
	IC_FAULTS(X)
#undef X
		IC_N_FAULTS,
};
const char *ic_fault_slug(enum ic_fault fault);

enum ic_state { IC_CLOSED, IC_NEGOTIATING, IC_READY, IC_BUSY, IC_REFUSED };
const char *ic_state_name(enum ic_state state);

struct ic_info {
	enum ic_state state;
	struct ic_version framework, version; /* agreed on; 0.0 before */
	uint64_t requests, answers;
	uint64_t faults[IC_N_FAULTS];
};

/* What a service is: constant. */
struct ic_kind {
	const char *name; /* "heartbeat" */
	struct vmbus_guid type;
	uint16_t message;				/* enum ic_type */
	const struct ic_version *frameworks, *versions; /* best first */
	uint8_t n_frameworks, n_versions;
};

struct ic_ops {
	/* Versions are agreed on: requests may be made. */
	void (*ready)(void *ctx, struct ic_version version);
	/* The answer to the request; 'data' is ours, valid during the call.  Another request may be
	 * made from here. */
	void (*answer)(void *ctx, uint32_t status, const uint8_t *data, size_t size);
	/* The request has failed: -ETIMEDOUT; -ECONNRESET: then closed() follows. */
	void (*failed)(void *ctx, int error);
	/* No requests until ready() comes again.  Only after ready(). */
	void (*closed)(void *ctx);
};

struct ic;

/* Offers it.  0 or what vmbus_device_offer() says. */
int ic_create(const struct ic_env *env, const struct ic_kind *kind, const struct ic_ops *ops,
	      void *ctx, struct ic **ret_ic);
/* No callback comes any more.  Takes NULL. */
void ic_destroy(struct ic *ic);
/* 'timeout_ns' 0: waits for ever.  0; -ENOTCONN: not ready; -EBUSY: one is outstanding; -EMSGSIZE.
 */
int ic_request(struct ic *ic, const void *data, size_t size, uint64_t timeout_ns);
/* Time has passed. */
void ic_tick(struct ic *ic, uint64_t now_ns);
/* The machine was paused until now: what is outstanding gets the time that it had left. */
void ic_resumed(struct ic *ic, uint64_t now_ns);
uint64_t ic_now(const struct ic *ic);
bool ic_ready(const struct ic *ic); /* and nothing is outstanding */
/* For services: their answer's contents were wrong. */
void ic_count(struct ic *ic, enum ic_fault fault);
void ic_info(const struct ic *ic, struct ic_info *ret_info);

#endif
