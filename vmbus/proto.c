/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See proto.h.
 */
#include "vmbus/proto.h"

#include <errno.h>

#include "hv/gpa.h"

enum sender { HOST, GUEST };

static const struct {
	uint16_t size; /* 0: no such type */
	uint8_t sender;
} types[] = {
#define X(name, number, sender, size) [number] = {(size), (sender)},
	VMBUS_MSG_TYPES(X)
#undef X
};
#define N_TYPES (sizeof(types) / sizeof(types[0]))

int vmbus_msg_read(const void *bytes, size_t size, bool from_guest, union vmbus_msg *ret_msg)
{
	union vmbus_msg msg = {0};
	uint32_t type;

	if (size < sizeof(msg.header) || size > sizeof(msg))
		return -EBADMSG;
	memcpy(&msg, bytes, size);
	type = msg.header.type;
	if (type >= N_TYPES || types[type].size == 0 ||
	    types[type].sender != (from_guest ? GUEST : HOST))
		return -EOPNOTSUPP;
	if (size < types[type].size)
		return -EBADMSG;
	*ret_msg = msg;
	return 0;
}

size_t vmbus_msg_init(union vmbus_msg *msg, enum vmbus_msg_type type)
{
	*msg = (union vmbus_msg){.header.type = type};
	return types[type].size;
}

int vmbus_gpadl_range_read(struct vmbus_gpadl_words *words, struct vmbus_gpadl_range *ret_range)
{
	struct vmbus_gpadl_range range;
	uint64_t n;

	if (words->n == 0)
		return -EBADMSG;
	range.byte_count = (uint32_t)words->at[0];
	range.byte_offset = (uint32_t)(words->at[0] >> 32);
	if (range.byte_count == 0 || range.byte_offset >= GPA_PAGE_SIZE)
		return -EBADMSG;
	n = ((uint64_t)range.byte_offset + range.byte_count + GPA_PAGE_SIZE - 1) >> GPA_PAGE_SHIFT;
	if (n > words->n - 1)
		return -EBADMSG;
	range.n_pfns = (uint32_t)n;
	range.pfns = words->at + 1;
	words->at += 1 + n;
	words->n -= 1 + range.n_pfns;
	*ret_range = range;
	return 0;
}

/* Moves up to 'max' PFNs into a message, which lie at any alignment there.  Returns their bytes. */
static size_t move_pfns(void *to, uint32_t max, const uint64_t **pfns, uint32_t *pfns_left)
{
	uint32_t n = *pfns_left < max ? *pfns_left : max;

	memcpy(to, *pfns, n * sizeof(**pfns));
	*pfns += n;
	*pfns_left -= n;
	return n * sizeof(**pfns);
}

size_t vmbus_gpadl_header_write(union vmbus_msg *msg, uint32_t relid, uint32_t gpadl,
				const struct vmbus_gpadl_range *range, const uint64_t **pfns,
				uint32_t *pfns_left)
{
	size_t size = vmbus_msg_init(msg, VMBUS_MSG_GPADL_HEADER) + sizeof(uint64_t);
	struct vmbus_msg_gpadl_header *m = &msg->gpadl_header;

	m->relid = relid;
	m->gpadl = gpadl;
	m->range_bytes = (uint16_t)((1 + range->n_pfns) * sizeof(uint64_t));
	m->n_ranges = 1;
	m->words[0] = (uint64_t)range->byte_offset << 32 | range->byte_count;
	*pfns = range->pfns;
	*pfns_left = range->n_pfns;
	return size + move_pfns(msg->bytes + size, VMBUS_GPADL_HEADER_WORDS - 1, pfns, pfns_left);
}

size_t vmbus_gpadl_body_write(union vmbus_msg *msg, uint32_t gpadl, const uint64_t **pfns,
			      uint32_t *pfns_left)
{
	size_t size = vmbus_msg_init(msg, VMBUS_MSG_GPADL_BODY);

	msg->gpadl_body.gpadl = gpadl;
	return size + move_pfns(msg->bytes + size, VMBUS_GPADL_BODY_WORDS, pfns, pfns_left);
}
