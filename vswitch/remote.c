/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Connecting and listening; see remote.h.
 */
#include "vswitch/remote.h"

#include "vswitch/tls.h"
#include "ctl/base/unix_socket.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>

#define BACKLOG	     64
#define MAX_CHANNELS 32
#define RETRY_MS     1000
#define RETRY_FACTOR 8 /* the longest pause: of the first */
#define CONNECT_MS   10000
#define ACCEPT_PAUSE 200
#define BEV_OPTIONS  (BEV_OPT_CLOSE_ON_FREE | BEV_OPT_DEFER_CALLBACKS)

struct vs_remote {
	struct vs_remote_opts opts;
	enum vs_remote_state state;
	struct bufferevent *bev; /* while it connects */
	struct evconnlistener *listener;
	struct unix_socket socket_file;
	struct event *timer;
	unsigned pause_ms;
	unsigned n_channels;
	char error[320];
};

const struct vs_target *vs_remote_target(const struct vs_remote *r)
{
	return &r->opts.target;
}

enum vs_remote_state vs_remote_state(const struct vs_remote *r)
{
	return r->state;
}

const char *vs_remote_error(const struct vs_remote *r)
{
	return r->error;
}

void vs_remote_set(struct vs_remote *r, unsigned probe_ms, struct vs_tls *tls)
{
	r->opts.channel.probe_ms = probe_ms;
	r->opts.tls = tls;
}

static void arm(struct vs_remote *r, unsigned ms)
{
	const struct timeval tv = {ms / 1000, (int)(ms % 1000) * 1000};

	evtimer_add(r->timer, &tv);
}

static void wait_and_retry(struct vs_remote *r, const char *error)
{
	snprintf(r->error, sizeof(r->error), "%s", error);
	r->state = VS_REMOTE_WAITING;
	arm(r, r->pause_ms);
	r->pause_ms = r->pause_ms * 2 < r->opts.retry_ms * RETRY_FACTOR
			      ? r->pause_ms * 2
			      : r->opts.retry_ms * RETRY_FACTOR;
}

/* Small messages that somebody waits for. */
static void no_delay(const struct vs_remote *r, evutil_socket_t fd)
{
	const int one = 1;

	if (!r->opts.target.local)
		(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
}

static void peer_format(const struct vs_remote *r, evutil_socket_t fd,
			const struct sockaddr *address, struct vs_channel *ch)
{
	struct ucred cred;
	socklen_t size = sizeof(cred);

	if (!r->opts.target.local)
		vs_address_format(address, ch->peer, sizeof(ch->peer));
	else if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &size) == 0)
		snprintf(ch->peer, sizeof(ch->peer), "process %d", (int)cred.pid);
}

/* Takes 'bev'. */
static int open_channel(struct vs_remote *r, struct bufferevent *bev,
			const struct sockaddr *address)
{
	evutil_socket_t fd = bufferevent_getfd(bev);
	struct vs_channel *ch;
	int rc;

	no_delay(r, fd);
	rc = vs_channel_create(bev, &r->opts.channel, &ch);
	if (rc != 0)
		return rc;
	ch->remote = r;
	peer_format(r, fd, address, ch);
	r->n_channels++;
	r->opts.opened(r->opts.ctx, r, ch);
	return 0;
}

static struct bufferevent *make_bufferevent(const struct vs_remote *r, evutil_socket_t fd)
{
	if (r->opts.target.tls)
		return vs_tls_bufferevent(r->opts.tls, r->opts.base, fd, r->opts.target.listens,
					  BEV_OPTIONS);
	return bufferevent_socket_new(r->opts.base, fd, BEV_OPTIONS);
}

static void connect_failed(struct vs_remote *r, const char *error)
{
	if (r->bev != NULL)
		bufferevent_free(r->bev);
	r->bev = NULL;
	wait_and_retry(r, error);
}

static void on_connect(struct bufferevent *bev, short what, void *arg)
{
	struct vs_remote *r = arg;
	char text[VS_CHANNEL_REASON_MAX];
	int code = EVUTIL_SOCKET_ERROR();

	if (what & BEV_EVENT_CONNECTED) {
		evtimer_del(r->timer);
		r->bev = NULL;
		r->state = VS_REMOTE_CONNECTED;
		if (open_channel(r, bev, (const struct sockaddr *)&r->opts.target.address) != 0)
			wait_and_retry(r, "no memory for the connection");
		return;
	}
	if (!vs_tls_why(bev, text, sizeof(text)))
		snprintf(text, sizeof(text), "%s",
			 code != 0 ? evutil_socket_error_to_string(code)
				   : "the connection was closed");
	connect_failed(r, text);
}

/* When there is no bufferevent. */
static const char *why_none(const struct vs_remote *r)
{
	const char *error = r->opts.target.tls ? vs_tls_error(r->opts.tls) : "";

	return error[0] != '\0' ? error : "no memory for the connection";
}

