/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The control server with clients that mean well.
 */
#include "tests/unit/ctl/control_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

static void expect_text(const json_t *object, const char *key, const char *value)
{
	assert_non_null(json_object_get(object, key));
	assert_string_equal(json_string_value(json_object_get(object, key)), value);
}

static void call_gets_its_result(void **state)
{
	json_t *params = json_pack("{s:s, s:s}", "name", "t1", "kind", "tap"), *result = NULL;
	struct ctl_client *client;
	struct fix fix;
	struct err err;

	fix_start(&fix, NULL);
	client = fix_client(&fix);
	assert_int_equal(ctl_client_call(client, "thing.add", params, NULL, &result, &err), 0);
	expect_text(result, "name", "t1");
	expect_text(result, "verb", "add");
	assert_true(json_is_false(json_object_get(result, "check")));
	assert_int_equal(json_integer_value(json_object_get(result, "confirm_ms")), 0);
	json_decref(result);
	/* A handler without a result answers {}. */
	assert_int_equal(ctl_client_call(client, "thing.list", NULL, NULL, &result, &err), 0);
	assert_true(json_is_object(result));
	assert_int_equal(json_object_size(result), 0);
	json_decref(result);
	json_decref(params);
	ctl_client_close(client);
	fix_stop(&fix);
}

static void answer_that_takes_time_lets_others_pass(void **state)
{
	static const char *const names[] = {"slow", "late", "refused", "result"};
	struct fix fix;
	struct raw raw;

	fix_start(&fix, NULL);
	raw_open(&raw, fix.path);
	for (int i = 0; i < 4; i++) {
		char text[200];

		snprintf(text, sizeof(text),
			 "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"thing.wait\",\"params\":"
			 "{\"name\":\"%s\"}}\n",
			 i, names[i]);
		assert_true(raw_text(&raw, text));
	}
	/* Whoever sends no more still gets what it waits for. */
	shutdown(raw.fd, SHUT_WR);
	for (int i = 0; i < 4; i++) {
		static const int order[] = {2, 3, 0, 1};
		json_t *line = raw_line(&raw);
		const json_t *error = json_object_get(line, "error");

		assert_int_equal(json_integer_value(json_object_get(line, "id")), order[i]);
		assert_int_equal(error != NULL, order[i] == 1 || order[i] == 2);
		if (order[i] == 1)
			expect_text(json_object_get(error, "data"), "slug", "too-late");
		if (error == NULL)
			expect_text(json_object_get(line, "result"), "name", names[order[i]]);
		json_decref(line);
	}
	raw_expect_end(&raw);
	raw_close(&raw);
	fix_stop(&fix);
}

static void too_many_waits_are_refused_and_a_client_that_goes_is_forgotten(void **state)
{
	struct ctl_client *client;
	unsigned n_refused = 0;
	struct fix fix;
	struct raw raw;

	fix_start(&fix, NULL);
	raw_open(&raw, fix.path);
	for (int i = 0; i < 17; i++)
		assert_true(raw_text(&raw, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing."
					   "wait\",\"params\":{\"name\":\"x\"}}\n"));
	for (int i = 0; i < 17; i++) {
		json_t *line = raw_line(&raw);

		n_refused += json_object_get(line, "error") != NULL;
		json_decref(line);
	}
	assert_int_equal(n_refused, 1);
	/* Bytes that are no message end the connection with a call still waiting. */
	assert_true(raw_text(&raw, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.wait\","
				   "\"params\":{\"name\":\"x\"}}\nnonsense\n"));
	raw_expect_error(&raw, -32700, "parse-error");
	raw_expect_end(&raw);
	raw_close(&raw);
	client = fix_client(&fix);
	assert_int_equal(fix_call_integer(client, "tick.closed", "closed"), 1);
	ctl_client_close(client);
	fix_stop(&fix);
}

