/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The driver of synthetic NICs; see nic.h.
 *
 * Receive queue i serves channels i, i + n_rxq, ...: a guest has as many channels as it likes to
 * spread over its processors, the switch as many queues as it had workers when the port was opened.
 * A queue is polled while its worker is awake, and the guest asked for signals before it sleeps;
 * all its channels' signals make one descriptor readable.
 */
#include "vmq/nic_priv.h"

#include "dataplane/dp.h"
#include "dataplane/watch.h"
#include "vmq/control.h"
#include "vmq/journal.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <rte_mbuf.h>

#define DEFAULT_MTU   1500
#define DEFAULT_SPEED 10000

/* ---- Workers ---- */

static uint16_t rx(struct dp_rxq *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct nic_rxq *rq = q->priv;
	struct vmq_nic *nic = rq->nic;
	uint16_t n_channels = atomic_load_explicit(&nic->n_channels, memory_order_relaxed);
	uint16_t got = 0, malformed = 0, at = rq->next;

	/* Each channel of this queue once, beginning with another one each time. */
	for (uint16_t i = q->index; i < n_channels && n - got >= VMQ_MAX_MESSAGES;
	     i = (uint16_t)(i + nic->n_rxq)) {
		struct vmq_queue *queue;

		if (at >= n_channels)
			at = q->index;
		queue = atomic_load_explicit(&nic->path.queues[at], memory_order_acquire);
		at = (uint16_t)(at + nic->n_rxq);
		if (queue != NULL)
			got = (uint16_t)(got + vmq_queue_from_guest(queue, q->pool, pkts + got,
								    (uint16_t)(n - got),
								    &malformed));
	}
	rq->next = at;
	if (unlikely(malformed != 0))
		dp_rx_malformed(q, malformed);
	return got;
}

static uint32_t arm(struct dp_rxq *q)
{
	struct nic_rxq *rq = q->priv;
	struct vmq_nic *nic = rq->nic;
	uint16_t n_channels = atomic_load_explicit(&nic->n_channels, memory_order_relaxed);
	struct epoll_event events[DP_MAX_QUEUES];
	uint32_t us = UINT32_MAX;

	/* Signals so far were for what has been looked at since. */
	if (q->ready) {
		(void)epoll_wait(rq->epoll_fd, events, DP_MAX_QUEUES, 0);
		q->ready = false;
	}
	for (uint16_t i = q->index; i < n_channels; i = (uint16_t)(i + nic->n_rxq)) {
		struct vmq_queue *queue =
			atomic_load_explicit(&nic->path.queues[i], memory_order_acquire);
		uint32_t latency;

		if (queue == NULL)
			continue;
		if (!vmq_queue_sleep(queue))
			return 0;
		latency = atomic_load_explicit(&nic->latency_us[i], memory_order_relaxed);
		if (latency != 0 && latency < us)
			us = latency;
	}
	return us;
}

static uint16_t tx(struct dp_txq *q, struct rte_mbuf **pkts, uint16_t n)
{
	struct vmq_nic *nic = q->priv;

	return vmq_path_to_guest(&nic->path, pkts, n, &q->refused);
}

/* ---- Control thread ---- */

static int check_opts(const struct dp_port_opts *opts, struct err *err)
{
	if (opts->socket == NULL || opts->socket[0] != '/')
		return err_set(err, -EINVAL, "attach-socket",
			       "a vmbus port needs the path of its attach socket");
	if (opts->n_queues > NETVSP_MAX_CHANNELS)
		return err_set(err, -EINVAL, "queues-range", "%u queues: at most %u",
			       opts->n_queues, NETVSP_MAX_CHANNELS);
	if (!opts->has_mac || !rte_is_valid_assigned_ether_addr(&opts->mac))
		return err_set(err, -EINVAL, "no-mac", "a vmbus port needs a unicast MAC address");
	return opts->mtu != 0 ? dp_mtu_check(opts->mtu, VMQ_MAX_MTU, err) : 0;
}

static void apply_mtu(struct dp_port *port, uint16_t mtu)
{
	port->mtu = mtu;
	atomic_store(&port->max_frame, (uint16_t)(mtu + RTE_ETHER_HDR_LEN));
}

