/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See eth_conf.h.
 */
#include "dataplane/eth_conf.h"

#include <errno.h>
#include <string.h>

#define DEFAULT_DESC 1024
#define MAX_TXQ	     16
/* Two VLAN tags and a CRC beyond the MTU and the Ethernet header. */
#define FRAME_EXTRA (RTE_ETHER_HDR_LEN + 2 * 4 + RTE_ETHER_CRC_LEN)
/* AF_XDP: the kernel keeps this much of each buffer to itself, and a buffer with all around it is a
 * page at most. */
#define AF_XDP_HEADROOM 256

#define RSS_WANTED (RTE_ETH_RSS_IP | RTE_ETH_RSS_TCP | RTE_ETH_RSS_UDP | RTE_ETH_RSS_SCTP)

static bool is_driver(const struct rte_eth_dev_info *info, const char *prefix)
{
	return info->driver_name != NULL && strncmp(info->driver_name, prefix, strlen(prefix)) == 0;
}

/* A real NIC, as far as checksums go.  virtio hands over frames whose checksum was never filled in
 * when it is asked to check them; so it is not asked.  Software devices have nothing to offer. */
static bool checks_frames(const struct rte_eth_dev_info *info)
{
	static const char *const not [] = {"net_virtio", "net_vhost", "net_tap", "net_af_",
					   "net_failsafe"};

	for (size_t i = 0; i < RTE_DIM(not ); i++)
		if (is_driver(info, not [i]))
			return false;
	return true;
}

/* Both ends of a pair must have the same number of queues, or the device's arguments have said how
 * many there are. */
static bool has_queue_pairs(const struct rte_eth_dev_info *info)
{
	static const char *const names[] = {"net_af_xdp", "net_virtio", "net_pcap", "net_ring"};

	for (size_t i = 0; i < RTE_DIM(names); i++)
		if (is_driver(info, names[i]))
			return true;
	return false;
}

static int choose_queues(const struct rte_eth_dev_info *info, const struct eth_wish *w,
			 struct eth_conf *c, struct err *err)
{
	uint16_t max_rx = RTE_MIN(info->max_rx_queues, (uint16_t)DP_MAX_QUEUES);
	uint16_t max_tx = RTE_MIN(info->max_tx_queues, (uint16_t)DP_MAX_QUEUES);

	if (w->n_queues > max_rx)
		return err_set(err, -EINVAL, "queues-range", "%u queues: the device has %u",
			       w->n_queues, max_rx);
	if (max_rx == 0 || max_tx == 0)
		return err_set(err, -EINVAL, "queues-range", "the device has no %s queue",
			       max_rx == 0 ? "receive" : "transmit");
	c->n_rxq = w->n_queues != 0 ? w->n_queues : RTE_MAX(w->n_workers, (uint16_t)1);
	/* AF_XDP has its queues because somebody asked for them: each gets frames. */
	if (w->n_queues == 0 && is_driver(info, "net_af_xdp"))
		c->n_rxq = max_rx;
	c->n_rxq = RTE_MIN(c->n_rxq, max_rx);
	/* A transmit queue for each worker there may be one day, so that none must hand over. */
	c->n_txq = has_queue_pairs(info) ? c->n_rxq
					 : RTE_MAX(RTE_MIN(w->n_cpus, (uint16_t)MAX_TXQ), c->n_rxq);
	c->n_txq = RTE_MIN(c->n_txq, max_tx);
	return 0;
}

static uint16_t choose_desc(uint16_t wish, uint16_t preferred, const struct rte_eth_desc_lim *lim)
{
	uint32_t n = wish != 0 ? wish : preferred != 0 ? preferred : DEFAULT_DESC;

	if (lim->nb_align > 1)
		n = RTE_ALIGN_CEIL(n, (uint32_t)lim->nb_align);
	if (lim->nb_max != 0)
		n = RTE_MIN(n, (uint32_t)lim->nb_max);
	return (uint16_t)RTE_MAX(n, (uint32_t)lim->nb_min);
}

/* The same hash for both directions of a connection: the key repeats every 16 bits, so swapping
 * addresses and ports changes nothing (Woo and Park, "Scalable TCP session monitoring with
 * symmetric receive-side scaling"). */
static void choose_rss(const struct rte_eth_dev_info *info, struct eth_conf *c)
{
	uint64_t functions = info->flow_type_rss_offloads & RSS_WANTED;
	uint8_t size = info->hash_key_size != 0 ? info->hash_key_size : 40;

	if (c->n_rxq == 1 || functions == 0 || size > sizeof(c->rss_key))
		return;
	for (size_t i = 0; i < size; i++)
		c->rss_key[i] = (i & 1) == 0 ? 0x6d : 0x5a;
	c->dev.rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	c->dev.rx_adv_conf.rss_conf.rss_key = c->rss_key;
	c->dev.rx_adv_conf.rss_conf.rss_key_len = size;
	c->dev.rx_adv_conf.rss_conf.rss_hf = functions;
	c->dev.rxmode.offloads |= info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_RSS_HASH;
}

