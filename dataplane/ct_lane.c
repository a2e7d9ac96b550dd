/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Tracks plain frames together: in passes, so that one packet's accesses to memory wait while the
 * next one's are under way, and from the short key, without a struct dp_ct_packet.  What most
 * packets do to a connection that both sides agreed on is done here: the time is put forward, the
 * window moved.  All others go one by one through dp_ct_track().  Workers.
 */
#include "dataplane/ct_priv.h"

#include "dataplane/key.h"

#include <rte_mbuf.h>
#include <rte_prefetch.h>

#define TCP 6

/* What one pass hands to the next. */
struct probe {
	uint64_t key[DP_CT_LANE][2]; /* the third word is the tenant, the others zero */
	const struct dp_ct_bucket *bucket[DP_CT_LANE];
	uint32_t tag[DP_CT_LANE], hits[DP_CT_LANE];
	uint32_t swapped; /* bit per packet */
};

/* As dp_ct_packet_plain() orders the ends. */
static inline void hash_all(const struct dp_ct *ct, const struct dp_ct_lane *l, struct probe *p)
{
	const uint64_t zone = (uint64_t)l->zone << 48;
	const uint64_t place = dp_nh_word(l->domain, ct->secret[2]);

	p->swapped = 0;
	for (uint32_t todo = l->which; todo != 0; todo &= todo - 1) {
		unsigned i = (unsigned)__builtin_ctz(todo);
		uint64_t ports = l->key[i][2], ips = l->key[i][3], hash;
		uint64_t from = (ips & UINT32_MAX) << 16 | (ports >> 32 & 0xffff);
		uint64_t to = ips >> 32 << 16 | ports >> 48;
		uint64_t proto = (ports >> 16 & 0xff) << 48;

		p->swapped |= (uint32_t)(from > to) << i;
		p->key[i][0] = (from > to ? to : from) | proto;
		p->key[i][1] = (from > to ? from : to) | zone;
		hash = dp_nh_finish(dp_nh_word(p->key[i][0], ct->secret[0]) +
				    dp_nh_word(p->key[i][1], ct->secret[1]) + place);
		p->tag[i] = dp_ct_tag(hash);
		p->bucket[i] = dp_ct_first(ct, hash);
		rte_prefetch0(p->bucket[i]);
	}
}

/* TCP's words are on the connection's second line. */
static inline void find_tags(const struct dp_ct *ct, const struct dp_ct_lane *l, struct probe *p)
{
	for (uint32_t todo = l->which; todo != 0; todo &= todo - 1) {
		unsigned i = (unsigned)__builtin_ctz(todo);
		const struct dp_ct_conn *c;

		p->hits[i] = dp_ct_tags(p->bucket[i], p->tag[i]);
		if (p->hits[i] == 0)
			continue;
		c = &ct->conns[(uint32_t)atomic_load_explicit(
			&p->bucket[i]->slot[__builtin_ctz(p->hits[i])], memory_order_relaxed)];
		rte_prefetch0(c);
		if ((uint8_t)(p->key[i][0] >> 48) == TCP)
			rte_prefetch0(c->dir);
	}
}

/* The entry of packet 'i' in its first bucket, or 0. */
static inline uint32_t find(const struct dp_ct *ct, const struct dp_ct_lane *l,
			    const struct probe *p, unsigned i)
{
	for (uint32_t hits = p->hits[i]; hits != 0; hits &= hits - 1) {
		uint64_t slot = atomic_load_explicit(&p->bucket[i]->slot[__builtin_ctz(hits)],
						     memory_order_acquire);
		const struct dp_ct_conn *c = &ct->conns[(uint32_t)slot];

		if (likely((uint32_t)(slot >> 32) == p->tag[i] && dp_ct_life(c) == DP_CT_LIVE &&
			   ((c->key[0] ^ p->key[i][0]) | (c->key[1] ^ p->key[i][1]) |
			    (c->key[2] ^ l->domain)) == 0))
			return (uint32_t)slot;
	}
	return 0;
}

