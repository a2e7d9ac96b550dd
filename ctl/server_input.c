/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Bytes and descriptors into messages.  A message ends with a newline.  Descriptors come in order
 * and a message says how many are its own ("vswitch": {"fds": N}), because where they stand among
 * the bytes is lost on the way.  They cannot belong to anything that comes after the bytes they
 * came with: whatever is left when the last byte received is the end of a message was sent by
 * mistake or in malice, and is closed.
 */
#include "ctl/server_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEEP_CAPACITY 4096 /* An idle client keeps no more than this. */

void ctl_fds_close(struct ctl_server *server, int *fds, unsigned n_fds)
{
	for (unsigned i = 0; i < n_fds; i++) {
		if (fds[i] < 0)
			continue;
		close(fds[i]);
		fds[i] = -1;
		server->counters.fds_closed++;
	}
}

static void drop_fds(struct ctl_conn *conn)
{
	ctl_fds_close(conn->server, conn->fds, conn->n_fds);
	conn->server->n_held_fds -= conn->n_fds;
	conn->n_fds = 0;
}

void ctl_input_drop(struct ctl_conn *conn)
{
	drop_fds(conn);
	conn->server->n_in -= conn->capacity;
	free(conn->in);
	conn->in = NULL;
	conn->start = conn->scanned = conn->size = conn->capacity = 0;
}

static void too_big(struct ctl_conn *conn)
{
	struct err err;

	conn->server->counters.oversized++;
	err_set(&err, -EMSGSIZE, "message-too-big", "the message is longer than %zu bytes",
		conn->server->opts.max_message);
	ctl_output_end(conn, JSONRPC_LIMIT, &err);
}

static void busy(struct ctl_conn *conn)
{
	struct err err;

	conn->server->counters.busy++;
	err_set(&err, -EBUSY, "busy", "the control socket has too many unfinished messages");
	ctl_output_end(conn, JSONRPC_LIMIT, &err);
}

/* Room for 'n' bytes more, doubling. */
static bool reserve(struct ctl_conn *conn, size_t n)
{
	struct ctl_server *server = conn->server;
	size_t capacity = conn->capacity != 0 ? conn->capacity : KEEP_CAPACITY;
	char *in;

	while (capacity < conn->size + n)
		capacity *= 2;
	if (capacity == conn->capacity)
		return true;
	/* What a client must have to send anything at all is not counted against it. */
	if (capacity > KEEP_CAPACITY && server->n_in - conn->capacity + capacity > CTL_MAX_IN)
		return false;
	in = realloc(conn->in, capacity);
	if (in == NULL)
		return false;
	server->n_in += capacity - conn->capacity;
	conn->in = in;
	conn->capacity = capacity;
	return true;
}

/* Takes one received descriptor; false: it is one too many, and closed. */
static bool take_fd(struct ctl_conn *conn, int fd)
{
	struct ctl_server *server = conn->server;

	if (conn->n_fds == JSONRPC_MAX_FDS || server->n_held_fds == CTL_MAX_HELD_FDS) {
		close(fd);
		server->counters.fds_closed++;
		return false;
	}
	conn->fds[conn->n_fds++] = fd;
	server->n_held_fds++;
	return true;
}

/* False: more descriptors than are taken, or than this process may open. */
static bool take_fds(struct ctl_conn *conn, struct msghdr *msg)
{
	bool ok = (msg->msg_flags & MSG_CTRUNC) == 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < n; i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(fd));
			ok = take_fd(conn, fd) && ok;
		}
	}
	return ok;
}

static void too_many_fds(struct ctl_conn *conn)
{
	struct err err;

	conn->server->counters.busy++;
	err_set(&err, -EMFILE, "too-many-descriptors",
		"too many descriptors came with the message");
	err_why(&err, "at most %d go with one message, and %d may wait in all", JSONRPC_MAX_FDS,
		CTL_MAX_HELD_FDS);
	ctl_output_end(conn, JSONRPC_LIMIT, &err);
}

void ctl_input_read(struct ctl_conn *conn)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(JSONRPC_MAX_FDS * sizeof(int))];
	} control;
	struct iovec iov = {.iov_base = conn->server->scratch, .iov_len = CTL_SCRATCH_SIZE};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = control.bytes,
			     .msg_controllen = sizeof(control.bytes)};
	ssize_t n = recvmsg(conn->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0) {
		conn->dead = errno != EAGAIN && errno != EINTR;
		return;
	}
	conn->eof = n == 0;
	if (!take_fds(conn, &msg)) {
		too_many_fds(conn);
		return;
	}
	if (!reserve(conn, (size_t)n)) {
		busy(conn);
		return;
	}
	if (n > 0)
		memcpy(conn->in + conn->size, conn->server->scratch, (size_t)n);
	conn->size += (size_t)n;
}

char *ctl_input_line(struct ctl_conn *conn, size_t *ret_size)
{
	char *from = conn->in + conn->scanned, *line = conn->in + conn->start;
	char *newline =
		conn->scanned < conn->size ? memchr(from, '\n', conn->size - conn->scanned) : NULL;

	if (newline == NULL) {
		conn->scanned = conn->size;
		return NULL;
	}
	*ret_size = (size_t)(newline - line);
	conn->start = conn->scanned = (size_t)(newline + 1 - conn->in);
	if (*ret_size <= conn->server->opts.max_message)
		return line;
	too_big(conn);
	return NULL;
}

void ctl_input_compact(struct ctl_conn *conn)
{
	struct err err;

	if (conn->start > 0) {
		memmove(conn->in, conn->in + conn->start, conn->size - conn->start);
		conn->size -= conn->start;
		conn->scanned -= conn->start;
		conn->start = 0;
	}
	if (conn->closing || (conn->size == 0 && conn->capacity > KEEP_CAPACITY))
		ctl_input_drop(conn);
	if (conn->size == 0)
		drop_fds(conn);
	if (conn->pending)
		return;
	if (conn->size > conn->server->opts.max_message) {
		too_big(conn);
	} else if (conn->eof && conn->size > 0) {
		conn->server->counters.garbage++;
		err_set(&err, -EBADMSG, "parse-error", "the message does not end");
		err_why(&err, "the connection closed %zu bytes into a message, before its newline",
			conn->size);
		ctl_output_end(conn, JSONRPC_PARSE_ERROR, &err);
	}
}
