/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The control server with clients that mean harm, or do not know what they do.  After each the
 * server still answers another client, has counted what happened and has leaked no descriptor
 * (fix_stop() looks).
 */
#include "tests/unit/ctl/control_fixture.h"

#include "ctl/base/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#define MIB (1024 * 1024)

static char *filled(size_t n, char c)
{
	char *text = malloc(n + 1);

	assert_non_null(text);
	memset(text, c, n);
	text[n] = '\0';
	return text;
}

static void expect_sane(const struct fix *fix)
{
	struct raw raw;

	raw_open(&raw, fix->path);
	raw_expect_alive(&raw);
	raw_close(&raw);
}

/* Not our language: one answer, then the end. */

static void expect_garbage(const struct fix *fix, const void *bytes, size_t size)
{
	struct raw raw;

	raw_open(&raw, fix->path);
	raw_send(&raw, bytes, size);
	raw_expect_error(&raw, -32700, "parse-error");
	raw_expect_end(&raw);
	raw_close(&raw);
}

static void garbage_is_answered_and_ends_the_connection(void **state)
{
	static const struct {
		const char *bytes;
		size_t size;
	} all[] = {
#define BYTES(text) {text, sizeof(text) - 1}
		BYTES("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		BYTES("\n"),
		BYTES("\0\0\0\0\n"),
		BYTES("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing\0.list\"}\n"),
		BYTES("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing\\u0000.list\"}\n"),
		BYTES("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.\xff\xfe\"}\n"),
		BYTES("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"\xed\xa0\x80\"}\n"),
		BYTES("{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"thing.list\"}\n"),
		BYTES("{\"jsonrpc\":\"2.0\",\"id\":99999999999999999999,\"method\":\"thing.list\"}"
		      "\n"),
		BYTES("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.list\"}{}\n"),
		BYTES("{\"jsonrpc\":\"2.0\",\"id\":1,\n"),
		BYTES("\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\n"),
#undef BYTES
	};
	unsigned n = sizeof(all) / sizeof(all[0]);
	struct fix fix;

	fix_start(&fix, NULL);
	for (unsigned i = 0; i < n; i++)
		expect_garbage(&fix, all[i].bytes, all[i].size);
	assert_int_equal(fix_stat(&fix, "garbage"), n);
	assert_int_equal(fix_stat(&fix, "calls"), 2); /* This one and the one before. */
	expect_sane(&fix);
	fix_stop(&fix);
}

static void deep_and_wide_messages_are_refused(void **state)
{
	static const char closed[] = "]]]]]]]]]]\n";
	char *deep = filled(100000, '['), *wide = filled(400000, ','),
	     *strings = filled(400000, '\\');
	struct fix fix;

	fix_start(&fix, NULL);
	memcpy(deep + 100000 - strlen(closed), closed, strlen(closed));
	expect_garbage(&fix, deep, 100000);
	for (size_t i = 0; i < 400000; i += 2)
		wide[i] = '0';
	wide[0] = '[';
	wide[399998] = ']';
	wide[399999] = '\n';
	expect_garbage(&fix, wide, 400000);
	/* A string that never ends, where a parser that counts might run away. */
	strings[0] = '"';
	strings[399999] = '\n';
	expect_garbage(&fix, strings, 400000);
	expect_sane(&fix);
	free(deep);
	free(wide);
	free(strings);
	fix_stop(&fix);
}

/* JSON, but no request: an error, and the next message is taken. */
static void what_is_no_request_is_refused_and_the_connection_goes_on(void **state)
{
	static const char *const all[] = {
		"42",
		"\"thing.list\"",
		"null",
		"{}",
		"[]",
		"[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.list\"}]",
		"{\"jsonrpc\":\"2.0\",\"method\":\"thing.list\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"thing.list\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"thing.list\"}",
		"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"thing.list\"}",
		"{\"id\":1,\"method\":\"thing.list\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.list.more\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\".\"}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.list\",\"params\":[]}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.list\",\"chek\":true}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.list\",\"vswitch\":true}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.add\",\"vswitch\":{\"chek\":true}"
		"}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.add\",\"vswitch\":{\"check\":1}}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.add\",\"vswitch\":{\"confirm_"
		"ms\":-1}}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.add\",\"vswitch\":{\"confirm_"
		"ms\":86400001}}",
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.add\",\"vswitch\":{\"fds\":9}}",
	};
	unsigned n = sizeof(all) / sizeof(all[0]);
	struct fix fix;
	struct raw raw;

	fix_start(&fix, NULL);
	raw_open(&raw, fix.path);
	for (unsigned i = 0; i < n; i++) {
		raw_text(&raw, all[i]);
		raw_text(&raw, "\n");
		raw_expect_error(&raw, -32600, "invalid-request");
	}
	raw_expect_alive(&raw);
	assert_int_equal(fix_stat(&fix, "invalid"), n);
	raw_close(&raw);
	fix_stop(&fix);
}

/* Size and time */

static void half_a_message_then_the_end_is_said_to_be_half(void **state)
{
	struct fix fix;
	struct raw raw;

	fix_start(&fix, NULL);
	raw_open(&raw, fix.path);
	raw_text(&raw, "{\"jsonrpc\":\"2.0\",\"id\":1,\"me");
	shutdown(raw.fd, SHUT_WR);
	raw_expect_error(&raw, -32700, "parse-error");
	raw_expect_end(&raw);
	raw_close(&raw);
	/* And one who is gone altogether. */
	raw_open(&raw, fix.path);
	raw_text(&raw, "{\"jsonrpc\":\"2.0\",\"id\":1,\"me");
	raw_close(&raw);
	fix_await_stat(&fix, "garbage", 2);
	fix_await_stat(&fix, "clients", 1);
	fix_stop(&fix);
}

/* Bytes that keep coming do not buy time. */
static void message_that_does_not_end_in_time_is_refused(void **state)
{
	const struct ctl_server_opts opts = {.message_timeout_ms = 300};
	uint64_t start, took_ms;
	json_t *line = NULL;
	struct fix fix;
	struct raw raw, idle;

	fix_start(&fix, &opts);
	raw_open(&idle, fix.path);
	raw_expect_alive(&idle);
	raw_open(&raw, fix.path);
	start = clock_mono_ns();
	while (line == NULL && clock_mono_ns() - start < 5000000000u) {
		raw_text(&raw, " ");
		line = raw_line_within(&raw, 20);
	}
	took_ms = (clock_mono_ns() - start) / 1000000u;
	assert_non_null(line);
	assert_string_equal(json_string_value(json_object_get(
				    json_object_get(json_object_get(line, "error"), "data"),
				    "slug")),
			    "message-timeout");
	json_decref(line);
	raw_expect_end(&raw);
	assert_in_range(took_ms, 290, 5000);
	assert_int_equal(fix_stat(&fix, "timeouts"), 1);
	/* Whoever has begun nothing may stay. */
	raw_expect_alive(&idle);
	usleep(350000);
	raw_expect_alive(&idle);
	raw_close(&idle);
	raw_close(&raw);
	fix_stop(&fix);
}

static void ten_megabytes_without_an_end_are_refused(void **state)
{
	char *text = filled(10 * MIB, '{');
	struct fix fix;
	struct raw raw;

	fix_start(&fix, NULL);
	raw_open(&raw, fix.path);
	/* The server closes before it has all of them. */
	assert_false(raw_send(&raw, text, 10 * MIB));
	raw_expect_error(&raw, -32001, "message-too-big");
	raw_expect_end(&raw);
	raw_close(&raw);
	assert_int_equal(fix_stat(&fix, "oversized"), 1);
	expect_sane(&fix);
	free(text);
	fix_stop(&fix);
}

/* A call of just 'size' bytes, without its newline. */
static char *call_of_size(size_t size)
{
	static const char head[] =
		"{\"jsonrpc\":\"2.0\",\"id\":\"alive\",\"method\":\"thing.list\"",
			  tail[] = "}\n";
	char *text = filled(size + 1, ' ');

	memcpy(text, head, strlen(head));
	memcpy(text + size - 1, tail, strlen(tail));
	return text;
}

static void message_of_the_greatest_size_is_taken_and_one_byte_more_is_not(void **state)
{
	static const size_t limits[] = {100, 4096, 70000, 4 * MIB};
	struct fix fix;
	struct raw raw;

	for (unsigned i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
		const struct ctl_server_opts opts = {.max_message = limits[i]};
		char *fits = call_of_size(limits[i]), *over = call_of_size(limits[i] + 1);
		json_t *line;

		fix_start(&fix, &opts);
		raw_open(&raw, fix.path);
		assert_true(raw_send(&raw, fits, limits[i] + 1));
		line = raw_line(&raw);
		assert_non_null(json_object_get(line, "result"));
		json_decref(line);
		raw_send(&raw, over, limits[i] + 2);
		raw_expect_error(&raw, -32001, "message-too-big");
		raw_expect_end(&raw);
		raw_close(&raw);
		assert_int_equal(fix_stat(&fix, "oversized"), 1);
		fix_stop(&fix);
		free(fits);
		free(over);
	}
}

/* Twenty clients with 4 MB each of a message that has not ended: the first have room, and the rest
 * are told. */
static void unfinished_messages_are_limited_together(void **state)
{
	enum { N = 20 };
	char *text = filled(4 * MIB - 1, '{');
	unsigned n_busy = 0;
	struct raw raws[N];
	struct fix fix;

	fix_start(&fix, NULL);
	for (int i = 0; i < N; i++) {
		raw_open(&raws[i], fix.path);
		if (!raw_send(&raws[i], text, 4 * MIB - 1)) {
			raw_expect_error(&raws[i], -32001, "busy");
			n_busy++;
		}
	}
	assert_in_range(n_busy, 1, N - 10);
	/* Who comes now with something small is served. */
	expect_sane(&fix);
	assert_int_equal(fix_stat(&fix, "busy"), n_busy);
	for (int i = 0; i < N; i++)
		raw_close(&raws[i]);
	fix_await_stat(&fix, "clients", 1);
	/* What they held is free again. */
	raw_open(&raws[0], fix.path);
	assert_true(raw_send(&raws[0], text, 4 * MIB - 1));
	raw_close(&raws[0]);
	free(text);
	fix_stop(&fix);
}

/* Number */

static void thousands_of_connections_are_counted_and_bounded(void **state)
{
	enum { MAX = 32, N = 3000 };
	const struct ctl_server_opts opts = {.max_clients = MAX};
	unsigned max = getuid() == 0 ? MAX : MAX - MAX / 16;
	struct raw raws[MAX + 1], raw;
	struct fix fix;

	fix_start(&fix, &opts);
	for (unsigned i = 0; i < max; i++) {
		raw_open(&raws[i], fix.path);
		raw_expect_alive(&raws[i]);
	}
	raw_open(&raw, fix.path);
	raw_expect_error(&raw, -32001, "too-many-clients");
	raw_expect_end(&raw);
	raw_close(&raw);
	for (unsigned i = 0; i < N; i++) {
		raw_open(&raw, fix.path);
		raw_close(&raw);
	}
	raw_expect_alive(&raws[0]);
	raw_close(&raws[1]);
	/* The place is free as soon as the server has seen it. */
	for (int i = 0; i < 1000; i++) {
		json_t *line;

		raw_open(&raw, fix.path);
		raw_text(&raw, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"server.stats\"}\n");
		line = raw_line(&raw);
		raw_close(&raw);
		if (json_object_get(line, "result") != NULL) {
			const json_t *stats = json_object_get(line, "result");

			assert_int_equal(json_integer_value(json_object_get(stats, "clients")),
					 max);
			assert_true(json_integer_value(json_object_get(stats, "refused")) >= N);
			json_decref(line);
			break;
		}
		json_decref(line);
		assert_true(i < 999);
		usleep(5000);
	}
	raw_close(&raws[0]);
	for (unsigned i = 2; i < max; i++)
		raw_close(&raws[i]);
	fix_stop(&fix);
}

static void idle_client_makes_room_when_all_places_are_taken(void **state)
{
	const struct ctl_server_opts opts = {.max_clients = 4, .evict_after_ms = 100};
	struct raw raws[4], late;
	struct fix fix;

	fix_start(&fix, &opts);
	for (int i = 0; i < 4; i++) {
		raw_open(&raws[i], fix.path);
		raw_expect_alive(&raws[i]);
	}
	usleep(150000);
	/* The first is no longer idle; the second watches, which is no idling. */
	raw_text(&raws[1], "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tick.watch\",\"params\":{"
			   "\"number\":0}}\n");
	json_decref(raw_line(&raws[1]));
	usleep(150000);
	raw_expect_alive(&raws[0]);
	raw_open(&late, fix.path);
	raw_expect_alive(&late);
	raw_expect_end(&raws[2]);
	for (int i = 0; i < 2; i++)
		raw_expect_alive(&raws[i]);
	raw_expect_alive(&raws[3]);
	raw_close(&late);
	for (int i = 0; i < 4; i++)
		raw_close(&raws[i]);
	fix_stop(&fix);
}

/* The process may open no more files: it waits, and goes on when it may. */
static void lack_of_descriptors_passes(void **state)
{
	struct rlimit before, now;
	struct raw raw;
	struct fix fix;
	int probe;

	fix_start(&fix, NULL);
	expect_sane(&fix);
	fix_await_stat(&fix, "clients", 1);
	usleep(20000);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	probe = dup(0);
	close(probe);
	/* The next one is ours, and the server's would be one more. */
	now = (struct rlimit){.rlim_cur = (rlim_t)probe + 1, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &now), 0);
	raw_open(&raw, fix.path);
	raw_text(&raw, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.list\"}\n");
	assert_null(raw_line_within(&raw, 300));
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	json_decref(raw_line(&raw));
	raw_expect_alive(&raw);
	raw_close(&raw);
	fix_stop(&fix);
}

