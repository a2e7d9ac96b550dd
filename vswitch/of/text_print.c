/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Actions and instructions in the flow syntax: writing; see text_priv.h.
 */
#include "vswitch/of/text_priv.h"

void of_subfield_print(struct wr *wr, const struct of_subfield *sub)
{
	const struct of_field_info *info = of_field_info((enum of_field)sub->field);

	of_put(wr, "%s[", info->name);
	if (sub->n_bits == 1)
		of_put(wr, "%u", sub->offset);
	else if (sub->n_bits < info->n_bits)
		of_put(wr, "%u..%u", sub->offset, sub->offset + sub->n_bits - 1);
	of_put(wr, "]");
}

static void print_output(struct wr *wr, const struct of_action *action,
			 const struct of_text_ports *ports)
{
	uint32_t port = action->output.port;

	if (port == OFPP_CONTROLLER) {
		of_put(wr, "CONTROLLER:%u", action->output.max_len);
		return;
	}
	of_put(wr, of_reserved_port_name(port) != NULL ? "" : "output:");
	of_put_port(wr, port, ports);
}

static void print_controller(struct wr *wr, const struct of_action *action)
{
	static const char *const reasons[] = {"no_match", "action", "invalid_ttl"};
	uint8_t reason = action->controller.reason;

	of_put(wr, "controller(max_len=%u,id=%u", action->controller.max_len,
	       action->controller.controller_id);
	if (reason != 1 && reason < sizeof(reasons) / sizeof(reasons[0]))
		of_put(wr, ",reason=%s", reasons[reason]);
	of_put(wr, ")");
}

static void print_resubmit(struct wr *wr, const struct of_action *action)
{
	uint16_t port = action->resubmit.in_port;

	if (action->type == OF_ACT_NX_RESUBMIT_TABLE && action->resubmit.table == OF_NX_TABLE_ANY) {
		of_put(wr, port == 0xfff8 ? "resubmit:in_port" : "resubmit:%u", port);
		return;
	}
	of_put(wr, port == 0xfff8 ? "resubmit(" : "resubmit(%u", port);
	if (action->resubmit.table != OF_NX_TABLE_ANY)
		of_put(wr, ",%u", action->resubmit.table);
	else
		of_put(wr, ",");
	of_put(wr, action->type == OF_ACT_NX_RESUBMIT_TABLE_CT ? ",ct)" : ")");
}

static void print_nx(struct wr *wr, const struct of_action *action,
		     const struct of_text_ports *ports)
{
	switch (action->type) {
	case OF_ACT_NX_REG_MOVE:
		of_put(wr, "move:");
		of_subfield_print(wr, &action->move.from);
		of_put(wr, "->");
		of_subfield_print(wr, &action->move.to);
		break;
	case OF_ACT_NX_REG_LOAD:
		of_put(wr, "load:0x%llx->", (unsigned long long)action->load.value);
		of_subfield_print(wr, &action->load.to);
		break;
	case OF_ACT_NX_OUTPUT_REG:
		of_put(wr, "output:");
		of_subfield_print(wr, &action->output_reg.from);
		break;
	case OF_ACT_NX_CONTROLLER:
		print_controller(wr, action);
		break;
	case OF_ACT_NX_CT:
		of_ct_print(wr, &action->ct, ports);
		break;
	case OF_ACT_NX_NAT:
		of_nat_print(wr, &action->nat);
		break;
	case OF_ACT_NX_CT_CLEAR:
		of_put(wr, "ct_clear");
		break;
	default:
		print_resubmit(wr, action);
		break;
	}
}

static void print_action(struct wr *wr, const struct of_action *action,
			 const struct of_text_ports *ports)
{
	const char *name = of_action_name(action->type);

	switch (action->type) {
	case OF_ACT_OUTPUT:
		print_output(wr, action, ports);
		break;
	case OF_ACT_SET_FIELD:
	case OF_ACT_NX_REG_LOAD2:
		of_put(wr, "set_field:");
		of_value_print(wr, &action->set, ports);
		of_put(wr, "->%s", of_field_info((enum of_field)action->set.field)->name);
		break;
	case OF_ACT_GROUP:
		of_put(wr, "%s:%u", name, action->group);
		break;
	case OF_ACT_SET_QUEUE:
		of_put(wr, "%s:%u", name, action->queue);
		break;
	case OF_ACT_SET_MPLS_TTL:
	case OF_ACT_SET_NW_TTL:
		of_put(wr, "%s:%u", name, action->ttl);
		break;
	case OF_ACT_PUSH_VLAN:
	case OF_ACT_PUSH_MPLS:
	case OF_ACT_PUSH_PBB:
	case OF_ACT_POP_MPLS:
		of_put(wr, "%s:0x%04x", name, action->eth_type);
		break;
	default:
		if (action->type & OF_ACT_NX_BIT)
			print_nx(wr, action, ports);
		else
			of_put(wr, "%s", name);
		break;
	}
}

void of_text_actions_print(struct wr *wr, const struct of_actions *actions,
			   const struct of_text_ports *ports)
{
	for (size_t i = 0; i < actions->n; i++) {
		if (i > 0)
			of_put(wr, ",");
		print_action(wr, &actions->v[i], ports);
	}
}

/* In the order of execution. */
void of_text_instrs_print(struct wr *wr, const struct of_instrs *instrs,
			  const struct of_text_ports *ports)
{
	size_t from = wr->size;

	if (of_instrs_has(instrs, OFPIT_METER))
		of_put(wr, "meter:%u,", instrs->meter);
	of_text_actions_print(wr, &instrs->apply, ports);
	if (instrs->apply.n > 0)
		of_put(wr, ",");
	if (of_instrs_has(instrs, OFPIT_CLEAR_ACTIONS))
		of_put(wr, "clear_actions,");
	if (of_instrs_has(instrs, OFPIT_WRITE_ACTIONS)) {
		of_put(wr, "write_actions(");
		of_text_actions_print(wr, &instrs->write, ports);
		of_put(wr, "),");
	}
	if (of_instrs_has(instrs, OFPIT_WRITE_METADATA)) {
		of_put(wr, "write_metadata:0x%llx", (unsigned long long)instrs->metadata);
		if (instrs->metadata_mask != UINT64_MAX)
			of_put(wr, "/0x%llx", (unsigned long long)instrs->metadata_mask);
		of_put(wr, ",");
	}
	if (of_instrs_has(instrs, OFPIT_GOTO_TABLE))
		of_put(wr, "goto_table:%u,", instrs->goto_table);
	if (wr->size == from)
		of_put(wr, "drop");
	else
		wr_cut(wr, wr->size - 1); /* the last comma */
}
