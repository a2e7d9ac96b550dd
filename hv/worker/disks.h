/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The machine's disks: one SCSI controller on its VMBus (vmbus/storvsp.h), images behind it
 * (hv/disk).
 *
 * The controller, its thread and its I/O ring are made before the worker locks itself in, also when
 * there is no disk yet: later ones come as descriptors.
 *
 * Thread: the owner's; the controller has one of its own.
 */
#ifndef HV_WORKER_DISKS_H
#define HV_WORKER_DISKS_H

#include "ctl/base/err.h"

#include <stdint.h>

#include <jansson.h>

struct disks;
struct event_base;
struct gpa_map;
struct vmbus_server;
struct worker_config;
struct worker_disk_config;

struct disks_opts {
	struct event_base *base;
	struct vmbus_server *server;
	const struct gpa_map *memory;
	const struct worker_config *config;
	/* A disk failed; the first time and then once a minute. */
	void (*trouble)(void *ctx, const char *name, const char *text);
	void *ctx;
};

/* Opens those of the configuration: errors name the disk. */
int disks_create(const struct disks_opts *opts, struct disks **ret_disks, struct err *err);
/* The guest has let go of the controller (the bus was reset).  Takes NULL. */
void disks_destroy(struct disks *disks);
/* Adds a disk whose image is 'fd' (borrowed): raw or ISO.  -EEXIST, -EINVAL, what opening says. */
int disks_add(struct disks *disks, const struct worker_disk_config *config, int fd,
	      struct err *err);
/* Takes it from the guest; 'done' is called when nothing of it is in use, perhaps at once. */
int disks_remove(struct disks *disks, const char *name, void (*done)(void *arg), void *arg,
		 struct err *err);
/* Looks how big the image is now; bytes. */
int disks_resize(struct disks *disks, const char *name, uint64_t *ret_size, struct err *err);
/* [{"name", "lun", "format", "size", "readonly"}], and with what was done; new references. */
json_t *disks_info(const struct disks *disks);
json_t *disks_stats(const struct disks *disks);

#endif
