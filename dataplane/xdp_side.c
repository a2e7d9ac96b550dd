/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Receive queues of an AF_XDP port beyond those of its interface: for steering (steer_xdp.c).  Each
 * is a socket beside the first on every queue of the interface.
 *
 * A VM whose queue nobody empties holds frames that all queues share; so the rings of all sides
 * together hold half of them at most.
 */
#include "dataplane/xdp_priv.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

#define MIN_RING 32u

uint16_t xdp_side_rx(struct dp_rxq *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct xdp_side *side = q->priv;
	uint16_t got = 0;

	for (uint16_t i = 0; i < side->n && got < n; i++) {
		got += dp_xsk_side_receive(&side->sockets[side->next], q->pool, pkts + got,
					   (uint16_t)(n - got));
		side->next = (uint16_t)((side->next + 1) % side->n);
	}
	return got;
}

int xdp_side_fd(const struct xdp_side *side)
{
	return side->epoll_fd >= 0 ? side->epoll_fd : side->sockets[0].fd;
}

static uint32_t ring_size(const struct xdp *xdp)
{
	uint32_t n = MIN_RING;

	while (2 * n * xdp->n_sides <= xdp->n_rx / 2)
		n *= 2;
	return n;
}

/* One descriptor for several sockets. */
static int watch(struct xdp_side *side)
{
	struct epoll_event event = {.events = EPOLLIN};

	if (side->n == 1)
		return 0;
	side->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (side->epoll_fd < 0)
		return -errno;
	for (uint16_t i = 0; i < side->n; i++)
		if (epoll_ctl(side->epoll_fd, EPOLL_CTL_ADD, side->sockets[i].fd, &event) != 0)
			return -errno;
	return 0;
}

static int open_side(struct xdp *xdp, uint16_t slot)
{
	struct xdp_side *side = &xdp->sides[slot];
	int rc = 0;

	side->sockets = aligned_alloc(64, xdp->n_queues * sizeof(*side->sockets));
	if (side->sockets == NULL)
		return -ENOMEM;
	for (; side->n < xdp->n_queues && rc == 0; side->n++) {
		rc = dp_xsk_side_open(&side->sockets[side->n], &xdp->queues[side->n],
				      xdp->before.ifindex, side->n, ring_size(xdp));
		if (rc != 0)
			break;
		rc = dp_xdp_redirect_set(&xdp->redirect, (slot + 1u) * xdp->n_queues + side->n,
					 side->sockets[side->n].fd);
	}
	return rc == 0 ? watch(side) : rc;
}

int xdp_sides_open(struct xdp *xdp, struct err *err)
{
	int rc = 0;

	if (xdp->n_sides == 0)
		return 0;
	xdp->sides = calloc(xdp->n_sides, sizeof(*xdp->sides));
	for (uint16_t i = 0; xdp->sides != NULL && i < xdp->n_sides; i++)
		xdp->sides[i].epoll_fd = -1;
	for (uint16_t i = 0; xdp->sides != NULL && i < xdp->n_sides && rc == 0; i++)
		rc = open_side(xdp, i);
	if (xdp->sides == NULL)
		rc = -ENOMEM;
	return rc == 0 ? 0
		       : err_set(err, rc, "af-xdp",
				 "AF_XDP cannot take interface '%s': opening more queues: %s",
				 xdp->before.name, strerror(-rc));
}

void xdp_sides_close(struct xdp *xdp)
{
	for (uint16_t i = 0; xdp->sides != NULL && i < xdp->n_sides; i++) {
		struct xdp_side *side = &xdp->sides[i];

		if (side->epoll_fd >= 0)
			close(side->epoll_fd);
		for (uint16_t q = 0; q < side->n; q++)
			dp_xsk_side_close(&side->sockets[q]);
		free(side->sockets);
	}
	free(xdp->sides);
	xdp->sides = NULL;
}
