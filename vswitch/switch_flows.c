/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See switch_flows.h.
 */
#include "vswitch/switch_flows.h"
#include "vswitch/vtep.h"

#include "ctl/base/clock.h"
#include "vswitch/agent.h"
#include "vswitch/controllers.h"
#include "vswitch/packet_buffer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct vs_switch_rules *find(const struct vs *vs, const char *sw)
{
	for (unsigned i = 0; i < VS_MAX_RULED; i++)
		if (vs->ruled[i].flows != NULL && strcmp(vs->ruled[i].sw, sw) == 0)
			return (struct vs_switch_rules *)(uintptr_t)&vs->ruled[i];
	return NULL;
}

struct vs_flows *vs_switch_flows(const struct vs *vs, const char *sw)
{
	const struct vs_switch_rules *r = find(vs, sw);

	return r != NULL ? r->flows : NULL;
}

struct vs_agent *vs_switch_agent(const struct vs *vs, const char *sw)
{
	const struct vs_switch_rules *r = find(vs, sw);

	return r != NULL ? r->agent : NULL;
}

const struct dp_pipeline *vs_switch_pipeline(const struct vs *vs, const char *sw)
{
	const struct vs_switch_rules *r = find(vs, sw);

	return r != NULL ? vs_flows_pipeline(r->flows) : NULL;
}

const char *vs_switch_of_pipeline(const struct vs *vs, uint64_t pipeline)
{
	for (unsigned i = 0; i < VS_MAX_RULED; i++)
		if (vs->ruled[i].flows != NULL &&
		    dp_pipeline_id(vs_flows_pipeline(vs->ruled[i].flows)) == pipeline)
			return vs->ruled[i].sw;
	return NULL;
}

/* The rule that every switch starts with (design: one rule, NORMAL). */
static int add_normal(struct vs_flows *flows)
{
	const struct of_action normal = {.type = OF_ACT_OUTPUT, .output = {.port = OFPP_NORMAL}};
	struct of_flow_mod mod = {.command = OFPFC_ADD};
	enum of_error error = OF_ERROR_NO_MEMORY;

	if (of_actions_add(&mod.instrs.apply, &normal)) {
		of_instrs_mark(&mod.instrs, OFPIT_APPLY_ACTIONS);
		vs_flows_begin(flows);
		error = vs_flows_mod(flows, &mod);
		vs_flows_commit(flows);
	}
	of_instrs_fini(&mod.instrs);
	return error == OF_OK ? 0 : -ENOMEM;
}

static void flow_removed(void *agent, const struct vs_rule *rule,
			 const struct dp_flow_counts *counts, uint64_t duration_ms)
{
	vs_agent_flow_removed(agent, rule, counts, duration_ms);
}

/* The rules first: they tell the agent of their end. */
static void unmake(struct vs_switch_rules *r)
{
	vs_flows_destroy(r->flows);
	vs_agent_destroy(r->agent);
	r->agent = NULL;
	r->flows = NULL;
}

static int make(struct vs *vs, struct vs_switch_rules *r, const char *sw)
{
	int rc = vs_agent_create(vs, sw, &r->agent);

	if (rc == 0)
		rc = vs_flows_create(vs->dp, flow_removed, r->agent, &r->flows);
	if (rc != 0) {
		unmake(r);
		return rc;
	}
	r->agent->flows = r->flows;
	snprintf(r->sw, sizeof(r->sw), "%s", sw);
	r->agent->datapath_id = vs_datapath_id(vs_model_switch(vs->model, sw));
	if (!vs_controllers_start_empty(vs, sw))
		rc = add_normal(r->flows);
	if (rc == 0) {
		vs_switch_flows_sync(vs);
		rc = vs_republish(vs);
	}
	if (rc != 0)
		unmake(r);
	return rc;
}

int vs_switch_flows_need(struct vs *vs, const char *sw, struct vs_flows **ret_flows,
			 struct err *err)
{
	struct vs_switch_rules *r = find(vs, sw);
	int rc = 0;

