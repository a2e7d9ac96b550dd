/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Queues that run (dataplane/queue.h): those of the model, with counters that go on from view to
 * view.  Views hold references to them, so a change of a rate is a new queue in the next view, and
 * undoing it another.  Control thread.
 */
#ifndef VSWITCH_QUEUES_H
#define VSWITCH_QUEUES_H

#include "dataplane/queue.h"
#include "vswitch/vs.h"

struct vs_queue_live {
	char port[DP_PORT_NAME_SIZE];
	uint32_t id;
	uint16_t port_id; /* DP_NO_PORT: not in a view yet */
	struct dp_queue *queue;
	uint64_t since_ns; /* when it was added */
	bool wanted;	   /* vs_queues_drop()'s */
};

/* What became of its frames: the queue counts what went, its class of the shaper the rest. */
struct vs_queue_counts {
	uint64_t packets, bytes; /* that went */
	uint64_t drops, marks;
	uint32_t waiting;
	double delay_mean_us, delay_max_us;
};

/* Gives the ports of 'view', which is being compiled, the queues that 'm' says; 'ids' are those of
 * its ports.  0 or -ENOMEM. */
int vs_queues_compile(struct vs *vs, const struct vs_model *m, const uint16_t *ids,
		      struct dp_view *view);
/* A port of a view goes. */
void vs_queues_release(struct dp_vport *vport);
/* 'm' runs: queues that it does not have are forgotten, with their counters. */
void vs_queues_drop(struct vs *vs, const struct vs_model *m);
void vs_queue_read(const struct vs *vs, const struct vs_queue_live *live,
		   struct vs_queue_counts *ret_counts);
/* NULL: there is none. */
const struct vs_queue_live *vs_queue_find(const struct vs *vs, const char *port, uint32_t id);

#endif
