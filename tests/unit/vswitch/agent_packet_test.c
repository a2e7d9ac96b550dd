/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Packets between a switch and its controllers (OpenFlow 1.3.5, 6.1.2, 7.3.7, 7.4.1): what a
 * packet-in says of a frame that came by a port, what a packet-out does with one, and buffers
 * between them.  A worker forwards; the connection is of paper.
 */
#include "tests/support/of_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include <event2/event.h>
#include <rte_mbuf.h>

#include "dataplane/dp.h"
#include "dataplane/port_mem.h"
#include "tests/support/packet.h"
#include "vswitch/groups.h"
#include "vswitch/meters.h"
#include "vswitch/of/group.h"
#include "vswitch/of/packet.h"
#include "vswitch/of/text.h"
#include "vswitch/packet_buffer.h"
#include "vswitch/punt.h"
#include "vswitch/switch_flows.h"

#define XID    0x12345678u
#define LIMIT  (1u << 20)
#define WAIT_S 10

static struct of_rig rig;
static struct wr msg;
static struct event_base *base;
static struct vs_punts *punts;
static struct pkt frame, popped;
static const struct pkt *wanted; /* what packet-ins carry */

/* 200 bytes, UDP. */
static void make_frame(uint8_t ttl)
{
	uint32_t ip;

	pkt_init(&frame);
	pkt_eth(&frame, "02:00:00:00:00:02", "02:00:00:00:00:01");
	ip = pkt_ipv4(&frame, "10.0.0.1", "10.0.0.2");
	frame.bytes[ip + 8] = ttl;
	pkt_udp(&frame, 1000, 2000);
	pkt_fill(&frame, 158, 1);
	pkt_finish(&frame, 0);
	assert_int_equal(frame.size, 200);
}

static int setup(void **state)
{
	of_rig_open(&rig, true);
	msg = wr_init(LIMIT);
	base = event_base_new();
	assert_int_equal(vs_punts_create(rig.vs, base, vs_switch_agent, &punts), 0);
	vs_wishes_default(false, &rig.ch);
	rig.agent->channels = &rig.ch;
	rig.agent->n_channels = 1;
	vs_agent_wishes_changed(rig.agent);
	make_frame(64);
	wanted = &frame;
	return 0;
}

static int teardown(void **state)
{
	rig.agent->channels = NULL;
	rig.agent->n_channels = 0;
	vs_punts_destroy(punts);
	event_base_free(base);
	wr_fini(&msg);
	of_rig_close(&rig);
	return 0;
}

/* ---- Messages ---- */

static enum of_error try_flow(uint8_t command, const char *text, uint32_t buffer_id)
{
	struct of_text_error err = {0};
	struct of_flow_mod mod;

	if (of_text_flow_parse(text, 1, command, NULL, &mod, &err) != 0)
		fail_msg("%s: %u: %s", text, err.column, err.what);
	mod.buffer_id = buffer_id;
	of_flow_mod_encode(&msg, XID, &mod);
	of_flow_mod_fini(&mod);
	return of_rig_try(&rig, &msg);
}

/* With a barrier behind it. */
static void must_flow(const char *text)
{
	struct of_header header;
	struct rd body;

	assert_int_equal(try_flow(OFPFC_ADD, text, OF_NO_BUFFER), OF_OK);
	of_msg_encode(&msg, OFPT_BARRIER_REQUEST, XID);
	of_rig_ask(&rig, &msg);
	wr_cut(&msg, 0);
	assert_true(of_rig_next(&rig, &header, &body));
	assert_int_equal(header.type, OFPT_BARRIER_REPLY);
}

static enum of_error try_out_bytes(uint32_t buffer_id, uint32_t in_port, struct of_action action,
				   const void *data, size_t size)
{
	const struct of_packet_out out = {.buffer_id = buffer_id,
					  .in_port = in_port,
					  .actions = {.v = &action, .n = 1},
					  .data = data,
					  .data_size = size};

	of_packet_out_encode(&msg, XID, &out);
	return of_rig_try(&rig, &msg);
}

