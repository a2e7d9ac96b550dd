/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See packet_buffer.h.  An id is a place and how often the places were gone round, so an id that is
 * seen again is 2^32 packets younger.
 */
#include "vswitch/packet_buffer.h"

#include <assert.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static_assert((VS_PACKET_BUFFERS & (VS_PACKET_BUFFERS - 1)) == 0, "ids wrap");

struct buffer {
	uint32_t id;
	bool taken;    /* was there, and was given away */
	uint8_t *data; /* NULL: none */
	size_t size;
	uint32_t in_port;
	uint64_t since_ms;
};

struct vs_packet_buffers {
	uint32_t next_id;
	struct buffer v[VS_PACKET_BUFFERS];
};

struct vs_packet_buffers *vs_packet_buffers_create(void)
{
	struct vs_packet_buffers *buffers = calloc(1, sizeof(*buffers));

	/* Nobody was told of the places' zeros. */
	if (buffers != NULL)
		buffers->next_id = VS_PACKET_BUFFERS;
	return buffers;
}

static void forget(struct buffer *b)
{
	free(b->data);
	*b = (struct buffer){.id = VS_NO_BUFFER};
}

void vs_packet_buffers_destroy(struct vs_packet_buffers *buffers)
{
	for (unsigned i = 0; buffers != NULL && i < VS_PACKET_BUFFERS; i++)
		forget(&buffers->v[i]);
	free(buffers);
}

uint32_t vs_packet_buffers_put(struct vs_packet_buffers *buffers, uint32_t in_port,
			       const uint8_t *data, size_t size, uint64_t now_ms)
{
	uint8_t *copy = buffers != NULL ? malloc(size != 0 ? size : 1) : NULL;
	struct buffer *b;

	if (copy == NULL)
		return VS_NO_BUFFER;
	memcpy(copy, data, size);
	if (buffers->next_id == VS_NO_BUFFER)
		buffers->next_id = VS_PACKET_BUFFERS;
	b = &buffers->v[buffers->next_id % VS_PACKET_BUFFERS];
	forget(b);
	*b = (struct buffer){.id = buffers->next_id++,
			     .data = copy,
			     .size = size,
			     .in_port = in_port,
			     .since_ms = now_ms};
	return b->id;
}

static bool is_old(const struct buffer *b, uint64_t now_ms)
{
	return now_ms - b->since_ms > VS_PACKET_BUFFER_AGE_MS;
}

enum of_error vs_packet_buffers_look(const struct vs_packet_buffers *buffers, uint32_t id,
				     uint64_t now_ms, struct vs_packet *ret_packet)
{
	const struct buffer *b = buffers != NULL ? &buffers->v[id % VS_PACKET_BUFFERS] : NULL;

	if (b == NULL || id == VS_NO_BUFFER || b->id != id)
		return OFPBRC_BUFFER_UNKNOWN;
	if (b->taken)
		return OFPBRC_BUFFER_EMPTY;
	if (b->data == NULL || is_old(b, now_ms))
		return OFPBRC_BUFFER_UNKNOWN;
	*ret_packet = (struct vs_packet){.in_port = b->in_port, .size = b->size, .data = b->data};
	return OF_OK;
}

enum of_error vs_packet_buffers_take(struct vs_packet_buffers *buffers, uint32_t id,
				     uint64_t now_ms, struct vs_packet *ret_packet)
{
	enum of_error error = vs_packet_buffers_look(buffers, id, now_ms, ret_packet);

	if (error != OF_OK)
		return error;
	buffers->v[id % VS_PACKET_BUFFERS].data = NULL;
	buffers->v[id % VS_PACKET_BUFFERS].taken = true;
	return OF_OK;
}

void vs_packet_fini(struct vs_packet *packet)
{
	free(packet->data);
	packet->data = NULL;
}

void vs_packet_buffers_age(struct vs_packet_buffers *buffers, uint64_t now_ms)
{
	for (unsigned i = 0; buffers != NULL && i < VS_PACKET_BUFFERS; i++)
		if (buffers->v[i].data != NULL && is_old(&buffers->v[i], now_ms))
			forget(&buffers->v[i]);
}
