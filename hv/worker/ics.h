/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The machine's integration services (vmbus/ic_*.h) on the worker's event loop, with a clock that
 * stands while the machine is paused.
 *
 * Thread: the owner's.
 */
#ifndef HV_WORKER_ICS_H
#define HV_WORKER_ICS_H

#include "ctl/base/err.h"

#include <stdbool.h>

struct event_base;
struct ics;
struct vmbus_server;

struct ics_opts {
	struct event_base *base;
	struct vmbus_server *server;
	/* Something for the log; rate-limited by who is told. */
	void (*event)(void *ctx, const char *text);
	/* The guest's heart beats, or does not any more. */
	void (*heartbeat)(void *ctx, bool ok);
	/* The guest will not power off after all, and why. */
	void (*shutdown_failed)(void *ctx, const char *text);
	void *ctx;
};

int ics_create(const struct ics_opts *opts, struct ics **ret_ics, struct err *err);
/* Takes NULL. */
void ics_destroy(struct ics *ics);
/* The machine runs, or is paused. */
void ics_run(struct ics *ics, bool runs);
/* Asks the guest to power off.  False: it would not hear. */
bool ics_shutdown(struct ics *ics);
const char *ics_heartbeat(const struct ics *ics); /* "none", "ok", "lost" */

#endif
