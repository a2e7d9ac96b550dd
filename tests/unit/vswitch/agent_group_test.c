/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Groups and meters as a controller meets them (OpenFlow 1.3.5, A.3.4.2, A.3.4.4, A.3.5.9 to
 * A.3.5.14), over a connection of paper, with a worker that carries frames: what is read back, what
 * is counted, what a link that goes down does.
 */
#include "tests/support/of_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "dataplane/dp.h"
#include "dataplane/port_mem.h"
#include "tests/support/packet.h"
#include "vswitch/groups.h"
#include "vswitch/meters.h"
#include "vswitch/of/multipart.h"
#include "vswitch/of/text.h"
#include "vswitch/switch_flows.h"

#define XID   0x12345678u
#define LIMIT (8u << 20)

static struct of_rig rig;
static struct wr msg;
static uint64_t n_injected;

static int setup(void **state)
{
	of_rig_open(&rig, true);
	msg = wr_init(LIMIT);
	n_injected = 0;
	/* Links are up from the first look on. */
	dp_tick(rig.dp);
	vs_tick(rig.vs);
	return 0;
}

static int teardown(void **state)
{
	wr_fini(&msg);
	of_rig_close(&rig);
	return 0;
}

static enum of_error try(void)
{
	return of_rig_try(&rig, &msg);
}

static struct rd ask(uint8_t type)
{
	struct of_header header;
	struct rd body;

	of_rig_ask(&rig, &msg);
	wr_cut(&msg, 0);
	assert_true(of_rig_next(&rig, &header, &body));
	assert_int_equal(header.type, type);
	return body;
}

/* The body of a reply, which is one message. */
static struct rd ask_mp(uint16_t type, const uint32_t *id)
{
	const struct of_mp mp = {.type = type};
	size_t at = of_mp_begin(&msg, OFPT_MULTIPART_REQUEST, XID, &mp);
	struct of_mp reply;
	struct rd body;

	if (id != NULL)
		of_mp_id_encode(&msg, *id);
	of_msg_end(&msg, at);
	body = ask(OFPT_MULTIPART_REPLY);
	assert_int_equal(of_mp_decode(&body, &reply), OF_OK);
	assert_int_equal(reply.type, type);
	assert_int_equal(reply.flags, 0);
	return body;
}

static enum of_error try_mp(uint16_t type, uint32_t id)
{
	const struct of_mp mp = {.type = type};
	size_t at = of_mp_begin(&msg, OFPT_MULTIPART_REQUEST, XID, &mp);

	of_mp_id_encode(&msg, id);
	of_msg_end(&msg, at);
	return try();
}

static enum of_error try_flow(uint8_t command, const char *text)
{
	struct of_text_error err = {0};
	struct of_flow_mod mod;

	if (of_text_flow_parse(text, 1, command, NULL, &mod, &err) != 0)
		fail_msg("%s: %u: %s", text, err.column, err.what);
	of_flow_mod_encode(&msg, XID, &mod);
	of_flow_mod_fini(&mod);
	return try();
}

static void flow(const char *text)
{
	assert_int_equal(try_flow(OFPFC_ADD, text), OF_OK);
}

static enum of_error try_group(uint16_t command, const char *text)
{
	struct of_text_error err = {0};
	struct of_group_mod mod;

	if (of_text_group_parse(text, 1, command, NULL, &mod, &err) != 0)
		fail_msg("%s: %u: %s", text, err.column, err.what);
	of_group_mod_encode(&msg, XID, &mod);
	of_group_fini(&mod.group);
	return try();
}

static void group(uint16_t command, const char *text)
{
	assert_int_equal(try_group(command, text), OF_OK);
}

static enum of_error try_meter(uint16_t command, const char *text)
{
	struct of_text_error err = {0};
	struct of_meter_mod mod;

	if (of_text_meter_parse(text, 1, command, &mod, &err) != 0)
		fail_msg("%s: %u: %s", text, err.column, err.what);
	of_meter_mod_encode(&msg, XID, &mod);
	of_meter_fini(&mod.meter);
	return try();
}

static void meter(uint16_t command, const char *text)
{
	assert_int_equal(try_meter(command, text), OF_OK);
}

/* ---- Frames ---- */

static struct dp_port *port(const char *name)
{
	return rig.vs->live[vs_port_id(rig.vs, name)].port;
}

