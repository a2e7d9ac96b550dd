/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Nicira's actions: registers, resubmit, connection tracking with address translation.  The forms
 * are those that 'ovs-ofctl -O OpenFlow13' sends.
 */
#include "vswitch/of/action_priv.h"

#include <string.h>

#include "ctl/base/wire.h"

#define HEADER_SIZE 10 /* of an action, up to its subtype */

/* A field's bits that exist. */
static bool subfield_fits(const struct of_subfield *sub)
{
	return sub->n_bits > 0 &&
	       sub->offset + sub->n_bits <= of_field_info((enum of_field)sub->field)->n_bits;
}

static bool field_decode(struct rd *rd, uint8_t *ret_field)
{
	enum of_field field;
	bool masked;
	size_t left;

	if (of_oxm_id_decode(rd, &field, &masked, &left) || masked)
		return false;
	*ret_field = (uint8_t)field;
	return true;
}

/* Offset and number of bits in 16: ofs << 6 | (n_bits - 1). */
static void bits_decode(uint16_t bits, struct of_subfield *sub)
{
	sub->offset = (uint8_t)(bits >> 6 > UINT8_MAX ? UINT8_MAX : bits >> 6);
	sub->n_bits = (uint8_t)((bits & 0x3f) + 1);
}

static uint16_t bits_encode(const struct of_subfield *sub)
{
	return (uint16_t)(sub->offset << 6 | (sub->n_bits - 1));
}

static bool may_write(const struct of_subfield *sub, bool in_ct)
{
	uint8_t write = of_field_info((enum of_field)sub->field)->write;

	return in_ct ? write == OF_WRITE_CT : write == OF_WRITE_LOAD || write == OF_WRITE_SET;
}

static enum of_error move_decode(struct rd *rd, bool in_ct, struct of_action *action)
{
	struct of_subfield *from = &action->move.from, *to = &action->move.to;
	uint16_t n_bits = rd_be16(rd), from_at = rd_be16(rd), to_at = rd_be16(rd);

	if (!field_decode(rd, &from->field) || !field_decode(rd, &to->field))
		return OFPBAC_BAD_ARGUMENT;
	if (n_bits > UINT8_MAX || from_at > UINT8_MAX || to_at > UINT8_MAX)
		return OFPBAC_BAD_ARGUMENT;
	from->n_bits = to->n_bits = (uint8_t)n_bits;
	from->offset = (uint8_t)from_at;
	to->offset = (uint8_t)to_at;
	return subfield_fits(from) && subfield_fits(to) && may_write(to, in_ct)
		       ? OF_OK
		       : OFPBAC_BAD_ARGUMENT;
}

static enum of_error load_decode(struct rd *rd, bool in_ct, struct of_action *action)
{
	struct of_subfield *to = &action->load.to;

	bits_decode(rd_be16(rd), to);
	if (!field_decode(rd, &to->field))
		return OFPBAC_BAD_ARGUMENT;
	action->load.value = rd_be64(rd);
	if (!rd_ok(rd) || !subfield_fits(to) || !may_write(to, in_ct) ||
	    (to->n_bits < 64 && action->load.value >> to->n_bits != 0))
		return OFPBAC_BAD_ARGUMENT;
	return OF_OK;
}

static enum of_error load2_decode(struct rd *rd, bool in_ct, struct of_action *action)
{
	enum of_error error;
	struct of_subfield to;

	error = of_oxm_decode(rd, &action->set);
	if (error)
		return of_set_error(error);
	to.field = action->set.field;
	return may_write(&to, in_ct) ? OF_OK : OFPBAC_BAD_SET_ARGUMENT;
}

static enum of_error output_reg_decode(struct rd *rd, struct of_action *action)
{
	struct of_subfield *from = &action->output_reg.from;

	bits_decode(rd_be16(rd), from);
	if (!field_decode(rd, &from->field))
		return OFPBAC_BAD_ARGUMENT;
	action->output_reg.max_len = rd_be16(rd);
	return rd_ok(rd) && subfield_fits(from) ? OF_OK : OFPBAC_BAD_ARGUMENT;
}

static enum of_error ct_decode(struct rd *rd, struct of_action *action)
{
	struct of_ct *ct = &action->ct;
	uint32_t zone_from;
	struct rd id;

	ct->flags = rd_be16(rd);
	id = *rd;
	zone_from = rd_be32(rd);
	ct->zone = rd_be16(rd);
	ct->table = rd_u8(rd);
	rd_skip(rd, 3);
	ct->alg = rd_be16(rd);
	if (!rd_ok(rd))
		return OFPBAC_BAD_LEN;
	if (zone_from != 0) {
		bits_decode(ct->zone, &ct->zone_from);
		ct->zone = 0;
		if (!field_decode(&id, &ct->zone_from.field) || !subfield_fits(&ct->zone_from) ||
		    ct->zone_from.n_bits != 16)
			return OFPBAC_BAD_ARGUMENT;
	}
	if ((ct->flags & ~(OF_CT_COMMIT | OF_CT_FORCE)) != 0 || ct->flags == OF_CT_FORCE)
		return OFPBAC_BAD_ARGUMENT;
	return of_actions_decode_in(rd, true, &ct->exec);
}

