/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Sockets that memif servers listen on, and connections that have not said yet whom they want.
 * Several interfaces, told apart by id, may share a socket, hence listeners with a count.
 */
#include "dataplane/memif_priv.h"

#include "dataplane/vhost_path.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define PATIENCE_NS UINT64_C(5000000000)
#define MAX_PENDING 16 /* connections that have not said whom they want */
#define MAX_ACCEPTS 32 /* a poll */

/* A connection before its INIT. */
struct pending {
	int fd;
	uint64_t since_ns;
};

struct memif_listener {
	LIST_ENTRY(memif_listener) entry;
	char socket[108];
	int fd;
	unsigned n_users;
	LIST_HEAD(, user) users;
	struct pending pending[MAX_PENDING];
	unsigned n_pending;
};

struct user {
	LIST_ENTRY(user) entry;
	struct memif_ctl *ctl;
};

/* Sockets of the process; the file system's names are global, so is this.  Control thread. */
static LIST_HEAD(, memif_listener) listeners = LIST_HEAD_INITIALIZER(listeners);

static int greet(int fd)
{
	struct memif_msg msg = {.type = MEMIF_HELLO};

	msg.hello = (struct memif_hello){.min_version = MEMIF_VERSION,
					 .max_version = MEMIF_VERSION,
					 .max_region = MEMIF_MAX_REGIONS - 1,
					 .max_s2c_ring = MEMIF_MAX_RINGS - 1,
					 .max_c2s_ring = MEMIF_MAX_RINGS - 1,
					 .max_log2_ring_size = MEMIF_MAX_LOG2_RING};
	snprintf(msg.hello.name, sizeof(msg.hello.name), "vswitch");
	return memif_send(fd, &msg, -1);
}

static void turn_away(int fd, const char *why)
{
	memif_send_end(fd, why);
	close(fd);
}

/* Equal in time that does not tell how much of it is. */
static bool same_secret(const char *ours, const char *theirs)
{
	uint8_t differ = 0;

	for (size_t i = 0; i < MEMIF_SECRET_SIZE; i++)
		differ |= (uint8_t)(ours[i] ^ theirs[i]);
	return differ == 0;
}

/* Whom the connection wants.  Takes 'fd'. */
static void admit(struct memif_listener *l, int fd, const struct memif_init *m)
{
	struct user *u;

	if (m->version != MEMIF_VERSION || m->mode != 0) {
		turn_away(fd, "version 2.0 and mode Ethernet only");
		return;
	}
	LIST_FOREACH(u, &l->users, entry)
		if (u->ctl->conf.id == m->id)
			break;
	if (u == NULL) {
		turn_away(fd, "no interface has that id");
	} else if (u->ctl->fd >= 0) {
		turn_away(fd, "the interface is connected already");
	} else if (u->ctl->conf.secret[0] != '\0' && !same_secret(u->ctl->conf.secret, m->secret)) {
		memif_say(u->ctl, "a peer came with a wrong secret");
		turn_away(fd, "wrong secret");
	} else {
		u->ctl->fd = fd;
		u->ctl->greeted = true;
		memif_copy_name(u->ctl->peer, sizeof(u->ctl->peer), m->name, sizeof(m->name));
		if (memif_send_type(fd, MEMIF_ACK) != 0)
			memif_ctl_drop(u->ctl);
	}
}

static void pending_poll(struct memif_listener *l, uint64_t now_ns)
{
	for (unsigned i = 0; i < l->n_pending;) {
		struct pending p = l->pending[i];
		struct memif_msg msg;
		int passed, rc = memif_receive(p.fd, &msg, &passed);

		if (rc == 0 && now_ns - p.since_ns < PATIENCE_NS) {
			i++;
			continue;
		}
		l->pending[i] = l->pending[--l->n_pending];
		if (rc == 1 && passed >= 0)
			close(passed);
		if (rc == 1 && msg.type == MEMIF_INIT)
			admit(l, p.fd, &msg.init);
		else
			close(p.fd);
	}
}

