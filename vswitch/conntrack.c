/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See conntrack.h.
 */
#include "vswitch/conntrack.h"

#include "dataplane/pipeline.h"
#include "vswitch/apply_priv.h"

#include <errno.h>

static bool is_configured(const struct vs_model *m)
{
	if (m->conntrack.configured || m->n_zones != 0)
		return true;
	for (unsigned i = 0; i < m->n_tenants; i++)
		if (m->tenants[i].connection_limit != 0)
			return true;
	return false;
}

int vs_conntrack_need(struct vs *vs, const struct vs_model *m, struct err *err)
{
	if (!is_configured(m) || dp_conntrack_need(vs->dp) == 0)
		return 0;
	err_set(err, -ENOMEM, "no-memory", "no memory for the table of connections");
	err_why(err, "it takes 32 MiB at once, and more as connections come");
	return -ENOMEM;
}

static uint16_t domain_of(const struct vs *vs, const struct vs_zone *z)
{
	return vs_domain_id(vs, z->sw->name, z->tenant != NULL ? z->tenant->name : NULL);
}

void vs_conntrack_lift(struct vs *vs, const struct vs_model *before)
{
	struct dp_ct *ct = dp_conntrack(vs->dp);

	for (unsigned i = 0; ct != NULL && i < before->n_zones; i++) {
		uint16_t domain = domain_of(vs, &before->zones[i]);

		if (domain != DP_NO_DOMAIN)
			(void)dp_ct_set_zone_limit(ct, domain, before->zones[i].zone, 0);
	}
}

static void follow_tenants(struct vs *vs, struct dp_ct *ct, const struct vs_model *m)
{
	for (uint16_t id = 0; id < DP_MAX_DOMAINS; id++) {
		const struct vs_domain_live *dom = &vs->domains[id];
		const struct vs_tenant *t = dom->used ? vs_model_tenant(m, dom->tenant) : NULL;

		dp_ct_set_domain_limit(ct, id, t != NULL ? t->connection_limit : 0);
	}
}

static void follow_zones(struct vs *vs, struct dp_ct *ct, const struct vs_model *m)
{
	for (unsigned i = 0; i < m->n_zones; i++) {
		const struct vs_zone *z = &m->zones[i];
		uint16_t domain = domain_of(vs, z);

		if (domain == DP_NO_DOMAIN ||
		    dp_ct_set_zone_limit(ct, domain, z->zone, z->limit) == 0)
			continue;
		vs_event(vs, "zone-limit", NULL,
			 "zone %u of switch %s has no limit: too many zones have connections",
			 z->zone, z->sw->name);
	}
}

void vs_conntrack_follow(struct vs *vs, const struct vs_model *m)
{
	const struct vs_conntrack *c = &m->conntrack;
	struct dp_ct *ct = dp_conntrack(vs->dp);

	dp_set_fragments(vs->dp, c->fragments, c->tenant_fragments, c->fragment_timeout_s);
	if (ct == NULL)
		return;
	for (unsigned i = 0; i < DP_CT_N_TIMEOUTS; i++)
		dp_ct_set_timeout(ct, (enum dp_ct_timeout)i, c->timeout_s[i]);
	dp_ct_set_loose(ct, !c->strict);
	follow_tenants(vs, ct, m);
	follow_zones(vs, ct, m);
}
