/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Groups as OpenFlow 1.3.5 wants them (5.6, 6.5, A.3.4.2), without packets: what a group mod may
 * say, what becomes of rules that use groups, and the programs that workers make of them.
 */
#include "vswitch/groups.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/dp.h"
#include "dataplane/flow.h"
#include "tests/support/test_dp.h"
#include "vswitch/flows.h"
#include "vswitch/of/text.h"

static struct dp *dp;
static struct vs_flows *flows;

/* Allocations until one fails; 0: none does. */
static unsigned fail_after;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);

static bool fails(void)
{
	return fail_after != 0 && --fail_after == 0;
}

void *__wrap_malloc(size_t size)
{
	return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
	return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *p, size_t size)
{
	return fails() ? NULL : __real_realloc(p, size);
}

/* ---- Doing ---- */

static struct {
	unsigned n;
	uint8_t why;
} removed;

static void on_removed(void *arg, const struct vs_rule *rule, const struct dp_flow_counts *counts,
		       uint64_t duration_ms)
{
	removed.n++;
	removed.why = rule->why;
}

static enum of_error flow(uint8_t command, const char *text)
{
	struct of_text_error err = {0};
	struct of_flow_mod m;
	enum of_error error;

	if (of_text_flow_parse(text, 1, command, NULL, &m, &err) != 0)
		fail_msg("%s: %u: %s", text, err.column, err.what);
	error = vs_flows_mod(flows, &m);
	of_flow_mod_fini(&m);
	return error;
}

static enum of_error group(uint16_t command, const char *text)
{
	struct of_text_error err = {0};
	unsigned armed = fail_after;
	struct of_group_mod m;
	enum of_error error;

	fail_after = 0;
	if (of_text_group_parse(text, 1, command, NULL, &m, &err) != 0)
		fail_msg("%s: %u: %s", text, err.column, err.what);
	fail_after = armed;
	error = vs_flows_group_mod(flows, &m);
	of_group_fini(&m.group);
	return error;
}

static enum of_error end(enum of_error error)
{
	fail_after = 0;
	if (error == OF_OK)
		vs_flows_commit(flows);
	else
		vs_flows_abort(flows);
	vs_flows_reap(flows);
	return error;
}

static enum of_error try(uint16_t command, const char *text)
{
	vs_flows_begin(flows);
	return end(group(command, text));
}

static enum of_error try_flow(const char *text)
{
	vs_flows_begin(flows);
	return end(flow(OFPFC_ADD, text));
}

static void must(uint16_t command, const char *text)
{
	enum of_error error = try(command, text);

	if (error != OF_OK)
		fail_msg("%s: %s", text, of_error_text(error));
}

static void must_flow(const char *text)
{
	enum of_error error = try_flow(text);

	if (error != OF_OK)
		fail_msg("%s: %s", text, of_error_text(error));
}

static unsigned n_rules(void)
{
	return vs_flows_n(flows, 0);
}

static const struct vs_group *now(uint32_t id)
{
	return vs_groups_now(vs_flows_groups(flows), id);
}

/* ---- Programs ---- */

struct words {
	size_t n;
	char s[2000];
};

__attribute__((format(printf, 2, 3))) static void say(struct words *w, const char *format, ...)
{
	va_list ap;

	va_start(ap, format);
	w->n += (size_t)vsnprintf(w->s + w->n, sizeof(w->s) - w->n, format, ap);
	va_end(ap);
	assert_true(w->n < sizeof(w->s));
}

static void say_steps(struct words *w, const uint8_t *steps, uint16_t size)
{
	for (uint16_t at = 0; at < size;) {
		const struct dp_step *s = (const struct dp_step *)(steps + at);

		say(w, "%s%s", w->n != 0 && w->s[w->n - 1] != '{' ? " " : "",
		    dp_step_text((enum dp_step_op)s->op));
		if (s->op == DP_STEP_OUTPUT)
			say(w, ":%u", s->arg);
		if (s->op == DP_STEP_CLONE) {
			say(w, "{");
			say_steps(w, s->data, (uint16_t)(s->size - sizeof(*s)));
			say(w, "}");
		}
		at = (uint16_t)(at + s->size);
	}
}

