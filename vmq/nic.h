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
 * 	nic_vf.c     a VF beside it: association, the guest's data path
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

/* ---- With a VF beside it (sriov/failover.h) ---- */

struct vmq_nic_guest {
	bool up;	/* its driver is */
	bool takes_vf;	/* and said that it takes VFs */
	bool vf_active; /* and sends by one */
	uint8_t mac[6]; /* that it uses: the one it was given, or its own choice */
};
void vmq_nic_guest(const struct dp_port *port, struct vmq_nic_guest *ret);

/* The guest sends by its VF from now on, or does not any more, because it said so or lost its
 * channel.  What it asked for is answered when this returns, so frames must go the new way then.
 * May call vmq_nic_by_vf(), and nothing else of here.  Of one owner; NULL: of none. */
typedef void (*vmq_data_path_fn)(void *ctx, bool vf_active);
void vmq_nic_on_data_path(struct dp_port *port, vmq_data_path_fn fn, void *ctx);

/* Tells the guest of a VF with that serial number (not 0), or that it has none any more: then it
 * sends by none, whatever it says.  A guest that comes later is told then. */
void vmq_nic_set_vf(struct dp_port *port, bool present, uint32_t serial);
/* Broadcasts and multicasts come to the guest by its VF ('on'), so that its NIC takes none, or they
 * come by the NIC.  When it returns no worker goes by the other.  0 or -ENOMEM. */
int vmq_nic_by_vf(struct dp_port *port, bool on);

#endif