static struct of_action output(uint32_t port)
{
	return (struct of_action){.type = OF_ACT_OUTPUT, .output = {.port = port}};
}

/* A packet-out that outputs to 'port'. */
static enum of_error try_out(uint32_t buffer_id, uint32_t in_port, uint32_t port)
{
	return try_out_bytes(buffer_id, in_port, output(port), frame.bytes, frame.size);
}

/* ---- Frames ---- */

static struct dp_port *port_of(unsigned number)
{
	char name[8];

	snprintf(name, sizeof(name), "p%u", number);
	return rig.vs->live[vs_port_id(rig.vs, name)].port;
}

static void receive(unsigned number)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(rig.dp, 0, false));

	assert_non_null(m);
	memcpy(rte_pktmbuf_append(m, (uint16_t)frame.size), frame.bytes, frame.size);
	assert_int_equal(dp_port_mem_inject(port_of(number), 0, &m, 1), 1);
}

static void a_moment(void)
{
	const struct timespec ms = {.tv_nsec = 1000000};

	nanosleep(&ms, NULL);
}

/* The frame comes out of this port, as it is. */
static void comes_out(unsigned number)
{
	struct rte_mbuf *m = NULL;

	for (unsigned ms = 0; dp_port_mem_collect(port_of(number), &m, 1) == 0; ms++) {
		assert_true(ms < WAIT_S * 1000);
		a_moment();
	}
	assert_int_equal(m->pkt_len, frame.size);
	assert_memory_equal(rte_pktmbuf_mtod(m, void *), frame.bytes, frame.size);
	rte_pktmbuf_free(m);
}

/* Nothing is on its way: what was given is done when vs_flows_barrier() returns. */
static void nothing_comes_out(void)
{
	struct rte_mbuf *m;

	vs_flows_barrier(rig.flows);
	for (unsigned i = 1; i <= OF_RIG_PORTS; i++)
		assert_int_equal(dp_port_mem_collect(port_of(i), &m, 1), 0);
}

/* The next packet-in; false when none comes in 'wait_ms'. */
static bool hears(struct of_packet_in *ret_in, unsigned wait_ms)
{
	struct of_header header;
	struct rd body;

	for (unsigned ms = 0; rig.at == rig.sent.size; ms++) {
		if (ms > wait_ms)
			return false;
		event_base_loop(base, EVLOOP_NONBLOCK);
		a_moment();
	}
	assert_true(of_rig_next(&rig, &header, &body));
	assert_int_equal(header.type, OFPT_PACKET_IN);
	assert_int_equal(of_packet_in_decode(&body, ret_in), OF_OK);
	assert_int_equal(ret_in->total_size, wanted->size);
	assert_memory_equal(ret_in->data, wanted->bytes, ret_in->data_size);
	return true;
}

static void must_hear(struct of_packet_in *ret_in)
{
	assert_true(hears(ret_in, WAIT_S * 1000));
}

static uint64_t field_of(const struct of_packet_in *in, enum of_field field)
{
	const struct of_oxm *oxm = of_match_find(&in->match, field);

	assert_non_null(oxm);
	return of_oxm_value(oxm);
}

/* A buffer with the frame, as a packet-in tells it. */
static uint32_t buffered(void)
{
	struct of_packet_in in;

	must_flow("table=0,priority=9,actions=controller:64");
	receive(1);
	must_hear(&in);
	assert_int_not_equal(in.buffer_id, OF_NO_BUFFER);
	return in.buffer_id;
}

/* ---- Packet-in ---- */

static void a_packet_in_says_which_rule_sent_it(void **state)
{
	struct of_packet_in in;

	must_flow("table=0,priority=5,in_port=2,actions=write_metadata:0x77/0xff,goto_table:3");
	must_flow("table=3,priority=5,cookie=0xabcdef,udp,actions=controller:65535");
	receive(2);
	must_hear(&in);
	assert_int_equal(in.reason, OFPR_ACTION);
	assert_int_equal(in.table, 3);
	assert_int_equal(in.cookie, 0xabcdef);
	assert_int_equal(field_of(&in, OF_F_IN_PORT), 2);
	assert_int_equal(field_of(&in, OF_F_METADATA), 0x77);
	assert_int_equal(in.buffer_id, OF_NO_BUFFER);
	assert_int_equal(in.data_size, frame.size);
}

