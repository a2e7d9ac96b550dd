/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See guard.h: a burst on its way through a guard.  Frames that are as usual are told by a few
 * compares; a mask of the others remains, and goes the slow way one by one (guard_slow.c).
 *
 * What is usual: destination no group; the MAC and the IP address that were checked last; IPv4
 * without options that is no fragment, or IPv6, with TCP or UDP at once; no port of DHCP.  Where
 * MACs or addresses are not guarded, any.
 *
 * Workers.
 */
#include "dataplane/guard.h"

#include "dataplane/edge.h"
#include "dataplane/fdb_priv.h"
#include "dataplane/flow.h"
#include "dataplane/guard_answer.h"
#include "dataplane/guard_dhcp.h"
#include "dataplane/guard_slow.h"
#include "dataplane/notice.h"
#include "dataplane/tunnel_priv.h"

#include <string.h>

#ifdef __AVX2__
#include <immintrin.h>
#endif

#define IP4_TYPE  0x0008u /* EtherTypes as they lie there */
#define IP6_TYPE  0xdd86u
#define PROTO_TCP 6u
#define PROTO_UDP 17u
#define HEAD4	  42u /* bytes up to the end of UDP's header */
#define HEAD6	  62u
#define COPY_MOST 2048u /* headers and DHCP of a frame that comes in pieces */

/* ---- The usual ---- */

/* What the bytes of a frame must be: four words from its start, and for IPv6 the one at 30 that has
 * the end of the source address. */
struct usual {
	uint64_t mask[4], want[4];
	uint64_t tail_mask, tail_want;
	bool none;
};

struct usual_both {
	struct usual v4, v6;
};

/* MAC and IP address checked last, if both words of them were read whole. */
struct checked {
	uint64_t mac4, mac6, ip4, ip6[2];
	bool has4, has6;
};

static void read_checked(const struct dp_guard_usual *u, uint64_t now, struct checked *ret)
{
	uint32_t seq = atomic_load_explicit(&u->seq, memory_order_acquire);

	ret->mac4 = atomic_load_explicit(&u->mac4, memory_order_relaxed);
	ret->mac6 = atomic_load_explicit(&u->mac6, memory_order_relaxed);
	ret->ip4 = atomic_load_explicit(&u->ip4, memory_order_relaxed);
	ret->ip6[0] = atomic_load_explicit(&u->ip6[0], memory_order_relaxed);
	ret->ip6[1] = atomic_load_explicit(&u->ip6[1], memory_order_relaxed);
	ret->has4 = atomic_load_explicit(&u->until4, memory_order_relaxed) > now;
	ret->has6 = atomic_load_explicit(&u->until6, memory_order_relaxed) > now;
	atomic_thread_fence(memory_order_acquire);
	if ((seq & 1) != 0 || atomic_load_explicit(&u->seq, memory_order_relaxed) != seq)
		ret->has4 = ret->has6 = false;
}

/* Source and EtherType: the word at 6, of which two bytes are in the first word of the frame. */
static inline void usual_mac(struct usual *u, uint64_t mac, bool check, uint64_t type)
{
	/* The group bits of both addresses. */
	u->mask[0] = UINT64_C(1) | (check ? UINT64_C(0xffff) << 48 : UINT64_C(1) << 48);
	u->want[0] = check ? mac << 48 : 0;
	u->mask[1] = (check ? UINT64_C(0xffffffff) : 0) | UINT64_C(0xffff) << 32;
	u->want[1] = (check ? mac >> 16 & 0xffffffff : 0) | type << 32;
}

