/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Guards against a naive model of them: random guards, random frames in bursts, contiguous and in
 * pieces, through the fast and the slow way.  The model knows what was built, not the bytes.
 *
 * GUARD_FRAMES says how many (100000), GUARD_SEED which.
 */
#include "dataplane/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <rte_cycles.h>
#include <rte_mbuf.h>

#include "dataplane/dp_priv.h"
#include "dataplane/guard_priv.h"
#include "tests/support/mbufs.h"
#include "tests/support/packet.h"
#include "tests/support/test_dp.h"

#define PORT   1
#define OTHER  2
#define MINE   "02:00:00:00:00:01"
#define THEIRS "02:00:00:00:00:02"

static struct dp *dp;
static struct dp_worker *w;
static struct dp_view view;
static struct dp_domain domain;
static struct dp_vport vports[4];
static struct dp_port port;
static struct dp_count count;
static struct pkt p;
static uint64_t rnd = 1;

static unsigned pick(unsigned n)
{
	return (unsigned)(pkt_rand(&rnd) % n);
}

/* ---- What a frame is ---- */

enum whose { OF_MINE, OF_OTHER, OF_NOBODY, OF_NONE, N_WHOSE }; /* NONE: zeros */
enum kind { ARP, IP4, IP6, BPDU, LLDP, N_KINDS };
enum l4 { TCP, UDP, ICMP, GROUP, UNKNOWN, N_L4 };
enum frag { WHOLE, FIRST, LATER, ATOMIC, N_FRAGS };

struct plan {
	uint32_t on;
	bool my_mac, snap, my_sha, my_option, broken_nd, probe_target;
	unsigned tags, n_ext, arp_op;
	enum kind kind;
	enum whose from, target;
	enum l4 l4;
	enum frag frag;
	uint16_t sport, dport;
	uint8_t icmp;
};

static const char *const v4_of[N_WHOSE] = {"10.0.0.1", "10.0.0.2", "10.0.0.99", "0.0.0.0"};
static const char *const v6_of[N_WHOSE] = {"2001:db8::1", "2001:db8::2", "2001:db8::99", "::"};

static const uint16_t some_ports[] = {67, 68, 546, 547, 53, 1000, 4789, 69, 66};
static const uint8_t some_icmp4[] = {0, 3, 5, 8, 9, 11};
static const uint8_t some_icmp6[] = {1, 2, 128, 130, 131, 132, 133, 134, 135, 136, 137, 138, 143};

static struct plan make_plan(uint32_t on)
{
	struct plan f = {.on = on,
			 .my_mac = pick(6) != 0,
			 .snap = pick(10) == 0,
			 .my_sha = pick(4) != 0,
			 .my_option = pick(4) != 0,
			 .broken_nd = pick(8) == 0,
			 .tags = pick(3) == 0 ? 1 + pick(3) : 0,
			 .n_ext = pick(3) == 0 ? 1 + pick(10) : 0,
			 .arp_op = 1 + pick(3),
			 .kind = pick(10) == 0 ? BPDU + pick(2) : pick(3),
			 .from = pick(2) == 0 ? OF_MINE : pick(N_WHOSE),
			 .target = pick(N_WHOSE - 1),
			 .l4 = pick(N_L4),
			 .frag = pick(3) == 0 ? pick(N_FRAGS) : WHOLE};

	f.sport = some_ports[pick(sizeof(some_ports) / sizeof(some_ports[0]))];
	f.dport = some_ports[pick(sizeof(some_ports) / sizeof(some_ports[0]))];
	f.icmp = f.kind == IP6 ? some_icmp6[pick(sizeof(some_icmp6))]
			       : some_icmp4[pick(sizeof(some_icmp4))];
	if (f.kind == IP4 && f.frag == ATOMIC)
		f.frag = WHOLE;
	return f;
}

/* ---- The frame ---- */

