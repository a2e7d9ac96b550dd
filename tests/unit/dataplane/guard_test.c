/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a guard says of one frame: each rule, and each way around it that is known.
 */
#include "dataplane/guard_slow.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "dataplane/dp.h"
#include "dataplane/meter.h"
#include "dataplane/view.h"
#include "tests/support/packet.h"
#include "tests/support/test_dp.h"

#define PORT	 7
#define OTHER	 9
#define SERVER	 11
#define DOMAIN	 3
#define WHERE	 dp_guard_where(DOMAIN, 0)
#define MINE	 "02:00:00:00:00:07"
#define THEIRS	 "02:00:00:00:00:09"
#define ALL	 "ff:ff:ff:ff:ff:ff"
#define IP_MINE	 "10.0.0.7"
#define IP_OTHER "10.0.0.9"
#define LL_MINE	 "fe80::ff:fe00:7"
#define IP6_MINE "2001:db8::7"
#define EVERY                                                                                      \
	(DP_GUARD_MAC | DP_GUARD_IP | DP_GUARD_DHCP | DP_GUARD_ROUTER | DP_GUARD_ARP |             \
	 DP_GUARD_BPDU)
#define PASS DP_N_GUARD_RULES

static struct dp *dp;
static struct dp_guard *guards[16];
static struct dp_vport vports[16];
static struct dp_view view;
static struct pkt p;
static uint64_t now_ms, now_tsc;
static uint16_t fdb_port = DP_NO_PORT;
static struct dp_guard_verdict last;

/* ---- Guards ---- */

static void mac_of(const char *text, uint8_t mac[6])
{
	unsigned b[6];

	assert_int_equal(sscanf(text, "%x:%x:%x:%x:%x:%x", b, b + 1, b + 2, b + 3, b + 4, b + 5),
			 6);
	for (unsigned i = 0; i < 6; i++)
		mac[i] = (uint8_t)b[i];
}

static struct dp_ip ip_of(const char *text)
{
	struct dp_ip ip = {.v6 = strchr(text, ':') != NULL};

	assert_int_equal(inet_pton(ip.v6 ? AF_INET6 : AF_INET, text, ip.b), 1);
	return ip;
}

static struct dp_guard_address address_of(const char *text)
{
	char copy[64], *slash;
	struct dp_guard_address a = {0};

	snprintf(copy, sizeof(copy), "%s", text);
	slash = strchr(copy, '/');
	if (slash != NULL)
		*slash = '\0';
	a.ip = ip_of(copy);
	a.prefix = slash != NULL ? (uint8_t)atoi(slash + 1) : a.ip.v6 ? 128 : 32;
	return a;
}

/* A guard of 'port' in place of what it had. */
static void guard(uint16_t port, struct dp_guard_spec spec, const char *mac, const char *const *ips)
{
	struct dp_guard_address a[8];
	uint8_t macs[1][6];
	struct dp_guard *g;

	spec.port = port;
	if (mac != NULL) {
		mac_of(mac, macs[0]);
		spec.macs = macs;
		spec.n_macs = 1;
	}
	while (ips != NULL && ips[spec.n_addresses] != NULL) {
		a[spec.n_addresses] = address_of(ips[spec.n_addresses]);
		spec.n_addresses++;
	}
	spec.addresses = a;
	assert_int_equal(dp_guard_create(dp, &spec, guards[port], &g), 0);
	dp_guard_release(&vports[port]);
	dp_guard_unref(guards[port]);
	guards[port] = g;
	vports[port].domain = DOMAIN;
	assert_int_equal(dp_guard_hang(g, &view, &vports[port]), 0);
}

static const char *const my_addresses[] = {IP_MINE, IP6_MINE, "10.1.0.0/16", NULL};
static const char *const their_addresses[] = {IP_OTHER, "2001:db8::9", NULL};

static int plain(void **state)
{
	now_ms = 1000000;
	now_tsc = UINT64_C(1) << 40;
	fdb_port = DP_NO_PORT;
	for (uint16_t port = 0; port < 16; port++) {
		dp_guard_release(&vports[port]);
		dp_guard_unref(guards[port]);
		guards[port] = NULL;
		dp_guard_port_gone(dp, port);
	}
	guard(PORT, (struct dp_guard_spec){.on = EVERY}, MINE, my_addresses);
	guard(OTHER, (struct dp_guard_spec){.on = EVERY}, THEIRS, their_addresses);
	guard(SERVER, (struct dp_guard_spec){.on = DP_GUARD_TRUSTED}, NULL, NULL);
	return 0;
}

static void on(uint32_t bits)
{
	guard(PORT, (struct dp_guard_spec){.on = bits}, MINE, my_addresses);
}

static const struct dp_guard *guard_of(void *arg, uint16_t port)
{
	return guards[port];
}

static uint16_t port_of(void *arg, uint32_t where, const uint8_t mac[6])
{
	return fdb_port;
}

static enum dp_guard_rule judge(uint16_t port, uint32_t size, bool dry)
{
	static const struct dp_guard_around around = {guard_of, port_of, NULL};
	uint8_t *exact = malloc(size);
	struct dp_headers h;
	const struct dp_guard_frame f = {.g = guards[port],
					 .around = &around,
					 .d = exact,
					 .size = size,
					 .h = &h,
					 .where = WHERE,
					 .now_tsc = now_tsc,
					 .now_ms = now_ms,
					 .dry = dry};

	memcpy(exact, p.bytes, size);
	dp_parse_head(exact, size, p.size, &h);
	dp_guard_judge(&f, &last);
	free(exact);
	return last.rule;
}

static enum dp_guard_rule at(uint16_t port)
{
	return judge(port, p.size, false);
}

static void allowed(void)
{
	assert_int_equal(at(PORT), PASS);
}

static void refused(enum dp_guard_rule rule)
{
	assert_int_equal(at(PORT), rule);
}

/* ---- Frames ---- */

static void start(const char *dst, const char *src)
{
	pkt_init(&p);
	pkt_eth(&p, dst, src);
}

static void udp4(const char *from, uint16_t sport, uint16_t dport)
{
	pkt_ipv4(&p, from, "10.0.0.1");
	pkt_udp(&p, sport, dport);
	pkt_fill(&p, 20, 1);
	pkt_finish(&p, 0);
}

static void udp6(const char *from, uint16_t sport, uint16_t dport)
{
	pkt_ipv6(&p, from, "2001:db8::1");
	pkt_udp(&p, sport, dport);
	pkt_fill(&p, 20, 1);
	pkt_finish(&p, 0);
}

