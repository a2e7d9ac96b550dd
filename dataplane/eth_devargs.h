/* SPDX-License-Identifier: BSD-2-Clause
 *
 * DPDK device arguments: what kind of device a string names.  Pure; any thread.
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

#endif
