/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Making a tap device: open its queues, size and address it, move it to its network namespace,
 * bring it up.  See port_tap.c for the whole, and for why it is not made in that namespace in the
 * first place.
 */
#include "dataplane/tap_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "dataplane/dp.h"
#include "dataplane/netdev.h"
#include "dataplane/netns.h"

#define TUN_PATH  "/dev/net/tun"
#define TEMP_NAME "vswtap%d" /* the kernel puts a number in */

/* Not in the headers of Linux before 6.2. */
#define TAP_F_USO4 0x20u
#define TAP_F_USO6 0x40u

/* Tells the kernel what we can take.  USO is news to Linux before 6.2, which then refuses all of
 * it. */
static int set_offloads(struct tap *tap, int fd, bool offloads)
{
	unsigned long flags = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;

	if (!offloads)
		return ioctl(fd, TUNSETOFFLOAD, 0ul) == 0 ? 0 : -errno;
	if (ioctl(fd, TUNSETOFFLOAD, flags | TAP_F_USO4 | TAP_F_USO6) == 0) {
		tap->uso = true;
		return 0;
	}
	return ioctl(fd, TUNSETOFFLOAD, flags) == 0 ? 0 : -errno;
}

static int taken(const char *name, struct err *err)
{
	int rc = err_set(err, -EEXIST, "interface-exists",
			 "cannot create interface '%s': the name is taken", name);

	err_why(err, "an interface of that name is in the network namespace already");
	err_fix(err, "choose another name, or: ip link del %s", name);
	return rc;
}

/* One descriptor of the device 'name'; the first creates it and learns its final name. */
static int open_queue(struct tap *tap, char name[IFNAMSIZ], bool first, struct err *err)
{
	struct ifreq ifr = {.ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR};
	int header_size = sizeof(struct virtio_net_hdr), rc;
	int fd = open(TUN_PATH, O_RDWR | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0) {
		rc = err_set(err, -errno, "no-tun", "cannot open " TUN_PATH ": %s",
			     strerror(errno));
		err_fix(err, "modprobe tun");
		return rc;
	}
	/* A single-queue device is a hundred times cheaper for the kernel than a multi-queue one
	 * with one queue. */
	if (tap->n_queues > 1)
		ifr.ifr_flags |= IFF_MULTI_QUEUE;
	if (first)
		ifr.ifr_flags |= (short)IFF_TUN_EXCL;
	memcpy(ifr.ifr_name, name, IFNAMSIZ);
	if (ioctl(fd, TUNSETIFF, &ifr) != 0) {
		rc = -errno;
		close(fd);
		if (first && (rc == -EBUSY || rc == -EEXIST || rc == -EINVAL))
			return taken(name, err);
		return err_set(err, rc, "tun", "cannot create interface '%s': %s", name,
			       strerror(-rc));
	}
	memcpy(name, ifr.ifr_name, IFNAMSIZ);
	if (ioctl(fd, TUNSETVNETHDRSZ, &header_size) == 0)
		return fd;
	rc = err_set(err, -errno, "tun", "interface '%s': no virtio_net_hdr: %s", name,
		     strerror(errno));
	close(fd);
	return rc;
}

static int open_queues(struct tap *tap, char name[IFNAMSIZ], const struct dp_port_opts *opts,
		       struct err *err)
{
	for (uint16_t i = 0; i < tap->n_queues; i++) {
		int fd = open_queue(tap, name, i == 0, err), rc;

		if (fd < 0)
			return fd;
		tap->queues[i].fd = fd;
		rc = set_offloads(tap, fd, opts->offloads);
		if (rc != 0)
			return err_set(err, rc, "tun", "interface '%s': no offloads: %s", name,
				       strerror(-rc));
	}
	return 0;
}

struct finish {
	struct tap *tap; /* NULL while there is none */
	const char *ifname;
	struct err *err;
};

/* In the namespace where the interface is going to stay. */
static int bring_up(void *arg)
{
	struct finish *f = arg;
	struct dp_netdev_change change = {.netns_fd = -1, .up = true};
	struct dp_netdev dev;
	int rc = dp_netdev_get(f->ifname, &dev, f->err);

	if (rc != 0)
		return rc;
	f->tap->port->mac = dev.mac;
	return dp_netdev_change(dev.ifindex, &change, f->err);
}

/* Says so before the kernel does it in fewer words: EEXIST and EINVAL have several reasons there.
 * */
static int name_is_free(void *arg)
{
	struct finish *f = arg;
	struct dp_netdev dev;

	if (dp_netdev_get(f->ifname, &dev, NULL) == 0)
		return taken(f->ifname, f->err);
	return 0;
}

/* Gives the new device its address, size, place and name, and brings it up. */
static int settle(struct tap *tap, const char *name, const struct dp_port_opts *opts,
		  struct err *err)
{
	struct finish f = {tap, opts->ifname, err};
	struct dp_netdev_change change = {
		.netns_fd = -1,
		.mtu = tap->port->mtu,
		.mac = opts->has_mac ? &opts->mac : NULL,
		.tx_queue_size = opts->n_desc,
	};
	struct dp_netdev dev;
	int rc = dp_netdev_get(name, &dev, err);

