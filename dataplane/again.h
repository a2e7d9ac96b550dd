/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Frames that come in again: what went out by a port without a device (tunnel.h) and now enters a
 * switch by another.  They wait until the burst that they came from is through, and then make
 * bursts of their own, port by port, round by round.  A frame that is still on its way after
 * DP_AGAIN_ROUNDS goes in a circle through tunnels, and ends.  Workers; nothing here is shared.
 */
#ifndef DATAPLANE_AGAIN_H
#define DATAPLANE_AGAIN_H

#include <stdbool.h>
#include <stdint.h>

struct dp_worker;
struct rte_mbuf;

#define DP_AGAIN_MAX	512
#define DP_AGAIN_ROUNDS 6

struct dp_again_list {
	uint16_t n;
	uint16_t port[DP_AGAIN_MAX];
	struct rte_mbuf *m[DP_AGAIN_MAX];
};

struct dp_again {
	struct dp_again_list lists[2]; /* of this round and the next */
	uint8_t filling;
	bool running;
};

/* 'm' comes in by 'port' after this burst; takes it.  When there is no room it is counted there as
 * received and dropped. */
void dp_again(struct dp_worker *w, uint16_t port, struct rte_mbuf *m);
void dp_again_burst(struct dp_worker *w, uint16_t port, struct rte_mbuf **pkts, uint16_t n);
/* Is anything waiting, and nobody at it? */
static inline bool dp_again_waits(const struct dp_again *a)
{
	return a->lists[a->filling].n != 0 && !a->running;
}
/* Carries out all that waits. */
void dp_again_run(struct dp_worker *w);

#endif
