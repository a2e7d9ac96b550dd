/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Heartbeat: is the guest's kernel alive?  It is asked every two seconds, and answers from an
 * interrupt's tail, so that no answer means that it hangs, has crashed, or gets no processor.
 *
 * 	NONE ──driver there──► OK ──no answer for 10 s──► LOST
 * 	  ▲                    │ ▲                         │
 * 	  └──── it closed ─────┘ └──────── an answer ──────┘     (and from LOST to NONE)
 *
 * A question is not repeated: one that is answered late is an answer too.
 *
 * Thread: the server's.  Source: Linux drivers/hv/hv_util.c (heartbeat_onchannelcallback)
 */
#ifndef VMBUS_IC_HEARTBEAT_H
#define VMBUS_IC_HEARTBEAT_H

#include "vmbus/ic.h"

enum heartbeat_state { HEARTBEAT_NONE, HEARTBEAT_OK, HEARTBEAT_LOST };
const char *heartbeat_state_name(enum heartbeat_state state); /* "none", "ok", "lost" */

struct ic_heartbeat_opts {
	uint64_t interval_ns; /* 0: 2 s */
	unsigned n_missing;   /* intervals without an answer until it is lost; 0: 5 */
	/* It is another state than before.  May be NULL. */
	void (*changed)(void *ctx, enum heartbeat_state state);
	void *ctx;
};

struct ic_heartbeat_info {
	enum heartbeat_state state;
	uint64_t sequence;   /* questions asked since the driver came */
	uint64_t last_ok_ns; /* owner's clock */
	/* What its answer says of its applications: Linux gives back what it was asked with (0). */
	uint32_t application;
	struct ic_info ic;
};

struct ic_heartbeat;

/* 'opts' is copied; 'env' borrowed for life.  0 or negative errno. */
int ic_heartbeat_create(const struct ic_env *env, const struct ic_heartbeat_opts *opts,
			struct ic_heartbeat **ret_heartbeat);
/* Takes NULL; not from a callback. */
void ic_heartbeat_destroy(struct ic_heartbeat *heartbeat);
void ic_heartbeat_tick(struct ic_heartbeat *heartbeat, uint64_t now_ns);
void ic_heartbeat_resumed(struct ic_heartbeat *heartbeat, uint64_t now_ns);
void ic_heartbeat_info(const struct ic_heartbeat *heartbeat, struct ic_heartbeat_info *ret_info);

#endif
