/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Instructions; see instr.h.
 */
#include "vswitch/of/instr.h"

#include <string.h>

#include "ctl/base/wire.h"

#define INSTR_EXPERIMENTER 0xffff
#define INSTR_HEADER_SIZE  4

void of_instrs_fini(struct of_instrs *instrs)
{
	of_actions_fini(&instrs->write);
	of_actions_fini(&instrs->apply);
	*instrs = (struct of_instrs){0};
}

bool of_instrs_copy(const struct of_instrs *instrs, struct of_instrs *ret_copy)
{
	*ret_copy = *instrs;
	ret_copy->write = ret_copy->apply = (struct of_actions){0};
	if (of_actions_copy(&instrs->write, &ret_copy->write) &&
	    of_actions_copy(&instrs->apply, &ret_copy->apply))
		return true;
	of_instrs_fini(ret_copy);
	return false;
}

bool of_instrs_equal(const struct of_instrs *a, const struct of_instrs *b)
{
	return a->present == b->present && a->goto_table == b->goto_table && a->meter == b->meter &&
	       a->metadata == b->metadata && a->metadata_mask == b->metadata_mask &&
	       of_actions_equal(&a->write, &b->write) && of_actions_equal(&a->apply, &b->apply);
}

/* Bytes that an instruction has; for those with actions, at least. */
static size_t size_of(uint16_t type)
{
	return type == OFPIT_WRITE_METADATA ? 24 : 8;
}

static enum of_error actions_decode(struct rd *rd, struct of_actions *ret_actions)
{
	rd_skip(rd, 4);
	return of_actions_decode(rd, ret_actions);
}

static enum of_error metadata_decode(struct rd *rd, struct of_instrs *instrs)
{
	rd_skip(rd, 4);
	instrs->metadata = rd_be64(rd);
	instrs->metadata_mask = rd_be64(rd);
	return OF_OK;
}

static enum of_error body_decode(struct rd *rd, uint16_t type, struct of_instrs *instrs)
{
	switch (type) {
	case OFPIT_GOTO_TABLE:
		instrs->goto_table = rd_u8(rd);
		return instrs->goto_table <= OF_TABLE_MAX ? OF_OK : OFPBIC_BAD_TABLE_ID;
	case OFPIT_WRITE_METADATA:
		return metadata_decode(rd, instrs);
	case OFPIT_WRITE_ACTIONS:
		return actions_decode(rd, &instrs->write);
	case OFPIT_APPLY_ACTIONS:
		return actions_decode(rd, &instrs->apply);
	case OFPIT_METER:
		instrs->meter = rd_be32(rd);
		return instrs->meter > 0 && instrs->meter <= OF_METER_MAX ? OF_OK
									  : OFPMMFC_INVALID_METER;
	default:
		return OF_OK;
	}
}

static enum of_error instr_decode(struct rd *rd, struct of_instrs *instrs)
{
	uint16_t type = rd_be16(rd), size = rd_be16(rd);
	bool varies = type == OFPIT_WRITE_ACTIONS || type == OFPIT_APPLY_ACTIONS;
	struct rd body;

	if (!rd_ok(rd) || size < 8 || size % 8 != 0)
		return OFPBIC_BAD_LEN;
	body = rd_sub(rd, size - (size_t)INSTR_HEADER_SIZE);
	if (!rd_ok(&body))
		return OFPBIC_BAD_LEN;
	if (type == INSTR_EXPERIMENTER)
		return OFPBIC_BAD_EXPERIMENTER;
	if (type < OFPIT_GOTO_TABLE || type > OFPIT_METER)
		return OFPBIC_UNKNOWN_INST;
	if (!varies && size != size_of(type))
		return OFPBIC_BAD_LEN;
	if (of_instrs_has(instrs, (enum of_instr_type)type))
		return OFPBIC_DUP_INST;
	of_instrs_mark(instrs, (enum of_instr_type)type);
	return body_decode(&body, type, instrs);
}

enum of_error of_instrs_decode(struct rd *rd, struct of_instrs *ret_instrs)
{
	struct of_instrs instrs = {0};

	*ret_instrs = instrs;
	while (rd->left > 0) {
		enum of_error error = instr_decode(rd, &instrs);

		if (error) {
			of_instrs_fini(&instrs);
			return error;
		}
	}
	*ret_instrs = instrs;
	return OF_OK;
}

static void actions_encode(struct wr *wr, enum of_instr_type type, const struct of_actions *actions)
{
	size_t at = wr->size;

	wr_be16(wr, (uint16_t)type);
	wr_be16(wr, 0);
	wr_zeros(wr, 4);
	of_actions_encode(wr, actions);
	if (wr->size - at > UINT16_MAX)
		wr->bad = true;
	wr_set_be16(wr, at + 2, (uint16_t)(wr->size - at));
}

static void small_encode(struct wr *wr, enum of_instr_type type, uint32_t value)
{
	wr_be16(wr, (uint16_t)type);
	wr_be16(wr, 8);
	wr_be32(wr, value);
}

void of_instrs_encode(struct wr *wr, const struct of_instrs *instrs)
{
	static const struct of_actions none;

	if (of_instrs_has(instrs, OFPIT_METER))
		small_encode(wr, OFPIT_METER, instrs->meter);
	if (of_instrs_has(instrs, OFPIT_APPLY_ACTIONS))
		actions_encode(wr, OFPIT_APPLY_ACTIONS, &instrs->apply);
	if (of_instrs_has(instrs, OFPIT_CLEAR_ACTIONS))
		actions_encode(wr, OFPIT_CLEAR_ACTIONS, &none);
	if (of_instrs_has(instrs, OFPIT_WRITE_ACTIONS))
		actions_encode(wr, OFPIT_WRITE_ACTIONS, &instrs->write);
	if (of_instrs_has(instrs, OFPIT_WRITE_METADATA)) {
		wr_be16(wr, OFPIT_WRITE_METADATA);
		wr_be16(wr, (uint16_t)size_of(OFPIT_WRITE_METADATA));
		wr_zeros(wr, 4);
		wr_be64(wr, instrs->metadata);
		wr_be64(wr, instrs->metadata_mask);
	}
	if (of_instrs_has(instrs, OFPIT_GOTO_TABLE))
		small_encode(wr, OFPIT_GOTO_TABLE, (uint32_t)instrs->goto_table << 24);
}

enum of_error of_instrs_check(const struct of_instrs *instrs, const struct of_match *match,
			      uint8_t table)
{
	struct of_match known;
	enum of_error error;

	memcpy(&known, match, of_match_size(match));
	error = of_actions_apply(&instrs->apply, &known, false);
	if (error == OF_OK)
		error = of_actions_apply(&instrs->write, &known, true);
	if (error == OF_OK && of_instrs_has(instrs, OFPIT_GOTO_TABLE) &&
	    instrs->goto_table <= table)
		error = OFPBIC_BAD_TABLE_ID;
	return error;
}
