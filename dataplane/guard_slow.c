/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See guard_slow.h.
 */
#include "dataplane/guard_slow.h"

#include "dataplane/guard_dhcp.h"

#include <string.h>

#define PASS DP_N_GUARD_RULES

#define TYPE_VLAN_C 0x8100
#define TYPE_VLAN_S 0x88a8

#define ARP_SIZE    28u
#define ARP_REQUEST 1
#define ARP_REPLY   2

#define PROTO_UDP    17
#define PROTO_ICMPV6 58

#define ICMP_REDIRECT 5
#define ICMP_ROUTER   9

#define MLD_REPORT    131
#define MLD_DONE      132
#define MLD2_REPORT   143
#define ND_ROUTER_ASK 133
#define ND_ROUTER     134
#define ND_SOLICIT    135
#define ND_ADVERTISE  136
#define ND_REDIRECT   137

#define ND_TARGET     8 /* in the message: NS, NA */
#define ND_OPTIONS    24
#define RS_OPTIONS    8
#define ND_OPT_SOURCE 1
#define ND_OPT_TARGET 2

#define LINK_LOCAL_MS 3600000u

/* ---- Whose an address is ---- */

static struct dp_ip ip4_at(const uint8_t *p)
{
	struct dp_ip ip = {0};

	memcpy(&ip.v4, p, 4);
	return ip;
}

static struct dp_ip ip6_at(const uint8_t *p)
{
	struct dp_ip ip = {.v6 = true};

	memcpy(ip.b, p, 16);
	return ip;
}

bool dp_guard_owns(const struct dp_guard_frame *f, const struct dp_ip *ip)
{
	const struct dp_guard *g = f->g;
	struct dp_guard_binding b;
	uint64_t mac;

	if (dp_guard_gives(g, ip, dp_guard_src(f)))
		return true;
	if (!dp_guard_book_has(g->book, f->where, ip, g->port, f->now_ms, &b) ||
	    b.how == DP_GUARD_FIXED)
		return false;
	mac = dp_guard_mac_word(b.mac);
	if (mac != 0 && mac != dp_guard_src(f))
		return false;
	/* Who uses a link-local address keeps it. */
	if (b.how == DP_GUARD_BY_ND && b.until_ms - f->now_ms < LINK_LOCAL_MS / 2 && !f->dry) {
		b.until_ms = f->now_ms + LINK_LOCAL_MS;
		dp_guard_book_bind(g->book, &b, 0, f->now_ms);
	}
	return true;
}

bool dp_guard_is_others(const struct dp_guard_frame *f, const struct dp_ip *ip)
{
	return dp_guard_book_others(f->g->book, f->where, ip, f->g->port, f->now_ms, NULL) != 0;
}

