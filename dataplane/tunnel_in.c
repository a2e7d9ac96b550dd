/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Decapsulation: what is sent to a VTEP.  All outer input is untrusted: dp_tunnel_parse() looks at
 * every length; a checksum that is there must be right unless the device said so; a key and sender
 * that nobody waits for is counted and dropped.  Frames of one key and sender mostly come together,
 * so the last answer is tried first.  Workers.
 */
#include "dataplane/again.h"
#include "dataplane/edge.h"
#include "dataplane/frag.h"
#include "dataplane/rewrite.h"
#include "dataplane/tunnel_priv.h"

#include <rte_ip.h>

#define REQUESTS                                                                                   \
	(RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_TCP_SEG |                  \
	 RTE_MBUF_F_TX_UDP_SEG)
#define RX_FLAGS                                                                                   \
	(RTE_MBUF_F_RX_RSS_HASH | RTE_MBUF_F_RX_L4_CKSUM_MASK | RTE_MBUF_F_RX_IP_CKSUM_MASK)
#define TAG_SIZE   4u
#define ETH_SIZE   14u
#define INNER_HEAD 128u /* as much of an inner frame as is looked at */

#define N_LAST 4u /* a power of two */

/* Where the last frame went, and what others that go there look like. */
struct last {
	const struct dp_vport *to;
	uint32_t key;
	uint16_t vlan;
	bool has_alike;
	struct dp_ip src;
	struct dp_tunnel_outer outer; /* when 'has_alike' */
	struct dp_tunnel_alike alike;
};

/* Frames of some remotes may take turns. */
static inline struct last *last_of(struct last *lasts, const struct rte_mbuf *m)
{
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);

	/* The last bytes of IPv4's source and of VXLAN's VNI. */
	return m->data_len < DP_TUNNEL_ALIKE_LOOK ? lasts : &lasts[(d[29] ^ d[48]) & (N_LAST - 1)];
}

static bool takes_from(const struct dp_overlay *t, const struct dp_ip *src)
{
	if (t->remote_flow)
		return true;
	for (uint16_t i = 0; i < t->n_remotes; i++)
		if (dp_ip_equal(&t->remotes[i], src))
			return true;
	return false;
}

static const struct dp_vport *tunnel_port(const struct dp_worker *w, uint16_t id)
{
	const struct dp_vport *vp = w->view->vports[id];

	return vp != NULL && vp->tunnel != NULL && vp->port != NULL ? vp : NULL;
}

/* Whose is it?  NULL: nobody's. */
static const struct dp_vport *find_tunnel(const struct dp_worker *w, const struct dp_vtep *vtep,
					  const struct dp_tunnel_outer *o, uint16_t *ret_vlan)
{
	uint32_t key = dp_tunnel_match_key((enum dp_tunnel_type)o->type, o->vni);
	const struct dp_vport *vp;

	for (uint32_t i = dp_tunnel_match_slot(key, vtep->mask); vtep->matches[i].key != 0;
	     i = (i + 1) & vtep->mask) {
		if (vtep->matches[i].key != key)
			continue;
		vp = tunnel_port(w, vtep->matches[i].port);
		if (vp == NULL || !takes_from(vp->tunnel, &o->src))
			continue;
		*ret_vlan = vtep->matches[i].vlan;
		return vp;
	}
	for (unsigned i = 0; i < vtep->n_any; i++) {
		vp = tunnel_port(w, vtep->any[i]);
		if (vp == NULL || vp->tunnel->type != o->type || !takes_from(vp->tunnel, &o->src))
			continue;
		*ret_vlan = DP_NO_VLAN;
		return vp;
	}
	return NULL;
}

static bool is_mine(const struct dp_vtep *vtep, const struct dp_tunnel_outer *o)
{
	return o->dst.v6 ? vtep->v6.there && dp_ip_equal(&o->dst, &vtep->v6.address)
			 : vtep->v4.there && dp_ip_equal(&o->dst, &vtep->v4.address);
}

