/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See vtep.h: from the model to what workers run.
 */
#include "vswitch/vtep.h"

#include "vswitch/flows.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

void vs_overlay_release(struct dp_vport *vp)
{
	if (vp->vtep != NULL) {
		free((void *)(uintptr_t)vp->vtep->any);
		free((void *)(uintptr_t)vp->vtep->matches);
		free((void *)(uintptr_t)vp->vtep);
	}
	if (vp->tunnel != NULL) {
		free((void *)(uintptr_t)vp->tunnel->key_of_vlan);
		free((void *)(uintptr_t)vp->tunnel->remotes);
		free((void *)(uintptr_t)vp->tunnel);
	}
}

/* The tenants' ids by what stands for them on this port. */
static uint32_t *keys_of(const struct vs_port *p)
{
	uint32_t *keys = calloc(DP_VLANS, sizeof(*keys));

	for (unsigned i = 0; keys != NULL && i < p->n_shared; i++)
		keys[p->shared[i].vlan] = p->shared[i].tenant->id;
	return keys;
}

static int compile_tunnel(const struct vs *vs, const struct vs_port *p, struct dp_vport *vp)
{
	const struct vs_overlay *o = p->overlay;
	struct dp_overlay *t = malloc(sizeof(*t));
	struct dp_ip *remotes = calloc(o->tunnel.n_remotes + 1u, sizeof(*remotes));
	bool tenants = o->tunnel.key_mode == DP_TUNNEL_KEY_TENANT;

	if (t == NULL || remotes == NULL) {
		free(t);
		free(remotes);
		return -ENOMEM;
	}
	memcpy(remotes, o->remotes, o->tunnel.n_remotes * sizeof(*remotes));
	*t = o->tunnel;
	t->vtep = vs_port_id(vs, o->vtep->name);
	t->remotes = remotes;
	t->key_of_vlan = tenants ? keys_of(p) : NULL;
	vp->tunnel = t;
	if (!tenants)
		return 0;
	/* It is no tenant's, not even the switch's own. */
	if (vp->wire != NULL)
		vp->domain = DP_NO_DOMAIN;
	return t->key_of_vlan != NULL ? 0 : -ENOMEM;
}

void vs_overlay_forget(struct vs *vs, uint16_t id)
{
	for (unsigned i = 0; i < DP_MAX_PORTS; i++) {
		struct dp_learned *l =
			vs->live[i].port != NULL ? dp_port_learned(vs->live[i].port) : NULL;

		if (l != NULL)
			dp_learned_forget(l, id);
	}
}

uint8_t vs_overlay_asks(const struct vs_port *p)
{
	uint8_t asks = 0;

	if (!vs_is_tunnel(p))
		return 0;
	if (p->overlay->tunnel.key_mode == DP_TUNNEL_KEY_FLOW)
		asks |= VS_PORT_FLOW_KEY;
	if (p->overlay->tunnel.remote_flow)
		asks |= VS_PORT_FLOW_REMOTE;
	return asks;
}

/* ---- What comes to a VTEP ---- */

static bool leaves_by(const struct vs_port *p, const struct vs_port *vtep)
{
	return vs_is_tunnel(p) && p->overlay->vtep == vtep;
}

static unsigned count_keys(const struct vs_model *m, const struct vs_port *vtep)
{
	unsigned n = 0;

	for (unsigned i = 0; i < m->n_ports; i++)
		if (leaves_by(&m->ports[i], vtep))
			n += 1 + m->ports[i].n_shared;
	return n;
}

static void put_match(struct dp_tunnel_match *matches, uint32_t mask, enum dp_tunnel_type type,
		      uint32_t vni, uint16_t port, uint16_t vlan)
{
	uint32_t key = dp_tunnel_match_key(type, vni), i = dp_tunnel_match_slot(key, mask);

	while (matches[i].key != 0)
		i = (i + 1) & mask;
	matches[i] = (struct dp_tunnel_match){key, port, vlan};
}

