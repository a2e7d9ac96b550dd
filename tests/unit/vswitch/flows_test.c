/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The tables of a switch as OpenFlow 1.3.5 wants them (6.4, 6.5, A.3.4.1), without packets: what is
 * in them after each kind of flow mod, what a worker of each version would find, and that a
 * transaction that fails half-way, also for want of memory, leaves nothing behind.
 */
#include "vswitch/flows.h"

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

#include "ctl/base/wire.h"
#include "dataplane/dp.h"
#include "dataplane/flow.h"
#include "tests/support/test_dp.h"
#include "vswitch/of/text.h"

#define MAX_SEEN 16

static struct dp *dp;
static struct vs_flows *flows;

/* Allocations until one fails; 0: none does. */
static unsigned fail_after;

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *p, size_t size);
void *__real_aligned_alloc(size_t align, size_t size);
uint64_t __real_dp_flow_now_ms(const struct dp *clock_of);
uint64_t __wrap_dp_flow_now_ms(const struct dp *clock_of);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *p, size_t size);
void *__wrap_aligned_alloc(size_t align, size_t size);

static bool fails(void)
{
	return fail_after != 0 && --fail_after == 0;
}

/* The clock of rules goes so much before the machine's. */
static uint64_t clock_ahead_ms;

uint64_t __wrap_dp_flow_now_ms(const struct dp *clock_of)
{
	return __real_dp_flow_now_ms(clock_of) + clock_ahead_ms;
}

static const struct of_flow_mod delete_all = {.command = OFPFC_DELETE,
					      .table = OF_TABLE_ALL,
					      .out_port = OFPP_ANY,
					      .out_group = OF_GROUP_ANY};

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

void *__wrap_aligned_alloc(size_t align, size_t size)
{
	return fails() ? NULL : __real_aligned_alloc(align, size);
}

/* ---- What was told ---- */

static struct {
	unsigned n;
	uint64_t cookie, packets, bytes, duration_ms;
	uint8_t why;
} removed;

static void on_removed(void *arg, const struct vs_rule *rule, const struct dp_flow_counts *counts,
		       uint64_t duration_ms)
{
	removed.n++;
	removed.cookie = rule->cookie;
	removed.why = rule->why;
	removed.packets = counts->packets;
	removed.bytes = counts->bytes;
	removed.duration_ms = duration_ms;
}

/* ---- Doing ---- */

static enum of_error mod(uint8_t command, const char *text)
{
	struct of_text_error err = {0};
	struct of_flow_mod m;
	unsigned armed = fail_after;
	enum of_error error;

	fail_after = 0;
	if (of_text_flow_parse(text, 1, command, NULL, &m, &err) != 0)
		fail_msg("%s: %u: %s", text, err.column, err.what);
	fail_after = armed;
	error = vs_flows_mod(flows, &m);
	of_flow_mod_fini(&m);
	return error;
}

/* One mod, a transaction of its own. */
static enum of_error try(uint8_t command, const char *text)
{
	enum of_error error;

	vs_flows_begin(flows);
	error = mod(command, text);
	if (error == OF_OK)
		vs_flows_commit(flows);
	else
		vs_flows_abort(flows);
	vs_flows_reap(flows);
	return error;
}

static void must(uint8_t command, const char *text)
{
	enum of_error error = try(command, text);

	if (error != OF_OK)
		fail_msg("%s: %s", text, of_error_text(error));
}

static void collect(const struct vs_rule *rule, void *arg)
{
	const struct vs_rule **seen = arg;

	for (unsigned i = 0; i < MAX_SEEN; i++)
		if (seen[i] == NULL) {
			seen[i] = rule;
			return;
		}
	fail_msg("too many rules");
}

/* The rules there are, as one word each, by cookie: enough to say which. */
static void expect(const char *filter_text, uint64_t cookies)
{
	const struct vs_rule *seen[MAX_SEEN] = {0};
	struct of_flow_mod m;
	uint64_t found = 0;

	assert_int_equal(of_text_flow_parse(filter_text, 1, OFPFC_DELETE, NULL, &m, NULL), 0);
	vs_flows_each(flows,
		      &(struct of_flow_filter){.table = m.table,
					       .out_port = m.out_port,
					       .out_group = m.out_group,
					       .cookie = m.cookie,
					       .cookie_mask = m.cookie_mask,
					       .match = m.match},
		      collect, (void *)seen);
	of_flow_mod_fini(&m);
	for (unsigned i = 0; i < MAX_SEEN && seen[i] != NULL; i++) {
		assert_true((found >> seen[i]->cookie & 1) == 0);
		found |= UINT64_C(1) << seen[i]->cookie;
	}
	assert_int_equal(found, cookies);
}

