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
};

/* Takes the interface, or leaves it as it was.  Sets port->priv. */
int xdp_open(struct dp_port *port, const struct dp_port_opts *opts, struct err *err);
/* Gives it back as it was, if it is still there. */
void xdp_close(struct dp_port *port);
/* Changes the interface, in the network namespace where it is. */
int xdp_change(struct xdp *xdp, const struct dp_netdev_change *change, struct err *err);

#endif
