/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See disk.h.
 */
#include "hv/worker/disk.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/event.h>

#include "ctl/base/clock.h"
#include "hv/disk/engine.h"
#include "hv/disk/open.h"
#include "hv/worker/config.h"
#include "vmbus/disk.h"
#include "vmbus/storvsp.h"

#define SLUG   "disk"
#define END_MS 5000 /* for I/O under way, at the end */
/* The controller's instance: the same in every machine, as its first disk's path in a guest. */
#define CONTROLLER "scsi0"

struct unit {
	bool used;
	bool leaving; /* it was removed, and its commands are not done */
	char name[WORKER_NAME_SIZE];
	enum worker_disk_format format;
	enum worker_disk_cache cache;
	struct disks *disks;
};

struct disks {
	struct disks_opts opts;
	struct disk_engine *engine;
	struct storvsp *storvsp;
	struct event *event;
	struct unit units[SCSI_MAX_LUNS]; /* by LUN */
};

static const enum disk_format formats[WORKER_N_DISK_FORMATS] = {
	[WORKER_DISK_RAW] = DISK_FORMAT_RAW,	 [WORKER_DISK_ISO] = DISK_FORMAT_ISO,
	[WORKER_DISK_QCOW2] = DISK_FORMAT_QCOW2, [WORKER_DISK_VHD] = DISK_FORMAT_VHD,
	[WORKER_DISK_VHDX] = DISK_FORMAT_VHDX,
};
static const enum disk_cache caches[WORKER_N_CACHES] = {
	[WORKER_CACHE_SAFE] = DISK_CACHE_SAFE,
	[WORKER_CACHE_DIRECT] = DISK_CACHE_DIRECT,
	[WORKER_CACHE_UNSAFE] = DISK_CACHE_UNSAFE,
};
static const char *const cache_names[WORKER_N_CACHES] = {
	[WORKER_CACHE_SAFE] = "safe",
	[WORKER_CACHE_DIRECT] = "direct",
	[WORKER_CACHE_UNSAFE] = "unsafe",
};

static struct unit *find(struct disks *disks, const char *name)
{
	for (unsigned i = 0; i < SCSI_MAX_LUNS; i++) {
		struct unit *unit = &disks->units[i];

		if (unit->used && !unit->leaving && strcmp(unit->name, name) == 0)
			return unit;
	}
	return NULL;
}

static unsigned lun_of(const struct unit *unit)
{
	return (unsigned)(unit - unit->disks->units);
}

static int no_such(const char *name, struct err *err)
{
	return err_set(err, -ENOENT, "no-disk", "the machine has no disk '%.64s'", name);
}

/* ---- Disks come and go ---- */

static int check(struct disks *disks, const struct worker_disk_config *config, struct err *err)
{
	if (find(disks, config->name) != NULL)
		return err_set(err, -EEXIST, "disk-exists", "the machine has a disk '%s'",
			       config->name);
	if (config->lun >= SCSI_MAX_LUNS)
		return err_set(err, -EINVAL, SLUG, "disk '%s': LUN %u: must be 0 to %u",
			       config->name, config->lun, SCSI_MAX_LUNS - 1);
	if (disks->units[config->lun].used)
		return err_set(err, -EEXIST, "disk-exists", "disk '%s': LUN %u is that of '%s'%s",
			       config->name, config->lun, disks->units[config->lun].name,
			       disks->units[config->lun].leaving ? ", which is still in use" : "");
	return 0;
}

