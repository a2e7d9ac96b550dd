/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a port driver asks of its surroundings, for programs that link no switch.
 */
#include "tests/support/stub_port.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t n_malformed;

uint64_t stub_port_malformed(void)
{
	return n_malformed;
}

__attribute__((weak)) void dp_rx_malformed(struct dp_rxq *q, uint16_t n)
{
	n_malformed += n;
}

__attribute__((weak)) int dp_port_alloc_queues(struct dp_port *port, uint16_t n_rxq, uint16_t n_txq)
{
	free(port->rxq);
	free(port->txq);
	port->rxq = aligned_alloc(64, n_rxq * sizeof(*port->rxq));
	port->txq = aligned_alloc(64, n_txq * sizeof(*port->txq));
	if (port->rxq == NULL || port->txq == NULL)
		return -ENOMEM;
	memset(port->rxq, 0, n_rxq * sizeof(*port->rxq));
	memset(port->txq, 0, n_txq * sizeof(*port->txq));
	for (uint16_t i = 0; i < n_rxq; i++) {
		port->rxq[i].rx = port->ops->rx;
		port->rxq[i].port = port;
		port->rxq[i].index = i;
		port->rxq[i].wake_fd = -1;
	}
	for (uint16_t i = 0; i < n_txq; i++) {
		port->txq[i].port = port;
		port->txq[i].index = i;
	}
	port->n_rxq = n_rxq;
	port->n_txq = n_txq;
	return 0;
}

int stub_port_open(struct dp *dp, const struct dp_port_ops *ops, const struct dp_port_opts *opts,
		   struct dp_port **ret_port, struct err *err)
{
	struct dp_port *port = aligned_alloc(64, sizeof(*port));
	int rc;

	if (port == NULL)
		return -ENOMEM;
	memset(port, 0, sizeof(*port));
	port->ops = ops;
	port->tx = ops->tx;
	port->dp = dp;
	port->mtu = opts->mtu != 0 ? opts->mtu : 1500;
	snprintf(port->name, sizeof(port->name), "%s", opts->name);
	rc = ops->open(port, opts, err);
	if (rc != 0) {
		free(port->rxq);
		free(port->txq);
		free(port);
		return rc;
	}
	*ret_port = port;
	return 0;
}

void stub_port_close(struct dp_port *port)
{
	port->ops->close(port);
	free(port->rxq);
	free(port->txq);
	free(port);
}
