/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The control connection of a VM; see vm_link.h.
 */
#include "vswitch/vm_link.h"

#include "vswitch/vm_msg.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

#define MAX_ASKED  256	/* requests that are not answered */
#define AT_ONCE	   32	/* packets before others have their turn */
#define AT_END	   1024 /* of a process that is gone */
#define N_OVERFLOW 1	/* a packet that is one byte too long is seen to be so */

struct asked {
	TAILQ_ENTRY(asked) link;
	struct vs_vm_link *of;
	uint64_t id;
	struct event *timer;
	vs_vm_answer_fn fn;
	void *arg;
	/* Not sent yet: the packet, and what goes with it. */
	char *text;
	size_t size;
	unsigned n_fds;
	int fds[VS_VM_MAX_FDS];
};
TAILQ_HEAD(askeds, asked);

struct vs_vm_link {
	struct event_base *base;
	int fd;
	struct event *readable, *writable;
	const struct vs_vm_link_ops *ops;
	void *ctx;
	struct askeds askeds; /* in the order in which they were asked */
	unsigned n_asked;
	uint64_t last_id;
	bool busy;   /* inside one of its events */
	bool closed; /* then freed at the end of that */
	char buf[VS_VM_MAX_PACKET + N_OVERFLOW];
};

static void fds_close(struct asked *a)
{
	while (a->n_fds > 0)
		close(a->fds[--a->n_fds]);
}

static void asked_free(struct asked *a)
{
	TAILQ_REMOVE(&a->of->askeds, a, link);
	a->of->n_asked--;
	if (a->timer != NULL)
		event_free(a->timer);
	fds_close(a);
	free(a->text);
	free(a);
}

static void finish(struct asked *a, const json_t *result, const struct err *err)
{
	vs_vm_answer_fn fn = a->fn;
	void *arg = a->arg;

	asked_free(a);
	if (fn != NULL)
		fn(arg, result, err);
}

static void free_link(struct vs_vm_link *link)
{
	if (link->readable != NULL)
		event_free(link->readable);
	if (link->writable != NULL)
		event_free(link->writable);
	if (link->fd >= 0)
		close(link->fd);
	free(link);
}

void vs_vm_link_close(struct vs_vm_link *link)
{
	struct asked *a;
	struct err err;

	if (link == NULL || link->closed)
		return;
	link->closed = true;
	err_set(&err, -ECONNRESET, "vm-gone", "the VM's process is gone");
	while ((a = TAILQ_FIRST(&link->askeds)) != NULL)
		finish(a, NULL, &err);
	if (!link->busy)
		free_link(link);
}

static void lose(struct vs_vm_link *link, const char *why)
{
	event_del(link->readable);
	event_del(link->writable);
	link->ops->lost(link->ctx, why);
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
	struct asked *a = arg;
	struct err err;

	err_set(&err, -ETIMEDOUT, "vm-silent", "the VM's process does not answer");
	err_why(&err, "it is stopped, or its host has no time for it");
	finish(a, NULL, &err);
}

/* 1: sent; 0: there is no room now; negative: there never will be. */
static int transmit(struct vs_vm_link *link, const struct asked *a)
{
	union {
		struct cmsghdr align;
		char bytes[CMSG_SPACE(sizeof(a->fds))];
	} control = {0};
	const size_t n = a->n_fds * sizeof(a->fds[0]);
	struct iovec iov = {.iov_base = a->text, .iov_len = a->size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	struct cmsghdr *c;

	if (n > 0) {
		msg.msg_control = control.bytes;
		msg.msg_controllen = CMSG_SPACE(n);
		c = CMSG_FIRSTHDR(&msg);
		c->cmsg_level = SOL_SOCKET;
		c->cmsg_type = SCM_RIGHTS;
		c->cmsg_len = CMSG_LEN(n);
		memcpy(CMSG_DATA(c), a->fds, n);
	}
	if (sendmsg(link->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
		return 1;
	return errno == EAGAIN || errno == EINTR || errno == ENOBUFS ? 0 : -errno;
}

/* Sends what waits, in order.  What cannot be sent is found by the reader: the peer is gone. */
static void flush(struct vs_vm_link *link)
{
	struct asked *a;

	TAILQ_FOREACH(a, &link->askeds, link) {
		if (a->text == NULL)
			continue;
		if (transmit(link, a) == 0) {
			event_add(link->writable, NULL);
			return;
		}
		free(a->text);
		a->text = NULL;
		fds_close(a);
	}
	event_del(link->writable);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	flush(arg);
}

static void take_answer(struct vs_vm_link *link, const struct vs_vm_msg *msg)
{
	struct asked *a;

	TAILQ_FOREACH(a, &link->askeds, link) {
		if (a->id == msg->id && a->text == NULL)
			break;
	}
	/* One that came too late has nobody who waits for it. */
	if (a != NULL)
		finish(a, msg->type == VS_VM_ANSWER ? msg->body : NULL,
		       msg->type == VS_VM_ANSWER ? NULL : &msg->err);
}

/* One packet.  False: none is here, or the connection is over. */
static bool take_packet(struct vs_vm_link *link)
{
	/* No room for descriptors: what comes is closed by the kernel. */
	ssize_t n = recv(link->fd, link->buf, sizeof(link->buf), MSG_DONTWAIT);
	struct vs_vm_msg msg;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (n <= 0) {
		lose(link, n == 0 ? "its process closed the connection" : strerror(errno));
		return false;
	}
	if (vs_vm_msg_parse(link->buf, (size_t)n, &msg) != 0) {
		lose(link, "its process said what is none of the protocol's");
		return false;
	}
	if (msg.type == VS_VM_EVENT)
		link->ops->event(link->ctx, msg.event, msg.body);
	else
		take_answer(link, &msg);
	vs_vm_msg_fini(&msg);
	return !link->closed;
}

/* At most 'max' packets. */
static void take_packets(struct vs_vm_link *link, unsigned max)
{
	link->busy = true;
	for (unsigned i = 0; i < max && take_packet(link); i++)
		;
	link->busy = false;
	if (link->closed)
		free_link(link);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	take_packets(arg, AT_ONCE);
}

void vs_vm_link_drain(struct vs_vm_link *link)
{
	if (link != NULL && !link->busy && !link->closed)
		take_packets(link, AT_END);
}

static int connect_to(const char *path, int *ret_fd, struct ucred *ret_peer)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	socklen_t size = sizeof(*ret_peer);
	int fd, rc = 0;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path) + 1);
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_PEERCRED, ret_peer, &size) != 0)
		rc = -errno;
	if (rc != 0)
		close(fd);
	else
		*ret_fd = fd;
	return rc;
}

