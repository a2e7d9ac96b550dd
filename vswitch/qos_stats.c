/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What is to be seen of bandwidth, and who hears of it; see qos_live.h.
 */
#include "vswitch/qos_priv.h"

#include "ctl/base/clock.h"
#include "dataplane/pace.h"
#include "dataplane/wire_size.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- Once a second ---- */

static void sample(struct vs_qos_sample *s, uint64_t bytes, uint64_t now_ns)
{
	if (s->at_ns != 0 && now_ns > s->at_ns && bytes >= s->bytes)
		s->rate =
			(uint64_t)((double)(bytes - s->bytes) * 8e9 / (double)(now_ns - s->at_ns));
	s->bytes = bytes;
	s->at_ns = now_ns;
}

static void watch_from(struct vs_qos_port *live, uint64_t now_ns)
{
	struct dp_pace_counts c;

	dp_pace_read(live->pace, &c);
	sample(&live->from, c.bytes, now_ns);
	/* At its rate, and put off: it would send more. */
	live->from_over = c.holds != live->from_holds &&
			  live->from.rate > dp_pace_spec(live->pace)->bps / 10 * 9;
	live->from_holds = c.holds;
}

static uint64_t wire_bytes(const struct dp_sched_counts *c)
{
	return c->bytes + c->packets * DP_WIRE_OVERHEAD;
}

/* Of which port a class is, in a tree that may be a tenant's. */
static const char *port_of(const struct vs *vs, const struct vs_qos_port *live, uint16_t cls,
			   const char *port)
{
	return live->tree->spec.n_outs != 0 ? vs->live[live->tree->nodes[cls].port].name : port;
}

/* 'worst' is the class that dropped most. */
static void tell_over(struct vs *vs, const char *port, const struct vs_qos_port *live,
		      uint16_t worst)
{
	const struct dp_sched_class *c = &live->tree->classes[worst];
	uint64_t bps = c->max_bps != 0 ? c->max_bps : live->tree->spec.root.max_bps;

	port = port_of(vs, live, worst, port);
	vs_event(vs, "qos-over", port,
		 "port %s drops frames: class \"%.90s\" gets more than may leave it; its "
		 "limit is %.1f Mbit/s",
		 port, live->tree->nodes[worst].name, (double)bps / 1e6);
}

static void watch_to(struct vs *vs, const char *port, struct vs_qos_port *live, uint64_t now_ns)
{
	uint16_t n = live->tree->spec.n_classes;
	uint64_t dropped = 0, most = 0;
	uint16_t worst = 0;

	if (live->to == NULL)
		live->to = calloc(n, sizeof(*live->to));
	for (uint16_t i = 0; i < n; i++) {
		struct dp_sched_counts c;

		dp_shaper_read(live->shaper, i, &c);
		if (live->tree->classes[i].leaf) {
			uint64_t lately = c.dropped + c.overflow -
					  (live->to != NULL ? live->to[i].dropped : 0);

			dropped += c.dropped + c.overflow;
			if (lately > most) {
				most = lately;
				worst = i;
			}
		}
		if (live->to != NULL) {
			live->to[i].dropped = c.dropped + c.overflow;
			sample(&live->to[i], wire_bytes(&c), now_ns);
		}
	}
	if (dropped > live->dropped) {
		if (live->over_s++ == 0 && live->calm_s >= VS_QOS_CALM_S)
			tell_over(vs, port, live, worst);
		live->calm_s = 0;
	} else {
		live->over_s = 0;
		live->calm_s++;
	}
	live->dropped = dropped;
}

void vs_qos_watch(struct vs *vs)
{
	struct vs_qos_state *s = vs_qos_state(vs);
	uint64_t now_ns = clock_mono_ns();

	for (unsigned id = 0; id < DP_MAX_PORTS; id++) {
		struct vs_qos_port *live = s->of[id];

		if (live != NULL && live->pace != NULL)
			watch_from(live, now_ns);
		if (live != NULL && live->shaper != NULL)
			watch_to(vs, vs->live[id].name, live, now_ns);
	}
	for (struct vs_qos_share *share = s->shares; share != NULL; share = share->next)
		if (share->live.shaper != NULL)
			watch_to(vs, share->uplink, &share->live, now_ns);
}

