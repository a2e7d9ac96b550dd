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
/* Opens the device and notes it in 'live', or, when that is NULL, only asks whether it could be. */
int vs_device_open_as(struct vs *vs, const struct vs_port *p, const struct dp_port_opts *opts,
		      struct vs_live *live, struct err *err);

/* device_nic.c: kind vmbus; 'live' as above. */
int vs_nic_open(struct vs *vs, const struct vs_port *p, struct vs_live *live, struct err *err);
/* From what was configured 'before' to what is now; address and MTU of 'port' are set already. */
void vs_nic_adjust(const struct vs_port *p, struct dp_port *port, const json_t *before);

#endif
