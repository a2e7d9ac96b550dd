/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Overlays on a worker; see tunnel.h.  dataplane/ only.
 */
#ifndef DATAPLANE_TUNNEL_PRIV_H
#define DATAPLANE_TUNNEL_PRIV_H

#include "dataplane/dp_priv.h"
#include "dataplane/tunnel.h"

/* dp_port_ops.sink of both kinds.  They count what is offered.  Take the frames. */
void dp_vtep_sink(struct dp_worker *w, const struct dp_vport *vp, struct rte_mbuf **pkts,
		  uint16_t n);
void dp_tunnel_sink(struct dp_worker *w, const struct dp_vport *vp, struct rte_mbuf **pkts,
		    uint16_t n);

/* tunnel_send.c: outer frames to 'dst' leave by the VTEP's switch, as if its station sent them.
 * Takes them. */
void dp_vtep_leave(struct dp_worker *w, const struct dp_vport *vp, const uint8_t dst[6],
		   struct rte_mbuf **pkts, uint16_t n);
/* Finds the MAC of the next hop towards 'to', and asks for it when it must.  Else why not. */
enum dp_drop dp_vtep_resolve(struct dp_worker *w, const struct dp_vtep *vtep,
			     const struct dp_ip *to, uint8_t ret_mac[6]);

/* vtep_answer.c: a frame for a VTEP that is no tunnel's: ARP, neighbour discovery, echo.  Takes it.
 * DP_N_DROPS: it was of use; else it is the caller's to drop. */
enum dp_drop dp_vtep_answer(struct dp_worker *w, const struct dp_vtep *vtep, struct rte_mbuf *m);
/* Asks who has 'ip': comes in by the VTEP. */
void dp_vtep_ask(struct dp_worker *w, const struct dp_vtep *vtep, const struct dp_ip *ip);

/* tunnel_pmtu.c: tells the sender of 'm' that packets for it may have 'mtu' bytes: what it is told
 * comes in by 'port'.  False: there is no way to tell it, or many were told just now.  'm' stays
 * the caller's. */
bool dp_tunnel_tell(struct dp_worker *w, uint16_t port, const struct rte_mbuf *m, uint32_t mtu);

static inline uint64_t dp_worker_now_ms(const struct dp_worker *w)
{
	return w->burst_tsc / (w->dp->tsc_hz / 1000);
}

#endif
