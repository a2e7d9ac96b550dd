/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the agent does about ports, tables, queues and roles (OpenFlow 1.3.5, 6.3.4, 7.3.3 to
 * 7.3.6, 7.3.9): effects, and each error.
 */
#include "tests/support/of_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/dp.h"
#include "vswitch/of/bundle.h"
#include "vswitch/of/multipart.h"
#include "vswitch/of/table.h"

#define XID   0x0badcafeu
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

/* ---- Ports ---- */

static struct of_port port_now(uint32_t no)
{
	struct of_port port = {0};
	struct of_mp mp;
	struct rd body;

	of_mp_request_encode(&msg, XID, OFPMP_PORT_DESC);
	body = ask(OFPT_MULTIPART_REPLY);
	assert_int_equal(of_mp_decode(&body, &mp), OF_OK);
	while (port.no != no)
		assert_int_equal(of_port_decode(&body, &port), OF_OK);
	return port;
}

static enum of_error port_mod(const struct of_port_mod *mod)
{
	of_port_mod_encode(&msg, XID, mod);
	return try();
}

static unsigned flags_of(uint32_t no)
{
	const struct dp_view *view = dp_view(rig.dp);
	unsigned flags = 0;

	for (unsigned i = 0; i < view->n_vports; i++)
		if (view->vports[i] != NULL && view->vports[i]->of_port == no)
			flags = view->vports[i]->flags;
	return flags;
}

static void port_mods_reach_the_dataplane(void **state)
{
	static const struct {
		uint32_t config;
		uint16_t set, unset;
	} all[] = {
		{OFPPC_PORT_DOWN, 0, DP_VP_UP},
		{OFPPC_NO_RECV, DP_VP_UP | DP_VP_NO_RECV, 0},
		{OFPPC_NO_FWD, DP_VP_UP | DP_VP_NO_FWD, DP_VP_NO_RECV},
		{OFPPC_NO_PACKET_IN, DP_VP_UP | DP_VP_NO_PACKET_IN, DP_VP_NO_FWD},
		{0, DP_VP_UP, DP_VP_NO_RECV | DP_VP_NO_FWD | DP_VP_NO_PACKET_IN},
	};
	struct of_port port = port_now(2);

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		struct of_port_mod mod = {.no = 2, .config = all[i].config, .mask = OFPPC_ALL};

		memcpy(mod.mac, port.mac, sizeof(mod.mac));
		assert_int_equal(port_mod(&mod), OF_OK);
		assert_int_equal(port_now(2).config, all[i].config);
		assert_int_equal(flags_of(2) & all[i].set, all[i].set);
		assert_int_equal(flags_of(2) & all[i].unset, 0);
		assert_int_equal(port_now(1).config, 0);
	}
}

static void port_mods_change_what_their_mask_says(void **state)
{
	struct of_port port = port_now(3);
	struct of_port_mod mod = {.no = 3, .config = OFPPC_NO_FWD, .mask = OFPPC_NO_FWD};

	memcpy(mod.mac, port.mac, sizeof(mod.mac));
	assert_int_equal(port_mod(&mod), OF_OK);
	mod.config = OFPPC_ALL;
	mod.mask = OFPPC_NO_RECV;
	assert_int_equal(port_mod(&mod), OF_OK);
	assert_int_equal(port_now(3).config, OFPPC_NO_FWD | OFPPC_NO_RECV);
}

static void port_mods_say_what_is_wrong(void **state)
{
	struct of_port port = port_now(1);
	struct of_port_mod mod = {.no = 77, .config = 0, .mask = OFPPC_NO_FWD};

	memcpy(mod.mac, port.mac, sizeof(mod.mac));
	assert_int_equal(port_mod(&mod), OFPPMFC_BAD_PORT);
	mod.no = OFPP_LOCAL;
	assert_int_equal(port_mod(&mod), OFPPMFC_BAD_PORT);
	mod.no = 1;
	mod.mac[5] ^= 1;
	assert_int_equal(port_mod(&mod), OFPPMFC_BAD_HW_ADDR);
	mod.mac[5] ^= 1;
	mod.config = 1u << 9;
	assert_int_equal(port_mod(&mod), OFPPMFC_BAD_CONFIG);
	mod.config = 0;
	mod.advertise = 1u << 20;
	assert_int_equal(port_mod(&mod), OFPPMFC_BAD_ADVERTISE);
	mod.advertise = OFPPF_1GB_FD;
	assert_int_equal(port_mod(&mod), OFPPMFC_BAD_ADVERTISE);
	of_msg_encode(&msg, OFPT_PORT_MOD, XID);
	assert_int_equal(try(), OFPBRC_BAD_LEN);
	rig.ch.role = OFPCR_ROLE_SLAVE;
	mod.advertise = 0;
	assert_int_equal(port_mod(&mod), OFPBRC_IS_SLAVE);
	assert_int_equal(port_now(1).config, 0);
}

