/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Shadowed rules, against a look at every packet of a small world.
 */
#include "vswitch/flows_shadow.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/support/test_dp.h"
#include "vswitch/of/text.h"

static struct dp *dp;
static struct vs_flows *flows;

static void add(const char *text)
{
	struct of_text_error err = {0};
	struct of_flow_mod mod;

	if (of_text_flow_parse(text, 1, OFPFC_ADD, NULL, &mod, &err) != 0)
		fail_msg("%s: %s", text, err.what);
	vs_flows_begin(flows);
	assert_int_equal(vs_flows_mod(flows, &mod), OF_OK);
	vs_flows_commit(flows);
	of_flow_mod_fini(&mod);
}

static void clear(void)
{
	const struct of_flow_mod all = {.command = OFPFC_DELETE,
					.table = OF_TABLE_ALL,
					.out_port = OFPP_ANY,
					.out_group = OF_GROUP_ANY};

	vs_flows_begin(flows);
	assert_int_equal(vs_flows_mod(flows, &all), OF_OK);
	vs_flows_commit(flows);
	vs_flows_reap(flows);
}

struct found {
	uint64_t cookies; /* shadowed: bit by cookie */
	uint64_t alone;
};

static void look(const struct vs_rule *rule, void *arg)
{
	struct found *f = arg;
	const struct vs_rule *by = NULL;
	bool alone = false;

	if (!vs_rule_is_shadowed(flows, rule, &by, &alone))
		return;
	assert_true(by->priority > rule->priority);
	f->cookies |= UINT64_C(1) << rule->cookie;
	f->alone |= (uint64_t)alone << rule->cookie;
}

static struct found shadowed(void)
{
	const struct of_flow_filter all = {.table = OF_TABLE_ALL,
					   .out_port = OFPP_ANY,
					   .out_group = OF_GROUP_ANY};
	struct found f = {0};

	vs_flows_each(flows, &all, look, &f);
	return f;
}

static void rule_under_a_wider_one_is_shadowed(void **state)
{
	clear();
	add("cookie=1,priority=10,ip,nw_dst=10.0.0.0/8,actions=drop");
	add("cookie=2,priority=9,ip,nw_dst=10.1.0.0/16,actions=drop");
	add("cookie=3,priority=8,ip,nw_dst=0.0.0.0/1,actions=drop");
	add("cookie=4,priority=10,tcp,nw_dst=10.1.0.0/16,actions=drop");
	add("cookie=5,priority=9,ip,nw_dst=11.0.0.0/8,actions=drop");
	assert_int_equal(shadowed().cookies, 1u << 2);
	assert_int_equal(shadowed().alone, 1u << 2);
}

static void rule_under_two_halves_is_shadowed_by_both(void **state)
{
	clear();
	add("cookie=1,priority=10,ip,nw_dst=10.0.0.0/9,actions=drop");
	add("cookie=2,priority=11,ip,nw_dst=10.128.0.0/9,actions=drop");
	add("cookie=3,priority=9,ip,nw_dst=10.0.0.0/8,actions=drop");
	add("cookie=4,priority=9,ip,nw_dst=10.0.0.0/7,actions=drop");
	assert_int_equal(shadowed().cookies, 1u << 3);
	assert_int_equal(shadowed().alone, 0);
}

static void lower_and_equal_priorities_shadow_nothing(void **state)
{
	clear();
	add("cookie=1,priority=9,ip,actions=drop");
	add("cookie=2,priority=9,tcp,actions=drop");
	add("cookie=3,priority=10,udp,actions=drop");
	assert_int_equal(shadowed().cookies, 0);
}

static void rule_of_another_table_shadows_nothing(void **state)
{
	clear();
	add("cookie=1,priority=9,ip,actions=drop");
	add("table=1,cookie=2,priority=8,tcp,actions=drop");
	assert_int_equal(shadowed().cookies, 0);
}

static void table_that_no_goto_leads_to_is_not_reached(void **state)
{
	bool tables[VS_FLOW_TABLES];

	clear();
	add("priority=9,ip,actions=goto_table:3");
	add("table=3,actions=goto_table:7");
	add("table=5,actions=goto_table:6");
	vs_flows_reachable(flows, tables);
	for (unsigned i = 0; i < VS_FLOW_TABLES; i++)
		assert_int_equal(tables[i], i == 0 || i == 3 || i == 7);
}

/* Eight bits of metadata are all there is: every packet can be tried. */
static void random_rules_are_shadowed_when_no_packet_is_left(void **state)
{
	srandom(5);
	for (unsigned world = 0; world < 200; world++) {
		struct {
			unsigned v, m, priority;
		} r[24];
		uint64_t want = 0;

		clear();
		for (unsigned i = 0; i < 24; i++) {
			char text[120];

			r[i].m = (unsigned)(random() & random() & 0xff);
			r[i].v = (unsigned)random() & r[i].m;
			r[i].priority = 100 + i;
			snprintf(text, sizeof(text),
				 "cookie=%u,priority=%u,metadata=0x%x/0x%x,actions=drop", i,
				 r[i].priority, r[i].v, r[i].m);
			if (r[i].m == 0)
				snprintf(text, sizeof(text), "cookie=%u,priority=%u,actions=drop",
					 i, r[i].priority);
			add(text);
		}
		for (unsigned i = 0; i < 24; i++) {
			bool open = false;

			for (unsigned p = 0; p < 256 && !open; p++) {
				open = (p & r[i].m) == r[i].v;
				for (unsigned k = i + 1; k < 24 && open; k++)
					open = (p & r[k].m) != r[k].v;
			}
			want |= (uint64_t)!open << i;
		}
		assert_int_equal(shadowed().cookies, want);
	}
}

static int start(void **state)
{
	dp = test_dp_create(1023);
	return vs_flows_create(dp, NULL, NULL, &flows);
}

static int finish(void **state)
{
	vs_flows_destroy(flows);
	test_dp_destroy(dp);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_under_a_wider_one_is_shadowed),
		cmocka_unit_test(rule_under_two_halves_is_shadowed_by_both),
		cmocka_unit_test(lower_and_equal_priorities_shadow_nothing),
		cmocka_unit_test(rule_of_another_table_shadows_nothing),
		cmocka_unit_test(table_that_no_goto_leads_to_is_not_reached),
		cmocka_unit_test(random_rules_are_shadowed_when_no_packet_is_left),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
