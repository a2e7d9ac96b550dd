/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Encapsulation: what is sent to a tunnel port.  A burst for one remote has one header, made once;
 * to each frame it is copied into the room before it, and lengths, source port, traffic class and
 * checksum are filled in.  What a frame still asks of its device (a checksum, segmentation) is done
 * before: behind an outer header few devices could.  Workers.
 */
#include "dataplane/again.h"
#include "dataplane/csum.h"
#include "dataplane/edge.h"
#include "dataplane/gso.h"
#include "dataplane/rewrite.h"
#include "dataplane/tunnel_priv.h"

#include <rte_ip.h>

#define REQUESTS                                                                                   \
	(RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_IP_CKSUM | RTE_MBUF_F_TX_TCP_SEG |                  \
	 RTE_MBUF_F_TX_UDP_SEG)
#define SUPER	    (RTE_MBUF_F_TX_TCP_SEG | RTE_MBUF_F_TX_UDP_SEG)
#define ETH_SIZE    14u
#define TAG_SIZE    4u
#define TAGS_ROOM   8u /* of the underlay, pushed later */
#define DEFAULT_TTL 64
#define MAX_PIECES  256

/* Where a burst goes. */
struct way {
	struct dp_worker *w;
	const struct dp_vport *port; /* the tunnel's */
	const struct dp_vport *vtep;
	const struct dp_overlay *tunnel;
	struct dp_count *count;
	struct dp_tunnel_head head;
	uint8_t mac[6];
	uint32_t longest; /* inner frame */
	uint16_t n;
	struct rte_mbuf *out[DP_TX_GATHER];
};

static void drop(struct way *k, struct rte_mbuf *m, enum dp_drop reason)
{
	dp_drop_tx(k->w, k->port->id, m, reason);
}

static void flush(struct way *k)
{
	if (k->n != 0)
		dp_vtep_leave(k->w, k->vtep, k->mac, k->out, k->n);
	k->n = 0;
}

/* Traffic class and TTL of the inner packet; 0 where there is none. */
static inline void inner_class(const uint8_t *d, uint32_t size, uint8_t *ret_tos, uint8_t *ret_ttl)
{
	uint16_t type = dp_tun_get16(d + 12);
	uint32_t l3 = ETH_SIZE;

	*ret_tos = *ret_ttl = 0;
	if (type == 0x8100 || type == 0x88a8) {
		l3 += TAG_SIZE;
		type = dp_tun_get16(d + 16);
	}
	if (size < l3 + 20)
		return;
	if (type == 0x0800) {
		*ret_tos = d[l3 + 1];
		*ret_ttl = d[l3 + 8];
	} else if (type == 0x86dd) {
		*ret_tos = (uint8_t)(d[l3] << 4 | d[l3 + 1] >> 4);
		*ret_ttl = d[l3 + 7];
	}
}

/* UDP's checksum over all that follows the IP header. */
static void fill_checksum(const struct way *k, struct rte_mbuf *m, uint32_t inner_size)
{
	uint32_t before = (uint32_t)(k->head.l4 - k->head.ip) + ETH_SIZE;
	uint32_t size = DP_TUNNEL_HEAD - k->head.l4 + inner_size;
	uint8_t *udp = rte_pktmbuf_mtod_offset(m, uint8_t *, before);
	uint64_t sum = k->head.l4_sum + size;
	uint16_t raw;

	if (rte_raw_cksum_mbuf(m, before, size, &raw) != 0)
		return;
	sum += rte_be_to_cpu_16(raw);
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	sum = ~sum & 0xffff;
	dp_tun_put16(udp + 6, sum == 0 ? 0xffff : (uint16_t)sum);
}

/* An mbuf in front of bytes that are shared, or have no room before them.  Takes 'm'. */
static struct rte_mbuf *chain(struct way *k, struct rte_mbuf *m)
{
	struct rte_mbuf *head = rte_pktmbuf_alloc(dp_pool(k->w->dp, 0, false));