static void try_connect(struct vs_remote *r)
{
	const struct vs_target *t = &r->opts.target;

	r->state = VS_REMOTE_CONNECTING;
	r->bev = make_bufferevent(r, -1);
	if (r->bev == NULL) {
		connect_failed(r, why_none(r));
		return;
	}
	bufferevent_setcb(r->bev, NULL, NULL, on_connect, r);
	arm(r, CONNECT_MS);
	if (bufferevent_socket_connect(r->bev, (const struct sockaddr *)&t->address,
				       (int)t->address_size) != 0)
		connect_failed(r, strerror(errno));
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *address,
		      int size, void *arg)
{
	struct vs_remote *r = arg;
	struct bufferevent *bev;

	if (r->n_channels >= r->opts.max_channels) {
		snprintf(r->error, sizeof(r->error),
			 "more than %u connections at once were refused", r->opts.max_channels);
		close(fd);
		return;
	}
	bev = make_bufferevent(r, fd);
	if (bev == NULL) {
		snprintf(r->error, sizeof(r->error), "%s", why_none(r));
		close(fd);
	} else {
		(void)open_channel(r, bev, address);
	}
}

/* Want of descriptors: who waits in the kernel is still there in a moment. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	struct vs_remote *r = arg;

	snprintf(r->error, sizeof(r->error), "cannot accept: %s",
		 evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
	evconnlistener_disable(listener);
	arm(r, ACCEPT_PAUSE);
}

static int bind_address(const struct vs_target *t, int *ret_fd)
{
	int fd = socket(t->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const int one = 1;
	int rc = 0;

	if (fd < 0)
		return -errno;
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (t->address.ss_family == AF_INET6)
		(void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)&t->address, t->address_size) != 0 ||
	    listen(fd, BACKLOG) != 0)
		rc = -errno;
	if (rc == 0)
		*ret_fd = fd;
	else
		close(fd);
	return rc;
}

static int listen_tcp(struct vs_remote *r, int *ret_fd, struct err *err)
{
	char address[80];
	int rc = bind_address(&r->opts.target, ret_fd);

	if (rc == 0)
		return 0;
	vs_address_format((const struct sockaddr *)&r->opts.target.address, address,
			  sizeof(address));
	err_set(err, rc, rc == -EADDRINUSE ? "port-busy" : "cannot-listen",
		"cannot listen on %s: %s", address, strerror(-rc));
	if (rc == -EADDRINUSE) {
		err_why(err, "another process, or another switch, listens there");
		err_fix(err, "choose another port; ss -ltnp shows who has it");
	} else if (rc == -EADDRNOTAVAIL) {
		err_why(err, "no interface of this host has this address");
		err_fix(err, "choose one that 'ip address' shows");
	}
	return rc;
}

static int try_listen(struct vs_remote *r, struct err *err)
{
	const struct sockaddr_un *un = (const void *)&r->opts.target.address;
	int fd = -1, rc;

	if (r->opts.target.local)
		rc = unix_socket_listen(un->sun_path, SOCK_STREAM, r->opts.group, &r->socket_file,
					err);
	else
		rc = listen_tcp(r, &fd, err);
	if (rc != 0)
		return rc;
	if (r->opts.target.local)
		fd = r->socket_file.fd;
	r->listener = evconnlistener_new(r->opts.base, on_accept, r,
					 LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
	if (r->listener == NULL) {
		unix_socket_remove(&r->socket_file);
		close(fd);
		return err_set(err, -ENOMEM, "no-memory", "no memory to listen");
	}
	evconnlistener_set_error_cb(r->listener, on_accept_error);
	r->state = VS_REMOTE_LISTENING;
	return 0;
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct vs_remote *r = arg;
	struct err err = {0};

	if (r->listener != NULL)
		evconnlistener_enable(r->listener);
	else if (r->state == VS_REMOTE_CONNECTING)
		connect_failed(r, "no answer to the connection");
	else if (!r->opts.target.listens)
		try_connect(r);
	else if (try_listen(r, &err) != 0)
		wait_and_retry(r, err.what);
}

static int begin(struct vs_remote *r, bool patient, struct err *err)
{
	int rc;

	r->timer = evtimer_new(r->opts.base, on_timer, r);
	if (r->timer == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory");
	if (!r->opts.target.listens) {
		arm(r, 0);
		return 0;
	}
	rc = try_listen(r, err);
	if (rc == 0 || !patient)
		return rc;
	wait_and_retry(r, err->what);
	return 0;
}

int vs_remote_create(const struct vs_remote_opts *opts, bool patient, struct vs_remote **ret_remote,
		     struct err *err)
{
	struct vs_remote *r = calloc(1, sizeof(*r));
	struct err local = {0};
	int rc;

	if (r == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory");
	r->opts = *opts;
	if (r->opts.retry_ms == 0)
		r->opts.retry_ms = RETRY_MS;
	if (r->opts.max_channels == 0)
		r->opts.max_channels = MAX_CHANNELS;
	r->pause_ms = r->opts.retry_ms;
	rc = begin(r, patient, &local);
	if (rc != 0) {
		vs_remote_destroy(r);
		if (err != NULL)
			*err = local;
		return rc;
	}
	*ret_remote = r;
	return 0;
}

void vs_remote_destroy(struct vs_remote *r)
{
	if (r == NULL)
		return;
	if (r->bev != NULL)
		bufferevent_free(r->bev);
	if (r->listener != NULL) {
		unix_socket_remove(&r->socket_file);
		evconnlistener_free(r->listener);
	}
	if (r->timer != NULL)
		event_free(r->timer);
	free(r);
}

void vs_remote_lost(struct vs_remote *r, bool was_up, const char *reason)
{
	r->n_channels--;
	if (was_up)
		r->pause_ms = r->opts.retry_ms;
	if (!r->opts.target.listens)
		wait_and_retry(r, reason);
	else if (!was_up) /* who comes and goes is no error of the listener's */
		snprintf(r->error, sizeof(r->error), "%s", reason);
}
