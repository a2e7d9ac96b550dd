/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Access lists that change while packets are on their way, and what sessions are: scripts, where
 * acl_property_test.c draws by lot.
 */
#include "vswitch/acl.h"

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

#include <rte_mbuf.h>

#include "dataplane/ct.h"
#include "dataplane/notice.h"
#include "dataplane/pipeline.h"
#include "dataplane/port_mem.h"
#include "tests/support/packet.h"
#include "tests/support/test_dp.h"
#include "vswitch/switch_flows.h"
#include "vswitch/trace.h"
#include "vswitch/vs.h"

#define N_PORTS 2

static struct dp *dp;
static struct vs *vs;
static json_t *state;
static uint64_t n_injected;
static struct pkt pkt;

/* ---- Configuration ---- */

static void apply(void)
{
	struct err err = {0};

	if (vs_apply(vs, NULL, state, false, &err) != 0)
		fail_msg("%s", err.what);
}

static void list(const char *name, const char *entries)
{
	json_object_set_new(json_object_get(state, "acl"), name,
			    json_pack("{ss ss}", "name", name, "entries", entries));
}

static void attach(const char *name, const char *port, const char *direction)
{
	char object[64];

	snprintf(object, sizeof(object), "%s %s %s", name, port, direction);
	json_object_set_new(json_object_get(state, "acl-binding"), object,
			    json_pack("{ss ss ss}", "name", name, "port", port, "direction",
				      direction));
}

static void nothing(void)
{
	json_object_set_new(state, "acl", json_object());
	json_object_set_new(state, "acl-binding", json_object());
}

/* ---- Traffic ---- */

static struct dp_port *live(unsigned i)
{
	return vs->live[vs_port_id(vs, i == 0 ? "p0" : "p1")].port;
}

static void inject(unsigned from)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)pkt.size), pkt.bytes, pkt.size);
	assert_int_equal(dp_port_mem_inject(live(from), 0, &m, 1), 1);
	n_injected++;
}

static void settle(void)
{
	for (int i = 0; i < 200000; i++) {
		const struct dp_count *t = dp_total_count(dp);
		uint64_t in = 0, out = 0;

		dp_count_refresh(dp);
		for (unsigned k = 0; k < DP_N_DROPS; k++) {
			in += t->drops_rx[k];
			out += t->drops_tx[k];
		}
		if (t->rx_packets == n_injected && t->rx_packets + t->copies == t->forwarded + in &&
		    t->forwarded == t->offered && t->offered == t->tx_packets + out)
			return;
		nanosleep(&(struct timespec){0, 20000}, NULL);
	}
	fail_msg("the ledger does not balance");
}

/* How many came, and of these how many to UDP or TCP port 'dport'. */
static unsigned collect(unsigned port, uint16_t dport, unsigned *ret_of_port)
{
	struct rte_mbuf *m;
	unsigned n = 0;

	*ret_of_port = 0;
	for (; dp_port_mem_collect(live(port), &m, 1) == 1; n++) {
		*ret_of_port += pkt_get16(rte_pktmbuf_mtod(m, const uint8_t *), 36) == dport;
		rte_pktmbuf_free(m);
	}
	return n;
}

static unsigned arrives(unsigned from)
{
	unsigned ignored;

	pkt_finish(&pkt, 0);
	inject(from);
	settle();
	return collect(1 - from, 0, &ignored);
}

static void ends(unsigned from)
{
	pkt_init(&pkt);
	pkt_eth(&pkt, "ff:ff:ff:ff:ff:ff", "02:00:00:00:00:01");
	if (from == 0)
		pkt_ipv4(&pkt, "10.0.0.1", "10.0.0.2");
	else
		pkt_ipv4(&pkt, "10.0.0.2", "10.0.0.1");
}

static unsigned udp(unsigned from, uint16_t sport, uint16_t dport)
{
	ends(from);
	pkt_udp(&pkt, sport, dport);
	pkt_fill(&pkt, 20, 1);
	return arrives(from);
}

static unsigned tcp(unsigned from, uint16_t sport, uint16_t dport, uint8_t flags, uint32_t seq,
		    uint32_t ack)
{
	uint32_t at;

	ends(from);
	at = pkt_tcp(&pkt, sport, dport, flags);
	pkt_set32(&pkt, at + 4, seq);
	pkt_set32(&pkt, at + 8, ack);
	return arrives(from);
}

static uint32_t n_sessions(void)
{
	struct dp_ct *ct = dp_conntrack(dp);
	struct dp_ct_stats s;

	if (ct == NULL)
		return 0;
	dp_ct_stats(ct, &s);
	return s.n_entries;
}

