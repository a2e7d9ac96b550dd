/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Inside of teams; see teams.h.
 */
#ifndef VSWITCH_TEAM_PRIV_H
#define VSWITCH_TEAM_PRIV_H

#include "vswitch/teams.h"

#include <stddef.h>

/* Of a model: m->policy[VS_POLICY_TEAM]. */
struct vs_team_conf {
	unsigned n;
	struct vs_team v[];
};

int vs_teams_read(struct vs_model *m, void **ret, struct err *err);
void vs_teams_forget(void *conf);

#define VS_TEAM_RARP_SIZE 60
/* The frame that says where a station is; 'vlan' 0: untagged; 'tpid' is big-endian.  Returns its
 * size. */
size_t vs_team_rarp(const uint8_t mac[6], uint16_t vlan, uint16_t tpid,
		    uint8_t ret_frame[VS_TEAM_RARP_SIZE]);
/* Tells the switches behind the team whose port is 'id' where the stations here are now. */
void vs_team_announce(struct vs *vs, uint16_t id);

#endif
