/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See vsock.h.  A stream:
 *
 * 	HELLO ──"CONNECT PORT"──► OFFERED ──guest opens──► OPEN ──both ends, or an error──► over
 * 	(clients)                 (attached ones begin here)
 *
 * What is over is freed by an event of its own, never from within its own callbacks.
 */
#include "hv/worker/vsock.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "ctl/base/log.h"
#include "hv/worker/loop.h"
#include "vmbus/hvsock.h"
#include "vmbus/local.h"
#include "vmbus/server.h"

#define SLUG	     "vsock"
#define HELLO_SIZE   32		 /* "CONNECT 4294967295\n", and a little patience */
#define HOST_PORTS   0x80000000u /* of clients: from here on */
#define ASKS_AT_ONCE 100	 /* a second */

enum state { HELLO, OFFERED, OPEN, OVER };

/* Bytes on their way. */
struct buffer {
	size_t at, n;
	uint8_t bytes[HVSOCK_MAX_DATA];
};

struct stream {
	TAILQ_ENTRY(stream) link;
	struct vsocks *vsocks;
	enum state state;
	int fd;
	struct event *readable, *writable, *late;
	struct hvsock *sock; /* NULL: not offered yet */
	bool greet;	     /* a client, who is told that it is connected */
	uint32_t host_port;
	bool fd_ended, guest_ended; /* they send nothing more */
	bool fd_gone;		    /* nor takes anything */
	struct buffer to_guest, to_fd;
};

struct vsocks {
	struct vsocks_opts opts;
	struct vmbus_loop loop;
	struct event *listener, *reaper;
	TAILQ_HEAD(, stream) streams;
	unsigned n_streams;
	uint32_t next_port;
	struct log_limit ask_limit;
	uint64_t opened, asked, refused, late, to_guest_bytes, from_guest_bytes;
};

static void free_event(struct event **event)
{
	if (*event != NULL)
		event_free(*event);
	*event = NULL;
}

/* ---- The end ---- */

static void stream_free(struct stream *s)
{
	free_event(&s->readable);
	free_event(&s->writable);
	free_event(&s->late);
	hvsock_destroy(s->sock);
	if (s->fd >= 0)
		close(s->fd);
	TAILQ_REMOVE(&s->vsocks->streams, s, link);
	s->vsocks->n_streams--;
	free(s);
}

static void on_reap(evutil_socket_t fd, short what, void *ctx)
{
	struct vsocks *v = ctx;
	struct stream *s, *next;

	for (s = TAILQ_FIRST(&v->streams); s != NULL; s = next) {
		next = TAILQ_NEXT(s, link);
		if (s->state == OVER)
			stream_free(s);
	}
}

static void stream_end(struct stream *s)
{
	if (s->state == OVER)
		return;
	s->state = OVER;
	event_del(s->readable);
	event_del(s->writable);
	event_del(s->late);
	event_active(s->vsocks->reaper, 0, 0);
}

static void on_late(evutil_socket_t fd, short what, void *ctx)
{
	struct stream *s = ctx;

	s->vsocks->late++;
	stream_end(s);
}

/* Both sides have ended, and nothing is on its way any more. */
static void end_if_done(struct stream *s)
{
	if (s->fd_ended && s->to_guest.n == 0 &&
	    (s->fd_gone || (s->guest_ended && s->to_fd.n == 0)))
		stream_end(s);
}

/* ---- Host to guest ---- */

/* Nothing is left of what was read: reads on, or tells the guest that this was all. */
static void to_guest_done(struct stream *s)
{
	int rc;

	if (!s->fd_ended) {
		event_add(s->readable, NULL);
		return;
	}
	rc = hvsock_finish(s->sock);
	if (rc == 0)
		end_if_done(s);
	else if (rc != -EAGAIN)
		stream_end(s);
}

static void push(struct stream *s)
{
	struct buffer *b = &s->to_guest;

	while (b->n > 0) {
		ssize_t n = hvsock_send(s->sock, b->bytes + b->at, b->n);

		if (n == -EAGAIN) {
			event_del(s->readable);
			return;
		}
		if (n <= 0) {
			stream_end(s);
			return;
		}
		b->at += (size_t)n;
		b->n -= (size_t)n;
		s->vsocks->to_guest_bytes += (uint64_t)n;
	}
	to_guest_done(s);
}

/* A client that has closed takes nothing either, one that only said its last word does. */
static bool is_gone(int fd)
{
	struct pollfd p = {.fd = fd};

	return poll(&p, 1, 0) == 1 && (p.revents & (POLLHUP | POLLERR)) != 0;
}

static void from_client(struct stream *s)
{
	struct buffer *b = &s->to_guest;
	ssize_t n = recv(s->fd, b->bytes, sizeof(b->bytes), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		event_del(s->readable);
		s->fd_ended = true;
		s->fd_gone = n < 0 || is_gone(s->fd);
	}
	b->at = 0;
	b->n = n > 0 ? (size_t)n : 0;
	push(s);
}

