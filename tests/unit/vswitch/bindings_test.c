/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Learned addresses over a restart: what is written, what is bound again, and what a file that
 * somebody else wrote may do.
 */
#include "vswitch/guards_priv.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "ctl/base/clock.h"
#include "dataplane/pipeline.h"
#include "tests/support/test_dp.h"

#define HOUR_MS UINT64_C(3600000)

static struct dp *dp;
static struct vs *vs;
static json_t *conf;
static char dir[64], path[96];
static unsigned n_events;
static char last[512];

static void on_event(void *ctx, const char *type, const char *port, const char *text)
{
	if (strcmp(type, "guard-bindings") != 0)
		return;
	n_events++;
	snprintf(last, sizeof(last), "%s", text);
}

static void apply(void)
{
	struct err err = {0};

	if (vs_apply(vs, NULL, conf, false, &err) != 0)
		fail_msg("%s %s", err.what, err.why);
}

static void open_vs(const char *at)
{
	struct vs_opts opts = {.event = on_event, .bindings_path = at};
	struct err err = {0};

	dp = test_dp_create(1023);
	opts.dp = dp;
	n_events = 0;
	if (vs_create(&opts, &vs, &err) != 0)
		fail_msg("%s", err.what);
	apply();
}

static void close_vs(void)
{
	vs_destroy(vs);
	test_dp_destroy(dp);
}

static void learns(const char *port, const char *ip)
{
	json_object_set_new(json_object_get(conf, "guard"), port,
			    json_pack("{ss ss ss}", "port", port, "profile", "vm", "ip", ip));
}

/* A switch of three ports, of which the third learns nothing. */
static int fresh(void **state)
{
	json_decref(conf);
	conf = json_pack("{s{s{ss ss}} s{s{ss ss ss} s{ss ss ss} s{ss ss ss}} s{}}", "switch", "s0",
			 "name", "s0", "type", "private", "port", "a", "name", "a", "switch", "s0",
			 "kind", "mem", "b", "name", "b", "switch", "s0", "kind", "mem", "c",
			 "name", "c", "switch", "s0", "kind", "mem", "guard");
	learns("a", "learned");
	learns("b", "learned");
	learns("c", "off");
	(void)unlink(path);
	return 0;
}

static struct dp_ip ip(uint8_t n)
{
	return (struct dp_ip){.b = {10, 0, 0, n}};
}

/* As if it came from DHCP. */
static void learn(const char *port, uint8_t n, uint64_t left_ms)
{
	const struct dp_guard_binding b = {
		.ip = ip(n),
		.mac = {2, 0, 0, 0, 0, n},
		.port = vs_port_id(vs, port),
		.domain = vs_domain_id(vs, "s0", NULL),
		.how = DP_GUARD_DHCP4,
		.until_ms = left_ms != 0 ? dp_flow_now_ms(dp) + left_ms : 0,
	};

	assert_int_equal(dp_guard_bind(dp, &b), 0);
}

static unsigned count(const char *port)
{
	return vs_bindings_count(vs, vs_port_id(vs, port));
}

static void find(void *arg, const struct dp_guard_binding *b)
{
	*(struct dp_guard_binding *)arg = *b;
}

static void write_text(const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* A file with one binding, of which 'words' replaces what it says. */
static void write_one(const char *words)
{
	char text[1024];

	snprintf(text, sizeof(text),
		 "{\"version\": 1, \"bindings\": [{\"port\": \"a\", \"ip\": \"10.0.0.5\", "
		 "\"mac\": \"02:00:00:00:00:05\", \"vlan\": 0, \"how\": \"dhcp4\", "
		 "\"until\": 0%s%s}]}",
		 words[0] != '\0' ? ", " : "", words);
	write_text(text);
}

/* ---- Tests ---- */

static void what_was_learned_is_there_after_a_restart(void **state)
{
	struct dp_guard_binding b = {0};
	struct stat st;

	open_vs(path);
	learn("a", 5, HOUR_MS);
	learn("b", 6, 0);
	vs_bindings_tick(vs);
	/* Somebody's addresses are nobody else's business. */
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
	close_vs();
	open_vs(path);
	assert_int_equal(count("a"), 1);
	assert_int_equal(count("b"), 1);
	assert_int_equal(dp_guard_bindings(dp, vs_port_id(vs, "a"), find, &b), 1);
	assert_true(b.ip.v4 == ip(5).v4 && b.mac[5] == 5 && b.how == DP_GUARD_DHCP4);
	/* The lease goes on, it does not begin again. */
	assert_in_range(b.until_ms - dp_flow_now_ms(dp), HOUR_MS - 600000, HOUR_MS);
	assert_int_equal(n_events, 0);
	close_vs();
}

static void what_is_learned_last_is_kept_by_an_orderly_end(void **state)
{
	open_vs(path);
	learn("a", 5, HOUR_MS);
	/* No tick. */
	close_vs();
	open_vs(path);
	assert_int_equal(count("a"), 1);
	close_vs();
}

static void a_lease_that_ended_meanwhile_is_not_bound(void **state)
{
	char until[64];

	snprintf(until, sizeof(until), "\"until\": %llu",
		 (unsigned long long)(clock_wall_ns() / 1000000 - 1));
	write_one(until);
	open_vs(path);
	assert_int_equal(count("a"), 0);
	close_vs();
	write_one("");
	open_vs(path);
	assert_int_equal(count("a"), 1);
	close_vs();
}

static void ports_that_learn_nothing_get_nothing(void **state)
{
	write_one("\"port\": \"c\"");
	open_vs(path);
	assert_int_equal(count("c"), 0);
	close_vs();
	write_one("\"port\": \"nowhere\"");
	open_vs(path);
	assert_int_equal(dp_guard_bindings(dp, DP_GUARD_ALL_PORTS, find,
					   &(struct dp_guard_binding){0}),
			 0);
	close_vs();
}

static void entries_that_are_none_are_left_out(void **state)
{
	static const char *const bad[] = {
		"\"port\": 7",	       "\"ip\": \"10.0.0\"",
		"\"ip\": \"fd00::g\"", "\"mac\": \"02:00:00:00:00\"",
		"\"vlan\": 4096",      "\"vlan\": -1",
		"\"vlan\": 1.5",       "\"how\": \"configured\"",
		"\"how\": \"bound\"",  "\"how\": \"\"",
		"\"until\": -1",       "\"until\": \"soon\"",
	};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		write_one(bad[i]);
		open_vs(path);
		if (count("a") != 0)
			fail_msg("bound: %s", bad[i]);
		close_vs();
	}
}