/* ---- Tests ---- */

/* Of two configurations that both allow port 80 and deny port 81, each by other means, packets on
 * their way meet one or the other, and nothing between them. */
static void change_loses_nothing_and_leaks_nothing(void **unused)
{
	unsigned n = 0, n_allowed = 0;

	for (unsigned round = 0; round < 400; round++) {
		unsigned of_port, sent = 0, got;

		nothing();
		switch (round % 4) {
		case 0: /* at the entrance */
			list("a", "10 deny udp to any port 81\n20 allow");
			attach("a", "p0", "ingress");
			break;
		case 1: /* at the exit */
			list("b", "5 allow udp to any port 80");
			attach("b", "p1", "egress");
			break;
		case 2: /* one more entry */
			list("a", "5 deny udp from 10.9.0.0/16 to any\n10 deny udp to any port 81\n"
				  "20 allow");
			attach("a", "p0", "ingress");
			break;
		case 3: /* with sessions */
			list("c", "10 allow stateful udp to any port 80");
			attach("c", "p0", "ingress");
			break;
		}
		for (unsigned i = 0; i < 60; i++) {
			ends(0);
			pkt_udp(&pkt, (uint16_t)(1000 + i % 7), i % 2 == 0 ? 80 : 81);
			pkt_fill(&pkt, 20, 1);
			pkt_finish(&pkt, 0);
			inject(0);
			sent += i % 2 == 0;
		}
		apply();
		settle();
		got = collect(1, 81, &of_port);
		/* The first may meet no list. */
		if (round == 0)
			continue;
		assert_int_equal(of_port, 0);
		n += got;
		n_allowed += sent;
	}
	assert_int_equal(n, n_allowed);
}

static void change_with_rules_loses_nothing_and_leaks_nothing(void **unused)
{
	struct vs_flows *flows;
	struct err err = {0};

	nothing();
	apply();
	assert_int_equal(vs_switch_flows_need(vs, "s0", &flows, &err), 0);
	change_loses_nothing_and_leaks_nothing(NULL);
}

/* A port that opens connections gets answers to these, and nothing else. */
static void session_lets_answers_pass(void **unused)
{
	nothing();
	apply();
	list("open", "10 allow stateful tcp\n20 allow stateful udp\n30 allow stateful icmp");
	list("none", "");
	attach("open", "p0", "ingress");
	attach("none", "p0", "egress");
	apply();
	assert_int_equal(udp(1, 53, 4000), 0);
	assert_int_equal(udp(0, 4000, 53), 1);
	assert_int_equal(udp(1, 53, 4000), 1);
	assert_int_equal(udp(1, 53, 4001), 0);
	assert_int_equal(tcp(0, 5000, 80, PKT_SYN, 100, 0), 1);
	assert_int_equal(tcp(1, 80, 5000, PKT_SYN | PKT_ACK, 300, 101), 1);
	assert_int_equal(tcp(0, 5000, 80, PKT_ACK, 101, 301), 1);
	/* Far outside of the window it is none of the connection's. */
	assert_int_equal(tcp(1, 80, 5000, PKT_ACK, 300 + (1u << 30), 101), 0);
	assert_int_equal(n_sessions(), 2);
}

/* An error about a connection is part of it. */
static void error_about_a_session_passes(void **unused)
{
	struct pkt quoted;

	session_lets_answers_pass(NULL);
	ends(0);
	pkt_udp(&pkt, 4000, 53);
	pkt_finish(&pkt, 0);
	quoted = pkt;
	ends(1);
	pkt_icmp(&pkt, 3, 3);
	pkt_payload(&pkt, quoted.bytes + 14, 28);
	assert_int_equal(arrives(1), 1);
	pkt_set16(&quoted, 34, 4001);
	ends(1);
	pkt_icmp(&pkt, 3, 3);
	pkt_payload(&pkt, quoted.bytes + 14, 28);
	assert_int_equal(arrives(1), 0);
}

/* Sessions end with the entry that made them, and with their port. */
static void session_ends_with_its_entry(void **unused)
{
	session_lets_answers_pass(NULL);
	/* Another entry: they stay. */
	list("open", "10 allow stateful tcp\n20 allow stateful udp\n30 allow icmp");
	apply();
	assert_int_equal(n_sessions(), 2);
	assert_int_equal(udp(1, 53, 4000), 1);
	list("open", "10 allow stateful tcp\n30 allow icmp");
	apply();
	assert_int_equal(n_sessions(), 1);
	assert_int_equal(udp(1, 53, 4000), 0);
	nothing();
	apply();
	assert_int_equal(n_sessions(), 0);
}

