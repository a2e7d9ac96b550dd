/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Rules that no packet can come to: those before them in their table take all of it, or nothing
 * leads to the table.  Control thread, outside of transactions.
 */
#ifndef VSWITCH_FLOWS_SHADOW_H
#define VSWITCH_FLOWS_SHADOW_H

#include "vswitch/flows.h"

#define VS_SHADOW_LOOKS 4096u /* searches for one rule; one that needs more counts as open */

/* Bit n of the set: some packet may be looked up in table n, as far as goto instructions say. */
void vs_flows_reachable(struct vs_flows *flows, bool ret_tables[VS_FLOW_TABLES]);

/* Do rules of higher priority take every packet that 'rule' fits?  Then '*ret_by' is one of them,
 * and '*ret_alone' says whether it does so alone.  Exact up to VS_SHADOW_LOOKS: false then. */
bool vs_rule_is_shadowed(struct vs_flows *flows, const struct vs_rule *rule,
			 const struct vs_rule **ret_by, bool *ret_alone);

#endif
