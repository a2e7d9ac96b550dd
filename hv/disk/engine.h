/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The I/O of files: one io_uring for all disks of a controller, made before its process locks
 * itself in, and restricted to reading, writing, flushing and giving room back, so that it is no
 * way around a system call filter.  Where the kernel gives none (an administrator may forbid it),
 * calls are made in place, one after the other: slower, and as right.
 *
 * Thread: one at a time; that of the controller.
 */
#ifndef HV_DISK_ENGINE_H
#define HV_DISK_ENGINE_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/uio.h>

enum disk_call {
	DISK_CALL_READ,
	DISK_CALL_WRITE,
	DISK_CALL_WRITE_SYNC, /* with RWF_DSYNC */
	DISK_CALL_DATASYNC,
	DISK_CALL_FALLOCATE,
};

/* One system call on a file; the caller's until done. */
struct disk_op_call {
	STAILQ_ENTRY(disk_op_call) link;
	enum disk_call call;
	int fd;
	int mode; /* of FALLOCATE */
	uint64_t offset, size;
	struct iovec *iov;
	unsigned n_iov;
	/* What it returned, or a negative errno. */
	void (*done)(struct disk_op_call *call, int64_t result);
};

struct disk_engine;

/* 'in_place': without io_uring, for tests.  0 or -ENOMEM. */
int disk_engine_create(bool in_place, struct disk_engine **ret_engine, struct err *err);
/* Nothing is in flight.  Takes NULL. */
void disk_engine_destroy(struct disk_engine *engine);
/* Readable when calls are done; -1: they always are at once. */
int disk_engine_fd(const struct disk_engine *engine);

/* Makes a call, now or later; it begins with the next disk_engine_kick() at the latest. */
void disk_engine_call(struct disk_engine *engine, struct disk_op_call *call);
void disk_engine_kick(struct disk_engine *engine);
/* Takes what is done. */
void disk_engine_work(struct disk_engine *engine);

/* Calls made, by kind: tests count flushes. */
uint64_t disk_engine_calls(const struct disk_engine *engine, enum disk_call call);

#endif
