/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The XDP program that hands an interface's frames to AF_XDP sockets, and its attachment.  Attached
 * by a link that lives as long as its descriptor: when the daemon dies, however it dies, the
 * interface is the kernel's again. Control thread.
 */
#ifndef DATAPLANE_XDP_REDIRECT_H
#define DATAPLANE_XDP_REDIRECT_H

#include <stdint.h>

#include <rte_ether.h>

struct dp_xdp_redirect {
	int map_fd, program_fd, link_fd; /* -1 when not there */
	int rules_fd, steer_fd;		 /* while it steers; -1 */
};

/* Attaches to the interface in the driver's own hook; without one (-EOPNOTSUPP) AF_XDP is not worth
 * having.  -EBUSY: there is another program.  -ERANGE: a veth whose peer's MTU is too large. Frames
 * of queues without a socket are dropped: the interface is the switch's, and the kernel's stack is
 * to see nothing of it.  0 or a negative errno, and nothing is left behind.  In the interface's
 * network namespace. */
int dp_xdp_redirect_attach(struct dp_xdp_redirect *xr, int ifindex, uint32_t n_queues);
/* From now on frames of 'queue' go to 'socket'. */
int dp_xdp_redirect_set(const struct dp_xdp_redirect *xr, uint32_t queue, int socket);
/* Puts a program in place that looks addresses up: rules say a slot, whose sockets are those from
 * slot * 'n_queues' on.  No frame is lost.  0 or a negative errno, and all is as before. */
int dp_xdp_redirect_steer(struct dp_xdp_redirect *xr, uint32_t n_queues);
void dp_xdp_redirect_unsteer(struct dp_xdp_redirect *xr);
/* Frames for (mac, vlan) go to 'slot'; 0: as all others.  'vlan' 0: without a tag; UINT16_MAX: with
 * any, where no other rule knows it.  0, -EEXIST, -ENOENT, -E2BIG. */
int dp_xdp_redirect_rule(const struct dp_xdp_redirect *xr, const struct rte_ether_addr *mac,
			 uint16_t vlan, uint32_t slot);
void dp_xdp_redirect_detach(struct dp_xdp_redirect *xr);

#endif
