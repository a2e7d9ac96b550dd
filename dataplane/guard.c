/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See guard.h: a burst on its way through a guard.  Frames that are as usual are told by a few
 * compares; a mask of the others remains, and goes the slow way one by one (guard_slow.c).
 *
 * What is usual: destination no group; the MAC and the IP address that were checked last; IPv4
 * without options that is no fragment, and not ICMP, untagged or behind the same tag, or IPv6 with
 * TCP or UDP at once; no port of DHCP, or near.  Where MACs or addresses are not guarded, any.
 *
 * Workers.
 */
#include "dataplane/guard.h"

#include "dataplane/edge.h"
#include "dataplane/fdb_priv.h"
#include "dataplane/flow.h"
#include "dataplane/guard_answer.h"
#include "dataplane/guard_slow.h"
#include "dataplane/notice.h"
#include "dataplane/tunnel_priv.h"

#include <string.h>

#ifdef __AVX2__
#include <immintrin.h>
#endif

#define IP4_TYPE   0x0008u /* EtherTypes as they lie there */
#define IP6_TYPE   0xdd86u
#define PROTO_ICMP 1u
#define PROTO_TCP  6u
#define PROTO_UDP  17u
#define HEAD4	   42u /* bytes up to the end of UDP's header */
#define HEAD6	   62u
#define TAG_SIZE   4u
#define COPY_MOST  2048u /* headers and DHCP of a frame that comes in pieces */

/* ---- The usual ---- */

/* Has what is usual been checked a short while ago, and is nobody at it?  'ret_seq' for
 * is_whole(). */
static inline bool is_fresh(const struct dp_guard_usual *u, uint64_t now, uint32_t *ret_seq)
{
	*ret_seq = atomic_load_explicit(&u->seq, memory_order_acquire);
	return (*ret_seq & 1) == 0 && atomic_load_explicit(&u->until, memory_order_relaxed) > now;
}

/* Was what was read since then not written meanwhile? */
static inline bool is_whole(const struct dp_guard_usual *u, uint32_t seq)
{
	atomic_thread_fence(memory_order_acquire);
	return atomic_load_explicit(&u->seq, memory_order_relaxed) == seq;
}

static inline uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

/* Is one of two ports among the eight that 'of' is of?  As they lie there; one that is not
 * DHCP's costs no more than a closer look. */
static inline uint32_t has_port(uint32_t ports, uint32_t of)
{
	uint32_t x = (ports ^ of) & 0xf8fff8ffu;

	/* Is a half of it zero? */
	return (x - 0x00010001u) & ~x & 0x80008000u;
}

#define PORTS_OF_DHCP  0x40004000u /* 64 to 71 */
#define PORTS_OF_DHCP6 0x20022002u /* 544 to 551 */

#ifdef __AVX2__
/* All of them, and nothing of one frame waits for the one before.  'ret_alike': all of them are for
 * one station, too. */
static inline bool are_usual4(struct rte_mbuf **pkts, uint16_t n, const struct dp_guard_usual *u,
			      uint64_t now, bool *ret_alike)
{
	const __m256i l2 = _mm256_setr_epi64x(-1, INT64_C(0xffffffffffff), 0, 0);
	const __m256i first = _mm256_loadu_si256(rte_pktmbuf_mtod(pkts[0], const __m256i_u *));
	/* From TTL and protocol at 22 to the ports at 34, by two bytes: ICMP, ports of DHCP. */
	const __m128i odd_mask =
		_mm_setr_epi16((short)0xff00, 0, 0, 0, 0, 0, (short)0xf8ff, (short)0xf8ff);
	const __m128i odd = _mm_setr_epi16(0x0100, -1, -1, -1, -1, -1, 0x4000, 0x4000);
	__m256i differ = _mm256_setzero_si256(), others = _mm256_setzero_si256(), mask, want;
	__m128i is_odd = _mm_setzero_si128();
	int32_t shorter = 0;
	uint32_t seq;

	if (!is_fresh(u, now, &seq))
		return false;
	mask = _mm256_load_si256((const __m256i *)u->mask);
	want = _mm256_load_si256((const __m256i *)(uintptr_t)u->want);
	if (!is_whole(u, seq))
		return false;
#pragma GCC unroll 4
	for (uint16_t i = 0; i < n; i++) {
		const char *d = rte_pktmbuf_mtod(pkts[i], const char *);
		const __m256i head = _mm256_loadu_si256((const __m256i_u *)d);
		const __m128i tail = _mm_loadu_si128((const __m128i_u *)(d + 22));

		shorter |= (int32_t)pkts[i]->data_len - (int32_t)HEAD4;
		differ = _mm256_or_si256(differ,
					 _mm256_xor_si256(_mm256_and_si256(head, mask), want));
		others = _mm256_or_si256(others, _mm256_xor_si256(head, first));
		is_odd = _mm_or_si128(is_odd, _mm_cmpeq_epi16(_mm_and_si128(tail, odd_mask), odd));
	}
	*ret_alike = _mm256_testz_si256(others, l2);
	return _mm256_testz_si256(differ, differ) && _mm_testz_si128(is_odd, is_odd) &&
	       shorter >= 0;
}
#endif

