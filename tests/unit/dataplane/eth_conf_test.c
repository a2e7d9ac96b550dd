/* SPDX-License-Identifier: BSD-2-Clause
 *
 * How devices of different abilities are configured.
 */
#include "dataplane/eth_conf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct rte_eth_dev_info nic(void)
{
	return (struct rte_eth_dev_info){
		.driver_name = "net_ice",
		.min_mtu = 68,
		.max_mtu = 9702,
		.max_rx_pktlen = 9728,
		.max_rx_queues = 16,
		.max_tx_queues = 16,
		.hash_key_size = 52,
		.flow_type_rss_offloads =
			RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP | RTE_ETH_RSS_L2_PAYLOAD,
		.rx_offload_capa = RTE_ETH_RX_OFFLOAD_CHECKSUM | RTE_ETH_RX_OFFLOAD_RSS_HASH |
				   RTE_ETH_RX_OFFLOAD_SCATTER | RTE_ETH_RX_OFFLOAD_VLAN_STRIP,
		.tx_offload_capa = RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM |
				   RTE_ETH_TX_OFFLOAD_SCTP_CKSUM | RTE_ETH_TX_OFFLOAD_IPV4_CKSUM |
				   RTE_ETH_TX_OFFLOAD_TCP_TSO | RTE_ETH_TX_OFFLOAD_MULTI_SEGS |
				   RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE,
		.rx_desc_lim = {.nb_max = 4096, .nb_min = 64, .nb_align = 32},
		.tx_desc_lim = {.nb_max = 4096, .nb_min = 64, .nb_align = 32},
	};
}

static struct rte_eth_dev_info soft(const char *driver)
{
	return (struct rte_eth_dev_info){.driver_name = driver,
					 .min_mtu = 46,
					 .max_mtu = UINT16_MAX,
					 .max_rx_pktlen = UINT32_MAX,
					 .max_rx_queues = 8,
					 .max_tx_queues = 8};
}

static struct eth_wish wish(void)
{
	return (struct eth_wish){
		.mtu = 1500, .offloads = true, .n_workers = 2, .n_cpus = 4, .buffer = 2048};
}

static void nic_gets_queues_for_workers_and_cores(void **state)
{
	struct rte_eth_dev_info info = nic();
	struct eth_wish w = wish();
	struct eth_conf c;

	assert_int_equal(eth_conf_make(&info, &w, &c, NULL), 0);
	assert_int_equal(c.n_rxq, 2);
	assert_int_equal(c.n_txq, 4);
	w.n_queues = 8;
	assert_int_equal(eth_conf_make(&info, &w, &c, NULL), 0);
	assert_int_equal(c.n_rxq, 8);
	assert_int_equal(c.n_txq, 8);
	w.n_workers = 0;
	w.n_queues = 0;
	assert_int_equal(eth_conf_make(&info, &w, &c, NULL), 0);
	assert_int_equal(c.n_rxq, 1);
	info.max_tx_queues = 2;
	assert_int_equal(eth_conf_make(&info, &w, &c, NULL), 0);
	assert_int_equal(c.n_txq, 2);
}

static void more_queues_than_the_device_has_are_refused(void **state)
{
	struct rte_eth_dev_info info = nic();
	struct eth_wish w = wish();
	struct eth_conf c;
	struct err err = {0};

	w.n_queues = 17;
	assert_int_equal(eth_conf_make(&info, &w, &c, &err), -EINVAL);
	assert_non_null(strstr(err.what, "16"));
	w.n_queues = 0;
	info.max_rx_queues = 0;
	assert_int_equal(eth_conf_make(&info, &w, &c, &err), -EINVAL);
}

static void af_xdp_serves_every_queue_it_was_made_with(void **state)
{
	struct rte_eth_dev_info info = soft("net_af_xdp");
	struct eth_wish w = wish();
	struct eth_conf c;

	info.max_rx_queues = info.max_tx_queues = 6;
	assert_int_equal(eth_conf_make(&info, &w, &c, NULL), 0);
	assert_int_equal(c.n_rxq, 6);
	assert_int_equal(c.n_txq, 6);
	assert_true(c.frame >= 1500 + 14 + 8 + 256);
}