#define C(n) (UINT64_C(1) << (n))

static const struct vs_rule *rule_of(uint64_t cookie)
{
	const struct of_flow_filter filter = {.table = OF_TABLE_ALL,
					      .out_port = OFPP_ANY,
					      .out_group = OF_GROUP_ANY,
					      .cookie = cookie,
					      .cookie_mask = UINT64_MAX};
	const struct vs_rule *seen[MAX_SEEN] = {0};

	vs_flows_each(flows, &filter, collect, (void *)seen);
	assert_non_null(seen[0]);
	assert_null(seen[1]);
	return seen[0];
}

/* As if a worker had counted: it writes its share. */
static void count(uint64_t cookie, uint64_t packets)
{
	uint32_t c = rule_of(cookie)->counter;
	struct dp_flow_counter *share =
		&dp->counters_gone[c / DP_FLOW_COUNTERS_A_CHUNK][c % DP_FLOW_COUNTERS_A_CHUNK];

	atomic_fetch_add(&share->packets, packets);
	atomic_fetch_add(&share->bytes, packets * 100);
	atomic_store(&share->used, (uint32_t)(dp_flow_now_ms(dp) / DP_FLOW_TICK_MS) + 1);
}

static void expect_count(uint64_t cookie, uint64_t packets)
{
	struct dp_flow_counts counts;

	vs_rule_counts(flows, rule_of(cookie), &counts);
	assert_int_equal(counts.packets, packets);
	assert_int_equal(counts.bytes, packets * 100);
}

/* Where a worker of the version sends a packet from this OpenFlow port; -1: nowhere. */
static int sent_to(uint64_t version, uint16_t in_port)
{
	static struct dp_build b;
	struct dp_key key = {0};

	dp_key_set(&key, DP_FIELD_IN_PORT, in_port);
	dp_build_init(&b);
	vs_xlate(flows, &key, version, &b);
	return dp_build_only_output(&b) == DP_NO_PORT ? -1 : dp_build_only_output(&b);
}

static uint64_t now_version(void)
{
	return dp_pipeline_next(vs_flows_pipeline(flows)) - 1;
}

/* ---- Tests ---- */

static void add_replaces_the_same_match_and_priority_and_keeps_its_counters(void **state)
{
	must(OFPFC_ADD, "cookie=1,priority=5,in_port=1,actions=output:2");
	must(OFPFC_ADD, "cookie=2,priority=6,in_port=1,actions=output:2");
	count(1, 7);
	must(OFPFC_ADD, "cookie=3,priority=5,in_port=1,actions=output:3");
	expect("", C(2) | C(3));
	expect_count(3, 7);
	count(3, 1);
	expect_count(3, 8);
	must(OFPFC_ADD, "cookie=4,priority=5,in_port=1,reset_counts,actions=output:3");
	expect_count(4, 0);
	/* A counter that another rule took over is not given to a third. */
	must(OFPFC_ADD, "cookie=5,priority=7,in_port=1,actions=output:3");
	count(5, 3);
	expect_count(4, 0);
	expect_count(2, 0);
}

static void replaced_rule_is_not_told_of_as_removed(void **state)
{
	must(OFPFC_ADD, "cookie=1,in_port=1,send_flow_rem,actions=output:2");
	must(OFPFC_ADD, "cookie=2,in_port=1,send_flow_rem,actions=output:2");
	assert_int_equal(removed.n, 0);
}

