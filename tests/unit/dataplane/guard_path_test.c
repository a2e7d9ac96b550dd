/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Guards on the packet path of a real worker: what is dropped and counted, what is told, what the
 * switch answers, and that the ledger balances at every read.
 *
 * 	0 a guarded machine   1 another   2 the DHCP server's port (trusted)   3 no guard
 */
#include "dataplane/guard.h"

#include <sched.h>
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

#include <arpa/inet.h>
#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include "dataplane/acl.h"
#include "dataplane/dp.h"
#include "dataplane/fdb.h"
#include "dataplane/notice.h"
#include "dataplane/pipeline.h"
#include "dataplane/port_mem.h"
#include "dataplane/trace.h"
#include "dataplane/view.h"
#include "tests/support/mbufs.h"
#include "tests/support/packet.h"
#include "tests/support/test_dp.h"

#define N_PORTS 4
#define FLAGS	(DP_VP_UP | DP_VP_LEARN | DP_VP_FLOOD | DP_VP_FLOOD_GROUP | DP_VP_UNTAGGED_IN)
#define ALL	"ff:ff:ff:ff:ff:ff"
#define VLAN	10
#define EVERY                                                                                      \
	(DP_GUARD_MAC | DP_GUARD_IP | DP_GUARD_DHCP | DP_GUARD_ROUTER | DP_GUARD_ARP |             \
	 DP_GUARD_BPDU)

static struct dp *dp;
static struct dp_port *port[N_PORTS];
static struct dp_vport conf[N_PORTS];
static struct dp_guard *guards[N_PORTS];
static const uint16_t domain_ports[N_PORTS] = {0, 1, 2, 3};
static uint64_t n_received, rnd = 1;
static struct pkt p;
static unsigned n_notices;
static struct dp_notice notices[64];

static const char *const mac_text[N_PORTS] = {"02:00:00:00:00:00", "02:00:00:00:00:01",
					      "02:00:00:00:00:02", "02:00:00:00:00:03"};
static const char *const ip_text[N_PORTS] = {"10.0.0.10", "10.0.0.11", "10.0.0.12", "10.0.0.13"};
static const char *const ip6_text[N_PORTS] = {"2001:db8::10", "2001:db8::11", "2001:db8::12",
					      "2001:db8::13"};

/* ---- The switch ---- */

static void view_destroy(struct dp_view *view)
{
	for (unsigned i = 0; i < N_PORTS; i++) {
		dp_guard_release(view->vports[i]);
		free(view->vports[i]);
	}
	free(view->domains[0]);
	free(view);
}

static void publish(void)
{
	struct dp_view *view = calloc(1, sizeof(*view));
	struct err err = {0};

	*view = (struct dp_view){.n_vports = N_PORTS, .n_domains = 1, .destroy = view_destroy};
	view->domains[0] = calloc(1, sizeof(*view->domains[0]));
	*view->domains[0] = (struct dp_domain){.n_ports = N_PORTS, .ports = domain_ports};
	for (unsigned i = 0; i < N_PORTS; i++) {
		view->vports[i] = aligned_alloc(64, sizeof(*view->vports[i]));
		*view->vports[i] = conf[i];
		if (guards[i] != NULL)
			assert_int_equal(dp_guard_hang(guards[i], view, view->vports[i]), 0);
	}
	if (dp_view_publish(dp, view, &err) != 0)
		fail_msg("%s", err.what);
}

static struct dp_ip ip_of(const char *text)
{
	struct dp_ip ip = {.v6 = strchr(text, ':') != NULL};

	assert_int_equal(inet_pton(ip.v6 ? AF_INET6 : AF_INET, text, ip.b), 1);
	return ip;
}

