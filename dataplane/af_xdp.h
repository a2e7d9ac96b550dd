/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Linux interfaces through AF_XDP: can it be, and if not, why not.  Control thread.
 *
 * What is known of it, found out on Linux 6.18 with net_af_xdp of DPDK 22.11: docs in af_xdp.c.
 */
#ifndef DATAPLANE_AF_XDP_H
#define DATAPLANE_AF_XDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* 1: AF_XDP can serve interface 'ifname' of this network namespace with frames of 'mtu'.  0: it
 * cannot, and ret_reason says why in words ("AF_PACKET: ..." would be how it ends in port->note).
 * The last word has the driver: opening may fail all the same. */
int dp_eth_af_xdp_ok(const char *ifname, uint16_t mtu, char *ret_reason, size_t size);

/* No NIC behind the interface: veth, tap, bridge, a virtual NIC. */
bool dp_eth_is_software(const char *ifname);

/* The interface's MTU; 0 when it cannot be had. */
uint16_t dp_eth_if_mtu(const char *ifname);
/* Queues that AF_XDP must serve for every frame to arrive; 0 when it cannot serve all of them. */
uint16_t dp_eth_if_queues(const char *ifname);

enum dp_if_state { DP_IF_UP, DP_IF_NO_CARRIER, DP_IF_DOWN, DP_IF_GONE };
/* '*fd' is a socket kept between calls, -1 at first.  Never blocks. */
enum dp_if_state dp_eth_if_state(int *fd, const char *ifname, unsigned ifindex);

#endif
