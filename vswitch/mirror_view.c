/* SPDX-License-Identifier: BSD-2-Clause
 *
 * From mirrors of the model to what hangs on ports: see mirrors.h.  A compiled mirror belongs to
 * the ports that name it, and goes with the last of them.
 */
#include "vswitch/mirrors.h"

#include "filters/capture_filter.h"
#include "vswitch/vs.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_mbuf.h>

struct compiled {
	struct dp_mirror m;
	unsigned refs;
	struct vs_mirror_program *program;
	char name[64];
	uint16_t ports[];
};

static void unref(struct compiled *c)
{
	if (c == NULL || --c->refs != 0)
		return;
	if (c->program != NULL)
		c->program->refs--;
	free(c);
}

/* ---- The filter, on workers ---- */

static __rte_noinline bool matches_chain(const void *program, const struct rte_mbuf *m)
{
	uint8_t scratch[FILTER_SCRATCH_SIZE];

	return filter_match_run(program, m, scratch);
}

static bool matches(const void *program, const struct rte_mbuf *m)
{
	return m->nb_segs == 1 ? filter_match_run(program, m, NULL) : matches_chain(program, m);
}

/* ---- One mirror ---- */

static void put_ports(struct compiled *c, const struct vs_mirror *mirror, const struct vs_model *m,
		      const uint16_t *ids, const struct dp_view *view)
{
	c->m.ports = c->ports;
	for (unsigned i = 0; mirror->kind == DP_MIRROR_TO_VLAN && i < m->n_ports; i++)
		if (ids[i] != DP_NO_PORT && view->vports[ids[i]] != NULL &&
		    vs_mirror_carries(mirror, &m->ports[i]))
			c->ports[c->m.n_ports++] = ids[i];
}

/* NULL with 0: need() could not make its filter. */
static int compile(struct vs *vs, const struct vs_model *m, const struct vs_mirror *mirror,
		   const uint16_t *ids, const struct dp_view *view, struct compiled **ret)
{
	struct vs_mirror_program *program =
		mirror->filter != NULL ? vs_mirror_program(vs, mirror->filter) : NULL;
	uint8_t slot = 0;
	struct dp_mirror_live *live = vs_mirror_live(vs, mirror->name, &slot);
	struct compiled *c;

	*ret = NULL;
	if (live == NULL || (mirror->filter != NULL && program == NULL))
		return 0;
	c = calloc(1, sizeof(*c) + m->n_ports * sizeof(c->ports[0]));
	if (c == NULL)
		return -ENOMEM;
	strncpy(c->name, mirror->name, sizeof(c->name) - 1);
	c->refs = 1;
	c->m = (struct dp_mirror){
		.live = live,
		.name = c->name,
		.match = program != NULL ? matches : NULL,
		.program = program != NULL ? program->match : NULL,
		.slot = slot,
		.kind = (uint8_t)mirror->kind,
		.twice = mirror->twice,
		.port = mirror->target != NULL ? vs_port_id(vs, mirror->target->name) : DP_NO_PORT,
		.vlan = mirror->vlan,
		.to = mirror->address,
		.erspan = mirror->erspan,
		.snaplen = mirror->snaplen,
		.sample = mirror->sample,
		.owner = c,
	};
	if (mirror->kind == DP_MIRROR_TO_VLAN)
		c->m.domain = vs_domain_id(vs, mirror->sw->name,
					   mirror->tenant != NULL ? mirror->tenant->name : NULL);
	dp_mirror_limit_init(&c->m.limit, mirror->bps, mirror->pps, rte_get_tsc_hz());
	put_ports(c, mirror, m, ids, view);
	c->program = program;
	if (program != NULL)
		program->refs++;
	*ret = c;
	return 0;
}

/* ---- Mirrors at a port ---- */

static uint64_t *set_copy(const uint64_t *set)
{
	uint64_t *copy = malloc(DP_VLAN_WORDS * sizeof(*copy));

	if (copy != NULL)
		memcpy(copy, set, DP_VLAN_WORDS * sizeof(*copy));
	return copy;
}

/* Without the VLANs of the port's switch that carry copies: what another switch copied there is not
 * copied back. */
static bool vlans_of(const struct vs_model *m, const struct vs_mirror *mirror,
		     const struct vs_port *p, uint64_t *ret_set)
{
	const struct vs_mirrors_conf *conf = vs_mirrors_of(m);
	bool all = !mirror->has_vlans;

	if (all)
		memset(ret_set, 0xff, DP_VLAN_WORDS * sizeof(*ret_set));
	else
		memcpy(ret_set, mirror->vlans, DP_VLAN_WORDS * sizeof(*ret_set));
	for (unsigned i = 0; mirror->kind == DP_MIRROR_TO_VLAN && i < conf->n; i++) {
		const struct vs_mirror *other = &conf->v[i];

		if (other->kind != DP_MIRROR_TO_VLAN || other->sw != p->sw)
			continue;
		ret_set[other->vlan / 64] &= ~(UINT64_C(1) << other->vlan % 64);
		all = false;
	}
	return all;
}

static bool meet(const uint64_t *a, const uint64_t *b)
{
	for (unsigned i = 0; i < DP_VLAN_WORDS; i++)
		if ((a[i] & b[i]) != 0)
			return true;
	return false;
}