static inline void renew(struct dp_ct *ct, uint32_t i, enum dp_ct_timeout timeout, uint32_t now)
{
	uint32_t left = atomic_load_explicit(&ct->timeout[timeout], memory_order_relaxed);

	if (unlikely(atomic_load_explicit(&ct->conns[i].expires, memory_order_relaxed) !=
		     now + left))
		dp_ct_retime(ct, i, now + left);
}

/* The state of a packet that changes nothing but time and window; 0 when it may do more. */
static inline uint8_t goes_on(struct dp_ct *ct, uint32_t at, const struct dp_ct_lane *l,
			      const struct probe *p, unsigned i)
{
	const uint32_t more =
		DP_CT_F_ALIAS | DP_CT_F_SRC_NAT | DP_CT_F_DST_NAT | DP_CT_F_ALG | DP_CT_F_IDLE;
	const uint32_t agreed = DP_CT_F_REPLIED | DP_CT_F_ASSURED;
	struct dp_ct_conn *c = &ct->conns[at];
	uint32_t state = atomic_load_explicit(&c->state, memory_order_relaxed);
	bool reply = (p->swapped >> i & 1) != ((state & DP_CT_F_SWAPPED) != 0);

	if (unlikely((state & (more | agreed)) != agreed))
		return 0;
	if ((uint8_t)(p->key[i][0] >> 48) == TCP) {
		const uint8_t *ip = rte_pktmbuf_mtod_offset(l->pkts[i], const uint8_t *,
							    l->key[i][1] >> 48 != 0 ? 18 : 14);
		uint32_t size = DP_KEY_BE16(dp_key_load16(ip + 2)) - 20u;

		if (unlikely(!dp_ct_tcp_goes_on(c, ip + 20, size, reply)))
			return 0;
		renew(ct, at, DP_CT_T_TCP_EST, l->now);
	} else {
		renew(ct, at, DP_CT_T_UDP_BOTH, l->now);
	}
	return (uint8_t)(DP_CT_TRACKED | DP_CT_EST | (reply ? DP_CT_REPLY : 0) |
			 ((state & DP_CT_F_RELATED) != 0 ? DP_CT_REL : 0));
}

static void alone(struct dp_ct *ct, struct dp_ct_local *local, struct dp_ct_lane *l, unsigned i)
{
	struct dp_ct_mark mark = {0};
	struct dp_ct_packet packet;

	dp_ct_packet_plain(l->key[i], rte_pktmbuf_mtod(l->pkts[i], const uint8_t *), &packet);
	dp_ct_track(ct, local, l->domain, l->zone, &packet, l->now, &mark);
	/* Where it will be translated it is listened to there. */
	if (unlikely(dp_ct_has_alg(ct, &mark)) && !dp_ct_is_translated(ct, &mark))
		dp_ct_listen(ct, local, l->pkts[i], &packet, &mark, l->now, NULL);
	l->conn[i] = mark.conn;
	l->state[i] = mark.state;
}

/* Is one of 'left', perhaps, of the connection of packet 'i'? */
static bool is_behind(const struct probe *p, uint32_t left, unsigned i)
{
	for (; left != 0; left &= left - 1)
		if (p->tag[__builtin_ctz(left)] == p->tag[i])
			return true;
	return false;
}

void dp_ct_track_lane(struct dp_ct *ct, struct dp_ct_local *local, struct dp_ct_lane *l)
{
	uint32_t left = 0;
	struct probe p;

	hash_all(ct, l, &p);
	find_tags(ct, l, &p);
	for (uint32_t todo = l->which; todo != 0; todo &= todo - 1) {
		unsigned i = (unsigned)__builtin_ctz(todo);
		uint32_t at = find(ct, l, &p, i);

		if (unlikely(left != 0) && is_behind(&p, left, i))
			at = 0;
		l->conn[i] = at;
		l->state[i] = likely(at != 0) ? goes_on(ct, at, l, &p, i) : 0;
		if (likely(l->state[i] != 0))
			continue;
		if (l->settled)
			left |= 1u << i;
		else
			alone(ct, local, l, i);
	}
	l->which &= ~left;
}
