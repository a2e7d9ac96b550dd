/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A tap, with the machine's end played by a packet socket, in a network namespace of the test's
 * own.
 */
#include "dataplane/port.h"

#include <endian.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
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

#include "dataplane/dp.h"
#include "dataplane/drop.h"
#include "tests/support/own_net.h"
#include "tests/support/test_dp.h"

#define TYPE 0x88b5 /* for experiments: no stack answers it */

static struct dp *dp;
static struct dp_port *port;
static struct err err;
static int machine; /* a packet socket on the interface */

static int start(void **state)
{
	const struct dp_port_opts opts = {.name = "t",
					  .kind = "tap",
					  .ifname = "vtp0",
					  .netns_fd = -1,
					  .mtu = 1500,
					  .has_mac = true,
					  .mac = {{2, 0, 0, 0, 0, 0x31}}};
	struct sockaddr_ll at = {.sll_family = AF_PACKET, .sll_protocol = htobe16(TYPE)};

	if (dp_port_open(dp, &opts, &port, &err) != 0)
		fail_msg("%s", err.what);
	own_net_sh("ip link set vtp0 up");
	machine = socket(AF_PACKET, SOCK_RAW, htobe16(TYPE));
	at.sll_ifindex = (int)if_nametoindex("vtp0");
	return bind(machine, (struct sockaddr *)&at, sizeof(at));
}

static int finish(void **state)
{
	close(machine);
	dp_port_close(port);
	assert_int_equal(if_nametoindex("vtp0"), 0); /* It took its interface with it. */
	return test_dp_in_use(dp) == 0 ? 0 : -1;
}

static void fill(uint8_t *frame, size_t size)
{
	static const uint8_t head[14] = {2, 0, 0, 0, 0, 0x31, 2, 0, 0, 0, 0, 9, 0x88, 0xb5};

	for (size_t i = 0; i < size; i++)
		frame[i] = i < sizeof(head) ? head[i] : (uint8_t)(i * 7);
}

/* The next frame of ours that the switch receives; the stack sends some of its own. */
static struct rte_mbuf *receive(void)
{
	for (unsigned i = 0; i < 200; i++) {
		struct pollfd pfd = {.fd = port->rxq[0].wake_fd, .events = POLLIN};
		struct rte_mbuf *m;

		while (port->ops->rx(&port->rxq[0], &m, 1) == 1) {
			const uint8_t *d = rte_pktmbuf_mtod(m, const uint8_t *);

			if (d[12] == 0x88 && d[13] == 0xb5)
				return m;
			rte_pktmbuf_free(m);
		}
		poll(&pfd, 1, 10);
	}
	print_error("no frame came\n");
	abort();
}

static void frame_of_every_size_comes_as_it_was_sent(void **state)
{
	static const size_t sizes[] = {14, 15, 60, 61, 1513, 1514};
	uint8_t frame[2000], got[2000];

	for (size_t i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		struct rte_mbuf *m;
		const void *bytes;

		fill(frame, sizes[i]);
		assert_int_equal(send(machine, frame, sizes[i], 0), sizes[i]);
		m = receive();
		assert_int_equal(m->pkt_len, sizes[i]);
		assert_int_equal(m->port, port->id);
		bytes = rte_pktmbuf_read(m, 0, m->pkt_len, got);
		assert_memory_equal(bytes, frame, sizes[i]);
		rte_pktmbuf_free(m);
	}
}

static struct rte_mbuf *make(const uint8_t *frame, uint16_t size)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(dp_pool(dp, 0, false));

	if (m == NULL)
		abort();
	memcpy(rte_pktmbuf_mtod(m, void *), frame, size);
	m->data_len = size;
	m->pkt_len = size;
	return m;
}

