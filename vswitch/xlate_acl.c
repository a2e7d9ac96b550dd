/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See xlate_priv.h: a packet meets the access lists of the port by which it came in before any
 * table.  What they say is part of its program, so a flow that is known pays nothing for lists of
 * any length.  An entry that comes or goes is logged as a change of table VS_FLOW_ACLS, which no
 * rule has.  Ports whose lists track sessions are asked elsewhere (dataplane/acl.h).  Workers.
 */
#include "dataplane/acl.h"
#include "dataplane/drop.h"
#include "vswitch/xlate_priv.h"

static void deny(struct xlate *x, const struct dp_acl_rule *rule)
{
	struct dp_step_deny *data;

	if (rule->log == 0) {
		vs_xlate_step(x, DP_STEP_DROP, DP_DROP_ACL_IN, 0);
		return;
	}
	data = vs_xlate_step(x, DP_STEP_DENY, DP_DROP_ACL_IN, sizeof(*data));
	if (data != NULL)
		*data = (struct dp_step_deny){.rule = rule};
}

bool vs_xlate_acl(struct xlate *x)
{
	const struct dp_acl *acl = x->b->acl;
	const struct dp_acl_rule *rule;
	struct dp_key wc = {0};

	/* Passed also where there is no list: one may come. */
	x->b->tables[VS_FLOW_ACLS / 64] |= UINT64_C(1) << (VS_FLOW_ACLS % 64);
	if (vs_flows_asks_acls(x->flows))
		vs_xlate_look_at(x, DP_FIELD_IN_PORT);
	if (acl == NULL)
		return true;
	rule = acl->find(acl, &x->key, &wc);
	vs_xlate_look(x, &wc);
	if (rule == NULL)
		return true;
	dp_build_rule(x->b, rule->counter);
	if (!rule->allow)
		deny(x, rule);
	return rule->allow;
}
