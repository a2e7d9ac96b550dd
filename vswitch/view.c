/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Compiles the model into the view that workers run.  Everything that isolates (tenants, VLANs,
 * private VLANs, switches) becomes two things here: a domain number and a set of VLANs per port;
 * verify.c proves the result, not this code.
 */
#include "vswitch/vs.h"

#include "dataplane/flood.h"
#include "vswitch/filters.h"
#include "vswitch/of/port.h"
#include "vswitch/queues.h"
#include "vswitch/switch_flows.h"
#include "vswitch/vtep.h"

#include <stdlib.h>
#include <string.h>

#include <rte_byteorder.h>
#include <rte_cycles.h>

static void free_view(struct dp_view *view)
{
	for (unsigned i = 0; i < DP_MAX_PORTS; i++) {
		if (view->vports[i] == NULL)
			continue;
		free((void *)(uintptr_t)view->vports[i]->wire);
		vs_overlay_release(view->vports[i]);
		vs_queues_release(view->vports[i]);
		vs_filters_release(view->vports[i]);
		vs_policies_release(view->vports[i]);
		free(view->vports[i]);
	}
	for (unsigned i = 0; i < DP_MAX_DOMAINS; i++) {
		if (view->domains[i] == NULL)
			continue;
		free((void *)(uintptr_t)view->domains[i]->ports);
		free((void *)(uintptr_t)view->domains[i]->fdb_vlan);
		free(view->domains[i]);
	}
	free(view);
}

static void set_access(struct dp_vport *vp, uint16_t vlan)
{
	vp->flags |= DP_VP_UNTAGGED_IN;
	vp->pvid = vlan;
	dp_vlan_add(vp->vlan_out, vlan);
}

static void set_trunk(struct dp_vport *vp, const struct vs_vlan *v)
{
	vp->flags |= DP_VP_UNTAGGED_IN | DP_VP_TAGGED_IN | DP_VP_TAG_OUT;
	vp->pvid = v->native;
	vp->native_out = v->native;
	memcpy(vp->vlan_in, v->allowed, sizeof(vp->vlan_in));
	memcpy(vp->vlan_out, v->allowed, sizeof(vp->vlan_out));
	dp_vlan_add(vp->vlan_out, v->native);
}

static uint16_t first_of(const uint64_t *set)
{
	for (unsigned i = 0; i < DP_VLAN_WORDS; i++)
		if (set[i] != 0)
			return (uint16_t)(i * 64 + (unsigned)__builtin_ctzll(set[i]));
	return 0;
}

static void set_vlan(struct dp_vport *vp, const struct vs_vlan *v)
{
	vp->native_out = DP_NO_VLAN;
	vp->tpid_out = rte_cpu_to_be_16(v->tpid);
	switch (v->mode) {
	case VS_TUNNEL:
		vp->flags |= DP_VP_TUNNEL;
		set_access(vp, v->vlan);
		break;
	case VS_ACCESS:
		set_access(vp, v->vlan);
		break;
	case VS_TRUNK:
		set_trunk(vp, v);
		break;
	case VS_ISOLATED:
		vp->flags |= DP_VP_PRIVATE;
		set_access(vp, v->vlan);
		vp->pvid = first_of(v->secondary);
		break;
	case VS_COMMUNITY:
		vp->flags |= DP_VP_PRIVATE;
		set_access(vp, v->vlan);
		vp->pvid = first_of(v->secondary);
		dp_vlan_add(vp->vlan_out, vp->pvid);
		break;
	case VS_PROMISCUOUS:
		set_access(vp, v->vlan);
		for (unsigned i = 0; i < DP_VLAN_WORDS; i++)
			vp->vlan_out[i] |= v->secondary[i];
		break;
	}
}

static struct dp_wire_map *wire_map(struct vs *vs, const struct vs_port *p)
{
	struct dp_wire_map *map = malloc(sizeof(*map));