static void count(_Atomic uint64_t *counter)
{
	atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

/* Nobody has it: then it is this port's from now on (RFC 6620). */
static bool claim(const struct dp_guard_frame *f, const struct dp_ip *ip)
{
	uint32_t most = dp_guard_is_link_local(ip) ? DP_GUARD_MAX_LINK_LOCAL : f->g->max_learned;
	struct dp_guard_binding b = {.ip = *ip,
				     .port = f->g->port,
				     .domain = (uint16_t)(f->where >> 16),
				     .vlan = (uint16_t)f->where,
				     .how = DP_GUARD_BY_ND,
				     .until_ms = f->now_ms + LINK_LOCAL_MS};

	if (f->dry)
		return !dp_guard_is_others(f, ip);
	memcpy(b.mac, f->d + 6, 6);
	if (dp_guard_book_bind(f->g->book, &b, most, f->now_ms) != 0) {
		count(&f->g->state->not_learned);
		return false;
	}
	count(&f->g->state->learned);
	return true;
}

/* May the frame speak for 'ip'?  Where addresses are not bound, for all but what is known to be
 * another's. */
static bool may_use(const struct dp_guard_frame *f, const struct dp_ip *ip)
{
	if ((f->on & DP_GUARD_IP) == 0)
		return !dp_guard_is_others(f, ip);
	return dp_guard_owns(f, ip) || (dp_guard_is_link_local(ip) && claim(f, ip));
}

/* Looks whether it is taken, to use it then. */
static bool may_want(const struct dp_guard_frame *f, const struct dp_ip *ip)
{
	return may_use(f, ip) || ((f->on & DP_GUARD_LEARN_ND) != 0 && claim(f, ip));
}

static bool is_group4(const struct dp_ip *ip)
{
	return ip->b[0] >= 224;
}

static bool is_zero(const struct dp_ip *ip)
{
	return (ip->w[0] | ip->w[1]) == 0;
}

/* ---- Rates ---- */

bool dp_guard_token(const struct dp_guard *g, enum dp_guard_bucket bucket, uint64_t now_tsc)
{
	const struct dp_guard_bucket_rate *rate = &g->rates[bucket];
	_Atomic uint64_t *rest_at = &g->state->rest_at[bucket];
	uint64_t old = atomic_load_explicit(rest_at, memory_order_relaxed), next;
	const uint64_t now = now_tsc * 16;

	if (rate->interval == 0)
		return true;
	do {
		if (old > now && old - now > rate->burst - rate->interval)
			return false;
		next = (old > now ? old : now) + rate->interval;
	} while (!atomic_compare_exchange_weak_explicit(rest_at, &old, next, memory_order_relaxed,
							memory_order_relaxed));
	return true;
}

static bool token(const struct dp_guard_frame *f, enum dp_guard_bucket bucket)
{
	return f->dry || dp_guard_token(f->g, bucket, f->now_tsc);
}

/* ---- Layer 2 ---- */

/* IEEE 802.1D and 802.1Q bridges, and the one of each VLAN that Cisco's have. */
static bool is_bpdu(const struct dp_guard_frame *f)
{
	static const uint8_t ieee[5] = {0x01, 0x80, 0xc2, 0, 0};
	static const uint8_t cisco[6] = {0x01, 0x00, 0x0c, 0xcc, 0xcc, 0xcd};
	const struct dp_headers *h = f->h;

	if ((memcmp(f->d, ieee, 5) == 0 && (f->d[5] == 0x00 || f->d[5] == 0x08)) ||
	    memcmp(f->d, cisco, 6) == 0)
		return true;
	/* By what it is, to whomever it goes: LLC 42-42-03. */
	return h->eth_type == DP_ETH_TYPE_LLC && f->size >= h->l2_size + 2u &&
	       f->d[h->l2_size] == 0x42 && f->d[h->l2_size + 1] == 0x42;
}

static bool has_mac(const struct dp_guard *g, uint64_t mac)
{
	for (uint32_t i = 0; i < g->n_macs; i++)
		if (g->macs[i] == mac)
			return true;
	return false;
}

/* What guards that look behind tags cannot see. */
static enum dp_guard_rule hidden(uint32_t on, uint32_t by)
{
	static const struct {
		uint32_t on;
		enum dp_guard_rule rule;
	} rules[] = {{DP_GUARD_IP, DP_GUARD_RULE_IP},
		     {DP_GUARD_ROUTER, DP_GUARD_RULE_ROUTER},
		     {DP_GUARD_DHCP, DP_GUARD_RULE_DHCP},
		     {DP_GUARD_ARP, DP_GUARD_RULE_ARP}};

	for (unsigned i = 0; i < sizeof(rules) / sizeof(rules[0]); i++)
		if ((on & by & rules[i].on) != 0)
			return rules[i].rule;
	return PASS;
}

/* ---- ARP ---- */

static enum dp_guard_rule judge_arp(const struct dp_guard_frame *f)
{
	static const uint8_t ether_ip4[6] = {0, 1, 8, 0, 6, 4};
	const struct dp_headers *h = f->h;
	const uint8_t *a = f->d + h->l2_size;
	struct dp_ip sender;
	uint16_t op;

	if ((f->on & (DP_GUARD_ARP | DP_GUARD_IP)) == 0)
		return PASS;
	if (h->bad != DP_BAD_NONE || h->l3_size < ARP_SIZE ||
	    memcmp(a, ether_ip4, sizeof(ether_ip4)) != 0)
		return DP_GUARD_RULE_ARP;
	op = (uint16_t)(a[6] << 8 | a[7]);
	sender = ip4_at(a + 14);
	if (op != ARP_REQUEST && op != ARP_REPLY)
		return DP_GUARD_RULE_ARP;
	if ((f->on & DP_GUARD_ARP) != 0 && memcmp(a + 8, f->d + 6, 6) != 0)
		return DP_GUARD_RULE_ARP;
	/* Who only asks whether an address is free claims nothing (RFC 5227). */
	if (is_zero(&sender))
		return op == ARP_REQUEST ? PASS : DP_GUARD_RULE_ARP;
	return is_group4(&sender) || !may_use(f, &sender) ? DP_GUARD_RULE_ARP : PASS;
}

/* ---- Neighbour discovery ---- */

/* No option of 'type', or it names the frame's source.  What does not fit is no option, and then
 * nobody takes the message. */
static bool option_agrees(const struct dp_guard_frame *f, const uint8_t *p, uint32_t size,
			  uint8_t type)
{
	while (size >= 2) {
		uint32_t n = p[1] * 8u;

		if (n == 0 || n > size)
			return false;
		if (p[0] == type && memcmp(p + 2, f->d + 6, 6) != 0)
			return false;
		p += n;
		size -= n;
	}
	return size == 0;
}

static enum dp_guard_rule judge_nd(const struct dp_guard_frame *f, const uint8_t *p, uint32_t size)
{
	const struct dp_headers *h = f->h;
	const struct dp_ip src = ip6_at(f->d + h->ip_src);
	const uint32_t head = h->icmp_type == ND_ROUTER_ASK ? RS_OPTIONS : ND_OPTIONS;
	const bool anonymous = is_zero(&src);
	struct dp_ip target;

	if (size < head || h->ip_ttl != 255 ||
	    !option_agrees(f, p + head, size - head,
			   h->icmp_type == ND_ADVERTISE ? ND_OPT_TARGET : ND_OPT_SOURCE))
		return DP_GUARD_RULE_ARP;
	if (h->icmp_type == ND_ROUTER_ASK)
		return PASS;
	target = ip6_at(p + ND_TARGET);
	if (target.b[0] == 0xff)
		return DP_GUARD_RULE_ARP;
	if (h->icmp_type == ND_ADVERTISE)
		return may_use(f, &target) ? PASS : DP_GUARD_RULE_ARP;
	/* A solicitation with a source says whose that is, one without what it wants. */
	if (anonymous)
		return may_want(f, &target) ? PASS : DP_GUARD_RULE_ARP;
	return may_use(f, &src) ? PASS : DP_GUARD_RULE_ARP;
}

static bool is_nd(uint8_t type)
{
	return type >= ND_ROUTER_ASK && type <= ND_REDIRECT;
}

static enum dp_guard_rule judge_icmp6(const struct dp_guard_frame *f)
{
	const struct dp_headers *h = f->h;
	const uint32_t l4 = (uint32_t)h->l2_size + h->l3_size;
	uint32_t end = h->l2_size + h->ip_size;

	if (h->bad != DP_BAD_NONE)
		return hidden(f->on, DP_GUARD_ROUTER | DP_GUARD_ARP);
	if (!is_nd(h->icmp_type))
		return PASS;
	if (h->icmp_type == ND_ROUTER || h->icmp_type == ND_REDIRECT)
		return (f->on & DP_GUARD_ROUTER) != 0 ? DP_GUARD_RULE_ROUTER : PASS;
	if ((f->on & DP_GUARD_ARP) == 0)
		return PASS;
	/* RFC 6980 section 5: not in fragments, atomic ones neither. */
	if (h->frag != 0 || (h->ip_ext & DP_EXT_FRAG) != 0)
		return DP_GUARD_RULE_ARP;
	if (end > f->size)
		end = f->size;
	return judge_nd(f, f->d + l4, end - l4);
}

/* ---- IP ---- */

static bool is_dhcp(const struct dp_headers *h)
{
	if (h->l4 != DP_L4_UDP)
		return false;
	if (h->l3 == DP_L3_IPV6)
		return (h->sport | 1u) == DP_DHCP6_SERVER_PORT ||
		       (h->dport | 1u) == DP_DHCP6_SERVER_PORT;
	return h->sport == DP_DHCP_SERVER_PORT || h->sport == DP_DHCP_CLIENT_PORT ||
	       h->dport == DP_DHCP_SERVER_PORT || h->dport == DP_DHCP_CLIENT_PORT;
}

static bool may_be_from4(const struct dp_guard_frame *f, struct dp_guard_verdict *v)
{
	const struct dp_headers *h = f->h;
	const struct dp_ip src = ip4_at(f->d + h->ip_src);

	/* Without an address yet: a DHCP client, a member of groups (RFC 4541 2.1.1). */
	if (is_zero(&src))
		return (h->l4 == DP_L4_UDP && h->sport == DP_DHCP_CLIENT_PORT &&
			h->dport == DP_DHCP_SERVER_PORT) ||
		       h->l4 == DP_L4_IGMP;
	v->ip = src;
	v->checked = !is_group4(&src) && dp_guard_owns(f, &src);
	return v->checked;
}

static bool may_be_from6(const struct dp_guard_frame *f, struct dp_guard_verdict *v)
{
	const struct dp_headers *h = f->h;
	const struct dp_ip src = ip6_at(f->d + h->ip_src);

	/* Without an address yet (RFC 4862 5.4.2, 4861 4.1, 3590). */
	if (is_zero(&src))
		return h->l4 == DP_L4_ICMPV6 && h->bad == DP_BAD_NONE &&
		       (h->icmp_type == ND_SOLICIT || h->icmp_type == ND_ROUTER_ASK ||
			h->icmp_type == MLD_REPORT || h->icmp_type == MLD_DONE ||
			h->icmp_type == MLD2_REPORT);
	v->ip = src;
	v->checked = src.b[0] != 0xff && may_use(f, &src);
	return v->checked;
}

/* A transport header that guards want to see and cannot. */
static enum dp_guard_rule unseen(const struct dp_guard_frame *f)
{
	const struct dp_headers *h = f->h;

	if (h->bad == DP_BAD_IP_OPTION)
		return hidden(f->on, DP_GUARD_ROUTER | DP_GUARD_DHCP | DP_GUARD_ARP);
	if (h->bad != DP_BAD_L4)
		return PASS;
	if (h->l4 == DP_L4_UDP)
		return hidden(f->on, DP_GUARD_DHCP);
	if (h->l4 == DP_L4_ICMP)
		return hidden(f->on, DP_GUARD_ROUTER);
	return PASS;
}

static enum dp_guard_rule judge_ip(const struct dp_guard_frame *f, struct dp_guard_verdict *v)
{
	const struct dp_headers *h = f->h;
	const bool v6 = h->l3 == DP_L3_IPV6;
	enum dp_guard_rule rule;

	if (h->bad == DP_BAD_IP)
		return hidden(f->on, DP_GUARD_IP);
	v->ip.v6 = v6;
	v->checked = (f->on & DP_GUARD_IP) == 0;
	if (!v->checked && !(v6 ? may_be_from6(f, v) : may_be_from4(f, v)))
		return DP_GUARD_RULE_IP;
	rule = unseen(f);
	if (rule != PASS || h->frag == DP_FRAG_LATER)
		return rule;
	if (h->l4 == DP_L4_ICMPV6)
		return judge_icmp6(f);
	if (h->l4 == DP_L4_ICMP && (h->icmp_type == ICMP_REDIRECT || h->icmp_type == ICMP_ROUTER))
		return hidden(f->on, DP_GUARD_ROUTER);
	return is_dhcp(h) ? dp_guard_dhcp(f) : PASS;
}

/* ---- All of it ---- */

static bool is_broadcast(const uint8_t *mac)
{
	return dp_guard_mac_word(mac) == DP_GUARD_MAC_MASK;
}

static bool is_neighbour_talk(const struct dp_headers *h)
{
	return h->l3 == DP_L3_ARP || (h->l4 == DP_L4_ICMPV6 && is_nd(h->icmp_type));
}

static enum dp_guard_rule judge_rates(const struct dp_guard_frame *f)
{
	if (is_neighbour_talk(f->h) && !token(f, DP_GUARD_BUCKET_ARP))
		return DP_GUARD_RULE_ARP_RATE;
	if ((f->d[0] & 1) == 0)
		return PASS;
	if (is_broadcast(f->d))
		return token(f, DP_GUARD_BUCKET_BROADCAST) ? PASS : DP_GUARD_RULE_BROADCAST;
	return token(f, DP_GUARD_BUCKET_MULTICAST) ? PASS : DP_GUARD_RULE_MULTICAST;
}

/* The address that a sound request asks for, of somebody else. */
static bool asks_for(const struct dp_guard_frame *f, struct dp_ip *ret_ip)
{
	const struct dp_headers *h = f->h;
	const uint8_t *p = f->d + h->l2_size;

	if (h->bad != DP_BAD_NONE)
		return false;
	if (h->l3 == DP_L3_ARP && h->l3_size >= ARP_SIZE && h->arp_op == ARP_REQUEST) {
		*ret_ip = ip4_at(p + 24);
		return memcmp(p + 14, p + 24, 4) != 0;
	}
	if (h->l4 != DP_L4_ICMPV6 || h->icmp_type != ND_SOLICIT || h->frag != 0 || h->ip_ext != 0 ||
	    f->size < (uint32_t)h->l2_size + h->l3_size + ND_OPTIONS)
		return false;
	*ret_ip = ip6_at(p + h->l3_size + ND_TARGET);
	return true;
}

static void judge_answer(const struct dp_guard_frame *f, struct dp_guard_verdict *v)
{
	struct dp_ip ip;

	v->answer = asks_for(f, &ip) &&
		    dp_guard_book_others(f->g->book, f->where, &ip, f->g->port, f->now_ms,
					 &v->owner) == 1 &&
		    !dp_guard_owns(f, &ip) && dp_guard_mac_word(v->owner.mac) != 0 &&
		    token(f, DP_GUARD_BUCKET_ANSWER);
}

static enum dp_guard_rule judge(const struct dp_guard_frame *f, struct dp_guard_verdict *v)
{
	const struct dp_headers *h = f->h;
	enum dp_guard_rule rule = PASS;

	if ((f->on & DP_GUARD_BPDU) != 0 && is_bpdu(f))
		return DP_GUARD_RULE_BPDU;
	if ((f->on & DP_GUARD_MAC) != 0 && !has_mac(f->g, dp_guard_src(f)))
		return DP_GUARD_RULE_MAC;
	if (h->l3 == DP_L3_ARP)
		rule = judge_arp(f);
	else if (h->l3 == DP_L3_IPV4 || h->l3 == DP_L3_IPV6)
		rule = judge_ip(f, v);
	else if (h->n_tags == 2 && (h->eth_type == TYPE_VLAN_C || h->eth_type == TYPE_VLAN_S))
		rule = hidden(f->on, UINT32_MAX);
	return rule != PASS ? rule : judge_rates(f);
}

/* The guard that objects by a rule; 0: a rate. */
static uint32_t guard_of_rule(enum dp_guard_rule rule)
{
	static const uint32_t guards[DP_N_GUARD_RULES] = {
		[DP_GUARD_RULE_MAC] = DP_GUARD_MAC,   [DP_GUARD_RULE_IP] = DP_GUARD_IP,
		[DP_GUARD_RULE_DHCP] = DP_GUARD_DHCP, [DP_GUARD_RULE_ROUTER] = DP_GUARD_ROUTER,
		[DP_GUARD_RULE_ARP] = DP_GUARD_ARP,   [DP_GUARD_RULE_BPDU] = DP_GUARD_BPDU,
	};

	return guards[rule];
}

void dp_guard_judge(const struct dp_guard_frame *frame, struct dp_guard_verdict *ret)
{
	struct dp_guard_frame f = *frame;

	*ret = (struct dp_guard_verdict){.rule = PASS};
	/* Shorter than an Ethernet header, or ends in a tag: the edge has words for that. */
	if (f.h->bad == DP_BAD_ETH || f.size < 14)
		return;
	f.on = f.g->on;
	/* What only watches is noted, and then asked no more. */
	while ((ret->rule = judge(&f, ret)) != PASS && (f.g->watch >> ret->rule & 1) != 0) {
		ret->watched |= 1u << ret->rule;
		f.on &= ~guard_of_rule(ret->rule);
		/* ARP is looked at for either. */
		if (ret->rule == DP_GUARD_RULE_ARP)
			f.on &= ~DP_GUARD_IP;
		if (guard_of_rule(ret->rule) == 0) {
			ret->rule = PASS;
			break;
		}
	}
	ret->checked = ret->checked && ret->watched == 0;
	if (ret->rule == PASS && ret->watched == 0 && (f.on & DP_GUARD_ANSWER) != 0)
		judge_answer(&f, ret);
}
