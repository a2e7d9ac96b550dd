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
#include <stdint.h>

#include <jansson.h>

struct event_base;
struct ic_env;
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
	/* What the guest says of itself changed. */
	void (*guest)(void *ctx);
	/* What ics_freeze() and ics_thaw() asked for was done, or why not (negative errno);
	 * 'thawed' also comes unasked, when a guest was frozen for too long, or ended so. */
	void (*frozen)(void *ctx, int error);
	void (*thawed)(void *ctx, int error);
	/* The partition's reference time, 100 ns. */
	uint64_t (*reference)(void *ctx);
	/* The MAC address of the i-th NIC; false: there is none. */
	bool (*nic)(void *ctx, unsigned i, uint8_t ret_mac[6]);
	unsigned n_nics; /* i is below this */
	void *ctx;
};

int ics_create(const struct ics_opts *opts, struct ics **ret_ics, struct err *err);
/* Takes NULL. */
void ics_destroy(struct ics *ics);
/* For other devices on the same loop, which end before this does. */
const struct ic_env *ics_env(const struct ics *ics);
/* The machine runs, or is paused. */
void ics_run(struct ics *ics, bool runs);
/* Asks the guest to power off.  False: it would not hear. */
bool ics_shutdown(struct ics *ics);
const char *ics_heartbeat(const struct ics *ics); /* "none", "ok", "lost" */
/* Sets the guest's clock. */
void ics_sync_time(struct ics *ics);

/* {"os", "host", "version", "ips"}, or {} when the guest says nothing; a new reference. */
json_t *ics_guest(const struct ics *ics);
/* ["10.0.0.1", ..] of one NIC; a new reference. */
json_t *ics_nic_ips(const struct ics *ics, const uint8_t mac[6]);
/* A key for the guest to read; 'value' NULL deletes it.  Slug "bad-key". */
int ics_kvp_set(struct ics *ics, const char *key, const char *value, struct err *err);
/* 0: frozen() comes, thawed() comes.  Slugs "no-service", "wrong-state". */
int ics_freeze(struct ics *ics, struct err *err);
int ics_thaw(struct ics *ics, struct err *err);
/* {"heartbeat": {"state", "version", "requests", "answers", "faults"}, ..}; a new reference. */
json_t *ics_stats(const struct ics *ics);

#endif