/* 'fixed': the port has the addresses that it has by these tables. */
static void guard(uint16_t id, struct dp_guard_spec spec, bool fixed)
{
	const uint8_t macs[1][6] = {{2, 0, 0, 0, 0, (uint8_t)id}};
	struct dp_guard_address a[2] = {{.ip = ip_of(ip_text[id]), .prefix = 32},
					{.ip = ip_of(ip6_text[id]), .prefix = 128}};
	struct dp_guard *g;

	spec.port = id;
	spec.n_macs = 1;
	spec.macs = macs;
	spec.n_addresses = fixed ? 2 : 0;
	spec.addresses = a;
	assert_int_equal(dp_guard_create(dp, &spec, NULL, &g), 0);
	dp_guard_unref(guards[id]);
	guards[id] = g;
}

static uint64_t sum(const uint64_t *v)
{
	uint64_t n = 0;

	for (int i = 0; i < DP_N_DROPS; i++)
		n += v[i];
	return n;
}

static void check_balance(const struct dp_count *c)
{
	assert_int_equal(c->rx_packets + c->copies, c->forwarded + sum(c->drops_rx));
	assert_int_equal(c->offered + c->segments, c->tx_packets + sum(c->drops_tx));
}

static void settle(void)
{
	for (int i = 0; i < 20000; i++) {
		const struct dp_count *t = dp_total_count(dp);

		dp_count_refresh(dp);
		check_balance(t);
		for (uint16_t id = 0; id < N_PORTS; id++)
			check_balance(dp_port_count(dp, id));
		if (t->rx_packets == n_received)
			return;
		nanosleep(&(struct timespec){0, 100000}, NULL);
	}
	fail_msg("the worker did not take the frames");
}

static uint64_t drops(uint16_t id, enum dp_drop reason)
{
	return dp_port_count(dp, id)->drops_rx[reason];
}

static struct rte_mbuf *frame(bool cut)
{
	struct rte_mbuf *m = cut ? mbufs_cut(dp_pool(dp, 0, false), p.bytes, p.size, 14, 3, &rnd)
				 : mbufs_make(dp_pool(dp, 0, false), p.bytes, p.size, NULL, 0);

	assert_non_null(m);
	return m;
}

static void inject(uint16_t id)
{
	struct rte_mbuf *m = frame(false);

	assert_int_equal(dp_port_mem_inject(port[id], 0, &m, 1), 1);
	n_received++;
}

/* What came out at a port since the last look; the last one's bytes into 'p'. */
static unsigned collect(uint16_t id)
{
	struct rte_mbuf *got[512];
	uint16_t n = dp_port_mem_collect(port[id], got, 512);

	for (uint16_t i = 0; i < n; i++) {
		if (i + 1 == n)
			p.size = mbufs_read(got[i], p.bytes, PKT_MAX);
		rte_pktmbuf_free(got[i]);
	}
	return n;
}

static unsigned collect_all(void)
{
	unsigned n = 0;

	for (uint16_t id = 0; id < N_PORTS; id++)
		n += collect(id);
	return n;
}

static void udp(const char *dst, const char *src, const char *from)
{
	pkt_init(&p);
	pkt_eth(&p, dst, src);
	if (strchr(from, ':') != NULL)
		pkt_ipv6(&p, from, "2001:db8::1");
	else
		pkt_ipv4(&p, from, "10.0.0.1");
	pkt_udp(&p, 1000, 2000);
	pkt_fill(&p, 30, 1);
	pkt_finish(&p, 0);
}

static void take(void *arg, const struct dp_notice *n)
{
	assert_true(n_notices < 64);
	notices[n_notices++] = *n;
}

