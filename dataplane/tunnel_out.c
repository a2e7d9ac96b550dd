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
#include "dataplane/mirror.h"
#include "dataplane/rewrite.h"
#include "dataplane/tunnel_priv.h"

#include <netinet/in.h>

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
#define AHEAD	    6 /* frames */

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
	/* The outer traffic class is what is kept of the inner one, and what is set. */
	uint8_t tos_keep, tos_set;
	uint16_t vlan; /* what stands for the tenant on the port, or DP_NO_VLAN */
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
	head->ol_flags |= m->ol_flags & DP_MIRROR_COPY;
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

/* What the outer header takes from the inner packet. */
struct inner {
	uint32_t hash;
	uint8_t tos, ttl;
};

static inline struct inner inner_of(const struct rte_mbuf *m)
{
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);
	struct inner in;

	inner_class(d, m->data_len, &in.tos, &in.ttl);
	in.hash = (m->ol_flags & RTE_MBUF_F_RX_RSS_HASH) != 0 ? m->hash.rss
							      : dp_tunnel_hash(d, m->data_len);
	return in;
}

static __rte_noinline struct inner inner_of_other(const struct rte_mbuf *m)
{
	return inner_of(m);
}

/* The same; an untagged IPv4 header without options costs less. */
static inline struct inner inner_of_usual(const struct rte_mbuf *m)
{
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);

	if (unlikely((m->ol_flags & RTE_MBUF_F_RX_RSS_HASH) != 0 || m->data_len < ETH_SIZE + 24 ||
		     (dp_tun_get64(d + 12) & 0xffffff) != 0x450008))
		return inner_of_other(m);
	return (struct inner){dp_tunnel_hash_ip4(d + ETH_SIZE, true), d[ETH_SIZE + 1],
			      d[ETH_SIZE + 8]};
}

/* The header of a frame that has room for it.  'h' is k->head, or a copy that nothing else points
 * to, so that the compiler knows that no frame lies over it. */
static inline void put_head(struct way *k, const struct dp_tunnel_head *h, struct rte_mbuf *m,
			    struct inner in)
{
	uint8_t tos = (uint8_t)((in.tos & k->tos_keep) | k->tos_set), ttl = k->tunnel->ttl;
	uint32_t inner_size = m->pkt_len;
	uint16_t id = 0;

	if (ttl == 0)
		ttl = in.ttl != 0 ? in.ttl : DEFAULT_TTL;
	if (unlikely(k->tunnel->too_long == DP_TUNNEL_FRAGMENT))
		id = k->w->tunnel_ip_id++;
	dp_tunnel_head_put(h, rte_pktmbuf_mtod(m, uint8_t *), inner_size, in.hash, tos, ttl, id);
	m->data_off = (uint16_t)(m->data_off - h->size);
	m->data_len = (uint16_t)(m->data_len + h->size);
	m->pkt_len = inner_size + h->size;
	if (unlikely(h->csum))
		fill_checksum(k, m, inner_size);
}

/* One finished frame of legal size.  Takes it. */
static void wrap(struct way *k, struct rte_mbuf *m)
{
	struct inner in = inner_of(m);

	if (unlikely(k->n == DP_TX_GATHER))
		flush(k);
	if (unlikely(!has_room(m))) {
		m = chain(k, m);
		if (m == NULL)
			return;
	}
	put_head(k, &k->head, m, in);
	k->out[k->n++] = m;
}

/* Most frames: finished, of legal size, alone in their buffer and with room before them.  Wraps
 * them where they are, up to one that is not so.  Returns how many; adds up their bytes. */
static __rte_always_inline uint16_t wrap_with(struct way *k, const struct dp_tunnel_head *h,
					      struct rte_mbuf **pkts, uint16_t n, uint64_t *bytes)
{
	const uint32_t longest = k->longest;
	uint16_t i;

