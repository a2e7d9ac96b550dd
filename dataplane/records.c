/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See records.h.  A record is a word with its size, padded to eight bytes, and its bytes; one that
 * does not fit before the end of the memory starts at its beginning, and a mark says so.
 */
#include "dataplane/records.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HEAD	 8u
#define AT_FRONT UINT32_MAX /* in place of a size: the next record is at the beginning */

static uint32_t whole(uint32_t size)
{
	return HEAD + ((size + 7u) & ~7u);
}

int dp_records_init(struct dp_records *r, uint32_t size)
{
	uint8_t *bytes = aligned_alloc(64, size);

	if (bytes == NULL)
		return -ENOMEM;
	memset(r, 0, sizeof(*r));
	r->bytes = bytes;
	r->size = size;
	return 0;
}

void dp_records_fini(struct dp_records *r)
{
	free(r->bytes);
	r->bytes = NULL;
}

void *dp_records_reserve(struct dp_records *r, uint32_t size)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_acquire);
	uint32_t at = head & (r->size - 1), to_end = r->size - at;
	uint32_t skip, free_size = r->size - (head - tail);

	if (size > r->size)
		return NULL;
	skip = whole(size) > to_end ? to_end : 0;
	if (whole(size) > free_size || skip > free_size - whole(size))
		return NULL;
	if (skip != 0)
		memcpy(r->bytes + at, &(uint32_t){AT_FRONT}, sizeof(uint32_t));
	at = skip != 0 ? 0 : at;
	memcpy(r->bytes + at, &size, sizeof(size));
	r->reserved = skip + whole(size);
	return r->bytes + at + HEAD;
}

void dp_records_commit(struct dp_records *r)
{
	uint32_t head = atomic_load_explicit(&r->head, memory_order_relaxed);

	atomic_store_explicit(&r->head, head + r->reserved, memory_order_release);
	r->reserved = 0;
}

/* Where the oldest record starts, past a mark. */
static uint32_t first(const struct dp_records *r, uint32_t tail)
{
	uint32_t at = tail & (r->size - 1), size;

	memcpy(&size, r->bytes + at, sizeof(size));
	return size == AT_FRONT ? tail + (r->size - at) : tail;
}

const void *dp_records_front(struct dp_records *r, uint32_t *ret_size)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
	uint32_t at;

	if (atomic_load_explicit(&r->head, memory_order_acquire) == tail)
		return NULL;
	at = first(r, tail) & (r->size - 1);
	memcpy(ret_size, r->bytes + at, sizeof(*ret_size));
	return r->bytes + at + HEAD;
}

void dp_records_pop(struct dp_records *r)
{
	uint32_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed), size;

	tail = first(r, tail);
	memcpy(&size, r->bytes + (tail & (r->size - 1)), sizeof(size));
	atomic_store_explicit(&r->tail, tail + whole(size), memory_order_release);
}