static inline void usual_of(const struct dp_guard *g, uint64_t now, struct usual_both *ret)
{
	const bool binds = (g->on & DP_GUARD_IP) != 0, macs = (g->on & DP_GUARD_MAC) != 0;
	struct checked c;

	memset(ret, 0, sizeof(*ret));
	read_checked(&g->usual, now, &c);
	ret->v4.none = (binds || macs) && !c.has4;
	ret->v6.none = (binds || macs) && !c.has6;
	usual_mac(&ret->v4, c.mac4, binds || macs, IP4_TYPE);
	usual_mac(&ret->v6, c.mac6, binds || macs, IP6_TYPE);
	/* Version and header length at 14; fragment at 20; IPv4's source at 26. */
	ret->v4.mask[1] |= UINT64_C(0xff) << 48;
	ret->v4.want[1] |= UINT64_C(0x45) << 48;
	ret->v4.mask[2] = UINT64_C(0xff3f) << 32;
	ret->v4.mask[3] = binds ? UINT64_C(0xffffffff) << 16 : 0;
	ret->v4.want[3] = binds ? c.ip4 << 16 : 0;
	/* Version at 14; source at 22. */
	ret->v6.mask[1] |= UINT64_C(0xf0) << 48;
	ret->v6.want[1] |= UINT64_C(0x60) << 48;
	if (!binds)
		return;
	ret->v6.mask[2] = UINT64_C(0xffff) << 48;
	ret->v6.want[2] = c.ip6[0] << 48;
	ret->v6.mask[3] = UINT64_MAX;
	ret->v6.want[3] = c.ip6[0] >> 16 | c.ip6[1] << 48;
	ret->v6.tail_mask = UINT64_MAX;
	ret->v6.tail_want = c.ip6[1];
}

static inline bool starts_as(const uint8_t *d, const struct usual *u)
{
#ifdef __AVX2__
	const __m256i mask = _mm256_loadu_si256((const __m256i_u *)u->mask);
	const __m256i want = _mm256_loadu_si256((const __m256i_u *)u->want);
	const __m256i bytes = _mm256_loadu_si256((const __m256i_u *)d);
	const __m256i diff = _mm256_xor_si256(_mm256_and_si256(bytes, mask), want);

	return _mm256_testz_si256(diff, diff);
#else
	uint64_t diff = 0;

	for (unsigned i = 0; i < 4; i++)
		diff |= (dp_key_load64(d + 8 * i) & u->mask[i]) ^ u->want[i];
	return diff == 0;
#endif
}

/* TCP, or UDP between ports that are not the two of DHCP, 'low' the lower of them.  'ports' as they
 * lie there. */
static inline bool no_dhcp(uint8_t proto, uint32_t ports, uint16_t low)
{
	uint16_t sport = DP_KEY_BE16(ports), dport = DP_KEY_BE16(ports >> 16);

	return proto == PROTO_TCP ||
	       (proto == PROTO_UDP && (uint16_t)(sport - low) > 1 && (uint16_t)(dport - low) > 1);
}

static inline uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static inline bool is_usual4(const struct rte_mbuf *m, const struct usual *u)
{
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);

	/* Bitwise: one branch. */
	return (m->data_len >= HEAD4) & starts_as(d, u) &
	       no_dhcp(d[23], load32(d + 34), DP_DHCP_SERVER_PORT);
}

static inline bool is_usual6(const struct rte_mbuf *m, const struct usual *u)
{
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);

	return m->data_len >= HEAD6 && starts_as(d, u) &&
	       ((dp_key_load64(d + 30) ^ u->tail_want) & u->tail_mask) == 0 &&
	       no_dhcp(d[20], load32(d + 54), DP_DHCP6_CLIENT_PORT);
}

static bool is_remembered(const struct dp_guard_usual *u, uint64_t mac, const struct dp_ip *ip,
			  uint64_t until)
{
	if (ip->v6)
		return atomic_load_explicit(&u->until6, memory_order_relaxed) > until &&
		       atomic_load_explicit(&u->mac6, memory_order_relaxed) == mac &&
		       atomic_load_explicit(&u->ip6[0], memory_order_relaxed) == ip->w[0] &&
		       atomic_load_explicit(&u->ip6[1], memory_order_relaxed) == ip->w[1];
	return atomic_load_explicit(&u->until4, memory_order_relaxed) > until &&
	       atomic_load_explicit(&u->mac4, memory_order_relaxed) == mac &&
	       atomic_load_explicit(&u->ip4, memory_order_relaxed) == ip->v4;
}

