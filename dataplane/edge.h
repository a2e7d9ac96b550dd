/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the learning switch (l2.c) and the flow engine (flow.c) have in common at a port's edges: a
 * burst is counted and admitted, a frame's tag says which VLAN carries it, and whatever decided on
 * an egress port, tenant and VLAN have the last word.  Workers.
 *
 * Source: IEEE 802.1Q-2018 8.6.
 */
#ifndef DATAPLANE_EDGE_H
#define DATAPLANE_EDGE_H

#include "dataplane/dp_priv.h"
#include "dataplane/probe_priv.h"
#include "dataplane/trace_priv.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_prefetch.h>

#define DP_EDGE_MAC_MASK  UINT64_C(0xffffffffffff)
#define DP_EDGE_GROUP_BIT UINT64_C(1)

/* EtherTypes as the upper 16 bits of the little-endian word that starts at the source address. */
#define TPID_C 0x0081u /* 0x8100 */
#define TPID_S 0xa888u /* 0x88a8 */

static_assert(RTE_BYTE_ORDER == RTE_LITTLE_ENDIAN, "addresses are compared as little-endian words");

struct dp_edge_frame {
	struct rte_mbuf *m;
	uint64_t dst, src; /* 48 bits, as in the table */
	struct dp_fdb_bucket *dst_bucket, *src_bucket;
	uint32_t where; /* domain and VLAN that addresses are learned on, as in the table */
	/* Frames that agree in this may leave by the same ports, in the same way. */
	union {
		struct {
			uint16_t domain, cvlan;
			bool tagged;
			uint8_t unused[3];
		};
		uint64_t carried;
	};
};

static inline uint64_t dp_edge_carried(uint16_t domain, uint16_t cvlan, bool tagged)
{
	return domain | (uint64_t)cvlan << 16 | (uint64_t)tagged << 32;
}

/* 01-80-C2-00-00-0x stays on its link. */
static inline bool dp_edge_is_reserved(uint64_t dst)
{
	return (dst & UINT64_C(0xf0ffffffffff)) == UINT64_C(0x0000000000c28001);
}

/* Nobody but a rule that says so takes such a frame off its link. */
static inline bool dp_edge_stays(const struct dp_vport *in, uint64_t dst)
{
	return unlikely(dp_edge_is_reserved(dst)) && (in->flags & DP_VP_BPDU) == 0;
}

static inline uint16_t dp_edge_load_be16(const uint8_t *p)
{
	return (uint16_t)(p[0] << 8 | p[1]);
}

/* An uplink that several tenants share: the outer tag names the tenant and is taken off. */
static inline bool dp_edge_classify_wire(const struct dp_vport *in, struct dp_edge_frame *f)
{
	uint8_t *d = rte_pktmbuf_mtod(f->m, uint8_t *);
	uint16_t vid, domain;

	if (f->m->data_len < 18)
		return false;
	vid = dp_edge_load_be16(d + 14) & 0xfff;
	domain = in->wire->domain_of_vlan[vid];
	if (domain == DP_NO_DOMAIN)
		return false;
	memmove(d + 4, d, 12);
	rte_pktmbuf_adj(f->m, 4);
	dp_vlan_l2_len_changed(f->m, -4);
	f->domain = domain;
	return true;
}

/* A tagged frame: which VLAN carries it.  DP_N_DROPS when it may go on. */
static inline enum dp_drop dp_edge_classify_tagged(const struct dp_vport *in,
						   struct dp_edge_frame *f)
{
	const uint8_t *d = rte_pktmbuf_mtod(f->m, const uint8_t *);
	uint16_t vid;

	if (f->m->data_len < 18)
		return DP_DROP_TRUNCATED_TAG;
	vid = dp_edge_load_be16(d + 14) & 0xfff;
	f->tagged = true;
	if (vid == 0) {
		f->cvlan = in->pvid;
		return (in->flags & DP_VP_UNTAGGED_IN) != 0 ? DP_N_DROPS : DP_DROP_UNTAGGED;
	}
	f->cvlan = vid;
	if ((in->flags & DP_VP_TAGGED_IN) == 0 || !dp_vlan_test(in->vlan_in, vid))
		return DP_DROP_VLAN_NOT_MEMBER;
	return DP_N_DROPS;
}

