/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What the switch does by itself, against devices and a clock of paper: ports whose interface goes
 * and comes back, and the loop guard.
 */
#include "vswitch/vs.h"

#include <errno.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "dataplane/fdb_priv.h"
#include "tests/support/test_dp.h"
#include "vswitch/takeover.h"

/* The linker puts these in place of the originals (-Wl,--wrap). */
int __real_vs_device_open(struct vs *vs, const struct vs_port *p, struct vs_live *live,
			  struct err *err);
int __wrap_vs_device_open(struct vs *vs, const struct vs_port *p, struct vs_live *live,
			  struct err *err);
char *__wrap_if_indextoname(unsigned ifindex, char *name);
int __real_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_clock_gettime(clockid_t id, struct timespec *ts);
int __wrap_vs_takeovers_engage(struct vs *vs, const struct vs_model *m, struct err *err);

static struct dp *dp;
static struct vs *vs;
static const char *present; /* the interface that is there, as number 7; NULL: none */
static const char *refusal = "there is no interface";
static unsigned n_opens, n_engaged;
static bool engage_fails;
static uint64_t now_s;
static char events[8][200]; /* "type port text" */
static unsigned n_events;

int __wrap_clock_gettime(clockid_t id, struct timespec *ts)
{
	*ts = (struct timespec){.tv_sec = (time_t)now_s};
	return 0;
}

char *__wrap_if_indextoname(unsigned ifindex, char *name)
{
	if (present == NULL || ifindex != 7)
		return NULL;
	return strcpy(name, present);
}

/* A phys port is one in memory where its interface is there. */
int __wrap_vs_device_open(struct vs *v, const struct vs_port *p, struct vs_live *live,
			  struct err *err)
{
	const struct dp_port_opts opts = {.name = p->name,
					  .kind = "mem",
					  .netns_fd = -1,
					  .mtu = p->mtu};

	if (p->kind != VS_PHYS)
		return __real_vs_device_open(v, p, live, err);
	n_opens++;
	if (present == NULL || strcmp(present, p->place) != 0)
		return err_set(err, -ENODEV, "no-interface", "%s", refusal);
	live->ifindex = 7;
	return dp_port_open(v->dp, &opts, &live->port, err);
}

int __wrap_vs_takeovers_engage(struct vs *v, const struct vs_model *m, struct err *err)
{
	n_engaged++;
	return engage_fails && m->n_ports != 0
		       ? err_set(err, -EINVAL, "no-host-port", "nowhere to go")
		       : 0;
}

static void on_event(void *ctx, const char *type, const char *port, const char *text)
{
	/* When it is told that a port is back, workers have it. */
	if (strcmp(type, "port-back") == 0)
		assert_non_null(dp_view(dp)->vports[vs_port_id(vs, port)]->port);
	snprintf(events[n_events % 8], sizeof(events[0]), "%s %s %s", type,
		 port != NULL ? port : "-", text);
	n_events++;
}

static bool told(const char *start)
{
	for (unsigned i = 0; i < n_events && i < 8; i++)
		if (strncmp(events[i], start, strlen(start)) == 0)
			return true;
	return false;
}

static void apply(const char *loop_guard, bool starting)
{
	struct err err = {0};
	json_t *state = json_pack("{s{s{ss sb}} s{s{ss ss ss} s{ss ss}}}", "switch", "s", "type",
				  "external", "loop_guard", strcmp(loop_guard, "on") == 0, "port",
				  "up", "switch", "s", "kind", "phys", "device", "eth7", "vm",
				  "switch", "s", "kind", "mem");

	assert_non_null(state);
	if (vs_apply(vs, NULL, state, starting, &err) != 0)
		fail_msg("%s", err.what);
	json_decref(state);
}

static int start(void **state)
{
	const struct vs_opts opts = {.dp = dp, .event = on_event};
	struct err err = {0};

	present = "eth7";
	n_events = n_opens = n_engaged = 0;
	engage_fails = false;
	now_s = 1000;
	return vs_create(&opts, &vs, &err);
}

static int finish(void **state)
{
	vs_destroy(vs);
	return 0;
}

static struct vs_live *uplink(void)
{
	return &vs->live[vs_port_id(vs, "up")];
}

