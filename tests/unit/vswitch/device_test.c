/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From a port's parameters to a device: what is asked of drivers, what is refused before they are
 * asked, and what changes while a device is open.  Taps are real, in a network namespace of the
 * test's own.
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
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tests/support/own_net.h"
#include "tests/support/test_dp.h"
#include "vswitch/link.h"

static struct dp *dp;
static struct vs *vs;
static struct err err;
static json_t *state_json;

static json_t *load(const char *text)
{
	char *json = strdup(text);
	json_t *value;

	for (char *c = json; *c != '\0'; c++)
		if (*c == '\'')
			*c = '"';
	value = json_loads(json, 0, NULL);
	if (value == NULL)
		fail_msg("%s", json);
	free(json);
	return value;
}

static int start(void **state)
{
	const struct vs_opts opts = {.dp = dp};

	return vs_create(&opts, &vs, &err);
}

static int finish(void **state)
{
	vs_destroy(vs);
	return 0;
}

/* One port 'p' on an internal switch 's'. */
static int apply_on(const char *type, const char *port)
{
	int rc;

	memset(&err, 0, sizeof(err));
	state_json =
		json_pack("{s{s{ss}} s{so}}", "switch", "s", "type", type, "port", "p", load(port));
	json_object_set_new(json_object_get(json_object_get(state_json, "port"), "p"), "switch",
			    json_string("s"));
	rc = vs_apply(vs, NULL, state_json, false, &err);
	json_decref(state_json);
	return rc;
}

static void must(const char *port)
{
	if (apply_on("internal", port) != 0)
		fail_msg("%s: %s", port, err.what);
}

static void refused(const char *type, const char *port, int code, const char *slug)
{
	if (apply_on(type, port) != code || strcmp(err.slug, slug) != 0)
		fail_msg("%s: %s: %s", port, err.slug, err.what);
	assert_int_equal(err.code, code);
}

static const struct vs_live *live(void)
{
	return &vs->live[vs_port_id(vs, "p")];
}

static unsigned n_addresses(const char *ifname)
{
	struct vs_link_info info;
	struct vs_link *link;
	json_t *list;
	unsigned n;

	assert_int_equal(vs_link_open(-1, &link, &err), 0);
	assert_int_equal(vs_link_find(link, ifname, &info, &err), 0);
	list = vs_link_addresses(link, info.ifindex);
	n = (unsigned)json_array_size(list);
	json_decref(list);
	vs_link_close(link);
	return n;
}

static bool same(const char *a, const char *b)
{
	json_t *x = load(a), *y = load(b);
	bool is_same = vs_device_same(x, y);

	assert_int_equal(vs_device_same(y, x), is_same);
	json_decref(x);
	json_decref(y);
	return is_same;
}

static void device_is_opened_anew_only_for_what_it_cannot_change(void **state)
{
	assert_true(same("{'kind':'tap'}", "{'kind':'tap','mtu':9000,'vlan':7,'mac':'x'}"));
	assert_true(same("{'address':['10.0.0.1/24']}", "{}"));
	assert_true(same("{'tenant':'a','admin':'down'}", "{'tenant':'b'}"));
	assert_false(same("{'kind':'tap'}", "{'kind':'host'}"));
	assert_false(same("{'queues':1}", "{'queues':2}"));
	assert_false(same("{'queues':1}", "{}"));
	assert_false(same("{'socket':'/a'}", "{'socket':'/b'}"));
	assert_false(same("{'netns':'a'}", "{'pid':1}"));
}

static void namespace_that_is_none_is_refused(void **state)
{
	refused("internal", "{'kind':'tap','netns':'../../proc/self/ns/net'}", -EINVAL,
		"bad-netns");
	refused("internal", "{'kind':'tap','netns':'..'}", -EINVAL, "bad-netns");
	refused("internal", "{'kind':'tap','netns':'vsd-none'}", -ENODEV, "no-netns");
	assert_string_equal(err.fix, "ip netns add vsd-none");
	refused("internal", "{'kind':'tap','pid':2147483647}", -ENODEV, "no-netns");
	assert_int_equal(if_nametoindex("p"), 0);
	assert_int_equal(vs_port_id(vs, "p"), DP_NO_PORT);
}

/* The model cannot know whose namespace a process has. */
static void private_switch_refuses_a_process_in_the_hosts_namespace(void **state)
{
	char port[64];

	snprintf(port, sizeof(port), "{'kind':'tap','pid':%d}", (int)getpid());
	refused("private", port, -EINVAL, "wrong-switch-type");
	assert_int_equal(if_nametoindex("p"), 0);
}

static void port_of_a_socket_needs_one(void **state)
{
	refused("internal", "{'kind':'vhost'}", -EINVAL, "no-socket");
	assert_string_equal(err.fix, "vswitchctl port add s p --kind vhost --socket "
				     "/run/vswitch/p.sock");
	refused("internal", "{'kind':'memif'}", -EINVAL, "no-socket");
}