/* UDP's checksum where there is one and no device vouches for it. */
static bool checksum_is_good(const struct rte_mbuf *m, const struct dp_tunnel_outer *o)
{
	uint64_t rx = m->ol_flags & RTE_MBUF_F_RX_L4_CKSUM_MASK;
	uint32_t sum;
	uint16_t raw;

	if (o->type == DP_TUN_NVGRE || o->zero_csum || rx == RTE_MBUF_F_RX_L4_CKSUM_GOOD)
		return true;
	/* A sender on this host left a checksum, this or the inner one, to its device: the frame
	 * was on no wire, and the outer sum is right only when the inner one is there. */
	if ((m->ol_flags & RTE_MBUF_F_TX_L4_MASK) != 0)
		return true;
	if (rte_raw_cksum_mbuf(m, o->l4, o->l4_size, &raw) != 0)
		return false;
	sum = raw;
	sum += rte_raw_cksum(o->src.b, o->src.v6 ? 16 : 4);
	sum += rte_raw_cksum(o->dst.b, o->dst.v6 ? 16 : 4);
	sum += rte_cpu_to_be_16((uint16_t)o->l4_size) + rte_cpu_to_be_16(17);
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	return (sum & 0xffff) == 0xffff;
}

/* What the outer header says of congestion becomes the inner packet's (RFC 6040 4.2).  False: it
 * must be dropped.  The frame is the worker's own; the inner header starts at 'at'. */
static bool take_ecn(struct rte_mbuf *m, const struct dp_tunnel_outer *o)
{
	uint8_t *d = rte_pktmbuf_mtod(m, uint8_t *) + o->size, *ip = d + ETH_SIZE;
	uint32_t size = (uint32_t)m->data_len - o->size;
	uint16_t type = size >= ETH_SIZE ? dp_tun_get16(d + 12) : 0;
	int ecn;

	if (type == 0x8100 || type == 0x88a8) {
		ip += TAG_SIZE;
		type = size >= ETH_SIZE + TAG_SIZE ? dp_tun_get16(d + 16) : 0;
	}
	if ((type != 0x0800 && type != 0x86dd) || ip + 20 > d + size)
		return true;
	if (type == 0x86dd) {
		ecn = dp_tunnel_ecn_out(o->tos, ip[1] >> 4);
		if (ecn >= 0)
			ip[1] = (uint8_t)((ip[1] & 0xcf) | ecn << 4);
		return ecn >= 0;
	}
	ecn = dp_tunnel_ecn_out(o->tos, ip[1]);
	if (ecn >= 0 && ecn != (ip[1] & 3)) {
		/* RFC 1624: HC' = ~(~HC + ~m + m'). */
		uint32_t was = dp_tun_get16(ip), sum;

		ip[1] = (uint8_t)((ip[1] & 0xfc) | ecn);
		sum = (uint16_t)~dp_tun_get16(ip + 10) + (uint16_t)~was + dp_tun_get16(ip);
		sum = (sum & 0xffff) + (sum >> 16);
		sum += sum >> 16;
		dp_tun_put16(ip + 10, (uint16_t)~sum);
	}
	return ecn >= 0;
}

/* An open checksum or super-frame is about the inner packet, or about what is taken off. */
static bool take_requests(struct rte_mbuf *m, const struct dp_tunnel_outer *o)
{
	if (likely((m->ol_flags & REQUESTS) == 0))
		return true;
	if (m->l2_len > o->size) {
		m->l2_len = (uint64_t)(m->l2_len - o->size) & 0x7f;
		return true;
	}
	if ((m->ol_flags & (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)) != 0)
		return false;
	m->ol_flags &= ~(uint64_t)(REQUESTS | RTE_MBUF_F_TX_IPV4 | RTE_MBUF_F_TX_IPV6);
	return true;
}

/* What stands for the tenant on the tunnel port goes in front, as on a shared uplink. */
static void push_tenant(struct rte_mbuf *m, uint16_t tpid_be, uint16_t vlan)
{
	uint8_t *d;

	m->data_off = (uint16_t)(m->data_off - TAG_SIZE); /* where the outer header was */
	m->data_len = (uint16_t)(m->data_len + TAG_SIZE);
	m->pkt_len += TAG_SIZE;
	d = rte_pktmbuf_mtod(m, uint8_t *);
	memmove(d, d + TAG_SIZE, 12);
	memcpy(d + 12, &tpid_be, sizeof(tpid_be));
	dp_tun_put16(d + 14, vlan);
	dp_vlan_l2_len_changed(m, (int)TAG_SIZE);
}

