/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See console.h.
 */
#include "hv/worker/console.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

#include "ctl/base/log.h"

#define LOG_MODULE "console"
#define SLUG	   "console"
#define CHUNK	   4096
#define MAX_GROUPS 256

struct client {
	struct console *console;
	int fd; /* -1: the place is free */
	struct event *readable, *writable;
	uint64_t at; /* of the port's output, the next byte */
	/* Typed, and not taken yet. */
	size_t n_typed, typed_at;
	char typed[CHUNK];
};

struct console {
	struct console_opts opts;
	struct event *listener, *output;
	struct client clients[CONSOLE_MAX_CLIENTS];
	struct log_limit limit;
};

static void free_event(struct event **event)
{
	if (*event != NULL)
		event_free(*event);
	*event = NULL;
}

static void client_end(struct client *client)
{
	free_event(&client->readable);
	free_event(&client->writable);
	if (client->fd >= 0)
		close(client->fd);
	client->fd = -1;
}

/* ---- To clients ---- */

/* The port's next bytes for a client: how many; -1: some of them are forgotten. */
static ssize_t peek(struct client *client, char *to, size_t size, uint64_t *ret_next)
{
	const struct console_opts *opts = &client->console->opts;
	size_t n;

	*ret_next = client->at;
	n = opts->read(opts->ctx, ret_next, to, size);
	return *ret_next - client->at == n ? (ssize_t)n : -1;
}

/* As much as the client takes. */
static void client_write(struct client *client)
{
	char chunk[CHUNK];
	uint64_t next;
	ssize_t n, sent;

	while ((n = peek(client, chunk, sizeof(chunk), &next)) > 0) {
		sent = send(client->fd, chunk, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL);
		if (sent < 0 && errno == EAGAIN) {
			event_add(client->writable, NULL);
			return;
		}
		if (sent < 0) {
			client_end(client);
			return;
		}
		client->at += (uint64_t)sent;
	}
	if (n < 0) {
		if (log_allow(&client->console->limit, 5, 60))
			log_info("a client that does not read was cut off");
		client_end(client);
	}
}

static void on_writable(evutil_socket_t fd, short what, void *ctx)
{
	client_write(ctx);
}

/* ---- From clients ---- */

/* True: all that was typed is taken. */
static bool type(struct client *client)
{
	const struct console_opts *opts = &client->console->opts;
	size_t n = opts->write(opts->ctx, client->typed + client->typed_at, client->n_typed);

	client->typed_at += n;
	client->n_typed -= n;
	if (client->n_typed == 0)
		return true;
	event_del(client->readable);
	return false;
}

static void on_output(evutil_socket_t fd, short what, void *ctx)
{
	struct console *console = ctx;
	uint64_t nothing = 0;
	char byte;

	/* Takes the port's sign back, even if nobody is here to read. */
	(void)console->opts.read(console->opts.ctx, &nothing, &byte, 0);
	for (unsigned i = 0; i < CONSOLE_MAX_CLIENTS; i++) {
		struct client *client = &console->clients[i];

		if (client->fd >= 0 && client->n_typed > 0 && type(client))
			event_add(client->readable, NULL);
		if (client->fd >= 0 && !event_pending(client->writable, EV_WRITE, NULL))
			client_write(client);
	}
}

void console_flush(struct console *console)
{
	if (console != NULL)
		on_output(-1, 0, console);
}

static void on_readable(evutil_socket_t fd, short what, void *ctx)
{
	struct client *client = ctx;
	ssize_t n = recv(fd, client->typed, sizeof(client->typed), MSG_DONTWAIT);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		client_end(client);
		return;
	}
	client->n_typed = (size_t)n;
	client->typed_at = 0;
	(void)type(client);
}

/* ---- Clients come ---- */

static bool in_group(int fd, gid_t primary, gid_t group)
{
	gid_t groups[MAX_GROUPS];
	socklen_t size = sizeof(groups);

	if (primary == group)
		return true;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) != 0)
		return false;
	for (size_t i = 0; i < size / sizeof(groups[0]); i++) {
		if (groups[i] == group)
			return true;
	}
	return false;
}

static bool welcome(const struct console_opts *opts, int fd)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) != 0)
		return false;
	return cred.uid == 0 || cred.uid == opts->uid ||
	       (opts->has_group && in_group(fd, cred.gid, opts->group));
}

static bool client_begin(struct client *client, int fd)
{
	struct event_base *base = client->console->opts.base;

	client->fd = fd;
	client->readable = event_new(base, fd, EV_READ | EV_PERSIST, on_readable, client);
	client->writable = event_new(base, fd, EV_WRITE, on_writable, client);
	return client->readable != NULL && client->writable != NULL &&
	       event_add(client->readable, NULL) == 0;
}

/* From the oldest byte that the port remembers. */
static void client_start(struct client *client)
{
	const struct console_opts *opts = &client->console->opts;
	uint64_t oldest = 0;
	char byte;

	client->at = 0;
	if (opts->read(opts->ctx, &oldest, &byte, 1) == 1)
		client->at = oldest - 1;
	client_write(client);
}

static void on_connect(evutil_socket_t listen_fd, short what, void *ctx)
{
	struct console *console = ctx;
	struct client *client = NULL;
	int fd = accept4(listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0)
		return;
	for (unsigned i = 0; i < CONSOLE_MAX_CLIENTS && client == NULL; i++) {
		if (console->clients[i].fd < 0)
			client = &console->clients[i];
	}
	if (client == NULL || !welcome(&console->opts, fd)) {
		close(fd);
		return;
	}
	*client = (struct client){.console = console, .fd = -1};
	if (client_begin(client, fd))
		client_start(client);
	else
		client_end(client);
}

/* ---- Life ---- */

int console_create(const struct console_opts *opts, struct console **ret_console, struct err *err)
{
	struct console *console = calloc(1, sizeof(*console));

	if (console == NULL)
		return err_set(err, -ENOMEM, SLUG, "not enough memory");
	console->opts = *opts;
	for (unsigned i = 0; i < CONSOLE_MAX_CLIENTS; i++)
		console->clients[i].fd = -1;
	console->listener =
		event_new(opts->base, opts->listen_fd, EV_READ | EV_PERSIST, on_connect, console);
	console->output = event_new(opts->base, opts->fd, EV_READ | EV_PERSIST, on_output, console);
	if (console->listener == NULL || console->output == NULL ||
	    event_add(console->listener, NULL) != 0 || event_add(console->output, NULL) != 0) {
		console_destroy(console);
		return err_set(err, -ENOMEM, SLUG, "not enough memory");
	}
	*ret_console = console;
	return 0;
}

void console_destroy(struct console *console)
{
	if (console == NULL)
		return;
	for (unsigned i = 0; i < CONSOLE_MAX_CLIENTS; i++)
		client_end(&console->clients[i]);
	free_event(&console->listener);
	free_event(&console->output);
	close(console->opts.listen_fd);
	free(console);
}
