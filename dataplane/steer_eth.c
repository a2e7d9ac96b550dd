/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What both ways of steering on DPDK devices share (steer_flow.c, steer_vmdq.c), and their order.
 * Flow rules come first: they leave the device as it is, and know VLANs.  Control thread.
 */
#include "dataplane/eth_priv.h"
#include "dataplane/steer.h"

#include <errno.h>

const struct dp_steer_ops *const *eth_steer(struct dp_port *port)
{
	static const struct dp_steer_ops *const ways[] = {&eth_steer_flow, &eth_steer_vmdq, NULL};

	return ways;
}

/* Many drivers leave the counters of queues at zero. */
int eth_steer_count(struct dp_port *port, uint16_t queue, uint64_t *ret_packets)
{
	const struct eth_port *ep = port->priv;
	struct rte_eth_stats stats = {0};
	uint64_t sum = 0;
	int rc;

	if (queue >= RTE_ETHDEV_QUEUE_STAT_CNTRS)
		return -EOPNOTSUPP;
	rc = rte_eth_stats_get(ep->port_id, &stats);
	if (rc != 0)
		return rc;
	for (unsigned i = 0; i < RTE_ETHDEV_QUEUE_STAT_CNTRS; i++)
		sum += stats.q_ipackets[i];
	if (sum == 0 && stats.ipackets != 0)
		return -EOPNOTSUPP;
	*ret_packets = stats.q_ipackets[queue];
	return 0;
}

uint32_t eth_steer_generation(struct dp_port *port, bool *ret_gone)
{
	const struct eth_port *ep = port->priv;

	*ret_gone = atomic_load(&ep->gone);
	return ep->generation;
}
