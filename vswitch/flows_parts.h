/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What groups and meters of a switch need of its rules (flows.c), to change with them in one
 * transaction.  Control thread.
 */
#ifndef VSWITCH_FLOWS_PARTS_H
#define VSWITCH_FLOWS_PARTS_H

#include "vswitch/flows.h"

struct dp *vs_flows_dp(const struct vs_flows *flows);
/* What the open transaction's changes will be seen from. */
uint64_t vs_flows_open_version(const struct vs_flows *flows);

/* Deletes, with the transaction, rules for which 'test' is true; looks at all. */
typedef bool (*vs_rule_test_fn)(const struct vs_rule *rule, const void *arg);
void vs_flows_retire_if(struct vs_flows *flows, vs_rule_test_fn test, const void *arg, uint8_t why);

/* OF_GROUP_ALL: any. */
bool vs_instrs_use_group(const struct of_instrs *instrs, uint32_t id);

#endif
