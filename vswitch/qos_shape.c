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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

/* ---- Tenants' ---- */

static struct vs_qos_share *share_find(const struct vs_qos_state *s, const struct vs_qos *q)
{
	for (struct vs_qos_share *share = s->shares; share != NULL; share = share->next)
		if (strcmp(share->tenant, q->tenant->name) == 0 &&
		    strcmp(share->sw, q->port->sw->name) == 0)
			return share;
	return NULL;
}

static struct vs_qos_share *share_need(struct vs_qos_state *s, const struct vs_qos *q)
{
	struct vs_qos_share *share = share_find(s, q);

	if (share != NULL)
		return share;
	share = calloc(1, sizeof(*share));
	if (share == NULL)
		return NULL;
	snprintf(share->sw, sizeof(share->sw), "%s", q->port->sw->name);
	snprintf(share->tenant, sizeof(share->tenant), "%s", q->tenant->name);
	share->next = s->shares;
	s->shares = share;
	return share;
}

const struct vs_qos_share *vs_qos_share_of(const struct vs_qos_state *s, uint16_t id)
{
	for (const struct vs_qos_share *share = s->shares; share != NULL; share = share->next)
		if (share->live.tree != NULL && share->live.tree->out_of_port[id] != 0)
			return share;
	return NULL;
}

static int need_share(struct vs *vs, const struct vs_model *m, const uint16_t *ids,
		      const struct vs_qos *q, struct err *err)
{
	struct vs_qos_share *share;
	struct vs_qos_tree *tree;
	int rc = vs_qos_share_tree_create(m, ids, q, &tree, err);

	if (rc != 0 || tree == NULL)
		return rc;
	share = share_need(vs_qos_state(vs), q);
	if (share == NULL) {
		vs_qos_tree_destroy(tree);
		return err_set(err, -ENOMEM, "no-memory", "no memory for the queues of tenant %s",
			       q->tenant->name);
	}
	snprintf(share->uplink, sizeof(share->uplink), "%s", q->port->name);
	rc = follow(vs, &share->live, tree, err);
	if (rc != 0)
		err_about(err, "qos", q->name);
	return rc;
}

static int need_shares(struct vs *vs, const struct vs_model *m, const uint16_t *ids,
		       struct err *err)
{
	const struct vs_qos_conf *conf = vs_qos_conf(m);
	int rc = 0;

	for (unsigned i = 0; conf != NULL && conf->any_share && rc == 0 && i < conf->n; i++)
		if (conf->v[i].tenant != NULL && conf->v[i].to_max != 0)
			rc = need_share(vs, m, ids, &conf->v[i], err);
	return rc;
}

/* Is it still said, and has it ports? */
static bool share_is_meant(const struct vs_qos_share *share, const struct vs_model *m)
{
	for (unsigned i = 0; i < m->n_ports; i++) {
		const struct vs_qos *q = vs_qos_share(m, &m->ports[i]);

		if (q != NULL && strcmp(q->tenant->name, share->tenant) == 0 &&
		    strcmp(q->port->sw->name, share->sw) == 0)
			return true;
	}
	return false;
}

/* Those that 'm' does not mean; NULL: all. */
static void shares_drop(struct vs_qos_state *s, const struct vs_model *m)
{
	for (struct vs_qos_share **at = &s->shares; *at != NULL;) {
		struct vs_qos_share *share = *at;

		if (m != NULL && share_is_meant(share, m)) {
			at = &share->next;
			continue;
		}
		*at = share->next;
		vs_qos_shape_free(&share->live);
		free(share);
	}
}

void vs_qos_shares_free(struct vs_qos_state *s)
{
	shares_drop(s, NULL);
}

/* ---- All of a model ---- */

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
	if (rc == 0)
		rc = need_shares(vs, m, ids, err);
	free(ids);
	return rc;
}

static void restore(struct vs_qos_port *live)
{
	if (live == NULL || live->next == NULL)
		return;
	dp_shaper_abort(live->shaper);
	vs_qos_tree_destroy(live->next);
	live->next = NULL;
}

void vs_qos_shape_restore(struct vs *vs)
{
	struct vs_qos_state *s = vs_qos_state(vs);

	for (unsigned id = 0; id < DP_MAX_PORTS; id++)
		restore(s->of[id]);
	for (struct vs_qos_share *share = s->shares; share != NULL; share = share->next)
		restore(&share->live);
}

void vs_qos_shape_compile(struct vs *vs, const struct vs_model *m, unsigned port,
			  struct dp_vport *vp)
{
	const struct vs_qos_port *live = vs_qos_state(vs)->of[vp->id];
	const struct vs_qos *q = vs_qos_share(m, &m->ports[port]);
	const struct vs_qos_share *share = q != NULL ? share_find(vs_qos_state(vs), q) : NULL;

	if (share != NULL)
		vp->shaper = share->live.shaper;
	else if (live != NULL && vs_qos_is_shaped(m, &m->ports[port]))
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

/* What was prepared runs. */
static void runs(struct vs_qos_port *live)
{
	if (live == NULL || live->next == NULL)
		return;
	vs_qos_tree_destroy(live->tree);
	live->tree = live->next;
	live->next = NULL;
	free(live->to);
	live->to = NULL;
}

static void commit(struct vs *vs)
{
	struct vs_qos_state *s = vs_qos_state(vs);

	dp_shapers_commit(vs->dp);
	for (unsigned id = 0; id < DP_MAX_PORTS; id++)
		runs(s->of[id]);
	for (struct vs_qos_share *share = s->shares; share != NULL; share = share->next)
		runs(&share->live);
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
	shares_drop(s, m);
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
