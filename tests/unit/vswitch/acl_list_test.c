/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Compiled access lists against a reading of them from top to bottom: random lists and packets; the
 * same entry must be found, and every other packet that agrees in the bits that were looked at must
 * find it too.
 *
 * 	ACL_SEED=N     repeats a run (the seed is printed)
 * 	ACL_ROUNDS=N   goes on longer
 */
#include "vswitch/acl_priv.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "tests/support/test_dp.h"

#define MAX_ENTRIES 60
#define N_SETS	    3
#define N_KEYS	    200

static struct dp *dp;
static uint64_t seed, state;
static struct vs_acl_set sets[N_SETS];
static struct vs_acl_made_set *made[N_SETS];

static uint64_t draw(uint64_t n)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (state >> 11) % n;
}

/* ---- What packets and entries are made of: few values, so that they meet ---- */

static void some_ip(bool v6, struct dp_ip *ip)
{
	memset(ip, 0, sizeof(*ip));
	ip->v6 = v6;
	ip->b[0] = v6 ? 0xfd : 10;
	for (unsigned i = 1; i < (v6 ? 16u : 4u); i++)
		ip->b[i] = (uint8_t)(draw(3) == 0 ? draw(256) : draw(3));
}

static void some_prefix(bool v6, struct vs_acl_prefix *p)
{
	unsigned width = v6 ? 128 : 32;

	some_ip(v6, &p->ip);
	p->len = (uint8_t)(draw(3) == 0 ? width : draw(width + 1));
	for (unsigned bit = p->len; bit < width; bit++)
		p->ip.b[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
}

static uint16_t some_port(void)
{
	return (uint16_t)(draw(4) == 0 ? draw(65536) : draw(2) != 0 ? draw(4) : 65533 + draw(3));
}

static void some_mac(uint8_t *mac)
{
	memset(mac, 0, 6);
	mac[0] = 2;
	mac[5] = (uint8_t)draw(3);
}

static void some_end(struct vs_acl_end *end, bool v6, bool ports)
{
	*end = (struct vs_acl_end){.kind = VS_ACL_ANY};
	if (draw(2) == 0) {
		end->kind = VS_ACL_PREFIX;
		some_prefix(v6, &end->prefix);
	} else if (draw(4) == 0) {
		end->kind = VS_ACL_SET;
		end->set = &sets[draw(N_SETS)];
	}
	end->except = end->kind != VS_ACL_ANY && draw(5) == 0;
	if (ports && draw(2) == 0)
		end->n_ranges = (uint16_t)(1 + draw(3));
	for (unsigned i = 0; i < end->n_ranges; i++) {
		uint16_t a = some_port(), b = some_port();

		end->ranges[i] = (struct vs_acl_range){a < b ? a : b, a < b ? b : a};
	}
	if (draw(8) == 0) {
		some_mac(end->mac.addr_bytes);
		memset(&end->mac_mask, 0xff, draw(3) == 0 ? 5 : 6);
		if (end->mac_mask.addr_bytes[5] == 0)
			end->mac.addr_bytes[5] = 0;
	}
}

static void some_entry(struct vs_acl_entry *e, uint32_t order)
{
	static const int16_t protos[] = {-1, 6, 17, 1, 58, 47, 132};
	bool v6 = draw(3) == 0;

	*e = (struct vs_acl_entry){.order = order,
				   .action = draw(2) == 0 ? VS_ACL_DENY : VS_ACL_ALLOW,
				   .proto = protos[draw(sizeof(protos) / sizeof(protos[0]))],
				   .icmp_type = -1,
				   .icmp_code = -1,
				   .tcp_established = -1};
	some_end(&e->src, v6, e->proto != 1 && e->proto != 58);
	some_end(&e->dst, v6, e->proto != 1 && e->proto != 58);
	if (e->src.kind == VS_ACL_PREFIX || e->dst.kind == VS_ACL_PREFIX || draw(4) == 0)
		e->eth_type = v6 ? 0x86dd : 0x0800;
	else if (draw(8) == 0 && e->src.kind == VS_ACL_ANY && e->dst.kind == VS_ACL_ANY &&
		 e->proto < 0)
		e->eth_type = 0x0806;
	if (e->proto == 1 || e->proto == 58) {
		e->icmp_type = (int16_t)(draw(2) == 0 ? -1 : (int)draw(3));
		e->icmp_code = (int16_t)(draw(3) != 0 ? -1 : (int)draw(2));
	}
	e->fragments = draw(12) == 0;
	if (e->proto == 6 && draw(4) == 0)
		e->tcp_established = (int8_t)draw(2);
}

static bool is_later(const struct dp_key *key)
{
	return (dp_key_get(key, DP_FIELD_IP_FRAG) & DP_KEY_FRAG_LATER) != 0;
}

/* A key that some packet has. */
static bool is_possible(const struct dp_key *key)
{
	uint64_t type = dp_key_get(key, DP_FIELD_ETH_TYPE),
		 proto = dp_key_get(key, DP_FIELD_IP_PROTO);
	uint64_t ports = dp_key_get(key, DP_FIELD_TP_SRC) | dp_key_get(key, DP_FIELD_TP_DST);
	uint64_t flags = dp_key_get(key, DP_FIELD_TCP_FLAGS);

	if (dp_key_get(key, DP_FIELD_IP_FRAG) == DP_KEY_FRAG_LATER)
		return false;
	if (type != 0x0800 && type != 0x86dd)
		return proto == 0 && !is_later(key) && flags == 0;
	if (is_later(key))
		return ports == 0 && flags == 0;
	return flags == 0 || proto == 6;
}

static void some_key(struct dp_key *key)
{
	static const uint16_t types[] = {0x0800, 0x0800, 0x86dd, 0x0806, 0x88b5};
	static const uint8_t protos[] = {6, 17, 1, 58, 47, 132};
	uint16_t type = types[draw(5)];
	struct dp_ip src, dst;
	bool v6 = type == 0x86dd;

	memset(key, 0, sizeof(*key));
	some_mac(key->b + dp_fields[DP_FIELD_ETH_SRC].offset);
	some_mac(key->b + dp_fields[DP_FIELD_ETH_DST].offset);
	dp_key_set(key, DP_FIELD_ETH_TYPE, type);
	dp_key_set(key, DP_FIELD_IN_PORT, draw(4));
	if (type == 0x88b5)
		return;
	some_ip(v6, &src);
	some_ip(v6, &dst);
	dp_key_set_bytes(key, v6 ? DP_FIELD_IP6_SRC : DP_FIELD_IP4_SRC, src.b);
	dp_key_set_bytes(key, v6 ? DP_FIELD_IP6_DST : DP_FIELD_IP4_DST, dst.b);
	if (type == 0x0806)
		return;
	dp_key_set(key, DP_FIELD_IP_PROTO, protos[draw(6)]);
	if (draw(6) == 0) {
		dp_key_set(key, DP_FIELD_IP_FRAG, DP_KEY_FRAG_ANY | DP_KEY_FRAG_LATER);
		return;
	}
	dp_key_set(key, DP_FIELD_IP_FRAG, draw(8) == 0 ? DP_KEY_FRAG_ANY : 0);
	if (dp_key_get(key, DP_FIELD_IP_PROTO) == 47)
		return;
	dp_key_set(key, DP_FIELD_TP_SRC, some_port());
	dp_key_set(key, DP_FIELD_TP_DST, some_port());
	if (dp_key_get(key, DP_FIELD_IP_PROTO) == 6)
		dp_key_set(key, DP_FIELD_TCP_FLAGS, draw(64));
}

/* ---- A list read from top to bottom ---- */

static bool prefix_has(const struct vs_acl_prefix *p, const uint8_t *ip)
{
	for (unsigned bit = 0; bit < p->len; bit++)
		if (((p->ip.b[bit / 8] ^ ip[bit / 8]) & (0x80u >> bit % 8)) != 0)
			return false;
	return true;
}

static bool end_has(const struct vs_acl_end *end, const struct dp_key *key, bool src)
{
	const uint8_t *mac = key->b + dp_fields[src ? DP_FIELD_ETH_SRC : DP_FIELD_ETH_DST].offset;
	uint64_t type = dp_key_get(key, DP_FIELD_ETH_TYPE),
		 proto = dp_key_get(key, DP_FIELD_IP_PROTO);
	uint64_t port = dp_key_get(key, src ? DP_FIELD_TP_SRC : DP_FIELD_TP_DST);
	bool v4 = type == 0x0800, v6 = type == 0x86dd, in = false;
	uint8_t ip[16] = {0};

	for (unsigned i = 0; i < 6; i++)
		if (((mac[i] ^ end->mac.addr_bytes[i]) & end->mac_mask.addr_bytes[i]) != 0)
			return false;
	if (v4)
		dp_key_get_bytes(key, src ? DP_FIELD_IP4_SRC : DP_FIELD_IP4_DST, ip);
	if (v6)
		dp_key_get_bytes(key, src ? DP_FIELD_IP6_SRC : DP_FIELD_IP6_DST, ip);
	if (end->kind != VS_ACL_ANY && !v4 && !v6)
		return false;
	if (end->kind == VS_ACL_PREFIX) {
		if (end->prefix.ip.v6 != v6 || prefix_has(&end->prefix, ip) == end->except)
			return false;
	} else if (end->kind == VS_ACL_SET) {
		for (uint32_t i = 0; i < end->set->n; i++)
			in = in || (end->set->prefixes[i].ip.v6 == v6 &&
				    prefix_has(&end->set->prefixes[i], ip));
		if (in == end->except)
			return false;
	}
	if (end->n_ranges == 0)
		return true;
	if ((!v4 && !v6) || is_later(key) || (proto != 6 && proto != 17 && proto != 132))
		return false;
	for (unsigned i = 0; i < end->n_ranges; i++)
		if (port >= end->ranges[i].from && port <= end->ranges[i].to)
			return true;
	return false;
}

static bool entry_has(const struct vs_acl_entry *e, const struct dp_key *key)
{
	uint64_t type = dp_key_get(key, DP_FIELD_ETH_TYPE),
		 proto = dp_key_get(key, DP_FIELD_IP_PROTO);
	bool ip = type == 0x0800 || type == 0x86dd, icmp = e->icmp_type >= 0 || e->icmp_code >= 0;

	if ((e->eth_type != 0 && e->eth_type != type) ||
	    (e->proto >= 0 && (!ip || (uint64_t)e->proto != proto)))
		return false;
	if (icmp && (is_later(key) || proto != (type == 0x0800 ? 1 : 58)))
		return false;
	if (e->icmp_type >= 0 && dp_key_get(key, DP_FIELD_TP_SRC) != (uint64_t)e->icmp_type)
		return false;
	if (e->icmp_code >= 0 && dp_key_get(key, DP_FIELD_TP_DST) != (uint64_t)e->icmp_code)
		return false;
	if (e->fragments && (!ip || !is_later(key)))
		return false;
	if (e->tcp_established >= 0 &&
	    (!ip || proto != 6 || is_later(key) ||
	     ((dp_key_get(key, DP_FIELD_TCP_FLAGS) & 0x14) != 0) != (e->tcp_established == 1)))
		return false;
	return end_has(&e->src, key, true) && end_has(&e->dst, key, false);
}

/* ---- The test ---- */

static struct vs_acl_made_set *set_of(void *arg, const struct vs_acl_set *set)
{
	return made[set - sets];
}

static void some_sets(void)
{
	for (unsigned i = 0; i < N_SETS; i++) {
		static char names[N_SETS][8];

		vs_acl_set_unref(made[i]);
		free(sets[i].prefixes);
		snprintf(names[i], sizeof(names[i]), "s%u", i);
		sets[i] = (struct vs_acl_set){.name = names[i], .n = (uint32_t)draw(30)};
		sets[i].prefixes = calloc(sets[i].n + 1, sizeof(sets[i].prefixes[0]));
		for (uint32_t k = 0; k < sets[i].n; k++)
			some_prefix(draw(3) == 0, &sets[i].prefixes[k]);
		made[i] = vs_acl_set_make(&sets[i]);
		assert_non_null(made[i]);
	}
}

static uint32_t found(const struct vs_acl_list *l, const struct dp_key *key, struct dp_key *wc)
{
	const struct vs_acl_item *item = vs_acl_list_find(l, key, wc);

	return item != NULL ? item->e.order : 0;
}

/* Packets that agree in the bits that were looked at. */
static void mask_is_a_promise(const struct vs_acl_list *l, const struct dp_key *key,
			      const struct dp_key *wc, uint32_t order)
{
	for (unsigned n = 0; n < 20; n++) {
		struct dp_key other;

		some_key(&other);
		/* Another packet, or one that differs in a bit or two. */
		if (n % 2 == 0)
			other = *key;
		for (unsigned i = 0; n % 2 == 0 && i < 2; i++)
			other.b[draw(DP_KEY_SIZE)] ^= (uint8_t)(1u << draw(8));
		for (unsigned i = 0; i < DP_KEY_WORDS; i++)
			other.w[i] = (other.w[i] & ~wc->w[i]) | (key->w[i] & wc->w[i]);
		if (is_possible(&other) && found(l, &other, NULL) != order)
			fail_msg("ACL_SEED=%llu: entry %u, but %u for one that is the same in what "
				 "was looked at",
				 (unsigned long long)seed, order, found(l, &other, NULL));
	}
}

static void one_world(void)
{
	struct vs_acl_entry entries[MAX_ENTRIES];
	struct vs_acl acl = {.name = "a", .n = (uint32_t)draw(MAX_ENTRIES), .entries = entries};
	struct vs_acl_list *l;

	some_sets();
	for (uint32_t i = 0; i < acl.n; i++)
		some_entry(&entries[i], 10 * (i + 1));
	l = vs_acl_list_make(dp, &acl, 1, NULL, set_of, NULL);
	assert_non_null(l);
	for (unsigned n = 0; n < N_KEYS; n++) {
		struct dp_key key, wc = {0};
		uint32_t expected = 0, order;

		some_key(&key);
		for (uint32_t i = 0; i < acl.n && expected == 0; i++)
			if (entry_has(&entries[i], &key))
				expected = entries[i].order;
		order = found(l, &key, &wc);
		if (order != expected)
			fail_msg("ACL_SEED=%llu: entry %u instead of %u", (unsigned long long)seed,
				 order, expected);
		mask_is_a_promise(l, &key, &wc, order);
	}
	vs_acl_list_unref(dp, l);
}

static void list_finds_what_a_reader_finds(void **unused)
{
	const char *rounds = getenv("ACL_ROUNDS");
	unsigned n = rounds != NULL ? (unsigned)strtoul(rounds, NULL, 0) : 500;

	print_message("ACL_SEED=%llu\n", (unsigned long long)seed);
	while (n-- > 0)
		one_world();
}

/* A hundred thousand entries and a set of as many addresses are made in a moment. */
static void long_lists_are_made(void **unused)
{
	const uint32_t n = 100000;
	struct vs_acl acl = {.name = "long", .n = n};
	struct vs_acl_list *l, *again;
	struct dp_key key = {0};

	acl.entries = calloc(n, sizeof(acl.entries[0]));
	for (uint32_t i = 0; i < n; i++) {
		struct vs_acl_entry *e = &acl.entries[i];

		*e = (struct vs_acl_entry){.order = i + 1,
					   .action = VS_ACL_ALLOW,
					   .eth_type = 0x0800,
					   .proto = 6,
					   .icmp_type = -1,
					   .icmp_code = -1,
					   .tcp_established = -1};
		e->src.kind = VS_ACL_PREFIX;
		e->src.prefix = (struct vs_acl_prefix){.len = 32};
		e->src.prefix.ip.b[0] = 10;
		e->src.prefix.ip.b[1] = (uint8_t)(i >> 16);
		e->src.prefix.ip.b[2] = (uint8_t)(i >> 8);
		e->src.prefix.ip.b[3] = (uint8_t)i;
		e->dst.n_ranges = 1;
		e->dst.ranges[0] = (struct vs_acl_range){80, (uint16_t)(80 + i % 1000)};
	}
	l = vs_acl_list_make(dp, &acl, 1, NULL, NULL, NULL);
	assert_non_null(l);
	dp_key_set(&key, DP_FIELD_ETH_TYPE, 0x0800);
	dp_key_set(&key, DP_FIELD_IP_PROTO, 6);
	dp_key_set(&key, DP_FIELD_TP_DST, 80);
	for (uint32_t i = 0; i < n; i += 997) {
		dp_key_set(&key, DP_FIELD_IP4_SRC, UINT32_C(0x0a000000) + i);
		assert_int_equal(found(l, &key, NULL), i + 1);
	}
	/* What is the same keeps its counter. */
	acl.entries[7].action = VS_ACL_DENY;
	again = vs_acl_list_make(dp, &acl, 1, l, NULL, NULL);
	assert_ptr_equal(again->items[8].counter, l->items[8].counter);
	assert_ptr_not_equal(again->items[7].counter, l->items[7].counter);
	vs_acl_list_unref(dp, l);
	vs_acl_list_unref(dp, again);
	free(acl.entries);
}

static int start(void **unused)
{
	const char *given = getenv("ACL_SEED");
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	seed = given != NULL ? strtoull(given, NULL, 0)
			     : (uint64_t)now.tv_nsec + (uint64_t)now.tv_sec;
	state = seed * UINT64_C(0x9e3779b97f4a7c15) | 1;
	dp = test_dp_create(1023);
	return 0;
}

static int finish(void **unused)
{
	for (unsigned i = 0; i < N_SETS; i++) {
		vs_acl_set_unref(made[i]);
		free(sets[i].prefixes);
	}
	test_dp_destroy(dp);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(list_finds_what_a_reader_finds),
		cmocka_unit_test(long_lists_are_made),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