static void tell_vsp(struct vmq_nic *nic)
{
	struct netvsp_conf *conf = &nic->vsp_conf;

	memcpy(conf->mac, nic->port->mac.addr_bytes, sizeof(conf->mac));
	conf->mtu = nic->port->mtu;
	conf->max_queues = nic->max_channels;
	conf->link_up = nic->conf.link_up;
	conf->mac_change = nic->conf.mac_change;
	conf->rsc = nic->conf.rsc;
	conf->speed_mbps = nic->conf.speed_mbps != 0 ? nic->conf.speed_mbps : DEFAULT_SPEED;
	snprintf(conf->name, sizeof(conf->name), "%.63s", nic->port->name);
	if (nic->vsp == NULL)
		return;
	netvsp_set_conf(nic->vsp, conf);
	if (nic->at.channels[0].queue != NULL) {
		(void)nic_rules_make(nic, netvsp_state(nic->vsp), false);
		vmq_mail_kick(nic->at.channels[0].queue);
	}
	nic_link_settle(nic);
}

static int make_rxqs(struct vmq_nic *nic)
{
	struct rte_mempool *pool =
		dp_pool(nic->port->dp, (uint32_t)nic->port->mtu + RTE_ETHER_HDR_LEN, false);

	if (pool == NULL || dp_port_alloc_queues(nic->port, nic->n_rxq, DP_MAX_QUEUES) != 0)
		return -ENOMEM;
	nic->port->rx_least = VMQ_MAX_MESSAGES;
	nic->rxqs = calloc(nic->n_rxq, sizeof(*nic->rxqs));
	if (nic->rxqs == NULL)
		return -ENOMEM;
	for (uint16_t i = 0; i < nic->n_rxq; i++)
		nic->rxqs[i] = (struct nic_rxq){.nic = nic, .epoll_fd = -1, .next = i};
	for (uint16_t i = 0; i < nic->n_rxq; i++) {
		nic->rxqs[i].epoll_fd = epoll_create1(EPOLL_CLOEXEC);
		if (nic->rxqs[i].epoll_fd < 0)
			return -errno;
		nic->port->rxq[i].priv = &nic->rxqs[i];
		nic->port->rxq[i].pool = pool;
		nic->port->rxq[i].wake_fd = nic->rxqs[i].epoll_fd;
		nic->port->rxq[i].arm = arm;
	}
	for (uint16_t i = 0; i < DP_MAX_QUEUES; i++)
		nic->port->txq[i].priv = nic;
	return 0;
}

static int make_control(struct vmq_nic *nic)
{
	nic->buf = malloc(VMBUS_ATTACH_MAX_SIZE);
	nic->control_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (nic->buf == NULL || nic->control_fd < 0)
		return -ENOMEM;
	nic->control_watch = dp_watch_add(nic->port->dp, nic->control_fd, nic_on_control, nic);
	nic->vsp = netvsp_create(&nic->vsp_conf, &nic_vsp_ops, nic);
	if (nic->control_watch == NULL || nic->vsp == NULL)
		return -ENOMEM;
	return nic_rules_clear(nic);
}

static void free_nic(struct vmq_nic *nic)
{
	nic_attach_close(nic);
	dp_watch_remove(nic->port->dp, nic->control_watch);
	if (nic->control_fd >= 0)
		close(nic->control_fd);
	for (uint16_t i = 0; nic->rxqs != NULL && i < nic->n_rxq; i++)
		if (nic->rxqs[i].epoll_fd >= 0)
			close(nic->rxqs[i].epoll_fd);
	netvsp_destroy(nic->vsp);
	free(nic->rules);
	free(nic->rxqs);
	free(nic->buf);
	free(nic);
}

static void nic_port_close(struct dp_port *port)
{
	struct vmq_nic *nic = port->priv;

	if (nic == NULL)
		return;
	free_nic(nic);
	port->priv = NULL;
}

static struct vmq_nic *new_nic(struct dp_port *port, const struct dp_port_opts *opts)
{
	unsigned n_workers = dp_n_workers(port->dp);
	struct vmq_nic *nic = aligned_alloc(64, RTE_ALIGN_CEIL(sizeof(*nic), 64));

	if (nic == NULL)
		return NULL;
	memset(nic, 0, sizeof(*nic));
	nic->port = port;
	nic->at.fd = nic->socket.fd = nic->control_fd = -1;
	LIST_INIT(&nic->at.gpadls);
	nic->conf.link_up = true;
	nic->vsp_conf.offloads = opts->offloads;
	nic->max_channels = opts->n_queues != 0 ? opts->n_queues : VMQ_DEFAULT_QUEUES;
	nic->n_rxq = (uint16_t)RTE_MIN(RTE_MAX(n_workers, 1u), nic->max_channels);
	return nic;
}

