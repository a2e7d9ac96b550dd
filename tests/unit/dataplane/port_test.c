/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Opening ports, and ports in memory.
 */
#include "dataplane/port.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "dataplane/dp.h"
#include "dataplane/drop.h"
#include "dataplane/netdev.h"
#include "dataplane/netns.h"
#include "dataplane/port_mem.h"
#include "tests/support/test_dp.h"

static struct dp *dp;
static struct err err;

static int start(void **state)
{
	dp = test_dp_create(1023);
	return 0;
}

static int finish(void **state)
{
	unsigned in_use = test_dp_in_use(dp);

	test_dp_destroy(dp);
	return in_use == 0 ? 0 : -1;
}

static struct dp_port *open_mem(uint16_t n_queues, uint16_t n_desc)
{
	const struct dp_port_opts opts = {.name = "m0",
					  .kind = "mem",
					  .netns_fd = -1,
					  .n_queues = n_queues,
					  .n_desc = n_desc,
					  .mtu = 9000};
	struct dp_port *port = NULL;

	assert_int_equal(dp_port_open(dp, &opts, &port, &err), 0);
	return port;
}

static void make(struct rte_mbuf **pkts, uint16_t n)
{
	assert_int_equal(rte_pktmbuf_alloc_bulk(dp_pool(dp, 0, false), pkts, n), 0);
}

static bool is_readable(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};

	return poll(&pfd, 1, 0) == 1;
}

static void unknown_kind_bad_name_and_too_many_queues_are_refused(void **state)
{
	struct dp_port_opts opts = {.name = "p", .kind = "carrier-pigeon", .netns_fd = -1};
	char long_name[DP_PORT_NAME_SIZE + 1];
	struct dp_port *port = NULL;

	assert_int_equal(dp_port_open(dp, &opts, &port, &err), -EINVAL);
	assert_string_equal(err.slug, "no-such-kind");
	opts.kind = NULL;
	assert_int_equal(dp_port_open(dp, &opts, &port, NULL), -EINVAL);
	opts.kind = "mem";
	memset(long_name, 'x', sizeof(long_name));
	long_name[DP_PORT_NAME_SIZE] = '\0';
	opts.name = long_name;
	assert_int_equal(dp_port_open(dp, &opts, &port, &err), -EINVAL);
	opts.name = "";
	assert_int_equal(dp_port_open(dp, &opts, &port, &err), -EINVAL);
	opts.name = "p";
	opts.n_queues = DP_MAX_QUEUES + 1;
	assert_int_equal(dp_port_open(dp, &opts, &port, &err), -EINVAL);
	assert_null(port);
	dp_port_close(NULL);
}

static void interface_names_that_linux_refuses_are_refused_before_it(void **state)
{
	static const char *const bad[] = {"",	 ".",	 "..",
					  "a/b", "a b",	 "eth0:1",
					  "x%d", "\x80", "sixteen-chars-xx",
					  NULL};
	struct dp_port_opts opts = {.name = "p", .kind = "tap", .netns_fd = -1};
	struct dp_port *port = NULL;

	for (size_t i = 0; bad[i] != NULL; i++) {
		opts.ifname = bad[i];
		assert_int_equal(dp_port_open(dp, &opts, &port, &err), -EINVAL);
		assert_string_equal(err.slug, "bad-interface-name");
	}
	opts.ifname = NULL;
	assert_int_equal(dp_port_open(dp, &opts, &port, &err), -EINVAL);
	assert_int_equal(dp_netdev_check_name("fifteen-chars-x", &err), 0);
}

static void tap_refuses_mtu_and_mac_that_no_interface_has(void **state)
{
	struct dp_port_opts opts = {
		.name = "p", .kind = "tap", .ifname = "kpnone0", .netns_fd = -1, .mtu = 67};
	struct dp_port *port = NULL;

	assert_int_equal(dp_port_open(dp, &opts, &port, &err), -EINVAL);
	assert_string_equal(err.slug, "bad-mtu");
	opts.mtu = 65522;
	assert_int_equal(dp_port_open(dp, &opts, &port, &err), -EINVAL);
	opts.mtu = 1500;
	opts.has_mac = true;
	assert_int_equal(dp_port_open(dp, &opts, &port, &err), -EINVAL);
	assert_string_equal(err.slug, "bad-mac");
	opts.mac.addr_bytes[0] = 1;
	assert_int_equal(dp_port_open(dp, &opts, &port, &err), -EINVAL);
}

static void open_port_is_filled_in_completely(void **state)
{
	struct dp_port *port = open_mem(3, 0);
	struct dp_link link;

	assert_int_equal(port->n_rxq, 3);
	assert_int_equal(port->n_txq, 3);
	assert_string_equal(port->name, "m0");
	assert_int_equal(port->mtu, 9000);
	assert_int_equal(port->max_frame, 9014);
	assert_int_equal(port->id, DP_NO_PORT);
	assert_ptr_equal(port->tx, port->ops->tx);
	for (uint16_t i = 0; i < 3; i++) {
		assert_ptr_equal(port->rxq[i].port, port);
		assert_ptr_equal(port->rxq[i].rx, port->ops->rx);
		assert_int_equal(port->rxq[i].index, i);
		assert_true(port->rxq[i].wake_fd >= 0);
		assert_int_equal((uintptr_t)&port->rxq[i] % 64, 0);
		assert_int_equal(port->txq[i].index, i);
	}
	port->ops->link(port, &link);
	assert_true(link.up);
	assert_int_equal(port->ops->set_mtu(port, 1500, &err), 0);
	assert_int_equal(port->max_frame, 1514);
	dp_port_close(port);
}

