/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A disk as its controller sees it: what takes reads, writes and flushes and completes them later.
 * hv/disk has the real ones (files, block devices, NBD); tests have one of memory.
 *
 * 	controller ──submit()──► disk ...   queued: nothing need happen yet
 * 	           ──kick()────►            end of a batch: all that is queued is on its way
 * 	           ◄──io->done()──          from submit(), kick() or work(), once for each
 * 	 poll(fd)  ──work()────►            when 'fd' is readable
 *
 * What a disk promises its guest: a read gives what the last completed write put there; what was
 * completed before a FLUSH began is on stable storage when the FLUSH completes with 0, and so is a
 * write with 'fua' when it completes.  A disk that cannot keep that says so by an error, never by
 * silence.
 *
 * The bytes of 'iov' are the guest's memory: it may change them meanwhile, so a disk looks at none
 * of them twice.
 *
 * Thread: that of the controller, after the disk was given to it (storvsp.h); destroy() on the
 * owner's, when nothing is in flight.
 */
#ifndef VMBUS_DISK_H
#define VMBUS_DISK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum disk_op {
	DISK_READ,
	DISK_WRITE,
	DISK_FLUSH,   /* no range */
	DISK_DISCARD, /* the bytes are not needed any more; a hint */
	DISK_ZERO,    /* the bytes read as zeros afterwards */
	DISK_N_OPS,
};

struct disk_io {
	enum disk_op op;
	bool fua;	 /* WRITE, ZERO: durable when done */
	bool may_unmap;	 /* ZERO: the room may be given back */
	uint64_t offset; /* bytes, of the first block */
	uint64_t size;	 /* bytes; a multiple of the block size, within the disk */
	/* READ, WRITE: where the bytes are, 'size' in all; borrowed until done, and the disk's to
	 * change. */
	struct iovec *iov;
	unsigned n_iov;
	/* 0; -ENOSPC: no room for it; -EROFS; -ENODATA: the image ends before; -ENOMEM: try again;
	 * anything else: it failed.  May free the io. */
	void (*done)(struct disk_io *io, int rc);
	/* The disk's. */
	void *disk_ptr;
	uint64_t disk_word[3];
};

struct disk_info {
	uint64_t size;		 /* bytes, a multiple of block_size */
	uint32_t block_size;	 /* 512, 2048 or 4096 */
	uint32_t physical_block; /* what is written as one; a power of two, at least block_size */
	uint32_t discard_unit;	 /* bytes; 0: no DISCARD */
	uint32_t max_iov;	 /* pieces of one io at most; 0: 1024 */
	bool read_only;
	bool dvd;
	bool write_cache;   /* completed writes may be lost until a FLUSH */
	bool discard_zeros; /* discarded bytes read as zeros */
};

struct disk;

struct disk_ops {
	void (*submit)(struct disk *disk, struct disk_io *io);
	/* May be NULL. */
	void (*kick)(struct disk *disk);
	/* May be NULL, when 'fd' is -1. */
	void (*work)(struct disk *disk);
	/* Looks at the size of what is behind it, and puts it into disk->info.  0 or negative.
	 * May be NULL: it never changes. */
	int (*resize)(struct disk *disk);
	/* Nothing is in flight. */
	void (*destroy)(struct disk *disk);
};

/* The head of a disk; the rest is its maker's. */
struct disk {
	const struct disk_ops *ops;
	struct disk_info info; /* changed by 'resize' alone */
	int fd;		       /* readable: call work(); several disks may share one; -1: none */
};

#endif