static void settle(void)
{
	for (int i = 0; i < 100000; i++) {
		const struct dp_count *t = dp_total_count(rig.dp);

		dp_count_refresh(rig.dp);
		if (t->rx_packets == n_injected && t->forwarded == t->offered)
			return;
		nanosleep(&(struct timespec){0, 20000}, NULL);
	}
	fail_msg("the worker did not take the frames");
}

/* 'n' frames into p1, from UDP port 'from' on. */
static void inject(const struct pkt *p, unsigned n)
{
	vs_flows_barrier(rig.flows);
	for (unsigned i = 0; i < n; i++) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(rig.dp, 0, false));

		assert_non_null(m);
		memcpy(rte_pktmbuf_append(m, (uint16_t)p->size), p->bytes, p->size);
		assert_int_equal(dp_port_mem_inject(port("p1"), 0, &m, 1), 1);
		n_injected++;
	}
	settle();
}

static void udp(struct pkt *p, uint16_t from)
{
	pkt_init(p);
	pkt_eth(p, "02:00:00:00:00:02", "02:00:00:00:00:01");
	pkt_ipv4(p, "10.0.0.1", "10.0.0.2");
	pkt_udp(p, from, 9);
	pkt_fill(p, 100, 1);
	pkt_finish(p, 0);
}

static void send(unsigned n)
{
	static struct pkt p;

	udp(&p, 7);
	inject(&p, n);
}

static unsigned received(const char *name, uint8_t *ret_last)
{
	struct rte_mbuf *m;
	unsigned n = 0;

	for (; dp_port_mem_collect(port(name), &m, 1) == 1; n++) {
		if (ret_last != NULL)
			memcpy(ret_last, rte_pktmbuf_mtod(m, const uint8_t *), 64);
		rte_pktmbuf_free(m);
	}
	return n;
}

/* ---- Groups ---- */

static void group_is_read_back_as_it_was_set(void **state)
{
	static const char *const texts[] = {
		("group_id=0,type=select,bucket=weight:3,actions=output:1,"
		 "bucket=watch_port:2,actions=output:2"),
		"group_id=7,type=ff,bucket=watch_port:1,watch_group:0,actions=group:0",
		"group_id=8,type=all,bucket=actions=push_vlan:0x8100,output:3",
	};
	struct of_group got;
	struct wr text = wr_init(LIMIT);
	struct rd body;

	for (unsigned i = 0; i < 3; i++)
		group(OFPGC_ADD, texts[i]);
	body = ask_mp(OFPMP_GROUP_DESC, NULL);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(of_group_desc_decode(&body, &got), OF_OK);
		wr_cut(&text, 0);
		of_text_group_print(&text, &got, NULL);
		wr_u8(&text, 0);
		assert_string_equal((const char *)text.bytes, texts[i]);
		of_group_fini(&got);
	}
	assert_int_equal(body.left, 0);
	wr_fini(&text);
}

static struct of_group_stats group_stats(uint32_t id, struct of_bucket_counter *buckets)
{
	struct rd body = ask_mp(OFPMP_GROUP, &id);
	struct of_group_stats stats;

	assert_int_equal(of_group_stats_decode(&body, buckets, 8, &stats), OF_OK);
	assert_int_equal(body.left, 0);
	assert_int_equal(stats.id, id);
	return stats;
}

static void groups_and_buckets_count(void **state)
{
	struct of_bucket_counter buckets[8];
	struct of_group_stats stats;
	uint32_t none = 9;

	group(OFPGC_ADD, "group_id=1,type=all,bucket=actions=output:2,"
			 "bucket=actions=mod_nw_tos:4,output:3");
	flow("in_port=1,actions=group:1");
	flow("in_port=2,actions=group:1,group:1");
	send(10);
	assert_int_equal(received("p2", NULL), 10);
	assert_int_equal(received("p3", NULL), 10);
	stats = group_stats(1, buckets);
	assert_int_equal(stats.n_packets, 10);
	assert_int_equal(stats.n_bytes, 10 * 142);
	assert_int_equal(stats.n_buckets, 2);
	assert_int_equal(buckets[0].n_packets, 10);
	assert_int_equal(buckets[1].n_bytes, 10 * 142);
	assert_int_equal(stats.n_references, 3);
	assert_int_equal(ask_mp(OFPMP_GROUP, &none).left, 0);
	/* A modified group counts anew. */
	group(OFPGC_MODIFY, "group_id=1,type=indirect,bucket=actions=output:4");
	send(3);
	assert_int_equal(received("p4", NULL), 3);
	assert_int_equal(group_stats(1, buckets).n_packets, 3);
}

