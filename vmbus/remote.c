/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The socket to the switch; see remote.h and remote_priv.h.
 *
 * 	DOWN ──connected, HELLO said──► HELLO ──WELCOME──► UP
 * 	 ▲                                │                 │
 * 	 └────────── closed, REFUSED, no message ───────────┘     tried again after 100 ms,
 * 	                                                          3.2 s at most, or when a
 * 	                                                          socket is handed over
 */
#include "vmbus/remote_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ctl/base/clock.h"

#define SLUG	       "attach"
#define RETRY_MS       100u
#define SHORT_NS       1000000000u
#define MAX_DOUBLED    5 /* times the wait */
#define READ_AT_ONCE   64
#define GOODBYE_MS     200
#define STUCK_MS       50
#define OFFER_MS       500
#define EVENTS_AT_ONCE 8
#define EVENTS_S       10

void remote_event(struct vmbus_remote *r, const char *fmt, ...)
{
	char text[sizeof(r->last_event)];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (r->event == NULL || strcmp(text, r->last_event) == 0 ||
	    !log_allow(&r->event_limit, EVENTS_AT_ONCE, EVENTS_S))
		return;
	memcpy(r->last_event, text, sizeof(text));
	r->event(r->ctx, text);
}

/* ---- Down and up ---- */

/* A switch that sends us away each time, because of what our guest does, is asked less and less
 * often: what we say of a guest costs it more than us. */
static uint64_t next_try(struct vmbus_remote *r, uint64_t now_ns)
{
	if (r->state == REMOTE_UP)
		r->n_short = now_ns - r->up_since_ns < SHORT_NS ? r->n_short + 1 : 0;
	return now_ns + (r->retry_ns << (r->n_short < MAX_DOUBLED ? r->n_short : MAX_DOUBLED));
}

static bool has_path(const struct vmbus_remote *r)
{
	return r->addr.sun_path[0] != '\0';
}

static void go_down(struct vmbus_remote *r)
{
	if (r->fd >= 0 && r->closing != NULL)
		r->closing(r->ctx);
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	r->stuck = false;
	r->next_try_ns = next_try(r, clock_mono_ns());
	r->state = REMOTE_DOWN;
	remote_forget(r);
}

void remote_lost(struct vmbus_remote *r, const char *why)
{
	go_down(r);
	remote_event(r, "%s", why);
}

static void state_set(struct vmbus_remote *r, int fd)
{
	if (r->state_fd >= 0)
		close(r->state_fd);
	r->state_fd = fd;
}

static int say_hello(struct vmbus_remote *r)
{
	struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_HELLO,
				       .hello = {.min_version = VMBUS_ATTACH_MIN_VERSION,
						 .max_version = VMBUS_ATTACH_VERSION,
						 .n_memory = r->n_memory}};
	int fds[VMBUS_ATTACH_MAX_FDS];
	unsigned n = r->n_memory;

	memcpy(msg.hello.memory, r->memory, sizeof(msg.hello.memory));
	memcpy(fds, r->memory_fds, n * sizeof(fds[0]));
	snprintf(msg.hello.who, sizeof(msg.hello.who), "%s %d", program_invocation_short_name,
		 (int)getpid());
	if (r->state_fd >= 0) {
		msg.hello.flags |= VMBUS_ATTACH_HAS_STATE;
		fds[n++] = r->state_fd;
	}
	return vmbus_attach_send(r->fd, &msg, fds, n);
}

static int dial(struct vmbus_remote *r)
{
	r->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (r->fd < 0 || connect(r->fd, (const struct sockaddr *)&r->addr, sizeof(r->addr)) != 0)
		return -errno;
	return 0;
}

/* 'rc' is what became of the socket so far. */
static void go_up(struct vmbus_remote *r, int rc)
{
	if (rc == 0)
		rc = say_hello(r);
	if (rc != 0) {
		go_down(r);
		remote_event(r, "cannot attach to %s: %s",
			     has_path(r) ? r->addr.sun_path : "the switch", strerror(-rc));
		return;
	}
	r->state = REMOTE_HELLO;
}

void vmbus_remote_attach(struct vmbus_remote *remote, int fd)
{
	int flags = fcntl(fd, F_GETFL);

	go_down(remote);
	remote->fd = fd;
	if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0)
		go_up(remote, -errno);
	else
		go_up(remote, 0);
}

/* ---- What the switch says ---- */