static bool by_tenant_only(const struct vs_mirror *mirror, const struct vs_port *p)
{
	for (unsigned i = 0; i < mirror->n_ports; i++)
		if (mirror->ports[i] == p)
			return false;
	for (unsigned i = 0; i < mirror->n_switches; i++)
		if (mirror->switches[i] == p->sw)
			return false;
	return true;
}

/* The tenants' tags on an uplink that several share. */
static uint64_t *wires_of(const struct vs_mirror *mirror, const struct vs_port *p)
{
	uint64_t *set = calloc(DP_VLAN_WORDS, sizeof(*set));

	for (unsigned i = 0; set != NULL && i < p->n_shared; i++)
		for (unsigned t = 0; t < mirror->n_tenants; t++)
			if (mirror->tenants[t] == p->shared[i].tenant)
				dp_vlan_add(set, p->shared[i].vlan);
	return set;
}

/* 1: nothing that leaves there is meant; 0 or -ENOMEM.  Frames that leave untagged do not say which
 * VLAN carried them: such a port is mirrored when it accepts one of the VLANs. */
static int source_fill(const struct vs_model *m, const struct vs_mirror *mirror,
		       const struct vs_port *p, const struct dp_vport *vp, enum dp_filter_side side,
		       struct dp_mirror_source *s)
{
	uint64_t vlans[DP_VLAN_WORDS];
	bool all = vlans_of(m, mirror, p, vlans);

	*s = (struct dp_mirror_source){0};
	if (!all && side == DP_FILTER_EGRESS && (vp->flags & DP_VP_TAG_OUT) == 0) {
		if (!meet(vlans, vp->vlan_out))
			return 1;
		all = true;
	}
	if (!all && (s->vlans = set_copy(vlans)) == NULL)
		return -ENOMEM;
	if (p->n_shared != 0 && by_tenant_only(mirror, p) &&
	    (s->wires = wires_of(mirror, p)) == NULL)
		return -ENOMEM;
	return 0;
}

static void source_free(struct dp_mirror_source *s)
{
	free((void *)(uintptr_t)s->vlans);
	free((void *)(uintptr_t)s->wires);
	if (s->mirror != NULL)
		unref(s->mirror->owner);
}

static int hang(const struct vs_model *m, struct compiled **all, const struct vs_port *p,
		struct dp_vport *vp, enum dp_filter_side side)
{
	const struct vs_mirrors_conf *conf = vs_mirrors_of(m);
	struct dp_mirrors *list = NULL;

	for (unsigned i = 0; i < conf->n; i++) {
		const struct vs_mirror *mirror = &conf->v[i];
		struct dp_mirror_source *s;
		int rc;

		if (!mirror->sides[side] || all[i] == NULL || !vs_mirror_covers(m, mirror, p))
			continue;
		if (list == NULL) {
			list = calloc(1, sizeof(*list) + conf->n * sizeof(list->v[0]));
			if (list == NULL)
				return -ENOMEM;
			vp->mirrors[side] = list;
		}
		s = &list->v[list->n];
		rc = source_fill(m, mirror, p, vp, side, s);
		if (rc != 0)
			source_free(s);
		if (rc < 0)
			return rc;
		if (rc > 0)
			continue;
		s->mirror = &all[i]->m;
		all[i]->refs++;
		list->n++;
	}
	if (list != NULL && list->n == 0) {
		free(list);
		vp->mirrors[side] = NULL;
	}
	return 0;
}

static int hang_all(const struct vs_model *m, struct compiled **all, const uint16_t *ids,
		    struct dp_view *view)
{
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < m->n_ports; i++) {
		struct dp_vport *vp = ids[i] != DP_NO_PORT ? view->vports[ids[i]] : NULL;
		bool only = false;

		if (vp == NULL)
			continue;
		(void)vs_mirror_is_target(m, &m->ports[i], &only);
		if (only)
			vp->flags |= DP_VP_MIRROR_ONLY;
		for (int side = 0; rc == 0 && side < DP_N_FILTER_SIDES; side++)
			rc = hang(m, all, &m->ports[i], vp, (enum dp_filter_side)side);
	}
	return rc;
}

int vs_mirrors_compile(struct vs *vs, const struct vs_model *m, const uint16_t *ids,
		       struct dp_view *view)
{
	const struct vs_mirrors_conf *conf = vs_mirrors_of(m);
	struct compiled **all;
	int rc = 0;

	if (conf == NULL || vs->policy[VS_POLICY_MIRROR] == NULL)
		return 0;
	all = calloc(conf->n, sizeof(struct compiled *));
	if (all == NULL)
		return -ENOMEM;
	for (unsigned i = 0; rc == 0 && i < conf->n; i++)
		rc = compile(vs, m, &conf->v[i], ids, view, &all[i]);
	if (rc == 0)
		rc = hang_all(m, all, ids, view);
	for (unsigned i = 0; i < conf->n; i++)
		unref(all[i]);
	free(all);
	return rc;
}

void vs_mirrors_release(struct dp_vport *vp)
{
	for (int side = 0; side < DP_N_FILTER_SIDES; side++) {
		struct dp_mirrors *list = vp->mirrors[side];

		for (uint16_t i = 0; list != NULL && i < list->n; i++)
			source_free(&list->v[i]);
		free(list);
		vp->mirrors[side] = NULL;
	}
}
