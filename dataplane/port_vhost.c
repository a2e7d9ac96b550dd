/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Ports to virtual machines over vhost-user: the guest's virtio-net rings are shared memory, and a
 * worker moves frames between them and mbufs.  The ring code is vring.h, the peer vhost_dev.c; here
 * is the port: queues, frames, link.
 *
 * Queues: the guest says how many pairs it uses and may change that at any time.  Receive queue i
 * of the port polls the guest's transmit rings i, i + n_rxq, ...; transmit queues (one for each
 * possible worker) share the guest's receive rings round robin.  Two workers may therefore meet at
 * a ring: its lock is theirs too.
 *
 * Why not net_vhost: at most 32 ports a process (RTE_MAX_ETHPORTS), no word on what a guest does
 * wrong, and requests for checksums lost on the way.
 */
#include "dataplane/vhost_priv.h"

#include "dataplane/dp.h"
#include "dataplane/drop.h"
#include "dataplane/vhost_path.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <linux/virtio_config.h>
#include <linux/virtio_net.h>

#include <rte_arp.h>
#include <rte_mbuf.h>

#define DEFAULT_MTU 1500
#define MAX_MTU	    65521 /* with header and tags a frame's length fits 16 bits */

/* ---- Workers ---- */

static uint16_t ring_rx(struct dp_rxq *q, struct vhost_ring *vr, struct rte_mbuf **pkts, uint16_t n)
{
	struct dp_vring *r = &vr->ring;
	uint16_t malformed = 0, got = 0;

	/* Somebody else holds it: the peer changes something, look again at the next poll. */
	if (rte_spinlock_trylock(&r->lock) == 0)
		return 0;
	if (likely(r->live))
		got = dp_vring_dequeue(r, q->pool, pkts, n, &malformed);
	rte_spinlock_unlock(&r->lock);
	if (unlikely(malformed > 0))
		dp_rx_malformed(q, malformed);
	return got;
}

/* Speaks for a guest that arrived by migration and cannot announce itself. */
static uint16_t announce(struct dp_rxq *q, struct vhost_rxq *vq, struct rte_mbuf **pkts)
{
	struct rte_ether_addr mac;

	/* The mutex is held for moments only; if it is, the next poll does it. */
	if (pthread_mutex_trylock(&vq->port->mutex) != 0)
		return 0;
	mac = vq->port->announce_mac;
	atomic_store(&vq->announce, false);
	pthread_mutex_unlock(&vq->port->mutex);
	pkts[0] = rte_net_make_rarp_packet(q->pool, &mac);
	return pkts[0] != NULL ? 1 : 0;
}

static __attribute__((noinline)) uint16_t rx_slow(struct dp_rxq *q, struct vhost_rxq *vq,
						  struct rte_mbuf **pkts, uint16_t n)
{
	uint16_t got = 0, n_rings = atomic_load_explicit(&vq->n, memory_order_relaxed);

	if (atomic_load_explicit(&vq->announce, memory_order_relaxed))
		got = announce(q, vq, pkts);
	for (uint16_t i = 0; i < n_rings && got < n; i++) {
		uint16_t k = (uint16_t)((vq->next + i) % n_rings);

		got += ring_rx(q, atomic_load_explicit(&vq->rings[k], memory_order_relaxed),
			       pkts + got, n - got);
	}
	vq->next = (uint16_t)((vq->next + 1u) % RTE_MAX(n_rings, 1));
	return got;
}

static uint16_t vhost_rx(struct dp_rxq *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct vhost_rxq *vq = q->priv;

	if (unlikely(atomic_load_explicit(&vq->n, memory_order_relaxed) != 1 ||
		     atomic_load_explicit(&vq->announce, memory_order_relaxed)))
		return rx_slow(q, vq, pkts, n);
	return ring_rx(q, atomic_load_explicit(&vq->rings[0], memory_order_relaxed), pkts, n);
}

static uint16_t vhost_tx(struct dp_txq *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct vhost_txq *vq = q->priv;
	struct vhost_ring *vr = atomic_load_explicit(&vq->ring, memory_order_relaxed);
	uint16_t sent = 0, too_big = 0;

	if (unlikely(vr == NULL))
		return 0;
	rte_spinlock_lock(&vr->ring.lock);
	if (likely(vr->ring.live))
		sent = dp_vring_enqueue(&vr->ring, pkts, n, &too_big);
	rte_spinlock_unlock(&vr->ring.lock);
	rte_pktmbuf_free_bulk(pkts, sent);
	if (unlikely(too_big > 0) && sent + too_big == n)
		q->refused = DP_DROP_TX_TOO_BIG;
	return sent;
}

/* ---- Control thread ---- */

