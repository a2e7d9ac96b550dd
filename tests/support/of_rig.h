/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A switch "s" with ports in memory p1 to p4, OpenFlow numbers 1 to 4, and no rules; and a
 * connection of paper to it: what the agent sends is kept.  Who links it wraps vs_channel_send.
 */
#ifndef TESTS_SUPPORT_OF_RIG_H
#define TESTS_SUPPORT_OF_RIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <jansson.h>

#include "ctl/base/wire.h"
#include "vswitch/agent.h"
#include "vswitch/channel.h"
#include "vswitch/flows.h"
#include "vswitch/vs.h"

#define OF_RIG_PORTS 4

struct of_rig {
	struct dp *dp;
	struct vs *vs;
	struct vs_agent *agent;
	struct vs_flows *flows;
	struct vs_channel ch;
	struct wr sent;		     /* all that the agent sent since of_rig_ask() */
	size_t at;		     /* how much of it of_rig_next() has read */
	const struct vs_channel *by; /* by which it sent last */
};

/* The configuration of such a switch, to be applied with changes; new reference. */
json_t *of_rig_state(void);
/* There is one at a time.  'worker': with a worker on this processor. */
void of_rig_open(struct of_rig *rig, bool worker);
void of_rig_close(struct of_rig *rig);
/* Hands in whole messages; earlier answers are forgotten. */
void of_rig_ask(struct of_rig *rig, const struct wr *msgs);
/* The next answer: its header, and a reader of its body.  False: there is none. */
bool of_rig_next(struct of_rig *rig, struct of_header *ret_header, struct rd *ret_body);
/* The error that is the only answer; OF_OK when there is no answer.  Fails for any other. */
enum of_error of_rig_error(struct of_rig *rig);
/* Asks, and wants no answer, or the only one to be this error. */
enum of_error of_rig_try(struct of_rig *rig, struct wr *msg);

/* The agent sends: wrapped. */
void __wrap_vs_channel_send(struct vs_channel *ch, const void *msgs, size_t size, bool may_drop);

#endif
