/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Reading messages.  jansson refuses what is no JSON, invalid UTF-8, NUL and two members of one
 * name; depth and number of values are counted before it runs, because it bounds neither as tightly
 * as a daemon wants.
 */
#include "ctl/jsonrpc.h"

#include <errno.h>
#include <string.h>

static const char *const request_members[] = {"jsonrpc", "id", "method", "params", "vswitch", NULL};
static const char *const option_members[] = {"check", "confirm_ms", "fds", NULL};

static int invalid(struct err *err, const char *what, const char *fix)
{
	int rc = err_set(err, -EPROTO, "invalid-request", "invalid request: %s", what);

	err_why(err, "a request is {\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"noun.verb\", "
		     "\"params\": {}}");
	if (fix != NULL)
		err_fix(err, "%s", fix);
	return rc;
}

/* Nesting and number of values of what may be JSON.  What is not, the parser finds. */
static int check_size(const char *text, size_t size, struct err *err)
{
	size_t depth = 0, n_values = 1;
	bool in_string = false;

	for (size_t i = 0; i < size; i++) {
		char c = text[i];

		if (in_string && c == '\\') {
			i++;
		} else if (c == '"') {
			in_string = !in_string;
		} else if (!in_string && (c == '[' || c == '{')) {
			depth++;
			n_values++;
		} else if (!in_string && (c == ']' || c == '}')) {
			depth -= depth > 0;
		} else if (!in_string && c == ',') {
			n_values++;
		}
		if (depth > JSONRPC_MAX_DEPTH)
			return err_set(err, -EBADMSG, "parse-error",
				       "the message nests deeper than %d", JSONRPC_MAX_DEPTH);
		if (n_values > JSONRPC_MAX_VALUES)
			return err_set(err, -EBADMSG, "parse-error",
				       "the message has more than %d values", JSONRPC_MAX_VALUES);
	}
	return 0;
}

json_t *jsonrpc_load(const char *text, size_t size, struct err *err)
{
	json_error_t at;
	json_t *root;

	if (check_size(text, size, err) != 0)
		return NULL;
	root = json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &at);
	if (root == NULL) {
		err_set(err, -EBADMSG, "parse-error", "the message is not JSON: column %d: %s",
			at.column, at.text);
		err_why(err, "a message is one JSON object on one line, in UTF-8");
	}
	return root;
}

/* A member nobody knows may be an option that was mistyped: to run without it could do what was not
 * meant. */
static int check_members(const json_t *object, const char *const *names, struct err *err)
{
	const char *key;
	json_t *value;

	/* jansson's macro casts const away itself. */
	json_object_foreach((json_t *)(uintptr_t)object, key, value) {
		size_t i = 0;

		while (names[i] != NULL && strcmp(names[i], key) != 0)
			i++;
		if (names[i] == NULL) {
			invalid(err, "it has a member that is not known", NULL);
			err_why(err,
				"'%.64s' is none of the members of a request or of its \"vswitch\"",
				key);
			return -EPROTO;
		}
	}
	return 0;
}

static int read_id(struct jsonrpc_request *request, struct err *err)
{
	const json_t *id = json_object_get(request->root, "id");

	if (json_is_integer(id) ||
	    (json_is_string(id) && json_string_length(id) <= JSONRPC_MAX_ID)) {
		request->id = id;
		return 0;
	}
	return invalid(err, "\"id\" must be an integer or a string of at most 128 bytes",
		       "every request is answered, so each needs an id");
}

/* "noun.verb", both of [a-z0-9-]. */
static int read_method(struct jsonrpc_request *request, struct err *err)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
	const json_t *json = json_object_get(request->root, "method");
	const char *method = json_string_value(json);
	size_t n_noun, n_verb;

	if (method == NULL || json_string_length(json) > JSONRPC_MAX_METHOD)
		return invalid(err, "\"method\" must be a string such as \"port.list\"", NULL);
	n_noun = strspn(method, letters);
	if (n_noun == 0 || method[n_noun] != '.')
		return invalid(err, "\"method\" must be \"noun.verb\"", NULL);
	n_verb = strspn(method + n_noun + 1, letters);
	if (n_verb == 0 || method[n_noun + 1 + n_verb] != '\0')
		return invalid(err, "\"method\" must be \"noun.verb\"", NULL);
	memcpy(request->noun, method, n_noun);
	memcpy(request->verb, method + n_noun + 1, n_verb);
	return 0;
}

static int read_number(const json_t *options, const char *name, uint64_t max, uint64_t *ret)
{
	const json_t *value = json_object_get(options, name);

	if (value == NULL)
		return 0;
	if (!json_is_integer(value) || json_integer_value(value) < 0 ||
	    (uint64_t)json_integer_value(value) > max)
		return -EPROTO;
	*ret = (uint64_t)json_integer_value(value);
	return 0;
}

static int read_options(struct jsonrpc_request *request, struct err *err)
{
	const json_t *options = json_object_get(request->root, "vswitch");
	const json_t *check = json_object_get(options, "check");
	uint64_t n_fds = 0;

	if (options == NULL)
		return 0;
	if (!json_is_object(options))
		return invalid(err, "\"vswitch\" must be an object", NULL);
	if (check_members(options, option_members, err) != 0)
		return -EPROTO;
	if (check != NULL && !json_is_boolean(check))
		return invalid(err, "\"check\" must be true or false", NULL);
	if (read_number(options, "confirm_ms", JSONRPC_MAX_CONFIRM_MS, &request->confirm_ms) != 0)
		return invalid(err, "\"confirm_ms\" must be an integer, 0 to 86400000", NULL);
	if (read_number(options, "fds", JSONRPC_MAX_FDS, &n_fds) != 0)
		return invalid(err, "\"fds\" must be an integer, 0 to 8", NULL);
	request->check = json_is_true(check);
	request->n_fds = (unsigned)n_fds;
	return 0;
}

static int read_params(struct jsonrpc_request *request, struct err *err)
{
	const json_t *params = json_object_get(request->root, "params");

	if (params != NULL && !json_is_object(params))
		return invalid(err, "\"params\" must be an object", "parameters go by name");
	request->params = params;
	return 0;
}

int jsonrpc_request_parse(const char *text, size_t size, struct jsonrpc_request *ret,
			  struct err *err)
{
	const char *version;
	int rc;

	*ret = (struct jsonrpc_request){.root = jsonrpc_load(text, size, err)};
	if (ret->root == NULL)
		return -EBADMSG;
	if (json_is_array(ret->root))
		return invalid(err, "batches are not taken", "send the requests one a line");
	if (!json_is_object(ret->root))
		return invalid(err, "it is not an object", NULL);
	rc = read_id(ret, err);
	version = json_string_value(json_object_get(ret->root, "jsonrpc"));
	if (rc == 0 && (version == NULL || strcmp(version, "2.0") != 0))
		rc = invalid(err, "\"jsonrpc\" must be \"2.0\"", NULL);
	if (rc == 0)
		rc = check_members(ret->root, request_members, err);
	if (rc == 0)
		rc = read_method(ret, err);
	if (rc == 0)
		rc = read_params(ret, err);
	if (rc == 0)
		rc = read_options(ret, err);
	return rc;
}

void jsonrpc_request_fini(struct jsonrpc_request *request)
{
	json_decref(request->root);
	*request = (struct jsonrpc_request){0};
}