static void group_errors_reach_the_controller(void **state)
{
	assert_int_equal(try_group(OFPGC_MODIFY, "group_id=1,type=all"), OFPGMFC_UNKNOWN_GROUP);
	assert_int_equal(try_flow(OFPFC_ADD, "actions=group:1"), OFPBAC_BAD_OUT_GROUP);
	group(OFPGC_ADD, "group_id=1,type=all");
	assert_int_equal(try_group(OFPGC_ADD, "group_id=1,type=all"), OFPGMFC_GROUP_EXISTS);
	assert_int_equal(try_mp(OFPMP_GROUP, 0xfffffff0), OFPGMFC_INVALID_GROUP);
	rig.ch.role = OFPCR_ROLE_SLAVE;
	assert_int_equal(try_group(OFPGC_ADD, "group_id=2,type=all"), OFPBRC_IS_SLAVE);
}

static void group_features_say_what_there_is(void **state)
{
	struct rd body = ask_mp(OFPMP_GROUP_FEATURES, NULL);
	struct of_group_features f;

	assert_int_equal(of_group_features_decode(&body, &f), OF_OK);
	assert_int_equal(f.types, 0xf);
	assert_int_equal(f.capabilities, 0xf);
	assert_int_equal(f.max_groups[OFPGT_FF], VS_MAX_GROUPS);
	assert_true((f.actions[OFPGT_ALL] >> OF_ACT_GROUP & 1) != 0);
	assert_true((f.actions[OFPGT_ALL] >> OF_ACT_OUTPUT & 1) != 0);
}

static void changes_of_one_bucket_are_in_no_other_copy(void **state)
{
	uint8_t bytes[64];

	group(OFPGC_ADD, "group_id=1,type=all,bucket=actions=mod_nw_tos:4,output:2,"
			 "bucket=actions=push_vlan:0x8100,set_field:5->vlan_vid,IN_PORT,"
			 "bucket=actions=mod_dl_dst:02:00:00:00:00:09,output:3,"
			 "bucket=actions=output:1");
	flow("ip,in_port=1,actions=group:1,output:4");
	send(1);
	assert_int_equal(received("p2", bytes), 1);
	assert_int_equal(bytes[15], 4);
	assert_int_equal(received("p3", bytes), 1);
	assert_int_equal(bytes[5], 9);
	assert_int_equal(bytes[15], 0);
	/* What comes back by the port it came by is dropped, but when it says IN_PORT. */
	assert_int_equal(received("p1", bytes), 0);
	assert_int_equal(received("p4", bytes), 1);
	assert_int_equal(bytes[5], 2);
	assert_int_equal(bytes[15], 0);
}

static void select_keeps_a_flow_and_spreads_many(void **state)
{
	unsigned n[2] = {0};
	static struct pkt p;

	group(OFPGC_ADD, "group_id=1,type=select,bucket=actions=output:2,bucket=actions=output:3");
	flow("in_port=1,actions=group:1");
	for (uint16_t i = 1; i <= 200; i++) {
		unsigned to[2];

		udp(&p, i);
		inject(&p, 3);
		to[0] = received("p2", NULL);
		to[1] = received("p3", NULL);
		assert_true((to[0] == 3 && to[1] == 0) || (to[0] == 0 && to[1] == 3));
		n[0] += to[0] / 3;
		n[1] += to[1] / 3;
	}
	assert_in_range(n[0], 60, 140);
}

static void link_that_goes_down_fails_over_and_back(void **state)
{
	group(OFPGC_ADD, "group_id=1,type=ff,bucket=watch_port:2,actions=output:2,"
			 "bucket=watch_port:3,actions=output:3");
	flow("in_port=1,actions=group:1");
	send(5);
	assert_int_equal(received("p2", NULL), 5);
	dp_port_mem_set_link(port("p2"), false);
	/* One tick is all it takes. */
	dp_tick(rig.dp);
	vs_tick(rig.vs);
	send(5);
	assert_int_equal(received("p2", NULL), 0);
	assert_int_equal(received("p3", NULL), 5);
	dp_port_mem_set_link(port("p2"), true);
	dp_tick(rig.dp);
	vs_tick(rig.vs);
	send(5);
	assert_int_equal(received("p2", NULL), 5);
}