/* ---- Tables ---- */

static enum of_error table_mod(uint8_t table, uint32_t config)
{
	of_table_mod_encode(&msg, XID, &(struct of_table_mod){table, config});
	return try();
}

/* Asks for features with what of a body is in 'entries'; reads those of 'table'. */
static void features(const struct wr *entries, unsigned table, struct of_table_features *ret)
{
	const struct of_mp mp = {.type = OFPMP_TABLE_FEATURES};
	size_t at = of_mp_begin(&msg, OFPT_MULTIPART_REQUEST, XID, &mp);
	struct of_header header;
	unsigned n = 0;
	struct rd body;

	if (entries != NULL)
		wr_bytes(&msg, entries->bytes, entries->size);
	of_msg_end(&msg, at);
	of_rig_ask(&rig, &msg);
	wr_cut(&msg, 0);
	while (of_rig_next(&rig, &header, &body)) {
		struct of_mp got;

		assert_int_equal(header.type, OFPT_MULTIPART_REPLY);
		assert_int_equal(of_mp_decode(&body, &got), OF_OK);
		while (body.left != 0) {
			struct of_table_features f;

			assert_int_equal(of_table_features_decode(&body, &f), OF_OK);
			assert_int_equal(f.table, n++);
			if (f.table == table)
				*ret = f;
		}
	}
	assert_int_equal(n, 254);
}

static enum of_error ask_features(const struct of_table_features *f, unsigned n)
{
	const struct of_mp mp = {.type = OFPMP_TABLE_FEATURES};
	size_t at = of_mp_begin(&msg, OFPT_MULTIPART_REQUEST, XID, &mp);
	struct of_header header;
	enum of_error error = OF_OK;
	struct rd body;

	for (unsigned i = 0; i < n; i++)
		of_table_features_encode(&msg, f);
	of_msg_end(&msg, at);
	of_rig_ask(&rig, &msg);
	wr_cut(&msg, 0);
	assert_true(of_rig_next(&rig, &header, &body));
	if (header.type == OFPT_ERROR) {
		struct of_error_msg e;

		assert_int_equal(of_error_decode(&body, &e), OF_OK);
		error = of_error_find(&e);
	}
	return error;
}

static void table_mods_are_kept(void **state)
{
	struct of_table_features f;

	assert_int_equal(table_mod(4, 3), OF_OK);
	assert_int_equal(table_mod(OF_TABLE_ALL, 1), OF_OK);
	features(NULL, 4, &f);
	assert_int_equal(f.config, 1);
	assert_int_equal(table_mod(254, 0), OFPTMFC_BAD_TABLE);
	assert_int_equal(table_mod(1, 8), OFPTMFC_BAD_CONFIG);
	of_msg_encode(&msg, OFPT_TABLE_MOD, XID);
	assert_int_equal(try(), OFPBRC_BAD_LEN);
}

static void table_features_say_what_works(void **state)
{
	struct of_table_features f;

	features(NULL, 7, &f);
	assert_string_equal(f.name, "table7");
	assert_true(of_bit_get(f.match, OF_F_IPV4_SRC));
	assert_true(of_bit_get(f.match_mask, OF_F_IPV4_SRC));
	assert_false(of_bit_get(f.match_mask, OF_F_IN_PORT));
	assert_true(of_bit_get(f.hit.apply_fields, OF_F_ETH_DST));
	assert_false(of_bit_get(f.hit.apply_fields, OF_F_IN_PORT));
	assert_false(of_bit_get(f.hit.next_tables, 7));
	assert_true(of_bit_get(f.hit.next_tables, 8));
	assert_true((f.hit.instrs >> OFPIT_GOTO_TABLE & 1) != 0);
	assert_true((f.hit.apply_actions >> OF_ACT_PUSH_VLAN & 1) != 0);
	features(NULL, 253, &f);
	assert_true((f.hit.instrs >> OFPIT_GOTO_TABLE & 1) == 0);
	assert_true(f.hit.next_tables[0] == 0 && f.hit.next_tables[3] == 0);
}

static void what_tables_do_may_be_asked_of_them(void **state)
{
	struct of_table_features f, got;
	struct wr entries = wr_init(LIMIT);

	features(NULL, 7, &f);
	snprintf(f.name, sizeof(f.name), "ingress");
	of_table_features_encode(&entries, &f);
	features(&entries, 7, &got);
	assert_string_equal(got.name, "ingress");
	features(NULL, 8, &got);
	assert_string_equal(got.name, "table8");
	wr_fini(&entries);
}