	if (map == NULL)
		return NULL;
	memset(map, 0xff, sizeof(*map)); /* DP_NO_DOMAIN, DP_NO_VLAN */
	for (unsigned i = 0; i < p->n_shared; i++) {
		uint16_t domain = vs_domain_id(vs, p->sw->name, p->shared[i].tenant->name);

		map->domain_of_vlan[p->shared[i].vlan] = domain;
		map->vlan_of_domain[domain] = p->shared[i].vlan;
	}
	return map;
}

static struct dp_vport *compile_port(struct vs *vs, const struct vs_port *p, uint16_t id)
{
	const struct vs_live *live = &vs->live[id];
	struct dp_vport *vp = aligned_alloc(64, sizeof(*vp));

	if (vp == NULL)
		return NULL;
	memset(vp, 0, sizeof(*vp));
	vp->id = id;
	vp->port = live->port;
	vp->domain = vs_domain_id(vs, p->sw->name, p->tenant != NULL ? p->tenant->name : NULL);
	vp->of_port = live->number;
	vp->flags = DP_VP_LEARN | DP_VP_FLOOD_GROUP;
	if (p->up && live->port != NULL && (live->of_config & OFPPC_PORT_DOWN) == 0)
		vp->flags |= DP_VP_UP;
	if ((live->of_config & OFPPC_NO_RECV) != 0)
		vp->flags |= DP_VP_NO_RECV;
	if ((live->of_config & OFPPC_NO_FWD) != 0)
		vp->flags |= DP_VP_NO_FWD;
	if ((live->of_config & OFPPC_NO_PACKET_IN) != 0)
		vp->flags |= DP_VP_NO_PACKET_IN;
	if (p->flood)
		vp->flags |= DP_VP_FLOOD;
	if (p->bpdu)
		vp->flags |= DP_VP_BPDU;
	if (vs->held[id] != 0)
		vp->flags |= DP_VP_HELD;
	if (p->kind == VS_HOST || live->reaches_host)
		vp->flags |= DP_VP_REACHES_HOST;
	if (vs_is_uplink(p))
		vp->flags |= DP_VP_REACHES_WIRE;
	vp->mac_limit = p->mac_limit;
	vp->max_frame = (uint16_t)(p->mtu + 14);
	vp->pipeline = vs_switch_pipeline(vs, p->sw->name);
	if (p->team != NULL) {
		/* Nothing goes in or out by it but through its team, which teams.c adds. */
		vp->flags = DP_VP_REACHES_WIRE;
		vp->native_out = DP_NO_VLAN;
		return vp;
	}
	set_vlan(vp, &p->vlan);
	if (p->n_shared != 0) {
		vp->wire = wire_map(vs, p);
		if (vp->wire == NULL) {
			free(vp);
			return NULL;
		}
	}
	return vp;
}

/* Takes part in the floods of the domain? */
static bool member(const struct dp_vport *vp, uint16_t domain)
{
	return vp != NULL && (vp->domain == domain ||
			      (vp->wire != NULL && vp->wire->vlan_of_domain[domain] != DP_NO_VLAN));
}

static int list_members(const struct dp_view *view, struct dp_domain *d)
{
	uint16_t *ports;
	uint16_t n = 0;

	for (uint16_t i = 0; i < view->n_vports; i++)
		n += member(view->vports[i], d->id);
	ports = calloc((size_t)n + 1, sizeof(*ports));
	if (ports == NULL)
		return -1;
	d->ports = ports;
	for (uint16_t i = 0; i < view->n_vports; i++)
		if (member(view->vports[i], d->id))
			ports[d->n_ports++] = i;
	return 0;
}

/* Secondaries learn on their primary. */
static int map_pvlans(const struct vs_model *model, const struct vs_domain_live *live,
		      struct dp_domain *d)
{
	uint16_t *map = NULL;