static void a_table_miss_says_so(void **state)
{
	struct of_packet_in in;

	must_flow("table=0,priority=0,actions=controller:65535");
	receive(1);
	must_hear(&in);
	assert_int_equal(in.reason, OFPR_NO_MATCH);
}

static enum of_error try_meter(uint16_t command, const char *text)
{
	struct of_text_error err = {0};
	struct of_meter_mod mod;

	if (of_text_meter_parse(text, 1, command, &mod, &err) != 0)
		fail_msg("%s: %u: %s", text, err.column, err.what);
	of_meter_mod_encode(&msg, XID, &mod);
	of_meter_fini(&mod.meter);
	return of_rig_try(&rig, &msg);
}

/* So many of ten frames, all of which have their fate when this returns. */
static unsigned heard_of_ten(uint64_t *ret_dropped)
{
	const struct dp_count *c = dp_port_count(rig.dp, port_of(1)->id);
	struct of_packet_in in;
	uint64_t before;
	unsigned n = 0;

	dp_count_refresh(rig.dp);
	before = c->drops_rx[DP_DROP_CONTROLLER_METER];
	for (unsigned i = 0; i < 10; i++)
		receive(1);
	do {
		for (; hears(&in, 20); n++)
			;
		dp_count_refresh(rig.dp);
		*ret_dropped = c->drops_rx[DP_DROP_CONTROLLER_METER] - before;
	} while (n + *ret_dropped < 10);
	return n;
}

static void a_meter_holds_for_all_that_goes_to_controllers(void **state)
{
	static const char text[] =
		"meter=controller,pktps,burst,bands=type=drop,rate=1,burst_size=";
	struct of_band_counter band;
	struct dp_flow_counts counts;
	char three[100], four[100];
	struct vs_meter *meter;
	uint64_t dropped;

	snprintf(three, sizeof(three), "%s3", text);
	snprintf(four, sizeof(four), "%s4", text);
	must_flow("table=0,priority=9,actions=controller:65535");
	assert_int_equal(try_meter(OFPMC_ADD, three), OF_OK);
	assert_in_range(heard_of_ten(&dropped), 3, 5);
	meter = vs_meters_find(vs_flows_meters(rig.flows), OF_METER_CONTROLLER);
	assert_non_null(meter);
	(void)vs_meter_counts(rig.flows, meter, &counts, &band);
	assert_int_equal(counts.packets, 10);
	assert_int_equal(band.n_packets, dropped);
	assert_int_equal(try_meter(OFPMC_MODIFY, four), OF_OK);
	assert_in_range(heard_of_ten(&dropped), 4, 6);
	/* All meters are all but this one. */
	assert_int_equal(try_meter(OFPMC_DELETE, "meter=all"), OF_OK);
	assert_in_range(heard_of_ten(&dropped), 0, 3);
	assert_int_equal(try_meter(OFPMC_DELETE, "meter=controller"), OF_OK);
	assert_int_equal(heard_of_ten(&dropped), 10);
}

/* 'switch set --controller-limit' reaches the ports of a switch that has rules. */
static void the_configured_limit_holds(void **state)
{
	const struct dp_count *c = dp_port_count(rig.dp, port_of(1)->id);
	json_t *config = of_rig_state(), *sw = json_object_get(config, "switch");
	struct of_packet_in in;
	unsigned n = 0;

	json_object_set_new(json_object_get(sw, "s"), "controller_limit", json_integer(1));
	assert_int_equal(vs_apply(rig.vs, NULL, config, false, NULL), 0);
	json_decref(config);
	must_flow("table=0,priority=9,actions=controller:65535");
	for (unsigned i = 0; i < 30; i++)
		receive(1);
	do {
		for (; hears(&in, 20); n++)
			;
		dp_count_refresh(rig.dp);
	} while (n + c->drops_rx[DP_DROP_CONTROLLER_LIMIT] < 30);
	assert_in_range(n, 8, 12);
}