/* 'idle' of an entry. */
static void session_is_idle_as_long_as_its_entry_says(void **unused)
{
	uint32_t now;

	nothing();
	apply();
	list("open", "20 allow stateful udp idle 5s");
	list("none", "");
	attach("open", "p0", "ingress");
	attach("none", "p0", "egress");
	apply();
	assert_int_equal(udp(0, 4000, 53), 1);
	assert_int_equal(udp(1, 53, 4000), 1);
	assert_int_equal(n_sessions(), 1);
	now = dp_conntrack_now(dp);
	dp_ct_tick(dp_conntrack(dp), now + 40);
	assert_int_equal(n_sessions(), 1);
	for (uint32_t i = 0; i < 30; i++)
		dp_ct_tick(dp_conntrack(dp), now + 60 + i);
	assert_int_equal(n_sessions(), 0);
}

static unsigned n_told;
static struct dp_notice told;

static void on_notice(void *arg, const struct dp_notice *notice)
{
	told = *notice;
	n_told++;
}

/* Of two denied packets one is told, with the entry. */
static void denied_packets_are_told(void **unused)
{
	for (unsigned side = 0; side < 2; side++) {
		const char *acl = NULL;
		uint32_t order = 0;

		nothing();
		list("loud", "10 deny log=2 udp to any port 81\n20 allow");
		attach("loud", side == 0 ? "p0" : "p1", side == 0 ? "ingress" : "egress");
		apply();
		dp_notices_take(dp, on_notice, NULL);
		n_told = 0;
		for (unsigned i = 0; i < 2; i++)
			assert_int_equal(udp(0, 1, 81), 0);
		dp_notices_take(dp, on_notice, NULL);
		assert_int_equal(n_told, 1);
		assert_int_equal(told.drop, side == 0 ? DP_DROP_ACL_IN : DP_DROP_ACL_OUT);
		assert_int_equal(told.dport, 81);
		assert_true(vs_acl_of_notice(vs, told.id, &acl, &order));
		assert_string_equal(acl, "loud");
		assert_int_equal(order, 10);
	}
}

/* The entry that decided is named, and nothing was counted. */
static void trace_names_the_entry(void **unused)
{
	const struct dp_trace_event *asked = NULL;
	struct vs_acl_hits hits;
	struct vs_trace *t;

	nothing();
	list("web", "10 deny udp to any port 81\n20 allow");
	attach("web", "p1", "egress");
	apply();
	ends(0);
	pkt_udp(&pkt, 1, 81);
	pkt_finish(&pkt, 0);
	assert_int_equal(vs_trace_run(dp, vs_switch_flows(vs, "s0"), vs_port_id(vs, "p0"),
				      pkt.bytes, pkt.size, false, &t),
			 0);
	for (unsigned i = 0; i < t->dp.n_events; i++)
		if (t->dp.events[i].what == DP_TRACE_ASKED)
			asked = &t->dp.events[i];
	assert_non_null(asked);
	if (asked == NULL)
		return;
	assert_false(asked->allowed);
	assert_true(asked->egress);
	assert_int_equal(asked->port, vs_port_id(vs, "p1"));
	assert_memory_equal(t->dp.bytes + asked->at, "web: 10 deny udp", 16);
	vs_trace_free(t);
	assert_true(vs_acl_entry_hits(vs, "web", 10, &hits));
	assert_int_equal(hits.packets, 0);
}

/* What a trace cannot know it does without. */
static void fragment_can_be_traced(void **unused)
{
	struct vs_trace *t;

	nothing();
	list("open", "10 allow stateful udp\n20 deny");
	attach("open", "p0", "ingress");
	apply();
	for (unsigned later = 0; later < 2; later++) {
		ends(0);
		pkt_fragment(&pkt, later * 64, later == 0, 7);
		if (later == 0)
			pkt_udp(&pkt, 1, 81);
		else
			pkt_ip_proto(&pkt, 17);
		pkt_fill(&pkt, 40, 1);
		pkt_finish(&pkt, 0);
		assert_int_equal(vs_trace_run(dp, vs_switch_flows(vs, "s0"), vs_port_id(vs, "p0"),
					      pkt.bytes, pkt.size, true, &t),
				 0);
		vs_trace_free(t);
	}
}

