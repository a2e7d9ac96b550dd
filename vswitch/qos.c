/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Bandwidth as it runs: the part of policy.h.  What a port has, it keeps from view to view, so that
 * counters go on and a change of a rate loses no frame; a change that fails finds it again when the
 * old view is compiled anew.  Control thread.
 */
#include "vswitch/qos.h"

#include "dataplane/marks.h"
#include "dataplane/meter.h"
#include "dataplane/pace.h"
#include "vswitch/policy.h"
#include "vswitch/qos_priv.h"

#include <errno.h>
#include <stdlib.h>

#define LOOK_TICKS 10u

struct vs_qos_state *vs_qos_state(const struct vs *vs)
{
	return vs->policy[VS_POLICY_QOS];
}

struct vs_qos_port *vs_qos_port_need(struct vs_qos_state *s, uint16_t id)
{
	if (s->of[id] == NULL)
		s->of[id] = calloc(1, sizeof(*s->of[id]));
	return s->of[id];
}

/* ---- Pace ---- */

static int pace_renew(struct vs *vs, struct vs_qos_port *live, const struct vs_qos *q)
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

static int pace_compile(struct vs *vs, const struct vs_qos *q, struct dp_vport *vp)
{
	struct vs_qos_port *live;
	int rc;

	if (q == NULL || q->from_max == 0)
		return 0;
	live = vs_qos_port_need(vs_qos_state(vs), vp->id);
	rc = live != NULL ? pace_renew(vs, live, q) : -ENOMEM;
	if (rc == 0)
		vp->pace = dp_pace_ref(live->pace);
	return rc;
}

static void pace_settle(const struct vs *vs, const struct vs_model *m)
{
	const struct vs_qos_state *s = vs_qos_state(vs);

	for (uint16_t id = 0; id < DP_MAX_PORTS; id++) {
		struct vs_qos_port *live = s->of[id];
		const struct vs_port *p;
		const struct vs_qos *q;

		if (live == NULL || live->pace == NULL)
			continue;
		p = vs_model_port(m, vs->live[id].name);
		q = p != NULL ? vs_qos_of_port(m, p) : NULL;
		if (q != NULL && q->from_max != 0)
			continue;
		dp_pace_unref(live->pace);
		live->pace = NULL;
		live->from = (struct vs_qos_sample){0};
		live->from_over = false;
	}
}

/* ---- Marks ---- */

static uint8_t mark_by(const struct vs_qos_mark *mark)
{
	return mark->kind == VS_MARK_VALUE   ? DP_MARK_VALUE
	       : mark->kind == VS_MARK_OTHER ? DP_MARK_OTHER
					     : DP_MARK_KEEP;
}

static int marks_compile(const struct vs_qos *q, struct dp_vport *vp)
{
	if (q == NULL || (q->mark_dscp.kind == VS_MARK_KEEP && q->mark_pcp.kind == VS_MARK_KEEP))
		return 0;
	vp->marks = calloc(1, sizeof(*vp->marks));
	if (vp->marks == NULL)
		return -ENOMEM;
	*vp->marks = (struct dp_marks){mark_by(&q->mark_dscp), q->mark_dscp.value,
				       mark_by(&q->mark_pcp), q->mark_pcp.value};
	return 0;
}

/* ---- The part ---- */

static int need(struct vs *vs, const struct vs_model *m, bool starting, struct err *err)
{
	return vs_qos_shape_need(vs, m, err);
}

static int compile(struct vs *vs, const struct vs_model *m, const uint16_t *ids,
		   struct dp_view *view)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < m->n_ports; i++) {
		struct dp_vport *vp = ids[i] != DP_NO_PORT ? view->vports[ids[i]] : NULL;
		const struct vs_qos *q = vs_qos_of_port(m, &m->ports[i]);

		if (vp == NULL)
			continue;
		vs_qos_shape_compile(vs, m, i, vp);
		rc = pace_compile(vs, q, vp);
		pace_hint(vp);
		if (rc == 0)
			rc = marks_compile(q, vp);
	}
	return rc;
}

static void release(struct dp_vport *vport)
{
	dp_pace_unref(vport->pace);
	vport->pace = NULL;
	free(vport->marks);
	vport->marks = NULL;
}

static void settle(struct vs *vs, const struct vs_model *m)
{
	if (vs_qos_state(vs) == NULL)
		return;
	pace_settle(vs, m);
	vs_qos_shape_settle(vs, m);
}

static void port_free(struct vs_qos_port *live)
{
	if (live == NULL)
		return;
	vs_qos_shape_free(live);
	dp_pace_unref(live->pace);
	free(live);
}

static void port_gone(struct vs *vs, uint16_t id)
{
	struct vs_qos_state *s = vs_qos_state(vs);

	if (s == NULL)
		return;
	dp_shapers_port_gone(vs->dp, id);
	port_free(s->of[id]);
	s->of[id] = NULL;
}

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

	for (unsigned id = 0; id < DP_MAX_PORTS; id++)
		port_free(s->of[id]);
	vs_qos_shares_free(s);
	free(s);
}

static void tick(struct vs *vs)
{
	struct vs_qos_state *s = vs_qos_state(vs);

	if (++s->ticks % LOOK_TICKS != 0)
		return;
	vs_qos_shape_links(vs);
	vs_qos_watch(vs);
}

const struct vs_policy vs_policy_qos = {
	.read = vs_qos_read,
	.forget = free,
	.create = create,
	.destroy = destroy,
	.need = need,
	.restore = vs_qos_shape_restore,
	.compile = compile,
	.release = release,
	.settle = settle,
	.port_gone = port_gone,
	.tick = tick,
};