static void vhost_close(struct dp_port *port)
{
	struct vhost_port *vp = port->priv;

	if (vp == NULL)
		return;
	vhost_dev_stop(vp);
	for (unsigned i = 0; i < VHOST_MAX_RINGS; i++)
		free(vp->rings[i]);
	for (uint16_t i = 0; vp->rxq != NULL && i < port->n_rxq; i++)
		free(vp->rxq[i]);
	free(vp->rxq);
	free(vp->txq);
	free(vp->vmem);
	pthread_mutex_destroy(&vp->mutex);
	free(vp);
	port->priv = NULL;
}

static struct vhost_rxq *rxq_make(struct vhost_port *vp, uint16_t n_rxq)
{
	size_t n = (VHOST_MAX_PAIRS + n_rxq - 1u) / n_rxq;
	size_t size = sizeof(struct vhost_rxq) + n * sizeof(struct vhost_ring *);
	struct vhost_rxq *vq = aligned_alloc(64, RTE_ALIGN_CEIL(size, 64));

	if (vq == NULL)
		return NULL;
	memset(vq, 0, size);
	vq->port = vp;
	return vq;
}

static int make_queues(struct dp_port *port, struct vhost_port *vp, uint16_t n_rxq)
{
	struct rte_mempool *pool =
		dp_pool(port->dp, (uint32_t)port->mtu + RTE_ETHER_HDR_LEN, false);

	if (pool == NULL || dp_port_alloc_queues(port, n_rxq, DP_MAX_QUEUES) != 0)
		return -ENOMEM;
	vp->rxq = calloc(n_rxq, sizeof(struct vhost_rxq *));
	vp->txq = calloc(DP_MAX_QUEUES, sizeof(*vp->txq));
	if (vp->rxq == NULL || vp->txq == NULL)
		return -ENOMEM;
	for (uint16_t i = 0; i < n_rxq; i++) {
		vp->rxq[i] = rxq_make(vp, n_rxq);
		if (vp->rxq[i] == NULL)
			return -ENOMEM;
		port->rxq[i].priv = vp->rxq[i];
		port->rxq[i].pool = pool;
	}
	for (uint16_t i = 0; i < DP_MAX_QUEUES; i++)
		port->txq[i].priv = &vp->txq[i];
	return 0;
}

static void apply_mtu(struct dp_port *port, uint16_t mtu)
{
	port->mtu = mtu;
	atomic_store(&port->max_frame, (uint16_t)(mtu + RTE_ETHER_HDR_LEN));
}

static void free_unstarted(struct dp_port *port, struct vhost_port *vp, uint16_t n_rxq)
{
	for (uint16_t i = 0; vp->rxq != NULL && i < n_rxq; i++)
		free(vp->rxq[i]);
	free(vp->rxq);
	free(vp->txq);
	pthread_mutex_destroy(&vp->mutex);
	free(vp);
	port->priv = NULL;
}

static int vhost_check(const struct dp_port_opts *opts, struct err *err)
{
	if (opts->mtu != 0 && dp_mtu_check(opts->mtu, MAX_MTU, err) != 0)
		return -EINVAL;
	return dp_vhost_path_check(opts->socket, opts->server, err);
}

static int vhost_open(struct dp_port *port, const struct dp_port_opts *opts, struct err *err)
{
	uint16_t n_rxq = opts->n_queues != 0 ? opts->n_queues
					     : (uint16_t)RTE_MAX(1u, dp_n_workers(port->dp));
	struct vhost_port *vp;
	int rc = dp_vhost_path_prepare(opts->socket, opts->server, err);

	if (rc != 0)
		return rc;
	vp = calloc(1, sizeof(*vp));
	if (vp == NULL)
		return err_set(err, -ENOMEM, "no-memory", "out of memory");
	vp->dp_port = port;
	vp->vid = -1;
	vp->server = opts->server;
	vp->offloads = opts->offloads;
	strncpy(vp->path, opts->socket, sizeof(vp->path) - 1);
	pthread_mutex_init(&vp->mutex, NULL);
	apply_mtu(port, opts->mtu != 0 ? opts->mtu : DEFAULT_MTU);
	port->mac = opts->has_mac ? opts->mac : (struct rte_ether_addr){{0}};
	port->tx_caps = DP_TX_CHAIN;
	port->priv = vp;
	strncpy(port->driver, "vhost", sizeof(port->driver) - 1);
	n_rxq = RTE_MIN(n_rxq, (uint16_t)DP_MAX_QUEUES);
	rc = make_queues(port, vp, n_rxq);
	if (rc != 0)
		err_set(err, rc, "no-memory", "no memory for %u queues", n_rxq);
	else
		rc = vhost_dev_start(vp, err);
	if (rc != 0)
		free_unstarted(port, vp, n_rxq);
	return rc;
}

static int vhost_set_mtu(struct dp_port *port, uint16_t mtu, struct err *err)
{
	int rc = dp_mtu_check(mtu, MAX_MTU, err);

	if (rc == 0)
		apply_mtu(port, mtu); /* The guest's own MTU is the guest's. */
	return rc;
}

static int vhost_set_mac(struct dp_port *port, const struct rte_ether_addr *mac, struct err *err)
{
	port->mac = *mac; /* What the switch expects; a guest's address is set by who starts it. */
	return 0;
}