static void overlap_is_refused_when_asked_only_at_the_same_priority(void **state)
{
	must(OFPFC_ADD, "cookie=1,priority=5,ip,nw_dst=10.0.0.0/8,actions=output:2");
	assert_int_equal(try(OFPFC_ADD, "cookie=2,priority=5,ip,nw_src=10.0.0.1,check_overlap,"
					"actions=output:2"),
			 OFPFMFC_OVERLAP);
	expect("", C(1));
	must(OFPFC_ADD, "cookie=3,priority=6,ip,nw_src=10.0.0.1,check_overlap,actions=output:2");
	must(OFPFC_ADD, "cookie=4,priority=5,ip,nw_dst=11.0.0.0/8,check_overlap,actions=output:2");
	must(OFPFC_ADD, "table=1,cookie=5,priority=5,ip,check_overlap,actions=output:2");
	must(OFPFC_ADD, "cookie=6,priority=5,ip,nw_src=10.0.0.1,actions=output:2");
	/* The same match overlaps itself. */
	assert_int_equal(try(OFPFC_ADD, "priority=5,ip,nw_src=10.0.0.1,check_overlap,actions=drop"),
			 OFPFMFC_OVERLAP);
	expect("", C(1) | C(3) | C(4) | C(5) | C(6));
}

static void modify_changes_all_that_are_as_narrow_and_nothing_but_instructions(void **state)
{
	must(OFPFC_ADD, "cookie=1,priority=5,tcp,tp_dst=80,idle_timeout=60,actions=output:2");
	must(OFPFC_ADD, "cookie=2,priority=6,ip,actions=output:2");
	must(OFPFC_ADD, "cookie=3,priority=6,actions=output:2");
	count(1, 9);
	must(OFPFC_MODIFY, "ip,actions=output:7");
	expect("out_port=7", C(1) | C(2));
	expect("out_port=2", C(3));
	expect_count(1, 9);
	assert_int_equal(rule_of(1)->idle_timeout, 60);
	must(OFPFC_MODIFY, "tcp,reset_counts,actions=output:8");
	expect_count(1, 0);
	/* Nothing is made of nothing. */
	must(OFPFC_MODIFY, "arp,actions=output:7");
	expect("", C(1) | C(2) | C(3));
}

static void strict_commands_touch_one_rule(void **state)
{
	must(OFPFC_ADD, "cookie=1,priority=5,ip,actions=output:2");
	must(OFPFC_ADD, "cookie=2,priority=6,ip,actions=output:2");
	must(OFPFC_ADD, "cookie=3,priority=5,tcp,actions=output:2");
	must(OFPFC_MODIFY_STRICT, "priority=5,ip,actions=output:7");
	expect("out_port=7", C(1));
	must(OFPFC_MODIFY_STRICT, "priority=4,ip,actions=output:8");
	expect("out_port=8", 0);
	must(OFPFC_DELETE_STRICT, "priority=5,ip");
	expect("", C(2) | C(3));
	must(OFPFC_DELETE_STRICT, "priority=7,ip");
	expect("", C(2) | C(3));
}

static void delete_looks_at_match_cookie_port_and_table(void **state)
{
	must(OFPFC_ADD, "cookie=1,ip,actions=output:2");
	must(OFPFC_ADD, "cookie=2,tcp,actions=output:3");
	must(OFPFC_ADD, "cookie=3,arp,actions=write_actions(output:3)");
	must(OFPFC_ADD, "cookie=4,table=9,udp,actions=output:3");
	must(OFPFC_ADD, "cookie=12,table=9,in_port=1,actions=drop");
	must(OFPFC_DELETE, "ip,out_port=3,table=0");
	expect("", C(1) | C(3) | C(4) | C(12));
	must(OFPFC_DELETE, "cookie=0x4/0x4,table=9,udp");
	expect("", C(1) | C(3) | C(12));
	must(OFPFC_DELETE, "out_port=3");
	expect("", C(1) | C(12));
	must(OFPFC_DELETE, "cookie=0xc/-1");
	expect("", C(1));
	must(OFPFC_DELETE, "out_port=9");
	expect("", C(1));
	must(OFPFC_DELETE, "");
	expect("", 0);
	assert_int_equal(vs_flows_n(flows, 0), 0);
}

static void modify_looks_at_the_cookie(void **state)
{
	must(OFPFC_ADD, "cookie=1,ip,actions=output:2");
	must(OFPFC_ADD, "cookie=2,tcp,actions=output:2");
	must(OFPFC_MODIFY, "cookie=2/-1,actions=output:5");
	expect("out_port=5", C(2));
}

