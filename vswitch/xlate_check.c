/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a rule may ask for: the actions that xlate.c knows.  Control thread.
 */
#include "dataplane/port.h"
#include "vswitch/flow_key.h"
#include "vswitch/flows.h"

static enum of_error check_output(const struct vs_flows *flows, uint32_t port, bool packet_out)
{
	switch (port) {
	case OFPP_TABLE:
		return packet_out ? OF_OK : OFPBAC_BAD_OUT_PORT;
	case OFPP_LOCAL:
		return flows == NULL || vs_flows_port_id(flows, port) != DP_NO_PORT
			       ? OF_OK
			       : OFPBAC_BAD_OUT_PORT;
	case OFPP_CONTROLLER:
	case OFPP_IN_PORT:
	case OFPP_NORMAL:
	case OFPP_FLOOD:
	case OFPP_ALL:
		return OF_OK;
	default:
		return of_port_is_real(port) ? OF_OK : OFPBAC_BAD_OUT_PORT;
	}
}

static enum of_error check_ct(const struct of_ct *ct)
{
	if (ct->alg != 0 && ct->alg != OF_CT_ALG_FTP && ct->alg != OF_CT_ALG_TFTP)
		return OFPBAC_BAD_ARGUMENT;
	if (ct->zone_from.n_bits != 0 &&
	    vs_flow_field((enum of_field)ct->zone_from.field) == DP_N_FIELDS)
		return OFPBAC_BAD_ARGUMENT;
	return OF_OK;
}

bool vs_xlate_tracks(const struct of_actions *actions)
{
	for (size_t i = 0; i < actions->n; i++)
		if (actions->v[i].type == OF_ACT_NX_CT)
			return true;
	return false;
}

/* 'flows': NULL when any switch is asked for. */
static enum of_error check_actions(const struct vs_flows *flows, const struct of_actions *actions,
				   bool packet_out)
{
	for (size_t i = 0; i < actions->n; i++) {
		const struct of_action *a = &actions->v[i];
		enum of_error error = OF_OK;

		switch (a->type) {
		case OF_ACT_OUTPUT:
			error = check_output(flows, a->output.port, packet_out);
			break;
		case OF_ACT_NX_REG_MOVE:
			if (vs_flow_field((enum of_field)a->move.from.field) == DP_N_FIELDS ||
			    vs_flow_field((enum of_field)a->move.to.field) == DP_N_FIELDS)
				error = OFPBAC_BAD_ARGUMENT;
			break;
		case OF_ACT_NX_REG_LOAD:
			if (vs_flow_field((enum of_field)a->load.to.field) == DP_N_FIELDS)
				error = OFPBAC_BAD_ARGUMENT;
			break;
		case OF_ACT_NX_REG_LOAD2:
		case OF_ACT_SET_FIELD:
			if (vs_flow_field((enum of_field)a->set.field) == DP_N_FIELDS)
				error = OFPBAC_BAD_SET_TYPE;
			break;
		case OF_ACT_SET_QUEUE:
			if (a->queue == OF_QUEUE_ALL)
				error = OFPBAC_BAD_QUEUE;
			break;
		case OF_ACT_GROUP: /* vs_groups_check() knows which there are */
			if (a->group > OF_GROUP_MAX)
				error = OFPBAC_BAD_OUT_GROUP;
			break;
		case OF_ACT_NX_CT:
			error = check_ct(&a->ct);
			break;
		case OF_ACT_NX_CT_CLEAR:
		case OF_ACT_COPY_TTL_OUT:
		case OF_ACT_COPY_TTL_IN:
		case OF_ACT_SET_MPLS_TTL:
		case OF_ACT_DEC_MPLS_TTL:
		case OF_ACT_PUSH_MPLS:
		case OF_ACT_POP_MPLS:
		case OF_ACT_PUSH_PBB:
		case OF_ACT_POP_PBB:
		case OF_ACT_PUSH_VLAN:
		case OF_ACT_POP_VLAN:
		case OF_ACT_SET_NW_TTL:
		case OF_ACT_DEC_NW_TTL:
		case OF_ACT_NX_CONTROLLER:
			break;
		default:
			error = OFPBAC_BAD_TYPE;
			break;
		}
		if (error != OF_OK)
			return error;
	}
	return OF_OK;
}

enum of_error vs_xlate_check(const struct vs_flows *flows, const struct of_instrs *instrs)
{
	enum of_error error = check_actions(flows, &instrs->apply, false);

	return error != OF_OK ? error : check_actions(flows, &instrs->write, false);
}

enum of_error vs_xlate_check_packet_out(const struct vs_flows *flows,
					const struct of_actions *actions)
{
	return check_actions(flows, actions, true);
}

enum of_error vs_xlate_check_actions(const struct of_actions *actions)
{
	return check_actions(NULL, actions, false);
}

uint32_t vs_xlate_known_actions(void)
{
	uint32_t known = 0;

	for (uint8_t type = 0; type < 32; type++) {
		/* Something that any action of its type may be. */
		struct of_action a = {.type = type};
		const struct of_actions one = {.v = &a, .n = 1};

		if (type == OF_ACT_OUTPUT)
			a.output.port = OFPP_IN_PORT;
		if (of_action_name(type) != NULL && vs_xlate_check_actions(&one) == OF_OK)
			known |= UINT32_C(1) << type;
	}
	return known;
}
