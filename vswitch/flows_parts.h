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

/* Rules that use a group or meter, as the open transaction has them; 'fn' may retire the one it is
 * given. */
typedef void (*vs_user_fn)(struct vs_rule *rule, void *arg);
void vs_flows_each_user(struct vs_flows *flows, vs_user_fn fn, void *arg);
/* Deletes one, with the transaction. */
void vs_flows_retire(struct vs_flows *flows, struct vs_rule *rule, uint8_t why);

/* OF_GROUP_ALL: any. */
bool vs_instrs_use_group(const struct of_instrs *instrs, uint32_t id);

#endif
