/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A client without manners: any bytes, any descriptors, at any time.
 */
#include "tests/unit/ctl/control_fixture.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RAW_MAX_FDS 64

void raw_open(struct raw *raw, const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};

	*raw = (struct raw){.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
	assert_true(raw->fd >= 0);
	snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
	assert_int_equal(connect(raw->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
}

void raw_close(struct raw *raw)
{
	close(raw->fd);
	free(raw->in);
	*raw = (struct raw){.fd = -1};
}

bool raw_send(struct raw *raw, const void *bytes, size_t size)
{
	const char *at = bytes;

	while (size > 0) {
		ssize_t n = send(raw->fd, at, size, MSG_NOSIGNAL);

		if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
			return false;
		assert_true(n > 0);
		at += n;
		size -= (size_t)n;
	}
	return true;
}

bool raw_text(struct raw *raw, const char *text)
{
	return raw_send(raw, text, strlen(text));
}

bool raw_send_fds(struct raw *raw, const char *text, const int *fds, unsigned n_fds)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(RAW_MAX_FDS * sizeof(int))];
	} control = {.head = {.cmsg_level = SOL_SOCKET,
			      .cmsg_type = SCM_RIGHTS,
			      .cmsg_len = CMSG_LEN(n_fds * sizeof(int))}};
	struct iovec iov = {.iov_base = (char *)(uintptr_t)text, .iov_len = strlen(text)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = CMSG_SPACE(n_fds * sizeof(int))};
	ssize_t n;

	assert_in_range(n_fds, 1, RAW_MAX_FDS);
	memcpy(CMSG_DATA(&control.head), fds, n_fds * sizeof(int));
	n = sendmsg(raw->fd, &msg, MSG_NOSIGNAL);
	return n == (ssize_t)iov.iov_len;
}

/* False at the end of the connection and when nothing comes. */
static bool fill(struct raw *raw, int ms)
{
	struct pollfd poll_fd = {.fd = raw->fd, .events = POLLIN};
	ssize_t n;

	if (poll(&poll_fd, 1, ms) <= 0)
		return false;
	if (raw->capacity - raw->size < 65536) {
		raw->capacity = 2 * raw->capacity + 65536;
		raw->in = realloc(raw->in, raw->capacity);
		assert_non_null(raw->in);
	}
	n = recv(raw->fd, raw->in + raw->size, raw->capacity - raw->size, 0);
	if (n <= 0)
		return false;
	raw->size += (size_t)n;
	return true;
}

json_t *raw_line_within(struct raw *raw, int ms)
{
	char *newline = NULL;
	json_t *line;
	size_t from = 0;

	for (;;) {
		newline = raw->size > from ? memchr(raw->in + from, '\n', raw->size - from) : NULL;
		if (newline != NULL)
			break;
		from = raw->size;
		if (!fill(raw, ms))
			return NULL;
	}
	line = json_loadb(raw->in, (size_t)(newline - raw->in), 0, NULL);
	assert_non_null(line);
	raw->size -= (size_t)(newline + 1 - raw->in);
	memmove(raw->in, newline + 1, raw->size);
	return line;
}

json_t *raw_line(struct raw *raw)
{
	return raw_line_within(raw, FIX_WAIT_MS);
}

void raw_expect_error(struct raw *raw, int code, const char *slug)
{
	json_t *line = raw_line(raw), *error = json_object_get(line, "error");
	const char *got =
		json_string_value(json_object_get(json_object_get(error, "data"), "slug"));

	assert_non_null(got);
	assert_string_equal(got, slug);
	assert_int_equal(json_integer_value(json_object_get(error, "code")), code);
	assert_string_equal(json_string_value(json_object_get(line, "jsonrpc")), "2.0");
	assert_non_null(json_object_get(line, "id"));
	json_decref(line);
}

void raw_expect_end(struct raw *raw)
{
	struct pollfd poll_fd = {.fd = raw->fd, .events = POLLIN};
	char byte;

	assert_int_equal(raw->size, 0);
	assert_int_equal(poll(&poll_fd, 1, FIX_WAIT_MS), 1);
	/* 0, or reset where the server had not read all that was sent. */
	assert_true(recv(raw->fd, &byte, 1, 0) <= 0);
}

void raw_expect_alive(struct raw *raw)
{
	json_t *line;

	assert_true(raw_text(raw,
			     "{\"jsonrpc\":\"2.0\",\"id\":\"alive\",\"method\":\"thing.list\"}\n"));
	line = raw_line(raw);
	assert_non_null(json_object_get(line, "result"));
	assert_string_equal(json_string_value(json_object_get(line, "id")), "alive");
	json_decref(line);
}