static void delete_tells_final_counters_to_who_asked(void **state)
{
	must(OFPFC_ADD, "cookie=1,ip,send_flow_rem,actions=output:2");
	must(OFPFC_ADD, "cookie=2,arp,actions=output:2");
	count(1, 4);
	must(OFPFC_MODIFY, "actions=output:3");
	count(1, 1);
	must(OFPFC_DELETE, "");
	assert_int_equal(removed.n, 1);
	assert_int_equal(removed.cookie, 1);
	assert_int_equal(removed.why, OFPRR_DELETE);
	assert_int_equal(removed.packets, 5);
	assert_int_equal(removed.bytes, 500);
}

static void transaction_is_seen_at_once(void **state)
{
	uint64_t old;

	must(OFPFC_ADD, "cookie=1,in_port=1,actions=output:2");
	must(OFPFC_ADD, "cookie=2,in_port=2,actions=output:2");
	old = now_version();
	vs_flows_begin(flows);
	for (unsigned i = 0; i < 2000; i++) { /* longer than the log */
		char text[80];

		snprintf(text, sizeof(text), "table=3,priority=%u,actions=output:2", i + 1);
		assert_int_equal(mod(OFPFC_ADD, text), OF_OK);
	}
	assert_int_equal(mod(OFPFC_MODIFY, "table=0,actions=output:3"), OF_OK);
	assert_int_equal(mod(OFPFC_DELETE, "table=0,in_port=2"), OF_OK);
	assert_int_equal(mod(OFPFC_ADD, "cookie=3,in_port=3,actions=output:1"), OF_OK);
	assert_int_equal(sent_to(now_version(), 1), 2);
	assert_int_equal(sent_to(now_version(), 2), 2);
	assert_int_equal(sent_to(now_version(), 3), -1);
	vs_flows_commit(flows);
	assert_int_equal(sent_to(now_version(), 1), 3);
	assert_int_equal(sent_to(now_version(), 2), -1);
	assert_int_equal(sent_to(now_version(), 3), 1);
	/* A worker that is late sees all of the old. */
	assert_int_equal(sent_to(old, 1), 2);
	assert_int_equal(sent_to(old, 2), 2);
	assert_int_equal(sent_to(old, 3), -1);
}

/* Everything that a mod can do, of which nothing may stay. */
static enum of_error great_change(void)
{
	static const struct {
		uint8_t command;
		const char *text;
	} mods[] = {
		{OFPFC_ADD, "cookie=5,in_port=1,actions=output:4"}, /* replaces 1 */
		{OFPFC_ADD, "cookie=6,in_port=1,actions=output:1"}, /* and that */
		{OFPFC_ADD, "cookie=7,in_port=2,reset_counts,actions=output:4"},
		{OFPFC_MODIFY, "actions=output:4"},
		{OFPFC_DELETE, "table=0,in_port=3"},
		{OFPFC_ADD, "cookie=8,in_port=9,ip,nw_dst=1.2.3.4,actions=output:4"},
		{OFPFC_ADD, "table=200,cookie=9,hard_timeout=1,send_flow_rem,actions=output:4"},
		{OFPFC_DELETE, ""},
		{OFPFC_ADD, "cookie=10,in_port=3,actions=output:4"},
	};

	for (size_t i = 0; i < sizeof(mods) / sizeof(mods[0]); i++) {
		enum of_error error = mod(mods[i].command, mods[i].text);

		if (error != OF_OK)
			return error;
	}
	return OF_OK;
}

static void make_three(void)
{
	must(OFPFC_ADD, "cookie=1,in_port=1,send_flow_rem,actions=output:1");
	must(OFPFC_ADD, "cookie=2,in_port=2,send_flow_rem,actions=output:2");
	must(OFPFC_ADD, "cookie=3,in_port=3,send_flow_rem,idle_timeout=100,actions=output:3");
	for (unsigned i = 1; i <= 3; i++)
		count(i, i);
}

static void expect_three(void)
{
	expect("", C(1) | C(2) | C(3));
	for (uint16_t i = 1; i <= 3; i++) {
		expect_count(i, i);
		assert_int_equal(sent_to(now_version(), i), i);
		assert_int_equal(sent_to(now_version() + 5, i), i);
	}
	assert_int_equal(removed.n, 0);
}

