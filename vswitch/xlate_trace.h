/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What a translation (xlate.c) tells who traces it: dp_build.trace points here.  Control thread;
 * on workers there is none.
 */
#ifndef VSWITCH_XLATE_TRACE_H
#define VSWITCH_XLATE_TRACE_H

#include "dataplane/key.h"

#include <stdint.h>

struct of_action;
struct vs_rule;

struct vs_xlate_trace {
	/* A table was searched for a packet that looks like 'key' now; 'rule' is NULL when none
	 * fits, 'wc' is what had to be looked at to know. */
	void (*searched)(struct vs_xlate_trace *t, uint8_t table, const struct vs_rule *rule,
			 const struct dp_key *key, const struct dp_key *wc);
	void (*action)(struct vs_xlate_trace *t, const struct of_action *action);
	/* The tables are done; the actions that follow are those of the action set. */
	void (*set)(struct vs_xlate_trace *t);
};

#endif
