/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Interfaces, addresses, routes and namespaces of a real kernel.  Runs in a network namespace of
 * its own, which ends with it:
 *
 * 	 vsl-up0 ──veth── vsl-gw       the uplink with the host's addresses
 * 	 vsl-host0 ──veth── vsl-sw0    the host's interface on the switch, to which they move
 */
#include "vswitch/link.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#include "tests/support/own_net.h"

static struct vs_link *link_;
static struct err err;

#define sh own_net_sh

static int index_of(const char *name)
{
	struct vs_link_info info;

	assert_int_equal(vs_link_find(link_, name, &info, &err), 0);
	return info.ifindex;
}

static int start(void **state)
{
	sh("ip link add vsl-up0 type veth peer name vsl-gw");
	sh("ip link add vsl-host0 type veth peer name vsl-sw0");
	sh("for i in lo vsl-up0 vsl-gw vsl-sw0; do ip link set $i up; done");
	return vs_link_open(-1, &link_, &err);
}

static int finish(void **state)
{
	vs_link_close(link_);
	sh("ip link del vsl-up0 && ip link del vsl-sw0");
	return 0;
}

static void interface_is_described_as_it_is(void **state)
{
	struct vs_link_info info, same;
	const struct rte_ether_addr mac = {{2, 0, 0, 0, 0xab, 1}};
	int ifindex = index_of("vsl-host0");

	assert_int_equal(vs_link_set_mtu(link_, ifindex, 9000, &err), 0);
	assert_int_equal(vs_link_set_mac(link_, ifindex, &mac, &err), 0);
	assert_int_equal(vs_link_set_up(link_, ifindex, true, &err), 0);
	assert_int_equal(vs_link_find(link_, "vsl-host0", &info, &err), 0);
	assert_string_equal(info.name, "vsl-host0");
	assert_string_equal(info.kind, "veth");
	assert_string_equal(info.driver, "veth");
	assert_int_equal(info.mtu, 9000);
	assert_memory_equal(&info.mac, &mac, sizeof(mac));
	assert_true(info.up && info.running);
	assert_int_equal(vs_link_set_up(link_, index_of("vsl-sw0"), false, &err), 0);
	assert_int_equal(vs_link_find_index(link_, ifindex, &info, &err), 0);
	assert_true(info.up);
	assert_false(info.running); /* no carrier */
	assert_int_equal(vs_link_set_up(link_, index_of("vsl-sw0"), true, &err), 0);
	assert_int_equal(vs_link_set_up(link_, ifindex, false, &err), 0);
	assert_int_equal(vs_link_find_index(link_, ifindex, &same, &err), 0);
	assert_false(same.up);
	assert_int_equal(vs_link_set_mtu(link_, ifindex, 1500, &err), 0);
}

static void interface_that_is_not_there_is_no_device(void **state)
{
	struct vs_link_info info;

	assert_int_equal(vs_link_find(link_, "vsl-none", &info, &err), -ENODEV);
	assert_string_equal(err.slug, "no-interface");
	assert_int_equal(vs_link_find_index(link_, 999999, &info, &err), -ENODEV);
	assert_int_equal(vs_link_set_mtu(link_, 999999, 1500, &err), -ENODEV);
	assert_int_equal(vs_link_find(link_, "no/name", &info, &err), -EINVAL);
	assert_null(vs_link_addresses(link_, 999999));
	assert_true(vs_link_set_mtu(link_, index_of("vsl-up0"), 10, &err) < 0);
}

static const char *address_at(json_t *list, size_t i)
{
	return json_string_value(json_object_get(json_array_get(list, i), "address"));
}

