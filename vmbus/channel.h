/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Devices and their channels: what a device tells the server, and what the server asks of it.
 *
 * A device is offered with its primary channel; it may offer subchannels later.  The guest opens a
 * channel by naming a GPADL that holds both rings.  The server routes messages; the rings are the
 * device's alone, and so are the GPADLs made for its channels.
 *
 * Every request to a device is answered later or at once, on the same thread, exactly once:
 *
 * 	open            -> vmbus_channel_opened()
 * 	close           -> vmbus_channel_closed()    nobody touches the rings any more
 * 	gpadl_created   -> nothing; the device may use it
 * 	gpadl_teardown  -> vmbus_gpadl_released()    nobody touches the pages any more
 *
 * Thread: the server's.
 */
#ifndef VMBUS_CHANNEL_H
#define VMBUS_CHANNEL_H

#include "vmbus/guid.h"

#include <stdbool.h>
#include <stdint.h>

#define VMBUS_MAX_SUBCHANNELS 63
#define VMBUS_USER_DATA_SIZE  120

struct vmbus_device;
struct vmbus_event;
struct vmbus_gpadl;
struct vmbus_server;

/* Channel flags of an offer. */
#define VMBUS_OFFER_ENUMERATE  0x0001u
#define VMBUS_OFFER_NAMED_PIPE 0x0010u
#define VMBUS_OFFER_TLNPI      0x2000u /* hvsock */

/* A channel, while it is offered.  Read-only for devices, but for 'priv'. */
struct vmbus_channel {
	struct vmbus_device *device;
	uint16_t relid;
	uint16_t sub_index;	/* 0: the primary */
	uint32_t connection_id; /* the guest's SignalEvent */
	uint8_t monitor_id;	/* VMBUS_NO_MONITOR: none */
	/* While it is open, or being opened: */
	uint32_t open_id;
	uint32_t target_vp;		/* VMBUS_NO_VP: no interrupts */
	const struct vmbus_gpadl *ring; /* both rings; it lives until the channel is closed */
	uint32_t ring_offset; /* pages before the host-to-guest ring; 2 <= it <= n_pfns - 2 */
	int kick_fd;	      /* eventfd: the guest signals; the server's */
	int call_fd;	      /* eventfd: signals the guest; the server's */
	/* While it is being opened: it is to be closed as soon as it is open.  Who waits for
	 * something before it answers may answer with a failure now. */
	bool unwanted;
	uint8_t user_data[VMBUS_USER_DATA_SIZE];
	void *priv; /* the device's */
};

struct vmbus_device_ops {
	void (*open)(void *ctx, struct vmbus_channel *channel);
	void (*close)(void *ctx, struct vmbus_channel *channel);
	void (*gpadl_created)(void *ctx, const struct vmbus_gpadl *gpadl);
	void (*gpadl_teardown)(void *ctx, const struct vmbus_gpadl *gpadl);
	/* The guest moved the channel's interrupt to channel->target_vp (it is routed already), or
	 * what vmbus_channel_event() says is another.  A device whose ring to the guest is not
	 * empty fires call_fd once.  May be NULL. */
	void (*retarget)(void *ctx, struct vmbus_channel *channel);
	/* The guest let go of a subchannel that was withdrawn: 'channel' ends with this call.  May
	 * be NULL. */
	void (*released)(void *ctx, struct vmbus_channel *channel);
	/* The guest let go of all of a withdrawn device's channels: 'device' ends with this call.
	 */
	void (*gone)(void *ctx, struct vmbus_device *device);
};

struct vmbus_device_opts {
	struct vmbus_guid type, instance;
	uint16_t flags; /* VMBUS_OFFER_* */
	uint16_t mmio_mb;
	uint8_t user_data[VMBUS_USER_DATA_SIZE];
	bool monitored; /* give its channels monitors (monitor.h), as long as there are any */
	const struct vmbus_device_ops *ops;
	void *ctx;
};

/* Offers a device, at once if the guest has asked for offers.  Its place in the order of offers is
 * that of its first offer.  0; -EEXIST: that pair of GUIDs is offered; -ENOSPC: no relid is free;
 * -ENOMEM. */
int vmbus_device_offer(struct vmbus_server *server, const struct vmbus_device_opts *opts,
		       struct vmbus_device **ret_device);
/* Withdraws it (subchannels first): open channels are closed, the guest lets go, 'gone' is called;
 * at once when no guest is connected. */
void vmbus_device_withdraw(struct vmbus_device *device);
/* Offers 'n' more subchannels, with the next indexes.  They are withdrawn by the server when the
 * primary is closed.  0, -ENOSPC, -ENOMEM, -EINVAL (more than VMBUS_MAX_SUBCHANNELS, or the primary
 * is not open). */
int vmbus_device_offer_subchannels(struct vmbus_device *device, unsigned n);

struct vmbus_channel *vmbus_device_primary(struct vmbus_device *device);
/* The channel with that index, while it is offered; else NULL. */
struct vmbus_channel *vmbus_device_channel(struct vmbus_device *device, uint16_t sub_index);
/* A GPADL of the device by its number; NULL when there is none, or it is being torn down. */
const struct vmbus_gpadl *vmbus_device_gpadl(struct vmbus_device *device, uint32_t id);

/* Where the channel's events go instead of its call_fd (host.h).  0; -ENOENT: nowhere else. */
int vmbus_channel_event(const struct vmbus_channel *channel, struct vmbus_event *ret_event);

/* Answers to requests. 'status' 0: success. */
void vmbus_channel_opened(struct vmbus_channel *channel, uint32_t status);
void vmbus_channel_closed(struct vmbus_channel *channel);
void vmbus_gpadl_released(struct vmbus_device *device, const struct vmbus_gpadl *gpadl);

#endif