static void usual(void)
{
	start(THEIRS, MINE);
	udp4(IP_MINE, 1000, 2000);
}

/* ARP from 'src', whose sender is 'sha' with 'spa', for 'tpa'. */
static void arp(uint16_t op, const char *src, const char *sha, const char *spa, const char *tpa)
{
	uint32_t off;
	uint8_t mac[6];

	start(ALL, src);
	off = pkt_arp(&p, op, spa, tpa);
	mac_of(sha, mac);
	memcpy(p.bytes + off + 8, mac, 6);
	pkt_finish(&p, 0);
}

/* Neighbour discovery of 'type' with a target (NULL: none) and one option (0: none). */
static void nd(uint8_t type, const char *from, const char *target, uint8_t option, const char *mac)
{
	uint32_t off = pkt_ipv6(&p, from, "ff02::1");

	p.bytes[off + 7] = 255;
	pkt_icmpv6(&p, type, 0);
	if (target != NULL)
		pkt_payload(&p, ip_of(target).b, 16);
	if (option != 0) {
		uint8_t o[8] = {option, 1};

		mac_of(mac, o + 2);
		pkt_payload(&p, o, sizeof(o));
	}
	pkt_finish(&p, 0);
}

struct dhcp {
	uint8_t op, type;
	const char *chaddr, *ciaddr, *yiaddr;
	uint32_t xid, lease_s;
	uint8_t giaddr;
};

static void dhcp_body(const struct dhcp *d)
{
	uint8_t b[300] = {0}, *o = b + 240;

	b[0] = d->op;
	b[1] = 1;
	b[2] = 6;
	memcpy(b + 4, &d->xid, 4);
	if (d->ciaddr != NULL)
		memcpy(b + 12, ip_of(d->ciaddr).b, 4);
	if (d->yiaddr != NULL)
		memcpy(b + 16, ip_of(d->yiaddr).b, 4);
	b[24] = d->giaddr;
	mac_of(d->chaddr, b + 28);
	memcpy(b + 236, "\x63\x82\x53\x63", 4);
	*o++ = 53;
	*o++ = 1;
	*o++ = d->type;
	if (d->lease_s != 0) {
		*o++ = 51;
		*o++ = 4;
		*o++ = (uint8_t)(d->lease_s >> 24);
		*o++ = (uint8_t)(d->lease_s >> 16);
		*o++ = (uint8_t)(d->lease_s >> 8);
		*o++ = (uint8_t)d->lease_s;
	}
	*o = 255;
	pkt_payload(&p, b, sizeof(b));
}

static void dhcp_client(uint8_t type, const char *from, const char *ciaddr, uint32_t xid)
{
	start(ALL, MINE);
	pkt_ipv4(&p, from, "255.255.255.255");
	pkt_udp(&p, 68, 67);
	dhcp_body(&(
		struct dhcp){.op = 1, .type = type, .chaddr = MINE, .ciaddr = ciaddr, .xid = xid});
	pkt_finish(&p, 0);
}

static void dhcp_ack(const char *chaddr, const char *yiaddr, uint32_t xid, uint32_t lease_s)
{
	start(chaddr, "02:00:00:00:00:0b");
	pkt_ipv4(&p, "10.0.0.254", yiaddr);
	pkt_udp(&p, 67, 68);
	dhcp_body(&(struct dhcp){.op = 2,
				 .type = 5,
				 .chaddr = chaddr,
				 .yiaddr = yiaddr,
				 .xid = xid,
				 .lease_s = lease_s});
	pkt_finish(&p, 0);
}

/* ---- MAC ---- */

static void only_the_ports_mac_may_send(void **state)
{
	usual();
	allowed();
	start(ALL, THEIRS);
	udp4(IP_MINE, 1000, 2000);
	refused(DP_GUARD_RULE_MAC);
	on(EVERY & ~DP_GUARD_MAC);
	allowed();
}

static void mac_is_looked_at_whatever_follows(void **state)
{
	start(ALL, THEIRS);
	pkt_vlan(&p, 0x8100, 0);
	udp4(IP_MINE, 1000, 2000);
	refused(DP_GUARD_RULE_MAC);
	start(ALL, THEIRS);
	pkt_mpls(&p, 0x8847, 0x100);
	pkt_finish(&p, 0);
	refused(DP_GUARD_RULE_MAC);
}

/* ---- IP ---- */

static void only_bound_addresses_may_send(void **state)
{
	static const char *const good[] = {IP_MINE, "10.1.2.3", NULL};
	static const char *const bad[] = {IP_OTHER,    "10.2.0.1",  "10.0.0.8",	       "0.0.0.0",
					  "127.0.0.1", "224.0.0.1", "255.255.255.255", NULL};

	for (unsigned i = 0; good[i] != NULL; i++) {
		start(THEIRS, MINE);
		udp4(good[i], 1000, 2000);
		allowed();
	}
	for (unsigned i = 0; bad[i] != NULL; i++) {
		start(THEIRS, MINE);
		udp4(bad[i], 1000, 2000);
		refused(DP_GUARD_RULE_IP);
	}
	start(THEIRS, MINE);
	udp6(IP6_MINE, 1000, 2000);
	allowed();
	start(THEIRS, MINE);
	udp6("2001:db8::8", 1000, 2000);
	refused(DP_GUARD_RULE_IP);
	start(THEIRS, MINE);
	udp6("::", 1000, 2000);
	refused(DP_GUARD_RULE_IP);
}

static void an_address_may_be_one_macs_alone(void **state)
{
	struct dp_guard_address a = address_of(IP_MINE);
	uint8_t macs[2][6];
	struct dp_guard_spec spec = {.port = PORT,
				     .on = EVERY,
				     .n_macs = 2,
				     .macs = macs,
				     .n_addresses = 1,
				     .addresses = &a};
	struct dp_guard *g;

	mac_of(MINE, macs[0]);
	mac_of("02:00:00:00:00:17", macs[1]);
	mac_of("02:00:00:00:00:17", a.mac);
	assert_int_equal(dp_guard_create(dp, &spec, NULL, &g), 0);
	dp_guard_release(&vports[PORT]);
	dp_guard_unref(guards[PORT]);
	guards[PORT] = g;
	usual();
	refused(DP_GUARD_RULE_IP);
	start(THEIRS, "02:00:00:00:00:17");
	udp4(IP_MINE, 1000, 2000);
	allowed();
}

