/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Can AF_XDP serve an interface?  Asked before a port of kind "xdp" (port_xdp.c) is opened, so that
 * its absence is a reason and not an error.  Control thread; the interface is in our network
 * namespace.
 */
#ifndef DATAPLANE_XDP_CHECK_H
#define DATAPLANE_XDP_CHECK_H

#include <stddef.h>
#include <stdint.h>

/* 0, or a negative errno and in 'ret_reason' why not, for people ("another XDP program (id 7) is
 * attached").  What only an attempt can tell (has the driver XDP?) the open says.  'mtu' 0: the
 * interface's own. */
int dp_xdp_check(const char *ifname, uint16_t mtu, char *ret_reason, size_t size);

/* The longest MTU that AF_XDP serves: a frame has a page, less what XDP and the kernel's buffers
 * need. */
#define DP_XDP_MAX_MTU 3498u

/* Receive queues that the interface uses; at least 1. */
uint16_t dp_xdp_queues(const char *ifname);

#endif