/* The next such frame is usual, for a while. */
static void remember(struct dp_guard *g, uint64_t now_tsc, uint64_t mac, const struct dp_ip *ip,
		     uint64_t tsc_hz)
{
	struct dp_guard_usual *u = &g->usual;
	uint32_t seq = atomic_load_explicit(&u->seq, memory_order_relaxed);
	uint64_t until = now_tsc + tsc_hz / 1000 * DP_GUARD_TRUST_MS;

	if (is_remembered(u, mac, ip, now_tsc + tsc_hz / 2000 * DP_GUARD_TRUST_MS))
		return;
	/* Another worker is at it: the next frame will do. */
	if ((seq & 1) != 0 || !atomic_compare_exchange_strong(&u->seq, &seq, seq + 1))
		return;
	atomic_thread_fence(memory_order_release);
	if (ip->v6) {
		atomic_store_explicit(&u->mac6, mac, memory_order_relaxed);
		atomic_store_explicit(&u->ip6[0], ip->w[0], memory_order_relaxed);
		atomic_store_explicit(&u->ip6[1], ip->w[1], memory_order_relaxed);
		atomic_store_explicit(&u->until6, until, memory_order_relaxed);
	} else {
		atomic_store_explicit(&u->mac4, mac, memory_order_relaxed);
		atomic_store_explicit(&u->ip4, ip->v4, memory_order_relaxed);
		atomic_store_explicit(&u->until4, until, memory_order_relaxed);
	}
	atomic_store_explicit(&u->seq, seq + 2, memory_order_release);
}

/* ---- What the slow way asks for ---- */

static const struct dp_guard *guard_of(void *arg, uint16_t port)
{
	const struct dp_worker *w = arg;
	const struct dp_vport *vp = port < w->view->n_vports ? w->view->vports[port] : NULL;

	return vp != NULL ? vp->guard : NULL;
}

static uint16_t port_of(void *arg, uint32_t where, const uint8_t mac[6])
{
	const struct dp_worker *w = arg;
	const struct dp_fdb *fdb = w->dp->fdb;
	const struct dp_fdb_table *t = atomic_load_explicit(&fdb->table, memory_order_acquire);
	const uint64_t key = dp_guard_mac_word(mac);
	struct dp_fdb_bucket *b;
	int slot;

	return dp_fdb_find(fdb, t, dp_fdb_first(t, dp_fdb_hash(fdb, key, where)), key, where, &b,
			   &slot);
}

/* Domain and VLAN of a frame as the edge will see them, on which its addresses are bound. */
static uint32_t where_of(const struct dp_worker *w, const struct dp_vport *in,
			 const struct dp_headers *h)
{
	uint16_t domain = in->domain, vlan = in->pvid, vid;
	unsigned tag = 0;

	if (in->wire != NULL && h->n_tags != 0 &&
	    in->wire->domain_of_vlan[h->tci[0] & 0xfff] != DP_NO_DOMAIN) {
		domain = in->wire->domain_of_vlan[h->tci[0] & 0xfff];
		tag = 1;
	}
	vid = h->n_tags > tag ? h->tci[tag] & 0xfff : 0;
	if ((in->flags & DP_VP_TUNNEL) == 0 && vid != 0)
		vlan = vid;
	return dp_guard_where_of(domain < DP_MAX_DOMAINS ? w->view->domains[domain] : NULL, domain,
				 vlan);
}

/* ---- The slow way ---- */

/* A frame's bytes as far as anybody looks, in one piece. */
struct piece {
	const uint8_t *d;
	uint32_t size;
	uint8_t copy[COPY_MOST];
};

static void in_one_piece(const struct rte_mbuf *m, struct piece *ret)
{
	ret->d = rte_pktmbuf_mtod(m, const uint8_t *);
	ret->size = m->data_len;
	if (m->nb_segs == 1 || ret->size >= COPY_MOST)
		return;
	ret->size = m->pkt_len < COPY_MOST ? m->pkt_len : COPY_MOST;
	ret->d = rte_pktmbuf_read(m, 0, ret->size, ret->copy);
}

static bool is_probe(struct dp_worker *w, const struct dp_vport *in, const struct rte_mbuf *m)
{
	return m->data_len >= RTE_ETHER_HDR_LEN &&
	       (dp_key_load64(rte_pktmbuf_mtod(m, const uint8_t *)) & DP_EDGE_MAC_MASK) ==
		       PROBE_DST &&
	       dp_probe_is_ours(w, in->id, m);
}

