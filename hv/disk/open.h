/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Images as disks (vmbus/disk.h):
 *
 * 	raw, iso            a file or a block device, by io_uring (file.c, engine.h)
 * 	qcow2, vhd, vhdx    by NBD from a qemu-storage-daemon of its own (nbd.c, qsd.h)
 *
 * An image is locked as QEMU's tools lock theirs, so that neither another machine nor a qemu-img
 * writes it meanwhile.
 *
 * What needs paths or new processes happens in disk_open(): after that a disk makes calls on its
 * descriptors alone, so that its process may lock itself in.  Whoever is locked in already opens
 * raw images and ISOs by descriptor, and the others by a socket that leads to an NBD server.
 */
#ifndef HV_DISK_OPEN_H
#define HV_DISK_OPEN_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum disk_format {
	DISK_FORMAT_RAW,
	DISK_FORMAT_ISO,
	DISK_FORMAT_QCOW2,
	DISK_FORMAT_VHD,
	DISK_FORMAT_VHDX,
	DISK_N_FORMATS,
};

/* What becomes of a guest's flushes. */
enum disk_cache {
	DISK_CACHE_SAFE, /* what was flushed is on the medium; reads come from the host's memory */
	DISK_CACHE_DIRECT, /* the same, past the host's memory */
	DISK_CACHE_UNSAFE, /* they are answered and not done: for what can be made again */
};

struct disk;
struct disk_engine;

struct disk_spec {
	const char *name; /* for errors */
	const char *path; /* NULL: 'fd' is it */
	int fd;		  /* the image, or a connected socket (NBD); the caller's */
	enum disk_format format;
	enum disk_cache cache;
	bool read_only; /* an ISO always is */
	/* Of the storage daemon: what it becomes (0: stays what we are), and a folder for its
	 * socket, which nobody else may write to. */
	uid_t uid;
	gid_t gid;
	const char *folder; /* NULL: one of its own in /tmp */
};

/* "raw", "iso", "qcow2", "vhd", "vhdx": -EINVAL for another. */
int disk_format_parse(const char *word, enum disk_format *ret_format);
const char *disk_format_name(enum disk_format format);

/* Opens an image.  'engine' is borrowed until the disk is destroyed.  The disk is used by one
 * thread at a time, that which uses the engine's other disks.  Errors name the image: -ENOENT,
 * -EACCES, -EBUSY (somebody else has it), -EINVAL (it is none, or not a multiple of its blocks),
 * -EPROTO (the storage daemon does not take it, with its words). */
int disk_open(struct disk_engine *engine, const struct disk_spec *spec, struct disk **ret_disk,
	      struct err *err);

#endif
