/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Messages about tables (OpenFlow 1.3.5, A.3.3, A.3.5.4, A.3.5.5).
 */
#ifndef VSWITCH_OF_TABLE_H
#define VSWITCH_OF_TABLE_H

#include "vswitch/of/instr.h"

struct of_table_mod {
	uint8_t table; /* OF_TABLE_ALL: all */
	uint32_t config;
};
enum of_error of_table_mod_decode(struct rd *rd, struct of_table_mod *ret_mod);
void of_table_mod_encode(struct wr *wr, uint32_t xid, const struct of_table_mod *mod);

/* An entry of a table statistics reply. */
struct of_table_stats {
	uint8_t table;
	uint32_t n_active;
	uint64_t n_lookups, n_matches;
};
enum of_error of_table_stats_decode(struct rd *rd, struct of_table_stats *ret_stats);
void of_table_stats_encode(struct wr *wr, const struct of_table_stats *stats);

/* What a table can do.  Most properties come twice: for flows, and for the table-miss flow, which
 * is only written when it differs. */
struct of_table_ability {
	uint8_t instrs;		  /* bits by enum of_instr_type */
	uint64_t next_tables[4];  /* bits by table */
	uint32_t write_actions;	  /* bits by standard action type */
	uint32_t apply_actions;	  /* the same */
	uint64_t write_fields[2]; /* what set-field may set; bits by enum of_field */
	uint64_t apply_fields[2];
};
#define OF_TABLE_NAME_SIZE 32
struct of_table_features {
	uint8_t table;
	char name[OF_TABLE_NAME_SIZE]; /* ends with a zero */
	uint64_t metadata_match, metadata_write;
	uint32_t config;
	uint32_t max_entries;
	uint32_t present; /* properties that are there, bits by enum of_table_prop */
	struct of_table_ability hit, miss;
	uint64_t match[2];	/* fields of matches; bits by enum of_field */
	uint64_t match_mask[2]; /* of those, which may have a mask */
	uint64_t wildcards[2];	/* fields that a match may leave out */
};

enum of_table_prop {
	OFPTFPT_INSTRUCTIONS = 0,
	OFPTFPT_INSTRUCTIONS_MISS = 1,
	OFPTFPT_NEXT_TABLES = 2,
	OFPTFPT_NEXT_TABLES_MISS = 3,
	OFPTFPT_WRITE_ACTIONS = 4,
	OFPTFPT_WRITE_ACTIONS_MISS = 5,
	OFPTFPT_APPLY_ACTIONS = 6,
	OFPTFPT_APPLY_ACTIONS_MISS = 7,
	OFPTFPT_MATCH = 8,
	OFPTFPT_WILDCARDS = 10,
	OFPTFPT_WRITE_SETFIELD = 12,
	OFPTFPT_WRITE_SETFIELD_MISS = 13,
	OFPTFPT_APPLY_SETFIELD = 14,
	OFPTFPT_APPLY_SETFIELD_MISS = 15,
	OFPTFPT_EXPERIMENTER = 0xfffe,
	OFPTFPT_EXPERIMENTER_MISS = 0xffff,
};

static inline bool of_bit_get(const uint64_t *bits, unsigned i)
{
	return (bits[i / 64] >> i % 64 & 1) != 0;
}
static inline void of_bit_set(uint64_t *bits, unsigned i)
{
	bits[i / 64] |= UINT64_C(1) << i % 64;
}

/* An entry of a table features request or reply. */
enum of_error of_table_features_decode(struct rd *rd, struct of_table_features *ret_features);
void of_table_features_encode(struct wr *wr, const struct of_table_features *features);

#endif
