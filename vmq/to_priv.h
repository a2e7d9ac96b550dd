/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Writing frames into receive sections.  What most frames take is inline.  vmq/ only.
 */
#ifndef VMQ_TO_PRIV_H
#define VMQ_TO_PRIV_H

#include "vmq/queue.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>
#include <rte_memcpy.h>

#include "vmbus/packet.h"
#include "vmbus/pages.h"
#include "vmbus/rndis.h"
#include "vmq/rss.h"

#define VMQ_ETH_SIZE 14u
#define VMQ_TAG_SIZE 4u
#define VMQ_MAC_SIZE 6u
#define VMQ_SEGMENT  (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)
#define VMQ_REQUESTS (RTE_MBUF_F_TX_L4_MASK | VMQ_SEGMENT)

/* to_write.c: any frame but a super-frame, at that offset of the receive buffer, which has a
 * section there that holds it.  Returns the bytes written. */
uint32_t vmq_write_long(const struct vmq_rules *rules, uint64_t at, const struct rte_mbuf *m,
			const struct vmq_flow *flow);
/* How many sections a super-frame takes. */
uint32_t vmq_pieces_of(const struct vmq_rules *rules, const struct rte_mbuf *m);
/* A super-frame into as many sections, from the i-th of the stack of 'q' on.  Their number. */
uint32_t vmq_write_pieces(const struct vmq_rules *rules, const struct vmq_queue *q, uint32_t i,
			  const struct rte_mbuf *m, const struct vmq_flow *flow,
			  struct vmbus_range *ranges);

static inline bool vmq_has_tag(const struct rte_mbuf *m)
{
	uint16_t type;

	memcpy(&type, rte_pktmbuf_mtod_offset(m, const uint8_t *, 2 * VMQ_MAC_SIZE), sizeof(type));
	return type == RTE_BE16(0x8100) && m->data_len >= VMQ_ETH_SIZE + VMQ_TAG_SIZE;
}

/* Nothing but the header goes before the frame. */
static inline bool vmq_is_plain(const struct rte_mbuf *m, const struct vmq_flow *flow)
{
	return (m->ol_flags & (VMQ_REQUESTS | RTE_MBUF_F_RX_L4_CKSUM_MASK)) == 0 &&
	       flow->type == 0 && m->nb_segs == 1 && !vmq_has_tag(m);
}

static inline uint64_t vmq_section_offset(const struct vmq_rules *rules, const struct vmq_queue *q,
					  uint32_t i)
{
	return (uint64_t)q->cached[q->cached_n - 1 - i] * rules->recv_section;
}

static inline void vmq_section_ask(const struct vmq_rules *rules, const struct vmq_queue *q,
				   uint32_t i)
{
	size_t here;
	const uint8_t *va = vmbus_pages_at(rules->recv, vmq_section_offset(rules, q, i),
					   rules->recv_section, &here);

	__builtin_prefetch(va, 1);
	__builtin_prefetch(va + 64, 1);
}

/* Header and frame in one piece of memory, one behind the other.  The header is written word by
 * word: put together elsewhere and copied it would have to be waited for. */
static inline uint32_t vmq_write_plain(uint8_t *va, const struct rte_mbuf *m)
{
	typedef uint64_t __attribute__((aligned(4), may_alias)) word;
	typedef uint32_t __attribute__((may_alias)) half;
	const uint64_t offset = RNDIS_PACKET_HEADER_SIZE - RNDIS_OFFSET_BASE;
	uint64_t size = m->data_len;
	word *header = (word *)(void *)va;

	header[0] = RNDIS_PACKET | (size + RNDIS_PACKET_HEADER_SIZE) << 32;
	header[1] = offset | size << 32;
	header[2] = 0;
	header[3] = 0;
	header[4] = 0;
	*(half *)(void *)(va + 40) = 0;
	rte_memcpy(va + RNDIS_PACKET_HEADER_SIZE, rte_pktmbuf_mtod(m, const void *), size);
	return (uint32_t)size + RNDIS_PACKET_HEADER_SIZE;
}

#endif