static bool nat_range_ok(const struct of_nat *nat)
{
	bool ipv4 = (nat->range & (OF_NAT_IPV4_MIN | OF_NAT_IPV4_MAX)) != 0;
	bool ipv6 = (nat->range & (OF_NAT_IPV6_MIN | OF_NAT_IPV6_MAX)) != 0;
	uint16_t without = (uint16_t)(nat->range >> 1 & ~nat->range);

	if ((ipv4 && ipv6) || (without & (OF_NAT_IPV4_MIN | OF_NAT_IPV6_MIN | OF_NAT_PROTO_MIN)))
		return false; /* both, or an end without a start */
	if ((nat->range & (OF_NAT_IPV4_MAX | OF_NAT_IPV6_MAX)) != 0 &&
	    memcmp(nat->ip_min, nat->ip_max, 16) > 0)
		return false;
	return (nat->range & OF_NAT_PROTO_MAX) == 0 || nat->proto_min <= nat->proto_max;
}

static bool nat_ok(const struct of_nat *nat)
{
	const uint16_t sides = OF_NAT_SRC | OF_NAT_DST, ports = OF_NAT_HASH | OF_NAT_RANDOM;

	if (nat->flags > 0x1f || nat->range > 0x3f || (nat->flags & sides) == sides ||
	    (nat->flags & ports) == ports)
		return false;
	if ((nat->flags & sides) == 0 && (nat->flags != 0 || nat->range != 0))
		return false;
	return nat_range_ok(nat);
}

static enum of_error nat_decode(struct rd *rd, struct of_action *action)
{
	struct of_nat *nat = &action->nat;

	rd_skip(rd, 2);
	nat->flags = rd_be16(rd);
	nat->range = rd_be16(rd);
	if (nat->range & OF_NAT_IPV4_MIN)
		rd_copy(rd, nat->ip_min, 4);
	if (nat->range & OF_NAT_IPV4_MAX)
		rd_copy(rd, nat->ip_max, 4);
	if (nat->range & OF_NAT_IPV6_MIN)
		rd_copy(rd, nat->ip_min, 16);
	if (nat->range & OF_NAT_IPV6_MAX)
		rd_copy(rd, nat->ip_max, 16);
	if (nat->range & OF_NAT_PROTO_MIN)
		nat->proto_min = rd_be16(rd);
	if (nat->range & OF_NAT_PROTO_MAX)
		nat->proto_max = rd_be16(rd);
	if (!rd_ok(rd))
		return OFPBAC_BAD_LEN;
	return nat_ok(nat) ? OF_OK : OFPBAC_BAD_ARGUMENT;
}

static void nat_encode(struct wr *wr, const struct of_nat *nat)
{
	wr_zeros(wr, 2);
	wr_be16(wr, nat->flags);
	wr_be16(wr, nat->range);
	if (nat->range & OF_NAT_IPV4_MIN)
		wr_bytes(wr, nat->ip_min, 4);
	if (nat->range & OF_NAT_IPV4_MAX)
		wr_bytes(wr, nat->ip_max, 4);
	if (nat->range & OF_NAT_IPV6_MIN)
		wr_bytes(wr, nat->ip_min, 16);
	if (nat->range & OF_NAT_IPV6_MAX)
		wr_bytes(wr, nat->ip_max, 16);
	if (nat->range & OF_NAT_PROTO_MIN)
		wr_be16(wr, nat->proto_min);
	if (nat->range & OF_NAT_PROTO_MAX)
		wr_be16(wr, nat->proto_max);
}

static enum of_error resubmit_decode(struct rd *rd, struct of_action *action)
{
	action->resubmit.in_port = rd_be16(rd);
	action->resubmit.table = OF_NX_TABLE_ANY;
	if (action->type == OF_ACT_NX_RESUBMIT)
		action->type = OF_ACT_NX_RESUBMIT_TABLE; /* which says the same */
	else
		action->resubmit.table = rd_u8(rd);
	return rd_ok(rd) ? OF_OK : OFPBAC_BAD_LEN;
}

static enum of_error controller_decode(struct rd *rd, struct of_action *action)
{
	action->controller.max_len = rd_be16(rd);
	action->controller.controller_id = rd_be16(rd);
	action->controller.reason = rd_u8(rd);
	return rd_ok(rd) ? OF_OK : OFPBAC_BAD_LEN;
}

