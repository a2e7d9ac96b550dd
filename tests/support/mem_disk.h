/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A disk of memory for tests: completes at once, or when told to, or with an error; and keeps what
 * would survive a power cut apart from what would not.
 */
#ifndef TESTS_SUPPORT_MEM_DISK_H
#define TESTS_SUPPORT_MEM_DISK_H

#include "vmbus/disk.h"

#define MEM_DISK_MAX_HELD 1024

struct mem_disk {
	struct disk disk;
	uint8_t *bytes;	 /* info.size of them */
	uint8_t *stable; /* as of the last flush, and of writes with 'fua' */
	unsigned n[DISK_N_OPS], n_kicks, n_destroyed;
	uint64_t next_size; /* that resize() finds; 0: no other */
	/* The next io of that kind fails with 'fail_rc', if that is not 0. */
	enum disk_op fail_op;
	int fail_rc;
	bool hold; /* ios wait for mem_disk_release() */
	struct disk_io *held[MEM_DISK_MAX_HELD];
	unsigned n_held;
	bool release; /* work() completes all that is held */
};

/* 'size' bytes of zeros, blocks of 'block_size', discards by 4 KB.  Aborts without memory. */
void mem_disk_init(struct mem_disk *m, uint64_t size, uint32_t block_size);
/* What destroy() does not: it is the caller's. */
void mem_disk_fini(struct mem_disk *m);
/* Completes what is held, at the next work(), of which 'fd' tells. */
void mem_disk_release(struct mem_disk *m);

#endif
