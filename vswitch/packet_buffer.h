/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Packets that a switch keeps for its controllers (OpenFlow 1.3.5, 6.1.2): a packet-in carries the
 * start of a packet and the id of its buffer, and a packet-out or flow mod with that id has the
 * packet go on.  One store a switch, of bounded size: the oldest gives way to the newest, and one
 * that nobody asked for in time is gone.
 *
 * Control thread.
 */
#ifndef VSWITCH_PACKET_BUFFER_H
#define VSWITCH_PACKET_BUFFER_H

#include "vswitch/of/header.h"

#include <stddef.h>
#include <stdint.h>

#define VS_PACKET_BUFFERS	256u
#define VS_PACKET_BUFFER_AGE_MS 5000u
#define VS_NO_BUFFER		UINT32_MAX /* OFP_NO_BUFFER */

struct vs_packet_buffers;

struct vs_packet {
	uint32_t in_port; /* OpenFlow's number */
	size_t size;
	uint8_t *data;
};

/* NULL when there is no memory. */
struct vs_packet_buffers *vs_packet_buffers_create(void);
/* Takes NULL. */
void vs_packet_buffers_destroy(struct vs_packet_buffers *buffers);

/* Keeps a copy of a packet.  Its id; VS_NO_BUFFER when there is no memory (or 'buffers' is NULL):
 * then the controller must get all of it.  'now_ms' is any clock that does not jump. */
uint32_t vs_packet_buffers_put(struct vs_packet_buffers *buffers, uint32_t in_port,
			       const uint8_t *data, size_t size, uint64_t now_ms);
/* The packet of a buffer, which stays there: borrowed until the next call.  Errors as
 * vs_packet_buffers_take(). */
enum of_error vs_packet_buffers_look(const struct vs_packet_buffers *buffers, uint32_t id,
				     uint64_t now_ms, struct vs_packet *ret_packet);
/* Gives the packet to the caller, who ends it with vs_packet_fini().  OFPBRC_BUFFER_EMPTY when it
 * was taken before, OFPBRC_BUFFER_UNKNOWN when there is no such buffer, or none any more. */
enum of_error vs_packet_buffers_take(struct vs_packet_buffers *buffers, uint32_t id,
				     uint64_t now_ms, struct vs_packet *ret_packet);
void vs_packet_fini(struct vs_packet *packet);
/* Frees what is too old.  Now and then, so that an idle switch holds nothing. */
void vs_packet_buffers_age(struct vs_packet_buffers *buffers, uint64_t now_ms);

#endif
