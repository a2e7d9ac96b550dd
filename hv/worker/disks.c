/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See disks.h.
 */
#include "hv/worker/disks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "hv/disk/engine.h"
#include "hv/disk/open.h"
#include "hv/worker/config.h"
#include "vmbus/disk.h"
#include "vmbus/storvsp.h"

#define SLUG "disk"
/* A channel more for each four processors, as Hyper-V has it. */
#define VPS_PER_CHANNEL 4

_Static_assert((int)WORKER_N_DISK_FORMATS == (int)DISK_N_FORMATS, "the same formats");
_Static_assert((int)WORKER_DISK_VHDX == (int)DISK_FORMAT_VHDX, "in the same order");
_Static_assert((int)WORKER_CACHE_UNSAFE == (int)DISK_CACHE_UNSAFE, "the same caches");

struct one {
	char name[WORKER_NAME_SIZE]; /* "": the place is free */
	enum worker_disk_format format;
	/* While it is being removed: */
	void (*done)(void *arg);
	void *arg;
};

struct disks {
	struct disks_opts opts;
	struct disk_engine *engine;
	struct storvsp *storvsp;
	struct event *event;
	struct one one[WORKER_MAX_DISKS]; /* by lun */
};

static int find(const struct disks *disks, const char *name)
{
	for (int lun = 0; lun < WORKER_MAX_DISKS; lun++) {
		if (disks->one[lun].done == NULL && disks->one[lun].name[0] != '\0' &&
		    strcmp(disks->one[lun].name, name) == 0)
			return lun;
	}
	return -ENOENT;
}

static int no_such(const char *name, struct err *err)
{
	return err_set(err, -ENOENT, "no-disk", "the machine has no disk '%.64s'", name);
}

/* ---- Coming ---- */

static int attach(struct disks *disks, const struct worker_disk_config *config,
		  const struct disk_spec *spec, struct err *err)
{
	struct disk *disk = NULL;
	int rc = disk_open(disks->engine, spec, &disk, err);

	if (rc == 0)
		rc = storvsp_add(disks->storvsp, config->lun, disk, config->name, err);
	if (rc != 0) {
		if (disk != NULL)
			disk->ops->destroy(disk);
		return rc;
	}
	disks->one[config->lun].format = config->format;
	snprintf(disks->one[config->lun].name, WORKER_NAME_SIZE, "%s", config->name);
	return 0;
}

static struct disk_spec spec_of(const struct disks *disks, const struct worker_disk_config *config)
{
	return (struct disk_spec){.name = config->name,
				  .path = config->path,
				  .fd = -1,
				  .format = (enum disk_format)config->format,
				  .cache = (enum disk_cache)config->cache,
				  .read_only = config->readonly,
				  .uid = disks->opts.config->uid,
				  .gid = disks->opts.config->gid,
				  .folder = disks->opts.config->dir};
}

int disks_add(struct disks *disks, const struct worker_disk_config *config, int fd, struct err *err)
{
	struct disk_spec spec = spec_of(disks, config);

	if (find(disks, config->name) >= 0)
		return err_set(err, -EEXIST, "disk-exists", "the machine has a disk '%s'",
			       config->name);
	if (disks->one[config->lun].name[0] != '\0')
		return err_set(err, -EEXIST, "disk-exists", "disk '%s' has lun %u",
			       disks->one[config->lun].name, config->lun);
	if (config->format != WORKER_DISK_RAW && config->format != WORKER_DISK_ISO) {
		err_set(err, -EINVAL, SLUG, "disk '%s': a %s is not added to a machine that runs",
			config->name, worker_disk_format_name(config->format));
		err_why(err, "who serves it must be started before the machine");
		return -EINVAL;
	}
	spec.path = NULL;
	spec.fd = fd;
	return attach(disks, config, &spec, err);
}

/* ---- Going ---- */

static void on_removed(void *arg)
{
	struct one *one = arg;
	void (*done)(void *arg) = one->done;

	one->name[0] = '\0';
	one->done = NULL;
	done(one->arg);
}

int disks_remove(struct disks *disks, const char *name, void (*done)(void *arg), void *arg,
		 struct err *err)
{
	int lun = find(disks, name), rc;

	if (lun < 0)
		return no_such(name, err);
	disks->one[lun].done = done;
	disks->one[lun].arg = arg;
	rc = storvsp_remove(disks->storvsp, (unsigned)lun, on_removed, &disks->one[lun], err);
	if (rc != 0)
		disks->one[lun].done = NULL;
	return rc;
}