int vs_vm_link_open(struct event_base *base, const char *path, const struct vs_vm_link_ops *ops,
		    void *ctx, struct vs_vm_link **ret_link, struct ucred *ret_peer,
		    struct err *err)
{
	struct vs_vm_link *link = calloc(1, sizeof(*link));
	int rc;

	if (link == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for a connection");
	*link = (struct vs_vm_link){.base = base, .fd = -1, .ops = ops, .ctx = ctx};
	TAILQ_INIT(&link->askeds);
	rc = connect_to(path, &link->fd, ret_peer);
	if (rc != 0) {
		free(link);
		return err_set(err, rc, "vm-silent", "cannot connect to %.200s: %s", path,
			       strerror(-rc));
	}
	link->readable = event_new(base, link->fd, EV_READ | EV_PERSIST, on_readable, link);
	link->writable = event_new(base, link->fd, EV_WRITE | EV_PERSIST, on_writable, link);
	if (link->readable == NULL || link->writable == NULL ||
	    event_add(link->readable, NULL) != 0) {
		free_link(link);
		return err_set(err, -ENOMEM, "no-memory", "no memory for a connection");
	}
	*ret_link = link;
	return 0;
}

static char *request_text(uint64_t id, const char *method, json_t *params)
{
	json_t *request = params != NULL ? params : json_object();
	char *text;

	json_object_set_new(request, "id", json_integer((json_int_t)id));
	json_object_set_new(request, "method", json_string(method));
	text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	return text;
}

/* Copies of descriptors.  False: they cannot be had. */
static bool fds_copy(struct asked *a, const int *fds, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		a->fds[i] = fcntl(fds[i], F_DUPFD_CLOEXEC, 3);
		if (a->fds[i] < 0)
			return false;
		a->n_fds++;
	}
	return true;
}

int vs_vm_link_ask_fds(struct vs_vm_link *link, const char *method, json_t *params, const int *fds,
		       unsigned n_fds, unsigned timeout_ms, vs_vm_answer_fn fn, void *arg,
		       struct err *err)
{
	const struct timeval tv = {.tv_sec = timeout_ms / 1000,
				   .tv_usec = (timeout_ms % 1000) * 1000};
	struct asked *a = link->n_asked < MAX_ASKED && !link->closed && n_fds <= VS_VM_MAX_FDS
				  ? calloc(1, sizeof(*a))
				  : NULL;

	if (a == NULL) {
		json_decref(params);
		return err_set(err, -EBUSY, "vm-silent",
			       "the VM's process has not answered what it was asked before");
	}
	*a = (struct asked){.of = link, .id = ++link->last_id, .fn = fn, .arg = arg};
	TAILQ_INSERT_TAIL(&link->askeds, a, link);
	link->n_asked++;
	a->text = request_text(a->id, method, params);
	a->size = a->text != NULL ? strlen(a->text) : 0;
	a->timer = evtimer_new(link->base, on_late, a);
	if (a->text == NULL || a->timer == NULL || !fds_copy(a, fds, n_fds) ||
	    evtimer_add(a->timer, &tv) != 0) {
		asked_free(a);
		return err_set(err, -ENOMEM, "no-memory", "no memory for a request");
	}
	flush(link);
	return 0;
}

int vs_vm_link_ask(struct vs_vm_link *link, const char *method, json_t *params, int fd,
		   unsigned timeout_ms, vs_vm_answer_fn fn, void *arg, struct err *err)
{
	return vs_vm_link_ask_fds(link, method, params, &fd, fd >= 0 ? 1 : 0, timeout_ms, fn, arg,
				  err);
}
