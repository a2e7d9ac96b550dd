/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Messages about queues (OpenFlow 1.3.5, A.3.6 and A.3.5.8): those of the agent's switch.
 */
#include "vswitch/agent_priv.h"
#include "vswitch/flows.h"
#include "vswitch/queues.h"
#include "vswitch/vs.h"

#include "ctl/base/clock.h"

#include <stdlib.h>
#include <string.h>

/* Rates are told as tenths of a percent of the port's speed, so a port that has none is given one.
 */
#define SPEED_UNKNOWN_MBPS 10000u
#define WHOLE		   1000u
/* A reply is one message: what fits into it. */
#define REPLY_MAX ((OF_MSG_MAX - 16) / 48)

/* Those asked for. */
struct asked {
	const struct vs_agent *agent;
	uint32_t port, queue; /* OFPP_ANY, OF_QUEUE_ALL */
	uint16_t id;	      /* of the port; DP_NO_PORT: any */
};

static enum of_error ask(const struct vs_request *req, uint32_t port, uint32_t queue,
			 struct asked *ret)
{
	*ret = (struct asked){req->agent, port, queue, DP_NO_PORT};
	if (port == OFPP_ANY)
		return OF_OK;
	ret->id = vs_flows_port_id(req->agent->flows, port);
	return ret->id != DP_NO_PORT ? OF_OK : OFPQOFC_BAD_PORT;
}

/* The next from '*at' on; NULL: there is none.  '*ret_id' is its port's. */
static const struct vs_queue *next(const struct asked *a, unsigned *at, uint16_t *ret_id)
{
	const struct vs *vs = a->agent->vs;

	while (*at < vs->model->n_queues) {
		const struct vs_queue *q = &vs->model->queues[(*at)++];
		uint16_t id;

		if (strcmp(q->port->sw->name, a->agent->sw) != 0 ||
		    (a->queue != OF_QUEUE_ALL && a->queue != q->spec.id))
			continue;
		id = vs->port_ids != NULL ? vs->port_ids[q->port - vs->model->ports]
					  : vs_port_id(vs, q->port->name);
		if (id == DP_NO_PORT || vs->live[id].number == 0 ||
		    (a->id != DP_NO_PORT && a->id != id))
			continue;
		*ret_id = id;
		return q;
	}
	return NULL;
}

/* ---- What they are ---- */

static uint32_t speed_mbps(const struct vs_live *live)
{
	struct dp_link link = {0};

	if (live->port != NULL && live->port->ops->link != NULL)
		live->port->ops->link(live->port, &link);
	return link.speed_mbps != 0 ? link.speed_mbps : SPEED_UNKNOWN_MBPS;
}

static uint16_t tenths(uint64_t bps, uint32_t mbps)
{
	uint64_t n = (bps + mbps * UINT64_C(500)) / (mbps * UINT64_C(1000));

	if (bps == 0)
		return OF_QUEUE_RATE_NONE;
	return n == 0 ? 1 : n > WHOLE ? WHOLE : (uint16_t)n;
}

enum of_error vs_agent_queue_config(const struct vs_request *req, struct rd *rd, struct wr *wr)
{
	const struct vs_queue *q;
	struct of_queue *queues;
	enum of_error error;
	struct asked a;
	unsigned at = 0;
	uint32_t no;
	size_t n = 0;
	uint16_t id;

	error = of_port_request_decode(rd, &no);
	if (error == OF_OK)
		error = ask(req, no, OF_QUEUE_ALL, &a);
	if (error != OF_OK)
		return error;
	queues = calloc(REPLY_MAX, sizeof(*queues));
	if (queues == NULL)
		return OF_ERROR_NO_MEMORY;
	while (n < REPLY_MAX && (q = next(&a, &at, &id)) != NULL) {
		const struct vs_live *live = &req->agent->vs->live[id];
		uint32_t mbps = speed_mbps(live);

		queues[n++] = (struct of_queue){.id = q->spec.id,
						.port = live->number,
						.min_rate = tenths(q->spec.min_bps, mbps),
						.max_rate = tenths(q->spec.max_bps, mbps)};
	}
	of_queue_config_encode(wr, req->header.xid, no, queues, n);
	free(queues);
	return OF_OK;
}

/* ---- Counters ---- */

static void write_stats(const struct vs *vs, const struct vs_queue *q, uint32_t port,
			struct of_mp_reply *reply)
{
	const struct vs_queue_live *live = vs_queue_find(vs, q->port->name, q->spec.id);
	struct of_queue_stats s = {.port = port, .queue = q->spec.id};
	struct vs_queue_counts counts;
	uint64_t age_ns;

	if (live == NULL)
		return;
	vs_queue_read(vs, live, &counts);
	age_ns = clock_mono_ns() - live->since_ns;
	s.tx_bytes = counts.bytes;
	s.tx_packets = counts.packets;
	s.tx_errors = counts.drops;
	s.duration_s = (uint32_t)(age_ns / 1000000000);
	s.duration_ns = (uint32_t)(age_ns % 1000000000);
	of_mp_reply_entry(reply);
	of_queue_stats_encode(reply->wr, &s);
}

enum of_error vs_mp_queue(const struct vs_request *req, struct rd *rd, struct of_mp_reply *reply)
{
	struct of_queue_request want;
	enum of_error error = of_queue_request_decode(rd, &want);
	const struct vs *vs = req->agent->vs;
	const struct vs_queue *q;
	unsigned at = 0, n = 0;
	struct asked a;
	uint16_t id;

	if (error == OF_OK)
		error = ask(req, want.port, want.queue, &a);
	if (error != OF_OK)
		return error;
	while ((q = next(&a, &at, &id)) != NULL) {
		write_stats(vs, q, vs->live[id].number, reply);
		n++;
	}
	return n == 0 && want.queue != OF_QUEUE_ALL ? OFPQOFC_BAD_QUEUE : OF_OK;
}