/* What is not as 'u' wants of the first 32 bytes. */
static inline uint64_t head_differs(const uint8_t *d, const struct dp_guard_usual *u,
				    const uint64_t *want)
{
	uint64_t differ = 0;

	for (unsigned i = 0; i < DP_GUARD_USUAL_WORDS - 1; i++)
		differ |= (dp_key_load64(d + 8 * i) & u->mask[i]) ^ want[i];
	return differ;
}

static inline bool read_want(const struct dp_guard_usual *u, uint64_t now,
			     uint64_t want[DP_GUARD_USUAL_WORDS])
{
	uint32_t seq;

	if (!is_fresh(u, now, &seq))
		return false;
	for (unsigned i = 0; i < DP_GUARD_USUAL_WORDS - 1; i++)
		want[i] = atomic_load_explicit(&u->want[i], memory_order_relaxed);
	want[4] = atomic_load_explicit(&u->tail_want, memory_order_relaxed);
	return is_whole(u, seq);
}

#ifndef __AVX2__
static inline bool are_usual4(struct rte_mbuf **pkts, uint16_t n, const struct dp_guard_usual *u,
			      uint64_t now, bool *ret_alike)
{
	const uint8_t *first = rte_pktmbuf_mtod(pkts[0], const uint8_t *);
	uint64_t want[DP_GUARD_USUAL_WORDS], differ = 0, others = 0;
	int32_t shorter = 0;

	if (!read_want(u, now, want))
		return false;
	for (uint16_t i = 0; i < n; i++) {
		const uint8_t *d = rte_pktmbuf_mtod(pkts[i], const uint8_t *);

		shorter |= (int32_t)pkts[i]->data_len - (int32_t)HEAD4;
		others |= (dp_key_load64(d) ^ dp_key_load64(first)) |
			  (dp_key_load64(d + 6) ^ dp_key_load64(first + 6));
		differ |= head_differs(d, u, want) | has_port(load32(d + 34), PORTS_OF_DHCP) |
			  (d[23] == PROTO_ICMP);
	}
	*ret_alike = others == 0;
	return differ == 0 && shorter >= 0;
}
#endif

static inline bool are_usual6(struct rte_mbuf **pkts, uint16_t n, const struct dp_guard_usual *u,
			      uint64_t now)
{
	const uint64_t tcp_udp = UINT64_C(1) << PROTO_TCP | UINT64_C(1) << PROTO_UDP;
	uint64_t want[DP_GUARD_USUAL_WORDS], differ = 0;
	int32_t shorter = 0;

	if (!read_want(u, now, want))
		return false;
	for (uint16_t i = 0; i < n; i++) {
		const uint8_t *d = rte_pktmbuf_mtod(pkts[i], const uint8_t *);

		shorter |= (int32_t)pkts[i]->data_len - (int32_t)HEAD6;
		differ |= head_differs(d, u, want) |
			  ((dp_key_load64(d + 30) & u->tail_mask) ^ want[4]) |
			  has_port(load32(d + 54), PORTS_OF_DHCP6);
		/* What stands 64 and more behind these is no protocol that a guard knows. */
		differ |= ~(tcp_udp >> (d[20] & 63)) & 1;
	}
	return differ == 0 && shorter >= 0;
}

/* The same of one frame of IPv4 behind a tag. */
static inline bool is_usual_tagged(const struct rte_mbuf *m, const struct dp_guard_usual *u,
				   uint64_t now)
{
	const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);
	uint64_t want[DP_GUARD_USUAL_WORDS], differ;

	if (m->data_len < HEAD4 + TAG_SIZE || !read_want(u, now, want))
		return false;
	differ = (dp_key_load64(d) & u->mask[0]) ^ want[0];
	/* Bytes 8 to 11, and 16 to 19 in place of the tag. */
	differ |= ((load32(d + 8) | (uint64_t)load32(d + 16) << 32) & u->mask[1]) ^ want[1];
	differ |= (dp_key_load64(d + 20) & u->mask[2]) ^ want[2];
	differ |= (dp_key_load64(d + 28) & u->mask[3]) ^ want[3];
	differ |= (load32(d + 12) & u->tail_mask) ^ want[4];
	return (differ | has_port(load32(d + 38), PORTS_OF_DHCP) | (d[27] == PROTO_ICMP)) == 0;
}

/* The words of frames with this source; see usual_masks() in guard_life.c. */
static void usual_words(const struct dp_guard_usual *u, uint64_t mac, const struct dp_ip *ip,
			uint32_t tag, uint64_t want[DP_GUARD_USUAL_WORDS])
{
	uint64_t words[DP_GUARD_USUAL_WORDS] = {mac << 48, mac >> 16};

	if (ip->v6) {
		words[1] |= UINT64_C(0xdd86) << 32 | UINT64_C(0x60) << 48;
		words[2] = ip->w[0] << 48;
		words[3] = ip->w[0] >> 16 | ip->w[1] << 48;
		words[4] = ip->w[1] & u->tail_mask;
	} else {
		words[1] |= UINT64_C(0x0008) << 32 | UINT64_C(0x45) << 48;
		words[3] = (uint64_t)ip->v4 << 16;
		words[4] = tag & u->tail_mask;
	}
	for (unsigned i = 0; i < DP_GUARD_USUAL_WORDS - 1; i++)
		want[i] = words[i] & u->mask[i];
	want[4] = words[4];
}

