/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Taking a Linux interface with AF_XDP sockets, and giving it back; see port_xdp.c for the whole.
 *
 * What is done to the interface, in this order, and undone in the other: it is brought up, gets the
 * MTU and the address asked for, the XDP program is attached, a socket is bound to each of its
 * queues, and it becomes promiscuous.
 */
#include "dataplane/xdp_check.h"
#include "dataplane/xdp_priv.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <linux/if_arp.h>
#include <linux/if_packet.h>
#include <linux/sockios.h>

#include "dataplane/dp.h"
#include "dataplane/netns.h"

#define N_RX	     2048u
#define N_TX	     1024u
#define MIN_FRAMES   64u
#define MAX_FRAMES   16384u
#define SMALL_FRAME  2048u
#define LARGE_FRAME  4096u
#define FRAME_EXTRAS (RTE_ETHER_HDR_LEN + 8u) /* two tags */

struct opening {
	struct xdp *xdp;
	const struct dp_port_opts *opts;
	struct err *err;
};

static int refuse(const struct xdp *xdp, int rc, const char *what, struct err *err)
{
	const char *name = xdp->before.name;

	err_set(err, rc, "af-xdp", "AF_XDP cannot take interface '%s': %s: %s", name, what,
		strerror(-rc));
	if (rc == -ENOBUFS)
		err_fix(err, "raise the limit of locked memory (LimitMEMLOCK=infinity)");
	return rc;
}

static int refuse_attach(const struct xdp *xdp, int rc, struct err *err)
{
	const char *name = xdp->before.name;

	switch (rc) {
	case -EOPNOTSUPP:
		return err_set(err, rc, "af-xdp", "the driver of %s has no XDP", name);
	case -EBUSY:
	case -EEXIST:
		return err_set(err, rc, "af-xdp", "another XDP program is attached to %s", name);
	case -ERANGE:
		return err_set(err, rc, "af-xdp",
			       "the MTU of %s, or of its peer, is too large for XDP", name);
	case -EPERM:
		return err_set(err, rc, "af-xdp",
			       "not permitted: XDP needs CAP_NET_ADMIN and CAP_BPF");
	default:
		return refuse(xdp, rc, "attaching the XDP program", err);
	}
}

/* What was asked of the interface itself; remembers what differs from before. */
static int prepare(struct xdp *xdp, const struct dp_port_opts *opts, struct err *err)
{
	const struct dp_netdev *before = &xdp->before;
	struct dp_netdev_change change = {.netns_fd = -1};
	int rc = 0;

	change.up = (before->flags & IFF_UP) == 0;
	if (opts->has_mac && !rte_is_same_ether_addr(&opts->mac, &before->mac))
		change.mac = &opts->mac;
	if (opts->mtu != before->mtu)
		change.mtu = opts->mtu; /* 0 leaves it. */
	if (change.up || change.mac != NULL || change.mtu != 0)
		rc = dp_netdev_change(before->ifindex, &change, err);
	if (rc != 0)
		return rc;
	xdp->changed_up = change.up;
	xdp->changed_mac = change.mac != NULL;
	xdp->changed_mtu = change.mtu != 0;
	xdp->port->own_mac = before->mac;
	xdp->port->mac = xdp->changed_mac ? opts->mac : before->mac;
	xdp->port->mtu = (uint16_t)(opts->mtu != 0 ? opts->mtu : before->mtu);
	return 0;
}

static uint32_t power_of_two(uint32_t n)
{
	n = RTE_MIN(RTE_MAX(n, MIN_FRAMES), MAX_FRAMES);
	return rte_align32pow2(n);
}

static int open_queue(struct xdp *xdp, uint16_t i, struct err *err)
{
	const struct dp_xsk_opts opts = {.ifindex = xdp->before.ifindex,
					 .queue = i,
					 .n_rx = xdp->n_rx,
					 .n_tx = xdp->n_tx,
					 .frame_size = xdp->frame_size};
	int rc = dp_xsk_open(&xdp->queues[i], &opts);

	if (rc == -EBUSY)
		return err_set(err, rc, "af-xdp", "another AF_XDP socket holds queue %u of %s", i,
			       xdp->before.name);
	if (rc != 0)
		return refuse(xdp, rc, "opening a socket", err);
	rc = dp_xdp_redirect_set(&xdp->redirect, i, xdp->queues[i].fd);
	return rc != 0 ? refuse(xdp, rc, "handing a queue to its socket", err) : 0;
}