static void addresses_are_added_listed_and_removed(void **state)
{
	int ifindex = index_of("vsl-gw");
	char text[64];
	json_t *list;

	assert_false(vs_link_has_address("vsl-gw", text, sizeof(text)));
	assert_int_equal(vs_link_add_address(link_, ifindex, "192.0.2.1/24", &err), 0);
	assert_int_equal(vs_link_add_address(link_, ifindex, "192.0.2.1/24", &err), 0);
	assert_int_equal(vs_link_add_address(link_, ifindex, "2001:db8::1/64", &err), 0);
	assert_int_equal(vs_link_address_add(-1, "vsl-gw", "192.0.2.9/32", &err), 0);
	list = vs_link_addresses(link_, ifindex);
	assert_int_equal(json_array_size(list), 3);
	assert_string_equal(address_at(list, 0), "192.0.2.1/24");
	assert_string_equal(address_at(list, 2), "2001:db8::1/64");
	json_decref(list);
	assert_true(vs_link_has_address("vsl-gw", text, sizeof(text)));
	assert_string_equal(text, "192.0.2.1/24");
	assert_int_equal(vs_link_remove_address(link_, ifindex, "192.0.2.1/24", &err), 0);
	assert_int_equal(vs_link_remove_address(link_, ifindex, "192.0.2.1/24", &err), 0);
	assert_int_equal(vs_link_address_remove(-1, "vsl-gw", "192.0.2.9/32", &err), 0);
	assert_int_equal(vs_link_remove_address(link_, ifindex, "2001:db8::1/64", &err), 0);
	list = vs_link_addresses(link_, ifindex);
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
}

static void text_that_is_no_address_is_refused(void **state)
{
	static const char *const bad[] = {
		"",	"10.0.0",  "10.0.0.1/33", "fd00::1/129",       "10.0.0.1/-1", "0.0.0.0/0",
		"::/0", "default", "10.0.0.1/a",  "02:00:00:00:00:01", "eth0",	      NULL};

	for (size_t i = 0; bad[i] != NULL; i++) {
		if (vs_link_add_address(link_, index_of("vsl-gw"), bad[i], &err) != -EINVAL)
			fail_msg("'%s' was not refused", bad[i]);
		assert_string_equal(err.slug, "bad-address");
	}
	assert_int_equal(vs_link_add_address(link_, index_of("vsl-gw"), NULL, &err), -EINVAL);
	assert_int_equal(vs_link_address_add(-1, "vsl-none", "10.0.0.1/24", &err), -ENODEV);
}

static void give_the_uplink_everything(void)
{
	sh("ip addr add 10.9.0.5/24 brd 10.9.0.255 dev vsl-up0");
	sh("ip addr add 10.9.0.6/24 dev vsl-up0 label vsl-up0:1"); /* secondary */
	sh("ip addr add 10.8.0.1 peer 10.8.0.2/32 dev vsl-up0");
	sh("ip addr add 10.7.0.1/24 dev vsl-up0 noprefixroute");
	sh("ip addr add fd09::5/64 dev vsl-up0 nodad");
	sh("ip route add 10.7.0.0/24 dev vsl-up0 proto kernel scope link src 10.7.0.1 metric 100");
	sh("ip route add default via 10.9.0.1 dev vsl-up0 metric 50 src 10.9.0.6 mtu 1400");
	sh("ip route add default via 10.9.0.2 dev vsl-up0 metric 60");
	sh("ip route add 172.16.0.0/12 via 198.51.100.1 dev vsl-up0 onlink");
	sh("ip route add 10.20.0.0/16 via 10.9.0.3 dev vsl-up0 table 77");
	sh("ip route add 10.30.0.0/16 nexthop via 10.9.0.1 dev vsl-up0 weight 3 "
	   "nexthop via 10.9.0.2 dev vsl-up0 weight 1");
	sh("ip -6 route add default via fd09::1 dev vsl-up0");
	sh("ip -6 route add fd20::/32 via fd09::2 dev vsl-up0 metric 7");
}

static void take_everything_back(void)
{
	sh("ip addr flush dev vsl-up0 scope global; ip addr flush dev vsl-host0 scope global;"
	   "ip route flush dev vsl-up0; ip route flush dev vsl-up0 table 77;"
	   "ip -6 route flush dev vsl-up0 2>/dev/null; ip link set vsl-host0 down; true");
}

/* Looks all the time whether the host still has its address and a way out. */
static _Atomic bool watching;
static _Atomic unsigned n_looks, n_address_lost, n_route_lost;

