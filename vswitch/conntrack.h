/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Connection tracking as configured (dataplane/ct.h): from the model to the tracker.  There is no
 * tracker until a rule tracks or the configuration says something about it.  Control thread, from
 * apply.c.
 */
#ifndef VSWITCH_CONNTRACK_H
#define VSWITCH_CONNTRACK_H

#include "vswitch/vs.h"

/* A tracker is there if 'm' says something about it. */
int vs_conntrack_need(struct vs *vs, const struct vs_model *m, struct err *err);
/* Limits of 'before' go; domains are still those that it had. */
void vs_conntrack_lift(struct vs *vs, const struct vs_model *before);
/* The tracker does as 'm' says; domains are those of 'm'. */
void vs_conntrack_follow(struct vs *vs, const struct vs_model *m);

#endif