static void refusal_arrives_with_all_its_words(void **state)
{
	json_t *params = json_pack("{s:s}", "name", "taken");
	struct ctl_client *client;
	struct fix fix;
	struct err err;

	fix_start(&fix, NULL);
	client = fix_client(&fix);
	assert_int_equal(ctl_client_call(client, "thing.add", params, NULL, NULL, &err), -EEXIST);
	assert_int_equal(err.code, -EEXIST);
	assert_string_equal(err.slug, "thing-exists");
	assert_string_equal(err.what, "cannot add thing taken: it exists");
	assert_string_equal(err.why, "it was added before");
	assert_string_equal(err.fix, "choose another name");
	/* Who does not want the words still gets the number. */
	assert_int_equal(ctl_client_call(client, "thing.add", params, NULL, NULL, NULL), -EEXIST);
	json_decref(params);
	ctl_client_close(client);
	fix_stop(&fix);
}

static void failure_with_broken_or_no_words_is_answered(void **state)
{
	struct ctl_client *client;
	struct fix fix;
	struct err err;

	fix_start(&fix, NULL);
	client = fix_client(&fix);
	assert_int_equal(ctl_client_call(client, "thing.fail", NULL, NULL, NULL, &err), -ENOSPC);
	assert_string_equal(err.slug, "full");
	assert_memory_equal(err.what, "cut in a character: x", strlen("cut in a character: x"));
	assert_int_equal(ctl_client_call(client, "thing.mute", NULL, NULL, NULL, &err), -EIO);
	assert_string_equal(err.slug, "failed");
	assert_string_equal(err.what, "thing mute failed: Input/output error");
	ctl_client_close(client);
	fix_stop(&fix);
}

static void parameters_are_checked_against_the_table(void **state)
{
	static const char *const bad[] = {
		"{}",
		"{\"name\":7}",
		"{\"name\":\"a b\"}",
		"{\"name\":\"a\",\"kind\":\"teapot\"}",
		"{\"name\":\"a\",\"nmae\":\"b\"}",
	};
	struct fix fix;
	struct raw raw;
	char text[200];

	fix_start(&fix, NULL);
	raw_open(&raw, fix.path);
	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		snprintf(text, sizeof(text),
			 "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.add\",\"params\":%s}\n",
			 bad[i]);
		raw_text(&raw, text);
		raw_expect_error(&raw, -32602, "usage");
	}
	assert_int_equal(fix_stat(&fix, "errors"), sizeof(bad) / sizeof(bad[0]));
	raw_expect_alive(&raw);
	raw_close(&raw);
	fix_stop(&fix);
}

static void check_and_confirm_reach_the_handler(void **state)
{
	const struct ctl_client_opts opts = {.check = true, .confirm_ms = 60000};
	json_t *params = json_pack("{s:s}", "name", "t1"), *result = NULL;
	struct ctl_client *client;
	struct fix fix;
	struct err err;

	fix_start(&fix, NULL);
	client = fix_client(&fix);
	assert_int_equal(ctl_client_call(client, "thing.add", params, &opts, &result, &err), 0);
	assert_true(json_is_true(json_object_get(result, "check")));
	assert_int_equal(json_integer_value(json_object_get(result, "confirm_ms")), 60000);
	json_decref(result);
	/* A dry run of what changes nothing is a misunderstanding. */
	assert_int_equal(ctl_client_call(client, "thing.list", NULL, &opts, NULL, &err), -EINVAL);
	assert_string_equal(err.slug, "usage");
	json_decref(params);
	ctl_client_close(client);
	fix_stop(&fix);
}