static bool can_bind(const char *address)
{
	struct sockaddr_in sin = {.sin_family = AF_INET};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	bool ok;

	inet_pton(AF_INET, address, &sin.sin_addr);
	ok = bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0;
	close(fd);
	return ok;
}

static bool can_route(const char *address)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(9)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	bool ok;

	inet_pton(AF_INET, address, &sin.sin_addr);
	ok = connect(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0;
	close(fd);
	return ok;
}

static void *watch(void *arg)
{
	while (watching) {
		n_looks++;
		n_address_lost +=
			!can_bind("10.9.0.5") + !can_bind("10.9.0.6") + !can_bind("10.7.0.1");
		n_route_lost += !can_route("8.8.8.8") + !can_route("10.9.0.77") +
				!can_route("10.30.1.1") + !can_route("10.7.0.9");
	}
	return NULL;
}

static void addresses_and_routes_move_and_return_without_a_gap(void **state)
{
	int up0 = index_of("vsl-up0"), host0 = index_of("vsl-host0");
	json_t *addresses, *routes, *undo, *list;
	pthread_t thread;

	give_the_uplink_everything();
	addresses = vs_link_addresses(link_, up0);
	routes = vs_link_routes(link_, up0);
	assert_int_equal(json_array_size(addresses), 5);
	assert_true(json_array_size(routes) >= 11);
	watching = true;
	assert_int_equal(pthread_create(&thread, NULL, watch, NULL), 0);
	while (n_looks < 10)
		usleep(1000);
	for (unsigned i = 0; i < 20; i++) {
		if (vs_link_move(link_, "vsl-up0", "vsl-host0", &undo, &err) != 0)
			fail_msg("%s", err.what);
		list = vs_link_addresses(link_, up0);
		assert_int_equal(json_array_size(list), 0);
		json_decref(list);
		list = vs_link_routes(link_, up0);
		assert_int_equal(json_array_size(list), 0);
		json_decref(list);
		list = vs_link_addresses(link_, host0);
		assert_int_equal(json_array_size(list), 5);
		json_decref(list);
		list = vs_link_routes(link_, host0);
		assert_int_equal(json_array_size(list), json_array_size(routes));
		json_decref(list);
		assert_int_equal(vs_link_move_back(link_, undo, &err), 0);
		json_decref(undo);
		list = vs_link_addresses(link_, host0);
		assert_int_equal(json_array_size(list), 0);
		json_decref(list);
	}
	watching = false;
	pthread_join(thread, NULL);
	assert_int_equal(n_address_lost, 0);
	assert_int_equal(n_route_lost, 0);
	list = vs_link_addresses(link_, up0);
	if (!json_equal(list, addresses)) {
		json_dumpf(addresses, stderr, JSON_INDENT(1));
		json_dumpf(list, stderr, JSON_INDENT(1));
		fail_msg("other addresses came back");
	}
	json_decref(list);
	json_decref(addresses);
	json_decref(routes);
	take_everything_back();
}

/* Lists compared as sets: the kernel sorts routes of one kind by age. */
static bool same_routes(const json_t *a, const json_t *b)
{
	if (json_array_size(a) != json_array_size(b))
		return false;
	for (size_t i = 0; i < json_array_size(a); i++) {
		bool found = false;

		for (size_t k = 0; k < json_array_size(b) && !found; k++)
			found = json_equal(json_array_get(a, i), json_array_get(b, k));
		if (!found) {
			json_dumpf(json_array_get(a, i), stderr, 0);
			return false;
		}
	}
	return true;
}

static void routes_return_as_they_were(void **state)
{
	int up0 = index_of("vsl-up0");
	json_t *before, *after, *undo;

	give_the_uplink_everything();
	before = vs_link_routes(link_, up0);
	assert_int_equal(vs_link_move(link_, "vsl-up0", "vsl-host0", &undo, &err), 0);
	assert_int_equal(vs_link_move_back(link_, undo, &err), 0);
	after = vs_link_routes(link_, up0);
	assert_true(same_routes(before, after));
	assert_true(same_routes(after, before));
	json_decref(before);
	json_decref(after);
	json_decref(undo);
	take_everything_back();
}

