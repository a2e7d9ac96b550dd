/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Shapers of ports, made and changed as the model says; see qos_priv.h.
 *
 * 	need ─► a tree of each port that is shaped ─┬─ the same as runs: nothing
 * 						    ├─ none runs: a shaper ─────► compile ─► view
 * 						    └─ another: prepared beside ─► settle: all at
 * once
 */
#include "vswitch/qos_priv.h"

#include <errno.h>
#include <stdlib.h>

static uint64_t link_bps(const struct vs *vs, uint16_t id)
{
	struct dp_port *port = vs->live[id].port;
	struct dp_link link = {0};

	if (port != NULL && port->ops->link != NULL)
		port->ops->link(port, &link);
	return (uint64_t)link.speed_mbps * 1000000;
}

/* 'tree' is taken. */
static int follow(struct vs *vs, struct vs_qos_port *live, struct vs_qos_tree *tree,
		  struct err *err)
{
	int rc = 0;

	if (live->shaper == NULL) {
		rc = dp_shaper_create(vs->dp, &tree->spec, &live->shaper, err);
		if (rc == 0) {
			live->tree = tree;
			live->calm_s = VS_QOS_CALM_S;
			return 0;
		}
	} else if (!vs_qos_tree_same(live->tree, tree)) {
		rc = dp_shaper_prepare(live->shaper, &tree->spec, err);
		if (rc == 0) {
			vs_qos_tree_destroy(live->next);
			live->next = tree;
			return 0;
		}
	} else {
		dp_shaper_abort(live->shaper);
		vs_qos_tree_destroy(live->next);
		live->next = NULL;
	}
	vs_qos_tree_destroy(tree);
	return rc;
}

static int need_port(struct vs *vs, const struct vs_model *m, const uint16_t *ids, unsigned i,
		     struct err *err)
{
	const struct vs_port *p = &m->ports[i];
	uint64_t bps = vs_is_uplink(p) ? link_bps(vs, ids[i]) : 0;
	struct vs_qos_port *live;
	struct vs_qos_tree *tree;
	int rc = vs_qos_tree_create(m, ids, p, bps, &tree, err);

	if (rc != 0 || tree == NULL)
		return rc;
	live = vs_qos_port_need(vs_qos_state(vs), ids[i]);
	if (live == NULL) {
		vs_qos_tree_destroy(tree);
		return err_set(err, -ENOMEM, "no-memory", "no memory for the queues of port %s",
			       p->name);
	}
	live->link_bps = bps;
	rc = follow(vs, live, tree, err);
	if (rc != 0)
		err_about(err, "port", p->name);
	return rc;
}

int vs_qos_shape_need(struct vs *vs, const struct vs_model *m, struct err *err)
{
	uint16_t *ids;
	int rc = 0;

	if (vs_qos_conf(m) == NULL && m->n_queues == 0)
		return 0;
	ids = calloc(m->n_ports + 1, sizeof(*ids));
	if (ids == NULL)
		return err_set(err, -ENOMEM, "no-memory", "no memory");
	for (unsigned i = 0; i < m->n_ports; i++)
		ids[i] = vs_port_id(vs, m->ports[i].name);
	for (unsigned i = 0; rc == 0 && i < m->n_ports; i++)
		if (ids[i] != DP_NO_PORT && vs_qos_is_shaped(m, &m->ports[i]))
			rc = need_port(vs, m, ids, i, err);
	free(ids);
	return rc;
}

void vs_qos_shape_restore(struct vs *vs)
{
	struct vs_qos_state *s = vs_qos_state(vs);

	for (unsigned id = 0; id < DP_MAX_PORTS; id++) {
		struct vs_qos_port *live = s->of[id];

		if (live == NULL || live->next == NULL)
			continue;
		dp_shaper_abort(live->shaper);
		vs_qos_tree_destroy(live->next);
		live->next = NULL;
	}
}

void vs_qos_shape_compile(struct vs *vs, const struct vs_model *m, unsigned port,
			  struct dp_vport *vp)
{
	const struct vs_qos_port *live = vs_qos_state(vs)->of[vp->id];

	if (live != NULL && vs_qos_is_shaped(m, &m->ports[port]))
		vp->shaper = live->shaper;
}

void vs_qos_shape_free(struct vs_qos_port *live)
{
	dp_shaper_destroy(live->shaper);
	vs_qos_tree_destroy(live->tree);
	vs_qos_tree_destroy(live->next);
	free(live->to);
	live->shaper = NULL;
	live->tree = live->next = NULL;
	live->to = NULL;
	live->dropped = 0;
	live->over_s = live->calm_s = 0;
}

static void commit(struct vs *vs)
{
	struct vs_qos_state *s = vs_qos_state(vs);

	dp_shapers_commit(vs->dp);
	for (unsigned id = 0; id < DP_MAX_PORTS; id++) {
		struct vs_qos_port *live = s->of[id];

		if (live == NULL || live->next == NULL)
			continue;
		vs_qos_tree_destroy(live->tree);
		live->tree = live->next;
		live->next = NULL;
		free(live->to);
		live->to = NULL;
	}
}

void vs_qos_shape_settle(struct vs *vs, const struct vs_model *m)
{
	struct vs_qos_state *s = vs_qos_state(vs);

	for (unsigned id = 0; id < DP_MAX_PORTS; id++) {
		const struct vs_port *p = s->of[id] != NULL && s->of[id]->shaper != NULL
						  ? vs_model_port(m, vs->live[id].name)
						  : NULL;

		if (s->of[id] != NULL && (p == NULL || !vs_qos_is_shaped(m, p)))
			vs_qos_shape_free(s->of[id]);
	}
	commit(vs);
}

void vs_qos_shape_links(struct vs *vs)
{
	struct vs_qos_state *s = vs_qos_state(vs);
	bool any = false;

	for (unsigned i = 0; vs->port_ids != NULL && i < vs->model->n_ports; i++) {
		uint16_t id = vs->port_ids[i];
		const struct vs_qos_port *live = id != DP_NO_PORT ? s->of[id] : NULL;

		if (live == NULL || live->shaper == NULL || !vs_is_uplink(&vs->model->ports[i]) ||
		    link_bps(vs, id) == live->link_bps)
			continue;
		any |= need_port(vs, vs->model, vs->port_ids, i, NULL) == 0;
	}
	if (any)
		commit(vs);
}