/* ---- Meters ---- */

static void meter_is_read_back_as_it_was_set(void **state)
{
	static const char *const texts[] = {
		"meter=1,pktps,bands=type=drop,rate=1000",
		("meter=2,kbps,burst,stats,bands=type=drop,rate=1000,burst_size=50,"
		 "type=dscp_remark,rate=500,burst_size=20,prec_level=1"),
		"meter=3,kbps",
		"meter=controller,pktps,bands=type=drop,rate=100",
	};
	struct wr text = wr_init(LIMIT);
	uint32_t all = OF_METER_ALL;
	struct of_meter got;
	struct rd body;

	for (unsigned i = 0; i < 4; i++)
		meter(OFPMC_ADD, texts[i]);
	body = ask_mp(OFPMP_METER_CONFIG, &all);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(of_meter_config_decode(&body, &got), OF_OK);
		wr_cut(&text, 0);
		of_text_meter_print(&text, &got);
		wr_u8(&text, 0);
		assert_string_equal((const char *)text.bytes, texts[i]);
		of_meter_fini(&got);
	}
	assert_int_equal(body.left, 0);
	wr_fini(&text);
}

static void meter_errors_reach_the_controller(void **state)
{
	struct of_meter_mod mod = {.command = OFPMC_ADD, .meter = {.id = OF_METER_SLOWPATH}};
	const struct of_band band = {.type = OFPMBT_DROP, .rate = 1};

	assert_int_equal(try_meter(OFPMC_MODIFY, "meter=1,kbps"), OFPMMFC_UNKNOWN_METER);
	meter(OFPMC_ADD, "meter=1,kbps");
	assert_int_equal(try_meter(OFPMC_ADD, "meter=1,kbps"), OFPMMFC_METER_EXISTS);
	assert_int_equal(try_meter(OFPMC_ADD, "meter=2,kbps,bands=type=drop,rate=0"),
			 OFPMMFC_BAD_RATE);
	assert_int_equal(try_flow(OFPFC_ADD, "actions=meter:2,output:2"), OFPMMFC_INVALID_METER);
	assert_int_equal(try_mp(OFPMP_METER, 2), OFPMMFC_UNKNOWN_METER);
	assert_int_equal(try_mp(OFPMP_METER_CONFIG, 2), OFPMMFC_UNKNOWN_METER);
	meter(OFPMC_DELETE, "meter=2");
	of_meter_mod_encode(&msg, XID, &mod);
	assert_int_equal(try(), OFPMMFC_INVALID_METER);
	assert_int_equal(try_meter(OFPMC_ADD, "meter=controller,kbps,bands=type=dscp_remark,rate=1,"
					      "prec_level=1"),
			 OFPMMFC_BAD_BAND);
	assert_int_equal(try_meter(OFPMC_MODIFY, "meter=controller,kbps"), OFPMMFC_UNKNOWN_METER);
	mod.meter.id = 9;
	for (unsigned i = 0; i <= DP_METER_BANDS; i++)
		assert_true(of_meter_add_band(&mod.meter, &band));
	of_meter_mod_encode(&msg, XID, &mod);
	assert_int_equal(try(), OFPMMFC_OUT_OF_BANDS);
	of_meter_fini(&mod.meter);
	rig.ch.role = OFPCR_ROLE_SLAVE;
	assert_int_equal(try_meter(OFPMC_ADD, "meter=3,kbps"), OFPBRC_IS_SLAVE);
}

static void meter_features_say_what_there_is(void **state)
{
	struct rd body = ask_mp(OFPMP_METER_FEATURES, NULL);
	struct of_meter_features f;

	assert_int_equal(of_meter_features_decode(&body, &f), OF_OK);
	assert_int_equal(f.max_meters, VS_MAX_METERS);
	assert_int_equal(f.band_types, 1 << OFPMBT_DROP | 1 << OFPMBT_DSCP_REMARK);
	assert_int_equal(f.max_bands, DP_METER_BANDS);
}

static struct of_meter_stats meter_stats(uint32_t id, struct of_band_counter *bands)
{
	struct rd body = ask_mp(OFPMP_METER, &id);
	struct of_meter_stats stats;