static void what_was_moved_returns_even_if_the_other_interface_is_gone(void **state)
{
	int up0 = index_of("vsl-up0");
	json_t *before, *after, *undo, *stored;
	char *text;

	give_the_uplink_everything();
	sh("ip link add vsl-tmp0 type veth peer name vsl-tmp1; ip link set vsl-tmp1 up");
	before = vs_link_routes(link_, up0);
	assert_int_equal(vs_link_move(link_, "vsl-up0", "vsl-tmp0", &undo, &err), 0);
	sh("ip link del vsl-tmp0");
	/* Another process does it, from what was stored. */
	text = json_dumps(undo, 0);
	stored = json_loads(text, 0, NULL);
	assert_int_equal(vs_link_move_back(link_, stored, &err), 0);
	after = vs_link_routes(link_, up0);
	assert_true(same_routes(before, after));
	free(text);
	json_decref(stored);
	json_decref(undo);
	json_decref(before);
	json_decref(after);
	take_everything_back();
}

static void failed_move_leaves_everything_as_it_was(void **state)
{
	int up0 = index_of("vsl-up0"), host0 = index_of("vsl-host0");
	json_t *addresses, *routes, *list, *undo = NULL;

	give_the_uplink_everything();
	addresses = vs_link_addresses(link_, up0);
	routes = vs_link_routes(link_, up0);
	/* IPv6 needs an MTU of 1280: its address is refused, after those of IPv4 went over. */
	assert_int_equal(vs_link_set_mtu(link_, host0, 1000, &err), 0);
	assert_true(vs_link_move(link_, "vsl-up0", "vsl-host0", &undo, &err) < 0);
	assert_null(undo);
	assert_true(err.what[0] != '\0');
	list = vs_link_addresses(link_, host0);
	assert_int_equal(json_array_size(list), 0);
	json_decref(list);
	list = vs_link_addresses(link_, up0);
	assert_true(json_equal(list, addresses));
	json_decref(list);
	list = vs_link_routes(link_, up0);
	assert_true(same_routes(routes, list));
	json_decref(list);
	json_decref(addresses);
	json_decref(routes);
	assert_int_equal(vs_link_set_mtu(link_, host0, 1500, &err), 0);
	take_everything_back();
}

static void move_to_nowhere_or_itself_is_refused(void **state)
{
	json_t *undo = NULL;

	assert_int_equal(vs_link_move(link_, "vsl-up0", "vsl-none", &undo, &err), -ENODEV);
	assert_int_equal(vs_link_move(link_, "vsl-none", "vsl-up0", &undo, &err), -ENODEV);
	assert_int_equal(vs_link_move(link_, "vsl-up0", "vsl-up0", &undo, &err), -EINVAL);
	assert_null(undo);
}

static void damaged_record_is_refused(void **state)
{
	static const char *const bad[] = {
		"{}",
		"[]",
		"null",
		"{\"version\":2,\"from\":\"vsl-up0\",\"to\":\"x\",\"addresses\":[],\"routes\":[]}",
		"{\"version\":1,\"from\":5,\"to\":\"x\",\"addresses\":[],\"routes\":[]}",
		"{\"version\":1,\"from\":\"vsl-up0\",\"to\":\"x\",\"addresses\":{},\"routes\":[]}",
		"{\"version\":1,\"from\":\"vsl-up0\",\"to\":\"x\",\"addresses\":[{}],\"routes\":[]"
		"}",
		"{\"version\":1,\"from\":\"vsl-up0\",\"to\":\"x\",\"addresses\":[7],\"routes\":[]}",
		"{\"version\":1,\"from\":\"vsl-up0\",\"to\":\"x\",\"addresses\":[{\"address\":"
		"\"x\"}],"
		"\"routes\":[]}",
		"{\"version\":1,\"from\":\"vsl-up0\",\"to\":\"x\",\"addresses\":[],\"routes\":[{}]"
		"}",
		"{\"version\":1,\"from\":\"vsl-up0\",\"to\":\"x\",\"addresses\":[],\"routes\":"
		"[{\"dst\":\"1.2.3.0/24\",\"nexthops\":[]}]}",
		"{\"version\":1,\"from\":\"vsl-up0\",\"to\":\"x\",\"addresses\":[],\"routes\":"
		"[{\"dst\":\"1.2.3.0/24\",\"nexthops\":[{\"gateway\":\"y\"}]}]}",
		NULL};

	for (size_t i = 0; bad[i] != NULL; i++) {
		json_t *record = json_loads(bad[i], JSON_DECODE_ANY, NULL);

		assert_non_null(record);
		if (vs_link_move_back(link_, record, &err) != -EINVAL)
			fail_msg("%s was not refused", bad[i]);
		json_decref(record);
	}
	assert_int_equal(vs_link_move_back(link_, NULL, &err), -EINVAL);
}

