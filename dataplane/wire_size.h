/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a frame takes on the wire of an Ethernet: preamble, checksum and gap besides its bytes, and
 * for a super-frame the headers of each segment.  What senders say of a super-frame was checked
 * when it came in (vnet.h, rndis); here nothing that they say may do more harm than a wrong number.
 */
#ifndef DATAPLANE_WIRE_SIZE_H
#define DATAPLANE_WIRE_SIZE_H

#include <stdint.h>

#include <rte_mbuf.h>

#define DP_WIRE_OVERHEAD 24u /* 8 preamble, 4 checksum, 12 gap */

/* '*ret_segs': of how many frames. */
static inline uint32_t dp_wire_size(const struct rte_mbuf *m, uint32_t *ret_segs)
{
	uint32_t headers, segs;

	*ret_segs = 1;
	if (likely((m->ol_flags & (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)) == 0))
		return m->pkt_len + DP_WIRE_OVERHEAD;
	headers = (uint32_t)m->l2_len + m->l3_len + m->l4_len;
	if (m->tso_segsz == 0 || m->pkt_len <= headers)
		return m->pkt_len + DP_WIRE_OVERHEAD;
	segs = (m->pkt_len - headers + m->tso_segsz - 1) / m->tso_segsz;
	*ret_segs = segs;
	return m->pkt_len + (segs - 1) * headers + segs * DP_WIRE_OVERHEAD;
}

#endif