static void tags_and_snap_hide_no_address(void **state)
{
	for (unsigned tags = 1; tags <= 2; tags++) {
		start(THEIRS, MINE);
		for (unsigned i = 0; i < tags; i++)
			pkt_vlan(&p, i == 0 && tags == 2 ? 0x88a8 : 0x8100, (uint16_t)(i * 5));
		udp4(IP_OTHER, 1000, 2000);
		refused(DP_GUARD_RULE_IP);
	}
	start(THEIRS, MINE);
	pkt_snap(&p);
	udp4(IP_OTHER, 1000, 2000);
	refused(DP_GUARD_RULE_IP);
	/* Nobody looks behind a third tag. */
	start(THEIRS, MINE);
	for (unsigned i = 0; i < 3; i++)
		pkt_vlan(&p, 0x8100, 0);
	udp4(IP_MINE, 1000, 2000);
	refused(DP_GUARD_RULE_IP);
}

static void a_broken_ip_header_does_not_pass(void **state)
{
	usual();
	p.bytes[14] = 0x44;
	refused(DP_GUARD_RULE_IP);
	for (uint32_t size = 14; size < 34; size++) {
		usual();
		p.size = size;
		refused(DP_GUARD_RULE_IP);
	}
	start(THEIRS, MINE);
	udp6(IP6_MINE, 1000, 2000);
	for (uint32_t size = 14; size < 54; size++) {
		p.size = size;
		refused(DP_GUARD_RULE_IP);
	}
}

static void groups_may_be_joined_without_an_address(void **state)
{
	start("01:00:5e:00:00:16", MINE);
	pkt_ipv4(&p, "0.0.0.0", "224.0.0.22");
	pkt_igmp(&p, 0x22);
	pkt_finish(&p, 0);
	allowed();
	start("33:33:00:00:00:16", MINE);
	pkt_ipv6(&p, "::", "ff02::16");
	pkt_ipv6_ext(&p, PKT_EXT_HOP, "\x05\x02\x00\x00", 4);
	pkt_icmpv6(&p, 143, 0);
	pkt_fill(&p, 24, 0);
	pkt_finish(&p, 0);
	allowed();
}

/* ---- Link-local ---- */

static void a_link_local_address_is_whose_it_was_first(void **state)
{
	start(THEIRS, MINE);
	udp6("fe80::1234", 1000, 2000);
	allowed();
	start(MINE, THEIRS);
	udp6("fe80::1234", 1000, 2000);
	assert_int_equal(at(OTHER), DP_GUARD_RULE_IP);
	/* A port that goes leaves it to others. */
	dp_guard_port_gone(dp, PORT);
	assert_int_equal(at(OTHER), PASS);
}

static void a_port_has_a_few_link_local_addresses(void **state)
{
	char text[32];

	for (unsigned i = 0; i < 2 * DP_GUARD_MAX_LINK_LOCAL; i++) {
		snprintf(text, sizeof(text), "fe80::%x", i + 1);
		start(THEIRS, MINE);
		udp6(text, 1000, 2000);
		assert_int_equal(at(PORT), i < DP_GUARD_MAX_LINK_LOCAL ? PASS : DP_GUARD_RULE_IP);
	}
	/* What was not used for an hour is anybody's. */
	now_ms += 3600001;
	dp_guard_book_expire(guards[PORT]->book, now_ms);
	allowed();
}

static void what_is_used_is_kept(void **state)
{
	for (unsigned i = 0; i < 10; i++) {
		start(THEIRS, MINE);
		udp6("fe80::1", 1000, 2000);
		allowed();
		now_ms += 2000000;
		dp_guard_book_expire(guards[PORT]->book, now_ms);
		start(MINE, THEIRS);
		udp6("fe80::1", 1000, 2000);
		assert_int_equal(at(OTHER), DP_GUARD_RULE_IP);
	}
}

/* ---- ARP ---- */

static void arp_senders_are_who_they_say(void **state)
{
	arp(1, MINE, MINE, IP_MINE, IP_OTHER);
	allowed();
	arp(2, MINE, MINE, IP_MINE, IP_OTHER);
	allowed();
	arp(1, MINE, MINE, IP_MINE, IP_MINE); /* gratuitous */
	allowed();
	arp(1, MINE, MINE, "0.0.0.0", IP_OTHER); /* a probe */
	allowed();
	arp(2, MINE, MINE, "0.0.0.0", IP_OTHER);
	refused(DP_GUARD_RULE_ARP);
	arp(1, MINE, MINE, IP_OTHER, IP_MINE);
	refused(DP_GUARD_RULE_ARP);
	arp(2, MINE, MINE, IP_OTHER, IP_OTHER);
	refused(DP_GUARD_RULE_ARP);
	arp(2, MINE, THEIRS, IP_MINE, IP_OTHER);
	refused(DP_GUARD_RULE_ARP);
	arp(2, MINE, MINE, "224.0.0.1", IP_OTHER);
	refused(DP_GUARD_RULE_ARP);
}

static void arp_of_other_kinds_does_not_pass(void **state)
{
	static const struct {
		unsigned at;
		uint8_t value;
	} spoilt[] = {{1, 6}, {2, 0x86}, {4, 8}, {5, 16}, {7, 3}, {7, 0}, {6, 1}};

	for (unsigned i = 0; i < sizeof(spoilt) / sizeof(spoilt[0]); i++) {
		arp(2, MINE, MINE, IP_MINE, IP_OTHER);
		p.bytes[14 + spoilt[i].at] = spoilt[i].value;
		refused(DP_GUARD_RULE_ARP);
	}
	for (uint32_t size = 14; size < 42; size++) {
		arp(2, MINE, MINE, IP_MINE, IP_OTHER);
		p.size = size;
		refused(DP_GUARD_RULE_ARP);
	}
}

static void known_addresses_are_safe_where_none_are_bound(void **state)
{
	on(DP_GUARD_ARP);
	arp(2, MINE, MINE, "10.0.0.55", IP_OTHER);
	allowed();
	arp(2, MINE, MINE, IP_OTHER, "10.0.0.55");
	refused(DP_GUARD_RULE_ARP);
	on(DP_GUARD_MAC);
	allowed();
}

/* ---- Neighbour discovery ---- */

