/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Random OpenFlow structures; see of_gen.h.
 */
#include "tests/support/of_gen.h"

#include <string.h>

#include "vswitch/of/header.h"

uint64_t of_gen(uint64_t *state)
{
	*state ^= *state << 13; /* xorshift64 */
	*state ^= *state >> 7;
	*state ^= *state << 17;
	return *state * 0x2545f4914f6cdd1d;
}

uint32_t of_gen_below(uint64_t *state, uint32_t n)
{
	return (uint32_t)((of_gen(state) >> 32) % n);
}

static bool coin(uint64_t *state)
{
	return of_gen_below(state, 2) != 0;
}

struct of_oxm of_gen_oxm(uint64_t *state, enum of_field field)
{
	struct of_oxm oxm = {.field = (uint8_t)field};
	uint8_t ones[OF_VALUE_MAX];
	bool all = true, none = true;

	of_field_ones(field, ones);
	oxm.masked = of_field_info(field)->maskable && coin(state);
	for (unsigned i = 0; i < OF_VALUE_MAX; i++) {
		oxm.mask[i] = oxm.masked ? (uint8_t)of_gen(state) & ones[i] : ones[i];
		oxm.value[i] = (uint8_t)of_gen(state) & oxm.mask[i];
		all = all && oxm.mask[i] == ones[i];
		none = none && oxm.mask[i] == 0;
	}
	if (all || none)
		memcpy(oxm.mask, ones, sizeof(ones));
	oxm.masked = oxm.masked && !all && !none;
	return oxm;
}

static void set(struct of_match *match, enum of_field field, uint64_t value)
{
	const struct of_oxm oxm = of_oxm_u64(field, value);

	of_match_set(match, &oxm);
}

/* A protocol first, then any fields that it allows. */
void of_gen_match(uint64_t *state, struct of_match *match)
{
	static const uint16_t types[] = {0x0800, 0x86dd, 0x0806, 0x8847, 0x88e7, 0x1234};
	static const uint8_t protos[] = {1, 6, 17, 58, 132, 47};

	match->n = 0;
	if (coin(state))
		set(match, OF_F_ETH_TYPE, types[of_gen_below(state, 6)]);
	if (of_match_prereq(match, OF_PREREQ_IP) && coin(state))
		set(match, OF_F_IP_PROTO, protos[of_gen_below(state, 6)]);
	if (of_match_prereq(match, OF_PREREQ_ICMPV6) && coin(state))
		set(match, OF_F_ICMPV6_TYPE, 135 + of_gen_below(state, 2));
	for (unsigned n = of_gen_below(state, 12); n > 0; n--) {
		enum of_field field = (enum of_field)of_gen_below(state, OF_N_FIELDS);
		struct of_oxm oxm = of_gen_oxm(state, field);

		if (of_match_find(match, field) == NULL && of_field_matches(field) &&
		    of_match_prereq(match, (enum of_prereq)of_field_info(field)->prereq))
			of_match_set(match, &oxm);
	}
	if (of_match_check(match) != OF_OK)
		match->n = 0;
}

static uint32_t gen_port(uint64_t *state)
{
	static const uint32_t reserved[] = {OFPP_IN_PORT, OFPP_NORMAL,	   OFPP_FLOOD,
					    OFPP_ALL,	  OFPP_CONTROLLER, OFPP_LOCAL};

	return coin(state) ? 1 + of_gen_below(state, 1000) : reserved[of_gen_below(state, 6)];
}

static struct of_subfield gen_subfield(uint64_t *state, enum of_field field, unsigned n_bits)
{
	unsigned room = of_field_info(field)->n_bits - n_bits;

	return (struct of_subfield){(uint8_t)field, (uint8_t)of_gen_below(state, room + 1),
				    (uint8_t)n_bits};
}

static enum of_field gen_reg(uint64_t *state)
{
	return (enum of_field)(OF_F_REG0 + of_gen_below(state, 16));
}

static void gen_nat(uint64_t *state, struct of_nat *nat)
{
	static const uint16_t ranges[] = {0, OF_NAT_IPV4_MIN, OF_NAT_IPV4_MIN | OF_NAT_IPV4_MAX,
					  OF_NAT_IPV6_MIN, OF_NAT_IPV6_MIN | OF_NAT_IPV6_MAX};
	static const uint16_t ports[] = {0, OF_NAT_PROTO_MIN, OF_NAT_PROTO_MIN | OF_NAT_PROTO_MAX};
	unsigned size;

	nat->flags = coin(state) ? OF_NAT_SRC : OF_NAT_DST;
	nat->flags |= (uint16_t)(of_gen_below(state, 2) * OF_NAT_PERSISTENT);
	nat->flags |= coin(state) ? 0 : coin(state) ? OF_NAT_HASH : OF_NAT_RANDOM;
	nat->range = ranges[of_gen_below(state, 5)];
	size = nat->range >= OF_NAT_IPV6_MIN ? 16 : nat->range > 0 ? 4 : 0;
	for (unsigned i = 0; i < size; i++)
		nat->ip_min[i] = (uint8_t)(1 + of_gen_below(state, 100));
	if (nat->range & (OF_NAT_IPV4_MAX | OF_NAT_IPV6_MAX))
		for (unsigned i = 0; i < size; i++)
			nat->ip_max[i] = (uint8_t)(100 + of_gen_below(state, 100));
	nat->range |= ports[of_gen_below(state, 3)];
	if (nat->range & OF_NAT_PROTO_MIN)
		nat->proto_min = (uint16_t)of_gen_below(state, 1000);
	if (nat->range & OF_NAT_PROTO_MAX)
		nat->proto_max = (uint16_t)(1000 + of_gen_below(state, 1000));
}

