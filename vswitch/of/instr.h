/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The instructions of a flow (OpenFlow 1.3.5, 7.2.4): at most one of each type, executed in an
 * order of their own, and read back in that order.
 */
#ifndef VSWITCH_OF_INSTR_H
#define VSWITCH_OF_INSTR_H

#include "vswitch/of/action.h"

enum of_instr_type {
	OFPIT_GOTO_TABLE = 1,
	OFPIT_WRITE_METADATA = 2,
	OFPIT_WRITE_ACTIONS = 3,
	OFPIT_APPLY_ACTIONS = 4,
	OFPIT_CLEAR_ACTIONS = 5,
	OFPIT_METER = 6,
};
#define OF_METER_MAX	    0xffff0000U
#define OF_METER_SLOWPATH   0xfffffffdU
#define OF_METER_CONTROLLER 0xfffffffeU
#define OF_METER_ALL	    0xffffffffU

struct of_instrs {
	uint8_t present; /* bit n: the instruction of type n is there; see of_instrs_has() */
	uint8_t goto_table;
	uint32_t meter;
	uint64_t metadata, metadata_mask;
	struct of_actions write, apply;
};

static inline bool of_instrs_has(const struct of_instrs *instrs, enum of_instr_type type)
{
	return (instrs->present >> type & 1) != 0;
}
static inline void of_instrs_mark(struct of_instrs *instrs, enum of_instr_type type)
{
	instrs->present |= (uint8_t)(1U << type);
}

void of_instrs_fini(struct of_instrs *instrs);
/* 'ret_copy' need not be initialised; false when memory ran out. */
bool of_instrs_copy(const struct of_instrs *instrs, struct of_instrs *ret_copy);
bool of_instrs_equal(const struct of_instrs *a, const struct of_instrs *b);

/* All of 'rd'.  'ret_instrs' need not be initialised; on failure it is empty. */
enum of_error of_instrs_decode(struct rd *rd, struct of_instrs *ret_instrs);
void of_instrs_encode(struct wr *wr, const struct of_instrs *instrs);

/* That actions fit the match, goto-table goes forward from 'table', and metadata is consistent. */
enum of_error of_instrs_check(const struct of_instrs *instrs, const struct of_match *match,
			      uint8_t table);

#endif