static void nd_senders_are_who_they_say(void **state)
{
	start(THEIRS, MINE);
	nd(135, IP6_MINE, "2001:db8::9", 1, MINE);
	allowed();
	start(THEIRS, MINE);
	nd(135, IP6_MINE, "2001:db8::9", 1, THEIRS);
	refused(DP_GUARD_RULE_ARP);
	start(THEIRS, MINE);
	nd(136, IP6_MINE, IP6_MINE, 2, MINE);
	allowed();
	start(THEIRS, MINE);
	nd(136, IP6_MINE, IP6_MINE, 2, THEIRS);
	refused(DP_GUARD_RULE_ARP);
	start(THEIRS, MINE);
	nd(136, IP6_MINE, "2001:db8::9", 2, MINE);
	refused(DP_GUARD_RULE_ARP);
	start(THEIRS, MINE);
	nd(133, LL_MINE, NULL, 1, MINE);
	allowed();
	start(THEIRS, MINE);
	nd(133, LL_MINE, NULL, 1, THEIRS);
	refused(DP_GUARD_RULE_ARP);
	start(THEIRS, MINE);
	nd(133, "::", NULL, 0, NULL);
	allowed();
}

static void nobody_disturbs_anothers_duplicate_detection(void **state)
{
	start(THEIRS, MINE);
	nd(135, "::", IP6_MINE, 0, NULL);
	allowed();
	start(THEIRS, MINE);
	nd(135, "::", "fe80::77", 0, NULL);
	allowed();
	start(THEIRS, MINE);
	nd(135, "::", "2001:db8::9", 0, NULL);
	refused(DP_GUARD_RULE_ARP);
	start(THEIRS, MINE);
	nd(135, "::", "2001:db8::55", 0, NULL);
	refused(DP_GUARD_RULE_ARP);
}

static void addresses_are_learned_from_duplicate_detection(void **state)
{
	on(EVERY | DP_GUARD_LEARN_ND);
	start(THEIRS, MINE);
	udp6("2001:db8::55", 1000, 2000);
	refused(DP_GUARD_RULE_IP);
	start(THEIRS, MINE);
	nd(135, "::", "2001:db8::55", 0, NULL);
	allowed();
	start(THEIRS, MINE);
	udp6("2001:db8::55", 1000, 2000);
	allowed();
	/* Not another's. */
	start(THEIRS, MINE);
	nd(135, "::", "2001:db8::9", 0, NULL);
	refused(DP_GUARD_RULE_ARP);
}

static void nd_in_odd_shapes_does_not_pass(void **state)
{
	start(THEIRS, MINE);
	nd(136, IP6_MINE, IP6_MINE, 2, MINE);
	p.bytes[14 + 7] = 254;
	refused(DP_GUARD_RULE_ARP);
	start(THEIRS, MINE);
	nd(136, IP6_MINE, IP6_MINE, 2, MINE);
	p.bytes[14 + 40 + 24 + 1] = 0; /* an option without a length */
	refused(DP_GUARD_RULE_ARP);
	start(THEIRS, MINE);
	nd(136, IP6_MINE, IP6_MINE, 2, MINE);
	p.bytes[14 + 40 + 24 + 1] = 2; /* beyond the end */
	refused(DP_GUARD_RULE_ARP);
	/* RFC 6980: also a fragment that is none. */
	start(THEIRS, MINE);
	pkt_ipv6(&p, IP6_MINE, "ff02::1");
	pkt_fragment(&p, 0, 0, 1);
	pkt_icmpv6(&p, 136, 0);
	pkt_fill(&p, 20, 0);
	pkt_finish(&p, 0);
	refused(DP_GUARD_RULE_ARP);
}

/* ---- Routers ---- */

static void ra_behind(uint8_t ext, unsigned n, bool fragment, bool more)
{
	start("33:33:00:00:00:01", MINE);
	pkt_ipv6(&p, LL_MINE, "ff02::1");
	for (unsigned i = 0; i < n; i++)
		pkt_ipv6_ext(&p, ext, NULL, 6);
	if (fragment)
		pkt_fragment(&p, 0, more, 1);
	pkt_icmpv6(&p, 134, 0);
	pkt_fill(&p, 12, 0);
	pkt_finish(&p, 0);
}

static void no_router_advertisement_passes(void **state)
{
	ra_behind(0, 0, false, false);
	refused(DP_GUARD_RULE_ROUTER);
	ra_behind(PKT_EXT_HOP, 1, false, false);
	refused(DP_GUARD_RULE_ROUTER);
	ra_behind(PKT_EXT_DEST, 1, false, false);
	refused(DP_GUARD_RULE_ROUTER);
	ra_behind(PKT_EXT_DEST, 7, false, false);
	refused(DP_GUARD_RULE_ROUTER);
	ra_behind(PKT_EXT_DEST, 12, false, false); /* more than anybody walks */
	refused(DP_GUARD_RULE_ROUTER);
	ra_behind(PKT_EXT_DEST, 1, true, true);
	refused(DP_GUARD_RULE_ROUTER);
	ra_behind(0, 0, true, false);
	refused(DP_GUARD_RULE_ROUTER);
	on(EVERY & ~DP_GUARD_ROUTER);
	ra_behind(0, 0, false, false);
	allowed();
}

static void tags_hide_no_router_advertisement(void **state)
{
	for (unsigned i = 1; i <= 3; i++) {
		start("33:33:00:00:00:01", MINE);
		for (unsigned k = 0; k < i; k++)
			pkt_vlan(&p, 0x8100, 0);
		pkt_ipv6(&p, LL_MINE, "ff02::1");
		pkt_icmpv6(&p, 134, 0);
		pkt_fill(&p, 12, 0);
		pkt_finish(&p, 0);
		on(DP_GUARD_ROUTER);
		refused(DP_GUARD_RULE_ROUTER);
	}
}

/* RFC 7113: the first fragment holds part of a long header and no more. */
static void first_fragments_show_their_transport_header(void **state)
{
	start("33:33:00:00:00:01", MINE);
	pkt_ipv6(&p, LL_MINE, "ff02::1");
	pkt_fragment(&p, 0, 1, 1);
	pkt_ipv6_ext(&p, PKT_EXT_DEST, NULL, 22);
	pkt_finish(&p, 0);
	/* The options say more than there is. */
	p.bytes[14 + 40 + 8 + 1] = 9;
	refused(DP_GUARD_RULE_ROUTER);
	start("33:33:00:00:00:01", MINE);
	pkt_ipv6(&p, LL_MINE, "ff02::1");
	pkt_fragment(&p, 1280, 0, 1);
	pkt_fill(&p, 100, 0);
	pkt_finish(&p, 0);
	allowed();
}