/* Pools by destination address; what has none goes to the first. */
static void choose_pools(uint16_t n_pools, struct eth_conf *c)
{
	struct rte_eth_vmdq_rx_conf *pools = &c->dev.rx_adv_conf.vmdq_rx_conf;

	c->dev.rxmode.mq_mode = RTE_ETH_MQ_RX_VMDQ_ONLY;
	pools->nb_queue_pools = (enum rte_eth_nb_pools)n_pools;
	pools->enable_default_pool = 1;
	pools->default_pool = 0;
	pools->rx_mode = RTE_ETH_VMDQ_ACCEPT_UNTAG | RTE_ETH_VMDQ_ACCEPT_HASH_MC |
			 RTE_ETH_VMDQ_ACCEPT_HASH_UC | RTE_ETH_VMDQ_ACCEPT_BROADCAST |
			 RTE_ETH_VMDQ_ACCEPT_MULTICAST;
}

static void choose_rx_offloads(const struct rte_eth_dev_info *info, const struct eth_wish *w,
			       struct eth_conf *c)
{
	c->frame = w->mtu + FRAME_EXTRA;
	if (is_driver(info, "net_af_xdp"))
		c->frame += AF_XDP_HEADROOM;
	c->single = false;
	if (c->frame > w->buffer) {
		if ((info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_SCATTER) != 0)
			c->dev.rxmode.offloads |= RTE_ETH_RX_OFFLOAD_SCATTER;
		else
			c->single = true;
	}
	if (w->offloads && checks_frames(info))
		c->dev.rxmode.offloads |= info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_CHECKSUM;
}

static void choose_tx_offloads(const struct rte_eth_dev_info *info, const struct eth_wish *w,
			       struct eth_conf *c)
{
	uint64_t wanted = RTE_ETH_TX_OFFLOAD_MULTI_SEGS, have;

	if (w->offloads)
		wanted |= RTE_ETH_TX_OFFLOAD_TCP_CKSUM | RTE_ETH_TX_OFFLOAD_UDP_CKSUM |
			  RTE_ETH_TX_OFFLOAD_SCTP_CKSUM;
	have = wanted & info->tx_offload_capa;
	/* Segments of an IPv4 frame need new header checksums (virtio and few others do without the
	 * word). */
	if ((have & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) != 0 &&
	    (have & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0 &&
	    (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0)
		have |= RTE_ETH_TX_OFFLOAD_TCP_TSO |
			(info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM);
	c->dev.txmode.offloads = have;
	c->tx_caps = ((have & RTE_ETH_TX_OFFLOAD_MULTI_SEGS) != 0 ? DP_TX_CHAIN : 0) |
		     ((have & RTE_ETH_TX_OFFLOAD_TCP_CKSUM) != 0 ? DP_TX_CSUM_TCP : 0) |
		     ((have & RTE_ETH_TX_OFFLOAD_UDP_CKSUM) != 0 ? DP_TX_CSUM_UDP : 0) |
		     ((have & RTE_ETH_TX_OFFLOAD_SCTP_CKSUM) != 0 ? DP_TX_CSUM_SCTP : 0) |
		     ((have & RTE_ETH_TX_OFFLOAD_TCP_TSO) != 0 ? DP_TX_TSO4 | DP_TX_TSO6 : 0);
}

/* Carries frames of any length and says 1514. */
static bool has_no_mtu(const struct rte_eth_dev_info *info)
{
	return is_driver(info, "net_af_packet");
}

/* The longest MTU that rte_eth_dev_configure() lets through. */
static uint16_t max_mtu(const struct rte_eth_dev_info *info)
{
	uint32_t extra = RTE_ETHER_HDR_LEN + RTE_ETHER_CRC_LEN, longest;

	if (info->max_mtu != UINT16_MAX && info->max_rx_pktlen > info->max_mtu)
		extra = info->max_rx_pktlen - info->max_mtu;
	longest = info->max_rx_pktlen > extra ? info->max_rx_pktlen - extra : 0;
	return (uint16_t)RTE_MIN(longest, (uint32_t)info->max_mtu);
}

int eth_conf_check_mtu(const struct rte_eth_dev_info *info, uint16_t mtu, struct err *err)
{
	uint16_t min = RTE_MAX(info->min_mtu, (uint16_t)ETH_MIN_MTU);
	uint16_t max = has_no_mtu(info) ? ETH_MAX_MTU : max_mtu(info);

	max = RTE_MIN(max, (uint16_t)ETH_MAX_MTU);
	if (mtu < min || mtu > max)
		return err_set(err, -EINVAL, "mtu-range", "mtu %u: the device takes %u to %u", mtu,
			       min, max);
	return 0;
}

int eth_conf_make(const struct rte_eth_dev_info *info, const struct eth_wish *wish,
		  struct eth_conf *ret, struct err *err)
{
	int rc;

	memset(ret, 0, sizeof(*ret));
	rc = choose_queues(info, wish, ret, err);
	if (rc == 0)
		rc = eth_conf_check_mtu(info, wish->mtu, err);
	if (rc != 0)
		return rc;
	ret->dev.rxmode.mtu = RTE_MIN(wish->mtu, max_mtu(info));
	ret->n_rx_desc =
		choose_desc(wish->n_desc, info->default_rxportconf.ring_size, &info->rx_desc_lim);
	ret->n_tx_desc =
		choose_desc(wish->n_desc, info->default_txportconf.ring_size, &info->tx_desc_lim);
	if (wish->n_pools != 0)
		choose_pools(wish->n_pools, ret);
	else
		choose_rss(info, ret);
	choose_rx_offloads(info, wish, ret);
	choose_tx_offloads(info, wish, ret);
	return 0;
}
