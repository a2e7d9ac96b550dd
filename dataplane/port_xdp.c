/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ports of kind "xdp": a Linux interface whose driver hands its frames to AF_XDP sockets, before
 * the kernel's stack makes anything of them.
 *
 * 	wire or peer ──► driver ─ XDP program ─► AF_XDP socket of the queue ─► worker
 * 		     ◄── driver ◄────────────── the same socket ◄───────────── worker
 *
 * One socket for each queue of the interface (xsk.h), each a receive and a transmit queue of the
 * port.  Receive queues beyond those are for steering by address (steer_xdp.c).
 *
 * A veth hands over frames whose checksum its peer's stack left unfinished, and AF_XDP has no place
 * to say so: they are recognised by their checksum being that of the pseudo-header (csum.h).  Its
 * peer stops sending super-frames by itself while an XDP program is attached.  AF_XDP offers no
 * offloads to use for transmission.
 *
 * Why not DPDK's net_af_xdp (22.11 and 24.11): closing a port loses the buffers in its fill ring,
 * and leaks all sockets but the first, after which the interface cannot be taken again; clones are
 * sent from a wrong address; it says the link is up whatever it is; its program stays attached when
 * the process dies; each port is one of 32 ethdevs.
 *
 * When the interface is deleted or moves away the kernel unbinds the sockets: they fall silent, and
 * the link goes down.
 */
#include "dataplane/csum.h"
#include "dataplane/xdp_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#define MIN_MTU 68u

/* ---- Workers ---- */

static uint16_t xdp_rx(struct dp_rxq *q, struct rte_mbuf **pkts, uint16_t n)
{
	return dp_xsk_receive(q->priv, q->pool, pkts, n);
}

static uint16_t xdp_rx_partial(struct dp_rxq *q, struct rte_mbuf **pkts, uint16_t n)
{
	n = dp_xsk_receive(q->priv, q->pool, pkts, n);
	for (uint16_t i = 0; i < n; i++)
		dp_csum_detect_partial(pkts[i]);
	return n;
}

static uint16_t side_rx_partial(struct dp_rxq *q, struct rte_mbuf **pkts, uint16_t n)
{
	n = xdp_side_rx(q, pkts, n);
	for (uint16_t i = 0; i < n; i++)
		dp_csum_detect_partial(pkts[i]);
	return n;
}

static uint16_t xdp_tx(struct dp_txq *q, struct rte_mbuf **pkts, uint16_t n)
{
	return dp_xsk_send(q->priv, pkts, n);
}

/* ---- The control thread ---- */

static int open_port(struct dp_port *port, const struct dp_port_opts *opts, struct err *err)
{
	const struct xdp *xdp;
	int rc = xdp_open(port, opts, err);

	if (rc != 0)
		return rc;
	xdp = port->priv;
	for (uint16_t i = 0; i < xdp->n_queues; i++)
		port->rxq[i].rx = xdp->partial ? xdp_rx_partial : xdp_rx;
	for (uint16_t i = xdp->n_queues; i < port->n_rxq; i++)
		port->rxq[i].rx = xdp->partial ? side_rx_partial : xdp_side_rx;
	if (port->note[0] == '\0' && !xdp->zero_copy && !xdp->partial)
		snprintf(port->note, sizeof(port->note),
			 "the driver of %s has no zero-copy AF_XDP: the kernel copies frames",
			 xdp->before.name);
	return 0;
}

static int xdp_set_mtu(struct dp_port *port, uint16_t mtu, struct err *err)
{
	struct dp_netdev_change change = {.netns_fd = -1, .mtu = mtu};
	struct xdp *xdp = port->priv;
	uint32_t max = xdp->frame_size - DP_XSK_HEADROOM - RTE_ETHER_HDR_LEN - 8;
	int rc;

	if (mtu < MIN_MTU || mtu > max) {
		err_set(err, -ERANGE, "bad-mtu",
			"mtu %u: the frames that %s was opened with serve %u to %u", mtu,
			xdp->before.name, MIN_MTU, max);
		err_fix(err, "remove the port and add it with that MTU");
		return -ERANGE;
	}
	rc = xdp_change(xdp, &change, err);
	if (rc != 0)
		return rc;
	xdp->changed_mtu = mtu != xdp->before.mtu;
	port->mtu = mtu;
	atomic_store(&port->max_frame, (uint16_t)(mtu + RTE_ETHER_HDR_LEN));
	return 0;
}

