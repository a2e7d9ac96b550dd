/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Neighbours of a VTEP: which MAC has an address on its link.  A table of fixed size that all
 * workers share.  Readers take no lock: each entry has a sequence number that is odd while it is
 * written.  Writers take a flag; a worker that does not get it lets the matter rest until the next
 * frame.
 *
 * 	(nothing) ── looked for ──► asked ── answered ──► known ── 30 s ──► known, asked again
 * 	                              ▲                                        │ 90 s unanswered
 * 	                              └────────────────────────────────────────┘
 *
 * Only what somebody sends to has an entry, so a link full of stations fills nothing; where there
 * is no room the entry that was used longest ago goes.  An address is asked for once a second at
 * most.
 *
 * Source: RFC 826; RFC 4861 7.3 (states, simplified: what is known for long is asked again).
 */
#ifndef DATAPLANE_NEIGH_H
#define DATAPLANE_NEIGH_H

#include "dataplane/tunnel_wire.h"

#include <stdbool.h>
#include <stdint.h>

#include <rte_ether.h>

#define DP_NEIGHS	   1024
#define DP_NEIGH_STALE_MS  30000u
#define DP_NEIGH_FORGET_MS 90000u
#define DP_NEIGH_ASK_MS	   1000u

struct dp_neighs;

struct dp_neigh_info {
	struct dp_ip ip;
	struct rte_ether_addr mac;
	bool known, is_static;
	uint64_t age_ms, idle_ms; /* since it was confirmed, used */
};

/* Control thread.  NULL when there is no memory. */
struct dp_neighs *dp_neighs_create(void);
void dp_neighs_destroy(struct dp_neighs *ns);

/* Which MAC?  False: nobody knows.  '*ret_ask': the caller has to ask now. */
bool dp_neigh_find(struct dp_neighs *ns, const struct dp_ip *ip, uint64_t now_ms,
		   uint8_t ret_mac[6], bool *ret_ask);
/* A neighbour says so.  Nothing happens if nobody looked for it, or it is static. */
void dp_neigh_learn(struct dp_neighs *ns, const struct dp_ip *ip, const uint8_t mac[6],
		    uint64_t now_ms);
/* Control thread: all static entries are these from now on.  -ENOSPC, or 0. */
struct dp_neigh_static {
	struct dp_ip ip;
	uint8_t mac[6];
};
int dp_neighs_set_static(struct dp_neighs *ns, const struct dp_neigh_static *v, unsigned n);
/* All there are, at most 'max'; how many.  Control thread. */
unsigned dp_neighs_list(struct dp_neighs *ns, uint64_t now_ms, struct dp_neigh_info *ret,
			unsigned max);

#endif
