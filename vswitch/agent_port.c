/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Messages about ports: those of the agent's switch, by their OpenFlow numbers.
 */
#include "vswitch/agent_priv.h"
#include "vswitch/cmd.h"
#include "vswitch/vs.h"

#include "ctl/base/clock.h"

#include <stdio.h>
#include <string.h>

/* A port of the switch and what is live of it. */
struct port {
	const struct vs_port *p;
	const struct vs_live *live;
	uint16_t id;
};

/* The next port of the switch from '*at' in the model on; false: there is none. */
static bool next_port(const struct vs_agent *agent, unsigned *at, struct port *ret)
{
	const struct vs *vs = agent->vs;

	while (*at < vs->model->n_ports) {
		const struct vs_port *p = &vs->model->ports[(*at)++];
		uint16_t id = vs_port_id(vs, p->name);

		if (id == DP_NO_PORT || strcmp(p->sw->name, agent->sw) != 0 ||
		    vs->live[id].number == 0)
			continue;
		*ret = (struct port){p, &vs->live[id], id};
		return true;
	}
	return false;
}

/* ---- What a port is ---- */

static uint32_t speed_bit(uint32_t mbps, bool full_duplex)
{
	switch (mbps) {
	case 10:
		return full_duplex ? OFPPF_10MB_FD : OFPPF_10MB_HD;
	case 100:
		return full_duplex ? OFPPF_100MB_FD : OFPPF_100MB_HD;
	case 1000:
		return full_duplex ? OFPPF_1GB_FD : OFPPF_1GB_HD;
	case 10000:
		return OFPPF_10GB_FD;
	case 40000:
		return OFPPF_40GB_FD;
	case 100000:
		return OFPPF_100GB_FD;
	case 1000000:
		return OFPPF_1TB_FD;
	default:
		return OFPPF_OTHER;
	}
}

/* 32 bits of kbit/s end at 4.2 Tbit/s. */
static uint32_t kbps(uint32_t mbps)
{
	return mbps > UINT32_MAX / 1000 ? UINT32_MAX : mbps * 1000;
}

static void describe_link(struct dp_port *port, struct of_port *ret)
{
	struct dp_link link = {0};

	if (port->ops->link == NULL)
		return;
	port->ops->link(port, &link);
	if (link.speed_mbps == 0)
		return;
	ret->curr = ret->supported = speed_bit(link.speed_mbps, link.full_duplex);
	ret->curr_speed = ret->max_speed = kbps(link.speed_mbps);
}

static void describe(const struct port *port, struct of_port *ret)
{
	struct dp_port *dev = port->live->port;
	bool up = dev != NULL && atomic_load_explicit(&dev->link_up, memory_order_relaxed);

	memset(ret, 0, sizeof(*ret));
	ret->no = port->live->number;
	snprintf(ret->name, sizeof(ret->name), "%.*s", OF_PORT_NAME_SIZE - 1, port->p->name);
	ret->config = port->p->up ? 0 : OFPPC_PORT_DOWN;
	ret->state = up ? OFPPS_LIVE : OFPPS_LINK_DOWN;
	if (dev == NULL)
		return;
	memcpy(ret->mac, dev->mac.addr_bytes, sizeof(ret->mac));
	describe_link(dev, ret);
}

enum of_error vs_mp_port_desc(const struct vs_request *req, struct rd *rd,
			      struct of_mp_reply *reply)
{
	struct port port;
	unsigned at = 0;

	if (of_msg_empty(rd) != OF_OK)
		return OFPBRC_BAD_LEN;
	while (next_port(req->agent, &at, &port)) {
		struct of_port p;

		describe(&port, &p);
		of_mp_reply_entry(reply);
		of_port_encode(reply->wr, &p);
	}
	return OF_OK;
}

/* ---- Counters ---- */

static void count(const struct vs_agent *agent, const struct port *port, struct of_port_stats *ret)
{
	const struct dp_count *c = dp_port_count(agent->vs->dp, port->id);
	uint64_t age_ns = clock_mono_ns() - port->live->since_ns;

	*ret = (struct of_port_stats){
		.no = port->live->number,
		.rx_packets = c->rx_packets,
		.tx_packets = c->tx_packets,
		.rx_bytes = c->rx_bytes,
		.tx_bytes = c->tx_bytes,
		.rx_dropped = vs_drops_rx(c),
		.tx_dropped = vs_drops_tx(c),
		.rx_errors = c->drops_rx[DP_DROP_RX_MALFORMED],
		.rx_frame_err = UINT64_MAX,
		.rx_over_err = UINT64_MAX,
		.rx_crc_err = UINT64_MAX,
		.collisions = UINT64_MAX,
		.duration_s = (uint32_t)(age_ns / 1000000000),
		.duration_ns = (uint32_t)(age_ns % 1000000000),
	};
}

enum of_error vs_mp_port_stats(const struct vs_request *req, struct rd *rd,
			       struct of_mp_reply *reply)
{
	enum of_error error;
	struct port port;
	unsigned at = 0, n = 0;
	uint32_t no;

	error = of_port_request_decode(rd, &no);
	if (error != OF_OK)
		return error;
	dp_count_refresh(req->agent->vs->dp);
	while (next_port(req->agent, &at, &port)) {
		struct of_port_stats s;

		if (no != OFPP_ANY && no != port.live->number)
			continue;
		count(req->agent, &port, &s);
		of_mp_reply_entry(reply);
		of_port_stats_encode(reply->wr, &s);
		n++;
	}
	return n == 0 && no != OFPP_ANY ? OFPBRC_BAD_PORT : OF_OK;
}