static void rss_spreads_connections_symmetrically(void **state)
{
	struct rte_eth_dev_info info = nic();
	struct eth_wish w = wish();
	struct eth_conf c;

	assert_int_equal(eth_conf_make(&info, &w, &c, NULL), 0);
	assert_int_equal(c.dev.rxmode.mq_mode, RTE_ETH_MQ_RX_RSS);
	assert_int_equal(c.dev.rx_adv_conf.rss_conf.rss_hf,
			 RTE_ETH_RSS_IPV4 | RTE_ETH_RSS_NONFRAG_IPV4_TCP);
	assert_int_equal(c.dev.rx_adv_conf.rss_conf.rss_key_len, 52);
	for (unsigned i = 2; i < 52; i++)
		assert_int_equal(c.rss_key[i], c.rss_key[i - 2]);
	assert_true((c.dev.rxmode.offloads & RTE_ETH_RX_OFFLOAD_RSS_HASH) != 0);
	info.hash_key_size = 0;
	assert_int_equal(eth_conf_make(&info, &w, &c, NULL), 0);
	assert_int_equal(c.dev.rx_adv_conf.rss_conf.rss_key_len, 40);
	w.n_queues = 1;
	assert_int_equal(eth_conf_make(&info, &w, &c, NULL), 0);
	assert_int_equal(c.dev.rxmode.mq_mode, RTE_ETH_MQ_RX_NONE);
	w.n_queues = 2;
	info.flow_type_rss_offloads = RTE_ETH_RSS_L2_PAYLOAD;
	assert_int_equal(eth_conf_make(&info, &w, &c, NULL), 0);
	assert_int_equal(c.dev.rxmode.mq_mode, RTE_ETH_MQ_RX_NONE);
}

static void offloads_are_what_both_sides_want(void **state)
{
	struct rte_eth_dev_info info = nic();
	struct eth_wish w = wish();
	struct eth_conf c;

	assert_int_equal(eth_conf_make(&info, &w, &c, NULL), 0);
	assert_int_equal(c.tx_caps, DP_TX_CHAIN | DP_TX_CSUM_TCP | DP_TX_CSUM_UDP |
					    DP_TX_CSUM_SCTP | DP_TX_TSO4 | DP_TX_TSO6);
	/* Buffers come from several pools and may be shared. */
	assert_int_equal(c.dev.txmode.offloads & RTE_ETH_TX_OFFLOAD_MBUF_FAST_FREE, 0);
	assert_int_equal(c.dev.rxmode.offloads & RTE_ETH_RX_OFFLOAD_VLAN_STRIP, 0);
	assert_int_equal(c.dev.rxmode.offloads & RTE_ETH_RX_OFFLOAD_CHECKSUM,
			 RTE_ETH_RX_OFFLOAD_CHECKSUM);
	assert_true((c.dev.txmode.offloads & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM) != 0);
	w.offloads = false;
	assert_int_equal(eth_conf_make(&info, &w, &c, NULL), 0);
	assert_int_equal(c.tx_caps, DP_TX_CHAIN);
	assert_int_equal(c.dev.rxmode.offloads & RTE_ETH_RX_OFFLOAD_CHECKSUM, 0);
	w.offloads = true;
	info.tx_offload_capa &= ~RTE_ETH_TX_OFFLOAD_MULTI_SEGS;
	assert_int_equal(eth_conf_make(&info, &w, &c, NULL), 0);
	assert_int_equal(c.tx_caps & (DP_TX_TSO4 | DP_TX_TSO6 | DP_TX_CHAIN), 0);
	/* virtio would hand over frames without a checksum. */
	info.driver_name = "net_virtio";
	assert_int_equal(eth_conf_make(&info, &w, &c, NULL), 0);
	assert_int_equal(c.dev.rxmode.offloads & RTE_ETH_RX_OFFLOAD_CHECKSUM, 0);
}