static void transport(const struct plan *f)
{
	if (f->frag == LATER) {
		pkt_ip_proto(&p, f->l4 == UDP ? 17 : 58);
		pkt_fill(&p, 40, 1);
		return;
	}
	switch (f->l4) {
	case TCP:
		pkt_tcp(&p, f->sport, f->dport, PKT_ACK);
		break;
	case UDP:
		pkt_udp(&p, f->sport, f->dport);
		break;
	case ICMP:
		if (f->kind == IP6)
			pkt_icmpv6(&p, f->icmp, 0);
		else
			pkt_icmp(&p, f->icmp, 0);
		break;
	case GROUP:
		if (f->kind == IP6)
			pkt_icmpv6(&p, 143, 0);
		else
			pkt_igmp(&p, 0x22);
		break;
	case UNKNOWN:
	case N_L4:
	default:
		pkt_ip_proto(&p, 253);
		break;
	}
	if (f->l4 == ICMP && f->kind == IP6 && (f->icmp == 135 || f->icmp == 136)) {
		struct in6_addr target;

		inet_pton(AF_INET6, v6_of[f->target], &target);
		pkt_payload(&p, &target, 16);
	}
	if (f->l4 == ICMP && f->kind == IP6 &&
	    (f->icmp == 133 || f->icmp == 135 || f->icmp == 136)) {
		uint8_t option[8] = {f->icmp == 136 ? 2 : 1,	       1, 2, 0, 0, 0, 0,
				     f->my_option == f->my_mac ? 1 : 2};

		pkt_payload(&p, option, sizeof(option));
	} else {
		/* Long enough for a tunnel's header, of no DHCP client's message. */
		pkt_fill(&p, 40, 0);
	}
}

static void build(const struct plan *f)
{
	uint32_t off;

	pkt_init(&p);
	pkt_eth(&p, f->kind == BPDU ? "01:80:c2:00:00:00" : "02:00:00:00:00:03",
		f->my_mac ? MINE : THEIRS);
	for (unsigned i = 0; i < f->tags; i++)
		pkt_vlan(&p, 0x8100, (uint16_t)(pick(8) << 13));
	if (f->snap && f->kind <= IP6)
		pkt_snap(&p);
	switch (f->kind) {
	case ARP:
		off = pkt_arp(&p, (uint16_t)f->arp_op, v4_of[f->from], "10.0.0.77");
		memcpy(p.bytes + off + 8, p.bytes + 6, 6);
		p.bytes[off + 13] ^= f->my_sha ? 0 : 3;
		break;
	case IP4:
		pkt_ipv4(&p, v4_of[f->from], "10.0.0.3");
		if (f->frag == FIRST || f->frag == LATER)
			pkt_fragment(&p, f->frag == LATER ? 800 : 0, 1, 7);
		transport(f);
		break;
	case IP6:
		off = pkt_ipv6(&p, v6_of[f->from], "2001:db8::3");
		p.bytes[off + 7] = f->broken_nd ? 64 : 255;
		for (unsigned i = 0; i < f->n_ext; i++)
			pkt_ipv6_ext(&p, PKT_EXT_DEST, NULL, 6);
		if (f->frag != WHOLE)
			pkt_fragment(&p, f->frag == LATER ? 800 : 0, f->frag != ATOMIC, 7);
		transport(f);
		break;
	case BPDU:
	case LLDP:
	case N_KINDS:
	default:
		pkt_fill(&p, 60, 5);
		break;
	}
	pkt_finish(&p, PKT_NO_CSUM);
	if (f->kind == LLDP)
		pkt_set16(&p, 12 + 4 * f->tags, 0x88cc);
	if (f->kind == BPDU)
		pkt_set16(&p, 12 + 4 * f->tags, 0x1234);
}

/* ---- The model ---- */

static bool has(const struct plan *f, uint32_t guard)
{
	return (f->on & guard) != 0;
}

static bool may_speak_for(const struct plan *f, enum whose whose)
{
	if (has(f, DP_GUARD_IP))
		return whose == OF_MINE;
	return whose != OF_OTHER;
}

static enum dp_guard_rule model_arp(const struct plan *f)
{
	if (!has(f, DP_GUARD_ARP | DP_GUARD_IP))
		return DP_N_GUARD_RULES;
	if (f->arp_op > 2 || (has(f, DP_GUARD_ARP) && !f->my_sha))
		return DP_GUARD_RULE_ARP;
	if (f->from == OF_NONE)
		return f->arp_op == 1 ? DP_N_GUARD_RULES : DP_GUARD_RULE_ARP;
	return may_speak_for(f, f->from) ? DP_N_GUARD_RULES : DP_GUARD_RULE_ARP;
}

static uint8_t icmp6_of(const struct plan *f)
{
	return f->l4 == GROUP ? 143 : f->icmp;
}

static bool anonymous_may(const struct plan *f)
{
	if (f->frag == LATER)
		return false;
	if (f->kind == IP4)
		return (f->l4 == UDP && f->sport == 68 && f->dport == 67) || f->l4 == GROUP;
	if (f->l4 != ICMP && f->l4 != GROUP)
		return false;
	switch (icmp6_of(f)) {
	case 131:
	case 132:
	case 133:
	case 135:
	case 143:
		return true;
	default:
		return false;
	}
}