/* A tunnel port's keys go into the table of its VTEP, but for those that take any. */
static void put_port(const struct vs *vs, struct dp_vtep *v, struct dp_tunnel_match *matches,
		     uint16_t *any, const struct vs_port *p)
{
	const struct dp_overlay *t = &p->overlay->tunnel;
	enum dp_tunnel_type type = (enum dp_tunnel_type)t->type;
	uint16_t id = vs_port_id(vs, p->name);

	switch ((enum dp_tunnel_key)t->key_mode) {
	case DP_TUNNEL_KEY_FIXED:
		put_match(matches, v->mask, type, t->key, id, DP_NO_VLAN);
		break;
	case DP_TUNNEL_KEY_TENANT:
		for (unsigned i = 0; i < p->n_shared; i++)
			put_match(matches, v->mask, type, p->shared[i].tenant->id, id,
				  p->shared[i].vlan);
		break;
	case DP_TUNNEL_KEY_FLOW:
		any[v->n_any++] = id;
		break;
	}
}

static void put_udp(struct dp_vtep *v, const struct dp_overlay *t)
{
	if (t->type == DP_TUN_NVGRE)
		return;
	for (unsigned i = 0; i < v->n_udp; i++)
		if (v->udp[i].port == t->udp_port)
			return;
	if (v->n_udp < DP_VTEP_MAX_UDP)
		v->udp[v->n_udp++] = (struct dp_tunnel_udp){t->udp_port, t->type};
}

/* Ports with remotes of their own come before those that take from anybody. */
static void put_all(const struct vs *vs, const struct vs_model *m, const struct vs_port *vtep,
		    struct dp_vtep *v, struct dp_tunnel_match *matches, uint16_t *any)
{
	for (int anybody = 0; anybody < 2; anybody++) {
		for (unsigned i = 0; i < m->n_ports; i++) {
			const struct vs_port *p = &m->ports[i];

			if (!leaves_by(p, vtep) || p->overlay->tunnel.remote_flow != (anybody != 0))
				continue;
			put_port(vs, v, matches, any, p);
			put_udp(v, &p->overlay->tunnel);
		}
	}
}

static int compile_vtep(const struct vs *vs, const struct vs_model *m, const struct vs_port *p,
			struct dp_vport *vp)
{
	const struct vs_overlay *o = p->overlay;
	unsigned n = count_keys(m, p), size = 2;
	struct dp_tunnel_match *matches;
	struct dp_vtep *v = calloc(1, sizeof(*v));
	uint16_t *any = calloc(n + 1, sizeof(*any));

	while (size < 2 * n)
		size *= 2;
	matches = calloc(size, sizeof(*matches));
	if (v == NULL || any == NULL || matches == NULL) {
		free(v);
		free(any);
		free(matches);
		return -ENOMEM;
	}
	*v = (struct dp_vtep){.port = vp->id,
			      .mtu = p->mtu,
			      .mac = o->mac,
			      .v4 = o->v4,
			      .v6 = o->v6,
			      .neighs = vp->port != NULL ? dp_port_neighs(vp->port) : NULL,
			      .any = any,
			      .mask = size - 1,
			      .matches = matches};
	put_all(vs, m, p, v, matches, any);
	vp->vtep = v;
	if (v->neighs != NULL)
		(void)dp_neighs_set_static(v->neighs, o->neighbors, o->n_neighbors);
	return 0;
}

int vs_overlays_compile(struct vs *vs, const struct vs_model *m, struct dp_view *view)
{
	for (unsigned i = 0; i < m->n_ports; i++) {
		const struct vs_port *p = &m->ports[i];
		uint16_t id = p->overlay != NULL ? vs_port_id(vs, p->name) : DP_NO_PORT;
		int rc = 0;

		if (id == DP_NO_PORT)
			continue;
		if (p->kind == VS_VTEP)
			rc = compile_vtep(vs, m, p, view->vports[id]);
		else
			rc = compile_tunnel(vs, p, view->vports[id]);
		if (rc != 0)
			return rc;
	}
	return 0;
}
