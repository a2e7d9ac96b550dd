/* SPDX-License-Identifier: BSD-2-Clause
 *
 * A tenant's flooding bandwidth: a token bucket that workers borrow chunks from (flood.c).  Lives
 * as long as the tenant, across views, so a change elsewhere does not refill it.
 */
#ifndef DATAPLANE_FLOOD_H
#define DATAPLANE_FLOOD_H

#include <stdatomic.h>
#include <stdint.h>

struct dp_flood_limit {
	_Atomic int64_t tokens; /* bytes; may go below zero by a chunk a worker */
	_Atomic uint64_t last_tsc;
	double bytes_per_tsc;
	int64_t burst_bytes;
	uint64_t tsc_per_chunk, tsc_burst;
	struct {
		int64_t bytes; /* the worker's own, borrowed */
	} __attribute__((aligned(64))) share[64];
};

/* 'rate_bps' bits a second. Control thread, before it is published. */
void dp_flood_limit_init(struct dp_flood_limit *limit, uint64_t rate_bps, uint64_t tsc_hz);

#endif
