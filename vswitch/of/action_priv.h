/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Nicira's actions, for action.c.
 */
#ifndef VSWITCH_OF_ACTION_PRIV_H
#define VSWITCH_OF_ACTION_PRIV_H

#include "vswitch/of/action.h"

/* A list inside 'ct' has other rules. */
enum of_error of_actions_decode_in(struct rd *rd, bool in_ct, struct of_actions *ret_actions);

/* 'rd' is what follows the experimenter id, to the action's end; what 'ret_action' owns is the
 * caller's. */
enum of_error of_nx_action_decode(struct rd *rd, bool in_ct, struct of_action *ret_action);
/* From the subtype on. */
void of_nx_action_encode(struct wr *wr, const struct of_action *action);

/* Errors about a field as those of an action that sets it. */
enum of_error of_set_error(enum of_error error);

#endif
