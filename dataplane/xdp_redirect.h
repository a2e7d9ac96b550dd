/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The XDP program that hands an interface's frames to AF_XDP sockets, and its attachment.  Attached
 * by a link that lives as long as its descriptor: when the daemon dies, however it dies, the
 * interface is the kernel's again. Control thread.
 */
#ifndef DATAPLANE_XDP_REDIRECT_H
#define DATAPLANE_XDP_REDIRECT_H

#include <stdint.h>

struct dp_xdp_redirect {
	int map_fd, program_fd, link_fd; /* -1 when not there */
};

/* Attaches to the interface in the driver's own hook; without one (-EOPNOTSUPP) AF_XDP is not worth
 * having.  -EBUSY: there is another program.  -ERANGE: a veth whose peer's MTU is too large. Frames
 * of queues without a socket are dropped: the interface is the switch's, and the kernel's stack is
 * to see nothing of it.  0 or a negative errno, and nothing is left behind.  In the interface's
 * network namespace. */
int dp_xdp_redirect_attach(struct dp_xdp_redirect *xr, int ifindex, uint32_t n_queues);
/* From now on frames of 'queue' go to 'socket'. */
int dp_xdp_redirect_set(const struct dp_xdp_redirect *xr, uint32_t queue, int socket);
void dp_xdp_redirect_detach(struct dp_xdp_redirect *xr);

#endif
