/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The worker's control socket, with clients that behave and others.
 */
#include "hv/worker/control.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

struct state {
	char dir[64];
	struct sockaddr_un addr;
	struct event_base *base;
	struct control *control;
	struct control_call *late; /* one that is answered later */
	int got_fd;
};

static void turn(struct state *s)
{
	for (unsigned i = 0; i < 20; i++)
		event_base_loop(s->base, EVLOOP_NONBLOCK);
}

/* ---- Methods ---- */

static void call_echo(void *ctx, struct control_call *call)
{
	control_reply(call,
		      json_pack("{sO}", "said", json_object_get(control_params(call), "say")));
}

static void call_late(void *ctx, struct control_call *call)
{
	((struct state *)ctx)->late = call;
}

static void call_no(void *ctx, struct control_call *call)
{
	struct err err;

	err_set(&err, -EBUSY, "not-now", "no");
	err_why(&err, "because");
	err_fix(&err, "wait");
	control_refuse(call, &err);
}

static void call_fd(void *ctx, struct control_call *call)
{
	((struct state *)ctx)->got_fd = control_take_fd(call, 0);
	control_reply(call, NULL);
}

static void call_forget(void *ctx, struct control_call *call)
{
	control_reply(call, NULL); /* leaves the descriptor to be closed */
}

static const struct control_method methods[] = {
	{.name = "echo", .call = call_echo},
	{.name = "late", .call = call_late},
	{.name = "no", .call = call_no},
	{.name = "fd", .n_fds = 1, .call = call_fd},
	{.name = "forget", .n_fds = 1, .call = call_forget},
	{.name = NULL},
};

static int setup(void **state)
{
	static struct state s;
	struct control_opts opts = {.uid = getuid(), .methods = methods, .ctx = &s};

	s = (struct state){.addr.sun_family = AF_UNIX, .got_fd = -1};
	snprintf(s.dir, sizeof(s.dir), "/tmp/worker_control.XXXXXX");
	assert_non_null(mkdtemp(s.dir));
	snprintf(s.addr.sun_path, sizeof(s.addr.sun_path), "%s/sock", s.dir);
	s.base = opts.base = event_base_new();
	opts.listen_fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(opts.listen_fd, (struct sockaddr *)&s.addr, sizeof(s.addr)), 0);
	assert_int_equal(listen(opts.listen_fd, 16), 0);
	assert_int_equal(control_create(&opts, &s.control, NULL), 0);
	*state = &s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	control_destroy(s->control);
	event_base_free(s->base);
	unlink(s->addr.sun_path);
	return rmdir(s->dir);
}

/* ---- A client ---- */

static int enter(struct state *s)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&s->addr, sizeof(s->addr)), 0);
	turn(s);
	return fd;
}

static void say(struct state *s, int fd, const char *text)
{
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	turn(s);
}

/* The next packet, as text; NULL: the worker closed. */
static const char *hear(int fd)
{
	static char text[CONTROL_MAX_PACKET + 1];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	if (n < 0 && errno != ECONNRESET)
		assert_int_equal(errno, EAGAIN);
	text[n > 0 ? n : 0] = '\0';
	return n > 0 ? text : n < 0 && errno == EAGAIN ? "" : NULL;
}

static bool hears(int fd)
{
	const char *text = hear(fd);

	assert_non_null(text);
	return text != NULL && text[0] != '\0';
}

static void say_with(struct state *s, int fd, const char *text, const int *fds, unsigned n)
{
	char space[CMSG_SPACE(sizeof(int) * 16)] = {0};
	struct iovec iov = {.iov_base = (void *)(uintptr_t)text, .iov_len = strlen(text)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = space,
			     .msg_controllen = CMSG_SPACE(sizeof(int) * n)};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int) * n);
	memcpy(CMSG_DATA(c), fds, sizeof(int) * n);
	assert_true(sendmsg(fd, &msg, 0) > 0);
	turn(s);
}

