/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Messages about tables; see table.h.
 */
#include "vswitch/of/table.h"

#include <string.h>

#include "ctl/base/wire.h"
#include "vswitch/of/header.h"

#define FEATURES_SIZE	   64 /* without properties */
#define TABLE_CONFIG_KNOWN 3U /* the bits are deprecated, their values reserved (A.3.3) */

enum of_error of_table_mod_decode(struct rd *rd, struct of_table_mod *ret_mod)
{
	struct of_table_mod mod;

	mod.table = rd_u8(rd);
	rd_skip(rd, 3);
	mod.config = rd_be32(rd);
	if (of_msg_empty(rd))
		return OFPBRC_BAD_LEN;
	if ((mod.config & ~TABLE_CONFIG_KNOWN) != 0)
		return OFPTMFC_BAD_CONFIG;
	*ret_mod = mod;
	return OF_OK;
}

void of_table_mod_encode(struct wr *wr, uint32_t xid, const struct of_table_mod *mod)
{
	size_t at = of_msg_begin(wr, OFPT_TABLE_MOD, xid);

	wr_u8(wr, mod->table);
	wr_zeros(wr, 3);
	wr_be32(wr, mod->config);
	of_msg_end(wr, at);
}

enum of_error of_table_stats_decode(struct rd *rd, struct of_table_stats *ret_stats)
{
	struct of_table_stats s;

	s.table = rd_u8(rd);
	rd_skip(rd, 3);
	s.n_active = rd_be32(rd);
	s.n_lookups = rd_be64(rd);
	s.n_matches = rd_be64(rd);
	if (!rd_ok(rd))
		return OFPBRC_BAD_LEN;
	*ret_stats = s;
	return OF_OK;
}

void of_table_stats_encode(struct wr *wr, const struct of_table_stats *stats)
{
	wr_u8(wr, stats->table);
	wr_zeros(wr, 3);
	wr_be32(wr, stats->n_active);
	wr_be64(wr, stats->n_lookups);
	wr_be64(wr, stats->n_matches);
}

static enum of_error instrs_decode(struct rd *rd, uint8_t *ret_instrs)
{
	while (rd->left > 0) {
		uint16_t type = rd_be16(rd), size = rd_be16(rd);

		rd_skip(rd, size < 4 ? SIZE_MAX : size - 4U);
		if (!rd_ok(rd))
			return OFPTFFC_BAD_LEN;
		if (type < OFPIT_GOTO_TABLE || type > OFPIT_METER)
			return OFPTFFC_BAD_ARGUMENT;
		*ret_instrs |= (uint8_t)(1U << type);
	}
	return OF_OK;
}

static enum of_error actions_decode(struct rd *rd, uint32_t *ret_actions)
{
	while (rd->left > 0) {
		uint16_t type = rd_be16(rd), size = rd_be16(rd);

		rd_skip(rd, size < 4 ? SIZE_MAX : size - 4U);
		if (!rd_ok(rd))
			return OFPTFFC_BAD_LEN;
		if (type > OF_ACT_POP_PBB || of_action_name((uint8_t)type) == NULL)
			return OFPTFFC_BAD_ARGUMENT;
		*ret_actions |= 1U << type;
	}
	return OF_OK;
}

/* 'ret_masks' may be NULL. */
static enum of_error fields_decode(struct rd *rd, uint64_t *ret_fields, uint64_t *ret_masks)
{
	while (rd->left > 0) {
		enum of_field field;
		bool masked;
		size_t left;
		enum of_error error = of_oxm_id_decode(rd, &field, &masked, &left);

		if (error)
			return error == OFPBMC_BAD_LEN ? OFPTFFC_BAD_LEN : OFPTFFC_BAD_ARGUMENT;
		of_bit_set(ret_fields, field);
		if (masked && ret_masks != NULL)
			of_bit_set(ret_masks, field);
	}
	return OF_OK;
}

static enum of_error tables_decode(struct rd *rd, uint64_t *ret_tables)
{
	while (rd->left > 0)
		of_bit_set(ret_tables, rd_u8(rd));
	return OF_OK;
}

static enum of_error prop_body_decode(struct rd *rd, uint16_t type, struct of_table_features *f)
{
	struct of_table_ability *ability = type & 1 ? &f->miss : &f->hit;

	switch (type & ~1) {
	case OFPTFPT_INSTRUCTIONS:
		return instrs_decode(rd, &ability->instrs);
	case OFPTFPT_NEXT_TABLES:
		return tables_decode(rd, ability->next_tables);
	case OFPTFPT_WRITE_ACTIONS:
		return actions_decode(rd, &ability->write_actions);
	case OFPTFPT_APPLY_ACTIONS:
		return actions_decode(rd, &ability->apply_actions);
	case OFPTFPT_WRITE_SETFIELD:
		return fields_decode(rd, ability->write_fields, NULL);
	case OFPTFPT_APPLY_SETFIELD:
		return fields_decode(rd, ability->apply_fields, NULL);
	case OFPTFPT_MATCH:
		return fields_decode(rd, f->match, f->match_mask);
	default:
		return fields_decode(rd, f->wildcards, NULL);
	}
}