static void gen_ct(uint64_t *state, struct of_ct *ct)
{
	struct of_action action = {.type = OF_ACT_NX_NAT};

	ct->flags =
		(uint16_t)(coin(state) ? OF_CT_COMMIT | of_gen_below(state, 2) * OF_CT_FORCE : 0);
	ct->table = (uint8_t)(coin(state) ? OF_NX_TABLE_ANY : of_gen_below(state, 254));
	ct->alg = (uint16_t)(coin(state) ? 0 : 21);
	if (coin(state))
		ct->zone = (uint16_t)of_gen(state);
	else
		ct->zone_from = gen_subfield(state, gen_reg(state), 16);
	if (coin(state)) {
		gen_nat(state, &action.nat);
		of_actions_add(&ct->exec, &action);
	}
	if (coin(state)) {
		action = (struct of_action){.type = OF_ACT_SET_FIELD};
		action.set = of_gen_oxm(state, coin(state) ? OF_F_CT_MARK : OF_F_CT_LABEL);
		if (action.set.masked)
			action.type = OF_ACT_NX_REG_LOAD2;
		of_actions_add(&ct->exec, &action);
	}
}

/* One that needs nothing of the packet, but for set-field. */
static void gen_nx(uint64_t *state, struct of_action *action)
{
	unsigned n_bits = 1 + of_gen_below(state, 32);

	switch (of_gen_below(state, 6)) {
	case 0:
		action->type = OF_ACT_NX_REG_MOVE;
		action->move.from = gen_subfield(state, OF_F_ETH_SRC, n_bits);
		action->move.to = gen_subfield(state, gen_reg(state), n_bits);
		break;
	case 1:
		action->type = OF_ACT_NX_REG_LOAD;
		action->load.to = gen_subfield(state, gen_reg(state), n_bits);
		action->load.value = of_gen(state) >> (64 - n_bits);
		break;
	case 2:
		action->type = coin(state) ? OF_ACT_NX_RESUBMIT_TABLE : OF_ACT_NX_RESUBMIT_TABLE_CT;
		action->resubmit.in_port = (uint16_t)(1 + of_gen_below(state, 100));
		action->resubmit.table = (uint8_t)of_gen(state);
		break;
	case 3:
		action->type = OF_ACT_NX_CONTROLLER;
		action->controller.max_len = (uint16_t)of_gen(state);
		action->controller.controller_id = (uint16_t)of_gen(state);
		action->controller.reason = (uint8_t)of_gen_below(state, 3);
		break;
	case 4:
		action->type = OF_ACT_NX_OUTPUT_REG;
		action->output_reg.from = gen_subfield(state, gen_reg(state), 16);
		action->output_reg.max_len = OF_MAX_LEN_ALL;
		break;
	default:
		action->type = OF_ACT_NX_CT;
		gen_ct(state, &action->ct);
		break;
	}
}

static void gen_set(uint64_t *state, const struct of_match *match, struct of_action *action)
{
	const struct of_field_info *info;

	action->type = OF_ACT_SET_FIELD;
	do {
		enum of_field field = (enum of_field)of_gen_below(state, OF_N_FIELDS);

		info = of_field_info(field);
		action->set = of_gen_oxm(state, field);
	} while (info->write != OF_WRITE_SET ||
		 !of_match_prereq(match, (enum of_prereq)info->prereq) ||
		 action->set.field == OF_F_ETH_TYPE || action->set.field == OF_F_IP_PROTO ||
		 action->set.field == OF_F_ICMPV6_TYPE || action->set.field == OF_F_VLAN_VID);
	if (action->set.masked)
		action->type = OF_ACT_NX_REG_LOAD2;
}

static void gen_action(uint64_t *state, const struct of_match *match, struct of_action *action)
{
	*action = (struct of_action){.type = OF_ACT_OUTPUT};
	switch (of_gen_below(state, 8)) {
	case 0:
		action->type = OF_ACT_GROUP;
		action->group = of_gen_below(state, 1000);
		break;
	case 1:
		action->type = OF_ACT_SET_QUEUE;
		action->queue = of_gen_below(state, 1000);
		break;
	case 2:
		action->type = of_match_prereq(match, OF_PREREQ_IP) ? OF_ACT_SET_NW_TTL
								    : OF_ACT_COPY_TTL_IN;
		action->ttl = action->type == OF_ACT_SET_NW_TTL ? (uint8_t)of_gen(state) : 0;
		break;
	case 3:
	case 4:
		gen_set(state, match, action);
		break;
	case 5:
		gen_nx(state, action);
		break;
	default:
		action->output.port = gen_port(state);
		if (action->output.port == OFPP_CONTROLLER)
			action->output.max_len = (uint16_t)of_gen(state);
		break;
	}
}