/* Readers that do not read */

static void ask_for_blobs(struct raw *raw, unsigned n, unsigned size)
{
	char text[200];

	for (unsigned i = 0; i < n; i++) {
		snprintf(text, sizeof(text),
			 "{\"jsonrpc\":\"2.0\",\"id\":%u,\"method\":\"blob.get\",\"params\":{"
			 "\"number\":%u}}\n",
			 i, size);
		raw_text(raw, text);
	}
}

static void calls_wait_while_answers_are_not_read(void **state)
{
	struct fix fix;
	struct raw raw;

	fix_start(&fix, NULL);
	raw_open(&raw, fix.path);
	ask_for_blobs(&raw, 40, MIB);
	expect_sane(&fix);
	usleep(100000);
	/* The first answer already is more than may wait. */
	assert_in_range(fix_stat(&fix, "calls"), 2, 6);
	for (int i = 0; i < 40; i++) {
		json_t *line = raw_line(&raw);

		assert_int_equal(json_integer_value(json_object_get(line, "id")), i);
		json_decref(line);
	}
	raw_expect_alive(&raw);
	raw_close(&raw);
	fix_stop(&fix);
}

static void client_that_never_reads_is_closed(void **state)
{
	const struct ctl_server_opts opts = {.stall_timeout_ms = 200};
	struct fix fix;
	struct raw raw;

	fix_start(&fix, &opts);
	raw_open(&raw, fix.path);
	ask_for_blobs(&raw, 10, MIB);
	fix_await_stat(&fix, "stalled", 1);
	fix_await_stat(&fix, "clients", 1);
	raw_close(&raw);
	fix_stop(&fix);
}

