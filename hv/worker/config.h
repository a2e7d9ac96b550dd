/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a worker is to run, as whoever starts it says (JSON, docs/vmworker.md): read once, checked
 * whole before anything is opened, and never written again.
 *
 * Thread: the owner's.
 */
#ifndef HV_WORKER_CONFIG_H
#define HV_WORKER_CONFIG_H

#include "ctl/base/err.h"
#include "hv/partition.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

#define WORKER_MAX_NICS	   8
#define WORKER_MAX_DISKS   64
#define WORKER_NAME_SIZE   64	     /* of VMs, NICs and disks, with the zero */
#define WORKER_CONFIG_MAX  (1 << 18) /* bytes */
#define WORKER_CMDLINE_MAX 2047	     /* bytes; what x86 kernels take (COMMAND_LINE_SIZE) */

enum worker_disk_format {
	WORKER_DISK_RAW,
	WORKER_DISK_ISO,
	WORKER_DISK_QCOW2,
	WORKER_DISK_VHD,
	WORKER_DISK_VHDX,
	WORKER_N_DISK_FORMATS,
};

enum worker_disk_cache {
	WORKER_CACHE_SAFE,   /* what the guest flushed is on the medium */
	WORKER_CACHE_DIRECT, /* the same, past the host's page cache */
	WORKER_CACHE_UNSAFE, /* flushes are answered, not done */
	WORKER_N_CACHES,
};

struct worker_disk_config {
	char name[WORKER_NAME_SIZE];
	char *path; /* NULL: a descriptor comes with it */
	enum worker_disk_format format;
	enum worker_disk_cache cache;
	bool readonly;
	unsigned lun; /* 0 to WORKER_MAX_DISKS - 1; each once */
};

enum worker_on_crash { WORKER_CRASH_STOP, WORKER_CRASH_KEEP, WORKER_CRASH_RESET };

struct worker_config {
	char name[WORKER_NAME_SIZE];
	uint32_t id;
	uid_t uid; /* the worker becomes this user, */
	gid_t gid; /* and this group */
	bool has_group;
	gid_t group; /* who else may use the console */
	char *dir;   /* control.sock and console.sock are made here */

	uint64_t memory_size, memory_minimum, memory_maximum; /* bytes */
	unsigned memory_buffer, memory_priority;	      /* percent */
	enum hv_memory_pages memory_pages;

	unsigned processors;
	char cpu[32];
	bool nested;
	bool vsock; /* streams between host and guest */
	enum hv_face face;

	char *kernel, *initrd, *cmdline; /* initrd: may be NULL */
	unsigned n_nics;
	char nics[WORKER_MAX_NICS][WORKER_NAME_SIZE];
	unsigned n_disks;
	struct worker_disk_config disks[WORKER_MAX_DISKS];
	enum worker_on_crash on_crash;
};

/* Reads all of 'fd' (at most WORKER_CONFIG_MAX bytes) and takes it as worker_config_parse() does.
 * The descriptor stays the caller's. */
int worker_config_read(int fd, struct worker_config **ret_config, struct err *err);
/* 0; -EINVAL (slug "bad-config"), with what is wrong and where; -ENOMEM.  What it does not know it
 * refuses: a setting that has no effect would be a lie. */
int worker_config_parse(const char *text, size_t size, struct worker_config **ret_config,
			struct err *err);
/* Takes NULL. */
void worker_config_destroy(struct worker_config *config);

/* One disk, as in the configuration; 'where' is what errors call it. */
int worker_disk_parse(const json_t *object, const char *where, struct worker_disk_config *ret_disk,
		      struct err *err);
void worker_disk_fini(struct worker_disk_config *disk);

/* A name that may stand in paths, messages and JSON: letters, digits, '.', '_', '-', ':', '@' and
 * '+', not first a '.' or '-', shorter than WORKER_NAME_SIZE. */
bool worker_name_valid(const char *name);

const char *worker_disk_format_name(enum worker_disk_format format);

#endif