static void unknown_command_is_answered_with_the_nearest(void **state)
{
	static const struct {
		const char *method, *slug, *why;
		int rc;
	} all[] = {
		{"thing.ad", "unknown-method", "did you mean thing.add?", -ENOSYS},
		{"thign.add", "unknown-method", "did you mean thing.add?", -ENOSYS},
		{"zebra.paint", "unknown-method", "", -ENOSYS},
		{"local.only", "not-supported", "vswitchctl does it by itself", -EOPNOTSUPP},
	};
	struct ctl_client *client;
	struct fix fix;
	struct err err;

	fix_start(&fix, NULL);
	client = fix_client(&fix);
	for (unsigned i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		assert_int_equal(ctl_client_call(client, all[i].method, NULL, NULL, NULL, &err),
				 all[i].rc);
		assert_string_equal(err.slug, all[i].slug);
		assert_string_equal(err.why, all[i].why);
	}
	ctl_client_close(client);
	fix_stop(&fix);
}

static void calls_sent_together_are_answered_in_order(void **state)
{
	enum { N = 500 };
	char *text = calloc(N, 64);
	size_t size = 0;
	struct fix fix;
	struct raw raw;

	fix_start(&fix, NULL);
	raw_open(&raw, fix.path);
	for (int i = 0; i < N; i++)
		size += (size_t)
			sprintf(text + size,
				"{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"thing.list\"}\n", i);
	assert_true(raw_send(&raw, text, size));
	for (int i = 0; i < N; i++) {
		json_t *line = raw_line(&raw);

		assert_int_equal(json_integer_value(json_object_get(line, "id")), i);
		assert_non_null(json_object_get(line, "result"));
		json_decref(line);
	}
	free(text);
	raw_close(&raw);
	fix_stop(&fix);
}

static void call_may_come_in_pieces(void **state)
{
	static const char text[] = "{\"jsonrpc\":\"2.0\",\"id\":\"p\",\"method\":\"who.show\"}\r\n";
	struct fix fix;
	struct raw raw;
	json_t *line, *result;

	fix_start(&fix, NULL);
	raw_open(&raw, fix.path);
	for (size_t i = 0; i < strlen(text); i++) {
		raw_send(&raw, text + i, 1);
		usleep(500);
	}
	line = raw_line(&raw);
	result = json_object_get(line, "result");
	assert_int_equal(json_integer_value(json_object_get(result, "uid")), getuid());
	assert_int_equal(json_integer_value(json_object_get(result, "gid")), getgid());
	assert_int_equal(json_integer_value(json_object_get(result, "pid")), getpid());
	json_decref(line);
	raw_close(&raw);
	fix_stop(&fix);
}

static void client_that_stops_sending_gets_all_its_answers(void **state)
{
	struct fix fix;
	struct raw raw;
	char text[200];
	json_t *line;

	fix_start(&fix, NULL);
	raw_open(&raw, fix.path);
	for (int i = 0; i < 3; i++) {
		snprintf(text, sizeof(text),
			 "{\"jsonrpc\":\"2.0\",\"id\":%d,\"method\":\"blob.get\",\"params\":{"
			 "\"number\":400000}}\n",
			 i);
		raw_text(&raw, text);
	}
	shutdown(raw.fd, SHUT_WR);
	for (int i = 0; i < 3; i++) {
		line = raw_line(&raw);
		assert_int_equal(json_integer_value(json_object_get(line, "id")), i);
		assert_int_equal(json_string_length(
					 json_object_get(json_object_get(line, "result"), "blob")),
				 400000);
		json_decref(line);
	}
	raw_expect_end(&raw);
	raw_close(&raw);
	fix_await_stat(&fix, "clients", 1);
	fix_stop(&fix);
}

/* Descriptors */

static void expect_in_pipe(int fd, const char *text)
{
	char got[64] = "";

	assert_int_equal(read(fd, got, sizeof(got) - 1), strlen(text));
	assert_string_equal(got, text);
}