static void slow_reader_that_reads_is_not_closed(void **state)
{
	const struct ctl_server_opts opts = {.stall_timeout_ms = 400};
	char piece[200000];
	size_t total = 0;
	struct fix fix;
	struct raw raw;

	fix_start(&fix, &opts);
	raw_open(&raw, fix.path);
	ask_for_blobs(&raw, 1, 2 * MIB);
	/* Three times as long as a client may stall, with something read in each part of it. */
	while (total < 2 * MIB) {
		ssize_t n = recv(raw.fd, piece, sizeof(piece), 0);

		assert_true(n > 0);
		total += (size_t)n;
		usleep(100000);
	}
	assert_int_equal(fix_stat(&fix, "stalled"), 0);
	raw_expect_alive(&raw);
	raw_close(&raw);
	fix_stop(&fix);
}

static void answer_that_is_too_big_becomes_an_error(void **state)
{
	const struct ctl_server_opts opts = {.max_answer = 1000};
	struct fix fix;
	struct raw raw;

	fix_start(&fix, &opts);
	raw_open(&raw, fix.path);
	ask_for_blobs(&raw, 1, 1000);
	raw_expect_error(&raw, -32000, "answer-too-big");
	raw_expect_alive(&raw);
	raw_close(&raw);
	fix_stop(&fix);
}