	if (rc == 0)
		rc = dp_netdev_change(dev.ifindex, &change, err);
	if (rc != 0 || !tap->in_netns)
		return rc != 0 ? rc : bring_up(&f);
	change = (struct dp_netdev_change){.netns_fd = opts->netns_fd, .name = opts->ifname};
	rc = dp_netdev_change(dev.ifindex, &change, err);
	return rc != 0 ? rc : dp_netns_call(opts->netns_fd, bring_up, &f, err);
}

static void tap_free(struct tap *tap)
{
	for (uint16_t i = 0; i < tap->n_queues; i++) {
		dp_fdio_slot_fini(&tap->queues[i].slot);
		if (tap->queues[i].fd >= 0)
			close(tap->queues[i].fd);
	}
	if (tap->quiet[0] >= 0)
		close(tap->quiet[0]);
	if (tap->quiet[1] >= 0)
		close(tap->quiet[1]);
	free(tap->queues);
	free(tap);
}

static struct tap *tap_alloc(struct dp_port *port, const struct dp_port_opts *opts)
{
	struct tap *tap = calloc(1, sizeof(*tap));
	uint16_t n = opts->n_queues != 0 ? opts->n_queues : 1;

	if (tap == NULL)
		return NULL;
	tap->port = port;
	tap->quiet[0] = tap->quiet[1] = -1;
	tap->in_netns = opts->netns_fd >= 0 && !dp_netns_same(opts->netns_fd, -1);
	snprintf(tap->ifname, sizeof(tap->ifname), "%s", opts->ifname);
	tap->queues = calloc(n, sizeof(*tap->queues));
	if (tap->queues == NULL || pipe2(tap->quiet, O_CLOEXEC | O_NONBLOCK) != 0) {
		tap_free(tap);
		return NULL;
	}
	tap->n_queues = n;
	for (uint16_t i = 0; i < n; i++)
		tap->queues[i].fd = -1;
	return tap;
}

/* Any worker may transmit by any descriptor at any time, so each has a queue of its own and none
 * hands frames on. */
static int wire_queues(struct tap *tap, struct err *err)
{
	struct dp_port *port = tap->port;
	struct rte_mempool *pool = dp_pool(port->dp, DP_FDIO_MAX_FRAME, false);

	if (pool == NULL || dp_port_alloc_queues(port, tap->n_queues, DP_MAX_QUEUES) != 0)
		return err_set(err, -ENOMEM, "no-memory", "no memory for the queues of '%s'",
			       port->name);
	for (uint16_t i = 0; i < tap->n_queues; i++) {
		struct dp_rxq *q = &port->rxq[i];

		q->priv = &tap->queues[i];
		q->pool = pool;
		q->wake_fd = tap->queues[i].fd;
		if (dp_fdio_slot_init(&tap->queues[i].slot, pool) != 0)
			return err_set(err, -EINVAL, "bad-pool", "packet buffers are too small");
	}
	for (uint16_t i = 0; i < port->n_txq; i++)
		port->txq[i].priv = &tap->queues[i % tap->n_queues];
	return 0;
}

int tap_check(const struct dp_port_opts *opts, struct err *err)
{
	struct finish f = {NULL, opts->ifname, err};
	int rc = dp_netdev_check_name(opts->ifname, err);

	if (rc != 0)
		return rc;
	if (opts->mtu != 0 && (opts->mtu < TAP_MIN_MTU || opts->mtu > TAP_MAX_MTU))
		return err_set(err, -EINVAL, "bad-mtu", "MTU %u: a tap takes %u to %u", opts->mtu,
			       TAP_MIN_MTU, TAP_MAX_MTU);
	if (opts->has_mac && !rte_is_valid_assigned_ether_addr(&opts->mac))
		return err_set(err, -EINVAL, "bad-mac",
			       "interface '%s': a group address or zero is no MAC address for it",
			       opts->ifname);
	return dp_netns_call(opts->netns_fd, name_is_free, &f, err);
}

static void set_caps(struct dp_port *port, const struct tap *tap, bool offloads)
{
	port->tx_caps = DP_TX_CHAIN;
	if (offloads)
		port->tx_caps |= DP_TX_CSUM_TCP | DP_TX_CSUM_UDP | DP_TX_TSO4 | DP_TX_TSO6;
	if (offloads && tap->uso)
		port->tx_caps |= DP_TX_USO;
}

int tap_open(struct dp_port *port, const struct dp_port_opts *opts, struct err *err)
{
	struct tap *tap = tap_alloc(port, opts);
	char name[IFNAMSIZ] = {0};
	int rc;

	if (tap == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for port '%s'", port->name);
	snprintf(name, sizeof(name), "%s", tap->in_netns ? TEMP_NAME : opts->ifname);
	rc = open_queues(tap, name, opts, err);
	if (rc == 0)
		rc = settle(tap, name, opts, err);
	if (rc == 0)
		rc = wire_queues(tap, err);
	if (rc != 0) {
		tap_free(tap);
		return rc;
	}
	port->priv = tap;
	set_caps(port, tap, opts->offloads);
	snprintf(port->driver, sizeof(port->driver), "tap");
	return 0;
}

void tap_close(struct dp_port *port)
{
	tap_free(port->priv);
	port->priv = NULL;
}
