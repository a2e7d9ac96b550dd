/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See vhost_path.h.
 */
#include "dataplane/vhost_path.h"

#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SLUG "vhost-socket"

/* 0 when somebody listens there, else negative errno (-ECONNREFUSED: nobody; -EAGAIN: queue full).
 */
static int try_connect(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), rc;

	if (fd < 0)
		return -errno;
	strncpy(sa.sun_path, path, sizeof(sa.sun_path) - 1);
	rc = connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0 ? 0 : -errno;
	close(fd);
	return rc;
}

static int check_name(const char *path, struct err *err)
{
	struct sockaddr_un sa;

	if (path == NULL || path[0] == '\0')
		return err_set(err, -EINVAL, SLUG, "a vhost port needs a socket path");
	if (path[0] != '/')
		return err_set(err, -EINVAL, SLUG, "socket path '%s' does not start with '/'",
			       path);
	if (strlen(path) >= sizeof(sa.sun_path)) {
		err_set(err, -ENAMETOOLONG, SLUG, "socket path of %zu bytes is too long",
			strlen(path));
		err_why(err, "the kernel takes at most %zu", sizeof(sa.sun_path) - 1);
		return -ENAMETOOLONG;
	}
	return 0;
}

static int check_folder(const char *path, bool server, struct err *err)
{
	char copy[PATH_MAX], *dir;
	struct stat st;

	strncpy(copy, path, sizeof(copy) - 1);
	copy[sizeof(copy) - 1] = '\0';
	dir = dirname(copy);
	if (stat(dir, &st) != 0) {
		int code = -errno;

		err_set(err, code, SLUG, "folder '%s' of the socket: %s", dir, strerror(-code));
		err_why(err, "the socket is made in it, or looked for");
		if (code == -ENOENT)
			err_fix(err, "mkdir -p %s", dir);
		return code;
	}
	if (!S_ISDIR(st.st_mode))
		return err_set(err, -ENOTDIR, SLUG, "'%s' is not a folder", dir);
	if (access(dir, server ? W_OK | X_OK : X_OK) != 0)
		return err_set(err, -EACCES, SLUG, "no permission to %s '%s'",
			       server ? "create a socket in" : "look into", dir);
	return 0;
}

static int check_nobody_listens(const char *path, struct err *err)
{
	int rc = try_connect(path);

	if (rc == -ECONNREFUSED)
		return 0;
	err_set(err, -EADDRINUSE, SLUG, "socket '%s' is in use", path);
	err_why(err, "%s",
		rc == 0 || rc == -EAGAIN ? "another process listens on it" : strerror(-rc));
	err_fix(err, "ss -xlp src %s says which; or take another path, or --mode client", path);
	return -EADDRINUSE;
}

int dp_vhost_path_check(const char *path, bool server, struct err *err)
{
	struct stat st;
	int rc = check_name(path, err);

	if (rc == 0)
		rc = check_folder(path, server, err);
	if (rc != 0)
		return rc;
	if (lstat(path, &st) != 0) {
		if (errno == ENOENT)
			return 0;
		return err_set(err, -errno, SLUG, "socket '%s': %s", path, strerror(errno));
	}
	if (S_ISLNK(st.st_mode) && !server && stat(path, &st) != 0)
		return 0; /* Points nowhere yet. */
	if (!S_ISSOCK(st.st_mode)) {
		err_set(err, -EEXIST, SLUG, "'%s' exists and is not a socket", path);
		err_why(err, "only a socket that nobody listens on is replaced");
		err_fix(err, "take another path, or: rm %s", path);
		return -EEXIST;
	}
	return server ? check_nobody_listens(path, err) : 0;
}

int dp_vhost_path_prepare(const char *path, bool server, struct err *err)
{
	int rc = dp_vhost_path_check(path, server, err);

	if (rc == 0 && server && unlink(path) != 0 && errno != ENOENT)
		rc = err_set(err, -errno, SLUG, "cannot remove the dead socket '%s': %s", path,
			     strerror(errno));
	return rc;
}

const char *dp_vhost_path_why_no_peer(const char *path)
{
	struct stat st;

	if (stat(path, &st) != 0)
		return errno == ENOENT ? "no socket there yet" : "cannot look at the socket";
	if (!S_ISSOCK(st.st_mode))
		return "the file is not a socket";
	if (access(path, W_OK) != 0)
		return "no permission to connect";
	return "nobody listens";
}