	if (r == NULL) {
		for (unsigned i = 0; i < VS_MAX_RULED && r == NULL; i++)
			if (vs->ruled[i].flows == NULL)
				r = &vs->ruled[i];
		rc = r == NULL ? -ENOSPC : make(vs, r, sw);
	}
	if (rc != 0)
		return err_set(err, rc, "no-memory", "no memory for the flow tables of switch '%s'",
			       sw);
	*ret_flows = r->flows;
	return 0;
}

/* Up, with a link: what groups that watch ports want to know. */
static bool is_live(const struct vs *vs, const struct vs_port *p, uint16_t id)
{
	struct dp_port *port = vs->live[id].port;

	return p->up && vs->held[id] == 0 && port != NULL &&
	       (port->ops->link == NULL || atomic_load(&port->link_up));
}

void vs_switch_flows_links(struct vs *vs)
{
	const struct vs_switch *sw = NULL;
	struct vs_flows *flows = NULL;

	for (unsigned i = 0; vs->port_ids != NULL && i < vs->model->n_ports; i++) {
		const struct vs_port *p = &vs->model->ports[i];
		uint16_t id = vs->port_ids[i];

		if (p->sw != sw)
			flows = vs_switch_flows(vs, p->sw->name);
		sw = p->sw;
		if (flows != NULL && id != DP_NO_PORT)
			vs_flows_port_live(flows, vs->live[id].number, is_live(vs, p, id));
	}
}

static void sync_ports(struct vs *vs, struct vs_switch_rules *r)
{
	uint64_t there[VS_MAX_OF_PORT / 64 + 1] = {0};
	unsigned n_hosts = 0;
	uint16_t host = DP_NO_PORT, top = 0;

	for (unsigned i = 0; i < vs->model->n_ports; i++) {
		const struct vs_port *p = &vs->model->ports[i];
		uint16_t id = vs_port_id(vs, p->name), number;

		if (id == DP_NO_PORT || strcmp(p->sw->name, r->sw) != 0)
			continue;
		number = vs->live[id].number;
		there[number / 64] |= UINT64_C(1) << (number % 64);
		top = number > top ? number : top;
		vs_flows_port(r->flows, number, id);
		vs_flows_port_asks(r->flows, number, vs_overlay_asks(p));
		if (p->kind == VS_HOST && ++n_hosts == 1)
			host = id;
	}
	/* LOCAL is the host, where it is one port. */
	vs_flows_port(r->flows, OFPP_LOCAL, n_hosts == 1 ? host : DP_NO_PORT);
	for (unsigned number = 1; number <= r->top; number++)
		if ((there[number / 64] >> (number % 64) & 1) == 0)
			vs_flows_port(r->flows, number, DP_NO_PORT);
	r->top = top;
}

void vs_switch_flows_sync(struct vs *vs)
{
	for (unsigned i = 0; i < VS_MAX_RULED; i++) {
		struct vs_switch_rules *r = &vs->ruled[i];
		const struct vs_switch *sw;

		if (r->flows == NULL)
			continue;
		sw = vs_model_switch(vs->model, r->sw);
		if (sw != NULL) {
			vs_flows_limit_punts(r->flows, sw->controller_limit);
			sync_ports(vs, r);
			vs_agent_look_at_ports(r->agent);
			continue;
		}
		unmake(r);
	}
	vs_switch_flows_links(vs);
}

void vs_switch_flows_tick(struct vs *vs)
{
	vs_switch_flows_links(vs);
	for (unsigned i = 0; i < VS_MAX_RULED; i++)
		if (vs->ruled[i].flows != NULL) {
			vs_flows_reap(vs->ruled[i].flows);
			vs_agent_look_at_ports(vs->ruled[i].agent);
			vs_packet_buffers_age(vs->ruled[i].agent->buffers,
					      clock_mono_ns() / 1000000);
		}
}

void vs_switch_flows_fini(struct vs *vs)
{
	for (unsigned i = 0; i < VS_MAX_RULED; i++)
		unmake(&vs->ruled[i]);
}
