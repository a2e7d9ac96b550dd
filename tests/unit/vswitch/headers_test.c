/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Headers that rules push and pop (OpenFlow 1.3.5, 5.12), byte for byte on a real worker: what
 * leaves, and what later tables see of what lay below.  Each frame goes twice: the second time the
 * cache answers, unless what was asked lies too deep for a key.
 */
#include "vswitch/flows.h"

#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <rte_byteorder.h>
#include <rte_mbuf.h>

#include "dataplane/dp.h"
#include "dataplane/port_mem.h"
#include "dataplane/view.h"
#include "tests/support/packet.h"
#include "tests/support/test_dp.h"
#include "vswitch/of/text.h"

#define N_PORTS	   4
#define OF_PORT(i) (1u + (i))
#define MAC_A	   "02:00:00:00:00:0a"
#define MAC_B	   "02:00:00:00:00:0b"
#define MAC_C	   "02:00:00:00:00:0c"
#define MAC_D	   "02:00:00:00:00:0d"

static struct dp *dp;
static struct dp_port *port[N_PORTS];
static struct vs_flows *flows;
static uint64_t n_received;
static struct pkt in, want;

/* ---- Rules and frames ---- */

static void mod(uint8_t command, const char *text)
{
	struct of_text_error err = {0};
	struct of_flow_mod m;
	enum of_error error;

	if (of_text_flow_parse(text, 1, command, NULL, &m, &err) != 0)
		fail_msg("%s: %u: %s", text, err.column, err.what);
	vs_flows_begin(flows);
	error = vs_flows_mod(flows, &m);
	of_flow_mod_fini(&m);
	if (error != OF_OK)
		fail_msg("%s: %s", text, of_error_text(error));
	vs_flows_commit(flows);
}

/* These and no others; the list ends with NULL. */
static void rules_are(const char *const *texts)
{
	mod(OFPFC_DELETE, "");
	for (; *texts != NULL; texts++)
		mod(OFPFC_ADD, *texts);
	vs_flows_reap(flows);
}
#define RULES(...) rules_are((const char *const[]){__VA_ARGS__, NULL})

static void settle(void)
{
	for (int i = 0; i < 100000; i++) {
		const struct dp_count *t = dp_total_count(dp);

		dp_count_refresh(dp);
		if (t->rx_packets == n_received && t->forwarded == t->offered)
			return;
		nanosleep(&(struct timespec){0, 20000}, NULL);
	}
	fail_msg("the worker did not take the frame");
}

static void inject(const struct pkt *p)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)p->size), p->bytes, p->size);
	assert_int_equal(dp_port_mem_inject(port[0], 0, &m, 1), 1);
	n_received++;
	settle();
}

static void expect_frame(struct rte_mbuf *m, const struct pkt *p)
{
	assert_int_equal(m->pkt_len, p->size);
	for (uint32_t i = 0; i < p->size; i++)
		if (rte_pktmbuf_mtod(m, const uint8_t *)[i] != p->bytes[i])
			fail_msg("byte %u is %02x, not %02x", i,
				 rte_pktmbuf_mtod(m, const uint8_t *)[i], p->bytes[i]);
}

/* 'in' comes by port 1 and leaves as 'want' by port 'of_port' and no other; 0: by none. */
static void leaves_by(unsigned of_port)
{
	for (unsigned again = 0; again < 2; again++) {
		inject(&in);
		for (unsigned i = 0; i < N_PORTS; i++) {
			struct rte_mbuf *m;
			bool is_there = dp_port_mem_collect(port[i], &m, 1) == 1;

			if (is_there != (OF_PORT(i) == of_port))
				fail_msg("port %u, not %u", OF_PORT(i), of_port);
			if (!is_there)
				continue;
			expect_frame(m, &want);
			rte_pktmbuf_free(m);
		}
	}
}

static void eth(struct pkt *p, const char *dst, const char *src)
{
	pkt_init(p);
	pkt_eth(p, dst, src);
}

