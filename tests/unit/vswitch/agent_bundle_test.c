/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Bundles (ONF extension 230): each error, order, limits, and that one that fails at any of its
 * messages leaves everything as it was.
 */
#include "tests/support/of_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "vswitch/of/bundle.h"
#include "vswitch/of/text.h"

#define XID   0x1000u
#define LIMIT (8u << 20)
#define BOTH  (OFPBF_ATOMIC | OFPBF_ORDERED)

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

static enum of_error control(uint32_t id, uint16_t type, uint16_t flags)
{
	const struct of_bundle_control want = {id, type, flags};
	struct of_bundle_control got;
	struct of_experimenter exp;
	struct of_header header;
	struct of_error_msg e;
	struct rd body;

	of_bundle_control_encode(&msg, XID, &want);
	of_rig_ask(&rig, &msg);
	wr_cut(&msg, 0);
	assert_true(of_rig_next(&rig, &header, &body));
	if (header.type == OFPT_ERROR) {
		assert_int_equal(of_error_decode(&body, &e), OF_OK);
		return of_error_find(&e);
	}
	assert_int_equal(header.type, OFPT_EXPERIMENTER);
	assert_int_equal(of_experimenter_decode(&body, &exp), OF_OK);
	assert_int_equal(of_bundle_control_decode(&body, &got), OF_OK);
	assert_int_equal(got.id, id);
	assert_int_equal(got.type, type + 1);
	return OF_OK;
}

/* Adds the message that is in 'in'. */
static enum of_error add(uint32_t id, uint16_t flags, struct wr *in)
{
	struct of_bundle_add want = {.id = id, .flags = flags, .msg = in->bytes};

	assert_int_equal(of_header_decode(in->bytes, in->size, &want.header), OF_OK);
	of_bundle_add_encode(&msg, want.header.xid, &want);
	return of_rig_try(&rig, &msg);
}

static enum of_error add_flow(uint32_t id, uint16_t flags, uint32_t xid, uint8_t command,
			      const char *text)
{
	struct of_text_error err = {0};
	struct wr in = wr_init(LIMIT);
	struct of_flow_mod mod;
	enum of_error error;

	if (of_text_flow_parse(text, 1, command, NULL, &mod, &err) != 0)
		fail_msg("%s: %u: %s", text, err.column, err.what);
	of_flow_mod_encode(&in, xid, &mod);
	of_flow_mod_fini(&mod);
	error = add(id, flags, &in);
	wr_fini(&in);
	return error;
}

static void must_add(uint8_t command, const char *text)
{
	assert_int_equal(add_flow(1, BOTH, XID, command, text), OF_OK);
}

static void all_of_it_comes_at_once(void **state)
{
	assert_int_equal(control(1, OFPBCT_OPEN_REQUEST, BOTH), OF_OK);
	must_add(OFPFC_ADD, "table=1,cookie=1,actions=output:1");
	must_add(OFPFC_ADD, "table=2,cookie=2,actions=output:1");
	assert_int_equal(vs_flows_n(rig.flows, 1), 0);
	assert_int_equal(control(1, OFPBCT_CLOSE_REQUEST, BOTH), OF_OK);
	assert_int_equal(vs_flows_n(rig.flows, 1), 0);
	assert_int_equal(control(1, OFPBCT_COMMIT_REQUEST, BOTH), OF_OK);
	assert_int_equal(vs_flows_n(rig.flows, 1), 1);
	assert_int_equal(vs_flows_n(rig.flows, 2), 1);
	assert_true(rig.agent->unseen);
	assert_int_equal(control(1, OFPBCT_COMMIT_REQUEST, BOTH), OFPBFC_BAD_ID);
}

