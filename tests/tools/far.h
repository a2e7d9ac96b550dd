/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the far ends of benchmarks and tests share: a NIC by its attach socket, a loop over its
 * queues, rates, an end by SIGTERM.  A tool is one function that does a burst.
 *
 * One thread, which polls; with --sleep it waits when there is nothing.
 */
#ifndef TESTS_TOOLS_FAR_H
#define TESTS_TOOLS_FAR_H

#include "vmbus/guest/guest.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct far_opts {
	const char *socket;
	const char *counters; /* a file for them, as net_replay of the benchmark has; NULL: none */
	struct guest_net_conf conf;
	unsigned rate_s; /* seconds between lines; 0: none */
	unsigned cpu;	 /* UINT32_MAX: any */
	unsigned duration_s;
	unsigned size, flows, burst;
	uint64_t count, pps; /* 0: no bound */
	uint8_t dst[6];
	bool huge, sleep;
};

struct far {
	struct far_opts opts;
	struct guest_local *local;
	struct guest_net *net;
	struct guest_net_info info;
	uint64_t busy_cycles; /* of bursts that moved something */
	uint64_t dropped;
	_Atomic uint64_t *counters; /* mapped: frames sent, bytes, received, bytes */
	bool done;		    /* the tool has nothing left to do */
	void *priv;
};

struct far_tool {
	const char *name, *summary;
	/* When the NIC is set up, each time. */
	void (*start)(struct far *far);
	/* Does something on a queue; the number of frames that moved. */
	unsigned (*burst)(struct far *far, struct guest_queue *q);
	/* Before the NIC goes.  May be NULL. */
	void (*finish)(struct far *far);
};

int far_main(int argc, char **argv, const struct far_tool *tool);

#endif