	for (unsigned i = 0; i < model->n_ports; i++) {
		const struct vs_port *p = &model->ports[i];

		if (p->vlan.mode < VS_ISOLATED || strcmp(p->sw->name, live->sw) != 0 ||
		    strcmp(p->tenant != NULL ? p->tenant->name : "", live->tenant) != 0)
			continue;
		if (map == NULL) {
			map = calloc(DP_VLANS, sizeof(*map));
			if (map == NULL)
				return -1;
			for (unsigned v = 0; v < DP_VLANS; v++)
				map[v] = (uint16_t)v;
			d->fdb_vlan = map;
		}
		for (unsigned v = 1; v < DP_VLANS; v++)
			if (dp_vlan_test(p->vlan.secondary, (uint16_t)v))
				map[v] = p->vlan.vlan;
	}
	return 0;
}

static uint16_t index_of_switch(const struct vs_model *model, const char *name)
{
	const struct vs_switch *sw = vs_model_switch(model, name);

	return sw != NULL ? (uint16_t)(sw - model->switches) : UINT16_MAX;
}

static uint16_t index_of_tenant(const struct vs_model *model, const char *name)
{
	const struct vs_tenant *t = vs_model_tenant(model, name);

	return t != NULL ? (uint16_t)(t - model->tenants) : UINT16_MAX;
}

static struct dp_domain *compile_domain(struct vs *vs, const struct vs_model *model,
					const struct dp_view *view, uint16_t id)
{
	const struct vs_domain_live *live = &vs->domains[id];
	const struct vs_tenant *tenant = vs_model_tenant(model, live->tenant);
	const struct vs_switch *sw = vs_model_switch(model, live->sw);
	struct dp_domain *d = calloc(1, sizeof(*d));

	if (d == NULL)
		return NULL;
	d->id = id;
	d->switch_index = index_of_switch(model, live->sw);
	d->tenant_index = index_of_tenant(model, live->tenant);
	d->mac_limit = tenant != NULL && tenant->mac_limit != 0 ? tenant->mac_limit
		       : sw != NULL				? sw->mac_limit
								: 0;
	d->flow_limit = tenant != NULL ? tenant->flow_limit : 0;
	d->flood_limit = live->flood;
	if (list_members(view, d) != 0 || map_pvlans(model, live, d) != 0) {
		free((void *)(uintptr_t)d->ports);
		free(d);
		return NULL;
	}
	return d;
}

/* The ids of the model's ports; malloc'ed. */
static uint16_t *ids_of(const struct vs *vs, const struct vs_model *model)
{
	uint16_t *ids = calloc((size_t)model->n_ports + 1, sizeof(*ids));

	for (unsigned i = 0; ids != NULL && i < model->n_ports; i++)
		ids[i] = vs_port_id(vs, model->ports[i].name);
	return ids;
}

struct dp_view *vs_view_compile(struct vs *vs, const struct vs_model *model)
{
	struct dp_view *view = calloc(1, sizeof(*view));
	uint16_t *ids = ids_of(vs, model);

	if (view == NULL || ids == NULL || vs_of_ports_assign(vs, model, ids) != 0) {
		free(view);
		free(ids);
		return NULL;
	}
	view->destroy = free_view;
	view->version = ++vs->view_version;
	for (unsigned i = 0; i < model->n_ports; i++) {
		uint16_t id = ids[i];

		if (id == DP_NO_PORT)
			continue;
		view->vports[id] = compile_port(vs, &model->ports[i], id);
		if (view->vports[id] == NULL)
			goto fail;
		if (id >= view->n_vports)
			view->n_vports = (uint16_t)(id + 1);
	}
	for (uint16_t id = 0; id < DP_MAX_DOMAINS; id++) {
		if (!vs->domains[id].used)
			continue;
		view->domains[id] = compile_domain(vs, model, view, id);
		if (view->domains[id] == NULL)
			goto fail;
		if (id >= view->n_domains)
			view->n_domains = (uint16_t)(id + 1);
	}
	if (vs_overlays_compile(vs, model, view) != 0 ||
	    vs_queues_compile(vs, model, ids, view) != 0 ||
	    vs_filters_compile(vs, model, ids, view) != 0 ||
	    vs_policies_compile(vs, model, ids, view) != 0)
		goto fail;
	free(ids);
	return view;
fail:
	free(ids);
	free_view(view);
	return NULL;
}