static int nic_port_open(struct dp_port *port, const struct dp_port_opts *opts, struct err *err)
{
	struct vmq_nic *nic;
	int rc;

	apply_mtu(port, opts->mtu != 0 ? opts->mtu : DEFAULT_MTU);
	port->mac = opts->mac;
	port->tx_caps = DP_TX_CHAIN;
	snprintf(port->driver, sizeof(port->driver), "vmbus");
	nic = new_nic(port, opts);
	if (nic == NULL)
		return err_set(err, -ENOMEM, "no-memory", "out of memory");
	tell_vsp(nic);
	rc = make_rxqs(nic);
	if (rc == 0)
		rc = make_control(nic);
	if (rc != 0)
		err_set(err, rc, "no-memory", "no memory for a NIC of %u queues", nic->n_rxq);
	else
		rc = nic_attach_listen(nic, opts->socket,
				       opts->has_group ? opts->group : UNIX_NO_GROUP, err);
	if (rc != 0) {
		free_nic(nic);
		return rc;
	}
	port->priv = nic;
	return 0;
}

static int set_mtu(struct dp_port *port, uint16_t mtu, struct err *err)
{
	int rc = dp_mtu_check(mtu, VMQ_MAX_MTU, err);

	if (rc != 0)
		return rc;
	apply_mtu(port, mtu);
	tell_vsp(port->priv); /* The guest learns of it when it starts its device anew. */
	return 0;
}

static int set_mac(struct dp_port *port, const struct rte_ether_addr *mac, struct err *err)
{
	if (!rte_is_valid_assigned_ether_addr(mac))
		return err_set(err, -EINVAL, "no-mac", "a vmbus port needs a unicast MAC address");
	port->mac = *mac;
	tell_vsp(port->priv);
	return 0;
}

static const char *why_down(const struct vmq_nic *nic)
{
	if (nic->at.fd < 0)
		return nic->reason[0] != '\0' ? nic->reason : "nobody has attached to it yet";
	if (atomic_load(&nic->at.lost))
		return "guest memory was taken away";
	if (!nic->conf.link_up)
		return "the link is set down";
	if (nic->at.channels[0].queue == NULL)
		return "the guest's driver has not opened it";
	return "the guest's driver is not up";
}

/* Channels at fault stay silent until the guest opens them anew; memory that is gone does not come
 * back. */
static void nic_link(struct dp_port *port, struct dp_link *ret_link)
{
	struct vmq_nic *nic = port->priv;

	if (nic->at.fd >= 0 && atomic_load(&nic->at.lost))
		nic_detach(nic, "guest memory was taken away");
	nic_subchannels_settle(nic);
	nic_debts_settle(nic);
	*ret_link = (struct dp_link){.up = atomic_load(&port->link_up),
				     .speed_mbps = nic->vsp_conf.speed_mbps,
				     .full_duplex = true};
	if (!ret_link->up)
		snprintf(ret_link->reason, sizeof(ret_link->reason), "%.95s", why_down(nic));
}

void vmq_nic_set(struct dp_port *port, const struct vmq_nic_conf *conf)
{
	struct vmq_nic *nic = port->priv;

	nic->conf = *conf;
	tell_vsp(nic);
}

bool vmq_nic_attached(const struct dp_port *port)
{
	const struct vmq_nic *nic = port->priv;

	return nic->at.fd >= 0;
}

void vmq_nic_withdraw(struct dp_port *port, bool again)
{
	struct vmbus_attach_msg msg = {.type = VMBUS_ATTACH_REMOVED};
	struct vmq_nic *nic = port->priv;

	msg.removed.again = again;
	if (nic->at.fd >= 0 && nic->at.greeted)
		nic_say(nic, &msg);
	nic_detach(nic, "the port was removed");
}

const struct dp_port_ops vmq_port_ops = {
	.kind = "vmbus",
	.check = check_opts,
	.open = nic_port_open,
	.close = nic_port_close,
	.set_mtu = set_mtu,
	.set_mac = set_mac,
	.link = nic_link,
	.show = nic_show,
	.rx = rx,
	.tx = tx,
};
