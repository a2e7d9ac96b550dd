/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The server as a whole: start and end, bindings, counters, accepting.  See server_priv.h for the
 * other files.
 */
#include "ctl/server_priv.h"

#include "ctl/base/log.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

#define LOG_MODULE "control"

#define ACCEPTS_PER_TURN 32
#define ACCEPT_PAUSE_MS	 200

/* What is not let in is told why, if it cares to read. */
static void refuse(struct ctl_server *server, int fd, enum jsonrpc_code code, const struct err *err)
{
	json_t *message = jsonrpc_error(NULL, code, err);
	char *text = json_dumps(message, JSON_COMPACT);
	struct iovec iov[] = {{.iov_base = text, .iov_len = text != NULL ? strlen(text) : 0},
			      {.iov_base = (char[]){'\n'}, .iov_len = 1}};
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2};

	server->counters.refused++;
	/* A client that has hung up already misses nothing. */
	if (text != NULL && sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		server->counters.stalled++;
	free(text);
	json_decref(message);
	close(fd);
}

static void refuse_user(struct ctl_server *server, int fd, const struct ucred *cred)
{
	static struct log_limit limit;
	struct err err;

	err_set(&err, -EACCES, "not-permitted", "user %u may not use the control socket",
		cred->uid);
	err_why(&err, "only root and members of its group may");
	err_fix(&err, "use sudo, or have an administrator add you to the group");
	if (log_allow(&limit, 5, 60))
		log_warn("refused user %u, process %d: not root and not in the group", cred->uid,
			 cred->pid);
	refuse(server, fd, JSONRPC_NOT_PERMITTED, &err);
}

static void refuse_more(struct ctl_server *server, int fd)
{
	struct err err;

	err_set(&err, -EBUSY, "too-many-clients", "all %u places for clients are taken",
		server->opts.max_clients);
	err_why(&err, "so many connections are open and in use");
	err_fix(&err, "close some: ss -xp shows whose they are");
	refuse(server, fd, JSONRPC_LIMIT, &err);
}

/* Root finds a place when others have taken all of theirs. */
static bool has_place(const struct ctl_server *server, uid_t uid)
{
	unsigned max = server->opts.max_clients;

	return server->n_conns < (uid == 0 ? max : max - max / 16);
}

static void take(struct ctl_server *server, int fd)
{
	struct ucred cred = {.uid = (uid_t)-1};
	socklen_t size = sizeof(cred);

	server->counters.accepted++;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) != 0 ||
	    !ctl_access_allowed(server, fd, &cred)) {
		refuse_user(server, fd, &cred);
		return;
	}
	if (!has_place(server, cred.uid))
		ctl_conn_evict(server);
	if (!has_place(server, cred.uid)) {
		refuse_more(server, fd);
		return;
	}
	if (ctl_conn_create(server, fd, &cred) != 0) {
		server->counters.refused++;
		close(fd);
	}
}

/* Without a descriptor to spare the listening socket stays readable: to look again at once would
 * spin. */
static void pause_accepting(struct ctl_server *server)
{
	struct timeval tv = {.tv_usec = ACCEPT_PAUSE_MS * 1000};
	static struct log_limit limit;

	if (log_allow(&limit, 1, 60))
		log_warn("cannot accept a client: %s", strerror(errno));
	event_del(server->accept);
	evtimer_add(server->accept_again, &tv);
}

static void on_accept_again(evutil_socket_t fd, short what, void *arg)
{
	struct ctl_server *server = arg;

	event_add(server->accept, NULL);
}

static void on_accept(evutil_socket_t listen_fd, short what, void *arg)
{
	struct ctl_server *server = arg;

	for (unsigned i = 0; i < ACCEPTS_PER_TURN; i++) {
		int fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd >= 0) {
			take(server, fd);
		} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS ||
			   errno == ENOMEM) {
			pause_accepting(server);
			break;
		} else if (errno == EAGAIN) {
			break;
		}
	}
}

static void set_defaults(struct ctl_server_opts *opts)
{
	if (opts->specs == NULL)
		opts->specs = ctl_specs();
	if (opts->max_clients == 0)
		opts->max_clients = 256;
	if (opts->max_message == 0)
		opts->max_message = 4 * 1024 * 1024;
	if (opts->max_answer == 0)
		opts->max_answer = 64 * 1024 * 1024;
	if (opts->message_timeout_ms == 0)
		opts->message_timeout_ms = 10 * 1000;
	if (opts->stall_timeout_ms == 0)
		opts->stall_timeout_ms = 30 * 1000;
	if (opts->evict_after_ms == 0)
		opts->evict_after_ms = 10 * 1000;
}

