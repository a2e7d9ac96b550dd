/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See acl_priv.h: lists are asked.  Workers; nothing here blocks or allocates.
 *
 * Whatever is read of the packet is said in 'wc'.  Two things need care.  A field that depends on
 * another (an address on the EtherType, a port on the protocol) is read after the other.  And later
 * fragments have 0 where others have ports: an answer that depends on there being ports says so
 * either by a port that is not 0, all of which is then looked at, or by IP_FRAG, which is beyond
 * the short key and so dearer.
 */
#include "vswitch/acl_priv.h"

#include <string.h>

#include <rte_byteorder.h>
#include <rte_branch_prediction.h>

#define TCP	6
#define UDP	17
#define SCTP	132
#define ICMP	1
#define ICMPV6	58
#define TCP_RST 0x04u
#define TCP_ACK 0x10u
#define MEMOS	4u

enum side { SRC, DST };

/* What a set said of this packet. */
struct memo {
	const struct vs_acl_set *set;
	enum side side;
	bool member;
};

struct query {
	const struct dp_key *key;
	struct dp_key *wc; /* NULL: nobody asks */
	uint16_t eth_type;
	uint8_t proto;
	bool v4, v6;
	bool later;    /* a fragment behind the first */
	bool asked_l4; /* the answer depends on there being ports */
	vs_wide ip[2];
	uint16_t port[2];
	struct memo memos[MEMOS];
	unsigned n_memos;
};

/* ---- What is looked at ---- */

static void see(const struct query *q, enum dp_field field)
{
	if (q->wc != NULL)
		dp_key_cover(q->wc, field);
}

/* The first 'n' bits; whole bytes, so that there are few different masks. */
static void see_first(const struct query *q, enum dp_field field, unsigned n)
{
	if (q->wc != NULL)
		memset(q->wc->b + dp_fields[field].offset, 0xff, (n + 7) / 8);
}

static enum dp_field address_field(const struct query *q, enum side side)
{
	if (q->v4)
		return side == SRC ? DP_FIELD_IP4_SRC : DP_FIELD_IP4_DST;
	return side == SRC ? DP_FIELD_IP6_SRC : DP_FIELD_IP6_DST;
}

/* So many bits of 'v' that all that agree in them lie between 'from' and 'to'. */
static unsigned block_in(vs_wide v, vs_wide from, vs_wide to, unsigned width)
{
	unsigned n = 0;

	while (n < width && ((v & ~vs_acl_below(n)) < from || (v | vs_acl_below(n)) > to))
		n += 8;
	return n;
}

static unsigned first_difference(vs_wide a, vs_wide b)
{
	uint64_t high = (uint64_t)((a ^ b) >> 64), low = (uint64_t)(a ^ b);

	if (high != 0)
		return (unsigned)__builtin_clzll(high) + 1;
	return low != 0 ? (unsigned)__builtin_clzll(low) + 65 : 128;
}

/* ---- Reading the packet ---- */

static vs_wide read_wide(const struct dp_key *key, enum dp_field field)
{
	const struct dp_field_desc *d = &dp_fields[field];
	uint64_t w[2] = {0, 0};

	memcpy(w, key->b + d->offset, d->size);
	return (vs_wide)rte_be_to_cpu_64(w[0]) << 64 | rte_be_to_cpu_64(w[1]);
}

static void query_init(struct query *q, const struct dp_key *key, struct dp_key *wc)
{
	memset(q, 0, offsetof(struct query, memos));
	q->n_memos = 0;
	q->key = key;
	q->wc = wc;
	q->eth_type = (uint16_t)dp_key_get(key, DP_FIELD_ETH_TYPE);
	see(q, DP_FIELD_ETH_TYPE);
	q->v4 = q->eth_type == 0x0800;
	q->v6 = q->eth_type == 0x86dd;
	if (!q->v4 && !q->v6)
		return;
	q->proto = (uint8_t)dp_key_get(key, DP_FIELD_IP_PROTO);
	q->later = (dp_key_get(key, DP_FIELD_IP_FRAG) & DP_KEY_FRAG_LATER) != 0;
	q->ip[SRC] = read_wide(key, address_field(q, SRC));
	q->ip[DST] = read_wide(key, address_field(q, DST));
	q->port[SRC] = (uint16_t)dp_key_get(key, DP_FIELD_TP_SRC);
	q->port[DST] = (uint16_t)dp_key_get(key, DP_FIELD_TP_DST);
}

