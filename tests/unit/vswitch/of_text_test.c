/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The flow syntax: what is read, what is refused and where, and the way back.
 */
#include "vswitch/of/text.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ctl/base/wire.h"
#include "tests/support/of_gen.h"

static bool port_number(void *arg, const char *name, size_t size, uint32_t *ret_port)
{
	if (size == 9 && memcmp(name, "web1/nic0", 9) == 0) {
		*ret_port = 9;
		return true;
	}
	if (size != 4 || memcmp(name, "lan", 3) != 0)
		return false;
	*ret_port = (uint32_t)(name[3] - '0');
	return true;
}

static const char *port_name(void *arg, uint32_t port)
{
	return port == 7 ? "lan7" : port == 8 ? "8th" : port == 9 ? "web1/nic0" : NULL;
}

static const struct of_text_ports ports = {.number = port_number, .name = port_name};

static struct of_flow_mod must_parse(const char *text, uint8_t command)
{
	struct of_text_error err = {0};
	struct of_flow_mod mod;

	if (of_text_flow_parse(text, 1, command, &ports, &mod, &err) != 0)
		fail_msg("%s: %u: %s", text, err.column, err.what);
	return mod;
}

/* The text printed, in memory of its own. */
static char *print_flow(const struct of_flow_mod *mod)
{
	struct wr wr = wr_init(1 << 20);

	of_text_flow_print(&wr, mod, &ports);
	wr_u8(&wr, 0);
	assert_true(wr_ok(&wr));
	return (char *)wr.bytes;
}

/* 'text' is read and printed as 'printed'. */
static void assert_prints(const char *text, const char *printed)
{
	struct of_flow_mod mod = must_parse(text, OFPFC_ADD);
	char *again = print_flow(&mod);

	assert_string_equal(again, printed);
	free(again);
	of_flow_mod_fini(&mod);
}

static void assert_refused(const char *text, unsigned column, const char *what)
{
	struct of_text_error err = {0};
	struct of_flow_mod mod;

	assert_int_equal(of_text_flow_parse(text, 3, OFPFC_ADD, &ports, &mod, &err), -EINVAL);
	assert_int_equal(err.line, 3);
	if (err.column != column || strstr(err.what, what) == NULL)
		fail_msg("%s: %u: %s", text, err.column, err.what);
}

static void flows_are_printed_as_they_are_known(void **state)
{
	assert_prints("actions=drop", "actions=drop");
	assert_prints("actions=", "actions=drop");
	assert_prints("tcp , nw_dst=10.0.0.0/255.0.0.0 ,tp_dst=80 actions=lan7, output:lan8,5",
		      "tcp,nw_dst=10.0.0.0/8,tcp_dst=80 "
		      "actions=output:lan7,output:8,output:5");
	assert_prints("tp_dst=80,udp,actions=NORMAL", "udp,udp_dst=80 actions=NORMAL");
	assert_prints("priority=32768,dl_vlan=5,dl_vlan_pcp=3 actions=strip_vlan,normal",
		      "dl_vlan=5,dl_vlan_pcp=3 actions=pop_vlan,NORMAL");
	assert_prints("in_port=lan7,ct_state=+trk-new,actions=ct(table=1)",
		      "in_port=lan7,ct_state=-new+trk actions=ct(table=1)");
	assert_prints("tcp,tcp_flags=syn|ack,actions=drop", "tcp,tcp_flags=0x12 actions=drop");
	assert_prints("vlan_tci=0x7005,actions=drop", "dl_vlan=5,dl_vlan_pcp=3 actions=drop");
	assert_prints("actions=resubmit(TABLE),resubmit(in_port,1)",
		      "actions=resubmit:65529,resubmit(,1)");
	assert_prints("actions=resubmit:65529", "actions=resubmit:65529");
	assert_prints("actions=mod_vlan_vid:5",
		      "actions=push_vlan:0x8100,set_field:0x1005->vlan_vid");
	assert_prints("dl_vlan=1,actions=mod_vlan_vid:5",
		      "dl_vlan=1 actions=set_field:0x1005->vlan_vid");
}

static void a_flow_has_the_defaults_of_its_command(void **state)
{
	struct of_flow_mod mod = must_parse("actions=drop", OFPFC_ADD);

	assert_int_equal(mod.table, 0);
	assert_int_equal(mod.priority, OF_PRIORITY_DEFAULT);
	assert_int_equal(mod.out_port, OFPP_ANY);
	assert_int_equal(mod.out_group, OF_GROUP_ANY);
	mod = must_parse("", OFPFC_DELETE);
	assert_int_equal(mod.table, OF_TABLE_ALL);
	assert_int_equal(mod.match.n, 0);
	mod = must_parse("cookie=5/-1", OFPFC_DELETE);
	assert_true(mod.cookie == 5 && mod.cookie_mask == UINT64_MAX);
}