static int plain(void **state)
{
	for (unsigned i = 0; i < N_PORTS; i++) {
		conf[i] = (struct dp_vport){.port = port[i],
					    .id = (uint16_t)i,
					    .flags = FLAGS,
					    .native_out = DP_NO_VLAN,
					    .tpid_out = rte_cpu_to_be_16(0x8100),
					    .max_frame = 1514};
		dp_vlan_add(conf[i].vlan_out, 0);
		dp_guard_unref(guards[i]);
		guards[i] = NULL;
	}
	publish();
	for (uint16_t i = 0; i < N_PORTS; i++)
		dp_guard_port_gone(dp, i);
	guard(0, (struct dp_guard_spec){.on = EVERY | DP_GUARD_ANSWER}, true);
	guard(1, (struct dp_guard_spec){.on = EVERY | DP_GUARD_ANSWER}, true);
	guard(2, (struct dp_guard_spec){.on = DP_GUARD_TRUSTED}, false);
	publish();
	settle();
	collect_all();
	dp_notices_take(dp, take, NULL);
	n_notices = 0;
	/* A second of its own: what others told counts not. */
	nanosleep(&(struct timespec){1, 100000000}, NULL);
	return 0;
}

/* ---- Tests ---- */

static void forged_frames_die_at_their_port_and_are_told(void **state)
{
	uint64_t before = drops(0, DP_DROP_GUARD_MAC);

	for (unsigned i = 0; i < 100; i++) {
		udp(ALL, mac_text[1], ip_text[0]);
		inject(0);
	}
	settle();
	assert_int_equal(drops(0, DP_DROP_GUARD_MAC) - before, 100);
	assert_int_equal(collect_all(), 0);
	dp_notices_take(dp, take, NULL);
	/* Two a second; the frames may lie on both sides of its end. */
	assert_in_range(n_notices, 2, 4);
	assert_int_equal(notices[0].port, 0);
	assert_int_equal(notices[0].drop, DP_DROP_GUARD_MAC);
	assert_int_equal(notices[0].left_out, 0);
	assert_int_equal(notices[0].src[5], 1);
	assert_int_equal(notices[0].dst[0], 0xff);
	assert_int_equal(notices[0].eth_type, 0x0800);
	assert_true(notices[0].has_ip);
	assert_int_equal(notices[0].from.b[3], 10);
	assert_int_equal(notices[0].sport, 1000);
	assert_int_equal(notices[0].dport, 2000);
	/* Who comes next says how many there were. */
	nanosleep(&(struct timespec){1, 100000000}, NULL);
	inject(0);
	settle();
	n_notices = 0;
	dp_notices_take(dp, take, NULL);
	assert_int_equal(n_notices, 1);
	assert_in_range(notices[0].left_out, 90, 98);
}

static void usual_frames_pass_in_bursts_of_any_mixture(void **state)
{
	uint64_t good = 0, bad = 0, before;

	settle();
	before = drops(0, DP_DROP_GUARD_IP);
	for (unsigned round = 0; round < 200; round++) {
		struct rte_mbuf *pkts[DP_BURST];

		for (unsigned i = 0; i < DP_BURST; i++) {
			const unsigned what = pkt_rand(&rnd) % 8;
			static const char *const from[8] = {"10.0.0.10",      "10.0.0.10",
							    "2001:db8::10",   "10.0.0.10",
							    "10.0.0.11",      "2001:db8::11",
							    "2001:db8:1::10", "2001:db8::10"};

			udp(mac_text[3], mac_text[0], from[what]);
			good += what < 4 || what == 7;
			bad += what >= 4 && what != 7;
			pkts[i] = frame(pkt_rand(&rnd) % 4 == 0);
		}
		assert_int_equal(dp_port_mem_inject(port[0], 0, pkts, DP_BURST), DP_BURST);
		n_received += DP_BURST;
		settle();
		collect_all();
	}
	assert_int_equal(drops(0, DP_DROP_GUARD_IP) - before, bad);
	assert_true(good > 0);
}

static const struct dp_acl_rule *find_none(const struct dp_acl *acl, const struct dp_key *key,
					   struct dp_key *wc)
{
	return NULL;
}

static void open_to_all(uint16_t id, const char *dst)
{
	udp(dst, mac_text[id], ip_text[id]);
	inject(id);
	settle();
	collect_all();
}