static struct rte_mbuf *fragment(unsigned later, uint16_t id)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));

	ends(0);
	pkt_fragment(&pkt, later * 64, later == 0, id);
	if (later == 0)
		pkt_udp(&pkt, 1, 81);
	else
		pkt_ip_proto(&pkt, 17);
	pkt_fill(&pkt, later == 0 ? 56 : 40, 1);
	pkt_finish(&pkt, 0);
	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)pkt.size), pkt.bytes, pkt.size);
	return m;
}

/* As the flow engine gives them on when it knows the second's flow and not the first's. */
static void fragments_of_a_burst_come_in_any_order(void **unused)
{
	unsigned of_port;

	for (unsigned side = 0; side < 2; side++)
		for (unsigned first = 0; first < 2; first++) {
			struct rte_mbuf *m[2];

			nothing();
			list("open", "10 allow stateful udp from any to any port 81");
			attach("open", side == 0 ? "p0" : "p1", side == 0 ? "ingress" : "egress");
			apply();
			m[first] = fragment(0, (uint16_t)(2 * side + first));
			m[!first] = fragment(1, (uint16_t)(2 * side + first));
			assert_int_equal(dp_port_mem_inject(live(0), 0, m, 2), 2);
			n_injected += 2;
			settle();
			assert_int_equal(collect(1, 81, &of_port), 2);
		}
}

/* A list goes on counting, whatever becomes of its entries. */
static void list_counts_what_its_entries_did(void **unused)
{
	struct vs_acl_hits hits[2];

	nothing();
	list("sum", "10 deny udp to any port 81\n20 allow udp\n30 deny");
	attach("sum", "p0", "ingress");
	apply();
	assert_int_equal(udp(0, 1, 81), 0);
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(udp(0, 1, 80), 1);
	for (unsigned round = 0; round < 3; round++) {
		assert_true(vs_acl_hits(vs, "sum", hits));
		assert_int_equal(hits[VS_ACL_DENY].packets, 1);
		assert_int_equal(hits[VS_ACL_ALLOW].packets, 3);
		assert_int_equal(hits[VS_ACL_ALLOW].bytes, 3 * hits[VS_ACL_DENY].bytes);
		/* One changes, all go. */
		list("sum",
		     round == 0 ? "10 deny udp to any port 81\n20 allow tcp" : "99 deny arp");
		apply();
	}
	assert_false(vs_acl_hits(vs, "none", hits));
}

/* ---- A switch of two ports ---- */

static int start(void **unused)
{
	struct vs_opts opts = {0};
	struct err err = {0};
	cpu_set_t set;
	unsigned cpu = 0;

	sched_getaffinity(0, sizeof(set), &set);
	while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &set))
		cpu++;
	dp = test_dp_create(4095);
	opts.dp = dp;
	if (vs_create(&opts, &vs, &err) != 0 || dp_worker_add(dp, cpu, &err) != 0)
		return -1;
	dp_set_max_sleep(dp, 50);
	state = json_pack("{s{s{ss ss}} s{s{ss ss ss} s{ss ss ss}}}", "switch", "s0", "name", "s0",
			  "type", "private", "port", "p0", "name", "p0", "switch", "s0", "kind",
			  "mem", "p1", "name", "p1", "switch", "s0", "kind", "mem");
	nothing();
	apply();
	return 0;
}

static int finish(void **unused)
{
	unsigned left;

	vs_destroy(vs);
	json_decref(state);
	left = test_dp_in_use(dp);
	test_dp_destroy(dp);
	return left == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(change_loses_nothing_and_leaks_nothing),
		cmocka_unit_test(session_lets_answers_pass),
		cmocka_unit_test(error_about_a_session_passes),
		cmocka_unit_test(session_ends_with_its_entry),
		cmocka_unit_test(session_is_idle_as_long_as_its_entry_says),
		cmocka_unit_test(denied_packets_are_told),
		cmocka_unit_test(trace_names_the_entry),
		cmocka_unit_test(fragment_can_be_traced),
		cmocka_unit_test(fragments_of_a_burst_come_in_any_order),
		cmocka_unit_test(list_counts_what_its_entries_did),
		cmocka_unit_test(change_with_rules_loses_nothing_and_leaks_nothing),
		cmocka_unit_test(denied_packets_are_told), /* by a program */
		cmocka_unit_test(trace_names_the_entry),
		cmocka_unit_test(fragment_can_be_traced),
		cmocka_unit_test(fragments_of_a_burst_come_in_any_order),
		cmocka_unit_test(list_counts_what_its_entries_did),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