static void a_port_of_a_vm_has_a_slash_in_its_name(void **state)
{
	assert_prints("in_port=web1/nic0,actions=web1/nic0",
		      "in_port=web1/nic0 actions=output:web1/nic0");
	assert_prints("in_port='web1/nic0',actions=output:9",
		      "in_port=web1/nic0 actions=output:web1/nic0");
	assert_refused("in_port=1/2,actions=drop", 11, "cannot have a mask");
}

static void what_is_wrong_is_said_with_its_column(void **state)
{
	assert_refused("actions=frob", 9, "unknown action or port 'frob'");
	assert_refused("in_port=lan7,nwsrc=1.2.3.4,actions=drop", 14, "unknown field 'nwsrc'");
	assert_refused("ip,nw_src=1.2.3,actions=drop", 11, "no IPv4 address");
	assert_refused("ip,nw_src=1.2.3.4/33,actions=drop", 19, "more than 32");
	assert_refused("tcp,udp,actions=drop", 5, "given twice");
	assert_refused("priority=65536,actions=drop", 10, "more than 65535");
	assert_refused("table=255,actions=drop", 7, "more than 254");
	assert_refused("in_port=1", 10, "'actions=' is missing");
	assert_refused("tp_src=80,actions=drop", 1, "needs tcp, udp or sctp");
	assert_refused("tcp_src=80,actions=drop", 1, "needs a match on its protocol");
	assert_refused("actions=set_field:1->eth_dst", 19, "no Ethernet address");
	assert_refused("actions=set_field:1->ct_state", 22, "cannot be set");
	assert_refused("actions=load:16->reg0[0..3]", 14, "more than 15");
	assert_refused("actions=load:1->reg0[3..40]", 25, "more than 31");
	assert_refused("actions=move:reg0[]->reg1[0]", 14, "32 bits do not fit 1");
	assert_refused("actions=ct(commit", 11, "not closed");
	assert_refused("actions=ct(exec(ct(commit)))", 17, "does not nest");
	assert_refused("actions=ct(exec(output:1))", 17, "ct_mark and ct_label only");
	assert_refused("actions=ct(nat(src=1.2.3.4-1.2.3.3))", 20, "after the last");
	assert_refused("actions=ct(nat(src,persistent=1.2.3.4))", 31, "takes no value");
	assert_refused("actions=ct(nat(src=1.2.3.4,src))", 28, "there twice");
	assert_refused("actions=ct(commit=1)", 19, "takes no value");
	assert_refused("actions=clear_actions:5", 9, "takes no value");
	assert_refused("actions=meter", 9, "takes a value");
	assert_refused("tcp,tcp_flags=syn|foo,actions=drop", 19, "no flag");
	assert_refused("vlan_tci=0x2000/0x2000,actions=drop", 10, "all of a priority");
	assert_refused("actions=resubmit:65536", 18, "16 bits");
	assert_refused("actions=goto_table:5,goto_table:6", 22, "there twice");
	assert_refused("table=5,actions=goto_table:5", 17, "OFPBIC_BAD_TABLE_ID");
	assert_refused("actions=dec_ttl", 9, "OFPBAC_MATCH_INCONSISTENT");
	assert_refused("in_port=9999999999,actions=drop", 9, "more than 4294967295");
	assert_refused("=5,actions=drop", 1, "a name is missing");
	assert_refused("mpls,mpls_label=5/1,actions=drop", 19, "cannot have a mask");
}

struct seen {
	int n, stop_at;
	unsigned lines[8];
	uint8_t commands[8];
};

static int see(void *arg, unsigned line, struct of_flow_mod *mod)
{
	struct seen *seen = arg;

	seen->lines[seen->n] = line;
	seen->commands[seen->n++] = mod->command;
	of_flow_mod_fini(mod);
	return seen->n == seen->stop_at ? -ECANCELED : 0;
}

static void files_have_comments_and_commands(void **state)
{
	static const char text[] = "# all\n\nin_port=1,actions=2 # one\n  delete tcp\n"
				   "modify_strict\ttcp,actions=3\nadd actions=normal";
	struct of_text_error err = {0};
	struct seen seen = {0};

	assert_int_equal(of_text_flows_parse(text, strlen(text), OFPFC_ADD, &ports, see, &seen,
					     &err),
			 0);
	assert_int_equal(seen.n, 4);
	assert_int_equal(seen.lines[0], 3);
	assert_int_equal(seen.commands[1], OFPFC_DELETE);
	assert_int_equal(seen.commands[2], OFPFC_MODIFY_STRICT);
	assert_int_equal(seen.lines[3], 6);
}

static void a_file_ends_at_its_first_error_or_when_told(void **state)
{
	struct of_text_error err = {0};
	struct seen seen = {.stop_at = 1};

	assert_int_equal(of_text_flows_parse("actions=1\nactions=1\n", 20, OFPFC_ADD, &ports, see,
					     &seen, &err),
			 -ECANCELED);
	seen = (struct seen){0};
	assert_int_equal(of_text_flows_parse("actions=1\n  tcp,acts=1\n", 23, OFPFC_ADD, &ports,
					     see, &seen, &err),
			 -EINVAL);
	assert_int_equal(seen.n, 1);
	assert_int_equal(err.line, 2);
	assert_int_equal(err.column, 7);
}