static const struct dp_vport *vport(const char *name)
{
	return dp_view(dp)->vports[vs_port_id(vs, name)];
}

static void ticks(unsigned n)
{
	while (n-- != 0)
		vs_tick(vs);
}

/* Devices. */

static void device_that_is_away_at_start_is_waited_for(void **state)
{
	present = NULL;
	apply("on", true);
	assert_null(uplink()->port);
	assert_string_equal(uplink()->reason, refusal);
	assert_true(told("port-waits up"));
	assert_non_null(vport("up"));
	assert_int_equal(vport("up")->flags & DP_VP_UP, 0);
	assert_int_equal(vport("vm")->flags & DP_VP_UP, DP_VP_UP);
}

static void device_that_is_away_is_tried_once_a_second(void **state)
{
	present = NULL;
	apply("on", true);
	n_opens = 0;
	ticks(5);
	assert_int_equal(n_opens, 1);
	ticks(50);
	assert_int_equal(n_opens, 1); /* The clock stands still. */
	for (unsigned i = 0; i < 10; i++) {
		now_s++;
		ticks(10);
	}
	assert_int_equal(n_opens, 11);
}

static void port_whose_interface_is_gone_waits_and_comes_back(void **state)
{
	apply("on", false);
	ticks(5);
	assert_non_null(uplink()->port);
	assert_int_equal(n_events, 0);
	present = NULL;
	ticks(5);
	assert_null(uplink()->port);
	assert_string_equal(uplink()->reason, "its interface is gone");
	assert_null(vport("up")->port);
	assert_true(told("port-waits up"));
	present = "eth7";
	now_s++;
	n_events = 0;
	ticks(5);
	assert_non_null(uplink()->port);
	assert_string_equal(uplink()->reason, "");
	assert_int_equal(vport("up")->flags & DP_VP_UP, DP_VP_UP);
	assert_true(told("port-back up"));
	assert_int_equal(n_events, 1);
}

static void interface_that_got_another_name_is_gone(void **state)
{
	apply("on", false);
	present = "eth8";
	ticks(5);
	assert_null(uplink()->port);
	assert_true(told("port-waits up"));
}

static void interface_that_appears_is_taken_at_once(void **state)
{
	present = NULL;
	apply("on", true);
	ticks(5);
	present = "eth7";
	vs_interface_changed(vs, "eth7"); /* no second has passed */
	assert_non_null(uplink()->port);
	assert_true(told("port-back up"));
}

static void reason_is_why_it_failed_last(void **state)
{
	present = NULL;
	apply("on", true);
	refusal = "another reason";
	now_s++;
	ticks(5);
	assert_string_equal(uplink()->reason, "another reason");
	refusal = "there is no interface";
}

/* The uplink of the host came after the daemon: without this its addresses would stay where nobody
 * answers any more. */
static void addresses_of_an_uplink_that_comes_late_are_taken(void **state)
{
	present = NULL;
	apply("on", true);
	n_engaged = 0;
	ticks(50);
	assert_int_equal(n_engaged, 0);
	present = "eth7";
	vs_interface_changed(vs, "eth7");
	assert_int_equal(n_engaged, 1);
	present = NULL;
	ticks(5);
	present = "eth7";
	engage_fails = true;
	vs_interface_changed(vs, NULL);
	assert_true(told("takeover - nowhere to go"));
	assert_non_null(uplink()->port);
}

static void port_that_is_added_has_its_link_at_once(void **state)
{
	present = "eth7";
	apply("on", false);
	assert_true(atomic_load(&vport("vm")->port->link_up));
	assert_true(atomic_load(&uplink()->port->link_up));
}

static void station_whose_address_is_taken_is_told(void **state)
{
	json_t *next;

	present = "eth7";
	apply("on", false);
	dp_fdb_learn(dp_fdb(dp), UINT64_C(0x070000000002), vport("vm")->domain, 0,
		     vs_port_id(vs, "vm"), 0, 0);
	n_events = 0;
	next = json_deep_copy(vs->model->state);
	json_object_set_new(next, "mac",
			    json_pack("{s{ss ss ss}}", "m", "switch", "s", "port", "up", "mac",
				      "02:00:00:00:00:07"));
	assert_int_equal(vs_apply(vs, NULL, next, false, NULL), 0);
	json_decref(next);
	assert_true(told("mac-taken vm static address 02:00:00:00:00:07 is port up's now"));
	assert_int_equal(n_events, 1);
}

