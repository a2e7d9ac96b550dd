/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames made of somebody's memory: fresh mbufs of a pool, filled by copying.  For drivers that
 * copy (vring*.c, vmq).  Workers.
 */
#ifndef DATAPLANE_FRAME_H
#define DATAPLANE_FRAME_H

#include <stdint.h>

#include <rte_mbuf.h>

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

#endif