/* The type for a subtype, when 'size' bytes after it are right; -1 unknown, -2 wrong length. */
static int type_of(uint16_t subtype, size_t size)
{
	switch (subtype) {
#define X(name, number, bytes, text)                                                               \
	case number:                                                                               \
		return (bytes) == 0 || size == (bytes)-HEADER_SIZE ? OF_ACT_NX_##name : -2;
		OF_NX_ACTIONS(X)
#undef X
	default:
		return -1;
	}
}

enum of_error of_nx_action_decode(struct rd *rd, bool in_ct, struct of_action *ret_action)
{
	uint16_t subtype = rd_be16(rd);
	int type = type_of(subtype, rd->left);

	if (!rd_ok(rd) || type == -2)
		return OFPBAC_BAD_LEN;
	if (type < 0)
		return OFPBAC_BAD_EXP_TYPE;
	ret_action->type = (uint8_t)type;
	switch (type) {
	case OF_ACT_NX_REG_MOVE:
		return move_decode(rd, in_ct, ret_action);
	case OF_ACT_NX_REG_LOAD:
		return load_decode(rd, in_ct, ret_action);
	case OF_ACT_NX_REG_LOAD2:
		return load2_decode(rd, in_ct, ret_action);
	case OF_ACT_NX_NAT:
		return in_ct ? nat_decode(rd, ret_action) : OFPBAC_BAD_ARGUMENT;
	default:
		break;
	}
	if (in_ct)
		return OFPBAC_BAD_ARGUMENT; /* Only what sets, and nat; so 'ct' does not nest. */
	switch (type) {
	case OF_ACT_NX_CT:
		return ct_decode(rd, ret_action);
	case OF_ACT_NX_OUTPUT_REG:
		return output_reg_decode(rd, ret_action);
	case OF_ACT_NX_RESUBMIT:
	case OF_ACT_NX_RESUBMIT_TABLE:
	case OF_ACT_NX_RESUBMIT_TABLE_CT:
		return resubmit_decode(rd, ret_action);
	case OF_ACT_NX_CONTROLLER:
		return controller_decode(rd, ret_action);
	default:
		return OF_OK; /* ct_clear has no arguments */
	}
}

static void ct_encode(struct wr *wr, const struct of_ct *ct)
{
	wr_be16(wr, ct->flags);
	if (ct->zone_from.n_bits > 0) {
		of_oxm_id_encode_nxm(wr, (enum of_field)ct->zone_from.field);
		wr_be16(wr, bits_encode(&ct->zone_from));
	} else {
		wr_be32(wr, 0);
		wr_be16(wr, ct->zone);
	}
	wr_u8(wr, ct->table);
	wr_zeros(wr, 3);
	wr_be16(wr, ct->alg);
	of_actions_encode(wr, &ct->exec);
}

void of_nx_action_encode(struct wr *wr, const struct of_action *action)
{
	wr_be16(wr, (uint16_t)(action->type & ~OF_ACT_NX_BIT));
	switch (action->type) {
	case OF_ACT_NX_REG_MOVE:
		wr_be16(wr, action->move.from.n_bits);
		wr_be16(wr, action->move.from.offset);
		wr_be16(wr, action->move.to.offset);
		of_oxm_id_encode_nxm(wr, (enum of_field)action->move.from.field);
		of_oxm_id_encode_nxm(wr, (enum of_field)action->move.to.field);
		break;
	case OF_ACT_NX_REG_LOAD:
		wr_be16(wr, bits_encode(&action->load.to));
		of_oxm_id_encode_nxm(wr, (enum of_field)action->load.to.field);
		wr_be64(wr, action->load.value);
		break;
	case OF_ACT_NX_REG_LOAD2:
		of_oxm_encode(wr, &action->set);
		break;
	case OF_ACT_NX_OUTPUT_REG:
		wr_be16(wr, bits_encode(&action->output_reg.from));
		of_oxm_id_encode_nxm(wr, (enum of_field)action->output_reg.from.field);
		wr_be16(wr, action->output_reg.max_len);
		wr_zeros(wr, 6);
		break;
	case OF_ACT_NX_CONTROLLER:
		wr_be16(wr, action->controller.max_len);
		wr_be16(wr, action->controller.controller_id);
		wr_u8(wr, action->controller.reason);
		break;
	case OF_ACT_NX_CT:
		ct_encode(wr, &action->ct);
		break;
	case OF_ACT_NX_NAT:
		nat_encode(wr, &action->nat);
		break;
	case OF_ACT_NX_CT_CLEAR:
		wr_zeros(wr, 6);
		break;
	default:
		wr_be16(wr, action->resubmit.in_port);
		wr_u8(wr, action->resubmit.table);
		break;
	}
}