/* The switch treats a burst of one machine to one other as one frame: stages say whether it is. */
static void usual_frames_go_each_to_their_station(void **state)
{
	static const struct dp_acl none = {.id = 1, .find = find_none};

	assert_int_equal(dp_acl_need(dp), 0);
	for (unsigned how = 0; how < 6; how++) {
		const bool guarded = how % 3 != 1, listed = how % 3 != 0;
		struct rte_mbuf *pkts[DP_BURST];
		unsigned n[N_PORTS] = {0};

		if (!guarded) {
			dp_guard_unref(guards[0]);
			guards[0] = NULL;
		} else {
			guard(0, (struct dp_guard_spec){.on = EVERY}, true);
		}
		conf[0].acl[DP_FILTER_INGRESS] = listed ? &none : NULL;
		publish();
		open_to_all(1, ALL);
		open_to_all(3, ALL);
		open_to_all(0, mac_text[1]);
		for (unsigned i = 0; i < DP_BURST; i++) {
			/* The last only, or by lot. */
			bool other = how < 3 ? i + 1 == DP_BURST : pkt_rand(&rnd) % 2 == 0;
			unsigned to = other ? 3 : 1;

			n[to]++;
			udp(mac_text[to], mac_text[0], ip_text[0]);
			pkts[i] = frame(false);
		}
		assert_int_equal(dp_port_mem_inject(port[0], 0, pkts, DP_BURST), DP_BURST);
		n_received += DP_BURST;
		settle();
		assert_int_equal(collect(1), n[1]);
		assert_int_equal(collect(3), n[3]);
		assert_int_equal(collect_all(), 0);
	}
}

static void other_domains_dhcp(uint8_t type, uint32_t xid)
{
	uint8_t b[300] = {type == 5 ? 2 : 1, 1, 6, 0, (uint8_t)xid};

	if (type == 5)
		memcpy(b + 16, ip_of("10.0.0.50").b, 4);
	memcpy(b + 28, "\x02\0\0\0\0\0", 6);
	memcpy(b + 236, "\x63\x82\x53\x63\x35\x01", 6);
	b[242] = type;
	memcpy(b + 243, "\x33\x04\x00\x00\x0e\x10\xff", 7);
	pkt_init(&p);
	pkt_eth(&p, type == 5 ? mac_text[0] : ALL, type == 5 ? mac_text[2] : mac_text[0]);
	pkt_ipv4(&p, type == 5 ? ip_text[2] : "0.0.0.0", "255.255.255.255");
	pkt_udp(&p, type == 5 ? 67 : 68, type == 5 ? 68 : 67);
	pkt_payload(&p, b, sizeof(b));
	pkt_finish(&p, 0);
}

static void a_lease_is_bound_before_its_acknowledgement_arrives(void **state)
{
	struct rte_mbuf *pkts[1];

	guard(0, (struct dp_guard_spec){.on = EVERY | DP_GUARD_LEARN_DHCP}, false);
	publish();
	udp(mac_text[3], mac_text[0], "10.0.0.50");
	inject(0);
	settle();
	assert_int_equal(collect_all(), 0);
	for (unsigned i = 0; i < 2; i++) {
		other_domains_dhcp(i == 0 ? 3 : 5, 7);
		pkts[0] = frame(i == 1); /* in pieces, too */
		assert_int_equal(dp_port_mem_inject(port[i == 0 ? 0 : 2], 0, pkts, 1), 1);
		n_received++;
		settle();
	}
	collect_all();
	udp(mac_text[3], mac_text[0], "10.0.0.50");
	for (unsigned i = 0; i < 10; i++)
		inject(0);
	settle();
	assert_true(collect(3) == 10);
	/* Unbound: at once, usual or not. */
	assert_int_equal(dp_guard_unbind(dp, 0, 0, 0, &(struct dp_ip){.v4 = 0}), -2);
	collect_all();
	assert_int_equal(dp_guard_unbind(dp, 0, 0, 0, &(struct dp_ip){.b = {10, 0, 0, 50}}), 0);
	udp(mac_text[3], mac_text[0], "10.0.0.50");
	inject(0);
	settle();
	assert_int_equal(collect_all(), 0);
}

