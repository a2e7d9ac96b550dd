/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The machine's disks: one SCSI controller on its VMBus (vmbus/storvsp.h) with a thread, and the
 * images behind its units (hv/disk).
 *
 * Images by path, and those that a storage daemon serves, are opened before the worker locks itself
 * in; later ones come as descriptors.
 *
 * Thread: the owner's.
 */
#ifndef HV_WORKER_DISK_H
#define HV_WORKER_DISK_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

struct disks;
struct event_base;
struct gpa_map;
struct vmbus_server;
struct worker_disk_config;

struct disks_opts {
	struct event_base *base;
	struct vmbus_server *server;
	const struct gpa_map *memory;
	unsigned n_channels; /* processors that may do I/O by a channel of their own */
	uid_t uid;	     /* what a storage daemon becomes */
	gid_t gid;
	const char *folder; /* for its socket */
	/* A disk's troubles: the first, and then one a minute. */
	void (*event)(void *ctx, const char *name, const char *text);
	void *ctx;
};

int disks_create(const struct disks_opts *opts, struct disks **ret_disks, struct err *err);
/* Takes the controller from the guest, and waits for I/O under way, a while; all ends with the bus.
 * Takes NULL. */
void disks_destroy(struct disks *disks);
/* 'fd' (-1: by its path) stays the caller's.  -EEXIST: its name or its number is taken; what
 * disk_open() says. */
int disks_add(struct disks *disks, const struct worker_disk_config *config, int fd,
	      struct err *err);
/* -ENOENT; else the guest sees at once that it is gone, and its image is closed when the guest's
 * commands are done. */
int disks_remove(struct disks *disks, const char *name, struct err *err);
/* Looks at the size of its image again. */
int disks_resize(struct disks *disks, const char *name, uint64_t *ret_size, struct err *err);

/* [{"name", "lun", "format", "size", "read_only", "cache"}]; a new reference. */
json_t *disks_info(const struct disks *disks);
/* [{"name", "reads", ..}]; a new reference. */
json_t *disks_stats(const struct disks *disks);
/* {"version", "channels", "commands", .., "faults": {..}}; a new reference. */
json_t *disks_controller_stats(const struct disks *disks);

#endif
