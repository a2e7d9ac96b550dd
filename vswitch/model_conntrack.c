/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Connection tracking in the model: times, limits, zones.
 */
#include "vswitch/model_priv.h"

#include "ctl/conf.h"
#include "dataplane/frag.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

#define MS_A_SECOND 1000u
#define MAX_SECONDS 2592000u
#define MAX_FRAGS   131072u
#define MAX_WAIT_S  120u
#define KEY_SIZE    32

/* "tcp-opening" is "tcp_opening" in a body. */
static void key_of(const char *option, char *key, size_t size)
{
	snprintf(key, size, "%s", option);
	for (char *p = key; *p != '\0'; p++)
		*p = *p == '-' ? '_' : *p;
}

static int range_check(const char *option, uint64_t n, uint64_t least, uint64_t most,
		       const char *unit, struct err *err)
{
	if (n >= least && n <= most)
		return 0;
	err_set(err, -EINVAL, "bad-value", "conntrack: --%s must be %llu to %llu%s", option,
		(unsigned long long)least, (unsigned long long)most, unit);
	return -EINVAL;
}

int vs_model_conntrack_read(struct vs_model *m, const json_t *body, struct err *err)
{
	struct vs_conntrack *c = &m->conntrack;
	uint64_t wait_ms = vs_body_number(body, "fragment_timeout", DP_FRAG_TIMEOUT_S * 1000);
	uint64_t all = vs_body_number(body, "fragments", DP_FRAG_LIMIT);
	uint64_t tenant = vs_body_number(body, "tenant_fragments", DP_FRAG_TENANT_LIMIT);
	char key[KEY_SIZE];
	int rc = 0;

	for (unsigned i = 0; rc == 0 && i < DP_CT_N_TIMEOUTS; i++) {
		const char *option = dp_ct_timeout_text((enum dp_ct_timeout)i);
		uint64_t ms;

		key_of(option, key, sizeof(key));
		ms = vs_body_number(body, key,
				    dp_ct_timeout_usual((enum dp_ct_timeout)i) * UINT64_C(1000));
		rc = range_check(option, ms / MS_A_SECOND, 1, MAX_SECONDS, " seconds", err);
		c->timeout_s[i] = (uint32_t)(ms / MS_A_SECOND);
	}
	if (rc == 0)
		rc = range_check("fragments", all, DP_FRAG_MOST, MAX_FRAGS, "", err);
	if (rc == 0)
		rc = range_check("tenant-fragments", tenant, DP_FRAG_MOST, MAX_FRAGS, "", err);
	if (rc == 0)
		rc = range_check("fragment-timeout", wait_ms / MS_A_SECOND, 1, MAX_WAIT_S,
				 " seconds", err);
	c->strict = json_is_true(json_object_get(body, "tcp_strict"));
	c->fragments = (uint32_t)all;
	c->tenant_fragments = (uint32_t)tenant;
	c->fragment_timeout_s = (uint32_t)(wait_ms / MS_A_SECOND);
	c->configured = json_object_size(body) != 0;
	if (rc != 0)
		err_about(err, "conntrack", "conntrack");
	return rc;
}

int vs_model_zone_read(struct vs_model *m, const char *name, const json_t *body, struct err *err)
{
	struct vs_zone *z = &m->zones[m->n_zones++];
	const char *tenant = vs_body_str(body, "tenant");
	uint64_t zone = vs_body_number(body, "zone", 0);

	*z = (struct vs_zone){
		.name = name,
		.sw = vs_model_switch(m, vs_body_str(body, "switch")),
		.tenant = vs_model_tenant(m, tenant),
		.zone = (uint16_t)zone,
		.limit = (uint32_t)vs_body_number(body, "limit", 0),
	};
	if (z->sw == NULL)
		return conf_refuse_missing(m->state, "switch", vs_body_str(body, "switch"), "zone",
					   err);
	if (tenant != NULL && z->tenant == NULL)
		return conf_refuse_missing(m->state, "tenant", tenant, "zone", err);
	if (zone > UINT16_MAX || vs_body_number(body, "limit", 0) > DP_CT_MAX_ENTRIES)
		return err_set(err, -EINVAL, "bad-zone",
			       "zone %s: a zone is 0 to 65535, its limit 1 to %u", name,
			       DP_CT_MAX_ENTRIES);
	return 0;
}