static struct dp_build build;

static uint64_t now_version(void)
{
	return dp_pipeline_next(vs_flows_pipeline(flows)) - 1;
}

static const char *program_at(uint64_t version, const struct dp_key *key)
{
	static struct words w;

	w = (struct words){0};
	dp_build_init(&build);
	vs_xlate(flows, key, version, &build);
	if (build.overflow)
		say(&w, "overflow");
	else
		say_steps(&w, build.steps, build.size);
	return w.s;
}

static struct dp_key udp_key(void)
{
	struct dp_key key = {0};

	dp_key_set(&key, DP_FIELD_IN_PORT, 1);
	dp_key_set(&key, DP_FIELD_ETH_TYPE, 0x0800);
	dp_key_set(&key, DP_FIELD_IP_PROTO, 17);
	dp_key_set(&key, DP_FIELD_ETH_SRC, 0x020000000001);
	dp_key_set(&key, DP_FIELD_ETH_DST, 0x020000000002);
	return key;
}

static const char *program(void)
{
	struct dp_key key = udp_key();

	return program_at(now_version(), &key);
}

/* ---- What may be ---- */

static void commands_say_what_is_wrong(void **state)
{
	must(OFPGC_ADD, "group_id=1,type=all,bucket=actions=output:1");
	assert_int_equal(try(OFPGC_ADD, "group_id=1,type=all"), OFPGMFC_GROUP_EXISTS);
	assert_int_equal(try(OFPGC_MODIFY, "group_id=2,type=all"), OFPGMFC_UNKNOWN_GROUP);
	must(OFPGC_DELETE, "group_id=2");
	assert_non_null(now(1));
	assert_int_equal(vs_groups_n(vs_flows_groups(flows)), 1);
	assert_int_equal(try(OFPGC_ADD, "group_id=2,type=all,bucket=actions=group:7"),
			 OFPBAC_BAD_OUT_GROUP);
	assert_int_equal(try(OFPGC_ADD, "group_id=2,type=ff,bucket=watch_group:7,actions=1"),
			 OFPGMFC_BAD_WATCH);
	assert_int_equal(try(OFPGC_ADD,
			     "group_id=2,type=ff,bucket=watch_port:CONTROLLER,actions=1"),
			 OFPGMFC_BAD_WATCH);
	must(OFPGC_ADD, "group_id=2,type=ff,bucket=watch_group:1,watch_port:9,actions=1");
	must(OFPGC_DELETE, "");
	assert_int_equal(vs_groups_n(vs_flows_groups(flows)), 0);
}

static enum of_error mod(const struct of_group_mod *m)
{
	vs_flows_begin(flows);
	return end(vs_flows_group_mod(flows, m));
}

static void what_the_wire_may_bring_is_refused_too(void **state)
{
	struct of_group_mod m = {.command = 7, .group = {.id = 1}};

	assert_int_equal(mod(&m), OFPGMFC_BAD_COMMAND);
	m.command = OFPGC_ADD;
	m.group.type = 9;
	assert_int_equal(mod(&m), OFPGMFC_BAD_TYPE);
	m.group.type = OFPGT_INDIRECT;
	assert_int_equal(mod(&m), OFPGMFC_INVALID_GROUP);
	m.group.type = OFPGT_ALL;
	m.group.id = OF_GROUP_ALL;
	assert_int_equal(mod(&m), OFPGMFC_INVALID_GROUP);
	m.command = OFPGC_DELETE;
	m.group.id = OF_GROUP_ANY;
	assert_int_equal(mod(&m), OFPGMFC_INVALID_GROUP);
}

static void too_many_buckets_are_refused(void **state)
{
	struct of_group_mod m = {.command = OFPGC_ADD, .group = {.id = 1, .type = OFPGT_SELECT}};
	const struct of_bucket b = {.watch_port = OFPP_ANY, .watch_group = OF_GROUP_ANY};

	for (unsigned i = 0; i < VS_MAX_BUCKETS; i++)
		assert_true(of_group_add_bucket(&m.group, &b));
	assert_int_equal(mod(&m), OF_OK);
	assert_true(of_group_add_bucket(&m.group, &b));
	m.group.id = 2;
	assert_int_equal(mod(&m), OFPGMFC_OUT_OF_BUCKETS);
	of_group_fini(&m.group);
}