static void tell(struct dp_worker *w, const struct dp_vport *in, enum dp_guard_rule rule,
		 const struct rte_mbuf *m)
{
	if (w->trace != NULL)
		return;
	atomic_fetch_add_explicit(&in->guard->state->violations[rule], 1, memory_order_relaxed);
	dp_notice(w, in->id, dp_guard_drop(rule), 0, m);
}

/* Something is against it.  True: it may go on all the same. */
static bool object(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf *m,
		   const struct dp_guard_verdict *v)
{
	/* The loop guard's own frames come back by any port, from no address of it. */
	if (is_probe(w, in, m))
		return true;
	for (unsigned rule = 0; rule < DP_N_GUARD_RULES; rule++)
		if ((v->watched >> rule & 1) != 0)
			tell(w, in, rule, m);
	if (v->rule == DP_N_GUARD_RULES)
		return true;
	tell(w, in, v->rule, m);
	dp_drop(w, in->id, m, dp_guard_drop(v->rule));
	return false;
}

/* True: it may go on.  Else it was taken. */
static bool pass_slowly(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf *m)
{
	static const struct dp_guard_around around = {guard_of, port_of, NULL};
	struct dp_guard_around mine = around;
	struct dp_guard *g = in->guard;
	struct dp_guard_verdict v;
	struct dp_headers h;
	struct piece piece;
	struct dp_guard_frame f;

	in_one_piece(m, &piece);
	dp_parse_head(piece.d, piece.size, m->pkt_len, &h);
	mine.arg = w;
	f = (struct dp_guard_frame){.g = g,
				    .around = &mine,
				    .d = piece.d,
				    .size = piece.size,
				    .h = &h,
				    .where = where_of(w, in, &h),
				    .now_tsc = w->burst_tsc,
				    .now_ms = dp_worker_now_ms(w),
				    .dry = w->trace != NULL};
	dp_guard_judge(&f, &v);
	if (v.rule != DP_N_GUARD_RULES || v.watched != 0)
		return object(w, in, m, &v);
	if (v.answer && dp_guard_answer(w, in, m, &h, &v.owner))
		return false;
	if (v.checked && !f.dry && h.n_tags == 0 && h.l2_size == RTE_ETHER_HDR_LEN)
		remember(g, w->burst_tsc, dp_guard_src(&f), &v.ip, w->dp->tsc_hz);
	return true;
}

static __rte_noinline uint16_t look_closely(struct dp_worker *w, const struct dp_vport *in,
					    struct rte_mbuf **pkts, uint16_t n, uint64_t odd,
					    const struct usual *v6)
{
	uint16_t k = 0;

	for (uint16_t i = 0; i < n; i++) {
		struct rte_mbuf *m = pkts[i];

		if ((odd >> i & 1) == 0 || (!v6->none && is_usual6(m, v6)) || pass_slowly(w, in, m))
			pkts[k++] = m;
	}
	return k;
}

static_assert(DP_BURST <= 64, "a bit for each frame of a burst");

uint16_t dp_guard_ingress(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
			  uint16_t n)
{
	struct usual_both usual;
	uint64_t odd = 0;

	usual_of(in->guard, w->burst_tsc, &usual);
	if (unlikely(usual.v4.none))
		odd = UINT64_MAX;
	else
		for (uint16_t i = 0; i < n; i++)
			odd |= (uint64_t)!is_usual4(pkts[i], &usual.v4) << i;
	return likely(odd == 0) ? n : look_closely(w, in, pkts, n, odd, &usual.v6);
}

bool dp_guard_may_flood(struct dp_worker *w, const struct dp_vport *in, const struct rte_mbuf *m)
{
	if (w->trace != NULL || dp_guard_token(in->guard, DP_GUARD_BUCKET_UNKNOWN, w->burst_tsc))
		return true;
	tell(w, in, DP_GUARD_RULE_UNKNOWN, m);
	return (in->guard->watch >> DP_GUARD_RULE_UNKNOWN & 1) != 0;
}