/* The loop guard. */

/* 'n' stations are heard on the uplink and on the machine in turn, and end on the machine. */
static void flap(unsigned n)
{
	uint16_t up = vs_port_id(vs, "up"), vm = vs_port_id(vs, "vm");
	const struct dp_vport *vp = vport("vm");

	for (unsigned i = 0; i < n; i++) {
		uint64_t mac = UINT64_C(0x020000000000) | i;

		dp_fdb_learn(dp_fdb(dp), mac, vp->domain, 0, vm, 0, 0);
		dp_fdb_learn(dp_fdb(dp), mac, vp->domain, 0, up, 0, 0);
		dp_fdb_learn(dp_fdb(dp), mac, vp->domain, 0, vm, 0, 0);
	}
}

static bool is_held(const char *name)
{
	return (vport(name)->flags & DP_VP_HELD) != 0;
}

/* What goes round in tags only is not proved, but guessed when addresses flap for three seconds. */
static void uplink_of_a_loop_is_held_for_ten_seconds_and_no_machine_is(void **state)
{
	apply("on", false);
	for (unsigned i = 0; i < 3; i++) {
		assert_false(is_held("up"));
		flap(32);
		ticks(10);
	}
	assert_true(is_held("up"));
	assert_false(is_held("vm"));
	assert_true(told("loop up port up is held"));
	ticks(90);
	assert_true(is_held("up"));
	ticks(10);
	assert_false(is_held("up"));
	assert_true(told("loop-end up"));
	ticks(50);
	assert_int_equal(n_events, 2);
}

static void few_moves_are_no_loop(void **state)
{
	apply("on", false);
	for (unsigned i = 0; i < 5; i++) { /* each second just not enough */
		flap(31);
		ticks(10);
	}
	assert_int_equal(n_events, 0);
	assert_false(is_held("up"));
}

/* A machine that migrates here takes its addresses with it: they go one way. */
static void stations_that_move_one_way_are_no_loop(void **state)
{
	uint16_t up, vm;

	apply("on", false);
	up = vs_port_id(vs, "up");
	vm = vs_port_id(vs, "vm");
	for (unsigned i = 0; i < 200; i++) {
		dp_fdb_learn(dp_fdb(dp), UINT64_C(0x020000001000) | i, vport("vm")->domain, 0, vm,
			     0, 0);
		dp_fdb_learn(dp_fdb(dp), UINT64_C(0x020000001000) | i, vport("vm")->domain, 0, up,
			     0, 0);
	}
	ticks(10);
	assert_int_equal(n_events, 0);
}

static void switch_without_loop_guard_holds_nothing(void **state)
{
	apply("off", false);
	for (unsigned i = 0; i < 5; i++) {
		flap(100);
		ticks(10);
	}
	assert_int_equal(n_events, 0);
	assert_false(is_held("up"));
}

static void loop_that_goes_on_is_held_again(void **state)
{
	apply("on", false);
	for (unsigned i = 0; i < 25; i++) {
		flap(40);
		ticks(10);
	}
	assert_true(is_held("up"));
	assert_int_equal(n_events, 5); /* held at 1, 11 and 21 s, free between */
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(device_that_is_away_at_start_is_waited_for),
		TEST(device_that_is_away_is_tried_once_a_second),
		TEST(port_whose_interface_is_gone_waits_and_comes_back),
		TEST(interface_that_got_another_name_is_gone),
		TEST(interface_that_appears_is_taken_at_once),
		TEST(reason_is_why_it_failed_last),
		TEST(addresses_of_an_uplink_that_comes_late_are_taken),
		TEST(port_that_is_added_has_its_link_at_once),
		TEST(station_whose_address_is_taken_is_told),
		TEST(uplink_of_a_loop_is_held_for_ten_seconds_and_no_machine_is),
		TEST(few_moves_are_no_loop),
		TEST(stations_that_move_one_way_are_no_loop),
		TEST(switch_without_loop_guard_holds_nothing),
		TEST(loop_that_goes_on_is_held_again),
	};
	int failed;

	dp = test_dp_create(1023);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	test_dp_destroy(dp);
	return failed;
}