static void order_is_kept(void **state)
{
	must_add(OFPFC_ADD, "table=1,actions=output:1");
	must_add(OFPFC_DELETE, "");
	must_add(OFPFC_ADD, "table=2,actions=output:1");
	assert_int_equal(control(1, OFPBCT_COMMIT_REQUEST, BOTH), OF_OK);
	vs_flows_reap(rig.flows);
	assert_int_equal(vs_flows_n(rig.flows, 1), 0);
	assert_int_equal(vs_flows_n(rig.flows, 2), 1);
}

static void what_is_discarded_never_was(void **state)
{
	must_add(OFPFC_ADD, "table=1,actions=output:1");
	assert_int_equal(control(1, OFPBCT_DISCARD_REQUEST, BOTH), OF_OK);
	assert_int_equal(control(1, OFPBCT_DISCARD_REQUEST, BOTH), OFPBFC_BAD_ID);
	assert_int_equal(vs_flows_n(rig.flows, 1), 0);
	must_add(OFPFC_ADD, "table=1,actions=output:1");
	vs_agent_channel_gone(rig.agent, &rig.ch);
	assert_int_equal(vs_flows_n(rig.flows, 1), 0);
	assert_null(rig.ch.bundles);
}

static void control_messages_are_checked(void **state)
{
	assert_int_equal(control(1, OFPBCT_OPEN_REQUEST, 4), OFPBFC_BAD_FLAGS);
	assert_int_equal(control(1, 8, BOTH), OFPBFC_BAD_TYPE);
	assert_int_equal(control(1, OFPBCT_OPEN_REPLY, BOTH), OFPBFC_BAD_TYPE);
	assert_int_equal(control(1, OFPBCT_CLOSE_REQUEST, BOTH), OFPBFC_BAD_ID);
	assert_int_equal(control(1, OFPBCT_COMMIT_REQUEST, BOTH), OFPBFC_BAD_ID);
	assert_int_equal(control(1, OFPBCT_OPEN_REQUEST, BOTH), OF_OK);
	assert_int_equal(control(1, OFPBCT_OPEN_REQUEST, BOTH), OFPBFC_BUNDLE_EXIST);
	assert_int_equal(control(1, OFPBCT_CLOSE_REQUEST, 0), OFPBFC_BAD_FLAGS);
	assert_int_equal(control(1, OFPBCT_CLOSE_REQUEST, BOTH), OF_OK);
	assert_int_equal(control(1, OFPBCT_CLOSE_REQUEST, BOTH), OFPBFC_BUNDLE_CLOSED);
	assert_int_equal(add_flow(1, BOTH, XID, OFPFC_ADD, "actions=drop"), OFPBFC_BUNDLE_CLOSED);
	assert_int_equal(control(1, OFPBCT_COMMIT_REQUEST, 0), OFPBFC_BAD_FLAGS);
	rig.ch.role = OFPCR_ROLE_SLAVE;
	assert_int_equal(control(1, OFPBCT_COMMIT_REQUEST, BOTH), OFPBRC_IS_SLAVE);
	assert_int_equal(add_flow(1, BOTH, XID, OFPFC_ADD, "actions=drop"), OFPBRC_IS_SLAVE);
}

static void messages_are_checked_when_they_are_added(void **state)
{
	struct wr in = wr_init(LIMIT);
	struct of_port_mod mod = {.no = 99};

	assert_int_equal(control(1, OFPBCT_OPEN_REQUEST, BOTH), OF_OK);
	assert_int_equal(add_flow(1, OFPBF_ATOMIC, XID, OFPFC_ADD, "actions=drop"),
			 OFPBFC_BAD_FLAGS);
	of_msg_encode(&in, OFPT_ECHO_REQUEST, XID);
	assert_int_equal(add(1, BOTH, &in), OFPBFC_MSG_UNSUP);
	wr_cut(&in, 0);
	of_msg_encode(&in, OFPT_FLOW_MOD, XID);
	assert_int_equal(add(1, BOTH, &in), OFPBRC_BAD_LEN);
	wr_cut(&in, 0);
	of_port_mod_encode(&in, XID, &mod);
	assert_int_equal(add(1, BOTH, &in), OFPPMFC_BAD_PORT);
	wr_cut(&in, 0);
	of_msg_encode(&in, OFPT_FLOW_MOD, XID);
	{
		struct of_bundle_add want = {.id = 1, .flags = BOTH, .msg = in.bytes};

		assert_int_equal(of_header_decode(in.bytes, in.size, &want.header), OF_OK);
		of_bundle_add_encode(&msg, XID + 1, &want);
		assert_int_equal(of_rig_try(&rig, &msg), OFPBFC_MSG_BAD_XID);
		in.bytes[3] = 200;
		of_bundle_add_encode(&msg, XID, &want);
		assert_int_equal(of_rig_try(&rig, &msg), OFPBFC_MSG_BAD_LEN);
	}
	wr_fini(&in);
	assert_int_equal(control(1, OFPBCT_COMMIT_REQUEST, BOTH), OF_OK);
}

