/* SPDX-License-Identifier: BSD-2-Clause
 *
 * 'vswitchctl vm connect': standard input and output, and a port of a VM's guest.  The VM's process
 * listens on a socket that takes "CONNECT PORT" first and answers "OK" when the guest's program is
 * there (hv/worker/vsock.h).  The end of the input is told to that program; its end ends this.
 */
#include "ctl/tool.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define ROOM 65536

struct stream {
	int sock;
	bool ended; /* the input */
	size_t n;   /* bytes for the guest */
	char bytes[ROOM];
};

static int failed(int code, const char *what, const char *path, struct err *err)
{
	err_set(err, -code, "no-vsock", "%s: %s", what, strerror(code));
	err_why(err,
		code == EACCES ? "only root and the switch's group may: %.250s"
			       : "the VM's process listens on %.250s",
		path);
	err_fix(err, code == EACCES ? "usermod -aG vswitch $USER, then log in anew"
				    : "vswitchctl vm list");
	return -code;
}

static int connect_to(const char *path, struct err *err)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	int fd, code;

	if (strlen(path) >= sizeof(address.sun_path))
		return err_set(err, -ENAMETOOLONG, "path-too-long", "%.200s is too long", path);
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	code = errno;
	if (fd >= 0)
		close(fd);
	return failed(code, "cannot connect to the VM", path, err);
}

/* Says which port, and waits for the guest's program.  Byte by byte: what follows the answer is
 * that program's. */
static int greet(int fd, long long port, struct err *err)
{
	char line[32];
	size_t n = 0;

	snprintf(line, sizeof(line), "CONNECT %lld\n", port);
	if (send(fd, line, strlen(line), MSG_NOSIGNAL) == (ssize_t)strlen(line))
		while (n < sizeof(line) && recv(fd, line + n, 1, 0) == 1 && line[n] != '\n')
			n++;
	if (n >= 3 && n < sizeof(line) && memcmp(line, "OK ", 3) == 0)
		return 0;
	err_set(err, -ECONNREFUSED, "refused",
		"nobody in the guest takes a connection on port %lld", port);
	err_why(err, "a program of the guest must listen there (AF_VSOCK), and its kernel have "
		     "hv_sock loaded");
	err_fix(err, "in the guest: modprobe hv_sock; then start the program");
	return -ECONNREFUSED;
}

static bool write_all(int fd, const char *bytes, size_t n)
{
	while (n > 0) {
		ssize_t done = write(fd, bytes, n);

		if (done < 0 && errno != EINTR)
			return false;
		bytes += done > 0 ? done : 0;
		n -= done > 0 ? (size_t)done : 0;
	}
	return true;
}

/* False: the guest's program has ended the stream, or nobody reads what it says. */
static bool from_guest(struct stream *s)
{
	char bytes[ROOM];
	ssize_t n = recv(s->sock, bytes, sizeof(bytes), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return true;
	return n > 0 && write_all(STDOUT_FILENO, bytes, (size_t)n);
}

static void from_input(struct stream *s)
{
	ssize_t n = read(STDIN_FILENO, s->bytes + s->n, ROOM - s->n);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	s->ended = n <= 0;
	s->n += n > 0 ? (size_t)n : 0;
}

/* What the guest does not take any more is lost; what it says yet is not. */
static void to_guest(struct stream *s)
{
	ssize_t n = s->n > 0 ? send(s->sock, s->bytes, s->n, MSG_DONTWAIT | MSG_NOSIGNAL) : 0;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		s->ended = true;
		n = (ssize_t)s->n;
	}
	memmove(s->bytes, s->bytes + n, s->n - (size_t)n);
	s->n -= (size_t)n;
}

static void pass_bytes(struct stream *s)
{
	bool told = false;

	for (;;) {
		struct pollfd fds[] = {
			{.fd = s->sock, .events = (short)(POLLIN | (s->n > 0 ? POLLOUT : 0))},
			{.fd = s->ended || s->n == ROOM ? -1 : STDIN_FILENO, .events = POLLIN},
		};

		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			return;
		if ((fds[0].revents & ~POLLOUT) != 0 && !from_guest(s))
			return;
		if (fds[1].fd >= 0 && fds[1].revents != 0)
			from_input(s);
		if (s->n > 0)
			to_guest(s);
		if (s->ended && s->n == 0 && !told) {
			(void)shutdown(s->sock, SHUT_WR);
			told = true;
		}
	}
}

int ctl_tool_connect(struct ctl_tool *tool, const struct ctl_spec *spec, const json_t *params)
{
	struct stream *s = calloc(1, sizeof(*s));
	json_t *answer = NULL;
	struct err err = {0};
	int rc;

	if (s == NULL)
		return ctl_tool_fail(tool,
				     (err_set(&err, -ENOMEM, "no-memory", "no memory"), &err));
	rc = ctl_tool_call(tool, spec, params, -1, &answer, &err);
	if (rc == 0 && tool->json) {
		ctl_tool_print_json(answer, false);
	} else if (rc == 0) {
		s->sock = connect_to(json_string_value(json_object_get(answer, "socket")) ?: "",
				     &err);
		rc = s->sock < 0 ? s->sock : 0;
		if (rc == 0)
			rc = greet(s->sock, json_integer_value(json_object_get(params, "port")),
				   &err);
		if (rc == 0)
			pass_bytes(s);
		if (s->sock >= 0)
			close(s->sock);
	}
	json_decref(answer);
	free(s);
	return rc == 0 ? 0 : ctl_tool_fail(tool, &err);
}
