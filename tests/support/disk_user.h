/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Uses a disk (vmbus/disk.h) as a controller does, one io at a time or several: for tests of
 * images.
 */
#ifndef TESTS_SUPPORT_DISK_USER_H
#define TESTS_SUPPORT_DISK_USER_H

#include "vmbus/disk.h"

#define DISK_USER_MAX_IOV 300

struct disk_use {
	struct disk_io io;
	struct iovec iov[DISK_USER_MAX_IOV];
	bool done;
	int rc;
};

/* Begins an io on 'bytes' (may be NULL), cut into pieces of 'piece' bytes (0: one). */
void disk_use_begin(struct disk *disk, struct disk_use *use, enum disk_op op, uint64_t offset,
		    uint64_t size, void *bytes, size_t piece);
/* Waits for it, 30 s at most; what it came to, -ETIMEDOUT. */
int disk_use_wait(struct disk *disk, struct disk_use *use);
/* Both. */
int disk_use(struct disk *disk, enum disk_op op, uint64_t offset, uint64_t size, void *bytes);
/* Random writes, zeroings, discards and reads, eight under way at once, against a model, ended by a
 * comparison of all of it.  0, or the number of the step that went wrong. */
unsigned disk_use_randomly(struct disk *disk, unsigned n_steps, uint32_t seed);

#endif
