/* SPDX-License-Identifier: BSD-2-Clause
 *
 * AF_XDP ports as far as they go without permission: what is refused, and in which words.  integration/xdp_ports.py has the
 * rest.
 */
#include "dataplane/xdp_check.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "dataplane/port.h"
#include "tests/support/test_dp.h"

static struct dp *dp;
static char reason[160];

static int start(void **state)
{
	dp = test_dp_create(1023);
	return 0;
}

static int finish(void **state)
{
	test_dp_destroy(dp);
	return 0;
}

static void expect_no(const char *ifname, uint16_t mtu, int rc, const char *words)
{
	reason[0] = '\0';
	assert_int_equal(dp_xdp_check(ifname, mtu, reason, sizeof(reason)), rc);
	if (strstr(reason, words) == NULL)
		fail_msg("'%s' does not say '%s'", reason, words);
}

static void interface_that_is_not_there_is_named(void **state)
{
	expect_no("no-such-if", 1500, -ENODEV, "no-such-if");
}

static void names_that_no_interface_can_have_are_refused(void **state)
{
	expect_no("", 1500, -EINVAL, "interface name");
	expect_no(NULL, 1500, -EINVAL, "interface name");
	expect_no("sixteen-bytes-xx", 1500, -EINVAL, "interface name");
	expect_no("a/b", 1500, -EINVAL, "interface name");
}

static void loopback_is_not_ethernet(void **state)
{
	expect_no("lo", 1500, -EINVAL, "not Ethernet");
}

static void reason_is_cut_to_its_size(void **state)
{
	char small[8];

	memset(small, 'x', sizeof(small));
	assert_int_equal(dp_xdp_check("no-such-if", 0, small, 6), -ENODEV);
	assert_int_equal(strlen(small), 5);
	assert_int_equal(small[6], 'x');
}

static void interface_without_channels_has_one_queue(void **state)
{
	assert_int_equal(dp_xdp_queues("lo"), 1);
	assert_int_equal(dp_xdp_queues("no-such-if"), 1);
}

static void open_refuses_what_cannot_be_and_leaves_nothing_behind(void **state)
{
	struct dp_port_opts opts = {.name = "x", .kind = "xdp", .netns_fd = -1};
	struct dp_port *port = NULL;
	struct err err = {0};

	assert_int_equal(dp_port_open(dp, &opts, &port, &err), -EINVAL);
	opts.ifname = "no-such-if";
	assert_int_equal(dp_port_open(dp, &opts, &port, &err), -ENODEV);
	assert_string_equal(err.slug, "no-interface");
	opts.ifname = "lo";
	assert_int_equal(dp_port_open(dp, &opts, &port, &err), -EINVAL);
	assert_string_equal(err.slug, "not-ethernet");
	assert_int_equal(dp_port_open(dp, &opts, &port, NULL), -EINVAL);
	assert_null(port);
	assert_int_equal(test_dp_in_use(dp), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(interface_that_is_not_there_is_named),
		cmocka_unit_test(names_that_no_interface_can_have_are_refused),
		cmocka_unit_test(loopback_is_not_ethernet),
		cmocka_unit_test(reason_is_cut_to_its_size),
		cmocka_unit_test(interface_without_channels_has_one_queue),
		cmocka_unit_test(open_refuses_what_cannot_be_and_leaves_nothing_behind),
	};

	return cmocka_run_group_tests_name("xdp", tests, start, finish);
}
