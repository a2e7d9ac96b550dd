/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the two halves of the AF_XDP driver share: port_xdp.c (frames, link) and xdp_open.c (taking
 * an interface and giving it back).
 */
#ifndef DATAPLANE_XDP_PRIV_H
#define DATAPLANE_XDP_PRIV_H

#include "dataplane/netdev.h"
#include "dataplane/port.h"
#include "dataplane/xdp_redirect.h"
#include "dataplane/xsk.h"

/* A receive queue that can be somebody's own: a socket on each queue of the interface. */
struct xdp_side {
	struct dp_xsk_side *sockets; /* n_queues of them */
	uint16_t n, next;	     /* which is asked first; its worker's */
	int epoll_fd;		     /* of several; -1 */
};

struct xdp {
	struct dp_port *port;
	struct dp_netdev before; /* the interface as it was when it was taken */
	bool in_netns, gone;
	bool partial; /* frames may come with unfinished checksums */
	bool zero_copy;
	bool changed_up, changed_mtu, changed_mac;
	uint32_t frame_size, n_rx, n_tx;
	struct dp_xdp_redirect redirect;
	int sock; /* holds promiscuous mode, and the network namespace */
	uint16_t n_queues;
	struct dp_xsk *queues;
	uint16_t n_sides;
	struct xdp_side *sides;
};

/* Takes the interface, or leaves it as it was.  Sets port->priv. */
int xdp_open(struct dp_port *port, const struct dp_port_opts *opts, struct err *err);
/* Gives it back as it was, if it is still there. */
void xdp_close(struct dp_port *port);
/* Changes the interface, in the network namespace where it is. */
int xdp_change(struct xdp *xdp, const struct dp_netdev_change *change, struct err *err);

/* xdp_side.c.  Those that were asked for beyond the interface's own queues; in its network
 * namespace, when the queues are open.  0 or negative errno; what was opened goes with
 * xdp_sides_close(). */
int xdp_sides_open(struct xdp *xdp, struct err *err);
void xdp_sides_close(struct xdp *xdp);
/* Descriptor that tells of frames. */
int xdp_side_fd(const struct xdp_side *side);
/* A queue's 'rx'; its 'priv' is a side. */
uint16_t xdp_side_rx(struct dp_rxq *q, struct rte_mbuf **pkts, uint16_t n);

/* The port's 'steer' (steer_xdp.c). */
const struct dp_steer_ops *const *xdp_steer(struct dp_port *port);

#endif