static void no_redirect_passes(void **state)
{
	start(THEIRS, MINE);
	pkt_ipv4(&p, IP_MINE, IP_OTHER);
	pkt_icmp(&p, 5, 1);
	pkt_fill(&p, 32, 0);
	pkt_finish(&p, 0);
	refused(DP_GUARD_RULE_ROUTER);
	start(THEIRS, MINE);
	pkt_ipv4(&p, IP_MINE, IP_OTHER);
	pkt_icmp(&p, 8, 0);
	pkt_fill(&p, 32, 0);
	pkt_finish(&p, 0);
	allowed();
	start(THEIRS, MINE);
	pkt_ipv6(&p, LL_MINE, "2001:db8::9");
	pkt_icmpv6(&p, 137, 0);
	pkt_fill(&p, 36, 0);
	pkt_finish(&p, 0);
	refused(DP_GUARD_RULE_ROUTER);
	start(THEIRS, MINE);
	pkt_ipv6(&p, IP6_MINE, "2001:db8::9");
	pkt_icmpv6(&p, 128, 0);
	pkt_fill(&p, 36, 0);
	pkt_finish(&p, 0);
	allowed();
}

/* ---- DHCP ---- */

static void no_server_is_behind_the_port(void **state)
{
	start(ALL, MINE);
	udp4(IP_MINE, 67, 68);
	refused(DP_GUARD_RULE_DHCP);
	/* Clients take an answer from any port. */
	start(ALL, MINE);
	udp4(IP_MINE, 12345, 68);
	refused(DP_GUARD_RULE_DHCP);
	start(ALL, MINE);
	udp4(IP_MINE, 67, 67);
	refused(DP_GUARD_RULE_DHCP);
	start(ALL, MINE);
	udp6(LL_MINE, 547, 546);
	refused(DP_GUARD_RULE_DHCP);
	start(ALL, MINE);
	udp6(LL_MINE, 1000, 546);
	refused(DP_GUARD_RULE_DHCP);
	on(EVERY & ~DP_GUARD_DHCP);
	allowed();
}

static void a_server_hides_in_no_fragment(void **state)
{
	start(ALL, MINE);
	pkt_ipv4(&p, IP_MINE, "255.255.255.255");
	pkt_fragment(&p, 0, 1, 1);
	pkt_udp(&p, 67, 68);
	pkt_fill(&p, 16, 0);
	pkt_finish(&p, 0);
	refused(DP_GUARD_RULE_DHCP);
	/* A UDP header that says less than it has, or is not whole. */
	start(ALL, MINE);
	udp4(IP_MINE, 67, 68);
	pkt_set16(&p, 14 + 20 + 4, 7);
	refused(DP_GUARD_RULE_DHCP);
	start(ALL, MINE);
	pkt_ipv4(&p, IP_MINE, "255.255.255.255");
	pkt_fragment(&p, 0, 1, 1);
	pkt_ip_proto(&p, 17);
	pkt_payload(&p, "\0\x43\0", 3);
	pkt_finish(&p, 0);
	refused(DP_GUARD_RULE_DHCP);
	/* Behind options. */
	start(ALL, MINE);
	pkt_ipv4(&p, IP_MINE, "255.255.255.255");
	pkt_ipv4_options(&p, "\x01\x01\x01\x00", 4);
	pkt_udp(&p, 67, 68);
	pkt_finish(&p, 0);
	refused(DP_GUARD_RULE_DHCP);
}

static void clients_speak_for_themselves(void **state)
{
	dhcp_client(1, "0.0.0.0", NULL, 1);
	allowed();
	start(ALL, MINE);
	pkt_ipv4(&p, "0.0.0.0", "255.255.255.255");
	pkt_udp(&p, 68, 67);
	dhcp_body(&(struct dhcp){.op = 1, .type = 1, .chaddr = THEIRS});
	pkt_finish(&p, 0);
	refused(DP_GUARD_RULE_DHCP);
	start(ALL, MINE);
	pkt_ipv4(&p, "0.0.0.0", "255.255.255.255");
	pkt_udp(&p, 68, 67);
	dhcp_body(&(struct dhcp){.op = 1, .type = 1, .chaddr = MINE, .giaddr = 10});
	pkt_finish(&p, 0);
	refused(DP_GUARD_RULE_DHCP);
	/* Only their own leases are given back. */
	dhcp_client(7, IP_MINE, IP_OTHER, 1);
	refused(DP_GUARD_RULE_DHCP);
	dhcp_client(7, IP_MINE, IP_MINE, 1);
	allowed();
	/* A message in pieces cannot be looked at. */
	start(ALL, MINE);
	pkt_ipv4(&p, "0.0.0.0", "255.255.255.255");
	pkt_fragment(&p, 0, 1, 1);
	pkt_udp(&p, 68, 67);
	dhcp_body(&(struct dhcp){.op = 1, .type = 1, .chaddr = MINE});
	pkt_finish(&p, 0);
	refused(DP_GUARD_RULE_DHCP);
}

static void learning(void)
{
	guard(PORT, (struct dp_guard_spec){.on = EVERY | DP_GUARD_LEARN_DHCP, .max_learned = 2},
	      MINE, NULL);
}

static enum dp_guard_rule speaks(const char *ip)
{
	start(THEIRS, MINE);
	if (strchr(ip, ':') != NULL)
		udp6(ip, 1000, 2000);
	else
		udp4(ip, 1000, 2000);
	return at(PORT);
}

static void an_acknowledged_address_is_bound_for_its_lease(void **state)
{
	learning();
	assert_int_equal(speaks("10.0.0.50"), DP_GUARD_RULE_IP);
	dhcp_client(1, "0.0.0.0", NULL, 77);
	allowed();
	dhcp_ack(MINE, "10.0.0.50", 77, 100);
	assert_int_equal(at(SERVER), PASS);
	assert_int_equal(speaks("10.0.0.50"), PASS);
	assert_int_equal(speaks("10.0.0.51"), DP_GUARD_RULE_IP);
	/* Locked: not another's, even where another port's guard binds nothing. */
	guard(OTHER, (struct dp_guard_spec){.on = DP_GUARD_ARP}, THEIRS, NULL);
	arp(2, THEIRS, THEIRS, "10.0.0.50", IP_OTHER);
	assert_int_equal(at(OTHER), DP_GUARD_RULE_ARP);
	now_ms += 99999;
	assert_int_equal(speaks("10.0.0.50"), PASS);
	now_ms += 2;
	assert_int_equal(speaks("10.0.0.50"), DP_GUARD_RULE_IP);
}

