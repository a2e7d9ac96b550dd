/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What workers tell becomes events: what they say, and that nobody makes a flood of them.  Notices
 * and the clock are the test's.
 */
#include "vswitch/guards_priv.h"

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

#include "tests/support/test_dp.h"

#define N_PORTS 8

void __wrap_dp_notices_take(struct dp *dp, dp_notice_fn fn, void *arg);
int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);

static struct dp *dp;
static struct vs *vs;
static uint64_t now_s;
static struct dp_notice waiting[64];
static unsigned n_waiting;
static unsigned n_events, n_many;
static char last[512], last_type[64], last_port[64], many[512];

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	if (now_s == 0 || id != CLOCK_MONOTONIC)
		return __real_clock_gettime(id, ts);
	*ts = (struct timespec){.tv_sec = (time_t)now_s};
	return 0;
}

void __wrap_dp_notices_take(struct dp *of, dp_notice_fn fn, void *arg)
{
	for (unsigned i = 0; i < n_waiting; i++)
		fn(arg, &waiting[i]);
	n_waiting = 0;
}

static void on_event(void *ctx, const char *type, const char *port, const char *text)
{
	if (strcmp(type, "guard-many") == 0) {
		n_many++;
		snprintf(many, sizeof(many), "%s", text);
		return;
	}
	n_events++;
	snprintf(last, sizeof(last), "%s", text);
	snprintf(last_type, sizeof(last_type), "%s", type);
	snprintf(last_port, sizeof(last_port), "%s", port != NULL ? port : "");
}

static uint16_t id_of(unsigned i)
{
	char name[16];

	snprintf(name, sizeof(name), "p%u", i);
	return vs_port_id(vs, name);
}

/* TCP from 10.0.0.9 to 10.0.0.1. */
static struct dp_notice notice(unsigned port, enum dp_drop drop)
{
	return (struct dp_notice){.port = id_of(port),
				  .drop = (uint16_t)drop,
				  .src = {2, 0, 0, 0, 0, 9},
				  .dst = {2, 0, 0, 0, 0, 1},
				  .eth_type = 0x0800,
				  .has_ip = true,
				  .from = {.b = {10, 0, 0, 9}},
				  .to = {.b = {10, 0, 0, 1}},
				  .proto = 6,
				  .sport = 4711,
				  .dport = 80};
}

static void give(const struct dp_notice *n)
{
	assert_true(n_waiting < sizeof(waiting) / sizeof(waiting[0]));
	waiting[n_waiting++] = *n;
}

/* So many of them are told by the next tick. */
static unsigned told(void)
{
	n_events = n_many = 0;
	last[0] = many[0] = '\0';
	vs_notices_tick(vs);
	return n_events;
}

static void says(const struct dp_notice *n, const char *type, const char *text)
{
	/* Another hour: whoever told before may tell again. */
	now_s += 3600;
	give(n);
	assert_int_equal(told(), 1);
	assert_string_equal(last_type, type);
	if (strstr(last, text) == NULL)
		fail_msg("'%s' is not in: %s", text, last);
}

/* ---- What is said ---- */

static void spoofed_mac_is_told_with_the_frame(void **state)
{
	const struct dp_notice n = notice(0, DP_DROP_GUARD_MAC);

	says(&n, "guard-mac", "guard: port p0: spoofed source MAC 02:00:00:00:00:09");
	assert_non_null(strstr(last, ", 10.0.0.9 > 10.0.0.1 tcp 4711 > 80"));
	assert_string_equal(last_port, "p0");
	assert_null(strstr(last, "left out"));
}

