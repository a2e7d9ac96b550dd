/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ports of kind "packet": a Linux interface taken with packet sockets (AF_PACKET), for interfaces
 * that no DPDK driver and no XDP program can take, and for the near end of a veth pair whose far
 * end is a container's.
 *
 * 	       stack ─x─ tc ingress ◄── interface ──► packet socket ─► recvmmsg ─► worker
 * 	                 (ingress_block)          ◄── packet socket ◄─ sendmmsg ◄─ worker
 *
 * Why not DPDK's net_af_packet: it maps its rings without a virtio_net_hdr.  A veth hands over
 * frames whose checksum the sender's stack left unfinished (CHECKSUM_PARTIAL) and super-frames of
 * 64 KB; without the header nobody can tell, the receiver drops the first and the ring cuts the
 * second.  It loses the VLAN tag that the kernel has taken off, leaves the frames to the host's
 * stack as well, and every port is an ethdev, of which a process has 32 (RTE_MAX_ETHPORTS of the
 * distribution's build).
 *
 * Sources: packet(7), Documentation/networking/packet_mmap.rst, net/packet/af_packet.c.
 *
 * When the interface goes down, is deleted or moves away the kernel reports one error on the socket
 * and then silence, so a worker that waits for it sleeps.  If it only went down it comes back by
 * itself.  The sockets hold the network namespace that they were opened in; so does the port, if it
 * was told to look in another than ours.
 */
#include "dataplane/packet_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include <linux/if_ether.h>

#include "dataplane/dp.h"
#include "dataplane/vnet.h"

#define MIN_MTU	 68u
#define TAG_SIZE 4u

/* Prepares up to 'n' slots for a call.  Returns how many. */
static unsigned arm_slots(struct packet_queue *pq, struct rte_mempool *pool, unsigned n)
{
	unsigned i;

	for (i = 0; i < n && i < PACKET_SLOTS; i++) {
		struct dp_fdio_slot *slot = &pq->slot[i];

		if (!dp_fdio_slot_fill(slot, pool))
			break;
		pq->msg[i].msg_hdr = (struct msghdr){
			.msg_iov = slot->iov,
			.msg_iovlen = 1u + slot->n_segs,
			.msg_control = pq->control[i].data,
			.msg_controllen = sizeof(pq->control[i].data),
		};
	}
	return i;
}

/* Puts back the tag that the kernel took off. */
static int restore_tag(struct msghdr *msg, struct virtio_net_hdr *hdr, struct rte_mbuf *m)
{
	struct tpacket_auxdata aux;
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);

	if (cmsg == NULL || cmsg->cmsg_level != SOL_PACKET || cmsg->cmsg_type != PACKET_AUXDATA)
		return 0;
	memcpy(&aux, CMSG_DATA(cmsg), sizeof(aux));
	if ((aux.tp_status & TP_STATUS_VLAN_VALID) == 0)
		return 0;
	hdr->csum_start += TAG_SIZE;
	return dp_fdio_push_tag(m,
				aux.tp_status & TP_STATUS_VLAN_TPID_VALID ? aux.tp_vlan_tpid
									  : ETH_P_8021Q,
				aux.tp_vlan_tci);
}

/* The frame in slot 'i', or NULL when it is malformed. */
static struct rte_mbuf *take_frame(struct packet_queue *pq, unsigned i, uint16_t port)
{
	struct msghdr *msg = &pq->msg[i].msg_hdr;
	struct dp_fdio_slot *slot = &pq->slot[i];
	uint32_t size = pq->msg[i].msg_len;
	struct rte_mbuf *m;

	if ((msg->msg_flags & MSG_TRUNC) != 0 || size <= sizeof(slot->hdr) ||
	    size - sizeof(slot->hdr) > DP_FDIO_MAX_FRAME)
		return NULL;
	m = dp_fdio_slot_take(slot, size - (uint32_t)sizeof(slot->hdr), port);
	if (restore_tag(msg, &slot->hdr, m) == 0 && dp_vnet_to_mbuf(&slot->hdr, m) == 0)
		return m;
	rte_pktmbuf_free(m);
	return NULL;
}

static uint16_t packet_rx(struct dp_rxq *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct packet_queue *pq = q->priv;
	uint16_t got = 0, bad = 0;
	unsigned wanted;
	int ready;

	do {
		wanted = arm_slots(pq, q->pool, (unsigned)(n - got - bad));
		if (wanted == 0)
			break;
		ready = recvmmsg(pq->fd, pq->msg, wanted, MSG_DONTWAIT, NULL);
		for (int i = 0; i < ready; i++) {
			pkts[got] = take_frame(pq, (unsigned)i, q->port->id);
			if (likely(pkts[got] != NULL))
				got++;
			else
				bad++;
		}
	} while (ready == (int)wanted && got + bad < n);
	if (unlikely(bad != 0)) {
		struct packet *packet = q->port->priv;

		packet->malformed += bad;
		dp_rx_malformed(q, bad);
	}
	return got;
}