/* Does it have ports?  (Not: a type and a code.) */
static bool has_ports(struct query *q)
{
	if (!q->v4 && !q->v6)
		return false;
	see(q, DP_FIELD_IP_PROTO);
	if (q->proto != TCP && q->proto != UDP && q->proto != SCTP)
		return false;
	q->asked_l4 = true;
	return !q->later;
}

/* At the end: that it is, or is none, of the fragments behind the first. */
static void see_fragment(const struct query *q)
{
	if (q->wc == NULL || !q->asked_l4)
		return;
	if (q->later || (q->port[SRC] | q->port[DST]) == 0)
		see(q, DP_FIELD_IP_FRAG);
	else
		see(q, q->port[DST] != 0 ? DP_FIELD_TP_DST : DP_FIELD_TP_SRC);
}

/* ---- Sets ---- */

static bool in_ranges(const struct query *q, enum side side, const struct vs_acl_ranges *r)
{
	vs_wide v = q->ip[side], from = 0, to = ~(vs_wide)0;
	uint32_t low = 0, high = r->n;
	bool member = false;

	/* The first that begins behind it. */
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (r->from[mid] <= v)
			low = mid + 1;
		else
			high = mid;
	}
	if (low < r->n)
		to = r->from[low] - 1;
	if (low != 0) {
		member = v <= r->to[low - 1];
		from = member ? r->from[low - 1] : r->to[low - 1] + 1;
		to = member ? r->to[low - 1] : to;
	}
	see_first(q, address_field(q, side), block_in(v, from, to, q->v4 ? 32 : 128));
	return member;
}

static bool in_set(struct query *q, enum side side, const struct vs_acl_set *set)
{
	const struct vs_acl_made_set *made =
		(const struct vs_acl_made_set *)((const char *)set -
						 offsetof(struct vs_acl_made_set, set));
	struct memo *m;

	for (unsigned i = 0; i < q->n_memos && i < MEMOS; i++)
		if (q->memos[i].set == set && q->memos[i].side == side)
			return q->memos[i].member;
	m = &q->memos[q->n_memos++ % MEMOS];
	*m = (struct memo){set, side, in_ranges(q, side, q->v4 ? &made->v4 : &made->v6)};
	return m->member;
}

/* ---- One entry ---- */

static bool in_prefix(const struct query *q, enum side side, const struct vs_acl_prefix *p)
{
	vs_wide at = vs_acl_wide_ip(&p->ip) & ~vs_acl_below(p->len);
	bool in = ((q->ip[side] ^ at) & ~vs_acl_below(p->len)) == 0;

	see_first(q, address_field(q, side), in ? p->len : first_difference(q->ip[side], at));
	return in;
}

static bool address_matches(struct query *q, enum side side, const struct vs_acl_end *end)
{
	if (end->kind == VS_ACL_ANY)
		return true;
	if (!q->v4 && !q->v6)
		return false;
	if (end->kind == VS_ACL_SET)
		return in_set(q, side, end->set) != end->except;
	if (end->prefix.ip.v6 != q->v6)
		return false;
	return in_prefix(q, side, &end->prefix) != end->except;
}

static bool ports_match(struct query *q, enum side side, const struct vs_acl_end *end)
{
	bool in = false;

	if (end->n_ranges == 0)
		return true;
	if (!has_ports(q))
		return false;
	for (unsigned i = 0; i < end->n_ranges && !in; i++)
		in = q->port[side] >= end->ranges[i].from && q->port[side] <= end->ranges[i].to;
	see(q, side == SRC ? DP_FIELD_TP_SRC : DP_FIELD_TP_DST);
	return in;
}

