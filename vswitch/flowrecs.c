/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What runs of flow records follows what is configured; ports are given their part.  See
 * flowrecs.h.
 */
#include "vswitch/flowrecs_priv.h"

#include "ctl/base/clock.h"
#include "vswitch/policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NO_POOL	      UINT64_MAX
#define TOLD_AGAIN_NS 30000000000ull /* events of a collector that comes and goes */

/* ---- Exporters ---- */

static struct exporter *find(struct exporter *list, const char *name)
{
	while (list != NULL && strcmp(list->name, name) != 0)
		list = list->next;
	return list;
}

static void on_open(void *ctx, struct vs_collector *c)
{
	struct session *s = ctx;

	s->sequence = 0;
	s->greet = true;
}

static int session_add(struct exporter *x, const struct vs_collector_address *to)
{
	struct session *s = calloc(1, sizeof(*s));

	if (s == NULL)
		return -ENOMEM;
	s->owner = x;
	s->well = true;
	if (vs_collector_create(x->vs->opts.base, to, on_open, s, &s->collector) != 0) {
		free(s);
		return -ENOMEM;
	}
	x->sessions[x->n_sessions++] = s;
	return 0;
}

static void session_end(struct session *s)
{
	vs_collector_destroy(s->collector);
	free(s);
}

static void exporter_free(struct exporter *x)
{
	for (unsigned i = 0; i < x->n_sessions; i++)
		session_end(x->sessions[i]);
	dp_flowrec_set_destroy(x->next_set);
	dp_flowrec_set_destroy(x->set);
	dp_sampler_destroy(x->sampler);
	free(x->sequences);
	free(x->pool_base);
	free(x);
}

static int parts_create(struct exporter *x, const struct vs_exporter *e, bool samples)
{
	int rc;

	if (!samples)
		return dp_flowrec_set_create(x->vs->dp, &e->flows, &x->set);
	x->at_port = UINT32_MAX;
	x->sequences = calloc(2 * DP_MAX_PORTS, sizeof(*x->sequences));
	x->pool_base = malloc(DP_MAX_PORTS * sizeof(*x->pool_base));
	rc = x->sequences != NULL && x->pool_base != NULL
		     ? dp_sampler_create(x->vs->dp, e->rate, e->head, &x->sampler)
		     : -ENOMEM;
	for (unsigned i = 0; rc == 0 && i < DP_MAX_PORTS; i++)
		x->pool_base[i] = NO_POOL;
	return rc;
}

static int exporter_create(struct vs *vs, const struct vs_exporter *e, bool samples,
			   struct exporter **list, struct err *err)
{
	struct exporter *x = calloc(1, sizeof(*x));
	int rc = -ENOMEM;

	if (x != NULL) {
		x->vs = vs;
		x->created_ns = clock_mono_ns();
		snprintf(x->name, sizeof(x->name), "%s", e->name);
		rc = parts_create(x, e, samples);
		for (unsigned i = 0; rc == 0 && i < e->n_collectors; i++)
			rc = session_add(x, &e->collectors[i]);
	}
	if (rc != 0) {
		if (x != NULL)
			exporter_free(x);
		err_set(err, rc, "no-memory", "%s %s: no memory for its tables",
			samples ? "sflow" : "ipfix", e->name);
		err_why(err, "each worker needs 170 bytes for each flow");
		err_fix(err, "choose fewer --max-flows");
		err_about(err, samples ? "sflow" : "ipfix", e->name);
		return rc;
	}
	x->next = *list;
	*list = x;
	return 0;
}

/* A table of another size is another table. */
static int resize(struct exporter *x, const struct vs_exporter *e, struct err *err)
{
	int rc;

	if (dp_flowrec_set_holds(x->set, e->flows.max_flows) ||
	    (x->next_set != NULL && dp_flowrec_set_holds(x->next_set, e->flows.max_flows)))
		return 0;
	dp_flowrec_set_destroy(x->next_set);
	x->next_set = NULL;
	rc = dp_flowrec_set_create(x->vs->dp, &e->flows, &x->next_set);
	if (rc == 0)
		return 0;
	err_set(err, rc, "no-memory", "ipfix %s: no memory for its tables", e->name);
	err_fix(err, "choose fewer --max-flows");
	err_about(err, "ipfix", e->name);
	return rc;
}