/* What all these frames carry; 'last' tells them apart. */
static void body(struct pkt *p, const char *dst, uint8_t ttl)
{
	p->bytes[pkt_ipv4(p, "10.0.0.1", dst) + 8] = ttl;
	pkt_udp(p, 1000, 2000);
	pkt_fill(p, 40, 1);
	pkt_finish(p, 0);
}

static void both_body(void)
{
	body(&in, "10.0.0.2", 64);
	body(&want, "10.0.0.2", 64);
}

/* ---- Tags ---- */

static void inner_tag_is_seen_after_the_outer_is_popped(void **state)
{
	RULES("table=0,vlan_vid=0x1005,actions=pop_vlan,goto_table:1",
	      "table=1,priority=3,vlan_vid=0x1006,vlan_pcp=2,actions=output:2",
	      "table=1,priority=2,vlan_vid=0x1000/0x1000,actions=output:3",
	      "table=1,priority=1,actions=output:4");
	for (uint16_t inner = 5; inner < 9; inner++) {
		eth(&in, MAC_B, MAC_A);
		pkt_vlan(&in, 0x8100, 0xe005);
		eth(&want, MAC_B, MAC_A);
		if (inner != 8)
			pkt_vlan(&in, 0x8100, (uint16_t)(2 << 13 | inner));
		if (inner != 8)
			pkt_vlan(&want, 0x8100, (uint16_t)(2 << 13 | inner));
		both_body();
		leaves_by(inner == 6 ? 2 : inner == 8 ? 4 : 3);
	}
}

static void third_tag_and_what_is_behind_it_are_seen_in_their_turn(void **state)
{
	RULES("table=0,vlan_vid=0x1005,actions=pop_vlan,goto_table:1",
	      "table=1,vlan_vid=0x1006,actions=pop_vlan,goto_table:2",
	      "table=2,priority=2,vlan_vid=0x1007,eth_type=0x0800,nw_dst=10.0.0.2,actions=output:2",
	      "table=2,priority=1,actions=output:3");
	for (unsigned last = 2; last < 4; last++) {
		eth(&in, MAC_B, MAC_A);
		for (uint16_t vid = 5; vid < 8; vid++)
			pkt_vlan(&in, 0x8100, vid);
		eth(&want, MAC_B, MAC_A);
		pkt_vlan(&want, 0x8100, 7);
		body(&in, last == 2 ? "10.0.0.2" : "10.0.0.3", 64);
		body(&want, last == 2 ? "10.0.0.2" : "10.0.0.3", 64);
		leaves_by(last);
	}
}

static void pushed_tag_is_a_copy_and_covers_the_other(void **state)
{
	RULES("table=0,vlan_vid=0x1005,actions=push_vlan:0x88a8,goto_table:1",
	      "table=1,vlan_vid=0x1005,vlan_pcp=3,actions=set_field:0x1009->vlan_vid,goto_table:2",
	      "table=2,vlan_vid=0x1009,actions=output:2");
	eth(&in, MAC_B, MAC_A);
	pkt_vlan(&in, 0x8100, 3 << 13 | 5);
	eth(&want, MAC_B, MAC_A);
	pkt_vlan(&want, 0x88a8, 3 << 13 | 9);
	pkt_vlan(&want, 0x8100, 3 << 13 | 5);
	both_body();
	leaves_by(2);
}

static void tag_without_vlan_leaves_by_a_trunk(void **state)
{
	RULES("table=0,vlan_vid=0,actions=push_vlan:0x8100,set_field:5->vlan_pcp,output:2");
	eth(&in, MAC_B, MAC_A);
	eth(&want, MAC_B, MAC_A);
	pkt_vlan(&want, 0x8100, 5 << 13);
	both_body();
	leaves_by(2);
}

