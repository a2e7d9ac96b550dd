/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The control socket's daemon end: JSON-RPC 2.0, one message a line, on a unix socket (docs/control.md).  Runs on the
 * control thread's event loop.  A client may send garbage, half a message, 10 MB, or connect a thousand times: each
 * is bounded here and answered with an error or a close, and counted.
 *
 * A method is "noun.verb"; its parameters were checked against the command table before a handler sees them.
 */
#ifndef CTL_SERVER_H
#define CTL_SERVER_H

#include "ctl/base/err.h"
#include "ctl/spec.h"

#include <sys/types.h>

#include <jansson.h>

struct event_base;
struct ctl_server;
struct ctl_call;

/* Handles one call.  Sets *ret_result (a new reference) and returns 0, or returns a negative errno with 'err' set.
 * 'params' is borrowed.  For a CTL_STREAM command see ctl_stream_open(). */
typedef int (*ctl_handler_fn)(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret_result,
			      struct err *err);

struct ctl_binding {
	const char *noun, *verb;
	ctl_handler_fn fn;
};

struct ctl_server_opts {
	const char *path;       /* "/run/vswitch/control.sock" */
	const char *group;      /* members may use it besides root; NULL: root only */
	unsigned max_clients;   /* 0: 256 */
	size_t max_message;     /* bytes; 0: 4 MiB */
};

/* Listens.  -EADDRINUSE (slug "already-running") when another daemon answers on the path; a stale socket is replaced.
 * 'base' is borrowed until ctl_server_destroy(). */
int ctl_server_create(struct event_base *base, const struct ctl_server_opts *opts, struct ctl_server **ret_server,
		      struct err *err);
void ctl_server_destroy(struct ctl_server *server);

/* Binds handlers (table ended by .noun == NULL, borrowed) to commands; -ENOENT when the table has no such command. */
int ctl_server_bind(struct ctl_server *server, const struct ctl_binding *bindings, void *ctx, struct err *err);

/* What a handler may ask of its call. */
const struct ctl_spec *ctl_call_spec(const struct ctl_call *call);
uid_t ctl_call_uid(const struct ctl_call *call);
gid_t ctl_call_gid(const struct ctl_call *call);
pid_t ctl_call_pid(const struct ctl_call *call);
/* "--check": validate and say what would change, change nothing. */
bool ctl_call_check(const struct ctl_call *call);
/* "--confirm": milliseconds after which an unconfirmed change rolls back; 0: none. */
uint64_t ctl_call_confirm_ms(const struct ctl_call *call);
/* The descriptor that came with the message for a CTL_FD_OUT argument; the caller takes it.  -1: none. */
int ctl_call_take_fd(struct ctl_call *call);
/* The n-th descriptor of the message. */
int ctl_call_take_fd_at(struct ctl_call *call, unsigned index);

/* A stream: notifications {"method": "noun.verb", "params": ...} after the call's own answer, until either side closes.
 * 'on_close' runs once, on the control thread; the stream is gone after it.  A client that does not read loses
 * notifications beyond a bound (they are counted and the count is sent), never memory. */
struct ctl_stream;
struct ctl_stream *ctl_stream_open(struct ctl_call *call, void (*on_close)(void *arg), void *arg);
void ctl_stream_send(struct ctl_stream *stream, const json_t *params);
void ctl_stream_close(struct ctl_stream *stream);

/* Counters of the socket itself, new reference: clients, calls, errors, refused, oversized. */
json_t *ctl_server_stats(const struct ctl_server *server);

#endif
