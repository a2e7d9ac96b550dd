/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What there is to tell of a DPDK device: driver, queues, RSS, offloads and the device's own
 * counters that are not zero. Control thread.
 */
#include "dataplane/eth_priv.h"

#include <stdlib.h>

#include <rte_dev.h>

static json_t *offload_names(uint64_t bits, const char *(*name)(uint64_t))
{
	json_t *list = json_array();

	for (unsigned i = 0; i < 64; i++)
		if ((bits >> i & 1) != 0)
			json_array_append_new(list, json_string(name(UINT64_C(1) << i)));
	return list;
}

static json_t *counters(uint16_t port_id)
{
	int n = rte_eth_xstats_get_names(port_id, NULL, 0);
	struct rte_eth_xstat_name *names = NULL;
	struct rte_eth_xstat *values = NULL;
	json_t *o = json_object();

	if (n <= 0)
		return o;
	names = calloc((size_t)n, sizeof(*names));
	values = calloc((size_t)n, sizeof(*values));
	if (names != NULL && values != NULL &&
	    rte_eth_xstats_get_names(port_id, names, (unsigned)n) == n &&
	    rte_eth_xstats_get(port_id, values, (unsigned)n) == n)
		for (int i = 0; i < n; i++)
			if (values[i].value != 0 && values[i].id < (uint64_t)n)
				json_object_set_new(o, names[values[i].id].name,
						    json_integer((json_int_t)values[i].value));
	free(names);
	free(values);
	return o;
}

json_t *eth_show(struct dp_port *port)
{
	const struct eth_port *ep = port->priv;
	const struct rte_eth_rss_conf *rss = &ep->conf.dev.rx_adv_conf.rss_conf;
	bool gone = atomic_load(&ep->gone);

	return json_pack("{ss ss ss si si si si sb sb so so so}", "driver",
			 ep->info.driver_name != NULL ? ep->info.driver_name : "", "device",
			 ep->devargs.name, "arguments", ep->devargs.full, "rx_queues", port->n_rxq,
			 "tx_queues", port->n_txq, "rx_descriptors", ep->conf.n_rx_desc,
			 "tx_descriptors", ep->conf.n_tx_desc, "rss", rss->rss_hf != 0, "removed",
			 gone, "rx_offloads",
			 offload_names(ep->conf.dev.rxmode.offloads, rte_eth_dev_rx_offload_name),
			 "tx_offloads",
			 offload_names(ep->conf.dev.txmode.offloads, rte_eth_dev_tx_offload_name),
			 "counters", gone ? json_object() : counters(ep->port_id));
}
