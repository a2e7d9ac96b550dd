/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A stream between a port of the guest and one of the host (AF_VSOCK by Linux' hv_sock): a channel
 * of its own for each, on which bytes come in packets with a header of 8 bytes.
 *
 * 	guest asks (TL_CONNECT), or the host wants a port of the guest's
 * 	     │
 * 	     ▼
 * 	hvsock_create(): offered ──guest opens──► ops->opened() ── bytes both ways ──►
 * hvsock_destroy() │                                          │    a packet without bytes: that
 * side's end └ nobody listens: the guest says nothing   └─► ops->closed(): it closed, was reset, or
 * lied
 *
 * Neither side holds more than rings do: who cannot get rid of bytes asks for no more
 * (hvsock_hold()), and what does not fit on the ring stays the caller's until ops->room().
 *
 * A guest never closes such a channel by itself: its host withdraws it when the stream has ended.
 *
 * Thread: the server's.  Source: Linux net/vmw_vsock/hyperv_transport.c.
 */
#ifndef VMBUS_HVSOCK_H
#define VMBUS_HVSOCK_H

#include "vmbus/guid.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define HVSOCK_HEADER_SIZE 8u
#define HVSOCK_MAX_DATA	   16384u /* bytes of a packet */

struct hvsock;
struct vmbus_loop;
struct vmbus_server;

/* None of these may destroy the stream. */
struct hvsock_ops {
	void (*opened)(void *ctx);
	/* 'size' bytes, 1 to HVSOCK_MAX_DATA, ours until this returns. */
	void (*data)(void *ctx, const uint8_t *bytes, size_t size);
	/* The guest sends nothing more. */
	void (*finished)(void *ctx);
	/* Nothing comes any more and nothing is sent: the guest closed it, was reset, or broke the
	 * rules. */
	void (*closed)(void *ctx);
	/* There may be room for what hvsock_send() or hvsock_finish() could not place. */
	void (*room)(void *ctx);
};

struct hvsock_opts {
	struct vmbus_server *server;
	const struct vmbus_loop *loop; /* local.h; borrowed for life */
	bool from_host;		       /* who connects */
	uint32_t guest_port, host_port;
	const struct hvsock_ops *ops;
	void *ctx;
};

/* The GUID that stands for a port, and back; false: it is none of a port. */
struct vmbus_guid hvsock_guid(uint32_t port);
bool hvsock_port(const struct vmbus_guid *guid, uint32_t *ret_port);

/* The bytes in the payload of a packet; 0: the end of the stream.  -EBADMSG: not such a packet. */
ssize_t hvsock_read(const uint8_t *payload, size_t size, const uint8_t **ret_bytes);

/* Offers it.  0; -EEXIST: those two ports are in use; or what vmbus_device_offer() says. */
int hvsock_create(const struct hvsock_opts *opts, struct hvsock **ret_sock);
/* Withdraws it; no callback comes any more.  What the guest has not read yet it still can.  Takes
 * NULL. */
void hvsock_destroy(struct hvsock *sock);

/* Sends some of 'size' bytes (1 or more), at least one: how many.  -EAGAIN: none fits, ops->room()
 * tells; -ENOTCONN; -EPIPE: after hvsock_finish(). */
ssize_t hvsock_send(struct hvsock *sock, const void *bytes, size_t size);
/* Says that no more comes.  0; -EAGAIN, -ENOTCONN as above. */
int hvsock_finish(struct hvsock *sock);
/* No ops->data() and ops->finished() from now on; the guest waits.  False: go on. */
void hvsock_hold(struct hvsock *sock, bool hold);

#endif