static void injected_frames_are_received_in_order_with_the_port_id(void **state)
{
	struct dp_port *port = open_mem(2, 0);
	struct rte_mbuf *in[8], *out[8];

	port->id = 42;
	make(in, 8);
	assert_false(is_readable(port->rxq[1].wake_fd));
	assert_int_equal(dp_port_mem_inject(port, 1, in, 8), 8);
	assert_true(is_readable(port->rxq[1].wake_fd));
	assert_false(is_readable(port->rxq[0].wake_fd));
	assert_int_equal(port->rxq[0].rx(&port->rxq[0], out, 8), 0);
	assert_int_equal(port->rxq[1].rx(&port->rxq[1], out, 5), 5);
	assert_int_equal(port->rxq[1].rx(&port->rxq[1], out + 5, 8), 3);
	assert_memory_equal(in, out, sizeof(in));
	assert_int_equal(out[7]->port, 42);
	assert_int_equal(port->rxq[1].rx(&port->rxq[1], out, 8), 0);
	assert_false(is_readable(port->rxq[1].wake_fd));
	rte_pktmbuf_free_bulk(in, 8);
	dp_port_close(port);
}

static void limited_port_is_full_until_frames_are_collected(void **state)
{
	struct dp_port *port = open_mem(1, 0);
	struct dp_txq *q = &port->txq[0];
	struct rte_mbuf *in[8], *out[8];

	make(in, 8);
	dp_port_mem_limit(port, 5);
	assert_int_equal(port->tx(q, in, 8), 5);
	assert_int_equal(q->refused, DP_DROP_TX_FULL);
	assert_int_equal(port->tx(q, in + 5, 3), 0);
	assert_int_equal(dp_port_mem_collect(port, out, 2), 2);
	assert_int_equal(port->tx(q, in + 5, 3), 2);
	assert_int_equal(dp_port_mem_collect(port, out + 2, 8), 5);
	assert_memory_equal(in, out, 7 * sizeof(in[0]));
	rte_pktmbuf_free_bulk(in, 8);
	dp_port_close(port);
}

static void ring_holds_as_many_frames_as_it_was_given_descriptors(void **state)
{
	struct dp_port *port = open_mem(1, 64);
	struct rte_mbuf *in[128];
	uint16_t n;

	make(in, 128);
	n = port->tx(&port->txq[0], in, 128);
	assert_true(n >= 64);
	assert_true(n < 128);
	rte_pktmbuf_free_bulk(in + n, 128u - n);
	dp_port_close(port); /* frees what nobody collected */
}

static void port_that_is_down_takes_nothing_and_says_why(void **state)
{
	struct dp_port *port = open_mem(1, 0);
	struct rte_mbuf *in[1];
	struct dp_link link;

	make(in, 1);
	dp_port_mem_set_link(port, false);
	assert_int_equal(port->tx(&port->txq[0], in, 1), 0);
	assert_int_equal(port->txq[0].refused, DP_DROP_TX_DOWN);
	port->ops->link(port, &link);
	assert_false(link.up);
	assert_true(link.reason[0] != '\0');
	rte_pktmbuf_free(in[0]);
	dp_port_close(port);
}

static int answer(void *arg)
{
	*(bool *)arg = true;
	return 17;
}

static void work_for_our_own_namespace_is_done_on_the_spot(void **state)
{
	bool called = false;

	assert_int_equal(dp_netns_call(-1, answer, &called, &err), 17);
	assert_true(called);
	assert_true(dp_netns_same(-1, -1));
	assert_false(dp_netns_same(-1, 0)); /* not a namespace at all */
}

static void descriptor_that_is_no_namespace_is_not_entered(void **state)
{
	bool called = false;

	assert_true(dp_netns_call(0, answer, &called, &err) < 0);
	assert_false(called);
	assert_string_equal(err.slug, "netns");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unknown_kind_bad_name_and_too_many_queues_are_refused),
		cmocka_unit_test(interface_names_that_linux_refuses_are_refused_before_it),
		cmocka_unit_test(tap_refuses_mtu_and_mac_that_no_interface_has),
		cmocka_unit_test(open_port_is_filled_in_completely),
		cmocka_unit_test(injected_frames_are_received_in_order_with_the_port_id),
		cmocka_unit_test(limited_port_is_full_until_frames_are_collected),
		cmocka_unit_test(ring_holds_as_many_frames_as_it_was_given_descriptors),
		cmocka_unit_test(port_that_is_down_takes_nothing_and_says_why),
		cmocka_unit_test(work_for_our_own_namespace_is_done_on_the_spot),
		cmocka_unit_test(descriptor_that_is_no_namespace_is_not_entered),
	};

	return cmocka_run_group_tests(tests, start, finish);
}
