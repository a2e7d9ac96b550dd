/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Sockets of the host and streams of a guest (vmbus/guest), with the worker's event loop between.
 *
 * 	client ──vsock.sock──► vsocks ──channel──► guest      a socket pair ──attached──► guest
 */
#include "hv/worker/vsock.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "ctl/base/wire.h"
#include "vmbus/guest/channel.h"
#include "vmbus/guest/local.h"
#include "vmbus/hvsock.h"
#include "vmbus/server.h"

#define PORT 1024u

struct state {
	char dir[64];
	struct sockaddr_un addr;
	struct event_base *base;
	struct guest_local *local;
	struct vsocks *vsocks;
	struct guest_channel *channel;
	uint8_t got[HVSOCK_MAX_DATA];
};

static void work(void *ctx)
{
	struct state *s = ctx;

	for (unsigned i = 0; i < 20; i++)
		event_base_loop(s->base, EVLOOP_NONBLOCK);
}

/* Both sides do what there is to do. */
static void turn(struct state *s)
{
	work(s);
	guest_bus_pump(guest_local_bus(s->local), -1, 0);
	work(s);
}

static int setup(void **state)
{
	static const uint32_t versions[] = {VMBUS_V5_3, 0};
	struct state *s = calloc(1, sizeof(*s));
	struct guest_local_opts guest = {.memory_size = 16u << 20,
					 .bus = {.versions = versions, .timeout_ms = 5000},
					 .work = work,
					 .ctx = s};
	struct vsocks_opts opts = {0};

	assert_non_null(s);
	s->addr.sun_family = AF_UNIX;
	snprintf(s->dir, sizeof(s->dir), "/tmp/worker_vsock.XXXXXX");
	assert_non_null(mkdtemp(s->dir));
	snprintf(s->addr.sun_path, sizeof(s->addr.sun_path), "%s/vsock.sock", s->dir);
	s->base = opts.base = event_base_new();
	assert_int_equal(guest_local_create(&guest, &s->local, NULL), 0);
	opts.server = guest_local_server(s->local);
	opts.listen_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	assert_int_equal(bind(opts.listen_fd, (struct sockaddr *)&s->addr, sizeof(s->addr)), 0);
	assert_int_equal(listen(opts.listen_fd, 16), 0);
	assert_int_equal(vsocks_create(&opts, &s->vsocks, NULL), 0);
	assert_int_equal(guest_bus_connect(guest_local_bus(s->local), NULL), 0);
	*state = s;
	return 0;
}

static int teardown(void **state)
{
	struct state *s = *state;
	int rc;

	turn(s);
	if (s->channel != NULL && s->channel->open)
		guest_channel_close(s->channel);
	vsocks_destroy(s->vsocks);
	assert_int_equal(guest_bus_unload(guest_local_bus(s->local)), 0);
	guest_local_destroy(s->local);
	event_base_free(s->base);
	unlink(s->addr.sun_path);
	rc = rmdir(s->dir);
	free(s);
	return rc;
}

static int64_t stat_of(struct state *s, const char *key)
{
	json_t *stats = vsocks_stats(s->vsocks);
	int64_t n = json_integer_value(json_object_get(stats, key));

	json_decref(stats);
	return n;
}

/* ---- The guest ---- */

static struct guest_channel *offered(struct state *s)
{
	turn(s);
	return guest_bus_channel(guest_local_bus(s->local), 0);
}

static void guest_opens(struct state *s)
{
	struct guest_channel_opts opts = {.out_pages = 6, .in_pages = 6};

	s->channel = offered(s);
	assert_non_null(s->channel);
	assert_int_equal(guest_channel_open(s->channel, &opts), 0);
	turn(s);
}

/* False: the ring is full. */
static bool guest_says(struct state *s, const void *bytes, uint32_t size)
{
	uint8_t packet[HVSOCK_HEADER_SIZE + 4096];
	struct wr wr = wr_over(packet, sizeof(packet));
	int rc;

	wr_le32(&wr, 1);
	wr_le32(&wr, size);
	if (size > 0)
		memcpy(packet + HVSOCK_HEADER_SIZE, bytes, size);
	guest_channel_fill(s->channel);
	rc = vmbus_out_put(&s->channel->out, VMBUS_PKT_INBAND, 0, 0, NULL, 0, packet,
			   HVSOCK_HEADER_SIZE + size);
	guest_channel_flush(s->channel);
	turn(s);
	return rc == 0;
}

/* Bytes of the next packet; 0: the end; -1: nothing is there. */
static ssize_t guest_takes(struct state *s)
{
	struct vmbus_packet packet = {0};
	const uint8_t *bytes;
	ssize_t n = -1;

	guest_channel_drain(s->channel);
	(void)vmbus_in_begin(&s->channel->in);
	if (vmbus_in_next(&s->channel->in, &packet)) {
		uint8_t *copy = malloc(packet.payload_size);

		assert_true(vmbus_in_copy(&s->channel->in, &packet, packet.header_size, copy,
					  packet.payload_size));
		n = hvsock_read(copy, packet.payload_size, &bytes);
		assert_true(n >= 0);
		memcpy(s->got, bytes, (size_t)n);
		free(copy);
	}
	if (vmbus_in_end(&s->channel->in))
		guest_channel_signal(s->channel);
	turn(s);
	return n;
}

