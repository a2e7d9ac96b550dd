/* SPDX-License-Identifier: BSD-2-Clause
 *
 * DPDK devices come and go: probing one that a port names, removing it.  Control thread.
 */
#ifndef DATAPLANE_ETH_PROBE_H
#define DATAPLANE_ETH_PROBE_H

#include "ctl/base/err.h"
#include "dataplane/eth_devargs.h"

#include <stdint.h>

/* Would eth_probe() refuse it, as far as can be known before anything is touched? */
int eth_probe_check(const struct eth_devargs *d, struct err *err);
/* Makes the device and finds its DPDK port.  0, or negative errno with the reason, as far as it can
 * be found out. */
int eth_probe(const struct eth_devargs *d, uint16_t *ret_port_id, struct err *err);

/* Closes the DPDK port, which is stopped, and removes its device unless other ports live on it. */
void eth_remove(uint16_t port_id);

#endif