static void welcome(struct vmbus_remote *r, const struct vmbus_attach_msg *msg, int state_fd)
{
	bool resumed = (msg->welcome.flags & VMBUS_ATTACH_RESUMED) != 0 && r->state_fd >= 0;
	bool other = !vmbus_guid_equal(&msg->welcome.instance, &r->instance);

	state_set(r, state_fd);
	if (r->state != REMOTE_HELLO || msg->welcome.version < VMBUS_ATTACH_MIN_VERSION ||
	    msg->welcome.version > VMBUS_ATTACH_VERSION) {
		remote_lost(r, "the switch welcomes us as nobody does");
		return;
	}
	r->state = REMOTE_UP;
	r->version = msg->welcome.version;
	r->up_since_ns = clock_mono_ns();
	r->removed = false;
	r->instance = msg->welcome.instance;
	memcpy(r->mac, msg->welcome.mac, sizeof(r->mac));
	r->monitored = (msg->welcome.flags & VMBUS_ATTACH_MONITORED) != 0;
	remote_event(r, resumed ? "attached again" : "attached");
	if (other || (!resumed && remote_has_open(r)))
		remote_withdraw(r);
	remote_tell(r);
	remote_offer(r);
}

static void removed(struct vmbus_remote *r, bool again)
{
	if (!again) {
		r->removed = true;
		state_set(r, -1);
		remote_event(r, "the port was removed");
	}
	remote_withdraw(r);
}

static void handle(struct vmbus_remote *r, const struct vmbus_attach_msg *msg, int fd)
{
	switch (msg->type) {
	case VMBUS_ATTACH_WELCOME:
		welcome(r, msg, fd);
		break;
	case VMBUS_ATTACH_REFUSED:
		go_down(r);
		remote_event(r, "the switch refuses: %s", msg->refused.text);
		break;
	case VMBUS_ATTACH_OPENED:
		remote_opened(r, msg->channel.relid, msg->channel.status);
		break;
	case VMBUS_ATTACH_CLOSED:
		remote_closed(r, msg->channel.relid);
		break;
	case VMBUS_ATTACH_GPADL_RELEASED:
		remote_released(r, msg->gpadl_ref.relid, msg->gpadl_ref.id);
		break;
	case VMBUS_ATTACH_OFFER_SUBCHANNELS:
		remote_subchannels(r, msg->subchannels.n);
		break;
	case VMBUS_ATTACH_REMOVED:
		removed(r, msg->removed.again);
		break;
	case VMBUS_ATTACH_HELLO:
	case VMBUS_ATTACH_MONITOR:
	case VMBUS_ATTACH_GPADL:
	case VMBUS_ATTACH_GPADL_TEARDOWN:
	case VMBUS_ATTACH_OPEN:
	case VMBUS_ATTACH_CLOSE:
	case VMBUS_ATTACH_READY:
	case VMBUS_ATTACH_RETARGETED:
	case VMBUS_ATTACH_EVENT:
	case VMBUS_ATTACH_N_TYPES: /* not of a switch: never read */
		break;
	}
}

/* Reads one message.  False: there is none. */
static bool read_one(struct vmbus_remote *r)
{
	struct vmbus_attach_msg msg;
	int fds[VMBUS_ATTACH_MAX_FDS] = {-1};
	int rc = vmbus_attach_recv(r->fd, false, r->buf, &msg, fds);

	if (rc == 0) {
		handle(r, &msg, fds[0]);
		return r->fd >= 0;
	}
	if (rc == -EBADMSG)
		remote_lost(r, "the switch said something that is no message");
	else if (rc != -EAGAIN)
		remote_lost(r, "the switch has gone");
	return false;
}

void vmbus_remote_event(struct vmbus_remote *remote)
{
	if (remote->state == REMOTE_DOWN && has_path(remote) &&
	    clock_mono_ns() >= remote->next_try_ns)
		go_up(remote, dial(remote));
	for (unsigned i = 0; remote->fd >= 0 && i < READ_AT_ONCE; i++)
		if (!read_one(remote))
			break;
	remote_offer(remote);
	remote_tell(remote);
}

/* ---- Life ---- */