static int start(struct ctl_server *server, struct err *err)
{
	int rc = 0;

	if (server->opts.group != NULL) {
		rc = ctl_group_find(server->opts.group, &server->gid, err);
		server->has_group = rc == 0;
		server->opts.group = NULL;
	}
	if (rc == 0)
		rc = ctl_path_listen(server, err);
	if (rc != 0)
		return rc;
	server->accept =
		event_new(server->base, server->socket.fd, EV_READ | EV_PERSIST, on_accept, server);
	server->accept_again = evtimer_new(server->base, on_accept_again, server);
	if (server->accept == NULL || server->accept_again == NULL ||
	    event_add(server->accept, NULL) != 0)
		return err_set(err, -ENOMEM, "no-memory", "out of memory for the control socket");
	return 0;
}

int ctl_server_create(struct event_base *base, const struct ctl_server_opts *opts,
		      struct ctl_server **ret_server, struct err *err)
{
	struct ctl_server *server = calloc(1, sizeof(*server));
	int rc;

	if (server == NULL)
		return err_set(err, -ENOMEM, "no-memory", "out of memory for the control socket");
	server->base = base;
	server->opts = *opts;
	set_defaults(&server->opts);
	server->lock_fd = server->socket.fd = -1;
	TAILQ_INIT(&server->conns);
	server->path = strdup(opts->path);
	rc = server->path != NULL
		     ? start(server, err)
		     : err_set(err, -ENOMEM, "no-memory", "out of memory for the control socket");
	if (rc != 0) {
		ctl_server_destroy(server);
		return rc;
	}
	*ret_server = server;
	return 0;
}

void ctl_server_destroy(struct ctl_server *server)
{
	struct ctl_conn *conn;

	if (server == NULL)
		return;
	/* First no new ones: what 'on_close' does may take a while. */
	if (server->accept != NULL)
		event_free(server->accept);
	if (server->accept_again != NULL)
		event_free(server->accept_again);
	while ((conn = TAILQ_FIRST(&server->conns)) != NULL) {
		ctl_output_flush(conn);
		ctl_conn_destroy(conn);
	}
	if (server->path != NULL)
		ctl_path_close(server);
	free(server->path);
	free(server->bounds);
	free(server);
}

static int bind_one(struct ctl_server *server, const struct ctl_binding *binding, void *ctx,
		    struct err *err)
{
	const struct ctl_spec *spec = server->opts.specs;
	struct ctl_bound *bounds;

	while (spec->noun != NULL &&
	       (strcmp(spec->noun, binding->noun) != 0 || strcmp(spec->verb, binding->verb) != 0))
		spec++;
	if (spec->noun == NULL)
		return err_set(err, -ENOENT, "no-command", "the command table has no '%s %s'",
			       binding->noun, binding->verb);
	for (size_t i = 0; i < server->n_bounds; i++) {
		if (server->bounds[i].spec == spec)
			return err_set(err, -EEXIST, "bound-twice", "'%s %s' has a handler already",
				       spec->noun, spec->verb);
	}
	bounds = reallocarray(server->bounds, server->n_bounds + 1, sizeof(*bounds));
	if (bounds == NULL)
		return err_set(err, -ENOMEM, "no-memory", "out of memory");
	server->bounds = bounds;
	bounds[server->n_bounds++] =
		(struct ctl_bound){.spec = spec, .fn = binding->fn, .ctx = ctx};
	return 0;
}

int ctl_server_bind(struct ctl_server *server, const struct ctl_binding *bindings, void *ctx,
		    struct err *err)
{
	int rc = 0;

	for (const struct ctl_binding *binding = bindings; rc == 0 && binding->noun != NULL;
	     binding++)
		rc = bind_one(server, binding, ctx, err);
	return rc;
}

bool ctl_server_group(const struct ctl_server *server, gid_t *ret_group)
{
	if (server->has_group)
		*ret_group = server->gid;
	return server->has_group;
}

json_t *ctl_server_stats(const struct ctl_server *server)
{
	const struct ctl_counters *c = &server->counters;
	const struct {
		const char *name;
		uint64_t value;
	} all[] = {
		{"clients", server->n_conns},
		{"streams", server->n_streams},
		{"accepted", c->accepted},
		{"refused", c->refused},
		{"evicted", c->evicted},
		{"calls", c->calls},
		{"errors", c->errors},
		{"garbage", c->garbage},
		{"invalid", c->invalid},
		{"oversized", c->oversized},
		{"timeouts", c->timeouts},
		{"stalled", c->stalled},
		{"busy", c->busy},
		{"notifications", c->notifications},
		{"notifications_lost", c->lost},
		{"descriptors_closed", c->fds_closed},
	};
	json_t *stats = json_object();

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++)
		json_object_set_new(stats, all[i].name, json_integer((json_int_t)all[i].value));
	return stats;
}
