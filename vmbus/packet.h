/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Where the bytes of a packet with external data are: the ranges of a transfer-page packet, and the
 * pages of a GPA-direct packet.  Codec: knows bytes, copies them from the ring once, checks them.
 */
#ifndef VMBUS_PACKET_H
#define VMBUS_PACKET_H

#include "vmbus/ring.h"

/* Sizes of what follows the descriptor. */
#define VMBUS_TRANSFER_HEADER_SIZE 8u /* set id, owner, count; then 8 bytes a range */
#define VMBUS_GPA_HEADER_SIZE	   8u /* reserved, count; then 8 bytes and its PFNs a range */
#define VMBUS_GPA_MAX_PFNS	   1024
#define VMBUS_GPA_MAX_BYTES	   (1u << 20)

struct vmbus_range {
	uint32_t size;	 /* bytes */
	uint32_t offset; /* into the buffer of the set */
};

/* Writes the header of a transfer-page packet with 'n' ranges to 'to', which has
 * VMBUS_TRANSFER_HEADER_SIZE + 8 n bytes.  Returns its size. */
size_t vmbus_transfer_write(void *to, uint16_t set_id, const struct vmbus_range *ranges,
			    unsigned n);
/* Reads one: at most 'max' ranges.  Their number, or -EBADMSG. */
int vmbus_transfer_read(const struct vmbus_in *in, const struct vmbus_packet *packet,
			uint16_t *ret_set_id, struct vmbus_range *ret, unsigned max);

/* One piece of memory of a GPA-direct packet: within a page, or pages that follow each other. */
struct vmbus_piece {
	uint8_t *va;
	uint32_t size;
};

/* Finds the memory of a GPA-direct packet, in order; both forms are known (many ranges of a page
 * each, one range of many pages).  Pages that lie together in our memory become one piece.  The
 * number of pieces, at most 'max', and all their bytes in *ret_size; -EBADMSG: ranges that are none
 * or too many (VMBUS_GPA_MAX_*); -EFAULT: not memory. */
int vmbus_gpa_read(const struct vmbus_in *in, const struct vmbus_packet *packet,
		   const struct gpa_map *map, struct vmbus_piece *ret, unsigned max,
		   uint32_t *ret_size);
/* Guest's half: writes the header of a packet with one range of 'n' PFNs to 'to', which has
 * VMBUS_GPA_HEADER_SIZE + 8 + 8 n bytes.  Returns its size. */
size_t vmbus_gpa_write(void *to, uint32_t size, uint32_t offset, const uint64_t *pfns, unsigned n);

#endif
