/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How a DPDK device is configured: from what it can do and what was asked for, queues, RSS and
 * offloads.  Pure; control thread.
 */
#ifndef DATAPLANE_ETH_CONF_H
#define DATAPLANE_ETH_CONF_H

#include "dataplane/port.h"

#include <rte_ethdev.h>

#define ETH_MIN_MTU 68
#define ETH_MAX_MTU 65500 /* a frame's length with tags fits 16 bits */

struct eth_conf {
	struct rte_eth_conf dev; /* rss_key points into this struct: do not copy it */
	uint8_t rss_key[64];
	uint16_t n_rxq, n_txq;
	uint16_t n_rx_desc, n_tx_desc;
	uint32_t tx_caps; /* DP_TX_* */
	uint32_t frame;	  /* bytes a receive buffer must hold if 'single' */
	bool single;	  /* a frame must fit one buffer */
};

/* What the rules depend on besides the device's own word. */
struct eth_wish {
	uint16_t n_queues; /* 0: ours to choose */
	uint16_t n_desc;   /* 0: the driver's choice */
	uint16_t mtu;
	bool offloads;
	uint16_t n_workers;
	uint16_t n_cpus;
	uint16_t n_pools; /* 0: RSS; else that many VMDq pools (steer_vmdq.c) */
	uint32_t buffer;  /* bytes of a pool buffer without headroom */
};

/* 0, or -EINVAL with the reason: more queues than the device has, an MTU out of its range. */
int eth_conf_make(const struct rte_eth_dev_info *info, const struct eth_wish *wish,
		  struct eth_conf *ret, struct err *err);

/* MTU against the device's limits.  0 or -EINVAL. */
int eth_conf_check_mtu(const struct rte_eth_dev_info *info, uint16_t mtu, struct err *err);

#endif
