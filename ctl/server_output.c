/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Messages into bytes.  What waits for a client is bounded from both sides: no further call of a
 * client is taken while much of its answers is unsent, and one answer is not longer than a limit.
 */
#include "ctl/server_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>

#include <event2/buffer.h>
#include <event2/event.h>

#define MAX_PIECES 16

size_t ctl_output_size(const struct ctl_conn *conn)
{
	return evbuffer_get_length(conn->out);
}

/* Not evbuffer_write(): a client that is gone would raise SIGPIPE. */
static ssize_t send_some(struct ctl_conn *conn)
{
	struct evbuffer_iovec pieces[MAX_PIECES];
	struct msghdr msg = {.msg_iov = pieces};
	int n = evbuffer_peek(conn->out, -1, NULL, pieces, MAX_PIECES);

	msg.msg_iovlen = (size_t)(n < MAX_PIECES ? n : MAX_PIECES);
	return sendmsg(conn->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
}

void ctl_output_flush(struct ctl_conn *conn)
{
	size_t sent = 0;

	while (ctl_output_size(conn) > 0 && sent < CTL_FLUSH_BURST) {
		ssize_t n = send_some(conn);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			conn->dead = errno != EAGAIN;
			break;
		}
		evbuffer_drain(conn->out, (size_t)n);
		conn->server->n_out -= (size_t)n;
		sent += (size_t)n;
	}
	/* Time without progress is what counts. */
	if (sent > 0)
		evtimer_del(conn->stall);
}

static void free_text(const void *text, size_t size, void *arg)
{
	free(arg);
}

void ctl_output_put_text(struct ctl_conn *conn, char *text)
{
	size_t size = text != NULL ? strlen(text) : 0;

	if (text == NULL || evbuffer_add_reference(conn->out, text, size, free_text, text) != 0) {
		free(text);
		conn->dead = true;
		return;
	}
	conn->server->n_out += size;
	if (evbuffer_add(conn->out, "\n", 1) != 0) {
		conn->dead = true;
		return;
	}
	conn->server->n_out++;
}

void ctl_output_put(struct ctl_conn *conn, json_t *message)
{
	ctl_output_put_text(conn, json_dumps(message, JSON_COMPACT));
	json_decref(message);
}

void ctl_output_move(struct ctl_conn *conn, struct evbuffer *from)
{
	size_t size = evbuffer_get_length(from);

	if (evbuffer_add_buffer(conn->out, from) == 0)
		conn->server->n_out += size;
}

void ctl_output_end(struct ctl_conn *conn, enum jsonrpc_code code, const struct err *err)
{
	conn->server->counters.errors++;
	conn->closing = true;
	ctl_output_put(conn, jsonrpc_error(NULL, code, err));
}

void ctl_output_drop(struct ctl_conn *conn)
{
	conn->server->n_out -= ctl_output_size(conn);
	evbuffer_free(conn->out);
}
