/* SPDX-License-Identifier: BSD-2-Clause
 *
 * AF_XDP says no with a reason.  What needs interfaces of one's own is in integration/.
 */
#include "dataplane/af_xdp.h"

#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

static void expect_no(const char *ifname, const char *reason)
{
	char text[160] = "";

	assert_int_equal(dp_eth_af_xdp_ok(ifname, 1500, text, sizeof(text)), 0);
	if (strstr(text, reason) == NULL)
		fail_msg("%s", text);
}

/* Without permission the kernel is asked first. */
static bool has_xdp(void)
{
	int fd = socket(44, SOCK_RAW, 0);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

static void names_that_dpdk_cannot_take_are_told(void **state)
{
	expect_no("a,b", "a,b");
	expect_no("a=b", "a=b");
	expect_no("a b", "a b");
	expect_no("", "1 to 15");
	expect_no(NULL, "1 to 15");
	expect_no("sixteen-bytes-xx", "1 to 15");
}

static void interface_that_is_none_is_told(void **state)
{
	if (!has_xdp())
		skip();
	expect_no("no-such-if", "no interface no-such-if");
	expect_no("lo", "not an Ethernet");
}

static void reason_is_cut_to_the_callers_buffer(void **state)
{
	char text[8] = "1234567";

	assert_int_equal(dp_eth_af_xdp_ok("a,b", 1500, text, sizeof(text)), 0);
	assert_int_equal(strlen(text), 7);
}

static void loopback_is_software_and_up_or_down(void **state)
{
	int fd = -1;
	unsigned index = if_nametoindex("lo");

	assert_true(dp_eth_is_software("lo"));
	if (index == 0)
		skip();
	assert_int_not_equal(dp_eth_if_state(&fd, "lo", index), DP_IF_GONE);
	assert_int_equal(dp_eth_if_state(&fd, "lo", index + 1), DP_IF_GONE);
	assert_int_equal(dp_eth_if_state(&fd, "no-such-if", index), DP_IF_GONE);
	assert_true(fd >= 0);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_that_dpdk_cannot_take_are_told),
		cmocka_unit_test(interface_that_is_none_is_told),
		cmocka_unit_test(reason_is_cut_to_the_callers_buffer),
		cmocka_unit_test(loopback_is_software_and_up_or_down),
	};

	return cmocka_run_group_tests_name("af_xdp", tests, NULL, NULL);
}