static void unread_answers_are_limited_together(void **state)
{
	enum { N = 5 };
	const json_int_t size = 40 * MIB;
	struct raw raws[N];
	unsigned n_sent = 0, n_busy = 0;
	struct fix fix;

	fix_start(&fix, NULL);
	for (int i = 0; i < N; i++) {
		raw_open(&raws[i], fix.path);
		ask_for_blobs(&raws[i], 1, (unsigned)size);
	}
	fix_await_stat(&fix, "calls", N + 1);
	assert_in_range(fix_stat(&fix, "busy"), 1, N - 2);
	for (int i = 0; i < N; i++) {
		json_t *line = raw_line(&raws[i]);

		n_sent += json_object_get(line, "result") != NULL;
		n_busy += json_object_get(line, "error") != NULL;
		json_decref(line);
		raw_close(&raws[i]);
	}
	assert_int_equal(n_sent + n_busy, N);
	assert_int_equal(fix_stat(&fix, "busy"), n_busy);
	fix_stop(&fix);
}

/* What arrives and what is said to be lost is all that was sent, each number where it belongs. */
static void watcher_that_does_not_read_is_told_what_it_lost(void **state)
{
	enum { N = 20000 };
	json_t *params = json_pack("{s:i, s:i}", "number", N, "size", 1000), *line;
	const struct ctl_server_opts opts = {.stall_timeout_ms = 100};
	struct ctl_client *client;
	int64_t at = 0, n_lost = 0;
	struct fix fix;
	struct err err;

	fix_start(&fix, &opts);
	client = fix_client(&fix);
	assert_int_equal(ctl_client_call(client, "tick.later", params, NULL, NULL, &err), 0);
	/* Not reading for longer than a stall: a watcher may. */
	for (int i = 0; i < 1000 && fix_stat(&fix, "notifications_lost") < N / 2; i++)
		usleep(10000);
	usleep(300000);
	while (at < N) {
		assert_int_equal(ctl_client_next(client, FIX_WAIT_MS, &line, &err), 0);
		if (json_object_get(line, "params") == NULL) {
			json_int_t lost = json_integer_value(
				json_object_get(json_object_get(line, "vswitch"), "lost"));

			assert_true(lost > 0);
			at += lost;
			n_lost += lost;
		} else {
			assert_int_equal(json_integer_value(
						 json_object_get(json_object_get(line, "params"),
								 "at")),
					 at);
			at++;
		}
		json_decref(line);
	}
	assert_int_equal(at, N);
	assert_true(n_lost >= N / 2);
	assert_int_equal(fix_call_integer(client, "server.stats", "notifications_lost"), n_lost);
	assert_int_equal(fix_call_integer(client, "server.stats", "stalled"), 0);
	json_decref(params);
	ctl_client_close(client);
	fix_stop(&fix);
}