/* Before the frame's bytes, where its outer header was: room for a tag, then this, and before it
 * IPv6's addresses if it says so.  No header that is taken off is shorter. */
#define TAG_ROOM 8
struct meta {
	uint32_t id; /* network order */
	uint32_t v6;
	uint32_t src, dst;
};
static_assert(TAG_ROOM + sizeof(struct meta) + 32 == DP_TUNNEL_META_ROOM, "as it says");

void dp_tunnel_key(const struct rte_mbuf *m, struct dp_key *key)
{
	const uint8_t *end = rte_pktmbuf_mtod(m, const uint8_t *) - TAG_ROOM;
	uint8_t *id = key->b + dp_fields[DP_FIELD_TUN_ID].offset,
		*src = key->b + dp_fields[DP_FIELD_TUN_SRC].offset;
	struct meta meta;

	memcpy(&meta, end - sizeof(meta), sizeof(meta));
	memset(id, 0, 4);
	memcpy(id + 4, &meta.id, 4);
	memcpy(src, &meta.src, 8);
	if (unlikely(meta.v6 != 0))
		memcpy(src + 8, end - sizeof(meta) - 32, 32);
	else
		memset(src + 8, 0, 32);
}

static inline void put_meta_before(uint8_t *frame, const struct dp_tunnel_outer *o)
{
	uint8_t *end = frame - TAG_ROOM;
	struct meta meta = {0};

	if (o != NULL)
		meta = (struct meta){rte_cpu_to_be_32(o->vni), o->src.v6, o->src.v4, o->dst.v4};
	if (unlikely(meta.v6 != 0)) {
		meta.src = meta.dst = 0;
		memcpy(end - sizeof(meta) - 32, o->src.b, 16);
		memcpy(end - sizeof(meta) - 16, o->dst.b, 16);
	}
	memcpy(end - sizeof(meta), &meta, sizeof(meta));
}

static inline void put_meta(struct rte_mbuf *m, const struct dp_tunnel_outer *o)
{
	put_meta_before(rte_pktmbuf_mtod(m, uint8_t *), o);
}

void dp_tunnel_pretend(struct rte_mbuf *m, const struct dp_tunnel_outer *o, unsigned ahead)
{
	put_meta_before(rte_pktmbuf_mtod(m, uint8_t *) + ahead, o);
}

void dp_tunnel_comes_in(struct dp_worker *w, const struct dp_vport *vp, uint16_t vlan,
			const struct dp_tunnel_outer *o, struct rte_mbuf *m)
{
	if (vp->pipeline != NULL)
		put_meta(m, o);
	if (vlan != DP_NO_VLAN)
		push_tenant(m, vp->tpid_out, vlan);
	dp_again(w, vp->id, m);
}

/* The frame with bytes of its own, room before the inner one, and the inner headers in one piece: a
 * tunnel of ours may have put its header into an mbuf before shared bytes.  Takes 'm'; NULL: no
 * buffer. */
static struct rte_mbuf *own(struct dp_worker *w, struct rte_mbuf *m, uint16_t size)
{
	struct rte_mbuf *copy;
	bool whole = m->nb_segs == 1 || m->data_len >= size + INNER_HEAD;

	if (likely(whole && RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1 &&
		   rte_pktmbuf_headroom(m) + size >= DP_TUNNEL_META_ROOM))
		return m;
	copy = rte_pktmbuf_copy(m, dp_pool(w->dp, 0, false), 0, UINT32_MAX);
	rte_pktmbuf_free(m);
	return copy;
}

/* Takes the outer headers off and sends the inner frame in by 'to'. */
static enum dp_drop unwrap(struct dp_worker *w, const struct dp_vport *vtep,
			   const struct last *last, const struct dp_tunnel_outer *o,
			   struct rte_mbuf **mp)
{
	uint32_t whole = o->l4 + o->l4_size;
	struct rte_mbuf *m;