static void max_len_cuts_what_is_buffered(void **state)
{
	struct of_packet_in in;

	must_flow("table=0,priority=5,actions=controller:60");
	receive(1);
	must_hear(&in);
	assert_int_equal(in.data_size, 60);
	assert_int_not_equal(in.buffer_id, OF_NO_BUFFER);
	must_flow("table=0,priority=5,actions=controller:0");
	receive(1);
	must_hear(&in);
	assert_int_equal(in.data_size, 0);
	must_flow("table=0,priority=5,actions=controller:1000");
	receive(1);
	must_hear(&in);
	assert_int_equal(in.data_size, frame.size);
}

/* 'below' goes between Ethernet and IP; 42 bytes and what is below. */
static void make_small(struct pkt *p, bool below)
{
	pkt_init(p);
	pkt_eth(p, "02:00:00:00:00:02", "02:00:00:00:00:01");
	if (below)
		pkt_mpls(p, 0x8847, 5 << 12 | 1 << 8 | 64);
	pkt_ipv4(p, "10.0.0.1", "10.0.0.2");
	pkt_udp(p, 1000, 2000);
	pkt_fill(p, 14, 1);
	pkt_finish(p, 0);
}

static void what_a_pop_made_too_short_is_padded(void **state)
{
	struct of_packet_in in;

	make_small(&frame, true);
	make_small(&popped, false);
	pkt_pad(&popped, 4);
	wanted = &popped;
	assert_int_equal(frame.size, 60);
	must_flow("table=0,priority=5,mpls,actions=pop_mpls:0x0800,controller:65535");
	receive(1);
	must_hear(&in);
	assert_int_equal(in.data_size, 60);
}

/* As long as nobody asks, workers do not even copy it (7.2.5.9). */
static void an_invalid_ttl_is_told_to_who_wants_it(void **state)
{
	struct of_async async = rig.ch.async;
	struct of_packet_in in;

	make_frame(1);
	must_flow("table=0,priority=5,cookie=0x99,ip,actions=dec_ttl,output:2");
	receive(1);
	must_hear(&in);
	assert_int_equal(in.reason, OFPR_INVALID_TTL);
	assert_int_equal(in.cookie, 0x99);
	assert_int_equal(in.data_size, 128); /* miss_send_len */

	async.packet_in[0] = 1u << OFPR_NO_MATCH | 1u << OFPR_ACTION;
	of_async_encode(&msg, OFPT_SET_ASYNC, XID, &async);
	assert_int_equal(of_rig_try(&rig, &msg), OF_OK);
	receive(1);
	assert_false(hears(&in, 100));
	nothing_comes_out();
}

static void each_connection_gets_as_much_of_it_as_it_said(void **state)
{
	struct vs_channel all = {.agent = rig.agent, .role = OFPCR_ROLE_EQUAL, .up = true},
			  some = {.agent = rig.agent, .role = OFPCR_ROLE_EQUAL, .up = true};
	struct of_config config = {.miss_send_len = 77};
	struct of_packet_in in;

	of_config_encode(&msg, OFPT_SET_CONFIG, XID, &config);
	assert_int_equal(of_rig_try(&rig, &msg), OF_OK);
	vs_wishes_default(false, &all);
	vs_wishes_default(false, &some);
	all.miss_send_len = OF_MAX_LEN_ALL;
	rig.ch.next = &all;
	all.next = &some;
	make_frame(1);
	must_flow("table=0,priority=5,ip,actions=dec_ttl,output:2");
	receive(1);
	must_hear(&in);
	assert_int_equal(in.data_size, 77);
	assert_int_not_equal(in.buffer_id, OF_NO_BUFFER);
	must_hear(&in);
	assert_int_equal(in.data_size, frame.size);
	assert_int_equal(in.buffer_id, OF_NO_BUFFER);
	must_hear(&in);
	assert_int_equal(in.data_size, 128);
	assert_int_not_equal(in.buffer_id, OF_NO_BUFFER);
	/* When all want all of it there is nothing to keep. */
	rig.ch.miss_send_len = some.miss_send_len = OF_MAX_LEN_ALL;
	receive(1);
	for (unsigned i = 0; i < 3; i++) {
		must_hear(&in);
		assert_int_equal(in.data_size, frame.size);
		assert_int_equal(in.buffer_id, OF_NO_BUFFER);
	}
	rig.ch.next = NULL;
}

