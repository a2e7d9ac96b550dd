/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The control socket's messages (docs/control.md): bytes <-> requests, answers, errors,
 * notifications.  Both ends use it.  Knows bytes only: no state, no I/O, any thread.  Source:
 * JSON-RPC 2.0 (jsonrpc.org/specification), with one more member, "vswitch", for what goes with any
 * command:
 *
 * 	request       {"jsonrpc", "id", "method", "params",
 * 	               "vswitch": {"check", "confirm_ms", "fds"}}
 * 	answer        {"jsonrpc", "id", "result"}
 * 	error         {"jsonrpc", "id", "error": {"code", "message", "data"}}
 * 	notification  {"jsonrpc", "method", "params", "vswitch": {"call", "lost", "end"}}
 */
#ifndef CTL_JSONRPC_H
#define CTL_JSONRPC_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#define JSONRPC_MAX_DEPTH      32
#define JSONRPC_MAX_VALUES     65536 /* A value costs tens of bytes of memory for two of message. */
#define JSONRPC_MAX_METHOD     64
#define JSONRPC_MAX_ID	       128
#define JSONRPC_MAX_FDS	       8
#define JSONRPC_MAX_CONFIRM_MS (24 * 3600 * 1000)

enum jsonrpc_code {
	JSONRPC_PARSE_ERROR = -32700,
	JSONRPC_INVALID_REQUEST = -32600,
	JSONRPC_UNKNOWN_METHOD = -32601,
	JSONRPC_INVALID_PARAMS = -32602,
	JSONRPC_FAILED = -32000,	/* the command refused or failed: "data" says why */
	JSONRPC_LIMIT = -32001,		/* a limit of the socket; the connection closes */
	JSONRPC_NOT_PERMITTED = -32002, /* the connection closes */
};

struct jsonrpc_request {
	json_t *root;	  /* what the others borrow from */
	const json_t *id; /* string or integer; NULL when the message has no usable one */
	char noun[JSONRPC_MAX_METHOD + 1], verb[JSONRPC_MAX_METHOD + 1];
	const json_t *params; /* an object, or NULL */
	bool check;
	uint64_t confirm_ms;
	unsigned n_fds;
};

/* Reads one message, without its newline.  0, -EBADMSG (no JSON: the sender is not one of ours) or
 * -EPROTO (JSON, but no request).  '*ret' is set in every case, as far as the message was
 * understood; end it with jsonrpc_request_fini(). */
int jsonrpc_request_parse(const char *text, size_t size, struct jsonrpc_request *ret,
			  struct err *err);
void jsonrpc_request_fini(struct jsonrpc_request *request);

/* Reads any JSON within the limits of depth and number of values, or NULL with 'err' set.  New
 * reference. */
json_t *jsonrpc_load(const char *text, size_t size, struct err *err);

/* Messages, new references, NULL when out of memory.  'id' is borrowed, NULL: null.  'result' is
 * taken. */
json_t *jsonrpc_answer(const json_t *id, json_t *result);
json_t *jsonrpc_error(const json_t *id, enum jsonrpc_code code, const struct err *err);
/* 'params' is borrowed and may be NULL; 'lost' and 'end' stand there only when they are not 0. */
json_t *jsonrpc_notification(const char *noun, const char *verb, const json_t *params,
			     const json_t *call, uint64_t lost, bool end);

/* The "error" member of an answer as the error its handler set.  Returns its errno, always
 * negative. */
int jsonrpc_error_read(const json_t *error, struct err *err);

#endif
