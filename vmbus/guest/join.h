/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A queue of a NIC joined to a queue of a tap device: frames go both ways until told to stop.
 *
 * 	NIC ─► receive buffer ─writev─► tap        one copy, in the kernel
 * 	tap ─read─► pages of ours ─► NIC           large frames without another copy
 *
 * It sleeps when neither has anything, having looked for a while first.
 *
 * Thread: one for each join; 'stop' and the counters are for any.
 */
#ifndef VMBUS_GUEST_JOIN_H
#define VMBUS_GUEST_JOIN_H

#include "vmbus/guest/net.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct join_stats {
	_Atomic uint64_t to_tap, to_nic;	 /* frames */
	_Atomic uint64_t tap_refused, malformed; /* frames that went nowhere */
};

struct join {
	struct guest_queue *queue;
	struct guest_net *net;
	int call_fd; /* of the queue's channel */
	int tap_fd;
	int stop_fd; /* readable when 'stop' was set; of all joins together */
	uint16_t mtu;
	unsigned poll_us; /* how long to look before sleeping */
	atomic_bool *stop;
	/* Its own: a frame that was read and not sent yet. */
	bool held;
	struct guest_frame held_frame;
	struct join_stats stats;
};

/* Runs until *stop, until the NIC is gone or the tap is. */
void join_run(struct join *join);

#endif
