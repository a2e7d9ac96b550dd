/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Teams of uplinks as configured and as they run: who of a team's members may send and be heard,
 * decided anew whenever a link, a partner or the configuration changes.
 *
 * 	links, LACP (lacp.h) ─► teams.c ─► 'struct dp_team_set' ─► workers (dataplane/team.h)
 *
 * A part of policy.h.  Looks every LOOK_MS at the members' links while there are teams: a member
 * that loses its link is out after that, and workers that see it first do not wait for it.
 *
 * Control thread.
 */
#ifndef VSWITCH_TEAMS_H
#define VSWITCH_TEAMS_H

#include "dataplane/team.h"
#include "vswitch/lacp.h"
#include "vswitch/model.h"

#include <stdbool.h>
#include <stdint.h>

struct vs;

enum vs_team_mode {
	VS_TEAM_ACTIVE_BACKUP,
	VS_TEAM_ADDRESS,
	VS_TEAM_PORT,
	VS_TEAM_STATIC,
	VS_TEAM_LACP,
};

/* A team of the model. */
struct vs_team {
	const struct vs_port *port, *primary; /* 'primary' may be NULL */
	const struct vs_port *members[DP_TEAM_MAX_MEMBERS];
	unsigned n_members;
	enum vs_team_mode mode;
	bool fast, passive;
};

/* The team that this port is, or NULL. */
const struct vs_team *vs_team_of(const struct vs_model *m, const struct vs_port *p);
const char *vs_team_mode_name(enum vs_team_mode mode);

/* What a member does now. */
struct vs_team_member_info {
	bool active, heard; /* it sends; it is listened to */
	unsigned n_buckets; /* of DP_TEAM_BUCKETS */
	const char *note;   /* why it does not, or "" */
	bool has_lacp;
	struct lacp_port lacp; /* then */
};
/* Says it of one; false: that is no member, or its team does not run. */
bool vs_team_member(struct vs *vs, const struct vs_team *t, const struct vs_port *member,
		    struct vs_team_member_info *ret_info);
/* How often the members that send became others. */
uint64_t vs_team_moves(struct vs *vs, const struct vs_team *t);

/* Which members send, and by which buckets: what can be said without a device, for tests too. */
struct vs_team_choice {
	uint16_t id; /* of a member's port */
	uint32_t speed_mbps;
	bool sends;
};
/* Shares the buckets among those that send, by speed, moving as few as can be; 'ids' are the
 * members' ids of each bucket before (DP_NO_PORT: nobody's) and after. */
void vs_team_share(const struct vs_team_choice *v, unsigned n, uint16_t ids[DP_TEAM_BUCKETS]);

/* Links, partners and timers, now. */
void vs_teams_run(struct vs *vs);

#endif
