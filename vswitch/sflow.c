/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See sflow.h.  XDR: everything is a multiple of four bytes, big-endian.
 */
#include "vswitch/sflow.h"

#define VERSION		5
#define FLOW_SAMPLE	1
#define COUNTERS_SAMPLE 2
#define RAW_HEADER	1 /* records of flows */
#define EXTENDED_SWITCH 1001
#define IF_COUNTERS	1 /* records of counters */
#define ETHERNET	1
#define ETHERNET_CSMACD 6
#define FULL_DUPLEX	1
#define UNKNOWN		0xffffffffu
#define FCS		4

void sflow_begin(struct sflow_datagram *d, const struct sflow_agent *agent, uint32_t sequence,
		 uint32_t uptime_ms)
{
	d->wr = wr_over(d->bytes, sizeof(d->bytes));
	d->n = 0;
	wr_be32(&d->wr, VERSION);
	wr_be32(&d->wr, agent->family == 6 ? 2 : 1);
	wr_bytes(&d->wr, agent->address, agent->family == 6 ? 16 : 4);
	wr_be32(&d->wr, agent->sub_agent);
	wr_be32(&d->wr, sequence);
	wr_be32(&d->wr, uptime_ms);
	d->n_at = d->wr.size;
	wr_be32(&d->wr, 0);
}

size_t sflow_end(struct sflow_datagram *d)
{
	wr_set_be32(&d->wr, d->n_at, d->n);
	return d->n != 0 ? d->wr.size : 0;
}

/* A structure of a format, whose length is known when it ends. */
static size_t open_part(struct wr *wr, uint32_t format)
{
	wr_be32(wr, format);
	wr_be32(wr, 0);
	return wr->size;
}

static void close_part(struct wr *wr, size_t from)
{
	wr_set_be32(wr, from - 4, (uint32_t)(wr->size - from));
}

static bool fits(struct sflow_datagram *d, size_t before)
{
	if (wr_ok(&d->wr)) {
		d->n++;
		return true;
	}
	d->wr.bad = false;
	wr_cut(&d->wr, before);
	return false;
}

static void put_head(struct wr *wr, const struct sflow_flow *flow)
{
	size_t part = open_part(wr, RAW_HEADER), head;

	wr_be32(wr, ETHERNET);
	wr_be32(wr, flow->frame_size + FCS);
	wr_be32(wr, FCS); /* which was stripped */
	wr_be32(wr, flow->head_size);
	head = wr->size;
	wr_bytes(wr, flow->head, flow->head_size);
	wr_pad(wr, head, 4);
	close_part(wr, part);
}

bool sflow_flow(struct sflow_datagram *d, const struct sflow_flow *flow)
{
	size_t before = d->wr.size, sample = open_part(&d->wr, FLOW_SAMPLE), part;

	wr_be32(&d->wr, flow->sequence);
	wr_be32(&d->wr, flow->interface & 0xffffff); /* type 0: ifIndex */
	wr_be32(&d->wr, flow->rate);
	wr_be32(&d->wr, flow->pool);
	wr_be32(&d->wr, flow->drops);
	wr_be32(&d->wr, flow->interface);
	wr_be32(&d->wr, 0); /* where it goes is not known yet */
	wr_be32(&d->wr, 2); /* records */
	put_head(&d->wr, flow);
	part = open_part(&d->wr, EXTENDED_SWITCH);
	wr_be32(&d->wr, flow->vlan);
	wr_be32(&d->wr, flow->priority);
	wr_be32(&d->wr, flow->vlan);
	wr_be32(&d->wr, flow->priority);
	close_part(&d->wr, part);
	close_part(&d->wr, sample);
	return fits(d, before);
}

static void put_direction(struct wr *wr, uint64_t bytes, uint32_t unicast, uint32_t multicast,
			  uint32_t discards, uint32_t errors)
{
	wr_be64(wr, bytes);
	wr_be32(wr, unicast);
	wr_be32(wr, multicast);
	wr_be32(wr, UNKNOWN); /* broadcast: counted as multicast */
	wr_be32(wr, discards);
	wr_be32(wr, errors);
}

bool sflow_counters(struct sflow_datagram *d, const struct sflow_counters *c)
{
	size_t before = d->wr.size, sample = open_part(&d->wr, COUNTERS_SAMPLE), part;

	wr_be32(&d->wr, c->sequence);
	wr_be32(&d->wr, c->interface & 0xffffff);
	wr_be32(&d->wr, 1); /* records */
	part = open_part(&d->wr, IF_COUNTERS);
	wr_be32(&d->wr, c->interface);
	wr_be32(&d->wr, ETHERNET_CSMACD);
	wr_be64(&d->wr, c->speed_bps);
	wr_be32(&d->wr, FULL_DUPLEX);
	wr_be32(&d->wr, (c->admin_up ? 1u : 0u) | (c->link_up ? 2u : 0u));
	put_direction(&d->wr, c->in_bytes, c->in_unicast, c->in_multicast, c->in_discards,
		      c->in_errors);
	wr_be32(&d->wr, UNKNOWN); /* ifInUnknownProtos */
	put_direction(&d->wr, c->out_bytes, c->out_unicast, c->out_multicast, c->out_discards,
		      c->out_errors);
	wr_be32(&d->wr, c->promiscuous ? 1 : 2);
	close_part(&d->wr, part);
	close_part(&d->wr, sample);
	return fits(d, before);
}
