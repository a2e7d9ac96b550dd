/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Messages of the control socket.  What must be refused is in server_hostile_test.c, where the
 * refusal is seen; here is where the limits lie, and what comes back of what was written.
 */
#include "ctl/jsonrpc.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static int parse(const char *text, struct jsonrpc_request *ret, struct err *err)
{
	/* A copy of just its size, so that a sanitizer sees a byte read beyond. */
	size_t size = strlen(text);
	char *copy = malloc(size > 0 ? size : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, text, size);
	rc = jsonrpc_request_parse(copy, size, ret, err);
	free(copy);
	return rc;
}

static int parse_only(const char *text)
{
	struct jsonrpc_request request;
	struct err err;
	int rc = parse(text, &request, &err);

	jsonrpc_request_fini(&request);
	return rc;
}

static void request_is_read_whole(void **state)
{
	struct jsonrpc_request request;
	struct err err;

	assert_int_equal(parse("{\"jsonrpc\":\"2.0\",\"id\":-7,\"method\":\"vlan-map.show-all\","
			       "\"params\":{\"a\":1},"
			       "\"vswitch\":{\"check\":true,\"confirm_ms\":86400000,\"fds\":8}}",
			       &request, &err),
			 0);
	assert_int_equal(json_integer_value(request.id), -7);
	assert_string_equal(request.noun, "vlan-map");
	assert_string_equal(request.verb, "show-all");
	assert_int_equal(json_integer_value(json_object_get(request.params, "a")), 1);
	assert_true(request.check);
	assert_int_equal(request.confirm_ms, 86400000);
	assert_int_equal(request.n_fds, 8);
	jsonrpc_request_fini(&request);
	assert_null(request.root);
}

static void what_is_absent_is_nothing(void **state)
{
	struct jsonrpc_request request;
	struct err err;

	assert_int_equal(
		parse("{\"jsonrpc\":\"2.0\",\"id\":\"\",\"method\":\"a.b\",\"vswitch\":{}}",
		      &request, &err),
		0);
	assert_null(request.params);
	assert_false(request.check);
	assert_int_equal(request.confirm_ms, 0);
	assert_int_equal(request.n_fds, 0);
	jsonrpc_request_fini(&request);
}

/* Whoever sent what is no request learns which of its messages it was. */
static void id_is_kept_of_a_request_that_is_refused(void **state)
{
	struct jsonrpc_request request;
	struct err err;

	assert_int_equal(parse("{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":\"nothing\"}", &request,
			       &err),
			 -EPROTO);
	assert_int_equal(json_integer_value(request.id), 5);
	jsonrpc_request_fini(&request);
	assert_int_equal(parse("{\"id\":{}}", &request, &err), -EPROTO);
	assert_null(request.id);
	jsonrpc_request_fini(&request);
	assert_int_equal(parse("{", &request, &err), -EBADMSG);
	assert_null(request.root);
	jsonrpc_request_fini(&request);
}

static void lengths_are_limited_to_the_byte(void **state)
{
	char text[400];

	for (int n = 1; n < 200; n++) {
		snprintf(text, sizeof(text),
			 "{\"jsonrpc\":\"2.0\",\"id\":\"%0*d\",\"method\":\"a.b\"}", n, 0);
		assert_int_equal(parse_only(text), n <= JSONRPC_MAX_ID ? 0 : -EPROTO);
		snprintf(text, sizeof(text), "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a.%0*d\"}",
			 n, 0);
		assert_int_equal(parse_only(text), n + 2 <= JSONRPC_MAX_METHOD ? 0 : -EPROTO);
		snprintf(text, sizeof(text), "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"%0*d.a\"}",
			 n, 0);
		assert_int_equal(parse_only(text), n + 2 <= JSONRPC_MAX_METHOD ? 0 : -EPROTO);
	}
}

static void depth_is_limited(void **state)
{
	char text[300], open[64], shut[64];

	for (int n = 1; n < 60; n++) {
		memset(open, '[', (size_t)n);
		memset(shut, ']', (size_t)n);
		open[n] = shut[n] = '\0';
		snprintf(
			text, sizeof(text),
			"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a.b\",\"params\":{\"x\":%s%s}}",
			open, shut);
		/* Two are the message and its parameters. */
		assert_int_equal(parse_only(text), n + 2 <= JSONRPC_MAX_DEPTH ? 0 : -EBADMSG);
	}
	/* Brackets in a string nest nothing, quotes and backslashes in it notwithstanding. */
	memset(open, '[', 50);
	open[50] = '\0';
	snprintf(text, sizeof(text),
		 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a.b\",\"params\":{\"x\":\"\\\"%"
		 "s\\\\\"}}",
		 open);
	assert_int_equal(parse_only(text), 0);
}

