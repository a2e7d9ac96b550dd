/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See xlate_priv.h: tags pushed and popped.  Workers.
 */
#include "vswitch/xlate_priv.h"

static uint16_t tci_of(const struct dp_key *key)
{
	return (uint16_t)(dp_key_get(key, DP_FIELD_VLAN_PCP) << 13 |
			  (dp_key_get(key, DP_FIELD_VLAN_VID) & 0xfff));
}

/* The new tag is a copy of the outermost one, or zero (5.12.1). */
void vs_xlate_push_vlan(struct xlate *x, uint16_t tpid)
{
	vs_xlate_macs(x);
	vs_xlate_look_at(x, DP_FIELD_VLAN_VID);
	vs_xlate_look_at(x, DP_FIELD_VLAN_PCP);
	vs_xlate_step(x, DP_STEP_PUSH_VLAN, (uint32_t)tpid << 16 | tci_of(&x->key), 0);
	dp_key_set(&x->key, DP_FIELD_VLAN_VID,
		   dp_key_get(&x->key, DP_FIELD_VLAN_VID) | DP_VLAN_PRESENT);
	vs_xlate_changed(x, DP_FIELD_VLAN_VID);
	vs_xlate_changed(x, DP_FIELD_VLAN_PCP);
}

void vs_xlate_pop_vlan(struct xlate *x)
{
	vs_xlate_macs(x);
	vs_xlate_step(x, DP_STEP_POP_VLAN, 0, 0);
	dp_key_set(&x->key, DP_FIELD_VLAN_VID, 0);
	dp_key_set(&x->key, DP_FIELD_VLAN_PCP, 0);
	vs_xlate_changed(x, DP_FIELD_VLAN_VID);
	vs_xlate_changed(x, DP_FIELD_VLAN_PCP);
}
