/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which switches have rules.  A switch that only learns needs none (and is faster); its tables are
 * made with the one rule NORMAL, as every switch starts, when the first other rule comes.  Control
 * thread.
 */
#ifndef VSWITCH_SWITCH_FLOWS_H
#define VSWITCH_SWITCH_FLOWS_H

#include "vswitch/flows.h"
#include "vswitch/vs.h"

/* NULL: it has no rules yet. */
struct vs_flows *vs_switch_flows(const struct vs *vs, const char *sw);
/* What its controllers talk to; there with the rules. */
struct vs_agent *vs_switch_agent(const struct vs *vs, const char *sw);
/* Makes them, and publishes a view that uses them.  0 or negative errno. */
int vs_switch_flows_need(struct vs *vs, const char *sw, struct vs_flows **ret_flows,
			 struct err *err);

/* Which switch has the pipeline of this id (dp_pipeline_id()); NULL: none any more. */
const char *vs_switch_of_pipeline(const struct vs *vs, uint64_t pipeline);

/* For the view: what a switch has. */
const struct dp_pipeline *vs_switch_pipeline(const struct vs *vs, const char *sw);

/* After a view was published: rules of switches that are gone go, numbers lead to the ports that
 * are there. */
void vs_switch_flows_sync(struct vs *vs);
/* Links may have changed (dp_links_look()): fast-failover groups choose anew, at once. */
void vs_switch_flows_links(struct vs *vs);
/* Ten times a second. */
void vs_switch_flows_tick(struct vs *vs);
void vs_switch_flows_fini(struct vs *vs);

#endif