static bool is_remembered(const struct dp_guard_usual *u, const uint64_t *want, uint64_t until)
{
	if (atomic_load_explicit(&u->until, memory_order_relaxed) < until)
		return false;
	for (unsigned i = 0; i < DP_GUARD_USUAL_WORDS - 1; i++)
		if (atomic_load_explicit(&u->want[i], memory_order_relaxed) != want[i])
			return false;
	return atomic_load_explicit(&u->tail_want, memory_order_relaxed) == want[4];
}

/* The next frames of this source are usual, for a while.  'tag': 0, or as it lies in the frame. */
static void remember(struct dp_guard *g, uint64_t now_tsc, uint64_t mac, const struct dp_ip *ip,
		     uint32_t tag, uint64_t tsc_hz)
{
	struct dp_guard_usual *u = ip->v6 ? &g->usual6 : tag != 0 ? &g->usual_tagged : &g->usual4;
	uint32_t seq = atomic_load_explicit(&u->seq, memory_order_relaxed);
	uint64_t want[DP_GUARD_USUAL_WORDS];

	usual_words(u, mac, ip, tag, want);
	/* Another worker is at it: the next frame will do. */
	if (is_remembered(u, want, now_tsc + tsc_hz / 2000 * DP_GUARD_TRUST_MS) || (seq & 1) != 0 ||
	    !atomic_compare_exchange_strong(&u->seq, &seq, seq + 1))
		return;
	atomic_thread_fence(memory_order_release);
	for (unsigned i = 0; i < DP_GUARD_USUAL_WORDS - 1; i++)
		atomic_store_explicit(&u->want[i], want[i], memory_order_relaxed);
	atomic_store_explicit(&u->tail_want, want[4], memory_order_relaxed);
	atomic_store_explicit(&u->until, now_tsc + tsc_hz / 1000 * DP_GUARD_TRUST_MS,
			      memory_order_relaxed);
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
	if (v.checked && !f.dry && h.l2_size == RTE_ETHER_HDR_LEN)
		remember(g, w->burst_tsc, dp_guard_src(&f), &v.ip, 0, w->dp->tsc_hz);
	else if (v.checked && !f.dry && !v.ip.v6 && h.l2_size == RTE_ETHER_HDR_LEN + TAG_SIZE &&
		 h.n_tags == 1)
		remember(g, w->burst_tsc, dp_guard_src(&f), &v.ip, load32(f.d + 12), w->dp->tsc_hz);
	return true;
}

/* One frame, by its EtherType. */
static inline bool is_usual(struct rte_mbuf *m, const struct dp_guard *g, uint64_t now)
{
	const uint16_t type = dp_edge_eth_type_le(m);
	bool alike;

	if (likely(type == IP4_TYPE))
		return are_usual4(&m, 1, &g->usual4, now, &alike);
	if (type == IP6_TYPE)
		return are_usual6(&m, 1, &g->usual6, now);
	return dp_edge_is_tpid(type) && is_usual_tagged(m, &g->usual_tagged, now);
}

/* Not all are usual and of one kind. */
static __rte_noinline uint16_t look_closely(struct dp_worker *w, const struct dp_vport *in,
					    struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t k = 0;

	w->alike = false;
	for (uint16_t i = 0; i < n; i++)
		if (is_usual(pkts[i], in->guard, w->burst_tsc) || pass_slowly(w, in, pkts[i]))
			pkts[k++] = pkts[i];
	return k;
}

uint16_t dp_guard_ingress(struct dp_worker *w, const struct dp_vport *in, struct rte_mbuf **pkts,
			  uint16_t n)
{
	const struct dp_guard *g = in->guard;
	const uint16_t type = dp_edge_eth_type_le(pkts[0]);

	if (likely((type == IP4_TYPE && are_usual4(pkts, n, &g->usual4, w->burst_tsc, &w->alike)) ||
		   (type == IP6_TYPE && are_usual6(pkts, n, &g->usual6, w->burst_tsc))))
		return n;
	return look_closely(w, in, pkts, n);
}

bool dp_guard_may_flood(struct dp_worker *w, const struct dp_vport *in, const struct rte_mbuf *m)
{
	if (w->trace != NULL || dp_guard_token(in->guard, DP_GUARD_BUCKET_UNKNOWN, w->burst_tsc))
		return true;
	tell(w, in, DP_GUARD_RULE_UNKNOWN, m);
	return (in->guard->watch >> DP_GUARD_RULE_UNKNOWN & 1) != 0;
}