/* The program first: that another one is there is quickly said. */
static int open_queues(struct xdp *xdp, struct err *err)
{
	int rc = dp_xdp_redirect_attach(&xdp->redirect, xdp->before.ifindex,
					xdp->n_queues * (1u + xdp->n_sides));

	if (rc != 0)
		return refuse_attach(xdp, rc, err);
	for (uint16_t i = 0; i < xdp->n_queues && rc == 0; i++)
		rc = open_queue(xdp, i, err);
	if (rc == 0)
		rc = xdp_sides_open(xdp, err);
	if (rc == 0)
		xdp->zero_copy = dp_xsk_is_zero_copy(&xdp->queues[0]);
	return rc;
}

/* The mode ends with the socket, so also when the daemon dies.  Bound to no protocol: it receives
 * nothing. */
static int set_promiscuous(struct xdp *xdp, struct err *err)
{
	struct packet_mreq mreq = {.mr_ifindex = xdp->before.ifindex, .mr_type = PACKET_MR_PROMISC};

	xdp->sock = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);
	if (xdp->sock < 0 ||
	    setsockopt(xdp->sock, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq, sizeof(mreq)) != 0)
		return refuse(xdp, -errno, "promiscuous mode", err);
	return 0;
}

static int restore(void *arg)
{
	struct xdp *xdp = arg;
	struct dp_netdev_change change = {.netns_fd = -1};

	dp_xdp_redirect_detach(&xdp->redirect);
	xdp_sides_close(xdp);
	for (uint16_t i = 0; i < xdp->n_queues; i++)
		dp_xsk_close(&xdp->queues[i]);
	if (xdp->gone)
		return 0;
	change.down = xdp->changed_up;
	if (xdp->changed_mtu)
		change.mtu = xdp->before.mtu;
	if (xdp->changed_mac)
		change.mac = &xdp->before.mac;
	if (change.down || change.mtu != 0 || change.mac != NULL)
		(void)dp_netdev_change(xdp->before.ifindex, &change, NULL);
	return 0;
}

static int check(const struct xdp *xdp, const struct dp_port_opts *opts, struct err *err)
{
	uint32_t mtu = opts->mtu != 0 ? opts->mtu : xdp->before.mtu;

	if (xdp->before.arptype != ARPHRD_ETHER || (xdp->before.flags & IFF_LOOPBACK) != 0)
		return err_set(err, -EINVAL, "not-ethernet", "interface '%s' is not Ethernet",
			       xdp->before.name);
	if (mtu > DP_XDP_MAX_MTU)
		return err_set(err, -ERANGE, "bad-mtu", "mtu %u: AF_XDP serves at most %u", mtu,
			       DP_XDP_MAX_MTU);
	return 0;
}