static void bundles_are_bounded(void **state)
{
	enum of_error error = OF_OK;
	struct wr in = wr_init(LIMIT);
	uint32_t n = 0;

	while ((error = control(n, OFPBCT_OPEN_REQUEST, BOTH)) == OF_OK && n < 1000)
		n++;
	assert_int_equal(error, OFPBFC_OUT_OF_BUNDLES);
	assert_true(n >= 4);
	vs_agent_channel_gone(rig.agent, &rig.ch);
	{
		struct of_flow_mod mod = {.command = OFPFC_DELETE,
					  .out_port = OFPP_ANY,
					  .buffer_id = OF_NO_BUFFER,
					  .out_group = OF_GROUP_ANY};
		const struct of_action a = {.type = OF_ACT_OUTPUT, .output = {.port = 1}};

		while (mod.instrs.apply.n < 4000)
			assert_true(of_actions_add(&mod.instrs.apply, &a));
		of_instrs_mark(&mod.instrs, OFPIT_APPLY_ACTIONS);
		of_flow_mod_encode(&in, XID, &mod);
		of_flow_mod_fini(&mod);
	}
	for (n = 0; n < 10000 && error != OFPBFC_MSG_TOO_MANY; n++)
		error = add(1, BOTH, &in);
	assert_int_equal(error, OFPBFC_MSG_TOO_MANY);
	assert_true(n < 10000 && n > 100);
	wr_fini(&in);
}

static const char *const messages[] = {
	"table=1,cookie=1,ip,actions=output:1", "table=1,cookie=2,arp,actions=output:2",
	"table=2,cookie=3,actions=drop",	"table=9,cookie=4,ip,actions=output:1",
	"table=9,cookie=5,actions=output:4",
};
#define N_MESSAGES (sizeof(messages) / sizeof(messages[0]))

static void remember(const struct vs_rule *rule, void *arg)
{
	uint64_t *sum = arg;
	struct wr wr = wr_init(LIMIT);

	of_instrs_encode(&wr, &rule->instrs);
	for (size_t i = 0; i < wr.size; i++)
		*sum = *sum * 31 + wr.bytes[i];
	*sum = *sum * 31 + rule->cookie + rule->table + rule->priority;
	wr_fini(&wr);
}

static uint64_t everything(void)
{
	const struct of_flow_filter all = {.table = OF_TABLE_ALL,
					   .out_port = OFPP_ANY,
					   .out_group = OF_GROUP_ANY};
	uint64_t sum = 0;

	vs_flows_each(rig.flows, &all, remember, &sum);
	return sum;
}

