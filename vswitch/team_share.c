/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Which member of a team gets which of its flows; see teams.h.  Flows are in buckets, and each
 * bucket that moves may put a packet before another, so a bucket stays where it is as long as its
 * member sends and has no more than its share.
 */
#include "vswitch/teams.h"

#include <string.h>

struct part {
	uint32_t weight;
	unsigned wanted, has;
};

/* By speed; where one does not tell its speed, all alike. */
static void weigh(const struct vs_team_choice *v, unsigned n, struct part *parts)
{
	bool known = true;

	for (unsigned i = 0; i < n; i++)
		known &= !v[i].sends || v[i].speed_mbps != 0;
	for (unsigned i = 0; i < n; i++)
		parts[i].weight = !v[i].sends ? 0 : known ? v[i].speed_mbps : 1;
}

/* Buckets in whole numbers: what rounding leaves goes to the first that are not full. */
static void want(struct part *parts, unsigned n)
{
	uint64_t total = 0;
	unsigned left = DP_TEAM_BUCKETS;

	for (unsigned i = 0; i < n; i++)
		total += parts[i].weight;
	for (unsigned i = 0; total != 0 && i < n; i++) {
		parts[i].wanted = (unsigned)((uint64_t)parts[i].weight * DP_TEAM_BUCKETS / total);
		left -= parts[i].wanted;
	}
	while (total != 0 && left != 0)
		for (unsigned i = 0; i < n && left != 0; i++)
			if (parts[i].weight != 0) {
				parts[i].wanted++;
				left--;
			}
}

static unsigned index_of(const struct vs_team_choice *v, unsigned n, uint16_t id)
{
	unsigned i = 0;

	while (i < n && v[i].id != id)
		i++;
	return i;
}

void vs_team_share(const struct vs_team_choice *v, unsigned n, uint16_t ids[DP_TEAM_BUCKETS])
{
	struct part parts[DP_TEAM_MAX_MEMBERS] = {0};
	unsigned next = 0;

	weigh(v, n, parts);
	want(parts, n);
	for (unsigned b = 0; b < DP_TEAM_BUCKETS; b++) {
		unsigned i = ids[b] != DP_NO_PORT ? index_of(v, n, ids[b]) : n;

		if (i < n && parts[i].has < parts[i].wanted)
			parts[i].has++;
		else
			ids[b] = DP_NO_PORT;
	}
	for (unsigned b = 0; b < DP_TEAM_BUCKETS; b++) {
		if (ids[b] != DP_NO_PORT)
			continue;
		/* In turn, so that neighbours are not all the same member's. */
		for (unsigned k = 0; k < n && ids[b] == DP_NO_PORT; k++, next = (next + 1) % n) {
			if (parts[next].has == parts[next].wanted)
				continue;
			parts[next].has++;
			ids[b] = v[next].id;
		}
	}
}
