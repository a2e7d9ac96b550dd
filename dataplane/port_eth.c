/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ports on DPDK devices: NICs by PCI address, and DPDK's software devices (pcap,
 * virtio-user, null).
 *
 * 	eth_devargs.c  what a string names       eth_conf.c  queues, RSS, offloads from what the
 * device can do eth_probe.c    devices come and go       eth_pci.c   why a NIC cannot be had
 *
 * A device that must stop for a change (MTU) or that vanished (hot unplug, interface deleted) is
 * taken from the workers first: its queues are marked off, and after a grace period nobody is
 * inside DPDK with it.
 *
 * Threads: control thread, but for rx and tx (workers) and device_event() (DPDK's interrupt
 * thread).
 */
#include "dataplane/eth_priv.h"

#include "dataplane/csum.h"
#include "dataplane/dp.h"
#include "dataplane/dpdk_log.h"
#include "dataplane/drop.h"
#include "dataplane/eth_probe.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_dev.h>
#include <rte_ip.h>
#include <rte_malloc.h>
#include <rte_mempool.h>

#define REQUESTS (RTE_MBUF_F_TX_L4_MASK | RTE_MBUF_F_TX_TCP_SEG)

/* ---- Workers ---- */

/* A device with VMDq pools gives each of them a copy of a group frame; one is enough. */
static uint16_t without_copies(struct eth_queue *eq, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t kept = 0;

	for (uint16_t i = 0; i < n; i++) {
		const uint8_t *to = rte_pktmbuf_mtod(pkts[i], const uint8_t *);

		if (pkts[i]->data_len < RTE_ETHER_ADDR_LEN || (to[0] & 1) == 0)
			pkts[kept++] = pkts[i];
		else
			rte_pktmbuf_free(pkts[i]);
	}
	if (kept != n)
		atomic_store_explicit(&eq->n_copies,
				      atomic_load_explicit(&eq->n_copies, memory_order_relaxed) +
					      (uint64_t)(n - kept),
				      memory_order_relaxed);
	return kept;
}

static uint16_t eth_rx(struct dp_rxq *q, struct rte_mbuf **pkts, uint16_t n)
{
	const struct eth_queue *eq = q->priv;

	if (unlikely(atomic_load_explicit(&eq->off, memory_order_relaxed)))
		return 0;
	n = rte_eth_rx_burst(eq->port_id, eq->queue, pkts, n);
	if (unlikely(atomic_load_explicit(&eq->copies, memory_order_relaxed)))
		return without_copies(q->priv, pkts, n);
	return n;
}

static uint16_t eth_tx(struct dp_txq *q, struct rte_mbuf **pkts, uint16_t n)
{
	const struct eth_queue *eq = q->priv;

	if (unlikely(atomic_load_explicit(&eq->off, memory_order_relaxed)))
		return 0;
	return rte_eth_tx_burst(eq->port_id, eq->queue, pkts, n);
}

/* Segmentation of IPv4 writes to the header, which others may be sending, too. */
static void own_header(const struct eth_queue *eq, struct rte_mbuf **m)
{
	struct rte_mbuf *copy;

	if (RTE_MBUF_DIRECT(*m) && rte_mbuf_refcnt_read(*m) == 1)
		return;
	copy = rte_pktmbuf_copy(*m, eq->pool, 0, UINT32_MAX);
	if (copy == NULL)
		return; /* The header may be rewritten under others: they sum it anew. */
	copy->port = (*m)->port;
	rte_pktmbuf_free(*m);
	*m = copy;
}

static void request_prepare(const struct eth_queue *eq, struct rte_mbuf **m)
{
	if (((*m)->ol_flags & RTE_MBUF_F_TX_TCP_SEG) == 0)
		return;
	own_header(eq, m);
	if (((*m)->ol_flags & RTE_MBUF_F_TX_IPV4) != 0)
		(*m)->ol_flags |= RTE_MBUF_F_TX_IP_CKSUM; /* of each segment */
}

/* Has the driver check and complete the requests.  Frames it cannot do go behind the others.
 * Returns how many can be sent. */