static void ports_of(uint16_t from)
{
	pkt_init(&frame);
	pkt_eth(&frame, "02:00:00:00:00:02", "02:00:00:00:00:01");
	pkt_ipv4(&frame, "10.0.0.1", "10.0.0.2");
	pkt_udp(&frame, from, 2000);
	pkt_fill(&frame, 158, 1);
	pkt_finish(&frame, 0);
}

/* 6.3.5: packets by auxiliary connections, all else by the main one, whose role and wishes hold. */
static void packets_are_spread_over_auxiliary_connections(void **state)
{
	struct vs_channel aux[3] = {0};
	struct of_packet_in in;
	unsigned n[3] = {0};
	struct vs_channel *asks = &aux[2];
	struct of_header header;
	struct of_features features;
	struct rd body;

	for (unsigned i = 0; i < 3; i++) {
		aux[i] = (struct vs_channel){.agent = rig.agent,
					     .main = &rig.ch,
					     .aux_id = (uint8_t)(i + 1),
					     .up = true,
					     .next = rig.ch.aux};
		rig.ch.aux = &aux[i];
	}
	must_flow("table=0,priority=5,actions=controller:65535");
	for (uint16_t i = 0; i < 30; i++) {
		const struct vs_channel *by;

		ports_of((uint16_t)(1000 + i));
		receive(1);
		must_hear(&in);
		by = rig.by;
		assert_in_range(by - aux, 0, 2);
		n[by - aux]++;
		receive(2);
		must_hear(&in);
		assert_ptr_equal(rig.by, by);
	}
	assert_true(n[0] > 2 && n[1] > 2 && n[2] > 2);
	/* An answer goes the way of its question. */
	of_msg_encode(&msg, OFPT_FEATURES_REQUEST, XID);
	assert_int_equal(of_header_decode(msg.bytes, msg.size, &header), OF_OK);
	wr_cut(&rig.sent, 0);
	rig.at = 0;
	vs_agent_message(rig.agent, asks, &header, msg.bytes);
	wr_cut(&msg, 0);
	assert_ptr_equal(rig.by, asks);
	assert_true(of_rig_next(&rig, &header, &body));
	assert_int_equal(of_features_decode(&body, &features), OF_OK);
	assert_int_equal(features.auxiliary_id, 3);
	/* What one asks for holds for all. */
	of_role_encode(&msg, OFPT_ROLE_REQUEST, XID, &(struct of_role){.role = OFPCR_ROLE_SLAVE});
	assert_int_equal(of_header_decode(msg.bytes, msg.size, &header), OF_OK);
	vs_agent_message(rig.agent, asks, &header, msg.bytes);
	wr_cut(&msg, 0);
	assert_int_equal(rig.ch.role, OFPCR_ROLE_SLAVE);
	wr_cut(&rig.sent, 0);
	rig.at = 0;
	receive(1);
	assert_false(hears(&in, 100));
	rig.ch.aux = NULL;
}

static void a_slave_hears_of_no_packets(void **state)
{
	struct of_packet_in in;

	must_flow("table=0,priority=5,actions=controller:65535");
	rig.ch.role = OFPCR_ROLE_SLAVE;
	vs_agent_wishes_changed(rig.agent);
	receive(1);
	assert_false(hears(&in, 100));
}

/* ---- Packet-out ---- */