int disks_resize(struct disks *disks, const char *name, uint64_t *ret_size, struct err *err)
{
	int lun = find(disks, name);

	if (lun < 0)
		return no_such(name, err);
	return storvsp_resize(disks->storvsp, (unsigned)lun, ret_size, err);
}

/* ---- What there is to know ---- */

static json_t *info_of(const struct one *one, unsigned lun, const struct disk_info *info)
{
	return json_pack("{ss, si, ss, sI, sb}", "name", one->name, "lun", (int)lun, "format",
			 worker_disk_format_name(one->format), "size", (json_int_t)info->size,
			 "readonly", info->read_only);
}

json_t *disks_info(const struct disks *disks)
{
	json_t *list = json_array();
	struct disk_info info;
	struct scsi_stats stats;

	for (unsigned lun = 0; lun < WORKER_MAX_DISKS; lun++) {
		if (disks->one[lun].name[0] != '\0' &&
		    storvsp_stats(disks->storvsp, lun, &stats, &info))
			json_array_append_new(list, info_of(&disks->one[lun], lun, &info));
	}
	return list;
}

static json_t *stats_of(const struct one *one, const struct scsi_stats *s)
{
	return json_pack("{ss, sI, sI, sI, sI, sI, sI, sI, sI, sI, sI}", "name", one->name, "reads",
			 (json_int_t)s->reads, "writes", (json_int_t)s->writes, "flushes",
			 (json_int_t)s->flushes, "discards", (json_int_t)s->discards, "read_bytes",
			 (json_int_t)s->read_bytes, "write_bytes", (json_int_t)s->write_bytes,
			 "errors", (json_int_t)s->errors, "bad_commands",
			 (json_int_t)s->bad_commands, "total_ns", (json_int_t)s->total_ns,
			 "in_flight", (json_int_t)s->in_flight);
}

json_t *disks_stats(const struct disks *disks)
{
	json_t *list = json_array();
	struct disk_info info;
	struct scsi_stats stats;

	for (unsigned lun = 0; lun < WORKER_MAX_DISKS; lun++) {
		if (disks->one[lun].name[0] != '\0' &&
		    storvsp_stats(disks->storvsp, lun, &stats, &info))
			json_array_append_new(list, stats_of(&disks->one[lun], &stats));
	}
	return list;
}

/* ---- Life ---- */

static void on_trouble(void *ctx, unsigned lun, const char *text)
{
	const struct disks *disks = ctx;

	disks->opts.trouble(disks->opts.ctx, disks->one[lun].name, text);
}

static void on_event(evutil_socket_t fd, short what, void *ctx)
{
	storvsp_event(((struct disks *)ctx)->storvsp);
}

static int make_controller(struct disks *disks, struct err *err)
{
	const struct worker_config *config = disks->opts.config;
	struct storvsp_opts opts = {.server = disks->opts.server,
				    .memory = disks->opts.memory,
				    .name = config->name,
				    .max_channels = 1 + config->processors / VPS_PER_CHANNEL,
				    .trouble = on_trouble,
				    .ctx = disks};
	int rc = disk_engine_create(false, &disks->engine, err);

	if (rc == 0)
		rc = storvsp_create(&opts, &disks->storvsp, err);
	if (rc != 0)
		return rc;
	disks->event = event_new(disks->opts.base, storvsp_fd(disks->storvsp), EV_READ | EV_PERSIST,
				 on_event, disks);
	if (disks->event == NULL || event_add(disks->event, NULL) != 0)
		return err_set(err, -ENOMEM, SLUG, "not enough memory");
	return 0;
}

static int open_disks(struct disks *disks, struct err *err)
{
	const struct worker_config *config = disks->opts.config;
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < config->n_disks; i++) {
		struct disk_spec spec = spec_of(disks, &config->disks[i]);

		rc = attach(disks, &config->disks[i], &spec, err);
	}
	return rc;
}

int disks_create(const struct disks_opts *opts, struct disks **ret_disks, struct err *err)
{
	struct disks *disks = calloc(1, sizeof(*disks));
	int rc;

	if (disks == NULL)
		return err_set(err, -ENOMEM, SLUG, "not enough memory");
	disks->opts = *opts;
	rc = make_controller(disks, err);
	if (rc == 0)
		rc = open_disks(disks, err);
	if (rc != 0) {
		disks_destroy(disks);
		return rc;
	}
	*ret_disks = disks;
	return 0;
}

void disks_destroy(struct disks *disks)
{
	if (disks == NULL)
		return;
	if (disks->event != NULL)
		event_free(disks->event);
	storvsp_destroy(disks->storvsp, NULL, NULL);
	disk_engine_destroy(disks->engine);
	free(disks);
}