static enum of_error prop_decode(struct rd *rd, struct of_table_features *f)
{
	uint16_t type = rd_be16(rd), size = rd_be16(rd);
	struct rd prop = rd_sub(rd, size < 4 ? SIZE_MAX : size - 4U);

	rd_skip(rd, (8U - size % 8) % 8);
	if (!rd_ok(rd))
		return OFPTFFC_BAD_LEN;
	if (type > OFPTFPT_APPLY_SETFIELD_MISS || type == OFPTFPT_MATCH + 1 ||
	    type == OFPTFPT_WILDCARDS + 1)
		return OFPTFFC_BAD_TYPE;
	if ((f->present >> type & 1) != 0)
		return OFPTFFC_BAD_ARGUMENT;
	f->present |= 1U << type;
	return prop_body_decode(&prop, type, f);
}

enum of_error of_table_features_decode(struct rd *rd, struct of_table_features *ret_features)
{
	struct of_table_features f = {0};
	uint16_t size = rd_be16(rd);
	struct rd entry = rd_sub(rd, size < FEATURES_SIZE ? SIZE_MAX : size - 2U);

	f.table = rd_u8(&entry);
	rd_skip(&entry, 5);
	rd_copy(&entry, f.name, sizeof(f.name));
	f.name[sizeof(f.name) - 1] = '\0';
	f.metadata_match = rd_be64(&entry);
	f.metadata_write = rd_be64(&entry);
	f.config = rd_be32(&entry);
	f.max_entries = rd_be32(&entry);
	if (!rd_ok(&entry))
		return OFPTFFC_BAD_LEN;
	while (entry.left > 0) {
		enum of_error error = prop_decode(&entry, &f);

		if (error)
			return error;
	}
	*ret_features = f;
	return OF_OK;
}

static void instrs_encode(struct wr *wr, uint8_t instrs)
{
	for (unsigned type = OFPIT_GOTO_TABLE; type <= OFPIT_METER; type++)
		if ((instrs >> type & 1) != 0) {
			wr_be16(wr, (uint16_t)type);
			wr_be16(wr, 4);
		}
}

static void actions_encode(struct wr *wr, uint32_t actions)
{
	for (unsigned type = 0; type <= OF_ACT_POP_PBB; type++)
		if ((actions >> type & 1) != 0) {
			wr_be16(wr, (uint16_t)type);
			wr_be16(wr, 4);
		}
}

/* 'masks' may be NULL. */
static void fields_encode(struct wr *wr, const uint64_t *fields, const uint64_t *masks)
{
	for (unsigned i = 0; i < OF_N_FIELDS; i++)
		if (of_bit_get(fields, i))
			of_oxm_id_encode(wr, (enum of_field)i,
					 masks != NULL && of_bit_get(masks, i));
}

static void tables_encode(struct wr *wr, const uint64_t *tables)
{
	for (unsigned i = 0; i <= OF_TABLE_ALL; i++)
		if (of_bit_get(tables, i))
			wr_u8(wr, (uint8_t)i);
}

static void prop_body_encode(struct wr *wr, unsigned type, const struct of_table_features *f)
{
	const struct of_table_ability *ability = type & 1 ? &f->miss : &f->hit;

	switch (type & ~1U) {
	case OFPTFPT_INSTRUCTIONS:
		instrs_encode(wr, ability->instrs);
		break;
	case OFPTFPT_NEXT_TABLES:
		tables_encode(wr, ability->next_tables);
		break;
	case OFPTFPT_WRITE_ACTIONS:
		actions_encode(wr, ability->write_actions);
		break;
	case OFPTFPT_APPLY_ACTIONS:
		actions_encode(wr, ability->apply_actions);
		break;
	case OFPTFPT_WRITE_SETFIELD:
		fields_encode(wr, ability->write_fields, NULL);
		break;
	case OFPTFPT_APPLY_SETFIELD:
		fields_encode(wr, ability->apply_fields, NULL);
		break;
	case OFPTFPT_MATCH:
		fields_encode(wr, f->match, f->match_mask);
		break;
	default:
		fields_encode(wr, f->wildcards, NULL);
		break;
	}
}

void of_table_features_encode(struct wr *wr, const struct of_table_features *f)
{
	size_t at = wr->size;

	wr_be16(wr, 0);
	wr_u8(wr, f->table);
	wr_zeros(wr, 5);
	wr_bytes(wr, f->name, sizeof(f->name));
	wr_be64(wr, f->metadata_match);
	wr_be64(wr, f->metadata_write);
	wr_be32(wr, f->config);
	wr_be32(wr, f->max_entries);
	for (unsigned type = 0; type <= OFPTFPT_APPLY_SETFIELD_MISS; type++) {
		size_t from = wr->size;

		if ((f->present >> type & 1) == 0)
			continue;
		wr_be16(wr, (uint16_t)type);
		wr_be16(wr, 0);
		prop_body_encode(wr, type, f);
		wr_set_be16(wr, from + 2, (uint16_t)(wr->size - from));
		wr_pad(wr, from, 8);
	}
	wr_set_be16(wr, at, (uint16_t)(wr->size - at));
}