	for (i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		/* The header goes to the line before the frame's. */
		if (i + AHEAD < n)
			rte_prefetch0_write(rte_pktmbuf_mtod(pkts[i + AHEAD], char *) - 1);
		if (unlikely((m->ol_flags & REQUESTS) != 0 || m->pkt_len > longest || !has_room(m)))
			break;
		*bytes += m->pkt_len;
		put_head(k, h, m, inner_of_usual(m));
	}
	return i;
}

/* VXLAN or Geneve over IPv4, without checksum: what is constant is told to the compiler. */
static uint16_t wrap_ip4(struct way *k, struct rte_mbuf **pkts, uint16_t n, uint64_t *bytes)
{
	struct dp_tunnel_head h = k->head;

	h.size = DP_TUNNEL_IP4_UDP;
	h.ip = DP_TUNNEL_HEAD - DP_TUNNEL_IP4_UDP + ETH_SIZE;
	h.l4 = DP_TUNNEL_HEAD - 16;
	h.proto = IPPROTO_UDP;
	h.v6 = h.csum = false;
	h.udp = true;
	return wrap_with(k, &h, pkts, n, bytes);
}

static uint16_t wrap_usual(struct way *k, struct rte_mbuf **pkts, uint16_t n, uint64_t *bytes)
{
	if (likely(k->head.size == DP_TUNNEL_IP4_UDP && !k->head.csum))
		return wrap_ip4(k, pkts, n, bytes);
	return wrap_with(k, &k->head, pkts, n, bytes);
}

static void leave_in_fragments(struct way *k, struct rte_mbuf *m)
{
	struct rte_mbuf *parts[DP_TX_GATHER];
	uint16_t n =
		dp_tunnel_fragment(k->w, m, k->head.v6, k->vtep->vtep->mtu, parts, DP_TX_GATHER);

	if (n != 0)
		dp_vtep_leave(k->w, k->vtep, k->mac, parts, n);
	rte_pktmbuf_free(m);
}

