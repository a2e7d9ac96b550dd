/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Taking a Linux interface with packet sockets, and giving it back; see port_packet.c for the
 * whole.
 *
 * What is done to the interface, in this order, and undone in the other: it is brought up, gets the
 * MTU and the address asked for, its frames are hidden from the kernel's stack, sockets are bound
 * to it, and it becomes promiscuous.
 */
#include "dataplane/packet_priv.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <linux/if_arp.h>
#include <linux/if_ether.h>
#include <linux/sockios.h>

#include "dataplane/dp.h"
#include "dataplane/netns.h"

#define BUFFER_SIZE                                                                                \
	(4 << 20) /* the kernel doubles it: thousands of frames, or a hundred super-frames */
#define BYTES_PER_FRAME 2304 /* what the kernel counts for an ordinary one */

struct opening {
	struct packet *packet;
	const struct dp_port_opts *opts;
	struct err *err;
};

static int socket_error(const struct packet *packet, const char *what, struct err *err)
{
	int code = errno;

	return err_set(err, -code, "packet-socket", "cannot take interface '%s': %s: %s",
		       packet->before.name, what, strerror(code));
}

static void set_buffer(int fd, int option, int forced_option, int size)
{
	/* The plain option stops at a limit that the administrator may have set low. */
	if (setsockopt(fd, SOL_SOCKET, forced_option, &size, sizeof(size)) != 0)
		(void)setsockopt(fd, SOL_SOCKET, option, &size, sizeof(size));
}

/* Frames that no offload touches may pass by the queueing discipline; the kernel drops super-frames
 * there, and a software device has none worth passing by. */
static bool may_bypass_qdisc(const struct packet *packet, const struct dp_port_opts *opts)
{
	return !opts->offloads && packet->before.kind[0] == '\0';
}

static int set_options(struct packet *packet, int fd, const struct dp_port_opts *opts,
		       struct err *err)
{
	int one = 1, size = opts->n_desc != 0 ? opts->n_desc * BYTES_PER_FRAME : BUFFER_SIZE;

	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &one, sizeof(one)) != 0)
		return socket_error(packet, "PACKET_VNET_HDR", err);
	if (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &one, sizeof(one)) != 0)
		return socket_error(packet, "PACKET_AUXDATA", err);
	if (setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &one, sizeof(one)) != 0)
		return socket_error(packet, "PACKET_IGNORE_OUTGOING", err);
	if (may_bypass_qdisc(packet, opts))
		(void)setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &one, sizeof(one));
	set_buffer(fd, SO_RCVBUF, SO_RCVBUFFORCE, size);
	set_buffer(fd, SO_SNDBUF, SO_SNDBUFFORCE, BUFFER_SIZE);
	return 0;
}

static int open_socket(struct packet *packet, struct packet_queue *pq,
		       const struct dp_port_opts *opts, struct err *err)
{
	struct sockaddr_ll addr = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = packet->before.ifindex,
	};
	int rc;

	/* No protocol before bind(): else it would hear every interface for a moment. */
	pq->fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (pq->fd < 0)
		return socket_error(packet, "socket", err);
	rc = set_options(packet, pq->fd, opts, err);
	if (rc != 0)
		return rc;
	if (bind(pq->fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0)
		return socket_error(packet, "bind", err);
	return 0;
}

/* Spreads frames over the queues by their flow, so that each flow keeps its order. */
static int join_fanout(struct packet *packet, struct err *err)
{
	uint32_t arg = (uint32_t)(PACKET_FANOUT_HASH | PACKET_FANOUT_FLAG_UNIQUEID) << 16;
	socklen_t size = sizeof(arg);

	if (packet->n_queues == 1)
		return 0;
	if (setsockopt(packet->queues[0].fd, SOL_PACKET, PACKET_FANOUT, &arg, sizeof(arg)) != 0 ||
	    getsockopt(packet->queues[0].fd, SOL_PACKET, PACKET_FANOUT, &arg, &size) != 0)
		return socket_error(packet, "PACKET_FANOUT", err);
	arg = (arg & 0xffff) | (uint32_t)PACKET_FANOUT_HASH << 16;
	for (uint16_t i = 1; i < packet->n_queues; i++)
		if (setsockopt(packet->queues[i].fd, SOL_PACKET, PACKET_FANOUT, &arg,
			       sizeof(arg)) != 0)
			return socket_error(packet, "PACKET_FANOUT", err);
	return 0;
}

static int set_promiscuous(const struct packet *packet, struct err *err)
{
	struct packet_mreq mreq = {.mr_ifindex = packet->before.ifindex,
				   .mr_type = PACKET_MR_PROMISC};

	if (setsockopt(packet->queues[0].fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, &mreq,
		       sizeof(mreq)) != 0)
		return socket_error(packet, "promiscuous mode", err);
	return 0;
}