static void a_printed_flow_is_read_as_the_same_flow(void **state)
{
	uint64_t seed = 20241;

	for (int i = 0; i < 20000; i++) {
		struct of_flow_mod mod, again;
		char *text;

		of_gen_flow_mod(&seed, &mod);
		text = print_flow(&mod);
		again = must_parse(text, mod.command);
		if (!of_match_equal(&mod.match, &again.match) ||
		    !of_instrs_equal(&mod.instrs, &again.instrs))
			fail_msg("%s", text);
		assert_true(again.cookie == mod.cookie && again.cookie_mask == mod.cookie_mask);
		assert_int_equal(again.priority, mod.priority);
		assert_int_equal(again.table, mod.table);
		assert_int_equal(again.flags, mod.flags);
		assert_int_equal(again.out_port, mod.out_port);
		assert_int_equal(again.out_group, mod.out_group);
		free(text);
		of_flow_mod_fini(&mod);
		of_flow_mod_fini(&again);
	}
}

static void a_printed_group_or_meter_is_read_as_the_same(void **state)
{
	uint64_t seed = 20242;

	for (int i = 0; i < 3000; i++) {
		struct wr text = wr_init(1 << 20), a = wr_init(65535), b = wr_init(65535);
		struct of_text_error err = {0};
		struct of_group_mod group, group2;
		struct of_meter_mod meter, meter2;

		of_gen_group_mod(&seed, &group);
		of_text_group_print(&text, &group.group, NULL);
		wr_u8(&text, 0);
		if (of_text_group_parse((char *)text.bytes, 1, group.command, NULL, &group2, &err))
			fail_msg("%s: %u: %s", (char *)text.bytes, err.column, err.what);
		wr_cut(&text, 0);
		of_gen_meter_mod(&seed, &meter);
		of_text_meter_print(&text, &meter.meter);
		wr_u8(&text, 0);
		if (of_text_meter_parse((char *)text.bytes, 1, meter.command, &meter2, &err))
			fail_msg("%s: %u: %s", (char *)text.bytes, err.column, err.what);
		of_group_mod_encode(&a, 0, &group);
		of_meter_mod_encode(&a, 0, &meter);
		of_group_mod_encode(&b, 0, &group2);
		of_meter_mod_encode(&b, 0, &meter2);
		assert_int_equal(a.size, b.size);
		assert_memory_equal(a.bytes, b.bytes, a.size);
		of_group_fini(&group.group);
		of_group_fini(&group2.group);
		of_meter_fini(&meter.meter);
		of_meter_fini(&meter2.meter);
		wr_fini(&text);
		wr_fini(&a);
		wr_fini(&b);
	}
}

static void groups_and_meters_are_refused_with_a_reason(void **state)
{
	static const char *const groups[] = {
		"",
		"type=all",
		"group_id=1",
		"group_id=1,type=frob",
		"group_id=1,type=indirect",
		"group_id=1,type=ff,bucket=actions=1",
		"group_id=1,type=all,bucket=actions=frob",
		"group_id=1,type=all,frob=1,bucket=actions=1",
		"group_id=4294967041,type=all",
	};
	static const char *const meters[] = {
		"",
		"meter=0",
		"meter=1,kbps,pktps",
		"meter=1,band=drop",
		"meter=1,rate=5",
		"meter=1,band=type=drop,prec_level=1",
		"meter=1,frob",
		"meter=all,kbps",
	};
	struct of_group_mod group;
	struct of_meter_mod meter;

	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		struct of_text_error err = {0};

		assert_int_equal(of_text_group_parse(groups[i], 1, OFPGC_ADD, NULL, &group, &err),
				 -EINVAL);
		assert_string_not_equal(err.what, "");
	}
	for (size_t i = 0; i < sizeof(meters) / sizeof(meters[0]); i++) {
		struct of_text_error err = {0};

		assert_int_equal(of_text_meter_parse(meters[i], 1, OFPMC_ADD, &meter, &err),
				 -EINVAL);
		assert_string_not_equal(err.what, "");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flows_are_printed_as_they_are_known),
		cmocka_unit_test(a_flow_has_the_defaults_of_its_command),
		cmocka_unit_test(a_port_of_a_vm_has_a_slash_in_its_name),
		cmocka_unit_test(what_is_wrong_is_said_with_its_column),
		cmocka_unit_test(files_have_comments_and_commands),
		cmocka_unit_test(a_file_ends_at_its_first_error_or_when_told),
		cmocka_unit_test(a_printed_flow_is_read_as_the_same_flow),
		cmocka_unit_test(a_printed_group_or_meter_is_read_as_the_same),
		cmocka_unit_test(groups_and_meters_are_refused_with_a_reason),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
