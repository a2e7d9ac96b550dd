/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Messages about ports and queues; see port.h.
 */
#include "vswitch/of/port.h"

#include <string.h>

#include "ctl/base/wire.h"
#include "vswitch/of/header.h"

#define QUEUE_PROP_MIN_RATE  1
#define QUEUE_PROP_MAX_RATE  2
#define QUEUE_PROP_RATE_SIZE 16
#define QUEUE_SIZE	     16 /* without its properties */

enum of_error of_port_decode(struct rd *rd, struct of_port *ret_port)
{
	struct of_port p;

	p.no = rd_be32(rd);
	rd_skip(rd, 4);
	rd_copy(rd, p.mac, sizeof(p.mac));
	rd_skip(rd, 2);
	rd_copy(rd, p.name, sizeof(p.name));
	p.name[sizeof(p.name) - 1] = '\0';
	p.config = rd_be32(rd);
	p.state = rd_be32(rd);
	p.curr = rd_be32(rd);
	p.advertised = rd_be32(rd);
	p.supported = rd_be32(rd);
	p.peer = rd_be32(rd);
	p.curr_speed = rd_be32(rd);
	p.max_speed = rd_be32(rd);
	if (!rd_ok(rd))
		return OFPBRC_BAD_LEN;
	*ret_port = p;
	return OF_OK;
}

void of_port_encode(struct wr *wr, const struct of_port *port)
{
	wr_be32(wr, port->no);
	wr_zeros(wr, 4);
	wr_bytes(wr, port->mac, sizeof(port->mac));
	wr_zeros(wr, 2);
	wr_bytes(wr, port->name, sizeof(port->name));
	wr_be32(wr, port->config);
	wr_be32(wr, port->state);
	wr_be32(wr, port->curr);
	wr_be32(wr, port->advertised);
	wr_be32(wr, port->supported);
	wr_be32(wr, port->peer);
	wr_be32(wr, port->curr_speed);
	wr_be32(wr, port->max_speed);
}

enum of_error of_port_status_decode(struct rd *rd, struct of_port_status *ret_status)
{
	ret_status->reason = rd_u8(rd);
	rd_skip(rd, 7);
	if (of_port_decode(rd, &ret_status->port))
		return OFPBRC_BAD_LEN;
	return of_msg_empty(rd);
}

void of_port_status_encode(struct wr *wr, uint32_t xid, const struct of_port_status *status)
{
	size_t at = of_msg_begin(wr, OFPT_PORT_STATUS, xid);

	wr_u8(wr, status->reason);
	wr_zeros(wr, 7);
	of_port_encode(wr, &status->port);
	of_msg_end(wr, at);
}

enum of_error of_port_mod_decode(struct rd *rd, struct of_port_mod *ret_mod)
{
	struct of_port_mod mod;

	mod.no = rd_be32(rd);
	rd_skip(rd, 4);
	rd_copy(rd, mod.mac, sizeof(mod.mac));
	rd_skip(rd, 2);
	mod.config = rd_be32(rd);
	mod.mask = rd_be32(rd);
	mod.advertise = rd_be32(rd);
	rd_skip(rd, 4);
	if (of_msg_empty(rd))
		return OFPBRC_BAD_LEN;
	if (((mod.mask | mod.config) & ~(uint32_t)OFPPC_ALL) != 0)
		return OFPPMFC_BAD_CONFIG;
	if ((mod.advertise & ~(uint32_t)OFPPF_ALL) != 0)
		return OFPPMFC_BAD_ADVERTISE;
	*ret_mod = mod;
	return OF_OK;
}

void of_port_mod_encode(struct wr *wr, uint32_t xid, const struct of_port_mod *mod)
{
	size_t at = of_msg_begin(wr, OFPT_PORT_MOD, xid);

	wr_be32(wr, mod->no);
	wr_zeros(wr, 4);
	wr_bytes(wr, mod->mac, sizeof(mod->mac));
	wr_zeros(wr, 2);
	wr_be32(wr, mod->config);
	wr_be32(wr, mod->mask);
	wr_be32(wr, mod->advertise);
	wr_zeros(wr, 4);
	of_msg_end(wr, at);
}

enum of_error of_port_request_decode(struct rd *rd, uint32_t *ret_port)
{
	uint32_t port = rd_be32(rd);

	rd_skip(rd, 4);
	if (of_msg_empty(rd))
		return OFPBRC_BAD_LEN;
	*ret_port = port;
	return OF_OK;
}

void of_port_request_encode(struct wr *wr, uint32_t port)
{
	wr_be32(wr, port);
	wr_zeros(wr, 4);
}

/* In the order of the wire. */
#define PORT_COUNTERS(X)                                                                           \
	X(rx_packets)                                                                              \
	X(tx_packets)                                                                              \
	X(rx_bytes)                                                                                \
	X(tx_bytes)                                                                                \
	X(rx_dropped)                                                                              \
	X(tx_dropped)                                                                              \
	X(rx_errors)                                                                               \
	X(tx_errors)                                                                               \
	X(rx_frame_err)                                                                            \
	X(rx_over_err)                                                                             \
	X(rx_crc_err)                                                                              \
	X(collisions)

enum of_error of_port_stats_decode(struct rd *rd, struct of_port_stats *ret_stats)
{
	struct of_port_stats s;

