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
	_Atomic bool off;	   /* stopped, or the device is gone: do not touch */
	_Atomic bool copies;	   /* receive: a group frame is a copy of what queue 0 got */
	_Atomic uint64_t n_copies; /* taken away; its worker writes */
	struct rte_mempool *pool;  /* for copies */
} __attribute__((aligned(64)));

struct eth_port;
struct dp_steer_ops;

/* What a way of steering does when the device stops and starts for other reasons. */
struct eth_steering {
	void (*before_stop)(struct eth_port *ep); /* may be NULL */
	void (*after_start)(struct eth_port *ep);
};

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
	const struct eth_steering *steering; /* NULL: no steering */
	uint32_t generation;		     /* how often it was restarted */
	uint16_t steer_first;		     /* of a pool: also how many queues it has */
	bool steer_by_vlan;
};

/* Stops the device, configures it as 'next' says, starts it.  On failure the old configuration
 * comes back, if it can.  Control thread; waits for the workers. */
int eth_restart(struct eth_port *ep, const struct eth_wish *next, struct err *err);

/* The port's 'steer' (steer_eth.c), and what its ways share. */
extern const struct dp_steer_ops eth_steer_flow, eth_steer_vmdq;
const struct dp_steer_ops *const *eth_steer(struct dp_port *port);
int eth_steer_count(struct dp_port *port, uint16_t queue, uint64_t *ret_packets);
uint32_t eth_steer_generation(struct dp_port *port, bool *ret_gone);

/* The port's 'show'. */
json_t *eth_show(struct dp_port *port);

#endif