/* Longer than the underlay takes.  Takes it. */
static void too_long(struct way *k, struct rte_mbuf *m)
{
	enum dp_tell told = DP_TELL_NO_WAY;
	uint16_t n = k->n;

	if (k->tunnel->too_long == DP_TUNNEL_TELL)
		told = dp_tunnel_tell(k->w, k->port, k->vlan, m, k->longest);
	if (told != DP_TELL_NO_WAY || (m->ol_flags & REQUESTS) != 0 ||
	    m->pkt_len + DP_TUNNEL_HEAD > UINT16_MAX) {
		drop(k, m, DP_DROP_TUNNEL_TOO_LONG);
		return;
	}
	k->count->tx_packets++;
	k->count->tx_bytes += m->pkt_len;
	wrap(k, m);
	/* It is the last one gathered, if it was not sent with the rest, or had no buffer. */
	if (k->n > n)
		leave_in_fragments(k, k->out[--k->n]);
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
		if (pieces[i]->pkt_len > k->longest) {
			too_long(k, pieces[i]);
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

	/* Its sender is told once, not of each piece. */
	if (size > k->longest && (m->ol_flags & SUPER) != 0 &&
	    k->tunnel->too_long == DP_TUNNEL_TELL &&
	    dp_tunnel_tell(k->w, k->port, k->vlan, m, k->longest) != DP_TELL_NO_WAY) {
		drop(k, m, DP_DROP_TUNNEL_TOO_LONG);
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
	if (m->pkt_len > k->longest) {
		too_long(k, m);
		return;
	}
	k->count->tx_packets++;
	k->count->tx_bytes += m->pkt_len;
	wrap(k, m);
}

/* Any other frame. */
static void wrap_other(struct way *k, struct rte_mbuf *m)
{
	if ((m->ol_flags & REQUESTS) != 0) {
		wrap_unfinished(k, m);
	} else if (m->pkt_len > k->longest) {
		too_long(k, m);
	} else {
		k->count->tx_packets++;
		k->count->tx_bytes += m->pkt_len;
		wrap(k, m);
	}
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
	k->tos_keep = t->dscp >= 0 ? 3 : 0xff;
	k->tos_set = t->dscp >= 0 ? (uint8_t)(t->dscp << 2) : 0;
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
	for (uint16_t i = 0; i < n;) {
		uint64_t bytes = 0;
		uint16_t usual = wrap_usual(k, pkts + i, (uint16_t)(n - i), &bytes);

		if (likely(usual != 0)) {
			k->count->tx_packets += usual;
			k->count->tx_bytes += bytes;
			flush(k); /* those before */
			dp_vtep_leave(k->w, k->vtep, k->mac, pkts + i, usual);
			i = (uint16_t)(i + usual);
		} else {
			wrap_other(k, pkts[i++]);
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
	if (k->tunnel == NULL)
		return false;
	k->vtep = k->w->view->vports[k->tunnel->vtep];
	return k->vtep != NULL && k->vtep->vtep != NULL && k->vtep->vtep->neighs != NULL;
}

/* ---- Frames that do not all go one way ---- */

/* Where one frame goes. */
struct goal {
	uint32_t vni;
	uint16_t vlan;
	bool all; /* to each of the port's remotes */
	struct dp_ip to;
};

static bool same_goal(const struct goal *a, const struct goal *b)
{
	return a->vni == b->vni && a->vlan == b->vlan && a->all == b->all &&
	       (a->all || dp_ip_equal(&a->to, &b->to));
}

/* What stands for the tenant comes off; see push_tenant().  Its own bytes: vlan.c saw to that. */
static void pop_tenant(struct rte_mbuf *m)
{
	uint8_t *d = rte_pktmbuf_mtod(m, uint8_t *);

	memmove(d + TAG_SIZE, d, 12);
	rte_pktmbuf_adj(m, TAG_SIZE);
	dp_vlan_l2_len_changed(m, -(int)TAG_SIZE);
}

static enum dp_drop key_of(struct way *k, struct rte_mbuf *m, const struct dp_tunnel_meta *meta,
			   struct goal *goal)
{
	const struct dp_overlay *t = k->tunnel;
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);
	uint64_t id;

	goal->vni = t->key;
	goal->vlan = DP_NO_VLAN;
	if (t->key_mode == DP_TUNNEL_KEY_FIXED)
		return DP_N_DROPS;
	if (t->key_mode == DP_TUNNEL_KEY_FLOW) {
		id = meta != NULL ? rte_be_to_cpu_64(meta->id) : UINT64_MAX;
		goal->vni = (uint32_t)id;
		return id <= 0xffffff ? DP_N_DROPS : DP_DROP_TUNNEL_NO_REMOTE;
	}
	if (k->port->wire == NULL || m->data_len < ETH_SIZE + TAG_SIZE ||
	    memcmp(d + 12, &k->port->tpid_out, 2) != 0)
		return DP_DROP_TUNNEL_NO_REMOTE;
	goal->vlan = dp_tun_get16(d + 14) & 0xfff;
	goal->vni = t->key_of_vlan[goal->vlan];
	pop_tenant(m);
	return goal->vni != 0 ? DP_N_DROPS : DP_DROP_TUNNEL_NO_REMOTE;
}

/* Rules have the first word, then what was learned, then the port's list. */
static enum dp_drop remote_of(struct way *k, const struct rte_mbuf *m,
			      const struct dp_tunnel_meta *meta, struct goal *goal)
{
	static const uint8_t none[16];
	const struct dp_overlay *t = k->tunnel;

	goal->all = false;
	goal->to = (struct dp_ip){0};
	if (t->remote_flow && meta != NULL && meta->dst != 0) {
		goal->to.v4 = meta->dst;
		return DP_N_DROPS;
	}
	if (t->remote_flow && meta != NULL && memcmp(meta->dst6, none, sizeof(none)) != 0) {
		memcpy(goal->to.b, meta->dst6, sizeof(meta->dst6));
		goal->to.v6 = true;
		return DP_N_DROPS;
	}
	if (t->n_remotes == 1) {
		goal->to = t->remotes[0];
		return DP_N_DROPS;
	}
	if (dp_vtep_learned(k->w, k->vtep, k->port, goal->vlan, m, &goal->to))
		return DP_N_DROPS;
	goal->all = true;
	return t->n_remotes != 0 ? DP_N_DROPS : DP_DROP_TUNNEL_NO_REMOTE;
}

/* Head-end replication: a copy for each remote, the frames themselves for the last. */
static void send_to_all(struct way *k, uint32_t vni, struct rte_mbuf **pkts, uint16_t n)
{
	const struct dp_overlay *t = k->tunnel;

	for (uint16_t r = 0; r + 1 < t->n_remotes; r++) {
		struct rte_mbuf *copies[DP_TX_GATHER];
		uint16_t n_copies = 0;

		k->count->segments += n;
		for (uint16_t i = 0; i < n; i++) {
			copies[n_copies] = rte_pktmbuf_clone(pkts[i], dp_pool(k->w->dp, 0, false));
			if (copies[n_copies] == NULL)
				k->count->drops_tx[DP_DROP_NO_MBUF]++;
			else
				n_copies++;
		}
		send_to(k, vni, &t->remotes[r], copies, n_copies);
	}
	send_to(k, vni, &t->remotes[t->n_remotes - 1], pkts, n);
}

static void send_goal(struct way *k, const struct goal *goal, struct rte_mbuf **pkts, uint16_t n)
{
	if (n == 0)
		return;
	k->vlan = goal->vlan;
	if (goal->all)
		send_to_all(k, goal->vni, pkts, n);
	else
		send_to(k, goal->vni, &goal->to, pkts, n);
}

/* Frames one behind the other with one goal go together. */
static void send_each(struct way *k, const struct dp_tunnel_meta *meta, struct rte_mbuf **pkts,
		      uint16_t n)
{
	struct goal goal = {0}, next;
	uint16_t first = 0, end = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];
		enum dp_drop reason = key_of(k, m, meta, &next);

		if (reason == DP_N_DROPS)
			reason = remote_of(k, m, meta, &next);
		if (reason != DP_N_DROPS) {
			drop(k, m, reason);
			continue;
		}
		if (first != end && !same_goal(&goal, &next)) {
			send_goal(k, &goal, pkts + first, (uint16_t)(end - first));
			first = end = i;
		}
		goal = next;
		pkts[end++] = m;
	}
	send_goal(k, &goal, pkts + first, (uint16_t)(end - first));
}

void dp_tunnel_sink(struct dp_worker *w, const struct dp_vport *vp, struct rte_mbuf **pkts,
		    uint16_t n)
{
	struct dp_capture_point *point =
		atomic_load_explicit(&vp->port->capture, memory_order_acquire);
	const struct dp_txbuf *buf = w->tx[vp->id];
	uint16_t n_meta = RTE_MIN(buf->n_meta, n);
	struct way k;

	k.w = w;
	k.port = vp;
	k.tunnel = vp->tunnel;
	k.count = w->count->ports[vp->id];
	k.n = 0;
	k.vlan = DP_NO_VLAN;
	k.count->offered += n;
	if (unlikely(point != NULL))
		w->dp->capture(point, w->index, DP_STAGE_EGRESS, DP_N_DROPS, pkts, n);
	if (unlikely(!vtep_of(&k))) {
		refuse_all(&k, pkts, n, DP_DROP_TX_DOWN);
	} else if (k.tunnel->key_mode == DP_TUNNEL_KEY_FIXED && k.tunnel->n_remotes == 1) {
		send_to(&k, k.tunnel->key, &k.tunnel->remotes[0], pkts, n);
	} else {
		send_each(&k, &buf->meta, pkts, n_meta);
		send_each(&k, NULL, pkts + n_meta, (uint16_t)(n - n_meta));
	}
}