static enum dp_guard_rule model_nd(const struct plan *f)
{
	if (!has(f, DP_GUARD_ARP))
		return DP_N_GUARD_RULES;
	if (f->frag != WHOLE || f->broken_nd || !f->my_option)
		return DP_GUARD_RULE_ARP;
	if (f->icmp == 133)
		return DP_N_GUARD_RULES;
	if (f->icmp == 135 && f->from != OF_NONE)
		return may_speak_for(f, f->from) ? DP_N_GUARD_RULES : DP_GUARD_RULE_ARP;
	return may_speak_for(f, f->target) ? DP_N_GUARD_RULES : DP_GUARD_RULE_ARP;
}

static enum dp_guard_rule model_dhcp(const struct plan *f)
{
	const unsigned server = f->kind == IP6 ? 547 : 67, client = f->kind == IP6 ? 546 : 68;

	if (!has(f, DP_GUARD_DHCP))
		return DP_N_GUARD_RULES;
	if (f->sport == server || f->dport == client)
		return DP_GUARD_RULE_DHCP;
	/* What is sent there is no message. */
	return f->dport == server ? DP_GUARD_RULE_DHCP : DP_N_GUARD_RULES;
}

static enum dp_guard_rule model_ip(const struct plan *f)
{
	const bool too_long = f->kind == IP6 && f->n_ext + (f->frag != WHOLE) > 8;

	if (has(f, DP_GUARD_IP) && f->from != OF_MINE &&
	    !(f->from == OF_NONE && !too_long && anonymous_may(f)))
		return DP_GUARD_RULE_IP;
	if (too_long)
		return has(f, DP_GUARD_ROUTER) ? DP_GUARD_RULE_ROUTER
		       : has(f, DP_GUARD_DHCP) ? DP_GUARD_RULE_DHCP
		       : has(f, DP_GUARD_ARP)  ? DP_GUARD_RULE_ARP
					       : DP_N_GUARD_RULES;
	if (f->frag == LATER)
		return DP_N_GUARD_RULES;
	if (f->l4 == UDP)
		return model_dhcp(f);
	if (f->l4 != ICMP)
		return DP_N_GUARD_RULES;
	if (f->kind == IP4 ? f->icmp == 5 || f->icmp == 9 : f->icmp == 134 || f->icmp == 137)
		return has(f, DP_GUARD_ROUTER) ? DP_GUARD_RULE_ROUTER : DP_N_GUARD_RULES;
	if (f->kind == IP6 && (f->icmp == 133 || f->icmp == 135 || f->icmp == 136))
		return model_nd(f);
	return DP_N_GUARD_RULES;
}

static enum dp_guard_rule model(const struct plan *f)
{
	if (has(f, DP_GUARD_BPDU) && f->kind == BPDU)
		return DP_GUARD_RULE_BPDU;
	if (has(f, DP_GUARD_MAC) && !f->my_mac)
		return DP_GUARD_RULE_MAC;
	if (f->tags == 3)
		return has(f, DP_GUARD_IP)	 ? DP_GUARD_RULE_IP
		       : has(f, DP_GUARD_ROUTER) ? DP_GUARD_RULE_ROUTER
		       : has(f, DP_GUARD_DHCP)	 ? DP_GUARD_RULE_DHCP
		       : has(f, DP_GUARD_ARP)	 ? DP_GUARD_RULE_ARP
						 : DP_N_GUARD_RULES;
	if (f->kind == ARP)
		return model_arp(f);
	return f->kind == IP4 || f->kind == IP6 ? model_ip(f) : DP_N_GUARD_RULES;
}

/* ---- Both ---- */

static void hang(uint16_t id, uint32_t on, const char *mac, enum whose whose)
{
	struct dp_guard_address a[2] = {{.prefix = 32}, {.ip = {.v6 = true}, .prefix = 128}};
	uint8_t macs[1][6] = {{2, 0, 0, 0, 0, (uint8_t)id}};
	const struct dp_guard_spec spec = {
		.port = id, .on = on, .n_macs = 1, .macs = macs, .n_addresses = 2, .addresses = a};
	struct dp_guard *g;

	inet_pton(AF_INET, v4_of[whose], a[0].ip.b);
	inet_pton(AF_INET6, v6_of[whose], a[1].ip.b);
	assert_int_equal(dp_guard_create(dp, &spec, NULL, &g), 0);
	dp_guard_release(&vports[id]);
	assert_int_equal(dp_guard_hang(g, &view, &vports[id]), 0);
	dp_guard_unref(g);
}