/* All queues of the interface: one without a socket would be deaf. */
static int size_up(struct xdp *xdp, const struct dp_port_opts *opts, struct err *err)
{
	uint32_t mtu = opts->mtu != 0 ? opts->mtu : xdp->before.mtu;
	uint16_t n = dp_xdp_queues(xdp->before.name);

	if (n > DP_MAX_QUEUES) {
		err_set(err, -ERANGE, "too-many-queues", "%s has %u queues, a port at most %u",
			xdp->before.name, n, DP_MAX_QUEUES);
		err_fix(err, "ethtool -L %s combined %u", xdp->before.name, DP_MAX_QUEUES);
		return -ERANGE;
	}
	if (opts->n_queues != 0 && opts->n_queues < n)
		snprintf(xdp->port->note, sizeof(xdp->port->note),
			 "%u queues: AF_XDP serves those of the interface (ethtool -L %s)", n,
			 xdp->before.name);
	/* More than it has are for VMs, by address. */
	if (opts->n_queues > n)
		xdp->n_sides = (uint16_t)(RTE_MIN(opts->n_queues, (uint16_t)DP_MAX_QUEUES) - n);
	xdp->queues = calloc(n, sizeof(*xdp->queues));
	if (xdp->queues == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for %u queues", n);
	xdp->n_queues = n;
	xdp->n_rx = power_of_two(opts->n_desc != 0 ? opts->n_desc : N_RX);
	xdp->n_tx = power_of_two(opts->n_desc != 0 ? opts->n_desc : N_TX);
	xdp->frame_size =
		mtu + FRAME_EXTRAS + DP_XSK_HEADROOM <= SMALL_FRAME ? SMALL_FRAME : LARGE_FRAME;
	xdp->partial = strcmp(xdp->before.kind, "veth") == 0;
	return 0;
}

/* In the interface's network namespace. */
static int open_inside(void *arg)
{
	struct opening *o = arg;
	struct xdp *xdp = o->xdp;
	int rc = dp_netdev_get(o->opts->ifname, &xdp->before, o->err);

	if (rc == 0)
		rc = check(xdp, o->opts, o->err);
	if (rc == 0)
		rc = size_up(xdp, o->opts, o->err);
	if (rc != 0)
		return rc;
	rc = prepare(xdp, o->opts, o->err);
	if (rc == 0)
		rc = open_queues(xdp, o->err);
	if (rc == 0)
		rc = set_promiscuous(xdp, o->err);
	if (rc != 0)
		restore(xdp);
	return rc;
}

/* Calls 'fn' where the interface is; the socket knows. */
static int call_inside(struct xdp *xdp, int (*fn)(void *arg), void *arg, struct err *err)
{
	int fd = -1, rc;

	if (xdp->in_netns) {
		fd = ioctl(xdp->sock, SIOCGSKNS);
		if (fd < 0)
			return err_set(err, -errno, "netns",
				       "cannot reach the network namespace of '%s': %s",
				       xdp->before.name, strerror(errno));
	}
	rc = dp_netns_call(fd, fn, arg, err);
	if (fd >= 0)
		close(fd);
	return rc;
}

struct setting {
	struct xdp *xdp;
	const struct dp_netdev_change *change;
	struct err *err;
};

static int apply_setting(void *arg)
{
	struct setting *s = arg;

	return dp_netdev_change(s->xdp->before.ifindex, s->change, s->err);
}

int xdp_change(struct xdp *xdp, const struct dp_netdev_change *change, struct err *err)
{
	struct setting s = {xdp, change, err};

	return call_inside(xdp, apply_setting, &s, err);
}

static void xdp_free(struct xdp *xdp)
{
	if (xdp->sock >= 0)
		close(xdp->sock);
	free(xdp->queues);
	free(xdp);
}

static int wire_queues(struct xdp *xdp, struct err *err)
{
	struct dp_port *port = xdp->port;
	struct rte_mempool *pool = dp_pool(port->dp, xdp->frame_size, false);

	if (pool == NULL || dp_port_alloc_queues(port, (uint16_t)(xdp->n_queues + xdp->n_sides),
						 xdp->n_queues) != 0)
		return err_set(err, -ENOMEM, "no-memory", "no memory for the queues of '%s'",
			       port->name);
	for (uint16_t i = 0; i < xdp->n_queues; i++) {
		port->rxq[i].priv = &xdp->queues[i];
		port->rxq[i].pool = pool;
		port->rxq[i].wake_fd = xdp->queues[i].fd;
		port->txq[i].priv = &xdp->queues[i];
	}
	for (uint16_t i = 0; i < xdp->n_sides; i++) {
		struct dp_rxq *q = &port->rxq[xdp->n_queues + i];

		q->priv = &xdp->sides[i];
		q->pool = pool;
		q->wake_fd = xdp_side_fd(&xdp->sides[i]);
	}
	return 0;
}

int xdp_open(struct dp_port *port, const struct dp_port_opts *opts, struct err *err)
{
	struct xdp *xdp = aligned_alloc(_Alignof(struct xdp), sizeof(*xdp));
	struct opening o = {xdp, opts, err};
	int rc;

	if (xdp == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for port '%s'", port->name);
	*xdp = (struct xdp){.port = port, .sock = -1, .redirect = {-1, -1, -1, -1, -1}};
	xdp->in_netns = opts->netns_fd >= 0 && !dp_netns_same(opts->netns_fd, -1);
	rc = dp_netns_call(opts->netns_fd, open_inside, &o, err);
	if (rc != 0) {
		xdp_free(xdp);
		return rc;
	}
	port->priv = xdp;
	rc = wire_queues(xdp, err);
	if (rc != 0) {
		xdp_close(port);
		return rc;
	}
	port->tx_caps = DP_TX_CHAIN;
	snprintf(port->driver, sizeof(port->driver), "af_xdp");
	return 0;
}

void xdp_close(struct dp_port *port)
{
	struct xdp *xdp = port->priv;

	call_inside(xdp, restore, xdp, NULL);
	xdp_free(xdp);
	port->priv = NULL;
}