/* ---- Classes ---- */

static void tell_from(const struct vs_qos_port *live, const char *port, vs_qos_class_fn fn,
		      void *arg)
{
	struct vs_qos_class c = {.port = port, .name = "from"};
	struct dp_pace_counts counts;

	dp_pace_read(live->pace, &counts);
	c.max = dp_pace_spec(live->pace)->bps;
	c.rate_now = live->from.rate;
	c.packets = counts.packets;
	c.bytes = counts.bytes;
	fn(arg, &c);
}

static void fill(const struct vs_qos_port *live, uint16_t i, struct vs_qos_class *c)
{
	const struct dp_sched_class *cls = &live->tree->classes[i];
	struct dp_sched_counts n;

	dp_shaper_read(live->shaper, i, &n);
	c->name = live->tree->nodes[i].name;
	c->max = cls->max_bps;
	c->min = cls->min_bps;
	c->rate_now = live->to != NULL ? live->to[i].rate : 0;
	c->packets = n.packets;
	c->bytes = wire_bytes(&n);
	c->drops = n.dropped + n.overflow;
	c->marks = n.marked;
	c->delay_max_us = (double)n.delay_max_ns / 1e3;
	c->delay_mean_us = n.packets != 0 ? (double)n.delay_ns / 1e3 / (double)n.packets : 0;
	c->waiting = n.waiting;
}

static void add(struct vs_qos_class *sum, const struct vs_qos_class *c)
{
	double whole = (double)sum->packets + (double)c->packets;

	if (whole > 0)
		sum->delay_mean_us = (sum->delay_mean_us * (double)sum->packets +
				      c->delay_mean_us * (double)c->packets) /
				     whole;
	if (c->delay_max_us > sum->delay_max_us)
		sum->delay_max_us = c->delay_max_us;
	sum->packets += c->packets;
	sum->bytes += c->bytes;
	sum->rate_now += c->rate_now;
	sum->drops += c->drops;
	sum->marks += c->marks;
	sum->waiting += c->waiting;
}

/* All of it, as the class 'name'. */
static void tell_sum(const struct vs_qos_port *live, const char *port, const char *name,
		     vs_qos_class_fn fn, void *arg)
{
	struct vs_qos_class sum = {.port = port,
				   .name = name,
				   .max = live->tree->spec.root.max_bps};
	uint16_t n = live->tree->spec.n_classes;

	for (uint16_t i = 0; i < n; i++) {
		struct vs_qos_class c = {.port = port};

		fill(live, i, &c);
		if (live->tree->classes[i].leaf)
			add(&sum, &c);
	}
	fn(arg, &sum);
}

static void tell_to(const struct vs_qos_port *live, const char *port, vs_qos_class_fn fn, void *arg)
{
	uint16_t n = live->tree->spec.n_classes;

	tell_sum(live, port, "to", fn, arg);
	for (uint16_t i = 0; n > 1 && i < n; i++) {
		struct vs_qos_class c = {.port = port};

		fill(live, i, &c);
		fn(arg, &c);
	}
}

/* The port's part of what its tenant has. */
static void tell_part(const struct vs *vs, const struct vs_qos_share *share, uint16_t id,
		      vs_qos_class_fn fn, void *arg)
{
	const struct vs_qos_tree *t = share->live.tree;

	for (uint16_t i = 0; i < t->spec.n_classes; i++) {
		struct vs_qos_class c = {.port = vs->live[id].name};

		if (t->nodes[i].port != id)
			continue;
		fill(&share->live, i, &c);
		fn(arg, &c);
	}
}

