/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See control.h.
 */
#include "hv/worker/control.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "ctl/base/clock.h"
#include "ctl/base/log.h"

#define LOG_MODULE   "control"
#define SLUG	     "control"
#define READ_AT_ONCE 16

/* A packet that waits for its client. */
struct output {
	STAILQ_ENTRY(output) link;
	size_t size;
	char bytes[];
};

struct client {
	struct control *control;
	int fd; /* -1: the place is free */
	struct event *readable, *writable;
	STAILQ_HEAD(, output) outputs;
	size_t n_queued;
};

struct control_call {
	LIST_ENTRY(control_call) link;
	struct control *control;
	struct client *client; /* NULL: it has gone */
	json_t *packet;
	int fds[CONTROL_MAX_FDS];
};

struct control {
	struct control_opts opts;
	struct event *listener;
	struct client clients[CONTROL_MAX_CLIENTS];
	LIST_HEAD(, control_call) calls;
	unsigned n_calls;
	struct log_limit limit;
	char buf[CONTROL_MAX_PACKET + 1];
};

/* ---- To a client ---- */

static void client_end(struct client *client, const char *why)
{
	struct control *control = client->control;
	struct control_call *call;
	struct output *output;

	if (client->fd < 0)
		return;
	if (why != NULL && log_allow(&control->limit, 5, 60))
		log_warn("a client was cut off: %s", why);
	event_free(client->readable);
	event_free(client->writable);
	close(client->fd);
	client->fd = -1;
	while ((output = STAILQ_FIRST(&client->outputs)) != NULL) {
		STAILQ_REMOVE_HEAD(&client->outputs, link);
		free(output);
	}
	client->n_queued = 0;
	LIST_FOREACH(call, &control->calls, link) {
		if (call->client == client)
			call->client = NULL;
	}
}