	if (head == NULL || m->nb_segs == UINT16_MAX) {
		rte_pktmbuf_free(head);
		drop(k, m, DP_DROP_NO_MBUF);
		return NULL;
	}
	head->port = m->port;
	head->next = m;
	head->nb_segs = (uint16_t)(m->nb_segs + 1);
	head->pkt_len = m->pkt_len;
	return head;
}

static inline bool has_room(const struct rte_mbuf *m)
{
	return RTE_MBUF_DIRECT(m) && rte_mbuf_refcnt_read(m) == 1 &&
	       rte_pktmbuf_headroom(m) >= DP_TUNNEL_HEAD + TAGS_ROOM;
}

/* One finished frame of legal size.  Takes it. */
static inline void wrap(struct way *k, struct rte_mbuf *m)
{
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);
	uint32_t inner_size = m->pkt_len, hash;
	uint16_t id = 0;
	uint8_t tos, ttl;

	hash = (m->ol_flags & RTE_MBUF_F_RX_RSS_HASH) != 0 ? m->hash.rss
							   : dp_tunnel_hash(d, m->data_len);
	inner_class(d, m->data_len, &tos, &ttl);
	if (k->tunnel->dscp >= 0)
		tos = (uint8_t)(k->tunnel->dscp << 2 | (tos & 3));
	if (k->tunnel->ttl != 0 || ttl == 0)
		ttl = k->tunnel->ttl != 0 ? k->tunnel->ttl : DEFAULT_TTL;
	if (unlikely(!has_room(m))) {
		m = chain(k, m);
		if (m == NULL)
			return;
	}
	if (unlikely(k->tunnel->too_long == DP_TUNNEL_FRAGMENT))
		id = k->w->tunnel_ip_id++;
	dp_tunnel_head_put(&k->head, rte_pktmbuf_mtod(m, uint8_t *), inner_size, hash, tos, ttl,
			   id);
	rte_pktmbuf_prepend(m, k->head.size);
	if (unlikely(k->head.csum))
		fill_checksum(k, m, inner_size);
	k->out[k->n++] = m;
	if (k->n == DP_TX_GATHER)
		flush(k);
}

static void too_long(struct way *k, struct rte_mbuf *m)
{
	drop(k, m, DP_DROP_TUNNEL_TOO_LONG);
}

static uint32_t piece_size(const struct rte_mbuf *m)
{
	return (uint32_t)m->l2_len + m->l3_len + m->l4_len + m->tso_segsz;
}

/* A super-frame in pieces, each a frame of its own.  Takes it. */
static void wrap_pieces(struct way *k, struct rte_mbuf *m)
{
	struct rte_mbuf *pieces[MAX_PIECES];
	int n = dp_gso(m, dp_pool(k->w->dp, 0, false), pieces, MAX_PIECES);

	if (n <= 0) {
		drop(k, m, n == -ENOMEM ? DP_DROP_NO_MBUF : DP_DROP_TX_OFFLOAD);
		return;
	}
	k->count->segments += (uint64_t)n - 1;
	for (int i = 0; i < n; i++) {
		pieces[i]->port = m->port;
		if (dp_csum_finish(pieces[i]) != 0) {
			drop(k, pieces[i], DP_DROP_TX_OFFLOAD);
			continue;
		}
		k->count->tx_packets++;
		k->count->tx_bytes += pieces[i]->pkt_len;
		wrap(k, pieces[i]);
	}
	rte_pktmbuf_free(m);
}