static void actions_that_we_lack_are_refused_in_buckets(void **state)
{
	assert_int_equal(try(OFPGC_ADD, "group_id=1,type=all,bucket=actions=resubmit(,3)"),
			 OFPBAC_BAD_TYPE);
	assert_null(now(1));
}

static void loops_are_refused(void **state)
{
	assert_int_equal(try(OFPGC_ADD, "group_id=1,type=all,bucket=actions=group:1"),
			 OFPGMFC_LOOP);
	assert_int_equal(try(OFPGC_ADD, "group_id=1,type=ff,bucket=watch_group:1,actions=1"),
			 OFPGMFC_LOOP);
	must(OFPGC_ADD, "group_id=1,type=all,bucket=actions=output:1");
	must(OFPGC_ADD, "group_id=2,type=all,bucket=actions=group:1");
	must(OFPGC_ADD, "group_id=3,type=all,bucket=actions=group:2,bucket=actions=group:1");
	assert_int_equal(try(OFPGC_MODIFY, "group_id=1,type=indirect,bucket=actions=group:3"),
			 OFPGMFC_LOOP);
	assert_int_equal(try(OFPGC_MODIFY, "group_id=1,type=ff,bucket=watch_group:2,actions=1"),
			 OFPGMFC_LOOP);
	must(OFPGC_MODIFY, "group_id=1,type=all,bucket=actions=output:2");
}

static void groups_that_others_forward_to_stay(void **state)
{
	must(OFPGC_ADD, "group_id=1,type=all,bucket=actions=output:1");
	must(OFPGC_ADD, "group_id=2,type=all,bucket=actions=group:1");
	assert_int_equal(try(OFPGC_DELETE, "group_id=1"), OFPGMFC_CHAINED_GROUP);
	assert_non_null(now(1));
	must(OFPGC_DELETE, "group_id=2");
	must(OFPGC_DELETE, "group_id=1");
	assert_null(now(1));
}

static void chains_are_not_too_long(void **state)
{
	char text[100];

	must(OFPGC_ADD, "group_id=0,type=all,bucket=actions=output:1");
	for (unsigned i = 1; i < VS_GROUP_DEPTH; i++) {
		snprintf(text, sizeof(text), "group_id=%u,type=all,bucket=actions=group:%u", i,
			 i - 1);
		must(OFPGC_ADD, text);
	}
	snprintf(text, sizeof(text), "actions=group:%u", VS_GROUP_DEPTH - 1);
	must_flow(text);
	assert_string_equal(program(), "output:1");
	snprintf(text, sizeof(text), "group_id=99,type=all,bucket=actions=group:%u",
		 VS_GROUP_DEPTH - 1);
	assert_int_equal(try(OFPGC_ADD, text), OFPGMFC_CHAINING_UNSUPPORTED);
	/* One that grows at its end. */
	must(OFPGC_ADD, "group_id=100,type=all,bucket=actions=output:1");
	must(OFPGC_MODIFY, "group_id=0,type=all,bucket=actions=group:100");
	assert_string_equal(program(), "overflow");
}

/* ---- Rules ---- */

static void rules_may_name_only_groups_that_are_there(void **state)
{
	assert_int_equal(try_flow("actions=group:1"), OFPBAC_BAD_OUT_GROUP);
	assert_int_equal(try_flow("actions=write_actions(group:1)"), OFPBAC_BAD_OUT_GROUP);
	must(OFPGC_ADD, "group_id=1,type=all,bucket=actions=output:1");
	must_flow("actions=write_actions(group:1)");
	vs_flows_begin(flows);
	assert_int_equal(end(flow(OFPFC_MODIFY, "actions=group:2")), OFPBAC_BAD_OUT_GROUP);
	assert_string_equal(program(), "output:1");
}

