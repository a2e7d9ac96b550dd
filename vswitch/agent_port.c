/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Messages about ports: those of the agent's switch, by their OpenFlow numbers.
 */
#include "vswitch/agent_priv.h"
#include "vswitch/cmd.h"
#include "vswitch/vs.h"

#include "ctl/base/clock.h"

#include <stdio.h>
#include <stdlib.h>
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
		const struct vs_port *p = &vs->model->ports[*at];
		uint16_t id = vs->port_ids != NULL ? vs->port_ids[*at] : vs_port_id(vs, p->name);

		(*at)++;
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
	ret->config = port->live->of_config | (port->p->up ? 0 : OFPPC_PORT_DOWN);
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

/* ---- Port mods ---- */

static bool find_port(const struct vs_agent *agent, uint32_t no, struct port *ret)
{
	unsigned at = 0;

	while (next_port(agent, &at, ret))
		if (ret->live->number == no)
			return true;
	return false;
}

/* What the port's configuration is, given mods that are to be done. */
static uint32_t config_after(const struct port *port, const struct vs_port_mods *mods)
{
	uint32_t config = port->live->of_config;

	for (unsigned i = 0; i < mods->n; i++)
		if (mods->v[i].id == port->id)
			config = mods->v[i].config;
	return config;
}

static enum of_error check_mod(const struct port *port, const struct of_port_mod *mod)
{
	const struct dp_port *dev = port->live->port;
	static const uint8_t zero[6];
	const uint8_t *mac = dev != NULL ? dev->mac.addr_bytes : zero;

	if (memcmp(mac, mod->mac, sizeof(mod->mac)) != 0)
		return OFPPMFC_BAD_HW_ADDR;
	/* What the administrator has taken down, a controller does not bring up. */
	if (!port->p->up && (mod->mask & ~mod->config & OFPPC_PORT_DOWN) != 0)
		return OFPPMFC_EPERM;
	/* No device of ours can be told what to advertise. */
	return mod->advertise != 0 ? OFPPMFC_BAD_ADVERTISE : OF_OK;
}

enum of_error vs_port_mods_add(const struct vs_request *req, struct rd *rd,
			       struct vs_port_mods *mods)
{
	struct vs_port_mod *v;
	struct of_port_mod mod;
	struct port port;
	enum of_error error = of_port_mod_decode(rd, &mod);

	if (error != OF_OK)
		return error;
	if (!find_port(req->agent, mod.no, &port))
		return OFPPMFC_BAD_PORT;
	error = check_mod(&port, &mod);
	if (error != OF_OK)
		return error;
	v = realloc(mods->v, (mods->n + 1) * sizeof(*v));
	if (v == NULL)
		return OF_ERROR_NO_MEMORY;
	mods->v = v;
	v[mods->n] = (struct vs_port_mod){port.id, (config_after(&port, mods) & ~mod.mask) |
							   (mod.config & mod.mask)};
	mods->n++;
	return OF_OK;
}

/* Puts configurations in and leaves those that were in 'mods'; later ones first on the way back. */
static void swap(struct vs *vs, struct vs_port_mod *mod)
{
	uint32_t before = vs->live[mod->id].of_config;

	vs->live[mod->id].of_config = mod->config;
	mod->config = before;
}

enum of_error vs_port_mods_do(struct vs_agent *agent, const struct vs_port_mods *mods)
{
	if (mods->n == 0)
		return OF_OK;
	for (unsigned i = 0; i < mods->n; i++)
		swap(agent->vs, &mods->v[i]);
	if (vs_republish(agent->vs) == 0) {
		vs_agent_look_at_ports(agent);
		return OF_OK;
	}
	for (unsigned i = mods->n; i-- > 0;)
		swap(agent->vs, &mods->v[i]);
	return OF_ERROR_NO_MEMORY;
}

void vs_port_mods_fini(struct vs_port_mods *mods)
{
	free(mods->v);
	*mods = (struct vs_port_mods){0};
}

enum of_error vs_agent_port_mod(const struct vs_request *req, struct rd *rd, struct wr *wr)
{
	struct vs_port_mods mods = {0};
	enum of_error error = vs_port_mods_add(req, rd, &mods);

	if (error == OF_OK)
		error = vs_port_mods_do(req->agent, &mods);
	vs_port_mods_fini(&mods);
	return error;
}

/* ---- Ports that come, go and change ---- */

struct vs_agent_port {
	struct of_port told;
	bool there; /* at this look */
};

static struct vs_agent_port *told_of(const struct vs_agent *agent, uint32_t no)
{
	for (unsigned i = 0; i < agent->n_ports; i++)
		if (agent->ports[i].told.no == no)
			return &agent->ports[i];
	return NULL;
}

/* What may change without a configuration of ours; speeds come and go with the link. */
static bool looks_same(const struct of_port *told, const struct port *port)
{
	const struct dp_port *dev = port->live->port;
	bool up = dev != NULL && atomic_load_explicit(&dev->link_up, memory_order_relaxed);
	uint32_t config = port->live->of_config | (port->p->up ? 0 : OFPPC_PORT_DOWN);

	return told->config == config && told->state == (up ? OFPPS_LIVE : OFPPS_LINK_DOWN) &&
	       (dev == NULL || memcmp(told->mac, dev->mac.addr_bytes, sizeof(told->mac)) == 0);
}

/* Without memory a port is told of at the next look. */
static struct vs_agent_port *add_port(struct vs_agent *agent)
{
	struct vs_agent_port *v = realloc(agent->ports, (agent->n_ports + 1) * sizeof(*v));

	if (v == NULL)
		return NULL;
	agent->ports = v;
	return &v[agent->n_ports++];
}

static void tell(struct vs_agent *agent, uint8_t reason, const struct of_port *port)
{
	if (agent->channels != NULL)
		vs_agent_port_status(agent, reason, port);
}

static void look_at(struct vs_agent *agent, const struct port *port)
{
	struct vs_agent_port *p = told_of(agent, port->live->number);
	uint8_t reason = p == NULL ? OFPPR_ADD : OFPPR_MODIFY;

	if (p != NULL && looks_same(&p->told, port))
		return;
	if (p == NULL)
		p = add_port(agent);
	if (p == NULL)
		return;
	describe(port, &p->told);
	tell(agent, reason, &p->told);
}

/* Another port under a number that was told is another port: the first goes, the second comes. */
static void mark_there(struct vs_agent *agent)
{
	struct port port;
	unsigned at = 0;

	for (unsigned i = 0; i < agent->n_ports; i++)
		agent->ports[i].there = false;
	while (next_port(agent, &at, &port)) {
		struct vs_agent_port *p = told_of(agent, port.live->number);

		if (p != NULL && strncmp(p->told.name, port.p->name, OF_PORT_NAME_SIZE - 1) == 0)
			p->there = true;
	}
}

/* Those that went first: a port that has another number now goes and comes. */
void vs_agent_look_at_ports(struct vs_agent *agent)
{
	struct port port;
	unsigned at = 0;

	mark_there(agent);
	for (unsigned i = 0; i < agent->n_ports;) {
		struct of_port gone = agent->ports[i].told;

		if (agent->ports[i].there) {
			i++;
			continue;
		}
		agent->ports[i] = agent->ports[--agent->n_ports];
		tell(agent, OFPPR_DELETE, &gone);
	}
	while (next_port(agent, &at, &port))
		look_at(agent, &port);
}
