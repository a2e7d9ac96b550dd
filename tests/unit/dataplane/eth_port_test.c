/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ports on DPDK devices that need no hardware and no permission: net_null, net_ring and net_pcap.
 */
#include "dataplane/port.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <rte_mbuf.h>

#include "dataplane/dp.h"
#include "tests/support/mbufs.h"
#include "tests/support/test_dp.h"

#define MAX_FRAME 9018u

static struct dp *dp;
static struct err err;
static char folder[] = "/tmp/eth_port_test.XXXXXX";

static int start(void **state)
{
	dp = test_dp_create(4095);
	return mkdtemp(folder) != NULL ? 0 : -1;
}

static int finish(void **state)
{
	test_dp_destroy(dp);
	return rmdir(folder);
}

static int no_buffer_is_lost(void **state)
{
	return test_dp_in_use(dp) == 0 ? 0 : -1;
}

static int open_device(const char *devargs, uint16_t mtu, struct dp_port **ret)
{
	const struct dp_port_opts opts = {.name = "e0",
					  .kind = "eth",
					  .devargs = devargs,
					  .netns_fd = -1,
					  .n_queues = 1,
					  .mtu = mtu,
					  .offloads = true};

	memset(&err, 0, sizeof(err));
	return dp_port_open(dp, &opts, ret, &err);
}

static struct dp_port *must_open(const char *devargs, uint16_t mtu)
{
	struct dp_port *port = NULL;

	if (open_device(devargs, mtu, &port) != 0)
		fail_msg("%s: %s: %s", devargs, err.what, err.why);
	return port;
}

static uint16_t receive(struct dp_port *port, struct rte_mbuf **pkts, uint16_t n)
{
	return port->rxq[0].rx(&port->rxq[0], pkts, n);
}

static uint16_t transmit(struct dp_port *port, struct rte_mbuf **pkts, uint16_t n)
{
	return port->tx(&port->txq[0], pkts, n);
}

static void fill(uint8_t *bytes, uint32_t size, uint8_t seed)
{
	for (uint32_t i = 0; i < size; i++)
		bytes[i] = (uint8_t)(seed + i * 5 + (i >> 8));
}

/* A frame as a port with these 'tx_caps' gets it: whole, or in buffers of ordinary size. */
static struct rte_mbuf *make(uint32_t tx_caps, uint32_t size, uint8_t seed)
{
	struct rte_mempool *pool = dp_pool(dp, size, (tx_caps & DP_TX_CHAIN) == 0);
	static uint8_t bytes[MAX_FRAME];
	struct rte_mbuf *m;

	fill(bytes, size, seed);
	m = mbufs_make(pool, bytes, size, NULL, 0);
	assert_non_null(m);
	return m;
}

static void expect(struct rte_mbuf *m, uint32_t size, uint8_t seed)
{
	static uint8_t bytes[MAX_FRAME], expected[MAX_FRAME];

	rte_mbuf_sanity_check(m, 1);
	assert_int_equal(mbufs_read(m, bytes, sizeof(bytes)), size);
	fill(expected, size, seed);
	assert_memory_equal(bytes, expected, size);
	rte_pktmbuf_free(m);
}

static void null_device_gives_frames_and_takes_them(void **state)
{
	struct dp_port *port = must_open("net_null0,size=100", 0);
	struct rte_mbuf *pkts[8];
	struct dp_link link;
	json_t *show;

	assert_string_equal(port->driver, "net_null");
	assert_int_equal(port->mtu, 1500);
	assert_int_equal(port->n_rxq, 1);
	port->ops->link(port, &link);
	assert_true(link.up);
	assert_int_equal(receive(port, pkts, 8), 8);
	assert_int_equal(pkts[7]->pkt_len, 100);
	assert_int_equal(transmit(port, pkts, 8), 8);
	show = port->ops->show(port);
	assert_string_equal(json_string_value(json_object_get(show, "driver")), "net_null");
	assert_string_equal(json_string_value(json_object_get(show, "device")), "net_null0");
	json_decref(show);
	dp_port_close(port);
}

static void ring_device_carries_frames_in_order(void **state)
{
	struct dp_port *port = must_open("net_ring0", 0);
	struct rte_mbuf *pkts[16];

	for (uint8_t i = 0; i < 16; i++)
		pkts[i] = make(port->tx_caps, 60u + i, i);
	assert_int_equal(transmit(port, pkts, 16), 16);
	assert_int_equal(receive(port, pkts, 16), 16);
	for (uint8_t i = 0; i < 16; i++)
		expect(pkts[i], 60u + i, i);
	dp_port_close(port);
}

static void put32(FILE *f, uint32_t value)
{
	assert_int_equal(fwrite(&value, sizeof(value), 1, f), 1);
}

/* A capture file of Ethernet frames. */
static void write_pcap(const char *path, const uint32_t *sizes, unsigned n)
{
	static uint8_t bytes[MAX_FRAME];
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	put32(f, 0xa1b2c3d4);
	put32(f, 2 | 4 << 16);
	put32(f, 0);
	put32(f, 0);
	put32(f, UINT16_MAX);
	put32(f, 1);
	for (unsigned i = 0; i < n; i++) {
		put32(f, i);
		put32(f, 0);
		put32(f, sizes[i]);
		put32(f, sizes[i]);
		fill(bytes, sizes[i], (uint8_t)i);
		assert_int_equal(fwrite(bytes, 1, sizes[i], f), sizes[i]);
	}
	fclose(f);
}