static bool mac_matches(const struct query *q, enum side side, const struct vs_acl_end *end)
{
	const enum dp_field field = side == SRC ? DP_FIELD_ETH_SRC : DP_FIELD_ETH_DST;
	const uint8_t *mac = q->key->b + dp_fields[field].offset;
	uint8_t difference = 0;

	for (unsigned i = 0; i < 6; i++) {
		difference |= (mac[i] ^ end->mac.addr_bytes[i]) & end->mac_mask.addr_bytes[i];
		if (q->wc != NULL)
			q->wc->b[dp_fields[field].offset + i] |= end->mac_mask.addr_bytes[i];
	}
	return difference == 0;
}

static bool protocol_matches(const struct query *q, const struct vs_acl_entry *e)
{
	/* EtherType was looked at. */
	if (e->eth_type != 0 && e->eth_type != q->eth_type)
		return false;
	if (e->proto < 0)
		return true;
	if (!q->v4 && !q->v6)
		return false;
	see(q, DP_FIELD_IP_PROTO);
	return e->proto == q->proto;
}

static bool icmp_matches(struct query *q, const struct vs_acl_entry *e)
{
	if (e->icmp_type < 0 && e->icmp_code < 0)
		return true;
	if (!q->v4 && !q->v6)
		return false;
	see(q, DP_FIELD_IP_PROTO);
	if (q->proto != (q->v4 ? ICMP : ICMPV6))
		return false;
	q->asked_l4 = true;
	if (q->later)
		return false;
	if (e->icmp_type >= 0) {
		see(q, DP_FIELD_TP_SRC);
		if (q->port[SRC] != (uint16_t)e->icmp_type)
			return false;
	}
	if (e->icmp_code < 0)
		return true;
	see(q, DP_FIELD_TP_DST);
	return q->port[DST] == (uint16_t)e->icmp_code;
}

static bool flags_match(struct query *q, const struct vs_acl_entry *e)
{
	uint64_t flags;

	if (e->tcp_established < 0)
		return true;
	if (!has_ports(q) || q->proto != TCP)
		return false;
	see(q, DP_FIELD_TCP_FLAGS);
	flags = dp_key_get(q->key, DP_FIELD_TCP_FLAGS);
	return ((flags & (TCP_RST | TCP_ACK)) != 0) == (e->tcp_established != 0);
}

static bool fragment_matches(struct query *q, const struct vs_acl_entry *e)
{
	if (!e->fragments)
		return true;
	if (!q->v4 && !q->v6)
		return false;
	q->asked_l4 = true;
	return q->later;
}

static bool matches(struct query *q, const struct vs_acl_entry *e)
{
	return protocol_matches(q, e) && address_matches(q, SRC, &e->src) &&
	       address_matches(q, DST, &e->dst) && ports_match(q, DST, &e->dst) &&
	       ports_match(q, SRC, &e->src) && icmp_matches(q, e) && fragment_matches(q, e) &&
	       flags_match(q, e) && mac_matches(q, SRC, &e->src) && mac_matches(q, DST, &e->dst);
}

/* ---- A list ---- */

static uint32_t first_of(const struct vs_acl_list *l, struct query *q, const uint32_t *items,
			 uint32_t n, uint32_t best)
{
	for (uint32_t i = 0; i < n && items[i] < best; i++)
		if (matches(q, &l->items[items[i]].e))
			return items[i];
	return best;
}

/* The interval of 'v'. */
static uint32_t find_interval(const struct vs_acl_tree *t, vs_wide v)
{
	const vs_wide *at = t->at;
	uint32_t n = t->n;

	while (n > 1) {
		uint32_t half = n / 2;

		at += at[half] <= v ? half : 0;
		n -= half;
	}
	return (uint32_t)(at - t->at);
}