static void frame_that_became_too_short_is_padded(void **state)
{
	static uint8_t noise[60];

	memset(noise, 0xee, sizeof(noise));
	RULES("table=0,vlan_vid=0x1005,actions=pop_vlan,output:2");
	for (uint32_t size = 59; size < 66; size++) {
		eth(&in, MAC_B, MAC_A);
		pkt_vlan(&in, 0x8100, 5);
		pkt_payload(&in, noise, size - 18);
		eth(&want, MAC_B, MAC_A);
		pkt_payload(&want, noise, size - 18);
		if (size >= 60 && size < 64)
			pkt_pad(&want, 64 - size);
		memset(want.bytes + size - 4, 0, 64);
		leaves_by(2);
	}
}

/* ---- MPLS ---- */

static void entry(struct pkt *p, uint32_t label, bool is_bottom, uint8_t ttl)
{
	pkt_mpls(p, 0x8847, label << 12 | 1 << 9 | (uint32_t)is_bottom << 8 | ttl);
}

static void new_entry_has_the_values_of_what_it_covers(void **state)
{
	uint32_t off;

	RULES("table=0,actions=push_mpls:0x8847,goto_table:1",
	      "table=1,priority=2,eth_type=0x8847,mpls_label=0,mpls_tc=0,mpls_bos=1,actions=output:"
	      "2",
	      "table=1,priority=1,eth_type=0x8847,mpls_label=7,mpls_tc=1,mpls_bos=0,actions=output:"
	      "3");
	eth(&in, MAC_B, MAC_A);
	eth(&want, MAC_B, MAC_A);
	pkt_mpls(&want, 0x8847, 0x100 | 64);
	both_body();
	leaves_by(2);
	eth(&in, MAC_B, MAC_A);
	eth(&want, MAC_B, MAC_A);
	pkt_mpls(&want, 0x8847, 0x100 | 33);
	in.bytes[off = pkt_ipv6(&in, "fd00::1", "fd00::2") + 7] = 33;
	want.bytes[pkt_ipv6(&want, "fd00::1", "fd00::2") + 7] = in.bytes[off];
	leaves_by(2);
	eth(&in, MAC_B, MAC_A);
	pkt_arp(&in, 1, "10.0.0.1", "10.0.0.2");
	eth(&want, MAC_B, MAC_A);
	pkt_mpls(&want, 0x8847, 0x100);
	pkt_arp(&want, 1, "10.0.0.1", "10.0.0.2");
	leaves_by(2);
	eth(&in, MAC_B, MAC_A);
	entry(&in, 7, true, 9);
	eth(&want, MAC_B, MAC_A);
	entry(&want, 7, false, 9);
	entry(&want, 7, true, 9);
	both_body();
	leaves_by(3);
}

static void labels_are_seen_one_after_the_other(void **state)
{
	RULES("table=0,eth_type=0x8847,mpls_label=1,mpls_bos=0,actions=pop_mpls:0x8847,goto_table:"
	      "1",
	      "table=1,priority=2,eth_type=0x8847,mpls_label=2,mpls_bos=1,"
	      "actions=pop_mpls:0x0800,goto_table:4",
	      "table=1,priority=1,eth_type=0x8847,mpls_label=2,mpls_bos=0,"
	      "actions=pop_mpls:0x8847,goto_table:2",
	      "table=2,eth_type=0x8847,mpls_label=3,actions=pop_mpls:0x8847,goto_table:3",
	      "table=3,eth_type=0x8847,mpls_label=4,actions=pop_mpls:0x0800,goto_table:4",
	      "table=4,priority=2,eth_type=0x0800,nw_dst=10.0.0.2,actions=output:2",
	      "table=4,priority=1,eth_type=0x0800,nw_dst=10.0.0.3,udp,tp_dst=2000,actions=output:"
	      "3");
	for (uint32_t depth = 2; depth <= 4; depth += 2) {
		for (unsigned last = 2; last < 4; last++) {
			eth(&in, MAC_B, MAC_A);
			for (uint32_t i = 1; i <= depth; i++)
				entry(&in, i, i == depth, 9);
			body(&in, last == 2 ? "10.0.0.2" : "10.0.0.3", 64);
			eth(&want, MAC_B, MAC_A);
			body(&want, last == 2 ? "10.0.0.2" : "10.0.0.3", 64);
			leaves_by(last);
		}
	}
}

