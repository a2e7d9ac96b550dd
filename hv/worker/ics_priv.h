/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The inside of ics.h, for ics.c and ics_memory.c.
 */
#ifndef HV_WORKER_ICS_PRIV_H
#define HV_WORKER_ICS_PRIV_H

#include "hv/worker/ics.h"

#include "hv/worker/loop.h"
#include "vmbus/balloon.h"
#include "vmbus/ic_heartbeat.h"
#include "vmbus/ic_kvp.h"
#include "vmbus/ic_shutdown.h"
#include "vmbus/ic_timesync.h"
#include "vmbus/ic_vss.h"
#include "vmbus/pressure.h"

struct event;

struct ics {
	struct ics_opts opts;
	struct vmbus_loop loop;
	struct ic_env env;
	struct event *tick;
	bool runs;
	struct ic_heartbeat *heartbeat;
	struct ic_shutdown *shutdown;
	struct ic_timesync *timesync;
	struct ic_kvp *kvp;
	struct ic_vss *vss;
	struct balloon *balloon;
	struct pressure pressure;
	bool automatic;
	int meminfo_fd; /* the host's; -1: not to be had */
};

int ics_memory_open(struct ics *ics);
void ics_memory_close(struct ics *ics);

#endif
