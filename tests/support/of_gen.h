/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Random OpenFlow structures that are right, for tests that say decode(encode(x)) == x.
 * The state of the generator is any number but 0.
 */
#ifndef TESTS_SUPPORT_OF_GEN_H
#define TESTS_SUPPORT_OF_GEN_H

#include <stdint.h>

#include "vswitch/of/flow.h"
#include "vswitch/of/group.h"
#include "vswitch/of/meter.h"

uint64_t of_gen(uint64_t *state);
/* 0 to n - 1. */
uint32_t of_gen_below(uint64_t *state, uint32_t n);
/* A value of the field, masked or not. */
struct of_oxm of_gen_oxm(uint64_t *state, enum of_field field);
void of_gen_match(uint64_t *state, struct of_match *match);
/* Actions that fit packets of 'match'. */
void of_gen_actions(uint64_t *state, const struct of_match *match, struct of_actions *actions);
void of_gen_instrs(uint64_t *state, const struct of_match *match, uint8_t table,
		   struct of_instrs *instrs);
void of_gen_flow_mod(uint64_t *state, struct of_flow_mod *mod);
void of_gen_group_mod(uint64_t *state, struct of_group_mod *mod);
void of_gen_meter_mod(uint64_t *state, struct of_meter_mod *mod);

#endif