static uint32_t ask_tree(const struct vs_acl_list *l, struct query *q, enum vs_acl_dim dim,
			 enum dp_field field, vs_wide v, unsigned width, uint32_t best)
{
	const struct vs_acl_tree *t = &l->trees[dim];
	uint32_t i = find_interval(t, v), node = i + t->n_leaves;

	see_first(q, field,
		  block_in(v, t->at[i], i + 1 < t->n ? t->at[i + 1] - 1 : ~(vs_wide)0, width));
	if (t->first[node] == t->first[node + 1])
		node = t->up[node];
	for (; node != 0; node = t->up[node])
		best = first_of(l, q, t->items + t->first[node],
				t->first[node + 1] - t->first[node], best);
	return best;
}

static uint32_t ask_addresses(const struct vs_acl_list *l, struct query *q, uint32_t best)
{
	const unsigned width = q->v4 ? 32 : 128;

	for (unsigned side = SRC; side <= DST; side++) {
		enum vs_acl_dim dim = (enum vs_acl_dim)((q->v4 ? VS_ACL_SRC4 : VS_ACL_SRC6) + side);

		if (l->trees[dim].n != 0)
			best = ask_tree(l, q, dim, address_field(q, (enum side)side), q->ip[side],
					width, best);
	}
	return best;
}

static uint32_t ask_ports(const struct vs_acl_list *l, struct query *q, uint32_t best)
{
	if ((l->trees[VS_ACL_SPORT].n == 0 && l->trees[VS_ACL_DPORT].n == 0) || !has_ports(q))
		return best;
	if (l->trees[VS_ACL_DPORT].n != 0)
		best = ask_tree(l, q, VS_ACL_DPORT, DP_FIELD_TP_DST, (vs_wide)q->port[DST] << 112,
				16, best);
	if (l->trees[VS_ACL_SPORT].n != 0)
		best = ask_tree(l, q, VS_ACL_SPORT, DP_FIELD_TP_SRC, (vs_wide)q->port[SRC] << 112,
				16, best);
	return best;
}

static uint32_t ask_macs(const struct vs_acl_list *l, struct query *q, uint32_t best)
{
	if (l->trees[VS_ACL_SMAC].n != 0)
		best = ask_tree(l, q, VS_ACL_SMAC, DP_FIELD_ETH_SRC,
				read_wide(q->key, DP_FIELD_ETH_SRC), 48, best);
	if (l->trees[VS_ACL_DMAC].n != 0)
		best = ask_tree(l, q, VS_ACL_DMAC, DP_FIELD_ETH_DST,
				read_wide(q->key, DP_FIELD_ETH_DST), 48, best);
	return best;
}

static const struct vs_acl_item *find(const struct vs_acl_list *l, struct query *q)
{
	uint32_t best = first_of(l, q, l->rest, l->n_rest, l->n);

	if (q->v4 || q->v6) {
		best = ask_addresses(l, q, best);
		best = ask_ports(l, q, best);
	}
	best = ask_macs(l, q, best);
	return best < l->n ? &l->items[best] : NULL;
}

const struct vs_acl_item *vs_acl_list_find(const struct vs_acl_list *l, const struct dp_key *key,
					   struct dp_key *wc)
{
	const struct vs_acl_item *item;
	struct query q;

	query_init(&q, key, wc);
	item = find(l, &q);
	see_fragment(&q);
	return item;
}

const struct dp_acl_rule *vs_acl_port_find(const struct dp_acl *acl, const struct dp_key *key,
					   struct dp_key *wc)
{
	const struct vs_acl_port *p = (const struct vs_acl_port *)acl;
	const struct vs_acl_item *item = NULL;
	struct query q;

	if (p->n == 0)
		return NULL;
	query_init(&q, key, wc);
	for (unsigned i = 0; i < p->n && item == NULL; i++)
		item = find(p->lists[i], &q);
	see_fragment(&q);
	return item != NULL ? &item->rule : &p->last;
}