static void aborted_transaction_leaves_all_as_it_was(void **state)
{
	make_three();
	for (unsigned i = 0; i < 3; i++) {
		vs_flows_begin(flows);
		assert_int_equal(great_change(), OF_OK);
		vs_flows_abort(flows);
		expect_three();
		vs_flows_reap(flows);
		expect_three();
	}
	/* Nothing took a counter with it: what is new starts at nothing. */
	must(OFPFC_ADD, "cookie=4,in_port=4,actions=output:4");
	must(OFPFC_ADD, "cookie=11,in_port=5,actions=output:4");
	count(11, 50);
	expect_count(4, 0);
	for (unsigned i = 1; i <= 3; i++)
		expect_count(i, i);
	vs_flows_begin(flows);
	assert_int_equal(great_change(), OF_OK);
	vs_flows_commit(flows);
	vs_flows_reap(flows);
	expect("", C(10));
	assert_int_equal(removed.n, 2); /* 3, and 9 that came and went; others were replaced */
}

static void want_of_memory_leaves_all_as_it_was(void **state)
{
	enum of_error error = OF_ERROR_NO_MEMORY;
	unsigned n = 0;

	make_three();
	while (error != OF_OK) {
		vs_flows_begin(flows);
		fail_after = ++n;
		error = great_change();
		fail_after = 0;
		vs_flows_abort(flows);
		vs_flows_reap(flows);
		expect_three();
		assert_true(n < 1000);
	}
	assert_true(n > 20);
}

static void timeouts_end_rules_and_say_which(void **state)
{
	must(OFPFC_ADD, "cookie=1,in_port=1,idle_timeout=1,send_flow_rem,actions=output:1");
	must(OFPFC_ADD, "cookie=2,in_port=2,hard_timeout=2,send_flow_rem,actions=output:1");
	must(OFPFC_ADD, "cookie=3,in_port=3,actions=output:1");
	for (unsigned i = 0; i < 6; i++) { /* 1.5 s of traffic */
		count(1, 1);
		count(2, 1);
		vs_flows_reap(flows);
		nanosleep(&(struct timespec){0, 250000000}, NULL);
	}
	expect("", C(1) | C(2) | C(3));
	for (unsigned i = 0; i < 40 && removed.n == 0; i++) {
		nanosleep(&(struct timespec){0, 50000000}, NULL);
		vs_flows_reap(flows);
	}
	assert_int_equal(removed.n, 1);
	assert_int_equal(removed.cookie, 2);
	assert_int_equal(removed.why, OFPRR_HARD_TIMEOUT);
	assert_int_equal(removed.packets, 6);
	assert_true(removed.duration_ms >= 2000 && removed.duration_ms < 4000);
	for (unsigned i = 0; i < 40 && removed.n == 1; i++) {
		nanosleep(&(struct timespec){0, 50000000}, NULL);
		vs_flows_reap(flows);
	}
	assert_int_equal(removed.cookie, 1);
	assert_int_equal(removed.why, OFPRR_IDLE_TIMEOUT);
	expect("", C(3));
}

static void rules_end_at_their_second_and_not_before(void **state)
{
	must(OFPFC_ADD, "cookie=1,in_port=1,idle_timeout=60,actions=output:1");
	must(OFPFC_ADD, "cookie=2,in_port=2,hard_timeout=65535,actions=output:1");
	must(OFPFC_ADD, "cookie=3,in_port=3,hard_timeout=90,idle_timeout=3000,actions=output:1");
	/* A transaction that comes to nothing leaves them their time. */
	vs_flows_begin(flows);
	assert_int_equal(vs_flows_mod(flows, &delete_all), OF_OK);
	vs_flows_abort(flows);
	clock_ahead_ms = 59000;
	vs_flows_reap(flows);
	expect("", C(1) | C(2) | C(3));
	clock_ahead_ms = 60251;
	vs_flows_reap(flows);
	expect("", C(2) | C(3));
	clock_ahead_ms = 89000;
	vs_flows_reap(flows);
	expect("", C(2) | C(3));
	clock_ahead_ms = 90251;
	vs_flows_reap(flows);
	expect("", C(2));
	clock_ahead_ms = 65534000;
	vs_flows_reap(flows);
	expect("", C(2));
	clock_ahead_ms = 65535251;
	vs_flows_reap(flows);
	expect("", 0);
	clock_ahead_ms = 0;
}