static struct dp_flowrec_set *set_of(struct exporter *x, const struct vs_exporter *e)
{
	if (x->next_set != NULL && !dp_flowrec_set_holds(x->set, e->flows.max_flows))
		return x->next_set;
	return x->set;
}

static int need(struct vs *vs, const struct vs_model *m, bool starting, struct err *err)
{
	const struct vs_flowrec_conf *conf = vs_flowrec_conf(m);
	struct live *live = flowrec_live(vs);
	int rc = 0;

	for (unsigned i = 0; conf != NULL && rc == 0 && i < conf->n_exporters; i++) {
		const struct vs_exporter *e = &conf->exporters[i];
		struct exporter *x = find(live->exporters, e->name);

		rc = x != NULL ? resize(x, e, err)
			       : exporter_create(vs, e, false, &live->exporters, err);
	}
	for (unsigned i = 0; conf != NULL && rc == 0 && i < conf->n_samplers; i++)
		if (find(live->samplers, conf->samplers[i].name) == NULL)
			rc = exporter_create(vs, &conf->samplers[i], true, &live->samplers, err);
	return rc;
}

/* ---- Views ---- */

static int give(struct dp_vport *vport, struct dp_flowrec **ret)
{
	if (vport->flowrec == NULL)
		vport->flowrec = calloc(1, sizeof(*vport->flowrec));
	*ret = vport->flowrec;
	return *ret != NULL ? 0 : -ENOMEM;
}

static int hang(struct vs *vs, const struct vs_exporter *e, struct exporter *x,
		const struct vs_port *p, struct dp_vport *vport)
{
	struct dp_flowrec *rec;
	uint16_t domain;

	if (x == NULL || !vs_flowrec_sees(vs, e, p, &domain))
		return 0;
	if (give(vport, &rec) != 0)
		return -ENOMEM;
	if (x->sampler != NULL && rec->n_samplers < DP_FLOWREC_MAX) {
		rec->samplers[rec->n_samplers].sampler = x->sampler;
		rec->samplers[rec->n_samplers++].domain = domain;
	} else if (x->set != NULL && rec->n_sets < DP_FLOWREC_MAX) {
		rec->sets[rec->n_sets].set = set_of(x, e);
		rec->sets[rec->n_sets++].domain = domain;
	}
	return 0;
}

static int compile(struct vs *vs, const struct vs_model *m, const uint16_t *ids,
		   struct dp_view *view)
{
	const struct vs_flowrec_conf *conf = vs_flowrec_conf(m);
	struct live *live = flowrec_live(vs);
	int rc = 0;

	for (unsigned i = 0; conf != NULL && rc == 0 && i < m->n_ports; i++) {
		const struct vs_port *p = &m->ports[i];

		if (ids[i] == DP_NO_PORT)
			continue;
		for (unsigned k = 0; rc == 0 && k < conf->n_exporters; k++)
			rc = hang(vs, &conf->exporters[k],
				  find(live->exporters, conf->exporters[k].name), p,
				  view->vports[ids[i]]);
		for (unsigned k = 0; rc == 0 && k < conf->n_samplers; k++)
			rc = hang(vs, &conf->samplers[k],
				  find(live->samplers, conf->samplers[k].name), p,
				  view->vports[ids[i]]);
	}
	return rc;
}

static void release(struct dp_vport *vport)
{
	free(vport->flowrec);
	vport->flowrec = NULL;
}

/* ---- What was needed is what runs ---- */

static bool has(const struct vs_exporter *e, const struct vs_collector_address *to)
{
	for (unsigned i = 0; i < e->n_collectors; i++)
		if (strcmp(e->collectors[i].text, to->text) == 0)
			return true;
	return false;
}

static void drop_sessions(struct exporter *x, const struct vs_exporter *e)
{
	unsigned n = 0;

	for (unsigned i = 0; i < x->n_sessions; i++) {
		if (has(e, vs_collector_address(x->sessions[i]->collector)))
			x->sessions[n++] = x->sessions[i];
		else
			session_end(x->sessions[i]);
	}
	x->n_sessions = n;
}

