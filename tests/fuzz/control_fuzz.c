/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Any line on the control socket: the request is understood or refused with words, its parameters
 * are checked as the daemon checks them, and what is answered can be sent.  What was taken is taken
 * again when it is written out.
 */
#include "tests/fuzz/fuzz.h"

#include "ctl/jsonrpc.h"
#include "ctl/spec.h"

#include <stdlib.h>
#include <string.h>

static void require(bool holds)
{
	if (!holds)
		abort();
}

/* An error that can be sent and is the same at the other end, but for characters that were cut. */
static void check_error(const struct jsonrpc_request *request, const struct err *err)
{
	json_t *message = jsonrpc_error(request->id, JSONRPC_INVALID_REQUEST, err);
	char *text = json_dumps(message, JSON_COMPACT);
	struct err got;

	require(err->code < 0 && err->slug[0] != '\0' && err->what[0] != '\0');
	require(text != NULL && strchr(text, '\n') == NULL);
	require(jsonrpc_error_read(json_object_get(message, "error"), &got) == err->code);
	require(strlen(got.what) == strlen(err->what));
	free(text);
	json_decref(message);
}

static void check_params(const struct jsonrpc_request *request)
{
	const struct ctl_spec *spec = ctl_spec_find(request->noun, request->verb);
	json_t *params = NULL, *again = NULL;
	struct err err = {0};

	if (spec == NULL)
		return;
	if (ctl_args_check(spec, request->params, &params, &err) != 0) {
		check_error(request, &err);
		return;
	}
	/* What passed is in its normal form. */
	require(ctl_args_check(spec, params, &again, &err) == 0);
	require(json_equal(params, again));
	json_decref(params);
	json_decref(again);
}

static void check_again(const struct jsonrpc_request *request)
{
	char *text = json_dumps(request->root, JSON_COMPACT);
	struct jsonrpc_request again;
	struct err err;

	require(text != NULL);
	require(jsonrpc_request_parse(text, strlen(text), &again, &err) == 0);
	require(strcmp(again.noun, request->noun) == 0 && strcmp(again.verb, request->verb) == 0);
	require(again.check == request->check && again.confirm_ms == request->confirm_ms);
	require(again.n_fds == request->n_fds && again.n_fds <= JSONRPC_MAX_FDS);
	require(json_equal(again.id, request->id));
	jsonrpc_request_fini(&again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct jsonrpc_request request;
	struct err err = {0};

	if (jsonrpc_request_parse((const char *)data, size, &request, &err) != 0) {
		check_error(&request, &err);
	} else {
		check_again(&request);
		check_params(&request);
	}
	jsonrpc_request_fini(&request);
	return 0;
}