static void the_switch_answers_arp_for_whom_it_knows(void **state)
{
	uint32_t off;

	pkt_init(&p);
	pkt_eth(&p, ALL, mac_text[0]);
	off = pkt_arp(&p, 1, ip_text[0], ip_text[1]);
	memcpy(p.bytes + off + 8, p.bytes + 6, 6);
	pkt_finish(&p, 0);
	inject(0);
	settle();
	assert_int_equal(collect(1) + collect(2) + collect(3), 0);
	assert_int_equal(collect(0), 1);
	assert_memory_equal(p.bytes, "\x02\0\0\0\0\0\x02\0\0\0\0\1\x08\x06", 14);
	assert_memory_equal(p.bytes + off, "\0\1\x08\0\6\4\0\2", 8);
	assert_memory_equal(p.bytes + off + 8, "\x02\0\0\0\0\1\x0a\0\0\x0b", 10);
	assert_memory_equal(p.bytes + off + 18, "\x02\0\0\0\0\0\x0a\0\0\x0a", 10);
	/* Whom nobody has is asked for as ever. */
	pkt_init(&p);
	pkt_eth(&p, ALL, mac_text[0]);
	off = pkt_arp(&p, 1, ip_text[0], "10.0.0.99");
	memcpy(p.bytes + off + 8, p.bytes + 6, 6);
	pkt_finish(&p, 0);
	inject(0);
	settle();
	assert_int_equal(collect_all(), 3);
}

static void solicit(bool anonymous, bool option)
{
	uint32_t off;

	pkt_init(&p);
	pkt_eth(&p, "33:33:ff:00:00:11", mac_text[0]);
	off = pkt_ipv6(&p, anonymous ? "::" : ip6_text[0], "ff02::1:ff00:11");
	p.bytes[off + 7] = 255;
	pkt_icmpv6(&p, 135, 0);
	pkt_payload(&p, ip_of(ip6_text[1]).b, 16);
	if (option)
		pkt_payload(&p, "\1\1\x02\0\0\0\0\0", 8);
	pkt_finish(&p, 0);
}

static void the_switch_answers_solicitations_for_whom_it_knows(void **state)
{
	for (unsigned option = 0; option < 2; option++) {
		uint64_t pseudo;

		solicit(false, option == 1);
		inject(0);
		settle();
		assert_int_equal(collect(1) + collect(2) + collect(3), 0);
		assert_int_equal(collect(0), 1);
		assert_int_equal(p.size, 14 + 40 + 32);
		assert_memory_equal(p.bytes, "\x02\0\0\0\0\0\x02\0\0\0\0\1\x86\xdd", 14);
		assert_memory_equal(p.bytes + 22, ip_of(ip6_text[1]).b, 16);
		assert_memory_equal(p.bytes + 38, ip_of(ip6_text[0]).b, 16);
		assert_int_equal(p.bytes[54], 136);
		assert_int_equal(p.bytes[58], 0x60);
		assert_memory_equal(p.bytes + 62, ip_of(ip6_text[1]).b, 16);
		assert_memory_equal(p.bytes + 78, "\2\1\x02\0\0\0\0\1", 8);
		pseudo = pkt_sum(p.bytes + 22, 32, 32 + 58);
		assert_int_equal(pkt_fold(pkt_sum(p.bytes + 54, 32, pseudo)), 0xffff);
	}
	/* Whose owner may be a router is asked itself. */
	guard(1, (struct dp_guard_spec){.on = EVERY & ~DP_GUARD_ROUTER}, true);
	publish();
	solicit(false, true);
	inject(0);
	settle();
	assert_int_equal(collect_all(), 3);
}

