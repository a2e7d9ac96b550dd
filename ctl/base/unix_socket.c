/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See unix_socket.h.
 */
#include "ctl/base/unix_socket.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 128

static int failed(struct err *err, const char *what, const char *path)
{
	int code = -errno;

	return err_set(err, code, "socket-failed", "cannot %s %s: %s", what, path, strerror(-code));
}

/* A directory that others may write to is safe only when it keeps them from each other's files. */
static int check_directory(const char *path, struct err *err)
{
	char copy[sizeof(((struct unix_socket *)NULL)->path)];
	struct stat st;
	char *dir;

	snprintf(copy, sizeof(copy), "%s", path);
	dir = dirname(copy);
	if (stat(dir, &st) != 0)
		return failed(err, "look at directory", dir);
	if ((st.st_uid == 0 || st.st_uid == geteuid()) &&
	    ((st.st_mode & 0022) == 0 || (st.st_mode & S_ISVTX) != 0))
		return 0;
	err_set(err, -EPERM, "open-directory", "cannot listen on %s: others may write to %s", path,
		dir);
	err_why(err, "they could put a socket of theirs in its place");
	err_fix(err, "chown root %s; chmod go-w %s", dir, dir);
	return -EPERM;
}

static int is_in_use(const struct sockaddr_un *addr, int type)
{
	int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int rc;

	if (fd < 0)
		return 1;
	rc = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) != 0 &&
			     (errno == ECONNREFUSED || errno == ENOENT)
		     ? 0
		     : 1;
	close(fd);
	return rc;
}

static int remove_stale(const struct sockaddr_un *addr, int type, struct err *err)
{
	const char *path = addr->sun_path;
	struct stat st;

	if (lstat(path, &st) != 0)
		return errno == ENOENT ? 0 : failed(err, "look at", path);
	if (!S_ISSOCK(st.st_mode)) {
		err_set(err, -EEXIST, "not-a-socket", "%s exists and is not a socket", path);
		err_why(err, "it may be somebody's file, so it is not replaced");
		err_fix(err, "remove it, or choose another path");
		return -EEXIST;
	}
	if (is_in_use(addr, type)) {
		err_set(err, -EADDRINUSE, "socket-busy", "another process listens on %s", path);
		err_fix(err, "stop it, or choose another path");
		return -EADDRINUSE;
	}
	return unlink(path) == 0 ? 0 : failed(err, "remove stale", path);
}

/* Nobody can connect before listen(), so the steps between leave no gap. */
static int bind_and_listen(const struct sockaddr_un *addr, int type, gid_t group,
			   struct unix_socket *s, struct err *err)
{
	struct stat st;

	s->fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->fd < 0)
		return failed(err, "make the socket of", s->path);
	if (fchmod(s->fd, 0600) != 0 ||
	    bind(s->fd, (const struct sockaddr *)addr, sizeof(*addr)) != 0 ||
	    lstat(s->path, &st) != 0)
		return failed(err, "bind", s->path);
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	if (group != UNIX_NO_GROUP && lchown(s->path, (uid_t)-1, group) != 0)
		return failed(err, "change the group of", s->path);
	if (chmod(s->path, group != UNIX_NO_GROUP ? 0660 : 0600) != 0)
		return failed(err, "change the mode of", s->path);
	return listen(s->fd, BACKLOG) == 0 ? 0 : failed(err, "listen on", s->path);
}

int unix_socket_listen(const char *path, int type, gid_t group, struct unix_socket *ret_socket,
		       struct err *err)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct unix_socket s = {.fd = -1};
	int rc;

	if (strlen(path) >= sizeof(addr.sun_path))
		return err_set(err, -ENAMETOOLONG, "bad-path",
			       "socket path '%.64s..': must be at most 107 bytes", path);
	memcpy(addr.sun_path, path, strlen(path) + 1);
	memcpy(s.path, addr.sun_path, sizeof(s.path));
	rc = check_directory(path, err);
	if (rc == 0)
		rc = remove_stale(&addr, type, err);
	if (rc == 0)
		rc = bind_and_listen(&addr, type, group, &s, err);
	if (rc == 0) {
		*ret_socket = s;
		return 0;
	}
	unix_socket_remove(&s);
	if (s.fd >= 0)
		close(s.fd);
	return rc;
}

void unix_socket_remove(const struct unix_socket *s)
{
	struct stat st;

	if (s->ino != 0 && lstat(s->path, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
		unlink(s->path);
}