static void what_a_pop_names_is_what_there_is(void **state)
{
	RULES("table=0,eth_type=0x8847,actions=pop_mpls:0x86dd,goto_table:1",
	      "table=1,priority=2,eth_type=0x86dd,ip_proto=17,actions=output:2",
	      "table=1,priority=1,eth_type=0x86dd,actions=set_field:0x0800->eth_type,goto_table:2",
	      "table=2,eth_type=0x0800,nw_dst=10.0.0.2,actions=output:3");
	eth(&in, MAC_B, MAC_A);
	entry(&in, 7, true, 9);
	eth(&want, MAC_B, MAC_A);
	both_body();
	leaves_by(3);
}

static void ttl_goes_in_and_out(void **state)
{
	RULES("table=0,in_port=1,eth_type=0x8847,mpls_label=1,actions=copy_ttl_in,output:2",
	      "table=0,in_port=1,eth_type=0x8847,mpls_label=2,actions=copy_ttl_out,output:2",
	      "table=0,in_port=1,eth_type=0x8847,mpls_label=3,actions=dec_mpls_ttl,output:2",
	      "table=0,in_port=1,eth_type=0x8847,mpls_label=4,actions=set_mpls_ttl:200,output:2");
	for (uint32_t label = 1; label <= 4; label++) {
		static const uint8_t outer[] = {9, 64, 8, 200}, inner[] = {9, 64, 64, 64};

		eth(&in, MAC_B, MAC_A);
		entry(&in, label, true, 9);
		body(&in, "10.0.0.2", 64);
		eth(&want, MAC_B, MAC_A);
		entry(&want, label, true, outer[label - 1]);
		body(&want, "10.0.0.2", inner[label - 1]);
		leaves_by(2);
	}
	eth(&in, MAC_B, MAC_A);
	entry(&in, 3, true, 1);
	body(&in, "10.0.0.2", 64);
	leaves_by(0);
}

/* ---- Provider backbone bridges ---- */

static void customers_header_is_seen_after_the_pop(void **state)
{
	RULES("table=0,eth_type=0x88e7,pbb_isid=77,eth_dst=" MAC_B ",actions=pop_pbb,goto_table:1",
	      "table=1,priority=3,eth_dst=" MAC_C ",vlan_vid=0x1006,eth_type=0x0800,"
	      "nw_dst=10.0.0.2,actions=set_field:" MAC_A "->eth_dst,output:2",
	      "table=1,priority=2,eth_dst=" MAC_C ",vlan_vid=0,actions=output:3",
	      "table=1,priority=1,eth_dst=" MAC_D ",actions=output:4");
	for (unsigned i = 2; i < 5; i++) {
		eth(&in, MAC_B, MAC_A);
		pkt_pbb(&in, 77);
		pkt_eth(&in, i == 4 ? MAC_D : MAC_C, MAC_D);
		eth(&want, i == 2 ? MAC_A : i == 4 ? MAC_D : MAC_C, MAC_D);
		if (i == 2)
			pkt_vlan(&in, 0x8100, 6);
		if (i == 2)
			pkt_vlan(&want, 0x8100, 6);
		both_body();
		leaves_by(i);
	}
}

static void backbone_in_a_backbone_is_seen_to_its_end(void **state)
{
	RULES("table=0,eth_type=0x88e7,pbb_isid=77,actions=pop_pbb,goto_table:1",
	      "table=1,eth_type=0x88e7,pbb_isid=78,eth_dst=" MAC_C ",actions=pop_pbb,goto_table:2",
	      "table=2,eth_type=0x0800,eth_dst=" MAC_D ",nw_dst=10.0.0.2,actions=output:2");
	eth(&in, MAC_B, MAC_A);
	pkt_pbb(&in, 77);
	pkt_eth(&in, MAC_C, MAC_A);
	pkt_pbb(&in, 78);
	pkt_eth(&in, MAC_D, MAC_A);
	eth(&want, MAC_D, MAC_A);
	both_body();
	leaves_by(2);
}