/* A frame that asks for something.  Takes it. */
static void wrap_unfinished(struct way *k, struct rte_mbuf *m)
{
	uint32_t size =
		(m->ol_flags & SUPER) != 0 ? RTE_MIN(piece_size(m), m->pkt_len) : m->pkt_len;

	if (size > k->longest) {
		too_long(k, m);
		return;
	}
	if ((m->ol_flags & SUPER) != 0) {
		wrap_pieces(k, m);
		return;
	}
	m = dp_rw_own(m, dp_pool(k->w->dp, 0, false));
	if (m == NULL) {
		k->count->drops_tx[DP_DROP_NO_MBUF]++;
		return;
	}
	if (dp_csum_finish(m) != 0) {
		drop(k, m, DP_DROP_TX_OFFLOAD);
		return;
	}
	k->count->tx_packets++;
	k->count->tx_bytes += m->pkt_len;
	wrap(k, m);
}

/* Where to and with which header; else why not. */
static enum dp_drop choose(struct way *k, uint32_t vni, const struct dp_ip *to)
{
	const struct dp_overlay *t = k->tunnel;
	struct dp_tunnel_head_spec spec = {.type = (enum dp_tunnel_type)t->type,
					   .dst = *to,
					   .udp_port = t->udp_port,
					   .vni = vni,
					   .csum = to->v6 ? t->checksum6 : t->checksum,
					   .df = t->too_long != DP_TUNNEL_FRAGMENT};
	const struct dp_vtep *vtep = k->vtep->vtep;
	enum dp_drop reason = dp_vtep_resolve(k->w, vtep, to, k->mac);

	if (reason != DP_N_DROPS)
		return reason;
	spec.src = to->v6 ? vtep->v6.address : vtep->v4.address;
	memcpy(spec.dst_mac, k->mac, 6);
	memcpy(spec.src_mac, vtep->mac.addr_bytes, 6);
	dp_tunnel_head_make(&spec, &k->head);
	k->longest = vtep->mtu + ETH_SIZE - k->head.size;
	return DP_N_DROPS;
}

/* A burst with one key for one remote. */
static void send_to(struct way *k, uint32_t vni, const struct dp_ip *to, struct rte_mbuf **pkts,
		    uint16_t n)
{
	enum dp_drop reason = choose(k, vni, to);

	if (unlikely(reason != DP_N_DROPS)) {
		for (uint16_t i = 0; i < n; i++)
			drop(k, pkts[i], reason);
		return;
	}
	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		if (unlikely((m->ol_flags & REQUESTS) != 0)) {
			wrap_unfinished(k, m);
		} else if (unlikely(m->pkt_len > k->longest)) {
			too_long(k, m);
		} else {
			k->count->tx_packets++;
			k->count->tx_bytes += m->pkt_len;
			wrap(k, m);
		}
	}
	flush(k);
}

static void refuse_all(struct way *k, struct rte_mbuf **pkts, uint16_t n, enum dp_drop reason)
{
	for (uint16_t i = 0; i < n; i++)
		drop(k, pkts[i], reason);
}

static bool vtep_of(struct way *k)
{
	k->vtep = k->w->view->vports[k->tunnel->vtep];
	return k->vtep != NULL && k->vtep->vtep != NULL && k->vtep->port != NULL;
}

void dp_tunnel_sink(struct dp_worker *w, const struct dp_vport *vp, struct rte_mbuf **pkts,
		    uint16_t n)
{
	struct dp_capture_point *point =
		atomic_load_explicit(&vp->port->capture, memory_order_acquire);
	struct way k;

	k.w = w;
	k.port = vp;
	k.tunnel = vp->tunnel;
	k.count = w->count->ports[vp->id];
	k.n = 0;
	k.count->offered += n;
	if (unlikely(point != NULL))
		w->dp->capture(point, w->index, DP_STAGE_EGRESS, DP_N_DROPS, pkts, n);
	if (unlikely(!vtep_of(&k)))
		refuse_all(&k, pkts, n, DP_DROP_TX_DOWN);
	else if (k.tunnel->key_mode == DP_TUNNEL_KEY_FIXED && k.tunnel->n_remotes == 1)
		send_to(&k, k.tunnel->key, &k.tunnel->remotes[0], pkts, n);
	else
		refuse_all(&k, pkts, n, DP_DROP_TUNNEL_NO_REMOTE);
}
