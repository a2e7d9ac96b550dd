/* SPDX-License-Identifier: BSD-2-Clause
 *
 * memif's control socket: who talks to whom, about which memory and which rings.
 *
 * 	client                                server
 * 	   connect ──────────────────────────► accept
 * 	           ◄───────────────── HELLO ──
 * 	   INIT, ADD_REGION, ADD_RING..., CONNECT ──►        (each with its file)
 * 	           ◄── ACK, ACK, ACK..., CONNECTED ──
 * 	           ◄── DISCONNECT, or the socket closes ──►
 *
 * Here is what both have in common; memif_client.c and memif_server.c answer messages,
 * memif_listen.c waits for clients, memif_msg.c is the socket.
 *
 * Thread: control thread only; everything happens in memif_ctl_poll(), about ten times a second.
 */
#include "dataplane/memif_priv.h"

#include "dataplane/sigbus.h"
#include "dataplane/vhost_path.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define MESSAGES_PER_POLL 300 /* more than a whole handshake */

void memif_say(struct memif_ctl *c, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(c->reason, sizeof(c->reason), fmt, ap);
	va_end(ap);
}

static void forget_memory(struct memif_ctl *c)
{
	for (unsigned i = 0; i < c->regions.n; i++) {
		dp_sigbus_remove(c->regions.region[i].guard);
		munmap(c->regions.region[i].va, c->regions.region[i].size);
		if (c->regions.region[i].fd >= 0)
			close(c->regions.region[i].fd);
	}
	c->regions.n = 0;
	atomic_store(&c->regions.lost, false);
}

static void forget_rings(struct dp_memif_ring **rings, uint16_t n)
{
	for (uint16_t i = 0; i < n; i++) {
		if (rings[i] == NULL)
			continue;
		if (rings[i]->event_fd >= 0)
			close(rings[i]->event_fd);
		rings[i]->event_fd = -1;
		rings[i]->shm = NULL;
	}
}

void memif_ctl_drop(struct memif_ctl *c)
{
	if (c->fd < 0)
		return;
	c->ended(c->arg); /* Workers are out of the rings. */
	close(c->fd);
	c->fd = -1;
	c->greeted = c->connected = false;
	forget_rings(c->c2s, MEMIF_MAX_RINGS);
	forget_rings(c->s2c, MEMIF_MAX_RINGS);
	forget_memory(c);
	c->n_c2s = c->n_s2c = 0;
}

void memif_ctl_end(struct memif_ctl *c, const char *why)
{
	if (c->fd < 0)
		return;
	memif_send_end(c->fd, why);
	memif_say(c, "%s", why);
	memif_ctl_drop(c);
}

int memif_region_add(struct memif_ctl *c, int fd, uint64_t size, bool keep_fd)
{
	struct dp_memif_region *r = &c->regions.region[c->regions.n];
	void *va = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (va == MAP_FAILED)
		return -errno;
	*r = (struct dp_memif_region){.va = va, .size = size, .fd = -1};
	r->guard = dp_sigbus_add(va, size, &c->regions.lost);
	if (r->guard == NULL) {
		munmap(va, size);
		return -ENOMEM;
	}
	if (keep_fd)
		r->fd = fd;
	c->regions.n++;
	return 0;
}

/* Rings are kept, for a worker may look at one at any time; what they stand on comes and goes. */
struct dp_memif_ring *memif_ring_get(struct dp_memif_ring **slot)
{
	if (*slot == NULL) {
		*slot = aligned_alloc(64, sizeof(**slot));
		if (*slot == NULL)
			return NULL;
		memset(*slot, 0, sizeof(**slot));
		rte_spinlock_init(&(*slot)->lock);
		(*slot)->event_fd = -1;
	}
	return *slot;
}

void memif_ctl_connected(struct memif_ctl *c)
{
	c->connected = true;
	c->n_connects++;
	c->reason[0] = '\0';
	c->stands(c->arg);
}

int memif_ctl_check(const struct memif_conf *conf, struct err *err)
{
	if (conf->server)
		return memif_listen_check(conf, err);
	return conf->socket[0] == '@' ? 0 : dp_vhost_path_check(conf->socket, false, err);
}

int memif_ctl_open(struct memif_ctl *c, struct err *err)
{
	c->fd = -1;
	return c->conf.server ? memif_listen(c, err) : memif_ctl_check(&c->conf, err);
}

void memif_ctl_close(struct memif_ctl *c)
{
	memif_ctl_end(c, "the port was removed");
	if (c->listener != NULL)
		memif_unlisten(c);
	for (unsigned i = 0; i < MEMIF_MAX_RINGS; i++) {
		free(c->c2s[i]);
		free(c->s2c[i]);
	}
}

void memif_ctl_message(struct memif_ctl *c, const struct memif_msg *msg, int passed_fd)
{
	char text[97];
	int rc;

	if (msg->type == MEMIF_DISCONNECT) {
		memif_copy_name(text, sizeof(text), msg->disconnect.text,
				sizeof(msg->disconnect.text));
		memif_say(c, "the peer says: %.80s", text[0] != '\0' ? text : "(nothing)");
		memif_ctl_drop(c);
		rc = 0;
	} else {
		rc = c->conf.server ? memif_server_message(c, msg, &passed_fd)
				    : memif_client_message(c, msg);
	}
	if (passed_fd >= 0)
		close(passed_fd);
	if (rc != 0)
		memif_ctl_end(c, rc == -ENOMEM ? "no memory for the shared regions"
					       : "the peer does not follow the protocol");
}

void memif_ctl_poll(struct memif_ctl *c, uint64_t now_ns)
{
	if (c->listener != NULL)
		memif_listener_poll(c->listener, now_ns);
	else if (c->fd < 0)
		memif_client_try(c, now_ns);
	for (unsigned i = 0; c->fd >= 0 && i < MESSAGES_PER_POLL; i++) {
		struct memif_msg msg;
		int passed, rc = memif_receive(c->fd, &msg, &passed);

		if (rc == 0)
			break;
		if (rc < 0) {
			memif_say(c, "the peer left");
			memif_ctl_drop(c);
			break;
		}
		memif_ctl_message(c, &msg, passed);
	}
}