static inline bool dp_edge_is_tpid(uint16_t type)
{
	return type == TPID_C || type == TPID_S;
}

static inline uint16_t dp_edge_eth_type_le(const struct rte_mbuf *m)
{
	uint16_t type;

	memcpy(&type, rte_pktmbuf_mtod_offset(m, const char *, 12), sizeof(type));
	return type;
}

/* Reads addresses and tag.  DP_N_DROPS when the frame may go on. */
static inline enum dp_drop dp_edge_classify(const struct dp_vport *in, struct dp_edge_frame *f)
{
	const char *d = rte_pktmbuf_mtod(f->m, const char *);
	uint64_t first, second;
	uint16_t type;

	if (unlikely(f->m->data_len < RTE_ETHER_HDR_LEN))
		return DP_DROP_RUNT;
	memcpy(&first, d, sizeof(first));
	memcpy(&second, d + 6, sizeof(second));
	f->dst = first & DP_EDGE_MAC_MASK;
	f->src = second & DP_EDGE_MAC_MASK;
	type = (uint16_t)(second >> 48);
	f->carried = dp_edge_carried(in->domain, in->pvid, false);
	if (unlikely((f->src & DP_EDGE_GROUP_BIT) != 0 || f->src == 0))
		return DP_DROP_BAD_SOURCE;
	/* Rules see them: controllers learn who is beside whom from LLDP. */
	if (dp_edge_stays(in, f->dst) && in->pipeline == NULL)
		return DP_DROP_RESERVED_MAC;
	if (unlikely(in->wire != NULL)) {
		if (dp_edge_is_tpid(type) && dp_edge_classify_wire(in, f))
			type = dp_edge_eth_type_le(f->m);
		/* A tunnel port of tenants by key has no tenant of its own. */
		if (f->domain == DP_NO_DOMAIN)
			return DP_DROP_TENANT;
	}
	if (unlikely(dp_edge_is_tpid(type)) && (in->flags & DP_VP_TUNNEL) == 0)
		return dp_edge_classify_tagged(in, f);
	return (in->flags & DP_VP_UNTAGGED_IN) != 0 ? DP_N_DROPS : DP_DROP_UNTAGGED;
}

/* May a frame of this domain and VLAN leave by 'out'?  The last word on isolation: it does not
 * trust the table. */
static inline bool dp_edge_may_leave(const struct dp_vport *in, const struct dp_vport *out,
				     uint16_t domain, uint16_t cvlan, enum dp_drop *ret_reason)
{
	if (unlikely(out->domain != domain)) {
		if (out->wire == NULL || out->wire->vlan_of_domain[domain] == DP_NO_VLAN) {
			*ret_reason = DP_DROP_TENANT;
			return false;
		}
	}
	if (unlikely(!dp_vlan_test(out->vlan_out, cvlan))) {
		*ret_reason = DP_DROP_EGRESS_VLAN;
		return false;
	}
	if (likely((out->flags & (DP_VP_UP | DP_VP_HELD | DP_VP_PRIVATE | DP_VP_NO_FWD |
				  DP_VP_PROTECTED | DP_VP_MIRROR_ONLY)) == DP_VP_UP))
		return true;
	if ((out->flags & DP_VP_MIRROR_ONLY) != 0) {
		*ret_reason = DP_DROP_MIRROR_ONLY;
		return false;
	}
	if ((out->flags & DP_VP_NO_FWD) != 0) {
		*ret_reason = DP_DROP_NO_FWD;
		return false;
	}
	if ((out->flags & (DP_VP_UP | DP_VP_HELD)) != DP_VP_UP) {
		*ret_reason = (out->flags & DP_VP_HELD) != 0 ? DP_DROP_LOOP : DP_DROP_TX_DOWN;
		return false;
	}
	*ret_reason = dp_protected_takes(out, in) ? DP_DROP_EGRESS_VLAN : DP_DROP_GUARD_PROTECTED;
	return dp_private_takes(out, in) && dp_protected_takes(out, in);
}