static int packet_send(void *ctx, struct dp_fdio_batch *batch, unsigned n)
{
	const struct packet_queue *pq = ctx;
	int rc = sendmmsg(pq->fd, batch->msg, n, MSG_DONTWAIT);

	return rc < 0 ? -errno : rc;
}

static uint16_t packet_tx(struct dp_txq *q, struct rte_mbuf **pkts, uint16_t n)
{
	return dp_fdio_tx(q, pkts, n, packet_send, q->priv);
}

static int packet_set_mtu(struct dp_port *port, uint16_t mtu, struct err *err)
{
	struct dp_netdev_change change = {.netns_fd = -1, .mtu = mtu};
	struct packet *packet = port->priv;
	int rc;

	if (mtu < MIN_MTU)
		return err_set(err, -EINVAL, "bad-mtu", "MTU %u: at least %u", mtu, MIN_MTU);
	rc = packet_change(packet, &change, err);
	if (rc != 0)
		return rc;
	packet->changed_mtu = mtu != packet->before.mtu;
	port->mtu = mtu;
	port->max_frame = (uint16_t)RTE_MIN(mtu + RTE_ETHER_HDR_LEN, UINT16_MAX);
	return 0;
}

static int packet_set_mac(struct dp_port *port, const struct rte_ether_addr *mac, struct err *err)
{
	struct dp_netdev_change change = {.netns_fd = -1, .mac = mac};
	struct packet *packet = port->priv;
	int rc = packet_change(packet, &change, err);

	if (rc != 0)
		return rc;
	packet->changed_mac = !rte_is_same_ether_addr(mac, &packet->before.mac);
	port->mac = *mac;
	return 0;
}

/* Flags of the interface, by its number: its name may change.  ioctls, because netlink takes the
 * kernel's interface lock and these do not.  -1: it is gone. */
static int get_flags(const struct packet *packet, unsigned *ret_flags)
{
	struct ifreq ifr = {.ifr_ifindex = packet->before.ifindex};
	int fd = packet->queues[0].fd;

	if (ioctl(fd, SIOCGIFNAME, &ifr) != 0 || ioctl(fd, SIOCGIFFLAGS, &ifr) != 0)
		return -1;
	*ret_flags = (unsigned short)ifr.ifr_flags;
	return 0;
}

static void packet_link(struct dp_port *port, struct dp_link *ret_link)
{
	struct packet *packet = port->priv;
	const char *why = NULL;
	unsigned flags = 0;

	if (!packet->gone && get_flags(packet, &flags) != 0)
		packet->gone = true;
	if (packet->gone)
		why = "was deleted or moved away";
	else if ((flags & IFF_UP) == 0)
		why = "is down";
	else if ((flags & IFF_RUNNING) == 0)
		why = "has no carrier (cable out, or the other end is down)";
	*ret_link = (struct dp_link){.up = why == NULL,
				     .full_duplex = true,
				     .speed_mbps = packet->before.speed_mbps};
	if (why != NULL)
		snprintf(ret_link->reason, sizeof(ret_link->reason), "interface %s %s",
			 packet->before.name, why);
}

/* Frames that the kernel dropped because a socket's buffer was full; it forgets them when asked. */
static void count_kernel_drops(struct packet *packet)
{
	for (uint16_t i = 0; i < packet->n_queues; i++) {
		struct tpacket_stats stats;
		socklen_t size = sizeof(stats);

		if (getsockopt(packet->queues[i].fd, SOL_PACKET, PACKET_STATISTICS, &stats,
			       &size) == 0)
			packet->kernel_drops += stats.tp_drops;
	}
}

static const char *block_name(const struct packet *packet)
{
	if (!packet->block.attached)
		return "none";
	return packet->block.link_fd >= 0 ? "tcx" : "clsact";
}

static json_t *packet_show(struct dp_port *port)
{
	struct packet *packet = port->priv;

	count_kernel_drops(packet);
	return json_pack("{s:s, s:i, s:s, s:s, s:b, s:i, s:I, s:I}", "interface",
			 packet->before.name, "ifindex", packet->before.ifindex, "interface_kind",
			 packet->before.kind, "ingress_block", block_name(packet), "gone",
			 packet->gone, "queues", packet->n_queues, "malformed",
			 (json_int_t)packet->malformed, "kernel_drops",
			 (json_int_t)packet->kernel_drops);
}

const struct dp_port_ops dp_port_packet_ops = {
	.kind = "packet",
	.check = packet_check,
	.open = packet_open,
	.close = packet_close,
	.set_mtu = packet_set_mtu,
	.set_mac = packet_set_mac,
	.link = packet_link,
	.show = packet_show,
	.rx = packet_rx,
	.tx = packet_tx,
};