static void descriptors_reach_the_handler(void **state)
{
	json_t *params = json_pack("{s:s}", "text", "hello"), *result = NULL;
	int a[2], b[2], both[2];
	struct ctl_client_opts opts = {.fds = both, .n_fds = 2};
	struct ctl_client *client;
	struct fix fix;
	struct err err;

	fix_start(&fix, NULL);
	assert_int_equal(pipe(a), 0);
	assert_int_equal(pipe(b), 0);
	both[0] = a[1];
	both[1] = b[1];
	client = fix_client(&fix);
	assert_int_equal(ctl_client_call(client, "out.write", params, &opts, &result, &err), 0);
	assert_int_equal(json_integer_value(json_object_get(result, "written")), 2);
	expect_in_pipe(a[0], "hello");
	expect_in_pipe(b[0], "hello");
	assert_int_equal(fix_stat(&fix, "descriptors_closed"), 0);
	json_decref(result);
	json_decref(params);
	ctl_client_close(client);
	for (int i = 0; i < 2; i++) {
		close(a[i]);
		close(b[i]);
	}
	fix_stop(&fix);
}

/* Two messages in one write, two in another: each takes as many as it says. */
static void descriptors_belong_to_the_message_that_announces_them(void **state)
{
	static const char none[] = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"out.write\","
				   "\"params\":{\"text\":\"no\"}}\n",
			  one[] = "{\"jsonrpc\":\"2.0\",\"id\":2,\"method\":\"out.write\","
				  "\"params\":{\"text\":\"yes\"},"
				  "\"vswitch\":{\"fds\":1}}\n";
	static const int written[] = {0, 0, 1, 1};
	char text[600];
	int a[2];
	struct fix fix;
	struct raw raw;

	fix_start(&fix, NULL);
	assert_int_equal(pipe(a), 0);
	raw_open(&raw, fix.path);
	raw_text(&raw, none);
	snprintf(text, sizeof(text), "%s%s%s", none, one, one);
	assert_true(raw_send_fds(&raw, text, (int[]){a[1], a[1]}, 2));
	for (unsigned i = 0; i < 4; i++) {
		json_t *line = raw_line(&raw);

		assert_int_equal(json_integer_value(json_object_get(json_object_get(line, "result"),
								    "written")),
				 written[i]);
		json_decref(line);
	}
	expect_in_pipe(a[0], "yesyes");
	raw_close(&raw);
	close(a[0]);
	close(a[1]);
	fix_stop(&fix);
}

static void descriptor_nobody_takes_is_closed(void **state)
{
	static const char *const messages[] = {
		/* Announced, and the handler does not care. */
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"out.ignore\",\"vswitch\":{\"fds\":1}}"
		"\n",
		/* Not announced. */
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"out.ignore\"}\n",
		/* The call is refused before a handler sees it. */
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"out.write\",\"vswitch\":{\"fds\":1}}\n",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"no.such\",\"vswitch\":{\"fds\":1}}\n",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"out.ignore\",\"vswitch\":{\"fds\":9}}"
		"\n",
	};
	int a[2];
	char byte;
	struct fix fix;
	struct raw raw;

	fix_start(&fix, NULL);
	raw_open(&raw, fix.path);
	for (unsigned i = 0; i < sizeof(messages) / sizeof(messages[0]); i++) {
		assert_int_equal(pipe(a), 0);
		assert_true(raw_send_fds(&raw, messages[i], &a[1], 1));
		close(a[1]);
		json_decref(raw_line(&raw));
		/* The end of the pipe is seen when the last of its writers is closed. */
		assert_int_equal(read(a[0], &byte, 1), 0);
		close(a[0]);
	}
	assert_int_equal(fix_stat(&fix, "descriptors_closed"),
			 sizeof(messages) / sizeof(messages[0]));
	raw_close(&raw);
	fix_stop(&fix);
}

static void missing_descriptors_are_an_error(void **state)
{
	struct fix fix;
	struct raw raw;

	fix_start(&fix, NULL);
	raw_open(&raw, fix.path);
	raw_text(&raw, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"out.ignore\",\"vswitch\":{"
		       "\"fds\":1}}\n");
	raw_expect_error(&raw, -32600, "no-descriptors");
	raw_expect_alive(&raw);
	raw_close(&raw);
	fix_stop(&fix);
}