/* What was asked of the interface itself; remembers what differs from before. */
static int prepare(struct packet *packet, const struct dp_port_opts *opts, struct err *err)
{
	const struct dp_netdev *before = &packet->before;
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
	packet->changed_up = change.up;
	packet->changed_mac = change.mac != NULL;
	packet->changed_mtu = change.mtu != 0;
	packet->port->own_mac = before->mac;
	packet->port->mac = packet->changed_mac ? opts->mac : before->mac;
	packet->port->mtu =
		opts->mtu != 0 ? opts->mtu : (uint16_t)RTE_MIN(before->mtu, (uint32_t)UINT16_MAX);
	return 0;
}

static void hide_from_stack(struct packet *packet)
{
	struct dp_port *port = packet->port;
	struct err why;

	if (dp_ingress_block_attach(&packet->block, packet->before.ifindex, false, &why) != 0)
		snprintf(port->note, sizeof(port->note),
			 "the host's stack also sees the frames of %s: %.100s", packet->before.name,
			 why.what);
}

/* Undoes what prepare() and hide_from_stack() did.  In the interface's network namespace. */
static int restore(void *arg)
{
	struct packet *packet = arg;
	struct dp_netdev_change change = {.netns_fd = -1};

	dp_ingress_block_detach(&packet->block);
	if (packet->gone)
		return 0;
	change.down = packet->changed_up;
	if (packet->changed_mtu)
		change.mtu = packet->before.mtu;
	if (packet->changed_mac)
		change.mac = &packet->before.mac;
	if (change.down || change.mtu != 0 || change.mac != NULL)
		(void)dp_netdev_change(packet->before.ifindex, &change, NULL);
	return 0;
}

static int take(struct packet *packet, const struct dp_port_opts *opts, struct err *err)
{
	int rc = prepare(packet, opts, err);

	if (rc != 0)
		return rc;
	hide_from_stack(packet);
	for (uint16_t i = 0; i < packet->n_queues && rc == 0; i++)
		rc = open_socket(packet, &packet->queues[i], opts, err);
	if (rc == 0)
		rc = join_fanout(packet, err);
	return rc != 0 ? rc : set_promiscuous(packet, err);
}

static int not_ethernet(const struct dp_netdev *dev, struct err *err)
{
	err_set(err, -EINVAL, "not-ethernet", "interface '%s' is not Ethernet", dev->name);
	err_why(err, "a switch forwards Ethernet frames");
	err_fix(err, "ip -o link shows which interfaces are link/ether");
	return -EINVAL;
}

static int look(const char *ifname, struct dp_netdev *ret_dev, struct err *err)
{
	int rc = dp_netdev_get(ifname, ret_dev, err);

	if (rc != 0)
		return rc;
	if (ret_dev->arptype != ARPHRD_ETHER || (ret_dev->flags & IFF_LOOPBACK) != 0)
		return not_ethernet(ret_dev, err);
	return 0;
}

/* In the interface's network namespace. */
static int open_inside(void *arg)
{
	struct opening *o = arg;
	struct packet *packet = o->packet;
	int rc = look(o->opts->ifname, &packet->before, o->err);

	if (rc != 0)
		return rc;
	rc = take(packet, o->opts, o->err);
	if (rc != 0)
		restore(packet);
	return rc;
}

/* In the interface's network namespace, without a port yet. */
static int check_inside(void *arg)
{
	struct opening *o = arg;
	struct dp_netdev dev;

	return look(o->opts->ifname, &dev, o->err);
}

int packet_check(const struct dp_port_opts *opts, struct err *err)
{
	struct opening o = {.opts = opts, .err = err};

	return dp_netns_call(opts->netns_fd, check_inside, &o, err);
}

struct setting {
	struct packet *packet;
	const struct dp_netdev_change *change;
	struct err *err;
};

static int apply_setting(void *arg)
{
	struct setting *s = arg;

	return dp_netdev_change(s->packet->before.ifindex, s->change, s->err);
}

/* Calls 'fn' where the interface is.  The sockets know; to keep a descriptor of the namespace for
 * this would be no worse than the sockets are: they hold it as long as the port is open. */
static int call_inside(struct packet *packet, int (*fn)(void *arg), void *arg, struct err *err)
{
	int fd = -1, rc;

	if (packet->in_netns) {
		fd = ioctl(packet->queues[0].fd, SIOCGSKNS);
		if (fd < 0)
			return err_set(err, -errno, "netns",
				       "cannot reach the network namespace of '%s': %s",
				       packet->before.name, strerror(errno));
	}
	rc = dp_netns_call(fd, fn, arg, err);
	if (fd >= 0)
		close(fd);
	return rc;
}