static unsigned n_open(void)
{
	unsigned n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* ---- Tests ---- */

static void a_call_is_answered(void **state)
{
	struct state *s = *state;
	int fd = enter(s);

	say(s, fd, "{\"id\": 7, \"method\": \"echo\", \"say\": \"hi\"}");
	assert_string_equal(hear(fd), "{\"id\":7,\"result\":{\"said\":\"hi\"}}");
	say(s, fd, "{\"id\": \"x\", \"method\": \"no\"}");
	assert_string_equal(hear(fd),
			    "{\"id\":\"x\",\"error\":{\"code\":\"not-now\",\"what\":\"no\","
			    "\"why\":\"because\",\"fix\":\"wait\"}}");
	say(s, fd, "{\"method\": \"nothing\"}");
	assert_non_null(strstr(hear(fd), "unknown-method"));
	say(s, fd, "{}");
	assert_non_null(strstr(hear(fd), "bad-request"));
	assert_string_equal(hear(fd), "");
	close(fd);
}

static void an_answer_may_come_late_or_too_late(void **state)
{
	struct state *s = *state;
	int fd = enter(s);

	say(s, fd, "{\"id\": 1, \"method\": \"late\"}");
	assert_string_equal(hear(fd), "");
	control_reply(s->late, json_pack("{sb}", "done", 1));
	assert_string_equal(hear(fd), "{\"id\":1,\"result\":{\"done\":true}}");
	say(s, fd, "{\"id\": 2, \"method\": \"late\"}");
	close(fd);
	turn(s);
	assert_int_equal(control_n_clients(s->control), 0);
	control_reply(s->late, NULL); /* to nobody */
}

static void descriptors_come_with_a_call_and_never_stay(void **state)
{
	struct state *s = *state;
	int fd = enter(s), many[12], ev = eventfd(0, 0);
	unsigned n;

	n = n_open();
	say_with(s, fd, "{\"method\": \"fd\"}", &ev, 1);
	assert_non_null(strstr(hear(fd), "result"));
	assert_true(s->got_fd >= 0);
	assert_true((fcntl(s->got_fd, F_GETFD) & FD_CLOEXEC) != 0);
	close(s->got_fd);
	say_with(s, fd, "{\"method\": \"forget\"}", &ev, 1);
	assert_non_null(strstr(hear(fd), "result"));
	say_with(s, fd, "{\"method\": \"echo\"}", &ev, 1); /* takes none */
	assert_non_null(strstr(hear(fd), "bad-request"));
	say(s, fd, "{\"method\": \"fd\"}"); /* comes without */
	assert_non_null(strstr(hear(fd), "bad-request"));
	assert_int_equal(n_open(), n);
	for (unsigned i = 0; i < 12; i++)
		many[i] = ev;
	say_with(s, fd, "{\"method\": \"fd\"}", many, 12);
	assert_null(hear(fd));
	assert_int_equal(n_open(), n - 1); /* the client's went, at our end */
	close(fd);
	close(ev);
}

static void what_is_no_packet_ends_its_client_only(void **state)
{
	static const char *const bad[] = {"{",	   "[]",  "7", "\"x\"", "{\"id\": 1, \"id\": 2}",
					  "{} {}", "\xff"};
	struct state *s = *state;
	int good = enter(s);
	char *text = malloc(CONTROL_MAX_PACKET + 1);

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		int fd = enter(s);

		say(s, fd, bad[i]);
		assert_null(hear(fd));
		close(fd);
	}
	memset(text, ' ', CONTROL_MAX_PACKET + 1);
	memcpy(text, "{\"method\":\"no\"}", 15);
	assert_int_equal(send(good, text, CONTROL_MAX_PACKET, 0), CONTROL_MAX_PACKET);
	turn(s);
	assert_non_null(strstr(hear(good), "not-now"));
	assert_int_equal(send(good, text, CONTROL_MAX_PACKET + 1, 0), CONTROL_MAX_PACKET + 1);
	turn(s);
	assert_null(hear(good));
	close(good);
	free(text);
}

static void four_are_let_in(void **state)
{
	struct state *s = *state;
	int fds[CONTROL_MAX_CLIENTS], fd;

	for (unsigned i = 0; i < CONTROL_MAX_CLIENTS; i++)
		fds[i] = enter(s);
	fd = enter(s);
	assert_null(hear(fd));
	close(fd);
	assert_int_equal(control_n_clients(s->control), CONTROL_MAX_CLIENTS);
	close(fds[0]);
	turn(s);
	fds[0] = enter(s);
	say(s, fds[0], "{\"method\": \"no\"}");
	assert_non_null(strstr(hear(fds[0]), "not-now"));
	for (unsigned i = 0; i < CONTROL_MAX_CLIENTS; i++)
		close(fds[i]);
}

static void all_hear_of_events_and_who_does_not_read_goes(void **state)
{
	struct state *s = *state;
	int good = enter(s), slow = enter(s);
	char big[4001];
	unsigned heard = 0, sent = 0;

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	control_event(s->control, "state", json_pack("{ss}", "state", "running"));
	assert_string_equal(hear(good), "{\"state\":\"running\",\"event\":\"state\"}");
	while (control_n_clients(s->control) == 2 && sent < 10000) {
		control_event(s->control, "fault", json_pack("{ss}", "text", big));
		sent++;
		turn(s);
		while (hears(good))
			heard++;
	}
	assert_int_equal(control_n_clients(s->control), 1);
	assert_int_equal(heard, sent);
	assert_true(sent < 500);
	control_event(s->control, "state", NULL); /* no memory: nothing */
	close(good);
	close(slow);
}

static void what_a_slow_client_missed_comes_when_it_reads(void **state)
{
	struct state *s = *state;
	int fd = enter(s);
	unsigned heard = 0;
	char big[4001];

	memset(big, 'x', sizeof(big) - 1);
	big[sizeof(big) - 1] = '\0';
	for (unsigned i = 0; i < 80; i++)
		control_event(s->control, "fault", json_pack("{ss}", "text", big));
	assert_int_equal(control_n_clients(s->control), 1);
	for (unsigned i = 0; i < 100; i++) {
		heard += hears(fd);
		turn(s);
	}
	assert_int_equal(heard, 80);
	close(fd);
}

static void calls_are_bounded(void **state)
{
	struct state *s = *state;
	int fd = enter(s);
	unsigned sent = 0;

	while (sent < 1000 && send(fd, "{\"method\":\"late\"}", 17, MSG_NOSIGNAL) == 17) {
		sent++;
		turn(s);
	}
	assert_int_equal(control_n_clients(s->control), 0);
	assert_int_equal(sent, CONTROL_MAX_CALLS + 1);
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(a_call_is_answered),
		TEST(an_answer_may_come_late_or_too_late),
		TEST(descriptors_come_with_a_call_and_never_stay),
		TEST(what_is_no_packet_ends_its_client_only),
		TEST(four_are_let_in),
		TEST(all_hear_of_events_and_who_does_not_read_goes),
		TEST(what_a_slow_client_missed_comes_when_it_reads),
		TEST(calls_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