static void what_tables_do_not_is_refused(void **state)
{
	struct of_table_features f, bad;

	features(NULL, 7, &f);
	snprintf(f.name, sizeof(f.name), "x");
	bad = f;
	bad.table = 254;
	assert_int_equal(ask_features(&bad, 1), OFPTFFC_BAD_TABLE);
	assert_int_equal(ask_features(&f, 2), OFPTFFC_BAD_TABLE);
	bad = f;
	bad.max_entries = UINT32_MAX;
	assert_int_equal(ask_features(&bad, 1), OFPTFFC_BAD_ARGUMENT);
	bad = f;
	of_bit_set(bad.hit.next_tables, 3);
	assert_int_equal(ask_features(&bad, 1), OFPTFFC_BAD_ARGUMENT);
	bad = f;
	of_bit_set(bad.hit.apply_fields, OF_F_IN_PORT);
	assert_int_equal(ask_features(&bad, 1), OFPTFFC_BAD_ARGUMENT);
	bad = f;
	of_bit_set(bad.match_mask, OF_F_IN_PORT);
	assert_int_equal(ask_features(&bad, 1), OFPTFFC_BAD_ARGUMENT);
	features(NULL, 7, &bad);
	assert_string_equal(bad.name, "table7");
	rig.ch.role = OFPCR_ROLE_SLAVE;
	assert_int_equal(ask_features(&f, 1), OFPBRC_IS_SLAVE);
}

/* ---- Queues ---- */

static void ports_have_the_queues_that_were_added_and_no_others(void **state)
{
	struct of_mp mp = {.type = OFPMP_QUEUE};
	struct of_queue_request want = {OFPP_ANY, OF_QUEUE_ALL};
	struct rd body;
	uint32_t no;
	size_t at;

	at = of_msg_begin(&msg, OFPT_QUEUE_GET_CONFIG_REQUEST, XID);
	of_port_request_encode(&msg, 2);
	of_msg_end(&msg, at);
	body = ask(OFPT_QUEUE_GET_CONFIG_REPLY);
	assert_int_equal(of_port_request_decode(&body, &no), OF_OK);
	assert_int_equal(no, 2);
	at = of_msg_begin(&msg, OFPT_QUEUE_GET_CONFIG_REQUEST, XID);
	of_port_request_encode(&msg, 9);
	of_msg_end(&msg, at);
	assert_int_equal(try(), OFPQOFC_BAD_PORT);
	for (unsigned i = 0; i < 3; i++) {
		at = of_mp_begin(&msg, OFPT_MULTIPART_REQUEST, XID, &mp);
		of_queue_request_encode(&msg, &want);
		of_msg_end(&msg, at);
		if (i == 0) {
			body = ask(OFPT_MULTIPART_REPLY);
			assert_int_equal(body.left, 8);
			want.port = 9;
		} else if (i == 1) {
			assert_int_equal(try(), OFPQOFC_BAD_PORT);
			want = (struct of_queue_request){1, 5};
		} else {
			assert_int_equal(try(), OFPQOFC_BAD_QUEUE);
		}
	}
}

/* ---- Roles ---- */

static enum of_error ask_role(uint32_t role, uint64_t generation, struct of_role *ret)
{
	struct of_header header;
	struct of_error_msg e;
	struct rd body;

	of_role_encode(&msg, OFPT_ROLE_REQUEST, XID, &(struct of_role){role, generation});
	of_rig_ask(&rig, &msg);
	wr_cut(&msg, 0);
	assert_true(of_rig_next(&rig, &header, &body));
	if (header.type == OFPT_ROLE_REPLY)
		return of_role_decode(&body, ret);
	assert_int_equal(of_error_decode(&body, &e), OF_OK);
	return of_error_find(&e);
}

