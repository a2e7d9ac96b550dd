/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A DPDK device as a port, between port_eth.c and eth_show.c.
 */
#ifndef DATAPLANE_ETH_PRIV_H
#define DATAPLANE_ETH_PRIV_H

#include "dataplane/eth_conf.h"
#include "dataplane/eth_devargs.h"
#include "dataplane/port.h"

#include <stdatomic.h>

/* One of a device's queues, as its worker sees it. */
struct eth_queue {
	uint16_t port_id; /* DPDK's */
	uint16_t queue;
	_Atomic bool off;	  /* stopped, or the device is gone: do not touch */
	struct rte_mempool *pool; /* for copies */
} __attribute__((aligned(64)));

struct eth_port {
	struct dp_port *port;
	uint16_t port_id;
	bool started;
	_Atomic bool gone; /* told by DPDK, on its interrupt thread */
	struct eth_devargs devargs;
	struct eth_wish wish; /* as asked for */
	struct eth_conf conf; /* as configured */
	struct rte_eth_dev_info info;
	struct eth_queue *rxq, *txq;
};

/* The port's 'show'. */
json_t *eth_show(struct dp_port *port);

#endif
