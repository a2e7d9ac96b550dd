/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The growing half of the byte cursors; see wire.h.
 */
#include "ctl/base/wire.h"

#include <stdlib.h>

#define FIRST_CAPACITY 256

void wr_fini(struct wr *wr)
{
	free(wr->bytes);
	*wr = wr_init(wr->limit);
}

/* Doubles until 'size' fits. */
static bool grow(struct wr *wr, size_t size)
{
	size_t capacity = wr->capacity == 0 ? FIRST_CAPACITY : wr->capacity;
	uint8_t *bytes;

	while (capacity < size)
		capacity = capacity > SIZE_MAX / 2 ? size : capacity * 2;
	bytes = realloc(wr->bytes, capacity);
	if (bytes == NULL)
		return false;
	wr->bytes = bytes;
	wr->capacity = capacity;
	return true;
}

uint8_t *wr_room(struct wr *wr, size_t size)
{
	uint8_t *room;

	if (wr->bad || wr->size > wr->limit || size > wr->limit - wr->size ||
	    ((wr->bytes == NULL || wr->size + size > wr->capacity) && !grow(wr, wr->size + size))) {
		wr->bad = true;
		return NULL;
	}
	room = wr->bytes + wr->size;
	memset(room, 0, size);
	wr->size += size;
	return room;
}

void wr_bytes(struct wr *wr, const void *bytes, size_t size)
{
	uint8_t *room = wr_room(wr, size);

	if (room != NULL && size > 0)
		memcpy(room, bytes, size);
}

static void put(uint8_t *room, uint64_t value, size_t size)
{
	for (size_t i = size; i > 0; i--, value >>= 8)
		room[i - 1] = (uint8_t)value;
}

void wr_be(struct wr *wr, uint64_t value, size_t size)
{
	uint8_t *room = wr_room(wr, size);

	if (room != NULL)
		put(room, value, size);
}

void wr_set_be16(struct wr *wr, size_t at, uint16_t value)
{
	if (wr->size >= 2 && at <= wr->size - 2)
		put(wr->bytes + at, value, 2);
}

void wr_set_be32(struct wr *wr, size_t at, uint32_t value)
{
	if (wr->size >= 4 && at <= wr->size - 4)
		put(wr->bytes + at, value, 4);
}

void wr_cut(struct wr *wr, size_t size)
{
	if (size < wr->size)
		wr->size = size;
}
