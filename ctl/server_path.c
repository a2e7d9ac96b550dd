/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The socket in the file system.  A lock beside it (PATH.lock, flock) says whose the path is: the
 * kernel drops it with the process, so what a killed daemon left behind is replaced without a race,
 * and two daemons that start at once cannot both win.  The lock's file stays: to remove it would
 * let a third one in.
 */
#include "ctl/server_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

/* For how long the lock of another is waited for. */
#define LOCK_STEP_MS  20
#define LOCK_ALIVE_MS 200 /* of a process that lives, or seems to: its death has just begun */
#define LOCK_DYING_MS 10000

static int failed(struct err *err, const char *what, const char *path)
{
	int code = -errno;

	return err_set(err, code, "socket-failed", "cannot %s %s: %s", what, path, strerror(-code));
}

static int already_running(struct err *err, const char *path, long pid)
{
	err_set(err, -EADDRINUSE, "already-running", "another vswitchd serves %s", path);
	if (pid > 0)
		err_why(err, "process %ld has it", pid);
	err_fix(err, "systemctl stop vswitchd, or choose another socket");
	return -EADDRINUSE;
}

/* The directory is made when only it is missing: /run is empty after a boot. */
static int make_directory(const char *path, struct err *err)
{
	char copy[sizeof(((struct unix_socket *)NULL)->path)];
	char *dir;

	snprintf(copy, sizeof(copy), "%s", path);
	dir = dirname(copy);
	if (mkdir(dir, 0755) != 0 && errno != EEXIST)
		return failed(err, "make directory", dir);
	return 0;
}

static long lock_holder(int fd)
{
	char text[32] = "";
	ssize_t n = pread(fd, text, sizeof(text) - 1, 0);

	return n > 0 ? strtol(text, NULL, 10) : 0;
}

/* A process that was killed keeps its locks until the kernel has taken its memory apart, which
 * takes a while with many huge pages.  It has no command line any more. */
static bool is_dying(long pid)
{
	char path[40], byte;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%ld/cmdline", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT;
	n = read(fd, &byte, 1);
	close(fd);
	return n <= 0;
}

/* Whoever starts a daemon at once when the last one was killed does not lose against the dead.
 * Returns 0, or -1 with errno. */
static int lock_patiently(int fd)
{
	const struct timespec step = {.tv_nsec = LOCK_STEP_MS * 1000000L};

	for (unsigned ms = 0;; ms += LOCK_STEP_MS) {
		if (flock(fd, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK || ms >= LOCK_DYING_MS ||
		    (ms >= LOCK_ALIVE_MS && !is_dying(lock_holder(fd))))
			return -1;
		nanosleep(&step, NULL);
	}
}

static int take_lock(struct ctl_server *server, struct err *err)
{
	char path[sizeof(server->socket.path) + 8], text[32];
	int n, rc = 0;

	snprintf(path, sizeof(path), "%s.lock", server->path);
	server->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (server->lock_fd < 0)
		return failed(err, "open", path);
	if (lock_patiently(server->lock_fd) != 0) {
		rc = errno == EWOULDBLOCK
			     ? already_running(err, server->path, lock_holder(server->lock_fd))
			     : failed(err, "lock", path);
	} else {
		/* For the words of whoever comes second; nothing depends on it. */
		n = snprintf(text, sizeof(text), "%ld\n", (long)getpid());
		if (ftruncate(server->lock_fd, 0) != 0 ||
		    pwrite(server->lock_fd, text, (size_t)n, 0) != n)
			rc = failed(err, "write", path);
	}
	return rc;
}

int ctl_path_listen(struct ctl_server *server, struct err *err)
{
	size_t n = strlen(server->path), max = sizeof(server->socket.path) - 1;
	gid_t group = server->has_group ? server->gid : UNIX_NO_GROUP;
	int rc;

	if (n == 0 || n > max)
		return err_set(err, -ENAMETOOLONG, "bad-path",
			       "socket path '%.64s%s': must be 1 to %zu bytes", server->path,
			       n > 64 ? ".." : "", max);
	rc = make_directory(server->path, err);
	if (rc == 0)
		rc = take_lock(server, err);
	if (rc != 0)
		return rc;
	rc = unix_socket_listen(server->path, SOCK_STREAM, group, &server->socket, err);
	/* One without our lock: of another kind, or one whose lock was deleted. */
	return rc == -EADDRINUSE ? already_running(err, server->path, 0) : rc;
}

void ctl_path_close(struct ctl_server *server)
{
	unix_socket_remove(&server->socket);
	if (server->socket.fd >= 0)
		close(server->socket.fd);
	if (server->lock_fd >= 0)
		close(server->lock_fd);
}
