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

/* tunnel_frag.c: keeps what may be a fragment of a tunnel's packet until that is whole.  True: it
 * took the frame, which was offered to the VTEP. */
bool dp_vtep_hold(struct dp_worker *w, const struct dp_vport *vp, struct rte_mbuf *m);
/* A packet that became whole, of so many frames and bytes; NULL: none. */
struct rte_mbuf *dp_vtep_whole(struct dp_worker *w, const struct dp_vport *vp, uint16_t *ret_n,
			       uint64_t *ret_bytes);

/* tunnel_pmtu.c: tells the sender of 'm' that no longer frames than 'longest' go this way: what it
 * is told comes in by 'vp'.  'm' stays the caller's. */
enum dp_tell {
	DP_TELL_DONE,
	DP_TELL_NOBODY, /* there is a way, but not now, or not about this packet */
	DP_TELL_NO_WAY, /* its protocol has none: it may be fragmented */
};
enum dp_tell dp_tunnel_tell(struct dp_worker *w, const struct dp_vport *vp, uint16_t vlan,
			    const struct rte_mbuf *m, uint32_t longest);
/* Fragments of the outer packet 'm', which stays the caller's, for 'mtu'.  How many; 0: no buffers,
 * or more than 'max'. */
uint16_t dp_tunnel_fragment(struct dp_worker *w, const struct rte_mbuf *m, bool v6, uint16_t mtu,
			    struct rte_mbuf **ret, uint16_t max);

/* tunnel_learn.c: behind which remote lives the station that 'm' is for?  False: nobody knows, or
 * it is for many. */
bool dp_vtep_learned(struct dp_worker *w, const struct dp_vport *vtep, const struct dp_vport *port,
		     uint16_t vlan, const struct rte_mbuf *m, struct dp_ip *ret_ip);
/* The station that sent 'm' lives behind 'src'. */
void dp_vtep_learn(struct dp_worker *w, const struct dp_vport *vtep, const struct dp_vport *port,
		   uint16_t vlan, const struct rte_mbuf *m, const struct dp_ip *src);
int dp_learned_create(struct dp_learned **ret);
void dp_learned_destroy(struct dp_learned *l);
void dp_learned_tick(struct dp_learned *l, struct dp *dp, uint64_t now_ns);

/* tunnel_in.c: a frame comes in by a tunnel port, 'vlan' for the tenant that it is of (or
 * DP_NO_VLAN), out of 'o' (NULL: from nowhere).  Takes it.  It has room before it. */
void dp_tunnel_comes_in(struct dp_worker *w, const struct dp_vport *vp, uint16_t vlan,
			const struct dp_tunnel_outer *o, struct rte_mbuf *m);

static inline uint64_t dp_worker_now_ms(const struct dp_worker *w)
{
	return w->burst_tsc / (w->dp->tsc_hz / 1000);
}

#endif
