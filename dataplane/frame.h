/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames made of somebody's memory: fresh mbufs of a pool, filled by copying.  For drivers that
 * copy (vring*.c, vmq).  Workers.
 */
#ifndef DATAPLANE_FRAME_H
#define DATAPLANE_FRAME_H

#include <errno.h>
#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_memcpy.h>

/* Makes a fresh mbuf of the pool a frame of one segment with 'size' bytes.  Writes its first cache
 * line only: the pool holds direct mbufs with next NULL (rte_mbuf_raw_free()'s rule). */
static inline void dp_frame_init(struct rte_mbuf *m, uint32_t size)
{
	m->data_off = RTE_PKTMBUF_HEADROOM;
	m->ol_flags = 0;
	m->packet_type = 0;
	m->pkt_len = size;
	m->data_len = (uint16_t)size;
	m->vlan_tci = 0;
	m->port = RTE_MBUF_PORT_INVALID;
}

/* Appends 'size' bytes to the frame 'm', whose last segment is '*last'; takes further segments from
 * 'pool'.  0, or -ENOMEM: some of them are in. */
static inline int dp_frame_append(struct rte_mbuf *m, struct rte_mbuf **last, const uint8_t *from,
				  uint32_t size, struct rte_mempool *pool)
{
	while (size > 0) {
		uint16_t room = rte_pktmbuf_tailroom(*last);
		uint16_t n = (uint16_t)RTE_MIN(size, (uint32_t)room);

		if (room == 0) {
			struct rte_mbuf *seg = rte_pktmbuf_alloc(pool);

			if (seg == NULL)
				return -ENOMEM;
			(*last)->next = seg;
			*last = seg;
			m->nb_segs++;
			continue;
		}
		rte_memcpy(rte_pktmbuf_mtod_offset(*last, void *, (*last)->data_len), from, n);
		(*last)->data_len += n;
		m->pkt_len += n;
		from += n;
		size -= n;
	}
	return 0;
}

#endif