static void new_itag_has_the_values_of_what_it_covers(void **state)
{
	RULES("table=0,actions=push_pbb:0x88e7,goto_table:1",
	      "table=1,priority=2,vlan_vid=0,eth_type=0x88e7,pbb_isid=0,actions=output:2",
	      "table=1,priority=1,vlan_vid=0,eth_type=0x88e7,pbb_isid=77,actions=output:3");
	eth(&in, MAC_B, MAC_A);
	pkt_vlan(&in, 0x8100, 5 << 13 | 6);
	eth(&want, MAC_B, MAC_A);
	pkt_pbb(&want, 5u << 29);
	pkt_eth(&want, MAC_B, MAC_A);
	pkt_vlan(&want, 0x8100, 5 << 13 | 6);
	both_body();
	leaves_by(2);
	eth(&in, MAC_B, MAC_A);
	pkt_pbb(&in, 77);
	pkt_eth(&in, MAC_C, MAC_D);
	eth(&want, MAC_B, MAC_A);
	pkt_pbb(&want, 77);
	pkt_eth(&want, MAC_B, MAC_A);
	pkt_pbb(&want, 77);
	pkt_eth(&want, MAC_C, MAC_D);
	both_body();
	leaves_by(3);
}

static void headers_pushed_are_popped_and_the_frame_is_as_before(void **state)
{
	RULES("table=0,vlan_vid=0x1006,eth_type=0x0800,"
	      "actions=push_mpls:0x8847,push_pbb:0x88e7,goto_table:1",
	      "table=1,eth_type=0x88e7,vlan_vid=0,actions=pop_pbb,goto_table:2",
	      "table=2,eth_type=0x8847,vlan_vid=0x1006,actions=pop_mpls:0x0800,pop_vlan,goto_table:"
	      "3",
	      "table=3,eth_type=0x0800,vlan_vid=0,eth_dst=" MAC_B
	      ",nw_dst=10.0.0.2,actions=output:2");
	eth(&in, MAC_B, MAC_A);
	pkt_vlan(&in, 0x8100, 6);
	eth(&want, MAC_B, MAC_A);
	both_body();
	leaves_by(2);
}

/* ---- The action set ---- */

static void set_pops_before_it_pushes_and_writes(void **state)
{
	RULES("table=0,eth_type=0x8847,actions=write_actions(push_vlan:0x8100,"
	      "set_field:0x1007->vlan_vid,pop_mpls:0x0800,output:2),goto_table:1",
	      "table=1,eth_type=0x8847,mpls_label=7,actions=write_actions(set_field:" MAC_C
	      "->eth_dst)");
	eth(&in, MAC_B, MAC_A);
	entry(&in, 7, true, 9);
	eth(&want, MAC_C, MAC_A);
	pkt_vlan(&want, 0x8100, 7);
	both_body();
	leaves_by(2);
}

/* What one table knew of a packet may no longer be so when the set is executed. */
static void field_of_a_header_that_is_gone_is_not_written(void **state)
{
	RULES("table=0,eth_type=0x0800,ip_proto=17,actions=write_actions(set_field:9->udp_src,"
	      "output:2),goto_table:1",
	      "table=1,actions=set_field:0x0806->eth_type");
	eth(&in, MAC_B, MAC_A);
	eth(&want, MAC_B, MAC_A);
	both_body();
	pkt_set16(&want, 12, 0x0806);
	leaves_by(2);
}

/* ---- A switch of four trunks ---- */

static void view_destroy(struct dp_view *view)
{
	for (unsigned i = 0; i < N_PORTS; i++)
		free(view->vports[i]);
	free(view->domains[0]);
	free(view);
}

static struct dp_vport *vport_make(unsigned i, bool with_port)
{
	struct dp_vport *v = aligned_alloc(64, sizeof(*v));