static inline bool dp_edge_needs_tag_work(const struct dp_vport *out, const struct dp_edge_frame *f)
{
	return f->tagged || out->wire != NULL ||
	       ((out->flags & DP_VP_TAG_OUT) != 0 && f->cvlan != out->native_out);
}

/* Out by 'out', which may be 'in'. */
static inline void dp_edge_send(struct dp_worker *w, const struct dp_vport *in,
				const struct dp_vport *out, const struct dp_edge_frame *f,
				struct dp_count *count)
{
	enum dp_drop reason = DP_N_DROPS;
	struct rte_mbuf *m = f->m;

	if (unlikely(!dp_edge_may_leave(in, out, f->domain, f->cvlan, &reason))) {
		dp_trace_refused_by(w, out->id);
		dp_drop(w, in->id, m, reason);
		return;
	}
	if (unlikely(dp_edge_needs_tag_work(out, f))) {
		m = dp_vlan_egress(w, out, m, f->domain, f->cvlan, f->tagged);
		if (m == NULL) {
			count->drops_rx[DP_DROP_NO_MBUF]++;
			return;
		}
	}
	count->forwarded++;
	dp_tx(w, out, m);
}

static inline void dp_edge_forward(struct dp_worker *w, const struct dp_vport *in,
				   const struct dp_vport *out, const struct dp_edge_frame *f,
				   struct dp_count *count)
{
	if (unlikely(out == NULL)) {
		dp_drop(w, in->id, f->m, DP_DROP_NO_RECEIVER);
	} else if (unlikely(out == in)) {
		dp_trace_refused_by(w, out->id);
		dp_drop(w, in->id, f->m, DP_DROP_HAIRPIN);
	} else {
		dp_edge_send(w, in, out, f, count);
	}
}

static inline void dp_edge_count_tenant(struct dp_worker *w, uint16_t domain, uint16_t packets,
					uint64_t bytes)
{
	w->count->domains[domain].rx_packets += packets;
	w->count->domains[domain].rx_bytes += bytes;
}

static inline bool dp_edge_is_probe(struct dp_worker *w, const struct dp_vport *in,
				    const struct rte_mbuf *m)
{
	uint64_t first;

	if (m->data_len < RTE_ETHER_HDR_LEN)
		return false;
	memcpy(&first, rte_pktmbuf_mtod(m, const char *), sizeof(first));
	return (first & DP_EDGE_MAC_MASK) == PROBE_DST && dp_probe_is_ours(w, in->id, m);
}

/* Counts the burst as received; true when the port takes frames at all. */
static inline bool dp_edge_admit(struct dp_worker *w, const struct dp_vport *in,
				 struct rte_mbuf **pkts, uint16_t n)
{
	struct dp_count *count = w->count->ports[in->id];
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < n; i++) {
		rte_prefetch0(rte_pktmbuf_mtod(pkts[i], void *));
		bytes += pkts[i]->pkt_len;
		pkts[i]->port = in->id;
	}
	count->rx_packets += n;
	count->rx_bytes += bytes;
	if (likely(in->wire == NULL))
		dp_edge_count_tenant(w, in->domain, n, bytes);
	if (likely((in->flags & (DP_VP_UP | DP_VP_HELD | DP_VP_NO_RECV | DP_VP_MIRROR_ONLY)) ==
		   DP_VP_UP))
		return true;
	for (uint16_t i = 0; i < n; i++) {
		/* A port that is held still tells whether the loop is there. */
		if ((in->flags & DP_VP_UP) == 0)
			dp_drop(w, in->id, pkts[i], DP_DROP_PORT_DISABLED);
		else if ((in->flags & DP_VP_MIRROR_ONLY) != 0)
			dp_drop(w, in->id, pkts[i], DP_DROP_MIRROR_ONLY);
		else if ((in->flags & DP_VP_HELD) == 0)
			dp_drop(w, in->id, pkts[i], DP_DROP_NO_RECV);
		else
			dp_drop(w, in->id, pkts[i],
				dp_edge_is_probe(w, in, pkts[i]) ? DP_DROP_LOOP_PROBE
								 : DP_DROP_LOOP);
	}
	return false;
}

#endif
