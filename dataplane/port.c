/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Opening and closing ports: what all kinds have in common.  See port.h.
 */
#include "dataplane/port.h"
#include "dataplane/dp_priv.h"
#include "dataplane/team.h"
#include "dataplane/tunnel.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ETHERNET_MTU 1500
#define MIN_MTU	     68
#define HEADER_SIZE  14

static const struct dp_port_ops *find_ops(const char *kind)
{
	const struct dp_port_ops *all[] = {&dp_port_tap_ops,	&dp_port_packet_ops,
					   &dp_port_xdp_ops,	&dp_port_eth_ops,
					   &dp_port_vhost_ops,	&dp_port_memif_ops,
					   &dp_port_mem_ops,	&dp_port_vtep_ops,
					   &dp_port_tunnel_ops, &dp_port_team_ops};

	for (size_t i = 0; kind != NULL && i < sizeof(all) / sizeof(all[0]); i++)
		if (all[i] != NULL && strcmp(all[i]->kind, kind) == 0)
			return all[i];
	return NULL;
}

int dp_port_alloc_queues(struct dp_port *port, uint16_t n_rxq, uint16_t n_txq)
{
	struct dp_rxq *rxq = NULL;
	struct dp_txq *txq = NULL;

	if (n_rxq != 0)
		rxq = aligned_alloc(_Alignof(struct dp_rxq), n_rxq * sizeof(*rxq));
	if (n_txq != 0)
		txq = aligned_alloc(_Alignof(struct dp_txq), n_txq * sizeof(*txq));
	if ((n_rxq != 0 && rxq == NULL) || (n_txq != 0 && txq == NULL)) {
		free(rxq);
		free(txq);
		return -ENOMEM;
	}
	for (uint16_t i = 0; i < n_rxq; i++) {
		memset(&rxq[i], 0, sizeof(rxq[i]));
		rxq[i].rx = port->ops->rx;
		rxq[i].port = port;
		rxq[i].index = i;
		rxq[i].wake_fd = -1;
	}
	for (uint16_t i = 0; i < n_txq; i++) {
		memset(&txq[i], 0, sizeof(txq[i]));
		txq[i].port = port;
		txq[i].index = i;
	}
	free(port->rxq);
	free(port->txq);
	port->rxq = rxq;
	port->txq = txq;
	port->n_rxq = n_rxq;
	port->n_txq = n_txq;
	return 0;
}

static void port_free(struct dp_port *port)
{
	free(port->rxq);
	free(port->txq);
	free(port);
}

static const struct dp_port_ops *ops_of(const struct dp_port_opts *opts)
{
	return opts->ops != NULL ? opts->ops : find_ops(opts->kind);
}

int dp_port_check(const struct dp_port_opts *opts, struct err *err)
{
	const struct dp_port_ops *ops = ops_of(opts);

	if (ops == NULL)
		return err_set(err, -EINVAL, "no-such-kind", "no port kind '%s'",
			       opts->kind != NULL ? opts->kind : "");
	if (opts->name == NULL || opts->name[0] == '\0' || strlen(opts->name) >= DP_PORT_NAME_SIZE)
		return err_set(err, -EINVAL, "bad-name", "a port name has 1 to %u characters",
			       DP_PORT_NAME_SIZE - 1);
	if (opts->n_queues > DP_MAX_QUEUES)
		return err_set(err, -EINVAL, "too-many-queues", "%u queues: at most %u",
			       opts->n_queues, DP_MAX_QUEUES);
	return ops->check != NULL ? ops->check(opts, err) : 0;
}

int dp_port_open(struct dp *dp, const struct dp_port_opts *opts, struct dp_port **ret_port,
		 struct err *err)
{
	const struct dp_port_ops *ops = ops_of(opts);
	struct dp_port *port;
	int rc = dp_port_check(opts, err);

	if (rc != 0)
		return rc;
	port = aligned_alloc(_Alignof(struct dp_port), sizeof(*port));
	if (port == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory for port '%s'", opts->name);
	memset(port, 0, sizeof(*port));
	port->ops = ops;
	port->tx = ops->tx;
	port->dp = dp;
	port->serial = dp_port_next_serial(dp);
	port->id = DP_NO_PORT;
	port->mtu = opts->mtu != 0 ? opts->mtu : ETHERNET_MTU;
	snprintf(port->name, sizeof(port->name), "%s", opts->name);
	rc = ops->open(port, opts, err);
	if (rc != 0) {
		port_free(port);
		return rc;
	}
	if (port->max_frame == 0)
		port->max_frame = (uint16_t)RTE_MIN(port->mtu + HEADER_SIZE, UINT16_MAX);
	*ret_port = port;
	return 0;
}

void dp_port_close(struct dp_port *port)
{
	if (port == NULL)
		return;
	port->ops->close(port);
	port_free(port);
}

int dp_mtu_check(uint16_t mtu, uint16_t max, struct err *err)
{
	if (mtu < MIN_MTU || mtu > max)
		return err_set(err, -EINVAL, "mtu-range", "mtu %u: must be %u to %u", mtu, MIN_MTU,
			       max);
	return 0;
}