static void one_that_fails_half_way_leaves_everything_as_it_was(void **state)
{
	uint64_t before;

	for (unsigned i = 0; i < N_MESSAGES; i++)
		must_add(OFPFC_ADD, messages[i]);
	must_add(OFPFC_ADD, "table=7,priority=5,ip,ip_dst=10.0.0.0/8,actions=drop");
	assert_int_equal(control(1, OFPBCT_COMMIT_REQUEST, BOTH), OF_OK);
	vs_flows_reap(rig.flows);
	before = everything();
	for (unsigned bad = 0; bad <= N_MESSAGES; bad++) {
		struct of_error_msg e;
		struct of_header header, failed;
		struct rd body;

		for (unsigned i = 0; i <= N_MESSAGES; i++) {
			if (i == bad)
				assert_int_equal(add_flow(1, BOTH, XID + 7, OFPFC_ADD,
							  "table=7,priority=5,check_overlap,ip,"
							  "ip_dst=10.1.0.0/16,actions=drop"),
						 OF_OK);
			if (i % 2 == 0)
				must_add(OFPFC_DELETE, i == 0 ? "table=9" : "cookie=2/-1");
			if (i < N_MESSAGES)
				must_add(i % 2 == 0 ? OFPFC_MODIFY : OFPFC_ADD, messages[i]);
		}
		/* The message that fails is named first. */
		assert_int_equal(control(1, OFPBCT_COMMIT_REQUEST, BOTH), OFPFMFC_OVERLAP);
		rig.at = 0;
		assert_true(of_rig_next(&rig, &header, &body));
		assert_int_equal(header.xid, XID + 7);
		assert_int_equal(of_error_decode(&body, &e), OF_OK);
		assert_int_equal(of_header_decode(e.data, e.data_size, &failed), OF_OK);
		assert_int_equal(failed.type, OFPT_FLOW_MOD);
		assert_true(of_rig_next(&rig, &header, &body));
		assert_int_equal(header.xid, XID);
		assert_int_equal(of_error_decode(&body, &e), OF_OK);
		assert_int_equal(of_error_find(&e), OFPBFC_MSG_FAILED);
		assert_int_equal(everything(), before);
		vs_flows_reap(rig.flows);
		assert_int_equal(everything(), before);
		assert_int_equal(control(1, OFPBCT_COMMIT_REQUEST, BOTH), OFPBFC_BAD_ID);
	}
}

static void ports_change_with_the_rules_or_not_at_all(void **state)
{
	struct vs_live *live = &rig.vs->live[vs_port_id(rig.vs, "p2")];
	struct of_port_mod mod = {.no = 2, .config = OFPPC_NO_FWD, .mask = OFPPC_NO_FWD};
	struct wr in = wr_init(LIMIT);

	memcpy(mod.mac, live->port->mac.addr_bytes, sizeof(mod.mac));
	of_port_mod_encode(&in, XID, &mod);
	assert_int_equal(add(1, BOTH, &in), OF_OK);
	must_add(OFPFC_ADD, "table=1,ip,actions=drop");
	must_add(OFPFC_ADD, "table=1,check_overlap,actions=drop");
	assert_int_equal(control(1, OFPBCT_COMMIT_REQUEST, BOTH), OFPFMFC_OVERLAP);
	assert_int_equal(live->of_config, 0);
	assert_int_equal(add(1, BOTH, &in), OF_OK);
	mod.config = OFPPC_NO_RECV;
	mod.mask = OFPPC_NO_RECV;
	wr_cut(&in, 0);
	of_port_mod_encode(&in, XID, &mod);
	assert_int_equal(add(1, BOTH, &in), OF_OK);
	must_add(OFPFC_ADD, "table=1,ip,actions=drop");
	assert_int_equal(control(1, OFPBCT_COMMIT_REQUEST, BOTH), OF_OK);
	assert_int_equal(live->of_config, OFPPC_NO_FWD | OFPPC_NO_RECV);
	assert_int_equal(vs_flows_n(rig.flows, 1), 1);
	wr_fini(&in);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(all_of_it_comes_at_once),
		TEST(order_is_kept),
		TEST(what_is_discarded_never_was),
		TEST(control_messages_are_checked),
		TEST(messages_are_checked_when_they_are_added),
		TEST(bundles_are_bounded),
		TEST(one_that_fails_half_way_leaves_everything_as_it_was),
		TEST(ports_change_with_the_rules_or_not_at_all),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