static int opts_check(const struct vmbus_remote_opts *opts, struct err *err)
{
	struct sockaddr_un addr;

	if (opts->path != NULL && strlen(opts->path) >= sizeof(addr.sun_path)) {
		err_set(err, -ENAMETOOLONG, SLUG, "the socket's path is longer than %zu bytes",
			sizeof(addr.sun_path) - 1);
		err_fix(err, "use a run directory with a shorter path");
		return -ENAMETOOLONG;
	}
	if (opts->n_memory == 0 || opts->n_memory > VMBUS_ATTACH_MAX_MEMORY)
		return err_set(err, -EINVAL, SLUG, "%u memory ranges: there must be 1 to %u",
			       opts->n_memory, VMBUS_ATTACH_MAX_MEMORY);
	return 0;
}

static void opts_take(struct vmbus_remote *r, const struct vmbus_remote_opts *opts)
{
	r->addr.sun_family = AF_UNIX;
	if (opts->path != NULL)
		memcpy(r->addr.sun_path, opts->path, strlen(opts->path));
	for (unsigned i = 0; i < opts->n_memory; i++) {
		r->memory[i] = (struct vmbus_attach_memory){.gpa = opts->memory[i].gpa,
							    .size = opts->memory[i].size,
							    .offset = opts->memory[i].offset};
		r->memory_fds[i] = opts->memory[i].fd;
	}
	r->n_memory = opts->n_memory;
	r->retry_ns = (opts->retry_ms != 0 ? opts->retry_ms : RETRY_MS) * 1000000ull;
	r->event = opts->event;
	r->closing = opts->closing;
	r->ctx = opts->ctx;
}

int vmbus_remote_create(struct vmbus_server *server, const struct vmbus_remote_opts *opts,
			struct vmbus_remote **ret_remote, struct err *err)
{
	int rc = opts_check(opts, err);
	struct vmbus_remote *r;

	if (rc != 0)
		return rc;
	r = calloc(1, sizeof(*r));
	if (r != NULL)
		r->buf = malloc(VMBUS_ATTACH_MAX_SIZE);
	if (r == NULL || r->buf == NULL) {
		free(r);
		return err_set(err, -ENOMEM, SLUG, "not enough memory for a NIC");
	}
	r->server = server;
	r->fd = -1;
	r->state_fd = -1;
	LIST_INIT(&r->channels);
	LIST_INIT(&r->gpadls);
	opts_take(r, opts);
	if (has_path(r))
		go_up(r, dial(r));
	*ret_remote = r;
	return 0;
}

void remote_free(struct vmbus_remote *r)
{
	free(r->buf);
	free(r);
}

/* The switch stops when it sees the end of what we say, and closes when it has. */
static void say_goodbye(const struct vmbus_remote *r)
{
	struct pollfd poll_fd = {.fd = r->fd};

	if (r->fd >= 0 && (!LIST_EMPTY(&r->channels) || !LIST_EMPTY(&r->gpadls)) &&
	    shutdown(r->fd, SHUT_WR) == 0)
		(void)poll(&poll_fd, 1, GOODBYE_MS);
}

void vmbus_remote_destroy(struct vmbus_remote *remote)
{
	if (remote == NULL)
		return;
	say_goodbye(remote);
	go_down(remote);
	state_set(remote, -1);
	remote_withdraw(remote);
	/* The guest may hold the device for longer. */
	remote->event = NULL;
	remote->closing = NULL;
	if (remote->device != NULL)
		remote->orphan = true;
	else
		remote_free(remote);
}

bool vmbus_remote_mac(const struct vmbus_remote *remote, uint8_t ret_mac[6])
{
	static const uint8_t none[6];

	memcpy(ret_mac, remote->mac, sizeof(none));
	return memcmp(ret_mac, none, sizeof(none)) != 0;
}

int vmbus_remote_fd(const struct vmbus_remote *remote)
{
	return remote->fd;
}

int vmbus_remote_wait_ms(const struct vmbus_remote *remote)
{
	uint64_t now_ns = clock_mono_ns();

	if (remote->stuck)
		return STUCK_MS;
	if (remote->state == REMOTE_DOWN && has_path(remote))
		return remote->next_try_ns > now_ns
			       ? (int)((remote->next_try_ns - now_ns) / 1000000) + 1
			       : 0;
	/* An offer that failed, for the guest's bus is full or holds the last one yet. */
	return remote->state == REMOTE_UP && remote->device == NULL && !remote->removed ? OFFER_MS
											: -1;
}

bool vmbus_remote_attached(const struct vmbus_remote *remote)
{
	return remote->state == REMOTE_UP;
}