static void a_packet_out_goes_where_it_says(void **state)
{
	assert_int_equal(try_out(OF_NO_BUFFER, OFPP_CONTROLLER, 3), OF_OK);
	comes_out(3);
	assert_int_equal(try_out(OF_NO_BUFFER, 1, OFPP_FLOOD), OF_OK);
	comes_out(2);
	comes_out(3);
	comes_out(4);
	nothing_comes_out();
	/* Not back by which it came, unless asked for (7.2.5). */
	assert_int_equal(try_out(OF_NO_BUFFER, 1, 1), OF_OK);
	nothing_comes_out();
	assert_int_equal(try_out(OF_NO_BUFFER, 1, OFPP_IN_PORT), OF_OK);
	comes_out(1);
}

static void a_packet_out_may_go_through_the_tables(void **state)
{
	must_flow("table=0,priority=5,in_port=2,actions=output:4");
	must_flow("table=0,priority=5,in_port=CONTROLLER,actions=output:3");
	assert_int_equal(try_out(OF_NO_BUFFER, 2, OFPP_TABLE), OF_OK);
	comes_out(4);
	assert_int_equal(try_out(OF_NO_BUFFER, OFPP_CONTROLLER, OFPP_TABLE), OF_OK);
	comes_out(3);
	nothing_comes_out();
}

static void must_group(const char *text)
{
	struct of_text_error err = {0};
	struct of_group_mod mod;

	if (of_text_group_parse(text, 1, OFPGC_ADD, NULL, &mod, &err) != 0)
		fail_msg("%s: %u: %s", text, err.column, err.what);
	of_group_mod_encode(&msg, XID, &mod);
	of_group_fini(&mod.group);
	assert_int_equal(of_rig_try(&rig, &msg), OF_OK);
}

static uint64_t group_counted(uint32_t id)
{
	const struct vs_groups *groups = vs_flows_groups(rig.flows);
	struct of_bucket_counter buckets[4];
	struct dp_flow_counts counts;

	(void)vs_group_counts(rig.flows, vs_groups_now(groups, id), &counts, buckets);
	return counts.packets;
}

/* Groups count what comes to them, also of what the switch is told to send. */
static void a_packet_out_that_ends_is_not_counted_behind(void **state)
{
	struct of_action group = {.type = OF_ACT_GROUP, .group = 1};

	must_group("group_id=2,type=all,bucket=actions=output:2");
	must_group("group_id=3,type=all,bucket=actions=output:3");
	must_group("group_id=1,type=all,bucket=actions=dec_ttl,group:2,bucket=actions=group:3");
	make_frame(1);
	assert_int_equal(try_out_bytes(OF_NO_BUFFER, 1, group, frame.bytes, frame.size), OF_OK);
	comes_out(3);
	nothing_comes_out();
	assert_int_equal(group_counted(1), 1);
	assert_int_equal(group_counted(2), 0);
	assert_int_equal(group_counted(3), 1);
}

static void wrong_packet_outs_are_refused(void **state)
{
	struct of_action group = {.type = OF_ACT_GROUP, .group = 77};

	assert_int_equal(try_out(OF_NO_BUFFER, 99, 1), OFPBRC_BAD_PORT);
	assert_int_equal(try_out(OF_NO_BUFFER, OFPP_FLOOD, 1), OFPBRC_BAD_PORT);
	assert_int_equal(try_out(OF_NO_BUFFER, 0, 1), OFPBRC_BAD_PORT);
	assert_int_equal(try_out(OF_NO_BUFFER, 1, 0), OFPBAC_BAD_OUT_PORT);
	assert_int_equal(try_out(OF_NO_BUFFER, 1, OFPP_ANY), OFPBAC_BAD_OUT_PORT);
	assert_int_equal(try_out_bytes(OF_NO_BUFFER, 1, group, frame.bytes, frame.size),
			 OFPBAC_BAD_OUT_GROUP);
	assert_int_equal(try_out_bytes(OF_NO_BUFFER, 1, output(2), frame.bytes, 13),
			 OFPBRC_BAD_PACKET);
	assert_int_equal(try_out_bytes(OF_NO_BUFFER, 1, output(2), NULL, 0), OFPBRC_BAD_PACKET);
	of_msg_encode(&msg, OFPT_PACKET_OUT, XID);
	assert_int_equal(of_rig_try(&rig, &msg), OFPBRC_BAD_LEN);
	rig.ch.role = OFPCR_ROLE_SLAVE;
	assert_int_equal(try_out(OF_NO_BUFFER, 1, 2), OFPBRC_IS_SLAVE);
	nothing_comes_out();
}

