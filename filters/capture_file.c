/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where a capture's blocks go; see capture_file.h.
 */
#include "filters/capture_file.h"

#include "ctl/base/clock.h"
#include "filters/pcapng.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <sys/fsuid.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>

/* poll() says that a pipe takes at least this much without waiting (pipe(7), PIPE_BUF). */
#define PIPE_PAGE  4096u
#define PIPE_SIZE  (1024 * 1024)
#define MAX_GROUPS 256

enum kind { KIND_FILE, KIND_SOCKET, KIND_STREAM };

struct filter_file {
	int fd;
	enum kind kind;
	bool ring;
	struct filter_file_ring opts;
	char base[128];
	unsigned number;  /* of the open ring file, from 1 */
	uint64_t written; /* to the open file */
	int error;
	struct filter_file_counts counts;
	uint64_t oldest_ns;
	size_t start, end; /* the buffered bytes; whole blocks but for the first on a stream */
	uint8_t buf[FILTER_FILE_BUFFER];
};

/* The identity a file is opened with belongs to the thread; these are system calls on this thread
 * only, while glibc's setgroups() would change all threads. */
struct identity {
	uid_t uid;
	gid_t gid;
	int n_groups;
	gid_t groups[MAX_GROUPS];
	bool changed;
};

static void identity_restore(const struct identity *before)
{
	if (!before->changed)
		return;
	setfsuid(before->uid);
	setfsgid(before->gid);
	syscall(SYS_setgroups, (size_t)before->n_groups, before->groups);
}

/* -EPERM when this thread may not become that user. */
static int identity_take(uid_t uid, gid_t gid, struct identity *ret_before)
{
	ret_before->changed = false;
	ret_before->uid = (uid_t)setfsuid((uid_t)-1);
	ret_before->gid = (gid_t)setfsgid((gid_t)-1);
	if (ret_before->uid == uid && ret_before->gid == gid)
		return 0;
	ret_before->n_groups = getgroups(MAX_GROUPS, ret_before->groups);
	if (ret_before->n_groups < 0 || syscall(SYS_setgroups, (size_t)0, NULL) != 0)
		return -EPERM;
	ret_before->changed = true;
	/* These two return the old value whether they worked or not: asked again below. */
	setfsgid(gid);
	setfsuid(uid);
	if ((uid_t)setfsuid((uid_t)-1) == uid && (gid_t)setfsgid((gid_t)-1) == gid)
		return 0;
	identity_restore(ret_before);
	return -EPERM;
}

static void ring_name(const struct filter_file *file, unsigned number, char *ret, size_t size)
{
	snprintf(ret, size, "%s_%05u.pcapng", file->base, number);
}

/* Opens ring file 'number' and makes it the open one, or leaves all as it was. */
static int ring_open(struct filter_file *file, unsigned number)
{
	struct identity before;
	struct stat st;
	char name[160];
	int fd, rc = identity_take(file->opts.uid, file->opts.gid, &before);

	if (rc != 0)
		return rc;
	ring_name(file, number, name, sizeof(name));
	/* O_NONBLOCK: a fifo of that name must not hold the thread. */
	fd = openat(file->opts.dir_fd, name,
		    O_WRONLY | O_CREAT | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK, 0600);
	rc = fd < 0 ? -errno : 0;
	if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)))
		rc = -EINVAL;
	else if (fd >= 0 && ftruncate(fd, 0) != 0)
		rc = -errno;
	if (rc == 0 && number > file->opts.n_files) {
		ring_name(file, number - file->opts.n_files, name, sizeof(name));
		unlinkat(file->opts.dir_fd, name, 0); /* Somebody may have moved it away: fine. */
	}
	identity_restore(&before);
	if (rc != 0) {
		if (fd >= 0)
			close(fd);
		return rc;
	}
	if (file->fd >= 0)
		close(file->fd);
	file->fd = fd;
	file->kind = KIND_FILE;
	file->number = number;
	file->written = 0;
	file->counts.files++;
	return 0;
}

static struct filter_file *file_alloc(void)
{
	struct filter_file *file = malloc(sizeof(*file));

	if (file == NULL)
		return NULL;
	memset(file, 0, offsetof(struct filter_file, buf));
	file->fd = -1;
	file->opts.dir_fd = -1;
	return file;
}

int filter_file_open_fd(int fd, struct filter_file **ret_file, struct err *err)
{
	int flags = fcntl(fd, F_GETFL);
	struct filter_file *file;
	struct stat st;

	if (flags < 0 || (flags & O_ACCMODE) == O_RDONLY || fstat(fd, &st) != 0 ||
	    S_ISDIR(st.st_mode)) {
		if (flags >= 0)
			close(fd);
		return err_set(err, -EINVAL, "bad-output",
			       "the capture's output cannot be written");
	}
	file = file_alloc();
	if (file == NULL) {
		close(fd);
		return err_set(err, -ENOMEM, "no-memory", "no memory for a capture");
	}
	file->fd = fd;
	file->kind = S_ISREG(st.st_mode)    ? KIND_FILE
		     : S_ISSOCK(st.st_mode) ? KIND_SOCKET
					    : KIND_STREAM;
	file->counts.files = 1;
	fcntl(fd, F_SETPIPE_SZ,
	      PIPE_SIZE); /* What a pipe holds is what a round can write; fails on all else. */
	*ret_file = file;
	return 0;
}

static int ring_refuse(const struct filter_file *file, int rc, struct err *err)
{
	char name[160];

	ring_name(file, 1, name, sizeof(name));
	err_set(err, rc, "capture-file", "cannot write %s: %s", name, strerror(-rc));
	err_why(err, "the file is opened as user %u, group %u, who asked for the capture",
		(unsigned)file->opts.uid, (unsigned)file->opts.gid);
	err_fix(err, "choose a folder that this user may write");
	return rc;
}