/* ---- Clients ---- */

static int client(struct state *s, const char *words)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_int_equal(connect(fd, (struct sockaddr *)&s->addr, sizeof(s->addr)), 0);
	assert_int_equal(send(fd, words, strlen(words), MSG_NOSIGNAL), strlen(words));
	turn(s);
	return fd;
}

static bool is_closed(int fd)
{
	char byte;
	ssize_t n = recv(fd, &byte, 1, MSG_DONTWAIT);

	return n == 0 || (n < 0 && errno == ECONNRESET);
}

static void reads(int fd, const char *text)
{
	char bytes[256] = "";

	assert_int_equal(recv(fd, bytes, sizeof(bytes) - 1, MSG_DONTWAIT), strlen(text));
	assert_string_equal(bytes, text);
}

/* A client that the guest has taken. */
static int connected(struct state *s)
{
	int fd = client(s, "CONNECT 1024\n");
	char bytes[64] = "";

	guest_opens(s);
	assert_true(recv(fd, bytes, sizeof(bytes) - 1, MSG_DONTWAIT) > 3);
	assert_memory_equal(bytes, "OK ", 3);
	return fd;
}

/* ---- Tests ---- */

static void client_reaches_a_port_of_the_guest(void **state)
{
	struct state *s = *state;
	struct vmbus_guid want = hvsock_guid(PORT);
	int fd = connected(s);

	assert_true(vmbus_guid_equal(&s->channel->type, &want));
	assert_int_equal(send(fd, "ping", 4, MSG_NOSIGNAL), 4);
	turn(s);
	assert_int_equal(guest_takes(s), 4);
	assert_memory_equal(s->got, "ping", 4);
	assert_true(guest_says(s, "pong", 4));
	reads(fd, "pong");
	assert_int_equal(stat_of(s, "opened"), 1);
	assert_int_equal(stat_of(s, "to_guest_bytes"), 4);
	assert_int_equal(stat_of(s, "from_guest_bytes"), 4);
	close(fd);
}

static void what_comes_behind_the_first_line_is_the_guests(void **state)
{
	struct state *s = *state;
	int fd = client(s, "CONNECT 1024\nGET /");

	guest_opens(s);
	assert_int_equal(guest_takes(s), 5);
	assert_memory_equal(s->got, "GET /", 5);
	close(fd);
}

static void first_line_that_is_none_is_refused(void **state)
{
	static const char *const lines[] = {
		"HELLO\n",
		"CONNECT \n",
		"CONNECT\n",
		"CONNECT x\n",
		"CONNECT -1\n",
		"CONNECT 4294967296\n",
		"CONNECT 10 \n",
		"CONNECT 99999999999999999999999\n",
		"\n",
		"CONNECTCONNECTCONNECTCONNECTCONNECTCONNECT",
	};
	struct state *s = *state;

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		int fd = client(s, lines[i]);

		if (!is_closed(fd))
			fail_msg("'%s' was taken", lines[i]);
		close(fd);
	}
	assert_int_equal(stat_of(s, "streams"), 0);
	assert_null(offered(s));
}

static void each_side_ends_for_itself(void **state)
{
	struct state *s = *state;
	int fd = connected(s);

	assert_int_equal(send(fd, "last", 4, MSG_NOSIGNAL), 4);
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	turn(s);
	assert_int_equal(guest_takes(s), 4);
	assert_int_equal(guest_takes(s), 0);
	assert_true(guest_says(s, "answer", 6));
	assert_int_equal(stat_of(s, "streams"), 1);
	assert_true(guest_says(s, "", 0));
	reads(fd, "answer");
	assert_true(is_closed(fd));
	assert_int_equal(stat_of(s, "streams"), 0);
	assert_true(atomic_load(&s->channel->rescinded));
	close(fd);
}

static void client_that_is_gone_ends_it(void **state)
{
	struct state *s = *state;
	int fd = connected(s);

	assert_int_equal(send(fd, "bye", 3, MSG_NOSIGNAL), 3);
	close(fd);
	turn(s);
	assert_int_equal(guest_takes(s), 3);
	assert_int_equal(guest_takes(s), 0);
	assert_int_equal(stat_of(s, "streams"), 0);
}

static void guest_that_closes_ends_it(void **state)
{
	struct state *s = *state;
	int fd = connected(s);

	guest_channel_close(s->channel);
	turn(s);
	assert_true(is_closed(fd));
	assert_int_equal(stat_of(s, "streams"), 0);
	close(fd);
}