static void what_cannot_be_is_refused_by_name(void **state)
{
	struct of_flow_mod m = {.command = OFPFC_ADD, .table = 254};

	vs_flows_begin(flows);
	assert_int_equal(vs_flows_mod(flows, &m), OFPFMFC_BAD_TABLE_ID);
	m.table = OF_TABLE_ALL;
	assert_int_equal(vs_flows_mod(flows, &m), OFPFMFC_BAD_TABLE_ID);
	m.command = OFPFC_MODIFY;
	assert_int_equal(vs_flows_mod(flows, &m), OFPFMFC_BAD_TABLE_ID);
	m.table = 0;
	m.command = 5;
	assert_int_equal(vs_flows_mod(flows, &m), OFPFMFC_BAD_COMMAND);
	m.command = OFPFC_ADD;
	m.instrs.present = 1 << OFPIT_METER;
	m.instrs.meter = 1;
	assert_int_equal(vs_flows_mod(flows, &m), OFPMMFC_INVALID_METER);
	m.instrs.present = 1 << OFPIT_GOTO_TABLE;
	m.table = 5;
	m.instrs.goto_table = 5;
	assert_int_equal(vs_flows_mod(flows, &m), OFPBIC_BAD_TABLE_ID);
	vs_flows_abort(flows);
	assert_int_equal(try(OFPFC_ADD, "actions=group:1"), OFPBAC_BAD_OUT_GROUP);
	assert_int_equal(try(OFPFC_ADD, "actions=resubmit(,1)"), OFPBAC_BAD_TYPE);
	expect("", 0);
}

static void modify_that_does_not_fit_a_rule_is_refused(void **state)
{
	must(OFPFC_ADD, "cookie=1,in_port=1,actions=output:2");
	must(OFPFC_ADD, "cookie=2,in_port=2,ip,actions=output:2");
	/* Not all that are named have the header. */
	vs_flows_begin(flows);
	{
		struct of_flow_mod m = {.command = OFPFC_MODIFY};
		struct of_action set = {.type = OF_ACT_SET_FIELD, .set = {.field = OF_F_IPV4_DST}};

		memset(set.set.mask, 0xff, 4);
		assert_true(of_actions_add(&m.instrs.apply, &set));
		of_instrs_mark(&m.instrs, OFPIT_APPLY_ACTIONS);
		assert_int_equal(vs_flows_mod(flows, &m), OFPBAC_MATCH_INCONSISTENT);
		of_instrs_fini(&m.instrs);
	}
	vs_flows_abort(flows);
	expect("out_port=2", C(1) | C(2));
}

static void port_that_goes_is_sent_nothing(void **state)
{
	must(OFPFC_ADD, "cookie=1,in_port=1,actions=output:4");
	assert_int_equal(sent_to(now_version(), 1), 4);
	vs_flows_port(flows, 4, DP_NO_PORT);
	assert_int_equal(sent_to(now_version(), 1), -1);
	vs_flows_port(flows, 4, 40);
	assert_int_equal(sent_to(now_version(), 1), 40);
}

/* ---- */

static int setup(void **state)
{
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
		TEST(add_replaces_the_same_match_and_priority_and_keeps_its_counters),
		TEST(replaced_rule_is_not_told_of_as_removed),
		TEST(overlap_is_refused_when_asked_only_at_the_same_priority),
		TEST(modify_changes_all_that_are_as_narrow_and_nothing_but_instructions),
		TEST(strict_commands_touch_one_rule),
		TEST(delete_looks_at_match_cookie_port_and_table),
		TEST(modify_looks_at_the_cookie),
		TEST(delete_tells_final_counters_to_who_asked),
		TEST(transaction_is_seen_at_once),
		TEST(aborted_transaction_leaves_all_as_it_was),
		TEST(want_of_memory_leaves_all_as_it_was),
		TEST(timeouts_end_rules_and_say_which),
		TEST(rules_end_at_their_second_and_not_before),
		TEST(what_cannot_be_is_refused_by_name),
		TEST(modify_that_does_not_fit_a_rule_is_refused),
		TEST(port_that_goes_is_sent_nothing),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
