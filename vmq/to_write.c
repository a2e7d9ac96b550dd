/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames into receive sections, when there is more to it than a header and a copy: information
 * about the frame, several segments, memory in pages, super-frames.
 *
 * A super-frame goes to a guest that asks for them (large receive, RSC) as pieces in ranges of one
 * packet, each a data packet of its own; the first one tells what there is to tell.
 */
#include "vmq/to_priv.h"

#include <rte_common.h>

#define PROTO_TCP 6
#define PROTO_UDP 17

/* Headers of a piece at most: the first one's, and another's. */
#define FIRST_HEADER (RNDIS_PACKET_HEADER_SIZE + 5 * RNDIS_PPI_SIZE)
#define OTHER_HEADER (RNDIS_PACKET_HEADER_SIZE + RNDIS_PPI_SIZE)

/* ---- What a frame wears ---- */

/* The checksum PPI for a frame, or 0: nothing to say. */
static uint32_t checksum_info(const struct rte_mbuf *m, const struct vmq_flow *flow)
{
	uint64_t l4 = m->ol_flags & RTE_MBUF_F_TX_L4_MASK;

	if (l4 == RTE_MBUF_F_TX_TCP_CKSUM || (m->ol_flags & RTE_MBUF_F_TX_TCP_SEG) != 0)
		return RNDIS_CSUM_RX_TCP_OK | RNDIS_CSUM_RX_IP_OK | RNDIS_CSUM_RX_PARTIAL;
	if (l4 == RTE_MBUF_F_TX_UDP_CKSUM)
		return RNDIS_CSUM_RX_UDP_OK | RNDIS_CSUM_RX_IP_OK | RNDIS_CSUM_RX_PARTIAL;
	if ((m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK) != RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		return 0;
	if (flow->proto == PROTO_TCP)
		return RNDIS_CSUM_RX_TCP_OK | RNDIS_CSUM_RX_IP_OK;
	return flow->proto == PROTO_UDP ? RNDIS_CSUM_RX_UDP_OK | RNDIS_CSUM_RX_IP_OK : 0;
}

static void header_describe(const struct rte_mbuf *m, const struct vmq_flow *flow,
			    struct rndis_packet *p)
{
	memset(p, 0, sizeof(*p));
	p->frame_size = m->pkt_len;
	p->csum = checksum_info(m, flow);
	p->has_csum = p->csum != 0;
	p->has_hash = flow->type != 0;
	p->hash = flow->hash;
	/* FreeBSD takes no hash without it. */
	p->has_hash_info = p->has_hash;
	p->hash_info = RNDIS_HASH_TOEPLITZ | flow->type;
	if (vmq_has_tag(m)) {
		const uint8_t *tag = rte_pktmbuf_mtod_offset(m, const uint8_t *, VMQ_ETH_SIZE);

		p->has_vlan = true;
		p->vlan_tci = (uint16_t)(tag[0] << 8 | tag[1]);
		p->frame_size -= VMQ_TAG_SIZE;
	}
}

/* ---- Writing ---- */

/* Where the next byte of a section goes. */
struct cursor {
	const struct vmbus_pages *pages;
	uint64_t at;
};

static void cursor_write(struct cursor *c, const void *from, uint32_t size)
{
	vmbus_pages_write(c->pages, c->at, from, size);
	c->at += size;
}

/* Where the next byte of a frame is. */
struct source {
	const struct rte_mbuf *seg;
	uint32_t offset;
};

static void copy(struct cursor *to, struct source *from, uint32_t size)
{
	while (size > 0) {
		uint32_t n = RTE_MIN(size, from->seg->data_len - from->offset);

		cursor_write(to, rte_pktmbuf_mtod_offset(from->seg, const void *, from->offset), n);
		size -= n;
		from->offset += n;
		if (from->offset == from->seg->data_len) {
			from->seg = from->seg->next;
			from->offset = 0;
		}
	}
}

/* The frame's first 'size' bytes, without the tag that 'p' tells of. */
static void copy_start(struct cursor *to, struct source *from, const struct rndis_packet *p,
		       uint32_t size)
{
	if (p->has_vlan) {
		copy(to, from, 2 * VMQ_MAC_SIZE);
		from->offset += VMQ_TAG_SIZE;
		size -= 2 * VMQ_MAC_SIZE;
	}
	copy(to, from, size);
}

uint32_t vmq_write_long(const struct vmq_rules *rules, uint64_t at, const struct rte_mbuf *m,
			const struct vmq_flow *flow)
{
	struct cursor c = {.pages = rules->recv, .at = at};
	uint8_t header[RNDIS_PACKET_MAX_HEADER];
	struct source source = {.seg = m};
	struct rndis_packet p;

	header_describe(m, flow, &p);
	cursor_write(&c, header, (uint32_t)rndis_packet_write(header, &p));
	copy_start(&c, &source, &p, p.frame_size);
	return p.msg_size;
}

uint32_t vmq_pieces_of(const struct vmq_rules *rules, const struct rte_mbuf *m)
{
	uint32_t first = rules->recv_section - FIRST_HEADER,
		 other = rules->recv_section - OTHER_HEADER;

	return m->pkt_len <= first ? 1 : 1 + (m->pkt_len - first + other - 1) / other;
}

uint32_t vmq_write_pieces(const struct vmq_rules *rules, const struct vmq_queue *q, uint32_t i,
			  const struct rte_mbuf *m, const struct vmq_flow *flow,
			  struct vmbus_range *ranges)
{
	struct source source = {.seg = m};
	uint32_t left, n = 0;
	struct rndis_packet p;

	header_describe(m, flow, &p);
	for (left = p.frame_size; left > 0; n++) {
		uint64_t at = vmq_section_offset(rules, q, i + n);
		struct cursor c = {.pages = rules->recv, .at = at};
		uint8_t header[RNDIS_PACKET_MAX_HEADER];

		p.frame_size =
			RTE_MIN(left, rules->recv_section - (n == 0 ? FIRST_HEADER : OTHER_HEADER));
		left -= p.frame_size;
		p.has_id = true;
		p.id_flags = RNDIS_ID_PIECE | (n == 0 ? RNDIS_ID_FIRST : 0) |
			     (left == 0 ? RNDIS_ID_LAST : 0);
		cursor_write(&c, header, (uint32_t)rndis_packet_write(header, &p));
		copy_start(&c, &source, &p, p.frame_size);
		ranges[n] = (struct vmbus_range){p.msg_size, (uint32_t)at};
		memset(&p, 0, sizeof(p));
	}
	return n;
}