static void expect_record(FILE *f, uint32_t size, uint8_t seed)
{
	static uint8_t bytes[MAX_FRAME], expected[MAX_FRAME];
	uint32_t head[4];

	assert_int_equal(fread(head, sizeof(head), 1, f), 1);
	assert_int_equal(head[2], size);
	assert_int_equal(head[3], size);
	assert_int_equal(fread(bytes, 1, size, f), size);
	fill(expected, size, seed);
	assert_memory_equal(bytes, expected, size);
}

static void pcap_device_replays_and_writes_jumbo_frames_whole(void **state)
{
	const uint32_t sizes[] = {60, 1514, 2048, 2049, 5000, 9014};
	const unsigned n = sizeof(sizes) / sizeof(sizes[0]);
	char in[64], out[64], devargs[200];
	struct rte_mbuf *pkts[8];
	struct dp_port *port;
	FILE *f;

	snprintf(in, sizeof(in), "%s/in", folder);
	snprintf(out, sizeof(out), "%s/out", folder);
	snprintf(devargs, sizeof(devargs), "net_pcap0,rx_pcap=%s,tx_pcap=%s", in, out);
	write_pcap(in, sizes, n);
	port = must_open(devargs, 9000);
	assert_int_equal(port->mtu, 9000);
	assert_int_equal(port->max_frame, 9014);
	assert_int_equal(receive(port, pkts, 8), n);
	for (unsigned i = 0; i < n; i++)
		expect(pkts[i], sizes[i], (uint8_t)i);
	for (unsigned i = 0; i < n; i++)
		pkts[i] = make(port->tx_caps, sizes[i], (uint8_t)(100 + i));
	assert_int_equal(transmit(port, pkts, (uint16_t)n), n);
	dp_port_close(port);
	f = fopen(out, "r");
	assert_non_null(f);
	assert_int_equal(fseek(f, 24, SEEK_SET), 0);
	for (unsigned i = 0; i < n; i++)
		expect_record(f, sizes[i], (uint8_t)(100 + i));
	fclose(f);
	unlink(in);
	unlink(out);
}

static void device_is_opened_once_at_a_time(void **state)
{
	struct dp_port *port = must_open("net_null0", 0), *again = NULL;

	assert_int_equal(open_device("net_null0,size=64", 0, &again), -EBUSY);
	assert_string_equal(err.slug, "device-busy");
	assert_null(again);
	dp_port_close(port);
	dp_port_close(must_open("net_null0,size=64", 0));
}

static void device_that_no_driver_takes_is_refused_in_words(void **state)
{
	static const char *const none[] = {"",
					   "nonsense",
					   "net_nonesuch0",
					   "net_null0,nonsense=1",
					   "net_pcap0,rx_pcap=/no/such/file",
					   "net_memif0,role=neither",
					   "ffff:ff:1f.7"};
	struct dp_port *port = NULL;

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
		assert_true(open_device(none[i], 0, &port) < 0);
		assert_null(port);
		assert_true(err.what[0] != '\0');
		if (i >= 2 && err.why[0] == '\0' && err.fix[0] == '\0')
			fail_msg("'%s': '%s' does not say why", none[i], err.what);
	}
	/* And nothing was left behind. */
	dp_port_close(must_open("net_null0", 0));
}

static void one_device_too_many_is_refused_with_the_number(void **state)
{
	struct dp_port *ports[RTE_MAX_ETHPORTS], *last = NULL;
	char devargs[32], number[16];

	for (unsigned i = 0; i < RTE_MAX_ETHPORTS; i++) {
		snprintf(devargs, sizeof(devargs), "net_null%u", i);
		ports[i] = must_open(devargs, 0);
	}
	assert_int_equal(open_device("net_null_more", 0, &last), -ENOSPC);
	snprintf(number, sizeof(number), "%d", RTE_MAX_ETHPORTS);
	assert_non_null(strstr(err.why, number));
	for (unsigned i = 0; i < RTE_MAX_ETHPORTS; i++)
		dp_port_close(ports[i]);
}

static void mtu_changes_and_frames_still_come(void **state)
{
	const uint16_t mtus[] = {9000, 1500, 68, 1500, 4000};
	struct dp_port *port = must_open("net_null0,size=64", 0);
	struct rte_mbuf *pkts[4];

	for (size_t i = 0; i < sizeof(mtus) / sizeof(mtus[0]); i++) {
		assert_int_equal(port->ops->set_mtu(port, mtus[i], &err), 0);
		assert_int_equal(port->mtu, mtus[i]);
		assert_int_equal(port->max_frame, mtus[i] + 14);
		assert_int_equal(receive(port, pkts, 4), 4);
		assert_int_equal(transmit(port, pkts, 4), 4);
	}
	assert_true(port->ops->set_mtu(port, 67, &err) < 0);
	assert_int_equal(port->mtu, 4000);
	dp_port_close(port);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_teardown(name, no_buffer_is_lost)
		TEST(null_device_gives_frames_and_takes_them),
		TEST(ring_device_carries_frames_in_order),
		TEST(pcap_device_replays_and_writes_jumbo_frames_whole),
		TEST(device_is_opened_once_at_a_time),
		TEST(device_that_no_driver_takes_is_refused_in_words),
		TEST(one_device_too_many_is_refused_with_the_number),
		TEST(mtu_changes_and_frames_still_come),
#undef TEST
	};

	return cmocka_run_group_tests_name("eth_port", tests, start, finish);
}
