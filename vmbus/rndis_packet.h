/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Reader and writer of RNDIS data packets, one of which surrounds every frame; included by rndis.h.
 * Inline, and without byte cursors, because they run once a frame: what is not asked for is not
 * written, and the header is loaded in a few wide moves.
 *
 * 	0        44              44 + PPIs
 * 	┌────────┬───────────────┬─────────┐
 * 	│ header │ PPI PPI ...   │ frame   │   Any order and gaps behind the header are taken; this
 * is └────────┴───────────────┴─────────┘   what is written.
 *
 * Source: [MS-RNDIS] 2.2.14, NDIS_PER_PACKET_INFO of Linux include/linux/rndis.h.
 */
#ifndef VMBUS_RNDIS_PACKET_H
#define VMBUS_RNDIS_PACKET_H

#include "vmbus/rndis.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "words are loaded as they lie");

/* As on the ring. */
struct rndis_packet_wire {
	uint32_t type, msg_size;
	uint32_t frame_offset, frame_size; /* the offset from byte 8 */
	uint32_t oob_offset, oob_size, oob_count;
	uint32_t ppi_offset, ppi_size; /* likewise */
	uint32_t vc, reserved;
};
_Static_assert(sizeof(struct rndis_packet_wire) == RNDIS_PACKET_HEADER_SIZE, "RNDIS PACKET");

struct rndis_ppi_wire {
	uint32_t size;	 /* with this header */
	uint32_t type;	 /* enum rndis_ppi_type */
	uint32_t offset; /* of the value, from the start of this header */
};
_Static_assert(sizeof(struct rndis_ppi_wire) == 12, "per-packet information");
#define RNDIS_PPI_SIZE 16u /* of one with a value of 4 bytes */

/* Priority, CFI and VLAN lie the other way round than in a tag. */
static inline uint16_t rndis_vlan_to_tci(uint32_t v)
{
	return (uint16_t)((v & 7) << 13 | (v & 8) << 9 | (v >> 4 & 0xfff));
}

static inline uint32_t rndis_vlan_from_tci(uint16_t tci)
{
	return (uint32_t)(tci >> 13) | (tci >> 9 & 8u) | (tci & 0xfffu) << 4;
}

static inline void rndis_ppi_take(uint32_t type, uint32_t value, struct rndis_packet *p)
{
	switch (type) {
	case RNDIS_PPI_CSUM:
		p->has_csum = true;
		p->csum = value;
		break;
	case RNDIS_PPI_LSO:
		p->has_lso = true;
		p->lso = value;
		break;
	case RNDIS_PPI_VLAN:
		p->has_vlan = true;
		p->vlan_tci = rndis_vlan_to_tci(value);
		break;
	case RNDIS_PPI_HASH:
		p->has_hash = true;
		p->hash = value;
		break;
	case RNDIS_PPI_HASH_INFO:
		p->has_hash_info = true;
		p->hash_info = value;
		break;
	case RNDIS_PPI_PACKET_ID:
		p->has_id = true;
		p->id_flags = (uint8_t)(value >> 8);
		p->id = (uint16_t)(value >> 16);
		break;
	default:
		break;
	}
}

/* Types whose value is read: it must be there. */
static inline bool rndis_ppi_known(uint32_t type)
{
	return type == RNDIS_PPI_CSUM || type == RNDIS_PPI_LSO || type == RNDIS_PPI_VLAN ||
	       type == RNDIS_PPI_HASH || type == RNDIS_PPI_HASH_INFO || type == RNDIS_PPI_PACKET_ID;
}

static inline bool rndis_ppis_read(const uint8_t *at, uint32_t left, struct rndis_packet *p)
{
	struct rndis_ppi_wire ppi;
	uint32_t value;

	for (; left > 0; at += ppi.size, left -= ppi.size) {
		if (left < sizeof(ppi))
			return false;
		memcpy(&ppi, at, sizeof(ppi));
		if (ppi.size < sizeof(ppi) || ppi.size > left)
			return false;
		if (!rndis_ppi_known(ppi.type))
			continue;
		if (ppi.offset < sizeof(ppi) || ppi.offset > ppi.size ||
		    ppi.size - ppi.offset < sizeof(value))
			return false;
		memcpy(&value, at + ppi.offset, sizeof(value));
		rndis_ppi_take(ppi.type, value, p);
	}
	return true;
}

/* Reads the header of a data packet from our copy of its first 'copied' bytes; 'left' are the bytes
 * of the whole message stream from here on.  0; -EBADMSG: lengths or offsets that do not fit, PPIs
 * that are not within the copy; -EOPNOTSUPP: another message than RNDIS_PACKET.  PPI types that we
 * do not know are skipped. */