	*v = (struct dp_vport){.port = with_port ? port[i] : NULL,
			       .id = (uint16_t)i,
			       .flags = DP_VP_UP | DP_VP_FLOOD | DP_VP_FLOOD_GROUP |
					DP_VP_UNTAGGED_IN | DP_VP_TAGGED_IN | DP_VP_TAG_OUT,
			       .tpid_out = rte_cpu_to_be_16(0x8100),
			       .max_frame = 1514,
			       .of_port = (uint16_t)OF_PORT(i),
			       .pipeline = with_port ? vs_flows_pipeline(flows) : NULL};
	memset(v->vlan_in, 0xff, sizeof(v->vlan_in));
	memset(v->vlan_out, 0xff, sizeof(v->vlan_out));
	return v;
}

static void publish(bool with_ports)
{
	static const uint16_t all_ports[N_PORTS] = {0, 1, 2, 3};
	struct dp_view *view = calloc(1, sizeof(*view));
	struct err err = {0};

	*view = (struct dp_view){.n_vports = N_PORTS, .n_domains = 1, .destroy = view_destroy};
	for (unsigned i = 0; i < N_PORTS; i++)
		view->vports[i] = vport_make(i, with_ports);
	view->domains[0] = calloc(1, sizeof(*view->domains[0]));
	*view->domains[0] = (struct dp_domain){.n_ports = N_PORTS, .ports = all_ports};
	if (dp_view_publish(dp, view, &err) != 0)
		fail_msg("%s", err.what);
}

static int start(void **state)
{
	static const char *const names[N_PORTS] = {"p0", "p1", "p2", "p3"};
	struct err err = {0};
	cpu_set_t cpus;
	unsigned cpu = 0;

	sched_getaffinity(0, sizeof(cpus), &cpus);
	while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &cpus))
		cpu++;
	dp = test_dp_create(2047);
	for (unsigned i = 0; i < N_PORTS; i++) {
		struct dp_port_opts opts = {.name = names[i],
					    .kind = "mem",
					    .netns_fd = -1,
					    .n_queues = 1};

		if (dp_port_open(dp, &opts, &port[i], &err) != 0)
			return -1;
	}
	dp_set_max_sleep(dp, 50);
	if (dp_worker_add(dp, cpu, &err) != 0 || vs_flows_create(dp, NULL, NULL, &flows) != 0)
		return -1;
	for (unsigned i = 0; i < N_PORTS; i++)
		vs_flows_port(flows, OF_PORT(i), (uint16_t)i);
	publish(true);
	return 0;
}

static int finish(void **state)
{
	unsigned left;

	publish(false);
	for (unsigned i = 0; i < N_PORTS; i++)
		dp_port_close(port[i]);
	vs_flows_destroy(flows);
	left = test_dp_in_use(dp);
	test_dp_destroy(dp);
	return left == 0 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(inner_tag_is_seen_after_the_outer_is_popped),
		cmocka_unit_test(third_tag_and_what_is_behind_it_are_seen_in_their_turn),
		cmocka_unit_test(pushed_tag_is_a_copy_and_covers_the_other),
		cmocka_unit_test(tag_without_vlan_leaves_by_a_trunk),
		cmocka_unit_test(frame_that_became_too_short_is_padded),
		cmocka_unit_test(new_entry_has_the_values_of_what_it_covers),
		cmocka_unit_test(labels_are_seen_one_after_the_other),
		cmocka_unit_test(what_a_pop_names_is_what_there_is),
		cmocka_unit_test(ttl_goes_in_and_out),
		cmocka_unit_test(customers_header_is_seen_after_the_pop),
		cmocka_unit_test(backbone_in_a_backbone_is_seen_to_its_end),
		cmocka_unit_test(new_itag_has_the_values_of_what_it_covers),
		cmocka_unit_test(headers_pushed_are_popped_and_the_frame_is_as_before),
		cmocka_unit_test(set_pops_before_it_pushes_and_writes),
		cmocka_unit_test(field_of_a_header_that_is_gone_is_not_written),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
