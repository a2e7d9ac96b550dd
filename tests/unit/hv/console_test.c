/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The console socket, on a serial port of paper that remembers 4 KB.
 */
#include "hv/worker/console.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
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

#define REMEMBERS 4096u

struct state {
	char dir[64];
	struct sockaddr_un addr;
	struct event_base *base;
	struct console *console;
	int fd;
	uint64_t written; /* by the guest, since the start */
	char ring[REMEMBERS];
	char typed[65536];
	size_t n_typed, room;
};

static size_t port_read(void *ctx, uint64_t *at, void *to, size_t size)
{
	struct state *s = ctx;
	uint64_t oldest = s->written > REMEMBERS ? s->written - REMEMBERS : 0;
	size_t n = 0;
	eventfd_t ignored;

	(void)eventfd_read(s->fd, &ignored);
	if (*at < oldest)
		*at = oldest;
	for (; n < size && *at < s->written; n++)
		((char *)to)[n] = s->ring[(*at)++ % REMEMBERS];
	return n;
}

static size_t port_write(void *ctx, const void *bytes, size_t size)
{
	struct state *s = ctx;
	size_t n = size < s->room ? size : s->room;

	memcpy(s->typed + s->n_typed, bytes, n);
	s->n_typed += n;
	s->room -= n;
	return n;
}

static void turn(struct state *s)
{
	for (unsigned i = 0; i < 20; i++)
		event_base_loop(s->base, EVLOOP_NONBLOCK);
}

static void guest_writes(struct state *s, const char *text, size_t size)
{
	for (size_t i = 0; i < size; i++)
		s->ring[s->written++ % REMEMBERS] = text[i];
	(void)eventfd_write(s->fd, 1);
}

static int setup(void **state)
{
	static struct state s;
	struct console_opts opts = {.uid = getuid(),
				    .read = port_read,
				    .write = port_write,
				    .ctx = &s};

	s = (struct state){.addr.sun_family = AF_UNIX, .room = sizeof(s.typed)};
	snprintf(s.dir, sizeof(s.dir), "/tmp/worker_console.XXXXXX");
	assert_non_null(mkdtemp(s.dir));
	snprintf(s.addr.sun_path, sizeof(s.addr.sun_path), "%s/sock", s.dir);
	s.base = opts.base = event_base_new();
	s.fd = opts.fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	opts.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(opts.listen_fd, (struct sockaddr *)&s.addr, sizeof(s.addr)), 0);
	assert_int_equal(listen(opts.listen_fd, 16), 0);
	assert_int_equal(console_create(&opts, &s.console, NULL), 0);
	*state = &s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;

	console_destroy(s->console);
	event_base_free(s->base);
	close(s->fd);
	unlink(s->addr.sun_path);
	return rmdir(s->dir);
}

static int enter(struct state *s)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&s->addr, sizeof(s->addr)), 0);
	turn(s);
	return fd;
}

static void hears(int fd, const char *text)
{
	char got[256] = "";
	ssize_t n = recv(fd, got, sizeof(got) - 1, MSG_DONTWAIT);

	if (text == NULL)
		assert_int_equal(n, 0);
	else if (text[0] == '\0')
		assert_int_equal(n, -1);
	else
		assert_string_equal(got, text);
}

static void all_hear_what_was_and_what_comes(void **state)
{
	struct state *s = *state;
	int one, two;

	guest_writes(s, "boot\n", 5);
	turn(s);
	one = enter(s);
	hears(one, "boot\n");
	guest_writes(s, "login: ", 7);
	turn(s);
	hears(one, "login: ");
	two = enter(s);
	hears(two, "boot\nlogin: ");
	hears(one, "");
	close(one);
	guest_writes(s, "x", 1);
	turn(s);
	hears(two, "x");
	close(two);
}

static void what_is_typed_waits_for_room(void **state)
{
	struct state *s = *state;
	int fd = enter(s);
	char text[20000];

	memset(text, 'a', sizeof(text));
	s->room = 5000;
	assert_int_equal(send(fd, text, sizeof(text), 0), sizeof(text));
	turn(s);
	assert_int_equal(s->n_typed, 5000);
	s->room = sizeof(s->typed) - s->n_typed;
	(void)eventfd_write(s->fd, 1); /* the guest took it */
	turn(s);
	assert_int_equal(s->n_typed, sizeof(text));
	close(fd);
}

static void who_does_not_read_is_cut_off(void **state)
{
	struct state *s = *state;
	int slow = enter(s), good = enter(s);
	char text[1000], got[1000];
	size_t total = 0, heard = 0;
	ssize_t n = 0;

	memset(text, 'b', sizeof(text));
	for (unsigned i = 0; i < 2000; i++) {
		guest_writes(s, text, sizeof(text));
		total += sizeof(text);
		turn(s);
		while ((n = recv(good, got, sizeof(got), MSG_DONTWAIT)) > 0)
			heard += (size_t)n;
	}
	assert_int_equal(heard, total);
	for (heard = 0; (n = recv(slow, got, sizeof(got), 0)) > 0; heard += (size_t)n)
		turn(s);
	assert_int_equal(n, 0); /* the end, and not all of it */
	assert_true(heard < total);
	guest_writes(s, "still here", 10);
	turn(s);
	hears(good, "still here");
	close(slow);
	close(good);
}

static void four_are_let_in(void **state)
{
	struct state *s = *state;
	int fds[CONSOLE_MAX_CLIENTS], fd;

	for (unsigned i = 0; i < CONSOLE_MAX_CLIENTS; i++)
		fds[i] = enter(s);
	fd = enter(s);
	hears(fd, NULL);
	close(fd);
	close(fds[0]);
	turn(s);
	fds[0] = enter(s);
	guest_writes(s, "hi", 2);
	turn(s);
	for (unsigned i = 0; i < CONSOLE_MAX_CLIENTS; i++) {
		hears(fds[i], "hi");
		close(fds[i]);
	}
}

static void last_words_are_heard(void **state)
{
	struct state *s = *state;
	int fd = enter(s);

	guest_writes(s, "reboot: Power down\n", 19);
	console_flush(s->console); /* The loop does not turn any more. */
	hears(fd, "reboot: Power down\n");
	console_flush(NULL);
	close(fd);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(all_hear_what_was_and_what_comes),
		TEST(what_is_typed_waits_for_room),
		TEST(who_does_not_read_is_cut_off),
		TEST(four_are_let_in),
		TEST(last_words_are_heard),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