/* ---- Buffers ---- */

static void a_buffer_is_sent_once(void **state)
{
	uint32_t id = buffered();

	assert_int_equal(try_out(id + 1, 1, 2), OFPBRC_BUFFER_UNKNOWN);
	/* What is refused leaves it there. */
	assert_int_equal(try_out(id, 1, 0), OFPBAC_BAD_OUT_PORT);
	assert_int_equal(try_out(id, 99, 2), OFPBRC_BAD_PORT);
	assert_int_equal(try_out(id, 1, 2), OF_OK);
	comes_out(2);
	assert_int_equal(try_out(id, 1, 2), OFPBRC_BUFFER_EMPTY);
	nothing_comes_out();
}

static void a_flow_mod_takes_its_buffer_through_the_tables(void **state)
{
	uint32_t id = buffered();

	assert_int_equal(try_flow(OFPFC_ADD, "priority=10,in_port=1,actions=output:3", id + 9),
			 OFPBRC_BUFFER_UNKNOWN);
	assert_int_equal(vs_flows_n(rig.flows, 0), 1);
	assert_int_equal(try_flow(OFPFC_ADD, "priority=10,in_port=1,actions=output:0", id),
			 OFPBAC_BAD_OUT_PORT);
	assert_int_equal(try_flow(OFPFC_ADD, "priority=10,in_port=1,actions=output:3", id), OF_OK);
	comes_out(3);
	assert_int_equal(try_flow(OFPFC_ADD, "priority=10,in_port=1,actions=output:3", id),
			 OFPBRC_BUFFER_EMPTY);
	nothing_comes_out();
}

static void a_delete_leaves_buffers_alone(void **state)
{
	uint32_t id = buffered();

	assert_int_equal(try_flow(OFPFC_DELETE, "in_port=4", id), OF_OK);
	assert_int_equal(try_out(id, 1, 2), OF_OK);
	comes_out(2);
}

static void features_tell_how_many_buffers(void **state)
{
	struct of_features f;
	struct of_header header;
	struct rd body;

	of_msg_encode(&msg, OFPT_FEATURES_REQUEST, XID);
	of_rig_ask(&rig, &msg);
	wr_cut(&msg, 0);
	assert_true(of_rig_next(&rig, &header, &body));
	assert_int_equal(of_features_decode(&body, &f), OF_OK);
	assert_int_equal(f.n_buffers, VS_PACKET_BUFFERS);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_packet_in_says_which_rule_sent_it),
		TEST(a_table_miss_says_so),
		TEST(a_meter_holds_for_all_that_goes_to_controllers),
		TEST(the_configured_limit_holds),
		TEST(max_len_cuts_what_is_buffered),
		TEST(what_a_pop_made_too_short_is_padded),
		TEST(an_invalid_ttl_is_told_to_who_wants_it),
		TEST(each_connection_gets_as_much_of_it_as_it_said),
		TEST(packets_are_spread_over_auxiliary_connections),
		TEST(a_slave_hears_of_no_packets),
		TEST(a_packet_out_goes_where_it_says),
		TEST(a_packet_out_may_go_through_the_tables),
		TEST(a_packet_out_that_ends_is_not_counted_behind),
		TEST(wrong_packet_outs_are_refused),
		TEST(a_buffer_is_sent_once),
		TEST(a_flow_mod_takes_its_buffer_through_the_tables),
		TEST(a_delete_leaves_buffers_alone),
		TEST(features_tell_how_many_buffers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