static void nobody_but_a_trusted_port_is_believed(void **state)
{
	learning();
	guard(OTHER, (struct dp_guard_spec){.on = 0}, NULL, NULL);
	dhcp_client(3, "0.0.0.0", NULL, 77);
	allowed();
	dhcp_ack(MINE, "10.0.0.50", 77, 100);
	assert_int_equal(at(OTHER), PASS);
	assert_int_equal(speaks("10.0.0.50"), DP_GUARD_RULE_IP);
	/* Offers and refusals bind nothing. */
	for (uint8_t type = 1; type < 9; type++) {
		dhcp_ack(MINE, "10.0.0.50", 77, 100);
		p.bytes[14 + 20 + 8 + 242] = type;
		if (type != 5)
			assert_int_equal(at(SERVER), PASS);
	}
	assert_int_equal(speaks("10.0.0.50"), DP_GUARD_RULE_IP);
}

static void the_answer_goes_to_who_asked(void **state)
{
	learning();
	dhcp_client(3, "0.0.0.0", NULL, 77);
	allowed();
	dhcp_ack(MINE, "10.0.0.50", 78, 100); /* another transaction */
	assert_int_equal(at(SERVER), PASS);
	assert_int_equal(speaks("10.0.0.50"), DP_GUARD_RULE_IP);
	/* Who asked before this process ran. */
	fdb_port = PORT;
	dhcp_ack(MINE, "10.0.0.50", 78, 100);
	assert_int_equal(at(SERVER), PASS);
	assert_int_equal(speaks("10.0.0.50"), PASS);
	/* A renewal asks by unicast, and makes it longer. */
	fdb_port = DP_NO_PORT;
	now_ms += 90000;
	dhcp_client(3, "10.0.0.50", "10.0.0.50", 79);
	allowed();
	dhcp_ack(MINE, "10.0.0.50", 79, 100);
	assert_int_equal(at(SERVER), PASS);
	now_ms += 90000;
	assert_int_equal(speaks("10.0.0.50"), PASS);
}

static void what_is_given_back_is_not_bound(void **state)
{
	learning();
	dhcp_client(3, "0.0.0.0", NULL, 77);
	allowed();
	dhcp_ack(MINE, "10.0.0.50", 77, 0xffffffff);
	assert_int_equal(at(SERVER), PASS);
	now_ms += UINT64_C(86400000) * 365;
	assert_int_equal(speaks("10.0.0.50"), PASS);
	dhcp_client(7, "10.0.0.50", "10.0.0.50", 78);
	allowed();
	assert_int_equal(speaks("10.0.0.50"), DP_GUARD_RULE_IP);
}

static void a_port_learns_no_more_than_it_may(void **state)
{
	struct dp_guard_counts counts;
	char text[32];

	learning();
	for (uint32_t i = 0; i < 4; i++) {
		snprintf(text, sizeof(text), "10.0.0.%u", 50 + i);
		dhcp_client(3, "0.0.0.0", NULL, i);
		allowed();
		dhcp_ack(MINE, text, i, 100);
		assert_int_equal(at(SERVER), PASS);
		assert_int_equal(speaks(text), i < 2 ? PASS : DP_GUARD_RULE_IP);
	}
	dp_guard_read(guards[PORT], &counts);
	assert_int_equal(counts.learned, 2);
	assert_int_equal(counts.not_learned, 2);
	/* Nor what is another's. */
	dp_guard_port_gone(dp, PORT);
	dhcp_client(3, "0.0.0.0", NULL, 9);
	allowed();
	dhcp_ack(MINE, IP_OTHER, 9, 100);
	assert_int_equal(at(SERVER), PASS);
	assert_int_equal(speaks(IP_OTHER), DP_GUARD_RULE_IP);
}

/* A message of DHCPv6 with one address. */
static void dhcp6(uint8_t type, uint32_t xid, const char *ip, uint32_t valid_s)
{
	uint8_t b[4 + 4 + 12 + 4 + 24] = {type, (uint8_t)(xid >> 16), (uint8_t)(xid >> 8),
					  (uint8_t)xid};

	b[5] = 3;
	b[7] = 12 + 28;
	b[21] = 5;
	b[23] = 24;
	memcpy(b + 24, ip_of(ip).b, 16);
	b[44] = (uint8_t)(valid_s >> 24);
	b[45] = (uint8_t)(valid_s >> 16);
	b[46] = (uint8_t)(valid_s >> 8);
	b[47] = (uint8_t)valid_s;
	pkt_payload(&p, b, sizeof(b));
	pkt_finish(&p, 0);
}

static void dhcp6_client(uint8_t type, uint32_t xid, const char *ip)
{
	start("33:33:00:01:00:02", MINE);
	pkt_ipv6(&p, "fe80::50", "ff02::1:2");
	pkt_udp(&p, 546, 547);
	dhcp6(type, xid, ip, 0);
}

static void dhcp6_reply(uint32_t xid, const char *ip, uint32_t valid_s)
{
	start(MINE, "02:00:00:00:00:0b");
	pkt_ipv6(&p, "fe80::1", "fe80::50");
	pkt_udp(&p, 547, 546);
	dhcp6(7, xid, ip, valid_s);
}

static void dhcpv6_binds_too(void **state)
{
	learning();
	dhcp6_client(3, 0x123456, "2001:db8::50");
	allowed();
	dhcp6_reply(0x123457, "2001:db8::50", 100);
	assert_int_equal(at(SERVER), PASS);
	assert_int_equal(speaks("2001:db8::50"), DP_GUARD_RULE_IP);
	dhcp6_reply(0x123456, "2001:db8::50", 100);
	assert_int_equal(at(SERVER), PASS);
	assert_int_equal(speaks("2001:db8::50"), PASS);
	dhcp6_client(8, 0x123458, "2001:db8::9");
	refused(DP_GUARD_RULE_DHCP);
	dhcp6_client(8, 0x123458, "2001:db8::50");
	allowed();
	assert_int_equal(speaks("2001:db8::50"), DP_GUARD_RULE_IP);
	/* Relays are servers' business. */
	dhcp6_client(12, 0x123458, "2001:db8::50");
	refused(DP_GUARD_RULE_DHCP);
}