static void deleting_a_group_deletes_its_rules_and_says_so(void **state)
{
	must(OFPGC_ADD, "group_id=1,type=all,bucket=actions=output:1");
	must(OFPGC_ADD, "group_id=2,type=all,bucket=actions=output:1");
	must_flow("priority=1,send_flow_rem,actions=group:1");
	must_flow("priority=2,send_flow_rem,actions=write_actions(group:1)");
	must_flow("priority=3,send_flow_rem,actions=group:2");
	must_flow("priority=4,send_flow_rem,actions=output:1");
	must(OFPGC_DELETE, "group_id=1");
	assert_int_equal(n_rules(), 2);
	assert_int_equal(removed.n, 2);
	assert_int_equal(removed.why, OFPRR_GROUP_DELETE);
	must(OFPGC_DELETE, "");
	assert_int_equal(n_rules(), 1);
	assert_int_equal(removed.n, 3);
}

static void references_are_counted(void **state)
{
	must(OFPGC_ADD, "group_id=1,type=all,bucket=actions=output:1");
	must(OFPGC_ADD, "group_id=2,type=all,bucket=actions=group:1");
	must_flow("priority=1,actions=group:1");
	must_flow("priority=2,actions=group:1,write_actions(group:2)");
	vs_flows_count_refs(flows);
	assert_int_equal(now(1)->n_refs, 3);
	assert_int_equal(now(2)->n_refs, 1);
	vs_flows_begin(flows);
	assert_int_equal(end(flow(OFPFC_DELETE, "")), OF_OK);
	vs_flows_count_refs(flows);
	assert_int_equal(now(1)->n_refs, 1);
}

/* ---- Transactions ---- */

static void transaction_is_seen_at_once(void **state)
{
	struct dp_key key = udp_key();
	uint64_t before;

	must(OFPGC_ADD, "group_id=1,type=indirect,bucket=actions=output:1");
	must_flow("actions=group:1");
	before = now_version();
	vs_flows_begin(flows);
	assert_int_equal(group(OFPGC_MODIFY, "group_id=1,type=indirect,bucket=actions=output:2"),
			 OF_OK);
	assert_int_equal(group(OFPGC_ADD, "group_id=2,type=indirect,bucket=actions=output:3"),
			 OF_OK);
	assert_int_equal(flow(OFPFC_ADD, "priority=40000,actions=group:2,group:1"), OF_OK);
	assert_string_equal(program_at(before, &key), "output:1");
	vs_flows_commit(flows);
	assert_true(now_version() > before);
	assert_string_equal(program_at(before, &key), "output:1");
	assert_string_equal(program(), "output:3 output:2");
	vs_flows_reap(flows);
	assert_string_equal(program(), "output:3 output:2");
}

static void aborted_transaction_leaves_all_as_it_was(void **state)
{
	must(OFPGC_ADD, "group_id=1,type=indirect,bucket=actions=output:1");
	must_flow("actions=group:1");
	for (int i = 0; i < 3; i++) {
		vs_flows_begin(flows);
		assert_int_equal(group(OFPGC_ADD, "group_id=2,type=all"), OF_OK);
		assert_int_equal(group(OFPGC_MODIFY, "group_id=2,type=ff,bucket=watch_port:2,"
						     "actions=output:2"),
				 OF_OK);
		assert_int_equal(group(OFPGC_MODIFY, "group_id=1,type=all"), OF_OK);
		assert_int_equal(group(OFPGC_DELETE, ""), OF_OK);
		assert_int_equal(n_rules(), 0);
		assert_int_equal(vs_groups_n(vs_flows_groups(flows)), 0);
		vs_flows_abort(flows);
		assert_int_equal(vs_groups_n(vs_flows_groups(flows)), 1);
		assert_false(vs_groups_watch(vs_flows_groups(flows)));
		assert_string_equal(program(), "output:1");
		vs_flows_reap(flows);
		assert_string_equal(program(), "output:1");
		assert_null(now(2));
	}
	assert_int_equal(removed.n, 0);
}

static void want_of_memory_leaves_all_as_it_was(void **state)
{
	unsigned i = 0;

	must(OFPGC_ADD, "group_id=1,type=indirect,bucket=actions=output:1");
	must_flow("actions=group:1");
	for (;;) {
		enum of_error error;

		fail_after = ++i;
		error = try(OFPGC_MODIFY, "group_id=1,type=all,bucket=actions=output:2,"
					  "bucket=actions=push_vlan:0x8100,output:3");
		if (error == OF_OK)
			break;
		assert_int_equal(error, OF_ERROR_NO_MEMORY);
		assert_string_equal(program(), "output:1");
	}
	assert_true(i > 5);
	assert_string_equal(program(), "output:2 clone{push_vlan output:3}");
}

