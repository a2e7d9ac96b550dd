/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See frame.h.
 */
#include "dataplane/frame.h"

#include <errno.h>

#include <rte_memcpy.h>

int dp_frame_append(struct rte_mbuf *m, struct rte_mbuf **last, const uint8_t *from, uint32_t size,
		    struct rte_mempool *pool)
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