static void say_why_down(const struct vhost_port *vp, char *to, size_t size)
{
	if (vp->fault == DP_VRING_LOST)
		snprintf(to, size, "the peer's memory file was cut short while in use");
	else if (vp->fault != DP_VRING_NONE)
		snprintf(to, size, "ring %u of the peer: %s", vp->fault_ring,
			 dp_vring_fault_text((enum dp_vring_fault)vp->fault));
	else if (vp->memory_lies)
		snprintf(to, size, "the peer's memory file is shorter than it says");
	else if (vp->n_unoffered >= VHOST_MAX_UNOFFERED)
		snprintf(to, size, "requests that were not offered: add the port anew");
	else if (vp->running)
		snprintf(to, size, "the guest has no enabled queue pair 0");
	else if (vp->vid >= 0)
		snprintf(to, size, "the guest's driver is not up");
	else if (vp->server)
		snprintf(to, size, "no peer has connected%s",
			 vp->n_connects > 0 ? " again since the last one left" : " yet");
	else
		snprintf(to, size, "no peer: %s", dp_vhost_path_why_no_peer(vp->path));
}

static void vhost_link(struct dp_port *port, struct dp_link *ret_link)
{
	struct vhost_port *vp = port->priv;

	vhost_dev_check(vp);
	*ret_link = (struct dp_link){.up = atomic_load(&port->link_up), .full_duplex = true};
	if (ret_link->up)
		return;
	pthread_mutex_lock(&vp->mutex);
	say_why_down(vp, ret_link->reason, sizeof(ret_link->reason));
	pthread_mutex_unlock(&vp->mutex);
}

static json_t *show_ring(const struct vhost_ring *vr)
{
	const struct dp_vring *r = &vr->ring;

	return json_pack("{si ss si sb sb sb sI sI ss}", "ring", vr->index, "direction",
			 vr->index % 2 == 0 ? "to-guest" : "from-guest", "size", r->size, "enabled",
			 vr->enabled, "live", r->live, "packed", r->packed, "signals",
			 (json_int_t)r->signals, "malformed", (json_int_t)r->malformed, "fault",
			 dp_vring_fault_text((enum dp_vring_fault)r->fault));
}

static json_t *show_features(uint64_t features)
{
	static const struct {
		unsigned bit;
		const char *name;
	} names[] = {
		{VIRTIO_F_VERSION_1, "virtio-1"},
		{VIRTIO_F_RING_PACKED, "packed-ring"},
		{VIRTIO_F_IN_ORDER, "in-order"},
		{VIRTIO_RING_F_EVENT_IDX, "event-index"},
		{VIRTIO_RING_F_INDIRECT_DESC, "indirect"},
		{VIRTIO_NET_F_MQ, "multi-queue"},
		{VIRTIO_NET_F_MRG_RXBUF, "mergeable-buffers"},
		{VIRTIO_NET_F_CSUM, "checksum-from-guest"},
		{VIRTIO_NET_F_HOST_TSO4, "tso4-from-guest"},
		{VIRTIO_NET_F_HOST_TSO6, "tso6-from-guest"},
		{VIRTIO_NET_F_GUEST_CSUM, "checksum-to-guest"},
		{VIRTIO_NET_F_GUEST_TSO4, "tso4-to-guest"},
		{VIRTIO_NET_F_GUEST_TSO6, "tso6-to-guest"},
	};
	json_t *list = json_array();

	for (size_t i = 0; i < RTE_DIM(names); i++)
		if ((features >> names[i].bit & 1) != 0)
			json_array_append_new(list, json_string(names[i].name));
	return list;
}

static json_t *vhost_show(struct dp_port *port)
{
	struct vhost_port *vp = port->priv;
	json_t *rings = json_array(), *o;

	pthread_mutex_lock(&vp->mutex);
	for (unsigned i = 0; i < VHOST_MAX_RINGS; i++)
		if (vp->rings[i] != NULL)
			json_array_append_new(rings, show_ring(vp->rings[i]));
	o = json_pack("{ss ss ss sb sb si si si si so so}", "driver", "vhost", "socket", vp->path,
		      "mode", vp->server ? "server" : "client", "connected", vp->vid >= 0,
		      "running", vp->running, "connections", (int)vp->n_connects, "faults",
		      (int)vp->n_faults, "unoffered", (int)vp->n_unoffered, "guest_mtu",
		      vp->guest_mtu, "features", show_features(vp->running ? vp->features : 0),
		      "rings", rings);
	pthread_mutex_unlock(&vp->mutex);
	return o;
}

const struct dp_port_ops dp_port_vhost_ops = {
	.kind = "vhost",
	.check = vhost_check,
	.open = vhost_open,
	.close = vhost_close,
	.set_mtu = vhost_set_mtu,
	.set_mac = vhost_set_mac,
	.link = vhost_link,
	.show = vhost_show,
	.rx = vhost_rx,
	.tx = vhost_tx,
};
