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
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define BACKLOG 128

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
	char copy[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 1];
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
	char path[sizeof(((struct sockaddr_un *)NULL)->sun_path) + 8], text[32];
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

/* One without our lock may answer there: of another kind, or one whose lock was deleted. */
static bool answers(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	bool refused;

	if (fd < 0)
		return true;
	refused = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) != 0 &&
		  (errno == ECONNREFUSED || errno == ENOENT);
	close(fd);
	return !refused;
}

/* Only with the lock. */
static int remove_stale(const struct sockaddr_un *addr, struct err *err)
{
	struct stat st;

	if (lstat(addr->sun_path, &st) != 0)
		return errno == ENOENT ? 0 : failed(err, "look at", addr->sun_path);
	if (!S_ISSOCK(st.st_mode)) {
		err_set(err, -EEXIST, "not-a-socket", "%s exists and is not a socket",
			addr->sun_path);
		err_why(err, "it may be somebody's file, so it is not replaced");
		err_fix(err, "remove it, or choose another socket");
		return -EEXIST;
	}
	if (answers(addr))
		return already_running(err, addr->sun_path, 0);
	if (unlink(addr->sun_path) != 0)
		return failed(err, "remove stale", addr->sun_path);
	return 0;
}

/* Nobody can connect before listen(), so the steps between leave no gap; the mode before bind()
 * keeps the file closed from its first moment, without a change of the whole process's umask. */
static int bind_and_listen(struct ctl_server *server, const struct sockaddr_un *addr,
			   struct err *err)
{
	struct stat st;
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	if (fd < 0)
		return failed(err, "make the socket of", server->path);
	server->listen_fd = fd;
	if (fchmod(fd, 0600) != 0 || bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) != 0)
		return failed(err, "bind", server->path);
	if (lstat(server->path, &st) != 0)
		return failed(err, "look at", server->path);
	server->dev = st.st_dev;
	server->ino = st.st_ino;
	if (server->has_group && lchown(server->path, (uid_t)-1, server->gid) != 0)
		return failed(err, "change the group of", server->path);
	if (chmod(server->path, server->has_group ? 0660 : 0600) != 0)
		return failed(err, "change the mode of", server->path);
	if (listen(fd, BACKLOG) != 0)
		return failed(err, "listen on", server->path);
	return 0;
}

int ctl_path_listen(struct ctl_server *server, struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	size_t n = strlen(server->path);
	int rc;

	if (n == 0 || n >= sizeof(addr.sun_path))
		return err_set(err, -ENAMETOOLONG, "bad-path",
			       "socket path '%.64s%s': must be 1 to %zu bytes", server->path,
			       n > 64 ? ".." : "", sizeof(addr.sun_path) - 1);
	memcpy(addr.sun_path, server->path, n);
	rc = make_directory(server->path, err);
	if (rc == 0)
		rc = take_lock(server, err);
	if (rc == 0)
		rc = remove_stale(&addr, err);
	if (rc == 0)
		rc = bind_and_listen(server, &addr, err);
	return rc;
}

void ctl_path_close(struct ctl_server *server)
{
	struct stat st;

	if (server->ino != 0 && lstat(server->path, &st) == 0 && st.st_dev == server->dev &&
	    st.st_ino == server->ino)
		unlink(server->path);
	if (server->listen_fd >= 0)
		close(server->listen_fd);
	if (server->lock_fd >= 0)
		close(server->lock_fd);
}
