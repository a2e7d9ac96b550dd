/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Domains: a tenant on a switch, with a number that workers know it by.  One comes with the first
 * port of its pair and goes with the last.  Control thread, from apply.c.
 */
#include "vswitch/apply_priv.h"

#include "dataplane/ct.h"
#include "dataplane/fdb.h"
#include "dataplane/flood.h"
#include "dataplane/pipeline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

uint16_t vs_domain_id(const struct vs *vs, const char *sw, const char *tenant)
{
	if (tenant == NULL)
		tenant = "";
	for (uint16_t i = 0; i < DP_MAX_DOMAINS; i++)
		if (vs->domains[i].used && strcmp(vs->domains[i].sw, sw) == 0 &&
		    strcmp(vs->domains[i].tenant, tenant) == 0)
			return i;
	return DP_NO_DOMAIN;
}

static int domain_need(struct vs *vs, const struct vs_switch *sw, const struct vs_tenant *tenant)
{
	const char *name = tenant != NULL ? tenant->name : "";

	if (vs_domain_id(vs, sw->name, name) != DP_NO_DOMAIN)
		return 0;
	for (unsigned i = 0; i < DP_MAX_DOMAINS; i++) {
		struct vs_domain_live *d = &vs->domains[i];

		if (d->used)
			continue;
		d->used = true;
		snprintf(d->sw, sizeof(d->sw), "%s", sw->name);
		snprintf(d->tenant, sizeof(d->tenant), "%s", name);
		return 0;
	}
	return -ENOSPC;
}

int vs_domains_need(struct vs *vs, const struct vs_model *m, struct err *err)
{
	int rc = 0;

	for (unsigned i = 0; i < m->n_ports && rc == 0; i++) {
		const struct vs_port *p = &m->ports[i];

		rc = domain_need(vs, p->sw, p->tenant);
		for (unsigned k = 0; k < p->n_shared && rc == 0; k++)
			rc = domain_need(vs, p->sw, p->shared[k].tenant);
	}
	return rc == 0 ? 0 : err_set(err, rc, "limit", "too many pairs of switch and tenant");
}

static bool domain_wanted(const struct vs_model *m, const struct vs_domain_live *d)
{
	for (unsigned i = 0; i < m->n_ports; i++) {
		const struct vs_port *p = &m->ports[i];

		if (strcmp(p->sw->name, d->sw) != 0)
			continue;
		if (strcmp(p->tenant != NULL ? p->tenant->name : "", d->tenant) == 0)
			return true;
		for (unsigned k = 0; k < p->n_shared; k++)
			if (strcmp(p->shared[k].tenant->name, d->tenant) == 0)
				return true;
	}
	return false;
}

static bool is_of_domain(void *arg, const struct dp_ct_info *info)
{
	return info->domain == *(const uint16_t *)arg;
}

/* The number is used again, for others. */
static void forget_connections(struct vs *vs, uint16_t domain)
{
	struct dp_ct *ct = dp_conntrack(vs->dp);

	if (ct != NULL && dp_ct_domain_count(ct, domain) != 0)
		dp_ct_flush(ct, dp_conntrack_now(vs->dp), is_of_domain, &domain);
}

/* Forgets domains that no port belongs to any more.  The published view must not have them. */
void vs_domains_drop(struct vs *vs, const struct vs_model *m)
{
	for (uint16_t i = 0; i < DP_MAX_DOMAINS; i++) {
		struct vs_domain_live *d = &vs->domains[i];

		if (!d->used || domain_wanted(m, d))
			continue;
		dp_fdb_flush(dp_fdb(vs->dp), i, DP_NO_VLAN, DP_NO_PORT, true);
		forget_connections(vs, i);
		dp_domain_count_reset(vs->dp, i);
		free(d->flood);
		*d = (struct vs_domain_live){0};
	}
}

/* A tenant's flooding limit keeps its level unless the rate changes.  The old one, which workers
 * still use, stays the caller's. */
static int domain_limit(const struct vs_model *m, struct vs_domain_live *d)
{
	const struct vs_tenant *t = vs_model_tenant(m, d->tenant);
	uint64_t rate = t != NULL ? t->flood_rate_bps : 0;
	struct dp_flood_limit *limit = NULL;

	if (rate == d->flood_rate_bps)
		return 0;
	if (rate != 0) {
		limit = aligned_alloc(64, (sizeof(*limit) + 63) / 64 * 64);
		if (limit == NULL)
			return -ENOMEM;
		dp_flood_limit_init(limit, rate, rte_get_tsc_hz());
	}
	d->flood_rate_bps = rate;
	d->flood = limit;
	return 0;
}

int vs_domains_limit(struct vs *vs, const struct vs_model *m, struct vs_kept_limit *ret_old)
{
	int rc = 0;

	for (unsigned i = 0; i < DP_MAX_DOMAINS; i++) {
		struct vs_domain_live *d = &vs->domains[i];

		ret_old[i] = (struct vs_kept_limit){d->flood, d->flood_rate_bps};
		if (rc == 0 && d->used)
			rc = domain_limit(m, d);
	}
	return rc;
}

void vs_domains_settle(struct vs *vs, const struct vs_kept_limit *old, bool published)
{
	for (unsigned i = 0; i < DP_MAX_DOMAINS; i++) {
		struct vs_domain_live *d = &vs->domains[i];

		if (d->flood == old[i].flood)
			continue;
		if (published) {
			free(old[i].flood);
			continue;
		}
		free(d->flood);
		d->flood = old[i].flood;
		d->flood_rate_bps = old[i].rate_bps;
	}
}
