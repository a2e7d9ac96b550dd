/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The guest's half of VMBus and of the synthetic NIC, as a small library: for tests, for the far
 * end of benchmarks, and for processes and containers that want such a NIC without a hypervisor. No
 * DPDK.
 *
 * 	connection.c   contact, offers, unload
 * 	channel.c      GPADLs, open, close, subchannels
 * 	net.c          NVSP and RNDIS: set-up, sending, receiving, RSS
 * 	memory.c       the "guest's memory": a memfd, sealed against shrinking
 * 	local.c        host and guest in one process: a vmbus_server, its NIC attached to a switch
 * 	               by a socket (vmbus/remote.h), messages by function calls
 *
 * It does as Linux's drivers do where it matters to a host (orders of messages, signals), and can
 * be told to do otherwise, for tests.
 *
 * Thread: one for control; each channel may be worked by a thread of its own.
 */
#ifndef VMBUS_GUEST_GUEST_H
#define VMBUS_GUEST_GUEST_H

/* The interface is this folder's to say. */

#endif