static inline int rndis_packet_read(const void *copy, size_t copied, size_t left,
				    struct rndis_packet *ret_packet)
{
	const uint32_t least = RNDIS_PACKET_HEADER_SIZE - RNDIS_OFFSET_BASE;
	struct rndis_packet_wire w;
	struct rndis_packet p = {0};
	uint32_t body;

	if (copied < sizeof(w.type))
		return -EBADMSG;
	memcpy(&w.type, copy, sizeof(w.type));
	if (w.type != RNDIS_PACKET)
		return -EOPNOTSUPP;
	if (copied < sizeof(w))
		return -EBADMSG;
	memcpy(&w, copy, sizeof(w));
	if (w.msg_size < sizeof(w) || w.msg_size > left)
		return -EBADMSG;
	body = w.msg_size - RNDIS_OFFSET_BASE;
	if (w.frame_offset < least || w.frame_offset > body || w.frame_size > body - w.frame_offset)
		return -EBADMSG;
	p.msg_size = w.msg_size;
	p.frame_offset = w.frame_offset + RNDIS_OFFSET_BASE;
	p.frame_size = w.frame_size;
	if (w.ppi_size != 0) {
		if (w.ppi_offset < least || w.ppi_offset > body ||
		    w.ppi_size > body - w.ppi_offset || w.ppi_offset > copied - RNDIS_OFFSET_BASE ||
		    w.ppi_size > copied - RNDIS_OFFSET_BASE - w.ppi_offset ||
		    !rndis_ppis_read((const uint8_t *)copy + RNDIS_OFFSET_BASE + w.ppi_offset,
				     w.ppi_size, &p))
			return -EBADMSG;
	}
	*ret_packet = p;
	return 0;
}

static inline uint8_t *rndis_ppi_write(uint8_t *at, uint32_t type, uint32_t value)
{
	const uint32_t words[] = {RNDIS_PPI_SIZE, type, sizeof(struct rndis_ppi_wire), value};

	_Static_assert(sizeof(words) == RNDIS_PPI_SIZE, "PPI");
	memcpy(at, words, sizeof(words));
	return at + sizeof(words);
}

/* The 44 bytes of a header, by words of 64 bits: put together in a struct first, they would be
 * loaded wider than they were stored, and each frame would wait for its stores. */
static inline void rndis_header_write(uint8_t *to, uint32_t size, uint32_t frame_size)
{
	const uint32_t ppi_size = size - RNDIS_PACKET_HEADER_SIZE;
	const uint32_t ppi_offset =
		ppi_size != 0 ? RNDIS_PACKET_HEADER_SIZE - RNDIS_OFFSET_BASE : 0;
	const uint64_t type = RNDIS_PACKET | (uint64_t)(size + frame_size) << 32;
	const uint64_t frame = (size - RNDIS_OFFSET_BASE) | (uint64_t)frame_size << 32;
	const uint64_t ppis = (uint64_t)ppi_offset << 32;

	memcpy(to, &type, sizeof(type));
	memcpy(to + 8, &frame, sizeof(frame));
	memset(to + 16, 0, 8);
	memcpy(to + 24, &ppis, sizeof(ppis));
	memcpy(to + 32, &ppi_size, sizeof(ppi_size));
	memset(to + 36, 0, 8);
}

/* Writes header and PPIs for a frame of packet->frame_size bytes that follows at once; 'to' has
 * RNDIS_PACKET_MAX_HEADER bytes.  Returns their size, and sets msg_size and frame_offset. */
static inline size_t rndis_packet_write(void *to, struct rndis_packet *packet)
{
	uint8_t *at = (uint8_t *)to + RNDIS_PACKET_HEADER_SIZE;
	uint32_t size;

	if (packet->has_hash)
		at = rndis_ppi_write(at, RNDIS_PPI_HASH, packet->hash);
	if (packet->has_hash_info)
		at = rndis_ppi_write(at, RNDIS_PPI_HASH_INFO, packet->hash_info);
	if (packet->has_vlan)
		at = rndis_ppi_write(at, RNDIS_PPI_VLAN, rndis_vlan_from_tci(packet->vlan_tci));
	if (packet->has_lso)
		at = rndis_ppi_write(at, RNDIS_PPI_LSO, packet->lso);
	if (packet->has_csum)
		at = rndis_ppi_write(at, RNDIS_PPI_CSUM, packet->csum);
	if (packet->has_id)
		at = rndis_ppi_write(at, RNDIS_PPI_PACKET_ID,
				     1u | (uint32_t)packet->id_flags << 8 |
					     (uint32_t)packet->id << 16);
	size = (uint32_t)(at - (uint8_t *)to);
	rndis_header_write(to, size, packet->frame_size);
	packet->msg_size = size + packet->frame_size;
	packet->frame_offset = size;
	return size;
}

#endif
