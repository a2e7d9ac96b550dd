/* SPDX-License-Identifier: BSD-2-Clause
 *
 * DPDK device arguments: what kind of device a string names, and strings for the devices that are
 * built from an interface or a socket.  Pure; any thread.
 */
#ifndef DATAPLANE_ETH_DEVARGS_H
#define DATAPLANE_ETH_DEVARGS_H

#include "ctl/base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ETH_DEVARGS_SIZE 320

enum eth_bus { ETH_BUS_PCI, ETH_BUS_VDEV, ETH_BUS_OTHER };

struct eth_devargs {
	enum eth_bus bus;
	char name[64];		     /* "0000:03:00.0", "net_null0" */
	char full[ETH_DEVARGS_SIZE]; /* for DPDK: the same with the arguments behind it */
};

/* Understands "3:00.0", "0000:03:00.0,arg=1", "pci:...", "net_null0,size=64", "vdev:net_null0", and
 * "BUS:NAME" of other buses.  -EINVAL for what cannot be a device. */
int eth_devargs_parse(const char *text, struct eth_devargs *ret, struct err *err);

/* A Linux interface through AF_XDP: its queues 0 to n_queues - 1.  'software': no NIC behind it
 * (veth, tap), so nothing is gained by driving its interrupts from the poll loop.  0, -EINVAL. */
int dp_eth_af_xdp_devargs(const char *ifname, uint16_t n_queues, bool software, char *ret,
			  size_t size, struct err *err);

#endif
