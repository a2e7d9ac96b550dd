/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames for controllers.  A worker whose program says CONTROLLER copies the frame out of its
 * packet buffer into a queue of its own (records.h) and goes on; the control thread takes them from
 * there when it has time.
 *
 * 	worker: CONTROLLER step ─► limit of the ingress port ─► meter of the switch, if it has one
 * 		─► queue ─► doorbell, if asked for
 * 	control thread: dp_punt_fd() readable ─► dp_punt_poll() ─► fn()
 *
 * What is not taken is counted as a drop of the ingress port: 'controller-limit' when the port is
 * over its share, 'controller-meter' when the switch is, 'controller-full' when the queue is.  So
 * neither one port nor all of them can make the control thread do more than it asks for, and a
 * worker never waits for it.
 */
#ifndef DATAPLANE_PUNT_H
#define DATAPLANE_PUNT_H

#include "dataplane/steps.h"

#include <stdint.h>

struct dp;

/* Frames a second that a port may send to controllers, and how many at once.  All workers together.
 */
#define DP_PUNT_RATE  5000u
#define DP_PUNT_BURST 512u

struct dp_punt {
	/* 'in_port' is OpenFlow's number as in a key: 16 bits. */
	struct dp_step_controller what;
	uint64_t pipeline; /* dp_pipeline_id() */
	uint16_t port;	   /* by which it came; DP_NO_PORT: by none (inject.h) */
	uint32_t size;
	/* The frame as it was at the step; a shared uplink's tag that names the tenant is in it. */
	const uint8_t *data;
};

/* Borrows 'punt'. */
typedef void (*dp_punt_fn)(void *arg, const struct dp_punt *punt);

/* Control thread, all of these.  Readable when dp_punt_poll() has something to do. */
int dp_punt_fd(const struct dp *dp);
/* Gives up to 'max' frames to 'fn', a few of each worker in turn; returns how many.  The descriptor
 * stays readable when there are more. */
unsigned dp_punt_poll(struct dp *dp, unsigned max, dp_punt_fn fn, void *arg);
/* Frames a second that each port may send to controllers, instead of DP_PUNT_RATE, where its switch
 * has no limit of its own (dp_pipeline_limit_punts()). */
void dp_punt_set_rate(struct dp *dp, uint32_t pps);

#endif