static void long_frames_scatter_or_get_long_buffers(void **state)
{
	struct rte_eth_dev_info info = nic();
	struct eth_wish w = wish();
	struct eth_conf c;

	assert_int_equal(eth_conf_make(&info, &w, &c, NULL), 0);
	assert_int_equal(c.dev.rxmode.offloads & RTE_ETH_RX_OFFLOAD_SCATTER, 0);
	assert_false(c.single);
	w.mtu = 9000;
	assert_int_equal(eth_conf_make(&info, &w, &c, NULL), 0);
	assert_int_equal(c.dev.rxmode.mtu, 9000);
	assert_true((c.dev.rxmode.offloads & RTE_ETH_RX_OFFLOAD_SCATTER) != 0);
	assert_false(c.single);
	info.rx_offload_capa &= ~RTE_ETH_RX_OFFLOAD_SCATTER;
	assert_int_equal(eth_conf_make(&info, &w, &c, NULL), 0);
	assert_true(c.single);
	assert_true(c.frame >= 9000 + 14 + 8);
}

static void mtu_out_of_range_is_refused(void **state)
{
	struct rte_eth_dev_info info = nic();
	struct err err = {0};

	assert_int_equal(eth_conf_check_mtu(&info, 68, NULL), 0);
	assert_int_equal(eth_conf_check_mtu(&info, 67, NULL), -EINVAL);
	assert_int_equal(eth_conf_check_mtu(&info, 9702, NULL), 0);
	assert_int_equal(eth_conf_check_mtu(&info, 9703, &err), -EINVAL);
	assert_non_null(strstr(err.what, "68 to 9702"));
	assert_int_equal(eth_conf_check_mtu(&info, 0, NULL), -EINVAL);
	assert_int_equal(eth_conf_check_mtu(&info, UINT16_MAX, NULL), -EINVAL);
	/* A frame length is known, an MTU is not. */
	info.max_mtu = UINT16_MAX;
	info.max_rx_pktlen = 2018;
	assert_int_equal(eth_conf_check_mtu(&info, 2000, NULL), 0);
	assert_int_equal(eth_conf_check_mtu(&info, 2001, NULL), -EINVAL);
}

static void ring_sizes_fit_the_device(void **state)
{
	struct rte_eth_dev_info info = nic();
	struct eth_wish w = wish();
	struct eth_conf c;

	assert_int_equal(eth_conf_make(&info, &w, &c, NULL), 0);
	assert_int_equal(c.n_rx_desc, 1024);
	info.default_rxportconf.ring_size = 256;
	assert_int_equal(eth_conf_make(&info, &w, &c, NULL), 0);
	assert_int_equal(c.n_rx_desc, 256);
	w.n_desc = 33;
	assert_int_equal(eth_conf_make(&info, &w, &c, NULL), 0);
	assert_int_equal(c.n_rx_desc, 64);
	w.n_desc = 65;
	assert_int_equal(eth_conf_make(&info, &w, &c, NULL), 0);
	assert_int_equal(c.n_tx_desc, 96);
	w.n_desc = UINT16_MAX;
	assert_int_equal(eth_conf_make(&info, &w, &c, NULL), 0);
	assert_int_equal(c.n_tx_desc, 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nic_gets_queues_for_workers_and_cores),
		cmocka_unit_test(more_queues_than_the_device_has_are_refused),
		cmocka_unit_test(af_xdp_serves_every_queue_it_was_made_with),
		cmocka_unit_test(rss_spreads_connections_symmetrically),
		cmocka_unit_test(offloads_are_what_both_sides_want),
		cmocka_unit_test(long_frames_scatter_or_get_long_buffers),
		cmocka_unit_test(mtu_out_of_range_is_refused),
		cmocka_unit_test(ring_sizes_fit_the_device),
	};

	return cmocka_run_group_tests_name("eth_conf", tests, NULL, NULL);
}