	s.no = rd_be32(rd);
	rd_skip(rd, 4);
#define X(name) s.name = rd_be64(rd);
	PORT_COUNTERS(X)
#undef X
	s.duration_s = rd_be32(rd);
	s.duration_ns = rd_be32(rd);
	if (!rd_ok(rd))
		return OFPBRC_BAD_LEN;
	*ret_stats = s;
	return OF_OK;
}

void of_port_stats_encode(struct wr *wr, const struct of_port_stats *stats)
{
	wr_be32(wr, stats->no);
	wr_zeros(wr, 4);
#define X(name) wr_be64(wr, stats->name);
	PORT_COUNTERS(X)
#undef X
	wr_be32(wr, stats->duration_s);
	wr_be32(wr, stats->duration_ns);
}

static enum of_error queue_prop_decode(struct rd *rd, struct of_queue *queue)
{
	uint16_t type = rd_be16(rd), size = rd_be16(rd);
	struct rd prop = rd_sub(rd, size < 4 ? SIZE_MAX : size - 4U);

	if (type == QUEUE_PROP_MIN_RATE || type == QUEUE_PROP_MAX_RATE) {
		uint16_t *rate = type == QUEUE_PROP_MIN_RATE ? &queue->min_rate : &queue->max_rate;

		rd_skip(&prop, 4);
		*rate = rd_be16(&prop);
	}
	return rd_ok(&prop) ? OF_OK : OFPBRC_BAD_LEN;
}

enum of_error of_queue_decode(struct rd *rd, struct of_queue *ret_queue)
{
	struct of_queue q = {.min_rate = OF_QUEUE_RATE_NONE, .max_rate = OF_QUEUE_RATE_NONE};
	struct rd props;
	uint16_t size;

	q.id = rd_be32(rd);
	q.port = rd_be32(rd);
	size = rd_be16(rd);
	rd_skip(rd, 6);
	props = rd_sub(rd, size < QUEUE_SIZE ? SIZE_MAX : (size_t)size - QUEUE_SIZE);
	if (!rd_ok(&props))
		return OFPBRC_BAD_LEN;
	while (props.left > 0)
		if (queue_prop_decode(&props, &q))
			return OFPBRC_BAD_LEN;
	*ret_queue = q;
	return OF_OK;
}

static void queue_prop_encode(struct wr *wr, uint16_t type, uint16_t rate)
{
	if (rate == OF_QUEUE_RATE_NONE)
		return;
	wr_be16(wr, type);
	wr_be16(wr, QUEUE_PROP_RATE_SIZE);
	wr_zeros(wr, 4);
	wr_be16(wr, rate);
	wr_zeros(wr, 6);
}

void of_queue_encode(struct wr *wr, const struct of_queue *queue)
{
	size_t at = wr->size;

	wr_be32(wr, queue->id);
	wr_be32(wr, queue->port);
	wr_be16(wr, 0);
	wr_zeros(wr, 6);
	queue_prop_encode(wr, QUEUE_PROP_MIN_RATE, queue->min_rate);
	queue_prop_encode(wr, QUEUE_PROP_MAX_RATE, queue->max_rate);
	wr_set_be16(wr, at + 8, (uint16_t)(wr->size - at));
}

void of_queue_config_encode(struct wr *wr, uint32_t xid, uint32_t port,
			    const struct of_queue *queues, size_t n)
{
	size_t at = of_msg_begin(wr, OFPT_QUEUE_GET_CONFIG_REPLY, xid);

	of_port_request_encode(wr, port);
	for (size_t i = 0; i < n; i++)
		of_queue_encode(wr, &queues[i]);
	of_msg_end(wr, at);
}

enum of_error of_queue_request_decode(struct rd *rd, struct of_queue_request *ret_request)
{
	struct of_queue_request request;

	request.port = rd_be32(rd);
	request.queue = rd_be32(rd);
	if (of_msg_empty(rd))
		return OFPBRC_BAD_LEN;
	*ret_request = request;
	return OF_OK;
}

void of_queue_request_encode(struct wr *wr, const struct of_queue_request *request)
{
	wr_be32(wr, request->port);
	wr_be32(wr, request->queue);
}

enum of_error of_queue_stats_decode(struct rd *rd, struct of_queue_stats *ret_stats)
{
	struct of_queue_stats s;

	s.port = rd_be32(rd);
	s.queue = rd_be32(rd);
	s.tx_bytes = rd_be64(rd);
	s.tx_packets = rd_be64(rd);
	s.tx_errors = rd_be64(rd);
	s.duration_s = rd_be32(rd);
	s.duration_ns = rd_be32(rd);
	if (!rd_ok(rd))
		return OFPBRC_BAD_LEN;
	*ret_stats = s;
	return OF_OK;
}

void of_queue_stats_encode(struct wr *wr, const struct of_queue_stats *stats)
{
	wr_be32(wr, stats->port);
	wr_be32(wr, stats->queue);
	wr_be64(wr, stats->tx_bytes);
	wr_be64(wr, stats->tx_packets);
	wr_be64(wr, stats->tx_errors);
	wr_be32(wr, stats->duration_s);
	wr_be32(wr, stats->duration_ns);
}
