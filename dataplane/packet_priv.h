/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the two halves of the packet driver share: port_packet.c (frames, link) and packet_open.c
 * (taking an interface and giving it back).
 */
#ifndef DATAPLANE_PACKET_PRIV_H
#define DATAPLANE_PACKET_PRIV_H

#include "dataplane/fdio.h"
#include "dataplane/ingress_block.h"
#include "dataplane/netdev.h"
#include "dataplane/port.h"

#include <linux/if_packet.h>

/* Frames a system call receives.  Each slot pins buffers for a super-frame, and eight have nearly
 * all of the gain. */
#define PACKET_SLOTS 8u

struct packet_control {
	_Alignas(struct cmsghdr) char data[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
};

struct packet_queue {
	int fd;
	struct mmsghdr msg[PACKET_SLOTS];
	struct packet_control control[PACKET_SLOTS];
	struct dp_fdio_slot slot[PACKET_SLOTS];
};

struct packet {
	struct dp_port *port;
	struct dp_netdev before; /* the interface as it was when it was taken */
	bool in_netns;
	bool gone; /* control thread */
	bool changed_up, changed_mtu, changed_mac;
	struct dp_ingress_block block;
	_Atomic uint64_t malformed; /* frames; rare, so all queues share one */
	uint64_t kernel_drops;	    /* frames that found the socket's buffer full; control thread */
	uint16_t n_queues;
	struct packet_queue *queues;
};

/* Is there an Ethernet interface of that name? */
int packet_check(const struct dp_port_opts *opts, struct err *err);
/* Takes the interface, or leaves it as it was.  Sets port->priv. */
int packet_open(struct dp_port *port, const struct dp_port_opts *opts, struct err *err);
/* Gives it back as it was, if it is still there. */
void packet_close(struct dp_port *port);

/* Changes the interface, in the network namespace where it is. */
int packet_change(struct packet *packet, const struct dp_netdev_change *change, struct err *err);

#endif
