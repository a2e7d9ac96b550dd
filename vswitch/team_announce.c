/* SPDX-License-Identifier: BSD-2-Clause
 *
 * When other members of a team come to send, switches out there still send by the old way to the
 * machines behind it.  So a frame of each machine goes out by the new one: a RARP request that
 * nobody answers, from its address, on its VLAN, as hypervisors send when a machine has moved.
 *
 * Uplinks that several tenants share are left out: their machines are heard of with their next
 * frame.
 *
 * Source: RFC 903.
 */
#include "vswitch/team_priv.h"

#include "dataplane/fdb.h"
#include "vswitch/vs.h"

#include <string.h>

#define MAX_ANNOUNCED 1024u

struct announce {
	struct dp *dp;
	const struct dp_vport *team;
	unsigned n;
};

size_t vs_team_rarp(const uint8_t mac[6], uint16_t vlan, uint16_t tpid,
		    uint8_t ret_frame[VS_TEAM_RARP_SIZE])
{
	/* Ethernet, IPv4, their address sizes, "request reverse". */
	static const uint8_t head[] = {0x80, 0x35, 0, 1, 8, 0, 6, 4, 0, 3};
	uint8_t *p = ret_frame;

	memset(ret_frame, 0, VS_TEAM_RARP_SIZE);
	memset(p, 0xff, 6);
	memcpy(p + 6, mac, 6);
	p += 12;
	if (vlan != 0) {
		memcpy(p, &tpid, 2); /* as on the wire */
		p[2] = (uint8_t)(vlan >> 8);
		p[3] = (uint8_t)vlan;
		p += 4;
	}
	memcpy(p, head, sizeof(head));
	memcpy(p + 10, mac, 6); /* the sender's, and the one it asks about */
	memcpy(p + 20, mac, 6);
	return (size_t)(p + 30 - ret_frame);
}

static bool announce_one(void *arg, const struct dp_fdb_entry *e)
{
	struct announce *a = arg;
	const struct dp_vport *t = a->team;
	uint8_t frame[VS_TEAM_RARP_SIZE];
	uint16_t tag;
	size_t size;

	if (e->domain != t->domain || e->port == t->id || !dp_vlan_test(t->vlan_out, e->vlan))
		return true;
	tag = (t->flags & DP_VP_TAG_OUT) != 0 && e->vlan != t->native_out ? e->vlan : 0;
	size = vs_team_rarp(e->mac.addr_bytes, tag, t->tpid_out, frame);
	return dp_team_send(a->dp, t->id, frame, size) == 0 && ++a->n < MAX_ANNOUNCED;
}

void vs_team_announce(struct vs *vs, uint16_t id)
{
	const struct dp_view *view = dp_view(vs->dp);
	struct announce a = {.dp = vs->dp, .team = view != NULL ? view->vports[id] : NULL};

	if (a.team != NULL && a.team->wire == NULL)
		dp_fdb_walk(dp_fdb(vs->dp), announce_one, &a);
}