/* Streams */

static json_t *next(struct ctl_client *client)
{
	json_t *notification = NULL;
	struct err err;

	assert_int_equal(ctl_client_next(client, FIX_WAIT_MS, &notification, &err), 0);
	return notification;
}

static void open_stream(struct ctl_client *client, const char *method, int n)
{
	json_t *params = json_pack("{s:i}", "number", n);
	struct err err;

	assert_int_equal(ctl_client_call(client, method, params, NULL, NULL, &err), 0);
	json_decref(params);
}

static void expect_ticks(struct ctl_client *client, const char *method, int n)
{
	for (int i = 0; i < n; i++) {
		json_t *notification = next(client);

		expect_text(notification, "method", method);
		assert_int_equal(json_integer_value(
					 json_object_get(json_object_get(notification, "params"),
							 "at")),
				 i);
		json_decref(notification);
	}
}

static void stream_speaks_after_its_answer_and_in_order(void **state)
{
	struct ctl_client *client;
	struct fix fix;

	fix_start(&fix, NULL);
	client = fix_client(&fix);
	/* What the handler sends before it returns ... */
	open_stream(client, "tick.watch", 5);
	expect_ticks(client, "tick.watch", 5);
	/* ... and what comes later, while other calls run on the same connection. */
	open_stream(client, "tick.later", 200);
	assert_int_equal(fix_call_integer(client, "server.stats", "streams"), 2);
	expect_ticks(client, "tick.later", 200);
	ctl_client_close(client);
	fix_await_stat(&fix, "streams", 0);
	assert_int_equal(fix_stat(&fix, "notifications"), 205);
	assert_int_equal(fix_stat(&fix, "notifications_lost"), 0);
	client = fix_client(&fix);
	assert_int_equal(fix_call_integer(client, "tick.closed", "closed"), 2);
	ctl_client_close(client);
	fix_stop(&fix);
}

static void notification_says_which_call_it_belongs_to(void **state)
{
	struct fix fix;
	struct raw raw;
	json_t *line;

	fix_start(&fix, NULL);
	raw_open(&raw, fix.path);
	raw_text(&raw, "{\"jsonrpc\":\"2.0\",\"id\":\"w\",\"method\":\"tick.watch\",\"params\":{"
		       "\"number\":1}}\n");
	line = raw_line(&raw);
	assert_non_null(json_object_get(line, "result"));
	json_decref(line);
	line = raw_line(&raw);
	assert_null(json_object_get(line, "id"));
	expect_text(json_object_get(line, "vswitch"), "call", "w");
	assert_null(json_object_get(json_object_get(line, "vswitch"), "lost"));
	json_decref(line);
	raw_close(&raw);
	fix_stop(&fix);
}

static void stream_of_a_call_that_fails_never_speaks(void **state)
{
	json_t *notification = NULL;
	struct ctl_client *client;
	struct fix fix;
	struct err err;

	fix_start(&fix, NULL);
	client = fix_client(&fix);
	assert_int_equal(ctl_client_call(client, "tick.refuse", NULL, NULL, NULL, &err), -ENODEV);
	assert_int_equal(fix_call_integer(client, "tick.closed", "closed"), 1);
	assert_int_equal(fix_call_integer(client, "server.stats", "streams"), 0);
	assert_int_equal(ctl_client_next(client, 50, &notification, &err), -ETIMEDOUT);
	ctl_client_close(client);
	fix_stop(&fix);
}