/* ---- Programs ---- */

static void all_copies_what_buckets_change(void **state)
{
	must(OFPGC_ADD, "group_id=1,type=all,"
			"bucket=actions=output:1,mod_dl_dst:02:00:00:00:00:09,"
			"bucket=actions=output:2,bucket=actions=pop_vlan,"
			"bucket=actions=mod_nw_tos:4,output:3");
	must_flow("ip,actions=push_vlan:0x8100,group:1,output:4");
	/* Each as an action set: the output is last.  One without output is nothing. */
	assert_string_equal(program(), "push_vlan clone{set_macs output:1} output:2 "
				       "clone{pop_vlan} clone{set_field output:3} output:4");
	assert_int_equal(build.n_rules, 6);
}

static void changes_of_a_bucket_are_not_seen_behind_it(void **state)
{
	struct dp_key mac = {0};

	must(OFPGC_ADD, "group_id=1,type=indirect,"
			"bucket=actions=set_field:02:00:00:00:00:09->eth_src,output:1");
	must_flow("table=0,actions=group:1,goto_table:1");
	must_flow("table=1,priority=9,dl_src=02:00:00:00:00:09,actions=output:2");
	must_flow("table=1,priority=8,actions=output:3");
	assert_string_equal(program(), "clone{set_macs output:1} output:3");
	/* And so the second table has looked at the packet's own. */
	dp_key_cover(&mac, DP_FIELD_ETH_SRC);
	assert_int_equal(build.wc.w[1] & mac.w[1], mac.w[1]);
	assert_int_equal(build.changed.w[1] & mac.w[1], 0);
}

static void group_of_the_action_set_is_instead_of_an_output(void **state)
{
	must(OFPGC_ADD, "group_id=1,type=indirect,bucket=actions=output:1");
	must_flow("actions=write_actions(output:2,group:1)");
	assert_string_equal(program(), "output:1");
	must(OFPGC_ADD, "group_id=2,type=indirect,bucket=actions=output:3,group:1");
	must_flow("actions=group:2");
	assert_string_equal(program(), "output:1");
}

static void fast_failover_takes_the_first_that_lives(void **state)
{
	must(OFPGC_ADD, "group_id=1,type=ff,bucket=watch_port:1,actions=output:1,"
			"bucket=watch_port:2,actions=output:2,"
			"bucket=watch_port:77,actions=output:3");
	must(OFPGC_ADD, "group_id=2,type=ff,bucket=watch_group:1,actions=group:1,"
			"bucket=watch_port:5,actions=output:5");
	must_flow("actions=group:2");
	assert_string_equal(program(), "output:1");
	vs_flows_port_live(flows, 1, false);
	assert_string_equal(program(), "output:2");
	vs_flows_port_live(flows, 2, false);
	assert_string_equal(program(), "output:5");
	vs_flows_port_live(flows, 5, false);
	assert_string_equal(program(), "");
	vs_flows_port_live(flows, 2, true);
	assert_string_equal(program(), "output:2");
	vs_flows_port(flows, 2, DP_NO_PORT);
	assert_string_equal(program(), "");
	vs_flows_port_live(flows, 1, true);
	assert_string_equal(program(), "output:1");
}

static void a_port_that_fails_is_a_new_version_when_somebody_watches(void **state)
{
	uint64_t before = now_version();

	vs_flows_port_live(flows, 1, false);
	assert_int_equal(now_version(), before);
	must(OFPGC_ADD, "group_id=1,type=ff,bucket=watch_port:1,actions=output:1");
	before = now_version();
	vs_flows_port_live(flows, 1, true);
	assert_int_equal(now_version(), before + 1);
	vs_flows_port_live(flows, 1, true);
	assert_int_equal(now_version(), before + 1);
	must(OFPGC_DELETE, "");
	before = now_version();
	vs_flows_port_live(flows, 1, false);
	assert_int_equal(now_version(), before);
}

