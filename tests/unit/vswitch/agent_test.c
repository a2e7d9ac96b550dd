/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the agent answers to each message (OpenFlow 1.3.5, appendix A), over a connection of paper:
 * right ones, and each error that it can say.
 */
#include "tests/support/of_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vswitch/of/multipart.h"
#include "vswitch/of/table.h"
#include "vswitch/of/text.h"

#define XID   0x12345678u
#define LIMIT (8u << 20)

static struct of_rig rig;
static struct wr msg;

static int setup(void **state)
{
	of_rig_open(&rig, false);
	msg = wr_init(LIMIT);
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

/* Asks with what is in 'msg'; the one answer is of this type. */
static struct rd ask(uint8_t type)
{
	struct of_header header;
	struct rd body;

	of_rig_ask(&rig, &msg);
	wr_cut(&msg, 0);
	assert_true(of_rig_next(&rig, &header, &body));
	assert_int_equal(header.type, type);
	assert_int_equal(header.xid, XID);
	return body;
}

static void flow(uint8_t command, const char *text, struct of_flow_mod *mod)
{
	struct of_text_error err = {0};

	if (of_text_flow_parse(text, 1, command, NULL, mod, &err) != 0)
		fail_msg("%s: %u: %s", text, err.column, err.what);
}

static enum of_error try_flow(uint8_t command, const char *text)
{
	struct of_flow_mod mod;

	flow(command, text, &mod);
	of_flow_mod_encode(&msg, XID, &mod);
	of_flow_mod_fini(&mod);
	return try();
}

static void must_flow(uint8_t command, const char *text)
{
	assert_int_equal(try_flow(command, text), OF_OK);
}

/* ---- Dispatch ---- */

static void unknown_versions_and_types_are_refused(void **state)
{
	of_msg_encode(&msg, OFPT_BARRIER_REQUEST, XID);
	msg.bytes[0] = 1;
	assert_int_equal(try(), OFPBRC_BAD_VERSION);
	of_msg_encode(&msg, OF_N_MSG_TYPES, XID);
	assert_int_equal(try(), OFPBRC_BAD_TYPE);
	of_msg_encode(&msg, OFPT_FEATURES_REPLY, XID);
	assert_int_equal(try(), OFPBRC_BAD_TYPE);
}

static void an_error_carries_the_request(void **state)
{
	struct of_error_msg error;
	uint8_t data[200];
	struct rd body;

	for (size_t i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)i;
	of_echo_encode(&msg, 99, XID, data, sizeof(data));
	body = ask(OFPT_ERROR);
	assert_int_equal(of_error_decode(&body, &error), OF_OK);
	assert_true(error.data_size >= 64);
	assert_memory_equal(error.data + OF_HEADER_SIZE, data, 56);
}

static void a_slave_changes_nothing(void **state)
{
	struct rd body;

	rig.ch.role = OFPCR_ROLE_SLAVE;
	assert_int_equal(try_flow(OFPFC_ADD, "actions=drop"), OFPBRC_IS_SLAVE);
	of_config_encode(&msg, OFPT_SET_CONFIG, XID, &(struct of_config){0, 0});
	assert_int_equal(try(), OFPBRC_IS_SLAVE);
	of_msg_encode(&msg, OFPT_FEATURES_REQUEST, XID);
	body = ask(OFPT_FEATURES_REPLY);
	assert_true(rd_ok(&body));
	assert_int_equal(vs_flows_n(rig.flows, 0), 0);
}

static void echo_comes_back(void **state)
{
	struct rd body;

	of_echo_encode(&msg, OFPT_ECHO_REQUEST, XID, "hello", 5);
	body = ask(OFPT_ECHO_REPLY);
	assert_int_equal(body.left, 5);
	assert_memory_equal(body.at, "hello", 5);
}

static void features_say_tables_and_id(void **state)
{
	struct of_features f;
	struct rd body;

	rig.agent->datapath_id = UINT64_C(0x1122334455667788);
	of_msg_encode(&msg, OFPT_FEATURES_REQUEST, XID);
	body = ask(OFPT_FEATURES_REPLY);
	assert_int_equal(of_features_decode(&body, &f), OF_OK);
	assert_int_equal(f.datapath_id, UINT64_C(0x1122334455667788));
	assert_int_equal(f.n_tables, 254);
	of_echo_encode(&msg, OFPT_FEATURES_REQUEST, XID, "x", 1);
	assert_int_equal(try(), OFPBRC_BAD_LEN);
}

static void configuration_is_kept(void **state)
{
	struct of_config config = {.flags = OFPC_FRAG_DROP, .miss_send_len = 77}, got;
	struct rd body;

	of_config_encode(&msg, OFPT_SET_CONFIG, XID, &config);
	assert_int_equal(try(), OF_OK);
	of_msg_encode(&msg, OFPT_GET_CONFIG_REQUEST, XID);
	body = ask(OFPT_GET_CONFIG_REPLY);
	assert_int_equal(of_config_decode(&body, &got), OF_OK);
	assert_int_equal(got.flags, OFPC_FRAG_DROP);
	assert_int_equal(got.miss_send_len, 77);
	config.flags = OFPC_FRAG_REASM;
	of_config_encode(&msg, OFPT_SET_CONFIG, XID, &config);
	assert_int_equal(try(), OFPSCFC_BAD_FLAGS);
	config.flags = 8;
	of_config_encode(&msg, OFPT_SET_CONFIG, XID, &config);
	assert_int_equal(try(), OFPSCFC_BAD_FLAGS);
	of_msg_encode(&msg, OFPT_SET_CONFIG, XID);
	assert_int_equal(try(), OFPSCFC_BAD_LEN);
	assert_int_equal(rig.ch.miss_send_len, 77);
	assert_int_equal(rig.agent->fragments, OFPC_FRAG_DROP);
}

static void barriers_are_answered(void **state)
{
	struct rd body;

	must_flow(OFPFC_ADD, "actions=drop");
	assert_true(rig.agent->unseen);
	of_msg_encode(&msg, OFPT_BARRIER_REQUEST, XID);
	body = ask(OFPT_BARRIER_REPLY);
	assert_int_equal(body.left, 0);
	assert_false(rig.agent->unseen);
	of_echo_encode(&msg, OFPT_BARRIER_REQUEST, XID, "x", 1);
	assert_int_equal(try(), OFPBRC_BAD_LEN);
}

/* ---- Flow mods ---- */

static void flow_mods_say_what_is_wrong(void **state)
{
	struct of_flow_mod mod;

	must_flow(OFPFC_ADD, "table=3,priority=7,ip,ip_dst=10.0.0.0/8,actions=output:2");
	assert_int_equal(vs_flows_n(rig.flows, 3), 1);
	assert_int_equal(try_flow(OFPFC_ADD, "table=3,priority=7,check_overlap,ip,"
					     "ip_dst=10.1.0.0/16,actions=drop"),
			 OFPFMFC_OVERLAP);
	flow(OFPFC_ADD, "actions=drop", &mod);
	mod.table = 255;
	of_flow_mod_encode(&msg, XID, &mod);
	assert_int_equal(try(), OFPFMFC_BAD_TABLE_ID);
	mod.table = 254;
	of_flow_mod_encode(&msg, XID, &mod);
	assert_int_equal(try(), OFPFMFC_BAD_TABLE_ID);
	mod.table = 0;
	mod.command = 9;
	of_flow_mod_encode(&msg, XID, &mod);
	assert_int_equal(try(), OFPFMFC_BAD_COMMAND);
	mod.command = OFPFC_ADD;
	mod.flags = 0x8000;
	of_flow_mod_encode(&msg, XID, &mod);
	assert_int_equal(try(), OFPFMFC_BAD_FLAGS);
	mod.flags = 0;
	mod.buffer_id = 5;
	of_flow_mod_encode(&msg, XID, &mod);
	assert_int_equal(try(), OFPBRC_BUFFER_UNKNOWN);
	of_flow_mod_fini(&mod);
	of_msg_encode(&msg, OFPT_FLOW_MOD, XID);
	assert_int_equal(try(), OFPBRC_BAD_LEN);
	assert_int_equal(vs_flows_n(rig.flows, 0), 0);
}

static void deletes_take_all_tables(void **state)
{
	must_flow(OFPFC_ADD, "table=0,actions=drop");
	must_flow(OFPFC_ADD, "table=253,actions=drop");
	must_flow(OFPFC_DELETE, "");
	vs_flows_reap(rig.flows);
	assert_int_equal(vs_flows_n(rig.flows, 0), 0);
	assert_int_equal(vs_flows_n(rig.flows, 253), 0);
}

/* ---- Statistics ---- */

static void ask_flows(const struct of_flow_filter *filter)
{
	const struct of_mp mp = {.type = OFPMP_FLOW};
	size_t at = of_mp_begin(&msg, OFPT_MULTIPART_REQUEST, XID, &mp);

	of_flow_filter_encode(&msg, filter);
	of_msg_end(&msg, at);
	of_rig_ask(&rig, &msg);
	wr_cut(&msg, 0);
}

static const struct of_flow_filter everything = {.table = OF_TABLE_ALL,
						 .out_port = OFPP_ANY,
						 .out_group = OF_GROUP_ANY};

/* Counts the entries of the answer; all its parts but the last say that there is more. */
static unsigned count_flows(uint64_t *ret_cookies)
{
	struct of_header header;
	unsigned n = 0;
	bool more = true;
	struct rd body;

	while (of_rig_next(&rig, &header, &body)) {
		struct of_mp mp;

		assert_true(more);
		assert_int_equal(header.type, OFPT_MULTIPART_REPLY);
		assert_int_equal(header.xid, XID);
		assert_int_equal(of_mp_decode(&body, &mp), OF_OK);
		assert_int_equal(mp.type, OFPMP_FLOW);
		more = (mp.flags & OFPMPF_MORE) != 0;
		while (body.left != 0) {
			static struct of_flow_stats s;

			assert_int_equal(of_flow_stats_decode(&body, &s), OF_OK);
			*ret_cookies += s.cookie;
			of_instrs_fini(&s.instrs);
			n++;
		}
	}
	assert_false(more);
	return n;
}

static void flows_are_read_back_as_they_were_set(void **state)
{
	static struct of_flow_stats s;
	struct of_flow_mod mod;
	struct of_header header;
	struct of_mp mp;
	struct rd body;

	flow(OFPFC_ADD,
	     "table=2,priority=9,cookie=0x55,idle_timeout=11,hard_timeout=12,send_flow_rem,tcp,"
	     "ip_src=10.0.0.0/8,tcp_dst=80,actions=set_field:02:00:00:00:00:01->eth_dst,output:3,"
	     "goto_table:7",
	     &mod);
	of_flow_mod_encode(&msg, XID, &mod);
	assert_int_equal(try(), OF_OK);
	ask_flows(&everything);
	assert_true(of_rig_next(&rig, &header, &body));
	assert_int_equal(of_mp_decode(&body, &mp), OF_OK);
	assert_int_equal(mp.flags, 0);
	assert_int_equal(of_flow_stats_decode(&body, &s), OF_OK);
	assert_int_equal(body.left, 0);
	assert_int_equal(s.table, 2);
	assert_int_equal(s.priority, 9);
	assert_int_equal(s.cookie, 0x55);
	assert_int_equal(s.idle_timeout, 11);
	assert_int_equal(s.hard_timeout, 12);
	assert_int_equal(s.flags, OFPFF_SEND_FLOW_REM);
	assert_true(of_match_equal(&s.match, &mod.match));
	assert_true(of_instrs_equal(&s.instrs, &mod.instrs));
	of_instrs_fini(&s.instrs);
	of_flow_mod_fini(&mod);
}

static void flows_are_filtered(void **state)
{
	struct of_flow_filter filter = everything;
	const struct of_oxm type = of_oxm_u64(OF_F_ETH_TYPE, 0x0806);
	uint64_t cookies = 0;

	must_flow(OFPFC_ADD, "table=1,cookie=1,arp,actions=output:1");
	must_flow(OFPFC_ADD, "table=1,cookie=2,ip,actions=output:2");
	must_flow(OFPFC_ADD, "table=5,cookie=4,actions=output:2");
	filter.table = 1;
	ask_flows(&filter);
	assert_int_equal(count_flows(&cookies), 2);
	assert_int_equal(cookies, 3);
	filter = everything;
	filter.out_port = 2;
	ask_flows(&filter);
	assert_int_equal(count_flows(&cookies), 2);
	filter = everything;
	filter.cookie = filter.cookie_mask = 4;
	ask_flows(&filter);
	assert_int_equal(count_flows(&cookies), 1);
	filter = everything;
	of_match_set(&filter.match, &type);
	ask_flows(&filter);
	assert_int_equal(count_flows(&cookies), 1);
	filter.table = 254;
	ask_flows(&filter);
	assert_int_equal(of_rig_error(&rig), OFPBRC_BAD_TABLE_ID);
}

static void add_numbered(unsigned first, unsigned n)
{
	for (unsigned i = first; i < first + n; i++) {
		char text[96];

		snprintf(text, sizeof(text), "table=%u,cookie=%u,udp,udp_dst=%u,actions=drop",
			 i % 3, i, i);
		must_flow(OFPFC_ADD, text);
	}
}

static void many_flows_come_in_pieces(void **state)
{
	uint64_t cookies = 0;

	add_numbered(1, 3000);
	ask_flows(&everything);
	assert_int_equal(count_flows(&cookies), 3000);
	assert_int_equal(cookies, 3000 * 3001 / 2);
}

/* Rules that are there all the time are told once, whatever happens to others in between. */
static void flows_may_change_between_pieces(void **state)
{
	struct of_header header;
	uint64_t cookies = 0;
	unsigned n = 0;
	struct rd rd;

	add_numbered(1, 3000);
	ask_flows(&(struct of_flow_filter){.table = 9}); /* an empty answer, to begin with */
	{
		const struct of_mp mp = {.type = OFPMP_FLOW};
		size_t at = of_mp_begin(&msg, OFPT_MULTIPART_REQUEST, XID, &mp);

		of_flow_filter_encode(&msg, &everything);
		of_msg_end(&msg, at);
	}
	wr_cut(&rig.sent, 0);
	rig.at = 0;
	rd = rd_init(msg.bytes, msg.size);
	assert_int_equal(of_header_decode(rd.at, rd.left, &header), OF_OK);
	vs_agent_message(rig.agent, &rig.ch, &header, msg.bytes);
	while (rig.ch.busy) {
		char text[96];
		size_t at = msg.size;
		struct of_flow_mod mod;

		/* Odd cookies go one after the other, even ones are modified. */
		snprintf(text, sizeof(text), "cookie=0x%x/-1", 2 * n++ + 1);
		flow(OFPFC_DELETE, text, &mod);
		vs_flows_begin(rig.flows);
		assert_int_equal(vs_flows_mod(rig.flows, &mod), OF_OK);
		vs_flows_commit(rig.flows);
		of_flow_mod_fini(&mod);
		flow(OFPFC_MODIFY, "actions=output:1", &mod);
		vs_flows_begin(rig.flows);
		assert_int_equal(vs_flows_mod(rig.flows, &mod), OF_OK);
		vs_flows_commit(rig.flows);
		of_flow_mod_fini(&mod);
		vs_flows_reap(rig.flows);
		assert_int_equal(at, msg.size);
		vs_agent_drained(rig.agent, &rig.ch);
	}
	assert_true(n > 3);
	n = count_flows(&cookies) + n;
	assert_true(n >= 3000);
	assert_true(cookies <= 3000 * 3001 / 2);
}

static void one_who_goes_in_the_middle_leaves_nothing(void **state)
{
	struct of_header header = {.version = OF_VERSION_13, .type = OFPT_MULTIPART_REQUEST};
	const struct of_mp mp = {.type = OFPMP_FLOW};
	size_t at;

	add_numbered(1, 3000);
	at = of_mp_begin(&msg, OFPT_MULTIPART_REQUEST, XID, &mp);
	of_flow_filter_encode(&msg, &everything);
	of_msg_end(&msg, at);
	header.size = (uint16_t)msg.size;
	vs_agent_message(rig.agent, &rig.ch, &header, msg.bytes);
	assert_true(rig.ch.busy);
	vs_agent_channel_gone(rig.agent, &rig.ch);
	assert_false(rig.ch.busy);
	wr_cut(&msg, 0);
	must_flow(OFPFC_DELETE, "");
	vs_flows_reap(rig.flows);
}

static void aggregates_count(void **state)
{
	const struct of_mp mp = {.type = OFPMP_AGGREGATE};
	struct of_aggregate a;
	struct of_mp got;
	struct rd body;
	size_t at;

	add_numbered(1, 30);
	at = of_mp_begin(&msg, OFPT_MULTIPART_REQUEST, XID, &mp);
	of_flow_filter_encode(&msg, &everything);
	of_msg_end(&msg, at);
	body = ask(OFPT_MULTIPART_REPLY);
	assert_int_equal(of_mp_decode(&body, &got), OF_OK);
	assert_int_equal(of_aggregate_decode(&body, &a), OF_OK);
	assert_int_equal(a.n_flows, 30);
	assert_int_equal(a.n_packets, 0);
}

static void tables_are_told(void **state)
{
	struct of_table_stats s;
	struct of_mp mp;
	struct rd body;

	add_numbered(1, 30);
	of_mp_request_encode(&msg, XID, OFPMP_TABLE);
	body = ask(OFPT_MULTIPART_REPLY);
	assert_int_equal(of_mp_decode(&body, &mp), OF_OK);
	for (unsigned i = 0; i < 254; i++) {
		assert_int_equal(of_table_stats_decode(&body, &s), OF_OK);
		assert_int_equal(s.table, i);
		assert_int_equal(s.n_active, i < 3 ? 10 : 0);
	}
	assert_int_equal(body.left, 0);
}

static void ports_are_told(void **state)
{
	struct of_port port;
	struct of_mp mp;
	struct rd body;

	of_mp_request_encode(&msg, XID, OFPMP_PORT_DESC);
	body = ask(OFPT_MULTIPART_REPLY);
	assert_int_equal(of_mp_decode(&body, &mp), OF_OK);
	for (unsigned i = 1; i <= OF_RIG_PORTS; i++) {
		assert_int_equal(of_port_decode(&body, &port), OF_OK);
		assert_int_equal(port.no, i);
		assert_int_equal(port.name[1], '0' + (int)i);
	}
	assert_int_equal(body.left, 0);
}

static enum of_error ask_port_stats(uint32_t no, unsigned n)
{
	const struct of_mp mp = {.type = OFPMP_PORT_STATS};
	size_t at = of_mp_begin(&msg, OFPT_MULTIPART_REQUEST, XID, &mp);
	struct of_port_stats s;
	struct of_mp got;
	struct rd body;

	of_port_request_encode(&msg, no);
	of_msg_end(&msg, at);
	if (n == 0)
		return try();
	body = ask(OFPT_MULTIPART_REPLY);
	assert_int_equal(of_mp_decode(&body, &got), OF_OK);
	for (unsigned i = 0; i < n; i++) {
		assert_int_equal(of_port_stats_decode(&body, &s), OF_OK);
		assert_int_equal(s.no, no == OFPP_ANY ? i + 1 : no);
		assert_int_equal(s.rx_packets, 0);
	}
	assert_int_equal(body.left, 0);
	return OF_OK;
}

static void ports_are_counted(void **state)
{
	assert_int_equal(ask_port_stats(OFPP_ANY, OF_RIG_PORTS), OF_OK);
	assert_int_equal(ask_port_stats(3, 1), OF_OK);
	assert_int_equal(ask_port_stats(99, 0), OFPBRC_BAD_PORT);
}

/* ---- Multipart ---- */

static void multipart_types_are_checked(void **state)
{
	of_mp_request_encode(&msg, XID, 77);
	assert_int_equal(try(), OFPBRC_BAD_MULTIPART);
	of_mp_request_encode(&msg, XID, OFPMP_EXPERIMENTER);
	assert_int_equal(try(), OFPBRC_BAD_EXPERIMENTER);
	of_msg_encode(&msg, OFPT_MULTIPART_REQUEST, XID);
	assert_int_equal(try(), OFPBRC_BAD_LEN);
	of_mp_request_encode(&msg, XID, OFPMP_FLOW);
	assert_int_equal(try(), OFPBRC_BAD_LEN);
}

static void description_names_the_switch(void **state)
{
	static struct of_desc d;
	struct of_mp mp;
	struct rd body;

	of_mp_request_encode(&msg, XID, OFPMP_DESC);
	body = ask(OFPT_MULTIPART_REPLY);
	assert_int_equal(of_mp_decode(&body, &mp), OF_OK);
	assert_int_equal(of_desc_decode(&body, &d), OF_OK);
	assert_string_equal(d.datapath, "s");
}

static void part(uint32_t xid, uint16_t type, uint16_t flags, const void *bytes, size_t size)
{
	const struct of_mp mp = {.type = type, .flags = flags};
	size_t at = of_mp_begin(&msg, OFPT_MULTIPART_REQUEST, xid, &mp);

	wr_bytes(&msg, bytes, size);
	of_msg_end(&msg, at);
}

static void requests_may_come_in_parts(void **state)
{
	struct of_port_stats s;
	struct of_mp mp;
	struct rd body;

	part(XID, OFPMP_PORT_STATS, OFPMPF_MORE, (const uint8_t[]){0, 0, 0, 2}, 4);
	assert_int_equal(try(), OF_OK);
	part(XID, OFPMP_PORT_STATS, 0, (const uint8_t[]){0, 0, 0, 0}, 4);
	body = ask(OFPT_MULTIPART_REPLY);
	assert_int_equal(of_mp_decode(&body, &mp), OF_OK);
	assert_int_equal(of_port_stats_decode(&body, &s), OF_OK);
	assert_int_equal(s.no, 2);
}

static void parts_are_bounded(void **state)
{
	static const uint8_t bytes[60000];
	enum of_error error = OF_OK;
	unsigned n = 0;

	part(XID, OFPMP_PORT_STATS, OFPMPF_MORE, bytes, 4);
	assert_int_equal(try(), OF_OK);
	part(XID + 1, OFPMP_PORT_STATS, OFPMPF_MORE, bytes, 4);
	assert_int_equal(try(), OFPBRC_MULTIPART_BUFFER_OVERFLOW);
	for (; error == OF_OK && n < 1000; n++) {
		part(XID, OFPMP_PORT_STATS, OFPMPF_MORE, bytes, sizeof(bytes));
		error = try();
	}
	assert_int_equal(error, OFPBRC_MULTIPART_BUFFER_OVERFLOW);
	assert_true(n < 100);
	/* What was kept is gone. */
	part(XID + 1, OFPMP_PORT_STATS, OFPMPF_MORE, bytes, 4);
	assert_int_equal(try(), OF_OK);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(unknown_versions_and_types_are_refused),
		TEST(an_error_carries_the_request),
		TEST(a_slave_changes_nothing),
		TEST(echo_comes_back),
		TEST(features_say_tables_and_id),
		TEST(configuration_is_kept),
		TEST(barriers_are_answered),
		TEST(flow_mods_say_what_is_wrong),
		TEST(deletes_take_all_tables),
		TEST(flows_are_read_back_as_they_were_set),
		TEST(flows_are_filtered),
		TEST(many_flows_come_in_pieces),
		TEST(flows_may_change_between_pieces),
		TEST(one_who_goes_in_the_middle_leaves_nothing),
		TEST(aggregates_count),
		TEST(tables_are_told),
		TEST(ports_are_told),
		TEST(ports_are_counted),
		TEST(multipart_types_are_checked),
		TEST(description_names_the_switch),
		TEST(requests_may_come_in_parts),
		TEST(parts_are_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