int disks_add(struct disks *disks, const struct worker_disk_config *config, int fd, struct err *err)
{
	struct disk_spec spec = {
		.name = config->name,
		.path = fd < 0 ? config->path : NULL,
		.fd = fd,
		.format = formats[config->format],
		.cache = caches[config->cache],
		.read_only = config->readonly,
		.uid = disks->opts.uid,
		.gid = disks->opts.gid,
		.folder = disks->opts.folder,
	};
	struct disk *disk;
	struct unit *unit;
	int rc = check(disks, config, err);

	if (rc == 0)
		rc = disk_open(disks->engine, &spec, &disk, err);
	if (rc != 0)
		return rc;
	rc = storvsp_add(disks->storvsp, config->lun, disk, config->name, err);
	if (rc != 0) {
		disk->ops->destroy(disk);
		return rc;
	}
	unit = &disks->units[config->lun];
	*unit = (struct unit){.used = true,
			      .format = config->format,
			      .cache = config->cache,
			      .disks = disks};
	snprintf(unit->name, sizeof(unit->name), "%s", config->name);
	return 0;
}

static void on_removed(void *ctx)
{
	struct unit *unit = ctx;

	unit->used = false;
	unit->leaving = false;
}

int disks_remove(struct disks *disks, const char *name, struct err *err)
{
	struct unit *unit = find(disks, name);

	if (unit == NULL)
		return no_such(name, err);
	unit->leaving = true;
	return storvsp_remove(disks->storvsp, lun_of(unit), on_removed, unit, err);
}

int disks_resize(struct disks *disks, const char *name, uint64_t *ret_size, struct err *err)
{
	const struct unit *unit = find(disks, name);

	if (unit == NULL)
		return no_such(name, err);
	return storvsp_resize(disks->storvsp, lun_of(unit), ret_size, err);
}

/* ---- What there is to know ---- */

json_t *disks_info(const struct disks *disks)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < SCSI_MAX_LUNS; i++) {
		const struct unit *unit = &disks->units[i];
		struct scsi_stats stats;
		struct disk_info info;

		if (!unit->used || !storvsp_stats(disks->storvsp, i, &stats, &info))
			continue;
		json_array_append_new(list,
				      json_pack("{ss, si, ss, sI, si, sb, sb, ss}", "name",
						unit->name, "lun", (int)i, "format",
						disk_format_name(formats[unit->format]), "size",
						(json_int_t)info.size, "block",
						(int)info.block_size, "read_only", info.read_only,
						"discard", info.discard_unit != 0, "cache",
						cache_names[unit->cache]));
	}
	return list;
}

/* Microseconds below which so many thousandths of all were. */
static json_int_t percentile(const uint64_t buckets[SCSI_N_BUCKETS], unsigned thousandths)
{
	uint64_t all = 0, sum = 0;

	for (unsigned i = 0; i < SCSI_N_BUCKETS; i++)
		all += buckets[i];
	for (unsigned i = 0; i < SCSI_N_BUCKETS; i++) {
		sum += buckets[i];
		if (all > 0 && sum * 1000 >= all * thousandths)
			return (json_int_t)1 << i;
	}
	return 0;
}

static json_t *unit_stats(const struct unit *unit, const struct scsi_stats *s)
{
	uint64_t n = s->reads + s->writes + s->flushes + s->discards;

	return json_pack("{ss, sI, sI, sI, sI, sI, sI, sI, sI, si, sI, sI, sI, sI}", "name",
			 unit->name, "reads", (json_int_t)s->reads, "writes", (json_int_t)s->writes,
			 "flushes", (json_int_t)s->flushes, "discards", (json_int_t)s->discards,
			 "read_bytes", (json_int_t)s->read_bytes, "write_bytes",
			 (json_int_t)s->write_bytes, "errors", (json_int_t)s->errors,
			 "bad_commands", (json_int_t)s->bad_commands, "in_flight",
			 (int)s->in_flight, "average_us",
			 (json_int_t)(n > 0 ? s->total_ns / n / 1000 : 0), "half_below_us",
			 percentile(s->latency, 500), "99_percent_below_us",
			 percentile(s->latency, 990), "flush_99_percent_below_us",
			 percentile(s->flush_latency, 990));
}