static uint16_t prepare(const struct eth_queue *eq, struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t ready = 0;

	for (uint16_t i = 0; i < n; i++)
		request_prepare(eq, &pkts[i]);
	while (ready < n) {
		struct rte_mbuf *bad;

		ready += rte_eth_tx_prepare(eq->port_id, eq->queue, pkts + ready, n - ready);
		if (ready == n)
			break;
		bad = pkts[ready];
		memmove(pkts + ready, pkts + ready + 1, (n - ready - 1u) * sizeof(*pkts));
		pkts[--n] = bad;
	}
	return ready;
}

static uint16_t eth_tx_requests(struct dp_txq *q, struct rte_mbuf **pkts, uint16_t n)
{
	const struct eth_queue *eq = q->priv;
	uint16_t ready = n, sent;
	uint64_t flags = 0;

	if (unlikely(atomic_load_explicit(&eq->off, memory_order_relaxed)))
		return 0;
	for (uint16_t i = 0; i < n; i++)
		flags |= pkts[i]->ol_flags;
	if ((flags & REQUESTS) != 0)
		ready = prepare(eq, pkts, n);
	sent = rte_eth_tx_burst(eq->port_id, eq->queue, pkts, ready);
	if (unlikely(ready < n) && sent == ready)
		q->refused = DP_DROP_TX_OFFLOAD;
	return sent;
}

/* ---- Control thread ---- */

static void set_off(struct eth_port *ep, bool off)
{
	for (uint16_t i = 0; i < ep->port->n_rxq; i++)
		atomic_store(&ep->rxq[i].off, off);
	for (uint16_t i = 0; i < ep->port->n_txq; i++)
		atomic_store(&ep->txq[i].off, off);
}

/* DPDK says that the device went away.  Its interrupt thread. */
static int device_event(uint16_t port_id, enum rte_eth_event_type type, void *arg, void *unused)
{
	struct eth_port *ep = arg;

	atomic_store(&ep->gone, true);
	set_off(ep, true);
	atomic_store(&ep->port->link_up, false);
	return 0;
}

static void hot_unplug_event(const char *name, enum rte_dev_event_type type, void *arg)
{
	if (type == RTE_DEV_EVENT_REMOVE)
		device_event(0, RTE_ETH_EVENT_INTR_RMV, arg, NULL);
}

static void watch(struct eth_port *ep)
{
	rte_eth_dev_callback_register(ep->port_id, RTE_ETH_EVENT_INTR_RMV, device_event, ep);
	if (ep->devargs.bus != ETH_BUS_PCI)
		return;
	/* Without these a worker that touches an unplugged NIC dies of SIGBUS. */
	if (rte_dev_event_monitor_start() == 0)
		rte_dev_hotplug_handle_enable();
	rte_dev_event_callback_register(ep->devargs.name, hot_unplug_event, ep);
}

static void unwatch(struct eth_port *ep)
{
	rte_eth_dev_callback_unregister(ep->port_id, RTE_ETH_EVENT_INTR_RMV, device_event, ep);
	if (ep->devargs.bus == ETH_BUS_PCI)
		rte_dev_event_callback_unregister(ep->devargs.name, hot_unplug_event, ep);
}

static int refused(const struct eth_port *ep, int rc, const char *what, struct err *err)
{
	return err_set(err, rc, "device-refused", "device '%s' refuses %s: %s", ep->devargs.name,
		       what, rte_strerror(-rc));
}

static struct rte_mempool *rx_pool(struct eth_port *ep, struct err *err)
{
	struct rte_mempool *pool;

	pool = dp_pool(ep->port->dp, ep->conf.frame, ep->conf.single);
	if (pool == NULL)
		err_set(err, -ENOMEM, "no-memory", "no packet buffers of %u bytes", ep->conf.frame);
	return pool;
}

