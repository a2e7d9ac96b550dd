/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What files that open devices share; see device.c.
 */
#ifndef VSWITCH_DEVICE_PRIV_H
#define VSWITCH_DEVICE_PRIV_H

#include "vswitch/vs.h"

/* What every driver is told. */
void vs_device_opts(const struct vs_port *p, struct dp_port_opts *ret_opts);
/* The address of a port that has none of its own and was given none. */
struct rte_ether_addr vs_device_own_mac(const struct vs_port *p);
/* Notes the open device; 0. */
int vs_device_opened(struct vs *vs, struct vs_live *live, const struct vs_port *p,
		     struct dp_port *port);

/* device_nic.c: kind vmbus. */
int vs_nic_open(struct vs *vs, const struct vs_port *p, struct vs_live *live, struct err *err);
/* From what was configured 'before' to what is now; address and MTU of 'port' are set already. */
void vs_nic_adjust(const struct vs_port *p, struct dp_port *port, const json_t *before);

#endif