/* ---- BPDUs ---- */

static void no_bridge_protocol_passes(void **state)
{
	static const char *const to[] = {"01:80:c2:00:00:00", "01:80:c2:00:00:08",
					 "01:00:0c:cc:cc:cd", ALL, THEIRS};
	static const uint8_t llc[3 + 35] = {0x42, 0x42, 3};

	for (unsigned i = 0; i < sizeof(to) / sizeof(to[0]); i++) {
		for (unsigned tagged = 0; tagged < 2; tagged++) {
			start(to[i], MINE);
			if (tagged)
				pkt_vlan(&p, 0x8100, 5);
			pkt_payload(&p, llc, sizeof(llc));
			pkt_finish(&p, 0);
			pkt_set16(&p, tagged ? 16 : 12, sizeof(llc));
			refused(DP_GUARD_RULE_BPDU);
		}
	}
	on(EVERY & ~DP_GUARD_BPDU);
	allowed();
	/* LLDP is none. */
	on(EVERY);
	start("01:80:c2:00:00:0e", MINE);
	pkt_payload(&p, llc, sizeof(llc));
	pkt_finish(&p, 0);
	pkt_set16(&p, 12, 0x88cc);
	allowed();
}

/* ---- Rates ---- */

static void rates_let_through_their_burst_and_then_their_rate(void **state)
{
	const uint64_t hz = dp_meter_tsc_hz(dp);
	unsigned n = 0;

	guard(PORT,
	      (struct dp_guard_spec){
		      .on = EVERY, .arp = {100, 20}, .broadcast = {1000, 30}, .multicast = {10, 5}},
	      MINE, my_addresses);
	for (unsigned i = 0; i < 100; i++) {
		arp(1, MINE, MINE, IP_MINE, IP_OTHER);
		assert_int_equal(at(PORT), i < 20 ? PASS : DP_GUARD_RULE_ARP_RATE);
	}
	/* Ten seconds at a hundred a second. */
	for (unsigned i = 0; i < 10000; i++) {
		now_tsc += hz / 1000;
		n += at(PORT) == PASS;
	}
	assert_in_range(n, 999, 1001);
	now_tsc += 3600 * hz;
	for (unsigned i = 0; i < 100; i++) {
		start(ALL, MINE);
		udp4(IP_MINE, 1000, 2000);
		assert_int_equal(at(PORT), i < 30 ? PASS : DP_GUARD_RULE_BROADCAST);
		start("01:00:5e:00:00:05", MINE);
		udp4(IP_MINE, 1000, 2000);
		assert_int_equal(at(PORT), i < 5 ? PASS : DP_GUARD_RULE_MULTICAST);
		/* One station is no group. */
		usual();
		allowed();
	}
}

static void the_highest_rates_are_no_limit_and_the_lowest_is_one(void **state)
{
	guard(PORT,
	      (struct dp_guard_spec){.on = EVERY,
				     .broadcast = {UINT32_MAX, 1},
				     .multicast = {1, UINT32_MAX}},
	      MINE, my_addresses);
	for (unsigned i = 0; i < 1000; i++) {
		start(ALL, MINE);
		udp4(IP_MINE, 1000, 2000);
		allowed();
	}
	/* An hour's worth at most. */
	for (unsigned i = 0; i < 5000; i++) {
		start("01:00:5e:00:00:05", MINE);
		udp4(IP_MINE, 1000, 2000);
		assert_int_equal(at(PORT), i < 3601 ? PASS : DP_GUARD_RULE_MULTICAST);
	}
}

/* ---- Watching, traces ---- */

static void who_only_watches_lets_pass(void **state)
{
	on(EVERY | DP_GUARD_WATCH);
	start(ALL, THEIRS);
	udp4(IP_OTHER, 67, 68);
	allowed();
	assert_int_equal(last.watched, 1u << DP_GUARD_RULE_MAC | 1u << DP_GUARD_RULE_IP |
					       1u << DP_GUARD_RULE_DHCP);
	assert_false(last.checked);
	/* One rule alone. */
	guard(PORT, (struct dp_guard_spec){.on = EVERY, .watch = 1u << DP_GUARD_RULE_MAC}, MINE,
	      my_addresses);
	refused(DP_GUARD_RULE_IP);
	assert_int_equal(last.watched, 1u << DP_GUARD_RULE_MAC);
}

static uint32_t n_bindings(uint16_t port)
{
	return dp_guard_bindings(dp, port, NULL, NULL);
}

static void a_trace_leaves_nothing_behind(void **state)
{
	uint32_t before = n_bindings(PORT);

	learning();
	start(THEIRS, MINE);
	udp6("fe80::1234", 1000, 2000);
	assert_int_equal(judge(PORT, p.size, true), PASS);
	dhcp_client(3, "0.0.0.0", NULL, 77);
	allowed();
	dhcp_ack(MINE, "10.0.0.50", 77, 100);
	assert_int_equal(judge(SERVER, p.size, true), PASS);
	assert_int_equal(n_bindings(PORT), before - 2); /* the fixed ones of plain() */
	guard(PORT, (struct dp_guard_spec){.on = 0, .broadcast = {1, 1}}, NULL, NULL);
	start(ALL, MINE);
	udp4(IP_MINE, 1000, 2000);
	for (unsigned i = 0; i < 5; i++)
		assert_int_equal(judge(PORT, p.size, true), PASS);
	assert_int_equal(at(PORT), PASS);
	assert_int_equal(at(PORT), DP_GUARD_RULE_BROADCAST);
}

/* ---- Life ---- */