/* ---- Select ---- */

#define N_FLOWS 10000

/* Where flow 'i' goes.  Some field differs from flow to flow, the others never do. */
static unsigned chosen(enum dp_field field, uint16_t type, uint64_t i)
{
	struct dp_key key = udp_key();

	dp_key_set(&key, DP_FIELD_ETH_TYPE, type);
	dp_key_set(&key, field, dp_key_get(&key, field) + i);
	(void)program_at(now_version(), &key);
	return dp_build_only_output(&build);
}

static void expect_spread(enum dp_field field, uint16_t type)
{
	unsigned n[10] = {0};

	for (unsigned i = 0; i < N_FLOWS; i++)
		n[chosen(field, type, i)]++;
	/* Weights 1, 2 and 3 of 6; within a twentieth, which is four times the deviation. */
	for (unsigned i = 1; i <= 3; i++)
		if (abs((int)n[i] - (int)(N_FLOWS * i / 6)) > N_FLOWS / 50)
			fail_msg("field %s: %u of %u to bucket %u", dp_fields[field].name, n[i],
				 N_FLOWS, i);
	assert_int_equal(n[1] + n[2] + n[3], N_FLOWS);
}

static void add_select(void)
{
	must(OFPGC_ADD, "group_id=1,type=select,bucket=weight:1,actions=output:1,"
			"bucket=weight:2,actions=output:2,bucket=weight:3,actions=output:3,"
			"bucket=weight:0,actions=output:4");
	must_flow("actions=group:1");
}

static void select_spreads_by_each_field_of_a_flow(void **state)
{
	add_select();
	expect_spread(DP_FIELD_ETH_SRC, 0x0800);
	expect_spread(DP_FIELD_ETH_DST, 0x88b5);
	expect_spread(DP_FIELD_IP4_SRC, 0x0800);
	expect_spread(DP_FIELD_IP4_DST, 0x0800);
	expect_spread(DP_FIELD_IP4_SRC, 0x0806);
	expect_spread(DP_FIELD_IP4_DST, 0x0806);
	expect_spread(DP_FIELD_TP_SRC, 0x0800);
	expect_spread(DP_FIELD_TP_DST, 0x86dd);
}

static void select_spreads_by_ipv6_addresses(void **state)
{
	unsigned n[10] = {0};

	add_select();
	for (uint32_t i = 0; i < N_FLOWS; i++) {
		struct dp_key key = udp_key();

		dp_key_set(&key, DP_FIELD_ETH_TYPE, 0x86dd);
		memcpy(key.b + dp_fields[DP_FIELD_IP6_SRC].offset + 12, &i, 4);
		(void)program_at(now_version(), &key);
		n[dp_build_only_output(&build)]++;
	}
	assert_in_range(n[1], N_FLOWS / 6 - N_FLOWS / 50, N_FLOWS / 6 + N_FLOWS / 50);
	assert_in_range(n[3], N_FLOWS / 2 - N_FLOWS / 50, N_FLOWS / 2 + N_FLOWS / 50);
}

/* Whoever agrees in what was looked at must be sent the same way. */
static void select_has_looked_at_all_that_it_chose_by(void **state)
{
	uint64_t seed = 1;

	add_select();
	for (unsigned i = 0; i < 1000; i++) {
		struct dp_key key = udp_key(), other;
		unsigned to;

		dp_key_set(&key, DP_FIELD_IP4_SRC, i);
		(void)program_at(now_version(), &key);
		to = dp_build_only_output(&build);
		for (unsigned k = 0; k < DP_KEY_WORDS; k++) {
			seed = seed * UINT64_C(6364136223846793005) + 1442695040888963407;
			other.w[k] = (key.w[k] & build.wc.w[k]) | (seed & ~build.wc.w[k]);
		}
		(void)program_at(now_version(), &other);
		assert_int_equal(dp_build_only_output(&build), to);
	}
}

