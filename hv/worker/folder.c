/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See folder.h.
 */
#include "hv/worker/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <unistd.h>

#define SLUG "folder"

static int failed(const char *what, const char *path, struct err *err)
{
	return err_set(err, -errno, SLUG, "cannot %s %s: %s", what, path, strerror(errno));
}

static int make_path(char *to, size_t size, const char *dir, const char *name, struct err *err)
{
	if ((size_t)snprintf(to, size, "%s/%s", dir, name) < size)
		return 0;
	err_set(err, -ENAMETOOLONG, SLUG, "the path of the machine's folder is too long: %.120s",
		dir);
	err_fix(err, "use a run directory with a shorter path");
	return -ENAMETOOLONG;
}

static int lock_pid(struct folder *f, struct err *err)
{
	char text[16] = "";
	ssize_t n;
	int size;

	f->pid_fd = open(f->pid_path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
	if (f->pid_fd < 0)
		return failed("open", f->pid_path, err);
	if (flock(f->pid_fd, LOCK_EX | LOCK_NB) != 0) {
		n = pread(f->pid_fd, text, sizeof(text) - 1, 0);
		err_set(err, -EBUSY, "already-running", "another worker runs this machine");
		if (n > 0)
			err_why(err, "process %ld has locked %s", strtol(text, NULL, 10),
				f->pid_path);
		close(f->pid_fd);
		f->pid_fd = -1; /* not ours to take away */
		return -EBUSY;
	}
	size = snprintf(text, sizeof(text), "%d\n", (int)getpid());
	if (ftruncate(f->pid_fd, 0) != 0 || pwrite(f->pid_fd, text, (size_t)size, 0) != size)
		return failed("write", f->pid_path, err);
	return 0;
}

static int open_exit(struct folder *f, struct err *err)
{
	f->exit_fd = open(f->exit_path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
	return f->exit_fd < 0 ? failed("open", f->exit_path, err) : 0;
}

static int listen_at(const char *dir, const char *name, int type, gid_t group,
		     struct unix_socket *socket, struct err *err)
{
	char path[sizeof(socket->path)];
	int rc = make_path(path, sizeof(path), dir, name, err);

	if (rc == 0)
		rc = unix_socket_listen(path, type, group, socket, err);
	if (rc == 0 && fcntl(socket->fd, F_SETFL, O_RDWR | O_NONBLOCK) != 0)
		rc = failed("set up", path, err);
	return rc;
}

int folder_open(const char *dir, gid_t group, bool vsock, struct folder *ret_folder,
		struct err *err)
{
	struct folder f = {
		.pid_fd = -1, .exit_fd = -1, .control.fd = -1, .console.fd = -1, .vsock.fd = -1};
	int rc = make_path(f.pid_path, sizeof(f.pid_path), dir, "pid", err);

	if (rc == 0)
		rc = make_path(f.exit_path, sizeof(f.exit_path), dir, "exit.json", err);
	if (rc == 0)
		rc = lock_pid(&f, err);
	if (rc == 0)
		rc = open_exit(&f, err);
	if (rc == 0)
		rc = listen_at(dir, "control.sock", SOCK_SEQPACKET, UNIX_NO_GROUP, &f.control, err);
	if (rc == 0)
		rc = listen_at(dir, "console.sock", SOCK_STREAM, group, &f.console, err);
	if (rc == 0 && vsock)
		rc = listen_at(dir, "vsock.sock", SOCK_STREAM, group, &f.vsock, err);
	if (rc != 0) {
		folder_remove(&f);
		folder_close(&f);
		return rc;
	}
	*ret_folder = f;
	return 0;
}

static void end_fd(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

void folder_close(struct folder *f)
{
	end_fd(&f->control.fd);
	end_fd(&f->console.fd);
	end_fd(&f->vsock.fd);
	end_fd(&f->exit_fd);
	end_fd(&f->pid_fd);
}

void folder_remove(struct folder *f)
{
	if (f->control.path[0] != '\0')
		unix_socket_remove(&f->control);
	if (f->console.path[0] != '\0')
		unix_socket_remove(&f->console);
	if (f->vsock.path[0] != '\0')
		unix_socket_remove(&f->vsock);
	if (f->exit_fd >= 0)
		unlink(f->exit_path);
	if (f->pid_fd >= 0)
		unlink(f->pid_path);
}

void folder_write_exit(struct folder *f, json_t *outcome)
{
	char *text = outcome != NULL ? json_dumps(outcome, JSON_INDENT(1)) : NULL;

	json_decref(outcome);
	if (f->exit_fd >= 0 && text != NULL && ftruncate(f->exit_fd, 0) == 0)
		(void)!pwrite(f->exit_fd, text, strlen(text), 0);
	free(text);
}