static struct rte_mbuf *frame(bool cut)
{
	struct rte_mbuf *m = cut ? mbufs_cut(dp_pool(dp, 0, false), p.bytes, p.size, 14, 3, &rnd)
				 : mbufs_make(dp_pool(dp, 0, false), p.bytes, p.size, NULL, 0);

	assert_non_null(m);
	return m;
}

/* What most frames are. */
static struct plan usual_plan(uint32_t on)
{
	return (struct plan){.on = on,
			     .my_mac = true,
			     .tags = pick(3) == 0,
			     .kind = pick(2) == 0 ? IP4 : IP6,
			     .from = OF_MINE,
			     .l4 = pick(2) == 0 ? TCP : UDP,
			     .sport = 1000,
			     .dport = 53};
}

static void one_burst(uint32_t on, uint64_t *n_dropped)
{
	/* Bursts of usual frames of one kind, and at most one other. */
	const bool alike = pick(2) == 0;
	const struct plan most = usual_plan(on);
	const unsigned other = pick(DP_BURST + 5);
	struct rte_mbuf *pkts[DP_BURST];
	uint64_t want[DP_N_DROPS] = {0};
	uint32_t passes = 0, n_pass = 0, got = 0;
	uint16_t n;

	memset(&count, 0, sizeof(count));
	for (unsigned i = 0; i < DP_BURST; i++) {
		const struct plan f = alike && i != other ? most : make_plan(on);
		const enum dp_guard_rule rule = model(&f);

		build(&f);
		pkts[i] = frame(!alike && pick(4) == 0);
		pkts[i]->hash.usr = i;
		if (rule == DP_N_GUARD_RULES) {
			passes |= 1u << i;
			n_pass++;
		} else {
			want[dp_guard_drop(rule)]++;
			++*n_dropped;
		}
	}
	w->burst_tsc = rte_rdtsc();
	n = dp_guard_ingress(w, &vports[PORT], pkts, DP_BURST);
	for (uint16_t i = 0; i < n; i++) {
		got |= 1u << pkts[i]->hash.usr;
		rte_pktmbuf_free(pkts[i]);
	}
	assert_int_equal(got, passes);
	assert_int_equal(n, n_pass);
	assert_memory_equal(count.drops_rx, want, sizeof(want));
}

static void random_frames_fare_as_the_model_says(void **state)
{
	const char *frames = getenv("GUARD_FRAMES"), *seed = getenv("GUARD_SEED");
	const uint64_t n_frames = frames != NULL ? strtoull(frames, NULL, 0) : 100000;
	uint64_t n_dropped = 0, n = 0;
	uint32_t on = 0;

	rnd = seed != NULL ? strtoull(seed, NULL, 0) : 1;
	hang(OTHER, 0, THEIRS, OF_OTHER);
	for (unsigned round = 0; n < n_frames; round++, n += DP_BURST) {
		if (round % 20 == 0) {
			on = pick(3) == 0 ? 0x3f : pick(0x40);
			hang(PORT, on, MINE, OF_MINE);
		}
		one_burst(on, &n_dropped);
	}
	/* Neither all nor none, or the test says nothing. */
	assert_in_range(n_dropped, n / 8, n - n / 5);
	assert_int_equal(test_dp_in_use(dp), 0);
}

static int start(void **state)
{
	dp = test_dp_create(4095);
	w = aligned_alloc(64, sizeof(*w));
	memset(w, 0, sizeof(*w));
	domain = (struct dp_domain){0};
	view = (struct dp_view){.n_vports = 4, .n_domains = 1};
	view.domains[0] = &domain;
	for (uint16_t i = 0; i < 4; i++) {
		vports[i] = (struct dp_vport){.id = i, .port = &port, .flags = DP_VP_UP};
		view.vports[i] = &vports[i];
	}
	w->dp = dp;
	w->view = &view;
	w->count = &w->sets[0];
	w->sets[0].ports[PORT] = &count;
	return 0;
}

static int finish(void **state)
{
	for (uint16_t i = 0; i < 4; i++)
		dp_guard_release(&vports[i]);
	free(w);
	test_dp_destroy(dp);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(random_frames_fare_as_the_model_says),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
