/* SPDX-License-Identifier: BSD-2-Clause
 *
 * sFlow: samples that workers took, and ports' counters in their time, into datagrams.  See
 * flowrecs.h.
 */
#include "vswitch/flowrecs_priv.h"

#include "ctl/base/clock.h"

#include <netinet/in.h>
#include <string.h>

#define SAMPLES_AT_ONCE 2000u
#define PORTS_AT_ONCE	64u
#define UNKNOWN		0xffffffffu

static void close_datagram(struct exporter *x)
{
	size_t size = x->datagram_open ? sflow_end(&x->datagram) : 0;

	x->datagram_open = false;
	if (size == 0)
		return;
	if (flowrec_send(x, x->datagram.bytes, size) == 0)
		x->counts.lost += x->datagram.n;
	x->sequence++;
}

static void open_datagram(struct exporter *x)
{
	if (x->datagram_open)
		return;
	sflow_begin(&x->datagram, &x->agent, x->sequence,
		    (uint32_t)((clock_mono_ns() - x->created_ns) / 1000000u));
	x->datagram_open = true;
}

/* The first collector's view of us, when nobody said what we are called. */
static void look_for_agent(struct exporter *x)
{
	struct sockaddr_storage address;
	const struct sockaddr_in *v4 = (const void *)&address;
	const struct sockaddr_in6 *v6 = (const void *)&address;

	if (x->agent_given || x->n_sessions == 0 ||
	    !vs_collector_local(x->sessions[0]->collector, &address))
		return;
	x->agent.family = address.ss_family == AF_INET6 ? 6 : 4;
	if (address.ss_family == AF_INET6)
		memcpy(x->agent.address, &v6->sin6_addr, 16);
	else
		memcpy(x->agent.address, &v4->sin_addr, 4);
}

/* Frames that a port received, without asking its workers: a moment old. */
static uint64_t received(const struct vs *vs, uint16_t port)
{
	const struct dp_port *p = port < DP_MAX_PORTS ? vs->live[port].port : NULL;
	uint64_t n = 0;

	for (uint16_t i = 0; p != NULL && i < p->n_rxq; i++)
		n += atomic_load_explicit(&p->rxq[i].packets, memory_order_relaxed);
	return n;
}

static void put_sample(void *arg, const struct dp_sample *s, const uint8_t *head)
{
	struct exporter *x = arg;
	uint64_t pool = received(x->vs, s->port);
	struct sflow_flow flow = {
		.sequence = x->sequences[s->port]++,
		.interface = vs_flowrec_interface(s->port),
		.rate = x->rate,
		.drops = (uint32_t)dp_sampler_dropped(x->sampler),
		.frame_size = s->frame_size,
		.head = head,
		.head_size = s->size,
		.vlan = s->vlan,
		.priority = s->priority,
	};

	if (x->pool_base[s->port] > pool)
		x->pool_base[s->port] = 0;
	flow.pool = (uint32_t)(pool - x->pool_base[s->port]);
	x->counts.samples++;
	open_datagram(x);
	if (sflow_flow(&x->datagram, &flow))
		return;
	close_datagram(x);
	open_datagram(x);
	(void)sflow_flow(&x->datagram, &flow);
}

/* ---- Counters of ports ---- */

static uint32_t sum_drops(const uint64_t *drops)
{
	uint64_t n = 0;

	for (unsigned i = 0; i < DP_N_DROPS; i++)
		n += i != DP_DROP_RX_MALFORMED ? drops[i] : 0;
	return (uint32_t)n;
}

static void put_counters(struct exporter *x, const struct vs_port *p, uint16_t id)
{
	const struct dp_port *port = x->vs->live[id].port;
	const struct dp_count *count = dp_port_count(x->vs->dp, id);
	struct dp_link link = {0};
	struct sflow_counters c;

	if (port != NULL && port->ops != NULL && port->ops->link != NULL)
		port->ops->link(x->vs->live[id].port, &link);
	c = (struct sflow_counters){
		.sequence = x->sequences[DP_MAX_PORTS + id]++,
		.interface = vs_flowrec_interface(id),
		.speed_bps = (uint64_t)link.speed_mbps * 1000000u,
		.admin_up = p->up,
		.link_up = port != NULL && atomic_load(&port->link_up),
		.promiscuous = true,
		.in_bytes = count->rx_bytes,
		.in_unicast = (uint32_t)(count->rx_packets - count->rx_multicast),
		.in_multicast = (uint32_t)count->rx_multicast,
		.in_discards = sum_drops(count->drops_rx),
		.in_errors = (uint32_t)count->drops_rx[DP_DROP_RX_MALFORMED],
		.out_bytes = count->tx_bytes,
		.out_unicast = (uint32_t)count->tx_packets,
		.out_multicast = UNKNOWN, /* among the others */
		.out_discards = sum_drops(count->drops_tx),
		.out_errors = 0,
	};
	x->counts.counter_samples++;
	open_datagram(x);
	if (sflow_counters(&x->datagram, &c))
		return;
	close_datagram(x);
	open_datagram(x);
	(void)sflow_counters(&x->datagram, &c);
}

/* A part of the ports each time. */
static void counters(struct exporter *x)
{
	const struct vs *vs = x->vs;
	const struct vs_exporter *e = vs_flowrec_sampler(vs->model, x->name);
	uint64_t now = clock_mono_ns();
	uint16_t domain;

	if (e == NULL || vs->port_ids == NULL || x->counters_ns == 0)
		return;
	if (x->at_port >= vs->model->n_ports && now - x->counted_ns >= x->counters_ns) {
		x->counted_ns = now;
		x->at_port = 0;
		dp_count_refresh(vs->dp);
	}
	for (unsigned n = 0; n < PORTS_AT_ONCE && x->at_port < vs->model->n_ports; n++) {
		const struct vs_port *p = &vs->model->ports[x->at_port];
		uint16_t id = vs->port_ids[x->at_port++];

		if (id != DP_NO_PORT && vs_flowrec_sees(vs, e, p, &domain))
			put_counters(x, p, id);
	}
}

/* From when on a port's frames are of the pool. */
static void pools(struct exporter *x)
{
	const struct vs *vs = x->vs;

	for (unsigned i = 0; vs->port_ids != NULL && i < vs->model->n_ports; i++) {
		uint16_t id = vs->port_ids[i];

		if (id != DP_NO_PORT && x->pool_base[id] == UINT64_MAX)
			x->pool_base[id] = received(vs, id);
	}
}

void flowrec_sflow_tick(struct exporter *x)
{
	look_for_agent(x);
	pools(x);
	(void)dp_sampler_take(x->sampler, SAMPLES_AT_ONCE, put_sample, x);
	counters(x);
	close_datagram(x);
}
