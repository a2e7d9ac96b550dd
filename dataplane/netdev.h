/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A Linux interface: what a driver has to know and to set when it takes one (libnl-route).  In the
 * network namespace of the calling thread; reach others through dp_netns_call().  Control thread;
 * these may wait for the kernel's interface lock, so never from a link() callback.
 */
#ifndef DATAPLANE_NETDEV_H
#define DATAPLANE_NETDEV_H

#include "ctl/base/err.h"

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>

struct dp_netdev {
	int ifindex;
	char name[IFNAMSIZ];
	char kind[32];	  /* "veth", "tun"; empty for hardware */
	unsigned flags;	  /* IFF_* */
	unsigned arptype; /* ARPHRD_* */
	uint32_t mtu;
	struct rte_ether_addr mac;
	uint32_t speed_mbps; /* 0: unknown */
};

/* What to change.  Zeros change nothing, but for netns_fd: -1. */
struct dp_netdev_change {
	const char *name;
	int netns_fd; /* move it there */
	uint32_t mtu;
	uint32_t tx_queue_size; /* frames */
	const struct rte_ether_addr *mac;
	bool up, down;
};

/* libnl keeps its own error numbers; the negative errno that fits 'nl_rc'. */
int dp_nl_errno(int nl_rc);

/* Is 'name' one that the kernel accepts for an interface?  -EINVAL says why not. */
int dp_netdev_check_name(const char *name, struct err *err);

/* -ENODEV when there is no such interface. */
int dp_netdev_get(const char *name, struct dp_netdev *ret_dev, struct err *err);

/* Applies all of 'change' in one request to the kernel. */
int dp_netdev_change(int ifindex, const struct dp_netdev_change *change, struct err *err);

#endif