int filter_file_open_ring(const struct filter_file_ring *ring, struct filter_file **ret_file,
			  struct err *err)
{
	struct filter_file *file;
	int rc;

	if (ring->base[0] == '\0' || strlen(ring->base) >= sizeof(file->base) ||
	    strchr(ring->base, '/') != NULL) {
		close(ring->dir_fd);
		return err_set(err, -EINVAL, "bad-output", "'%.60s' is no name for capture files",
			       ring->base);
	}
	if (ring->n_files == 0 || ring->file_size == 0) {
		close(ring->dir_fd);
		return err_set(err, -EINVAL, "bad-output",
			       "a ring of capture files has at least one file and one byte");
	}
	file = file_alloc();
	if (file == NULL) {
		close(ring->dir_fd);
		return err_set(err, -ENOMEM, "no-memory", "no memory for a capture");
	}
	file->ring = true;
	file->opts = *ring;
	file->opts.base = NULL; /* Borrowed; ours is the copy. */
	snprintf(file->base, sizeof(file->base), "%s", ring->base);
	rc = ring_open(file, 1);
	if (rc != 0) {
		ring_refuse(file, rc, err);
		filter_file_close(file);
		return rc;
	}
	*ret_file = file;
	return 0;
}

/* The buffer starts at a block, which may be written in part. */
void filter_file_discard(struct filter_file *file)
{
	uint64_t all, written;

	filter_pcapng_whole_blocks(file->buf, file->end, &all);
	filter_pcapng_whole_blocks(file->buf, file->start, &written);
	file->counts.unwritten += all - written;
	file->start = file->end = 0;
	file->oldest_ns = 0;
}

void filter_file_close(struct filter_file *file)
{
	if (file == NULL)
		return;
	if (file->fd >= 0)
		close(file->fd);
	if (file->opts.dir_fd >= 0)
		close(file->opts.dir_fd);
	free(file);
}

/* One write of at most 'size' bytes that does not wait for a reader.  Bytes taken, or a negative
 * errno. */
static ssize_t write_some(struct filter_file *file, const uint8_t *data, size_t size)
{
	struct pollfd pfd = {.fd = file->fd, .events = POLLOUT};
	ssize_t n;

	if (file->kind == KIND_SOCKET) {
		n = send(file->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);
	} else if (file->kind == KIND_STREAM) {
		if (poll(&pfd, 1, 0) == 0)
			return -EAGAIN;
		n = write(file->fd, data, size < PIPE_PAGE ? size : PIPE_PAGE);
	} else {
		n = write(file->fd, data, size);
	}
	if (n < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	return n == 0 ? -EIO : n;
}

/* A file that could not take all: cut back to whole blocks; the rest was not captured. */
static void cut_back(struct filter_file *file)
{
	uint64_t packets;
	size_t torn = file->start - filter_pcapng_whole_blocks(file->buf, file->start, &packets);
	off_t at = lseek(file->fd, 0, SEEK_CUR);

	if (torn == 0)
		return;
	if (at >= (off_t)torn && ftruncate(file->fd, at - (off_t)torn) == 0)
		lseek(file->fd, at - (off_t)torn, SEEK_SET);
	file->start -= torn;
	file->counts.bytes -= torn;
	file->written -= torn;
}

int filter_file_flush(struct filter_file *file)
{
	while (file->start < file->end && file->error == 0) {
		ssize_t n = write_some(file, file->buf + file->start, file->end - file->start);

		if (n == -EINTR)
			continue;
		if (n == -EAGAIN)
			return -EAGAIN;
		if (n < 0) {
			file->error = (int)n;
			break;
		}
		file->start += (size_t)n;
		file->counts.bytes += (size_t)n;
		file->written += (size_t)n;
	}
	if (file->error != 0) {
		if (file->kind == KIND_FILE)
			cut_back(file);
		filter_file_discard(file);
		return file->error;
	}
	file->start = file->end = 0;
	file->oldest_ns = 0;
	return 0;
}

void *filter_file_reserve(struct filter_file *file, size_t size)
{
	if (size > sizeof(file->buf) - file->end)
		filter_file_flush(file);
	if (file->error != 0 || size > sizeof(file->buf) - file->end)
		return NULL;
	return file->buf + file->end;
}

void filter_file_commit(struct filter_file *file, size_t size)
{
	if (size != 0 && file->oldest_ns == 0)
		file->oldest_ns = clock_mono_ns();
	file->end += size;
}

bool filter_file_is_empty(const struct filter_file *file)
{
	return file->start == file->end;
}

uint64_t filter_file_oldest_ns(const struct filter_file *file)
{
	return file->oldest_ns;
}

bool filter_file_reader_gone(const struct filter_file *file)
{
	struct pollfd pfd = {.fd = file->fd, .events = 0};

	if (file->kind == KIND_FILE)
		return false;
	return poll(&pfd, 1, 0) > 0 && (pfd.revents & (POLLERR | POLLHUP | POLLNVAL)) != 0;
}

int filter_file_error(const struct filter_file *file)
{
	return file->error;
}

bool filter_file_is_full(const struct filter_file *file, size_t more)
{
	return file->ring &&
	       file->written + (file->end - file->start) + more > file->opts.file_size;
}

int filter_file_rotate(struct filter_file *file)
{
	int rc = filter_file_flush(file);

	if (rc == 0)
		rc = ring_open(file, file->number + 1);
	file->error = rc;
	return rc;
}

struct filter_file_counts filter_file_counts(const struct filter_file *file)
{
	return file->counts;
}
