/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The machine's integration services (vmbus/ic_*.h) and its dynamic memory (vmbus/balloon.h) on the
 * worker's event loop, with a clock that stands while the machine is paused.
 *
 * Dynamic memory: a machine is made with its maximum, begins with a target of its size, and the
 * target follows what the guest reports and how short of memory the host is (vmbus/pressure.h).
 *
 * Thread: the owner's.
 */
#ifndef HV_WORKER_ICS_H
#define HV_WORKER_ICS_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

struct event_base;
struct hv_partition;
struct ics;
struct vmbus_guid;
struct vmbus_server;
struct worker_config;

/* All must be there. */
struct ics_ops {
	/* Something for the log; rate-limited by who is told. */
	void (*event)(void *ctx, const char *text);
	/* The guest's heart beats, or does not any more. */
	void (*heartbeat)(void *ctx, bool ok);
	/* The guest will not power off after all, and why. */
	void (*shutdown_failed)(void *ctx, const char *text);
	/* ics_guest() says something else. */
	void (*guest)(void *ctx);
	/* What ics_freeze() or ics_thaw() asked for; 0 or negative errno. */
	void (*frozen)(void *ctx, int error);
	void (*thawed)(void *ctx, int error);
};

struct ics_opts {
	struct event_base *base;
	struct vmbus_server *server;
	struct hv_partition *partition;
	const struct worker_config *config;
	const struct ics_ops *ops;
	void *ctx;
};

struct ics_memory {
	bool balloon;	   /* the guest has a driver for it */
	bool automatic;	   /* the target follows the guest's demand */
	uint64_t assigned; /* bytes: what it has, without what it gave back */
	uint64_t target, ballooned;
	unsigned pressure; /* percent of what it has that it needs; 0: not known */
};

/* Opens what it will read of the host: before the worker locks itself in. */
int ics_create(const struct ics_opts *opts, struct ics **ret_ics, struct err *err);
/* Takes NULL. */
void ics_destroy(struct ics *ics);
/* The machine runs, or is paused. */
void ics_run(struct ics *ics, bool runs);

/* Asks the guest to power off.  False: it would not hear. */
bool ics_shutdown(struct ics *ics);
const char *ics_heartbeat(const struct ics *ics); /* "none", "ok", "lost" */

/* {"os", "host", "ips", "version"}: what the guest says of itself; not trusted.  New references. */
json_t *ics_guest(const struct ics *ics);
json_t *ics_nic_ips(const struct ics *ics, const struct vmbus_guid *nic);
/* Whose addresses are asked for; again: nothing. */
void ics_nic_add(struct ics *ics, const struct vmbus_guid *nic);
void ics_nic_remove(struct ics *ics, const struct vmbus_guid *nic);
/* 'value' NULL deletes. */
int ics_set_key(struct ics *ics, const char *key, const char *value, struct err *err);

/* 0: ops->frozen() or ops->thawed() will be called, perhaps before this returns. */
int ics_freeze(struct ics *ics, struct err *err);
int ics_thaw(struct ics *ics, struct err *err);

void ics_memory(const struct ics *ics, struct ics_memory *ret_memory);
/* How much the guest shall have, in bytes; 0: what it needs. */
int ics_set_memory(struct ics *ics, uint64_t target, struct err *err);

#endif
