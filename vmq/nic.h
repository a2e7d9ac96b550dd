/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A synthetic NIC as a port of the switch: the attach socket on which its VM's worker comes
 * (docs/attach.md), the control half (vmbus/netvsp.h) on the control thread, the packet path
 * (queue.h) on workers, and the driver of the dataplane on top.
 *
 * 	attach.c     the socket: messages of the VM's worker become calls of ...
 * 	nic.c        the guest's memory, GPADLs and channels as they are; resumes after a restart
 * 	nic_vsp.c    netvsp.h's other side: answers go out, what was agreed becomes rules
 * 	port_vmq.c   the driver: open, close, rx, tx, sleep
 * 	nic_show.c   what people are shown
 *
 * Threads: the control thread, but for the driver's rx, tx and arm.
 */
#ifndef VMQ_NIC_H
#define VMQ_NIC_H

#include "dataplane/port.h"

#define VMQ_MAX_MTU	   9198 /* guests take frames of 9216 bytes, with header and tag */
#define VMQ_DEFAULT_QUEUES 8

/* The driver, of kind "vmbus".  Of the options it takes: 'socket', the path of the attach socket,
 * on which the port listens; 'group', whose members may connect besides; 'mac', which must be set;
 * 'mtu'; 'n_queues', the channels that a guest may have (0: VMQ_DEFAULT_QUEUES); 'offloads'.
 * Receive queue i serves channels i, i + n_rxq, ... */
extern const struct dp_port_ops vmq_port_ops;

/* What an administrator may change while a guest runs. */
struct vmq_nic_conf {
	bool link_up;	     /* the cable, as the guest sees it */
	bool mac_change;     /* the guest may change its address */
	bool rsc;	     /* the guest may ask for large receive */
	bool monitored;	     /* its channels have monitor pages; from the next attachment on */
	uint32_t speed_mbps; /* what the guest is told; 0: 10000 */
};

/* Of a port of this driver.  What it starts with: link up, nothing else. */
void vmq_nic_set(struct dp_port *port, const struct vmq_nic_conf *conf);

/* Has it a worker? */
bool vmq_nic_attached(const struct dp_port *port);

/* The port is about to be closed, and not because the switch stops: the guest loses its device
 * ('again': until the port is opened again), instead of waiting for the switch to come back. */
void vmq_nic_withdraw(struct dp_port *port, bool again);

#endif