static void tell_shares(const struct vs *vs, int port_id, vs_qos_class_fn fn, void *arg)
{
	for (const struct vs_qos_share *share = vs_qos_state(vs)->shares; share != NULL;
	     share = share->next) {
		const struct vs_qos_tree *t = share->live.tree;
		char name[DP_PORT_NAME_SIZE + 16];

		if (share->live.shaper == NULL ||
		    (port_id >= 0 && t->out_of_port[port_id] == 0 &&
		     strcmp(vs->live[port_id].name, share->uplink) != 0))
			continue;
		snprintf(name, sizeof(name), "to tenant %s", share->tenant);
		tell_sum(&share->live, share->uplink, name, fn, arg);
	}
}

void vs_qos_classes(struct vs *vs, int port_id, vs_qos_class_fn fn, void *arg)
{
	const struct vs_qos_state *s = vs_qos_state(vs);

	for (int id = 0; id < DP_MAX_PORTS; id++) {
		const struct vs_qos_port *live = s->of[id];
		const struct vs_qos_share *share;

		if (port_id >= 0 && port_id != id)
			continue;
		share = vs_qos_share_of(s, (uint16_t)id);
		if (live != NULL && live->pace != NULL)
			tell_from(live, vs->live[id].name, fn, arg);
		if (live != NULL && live->shaper != NULL)
			tell_to(live, vs->live[id].name, fn, arg);
		else if (share != NULL)
			tell_part(vs, share, (uint16_t)id, fn, arg);
	}
	tell_shares(vs, port_id, fn, arg);
}

/* Who has the shaper by which the port sends, its own or its tenant's; NULL: nobody. */
static const struct vs_qos_port *live_to(const struct vs *vs, uint16_t id)
{
	const struct vs_qos_port *own = vs_qos_state(vs)->of[id];
	const struct vs_qos_share *share =
		own == NULL || own->shaper == NULL ? vs_qos_share_of(vs_qos_state(vs), id) : NULL;

	return share != NULL ? &share->live : own;
}

bool vs_qos_queue(const struct vs *vs, uint16_t port_id, uint32_t queue, struct vs_qos_class *ret)
{
	const struct vs_qos_port *live = live_to(vs, port_id);

	for (uint16_t i = 0; live != NULL && live->tree != NULL && i < live->tree->spec.n_classes;
	     i++) {
		const struct vs_qos_node *node = &live->tree->nodes[i];

		if (!node->is_queue || node->queue != queue ||
		    (live->tree->spec.n_outs != 0 && node->port != port_id))
			continue;
		*ret = (struct vs_qos_class){.port = vs->live[port_id].name};
		fill(live, i, ret);
		return true;
	}
	return false;
}

const char *vs_qos_class_name(const struct vs *vs, uint16_t port_id, uint32_t cls)
{
	const struct vs_qos_port *live = port_id < DP_MAX_PORTS ? live_to(vs, port_id) : NULL;

	return live != NULL && live->tree != NULL && cls < live->tree->spec.n_classes
		       ? live->tree->nodes[cls].name
		       : NULL;
}

const char *vs_qos_over(const struct vs *vs, uint16_t port_id)
{
	const struct vs_qos_port *live = vs_qos_state(vs)->of[port_id];
	const struct vs_qos_port *out = live_to(vs, port_id);
	bool to = out != NULL && out->over_s != 0, from = live != NULL && live->from_over;

	return to && from ? "to, from" : to ? "to" : from ? "from" : "";
}

unsigned vs_qos_over_s(const struct vs *vs, uint16_t port_id)
{
	const struct vs_qos_port *live = vs_qos_state(vs)->of[port_id];

	return live != NULL ? live->over_s : 0;
}

double vs_qos_scaled(const struct vs *vs, uint16_t port_id, uint64_t *ret_bps)
{
	const struct vs_qos_port *live = vs_qos_state(vs)->of[port_id];

	*ret_bps = live != NULL && live->tree != NULL ? live->tree->spec.root.max_bps : 0;
	return live != NULL && live->tree != NULL ? live->tree->scaled : 1;
}