/* What a handler says before it returns is bounded like the rest. */
static void burst_of_a_handler_is_bounded(void **state)
{
	enum { N = 5000 };
	json_t *params = json_pack("{s:i, s:i}", "number", N, "size", 1000), *line;
	struct ctl_client *client;
	int64_t n = 0, lost = 0;
	struct fix fix;
	struct err err;

	fix_start(&fix, NULL);
	client = fix_client(&fix);
	assert_int_equal(ctl_client_call(client, "tick.watch", params, NULL, NULL, &err), 0);
	while (n + lost < N) {
		assert_int_equal(ctl_client_next(client, FIX_WAIT_MS, &line, &err), 0);
		lost += json_integer_value(
			json_object_get(json_object_get(line, "vswitch"), "lost"));
		n += json_object_get(line, "params") != NULL;
		json_decref(line);
	}
	assert_int_equal(n + lost, N);
	assert_in_range(n, 500, 1100);
	json_decref(params);
	ctl_client_close(client);
	fix_stop(&fix);
}

static void stream_ends_with_a_client_that_vanishes(void **state)
{
	json_t *params = json_pack("{s:i, s:i}", "number", 1000000, "size", 10);
	struct ctl_client *client;
	struct fix fix;
	struct err err;

	fix_start(&fix, NULL);
	client = fix_client(&fix);
	assert_int_equal(ctl_client_call(client, "tick.later", params, NULL, NULL, &err), 0);
	ctl_client_close(client);
	fix_await_stat(&fix, "streams", 0);
	client = fix_client(&fix);
	assert_int_equal(fix_call_integer(client, "tick.closed", "closed"), 1);
	ctl_client_close(client);
	json_decref(params);
	fix_stop(&fix);
}

/* Descriptors */