static void both_ways_of_a_conversation_go_by_one_bucket(void **state)
{
	add_select();
	for (unsigned i = 0; i < 300; i++) {
		struct dp_key to = udp_key(), from = udp_key();
		unsigned there;

		dp_key_set(&from, DP_FIELD_ETH_SRC, dp_key_get(&to, DP_FIELD_ETH_DST));
		dp_key_set(&from, DP_FIELD_ETH_DST, dp_key_get(&to, DP_FIELD_ETH_SRC));
		dp_key_set(&to, DP_FIELD_IP4_SRC, 77 + i);
		dp_key_set(&from, DP_FIELD_IP4_DST, 77 + i);
		dp_key_set(&to, DP_FIELD_TP_DST, 80);
		dp_key_set(&from, DP_FIELD_TP_SRC, 80);
		(void)program_at(now_version(), &to);
		there = dp_build_only_output(&build);
		(void)program_at(now_version(), &from);
		assert_int_equal(dp_build_only_output(&build), there);
	}
}

static void bucket_that_goes_moves_only_its_own_flows(void **state)
{
	unsigned char before[1000];

	add_select();
	for (unsigned i = 0; i < 1000; i++)
		before[i] = (unsigned char)chosen(DP_FIELD_IP4_DST, 0x0800, i);
	must(OFPGC_MODIFY, "group_id=1,type=select,bucket=weight:1,actions=output:1,"
			   "bucket=weight:3,actions=output:3");
	for (unsigned i = 0; i < 1000; i++) {
		unsigned to = chosen(DP_FIELD_IP4_DST, 0x0800, i);

		if (before[i] != 2)
			assert_int_equal(to, before[i]);
		else
			assert_true(to == 1 || to == 3);
	}
}

static void select_leaves_out_what_does_not_live(void **state)
{
	must(OFPGC_ADD, "group_id=1,type=select,bucket=weight:1,watch_port:1,actions=output:1,"
			"bucket=weight:1,watch_port:2,actions=output:2");
	must_flow("actions=group:1");
	vs_flows_port_live(flows, 1, false);
	for (unsigned i = 0; i < 50; i++)
		assert_int_equal(chosen(DP_FIELD_IP4_DST, 0x0800, i), 2);
	/* Nothing to choose from: nothing is looked at. */
	assert_int_equal(build.wc.w[3], 0);
	vs_flows_port_live(flows, 2, false);
	assert_string_equal(program(), "");
}

static int setup(void **state)
{
	fail_after = 0;
	memset(&removed, 0, sizeof(removed));
	if (vs_flows_create(dp, on_removed, NULL, &flows) != 0)
		return -1;
	for (uint16_t i = 1; i < 10; i++)
		vs_flows_port(flows, i, i);
	return 0;
}

static int teardown(void **state)
{
	vs_flows_destroy(flows);
	return 0;
}

static int start(void **state)
{
	dp = test_dp_create(511);
	return 0;
}

static int finish(void **state)
{
	test_dp_destroy(dp);
	return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(commands_say_what_is_wrong),
		TEST(what_the_wire_may_bring_is_refused_too),
		TEST(too_many_buckets_are_refused),
		TEST(actions_that_we_lack_are_refused_in_buckets),
		TEST(loops_are_refused),
		TEST(groups_that_others_forward_to_stay),
		TEST(chains_are_not_too_long),
		TEST(rules_may_name_only_groups_that_are_there),
		TEST(deleting_a_group_deletes_its_rules_and_says_so),
		TEST(references_are_counted),
		TEST(transaction_is_seen_at_once),
		TEST(aborted_transaction_leaves_all_as_it_was),
		TEST(want_of_memory_leaves_all_as_it_was),
		TEST(all_copies_what_buckets_change),
		TEST(changes_of_a_bucket_are_not_seen_behind_it),
		TEST(group_of_the_action_set_is_instead_of_an_output),
		TEST(fast_failover_takes_the_first_that_lives),
		TEST(a_port_that_fails_is_a_new_version_when_somebody_watches),
		TEST(select_spreads_by_each_field_of_a_flow),
		TEST(select_spreads_by_ipv6_addresses),
		TEST(select_has_looked_at_all_that_it_chose_by),
		TEST(both_ways_of_a_conversation_go_by_one_bucket),
		TEST(bucket_that_goes_moves_only_its_own_flows),
		TEST(select_leaves_out_what_does_not_live),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