void memif_listener_poll(struct memif_listener *l, uint64_t now_ns)
{
	for (unsigned i = 0; i < MAX_ACCEPTS; i++) {
		int fd = accept4(l->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			break;
		if (l->n_pending == MAX_PENDING || greet(fd) != 0) {
			close(fd);
			continue;
		}
		l->pending[l->n_pending++] = (struct pending){.fd = fd, .since_ns = now_ns};
	}
	pending_poll(l, now_ns);
}

static void listener_unref(struct memif_listener *l)
{
	if (--l->n_users > 0)
		return;
	LIST_REMOVE(l, entry);
	for (unsigned i = 0; i < l->n_pending; i++)
		close(l->pending[i].fd);
	close(l->fd);
	if (l->socket[0] != '@')
		unlink(l->socket);
	free(l);
}

static int listener_open(const char *name, struct memif_listener **ret, struct err *err)
{
	struct memif_listener *l = calloc(1, sizeof(*l));
	struct sockaddr_un sa;
	socklen_t n = memif_address(name, &sa);
	int rc = 0;

	if (l == NULL)
		return err_set(err, -ENOMEM, "no-memory", "out of memory");
	if (name[0] != '@')
		rc = dp_vhost_path_prepare(name, true, err);
	if (rc != 0) {
		free(l);
		return rc;
	}
	l->fd = memif_socket();
	if (l->fd < 0 || bind(l->fd, (const struct sockaddr *)&sa, n) != 0 ||
	    listen(l->fd, 16) != 0) {
		rc = -errno;
		if (l->fd >= 0)
			close(l->fd);
		free(l);
		return err_set(err, rc, "memif-socket", "cannot listen on '%s': %s", name,
			       strerror(-rc));
	}
	snprintf(l->socket, sizeof(l->socket), "%s", name);
	LIST_INIT(&l->users);
	LIST_INSERT_HEAD(&listeners, l, entry);
	*ret = l;
	return 0;
}

static int id_is_free(const struct memif_listener *l, uint32_t id, struct err *err)
{
	struct user *u;

	LIST_FOREACH(u, &l->users, entry)
		if (u->ctl->conf.id == id)
			return err_set(err, -EEXIST, "memif-id",
				       "memif id %u on '%s' is taken by port %s", id, l->socket,
				       u->ctl->conf.name);
	return 0;
}

static struct memif_listener *find_listener(const char *name)
{
	struct memif_listener *l;

	LIST_FOREACH(l, &listeners, entry)
		if (strcmp(l->socket, name) == 0)
			break;
	return l;
}

int memif_listen_check(const struct memif_conf *conf, struct err *err)
{
	const struct memif_listener *l = find_listener(conf->socket);

	if (l != NULL)
		return id_is_free(l, conf->id, err);
	return conf->socket[0] == '@' ? 0 : dp_vhost_path_check(conf->socket, true, err);
}

int memif_listen(struct memif_ctl *c, struct err *err)
{
	struct user *u = calloc(1, sizeof(*u));
	struct memif_listener *l = find_listener(c->conf.socket);
	int rc = u == NULL ? err_set(err, -ENOMEM, "no-memory", "out of memory") : 0;

	if (rc == 0 && l != NULL)
		rc = id_is_free(l, c->conf.id, err);
	if (rc == 0 && l == NULL)
		rc = listener_open(c->conf.socket, &l, err);
	if (rc != 0) {
		free(u);
		return rc;
	}
	u->ctl = c;
	LIST_INSERT_HEAD(&l->users, u, entry);
	l->n_users++;
	c->listener = l;
	return 0;
}

void memif_unlisten(struct memif_ctl *c)
{
	struct user *u;

	LIST_FOREACH(u, &c->listener->users, entry)
		if (u->ctl == c)
			break;
	if (u != NULL) {
		LIST_REMOVE(u, entry);
		free(u);
	}
	listener_unref(c->listener);
	c->listener = NULL;
}
