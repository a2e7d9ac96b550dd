/* SPDX-License-Identifier: BSD-2-Clause
 *
 * Meters as workers see them; see meter.h.  dataplane/ only.
 */
#ifndef DATAPLANE_METER_PRIV_H
#define DATAPLANE_METER_PRIV_H

#include "dataplane/dp_priv.h"
#include "dataplane/meter.h"

#include <stdatomic.h>

/* A line of its own: the one word that workers share. */
struct dp_meter_band {
	_Atomic uint64_t at; /* clock */
	double tsc_per_token;
	uint64_t burst_tsc;
	int64_t chunk; /* tokens that a worker takes at once */
} __attribute__((aligned(64)));

struct dp_meter {
	struct dp_meter_spec spec;
	uint8_t order[DP_METER_BANDS]; /* bands, the highest rate first */
	struct dp_meter_band bands[DP_METER_BANDS];
	struct {
		int64_t tokens[DP_METER_BANDS]; /* the worker's own */
	} __attribute__((aligned(64))) share[DP_MAX_WORKERS];
};

struct dp_meters {
	_Atomic(struct dp_meter *) v[DP_MAX_METERS];
	/* The control thread's. */
	uint64_t taken[DP_MAX_METERS / 64];
	uint32_t next; /* none below it is free */
};

static inline struct dp_meter *dp_meter_at(const struct dp *dp, uint32_t index)
{
	const struct dp_meters *meters = atomic_load_explicit(&dp->meters, memory_order_acquire);

	return meters == NULL || index >= DP_MAX_METERS
		       ? NULL
		       : atomic_load_explicit(&meters->v[index], memory_order_acquire);
}

#endif
