/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ports of kind "tap": an interface in a Linux network stack, the host's own or that of a network
 * namespace, whose wire is the switch.  One descriptor a queue; it is also what an idle worker
 * waits for.
 *
 * Why not DPDK's net_tap: it does not exchange a virtio_net_hdr, so there is no segmentation and no
 * checksum offload in either direction; it is told of frames by signals, one a frame; and every
 * port is an ethdev, of which a process has 32 (RTE_MAX_ETHPORTS of the distribution's build).
 *
 * The device is made in our own namespace and then moved.  A device made inside the other one would
 * do as well, but its descriptor would hold that namespace for ever: 'ip netns del' and the end of
 * a container would leave a stack behind that nobody sees.  So instead the kernel takes the device
 * away with its namespace, and the port goes down.
 *
 * 	open ─► up ─────────────────► gone (namespace or interface deleted; final)
 * 	         └► down ─► up (machine's side: ip link set ... down, up)
 *
 * A descriptor whose device is gone is always "readable" with an error, so link() puts the read end
 * of a quiet pipe in its place (dup2: atomic for the workers that use it); writes to that fail as
 * they did before.
 *
 * What the kernel does: drivers/net/tun.c.  A frame that we write runs up the stack before write()
 * returns, so there is no queue to be full on that side; on the other side frames wait in the
 * device's ring of n_desc (1000).
 */
#include "dataplane/tap_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <linux/if_tun.h>

#include "dataplane/drop.h"
#include "dataplane/netdev.h"
#include "dataplane/netns.h"
#include "dataplane/vnet.h"

static uint16_t tap_rx(struct dp_rxq *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct tap_queue *tq = q->priv;
	const ssize_t head = sizeof(tq->slot.hdr);
	uint16_t got = 0, bad = 0;

	while (got + bad < n && dp_fdio_slot_fill(&tq->slot, q->pool)) {
		ssize_t size = readv(tq->fd, tq->slot.iov, 1 + tq->slot.n_segs);
		struct rte_mbuf *m;

		if (size < 0)
			break;
		if (size <= head || size - head > DP_FDIO_MAX_FRAME) {
			bad++;
			continue;
		}
		m = dp_fdio_slot_take(&tq->slot, (uint32_t)(size - head), q->port->id);
		if (dp_vnet_to_mbuf(&tq->slot.hdr, m) == 0) {
			pkts[got++] = m;
		} else {
			rte_pktmbuf_free(m);
			bad++;
		}
	}
	if (unlikely(bad != 0)) {
		struct tap *tap = q->port->priv;

		tap->malformed += bad;
		dp_rx_malformed(q, bad);
	}
	return got;
}

/* A tun descriptor takes one frame a call. */
static int tap_send(void *ctx, struct dp_fdio_batch *batch, unsigned n)
{
	const struct tap_queue *tq = ctx;

	for (unsigned i = 0; i < n; i++) {
		const struct msghdr *msg = &batch->msg[i].msg_hdr;

		if (writev(tq->fd, msg->msg_iov, (int)msg->msg_iovlen) < 0)
			return i != 0 ? (int)i : -errno;
	}
	return (int)n;
}

static uint16_t tap_tx(struct dp_txq *q, struct rte_mbuf **pkts, uint16_t n)
{
	return dp_fdio_tx(q, pkts, n, tap_send, q->priv);
}

struct setting {
	struct tap *tap;
	struct dp_netdev_change change;
	struct err *err;
};

static int apply_setting(void *arg)
{
	struct setting *s = arg;
	struct ifreq ifr = {0};
	struct dp_netdev dev;
	int rc;

	/* By the name it has now: the machine's side may have given it another. */
	if (ioctl(s->tap->queues[0].fd, TUNGETIFF, &ifr) != 0)
		return err_set(s->err, -ENODEV, "no-interface", "interface '%s' is gone",
			       s->tap->ifname);
	rc = dp_netdev_get(ifr.ifr_name, &dev, s->err);
	return rc != 0 ? rc : dp_netdev_change(dev.ifindex, &s->change, s->err);
}

/* Where the interface is now, for as long as the change takes and no longer. */
static int change_setting(struct tap *tap, const struct dp_netdev_change *change, struct err *err)
{
	struct setting s = {tap, *change, err};
	int fd = tap->in_netns ? ioctl(tap->queues[0].fd, TUNGETDEVNETNS) : -1;
	int rc;

	if (tap->in_netns && fd < 0)
		return err_set(err, -ENODEV, "no-interface", "interface '%s' is gone: %s",
			       tap->ifname, strerror(errno));
	rc = dp_netns_call(fd, apply_setting, &s, err);
	if (fd >= 0)
		close(fd);
	return rc;
}

static int tap_set_mtu(struct dp_port *port, uint16_t mtu, struct err *err)
{
	struct dp_netdev_change change = {.netns_fd = -1, .mtu = mtu};
	int rc;

	if (mtu < TAP_MIN_MTU || mtu > TAP_MAX_MTU)
		return err_set(err, -EINVAL, "bad-mtu", "MTU %u: a tap takes %u to %u", mtu,
			       TAP_MIN_MTU, TAP_MAX_MTU);
	rc = change_setting(port->priv, &change, err);
	if (rc != 0)
		return rc;
	port->mtu = mtu;
	port->max_frame = (uint16_t)(mtu + RTE_ETHER_HDR_LEN);
	return 0;
}

static int tap_set_mac(struct dp_port *port, const struct rte_ether_addr *mac, struct err *err)
{
	struct dp_netdev_change change = {.netns_fd = -1, .mac = mac};
	int rc = change_setting(port->priv, &change, err);

	if (rc == 0)
		port->mac = *mac;
	return rc;
}

/* The device is gone: keeps the workers from being woken by its descriptors for ever. */
static void silence(struct tap *tap)
{
	for (uint16_t i = 0; i < tap->n_queues; i++)
		(void)dup3(tap->quiet[0], tap->queues[i].fd, O_CLOEXEC);
	tap->gone = true;
}

/* One system call that does not take the kernel's interface lock.  tun_chr_poll(): writable means
 * up. */
static void tap_link(struct dp_port *port, struct dp_link *ret_link)
{
	struct tap *tap = port->priv;
	struct pollfd pfd = {.fd = tap->queues[0].fd, .events = POLLOUT};

	if (!tap->gone && poll(&pfd, 1, 0) == 1 && (pfd.revents & (POLLERR | POLLNVAL)) != 0)
		silence(tap);
	*ret_link = (struct dp_link){.full_duplex = true};
	if (tap->gone)
		snprintf(ret_link->reason, sizeof(ret_link->reason),
			 "interface %s was deleted, or its network namespace", tap->ifname);
	else if ((pfd.revents & POLLOUT) == 0)
		snprintf(ret_link->reason, sizeof(ret_link->reason),
			 "interface %s is down on the machine's side", tap->ifname);
	else
		ret_link->up = true;
}

static json_t *tap_show(struct dp_port *port)
{
	const struct tap *tap = port->priv;

	return json_pack("{s:s, s:b, s:b, s:i, s:b, s:I}", "interface", tap->ifname, "other_netns",
			 tap->in_netns, "gone", tap->gone, "queues", tap->n_queues, "uso", tap->uso,
			 "malformed", (json_int_t)tap->malformed);
}

const struct dp_port_ops dp_port_tap_ops = {
	.kind = "tap",
	.check = tap_check,
	.open = tap_open,
	.close = tap_close,
	.set_mtu = tap_set_mtu,
	.set_mac = tap_set_mac,
	.link = tap_link,
	.show = tap_show,
	.rx = tap_rx,
	.tx = tap_tx,
};
