/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the two halves of the tap driver share: port_tap.c (frames, link, settings) and tap_open.c
 * (making the device).
 */
#ifndef DATAPLANE_TAP_PRIV_H
#define DATAPLANE_TAP_PRIV_H

#include "dataplane/fdio.h"
#include "dataplane/port.h"

#include <net/if.h>

#define TAP_MIN_MTU 68u
#define TAP_MAX_MTU 65521u

struct tap_queue {
	int fd;
	struct dp_fdio_slot slot;
};

struct tap {
	struct dp_port *port;
	char ifname[IFNAMSIZ];
	bool in_netns; /* it was moved to another namespace */
	bool gone;     /* control thread */
	bool uso;
	int quiet[2];		    /* a pipe nobody writes to */
	_Atomic uint64_t malformed; /* frames; rare, so all queues share one */
	uint16_t n_queues;
	struct tap_queue *queues;
};

/* Can it be: are name, size and address ones for a tap, and is the name free where it goes? */
int tap_check(const struct dp_port_opts *opts, struct err *err);
/* Makes the device and wires the queues; leaves nothing behind when it fails.  Sets port->priv. */
int tap_open(struct dp_port *port, const struct dp_port_opts *opts, struct err *err);
/* The device goes with its last descriptor. */
void tap_close(struct dp_port *port);

#endif