static void number_of_values_is_limited(void **state)
{
	char *text = malloc(2 * JSONRPC_MAX_VALUES + 100);
	struct err err;
	json_t *json;
	size_t n;

	for (int over = 0; over < 2; over++) {
		n = 0;
		text[n++] = '[';
		/* The array is a value of its own, and so is what its first item is counted with.
		 */
		for (int i = 0; i < JSONRPC_MAX_VALUES - 2 + over; i++) {
			text[n++] = '0';
			text[n++] = ',';
		}
		text[n++] = '0';
		text[n++] = ']';
		json = jsonrpc_load(text, n, &err);
		assert_int_equal(json != NULL, over == 0);
		json_decref(json);
	}
	assert_string_equal(err.slug, "parse-error");
	free(text);
}

static void error_comes_back_as_it_was(void **state)
{
	static const int codes[] = {-EPERM,  -ENOENT,	  -EEXIST,    -EINVAL,
				    -ENOSPC, -EOPNOTSUPP, -ETIMEDOUT, -EAGAIN};
	json_t *id = json_integer(1), *message;
	struct err sent, got;

	for (unsigned i = 0; i < sizeof(codes) / sizeof(codes[0]); i++) {
		memset(&got, 'x', sizeof(got));
		err_set(&sent, codes[i], "a-slug", "what \"it\" is\n\x01\t\303\244");
		err_why(&sent, "why");
		message = jsonrpc_error(id, JSONRPC_FAILED, &sent);
		assert_non_null(message);
		assert_int_equal(jsonrpc_error_read(json_object_get(message, "error"), &got),
				 codes[i]);
		assert_int_equal(got.code, codes[i]);
		assert_string_equal(got.slug, sent.slug);
		assert_string_equal(got.what, sent.what);
		assert_string_equal(got.why, "why");
		assert_string_equal(got.fix, "");
		json_decref(message);
	}
	json_decref(id);
}

static void error_with_broken_characters_is_still_sent(void **state)
{
	struct err sent, got;
	json_t *message;

	err_set(&sent, -EIO, "slug", "name \xff\xc3 is odd");
	message = jsonrpc_error(NULL, JSONRPC_FAILED, &sent);
	assert_non_null(message);
	assert_true(json_is_null(json_object_get(message, "id")));
	jsonrpc_error_read(json_object_get(message, "error"), &got);
	assert_string_equal(got.what, "name ?? is odd");
	json_decref(message);
}

static void answer_without_a_result_cannot_be_made(void **state)
{
	json_t *id = json_integer(1);

	/* What json_object() gives when memory is out. */
	assert_null(jsonrpc_answer(id, NULL));
	json_decref(id);
}

static void notification_has_only_what_it_says(void **state)
{
	json_t *params = json_pack("{s:i}", "a", 1), *call = json_string("x"), *message, *extra;

	message = jsonrpc_notification("events", "watch", params, call, 0, false);
	extra = json_object_get(message, "vswitch");
	assert_string_equal(json_string_value(json_object_get(message, "method")), "events.watch");
	assert_int_equal(json_object_size(extra), 1);
	assert_string_equal(json_string_value(json_object_get(extra, "call")), "x");
	json_decref(message);
	/* It borrowed. */
	assert_int_equal(json_integer_value(json_object_get(params, "a")), 1);
	message = jsonrpc_notification("events", "watch", NULL, call, 3, true);
	extra = json_object_get(message, "vswitch");
	assert_null(json_object_get(message, "params"));
	assert_int_equal(json_integer_value(json_object_get(extra, "lost")), 3);
	assert_true(json_is_true(json_object_get(extra, "end")));
	json_decref(message);
	json_decref(params);
	json_decref(call);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(request_is_read_whole),
		cmocka_unit_test(what_is_absent_is_nothing),
		cmocka_unit_test(id_is_kept_of_a_request_that_is_refused),
		cmocka_unit_test(lengths_are_limited_to_the_byte),
		cmocka_unit_test(depth_is_limited),
		cmocka_unit_test(number_of_values_is_limited),
		cmocka_unit_test(error_comes_back_as_it_was),
		cmocka_unit_test(error_with_broken_characters_is_still_sent),
		cmocka_unit_test(answer_without_a_result_cannot_be_made),
		cmocka_unit_test(notification_has_only_what_it_says),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