/* A process in a network namespace of its own. */
static pid_t stranger(void)
{
	int ready[2];
	pid_t pid;
	char byte;

	assert_int_equal(pipe(ready), 0);
	pid = fork();
	if (pid == 0) {
		if (unshare(CLONE_NEWNET) != 0 || write(ready[1], "x", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(ready[1]);
	assert_int_equal(read(ready[0], &byte, 1), 1);
	close(ready[0]);
	return pid;
}

static void namespaces_are_found_by_name_and_process(void **state)
{
	struct vs_link_info info;
	struct vs_link *there;
	pid_t pid = stranger();
	int fd, own = vs_link_netns_open_pid(getpid(), &err);

	assert_true(own >= 0);
	assert_true(vs_link_netns_is_own(own));
	close(own);
	fd = vs_link_netns_open_pid(pid, &err);
	assert_true(fd >= 0);
	assert_false(vs_link_netns_is_own(fd));
	assert_int_equal(vs_link_open(fd, &there, &err), 0);
	assert_int_equal(vs_link_find(there, "lo", &info, &err), 0);
	assert_int_equal(vs_link_find(there, "vsl-up0", &info, &err), -ENODEV);
	assert_int_equal(vs_link_find(link_, "vsl-up0", &info, &err), 0); /* We are still here. */
	vs_link_close(there);
	assert_int_equal(vs_link_address_add(fd, "lo", "10.1.2.3/32", &err), 0);
	close(fd);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	assert_int_equal(vs_link_netns_open_pid(pid, &err), -ENODEV);
	assert_int_equal(vs_link_netns_open_pid(0, &err), -EINVAL);
	assert_int_equal(vs_link_netns_open("vsl-no-such", &err), -ENODEV);
	assert_int_equal(vs_link_netns_open("../self/ns/net", &err), -EINVAL);
	assert_int_equal(vs_link_netns_open("", &err), -EINVAL);
	assert_int_equal(vs_link_netns_open("..", &err), -EINVAL);
	assert_int_equal(vs_link_open(0, &there, &err) < 0, 1); /* no namespace */
}

/* What the monitor told, newest last. */
struct told {
	enum vs_link_event event;
	char name[IFNAMSIZ];
};
static struct told told[4096];
static size_t n_told;

static void remember(void *ctx, enum vs_link_event event, const struct vs_link_info *info)
{
	assert_ptr_equal(ctx, &n_told);
	if (n_told == 4096)
		return;
	told[n_told].event = event;
	memcpy(told[n_told++].name, info->name, IFNAMSIZ);
}

static struct event_base *base;
static struct vs_link_monitor *monitor;

static void listen_for(void)
{
	struct timeval wait = {0, 200000};

	event_base_loopexit(base, &wait);
	event_base_dispatch(base);
}

static unsigned count(enum vs_link_event event, const char *name)
{
	unsigned n = 0;

	for (size_t i = 0; i < n_told; i++)
		n += told[i].event == event && strcmp(told[i].name, name) == 0;
	return n;
}

static int monitor_start(void **state)
{
	n_told = 0;
	base = event_base_new();
	return vs_link_monitor_create(base, -1, remember, &n_told, &monitor, &err);
}

static int monitor_stop(void **state)
{
	vs_link_monitor_destroy(monitor);
	event_base_free(base);
	return 0;
}

static void monitor_tells_each_change_once(void **state)
{
	listen_for();
	assert_int_equal(n_told, 0); /* What was there before is no news. */
	sh("ip link add vsl-m0 type veth peer name vsl-m1");
	listen_for();
	assert_int_equal(count(VS_LINK_NEW, "vsl-m0"), 1);
	assert_int_equal(count(VS_LINK_UP, "vsl-m0"), 0);
	sh("ip link set vsl-m0 up; ip link set vsl-m1 up");
	listen_for();
	assert_int_equal(count(VS_LINK_UP, "vsl-m0"), 1);
	sh("ip link set vsl-m0 mtu 1400; ip link set vsl-m1 down");
	listen_for();
	assert_int_equal(count(VS_LINK_DOWN, "vsl-m0"), 1);
	assert_int_equal(count(VS_LINK_UP, "vsl-m0"), 1);
	sh("ip link set vsl-m0 down; ip link set vsl-m0 name vsl-m2");
	listen_for();
	assert_int_equal(count(VS_LINK_GONE, "vsl-m0"), 1);
	assert_int_equal(count(VS_LINK_NEW, "vsl-m2"), 1);
	sh("ip link del vsl-m2");
	listen_for();
	assert_int_equal(count(VS_LINK_GONE, "vsl-m2"), 1);
	assert_int_equal(count(VS_LINK_GONE, "vsl-m1"), 1);
}

static void member_that_leaves_its_bridge_is_not_gone(void **state)
{
	sh("ip link add vsl-br0 type bridge && ip link set vsl-sw0 master vsl-br0");
	listen_for();
	sh("ip link set vsl-sw0 nomaster && ip link del vsl-br0");
	listen_for();
	assert_int_equal(count(VS_LINK_NEW, "vsl-br0"), 1);
	assert_int_equal(count(VS_LINK_GONE, "vsl-br0"), 1);
	assert_int_equal(count(VS_LINK_GONE, "vsl-sw0"), 0);
}

static void monitor_misses_nothing_when_the_kernel_drops_messages(void **state)
{
	int ifindex = index_of("vsl-gw");

	sh("ip link add vsl-o0 type veth peer name vsl-o1");
	for (unsigned i = 0; i < 4000; i++)
		assert_int_equal(vs_link_set_mtu(link_, ifindex, 1400 + i % 2, &err), 0);
	sh("ip link del vsl-o0; ip link add vsl-o2 type veth peer name vsl-o3");
	listen_for();
	listen_for();
	assert_int_equal(count(VS_LINK_NEW, "vsl-o2"), 1);
	assert_int_equal(count(VS_LINK_NEW, "vsl-o0"), count(VS_LINK_GONE, "vsl-o0"));
	n_told = 0;
	sh("ip link del vsl-o2");
	listen_for();
	assert_int_equal(count(VS_LINK_GONE, "vsl-o2"), 1);
	assert_int_equal(n_told, 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interface_is_described_as_it_is),
		cmocka_unit_test(interface_that_is_not_there_is_no_device),
		cmocka_unit_test(addresses_are_added_listed_and_removed),
		cmocka_unit_test(text_that_is_no_address_is_refused),
		cmocka_unit_test(addresses_and_routes_move_and_return_without_a_gap),
		cmocka_unit_test(routes_return_as_they_were),
		cmocka_unit_test(what_was_moved_returns_even_if_the_other_interface_is_gone),
		cmocka_unit_test(failed_move_leaves_everything_as_it_was),
		cmocka_unit_test(move_to_nowhere_or_itself_is_refused),
		cmocka_unit_test(damaged_record_is_refused),
		cmocka_unit_test(namespaces_are_found_by_name_and_process),
		cmocka_unit_test_setup_teardown(monitor_tells_each_change_once, monitor_start,
						monitor_stop),
		cmocka_unit_test_setup_teardown(member_that_leaves_its_bridge_is_not_gone,
						monitor_start, monitor_stop),
		cmocka_unit_test_setup_teardown(
			monitor_misses_nothing_when_the_kernel_drops_messages, monitor_start,
			monitor_stop),
	};

	if (!own_net_enter())
		return OWN_NET_SKIPPED;
	return cmocka_run_group_tests(tests, start, finish);
}
