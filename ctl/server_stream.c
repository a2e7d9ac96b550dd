/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Notifications.  A client that does not read has its losses counted; the count goes out at the
 * place of the gap, so once something was lost, everything is until there is room to say so.
 */
#include "ctl/server_priv.h"

#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/event.h>

struct ctl_stream *ctl_stream_open(struct ctl_call *call, void (*on_close)(void *arg), void *arg)
{
	struct ctl_conn *conn = call->conn;
	struct ctl_stream *stream;

	if (conn->n_streams == CTL_MAX_STREAMS)
		return NULL;
	stream = calloc(1, sizeof(*stream));
	if (stream == NULL)
		return NULL;
	*stream = (struct ctl_stream){.conn = conn,
				      .spec = call->spec,
				      .call = call,
				      .id = json_deep_copy(call->request->id),
				      .on_close = on_close,
				      .arg = arg};
	if (call->early == NULL)
		call->early = evbuffer_new();
	if (stream->id == NULL || call->early == NULL) {
		json_decref(stream->id);
		free(stream);
		return NULL;
	}
	TAILQ_INSERT_TAIL(&conn->streams, stream, link);
	conn->n_streams++;
	conn->server->n_streams++;
	return stream;
}

/* How much waits where the stream's next message would stand. */
static size_t waiting(const struct ctl_stream *stream)
{
	return stream->call != NULL ? evbuffer_get_length(stream->call->early)
				    : ctl_output_size(stream->conn);
}

static void put(struct ctl_stream *stream, char *text)
{
	if (stream->call == NULL) {
		ctl_output_put_text(stream->conn, text);
		event_add(stream->conn->writable, NULL);
	} else {
		evbuffer_add_printf(stream->call->early, "%s\n", text);
		free(text);
	}
}

static char *format(const struct ctl_stream *stream, const json_t *params, uint64_t lost, bool end)
{
	json_t *message = jsonrpc_notification(stream->spec->noun, stream->spec->verb, params,
					       stream->id, lost, end);
	char *text = json_dumps(message, JSON_COMPACT);

	json_decref(message);
	return text;
}

static bool fits(const struct ctl_stream *stream, size_t size)
{
	size_t before = waiting(stream);

	return (before == 0 || before + size <= CTL_STREAM_BOUND) &&
	       stream->conn->server->n_out + size <= CTL_MAX_OUT;
}

void ctl_stream_send(struct ctl_stream *stream, const json_t *params)
{
	struct ctl_server *server = stream->conn->server;
	char *text;

	if (stream->conn->dead || stream->conn->closing)
		return;
	/* The first test spares the work of a text that would be thrown away. */
	text = stream->lost == 0 && fits(stream, 0) ? format(stream, params, 0, false) : NULL;
	if (text == NULL || !fits(stream, strlen(text))) {
		stream->lost++;
		server->counters.lost++;
		free(text);
		return;
	}
	server->counters.notifications++;
	put(stream, text);
}

static void tell_lost(struct ctl_stream *stream)
{
	char *text = stream->lost > 0 ? format(stream, NULL, stream->lost, false) : NULL;

	if (text == NULL)
		return;
	stream->lost = 0;
	put(stream, text);
}

void ctl_stream_drained(struct ctl_conn *conn)
{
	struct ctl_stream *stream;

	TAILQ_FOREACH(stream, &conn->streams, link)
		tell_lost(stream);
}

static void end(struct ctl_stream *stream)
{
	void (*on_close)(void *arg) = stream->on_close;
	void *arg = stream->arg;

	TAILQ_REMOVE(&stream->conn->streams, stream, link);
	stream->conn->n_streams--;
	stream->conn->server->n_streams--;
	json_decref(stream->id);
	free(stream);
	if (on_close != NULL)
		on_close(arg);
}

void ctl_stream_close(struct ctl_stream *stream)
{
	char *text;

	if (stream == NULL)
		return;
	/* The last word is let through whatever waits: a stream has only one. */
	if (!stream->conn->dead && !stream->conn->closing) {
		tell_lost(stream);
		text = format(stream, NULL, 0, true);
		if (text != NULL)
			put(stream, text);
	}
	end(stream);
}

void ctl_stream_answered(struct ctl_call *call, bool keep)
{
	struct ctl_stream *stream, *next;

	for (stream = TAILQ_FIRST(&call->conn->streams); stream != NULL; stream = next) {
		next = TAILQ_NEXT(stream, link);
		if (stream->call != call)
			continue;
		stream->call = NULL;
		if (!keep)
			end(stream);
	}
	if (call->early == NULL)
		return;
	if (keep)
		ctl_output_move(call->conn, call->early);
	evbuffer_free(call->early);
	call->early = NULL;
}

void ctl_stream_drop(struct ctl_conn *conn)
{
	struct ctl_stream *stream;

	while ((stream = TAILQ_FIRST(&conn->streams)) != NULL)
		end(stream);
}
