/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The event loop as devices on the bus see it (vmbus/local.h).
 *
 * Thread: the owner's.
 */
#ifndef HV_WORKER_LOOP_H
#define HV_WORKER_LOOP_H

#include "vmbus/local.h"

struct event_base;

/* A table whose context is 'base', borrowed as long as it is used. */
struct vmbus_loop worker_loop(struct event_base *base);

#endif