	if (unlikely(!take_requests(*mp, o)))
		return DP_DROP_TX_OFFLOAD;
	*mp = m = own(w, *mp, o->size);
	if (unlikely(m == NULL))
		return DP_DROP_NO_MBUF;
	if (unlikely((o->tos & 3) != 0) && !take_ecn(m, o))
		return DP_DROP_TUNNEL_ECN;
	/* Padding is the outer frame's. */
	if (unlikely(m->pkt_len > whole))
		rte_pktmbuf_trim(m, (uint16_t)RTE_MIN(m->pkt_len - whole,
						      rte_pktmbuf_lastseg(m)->data_len));
	rte_pktmbuf_adj(m, o->size);
	m->ol_flags &= ~(uint64_t)RX_FLAGS;
	if (unlikely(last->to->tunnel->n_remotes != 1))
		dp_vtep_learn(w, vtep, last->to, last->vlan, m, &o->src);
	dp_tunnel_comes_in(w, last->to, last->vlan, o, m);
	return DP_N_DROPS;
}

/* One frame.  DP_N_DROPS: it was taken; else '*mp' is the caller's to drop (NULL: it is gone). */
static enum dp_drop take(struct dp_worker *w, const struct dp_vport *vp, struct last *last,
			 struct rte_mbuf **mp, bool *ret_held)
{
	const struct dp_vtep *vtep = vp->vtep;
	const uint8_t *d = rte_pktmbuf_mtod(*mp, const uint8_t *);
	struct dp_tunnel_outer o;
	enum dp_drop reason;
	uint32_t key;

	if (memcmp(d, vtep->mac.addr_bytes, 6) != 0 && (d[0] & 1) == 0)
		return DP_DROP_VTEP_UNUSED;
	reason = dp_tunnel_parse(d, (*mp)->data_len, (*mp)->pkt_len, vtep->udp, vtep->n_udp, &o);
	if (unlikely(reason == DP_DROP_TUNNEL_FRAGMENT) && is_mine(vtep, &o) &&
	    dp_vtep_hold(w, vp, *mp)) {
		*ret_held = true;
		return DP_N_DROPS;
	}
	if (unlikely(reason != DP_N_DROPS))
		return reason;
	if (unlikely(o.type == DP_TUN_NONE))
		return dp_vtep_answer(w, vtep, *mp);
	if (unlikely(!is_mine(vtep, &o)))
		return DP_DROP_VTEP_UNUSED;
	key = dp_tunnel_match_key((enum dp_tunnel_type)o.type, o.vni);
	if (unlikely(last->to == NULL || last->key != key || !dp_ip_equal(&last->src, &o.src))) {
		last->to = find_tunnel(w, vtep, &o, &last->vlan);
		last->key = key;
		last->src = o.src;
		last->has_alike = false;
	}
	if (unlikely(last->to == NULL))
		return DP_DROP_TUNNEL_UNKNOWN;
	if (unlikely(o.zero_csum && o.src.v6 && last->to->tunnel->checksum6))
		return DP_DROP_TUNNEL_CHECKSUM;
	if (unlikely(!checksum_is_good(*mp, &o)))
		return DP_DROP_TUNNEL_CHECKSUM;
	last->outer = o;
	last->has_alike = (*mp)->data_len >= DP_TUNNEL_ALIKE_LOOK &&
			  dp_tunnel_alike_make(d, &o, &last->alike);
	return unwrap(w, vp, last, &o, mp);
}

/* How many of 'pkts' are like the one before, and need no more than to lose their headers? */
static uint16_t count_alike(const struct last *last, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t i;

	if (!last->has_alike || last->to == NULL)
		return 0;
	for (i = 0; i < n; i++) {
		const struct rte_mbuf *m = pkts[i];

		if (m->data_len < DP_TUNNEL_ALIKE_LOOK || m->nb_segs != 1 ||
		    rte_mbuf_refcnt_read(m) != 1 ||
		    (m->ol_flags & (REQUESTS | RTE_MBUF_F_INDIRECT | RTE_MBUF_F_EXTERNAL)) != 0 ||
		    !dp_tunnel_is_alike(&last->alike, rte_pktmbuf_mtod(m, const uint8_t *),
					m->pkt_len))
			break;
	}
	return i;
}

/* Takes the headers off frames that are alike and sends them in.  Returns how many bytes they had.
 */