/* All bytes arrive, in order, though neither side can hold them. */
static void guest_that_is_slow_makes_the_client_wait(void **state)
{
	struct state *s = *state;
	int fd = connected(s);
	const size_t all = 3u << 20;
	size_t sent = 0, got = 0;
	uint8_t bytes[8192];
	bool waited = false;
	ssize_t n;

	while (got < all) {
		while (sent < all) {
			for (size_t i = 0; i < sizeof(bytes); i++)
				bytes[i] = (uint8_t)((sent + i) % 251);
			n = send(fd, bytes, sizeof(bytes) < all - sent ? sizeof(bytes) : all - sent,
				 MSG_DONTWAIT | MSG_NOSIGNAL);
			if (n <= 0)
				break;
			sent += (size_t)n;
			turn(s);
		}
		waited = waited || sent < all;
		while ((n = guest_takes(s)) > 0) {
			for (ssize_t i = 0; i < n; i++)
				assert_int_equal(s->got[i], (got + (size_t)i) % 251);
			got += (size_t)n;
		}
	}
	assert_true(waited);
	assert_int_equal(got, all);
	close(fd);
}

static void client_that_is_slow_makes_the_guest_wait(void **state)
{
	struct state *s = *state;
	int fd = connected(s);
	uint8_t bytes[4000], back[65536];
	size_t said = 0, got = 0;
	ssize_t n;

	for (unsigned i = 0;; i++) {
		memset(bytes, (int)i, sizeof(bytes));
		if (!guest_says(s, bytes, sizeof(bytes)))
			break;
		said += sizeof(bytes);
		assert_true(said < 64u << 20);
	}
	while (got < said) {
		n = recv(fd, back, sizeof(back), MSG_DONTWAIT);
		if (n > 0)
			for (ssize_t i = 0; i < n; i++)
				assert_int_equal(back[i],
						 (uint8_t)((got + (size_t)i) / sizeof(bytes)));
		got += n > 0 ? (size_t)n : 0;
		turn(s);
	}
	assert_int_equal(got, said);
	assert_true(guest_says(s, "", 0));
	assert_true(is_closed(fd));
	close(fd);
}

static void guest_reaches_a_port_of_the_host(void **state)
{
	struct state *s = *state;
	struct vmbus_guid type = hvsock_guid(2000), instance = hvsock_guid(5555);
	int fds[2];

	assert_true(vsocks_ask(s->vsocks));
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(vsocks_attach(s->vsocks, 5555, 2000, fds[0], NULL), 0);
	guest_opens(s);
	assert_true(vmbus_guid_equal(&s->channel->type, &type));
	assert_true(vmbus_guid_equal(&s->channel->instance, &instance));
	assert_true(guest_says(s, "hello host", 10));
	reads(fds[1], "hello host"); /* no word before it */
	assert_int_equal(send(fds[1], "hello guest", 11, MSG_NOSIGNAL), 11);
	turn(s);
	assert_int_equal(guest_takes(s), 11);
	close(fds[1]);
}

static void port_that_is_connected_is_refused(void **state)
{
	struct state *s = *state;
	struct err err = {0};
	int fds[2], more[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, more), 0);
	assert_int_equal(vsocks_attach(s->vsocks, 5555, 2000, fds[0], NULL), 0);
	assert_int_equal(vsocks_attach(s->vsocks, 5555, 2000, more[0], &err), -EEXIST);
	assert_true(is_closed(more[1]));
	close(fds[1]);
	close(more[1]);
}

static void streams_are_bounded(void **state)
{
	struct state *s = *state;
	int fds[VSOCK_MAX + 1];

	for (unsigned i = 0; i <= VSOCK_MAX; i++)
		fds[i] = client(s, "CONN");
	assert_int_equal(stat_of(s, "streams"), VSOCK_MAX);
	assert_true(is_closed(fds[VSOCK_MAX]));
	assert_false(vsocks_ask(s->vsocks));
	for (unsigned i = 0; i <= VSOCK_MAX; i++)
		close(fds[i]);
	turn(s);
	work(s);
	assert_int_equal(stat_of(s, "streams"), 0);
	assert_true(vsocks_ask(s->vsocks));
}

/* Nor does one that opens nothing hold more than so many channels. */
static void guest_that_opens_nothing_is_bounded(void **state)
{
	struct state *s = *state;
	struct err err;
	int fds[2], rc = 0;
	unsigned n = 0;

	for (; n < 2 * VSOCK_MAX && rc == 0; n++) {
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		rc = vsocks_attach(s->vsocks, n, 1, fds[0], &err);
		close(fds[1]);
	}
	assert_int_equal(rc, -ENOSPC);
	assert_in_range(n, VSOCK_MAX, VSOCK_MAX + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(client_reaches_a_port_of_the_guest),
		TEST(what_comes_behind_the_first_line_is_the_guests),
		TEST(first_line_that_is_none_is_refused),
		TEST(each_side_ends_for_itself),
		TEST(client_that_is_gone_ends_it),
		TEST(guest_that_closes_ends_it),
		TEST(guest_that_is_slow_makes_the_client_wait),
		TEST(client_that_is_slow_makes_the_guest_wait),
		TEST(guest_reaches_a_port_of_the_host),
		TEST(port_that_is_connected_is_refused),
		TEST(streams_are_bounded),
		TEST(guest_that_opens_nothing_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