static void a_new_master_deposes_the_old(void **state)
{
	struct vs_channel other = {.role = OFPCR_ROLE_MASTER};
	struct of_role role;

	rig.ch.next = &other;
	rig.agent->channels = &rig.ch;
	assert_int_equal(ask_role(OFPCR_ROLE_NOCHANGE, 0, &role), OF_OK);
	assert_int_equal(role.role, OFPCR_ROLE_EQUAL);
	assert_int_equal(role.generation_id, UINT64_MAX);
	assert_int_equal(ask_role(OFPCR_ROLE_MASTER, 5, &role), OF_OK);
	assert_int_equal(role.role, OFPCR_ROLE_MASTER);
	assert_int_equal(role.generation_id, 5);
	assert_int_equal(other.role, OFPCR_ROLE_SLAVE);
	assert_int_equal(ask_role(OFPCR_ROLE_SLAVE, 4, &role), OFPRRFC_STALE);
	assert_int_equal(rig.ch.role, OFPCR_ROLE_MASTER);
	assert_int_equal(ask_role(9, 6, &role), OFPRRFC_BAD_ROLE);
	assert_int_equal(ask_role(OFPCR_ROLE_SLAVE, 5, &role), OF_OK);
	assert_int_equal(rig.ch.role, OFPCR_ROLE_SLAVE);
	assert_int_equal(ask_role(OFPCR_ROLE_EQUAL, 0, &role), OF_OK);
	assert_int_equal(rig.ch.role, OFPCR_ROLE_EQUAL);
	of_msg_encode(&msg, OFPT_ROLE_REQUEST, XID);
	assert_int_equal(try(), OFPBRC_BAD_LEN);
	rig.agent->channels = NULL;
}

/* Half of all numbers are older than any one. */
static void generations_wrap(void **state)
{
	struct of_role role;

	assert_int_equal(ask_role(OFPCR_ROLE_MASTER, UINT64_MAX, &role), OF_OK);
	assert_int_equal(ask_role(OFPCR_ROLE_MASTER, 3, &role), OF_OK);
	assert_int_equal(ask_role(OFPCR_ROLE_MASTER, UINT64_MAX, &role), OFPRRFC_STALE);
}

static void wishes_for_unasked_messages_are_kept(void **state)
{
	const struct of_async want = {{1, 2}, {3, 4}, {5, 6}};
	struct of_async got;
	struct rd body;

	of_async_encode(&msg, OFPT_SET_ASYNC, XID, &want);
	assert_int_equal(try(), OF_OK);
	of_msg_encode(&msg, OFPT_GET_ASYNC_REQUEST, XID);
	body = ask(OFPT_GET_ASYNC_REPLY);
	assert_int_equal(of_async_decode(&body, &got), OF_OK);
	assert_memory_equal(&got, &want, sizeof(want));
	of_msg_encode(&msg, OFPT_SET_ASYNC, XID);
	assert_int_equal(try(), OFPBRC_BAD_LEN);
	of_echo_encode(&msg, OFPT_GET_ASYNC_REQUEST, XID, "x", 1);
	assert_int_equal(try(), OFPBRC_BAD_LEN);
}

/* ---- Experimenters ---- */

static void experimenters_are_told_apart(void **state)
{
	struct of_experimenter exp = {0x1234, 5};
	struct of_nx_msg nx = {NXT_SET_PACKET_IN_FORMAT, NXPIF_STANDARD};

	of_msg_end(&msg, of_experimenter_begin(&msg, XID, &exp));
	assert_int_equal(try(), OFPBRC_BAD_EXPERIMENTER);
	exp.experimenter = OF_EXPERIMENTER_ONF;
	of_msg_end(&msg, of_experimenter_begin(&msg, XID, &exp));
	assert_int_equal(try(), OFPBRC_BAD_EXP_TYPE);
	exp.experimenter = OF_EXPERIMENTER_NICIRA;
	of_msg_end(&msg, of_experimenter_begin(&msg, XID, &exp));
	assert_int_equal(try(), OFPBRC_BAD_EXP_TYPE);
	of_nx_msg_encode(&msg, XID, &nx);
	assert_int_equal(try(), OF_OK);
	nx.value = NXPIF_NXT2;
	of_nx_msg_encode(&msg, XID, &nx);
	assert_int_equal(try(), OFPBRC_EPERM);
	nx = (struct of_nx_msg){NXT_SET_CONTROLLER_ID, 3};
	of_nx_msg_encode(&msg, XID, &nx);
	assert_int_equal(try(), OF_OK);
	of_msg_encode(&msg, OFPT_EXPERIMENTER, XID);
	assert_int_equal(try(), OFPBRC_BAD_LEN);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(port_mods_reach_the_dataplane),
		TEST(port_mods_change_what_their_mask_says),
		TEST(port_mods_say_what_is_wrong),
		TEST(table_mods_are_kept),
		TEST(table_features_say_what_works),
		TEST(what_tables_do_may_be_asked_of_them),
		TEST(what_tables_do_not_is_refused),
		TEST(ports_have_the_queues_that_were_added_and_no_others),
		TEST(a_new_master_deposes_the_old),
		TEST(generations_wrap),
		TEST(wishes_for_unasked_messages_are_kept),
		TEST(experimenters_are_told_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