static uint64_t unwrap_alike(struct dp_worker *w, const struct dp_vport *vtep,
			     const struct last *last, struct rte_mbuf **pkts, uint16_t n)
{
	bool learns = last->to->tunnel->n_remotes != 1, asks = last->to->pipeline != NULL;
	uint64_t bytes = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		bytes += m->pkt_len;
		m->data_off += DP_TUNNEL_ALIKE_HEAD;
		m->data_len = (uint16_t)(m->data_len - DP_TUNNEL_ALIKE_HEAD);
		m->pkt_len -= DP_TUNNEL_ALIKE_HEAD;
		m->ol_flags &= ~(uint64_t)RX_FLAGS;
		if (unlikely(learns))
			dp_vtep_learn(w, vtep, last->to, last->vlan, m, &last->src);
		if (asks)
			put_meta(m, &last->outer);
		if (unlikely(last->vlan != DP_NO_VLAN))
			push_tenant(m, last->to->tpid_out, last->vlan);
	}
	dp_again_burst(w, last->to->id, pkts, n);
	return bytes;
}

/* The next packet, whatever it is, which came in 'n' frames of so many bytes. */
static void take_one(struct dp_worker *w, const struct dp_vport *vp, struct last *last,
		     struct rte_mbuf *m, uint16_t n, uint64_t bytes)
{
	struct dp_count *count = w->count->ports[vp->id];
	bool held = false;
	enum dp_drop reason = take(w, vp, last, &m, &held);

	if (unlikely(held))
		return;
	if (likely(reason == DP_N_DROPS)) {
		count->tx_packets += n;
		count->tx_bytes += bytes;
		return;
	}
	count->drops_tx[reason] += n - 1u;
	if (m == NULL)
		count->drops_tx[reason]++;
	else
		dp_drop_tx(w, vp->id, m, reason);
}

/* Fragments that became packets. */
static void take_whole(struct dp_worker *w, const struct dp_vport *vp)
{
	struct last last = {.to = NULL};
	struct rte_mbuf *m;
	uint64_t bytes;
	uint16_t n;

	while ((m = dp_vtep_whole(w, vp, &n, &bytes)) != NULL)
		take_one(w, vp, &last, m, n, bytes);
}

static void take_all(struct dp_worker *w, const struct dp_vport *vp, struct rte_mbuf **pkts,
		     uint16_t n)
{
	struct dp_count *count = w->count->ports[vp->id];
	struct last lasts[N_LAST];

	for (unsigned i = 0; i < N_LAST; i++) {
		lasts[i].to = NULL;
		lasts[i].has_alike = false;
	}
	for (uint16_t i = 0; i < n;) {
		struct last *last = last_of(lasts, pkts[i]);
		uint16_t same = count_alike(last, pkts + i, (uint16_t)(n - i));

		if (same != 0) {
			count->tx_bytes += unwrap_alike(w, vp, last, pkts + i, same);
			count->tx_packets += same;
			i = (uint16_t)(i + same);
			continue;
		}
		take_one(w, vp, last, pkts[i], 1, pkts[i]->pkt_len);
		i++;
	}
	if (unlikely(w->frags != NULL && dp_frags_has_whole(w->frags, true)))
		take_whole(w, vp);
}

void dp_vtep_sink(struct dp_worker *w, const struct dp_vport *vp, struct rte_mbuf **pkts,
		  uint16_t n)
{
	struct dp_capture_point *point =
		atomic_load_explicit(&vp->port->capture, memory_order_acquire);

	w->count->ports[vp->id]->offered += n;
	if (unlikely(point != NULL))
		w->dp->capture(point, w->index, DP_STAGE_EGRESS, DP_N_DROPS, pkts, n);
	if (unlikely(vp->vtep == NULL || vp->vtep->neighs == NULL)) {
		for (uint16_t i = 0; i < n; i++)
			dp_drop_tx(w, vp->id, pkts[i], DP_DROP_TX_DOWN);
		return;
	}
	for (uint16_t i = 0; i < n; i++)
		rte_prefetch0(rte_pktmbuf_mtod_offset(pkts[i], const char *, 64));
	take_all(w, vp, pkts, n);
}