static int xdp_set_mac(struct dp_port *port, const struct rte_ether_addr *mac, struct err *err)
{
	struct dp_netdev_change change = {.netns_fd = -1, .mac = mac};
	struct xdp *xdp = port->priv;
	int rc = xdp_change(xdp, &change, err);

	if (rc != 0)
		return rc;
	xdp->changed_mac = !rte_is_same_ether_addr(mac, &xdp->before.mac);
	port->mac = *mac;
	return 0;
}

/* Flags of the interface, by its number: its name may change.  ioctls, because netlink takes the
 * kernel's interface lock and these do not.  -1: it is gone. */
static int get_flags(const struct xdp *xdp, unsigned *ret_flags)
{
	struct ifreq ifr = {.ifr_ifindex = xdp->before.ifindex};

	if (ioctl(xdp->sock, SIOCGIFNAME, &ifr) != 0 || ioctl(xdp->sock, SIOCGIFFLAGS, &ifr) != 0)
		return -1;
	*ret_flags = (unsigned short)ifr.ifr_flags;
	return 0;
}

static void xdp_link(struct dp_port *port, struct dp_link *ret_link)
{
	struct xdp *xdp = port->priv;
	const char *why = NULL;
	unsigned flags = 0;

	if (!xdp->gone && get_flags(xdp, &flags) != 0)
		xdp->gone = true;
	if (xdp->gone)
		why = "was deleted or moved away";
	else if ((flags & IFF_UP) == 0)
		why = "is down";
	else if ((flags & IFF_RUNNING) == 0)
		why = "has no carrier (cable out, or the other end is down)";
	*ret_link = (struct dp_link){.up = why == NULL,
				     .full_duplex = true,
				     .speed_mbps = xdp->before.speed_mbps};
	if (why != NULL)
		snprintf(ret_link->reason, sizeof(ret_link->reason), "interface %s %s",
			 xdp->before.name, why);
	/* Frames that the driver had no room for wait for the next transmit, or for this. */
	for (uint16_t i = 0; why == NULL && i < xdp->n_queues; i++)
		dp_xsk_push(&xdp->queues[i]);
}

static json_t *xdp_show(struct dp_port *port)
{
	const struct xdp *xdp = port->priv;
	struct xdp_statistics stats = {0};

	for (uint16_t i = 0; i < xdp->n_queues; i++)
		dp_xsk_add_stats(&xdp->queues[i], &stats);
	return json_pack("{s:s, s:i, s:s, s:b, s:b, s:i, s:i, s:i, s:i, s:I, s:I, s:I, s:I}",
			 "interface", xdp->before.name, "ifindex", xdp->before.ifindex,
			 "interface_kind", xdp->before.kind, "zero_copy", xdp->zero_copy, "gone",
			 xdp->gone, "queues", xdp->n_queues, "rx_descriptors", xdp->n_rx,
			 "tx_descriptors", xdp->n_tx, "frame_size", xdp->frame_size, "rx_dropped",
			 (json_int_t)stats.rx_dropped, "rx_ring_full",
			 (json_int_t)stats.rx_ring_full, "rx_no_frame",
			 (json_int_t)stats.rx_fill_ring_empty_descs, "tx_invalid",
			 (json_int_t)stats.tx_invalid_descs);
}

const struct dp_port_ops dp_port_xdp_ops = {
	.kind = "xdp",
	.open = open_port,
	.close = xdp_close,
	.set_mtu = xdp_set_mtu,
	.set_mac = xdp_set_mac,
	.link = xdp_link,
	.show = xdp_show,
	.steer = xdp_steer,
	.rx = xdp_rx,
	.tx = xdp_tx,
};
