/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Mirrors on a worker; see mirror.h.  dataplane/ only.
 */
#ifndef DATAPLANE_MIRROR_PRIV_H
#define DATAPLANE_MIRROR_PRIV_H

#include "dataplane/dp_priv.h"
#include "dataplane/mirror.h"

#define DP_MIRROR_SUPER	   (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)
#define DP_MIRROR_REQUESTS (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IP_CKSUM | DP_MIRROR_SUPER)

/* What a frame's tags say at the edge of a port. */
struct dp_mirror_tags {
	uint16_t wire; /* a shared uplink's, of the tenant; DP_NO_VLAN: none */
	uint16_t vlan; /* that carries it */
	uint8_t cos;
	bool tagged;
};
void dp_mirror_tags(const struct dp_vport *vp, enum dp_filter_side side, const struct rte_mbuf *m,
		    struct dp_mirror_tags *ret);

static inline uint32_t dp_mirror_piece(const struct rte_mbuf *m)
{
	return (uint32_t)m->l2_len + m->l3_len + m->l4_len + m->tso_segsz;
}

/* Adds to a counter of this worker's. */
void dp_mirror_add(struct dp_worker *w, const struct dp_mirror *mirror, size_t at, uint64_t n);
#define DP_MIRROR_AT(field) (offsetof(struct dp_mirror_count, field) / sizeof(uint64_t))

/* Where a burst of copies was made. */
struct dp_mirror_from {
	const struct dp_mirror *mirror;
	uint16_t port;
	uint8_t side;
};

/* mirror_send.c: could copies be sent now?  DP_MIRROR_N_LOSSES: yes; else why not. */
enum dp_mirror_loss dp_mirror_ready(struct dp_worker *w, const struct dp_mirror *mirror);
/* Takes the copies, at most DP_TX_GATHER, which are counted as copied; 'vlan_tci_outer' of one that
 * was cut short is not 0. */
void dp_mirror_carry(struct dp_worker *w, const struct dp_mirror_from *from,
		     struct rte_mbuf **copies, uint16_t n);

#endif
