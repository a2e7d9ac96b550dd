/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A device whose inside is in this process, on the owner's thread: one channel, small packets, no
 * external data.  Integration services, the balloon and sockets are made of it (remote.h is the
 * other kind: its inside is in a switch).
 *
 * 	guest ── packet ──► ops->packet()        vmbus_local_send() ── packet ──► guest
 * 	guest opens ──► ops->opened()            guest closes, resets, lies ──► ops->closed()
 *
 * Packets are copied whole before anybody looks at them.  A guest that fills the ring faster than
 * it is read gets its turn like others: no more than VMBUS_LOCAL_BATCH packets a time.  A ring that
 * turns out to lie closes the device for itself, until the guest opens it anew.
 *
 * Thread: the server's.
 */
#ifndef VMBUS_LOCAL_H
#define VMBUS_LOCAL_H

#include "vmbus/channel.h"
#include "vmbus/ring.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VMBUS_LOCAL_BATCH 64

struct vmbus_local;
struct vmbus_server;

/* Where the owner waits.  Borrowed as long as any device made with it lives. */
struct vmbus_loop {
	/* From now on calls 'ready' with 'arg', on the owner's thread, whenever 'fd' (borrowed
	 * until remove()) is readable; again and again, until somebody reads it.  A handle for
	 * remove(); NULL: no memory. */
	void *(*add)(void *ctx, int fd, void (*ready)(void *arg), void *arg);
	/* May be called from within 'ready'. */
	void (*remove)(void *ctx, void *handle);
	void *ctx;
};

struct vmbus_local_ops {
	/* The guest has opened the channel: packets may be sent. */
	void (*opened)(void *ctx);
	/* No packets any more: the guest closed it, was reset, or broke the ring. */
	void (*closed)(void *ctx);
	/* A packet.  'payload' is ours: 'size' bytes, a multiple of 8, at most 'max_packet'. */
	void (*packet)(void *ctx, const struct vmbus_desc *desc, const uint8_t *payload,
		       uint32_t size);
	/* There is room for what vmbus_local_send() could not place.  May be NULL. */
	void (*room)(void *ctx);
};

struct vmbus_local_opts {
	struct vmbus_guid type, instance;
	uint16_t flags; /* VMBUS_OFFER_* */
	uint16_t mmio_mb;
	uint32_t max_packet;	  /* bytes of payload; longer ones are counted and dropped */
	const uint8_t *user_data; /* VMBUS_USER_DATA_SIZE bytes of the offer; NULL: zeros */
	const struct vmbus_loop *loop;
	const struct vmbus_local_ops *ops;
	void *ctx;
};

struct vmbus_local_stats {
	uint64_t packets_in, packets_out;
	uint64_t too_long; /* packets dropped for their size */
	uint64_t broken;   /* rings that lied */
	uint8_t fault;	   /* enum vmbus_ring_fault: how the last one did */
};

/* Offers it.  0 or what vmbus_device_offer() says. */
int vmbus_local_create(struct vmbus_server *server, const struct vmbus_local_opts *opts,
		       struct vmbus_local **ret_local);
/* Withdraws it; no callback comes any more, and 'ops', 'ctx' and the loop are let go of.  What is
 * left ends when the guest has let go, or with the server.  Takes NULL. */
void vmbus_local_destroy(struct vmbus_local *local);

bool vmbus_local_is_open(const struct vmbus_local *local);
/* The channel as opened; NULL when it is not. */
const struct vmbus_channel *vmbus_local_channel(const struct vmbus_local *local);
/* Sends one packet.  0; -ENOTCONN: not open; -EAGAIN: no room, ops->room() tells when there is;
 * -EMSGSIZE: never will be. */
int vmbus_local_send(struct vmbus_local *local, enum vmbus_packet_type type, uint16_t flags,
		     uint64_t transaction_id, const void *payload, size_t size);
/* Takes no packets until it is let go on (false); they stay on the ring, and the guest waits when
 * that is full.  May be called from ops->packet().  Opening ends it. */
void vmbus_local_hold(struct vmbus_local *local, bool hold);
void vmbus_local_stats(const struct vmbus_local *local, struct vmbus_local_stats *ret_stats);

#endif
