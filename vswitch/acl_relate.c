/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How the packets of two entries relate: all of them, some, or none.  Each entry is a product of
 * parts (family, protocol, both ends, flags), so one covers another if it does in every part, and
 * they meet if they do in every part.
 *
 * Where it would take long to know, of two sets of many addresses, 'covers' says no and 'meets'
 * says yes: a mistake is then not found, or a warning is one too many.
 */
#include "vswitch/acl_words.h"

#include <string.h>

#define SMALL_SET 256 /* of which members are compared one by one */

/* ---- Addresses ---- */

static bool prefixes_meet(const struct vs_acl_prefix *a, const struct vs_acl_prefix *b)
{
	return vs_acl_prefix_covers(a, b) || vs_acl_prefix_covers(b, a);
}

static bool set_covers(const struct vs_acl_set *set, const struct vs_acl_prefix *p)
{
	const struct vs_acl_prefix *by = vs_acl_set_find(set, &p->ip);

	return by != NULL && vs_acl_prefix_covers(by, p);
}

/* Is a member within 'p', or 'p' within a member? */
static bool set_meets(const struct vs_acl_set *set, const struct vs_acl_prefix *p)
{
	uint32_t low = 0, high = set->n;

	if (vs_acl_set_find(set, &p->ip) != NULL)
		return true;
	/* The first that is not before it: members within it follow its first address. */
	while (low < high) {
		uint32_t mid = low + (high - low) / 2;

		if (vs_acl_prefix_compare(&set->prefixes[mid], p) < 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low < set->n && vs_acl_prefix_covers(p, &set->prefixes[low]);
}

static bool end_covers_prefix(const struct vs_acl_end *a, const struct vs_acl_prefix *p)
{
	if (a->kind == VS_ACL_PREFIX)
		return a->except ? a->prefix.ip.v6 == p->ip.v6 && !prefixes_meet(&a->prefix, p)
				 : vs_acl_prefix_covers(&a->prefix, p);
	return a->except ? !set_meets(a->set, p) : set_covers(a->set, p);
}

/* 'b' is a set, as it is or all but it. */
static bool end_covers_set(const struct vs_acl_end *a, const struct vs_acl_end *b)
{
	if (a->kind == VS_ACL_SET && a->set == b->set)
		return a->except == b->except;
	if (b->except || b->set->n > SMALL_SET)
		return false;
	for (uint32_t i = 0; i < b->set->n; i++)
		if (!end_covers_prefix(a, &b->set->prefixes[i]))
			return false;
	return true;
}

static bool address_covers(const struct vs_acl_end *a, const struct vs_acl_end *b)
{
	if (a->kind == VS_ACL_ANY)
		return true;
	if (b->kind == VS_ACL_ANY)
		return false;
	if (b->kind == VS_ACL_SET)
		return end_covers_set(a, b);
	if (!b->except)
		return end_covers_prefix(a, &b->prefix);
	return a->kind == VS_ACL_PREFIX && a->except &&
	       vs_acl_prefix_covers(&b->prefix, &a->prefix);
}

/* Neither is 'any'; 'p' is a prefix, and not all but one. */
static bool end_meets_prefix(const struct vs_acl_end *a, const struct vs_acl_prefix *p)
{
	if (a->kind == VS_ACL_PREFIX)
		return a->except ? !vs_acl_prefix_covers(&a->prefix, p)
				 : prefixes_meet(&a->prefix, p);
	return a->except ? !set_covers(a->set, p) : set_meets(a->set, p);
}

static bool end_meets_set(const struct vs_acl_end *a, const struct vs_acl_set *set)
{
	if (set->n > SMALL_SET)
		return true;
	for (uint32_t i = 0; i < set->n; i++)
		if (end_meets_prefix(a, &set->prefixes[i]))
			return true;
	return false;
}

static bool address_meets(const struct vs_acl_end *a, const struct vs_acl_end *b)
{
	if (a->kind == VS_ACL_ANY || b->kind == VS_ACL_ANY)
		return true;
	if (a->kind == VS_ACL_SET && b->kind == VS_ACL_SET && a->set == b->set)
		return a->except == b->except;
	if (b->kind == VS_ACL_PREFIX && !b->except)
		return end_meets_prefix(a, &b->prefix);
	if (a->kind == VS_ACL_PREFIX && !a->except)
		return end_meets_prefix(b, &a->prefix);
	if (b->kind == VS_ACL_SET && !b->except)
		return end_meets_set(a, b->set);
	if (a->kind == VS_ACL_SET && !a->except)
		return end_meets_set(b, a->set);
	return true; /* All but something, both. */
}

/* ---- Ports, MACs ---- */

static bool ports_cover(const struct vs_acl_end *a, const struct vs_acl_end *b)
{
	if (a->n_ranges == 0)
		return true;
	if (b->n_ranges == 0)
		return a->ranges[0].from == 0 && a->ranges[0].to == UINT16_MAX;
	for (unsigned i = 0; i < b->n_ranges; i++) {
		bool within = false;

		/* They do not meet each other, so one must have all of it. */
		for (unsigned k = 0; k < a->n_ranges && !within; k++)
			within = a->ranges[k].from <= b->ranges[i].from &&
				 b->ranges[i].to <= a->ranges[k].to;
		if (!within)
			return false;
	}
	return true;
}

static bool ports_meet(const struct vs_acl_end *a, const struct vs_acl_end *b)
{
	if (a->n_ranges == 0 || b->n_ranges == 0)
		return true;
	for (unsigned i = 0; i < a->n_ranges; i++)
		for (unsigned k = 0; k < b->n_ranges; k++)
			if (a->ranges[i].from <= b->ranges[k].to &&
			    b->ranges[k].from <= a->ranges[i].to)
				return true;
	return false;
}

static uint64_t word_of(const struct rte_ether_addr *mac)
{
	uint64_t word = 0;

	memcpy(&word, mac->addr_bytes, sizeof(mac->addr_bytes));
	return word;
}

static bool mac_covers(const struct vs_acl_end *a, const struct vs_acl_end *b)
{
	uint64_t mask = word_of(&a->mac_mask);

	return (word_of(&b->mac_mask) & mask) == mask &&
	       ((word_of(&a->mac) ^ word_of(&b->mac)) & mask) == 0;
}

static bool mac_meets(const struct vs_acl_end *a, const struct vs_acl_end *b)
{
	uint64_t mask = word_of(&a->mac_mask) & word_of(&b->mac_mask);

	return ((word_of(&a->mac) ^ word_of(&b->mac)) & mask) == 0;
}

static bool end_covers(const struct vs_acl_end *a, const struct vs_acl_end *b)
{
	return ports_cover(a, b) && mac_covers(a, b) && address_covers(a, b);
}

static bool end_meets(const struct vs_acl_end *a, const struct vs_acl_end *b)
{
	return ports_meet(a, b) && mac_meets(a, b) && address_meets(a, b);
}

/* ---- Entries ---- */

/* Frames of other types than IP have no protocols, and no addresses. */
static bool is_of_ip(const struct vs_acl_entry *e)
{
	return e->proto >= 0 || e->fragments || e->src.kind != VS_ACL_ANY ||
	       e->dst.kind != VS_ACL_ANY;
}

static bool is_ip_type(uint16_t eth_type)
{
	return eth_type == 0 || eth_type == VS_ACL_IP || eth_type == VS_ACL_IPV6;
}

static bool part_covers(int a, int b)
{
	return a < 0 || a == b;
}

static bool part_meets(int a, int b)
{
	return a < 0 || b < 0 || a == b;
}

bool vs_acl_entry_covers(const struct vs_acl_entry *a, const struct vs_acl_entry *b)
{
	return (a->eth_type == 0 || a->eth_type == b->eth_type) &&
	       part_covers(a->proto, b->proto) && part_covers(a->icmp_type, b->icmp_type) &&
	       part_covers(a->icmp_code, b->icmp_code) &&
	       part_covers(a->tcp_established, b->tcp_established) &&
	       (!a->fragments || b->fragments) && end_covers(&a->dst, &b->dst) &&
	       end_covers(&a->src, &b->src);
}

bool vs_acl_entries_meet(const struct vs_acl_entry *a, const struct vs_acl_entry *b)
{
	if (a->eth_type != 0 && b->eth_type != 0 && a->eth_type != b->eth_type)
		return false;
	if ((is_of_ip(a) && !is_ip_type(b->eth_type)) || (is_of_ip(b) && !is_ip_type(a->eth_type)))
		return false;
	return part_meets(a->proto, b->proto) && part_meets(a->icmp_type, b->icmp_type) &&
	       part_meets(a->icmp_code, b->icmp_code) &&
	       part_meets(a->tcp_established, b->tcp_established) && end_meets(&a->dst, &b->dst) &&
	       end_meets(&a->src, &b->src);
}

/* ---- Quickly ---- */

static void mark_end(const struct vs_acl_end *end, struct vs_acl_mark_end *m)
{
	*m = (struct vs_acl_mark_end){.to = UINT16_MAX};
	if (end->kind == VS_ACL_PREFIX && !end->except) {
		uint32_t len = end->prefix.len < 32 ? end->prefix.len : 32;

		memcpy(&m->value, end->prefix.ip.b, sizeof(m->value));
		m->value = __builtin_bswap32(m->value);
		m->mask = len == 0 ? 0 : UINT32_MAX << (32 - len);
	}
	if (end->n_ranges != 0) {
		m->from = end->ranges[0].from;
		m->to = end->ranges[end->n_ranges - 1].to;
	}
}

void vs_acl_mark(const struct vs_acl_entry *e, struct vs_acl_mark *ret)
{
	mark_end(&e->src, &ret->src);
	mark_end(&e->dst, &ret->dst);
	ret->eth_type = e->eth_type;
	ret->proto = e->proto;
}