static void interface_that_is_not_there_is_named(void **state)
{
	refused("external", "{'kind':'phys','device':'vsd-none'}", -ENODEV, "no-interface");
	assert_non_null(strstr(err.what, "vsd-none"));
}

static void interface_with_an_address_is_not_taken_by_accident(void **state)
{
	own_net_sh(
		"ip link add vsd-a type veth peer name vsd-b; ip addr add 10.5.0.1/24 dev vsd-a");
	refused("external", "{'kind':'phys','device':'vsd-a'}", -EBUSY, "port-busy");
	assert_non_null(strstr(err.what, "10.5.0.1/24"));
	own_net_sh("ip link del vsd-a");
}

static void tap_has_what_was_asked_of_it(void **state)
{
	must("{'kind':'host','ifname':'vsd-t','mtu':1400,'mac':'02:00:00:00:00:77',"
	     "'address':['10.5.0.1/24','fd05::1/64']}");
	own_net_sh("ip link show vsd-t | grep -q 'mtu 1400'");
	own_net_sh("ip link show vsd-t | grep -q 02:00:00:00:00:77");
	assert_int_equal(n_addresses("vsd-t"), 2);
	assert_true(live()->reaches_host);
	must("{'kind':'mem'}"); /* another device in its place */
	assert_int_equal(if_nametoindex("vsd-t"), 0);
	assert_false(live()->reaches_host);
}

static void open_device_is_changed_in_place(void **state)
{
	unsigned ifindex;

	must("{'kind':'host','address':['10.5.0.1/24','10.5.0.2/24']}");
	ifindex = if_nametoindex("p");
	own_net_sh("ip addr add 10.99.0.1/24 dev p"); /* the machine's own affair */
	must("{'kind':'host','mtu':9000,'mac':'02:00:00:00:00:78','address':['10.5.0.2/24']}");
	assert_int_equal(if_nametoindex("p"), ifindex);
	assert_int_equal(n_addresses("p"), 2);
	own_net_sh("ip addr show p | grep -q 10.5.0.2/24 && ip addr show p | grep -q 10.99.0.1");
	own_net_sh("ip link show p | grep -q 'mtu 9000'");
	assert_int_equal(live()->port->mtu, 9000);
	must("{'kind':'host'}");
	assert_int_equal(n_addresses("p"), 1);
	assert_int_equal(live()->port->mtu, 1500);
}

static void change_that_fails_half_way_changes_nothing(void **state)
{
	struct rte_ether_addr mac;

	must("{'kind':'host','mtu':1400,'address':['10.5.0.1/24']}");
	mac = live()->port->mac;
	refused("internal",
		"{'kind':'host','mtu':9000,'mac':'02:00:00:00:00:79',"
		"'address':['10.5.0.7/24','nonsense']}",
		-EINVAL, "bad-address");
	assert_int_equal(live()->port->mtu, 1400);
	assert_memory_equal(&live()->port->mac, &mac, sizeof(mac));
	own_net_sh("ip link show p | grep -q 'mtu 1400'");
	assert_int_equal(n_addresses("p"), 1);
	own_net_sh("ip addr show p | grep -q 10.5.0.1/24");
}

static void address_that_cannot_be_had_leaves_no_interface(void **state)
{
	refused("internal", "{'kind':'host','address':['10.5.0.1/24','300.1.1.1/8']}", -EINVAL,
		"bad-address");
	assert_int_equal(if_nametoindex("p"), 0);
	assert_int_equal(vs_port_id(vs, "p"), DP_NO_PORT);
}

/* One that is to be replaced and cannot be is there again after. */
static void device_comes_back_when_its_successor_fails(void **state)
{
	must("{'kind':'host','ifname':'vsd-t','address':['10.5.0.1/24']}");
	refused("internal", "{'kind':'tap','netns':'vsd-none'}", -ENODEV, "no-netns");
	assert_int_not_equal(if_nametoindex("vsd-t"), 0);
	assert_int_equal(n_addresses("vsd-t"), 1);
	assert_non_null(live()->port);
	assert_ptr_equal(dp_view(dp)->vports[vs_port_id(vs, "p")]->port, live()->port);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(device_is_opened_anew_only_for_what_it_cannot_change),
		TEST(namespace_that_is_none_is_refused),
		TEST(private_switch_refuses_a_process_in_the_hosts_namespace),
		TEST(port_of_a_socket_needs_one),
		TEST(interface_that_is_not_there_is_named),
		TEST(interface_with_an_address_is_not_taken_by_accident),
		TEST(tap_has_what_was_asked_of_it),
		TEST(open_device_is_changed_in_place),
		TEST(change_that_fails_half_way_changes_nothing),
		TEST(address_that_cannot_be_had_leaves_no_interface),
		TEST(device_comes_back_when_its_successor_fails),
	};
	int failed;

	if (!own_net_enter())
		return OWN_NET_SKIPPED;
	dp = test_dp_create(4095);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	test_dp_destroy(dp);
	return failed;
}