	assert_int_equal(of_meter_stats_decode(&body, bands, 8, &stats), OF_OK);
	assert_int_equal(body.left, 0);
	return stats;
}

static void band_drops_what_is_over_and_counts_it(void **state)
{
	struct of_band_counter bands[8];
	struct of_meter_stats stats;

	meter(OFPMC_ADD, "meter=1,pktps,burst,bands=type=drop,rate=1,burst_size=20");
	flow("in_port=1,actions=meter:1,output:2");
	send(50);
	/* One more a second, and this takes less than ten. */
	assert_in_range(received("p2", NULL), 20, 30);
	stats = meter_stats(1, bands);
	assert_int_equal(stats.n_packets, 50);
	assert_int_equal(stats.n_bytes, 50 * 142);
	assert_int_equal(stats.n_flows, 1);
	assert_in_range(bands[0].n_packets, 20, 30);
	dp_count_refresh(rig.dp);
	assert_int_equal(dp_port_count(rig.dp, vs_port_id(rig.vs, "p1"))->drops_rx[DP_DROP_METER],
			 bands[0].n_packets);
}

static uint64_t matched(uint8_t table)
{
	struct vs_table_counts counts;

	vs_flows_table_counts(rig.flows, table, &counts);
	assert_int_equal(counts.lookups, counts.matches);
	return counts.matches;
}

static void tables_behind_count_what_comes_there(void **state)
{
	struct of_band_counter bands[8];
	unsigned passed;

	meter(OFPMC_ADD, "meter=1,pktps,burst,bands=type=drop,rate=1,burst_size=20");
	flow("in_port=1,actions=meter:1,goto_table:1");
	flow("table=1,actions=output:2");
	send(50);
	passed = received("p2", NULL);
	assert_in_range(passed, 20, 30);
	assert_int_equal(meter_stats(1, bands).n_packets, 50);
	assert_int_equal(matched(0), 50);
	assert_int_equal(matched(1), passed);
}

static void modified_meter_goes_on_with_its_rules(void **state)
{
	struct of_band_counter bands[8];

	meter(OFPMC_ADD, "meter=1,pktps,burst,bands=type=drop,rate=1,burst_size=20");
	flow("in_port=1,actions=meter:1,output:2");
	send(25);
	(void)received("p2", NULL);
	meter(OFPMC_MODIFY, "meter=1,pktps,burst,bands=type=drop,rate=1,burst_size=5");
	send(25);
	assert_in_range(received("p2", NULL), 5, 15);
	assert_int_equal(meter_stats(1, bands).n_packets, 50);
	vs_flows_reap(rig.flows);
	send(1);
	meter(OFPMC_MODIFY, "meter=1,pktps");
	(void)received("p2", NULL);
	send(25);
	assert_int_equal(received("p2", NULL), 25);
	assert_int_equal(meter_stats(1, bands).n_packets, 76);
}

static void deleted_meter_takes_its_rules_along(void **state)
{
	meter(OFPMC_ADD, "meter=1,pktps");
	meter(OFPMC_ADD, "meter=2,pktps");
	flow("priority=1,actions=meter:1,output:2");
	flow("priority=2,in_port=2,actions=meter:2,output:2");
	meter(OFPMC_DELETE, "meter=1");
	assert_int_equal(vs_flows_n(rig.flows, 0), 1);
	vs_flows_reap(rig.flows);
	assert_int_equal(vs_flows_n(rig.flows, 0), 1);
	send(3);
	assert_int_equal(received("p2", NULL), 0);
	/* Its number may be used again. */
	meter(OFPMC_ADD, "meter=1,pktps,burst,bands=type=drop,rate=1,burst_size=2");
	flow("priority=1,actions=meter:1,output:2");
	send(5);
	assert_in_range(received("p2", NULL), 2, 4);
	meter(OFPMC_DELETE, "");
	vs_flows_reap(rig.flows);
	assert_int_equal(vs_flows_n(rig.flows, 0), 0);
}

