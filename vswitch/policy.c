/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See policy.h.
 */
#include "vswitch/policy.h"

#include "vswitch/vs.h"

static const struct vs_policy *const policies[VS_N_POLICIES] = {
	[VS_POLICY_ACL] = &vs_policy_acl,	    [VS_POLICY_GUARD] = &vs_policy_guard,
	[VS_POLICY_QOS] = &vs_policy_qos,	    [VS_POLICY_MIRROR] = &vs_policy_mirror,
	[VS_POLICY_FLOWREC] = &vs_policy_flowrec,   [VS_POLICY_TEAM] = &vs_policy_team,
	[VS_POLICY_VMQ] = &vs_policy_vmq,	    [VS_POLICY_SRIOV] = &vs_policy_sriov,
	[VS_POLICY_NIC_MACS] = &vs_policy_nic_macs, [VS_POLICY_PFS] = &vs_policy_pfs,
};

#define EACH(i) for (unsigned i = 0; i < VS_N_POLICIES; i++)

int vs_policies_read(struct vs_model *m, struct err *err)
{
	EACH(i)
	{
		int rc = policies[i]->read != NULL ? policies[i]->read(m, &m->policy[i], err) : 0;

		if (rc != 0)
			return rc;
	}
	return 0;
}

void vs_policies_forget(struct vs_model *m)
{
	EACH(i)
	{
		if (policies[i]->forget != NULL && m->policy[i] != NULL)
			policies[i]->forget(m->policy[i]);
		m->policy[i] = NULL;
	}
}

int vs_policies_create(struct vs *vs, struct err *err)
{
	EACH(i)
	{
		int rc = policies[i]->create != NULL ? policies[i]->create(vs, &vs->policy[i], err)
						     : 0;

		if (rc != 0)
			return rc;
	}
	return 0;
}

void vs_policies_destroy(struct vs *vs)
{
	EACH(i)
	{
		if (policies[i]->destroy != NULL && vs->policy[i] != NULL)
			policies[i]->destroy(vs, vs->policy[i]);
		vs->policy[i] = NULL;
	}
}

int vs_policies_probe(struct vs *vs, const struct vs_model *m, struct err *err)
{
	EACH(i)
	{
		int rc = policies[i]->probe != NULL ? policies[i]->probe(vs, m, err) : 0;

		if (rc != 0)
			return rc;
	}
	return 0;
}

int vs_policies_need(struct vs *vs, const struct vs_model *m, bool starting, struct err *err)
{
	EACH(i)
	{
		int rc = policies[i]->need != NULL ? policies[i]->need(vs, m, starting, err) : 0;

		if (rc != 0)
			return rc;
	}
	return 0;
}

void vs_policies_restore(struct vs *vs)
{
	EACH(i)
	if (policies[i]->restore != NULL)
		policies[i]->restore(vs);
}

int vs_policies_compile(struct vs *vs, const struct vs_model *m, const uint16_t *ids,
			struct dp_view *view)
{
	EACH(i)
	{
		int rc = policies[i]->compile != NULL ? policies[i]->compile(vs, m, ids, view) : 0;

		if (rc != 0)
			return rc;
	}
	return 0;
}

void vs_policies_release(struct dp_vport *vport)
{
	EACH(i)
	if (policies[i]->release != NULL)
		policies[i]->release(vport);
}

void vs_policies_settle(struct vs *vs, const struct vs_model *m)
{
	EACH(i)
	if (policies[i]->settle != NULL)
		policies[i]->settle(vs, m);
}

void vs_policies_port_gone(struct vs *vs, uint16_t id)
{
	EACH(i)
	if (policies[i]->port_gone != NULL)
		policies[i]->port_gone(vs, id);
}

void vs_policies_tick(struct vs *vs)
{
	EACH(i)
	if (policies[i]->tick != NULL)
		policies[i]->tick(vs);
}