static void nobody_is_answered_for_whom_it_cannot_reach(void **state)
{
	uint32_t off;

	conf[0].flags |= DP_VP_PROTECTED;
	conf[1].flags |= DP_VP_PROTECTED;
	publish();
	pkt_init(&p);
	pkt_eth(&p, ALL, mac_text[0]);
	off = pkt_arp(&p, 1, ip_text[0], ip_text[1]);
	memcpy(p.bytes + off + 8, p.bytes + 6, 6);
	pkt_finish(&p, 0);
	inject(0);
	settle();
	assert_int_equal(collect(0) + collect(1), 0);
	assert_int_equal(collect(2) + collect(3), 2);
}

static void an_answer_wears_the_tag_of_its_request(void **state)
{
	struct dp_guard_binding b = {.ip = ip_of("10.0.0.60"),
				     .mac = {2, 0, 0, 0, 0, 1},
				     .port = 1,
				     .vlan = VLAN,
				     .how = DP_GUARD_HAND};
	uint32_t off;

	for (unsigned i = 0; i < 2; i++) {
		conf[i].flags |= DP_VP_TAGGED_IN | DP_VP_TAG_OUT;
		conf[i].native_out = 0;
		dp_vlan_add(conf[i].vlan_in, VLAN);
		dp_vlan_add(conf[i].vlan_out, VLAN);
	}
	publish();
	assert_int_equal(dp_guard_bind(dp, &b), 0);
	pkt_init(&p);
	pkt_eth(&p, ALL, mac_text[0]);
	pkt_vlan(&p, 0x8100, VLAN);
	off = pkt_arp(&p, 1, ip_text[0], "10.0.0.60");
	memcpy(p.bytes + off + 8, p.bytes + 6, 6);
	pkt_finish(&p, 0);
	inject(0);
	settle();
	assert_int_equal(collect(1), 0);
	assert_int_equal(collect(0), 1);
	assert_memory_equal(p.bytes + 12, "\x81\0\0\x0a\x08\x06", 6);
	assert_memory_equal(p.bytes + off + 8, "\x02\0\0\0\0\1\x0a\0\0\x3c", 10);
}

static void what_floods_to_nobody_known_has_a_rate(void **state)
{
	uint64_t before = drops(3, DP_DROP_GUARD_UNKNOWN);

	guard(3, (struct dp_guard_spec){.on = 0, .unknown = {1, 20}}, false);
	publish();
	for (unsigned i = 0; i < 50; i++) {
		udp("02:99:00:00:00:01", mac_text[3], ip_text[3]);
		inject(3);
	}
	settle();
	assert_in_range(drops(3, DP_DROP_GUARD_UNKNOWN) - before, 28, 30);
	assert_in_range(collect(0), 20, 22);
	collect_all();
	guard(3, (struct dp_guard_spec){.on = DP_GUARD_WATCH, .unknown = {1, 20}}, false);
	publish();
	for (unsigned i = 0; i < 50; i++) {
		udp("02:99:00:00:00:01", mac_text[3], ip_text[3]);
		inject(3);
	}
	settle();
	assert_int_equal(collect(0), 50);
}

static void a_guard_that_watches_counts_and_tells(void **state)
{
	struct dp_guard_counts counts;

	guard(0, (struct dp_guard_spec){.on = EVERY | DP_GUARD_WATCH}, true);
	publish();
	udp(ALL, mac_text[1], ip_text[1]);
	inject(0);
	settle();
	assert_int_equal(collect_all(), 3);
	dp_guard_read(guards[0], &counts);
	assert_int_equal(counts.violations[DP_GUARD_RULE_MAC], 1);
	assert_int_equal(counts.violations[DP_GUARD_RULE_IP], 1);
	dp_notices_take(dp, take, NULL);
	assert_int_equal(n_notices, 2);
}