/* What becomes of a DSCP that is over the rate. */
static uint8_t remarked(uint8_t dscp, bool six)
{
	static struct pkt p;
	uint8_t bytes[64];

	pkt_init(&p);
	pkt_eth(&p, "02:00:00:00:00:02", "02:00:00:00:00:01");
	if (six)
		pkt_ipv6(&p, "fd00::1", "fd00::2");
	else
		pkt_ipv4(&p, "10.0.0.1", "10.0.0.2");
	pkt_udp(&p, 5, 9);
	pkt_fill(&p, 100, 1);
	if (six) {
		p.bytes[14] = (uint8_t)(0x60 | dscp >> 2);
		p.bytes[15] = (uint8_t)(dscp << 6);
	} else {
		p.bytes[15] = (uint8_t)(dscp << 2);
	}
	pkt_finish(&p, 0);
	inject(&p, 2);
	assert_int_equal(received("p2", bytes), 2);
	if (six)
		return (uint8_t)((bytes[14] << 8 | bytes[15]) >> 6 & 0x3f);
	/* The header's sum is right. */
	assert_int_equal(pkt_fold(pkt_sum(bytes + 14, 20, 0)), 0xffff);
	return bytes[15] >> 2;
}

static void dscp_gets_a_higher_drop_precedence(void **state)
{
	meter(OFPMC_ADD, "meter=1,pktps,burst,bands=type=dscp_remark,rate=1,burst_size=1,"
			 "prec_level=1");
	flow("in_port=1,actions=meter:1,output:2");
	(void)remarked(0, false); /* the bucket is empty from here on, or nearly */
	assert_int_equal(remarked(18, false), 20);
	assert_int_equal(remarked(20, true), 22);
	assert_int_equal(remarked(22, true), 22);
	/* These say no precedence. */
	assert_int_equal(remarked(0, false), 0);
	assert_int_equal(remarked(46, true), 46);
	assert_int_equal(remarked(40, false), 40);
	assert_int_equal(remarked(19, false), 19);
	meter(OFPMC_MODIFY, "meter=1,pktps,burst,bands=type=dscp_remark,rate=1,burst_size=1,"
			    "prec_level=63");
	(void)remarked(0, false);
	assert_int_equal(remarked(10, false), 14);
}

/* The rules that come behind see what the meter made of a packet, as soon as they ask. */
static void tables_behind_see_the_mark(void **state)
{
	const char *remarks = "meter=1,pktps,burst,bands=type=dscp_remark,rate=1,burst_size=1,"
			      "prec_level=1";

	meter(OFPMC_ADD, remarks);
	flow("in_port=1,actions=meter:1,write_metadata:5,write_actions(output:2),goto_table:1");
	flow("table=1,priority=1,actions=goto_table:2");
	flow("table=2,priority=1,metadata=5,actions=goto_table:3");
	flow("table=3,actions=write_metadata:0");
	(void)remarked(0, false);
	assert_int_equal(remarked(18, false), 20);
	flow("table=2,priority=9,metadata=5,ip,ip_dscp=20,actions=set_field:8->ip_dscp,goto_table:"
	     "3");
	assert_int_equal(remarked(18, false), 8);
	assert_int_equal(remarked(18, true), 20);
	assert_int_equal(remarked(10, false), 12);
	/* Rules keep their meter, whatever it does. */
	meter(OFPMC_MODIFY, "meter=1,pktps,bands=type=drop,rate=1000000");
	assert_int_equal(remarked(18, false), 18);
	assert_int_equal(remarked(20, false), 8);
	meter(OFPMC_MODIFY, remarks);
	(void)remarked(0, false);
	assert_int_equal(remarked(18, false), 8);
	/* Nobody counts them twice for that. */
	for (uint8_t table = 0; table < 4; table++)
		assert_int_equal(matched(table), n_injected);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(group_is_read_back_as_it_was_set),
		TEST(groups_and_buckets_count),
		TEST(group_errors_reach_the_controller),
		TEST(group_features_say_what_there_is),
		TEST(changes_of_one_bucket_are_in_no_other_copy),
		TEST(select_keeps_a_flow_and_spreads_many),
		TEST(link_that_goes_down_fails_over_and_back),
		TEST(meter_is_read_back_as_it_was_set),
		TEST(meter_errors_reach_the_controller),
		TEST(meter_features_say_what_there_is),
		TEST(band_drops_what_is_over_and_counts_it),
		TEST(tables_behind_count_what_comes_there),
		TEST(modified_meter_goes_on_with_its_rules),
		TEST(deleted_meter_takes_its_rules_along),
		TEST(dscp_gets_a_higher_drop_precedence),
		TEST(tables_behind_see_the_mark),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
