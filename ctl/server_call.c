/* SPDX-License-Identifier: BSD-2-Clause
 *
 * One message: parse, find the command, check its parameters, run its handler, answer.  Every
 * message is answered, once.  What is no JSON at all ends the connection: its sender does not speak
 * our language, and where its next message would begin is a guess.
 */
#include "ctl/server_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>

#define MAX_NAMES 128

/* A refusal: errno and words in 'err', and the code it has on the wire. */
struct verdict {
	enum jsonrpc_code code;
	struct err err;
};

const struct ctl_spec *ctl_call_spec(const struct ctl_call *call)
{
	return call->spec;
}

uid_t ctl_call_uid(const struct ctl_call *call)
{
	return call->conn->cred.uid;
}

gid_t ctl_call_gid(const struct ctl_call *call)
{
	return call->conn->cred.gid;
}

pid_t ctl_call_pid(const struct ctl_call *call)
{
	return call->conn->cred.pid;
}

bool ctl_call_check(const struct ctl_call *call)
{
	return call->request->check;
}

uint64_t ctl_call_confirm_ms(const struct ctl_call *call)
{
	return call->request->confirm_ms;
}

int ctl_call_take_fd_at(struct ctl_call *call, unsigned index)
{
	int fd = -1;

	if (index < call->n_fds) {
		fd = call->fds[index];
		call->fds[index] = -1;
	}
	return fd;
}

int ctl_call_take_fd(struct ctl_call *call)
{
	for (unsigned i = 0; i < call->n_fds; i++) {
		if (call->fds[i] >= 0)
			return ctl_call_take_fd_at(call, i);
	}
	return -1;
}

static const struct ctl_bound *find_bound(const struct ctl_server *server,
					  const struct ctl_spec *spec)
{
	for (size_t i = 0; i < server->n_bounds; i++) {
		if (server->bounds[i].spec == spec)
			return &server->bounds[i];
	}
	return NULL;
}

/* Nouns, or with 'noun' its verbs. */
static const char *suggest(const struct ctl_server *server, const char *noun, const char *word)
{
	const char *names[MAX_NAMES + 1];
	size_t n = 0;

	for (const struct ctl_spec *spec = server->opts.specs; spec->noun != NULL && n < MAX_NAMES;
	     spec++) {
		if (noun == NULL)
			names[n++] = spec->noun;
		else if (strcmp(spec->noun, noun) == 0)
			names[n++] = spec->verb;
	}
	names[n] = NULL;
	return n > 0 ? ctl_did_you_mean(word, names) : NULL;
}

static int unknown_method(const struct ctl_server *server, const struct jsonrpc_request *request,
			  struct verdict *no)
{
	const char *noun = request->noun, *near = suggest(server, NULL, noun);

	no->code = JSONRPC_UNKNOWN_METHOD;
	err_set(&no->err, -ENOSYS, "unknown-method", "there is no command '%s %s'", noun,
		request->verb);
	if (near != NULL && strcmp(near, noun) != 0) {
		err_why(&no->err, "did you mean %s.%s?", near, request->verb);
	} else if (near != NULL) {
		near = suggest(server, noun, request->verb);
		if (near != NULL)
			err_why(&no->err, "did you mean %s.%s?", noun, near);
	}
	err_fix(&no->err, "vswitchctl --help");
	return -ENOSYS;
}

static int find(const struct ctl_server *server, const struct jsonrpc_request *request,
		const struct ctl_bound **ret_bound, struct verdict *no)
{
	const struct ctl_spec *spec = server->opts.specs;

	while (spec->noun != NULL &&
	       (strcmp(spec->noun, request->noun) != 0 || !ctl_verb_is(spec->verb, request->verb)))
		spec++;
	if (spec->noun == NULL)
		return unknown_method(server, request, no);
	*ret_bound = find_bound(server, spec);
	if (*ret_bound != NULL)
		return 0;
	no->code = JSONRPC_UNKNOWN_METHOD;
	err_set(&no->err, -EOPNOTSUPP, "not-supported", "this daemon does not do '%s %s'",
		spec->noun, spec->verb);
	if (spec->flags & CTL_LOCAL)
		err_why(&no->err, "vswitchctl does it by itself");
	return -EOPNOTSUPP;
}

static int check(const struct ctl_spec *spec, const struct jsonrpc_request *request,
		 json_t **ret_params, struct verdict *no)
{
	no->code = JSONRPC_INVALID_PARAMS;
	if (!(spec->flags & CTL_CHANGES) && (request->check || request->confirm_ms > 0)) {
		err_set(&no->err, -EINVAL, "usage", "%s %s changes nothing, so it takes no --%s",
			spec->noun, spec->verb, request->check ? "check" : "confirm");
		err_why(&no->err, "--check and --confirm are for changes");
		err_fix(&no->err, "vswitchctl %s %s --help", spec->noun, spec->verb);
		return -EINVAL;
	}
	return ctl_args_check(spec, request->params, ret_params, &no->err);
}

