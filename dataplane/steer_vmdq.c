/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Steering by VMDq pools of a DPDK device (Intel's 82576, i350, 82599 and kin): the device looks
 * the destination address up in its table of addresses, which says the pool; a pool is a queue or
 * several.  Everything that has no pool of its own goes to pool 0, which is the shared queue.
 *
 * VMDq is a mode of the device, so opening and closing restart it.  There is no RSS beside it: the
 * shared frames all come by queue 0.
 *
 * The device copies each group frame to every pool.  Pool 0's is the one that counts; eth_rx()
 * takes away the copies (eth_queue's 'copies').  Some devices (QEMU's 82576) know multicast in this
 * mode by their hash table only, so every place of that is filled.
 *
 * VLANs are not looked at.  DPDK's drivers turn the filter on that drops tags which no pool asked
 * for; it is turned off again after each start, since an uplink's VLANs are the switch's business.
 *
 * Threads: control thread.
 */
#include "dataplane/eth_priv.h"
#include "dataplane/steer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define N_HASHES 4096u

/* Where the queues of a pool are is up to the device; these are known. */
static const struct {
	const char *driver;
	uint16_t queues_per_pool; /* between the first queues of two pools */
} known[] = {
	{"net_e1000_igb", 1}, /* pool p: queues p and p + 8 */
	{"net_ixgbe", 2},     /* 64 pools of 2 queues */
};

static uint16_t stride(const struct eth_port *ep)
{
	for (size_t i = 0; i < RTE_DIM(known); i++)
		if (ep->info.driver_name != NULL &&
		    strcmp(ep->info.driver_name, known[i].driver) == 0)
			return known[i].queues_per_pool;
	return 0;
}

/* Whichever mode it started in. */
static void set_copies(struct eth_port *ep)
{
	bool on = ep->conf.dev.rxmode.mq_mode == RTE_ETH_MQ_RX_VMDQ_ONLY;

	for (uint16_t i = 1; i < ep->port->n_rxq; i++)
		atomic_store(&ep->rxq[i].copies, on);
}

/* One address for each place of a table that is indexed by the last 12 bits. */
static void accept_multicast(const struct eth_port *ep)
{
	struct rte_ether_addr *all = calloc(N_HASHES, sizeof(*all));

	for (unsigned i = 0; all != NULL && i < N_HASHES; i++)
		all[i] =
			(struct rte_ether_addr){{1, 0, 0, 0, (uint8_t)(i << 4), (uint8_t)(i >> 4)}};
	if (all != NULL)
		(void)rte_eth_dev_set_mc_addr_list(ep->port_id, all, N_HASHES);
	free(all);
}

static void after_start(struct eth_port *ep)
{
	set_copies(ep);
	if (ep->conf.dev.rxmode.mq_mode != RTE_ETH_MQ_RX_VMDQ_ONLY) {
		(void)rte_eth_dev_set_mc_addr_list(ep->port_id, NULL, 0);
		return;
	}
	accept_multicast(ep);
	/* Off is only heard by who believes that it is on. */
	if (rte_eth_dev_set_vlan_offload(ep->port_id, RTE_ETH_VLAN_FILTER_OFFLOAD) == 0)
		(void)rte_eth_dev_set_vlan_offload(ep->port_id, 0);
}

static const struct eth_steering steering = {.after_start = after_start};

/* Restarts in the mode, or out of it (0). */
static int set_pools(struct eth_port *ep, uint16_t n_pools, struct err *err)
{
	struct eth_wish next = ep->wish;
	int rc;

	next.n_queues = ep->conf.n_rxq;
	next.n_cpus = ep->conf.n_txq;
	next.n_pools = n_pools;
	ep->steering = &steering;
	rc = eth_restart(ep, &next, err);
	if (rc == 0)
		ep->wish.n_pools = n_pools;
	if (rc != 0 || n_pools == 0)
		ep->steering = NULL;
	return rc;
}

static int vmdq_open(struct dp_port *port, uint16_t n_shared, struct dp_steer_caps *ret_caps,
		     struct err *err)
{
	struct eth_port *ep = port->priv;
	uint16_t n_pools = ep->info.max_vmdq_pools, per_pool = stride(ep), n;
	int rc;

	if (n_pools == 0)
		return err_set(err, -EOPNOTSUPP, "no-vmdq", "the device has no pools");
	if (per_pool == 0 || (n_pools != RTE_ETH_8_POOLS && n_pools != RTE_ETH_64_POOLS))
		return err_set(err, -EOPNOTSUPP, "no-vmdq",
			       "where %s has the queues of its %u pools is not known", port->driver,
			       n_pools);
	n = RTE_MIN((uint16_t)((port->n_rxq + per_pool - 1) / per_pool), n_pools);
	if (n < 2)
		return err_set(err, -ENOSPC, "few-queues", "a second pool needs queue %u",
			       per_pool);
	rc = set_pools(ep, n_pools, err);
	if (rc != 0)
		return rc;
	ep->steer_first = per_pool;
	*ret_caps =
		(struct dp_steer_caps){.first = per_pool,
				       .n_queues = (uint16_t)(port->n_rxq - per_pool),
				       .max_rules = (uint16_t)RTE_MIN(ep->info.max_mac_addrs - 1u,
								      (uint32_t)UINT16_MAX),
				       .stride = per_pool,
				       .max_spread = 1,
				       .group_copies = true};
	snprintf(ret_caps->why, sizeof(ret_caps->why),
		 "VMDq: %u pools, no VLANs, frames of all others come by one queue", n_pools);
	return 0;
}

static void vmdq_close(struct dp_port *port)
{
	struct eth_port *ep = port->priv;

	if (!atomic_load(&ep->gone))
		(void)set_pools(ep, 0, NULL);
	ep->wish.n_pools = 0;
	ep->steering = NULL;
}

static int refuse(const struct eth_port *ep, int rc, struct err *err)
{
	const char *why = strerror(-rc);

	if (rc == -ENOSPC)
		why = "its table of addresses is full";
	return err_set(err, rc, "pool-refused", "device '%s': %s", ep->devargs.name, why);
}

static int vmdq_add(struct dp_port *port, const struct dp_steer_rule *rule, void **ret_handle,
		    struct err *err)
{
	struct eth_port *ep = port->priv;
	struct rte_ether_addr mac = rule->mac;
	uint16_t per_pool = ep->steer_first;
	int rc;

	if (!ep->started || atomic_load(&ep->gone))
		return err_set(err, -ENODEV, "device-gone", "the device does not run");
	if (rule->queue % per_pool != 0 || rule->queue / per_pool >= ep->info.max_vmdq_pools)
		return err_set(err, -EINVAL, "pool-refused", "queue %u is no pool's first",
			       rule->queue);
	if (rte_is_same_ether_addr(&mac, &port->mac))
		return err_set(err, -EEXIST, "pool-refused", "that is the port's own address");
	rc = rte_eth_dev_mac_addr_add(ep->port_id, &mac, rule->queue / per_pool);
	if (rc != 0)
		return refuse(ep, rc, err);
	*ret_handle = NULL;
	return 0;
}

/* DPDK itself puts addresses on again when the device starts, so they go also if 'forgotten'. */
static int vmdq_del(struct dp_port *port, const struct dp_steer_rule *rule, void *handle,
		    bool forgotten)
{
	struct eth_port *ep = port->priv;
	struct rte_ether_addr mac = rule->mac;
	int rc;

	if (atomic_load(&ep->gone))
		return 0;
	rc = rte_eth_dev_mac_addr_remove(ep->port_id, &mac);
	return forgotten ? 0 : rc;
}

const struct dp_steer_ops eth_steer_vmdq = {
	.kind = "vmdq",
	.restarts = true,
	.open = vmdq_open,
	.close = vmdq_close,
	.add = vmdq_add,
	.del = vmdq_del,
	.count = eth_steer_count,
	.generation = eth_steer_generation,
};