json_t *disks_controller_stats(const struct disks *disks)
{
	struct storvsp_info info;
	json_t *faults = json_object();

	storvsp_info(disks->storvsp, &info);
	for (int i = 0; i < STORVSP_N_FAULTS; i++)
		json_object_set_new(faults, storvsp_fault_slug((enum storvsp_fault)i),
				    json_integer((json_int_t)info.faults[i]));
	return json_pack("{si, si, sI, sI, si, so}", "version", (int)info.version, "channels",
			 (int)info.n_channels, "commands", (json_int_t)info.commands, "interrupts",
			 (json_int_t)info.interrupts, "in_flight", (int)info.in_flight, "faults",
			 faults);
}

json_t *disks_stats(const struct disks *disks)
{
	json_t *list = json_array();

	for (unsigned i = 0; i < SCSI_MAX_LUNS; i++) {
		struct scsi_stats stats;
		struct disk_info info;

		if (disks->units[i].used && storvsp_stats(disks->storvsp, i, &stats, &info))
			json_array_append_new(list, unit_stats(&disks->units[i], &stats));
	}
	return list;
}

/* ---- Life ---- */

static void on_event(evutil_socket_t fd, short what, void *ctx)
{
	storvsp_event(((struct disks *)ctx)->storvsp);
}

static void on_trouble(void *ctx, unsigned lun, const char *text)
{
	struct disks *disks = ctx;

	if (disks->opts.event != NULL)
		disks->opts.event(disks->opts.ctx, disks->units[lun].name, text);
}

static int start(struct disks *disks, struct err *err)
{
	struct storvsp_opts opts = {
		.server = disks->opts.server,
		.memory = disks->opts.memory,
		.name = CONTROLLER,
		.max_channels = disks->opts.n_channels < STORVSP_MAX_CHANNELS
					? disks->opts.n_channels
					: STORVSP_MAX_CHANNELS,
		.trouble = on_trouble,
		.ctx = disks,
	};
	int rc = disk_engine_create(false, &disks->engine, err);

	if (rc == 0)
		rc = storvsp_create(&opts, &disks->storvsp, err);
	if (rc != 0)
		return rc;
	disks->event = event_new(disks->opts.base, storvsp_fd(disks->storvsp), EV_READ | EV_PERSIST,
				 on_event, disks);
	if (disks->event == NULL || event_add(disks->event, NULL) != 0)
		return err_set(err, -ENOMEM, SLUG, "not enough memory for disks");
	return 0;
}

int disks_create(const struct disks_opts *opts, struct disks **ret_disks, struct err *err)
{
	struct disks *disks = calloc(1, sizeof(*disks));
	int rc;

	if (disks == NULL)
		return err_set(err, -ENOMEM, SLUG, "not enough memory for disks");
	disks->opts = *opts;
	rc = start(disks, err);
	if (rc != 0) {
		disks_destroy(disks);
		return rc;
	}
	*ret_disks = disks;
	return 0;
}

/* The controller's last word, perhaps from the bus's end. */
static void on_gone(void *ctx)
{
	struct disks *disks = ctx;

	disk_engine_destroy(disks->engine);
	free(disks);
}

/* Nothing writes the guest's memory any more when its channels are closed. */
static void drain(struct disks *disks)
{
	uint64_t end = clock_mono_ns() + END_MS * 1000000ull;
	struct storvsp_info info;

	for (;;) {
		struct pollfd fd = {.fd = storvsp_fd(disks->storvsp), .events = POLLIN};

		storvsp_info(disks->storvsp, &info);
		if (info.in_flight == 0 || clock_mono_ns() > end)
			return;
		(void)poll(&fd, 1, 10);
	}
}

void disks_destroy(struct disks *disks)
{
	if (disks == NULL)
		return;
	if (disks->event != NULL)
		event_free(disks->event);
	if (disks->storvsp == NULL) {
		on_gone(disks);
		return;
	}
	/* Its processors stand: what is under way ends, and no more comes. */
	drain(disks);
	storvsp_destroy(disks->storvsp, on_gone, disks);
}