static int setup_queues(struct eth_port *ep, struct err *err)
{
	struct rte_mempool *pool = rx_pool(ep, err), *copies = dp_pool(ep->port->dp, 0, false);
	int socket = rte_eth_dev_socket_id(ep->port_id), rc;

	if (pool == NULL)
		return -ENOMEM;
	if (copies == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no packet buffers");
	for (uint16_t i = 0; i < ep->conf.n_rxq; i++) {
		rc = rte_eth_rx_queue_setup(ep->port_id, i, ep->conf.n_rx_desc, (unsigned)socket,
					    NULL, pool);
		if (rc != 0)
			return refused(ep, rc, "to set up a receive queue", err);
		ep->port->rxq[i].pool = pool;
	}
	for (uint16_t i = 0; i < ep->conf.n_txq; i++) {
		rc = rte_eth_tx_queue_setup(ep->port_id, i, ep->conf.n_tx_desc, (unsigned)socket,
					    NULL);
		if (rc != 0)
			return refused(ep, rc, "to set up a transmit queue", err);
		ep->txq[i].pool = copies;
	}
	return 0;
}

static int configure(struct eth_port *ep, struct err *err)
{
	struct eth_conf *c = &ep->conf;
	int rc = rte_eth_dev_configure(ep->port_id, c->n_rxq, c->n_txq, &c->dev);

	if (rc != 0)
		return refused(ep, rc, "its configuration", err);
	rc = rte_eth_dev_adjust_nb_rx_tx_desc(ep->port_id, &c->n_rx_desc, &c->n_tx_desc);
	if (rc != 0)
		return refused(ep, rc, "the ring size", err);
	rc = setup_queues(ep, err);
	if (rc != 0)
		return rc;
	ep->port->tx_caps = c->tx_caps;
	ep->port->tx = (c->tx_caps & ~DP_TX_CHAIN) != 0 ? eth_tx_requests : eth_tx;
	return 0;
}

static int start(struct eth_port *ep, struct err *err)
{
	int rc = rte_eth_dev_start(ep->port_id);

	if (rc != 0)
		return refused(ep, rc, "to start", err);
	ep->started = true;
	rc = rte_eth_promiscuous_enable(ep->port_id);
	if (rc != 0 && rc != -ENOTSUP)
		snprintf(ep->port->note, sizeof(ep->port->note),
			 "the device refuses promiscuous mode: %s", rte_strerror(-rc));
	if (ep->steering != NULL)
		ep->steering->after_start(ep);
	return 0;
}

/* Configures and starts.  The queues of the port exist and stay. */
static int device_start(struct eth_port *ep, struct err *err)
{
	char reason[200];
	int rc;

	dpdk_log_record();
	rc = configure(ep, err);
	if (rc == 0)
		rc = start(ep, err);
	dpdk_log_end(reason, sizeof(reason));
	if (rc != 0 && err != NULL && err->why[0] == '\0')
		err_why(err, "%s", reason);
	set_off(ep, !ep->started || atomic_load(&ep->gone));
	return rc;
}

/* No worker is inside. */
static void device_stop(struct eth_port *ep)
{
	if (ep->started && ep->steering != NULL && ep->steering->before_stop != NULL)
		ep->steering->before_stop(ep);
	if (ep->started)
		rte_eth_dev_stop(ep->port_id);
	ep->started = false;
	ep->generation++;
}

static int alloc_queues(struct eth_port *ep, struct err *err)
{
	struct dp_port *port = ep->port;

	ep->rxq = aligned_alloc(64, ep->conf.n_rxq * sizeof(*ep->rxq));
	ep->txq = aligned_alloc(64, ep->conf.n_txq * sizeof(*ep->txq));
	if (ep->rxq == NULL || ep->txq == NULL ||
	    dp_port_alloc_queues(port, ep->conf.n_rxq, ep->conf.n_txq) != 0)
		return err_set(err, -ENOMEM, "no-memory", "no memory for %u queues",
			       ep->conf.n_rxq);
	port->rx_least = 4; /* vector drivers give whole vectors or nothing */
	for (uint16_t i = 0; i < ep->conf.n_rxq; i++) {
		ep->rxq[i] = (struct eth_queue){.port_id = ep->port_id, .queue = i};
		port->rxq[i].priv = &ep->rxq[i];
	}
	for (uint16_t i = 0; i < ep->conf.n_txq; i++) {
		ep->txq[i] = (struct eth_queue){.port_id = ep->port_id, .queue = i};
		port->txq[i].priv = &ep->txq[i];
	}
	return 0;
}

static void apply_mtu(struct eth_port *ep, uint16_t mtu)
{
	ep->wish.mtu = mtu;
	ep->port->mtu = mtu;
	atomic_store(&ep->port->max_frame, (uint16_t)(mtu + RTE_ETHER_HDR_LEN));
}

static uint32_t buffer_size(struct dp *dp)
{
	const struct rte_mempool *pool = dp_pool(dp, 0, false);

	return rte_pktmbuf_data_room_size((struct rte_mempool *)(uintptr_t)pool) -
	       RTE_PKTMBUF_HEADROOM;
}

static int set_mac(struct eth_port *ep, const struct rte_ether_addr *mac, struct err *err)
{
	struct rte_ether_addr copy = *mac;
	int rc;

	if (!rte_is_valid_assigned_ether_addr(mac))
		return err_set(err, -EINVAL, "bad-mac",
			       "a port's address cannot be a group address or zero");
	rc = rte_eth_dev_default_mac_addr_set(ep->port_id, &copy);
	if (rc != 0)
		return refused(ep, rc, "to change its address", err);
	ep->port->mac = *mac;
	return 0;
}

/* Everything after the device is there. */
static int bring_up(struct eth_port *ep, const struct dp_port_opts *opts, struct err *err)
{
	struct dp_port *port = ep->port;
	int rc = rte_eth_dev_info_get(ep->port_id, &ep->info);

	if (rc != 0)
		return refused(ep, rc, "to describe itself", err);
	ep->wish.mtu = ep->wish.mtu != 0 ? ep->wish.mtu : RTE_ETHER_MTU;
	rc = eth_conf_make(&ep->info, &ep->wish, &ep->conf, err);
	if (rc == 0)
		rc = alloc_queues(ep, err);
	if (rc == 0)
		rc = device_start(ep, err);
	if (rc == 0)
		rte_eth_macaddr_get(ep->port_id, &port->own_mac);
	if (rc == 0 && opts->has_mac)
		rc = set_mac(ep, &opts->mac, err);
	if (rc != 0)
		return rc;
	rte_eth_macaddr_get(ep->port_id, &port->mac);
	snprintf(port->driver, sizeof(port->driver), "%s", ep->info.driver_name);
	apply_mtu(ep, ep->wish.mtu);
	watch(ep);
	return 0;
}

static void port_free(struct eth_port *ep)
{
	free(ep->rxq);
	free(ep->txq);
	ep->port->priv = NULL;
	free(ep);
}

static int eth_check(const struct dp_port_opts *opts, struct err *err)
{
	struct eth_devargs devargs;
	int rc = eth_devargs_parse(opts->devargs, &devargs, err);

	return rc != 0 ? rc : eth_probe_check(&devargs, err);
}

static int eth_open(struct dp_port *port, const struct dp_port_opts *opts, struct err *err)
{
	struct eth_port *ep = calloc(1, sizeof(*ep));
	int rc;

	if (ep == NULL)
		return err_set(err, -ENOMEM, "no-memory", "out of memory");
	ep->port = port;
	ep->wish = (struct eth_wish){.n_queues = opts->n_queues,
				     .n_desc = opts->n_desc,
				     .mtu = opts->mtu,
				     .offloads = opts->offloads,
				     .n_workers = (uint16_t)dp_n_workers(port->dp),
				     .n_cpus = (uint16_t)sysconf(_SC_NPROCESSORS_ONLN),
				     .buffer = buffer_size(port->dp)};
	port->priv = ep;
	rc = eth_devargs_parse(opts->devargs, &ep->devargs, err);
	if (rc == 0)
		rc = eth_probe(&ep->devargs, &ep->port_id, err);
	if (rc != 0) {
		port_free(ep);
		return rc;
	}
	rc = bring_up(ep, opts, err);
	if (rc != 0) {
		device_stop(ep);
		eth_remove(ep->port_id);
		port_free(ep);
	}
	return rc;
}

static void eth_close(struct dp_port *port)
{
	struct eth_port *ep = port->priv;

	if (ep == NULL)
		return;
	unwatch(ep);
	device_stop(ep);
	eth_remove(ep->port_id);
	port_free(ep);
}

/* Nobody is inside DPDK with this device after it. */
static void take_from_workers(struct eth_port *ep)
{
	set_off(ep, true);
	dp_synchronize(ep->port->dp);
}

int eth_restart(struct eth_port *ep, const struct eth_wish *next, struct err *err)
{
	struct eth_wish old = ep->wish;
	int rc;

	take_from_workers(ep);
	device_stop(ep);
	rc = eth_conf_make(&ep->info, next, &ep->conf, err);
	if (rc == 0)
		rc = device_start(ep, err);
	if (rc != 0) {
		eth_conf_make(&ep->info, &old, &ep->conf, NULL);
		if (device_start(ep, NULL) != 0)
			return rc; /* It stays off: link() says that the device does not start. */
	}
	return rc;
}

static int eth_set_mtu(struct dp_port *port, uint16_t mtu, struct err *err)
{
	struct eth_port *ep = port->priv;
	struct eth_wish next = ep->wish;
	struct eth_conf conf;
	int rc = eth_conf_check_mtu(&ep->info, mtu, err);

	next.mtu = mtu;
	/* As many queues as there are, whatever has become of the number of workers. */
	next.n_queues = ep->conf.n_rxq;
	next.n_cpus = ep->conf.n_txq;
	if (rc == 0)
		rc = eth_conf_make(&ep->info, &next, &conf, err);
	if (rc != 0)
		return rc;
	if (conf.single == ep->conf.single &&
	    conf.dev.rxmode.offloads == ep->conf.dev.rxmode.offloads &&
	    (!conf.single || conf.frame <= ep->conf.frame)) {
		rc = rte_eth_dev_set_mtu(ep->port_id, conf.dev.rxmode.mtu);
		if (rc == 0 || rc == -ENOTSUP) {
			apply_mtu(ep, mtu);
			return 0;
		}
	}
	rc = eth_restart(ep, &next, err);
	if (rc == 0)
		apply_mtu(ep, mtu);
	return rc;
}

static int eth_set_mac(struct dp_port *port, const struct rte_ether_addr *mac, struct err *err)
{
	return set_mac(port->priv, mac, err);
}

static void eth_link(struct dp_port *port, struct dp_link *ret_link)
{
	struct eth_port *ep = port->priv;
	struct rte_eth_link link = {0};

	*ret_link = (struct dp_link){0};
	if (!atomic_load(&ep->gone) && ep->started) {
		if (rte_eth_link_get_nowait(ep->port_id, &link) != 0)
			link = (struct rte_eth_link){0};
		ret_link->up = link.link_status == RTE_ETH_LINK_UP;
	}
	if (atomic_load(&ep->gone))
		snprintf(ret_link->reason, sizeof(ret_link->reason), "the device was removed");
	else if (!ep->started)
		snprintf(ret_link->reason, sizeof(ret_link->reason), "the device does not start");
	else if (!ret_link->up && ret_link->reason[0] == '\0')
		snprintf(ret_link->reason, sizeof(ret_link->reason), "no carrier");
	atomic_store(&port->link_up, ret_link->up);
	ret_link->full_duplex = link.link_duplex == RTE_ETH_LINK_FULL_DUPLEX;
	if (ret_link->up && link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN)
		ret_link->speed_mbps = link.link_speed;
}

const struct dp_port_ops dp_port_eth_ops = {
	.kind = "eth",
	.check = eth_check,
	.open = eth_open,
	.close = eth_close,
	.set_mtu = eth_set_mtu,
	.set_mac = eth_set_mac,
	.link = eth_link,
	.show = eth_show,
	.steer = eth_steer,
	.rx = eth_rx,
	.tx = eth_tx,
};