static void bindings_by_hand_are_as_learned(void **state)
{
	struct dp_guard_binding b = {.ip = ip_of("10.0.0.50"),
				     .port = PORT,
				     .domain = DOMAIN,
				     .how = DP_GUARD_HAND};
	uint64_t version = dp_guard_bindings_version(dp);

	learning();
	assert_int_equal(dp_guard_bind(dp, &b), 0);
	assert_int_not_equal(dp_guard_bindings_version(dp), version);
	assert_int_equal(speaks("10.0.0.50"), PASS);
	b.port = OTHER;
	assert_int_equal(dp_guard_bind(dp, &b), -EEXIST);
	b.ip = ip_of(IP_OTHER);
	b.port = PORT;
	assert_int_equal(dp_guard_bind(dp, &b), -EEXIST);
	b.how = DP_GUARD_FIXED;
	assert_int_equal(dp_guard_bind(dp, &b), -EINVAL);
	b.ip = ip_of("10.0.0.50");
	assert_int_equal(dp_guard_unbind(dp, DOMAIN, 1, PORT, &b.ip), -ENOENT);
	assert_int_equal(dp_guard_unbind(dp, DOMAIN, 0, PORT, &b.ip), 0);
	assert_int_equal(dp_guard_unbind(dp, DOMAIN, 0, PORT, &b.ip), -ENOENT);
	assert_int_equal(speaks("10.0.0.50"), DP_GUARD_RULE_IP);
	/* What a spec gives stays. */
	b.ip = ip_of(IP_OTHER);
	assert_int_equal(dp_guard_unbind(dp, DOMAIN, 0, OTHER, &b.ip), -ENOENT);
}

static void fixed_addresses_are_in_the_book_while_a_view_has_them(void **state)
{
	struct dp_vport second = {.domain = DOMAIN};

	dp_guard_port_gone(dp, OTHER);
	assert_int_equal(n_bindings(OTHER), 2);
	assert_int_equal(dp_guard_hang(guards[OTHER], &view, &second), 0);
	dp_guard_release(&vports[OTHER]);
	assert_int_equal(n_bindings(OTHER), 2);
	dp_guard_release(&second);
	assert_int_equal(n_bindings(OTHER), 0);
	dp_guard_release(&second);
}

static void two_may_be_given_the_same_address(void **state)
{
	guard(OTHER, (struct dp_guard_spec){.on = EVERY | DP_GUARD_ANSWER}, THEIRS, my_addresses);
	assert_int_equal(speaks(IP_MINE), PASS);
	start(THEIRS, THEIRS);
	udp4(IP_MINE, 1000, 2000);
	assert_int_equal(at(OTHER), PASS);
}

static void counters_and_tokens_outlive_a_guard(void **state)
{
	struct dp_guard_counts counts;
	const struct dp_guard_spec spec = {.on = 0, .broadcast = {1, 1}};

	guard(PORT, spec, NULL, NULL);
	guards[PORT]->state->violations[DP_GUARD_RULE_MAC] = 5;
	start(ALL, MINE);
	udp4(IP_MINE, 1000, 2000);
	allowed();
	guard(PORT, spec, NULL, NULL);
	refused(DP_GUARD_RULE_BROADCAST);
	dp_guard_read(guards[PORT], &counts);
	assert_int_equal(counts.violations[DP_GUARD_RULE_MAC], 5);
}

static void specs_that_cannot_be_are_refused(void **state)
{
	static const struct dp_guard_address long4 = {.prefix = 33},
					     long6 = {.ip = {.v6 = true}, .prefix = 129};
	const struct dp_guard_spec bad[] = {
		{.port = DP_MAX_PORTS},
		{.n_macs = DP_GUARD_MAX_MACS + 1},
		{.n_addresses = DP_GUARD_MAX_ADDRESSES + 1},
		{.max_learned = DP_GUARD_MAX_LEARNED + 1},
		{.n_addresses = 1, .addresses = &long4},
		{.n_addresses = 1, .addresses = &long6},
	};
	struct dp_guard *g = NULL;

	for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(dp_guard_create(dp, &bad[i], NULL, &g), -EINVAL);
	assert_null(g);
	dp_guard_unref(NULL);
}

static void every_rule_has_a_drop_reason_of_its_own(void **state)
{
	for (unsigned i = 0; i < DP_N_GUARD_RULES; i++) {
		assert_memory_equal(dp_drop_slug(dp_guard_drop(i)), "guard-", 6);
		for (unsigned k = 0; k < i; k++)
			assert_int_not_equal(dp_guard_drop(i), dp_guard_drop(k));
	}
	assert_int_equal(dp_guard_drop(DP_N_GUARD_RULES), DP_N_DROPS);
}

static int open_dp(void **state)
{
	dp = test_dp_create(511);
	return 0;
}

static int close_dp(void **state)
{
	for (uint16_t port = 0; port < 16; port++) {
		dp_guard_release(&vports[port]);
		dp_guard_unref(guards[port]);
	}
	test_dp_destroy(dp);
	return 0;
}

#define T(name) cmocka_unit_test_setup(name, plain)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(only_the_ports_mac_may_send),
		T(mac_is_looked_at_whatever_follows),
		T(only_bound_addresses_may_send),
		T(an_address_may_be_one_macs_alone),
		T(tags_and_snap_hide_no_address),
		T(a_broken_ip_header_does_not_pass),
		T(groups_may_be_joined_without_an_address),
		T(a_link_local_address_is_whose_it_was_first),
		T(a_port_has_a_few_link_local_addresses),
		T(what_is_used_is_kept),
		T(arp_senders_are_who_they_say),
		T(arp_of_other_kinds_does_not_pass),
		T(known_addresses_are_safe_where_none_are_bound),
		T(nd_senders_are_who_they_say),
		T(nobody_disturbs_anothers_duplicate_detection),
		T(addresses_are_learned_from_duplicate_detection),
		T(nd_in_odd_shapes_does_not_pass),
		T(no_router_advertisement_passes),
		T(tags_hide_no_router_advertisement),
		T(first_fragments_show_their_transport_header),
		T(no_redirect_passes),
		T(no_server_is_behind_the_port),
		T(a_server_hides_in_no_fragment),
		T(clients_speak_for_themselves),
		T(an_acknowledged_address_is_bound_for_its_lease),
		T(nobody_but_a_trusted_port_is_believed),
		T(the_answer_goes_to_who_asked),
		T(what_is_given_back_is_not_bound),
		T(a_port_learns_no_more_than_it_may),
		T(dhcpv6_binds_too),
		T(no_bridge_protocol_passes),
		T(rates_let_through_their_burst_and_then_their_rate),
		T(the_highest_rates_are_no_limit_and_the_lowest_is_one),
		T(who_only_watches_lets_pass),
		T(a_trace_leaves_nothing_behind),
		T(bindings_by_hand_are_as_learned),
		T(fixed_addresses_are_in_the_book_while_a_view_has_them),
		T(two_may_be_given_the_same_address),
		T(counters_and_tokens_outlive_a_guard),
		T(specs_that_cannot_be_are_refused),
		T(every_rule_has_a_drop_reason_of_its_own),
	};

	return cmocka_run_group_tests(tests, open_dp, close_dp);
}