static void follow_sessions(struct exporter *x, const struct vs_exporter *e)
{
	drop_sessions(x, e);
	for (unsigned i = 0; i < e->n_collectors; i++) {
		bool there = false;

		for (unsigned k = 0; k < x->n_sessions; k++)
			there |= strcmp(vs_collector_address(x->sessions[k]->collector)->text,
					e->collectors[i].text) == 0;
		if (!there && session_add(x, &e->collectors[i]) != 0)
			vs_event(x->vs, "flow-records", NULL, "no memory for collector %s of %s",
				 e->collectors[i].text, x->name);
	}
}

static void follow_sets(struct exporter *x, const struct vs_exporter *e)
{
	if (x->next_set != NULL && set_of(x, e) == x->next_set) {
		flowrec_export_rest(x);
		dp_flowrec_set_destroy(x->set);
		x->set = x->next_set;
	} else {
		dp_flowrec_set_destroy(x->next_set);
	}
	x->next_set = NULL;
	dp_flowrec_set_change(x->set, &e->flows);
}

static void follow(struct exporter *x, const struct vs_exporter *e)
{
	follow_sessions(x, e);
	if (x->set != NULL)
		follow_sets(x, e);
	else
		dp_sampler_change(x->sampler, e->rate, e->head);
	x->domain_id = e->domain_id;
	x->sample = e->flows.sample;
	x->refresh_ns = (uint64_t)e->refresh_ms * 1000000u;
	x->rate = e->rate;
	x->counters_ns = (uint64_t)e->counters_ms * 1000000u;
	x->agent_given = e->agent_family != 0;
	x->agent.sub_agent = 0;
	if (x->agent_given) {
		x->agent.family = e->agent_family;
		memcpy(x->agent.address, e->agent, sizeof(e->agent));
	}
}

static const struct vs_exporter *conf_of(const struct vs_model *m, const struct exporter *x)
{
	return x->set != NULL ? vs_flowrec_exporter(m, x->name) : vs_flowrec_sampler(m, x->name);
}

static void settle_list(struct exporter **at, const struct vs_model *m)
{
	while (*at != NULL) {
		struct exporter *x = *at;
		const struct vs_exporter *e = conf_of(m, x);

		if (e != NULL) {
			follow(x, e);
			at = &x->next;
			continue;
		}
		*at = x->next;
		if (x->set != NULL)
			flowrec_export_rest(x);
		exporter_free(x);
	}
}

/* Samplers of one agent are told apart by a number: collectors count each one's datagrams. */
static void number_samplers(struct exporter *x, const struct vs_flowrec_conf *conf)
{
	for (; x != NULL; x = x->next)
		for (unsigned i = 0; conf != NULL && i < conf->n_samplers; i++)
			if (strcmp(conf->samplers[i].name, x->name) == 0)
				x->agent.sub_agent = i;
}

static void settle(struct vs *vs, const struct vs_model *m)
{
	struct live *live = flowrec_live(vs);

	settle_list(&live->exporters, m);
	settle_list(&live->samplers, m);
	number_samplers(live->samplers, vs_flowrec_conf(m));
}

static void port_gone(struct vs *vs, uint16_t id)
{
	for (struct exporter *x = flowrec_live(vs)->samplers; x != NULL; x = x->next) {
		x->pool_base[id] = NO_POOL;
		x->sequences[id] = x->sequences[DP_MAX_PORTS + id] = 0;
	}
}

/* ---- Ticks ---- */

unsigned flowrec_send(struct exporter *x, const void *bytes, size_t size)
{
	unsigned n = 0;

	for (unsigned i = 0; i < x->n_sessions; i++)
		n += vs_collector_send(x->sessions[i]->collector, bytes, size);
	x->counts.messages++;
	x->counts.bytes += size;
	return n;
}