void of_gen_actions(uint64_t *state, const struct of_match *match, struct of_actions *actions)
{
	struct of_action action;

	*actions = (struct of_actions){0};
	for (unsigned n = 1 + of_gen_below(state, 6); n > 0; n--) {
		gen_action(state, match, &action);
		of_actions_add(actions, &action);
	}
}

void of_gen_instrs(uint64_t *state, const struct of_match *match, uint8_t table,
		   struct of_instrs *instrs)
{
	*instrs = (struct of_instrs){.present = (uint8_t)(of_gen(state) & 0x7e)};
	if (table >= OF_TABLE_MAX)
		instrs->present &= (uint8_t) ~(1U << OFPIT_GOTO_TABLE);
	if (of_instrs_has(instrs, OFPIT_GOTO_TABLE))
		instrs->goto_table =
			(uint8_t)(table + 1 + of_gen_below(state, OF_TABLE_MAX - table));
	if (of_instrs_has(instrs, OFPIT_METER))
		instrs->meter = 1 + of_gen_below(state, 1000);
	if (of_instrs_has(instrs, OFPIT_WRITE_METADATA)) {
		instrs->metadata = of_gen(state);
		instrs->metadata_mask = coin(state) ? UINT64_MAX : of_gen(state);
	}
	if (of_instrs_has(instrs, OFPIT_WRITE_ACTIONS))
		of_gen_actions(state, match, &instrs->write);
	if (of_instrs_has(instrs, OFPIT_APPLY_ACTIONS))
		of_gen_actions(state, match, &instrs->apply);
}

void of_gen_flow_mod(uint64_t *state, struct of_flow_mod *mod)
{
	*mod = (struct of_flow_mod){
		.cookie = of_gen(state),
		.table = (uint8_t)of_gen_below(state, OF_TABLE_MAX + 1),
		.command = (uint8_t)of_gen_below(state, 5),
		.idle_timeout = (uint16_t)of_gen(state),
		.hard_timeout = (uint16_t)of_gen(state),
		.priority = (uint16_t)of_gen(state),
		.buffer_id = OF_NO_BUFFER,
		.out_port = coin(state) ? OFPP_ANY : gen_port(state),
		.out_group = coin(state) ? OF_GROUP_ANY : of_gen_below(state, 100),
		.flags = (uint16_t)(of_gen(state) & OFPFF_ALL),
	};
	if (mod->command != OFPFC_ADD)
		mod->cookie_mask = of_gen(state);
	of_gen_match(state, &mod->match);
	if (mod->command < OFPFC_DELETE)
		of_gen_instrs(state, &mod->match, mod->table, &mod->instrs);
}

void of_gen_group_mod(uint64_t *state, struct of_group_mod *mod)
{
	static const struct of_match any;

	*mod = (struct of_group_mod){
		.command = (uint16_t)of_gen_below(state, 2),
		.group = {.type = (uint8_t)of_gen_below(state, OF_N_GROUP_TYPES),
			  .id = of_gen_below(state, 1000)},
	};
	for (unsigned n = mod->group.type == OFPGT_INDIRECT ? 1 : of_gen_below(state, 5); n > 0;
	     n--) {
		struct of_bucket bucket = {.weight = (uint16_t)of_gen(state),
					   .watch_port = 1 + of_gen_below(state, 100),
					   .watch_group = OF_GROUP_ANY};

		of_gen_actions(state, &any, &bucket.actions);
		of_group_add_bucket(&mod->group, &bucket);
	}
}

void of_gen_meter_mod(uint64_t *state, struct of_meter_mod *mod)
{
	*mod = (struct of_meter_mod){
		.command = (uint16_t)of_gen_below(state, 2),
		.meter = {.id = 1 + of_gen_below(state, 1000),
			  .flags = (uint16_t)((coin(state) ? OFPMF_KBPS : OFPMF_PKTPS) |
					      (of_gen(state) & (OFPMF_BURST | OFPMF_STATS)))},
	};
	for (unsigned n = of_gen_below(state, 4); n > 0; n--) {
		struct of_band band = {.type = coin(state) ? OFPMBT_DROP : OFPMBT_DSCP_REMARK,
				       .rate = (uint32_t)of_gen(state),
				       .burst = (uint32_t)of_gen(state)};

		if (band.type == OFPMBT_DSCP_REMARK)
			band.prec_level = (uint8_t)of_gen_below(state, 64);
		of_meter_add_band(&mod->meter, &band);
	}
}
