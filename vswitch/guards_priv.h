/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Guards as they run; see guards.h.  Control thread.
 */
#ifndef VSWITCH_GUARDS_PRIV_H
#define VSWITCH_GUARDS_PRIV_H

#include "vswitch/guards.h"
#include "vswitch/vs.h"

/* What vs.policy[VS_POLICY_GUARD] is. */
struct vs_guards {
	uint64_t held_until_ns[DP_MAX_PORTS]; /* of ports that VS_HELD_BPDU holds */
};

/* Holds a port that sent a bridge protocol frame, and tells. */
void vs_guard_hold(struct vs *vs, uint16_t id);
/* False: it is not held for that. */
bool vs_guard_let_go(struct vs *vs, uint16_t id, const char *why);

#endif
