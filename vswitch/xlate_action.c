/* SPDX-License-Identifier: BSD-2-Clause
 *
 * See xlate_priv.h: one action.  Workers.
 */
#include "dataplane/port.h"
#include "vswitch/xlate_priv.h"

static void output(struct xlate *x, const struct of_action *a)
{
	vs_xlate_macs(x);
	switch (a->output.port) {
	case OFPP_IN_PORT:
		vs_xlate_step(x, DP_STEP_IN_PORT, 0, 0);
		break;
	case OFPP_NORMAL:
		vs_xlate_step(x, DP_STEP_NORMAL, 0, 0);
		break;
	case OFPP_FLOOD:
		vs_xlate_step(x, DP_STEP_FLOOD, 0, 0);
		break;
	case OFPP_ALL:
		vs_xlate_step(x, DP_STEP_ALL, 0, 0);
		break;
	case OFPP_TABLE:
		vs_xlate_step(x, DP_STEP_TABLE, 0, 0);
		break;
	case OFPP_CONTROLLER:
		vs_xlate_controller(x, a->output.max_len, vs_xlate_reason(x, a));
		break;
	default: {
		uint16_t id = vs_flows_port_id(x->flows, a->output.port);

		if (id != DP_NO_PORT && !vs_xlate_tunnel(x, a->output.port, id))
			vs_xlate_step(x, DP_STEP_OUTPUT, id, 0);
		break;
	}
	}
}

/* No TTL is in the key. */
static void ttl(struct xlate *x, enum dp_step_op op, uint8_t value)
{
	vs_xlate_macs(x);
	vs_xlate_step(x, op, value, 0);
}

void vs_xlate_action(struct xlate *x, const struct of_action *a)
{
	if (x->trace != NULL)
		x->trace->action(x->trace, a);
	switch (a->type) {
	case OF_ACT_OUTPUT:
		output(x, a);
		break;
	case OF_ACT_SET_FIELD:
		vs_xlate_set_field(x, &a->set);
		break;
	case OF_ACT_PUSH_VLAN:
		vs_xlate_push_vlan(x, a->eth_type);
		break;
	case OF_ACT_POP_VLAN:
		vs_xlate_pop_vlan(x);
		break;
	case OF_ACT_PUSH_MPLS:
		vs_xlate_push_mpls(x, a->eth_type);
		break;
	case OF_ACT_POP_MPLS:
		vs_xlate_pop_mpls(x, a->eth_type);
		break;
	case OF_ACT_PUSH_PBB:
		vs_xlate_push_pbb(x);
		break;
	case OF_ACT_POP_PBB:
		vs_xlate_pop_pbb(x);
		break;
	case OF_ACT_NX_REG_MOVE:
		vs_xlate_move(x, a);
		break;
	case OF_ACT_NX_REG_LOAD:
		vs_xlate_load(x, a);
		break;
	case OF_ACT_NX_REG_LOAD2:
		vs_xlate_set_field(x, &a->set);
		break;
	case OF_ACT_NX_CT:
		vs_xlate_ct(x, &a->ct);
		break;
	case OF_ACT_NX_CT_CLEAR:
		vs_xlate_ct_clear(x);
		break;
	case OF_ACT_SET_NW_TTL:
		ttl(x, DP_STEP_SET_NW_TTL, a->ttl);
		break;
	case OF_ACT_DEC_NW_TTL:
		vs_xlate_dec_ttl(x, DP_STEP_DEC_NW_TTL);
		break;
	case OF_ACT_NX_CONTROLLER:
		vs_xlate_macs(x);
		vs_xlate_controller(x, a->controller.max_len, a->controller.reason);
		break;
	case OF_ACT_SET_MPLS_TTL:
		ttl(x, DP_STEP_SET_MPLS_TTL, a->ttl);
		break;
	case OF_ACT_DEC_MPLS_TTL:
		vs_xlate_dec_ttl(x, DP_STEP_DEC_MPLS_TTL);
		break;
	case OF_ACT_COPY_TTL_OUT:
		ttl(x, DP_STEP_COPY_TTL_OUT, 0);
		break;
	case OF_ACT_COPY_TTL_IN:
		ttl(x, DP_STEP_COPY_TTL_IN, 0);
		break;
	case OF_ACT_GROUP:
		vs_xlate_group(x, a->group);
		break;
	case OF_ACT_SET_QUEUE: /* whichever port it leaves by; it may have no such queue */
		vs_xlate_step(x, DP_STEP_QUEUE, a->queue, 0);
		break;
	default:
		break; /* vs_xlate_check() let no other in. */
	}
}

void vs_xlate_actions(struct xlate *x, const struct of_actions *actions)
{
	for (size_t i = 0; i < actions->n; i++)
		vs_xlate_action(x, &actions->v[i]);
}