/* ---- Guest to host ---- */

/* All that the guest sent is with the client. */
static void to_fd_done(struct stream *s)
{
	event_del(s->writable);
	hvsock_hold(s->sock, false);
	if (s->guest_ended)
		(void)shutdown(s->fd, SHUT_WR);
	end_if_done(s);
}

/* How many of the bytes the client takes now; -1: it is gone. */
static ssize_t give(struct stream *s, const uint8_t *bytes, size_t size)
{
	ssize_t n = send(s->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	s->vsocks->from_guest_bytes += n > 0 ? (uint64_t)n : 0;
	return n;
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
	struct stream *s = ctx;
	struct buffer *b = &s->to_fd;
	ssize_t n = b->n > 0 ? give(s, b->bytes + b->at, b->n) : 0;

	if (n < 0) {
		stream_end(s);
		return;
	}
	b->at += (size_t)n;
	b->n -= (size_t)n;
	if (b->n == 0)
		to_fd_done(s);
}

static void on_data(void *ctx, const uint8_t *bytes, size_t size)
{
	struct stream *s = ctx;
	ssize_t n;

	if (s->state != OPEN)
		return;
	n = give(s, bytes, size);
	if (n < 0) {
		stream_end(s);
		return;
	}
	if ((size_t)n == size)
		return;
	s->to_fd.at = 0;
	s->to_fd.n = size - (size_t)n;
	memcpy(s->to_fd.bytes, bytes + n, s->to_fd.n);
	hvsock_hold(s->sock, true);
	event_add(s->writable, NULL);
}

/* Nothing is held back then: the guest would not have been heard. */
static void on_finished(void *ctx)
{
	struct stream *s = ctx;

	if (s->state != OPEN)
		return;
	s->guest_ended = true;
	to_fd_done(s);
}

/* ---- Connecting ---- */

static void on_opened(void *ctx)
{
	struct stream *s = ctx;
	char text[HELLO_SIZE];

	if (s->state != OFFERED)
		return;
	s->state = OPEN;
	s->vsocks->opened++;
	event_del(s->late);
	if (s->greet) {
		snprintf(text, sizeof(text), "OK %u\n", s->host_port);
		/* The first bytes of a socket find room. */
		if (send(s->fd, text, strlen(text), MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
			stream_end(s);
			return;
		}
	}
	push(s); /* what came behind the greeting, or what comes now */
}

static void on_closed(void *ctx)
{
	stream_end(ctx);
}

static void on_room(void *ctx)
{
	struct stream *s = ctx;

	if (s->state == OPEN)
		push(s);
}

static const struct hvsock_ops sock_ops = {
	.opened = on_opened,
	.data = on_data,
	.finished = on_finished,
	.closed = on_closed,
	.room = on_room,
};

static int offer(struct stream *s, bool from_host, uint32_t guest_port)
{
	struct vsocks *v = s->vsocks;
	struct hvsock_opts opts = {.server = v->opts.server,
				   .loop = &v->loop,
				   .from_host = from_host,
				   .guest_port = guest_port,
				   .host_port = s->host_port,
				   .ops = &sock_ops,
				   .ctx = s};
	struct vmbus_server_info info;

	vmbus_server_info(v->opts.server, &info);
	if (info.n_withdrawn >= VSOCK_MAX)
		return -ENOSPC;
	s->state = OFFERED;
	return hvsock_create(&opts, &s->sock);
}

/* "CONNECT 1234\n": the port; false: it is none. */
static bool read_hello(const char *line, size_t size, uint32_t *ret_port)
{
	static const char word[] = "CONNECT ";
	uint64_t port = 0;
	size_t i = sizeof(word) - 1;

	if (size <= i || memcmp(line, word, i) != 0)
		return false;
	for (; i < size; i++) {
		if (line[i] < '0' || line[i] > '9')
			return false;
		port = port * 10 + (uint64_t)(line[i] - '0');
		if (port > UINT32_MAX)
			return false;
	}
	*ret_port = (uint32_t)port;
	return true;
}

/* A client's first line; what comes behind it is the guest's. */
static void greeted(struct stream *s)
{
	struct buffer *b = &s->to_guest;
	const uint8_t *end = memchr(b->bytes, '\n', b->n < HELLO_SIZE ? b->n : HELLO_SIZE);
	uint32_t guest_port;
	size_t size;

	if (end == NULL && b->n < HELLO_SIZE)
		return;
	size = end != NULL ? (size_t)(end - b->bytes) : 0;
	if (!read_hello((const char *)b->bytes, size, &guest_port)) {
		stream_end(s);
		return;
	}
	b->at = size + 1;
	b->n -= size + 1;
	/* Nothing more is read before the guest is there. */
	event_del(s->readable);
	s->host_port = HOST_PORTS | s->vsocks->next_port++;
	if (offer(s, true, guest_port) != 0) {
		s->vsocks->refused++;
		stream_end(s);
	}
}

static void hello(struct stream *s)
{
	struct buffer *b = &s->to_guest;
	ssize_t n = recv(s->fd, b->bytes + b->n, HELLO_SIZE - b->n, MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		stream_end(s);
		return;
	}
	b->n += (size_t)n;
	greeted(s);
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct stream *s = ctx;

	if (s->state == HELLO)
		hello(s);
	else if (s->state == OPEN)
		from_client(s);
}

/* Takes 'fd', also when it returns NULL. */
static struct stream *stream_begin(struct vsocks *v, int fd)
{
	const struct timeval late = {.tv_sec = VSOCK_CONNECT_S};
	struct stream *s = v->n_streams < VSOCK_MAX ? malloc(sizeof(*s)) : NULL;

	if (s == NULL) {
		v->refused++;
		close(fd);
		return NULL;
	}
	memset(s, 0, offsetof(struct stream, to_guest));
	s->to_guest.n = s->to_guest.at = s->to_fd.n = s->to_fd.at = 0;
	s->vsocks = v;
	s->fd = fd;
	TAILQ_INSERT_TAIL(&v->streams, s, link);
	v->n_streams++;
	s->readable = event_new(v->opts.base, fd, EV_READ | EV_PERSIST, on_readable, s);
	s->writable = event_new(v->opts.base, fd, EV_WRITE | EV_PERSIST, on_writable, s);
	s->late = event_new(v->opts.base, -1, 0, on_late, s);
	if (s->readable != NULL && s->writable != NULL && s->late != NULL &&
	    event_add(s->late, &late) == 0)
		return s;
	stream_free(s);
	return NULL;
}

static void on_connect(evutil_socket_t listen_fd, short what, void *ctx)
{
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct stream *s = fd >= 0 ? stream_begin(ctx, fd) : NULL;

	if (s == NULL)
		return;
	s->greet = true;
	event_add(s->readable, NULL);
}

int vsocks_attach(struct vsocks *v, uint32_t guest_port, uint32_t host_port, int fd,
		  struct err *err)
{
	struct stream *s = stream_begin(v, fd);
	int rc;

	if (s == NULL)
		return err_set(err, -ENOSPC, "limit", "there are %u streams, or no memory",
			       v->n_streams);
	s->host_port = host_port;
	rc = offer(s, false, guest_port);
	if (rc == 0)
		return 0;
	v->refused++;
	stream_free(s);
	if (rc == -EEXIST)
		return err_set(err, rc, "in-use", "port %u of the guest is connected to it already",
			       guest_port);
	return err_set(err, rc, "limit", "no channel for another stream: %s", strerror(-rc));
}

bool vsocks_ask(struct vsocks *v)
{
	v->asked++;
	if (v->n_streams < VSOCK_MAX && log_allow(&v->ask_limit, ASKS_AT_ONCE, 1))
		return true;
	v->refused++;
	return false;
}

/* ---- Life ---- */

int vsocks_create(const struct vsocks_opts *opts, struct vsocks **ret_vsocks, struct err *err)
{
	struct vsocks *v = calloc(1, sizeof(*v));

	if (v == NULL) {
		close(opts->listen_fd);
		return err_set(err, -ENOMEM, SLUG, "not enough memory");
	}
	v->opts = *opts;
	v->loop = worker_loop(opts->base);
	TAILQ_INIT(&v->streams);
	/* Not those of the worker before, which the guest may not have let go of. */
	if (getrandom(&v->next_port, sizeof(v->next_port), GRND_NONBLOCK) < 0)
		v->next_port = (uint32_t)getpid() << 10;
	v->listener = event_new(opts->base, opts->listen_fd, EV_READ | EV_PERSIST, on_connect, v);
	v->reaper = event_new(opts->base, -1, 0, on_reap, v);
	if (v->listener == NULL || v->reaper == NULL || event_add(v->listener, NULL) != 0) {
		vsocks_destroy(v);
		return err_set(err, -ENOMEM, SLUG, "not enough memory");
	}
	*ret_vsocks = v;
	return 0;
}

void vsocks_destroy(struct vsocks *v)
{
	if (v == NULL)
		return;
	while (!TAILQ_EMPTY(&v->streams))
		stream_free(TAILQ_FIRST(&v->streams));
	free_event(&v->listener);
	free_event(&v->reaper);
	close(v->opts.listen_fd);
	free(v);
}

json_t *vsocks_stats(const struct vsocks *v)
{
	if (v == NULL)
		return NULL;
	return json_pack("{sI, sI, sI, sI, sI, sI, sI}", "streams", (json_int_t)v->n_streams,
			 "opened", (json_int_t)v->opened, "asked", (json_int_t)v->asked, "refused",
			 (json_int_t)v->refused, "late", (json_int_t)v->late, "to_guest_bytes",
			 (json_int_t)v->to_guest_bytes, "from_guest_bytes",
			 (json_int_t)v->from_guest_bytes);
}