static void frame_that_is_sent_reaches_the_machine(void **state)
{
	uint8_t frame[1514], got[2000];
	struct pollfd pfd = {.fd = machine, .events = POLLIN};
	struct rte_mbuf *m;

	fill(frame, sizeof(frame));
	m = make(frame, 1000);
	assert_int_equal(rte_pktmbuf_chain(m, make(frame + 1000, 514)), 0);
	assert_int_equal(port->ops->tx(&port->txq[0], &m, 1), 1);
	assert_int_equal(poll(&pfd, 1, 2000), 1);
	assert_int_equal(recv(machine, got, sizeof(got), 0), sizeof(frame));
	assert_memory_equal(got, frame, sizeof(frame));
}

static void interface_that_is_down_takes_nothing_and_says_so(void **state)
{
	struct dp_link link;
	uint8_t frame[60];
	struct rte_mbuf *m;

	port->ops->link(port, &link);
	assert_true(link.up);
	own_net_sh("ip link set vtp0 down");
	port->ops->link(port, &link);
	assert_false(link.up);
	assert_non_null(strstr(link.reason, "down on the machine's side"));
	fill(frame, sizeof(frame));
	m = make(frame, sizeof(frame));
	assert_int_equal(port->ops->tx(&port->txq[0], &m, 1), 0);
	rte_pktmbuf_free(m);
	own_net_sh("ip link set vtp0 up");
	port->ops->link(port, &link);
	assert_true(link.up);
}

static void interface_that_was_deleted_is_gone_and_wakes_nobody(void **state)
{
	struct pollfd pfd = {.fd = port->rxq[0].wake_fd, .events = POLLIN};
	struct dp_link link;
	struct rte_mbuf *m;
	json_t *show;

	own_net_sh("ip link del vtp0");
	port->ops->link(port, &link);
	assert_false(link.up);
	assert_non_null(strstr(link.reason, "was deleted"));
	assert_int_equal(poll(&pfd, 1, 0), 0);
	assert_int_equal(port->ops->rx(&port->rxq[0], &m, 1), 0);
	show = port->ops->show(port);
	assert_true(json_is_true(json_object_get(show, "gone")));
	json_decref(show);
	assert_true(port->ops->set_mtu(port, 1400, &err) < 0);
	assert_int_equal(port->mtu, 1500);
}

static void settings_follow_the_interface_under_its_new_name(void **state)
{
	const struct rte_ether_addr mac = {{2, 0, 0, 0, 0, 0x32}};

	own_net_sh("ip link set vtp0 down; ip link set vtp0 name vtp1; ip link set vtp1 up");
	assert_int_equal(port->ops->set_mtu(port, 1400, &err), 0);
	assert_int_equal(port->ops->set_mac(port, &mac, &err), 0);
	own_net_sh("ip link show vtp1 | grep -q 'mtu 1400'");
	own_net_sh("ip link show vtp1 | grep -q 02:00:00:00:00:32");
	assert_int_equal(port->max_frame, 1414);
	assert_int_equal(port->ops->set_mtu(port, 67, &err), -EINVAL);
	assert_int_equal(port->ops->set_mtu(port, 65535, &err), -EINVAL);
	assert_int_equal(port->mtu, 1400);
}

static void name_that_is_taken_is_refused(void **state)
{
	const struct dp_port_opts opts = {.name = "u",
					  .kind = "tap",
					  .ifname = "vtp0",
					  .netns_fd = -1};
	struct dp_port *second = NULL;

	assert_true(dp_port_open(dp, &opts, &second, &err) < 0);
	assert_null(second);
	assert_non_null(strstr(err.what, "vtp0"));
	assert_int_not_equal(if_nametoindex("vtp0"), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, start, finish)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(frame_of_every_size_comes_as_it_was_sent),
		TEST(frame_that_is_sent_reaches_the_machine),
		TEST(interface_that_is_down_takes_nothing_and_says_so),
		TEST(interface_that_was_deleted_is_gone_and_wakes_nobody),
		TEST(settings_follow_the_interface_under_its_new_name),
		TEST(name_that_is_taken_is_refused),
	};
	int failed;

	if (!own_net_enter())
		return OWN_NET_SKIPPED;
	dp = test_dp_create(4095);
	failed = cmocka_run_group_tests(tests, NULL, NULL);
	test_dp_destroy(dp);
	return failed;
}
