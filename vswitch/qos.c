/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Bandwidth as it runs: the part of policy.h.  What a port has, it keeps from view to view, so that
 * counters go on and a change of a rate loses no frame; a change that fails finds it again when the
 * old view is compiled anew.  Control thread.
 */
#include "vswitch/qos.h"

#include "ctl/base/clock.h"
#include "dataplane/meter.h"
#include "dataplane/pace.h"
#include "vswitch/policy.h"
#include "vswitch/qos_live.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Bytes of a class lately. */
struct sample {
	uint64_t bytes, at_ns;
	uint64_t rate;
};

/* Of a port, by its id. */
struct live {
	struct dp_pace *pace;
	struct sample from;
	bool from_over;
	uint64_t from_holds;
};

struct vs_qos_state {
	struct live *of[DP_MAX_PORTS]; /* NULL: nothing was ever said of it */
	unsigned ticks;
};

static struct vs_qos_state *state_of(const struct vs *vs)
{
	return vs->policy[VS_POLICY_QOS];
}

static struct live *live_of(struct vs_qos_state *s, uint16_t id)
{
	if (s->of[id] == NULL)
		s->of[id] = calloc(1, sizeof(*s->of[id]));
	return s->of[id];
}

static void live_free(struct live *live)
{
	if (live == NULL)
		return;
	dp_pace_unref(live->pace);
	free(live);
}

/* ---- Pace ---- */

static int pace_renew(struct vs *vs, struct live *live, const struct vs_qos *q)
{
	const struct dp_pace_spec spec = {.bps = q->from_max, .burst = q->from_burst};
	const struct dp_pace_spec *was = live->pace != NULL ? dp_pace_spec(live->pace) : NULL;
	struct dp_pace *pace;

	if (was != NULL && was->bps == spec.bps && was->burst == spec.burst)
		return 0;
	pace = dp_pace_create(&spec, live->pace, dp_meter_tsc_hz(vs->dp));
	if (pace == NULL)
		return -ENOMEM;
	dp_pace_unref(live->pace);
	live->pace = pace;
	return 0;
}

/* Workers look for a pace only where a queue says so. */
static void pace_hint(const struct dp_vport *vp)
{
	for (uint16_t i = 0; vp->port != NULL && i < vp->port->n_rxq; i++)
		atomic_store_explicit(&vp->port->rxq[i].paced, vp->pace != NULL,
				      memory_order_relaxed);
}

static int port_compile(struct vs *vs, const struct vs_qos *q, struct dp_vport *vp)
{
	struct live *live;
	int rc;

	if (q == NULL || q->from_max == 0)
		return 0;
	live = live_of(state_of(vs), vp->id);
	rc = live != NULL ? pace_renew(vs, live, q) : -ENOMEM;
	if (rc == 0)
		vp->pace = dp_pace_ref(live->pace);
	return rc;
}

static int compile(struct vs *vs, const struct vs_model *m, const uint16_t *ids,
		   struct dp_view *view)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < m->n_ports; i++) {
		if (ids[i] == DP_NO_PORT)
			continue;
		rc = port_compile(vs, vs_qos_of_port(m, &m->ports[i]), view->vports[ids[i]]);
		pace_hint(view->vports[ids[i]]);
	}
	return rc;
}

static void release(struct dp_vport *vport)
{
	dp_pace_unref(vport->pace);
	vport->pace = NULL;
}

static void settle(struct vs *vs, const struct vs_model *m)
{
	struct vs_qos_state *s = state_of(vs);

	for (uint16_t id = 0; s != NULL && id < DP_MAX_PORTS; id++) {
		const struct vs_port *p;
		const struct vs_qos *q;

		if (s->of[id] == NULL)
			continue;
		p = vs_model_port(m, vs->live[id].name);
		q = p != NULL ? vs_qos_of_port(m, p) : NULL;
		if (q == NULL || q->from_max == 0) {
			dp_pace_unref(s->of[id]->pace);
			s->of[id]->pace = NULL;
			s->of[id]->from = (struct sample){0};
		}
	}
}

static void port_gone(struct vs *vs, uint16_t id)
{
	struct vs_qos_state *s = state_of(vs);

	if (s == NULL)
		return;
	live_free(s->of[id]);
	s->of[id] = NULL;
}

/* ---- Its life ---- */

static int create(struct vs *vs, void **ret, struct err *err)
{
	struct vs_qos_state *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory");
	*ret = s;
	return 0;
}

static void destroy(struct vs *vs, void *live)
{
	struct vs_qos_state *s = live;

	for (uint16_t id = 0; id < DP_MAX_PORTS; id++)
		live_free(s->of[id]);
	free(s);
}

static void sample(struct sample *s, uint64_t bytes, uint64_t now_ns)
{
	if (s->at_ns != 0 && now_ns > s->at_ns)
		s->rate =
			(uint64_t)((double)(bytes - s->bytes) * 8e9 / (double)(now_ns - s->at_ns));
	s->bytes = bytes;
	s->at_ns = now_ns;
}

static void tick_port(struct live *live, uint64_t now_ns)
{
	struct dp_pace_counts c;

	if (live->pace == NULL)
		return;
	dp_pace_read(live->pace, &c);
	sample(&live->from, c.bytes, now_ns);
	/* At its rate, and put off: it would send more. */
	live->from_over = c.holds != live->from_holds &&
			  live->from.rate > dp_pace_spec(live->pace)->bps / 10 * 9;
	live->from_holds = c.holds;
}

static void tick(struct vs *vs)
{
	struct vs_qos_state *s = state_of(vs);

	if (++s->ticks % 10 != 0)
		return;
	for (uint16_t id = 0; id < DP_MAX_PORTS; id++)
		if (s->of[id] != NULL)
			tick_port(s->of[id], clock_mono_ns());
}

/* ---- What is to be seen ---- */

static void tell_from(const struct live *live, const char *port, vs_qos_class_fn fn, void *arg)
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

void vs_qos_classes(struct vs *vs, int port_id, vs_qos_class_fn fn, void *arg)
{
	const struct vs_qos_state *s = state_of(vs);

	for (int id = 0; id < DP_MAX_PORTS; id++) {
		const struct live *live = s->of[id];

		if (live == NULL || (port_id >= 0 && port_id != id))
			continue;
		if (live->pace != NULL)
			tell_from(live, vs->live[id].name, fn, arg);
	}
}

const char *vs_qos_over(const struct vs *vs, uint16_t port_id)
{
	const struct live *live = state_of(vs)->of[port_id];

	return live != NULL && live->from_over ? "from" : "";
}

const struct vs_policy vs_policy_qos = {
	.read = vs_qos_read,
	.forget = free,
	.create = create,
	.destroy = destroy,
	.compile = compile,
	.release = release,
	.settle = settle,
	.port_gone = port_gone,
	.tick = tick,
};
