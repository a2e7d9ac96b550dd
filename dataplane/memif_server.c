/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The server's half of memif_ctl.c: it maps what the client names, after looking: a file that is as
 * long as the client says, rings that lie inside and bear the cookie.
 */
#include "dataplane/memif_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static int server_region(struct memif_ctl *c, const struct memif_add_region *m, int fd)
{
	struct stat st;
	int rc;

	if (fd < 0 || c->connected || m->index != c->regions.n || m->index >= MEMIF_MAX_REGIONS ||
	    m->size == 0)
		return -EPROTO;
	/* A device's memory may do more than remember. */
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size < 0 ||
	    (uint64_t)st.st_size < m->size)
		return -EPROTO;
	rc = memif_region_add(c, fd, m->size, false);
	return rc == 0 ? memif_send_type(c->fd, MEMIF_ACK) : rc;
}

/* Notes a ring; looked at when all is said (CONNECT). */
static int server_ring(struct memif_ctl *c, const struct memif_add_ring *m, int *fd)
{
	bool c2s = (m->flags & MEMIF_RING_IS_C2S) != 0;
	uint16_t *n = c2s ? &c->n_c2s : &c->n_s2c;
	struct dp_memif_ring *r;

	if (*fd < 0 || c->connected || m->index != *n || m->index >= MEMIF_MAX_RINGS ||
	    m->log2_ring_size < 1 || m->log2_ring_size > MEMIF_MAX_LOG2_RING)
		return -EPROTO;
	r = memif_ring_get(c2s ? &c->c2s[m->index] : &c->s2c[m->index]);
	if (r == NULL)
		return -ENOMEM;
	/* Should it be full, a signal is not worth waiting for. */
	if (fcntl(*fd, F_SETFL, O_NONBLOCK) != 0)
		return -EPROTO;
	c->offered[c2s][m->index] = *m;
	(*n)++;
	r->event_fd = *fd;
	*fd = -1; /* The ring's now. */
	return memif_send_type(c->fd, MEMIF_ACK);
}

static bool ring_lies_inside(const struct memif_ctl *c, const struct memif_add_ring *m)
{
	uint64_t size =
		sizeof(struct memif_shm_ring) + (sizeof(struct memif_desc) << m->log2_ring_size);

	return m->region < c->regions.n && m->offset % 16 == 0 &&
	       m->offset <= c->regions.region[m->region].size &&
	       size <= c->regions.region[m->region].size - m->offset;
}

static int server_use_ring(struct memif_ctl *c, bool c2s, uint16_t index)
{
	const struct memif_add_ring *m = &c->offered[c2s][index];
	struct dp_memif_ring *r = c2s ? c->c2s[index] : c->s2c[index];

	if (!ring_lies_inside(c, m))
		return -EPROTO;
	r->shm = (struct memif_shm_ring *)(void *)(c->regions.region[m->region].va + m->offset);
	r->regions = &c->regions;
	r->client = false;
	r->mask = (uint16_t)((1u << m->log2_ring_size) - 1);
	r->c2s = c2s;
	if (r->shm->cookie != MEMIF_COOKIE)
		return -EPROTO;
	dp_memif_ring_reset(r);
	dp_memif_ring_start(r);
	return 0;
}

static int server_use_rings(struct memif_ctl *c)
{
	int rc = 0;

	for (uint16_t i = 0; rc == 0 && i < c->n_c2s; i++)
		rc = server_use_ring(c, true, i);
	for (uint16_t i = 0; rc == 0 && i < c->n_s2c; i++)
		rc = server_use_ring(c, false, i);
	return rc;
}

static int server_connect(struct memif_ctl *c)
{
	struct memif_msg msg = {.type = MEMIF_CONNECTED};
	int rc;

	if (c->connected || c->n_c2s == 0 || c->n_s2c == 0)
		return -EPROTO;
	rc = server_use_rings(c);
	if (rc != 0)
		return rc;
	snprintf(msg.if_name, sizeof(msg.if_name), "%s", c->conf.name);
	memif_ctl_connected(c);
	return memif_send(c->fd, &msg, -1);
}

int memif_server_message(struct memif_ctl *c, const struct memif_msg *msg, int *fd)
{
	switch ((enum memif_type)msg->type) {
	case MEMIF_ADD_REGION:
		return server_region(c, &msg->add_region, *fd);
	case MEMIF_ADD_RING:
		return server_ring(c, &msg->add_ring, fd);
	case MEMIF_CONNECT:
		return server_connect(c);
	case MEMIF_ACK:
		return 0;
	case MEMIF_NONE:
	case MEMIF_HELLO:
	case MEMIF_INIT:
	case MEMIF_CONNECTED:
	case MEMIF_DISCONNECT:
	default:
		return -EPROTO;
	}
}