static void flood_of_descriptors_is_refused_and_all_are_closed(void **state)
{
	static const unsigned counts[] = {9, 16, 64};
	int fds[64], a[2];
	char byte;
	struct fix fix;
	struct raw raw;

	fix_start(&fix, NULL);
	for (unsigned i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
		assert_int_equal(pipe(a), 0);
		for (unsigned j = 0; j < counts[i]; j++)
			fds[j] = a[1];
		raw_open(&raw, fix.path);
		assert_true(raw_send_fds(&raw, "{", fds, counts[i]));
		close(a[1]);
		raw_expect_error(&raw, -32001, "too-many-descriptors");
		raw_expect_end(&raw);
		assert_int_equal(read(a[0], &byte, 1), 0);
		close(a[0]);
		raw_close(&raw);
	}
	expect_sane(&fix);
	fix_stop(&fix);
}

/* One with each byte of a message that does not end. */
static void descriptors_of_half_a_message_are_limited_and_closed(void **state)
{
	int a[2];
	char byte;
	struct fix fix;
	struct raw raw;

	fix_start(&fix, NULL);
	assert_int_equal(pipe(a), 0);
	raw_open(&raw, fix.path);
	for (int i = 0; i < 9; i++)
		assert_true(raw_send_fds(&raw, " ", &a[1], 1));
	raw_expect_error(&raw, -32001, "too-many-descriptors");
	raw_close(&raw);
	/* Fewer, and then the client is gone. */
	raw_open(&raw, fix.path);
	assert_true(raw_send_fds(&raw, "{", &a[1], 1));
	raw_close(&raw);
	close(a[1]);
	assert_int_equal(read(a[0], &byte, 1), 0);
	close(a[0]);
	fix_stop(&fix);
}

static void descriptors_that_wait_are_limited_together(void **state)
{
	enum { N = 12 };
	unsigned n_refused = 0;
	struct raw raws[N];
	int fds[8], a[2];
	struct fix fix;

	fix_start(&fix, NULL);
	assert_int_equal(pipe(a), 0);
	for (int i = 0; i < 8; i++)
		fds[i] = a[1];
	for (int i = 0; i < N; i++) {
		raw_open(&raws[i], fix.path);
		assert_true(raw_send_fds(&raws[i], "{", fds, 8));
	}
	fix_await_stat(&fix, "busy", N - 64 / 8);
	for (int i = 0; i < N; i++) {
		json_t *line = raw_line_within(&raws[i], i < 8 ? 20 : FIX_WAIT_MS);

		n_refused += line != NULL;
		json_decref(line);
		raw_close(&raws[i]);
	}
	assert_int_equal(n_refused, N - 64 / 8);
	close(a[0]);
	close(a[1]);
	expect_sane(&fix);
	fix_stop(&fix);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(garbage_is_answered_and_ends_the_connection),
		cmocka_unit_test(deep_and_wide_messages_are_refused),
		cmocka_unit_test(what_is_no_request_is_refused_and_the_connection_goes_on),
		cmocka_unit_test(half_a_message_then_the_end_is_said_to_be_half),
		cmocka_unit_test(message_that_does_not_end_in_time_is_refused),
		cmocka_unit_test(ten_megabytes_without_an_end_are_refused),
		cmocka_unit_test(message_of_the_greatest_size_is_taken_and_one_byte_more_is_not),
		cmocka_unit_test(unfinished_messages_are_limited_together),
		cmocka_unit_test(thousands_of_connections_are_counted_and_bounded),
		cmocka_unit_test(idle_client_makes_room_when_all_places_are_taken),
		cmocka_unit_test(lack_of_descriptors_passes),
		cmocka_unit_test(calls_wait_while_answers_are_not_read),
		cmocka_unit_test(client_that_never_reads_is_closed),
		cmocka_unit_test(slow_reader_that_reads_is_not_closed),
		cmocka_unit_test(answer_that_is_too_big_becomes_an_error),
		cmocka_unit_test(unread_answers_are_limited_together),
		cmocka_unit_test(watcher_that_does_not_read_is_told_what_it_lost),
		cmocka_unit_test(burst_of_a_handler_is_bounded),
		cmocka_unit_test(stream_ends_with_a_client_that_vanishes),
		cmocka_unit_test(flood_of_descriptors_is_refused_and_all_are_closed),
		cmocka_unit_test(descriptors_of_half_a_message_are_limited_and_closed),
		cmocka_unit_test(descriptors_that_wait_are_limited_together),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
