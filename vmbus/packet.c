/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See packet.h.  All that stands before the payload is words of 8 bytes, each read once from the
 * ring: no copy of a header that may hold a thousand of them.
 *
 * 	transfer pages   set id (16) owner (8) reserved (8) count (32), {size (32) offset (32)} ...
 * 	GPA direct       reserved (32) count (32), {size (32) offset (32), PFN (64) ...} ...
 */
#include "vmbus/packet.h"

#include "hv/gpa.h"

#define HEAD ((uint32_t)sizeof(struct vmbus_desc))

/* The words before a packet's payload, one after the other. */
struct words {
	const struct vmbus_in *in;
	uint32_t at;
	uint32_t left;
};

static bool words_init(struct words *words, const struct vmbus_in *in,
		       const struct vmbus_packet *packet, enum vmbus_packet_type type,
		       uint64_t *ret_first)
{
	if (packet->desc.type != type || packet->header_size < HEAD + 8)
		return false;
	words->in = in;
	words->at = vmbus_ring_advance(&in->ring, packet->at, HEAD);
	words->left = (packet->header_size - HEAD) / 8 - 1;
	*ret_first = vmbus_ring_word(&in->ring, words->at);
	words->at = vmbus_ring_advance(&in->ring, words->at, 8);
	return true;
}

/* The caller has looked at words->left. */
static uint64_t words_next(struct words *words)
{
	uint64_t word = vmbus_ring_word(&words->in->ring, words->at);

	words->at = vmbus_ring_advance(&words->in->ring, words->at, 8);
	words->left--;
	return word;
}

size_t vmbus_transfer_write(void *to, uint16_t set_id, const struct vmbus_range *ranges, unsigned n)
{
	uint64_t head = set_id | (uint64_t)n << 32;

	memcpy(to, &head, sizeof(head));
	memcpy((uint8_t *)to + sizeof(head), ranges, n * sizeof(*ranges));
	return sizeof(head) + n * sizeof(*ranges);
}

int vmbus_transfer_read(const struct vmbus_in *in, const struct vmbus_packet *packet,
			uint16_t *ret_set_id, struct vmbus_range *ret, unsigned max)
{
	struct words words;
	uint64_t head;
	uint32_t n;

	if (!words_init(&words, in, packet, VMBUS_PKT_TRANSFER_PAGES, &head))
		return -EBADMSG;
	n = (uint32_t)(head >> 32);
	if (n == 0 || n > max || n > words.left)
		return -EBADMSG;
	for (uint32_t i = 0; i < n; i++) {
		uint64_t range = words_next(&words);

		ret[i] = (struct vmbus_range){(uint32_t)range, (uint32_t)(range >> 32)};
	}
	*ret_set_id = (uint16_t)head;
	return (int)n;
}

size_t vmbus_gpa_write(void *to, uint32_t size, uint32_t offset, const uint64_t *pfns, unsigned n)
{
	uint64_t head[2] = {(uint64_t)1 << 32, size | (uint64_t)offset << 32};

	memcpy(to, head, sizeof(head));
	memcpy((uint8_t *)to + sizeof(head), pfns, n * sizeof(*pfns));
	return sizeof(head) + n * sizeof(*pfns);
}

/* The pieces found so far, and what bounds them. */
struct pieces {
	struct vmbus_piece *v;
	unsigned n, max;
	uint32_t size;
	uint32_t pfns; /* that may come yet */
};

static int pieces_add(struct pieces *pieces, uint8_t *va, uint32_t size)
{
	struct vmbus_piece *last = pieces->v + pieces->n - 1;

	if (pieces->n > 0 && last->va + last->size == va) {
		last->size += size;
		return 0;
	}
	if (pieces->n == pieces->max)
		return -EBADMSG;
	pieces->v[pieces->n++] = (struct vmbus_piece){va, size};
	return 0;
}

/* One range: 'size' bytes from 'offset' of its first page on. */
static int range_read(struct words *words, const struct gpa_map *map, struct pieces *pieces)
{
	uint64_t range = words_next(words);
	uint32_t size = (uint32_t)range, offset = (uint32_t)(range >> 32), n;

	if (size == 0 || size > VMBUS_GPA_MAX_BYTES - pieces->size || offset >= GPA_PAGE_SIZE)
		return -EBADMSG;
	n = (size + offset + GPA_PAGE_SIZE - 1) >> GPA_PAGE_SHIFT;
	if (n > words->left || n > pieces->pfns)
		return -EBADMSG;
	pieces->pfns -= n;
	pieces->size += size;
	for (; n > 0; n--) {
		uint8_t *page = gpa_page(map, words_next(words));
		uint32_t here = GPA_PAGE_SIZE - offset;

		if (page == NULL)
			return -EFAULT;
		if (here > size)
			here = size;
		if (pieces_add(pieces, page + offset, here) != 0)
			return -EBADMSG;
		size -= here;
		offset = 0;
	}
	return 0;
}

int vmbus_gpa_read(const struct vmbus_in *in, const struct vmbus_packet *packet,
		   const struct gpa_map *map, struct vmbus_piece *ret, unsigned max,
		   uint32_t *ret_size)
{
	struct pieces pieces = {.v = ret, .max = max, .pfns = VMBUS_GPA_MAX_PFNS};
	struct words words;
	uint64_t head;
	uint32_t n;

	if (!words_init(&words, in, packet, VMBUS_PKT_GPA_DIRECT, &head))
		return -EBADMSG;
	n = (uint32_t)(head >> 32);
	if (n == 0 || n > VMBUS_GPA_MAX_PFNS)
		return -EBADMSG;
	for (; n > 0; n--) {
		int rc = words.left == 0 ? -EBADMSG : range_read(&words, map, &pieces);

		if (rc != 0)
			return rc;
	}
	*ret_size = pieces.size;
	return (int)pieces.n;
}
