/* SPDX-License-Identifier: BSD-2-Clause
 *
 * What unknown flows may cost.  A frame that the cache's usual groups do not know is searched for
 * in the others and then in the tables: twenty times the work of a known one.  A scan, or a flood
 * from random addresses, is made of nothing else, and would leave steady flows what it does not
 * need.
 *
 * So where they compete for a worker, the unknown frames of a port get a part of its time, and what
 * is beyond that is dropped unseen (DP_DROP_FLOW_LIMIT).  They compete when a port other than
 * theirs is behind (worker.c: its queue stayed full), or theirs is, and known frames come by it as
 * well.  Otherwise all are looked up: a worker that keeps up drops nobody's.
 *
 * Time is counted in frames, of what they cost on average: a worker that another process interrupts
 * takes nothing from anybody.
 *
 * Workers, each for itself.
 */
#ifndef DATAPLANE_POLICE_H
#define DATAPLANE_POLICE_H

#include "dataplane/port.h"

#include <stdbool.h>
#include <stdint.h>

#define DP_POLICE_AT_ONCE 4096u /* unknown frames of a port that has been quiet */

struct dp_police_port {
	uint64_t at;	 /* clock when 'n' was last filled */
	uint32_t n;	 /* unknown frames that may be looked up */
	uint32_t frames; /* lately */
	uint32_t known;	 /* of them */
	bool wants;	 /* it got less than it wanted since 'dp_police.round' began */
};

struct dp_police {
	struct dp_police_port ports[DP_MAX_PORTS];
	uint32_t cost;		  /* cycles that an unknown frame takes */
	uint64_t round;		  /* clock when the count of those that want more began */
	uint16_t n_want, n_share; /* ports: in this round, in the last */
};

/* A port came by 'n' frames, of which bits of 'unknown' say which are.  Returns those that may be
 * looked up. */
uint32_t dp_police(struct dp_worker *w, uint16_t port, unsigned n, uint32_t unknown);
/* 'n' unknown frames took so long. */
void dp_police_spent(struct dp_police *police, uint64_t cycles, unsigned n);

#endif