static void a_damaged_file_is_told_and_replaced(void **state)
{
	write_text("{\"version\": 1, \"bindings\": [{\"port\"");
	open_vs(path);
	assert_int_equal(n_events, 1);
	assert_non_null(strstr(last, "forgotten"));
	assert_non_null(strstr(last, path));
	assert_int_equal(count("a"), 0);
	learn("a", 5, HOUR_MS);
	vs_bindings_tick(vs);
	close_vs();
	open_vs(path);
	assert_int_equal(n_events, 0);
	assert_int_equal(count("a"), 1);
	close_vs();
}

static void a_file_that_cannot_be_written_is_told_once(void **state)
{
	char nowhere[160];

	snprintf(nowhere, sizeof(nowhere), "%s/none/bindings", dir);
	open_vs(nowhere);
	for (uint8_t i = 5; i < 8; i++) {
		learn("a", i, HOUR_MS);
		vs_bindings_tick(vs);
	}
	assert_int_equal(n_events, 1);
	assert_non_null(strstr(last, "cannot be kept"));
	close_vs();
}

static void port_that_stops_learning_forgets(void **state)
{
	open_vs(path);
	learn("a", 5, HOUR_MS);
	learn("b", 6, HOUR_MS);
	learns("a", "off");
	apply();
	assert_int_equal(count("a"), 0);
	assert_int_equal(count("b"), 1);
	close_vs();
}

static void learned_ones_are_taken_back_and_given_ones_stay(void **state)
{
	struct dp_guard_binding b;
	const struct dp_ip five = ip(5), nine = ip(9);

	open_vs(path);
	learn("a", 5, HOUR_MS);
	learn("a", 6, HOUR_MS);
	learn("b", 7, HOUR_MS);
	b = (struct dp_guard_binding){.ip = ip(8),
				      .port = vs_port_id(vs, "a"),
				      .domain = vs_domain_id(vs, "s0", NULL),
				      .how = DP_GUARD_HAND};
	assert_int_equal(dp_guard_bind(dp, &b), 0);
	assert_int_equal(vs_bindings_drop(vs, vs_port_id(vs, "a"), &nine), 0);
	assert_int_equal(vs_bindings_drop(vs, vs_port_id(vs, "a"), &five), 1);
	assert_int_equal(count("a"), 1);
	assert_int_equal(vs_bindings_drop(vs, vs_port_id(vs, "a"), NULL), 1);
	assert_int_equal(dp_guard_bindings(dp, vs_port_id(vs, "a"), find, &b), 1);
	assert_int_equal(b.how, DP_GUARD_HAND);
	assert_int_equal(count("b"), 1);
	/* Nor is what was bound by hand in the file. */
	close_vs();
	open_vs(path);
	assert_int_equal(dp_guard_bindings(dp, vs_port_id(vs, "a"), find, &b), 0);
	close_vs();
}

static int start(void **state)
{
	snprintf(dir, sizeof(dir), "/tmp/bindings-test-XXXXXX");
	if (mkdtemp(dir) == NULL)
		return -1;
	snprintf(path, sizeof(path), "%s/bindings.json", dir);
	return 0;
}

static int finish(void **state)
{
	json_decref(conf);
	(void)unlink(path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define T(test) cmocka_unit_test_setup(test, fresh)
		T(what_was_learned_is_there_after_a_restart),
		T(what_is_learned_last_is_kept_by_an_orderly_end),
		T(a_lease_that_ended_meanwhile_is_not_bound),
		T(ports_that_learn_nothing_get_nothing),
		T(entries_that_are_none_are_left_out),
		T(a_damaged_file_is_told_and_replaced),
		T(a_file_that_cannot_be_written_is_told_once),
		T(port_that_stops_learning_forgets),
		T(learned_ones_are_taken_back_and_given_ones_stay),
#undef T
	};

	return cmocka_run_group_tests(tests, start, finish);
}
