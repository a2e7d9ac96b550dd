/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Inside of teams; see teams.h.
 */
#ifndef VSWITCH_TEAM_PRIV_H
#define VSWITCH_TEAM_PRIV_H

#include "vswitch/teams.h"

/* Of a model: m->policy[VS_POLICY_TEAM]. */
struct vs_team_conf {
	unsigned n;
	struct vs_team v[];
};

int vs_teams_read(struct vs_model *m, void **ret, struct err *err);
void vs_teams_forget(void *conf);

#endif
