/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The guest's half of VMBus and of the synthetic NIC, as a small library: for tests, for the far
 * end of benchmarks, and for processes and containers that want such a NIC without a hypervisor. No
 * DPDK.
 *
 * 	memory.h    the "guest's memory": an anonymous file, sealed against shrinking
 * 	bus.h       contact, offers, GPADLs, unload
 * 	channel.h   open, close, signals
 * 	profile.h   in which order, and with what, a known guest sets its NIC up
 * 	net.h       NVSP and RNDIS: set-up, sending, receiving, RSS
 * 	local.h     host and guest in one process: a vmbus_server, its NIC attached to a switch by a
 * 	            socket (vmbus/remote.h), messages by function calls
 *
 * It does as Linux's drivers do where it matters to a host (orders of messages, signals), and can
 * be told to do otherwise, for tests.
 *
 * 	guest_local_create() ─► guest_bus_connect() ─► guest_local_nic() ─► guest_net_create()
 * 	    ─► guest_queue_receive(), guest_queue_send(), ... ─► guest_net_destroy()
 *
 * Thread: one for control; each channel may be worked by a thread of its own.
 */
#ifndef VMBUS_GUEST_GUEST_H
#define VMBUS_GUEST_GUEST_H

#include "vmbus/guest/bus.h"
#include "vmbus/guest/channel.h"
#include "vmbus/guest/local.h"
#include "vmbus/guest/memory.h"
#include "vmbus/guest/net.h"
#include "vmbus/guest/profile.h"

#endif
