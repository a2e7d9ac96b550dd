/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where a capture's blocks go: a descriptor that somebody opened (a file, a pipe, a socket, a
 * terminal), or a ring of files in a folder.  Buffers whole blocks and writes only whole blocks
 * to a file, so that a reader of a growing one rarely sees half a block.
 *
 * The writer thread must not wait for a reader that does not read: sockets are asked not to block
 * per call, and pipes and terminals are written a page at a time when poll() says that a page
 * fits (their O_NONBLOCK belongs to whoever else holds them and is left alone).  A file's write
 * may wait for the disk.
 *
 * A full disk: the file is cut back to its last whole block, so what was captured stays readable.
 *
 * Ring files are opened with the file-system identity of the peer who asked, groups dropped: the
 * daemon's root opens nothing for anybody.  One thread at a time: the control thread until the
 * capture runs, then the writer.
 */
#ifndef FILTERS_CAPTURE_FILE_H
#define FILTERS_CAPTURE_FILE_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <sys/types.h>

struct filter_file;

#define FILTER_FILE_BUFFER (512u * 1024)

struct filter_file_ring {
	int dir_fd;	    /* the folder, opened by the peer */
	const char *base;   /* "name": files are name_00001.pcapng and on; no '/' */
	unsigned n_files;   /* at most this many stay; the oldest is deleted */
	uint64_t file_size; /* bytes */
	uid_t uid;
	gid_t gid;
};

/* Takes 'fd', on failure too.  -ENOMEM, or -EINVAL for what cannot be written. */
int filter_file_open_fd(int fd, struct filter_file **ret_file, struct err *err);
/* Opens the first file.  Takes ring->dir_fd, on failure too. */
int filter_file_open_ring(const struct filter_file_ring *ring, struct filter_file **ret_file,
			  struct err *err);
/* Closes; what is still buffered is gone.  Takes NULL. */
void filter_file_close(struct filter_file *file);
/* Gives up what is buffered: its packets count as unwritten. */
void filter_file_discard(struct filter_file *file);

/* 'size' bytes (at most FILTER_FILE_BUFFER) for a block, or NULL when the buffer is full because
 * the reader does not read or writing failed (filter_file_error()).  Then filter_file_commit()
 * the block's real size, 0 for none. */
void *filter_file_reserve(struct filter_file *file, size_t size);
void filter_file_commit(struct filter_file *file, size_t size);

/* Hands to the kernel what is buffered.  0, -EAGAIN when the reader does not read, or what
 * failed. */
int filter_file_flush(struct filter_file *file);
bool filter_file_is_empty(const struct filter_file *file); /* nothing is buffered */
uint64_t filter_file_oldest_ns(
	const struct filter_file *file); /* CLOCK_MONOTONIC of the oldest buffered; 0: none */

/* Has the pipe's or socket's other end gone? */
bool filter_file_reader_gone(const struct filter_file *file);
/* What ended writing: 0, -ENOSPC, -EPIPE.. */
int filter_file_error(const struct filter_file *file);

/* Ring: would 'more' bytes go beyond the file's size? */
bool filter_file_is_full(const struct filter_file *file, size_t more);
/* Ring: finishes this file, opens the next, deletes the oldest. */
int filter_file_rotate(struct filter_file *file);

struct filter_file_counts {
	uint64_t bytes;	    /* handed to the kernel, and kept there */
	uint64_t unwritten; /* packets that were committed but never got there */
	unsigned files;	    /* opened so far */
};
struct filter_file_counts filter_file_counts(const struct filter_file *file);

#endif
