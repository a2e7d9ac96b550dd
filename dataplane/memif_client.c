/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The client's half of memif_ctl.c: it makes the memory and says where the rings lie.
 */
#include "dataplane/memif_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define RETRY_NS UINT64_C(1000000000)

static uint64_t ring_size(const struct memif_ctl *c)
{
	return sizeof(struct memif_shm_ring) + (sizeof(struct memif_desc) << c->log2_ring_size);
}

/* Ring number 'k' of 'n_all'; rings come first in the region, then their buffers. */
static int client_ring(struct memif_ctl *c, unsigned k, unsigned n_all, bool c2s, uint16_t index)
{
	struct dp_memif_ring *r = memif_ring_get(c2s ? &c->c2s[index] : &c->s2c[index]);
	uint64_t buffers =
		n_all * ring_size(c) + ((uint64_t)k * c->buffer_size << c->log2_ring_size);

	if (r == NULL)
		return -ENOMEM;
	r->shm = (struct memif_shm_ring *)(void *)(c->regions.region[0].va + k * ring_size(c));
	r->regions = &c->regions;
	r->client = true;
	r->buffers = c->regions.region[0].va + buffers;
	r->buffer_offset = (uint32_t)buffers;
	r->buffer_size = c->buffer_size;
	r->mask = (uint16_t)((1u << c->log2_ring_size) - 1);
	r->c2s = c2s;
	r->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (r->event_fd < 0)
		return -errno;
	dp_memif_ring_reset(r);
	return 0;
}

/* Makes the shared memory.  It is sealed, so that the server need not fear a cut. */
static int client_memory(struct memif_ctl *c)
{
	unsigned n = c->n_c2s + c->n_s2c;
	uint64_t size = n * (ring_size(c) + ((uint64_t)c->buffer_size << c->log2_ring_size));
	int fd = memfd_create("memif", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	if (fd < 0)
		return -errno;
	if (size > UINT32_MAX || ftruncate(fd, (off_t)size) != 0 ||
	    fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK) != 0 ||
	    memif_region_add(c, fd, size, true) != 0) {
		close(fd);
		return -ENOMEM;
	}
	for (unsigned k = 0; k < n; k++) {
		bool c2s = k < c->n_c2s;
		int rc = client_ring(c, k, n, c2s, (uint16_t)(c2s ? k : k - c->n_c2s));

		if (rc != 0)
			return rc;
	}
	return 0;
}

static int send_ring(struct memif_ctl *c, bool c2s, uint16_t index)
{
	struct dp_memif_ring *r = c2s ? c->c2s[index] : c->s2c[index];
	struct memif_msg msg = {.type = MEMIF_ADD_RING};

	msg.add_ring = (struct memif_add_ring){.flags = c2s ? MEMIF_RING_IS_C2S : 0,
					       .index = index,
					       .offset = (uint32_t)((uint8_t *)r->shm -
								    c->regions.region[0].va),
					       .log2_ring_size = c->log2_ring_size};
	return memif_send(c->fd, &msg, r->event_fd);
}

/* Everything in one go; the acknowledgements tell nothing that the end does not. */
static int client_introduce(struct memif_ctl *c)
{
	struct memif_msg msg = {.type = MEMIF_INIT};
	int rc;

	msg.init = (struct memif_init){.version = MEMIF_VERSION, .id = c->conf.id};
	memcpy(msg.init.secret, c->conf.secret, MEMIF_SECRET_SIZE);
	snprintf(msg.init.name, sizeof(msg.init.name), "vswitch");
	rc = memif_send(c->fd, &msg, -1);
	memset(&msg, 0, sizeof(msg));
	msg.type = MEMIF_ADD_REGION;
	msg.add_region.size = c->regions.region[0].size;
	if (rc == 0)
		rc = memif_send(c->fd, &msg, c->regions.region[0].fd);
	for (uint16_t i = 0; rc == 0 && i < c->n_c2s; i++)
		rc = send_ring(c, true, i);
	for (uint16_t i = 0; rc == 0 && i < c->n_s2c; i++)
		rc = send_ring(c, false, i);
	memset(&msg, 0, sizeof(msg));
	msg.type = MEMIF_CONNECT;
	snprintf(msg.if_name, sizeof(msg.if_name), "%s", c->conf.name);
	return rc == 0 ? memif_send(c->fd, &msg, -1) : rc;
}

static int client_hello(struct memif_ctl *c, const struct memif_hello *h)
{
	uint8_t log2 = h->max_log2_ring_size;
	int rc;

	if (c->greeted || h->min_version > MEMIF_VERSION || h->max_version < MEMIF_VERSION)
		return -EPROTO;
	c->greeted = true;
	memif_copy_name(c->peer, sizeof(c->peer), h->name, sizeof(h->name));
	c->n_c2s = (uint16_t)RTE_MIN(c->conf.n_rings, h->max_c2s_ring + 1);
	c->n_s2c = (uint16_t)RTE_MIN(c->conf.n_rings, h->max_s2c_ring + 1);
	if (log2 < 1)
		return -EPROTO;
	c->log2_ring_size = RTE_MIN(log2, c->conf.log2_ring_size);
	c->buffer_size = c->conf.buffer_size;
	rc = client_memory(c);
	return rc == 0 ? client_introduce(c) : rc;
}

int memif_client_message(struct memif_ctl *c, const struct memif_msg *msg)
{
	switch ((enum memif_type)msg->type) {
	case MEMIF_HELLO:
		return client_hello(c, &msg->hello);
	case MEMIF_ACK:
		return 0;
	case MEMIF_CONNECTED:
		if (!c->greeted || c->connected)
			return -EPROTO;
		for (uint16_t i = 0; i < c->n_c2s; i++)
			dp_memif_ring_start(c->c2s[i]);
		for (uint16_t i = 0; i < c->n_s2c; i++)
			dp_memif_ring_start(c->s2c[i]);
		memif_ctl_connected(c);
		return 0;
	case MEMIF_NONE:
	case MEMIF_INIT:
	case MEMIF_ADD_REGION:
	case MEMIF_ADD_RING:
	case MEMIF_CONNECT:
	case MEMIF_DISCONNECT:
	default:
		return -EPROTO;
	}
}

void memif_client_try(struct memif_ctl *c, uint64_t now_ns)
{
	struct sockaddr_un sa;
	socklen_t n = memif_address(c->conf.socket, &sa);

	if (c->tried_ns != 0 && now_ns - c->tried_ns < RETRY_NS)
		return;
	c->tried_ns = now_ns;
	c->fd = memif_socket();
	if (c->fd < 0)
		return;
	if (connect(c->fd, (const struct sockaddr *)&sa, n) == 0)
		return;
	memif_say(c, "no peer at %.60s: %s", c->conf.socket, strerror(errno));
	close(c->fd);
	c->fd = -1;
}
