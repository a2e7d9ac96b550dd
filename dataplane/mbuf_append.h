/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Bytes of somebody else's memory into a frame, as drivers of shared rings do it.  Workers.
 */
#ifndef DATAPLANE_MBUF_APPEND_H
#define DATAPLANE_MBUF_APPEND_H

#include <errno.h>
#include <stdint.h>

#include <rte_mbuf.h>
#include <rte_memcpy.h>

/* Appends 'size' bytes to the frame 'm', whose last segment is '*last'; takes further segments from
 * 'pool'.  0, or -ENOMEM: some of them are in. */
static inline int dp_mbuf_append(struct rte_mbuf *m, struct rte_mbuf **last, const uint8_t *from,
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