static void client_is_told_when_the_daemon_ends_a_stream(void **state)
{
	json_t *notification = NULL;
	struct ctl_client *client;
	struct fix fix;
	struct err err;

	fix_start(&fix, NULL);
	client = fix_client(&fix);
	assert_int_equal(ctl_client_call(client, "tick.end", NULL, NULL, NULL, &err), 0);
	expect_ticks(client, "tick.end", 1);
	assert_int_equal(ctl_client_next(client, FIX_WAIT_MS, &notification, &err), -ENODATA);
	assert_string_equal(err.slug, "stream-end");
	assert_int_equal(fix_call_integer(client, "tick.closed", "closed"), 1);
	ctl_client_close(client);
	fix_stop(&fix);
}

static void streams_of_a_client_are_limited(void **state)
{
	json_t *params = json_pack("{s:i}", "number", 0);
	struct ctl_client *client;
	struct fix fix;
	struct err err;

	fix_start(&fix, NULL);
	client = fix_client(&fix);
	for (int i = 0; i < 16; i++)
		assert_int_equal(ctl_client_call(client, "tick.watch", params, NULL, NULL, &err),
				 0);
	assert_int_equal(ctl_client_call(client, "tick.watch", params, NULL, NULL, &err), -EBUSY);
	assert_int_equal(fix_call_integer(client, "server.stats", "streams"), 16);
	json_decref(params);
	/* The end of the server ends them too. */
	fix.n_fds++;
	fix_stop(&fix);
	assert_int_equal(fix.n_closed, 16);
	ctl_client_close(client);
}

static void binding_is_refused_when_it_cannot_work(void **state)
{
	static const struct ctl_binding twice[] = {{"thing", "list", NULL}, {NULL, NULL, NULL}},
					unknown[] = {{"thing", "paint", NULL}, {NULL, NULL, NULL}};
	struct ctl_server_opts opts = {.specs = fix_specs};
	struct event_base *base;
	struct ctl_server *server;
	struct fix fix;
	struct err err;

	fix_dir_create(&fix);
	opts.path = fix.path;
	base = event_base_new();
	assert_int_equal(ctl_server_create(base, &opts, &server, &err), 0);
	assert_int_equal(ctl_server_bind(server, fix_bindings, NULL, &err), 0);
	assert_int_equal(ctl_server_bind(server, twice, NULL, &err), -EEXIST);
	assert_int_equal(ctl_server_bind(server, unknown, NULL, &err), -ENOENT);
	assert_string_equal(err.what, "the command table has no 'thing paint'");
	ctl_server_destroy(server);
	event_base_free(base);
	fix_dir_destroy(&fix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(call_gets_its_result),
		cmocka_unit_test(answer_that_takes_time_lets_others_pass),
		cmocka_unit_test(too_many_waits_are_refused_and_a_client_that_goes_is_forgotten),
		cmocka_unit_test(refusal_arrives_with_all_its_words),
		cmocka_unit_test(failure_with_broken_or_no_words_is_answered),
		cmocka_unit_test(parameters_are_checked_against_the_table),
		cmocka_unit_test(check_and_confirm_reach_the_handler),
		cmocka_unit_test(unknown_command_is_answered_with_the_nearest),
		cmocka_unit_test(calls_sent_together_are_answered_in_order),
		cmocka_unit_test(call_may_come_in_pieces),
		cmocka_unit_test(client_that_stops_sending_gets_all_its_answers),
		cmocka_unit_test(descriptors_reach_the_handler),
		cmocka_unit_test(descriptors_belong_to_the_message_that_announces_them),
		cmocka_unit_test(descriptor_nobody_takes_is_closed),
		cmocka_unit_test(missing_descriptors_are_an_error),
		cmocka_unit_test(stream_speaks_after_its_answer_and_in_order),
		cmocka_unit_test(notification_says_which_call_it_belongs_to),
		cmocka_unit_test(stream_of_a_call_that_fails_never_speaks),
		cmocka_unit_test(client_is_told_when_the_daemon_ends_a_stream),
		cmocka_unit_test(streams_of_a_client_are_limited),
		cmocka_unit_test(binding_is_refused_when_it_cannot_work),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