static void each_kind_has_its_words(void **state)
{
	static const struct {
		enum dp_drop drop;
		const char *type, *text;
	} kinds[] = {
		{DP_DROP_GUARD_IP, "guard-ip",
		 "source address 10.0.0.9 is not the port's, from 02:00:00:00:00:09, 10.0.0.9 >"},
		{DP_DROP_GUARD_DHCP, "guard-dhcp",
		 "DHCP server, or client for another, from 02:00:00:00:00:09, "},
		{DP_DROP_GUARD_ROUTER, "guard-router",
		 "router advertisement or redirect from 02:00:00:00:00:09, "},
		{DP_DROP_GUARD_ARP, "guard-arp", "ARP or neighbour discovery that claims"},
		{DP_DROP_ACL_IN, "acl-ingress", "acl: port p0: denied by a list that is no more, "},
		{DP_DROP_ACL_OUT, "acl-egress", "acl: port p0: denied by a list that is no more, "},
	};

	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		const struct dp_notice n = notice(0, kinds[i].drop);

		says(&n, kinds[i].type, kinds[i].text);
	}
}

static void frames_are_told_by_what_they_have(void **state)
{
	struct dp_notice n = notice(0, DP_DROP_GUARD_ROUTER);

	n.vlan = 7;
	says(&n, "guard-router", "tcp 4711 > 80 (VLAN 7)");
	n.vlan = 0;
	n.sport = n.dport = 0;
	says(&n, "guard-router", "10.0.0.9 > 10.0.0.1 tcp");
	n.proto = 58;
	n.sport = 134;
	says(&n, "guard-router", "icmpv6 type 134 code 0");
	n.proto = 99;
	says(&n, "guard-router", "10.0.0.9 > 10.0.0.1 protocol 99");
	n.eth_type = 0x0806;
	says(&n, "guard-router", "10.0.0.9 > 10.0.0.1 arp");
	n.from.v6 = n.to.v6 = true;
	n.eth_type = 0x86dd;
	says(&n, "guard-router", "a00:9:: > a00:1:: protocol 99");
	n.has_ip = false;
	n.eth_type = 0x88b5;
	says(&n, "guard-router", "redirect, 02:00:00:00:00:09 > 02:00:00:00:00:01 type 0x88b5");
}

static void entry_of_a_list_is_named(void **state)
{
	struct dp_notice n = notice(0, DP_DROP_ACL_IN);

	/* The first list that was made. */
	n.id = UINT64_C(1) << 32 | 20;
	says(&n, "acl-ingress", "denied by entry 20 of acl web, ");
	n.id = UINT64_C(1) << 32;
	says(&n, "acl-ingress", "denied by acl web, of which no entry matches, ");
}

static void a_guard_that_watches_says_so(void **state)
{
	const struct dp_notice n = notice(1, DP_DROP_GUARD_MAC);

	says(&n, "guard-mac", "; it passed, the guard watches");
}

static void nonsense_is_not_told(void **state)
{
	struct dp_notice n = notice(0, DP_DROP_GUARD_MAC);

	now_s += 3600;
	n.drop = DP_N_DROPS;
	give(&n);
	n = notice(0, DP_DROP_GUARD_MAC);
	n.port = DP_MAX_PORTS;
	give(&n);
	/* It went while its notice waited. */
	n.port = DP_MAX_PORTS - 1;
	give(&n);
	assert_int_equal(told(), 0);
}

/* ---- How much ---- */

static void a_port_tells_five_of_a_kind_and_then_one_in_ten_seconds(void **state)
{
	struct dp_notice n = notice(2, DP_DROP_GUARD_MAC);

	now_s += 3600;
	for (unsigned i = 0; i < 9; i++)
		give(&n);
	assert_int_equal(told(), 5);
	now_s += 9;
	give(&n);
	assert_int_equal(told(), 0);
	/* Another kind, and another port, have theirs. */
	n.drop = DP_DROP_GUARD_IP;
	give(&n);
	assert_int_equal(told(), 1);
	assert_null(strstr(last, "left out"));
	n = notice(3, DP_DROP_GUARD_MAC);
	give(&n);
	assert_int_equal(told(), 1);
	now_s += 1;
	n = notice(2, DP_DROP_GUARD_MAC);
	n.left_out = 7; /* by the worker */
	give(&n);
	give(&n);
	assert_int_equal(told(), 1);
	assert_non_null(strstr(last, "; 12 more left out"));
	/* A minute of silence, and it may tell five again. */
	now_s += 60;
	for (unsigned i = 0; i < 9; i++)
		give(&n);
	assert_int_equal(told(), 5);
}