/* Said once when a collector can no longer be reached, and once when it can again. */
static void tell_health(struct exporter *x, struct session *s)
{
	bool well = vs_collector_is_well(s->collector);
	struct vs_collector_info info;
	const char *where = vs_collector_address(s->collector)->text;

	vs_collector_info(s->collector, &info);
	/* Without an error it has not been tried yet. */
	if (well == s->well || (!well && info.error[0] == '\0') ||
	    (s->told_ns != 0 && clock_mono_ns() - s->told_ns < TOLD_AGAIN_NS))
		return;
	s->well = well;
	s->told_ns = clock_mono_ns();
	if (well)
		vs_event(x->vs, "flow-records", NULL, "collector %s of %s is reached again", where,
			 x->name);
	else
		vs_event(x->vs, "flow-records", NULL, "collector %s of %s: %s", where, x->name,
			 info.error);
}

static void tick_list(struct exporter *x, void (*fn)(struct exporter *x))
{
	for (; x != NULL; x = x->next) {
		for (unsigned i = 0; i < x->n_sessions; i++)
			vs_collector_tick(x->sessions[i]->collector);
		fn(x);
		for (unsigned i = 0; i < x->n_sessions; i++)
			tell_health(x, x->sessions[i]);
	}
}

static void tick(struct vs *vs)
{
	struct live *live = flowrec_live(vs);

	tick_list(live->exporters, flowrec_export_tick);
	tick_list(live->samplers, flowrec_sflow_tick);
}

static int create(struct vs *vs, void **ret, struct err *err)
{
	struct live *live = calloc(1, sizeof(*live));

	if (live == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory");
	live->vs = vs;
	*ret = live;
	return 0;
}

static void destroy(struct vs *vs, void *arg)
{
	struct live *live = arg;
	struct exporter *lists[] = {live->exporters, live->samplers};

	for (unsigned i = 0; i < 2; i++) {
		while (lists[i] != NULL) {
			struct exporter *next = lists[i]->next;

			exporter_free(lists[i]);
			lists[i] = next;
		}
	}
	free(live);
}

/* ---- Asked from outside ---- */

bool vs_exporter_counts(const struct vs *vs, const char *name, struct vs_flowrec_counts *ret)
{
	const struct exporter *x = find(flowrec_live(vs)->exporters, name);
	struct dp_flowrec_stats s;

	if (x == NULL)
		return false;
	dp_flowrec_stats(x->set, &s);
	*ret = x->counts;
	ret->flows = s.flows;
	ret->flows_max = s.flows_max;
	ret->made = s.made;
	ret->packets = s.packets;
	ret->missed_packets = s.missed_packets;
	ret->missed_bytes = s.missed_bytes;
	ret->unknown_drops = s.unknown_drops;
	ret->memory = s.memory;
	return true;
}

bool vs_sampler_counts(const struct vs *vs, const char *name, struct vs_flowrec_counts *ret)
{
	const struct exporter *x = find(flowrec_live(vs)->samplers, name);

	if (x == NULL)
		return false;
	*ret = x->counts;
	ret->dropped = dp_sampler_dropped(x->sampler);
	return true;
}

static const struct vs_collector *collector(const struct exporter *x, unsigned i)
{
	return x != NULL && i < x->n_sessions ? x->sessions[i]->collector : NULL;
}

const struct vs_collector *vs_exporter_collector(const struct vs *vs, const char *name, unsigned i)
{
	return collector(find(flowrec_live(vs)->exporters, name), i);
}

const struct vs_collector *vs_sampler_collector(const struct vs *vs, const char *name, unsigned i)
{
	return collector(find(flowrec_live(vs)->samplers, name), i);
}

bool vs_exporter_flows(const struct vs *vs, const char *name, dp_flowrec_fn fn, void *arg)
{
	const struct exporter *x = find(flowrec_live(vs)->exporters, name);

	if (x != NULL)
		dp_flowrec_each(x->set, fn, arg);
	return x != NULL;
}

const struct vs_policy vs_policy_flowrec = {
	.read = vs_flowrec_read,
	.forget = vs_flowrec_forget,
	.create = create,
	.destroy = destroy,
	.need = need,
	.compile = compile,
	.release = release,
	.settle = settle,
	.port_gone = port_gone,
	.tick = tick,
};
