/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A connection: when it reads, works, writes and ends.  Each event does its part and then settles,
 * which looks at the state as it is and decides what is waited for next:
 *
 * 	reads      nothing is pending, not at its end
 * 	works      takes lines, some a turn, while little is unsent
 * 	writes     something is unsent
 * 	ends       dead; or closing, or at its end with all lines taken, and all is sent
 */
#include "ctl/server_priv.h"

#include "ctl/base/clock.h"

#include <errno.h>
#include <stdlib.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/event.h>

static struct timeval after_ms(unsigned ms)
{
	return (struct timeval){.tv_sec = ms / 1000, .tv_usec = (ms % 1000) * 1000};
}

static void arm(struct event *timer, unsigned ms)
{
	struct timeval tv = after_ms(ms);

	if (!evtimer_pending(timer, NULL))
		evtimer_add(timer, &tv);
}

/* Takes lines.  Stops for others' sake, or because the answers are not being read. */
static void turn(struct ctl_conn *conn)
{
	unsigned n = 0;
	size_t size;
	char *line;

	conn->pending = false;
	while (!conn->closing && !conn->dead) {
		conn->pending = n == CTL_CALLS_PER_TURN || ctl_output_size(conn) >= CTL_OUT_PAUSE;
		if (conn->pending)
			break;
		line = ctl_input_line(conn, &size);
		if (line == NULL)
			break;
		evtimer_del(conn->late);
		ctl_call_run(conn, line, size);
		n++;
	}
	ctl_input_compact(conn);
}

static bool is_over(const struct ctl_conn *conn)
{
	if (conn->dead)
		return true;
	if (conn->n_lates > 0 && !conn->closing)
		return false;
	return (conn->closing || (conn->eof && !conn->pending)) && ctl_output_size(conn) == 0;
}

static void wait_for_input(struct ctl_conn *conn)
{
	if (conn->closing || conn->eof || conn->pending)
		event_del(conn->readable);
	else
		event_add(conn->readable, NULL);
	if (conn->closing || conn->pending || conn->size == 0)
		evtimer_del(conn->late);
	else
		arm(conn->late, conn->server->opts.message_timeout_ms);
	if (conn->pending && !conn->closing && ctl_output_size(conn) < CTL_OUT_PAUSE)
		arm(conn->more, 0);
}

static void wait_for_output(struct ctl_conn *conn)
{
	if (ctl_output_size(conn) == 0) {
		event_del(conn->writable);
		evtimer_del(conn->stall);
	} else {
		event_add(conn->writable, NULL);
		arm(conn->stall, conn->server->opts.stall_timeout_ms);
	}
}

/* The last thing an event does: 'conn' may be gone after it. */
static void settle(struct ctl_conn *conn)
{
	/* Who sends no more has no use for a stream: it could not be ended but by a write that
	 * fails. */
	if (conn->eof || conn->closing)
		ctl_stream_drop(conn);
	if (!conn->dead)
		ctl_output_flush(conn);
	if (!conn->dead && ctl_output_size(conn) <= CTL_STREAM_BOUND / 2)
		ctl_stream_drained(conn);
	if (is_over(conn)) {
		ctl_conn_destroy(conn);
		return;
	}
	wait_for_input(conn);
	wait_for_output(conn);
}

static void touch(struct ctl_conn *conn)
{
	conn->active_ns = clock_mono_ns();
	TAILQ_REMOVE(&conn->server->conns, conn, link);
	TAILQ_INSERT_TAIL(&conn->server->conns, conn, link);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct ctl_conn *conn = arg;

	touch(conn);
	ctl_input_read(conn);
	turn(conn);
	settle(conn);
}

static void on_more(evutil_socket_t fd, short what, void *arg)
{
	turn(arg);
	settle(arg);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct ctl_conn *conn = arg;

	touch(conn);
	ctl_output_flush(conn);
	settle(conn);
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
	struct ctl_conn *conn = arg;
	struct err err;

	conn->server->counters.timeouts++;
	err_set(&err, -ETIMEDOUT, "message-timeout", "the message did not end in time");
	err_why(&err, "%u ms after its first byte it still had no newline",
		conn->server->opts.message_timeout_ms);
	ctl_output_end(conn, JSONRPC_LIMIT, &err);
	ctl_input_compact(conn);
	settle(conn);
}

/* A watcher may pause for as long as it likes: it holds no more than the bound of its stream. */
static void on_stall(evutil_socket_t fd, short what, void *arg)
{
	struct ctl_conn *conn = arg;

	if (conn->n_streams == 0 || ctl_output_size(conn) > 2 * CTL_STREAM_BOUND) {
		conn->server->counters.stalled++;
		conn->dead = true;
	}
	settle(conn);
}

static bool make_events(struct ctl_conn *conn)
{
	struct event_base *base = conn->server->base;

	conn->readable = event_new(base, conn->fd, EV_READ | EV_PERSIST, on_readable, conn);
	conn->writable = event_new(base, conn->fd, EV_WRITE | EV_PERSIST, on_writable, conn);
	conn->more = evtimer_new(base, on_more, conn);
	conn->late = evtimer_new(base, on_late, conn);
	conn->stall = evtimer_new(base, on_stall, conn);
	return conn->readable != NULL && conn->writable != NULL && conn->more != NULL &&
	       conn->late != NULL && conn->stall != NULL && event_add(conn->readable, NULL) == 0;
}

int ctl_conn_create(struct ctl_server *server, int fd, const struct ucred *cred)
{
	struct ctl_conn *conn = calloc(1, sizeof(*conn));

	if (conn == NULL)
		return -ENOMEM;
	conn->server = server;
	conn->fd = fd;
	conn->cred = *cred;
	conn->active_ns = clock_mono_ns();
	conn->out = evbuffer_new();
	TAILQ_INIT(&conn->streams);
	TAILQ_INIT(&conn->lates);
	TAILQ_INSERT_TAIL(&server->conns, conn, link);
	server->n_conns++;
	if (conn->out == NULL || !make_events(conn)) {
		conn->fd = -1; /* The caller's again. */
		ctl_conn_destroy(conn);
		return -ENOMEM;
	}
	return 0;
}

static void free_event(struct event *event)
{
	if (event != NULL)
		event_free(event);
}

void ctl_conn_destroy(struct ctl_conn *conn)
{
	conn->dead = true;
	ctl_stream_drop(conn);
	ctl_late_drop(conn);
	TAILQ_REMOVE(&conn->server->conns, conn, link);
	conn->server->n_conns--;
	free_event(conn->readable);
	free_event(conn->writable);
	free_event(conn->more);
	free_event(conn->late);
	free_event(conn->stall);
	ctl_input_drop(conn);
	if (conn->out != NULL)
		ctl_output_drop(conn);
	if (conn->fd >= 0)
		close(conn->fd);
	free(conn);
}

bool ctl_conn_evict(struct ctl_server *server)
{
	uint64_t now = clock_mono_ns();
	struct ctl_conn *conn;

	TAILQ_FOREACH(conn, &server->conns, link) {
		if (now - conn->active_ns < server->opts.evict_after_ms * 1000000ull)
			return false;
		if (conn->n_streams > 0 || conn->n_lates > 0 || conn->pending ||
		    ctl_output_size(conn) > 0)
			continue;
		server->counters.evicted++;
		ctl_conn_destroy(conn);
		return true;
	}
	return false;
}