/* The message's own descriptors leave the connection, whatever becomes of the call. */
static int take_fds(struct ctl_call *call, struct verdict *no)
{
	struct ctl_conn *conn = call->conn;
	unsigned n = call->request->n_fds;

	if (n > conn->n_fds) {
		no->code = JSONRPC_INVALID_REQUEST;
		err_set(&no->err, -EBADF, "no-descriptors",
			"the message announces %u descriptors and %u came with it", n, conn->n_fds);
		err_why(&no->err, "they go with the bytes of the message as SCM_RIGHTS");
		return -EBADF;
	}
	memcpy(call->fds, conn->fds, n * sizeof(int));
	memmove(conn->fds, conn->fds + n, (conn->n_fds - n) * sizeof(int));
	conn->n_fds -= n;
	conn->server->n_held_fds -= n;
	call->n_fds = n;
	return 0;
}

static int run(struct ctl_call *call, json_t **ret_result, struct verdict *no)
{
	struct ctl_server *server = call->conn->server;
	const struct ctl_bound *bound;
	json_t *params = NULL;
	int rc = take_fds(call, no);

	if (rc == 0)
		rc = find(server, call->request, &bound, no);
	if (rc == 0)
		rc = check(bound->spec, call->request, &params, no);
	if (rc != 0)
		return rc;
	call->spec = bound->spec;
	server->counters.calls++;
	no->code = JSONRPC_FAILED;
	rc = bound->fn(bound->ctx, call, params, ret_result, &no->err);
	json_decref(params);
	return rc;
}

/* The answer as text; NULL with 'no' set when it is longer than may be. */
static char *format_answer(struct ctl_call *call, json_t *result, struct verdict *no)
{
	struct ctl_server *server = call->conn->server;
	json_t *answer = jsonrpc_answer(call->request->id, result);
	char *text = json_dumps(answer, JSON_COMPACT);
	size_t size = text != NULL ? strlen(text) : 0;

	json_decref(answer);
	if (text != NULL && size <= server->opts.max_answer && server->n_out + size <= CTL_MAX_OUT)
		return text;
	no->code = JSONRPC_FAILED;
	if (text == NULL) {
		err_set(&no->err, -ENOMEM, "no-memory", "out of memory for the answer");
	} else if (size > server->opts.max_answer) {
		err_set(&no->err, -EMSGSIZE, "answer-too-big",
			"the answer has %zu bytes, and %zu may be sent", size,
			server->opts.max_answer);
		err_fix(&no->err, "ask for less: most lists can be narrowed by an argument");
	} else {
		server->counters.busy++;
		err_set(&no->err, -EBUSY, "busy",
			"too many answers wait for clients that do not read them");
	}
	free(text);
	return NULL;
}

static void refuse(struct ctl_conn *conn, const json_t *id, const struct verdict *no)
{
	conn->server->counters.errors++;
	ctl_output_put(conn, jsonrpc_error(id, no->code, &no->err));
}

static void answer(struct ctl_call *call, int rc, json_t *result, struct verdict *no)
{
	char *text = NULL;

	if (rc == 0) {
		text = format_answer(call, result != NULL ? result : json_object(), no);
	} else {
		json_decref(result);
		if (no->err.code == 0)
			err_set(&no->err, rc, "failed", "%s %s failed: %s", call->request->noun,
				call->request->verb, strerror(-rc));
	}
	if (text != NULL)
		ctl_output_put_text(call->conn, text);
	else
		refuse(call->conn, call->request->id, no);
	ctl_stream_answered(call, text != NULL);
}

void ctl_call_run(struct ctl_conn *conn, const char *text, size_t size)
{
	struct jsonrpc_request request;
	struct ctl_call call = {.conn = conn, .request = &request};
	struct verdict no = {.code = JSONRPC_INVALID_REQUEST};
	json_t *result = NULL;
	int rc = jsonrpc_request_parse(text, size, &request, &no.err);

	if (rc == 0) {
		rc = run(&call, &result, &no);
		if (rc != 0 || result != NULL)
			ctl_late_forget(&call);
		if (call.late == NULL)
			answer(&call, rc, result, &no);
	} else if (rc == -EBADMSG) {
		conn->server->counters.garbage++;
		ctl_output_end(conn, JSONRPC_PARSE_ERROR, &no.err);
	} else {
		conn->server->counters.invalid++;
		refuse(conn, request.id, &no);
	}
	ctl_fds_close(conn->server, call.fds, call.n_fds);
	jsonrpc_request_fini(&request);
}
