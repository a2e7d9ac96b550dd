/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Zones of connections; see cmd.h and dataplane/ct.h.
 */
#include "vswitch/cmd.h"

#include "dataplane/ct.h"
#include "dataplane/pipeline.h"

#include <errno.h>
#include <string.h>

struct query {
	const struct vs_daemon *d;
	const char *sw, *tenant; /* NULL: any */
	json_t *rows;
};

static void put(struct query *q, const char *sw, const char *tenant, uint16_t zone, uint32_t n,
		uint32_t limit)
{
	if ((q->sw != NULL && strcmp(q->sw, sw) != 0) ||
	    (q->tenant != NULL && strcmp(q->tenant, tenant) != 0))
		return;
	json_array_append_new(q->rows,
			      json_pack("{ss ss sI sI so}", "switch", sw, "tenant", tenant, "zone",
					(json_int_t)zone, "connections", (json_int_t)n, "limit",
					limit != 0 ? json_integer((json_int_t)limit)
						   : json_null()));
}

static void live(void *arg, uint16_t domain, uint16_t zone, uint32_t n, uint32_t limit)
{
	struct query *q = arg;
	const struct vs_domain_live *dom = &q->d->vs->domains[domain];

	if (dom->used)
		put(q, dom->sw, dom->tenant, zone, n, limit);
}

/* Configured for a tenant that has no port on that switch: nobody can use it yet. */
static void idle(struct query *q, const struct vs_zone *z)
{
	const char *tenant = z->tenant != NULL ? z->tenant->name : "";

	if (z->limit != 0 && vs_domain_id(q->d->vs, z->sw->name, tenant) == DP_NO_DOMAIN)
		put(q, z->sw->name, tenant, z->zone, 0, z->limit);
}

static int zone_list(void *ctx, struct ctl_call *call, const json_t *params, json_t **ret,
		     struct err *err)
{
	const struct vs_daemon *d = ctx;
	const struct dp_ct *ct = dp_conntrack(d->vs->dp);
	struct query q = {.d = d,
			  .sw = json_string_value(json_object_get(params, "switch")),
			  .tenant = json_string_value(json_object_get(params, "tenant"))};

	if (vs_cmd_filters(d, params, err) != 0)
		return -ENOENT;
	q.rows = json_array();
	if (ct != NULL)
		dp_ct_each_zone(ct, live, &q);
	for (unsigned i = 0; i < d->vs->model->n_zones; i++)
		idle(&q, &d->vs->model->zones[i]);
	*ret = json_pack("{so}", "zones", q.rows);
	return 0;
}

const struct ctl_binding vs_cmd_zones[] = {
	{"zone", "list", zone_list},
	{NULL, NULL, NULL},
};