/* 1: sent; 0: it does not read now; -1: it is gone, and so is the client. */
static int client_send(struct client *client, const char *bytes, size_t size)
{
	if (send(client->fd, bytes, size, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 1;
	if (errno == EAGAIN || errno == ENOBUFS || errno == EINTR)
		return 0;
	client_end(client, NULL);
	return -1;
}

static void client_flush(struct client *client)
{
	struct output *output;

	while ((output = STAILQ_FIRST(&client->outputs)) != NULL) {
		if (client_send(client, output->bytes, output->size) <= 0)
			break;
		STAILQ_REMOVE_HEAD(&client->outputs, link);
		client->n_queued -= output->size;
		free(output);
	}
	if (client->fd >= 0 && STAILQ_EMPTY(&client->outputs))
		event_del(client->writable);
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
	client_flush(ctx);
}

static void client_say(struct client *client, const char *text, size_t size)
{
	struct output *output;

	if (STAILQ_EMPTY(&client->outputs) && client_send(client, text, size) != 0)
		return;
	output = client->n_queued + size <= CONTROL_MAX_QUEUED ? malloc(sizeof(*output) + size)
							       : NULL;
	if (output == NULL) {
		client_end(client, "it does not read");
		return;
	}
	output->size = size;
	memcpy(output->bytes, text, size);
	client->n_queued += size;
	STAILQ_INSERT_TAIL(&client->outputs, output, link);
	event_add(client->writable, NULL);
}

/* As one packet; takes 'message'.  NULL: no memory, or longer than a packet. */
static char *pack(json_t *message, size_t *ret_size)
{
	char *text = message != NULL ? json_dumps(message, JSON_COMPACT) : NULL;
	size_t size = text != NULL ? strlen(text) : 0;

	json_decref(message);
	if (size > CONTROL_MAX_PACKET) {
		free(text);
		return NULL;
	}
	*ret_size = size;
	return text;
}

void control_event(struct control *control, const char *name, json_t *event)
{
	size_t size;
	char *text;

	if (event != NULL)
		json_object_set_new(event, "event", json_string(name));
	text = pack(event, &size);
	for (unsigned i = 0; text != NULL && i < CONTROL_MAX_CLIENTS; i++) {
		if (control->clients[i].fd >= 0)
			client_say(&control->clients[i], text, size);
	}
	free(text);
}

/* ---- Calls ---- */

const json_t *control_params(const struct control_call *call)
{
	return call->packet;
}

int control_take_fd(struct control_call *call, unsigned n)
{
	int fd = n < CONTROL_MAX_FDS ? call->fds[n] : -1;

	if (fd >= 0)
		call->fds[n] = -1;
	return fd;
}

static void close_fds(int *fds)
{
	for (unsigned i = 0; i < CONTROL_MAX_FDS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

static void call_end(struct control_call *call)
{
	LIST_REMOVE(call, link);
	call->control->n_calls--;
	close_fds(call->fds);
	json_decref(call->packet);
	free(call);
}

static void call_answer(struct control_call *call, const char *key, json_t *value)
{
	json_t *id = json_object_get(call->packet, "id");
	json_t *message = json_pack("{sO?, so}", "id", id, key, value);
	struct client *client = call->client;
	size_t size;
	char *text = pack(message, &size);

	if (client != NULL && text != NULL)
		client_say(client, text, size);
	else if (client != NULL)
		client_end(client, "its answer does not fit into a packet");
	free(text);
	call_end(call);
}

void control_reply(struct control_call *call, json_t *result)
{
	call_answer(call, "result", result != NULL ? result : json_object());
}

void control_refuse(struct control_call *call, const struct err *err)
{
	call_answer(call, "error",
		    json_pack("{ss, ss, ss, ss}", "code", err->slug, "what", err->what, "why",
			      err->why, "fix", err->fix));
}

__attribute__((format(printf, 4, 5))) static void refuse(struct control_call *call, int code,
							 const char *slug, const char *fmt, ...)
{
	struct err err;
	char text[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	err_set(&err, code, slug, "%s", text);
	control_refuse(call, &err);
}

static const struct control_method *find_method(const struct control *control, const char *name)
{
	for (const struct control_method *m = control->opts.methods; m->name != NULL; m++) {
		if (strcmp(m->name, name) == 0)
			return m;
	}
	return NULL;
}

static unsigned count_fds(const int *fds)
{
	unsigned n = 0;

	while (n < CONTROL_MAX_FDS && fds[n] >= 0)
		n++;
	return n;
}

static void dispatch(struct control_call *call)
{
	struct control *control = call->control;
	const char *name = json_string_value(json_object_get(call->packet, "method"));
	const struct control_method *method;

	if (name == NULL) {
		refuse(call, -EINVAL, "bad-request", "the request names no method");
		return;
	}
	method = find_method(control, name);
	if (method == NULL)
		refuse(call, -ENOSYS, "unknown-method", "this worker has no method '%.40s'", name);
	else if (count_fds(call->fds) != method->n_fds)
		refuse(call, -EINVAL, "bad-request", "'%s' comes with %u descriptors, there are %u",
		       name, method->n_fds, count_fds(call->fds));
	else
		method->call(control->opts.ctx, call);
}

/* Takes the packet and the descriptors. */
static void call_begin(struct client *client, json_t *packet, int *fds)
{
	struct control *control = client->control;
	struct control_call *call =
		control->n_calls < CONTROL_MAX_CALLS ? calloc(1, sizeof(*call)) : NULL;

	if (call == NULL) {
		json_decref(packet);
		close_fds(fds);
		client_end(client, "too many of its calls are not answered yet");
		return;
	}
	*call = (struct control_call){.control = control, .client = client, .packet = packet};
	memcpy(call->fds, fds, sizeof(call->fds));
	LIST_INSERT_HEAD(&control->calls, call, link);
	control->n_calls++;
	dispatch(call);
}

/* ---- From a client ---- */

/* Keeps the first CONTROL_MAX_FDS descriptors, closes others.  False: there were more. */
static bool collect_fds(struct msghdr *msg, int *fds)
{
	unsigned n = 0;

	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c != NULL; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++) {
			int fd;

			memcpy(&fd, CMSG_DATA(c) + i * sizeof(int), sizeof(int));
			if (n < CONTROL_MAX_FDS)
				fds[n] = fd;
			else
				close(fd);
			n++;
		}
	}
	return n <= CONTROL_MAX_FDS && (msg->msg_flags & MSG_CTRUNC) == 0;
}

/* One packet.  Its size; 0: the end; -errno. */
static ssize_t receive(struct client *client, int *fds)
{
	struct control *control = client->control;
	char space[CMSG_SPACE(sizeof(int) * (CONTROL_MAX_FDS + 1))];
	struct iovec iov = {.iov_base = control->buf, .iov_len = sizeof(control->buf)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = space,
			     .msg_controllen = sizeof(space)};
	ssize_t n = recvmsg(client->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0)
		return -errno;
	if (!collect_fds(&msg, fds) || n > CONTROL_MAX_PACKET)
		return -EMSGSIZE;
	return n;
}

/* False: nothing more to read, or the client is gone. */
static bool read_one(struct client *client)
{
	int fds[CONTROL_MAX_FDS] = {-1, -1, -1};
	ssize_t n = receive(client, fds);
	json_t *packet;

	if (n <= 0) {
		close_fds(fds);
		if (n != -EAGAIN && n != -EINTR)
			client_end(client, n == -EMSGSIZE ? "a packet that is too long" : NULL);
		return false;
	}
	packet = json_loadb(client->control->buf, (size_t)n, JSON_REJECT_DUPLICATES, NULL);
	if (!json_is_object(packet)) {
		close_fds(fds);
		json_decref(packet);
		client_end(client, "a packet that is no JSON object");
		return false;
	}
	call_begin(client, packet, fds);
	return client->fd >= 0;
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	for (unsigned i = 0; i < READ_AT_ONCE && read_one(ctx); i++)
		continue;
}

/* ---- Clients come ---- */

static bool welcome(const struct control *control, int fd)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) == 0 &&
	       (cred.uid == 0 || cred.uid == control->opts.uid);
}

static struct client *free_place(struct control *control)
{
	for (unsigned i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		if (control->clients[i].fd < 0)
			return &control->clients[i];
	}
	return NULL;
}

static void on_connect(evutil_socket_t listen_fd, short what, void *ctx)
{
	struct control *control = ctx;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	struct client *client = fd >= 0 ? free_place(control) : NULL;

	if (client == NULL || !welcome(control, fd)) {
		if (fd >= 0)
			close(fd);
		if (fd >= 0 && log_allow(&control->limit, 5, 60))
			log_warn("somebody was not let in: %s",
				 client == NULL ? "there are four clients" : "not root");
		return;
	}
	*client = (struct client){.control = control, .fd = fd};
	STAILQ_INIT(&client->outputs);
	client->readable =
		event_new(control->opts.base, fd, EV_READ | EV_PERSIST, on_readable, client);
	client->writable =
		event_new(control->opts.base, fd, EV_WRITE | EV_PERSIST, on_writable, client);
	if (client->readable != NULL && client->writable != NULL &&
	    event_add(client->readable, NULL) == 0)
		return;
	if (client->readable != NULL)
		event_free(client->readable);
	if (client->writable != NULL)
		event_free(client->writable);
	close(fd);
	client->fd = -1;
}

/* ---- Life ---- */

int control_create(const struct control_opts *opts, struct control **ret_control, struct err *err)
{
	struct control *control = calloc(1, sizeof(*control));

	if (control == NULL)
		return err_set(err, -ENOMEM, SLUG, "not enough memory");
	control->opts = *opts;
	LIST_INIT(&control->calls);
	for (unsigned i = 0; i < CONTROL_MAX_CLIENTS; i++)
		control->clients[i].fd = -1;
	control->listener =
		event_new(opts->base, opts->listen_fd, EV_READ | EV_PERSIST, on_connect, control);
	if (control->listener == NULL || event_add(control->listener, NULL) != 0) {
		control_destroy(control);
		return err_set(err, -ENOMEM, SLUG, "not enough memory");
	}
	*ret_control = control;
	return 0;
}

void control_destroy(struct control *control)
{
	struct control_call *call;

	if (control == NULL)
		return;
	for (unsigned i = 0; i < CONTROL_MAX_CLIENTS; i++)
		client_end(&control->clients[i], NULL);
	while ((call = LIST_FIRST(&control->calls)) != NULL)
		call_end(call);
	if (control->listener != NULL)
		event_free(control->listener);
	close(control->opts.listen_fd);
	free(control);
}

unsigned control_n_clients(const struct control *control)
{
	unsigned n = 0;

	for (unsigned i = 0; i < CONTROL_MAX_CLIENTS; i++)
		n += control->clients[i].fd >= 0;
	return n;
}

void control_flush(struct control *control, unsigned ms)
{
	uint64_t until = clock_mono_ns() + ms * 1000000ull;

	for (unsigned i = 0; i < CONTROL_MAX_CLIENTS; i++) {
		struct client *client = &control->clients[i];

		while (client->fd >= 0 && !STAILQ_EMPTY(&client->outputs) &&
		       clock_mono_ns() < until) {
			struct pollfd poll_fd = {.fd = client->fd, .events = POLLOUT};

			(void)poll(&poll_fd, 1, 10);
			client_flush(client);
		}
	}
}
