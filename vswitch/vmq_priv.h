/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What vmq_live.c (who gets queues) and vmq_hw.c (whose are the device's) share.
 */
#ifndef VSWITCH_VMQ_PRIV_H
#define VSWITCH_VMQ_PRIV_H

#include "dataplane/vmq.h"
#include "vswitch/vmq.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

struct vs_vmq_device;
LIST_HEAD(vs_vmq_devices, vs_vmq_device);

/* A NIC that may have queues. */
struct vs_vmq_candidate {
	uint16_t id;
	bool asked; /* by '--queues' */
	enum vs_vmq_hw hw;
	double rank;
	/* vmq_hw.c's own. */
	struct vs_vmq_device *dev;
	uint16_t hw_n;
	struct dp_vmq_spec spec;
	char hw_why[VS_VMQ_WHY]; /* not the device's */
};

/* Says in each candidate's 'spec' whether and which queues of the device it gets, else in 'hw_why'
 * why none.  'c' in their order. */
void vs_vmq_hw_share(struct vs *vs, struct vs_vmq_devices *devices, struct vs_vmq_nic *nics,
		     struct vs_vmq_candidate *c, unsigned n);
/* The candidate gets the device's queues that its 'spec' says, or has them; else 'nic->why' says
 * why not.  '*moves': how many did in this look. */
bool vs_vmq_hw_give(struct vs *vs, struct vs_vmq_nic *nic, const struct vs_vmq_candidate *c,
		    unsigned *moves);
/* Its queues become the switch's, if they are the device's. */
void vs_vmq_hw_leave(struct vs *vs, struct vs_vmq_devices *devices, struct vs_vmq_nic *nic);
/* About ten times a second. */
void vs_vmq_hw_tick(struct vs *vs, struct vs_vmq_devices *devices);
/* The device of a port is about to be closed. */
void vs_vmq_hw_closes(struct vs_vmq_devices *devices, const struct dp_port *port);
void vs_vmq_hw_fini(struct vs_vmq_devices *devices);

#endif