static void what_was_left_out_is_counted_to_the_most(void **state)
{
	struct dp_notice n = notice(2, DP_DROP_GUARD_MAC);

	now_s += 3600;
	n.left_out = UINT32_MAX;
	give(&n);
	assert_int_equal(told(), 1);
	assert_non_null(strstr(last, "; 4294967295 more left out"));
	for (unsigned i = 0; i < 8; i++)
		give(&n);
	(void)told();
	now_s += 10;
	give(&n);
	assert_int_equal(told(), 1);
	assert_non_null(strstr(last, "; 4294967295 more left out"));
}

static void all_ports_together_tell_twenty_a_second(void **state)
{
	now_s += 3600;
	for (unsigned port = 0; port < N_PORTS; port++)
		for (unsigned i = 0; i < 4; i++) {
			const struct dp_notice n = notice(port, DP_DROP_GUARD_IP);

			give(&n);
		}
	assert_int_equal(told(), 20);
	assert_int_equal(n_many, 0);
	now_s += 1;
	assert_int_equal(told(), 0);
	assert_int_equal(n_many, 1);
	assert_non_null(strstr(many, " 12 notices were left out"));
	now_s += 1;
	(void)told();
	assert_int_equal(n_many, 0);
	/* They are not lost on their port. */
	{
		const struct dp_notice n = notice(N_PORTS - 1, DP_DROP_GUARD_IP);

		give(&n);
	}
	assert_int_equal(told(), 1);
	assert_non_null(strstr(last, "; 4 more left out"));
}

static void a_port_that_is_new_owes_nothing(void **state)
{
	const struct dp_notice n = notice(4, DP_DROP_GUARD_MAC);

	now_s += 3600;
	for (unsigned i = 0; i < 9; i++)
		give(&n);
	assert_int_equal(told(), 5);
	vs_notices_port_gone(vs, id_of(4));
	now_s += 1;
	give(&n);
	assert_int_equal(told(), 1);
	assert_null(strstr(last, "left out"));
}

/* ---- A switch ---- */

static int start(void **state)
{
	json_t *conf =
		json_pack("{s{s{ss ss}} s{} s{s{ss ss} s{ss ss ss}} s{s{ss ss}}}", "switch", "s0",
			  "name", "s0", "type", "private", "port", "guard", "p0", "port", "p0",
			  "profile", "vm", "p1", "port", "p1", "profile", "vm", "mode", "watch",
			  "acl", "web", "name", "web", "entries", "10 allow tcp\n20 deny");
	struct vs_opts opts = {.event = on_event};
	struct err err = {0};

	for (unsigned i = 0; i < N_PORTS; i++) {
		char name[16];

		snprintf(name, sizeof(name), "p%u", i);
		json_object_set_new(json_object_get(conf, "port"), name,
				    json_pack("{ss ss ss}", "name", name, "switch", "s0", "kind",
					      "mem"));
	}
	dp = test_dp_create(1023);
	opts.dp = dp;
	if (vs_create(&opts, &vs, &err) != 0 || vs_apply(vs, NULL, conf, false, &err) != 0) {
		print_error("%s %s\n", err.what, err.why);
		return -1;
	}
	json_decref(conf);
	now_s = 1000000;
	return 0;
}

static int finish(void **state)
{
	now_s = 0;
	vs_destroy(vs);
	test_dp_destroy(dp);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(spoofed_mac_is_told_with_the_frame),
		cmocka_unit_test(each_kind_has_its_words),
		cmocka_unit_test(frames_are_told_by_what_they_have),
		cmocka_unit_test(entry_of_a_list_is_named),
		cmocka_unit_test(a_guard_that_watches_says_so),
		cmocka_unit_test(nonsense_is_not_told),
		cmocka_unit_test(a_port_tells_five_of_a_kind_and_then_one_in_ten_seconds),
		cmocka_unit_test(what_was_left_out_is_counted_to_the_most),
		cmocka_unit_test(all_ports_together_tell_twenty_a_second),
		cmocka_unit_test(a_port_that_is_new_owes_nothing),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
