/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A synthetic NIC as a port of the switch: the attach socket on which its VM's worker comes
 * (docs/attach.md), the control half (vmbus/netvsp.h) on the control thread, the packet path
 * (queue.h) on workers, and the driver of the dataplane on top.
 *
 * 	attach.c ──channels, memory, GPADLs──► nic.c ──rules──► queue.h (workers)
 * 	                                        ▲  │
 * 	                   control messages ────┘  └─► netvsp.h
 *
 * Control thread, but for the driver's rx and tx.
 */
#ifndef VMQ_NIC_H
#define VMQ_NIC_H

#include "dataplane/port.h"

/* The driver: kind "vmbus".  opts->socket is the path of the attach socket, which the port makes
 * and listens on; opts->n_queues the channels a guest may have at most; opts->mac must be set. */
extern const struct dp_port_ops vmq_port_ops;

#endif