int packet_change(struct packet *packet, const struct dp_netdev_change *change, struct err *err)
{
	struct setting s = {packet, change, err};

	return call_inside(packet, apply_setting, &s, err);
}

static void packet_free(struct packet *packet)
{
	for (uint16_t i = 0; i < packet->n_queues; i++) {
		struct packet_queue *pq = &packet->queues[i];

		for (unsigned s = 0; s < PACKET_SLOTS; s++)
			dp_fdio_slot_fini(&pq->slot[s]);
		if (pq->fd >= 0)
			close(pq->fd);
	}
	free(packet->queues);
	free(packet);
}

static struct packet *packet_alloc(struct dp_port *port, const struct dp_port_opts *opts)
{
	struct packet *packet = calloc(1, sizeof(*packet));
	uint16_t n = opts->n_queues != 0 ? opts->n_queues : 1;

	if (packet == NULL)
		return NULL;
	packet->port = port;
	packet->block.link_fd = -1;
	packet->in_netns = opts->netns_fd >= 0 && !dp_netns_same(opts->netns_fd, -1);
	packet->queues = calloc(n, sizeof(*packet->queues));
	if (packet->queues == NULL) {
		free(packet);
		return NULL;
	}
	packet->n_queues = n;
	for (uint16_t i = 0; i < n; i++)
		packet->queues[i].fd = -1;
	return packet;
}

static int wire_queue(struct packet *packet, struct packet_queue *pq, struct rte_mempool *pool)
{
	for (unsigned i = 0; i < PACKET_SLOTS; i++)
		if (dp_fdio_slot_init(&pq->slot[i], pool) != 0)
			return -EINVAL;
	return 0;
}

/* Any worker may transmit by any socket at any time, so each has a queue of its own and none hands
 * frames on. */
static int wire_queues(struct packet *packet, struct err *err)
{
	struct dp_port *port = packet->port;
	struct rte_mempool *pool = dp_pool(port->dp, DP_FDIO_MAX_FRAME, false);

	if (pool == NULL || dp_port_alloc_queues(port, packet->n_queues, DP_MAX_QUEUES) != 0)
		return err_set(err, -ENOMEM, "no-memory", "no memory for the queues of '%s'",
			       port->name);
	for (uint16_t i = 0; i < packet->n_queues; i++) {
		struct dp_rxq *q = &port->rxq[i];

		q->priv = &packet->queues[i];
		q->pool = pool;
		q->wake_fd = packet->queues[i].fd;
		if (wire_queue(packet, &packet->queues[i], pool) != 0)
			return err_set(err, -EINVAL, "bad-pool", "packet buffers are too small");
	}
	for (uint16_t i = 0; i < port->n_txq; i++)
		port->txq[i].priv = &packet->queues[i % packet->n_queues];
	return 0;
}

/* Linux 6.2 and later understand UDP segmentation in a virtio_net_hdr; nothing can be asked that
 * would tell. */
static bool kernel_has_uso(void)
{
	struct utsname name;
	unsigned major = 0, minor = 0;

	if (uname(&name) != 0 || sscanf(name.release, "%u.%u", &major, &minor) != 2)
		return false;
	return major > 6 || (major == 6 && minor >= 2);
}

/* What the device cannot do the kernel does in software, behind the socket. */
static void set_caps(struct dp_port *port, bool offloads)
{
	port->tx_caps = DP_TX_CHAIN;
	if (offloads)
		port->tx_caps |= DP_TX_CSUM_TCP | DP_TX_CSUM_UDP | DP_TX_TSO4 | DP_TX_TSO6;
	if (offloads && kernel_has_uso())
		port->tx_caps |= DP_TX_USO;
}

int packet_open(struct dp_port *port, const struct dp_port_opts *opts, struct err *err)
{
	struct packet *packet = packet_alloc(port, opts);
	struct opening o = {packet, opts, err};
	int rc;

	if (packet == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for port '%s'", port->name);
	rc = dp_netns_call(opts->netns_fd, open_inside, &o, err);
	if (rc != 0) {
		packet_free(packet);
		return rc;
	}
	port->priv = packet;
	rc = wire_queues(packet, err);
	if (rc != 0) {
		packet_close(port);
		return rc;
	}
	set_caps(port, opts->offloads);
	snprintf(port->driver, sizeof(port->driver), "packet");
	return 0;
}

void packet_close(struct dp_port *port)
{
	struct packet *packet = port->priv;

	call_inside(packet, restore, packet, NULL);
	packet_free(packet);
	port->priv = NULL;
}
