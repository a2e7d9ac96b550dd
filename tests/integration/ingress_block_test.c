/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Both ways of keeping the host's stack off an interface, and what they leave behind: nothing.
 * Needs root; runs in a network namespace of its own.
 *
 *	vsi-a (blocked) ──veth── vsi-b (a packet socket sends IP to it)
 */
#include "dataplane/ingress_block.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define SKIPPED 77

static struct err err;
static int ifindex;

static void sh(const char *command)
{
	if (system(command) != 0)
		fail_msg("%s", command);
}

static bool is_true(const char *command)
{
	return system(command) == 0;
}

static int start(void **state)
{
	sh("ip link add vsi-a address 02:00:00:00:00:0a type veth peer name vsi-b");
	sh("ip addr add 10.3.0.1/24 dev vsi-a; ip link set vsi-a up; ip link set vsi-b up");
	/* Not with sysctl(8): a small system has none. */
	sh("for i in all vsi-a; do echo 0 >/proc/sys/net/ipv4/conf/$i/rp_filter || exit 1; done");
	ifindex = (int)if_nametoindex("vsi-a");
	return 0;
}

static int finish(void **state)
{
	return system("ip link del vsi-a");
}

static unsigned long received(void)
{
	FILE *f = fopen("/proc/self/net/snmp", "r");
	char line[1024];
	unsigned long n = 0;

	assert_non_null(f);
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (sscanf(line, "Ip: %*u %*u %lu", &n) == 1)
			break;
	if (f != NULL)
		fclose(f);
	return n;
}

/* Does an IP packet on the wire reach the stack of vsi-a? */
static bool stack_hears(void)
{
	static const uint8_t frame[60] = {2,	0,    0,    0, 0, 0x0a, 2,  0, 0, 0, 0,	 0x0b,
					  8,	0,    0x45, 0, 0, 28,	0,  1, 0, 0, 64, 17,
					  0x66, 0xcb, 10,   3, 0, 2,	10, 3, 0, 1};
	struct sockaddr_ll to = {.sll_family = AF_PACKET,
				 .sll_ifindex = (int)if_nametoindex("vsi-b")};
	int fd = socket(AF_PACKET, SOCK_RAW, 0);
	unsigned long before = received();

	assert_int_equal(sendto(fd, frame, sizeof(frame), 0, (struct sockaddr *)&to, sizeof(to)),
			 sizeof(frame));
	close(fd);
	for (unsigned i = 0; i < 100 && received() == before; i++)
		usleep(2000);
	return received() != before;
}

static bool has_clsact(void)
{
	return is_true("tc qdisc show dev vsi-a | grep -q clsact");
}

static void block_of_either_way_keeps_frames_from_the_stack(void **state)
{
	for (int classic = 0; classic <= 1; classic++) {
		struct dp_ingress_block block;

		assert_true(stack_hears());
		if (dp_ingress_block_attach(&block, ifindex, classic, &err) != 0)
			fail_msg("%s", err.what);
		assert_true(block.attached);
		assert_false(stack_hears());
		dp_ingress_block_detach(&block);
		assert_true(stack_hears());
		assert_false(has_clsact());
		dp_ingress_block_detach(&block); /* Twice does no harm. */
	}
}

static void qdisc_of_others_stays(void **state)
{
	struct dp_ingress_block block;

	sh("tc qdisc add dev vsi-a clsact");
	assert_int_equal(dp_ingress_block_attach(&block, ifindex, true, &err), 0);
	assert_false(stack_hears());
	dp_ingress_block_detach(&block);
	assert_true(has_clsact());
	sh("tc qdisc del dev vsi-a clsact");
	assert_true(stack_hears());
}

static void qdisc_that_others_came_to_use_stays(void **state)
{
	struct dp_ingress_block block;

	assert_int_equal(dp_ingress_block_attach(&block, ifindex, true, &err), 0);
	sh("tc filter add dev vsi-a egress prio 7 u32 match u32 0 0 action pass 2>/dev/null ||"
	   "tc filter add dev vsi-a egress prio 7 u32 match u32 0 0 classid 1:1");
	dp_ingress_block_detach(&block);
	assert_true(has_clsact());
	assert_true(stack_hears());
	sh("tc qdisc del dev vsi-a clsact");
}

static void block_that_a_killed_process_left_is_taken_over(void **state)
{
	struct dp_ingress_block dead, block;

	assert_int_equal(dp_ingress_block_attach(&dead, ifindex, true, &err), 0);
	assert_int_equal(dp_ingress_block_attach(&block, ifindex, true, &err), 0);
	assert_false(stack_hears());
	dp_ingress_block_detach(&block);
	assert_true(stack_hears());
	sh("tc qdisc del dev vsi-a clsact");
}

static void interface_that_is_gone_is_an_error_and_no_harm(void **state)
{
	struct dp_ingress_block block;

	assert_true(dp_ingress_block_attach(&block, 99999, false, &err) < 0);
	assert_false(block.attached);
	dp_ingress_block_detach(&block);
	for (int classic = 0; classic <= 1; classic++) {
		sh("ip link add vsi-t type veth peer name vsi-u");
		assert_int_equal(dp_ingress_block_attach(&block, (int)if_nametoindex("vsi-t"),
							 classic, &err),
				 0);
		sh("ip link del vsi-t");
		dp_ingress_block_detach(&block);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(block_of_either_way_keeps_frames_from_the_stack),
		cmocka_unit_test(qdisc_of_others_stays),
		cmocka_unit_test(qdisc_that_others_came_to_use_stays),
		cmocka_unit_test(block_that_a_killed_process_left_is_taken_over),
		cmocka_unit_test(interface_that_is_gone_is_an_error_and_no_harm),
	};

	if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0) {
		printf("skipped: needs root\n");
		return SKIPPED;
	}
	return cmocka_run_group_tests(tests, start, finish);
}
