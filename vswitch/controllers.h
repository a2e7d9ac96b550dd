/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The controllers of each switch: the targets that are configured, the management socket that is
 * always there, their connections, and what the switch does while it has none (fail-mode).
 *
 * 	model ─► vs_controllers (one a switch) ─► remote.h (one a target) ─► channel.h
 * 	                        └─► agent.h: the switch's rules answer
 *
 * A switch gets rules, and thereby its agent, when it has a target or when somebody comes; one that
 * nobody programs stays as fast as it was.
 *
 * Control thread.
 */
#ifndef VSWITCH_CONTROLLERS_H
#define VSWITCH_CONTROLLERS_H

#include "vswitch/vs.h"

#include <jansson.h>

/* Three steps of an apply: what is new is made, or nothing is; then either what left is taken away,
 * once 'vs->model' is the new one and before rules of switches that are gone go; or what was made
 * is.  'starting': what cannot be had is waited for. */
int vs_controllers_prepare(struct vs *vs, const struct vs_model *after, bool starting,
			   struct err *err);
void vs_controllers_commit(struct vs *vs);
void vs_controllers_abort(struct vs *vs);
/* Closes all.  Before the switches' rules go. */
void vs_controllers_fini(struct vs *vs);

/* Ten times a second: fail-mode. */
void vs_controllers_tick(struct vs *vs);

/* Rows for 'controller list', of one switch or all (NULL); new reference. */
json_t *vs_controllers_list(const struct vs *vs, const char *sw);
/* How many connections of controllers a switch has now. */
unsigned vs_controllers_n_up(const struct vs *vs, const char *sw);

/* What its controllers know it by: as configured, or made of the host's identity and its name. */
uint64_t vs_datapath_id(const struct vs_switch *sw);

/* Does a switch that gets its rules now begin without any?  Its controller gives it all. */
bool vs_controllers_start_empty(const struct vs *vs, const char *sw);
/* How many rules it has beside the one that every switch begins with. */
unsigned vs_rules_beside_first(struct vs_flows *flows);

#endif
