/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The chains of ports: what the model says runs on a port, as filters/chain.h runs it.  Where a
 * module of a closed attachment is missing, a chain that drops everything stands in its place.
 */
#include "vswitch/filters.h"

#include "filters/chain.h"

#include <errno.h>
#include <stdlib.h>

/* ---- A port that is closed ---- */

struct closed {
	struct dp_filter_chain_head head;
};

static enum dp_filter_result closed_run(struct dp_filter_chain *chain, struct dp_filter_burst *b)
{
	for (uint16_t i = 0; i < b->n; i++)
		b->fates[i] = (struct dp_filter_fate){.kind = DP_FATE_DROP,
						      .reason = DP_DROP_FILTER_MISSING};
	return DP_FILTER_DECIDED;
}

static uint32_t closed_targets(struct dp_filter_chain *chain, const struct dp_filter_burst *b,
			       const struct dp_filter_fate *fate, struct dp_filter_target *ret)
{
	return 0;
}

static enum dp_drop closed_leave(struct dp_filter_chain *chain, struct dp_filter_burst *b,
				 struct rte_mbuf **m, uint16_t port, const void *way)
{
	return DP_N_DROPS;
}

static const char *closed_name(const struct dp_filter_chain *chain, unsigned i)
{
	return i == 0 ? "(a module that is missing)" : NULL;
}

static const struct dp_filter_ops closed_ops = {
	.run = closed_run,
	.targets = closed_targets,
	.leave = closed_leave,
	.name = closed_name,
};

static struct dp_filter_chain *closed_create(void)
{
	struct closed *c = calloc(1, sizeof(*c));

	if (c != NULL)
		c->head.ops = &closed_ops;
	return (struct dp_filter_chain *)c;
}

static void chain_free(struct dp_filter_chain *chain)
{
	const struct dp_filter_chain_head *head = (const struct dp_filter_chain_head *)chain;

	if (head != NULL && head->ops == &closed_ops)
		free(chain);
	else
		filter_chain_destroy(chain);
}

/* ---- Chains ---- */

/* NULL with 0: nothing runs there. */
static int chain_of(struct vs *vs, const struct vs_model *m, const struct vs_port *p,
		    enum dp_filter_side side, struct dp_filter_chain **ret_chain)
{
	const struct vs_attachment *of[FILTER_MAX_SLOTS];
	unsigned n_of = vs_model_filters_of(m, p, side, of), n = 0;
	struct filter_slot slots[FILTER_MAX_SLOTS];
	bool closed = false;

	for (unsigned i = 0; i < n_of; i++) {
		struct filter_module *module = vs_filter_module(vs, of[i]->filter->name);

		closed |= module == NULL && of[i]->closed;
		if (module == NULL)
			continue;
		slots[n++] = (struct filter_slot){
			.module = module,
			.role = of[i]->role,
			.order = of[i]->order,
			.strip_vlan = of[i]->strip_vlan,
			.meta = of[i]->meta,
			.tenant = p->tenant != NULL ? p->tenant->id : 0,
			.where = of[i]->name,
		};
	}
	*ret_chain = NULL;
	if (closed)
		*ret_chain = closed_create();
	else if (n != 0)
		*ret_chain = filter_chain_create(slots, n);
	return (closed || n != 0) && *ret_chain == NULL ? -ENOMEM : 0;
}

int vs_filters_compile(struct vs *vs, const struct vs_model *m, const uint16_t *ids,
		       struct dp_view *view)
{
	int rc = 0;

	if (m->n_attachments == 0)
		return 0;
	for (unsigned i = 0; rc == 0 && i < m->n_ports; i++) {
		if (ids[i] == DP_NO_PORT)
			continue;
		for (int side = 0; rc == 0 && side < DP_N_FILTER_SIDES; side++)
			rc = chain_of(vs, m, &m->ports[i], (enum dp_filter_side)side,
				      &view->vports[ids[i]]->filters[side]);
	}
	return rc;
}

void vs_filters_release(struct dp_vport *vport)
{
	for (int side = 0; side < DP_N_FILTER_SIDES; side++) {
		chain_free(vport->filters[side]);
		vport->filters[side] = NULL;
	}
}
