/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames that the control thread gives to the switch, with steps for each (OpenFlow's packet-out).
 * They are run by a worker, the first one, in the order in which they were given.
 *
 * As if received by a port, its VLANs decide how the frame is carried and its tenant where it can
 * go.  By no port, it is the switch that speaks: each output is in the tenant and VLAN of its
 * egress port, and FLOOD, ALL and NORMAL reach into all tenants of the switch.
 *
 * In the ledger an injected frame is a copy that a port's ingress made: the port that it is said to
 * have come by, else the switch's first.
 */
#ifndef DATAPLANE_INJECT_H
#define DATAPLANE_INJECT_H

#include "dataplane/steps.h"

#include <stdbool.h>
#include <stdint.h>

struct dp;
struct dp_pipeline;

#define DP_INJECT_MAX_FRAME 65535u
/* of_port of a frame that came by no port, in a key: OpenFlow's CONTROLLER. */
#define DP_INJECT_OF_PORT 0xfffd

struct dp_inject {
	const struct dp_pipeline *pipeline; /* of the switch */
	uint16_t port;			    /* by which it is said to have come; DP_NO_PORT: none */
	const uint8_t *data;
	uint32_t size;
	/* What is done with it, and what counts it; TABLE among it: the switch's rules say. */
	const struct dp_build *build;
};

/* Control thread.  Copies all that it is given.  0; -EAGAIN when there is no worker, or so many
 * frames wait that there is no room; -EMSGSIZE above DP_INJECT_MAX_FRAME. */
int dp_inject(struct dp *dp, const struct dp_inject *inject);
/* For dp_build_again(): the key of a frame as the steps that 'b' has so far leave it.  'of_port' is
 * OpenFlow's number as in a key.  False when there is no buffer.  Control thread. */
bool dp_inject_key(struct dp *dp, const uint8_t *data, uint32_t size, const struct dp_build *b,
		   uint16_t of_port, struct dp_key *ret_key);
/* Returns when all that was given until now is on its way or dropped.  Control thread. */
void dp_inject_wait(struct dp *dp);

#endif
