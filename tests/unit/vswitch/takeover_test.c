/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Addresses that move with the uplink, between real interfaces:
 *
 *	vst-up (uplink) ──veth── vst-gw        host0 (a tap: the switch's host port)
 *
 * The switch's own end of the uplink is in memory: frames are not what this is about.
 */
#include "vswitch/takeover.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/own_net.h"
#include "tests/support/test_dp.h"
#include "vswitch/link.h"
#include "vswitch/vs.h"

/* The linker puts it in place of the original (-Wl,--wrap). */
int __real_vs_device_open(struct vs *vs, const struct vs_port *p, struct vs_live *live,
			  struct err *err);
int __wrap_vs_device_open(struct vs *vs, const struct vs_port *p, struct vs_live *live,
			  struct err *err);

static struct dp *dp;
static struct vs *vs;
static char path[64];

int __wrap_vs_device_open(struct vs *v, const struct vs_port *p, struct vs_live *live,
			  struct err *err)
{
	const struct dp_port_opts opts = {.name = p->name,
					  .kind = "mem",
					  .netns_fd = -1,
					  .mtu = p->mtu};

	if (p->kind != VS_PHYS)
		return __real_vs_device_open(v, p, live, err);
	json_decref(live->body);
	live->body = json_incref((json_t *)(uintptr_t)p->body);
	return dp_port_open(v->dp, &opts, &live->port, err);
}

static void run(void)
{
	const struct vs_opts opts = {.dp = dp, .takeover_path = path};
	struct err err = {0};

	if (vs_create(&opts, &vs, &err) != 0)
		fail_msg("%s", err.what);
}

static int start(void **state)
{
	snprintf(path, sizeof(path), "/tmp/takeover-test.%d", (int)getpid());
	own_net_sh("ip link add vst-up address 02:00:00:00:00:11 type veth peer name vst-gw");
	own_net_sh("ip link set vst-gw up; ip link set vst-up up");
	own_net_sh("ip addr add 10.6.0.5/24 dev vst-up");
	own_net_sh("ip route add default via 10.6.0.1");
	run();
	return 0;
}

static int finish(void **state)
{
	vs_destroy(vs);
	own_net_sh("ip link del vst-up");
	unlink(path);
	return 0;
}

static int apply(bool uplink, bool take, bool host, struct err *err)
{
	json_t *ports = json_object(), *state;
	int rc;

	if (uplink)
		json_object_set_new(ports, "up",
				    json_pack("{ss ss ss sb}", "switch", "s", "kind", "phys",
					      "device", "vst-up", "take_address", take));
	if (host)
		json_object_set_new(ports, "host0",
				    json_pack("{ss ss}", "switch", "s", "kind", "host"));
	state = json_pack("{s{s{ss}} so}", "switch", "s", "type", "external", "port", ports);
	rc = vs_apply(vs, NULL, state, false, err);
	json_decref(state);
	return rc;
}

static void must_apply(bool uplink, bool take, bool host)
{
	struct err err = {0};

	if (apply(uplink, take, host, &err) != 0)
		fail_msg("%s", err.what);
}

/* The address and the default route are on one interface, and on that one alone. */
static void address_is_on(const char *name)
{
	const char *other = strcmp(name, "host0") == 0 ? "vst-up" : "host0";
	char text[64];

	assert_true(vs_link_has_address(name, text, sizeof(text)));
	assert_string_equal(text, "10.6.0.5/24");
	assert_false(vs_link_has_address(other, text, sizeof(text)));
	own_net_sh("ip route show default | grep -q 'via 10.6.0.1 dev %s'", name);
}

static void address_moves_to_the_host_port_and_back(void **state)
{
	must_apply(true, true, true);
	address_is_on("host0");
	own_net_sh("ip link show host0 | grep -q 02:00:00:00:00:11"); /* neighbours know it so */
	assert_int_equal(access(path, F_OK), 0);
	must_apply(true, true, true); /* Once is enough. */
	address_is_on("host0");
	must_apply(false, false, true);
	address_is_on("vst-up");
	assert_int_equal(access(path, F_OK), -1);
}

static void address_moves_back_when_it_is_not_to_be_taken_any_more(void **state)
{
	must_apply(true, true, true);
	must_apply(true, false, true);
	address_is_on("vst-up");
}

static void address_that_has_nowhere_to_go_is_not_taken(void **state)
{
	struct err err = {0};

	assert_int_equal(apply(true, true, false, &err), -EINVAL);
	assert_string_equal(err.slug, "no-host-port");
	address_is_on("vst-up");
	assert_int_equal(vs->model->n_ports, 0);
}

static void host_port_that_leaves_gives_the_address_back(void **state)
{
	struct err err = {0};

	must_apply(true, true, true);
	assert_int_equal(apply(true, true, false, &err), -EINVAL);
	address_is_on("host0"); /* The change was refused: all is as it was. */
	must_apply(true, false, false);
	address_is_on("vst-up");
}

static void switch_that_ends_gives_the_address_back(void **state)
{
	must_apply(true, true, true);
	vs_destroy(vs);
	address_is_on("vst-up");
	run();
}

/* What a killed daemon leaves: the record, and an interface without its address. */
static void next_daemon_gives_back_what_a_killed_one_took(void **state)
{
	char kept[96];

	must_apply(true, true, true);
	snprintf(kept, sizeof(kept), "%s.kept", path);
	own_net_sh("cp %s %s", path, kept);
	vs_destroy(vs);
	own_net_sh("ip addr del 10.6.0.5/24 dev vst-up; mv %s %s", kept, path);
	run();
	address_is_on("vst-up");
	assert_int_equal(access(path, F_OK), -1);
}

static void record_that_cannot_be_written_moves_nothing(void **state)
{
	struct err err = {0};

	vs_destroy(vs);
	snprintf(path, sizeof(path), "/proc/no/such/place");
	run();
	assert_int_equal(apply(true, true, true, &err), -EIO);
	assert_string_equal(err.slug, "takeover");
	address_is_on("vst-up");
}

static void damaged_record_keeps_nobody_from_starting(void **state)
{
	static const char *const bad[] = {"",	       "{",
					  "[]",	       "{'up':1}",
					  "{'up':{}}", "{'up':{'undo':[]}}",
					  "7",	       "{'up':{'undo':{'version':1}}}"};

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		vs_destroy(vs);
		own_net_sh("printf %%s \"%s\" | tr \"'\" '\"' >%s", bad[i], path);
		run();
		address_is_on("vst-up");
	}
	must_apply(true, true, true);
	address_is_on("host0");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(address_moves_to_the_host_port_and_back),
		TEST(address_moves_back_when_it_is_not_to_be_taken_any_more),
		TEST(address_that_has_nowhere_to_go_is_not_taken),
		TEST(host_port_that_leaves_gives_the_address_back),
		TEST(switch_that_ends_gives_the_address_back),
		TEST(next_daemon_gives_back_what_a_killed_one_took),
		TEST(record_that_cannot_be_written_moves_nothing),
		TEST(damaged_record_keeps_nobody_from_starting),
	};
	int failed;

	if (!own_net_enter())
		return OWN_NET_SKIPPED;
	dp = test_dp_create(1023);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	test_dp_destroy(dp);
	return failed;
}
