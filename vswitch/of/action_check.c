/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Whether actions fit the packets that a match lets through (OpenFlow 1.3.5, 7.2.5, and the
 * errors of A.4.4).  What is known of a packet is a match again: actions change it step by step.
 */
#include "vswitch/of/action.h"

#include <string.h>

#define N_STEPS 8

/* Where an action stands in an action set (5.10); those that do not have a place come last. */
static unsigned step_of(uint8_t type)
{
	switch (type) {
	case OF_ACT_COPY_TTL_IN:
		return 0;
	case OF_ACT_POP_VLAN:
	case OF_ACT_POP_MPLS:
	case OF_ACT_POP_PBB:
		return 1;
	case OF_ACT_PUSH_MPLS:
		return 2;
	case OF_ACT_PUSH_PBB:
		return 3;
	case OF_ACT_PUSH_VLAN:
		return 4;
	case OF_ACT_COPY_TTL_OUT:
	case OF_ACT_DEC_MPLS_TTL:
	case OF_ACT_DEC_NW_TTL:
		return 5;
	case OF_ACT_SET_FIELD:
	case OF_ACT_SET_MPLS_TTL:
	case OF_ACT_SET_NW_TTL:
		return 6;
	default:
		return 7;
	}
}

/* A header more or less: all that was known above layer 2 is not known to be there any more. */
static void new_type(struct of_match *match, uint16_t eth_type)
{
	const struct of_oxm type = of_oxm_u64(OF_F_ETH_TYPE, eth_type);

	for (unsigned i = OF_F_ETH_TYPE; i < OF_N_FIELDS; i++)
		if (of_field_info((enum of_field)i)->prereq != OF_PREREQ_NONE && i != OF_F_VLAN_PCP)
			of_match_unset(match, (enum of_field)i);
	of_match_set(match, &type);
}

static void tag(struct of_match *match)
{
	const struct of_oxm vid = of_oxm_u64_masked(OF_F_VLAN_VID, OFPVID_PRESENT, OFPVID_PRESENT);

	of_match_set(match, &vid);
	of_match_unset(match, OF_F_VLAN_PCP);
}

/* After the outermost tag is gone there may be another, or none. */
static void untag(struct of_match *match)
{
	of_match_unset(match, OF_F_VLAN_VID);
	of_match_unset(match, OF_F_VLAN_PCP);
}

/* What the action needs the packet to have. */
static enum of_prereq need_of(const struct of_action *action)
{
	switch (action->type) {
	case OF_ACT_SET_FIELD:
	case OF_ACT_NX_REG_LOAD2:
		return (enum of_prereq)of_field_info((enum of_field)action->set.field)->prereq;
	case OF_ACT_NX_REG_LOAD:
		return (enum of_prereq)of_field_info((enum of_field)action->load.to.field)->prereq;
	case OF_ACT_NX_REG_MOVE:
		return (enum of_prereq)of_field_info((enum of_field)action->move.to.field)->prereq;
	case OF_ACT_SET_MPLS_TTL:
	case OF_ACT_DEC_MPLS_TTL:
	case OF_ACT_POP_MPLS:
		return OF_PREREQ_MPLS;
	case OF_ACT_SET_NW_TTL:
	case OF_ACT_DEC_NW_TTL:
		return OF_PREREQ_IP;
	case OF_ACT_POP_PBB:
		return OF_PREREQ_PBB;
	default:
		return OF_PREREQ_NONE;
	}
}

static enum of_error step(const struct of_action *action, struct of_match *match)
{
	if (!of_match_prereq(match, need_of(action)))
		return OFPBAC_MATCH_INCONSISTENT;
	switch (action->type) {
	case OF_ACT_OUTPUT:
		if (action->output.port == OFPP_TABLE)
			return OFPBAC_BAD_OUT_PORT; /* for packet-out only (7.2.1) */
		break;
	case OF_ACT_PUSH_VLAN:
		tag(match);
		break;
	case OF_ACT_POP_VLAN:
		untag(match);
		break;
	case OF_ACT_PUSH_PBB:
		untag(match); /* Tags are the customer's now. */
		new_type(match, action->eth_type);
		break;
	case OF_ACT_PUSH_MPLS:
	case OF_ACT_POP_MPLS:
		new_type(match, action->eth_type);
		break;
	case OF_ACT_POP_PBB:
		new_type(match, 0);
		of_match_unset(match, OF_F_ETH_TYPE);
		break;
	case OF_ACT_SET_FIELD:
		of_match_set(match, &action->set);
		break;
	default:
		break;
	}
	return OF_OK;
}

enum of_error of_actions_apply(const struct of_actions *actions, struct of_match *match,
			       bool as_set)
{
	for (unsigned order = 0; order < (as_set ? N_STEPS : 1); order++)
		for (size_t i = 0; i < actions->n; i++) {
			const struct of_action *action = &actions->v[i];
			enum of_error error = OF_OK;

			if (!as_set || step_of(action->type) == order)
				error = step(action, match);
			if (error)
				return error;
		}
	return OF_OK;
}

enum of_error of_actions_check(const struct of_actions *actions, const struct of_match *match,
			       bool as_set)
{
	struct of_match known;

	if (match == NULL)
		return OF_OK;
	memcpy(&known, match, of_match_size(match));
	return of_actions_apply(actions, &known, as_set);
}