static void a_trace_says_which_guard_it_was(void **state)
{
	struct dp_trace trace = {.port = 0};
	struct dp_guard_counts counts;
	bool seen = false;

	udp(ALL, mac_text[1], ip_text[0]);
	trace.frame = p.bytes;
	trace.size = p.size;
	assert_int_equal(dp_trace_run(dp, &trace), 0);
	for (unsigned i = 0; i < trace.n_events; i++)
		seen |= trace.events[i].what == DP_TRACE_DROPPED &&
			trace.events[i].reason == DP_DROP_GUARD_MAC;
	assert_true(seen);
	dp_trace_fini(&trace);
	dp_guard_read(guards[0], &counts);
	assert_int_equal(counts.violations[DP_GUARD_RULE_MAC], 0);
	dp_notices_take(dp, take, NULL);
	assert_int_equal(n_notices, 0);
}

static void protected_ports_exchange_nothing(void **state)
{
	conf[0].flags |= DP_VP_PROTECTED;
	conf[1].flags |= DP_VP_PROTECTED;
	publish();
	udp(ALL, mac_text[0], ip_text[0]);
	inject(0);
	udp(ALL, mac_text[1], ip_text[1]);
	inject(1);
	settle();
	assert_int_equal(collect(0) + collect(1), 0);
	assert_int_equal(collect(2), 2);
	collect_all();
	udp(mac_text[1], mac_text[0], ip_text[0]);
	inject(0);
	settle();
	assert_int_equal(collect_all(), 0);
	assert_true(drops(0, DP_DROP_GUARD_PROTECTED) > 0);
}

static int start(void **state)
{
	static const char *const names[N_PORTS] = {"p0", "p1", "p2", "p3"};
	struct err err = {0};
	cpu_set_t set;
	unsigned cpu = 0;

	sched_getaffinity(0, sizeof(set), &set);
	while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &set))
		cpu++;
	dp = test_dp_create(8191);
	for (unsigned i = 0; i < N_PORTS; i++) {
		struct dp_port_opts opts = {.name = names[i],
					    .kind = "mem",
					    .netns_fd = -1,
					    .n_queues = 1};

		if (dp_port_open(dp, &opts, &port[i], &err) != 0)
			return -1;
		dp_port_mem_set_link(port[i], true);
	}
	for (unsigned i = 0; i < N_PORTS; i++)
		conf[i] = (struct dp_vport){.port = port[i], .id = (uint16_t)i};
	publish();
	dp_set_max_sleep(dp, 50);
	return dp_worker_add(dp, cpu, &err);
}

static int finish(void **state)
{
	unsigned left;

	for (unsigned i = 0; i < N_PORTS; i++) {
		conf[i].port = NULL;
		dp_guard_unref(guards[i]);
		guards[i] = NULL;
	}
	publish();
	for (unsigned i = 0; i < N_PORTS; i++)
		dp_port_close(port[i]);
	left = test_dp_in_use(dp);
	test_dp_destroy(dp);
	return left == 0 ? 0 : -1;
}

#define T(name) cmocka_unit_test_setup(name, plain)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(forged_frames_die_at_their_port_and_are_told),
		T(usual_frames_pass_in_bursts_of_any_mixture),
		T(usual_frames_go_each_to_their_station),
		T(a_lease_is_bound_before_its_acknowledgement_arrives),
		T(the_switch_answers_arp_for_whom_it_knows),
		T(the_switch_answers_solicitations_for_whom_it_knows),
		T(nobody_is_answered_for_whom_it_cannot_reach),
		T(an_answer_wears_the_tag_of_its_request),
		T(what_floods_to_nobody_known_has_a_rate),
		T(a_guard_that_watches_counts_and_tells),
		T(a_trace_says_which_guard_it_was),
		T(protected_ports_exchange_nothing),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
