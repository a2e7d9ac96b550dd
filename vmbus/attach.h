/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The attach protocol: how the process that runs a guest (a VM worker, or a tool that plays one)
 * hands a NIC's channels to the switch.  One socket (SOCK_SEQPACKET) for each NIC; each message is
 * one packet, with descriptors where it says so.  docs/attach.md is the specification; here are the
 * messages as bytes, for both ends.
 *
 * 	worker                                  switch
 * 	HELLO  (versions, memory ranges + fds,
 * 	        state fd of the last switch) ──►
 * 	                                   ◄──  WELCOME (version, state fd, NIC: GUID, queues)
 * 	GPADL, GPADL_TEARDOWN ──►          ◄──  GPADL_RELEASED
 * 	OPEN (rings, kick fd, call fd) ──► ◄──  OPENED
 * 	CLOSE ──►                          ◄──  CLOSED
 * 	                                   ◄──  OFFER_SUBCHANNELS
 * 	RETARGET ──► (fire call once)
 * 	                                   ◄──  REMOVED (the NIC is gone: withdraw it)
 *
 * When the switch dies the worker keeps the guest's channels as they are, connects again, and says
 * everything once more, with the state descriptor that the last switch gave it; so the guest
 * notices lost packets only.  When the worker dies its NIC is a port that is down.
 */
#ifndef VMBUS_ATTACH_H
#define VMBUS_ATTACH_H

#include <stdint.h>

#define VMBUS_ATTACH_VERSION 1

#endif
