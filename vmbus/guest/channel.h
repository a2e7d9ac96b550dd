/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A channel that was offered: opening, closing, signals.  The rings are those of vmbus/ring.h, seen
 * from the other side.
 *
 * Thread: control opens and closes; while it is open one thread works 'in', 'out' and the signals.
 */
#ifndef VMBUS_GUEST_CHANNEL_H
#define VMBUS_GUEST_CHANNEL_H

#include "vmbus/guest/memory.h"
#include "vmbus/guid.h"
#include "vmbus/ring.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct guest_bus;
struct vmbus_monitor;

struct guest_channel {
	/* While it is open: */
	struct vmbus_in in;   /* from the host */
	struct vmbus_out out; /* to the host */
	int kick_fd, call_fd;
	const struct vmbus_monitor *monitor; /* signal by this; NULL: by kick_fd */
	uint8_t monitor_id;
	uint64_t signals;
	bool filling; /* packets were put that the host does not see yet */
	/* As offered: */
	struct guest_bus *bus;
	struct vmbus_guid type, instance;
	uint16_t relid, sub_index, flags;
	uint32_t connection_id;
	bool monitored; /* the host has a monitor for it */
	bool open;
	atomic_bool rescinded; /* any thread may look */
	uint32_t ring_gpadl;
	struct guest_buffer ring;
};

struct guest_channel_opts {
	uint32_t out_pages, in_pages; /* of the rings, each with its header */
	uint32_t target_vp;	      /* UINT32_MAX: no interrupts */
	bool monitor;		      /* signal by the monitor page if the host has one for it */
	uint8_t user_data[120];
};

/* 0, -ENOMEM, -EIO: the host refused; -ETIMEDOUT, -ENODEV: it was taken away. */
int guest_channel_open(struct guest_channel *channel, const struct guest_channel_opts *opts);
/* Nobody works it any more.  Takes the rings back. */
void guest_channel_close(struct guest_channel *channel);
/* Another processor for its interrupts.  0; -EOPNOTSUPP: the bus is older than 4.1; -EIO;
 * -ETIMEDOUT. */
int guest_channel_modify(struct guest_channel *channel, uint32_t target_vp);
/* Lets go of a channel that was rescinded: it ends with this call. */
void guest_channel_release(struct guest_channel *channel);
/* The subchannel of the same device with that index, or NULL. */
struct guest_channel *guest_channel_sub(const struct guest_channel *primary, uint16_t sub_index);

/* Signals the host. */
void guest_channel_signal(struct guest_channel *channel);
/* Takes back what the host has signalled. */
void guest_channel_drain(struct guest_channel *channel);
/* Before packets are put on the ring; once for all until guest_channel_flush(). */
static inline void guest_channel_fill(struct guest_channel *channel)
{
	if (!channel->filling)
		(void)vmbus_out_begin(&channel->out);
	channel->filling = true;
}
/* Shows the host what was put on the ring, and signals if it wants that. */
static inline void guest_channel_flush(struct guest_channel *channel)
{
	if (channel->filling && vmbus_out_end(&channel->out))
		guest_channel_signal(channel);
	channel->filling = false;
}

#endif
