/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The control socket's daemon end: JSON-RPC 2.0, one message a line, on a unix socket
 * (docs/control.md).  Runs on the control thread's event loop, and everything here is called on
 * that thread only.  A client may send garbage, half a message, 10 MB, or connect a thousand times:
 * each is bounded here and answered with an error or a close, and counted.
 *
 * A method is "noun.verb"; its parameters were checked against the command table before a handler
 * sees them.
 */
#ifndef CTL_SERVER_H
#define CTL_SERVER_H

#include "ctl/base/err.h"
#include "ctl/spec.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include <jansson.h>

struct event_base;
struct ctl_server;
struct ctl_call;

/* Handles one call.  Sets *ret_result (a new reference) and returns 0, or returns a negative errno
 * with 'err' set.  'params' is borrowed.  For a CTL_STREAM command see ctl_stream_open(). */
typedef int (*ctl_handler_fn)(void *ctx, struct ctl_call *call, const json_t *params,
			      json_t **ret_result, struct err *err);

struct ctl_binding {
	const char *noun, *verb;
	ctl_handler_fn fn;
};

/* A 0 means the default that stands beside it. */
struct ctl_server_opts {
	const char *path; /* "/run/vswitch/control.sock" */
	/* Name or number.  Its members may use the socket besides root and the daemon's own user;
	 * NULL: nobody. */
	const char *group;
	const struct ctl_spec *specs; /* NULL: ctl_specs(); borrowed until ctl_server_destroy() */
	unsigned max_clients;	      /* 256, of which a sixteenth is for root */
	size_t max_message;	      /* 4 MiB */
	size_t max_answer;	      /* 64 MiB */
	unsigned message_timeout_ms;  /* 10 s, from the first byte of a message to its last */
	unsigned stall_timeout_ms;    /* 30 s without taking one byte of an answer */
	unsigned evict_after_ms; /* 10 s; who idles longer makes room when all places are taken */
};

/* Listens.  -EADDRINUSE (slug "already-running") when another daemon has the path; a stale socket
 * is replaced, anything else there is not (-EEXIST, "not-a-socket").  -ENOENT ("no-group") when
 * there is no such group.  'base' is borrowed until ctl_server_destroy(), 'opts' until this
 * returns. */
int ctl_server_create(struct event_base *base, const struct ctl_server_opts *opts,
		      struct ctl_server **ret_server, struct err *err);
/* Closes every client and ends every stream.  Not from a handler or 'on_close'. */
void ctl_server_destroy(struct ctl_server *server);

/* Binds handlers (table ended by .noun == NULL, borrowed) to commands; -ENOENT when the table has
 * no such command. */
int ctl_server_bind(struct ctl_server *server, const struct ctl_binding *bindings, void *ctx,
		    struct err *err);

/* The group whose members may connect; false: there is none. */
bool ctl_server_group(const struct ctl_server *server, gid_t *ret_group);

/* What a handler may ask of its call. */
const struct ctl_spec *ctl_call_spec(const struct ctl_call *call);
uid_t ctl_call_uid(const struct ctl_call *call);
gid_t ctl_call_gid(const struct ctl_call *call);
pid_t ctl_call_pid(const struct ctl_call *call);
/* "--check": validate and say what would change, change nothing. */
bool ctl_call_check(const struct ctl_call *call);
/* "--confirm": milliseconds after which an unconfirmed change rolls back; 0: none. */
uint64_t ctl_call_confirm_ms(const struct ctl_call *call);
/* The first descriptor of the message that was not taken; the caller owns it then.  -1: none.  What
 * a handler does not take is closed. */
int ctl_call_take_fd(struct ctl_call *call);
/* The n-th descriptor of the message (0 is the first). */
int ctl_call_take_fd_at(struct ctl_call *call, unsigned index);

/* An answer that takes time: the handler returns 0 without a result, and the call is answered
 * later, once, by ctl_late_answer() or ctl_late_fail(), not before the handler has returned.
 * Meanwhile the client's other calls go on, so answers may come in another order than calls.
 * 'on_gone' runs when the client went before: then there is nobody to answer, and 'late' is gone. A
 * handler that fails after it deferred is answered with its error, and 'on_gone' does not run.
 * NULL: the client waits for too many, or out of memory. */
struct ctl_late;
struct ctl_late *ctl_call_defer(struct ctl_call *call, void (*on_gone)(void *arg), void *arg);
/* Takes 'late' (NULL: nobody) and 'result' (an object, or NULL for {}). */
void ctl_late_answer(struct ctl_late *late, json_t *result);
void ctl_late_fail(struct ctl_late *late, const struct err *err);

/* A stream: notifications {"method": "noun.verb", "params": ...} after the call's own answer, until
 * either side closes.  'on_close' runs once, on the control thread, whoever closes, also when the
 * handler fails after it opened the stream; the stream is gone after it.  A client that does not
 * read loses notifications beyond a bound (they are counted and the count is sent), no memory. */
struct ctl_stream;
/* From a handler, for its own call; a command that is no CTL_STREAM may open one too, where its
 * parameters ask for it.  NULL: the client has too many, or out of memory; then 'on_close' did not
 * run. */
struct ctl_stream *ctl_stream_open(struct ctl_call *call, void (*on_close)(void *arg), void *arg);
/* Never closes the stream and never blocks; 'params' (an object) is borrowed. */
void ctl_stream_send(struct ctl_stream *stream, const json_t *params);
/* Tells the client that the stream has ended.  Runs 'on_close'.  Takes NULL. */
void ctl_stream_close(struct ctl_stream *stream);

/* Counters of the socket itself, new reference: {"clients", "streams", "accepted", "calls",
 * "errors", "refused", ..}. */
json_t *ctl_server_stats(const struct ctl_server *server);

#endif
